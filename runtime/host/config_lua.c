#include "host/config_lua.h"

#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "protocol/cbor.h"

enum { PATH_SIZE = 200, HOOK_EVERY = 1000 };

struct sandbox {
  size_t memory;
  int64_t instructions;
};

static void *allocate(void *user, void *old, size_t old_size, size_t size)
{
  struct sandbox *sandbox = user;
  size_t held = old ? old_size : 0;
  if (size == 0) {
    sandbox->memory -= held;
    hgl_free(old);
    return NULL;
  }
  if (size > held && sandbox->memory - held + size > HGL_CONFIG_LUA_MEMORY_MAX) return NULL;
  void *block = hgl_realloc(old, size);
  if (block) sandbox->memory += size - held;
  return block;
}

static void count_instructions(lua_State *L, lua_Debug *debug)
{
  void *user;
  lua_getallocf(L, &user);
  struct sandbox *sandbox = user;
  sandbox->instructions -= HOOK_EVERY;
  if (sandbox->instructions < 0) luaL_error(L, "the host file runs for too long");
}

/* Lua to JSON --------------------------------------------------------------------------------
 * Nothing here may raise: it runs outside of a protected call, so that a JSON tree that is being
 * built is never jumped over. Texts are read only where they are texts; stack room is asked for. */

static int convert(lua_State *L, const char *path, int depth, json_t **out, struct hgl_err *err);

static int fail_memory(struct hgl_err *err)
{
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* The value at the top has a key below it. Adds it to the tree under that key. */
static int convert_field(lua_State *L, const char *path, int depth, json_t *tree, bool is_list,
                         struct hgl_err *err)
{
  char inner[PATH_SIZE];
  json_t *value = NULL;
  size_t key_size = 0;
  const char *key = is_list ? NULL : lua_tolstring(L, -2, &key_size);
  if (is_list)
    snprintf(inner, sizeof inner, "%s[%lld]", path, (long long)json_array_size(tree) + 1);
  else
    snprintf(inner, sizeof inner, "%s%s%.*s", path, *path ? "." : "", (int)key_size, key);
  if (key && (!hgl_utf8_valid(hgl_bytes(key, key_size)) || memchr(key, 0, key_size)))
    return hgl_fail(err, HGL_BAD_VALUE, "%s: the key is not UTF-8 text", path);
  int status = convert(L, inner, depth, &value, err);
  if (status) return status;
  int added = is_list ? json_array_append_new(tree, value) : json_object_set_new(tree, key, value);
  return added ? fail_memory(err) : 0;
}

static int convert_list(lua_State *L, const char *path, int depth, lua_Unsigned count, json_t *tree,
                        struct hgl_err *err)
{
  for (lua_Unsigned i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    int status = convert_field(L, path, depth, tree, true, err);
    lua_pop(L, 1);
    if (status) return status;
  }
  return 0;
}

static int convert_map(lua_State *L, const char *path, int depth, json_t *tree, struct hgl_err *err)
{
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    int status = lua_type(L, -2) == LUA_TSTRING
                     ? convert_field(L, path, depth, tree, false, err)
                     : hgl_fail(err, HGL_BAD_VALUE,
                                "%s: keys are either texts or 1, 2, 3 … without holes",
                                *path ? path : "the table");
    lua_pop(L, 1);
    if (status) {
      lua_pop(L, 1);
      return status;
    }
  }
  return 0;
}

static size_t count_fields(lua_State *L)
{
  size_t count = 0;
  lua_pushnil(L);
  for (; lua_next(L, -2); count++) lua_pop(L, 1);
  return count;
}

static int convert_table(lua_State *L, const char *path, int depth, json_t **out,
                         struct hgl_err *err)
{
  if (depth > HGL_CONFIG_LUA_DEPTH_MAX || !lua_checkstack(L, 4))
    return hgl_fail(err, HGL_TOO_DEEP, "%s: tables are nested too deep", path);
  lua_Unsigned length = lua_rawlen(L, -1);
  bool is_list = length > 0 && count_fields(L) == length;
  json_t *tree = is_list ? json_array() : json_object();
  if (!tree) return fail_memory(err);
  int status = is_list ? convert_list(L, path, depth + 1, length, tree, err)
                       : convert_map(L, path, depth + 1, tree, err);
  if (status)
    json_decref(tree);
  else
    *out = tree;
  return status;
}

