#include "base/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/calendar.h"
#include "support/check.h"

static const char *const names[] = {
    "Europe/Vienna",  "America/New_York",  "Australia/Lord_Howe", "America/Santiago",
    "Europe/Dublin",  "Africa/Casablanca", "Asia/Tehran",         "Pacific/Apia",
    "Asia/Kathmandu", "America/Sao_Paulo", "Antarctica/Troll",    "Africa/Monrovia",
    "Europe/Lisbon",  "Asia/Gaza",         "America/Nuuk",        "Pacific/Kiritimati",
};

static struct hgl_zone *load(const char *name)
{
  struct hgl_err err = {0};
  struct hgl_zone *zone = NULL;
  assert_ok(hgl_zone_load(NULL, hgl_text(name), &zone, &err));
  assert_non_null(zone);
  return zone;
}

static int64_t seconds(int year, int month, int day, int hour, int minute, int second)
{
  struct hgl_calendar at = {year, month, day, hour, minute, second, 0, 0};
  return hgl_calendar_seconds(&at);
}

/* The steps meet all hours of the day and all days of the week. */
static void matches_the_c_library_from_1850_to_2200(void **unused)
{
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct hgl_zone *zone = load(names[i]);
    setenv("TZ", names[i], 1);
    tzset();
    for (int64_t s = seconds(1850, 1, 1, 0, 0, 0); s < seconds(2200, 1, 1, 0, 0, 0);
         s += 5 * 86413) {
      struct hgl_zone_span span;
      struct tm tm;
      time_t time = s;
      assert_non_null(localtime_r(&time, &tm));
      hgl_zone_span(zone, s, &span);
      if (span.offset != tm.tm_gmtoff || span.daylight != (tm.tm_isdst == 1) ||
          strcmp(span.name, tm.tm_zone) != 0)
        fail_msg("%s at %lld: %d %s, the C library says %ld %s", names[i], (long long)s,
                 span.offset, span.name, tm.tm_gmtoff, tm.tm_zone);
      assert_true(span.start <= s && s < span.end);
    }
    hgl_zone_destroy(zone);
  }
  unsetenv("TZ");
  tzset();
}

/* Each local time leads back to where it came from, whichever of the two it is. */
static void finds_the_unix_time_of_local_times(void **unused)
{
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct hgl_zone *zone = load(names[i]);
    for (int64_t s = seconds(1880, 1, 1, 0, 0, 0); s < seconds(2100, 1, 1, 0, 0, 0); s += 400009) {
      struct hgl_zone_span span;
      int64_t first = 0, second = 0;
      hgl_zone_span(zone, s, &span);
      enum hgl_zone_times times = hgl_zone_unix(zone, s + span.offset, &first, &second);
      assert_true(times != HGL_ZONE_NEVER);
      assert_true(first == s || (times == HGL_ZONE_TWICE && second == s));
    }
    hgl_zone_destroy(zone);
  }
}

static void knows_gaps_and_overlaps(void **unused)
{
  struct hgl_zone *zone = load("Europe/Vienna");
  int64_t first = 0, second = 0;
  assert_int_equal(hgl_zone_unix(zone, seconds(2026, 3, 29, 2, 30, 0), &first, &second),
                   HGL_ZONE_NEVER);
  assert_int_equal(first, seconds(2026, 3, 29, 1, 0, 0));
  assert_int_equal(hgl_zone_unix(zone, seconds(2026, 3, 29, 3, 0, 0), &first, &second),
                   HGL_ZONE_ONCE);
  assert_int_equal(first, seconds(2026, 3, 29, 1, 0, 0));
  assert_int_equal(hgl_zone_unix(zone, seconds(2026, 10, 25, 2, 30, 0), &first, &second),
                   HGL_ZONE_TWICE);
  assert_int_equal(first, seconds(2026, 10, 25, 0, 30, 0));
  assert_int_equal(second, seconds(2026, 10, 25, 1, 30, 0));
  /* Far behind the table: the rule of the footer. */
  assert_int_equal(hgl_zone_unix(zone, seconds(2400, 7, 1, 12, 0, 0), &first, &second),
                   HGL_ZONE_ONCE);
  assert_int_equal(first, seconds(2400, 7, 1, 10, 0, 0));
  hgl_zone_destroy(zone);
  zone = load("Australia/Lord_Howe"); /* half an hour */
  assert_int_equal(hgl_zone_unix(zone, seconds(2026, 4, 5, 1, 45, 0), &first, &second),
                   HGL_ZONE_TWICE);
  assert_int_equal(second - first, 1800);
  assert_int_equal(hgl_zone_unix(zone, seconds(2026, 10, 4, 2, 15, 0), &first, &second),
                   HGL_ZONE_NEVER);
  hgl_zone_destroy(zone);
  zone = load("Pacific/Apia"); /* had no 30 December 2011 */
  assert_int_equal(hgl_zone_unix(zone, seconds(2011, 12, 30, 12, 0, 0), &first, &second),
                   HGL_ZONE_NEVER);
  assert_int_equal(first, seconds(2011, 12, 30, 10, 0, 0));
  hgl_zone_destroy(zone);
}

