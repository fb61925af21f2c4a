#include "lua/vm_core.h"

#include <stdlib.h>

#include "base/mem.h"

struct hgl_vm *hgl_vm_of(lua_State *L)
{
  return *(struct hgl_vm **)lua_getextraspace(L);
}

/* ---- memory ---- */

/* Lua asks, collects when refused, and asks once more: two refusals in a row are the end of the
 * stretch, whatever the script does with the error. */
static void *refuse(struct hgl_vm *vm)
{
  if (vm->refused) vm->doomed = HGL_NO_MEMORY;
  vm->refused = true;
  return NULL;
}

void *hgl_sandbox_alloc(void *user, void *old, size_t old_size, size_t size)
{
  struct hgl_vm *vm = user;
  if (!old) old_size = 0; /* then it is a type tag */
  if (size == 0) {
    hgl_free(old);
    vm->memory.used -= old_size;
    return NULL;
  }
  if (size > old_size) {
    size_t limit = vm->memory.max + (vm->last_words ? HGL_VM_LAST_WORDS_SIZE : 0);
    size_t growth = size - old_size;
    if (vm->memory.used > limit || growth > limit - vm->memory.used) return refuse(vm);
  }
  void *memory = hgl_realloc(old, size);
  if (!memory) {
    /* Lua takes for granted that shrinking cannot fail. */
    return size <= old_size ? old : refuse(vm);
  }
  vm->refused = false;
  vm->memory.used += size - old_size;
  return memory;
}

/* ---- limits of a stretch ---- */

/* Now, because a pcall that catches the error drops the frames it came from. */
static void note_place(struct hgl_vm *vm, lua_State *L)
{
  lua_Debug frame;
  for (int level = 0; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sl", &frame);
    if (frame.currentline < 1) continue;
    snprintf(vm->struck, sizeof vm->struck, "%s:%d: ", frame.short_src, frame.currentline);
    return;
  }
}

/* Counts `steps` more; true: the stretch is to end. */
static bool count_steps(struct hgl_vm *vm, lua_State *L, uint64_t steps)
{
  if (vm->doomed) return true;
  if (vm->limits.instructions) vm->instructions += steps;
  if (!vm->overrun && vm->instructions <= vm->limits.instructions) return false;
  vm->doomed = HGL_LIMIT;
  note_place(vm, L);
  return true;
}

static void on_count(lua_State *L, lua_Debug *event)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  if (!count_steps(vm, L, HGL_VM_HOOK_COUNT)) return;
  lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
  char text[128];
  hgl_stretch_doom_text(vm, text, sizeof text);
  luaL_where(L, 0);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  lua_error(L);
}

/* In a signal handler: lua_sethook is what Lua offers for use there. */
static void interrupt(void *user)
{
  struct hgl_vm *vm = user;
  vm->overrun = 1;
  lua_State *L = vm->current;
  if (L) lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
}

/* Gives `L`, about to run, the hook that the stretch now needs. */
static void set_hook(struct hgl_vm *vm, lua_State *L)
{
  int count = vm->overrun || vm->doomed ? 1 : vm->limits.instructions ? HGL_VM_HOOK_COUNT : 0;
  if ((lua_gethook(L) ? lua_gethookcount(L) : 0) == count) return;
  lua_sethook(L, count ? on_count : NULL, count ? LUA_MASKCOUNT : 0, count);
}

void hgl_stretch_enter(struct hgl_vm *vm, lua_State *to)
{
  vm->current = to;
  set_hook(vm, to);
}

void hgl_stretch_leave(struct hgl_vm *vm, lua_State *back)
{
  vm->current = back;
  set_hook(vm, back);
}

static int64_t time_limit_ms(const struct hgl_vm *vm)
{
  const struct hgl_vm_limits *limits = &vm->limits;
  bool more = vm->loading && limits->stretch_ms && limits->top_level_ms > limits->stretch_ms;
  return more ? limits->top_level_ms : limits->stretch_ms;
}

