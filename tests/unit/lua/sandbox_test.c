#include "support/fake_host.h"

/* A short limit: nearly every script here runs into it. */
static int set_up(void **state)
{
  fake_set_up(state);
  struct fake_host *host = *state;
  host->limits.stretch_ms = 150;
  return 0;
}

static void sandbox_withholds_what_reaches_outside(void **state)
{
  static const char *const absent[] = {
      "io",           "debug",       "package",        "load",      "loadstring",     "dofile",
      "loadfile",     "rawget",      "rawset",         "rawlen",    "collectgarbage", "warn",
      "os.execute",   "os.exit",     "os.getenv",      "os.remove", "os.rename",      "os.tmpname",
      "os.setlocale", "string.dump", "math.randomseed"};
  for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
    char body[128];
    snprintf(body, sizeof body, "assert(%s == nil, 'present')", absent[i]);
    assert_done(*state, body);
  }
}

static void sandbox_shows_no_addresses(void **state)
{
  assert_done(*state, "assert(tostring({}) == 'table')"
                      "assert(tostring(print) == 'function')"
                      "assert(tostring(coroutine.create(print)) == 'thread')"
                      "assert(string.format('%s|%5s|%d', {}, 1, 2) == 'table|    1|2')"
                      "assert(not pcall(string.format, '%p', {}))");
}

static void sandbox_refuses_finalizers_and_weak_tables(void **state)
{
  assert_raises(*state, "setmetatable({}, { __gc = print })", HGL_SCRIPT, "finalizers");
  assert_raises(*state, "setmetatable({}, { __mode = 'k' })", HGL_SCRIPT, "weak tables");
  assert_done(*state, "local t = setmetatable({}, { __index = { a = 1 } }) assert(t.a == 1)"
                      "assert(getmetatable(setmetatable({}, { __metatable = 7 })) == 7)"
                      "assert(not pcall(setmetatable, setmetatable({}, { __metatable = 7 }), {}))");
}

static void sandbox_refuses_a_finalizer_put_in_later(void **state)
{
  struct hgl_err err = {0};
  assert_fails(HGL_SCRIPT, fake_try_load(*state,
                                         "local mt = {} thing = setmetatable({}, mt) "
                                         "mt.__gc = function() while true do end end",
                                         &err));
  assert_non_null(strstr(err.message, "'thing' has a finalizer"));
}

static void sandbox_keeps_the_string_metatable_out_of_reach(void **state)
{
  assert_done(*state, "assert(getmetatable('') == false)"
                      "assert(not pcall(function() getmetatable('').__index = {} end))"
                      "assert(('x'):rep(3) == 'xxx')");
}

/* ---- limits ---- */

