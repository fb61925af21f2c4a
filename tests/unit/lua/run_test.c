#include "support/fake_host.h"

static const struct hgl_vm_answer timed_out = {.code = HGL_TIMEOUT, .why = "too late"};

/* ---- suspension ---- */

static void run_asks_and_goes_on_with_the_reply(void **state)
{
  struct fake_host *host = *state;
  fake_load(host,
            "agent.on_start(function() local m, why, code = agent.ask('bob', 'a/1.0/q', { n = 1 }, "
            "{ within = '5s' }) log.info(m and m.body.city or why) end)");
  assert_int_equal(fake_start(host), HGL_VM_SUSPENDED);
  assert_int_equal(host->wait.kind, HGL_VM_WAIT_ASK);
  assert_int_equal(host->wait.ask_count, 1);
  const struct hgl_vm_ask *ask = host->wait.asks;
  assert_true(hgl_bytes_is(ask->to, "bob"));
  assert_true(hgl_bytes_is(ask->type, "a/1.0/q"));
  assert_int_equal(ask->within_ms, 5000);
  char *json = fake_json(ask->body);
  assert_string_equal(json, "{\"n\":1}");
  free(json);
  struct hgl_vm_message reply = fake_message("a/1.0/r", hgl_bytes("\xa1\x64"
                                                                  "city"
                                                                  "\x64"
                                                                  "Graz",
                                                                  11));
  struct hgl_vm_answer answer = {.message = &reply};
  assert_int_equal(fake_resume(host, &answer, 1), HGL_VM_DONE);
  assert_saw(host, "info Graz");
}

static void run_ask_gives_nil_why_and_code(void **state)
{
  struct fake_host *host = *state;
  assert_int_equal(fake_run(host, "log.info(table.concat({ select(2, agent.ask('b', 'a/1.0/q')) }, "
                                  "' ')) log.info((select(2, agent.ask('b', 'a/1.0/q'))))"),
                   HGL_VM_SUSPENDED);
  assert_int_equal(host->wait.asks->within_ms, 30000);
  assert_int_equal(fake_resume(host, &timed_out, 1), HGL_VM_SUSPENDED);
  assert_saw(host, "info too late timeout");
  struct hgl_vm_answer refused = {.code = HGL_REFUSED};
  assert_int_equal(fake_resume(host, &refused, 1), HGL_VM_DONE);
  assert_saw(host, "info the peer refused");
}

static void run_asks_many_side_by_side(void **state)
{
  struct fake_host *host = *state;
  assert_int_equal(
      fake_run(host, "local q = {} for i = 1, 3 do q[i] = { 'p' .. i, 'a/1.0/q', { i = i } } end "
                     "for i, r in ipairs(agent.ask_all(q, { within = 100 })) do "
                     "log.info(i .. tostring(r.ok) .. (r.code or r.message.type)) end"),
      HGL_VM_SUSPENDED);
  assert_int_equal(host->wait.kind, HGL_VM_WAIT_ASK_ALL);
  assert_int_equal(host->wait.ask_count, 3);
  assert_true(hgl_bytes_is(host->wait.asks[2].to, "p3"));
  assert_int_equal(host->wait.asks[2].within_ms, 100);
  char *json = fake_json(host->wait.asks[1].body);
  assert_string_equal(json, "{\"i\":2}");
  free(json);
  struct hgl_vm_message reply = fake_message("a/1.0/r", hgl_bytes("\xa0", 1));
  struct hgl_vm_answer answers[] = {{.message = &reply}, timed_out, {.message = &reply}};
  assert_int_equal(fake_resume(host, answers, 3), HGL_VM_DONE);
  assert_saw(host, "info 1truea/1.0/r");
  assert_saw(host, "info 2falsetimeout");
  assert_saw(host, "info 3truea/1.0/r");
  assert_done(host, "assert(#agent.ask_all({}) == 0)");
  assert_raises(host,
                "local q = {} for i = 1, 257 do q[i] = { 'p', 'a/1.0/q' } end agent.ask_all(q)",
                HGL_SCRIPT, "257 questions, limit 256");
  assert_raises(host, "agent.ask_all { { 'p' } }", HGL_SCRIPT, "question 1");
  assert_raises(host, "agent.ask_all { 'p' }", HGL_SCRIPT, "question 1");
}

