#include "protocol/value.h"

#include "support/check.h"

enum { SIZE_LIMIT = 4 << 20 };

static int through(const char *text, unsigned indent, struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_buf value;
  hgl_buf_init(&value, SIZE_LIMIT);
  hgl_buf_init(out, SIZE_LIMIT);
  int status = hgl_json_plain_read(hgl_text(text), SIZE_LIMIT, HGL_VALUE_ITEMS_MAX, &value, err);
  if (!status) status = hgl_json_plain_write(hgl_buf_bytes(&value), indent, out, err);
  hgl_buf_deinit(&value);
  return status;
}

static void comes_back_as_it_was(void **unused)
{
  static const char *const texts[] = {"{\"b\":1,\"a\":[1.0,true,null,{}]}",
                                      "[]",
                                      "\"\\u0001\\n\\\"\"",
                                      "9223372036854775807",
                                      "{\"$int\":\"5\",\"$bytes\":[]}",
                                      "-9223372036854775808",
                                      "0.1",
                                      "1e+300"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct hgl_err err = {0};
    struct hgl_buf out;
    assert_ok(through(texts[i], 0, &out, &err));
    if (!hgl_bytes_is(hgl_buf_bytes(&out), texts[i])) fail_msg("%s", texts[i]);
    hgl_buf_deinit(&out);
  }
}

static void indents(void **unused)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  assert_ok(through("{\"a\":[1,{}],\"b\":[]}", 2, &out, &err));
  assert_true(
      hgl_bytes_is(hgl_buf_bytes(&out), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}"));
  hgl_buf_deinit(&out);
}

/* `count` times a piece, between a begin and an end. */
static int read_many(const char *begin, const char *piece, size_t count, const char *end,
                     struct hgl_err *err)
{
  struct hgl_buf text, value;
  hgl_buf_init(&text, SIZE_LIMIT);
  hgl_buf_init(&value, SIZE_LIMIT);
  hgl_buf_append_text(&text, begin);
  for (size_t i = 0; i < count; i++) hgl_buf_append_text(&text, piece);
  hgl_buf_append_text(&text, end);
  int status = hgl_buf_check(&text, err);
  if (!status)
    status = hgl_json_plain_read(hgl_buf_bytes(&text), SIZE_LIMIT, HGL_VALUE_ITEMS_MAX, &value,
                                 err);
  hgl_buf_deinit(&text);
  hgl_buf_deinit(&value);
  return status;
}

static void has_the_bounds_of_values(void **unused)
{
  struct hgl_err err = {0};
  assert_ok(read_many("[", "1,", HGL_VALUE_ITEMS_MAX - 2, "1]", &err));
  assert_fails(HGL_TOO_LARGE, read_many("[", "1,", HGL_VALUE_ITEMS_MAX - 1, "1]", &err));
  assert_ok(read_many("", "[", HGL_VALUE_DEPTH_MAX, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", &err));
  assert_fails(HGL_TOO_DEEP, read_many("", "[", HGL_VALUE_DEPTH_MAX + 1,
                                       "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", &err));
}

static void has_no_bytes(void **unused)
{
  struct hgl_err err = {0};
  struct hgl_buf value, out;
  hgl_buf_init(&value, 100);
  hgl_buf_init(&out, 100);
  hgl_cbor_put_map(&value, 1);
  hgl_cbor_put_literal(&value, "key");
  hgl_cbor_put_bytes(&value, hgl_text("x"));
  assert_ok(hgl_buf_check(&value, &err));
  assert_fails(HGL_BAD_VALUE, hgl_json_plain_write(hgl_buf_bytes(&value), 0, &out, &err));
  assert_non_null(strstr(err.message, "key"));
  hgl_buf_deinit(&value);
  hgl_buf_deinit(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(comes_back_as_it_was),
      cmocka_unit_test(indents),
      cmocka_unit_test(has_the_bounds_of_values),
      cmocka_unit_test(has_no_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
