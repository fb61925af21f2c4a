/* agent: declarations at the top level, effects and suspensions in handlers. */
#include "lua/vm_core.h"

#include "base/mem.h"
#include "protocol/cbor.h"
#include "protocol/did.h"

enum { ASK_WITHIN_DEFAULT_MS = 30000, HTTP_WITHIN_DEFAULT_MS = 30000 };

static struct hgl_buf *scratch(lua_State *L)
{
  struct hgl_buf *buf = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(buf);
  return buf;
}

static struct hgl_bytes optional_text(lua_State *L, int index)
{
  size_t size = 0;
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &size) : NULL;
  return hgl_bytes(text, size);
}

/* ---- the top level ---- */

static int declare(lua_State *L, enum hgl_vm_declaration kind, struct hgl_bytes name)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  if (vm->ops.declare(vm->ops.user, kind, name, hgl_buf_bytes(&vm->scratch), &err) != 0)
    return luaL_error(L, "%s", err.message);
  return 0;
}

static int declare_table(lua_State *L, enum hgl_vm_declaration kind, const char *what,
                         const char *name)
{
  hgl_bind_at_top(L, what);
  luaL_checktype(L, 1, LUA_TTABLE);
  hgl_bind_encode(L, 1, name, scratch(L));
  return declare(L, kind, hgl_bytes(NULL, 0));
}

static int agent_describe(lua_State *L)
{
  static const char *const known[] = {"name", "version", "about", NULL};
  hgl_bind_at_top(L, "agent.describe");
  hgl_bind_options(L, 1, known);
  return declare_table(L, HGL_VM_DESCRIBE, "agent.describe", "description");
}

static int agent_protocol(lua_State *L)
{
  return declare_table(L, HGL_VM_PROTOCOL, "agent.protocol", "protocol");
}

/* Without a service nobody would ever find it. */
static int agent_offer(lua_State *L)
{
  hgl_bind_at_top(L, "agent.offer");
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_getfield(L, 1, "service") != LUA_TSTRING)
    return luaL_error(L, "an offer needs its service: agent.offer { service = \"weather\", ... }");
  lua_pop(L, 1);
  return declare_table(L, HGL_VM_OFFER, "agent.offer", "offer");
}

