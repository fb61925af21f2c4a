/* Calls to the outside: begun behind the commit, answered once, repeated or of unknown outcome
 * after a crash. */
#include "calls_fixture.h"

static void a_call_begins_behind_its_commit_and_its_answer_resumes_the_handler(void **state)
{
  struct fixture f;
  set_up(&f, 1);
  uint64_t before = hgl_host_counts(f.node->host).commits;
  world_say(f.node, "caller", "go/1.0/now", "{\"x\":1}");
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  assert_true(f.fake.commits > before);
  assert_false(f.fake.repeated);
  assert_int_equal(hgl_host_calls(f.node->host), 1);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "begun"), 1);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 0);
  answer(&f, f.fake.ticket, "42");
  assert_true(world_logged(&f.world, "outcome 42"));
  assert_true(world_logged(&f.world, "done"));
  assert_int_equal(hgl_host_calls(f.node->host), 0);
  assert_int_equal(f.fake.cancelled, 0);
  answer(&f, f.fake.ticket, "43"); /* it is over */
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void a_stretch_that_raises_calls_nobody(void **state)
{
  struct fixture f;
  set_up(&f, 2);
  world_agent(f.node, "raiser",
              "agent.on('x/1.0/y', function()\n"
              "  pcall(function() host.call('fake', {}) end)\n"
              "end)\n"
              "agent.on('x/1.0/z', function()\n"
              "  local ok = pcall(table.sort, { 2, 1 }, function() host.call('fake', {}) end)\n"
              "  error('no')\n"
              "end)\n",
              use_it);
  world_say(f.node, "raiser", "x/1.0/z", NULL);
  world_advance(&f.world, 5000);
  assert_int_equal(f.fake.started, 0);
  world_say(f.node, "raiser", "x/1.0/y", NULL); /* pcall lets it wait */
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  world_deinit(&f.world);
}

