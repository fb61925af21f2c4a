#include "host/check_bind.h"

#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/calls.h"
#include "agent/declared.h"
#include "base/duration.h"
#include "base/mem.h"
#include "host/config.h"
#include "host/file.h"
#include "host/options.h"
#include "lua/convert.h"
#include "net/net_grant.h"

#define BUFFER "haggle.sandbox.buffer"

enum {
  FILE_SIZE_MAX = 4 << 20,
  RESULT_SIZE_MAX = 64 << 20,
  LISTED_MAX = 1000, /* grants, candidates */
  NAMES_MAX = 100000,
  AMPLE_MS = 10000, /* for a script of the program's own */
};

static struct hgl_bytes check_bytes(lua_State *L, int arg)
{
  size_t size;
  const char *text = luaL_checklstring(L, arg, &size);
  return hgl_bytes(text, size);
}

static int fail(lua_State *L, const struct hgl_err *err)
{
  lua_pushnil(L);
  lua_pushstring(L, err->message);
  return 2;
}

/* A buffer that lives as long as the userdata on the stack: what follows may raise. */
static struct hgl_buf *push_buffer(lua_State *L, size_t size_max)
{
  struct hgl_buf *buf = lua_newuserdatauv(L, sizeof *buf, 0);
  hgl_buf_init(buf, size_max);
  luaL_setmetatable(L, BUFFER);
  return buf;
}

static int buffer_close(lua_State *L)
{
  hgl_buf_deinit(luaL_checkudata(L, 1, BUFFER));
  return 0;
}

/* The texts of the list at `index`; good while the list is. `out` has room for LISTED_MAX + 1. */
static const char **check_texts(lua_State *L, int index, const char **out)
{
  luaL_checktype(L, index, LUA_TTABLE);
  lua_Integer count = luaL_len(L, index);
  if (count > LISTED_MAX) luaL_error(L, "more than %d texts", LISTED_MAX);
  for (lua_Integer i = 0; i < count; i++) {
    if (lua_geti(L, index, i + 1) != LUA_TSTRING) luaL_error(L, "item %I is no text", i + 1);
    out[i] = lua_tostring(L, -1);
    lua_pop(L, 1); /* the list holds it */
  }
  out[count] = NULL;
  return out;
}

/* ---- loading ---- */

void hgl_check_push_limits(lua_State *L, const struct hgl_agent_limits *limits)
{
  struct hgl_agent_limits *copy = lua_newuserdatauv(L, sizeof *copy, 0);
  *copy = *limits;
}

static const char *text_field(lua_State *L, const char *name, size_t *size)
{
  lua_getfield(L, 1, name);
  const char *text = lua_tolstring(L, -1, size);
  lua_pop(L, 1); /* the table holds it */
  return text;
}

static int sandbox_load(lua_State *L)
{
  const struct hgl_check_context *context = lua_touserdata(L, lua_upvalueindex(1));
  const char *grants[LISTED_MAX + 1];
  struct hgl_check_script script = {.stdlib_folder = context->stdlib_folder};
  struct hgl_err err;
  size_t size;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  script.name = text_field(L, "name", &size);
  script.path = text_field(L, "path", &size);
  const char *source = text_field(L, "source", &size);
  if (!script.name || !script.path || !source)
    return luaL_error(L, "sandbox.load: name, path and source are needed");
  script.source = hgl_bytes(source, size);
  const char *config = text_field(L, "config", &size);
  if (config) script.config = hgl_bytes(config, size);
  if (lua_getfield(L, 1, "grants") == LUA_TTABLE) script.grants = check_texts(L, 2, grants);
  if (lua_getfield(L, 1, "limits") == LUA_TUSERDATA)
    script.limits = *(const struct hgl_agent_limits *)lua_touserdata(L, -1);
  lua_getfield(L, 1, "start");
  script.start = lua_toboolean(L, -1);
  lua_getfield(L, 1, "ample");
  if (lua_toboolean(L, -1)) script.limits.stretch_ms = AMPLE_MS;
  struct hgl_buf *out = push_buffer(L, RESULT_SIZE_MAX);
  if (hgl_check_load(&context->loader, &script, out, &err)) return fail(L, &err);
  hgl_lua_push_value(L, hgl_buf_bytes(out));
  return 1;
}

