#include "base/zone_rule.h"

#include <ctype.h>
#include <stdio.h>

#include "base/calendar.h"

/* Reading ------------------------------------------------------------------------------------- */

struct text {
  const uint8_t *at, *end;
};

static bool take(struct text *in, char c)
{
  if (in->at == in->end || *in->at != (uint8_t)c) return false;
  in->at++;
  return true;
}

static bool number(struct text *in, int least, int most, int *out)
{
  int value = 0, digits = 0;
  for (; in->at < in->end && isdigit(*in->at) && digits < 4; in->at++, digits++)
    value = 10 * value + (*in->at - '0');
  *out = value;
  return digits > 0 && value >= least && value <= most;
}

/* Letters, or anything of <…>. */
static bool name(struct text *in, char out[HGL_ZONE_SHORT_SIZE])
{
  bool quoted = take(in, '<');
  size_t size = 0;
  for (; in->at < in->end; in->at++) {
    uint8_t c = *in->at;
    if (c >= 0x80 || !(isalpha(c) || (quoted && (isdigit(c) || c == '+' || c == '-')))) break;
    if (size + 1 == HGL_ZONE_SHORT_SIZE) return false;
    out[size++] = (char)c;
  }
  out[size] = 0;
  return size >= 3 && (!quoted || take(in, '>'));
}

/* [+-]h[h][:mm[:ss]] */
static bool clock_time(struct text *in, int hours_max, int32_t *out)
{
  bool minus = take(in, '-');
  int hour, minute = 0, second = 0;
  if (!minus) take(in, '+');
  if (!number(in, 0, hours_max, &hour)) return false;
  if (take(in, ':') && !number(in, 0, 59, &minute)) return false;
  if (minute && take(in, ':') && !number(in, 0, 59, &second)) return false;
  *out = (minus ? -1 : 1) * (hour * 3600 + minute * 60 + second);
  return true;
}

static bool date(struct text *in, struct hgl_zone_date *out)
{
  *out = (struct hgl_zone_date){.kind = '0', .time = 2 * 3600};
  if (take(in, 'M')) {
    out->kind = 'M';
    if (!number(in, 1, 12, &out->month) || !take(in, '.') || !number(in, 1, 5, &out->week) ||
        !take(in, '.') || !number(in, 0, 6, &out->day))
      return false;
  } else if (take(in, 'J')) {
    out->kind = 'J';
    if (!number(in, 1, 365, &out->day)) return false;
  } else if (!number(in, 0, 365, &out->day)) {
    return false;
  }
  return !take(in, '/') || clock_time(in, 167, &out->time);
}

bool hgl_zone_rule_parse(struct hgl_bytes bytes, struct hgl_zone_rule *out)
{
  struct text in = {bytes.data, bytes.data + bytes.size};
  int32_t west;
  *out = (struct hgl_zone_rule){0};
  if (!name(&in, out->names[0]) || !clock_time(&in, 24, &west)) return false;
  out->offsets[0] = -west;
  if (in.at == in.end) return true;
  out->has_daylight = true;
  if (!name(&in, out->names[1])) return false;
  out->offsets[1] = out->offsets[0] + 3600;
  if (in.at < in.end && *in.at != ',') {
    if (!clock_time(&in, 24, &west)) return false;
    out->offsets[1] = -west;
  }
  return take(&in, ',') && date(&in, &out->begin) && take(&in, ',') && date(&in, &out->end) &&
         in.at == in.end;
}

/* Using --------------------------------------------------------------------------------------- */

/* Unix time of the change in this year; `offset` holds before it. */
static int64_t change(const struct hgl_zone_date *date, int64_t year, int32_t offset)
{
  int64_t day;
  bool leap = hgl_leap_year((int)(year % 400));
  if (date->kind == 'M') {
    int64_t first = hgl_calendar_days(year, date->month, 1);
    int64_t next = hgl_calendar_days(year, date->month + 1, 1);
    int64_t weekday = first + 4 - 7 * hgl_floor_div(first + 4, 7);
    day = first + (date->day - weekday + 7) % 7 + 7 * (date->week - 1);
    if (day >= next) day -= 7;
  } else {
    day = hgl_calendar_days(year, 1, 1) + date->day;
    if (date->kind == 'J') day -= !(leap && date->day >= 60);
  }
  return day * HGL_DAY_S + date->time - offset;
}

static void span_of(const struct hgl_zone_rule *rule, bool daylight, struct hgl_zone_span *out)
{
  out->offset = rule->offsets[daylight];
  out->daylight = daylight;
  snprintf(out->name, sizeof out->name, "%s", rule->names[daylight]);
}

/* Years in which nobody asks: time stands still there. */
static int64_t year_of(int64_t unix_s)
{
  struct hgl_calendar calendar;
  if (unix_s < HGL_CALENDAR_MIN_S) return HGL_YEAR_MIN;
  if (unix_s > HGL_CALENDAR_MAX_S) return HGL_YEAR_MAX;
  hgl_calendar_from(unix_s, &calendar);
  return calendar.year;
}

/* The changes of the years around it, of which the last before it and the first behind it count. */
void hgl_zone_rule_span(const struct hgl_zone_rule *rule, int64_t unix_s, struct hgl_zone_span *out)
{
  bool daylight = false;
  int64_t year = year_of(unix_s);
  out->start = INT64_MIN;
  out->end = INT64_MAX;
  for (int64_t y = year - 1; rule->has_daylight && y <= year + 1; y++) {
    const int64_t changes[2] = {change(&rule->end, y, rule->offsets[1]),
                                change(&rule->begin, y, rule->offsets[0])};
    for (int to = 0; to < 2; to++) {
      int64_t at = changes[to];
      /* Where both are in one moment daylight saving time does not end (RFC 9636 §3.3.2). */
      if (at <= unix_s && (at > out->start || (at == out->start && to == 1))) {
        out->start = at;
        daylight = to == 1;
      } else if (at > unix_s && at < out->end) {
        out->end = at;
      }
    }
  }
  span_of(rule, daylight, out);
}