static void sandbox_stops_every_loop_at_the_time_limit(void **state)
{
  static const char *const loops[] = {
      "while true do end",
      "::again:: goto again",
      "repeat until false",
      "for i = 1, math.huge do end",
      "local function f() return f() end f()",
      "while true do pcall(function() while true do end end) end",
      "pcall(pcall, function() while true do end end) while true do end",
      "local co = coroutine.create(function() while true do end end) coroutine.resume(co)",
      "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
      "pcall(function() coroutine.wrap(function() while true do end end)() end)",
      "while true do pcall(coroutine.wrap(function() pcall(function() while true do end end) end)) "
      "end",
      "local co = coroutine.wrap(function() while true do coroutine.yield() end end) "
      "while true do co() end",
      "xpcall(error, function() while true do end end)",
      "xpcall(function() while true do end end, function() while true do end end)",
      "while true do xpcall(function() while true do end end, function(e) return e end) end",
      "error(setmetatable({}, { __tostring = function() while true do end end }))",
      "tostring(setmetatable({}, { __tostring = function() while true do end end }))",
      "local x <close> = setmetatable({}, { __close = function() while true do end end })",
      "local x <close> = setmetatable({}, { __close = function() while true do end end }) "
      "while true do end",
      "local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = "
      "function() while true do end end }) coroutine.yield() end) coroutine.resume(co) "
      "pcall(coroutine.close, co) while true do end",
      "local t = setmetatable({}, { __index = function(t, k) while true do end end }) return t.x",
      "pcall(coroutine.wrap(function() local x <close> = setmetatable({}, { __close = function() "
      "while true do end end }) while true do end end)) while true do end",
      "local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = "
      "function() while true do end end }) while true do end end) coroutine.resume(co) "
      "coroutine.close(co)",
      "pcall(coroutine.wrap(function() local x <close> = setmetatable({}, { __close = function() "
      "while true do end end }) error('x') end)) while true do end",
      "table.sort({ 3, 2, 1 }, function() while true do end end)",
      "for k in function() while true do end end do end",
      "return setmetatable({}, { __eq = function() while true do end end }) == setmetatable({}, "
      "{})",
      "return setmetatable({}, { __concat = function() while true do end end }) .. 'x'",
      "(('a'):rep(10)):gsub('a', function() while true do end end)",
      "local s = ('a'):rep(3000) while true do pcall(s.find, s, '.-.-.-.-b') end",
      "pcall(string.find, ('a'):rep(3000), '.-.-.-.-.-b') while true do end",
      "string.find(('b'):rep(200000), '[^' .. ('a'):rep(500000) .. ']*c')",
      "string.find(('a'):rep(500000), '%f[' .. ('b'):rep(500000) .. ']')",
      "string.gsub(('a'):rep(500000), '(b-)', ('%1'):rep(50000))",
      "local s = ('a'):rep(65488) string.find(s .. ('a'):rep(60000), '^(' .. s .. ').-.-%1b')",
      "table.move({}, 1, 1 << 60, 2)",
      "table.concat(setmetatable({}, { __index = table.concat }), '', 1, 1 << 60)",
      "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)",
      "table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)",
      "local s, t = ('a'):rep(1000000), {} for i = 1, 60000 do t[i] = s end table.sort(t)",
  };
  for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
    assert_raises(*state, loops[i], HGL_LIMIT, "the time limit of 150 ms was reached");
}

static void a_limit_behind_pcall_names_the_line_where_it_struck(void **state)
{
  static const char *const scripts[] = {
      "agent.on_start(function()\nlocal function spin()\nwhile true do end\nend\npcall(spin)\nend)",
      "agent.on_start(function()\nlocal function spin()\nwhile true do end\nend\n"
      "pcall(pcall, coroutine.wrap(spin))\nend)",
      "agent.on_start(function()\n\nwhile true do end\nend)",
  };
  struct fake_host *host = *state;
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
    for (int counted = 0; counted < 2; counted++) {
      host->limits.instructions = counted ? 20000 : 0;
      fake_load(host, scripts[i]);
      assert_int_equal(fake_start(host), HGL_VM_RAISED);
      assert_non_null(strstr(host->failure.error.message, ":3: the "));
    }
}

static void sandbox_goes_on_after_a_limit(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.on_start(function() while true do end end)"
                  "agent.on('a/1.0/b', function(m) local n = 0 for i = 1, 100000 do n = n + i end "
                  "log.info(n) end)");
  struct hgl_vm_message message = fake_message("a/1.0/b", hgl_bytes("\xa0", 1));
  for (int i = 0; i < 3; i++) {
    assert_int_equal(fake_start(host), HGL_VM_RAISED);
    assert_int_equal(fake_deliver(host, &message), HGL_VM_DONE);
    assert_saw(host, "info 5000050000");
  }
}

