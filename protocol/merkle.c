#include "protocol/merkle.h"

#include <assert.h>

enum { LEVELS_MAX = 64 };

static void hash_node(const struct hgl_hash *left, const struct hgl_hash *right,
                      struct hgl_hash *out)
{
  uint8_t node[1 + 2 * HGL_HASH_SIZE] = {0x01};
  memcpy(node + 1, left->bytes, HGL_HASH_SIZE);
  memcpy(node + 1 + HGL_HASH_SIZE, right->bytes, HGL_HASH_SIZE);
  struct hgl_bytes piece = hgl_bytes(node, sizeof node);
  hgl_sha256(&piece, 1, out);
}

void hgl_merkle_leaf(struct hgl_bytes data, struct hgl_hash *out)
{
  static const uint8_t prefix = 0x00;
  const struct hgl_bytes pieces[] = {hgl_bytes(&prefix, 1), data};
  hgl_sha256(pieces, 2, out);
}

/* Perfect subtrees are joined as soon as two of one size are complete, like carries of a binary
 * counter; what is left over are the subtrees of the split rule, largest first. */
void hgl_merkle_root(const struct hgl_hash *leaves, size_t count, struct hgl_hash *out)
{
  assert(count >= 1);
  struct hgl_hash pending[LEVELS_MAX];
  size_t depth = 0;
  for (size_t i = 0; i < count; i++) {
    pending[depth++] = leaves[i];
    for (size_t carry = i; carry & 1; carry >>= 1, depth--)
      hash_node(&pending[depth - 2], &pending[depth - 1], &pending[depth - 2]);
  }
  for (; depth > 1; depth--)
    hash_node(&pending[depth - 2], &pending[depth - 1], &pending[depth - 2]);
  *out = pending[0];
}

static size_t largest_power_below(size_t count)
{
  size_t power = 1;
  while (power < count - power) power *= 2;
  return power;
}

void hgl_merkle_path(const struct hgl_hash *leaves, size_t count, size_t index,
                     struct hgl_path *out)
{
  assert(index < count && count <= (size_t)1 << HGL_PATH_MAX);
  out->index = (uint32_t)index;
  out->count = 0;
  struct hgl_hash downwards[HGL_PATH_MAX];
  while (count > 1) {
    size_t split = largest_power_below(count);
    struct hgl_hash *sibling = &downwards[out->count++];
    if (index < split) {
      hgl_merkle_root(leaves + split, count - split, sibling);
      count = split;
    } else {
      hgl_merkle_root(leaves, split, sibling);
      leaves += split;
      index -= split;
      count -= split;
    }
  }
  for (uint32_t i = 0; i < out->count; i++) out->hashes[i] = downwards[out->count - 1 - i];
}

size_t hgl_merkle_tree_size(size_t count)
{
  size_t size = count;
  for (; count > 1; size += count) count = (count + 1) / 2;
  return size;
}

void hgl_merkle_tree_build(const struct hgl_hash *leaves, size_t count, struct hgl_hash *nodes)
{
  assert(count >= 1);
  memcpy(nodes, leaves, count * sizeof *nodes);
  for (struct hgl_hash *level = nodes; count > 1;) {
    struct hgl_hash *above = level + count;
    for (size_t i = 0; i + 1 < count; i += 2) hash_node(&level[i], &level[i + 1], &above[i / 2]);
    if (count & 1) above[count / 2] = level[count - 1];
    level = above;
    count = (count + 1) / 2;
  }
}

void hgl_merkle_tree_path(const struct hgl_hash *nodes, size_t count, size_t index,
                          struct hgl_path *out)
{
  assert(index < count && count <= (size_t)1 << HGL_PATH_MAX);
  out->index = (uint32_t)index;
  out->count = 0;
  for (; count > 1; nodes += count, count = (count + 1) / 2, index /= 2)
    if ((index ^ 1) < count) out->hashes[out->count++] = nodes[index ^ 1];
}

int hgl_merkle_verify(const struct hgl_hash *leaf, const struct hgl_path *path, size_t count,
                      const struct hgl_hash *root, struct hgl_err *err)
{
  if (path->index >= count)
    return hgl_fail(err, HGL_BAD_PATH, "index %u in a tree of %zu leaves", path->index, count);
  if (path->count > HGL_PATH_MAX)
    return hgl_fail(err, HGL_BAD_PATH, "path of %u hashes, limit %d", path->count, HGL_PATH_MAX);
  /* The names of RFC 9162: the leaf's and the last leaf's position on the present level. */
  size_t fn = path->index, sn = count - 1;
  struct hgl_hash hash = *leaf;
  for (uint32_t i = 0; i < path->count; i++) {
    if (sn == 0) return hgl_fail(err, HGL_BAD_PATH, "path longer than the tree is high");
    if ((fn & 1) || fn == sn) {
      hash_node(&path->hashes[i], &hash, &hash);
      /* A last leaf without a neighbour rises to the level where it has one. */
      while (!(fn & 1) && fn != 0) fn >>= 1, sn >>= 1;
    } else {
      hash_node(&hash, &path->hashes[i], &hash);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return hgl_fail(err, HGL_BAD_PATH, "path shorter than the tree is high");
  if (!hgl_hash_equal(&hash, root))
    return hgl_fail(err, HGL_BAD_PATH, "path does not lead to the root");
  return 0;
}
