#include "lua/state.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "lua/state_tree.h"
#include "protocol/cbor.h"

/* Life -------------------------------------------------------------------------------------- */

int hgl_state_create(const struct hgl_state_rows *rows, size_t size_max, struct hgl_state **out,
                     struct hgl_err *err)
{
  struct hgl_state *state = hgl_zalloc(sizeof *state);
  if (!state) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  state->rows = *rows;
  state->size_max = size_max < UINT32_MAX ? size_max : UINT32_MAX;
  state->random = 2463534242;
  state->next_table = 1;
  int status = hgl_state_node_create(state, &state->root, err);
  if (status) goto done;
  if (rows->get) {
    state->root->table = 0;
    state->root->complete = state->root->header_known = false;
    status = hgl_rows_header(state->root, err);
  }
done:
  if (status)
    hgl_state_destroy(state);
  else
    *out = state;
  return status;
}

void hgl_state_destroy(struct hgl_state *state)
{
  if (!state) return;
  if (state->open) hgl_state_roll_back(state);
  for (struct hgl_state_node *node; (node = state->dropped);) {
    state->dropped = node->touched_next;
    hgl_state_node_bury(node);
    hgl_state_release(node);
  }
  if (state->root) {
    hgl_state_node_bury(state->root);
    hgl_state_release(state->root);
  }
  for (struct hgl_state_node *node; (node = state->dirty);) {
    state->dirty = node->dirty_next;
    hgl_state_release(node);
  }
  hgl_state_free(state, state->undo, state->undo_capacity * sizeof *state->undo);
  hgl_free(state);
}

struct hgl_state_node *hgl_state_root(struct hgl_state *state)
{
  return state->root;
}

size_t hgl_state_size(const struct hgl_state *state)
{
  return state->root->now.size;
}

size_t hgl_state_memory(const struct hgl_state *state)
{
  return state->memory;
}

void hgl_state_share_memory(struct hgl_state *state, struct hgl_memory *memory)
{
  if (state->shared) state->shared->used -= state->memory;
  state->shared = memory;
  memory->used += state->memory;
}

bool hgl_state_dirty(const struct hgl_state *state)
{
  return state->dirty || state->dropped;
}

int hgl_state_table(struct hgl_state *state, struct hgl_state_node **out, struct hgl_err *err)
{
  if (!state->open) return hgl_fail(err, HGL_INVALID, "state can only be written in a handler");
  struct hgl_state_node *node = NULL;
  int status = hgl_state_node_create(state, &node, err);
  if (status) return status;
  hgl_stretch_touch(node);
  *out = node;
  return 0;
}

void hgl_state_mark_list(struct hgl_state_node *node)
{
  assert(!node->now.parent);
  node->is_list = true;
}

bool hgl_state_is_list(const struct hgl_state_node *node)
{
  return node->is_list;
}

/* Reading ----------------------------------------------------------------------------------- */

static int check_there(const struct hgl_state_node *node, struct hgl_err *err)
{
  if (!node->gone) return 0;
  return hgl_fail(err, HGL_CLOSED, "this table was removed from the state");
}

static void forget_twin(struct hgl_state_node *node)
{
  if (!node->twin) return;
  node->twin->twin = NULL;
  node->twin = NULL;
}

/* What the slot holds, as callers see it. */
static int read_slot(struct hgl_slot *slot, struct hgl_state_value *out, struct hgl_err *err)
{
  struct hgl_content *content = &slot->content;
  struct hgl_state_value value = {.kind = (enum hgl_state_kind)content->kind};
  switch (value.kind) {
  case HGL_STATE_NIL:
  case HGL_STATE_NULL:
    break;
  case HGL_STATE_BOOL:
    value.boolean = content->boolean;
    break;
  case HGL_STATE_INT:
    value.integer = content->integer;
    break;
  case HGL_STATE_DOUBLE:
    value.number = content->number;
    break;
  case HGL_STATE_TEXT:
  case HGL_STATE_BYTES:
    value.bytes = hgl_bytes(content->data, content->size);
    break;
  case HGL_STATE_TABLE: {
    int status = hgl_rows_header(content->node, err);
    if (status) return status;
    if (content->node->is_copy) forget_twin(content->node);
    value.node = content->node;
  }
  }
  *out = value;
  return 0;
}

int hgl_state_get(struct hgl_state_node *node, const struct hgl_state_key *key,
                  struct hgl_state_value *out, struct hgl_err *err)
{
  int status = check_there(node, err);
  struct hgl_slot *slot = NULL;
  if (status == 0) status = hgl_rows_slot(node, key, &slot, err);
  if (status) return status;
  if (slot) return read_slot(slot, out, err);
  *out = (struct hgl_state_value){.kind = HGL_STATE_NIL};
  return 0;
}

