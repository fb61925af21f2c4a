/* What the bindings share: checking arguments, encoding, results. */
#include "lua/vm_core.h"

#include <math.h>

#include "base/duration.h"
#include "protocol/cbor.h"

void hgl_bind_in_handler(lua_State *L, const char *what)
{
  if (hgl_vm_of(L)->loading)
    luaL_error(L, "%s at the top level: a script only declares there; act in a handler", what);
}

void hgl_bind_at_top(lua_State *L, const char *what)
{
  if (!hgl_vm_of(L)->loading)
    luaL_error(L, "%s in a handler: declare at the script's top level", what);
}

struct hgl_bytes hgl_bind_text(lua_State *L, int arg)
{
  luaL_checktype(L, arg, LUA_TSTRING);
  size_t size;
  const char *text = lua_tolstring(L, arg, &size);
  return hgl_bytes(text, size);
}

int64_t hgl_bind_duration(lua_State *L, int index, const char *what)
{
  struct hgl_err err;
  int64_t ms = 0;
  if (lua_type(L, index) == LUA_TNUMBER) {
    lua_Number number = lua_tonumber(L, index);
    if (!(number >= 0 && number <= (lua_Number)HGL_DURATION_MAX_MS))
      luaL_error(L, "%s: milliseconds must be from 0 to a hundred years", what);
    return (int64_t)number;
  }
  if (lua_type(L, index) != LUA_TSTRING)
    luaL_error(L, "%s: a duration is text like \"5s\", or milliseconds; got %s", what,
               luaL_typename(L, index));
  size_t size;
  const char *text = lua_tolstring(L, index, &size);
  if (hgl_duration_parse(hgl_bytes(text, size), &ms, &err) != 0)
    luaL_error(L, "%s: %s", what, err.message);
  return ms;
}

static void encode_fails(lua_State *L, const char *message)
{
  hgl_journal_note_raise(hgl_vm_of(L), HGL_JOURNAL_ENCODE, 0, message);
  luaL_error(L, "%s", message);
}

/* Which of several mistakes is found first depends on the order in which Lua keeps a table. */
void hgl_bind_encode(lua_State *L, int index, const char *what, struct hgl_buf *out)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_journal_event event;
  struct hgl_err err;
  if (hgl_journal_replaying(vm)) {
    if (hgl_journal_next_is(vm, HGL_JOURNAL_ENCODE))
      hgl_journal_expect(L, HGL_JOURNAL_ENCODE, 0, &event);
    return;
  }
  if (lua_isnoneornil(L, index))
    hgl_cbor_put_map(out, 0);
  else if (hgl_lua_encode(L, index, what, out, &err) != 0)
    err.code == HGL_NO_MEMORY ? hgl_sandbox_no_memory(L) : encode_fails(L, err.message);
  if (hgl_buf_check(out, &err) != 0) {
    hgl_fail_in(&err, "%s", what);
    encode_fails(L, err.message);
  }
}

void hgl_bind_options(lua_State *L, int index, const char *const *known)
{
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    bool found = false;
    for (size_t i = 0; known[i] && lua_type(L, -1) == LUA_TSTRING && !found; i++)
      found = strcmp(lua_tostring(L, -1), known[i]) == 0;
    if (found) continue;
    hgl_sandbox_tostring(L, -1);
    const char *option = lua_tostring(L, -1), *list = known[0];
    for (size_t i = 1; known[i]; i++) list = lua_pushfstring(L, "%s, %s", list, known[i]);
    luaL_error(L, "unknown option '%s', known: %s", option, list);
  }
}

/* What only a mistake in the script can cause. */
static bool is_bug(enum hgl_code code)
{
  switch (code) {
  case HGL_INTERNAL:
  case HGL_NO_MEMORY:
  case HGL_INVALID:
  case HGL_MALFORMED:
  case HGL_BAD_VALUE:
  case HGL_BAD_KEY:
  case HGL_TOO_LARGE:
  case HGL_TOO_DEEP:
  case HGL_PROTOCOL_VIOLATION:
    return true;
  default:
    return false;
  }
}

static int nil_why_code(lua_State *L, enum hgl_journal_op op, uint32_t hash,
                        const struct hgl_err *err)
{
  const char *code = hgl_code_name(err->code);
  hgl_journal_note_failure(hgl_vm_of(L), op, hash, err->message, code);
  lua_pushnil(L);
  lua_pushstring(L, err->message);
  lua_pushstring(L, code);
  return 3;
}

static int raise_failure(lua_State *L, enum hgl_journal_op op, uint32_t hash,
                         const struct hgl_err *err)
{
  hgl_journal_note_raise(hgl_vm_of(L), op, hash, err->message);
  return luaL_error(L, "%s", err->message);
}

int hgl_bind_failed(lua_State *L, enum hgl_journal_op op, uint32_t hash, const struct hgl_err *err)
{
  return is_bug(err->code) ? raise_failure(L, op, hash, err) : nil_why_code(L, op, hash, err);
}

int hgl_bind_id(lua_State *L, enum hgl_journal_op op, uint32_t hash, const struct hgl_id *id)
{
  char text[2 * HGL_ID_SIZE + 1];
  hgl_id_format(id, text);
  hgl_journal_note_text(hgl_vm_of(L), op, hash, hgl_bytes(text, 2 * HGL_ID_SIZE));
  lua_pushlstring(L, text, 2 * HGL_ID_SIZE);
  return 1;
}

int hgl_bind_true(lua_State *L, enum hgl_journal_op op, uint32_t hash)
{
  hgl_journal_note_bool(hgl_vm_of(L), op, hash, true);
  lua_pushboolean(L, 1);
  return 1;
}

int64_t hgl_bind_now(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_journal_event event;
  if (hgl_journal_replaying(vm)) {
    hgl_journal_expect(L, HGL_JOURNAL_NOW, 0, &event);
    return event.value.kind == HGL_STATE_INT ? event.value.integer : 0;
  }
  int64_t now_ms = vm->ops.now_ms(vm->ops.user);
  hgl_journal_note_int(vm, HGL_JOURNAL_NOW, 0, now_ms);
  return now_ms;
}

int hgl_bind_call(lua_State *L, const char *name, uint32_t hash)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  hash = hgl_journal_fold(hgl_journal_hash_bytes(hash, hgl_text(name)));
  if (hgl_journal_replaying(vm)) return hgl_journal_replay(L, HGL_JOURNAL_CALL, hash);
  hgl_buf_clear(&vm->result);
  int status = vm->ops.call(vm->ops.user, name, hgl_buf_bytes(&vm->scratch), &vm->result, &err);
  if (status == 0) status = hgl_buf_check(&vm->result, &err);
  if (status != 0)
    return err.code == HGL_INVALID ? raise_failure(L, HGL_JOURNAL_CALL, hash, &err)
                                   : nil_why_code(L, HGL_JOURNAL_CALL, hash, &err);
  hgl_journal_note_encoded(vm, HGL_JOURNAL_CALL, hash, hgl_buf_bytes(&vm->result));
  hgl_lua_push_value(L, hgl_buf_bytes(&vm->result));
  return 1;
}
