#include "support/check.h"

#include <stdio.h>

#include "base/log.h"

static const char *escaped(struct hgl_bytes text, char out[256])
{
  out[hgl_log_escape(text, out, 255)] = 0;
  return out;
}

static const char *as_json(struct hgl_bytes text, bool quoted, char out[256])
{
  out[hgl_log_escape_json(text, quoted, out, 255)] = 0;
  return out;
}

static void what_steers_a_terminal_is_escaped(void **state)
{
  char out[256];
  assert_string_equal(escaped(hgl_text("a\x1b[2J\r\nb\tc"), out), "a\\x1b[2J\\x0d\\x0ab c");
  assert_string_equal(escaped(hgl_text("\xc2\x9b"
                                       "1m \xe2\x80\xae"),
                              out),
                      "\\xc2\\x9b1m \\xe2\\x80\\xae");
  assert_string_equal(escaped(hgl_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x8d\x8b"), out),
                      "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8d\x8b");
  assert_string_equal(escaped(hgl_text("\xff\xc3"), out), "\\xff\\xc3");
  assert_string_equal(escaped(hgl_bytes("a\0b", 3), out), "a\\x00b");
}

static void the_inside_of_a_json_string_is_escaped(void **state)
{
  char out[256];
  assert_string_equal(as_json(hgl_text("\"a\\\x1b\n"), false, out), "\\\"a\\\\\\u001b\\u000a");
  assert_string_equal(as_json(hgl_text("\xff"
                                       "x\xe2\x80\xae\x7f"),
                              false, out),
                      "\xef\xbf\xbdx\\u202e\\u007f");
  assert_string_equal(as_json(hgl_text("{\"a\":\"\\n\xc2\x85\"}"), true, out),
                      "{\"a\":\"\\n\\u0085\"}");
}

static void only_whole_characters_are_written(void **state)
{
  char out[8] = "zzzzzzz";
  assert_int_equal(hgl_log_escape(hgl_text("ab\x1b"), out, 5), 2);
  assert_int_equal(hgl_log_escape(hgl_text("ab\x1b"), out, 6), 6);
  assert_int_equal(out[6], 'z');
  assert_int_equal(hgl_log_escape_json(hgl_text("a\xc3\xbc"), false, out, 2), 1);
}

static void levels_have_names(void **state)
{
  enum hgl_log_level level = HGL_LOG_INFO;
  assert_true(hgl_log_level_parse("debug", &level));
  assert_int_equal(level, HGL_LOG_DEBUG);
  assert_true(hgl_log_level_parse("error", &level));
  assert_int_equal(level, HGL_LOG_ERROR);
  assert_false(hgl_log_level_parse("loud", &level));
  assert_int_equal(level, HGL_LOG_ERROR);
}

struct seen {
  char text[64], fields[64];
};

static void see(void *user, enum hgl_log_level level, const char *who, const char *text)
{
  snprintf(((struct seen *)user)->text, 64, "%s: %s", who, text);
}

static void see_agent(void *user, enum hgl_log_level level, const char *agent,
                      struct hgl_bytes text, struct hgl_bytes fields)
{
  struct seen *seen = user;
  snprintf(seen->text, 64, "%s: %.*s", agent, HGL_STR(text));
  snprintf(seen->fields, 64, "%.*s", HGL_STR(fields));
}

static void a_sink_may_take_fields_apart(void **state)
{
  struct seen seen = {0};
  struct hgl_log log = {.write = see, .user = &seen, .least = HGL_LOG_INFO};
  hgl_log_agent(&log, HGL_LOG_DEBUG, "kiosk", hgl_text("no"), hgl_text("{}"));
  assert_string_equal(seen.text, "");
  hgl_log_agent(&log, HGL_LOG_INFO, "kiosk", hgl_text("sold"), hgl_text("{\"n\":1}"));
  assert_string_equal(seen.text, "kiosk: sold  {\"n\":1}");
  log.write_agent = see_agent;
  hgl_log_agent(&log, HGL_LOG_INFO, "kiosk", hgl_text("sold"), hgl_text("{\"n\":1}"));
  assert_string_equal(seen.text, "kiosk: sold");
  assert_string_equal(seen.fields, "{\"n\":1}");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_steers_a_terminal_is_escaped),
      cmocka_unit_test(the_inside_of_a_json_string_is_escaped),
      cmocka_unit_test(only_whole_characters_are_written),
      cmocka_unit_test(levels_have_names),
      cmocka_unit_test(a_sink_may_take_fields_apart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
