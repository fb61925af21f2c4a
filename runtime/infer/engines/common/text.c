#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hgl_text_init(struct text *text, size_t max)
{
  *text = (struct text){.max = max};
}

void hgl_text_deinit(struct text *text)
{
  free(text->data);
  hgl_text_init(text, text->max);
}

static bool grow(struct text *text, size_t more)
{
  if (text->failed || more > text->max - text->size) {
    text->failed = true;
    return false;
  }
  size_t needed = text->size + more + 1;
  if (needed <= text->room) return true;
  size_t room = text->room ? text->room * 2 : 256;
  if (room < needed) room = needed;
  char *data = realloc(text->data, room);
  if (!data) {
    text->failed = true;
    return false;
  }
  text->data = data;
  text->room = room;
  return true;
}

void hgl_text_add(struct text *text, const char *data, size_t size)
{
  if (!grow(text, size)) return;
  if (size > 0) memcpy(text->data + text->size, data, size);
  text->size += size;
  text->data[text->size] = '\0';
}

void hgl_text_put(struct text *text, const char *words)
{
  hgl_text_add(text, words, strlen(words));
}

void hgl_text_format(struct text *text, const char *format, ...)
{
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (size < 0 || (size_t)size >= sizeof line) {
    text->failed = true;
    return;
  }
  hgl_text_add(text, line, (size_t)size);
}

void hgl_text_cut(struct text *text, size_t size)
{
  if (size >= text->size) return;
  text->size = size;
  text->data[size] = '\0';
}

/* RFC 3629, section 4: the first byte bounds the second, so that no character has two forms. */
static bool begin_character(struct utf8 *utf8, unsigned char byte)
{
  *utf8 = (struct utf8){.low = 0x80, .high = 0xbf};
  if (byte < 0x80) return true;
  if (byte < 0xc2 || byte > 0xf4) return false;
  utf8->left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  if (byte == 0xe0) utf8->low = 0xa0;
  if (byte == 0xed) utf8->high = 0x9f;
  if (byte == 0xf0) utf8->low = 0x90;
  if (byte == 0xf4) utf8->high = 0x8f;
  return true;
}

bool hgl_utf8_bytes_feed(struct utf8 *utf8, unsigned char byte)
{
  if (utf8->left == 0) return begin_character(utf8, byte);
  bool good = byte >= utf8->low && byte <= utf8->high;
  *utf8 = (struct utf8){good ? (unsigned char)(utf8->left - 1) : 0, 0x80, 0xbf};
  return good;
}

size_t hgl_utf8_bytes_whole(const char *data, size_t size, bool *broken)
{
  struct utf8 utf8 = {0};
  size_t whole = 0;
  if (broken) *broken = false;
  for (size_t at = 0; at < size; at++) {
    if (!hgl_utf8_bytes_feed(&utf8, (unsigned char)data[at])) {
      if (broken) *broken = true;
      break;
    }
    if (utf8.left == 0) whole = at + 1;
  }
  return whole;
}
