#include "support/check.h"

#include "lua_fixture.h"

/* Runs a script's top level, then freezes it. Its global functions are the handlers. */
static void load(struct lua_fixture *f, const char *script)
{
  if (luaL_loadbuffer(f->L, script, strlen(script), "@agent.lua") || lua_pcall(f->L, 0, 0, 0))
    fail_msg("%s", lua_tostring(f->L, -1));
  lua_newtable(f->L);
  hgl_freeze(f->L, lua_gettop(f->L));
  lua_settop(f->L, 0);
  assert_false(hgl_freeze_check(f->L));
}

/* Calls the global `handler`: NULL when it neither raised nor changed a variable, else the message.
 */
static const char *handle(struct lua_fixture *f)
{
  lua_settop(f->L, 0);
  lua_getglobal(f->L, "handler");
  if (lua_pcall(f->L, 0, 1, 0)) return lua_tostring(f->L, -1);
  return hgl_freeze_check(f->L) ? lua_tostring(f->L, -1) : NULL;
}

static void assert_caught(struct lua_fixture *f, const char *part)
{
  for (int i = 0; i < 2; i++) { /* the second time because the first put the old value back */
    const char *message = handle(f);
    if (!message) message = "nothing was caught";
    if (!strstr(message, part)) fail_msg("'%s' lacks '%s'", message, part);
  }
}

static void assert_works(struct lua_fixture *f)
{
  for (int i = 0; i < 2; i++) {
    const char *message = handle(f);
    if (message) fail_msg("%s", message);
  }
}

static void freeze_catches_a_new_global(void **arg)
{
  load(*arg, "function handler() count = 1 end");
  assert_caught(*arg, "agent.lua:1: the script variable 'count' was changed");
}

static void freeze_catches_a_changed_global(void **arg)
{
  load(*arg, "count = 0\nfunction handler() assert(count == 0)\n count = count + 1 end");
  assert_caught(*arg, "agent.lua:3: the script variable 'count' was changed");
}

static void freeze_catches_a_local_variable(void **arg)
{
  load(*arg, "local count = 0\nfunction handler() assert(count == 0) count = count + 1 end");
  assert_caught(*arg, "agent.lua:2: the script variable 'count' was changed in a handler");
}

static void freeze_catches_an_integer_that_became_a_float(void **arg)
{
  load(*arg, "local count = 1\nfunction handler() assert(math.type(count) == 'integer')\n"
             "count = 1.0 end");
  assert_caught(*arg, "the script variable 'count' was changed");
}

static void freeze_catches_a_field_of_a_local_table(void **arg)
{
  load(*arg, "local t = { count = 0 }\nfunction handler() t.count = t.count + 1 end");
  assert_caught(*arg, "agent.lua:2: 'count' of a script's table");
}

static void freeze_catches_a_nested_table(void **arg)
{
  load(*arg,
       "local t = { a = { { seen = {} } } }\nfunction handler() table.insert(t.a[1].seen, 1) end");
  assert_caught(*arg, "of a script's table");
}

static void freeze_catches_a_module_table(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f, "package.loaded.m = { n = 0 }");
  load(f, "function handler() require('m').n = 1 end");
  assert_caught(f, "'n' of a script's table");
}

static void freeze_catches_a_library_table(void **arg)
{
  load(*arg, "function handler() string.seen = true end");
  assert_caught(*arg, "'seen' of a script's table");
}

static void freeze_catches_a_closure_counter(void **arg)
{
  load(*arg, "local function counter() local n = 0 return function() n = n + 1 return n end end\n"
             "local next_id = counter()\n"
             "function handler() assert(next_id() == 1) end");
  assert_caught(*arg, "agent.lua:1: the script variable 'n' was changed");
}

static void freeze_catches_a_default_argument_table(void **arg)
{
  load(*arg, "local default = {}\n"
             "local function f(options) options = options or default; options.n = 1 end\n"
             "function handler() f() end");
  assert_caught(*arg, "agent.lua:2: 'n' of a script's table");
}

static void freeze_catches_a_metatable_field(void **arg)
{
  load(*arg, "local mt = { __index = { x = 1 } }; local t = setmetatable({}, mt)\n"
             "function handler() assert(t.x == 1); mt.__index = { x = 2 } end");
  assert_caught(*arg, "'__index' of a script's table");
  lua_fixture_reopen(*arg);
  load(*arg, "local mt = { limit = 1 }; local t = setmetatable({}, mt)\n"
             "function handler() getmetatable(t).limit = 2 end");
  assert_caught(*arg, "'limit' of a script's table");
}

static void freeze_catches_a_new_metatable(void **arg)
{
  load(*arg, "local t = {}\nfunction handler() setmetatable(t, { n = 1 }) end");
  assert_caught(*arg, "protected metatable");
}

static void freeze_catches_a_memoizing_metamethod(void **arg)
{
  load(*arg, "local memo = setmetatable({}, { __index = function(t, k) t[k] = k; return k end })\n"
             "function handler() return memo.x end");
  assert_caught(*arg, "'x' of a script's table");
}

static void freeze_catches_a_table_used_as_key(void **arg)
{
  load(*arg, "local key = {}; local t = { [key] = true }; key = nil\n"
             "function handler() for k in pairs(t) do k.n = 1 end end");
  assert_caught(*arg, "'n' of a script's table");
}

static int freeze_protected(lua_State *L)
{
  lua_newtable(L);
  hgl_freeze(L, lua_gettop(L));
  return 0;
}

