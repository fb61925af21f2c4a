#include "support/check.h"

#include "base/buf.h"
#include "base/mem.h"

static void buf_stops_at_its_ceiling_and_says_so_once(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf buf;
  hgl_buf_init(&buf, 10);
  hgl_buf_append(&buf, "0123456789", 10);
  assert_ok(hgl_buf_check(&buf, &err));
  hgl_buf_append_byte(&buf, 'x');
  assert_fails(HGL_TOO_LARGE, hgl_buf_check(&buf, &err));
  hgl_buf_append(&buf, "", 0); /* nothing more happens */
  assert_int_equal(buf.size, 10);
  hgl_buf_clear(&buf);
  hgl_buf_append_text(&buf, "again");
  assert_ok(hgl_buf_check(&buf, &err));
  hgl_buf_deinit(&buf);
}

static void buf_keeps_what_it_has_when_memory_fails(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf buf;
  hgl_buf_init(&buf, 1 << 20);
  hgl_buf_append_text(&buf, "first");
  hgl_mem_fail_after(0);
  static const char more[4096];
  hgl_buf_append(&buf, more, sizeof more);
  hgl_mem_fail_after(-1);
  assert_fails(HGL_NO_MEMORY, hgl_buf_check(&buf, &err));
  assert_true(hgl_bytes_is(hgl_buf_bytes(&buf), "first"));
  hgl_buf_deinit(&buf);
}

static void buf_gives_its_memory_away(void **state)
{
  struct hgl_buf buf;
  size_t size;
  hgl_buf_init(&buf, 100);
  hgl_buf_printf(&buf, "%s %d", "answer", 42);
  uint8_t *data = hgl_buf_take(&buf, &size);
  assert_int_equal(size, 9);
  assert_memory_equal(data, "answer 42", 9);
  assert_null(buf.data);
  hgl_free(data);
}

static void buf_removes_from_its_front(void **state)
{
  struct hgl_buf buf;
  hgl_buf_init(&buf, 100);
  hgl_buf_append_text(&buf, "one two");
  assert_int_equal(buf.size, 7);
  hgl_buf_remove_front(&buf, 4);
  assert_true(hgl_bytes_is(hgl_buf_bytes(&buf), "two"));
  hgl_buf_remove_front(&buf, 3);
  assert_int_equal(buf.size, 0);
  hgl_buf_deinit(&buf);
}

static void err_carries_its_code_and_context(void **state)
{
  struct hgl_err err;
  assert_int_equal(hgl_fail(&err, HGL_GAP, "number %d", 7), -HGL_GAP);
  assert_int_equal(hgl_fail_in(&err, "peer %s", "x"), -HGL_GAP);
  assert_string_equal(err.message, "peer x: number 7");
  for (int code = 1; code < HGL_CODE_COUNT; code++) {
    const char *name = hgl_code_name((enum hgl_code)code);
    assert_int_equal(hgl_code_from_name(name, strlen(name)), code);
  }
  assert_int_equal(hgl_code_from_name("nonsense", 8), HGL_OK);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(buf_stops_at_its_ceiling_and_says_so_once),
      cmocka_unit_test(buf_keeps_what_it_has_when_memory_fails),
      cmocka_unit_test(buf_gives_its_memory_away),
      cmocka_unit_test(buf_removes_from_its_front),
      cmocka_unit_test(err_carries_its_code_and_context),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
