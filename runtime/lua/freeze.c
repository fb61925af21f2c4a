/* Freezing: once the top level has run, nothing that a script can reach outside `state` and `cache`
 * may change, or it would be lost with the Lua state and differ from one life to the next.
 *
 * - A table keeps its identity and loses its fields to another one, its content. A metatable of
 *   its own reads from there and raises on writes.
 * - Fields whose names begin with "__" stay as well, because Lua looks metamethods up without
 *   metamethods. Writes to those, and to upvalues, raise nothing: they are compared after each
 *   stretch. What is compared lies on the stack of a thread that never runs, in threes: function,
 *   number of the upvalue, value; or table, key, value. */
#include "lua/bind.h"
#include "lua/walk.h"

/* Addresses are keys: of the registry, and in a frozen table's metatable. */
static const char watching, content_key;

enum { WATCHED_SIZE = 3, WATCHED_MAX = 300 * 1000 };

void hgl_table_push_content(lua_State *L, int index)
{
  lua_pushvalue(L, index);
  if (!lua_getmetatable(L, -1)) return;
  lua_rawgetp(L, -1, &content_key);
  lua_replace(L, -2);
  lua_remove(L, lua_isnil(L, -1) ? -1 : -2);
}

/* Metamethods of frozen tables ---------------------------------------------------------------- */

/* The key at index 2, for messages. */
static const char *shown_key(lua_State *L)
{
  if (lua_type(L, 2) == LUA_TSTRING) return lua_tostring(L, 2);
  if (lua_isinteger(L, 2)) return lua_pushfstring(L, "[%I]", (LUAI_UACINT)lua_tointeger(L, 2));
  return lua_pushfstring(L, "[%s]", luaL_typename(L, 2));
}

static int constant_newindex(lua_State *L)
{
  return luaL_error(L, "'%s' cannot be set: libraries are constant", shown_key(L));
}

static int frozen_newindex(lua_State *L)
{
  const char *key = shown_key(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  if (lua_rawequal(L, 1, -1))
    return luaL_error(L, "the script variable '%s' was changed in a handler; keep it in state",
                      key);
  return luaL_error(L, "'%s' of a script's table was changed in a handler; keep it in state", key);
}

static int frozen_length(lua_State *L)
{
  hgl_table_push_content(L, 1);
  lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
  return 1;
}

/* Where the script's own __index is a function. Upvalues: content, that function. */
static int frozen_index(lua_State *L)
{
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_settop(L, 3);
  lua_call(L, 2, 1);
  return 1;
}

/* Wrapping one table ------------------------------------------------------------------------ */

static bool is_metamethod(lua_State *L, int index)
{
  return lua_type(L, index) == LUA_TSTRING && strncmp(lua_tostring(L, index), "__", 2) == 0;
}

/* The script's metamethods at `from` go on working. */
static void copy_metamethods(lua_State *L, int from, int to)
{
  for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) {
    if (!is_metamethod(L, -2)) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, to);
  }
}

/* Gives `table`, empty by now, the metatable that shows `content`. */
static void cover(lua_State *L, int table, int content, lua_CFunction newindex)
{
  int top = lua_gettop(L), meta = top + 1, own = top + 2;
  lua_createtable(L, 0, 5);
  bool index_function = false;
  if (lua_getmetatable(L, table)) {
    hgl_table_push_content(L, own); /* it may be frozen already */
    lua_replace(L, own);
    copy_metamethods(L, own, meta);
    lua_getfield(L, meta, "__index");
    index_function = lua_isfunction(L, -1);
    if (index_function) {
      lua_pushvalue(L, content);
      lua_insert(L, -2);
      lua_pushcclosure(L, frozen_index, 2);
      lua_setfield(L, meta, "__index");
    } else {
      lua_getmetatable(L, table);
      lua_setmetatable(L, content);
    }
    if (lua_getfield(L, meta, "__metatable") == LUA_TNIL) {
      lua_getmetatable(L, table);
      lua_setfield(L, meta, "__metatable");
    }
    lua_settop(L, meta);
  } else {
    lua_pushboolean(L, false);
    lua_setfield(L, meta, "__metatable");
  }
  if (!index_function) {
    lua_pushvalue(L, content);
    lua_setfield(L, meta, "__index");
  }
  lua_pushcfunction(L, newindex);
  lua_setfield(L, meta, "__newindex");
  lua_pushcfunction(L, frozen_length);
  lua_setfield(L, meta, "__len");
  lua_pushvalue(L, content);
  lua_rawsetp(L, meta, &content_key);
  lua_setmetatable(L, table);
}

void hgl_freeze_wrap(lua_State *L)
{
  int content = lua_gettop(L);
  lua_newtable(L);
  cover(L, content + 1, content, constant_newindex);
  lua_replace(L, content);
}

/* Walking ----------------------------------------------------------------------------------- */

