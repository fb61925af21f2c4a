/* Messages as handlers see them, and answering them. A message is a userdata with a copy of what
 * its handler may look at; its fields are made when they are asked for. */
#include "lua/vm_core.h"

#include "protocol/cbor.h"
#include "protocol/did.h"

/* Its address is the key of the metatable in the registry. */
static const char message_meta;

enum { BODY = 1, FROM = 2, USER_VALUES }; /* user values: fields that are made once */

struct message {
  struct hgl_id id, thid, pthid;
  struct hgl_key from, to;
  int64_t created_ms, expires_ms; /* expires: 0 when never */
  int attempt;
  bool has_pthid;
  uint32_t protocol_size, version_size, performative_size, body_size;
  char data[]; /* type, body */
};

static size_t type_size(const struct message *message)
{
  return (size_t)message->protocol_size + message->version_size + message->performative_size + 2;
}

void hgl_bind_message_push(lua_State *L, const struct hgl_vm_message *source)
{
  const struct hgl_envelope *envelope = &source->envelope;
  size_t size = envelope->type.size + envelope->body.size;
  struct message *message = lua_newuserdatauv(L, sizeof *message + size, USER_VALUES - 1);
  *message = (struct message){
      .id = envelope->id,
      .thid = envelope->thid,
      .pthid = envelope->pthid,
      .has_pthid = envelope->has_pthid,
      .from = envelope->from,
      .to = envelope->to,
      .created_ms = envelope->created_time_ms,
      .expires_ms = envelope->expires_time_ms,
      .attempt = source->attempt,
      .protocol_size = (uint32_t)envelope->protocol.size,
      .version_size = (uint32_t)envelope->version.size,
      .performative_size = (uint32_t)envelope->performative.size,
      .body_size = (uint32_t)envelope->body.size,
  };
  memcpy(message->data, envelope->type.data, envelope->type.size);
  if (envelope->body.size > 0)
    memcpy(message->data + envelope->type.size, envelope->body.data, envelope->body.size);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &message_meta);
  lua_setmetatable(L, -2);
}

bool hgl_lua_is_message(lua_State *L, int index)
{
  return lua_type(L, index) == LUA_TUSERDATA && hgl_lua_has_metatable(L, index, &message_meta);
}

static const struct message *check_message(lua_State *L)
{
  luaL_argexpected(L, hgl_lua_is_message(L, 1), 1, "message");
  return lua_touserdata(L, 1);
}

/* ---- fields ---- */

static void push_id(lua_State *L, const struct hgl_id *id)
{
  char text[2 * HGL_ID_SIZE + 1];
  hgl_id_format(id, text);
  lua_pushlstring(L, text, 2 * HGL_ID_SIZE);
}

static void push_did(lua_State *L, const struct hgl_key *key)
{
  char text[HGL_DID_TEXT_SIZE];
  hgl_did_format(key, text);
  lua_pushlstring(L, text, HGL_DID_TEXT_SIZE - 1);
}

static void push_from(lua_State *L, const struct message *message)
{
  if (lua_getiuservalue(L, 1, FROM) != LUA_TNIL) return;
  lua_pop(L, 1);
  push_did(L, &message->from);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, FROM);
}

static void push_body(lua_State *L, const struct message *message)
{
  if (lua_getiuservalue(L, 1, BODY) != LUA_TNIL) return;
  lua_pop(L, 1);
  hgl_lua_push_value(L, hgl_bytes(message->data + type_size(message), message->body_size));
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, BODY);
}

/* The peer and the thread's id: with the agent itself, what a thread is. */
static void push_thread(lua_State *L, const struct message *message)
{
  bool own = hgl_key_equal(&message->from, &hgl_vm_of(L)->key);
  char text[HGL_DID_TEXT_SIZE + 2 * HGL_ID_SIZE + 1];
  hgl_did_format(own ? &message->to : &message->from, text);
  text[HGL_DID_TEXT_SIZE - 1] = '|';
  hgl_id_format(&message->thid, text + HGL_DID_TEXT_SIZE);
  lua_pushlstring(L, text, HGL_DID_TEXT_SIZE + 2 * HGL_ID_SIZE);
}

static void push_type(lua_State *L, const struct message *message)
{
  lua_pushlstring(L, message->data, type_size(message));
}

static void push_protocol(lua_State *L, const struct message *message)
{
  lua_pushlstring(L, message->data, message->protocol_size);
}

