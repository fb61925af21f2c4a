#include "lua/state_tree.h"

enum { ROW_SIZE_MAX = 4 << 20 };

/* Memory that may grow beyond what a node takes part in: what a row says is put in a new slot. */
static int add_slot(struct hgl_state_node *node, const struct hgl_state_key *key,
                    struct hgl_bytes value, struct hgl_slot **out, struct hgl_err *err)
{
  struct hgl_content content = {.kind = HGL_STATE_NIL};
  struct hgl_slot *slot = NULL;
  int status = hgl_row_decode(node->state, value, hgl_state_node_depth(node) + 1, &content, err);
  if (status) return status;
  status = hgl_slot_create(node, key, &slot, err);
  if (status) {
    hgl_content_release(node->state, &content);
    return status;
  }
  slot->content = content;
  slot->stored = true;
  hgl_slots_refresh(node->slots, slot);
  if (content.kind == HGL_STATE_TABLE) {
    content.node->now.parent = node;
    content.node->now.slot = slot;
  }
  *out = slot;
  return 0;
}

int hgl_rows_slot(struct hgl_state_node *node, const struct hgl_state_key *key,
                  struct hgl_slot **out, struct hgl_err *err)
{
  struct hgl_slot *slot = hgl_slots_find(node->slots, key);
  if (slot || node->complete || (!key->is_int && key->text.size > HGL_STATE_KEY_SIZE_MAX)) {
    *out = slot;
    return 0;
  }
  uint8_t key_bytes[HGL_ROW_KEY_SIZE_MAX];
  const struct hgl_state_rows *rows = &node->state->rows;
  struct hgl_buf row;
  hgl_buf_init(&row, ROW_SIZE_MAX);
  int status = rows->get(rows->user, hgl_row_key(key_bytes, node->table, key), &row, err);
  if (status == 0) status = add_slot(node, key, hgl_buf_bytes(&row), &slot, err);
  hgl_buf_deinit(&row);
  if (status == -HGL_NOT_FOUND) status = 0;
  if (status == 0) *out = slot;
  return status;
}

static int visit(void *user, struct hgl_bytes row_key, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_state_node *node = user;
  struct hgl_state_key key;
  struct hgl_slot *slot = NULL;
  if (row_key.size == 8) return 0; /* the header */
  int status = hgl_row_key_parse(row_key, &key, err);
  if (status || hgl_slots_find(node->slots, &key)) return status;
  return add_slot(node, &key, value, &slot, err);
}

int hgl_rows_complete(struct hgl_state_node *node, struct hgl_err *err)
{
  if (node->complete) return 0;
  uint8_t prefix[HGL_ROW_KEY_SIZE_MAX];
  const struct hgl_state_rows *rows = &node->state->rows;
  int status = rows->scan(rows->user, hgl_row_key(prefix, node->table, NULL), visit, node, err);
  if (status == 0) node->complete = true;
  return status;
}

int hgl_rows_header(struct hgl_state_node *node, struct hgl_err *err)
{
  if (node->header_known) return 0;
  uint8_t key[HGL_ROW_KEY_SIZE_MAX];
  const struct hgl_state_rows *rows = &node->state->rows;
  struct hgl_buf row;
  hgl_buf_init(&row, ROW_SIZE_MAX);
  int status = rows->get(rows->user, hgl_row_key(key, node->table, NULL), &row, err);
  if (status == 0) status = hgl_state_header_decode(hgl_buf_bytes(&row), node, err);
  hgl_buf_deinit(&row);
  if (status == -HGL_NOT_FOUND) {
    if (node != node->state->root)
      return hgl_fail(err, HGL_CORRUPT, "state: the header of table %llu is missing",
                      (unsigned long long)node->table);
    node->complete = true; /* nothing was ever written */
    status = 0;
  }
  if (status == 0) node->header_known = true;
  return status;
}
