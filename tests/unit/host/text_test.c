#include "support/check.h"

#include "host/text.h"

static void escaped_is(const char *given, size_t size, const char *expected)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, 1024);
  hgl_escape(hgl_bytes(given, size), &out);
  assert_ok(hgl_buf_check(&out, &err));
  assert_int_equal(out.size, strlen(expected));
  assert_memory_equal(out.data, expected, out.size);
  hgl_buf_deinit(&out);
}
#define ESCAPED_IS(given, expected) escaped_is(given, sizeof(given) - 1, expected)

static void escape_shows_controls_and_leaves_text_alone(void **state)
{
  ESCAPED_IS("Grüße → 猫 😀", "Grüße → 猫 😀");
  ESCAPED_IS("\x1b[31mred\x07", "\\x1b[31mred\\x07");
  ESCAPED_IS("a\nb\rc\0d\x7f", "a\\nb\\x0dc\\x00d\\x7f");
  ESCAPED_IS("\xc2\x9b"
             "31m",
             "\\u{9b}31m");
  ESCAPED_IS("\xe2\x80\xae"
             "abc",
             "\\u{202e}abc");
}

static void escape_shows_bytes_that_are_not_utf8(void **state)
{
  ESCAPED_IS("\xff", "\\xff");
  ESCAPED_IS("a\xc3", "a\\xc3");
  ESCAPED_IS("\xed\xa0\x80", "\\xed\\xa0\\x80");
  ESCAPED_IS("\xe2\x82", "\\xe2\\x82");
}

static void times_are_shown_in_utc(void **state)
{
  char text[HGL_TIME_TEXT_SIZE];
  hgl_time_text(INT64_C(1795453893919), true, text);
  assert_string_equal(text, "2026-11-23 17:11:33.919Z");
  hgl_time_text(-5, true, text);
  assert_string_equal(text, "-5 ms");
  hgl_time_text(INT64_MAX, true, text); /* no calendar has it; must not crash */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(escape_shows_controls_and_leaves_text_alone),
      cmocka_unit_test(escape_shows_bytes_that_are_not_utf8),
      cmocka_unit_test(times_are_shown_in_utc),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
