/* HTTP requests as handlers see them, and answering them. A request is a userdata with what came,
 * encoded; its fields are made when they are asked for, and kept. What came is part of the call, so
 * a handler that is run again sees the same. */
#include "lua/vm_core.h"

#include "protocol/cbor.h"
#include "protocol/value.h"
#include "protocol/web.h"

/* Its address is the key of the metatable in the registry. */
static const char request_meta;

struct request {
  size_t size;
  char data[]; /* as hgl_vm_call.values has it */
};

/* ---- what came ---- */

struct parts {
  struct hgl_bytes method, path, body;
  struct hgl_cbor_reader params, query, headers; /* at the first name */
  size_t param_count, query_count, header_count; /* of names and values */
};

static int get_fields(struct hgl_cbor_reader *in, struct hgl_cbor_reader *first, size_t *count,
                      struct hgl_err *err)
{
  int status = hgl_cbor_get_list(in, "fields", 2 * HGL_WEB_PARAMETERS_MAX, count, err);
  *first = *in;
  struct hgl_cbor_item ignored;
  for (size_t i = 0; i < *count && !status; i++) status = hgl_cbor_next(in, &ignored, err);
  return status;
}

static void read_parts(lua_State *L, const struct request *request, struct parts *out)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_bytes(request->data, request->size));
  struct hgl_err err;
  size_t count;
  if (hgl_cbor_get_list(&in, "request", 6, &count, &err) ||
      hgl_cbor_get_text(&in, "method", HGL_WEB_METHOD_SIZE_MAX, &out->method, &err) ||
      hgl_cbor_get_text(&in, "path", HGL_WEB_TARGET_SIZE_MAX, &out->path, &err) ||
      get_fields(&in, &out->params, &out->param_count, &err) ||
      get_fields(&in, &out->query, &out->query_count, &err) ||
      get_fields(&in, &out->headers, &out->header_count, &err) ||
      hgl_cbor_get_bytes(&in, "body", HGL_WEB_BODY_SIZE_MAX, &out->body, &err))
    luaL_error(L, "%s", err.message);
}

/* Text, or haggle.bytes where it is none. */
static void push_content(lua_State *L, struct hgl_bytes content)
{
  if (hgl_utf8_valid(content))
    lua_pushlstring(L, content.size ? (const char *)content.data : "", content.size);
  else
    hgl_lua_push_bytes(L, content);
}

/* Name → value; or a list of the values, in order, of one that came several times. */
static void push_fields(lua_State *L, struct hgl_cbor_reader in, size_t count)
{
  struct hgl_bytes name = {0}, value = {0};
  lua_newtable(L);
  for (size_t i = 0; i + 1 < count; i += 2) {
    if (hgl_cbor_get_text(&in, "name", SIZE_MAX, &name, NULL) ||
        hgl_cbor_get_text(&in, "value", SIZE_MAX, &value, NULL))
      luaL_error(L, "a request cannot be read");
    lua_pushlstring(L, name.size ? (const char *)name.data : "", name.size);
    lua_pushvalue(L, -1);
    int before = lua_rawget(L, -3);
    if (before == LUA_TNIL) {
      lua_pop(L, 1);
      push_content(L, value);
      lua_rawset(L, -3);
      continue;
    }
    if (before == LUA_TSTRING) {
      lua_createtable(L, 2, 0);
      lua_insert(L, -2);
      lua_rawseti(L, -2, 1);
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -5);
    }
    push_content(L, value);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 2);
  }
}

static bool says_json(const struct parts *parts)
{
  struct hgl_cbor_reader in = parts->headers;
  struct hgl_bytes name, value;
  for (size_t i = 0; i + 1 < parts->header_count; i += 2) {
    if (hgl_cbor_get_text(&in, "name", SIZE_MAX, &name, NULL) ||
        hgl_cbor_get_text(&in, "value", SIZE_MAX, &value, NULL))
      return false;
    if (hgl_bytes_is(name, "content-type")) return hgl_web_is_json(value);
  }
  return false;
}

