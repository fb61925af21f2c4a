#include "dashboard/best.h"

#include "base/mem.h"
#include "support/check.h"

static struct hgl_err err;

static int compare(const void *a, const void *b, const void *user)
{
  int left = *(const int *)a, right = *(const int *)b;
  return (left > right) - (left < right);
}

static void the_best_are_kept_and_come_in_order(void **state)
{
  struct best best;
  unsigned seed = 5;
  best_init(&best, sizeof(int), 10, compare, NULL);
  for (int round = 0; round < 3; round++) {
    best_clear(&best);
    for (int i = 0; i < 1000; i++) {
      seed = seed * 1103515245 + 12345;
      int item = (int)(seed >> 8) % 100000 + 100;
      assert_ok(best_offer(&best, &item, &err));
      if (i % 100 == 0) assert_ok(best_offer(&best, &(int){i / 100}, &err));
    }
    best_sort(&best);
    assert_int_equal(best.count, 10);
    for (int i = 0; i < 10; i++) assert_int_equal(*(int *)best_at(&best, (size_t)i), i);
  }
  best_deinit(&best);
}

static void fewer_than_the_most_are_all_kept(void **state)
{
  struct best best;
  best_init(&best, sizeof(int), 1000, compare, NULL);
  for (int i = 200; i > 0; i--) assert_ok(best_offer(&best, &i, &err));
  best_sort(&best);
  assert_int_equal(best.count, 200);
  for (int i = 0; i < 200; i++) assert_int_equal(*(int *)best_at(&best, (size_t)i), i + 1);
  best_deinit(&best);
  best_init(&best, sizeof(int), 0, compare, NULL);
  assert_ok(best_offer(&best, &(int){1}, &err));
  assert_int_equal(best.count, 0);
}

static void want_of_memory_keeps_what_there_is(void **state)
{
  struct best best;
  best_init(&best, sizeof(int), 1000, compare, NULL);
  for (int i = 0; i < 64; i++) assert_ok(best_offer(&best, &i, &err));
  hgl_mem_fail_after(0);
  int status = best_offer(&best, &(int){64}, &err);
  hgl_mem_fail_after(-1);
  assert_int_equal(status, -HGL_NO_MEMORY);
  best_sort(&best);
  assert_int_equal(best.count, 64);
  assert_int_equal(*(int *)best_at(&best, 63), 63);
  best_deinit(&best);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_best_are_kept_and_come_in_order),
      cmocka_unit_test(fewer_than_the_most_are_all_kept),
      cmocka_unit_test(want_of_memory_keeps_what_there_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
