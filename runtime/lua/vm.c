/* The making and the end of a VM. */
#include "lua/vm_core.h"

#include <assert.h>

#include "base/mem.h"
#include "lua/show.h"

enum {
  SCRATCH_SIZE_MAX = HGL_BODY_SIZE_MAX + 4096,
  RESULT_SIZE_MAX = 4 << 20,
};

struct load {
  struct hgl_vm *vm;
  const struct hgl_vm_config *config;
  struct hgl_err error;
};

int hgl_bind_cache_push(lua_State *L)
{
  hgl_bind_state_push(L, hgl_state_root(hgl_vm_of(L)->cache));
  return 1;
}

static void open_libraries(lua_State *L, const struct hgl_vm_config *config)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  lua_newtable(L);
  vm->handlers_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  vm->modules_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  hgl_sandbox_open(L);
  hgl_convert_open(L);
  hgl_bind_state_open(L);
  hgl_bind_state_push(L, hgl_state_root(vm->state));
  lua_setglobal(L, "state");
  hgl_bind_message_open(L);
  hgl_bind_request_open(L);
  hgl_bind_agent_open(L, config->config);
}

/* Appends the values of the registry's table `ref` to the list on top. */
static void add_values(lua_State *L, int ref)
{
  int list = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  for (lua_pushnil(L); lua_next(L, list + 1);)
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
  lua_settop(L, list);
}

/* Pushes what a handler can reach beside the globals. */
static void push_roots(lua_State *L, int config)
{
  lua_newtable(L);
  if (!lua_isnil(L, config)) {
    lua_pushvalue(L, config);
    lua_rawseti(L, -2, 1);
  }
  add_values(L, hgl_vm_of(L)->handlers_ref);
  add_values(L, hgl_vm_of(L)->modules_ref);
}

/* A script returns nothing. What it returns, on top, is taken off; one that returns agents is
 * mistaken for a script, and would run as an agent that does nothing. */