/* nil, unless the content type says that it is JSON: then the host has checked it. */
static void push_json(lua_State *L, const struct parts *parts)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err;
  hgl_buf_clear(&vm->result);
  if (!parts->body.size || !says_json(parts)) {
    lua_pushnil(L);
    return;
  }
  int status = hgl_json_plain_read(parts->body, HGL_WEB_BODY_SIZE_MAX, HGL_VALUE_ITEMS_MAX,
                                   &vm->result, &err);
  if (status == -HGL_NO_MEMORY) hgl_sandbox_no_memory(L);
  if (status)
    lua_pushnil(L);
  else
    hgl_lua_push_value(L, hgl_buf_bytes(&vm->result));
}

static void push_field(lua_State *L, const struct request *request, const char *name)
{
  struct parts parts = {0};
  read_parts(L, request, &parts);
  if (strcmp(name, "method") == 0)
    push_content(L, parts.method);
  else if (strcmp(name, "path") == 0)
    push_content(L, parts.path);
  else if (strcmp(name, "params") == 0)
    push_fields(L, parts.params, parts.param_count);
  else if (strcmp(name, "query") == 0)
    push_fields(L, parts.query, parts.query_count);
  else if (strcmp(name, "headers") == 0)
    push_fields(L, parts.headers, parts.header_count);
  else if (strcmp(name, "body") == 0)
    push_content(L, parts.body);
  else if (strcmp(name, "json") == 0)
    push_json(L, &parts);
  else
    lua_pushnil(L);
}

/* ---- answering ---- */

/* [status, [name, value, …], body], in vm->result; the value to be said is at `value`. */
struct answer {
  lua_Integer status;
  struct hgl_bytes body;
  const char *type; /* of the content; NULL: there is none */
};

static void check_buffer(lua_State *L, const struct hgl_buf *buf)
{
  struct hgl_err err;
  if (!hgl_buf_check(buf, &err)) return;
  if (err.code == HGL_NO_MEMORY) hgl_sandbox_no_memory(L);
  luaL_error(L, "the answer: %s", err.message);
}

static void put_headers(lua_State *L, int headers, const struct answer *answer, struct hgl_buf *out)
{
  size_t count = 0;
  bool typed = answer->type == NULL;
  struct hgl_err err;
  if (!lua_isnil(L, headers)) {
    luaL_checktype(L, headers, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, headers); lua_pop(L, 1)) {
      if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "a header's name and value are text");
      struct hgl_bytes name = hgl_bind_text(L, lua_absindex(L, -2));
      if (hgl_web_header_check(name, hgl_bind_text(L, lua_absindex(L, -1)), &err))
        luaL_error(L, "%s", err.message);
      typed |= name.size == 12 && strncasecmp((const char *)name.data, "content-type", 12) == 0;
      if (++count > HGL_WEB_HEADERS_MAX) luaL_error(L, "more than %d headers", HGL_WEB_HEADERS_MAX);
    }
  }
  hgl_cbor_put_list(out, 2 * (count + !typed));
  if (!typed) {
    hgl_cbor_put_literal(out, "content-type");
    hgl_cbor_put_literal(out, answer->type);
  }
  if (count == 0) return;
  for (lua_pushnil(L); lua_next(L, headers); lua_pop(L, 1)) {
    hgl_cbor_put_bytes(out, hgl_bind_text(L, lua_absindex(L, -2)));
    hgl_cbor_put_bytes(out, hgl_bind_text(L, lua_absindex(L, -1)));
  }
}

static void put_answer(lua_State *L, const struct answer *answer, int headers, struct hgl_buf *out)
{
  hgl_cbor_put_list(out, 3);
  hgl_cbor_put_int(out, answer->status);
  put_headers(L, headers, answer, out);
  hgl_cbor_put_bytes(out, answer->body);
  check_buffer(L, out);
}

static const char json_content[] = "application/json";

/* The content of the value at `index`; JSON of it goes to vm->result. `encoded`: of one that is
 * neither text nor bytes. False: it cannot be said as JSON, and why. */
