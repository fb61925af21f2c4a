/* The pattern functions against Lua's own, of which they are to differ in nothing but their cost.
 */
#include "support/check.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "lua/vm_core.h"

/* A bare state in which both stand side by side, and a VM whose limits are never reached. */
struct sides {
  struct hgl_vm vm;
  lua_State *L;
};

static int set_up(void **state)
{
  struct sides *sides = calloc(1, sizeof *sides);
  static const luaL_Reg ours[] = {{"find", hgl_pattern_find},
                                  {"match", hgl_pattern_match},
                                  {"gmatch", hgl_pattern_gmatch},
                                  {"gsub", hgl_pattern_gsub},
                                  {NULL, NULL}};
  sides->L = luaL_newstate();
  *(struct hgl_vm **)lua_getextraspace(sides->L) = &sides->vm;
  luaL_openlibs(sides->L);
  luaL_newlib(sides->L, ours);
  lua_setglobal(sides->L, "ours");
  *state = sides;
  return 0;
}

static int tear_down(void **state)
{
  struct sides *sides = *state;
  lua_close(sides->L);
  free(sides);
  return 0;
}

static void run(void **state, const char *chunk)
{
  struct sides *sides = *state;
  if (luaL_dostring(sides->L, chunk)) fail_msg("%s", lua_tostring(sides->L, -1));
  lua_settop(sides->L, 0);
}

/* `same(what, text, pattern, …)`: both succeed with the same results, or both fail. */
static const char compare[] =
    "function same(what, ...)\n"
    "  local a, b = table.pack(pcall(string[what], ...)), table.pack(pcall(ours[what], ...))\n"
    "  local text, pattern = ...\n"
    "  local where = what .. ' ' .. tostring(text) .. ' | ' .. tostring(pattern)\n"
    "  assert(a[1] == b[1], where .. ': ' .. tostring(a[2]) .. ' / ' .. tostring(b[2]))\n"
    "  if not a[1] then return end\n"
    "  assert(a.n == b.n, where .. ': ' .. a.n .. ' / ' .. b.n)\n"
    "  for i = 2, a.n do\n"
    "    assert(a[i] == b[i], where .. ': ' .. tostring(a[i]) .. ' / ' .. tostring(b[i]))\n"
    "  end\n"
    "end\n";

static void every_short_pattern_means_what_it_means_in_lua(void **state)
{
  run(state, compare);
  /* All patterns of up to three of these pieces, on texts that they may match. */
  run(state,
      "local pieces = { 'a', 'b', '.', '%a', '%d', '%A', '[ab]', '[^a]', '[a-c]', '*', '+',\n"
      "  '-', '?', '(', ')', '()', '^', '$', '%', '[', ']', '%1', '%b()', '%f[%w]' }\n"
      "local texts = { '', 'aab', '(a)b1', 'c$^' }\n"
      "local function each(pattern)\n"
      "  for _, text in ipairs(texts) do\n"
      "    same('find', text, pattern)\n"
      "    same('gsub', text, pattern, '<%0>')\n"
      "  end\n"
      "end\n"
      "for _, a in ipairs(pieces) do\n"
      "  each(a)\n"
      "  for _, b in ipairs(pieces) do\n"
      "    each(a .. b)\n"
      "    for _, c in ipairs(pieces) do each(a .. b .. c) end\n"
      "  end\n"
      "end");
}

static void positions_counts_and_bytes_are_those_of_lua(void **state)
{
  run(state, compare);
  run(state,
      "local text = 'one;two;;four\\0five\\255'\n"
      "for from = -22, 22 do\n"
      "  same('find', text, '%w+', from) same('match', text, '()(%w+)()', from)\n"
      "  same('find', text, ';', from, true) same('find', text, '', from)\n"
      "  same('find', text, '', from, true)\n"
      "end\n"
      "for count = -1, 6 do\n"
      "  same('gsub', text, '[^;]*', '.', count) same('gsub', text, '', '-', count)\n"
      "  same('gsub', text, '(%w)(%w*)', '%2%1%%', count)\n"
      "end\n"
      "same('find', text, '\\0') same('find', text, '[\\0-\\1]') same('find', text, '\\255')\n"
      "same('gsub', text, '%c', '?')\n"
      "for byte = 0, 255 do\n"
      "  for class in ('acdglpsuwxACDGLPSUWX'):gmatch '.' do\n"
      "    same('match', string.char(byte), '%' .. class)\n"
      "  end\n"
      "end");
}

