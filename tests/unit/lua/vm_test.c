#include "support/fake_host.h"

#include "base/mem.h"

#define assert_load_fails(host, source, expected_code, text)                                       \
  do {                                                                                             \
    struct hgl_err err_ = {0};                                                                     \
    int status_ = fake_try_load(host, source, &err_);                                              \
    if (status_ != -(int)(expected_code) || !strstr(err_.message, text))                           \
      fail_msg("%s: %s '%s'", source, hgl_code_name(-status_), err_.message);                      \
  } while (0)

/* ---- loading ---- */

static void vm_names_file_line_and_the_line_itself(void **state)
{
  struct hgl_err err = {0};
  assert_fails(HGL_SCRIPT, fake_try_load(*state, "local a = 1\n  local x = = 3\n", &err));
  assert_string_equal(err.message, "agents/x.lua:2: unexpected symbol near '=' | local x = = 3");
  assert_fails(HGL_SCRIPT, fake_try_load(*state, "\n\nlocal x = nil .. 'a'", &err));
  assert_non_null(strstr(err.message, "agents/x.lua:3: attempt to concatenate a nil value"));
  assert_non_null(strstr(err.message, " | local x = nil .. 'a'"));
  assert_load_fails(*state, "error({})", HGL_SCRIPT, "table");
  assert_load_fails(*state, "\x1bLua", HGL_SCRIPT, "attempt to load a binary chunk");
}

static void vm_refuses_sources_that_are_too_large(void **state)
{
  size_t size = 1 << 20;
  char *source = malloc(size + 2);
  memset(source, ' ', size + 1);
  source[size + 1] = 0;
  assert_load_fails(*state, source, HGL_TOO_LARGE, "limit 1048576");
  source[size] = 0;
  fake_load(*state, source);
  free(source);
}

static void vm_loads_the_same_script_again_from_its_cache(void **state)
{
  struct fake_host *host = *state;
  const char *source = "agent.on_start(function() error('here') end)";
  for (int i = 0; i < 3; i++) {
    fake_load(host, source);
    assert_int_equal(fake_start(host), HGL_VM_RAISED);
    assert_string_equal(host->failure.error.message, "agents/x.lua:1: here");
  }
}

static void vm_hands_declarations_over(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.describe { name = 'kiosk', version = 2 }"
                  "agent.protocol { name = 'weather' }"
                  "agent.offer { service = 'weather', price = 4 }"
                  "agent.on('a/1.0/b', print) agent.on_timer('t', print)"
                  "agent.on_start(print) agent.on_stop(print) agent.on_upgrade(print)"
                  "agent.on_undelivered(print) agent.every('r', '5s', print)"
                  "agent.every('s', { every = '1m' }, print)"
                  "agent.every('t', { every = '1m', at_start = true }, print)"
                  "agent.every('u', { cron = '@daily', zone = 'Europe/Vienna' }, print)"
                  "agent.every('v', { cron = '0 9 * * 1-5', at_start = true }, print)");
  assert_saw(host, "describe  {\"name\":\"kiosk\",\"version\":2}");
  assert_saw(host, "protocol  {\"name\":\"weather\"}");
  assert_saw(host, "offer  {\"price\":4,\"service\":\"weather\"}");
  assert_saw(host, "handler a/1.0/b -");
  assert_saw(host, "on_timer t -");
  assert_saw(host, "on_start  -");
  assert_saw(host, "on_stop  -");
  assert_saw(host, "on_upgrade  -");
  assert_saw(host, "on_undelivered  -");
  assert_saw(host, "every r {\"every_ms\":5000}");
  assert_saw(host, "every s {\"every_ms\":60000}");
  assert_saw(host, "every t {\"at_start\":true,\"every_ms\":60000}");
  assert_saw(host, "every u {\"cron\":\"@daily\",\"zone\":\"Europe/Vienna\"}");
  assert_saw(host, "every v {\"cron\":\"0 9 * * 1-5\",\"zone\":\"UTC\",\"at_start\":true}");
}

