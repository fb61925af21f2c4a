/* Scalars inside values: how numbers compare, and how any value is shown in an error message.
 * Pure; any thread. */
#ifndef HGL_PROTOCOL_SCALAR_H
#define HGL_PROTOCOL_SCALAR_H

#include "protocol/cbor.h"

static inline bool hgl_item_is_number(const struct hgl_cbor_item *item)
{
  return item->kind == HGL_CBOR_INT || item->kind == HGL_CBOR_DOUBLE;
}

static inline bool hgl_item_is_container(const struct hgl_cbor_item *item)
{
  return item->kind == HGL_CBOR_LIST || item->kind == HGL_CBOR_MAP;
}

/* Whether it can be read as this kind of container: Lua's {} is both, so that an empty one of the
 * other kind does. */
static inline bool hgl_item_opens(const struct hgl_cbor_item *item, enum hgl_cbor_kind kind)
{
  return item->kind == kind || (hgl_item_is_container(item) && item->count == 0);
}

/* Two numbers of either kind by their exact values, 4 and 4.0 being equal: -1, 0, 1. */
int hgl_number_compare(const struct hgl_cbor_item *a, const struct hgl_cbor_item *b);

/* A printable, short form: `3`, `"Graz"`, `a list`. Long text is cut, control characters become
 * "?", so that what a peer sent can stand in a log line. Returns `out`. */
enum { HGL_SHOW_SIZE = 72 };
const char *hgl_value_show(struct hgl_bytes value, char out[HGL_SHOW_SIZE]);
const char *hgl_text_show(struct hgl_bytes text, char out[HGL_SHOW_SIZE]);

#endif
