/* `state` and `cache`: views, which are userdata that hold a node of the tree. One node has one
 * view as long as that is in use, so that views can be compared and serve as keys. */
#include <stdio.h>

#include "base/mem.h"
#include "lua/views.h"
#include "lua/vm_core.h"
#include "lua/walk.h"

/* Addresses are registry keys. */
static const char view_meta, views;

int hgl_view_fail(lua_State *L, const struct hgl_err *err)
{
  if (err->code == HGL_NO_MEMORY) hgl_sandbox_no_memory(L);
  return luaL_error(L, "%s", err->message);
}

/* What a primitive says when it fails, and the journal with it. */
static int fail(lua_State *L, enum hgl_journal_op op, uint32_t hash, const struct hgl_err *err)
{
  if (err->code != HGL_NO_MEMORY) hgl_journal_note_raise(hgl_vm_of(L), op, hash, err->message);
  return hgl_view_fail(L, err);
}

static uint32_t hash_key(const struct hgl_vm *vm, struct hgl_state_node *node,
                         const struct hgl_state_key *key)
{
  return hgl_journal_on(vm) ? hgl_journal_fold(hgl_journal_hash_key(node, key)) : 0;
}

/* Lua's garbage is under the same limit as the tree: collected, it may leave room. */
static bool try_again(lua_State *L, int status, bool *collected)
{
  if (status != -HGL_NO_MEMORY || *collected) return false;
  *collected = true;
  lua_gc(L, LUA_GCCOLLECT);
  return true;
}

/* Views ------------------------------------------------------------------------------------- */

struct hgl_state_node *hgl_bind_state_node(lua_State *L, int index)
{
  if (lua_type(L, index) != LUA_TUSERDATA || !hgl_lua_has_metatable(L, index, &view_meta))
    return NULL;
  struct hgl_view_hold **box = lua_touserdata(L, index);
  return *box ? (*box)->node : NULL;
}

/* Of a run that was replayed: its views, which it had before others came to the same nodes. */
static bool push_own_view(lua_State *L, struct hgl_state_node *node)
{
  const struct hgl_vm_run *run = hgl_vm_of(L)->run;
  if (!run || !run->views_ref) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, run->views_ref);
  bool found = lua_rawgetp(L, -1, node) != LUA_TNIL;
  lua_remove(L, -2);
  if (!found) lua_pop(L, 1);
  return found;
}

bool hgl_bind_state_has_view(lua_State *L, struct hgl_state_node *node)
{
  bool found = push_own_view(L, node);
  if (!found) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &views);
    found = lua_rawgetp(L, -1, node) != LUA_TNIL;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return found;
}

static void push_weak_table(lua_State *L)
{
  lua_newtable(L);
  lua_newtable(L);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

void hgl_bind_state_new_views(lua_State *L)
{
  push_weak_table(L);
}

void hgl_bind_state_rebind(lua_State *L, struct hgl_state_node *from, struct hgl_state_node *to)
{
  int own = lua_gettop(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &views);
  if (lua_rawgetp(L, -1, from) == LUA_TNIL) {
    hgl_state_remove_placeholder(from);
    lua_settop(L, own);
    return;
  }
  struct hgl_view_hold **box = lua_touserdata(L, -1);
  lua_pushnil(L);
  lua_rawsetp(L, -3, from);
  if (!to) {
    hgl_state_remove_placeholder(from);
    lua_settop(L, own);
    return;
  }
  lua_rawsetp(L, own, to);
  hgl_state_hold(to);
  (*box)->node = to;
  hgl_state_release(from);
  lua_settop(L, own);
}

static struct hgl_view_hold *hold_node(lua_State *L, struct hgl_state_node *node)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_view_hold *hold = hgl_alloc(sizeof *hold);
  if (!hold) hgl_sandbox_no_memory(L);
  *hold = (struct hgl_view_hold){node, vm->view_holds, &vm->view_holds};
  if (hold->next) hold->next->link = &hold->next;
  vm->view_holds = hold;
  hgl_state_hold(node);
  return hold;
}

static void release_hold(struct hgl_view_hold *hold)
{
  *hold->link = hold->next;
  if (hold->next) hold->next->link = hold->link;
  hgl_state_release(hold->node);
  hgl_free(hold);
}

void hgl_bind_state_release_views(struct hgl_vm *vm)
{
  while (vm->view_holds) release_hold(vm->view_holds);
}

