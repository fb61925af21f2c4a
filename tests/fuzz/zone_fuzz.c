// uses: hgl_base
/* A time zone file that decodes has spans that hold the time they were asked for, local times lead
 * back to where they came from, and a schedule goes forward. */
#include "base/calendar.h"
#include "base/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct hgl_zone *zone, int64_t unix_s)
{
  struct hgl_zone_span span;
  int64_t first, second;
  hgl_zone_span(zone, unix_s, &span);
  if (unix_s < span.start || unix_s >= span.end) __builtin_trap();
  enum hgl_zone_times times = hgl_zone_unix(zone, unix_s + span.offset, &first, &second);
  if (times == HGL_ZONE_NEVER) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const lines[] = {"30 2 * * *", "*/15 * * * *", "0 0 29 2 *"};
  struct hgl_zone *zone;
  struct hgl_err err;
  if (hgl_zone_decode(hgl_bytes(data, size), &zone, &err) != 0) return 0;
  for (int64_t year = 1900; year < 2100; year += 3)
    look_at(zone, hgl_calendar_days(year, 1, year * 7 % 365) * HGL_DAY_S + year * 11);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    struct hgl_cron cron;
    int64_t at = 0;
    if (hgl_cron_parse(hgl_text(lines[i]), &cron, &err) != 0) __builtin_trap();
    for (int n = 0; n < 20 && at != INT64_MAX; n++) {
      int64_t next = hgl_cron_next(&cron, zone, at);
      if (next <= at) __builtin_trap();
      at = next;
    }
  }
  hgl_zone_destroy(zone);
  return 0;
}
