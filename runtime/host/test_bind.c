/* Worlds for specs. Errors raise: in a spec they are failures. No C memory is held across a call
 * that may raise, except in the userdata of a world, which has two buffers for the purpose. */
#include "host/test_bind.h"

#include <lauxlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/timestamp.h"
#include "host/file.h"
#include "host/test_world.h"
#include "lua/convert.h"
#include "protocol/value.h"

#define WORLD "haggle.world"

enum { ASK_WITHIN_MS = 60000, GRANTS_MAX = 100, SCRIPT_SIZE_MAX = 1 << 20 };

struct box {
  struct hgl_world *world;
  struct hgl_buf in, out; /* encoded arguments and results */
};

static struct box *check_box(lua_State *L)
{
  struct box *box = luaL_checkudata(L, 1, WORLD);
  if (!box->world || !hgl_world_host(box->world)) luaL_error(L, "this world has ended");
  hgl_buf_clear(&box->in);
  hgl_buf_clear(&box->out);
  return box;
}

/* Without a position: the runner shows the line of the spec. */
static int raise(lua_State *L, const struct hgl_err *err)
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
static struct hgl_bytes encode(lua_State *L, struct box *box, int arg, const char *what)
{
  struct hgl_err err;
  if (lua_isnoneornil(L, arg)) return hgl_bytes(NULL, 0);
  if (hgl_lua_encode(L, arg, what, &box->in, &err) || hgl_buf_check(&box->in, &err)) raise(L, &err);
  return hgl_buf_bytes(&box->in);
}

/* Takes the reference. */
static int push_json(lua_State *L, struct box *box, json_t *json)
{
  struct hgl_err err;
  int status = hgl_value_from_json(json, &box->out, &err);
  json_decref(json);
  if (!status) status = hgl_buf_check(&box->out, &err);
  if (status) return raise(L, &err);
  hgl_lua_push_value(L, hgl_buf_bytes(&box->out));
  return 1;
}

/* ---- the world ---- */

/* When it begins: "2026-03-28T12:00:00Z", in UTC where nothing else is said. */
static int64_t start_ms(lua_State *L, int index)
{
  struct hgl_timestamp at;
  struct hgl_err err;
  size_t size;
  const char *text = luaL_checklstring(L, index, &size);
  if (hgl_timestamp_parse(hgl_bytes(text, size), &at, &err)) return raise(L, &err);
  return at.local_ms - INT64_C(1000) * at.offset_s;
}

/* world.create(seed or nil, start or nil) */
static int world_create(lua_State *L)
{
  const struct hgl_world_config *base = lua_touserdata(L, lua_upvalueindex(1));
  struct hgl_world_config config = *base;
  config.seed = (uint64_t)luaL_optinteger(L, 1, (lua_Integer)base->seed);
  if (!lua_isnoneornil(L, 2)) config.start_ms = start_ms(L, 2);
  struct hgl_err err;
  struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (struct box){0};
  hgl_buf_init(&box->in, HGL_BODY_SIZE_MAX);
  hgl_buf_init(&box->out, 16 << 20);
  luaL_setmetatable(L, WORLD);
  if (hgl_world_create(&config, &box->world, &err)) return raise(L, &err);
  return 1;
}

static int world_close(lua_State *L)
{
  struct box *box = luaL_checkudata(L, 1, WORLD);
  hgl_world_destroy(box->world);
  box->world = NULL;
  hgl_buf_deinit(&box->in);
  hgl_buf_deinit(&box->out);
  return 0;
}

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

/* world:add(name, path, source, config, grants) */
static int world_add(lua_State *L)
{
  const char *grants[GRANTS_MAX + 1];
  struct box *box = check_box(L);
  struct hgl_err err;
  struct hgl_world_agent agent = {.name = luaL_checkstring(L, 2),
                                  .path = luaL_checkstring(L, 3),
                                  .source = check_bytes(L, 4),
                                  .config = encode(L, box, 5, "config"),
                                  .grants = grants};
  check_grants(L, 6, grants);
  if (hgl_world_add(box->world, &agent, &err)) return raise(L, &err);
  return 0;
}

