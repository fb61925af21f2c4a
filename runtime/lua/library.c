/* Libraries as scripts find them: tables whose fields are made when they are first asked for, so
 * that an agent pays only for the names that its script uses. */
#include "lua/vm_core.h"
#include "lua/walk.h"

/* Its address is a key in the metatable of such a table; the value: the fields. */
static const char fields_key;

static const struct hgl_lib_field *fields_of(lua_State *L, int table)
{
  if (!lua_getmetatable(L, table)) return NULL;
  lua_rawgetp(L, -1, &fields_key);
  const struct hgl_lib_field *fields = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return fields;
}

bool hgl_lib_is_lazy(lua_State *L, int table)
{
  return fields_of(L, table) != NULL;
}

/* Pushes the value of the field and keeps it in the table. */
static void make(lua_State *L, int table, const struct hgl_lib_field *field)
{
  lua_pushcfunction(L, field->function);
  if (field->makes) lua_call(L, 0, 1);
  lua_pushstring(L, field->name);
  lua_pushvalue(L, -2);
  lua_rawset(L, table);
}

static int lazy_index(lua_State *L)
{
  const struct hgl_lib_field *field = fields_of(L, 1);
  if (!field || lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, 2);
  while (field->name && strcmp(field->name, name) != 0) field++;
  if (!field->name) return 0;
  make(L, 1, field);
  return 1;
}

void hgl_lib_complete(lua_State *L, int table)
{
  const struct hgl_lib_field *field = fields_of(L, table);
  for (; field && field->name; field++) {
    lua_pushstring(L, field->name);
    if (lua_rawget(L, table) == LUA_TNIL) {
      make(L, table, field);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
}

void hgl_lib_extend(lua_State *L, const struct hgl_lib_field *fields)
{
  lua_createtable(L, 0, 3);
  lua_pushlightuserdata(L, (void *)fields);
  lua_rawsetp(L, -2, &fields_key);
  lua_pushcfunction(L, lazy_index);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}

void hgl_lib_push(lua_State *L, const struct hgl_lib_field *fields)
{
  lua_newtable(L);
  hgl_lib_extend(L, fields);
  hgl_freeze_wrap(L);
}

void hgl_lib_keep(lua_State *L, const char *const *names)
{
  lua_newtable(L);
  for (; *names; names++) {
    lua_getfield(L, -2, *names);
    lua_setfield(L, -2, *names);
  }
  lua_remove(L, -2);
}

/* Misspelt names ---------------------------------------------------------------------------- */

/* One character more, less or different, or two neighbours swapped. */
static bool is_near(const char *name, const char *written)
{
  size_t n = strlen(name), w = strlen(written);
  while (n && w && *name == *written) name++, written++, n--, w--;
  while (n && w && name[n - 1] == written[w - 1]) n--, w--;
  if (n == 2 && w == 2) return name[0] == written[1] && name[1] == written[0];
  return n <= 1 && w <= 1;
}

static const char *near_name(lua_State *L, const char *library, const char *written)
{
  lua_getglobal(L, library);
  if (!lua_istable(L, -1)) return NULL;
  hgl_table_push_content(L, lua_gettop(L));
  const struct hgl_lib_field *field = fields_of(L, lua_gettop(L));
  while (field && field->name && !is_near(field->name, written)) field++;
  return field ? field->name : NULL;
}

void hgl_lib_suggest(lua_State *L, struct hgl_err *err)
{
  /* Methods of messages are functions of `agent` too. */
  static const char *const libraries[] = {"agent", "log", "host"};
  static const char *const before[] = {"call a nil value (field '", "call a nil value (method '"};
  char written[32];
  const char *start = strstr(err->message, before[0]), *found = NULL;
  if (!start) start = strstr(err->message, before[1]);
  if (!start) return;
  start = strchr(start, '\'') + 1;
  size_t size = strcspn(start, "'"), used = strlen(err->message);
  if (size >= sizeof written) return;
  memcpy(written, start, size);
  written[size] = 0;
  for (size_t i = 0; !found && i < sizeof libraries / sizeof *libraries; i++)
    found = near_name(L, libraries[i], written);
  if (found && strcmp(found, written) != 0)
    snprintf(err->message + used, sizeof err->message - used, "; did you mean '%s'?", found);
}
