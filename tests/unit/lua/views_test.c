#include "support/check.h"

#include "base/mem.h"
#include "lua_fixture.h"

static void view_reads_what_was_written(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f,
          "state.a = { x = 1, list = { 10, 20 }, f = 1.5, t = true, n = null, b = bytes }\n"
          "local a = state.a\n"
          "assert(a.x == 1 and a.list[2] == 20 and #a.list == 2 and a.f == 1.5 and a.t == true)\n"
          "assert(a.n == null and a.b == bytes and a.missing == nil)\n"
          "a.x = a.x + 1; assert(state.a.x == 2)\n"
          "state[1.0] = 'one'; assert(state[1] == 'one')\n"
          "assert(math.type(state.a.x) == 'integer' and math.type(state.a.f) == 'float')\n"
          "cache.k = 'v'; assert(cache.k == 'v' and state.k == nil)");
}

static void view_is_one_object_per_table(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(
      f,
      "state.a = {}; local a = state.a; assert(a == state.a and rawequal(a, state.a))\n"
      "local names = { [a] = 'a' }; assert(names[state.a] == 'a')\n"
      "state.b = {}; assert(state.b ~= a)\n"
      "a = nil; collectgarbage(); assert(state.a)\n"
      "assert(tostring(state.a) == 'table of state' and getmetatable(state) == 'table of state')");
}

static void view_swaps_and_copies(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f, "state.a = { n = 1 }; state.b = { n = 2 }\n"
             "local a, b = state.a, state.b\n"
             "state.a, state.b = state.b, state.a\n"
             "assert(state.a.n == 2 and state.b.n == 1 and state.a == b and state.b == a)\n"
             "state.c = state.a; state.c.n = 3; assert(state.a.n == 2)\n"
             "cache.x = state.a; cache.x.n = 9; assert(state.a.n == 2)");
}

static void view_of_a_removed_table_ends_with_the_stretch(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f, "state.a = { n = 1 }; kept = state.a; state.a = nil; assert(kept.n == 1)");
  lua_fixture_next_stretch(f);
  run_lua_fails(f, "return kept.n", "removed");
  run_lua_fails(f, "kept.n = 1", "removed");
  run_lua_fails(f, "state.b = kept", "removed");
  run_lua_fails(f, "for _ in pairs(kept) do end", "removed");
}

static void view_writes_are_rolled_back(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f, "state.list = { 3, 1, 2 }; state.n = 1");
  lua_fixture_next_stretch(f);
  run_lua(f, "table.sort(state.list); table.insert(state.list, 9); state.n = { deep = {} }");
  hgl_state_roll_back(f->state);
  hgl_state_begin(f->state);
  run_lua(f, "assert(table.concat(state.list, ',') == '3,1,2' and state.n == 1)");
}

static void view_refuses_what_cannot_be_kept(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua_fails(f, "state.x = { y = { [3] = print } }",
                "x.y[3]: a function cannot be kept in state");
  run_lua_fails(f, "state.x = coroutine.create(print)", "x: a thread cannot be kept in state");
  run_lua_fails(f, "state.x = { a = 0/0 }", "x.a: a number that is not finite");
  run_lua_fails(f, "state.x = { [1.5] = 1 }", "neither text nor an integer");
  run_lua_fails(f, "state.x = { a = '\\xff' }", "x.a: a text that is not UTF-8");
  run_lua_fails(f, "local t = {}; t.t = { t = t }; state.x = t",
                "x.t.t: a table that contains itself");
  run_lua_fails(f, "state[1.5] = 1", "must be text or an integer, not a fraction");
  run_lua_fails(f, "return state[true]", "must be text or an integer, not a boolean");
  run_lua_fails(f, "state[{}] = 1", "must be text or an integer, not a table");
  run_lua_fails(f, "state.x = string.rep('x', 2^20 + 1)", "at most 1048576");
  run_lua_fails(f, "for i = 1, 3 do state[i] = string.rep('x', 500000) end", "limit");
  run_lua_fails(f, "\n\nstate.x = print", ":3:");
  run_lua(f, "assert(state.x == nil); local same = {}; state.x = { same, same }\n"
             "local t = { [1] = 'a', [5] = 'b', name = 'c' }; state.y = t\n"
             "assert(state.y[5] == 'b' and state.y.name == 'c' and #state.y == 1)");
}

