#include <assert.h>

#include "base/mem.h"
#include "lua/state_tree.h"

void *hgl_state_alloc(struct hgl_state *state, size_t size)
{
  if (!hgl_state_has_room(state, size)) return NULL;
  void *memory = hgl_zalloc(size);
  if (memory) hgl_state_count(state, size, 0);
  return memory;
}

bool hgl_state_has_room(const struct hgl_state *state, size_t size)
{
  const struct hgl_memory *shared = state->shared;
  return !shared || (shared->used <= shared->max && size <= shared->max - shared->used);
}

void hgl_state_count(struct hgl_state *state, size_t taken, size_t given_back)
{
  state->memory += taken - given_back;
  if (state->shared) state->shared->used += taken - given_back;
}

void hgl_state_free(struct hgl_state *state, void *memory, size_t size)
{
  if (!memory) return;
  if (state) hgl_state_count(state, 0, size);
  hgl_free(memory);
}

/* Sizes ------------------------------------------------------------------------------------- */

enum { TABLE_SIZE = 6, KEY_SIZE = 9 };

uint32_t hgl_size_of_empty_table(void)
{
  return TABLE_SIZE;
}

/* The forms of state_code.c, at most. */
static uint32_t content_size(const struct hgl_content *content)
{
  switch ((enum hgl_state_kind)content->kind) {
  case HGL_STATE_NIL:
    return 0;
  case HGL_STATE_NULL:
  case HGL_STATE_BOOL:
    return 1;
  case HGL_STATE_INT:
  case HGL_STATE_DOUBLE:
    return 9;
  case HGL_STATE_TEXT:
  case HGL_STATE_BYTES:
    return content->size + 5;
  case HGL_STATE_TABLE:
    return content->node->now.size;
  }
  return 0;
}

uint32_t hgl_slot_size(const struct hgl_slot *slot, const struct hgl_content *content)
{
  if (content->kind == HGL_STATE_NIL) return 0;
  return KEY_SIZE + (slot->is_int ? 0 : slot->text_size) + content_size(content);
}

/* Contents ---------------------------------------------------------------------------------- */

int hgl_content_duplicate(struct hgl_state *state, const struct hgl_content *content,
                          struct hgl_content *out, struct hgl_err *err)
{
  struct hgl_content copy = *content;
  if (content->kind == HGL_STATE_TABLE) hgl_state_hold(content->node);
  if ((content->kind == HGL_STATE_TEXT || content->kind == HGL_STATE_BYTES) && content->size) {
    copy.data = hgl_state_alloc(state, content->size);
    if (!copy.data) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    memcpy(copy.data, content->data, content->size);
  }
  *out = copy;
  return 0;
}

int hgl_content_create(struct hgl_state *state, const struct hgl_state_value *value,
                       struct hgl_content *out, struct hgl_err *err)
{
  struct hgl_content content = {.kind = (uint8_t)value->kind};
  switch (value->kind) {
  case HGL_STATE_NIL:
  case HGL_STATE_NULL:
    break;
  case HGL_STATE_BOOL:
    content.boolean = value->boolean;
    break;
  case HGL_STATE_INT:
    content.integer = value->integer;
    break;
  case HGL_STATE_DOUBLE:
    content.number = value->number;
    break;
  case HGL_STATE_TEXT:
  case HGL_STATE_BYTES:
    content.size = (uint32_t)value->bytes.size;
    content.data = (uint8_t *)value->bytes.data; /* borrowed, only to be duplicated */
    break;
  case HGL_STATE_TABLE:
    content.node = value->node;
  }
  return hgl_content_duplicate(state, &content, out, err);
}

void hgl_content_release(struct hgl_state *state, struct hgl_content *content)
{
  if (content->kind == HGL_STATE_TABLE)
    hgl_state_release(content->node);
  else if ((content->kind == HGL_STATE_TEXT || content->kind == HGL_STATE_BYTES) && content->size)
    hgl_state_free(state, content->data, content->size);
  *content = (struct hgl_content){.kind = HGL_STATE_NIL};
}

/* Slots ------------------------------------------------------------------------------------- */

static size_t memory_of(const struct hgl_slot *slot)
{
  return sizeof *slot + slot->text_size;
}

/* Marsaglia's xorshift: a treap only needs priorities that keys do not determine. */
static uint32_t next_priority(struct hgl_state *state)
{
  uint32_t x = state->random;
  x ^= x << 13, x ^= x >> 17, x ^= x << 5;
  return state->random = x;
}

int hgl_slot_create(struct hgl_state_node *node, const struct hgl_state_key *key,
                    struct hgl_slot **out, struct hgl_err *err)
{
  size_t text_size = key->is_int ? 0 : key->text.size;
  struct hgl_slot *slot = hgl_state_alloc(node->state, sizeof *slot + text_size);
  if (!slot) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  slot->is_int = key->is_int;
  slot->text_size = (uint16_t)text_size;
  if (key->is_int)
    slot->integer = key->integer;
  else if (text_size)
    memcpy(slot->text, key->text.data, text_size);
  slot->priority = next_priority(node->state);
  hgl_slots_insert(&node->slots, slot);
  *out = slot;
  return 0;
}

void hgl_slot_destroy(struct hgl_state_node *node, struct hgl_slot *slot)
{
  assert(!slot->logged && !slot->dirty);
  hgl_slots_remove(&node->slots, slot);
  hgl_content_release(node->state, &slot->content);
  hgl_state_free(node->state, slot, memory_of(slot));
}

/* Nodes ------------------------------------------------------------------------------------- */

int hgl_state_node_create(struct hgl_state *state, struct hgl_state_node **out, struct hgl_err *err)
{
  struct hgl_state_node *node = hgl_state_alloc(state, sizeof *node);
  if (!node) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  node->state = state;
  node->table = HGL_TABLE_NONE;
  node->refs = 1;
  node->complete = node->header_known = true;
  node->now.size = TABLE_SIZE;
  node->now.height = 1;
  *out = node;
  return 0;
}

void hgl_state_hold(struct hgl_state_node *node)
{
  node->refs++;
}

void hgl_state_release(struct hgl_state_node *node)
{
  assert(node->refs > 0);
  if (--node->refs > 0) return;
  hgl_state_node_bury(node);
  hgl_free(node);
}

struct hgl_state *hgl_state_of(struct hgl_state_node *node)
{
  return node->state;
}

static void bury_slots(struct hgl_state *state, struct hgl_slot *slot)
{
  if (!slot) return;
  bury_slots(state, slot->left);
  bury_slots(state, slot->right);
  if (slot->content.kind == HGL_STATE_TABLE) {
    slot->content.node->now.parent = NULL;
    slot->content.node->now.slot = NULL;
    hgl_state_node_bury(slot->content.node);
  }
  hgl_content_release(state, &slot->content);
  hgl_state_free(state, slot, memory_of(slot));
}

void hgl_state_node_bury(struct hgl_state_node *node)
{
  struct hgl_state *state = node->state;
  if (!state) return;
  bury_slots(state, node->slots);
  hgl_state_count(state, 0, sizeof *node); /* what a view still holds of it may outlive the tree */
  node->slots = node->dirty_slots = NULL;
  node->gone = true;
  node->state = NULL;
}

int hgl_state_node_depth(const struct hgl_state_node *node)
{
  int depth = 0;
  while ((node = node->now.parent)) depth++;
  return depth;
}
