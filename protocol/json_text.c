/* JSON text in and out; declared in value.h. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_load.h"
#include "protocol/value.h"

enum { JSON_DEPTH_MAX = HGL_VALUE_DEPTH_MAX + 8 };

/* Parsing ----------------------------------------------------------------------------------- */

static enum hgl_code code_of(enum json_error_code reason)
{
  switch (reason) {
  case json_error_stack_overflow:
    return HGL_TOO_DEEP;
  case json_error_premature_end_of_input:
    return HGL_TRUNCATED;
  case json_error_end_of_input_expected:
    return HGL_TRAILING;
  case json_error_duplicate_key:
    return HGL_DUPLICATE_KEY;
  case json_error_numeric_overflow:
  case json_error_null_byte_in_key:
    return HGL_BAD_VALUE;
  default:
    return HGL_MALFORMED;
  }
}

static bool deeper_than(json_t *json, unsigned depth)
{
  if (!json_is_object(json) && !json_is_array(json)) return false;
  if (depth == 0) return true;
  for (size_t i = 0; i < json_array_size(json); i++)
    if (deeper_than(json_array_get(json, i), depth - 1)) return true;
  for (void *it = json_object_iter(json); it; it = json_object_iter_next(json, it))
    if (deeper_than(json_object_iter_value(it), depth - 1)) return true;
  return false;
}

/* Where in a text something stands: the keys and indices on the way to it. */
struct way {
  struct {
    bool is_list, before_key;
    struct hgl_bytes key; /* as written */
    size_t index;
  } steps[JSON_DEPTH_MAX];
  size_t depth; /* may exceed what there is room for */
};

static size_t text_end(struct hgl_bytes text, size_t at)
{
  for (at++; at < text.size && text.data[at] != '"'; at++)
    if (text.data[at] == '\\') at++;
  return at < text.size ? at : text.size;
}

/* The text is known to be JSON up to its end. */
static void follow(struct hgl_bytes text, struct way *way)
{
  way->depth = 0;
  for (size_t i = 0; i < text.size; i++) {
    char c = (char)text.data[i];
    size_t top = way->depth - 1, start = i + 1;
    bool within = way->depth > 0 && way->depth <= JSON_DEPTH_MAX;
    if (c == '"') {
      i = text_end(text, i);
      if (within && way->steps[top].before_key)
        way->steps[top].key = hgl_bytes(text.data + start, i - start);
    } else if (c == '{' || c == '[') {
      if (way->depth++ >= JSON_DEPTH_MAX) continue;
      way->steps[top + 1].is_list = c == '[';
      way->steps[top + 1].before_key = c == '{';
      way->steps[top + 1].index = 0;
    } else if (c == '}' || c == ']') {
      way->depth--;
    } else if (within && (c == ',' || c == ':')) {
      way->steps[top].before_key = c == ',' && !way->steps[top].is_list;
      way->steps[top].index += c == ',';
    }
  }
}

/* "body.prices[2]: ", as far as it fits. */
static void show_way(const struct way *way, char *out, size_t size)
{
  size_t used = 0;
  *out = 0;
  for (size_t i = 0; i < way->depth && i < JSON_DEPTH_MAX && used < size; i++) {
    struct hgl_bytes key = way->steps[i].key;
    if (way->steps[i].is_list)
      used += (size_t)snprintf(out + used, size - used, "[%zu]", way->steps[i].index);
    else
      used += (size_t)snprintf(out + used, size - used, "%s%.*s", i ? "." : "", HGL_STR(key));
  }
  if (used && used < size) snprintf(out + used, size - used, ": ");
  for (; *out; out++)
    if (*out < 0x20 || *out > 0x7e) *out = '?';
}

static int refuse_number(struct hgl_bytes text, const json_error_t *error, struct hgl_err *err)
{
  struct way way = {0};
  char place[200];
  size_t end = error->position > 0 ? (size_t)error->position : 0;
  follow(hgl_bytes(text.data, end < text.size ? end : text.size), &way);
  show_way(&way, place, sizeof place);
  bool is_real = strncmp(error->text, "real", strlen("real")) == 0;
  return hgl_fail(err, HGL_BAD_VALUE, "JSON, line %d, column %d: %sa number beyond what a %s holds",
                  error->line, error->column, place, is_real ? "double" : "64-bit integer");
}

