/* A borrowed run of bytes with its length; text is the same, always with a length, never a NUL. */
#ifndef HGL_BASE_BYTES_H
#define HGL_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hgl_bytes {
  const uint8_t *data; /* may be NULL when size is 0 */
  size_t size;
};

static inline struct hgl_bytes hgl_bytes(const void *data, size_t size)
{
  return (struct hgl_bytes){(const uint8_t *)data, size};
}

static inline struct hgl_bytes hgl_text(const char *text)
{
  return (struct hgl_bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool hgl_bytes_equal(struct hgl_bytes a, struct hgl_bytes b)
{
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Bytewise order, a prefix first: the order of LMDB keys and of deterministic CBOR. */
static inline int hgl_bytes_compare(struct hgl_bytes a, struct hgl_bytes b)
{
  size_t least = a.size < b.size ? a.size : b.size;
  int order = least ? memcmp(a.data, b.data, least) : 0;
  if (order) return order;
  return a.size < b.size ? -1 : a.size > b.size;
}

static inline bool hgl_bytes_is(struct hgl_bytes a, const char *text)
{
  return hgl_bytes_equal(a, hgl_text(text));
}

/* For "%.*s". */
#define HGL_STR(bytes) (int)(bytes).size, (const char *)(bytes).data

static inline void hgl_put_be64(uint8_t out[8], uint64_t value)
{
  for (int i = 7; i >= 0; i--, value >>= 8) out[i] = (uint8_t)value;
}

static inline uint64_t hgl_get_be64(const uint8_t in[8])
{
  uint64_t value = 0;
  for (int i = 0; i < 8; i++) value = value << 8 | in[i];
  return value;
}

#endif