static void run_sleeps(void **state)
{
  struct fake_host *host = *state;
  assert_int_equal(fake_run(host, "agent.sleep('1.5s') log.info('awake')"), HGL_VM_SUSPENDED);
  assert_int_equal(host->wait.kind, HGL_VM_WAIT_SLEEP);
  assert_int_equal(host->wait.sleep_ms, 1500);
  assert_int_equal(host->wait.ask_count, 0);
  assert_int_equal(fake_resume(host, NULL, 0), HGL_VM_DONE);
  assert_saw(host, "info awake");
}

static void run_suspension_passes_through_coroutines_and_pcall(void **state)
{
  static const char *const bodies[] = {
      "coroutine.wrap(function() agent.sleep(1) log.info('in') end)() log.info('out')",
      "local co = coroutine.create(function() coroutine.yield(1) agent.sleep(1) log.info('in') "
      "return 2 end) coroutine.resume(co) local ok, v = coroutine.resume(co) assert(ok and v == 2) "
      "log.info('out')",
      "coroutine.wrap(function() coroutine.wrap(function() pcall(function() agent.sleep(1) "
      "log.info('in') end) end)() end)() log.info('out')",
      "assert(pcall(function() agent.sleep(1) log.info('in') end)) log.info('out')",
      "local ok, e = xpcall(function() agent.sleep(1) log.info('in') error('x', 0) end, "
      "function(e) return e .. 'y' end) assert(not ok and e == 'xy', e) log.info('out')",
      "local ok, e = coroutine.resume(coroutine.create(function() agent.sleep(1) log.info('in') "
      "error('x', 0) end)) assert(not ok and e == 'x') log.info('out')",
      "for x in coroutine.wrap(function() agent.sleep(1) log.info('in') coroutine.yield(1) end) do "
      "log.info('out') end",
      "local t = setmetatable({}, { __index = function() agent.sleep(1) log.info('in') return 1 "
      "end }) assert(t.x == 1) log.info('out')",
  };
  struct fake_host *host = *state;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    if (fake_run(host, bodies[i]) != HGL_VM_SUSPENDED)
      fail_msg("%s: %s", bodies[i], host->failure.error.message);
    assert_false(fake_saw(host, "info in"));
    if (fake_resume(host, NULL, 0) != HGL_VM_DONE)
      fail_msg("%s: %s", bodies[i], host->failure.error.message);
    assert_saw(host, "info in");
    assert_saw(host, "info out");
  }
}

static void run_says_where_it_cannot_be_suspended(void **state)
{
  assert_raises(*state, "\ntable.sort({ 2, 1 }, function(a, b)\nagent.sleep(1)\nreturn a < b end)",
                HGL_SCRIPT,
                "agents/x.lua:3: agent.sleep cannot wait inside a function that 'sort' calls");
  assert_raises(*state, "return (('x'):gsub('x', function() agent.ask('b', 'a/1.0/q') end))",
                HGL_SCRIPT, "agent.ask cannot wait inside a function that 'gsub' calls");
  assert_raises(*state,
                "table.sort({ 2, 1 }, function() coroutine.wrap(function() agent.sleep(1) end)() "
                "end)",
                HGL_SCRIPT, "agent.sleep cannot wait");
}

static void run_limits_hold_in_later_stretches(void **state)
{
  struct fake_host *host = *state;
  host->limits.stretch_ms = 150;
  assert_int_equal(fake_run(host, "coroutine.wrap(function() agent.sleep(1) while true do pcall("
                                  "function() while true do end end) end end)()"),
                   HGL_VM_SUSPENDED);
  assert_int_equal(fake_resume(host, NULL, 0), HGL_VM_RAISED);
  assert_int_equal(host->failure.error.code, HGL_LIMIT);
}

