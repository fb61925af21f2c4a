#include "base/cron.h"

#include "base/calendar.h"
#include "base/timestamp.h"
#include "support/check.h"

static struct hgl_cron parse(const char *line)
{
  struct hgl_err err = {0};
  struct hgl_cron cron = {0};
  assert_ok(hgl_cron_parse(hgl_text(line), &cron, &err));
  return cron;
}

/* "2026-03-29 01:00" of Unix time. */
static int64_t unix_of(const char *text)
{
  struct hgl_err err = {0};
  struct hgl_timestamp at = {0};
  assert_ok(hgl_timestamp_parse(hgl_text(text), &at, &err));
  return at.local_ms / 1000;
}

/* The times after `after`, one after the other, in UTC. */
static void assert_fires(const char *line, const char *zone_name, const char *after,
                         const char *const *times)
{
  struct hgl_err err = {0};
  struct hgl_cron cron = parse(line);
  struct hgl_zone *zone = NULL;
  if (zone_name) assert_ok(hgl_zone_load(NULL, hgl_text(zone_name), &zone, &err));
  int64_t at = unix_of(after);
  for (; *times; times++) {
    at = hgl_cron_next(&cron, zone, at);
    if (at != unix_of(*times)) {
      struct hgl_calendar got;
      hgl_calendar_from(at, &got);
      fail_msg("%s: expected %s, got %d-%02d-%02d %02d:%02d", line, *times, got.year, got.month,
               got.day, got.hour, got.minute);
    }
  }
  hgl_zone_destroy(zone);
}
#define FIRES(line, zone, after, ...)                                                              \
  assert_fires(line, zone, after, (const char *const[]){__VA_ARGS__, NULL})

static void knows_the_five_fields(void **unused)
{
  FIRES("* * * * *", NULL, "2026-01-01 00:00", "2026-01-01 00:01", "2026-01-01 00:02");
  FIRES("30 4 * * *", NULL, "2026-01-01 04:30", "2026-01-02 04:30");
  FIRES("0 9 * * 1-5", NULL, "2026-01-01 10:00", "2026-01-02 09:00", "2026-01-05 09:00");
  FIRES("*/20 8,17 * * *", NULL, "2026-01-01 08:10", "2026-01-01 08:20", "2026-01-01 08:40",
        "2026-01-01 17:00", "2026-01-01 17:20");
  FIRES("5-35/15 0 1 jan,JUL *", NULL, "2026-01-01 00:35", "2026-07-01 00:05", "2026-07-01 00:20",
        "2026-07-01 00:35", "2027-01-01 00:05");
  FIRES("0 0 * * sun", NULL, "2026-01-01 00:00", "2026-01-04 00:00", "2026-01-11 00:00");
  FIRES("0 0 * * 7", NULL, "2026-01-01 00:00", "2026-01-04 00:00");
  FIRES("0 0 * * fri-sun", NULL, "2026-01-01 00:00", "2026-01-02 00:00", "2026-01-03 00:00",
        "2026-01-04 00:00", "2026-01-09 00:00");
  FIRES(" \t0  0\t31 * * ", NULL, "2026-01-31 00:00", "2026-03-31 00:00", "2026-05-31 00:00");
}

static void knows_the_short_names(void **unused)
{
  FIRES("@yearly", NULL, "2026-01-01 00:00", "2027-01-01 00:00");
  FIRES("@annually", NULL, "2026-01-01 00:00", "2027-01-01 00:00");
  FIRES("@monthly", NULL, "2026-01-01 00:00", "2026-02-01 00:00");
  FIRES("@weekly", NULL, "2026-01-01 00:00", "2026-01-04 00:00");
  FIRES("@daily", NULL, "2026-12-31 23:59", "2027-01-01 00:00");
  FIRES("@midnight", NULL, "2026-01-01 00:00", "2026-01-02 00:00");
  FIRES("@hourly", NULL, "2026-01-01 00:30", "2026-01-01 01:00");
}

static void either_day_does_unless_one_begins_with_a_star(void **unused)
{
  FIRES("0 0 13 * 5", NULL, "2026-01-01 00:00", "2026-01-02 00:00", "2026-01-09 00:00",
        "2026-01-13 00:00", "2026-01-16 00:00");
  FIRES("0 0 */13 * 5", NULL, "2026-01-01 00:00", "2026-02-27 00:00", "2026-03-27 00:00");
  FIRES("0 0 30 2 1", NULL, "2026-01-01 00:00", "2026-02-02 00:00");
}

static void knows_leap_days(void **unused)
{
  FIRES("0 0 29 2 *", NULL, "2026-01-01 00:00", "2028-02-29 00:00", "2032-02-29 00:00");
  FIRES("0 0 29 2 *", NULL, "2096-02-29 00:00", "2104-02-29 00:00");
  FIRES("0 0 29 2 */6", NULL, "2026-01-01 00:00", "2032-02-29 00:00", "2048-02-29 00:00");
}

static void what_lies_in_a_gap_fires_once_behind_it(void **unused)
{
  FIRES("30 2 * * *", "Europe/Vienna", "2026-03-28 00:00", "2026-03-28 01:30", "2026-03-29 01:00",
        "2026-03-30 00:30");
  FIRES("*/10 2 * * *", "Europe/Vienna", "2026-03-28 01:50", "2026-03-29 01:00",
        "2026-03-30 00:00");
  FIRES("0 2,3 * * *", "Europe/Vienna", "2026-03-28 02:00", "2026-03-29 01:00", "2026-03-30 00:00",
        "2026-03-30 01:00");
  FIRES("30 2 * * *", "America/New_York", "2026-03-07 07:30", "2026-03-08 07:00",
        "2026-03-09 06:30");
  FIRES("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 00:00", "2026-10-03 15:30",
        "2026-10-04 15:15");
  FIRES("0 0 * * *", "America/Santiago", "2026-09-05 04:00", "2026-09-06 04:00",
        "2026-09-07 03:00");
  FIRES("0 12 30 12 *", "Pacific/Apia", "2011-01-01 00:00", "2011-12-30 10:00", "2012-12-29 22:00");
}