static bool find_content(lua_State *L, int index, struct hgl_bytes encoded, struct answer *answer,
                         struct hgl_err *err)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_bytes bytes = hgl_lua_to_bytes(L, index);
  answer->body = hgl_bytes(NULL, 0);
  answer->type = NULL;
  if (lua_isnoneornil(L, index)) return true;
  answer->type = bytes.data ? "application/octet-stream" : "text/plain; charset=utf-8";
  answer->body = bytes;
  if (bytes.data) return true;
  if (lua_type(L, index) == LUA_TSTRING) {
    answer->body = hgl_bind_text(L, index);
    return true;
  }
  answer->type = json_content;
  hgl_buf_clear(&vm->result);
  int status = hgl_json_plain_write(encoded, 0, &vm->result, err);
  if (status == -HGL_NO_MEMORY) hgl_sandbox_no_memory(L);
  answer->body = hgl_buf_bytes(&vm->result);
  return status == 0;
}

/* Hands what is in vm->scratch out. */
static int hand_out(lua_State *L, uint32_t hash)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err = {0};
  if (vm->ops.answer(vm->ops.user, hgl_buf_bytes(&vm->scratch), &err) != 0)
    return hgl_bind_failed(L, HGL_JOURNAL_ANSWER, hash, &err);
  return hgl_bind_true(L, HGL_JOURNAL_ANSWER, hash);
}

static int refuse(lua_State *L, uint32_t hash, const char *why)
{
  lua_pushfstring(L, "request:answer: %s", why);
  hgl_journal_note_raise(hgl_vm_of(L), HGL_JOURNAL_ANSWER, hash, lua_tostring(L, -1));
  return luaL_error(L, "%s", lua_tostring(L, -1));
}

static bool is_plain(lua_State *L, int index)
{
  return lua_isnoneornil(L, index) || lua_type(L, index) == LUA_TSTRING ||
         hgl_lua_to_bytes(L, index).data;
}

/* request:answer(status, body, headers) */
static int request_answer(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct answer answer;
  struct hgl_err err;
  hgl_bind_in_handler(L, "request:answer");
  lua_settop(L, 4);
  luaL_argexpected(L, hgl_lua_has_metatable(L, 1, &request_meta), 1, "request");
  answer.status = luaL_checkinteger(L, 2);
  luaL_argcheck(L, answer.status >= 200 && answer.status <= 599, 2, "a status is 200 to 599");
  if (vm->run->answered) return luaL_error(L, "this request is answered already");
  struct hgl_buf *encoded = &vm->scratch;
  hgl_buf_clear(encoded);
  if (!is_plain(L, 3)) hgl_bind_encode(L, 3, "body", encoded);
  uint32_t hash = hgl_journal_hash(L, 2, 4);
  if (hgl_journal_replaying(vm)) {
    int count = hgl_journal_replay(L, HGL_JOURNAL_ANSWER, hash);
    vm->run->answered = true;
    return count;
  }
  if (!find_content(L, 3, hgl_buf_bytes(encoded), &answer, &err))
    return refuse(L, hash, err.message);
  if (answer.body.size > HGL_WEB_BODY_SIZE_MAX) return refuse(L, hash, "the body is too long");
  hgl_buf_clear(encoded);
  put_answer(L, &answer, 4, encoded);
  int count = hand_out(L, hash);
  vm->run->answered = true;
  return count;
}

static int status_of(const char *code)
{
  static const struct {
    const char *code;
    int status;
  } known[] = {{"invalid", 400},
               {"malformed", 400},
               {"bad_value", 400},
               {"unauthorized", 401},
               {"denied", 403},
               {"forbidden", 403},
               {"not_found", 404},
               {"not_here", 404},
               {"no_handler", 404},
               {"exists", 409},
               {"conflict", 409},
               {"in_use", 409},
               {"expired", 410},
               {"gone", 410},
               {"too_large", 413},
               {"refused", 422},
               {"protocol_violation", 422},
               {"limit", 429},
               {"mailbox_full", 503},
               {"unavailable", 503},
               {"undeliverable", 502},
               {"unreachable", 502},
               {"untrusted", 502},
               {"handler_failed", 502},
               {"upstream", 502},
               {"closed", 502},
               {"timeout", 504}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].code, code) == 0) return known[i].status;
  return 500;
}

