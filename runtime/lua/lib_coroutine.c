/* Coroutines of the script's own. They differ from Lua's in three ways: a suspension by the runtime
 * (agent.ask …) passes through them to the host; the watchdog's hook follows the execution; closing
 * is bounded in depth, because Lua 5.4.4 overflows the C stack there. */
#include "lua/vm_core.h"

static lua_State *check_coroutine(lua_State *L)
{
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  return co;
}

static int coroutine_create(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  /* A new coroutine starts a count of its own. */
  struct hgl_vm *vm = hgl_vm_of(L);
  if (vm->limits.instructions) vm->instructions += HGL_VM_HOOK_COUNT;
  return 1;
}

/* ---- resume ---- */

static int go_on(lua_State *L, int status, lua_KContext wrapped);

/* Runs `co` (at index 1 of L) with `count` arguments on its stack. Returns its results' number,
 * they lie on co; or -1, an error object lies on co; or -2: the runtime suspends, yield. */
static int run_coroutine(lua_State *L, lua_State *co, int count, int *status)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  bool chain = vm->chain_yieldable;
  vm->chain_yieldable = chain && lua_isyieldable(L);
  hgl_stretch_enter(vm, co);
  int results = 0;
  *status = lua_resume(co, L, count, &results);
  vm->chain_yieldable = chain;
  hgl_stretch_leave(vm, L);
  if (*status == LUA_YIELD && vm->suspending) return -2;
  return *status == LUA_OK || *status == LUA_YIELD ? results : -1;
}

static int close_coroutine(lua_State *L, lua_State *co)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  if (vm->close_depth >= HGL_VM_CLOSE_DEPTH_MAX)
    luaL_error(L, "coroutines are closed within one another more than %d deep",
               HGL_VM_CLOSE_DEPTH_MAX);
  bool chain = vm->chain_yieldable;
  vm->chain_yieldable = false;
  vm->close_depth++;
  hgl_stretch_enter(vm, co);
  int status = lua_resetthread(co);
  hgl_stretch_leave(vm, L);
  vm->close_depth--;
  vm->chain_yieldable = chain;
  return status;
}

/* coroutine.wrap raises what its coroutine raised, with the place of the call. What died of a limit
 * is not closed: its hooks are off since the raise, and nothing could stop its __close handlers. */
static int raise_wrapped(lua_State *L, lua_State *co, int status)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  bool limit = vm->doomed || status == LUA_ERRMEM;
  bool died = lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD;
  if (died && !limit) status = close_coroutine(L, co);
  lua_xmove(co, L, 1);
  hgl_stretch_caught(L, status);
  if (lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int resume(lua_State *L, lua_State *co, int count, bool wrapped)
{
  int status;
  int results = run_coroutine(L, co, count, &status);
  if (results == -2) return lua_yieldk(L, 0, wrapped, go_on);
  if (results == -1 && wrapped) return raise_wrapped(L, co, status);
  if (results == -1) {
    lua_xmove(co, L, 1);
    hgl_stretch_caught(L, status);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    return luaL_error(L, "too many results to resume");
  }
  if (!wrapped) lua_pushboolean(L, 1);
  lua_xmove(co, L, results);
  return results + !wrapped;
}

static lua_State *resumed_one(lua_State *L, bool wrapped)
{
  return lua_tothread(L, wrapped ? lua_upvalueindex(1) : 1);
}

/* The host has resumed the run: so does each coroutine that passed the suspension on. */
static int go_on(lua_State *L, int status, lua_KContext wrapped)
{
  return resume(L, resumed_one(L, wrapped), 0, wrapped);
}

static int resume_with_arguments(lua_State *L, bool wrapped)
{
  lua_State *co = resumed_one(L, wrapped);
  int count = lua_gettop(L) - !wrapped;
  if (!lua_checkstack(co, count)) return luaL_error(L, "too many arguments to resume");
  lua_xmove(L, co, count);
  return resume(L, co, count, wrapped);
}

static int coroutine_resume(lua_State *L)
{
  check_coroutine(L);
  return resume_with_arguments(L, false);
}

static int call_wrapped(lua_State *L)
{
  return resume_with_arguments(L, true);
}

static int coroutine_wrap(lua_State *L)
{
  coroutine_create(L);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

/* ---- yield and what a coroutine is doing ---- */

/* The coroutine of the handler itself belongs to the runtime. */
static bool is_handler(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  return L == vm->L || (vm->run && L == vm->run->co);
}

static int coroutine_yield(lua_State *L)
{
  if (is_handler(L)) return luaL_error(L, "attempt to yield from outside a coroutine");
  return lua_yield(L, lua_gettop(L));
}

static const char *status_of(lua_State *L, lua_State *co)
{
  if (L == co) return "running";
  switch (lua_status(co)) {
  case LUA_YIELD:
    return "suspended";
  case LUA_OK: {
    lua_Debug frame;
    if (lua_getstack(co, 0, &frame)) return "normal";
    return lua_gettop(co) == 0 ? "dead" : "suspended";
  }
  default:
    return "dead";
  }
}

static int coroutine_status(lua_State *L)
{
  lua_pushstring(L, status_of(L, check_coroutine(L)));
  return 1;
}

static int coroutine_isyieldable(lua_State *L)
{
  lua_State *co = lua_isnone(L, 1) ? L : check_coroutine(L);
  lua_pushboolean(L, !is_handler(co) && lua_isyieldable(co));
  return 1;
}

static int coroutine_running(lua_State *L)
{
  lua_pushthread(L);
  lua_pushboolean(L, is_handler(L));
  return 2;
}

static int coroutine_close(lua_State *L)
{
  lua_State *co = check_coroutine(L);
  const char *status = status_of(L, co);
  if (strcmp(status, "suspended") != 0 && strcmp(status, "dead") != 0)
    return luaL_error(L, "cannot close a %s coroutine", status);
  int result = close_coroutine(L, co);
  if (result == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_xmove(co, L, 1);
  hgl_stretch_caught(L, result);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

int hgl_lib_coroutine_push(lua_State *L)
{
  static const struct hgl_lib_field fields[] = {
      {"create", coroutine_create, false},
      {"resume", coroutine_resume, false},
      {"wrap", coroutine_wrap, false},
      {"yield", coroutine_yield, false},
      {"status", coroutine_status, false},
      {"isyieldable", coroutine_isyieldable, false},
      {"running", coroutine_running, false},
      {"close", coroutine_close, false},
      {NULL, NULL, false},
  };
  hgl_lib_push(L, fields);
  return 1;
}
