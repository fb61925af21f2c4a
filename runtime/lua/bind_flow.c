/* agent.exclusive, a lock that lasts through suspensions, and agent.continue, which begins anew. */
#include "lua/vm_core.h"

/* ---- agent.exclusive(key, fn, …) ---- */

/* Stack: key, fn's results or error. */
static void unlock(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  uint32_t hash = hgl_journal_hash(L, 1, 1);
  if (hgl_journal_replaying(vm)) {
    struct hgl_journal_event event;
    hgl_journal_expect(L, HGL_JOURNAL_UNLOCK, hash, &event);
    return;
  }
  if (vm->ops.unlock(vm->ops.user, hgl_bind_text(L, 1), &err) != 0)
    hgl_bind_failed(L, HGL_JOURNAL_UNLOCK, hash, &err);
  hgl_journal_note_bool(vm, HGL_JOURNAL_UNLOCK, hash, true);
}

static int over(lua_State *L, int status, lua_KContext context)
{
  if (status != LUA_OK && status != LUA_YIELD) {
    hgl_stretch_caught(L, status);
    unlock(L);
    return lua_error(L);
  }
  unlock(L);
  return lua_gettop(L) - 1;
}

static int locked(lua_State *L, int status, lua_KContext count)
{
  return over(L, lua_pcallk(L, (int)count, LUA_MULTRET, 0, 0, over), 0);
}

/* The lock was granted while the run was suspended. */
static int granted(lua_State *L, int status, lua_KContext context)
{
  return locked(L, status, lua_gettop(L) - 2);
}

static int wait_for_lock(lua_State *L, struct hgl_bytes key, uint32_t hash)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_vm_run *run = vm->run;
  struct hgl_err err;
  hgl_run_forget_asks(vm, run);
  hgl_buf_append_bytes(&run->ask_data, key);
  if (hgl_buf_check(&run->ask_data, &err) != 0) hgl_sandbox_no_memory(L);
  run->wait = (struct hgl_vm_wait){.kind = HGL_VM_WAIT_LOCK, .lock = hgl_buf_bytes(&run->ask_data)};
  return hgl_run_suspend(L, hash, granted);
}

static bool take_lock(lua_State *L, struct hgl_bytes key, uint32_t hash)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  bool has = false;
  if (hgl_journal_replaying(vm)) {
    struct hgl_journal_event event;
    hgl_journal_expect(L, HGL_JOURNAL_LOCK, hash, &event);
    return event.value.kind == HGL_STATE_BOOL && event.value.boolean;
  }
  if (vm->ops.lock(vm->ops.user, key, &has, &err) != 0) {
    hgl_journal_note_raise(vm, HGL_JOURNAL_LOCK, hash, err.message);
    luaL_error(L, "%s", err.message);
  }
  hgl_journal_note_bool(vm, HGL_JOURNAL_LOCK, hash, has);
  return has;
}

int hgl_bind_exclusive(lua_State *L)
{
  hgl_bind_in_handler(L, "agent.exclusive");
  struct hgl_bytes key = hgl_bind_text(L, 1);
  luaL_argcheck(L, key.size <= HGL_VM_LOCK_SIZE_MAX && hgl_utf8_valid(key), 1,
                "a lock's key is text of at most 256 bytes");
  luaL_checktype(L, 2, LUA_TFUNCTION);
  hgl_run_check_suspendable(L, "agent.exclusive");
  uint32_t hash = hgl_journal_hash(L, 1, 1);
  if (take_lock(L, key, hash)) return locked(L, LUA_OK, lua_gettop(L) - 2);
  return wait_for_lock(L, key, hash);
}

/* ---- agent.continue(name, value) ---- */

int hgl_bind_continue(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  hgl_bind_in_handler(L, "agent.continue");
  lua_settop(L, 2);
  struct hgl_bytes name = hgl_bind_text(L, 1);
  hgl_run_push_handler(L, HGL_VM_ON_TIMER, name);
  if (lua_isnil(L, -1))
    return luaL_error(L, "no handler '%s': declare agent.on_timer at the top level",
                      lua_tostring(L, 1));
  if (vm->run->continued) return luaL_error(L, "agent.continue was called already");
  struct hgl_buf *value = &vm->scratch;
  hgl_buf_clear(value);
  if (!lua_isnil(L, 2)) hgl_bind_encode(L, 2, "value", value);
  uint32_t hash = hgl_journal_hash(L, 1, 2);
  if (hgl_journal_replaying(vm)) return hgl_journal_replay(L, HGL_JOURNAL_CONTINUE, hash);
  if (vm->ops.go_on(vm->ops.user, name, hgl_buf_bytes(value), &err) != 0)
    return hgl_bind_failed(L, HGL_JOURNAL_CONTINUE, hash, &err);
  vm->run->continued = true;
  return hgl_bind_true(L, HGL_JOURNAL_CONTINUE, hash);
}
