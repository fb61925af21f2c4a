/* Rows. A key: table number (8, big-endian), then nothing (the table's header), or 1 and the int64
 * with its sign bit flipped (8, big-endian), or 2 and the text: so rows lie in the order of keys.
 *
 * A value, in the CBOR of protocol/cbor.h: a scalar as it is; a table as a list whose first item
 * says what follows. A reference stands only alone in a row: what contains a table with rows of its
 * own has rows of its own too. */
#include "lua/state_tree.h"
#include "protocol/cbor.h"

enum table_form {
  FORM_MAP = 0,       /* key, value, key, value, … */
  FORM_LIST = 1,      /* the same; a list when empty */
  FORM_REFERENCE = 2, /* a table number */
};

enum { KEY_HEADER = 8, KEY_INT = 1, KEY_TEXT = 2 };

struct hgl_bytes hgl_row_key(uint8_t out[HGL_ROW_KEY_SIZE_MAX], uint64_t table,
                             const struct hgl_state_key *key)
{
  hgl_put_be64(out, table);
  if (!key) return hgl_bytes(out, KEY_HEADER);
  if (key->is_int) {
    out[KEY_HEADER] = KEY_INT;
    hgl_put_be64(out + KEY_HEADER + 1, (uint64_t)key->integer ^ (uint64_t)1 << 63);
    return hgl_bytes(out, KEY_HEADER + 9);
  }
  out[KEY_HEADER] = KEY_TEXT;
  if (key->text.size) memcpy(out + KEY_HEADER + 1, key->text.data, key->text.size);
  return hgl_bytes(out, KEY_HEADER + 1 + key->text.size);
}

int hgl_row_key_parse(struct hgl_bytes row_key, struct hgl_state_key *out, struct hgl_err *err)
{
  if (row_key.size > KEY_HEADER && row_key.size <= HGL_ROW_KEY_SIZE_MAX) {
    const uint8_t *key = row_key.data + KEY_HEADER;
    size_t size = row_key.size - KEY_HEADER;
    if (key[0] == KEY_INT && size == 9) {
      int64_t integer = (int64_t)(hgl_get_be64(key + 1) ^ (uint64_t)1 << 63);
      *out = (struct hgl_state_key){.is_int = true, .integer = integer};
      return 0;
    }
    if (key[0] == KEY_TEXT) {
      *out = (struct hgl_state_key){.text = hgl_bytes(key + 1, size - 1)};
      return 0;
    }
  }
  return hgl_fail(err, HGL_CORRUPT, "state: a row with a malformed key");
}

/* Encoding ---------------------------------------------------------------------------------- */

static size_t count_live(const struct hgl_slot *slot)
{
  if (!slot || !slot->live) return 0;
  return count_live(slot->left) + count_live(slot->right) + (slot->content.kind != HGL_STATE_NIL);
}

static void encode_slots(const struct hgl_slot *slot, struct hgl_buf *out)
{
  if (!slot || !slot->live) return;
  encode_slots(slot->left, out);
  if (slot->content.kind != HGL_STATE_NIL) {
    if (slot->is_int)
      hgl_cbor_put_int(out, slot->integer);
    else
      hgl_cbor_put_text(out, hgl_bytes(slot->text, slot->text_size));
    hgl_row_encode(&slot->content, out);
  }
  encode_slots(slot->right, out);
}

static void encode_table(const struct hgl_state_node *node, struct hgl_buf *out)
{
  if (node->table != HGL_TABLE_NONE) {
    hgl_cbor_put_list(out, 2);
    hgl_cbor_put_uint(out, FORM_REFERENCE);
    hgl_cbor_put_uint(out, node->table);
    return;
  }
  hgl_cbor_put_list(out, 1 + 2 * count_live(node->slots));
  hgl_cbor_put_uint(out, node->is_list ? FORM_LIST : FORM_MAP);
  encode_slots(node->slots, out);
}

void hgl_row_encode(const struct hgl_content *content, struct hgl_buf *out)
{
  switch ((enum hgl_state_kind)content->kind) {
  case HGL_STATE_NIL:
  case HGL_STATE_NULL:
    hgl_cbor_put_null(out);
    break;
  case HGL_STATE_BOOL:
    hgl_cbor_put_bool(out, content->boolean);
    break;
  case HGL_STATE_INT:
    hgl_cbor_put_int(out, content->integer);
    break;
  case HGL_STATE_DOUBLE:
    hgl_cbor_put_double(out, content->number);
    break;
  case HGL_STATE_TEXT:
    hgl_cbor_put_text(out, hgl_bytes(content->data, content->size));
    break;
  case HGL_STATE_BYTES:
    hgl_cbor_put_bytes(out, hgl_bytes(content->data, content->size));
    break;
  case HGL_STATE_TABLE:
    encode_table(content->node, out);
  }
}

