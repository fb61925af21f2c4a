/* log, print and host. */
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

static int print(lua_State *L)
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

static int host_read(lua_State *L)
{
  hgl_bind_in_handler(L, "host.read");
  struct hgl_bytes path = hgl_bind_text(L, 1);
  luaL_argcheck(L, hgl_utf8_valid(path), 1, "not UTF-8");
  struct hgl_buf *arguments = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(arguments);
  hgl_cbor_put_list(arguments, 1);
  hgl_cbor_put_text(arguments, path);
  return hgl_bind_call(L, "read_file");
}

void hgl_bind_log_open(lua_State *L)
{
  static const luaL_Reg log_functions[] = {{"debug", log_debug},
                                           {"info", log_info},
                                           {"warn", log_warn},
                                           {"error", log_error},
                                           {NULL, NULL}};
  static const luaL_Reg host_functions[] = {{"read", host_read}, {NULL, NULL}};
  luaL_newlib(L, log_functions);
  hgl_lib_publish(L, "log");
  luaL_newlib(L, host_functions);
  hgl_lib_publish(L, "host");
  lua_pushcfunction(L, print);
  lua_setglobal(L, "print");
}