static void run_number_of_suspended_handlers_is_limited(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.on_start(function() pcall(agent.sleep, 1) end)");
  struct hgl_vm_run *runs[3];
  for (int i = 0; i < 3; i++) {
    assert_int_equal(fake_start(host), HGL_VM_SUSPENDED);
    runs[i] = host->run;
  }
  assert_int_equal(fake_start(host), HGL_VM_RAISED);
  assert_int_equal(host->failure.error.code, HGL_LIMIT);
  assert_non_null(strstr(host->failure.error.message, "more than 3 handlers are waiting"));
  hgl_vm_abandon(host->vm, runs[1]);
  assert_int_equal(fake_start(host), HGL_VM_SUSPENDED);
  host->run = runs[0];
  assert_int_equal(fake_resume(host, NULL, 0), HGL_VM_DONE);
}

static void run_memory_of_questions_counts(void **state)
{
  struct fake_host *host = *state;
  host->limits.runs_max = 1000;
  fake_load(host, "agent.on_start(function() agent.ask('b', 'a/1.0/q', ('x'):rep(200000)) end)");
  size_t before = hgl_vm_memory(host->vm);
  int suspended = 0;
  while (fake_start(host) == HGL_VM_SUSPENDED && suspended < 100) suspended++;
  assert_int_equal(host->failure.error.code, HGL_NO_MEMORY);
  assert_in_range(suspended, 5, 25);
  assert_true(hgl_vm_memory(host->vm) > before + 1000000);
}

/* ---- ending ---- */

static void run_failure_has_line_and_traceback_without_internals(void **state)
{
  struct fake_host *host = *state;
  assert_raises(host, "\nlocal function inner() error('broken') end\npcall(print)\ninner()",
                HGL_SCRIPT, "agents/x.lua:2: broken");
  assert_string_equal(host->failure.traceback,
                      "stack traceback:\n  agents/x.lua:2: in local 'inner'\n"
                      "  agents/x.lua:4: in the function of line 1");
}

static void run_without_a_handler_fails(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "");
  assert_int_equal(fake_start(host), HGL_VM_RAISED);
  assert_int_equal(host->failure.error.code, HGL_NO_HANDLER);
  assert_false(hgl_vm_has(host->vm, HGL_VM_ON_START, hgl_bytes(NULL, 0)));
  fake_load(host, "agent.on_start(print) agent.on('a/1.0/b', print)");
  assert_true(hgl_vm_has(host->vm, HGL_VM_ON_START, hgl_bytes(NULL, 0)));
  assert_true(hgl_vm_has(host->vm, HGL_VM_HANDLER, hgl_text("a/1.0/b")));
  assert_false(hgl_vm_has(host->vm, HGL_VM_HANDLER, hgl_text("a/1.0/c")));
  assert_false(hgl_vm_has(host->vm, HGL_VM_ON_TIMER, hgl_text("a/1.0/b")));
}

static void run_changes_state_only_when_accepted(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.on_start(function() state.n = (state.n or 0) + 1 log.info('n' .. state.n) "
                  "if state.n == 2 then error('x') end end)");
  assert_int_equal(fake_start(host), HGL_VM_DONE);
  assert_int_equal(fake_start(host), HGL_VM_RAISED);
  assert_int_equal(fake_start(host), HGL_VM_RAISED);
  assert_true(hgl_vm_dirty(host->vm));
  struct hgl_err err = {0};
  assert_ok(hgl_vm_flush(host->vm, &err));
  assert_true(host->puts > 0);
  assert_false(hgl_vm_dirty(host->vm));
  assert_saw(host, "info n1");
  assert_saw(host, "info n2");
  assert_false(fake_saw(host, "info n3"));
}

