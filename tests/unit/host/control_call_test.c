/* Answers of the control API, whatever does not fit. */
#include "host/control_call.h"

#include "base/mem.h"
#include "protocol/value.h"
#include "support/check.h"

static int hear(void *link, struct hgl_bytes line, struct hgl_err *why)
{
  json_t **heard = link;
  assert_null(*heard);
  return hgl_json_parse(line, HGL_CONTROL_LINE_SIZE_MAX, heard, why);
}

static json_t *text_of(size_t size)
{
  char *text = hgl_alloc(size);
  assert_non_null(text);
  memset(text, 'x', size);
  json_t *json = json_stringn(text, size);
  assert_non_null(json);
  hgl_free(text);
  return json;
}

static json_t *answer(json_t *tag, size_t size)
{
  static const struct hgl_control_way way = {.send = hear};
  json_t *heard = NULL;
  struct hgl_control_client client = {.way = &way, .link = &heard};
  hgl_control_answer(&client, tag, text_of(size), NULL, NULL);
  json_decref(tag);
  assert_non_null(heard);
  return heard;
}

static void assert_too_large(json_t *heard, const json_t *tag)
{
  const json_t *why = json_object_get(heard, "error");
  assert_true(json_is_false(json_object_get(heard, "ok")));
  assert_string_equal(json_string_value(json_object_get(why, "code")), "too_large");
  assert_true(tag ? json_equal(json_object_get(heard, "id"), tag) : !json_object_get(heard, "id"));
  json_decref(heard);
}

static void an_answer_that_does_not_fit_is_refused_to_whoever_waits_for_it(void **state)
{
  json_t *tag = json_integer(7);
  assert_non_null(tag);
  assert_too_large(answer(json_incref(tag), HGL_CONTROL_LINE_SIZE_MAX), tag);
  json_decref(tag);
}

static void nor_does_the_tag_have_to_fit(void **state)
{
  assert_too_large(answer(text_of(HGL_CONTROL_LINE_SIZE_MAX), 1), NULL);
}

static void what_nearly_does_not_fit_is_told(void **state)
{
  enum { AROUND = sizeof "{'ok':true,'result':'','id':7}" - 1 };
  json_t *heard = answer(json_integer(7), HGL_CONTROL_LINE_SIZE_MAX - AROUND);
  assert_true(json_is_true(json_object_get(heard, "ok")));
  json_decref(heard);
  heard = answer(json_integer(7), HGL_CONTROL_LINE_SIZE_MAX - AROUND + 1);
  assert_true(json_is_false(json_object_get(heard, "ok")));
  json_decref(heard);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_answer_that_does_not_fit_is_refused_to_whoever_waits_for_it),
      cmocka_unit_test(nor_does_the_tag_have_to_fit),
      cmocka_unit_test(what_nearly_does_not_fit_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