/* {"error":{"code":…,"message":…}}, of nil, why, code at `first`. */
static void answer_error(lua_State *L, int first, struct answer *answer)
{
  struct hgl_buf *out = &hgl_vm_of(L)->result;
  struct hgl_bytes why = lua_type(L, first + 1) == LUA_TSTRING ? hgl_bind_text(L, first + 1)
                                                               : hgl_text("refused");
  struct hgl_bytes code = lua_type(L, first + 2) == LUA_TSTRING ? hgl_bind_text(L, first + 2)
                                                                : hgl_text("refused");
  if (!hgl_utf8_valid(why) || !hgl_utf8_valid(code))
    luaL_error(L, "the answer: why and code are text in UTF-8");
  hgl_buf_clear(out);
  hgl_buf_append_text(out, "{\"error\":{\"code\":");
  hgl_json_put_text(code, out);
  hgl_buf_append_text(out, ",\"message\":");
  hgl_json_put_text(why, out);
  hgl_buf_append_text(out, "}}");
  check_buffer(L, out);
  *answer = (struct answer){
      lua_type(L, first + 2) == LUA_TSTRING ? status_of(lua_tostring(L, first + 2)) : 422,
      hgl_buf_bytes(out), json_content};
}

/* A value is JSON whatever it is: text as well. */
static void answer_value(lua_State *L, int index, struct answer *answer)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err;
  hgl_buf_clear(&vm->scratch);
  hgl_buf_clear(&vm->result);
  int status = hgl_lua_encode(L, index, "answer", &vm->scratch, &err);
  if (!status) status = hgl_buf_check(&vm->scratch, &err);
  if (!status) status = hgl_json_plain_write(hgl_buf_bytes(&vm->scratch), 0, &vm->result, &err);
  if (status == -HGL_NO_MEMORY) hgl_sandbox_no_memory(L);
  if (status) luaL_error(L, "the answer: %s", err.message);
  if (vm->result.size > HGL_WEB_BODY_SIZE_MAX) luaL_error(L, "the answer is too long");
  *answer = (struct answer){200, hgl_buf_bytes(&vm->result), json_content};
}

/* What the handler returned is the answer, unless it gave one. */
void hgl_bind_request_returned(lua_State *L, int first)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct answer answer = {204, hgl_bytes(NULL, 0), NULL};
  int last = lua_gettop(L);
  if (vm->run->answered || hgl_journal_replaying(vm)) return; /* a replay ends before this */
  lua_settop(L, first + 2);
  if (!lua_isnil(L, first))
    answer_value(L, first, &answer);
  else if (last > first)
    answer_error(L, first, &answer);
  hgl_buf_clear(&vm->scratch);
  lua_pushnil(L);
  put_answer(L, &answer, lua_gettop(L), &vm->scratch);
  hand_out(L, 0);
}

/* ---- the object ---- */

static int request_index(lua_State *L)
{
  luaL_argexpected(L, hgl_lua_has_metatable(L, 1, &request_meta), 1, "request");
  const struct request *request = lua_touserdata(L, 1);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(name, "answer") == 0) {
    lua_pushcfunction(L, request_answer);
    return 1;
  }
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, 3) != LUA_TNIL) return 1;
  lua_pop(L, 1);
  push_field(L, request, name);
  if (lua_isnil(L, -1)) return 1;
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, 3);
  return 1;
}

static int request_newindex(lua_State *L)
{
  return luaL_error(L, "a request cannot be changed");
}

void hgl_bind_request_push(lua_State *L, struct hgl_bytes values)
{
  struct request *request = lua_newuserdatauv(L, sizeof *request + values.size, 1);
  request->size = values.size;
  if (values.size) memcpy(request->data, values.data, values.size);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &request_meta);
  lua_setmetatable(L, -2);
}

void hgl_bind_request_open(lua_State *L)
{
  static const luaL_Reg methods[] = {
      {"__index", request_index}, {"__newindex", request_newindex}, {NULL, NULL}};
  luaL_newlib(L, methods);
  lua_pushliteral(L, "request");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &request_meta);
}
