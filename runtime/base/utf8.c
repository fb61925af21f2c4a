/* UTF-8 (RFC 3629). */
#include "base/utf8.h"

/* Bytes of the sequence at `at`, 0 when it is not valid. */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
  uint8_t lead = at[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (left < size) return 0;
  for (size_t i = 1; i < size; i++)
    if ((at[i] & 0xc0) != 0x80) return 0;
  if (lead == 0xe0 && at[1] < 0xa0) return 0; /* overlong */
  if (lead == 0xed && at[1] > 0x9f) return 0; /* surrogate */
  if (lead == 0xf0 && at[1] < 0x90) return 0; /* overlong */
  if (lead == 0xf4 && at[1] > 0x8f) return 0; /* above U+10FFFF */
  return size;
}

size_t hgl_utf8_size(struct hgl_bytes text)
{
  const uint8_t *at = text.data;
  size_t left = text.size;
  while (left > 0) {
    uint64_t word;
    if (left >= sizeof word &&
        (memcpy(&word, at, sizeof word), (word & UINT64_C(0x8080808080808080)) == 0)) {
      at += sizeof word;
      left -= sizeof word;
      continue;
    }
    size_t size = utf8_sequence(at, left);
    if (size == 0) break;
    at += size;
    left -= size;
  }
  return text.size - left;
}

bool hgl_utf8_valid(struct hgl_bytes text)
{
  return hgl_utf8_size(text) == text.size;
}

/* Nothing but the beginning of a character. */
static bool is_cut(struct hgl_bytes text)
{
  uint8_t lead = text.data[0];
  size_t size = lead < 0xc2 || lead > 0xf4 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size >= size) return false;
  for (size_t i = 1; i < text.size; i++)
    if ((text.data[i] & 0xc0) != 0x80) return false;
  return true;
}

void hgl_utf8_mend(struct hgl_bytes text, struct hgl_buf *out)
{
  while (text.size) {
    size_t size = hgl_utf8_size(text);
    hgl_buf_append(out, text.data, size);
    text = hgl_bytes(text.data + size, text.size - size);
    if (!text.size || is_cut(text)) return;
    hgl_buf_append_byte(out, '?');
    text = hgl_bytes(text.data + 1, text.size - 1);
  }
}