static void refuse_host_file(lua_State *L, const char *chunk_name)
{
  if (lua_istable(L, -1)) {
    lua_pushliteral(L, "agents");
    if (lua_rawget(L, -2) == LUA_TTABLE)
      luaL_error(L, "%s is a host file, not a script: haggle run --config %s", chunk_name,
                 chunk_name);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static int load(lua_State *L)
{
  struct load *load = lua_touserdata(L, 1);
  const struct hgl_vm_config *config = load->config;
  lua_gc(L, LUA_GCSTOP);
  open_libraries(L, config);
  lua_gc(L, LUA_GCRESTART);
  if (config->config.size > 0) {
    lua_getglobal(L, "agent");
    lua_getfield(L, -1, "config");
  } else {
    lua_pushnil(L);
  }
  lua_replace(L, 1);
  lua_settop(L, 1);
  hgl_vm_of(L)->may_wait |= hgl_journal_source_waits(config->source);
  if (hgl_chunks_load(config->chunks, L, config->source, config->chunk_name, &load->error) != 0)
    return 0;
  lua_call(L, 0, 1);
  refuse_host_file(L, config->chunk_name);
  push_roots(L, 1);
  hgl_freeze(L, lua_gettop(L));
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

static int describe_error(lua_State *L)
{
  struct load *load = lua_touserdata(L, 1);
  hgl_sandbox_tostring(L, 2);
  hgl_err_set(&load->error, HGL_SCRIPT, "%s", lua_tostring(L, -1));
  hgl_lib_suggest(L, &load->error);
  return 0;
}

/* The error object is on top of the main state. */
static void explain(struct hgl_vm *vm, struct load *load)
{
  lua_State *L = vm->L;
  vm->last_words = true;
  lua_pushcfunction(L, describe_error);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, load);
  lua_insert(L, -2);
  if (vm->doomed || lua_pcall(L, 2, 0, 0) != LUA_OK)
    hgl_fail(&load->error, HGL_SCRIPT, "%s: an error object that cannot be shown",
             load->config->chunk_name);
  if (vm->doomed) {
    char text[128];
    hgl_stretch_doom_text(vm, text, sizeof text);
    if (vm->struck[0])
      hgl_fail(&load->error, vm->doomed, "%s%s", vm->struck, text);
    else
      hgl_fail(&load->error, vm->doomed, "%s: %s", load->config->chunk_name, text);
  }
  lua_settop(L, 0);
}

static int run_top_level(struct hgl_vm *vm, const struct hgl_vm_config *config, struct hgl_err *err)
{
  struct load loading = {.vm = vm, .config = config};
  vm->loading = true;
  hgl_stretch_begin(vm, vm->L);
  int status = hgl_run_protected(vm, load, &loading);
  if (status == LUA_ERRMEM && !vm->doomed) vm->doomed = HGL_NO_MEMORY;
  if (status != LUA_OK || vm->doomed) {
    if (status == LUA_OK) lua_pushnil(vm->L);
    explain(vm, &loading);
  }
  hgl_stretch_enter(vm, vm->L);
  hgl_stretch_end(vm);
  vm->loading = false;
  vm->last_words = false;
  hgl_buf_deinit(&vm->scratch);
  hgl_buf_deinit(&vm->result);
  if (!loading.error.code) return 0;
  hgl_chunks_quote_line(&loading.error, config->source, config->chunk_name);
  return hgl_fail(err, loading.error.code, "%s", loading.error.message);
}

static int create_parts(struct hgl_vm *vm, const struct hgl_vm_config *config, struct hgl_err *err)
{
  static const struct hgl_state_rows no_rows = {0};
  int status = 0;
  vm->name = hgl_strndup(config->agent_name, strlen(config->agent_name));
  if (!vm->name) return hgl_fail(err, HGL_NO_MEMORY, "no memory for an agent");
  if (config->shares) {
    vm->shares_state = true;
    vm->state = config->shares->state;
    vm->cache = config->shares->cache;
  } else {
    status = hgl_state_create(&vm->rows, vm->limits.state_bytes, &vm->state, err);
    if (status == 0) status = hgl_state_create(&no_rows, vm->limits.memory_bytes, &vm->cache, err);
    if (status != 0) return status;
    hgl_state_share_memory(vm->state, &vm->memory);
    hgl_state_share_memory(vm->cache, &vm->memory);
    hgl_state_mark(hgl_state_root(vm->cache))->name = HGL_VIEW_CACHE;
  }
  vm->L = lua_newstate(hgl_sandbox_alloc, vm);
  if (!vm->L) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a Lua state");
  *(struct hgl_vm **)lua_getextraspace(vm->L) = vm;
  return 0;
}

int hgl_vm_create(const struct hgl_vm_config *config, struct hgl_vm **out, struct hgl_err *err)
{
  struct hgl_vm *vm = hgl_zalloc(sizeof *vm);
  if (!vm) return hgl_fail(err, HGL_NO_MEMORY, "no memory for an agent");
  vm->key = config->agent_key;
  vm->limits = config->limits;
  vm->memory.max = config->limits.memory_bytes;
  vm->ops = config->ops;
  vm->rows = config->state_rows;
  vm->chunks = config->chunks;
  vm->watchdog = config->watchdog;
  /* The top level runs at every start and wake: its random numbers are the agent's own, always the
   * same. */
  vm->random.state = hgl_get_be64(config->agent_key.bytes);
  hgl_buf_init(&vm->scratch, SCRATCH_SIZE_MAX);
  hgl_buf_init(&vm->result, RESULT_SIZE_MAX);
  hgl_buf_init(&vm->traceback, HGL_VM_TRACEBACK_SIZE_MAX);
  hgl_buf_init(&vm->shown, HGL_SHOW_RESULT_SIZE_MAX + 4096);
  hgl_buf_init(&vm->journal.events, HGL_VM_JOURNAL_SIZE_MAX);
  int status = create_parts(vm, config, err);
  if (status == 0) status = run_top_level(vm, config, err);
  if (status != 0) {
    hgl_vm_destroy(vm);
    return status;
  }
  *out = vm;
  return 0;
}

void hgl_vm_destroy(struct hgl_vm *vm)
{
  if (!vm) return;
  while (vm->runs) hgl_vm_abandon(vm, vm->runs);
  vm->last_words = true;
  if (vm->L) lua_close(vm->L);
  hgl_bind_state_release_views(vm);
  if (!vm->shares_state) {
    hgl_state_destroy(vm->state);
    hgl_state_destroy(vm->cache);
  }
  hgl_free(vm->spare_views.items);
  hgl_free(vm->spare_run);
  hgl_buf_deinit(&vm->journal.events);
  hgl_buf_deinit(&vm->scratch);
  hgl_buf_deinit(&vm->result);
  hgl_buf_deinit(&vm->traceback);
  hgl_buf_deinit(&vm->shown);
  hgl_free(vm->name);
  hgl_free(vm);
}

size_t hgl_vm_memory(const struct hgl_vm *vm)
{
  return vm->memory.used;
}

size_t hgl_vm_state_memory(const struct hgl_vm *vm)
{
  return vm->shares_state ? 0 : hgl_state_memory(vm->state) + hgl_state_memory(vm->cache);
}

void hgl_vm_take_state(struct hgl_vm *to, struct hgl_vm *from)
{
  assert(to->state == from->state && to->shares_state && !from->shares_state);
  hgl_state_share_memory(to->state, &to->memory);
  hgl_state_share_memory(to->cache, &to->memory);
  to->shares_state = false;
  from->shares_state = true;
}
