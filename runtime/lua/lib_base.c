/* The basic functions. Lua's own where they are harmless; ours where they catch errors, show
 * addresses or reach what scripts must not: load, rawget, rawset, rawlen, collectgarbage, warn are
 * absent. */
#include "lua/vm_core.h"

#include <lualib.h>

/* ---- pcall, xpcall: nothing catches a limit ---- */

static int finish_pcall(lua_State *L, int status, lua_KContext skipped)
{
  if (status != LUA_OK && status != LUA_YIELD) {
    hgl_stretch_caught(L, status);
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
  }
  return lua_gettop(L) - (int)skipped;
}

static int base_pcall(lua_State *L)
{
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
  return finish_pcall(L, status, 0);
}

/* A raise from a hook calls the message handler with hooks off: the script's own must not run then,
 * for nothing could stop it. */
static int handle_message(lua_State *L)
{
  if (hgl_vm_of(L)->doomed) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int base_xpcall(lua_State *L)
{
  int count = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, handle_message, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  int status = lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, finish_pcall);
  return finish_pcall(L, status, 2);
}

/* ---- metatables ---- */

static int base_getmetatable(lua_State *L)
{
  luaL_checkany(L, 1);
  if (!lua_getmetatable(L, 1)) {
    lua_pushnil(L);
    return 1;
  }
  if (lua_type(L, 1) != LUA_TTABLE) {
    lua_pushboolean(L, 0);
    return 1;
  }
  luaL_getmetafield(L, 1, "__metatable");
  return 1;
}

static void refuse_field(lua_State *L, const char *name, const char *why)
{
  lua_pushstring(L, name);
  if (lua_rawget(L, 2) != LUA_TNIL) luaL_error(L, "a metatable with %s: %s", name, why);
  lua_pop(L, 1);
}

/* Lua heeds a __gc only here. A __mode that a handler puts into its metatable later does take
 * effect: then its own table may lose entries at any time, which harms nobody else. The script's
 * variables are searched for that when they are frozen. */
static int base_setmetatable(lua_State *L)
{
  int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
    return luaL_error(L, "cannot change a protected metatable");
  if (type == LUA_TTABLE) {
    refuse_field(L, "__gc", "finalizers are not available to agents");
    refuse_field(L, "__mode", "weak tables are not available to agents");
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

/* ---- the rest ---- */

static int base_tostring(lua_State *L)
{
  luaL_checkany(L, 1);
  hgl_sandbox_tostring(L, 1);
  return 1;
}

void hgl_lib_base_open(lua_State *L)
{
  static const char *const kept[] = {"assert",   "error", "select",  "tonumber",
                                     "rawequal", "type",  "_VERSION"};
  static const luaL_Reg ours[] = {
      {"pcall", base_pcall},
      {"xpcall", base_xpcall},
      {"getmetatable", base_getmetatable},
      {"setmetatable", base_setmetatable},
      {"tostring", base_tostring},
      {"require", hgl_bind_require},
      {NULL, NULL},
  };
  /* luaopen_base fills the global table: let it fill one that is thrown away. */
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushcfunction(L, luaopen_base);
  lua_call(L, 0, 0);
  lua_pushvalue(L, -2);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, -1, kept[i]);
    lua_setfield(L, -3, kept[i]);
  }
  lua_pop(L, 1);
  luaL_setfuncs(L, ours, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "_G");
  lua_pop(L, 1);
}