static void iterations_are_those_of_lua(void **state)
{
  run(state, "local function all(library, text, pattern)\n"
             "  local out = {}\n"
             "  for a, b in library.gmatch(text, pattern) do\n"
             "    out[#out + 1] = tostring(a) .. '/' .. tostring(b)\n"
             "  end\n"
             "  return table.concat(out, ' ')\n"
             "end\n"
             "for _, pattern in ipairs { '%w+', '%w*', '', '()', '(.)(.)', '^%w', '%f[%w]%w',\n"
             "    '[^,]*', '.-,', 'x' } do\n"
             "  for _, text in ipairs { '', 'a', 'a,b', ',a,,b,', 'abc' } do\n"
             "    local a, b = all(string, text, pattern), all(ours, text, pattern)\n"
             "    assert(a == b, text .. ' ' .. pattern .. ': ' .. a .. ' / ' .. b)\n"
             "  end\n"
             "end");
}

static void replacements_of_every_kind_are_those_of_lua(void **state)
{
  run(state, compare);
  run(state, "local text = 'x=1, y=2, z=3'\n"
             "for _, by in ipairs { '%1', '%2%1', '%0', '%%', '', '%3', '%', '%x', 7, 1.5,\n"
             "    { x = 'X', y = false, z = 3 }, {}, { x = {} }, true } do\n"
             "  same('gsub', text, '(%w)=(%w)', by) same('gsub', text, '%w', by)\n"
             "end\n"
             "for _, by in ipairs { function() end, function(a) return a .. a end,\n"
             "    function(a, b) return b end, function() return {} end,\n"
             "    function() error 'no' end, function() return false end } do\n"
             "  same('gsub', text, '(%w)=(%w)', by)\n"
             "end\n"
             "same('gsub', text, '%w') same('gsub') same('find') same('match', {}, 'a')");
}

static void cost_is_bounded_whatever_the_pattern(void **state)
{
  static const char *const dear[] = {"ours.find(('a'):rep(4000), '.-.-.-.-b')",
                                     "ours.match(('a'):rep(4000), '(.*)(.*)(.*)(.*)b')",
                                     "ours.gsub(('a'):rep(4000), '.-.-.-.-b', '')",
                                     "for _ in ours.gmatch(('a'):rep(4000), '.-.-.-.-b') do end",
                                     "ours.find(('('):rep(20000), '%b()%b()%b()b')"};
  for (size_t i = 0; i < sizeof dear / sizeof *dear; i++) {
    char chunk[256];
    snprintf(chunk, sizeof chunk,
             "local ok, why = pcall(function() %s end)\n"
             "assert(not ok and why:find('too many steps', 1, true), why)",
             dear[i]);
    run(state, chunk);
  }
  /* What costs little passes, however long the text. */
  run(state,
      "local long = ('a'):rep(1000000) .. 'b'\n"
      "assert(ours.find(long, 'b') == 1000001 and ours.find(long, 'b', 1, true) == 1000001)\n"
      "assert(#ours.gsub(long, 'a', 'cc') == 2000001)\n"
      "assert(ours.match(long, '^a+b$') == long)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(every_short_pattern_means_what_it_means_in_lua),
      TEST(positions_counts_and_bytes_are_those_of_lua),
      TEST(iterations_are_those_of_lua),
      TEST(replacements_of_every_kind_are_those_of_lua),
      TEST(cost_is_bounded_whatever_the_pattern),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
