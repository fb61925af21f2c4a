#include "base/mem.h"
#include "lua/state_tree.h"

enum { ROW_SIZE_MAX = 4 << 20 };

/* Marking ----------------------------------------------------------------------------------- */

static void link_node(struct hgl_state_node *node)
{
  if (node->in_dirty) return;
  node->in_dirty = true;
  node->dirty_next = node->state->dirty;
  node->state->dirty = node;
  hgl_state_hold(node);
}

static void link_slot(struct hgl_state_node *node, struct hgl_slot *slot)
{
  if (slot->dirty || (slot->content.kind == HGL_STATE_NIL && !slot->stored)) return;
  slot->dirty = true;
  slot->dirty_next = node->dirty_slots;
  node->dirty_slots = slot;
  link_node(node);
}

void hgl_flush_mark(struct hgl_state_node *node, struct hgl_slot *slot)
{
  while (node->table == HGL_TABLE_NONE) {
    if (!node->now.parent) return;
    slot = node->now.slot;
    node = node->now.parent;
  }
  link_slot(node, slot);
}

void hgl_flush_mark_header(struct hgl_state_node *node)
{
  if (node->table == HGL_TABLE_NONE) return;
  node->header_dirty = true;
  link_node(node);
}

/* Writing ----------------------------------------------------------------------------------- */

static bool has_rows_below(const struct hgl_slot *slot)
{
  if (!slot) return false;
  if (slot->content.kind == HGL_STATE_TABLE) {
    const struct hgl_state_node *node = slot->content.node;
    if (node->table != HGL_TABLE_NONE || has_rows_below(node->slots)) return true;
  }
  return has_rows_below(slot->left) || has_rows_below(slot->right);
}

static void mark_all(struct hgl_state_node *node, struct hgl_slot *slot)
{
  if (!slot) return;
  mark_all(node, slot->left);
  mark_all(node, slot->right);
  link_slot(node, slot);
}

/* Gives a table that no longer fits its parent's record rows of its own. */
static void promote(struct hgl_state_node *node)
{
  if (node->table != HGL_TABLE_NONE) return;
  if (node->now.size <= HGL_STATE_INLINE_MAX && !has_rows_below(node->slots)) return;
  node->table = node->state->next_table++;
  mark_all(node, node->slots);
  hgl_flush_mark_header(node);
  hgl_flush_mark_header(node->state->root);
}

static int write_slot(struct hgl_state_node *node, struct hgl_slot *slot, struct hgl_buf *row,
                      struct hgl_err *err)
{
  const struct hgl_state_rows *rows = &node->state->rows;
  struct hgl_state_key key = hgl_slot_key(slot);
  uint8_t key_bytes[HGL_ROW_KEY_SIZE_MAX];
  struct hgl_bytes row_key = hgl_row_key(key_bytes, node->table, &key);
  if (slot->content.kind == HGL_STATE_NIL)
    return slot->stored ? rows->remove(rows->user, row_key, err) : 0;
  if (slot->content.kind == HGL_STATE_TABLE) promote(slot->content.node);
  hgl_buf_clear(row);
  hgl_row_encode(&slot->content, row);
  int status = hgl_buf_check(row, err);
  return status ? status : rows->put(rows->user, row_key, hgl_buf_bytes(row), err);
}

static int write_node(struct hgl_state_node *node, struct hgl_buf *row, struct hgl_err *err)
{
  const struct hgl_state_rows *rows = &node->state->rows;
  for (struct hgl_slot *slot; (slot = node->dirty_slots);) {
    int status = write_slot(node, slot, row, err);
    if (status) return status;
    node->dirty_slots = slot->dirty_next;
    slot->dirty = false;
    slot->stored = true;
    if (slot->content.kind == HGL_STATE_NIL) hgl_slot_destroy(node, slot);
  }
  if (!node->header_dirty) return 0;
  uint8_t key[HGL_ROW_KEY_SIZE_MAX];
  hgl_buf_clear(row);
  hgl_state_header_encode(node, row);
  int status = hgl_buf_check(row, err);
  if (status == 0)
    status = rows->put(rows->user, hgl_row_key(key, node->table, NULL), hgl_buf_bytes(row), err);
  if (status == 0) node->header_dirty = false;
  return status;
}

/* A failure leaves what was not written marked, for another try. */
static int write_dirty(struct hgl_state *state, struct hgl_err *err)
{
  struct hgl_buf row;
  hgl_buf_init(&row, ROW_SIZE_MAX);
  int status = 0;
  while (status == 0 && state->dirty) {
    struct hgl_state_node *node = state->dirty;
    state->dirty = node->dirty_next;
    node->in_dirty = false;
    if (!node->gone) status = write_node(node, &row, err);
    if (status) link_node(node);
    hgl_state_release(node);
  }
  hgl_buf_deinit(&row);
  return status;
}

/* Removing ---------------------------------------------------------------------------------- */

struct collecting {
  struct hgl_state_node *node; /* what is in memory of the table, or NULL */
  struct hgl_buf keys;         /* size (2, native), then the row key, and so on */
  struct hgl_buf tables;       /* uint64_t each: referred to by rows that are not in memory */
};