/* A value as agent.config is handed over. */
static int sandbox_encode(lua_State *L)
{
  struct hgl_err err;
  struct hgl_buf *out = push_buffer(L, RESULT_SIZE_MAX);
  if (hgl_lua_encode(L, 1, "value", out, &err) || hgl_buf_check(out, &err)) return fail(L, &err);
  lua_pushlstring(L, (const char *)out->data, out->size);
  return 1;
}

/* ---- files ---- */

static int sandbox_exists(lua_State *L)
{
  struct stat status;
  lua_pushboolean(L, stat(luaL_checkstring(L, 1), &status) == 0 && S_ISREG(status.st_mode));
  return 1;
}

/* Path, and whether it is the stdlib's. */
static int sandbox_module(lua_State *L)
{
  const struct hgl_check_context *context = lua_touserdata(L, lua_upvalueindex(1));
  struct hgl_err err;
  bool is_ours;
  struct hgl_bytes name = check_bytes(L, 1);
  const char *script_path = luaL_checkstring(L, 2);
  struct hgl_buf *path = push_buffer(L, PATH_MAX);
  if (hgl_module_path(name, script_path, context->stdlib_folder, &is_ours, path, &err))
    return fail(L, &err);
  lua_pushlstring(L, (const char *)path->data, path->size);
  lua_pushboolean(L, is_ours);
  return 2;
}

static int sandbox_read(lua_State *L)
{
  struct hgl_err err;
  const char *path = luaL_checkstring(L, 1);
  struct hgl_buf *text = push_buffer(L, FILE_SIZE_MAX);
  if (hgl_file_read(path, FILE_SIZE_MAX, text, &err)) return fail(L, &err);
  lua_pushlstring(L, (const char *)text->data, text->size);
  return 1;
}

