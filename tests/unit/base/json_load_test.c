/* Reading JSON while memory is short, and beside another copy of the reader, as engines have it. */
#include "base/json_load.h"

#include "base/mem.h"
#include "support/check.h"

json_t *copy_json_load(const char *text, size_t size, size_t flags, bool *refused,
                       json_error_t *error);
#define hgl_json_load copy_json_load
#include "../../../runtime/base/json_load.c" /* NOLINT(bugprone-suspicious-include) */
#undef hgl_json_load

typedef json_t *load(const char *text, size_t size, size_t flags, bool *refused,
                     json_error_t *error);
static load *const loads[] = {hgl_json_load, copy_json_load};

static const char text[] = "{\"a\":[1,2.5,\"text\",{\"b\":[true,null]}],\"c\":\"d\"}";

static json_t *load_text(load *loader, bool *refused)
{
  json_error_t error;
  json_t *json = loader(text, strlen(text), JSON_REJECT_DUPLICATES, refused, &error);
  if (!json) assert_true(*refused); /* or it would be said of the text that it is no JSON */
  return json;
}

static void each_request_for_memory_may_be_refused(void **state)
{
  json_set_alloc_funcs(hgl_alloc, hgl_free);
  for (int i = 0; i < 2; i++) {
    bool refused = true;
    long fail_at = 0;
    for (; refused; fail_at++) {
      hgl_mem_fail_after(fail_at);
      json_t *json = load_text(loads[i], &refused);
      hgl_mem_fail_after(-1);
      assert_true(refused == !json);
      json_decref(json);
    }
    assert_true(fail_at > 10);
  }
  json_set_alloc_funcs(malloc, free);
}

static unsigned allocations;

static void *count_and_allocate(size_t size)
{
  allocations++;
  return hgl_alloc(size);
}

/* Whichever was there first: no copy calls itself through the other, or leaves out who was there
 * before. */
static void copies_take_turns_over_the_allocator_that_was_there(void **state)
{
  for (int round = 0; round < 8; round++) {
    json_set_alloc_funcs(count_and_allocate, hgl_free);
    for (int i = 0; i < 4; i++) {
      bool refused;
      allocations = 0;
      json_t *json = load_text(loads[(round >> (i % 3)) & 1], &refused);
      json_decref(json);
      if (json) assert_true(allocations > 10);
    }
  }
  json_set_alloc_funcs(malloc, free);
}

static void what_is_wrong_with_a_text_is_told(void **state)
{
  bool refused;
  json_error_t error;
  assert_null(hgl_json_load("[1,", 3, 0, &refused, &error));
  if (!refused) assert_int_equal(json_error_code(&error), json_error_premature_end_of_input);
  assert_null(hgl_json_load(NULL, 0, JSON_DECODE_ANY, &refused, NULL));
  assert_null(hgl_json_load("{\"a\":1,\"a\":2}", 13, JSON_REJECT_DUPLICATES, &refused, &error));
  if (!refused) assert_int_equal(json_error_code(&error), json_error_duplicate_key);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_request_for_memory_may_be_refused),
      cmocka_unit_test(copies_take_turns_over_the_allocator_that_was_there),
      cmocka_unit_test(what_is_wrong_with_a_text_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
