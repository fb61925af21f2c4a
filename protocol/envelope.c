#include "protocol/envelope.h"

#include "protocol/did.h"

enum field {
  FIELD_ID = 1,
  FIELD_TYPE = 2,
  FIELD_FROM = 3,
  FIELD_TO = 4,
  FIELD_THID = 5,
  FIELD_PTHID = 6,
  FIELD_CREATED = 7,
  FIELD_EXPIRES = 8,
  FIELD_BODY = 9,
  FIELD_DEFINITION = 10,
  FIELD_TRACEPARENT = 11,
  FIELD_CRITICAL_FIRST = 64,
  FIELD_CRITICAL_LAST = 127,
};

/* Shared checks ----------------------------------------------------------------------------- */

static bool is_name(struct hgl_bytes part)
{
  if (part.size == 0 || part.size > HGL_NAME_SIZE_MAX) return false;
  for (size_t i = 0; i < part.size; i++) {
    uint8_t c = part.data[i];
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
      return false;
  }
  return true;
}

static bool is_version(struct hgl_bytes part)
{
  for (size_t i = 0; i < part.size; i++)
    if (!(part.data[i] >= '0' && part.data[i] <= '9') && part.data[i] != '.') return false;
  return part.size > 0 && part.size <= HGL_NAME_SIZE_MAX;
}

/* The text up to the next "/" or the end; *rest moves behind it. */
static struct hgl_bytes split(struct hgl_bytes *rest)
{
  const uint8_t *slash = rest->size ? memchr(rest->data, '/', rest->size) : NULL;
  size_t size = slash ? (size_t)(slash - rest->data) : rest->size;
  struct hgl_bytes part = hgl_bytes(rest->data, size);
  size_t used = slash ? size + 1 : size;
  *rest = hgl_bytes(used ? rest->data + used : rest->data, rest->size - used);
  return part;
}

int hgl_type_parse(struct hgl_bytes type, struct hgl_bytes *protocol, struct hgl_bytes *version,
                   struct hgl_bytes *performative, struct hgl_err *err)
{
  struct hgl_bytes rest = type;
  struct hgl_bytes first = split(&rest), second = split(&rest), third = rest;
  if (type.size > HGL_TYPE_SIZE_MAX || !is_name(first) || !is_version(second) || !is_name(third))
    return hgl_fail(err, HGL_MALFORMED,
                    "\"%.*s\" is no type: protocol/version/performative in lower case, as in "
                    "\"weather/1.0/request\"",
                    (int)(type.size < 80 ? type.size : 80), (const char *)type.data);
  *protocol = first;
  *version = second;
  *performative = third;
  return 0;
}

static int check_traceparent(struct hgl_bytes text, struct hgl_err *err)
{
  bool printable = text.size > 0;
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] <= 0x20 || text.data[i] >= 0x7f) printable = false;
  if (!printable || text.size > HGL_TRACEPARENT_SIZE_MAX)
    return hgl_fail(err, HGL_MALFORMED, "traceparent: 1 to %d visible ASCII characters expected",
                    HGL_TRACEPARENT_SIZE_MAX);
  return 0;
}

/* Encoding ---------------------------------------------------------------------------------- */

static bool is_time(int64_t time_ms)
{
  return time_ms >= 0 && (uint64_t)time_ms <= HGL_COUNTER_MAX;
}

static int check_before_encoding(const struct hgl_envelope *envelope, struct hgl_err *err)
{
  struct hgl_bytes protocol, version, performative;
  int status = hgl_type_parse(envelope->type, &protocol, &version, &performative, err);
  if (status) return status;
  if (!is_time(envelope->created_time_ms) || !is_time(envelope->expires_time_ms))
    return hgl_fail(err, HGL_INVALID, "a time is not between 0 and 2^53-1 ms");
  if (envelope->body.size > HGL_BODY_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "body: %zu bytes, at most %d are permitted",
                    envelope->body.size, HGL_BODY_SIZE_MAX);
  if (envelope->traceparent.size) {
    status = check_traceparent(envelope->traceparent, err);
    if (status) return status;
  }
  status = hgl_value_check(envelope->body, err);
  if (status) hgl_fail_in(err, "body");
  return status;
}