int hgl_state_next(struct hgl_state_node *node, const struct hgl_state_key *key,
                   struct hgl_state_key *next, struct hgl_state_value *value, bool *more,
                   struct hgl_err *err)
{
  int status = check_there(node, err);
  if (status == 0) status = hgl_rows_complete(node, err);
  if (status) return status;
  struct hgl_slot *slot = hgl_slots_after(node->slots, key);
  if (!slot) {
    *more = false;
    return 0;
  }
  status = read_slot(slot, value, err);
  if (status) return status;
  *next = hgl_slot_key(slot);
  *more = true;
  return 0;
}

int hgl_state_length(struct hgl_state_node *node, int64_t *out, struct hgl_err *err)
{
  int status = check_there(node, err);
  if (status) return status;
  *out = node->now.length;
  return 0;
}

/* Copying ----------------------------------------------------------------------------------- */

static int copy_table(struct hgl_state *state, struct hgl_state_node *from,
                      struct hgl_state_node **out, struct hgl_err *err);

static int copy_slot(struct hgl_state_node *to, const struct hgl_slot *from, struct hgl_err *err)
{
  struct hgl_state_key key = hgl_slot_key(from);
  struct hgl_content content = from->content;
  struct hgl_slot *slot = NULL;
  int status = content.kind == HGL_STATE_TABLE
                   ? copy_table(to->state, from->content.node, &content.node, err)
                   : hgl_content_duplicate(to->state, &from->content, &content, err);
  if (status) return status;
  status = hgl_slot_create(to, &key, &slot, err);
  if (status) {
    hgl_content_release(to->state, &content);
    return status;
  }
  slot->content = content;
  hgl_slots_refresh(to->slots, slot);
  if (content.kind == HGL_STATE_TABLE) {
    content.node->now.parent = to;
    content.node->now.slot = slot;
    if (to->now.height <= content.node->now.height) to->now.height = content.node->now.height + 1;
  }
  to->now.size += hgl_slot_size(slot, &content);
  return 0;
}

static int copy_slots(struct hgl_state_node *to, const struct hgl_slot *from, struct hgl_err *err)
{
  if (!from || !from->live) return 0;
  int status = copy_slots(to, from->left, err);
  if (status == 0 && from->content.kind != HGL_STATE_NIL) status = copy_slot(to, from, err);
  if (status == 0) status = copy_slots(to, from->right, err);
  return status;
}

static int copy_table(struct hgl_state *state, struct hgl_state_node *from,
                      struct hgl_state_node **out, struct hgl_err *err)
{
  struct hgl_state_node *to = NULL;
  int status = hgl_rows_header(from, err);
  if (status == 0) status = hgl_rows_complete(from, err);
  if (status == 0) status = hgl_state_node_create(state, &to, err);
  if (status) return status;
  hgl_stretch_touch(to);
  to->is_list = from->is_list;
  to->now.length = from->now.length;
  status = copy_slots(to, from->slots, err);
  if (status)
    hgl_state_release(to);
  else
    *out = to;
  return status;
}

/* Writing ----------------------------------------------------------------------------------- */

static bool stands_in(const struct hgl_state_node *inner, const struct hgl_state_node *outer)
{
  for (; inner; inner = inner->now.parent)
    if (inner == outer) return true;
  return false;
}

static int check_bytes(enum hgl_state_kind kind, struct hgl_bytes bytes, const char *what,
                       size_t size_max, struct hgl_err *err)
{
  if (bytes.size > size_max)
    return hgl_fail(err, HGL_TOO_LARGE, "%s of %zu bytes, at most %zu are permitted", what,
                    bytes.size, size_max);
  if (kind == HGL_STATE_TEXT && !hgl_utf8_valid(bytes))
    return hgl_fail(err, HGL_BAD_VALUE, "%s that is not UTF-8; use haggle.bytes", what);
  return 0;
}

static int check_write(struct hgl_state_node *node, const struct hgl_state_key *key,
                       const struct hgl_state_value *value, struct hgl_err *err)
{
  int status = check_there(node, err);
  if (status) return status;
  if (!node->state->open)
    return hgl_fail(err, HGL_INVALID, "state can only be written in a handler");
  if (!key->is_int)
    status = check_bytes(HGL_STATE_TEXT, key->text, "a key", HGL_STATE_KEY_SIZE_MAX, err);
  if (status) return status;
  if (value->kind == HGL_STATE_TEXT || value->kind == HGL_STATE_BYTES)
    return check_bytes(value->kind, value->bytes, "a text", HGL_STATE_VALUE_SIZE_MAX, err);
  if (value->kind == HGL_STATE_DOUBLE && !isfinite(value->number))
    return hgl_fail(err, HGL_BAD_VALUE, "a number that is not finite");
  if (value->kind == HGL_STATE_TABLE) status = check_there(value->node, err);
  return status;
}