void hgl_stretch_begin(struct hgl_vm *vm, lua_State *L)
{
  vm->doomed = HGL_OK;
  vm->too_many_runs = false;
  vm->struck[0] = 0;
  vm->overrun = 0;
  vm->refused = false;
  vm->suspending = false;
  vm->chain_yieldable = true;
  vm->close_depth = 0;
  vm->instructions = 0;
  hgl_stretch_enter(vm, L);
  if (vm->watchdog && vm->limits.stretch_ms)
    hgl_watchdog_begin(vm->watchdog, time_limit_ms(vm), interrupt, vm);
}

void hgl_stretch_end(struct hgl_vm *vm)
{
  if (vm->watchdog && vm->limits.stretch_ms) hgl_watchdog_end(vm->watchdog);
  vm->current = NULL;
}

void hgl_stretch_doom_text(const struct hgl_vm *vm, char *out, size_t size)
{
  if (vm->doomed == HGL_NO_MEMORY)
    snprintf(out, size, "the memory limit of %zu bytes was reached", vm->limits.memory_bytes);
  else if (vm->doomed == HGL_DIVERGED)
    snprintf(out, size, "%s", vm->journal.difference);
  else if (vm->too_many_runs)
    snprintf(out, size, "more than %zu handlers are waiting", vm->limits.runs_max);
  else if (vm->overrun)
    snprintf(out, size, "the time limit of %lld ms was reached", (long long)time_limit_ms(vm));
  else
    snprintf(out, size, "the limit of %llu instructions was reached",
             (unsigned long long)vm->limits.instructions);
}

void hgl_stretch_caught(lua_State *L, int status)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  if (status == LUA_ERRMEM && !vm->doomed) vm->doomed = HGL_NO_MEMORY;
  if (!vm->doomed) return;
  set_hook(vm, L);
  lua_error(L);
}

void hgl_stretch_look(lua_State *L)
{
  if (!count_steps(hgl_vm_of(L), L, 1)) return;
  lua_pushliteral(L, "a limit was reached");
  hgl_stretch_caught(L, LUA_ERRRUN);
}

void hgl_sandbox_no_memory(lua_State *L)
{
  hgl_vm_of(L)->doomed = HGL_NO_MEMORY;
  lua_pushliteral(L, "not enough memory");
  hgl_stretch_caught(L, LUA_ERRMEM);
  abort(); /* the stretch is doomed: that raised */
}

/* ---- what a script finds ---- */

void hgl_sandbox_tostring(lua_State *L, int index)
{
  index = lua_absindex(L, index);
  switch (lua_type(L, index)) {
  case LUA_TNIL:
  case LUA_TBOOLEAN:
  case LUA_TNUMBER:
  case LUA_TSTRING:
    luaL_tolstring(L, index, NULL);
    return;
  default:
    break;
  }
  if (luaL_callmeta(L, index, "__tostring")) {
    if (!lua_isstring(L, -1)) luaL_error(L, "'__tostring' must return a string");
    return;
  }
  if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) return;
  lua_pushstring(L, luaL_typename(L, index));
}

void hgl_sandbox_open(lua_State *L)
{
  static const struct hgl_lib_field globals[] = {
      {"coroutine", hgl_lib_coroutine_push, true},
      {"math", hgl_lib_math_push, true},
      {"os", hgl_lib_os_push, true},
      {"table", hgl_bind_table_push, true},
      {"utf8", hgl_lib_utf8_push, true},
      {"host", hgl_bind_host_push, true},
      {"log", hgl_bind_log_push, true},
      {"print", hgl_bind_print, false},
      {"cache", hgl_bind_cache_push, true},
      {NULL, NULL, false},
  };
  hgl_lib_base_open(L);
  hgl_lib_string_open(L);
  hgl_bind_tables_open(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  hgl_lib_extend(L, globals);
  lua_pop(L, 1);
}
