#include "base/timestamp.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/calendar.h"

enum { SHOWN_SIZE_MAX = 40, NUMBER_MAX = 1000000000 };

struct text {
  const uint8_t *at, *end;
};

static bool is_digit(uint8_t c)
{
  return c >= '0' && c <= '9';
}

static bool take(struct text *in, const char *any)
{
  if (in->at == in->end || *in->at == 0 || !strchr(any, *in->at)) return false;
  in->at++;
  return true;
}

static bool digits(struct text *in, int count, int least, int most, int *out)
{
  int value = 0;
  if (in->end - in->at < count) return false;
  for (int i = 0; i < count; i++, in->at++) {
    if (!is_digit(*in->at)) return false;
    value = 10 * value + (*in->at - '0');
  }
  *out = value;
  return value >= least && value <= most;
}

/* The digits behind a point, cut to thousandths. */
static bool thousandths(struct text *in, int *out)
{
  int place = 100;
  const uint8_t *start = in->at;
  for (*out = 0; in->at < in->end && is_digit(*in->at); in->at++, place /= 10)
    *out += (*in->at - '0') * place;
  return in->at > start;
}

/* Timestamps ---------------------------------------------------------------------------------- */

/* `extended`: with separators, which are then all there. */
static bool date(struct text *in, struct hgl_calendar *out, bool *extended)
{
  if (!digits(in, 4, HGL_YEAR_MIN, HGL_YEAR_MAX, &out->year)) return false;
  *extended = take(in, "-");
  if (!digits(in, 2, 1, 12, &out->month) || (*extended && !take(in, "-"))) return false;
  return digits(in, 2, 1, hgl_month_days(out->year, out->month), &out->day);
}

static bool clock_time(struct text *in, bool extended, struct hgl_calendar *out, int *ms)
{
  if (!digits(in, 2, 0, 24, &out->hour) || (extended && !take(in, ":")) ||
      !digits(in, 2, 0, 59, &out->minute))
    return false;
  bool more = extended ? take(in, ":") : in->at < in->end && is_digit(*in->at);
  if (more && !digits(in, 2, 0, 60, &out->second)) return false;
  if (more && take(in, ".,") && !thousandths(in, ms)) return false;
  if (out->second == 60) *ms = 0;
  return out->hour < 24 || (out->minute == 0 && out->second == 0 && *ms == 0);
}

static bool offset(struct text *in, struct hgl_timestamp *out)
{
  int hour, minute = 0;
  out->has_offset = true;
  if (take(in, "Zz")) return true;
  bool west = in->at < in->end && *in->at == '-';
  if (!take(in, "+-") || !digits(in, 2, 0, 23, &hour)) return false;
  bool more = take(in, ":") || in->at < in->end;
  if (more && !digits(in, 2, 0, 59, &minute)) return false;
  out->offset_s = (west ? -1 : 1) * (hour * 3600 + minute * 60);
  return true;
}

static bool parse(struct text in, struct hgl_timestamp *out)
{
  struct hgl_calendar at = {0};
  bool extended;
  int ms = 0;
  *out = (struct hgl_timestamp){0};
  if (!date(&in, &at, &extended)) return false;
  if (take(&in, "Tt ")) {
    out->has_time = true;
    if (!clock_time(&in, extended, &at, &ms)) return false;
    if (in.at < in.end && !offset(&in, out)) return false;
  }
  int64_t seconds = hgl_calendar_seconds(&at);
  out->local_ms = seconds * 1000 + ms;
  return in.at == in.end && seconds <= HGL_CALENDAR_MAX_S;
}

int hgl_timestamp_parse(struct hgl_bytes text, struct hgl_timestamp *out, struct hgl_err *err)
{
  struct hgl_timestamp timestamp;
  if (text.size && parse((struct text){text.data, text.data + text.size}, &timestamp)) {
    *out = timestamp;
    return 0;
  }
  if (text.size > SHOWN_SIZE_MAX) text.size = SHOWN_SIZE_MAX;
  return hgl_fail(
      err, HGL_INVALID,
      "'%.*s' is no time: write it as in 2026-03-29T09:30:00Z, 2026-03-29T09:30+02:00 or "
      "2026-03-29",
      HGL_STR(text));
}

void hgl_timestamp_format(const struct hgl_timestamp *timestamp, char out[HGL_TIMESTAMP_SIZE])
{
  struct hgl_calendar at;
  int64_t seconds = hgl_floor_div(timestamp->local_ms, 1000);
  int ms = (int)(timestamp->local_ms - seconds * 1000);
  int minutes = abs(timestamp->offset_s) / 60;
  hgl_calendar_from(seconds, &at);
  int used = snprintf(out, HGL_TIMESTAMP_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d", at.year, at.month,
                      at.day, at.hour, at.minute, at.second);
  if (ms) used += snprintf(out + used, HGL_TIMESTAMP_SIZE - (size_t)used, ".%03d", ms);
  if (minutes == 0)
    snprintf(out + used, HGL_TIMESTAMP_SIZE - (size_t)used, "Z");
  else
    snprintf(out + used, HGL_TIMESTAMP_SIZE - (size_t)used, "%c%02d:%02d",
             timestamp->offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

/* Periods ------------------------------------------------------------------------------------- */

struct unit {
  char letter;
  bool time; /* behind the T */
  int64_t months, days, ms;
};

static const struct unit units[] = {
    {'Y', false, 12, 0, 0},  {'M', false, 1, 0, 0},      {'W', false, 0, 7, 0},
    {'D', false, 0, 1, 0},   {'H', true, 0, 0, 3600000}, {'M', true, 0, 0, 60000},
    {'S', true, 0, 0, 1000},
};

enum { UNITS = sizeof units / sizeof *units };

/* Digits, and with a fraction thousandths. */
static bool amount(struct text *in, int64_t *whole, int *fraction)
{
  const uint8_t *start = in->at;
  for (*whole = 0; in->at < in->end && is_digit(*in->at) && *whole <= NUMBER_MAX; in->at++)
    *whole = 10 * *whole + (*in->at - '0');
  if (in->at == start || *whole > NUMBER_MAX) return false;
  *fraction = 0;
  return !take(in, ".,") || (thousandths(in, fraction) && in->at < in->end && *in->at == 'S');
}

static bool parse_period(struct text in, struct hgl_period *out)
{
  size_t next = 0;
  bool time = false, any = false;
  *out = (struct hgl_period){.negative = in.at < in.end && *in.at == '-'};
  take(&in, "+-");
  if (!take(&in, "P")) return false;
  while (in.at < in.end) {
    int64_t whole;
    int fraction;
    if (!time && take(&in, "T")) {
      time = true;
      any = false;
      continue;
    }
    if (!amount(&in, &whole, &fraction) || in.at == in.end) return false;
    while (next < UNITS && (units[next].time != time || units[next].letter != (char)*in.at)) next++;
    if (next == UNITS) return false;
    out->months += whole * units[next].months;
    out->days += whole * units[next].days;
    out->ms += whole * units[next].ms + fraction;
    in.at++;
    next++;
    any = true;
  }
  return any;
}

int hgl_period_parse(struct hgl_bytes text, struct hgl_period *out, struct hgl_err *err)
{
  struct hgl_period period;
  if (text.size && parse_period((struct text){text.data, text.data + text.size}, &period)) {
    *out = period;
    return 0;
  }
  if (text.size > SHOWN_SIZE_MAX) text.size = SHOWN_SIZE_MAX;
  return hgl_fail(err, HGL_INVALID, "'%.*s' is no period: write it as in P1DT2H30M or PT0.5S",
                  HGL_STR(text));
}
