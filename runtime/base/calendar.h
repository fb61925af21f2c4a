/* Dates of the proleptic Gregorian calendar and seconds since 1970, without time zones; the years
 * HGL_YEAR_MIN to HGL_YEAR_MAX. Any thread. */
#ifndef HGL_BASE_CALENDAR_H
#define HGL_BASE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

enum { HGL_YEAR_MIN = 1, HGL_YEAR_MAX = 9999, HGL_DAY_S = 86400 };

/* Of these two years, in seconds: what hgl_calendar_from can be given. */
#define HGL_CALENDAR_MIN_S INT64_C(-62135596800) /* 0001-01-01T00:00:00 */
#define HGL_CALENDAR_MAX_S INT64_C(253402300799) /* 9999-12-31T23:59:59 */

struct hgl_calendar {
  int year, month, day; /* month 1 to 12, day 1 to 31 */
  int hour, minute, second;
  int weekday; /* 0 to 6, Sunday is 0 */
  int yearday; /* 1 to 366 */
};

bool hgl_leap_year(int year);
int hgl_month_days(int year, int month);
/* Days from 1970-01-01. `month` and `day` may lie outside their range: they are carried on. */
int64_t hgl_calendar_days(int64_t year, int64_t month, int64_t day);
/* Of the first six fields, which are in their ranges. */
int64_t hgl_calendar_seconds(const struct hgl_calendar *calendar);
void hgl_calendar_from(int64_t seconds, struct hgl_calendar *out);
/* Towards minus infinity; the divisor is positive. */
static inline int64_t hgl_floor_div(int64_t value, int64_t by)
{
  return value / by - (value % by < 0);
}

#endif
