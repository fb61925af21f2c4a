/* Values to and from JSON trees (SPEC.md §3). */
#include "protocol/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* The integers that every JSON reader holds exactly: up to 2^53 - 1 either way. */
static const int64_t plain_integer_max = INT64_C(9007199254740991);

/* To JSON ----------------------------------------------------------------------------------- */

/* These return NULL for lack of memory only: the value was checked before. */
static json_t *item_to_json(struct hgl_cbor_reader *in);

static json_t *wrap(const char *key, json_t *inner)
{
  json_t *object = json_object();
  if (json_object_set_new_nocheck(object, key, inner) != 0) {
    json_decref(object);
    return NULL;
  }
  return object;
}

static json_t *integer_to_json(int64_t integer)
{
  if (integer >= -plain_integer_max && integer <= plain_integer_max) return json_integer(integer);
  char decimal[24];
  snprintf(decimal, sizeof decimal, "%lld", (long long)integer);
  return wrap("$int", json_string_nocheck(decimal));
}

static json_t *bytes_to_json(struct hgl_bytes bytes)
{
  struct hgl_buf text;
  hgl_buf_init(&text, SIZE_MAX);
  hgl_base64url_encode(bytes, &text);
  json_t *json = NULL;
  if (!text.failed)
    json = wrap("$bytes",
                json_stringn_nocheck(bytes.size ? (const char *)text.data : "", text.size));
  hgl_buf_deinit(&text);
  return json;
}

static json_t *list_to_json(struct hgl_cbor_reader *in, size_t count)
{
  json_t *array = json_array();
  for (size_t i = 0; array && i < count; i++) {
    if (json_array_append_new(array, item_to_json(in)) != 0) {
      json_decref(array);
      array = NULL;
    }
  }
  return array;
}

/* Takes over `value`, as jansson's own *_new functions do. */
static int set_escaped(json_t *object, struct hgl_bytes key, json_t *value)
{
  if (key.size == 0 || key.data[0] != '$')
    return json_object_setn_new_nocheck(object, key.size ? (const char *)key.data : "", key.size,
                                        value);
  struct hgl_buf escaped;
  hgl_buf_init(&escaped, SIZE_MAX);
  hgl_buf_append_byte(&escaped, '$');
  hgl_buf_append_bytes(&escaped, key);
  int status = -1;
  if (escaped.failed)
    json_decref(value);
  else
    status = json_object_setn_new_nocheck(object, (const char *)escaped.data, escaped.size, value);
  hgl_buf_deinit(&escaped);
  return status;
}

static json_t *map_to_json(struct hgl_cbor_reader *in, size_t count)
{
  json_t *object = json_object();
  for (size_t i = 0; object && i < count; i++) {
    struct hgl_bytes key;
    if (hgl_cbor_get_text(in, "key", SIZE_MAX, &key, NULL) != 0 ||
        set_escaped(object, key, item_to_json(in)) != 0) {
      json_decref(object);
      object = NULL;
    }
  }
  return object;
}

static json_t *item_to_json(struct hgl_cbor_reader *in)
{
  struct hgl_cbor_item item;
  if (hgl_cbor_next(in, &item, NULL) != 0) return NULL;
  switch (item.kind) {
  case HGL_CBOR_INT:
    return integer_to_json(item.integer);
  case HGL_CBOR_BYTES:
    return bytes_to_json(item.bytes);
  case HGL_CBOR_TEXT:
    return json_stringn_nocheck(item.bytes.size ? (const char *)item.bytes.data : "",
                                item.bytes.size);
  case HGL_CBOR_LIST:
    return list_to_json(in, item.count);
  case HGL_CBOR_MAP:
    return map_to_json(in, item.count);
  case HGL_CBOR_BOOL:
    return json_boolean(item.boolean);
  case HGL_CBOR_NULL:
    return json_null();
  case HGL_CBOR_DOUBLE:
    return json_real(item.number);
  case HGL_CBOR_BIG_UINT:
    return NULL;
  }
  return NULL;
}

int hgl_value_to_json(struct hgl_bytes value, json_t **out, struct hgl_err *err)
{
  int status = hgl_value_check(value, err);
  if (status) return status;
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  json_t *json = item_to_json(&in);
  if (!json) return hgl_fail(err, HGL_NO_MEMORY, "no memory for the JSON of a value");
  *out = json;
  return 0;
}

