#include "host/bench.h"

#include "support/check.h"

static double part(const json_t *estimate, const char *name)
{
  return json_number_value(json_object_get(estimate, name));
}

/* As wilcox.test(1:10, conf.int = TRUE) of R has it. */
static void an_estimate_is_the_middle_of_means_of_pairs_with_its_interval(void **state)
{
  const double samples[] = {7, 1, 10, 4, 2, 9, 3, 8, 6, 5};
  json_t *estimate = hgl_bench_estimate(samples, 10);
  assert_non_null(estimate);
  assert_true(part(estimate, "estimate") == 5.5);
  assert_true(part(estimate, "low") == 3);
  assert_true(part(estimate, "high") == 8);
  json_decref(estimate);
}

static void an_estimate_is_not_moved_by_a_sample_that_was_spoiled(void **state)
{
  const double samples[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1000};
  json_t *estimate = hgl_bench_estimate(samples, 10);
  assert_non_null(estimate);
  assert_true(part(estimate, "estimate") == 1);
  assert_true(part(estimate, "high") < 1000);
  json_decref(estimate);
}

static void few_samples_leave_everything_between_them_possible(void **state)
{
  const double samples[] = {4, 2};
  assert_null(hgl_bench_estimate(samples, 0));
  json_t *estimate = hgl_bench_estimate(samples, 2);
  assert_non_null(estimate);
  assert_true(part(estimate, "estimate") == 3);
  assert_true(part(estimate, "low") == 2);
  assert_true(part(estimate, "high") == 4);
  json_decref(estimate);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_estimate_is_the_middle_of_means_of_pairs_with_its_interval),
      cmocka_unit_test(an_estimate_is_not_moved_by_a_sample_that_was_spoiled),
      cmocka_unit_test(few_samples_leave_everything_between_them_possible),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
