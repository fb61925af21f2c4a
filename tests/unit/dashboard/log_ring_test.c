#include "dashboard/log_ring.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "support/check.h"

static struct hgl_err err;

static void add(struct hgl_log_ring *ring, struct hgl_bytes words, struct hgl_bytes fields)
{
  const struct hgl_log_ring_line line = {
      .level = HGL_LOG_INFO, .who = "net", .text = words, .fields = fields};
  hgl_log_ring_add(ring, &line);
}

static void the_latest_are_kept(void **state)
{
  struct hgl_log_ring *ring;
  struct hgl_log_ring_line line;
  assert_ok(hgl_log_ring_create(&ring, &err));
  assert_false(hgl_log_ring_get(ring, 0, &line));
  assert_false(hgl_log_ring_get(ring, 1, &line));
  for (int i = 1; i <= HGL_LOG_RING_LINES + 5; i++) {
    char words[16];
    snprintf(words, sizeof words, "%d", i);
    add(ring, hgl_text(words), hgl_text("{}"));
  }
  assert_int_equal(hgl_log_ring_count(ring), HGL_LOG_RING_LINES + 5);
  assert_false(hgl_log_ring_get(ring, 5, &line));
  assert_true(hgl_log_ring_get(ring, 6, &line));
  assert_true(hgl_bytes_is(line.text, "6"));
  assert_true(hgl_bytes_is(line.fields, "{}"));
  assert_string_equal(line.who, "net");
  assert_int_equal(line.order, 6);
  assert_true(hgl_log_ring_get(ring, HGL_LOG_RING_LINES + 5, &line));
  hgl_log_ring_destroy(ring);
}

static void what_is_long_is_cut_within_no_character(void **state)
{
  struct hgl_log_ring *ring;
  struct hgl_log_ring_line line;
  uint8_t words[2 * HGL_LOG_RING_TEXT_SIZE];
  for (size_t i = 0; i < sizeof words; i++) words[i] = i % 2 ? 0xa4 : 0xc3;
  words[0] = 'x'; /* so that a character stands across the cut */
  memmove(words + 1, words + 2, sizeof words - 2);
  assert_ok(hgl_log_ring_create(&ring, &err));
  add(ring, hgl_bytes(words, sizeof words - 1), hgl_bytes(words, sizeof words));
  assert_true(hgl_log_ring_get(ring, 1, &line));
  assert_int_equal(line.text.size, HGL_LOG_RING_TEXT_SIZE - 1);
  assert_true(hgl_utf8_valid(line.text));
  assert_int_equal(line.fields.size, 0);
  hgl_log_ring_destroy(ring);
}

static void want_of_memory_leaves_a_line_out(void **state)
{
  struct hgl_log_ring *ring;
  struct hgl_log_ring_line line;
  assert_ok(hgl_log_ring_create(&ring, &err));
  add(ring, hgl_text("one"), hgl_text(""));
  hgl_mem_fail_after(0);
  add(ring, hgl_text("two"), hgl_text(""));
  hgl_mem_fail_after(-1);
  add(ring, hgl_text("three"), hgl_text(""));
  assert_int_equal(hgl_log_ring_count(ring), 3);
  assert_false(hgl_log_ring_get(ring, 2, &line));
  assert_true(hgl_log_ring_get(ring, 3, &line));
  assert_true(hgl_bytes_is(line.text, "three"));
  hgl_log_ring_destroy(ring);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_latest_are_kept),
      cmocka_unit_test(what_is_long_is_cut_within_no_character),
      cmocka_unit_test(want_of_memory_leaves_a_line_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
