/* Lines that the operator gives (HGL_VM_CONSOLE): how one becomes a handler, and what it could have
 * been completed to. */
#include "lua/vm_core.h"
#include "lua/walk.h"

#include "protocol/cbor.h"

enum { NAMES_MAX = 200 };

static int compile(lua_State *L, const char *prefix, struct hgl_bytes line)
{
  lua_pushstring(L, prefix);
  lua_pushlstring(L, (const char *)line.data, line.size);
  lua_concat(L, 2);
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  int status = luaL_loadbufferx(L, text, size, "=console", "t");
  lua_remove(L, -2);
  return status;
}

/* An expression gives its values, as if it said `return`. */
void hgl_console_push(lua_State *L, struct hgl_bytes line)
{
  if (compile(L, "return ", line) == LUA_OK) return;
  lua_pop(L, 1);
  if (compile(L, "", line) != LUA_OK) lua_error(L);
}

/* ---- completion ---- */

struct complete {
  struct hgl_vm *vm;
  struct hgl_bytes text;
  struct hgl_buf *names; /* encoded texts */
  size_t count;
};

static bool is_word(uint8_t c)
{
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void offer(struct complete *complete, struct hgl_bytes name, struct hgl_bytes begin)
{
  bool fits = name.size >= begin.size && name.size &&
              memcmp(name.data, begin.data, begin.size) == 0;
  for (size_t i = 0; i < name.size; i++) fits = fits && is_word(name.data[i]);
  if (!fits || (name.data[0] >= '0' && name.data[0] <= '9') || complete->count >= NAMES_MAX) return;
  hgl_cbor_put_text(complete->names, name);
  complete->count++;
}

static void offer_node(struct complete *complete, struct hgl_state_node *node,
                       struct hgl_bytes begin)
{
  struct hgl_state_key key, last;
  struct hgl_state_value value;
  struct hgl_err err;
  bool more;
  int status = hgl_state_next(node, NULL, &key, &value, &more, &err);
  while (!status && more && complete->count < NAMES_MAX) {
    hgl_stretch_look(complete->vm->L);
    if (!key.is_int) offer(complete, key.text, begin);
    last = key;
    status = hgl_state_next(node, &last, &key, &value, &more, &err);
  }
}

/* What the table on top of the stack has, made or not. */
static void offer_table(struct complete *complete, lua_State *L, struct hgl_bytes begin)
{
  if (hgl_lib_is_lazy(L, lua_gettop(L))) hgl_lib_complete(L, lua_gettop(L));
  hgl_table_push_content(L, -1);
  int table = lua_gettop(L);
  if (hgl_lib_is_lazy(L, table)) hgl_lib_complete(L, table);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    size_t size;
    hgl_stretch_look(L);
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    const char *name = lua_tolstring(L, -2, &size);
    offer(complete, hgl_bytes(name, size), begin);
  }
  lua_pop(L, 1);
}

/* Replaces the value on top by its field; nothing of a script is called. False: there is none. */
static bool step(lua_State *L, struct hgl_bytes name)
{
  struct hgl_state_node *node = hgl_bind_state_node(L, -1);
  if (node) {
    const struct hgl_state_key key = {.text = name};
    hgl_view_get(L, node, &key);
  } else if (lua_istable(L, -1)) {
    if (hgl_lib_is_lazy(L, lua_gettop(L))) hgl_lib_complete(L, lua_gettop(L));
    hgl_table_push_content(L, -1);
    if (hgl_lib_is_lazy(L, lua_gettop(L))) hgl_lib_complete(L, lua_gettop(L));
    lua_pushlstring(L, (const char *)name.data, name.size);
    lua_rawget(L, -2);
    lua_remove(L, -2);
  } else {
    return false;
  }
  lua_remove(L, -2);
  return !lua_isnil(L, -1);
}

/* "state.lots.a" stands at the end of the text: the table of state.lots, and "a". */
static int complete_names(lua_State *L)
{
  struct complete *complete = lua_touserdata(L, 1);
  struct hgl_bytes text = complete->text;
  size_t begin = text.size;
  while (begin && (is_word(text.data[begin - 1]) || text.data[begin - 1] == '.' ||
                   text.data[begin - 1] == ':'))
    begin--;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  for (size_t at = begin;; at++) {
    size_t end = at;
    while (end < text.size && is_word(text.data[end])) end++;
    struct hgl_bytes word = hgl_bytes(text.data + at, end - at);
    if (end == text.size) {
      struct hgl_state_node *node = hgl_bind_state_node(L, -1);
      if (node)
        offer_node(complete, node, word);
      else if (lua_istable(L, -1))
        offer_table(complete, L, word);
      return 0;
    }
    if (!step(L, word)) return 0;
    at = end;
  }
}

int hgl_vm_complete(struct hgl_vm *vm, struct hgl_bytes text, struct hgl_buf *names, size_t *count,
                    struct hgl_err *err)
{
  struct complete complete = {.vm = vm, .text = text, .names = names};
  hgl_stretch_begin(vm, vm->L);
  int status = hgl_run_protected(vm, complete_names, &complete);
  lua_settop(vm->L, 0);
  hgl_stretch_end(vm);
  if (status != LUA_OK) return hgl_fail(err, HGL_LIMIT, "there is no room to look for names");
  *count = complete.count;
  return hgl_buf_check(names, err);
}