struct freezer {
  lua_State *L;
  int seen;  /* table: object or upvalue id → true */
  int queue; /* table: object, its name, object, its name, … */
  lua_Integer head, tail;
  int watched; /* table: what will lie on the stack of the watching thread */
  lua_Integer count;
};

static void watch(struct freezer *f, int object, int key, int value)
{
  lua_State *L = f->L;
  const int parts[WATCHED_SIZE] = {object, lua_absindex(L, key), value};
  for (int i = 0; i < WATCHED_SIZE; i++) {
    lua_pushvalue(L, parts[i]);
    lua_rawseti(L, f->watched, ++f->count);
  }
}

/* Only now, because a stack that grows step by step gets too large. */
static void start_watching(struct freezer *f)
{
  lua_State *L = f->L;
  if (f->count == 0) return;
  lua_State *thread = lua_newthread(L);
  if (f->count > WATCHED_MAX || !lua_checkstack(thread, (int)f->count + LUA_MINSTACK))
    luaL_error(L, "too many script variables");
  for (lua_Integer i = 1; i <= f->count; i++) {
    lua_rawgeti(L, f->watched, i);
    lua_xmove(L, thread, 1);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, &watching);
}

/* True the first time. */
static bool see(struct freezer *f, const void *object)
{
  lua_State *L = f->L;
  bool first = lua_rawgetp(L, f->seen, object) == LUA_TNIL;
  lua_pop(L, 1);
  if (!first) return false;
  lua_pushboolean(L, true);
  lua_rawsetp(L, f->seen, object);
  return true;
}

/* Takes the value from the top of the stack. */
static void visit(struct freezer *f, const char *name)
{
  lua_State *L = f->L;
  int type = lua_type(L, -1);
  if (type == LUA_TTHREAD)
    luaL_error(L, "the script variable '%s' holds a coroutine; create it in a handler", name);
  if ((type == LUA_TTABLE || type == LUA_TFUNCTION) && see(f, lua_topointer(L, -1))) {
    lua_rawseti(L, f->queue, ++f->tail);
    lua_pushstring(L, name);
    lua_rawseti(L, f->queue, ++f->tail);
  } else {
    lua_pop(L, 1);
  }
}

/* The value at `index`, found under the key at `key` of the thing called `name`. */
static void visit_field(struct freezer *f, const char *name, int key, int index)
{
  lua_State *L = f->L;
  lua_pushvalue(L, index);
  int type = lua_type(L, -1);
  if (type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TTHREAD) {
    lua_pop(L, 1);
    return;
  }
  if (lua_type(L, key) == LUA_TSTRING)
    lua_pushfstring(L, *name ? "%s.%s" : "%s%s", name, lua_tostring(L, key));
  else
    lua_pushfstring(L, "%s[…]", name);
  lua_insert(L, -2);
  visit(f, lua_tostring(L, -2));
  lua_pop(L, 1);
}

static void walk_function(struct freezer *f, int function, const char *name)
{
  lua_State *L = f->L;
  bool native = lua_iscfunction(L, function);
  const char *upvalue;
  for (int n = 1; (upvalue = lua_getupvalue(L, function, n)); n++) {
    int value = lua_gettop(L);
    if (native) {
      /* Iterators and wrapped coroutines: our own functions keep nothing like it in upvalues. */
      if (lua_isthread(L, value) || lua_type(L, value) == LUA_TUSERDATA)
        luaL_error(L,
                   "the script variable '%s' holds an iterator or coroutine; create it in a "
                   "handler",
                   name);
    } else if (see(f, lua_upvalueid(L, function, n))) {
      lua_pushinteger(L, n);
      watch(f, function, -1, value);
      lua_pop(L, 1);
      visit(f, upvalue);
      continue;
    }
    lua_settop(L, value - 1);
  }
}

static bool is_frozen(lua_State *L, int table)
{
  hgl_table_push_content(L, table);
  bool frozen = !lua_rawequal(L, table, -1);
  lua_pop(L, 1);
  return frozen;
}

/* Whatever reads a lazy table's content goes on finding its other fields. */
static void move_metatable(lua_State *L, int from, int to)
{
  lua_getmetatable(L, from);
  lua_setmetatable(L, to);
  lua_pushnil(L);
  lua_setmetatable(L, from);
}

/* setmetatable refuses a __gc, but one that was put into the metatable later would come into force
 * when the table is covered. */
static void refuse_finalizer(lua_State *L, const char *name)
{
  lua_pushliteral(L, "__gc");
  if (lua_rawget(L, -2) != LUA_TNIL)
    luaL_error(L, "'%s' has a finalizer (__gc): not available to agents", name);
  lua_pop(L, 1);
}