static void vm_refuses_wrong_declarations(void **state)
{
  static const char *const bad[][2] = {
      {"agent.on('a/1.0/b', print) agent.on('a/1.0/b', print)", "has a handler already"},
      {"agent.on_start(print) agent.on_start(print)", "declared already"},
      {"agent.on('bad/1.0/type', print)", "agents/x.lua:1: not a message type"},
      {"agent.on('a/1.0/b')", "bad argument #2 to 'on'"},
      {"agent.on(1, print)", "bad argument #1 to 'on'"},
      {"agent.on('', print)", "the name is empty"},
      {"agent.on(('x'):rep(129), print)", "the name is too long"},
      {"agent.every('x', 'soon', print)", "'soon' is not a duration"},
      {"agent.every('x', 0, print)", "zero"},
      {"agent.every('x', { cron = 9 }, print)", "'cron' is text, got number"},
      {"agent.every('x', { cron = '@daily', every = '5s' }, print)", "needs one of every"},
      {"agent.every('x', {}, print)", "needs one of every"},
      {"agent.every('x', { every = '5s', zone = 'UTC' }, print)", "only cron goes by a time zone"},
      {"agent.every('x', { evry = '5s' }, print)", "unknown option 'evry'"},
      {"agent.describe('x')", "bad argument #1 to 'describe'"},
      {"agent.describe { about = print }", "description.about"},
      {"agent.describe { nmae = 'x' }", "unknown option 'nmae', known: name, version, about"},
      {"agent.offer { servce = 'x' }", "an offer needs its service"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_load_fails(*state, bad[i][0], HGL_SCRIPT, bad[i][1]);
}

static void vm_keeps_effects_and_declarations_apart(void **state)
{
  static const char *const effects[] = {"agent.send('b', 'a/1.0/b')",
                                        "agent.ask('b', 'a/1.0/b')",
                                        "agent.ask_all {}",
                                        "agent.sleep(1)",
                                        "agent.after('t', 1)",
                                        "agent.cancel('t')",
                                        "agent.find {}",
                                        "agent.deal {}",
                                        "agent.keep('x')",
                                        "agent.reply({}, 'x')",
                                        "agent.refuse({})",
                                        "host.read('/x')"};
  for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
    assert_load_fails(*state, effects[i], HGL_SCRIPT, " at the top level: ");
  static const char *const declarations[] = {"agent.describe {}",
                                             "agent.protocol {}",
                                             "agent.offer {}",
                                             "agent.on('a/1.0/b', print)",
                                             "agent.on_start(print)",
                                             "agent.on_stop(print)",
                                             "agent.on_upgrade(print)",
                                             "agent.on_undelivered(print)",
                                             "agent.on_timer('t', print)",
                                             "agent.every('r', '5s', print)",
                                             "require 'haggle'"};
  for (size_t i = 0; i < sizeof declarations / sizeof *declarations; i++)
    assert_raises(*state, declarations[i], HGL_SCRIPT, " in a handler: ");
}

static void vm_explains_mistakes(void **state)
{
  static const char *const mistakes[][2] = {
      {"agent.sned('b', 'a/1.0/b')", "(field 'sned'); did you mean 'send'?"},
      {"log.inof('x')", "did you mean 'info'?"},
      {"local m = {} m:repyl()", "did you mean 'reply'?"},
      {"nothing.name()", "(global 'nothing')"},
      {"local t = {} t.name()", "(field 'name')"},
      {"frozen[1] = 1", "'[1]' of a script's table was changed in a handler; keep it in state"},
      {"table.insert(frozen, 1)", "'[1]' of a script's table was changed in a handler"},
      {"agent.name = 'x'", "'name' cannot be set: libraries are constant"},
      {"string.trim = print", "'trim' cannot be set: libraries are constant"},
      {"for _ in ipairs(nil) do end", "bad argument #1 to 'ipairs' (table expected, got nil)"},
      {"error('flat', 0)", "flat"},
      {"error({})", "error called with a value that is no text: table"},
      {"error()", "error called with a value that is no text: nil"},
      {"error(setmetatable({}, { __tostring = function() return 'mine' end }))", "mine"},
      {"agent.reply('x')", "bad argument #1 to 'reply' (message or its ref() expected"},
      {"agent.ask('b', 'a/1.0/b', {}, { whithin = 1 })", "unknown option 'whithin', known: within"},
  };
  struct fake_host *host = *state;
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
    char source[256], place[] = "agents/x.lua:2: ";
    snprintf(source, sizeof source, "frozen = {} agent.on_start(function()\n%s end)",
             mistakes[i][0]);
    fake_load(host, source);
    assert_int_equal(fake_start(host), HGL_VM_RAISED);
    const char *message = host->failure.error.message;
    if (strncmp(message, place, strlen(place)) != 0 || !strstr(message, mistakes[i][1]))
      fail_msg("%s: '%s'", mistakes[i][0], message);
  }
  assert_null(strstr(host->failure.error.message, "did you mean"));
}

static void vm_refuses_to_send_or_keep_a_message(void **state)
{
  struct fake_host *host = *state;
  struct hgl_vm_message message = fake_message("a/1.0/b", hgl_bytes("\xa0", 1));
  fake_load(host, "agent.on('a/1.0/b', function(m) state.m = m end)");
  assert_int_equal(fake_deliver(host, &message), HGL_VM_RAISED);
  assert_non_null(
      strstr(host->failure.error.message, "a message cannot be kept in state; its ref"));
  fake_load(host, "agent.on('a/1.0/b', function(m) agent.send('b', 'a/1.0/b', { m = m }) end)");
  assert_int_equal(fake_deliver(host, &message), HGL_VM_RAISED);
  assert_non_null(strstr(host->failure.error.message, "body.m: a message cannot be sent; its ref"));
}

static void vm_completes_libraries_that_are_walked(void **state)
{
  assert_done(*state, "local n, seen = 0, {} for k in pairs(agent) do n = n + 1 end assert(n == 29)"
                      "for k in next, log do seen[#seen + 1] = k end "
                      "assert(table.concat(seen, ' ') == 'debug error info warn')"
                      "n = 0 for k in pairs(_G) do n = n + 1 end assert(n > 25)");
}

/* ---- modules ---- */

static void vm_requires_modules_once(void **state)
{
  struct fake_host *host = *state;
  host->module_name = "shop.prices";
  host->module_source = "local M = {} function M.two() return 2 end return M";
  fake_load(host, "local a, b = require 'shop.prices', require 'shop.prices' assert(a == b)"
                  "assert(a.two() == 2) assert(require 'haggle' == require 'haggle')");
  size_t count = 0;
  for (size_t i = 0; i < host->line_count; i++)
    count += strcmp(host->lines[i], "module shop.prices") == 0;
  assert_int_equal(count, 1);
  host->module_source = "";
  fake_load(host, "assert(require 'shop.prices' == true)");
}

static void vm_reports_module_failures(void **state)
{
  struct fake_host *host = *state;
  assert_load_fails(host, "require 'nowhere'", HGL_SCRIPT, "module 'nowhere' not found");
  host->module_name = "m";
  host->module_source = "local x = 1\nx = = 2";
  assert_load_fails(host, "require 'm'", HGL_SCRIPT,
                    "lib/m.lua:2: unexpected symbol near '=' | x = = 2");
  host->module_source = "\nerror('no')";
  assert_load_fails(host, "require 'm'", HGL_SCRIPT, "lib/m.lua:2: no | error('no')");
  host->module_source = "require 'm'";
  assert_load_fails(host, "require 'm'", HGL_SCRIPT, "requires itself");
  host->module_source = "while true do end";
  assert_load_fails(host, "pcall(require, 'm')", HGL_LIMIT, "time limit");
}

/* ---- effects ---- */

static void vm_sends(void **state)
{
  struct fake_host *host = *state;
  assert_done(host,
              "local id = agent.send('bob', 'a/1.0/b', { n = 1, list = { 1, 'x', 2.5 } }, "
              "{ expires = '1m' }) assert(id == ('07'):rep(16)) agent.send('bob', 'a/1.0/b')");
  assert_saw(host, "send bob a/1.0/b {\"n\":1,\"list\":[1,\"x\",2.5]} new 60000");
  assert_saw(host, "send bob a/1.0/b {} new 0");
  assert_raises(host, "agent.send('bob')", HGL_SCRIPT, "bad argument #2 to 'send'");
  assert_raises(host, "agent.send('bob', 'a/1.0/b', { f = print })", HGL_SCRIPT,
                "body.f: a function cannot be sent");
  assert_raises(host, "agent.send('bob', 'a/1.0/b', {}, { within = 1 })", HGL_SCRIPT,
                "unknown option 'within'");
  host->send_fails = HGL_UNDELIVERABLE;
  assert_done(host, "local id, why, code = agent.send('b', 'a/1.0/b') assert(id == nil)"
                    "log.info(why .. '/' .. code)");
  assert_saw(host, "info the fake refuses/undeliverable");
  host->send_fails = HGL_PROTOCOL_VIOLATION;
  assert_raises(host, "agent.send('b', 'a/1.0/b')", HGL_SCRIPT, "agents/x.lua:1: the fake refuses");
}

static void vm_sets_timers(void **state)
{
  struct fake_host *host = *state;
  fake_load(host,
            "agent.on_timer('t', print) agent.on_start(function() agent.after('t', '60s', 'k') "
            "agent.after('t', 5, { a = 1 }) agent.after('t', 5, { a = 1 }, { key = 'z' }) "
            "agent.after('t', 5) agent.cancel('t', 'k') agent.cancel('t') end)");
  assert_int_equal(fake_start(host), HGL_VM_DONE);
  assert_saw(host, "timer t 'k' 60000 \"k\"");
  assert_saw(host, "timer t '' 5 {\"a\":1}");
  assert_saw(host, "timer t 'z' 5 {\"a\":1}");
  assert_saw(host, "timer t '' 5 -");
  assert_saw(host, "cancel t 'k'");
  assert_saw(host, "cancel t ''");
  assert_raises(host, "agent.after('u', 5)", HGL_SCRIPT, "no timer 'u'");
}

static void vm_calls_the_host(void **state)
{
  struct fake_host *host = *state;
  assert_done(host, "assert(agent.find { service = 'x' } == 'hello')"
                    "assert(host.read('/proc/loadavg') == 'hello') agent.deal { id = 'd' }"
                    "agent.keep(('0a'):rep(16)) agent.granted('read', '/x')");
  assert_saw(host, "call find [{\"service\":\"x\"}]");
  assert_saw(host, "call read_file [\"/proc/loadavg\"]");
  assert_saw(host, "call deal [{\"id\":\"d\"}]");
  assert_saw(host, "call keep [\"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\"]");
  assert_saw(host, "call granted [\"read\",\"/x\"]");
  host->call_fails = HGL_DENIED;
  assert_done(host,
              "local text, why, code = host.read('/x') assert(text == nil and code == 'denied')");
  host->call_fails = HGL_INVALID;
  assert_raises(host, "agent.find { service = 'x' }", HGL_SCRIPT, "the fake refuses");
}

static void vm_logs(void **state)
{
  struct fake_host *host = *state;
  assert_done(host,
              "log.warn('low', { stock = 3 }) log.debug('x') log.error({}) print('a', 1, nil)");
  assert_saw(host, "warn low {\"stock\":3}");
  assert_saw(host, "debug x");
  assert_saw(host, "error table");
  assert_saw(host, "info a\t1\tnil");
}

static void vm_shows_the_agent_to_itself(void **state)
{
  struct fake_host *host = *state;
  host->config = hgl_bytes("\xa1\x63url\x61u", 7);
  char did[HGL_DID_TEXT_SIZE];
  struct hgl_key key = fake_key(1);
  hgl_did_format(&key, did);
  assert_done(host, "log.info(agent.name .. agent.config.url .. agent.id)");
  char line[128];
  snprintf(line, sizeof line, "info kiosku%s", did);
  assert_saw(host, line);
  assert_raises(host, "agent.config.url = 2", HGL_SCRIPT, "");
  assert_raises(host, "agent.name = 2", HGL_SCRIPT, "");
}

static void vm_has_the_module_haggle(void **state)
{
  struct fake_host *host = *state;
  fake_load(host,
            "local haggle = require 'haggle'"
            "assert(haggle.duration('1.5m') == 90000 and haggle.duration(20) == 20)"
            "assert(not pcall(haggle.duration, 'x') and not pcall(haggle.duration, -1))"
            "assert(not pcall(haggle.duration, 0/0) and not pcall(haggle.duration, true))"
            "assert(haggle.now() == 1767225600123)"
            "assert(haggle.tohex('\\1\\xff') == '01ff')"
            "assert(haggle.tohex(haggle.fromhex('01FF')) == '01ff')"
            "local bytes, why, code = haggle.fromhex('0') assert(not bytes and code == 'malformed')"
            "assert(not haggle.fromhex('zz'))"
            "assert(#haggle.id() == 32 and haggle.id() ~= haggle.id())"
            "agent.on_start(function() agent.send('b', 'a/1.0/b', { bytes = haggle.bytes('\\0x'), "
            "null = haggle.null, list = haggle.array {} }) end)");
  assert_int_equal(fake_start(host), HGL_VM_DONE);
  assert_saw(host,
             "send b a/1.0/b {\"list\":[],\"null\":null,\"bytes\":{\"$bytes\":\"AHg\"}} new 0");
}

/* ---- messages ---- */

static const uint8_t city[] = "\xa1\x64"
                              "city\x64"
                              "Graz";

static void message_has_its_fields(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.on('a/1.0/b', function(m) local aa, bb = ('aa'):rep(16), ('bb'):rep(16)"
                  "assert(m.id == aa and m.thid == bb and m.pthid == nil)"
                  "assert(m.type == 'a/1.0/b' and m.protocol == 'a' and m.version == '1.0')"
                  "assert(m.performative == 'b' and m.attempt == 1 and m.created == 1000)"
                  "assert(m.expires == nil and m.body.city == 'Graz' and m.body == m.body)"
                  "assert(m.to == agent.id and m.from:find('^did:key:z6Mk') and m.nothing == nil)"
                  "assert(m.thread == m.from .. '|' .. bb)"
                  "assert(not pcall(function() m.type = 'x' end))"
                  "assert(getmetatable(m) == false and tostring(m) == 'message')"
                  "local r = m:ref() assert(r.id == aa and r.from == m.from and r.thid == bb)"
                  "assert(r.type == m.type and r.pthid == nil) end)");
  struct hgl_vm_message message = fake_message("a/1.0/b", hgl_bytes(city, sizeof city - 1));
  if (fake_deliver(host, &message) != HGL_VM_DONE) fail_msg("%s", host->failure.error.message);
}

static void message_is_answered_on_its_thread(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.on('a/1.0/b', function(m) m.body.city = 'Wien'"
                  "m:reply('said', { x = 1 }, { expires = '5s' }) m:reply('none')"
                  "m:refuse('sold out', 'stock') m:refuse()"
                  "agent.reply(m:ref(), 'later', { y = 2 }) agent.refuse(m:ref(), 'w')"
                  "state.ref = m:ref() agent.reply(state.ref, 'kept')"
                  "assert(not pcall(agent.reply, {}, 'x'))"
                  "assert(not pcall(agent.reply, { from = 'x', thid = 'y', type = 'z' }, 'x'))"
                  "assert(not pcall(agent.reply, m, ('x'):rep(125)))"
                  "assert(not pcall(m.reply, nil, 'x')) assert(not pcall(m.reply, m)) end)");
  struct hgl_vm_message message = fake_message("a/1.0/b", hgl_bytes(city, sizeof city - 1));
  if (fake_deliver(host, &message) != HGL_VM_DONE) fail_msg("%s", host->failure.error.message);
  static const char *const sent[] = {
      "a/1.0/said {\"x\":1} bb 5000",
      "a/1.0/none {} bb 0",
      "haggle/1.0/refuse {\"why\":\"sold out\",\"code\":\"stock\"} bb 0",
      "haggle/1.0/refuse {\"why\":\"refused\",\"code\":\"refused\"} bb 0",
      "a/1.0/later {\"y\":2} bb 0",
      "haggle/1.0/refuse {\"why\":\"w\",\"code\":\"refused\"} bb 0",
      "a/1.0/kept {} bb 0"};
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(&message.envelope.from, did);
  for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
    char line[256];
    const char *thid = strstr(sent[i], " bb ");
    snprintf(line, sizeof line, "send %s %.*s bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb%s", did,
             (int)(thid - sent[i]), sent[i], thid + 3);
    assert_saw(host, line);
  }
}

