#include "host/console_chunk.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

bool hgl_console_breaks_off(struct hgl_bytes text)
{
  static const char sign[] = "<eof>";
  lua_State *L = luaL_newstate();
  bool breaks_off = false;
  size_t size;
  if (!L) return false;
  if (luaL_loadbufferx(L, (const char *)text.data, text.size, "=console", "t") == LUA_ERRSYNTAX) {
    const char *message = lua_tolstring(L, -1, &size);
    breaks_off = size >= sizeof sign - 1 &&
                 memcmp(message + size - (sizeof sign - 1), sign, sizeof sign - 1) == 0;
  }
  lua_settop(L, 0);
  if (breaks_off) { /* `return x` may be whole where `x` is not */
    lua_pushliteral(L, "return ");
    lua_pushlstring(L, (const char *)text.data, text.size);
    lua_concat(L, 2);
    const char *expression = lua_tolstring(L, -1, &size);
    breaks_off = luaL_loadbufferx(L, expression, size, "=console", "t") != LUA_OK;
  }
  lua_close(L);
  return breaks_off;
}