/* Decoding ---------------------------------------------------------------------------------- */

static int decode(struct hgl_state *state, struct hgl_cbor_reader *in, int depth,
                  struct hgl_content *out, struct hgl_err *err);

static int read_key(struct hgl_cbor_reader *in, struct hgl_state_key *out, struct hgl_err *err)
{
  struct hgl_cbor_item item = {0};
  int status = hgl_cbor_next(in, &item, err);
  if (status) return status;
  if (item.kind == HGL_CBOR_INT)
    *out = (struct hgl_state_key){.is_int = true, .integer = item.integer};
  else if (item.kind == HGL_CBOR_TEXT && item.bytes.size <= HGL_STATE_KEY_SIZE_MAX)
    *out = (struct hgl_state_key){.text = item.bytes};
  else
    return hgl_fail(err, HGL_CORRUPT, "state: a malformed key in a record");
  return 0;
}

static int decode_pair(struct hgl_state_node *node, struct hgl_cbor_reader *in, int depth,
                       struct hgl_err *err)
{
  struct hgl_state_key key;
  struct hgl_slot *slot = NULL;
  int status = read_key(in, &key, err);
  if (status) return status;
  if (hgl_slots_find(node->slots, &key))
    return hgl_fail(err, HGL_CORRUPT, "state: a key twice in one record");
  status = hgl_slot_create(node, &key, &slot, err);
  if (status == 0) status = decode(node->state, in, depth, &slot->content, err);
  if (status) return status;
  hgl_slots_refresh(node->slots, slot);
  if (slot->content.kind == HGL_STATE_TABLE) {
    struct hgl_state_node *child = slot->content.node;
    child->now.parent = node;
    child->now.slot = slot;
    if (node->now.height <= child->now.height) node->now.height = child->now.height + 1;
  }
  node->now.size += hgl_slot_size(slot, &slot->content);
  return 0;
}

static int decode_table(struct hgl_state *state, struct hgl_cbor_reader *in, size_t count,
                        int depth, struct hgl_content *out, struct hgl_err *err)
{
  struct hgl_state_node *node = NULL;
  uint64_t form = 0;
  if (depth > HGL_STATE_DEPTH_MAX) return hgl_fail(err, HGL_CORRUPT, "state: nested too deep");
  int status = hgl_cbor_get_uint(in, "state", FORM_LIST, &form, err);
  if (status == 0 && count % 2 == 0)
    status = hgl_fail(err, HGL_CORRUPT, "state: a malformed record");
  if (status == 0) status = hgl_state_node_create(state, &node, err);
  if (status) return status;
  node->is_list = form == FORM_LIST;
  for (size_t i = 1; status == 0 && i < count; i += 2)
    status = decode_pair(node, in, depth + 1, err);
  struct hgl_state_key key = {.is_int = true, .integer = 1};
  for (; hgl_slots_find(node->slots, &key); key.integer++) node->now.length++;
  if (status)
    hgl_state_release(node);
  else
    *out = (struct hgl_content){.kind = HGL_STATE_TABLE, .node = node};
  return status;
}

static int decode(struct hgl_state *state, struct hgl_cbor_reader *in, int depth,
                  struct hgl_content *out, struct hgl_err *err)
{
  struct hgl_cbor_item item = {0};
  int status = hgl_cbor_next(in, &item, err);
  if (status) return status;
  struct hgl_state_value value = {.kind = HGL_STATE_NULL};
  switch (item.kind) {
  case HGL_CBOR_INT:
    value.kind = HGL_STATE_INT;
    value.integer = item.integer;
    break;
  case HGL_CBOR_DOUBLE:
    value.kind = HGL_STATE_DOUBLE;
    value.number = item.number;
    break;
  case HGL_CBOR_BOOL:
    value.kind = HGL_STATE_BOOL;
    value.boolean = item.boolean;
    break;
  case HGL_CBOR_NULL:
    break;
  case HGL_CBOR_TEXT:
  case HGL_CBOR_BYTES:
    value.kind = item.kind == HGL_CBOR_TEXT ? HGL_STATE_TEXT : HGL_STATE_BYTES;
    value.bytes = item.bytes;
    break;
  case HGL_CBOR_LIST:
    return decode_table(state, in, item.count, depth, out, err);
  default:
    return hgl_fail(err, HGL_CORRUPT, "state: a malformed record");
  }
  return hgl_content_create(state, &value, out, err);
}

