#include "base/cron.h"

#include <ctype.h>
#include <strings.h>

#include "base/calendar.h"

#define HORIZON_S (INT64_C(50) * 366 * HGL_DAY_S)

enum { FIELDS = 5, MINUTE = 0, HOUR, DAY, MONTH, WEEKDAY };

struct field {
  const char *name;
  int least, most;
  const char *const *names; /* of least, least + 1, … */
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field fields[FIELDS] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of the month", 1, 31, NULL},
    {"month", 1, 12, month_names},
    {"day of the week", 0, 7, weekday_names},
};

/* Reading ------------------------------------------------------------------------------------- */

#define SHAPE "minute hour day month weekday, as in \"0 9 * * 1-5\""

static bool is_space(uint8_t c)
{
  return c == ' ' || c == '\t';
}

/* A number or a name; what is left stays in *in. */
static bool read_one(const struct field *field, struct hgl_bytes *in, int *out)
{
  size_t size = 0;
  if (in->size && isdigit(in->data[0])) {
    int value = 0;
    for (; size < in->size && size < 4 && isdigit(in->data[size]); size++)
      value = 10 * value + (in->data[size] - '0');
    *out = value;
  } else {
    for (int i = 0; field->names && field->names[i] && !size; i++) {
      if (in->size < 3 || strncasecmp((const char *)in->data, field->names[i], 3) != 0) continue;
      *out = field->least + i;
      size = 3;
    }
  }
  *in = hgl_bytes(in->data + size, in->size - size);
  return size > 0;
}

static bool skip(struct hgl_bytes *in, char c)
{
  if (!in->size || in->data[0] != (uint8_t)c) return false;
  *in = hgl_bytes(in->data + 1, in->size - 1);
  return true;
}

static int bad_part(const struct field *field, struct hgl_bytes part, struct hgl_err *err)
{
  return hgl_fail(
      err, HGL_INVALID,
      "'%.*s' is no %s: write %d to %d%s, a range as in %d-%d, `*`, or these with a step "
      "as in */2",
      HGL_STR(part), field->name, field->least, field->most,
      field->names == month_names     ? " or jan to dec"
      : field->names == weekday_names ? " or sun to sat"
                                      : "",
      field->least, field->least + 2);
}

/* The values as bits. */
static int read_part(const struct field *field, struct hgl_bytes part, uint64_t *bits,
                     struct hgl_err *err)
{
  struct hgl_bytes in = part;
  int first = field->least, last = field->most == 7 ? 6 : field->most, step = 1;
  bool all = skip(&in, '*'), range = all;
  if (!all) {
    if (!read_one(field, &in, &first)) return bad_part(field, part, err);
    last = first;
    if ((range = skip(&in, '-')) && !read_one(field, &in, &last)) return bad_part(field, part, err);
  }
  if (first < field->least || last > field->most || first > field->most)
    return bad_part(field, part, err);
  /* "fri-sun" ends with the Sunday behind it. */
  if (range && field->most == 7 && last == 0 && first > 0) last = 7;
  if (first > last)
    return hgl_fail(err, HGL_INVALID, "the range '%.*s' runs backwards: write %d-%d,%d-%d",
                    HGL_STR(part), first, field->most == 7 ? 6 : field->most, field->least, last);
  if (skip(&in, '/')) {
    const struct field steps = {"step", 1, 9999, NULL};
    if (!range)
      return hgl_fail(err, HGL_INVALID, "a step needs a range: write %d-%d/%.*s instead of '%.*s'",
                      first, field->most, HGL_STR(in), HGL_STR(part));
    if (!read_one(&steps, &in, &step) || step < 1 || step > field->most - field->least + 1)
      return hgl_fail(err, HGL_INVALID, "the step of '%.*s' is not from 1 to %d", HGL_STR(part),
                      field->most - field->least + 1);
  }
  if (in.size > 0) return bad_part(field, part, err);
  for (int value = first; value <= last; value += step)
    *bits |= UINT64_C(1) << (field->most == 7 ? value % 7 : value);
  return 0;
}

static int read_field(const struct field *field, struct hgl_bytes text, uint64_t *bits,
                      struct hgl_err *err)
{
  *bits = 0;
  for (size_t start = 0; start <= text.size;) {
    const uint8_t *comma = memchr(text.data + start, ',', text.size - start);
    size_t end = comma ? (size_t)(comma - text.data) : text.size;
    int status = read_part(field, hgl_bytes(text.data + start, end - start), bits, err);
    if (status) return status;
    start = end + 1;
  }
  return 0;
}

static struct hgl_bytes trim(struct hgl_bytes text)
{
  while (text.size && is_space(text.data[0])) text = hgl_bytes(text.data + 1, text.size - 1);
  while (text.size && is_space(text.data[text.size - 1])) text.size--;
  return text;
}

static int split(struct hgl_bytes line, struct hgl_bytes out[FIELDS], struct hgl_err *err)
{
  size_t count = 0;
  for (size_t i = 0; i < line.size; count++) {
    size_t start = i;
    while (i < line.size && !is_space(line.data[i])) i++;
    if (count < FIELDS) out[count] = hgl_bytes(line.data + start, i - start);
    while (i < line.size && is_space(line.data[i])) i++;
  }
  if (count == FIELDS) return 0;
  return hgl_fail(err, HGL_INVALID, "'%.*s' has %zu fields: a cron line has five, " SHAPE,
                  HGL_STR(line), count);
}

