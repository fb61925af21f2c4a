#include "base/calendar.h"

#include <time.h>

#include "support/check.h"

static void matches_gmtime(void **unused)
{
  for (int64_t s = HGL_CALENDAR_MIN_S; s < HGL_CALENDAR_MAX_S; s += INT64_C(86400) * 97 + 3607) {
    struct hgl_calendar at;
    struct tm tm;
    time_t time = s;
    hgl_calendar_from(s, &at);
    gmtime_r(&time, &tm);
    assert_int_equal(at.year, tm.tm_year + 1900);
    assert_int_equal(at.month, tm.tm_mon + 1);
    assert_int_equal(at.day, tm.tm_mday);
    assert_int_equal(at.hour, tm.tm_hour);
    assert_int_equal(at.minute, tm.tm_min);
    assert_int_equal(at.second, tm.tm_sec);
    assert_int_equal(at.weekday, tm.tm_wday);
    assert_int_equal(at.yearday, tm.tm_yday + 1);
    assert_true(hgl_calendar_seconds(&at) == s);
  }
}

static void ends_where_it_says(void **unused)
{
  struct hgl_calendar at;
  hgl_calendar_from(HGL_CALENDAR_MIN_S, &at);
  assert_int_equal(at.year, HGL_YEAR_MIN);
  assert_int_equal(at.yearday, 1);
  hgl_calendar_from(HGL_CALENDAR_MAX_S, &at);
  assert_int_equal(at.year, HGL_YEAR_MAX);
  assert_int_equal(at.second, 59);
}

static void carries_months_and_days_on(void **unused)
{
  assert_int_equal(hgl_calendar_days(1970, 13, 1), 365);
  assert_int_equal(hgl_calendar_days(1970, 0, 31), -1);
  assert_int_equal(hgl_calendar_days(1970, -11, 1), -365);
  assert_int_equal(hgl_calendar_days(2024, 2, 30), hgl_calendar_days(2024, 3, 1));
}

static void knows_leap_years(void **unused)
{
  assert_true(hgl_leap_year(2000));
  assert_true(hgl_leap_year(2024));
  assert_false(hgl_leap_year(2100));
  assert_false(hgl_leap_year(2023));
  assert_int_equal(hgl_month_days(2024, 2), 29);
  assert_int_equal(hgl_month_days(2023, 2), 28);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(matches_gmtime),
      cmocka_unit_test(ends_where_it_says),
      cmocka_unit_test(carries_months_and_days_on),
      cmocka_unit_test(knows_leap_years),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