static int check_room(const struct hgl_state_node *node, uint32_t added, uint32_t freed,
                      struct hgl_err *err)
{
  while (node->now.parent) node = node->now.parent;
  uint64_t size = (uint64_t)node->now.size + added - freed;
  if (added <= freed || size <= node->state->size_max) return 0;
  return hgl_fail(err, HGL_LIMIT, "the state would grow to %llu bytes, its limit is %zu",
                  (unsigned long long)size, node->state->size_max);
}

/* What the slot is going to hold: moved or copied, see hgl_state_set. */
static int prepare(struct hgl_state_node *node, const struct hgl_state_value *value,
                   struct hgl_content *out, struct hgl_err *err)
{
  struct hgl_state *state = node->state;
  if (value->kind != HGL_STATE_TABLE) return hgl_content_create(state, value, out, err);
  struct hgl_state_node *table = value->node;
  if (hgl_state_node_depth(node) + table->now.height > HGL_STATE_DEPTH_MAX)
    return hgl_fail(err, HGL_TOO_DEEP, "nested deeper than %d tables", HGL_STATE_DEPTH_MAX);
  bool around = stands_in(node, table), ours = table->state == state;
  if (ours && !table->now.parent && table != state->root && !around)
    return hgl_content_create(state, value, out, err);
  struct hgl_content content = {.kind = HGL_STATE_TABLE};
  int status = check_room(node, table->now.size, 0, err);
  if (status == 0) status = copy_table(state, table, &content.node, err);
  if (status) return status;
  if (ours && table->now.parent && !around) {
    forget_twin(table);
    table->twin = content.node;
    content.node->twin = table;
    table->is_copy = false;
    content.node->is_copy = true;
  }
  *out = content;
  return 0;
}

/* The border after a write to `key`; reading the rows behind it may fail. */
static int new_length(struct hgl_state_node *node, const struct hgl_state_key *key, bool there,
                      uint32_t *out, struct hgl_err *err)
{
  uint32_t length = node->now.length;
  if (key->is_int && !there && key->integer >= 1 && key->integer <= length)
    length = (uint32_t)(key->integer - 1);
  if (key->is_int && there && key->integer == (int64_t)length + 1) {
    struct hgl_slot *slot = NULL;
    do {
      struct hgl_state_key behind = {.is_int = true, .integer = (int64_t)++length + 1};
      int status = hgl_rows_slot(node, &behind, &slot, err);
      if (status) return status;
    } while (slot && slot->content.kind != HGL_STATE_NIL);
  }
  *out = length;
  return 0;
}

/* The original whose place is lost takes that of its unread copy, which equals it. */
static void take_place_of_copy(struct hgl_state_node *node)
{
  struct hgl_state_node *copy = node->twin;
  if (!copy || node->is_copy || !copy->now.parent) return;
  hgl_stretch_touch(copy);
  node->now.parent = copy->now.parent;
  node->now.slot = copy->now.slot;
  node->now.slot->content.node = node;
  copy->now.parent = NULL;
  copy->now.slot = NULL;
  forget_twin(node);
  hgl_state_hold(node);
  hgl_state_release(copy);
}

static void detach(struct hgl_state_node *node)
{
  node->state->moves++;
  hgl_stretch_touch(node);
  node->now.parent = NULL;
  node->now.slot = NULL;
  take_place_of_copy(node);
}

static void attach(struct hgl_state_node *node, struct hgl_state_node *parent,
                   struct hgl_slot *slot)
{
  hgl_stretch_touch(node);
  node->state->moves++;
  node->now.parent = parent;
  node->now.slot = slot;
  for (; parent && parent->now.height <= node->now.height; parent = parent->now.parent) {
    hgl_stretch_touch(parent);
    parent->now.height = node->now.height + 1;
    node = parent;
  }
}

/* Nothing fails from here on. */
static void commit(struct hgl_state_node *node, struct hgl_slot *slot, struct hgl_content *content,
                   uint32_t length)
{
  struct hgl_state *state = node->state;
  struct hgl_content old = slot->content;
  uint32_t added = hgl_slot_size(slot, content), freed = hgl_slot_size(slot, &old);
  bool logged = hgl_stretch_log(node, slot);
  slot->content = *content;
  if ((old.kind == HGL_STATE_NIL) != (content->kind == HGL_STATE_NIL))
    hgl_slots_refresh(node->slots, slot);
  for (struct hgl_state_node *up = node; up; up = up->now.parent) {
    hgl_stretch_touch(up);
    up->now.size += added - freed;
    forget_twin(up);
  }
  node->now.length = length;
  if (content->kind == HGL_STATE_TABLE) attach(content->node, node, slot);
  if (old.kind == HGL_STATE_TABLE) detach(old.node);
  if (!logged) hgl_content_release(state, &old);
}

