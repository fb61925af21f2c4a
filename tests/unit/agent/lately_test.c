#include "agent/lately.h"

#include "support/check.h"

enum { STEP = LATELY_STEP_MS, MINUTE = LATELY_STEPS * STEP };

static void what_never_happened_counts_nothing(void **state)
{
  struct lately lately = {0};
  assert_int_equal(lately_count(&lately, 0), 0);
  assert_int_equal(lately_count(&lately, 30 * STEP), 0);
}

static void it_is_forgotten_after_a_minute(void **state)
{
  const int64_t starts[] = {0, 3 * STEP, 5 * STEP, 1000 * STEP, 1001 * STEP};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
    struct lately lately = {0};
    lately_add(&lately, starts[i]);
    assert_int_equal(lately_count(&lately, starts[i]), 1);
    assert_int_equal(lately_count(&lately, starts[i] + MINUTE - 1), 1);
    assert_int_equal(lately_count(&lately, starts[i] + MINUTE), 0);
    assert_int_equal(lately_count(&lately, starts[i] + 10 * MINUTE), 0);
  }
}

static void each_step_goes_by_itself(void **state)
{
  struct lately lately = {0};
  for (int64_t at = 0; at < 3 * MINUTE; at += STEP) {
    for (int k = 0; k < 2; k++) lately_add(&lately, at);
    int64_t steps = at / STEP + 1;
    assert_int_equal(lately_count(&lately, at), 2 * (steps < LATELY_STEPS ? steps : LATELY_STEPS));
  }
  for (int64_t later = 0; later <= LATELY_STEPS; later++)
    assert_int_equal(lately_count(&lately, 3 * MINUTE - STEP + later * STEP),
                     2 * (LATELY_STEPS - later));
}

static void what_lies_before_a_pause_does_not_come_back(void **state)
{
  struct lately lately = {0};
  for (int64_t at = 0; at < MINUTE; at += STEP) lately_add(&lately, at);
  lately_add(&lately, MINUTE + 2 * STEP); /* within it, with steps between */
  assert_int_equal(lately_count(&lately, MINUTE + 2 * STEP), 4);
  lately_add(&lately, 5 * MINUTE);
  assert_int_equal(lately_count(&lately, 5 * MINUTE), 1);
}

static void a_step_counts_only_so_far(void **state)
{
  struct lately lately = {0};
  for (int i = 0; i < LATELY_COUNT_MAX + 10; i++) lately_add(&lately, 1);
  assert_int_equal(lately_count(&lately, 1), LATELY_COUNT_MAX);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_never_happened_counts_nothing),
      cmocka_unit_test(it_is_forgotten_after_a_minute),
      cmocka_unit_test(each_step_goes_by_itself),
      cmocka_unit_test(what_lies_before_a_pause_does_not_come_back),
      cmocka_unit_test(a_step_counts_only_so_far),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