static void sandbox_goes_on_after_the_memory_limit(void **state)
{
  struct fake_host *host = *state;
  host->limits.stretch_ms = 5000;
  fake_load(host, "agent.on_start(function() local t = {} while true do t[#t + 1] = {} end end)"
                  "agent.on('a/1.0/b', function(m) local t = {} for i = 1, 10000 do t[i] = {} end "
                  "log.info(#t) end)");
  struct hgl_vm_message message = fake_message("a/1.0/b", hgl_bytes("\xa0", 1));
  for (int i = 0; i < 3; i++) {
    assert_int_equal(fake_start(host), HGL_VM_RAISED);
    assert_int_equal(host->failure.error.code, HGL_NO_MEMORY);
    fake_forget(host);
    assert_int_equal(fake_deliver(host, &message), HGL_VM_DONE);
    assert_saw(host, "info 10000");
  }
}

static void sandbox_globals_cannot_be_turned_against_it(void **state)
{
  struct fake_host *host = *state;
  static const char *const tampering[] = {
      "function tostring() while true do end end agent.on_start(function() error({}) end)",
      "local p = pcall function pcall(...) return p(...) end "
      "agent.on_start(function() while true do pcall(function() while true do end end) end end)",
      "state = nil cache = nil agent.on_start(function() while true do end end)",
  };
  for (size_t i = 0; i < sizeof tampering / sizeof *tampering; i++) {
    struct hgl_err err = {0};
    assert_ok(fake_try_load(host, tampering[i], &err));
    assert_int_equal(fake_start(host), HGL_VM_RAISED);
  }
  struct hgl_err err = {0};
  assert_fails(HGL_SCRIPT, fake_try_load(host, "string.rep = nil", &err));
  assert_fails(HGL_SCRIPT, fake_try_load(host, "agent.send = nil", &err));
  assert_fails(HGL_SCRIPT, fake_try_load(host, "setmetatable(string, {})", &err));
  assert_fails(HGL_SCRIPT, fake_try_load(host, "setmetatable(_G, {})", &err));
  assert_fails(HGL_SCRIPT, fake_try_load(host, "state.x = 1", &err));
  assert_fails(HGL_SCRIPT, fake_try_load(host, "co = coroutine.create(print)", &err));
}

static void sandbox_counts_state_and_cache_as_memory(void **state)
{
  struct fake_host *host = *state;
  host->limits.state_bytes = 64 << 20;
  host->limits.stretch_ms = 5000;
  static const char *const growing[] = {
      "for i = 1, 60 do state[i] = i .. ('x'):rep(100000) end",
      "for i = 1, 60 do cache[i] = i .. ('x'):rep(100000) end",
      "while true do pcall(function() for i = 1, 60 do state[i] = i .. ('x'):rep(100000) end end) "
      "end",
      "local t = {} for i = 1, 30000 do t[i] = i end for i = 1, 60 do state[i] = t end"};
  for (size_t i = 0; i < sizeof growing / sizeof *growing; i++)
    assert_raises(host, growing[i], HGL_NO_MEMORY, "the memory limit of 4194304 bytes was reached");
  /* Garbage makes room: 10 MB pass through, 3 MB stay. */
  assert_done(host, "for i = 1, 100 do state[i % 30] = i .. ('x'):rep(100000) end");
  assert_true(hgl_vm_memory(host->vm) > 3000000);
}

static void sandbox_limits_the_top_level_too(void **state)
{
  struct hgl_err err = {0};
  assert_fails(HGL_LIMIT, fake_try_load(*state, "while true do end", &err));
  assert_fails(HGL_NO_MEMORY,
               fake_try_load(*state, "local t = {} for i = 1, 1e9 do t[i] = i end", &err));
}

static void sandbox_counts_instructions_when_asked(void **state)
{
  struct fake_host *host = *state;
  host->limits.stretch_ms = 0;
  host->limits.instructions = 100000;
  assert_done(host, "for i = 1, 10000 do end");
  assert_raises(host, "while true do pcall(function() while true do end end) end", HGL_LIMIT,
                "the limit of 100000 instructions was reached");
  assert_raises(host, "while true do coroutine.wrap(function() for i = 1, 500 do end end)() end",
                HGL_LIMIT, "instructions");
}

