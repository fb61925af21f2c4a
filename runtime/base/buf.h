/* A growing byte buffer with a ceiling given at birth.
 *
 * The first failed append (no memory, or the ceiling) sets `failed` and empties nothing; every
 * later append does nothing. So a writer appends freely and asks once, at the end, with
 * hgl_buf_check. Owner frees with hgl_buf_deinit; a zeroed struct is not valid: hgl_buf_init. */
#ifndef HGL_BASE_BUF_H
#define HGL_BASE_BUF_H

#include "base/bytes.h"
#include "base/err.h"

struct hgl_buf {
  uint8_t *data;
  size_t size;
  size_t capacity;
  size_t size_max;
  enum hgl_code failed; /* HGL_OK, HGL_NO_MEMORY or HGL_TOO_LARGE */
};

void hgl_buf_init(struct hgl_buf *buf, size_t size_max);
void hgl_buf_deinit(struct hgl_buf *buf); /* leaves an empty, usable buffer */
void hgl_buf_clear(struct hgl_buf *buf);  /* keeps the memory, forgets a failure */
void hgl_buf_append(struct hgl_buf *buf, const void *data, size_t size);
void hgl_buf_append_bytes(struct hgl_buf *buf, struct hgl_bytes bytes);
void hgl_buf_append_byte(struct hgl_buf *buf, uint8_t byte);
void hgl_buf_append_text(struct hgl_buf *buf, const char *text);
void hgl_buf_printf(struct hgl_buf *buf, const char *format, ...) HGL_PRINTF(2, 3);
/* Room for `size` more bytes at the end, or NULL; commit what was used with hgl_buf_extend. */
uint8_t *hgl_buf_reserve(struct hgl_buf *buf, size_t size);
void hgl_buf_extend(struct hgl_buf *buf, size_t size);
void hgl_buf_remove_front(struct hgl_buf *buf, size_t size);
/* 0, or HGL_NO_MEMORY or HGL_TOO_LARGE with the ceiling named. */
int hgl_buf_check(const struct hgl_buf *buf, struct hgl_err *err) HGL_NODISCARD;
/* The memory, which the caller frees with hgl_free; the buffer is empty afterwards. */
uint8_t *hgl_buf_take(struct hgl_buf *buf, size_t *size) HGL_NODISCARD;

static inline struct hgl_bytes hgl_buf_bytes(const struct hgl_buf *buf)
{
  return hgl_bytes(buf->data, buf->size);
}

#endif
