#include "host/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "protocol/cbor.h"
#include "protocol/value.h"

enum { LINE_SIZE_MAX = 8 << 20 };

/* Escaping ------------------------------------------------------------------------------------ */

/* The length of the UTF-8 sequence at the beginning, 0 when it is none; *point is its code point.
 */
static size_t decode_utf8(struct hgl_bytes text, uint32_t *point)
{
  uint8_t first = text.data[0];
  size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (size > text.size || !hgl_utf8_valid(hgl_bytes(text.data, size))) return 0;
  *point = size == 1 ? first : first & (0x7fu >> size);
  for (size_t i = 1; i < size; i++) *point = *point << 6 | (text.data[i] & 0x3f);
  return size;
}

static bool is_control(uint32_t point)
{
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
         (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

void hgl_escape(struct hgl_bytes text, struct hgl_buf *out)
{
  while (text.size) {
    uint32_t point = text.data[0];
    size_t size = decode_utf8(text, &point);
    if (size == 0)
      hgl_buf_printf(out, "\\x%02x", text.data[0]);
    else if (!is_control(point))
      hgl_buf_append(out, text.data, size);
    else if (point == '\n')
      hgl_buf_append_text(out, "\\n");
    else if (point == '\t')
      hgl_buf_append_text(out, "  ");
    else
      hgl_buf_printf(out, point < 0x80 ? "\\x%02" PRIx32 : "\\u{%" PRIx32 "}", point);
    if (size == 0) size = 1;
    text = hgl_bytes(text.data + size, text.size - size);
  }
}

void hgl_print_escaped(FILE *file, struct hgl_bytes text)
{
  struct hgl_buf buf;
  hgl_buf_init(&buf, LINE_SIZE_MAX);
  hgl_escape(text, &buf);
  if (buf.size) fwrite(buf.data, 1, buf.size, file);
  hgl_buf_deinit(&buf);
}

size_t hgl_text_width(struct hgl_bytes text)
{
  size_t width = 0;
  for (size_t i = 0; i < text.size; i++) width += (text.data[i] & 0xc0) != 0x80;
  return width;
}

void hgl_show_json(const json_t *value, struct hgl_buf *out)
{
  if (!value || json_is_null(value)) {
    hgl_buf_append_text(out, "-");
  } else if (json_is_string(value)) {
    hgl_escape(hgl_bytes(json_string_value(value), json_string_length(value)), out);
  } else {
    struct hgl_buf text;
    hgl_buf_init(&text, LINE_SIZE_MAX);
    if (hgl_json_print(value, &text, NULL) == 0) hgl_escape(hgl_buf_bytes(&text), out);
    hgl_buf_deinit(&text);
  }
}

void hgl_time_text(int64_t unix_ms, bool utc, char out[HGL_TIME_TEXT_SIZE])
{
  time_t seconds = (time_t)(unix_ms / 1000);
  struct tm parts;
  char day[24];
  if (unix_ms < 0 || !(utc ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)) ||
      strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
    snprintf(out, HGL_TIME_TEXT_SIZE, "%" PRId64 " ms", unix_ms);
    return;
  }
  snprintf(out, HGL_TIME_TEXT_SIZE, "%s.%03d%s", day, (int)(unix_ms % 1000), utc ? "Z" : "");
}

/* Tables -------------------------------------------------------------------------------------- */

enum { COLUMNS_MAX = 16 };

static void show_cell(const json_t *row, const struct hgl_column *column, struct hgl_buf *out)
{
  const json_t *value = json_object_get(row, column->field);
  char text[HGL_TIME_TEXT_SIZE];
  hgl_buf_clear(out);
  if (column->kind == HGL_COLUMN_TIME && json_is_integer(value)) {
    hgl_time_text(json_integer_value(value), false, text);
    hgl_buf_append_text(out, text);
  } else {
    hgl_show_json(value, out);
  }
}

static void print_cell(struct hgl_bytes text, size_t width, bool right, bool last)
{
  size_t room = width - hgl_text_width(text);
  if (right) printf("%*s", (int)room, "");
  printf("%.*s", HGL_STR(text));
  if (last)
    printf("\n");
  else
    printf("%*s", (int)(right ? 2 : room + 2), "");
}

static bool is_lacking(const json_t *rows, const char *field)
{
  size_t index;
  json_t *row;
  json_array_foreach(rows, index, row)
  {
    const json_t *value = json_object_get(row, field);
    if (value && !json_is_null(value)) return false;
  }
  return true;
}

static size_t choose_columns(const json_t *rows, const struct hgl_column *all,
                             const struct hgl_column *out[])
{
  size_t count = 0;
  for (; all->title && count < COLUMNS_MAX; all++)
    if (all->kind != HGL_COLUMN_RARE || !is_lacking(rows, all->field)) out[count++] = all;
  return count;
}

int hgl_print_table(const json_t *rows, const struct hgl_column *all, const char *none,
                    struct hgl_err *err)
{
  size_t count, widths[COLUMNS_MAX], index;
  const struct hgl_column *columns[COLUMNS_MAX];
  json_t *row;
  struct hgl_buf cell;
  const struct hgl_colours *colours = hgl_colours(stdout);
  if (json_array_size(rows) == 0) {
    printf("%s\n", none);
    return 0;
  }
  hgl_buf_init(&cell, LINE_SIZE_MAX);
  count = choose_columns(rows, all, columns);
  for (size_t i = 0; i < count; i++) {
    widths[i] = hgl_text_width(hgl_text(columns[i]->title));
    json_array_foreach(rows, index, row)
    {
      show_cell(row, columns[i], &cell);
      size_t width = hgl_text_width(hgl_buf_bytes(&cell));
      if (width > widths[i]) widths[i] = width;
    }
  }
  printf("%s", colours->bold);
  for (size_t i = 0; i < count; i++)
    print_cell(hgl_text(columns[i]->title), widths[i], columns[i]->kind == HGL_COLUMN_NUMBER,
               i + 1 == count);
  printf("%s", colours->plain);
  json_array_foreach(rows, index, row)
  {
    for (size_t i = 0; i < count; i++) {
      show_cell(row, columns[i], &cell);
      print_cell(hgl_buf_bytes(&cell), widths[i], columns[i]->kind == HGL_COLUMN_NUMBER,
                 i + 1 == count);
    }
  }
  int status = hgl_buf_check(&cell, err);
  hgl_buf_deinit(&cell);
  return status;
}

int hgl_print_json(const json_t *value, struct hgl_err *err)
{
  struct hgl_buf text;
  hgl_buf_init(&text, LINE_SIZE_MAX);
  int status = hgl_json_print(value, &text, err);
  if (status == 0) {
    printf("%.*s\n", HGL_STR(hgl_buf_bytes(&text)));
    if (fflush(stdout)) status = hgl_fail(err, HGL_IO, "standard output is closed");
  }
  hgl_buf_deinit(&text);
  return status;
}

int hgl_print_list(const json_t *rows, bool json, const struct hgl_column *columns,
                   const char *none, struct hgl_err *err)
{
  size_t index;
  json_t *row;
  int status = 0;
  if (!json) return hgl_print_table(rows, columns, none, err);
  json_array_foreach(rows, index, row) if (status == 0) status = hgl_print_json(row, err);
  return status;
}

const struct hgl_colours *hgl_colours(FILE *file)
{
  static const struct hgl_colours none = {"", "", "", "", "", "", ""};
  static const struct hgl_colours some = {"\x1b[1m",  "\x1b[2m",  "\x1b[31m", "\x1b[32m",
                                          "\x1b[33m", "\x1b[36m", "\x1b[0m"};
  const char *no_colour = getenv("NO_COLOR");
  return isatty(fileno(file)) && !(no_colour && *no_colour) ? &some : &none;
}

void hgl_print_fields(const json_t *object, int indent)
{
  const char *key;
  json_t *value;
  struct hgl_buf text;
  hgl_buf_init(&text, 8 << 20);
  json_object_foreach((json_t *)object, key, value)
  {
    printf("%*s", indent, "");
    hgl_print_escaped(stdout, hgl_text(key));
    if (json_is_object(value) && (strcmp(key, "message") == 0 || strcmp(key, "waits") == 0)) {
      printf("\n");
      hgl_print_fields(value, indent + 2);
      continue;
    }
    hgl_buf_clear(&text);
    hgl_show_json(value, &text);
    printf("%*s%.*s\n", (int)(strlen(key) < 16 ? 16 - strlen(key) : 1), "",
           HGL_STR(hgl_buf_bytes(&text)));
  }
  hgl_buf_deinit(&text);
}
