/* log and print. */
#include "lua/vm_core.h"

#include "protocol/cbor.h"

static int write_line(lua_State *L, enum hgl_log_level level)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  lua_settop(L, 2);
  hgl_sandbox_tostring(L, 1);
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  hgl_buf_clear(&vm->scratch);
  if (!lua_isnil(L, 2)) {
    luaL_argexpected(L, lua_istable(L, 2) || lua_isuserdata(L, 2), 2, "table of fields");
    hgl_bind_encode(L, 2, "fields", &vm->scratch);
  }
  if (hgl_journal_replaying(vm)) return 0; /* it was said when it happened */
  vm->ops.log(vm->ops.user, level, hgl_bytes(text, size), hgl_buf_bytes(&vm->scratch));
  return 0;
}

static int log_debug(lua_State *L)
{
  return write_line(L, HGL_LOG_DEBUG);
}

static int log_info(lua_State *L)
{
  return write_line(L, HGL_LOG_INFO);
}

static int log_warn(lua_State *L)
{
  return write_line(L, HGL_LOG_WARN);
}

static int log_error(lua_State *L)
{
  return write_line(L, HGL_LOG_ERROR);
}

int hgl_bind_print(lua_State *L)
{
  int count = lua_gettop(L);
  luaL_Buffer line;
  luaL_buffinit(L, &line);
  for (int i = 1; i <= count; i++) {
    if (i > 1) luaL_addchar(&line, '\t');
    hgl_sandbox_tostring(L, i);
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
  lua_replace(L, 1);
  lua_settop(L, 1);
  return log_info(L);
}

int hgl_bind_log_push(lua_State *L)
{
  static const struct hgl_lib_field fields[] = {{"debug", log_debug, false},
                                                {"info", log_info, false},
                                                {"warn", log_warn, false},
                                                {"error", log_error, false},
                                                {NULL, NULL, false}};
  hgl_lib_push(L, fields);
  return 1;
}