int hgl_state_set(struct hgl_state_node *node, const struct hgl_state_key *key,
                  const struct hgl_state_value *value, struct hgl_err *err)
{
  struct hgl_slot *slot = NULL;
  struct hgl_content content = {.kind = HGL_STATE_NIL};
  uint32_t length = 0;
  int status = check_write(node, key, value, err);
  if (status == 0) status = hgl_rows_slot(node, key, &slot, err);
  if (status) return status;
  enum hgl_state_kind old_kind = slot ? (enum hgl_state_kind)slot->content.kind : HGL_STATE_NIL;
  if (value->kind == HGL_STATE_NIL && old_kind == HGL_STATE_NIL) return 0;
  if (value->kind == HGL_STATE_TABLE && old_kind == HGL_STATE_TABLE &&
      slot->content.node == value->node)
    return 0;
  struct hgl_state *state = node->state;
  bool created = !slot;
  if (old_kind == HGL_STATE_TABLE) status = hgl_rows_header(slot->content.node, err);
  if (status == 0) status = prepare(node, value, &content, err);
  if (status == 0 && created) status = hgl_slot_create(node, key, &slot, err);
  if (status == 0) status = hgl_stretch_reserve(state, 1, err);
  if (status == 0)
    status = check_room(node, hgl_slot_size(slot, &content), hgl_slot_size(slot, &slot->content),
                        err);
  if (status == 0) status = new_length(node, key, content.kind != HGL_STATE_NIL, &length, err);
  if (status == 0) {
    commit(node, slot, &content, length);
    return 0;
  }
  if (content.kind == HGL_STATE_TABLE && content.node->is_copy) forget_twin(content.node);
  hgl_content_release(state, &content);
  if (created && slot) hgl_slot_destroy(node, slot);
  return status;
}

/* Reordering -------------------------------------------------------------------------------- */

struct moving {
  struct hgl_slot *slot;
  struct hgl_content content; /* ours when the slot's own goes to the undo log, else the slot's */
};

static int prepare_move(struct hgl_state_node *node, int64_t index, struct moving *out,
                        struct hgl_err *err)
{
  struct hgl_state_key key = {.is_int = true, .integer = index};
  struct hgl_slot *slot = NULL;
  int status = hgl_rows_slot(node, &key, &slot, err);
  if (status) return status;
  if (!slot || slot->content.kind == HGL_STATE_NIL)
    return hgl_fail(err, HGL_INVALID, "no entry %lld", (long long)index);
  struct hgl_content content = slot->content;
  if (!slot->logged) status = hgl_content_duplicate(node->state, &slot->content, &content, err);
  if (status) return status;
  *out = (struct moving){slot, content};
  return 0;
}

int hgl_state_reorder(struct hgl_state_node *node, int64_t first, const size_t *order, size_t count,
                      struct hgl_err *err)
{
  struct hgl_state_value none = {.kind = HGL_STATE_NIL};
  struct hgl_state_key key = {.is_int = true, .integer = first};
  int status = check_write(node, &key, &none, err);
  if (status || count == 0) return status;
  struct moving *moving = hgl_array(count, sizeof *moving);
  if (!moving) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; status == 0 && i < count; i++)
    if (order[i] != i) status = prepare_move(node, first + (int64_t)i, &moving[i], err);
  if (status == 0) status = hgl_stretch_reserve(node->state, count, err);
  if (status) {
    for (size_t i = 0; i < count; i++)
      if (moving[i].slot && !moving[i].slot->logged)
        hgl_content_release(node->state, &moving[i].content);
    goto done;
  }
  for (struct hgl_state_node *up = node; up; up = up->now.parent) {
    hgl_stretch_touch(up);
    forget_twin(up);
  }
  for (size_t i = 0; i < count; i++) {
    if (!moving[i].slot) continue;
    hgl_stretch_log(node, moving[i].slot);
    struct hgl_content content = moving[order[i]].content;
    moving[i].slot->content = content;
    if (content.kind != HGL_STATE_TABLE) continue;
    hgl_stretch_touch(content.node);
    node->state->moves++;
    content.node->now.slot = moving[i].slot;
  }
done:
  hgl_free(moving);
  return status;
}