void hgl_bind_state_push(lua_State *L, struct hgl_state_node *node)
{
  luaL_checkstack(L, 4, "view");
  if (push_own_view(L, node)) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &views);
  if (lua_rawgetp(L, -1, node) == LUA_TNIL) {
    lua_pop(L, 1);
    struct hgl_view_hold **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &view_meta);
    lua_setmetatable(L, -2);
    *box = hold_node(L, node);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, node);
  }
  lua_remove(L, -2);
}

static struct hgl_state_node *check_view(lua_State *L, int arg)
{
  struct hgl_state_node *node = hgl_bind_state_node(L, arg);
  if (!node) luaL_typeerror(L, arg, "table of state");
  return node;
}

struct hgl_state_key hgl_view_key(lua_State *L, int index)
{
  struct hgl_state_key key = {0};
  size_t size;
  int is_int = 0;
  if (lua_type(L, index) == LUA_TSTRING) {
    const char *text = lua_tolstring(L, index, &size);
    key.text = hgl_bytes(text, size);
    return key;
  }
  if (lua_type(L, index) == LUA_TNUMBER) key.integer = lua_tointegerx(L, index, &is_int);
  if (!is_int)
    luaL_error(L, "a key of state must be text or an integer, not a %s",
               lua_type(L, index) == LUA_TNUMBER ? "fraction" : luaL_typename(L, index));
  key.is_int = true;
  return key;
}

void hgl_view_push_key(lua_State *L, const struct hgl_state_key *key)
{
  if (key->is_int)
    lua_pushinteger(L, key->integer);
  else
    lua_pushlstring(L, (const char *)key->text.data, key->text.size);
}

void hgl_view_push_value(lua_State *L, const struct hgl_state_value *value)
{
  switch (value->kind) {
  case HGL_STATE_NIL:
    lua_pushnil(L);
    break;
  case HGL_STATE_NULL:
    hgl_lua_push_null(L);
    break;
  case HGL_STATE_BOOL:
    lua_pushboolean(L, value->boolean);
    break;
  case HGL_STATE_INT:
    lua_pushinteger(L, value->integer);
    break;
  case HGL_STATE_DOUBLE:
    lua_pushnumber(L, value->number);
    break;
  case HGL_STATE_TEXT:
    lua_pushlstring(L, (const char *)value->bytes.data, value->bytes.size);
    break;
  case HGL_STATE_BYTES:
    hgl_lua_push_bytes(L, value->bytes);
    break;
  case HGL_STATE_TABLE:
    hgl_bind_state_push(L, value->node);
  }
}

void hgl_view_get(lua_State *L, struct hgl_state_node *node, const struct hgl_state_key *key)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  uint32_t hash = hash_key(vm, node, key);
  struct hgl_err err;
  struct hgl_state_value value;
  bool collected = false;
  int status;
  if (hgl_journal_replaying(vm)) {
    hgl_journal_replay(L, HGL_JOURNAL_READ, hash);
    return;
  }
  do status = hgl_state_get(node, key, &value, &err);
  while (try_again(L, status, &collected));
  if (status) fail(L, HGL_JOURNAL_READ, hash, &err);
  hgl_journal_note_value(vm, HGL_JOURNAL_READ, hash, &value);
  hgl_view_push_value(L, &value);
}

int64_t hgl_view_length(lua_State *L, struct hgl_state_node *node)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  uint32_t name = hgl_state_mark(node)->name;
  struct hgl_err err;
  int64_t length = 0;
  if (hgl_journal_replaying(vm)) {
    struct hgl_journal_event event;
    hgl_journal_expect(L, HGL_JOURNAL_LENGTH, name, &event);
    return event.value.kind == HGL_STATE_INT ? event.value.integer : 0;
  }
  if (hgl_state_length(node, &length, &err) != 0) fail(L, HGL_JOURNAL_LENGTH, name, &err);
  hgl_journal_note_int(vm, HGL_JOURNAL_LENGTH, name, length);
  return length;
}

void hgl_view_reorder(lua_State *L, struct hgl_state_node *node, int64_t first, const size_t *order,
                      size_t count)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  uint64_t long_hash = hgl_journal_mix(hgl_state_mark(node)->name, (uint64_t)first);
  for (size_t i = 0; hgl_journal_on(vm) && i < count; i++)
    long_hash = hgl_journal_mix(long_hash, order[i]);
  uint32_t hash = hgl_journal_fold(long_hash);
  struct hgl_err err;
  bool collected = false;
  int status;
  if (hgl_journal_replaying(vm)) {
    struct hgl_journal_event event;
    hgl_journal_expect(L, HGL_JOURNAL_REORDER, hash, &event);
    return;
  }
  do status = hgl_state_reorder(node, first, order, count, &err);
  while (try_again(L, status, &collected));
  if (status) fail(L, HGL_JOURNAL_REORDER, hash, &err);
  hgl_journal_note_bool(vm, HGL_JOURNAL_REORDER, hash, true);
}

