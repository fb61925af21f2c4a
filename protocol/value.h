/* Values: what a body can hold (SPEC.md, "Values"). The stored and signed form is deterministic
 * CBOR; this header checks it, walks it, and maps it to and from JSON. Lua's side of it is in
 * runtime/lua. Map keys are text, ordered as deterministic CBOR orders them (by encoded bytes:
 * shorter first, then bytewise). */
#ifndef HGL_PROTOCOL_VALUE_H
#define HGL_PROTOCOL_VALUE_H

#include <jansson.h>

#include "protocol/cbor.h"
#include "protocol/limits.h"

/* Passes over one value; *in is left behind it. Checks everything: determinism, key order,
 * duplicates, depth (HGL_TOO_DEEP), items (HGL_TOO_LARGE), kinds (HGL_BAD_VALUE). */
int hgl_value_skip(struct hgl_cbor_reader *in, struct hgl_err *err) HGL_NODISCARD;
/* The bytes are one value and nothing else. */
int hgl_value_check(struct hgl_bytes value, struct hgl_err *err) HGL_NODISCARD;

/* Looks a key up in a map value; *found says whether it is there. The value has been checked. */
int hgl_value_field(struct hgl_bytes map, const char *key, struct hgl_bytes *out, bool *found,
                    struct hgl_err *err) HGL_NODISCARD;

/* JSON: integers beyond 2^53-1 are {"$int":"…"} (decimal), bytes {"$bytes":"…"} (base64url without
 * padding), doubles always have a fraction or exponent, a key that begins with "$" gets one more.
 * The caller owns the json_t. */
int hgl_value_to_json(struct hgl_bytes value, json_t **out, struct hgl_err *err) HGL_NODISCARD;
/* Appends the CBOR of a JSON tree. Errors name the path, as in "body.items[3]". */
int hgl_value_from_json(const json_t *json, struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

/* The only two places where JSON text is parsed and printed. Parsing refuses duplicate keys
 * (HGL_DUPLICATE_KEY), depth above HGL_VALUE_DEPTH_MAX + 8 (HGL_TOO_DEEP), trailing text
 * (HGL_TRAILING), sizes above size_max (HGL_TOO_LARGE), numbers that neither int64 nor a double
 * holds and keys with \u0000, which jansson cannot read (HGL_BAD_VALUE). It accepts \u0000 in
 * other text and any JSON value at the top. Any thread. */
int hgl_json_parse(struct hgl_bytes text, size_t size_max, json_t **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* Compact, keys in insertion order, doubles shortest round-trip with a fraction or exponent. */
int hgl_json_print(const json_t *json, struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

void hgl_json_put_text(struct hgl_bytes text, struct hgl_buf *out); /* in quotes, escaped */
void hgl_json_put_double(double number, struct hgl_buf *out);       /* finite */

/* JSON as other systems speak it, without the escapes of the projection (json_plain.c). Reading: as
 * hgl_json_parse, then numbers with a fraction or exponent are doubles, others int64; appends the
 * CBOR, whose maps are in the text's order. HGL_TOO_DEEP above HGL_VALUE_DEPTH_MAX; HGL_TOO_LARGE
 * above `items_max` values, before much is done about them: a value takes jansson some 0.3 µs. */
int hgl_json_plain_read(struct hgl_bytes text, size_t size_max, size_t items_max,
                        struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* Of one encoded value. `indent` spaces a level, 0: on one line. HGL_BAD_VALUE for bytes, with the
 * way to them. */
int hgl_json_plain_write(struct hgl_bytes value, unsigned indent, struct hgl_buf *out,
                         struct hgl_err *err) HGL_NODISCARD;

/* As protocol/base64.h has it. */
void hgl_base64url_encode(struct hgl_bytes bytes, struct hgl_buf *out);
int hgl_base64url_decode(struct hgl_bytes text, struct hgl_buf *out,
                         struct hgl_err *err) HGL_NODISCARD;

#endif
