#include "protocol/value.h"

struct walk {
  struct hgl_cbor_reader *in;
  struct hgl_err *err;
  size_t items;
};

static int skip_item(struct walk *walk, unsigned depth);

/* Reads a key and returns its encoded bytes, by which keys are ordered. */
static int read_key(struct walk *walk, struct hgl_bytes *encoded)
{
  const uint8_t *start = walk->in->at;
  struct hgl_cbor_item key;
  int status = hgl_cbor_next(walk->in, &key, walk->err);
  if (status) return status;
  if (key.kind != HGL_CBOR_TEXT)
    return hgl_fail(walk->err, HGL_BAD_VALUE, "a map key that is not text");
  *encoded = hgl_bytes(start, (size_t)(walk->in->at - start));
  return 0;
}

static int skip_map(struct walk *walk, size_t count, unsigned depth)
{
  struct hgl_bytes previous = {0}, key = {0};
  for (size_t i = 0; i < count; i++, previous = key) {
    int status = read_key(walk, &key);
    if (status) return status;
    int order = i ? hgl_bytes_compare(previous, key) : -1;
    if (order == 0) return hgl_fail(walk->err, HGL_DUPLICATE_KEY, "a map names a key twice");
    if (order > 0)
      return hgl_fail(walk->err, HGL_NOT_DETERMINISTIC, "the keys of a map are out of order");
    status = skip_item(walk, depth);
    if (status) return status;
  }
  return 0;
}

static int skip_list(struct walk *walk, size_t count, unsigned depth)
{
  for (size_t i = 0; i < count; i++) {
    int status = skip_item(walk, depth);
    if (status) return status;
  }
  return 0;
}

/* `depth`: lists and maps around this item. */
static int skip_item(struct walk *walk, unsigned depth)
{
  struct hgl_cbor_item item;
  int status = hgl_cbor_next(walk->in, &item, walk->err);
  if (status) return status;
  if (++walk->items > HGL_VALUE_ITEMS_MAX)
    return hgl_fail(walk->err, HGL_TOO_LARGE, "more than %d values", HGL_VALUE_ITEMS_MAX);
  if (item.kind == HGL_CBOR_BIG_UINT)
    return hgl_fail(walk->err, HGL_BAD_VALUE, "an integer above 2^63-1");
  if (item.kind != HGL_CBOR_LIST && item.kind != HGL_CBOR_MAP) return 0;
  if (depth == HGL_VALUE_DEPTH_MAX)
    return hgl_fail(walk->err, HGL_TOO_DEEP, "more than %d nested lists and maps",
                    HGL_VALUE_DEPTH_MAX);
  return item.kind == HGL_CBOR_MAP ? skip_map(walk, item.count, depth + 1)
                                   : skip_list(walk, item.count, depth + 1);
}

int hgl_value_skip(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct walk walk = {in, err, 0};
  return skip_item(&walk, 0);
}

int hgl_value_check(struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  int status = hgl_value_skip(&in, err);
  return status ? status : hgl_cbor_end(&in, "value", err);
}

int hgl_value_field(struct hgl_bytes map, const char *key, struct hgl_bytes *out, bool *found,
                    struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(map);
  size_t count;
  int status = hgl_cbor_get_map(&in, "value", SIZE_MAX, &count, err);
  for (size_t i = 0; status == 0 && i < count; i++) {
    struct hgl_bytes name, value;
    status = hgl_cbor_get_text(&in, "key", SIZE_MAX, &name, err);
    if (status == 0) status = hgl_cbor_get_value(&in, "value", &value, err);
    if (status == 0 && hgl_bytes_is(name, key)) {
      *out = value;
      *found = true;
      return 0;
    }
  }
  if (status == 0) *found = false;
  return status;
}
