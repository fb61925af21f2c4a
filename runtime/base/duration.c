#include "base/duration.h"

enum { TEXT_SIZE_MAX = 32, SHOWN_SIZE_MAX = 40 };

static bool is_digit(uint8_t c)
{
  return c >= '0' && c <= '9';
}

/* 0 for an unknown unit. */
static int64_t unit_ms(struct hgl_bytes unit)
{
  static const struct {
    const char *name;
    int64_t ms;
  } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (hgl_bytes_is(unit, units[i].name)) return units[i].ms;
  }
  return 0;
}

/* Whole part in units, fraction in millionths of a unit; false for anything but "N" or "N.F". */
static bool parse_number(struct hgl_bytes text, int64_t *whole, int64_t *millionths, size_t *used)
{
  size_t i = 0;
  *whole = *millionths = 0;
  for (; i < text.size && is_digit(text.data[i]); i++) {
    if (*whole > HGL_DURATION_MAX_MS) return false;
    *whole = *whole * 10 + (text.data[i] - '0');
  }
  if (i == 0) return false;
  if (i < text.size && text.data[i] == '.') {
    size_t start = ++i;
    for (int64_t place = 100000; i < text.size && is_digit(text.data[i]); i++, place /= 10)
      *millionths += (text.data[i] - '0') * place;
    if (i == start) return false;
  }
  *used = i;
  return true;
}

int hgl_duration_parse(struct hgl_bytes text, int64_t *out_ms, struct hgl_err *err)
{
  int64_t whole, millionths, unit = 0;
  size_t used = 0;
  if (text.size <= TEXT_SIZE_MAX && parse_number(text, &whole, &millionths, &used))
    unit = unit_ms(hgl_bytes(text.data + used, text.size - used));
  if (unit == 0) {
    if (text.size > SHOWN_SIZE_MAX) text.size = SHOWN_SIZE_MAX;
    return hgl_fail(err, HGL_INVALID,
                    "'%.*s' is not a duration: write a number and ms, s, m, h or d, as in \"5s\"",
                    HGL_STR(text));
  }
  int64_t ms;
  if (__builtin_mul_overflow(whole, unit, &ms) || ms > HGL_DURATION_MAX_MS)
    return hgl_fail(err, HGL_INVALID, "'%.*s' is longer than a hundred years", HGL_STR(text));
  *out_ms = ms + millionths * unit / 1000000;
  return 0;
}
