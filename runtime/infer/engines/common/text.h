/* text.h: text that grows up to a ceiling, and its characters.
 *
 * A text that could not grow, for want of memory or because it reached its ceiling, is `failed`
 * from then on and takes nothing more; so callers write on and look once, at the end. */
#ifndef HGL_ENGINE_TEXT_H
#define HGL_ENGINE_TEXT_H

#include "common/engine.h"

#include <stdbool.h>

struct text {
  char *data; /* ends with a NUL, unless NULL */
  size_t size, room, max;
  bool failed;
};

void hgl_text_init(struct text *text, size_t max);
void hgl_text_deinit(struct text *text);
void hgl_text_add(struct text *text, const char *data, size_t size);
void hgl_text_put(struct text *text, const char *words); /* up to its NUL */
void hgl_text_format(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void hgl_text_cut(struct text *text, size_t size); /* keeps the first `size` bytes */

/* Between bytes of UTF-8; {0} between characters. */
struct utf8 {
  unsigned char left;      /* bytes of the character that are still to come */
  unsigned char low, high; /* bounds of the next */
};

/* Whether this byte may follow; if not, the state is that between characters again. */
bool hgl_utf8_bytes_feed(struct utf8 *utf8, unsigned char byte);

/* How many of the bytes are whole characters in well-formed UTF-8. `*broken` (may be NULL): what
 * follows them can never become one; otherwise it is the beginning of one, or nothing. */
size_t hgl_utf8_bytes_whole(const char *data, size_t size, bool *broken);

#endif