static void view_writes_need_a_handler(void **arg)
{
  struct lua_fixture *f = *arg;
  hgl_state_accept(f->state);
  run_lua_fails(f, "state.x = 1", "can only be written in a handler");
  run_lua_fails(f, "state.x = {}", "can only be written in a handler");
  run_lua(f, "assert(state.x == nil)");
  hgl_state_begin(f->state);
}

static void view_pairs_is_ordered(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f,
          "state.t = { b = 1, a = 2, [10] = 3, [2] = 4, [-1] = 5, ab = 6 }\n"
          "local out = {}\n"
          "for k, v in pairs(state.t) do out[#out + 1] = k .. '=' .. v end\n"
          "assert(table.concat(out, ' ') == '-1=5 2=4 10=3 a=2 ab=6 b=1')\n"
          "for k in pairs(state.t) do state.t[k] = nil end\n"
          "assert(next(state.t) == nil)\n"
          "state.t.x = 1; local k, v = next(state.t); assert(k == 'x' and v == 1)\n"
          "assert(next(state.t, 'x') == nil)\n"
          "state.l = { 'p', 'q' }; local n = 0\n"
          "for i, v in ipairs(state.l) do n = n + i; assert(v == state.l[i]) end; assert(n == 3)");
}

static void view_tables_functions_move_tables(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(
      f,
      "local function text(list) local out = {}\n"
      "  for i, e in ipairs(list) do out[i] = e.n end return table.concat(out, ',') end\n"
      "state.l = {}; local l = state.l\n"
      "for _, n in ipairs { 3, 1, 2 } do table.insert(l, { n = n, at = #l }) end\n"
      "local one = l[2]\n"
      "table.sort(l, function(a, b) return a.n < b.n end)\n"
      "assert(text(l) == '1,2,3' and l[1] == one)\n"
      "table.insert(l, 1, { n = 0 }); assert(text(l) == '0,1,2,3' and l[2] == one)\n"
      "local removed = table.remove(l, 1); assert(removed.n == 0 and text(l) == '1,2,3')\n"
      "assert(l[1] == one and table.remove(l).n == 3 and text(l) == '1,2')\n"
      "one.n = 7; assert(text(l) == '7,2')\n"
      "table.move(l, 2, 2, 1); l[2] = nil; assert(text(l) == '2')\n"
      "table.remove(l); assert(table.remove(l) == nil and #l == 0)\n"
      "state.w = { 'x', 'y' }; assert(table.concat(state.w, '-') == 'x-y')\n"
      "assert(select('#', table.unpack(state.w)) == 2)\n"
      "assert(not pcall(table.insert, state.w, 5, 'z') and not pcall(table.remove, state.w, 7))");
}

static void table_sort_is_stable_and_survives_nonsense(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f, "local l = {}\n"
             "for i = 1, 200 do l[i] = { key = i * 7 % 5, at = i } end\n"
             "table.sort(l, function(a, b) return a.key < b.key end)\n"
             "for i = 2, 200 do local a, b = l[i - 1], l[i]\n"
             "  assert(a.key < b.key or a.key == b.key and (a.at - b.at) ~= 0) end\n"
             "local seen = {}\n"
             "table.sort(l, function() return true end)\n"
             "for _, e in ipairs(l) do assert(not seen[e.at]); seen[e.at] = true end\n"
             "local s = { 'b', 'a', 'c' }; table.sort(s); assert(table.concat(s) == 'abc')\n"
             "assert(not pcall(table.sort, { 1, 'a' }))\n"
             "local stable = { { 1, 'a' }, { 0, 'b' }, { 1, 'c' }, { 0, 'd' } }\n"
             "table.sort(stable, function(a, b) return a[1] < b[1] end)\n"
             "local out = ''; for _, e in ipairs(stable) do out = out .. e[2] end\n"
             "assert(out == 'bdac')");
}