static void put_field(struct hgl_buf *out, enum field field, const void *bytes, size_t size)
{
  hgl_cbor_put_uint(out, field);
  hgl_cbor_put_bytes(out, hgl_bytes(bytes, size));
}

int hgl_envelope_encode(const struct hgl_envelope *envelope, struct hgl_buf *out,
                        struct hgl_err *err)
{
  int status = check_before_encoding(envelope, err);
  if (status) return status;
  bool has_thid = !hgl_id_equal(&envelope->thid, &envelope->id);
  bool expires = envelope->expires_time_ms != 0, traced = envelope->traceparent.size != 0;
  hgl_cbor_put_map(out, 6u + has_thid + envelope->has_pthid + expires + envelope->has_definition +
                            traced);
  put_field(out, FIELD_ID, envelope->id.bytes, HGL_ID_SIZE);
  hgl_cbor_put_uint(out, FIELD_TYPE);
  hgl_cbor_put_text(out, envelope->type);
  put_field(out, FIELD_FROM, envelope->from.bytes, HGL_KEY_SIZE);
  put_field(out, FIELD_TO, envelope->to.bytes, HGL_KEY_SIZE);
  if (has_thid) put_field(out, FIELD_THID, envelope->thid.bytes, HGL_ID_SIZE);
  if (envelope->has_pthid) put_field(out, FIELD_PTHID, envelope->pthid.bytes, HGL_ID_SIZE);
  hgl_cbor_put_uint(out, FIELD_CREATED);
  hgl_cbor_put_int(out, envelope->created_time_ms);
  if (expires) {
    hgl_cbor_put_uint(out, FIELD_EXPIRES);
    hgl_cbor_put_int(out, envelope->expires_time_ms);
  }
  hgl_cbor_put_uint(out, FIELD_BODY);
  hgl_buf_append_bytes(out, envelope->body);
  if (envelope->has_definition)
    put_field(out, FIELD_DEFINITION, envelope->definition.bytes, HGL_HASH_SIZE);
  if (traced) {
    hgl_cbor_put_uint(out, FIELD_TRACEPARENT);
    hgl_cbor_put_text(out, envelope->traceparent);
  }
  return hgl_buf_check(out, err);
}

/* Decoding ---------------------------------------------------------------------------------- */

static int read_type(struct hgl_cbor_reader *in, struct hgl_envelope *out, struct hgl_err *err)
{
  int status = hgl_cbor_get_text(in, "type", HGL_TYPE_SIZE_MAX, &out->type, err);
  if (status) return status;
  return hgl_type_parse(out->type, &out->protocol, &out->version, &out->performative, err);
}

/* An explicit thid that repeats the id would be a second encoding of the same envelope. */
static int read_thid(struct hgl_cbor_reader *in, struct hgl_envelope *out, struct hgl_err *err)
{
  int status = hgl_cbor_get_fixed(in, "thid", out->thid.bytes, HGL_ID_SIZE, err);
  if (status == 0 && hgl_id_equal(&out->thid, &out->id))
    return hgl_fail(err, HGL_NOT_DETERMINISTIC, "thid: equal to the id, so it must be absent");
  return status;
}

static int read_time(struct hgl_cbor_reader *in, const char *what, uint64_t least, int64_t *out,
                     struct hgl_err *err)
{
  uint64_t time_ms;
  int status = hgl_cbor_get_uint(in, what, HGL_COUNTER_MAX, &time_ms, err);
  if (status) return status;
  if (time_ms < least) return hgl_fail(err, HGL_MALFORMED, "%s: zero", what);
  *out = (int64_t)time_ms;
  return 0;
}

