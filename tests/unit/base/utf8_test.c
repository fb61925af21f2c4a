#include "support/check.h"

#include "base/utf8.h"

static void what_was_cut_within_a_character_keeps_those_before(void **state)
{
  static const char text[] = "a\u00e9\u20ac\U0010ffff1234567890\u20ac";
  static const size_t ends[] = {0, 1, 3, 6, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23};
  size_t last = 0;
  for (size_t size = 0, i = 0; size < sizeof text; size++) {
    if (i < sizeof ends / sizeof *ends && ends[i] == size) last = ends[i++];
    assert_int_equal(hgl_utf8_size(hgl_bytes(text, size)), last);
  }
  assert_int_equal(last, sizeof text - 1);
  assert_int_equal(hgl_utf8_size(hgl_text("12345678ab\xff"
                                          "cd")),
                   10);
}

static void what_is_no_text_is_mended_and_what_is_cut_off_goes(void **state)
{
  static const struct {
    const char *text, *mended;
  } cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"a\u20ac", "a\u20ac"},
      {"a\xe2\x82", "a"},
      {"\xf0\x9f\x98", ""},
      {"a\xff"
       "b\xe2\x82' is",
       "a?b?"
       "?' is"},
      {"\x80\x80", "?"
                   "?"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_buf out;
    hgl_buf_init(&out, 100);
    hgl_utf8_mend(hgl_text(cases[i].text), &out);
    assert_true(hgl_bytes_equal(hgl_buf_bytes(&out), hgl_text(cases[i].mended)));
    hgl_buf_deinit(&out);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_cut_within_a_character_keeps_those_before),
      cmocka_unit_test(what_is_no_text_is_mended_and_what_is_cut_off_goes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