static void sandbox_memory_limit_cannot_be_caught(void **state)
{
  static const char *const bombs[] = {
      "local t = {} for i = 1, 1e9 do t[i] = i end",
      "local t = {} while true do pcall(function() for i = 1, 1e9 do t[#t + 1] = {} end end) end",
      "local t = {} while true do local s = 'x' t[#t + 1] = s:rep(1000000) .. #t end",
      "local s = 'x' while true do s = s .. s end",
      "local t = {} while true do pcall(coroutine.wrap(function() for i = 1, 1e9 do t[#t + 1] = {} "
      "end end)) end",
      "local t = {} while true do xpcall(function() for i = 1, 1e9 do t[#t + 1] = {} end end, "
      "function() return 1 end) end",
      "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
      "(('x'):rep(2000000)):gsub('x', 'yyyyyyyyyy')",
      "string.pack('c100000000', 'x')",
  };
  struct fake_host *host = *state;
  host->limits.stretch_ms = 5000;
  for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++)
    assert_raises(host, bombs[i], HGL_NO_MEMORY, "the memory limit of 4194304 bytes was reached");
  assert_true(hgl_vm_memory(host->vm) < (size_t)4 << 20);
}

static void sandbox_bounds_single_calls(void **state)
{
  assert_raises(*state, "local s = ('x'):rep(1e9)", HGL_SCRIPT, "larger than the agent's memory");
  assert_raises(*state, "local s = ('x'):rep(1 << 62, 'abc')", HGL_SCRIPT, "larger than");
  assert_done(*state, "assert((''):rep(1 << 62) == '')");
  assert_done(*state, "assert(not pcall(string.format, '%1000d', 1))");
  assert_done(*state, "assert(('ab'):rep(3, '-') == 'ab-ab-ab')");
}

static void tables_work_as_in_lua(void **state)
{
  assert_done(*state, "local t = { 1, 2, 3 } table.insert(t, 4) table.insert(t, 1, 0) "
                      "assert(table.concat(t, ',') == '0,1,2,3,4')"
                      "assert(table.remove(t, 1) == 0 and table.remove(t) == 4 and #t == 3)"
                      "assert(table.remove({}) == nil and table.remove({}, 0) == nil)"
                      "assert(table.remove(t, 4) == nil and not pcall(table.remove, t, 5))"
                      "assert(not pcall(table.insert, t, 5, 1) and not pcall(table.insert, t))"
                      "assert(not pcall(table.insert, 1, 1) and not pcall(table.concat, nil))");
  assert_done(*state, "local t = table.move({ 1, 2, 3 }, 1, 3, 2) "
                      "assert(table.concat(t, ',') == '1,1,2,3')"
                      "t = table.move(t, 2, 4, 1) assert(table.concat(t, ',') == '1,2,3,3')"
                      "t = table.move({ 1, 2 }, 1, 2, 2, { 9 }) "
                      "assert(table.concat(t, ',') == '9,1,2')"
                      "t = {} assert(table.move({ 1 }, 1, 0, 5, t) == t and #t == 0)"
                      "assert(not pcall(table.move, {}, 0, math.maxinteger, 1))"
                      "assert(not pcall(table.move, {}, 1, 2, math.maxinteger))");
  assert_done(*state, "assert(table.concat({ 1, 2.5, 'x' }, '-', 2) == '2.5-x')"
                      "assert(table.concat({}, 'x') == '' and table.concat({ 1 }, 'x', 2, 1) == '')"
                      "local i = math.maxinteger "
                      "assert(table.concat({ [i] = 'z' }, ',', i, i) == 'z')"
                      "assert(table.unpack({ [i] = 'z' }, i, i) == 'z')"
                      "assert(select('#', table.unpack({ 1, nil, 3 }, 1, 3)) == 3)"
                      "assert(select('#', table.unpack({}, 2, 1)) == 0)"
                      "assert(not pcall(table.unpack, {}, 1, 1 << 40))"
                      "assert(not pcall(table.concat, { {} }))"
                      "assert(table.pack(1, nil).n == 2)");
}

