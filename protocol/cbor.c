#include "protocol/cbor.h"

#include <assert.h>
#include <cbor.h>
#include <float.h>
#include <math.h>

#include "protocol/value.h"

/* Floats ------------------------------------------------------------------------------------ */

/* libcbor 0.8's own encoder corrupts about 2,000 of the finite halves. */
static bool half_from_float(float number, uint16_t *out)
{
  uint32_t bits;
  memcpy(&bits, &number, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000;
  uint32_t mantissa = bits & 0x7fffff;
  int exponent = (int)(bits >> 23 & 0xff) - 127;
  if (bits << 1 == 0) {
    *out = (uint16_t)sign;
    return true;
  }
  if (exponent >= -14 && exponent <= 15 && (mantissa & 0x1fff) == 0) {
    *out = (uint16_t)(sign | (uint32_t)(exponent + 15) << 10 | mantissa >> 13);
    return true;
  }
  if (exponent >= -24 && exponent <= -15) { /* subnormal as a half: a multiple of 2^-24 */
    uint32_t whole = mantissa | 0x800000;
    unsigned shift = (unsigned)(-1 - exponent);
    if (whole & ((UINT32_C(1) << shift) - 1)) return false;
    *out = (uint16_t)(sign | whole >> shift);
    return true;
  }
  return false;
}

/* Bytes of the shortest form that holds a finite number: 2, 4 or 8. */
static unsigned shortest_float(double number, uint16_t *half)
{
  if (fabs(number) > FLT_MAX || (double)(float)number != number) return 8;
  return half_from_float((float)number, half) ? 2 : 4;
}

/* Writer ------------------------------------------------------------------------------------ */

enum { HEAD_SIZE_MAX = 9 };

void hgl_cbor_put_uint(struct hgl_buf *out, uint64_t value)
{
  uint8_t head[HEAD_SIZE_MAX];
  hgl_buf_append(out, head, cbor_encode_uint(value, head, sizeof head));
}

size_t hgl_cbor_int(int64_t value, uint8_t out[HGL_CBOR_NUMBER_SIZE_MAX])
{
  return value >= 0 ? cbor_encode_uint((uint64_t)value, out, HGL_CBOR_NUMBER_SIZE_MAX)
                    : cbor_encode_negint(~(uint64_t)value, out, HGL_CBOR_NUMBER_SIZE_MAX);
}

void hgl_cbor_put_int(struct hgl_buf *out, int64_t value)
{
  uint8_t bytes[HGL_CBOR_NUMBER_SIZE_MAX];
  hgl_buf_append(out, bytes, hgl_cbor_int(value, bytes));
}

void hgl_cbor_put_bytes(struct hgl_buf *out, struct hgl_bytes bytes)
{
  uint8_t head[HEAD_SIZE_MAX];
  hgl_buf_append(out, head, cbor_encode_bytestring_start(bytes.size, head, sizeof head));
  hgl_buf_append_bytes(out, bytes);
}

void hgl_cbor_put_text(struct hgl_buf *out, struct hgl_bytes text)
{
  uint8_t head[HEAD_SIZE_MAX];
  hgl_buf_append(out, head, cbor_encode_string_start(text.size, head, sizeof head));
  hgl_buf_append_bytes(out, text);
}

void hgl_cbor_put_literal(struct hgl_buf *out, const char *text)
{
  hgl_cbor_put_text(out, hgl_text(text));
}

void hgl_cbor_put_list(struct hgl_buf *out, size_t count)
{
  uint8_t head[HEAD_SIZE_MAX];
  hgl_buf_append(out, head, cbor_encode_array_start(count, head, sizeof head));
}

void hgl_cbor_put_map(struct hgl_buf *out, size_t count)
{
  uint8_t head[HEAD_SIZE_MAX];
  hgl_buf_append(out, head, cbor_encode_map_start(count, head, sizeof head));
}

void hgl_cbor_put_bool(struct hgl_buf *out, bool value)
{
  hgl_buf_append_byte(out, value ? 0xf5 : 0xf4);
}

void hgl_cbor_put_null(struct hgl_buf *out)
{
  hgl_buf_append_byte(out, 0xf6);
}

size_t hgl_cbor_double(double value, uint8_t out[HGL_CBOR_NUMBER_SIZE_MAX])
{
  assert(isfinite(value));
  uint16_t half;
  uint64_t bits;
  switch (shortest_float(value, &half)) {
  case 2:
    out[0] = 0xf9;
    out[1] = (uint8_t)(half >> 8);
    out[2] = (uint8_t)half;
    return 3;
  case 4:
    return cbor_encode_single((float)value, out, HGL_CBOR_NUMBER_SIZE_MAX);
  default:
    memcpy(&bits, &value, sizeof bits);
    out[0] = 0xfb;
    hgl_put_be64(out + 1, bits);
    return 9;
  }
}

void hgl_cbor_put_double(struct hgl_buf *out, double value)
{
  uint8_t bytes[HGL_CBOR_NUMBER_SIZE_MAX];
  hgl_buf_append(out, bytes, hgl_cbor_double(value, bytes));
}

/* Reader ------------------------------------------------------------------------------------ */

/* What libcbor's callbacks leave behind: the head's argument before any judgement. */
struct head {
  enum {
    UINT,
    NEGATIVE,
    BYTES,
    TEXT,
    LIST,
    MAP,
    FLOAT,
    BOOL,
    NIL,
    UNDEFINED,
    TAG,
    INDEFINITE,
    BREAK
  } kind;
  uint64_t argument; /* numbers; length; count; bool; bytes of a float */
  const uint8_t *content;
  double number;
};

static void set(void *head, int kind, uint64_t argument)
{
  struct head *out = head;
  out->kind = kind;
  out->argument = argument;
}

#define ON_INTEGER(bits)                                                                           \
  static void on_uint##bits(void *head, uint##bits##_t value)                                      \
  {                                                                                                \
    set(head, UINT, value);                                                                        \
  }                                                                                                \
  static void on_negative##bits(void *head, uint##bits##_t value)                                  \
  {                                                                                                \
    set(head, NEGATIVE, value);                                                                    \
  }
ON_INTEGER(8)
ON_INTEGER(16)
ON_INTEGER(32)
ON_INTEGER(64)

static void on_bytes(void *head, cbor_data content, size_t size)
{
  set(head, BYTES, size);
  ((struct head *)head)->content = content;
}

static void on_text(void *head, cbor_data content, size_t size)
{
  set(head, TEXT, size);
  ((struct head *)head)->content = content;
}

static void on_list(void *head, size_t count)
{
  set(head, LIST, count);
}

static void on_map(void *head, size_t count)
{
  set(head, MAP, count);
}

static void on_half(void *head, float number)
{
  set(head, FLOAT, 2);
  ((struct head *)head)->number = number;
}

static void on_single(void *head, float number)
{
  set(head, FLOAT, 4);
  ((struct head *)head)->number = number;
}

static void on_double(void *head, double number)
{
  set(head, FLOAT, 8);
  ((struct head *)head)->number = number;
}

static void on_bool(void *head, bool value)
{
  set(head, BOOL, value);
}

static void on_null(void *head)
{
  set(head, NIL, 0);
}

static void on_undefined(void *head)
{
  set(head, UNDEFINED, 0);
}

static void on_tag(void *head, uint64_t tag)
{
  set(head, TAG, tag);
}

static void on_indefinite(void *head)
{
  set(head, INDEFINITE, 0);
}

static void on_break(void *head)
{
  set(head, BREAK, 0);
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_negative8,
    .negint16 = on_negative16,
    .negint32 = on_negative32,
    .negint64 = on_negative64,
    .byte_string = on_bytes,
    .byte_string_start = on_indefinite,
    .string = on_text,
    .string_start = on_indefinite,
    .array_start = on_list,
    .indef_array_start = on_indefinite,
    .map_start = on_map,
    .indef_map_start = on_indefinite,
    .tag = on_tag,
    .float2 = on_half,
    .float4 = on_single,
    .float8 = on_double,
    .boolean = on_bool,
    .null = on_null,
    .undefined = on_undefined,
    .indef_break = on_break,
};

/* The low five bits of an initial byte that RFC 8949 §4.2.1 demands for this argument. */
static unsigned shortest_info(uint64_t argument)
{
  if (argument < 24) return (unsigned)argument;
  if (argument <= UINT8_MAX) return 24;
  if (argument <= UINT16_MAX) return 25;
  return argument <= UINT32_MAX ? 26 : 27;
}

static int read_float(const struct head *head, struct hgl_cbor_item *out, struct hgl_err *err)
{
  uint16_t half;
  if (!isfinite(head->number)) return hgl_fail(err, HGL_BAD_VALUE, "a float that is not finite");
  if (shortest_float(head->number, &half) != head->argument)
    return hgl_fail(err, HGL_NOT_DETERMINISTIC, "a float in more bytes than it needs");
  *out = (struct hgl_cbor_item){.kind = HGL_CBOR_DOUBLE, .number = head->number};
  return 0;
}

static int read_integer(const struct head *head, struct hgl_cbor_item *out, struct hgl_err *err)
{
  uint64_t argument = head->argument;
  if (argument <= INT64_MAX) {
    int64_t integer = head->kind == UINT ? (int64_t)argument : -1 - (int64_t)argument;
    *out = (struct hgl_cbor_item){.kind = HGL_CBOR_INT, .integer = integer};
    return 0;
  }
  if (head->kind == NEGATIVE) return hgl_fail(err, HGL_BAD_VALUE, "an integer below -2^63");
  *out = (struct hgl_cbor_item){.kind = HGL_CBOR_BIG_UINT, .big = argument};
  return 0;
}

/* Bytes, text, list or map: `rest` bytes follow the head (and the content, for the first two). */
static int read_sized(const struct head *head, size_t rest, struct hgl_cbor_item *out,
                      struct hgl_err *err)
{
  uint64_t argument = head->argument;
  switch (head->kind) {
  case BYTES:
  case TEXT: {
    struct hgl_bytes bytes = hgl_bytes(head->content, (size_t)argument);
    if (head->kind == TEXT && !hgl_utf8_valid(bytes))
      return hgl_fail(err, HGL_BAD_VALUE, "text that is not valid UTF-8");
    *out = (struct hgl_cbor_item){.kind = head->kind == TEXT ? HGL_CBOR_TEXT : HGL_CBOR_BYTES,
                                  .bytes = bytes};
    return 0;
  }
  default:
    if (argument > (head->kind == MAP ? rest / 2 : rest))
      return hgl_fail(err, HGL_TRUNCATED, "the data ends within a list or map");
    *out = (struct hgl_cbor_item){.kind = head->kind == MAP ? HGL_CBOR_MAP : HGL_CBOR_LIST,
                                  .count = (size_t)argument};
    return 0;
  }
}

/* libcbor does not tell what it dislikes; only simple values are well-formed. */
static int refuse_initial_byte(uint8_t initial, struct hgl_err *err)
{
  if (initial >= 0xe0 && initial <= 0xf8)
    return hgl_fail(err, HGL_BAD_VALUE, "a simple value other than true, false and null");
  return hgl_fail(err, HGL_MALFORMED, "no CBOR item begins with 0x%02x", initial);
}

static int judge(const struct head *head, uint8_t initial, size_t rest, struct hgl_cbor_item *out,
                 struct hgl_err *err)
{
  if (head->kind <= MAP && (initial & 31u) != shortest_info(head->argument))
    return hgl_fail(err, HGL_NOT_DETERMINISTIC, "a length or integer in more bytes than it needs");
  switch (head->kind) {
  case UINT:
  case NEGATIVE:
    return read_integer(head, out, err);
  case BYTES:
  case TEXT:
  case LIST:
  case MAP:
    return read_sized(head, rest, out, err);
  case FLOAT:
    return read_float(head, out, err);
  case BOOL:
    *out = (struct hgl_cbor_item){.kind = HGL_CBOR_BOOL, .boolean = head->argument != 0};
    return 0;
  case NIL:
    *out = (struct hgl_cbor_item){.kind = HGL_CBOR_NULL};
    return 0;
  case UNDEFINED:
    return hgl_fail(err, HGL_BAD_VALUE, "the value \"undefined\"");
  case TAG:
    return hgl_fail(err, HGL_BAD_VALUE, "a tagged value");
  case INDEFINITE:
    return hgl_fail(err, HGL_NOT_DETERMINISTIC, "an item of indefinite length");
  case BREAK:
    return hgl_fail(err, HGL_MALFORMED, "a break outside an item of indefinite length");
  }
  return hgl_fail(err, HGL_INTERNAL, "an unknown kind of CBOR item");
}

bool hgl_cbor_take_double(struct hgl_cbor_reader *in, double *out)
{
  enum { SINGLE_HEAD = 0xfa, DOUBLE_HEAD = 0xfb };
  size_t size = (size_t)(in->end - in->at);
  const uint8_t *at = in->at + 1;
  uint16_t half;
  if (size >= 9 && *in->at == DOUBLE_HEAD) {
    uint64_t bits = hgl_get_be64(at);
    double number;
    memcpy(&number, &bits, sizeof number);
    if (!isfinite(number) || (fabs(number) <= FLT_MAX && (double)(float)number == number))
      return false;
    *out = number;
    in->at += 9;
    return true;
  }
  if (size >= 5 && *in->at == SINGLE_HEAD) {
    uint32_t bits = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    float number;
    memcpy(&number, &bits, sizeof number);
    if (!isfinite(number) || half_from_float(number, &half)) return false;
    *out = (double)number;
    in->at += 5;
    return true;
  }
  return false;
}

/* Most heads are one byte with their argument inside; reading these here saves about a quarter of
 * what decoding a small message costs. UINT to MAP are numbered as CBOR's major types. Returns the
 * bytes used, 0: not such. */
static size_t read_short_head(const uint8_t *at, size_t size, struct head *head)
{
  unsigned major = at[0] >> 5, info = at[0] & 31u;
  if (major > MAP || info >= 24) return 0;
  size_t used = major == BYTES || major == TEXT ? 1 + info : 1;
  if (used > size) return 0;
  set(head, (int)major, info);
  head->content = at + 1;
  return used;
}

int hgl_cbor_next(struct hgl_cbor_reader *in, struct hgl_cbor_item *out, struct hgl_err *err)
{
  size_t size = (size_t)(in->end - in->at);
  if (size == 0) return hgl_fail(err, HGL_TRUNCATED, "the data ends where an item should begin");
  double number;
  if (hgl_cbor_take_double(in, &number)) {
    *out = (struct hgl_cbor_item){.kind = HGL_CBOR_DOUBLE, .number = number};
    return 0;
  }
  struct head head;
  size_t used = read_short_head(in->at, size, &head);
  if (used == 0) {
    struct cbor_decoder_result result = cbor_stream_decode(in->at, size, &callbacks, &head);
    if (result.status == CBOR_DECODER_NEDATA)
      return hgl_fail(err, HGL_TRUNCATED, "the data ends within an item");
    if (result.status != CBOR_DECODER_FINISHED) return refuse_initial_byte(*in->at, err);
    used = result.read;
  }
  int status = judge(&head, *in->at, size - used, out, err);
  if (status == 0) in->at += used;
  return status;
}

/* Typed reading ----------------------------------------------------------------------------- */

static const char *const kind_names[] = {
    [HGL_CBOR_INT] = "an integer",      [HGL_CBOR_BIG_UINT] = "an integer beyond 2^63-1",
    [HGL_CBOR_BYTES] = "a byte string", [HGL_CBOR_TEXT] = "text",
    [HGL_CBOR_LIST] = "a list",         [HGL_CBOR_MAP] = "a map",
    [HGL_CBOR_BOOL] = "true or false",  [HGL_CBOR_NULL] = "null",
    [HGL_CBOR_DOUBLE] = "a float",
};

static int next_of_kind(struct hgl_cbor_reader *in, const char *what, enum hgl_cbor_kind kind,
                        struct hgl_cbor_item *out, struct hgl_err *err)
{
  struct hgl_cbor_item item = {0};
  int status = hgl_cbor_next(in, &item, err);
  if (status) {
    hgl_fail_in(err, "%s", what);
    return status;
  }
  if (item.kind != kind)
    return hgl_fail(err, HGL_MALFORMED, "%s: expected %s, found %s", what, kind_names[kind],
                    kind_names[item.kind]);
  *out = item;
  return 0;
}

static int next_sized(struct hgl_cbor_reader *in, const char *what, enum hgl_cbor_kind kind,
                      size_t size_max, struct hgl_bytes *out, struct hgl_err *err)
{
  struct hgl_cbor_item item = {0};
  int status = next_of_kind(in, what, kind, &item, err);
  if (status) return status;
  if (item.bytes.size > size_max)
    return hgl_fail(err, HGL_TOO_LARGE, "%s: %zu bytes, at most %zu are permitted", what,
                    item.bytes.size, size_max);
  *out = item.bytes;
  return 0;
}

static int next_counted(struct hgl_cbor_reader *in, const char *what, enum hgl_cbor_kind kind,
                        size_t count_max, size_t *out, struct hgl_err *err)
{
  struct hgl_cbor_item item = {0};
  int status = next_of_kind(in, what, kind, &item, err);
  if (status) return status;
  if (item.count > count_max)
    return hgl_fail(err, HGL_TOO_LARGE, "%s: %zu entries, at most %zu are permitted", what,
                    item.count, count_max);
  *out = item.count;
  return 0;
}

int hgl_cbor_get_int(struct hgl_cbor_reader *in, const char *what, int64_t *out,
                     struct hgl_err *err)
{
  struct hgl_cbor_item item = {0};
  int status = next_of_kind(in, what, HGL_CBOR_INT, &item, err);
  if (status == 0) *out = item.integer;
  return status;
}

int hgl_cbor_get_uint(struct hgl_cbor_reader *in, const char *what, uint64_t max, uint64_t *out,
                      struct hgl_err *err)
{
  struct hgl_cbor_item item = {0};
  int status = hgl_cbor_next(in, &item, err);
  if (status) {
    hgl_fail_in(err, "%s", what);
    return status;
  }
  bool small = item.kind == HGL_CBOR_INT && item.integer >= 0;
  if (!small && item.kind != HGL_CBOR_BIG_UINT)
    return hgl_fail(err, HGL_MALFORMED, "%s: expected a non-negative integer", what);
  uint64_t value = small ? (uint64_t)item.integer : item.big;
  if (value > max)
    return hgl_fail(err, HGL_MALFORMED, "%s: %llu is above %llu", what, (unsigned long long)value,
                    (unsigned long long)max);
  *out = value;
  return 0;
}

int hgl_cbor_get_bytes(struct hgl_cbor_reader *in, const char *what, size_t size_max,
                       struct hgl_bytes *out, struct hgl_err *err)
{
  return next_sized(in, what, HGL_CBOR_BYTES, size_max, out, err);
}

int hgl_cbor_get_fixed(struct hgl_cbor_reader *in, const char *what, void *out, size_t size,
                       struct hgl_err *err)
{
  struct hgl_cbor_item item = {0};
  int status = next_of_kind(in, what, HGL_CBOR_BYTES, &item, err);
  if (status) return status;
  if (item.bytes.size != size)
    return hgl_fail(err, HGL_MALFORMED, "%s: %zu bytes, expected %zu", what, item.bytes.size, size);
  memcpy(out, item.bytes.data, size);
  return 0;
}

int hgl_cbor_get_text(struct hgl_cbor_reader *in, const char *what, size_t size_max,
                      struct hgl_bytes *out, struct hgl_err *err)
{
  return next_sized(in, what, HGL_CBOR_TEXT, size_max, out, err);
}

int hgl_cbor_get_bool(struct hgl_cbor_reader *in, const char *what, bool *out, struct hgl_err *err)
{
  struct hgl_cbor_item item = {0};
  int status = next_of_kind(in, what, HGL_CBOR_BOOL, &item, err);
  if (status == 0) *out = item.boolean;
  return status;
}

int hgl_cbor_get_list(struct hgl_cbor_reader *in, const char *what, size_t count_max, size_t *out,
                      struct hgl_err *err)
{
  return next_counted(in, what, HGL_CBOR_LIST, count_max, out, err);
}

int hgl_cbor_get_map(struct hgl_cbor_reader *in, const char *what, size_t count_max, size_t *out,
                     struct hgl_err *err)
{
  return next_counted(in, what, HGL_CBOR_MAP, count_max, out, err);
}

int hgl_cbor_get_value(struct hgl_cbor_reader *in, const char *what, struct hgl_bytes *out,
                       struct hgl_err *err)
{
  const uint8_t *start = in->at;
  int status = hgl_value_skip(in, err);
  if (status) {
    hgl_fail_in(err, "%s", what);
    return status;
  }
  *out = hgl_bytes(start, (size_t)(in->at - start));
  return 0;
}

int hgl_cbor_end(const struct hgl_cbor_reader *in, const char *what, struct hgl_err *err)
{
  if (in->at == in->end) return 0;
  return hgl_fail(err, HGL_TRAILING, "%s: %zu bytes too many", what, (size_t)(in->end - in->at));
}

int hgl_cbor_get_key(struct hgl_cbor_reader *in, const char *what, int64_t *previous, int64_t *key,
                     struct hgl_err *err)
{
  uint64_t number;
  int status = hgl_cbor_get_uint(in, what, INT64_MAX, &number, err);
  if (status) return status;
  if ((int64_t)number == *previous)
    return hgl_fail(err, HGL_DUPLICATE_KEY, "%s: key %lld twice", what, (long long)number);
  if ((int64_t)number < *previous)
    return hgl_fail(err, HGL_NOT_DETERMINISTIC, "%s: key %lld after %lld", what, (long long)number,
                    (long long)*previous);
  *previous = *key = (int64_t)number;
  return 0;
}
