/* haggle.json: JSON as other systems speak it. Values go by way of CBOR, so that they are those of
 * messages and of state. */
#include "lua/native.h"

#include "protocol/value.h"

/* Tables of `state` are told to the script by the journal: in a replay they are not there to be
 * read. Then the text itself stands in it. */
static bool needs_journal(lua_State *L, int index, int depth)
{
  if (lua_type(L, index) == LUA_TUSERDATA)
    return !hgl_lua_is_null(L, index) && !hgl_lua_to_bytes(L, index).data;
  if (lua_type(L, index) != LUA_TTABLE) return false;
  if (depth == HGL_VALUE_DEPTH_MAX) return false; /* encoding it fails */
  luaL_checkstack(L, 4, "json.encode");
  index = lua_absindex(L, index);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    hgl_stretch_look(L);
    if (!needs_journal(L, -1, depth + 1)) continue;
    lua_pop(L, 2);
    return true;
  }
  return false;
}

/* The text is in vm->result. */
static void encode(lua_State *L, unsigned indent)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err;
  hgl_buf_clear(&vm->scratch);
  hgl_buf_clear(&vm->result);
  int status = hgl_lua_encode(L, 1, "value", &vm->scratch, &err);
  if (!status) status = hgl_buf_check(&vm->scratch, &err);
  if (!status) {
    status = hgl_json_plain_write(hgl_buf_bytes(&vm->scratch), indent, &vm->result, &err);
    if (status) hgl_fail_in(&err, "value");
  }
  if (status == -HGL_NO_MEMORY) hgl_sandbox_no_memory(L);
  if (status) luaL_error(L, "json.encode: %s", err.message);
}

/* json.encode(value, { indent = 2 }) */
static int json_encode(lua_State *L)
{
  static const char *const known[] = {"indent", NULL};
  struct hgl_vm *vm = hgl_vm_of(L);
  lua_Integer indent = 0;
  luaL_checkany(L, 1);
  luaL_argcheck(L, !lua_isnil(L, 1), 1, "nil: use haggle.null");
  lua_settop(L, 2);
  hgl_bind_options(L, 2, known);
  if (lua_istable(L, 2) && lua_getfield(L, 2, "indent") != LUA_TNIL) {
    indent = luaL_checkinteger(L, -1);
    luaL_argcheck(L, indent >= 0 && indent <= 8, 2, "indent is 0 to 8 spaces");
  }
  bool noted = hgl_journal_on(vm) && needs_journal(L, 1, 0);
  uint32_t hash = noted ? hgl_journal_hash(L, 1, 2) : 0;
  if (noted && hgl_journal_replaying(vm)) return hgl_journal_replay(L, HGL_JOURNAL_CALL, hash);
  encode(L, (unsigned)indent);
  if (noted) hgl_journal_note_text(vm, HGL_JOURNAL_CALL, hash, hgl_buf_bytes(&vm->result));
  lua_pushlstring(L, (const char *)vm->result.data, vm->result.size);
  return 1;
}

/* What a stretch of the default length has time for, and what it has not. */
enum {
  SIZE_MAX_DEFAULT = 256 << 10,
  ITEMS_MAX_DEFAULT = 16384,
};

/* json.decode(text, { large = true }): a value, or nil, why, code. */
static int json_decode(lua_State *L)
{
  static const char *const known[] = {"large", NULL};
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_bytes text = hgl_lua_to_bytes(L, 1);
  struct hgl_err err;
  if (!text.data) {
    luaL_argexpected(L, lua_type(L, 1) == LUA_TSTRING, 1, "text or haggle.bytes");
    text = hgl_bind_text(L, 1);
  }
  hgl_bind_options(L, 2, known);
  bool large = lua_istable(L, 2) && lua_getfield(L, 2, "large") && lua_toboolean(L, -1);
  hgl_buf_clear(&vm->result);
  if (hgl_json_plain_read(text, large ? HGL_NATIVE_SIZE_MAX : SIZE_MAX_DEFAULT,
                          large ? HGL_VALUE_ITEMS_MAX : ITEMS_MAX_DEFAULT, &vm->result, &err))
    return hgl_native_fails(L, &err);
  hgl_lua_push_value(L, hgl_buf_bytes(&vm->result));
  return 1;
}

int hgl_native_json_push(lua_State *L)
{
  static const struct hgl_lib_field fields[] = {
      {"encode", json_encode, false}, {"decode", json_decode, false}, {NULL, NULL, false}};
  hgl_lib_push(L, fields);
  return 1;
}
