/* string: Lua's own functions, with cost and size bounded where a single call could take any
 * amount, and without addresses. string.dump is absent. */
#include "lua/vm_core.h"

#include <lualib.h>

static int string_rep(lua_State *L)
{
  size_t size, separator_size;
  const char *text = luaL_checklstring(L, 1, &size);
  lua_Integer count = luaL_checkinteger(L, 2);
  const char *separator = luaL_optlstring(L, 3, "", &separator_size);
  if (count <= 0 || size + separator_size == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  size_t total;
  if (__builtin_mul_overflow(size + separator_size, (size_t)count, &total) ||
      total > hgl_vm_of(L)->limits.memory_bytes)
    return luaL_error(L, "the resulting string is larger than the agent's memory limit");
  luaL_Buffer out;
  char *start = luaL_buffinitsize(L, &out, total);
  memcpy(start, text, size);
  memcpy(start + size, separator, separator_size);
  /* Twice as much each time: a piece at a time would take long, and nothing interrupts it. */
  for (size_t made = size + separator_size; made < total; made *= 2)
    memcpy(start + made, start, made < total - made ? made : total - made);
  luaL_pushresultsize(&out, total - separator_size);
  return 1;
}

/* Lua's would print addresses of tables and functions: give it their names as text. */
static int string_format(lua_State *L)
{
  size_t size;
  const char *format = luaL_checklstring(L, 1, &size);
  int arg = 1;
  for (size_t i = 0; i < size; i++) {
    if (format[i] != '%' || ++i >= size || format[i] == '%') continue;
    arg++;
    while (i < size && format[i] && strchr("-+ #0123456789.", format[i])) i++;
    if (i < size && format[i] == 'p')
      return luaL_error(L, "invalid conversion '%%p' to 'format': addresses are not shown");
    if (i < size && format[i] == 's' && arg <= lua_gettop(L) && !lua_isstring(L, arg)) {
      hgl_sandbox_tostring(L, arg);
      lua_replace(L, arg);
    }
  }
  return hgl_vm_of(L)->string_format(L);
}

void hgl_lib_string_open(lua_State *L)
{
  static const luaL_Reg ours[] = {
      {"find", hgl_pattern_find},
      {"match", hgl_pattern_match},
      {"gmatch", hgl_pattern_gmatch},
      {"gsub", hgl_pattern_gsub},
      {"rep", string_rep},
      {"format", string_format},
      {NULL, NULL},
  };
  static const char *const kept[] = {"byte",     "char",    "format", "len",    "lower", "pack",
                                     "packsize", "reverse", "sub",    "unpack", "upper", NULL};
  lua_pushcfunction(L, luaopen_string);
  lua_call(L, 0, 1);
  hgl_lib_keep(L, kept);
  lua_getfield(L, -1, "format");
  hgl_vm_of(L)->string_format = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  luaL_setfuncs(L, ours, 0);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1); /* scripts cannot reach it */
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 2);
  hgl_freeze_wrap(L);
  lua_setglobal(L, "string");
}