static void what_lies_in_an_overlap_fires_the_first_time(void **unused)
{
  FIRES("30 2 * * *", "Europe/Vienna", "2026-10-24 00:00", "2026-10-24 00:30", "2026-10-25 00:30",
        "2026-10-26 01:30");
  FIRES("30 2 * * *", "Europe/Vienna", "2026-10-25 00:59", "2026-10-26 01:30");
  FIRES("0,30 1-2 * * *", "Europe/Vienna", "2026-10-24 22:59", "2026-10-24 23:00",
        "2026-10-24 23:30", "2026-10-25 00:00", "2026-10-25 00:30", "2026-10-26 00:00");
  FIRES("30 1 * * *", "America/New_York", "2026-11-01 00:00", "2026-11-01 05:30",
        "2026-11-02 06:30");
  FIRES("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 00:00", "2026-04-04 14:45",
        "2026-04-05 15:15");
  FIRES("30 23 * * *", "America/Santiago", "2026-04-04 00:00", "2026-04-04 02:30",
        "2026-04-05 02:30", "2026-04-06 03:30");
}

static void a_line_for_every_hour_follows_the_clock(void **unused)
{
  FIRES("*/15 * * * *", "Europe/Vienna", "2026-03-29 00:30", "2026-03-29 00:45", "2026-03-29 01:00",
        "2026-03-29 01:15");
  FIRES("*/30 * * * *", "Europe/Vienna", "2026-10-24 23:30", "2026-10-25 00:00", "2026-10-25 00:30",
        "2026-10-25 01:00", "2026-10-25 01:30", "2026-10-25 02:00");
  FIRES("*/15 * * * *", "Australia/Lord_Howe", "2026-04-04 14:30", "2026-04-04 14:45",
        "2026-04-04 15:00", "2026-04-04 15:15", "2026-04-04 15:30");
  FIRES("@hourly", "America/New_York", "2026-11-01 04:00", "2026-11-01 05:00", "2026-11-01 06:00",
        "2026-11-01 07:00");
}

static void refuses_what_is_no_line_and_says_what_is(void **unused)
{
  static const struct {
    const char *line, *says;
  } bad[] = {
      {"", "five"},
      {"* * * *", "4 fields"},
      {"0 0 9 * * 1-5", "6 fields"},
      {"60 * * * *", "minute"},
      {"* 24 * * *", "hour"},
      {"* * 0 * *", "day of the month"},
      {"* * 32 * *", "day of the month"},
      {"* * * 13 *", "jan to dec"},
      {"* * * * 8", "sun to sat"},
      {"* * * * montag", "sun to sat"},
      {"-1 * * * *", "minute"},
      {"1, * * * *", "minute"},
      {"1-2-3 * * * *", "minute"},
      {"*/0 * * * *", "step"},
      {"*/61 * * * *", "step"},
      {"5/15 * * * *", "write 5-59/15"},
      {"30-10 * * * *", "write 30-59,0-10"},
      {"* * * * 5-1", "write 5-6,0-1"},
      {"? * * * *", "minute"},
      {"0 0 L * *", "day of the month"},
      {"99999999999999999999 * * * *", "minute"},
      {"@reboot", "agent.on_start"},
      {"@often", "@daily"},
      {"0 0 30 2 *", "never fires"},
      {"0 0 31 4,6,9,11 *", "never fires"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hgl_err err = {0};
    struct hgl_cron cron = {0};
    assert_fails(HGL_INVALID, hgl_cron_parse(hgl_text(bad[i].line), &cron, &err));
    if (!strstr(err.message, bad[i].says)) fail_msg("'%s' says: %s", bad[i].line, err.message);
  }
  struct hgl_err err = {0};
  struct hgl_cron cron = {0};
  char longest[HGL_CRON_SIZE_MAX + 2];
  memset(longest, '1', sizeof longest);
  assert_fails(HGL_INVALID, hgl_cron_parse(hgl_bytes(longest, HGL_CRON_SIZE_MAX + 1), &cron, &err));
}

static void ends_with_the_calendar(void **unused)
{
  struct hgl_cron cron = parse("@daily");
  assert_true(hgl_cron_next(&cron, NULL, INT64_C(253402300799)) == INT64_MAX);
  assert_true(hgl_cron_next(&cron, NULL, INT64_MAX - 1) == INT64_MAX);
  assert_true(hgl_cron_next(&cron, NULL, INT64_MIN) > INT64_MIN);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(knows_the_five_fields),
      cmocka_unit_test(knows_the_short_names),
      cmocka_unit_test(either_day_does_unless_one_begins_with_a_star),
      cmocka_unit_test(knows_leap_days),
      cmocka_unit_test(what_lies_in_a_gap_fires_once_behind_it),
      cmocka_unit_test(what_lies_in_an_overlap_fires_the_first_time),
      cmocka_unit_test(a_line_for_every_hour_follows_the_clock),
      cmocka_unit_test(refuses_what_is_no_line_and_says_what_is),
      cmocka_unit_test(ends_with_the_calendar),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