static void walk_table(struct freezer *f, int table, const char *name)
{
  lua_State *L = f->L;
  if (is_frozen(L, table)) return;
  bool lazy = hgl_lib_is_lazy(L, table);
  if (!lazy && !hgl_lua_is_array(L, table) && lua_getmetatable(L, table)) {
    refuse_finalizer(L, name);
    visit(f, name);
  }
  lua_newtable(L);
  int content = lua_gettop(L);
  if (lazy) move_metatable(L, table, content);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    int key = content + 1, value = content + 2;
    visit_field(f, name, value, key);
    visit_field(f, name, key, value);
    lua_pushvalue(L, key);
    lua_pushvalue(L, value);
    lua_rawset(L, content);
    if (is_metamethod(L, key)) {
      if (strcmp(lua_tostring(L, key), "__mode") == 0)
        luaL_error(L, "'%s' is a weak table: not available to agents", name);
      watch(f, table, key, value);
      continue;
    }
    lua_pushvalue(L, key);
    lua_pushnil(L);
    lua_rawset(L, table);
  }
  cover(L, table, content, frozen_newindex);
  lua_pop(L, 1);
}

void hgl_freeze(lua_State *L, int roots)
{
  struct freezer f = {.L = L};
  roots = lua_absindex(L, roots);
  int top = lua_gettop(L);
  luaL_checkstack(L, 24, "freeze");
  lua_newtable(L);
  f.seen = top + 1;
  lua_newtable(L);
  f.queue = top + 2;
  lua_newtable(L);
  f.watched = top + 3;
  lua_Integer count = (lua_Integer)lua_rawlen(L, roots);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  visit(&f, "");
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, roots, i);
    visit(&f, "a handler");
  }
  while (f.head < f.tail) {
    lua_rawgeti(L, f.queue, ++f.head);
    lua_rawgeti(L, f.queue, ++f.head);
    int object = top + 4;
    if (lua_isfunction(L, object))
      walk_function(&f, object, lua_tostring(L, object + 1));
    else
      walk_table(&f, object, lua_tostring(L, object + 1));
    lua_settop(L, top + 3);
  }
  start_watching(&f);
  lua_settop(L, top);
}

/* Checking ---------------------------------------------------------------------------------- */

/* The value now on top of `watch` should be the one at first + 2. 1 equals 1.0, and NaN differs
 * from itself. */
static bool unchanged(lua_State *watch, int first)
{
  if (lua_rawequal(watch, -1, first + 2))
    return lua_isinteger(watch, -1) == lua_isinteger(watch, first + 2);
  return !lua_rawequal(watch, -1, -1) && !lua_rawequal(watch, first + 2, first + 2);
}

static void push_message(lua_State *L, lua_State *watch, int first, const char *upvalue)
{
  if (!upvalue) {
    lua_pushfstring(L, "'%s' of a script's table was changed in a handler; keep it in state",
                    lua_tostring(watch, first + 1));
    return;
  }
  lua_Debug info;
  lua_pushvalue(watch, first);
  lua_getinfo(watch, ">S", &info);
  lua_pushfstring(L, "%s:%d: the script variable '%s' was changed in a handler; keep it in state",
                  info.short_src, info.linedefined, upvalue);
}

static void put_back(lua_State *watch, int first, const char *upvalue)
{
  if (!upvalue) lua_pushvalue(watch, first + 1);
  lua_pushvalue(watch, first + 2);
  if (upvalue)
    lua_setupvalue(watch, first, (int)lua_tointeger(watch, first + 1));
  else
    lua_rawset(watch, first);
}

static lua_State *watching_thread(lua_State *L)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, &watching);
  lua_State *watch = lua_tothread(L, -1);
  lua_pop(L, 1);
  return watch;
}

/* *upvalue: its name, or NULL for the field of a table. */
static bool is_intact(lua_State *watch, int first, const char **upvalue)
{
  *upvalue = lua_getupvalue(watch, first, (int)lua_tointeger(watch, first + 1));
  if (!*upvalue) {
    lua_pushvalue(watch, first + 1);
    lua_rawget(watch, first);
  }
  bool intact = unchanged(watch, first);
  lua_pop(watch, 1);
  return intact;
}

bool hgl_freeze_intact(lua_State *L)
{
  lua_State *watch = watching_thread(L);
  const char *upvalue;
  bool intact = true;
  int count = watch ? lua_gettop(watch) : 0;
  for (int first = 1; intact && first < count; first += WATCHED_SIZE)
    intact = is_intact(watch, first, &upvalue);
  return intact;
}

bool hgl_freeze_check(lua_State *L)
{
  lua_State *watch = watching_thread(L);
  const char *upvalue;
  bool changed = false;
  int count = watch ? lua_gettop(watch) : 0;
  for (int first = 1; first < count; first += WATCHED_SIZE) {
    if (is_intact(watch, first, &upvalue)) continue;
    put_back(watch, first, upvalue);
    if (!changed) push_message(L, watch, first, upvalue);
    changed = true;
  }
  return changed;
}
