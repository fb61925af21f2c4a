#include "support/check.h"

#include "base/seam.h"

static void seeded_randomness_repeats_itself(void **state)
{
  struct hgl_random_seeded a, b;
  struct hgl_random one = hgl_random_from_seed(&a, 7), two = hgl_random_from_seed(&b, 7);
  for (int i = 0; i < 100; i++) assert_true(hgl_random_u64(&one) == hgl_random_u64(&two));
  struct hgl_random other = hgl_random_from_seed(&b, 8);
  assert_true(hgl_random_u64(&one) != hgl_random_u64(&other));
}

/* Hands out a counter, so that a byte given twice would show. */
static void count_up(void *user, void *out, size_t size)
{
  uint8_t *bytes = out;
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(*(uint64_t *)user)++;
}

static void buffered_randomness_gives_each_byte_once(void **state)
{
  uint64_t counter = 0;
  struct hgl_random source = {count_up, &counter};
  struct hgl_random_buffered buffered;
  struct hgl_random random = hgl_random_from_source(&buffered, &source);
  unsigned seen[256] = {0};
  for (int i = 0; i < 4096 / 16; i++) {
    uint8_t bytes[16];
    hgl_random_fill(&random, bytes, sizeof bytes);
    for (size_t k = 0; k < sizeof bytes; k++) seen[bytes[k]]++;
  }
  assert_true(counter == 4096); /* one taking for all */
  for (int i = 0; i < 256; i++) assert_int_equal(seen[i], 16);
  assert_int_equal(buffered.left, 0);
  for (size_t i = 0; i < sizeof buffered.bytes; i++) assert_int_equal(buffered.bytes[i], 0);
  uint8_t large[4096];
  hgl_random_fill(&random, large, sizeof large); /* passes the buffer by */
  assert_true(counter == 8192);
}

static void virtual_clock_moves_only_when_told(void **state)
{
  struct hgl_clock_virtual time = {.wall_ms = 5, .mono_ns = 7};
  struct hgl_clock clock = hgl_clock_from_virtual(&time);
  assert_int_equal(hgl_wall_ms(&clock), 5);
  hgl_clock_advance(&time, 10);
  assert_int_equal(hgl_wall_ms(&clock), 15);
  assert_int_equal(hgl_mono_ns(&clock), 10000007);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(seeded_randomness_repeats_itself),
      cmocka_unit_test(buffered_randomness_gives_each_byte_once),
      cmocka_unit_test(virtual_clock_moves_only_when_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
