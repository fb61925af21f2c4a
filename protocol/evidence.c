#include "protocol/evidence.h"

#include "protocol/did.h"

#define EVIDENCE_MARK "haggle-evidence/1"

enum {
  KEY_MARK = 0,
  KEY_DELEGATION,
  KEY_HEADER,
  KEY_GROUP_LEAF,
  KEY_GROUP_PATH,
  KEY_ENVELOPE_PATH,
  KEY_ENVELOPE,
  KEY_COUNT,
};

static int check_size(const char *what, size_t size, size_t size_max, struct hgl_err *err)
{
  if (size <= size_max) return 0;
  return hgl_fail(err, HGL_TOO_LARGE, "%s of %zu bytes, limit %zu", what, size, size_max);
}

int hgl_evidence_encode(const struct hgl_evidence *evidence, struct hgl_buf *out,
                        struct hgl_err *err)
{
  int status;
  if ((status = check_size("delegation", evidence->delegation.size, HGL_DELEGATION_SIZE_MAX,
                           err)) ||
      (status = check_size("header", evidence->header.size, HGL_HEADER_SIZE_MAX, err)) ||
      (status = check_size("group leaf", evidence->group_leaf.size, HGL_GROUP_LEAF_SIZE_MAX,
                           err)) ||
      (status = check_size("envelope", evidence->envelope.size, HGL_ENVELOPE_SIZE_MAX, err)))
    return status;
  hgl_cbor_put_map(out, KEY_COUNT);
  hgl_cbor_put_uint(out, KEY_MARK);
  hgl_cbor_put_literal(out, EVIDENCE_MARK);
  hgl_cbor_put_uint(out, KEY_DELEGATION);
  hgl_cbor_put_bytes(out, evidence->delegation);
  hgl_cbor_put_uint(out, KEY_HEADER);
  hgl_cbor_put_bytes(out, evidence->header);
  hgl_cbor_put_uint(out, KEY_GROUP_LEAF);
  hgl_cbor_put_bytes(out, evidence->group_leaf);
  hgl_cbor_put_uint(out, KEY_GROUP_PATH);
  hgl_path_encode(&evidence->group_path, out);
  hgl_cbor_put_uint(out, KEY_ENVELOPE_PATH);
  hgl_path_encode(&evidence->envelope_path, out);
  hgl_cbor_put_uint(out, KEY_ENVELOPE);
  hgl_cbor_put_bytes(out, evidence->envelope);
  return hgl_buf_check(out, err);
}

static int decode_mark(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_bytes mark;
  int status = hgl_cbor_get_text(in, "evidence's mark", HGL_NAME_SIZE_MAX, &mark, err);
  if (status) return status;
  if (!hgl_bytes_is(mark, EVIDENCE_MARK))
    return hgl_fail(err, HGL_BAD_TYPE, "not marked as \"" EVIDENCE_MARK "\"");
  return 0;
}

static int decode_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_evidence *out,
                        struct hgl_err *err)
{
  switch (key) {
  case KEY_MARK:
    return decode_mark(in, err);
  case KEY_DELEGATION:
    return hgl_cbor_get_bytes(in, "delegation", HGL_DELEGATION_SIZE_MAX, &out->delegation, err);
  case KEY_HEADER:
    return hgl_cbor_get_bytes(in, "header", HGL_HEADER_SIZE_MAX, &out->header, err);
  case KEY_GROUP_LEAF:
    return hgl_cbor_get_bytes(in, "group leaf", HGL_GROUP_LEAF_SIZE_MAX, &out->group_leaf, err);
  case KEY_GROUP_PATH:
    return hgl_path_decode(in, "group's path", &out->group_path, err);
  case KEY_ENVELOPE_PATH:
    return hgl_path_decode(in, "envelope's path", &out->envelope_path, err);
  default:
    return hgl_cbor_get_bytes(in, "envelope", HGL_ENVELOPE_SIZE_MAX, &out->envelope, err);
  }
}

int hgl_evidence_decode(struct hgl_bytes bytes, struct hgl_evidence *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  struct hgl_evidence evidence = {0};
  size_t count;
  int status;
  if ((status = check_size("evidence", bytes.size, HGL_EVIDENCE_SIZE_MAX, err)) ||
      (status = hgl_cbor_get_map(&in, "evidence", bytes.size, &count, err)))
    return status;
  if (count != KEY_COUNT)
    return hgl_fail(err, HGL_MALFORMED, "evidence has %d parts, here are %zu", KEY_COUNT, count);
  int64_t previous = INT64_MIN;
  for (int64_t expected = 0; expected < KEY_COUNT; expected++) {
    int64_t key;
    if ((status = hgl_cbor_get_key(&in, "evidence", &previous, &key, err))) return status;
    if (key != expected)
      return hgl_fail(err, HGL_MALFORMED, "evidence: key %lld where %lld belongs", (long long)key,
                      (long long)expected);
    if ((status = decode_field(&in, key, &evidence, err))) return status;
  }
  if ((status = hgl_cbor_end(&in, "evidence", err))) return status;
  *out = evidence;
  return 0;
}