static int order_names(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in memory of their own; NULL, and *count 0, without memory. */
static char **read_names(DIR *folder, size_t *count)
{
  char **names = NULL;
  size_t capacity = 0;
  *count = 0;
  for (const struct dirent *entry; *count < NAMES_MAX && (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    char *name = HGL_GROW(names, *count, capacity)
                     ? hgl_strndup(entry->d_name, strlen(entry->d_name))
                     : NULL;
    if (!name) break;
    names[(*count)++] = name;
  }
  if (names) qsort(names, *count, sizeof *names, order_names);
  return names;
}

static void append_names(DIR *folder, struct hgl_buf *out)
{
  size_t count;
  char **names = read_names(folder, &count);
  for (size_t i = 0; i < count; i++) {
    hgl_buf_append(out, names[i], strlen(names[i]) + 1);
    hgl_free(names[i]);
  }
  hgl_free(names);
}

static int sandbox_list(lua_State *L)
{
  struct hgl_err err;
  const char *path = luaL_checkstring(L, 1);
  struct hgl_buf *names = push_buffer(L, RESULT_SIZE_MAX);
  DIR *folder = opendir(path);
  if (!folder) {
    hgl_fail(&err, HGL_IO, "%s: %s", path, strerror(errno));
    return fail(L, &err);
  }
  append_names(folder, names);
  closedir(folder);
  if (hgl_buf_check(names, &err)) return fail(L, &err);
  lua_newtable(L);
  for (size_t at = 0; at < names->size; at += strlen((const char *)names->data + at) + 1) {
    lua_pushstring(L, (const char *)names->data + at);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  return 1;
}

/* ---- judging ---- */

static int sandbox_duration(lua_State *L)
{
  struct hgl_err err;
  int64_t ms;
  if (hgl_duration_parse(check_bytes(L, 1), &ms, &err)) return fail(L, &err);
  lua_pushinteger(L, ms);
  return 1;
}

static int sandbox_type(lua_State *L)
{
  struct hgl_err err;
  struct hgl_bytes parts[3];
  if (hgl_type_parse(check_bytes(L, 1), &parts[0], &parts[1], &parts[2], &err))
    return fail(L, &err);
  for (int i = 0; i < 3; i++) lua_pushlstring(L, (const char *)parts[i].data, parts[i].size);
  return 3;
}

/* Whether "net=…" grants permit HOST:PORT, by the rules of hosts and ranges. */
static bool covers_net(const char *const *grants, const char *address)
{
  char host[HGL_NET_GRANT_NAME_MAX + 3];
  struct hgl_err ignored;
  const char *colon = strrchr(address, ':');
  size_t size = colon ? (size_t)(colon - address) : 0;
  bool bracketed = size >= 2 && address[0] == '[' && address[size - 1] == ']';
  if (!size || size >= sizeof host) return false;
  snprintf(host, sizeof host, "%.*s", (int)size - 2 * bracketed, address + bracketed);
  int port = (int)strtol(colon + 1, NULL, 10);
  for (; *grants; grants++) {
    struct hgl_net_grant grant;
    if (strncmp(*grants, "net=", 4) == 0 &&
        hgl_net_grant_parse(hgl_text(*grants + 4), &grant, &ignored) == 0 &&
        hgl_net_grants_allow_host(&grant, 1, host, port, &ignored) == 0)
      return true;
  }
  return false;
}

static bool covers(const char *const *grants, const char *kind, struct hgl_bytes value)
{
  size_t folder_size;
  if (strcmp(kind, "net") == 0) return covers_net(grants, (const char *)value.data);
  if (strcmp(kind, "secret") == 0) return hgl_grants_name_secret(grants, value);
  return hgl_grants_cover(grants, kind, value, &folder_size);
}

static int sandbox_covers(lua_State *L)
{
  const char *grants[LISTED_MAX + 1];
  const char *kind = luaL_checkstring(L, 2);
  check_texts(L, 1, grants);
  lua_pushboolean(L, covers(grants, kind, check_bytes(L, 3)));
  return 1;
}

static int sandbox_grant(lua_State *L)
{
  struct hgl_node_agent agent = {0};
  struct hgl_err err;
  int status = hgl_config_grant(&agent, luaL_checkstring(L, 1), &err);
  hgl_texts_deinit(&agent.grants);
  if (status) return fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* What `haggle run` would name an agent of this script. */
static int sandbox_name(lua_State *L)
{
  struct hgl_config config;
  struct hgl_err err;
  const char *path = luaL_checkstring(L, 1);
  struct hgl_buf *name = push_buffer(L, PATH_MAX);
  hgl_config_init(&config);
  int status = hgl_config_add_script(&config, path, &err);
  if (!status) hgl_buf_append_text(name, config.agents[0].name);
  hgl_config_deinit(&config);
  if (status || hgl_buf_check(name, &err)) return fail(L, &err);
  lua_pushlstring(L, (const char *)name->data, name->size);
  return 1;
}

static int sandbox_nearest(lua_State *L)
{
  const char *candidates[LISTED_MAX + 1];
  check_texts(L, 2, candidates);
  lua_pushstring(L, hgl_nearest(check_bytes(L, 1), candidates)); /* nil for none */
  return 1;
}

/* ---- the module ---- */

static int open_sandbox(lua_State *L)
{
  static const luaL_Reg functions[] = {{"load", sandbox_load},
                                       {"read", sandbox_read},
                                       {"list", sandbox_list},
                                       {"duration", sandbox_duration},
                                       {"type", sandbox_type},
                                       {"covers", sandbox_covers},
                                       {"nearest", sandbox_nearest},
                                       {"grant", sandbox_grant},
                                       {"name", sandbox_name},
                                       {"encode", sandbox_encode},
                                       {"exists", sandbox_exists},
                                       {"module", sandbox_module},
                                       {NULL, NULL}};
  const struct hgl_check_context *context = lua_touserdata(L, lua_upvalueindex(1));
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, lua_upvalueindex(1));
  luaL_setfuncs(L, functions, 1);
  lua_pushstring(L, context->stdlib_folder);
  lua_setfield(L, -2, "stdlib");
  return 1;
}

void hgl_check_bind_open(lua_State *L, struct hgl_check_context *context)
{
  hgl_convert_open(L);
  luaL_newmetatable(L, BUFFER);
  lua_pushcfunction(L, buffer_close);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushlightuserdata(L, context);
  lua_pushcclosure(L, open_sandbox, 1);
  lua_setfield(L, -2, "haggle.sandbox");
  lua_pop(L, 1);
}