static int read_body(struct hgl_cbor_reader *in, struct hgl_envelope *out, struct hgl_err *err)
{
  int status = hgl_cbor_get_value(in, "body", &out->body, err);
  if (status == 0 && out->body.size > HGL_BODY_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "body: %zu bytes, at most %d are permitted", out->body.size,
                    HGL_BODY_SIZE_MAX);
  return status;
}

static int read_traceparent(struct hgl_cbor_reader *in, struct hgl_envelope *out,
                            struct hgl_err *err)
{
  int status = hgl_cbor_get_text(in, "traceparent", HGL_TRACEPARENT_SIZE_MAX, &out->traceparent,
                                 err);
  return status ? status : check_traceparent(out->traceparent, err);
}

static int read_unknown(struct hgl_cbor_reader *in, int64_t key, struct hgl_err *err)
{
  struct hgl_bytes ignored;
  if (key >= FIELD_CRITICAL_FIRST && key <= FIELD_CRITICAL_LAST)
    return hgl_fail(err, HGL_CRITICAL, "envelope: unknown critical field %lld", (long long)key);
  return hgl_cbor_get_value(in, "unknown field", &ignored, err);
}

static int read_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_envelope *out,
                      struct hgl_err *err)
{
  switch (key) {
  case FIELD_ID:
    return hgl_cbor_get_fixed(in, "id", out->id.bytes, HGL_ID_SIZE, err);
  case FIELD_TYPE:
    return read_type(in, out, err);
  case FIELD_FROM:
    return hgl_cbor_get_fixed(in, "from", out->from.bytes, HGL_KEY_SIZE, err);
  case FIELD_TO:
    return hgl_cbor_get_fixed(in, "to", out->to.bytes, HGL_KEY_SIZE, err);
  case FIELD_THID:
    return read_thid(in, out, err);
  case FIELD_PTHID:
    out->has_pthid = true;
    return hgl_cbor_get_fixed(in, "pthid", out->pthid.bytes, HGL_ID_SIZE, err);
  case FIELD_CREATED:
    return read_time(in, "created_time", 0, &out->created_time_ms, err);
  case FIELD_EXPIRES:
    return read_time(in, "expires_time", 1, &out->expires_time_ms, err);
  case FIELD_BODY:
    return read_body(in, out, err);
  case FIELD_DEFINITION:
    out->has_definition = true;
    return hgl_cbor_get_fixed(in, "definition", out->definition.bytes, HGL_HASH_SIZE, err);
  case FIELD_TRACEPARENT:
    return read_traceparent(in, out, err);
  default:
    return read_unknown(in, key, err);
  }
}

static int check_required(unsigned seen, struct hgl_err *err)
{
  static const struct {
    enum field field;
    const char *name;
  } required[] = {{FIELD_ID, "id"},
                  {FIELD_TYPE, "type"},
                  {FIELD_FROM, "from"},
                  {FIELD_TO, "to"},
                  {FIELD_CREATED, "created_time"},
                  {FIELD_BODY, "body"}};
  for (size_t i = 0; i < sizeof required / sizeof *required; i++)
    if (!(seen & 1u << required[i].field))
      return hgl_fail(err, HGL_MALFORMED, "envelope: %s is missing", required[i].name);
  return 0;
}

int hgl_envelope_decode(struct hgl_bytes bytes, struct hgl_envelope *out, struct hgl_err *err)
{
  if (bytes.size > HGL_ENVELOPE_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "envelope: %zu bytes, at most %d are permitted", bytes.size,
                    HGL_ENVELOPE_SIZE_MAX);
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  size_t count;
  int status = hgl_cbor_get_map(&in, "envelope", HGL_ENVELOPE_FIELDS_MAX, &count, err);
  if (status) return status;
  struct hgl_envelope envelope = {0};
  unsigned seen = 0;
  int64_t previous = INT64_MIN;
  for (size_t i = 0; i < count; i++) {
    int64_t key;
    status = hgl_cbor_get_key(&in, "envelope", &previous, &key, err);
    if (status == 0) status = read_field(&in, key, &envelope, err);
    if (status) return status;
    if (key <= FIELD_TRACEPARENT) seen |= 1u << key;
  }
  status = hgl_cbor_end(&in, "envelope", err);
  if (status == 0) status = check_required(seen, err);
  if (status) return status;
  if (!(seen & 1u << FIELD_THID)) envelope.thid = envelope.id;
  *out = envelope;
  return 0;
}

