#include "support/check.h"

#include "base/mem.h"

static void grow_keeps_the_elements_and_doubles_the_room(void **state)
{
  int *numbers = NULL;
  size_t count = 0, capacity = 0;
  for (; count < 100; count++) {
    assert_true(HGL_GROW(numbers, count, capacity));
    assert_true(count < capacity && capacity < 2 * count + 9);
    numbers[count] = (int)count;
  }
  for (size_t i = 0; i < count; i++) assert_int_equal(numbers[i], i);
  hgl_free(numbers);
}

static void grow_without_memory_changes_nothing(void **state)
{
  int *numbers = NULL;
  size_t capacity = 0;
  assert_true(HGL_GROW(numbers, 0, capacity));
  int *before = numbers;
  size_t full = capacity;
  hgl_mem_fail_after(0);
  assert_false(HGL_GROW(numbers, full, capacity));
  assert_true(HGL_GROW(numbers, full - 1, capacity));
  hgl_mem_fail_after(-1);
  assert_ptr_equal(numbers, before);
  assert_int_equal(capacity, full);
  hgl_free(numbers);
}

static void requests_above_the_largest_are_refused(void **state)
{
  assert_null(hgl_alloc(HGL_MEM_REQUEST_MAX + 1));
  assert_null(hgl_zalloc(SIZE_MAX));
  assert_null(hgl_array(SIZE_MAX / 2, 4));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(grow_keeps_the_elements_and_doubles_the_room),
      cmocka_unit_test(grow_without_memory_changes_nothing),
      cmocka_unit_test(requests_above_the_largest_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
