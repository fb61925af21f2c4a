/* Worlds for specs. Errors raise: in a spec they are failures. */
#include "host/test_bind.h"

#include <string.h>

#include "base/duration.h"
#include "base/timestamp.h"
#include "host/test_bind_core.h"
#include "host/test_outside.h"
#include "host/test_state.h"
#include "lua/convert.h"
#include "protocol/value.h"

/* The functions of a world's spec that answer its agents: user values of the box. */
enum { ANSWERS_HTTP = 1, ANSWERS_MODELS = 2 };

enum {
  ASK_WITHIN_MS = 60000,
  GRANTS_MAX = 100,
  RESULT_SIZE_MAX = 64 << 20,
  YEAR_DAYS = 366,
};
#define ADVANCE_MAX_MS (INT64_C(24) * 3600 * 1000 * YEAR_DAYS)

struct world_box *world_check_box(lua_State *L)
{
  struct world_box *box = luaL_checkudata(L, 1, WORLD);
  if (!box->world) luaL_error(L, "this world has ended: it lives as long as the test that made it");
  box->L = L;
  hgl_buf_clear(&box->in);
  hgl_buf_clear(&box->out);
  hgl_stored_state_close(box->looking);
  box->looking = NULL;
  json_decref(box->told);
  box->told = NULL;
  return box;
}

int world_raise(lua_State *L, const struct hgl_err *err)
{
  lua_pushstring(L, err->message);
  return lua_error(L);
}

static struct hgl_bytes check_bytes(lua_State *L, int arg)
{
  size_t size;
  const char *text = luaL_checklstring(L, arg, &size);
  return hgl_bytes(text, size);
}

/* Encodes the argument into box->in; nothing for nil. */
static struct hgl_bytes encode(lua_State *L, struct world_box *box, int arg, const char *what)
{
  struct hgl_err err;
  if (lua_isnoneornil(L, arg)) return hgl_bytes(NULL, 0);
  if (hgl_lua_encode(L, arg, what, &box->in, &err) || hgl_buf_check(&box->in, &err))
    world_raise(L, &err);
  return hgl_buf_bytes(&box->in);
}

int world_push_json(lua_State *L, struct world_box *box, json_t *json)
{
  struct hgl_err err;
  int status = hgl_value_from_json(json, &box->out, &err);
  json_decref(json);
  if (!status) status = hgl_buf_check(&box->out, &err);
  if (status) return world_raise(L, &err);
  hgl_lua_push_value(L, hgl_buf_bytes(&box->out));
  return 1;
}

/* "1h", or milliseconds; up to a year. */
static int64_t check_duration(lua_State *L, int arg)
{
  struct hgl_err err;
  int64_t ms;
  if (lua_type(L, arg) == LUA_TNUMBER)
    ms = luaL_checkinteger(L, arg);
  else if (hgl_duration_parse(check_bytes(L, arg), &ms, &err))
    return world_raise(L, &err);
  luaL_argcheck(L, ms >= 0 && ms <= ADVANCE_MAX_MS, arg, "0 to a year");
  return ms;
}

/* ---- the world ---- */

/* When it begins: "2026-03-28T12:00:00Z", in UTC where nothing else is said. */
static int64_t check_start(lua_State *L, int arg)
{
  struct hgl_timestamp at;
  struct hgl_err err;
  if (hgl_timestamp_parse(check_bytes(L, arg), &at, &err)) return world_raise(L, &err);
  return at.local_ms - INT64_C(1000) * at.offset_s;
}

/* world.create(seed, start, latency, keep Lua states) */
static int world_create(lua_State *L)
{
  const struct hgl_world_config *base = lua_touserdata(L, lua_upvalueindex(1));
  struct hgl_world_config config = *base;
  config.seed = (uint64_t)luaL_optinteger(L, 1, (lua_Integer)base->seed);
  if (!lua_isnoneornil(L, 2)) config.start_ms = check_start(L, 2);
  if (!lua_isnoneornil(L, 3)) config.latency_ms = check_duration(L, 3);
  if (!lua_isnoneornil(L, 4)) config.keep_lua = lua_toboolean(L, 4);
  struct hgl_err err;
  struct world_box *box = lua_newuserdatauv(L, sizeof *box, ANSWERS_MODELS);
  *box = (struct world_box){0};
  hgl_buf_init(&box->in, HGL_BODY_SIZE_MAX);
  hgl_buf_init(&box->out, RESULT_SIZE_MAX);
  hgl_buf_init(&box->json, HGL_BODY_SIZE_MAX);
  hgl_buf_init(&box->value, HGL_BODY_SIZE_MAX);
  luaL_setmetatable(L, WORLD);
  if (hgl_world_create(&config, &box->world, &err)) return world_raise(L, &err);
  return 1;
}

