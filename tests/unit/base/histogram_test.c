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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(percentiles_are_within_a_sixteenth),
      cmocka_unit_test(the_least_and_the_greatest_have_a_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