static void message_of_the_agent_itself_is_not_answered(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.on('a/1.0/b', function(m) m:reply('x') end)");
  struct hgl_vm_message message = fake_message("a/1.0/b", hgl_bytes(city, sizeof city - 1));
  message.envelope.from = fake_key(1);
  message.envelope.to = fake_key(2);
  assert_int_equal(fake_deliver(host, &message), HGL_VM_RAISED);
  assert_non_null(strstr(host->failure.error.message, "the agent's own"));
}

/* ---- memory ---- */

static void vm_creation_survives_every_failed_allocation(void **state)
{
  struct fake_host *host = *state;
  host->quiet = true;
  const char *source = "local t = {} for i = 1, 50 do t[i] = { i } end "
                       "agent.on_start(function(m) return t end)";
  struct hgl_err err = {0};
  int status = -1, failures = 0;
  for (long i = 0; status != 0; i += i < 40 ? 1 : 7) {
    hgl_mem_fail_after(i);
    status = fake_try_load(host, source, &err);
    hgl_mem_fail_after(-1);
    if (status != 0) {
      assert_int_equal(status, -HGL_NO_MEMORY);
      failures++;
    }
  }
  assert_true(failures > 40);
}

static void vm_runs_survive_every_failed_allocation(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.on('a/1.0/b', function(m) local t = {} for i = 1, 20 do t[i] = { i } end "
                  "state.t = { a = 1 } pcall(agent.send, 'b', 'a/1.0/b', t) end)");
  struct hgl_vm_message message = fake_message("a/1.0/b", hgl_bytes(city, sizeof city - 1));
  enum hgl_vm_outcome outcome = HGL_VM_RAISED;
  host->quiet = true;
  for (long i = 0; i < 2000 && outcome != HGL_VM_DONE; i++) {
    hgl_mem_fail_after(i);
    struct hgl_vm_call call = {
        .kind = HGL_VM_HANDLER, .name = message.envelope.type, .message = &message};
    outcome = hgl_vm_start(host->vm, &call, &host->run, &host->wait, &host->failure);
    hgl_mem_fail_after(-1);
    if (outcome == HGL_VM_DONE) hgl_vm_accept(host->vm);
  }
  assert_int_equal(outcome, HGL_VM_DONE);
}

