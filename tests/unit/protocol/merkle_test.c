#include "support/check.h"

#include <stdlib.h>

#include "protocol/merkle.h"

enum { SIZE_MAX_TESTED = 64 };

static struct hgl_hash hash_from_hex(const char *hex)
{
  struct hgl_hash hash;
  for (size_t i = 0; i < HGL_HASH_SIZE; i++) {
    char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
    hash.bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  return hash;
}

static void make_leaves(struct hgl_hash *leaves, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    uint8_t data[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
    hgl_merkle_leaf(hgl_bytes(data, sizeof data), &leaves[i]);
  }
}

/* The inputs that Certificate Transparency's implementations test with, and their roots. */
static void merkle_root_matches_the_known_trees(void **state)
{
  static const struct hgl_bytes inputs[] = {
      {(const uint8_t *)"", 0},
      {(const uint8_t *)"\x00", 1},
      {(const uint8_t *)"\x10", 1},
      {(const uint8_t *)"\x20\x21", 2},
      {(const uint8_t *)"\x30\x31", 2},
      {(const uint8_t *)"\x40\x41\x42\x43", 4},
      {(const uint8_t *)"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
      {(const uint8_t *)"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16},
  };
  static const char *const roots[] = {
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  };
  struct hgl_hash leaves[8], root;
  for (size_t i = 0; i < 8; i++) {
    hgl_merkle_leaf(inputs[i], &leaves[i]);
    hgl_merkle_root(leaves, i + 1, &root);
    struct hgl_hash expected = hash_from_hex(roots[i]);
    assert_memory_equal(root.bytes, expected.bytes, HGL_HASH_SIZE);
  }
}

static void every_leaf_of_every_tree_verifies(void **state)
{
  struct hgl_err err = {0};
  struct hgl_hash leaves[SIZE_MAX_TESTED], root;
  struct hgl_path path;
  make_leaves(leaves, SIZE_MAX_TESTED);
  for (size_t count = 1; count <= SIZE_MAX_TESTED; count++) {
    hgl_merkle_root(leaves, count, &root);
    for (size_t index = 0; index < count; index++) {
      hgl_merkle_path(leaves, count, index, &path);
      assert_int_equal(path.index, index);
      assert_ok(hgl_merkle_verify(&leaves[index], &path, count, &root, &err));
    }
  }
}

static void path_with_another_index_or_size_fails(void **state)
{
  struct hgl_err err = {0};
  struct hgl_hash leaves[SIZE_MAX_TESTED], root;
  struct hgl_path path;
  make_leaves(leaves, SIZE_MAX_TESTED);
  for (size_t count = 1; count <= SIZE_MAX_TESTED; count++) {
    hgl_merkle_root(leaves, count, &root);
    for (size_t index = 0; index < count; index++) {
      hgl_merkle_path(leaves, count, index, &path);
      for (uint32_t other = 0; other < 2 * SIZE_MAX_TESTED; other++) {
        path.index = other;
        if (other != index)
          assert_fails(HGL_BAD_PATH, hgl_merkle_verify(&leaves[index], &path, count, &root, &err));
      }
      path.index = UINT32_MAX;
      assert_fails(HGL_BAD_PATH, hgl_merkle_verify(&leaves[index], &path, count, &root, &err));
      path.index = (uint32_t)index;
      assert_fails(HGL_BAD_PATH, hgl_merkle_verify(&leaves[index], &path, index, &root, &err));
    }
  }
}

static void path_of_another_length_fails(void **state)
{
  struct hgl_err err = {0};
  struct hgl_hash leaves[SIZE_MAX_TESTED], root;
  struct hgl_path path;
  make_leaves(leaves, SIZE_MAX_TESTED);
  for (size_t count = 1; count <= SIZE_MAX_TESTED; count++) {
    hgl_merkle_root(leaves, count, &root);
    for (size_t index = 0; index < count; index++) {
      hgl_merkle_path(leaves, count, index, &path);
      uint32_t right = path.count;
      for (path.count = 0; path.count <= HGL_PATH_MAX + 1; path.count++) {
        if (path.count == right) continue;
        for (uint32_t i = right; i < path.count && i < HGL_PATH_MAX; i++) path.hashes[i] = root;
        assert_fails(HGL_BAD_PATH, hgl_merkle_verify(&leaves[index], &path, count, &root, &err));
      }
    }
  }
}

static void path_with_any_hash_changed_fails(void **state)
{
  struct hgl_err err = {0};
  struct hgl_hash leaves[SIZE_MAX_TESTED], root;
  struct hgl_path path;
  make_leaves(leaves, SIZE_MAX_TESTED);
  for (size_t count = 1; count <= SIZE_MAX_TESTED; count++) {
    hgl_merkle_root(leaves, count, &root);
    for (size_t index = 0; index < count; index++) {
      hgl_merkle_path(leaves, count, index, &path);
      for (uint32_t i = 0; i < path.count; i++) {
        path.hashes[i].bytes[31] ^= 1;
        assert_fails(HGL_BAD_PATH, hgl_merkle_verify(&leaves[index], &path, count, &root, &err));
        path.hashes[i].bytes[31] ^= 1;
      }
      struct hgl_hash wrong = leaves[index];
      wrong.bytes[0] ^= 0x80;
      assert_fails(HGL_BAD_PATH, hgl_merkle_verify(&wrong, &path, count, &root, &err));
    }
  }
}

/* A node must not pass for a leaf, nor a leaf for a node. */
static void leaf_and_node_hashes_are_of_different_kinds(void **state)
{
  struct hgl_err err = {0};
  struct hgl_hash leaves[2], root, forged;
  make_leaves(leaves, 2);
  hgl_merkle_root(leaves, 2, &root);
  hgl_merkle_leaf(hgl_bytes(leaves, sizeof leaves), &forged);
  assert_false(hgl_hash_equal(&forged, &root));
  struct hgl_path none = {0};
  assert_fails(HGL_BAD_PATH, hgl_merkle_verify(&forged, &none, 1, &root, &err));
}

static void largest_tree_has_a_path_of_sixteen(void **state)
{
  struct hgl_err err = {0};
  const size_t count = (size_t)1 << HGL_PATH_MAX;
  struct hgl_hash *leaves = calloc(count + 1, sizeof *leaves), root;
  struct hgl_path path;
  assert_non_null(leaves);
  make_leaves(leaves, count + 1);
  hgl_merkle_root(leaves, count, &root);
  hgl_merkle_path(leaves, count, count - 1, &path);
  assert_int_equal(path.count, HGL_PATH_MAX);
  assert_ok(hgl_merkle_verify(&leaves[count - 1], &path, count, &root, &err));
  /* One leaf more, and the path of the first ones would need seventeen. */
  hgl_merkle_root(leaves, count + 1, &root);
  assert_fails(HGL_BAD_PATH, hgl_merkle_verify(&leaves[count - 1], &path, count + 1, &root, &err));
  free(leaves);
}

static void tree_gives_the_root_and_the_paths_of_the_definition(void **state)
{
  struct hgl_hash leaves[SIZE_MAX_TESTED], nodes[4 * SIZE_MAX_TESTED], root;
  make_leaves(leaves, SIZE_MAX_TESTED);
  for (size_t count = 1; count <= SIZE_MAX_TESTED; count++) {
    size_t size = hgl_merkle_tree_size(count);
    assert_true(size <= sizeof nodes / sizeof *nodes);
    memset(nodes, 0xee, sizeof nodes);
    hgl_merkle_tree_build(leaves, count, nodes);
    hgl_merkle_root(leaves, count, &root);
    assert_true(hgl_hash_equal(&nodes[size - 1], &root));
    if (size < sizeof nodes / sizeof *nodes) assert_int_equal(nodes[size].bytes[0], 0xee);
    for (size_t index = 0; index < count; index++) {
      struct hgl_path expected, path;
      hgl_merkle_path(leaves, count, index, &expected);
      hgl_merkle_tree_path(nodes, count, index, &path);
      assert_int_equal(path.index, expected.index);
      assert_int_equal(path.count, expected.count);
      for (uint32_t i = 0; i < path.count; i++)
        assert_true(hgl_hash_equal(&path.hashes[i], &expected.hashes[i]));
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(merkle_root_matches_the_known_trees),
      cmocka_unit_test(every_leaf_of_every_tree_verifies),
      cmocka_unit_test(path_with_another_index_or_size_fails),
      cmocka_unit_test(path_of_another_length_fails),
      cmocka_unit_test(path_with_any_hash_changed_fails),
      cmocka_unit_test(leaf_and_node_hashes_are_of_different_kinds),
      cmocka_unit_test(largest_tree_has_a_path_of_sixteen),
      cmocka_unit_test(tree_gives_the_root_and_the_paths_of_the_definition),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