/* The function is at index `fn`; what `declare` tells is in scratch. */
static int declare_handler(lua_State *L, enum hgl_vm_declaration kind, struct hgl_bytes name,
                           int fn)
{
  luaL_checktype(L, fn, LUA_TFUNCTION);
  luaL_argcheck(L, name.size <= HGL_VM_NAME_SIZE_MAX, 1, "the name is too long");
  hgl_run_push_handler(L, kind, name);
  if (!lua_isnil(L, -1)) {
    if (name.size == 0) return luaL_error(L, "this handler is declared already");
    lua_pushlstring(L, (const char *)name.data, name.size);
    return luaL_error(L, "'%s' has a handler already", lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  declare(L, kind, name);
  hgl_run_set_handler(L, kind, name, fn);
  return 0;
}

static int declare_named(lua_State *L, enum hgl_vm_declaration kind, const char *what)
{
  hgl_bind_at_top(L, what);
  struct hgl_bytes name = hgl_bind_text(L, 1);
  luaL_argcheck(L, name.size > 0, 1, "the name is empty");
  scratch(L);
  return declare_handler(L, kind, name, 2);
}

static int declare_unnamed(lua_State *L, enum hgl_vm_declaration kind, const char *what)
{
  hgl_bind_at_top(L, what);
  scratch(L);
  return declare_handler(L, kind, hgl_bytes(NULL, 0), 1);
}

static int agent_on(lua_State *L)
{
  return declare_named(L, HGL_VM_HANDLER, "agent.on");
}

static int agent_on_timer(lua_State *L)
{
  return declare_named(L, HGL_VM_ON_TIMER, "agent.on_timer");
}

static int agent_on_start(lua_State *L)
{
  return declare_unnamed(L, HGL_VM_ON_START, "agent.on_start");
}

static int agent_on_upgrade(lua_State *L)
{
  return declare_unnamed(L, HGL_VM_ON_UPGRADE, "agent.on_upgrade");
}

static int agent_on_stop(lua_State *L)
{
  return declare_unnamed(L, HGL_VM_ON_STOP, "agent.on_stop");
}

static int agent_on_undelivered(lua_State *L)
{
  return declare_unnamed(L, HGL_VM_ON_UNDELIVERED, "agent.on_undelivered");
}

/* What the field of a schedule says, or an empty text. */
static struct hgl_bytes schedule_text(lua_State *L, int options, const char *field)
{
  int type = lua_getfield(L, options, field);
  if (type != LUA_TNIL && type != LUA_TSTRING)
    luaL_error(L, "agent.every: '%s' is text, got %s", field, luaL_typename(L, -1));
  struct hgl_bytes text = optional_text(L, -1); /* the table keeps it */
  if (text.data && !hgl_utf8_valid(text)) luaL_error(L, "agent.every: '%s' is not UTF-8", field);
  if (text.data && text.size == 0) luaL_error(L, "agent.every: '%s' is empty", field);
  lua_pop(L, 1);
  return text;
}

static int64_t schedule_interval(lua_State *L, int index)
{
  int64_t every_ms = hgl_bind_duration(L, index, "agent.every");
  luaL_argcheck(L, every_ms > 0, 2, "the duration is zero");
  return every_ms;
}

/* { every =, cron =, zone =, at_start = } at `index`, into `value`. */
static void encode_schedule(lua_State *L, int index, struct hgl_buf *value)
{
  static const char *const known[] = {"every", "cron", "zone", "at_start", NULL};
  hgl_bind_options(L, index, known);
  struct hgl_bytes cron = schedule_text(L, index, "cron");
  struct hgl_bytes zone = schedule_text(L, index, "zone");
  bool interval = lua_getfield(L, index, "every") != LUA_TNIL;
  int at_start = lua_getfield(L, index, "at_start");
  if (interval == (cron.data != NULL))
    luaL_error(L, "agent.every needs one of every = \"5s\" and cron = \"0 9 * * 1-5\"");
  if (interval && zone.data) luaL_error(L, "agent.every: only cron goes by a time zone");
  if (at_start != LUA_TNIL && at_start != LUA_TBOOLEAN)
    luaL_error(L, "agent.every: 'at_start' is true or false");
  bool starts = lua_toboolean(L, -1);
  hgl_cbor_put_map(value, (interval ? 1 : 2) + starts); /* keys in the order of their size */
  if (!interval) {
    hgl_cbor_put_literal(value, "cron");
    hgl_cbor_put_text(value, cron);
    hgl_cbor_put_literal(value, "zone");
    hgl_cbor_put_text(value, zone.data ? zone : hgl_text("UTC"));
  }
  if (starts) {
    hgl_cbor_put_literal(value, "at_start");
    hgl_cbor_put_bool(value, true);
  }
  if (interval) {
    hgl_cbor_put_literal(value, "every_ms");
    hgl_cbor_put_int(value, schedule_interval(L, -2));
  }
}

/* agent.every(name, "5s" or { every =, cron =, zone =, at_start = }, fn) */
static int agent_every(lua_State *L)
{
  hgl_bind_at_top(L, "agent.every");
  struct hgl_bytes name = hgl_bind_text(L, 1);
  luaL_argcheck(L, name.size > 0, 1, "the name is empty");
  lua_settop(L, 3);
  struct hgl_buf *value = scratch(L);
  if (lua_istable(L, 2)) {
    encode_schedule(L, 2, value);
  } else {
    hgl_cbor_put_map(value, 1);
    hgl_cbor_put_literal(value, "every_ms");
    hgl_cbor_put_int(value, schedule_interval(L, 2));
  }
  return declare_handler(L, HGL_VM_EVERY, name, 3);
}

/* agent.on_http(method, path, fn, { within = "30s" }) */
static int agent_on_http(lua_State *L)
{
  static const char *const known[] = {"within", NULL};
  hgl_bind_at_top(L, "agent.on_http");
  lua_settop(L, 4);
  hgl_bind_text(L, 1);
  hgl_bind_text(L, 2);
  hgl_bind_options(L, 4, known);
  int64_t within_ms = HTTP_WITHIN_DEFAULT_MS;
  if (!lua_isnil(L, 4) && lua_getfield(L, 4, "within") != LUA_TNIL)
    within_ms = hgl_bind_duration(L, -1, "within");
  luaL_argcheck(L, within_ms > 0, 4, "the duration is zero");
  lua_settop(L, 4);
  lua_pushvalue(L, 1);
  lua_pushliteral(L, " ");
  lua_pushvalue(L, 2);
  lua_concat(L, 3);
  struct hgl_bytes name = hgl_bind_text(L, 5);
  luaL_argcheck(L, hgl_utf8_valid(name), 2, "not UTF-8");
  luaL_argcheck(L, name.size <= HGL_VM_NAME_SIZE_MAX, 2, "the path is too long");
  struct hgl_buf *value = scratch(L);
  hgl_cbor_put_map(value, 1);
  hgl_cbor_put_literal(value, "within_ms");
  hgl_cbor_put_int(value, within_ms);
  return declare_handler(L, HGL_VM_ON_HTTP, name, 3);
}

/* ---- effects ---- */

static int64_t option_duration(lua_State *L, int options, const char *name, int64_t fallback)
{
  if (lua_isnoneornil(L, options) || lua_getfield(L, options, name) == LUA_TNIL) return fallback;
  return hgl_bind_duration(L, -1, name);
}

/* agent.send(to, type, body, { expires = "1h" }) */
static int agent_send(lua_State *L)
{
  static const char *const known[] = {"expires", NULL};
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  struct hgl_id id;
  hgl_bind_in_handler(L, "agent.send");
  lua_settop(L, 4);
  struct hgl_vm_send send = {.to = hgl_bind_text(L, 1), .type = hgl_bind_text(L, 2)};
  hgl_bind_options(L, 4, known);
  send.expires_ms = option_duration(L, 4, "expires", 0);
  hgl_bind_encode(L, 3, "body", scratch(L));
  send.body = hgl_buf_bytes(&vm->scratch);
  uint32_t hash = hgl_journal_hash(L, 1, 4);
  if (hgl_journal_replaying(vm)) return hgl_journal_replay(L, HGL_JOURNAL_SEND, hash);
  if (vm->ops.send(vm->ops.user, &send, &id, &err) != 0)
    return hgl_bind_failed(L, HGL_JOURNAL_SEND, hash, &err);
  return hgl_bind_id(L, HGL_JOURNAL_SEND, hash, &id);
}

/* agent.after(name, delay, value, { key = … }): the same name and key replaces. */
static int agent_after(lua_State *L)
{
  static const char *const known[] = {"key", NULL};
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  hgl_bind_in_handler(L, "agent.after");
  lua_settop(L, 4);
  struct hgl_bytes name = hgl_bind_text(L, 1);
  int64_t after_ms = hgl_bind_duration(L, 2, "agent.after");
  hgl_bind_options(L, 4, known);
  struct hgl_bytes key = optional_text(L, 3);
  if (!lua_isnil(L, 4) && lua_getfield(L, 4, "key") != LUA_TNIL) key = hgl_bind_text(L, -1);
  hgl_run_push_handler(L, HGL_VM_ON_TIMER, name);
  if (lua_isnil(L, -1))
    return luaL_error(L, "no timer '%s': declare agent.on_timer at the top level",
                      lua_tostring(L, 1));
  struct hgl_buf *value = scratch(L);
  if (!lua_isnil(L, 3)) hgl_bind_encode(L, 3, "value", value);
  uint32_t hash = hgl_journal_hash(L, 1, 4);
  if (hgl_journal_replaying(vm)) return hgl_journal_replay(L, HGL_JOURNAL_TIMER, hash);
  if (vm->ops.timer_set(vm->ops.user, name, key, after_ms, hgl_buf_bytes(value), &err) != 0)
    return hgl_bind_failed(L, HGL_JOURNAL_TIMER, hash, &err);
  return hgl_bind_true(L, HGL_JOURNAL_TIMER, hash);
}

static int agent_cancel(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  hgl_bind_in_handler(L, "agent.cancel");
  lua_settop(L, 2);
  struct hgl_bytes name = hgl_bind_text(L, 1);
  struct hgl_bytes key = lua_isnil(L, 2) ? hgl_bytes(NULL, 0) : hgl_bind_text(L, 2);
  uint32_t hash = hgl_journal_hash(L, 1, 2);
  if (hgl_journal_replaying(vm)) return hgl_journal_replay(L, HGL_JOURNAL_CANCEL, hash);
  if (vm->ops.timer_cancel(vm->ops.user, name, key, &err) != 0)
    return hgl_bind_failed(L, HGL_JOURNAL_CANCEL, hash, &err);
  return hgl_bind_true(L, HGL_JOURNAL_CANCEL, hash);
}

/* One table as the only argument of an operation of the host. */
static int call_with_table(lua_State *L, const char *what, const char *name)
{
  hgl_bind_in_handler(L, what);
  luaL_argexpected(L, lua_istable(L, 1) || lua_isuserdata(L, 1), 1, "table");
  struct hgl_buf *arguments = scratch(L);
  hgl_cbor_put_list(arguments, 1);
  hgl_bind_encode(L, 1, name, arguments);
  return hgl_bind_call(L, name, hgl_journal_hash(L, 1, 1));
}

static int agent_find(lua_State *L)
{
  if (lua_isnone(L, 1)) lua_newtable(L);
  return call_with_table(L, "agent.find", "find");
}

static int agent_deal(lua_State *L)
{
  return call_with_table(L, "agent.deal", "deal");
}

/* agent.keep(message): a message, its ref() or its id. */
static int agent_keep(lua_State *L)
{
  hgl_bind_in_handler(L, "agent.keep");
  lua_settop(L, 1);
  if (!lua_isstring(L, 1)) {
    luaL_argexpected(L, lua_istable(L, 1) || lua_isuserdata(L, 1), 1, "message");
    lua_getfield(L, 1, "id");
  }
  struct hgl_bytes text = optional_text(L, -1);
  struct hgl_err err;
  struct hgl_id id;
  if (hgl_id_parse(text, &id, &err) != 0) return luaL_error(L, "agent.keep: %s", err.message);
  struct hgl_buf *arguments = scratch(L);
  hgl_cbor_put_list(arguments, 1);
  hgl_cbor_put_text(arguments, text);
  return hgl_bind_call(L, "keep", hgl_journal_fold(hgl_journal_hash_bytes(0, text)));
}

static int agent_granted(lua_State *L)
{
  struct hgl_bytes kind = hgl_bind_text(L, 1), value = hgl_bind_text(L, 2);
  luaL_argcheck(L, hgl_utf8_valid(kind), 1, "not UTF-8");
  luaL_argcheck(L, hgl_utf8_valid(value), 2, "not UTF-8");
  struct hgl_buf *arguments = scratch(L);
  hgl_cbor_put_list(arguments, 2);
  hgl_cbor_put_text(arguments, kind);
  hgl_cbor_put_text(arguments, value);
  return hgl_bind_call(L, "granted", hgl_journal_hash(L, 1, 2));
}

/* ---- suspensions ---- */

static void push_answer(lua_State *L, const struct hgl_vm_answer *answer)
{
  hgl_bind_message_push(L, answer->message);
}

static void push_why(lua_State *L, const struct hgl_vm_answer *answer)
{
  lua_pushstring(L, answer->why ? answer->why : hgl_code_meaning(answer->code));
}

static int ask_answered(lua_State *L, int status, lua_KContext context)
{
  const struct hgl_vm_answer *answer = &hgl_vm_of(L)->answers[0];
  if (answer->message) {
    push_answer(L, answer);
    return 1;
  }
  lua_pushnil(L);
  push_why(L, answer);
  lua_pushstring(L, hgl_code_name(answer->code));
  return 3;
}

static int ask_all_answered(lua_State *L, int status, lua_KContext context)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  lua_createtable(L, (int)vm->answer_count, 0);
  for (size_t i = 0; i < vm->answer_count; i++) {
    const struct hgl_vm_answer *answer = &vm->answers[i];
    lua_createtable(L, 0, 3);
    lua_pushboolean(L, answer->message != NULL);
    lua_setfield(L, -2, "ok");
    if (answer->message) {
      push_answer(L, answer);
      lua_setfield(L, -2, "message");
    } else {
      push_why(L, answer);
      lua_setfield(L, -2, "why");
      lua_pushstring(L, hgl_code_name(answer->code));
      lua_setfield(L, -2, "code");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int sleep_over(lua_State *L, int status, lua_KContext context)
{
  return 0;
}

static int64_t check_within(lua_State *L, int options)
{
  static const char *const known[] = {"within", NULL};
  hgl_bind_options(L, options, known);
  return option_duration(L, options, "within", ASK_WITHIN_DEFAULT_MS);
}

static struct hgl_vm_run *prepare_asks(lua_State *L, enum hgl_vm_wait_kind kind, size_t count)
{
  struct hgl_vm_run *run = hgl_vm_of(L)->run;
  hgl_run_forget_asks(hgl_vm_of(L), run);
  run->asks = hgl_array(count ? count : 1, sizeof *run->asks);
  if (!run->asks) luaL_error(L, "not enough memory for the questions");
  run->wait = (struct hgl_vm_wait){.kind = kind, .asks = run->asks};
  return run;
}

/* Takes one question's parts from the stack: `to` there, then type and body. The slices get their
 * addresses at the end, when the buffer does not move any more. */
static void add_ask(lua_State *L, struct hgl_vm_run *run, int to, const char *what,
                    int64_t within_ms)
{
  struct hgl_vm_ask *ask = &run->asks[run->wait.ask_count];
  struct hgl_bytes peer = optional_text(L, to), type = optional_text(L, to + 1);
  if (!peer.data) luaL_error(L, "%s: the peer is not a string", what);
  if (!type.data) luaL_error(L, "%s: the message type is not a string", what);
  hgl_buf_append_bytes(&run->ask_data, peer);
  hgl_buf_append_bytes(&run->ask_data, type);
  size_t before = run->ask_data.size;
  hgl_bind_encode(L, to + 2, what, &run->ask_data);
  *ask = (struct hgl_vm_ask){.to.size = peer.size,
                             .type.size = type.size,
                             .body.size = run->ask_data.size - before,
                             .within_ms = within_ms};
  run->wait.ask_count++;
}

static void place_asks(struct hgl_vm_run *run)
{
  const uint8_t *at = run->ask_data.data;
  for (size_t i = 0; i < run->wait.ask_count; i++) {
    struct hgl_vm_ask *ask = &run->asks[i];
    ask->to.data = at;
    ask->type.data = ask->to.data + ask->to.size;
    ask->body.data = ask->type.data + ask->type.size;
    at = ask->body.data + ask->body.size;
  }
}

/* agent.ask(to, type, body, { within = "5s" }) */
static int agent_ask(lua_State *L)
{
  hgl_bind_in_handler(L, "agent.ask");
  lua_settop(L, 4);
  hgl_bind_text(L, 1);
  hgl_bind_text(L, 2);
  int64_t within_ms = check_within(L, 4);
  hgl_run_check_suspendable(L, "agent.ask");
  struct hgl_vm_run *run = prepare_asks(L, HGL_VM_WAIT_ASK, 1);
  add_ask(L, run, 1, "body", within_ms);
  place_asks(run);
  return hgl_run_suspend(L, hgl_journal_hash(L, 1, 4), ask_answered);
}

/* agent.ask_all({ { to, type, body }, … }, { within = "5s" }) */
static int agent_ask_all(lua_State *L)
{
  hgl_bind_in_handler(L, "agent.ask_all");
  lua_settop(L, 2);
  luaL_argexpected(L, lua_istable(L, 1) || lua_isuserdata(L, 1), 1, "list of questions");
  int64_t within_ms = check_within(L, 2);
  lua_Integer count = luaL_len(L, 1);
  if (count > HGL_VM_ASKS_MAX)
    return luaL_error(L, "agent.ask_all: %I questions, limit %d", count, HGL_VM_ASKS_MAX);
  hgl_run_check_suspendable(L, "agent.ask_all");
  lua_settop(L, 2);
  struct hgl_vm_run *run = prepare_asks(L, HGL_VM_WAIT_ASK_ALL, (size_t)count);
  uint64_t hash = 0;
  for (lua_Integer i = 1; i <= count; i++) {
    char what[32];
    snprintf(what, sizeof what, "question %lld", (long long)i);
    lua_geti(L, 1, i);
    if (!lua_istable(L, -1) && !lua_isuserdata(L, -1))
      return luaL_error(L, "%s is not a table { to, type, body }", what);
    int question = lua_gettop(L);
    for (int part = 1; part <= 3; part++) lua_geti(L, question, part);
    hash = hgl_journal_mix(hash, hgl_journal_hash(L, question + 1, question + 3));
    add_ask(L, run, question + 1, what, within_ms);
    lua_settop(L, 2);
  }
  if (count == 0) {
    lua_newtable(L);
    return 1;
  }
  place_asks(run);
  return hgl_run_suspend(L, (uint32_t)hash ^ hgl_journal_hash(L, 2, 2), ask_all_answered);
}

static int agent_sleep(lua_State *L)
{
  hgl_bind_in_handler(L, "agent.sleep");
  int64_t ms = hgl_bind_duration(L, 1, "agent.sleep");
  hgl_run_check_suspendable(L, "agent.sleep");
  struct hgl_vm_run *run = hgl_vm_of(L)->run;
  run->wait = (struct hgl_vm_wait){.kind = HGL_VM_WAIT_SLEEP, .sleep_ms = ms};
  return hgl_run_suspend(L, hgl_journal_hash(L, 1, 1), sleep_over);
}

/* ---- the table ---- */

static int agent_name(lua_State *L)
{
  lua_pushstring(L, hgl_vm_of(L)->name);
  return 1;
}

static int agent_id(lua_State *L)
{
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(&hgl_vm_of(L)->key, did);
  lua_pushstring(L, did);
  return 1;
}

static int agent_empty_config(lua_State *L)
{
  lua_newtable(L);
  hgl_freeze_wrap(L);
  return 1;
}

void hgl_bind_agent_open(lua_State *L, struct hgl_bytes config)
{
  static const struct hgl_lib_field fields[] = {
      {"describe", agent_describe, false},
      {"protocol", agent_protocol, false},
      {"offer", agent_offer, false},
      {"on", agent_on, false},
      {"on_timer", agent_on_timer, false},
      {"on_start", agent_on_start, false},
      {"on_upgrade", agent_on_upgrade, false},
      {"on_stop", agent_on_stop, false},
      {"on_undelivered", agent_on_undelivered, false},
      {"every", agent_every, false},
      {"on_http", agent_on_http, false},
      {"send", agent_send, false},
      {"ask", agent_ask, false},
      {"ask_all", agent_ask_all, false},
      {"sleep", agent_sleep, false},
      {"after", agent_after, false},
      {"cancel", agent_cancel, false},
      {"find", agent_find, false},
      {"deal", agent_deal, false},
      {"keep", agent_keep, false},
      {"granted", agent_granted, false},
      {"exclusive", hgl_bind_exclusive, false},
      {"continue", hgl_bind_continue, false},
      {"infer", hgl_bind_infer, false},
      {"reply", hgl_bind_message_reply, false},
      {"refuse", hgl_bind_message_refuse, false},
      {"name", agent_name, true},
      {"id", agent_id, true},
      {"config", agent_empty_config, true},
      {NULL, NULL, false},
  };
  lua_newtable(L);
  if (config.size > 0) {
    hgl_lua_push_value(L, config);
    lua_setfield(L, -2, "config");
  }
  hgl_lib_extend(L, fields);
  hgl_freeze_wrap(L);
  lua_setglobal(L, "agent");
}
