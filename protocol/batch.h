/* What a host signs once a tick. Envelopes are grouped by destination host; each group is a Merkle
 * tree; the group leaves form a tree; the header over its root is one COSE_Sign1 of type
 * "application/haggle-header+cbor".
 *
 *   group leaf (map): 1 destination (key)  2 first number  3 count  4 previous group leaf's
 *     Merkle leaf hash of this pair (32 zero bytes: none)  5 root of the envelopes' tree
 *   header payload (map): 1 host (key)  2 incarnation (8 bytes)  3 sequence (from 1)
 *     4 hash of the previous header (SHA-256 of its COSE bytes; 32 zero bytes: none)
 *     5 root of the groups' tree  6 group count  7 time (ms)
 *     8 continues (only in the first header of an incarnation that follows another:
 *       list [incarnation, sequence, header hash])
 * Numbers count envelopes per (sender host incarnation, destination host), from 1. Exactly the
 * first group of a pair (number 1) and the first header of an incarnation (sequence 1) name no
 * previous one. Numbers, sequences and times are at most HGL_COUNTER_MAX. */
#ifndef HGL_PROTOCOL_BATCH_H
#define HGL_PROTOCOL_BATCH_H

#include "protocol/cose.h"
#include "protocol/merkle.h"

enum { HGL_INCARNATION_SIZE = 8 };

struct hgl_incarnation {
  uint8_t bytes[HGL_INCARNATION_SIZE];
};
static inline bool hgl_incarnation_equal(const struct hgl_incarnation *a,
                                         const struct hgl_incarnation *b)
{
  return memcmp(a->bytes, b->bytes, HGL_INCARNATION_SIZE) == 0;
}

struct hgl_group_leaf {
  struct hgl_key destination;
  uint64_t first_number;
  uint32_t count; /* 1..HGL_GROUP_ENVELOPES_MAX */
  struct hgl_hash previous;
  struct hgl_hash root;
};
int hgl_group_leaf_encode(const struct hgl_group_leaf *leaf, struct hgl_buf *out,
                          struct hgl_err *err) HGL_NODISCARD;
int hgl_group_leaf_decode(struct hgl_bytes bytes, struct hgl_group_leaf *out,
                          struct hgl_err *err) HGL_NODISCARD;

struct hgl_header {
  struct hgl_key host;
  struct hgl_incarnation incarnation;
  uint64_t sequence;
  struct hgl_hash previous;
  struct hgl_hash root;
  uint32_t group_count; /* 1..HGL_GROUP_COUNT_MAX */
  int64_t time_ms;
  bool continues;
  struct hgl_incarnation continues_incarnation;
  uint64_t continues_sequence;
  struct hgl_hash continues_hash;
};
int hgl_header_sign(const struct hgl_signer *host, const struct hgl_header *header,
                    struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* Decodes without the signature: for cheap checks that come first. */
int hgl_header_decode(struct hgl_bytes bytes, struct hgl_header *out,
                      struct hgl_err *err) HGL_NODISCARD;
/* Decodes and verifies the signature against the host named inside. */
int hgl_header_verify(struct hgl_bytes bytes, struct hgl_header *out,
                      struct hgl_err *err) HGL_NODISCARD;
/* SHA-256 of the COSE bytes: what the next header names as its previous one. */
void hgl_header_hash(struct hgl_bytes bytes, struct hgl_hash *out);

/* An inclusion path as [index, [hash…]], from the leaf upwards. */
void hgl_path_encode(const struct hgl_path *path, struct hgl_buf *out);
int hgl_path_decode(struct hgl_cbor_reader *in, const char *what, struct hgl_path *out,
                    struct hgl_err *err) HGL_NODISCARD;

#endif
