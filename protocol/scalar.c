#include "protocol/scalar.h"

#include <inttypes.h>
#include <stdio.h>

enum { SHOWN_MAX = 48 };

static int compare_int_double(int64_t integer, double number)
{
  if (number >= 0x1p63) return -1;
  if (number < -0x1p63) return 1;
  int64_t whole = (int64_t)number;
  if (integer != whole) return integer < whole ? -1 : 1;
  double fraction = number - (double)whole;
  return fraction > 0 ? -1 : fraction < 0;
}

int hgl_number_compare(const struct hgl_cbor_item *a, const struct hgl_cbor_item *b)
{
  bool a_int = a->kind == HGL_CBOR_INT, b_int = b->kind == HGL_CBOR_INT;
  if (a_int && b_int) return a->integer < b->integer ? -1 : a->integer > b->integer;
  if (a_int) return compare_int_double(a->integer, b->number);
  if (b_int) return -compare_int_double(b->integer, a->number);
  return a->number < b->number ? -1 : a->number > b->number;
}

const char *hgl_text_show(struct hgl_bytes text, char out[HGL_SHOW_SIZE])
{
  size_t size = text.size > SHOWN_MAX ? SHOWN_MAX : text.size;
  /* Not in the middle of a UTF-8 sequence. */
  while (size && size < text.size && (text.data[size] & 0xc0) == 0x80) size--;
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = text.data[i];
    out[i] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
  }
  snprintf(out + size, HGL_SHOW_SIZE - size, "%s", size < text.size ? "…" : "");
  return out;
}

const char *hgl_value_show(struct hgl_bytes value, char out[HGL_SHOW_SIZE])
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  char text[HGL_SHOW_SIZE];
  const char *shown = "an integer beyond 64 bits";
  if (hgl_cbor_next(&in, &item, NULL)) {
    snprintf(out, HGL_SHOW_SIZE, "something unreadable");
    return out;
  }
  switch (item.kind) {
  case HGL_CBOR_INT:
    snprintf(out, HGL_SHOW_SIZE, "%" PRId64, item.integer);
    return out;
  case HGL_CBOR_DOUBLE:
    snprintf(out, HGL_SHOW_SIZE, "%.17g", item.number);
    return out;
  case HGL_CBOR_TEXT:
    snprintf(out, HGL_SHOW_SIZE, "\"%s\"", hgl_text_show(item.bytes, text));
    return out;
  case HGL_CBOR_BOOL:
    shown = item.boolean ? "true" : "false";
    break;
  case HGL_CBOR_NULL:
    shown = "null";
    break;
  case HGL_CBOR_BYTES:
    shown = "bytes";
    break;
  case HGL_CBOR_LIST:
    shown = "a list";
    break;
  case HGL_CBOR_MAP:
    shown = "a map";
    break;
  default:
    break;
  }
  snprintf(out, HGL_SHOW_SIZE, "%s", shown);
  return out;
}
