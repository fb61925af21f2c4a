/* What the bindings share: checking arguments, encoding, results. */
#include "lua/vm_core.h"

#include <math.h>

#include "base/duration.h"
#include "protocol/cbor.h"

void hgl_bind_in_handler(lua_State *L, const char *what)
{
  if (hgl_vm_of(L)->loading)
    luaL_error(L, "%s at the top level: a script only declares there; act in a handler", what);
}

void hgl_bind_at_top(lua_State *L, const char *what)
{
  if (!hgl_vm_of(L)->loading)
    luaL_error(L, "%s in a handler: declare at the script's top level", what);
}

struct hgl_bytes hgl_bind_text(lua_State *L, int arg)
{
  luaL_checktype(L, arg, LUA_TSTRING);
  size_t size;
  const char *text = lua_tolstring(L, arg, &size);
  return hgl_bytes(text, size);
}

int64_t hgl_bind_duration(lua_State *L, int index, const char *what)
{
  struct hgl_err err;
  int64_t ms = 0;
  if (lua_type(L, index) == LUA_TNUMBER) {
    lua_Number number = lua_tonumber(L, index);
    if (!(number >= 0 && number <= (lua_Number)HGL_DURATION_MAX_MS))
      luaL_error(L, "%s: milliseconds must be from 0 to a hundred years", what);
    return (int64_t)number;
  }
  if (lua_type(L, index) != LUA_TSTRING)
    luaL_error(L, "%s: a duration is text like \"5s\", or milliseconds; got %s", what,
               luaL_typename(L, index));
  size_t size;
  const char *text = lua_tolstring(L, index, &size);
  if (hgl_duration_parse(hgl_bytes(text, size), &ms, &err) != 0)
    luaL_error(L, "%s: %s", what, err.message);
  return ms;
}

void hgl_bind_encode(lua_State *L, int index, const char *what, struct hgl_buf *out)
{
  struct hgl_err err;
  if (lua_isnoneornil(L, index))
    hgl_cbor_put_map(out, 0);
  else if (hgl_lua_encode(L, index, what, out, &err) != 0)
    err.code == HGL_NO_MEMORY ? hgl_sandbox_no_memory(L) : (void)luaL_error(L, "%s", err.message);
  if (hgl_buf_check(out, &err) != 0) luaL_error(L, "%s: %s", what, err.message);
}

void hgl_bind_options(lua_State *L, int index, const char *const *known)
{
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    bool found = false;
    for (size_t i = 0; known[i] && lua_type(L, -1) == LUA_TSTRING && !found; i++)
      found = strcmp(lua_tostring(L, -1), known[i]) == 0;
    if (found) continue;
    hgl_sandbox_tostring(L, -1);
    const char *option = lua_tostring(L, -1), *list = known[0];
    for (size_t i = 1; known[i]; i++) list = lua_pushfstring(L, "%s, %s", list, known[i]);
    luaL_error(L, "unknown option '%s', known: %s", option, list);
  }
}

/* What only a mistake in the script can cause. */
static bool is_bug(enum hgl_code code)
{
  switch (code) {
  case HGL_INTERNAL:
  case HGL_NO_MEMORY:
  case HGL_INVALID:
  case HGL_MALFORMED:
  case HGL_BAD_VALUE:
  case HGL_BAD_KEY:
  case HGL_TOO_LARGE:
  case HGL_TOO_DEEP:
  case HGL_PROTOCOL_VIOLATION:
    return true;
  default:
    return false;
  }
}

static int nil_why_code(lua_State *L, const struct hgl_err *err)
{
  lua_pushnil(L);
  lua_pushstring(L, err->message);
  lua_pushstring(L, hgl_code_name(err->code));
  return 3;
}

int hgl_bind_failed(lua_State *L, const struct hgl_err *err)
{
  if (is_bug(err->code)) return luaL_error(L, "%s", err->message);
  return nil_why_code(L, err);
}

int hgl_bind_call(lua_State *L, const char *name)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  hgl_buf_clear(&vm->result);
  int status = vm->ops.call(vm->ops.user, name, hgl_buf_bytes(&vm->scratch), &vm->result, &err);
  if (status == 0) status = hgl_buf_check(&vm->result, &err);
  if (status != 0)
    return err.code == HGL_INVALID ? luaL_error(L, "%s", err.message) : nil_why_code(L, &err);
  hgl_lua_push_value(L, hgl_buf_bytes(&vm->result));
  return 1;
}
