/* Makes adverts and leases of any agents and hosts. For tests. */
#ifndef HGL_TESTS_ADVERT_FIXTURE_H
#define HGL_TESTS_ADVERT_FIXTURE_H

#include "protocol/advert.h"
#include "protocol/lease.h"

/* A signer whose seed is this number. */
static inline int fixture_numbered_signer(uint64_t number, struct hgl_signer **out,
                                          struct hgl_err *err)
{
  uint8_t seed[HGL_SEED_SIZE] = {0x5e};
  hgl_put_be64(seed + HGL_SEED_SIZE - 8, number);
  return hgl_signer_create(seed, out, err);
}

struct advert_plan {
  const struct hgl_signer *agent, *host;
  int64_t time_ms; /* of the header; the delegation was issued then */
  int64_t life_s;  /* of the delegation */
  uint64_t sequence;
  const char *type; /* NULL: an advert's */
  struct hgl_bytes body;
};

static inline int fixture_advert_envelope(const struct advert_plan *plan, struct hgl_buf *out,
                                          struct hgl_err *err)
{
  struct hgl_envelope envelope = {
      .type = hgl_text(plan->type ? plan->type : HGL_ADVERT_TYPE),
      .from = *hgl_signer_key(plan->agent),
      .to = *hgl_signer_key(plan->agent),
      .created_time_ms = plan->time_ms,
      .body = plan->body,
  };
  memset(envelope.id.bytes, 0x77, HGL_ID_SIZE);
  envelope.thid = envelope.id;
  return hgl_envelope_encode(&envelope, out, err);
}

/* Appends the evidence of an advert: one envelope, one group, one header. */
static inline int fixture_advert(const struct advert_plan *plan, struct hgl_buf *out,
                                 struct hgl_err *err)
{
  const struct hgl_delegation delegation = {.agent = *hgl_signer_key(plan->agent),
                                            .host = *hgl_signer_key(plan->host),
                                            .issued_s = plan->time_ms / 1000,
                                            .expires_s = plan->time_ms / 1000 + plan->life_s,
                                            .sequence = plan->sequence};
  struct hgl_group_leaf leaf = {
      .destination = *hgl_signer_key(plan->host), .first_number = 1, .count = 1};
  struct hgl_header header = {.host = *hgl_signer_key(plan->host),
                              .incarnation = {{1}},
                              .sequence = 1,
                              .group_count = 1,
                              .time_ms = plan->time_ms};
  struct hgl_evidence evidence = {.group_path = {.count = 0}};
  struct hgl_buf parts[4];
  const size_t sizes[4] = {HGL_DELEGATION_SIZE_MAX, HGL_HEADER_SIZE_MAX, HGL_GROUP_LEAF_SIZE_MAX,
                           HGL_ENVELOPE_SIZE_MAX};
  int status;
  for (int i = 0; i < 4; i++) hgl_buf_init(&parts[i], sizes[i]);
  if ((status = hgl_delegation_sign(plan->agent, &delegation, &parts[0], err)) ||
      (status = fixture_advert_envelope(plan, &parts[3], err)))
    goto done;
  hgl_merkle_leaf(hgl_buf_bytes(&parts[3]), &leaf.root);
  if ((status = hgl_group_leaf_encode(&leaf, &parts[2], err))) goto done;
  hgl_merkle_leaf(hgl_buf_bytes(&parts[2]), &header.root);
  if ((status = hgl_header_sign(plan->host, &header, &parts[1], err))) goto done;
  evidence.delegation = hgl_buf_bytes(&parts[0]);
  evidence.header = hgl_buf_bytes(&parts[1]);
  evidence.group_leaf = hgl_buf_bytes(&parts[2]);
  evidence.envelope = hgl_buf_bytes(&parts[3]);
  status = hgl_evidence_encode(&evidence, out, err);
done:
  for (int i = 0; i < 4; i++) hgl_buf_deinit(&parts[i]);
  return status;
}

#endif
