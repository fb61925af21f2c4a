/* Naming tables of a tree, and finding them again by the way that leads to them. */
#include "lua/state_tree.h"
#include "protocol/cbor.h"

struct hgl_state_mark *hgl_state_mark(struct hgl_state_node *node)
{
  return &node->mark;
}

uint64_t hgl_state_next_epoch(struct hgl_state *state)
{
  return ++state->epoch;
}

uint64_t hgl_state_moves(const struct hgl_state *state)
{
  return state->moves;
}

int hgl_state_placeholder(struct hgl_state *state, struct hgl_state_node **out, struct hgl_err *err)
{
  return hgl_state_node_create(state, out, err);
}

void hgl_state_remove_placeholder(struct hgl_state_node *node)
{
  hgl_state_node_bury(node);
}

bool hgl_state_path(const struct hgl_state_node *node, struct hgl_buf *out)
{
  const struct hgl_slot *slots[HGL_STATE_DEPTH_MAX + 1];
  int depth = 0;
  if (node->gone || !node->state) return false;
  for (const struct hgl_state_node *up = node; up->now.parent; up = up->now.parent) {
    if (depth > HGL_STATE_DEPTH_MAX) return false;
    slots[depth++] = up->now.slot;
  }
  if (!depth && node != node->state->root) return false;
  hgl_cbor_put_list(out, (size_t)depth);
  while (depth-- > 0) {
    struct hgl_state_key key = hgl_slot_key(slots[depth]);
    if (key.is_int)
      hgl_cbor_put_int(out, key.integer);
    else
      hgl_cbor_put_text(out, key.text);
  }
  return true;
}

static size_t head_size(uint64_t value)
{
  return value < 24            ? 1
         : value <= UINT8_MAX  ? 2
         : value <= UINT16_MAX ? 3
         : value <= UINT32_MAX ? 5
                               : 9;
}

size_t hgl_state_path_size(const struct hgl_state_node *node)
{
  size_t size = 0, depth = 0;
  if (node->gone || !node->state) return 0;
  for (const struct hgl_state_node *up = node; up->now.parent; up = up->now.parent, depth++) {
    if (depth > HGL_STATE_DEPTH_MAX) return 0;
    struct hgl_state_key key = hgl_slot_key(up->now.slot);
    size += key.is_int ? head_size((uint64_t)(key.integer < 0 ? -1 - key.integer : key.integer))
                       : head_size(key.text.size) + key.text.size;
  }
  return depth || node == node->state->root ? head_size(depth) + size : 0;
}

static int read_key(struct hgl_cbor_reader *in, struct hgl_state_key *out, struct hgl_err *err)
{
  struct hgl_cbor_reader probe = *in;
  struct hgl_err ignored;
  out->is_int = hgl_cbor_get_int(&probe, "key", &out->integer, &ignored) == 0;
  if (!out->is_int) return hgl_cbor_get_text(in, "key", HGL_STATE_KEY_SIZE_MAX, &out->text, err);
  *in = probe;
  return 0;
}

int hgl_state_follow(struct hgl_state *state, struct hgl_bytes path, struct hgl_state_node **out,
                     struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(path);
  struct hgl_state_node *node = state->root;
  size_t depth;
  int status = hgl_cbor_get_list(&in, "path", HGL_STATE_DEPTH_MAX + 1, &depth, err);
  for (; !status && node && depth; depth--) {
    struct hgl_state_key key;
    struct hgl_state_value value;
    if ((status = read_key(&in, &key, err)) || (status = hgl_state_get(node, &key, &value, err)))
      break;
    node = value.kind == HGL_STATE_TABLE ? value.node : NULL;
  }
  if (!status) *out = node;
  return status;
}
