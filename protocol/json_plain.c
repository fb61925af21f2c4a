/* Foreign JSON to values and back; declared in value.h. */
#include <inttypes.h>

#include "protocol/value.h"

/* Reading ------------------------------------------------------------------------------------- */

struct reader {
  struct hgl_buf *out;
  size_t items, items_max;
};

static int too_many(size_t items_max, struct hgl_err *err)
{
  return hgl_fail(err, HGL_TOO_LARGE, "more than %zu values in one JSON text", items_max);
}

/* Each comma outside of texts has a value behind it. */
static bool has_commas(struct hgl_bytes text, size_t count)
{
  bool within = false;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] == '"') within = !within;
    if (within && text.data[i] == '\\') i++;
    if (!within && text.data[i] == ',' && --count == 0) return true;
  }
  return false;
}

static int read_item(struct reader *reader, json_t *json, unsigned depth, struct hgl_err *err);

static int read_object(struct reader *reader, json_t *json, unsigned depth, struct hgl_err *err)
{
  int status = 0;
  hgl_cbor_put_map(reader->out, json_object_size(json));
  for (void *it = json_object_iter(json); it && !status; it = json_object_iter_next(json, it)) {
    hgl_cbor_put_text(reader->out,
                      hgl_bytes(json_object_iter_key(it), json_object_iter_key_len(it)));
    status = read_item(reader, json_object_iter_value(it), depth, err);
  }
  return status;
}

static int read_array(struct reader *reader, json_t *json, unsigned depth, struct hgl_err *err)
{
  int status = 0;
  hgl_cbor_put_list(reader->out, json_array_size(json));
  for (size_t i = 0; i < json_array_size(json) && !status; i++)
    status = read_item(reader, json_array_get(json, i), depth, err);
  return status;
}

static int read_item(struct reader *reader, json_t *json, unsigned depth, struct hgl_err *err)
{
  if (++reader->items > reader->items_max) return too_many(reader->items_max, err);
  switch (json_typeof(json)) {
  case JSON_OBJECT:
  case JSON_ARRAY:
    if (depth == HGL_VALUE_DEPTH_MAX)
      return hgl_fail(err, HGL_TOO_DEEP, "JSON nested more than %d deep", HGL_VALUE_DEPTH_MAX);
    return json_is_object(json) ? read_object(reader, json, depth + 1, err)
                                : read_array(reader, json, depth + 1, err);
  case JSON_STRING:
    hgl_cbor_put_text(reader->out, hgl_bytes(json_string_value(json), json_string_length(json)));
    return 0;
  case JSON_INTEGER:
    hgl_cbor_put_int(reader->out, json_integer_value(json));
    return 0;
  case JSON_REAL:
    hgl_cbor_put_double(reader->out, json_real_value(json));
    return 0;
  case JSON_TRUE:
  case JSON_FALSE:
    hgl_cbor_put_bool(reader->out, json_is_true(json));
    return 0;
  case JSON_NULL:
    hgl_cbor_put_null(reader->out);
    return 0;
  }
  return hgl_fail(err, HGL_INTERNAL, "an unknown kind of JSON");
}

int hgl_json_plain_read(struct hgl_bytes text, size_t size_max, size_t items_max,
                        struct hgl_buf *out, struct hgl_err *err)
{
  struct reader reader = {.out = out, .items_max = items_max};
  json_t *json;
  if (text.size <= size_max && has_commas(text, items_max)) return too_many(items_max, err);
  int status = hgl_json_parse(text, size_max, &json, err);
  if (status) return status;
  status = read_item(&reader, json, 0, err);
  json_decref(json);
  return status ? status : hgl_buf_check(out, err);
}

/* Writing ------------------------------------------------------------------------------------- */

struct writer {
  struct hgl_cbor_reader in;
  struct hgl_buf *out;
  unsigned indent;
};

static int write_item(struct writer *writer, unsigned depth, struct hgl_err *err);

static void new_line(struct writer *writer, unsigned depth)
{
  if (!writer->indent) return;
  hgl_buf_append_byte(writer->out, '\n');
  for (unsigned i = 0; i < depth * writer->indent; i++) hgl_buf_append_byte(writer->out, ' ');
}

static int write_list(struct writer *writer, size_t count, unsigned depth, struct hgl_err *err)
{
  hgl_buf_append_byte(writer->out, '[');
  for (size_t i = 0; i < count; i++) {
    if (i) hgl_buf_append_byte(writer->out, ',');
    new_line(writer, depth + 1);
    if (write_item(writer, depth + 1, err)) return hgl_fail_in(err, "[%zu]", i + 1);
  }
  if (count) new_line(writer, depth);
  hgl_buf_append_byte(writer->out, ']');
  return 0;
}

static int write_map(struct writer *writer, size_t count, unsigned depth, struct hgl_err *err)
{
  hgl_buf_append_byte(writer->out, '{');
  for (size_t i = 0; i < count; i++) {
    struct hgl_bytes key;
    int status = hgl_cbor_get_text(&writer->in, "key", SIZE_MAX, &key, err);
    if (status) return status;
    if (i) hgl_buf_append_byte(writer->out, ',');
    new_line(writer, depth + 1);
    hgl_json_put_text(key, writer->out);
    hgl_buf_append_text(writer->out, writer->indent ? ": " : ":");
    if (write_item(writer, depth + 1, err))
      return hgl_fail_in(err, "%.*s", (int)(key.size < 40 ? key.size : 40), (const char *)key.data);
  }
  if (count) new_line(writer, depth);
  hgl_buf_append_byte(writer->out, '}');
  return 0;
}

static int write_item(struct writer *writer, unsigned depth, struct hgl_err *err)
{
  struct hgl_cbor_item item;
  int status = hgl_cbor_next(&writer->in, &item, err);
  if (status) return status;
  if (depth > HGL_VALUE_DEPTH_MAX)
    return hgl_fail(err, HGL_TOO_DEEP, "nested more than %d deep", HGL_VALUE_DEPTH_MAX);
  switch (item.kind) {
  case HGL_CBOR_INT:
    hgl_buf_printf(writer->out, "%" PRId64, item.integer);
    return 0;
  case HGL_CBOR_DOUBLE:
    hgl_json_put_double(item.number, writer->out);
    return 0;
  case HGL_CBOR_TEXT:
    hgl_json_put_text(item.bytes, writer->out);
    return 0;
  case HGL_CBOR_BYTES:
    return hgl_fail(err, HGL_BAD_VALUE, "JSON has no bytes: write them as base64 or hex");
  case HGL_CBOR_BOOL:
    hgl_buf_append_text(writer->out, item.boolean ? "true" : "false");
    return 0;
  case HGL_CBOR_NULL:
    hgl_buf_append_text(writer->out, "null");
    return 0;
  case HGL_CBOR_LIST:
    return write_list(writer, item.count, depth, err);
  case HGL_CBOR_MAP:
    return write_map(writer, item.count, depth, err);
  case HGL_CBOR_BIG_UINT:
    break;
  }
  return hgl_fail(err, HGL_BAD_VALUE, "an integer above 2^63-1");
}

int hgl_json_plain_write(struct hgl_bytes value, unsigned indent, struct hgl_buf *out,
                         struct hgl_err *err)
{
  struct writer writer = {hgl_cbor_reader(value), out, indent};
  int status = write_item(&writer, 0, err);
  return status ? status : hgl_buf_check(out, err);
}