static int world_close(lua_State *L)
{
  struct world_box *box = luaL_checkudata(L, 1, WORLD);
  hgl_stored_state_close(box->looking);
  box->looking = NULL;
  json_decref(box->told);
  box->told = NULL;
  hgl_world_destroy(box->world);
  box->world = NULL;
  hgl_buf_deinit(&box->in);
  hgl_buf_deinit(&box->out);
  hgl_buf_deinit(&box->json);
  hgl_buf_deinit(&box->value);
  return 0;
}

/* ---- hosts ---- */

typedef int (*host_fn)(struct hgl_world *world, const char *name, struct hgl_err *err);

static int call_host(lua_State *L, host_fn fn)
{
  struct world_box *box = world_check_box(L);
  struct hgl_err err;
  if (fn(box->world, luaL_checkstring(L, 2), &err)) return world_raise(L, &err);
  return 0;
}

static int world_host(lua_State *L)
{
  return call_host(L, hgl_world_add_host);
}

static int world_kill(lua_State *L)
{
  return call_host(L, hgl_world_kill);
}

static int world_stop(lua_State *L)
{
  return call_host(L, hgl_world_stop);
}

static int world_start(lua_State *L)
{
  return call_host(L, hgl_world_start);
}

/* world:restart(name or nil) */
static int world_restart(lua_State *L)
{
  struct hgl_err err;
  struct world_box *box = world_check_box(L);
  if (hgl_world_restart(box->world, luaL_optstring(L, 2, NULL), &err)) return world_raise(L, &err);
  return 0;
}

/* world:cut(one, other, whether) */
static int world_cut(lua_State *L)
{
  struct hgl_err err;
  struct world_box *box = world_check_box(L);
  if (hgl_world_cut(box->world, luaL_checkstring(L, 2), luaL_checkstring(L, 3), lua_toboolean(L, 4),
                    &err))
    return world_raise(L, &err);
  return 0;
}

/* world:hosts() → their names */
static int world_hosts(lua_State *L)
{
  const struct world_box *box = world_check_box(L);
  const struct world_host *at = NULL;
  lua_newtable(L);
  for (lua_Integer i = 1; (at = hgl_world_next_host(box->world, at)); i++) {
    lua_pushstring(L, hgl_world_host_name(at));
    lua_seti(L, -2, i);
  }
  return 1;
}

static int world_latency(lua_State *L)
{
  const struct world_box *box = world_check_box(L);
  hgl_world_set_latency(box->world, check_duration(L, 2));
  return 0;
}

/* ---- agents ---- */

/* The texts of the list at `arg`; they stay on the stack as long as the table does. */
static void check_grants(lua_State *L, int arg, const char *grants[GRANTS_MAX + 1])
{
  lua_Integer count = 0;
  if (!lua_isnoneornil(L, arg)) {
    luaL_checktype(L, arg, LUA_TTABLE);
    count = luaL_len(L, arg);
    luaL_argcheck(L, count <= GRANTS_MAX, arg, "too many grants");
  }
  for (lua_Integer i = 0; i < count; i++) {
    if (lua_geti(L, arg, i + 1) != LUA_TSTRING) luaL_error(L, "grant %I is no text", i + 1);
    grants[i] = lua_tostring(L, -1);
    lua_pop(L, 1); /* the list holds it */
  }
  grants[count] = NULL;
}

/* world:add(name, path, source, config, grants, host) */
static int world_add(lua_State *L)
{
  const char *grants[GRANTS_MAX + 1];
  struct world_box *box = world_check_box(L);
  struct hgl_err err;
  struct hgl_world_agent agent = {.name = luaL_checkstring(L, 2),
                                  .path = luaL_checkstring(L, 3),
                                  .source = check_bytes(L, 4),
                                  .config = encode(L, box, 5, "config"),
                                  .grants = grants,
                                  .host = luaL_optstring(L, 7, NULL)};
  check_grants(L, 6, grants);
  if (hgl_world_add(box->world, &agent, &err)) return world_raise(L, &err);
  return 0;
}

/* world:file(path, content or nil) */
static int world_file(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  const char *path = luaL_checkstring(L, 2);
  struct hgl_err err;
  struct hgl_bytes content = lua_isnoneornil(L, 3) ? hgl_bytes(NULL, 0) : check_bytes(L, 3);
  if (hgl_world_set_file(box->world, path, content, &err)) return world_raise(L, &err);
  return 0;
}