static void utc_needs_no_file(void **unused)
{
  struct hgl_err err = {0};
  struct hgl_zone *zone = NULL;
  struct hgl_zone_span span;
  assert_ok(hgl_zone_load("/nowhere", hgl_text("UTC"), &zone, &err));
  hgl_zone_span(zone, 1000, &span);
  assert_int_equal(span.offset, 0);
  assert_string_equal(span.name, "UTC");
  hgl_zone_destroy(zone);
  hgl_zone_span(NULL, 1000, &span);
  assert_string_equal(span.name, "UTC");
}

static void refuses_names_that_lead_elsewhere(void **unused)
{
  static const char *const bad[] = {
      "",
      "/etc/passwd",
      "../etc/passwd",
      "Europe/../Vienna",
      "Europe//Vienna",
      "Europe/",
      ".",
      "Europe/Vienna\n",
      "Vienna",
      "Europe",
      "Mars/Olympus",
      "zone.tab",
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hgl_err err = {0};
    struct hgl_zone *zone = NULL;
    assert_fails(HGL_INVALID, hgl_zone_load(NULL, hgl_text(bad[i]), &zone, &err));
    assert_null(zone);
  }
  struct hgl_err err = {0};
  struct hgl_zone *zone = NULL;
  assert_fails(HGL_INVALID, hgl_zone_load(NULL, hgl_bytes("UTC\0", 4), &zone, &err));
}

/* Version 2 with an empty first part, one type, no times, and this footer. */
static void make_file(struct hgl_buf *out, const char *footer, uint8_t leap)
{
  static const uint8_t head[44] = {'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 4};
  static const uint8_t type[6] = {0};
  hgl_buf_init(out, 4096);
  for (int part = 0; part < 2; part++) {
    hgl_buf_append(out, head, sizeof head);
    if (out->data) out->data[out->size - 44 + 31] = leap;
    hgl_buf_append(out, type, sizeof type);
    hgl_buf_append(out, "ABC", 4);
    for (size_t i = 0; i < (size_t)leap * (part ? 12 : 8); i++) hgl_buf_append_byte(out, 0);
  }
  hgl_buf_append_text(out, footer);
}

static int decode(const char *footer, uint8_t leap, struct hgl_zone **out, struct hgl_err *err)
{
  struct hgl_buf file;
  make_file(&file, footer, leap);
  int status = hgl_buf_check(&file, err);
  if (!status) status = hgl_zone_decode(hgl_buf_bytes(&file), out, err);
  hgl_buf_deinit(&file);
  return status;
}

static void reads_the_rules_of_footers(void **unused)
{
  static const char *const good[] = {"\n\n",
                                     "\nUTC0\n",
                                     "\n<+0330>-3:30\n",
                                     "\nEST5EDT,M3.2.0,M11.1.0\n",
                                     "\nIST-1GMT0,M10.5.0,M3.5.0/1\n",
                                     "\nXXX3EDT4,0/0,J365/23\n",
                                     "\n<-02>2<-01>,M3.5.0/-1,M10.5.0/0\n",
                                     "\nABC-1:02:03DEF,J60/167,365/-167\n"};
  static const char *const bad[] = {"",
                                    "\n",
                                    "UTC0\n",
                                    "\nU0\n",
                                    "\nUTC\n",
                                    "\nUTC25\n",
                                    "\nEST5EDT\n",
                                    "\nEST5EDT,M3.2.0\n",
                                    "\nEST5EDT,M13.2.0,M1.1.0\n",
                                    "\nEST5EDT,M3.6.0,M1.1.0\n",
                                    "\nEST5EDT,M3.2.7,M1.1.0\n",
                                    "\nEST5EDT,J0,J5\n",
                                    "\nEST5EDT,366,5\n",
                                    "\nUTC0 \n",
                                    "\nABCDEFGHIJKLMNOPQ0\n",
                                    "\n<ABC0\n",
                                    "\nEST5EDT,1/168,5\n"};
  struct hgl_err err = {0};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    struct hgl_zone *zone = NULL;
    assert_ok(decode(good[i], 0, &zone, &err));
    hgl_zone_destroy(zone);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hgl_zone *zone = NULL;
    assert_fails(HGL_CORRUPT, decode(bad[i], 0, &zone, &err));
  }
}

