/* Evidence: one self-contained proof that an agent said something, verifiable offline.
 * A deterministic CBOR map, nothing else permitted in it:
 *   0 text "haggle-evidence/1"   1 delegation (bytes)   2 header (bytes, COSE)
 *   3 group leaf (bytes)   4 path of the group leaf [index, [hash…]] in the header's tree
 *   5 path of the envelope [index, [hash…]] in the group's tree   6 envelope (bytes)
 * What it proves: the agent `from` had authorised the host until the delegation's end, and that
 * host signed, at the time it claims in the header, that this envelope goes to the destination. */
#ifndef HGL_PROTOCOL_EVIDENCE_H
#define HGL_PROTOCOL_EVIDENCE_H

#include "protocol/batch.h"
#include "protocol/delegation.h"
#include "protocol/envelope.h"

struct hgl_evidence {
  struct hgl_bytes delegation, header, group_leaf, envelope; /* encoded */
  struct hgl_path group_path, envelope_path;
};
int hgl_evidence_encode(const struct hgl_evidence *evidence, struct hgl_buf *out,
                        struct hgl_err *err) HGL_NODISCARD;
int hgl_evidence_decode(struct hgl_bytes bytes, struct hgl_evidence *out,
                        struct hgl_err *err) HGL_NODISCARD;

/* What was proved; slices point into the evidence's bytes. */
struct hgl_proof {
  struct hgl_delegation delegation;
  struct hgl_header header;
  struct hgl_group_leaf group;
  struct hgl_envelope envelope;
  uint64_t number; /* of the envelope within its pair of hosts */
};
struct hgl_verify_options {
  const struct hgl_key *destination; /* expected destination host, or NULL */
  const struct hgl_key *agent;       /* expected author, or NULL: HGL_NO_DELEGATION */
  /* A later delegation of the same agent (HGL_INVALID else), as revocation, or empty: if its
   * sequence is higher than the evidence's and it was issued before the header's time,
   * HGL_DELEGATION_REVOKED; another one of the same sequence, HGL_DELEGATION_CONFLICT. */
  struct hgl_bytes revocation;
};
/* Everything: shapes, both signatures, both paths, author = delegation's agent, header's host =
 * delegation's host, delegation valid at the header's time. The error says the first thing that is
 * wrong. `options` may be NULL. */
int hgl_evidence_verify(struct hgl_bytes bytes, const struct hgl_verify_options *options,
                        struct hgl_proof *out, struct hgl_err *err) HGL_NODISCARD;

#endif
