/* Cron lines: five fields (minute, hour, day of the month, month, day of the week), or @yearly,
 * @monthly, @weekly, @daily, @hourly and their other names. A field is `*`, a number, a range a-b,
 * or a list of these with commas; either may have a step: 0-59/15. Months and weekdays have English
 * names (jan, mon); Sunday is 0 or 7. As in Vixie's cron: if neither the day of the month nor that
 * of the week begins with `*`, a day that either names will do; else it has to be both.
 *
 * When local time jumps:
 * - a line whose hour is `*` follows the clock: "0-59/15 * * * *" fires every 15 minutes of
 *   real time, before, in and behind a gap or an overlap;
 * - any other line names times of the day, and each comes about once a day: what lies in a gap
 * fires once, at its end; what lies in an overlap, the first time only.
 *
 * Any thread. */
#ifndef HGL_BASE_CRON_H
#define HGL_BASE_CRON_H

#include "base/zone.h"

enum { HGL_CRON_SIZE_MAX = 256 };

struct hgl_cron {
  uint64_t minutes; /* bit n: minute n */
  uint32_t hours, days;
  uint16_t months;
  uint8_t weekdays;
  bool either_day; /* day of the month or of the week; else both */
  bool follows;    /* the clock */
};

/* HGL_INVALID, with what to write instead; also for a line that never fires, as on 30 February. */
int hgl_cron_parse(struct hgl_bytes line, struct hgl_cron *out, struct hgl_err *err) HGL_NODISCARD;
/* The first time it fires later than `after_s`, in Unix time; INT64_MAX: not before the year 9999
 * or 50 years have gone. `zone` NULL: UTC. */
int64_t hgl_cron_next(const struct hgl_cron *cron, const struct hgl_zone *zone, int64_t after_s);

#endif