static int expand(struct hgl_bytes *line, struct hgl_err *err)
{
  static const struct {
    const char *name, *line;
  } known[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
               {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
               {"@hourly", "0 * * * *"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!hgl_bytes_is(*line, known[i].name)) continue;
    *line = hgl_text(known[i].line);
    return 0;
  }
  if (hgl_bytes_is(*line, "@reboot"))
    return hgl_fail(err, HGL_INVALID, "@reboot is agent.on_start here");
  return hgl_fail(err, HGL_INVALID,
                  "'%.*s' is not known: there are @yearly, @monthly, @weekly, @daily and @hourly",
                  HGL_STR(*line));
}

/* Whether one of its months has one of its days. */
static int check_days(const struct hgl_cron *cron, struct hgl_bytes line, struct hgl_err *err)
{
  for (int month = 1; month <= 12 && !cron->either_day; month++)
    for (int day = 1; cron->months >> month & 1 && day <= hgl_month_days(2000, month); day++)
      if (cron->days >> day & 1) return 0;
  if (cron->either_day) return 0;
  return hgl_fail(err, HGL_INVALID,
                  "'%.*s' never fires: none of its months has such a day; change the third field "
                  "(day of the month) or the fourth (month)",
                  HGL_STR(line));
}

int hgl_cron_parse(struct hgl_bytes line, struct hgl_cron *out, struct hgl_err *err)
{
  struct hgl_bytes texts[FIELDS], whole = line = trim(line);
  uint64_t bits[FIELDS];
  int status = 0;
  if (line.size > HGL_CRON_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "a cron line of %zu bytes, limit %d", line.size,
                    HGL_CRON_SIZE_MAX);
  if (line.size && line.data[0] == '@' && (status = expand(&line, err))) return status;
  if ((status = split(line, texts, err))) return status;
  for (size_t i = 0; i < FIELDS; i++)
    if (read_field(&fields[i], texts[i], &bits[i], err))
      return hgl_fail_in(err, "cron line '%.*s'", HGL_STR(whole));
  struct hgl_cron cron = {
      .minutes = bits[MINUTE],
      .hours = (uint32_t)bits[HOUR],
      .days = (uint32_t)bits[DAY],
      .months = (uint16_t)bits[MONTH],
      .weekdays = (uint8_t)bits[WEEKDAY],
      .either_day = texts[DAY].data[0] != '*' && texts[WEEKDAY].data[0] != '*',
      .follows = hgl_bytes_is(texts[HOUR], "*"),
  };
  if ((status = check_days(&cron, whole, err))) return status;
  *out = cron;
  return 0;
}

/* The next time ------------------------------------------------------------------------------- */

static bool day_matches(const struct hgl_cron *cron, const struct hgl_calendar *at)
{
  bool day = cron->days >> at->day & 1, weekday = cron->weekdays >> at->weekday & 1;
  return cron->either_day ? day || weekday : day && weekday;
}

/* The first local time from `from` on, before `to`, that the line names; or `to`. */
static int64_t next_local(const struct hgl_cron *cron, int64_t from, int64_t to)
{
  struct hgl_calendar at;
  for (from = 60 * hgl_floor_div(from + 59, 60); from < to;) {
    hgl_calendar_from(from, &at);
    int64_t midnight = from - at.hour * 3600 - at.minute * 60;
    if (!(cron->months >> at.month & 1)) {
      from = hgl_calendar_days(at.year, at.month + 1, 1) * HGL_DAY_S;
    } else if (!day_matches(cron, &at)) {
      from = midnight + HGL_DAY_S;
    } else if (!(cron->hours >> at.hour & 1)) {
      from = midnight + (at.hour + 1) * 3600;
    } else if (!(cron->minutes >> at.minute & 1)) {
      uint64_t later = cron->minutes >> at.minute;
      from = later ? from + 60 * __builtin_ctzll(later) : midnight + (at.hour + 1) * 3600;
    } else {
      return from;
    }
  }
  return to;
}

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
  return a > b ? a : b;
}

int64_t hgl_cron_next(const struct hgl_cron *cron, const struct hgl_zone *zone, int64_t after_s)
{
  struct hgl_zone_span span, before;
  if (after_s >= HGL_CALENDAR_MAX_S) return INT64_MAX;
  int64_t at = 1 + most(after_s, HGL_CALENDAR_MIN_S + 2 * HGL_DAY_S);
  int64_t end = least(at + HORIZON_S, HGL_CALENDAR_MAX_S - 2 * HGL_DAY_S);
  for (hgl_zone_span(zone, at, &span); at < end; hgl_zone_span(zone, at, &span)) {
    int64_t until = least(span.end, end), from = at + span.offset;
    if (!cron->follows && span.start > HGL_CALENDAR_MIN_S) {
      hgl_zone_span(zone, span.start - 1, &before);
      int64_t told = span.start + before.offset; /* what the clock would show without the jump */
      if (at == span.start && told < span.start + span.offset &&
          next_local(cron, told, span.start + span.offset) < span.start + span.offset)
        return at;             /* something lay in the gap */
      from = most(from, told); /* the overlap has been */
    }
    int64_t local = next_local(cron, from, until + span.offset);
    if (local < until + span.offset) return local - span.offset;
    at = until;
  }
  return INT64_MAX;
}
