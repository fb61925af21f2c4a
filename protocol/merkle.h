/* Merkle trees of RFC 9162 §2.1 with SHA-256: leaf = H(0x00 ‖ data), node = H(0x01 ‖ left ‖ right),
 * split at the largest power of two below the size. Trees here have at least one leaf. */
#ifndef HGL_PROTOCOL_MERKLE_H
#define HGL_PROTOCOL_MERKLE_H

#include "protocol/crypto.h"
#include "protocol/limits.h"

struct hgl_path {
  uint32_t index;
  uint32_t count; /* hashes */
  struct hgl_hash hashes[HGL_PATH_MAX];
};

void hgl_merkle_leaf(struct hgl_bytes data, struct hgl_hash *out);
/* count >= 1. */
void hgl_merkle_root(const struct hgl_hash *leaves, size_t count, struct hgl_hash *out);
/* RFC 9162 §2.1.3.1; index < count <= 2^HGL_PATH_MAX. */
void hgl_merkle_path(const struct hgl_hash *leaves, size_t count, size_t index,
                     struct hgl_path *out);
/* A whole tree, for when several paths are wanted: each then costs its length only. `nodes` holds
 * hgl_merkle_tree_size(count) hashes: the leaves, then level by level what is above them, the root
 * last. A node without a neighbour rises unchanged. */
size_t hgl_merkle_tree_size(size_t count);
void hgl_merkle_tree_build(const struct hgl_hash *leaves, size_t count, struct hgl_hash *nodes);
void hgl_merkle_tree_path(const struct hgl_hash *nodes, size_t count, size_t index,
                          struct hgl_path *out);
/* RFC 9162 §2.1.3.2, strict in the path's length. HGL_BAD_PATH. */
int hgl_merkle_verify(const struct hgl_hash *leaf, const struct hgl_path *path, size_t count,
                      const struct hgl_hash *root, struct hgl_err *err) HGL_NODISCARD;

#endif