/* Lua values into the tree: nothing in this part raises ------------------------------------------
 */

static int from_table(struct hgl_walk *walk, struct hgl_state *state, int index,
                      struct hgl_state_node **out);

static int from_userdata(struct hgl_walk *walk, int index, struct hgl_state_value *out)
{
  lua_State *L = walk->L;
  struct hgl_bytes bytes = hgl_lua_to_bytes(L, index);
  struct hgl_state_node *node = hgl_bind_state_node(L, index);
  if (bytes.data)
    *out = (struct hgl_state_value){.kind = HGL_STATE_BYTES, .bytes = bytes};
  else if (hgl_lua_is_null(L, index))
    *out = (struct hgl_state_value){.kind = HGL_STATE_NULL};
  else if (node)
    *out = (struct hgl_state_value){.kind = HGL_STATE_TABLE, .node = node};
  else
    return hgl_walk_fail_kind(walk, index);
  return 0;
}

/* *made: a new table that the caller releases. */
static int from_lua(struct hgl_walk *walk, struct hgl_state *state, int index,
                    struct hgl_state_value *out, struct hgl_state_node **made)
{
  lua_State *L = walk->L;
  struct hgl_state_value value = {.kind = HGL_STATE_NIL};
  size_t size;
  const char *text;
  int type = lua_type(L, index), status = 0;
  switch (type) {
  case LUA_TNIL:
    break;
  case LUA_TBOOLEAN:
    value.kind = HGL_STATE_BOOL;
    value.boolean = lua_toboolean(L, index);
    break;
  case LUA_TNUMBER:
    value.kind = lua_isinteger(L, index) ? HGL_STATE_INT : HGL_STATE_DOUBLE;
    if (value.kind == HGL_STATE_INT)
      value.integer = lua_tointeger(L, index);
    else
      value.number = lua_tonumber(L, index);
    break;
  case LUA_TSTRING:
    text = lua_tolstring(L, index, &size);
    value.kind = HGL_STATE_TEXT;
    value.bytes = hgl_bytes(text, size);
    break;
  case LUA_TUSERDATA:
    status = from_userdata(walk, index, &value);
    break;
  case LUA_TTABLE:
    value.kind = HGL_STATE_TABLE;
    status = from_table(walk, state, index, made);
    value.node = *made;
    break;
  default:
    status = hgl_walk_fail_kind(walk, index);
  }
  if (status == 0) *out = value;
  return status;
}

/* The pair on top of the stack. */
static int from_pair(struct hgl_walk *walk, struct hgl_state_node *node)
{
  struct hgl_state_value value;
  struct hgl_state_node *made = NULL;
  int status = hgl_walk_step_to(walk, -2);
  if (status) return status;
  const struct hgl_walk_step *step = &walk->steps[walk->depth - 1];
  struct hgl_state_key key = {step->is_int, step->integer, step->text};
  status = from_lua(walk, hgl_state_of(node), lua_gettop(walk->L), &value, &made);
  if (status) return status;
  status = hgl_state_set(node, &key, &value, walk->err);
  if (status) hgl_walk_fail_in(walk);
  if (made) hgl_state_release(made);
  return status;
}

static int from_table(struct hgl_walk *walk, struct hgl_state *state, int index,
                      struct hgl_state_node **out)
{
  lua_State *L = walk->L;
  struct hgl_state_node *node = NULL;
  int status = hgl_walk_enter(walk, lua_topointer(L, index));
  if (status) return status;
  int top = lua_gettop(L);
  hgl_table_push_content(L, index);
  status = hgl_state_table(state, &node, walk->err);
  if (status) goto done;
  if (hgl_lua_is_array(L, top + 1)) hgl_state_mark_list(node);
  lua_pushnil(L);
  while (status == 0 && lua_next(L, top + 1)) {
    status = from_pair(walk, node);
    lua_pop(L, 1);
  }
  if (status)
    hgl_state_release(node);
  else
    *out = node;
done:
  lua_settop(L, top);
  hgl_walk_leave(walk);
  return status;
}