static void sandbox_survives_deep_recursion(void **state)
{
  struct fake_host *host = *state;
  host->limits.memory_bytes = 256 << 20;
  host->limits.stretch_ms = 20000;
  assert_raises(host, "local function f() return 1 + f() end f()", HGL_SCRIPT, "stack overflow");
  assert_done(host, "local function f() return 1 + f() end assert(not pcall(f))");
  assert_done(host, "local function nest(n) if n > 0 then return coroutine.wrap(nest)(n - 1) end "
                    "end assert(not pcall(nest, 100000))");
  assert_done(host, "local function p(n) return pcall(p, n + 1) end p(1)");
  assert_done(host, "local t = setmetatable({}, {}) getmetatable(t).__index = t "
                    "assert(not pcall(function() return t.x end))");
  assert_done(host, "assert(not pcall(string.find, 'x', ('('):rep(100000)))"
                    "assert(not pcall(string.find, ('x'):rep(500), ('x?'):rep(500)))");
}

static void sandbox_bounds_nested_closes(void **state)
{
  struct fake_host *host = *state;
  host->limits.memory_bytes = 64 << 20;
  host->limits.stretch_ms = 5000;
  assert_done(host, "local co for i = 1, 20000 do local inner = co "
                    "co = coroutine.create(function() local x <close> = setmetatable({}, { "
                    "__close = function() if inner then assert(coroutine.close(inner)) end end }) "
                    "coroutine.yield() end) coroutine.resume(co) end "
                    "local ok, why = coroutine.close(co) assert(not ok) "
                    "assert(tostring(why):find('deep', 1, true), why)");
}

static void sandbox_reports_odd_errors(void **state)
{
  assert_raises(*state, "error(nil)", HGL_SCRIPT, "nil");
  assert_raises(*state, "error({})", HGL_SCRIPT, "table");
  assert_raises(*state, "error(17)", HGL_SCRIPT, "17");
  assert_raises(*state, "error(setmetatable({}, { __tostring = function() return 'mine' end }))",
                HGL_SCRIPT, "mine");
  assert_raises(*state, "error(setmetatable({}, { __tostring = function() error('no') end }))",
                HGL_SCRIPT, "cannot be shown");
  assert_raises(*state, "error(setmetatable({}, { __tostring = function() return {} end }))",
                HGL_SCRIPT, "cannot be shown");
  assert_raises(*state, "\nlocal t = nil\nreturn t.x", HGL_SCRIPT, "agents/x.lua:3: ");
}

/* ---- patterns ---- */

