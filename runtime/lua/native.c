#include "lua/native.h"

bool hgl_native_push(lua_State *L, struct hgl_bytes name)
{
  static const struct {
    const char *name;
    lua_CFunction push;
  } modules[] = {{"haggle.native.json", hgl_native_json_push},
                 {"haggle.native.base64", hgl_native_base64_push},
                 {"haggle.native.crypto", hgl_native_crypto_push},
                 {"haggle.native.time", hgl_native_time_push}};
  for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
    if (!hgl_bytes_is(name, modules[i].name)) continue;
    modules[i].push(L);
    return true;
  }
  return false;
}

struct hgl_bytes hgl_native_data(lua_State *L, int arg)
{
  struct hgl_bytes data = hgl_lua_to_bytes(L, arg);
  if (!data.data) {
    luaL_argexpected(L, lua_type(L, arg) == LUA_TSTRING, arg, "text or haggle.bytes");
    data = hgl_bind_text(L, arg);
  }
  if (data.size > HGL_NATIVE_SIZE_MAX)
    luaL_error(L, "%I bytes, limit %d", (LUAI_UACINT)data.size, HGL_NATIVE_SIZE_MAX);
  return data;
}

int hgl_native_fails(lua_State *L, const struct hgl_err *err)
{
  if (err->code == HGL_NO_MEMORY) hgl_sandbox_no_memory(L);
  lua_pushnil(L);
  lua_pushstring(L, err->message);
  lua_pushstring(L, hgl_code_name(err->code));
  return 3;
}