/* Whatever is wrong with a row, its reader hears that the store is corrupt. */
static int as_corrupt(int status, struct hgl_err *err)
{
  if (status == 0 || status == -HGL_NO_MEMORY || status == -HGL_CORRUPT) return status;
  hgl_fail_in(err, "state");
  if (err) err->code = HGL_CORRUPT;
  return -HGL_CORRUPT;
}

int hgl_row_reference(struct hgl_bytes value, uint64_t *table, bool *found, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item = {0};
  uint64_t form = 0;
  *found = false;
  int status = hgl_cbor_next(&in, &item, err);
  if (status || item.kind != HGL_CBOR_LIST) return as_corrupt(status, err);
  status = hgl_cbor_get_uint(&in, "state", FORM_REFERENCE, &form, err);
  if (status || form != FORM_REFERENCE) return as_corrupt(status, err);
  status = hgl_cbor_get_uint(&in, "state", HGL_TABLE_NONE - 1, table, err);
  if (status == 0) status = hgl_cbor_end(&in, "a reference", err);
  if (status == 0) *found = true;
  return as_corrupt(status, err);
}

/* The depth ends references in circles, which only a damaged store has. */
static int create_referenced(struct hgl_state *state, uint64_t table, int depth,
                             struct hgl_content *out, struct hgl_err *err)
{
  struct hgl_state_node *node = NULL;
  if (depth > HGL_STATE_DEPTH_MAX || table == 0 || table >= state->next_table)
    return hgl_fail(err, HGL_CORRUPT, "state: a reference to table %llu, which cannot be",
                    (unsigned long long)table);
  int status = hgl_state_node_create(state, &node, err);
  if (status) return status;
  node->table = table;
  node->complete = node->header_known = false;
  *out = (struct hgl_content){.kind = HGL_STATE_TABLE, .node = node};
  return 0;
}

int hgl_row_decode(struct hgl_state *state, struct hgl_bytes value, int depth,
                   struct hgl_content *out, struct hgl_err *err)
{
  uint64_t table = 0;
  bool reference = false;
  int status = hgl_row_reference(value, &table, &reference, err);
  if (status) return status;
  if (reference) return create_referenced(state, table, depth, out, err);
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_content content = {.kind = HGL_STATE_NIL};
  status = decode(state, &in, depth, &content, err);
  if (status == 0) status = hgl_cbor_end(&in, "a row", err);
  if (status == 0)
    *out = content;
  else
    hgl_content_release(state, &content);
  return as_corrupt(status, err);
}

/* Headers ----------------------------------------------------------------------------------- */

void hgl_state_header_encode(const struct hgl_state_node *node, struct hgl_buf *out)
{
  hgl_cbor_put_list(out, 5);
  hgl_cbor_put_uint(out, node->now.size);
  hgl_cbor_put_uint(out, node->now.length);
  hgl_cbor_put_uint(out, node->now.height);
  hgl_cbor_put_bool(out, node->is_list);
  hgl_cbor_put_uint(out, node->state->root == node ? node->state->next_table : 0);
}

int hgl_state_header_decode(struct hgl_bytes value, struct hgl_state_node *node,
                            struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  uint64_t size = 0, length = 0, height = 0, next = 0;
  size_t count = 0;
  bool is_list = false;
  int status = hgl_cbor_get_list(&in, "header", 5, &count, err);
  if (status == 0) status = hgl_cbor_get_uint(&in, "size", UINT32_MAX, &size, err);
  if (status == 0) status = hgl_cbor_get_uint(&in, "length", UINT32_MAX, &length, err);
  if (status == 0) status = hgl_cbor_get_uint(&in, "height", UINT8_MAX, &height, err);
  if (status == 0) status = hgl_cbor_get_bool(&in, "list", &is_list, err);
  if (status == 0) status = hgl_cbor_get_uint(&in, "next", HGL_TABLE_NONE - 1, &next, err);
  if (status == 0) status = hgl_cbor_end(&in, "header", err);
  if (status) return as_corrupt(status, err);
  node->now.size = (uint32_t)size;
  node->now.length = (uint32_t)length;
  node->now.height = (uint8_t)height;
  node->is_list = is_list;
  if (node->state->root == node) node->state->next_table = next;
  return 0;
}