/* ---- requests to the outside ---- */

struct asking {
  struct world_box *box;
  int answers; /* which of its functions */
  const char *agent;
  struct hgl_bytes request;
  struct hgl_buf *result;
  bool never;
  struct hgl_err err; /* what the agent is told; code 0: the result */
};

/* Upvalue: the world. Calls the spec's function with the agent and the request. */
static int ask_function(lua_State *L)
{
  struct asking *asking = lua_touserdata(L, 1);
  lua_getiuservalue(L, 2, asking->answers);
  lua_pushstring(L, asking->agent);
  hgl_lua_push_value(L, asking->request);
  lua_call(L, 2, 3);
  if (!lua_isnil(L, -3)) {
    lua_settop(L, -3);
    if (hgl_lua_encode(L, -1, "answer", asking->result, &asking->err)) lua_error(L);
    return 0;
  }
  asking->never = lua_isnil(L, -2);
  if (asking->never) return 0;
  const char *code = lua_tostring(L, -1);
  enum hgl_code known = code ? hgl_code_from_name(code, strlen(code)) : HGL_OK;
  hgl_fail(&asking->err, known ? known : HGL_IO, "%s", luaL_tolstring(L, -2, NULL));
  return 0;
}

/* Within a call of the world's: what the function raises fails the test behind it. */
static int answer(struct asking asking, bool *never, struct hgl_err *err)
{
  lua_State *L = asking.box->L;
  int top = lua_gettop(L);
  if (!lua_checkstack(L, 8)) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  lua_pushcfunction(L, ask_function);
  lua_pushlightuserdata(L, &asking);
  lua_pushvalue(L, 1); /* the world, as of every call of its */
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    const char *text = lua_tostring(L, -1);
    hgl_fail(err, HGL_SCRIPT, "world:%s: %s", asking.answers == ANSWERS_HTTP ? "http" : "model",
             asking.err.code ? asking.err.message
             : text          ? text
                             : "an error that is no text");
    lua_settop(L, top);
    return -HGL_SCRIPT;
  }
  lua_settop(L, top);
  *never = asking.never;
  if (!asking.err.code) return 0;
  *err = asking.err;
  return -(int)err->code;
}

static int answer_http(void *user, const char *agent, struct hgl_bytes request,
                       struct hgl_buf *result, bool *never, struct hgl_err *err)
{
  return answer((struct asking){.box = user,
                                .answers = ANSWERS_HTTP,
                                .agent = agent,
                                .request = request,
                                .result = result},
                never, err);
}

static int answer_model(void *user, const char *agent, struct hgl_bytes request,
                        struct hgl_buf *result, bool *never, struct hgl_err *err)
{
  return answer((struct asking){.box = user,
                                .answers = ANSWERS_MODELS,
                                .agent = agent,
                                .request = request,
                                .result = result},
                never, err);
}

/* Both are called from within the function that answers, and leave the call around it alone. */
static struct world_box *clear_json(lua_State *L)
{
  struct world_box *box = luaL_checkudata(L, 1, WORLD);
  hgl_buf_clear(&box->json);
  hgl_buf_clear(&box->value);
  return box;
}

/* world:to_json(value) → text */
static int world_to_json(lua_State *L)
{
  struct world_box *box = clear_json(L);
  struct hgl_err err;
  if (hgl_lua_encode(L, 2, "json", &box->value, &err) || hgl_buf_check(&box->value, &err) ||
      hgl_json_plain_write(hgl_buf_bytes(&box->value), 0, &box->json, &err))
    return world_raise(L, &err);
  lua_pushlstring(L, (const char *)box->json.data, box->json.size);
  return 1;
}

/* world:from_json(text) → value; nil: it is none */
static int world_from_json(lua_State *L)
{
  struct world_box *box = clear_json(L);
  struct hgl_err err;
  if (hgl_json_plain_read(check_bytes(L, 2), HGL_BODY_SIZE_MAX, HGL_VALUE_ITEMS_MAX, &box->value,
                          &err))
    return 0;
  hgl_lua_push_value(L, hgl_buf_bytes(&box->value));
  return 1;
}

/* world:http(fn(agent, request)) */
static int world_http(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  const struct hgl_fake_answer http = {answer_http, box};
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, ANSWERS_HTTP);
  hgl_world_set_http(box->world, &http);
  return 0;
}

/* world:models(fn(agent, request)) */
static int world_models(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  const struct hgl_fake_answer models = {answer_model, box};
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, ANSWERS_MODELS);
  hgl_world_set_models(box->world, &models);
  return 0;
}