static int check_author(const struct hgl_proof *proof, struct hgl_err *err)
{
  if (hgl_key_equal(&proof->envelope.from, &proof->delegation.agent)) return 0;
  char from[HGL_DID_TEXT_SIZE], agent[HGL_DID_TEXT_SIZE];
  hgl_did_format(&proof->envelope.from, from);
  hgl_did_format(&proof->delegation.agent, agent);
  return hgl_fail(err, HGL_NO_DELEGATION, "said by %s, delegation is of %s", from, agent);
}

static int check_paths(const struct hgl_evidence *evidence, const struct hgl_proof *proof,
                       struct hgl_err *err)
{
  struct hgl_hash leaf;
  hgl_merkle_leaf(evidence->group_leaf, &leaf);
  int status = hgl_merkle_verify(&leaf, &evidence->group_path, proof->header.group_count,
                                 &proof->header.root, err);
  if (status) {
    hgl_fail_in(err, "group's path");
    return status;
  }
  hgl_merkle_leaf(evidence->envelope, &leaf);
  status = hgl_merkle_verify(&leaf, &evidence->envelope_path, proof->group.count,
                             &proof->group.root, err);
  if (status) hgl_fail_in(err, "envelope's path");
  return status;
}

static int check_revocation(struct hgl_bytes revocation, const struct hgl_evidence *evidence,
                            const struct hgl_proof *proof, struct hgl_err *err)
{
  struct hgl_delegation later;
  int status = hgl_delegation_verify(revocation, &later, err);
  if (status) {
    hgl_fail_in(err, "revocation");
    return status;
  }
  const struct hgl_delegation *ours = &proof->delegation;
  if (!hgl_key_equal(&later.agent, &ours->agent))
    return hgl_fail(err, HGL_INVALID, "the revocation is of another agent");
  if (later.sequence == ours->sequence && !hgl_bytes_equal(revocation, evidence->delegation))
    return hgl_fail(err, HGL_DELEGATION_CONFLICT, "two delegations have sequence %llu",
                    (unsigned long long)ours->sequence);
  if (later.sequence > ours->sequence && later.issued_s * 1000 < proof->header.time_ms)
    return hgl_fail(err, HGL_DELEGATION_REVOKED,
                    "delegation %llu was revoked by %llu before the header's time",
                    (unsigned long long)ours->sequence, (unsigned long long)later.sequence);
  return 0;
}

static int check_options(const struct hgl_verify_options *options,
                         const struct hgl_evidence *evidence, const struct hgl_proof *proof,
                         struct hgl_err *err)
{
  if (options->destination && !hgl_key_equal(options->destination, &proof->group.destination))
    return hgl_fail(err, HGL_WRONG_HOST, "meant for another host");
  if (options->agent && !hgl_key_equal(options->agent, &proof->envelope.from))
    return hgl_fail(err, HGL_NO_DELEGATION, "said by another agent than the one expected");
  if (options->revocation.size) return check_revocation(options->revocation, evidence, proof, err);
  return 0;
}

/* What costs little comes before what costs a signature check. */
int hgl_evidence_verify(struct hgl_bytes bytes, const struct hgl_verify_options *options,
                        struct hgl_proof *out, struct hgl_err *err)
{
  struct hgl_evidence evidence = {0};
  struct hgl_proof proof = {0};
  int status;
  if ((status = hgl_evidence_decode(bytes, &evidence, err)) ||
      (status = hgl_group_leaf_decode(evidence.group_leaf, &proof.group, err)) ||
      (status = hgl_envelope_decode(evidence.envelope, &proof.envelope, err)) ||
      (status = hgl_header_decode(evidence.header, &proof.header, err)) ||
      (status = hgl_delegation_verify(evidence.delegation, &proof.delegation, err)) ||
      (status = check_author(&proof, err)) ||
      (status = hgl_delegation_check(&proof.delegation, &proof.header.host, proof.header.time_ms,
                                     err)) ||
      (status = hgl_header_verify(evidence.header, &proof.header, err)) ||
      (status = check_paths(&evidence, &proof, err)) ||
      (options && (status = check_options(options, &evidence, &proof, err))))
    return status;
  proof.number = proof.group.first_number + evidence.envelope_path.index;
  *out = proof;
  return 0;
}