/* From JSON --------------------------------------------------------------------------------- */

/* Where we are, for messages: a chain from the innermost step outwards. */
struct step {
  const struct step *outer;
  const char *key; /* NULL: a list's index */
  size_t key_size, index;
};

struct writer {
  struct hgl_buf *out;
  struct hgl_err *err;
  size_t items;
};

static int put_json(struct writer *writer, const json_t *json, const struct step *at,
                    unsigned depth);

/* Appends the path as far as it fits; returns the size used. Keys come from outside: whatever is
 * not printable ASCII is shown as "?". */
static size_t render_path(const struct step *at, char *out, size_t size)
{
  if (!at) return 0;
  size_t used = render_path(at->outer, out, size);
  char index[24];
  const char *text = at->key;
  size_t text_size = at->key_size;
  if (!text) {
    text_size = (size_t)snprintf(index, sizeof index, "[%zu]", at->index);
    text = index;
  } else if (used > 0 && used < size - 1) {
    out[used++] = '.';
  }
  for (size_t i = 0; i < text_size && used < size - 1; i++)
    out[used++] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
  return used;
}

static int refuse(const struct writer *writer, const struct step *at, enum hgl_code code,
                  const char *why)
{
  char path[200];
  size_t size = render_path(at, path, sizeof path);
  return hgl_fail(writer->err, code, "%.*s: %s", (int)(size ? size : strlen("value")),
                  size ? path : "value", why);
}

static int put_text(struct writer *writer, const char *text, size_t size, const struct step *at)
{
  if (!hgl_utf8_valid(hgl_bytes(text, size)))
    return refuse(writer, at, HGL_BAD_VALUE, "text that is not valid UTF-8");
  hgl_cbor_put_text(writer->out, hgl_bytes(text, size));
  return 0;
}

static int put_integer(struct writer *writer, int64_t integer, const struct step *at)
{
  if (integer < -plain_integer_max || integer > plain_integer_max)
    return refuse(writer, at, HGL_BAD_VALUE,
                  "an integer beyond 2^53-1 is written {\"$int\":\"…\"}");
  hgl_cbor_put_int(writer->out, integer);
  return 0;
}

static bool parse_decimal(const json_t *json, int64_t *out)
{
  const char *text = json_string_value(json);
  if (!text || strlen(text) != json_string_length(json)) return false;
  const char *digits = text + (*text == '-');
  size_t count = strspn(digits, "0123456789");
  if (count == 0 || digits[count] || (digits[0] == '0' && (count > 1 || digits != text)))
    return false;
  errno = 0;
  *out = strtoll(text, NULL, 10);
  return errno == 0;
}

static int put_wrapped_integer(struct writer *writer, const json_t *inner, const struct step *at)
{
  int64_t integer;
  if (!parse_decimal(inner, &integer))
    return refuse(writer, at, HGL_BAD_VALUE, "\"$int\" needs a decimal 64-bit integer as text");
  hgl_cbor_put_int(writer->out, integer);
  return 0;
}

static int put_wrapped_bytes(struct writer *writer, const json_t *inner, const struct step *at)
{
  const char *text = json_string_value(inner);
  if (!text) return refuse(writer, at, HGL_BAD_VALUE, "\"$bytes\" needs text");
  struct hgl_buf bytes;
  hgl_buf_init(&bytes, HGL_BODY_SIZE_MAX);
  struct hgl_err inner_err = {0};
  int status = hgl_base64url_decode(hgl_bytes(text, json_string_length(inner)), &bytes, &inner_err);
  if (status == 0)
    hgl_cbor_put_bytes(writer->out, hgl_buf_bytes(&bytes));
  else
    status = refuse(writer, at, inner_err.code == HGL_MALFORMED ? HGL_BAD_VALUE : inner_err.code,
                    inner_err.message);
  hgl_buf_deinit(&bytes);
  return status;
}

struct entry {
  struct hgl_bytes key; /* unescaped */
  const json_t *value;
};

/* The order of the encoded keys: their heads sort by length. */
static int compare_entries(const void *a, const void *b)
{
  const struct entry *left = a, *right = b;
  if (left->key.size != right->key.size) return left->key.size < right->key.size ? -1 : 1;
  return hgl_bytes_compare(left->key, right->key);
}

