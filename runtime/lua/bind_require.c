/* require: source modules from the host, each run once per agent, at the top level only. */
#include "lua/native.h"

/* Runs the module's chunk, on top of the stack, with its name; leaves its value. */
static void run_module(lua_State *L, struct hgl_bytes source, const char *chunk_name)
{
  lua_pushvalue(L, 1);
  int status = lua_pcall(L, 1, 1, 0);
  if (status == LUA_OK) return;
  hgl_stretch_caught(L, status);
  if (lua_type(L, -1) != LUA_TSTRING) lua_error(L);
  struct hgl_err err;
  hgl_fail(&err, HGL_SCRIPT, "%s", lua_tostring(L, -1));
  hgl_chunks_quote_line(&err, source, chunk_name);
  lua_pushstring(L, err.message);
  lua_error(L);
}

/* Pushes the module's value. Its text stays in vm->result only until other code runs. */
static void load_module(lua_State *L, struct hgl_bytes name)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  hgl_buf_clear(&vm->result);
  hgl_buf_clear(&vm->scratch);
  int status = vm->ops.module(vm->ops.user, name, &vm->result, &vm->scratch, &err);
  if (status == 0) status = hgl_buf_check(&vm->result, &err);
  if (status == 0) status = hgl_buf_check(&vm->scratch, &err);
  if (err.code == HGL_NOT_FOUND) luaL_error(L, "module '%s' not found", lua_tostring(L, 1));
  if (status != 0) luaL_error(L, "module '%s': %s", lua_tostring(L, 1), err.message);
  const char *source = lua_pushlstring(L, (const char *)vm->result.data, vm->result.size);
  struct hgl_bytes text = hgl_bytes(source, vm->result.size);
  vm->may_wait |= hgl_journal_source_waits(text);
  const char *chunk_name = lua_pushlstring(L, (const char *)vm->scratch.data, vm->scratch.size);
  if (hgl_chunks_load(vm->chunks, L, text, chunk_name, &err) != 0) {
    if (err.code == HGL_NO_MEMORY) hgl_sandbox_no_memory(L);
    lua_pushstring(L, err.message);
    lua_error(L);
  }
  run_module(L, text, chunk_name);
}

int hgl_bind_require(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  hgl_bind_at_top(L, "require");
  struct hgl_bytes name = hgl_bind_text(L, 1);
  luaL_argcheck(L, name.size > 0 && name.size <= HGL_VM_NAME_SIZE_MAX, 1, "not a module's name");
  lua_settop(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, vm->modules_ref);
  lua_pushvalue(L, 1);
  int found = lua_rawget(L, 2);
  if (found == LUA_TLIGHTUSERDATA)
    return luaL_error(L, "module '%s' requires itself", lua_tostring(L, 1));
  if (found != LUA_TNIL) return 1;
  lua_pop(L, 1);
  if (hgl_bytes_is(name, "haggle")) {
    hgl_bind_haggle_push(L);
  } else if (!hgl_native_push(L, name)) {
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, vm); /* being loaded */
    lua_rawset(L, 2);
    load_module(L, name);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_pushboolean(L, 1);
    }
  }
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, 2);
  return 1;
}