static void what_fails_comes_back_as_nil_why_code(void **state)
{
  struct fixture f;
  set_up(&f, 3);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  answer_failure(&f, f.fake.ticket, HGL_IO, "the wire is cut");
  assert_true(world_logged(&f.world, "outcome io the wire is cut"));
  f.fake.fails = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_true(world_logged(&f.world, "outcome refused not today"));
  world_say(f.node, "other", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_true(world_logged(&f.world, "outcome denied grant --allow other:use=it"));
  world_say(f.node, "caller", "raw/1.0/now", "{\"service\":\"none\",\"request\":{}}");
  world_say(f.node, "caller", "raw/1.0/now", "{\"service\":\"fake\",\"request\":\"a\"}");
  world_run(&f.world);
  assert_true(world_logged(&f.world, "there is no service 'none' on this host"));
  assert_true(world_logged(&f.world, "a single letter is no request"));
  world_deinit(&f.world);
}

static void a_call_whose_time_is_over_is_cancelled(void **state)
{
  struct fixture f;
  set_up(&f, 4);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  world_advance(&f.world, 9999);
  assert_int_equal(f.fake.cancelled, 0);
  world_advance(&f.world, 2);
  assert_int_equal(f.fake.cancelled, 1);
  assert_true(world_logged(&f.world, "outcome timeout"));
  answer(&f, f.fake.ticket, "late");
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void after_a_crash_the_outcome_is_unknown(void **state)
{
  struct fixture f;
  set_up(&f, 5);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  assert_true(world_logged(&f.world, "outcome unknown_outcome"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "begun"), 1);
  world_deinit(&f.world);
}

static void one_that_may_be_repeated_begins_again_with_its_id(void **state)
{
  struct fixture f;
  set_up(&f, 6);
  f.fake.repeatable = true;
  world_say(f.node, "caller", "go/1.0/now", "{\"x\":1}");
  world_run(&f.world);
  struct fake first = f.fake;
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  assert_true(f.fake.repeated);
  assert_true(hgl_id_equal(&f.fake.id, &first.id));
  assert_int_equal(f.fake.request_size, first.request_size);
  assert_memory_equal(f.fake.request, first.request, first.request_size);
  answer(&f, f.fake.ticket, "again");
  assert_true(world_logged(&f.world, "outcome again"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "begun"), 1);
  world_deinit(&f.world);
}

static void two_calls_of_one_handler_have_two_ids(void **state)
{
  struct fixture f;
  set_up(&f, 7);
  world_say(f.node, "caller", "two/1.0/now", NULL);
  world_run(&f.world);
  struct hgl_id first = f.fake.id;
  answer(&f, f.fake.ticket, "a");
  assert_int_equal(f.fake.started, 2);
  assert_false(hgl_id_equal(&f.fake.id, &first));
  answer(&f, f.fake.ticket, "b");
  assert_true(world_logged(&f.world, "both a b"));
  world_deinit(&f.world);
}

static void an_answer_is_durable_and_not_asked_for_again(void **state)
{
  struct fixture f;
  set_up(&f, 8);
  world_say(f.node, "caller", "go/1.0/now", "{\"sleep\":true}");
  world_run(&f.world);
  answer(&f, f.fake.ticket, "first");
  restart(&f); /* while it sleeps */
  world_advance(&f.world, 2000);
  assert_int_equal(f.fake.started, 1);
  assert_true(world_logged(&f.world, "done"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void a_stretch_that_raises_behind_a_call_has_the_same_answer_again(void **state)
{
  struct fixture f;
  set_up(&f, 9);
  world_agent(f.node, "again",
              "agent.on('x/1.0/y', function()\n"
              "  local result = host.call('fake', {})\n"
              "  state.turns = (state.turns or 0) + 1\n"
              "  cache.turns = (cache.turns or 0) + 1\n"
              "  log.info('turn ' .. result.answer)\n"
              "  error('no')\n"
              "end)\n",
              use_it);
  world_say(f.node, "again", "x/1.0/y", NULL);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "7");
  world_advance(&f.world, 5000);
  assert_int_equal(world_count_logged(&f.world, "turn 7"), 3);
  assert_int_equal(f.fake.started, 1);
  assert_int_equal(world_dead_count(f.node, "handler_failed"), 1);
  world_deinit(&f.world);
}

static void a_handler_whose_lua_state_is_gone_gets_its_answer(void **state)
{
  struct fixture f;
  set_up(&f, 10);
  f.world.forget_lua = true;
  restart(&f);
  world_say(f.node, "caller", "two/1.0/now", NULL);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "a");
  answer(&f, f.fake.ticket, "b");
  assert_true(world_logged(&f.world, "both a b"));
  world_deinit(&f.world);
}

static void the_call_of_an_agent_that_goes_is_cancelled(void **state)
{
  struct fixture f;
  struct hgl_err err;
  set_up(&f, 11);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_ok(hgl_host_restart_agent(f.node->host, "caller", hgl_bytes(NULL, 0), &err));
  world_run(&f.world);
  assert_int_equal(f.fake.cancelled, 1);
  assert_int_equal(hgl_host_calls(f.node->host), 0);
  answer_failure(&f, f.fake.ticket, HGL_IO, "late");
  world_deinit(&f.world);
}

static void reloaded(void *user, json_t *result, const struct hgl_err *why)
{
  if (!result) fail_msg("%s", why->message);
  *(bool *)user = true;
}

static void a_call_outlives_a_reload(void **state)
{
  struct fixture f;
  struct hgl_err err;
  bool done = false;
  set_up(&f, 14);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_ok(hgl_host_reload_agent(f.node->host, "caller",
                                  hgl_text("agent.on('other/1.0/thing', function() end)"), false,
                                  reloaded, &done, &err));
  world_run(&f.world);
  assert_true(done);
  assert_int_equal(f.fake.cancelled, 0);
  answer(&f, f.fake.ticket, "42");
  assert_true(world_logged(&f.world, "outcome 42")); /* under the script that it began with */
  world_deinit(&f.world);
}

static void an_agent_makes_only_so_many_calls_at_once(void **state)
{
  struct fixture f;
  set_up(&f, 12);
  struct hgl_agent_config config = {.grants = use_it, .limits = {.calls = 2}};
  world_agent_with(f.node, "few", caller, config);
  world_run(&f.world);
  world_say(f.node, "few", "go/1.0/now", "{\"a\":1}");
  world_say(f.node, "few", "go/1.0/now", "{\"a\":2}");
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  assert_false(world_logged(&f.world, "outcome"));
  world_say(f.node, "few", "go/1.0/now", "{\"a\":3}");
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  assert_true(world_logged(&f.world, "outcome limit few waits for 2 calls already"));
  answer(&f, f.fake.ticket, "x");
  world_say(f.node, "few", "go/1.0/now", "{\"a\":4}");
  world_run(&f.world);
  assert_int_equal(f.fake.started, 3);
  world_deinit(&f.world);
}

static void an_agent_makes_only_so_many_calls_a_second(void **state)
{
  struct fixture f;
  set_up(&f, 13);
  struct hgl_agent_config config = {.grants = use_it, .limits = {.calls_per_second = 1}};
  world_agent_with(f.node, "slow", caller, config);
  world_run(&f.world);
  for (int i = 0; i < 2; i++) {
    world_say(f.node, "slow", "go/1.0/now", NULL);
    world_run(&f.world);
  }
  assert_int_equal(f.fake.started, 1);
  assert_true(world_logged(&f.world, "outcome limit slow makes more than 1 calls a second"));
  world_advance(&f.world, 1100);
  world_say(f.node, "slow", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  world_deinit(&f.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_call_begins_behind_its_commit_and_its_answer_resumes_the_handler),
      cmocka_unit_test(a_stretch_that_raises_calls_nobody),
      cmocka_unit_test(what_fails_comes_back_as_nil_why_code),
      cmocka_unit_test(a_call_whose_time_is_over_is_cancelled),
      cmocka_unit_test(after_a_crash_the_outcome_is_unknown),
      cmocka_unit_test(one_that_may_be_repeated_begins_again_with_its_id),
      cmocka_unit_test(two_calls_of_one_handler_have_two_ids),
      cmocka_unit_test(an_answer_is_durable_and_not_asked_for_again),
      cmocka_unit_test(a_stretch_that_raises_behind_a_call_has_the_same_answer_again),
      cmocka_unit_test(a_handler_whose_lua_state_is_gone_gets_its_answer),
      cmocka_unit_test(the_call_of_an_agent_that_goes_is_cancelled),
      cmocka_unit_test(a_call_outlives_a_reload),
      cmocka_unit_test(an_agent_makes_only_so_many_calls_at_once),
      cmocka_unit_test(an_agent_makes_only_so_many_calls_a_second),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
