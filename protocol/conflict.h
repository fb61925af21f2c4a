/* A conflict: two signed objects that contradict each other. One self-contained proof, verifiable
 * offline, that whoever signed them broke a rule. A deterministic CBOR map, nothing else in it:
 *   0 text "haggle-conflict/1"   1 the one (bytes, COSE)   2 the other (bytes, COSE)
 * What it proves follows from the two objects alone (SPEC.md, "Conflicts"). */
#ifndef HGL_PROTOCOL_CONFLICT_H
#define HGL_PROTOCOL_CONFLICT_H

#include "protocol/batch.h"
#include "protocol/delegation.h"

enum { HGL_CONFLICT_SIZE_MAX = 2 * HGL_HEADER_SIZE_MAX + 64 };

enum hgl_conflict_kind {
  HGL_CONFLICT_FORK,        /* a host: two different headers of one incarnation and sequence */
  HGL_CONFLICT_CHAIN,       /* a host: a header, and a next one that follows another than it */
  HGL_CONFLICT_DELEGATIONS, /* an agent: two different delegations of one sequence */
};

struct hgl_conflict {
  enum hgl_conflict_kind kind;
  struct hgl_key subject;                           /* the host or agent that signed both */
  uint64_t sequence;                                /* of both; CHAIN: of the first */
  struct hgl_header a, b;                           /* of a host */
  struct hgl_delegation delegation_a, delegation_b; /* of an agent */
};

int hgl_conflict_encode(struct hgl_bytes a, struct hgl_bytes b, struct hgl_buf *out,
                        struct hgl_err *err) HGL_NODISCARD;
/* Whether the bytes begin as a conflict does: to tell it from evidence, no more. */
bool hgl_conflict_marked(struct hgl_bytes bytes);
/* Everything: shape, both signatures, and that the two contradict each other (HGL_INVALID else). */
int hgl_conflict_verify(struct hgl_bytes bytes, struct hgl_conflict *out,
                        struct hgl_err *err) HGL_NODISCARD;

#endif