static void patterns_agree_with_the_manual(void **state)
{
  assert_done(*state, "assert(('hello world'):find('o w') == 5)"
                      "assert(select(2, ('hello'):find('l+')) == 4)"
                      "assert(('hello'):find('l', 1, true) == 3)"
                      "assert(('a.b'):find('.', 2, true) == 2)"
                      "assert(('abc'):find('', 10) == nil and ('abc'):find('', 4) == 4)"
                      "assert(('abc'):find('b', -1) == nil and ('abc'):find('b', -2) == 2)"
                      "assert(('key = value'):match('^(%w+)%s*=%s*(%w+)$') == 'key')"
                      "assert(select(2, ('key = value'):match('^(%w+)%s*=%s*(%w+)$')) == 'value')"
                      "assert(('  trim  '):match('^%s*(.-)%s*$') == 'trim')"
                      "assert(('f(a(b)c)d'):match('%b()') == '(a(b)c)')"
                      "assert(('THE (quick) fox'):find('%f[%a]%a+%f[%A]') == 1)"
                      "assert(('x=[[a]]'):match('[[](.)') == '[')"
                      "assert(('a-b'):match('[a%-]+') == 'a-')"
                      "assert(('a]b'):match('[]]') == ']' and ('a]b'):match('[^]]+') == 'a')"
                      "assert(('\"it\\'s\"'):match('([\"\\'])(.-)%1') == '\"')"
                      "assert(('abc'):match('()b()') == 2)"
                      "assert(('2026-11-23'):match('(%d+)-(%d+)') == '2026')"
                      "assert(('abc'):match('a?b?c?d?$') == 'abc')"
                      "assert(('$5'):match('$5') == '$5' and ('a^b'):match('a^b') == 'a^b')"
                      "assert(('a\\0b'):match('%z') == nil and ('a\\0b'):match('[%c]') == '\\0')");
  assert_done(*state,
              "local out = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do "
              "out[#out + 1] = k .. v end assert(table.concat(out, ',') == 'a1,b2')"
              "local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end assert(n == 4)"
              "n = 0 for w in ('one two'):gmatch('%a*') do n = n + 1 end assert(n == 2, n)");
  assert_done(*state,
              "assert(('hello'):gsub('l', 'L') == 'heLLo')"
              "assert(('hello'):gsub('l', 'L', 1) == 'heLlo')"
              "assert(('hello'):gsub('', '-') == '-h-e-l-l-o-')"
              "assert(('hello world'):gsub('(%w+) (%w+)', '%2 %1') == 'world hello')"
              "assert(('abc'):gsub('%w', '%0%0') == 'aabbcc' and ('a'):gsub('a', '%%') == '%')"
              "assert(('$name is $age'):gsub('%$(%w+)', { name = 'Al', age = 7 }) == 'Al is 7')"
              "assert(('abc'):gsub('%w', function(c) if c == 'b' then return 'X' end end) == 'aXc')"
              "assert(select(2, ('abc'):gsub('%w', '')) == 3)"
              "assert(('abc'):gsub('^a', 'x') == 'xbc' and ('aaa'):gsub('^a', 'x') == 'xaa')"
              "assert(('abc'):gsub('b*', '-') == '-a-c-')");
}

static void patterns_refuse_what_is_malformed(void **state)
{
  static const char *const bad[] = {"'%'",  "'[a'",  "'[%'", "'('",    "'a)'", "'%1'",
                                    "'%b'", "'%bx'", "'%f'", "'(%1)'", "'[^'", "'[]'"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char body[128];
    snprintf(body, sizeof body, "assert(not pcall(string.match, 'aaa', %s), %s)", bad[i], bad[i]);
    assert_done(*state, body);
  }
  assert_done(*state, "assert(not pcall(string.gsub, 'a', 'a', '%2'))"
                      "assert(not pcall(string.gsub, 'a', 'a', '%x'))"
                      "assert(not pcall(string.gsub, 'a', 'a', '%'))"
                      "assert(not pcall(string.gsub, 'a', 'a', function() return {} end))"
                      "assert(not pcall(string.match, 'a', ('()'):rep(33)))"
                      "assert(pcall(string.match, 'a', ('()'):rep(32)))");
}

static void patterns_end_even_without_a_time_limit(void **state)
{
  struct fake_host *host = *state;
  host->limits.stretch_ms = 0;
  assert_raises(host, "(('a'):rep(3000)):find('.-.-.-.-b')", HGL_SCRIPT, "too many steps");
  assert_done(host, "assert((('a'):rep(100000) .. 'b'):find('b') == 100001)"
                    "assert(#(('a '):rep(10000)):gsub('%s+', '') == 10000)");
}

/* ---- libraries ---- */

