/* schema_number.c: ranges of numbers, digit by digit. */
#include "common/schema_core.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a double holds exactly. */
static const int64_t number_max = 999999999999999;

enum { DIGITS_MAX = 15 };

static void put_digits(struct text *out, size_t count)
{
  if (count > 0) hgl_text_format(out, " [0-9]{%zu}", count);
}

/* One alternative more, in a list of them. */
static void put_bar(struct text *out, size_t begin)
{
  if (out->size > begin) hgl_text_put(out, " | ");
}

/* Numbers from `low` to `high`, both of `count` digits. */
static void put_between(struct text *out, const char *low, const char *high, size_t count)
{
  if (count == 0) return;
  if (*low == *high) {
    hgl_text_format(out, " \"%c\"", *low);
    put_between(out, low + 1, high + 1, count - 1);
    return;
  }
  char lowest[DIGITS_MAX + 1], highest[DIGITS_MAX + 1];
  memset(lowest, '0', sizeof lowest);
  memset(highest, '9', sizeof highest);
  char first = *low, last = *high;
  hgl_text_put(out, " (");
  size_t begin = out->size;
  if (memcmp(low + 1, lowest, count - 1) != 0) {
    hgl_text_format(out, "\"%c\"", first++);
    put_between(out, low + 1, highest, count - 1);
  }
  bool whole = memcmp(high + 1, highest, count - 1) == 0;
  if (!whole) last--;
  if (first <= last) {
    put_bar(out, begin);
    hgl_text_format(out, "[%c-%c]", first, last);
    put_digits(out, count - 1);
  }
  if (!whole) {
    put_bar(out, begin);
    hgl_text_format(out, "\"%c\"", *high);
    put_between(out, lowest, high + 1, count - 1);
  }
  hgl_text_put(out, ")");
}

/* Whole numbers from `low` (at least 0) to `high`, as one group. */
static void put_range(struct text *out, int64_t low, int64_t high)
{
  hgl_text_put(out, "(");
  size_t begin = out->size;
  int64_t least = 0, most = 9; /* of so many digits */
  for (size_t count = 1; count <= DIGITS_MAX; count++) {
    int64_t from = low > least ? low : least, to = high < most ? high : most;
    if (from <= to) {
      char first[DIGITS_MAX + 8], last[DIGITS_MAX + 8];
      snprintf(first, sizeof first, "%" PRId64, from);
      snprintf(last, sizeof last, "%" PRId64, to);
      put_bar(out, begin);
      put_between(out, first, last, count);
    }
    least = most + 1;
    most = most * 10 + 9;
  }
  hgl_text_put(out, ")");
}

/* Numbers from `low` (at least 0) to `high`, after `sign`. */
static void put_side(struct text *out, size_t begin, const char *sign, int64_t low, int64_t high,
                     bool whole)
{
  if (low > high) return;
  if (whole) {
    put_bar(out, begin);
    hgl_text_put(out, sign);
    put_range(out, low, high);
    return;
  }
  if (low < high) {
    put_bar(out, begin);
    hgl_text_put(out, sign);
    put_range(out, low, high - 1);
    hgl_text_put(out, " (\".\" [0-9]{1,15})?");
  }
  put_bar(out, begin);
  hgl_text_put(out, sign);
  put_range(out, high, high);
  hgl_text_put(out, " (\".\" \"0\"{1,15})?");
}

/* `*limit` becomes the tighter of itself and the keyword's; `up`: the keyword is a lower bound. */
static int32_t bound(struct schema_converter *converter, const json_t *schema, const char *keyword,
                     bool up, bool whole, int64_t *limit, bool *there)
{
  const json_t *value = json_object_get(schema, keyword);
  if (!value) return HAGGLE_OK;
  if (!json_is_number(value))
    return hgl_schema_fail(converter, HAGGLE_INVALID, "%s is not a number", keyword);
  bool exclusive = keyword[0] == 'e';
  double number = json_number_value(value);
  if (fabs(number) > (double)number_max)
    return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED, "%s has more than 15 digits", keyword);
  if (!whole && (exclusive || number != floor(number)))
    return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED,
                           exclusive ? "%s is only supported for integers; use minimum and maximum"
                                     : "%s of numbers is only supported when it is whole",
                           keyword);
  int64_t at = (int64_t)(up ? ceil(number) : floor(number));
  if (exclusive && (double)at == number) at += up ? 1 : -1;
  if (!*there || (up ? at > *limit : at < *limit)) *limit = at;
  *there = true;
  return HAGGLE_OK;
}

int32_t hgl_schema_number(struct schema_converter *converter, const json_t *schema, bool whole,
                          struct text *out)
{
  int64_t low = -number_max, high = number_max;
  bool below = false, above = false;
  int32_t status;
  if ((status = bound(converter, schema, "minimum", true, whole, &low, &below)) ||
      (status = bound(converter, schema, "exclusiveMinimum", true, whole, &low, &below)) ||
      (status = bound(converter, schema, "maximum", false, whole, &high, &above)) ||
      (status = bound(converter, schema, "exclusiveMaximum", false, whole, &high, &above)))
    return status;
  if (!below && !above) {
    hgl_text_put(out, whole ? "integer" : "number");
    return HAGGLE_OK;
  }
  if (low > high)
    return hgl_schema_fail(converter, HAGGLE_INVALID, "no number lies between its bounds");
  size_t begin = out->size;
  put_side(out, begin, "", low > 0 ? low : 0, high, whole);
  /* Minus 0 is 0, and nobody writes it. */
  int64_t nearest = high < 0 ? -high : whole ? 1 : 0;
  put_side(out, begin, "\"-\" ", nearest, -low, whole);
  return HAGGLE_OK;
}
