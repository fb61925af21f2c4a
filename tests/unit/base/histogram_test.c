#include "base/histogram.h"

#include "support/check.h"

static void percentiles_are_within_a_sixteenth(void **state)
{
  static struct hgl_histogram histogram;
  histogram = (struct hgl_histogram){0};
  assert_int_equal(hgl_histogram_at(&histogram, 0.5), 0);
  for (int64_t i = 1; i <= 100000; i++) hgl_histogram_note(&histogram, i * 1000);
  for (int percent = 1; percent <= 100; percent++) {
    int64_t real = percent * INT64_C(1000000), read = hgl_histogram_at(&histogram, percent / 100.0);
    assert_true(read >= real && read <= real + real / 15);
  }
}

static void the_least_and_the_greatest_have_a_place(void **state)
{
  static struct hgl_histogram histogram;
  histogram = (struct hgl_histogram){0};
  hgl_histogram_note(&histogram, -5);
  assert_int_equal(hgl_histogram_at(&histogram, 0.99), 0);
  for (int64_t i = 0; i < 16; i++) {
    histogram = (struct hgl_histogram){0};
    hgl_histogram_note(&histogram, i);
    assert_int_equal(hgl_histogram_at(&histogram, 0.5), i);
  }
  hgl_histogram_note(&histogram, INT64_MAX);
  assert_true(hgl_histogram_at(&histogram, 1) > INT64_C(3600) * 1000000000);
}

static void what_came_since_is_told_apart(void **state)
{
  static struct hgl_histogram histogram, before;
  histogram = (struct hgl_histogram){0};
  for (int i = 0; i < 100; i++) hgl_histogram_note(&histogram, 1000);
  before = histogram;
  assert_int_equal(hgl_histogram_at_since(&histogram, &before, 0.5), 0);
  hgl_histogram_note_many(&histogram, 1000000, 3);
  int64_t at = hgl_histogram_at_since(&histogram, &before, 0.01);
  assert_true(at >= 1000000 && at < 1070000);
  assert_true(hgl_histogram_at(&histogram, 0.5) < 1100);
  assert_int_equal(histogram.count, 103);
  assert_int_equal(histogram.sum_ns, 3100000);
}

static void counts_below_a_power_of_two_are_exact(void **state)
{
  static struct hgl_histogram histogram;
  histogram = (struct hgl_histogram){0};
  for (int64_t ns = 0; ns < 5000; ns++) hgl_histogram_note(&histogram, ns);
  for (unsigned power = 0; power <= 12; power++)
    assert_int_equal(hgl_histogram_below(&histogram, power), 1 << power);
  assert_int_equal(hgl_histogram_below(&histogram, 40), 5000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(percentiles_are_within_a_sixteenth),
      cmocka_unit_test(the_least_and_the_greatest_have_a_place),
      cmocka_unit_test(what_came_since_is_told_apart),
      cmocka_unit_test(counts_below_a_power_of_two_are_exact),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
