#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

void hgl_buf_init(struct hgl_buf *buf, size_t size_max)
{
  *buf = (struct hgl_buf){.size_max = size_max};
}

void hgl_buf_deinit(struct hgl_buf *buf)
{
  hgl_free(buf->data);
  hgl_buf_init(buf, buf->size_max);
}

void hgl_buf_clear(struct hgl_buf *buf)
{
  buf->size = 0;
  buf->failed = HGL_OK;
}

uint8_t *hgl_buf_reserve(struct hgl_buf *buf, size_t size)
{
  if (buf->failed) return NULL;
  if (size > buf->size_max - buf->size) {
    buf->failed = HGL_TOO_LARGE;
    return NULL;
  }
  size_t needed = buf->size + size;
  if (needed > buf->capacity || !buf->data) {
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity * 2;
    if (capacity < needed) capacity = needed;
    if (capacity > buf->size_max && buf->size_max >= needed && buf->size_max > 0)
      capacity = buf->size_max;
    uint8_t *data = hgl_realloc(buf->data, capacity);
    if (!data) {
      buf->failed = HGL_NO_MEMORY;
      return NULL;
    }
    buf->data = data;
    buf->capacity = capacity;
  }
  return buf->data + buf->size;
}

void hgl_buf_extend(struct hgl_buf *buf, size_t size)
{
  assert(size <= buf->capacity - buf->size);
  buf->size += size;
}

void hgl_buf_append(struct hgl_buf *buf, const void *data, size_t size)
{
  uint8_t *end = hgl_buf_reserve(buf, size);
  if (!end) return;
  if (size) memcpy(end, data, size);
  buf->size += size;
}

void hgl_buf_append_bytes(struct hgl_buf *buf, struct hgl_bytes bytes)
{
  hgl_buf_append(buf, bytes.data, bytes.size);
}

void hgl_buf_append_byte(struct hgl_buf *buf, uint8_t byte)
{
  hgl_buf_append(buf, &byte, 1);
}

void hgl_buf_append_text(struct hgl_buf *buf, const char *text)
{
  hgl_buf_append(buf, text, strlen(text));
}

void hgl_buf_printf(struct hgl_buf *buf, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int size = vsnprintf(NULL, 0, format, args);
  va_end(args);
  assert(size >= 0);
  char *end = (char *)hgl_buf_reserve(buf, (size_t)size + 1);
  if (!end) return;
  va_start(args, format);
  vsnprintf(end, (size_t)size + 1, format, args);
  va_end(args);
  buf->size += (size_t)size;
}

void hgl_buf_remove_front(struct hgl_buf *buf, size_t size)
{
  assert(size <= buf->size);
  buf->size -= size;
  if (size && buf->size) memmove(buf->data, buf->data + size, buf->size);
}

int hgl_buf_check(const struct hgl_buf *buf, struct hgl_err *err)
{
  if (!buf->failed) return 0;
  if (buf->failed == HGL_TOO_LARGE)
    return hgl_fail(err, HGL_TOO_LARGE, "more than %zu bytes", buf->size_max);
  return hgl_fail(err, buf->failed, "out of memory");
}

uint8_t *hgl_buf_take(struct hgl_buf *buf, size_t *size)
{
  uint8_t *data = buf->data;
  *size = buf->size;
  hgl_buf_init(buf, buf->size_max);
  return data;
}