/* One attempt; nothing is left of it when it fails. */
static int set(lua_State *L, struct hgl_state_node *node, const struct hgl_state_key *key,
               int index, struct hgl_err *err)
{
  struct hgl_state_value value;
  struct hgl_state_node *made = NULL;
  struct hgl_walk walk = {.L = L, .verb = "kept in state", .err = err};
  char what[64];
  if (key->is_int)
    snprintf(what, sizeof what, "[%lld]", (long long)key->integer);
  else
    snprintf(what, sizeof what, "%.40s", key->text.size ? (const char *)key->text.data : "");
  walk.what = what;
  struct hgl_state *state = hgl_state_of(node);
  if (!state) return hgl_fail(err, HGL_CLOSED, "this table was removed from the state");
  int status = from_lua(&walk, state, index, &value, &made);
  if (status == 0) {
    status = hgl_state_set(node, key, &value, err);
    if (status) hgl_walk_fail_in(&walk);
  }
  if (made) hgl_state_release(made);
  return status;
}

void hgl_view_set(lua_State *L, struct hgl_state_node *node, const struct hgl_state_key *key,
                  int index)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err;
  bool collected = false;
  int status;
  luaL_checkstack(L, 8, "state");
  index = lua_absindex(L, index);
  uint32_t hash = 0;
  if (hgl_journal_on(vm))
    hash = hgl_journal_fold(
        hgl_journal_mix(hgl_journal_hash_key(node, key), hgl_journal_hash_value(L, index)));
  if (hgl_journal_replaying(vm)) {
    struct hgl_journal_event event;
    hgl_journal_expect(L, HGL_JOURNAL_WRITE, hash, &event);
    return;
  }
  do status = set(L, node, key, index, &err);
  while (try_again(L, status, &collected));
  if (status) fail(L, HGL_JOURNAL_WRITE, hash, &err);
  hgl_journal_note_bool(vm, HGL_JOURNAL_WRITE, hash, true);
}

/* Metamethods ------------------------------------------------------------------------------- */

static int view_index(lua_State *L)
{
  struct hgl_state_node *node = check_view(L, 1);
  struct hgl_state_key key = hgl_view_key(L, 2);
  hgl_view_get(L, node, &key);
  return 1;
}

static int view_newindex(lua_State *L)
{
  struct hgl_state_node *node = check_view(L, 1);
  struct hgl_state_key key = hgl_view_key(L, 2);
  hgl_view_set(L, node, &key, 3);
  return 0;
}

static int view_length(lua_State *L)
{
  lua_pushinteger(L, hgl_view_length(L, check_view(L, 1)));
  return 1;
}

int hgl_view_next(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_state_node *node = check_view(L, 1);
  struct hgl_state_key key = {.is_int = true, .integer = INT64_MIN}, next;
  struct hgl_state_value value;
  struct hgl_err err;
  bool more = false, first = lua_isnoneornil(L, 2), collected = false;
  if (!first) key = hgl_view_key(L, 2);
  uint32_t hash = hash_key(vm, node, &key);
  int status;
  if (hgl_journal_replaying(vm)) return hgl_journal_replay(L, HGL_JOURNAL_NEXT, hash);
  do status = hgl_state_next(node, first ? NULL : &key, &next, &value, &more, &err);
  while (try_again(L, status, &collected));
  if (status) fail(L, HGL_JOURNAL_NEXT, hash, &err);
  hgl_journal_note_next(vm, hash, more ? &next : NULL, more ? &value : NULL);
  if (!more) {
    lua_pushnil(L);
    return 1;
  }
  hgl_view_push_key(L, &next);
  hgl_view_push_value(L, &value);
  return 2;
}

static int view_pairs(lua_State *L)
{
  check_view(L, 1);
  lua_pushcfunction(L, hgl_view_next);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

static int view_tostring(lua_State *L)
{
  lua_pushliteral(L, "table of state");
  return 1;
}

static int view_gc(lua_State *L)
{
  struct hgl_view_hold **box = lua_touserdata(L, 1);
  if (*box) release_hold(*box);
  *box = NULL;
  return 0;
}

void hgl_bind_state_open(lua_State *L)
{
  static const luaL_Reg metamethods[] = {
      {"__index", view_index},
      {"__newindex", view_newindex},
      {"__len", view_length},
      {"__pairs", view_pairs},
      {"__tostring", view_tostring},
      {"__gc", view_gc},
      {NULL, NULL},
  };
  luaL_newlib(L, metamethods);
  lua_pushliteral(L, "table of state");
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &view_meta);
  push_weak_table(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &views);
}