static void vm_of_a_minimal_agent_is_small(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.on('echo/1.0/say', function(message) message:reply('said', message.body) "
                  "end)");
  print_message("a minimal agent takes %zu bytes of Lua memory\n", hgl_vm_memory(host->vm));
  assert_true(hgl_vm_memory(host->vm) < 15000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_set_up, fake_tear_down)
  const struct CMUnitTest tests[] = {
      TEST(vm_names_file_line_and_the_line_itself),
      TEST(vm_refuses_sources_that_are_too_large),
      TEST(vm_loads_the_same_script_again_from_its_cache),
      TEST(vm_hands_declarations_over),
      TEST(vm_refuses_wrong_declarations),
      TEST(vm_keeps_effects_and_declarations_apart),
      TEST(vm_explains_mistakes),
      TEST(vm_refuses_to_send_or_keep_a_message),
      TEST(vm_completes_libraries_that_are_walked),
      TEST(vm_requires_modules_once),
      TEST(vm_reports_module_failures),
      TEST(vm_sends),
      TEST(vm_sets_timers),
      TEST(vm_calls_the_host),
      TEST(vm_logs),
      TEST(vm_shows_the_agent_to_itself),
      TEST(vm_has_the_module_haggle),
      TEST(message_has_its_fields),
      TEST(message_is_answered_on_its_thread),
      TEST(message_of_the_agent_itself_is_not_answered),
      TEST(vm_creation_survives_every_failed_allocation),
      TEST(vm_runs_survive_every_failed_allocation),
      TEST(vm_of_a_minimal_agent_is_small),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