static int convert_scalar(lua_State *L, const char *path, json_t **out, struct hgl_err *err)
{
  json_t *value = NULL;
  size_t size;
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN:
    value = json_boolean(lua_toboolean(L, -1));
    break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, -1)) {
      value = json_integer(lua_tointeger(L, -1));
    } else {
      if (!isfinite(lua_tonumber(L, -1)))
        return hgl_fail(err, HGL_BAD_VALUE, "%s: not a finite number", path);
      value = json_real(lua_tonumber(L, -1));
    }
    break;
  case LUA_TSTRING: {
    const char *text = lua_tolstring(L, -1, &size);
    if (!hgl_utf8_valid(hgl_bytes(text, size)))
      return hgl_fail(err, HGL_BAD_VALUE, "%s: not UTF-8 text", path);
    value = json_stringn(text, size);
    break;
  }
  default:
    return hgl_fail(err, HGL_BAD_VALUE, "%s: a %s cannot stand in a host file", path,
                    lua_typename(L, lua_type(L, -1)));
  }
  if (!value) return fail_memory(err);
  *out = value;
  return 0;
}

static int convert(lua_State *L, const char *path, int depth, json_t **out, struct hgl_err *err)
{
  return lua_type(L, -1) == LUA_TTABLE ? convert_table(L, path, depth, out, err)
                                       : convert_scalar(L, path, out, err);
}

/* Evaluation ---------------------------------------------------------------------------------- */

struct source {
  struct hgl_bytes text;
  const char *name; /* with "@" before it */
};

/* "return" may be left out before the table: it is put on the same line, so that lines still count.
 */
static int load(lua_State *L, const struct source *source)
{
  const char *text = (const char *)source->text.data;
  size_t size = source->text.size;
  lua_pushliteral(L, "return ");
  lua_pushlstring(L, text, size);
  lua_concat(L, 2);
  size_t bare_size;
  const char *bare = lua_tolstring(L, -1, &bare_size);
  if (luaL_loadbufferx(L, bare, bare_size, source->name, "t") == LUA_OK) return 0;
  lua_settop(L, 1);
  return luaL_loadbufferx(L, text, size, source->name, "t");
}

/* In a protected call: leaves the one table. */
static int evaluate(lua_State *L)
{
  const struct source *source = lua_touserdata(L, 1);
  if (load(L, source) != LUA_OK) return lua_error(L);
  lua_newtable(L); /* instead of the globals */
  lua_setupvalue(L, -2, 1);
  int below = lua_gettop(L) - 1;
  lua_call(L, 0, LUA_MULTRET);
  if (lua_gettop(L) - below != 1 || !lua_istable(L, -1))
    return luaL_error(L, "%s: the file must give one table", source->name + 1);
  return 1;
}

int hgl_config_lua(struct hgl_bytes source, const char *name, json_t **out, struct hgl_err *err)
{
  struct sandbox sandbox = {0, HGL_CONFIG_LUA_INSTRUCTIONS_MAX};
  char chunk_name[PATH_SIZE];
  lua_State *L = lua_newstate(allocate, &sandbox);
  if (!L) return fail_memory(err);
  snprintf(chunk_name, sizeof chunk_name, "@%s", name);
  lua_sethook(L, count_instructions, LUA_MASKCOUNT, HOOK_EVERY);
  struct source given = {source, chunk_name};
  lua_pushcfunction(L, evaluate);
  lua_pushlightuserdata(L, &given);
  int result = lua_pcall(L, 1, 1, 0), status;
  if (result == LUA_OK) {
    status = convert(L, "", 0, out, err);
  } else {
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error";
    enum hgl_code code = result == LUA_ERRMEM ? HGL_LIMIT : HGL_SCRIPT;
    status = hgl_fail(err, code, "%s%s", result == LUA_ERRMEM ? name : "",
                      result == LUA_ERRMEM ? ": the host file needs too much memory" : text);
  }
  lua_close(L);
  return status;
}
