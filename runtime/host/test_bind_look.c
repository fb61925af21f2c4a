/* Looking into worlds. Lists are those of the control API, of all hosts, oldest host first. */
#include <string.h>

#include "base/mem.h"
#include "host/test_bind_core.h"
#include "host/test_state.h"
#include "lua/convert.h"

/* ---- lists of hosts ---- */

typedef int (*list_fn)(struct hgl_host *host, json_t **out, struct hgl_err *err);

static int list_deals(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  return hgl_host_list_deals(host, 0, out, err);
}

/* Takes `list`; each of its items says which host it is of. */
static int gather(struct world_box *box, json_t *list, const char *host, struct hgl_err *err)
{
  size_t index;
  json_t *item;
  bool whole = true;
  json_array_foreach(list, index, item)
  {
    whole = whole && json_object_set_new(item, "host", json_string(host)) == 0;
  }
  whole = whole && json_array_extend(box->told, list) == 0;
  json_decref(list);
  return whole ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static json_t *told(struct world_box *box)
{
  json_t *list = box->told;
  box->told = NULL;
  return list;
}

static int push_lists(lua_State *L, list_fn list_of)
{
  struct world_box *box = world_check_box(L);
  const struct world_host *at = NULL;
  struct hgl_err err;
  box->told = json_array();
  int status = box->told ? 0 : hgl_fail(&err, HGL_NO_MEMORY, "out of memory");
  while (!status && (at = hgl_world_next_host(box->world, at))) {
    json_t *list;
    if (!hgl_world_host_of(at)) continue;
    status = list_of(hgl_world_host_of(at), &list, &err);
    if (!status) status = gather(box, list, hgl_world_host_name(at), &err);
  }
  return status ? world_raise(L, &err) : world_push_json(L, box, told(box));
}

static int look_deals(lua_State *L)
{
  return push_lists(L, list_deals);
}

static int look_dead(lua_State *L)
{
  return push_lists(L, hgl_host_list_dead);
}

static int look_agents(lua_State *L)
{
  return push_lists(L, hgl_host_list_agents);
}

static int look_runs(lua_State *L)
{
  return push_lists(L, hgl_host_list_runs);
}

/* Of the host that the argument names, or that the agent which it names lives on. */
static struct hgl_host *check_host(lua_State *L, const struct world_box *box, int arg)
{
  struct world_host *at;
  struct hgl_err err;
  const char *name = luaL_optstring(L, arg, HGL_WORLD_HOST);
  if (hgl_world_running(box->world, name, &at, &err)) world_raise(L, &err);
  return hgl_world_host_of(at);
}

/* world:find("service=weather price<=4", host) */
static int look_find(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  struct hgl_err err;
  json_t *list = NULL;
  const char *query = luaL_checkstring(L, 2);
  if (hgl_host_find(check_host(L, box, 3), query, &list, &err)) return world_raise(L, &err);
  return world_push_json(L, box, list);
}

/* world:timers(agent) */
static int look_timers(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  struct hgl_err err;
  json_t *list = NULL;
  const char *agent = luaL_checkstring(L, 2);
  if (hgl_host_list_timers(check_host(L, box, 2), agent, &list, &err)) return world_raise(L, &err);
  return world_push_json(L, box, list);
}

/* ---- what was told ---- */

static int look_log(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  return world_push_json(L, box, json_incref(hgl_world_log(box->world)));
}

static int look_messages(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  struct hgl_err err;
  const char *id;
  json_t *message;
  box->told = json_array();
  bool whole = box->told != NULL;
  json_object_foreach(hgl_world_messages(box->world), id, message)
  {
    whole = whole && json_array_append(box->told, message) == 0;
  }
  if (whole) return world_push_json(L, box, told(box));
  hgl_fail(&err, HGL_NO_MEMORY, "out of memory");
  return world_raise(L, &err);
}

/* ---- state ---- */

static void push_table(lua_State *L, struct hgl_state_node *node);

static void push_text(lua_State *L, struct hgl_bytes text)
{
  lua_pushlstring(L, text.size ? (const char *)text.data : "", text.size);
}

static void push_value(lua_State *L, const struct hgl_state_value *value)
{
  switch (value->kind) {
  case HGL_STATE_BOOL:
    lua_pushboolean(L, value->boolean);
    return;
  case HGL_STATE_INT:
    lua_pushinteger(L, value->integer);
    return;
  case HGL_STATE_DOUBLE:
    lua_pushnumber(L, value->number);
    return;
  case HGL_STATE_TEXT:
    push_text(L, value->bytes);
    return;
  case HGL_STATE_BYTES:
    hgl_lua_push_bytes(L, value->bytes);
    return;
  case HGL_STATE_TABLE:
    push_table(L, value->node);
    return;
  case HGL_STATE_NIL:
    lua_pushnil(L);
    return;
  case HGL_STATE_NULL:
    hgl_lua_push_null(L);
    return;
  }
}

static void push_table(lua_State *L, struct hgl_state_node *node)
{
  struct hgl_state_key key;
  struct hgl_state_value value;
  struct hgl_err err;
  bool more = false;
  luaL_checkstack(L, 6, "state is nested too deeply");
  lua_newtable(L);
  int status = hgl_state_next(node, NULL, &key, &value, &more, &err);
  while (!status && more) {
    if (key.is_int)
      lua_pushinteger(L, key.integer);
    else
      push_text(L, key.text);
    push_value(L, &value);
    lua_rawset(L, -3);
    status = hgl_state_next(node, &key, &key, &value, &more, &err);
  }
  if (status) world_raise(L, &err);
}

/* world:state(agent) */
static int look_state(lua_State *L)
{
  struct world_box *box = world_check_box(L);
  struct hgl_err err;
  if (hgl_world_state(box->world, luaL_checkstring(L, 2), &box->looking, &err))
    return world_raise(L, &err);
  if (!box->looking) {
    lua_newtable(L);
    return 1;
  }
  push_table(L, hgl_stored_state_root(box->looking));
  hgl_stored_state_close(box->looking);
  box->looking = NULL;
  return 1;
}

/* ---- where things are ---- */

static int push_address(lua_State *L, bool with_host)
{
  struct world_box *box = world_check_box(L);
  struct hgl_err err;
  if (hgl_world_address(box->world, luaL_checkstring(L, 2), with_host, &box->out, &err))
    return world_raise(L, &err);
  push_text(L, hgl_buf_bytes(&box->out));
  return 1;
}

static int look_id(lua_State *L)
{
  return push_address(L, false);
}

static int look_address(lua_State *L)
{
  return push_address(L, true);
}

/* world:where(name) → the host of an agent, or the host of that name; nil: neither */
static int look_where(lua_State *L)
{
  const struct world_box *box = world_check_box(L);
  const struct world_host *at;
  struct hgl_err ignored;
  if (hgl_world_host(box->world, luaL_checkstring(L, 2), &at, &ignored)) return 0;
  lua_pushstring(L, hgl_world_host_name(at));
  return 1;
}

static int look_now(lua_State *L)
{
  lua_pushinteger(L, hgl_world_now_ms(world_check_box(L)->world));
  return 1;
}

void world_open_look(lua_State *L)
{
  static const luaL_Reg methods[] = {{"deals", look_deals},     {"dead", look_dead},
                                     {"agents", look_agents},   {"runs", look_runs},
                                     {"find", look_find},       {"timers", look_timers},
                                     {"log", look_log},         {"messages", look_messages},
                                     {"state", look_state},     {"id", look_id},
                                     {"address", look_address}, {"where", look_where},
                                     {"now", look_now},         {NULL, NULL}};
  luaL_setfuncs(L, methods, 0);
}