/* ---- what happens ---- */

/* world:tick() → whether there is more to do now */
static int world_tick(lua_State *L)
{
  struct hgl_err err;
  bool busy;
  if (hgl_world_tick(world_check_box(L)->world, &busy, &err)) return world_raise(L, &err);
  lua_pushboolean(L, busy);
  return 1;
}

static int world_run(lua_State *L)
{
  struct hgl_err err;
  if (hgl_world_run(world_check_box(L)->world, &err)) return world_raise(L, &err);
  return 0;
}

/* world:advance("1h" or milliseconds) */
static int world_advance(lua_State *L)
{
  const struct world_box *box = world_check_box(L);
  struct hgl_err err;
  if (hgl_world_advance(box->world, check_duration(L, 2), &err)) return world_raise(L, &err);
  return 0;
}

/* world:step(duration) → what is left of it behind the next moment at which something was due */
static int world_step(lua_State *L)
{
  const struct world_box *box = world_check_box(L);
  struct hgl_err err;
  int64_t left;
  if (hgl_world_step(box->world, check_duration(L, 2), &left, &err)) return world_raise(L, &err);
  lua_pushinteger(L, left);
  return 1;
}

/* The body at `arg`, or an empty one. */
static struct hgl_bytes check_body(lua_State *L, struct world_box *box, int arg)
{
  if (lua_isnoneornil(L, arg)) {
    lua_settop(L, arg - 1);
    lua_newtable(L);
  }
  return encode(L, box, arg, "body");
}

/* world:ask(agent, type, body) → the reply as a table, or nil, why, code */
static int world_ask(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  const char *agent = luaL_checkstring(L, 2), *type = luaL_checkstring(L, 3);
  struct hgl_err err;
  json_t *reply;
  struct hgl_bytes body = check_body(L, box, 4);
  if (hgl_world_ask(box->world, agent, type, body, ASK_WITHIN_MS, &reply, &err)) {
    if (err.code == HGL_SCRIPT) return world_raise(L, &err); /* the spec's own, in world:http */
    lua_pushnil(L);
    lua_pushstring(L, err.message);
    lua_pushstring(L, hgl_code_name(err.code));
    return 3;
  }
  return world_push_json(L, box, reply);
}

/* world:send(agent, type, body) → the message's id; nothing happens yet */
static int world_send(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  const char *agent = luaL_checkstring(L, 2), *type = luaL_checkstring(L, 3);
  struct hgl_err err;
  struct hgl_id id;
  char hex[2 * HGL_ID_SIZE + 1];
  if (hgl_world_send(box->world, agent, type, check_body(L, box, 4), &id, &err))
    return world_raise(L, &err);
  hgl_id_format(&id, hex);
  lua_pushstring(L, hex);
  return 1;
}

/* ---- values of bodies, as agents have them ---- */

static int value_bytes(lua_State *L)
{
  hgl_lua_push_bytes(L, check_bytes(L, 1));
  return 1;
}

static int open_values(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"array", hgl_lua_array}, {"bytes", value_bytes}, {NULL, NULL}};
  luaL_newlib(L, functions);
  hgl_lua_push_null(L);
  lua_setfield(L, -2, "null");
  return 1;
}

static int open_world(lua_State *L)
{
  static const luaL_Reg methods[] = {{"add", world_add},         {"file", world_file},
                                     {"http", world_http},       {"models", world_models},
                                     {"to_json", world_to_json}, {"from_json", world_from_json},
                                     {"host", world_host},       {"hosts", world_hosts},
                                     {"kill", world_kill},       {"stop", world_stop},
                                     {"start", world_start},     {"restart", world_restart},
                                     {"cut", world_cut},         {"latency", world_latency},
                                     {"tick", world_tick},       {"run", world_run},
                                     {"advance", world_advance}, {"step", world_step},
                                     {"ask", world_ask},         {"send", world_send},
                                     {"close", world_close},     {NULL, NULL}};
  luaL_newmetatable(L, WORLD);
  luaL_newlib(L, methods);
  world_open_look(L);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, world_close);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, world_create, 1);
  lua_setfield(L, -2, "create");
  return 1;
}

void hgl_test_bind_open(lua_State *L, const struct hgl_world_config *config)
{
  hgl_convert_open(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_values);
  lua_setfield(L, -2, "haggle");
  lua_pushlightuserdata(L, (void *)config);
  lua_pushcclosure(L, open_world, 1);
  lua_setfield(L, -2, WORLD);
  lua_pop(L, 1);
}
