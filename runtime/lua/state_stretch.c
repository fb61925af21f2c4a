#include <assert.h>

#include "base/mem.h"
#include "lua/state_tree.h"

void hgl_state_begin(struct hgl_state *state)
{
  assert(!state->open);
  state->open = true;
}

size_t hgl_state_writes(const struct hgl_state *state)
{
  return state->undo_count;
}

void hgl_stretch_touch(struct hgl_state_node *node)
{
  if (node->touched) return;
  node->touched = true;
  node->before = node->now;
  node->touched_next = node->state->touched;
  node->state->touched = node;
  hgl_state_hold(node);
}

int hgl_stretch_reserve(struct hgl_state *state, size_t count, struct hgl_err *err)
{
  size_t needed = state->undo_count + count;
  if (needed <= state->undo_capacity) return 0;
  size_t capacity = state->undo_capacity ? state->undo_capacity * 2 : 16;
  if (capacity < needed) capacity = needed;
  size_t growth = (capacity - state->undo_capacity) * sizeof *state->undo;
  struct hgl_undo *undo = NULL;
  if (hgl_state_has_room(state, growth)) undo = hgl_realloc(state->undo, capacity * sizeof *undo);
  if (!undo) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_state_count(state, growth, 0);
  state->undo = undo;
  state->undo_capacity = capacity;
  return 0;
}

bool hgl_stretch_log(struct hgl_state_node *node, struct hgl_slot *slot)
{
  if (slot->logged) return false;
  struct hgl_state *state = node->state;
  assert(state->undo_count < state->undo_capacity);
  slot->logged = true;
  state->undo[state->undo_count++] = (struct hgl_undo){node, slot, slot->content};
  return true;
}

/* Ending ------------------------------------------------------------------------------------ */

/* A trace whose removal no row has to hear of. */
static void clean_up(const struct hgl_undo *undo)
{
  if (undo->slot->content.kind == HGL_STATE_NIL && !undo->slot->dirty)
    hgl_slot_destroy(undo->node, undo->slot);
}

/* Keeps the log for the next stretch, unless it has grown out of the ordinary. */
static void empty_log(struct hgl_state *state)
{
  enum { KEPT = 64 };
  state->undo_count = 0;
  if (state->undo_capacity <= KEPT) return;
  hgl_state_free(state, state->undo, state->undo_capacity * sizeof *state->undo);
  state->undo = NULL;
  state->undo_capacity = 0;
}

static struct hgl_state_node *next_touched(struct hgl_state *state)
{
  struct hgl_state_node *node = state->touched;
  if (!node) return NULL;
  state->touched = node->touched_next;
  node->touched = false;
  return node;
}

static bool any_rows(const struct hgl_state_node *node);

/* Marks every table below as gone; true when one of them has rows. */
static bool slots_gone(struct hgl_slot *slot)
{
  if (!slot) return false;
  bool rows = slots_gone(slot->left);
  rows |= slots_gone(slot->right);
  if (slot->content.kind == HGL_STATE_TABLE) {
    slot->content.node->gone = true;
    rows |= any_rows(slot->content.node);
  }
  return rows;
}

static bool any_rows(const struct hgl_state_node *node)
{
  return slots_gone(node->slots) || node->table != HGL_TABLE_NONE;
}

/* Takes over the hold of the touched list. */
static void retire(struct hgl_state_node *node)
{
  if (!node->gone && !node->now.parent && node != node->state->root) {
    struct hgl_state *state = node->state;
    node->gone = true;
    if (any_rows(node)) {
      node->touched_next = state->dropped;
      state->dropped = node;
      return;
    }
    hgl_state_node_bury(node);
  }
  hgl_state_release(node);
}

static void forget_twins(struct hgl_state *state)
{
  for (struct hgl_state_node *node = state->touched; node; node = node->touched_next) {
    if (node->twin) node->twin->twin = NULL;
    node->twin = NULL;
  }
}

void hgl_state_accept(struct hgl_state *state)
{
  assert(state->open);
  state->open = false;
  forget_twins(state);
  for (size_t i = 0; i < state->undo_count; i++) {
    struct hgl_undo *undo = &state->undo[i];
    undo->slot->logged = false;
    hgl_flush_mark(undo->node, undo->slot);
    hgl_content_release(state, &undo->old);
    clean_up(undo);
  }
  empty_log(state);
  for (struct hgl_state_node *node = state->touched; node; node = node->touched_next)
    if (node->now.size != node->before.size || node->now.length != node->before.length ||
        node->now.height != node->before.height)
      hgl_flush_mark_header(node);
  for (struct hgl_state_node *node; (node = next_touched(state));) retire(node);
}

void hgl_state_roll_back(struct hgl_state *state)
{
  assert(state->open);
  state->open = false;
  forget_twins(state);
  for (size_t i = state->undo_count; i-- > 0;) {
    struct hgl_undo *undo = &state->undo[i];
    hgl_content_release(state, &undo->slot->content);
    undo->slot->content = undo->old;
    undo->slot->logged = false;
    hgl_slots_refresh(undo->node->slots, undo->slot);
  }
  for (struct hgl_state_node *node = state->touched; node; node = node->touched_next)
    node->now = node->before;
  for (size_t i = 0; i < state->undo_count; i++) clean_up(&state->undo[i]);
  empty_log(state);
  for (struct hgl_state_node *node; (node = next_touched(state));) {
    if (node->state && !node->now.parent && node != node->state->root) hgl_state_node_bury(node);
    hgl_state_release(node);
  }
}
