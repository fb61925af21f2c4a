#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

static struct hgl_bytes key_of(char out[16], int i)
{
  snprintf(out, 16, "key %d", i);
  return hgl_text(out);
}

static void map_finds_what_was_put_and_nothing_else(void **state)
{
  struct hgl_err err = {0};
  struct hgl_map map;
  hgl_map_init(&map, 1, 2);
  static int values[1000];
  char text[16];
  for (int i = 0; i < 1000; i++) assert_ok(hgl_map_put(&map, key_of(text, i), &values[i], &err));
  assert_int_equal(map.count, 1000);
  for (int i = 0; i < 1000; i++) assert_ptr_equal(hgl_map_get(&map, key_of(text, i)), &values[i]);
  assert_null(hgl_map_get(&map, hgl_text("key 1000")));
  hgl_map_deinit(&map);
}

static void map_removal_keeps_every_other_entry_reachable(void **state)
{
  struct hgl_err err = {0};
  static int values[400];
  char text[16];
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct hgl_map map;
    hgl_map_init(&map, seed, 7);
    for (int i = 0; i < 400; i++) assert_ok(hgl_map_put(&map, key_of(text, i), &values[i], &err));
    for (int i = 0; i < 400; i += 3)
      assert_ptr_equal(hgl_map_remove(&map, key_of(text, i)), &values[i]);
    assert_null(hgl_map_remove(&map, key_of(text, 0)));
    size_t seen = 0;
    for (size_t at = 0; hgl_map_next(&map, &at);) seen++;
    assert_int_equal(seen, map.count);
    for (int i = 0; i < 400; i++) {
      void *expected = i % 3 ? &values[i] : NULL;
      assert_ptr_equal(hgl_map_get(&map, key_of(text, i)), expected);
    }
    hgl_map_deinit(&map);
  }
}

static void map_survives_a_failed_allocation_unchanged(void **state)
{
  struct hgl_err err = {0};
  int value = 0;
  for (long fail_at = 0; fail_at < 6; fail_at++) {
    struct hgl_map map;
    hgl_map_init(&map, 1, 2);
    char text[16];
    hgl_mem_fail_after(fail_at);
    int stored = 0;
    while (stored < 10 && hgl_map_put(&map, key_of(text, stored), &value, &err) == 0) stored++;
    hgl_mem_fail_after(-1);
    assert_int_equal(err.code, HGL_NO_MEMORY);
    assert_int_equal(map.count, stored);
    for (int i = 0; i < stored; i++) assert_non_null(hgl_map_get(&map, key_of(text, i)));
    hgl_map_deinit(&map);
  }
}

static void siphash_matches_the_reference(void **state)
{
  /* Key 00..0f, message 00..0e; the SipHash-1-3 value of the reference implementation. */
  uint8_t message[15], key[16];
  for (int i = 0; i < 15; i++) message[i] = (uint8_t)i;
  for (int i = 0; i < 16; i++) key[i] = (uint8_t)i;
  uint64_t seed[2];
  memcpy(seed, key, 16);
  assert_true(hgl_siphash13(seed, message, 15) != hgl_siphash13(seed, message, 14));
  assert_true(hgl_siphash13(seed, "", 0) == 0xabac0158050fc4dcu);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(map_finds_what_was_put_and_nothing_else),
      cmocka_unit_test(map_removal_keeps_every_other_entry_reachable),
      cmocka_unit_test(map_survives_a_failed_allocation_unchanged),
      cmocka_unit_test(siphash_matches_the_reference),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
