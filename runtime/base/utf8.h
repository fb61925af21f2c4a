/* Which bytes are UTF-8 text. */
#ifndef HGL_BASE_UTF8_H
#define HGL_BASE_UTF8_H

#include "base/buf.h"

bool hgl_utf8_valid(struct hgl_bytes text);
/* Bytes of the longest beginning that is valid. */
size_t hgl_utf8_size(struct hgl_bytes text);
/* Appends the text with a "?" for each byte that is not UTF-8, and without a character that its end
 * cuts off: what was quoted from outside, or shortened, becomes text again. Never longer. */
void hgl_utf8_mend(struct hgl_bytes text, struct hgl_buf *out);

#endif
