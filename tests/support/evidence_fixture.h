/* Builds batches and evidence from a short plan, always the same bytes for the same plan: keys come
 * from fixed seeds, ids and times are fixed. For tests and for the generator of vectors. */
#ifndef HGL_TESTS_EVIDENCE_FIXTURE_H
#define HGL_TESTS_EVIDENCE_FIXTURE_H

#include "protocol/evidence.h"

enum {
  FIXTURE_GROUPS_MAX = 16,
  FIXTURE_ENVELOPES_MAX = 64,
  /* Seeds: who is who. */
  FIXTURE_AGENT = 0xa1,
  FIXTURE_OTHER_AGENT = 0xa2,
  FIXTURE_HOST = 0xb1,
  FIXTURE_OTHER_HOST = 0xb2,
  FIXTURE_DESTINATION = 0xc0, /* of group 0; the next ones follow */
};
#define FIXTURE_TIME_MS  INT64_C(1790000000000)
#define FIXTURE_ISSUED_S INT64_C(1789990000)

struct plan {
  uint32_t groups, group;       /* in the header; which one is ours */
  uint32_t envelopes, envelope; /* in our group; which one is ours */
  uint8_t agent, host;          /* seeds */
  uint8_t delegated_host;       /* seed of the host that the delegation names */
  struct hgl_delegation terms;  /* keys are filled in */
  struct hgl_header header;     /* host, root and group count are filled in */
  uint64_t first_number;
  struct hgl_bytes body;
  bool in_thread; /* a reply, with thid, pthid, expiry and trace */
};

static inline struct plan plan_default(void)
{
  return (struct plan){
      .groups = 1,
      .envelopes = 1,
      .agent = FIXTURE_AGENT,
      .host = FIXTURE_HOST,
      .delegated_host = FIXTURE_HOST,
      .terms = {.issued_s = FIXTURE_ISSUED_S,
                .expires_s = FIXTURE_ISSUED_S + 24 * 3600,
                .sequence = (uint64_t)FIXTURE_ISSUED_S * 1000},
      .header = {.incarnation = {{1, 2, 3, 4, 5, 6, 7, 8}},
                 .sequence = 1,
                 .time_ms = FIXTURE_TIME_MS},
      .first_number = 1,
      .body = hgl_bytes("\xa1\x65price\x05", 8),
  };
}

static inline int fixture_signer(uint8_t seed, struct hgl_signer **out, struct hgl_err *err)
{
  uint8_t bytes[HGL_SEED_SIZE];
  memset(bytes, seed, sizeof bytes);
  return hgl_signer_create(bytes, out, err);
}

/* A payload put together by hand, signed in our COSE shape. */
static inline int fixture_cose(uint8_t signer_seed, const char *type, struct hgl_bytes payload,
                               struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_signer *signer;
  int status = fixture_signer(signer_seed, &signer, err);
  if (status) return status;
  status = hgl_cose_sign(signer, type, payload, out, err);
  hgl_signer_destroy(signer);
  return status;
}

static inline int fixture_key(uint8_t seed, struct hgl_key *out, struct hgl_err *err)
{
  struct hgl_signer *signer;
  int status = fixture_signer(seed, &signer, err);
  if (status) return status;
  *out = *hgl_signer_key(signer);
  hgl_signer_destroy(signer);
  return 0;
}