static int collect_entries(const struct writer *writer, json_t *object, struct entry *entries,
                           const struct step *at)
{
  size_t i = 0;
  for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it), i++) {
    struct hgl_bytes key = hgl_bytes(json_object_iter_key(it), json_object_iter_key_len(it));
    if (key.size > 0 && key.data[0] == '$') {
      if (key.size < 2 || key.data[1] != '$') {
        struct step step = {at, (const char *)key.data, key.size, 0};
        return refuse(writer, &step, HGL_BAD_VALUE,
                      "a key that begins with \"$\" is written with one \"$\" more");
      }
      key = hgl_bytes(key.data + 1, key.size - 1);
    }
    entries[i] = (struct entry){key, json_object_iter_value(it)};
  }
  return 0;
}

static int put_map(struct writer *writer, json_t *object, const struct step *at, unsigned depth)
{
  size_t count = json_object_size(object);
  struct entry *entries = hgl_array(count ? count : 1, sizeof *entries);
  if (!entries) return hgl_fail(writer->err, HGL_NO_MEMORY, "no memory for the keys of a map");
  int status = collect_entries(writer, object, entries, at);
  if (status) goto done;
  qsort(entries, count, sizeof *entries, compare_entries);
  hgl_cbor_put_map(writer->out, count);
  for (size_t i = 0; i < count && status == 0; i++) {
    struct step step = {at, (const char *)entries[i].key.data, entries[i].key.size, 0};
    status = put_text(writer, step.key, step.key_size, &step);
    if (status == 0) status = put_json(writer, entries[i].value, &step, depth);
  }
done:
  hgl_free(entries);
  return status;
}

static int put_list(struct writer *writer, const json_t *array, const struct step *at,
                    unsigned depth)
{
  size_t count = json_array_size(array);
  hgl_cbor_put_list(writer->out, count);
  for (size_t i = 0; i < count; i++) {
    struct step step = {at, NULL, 0, i};
    int status = put_json(writer, json_array_get(array, i), &step, depth);
    if (status) return status;
  }
  return 0;
}

static int put_container(struct writer *writer, const json_t *json, const struct step *at,
                         unsigned depth)
{
  json_t *object = (json_t *)json; /* jansson's iterators are not const-correct */
  if (json_object_size(object) == 1) {
    const json_t *inner = json_object_get(object, "$int");
    if (inner) return put_wrapped_integer(writer, inner, at);
    inner = json_object_get(object, "$bytes");
    if (inner) return put_wrapped_bytes(writer, inner, at);
  }
  if (depth == HGL_VALUE_DEPTH_MAX)
    return refuse(writer, at, HGL_TOO_DEEP, "too many nested lists and maps");
  return json_is_object(json) ? put_map(writer, object, at, depth + 1)
                              : put_list(writer, json, at, depth + 1);
}

static int put_json(struct writer *writer, const json_t *json, const struct step *at,
                    unsigned depth)
{
  if (++writer->items > HGL_VALUE_ITEMS_MAX)
    return refuse(writer, at, HGL_TOO_LARGE, "too many values");
  switch (json_typeof(json)) {
  case JSON_OBJECT:
  case JSON_ARRAY:
    return put_container(writer, json, at, depth);
  case JSON_STRING:
    return put_text(writer, json_string_value(json), json_string_length(json), at);
  case JSON_INTEGER:
    return put_integer(writer, json_integer_value(json), at);
  case JSON_REAL:
    hgl_cbor_put_double(writer->out, json_real_value(json));
    return 0;
  case JSON_TRUE:
  case JSON_FALSE:
    hgl_cbor_put_bool(writer->out, json_is_true(json));
    return 0;
  case JSON_NULL:
    hgl_cbor_put_null(writer->out);
    return 0;
  }
  return hgl_fail(writer->err, HGL_INTERNAL, "an unknown kind of JSON");
}

int hgl_value_from_json(const json_t *json, struct hgl_buf *out, struct hgl_err *err)
{
  struct writer writer = {out, err, 0};
  int status = put_json(&writer, json, NULL, 0);
  return status ? status : hgl_buf_check(out, err);
}
