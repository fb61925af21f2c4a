/* Deterministic CBOR (RFC 8949 §4.2.1) over libcbor's streaming decoder and low-level encoder.
 * The only place that knows cbor.h. No trees: a reader is a cursor that hands out slices of the
 * input, a writer appends to a struct hgl_buf (whose sticky failure is checked once, at the end).
 *
 * The reader accepts only: shortest heads, definite lengths, no tags, no undefined, floats as the
 * shortest of 16, 32, 64 bits that holds the value, no NaN or infinities, valid UTF-8 text
 * (no surrogates, no overlong forms; NUL is allowed). */
#ifndef HGL_PROTOCOL_CBOR_H
#define HGL_PROTOCOL_CBOR_H

#include "base/buf.h"
#include "base/utf8.h"

void hgl_cbor_put_uint(struct hgl_buf *out, uint64_t value);
void hgl_cbor_put_int(struct hgl_buf *out, int64_t value);
void hgl_cbor_put_bytes(struct hgl_buf *out, struct hgl_bytes bytes);
void hgl_cbor_put_text(struct hgl_buf *out, struct hgl_bytes text); /* caller vouches for UTF-8 */
void hgl_cbor_put_literal(struct hgl_buf *out, const char *text);
void hgl_cbor_put_list(struct hgl_buf *out, size_t count); /* then `count` items */
void hgl_cbor_put_map(struct hgl_buf *out, size_t count);  /* then `count` keys and values */
void hgl_cbor_put_bool(struct hgl_buf *out, bool value);
void hgl_cbor_put_null(struct hgl_buf *out);
void hgl_cbor_put_double(struct hgl_buf *out, double value); /* finite */
/* The same two into memory; how many bytes. */
enum { HGL_CBOR_NUMBER_SIZE_MAX = 9 };
size_t hgl_cbor_int(int64_t value, uint8_t out[HGL_CBOR_NUMBER_SIZE_MAX]);
size_t hgl_cbor_double(double value, uint8_t out[HGL_CBOR_NUMBER_SIZE_MAX]);

enum hgl_cbor_kind {
  HGL_CBOR_INT,      /* any integer that fits int64 */
  HGL_CBOR_BIG_UINT, /* 2^63 and more: only where a head allows it; values do not */
  HGL_CBOR_BYTES,
  HGL_CBOR_TEXT,
  HGL_CBOR_LIST,
  HGL_CBOR_MAP,
  HGL_CBOR_BOOL,
  HGL_CBOR_NULL,
  HGL_CBOR_DOUBLE,
};

struct hgl_cbor_item {
  enum hgl_cbor_kind kind;
  union {
    int64_t integer;
    uint64_t big;
    struct hgl_bytes bytes; /* BYTES and TEXT: a slice of the input */
    size_t count;           /* LIST: items; MAP: pairs. Never more than the rest could hold. */
    bool boolean;
    double number;
  };
};

struct hgl_cbor_reader {
  const uint8_t *at, *end;
};

/* What is not read yet. */
static inline struct hgl_bytes hgl_cbor_rest(const struct hgl_cbor_reader *in)
{
  return (struct hgl_bytes){in->at, (size_t)(in->end - in->at)};
}

static inline struct hgl_cbor_reader hgl_cbor_reader(struct hgl_bytes input)
{
  return (struct hgl_cbor_reader){input.data, input.data + input.size};
}

/* The next item's head (and content, for bytes and text). HGL_TRUNCATED, HGL_NOT_DETERMINISTIC,
 * HGL_BAD_VALUE, HGL_MALFORMED. */
int hgl_cbor_next(struct hgl_cbor_reader *in, struct hgl_cbor_item *out,
                  struct hgl_err *err) HGL_NODISCARD;
/* A short way for the float of four or eight bytes that stands next; false: something else does, or
 * what hgl_cbor_next refuses. */
bool hgl_cbor_take_double(struct hgl_cbor_reader *in, double *out);

/* The next item must be of the kind named (`what` is used in the message); HGL_MALFORMED else. */
int hgl_cbor_get_int(struct hgl_cbor_reader *in, const char *what, int64_t *out,
                     struct hgl_err *err) HGL_NODISCARD;
int hgl_cbor_get_uint(struct hgl_cbor_reader *in, const char *what, uint64_t max, uint64_t *out,
                      struct hgl_err *err) HGL_NODISCARD;
/* HGL_TOO_LARGE above size_max. */
int hgl_cbor_get_bytes(struct hgl_cbor_reader *in, const char *what, size_t size_max,
                       struct hgl_bytes *out, struct hgl_err *err) HGL_NODISCARD;
/* Exactly `size` bytes, copied to out. */
int hgl_cbor_get_fixed(struct hgl_cbor_reader *in, const char *what, void *out, size_t size,
                       struct hgl_err *err) HGL_NODISCARD;
int hgl_cbor_get_text(struct hgl_cbor_reader *in, const char *what, size_t size_max,
                      struct hgl_bytes *out, struct hgl_err *err) HGL_NODISCARD;
int hgl_cbor_get_bool(struct hgl_cbor_reader *in, const char *what, bool *out,
                      struct hgl_err *err) HGL_NODISCARD;
/* A list or map head; its count is at most count_max. */
int hgl_cbor_get_list(struct hgl_cbor_reader *in, const char *what, size_t count_max, size_t *out,
                      struct hgl_err *err) HGL_NODISCARD;
int hgl_cbor_get_map(struct hgl_cbor_reader *in, const char *what, size_t count_max, size_t *out,
                     struct hgl_err *err) HGL_NODISCARD;
/* One whole value (see value.h), as a slice, checked as such. */
int hgl_cbor_get_value(struct hgl_cbor_reader *in, const char *what, struct hgl_bytes *out,
                       struct hgl_err *err) HGL_NODISCARD;
/* HGL_TRAILING unless everything was read. */
int hgl_cbor_end(const struct hgl_cbor_reader *in, const char *what,
                 struct hgl_err *err) HGL_NODISCARD;

/* Integer-keyed maps, as all of our own objects are: call once per pair. *previous starts at
 * INT64_MIN and enforces the ascending order of deterministic encoding (non-negative keys only):
 * HGL_NOT_DETERMINISTIC, HGL_DUPLICATE_KEY. */
int hgl_cbor_get_key(struct hgl_cbor_reader *in, const char *what, int64_t *previous, int64_t *key,
                     struct hgl_err *err) HGL_NODISCARD;

#endif