/* world:file(path, content or nil) */
static int world_file(lua_State *L)
{
  struct box *box = check_box(L);
  const char *path = luaL_checkstring(L, 2);
  struct hgl_err err;
  struct hgl_bytes content = lua_isnoneornil(L, 3) ? hgl_bytes(NULL, 0) : check_bytes(L, 3);
  if (hgl_world_set_file(box->world, path, content, &err)) return raise(L, &err);
  return 0;
}

static int world_run(lua_State *L)
{
  struct hgl_err err;
  if (hgl_world_run(check_box(L)->world, &err)) return raise(L, &err);
  return 0;
}

/* world:advance("1h" or milliseconds) */
static int world_advance(lua_State *L)
{
  struct box *box = check_box(L);
  struct hgl_err err;
  int64_t ms;
  if (lua_type(L, 2) == LUA_TNUMBER)
    ms = luaL_checkinteger(L, 2);
  else if (hgl_duration_parse(check_bytes(L, 2), &ms, &err))
    return raise(L, &err);
  luaL_argcheck(L, ms >= 0 && ms <= HGL_DURATION_MAX_MS / 100, 2, "up to a year");
  if (hgl_world_advance(box->world, ms, &err)) return raise(L, &err);
  return 0;
}

static int world_restart(lua_State *L)
{
  struct hgl_err err;
  if (hgl_world_restart(check_box(L)->world, &err)) return raise(L, &err);
  return 0;
}

/* world:ask(agent, type, body) → the reply as a table, or nil, why, code */
static int world_ask(lua_State *L)
{
  struct box *box = check_box(L);
  const char *agent = luaL_checkstring(L, 2), *type = luaL_checkstring(L, 3);
  struct hgl_err err;
  json_t *reply;
  if (lua_isnoneornil(L, 4)) {
    lua_settop(L, 3);
    lua_newtable(L);
  }
  struct hgl_bytes body = encode(L, box, 4, "body");
  if (hgl_world_ask(box->world, agent, type, body, ASK_WITHIN_MS, &reply, &err)) {
    lua_pushnil(L);
    lua_pushstring(L, err.message);
    lua_pushstring(L, hgl_code_name(err.code));
    return 3;
  }
  return push_json(L, box, reply);
}

static int world_now(lua_State *L)
{
  lua_pushinteger(L, hgl_world_now_ms(check_box(L)->world));
  return 1;
}

static int push_list(lua_State *L, struct box *box, int status, json_t *list,
                     const struct hgl_err *err)
{
  if (status) return raise(L, err);
  return push_json(L, box, list);
}

static int world_deals(lua_State *L)
{
  struct box *box = check_box(L);
  struct hgl_err err;
  json_t *list = NULL;
  int status = hgl_host_list_deals(hgl_world_host(box->world), 1000, &list, &err);
  return push_list(L, box, status, list, &err);
}

static int world_dead(lua_State *L)
{
  struct box *box = check_box(L);
  struct hgl_err err;
  json_t *list = NULL;
  int status = hgl_host_list_dead(hgl_world_host(box->world), &list, &err);
  return push_list(L, box, status, list, &err);
}

static int world_agents(lua_State *L)
{
  struct box *box = check_box(L);
  struct hgl_err err;
  json_t *list = NULL;
  int status = hgl_host_list_agents(hgl_world_host(box->world), &list, &err);
  return push_list(L, box, status, list, &err);
}

/* world:find("service=weather price<=4") */
static int world_find(lua_State *L)
{
  struct box *box = check_box(L);
  struct hgl_err err;
  json_t *list = NULL;
  int status = hgl_host_find(hgl_world_host(box->world), luaL_checkstring(L, 2), &list, &err);
  return push_list(L, box, status, list, &err);
}

static int world_log(lua_State *L)
{
  struct box *box = check_box(L);
  return push_json(L, box, json_incref(hgl_world_log(box->world)));
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
                                     {"run", world_run},         {"advance", world_advance},
                                     {"restart", world_restart}, {"ask", world_ask},
                                     {"now", world_now},         {"deals", world_deals},
                                     {"dead", world_dead},       {"agents", world_agents},
                                     {"find", world_find},       {"log", world_log},
                                     {"close", world_close},     {NULL, NULL}};
  luaL_newmetatable(L, WORLD);
  luaL_newlib(L, methods);
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