/* The envelope at `index` of our group; only ours has the plan's body. */
static inline int fixture_envelope(const struct plan *plan, uint32_t index, struct hgl_buf *out,
                                   struct hgl_err *err)
{
  struct hgl_envelope envelope = {
      .type = hgl_text("haggle-market/1.0/offer"),
      .created_time_ms = plan->header.time_ms - 5,
      .body = index == plan->envelope ? plan->body : hgl_bytes("\xf6", 1),
  };
  memset(envelope.id.bytes, 0x10 + (int)index, HGL_ID_SIZE);
  envelope.thid = envelope.id;
  if (plan->in_thread) {
    memset(envelope.thid.bytes, 0xee, HGL_ID_SIZE);
    memset(envelope.pthid.bytes, 0xdd, HGL_ID_SIZE);
    envelope.has_pthid = true;
    envelope.expires_time_ms = plan->header.time_ms + 60000;
    envelope.traceparent = hgl_text("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  }
  int status;
  if ((status = fixture_key(plan->agent, &envelope.from, err)) ||
      (status = fixture_key(FIXTURE_OTHER_AGENT, &envelope.to, err)))
    return status;
  return hgl_envelope_encode(&envelope, out, err);
}

/* Appends our envelope to *out; root and path are of the whole group. */
static inline int fixture_group_tree(const struct plan *plan, struct hgl_buf *out,
                                     struct hgl_hash *root, struct hgl_path *path,
                                     struct hgl_err *err)
{
  struct hgl_hash leaves[FIXTURE_ENVELOPES_MAX];
  struct hgl_buf envelope;
  hgl_buf_init(&envelope, HGL_ENVELOPE_SIZE_MAX);
  int status = 0;
  for (uint32_t i = 0; i < plan->envelopes && !status; i++) {
    hgl_buf_clear(&envelope);
    status = fixture_envelope(plan, i, &envelope, err);
    if (status) break;
    hgl_merkle_leaf(hgl_buf_bytes(&envelope), &leaves[i]);
    if (i == plan->envelope) hgl_buf_append_bytes(out, hgl_buf_bytes(&envelope));
  }
  hgl_buf_deinit(&envelope);
  if (status) return status;
  hgl_merkle_root(leaves, plan->envelopes, root);
  hgl_merkle_path(leaves, plan->envelopes, plan->envelope, path);
  return hgl_buf_check(out, err);
}

/* Appends our group leaf to *out; root and path are of the header's tree. */
static inline int fixture_header_tree(const struct plan *plan, const struct hgl_hash *group_root,
                                      struct hgl_buf *out, struct hgl_hash *root,
                                      struct hgl_path *path, struct hgl_err *err)
{
  struct hgl_hash leaves[FIXTURE_GROUPS_MAX];
  struct hgl_buf encoded;
  hgl_buf_init(&encoded, HGL_GROUP_LEAF_SIZE_MAX);
  int status = 0;
  for (uint32_t i = 0; i < plan->groups; i++) {
    struct hgl_group_leaf leaf = {.first_number = plan->first_number, .root = *group_root};
    leaf.count = i == plan->group ? plan->envelopes : 1;
    if (plan->first_number > 1) memset(leaf.previous.bytes, 0x55, HGL_HASH_SIZE);
    if (i != plan->group) memset(leaf.root.bytes, (int)i, HGL_HASH_SIZE);
    hgl_buf_clear(&encoded);
    status = fixture_key((uint8_t)(FIXTURE_DESTINATION + i), &leaf.destination, err);
    if (!status) status = hgl_group_leaf_encode(&leaf, &encoded, err);
    if (status) break;
    hgl_merkle_leaf(hgl_buf_bytes(&encoded), &leaves[i]);
    if (i == plan->group) hgl_buf_append_bytes(out, hgl_buf_bytes(&encoded));
  }
  hgl_buf_deinit(&encoded);
  if (status) return status;
  hgl_merkle_root(leaves, plan->groups, root);
  hgl_merkle_path(leaves, plan->groups, plan->group, path);
  return hgl_buf_check(out, err);
}

static inline int fixture_delegation(const struct plan *plan, struct hgl_buf *out,
                                     struct hgl_err *err)
{
  struct hgl_delegation delegation = plan->terms;
  struct hgl_signer *agent;
  int status = fixture_signer(plan->agent, &agent, err);
  if (status) return status;
  delegation.agent = *hgl_signer_key(agent);
  status = fixture_key(plan->delegated_host, &delegation.host, err);
  if (!status) status = hgl_delegation_sign(agent, &delegation, out, err);
  hgl_signer_destroy(agent);
  return status;
}

static inline int fixture_header(const struct plan *plan, const struct hgl_hash *root,
                                 struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_header header = plan->header;
  struct hgl_signer *host;
  int status = fixture_signer(plan->host, &host, err);
  if (status) return status;
  header.host = *hgl_signer_key(host);
  header.root = *root;
  header.group_count = plan->groups;
  status = hgl_header_sign(host, &header, out, err);
  hgl_signer_destroy(host);
  return status;
}

/* Appends the evidence of the plan's envelope. */
static inline int fixture_evidence(const struct plan *plan, struct hgl_buf *out,
                                   struct hgl_err *err)
{
  struct hgl_evidence evidence;
  struct hgl_hash group_root, root;
  struct hgl_buf delegation, header, leaf, envelope;
  hgl_buf_init(&delegation, HGL_DELEGATION_SIZE_MAX);
  hgl_buf_init(&header, HGL_HEADER_SIZE_MAX);
  hgl_buf_init(&leaf, HGL_GROUP_LEAF_SIZE_MAX);
  hgl_buf_init(&envelope, HGL_ENVELOPE_SIZE_MAX);

  int status;
  if ((status = fixture_delegation(plan, &delegation, err)) ||
      (status = fixture_group_tree(plan, &envelope, &group_root, &evidence.envelope_path, err)) ||
      (status = fixture_header_tree(plan, &group_root, &leaf, &root, &evidence.group_path, err)) ||
      (status = fixture_header(plan, &root, &header, err)))
    goto done;
  evidence.delegation = hgl_buf_bytes(&delegation);
  evidence.header = hgl_buf_bytes(&header);
  evidence.group_leaf = hgl_buf_bytes(&leaf);
  evidence.envelope = hgl_buf_bytes(&envelope);
  status = hgl_evidence_encode(&evidence, out, err);

done:
  hgl_buf_deinit(&envelope);
  hgl_buf_deinit(&leaf);
  hgl_buf_deinit(&header);
  hgl_buf_deinit(&delegation);
  return status;
}

#endif
