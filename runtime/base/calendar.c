#include "base/calendar.h"

#include <assert.h>

enum {
  ERA_YEARS = 400,
  ERA_DAYS = 146097, /* of 400 years */
  DAYS_BEFORE_1970 =
      719468, /* from 0000-03-01: a year that begins in March ends with its leap day */
};

bool hgl_leap_year(int year)
{
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int hgl_month_days(int year, int month)
{
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && hgl_leap_year(year));
}

int64_t hgl_calendar_days(int64_t year, int64_t month, int64_t day)
{
  int64_t from_march = month - 3;
  year += hgl_floor_div(from_march, 12);
  from_march -= 12 * hgl_floor_div(from_march, 12);
  int64_t era = hgl_floor_div(year, ERA_YEARS), of_era = year - era * ERA_YEARS;
  int64_t of_year = (153 * from_march + 2) / 5; /* 31 30 31 30 31 | 31 30 31 30 31 | 31 29 */
  return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year + day - 1 -
         DAYS_BEFORE_1970;
}

int64_t hgl_calendar_seconds(const struct hgl_calendar *calendar)
{
  return hgl_calendar_days(calendar->year, calendar->month, calendar->day) * HGL_DAY_S +
         calendar->hour * 3600 + calendar->minute * 60 + calendar->second;
}

void hgl_calendar_from(int64_t seconds, struct hgl_calendar *out)
{
  assert(seconds >= HGL_CALENDAR_MIN_S && seconds <= HGL_CALENDAR_MAX_S);
  int64_t days = hgl_floor_div(seconds, HGL_DAY_S);
  int of_day = (int)(seconds - days * HGL_DAY_S);
  int64_t since_march = days + DAYS_BEFORE_1970;
  int64_t era = hgl_floor_div(since_march, ERA_DAYS);
  int64_t of_era = since_march - era * ERA_DAYS;
  int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / (ERA_DAYS - 1)) / 365;
  int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  int64_t from_march = (5 * of_year + 2) / 153;
  out->day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
  out->month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
  out->year = (int)(era * ERA_YEARS + year + (out->month <= 2));
  out->hour = of_day / 3600;
  out->minute = of_day / 60 % 60;
  out->second = of_day % 60;
  out->weekday = (int)(days + 4 - 7 * hgl_floor_div(days + 4, 7)); /* 1970-01-01: a Thursday */
  out->yearday = (int)(days - hgl_calendar_days(out->year, 1, 1)) + 1;
}