static int collect(void *user, struct hgl_bytes row_key, struct hgl_bytes value,
                   struct hgl_err *err)
{
  struct collecting *all = user;
  uint16_t size = (uint16_t)row_key.size;
  hgl_buf_append(&all->keys, &size, sizeof size);
  hgl_buf_append_bytes(&all->keys, row_key);
  int status = hgl_buf_check(&all->keys, err);
  if (status || row_key.size == 8) return status;
  struct hgl_state_key key;
  uint64_t table = 0;
  bool found = false;
  status = hgl_row_key_parse(row_key, &key, err);
  if (status || (all->node && hgl_slots_find(all->node->slots, &key))) return status;
  status = hgl_row_reference(value, &table, &found, err);
  if (found) hgl_buf_append(&all->tables, &table, sizeof table);
  return status ? status : hgl_buf_check(&all->tables, err);
}

static int remove_keys(const struct hgl_state_rows *rows, struct hgl_bytes keys,
                       struct hgl_err *err)
{
  int status = 0;
  for (size_t at = 0; status == 0 && at < keys.size;) {
    uint16_t size;
    memcpy(&size, keys.data + at, sizeof size);
    status = rows->remove(rows->user, hgl_bytes(keys.data + at + sizeof size, size), err);
    at += sizeof size + size;
  }
  return status;
}

/* Removes a table's rows and those of the tables that its rows refer to. A slot in memory overrules
 * its row: what it referred to may stand elsewhere by now. */
static int drop_table(struct hgl_state *state, uint64_t table, struct hgl_state_node *node,
                      int depth, struct hgl_err *err)
{
  if (depth > HGL_STATE_DEPTH_MAX) return hgl_fail(err, HGL_CORRUPT, "state: nested too deep");
  const struct hgl_state_rows *rows = &state->rows;
  struct collecting all = {.node = node};
  uint8_t prefix[HGL_ROW_KEY_SIZE_MAX];
  hgl_buf_init(&all.keys, HGL_MEM_REQUEST_MAX);
  hgl_buf_init(&all.tables, HGL_MEM_REQUEST_MAX);
  int status = rows->scan(rows->user, hgl_row_key(prefix, table, NULL), collect, &all, err);
  /* Rows first: so references in circles, which only a damaged store has, end. */
  if (status == 0) status = remove_keys(rows, hgl_buf_bytes(&all.keys), err);
  for (size_t at = 0; status == 0 && at < all.tables.size; at += sizeof table) {
    memcpy(&table, all.tables.data + at, sizeof table);
    status = drop_table(state, table, NULL, depth + 1, err);
  }
  hgl_buf_deinit(&all.tables);
  hgl_buf_deinit(&all.keys);
  return status;
}

static int drop_node(struct hgl_state_node *node, int depth, struct hgl_err *err);

static int drop_slots(const struct hgl_slot *slot, int depth, struct hgl_err *err)
{
  if (!slot) return 0;
  int status = drop_slots(slot->left, depth, err);
  if (status == 0) status = drop_slots(slot->right, depth, err);
  if (status == 0 && slot->content.kind == HGL_STATE_TABLE)
    status = drop_node(slot->content.node, depth + 1, err);
  return status;
}

static int drop_node(struct hgl_state_node *node, int depth, struct hgl_err *err)
{
  int status = drop_slots(node->slots, depth, err);
  if (status == 0 && node->table != HGL_TABLE_NONE)
    status = drop_table(node->state, node->table, node, depth, err);
  return status;
}

static int drop_all(struct hgl_state *state, struct hgl_err *err)
{
  for (struct hgl_state_node *node; (node = state->dropped);) {
    int status = drop_node(node, 0, err);
    if (status) return status;
    state->dropped = node->touched_next;
    hgl_state_node_bury(node);
    hgl_state_release(node);
  }
  return 0;
}

/* Forgetting -------------------------------------------------------------------------------- */

static bool idle_node(const struct hgl_state_node *node);

static bool idle_slots(const struct hgl_slot *slot)
{
  if (!slot) return true;
  if (slot->content.kind == HGL_STATE_TABLE && !idle_node(slot->content.node)) return false;
  return idle_slots(slot->left) && idle_slots(slot->right);
}

/* Nobody but its slot holds it or anything below it. */
static bool idle_node(const struct hgl_state_node *node)
{
  return node->refs == 1 && idle_slots(node->slots);
}

static void forget_slots(struct hgl_state_node *node, struct hgl_slot *slot);

static void forget_below(struct hgl_state_node *node)
{
  if (node->table == HGL_TABLE_NONE) return;
  struct hgl_slot *slots = node->slots;
  node->slots = NULL;
  node->complete = false;
  forget_slots(node, slots);
}

/* Puts back what has to stay. Nothing is dirty here. */
static void forget_slots(struct hgl_state_node *node, struct hgl_slot *slot)
{
  if (!slot) return;
  forget_slots(node, slot->left);
  forget_slots(node, slot->right);
  bool table = slot->content.kind == HGL_STATE_TABLE;
  if (table) forget_below(slot->content.node);
  bool idle = !table || idle_node(slot->content.node);
  hgl_slots_insert(&node->slots, slot);
  if (idle) hgl_slot_destroy(node, slot);
}

int hgl_state_flush(struct hgl_state *state, struct hgl_err *err)
{
  if (!state->rows.get) return 0;
  if (state->open) return hgl_fail(err, HGL_INVALID, "a stretch is open");
  int status = drop_all(state, err);
  if (status == 0) status = write_dirty(state, err);
  const struct hgl_memory *shared = state->shared;
  bool much = state->memory > HGL_STATE_KEEP_MAX || (shared && state->memory > shared->max / 4);
  if (status == 0 && much) forget_below(state->root);
  return status;
}
