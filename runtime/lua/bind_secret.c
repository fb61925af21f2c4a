/* haggle.secret: the name of something that the operator granted and the script never sees. Joined
 * with text it stays a secret. Only the host puts the value in its place: a service where a request
 * says so (host/secrets.h), and message authentication (agent/secret_hmac.c). */
#include "lua/vm_core.h"

#include "protocol/cbor.h"

enum { PARTS_MAX = 16, SECRET_NAME_SIZE_MAX = 64 };

static const char secret_meta; /* its address is the registry's key */

static bool is_secret(lua_State *L, int index)
{
  return lua_type(L, index) == LUA_TUSERDATA && hgl_lua_has_metatable(L, index, &secret_meta);
}

/* Makes a secret of the list of parts on top of the stack: text, or { secret = name }. */
static int push_secret(lua_State *L)
{
  lua_newuserdatauv(L, 0, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &secret_meta);
  lua_setmetatable(L, -2);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

/* Appends the parts of the operand to the list on top. */
static void add_parts(lua_State *L, int operand)
{
  int list = lua_gettop(L);
  if (!is_secret(L, operand)) {
    if (lua_type(L, operand) != LUA_TSTRING && lua_type(L, operand) != LUA_TNUMBER)
      luaL_error(L, "a secret can be joined with text only, not with a %s value",
                 luaL_typename(L, operand));
    lua_pushvalue(L, operand);
    lua_tostring(L, -1);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
    return;
  }
  lua_getiuservalue(L, operand, 1);
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, list + 1, i);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
  }
  lua_settop(L, list);
  if (lua_rawlen(L, list) > PARTS_MAX) luaL_error(L, "a secret of more than %d parts", PARTS_MAX);
}

static int secret_concat(lua_State *L)
{
  lua_settop(L, 2);
  lua_newtable(L);
  add_parts(L, 1);
  add_parts(L, 2);
  return push_secret(L);
}

/* Its names: never what it stands for. */
static int secret_tostring(lua_State *L)
{
  lua_getiuservalue(L, 1, 1);
  luaL_Buffer out;
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  luaL_buffinit(L, &out);
  luaL_addstring(&out, "haggle.secret (");
  bool first = true;
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_rawgeti(L, 2, i) != LUA_TTABLE) {
      lua_pop(L, 1);
      continue;
    }
    lua_getfield(L, -1, "secret");
    lua_remove(L, -2);
    if (!first) {
      lua_pushliteral(L, ", ");
      lua_insert(L, -2);
      lua_concat(L, 2);
    }
    luaL_addvalue(&out);
    first = false;
  }
  luaL_addchar(&out, ')');
  luaL_pushresult(&out);
  return 1;
}

static void push_metatable(lua_State *L)
{
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &secret_meta) != LUA_TNIL) return;
  lua_pop(L, 1);
  static const luaL_Reg functions[] = {
      {"__concat", secret_concat}, {"__tostring", secret_tostring}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushliteral(L, "haggle.secret");
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &secret_meta);
}

/* haggle.secret(name) */
int hgl_bind_secret(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  lua_settop(L, 1);
  struct hgl_bytes name = hgl_bind_text(L, 1);
  luaL_argcheck(L, name.size > 0 && name.size <= SECRET_NAME_SIZE_MAX && hgl_utf8_valid(name), 1,
                "not a secret's name");
  struct hgl_buf *arguments = &vm->scratch;
  hgl_buf_clear(arguments);
  hgl_cbor_put_list(arguments, 2);
  hgl_cbor_put_literal(arguments, "secret");
  hgl_cbor_put_text(arguments, name);
  int count = hgl_bind_call(L, "granted", hgl_journal_hash(L, 1, 1));
  if (!lua_toboolean(L, -count))
    return luaL_error(L, "%s has no secret '%s': grant --allow %s:secret=%s", vm->name,
                      lua_tostring(L, 1), vm->name, lua_tostring(L, 1));
  push_metatable(L);
  lua_settop(L, 1);
  lua_newtable(L); /* parts */
  lua_newtable(L);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "secret");
  lua_rawseti(L, -2, 1);
  return push_secret(L);
}

bool hgl_bind_is_secret(lua_State *L, int index)
{
  return is_secret(L, index);
}

void hgl_bind_put_secret(lua_State *L, int index, struct hgl_buf *out)
{
  lua_getiuservalue(L, index, 1);
  int parts = lua_gettop(L);
  lua_Integer count = (lua_Integer)lua_rawlen(L, parts);
  hgl_cbor_put_list(out, (size_t)count);
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_rawgeti(L, parts, i) == LUA_TTABLE) {
      lua_getfield(L, -1, "secret");
      hgl_cbor_put_text(out, hgl_bind_text(L, lua_gettop(L)));
    } else {
      hgl_cbor_put_bytes(out, hgl_bind_text(L, lua_gettop(L)));
    }
    lua_settop(L, parts);
  }
  lua_pop(L, 1);
}

/* haggle.secret_parts(value): a list of text and { secret = name }, as services of the host take
 * it; of text, a list of that; of anything else nil. */
int hgl_bind_secret_parts(lua_State *L)
{
  lua_settop(L, 1);
  push_metatable(L);
  lua_settop(L, 1);
  if (!is_secret(L, 1) && lua_type(L, 1) != LUA_TSTRING) return 0;
  lua_newtable(L);
  add_parts(L, 1);
  /* A copy: a script that changes what it got changes no secret. */
  lua_newtable(L);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_rawgeti(L, 2, i) == LUA_TTABLE) {
      lua_newtable(L);
      lua_getfield(L, -2, "secret");
      lua_setfield(L, -2, "secret");
      lua_remove(L, -2);
    }
    lua_rawseti(L, 3, i);
  }
  return 1;
}
