#include "lua/state_tree.h"

struct hgl_state_key hgl_slot_key(const struct hgl_slot *slot)
{
  if (slot->is_int) return (struct hgl_state_key){.is_int = true, .integer = slot->integer};
  return (struct hgl_state_key){.text = hgl_bytes(slot->text, slot->text_size)};
}

static int compare(const struct hgl_state_key *key, const struct hgl_slot *slot)
{
  if (key->is_int != slot->is_int) return key->is_int ? -1 : 1;
  if (key->is_int) return key->integer < slot->integer ? -1 : key->integer > slot->integer;
  return hgl_bytes_compare(key->text, hgl_bytes(slot->text, slot->text_size));
}

static void update(struct hgl_slot *slot)
{
  slot->live = slot->content.kind != HGL_STATE_NIL || (slot->left && slot->left->live) ||
               (slot->right && slot->right->live);
}

struct hgl_slot *hgl_slots_find(struct hgl_slot *top, const struct hgl_state_key *key)
{
  while (top) {
    int order = compare(key, top);
    if (order == 0) return top;
    top = order < 0 ? top->left : top->right;
  }
  return NULL;
}

struct hgl_slot *hgl_slots_after(struct hgl_slot *top, const struct hgl_state_key *key)
{
  if (!top || !top->live) return NULL;
  if (key && compare(key, top) >= 0) return hgl_slots_after(top->right, key);
  struct hgl_slot *found = hgl_slots_after(top->left, key);
  if (found) return found;
  if (top->content.kind != HGL_STATE_NIL) return top;
  return hgl_slots_after(top->right, NULL);
}

static struct hgl_slot *rotate_right(struct hgl_slot *top)
{
  struct hgl_slot *left = top->left;
  top->left = left->right;
  left->right = top;
  update(top);
  return left;
}

static struct hgl_slot *rotate_left(struct hgl_slot *top)
{
  struct hgl_slot *right = top->right;
  top->right = right->left;
  right->left = top;
  update(top);
  return right;
}

static struct hgl_slot *insert(struct hgl_slot *top, const struct hgl_state_key *key,
                               struct hgl_slot *slot)
{
  if (!top) return slot;
  if (compare(key, top) < 0) {
    top->left = insert(top->left, key, slot);
    if (top->left->priority > top->priority) top = rotate_right(top);
  } else {
    top->right = insert(top->right, key, slot);
    if (top->right->priority > top->priority) top = rotate_left(top);
  }
  update(top);
  return top;
}

void hgl_slots_insert(struct hgl_slot **top, struct hgl_slot *slot)
{
  struct hgl_state_key key = hgl_slot_key(slot);
  slot->left = slot->right = NULL;
  update(slot);
  *top = insert(*top, &key, slot);
}

static struct hgl_slot *merge(struct hgl_slot *left, struct hgl_slot *right)
{
  if (!left) return right;
  if (!right) return left;
  struct hgl_slot *top = left->priority > right->priority ? left : right;
  if (top == left)
    left->right = merge(left->right, right);
  else
    right->left = merge(left, right->left);
  update(top);
  return top;
}

static struct hgl_slot *without(struct hgl_slot *top, const struct hgl_state_key *key)
{
  int order = compare(key, top);
  if (order == 0) return merge(top->left, top->right);
  if (order < 0)
    top->left = without(top->left, key);
  else
    top->right = without(top->right, key);
  update(top);
  return top;
}

void hgl_slots_remove(struct hgl_slot **top, struct hgl_slot *slot)
{
  struct hgl_state_key key = hgl_slot_key(slot);
  *top = without(*top, &key);
}

static void refresh(struct hgl_slot *top, const struct hgl_state_key *key)
{
  int order = compare(key, top);
  if (order < 0) refresh(top->left, key);
  if (order > 0) refresh(top->right, key);
  update(top);
}

void hgl_slots_refresh(struct hgl_slot *top, const struct hgl_slot *slot)
{
  struct hgl_state_key key = hgl_slot_key(slot);
  refresh(top, &key);
}
