#include "base/timestamp.h"

#include "base/calendar.h"
#include "support/check.h"

static struct hgl_timestamp parsed(const char *text)
{
  struct hgl_err err = {0};
  struct hgl_timestamp at = {0};
  assert_ok(hgl_timestamp_parse(hgl_text(text), &at, &err));
  return at;
}

static void reads_what_rfc_3339_and_iso_8601_write(void **unused)
{
  assert_int_equal(parsed("1970-01-01T00:00:00Z").local_ms, 0);
  assert_int_equal(parsed("1970-01-01").local_ms, 0);
  assert_false(parsed("1970-01-01").has_time);
  assert_false(parsed("1970-01-01T00:00").has_offset);
  assert_true(parsed("1970-01-01T00:00:00.250Z").local_ms == 250);
  assert_true(parsed("1970-01-01t00:00:01,5z").local_ms == 1500);
  assert_true(parsed("1970-01-01 00:01").local_ms == 60000);
  assert_true(parsed("19700101T000102Z").local_ms == 62000);
  assert_true(parsed("19700101T0001").local_ms == 60000);
  assert_true(parsed("1969-12-31T23:59:59.999999999Z").local_ms == -1);
  assert_true(parsed("1970-01-01T24:00:00Z").local_ms == 86400000);
  assert_true(parsed("2016-12-31T23:59:60Z").local_ms == INT64_C(1483228800000));
  assert_true(parsed("2024-02-29").local_ms == INT64_C(1709164800000));
  assert_true(parsed("0001-01-01T00:00:00Z").local_ms == HGL_CALENDAR_MIN_S * 1000);
  assert_true(parsed("9999-12-31T23:59:59.999Z").local_ms == HGL_CALENDAR_MAX_S * 1000 + 999);
  assert_int_equal(parsed("2026-01-01T00:00+02:00").offset_s, 7200);
  assert_int_equal(parsed("2026-01-01T00:00-0330").offset_s, -12600);
  assert_int_equal(parsed("2026-01-01T00:00+05").offset_s, 18000);
  assert_int_equal(parsed("2026-01-01T00:00-00:00").offset_s, 0);
}

static void refuses_what_is_no_time(void **unused)
{
  static const char *const bad[] = {"",
                                    "2026",
                                    "2026-01",
                                    "2026-1-1",
                                    "2026-13-01",
                                    "2026-00-01",
                                    "2026-02-29",
                                    "2026-04-31",
                                    "2026-01-32",
                                    "0000-01-01",
                                    "10000-01-01",
                                    "-2026-01-01",
                                    "2026-01-01T",
                                    "2026-01-01T1",
                                    "2026-01-01T24:00:01",
                                    "2026-01-01T25:00",
                                    "2026-01-01T00:60",
                                    "2026-01-01T00:00:61",
                                    "2026-01-01T00:00:00.",
                                    "2026-01-01T00:00:00.Z",
                                    "2026-01-01T00:00Zx",
                                    "2026-01-01T00:00+",
                                    "2026-01-01T00:00+24:00",
                                    "2026-01-01T00:00+1",
                                    "2026-01-01Z",
                                    "2026-01-01T00:00 Z",
                                    " 2026-01-01",
                                    "2026-01-01 ",
                                    "2026-W01-1",
                                    "2026-001",
                                    "20260101T00:00Z",
                                    "2026-0101",
                                    "9999-12-31T24:00:00Z",
                                    "2026-01-01T00:00:00+02:00:00"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hgl_err err = {0};
    struct hgl_timestamp at;
    if (hgl_timestamp_parse(hgl_text(bad[i]), &at, &err) != -HGL_INVALID) fail_msg("%s", bad[i]);
  }
  struct hgl_err err = {0};
  struct hgl_timestamp at;
  assert_fails(HGL_INVALID, hgl_timestamp_parse(hgl_bytes("2026-01-01\0", 11), &at, &err));
}

static void writes_what_it_reads(void **unused)
{
  static const char *const texts[] = {"2026-03-29T03:00:00+02:00", "2026-03-29T03:00:00.007-03:30",
                                      "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z",
                                      "1969-12-31T23:59:59.500Z"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char text[HGL_TIMESTAMP_SIZE];
    struct hgl_timestamp at = parsed(texts[i]);
    hgl_timestamp_format(&at, text);
    assert_string_equal(text, texts[i]);
  }
}

static void reads_periods(void **unused)
{
  struct hgl_err err = {0};
  struct hgl_period period = {0};
  assert_ok(hgl_period_parse(hgl_text("P1Y2M3W4DT5H6M7.89S"), &period, &err));
  assert_int_equal(period.months, 14);
  assert_int_equal(period.days, 25);
  assert_int_equal(period.ms, 5 * 3600000 + 6 * 60000 + 7890);
  assert_false(period.negative);
  assert_ok(hgl_period_parse(hgl_text("-PT90M"), &period, &err));
  assert_int_equal(period.ms, 5400000);
  assert_true(period.negative);
  assert_ok(hgl_period_parse(hgl_text("P0D"), &period, &err));
  static const char *const bad[] = {
      "",      "P",    "PT",    "P1",    "1D",     "P1DT",      "P1H",           "PT1D", "P1D1Y",
      "P1D2D", "P-1D", "P1.5D", "PT1.S", "PT1H1H", "P1DT1HT1M", "P99999999999Y", "P1D "};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (hgl_period_parse(hgl_text(bad[i]), &period, &err) != -HGL_INVALID) fail_msg("%s", bad[i]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_what_rfc_3339_and_iso_8601_write),
      cmocka_unit_test(refuses_what_is_no_time),
      cmocka_unit_test(writes_what_it_reads),
      cmocka_unit_test(reads_periods),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