static void freeze_refuses_coroutines_and_iterators_of_the_top_level(void **arg)
{
  static const struct {
    const char *script, *part;
  } cases[] = {
      {"local co = coroutine.create(print); function handler() return co end",
       "'co' holds a coroutine"},
      {"local t = { w = coroutine.wrap(print) }; function handler() return t end", "'t.w' holds"},
      {"local step = pairs({ 1 }); function handler() return step end", "'step' holds an iterator"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct lua_fixture *f = *arg;
    assert_int_equal(luaL_dostring(f->L, cases[i].script), 0);
    lua_settop(f->L, 0);
    lua_pushcfunction(f->L, freeze_protected);
    assert_int_equal(lua_pcall(f->L, 0, 0, 0), LUA_ERRRUN);
    const char *message = lua_tostring(f->L, -1);
    if (!strstr(message, cases[i].part)) fail_msg("'%s' lacks '%s'", message, cases[i].part);
    lua_fixture_reopen(f);
  }
}

static void freeze_refuses_weak_tables(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f, "local mt = {}; weak = setmetatable({}, mt); mt.__mode = 'k'");
  lua_pushcfunction(f->L, freeze_protected);
  assert_int_equal(lua_pcall(f->L, 0, 0, 0), LUA_ERRRUN);
  assert_non_null(strstr(lua_tostring(f->L, -1), "'weak' is a weak table"));
}

static void frozen_class_idiom_works(void **arg)
{
  load(*arg,
       "local C = {}; C.__index = C\n"
       "function C.new() return setmetatable({}, C) end\n"
       "function C:inc() self.n = (self.n or 0) + 1; return self.n end\n"
       "C.__add = function(a, b) return a.n + b.n end\n"
       "local D = setmetatable({}, { __index = C }); D.__index = D\n"
       "function D.new() return setmetatable({}, D) end\n"
       "function D:twice() self:inc(); return self:inc() end\n"
       "function handler() local c, d = C.new(), D.new(); c:inc()\n"
       "  assert(c:inc() == 2 and d:twice() == 2 and c + c == 4 and getmetatable(c) == C) end");
  assert_works(*arg);
}

static void frozen_tables_read_like_tables(void **arg)
{
  load(
      *arg,
      "local t = { 'a', 'b', 'c', x = 1, deep = { y = 2 } }\n"
      "local called = setmetatable({ n = 5 }, { __call = function(self, k) return self.n + k end,\n"
      "  __tostring = function() return 'called' end })\n"
      "local lazy = setmetatable({}, { __index = function(_, k) return k .. '!' end })\n"
      "local same = t\n"
      "function handler()\n"
      "  assert(#t == 3 and t.deep.y == 2 and t == same and t.missing == nil)\n"
      "  local out = {}\n"
      "  for k, v in pairs(t) do out[#out + 1] = tostring(k) end\n"
      "  assert(table.concat(out, ' ') == '1 2 3 deep x')\n"
      "  local n = 0; for i, v in ipairs(t) do n = n + i end; assert(n == 6)\n"
      "  assert(table.concat(t) == 'abc' and select('#', table.unpack(t)) == 3)\n"
      "  assert(next(t) == 1 and next(t, 'x') == nil and next(t.deep) == 'y')\n"
      "  assert(called(1) == 6 and tostring(called) == 'called' and lazy.x == 'x!')\n"
      "  assert(('x'):upper() == 'X' and math.pi > 3 and type(_G) == 'table')\n"
      "  local mine = {}; mine.x = 1; table.insert(mine, t[1]); assert(mine[1] == 'a')\n"
      "  state.copy = t; assert(state.copy.deep.y == 2 and #state.copy == 3)\n"
      "  state.empty = array(); end");
  assert_works(*arg);
}

static void frozen_variables_may_hold_what_never_changes(void **arg)
{
  load(*arg, "local nan, view, list = 0/0, state, array()\n"
             "local function helper() return nan, view, list end\n"
             "function handler() helper(); view.n = (view.n or 0) + 1 end");
  assert_works(*arg);
  run_lua(*arg, "assert(state.n == 2)");
}

static void frozen_wrapped_library_is_constant(void **arg)
{
  struct lua_fixture *f = *arg;
  lua_getglobal(f->L, "math");
  hgl_freeze_wrap(f->L);
  lua_setglobal(f->L, "math");
  load(f, "function handler() assert(math.floor(1.5) == 1); math.x = 1 end");
  assert_caught(f, "'x' cannot be set");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      LUA_TEST(freeze_catches_a_new_global),
      LUA_TEST(freeze_catches_a_changed_global),
      LUA_TEST(freeze_catches_a_local_variable),
      LUA_TEST(freeze_catches_an_integer_that_became_a_float),
      LUA_TEST(freeze_catches_a_field_of_a_local_table),
      LUA_TEST(freeze_catches_a_nested_table),
      LUA_TEST(freeze_catches_a_module_table),
      LUA_TEST(freeze_catches_a_library_table),
      LUA_TEST(freeze_catches_a_closure_counter),
      LUA_TEST(freeze_catches_a_default_argument_table),
      LUA_TEST(freeze_catches_a_metatable_field),
      LUA_TEST(freeze_catches_a_new_metatable),
      LUA_TEST(freeze_catches_a_memoizing_metamethod),
      LUA_TEST(freeze_catches_a_table_used_as_key),
      LUA_TEST(freeze_refuses_coroutines_and_iterators_of_the_top_level),
      LUA_TEST(freeze_refuses_weak_tables),
      LUA_TEST(frozen_class_idiom_works),
      LUA_TEST(frozen_tables_read_like_tables),
      LUA_TEST(frozen_variables_may_hold_what_never_changes),
      LUA_TEST(frozen_wrapped_library_is_constant),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