int hgl_json_parse(struct hgl_bytes text, size_t size_max, json_t **out, struct hgl_err *err)
{
  if (text.size > size_max)
    return hgl_fail(err, HGL_TOO_LARGE, "%zu bytes of JSON, at most %zu are permitted", text.size,
                    size_max);
  json_error_t error = {0};
  bool refused;
  json_t *json = hgl_json_load((const char *)text.data, text.size,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &refused,
                               &error);
  if (refused) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!json) {
    /* jansson's own message quotes the input. */
    enum hgl_code code = code_of(json_error_code(&error));
    if (json_error_code(&error) == json_error_numeric_overflow)
      return refuse_number(text, &error, err);
    return hgl_fail(err, code, "JSON, line %d, column %d: %s", error.line, error.column,
                    hgl_code_meaning(code));
  }
  if (deeper_than(json, JSON_DEPTH_MAX)) {
    json_decref(json);
    return hgl_fail(err, HGL_TOO_DEEP, "JSON nested more than %d deep", JSON_DEPTH_MAX);
  }
  *out = json;
  return 0;
}

/* Printing ---------------------------------------------------------------------------------- */

void hgl_json_put_text(struct hgl_bytes bytes, struct hgl_buf *out)
{
  const char *text = (const char *)bytes.data;
  size_t size = bytes.size;
  static const char *const short_forms[0x20] = {
      ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};
  hgl_buf_append_byte(out, '"');
  size_t plain = 0; /* start of the run that needs no escape */
  for (size_t i = 0; i < size; i++) {
    uint8_t c = (uint8_t)text[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    hgl_buf_append(out, text + plain, i - plain);
    plain = i + 1;
    if (c >= 0x20)
      hgl_buf_append(out, (const char[]){'\\', (char)c}, 2);
    else if (short_forms[c])
      hgl_buf_append_text(out, short_forms[c]);
    else
      hgl_buf_printf(out, "\\u%04x", c);
  }
  hgl_buf_append(out, text + plain, size - plain);
  hgl_buf_append_byte(out, '"');
}

/* 15 digits always survive the way through a normal double, so none below need be tried. */
void hgl_json_put_double(double number, struct hgl_buf *out)
{
  char text[40];
  for (int digits = fabs(number) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, number);
    if (strtod(text, NULL) == number) break;
  }
  hgl_buf_append_text(out, text);
  if (!strpbrk(text, ".e")) hgl_buf_append_text(out, ".0");
}

static int print_json(json_t *json, struct hgl_buf *out, unsigned depth, struct hgl_err *err);

static int print_object(json_t *object, struct hgl_buf *out, unsigned depth, struct hgl_err *err)
{
  bool first = true;
  hgl_buf_append_byte(out, '{');
  for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
    if (!first) hgl_buf_append_byte(out, ',');
    first = false;
    hgl_json_put_text(hgl_bytes(json_object_iter_key(it), json_object_iter_key_len(it)), out);
    hgl_buf_append_byte(out, ':');
    int status = print_json(json_object_iter_value(it), out, depth, err);
    if (status) return status;
  }
  hgl_buf_append_byte(out, '}');
  return 0;
}

static int print_array(json_t *array, struct hgl_buf *out, unsigned depth, struct hgl_err *err)
{
  hgl_buf_append_byte(out, '[');
  for (size_t i = 0; i < json_array_size(array); i++) {
    if (i) hgl_buf_append_byte(out, ',');
    int status = print_json(json_array_get(array, i), out, depth, err);
    if (status) return status;
  }
  hgl_buf_append_byte(out, ']');
  return 0;
}

static int print_json(json_t *json, struct hgl_buf *out, unsigned depth, struct hgl_err *err)
{
  switch (json_typeof(json)) {
  case JSON_OBJECT:
  case JSON_ARRAY:
    if (depth == JSON_DEPTH_MAX)
      return hgl_fail(err, HGL_TOO_DEEP, "JSON nested more than %d deep", JSON_DEPTH_MAX);
    return json_is_object(json) ? print_object(json, out, depth + 1, err)
                                : print_array(json, out, depth + 1, err);
  case JSON_STRING:
    hgl_json_put_text(hgl_bytes(json_string_value(json), json_string_length(json)), out);
    return 0;
  case JSON_INTEGER:
    hgl_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
    return 0;
  case JSON_REAL:
    hgl_json_put_double(json_real_value(json), out);
    return 0;
  case JSON_TRUE:
    hgl_buf_append_text(out, "true");
    return 0;
  case JSON_FALSE:
    hgl_buf_append_text(out, "false");
    return 0;
  case JSON_NULL:
    hgl_buf_append_text(out, "null");
    return 0;
  }
  return hgl_fail(err, HGL_INTERNAL, "an unknown kind of JSON");
}

int hgl_json_print(const json_t *json, struct hgl_buf *out, struct hgl_err *err)
{
  /* jansson's iterators are not const-correct */
  int status = print_json((json_t *)json, out, 0, err);
  return status ? status : hgl_buf_check(out, err);
}