static void random_numbers_follow_the_seed(void **state)
{
  struct fake_host *host = *state;
  assert_done(host, "log.info(math.random(1, 1000000) .. ' ' .. math.random())");
  char *first = strdup(host->lines[host->line_count - 1]);
  assert_done(host, "log.info(math.random(1, 1000000) .. ' ' .. math.random())");
  assert_saw(host, first);
  free(first);
  assert_done(host, "for i = 1, 1000 do local n = math.random(3) assert(n >= 1 and n <= 3) "
                    "local x = math.random() assert(x >= 0 and x < 1) end "
                    "assert(math.type(math.random(0)) == 'integer')"
                    "math.random(math.mininteger, math.maxinteger)"
                    "assert(not pcall(math.random, 2, 1))");
}

static void time_comes_from_the_host_in_utc(void **state)
{
  assert_done(*state,
              "assert(os.time() == 1767225600)"
              "assert(os.date() == '2026-01-01T00:00:00Z')"
              "assert(os.date('!%Y %H', 0) == '1970 00')"
              "assert(os.date('!*t', 0).month == 1)"
              "assert(os.time { year = 1970, month = 1, day = 2, hour = 0 } == 86400)"
              "assert(not pcall(os.date, '%Y')) assert(not pcall(os.date, '!%Q'))"
              "assert(not pcall(os.date, '!%')) assert(not pcall(os.date, '!%Y', 1 << 62))");
}

static void coroutines_work_as_in_lua(void **state)
{
  assert_done(
      *state,
      "local co = coroutine.create(function(a, b) local c = coroutine.yield(a + b) "
      "error('oops' .. c, 0) end)"
      "assert(coroutine.status(co) == 'suspended')"
      "local ok, v = coroutine.resume(co, 1, 2) assert(ok and v == 3)"
      "ok, v = coroutine.resume(co, 5) assert(not ok and v == 'oops5', v)"
      "assert(coroutine.status(co) == 'dead')"
      "ok, v = coroutine.resume(co) assert(not ok and v == 'cannot resume dead coroutine')"
      "local out = {} for x in coroutine.wrap(function() for i = 1, 3 do "
      "coroutine.yield(i) end end) do out[#out + 1] = x end assert(#out == 3)"
      "assert(not coroutine.isyieldable()) local me, main = coroutine.running() assert(main)"
      "assert(not pcall(coroutine.yield))"
      "assert(coroutine.close(coroutine.create(print)))"
      "assert(not pcall(coroutine.close, coroutine.running()))"
      "assert(not coroutine.resume(coroutine.running()))");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fake_tear_down)
  const struct CMUnitTest tests[] = {
      TEST(sandbox_withholds_what_reaches_outside),
      TEST(sandbox_shows_no_addresses),
      TEST(sandbox_refuses_finalizers_and_weak_tables),
      TEST(sandbox_refuses_a_finalizer_put_in_later),
      TEST(sandbox_keeps_the_string_metatable_out_of_reach),
      TEST(sandbox_stops_every_loop_at_the_time_limit),
      TEST(a_limit_behind_pcall_names_the_line_where_it_struck),
      TEST(sandbox_goes_on_after_a_limit),
      TEST(sandbox_goes_on_after_the_memory_limit),
      TEST(sandbox_globals_cannot_be_turned_against_it),
      TEST(sandbox_counts_state_and_cache_as_memory),
      TEST(sandbox_limits_the_top_level_too),
      TEST(sandbox_counts_instructions_when_asked),
      TEST(sandbox_memory_limit_cannot_be_caught),
      TEST(sandbox_bounds_single_calls),
      TEST(tables_work_as_in_lua),
      TEST(sandbox_survives_deep_recursion),
      TEST(sandbox_bounds_nested_closes),
      TEST(sandbox_reports_odd_errors),
      TEST(patterns_agree_with_the_manual),
      TEST(patterns_refuse_what_is_malformed),
      TEST(patterns_end_even_without_a_time_limit),
      TEST(random_numbers_follow_the_seed),
      TEST(time_comes_from_the_host_in_utc),
      TEST(coroutines_work_as_in_lua),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
