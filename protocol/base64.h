/* Base64 (RFC 4648 §4 and §5). Decoding is strict: one text for one run of bytes, no other
 * characters. Any thread. */
#ifndef HGL_PROTOCOL_BASE64_H
#define HGL_PROTOCOL_BASE64_H

#include "base/buf.h"

enum hgl_base64 {
  HGL_BASE64,    /* A-Z a-z 0-9 + /, padded with = */
  HGL_BASE64URL, /* - and _ for the last two, no padding */
};

void hgl_base64_encode(enum hgl_base64 kind, struct hgl_bytes bytes, struct hgl_buf *out);
/* HGL_MALFORMED, naming the character. */
int hgl_base64_decode(enum hgl_base64 kind, struct hgl_bytes text, struct hgl_buf *out,
                      struct hgl_err *err) HGL_NODISCARD;

#endif
