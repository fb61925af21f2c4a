/* host: what lies outside of the agent. Reading a granted file is done at once; a call is made by a
 * service of the host (agent/calls.h), and its handler waits for what comes of it. */
#include "lua/vm_core.h"

#include "protocol/cbor.h"

enum { CALL_WITHIN_DEFAULT_MS = 30000, SERVICE_NAME_SIZE_MAX = 64, PATH_TEXT_SIZE_MAX = 4096 };

static struct hgl_bytes check_path(lua_State *L, int arg)
{
  struct hgl_bytes path = hgl_bind_text(L, arg);
  luaL_argcheck(L, path.size <= PATH_TEXT_SIZE_MAX, arg, "the path is too long");
  luaL_argcheck(L, hgl_utf8_valid(path), arg, "not UTF-8");
  return path;
}

/* host.read(path) */
static int host_read(lua_State *L)
{
  hgl_bind_in_handler(L, "host.read");
  struct hgl_bytes path = check_path(L, 1);
  struct hgl_buf *arguments = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(arguments);
  hgl_cbor_put_list(arguments, 1);
  hgl_cbor_put_text(arguments, path);
  return hgl_bind_call(L, "read_file", hgl_journal_hash(L, 1, 1));
}

/* ---- calls ---- */

static int call_over(lua_State *L, int status, lua_KContext context)
{
  const struct hgl_vm_answer *answer = hgl_vm_of(L)->answers;
  if (answer->value.size) {
    hgl_lua_push_value(L, answer->value);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, answer->why ? answer->why : hgl_code_meaning(answer->code));
  lua_pushstring(L, hgl_code_name(answer->code));
  return 3;
}

/* The service's name and the request go into the run's own buffer. */
int hgl_bind_call_outside(lua_State *L, struct hgl_bytes service, int64_t within_ms, uint32_t hash)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_vm_run *run = vm->run;
  struct hgl_err err = {0};
  if (hgl_journal_next_is(vm, HGL_JOURNAL_CALL))
    return hgl_journal_replay(L, HGL_JOURNAL_CALL, hash); /* it was not permitted */
  struct hgl_vm_outside outside = {service, hgl_buf_bytes(&vm->scratch), within_ms};
  if (!hgl_journal_replaying(vm) && vm->ops.outside(vm->ops.user, &outside, &err) != 0)
    return hgl_bind_failed(L, HGL_JOURNAL_CALL, hash, &err);
  hgl_run_forget_asks(vm, run);
  hgl_buf_append_bytes(&run->ask_data, service);
  hgl_buf_append_bytes(&run->ask_data, outside.request);
  if (hgl_buf_check(&run->ask_data, &err) != 0) hgl_sandbox_no_memory(L);
  struct hgl_bytes held = hgl_buf_bytes(&run->ask_data);
  outside.service = hgl_bytes(held.data, service.size);
  outside.request = hgl_bytes(held.data + service.size, held.size - service.size);
  run->wait = (struct hgl_vm_wait){.kind = HGL_VM_WAIT_CALL, .outside = outside, .ask_count = 1};
  return hgl_run_suspend(L, hash, call_over);
}

int64_t hgl_bind_call_within(lua_State *L)
{
  static const char *const known[] = {"within", NULL};
  int64_t within_ms = CALL_WITHIN_DEFAULT_MS;
  hgl_bind_options(L, 3, known);
  if (!lua_isnil(L, 3) && lua_getfield(L, 3, "within") != LUA_TNIL)
    within_ms = hgl_bind_duration(L, -1, "within");
  lua_settop(L, 3);
  return within_ms;
}

/* host.call(service, request, { within = "30s" }) */
static int host_call(lua_State *L)
{
  hgl_bind_in_handler(L, "host.call");
  lua_settop(L, 3);
  struct hgl_bytes service = hgl_bind_text(L, 1);
  luaL_argcheck(L, service.size <= SERVICE_NAME_SIZE_MAX && hgl_utf8_valid(service), 1,
                "not a service's name");
  int64_t within_ms = hgl_bind_call_within(L);
  hgl_run_check_suspendable(L, "host.call");
  struct hgl_buf *request = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(request);
  hgl_bind_encode(L, 2, "request", request);
  return hgl_bind_call_outside(L, service, within_ms, hgl_journal_hash(L, 1, 3));
}

/* ---- files ---- */

/* Text, or haggle.bytes. */
static void put_content(lua_State *L, int arg, struct hgl_buf *out)
{
  struct hgl_bytes bytes = hgl_lua_to_bytes(L, arg);
  if (!bytes.data) bytes = hgl_bind_text(L, arg);
  hgl_cbor_put_bytes(out, bytes);
}

/* host.write(path, content): the whole file, or nothing of it. */
static int host_write(lua_State *L)
{
  hgl_bind_in_handler(L, "host.write");
  lua_settop(L, 2);
  struct hgl_bytes path = check_path(L, 1);
  hgl_run_check_suspendable(L, "host.write");
  struct hgl_buf *request = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(request);
  hgl_cbor_put_map(request, 2);
  hgl_cbor_put_literal(request, "path");
  hgl_cbor_put_text(request, path);
  hgl_cbor_put_literal(request, "content");
  put_content(L, 2, request);
  struct hgl_err err;
  if (hgl_buf_check(request, &err) != 0) return luaL_error(L, "host.write: %s", err.message);
  return hgl_bind_call_outside(L, hgl_text("write"), CALL_WITHIN_DEFAULT_MS,
                               hgl_journal_hash(L, 1, 2));
}

/* host.remove(path) */
static int host_remove(lua_State *L)
{
  hgl_bind_in_handler(L, "host.remove");
  lua_settop(L, 1);
  struct hgl_bytes path = check_path(L, 1);
  hgl_run_check_suspendable(L, "host.remove");
  struct hgl_buf *request = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(request);
  hgl_cbor_put_map(request, 1);
  hgl_cbor_put_literal(request, "path");
  hgl_cbor_put_text(request, path);
  return hgl_bind_call_outside(L, hgl_text("remove"), CALL_WITHIN_DEFAULT_MS,
                               hgl_journal_hash(L, 1, 1));
}

int hgl_bind_host_push(lua_State *L)
{
  static const struct hgl_lib_field fields[] = {{"read", host_read, false},
                                                {"write", host_write, false},
                                                {"remove", host_remove, false},
                                                {"call", host_call, false},
                                                {NULL, NULL, false}};
  hgl_lib_push(L, fields);
  return 1;
}
