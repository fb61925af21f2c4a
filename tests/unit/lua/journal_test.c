/* Handlers that are run again by their journal, in one VM. */
#include "support/fake_host.h"

enum { RECORDS_MAX = 64 };

struct tape {
  struct hgl_buf records[RECORDS_MAX];
  size_t count;
};

static void tape_init(struct tape *tape)
{
  tape->count = 0;
  for (int i = 0; i < RECORDS_MAX; i++) hgl_buf_init(&tape->records[i], HGL_VM_JOURNAL_SIZE_MAX);
}

static void tape_deinit(struct tape *tape)
{
  for (int i = 0; i < RECORDS_MAX; i++) hgl_buf_deinit(&tape->records[i]);
}

static void tape_add(struct tape *tape, const struct hgl_vm *vm)
{
  assert_true(tape->count < RECORDS_MAX);
  hgl_buf_append_bytes(&tape->records[tape->count++], hgl_vm_events(vm));
}

static const struct hgl_vm_call start_call = {.kind = HGL_VM_ON_START,
                                              .values = {(const uint8_t *)"\x81\x67"
                                                                          "created",
                                                         9},
                                              .seed = 42};

/* Runs on_start, sleeps only, until it has waited `waits` times. */
static void record(struct fake_host *host, struct tape *tape, const char *source, size_t waits)
{
  fake_load(host, source);
  assert_int_equal(fake_start(host), HGL_VM_SUSPENDED);
  tape_add(tape, host->vm);
  while (tape->count < waits) {
    assert_int_equal(fake_resume(host, NULL, 0), HGL_VM_SUSPENDED);
    tape_add(tape, host->vm);
  }
}

static enum hgl_vm_outcome replay(struct fake_host *host, const struct tape *tape)
{
  enum hgl_vm_outcome outcome = hgl_vm_replay_start(
      host->vm, &start_call, hgl_buf_bytes(&tape->records[0]), &host->run, &host->failure);
  for (size_t i = 1; outcome == HGL_VM_SUSPENDED && i < tape->count; i++)
    outcome = hgl_vm_replay_resume(host->vm, host->run, NULL, 0, hgl_buf_bytes(&tape->records[i]),
                                   &host->failure);
  return outcome;
}

static const char busy[] =
    "local haggle = require 'haggle'\n"
    "agent.on_start(function()\n"
    "  state.n, state.list = 1, { { n = 2 }, { n = 1 } }\n"
    "  local n, first, now, id = state.n, state.list[1], haggle.now(), haggle.id()\n"
    "  agent.send('bob', 'a/1.0/q', { z = 1, a = 2, m = first })\n"
    "  log.info('said')\n"
    "  agent.sleep(1)\n"
    "  table.sort(state.list, function(a, b) return a.n < b.n end)\n"
    "  local keys = {}\n"
    "  for k, v in pairs(state) do keys[#keys + 1] = k end\n"
    "  agent.after('t', 5, { x = keys })\n"
    "  agent.sleep(1)\n"
    "  log.info(n .. ' ' .. first.n .. ' ' .. now .. ' ' .. #id .. ' ' .. table.concat(keys, "
    "','))\n"
    "  first.n = first.n + 5\n"
    "  agent.sleep(1)\n"
    "end)\n"
    "agent.on_timer('t', function() end)\n";

static void a_replay_learns_the_same_and_does_nothing(void **state)
{
  struct fake_host *host = *state;
  struct hgl_vm_views *views;
  struct hgl_err err;
  struct tape tape;
  tape_init(&tape);
  record(host, &tape, busy, 2);
  assert_ok(hgl_vm_views_copy(host->run, &views, &err));
  hgl_vm_abandon(host->vm, host->run);
  fake_forget(host);
  host->now_ms = 5;
  host->send_fails = HGL_LIMIT; /* nothing is asked of the host any more */
  assert_int_equal(replay(host, &tape), HGL_VM_SUSPENDED);
  assert_int_equal(host->line_count, 0);
  assert_ok(hgl_vm_replayed(host->vm, host->run, views, &err));
  assert_int_equal(fake_resume(host, NULL, 0), HGL_VM_SUSPENDED);
  assert_saw(host, "info 1 2 1767225600123 32 list,n");
  hgl_vm_views_destroy(views);
  tape_deinit(&tape);
}

/* As after a restart with another script, which is not how scripts change, but how libraries do. */
static void expect_difference(struct fake_host *host, const char *was, const char *is,
                              const char *difference)
{
  struct tape tape;
  tape_init(&tape);
  record(host, &tape, was, 1);
  fake_load(host, is);
  assert_int_equal(replay(host, &tape), HGL_VM_RAISED);
  assert_int_equal(host->failure.error.code, HGL_DIVERGED);
  if (!strstr(host->failure.error.message, difference))
    fail_msg("'%s' lacks '%s'", host->failure.error.message, difference);
  tape_deinit(&tape);
}

#define HANDLER(body) "agent.on_start(function() " body " agent.sleep(1) end)"

