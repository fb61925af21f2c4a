#include "protocol/base64.h"

#include "protocol/value.h"

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char *const alphabets[] = {
    [HGL_BASE64] = ALPHABET "+/", [HGL_BASE64URL] = ALPHABET "-_"};
static const char *const names[] = {
    [HGL_BASE64] = "base64", [HGL_BASE64URL] = "base64url without padding"};

void hgl_base64_encode(enum hgl_base64 kind, struct hgl_bytes bytes, struct hgl_buf *out)
{
  const char *alphabet = alphabets[kind];
  size_t size = bytes.size / 3 * 4 + (bytes.size % 3 * 8 + 5) / 6;
  size_t padding = kind == HGL_BASE64 ? (4 - size % 4) % 4 : 0;
  uint8_t *text = hgl_buf_reserve(out, size + padding);
  if (!text) return;
  uint32_t bits = 0;
  unsigned count = 0;
  for (size_t i = 0; i < bytes.size; i++) {
    bits = bits << 8 | bytes.data[i];
    for (count += 8; count >= 6; count -= 6) *text++ = (uint8_t)alphabet[bits >> (count - 6) & 63];
  }
  if (count) *text++ = (uint8_t)alphabet[bits << (6 - count) & 63];
  for (size_t i = 0; i < padding; i++) *text++ = '=';
  hgl_buf_extend(out, size + padding);
}

static int sextet(enum hgl_base64 kind, uint8_t c)
{
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == (uint8_t)alphabets[kind][62]) return 62;
  return c == (uint8_t)alphabets[kind][63] ? 63 : -1;
}

int hgl_base64_decode(enum hgl_base64 kind, struct hgl_bytes text, struct hgl_buf *out,
                      struct hgl_err *err)
{
  if (kind == HGL_BASE64) {
    if (text.size % 4 != 0)
      return hgl_fail(err, HGL_MALFORMED,
                      "base64 of %zu characters: it comes in fours, padded with =", text.size);
    for (int i = 0; i < 2 && text.size && text.data[text.size - 1] == '='; i++) text.size--;
  }
  size_t size = text.size / 4 * 3 + text.size % 4 * 6 / 8;
  uint8_t *bytes = hgl_buf_reserve(out, size);
  if (!bytes) return hgl_buf_check(out, err);
  uint32_t bits = 0;
  unsigned count = 0;
  for (size_t i = 0; i < text.size; i++) {
    int value = sextet(kind, text.data[i]);
    if (value < 0)
      return hgl_fail(err, HGL_MALFORMED, "not %s at character %zu", names[kind], i + 1);
    bits = bits << 6 | (uint32_t)value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    *bytes++ = (uint8_t)(bits >> count);
  }
  if (text.size % 4 == 1 || (bits & ((1u << count) - 1)) != 0)
    return hgl_fail(err, HGL_MALFORMED, "%s that ends with bits to spare", names[kind]);
  hgl_buf_extend(out, size);
  return 0;
}

void hgl_base64url_encode(struct hgl_bytes bytes, struct hgl_buf *out)
{
  hgl_base64_encode(HGL_BASE64URL, bytes, out);
}

int hgl_base64url_decode(struct hgl_bytes text, struct hgl_buf *out, struct hgl_err *err)
{
  return hgl_base64_decode(HGL_BASE64URL, text, out, err);
}
