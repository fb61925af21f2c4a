#include "lua/convert.h"

#include <lauxlib.h>

#include "lua/walk.h"
#include "protocol/cbor.h"

/* Addresses are registry keys. */
static const char bytes_meta, array_meta, null_value;

/* haggle.bytes ------------------------------------------------------------------------------ */

void hgl_lua_push_bytes(lua_State *L, struct hgl_bytes bytes)
{
  void *block = lua_newuserdatauv(L, bytes.size, 0);
  if (bytes.size) memcpy(block, bytes.data, bytes.size);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &bytes_meta);
  lua_setmetatable(L, -2);
}

bool hgl_lua_has_metatable(lua_State *L, int index, const void *key)
{
  if (!lua_getmetatable(L, index)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

struct hgl_bytes hgl_lua_to_bytes(lua_State *L, int index)
{
  if (lua_type(L, index) != LUA_TUSERDATA || !hgl_lua_has_metatable(L, index, &bytes_meta))
    return hgl_bytes(NULL, 0);
  return hgl_bytes(lua_touserdata(L, index), lua_rawlen(L, index));
}

static struct hgl_bytes check_bytes(lua_State *L, int arg)
{
  struct hgl_bytes bytes = hgl_lua_to_bytes(L, arg);
  if (!bytes.data) luaL_typeerror(L, arg, "haggle.bytes");
  return bytes;
}

static int bytes_length(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)check_bytes(L, 1).size);
  return 1;
}

static int bytes_equal(lua_State *L)
{
  struct hgl_bytes a = hgl_lua_to_bytes(L, 1), b = hgl_lua_to_bytes(L, 2);
  lua_pushboolean(L, a.data && b.data && hgl_bytes_equal(a, b));
  return 1;
}

static int bytes_tostring(lua_State *L)
{
  lua_pushfstring(L, "haggle.bytes (%I)", (LUAI_UACINT)check_bytes(L, 1).size);
  return 1;
}

/* bytes:raw(): the same bytes as a Lua string. */
static int bytes_raw(lua_State *L)
{
  struct hgl_bytes bytes = check_bytes(L, 1);
  lua_pushlstring(L, (const char *)bytes.data, bytes.size);
  return 1;
}

/* haggle.array, haggle.null ----------------------------------------------------------------- */

int hgl_lua_array(lua_State *L)
{
  if (lua_isnoneornil(L, 1))
    lua_newtable(L);
  else
    luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  if (lua_getmetatable(L, 1)) {
    luaL_argcheck(L, hgl_lua_is_array(L, 1), 1, "a table without a metatable expected");
    lua_pop(L, 1);
  }
  hgl_lua_mark_array(L, 1);
  return 1;
}

void hgl_lua_mark_array(lua_State *L, int index)
{
  index = lua_absindex(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &array_meta);
  lua_setmetatable(L, index);
}

bool hgl_lua_is_array(lua_State *L, int index)
{
  return hgl_lua_has_metatable(L, index, &array_meta);
}

void hgl_lua_push_null(lua_State *L)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, &null_value);
}

bool hgl_lua_is_null(lua_State *L, int index)
{
  if (lua_type(L, index) != LUA_TUSERDATA) return false;
  index = lua_absindex(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &null_value);
  bool same = lua_rawequal(L, index, -1);
  lua_pop(L, 1);
  return same;
}

static int null_tostring(lua_State *L)
{
  lua_pushliteral(L, "haggle.null");
  return 1;
}

/* Scripts see the name instead of the metatable. */
static void protect(lua_State *L, const char *name)
{
  lua_pushstring(L, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
}

void hgl_convert_open(lua_State *L)
{
  static const luaL_Reg bytes_functions[] = {
      {"__len", bytes_length}, {"__eq", bytes_equal}, {"__tostring", bytes_tostring}, {NULL, NULL}};
  static const luaL_Reg bytes_methods[] = {{"raw", bytes_raw}, {NULL, NULL}};
  luaL_newlib(L, bytes_functions);
  luaL_newlib(L, bytes_methods);
  lua_setfield(L, -2, "__index");
  protect(L, "haggle.bytes");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &bytes_meta);

  lua_newtable(L);
  protect(L, "haggle.array");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &array_meta);

  lua_newuserdatauv(L, 0, 0);
  lua_newtable(L);
  lua_pushcfunction(L, null_tostring);
  lua_setfield(L, -2, "__tostring");
  protect(L, "haggle.null");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &null_value);
}

/* CBOR to Lua ------------------------------------------------------------------------------- */

static void push_item(lua_State *L, struct hgl_cbor_reader *in);

static void push_list(lua_State *L, struct hgl_cbor_reader *in, size_t count)
{
  luaL_checkstack(L, 4, "value");
  lua_createtable(L, (int)count, 0);
  if (count == 0) hgl_lua_mark_array(L, -1);
  for (size_t i = 1; i <= count; i++) {
    double number;
    if (hgl_cbor_take_double(in, &number))
      lua_pushnumber(L, number);
    else
      push_item(L, in);
    lua_rawseti(L, -2, (lua_Integer)i);
  }
}

static void push_map(lua_State *L, struct hgl_cbor_reader *in, size_t count)
{
  luaL_checkstack(L, 4, "value");
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) {
    push_item(L, in);
    push_item(L, in);
    lua_rawset(L, -3);
  }
}

static void push_item(lua_State *L, struct hgl_cbor_reader *in)
{
  struct hgl_err err;
  struct hgl_cbor_item item;
  if (hgl_cbor_next(in, &item, &err) != 0) luaL_error(L, "%s", err.message);
  switch (item.kind) {
  case HGL_CBOR_INT:
    lua_pushinteger(L, item.integer);
    break;
  case HGL_CBOR_DOUBLE:
    lua_pushnumber(L, item.number);
    break;
  case HGL_CBOR_TEXT:
    lua_pushlstring(L, (const char *)item.bytes.data, item.bytes.size);
    break;
  case HGL_CBOR_BYTES:
    hgl_lua_push_bytes(L, item.bytes);
    break;
  case HGL_CBOR_BOOL:
    lua_pushboolean(L, item.boolean);
    break;
  case HGL_CBOR_NULL:
    hgl_lua_push_null(L);
    break;
  case HGL_CBOR_LIST:
    push_list(L, in, item.count);
    break;
  case HGL_CBOR_MAP:
    push_map(L, in, item.count);
    break;
  case HGL_CBOR_BIG_UINT:
    luaL_error(L, "an integer above 2^63-1");
  }
}

void hgl_lua_push_value(lua_State *L, struct hgl_bytes value)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  luaL_checkstack(L, 4, "value");
  push_item(L, &in);
}