static void push_version(lua_State *L, const struct message *message)
{
  lua_pushlstring(L, message->data + message->protocol_size + 1, message->version_size);
}

static void push_performative(lua_State *L, const struct message *message)
{
  const char *at = message->data + type_size(message) - message->performative_size;
  lua_pushlstring(L, at, message->performative_size);
}

static void push_own_id(lua_State *L, const struct message *message)
{
  push_id(L, &message->id);
}

static void push_thid(lua_State *L, const struct message *message)
{
  push_id(L, &message->thid);
}

static void push_pthid(lua_State *L, const struct message *message)
{
  if (message->has_pthid)
    push_id(L, &message->pthid);
  else
    lua_pushnil(L);
}

static void push_to(lua_State *L, const struct message *message)
{
  push_did(L, &message->to);
}

static void push_created(lua_State *L, const struct message *message)
{
  lua_pushinteger(L, message->created_ms);
}

static void push_expires(lua_State *L, const struct message *message)
{
  if (message->expires_ms)
    lua_pushinteger(L, message->expires_ms);
  else
    lua_pushnil(L);
}

static void push_attempt(lua_State *L, const struct message *message)
{
  lua_pushinteger(L, message->attempt);
}

/* A plain table that can be kept in `state` and answered later. */
static int message_ref(lua_State *L)
{
  const struct message *message = check_message(L);
  lua_createtable(L, 0, 5);
  push_own_id(L, message);
  lua_setfield(L, -2, "id");
  push_from(L, message);
  lua_setfield(L, -2, "from");
  push_type(L, message);
  lua_setfield(L, -2, "type");
  push_thid(L, message);
  lua_setfield(L, -2, "thid");
  push_pthid(L, message);
  lua_setfield(L, -2, "pthid");
  return 1;
}

static void push_reply(lua_State *L, const struct message *message)
{
  lua_pushcfunction(L, hgl_bind_message_reply);
}

static void push_refuse(lua_State *L, const struct message *message)
{
  lua_pushcfunction(L, hgl_bind_message_refuse);
}

static void push_ref(lua_State *L, const struct message *message)
{
  lua_pushcfunction(L, message_ref);
}

static int message_index(lua_State *L)
{
  static const struct {
    const char *name;
    void (*push)(lua_State *L, const struct message *message);
  } fields[] = {
      {"body", push_body},       {"reply", push_reply},
      {"thread", push_thread},   {"from", push_from},
      {"ref", push_ref},         {"refuse", push_refuse},
      {"type", push_type},       {"performative", push_performative},
      {"id", push_own_id},       {"thid", push_thid},
      {"pthid", push_pthid},     {"to", push_to},
      {"created", push_created}, {"expires", push_expires},
      {"attempt", push_attempt}, {"protocol", push_protocol},
      {"version", push_version},
  };
  const struct message *message = check_message(L);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (strcmp(fields[i].name, name) != 0) continue;
    fields[i].push(L, message);
    return 1;
  }
  lua_pushnil(L);
  return 1;
}

static int message_newindex(lua_State *L)
{
  return luaL_error(L, "a message cannot be changed");
}

void hgl_bind_message_open(lua_State *L)
{
  static const luaL_Reg methods[] = {
      {"__index", message_index}, {"__newindex", message_newindex}, {NULL, NULL}};
  luaL_newlib(L, methods);
  lua_pushliteral(L, "message");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &message_meta);
}

/* ---- answering ---- */

/* Where an answer goes; `type` stays valid while argument 1 is on the stack. */
struct destination {
  struct hgl_key from;
  struct hgl_id thid;
  struct hgl_bytes type;
};

static struct hgl_bytes ref_text(lua_State *L, const char *name)
{
  if (lua_getfield(L, 1, name) != LUA_TSTRING)
    luaL_error(L, "not a message or its ref(): '%s' is missing", name);
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  return hgl_bytes(text, size);
}