static void pairs_of_plain_tables_is_ordered(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f, "local t = { z = 1, y = 2, [3] = 3, [1.5] = 4, [true] = 5, [false] = 6, [-2] = 7 }\n"
             "local out = {}\n"
             "for k in pairs(t) do out[#out + 1] = tostring(k) end\n"
             "assert(table.concat(out, ' ') == '-2 1.5 3 y z false true')\n"
             "local again = {}\n"
             "for k in next, t do again[#again + 1] = tostring(k) end\n"
             "assert(table.concat(again, ' ') == table.concat(out, ' '))\n"
             "for k in pairs(t) do t[k] = nil end; assert(next(t) == nil)\n"
             "local n = 0; for i, v in pairs { 5, 6, 7 } do n = n + i * v end; assert(n == 38)\n"
             "local m = setmetatable({}, { __pairs = function() return function(_, k) \n"
             "  if not k then return 1 end end end }); for k in pairs(m) do assert(k == 1) end\n"
             "assert(not pcall(next, {}, 'x')); local seq = { 1, 2, 3 }\n"
             "assert(next(seq, 2) == 3 and next(seq, 3) == nil)");
}

static void view_survives_a_reload(void **arg)
{
  struct lua_fixture *f = *arg;
  struct hgl_err err;
  run_lua(
      f,
      "state.users = {}; for i = 1, 500 do state.users['u' .. i] = { n = i, tags = array() } end");
  hgl_state_accept(f->state);
  assert_ok(hgl_state_flush(f->state, &err));
  hgl_state_accept(f->cache);
  lua_fixture_reopen(f);
  run_lua(f, "assert(state.users.u77.n == 77); local n = 0\n"
             "for k, v in pairs(state.users) do n = n + v.n end; assert(n == 125250)");
}

/* Lua's own allocator does not fail here: only the tree's. */
static void view_raises_when_the_tree_gets_no_memory(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f,
          "state.a = { 1, 2, 3 }; function change()\n"
          "  state.b = { x = { y = 'z' } }; table.insert(state.a, 1, 9); table.sort(state.a) end");
  lua_fixture_next_stretch(f);
  bool finished = false;
  for (long n = 0; !finished; n++) {
    lua_getglobal(f->L, "change");
    hgl_mem_fail_after(n);
    int status = lua_pcall(f->L, 0, 0, 0);
    hgl_mem_fail_after(-1);
    finished = status == LUA_OK;
    if (status) assert_non_null(strstr(lua_tostring(f->L, -1), "not enough memory"));
    lua_settop(f->L, 0);
    f->vm.doomed = HGL_OK;
    hgl_state_roll_back(f->state);
    hgl_state_begin(f->state);
    run_lua(f, "assert(state.b == nil and table.concat(state.a, ',') == '1,2,3')");
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      LUA_TEST(view_reads_what_was_written),
      LUA_TEST(view_is_one_object_per_table),
      LUA_TEST(view_swaps_and_copies),
      LUA_TEST(view_of_a_removed_table_ends_with_the_stretch),
      LUA_TEST(view_writes_are_rolled_back),
      LUA_TEST(view_refuses_what_cannot_be_kept),
      LUA_TEST(view_writes_need_a_handler),
      LUA_TEST(view_pairs_is_ordered),
      LUA_TEST(view_tables_functions_move_tables),
      LUA_TEST(table_sort_is_stable_and_survives_nonsense),
      LUA_TEST(pairs_of_plain_tables_is_ordered),
      LUA_TEST(view_survives_a_reload),
      LUA_TEST(view_raises_when_the_tree_gets_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