static void a_difference_is_found_and_told(void **state)
{
  struct fake_host *host = *state;
  expect_difference(host, HANDLER("state.a = 1"), HANDLER("state.a = 2"),
                    "call 1: a write to state, now with other arguments");
  expect_difference(host, HANDLER("state.a = 1"), HANDLER("state.b = 1"), "other arguments");
  expect_difference(host, HANDLER("state.a = { b = { 1, 2 } }"),
                    HANDLER("state.a = { b = { 2, 1 } }"), "other arguments");
  expect_difference(host, HANDLER("local x = state.a"), HANDLER("local x = #state"),
                    "call 1: it was a read of state, the handler now makes a length of state");
  expect_difference(host, HANDLER("agent.send('a', 'b/1.0/c', { text = 'one' })"),
                    HANDLER("agent.send('a', 'b/1.0/c', { text = 'two' })"), "a message, now with");
  expect_difference(host, HANDLER("local x = state.a"), HANDLER(""),
                    "it was a read of state, the handler now makes a suspension");
  expect_difference(host, HANDLER(""), HANDLER("local x = state.a"),
                    "it was a suspension, the handler now makes a read of state");
  expect_difference(host, HANDLER(""), "agent.on_start(function() end)",
                    "call 1: the handler now ends before a suspension");
  expect_difference(host, HANDLER(""), "agent.on_start(function() error('no') end)",
                    "the handler now raises");
  /* It cannot be caught. */
  expect_difference(host, HANDLER("state.a = 1"),
                    HANDLER("pcall(function() state.a = 2 end) pcall(error)"), "other arguments");
}

static void an_effect_is_the_same_in_whatever_order_its_keys_come(void **state)
{
  struct fake_host *host = *state;
  struct tape tape;
  tape_init(&tape);
  record(host, &tape,
         HANDLER("local t = {} for i = 1, 40 do t['k' .. i] = { i, tostring(i) } end state.t = t "
                 "agent.send('a', 'b/1.0/c', t)"),
         1);
  fake_load(host, HANDLER("local t = {} for i = 40, 1, -1 do t['k' .. i] = { i, tostring(i) } end "
                          "state.t = t agent.send('a', 'b/1.0/c', t)"));
  assert_int_equal(replay(host, &tape), HGL_VM_SUSPENDED);
  tape_deinit(&tape);
}

static void what_was_raised_and_caught_is_raised_again(void **state)
{
  struct fake_host *host = *state;
  struct tape tape;
  static const char script[] =
      "agent.on_start(function()\n"
      "  local function try(f, ...) local ok, why = pcall(f, ...) return tostring(why) end\n"
      "  state.x = { y = {} }\n"
      "  local y = state.x.y\n"
      "  local all = { try(function() state.f = print end),\n"
      "    try(function() state.g = { a = print, b = print, c = print } end),\n"
      "    try(agent.send, 'a', 'b/1.0/c', { a = print, b = print, c = print }),\n"
      "    try(function() state['x'] = 0 / 0 end) }\n"
      "  state.x = nil\n"
      "  agent.sleep(1)\n"
      "  all[#all + 1] = try(function() return y.z end)\n"
      "  all[#all + 1] = try(function() y.z = 1 end)\n"
      "  all[#all + 1] = try(function() return #y end)\n"
      "  all[#all + 1] = try(function() for _ in pairs(y) do end end)\n"
      "  agent.sleep(1)\n"
      "  log.info(table.concat(all, '|'))\n"
      "  agent.sleep(1)\n"
      "end)";
  tape_init(&tape);
  record(host, &tape, script, 3);
  char *said = strdup(host->lines[host->line_count - 1]);
  assert_non_null(strstr(said, "removed from the state|agents/x.lua:12"));
  tape.count = 2;
  fake_load(host, script);
  assert_int_equal(replay(host, &tape), HGL_VM_SUSPENDED);
  assert_int_equal(fake_resume(host, NULL, 0), HGL_VM_SUSPENDED);
  assert_saw(host, said);
  free(said);
  tape_deinit(&tape);
}

static void a_damaged_journal_is_no_crash(void **state)
{
  struct fake_host *host = *state;
  struct tape tape;
  tape_init(&tape);
  record(host, &tape, busy, 1);
  struct hgl_bytes whole = hgl_buf_bytes(&tape.records[0]);
  for (size_t size = 0; size < whole.size; size++) {
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, whole.data, size);
    assert_int_equal(hgl_vm_replay_start(host->vm, &start_call, hgl_bytes(copy, size), &host->run,
                                         &host->failure),
                     HGL_VM_RAISED);
    free(copy);
  }
  for (size_t at = 0; at < whole.size; at++) {
    uint8_t *copy = malloc(whole.size);
    memcpy(copy, whole.data, whole.size);
    copy[at] ^= 0x55;
    if (hgl_vm_replay_start(host->vm, &start_call, hgl_bytes(copy, whole.size), &host->run,
                            &host->failure) == HGL_VM_SUSPENDED)
      hgl_vm_abandon(host->vm, host->run);
    free(copy);
  }
  tape_deinit(&tape);
}

#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, fake_set_up, fake_tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      JOURNAL_TEST(a_replay_learns_the_same_and_does_nothing),
      JOURNAL_TEST(a_difference_is_found_and_told),
      JOURNAL_TEST(an_effect_is_the_same_in_whatever_order_its_keys_come),
      JOURNAL_TEST(what_was_raised_and_caught_is_raised_again),
      JOURNAL_TEST(a_damaged_journal_is_no_crash),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