static void always_daylight_is_one_long_span(void **unused)
{
  struct hgl_err err = {0};
  struct hgl_zone *zone = NULL;
  struct hgl_zone_span span;
  assert_ok(decode("\nXXX3EDT4,0/0,J365/23\n", 0, &zone, &err)); /* RFC 9636 §3.3.2 */
  assert_non_null(zone);
  for (int64_t s = seconds(2025, 12, 20, 0, 0, 0); s < seconds(2026, 1, 10, 0, 0, 0); s += 599) {
    hgl_zone_span(zone, s, &span);
    assert_int_equal(span.offset, -4 * 3600);
  }
  hgl_zone_destroy(zone);
}

static void refuses_leap_seconds(void **unused)
{
  struct hgl_err err = {0};
  struct hgl_zone *zone = NULL;
  assert_fails(HGL_CORRUPT, decode("\nUTC0\n", 1, &zone, &err));
  assert_non_null(strstr(err.message, "leap seconds"));
}

static void read_vienna(struct hgl_buf *out)
{
  const char *folder = getenv("TZDIR");
  char path[512];
  snprintf(path, sizeof path, "%s/Europe/Vienna", folder ? folder : "/usr/share/zoneinfo");
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("%s is not there: install tzdata", path);
  char block[4096];
  hgl_buf_init(out, HGL_ZONE_FILE_SIZE_MAX);
  for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;)
    hgl_buf_append(out, block, got);
  fclose(file);
  assert_true(out->failed || out->size > 500);
}

static void a_file_cut_anywhere_is_damaged(void **unused)
{
  struct hgl_buf file;
  struct hgl_err err = {0};
  read_vienna(&file);
  assert_ok(hgl_buf_check(&file, &err));
  for (size_t size = 0; size < file.size; size++) {
    struct hgl_zone *zone = NULL;
    assert_fails(HGL_CORRUPT, hgl_zone_decode(hgl_bytes(file.data, size), &zone, &err));
  }
  hgl_buf_deinit(&file);
}

static void a_file_of_another_kind_is_damaged(void **unused)
{
  struct hgl_err err = {0};
  struct hgl_zone *zone = NULL;
  char folder[] = "/tmp/haggle-zone-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/Odd", folder);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  for (int i = 0; i < HGL_ZONE_FILE_SIZE_MAX + 1; i++) fputc('x', file);
  fclose(file);
  int status = hgl_zone_load(folder, hgl_text("Odd"), &zone, &err);
  unlink(path);
  rmdir(folder);
  assert_fails(HGL_CORRUPT, status);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(matches_the_c_library_from_1850_to_2200),
      cmocka_unit_test(finds_the_unix_time_of_local_times),
      cmocka_unit_test(knows_gaps_and_overlaps),
      cmocka_unit_test(utc_needs_no_file),
      cmocka_unit_test(refuses_names_that_lead_elsewhere),
      cmocka_unit_test(reads_the_rules_of_footers),
      cmocka_unit_test(always_daylight_is_one_long_span),
      cmocka_unit_test(refuses_leap_seconds),
      cmocka_unit_test(a_file_cut_anywhere_is_damaged),
      cmocka_unit_test(a_file_of_another_kind_is_damaged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