/* Reading by people ------------------------------------------------------------------------- */

static void format_hex(const uint8_t *bytes, size_t size, char *out)
{
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    out[2 * i] = digits[bytes[i] >> 4];
    out[2 * i + 1] = digits[bytes[i] & 15];
  }
  out[2 * size] = 0;
}

void hgl_id_format(const struct hgl_id *id, char out[2 * HGL_ID_SIZE + 1])
{
  format_hex(id->bytes, HGL_ID_SIZE, out);
}

static int hex_digit(uint8_t c)
{
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hgl_id_parse(struct hgl_bytes text, struct hgl_id *out, struct hgl_err *err)
{
  struct hgl_id id;
  if (text.size != 2 * HGL_ID_SIZE)
    return hgl_fail(err, HGL_MALFORMED, "an id is %d hexadecimal digits", 2 * HGL_ID_SIZE);
  for (size_t i = 0; i < HGL_ID_SIZE; i++) {
    int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
    if (high < 0 || low < 0)
      return hgl_fail(err, HGL_MALFORMED, "an id is lower-case hexadecimal digits only");
    id.bytes[i] = (uint8_t)(high << 4 | low);
  }
  *out = id;
  return 0;
}

static int set_hex(json_t *object, const char *name, const uint8_t *bytes, size_t size)
{
  char hex[2 * HGL_HASH_SIZE + 1];
  format_hex(bytes, size, hex);
  return json_object_set_new_nocheck(object, name, json_string_nocheck(hex));
}

static int set_key(json_t *object, const char *name, const struct hgl_key *key)
{
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(key, did);
  return json_object_set_new_nocheck(object, name, json_string_nocheck(did));
}

static int set_text(json_t *object, const char *name, struct hgl_bytes text)
{
  return json_object_set_new_nocheck(object, name,
                                     json_stringn_nocheck((const char *)text.data, text.size));
}

/* Takes over `body`. Nonzero when memory is exhausted. */
static int set_fields(json_t *object, const struct hgl_envelope *envelope, json_t *body)
{
  int failed = set_hex(object, "id", envelope->id.bytes, HGL_ID_SIZE) ||
               set_text(object, "type", envelope->type) ||
               set_key(object, "from", &envelope->from) || set_key(object, "to", &envelope->to) ||
               set_hex(object, "thid", envelope->thid.bytes, HGL_ID_SIZE);
  if (!failed && envelope->has_pthid)
    failed = set_hex(object, "pthid", envelope->pthid.bytes, HGL_ID_SIZE);
  if (!failed)
    failed = json_object_set_new_nocheck(object, "created_time",
                                         json_integer(envelope->created_time_ms));
  if (!failed && envelope->expires_time_ms)
    failed = json_object_set_new_nocheck(object, "expires_time",
                                         json_integer(envelope->expires_time_ms));
  if (failed)
    json_decref(body);
  else
    failed = json_object_set_new_nocheck(object, "body", body);
  if (!failed && envelope->has_definition)
    failed = set_hex(object, "definition", envelope->definition.bytes, HGL_HASH_SIZE);
  if (!failed && envelope->traceparent.size)
    failed = set_text(object, "traceparent", envelope->traceparent);
  return failed;
}

int hgl_envelope_to_json(const struct hgl_envelope *envelope, json_t **out, struct hgl_err *err)
{
  json_t *body;
  int status = hgl_value_to_json(envelope->body, &body, err);
  if (status) return status;
  json_t *object = json_object();
  if (!object) {
    json_decref(body);
  } else if (set_fields(object, envelope, body) == 0) {
    *out = object;
    return 0;
  }
  json_decref(object);
  return hgl_fail(err, HGL_NO_MEMORY, "no memory for the JSON of an envelope");
}
