#include "support/check.h"

#include <lauxlib.h>
#include <lualib.h>

#include "host/check_bind.h"
#include "protocol/crypto.h"

/* Runs a chunk that has `sandbox`; what it returns is shown as text. */
static void expect(const char *chunk, const char *result)
{
  struct hgl_check_context context = {.stdlib_folder = HGL_SOURCE_DIR "/stdlib"};
  struct hgl_err err = {0};
  assert_ok(hgl_crypto_init(&err));
  assert_ok(hgl_check_loader_init(&context.loader, &err));
  lua_State *L = luaL_newstate();
  assert_non_null(L);
  luaL_openlibs(L);
  hgl_check_bind_open(L, &context);
  if (luaL_loadstring(L, "local sandbox, chunk = require 'haggle.sandbox', ...\n"
                         "local env = setmetatable({ sandbox = sandbox }, { __index = _G })\n"
                         "local list = table.pack(assert(load(chunk, '=chunk', 't', env))())\n"
                         "for i = 1, list.n do list[i] = tostring(list[i]) end\n"
                         "return table.concat(list, ' ')"))
    fail_msg("%s", lua_tostring(L, -1));
  lua_pushstring(L, chunk);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) fail_msg("%s: %s", chunk, lua_tostring(L, -1));
  assert_string_equal(lua_tostring(L, -1), result);
  lua_close(L);
  hgl_check_loader_deinit(&context.loader);
}

static void bind_judges_texts_as_the_runtime_does(void **state)
{
  expect("return sandbox.duration '1.5s'", "1500");
  expect("return (sandbox.duration '5 parsecs')", "nil");
  expect("return sandbox.type 'weather/1.0/request'", "weather 1.0 request");
  expect("return (sandbox.type 'weather')", "nil");
  expect("return sandbox.nearest('agnet', { 'state', 'agent' })", "agent");
  expect("return sandbox.nearest('x', { 'state', 'agent' })", "nil");
  expect("return sandbox.grant 'read=/x'", "true");
  expect("return sandbox.grant 'raed=/x' == nil", "true");
  expect("return sandbox.name '/srv/kiosk/agent.lua', sandbox.name '/srv/till.lua'", "kiosk till");
}

static void bind_knows_what_grants_cover(void **state)
{
  expect("local g = { 'read=/srv/*', 'secret=key' }\n"
         "return sandbox.covers(g, 'read', '/srv/a'), sandbox.covers(g, 'read', '/etc'),\n"
         "  sandbox.covers(g, 'secret', 'key'), sandbox.covers({}, 'read', '/srv/a')",
         "true false true false");
  expect("local g = { 'read=/x', 'net=api.example.org:443', 'net=*.example.net:8080',\n"
         "  'net=10.0.0.0/8:*' }\n"
         "return sandbox.covers(g, 'net', 'api.example.org:443'),\n"
         "  sandbox.covers(g, 'net', 'api.example.org:80'),\n"
         "  sandbox.covers(g, 'net', 'a.example.net:8080'),\n"
         "  sandbox.covers(g, 'net', 'example.net:8080'),\n"
         "  sandbox.covers(g, 'net', '10.1.2.3:5'), sandbox.covers(g, 'net', '[::1]:5'),\n"
         "  sandbox.covers(g, 'net', ''), sandbox.covers(g, 'net', ':1')",
         "true false true false true false false false");
  expect("return sandbox.covers({ 'net=[2001:db8::7]:80' }, 'net', '[2001:db8::7]:80')", "true");
}

static void bind_finds_files_and_modules(void **state)
{
  expect("return sandbox.module('haggle.market', 'x.lua') == sandbox.stdlib .. "
         "'/haggle/market.lua'",
         "true");
  expect("return sandbox.module('a.b', 's/x.lua')", "s/a/b.lua false");
  expect("return (sandbox.module('haggle.tool.check', 'x.lua'))", "nil");
  expect("return sandbox.exists(sandbox.stdlib .. '/README.md'), sandbox.exists(sandbox.stdlib)",
         "true false");
  expect("return (sandbox.read(sandbox.stdlib .. '/types/log.lua')):match '^[^\\n]*'", "---@meta");
  expect("return (sandbox.read(sandbox.stdlib .. '/nowhere'))", "nil");
  expect("local names = sandbox.list(sandbox.stdlib)\n"
         "local order = table.concat(names, ' ')\n"
         "table.sort(names)\n"
         "return #names > 2 and order == table.concat(names, ' ')",
         "true");
  expect("return (sandbox.list '/nowhere')", "nil");
}

static void bind_loads_scripts_with_what_they_are_given(void **state)
{
  expect("local ran = sandbox.load { name = 'a', path = 'a.lua', grants = { 'read=/x' },\n"
         "  config = sandbox.encode { n = 5 },\n"
         "  source = [[log.info('n', { n = agent.config.n, x = agent.granted('read', '/x'),\n"
         "    y = agent.granted('read', '/y'), name = agent.name })]] }\n"
         "local fields = ran.logged[1][2]\n"
         "return ran.error, fields.n, fields.x, fields.y, fields.name",
         "nil 5 true false a");
  expect("return pcall(sandbox.load, { name = 'a' }) == false", "true");
  expect("return sandbox.encode(print) == nil", "true");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bind_judges_texts_as_the_runtime_does),
      cmocka_unit_test(bind_knows_what_grants_cover),
      cmocka_unit_test(bind_finds_files_and_modules),
      cmocka_unit_test(bind_loads_scripts_with_what_they_are_given),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