static void run_variables_are_put_back(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "local count = 0 agent.on_start(function() count = count + 1 "
                  "log.info('count ' .. count) end)");
  assert_int_equal(fake_start(host), HGL_VM_RAISED);
  assert_non_null(strstr(host->failure.error.message, "'count'"));
  assert_int_equal(fake_start(host), HGL_VM_RAISED);
  assert_false(fake_saw(host, "info count 2"));
  fake_load(host, "local count = 0 agent.on_start(function() count = count + 1 "
                  "log.info('count ' .. count) error('x') end)");
  assert_int_equal(fake_start(host), HGL_VM_RAISED);
  assert_int_equal(fake_start(host), HGL_VM_RAISED);
  assert_false(fake_saw(host, "info count 2"));
  assert_raises(host, "leak = 1", HGL_SCRIPT, "leak");
}

static void run_passes_values_and_messages(void **state)
{
  struct fake_host *host = *state;
  fake_load(host,
            "agent.on_start(print) agent.on_upgrade(function(a, b) log.info(a + b) end)"
            "agent.on_timer('t', function(v) log.info(v.x) end)"
            "agent.on_undelivered(function(m, why, code) log.info(m.type .. why .. code) end)");
  assert_int_equal(fake_start(host), HGL_VM_DONE);
  assert_saw(host, "info created");
  struct hgl_vm_call call = {.kind = HGL_VM_ON_UPGRADE, .values = hgl_bytes("\x82\x01\x02", 3)};
  assert_int_equal(hgl_vm_start(host->vm, &call, &host->run, &host->wait, &host->failure),
                   HGL_VM_DONE);
  hgl_vm_accept(host->vm);
  assert_saw(host, "info 3");
  call = (struct hgl_vm_call){
      .kind = HGL_VM_ON_TIMER, .name = hgl_text("t"), .values = hgl_bytes("\x81\xa1\x61x\x05", 5)};
  assert_int_equal(hgl_vm_start(host->vm, &call, &host->run, &host->wait, &host->failure),
                   HGL_VM_DONE);
  hgl_vm_accept(host->vm);
  assert_saw(host, "info 5");
  struct hgl_vm_message message = fake_message("a/1.0/b", hgl_bytes("\xa0", 1));
  call = (struct hgl_vm_call){.kind = HGL_VM_ON_UNDELIVERED,
                              .message = &message,
                              .values = hgl_bytes("\x82\x61w\x61"
                                                  "c",
                                                  5)};
  assert_int_equal(hgl_vm_start(host->vm, &call, &host->run, &host->wait, &host->failure),
                   HGL_VM_DONE);
  hgl_vm_accept(host->vm);
  assert_saw(host, "info a/1.0/bwc");
}

static void run_many_in_a_row_do_not_grow(void **state)
{
  struct fake_host *host = *state;
  fake_load(host, "agent.on('a/1.0/b', function(m) m:reply('c', m.body) end)");
  struct hgl_vm_message message = fake_message("a/1.0/b", hgl_bytes("\xa0", 1));
  for (int i = 0; i < 200; i++) assert_int_equal(fake_deliver(host, &message), HGL_VM_DONE);
  size_t before = hgl_vm_memory(host->vm);
  for (int i = 0; i < 2000; i++) assert_int_equal(fake_deliver(host, &message), HGL_VM_DONE);
  assert_true(hgl_vm_memory(host->vm) < 2 * before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_set_up, fake_tear_down)
  const struct CMUnitTest tests[] = {
      TEST(run_asks_and_goes_on_with_the_reply),
      TEST(run_ask_gives_nil_why_and_code),
      TEST(run_asks_many_side_by_side),
      TEST(run_sleeps),
      TEST(run_suspension_passes_through_coroutines_and_pcall),
      TEST(run_says_where_it_cannot_be_suspended),
      TEST(run_limits_hold_in_later_stretches),
      TEST(run_number_of_suspended_handlers_is_limited),
      TEST(run_memory_of_questions_counts),
      TEST(run_failure_has_line_and_traceback_without_internals),
      TEST(run_without_a_handler_fails),
      TEST(run_changes_state_only_when_accepted),
      TEST(run_variables_are_put_back),
      TEST(run_passes_values_and_messages),
      TEST(run_many_in_a_row_do_not_grow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