/* Leaves what the slices point into on the stack. */
static struct destination check_destination(lua_State *L)
{
  struct destination to;
  if (hgl_lua_is_message(L, 1)) {
    const struct message *message = check_message(L);
    if (hgl_key_equal(&message->from, &hgl_vm_of(L)->key) &&
        !hgl_key_equal(&message->to, &hgl_vm_of(L)->key))
      luaL_error(L, "this message is the agent's own: it cannot be answered");
    to.from = message->from;
    to.thid = message->thid;
    to.type = hgl_bytes(message->data, type_size(message));
    return to;
  }
  luaL_argexpected(L, lua_istable(L, 1) || lua_isuserdata(L, 1), 1, "message or its ref()");
  struct hgl_err err;
  if (hgl_did_parse(ref_text(L, "from"), &to.from, &err) != 0 ||
      hgl_id_parse(ref_text(L, "thid"), &to.thid, &err) != 0)
    luaL_error(L, "not a message's ref(): %s", err.message);
  to.type = ref_text(L, "type");
  return to;
}

static int64_t check_expiry(lua_State *L, int options)
{
  static const char *const known[] = {"expires", NULL};
  hgl_bind_options(L, options, known);
  if (lua_isnoneornil(L, options) || lua_getfield(L, options, "expires") == LUA_TNIL) return 0;
  return hgl_bind_duration(L, -1, "expires");
}

/* `hash`: of what is said, behind the thread and the type. */
static int answer(lua_State *L, const struct destination *to, struct hgl_bytes type,
                  int64_t expires_ms, uint64_t hash)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  uint32_t call = 0;
  if (hgl_journal_on(vm)) {
    hash = hgl_journal_hash_bytes(hash, type);
    hash = hgl_journal_hash_bytes(hash, hgl_bytes(to->thid.bytes, HGL_ID_SIZE));
    call = hgl_journal_fold(hgl_journal_hash_bytes(hash, hgl_key_bytes(&to->from)));
  }
  if (hgl_journal_replaying(vm)) return hgl_journal_replay(L, HGL_JOURNAL_SEND, call);
  struct hgl_err err = {0};
  struct hgl_id id;
  const struct hgl_vm_send send = {.to_key = &to->from,
                                   .type = type,
                                   .body = hgl_buf_bytes(&vm->scratch),
                                   .thid = &to->thid,
                                   .expires_ms = expires_ms};
  if (vm->ops.send(vm->ops.user, &send, &id, &err) != 0)
    return hgl_bind_failed(L, HGL_JOURNAL_SEND, call, &err);
  return hgl_bind_id(L, HGL_JOURNAL_SEND, call, &id);
}

int hgl_bind_message_reply(lua_State *L)
{
  lua_settop(L, 4);
  hgl_bind_in_handler(L, "agent.reply");
  struct destination to = check_destination(L);
  struct hgl_bytes performative = hgl_bind_text(L, 2);
  int64_t expires_ms = check_expiry(L, 4);
  char type[HGL_TYPE_SIZE_MAX];
  const uint8_t *slash = to.type.size ? memrchr(to.type.data, '/', to.type.size) : NULL;
  size_t kept = slash ? (size_t)(slash - to.type.data) + 1 : 0;
  if (kept + performative.size > sizeof type)
    return luaL_error(L, "the message type is longer than %d bytes", HGL_TYPE_SIZE_MAX);
  if (kept > 0) memcpy(type, to.type.data, kept);
  memcpy(type + kept, performative.data, performative.size);
  struct hgl_buf *body = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(body);
  hgl_bind_encode(L, 3, "body", body);
  return answer(L, &to, hgl_bytes(type, kept + performative.size), expires_ms,
                hgl_journal_hash(L, 3, 4));
}

int hgl_bind_message_refuse(lua_State *L)
{
  lua_settop(L, 3);
  hgl_bind_in_handler(L, "agent.refuse");
  struct destination to = check_destination(L);
  struct hgl_bytes why = lua_isnil(L, 2) ? hgl_text("refused") : hgl_bind_text(L, 2);
  struct hgl_bytes code = lua_isnil(L, 3) ? hgl_text("refused") : hgl_bind_text(L, 3);
  luaL_argcheck(L, hgl_utf8_valid(why), 2, "not UTF-8");
  luaL_argcheck(L, hgl_utf8_valid(code), 3, "not UTF-8");
  struct hgl_err err;
  struct hgl_buf *body = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(body);
  hgl_cbor_put_map(body, 2);
  hgl_cbor_put_literal(body, "why");
  hgl_cbor_put_text(body, why);
  hgl_cbor_put_literal(body, "code");
  hgl_cbor_put_text(body, code);
  if (hgl_buf_check(body, &err) != 0) return luaL_error(L, "%s", err.message);
  return answer(L, &to, hgl_text("haggle/1.0/refuse"), 0, hgl_journal_hash(L, 2, 3));
}
