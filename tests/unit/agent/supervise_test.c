#include "supervise_fixture.h"

/* ---- windows ---- */

static void a_window_holds_what_is_younger_than_its_time(void **state)
{
  struct hgl_err err;
  struct window window = {.max = 3};
  assert_int_equal(window_count(&window, 0, 100), 0);
  assert_ok(window_add(&window, 1000, &err));
  assert_ok(window_add(&window, 1050, &err));
  assert_int_equal(window_count(&window, 1099, 100), 2);
  assert_int_equal(window_count(&window, 1100, 100), 1);
  assert_ok(window_add(&window, 1100, &err));
  assert_ok(window_add(&window, 1101, &err));
  assert_int_equal(window_count(&window, 1101, 100), 3);
  assert_ok(window_add(&window, 1102, &err)); /* the oldest gives way */
  assert_int_equal(window_count(&window, 1102, 100), 3);
  assert_int_equal(window_count(&window, 1200, 100), 2);
  assert_int_equal(window_count(&window, 1202, 100), 0);
  window_deinit(&window);
}

/* ---- restarting and parking ---- */

static void an_agent_that_cannot_start_begins_again_ever_later_and_is_parked(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x",
              "agent.on_start(function() log.info('starting') error('boom') end)\n"
              "agent.on('x/1.0/y', function() log.info('handled') end)\n",
              NULL);
  world_say(a, "x", "x/1.0/y", NULL);
  /* Each start takes 600 ms to fail; then it waits 1, 2, 4, 8 and 16 seconds. */
  int64_t delay = 1000;
  for (size_t i = 1; i <= 5; i++, delay *= 2) {
    world_advance(&world, 600);
    assert_int_equal(world_count_logged(&world, "x: starting\n"), 3 * i);
    assert_status(a, "x", "starting");
    assert_reason(a, "x", "on_start: x.lua:1: boom");
    world_advance(&world, delay - 50);
    assert_int_equal(world_count_logged(&world, "x: starting\n"), 3 * i);
    world_advance(&world, 50);
    assert_int_equal(world_count_logged(&world, "x: starting\n"), 3 * i + 1);
  }
  world_advance(&world, 600);
  assert_status(a, "x", "parked");
  assert_reason(a, "x", "failed 6 times within 60 s, at last: on_start: x.lua:1: boom");
  assert_int_equal(restarts(a, "x"), 5);
  world_advance(&world, 600000);
  assert_int_equal(world_count_logged(&world, "x: starting\n"), 18);
  assert_false(world_logged(&world, "handled"));
  world_deinit(&world);
}

static void delays_end_at_their_ceiling(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  struct hgl_agent_config config = policy(10, 3600000, 100, 0);
  config.restart.delay_max_ms = 300;
  world_agent_with(a, "x", "agent.on_start(function() error('boom') end)\n", config);
  world_run(&world);
  static const int64_t delays[] = {100, 200, 300, 300, 300};
  for (size_t i = 0; i < 5; i++) {
    world_advance(&world, 600 + delays[i] - 50);
    assert_int_equal(restarts(a, "x"), i);
    world_advance(&world, 50);
    assert_int_equal(restarts(a, "x"), i + 1);
  }
  world_deinit(&world);
}

/* One restart within 10 s is permitted: the second failure comes so long after the first. */
static void fail_twice(int64_t apart_ms, const char *status)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent_with(a, "x", writer, policy(1, 10000, 50, 1));
  world_run(&world);
  write_text(a, "x", "boom");
  world_advance(&world, 650);
  assert_int_equal(restarts(a, "x"), 1);
  world_advance(&world, apart_ms - 650);
  write_text(a, "x", "boom");
  world_advance(&world, 550);
  assert_status(a, "x", "running");
  world_advance(&world, 50);
  assert_status(a, "x", status);
  world_deinit(&world);
}

static void failures_count_within_their_time_and_not_beyond(void **state)
{
  fail_twice(9950, "parked");
  fail_twice(10000, "starting");
}

static void a_dead_letter_too_many_is_a_failure_and_mail_waits_in_order(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent_with(a, "x", writer, policy(5, 10000, 1000, 3));
  world_run(&world);
  write_text(a, "x", "boom");
  write_text(a, "x", "boom");
  write_text(a, "x", "one");
  world_advance(&world, 2000);
  assert_int_equal(restarts(a, "x"), 0); /* two are not too many */
  assert_true(world_logged(&world, "wrote one"));
  write_text(a, "x", "boom");
  world_advance(&world, 600);
  assert_status(a, "x", "starting");
  assert_reason(a, "x", "dead letters within 10 s: 3, the last: x.lua:4: boom");
  write_text(a, "x", "two");
  write_text(a, "x", "three");
  world_advance(&world, 900);
  assert_false(world_logged(&world, "wrote two"));
  world_advance(&world, 100);
  assert_int_equal(world_count_logged(&world, "start restarted"), 1);
  assert_true(world_logged(&world, "x: wrote two\nx: wrote three\n"));
  assert_int_equal(written(a, "x"), 3);
  assert_false(world_logged(&world, "x: stop")); /* it failed: nothing more of it ran */
  world_deinit(&world);
}

/* What a script raises may be no text, or be cut within a character. */
static void what_it_failed_with_is_shown_whatever_it_is(void **state)
{
  static const char *const scripts[] = {
      "agent.on_start(function() error('no \\xff text') end)\n",
      "agent.on_start(function() error(('\xc3\xa4'):rep(400)) end)\n",
      "agent.on_start(function() error('x' .. ('\xc3\xa4'):rep(400)) end)\n",
  };
  char name[] = "x0";
  struct world world;
  struct node *a;
  begin(&world, &a);
  for (int i = 0; i < 3; i++, name[1]++)
    world_agent_with(a, name, scripts[i], policy(1, 60000, 100, 1));
  world_advance(&world, 5000);
  for (name[1] = '0'; name[1] < '3'; name[1]++) assert_status(a, name, "parked");
  assert_reason(a, "x0", "no \xef\xbf\xbd text");
  assert_reason(a, "x2", "x\xc3\xa4\xc3\xa4");
  world_deinit(&world);
}

static void memory_is_a_failure_and_too_many_waiting_handlers_are_none(void **state)
{
  static const char script[] = "agent.on('x/1.0/fill', function()\n"
                               "  local all = {}\n"
                               "  for i = 1, 1000000 do all[i] = string.rep('x', 1000) .. i end\n"
                               "end)\n"
                               "agent.on('x/1.0/wait', function() agent.sleep('1h') end)\n";
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent_with(a, "x", script,
                   (struct hgl_agent_config){.limits = {.memory_bytes = 1 << 20, .runs_max = 2}});
  world_run(&world);
  for (int i = 0; i < 4; i++) world_say(a, "x", "x/1.0/wait", NULL);
  world_advance(&world, 2000);
  assert_int_equal(hgl_host_counts(a->host).dead, 2);
  assert_int_equal(restarts(a, "x"), 0);
  world_say(a, "x", "x/1.0/fill", NULL);
  world_advance(&world, 550);
  assert_status(a, "x", "running"); /* it is still being tried */
  world_advance(&world, 50);
  assert_status(a, "x", "starting");
  assert_reason(a, "x", "memory limit");
  world_advance(&world, 1000);
  assert_status(a, "x", "running");
  assert_int_equal(hgl_host_counts(a->host).dead, 3); /* the suspended ones go on waiting */
  assert_int_equal(waiting(a), 2);
  world_deinit(&world);
}

static void the_first_failure_may_park_or_stop(void **state)
{
  struct world world;
  struct node *a;
  struct hgl_agent_config config = policy(0, 0, 0, 1);
  begin(&world, &a);
  config.restart.on_failure = HGL_ON_FAILURE_PARK;
  world_agent_with(a, "x", writer, config);
  config.restart.on_failure = HGL_ON_FAILURE_STOP;
  world_agent_with(a, "y", writer, config);
  world_run(&world);
  write_text(a, "x", "boom");
  write_text(a, "y", "boom");
  world_advance(&world, 600);
  assert_status(a, "x", "parked");
  assert_reason(a, "x", "boom");
  assert_status(a, "y", "stopped");
  assert_reason(a, "y", "boom");
  assert_false(world_logged(&world, "y: stop\n"));
  begin_again(a);
  world_agent_with(a, "x", writer, config);
  world_agent_with(a, "y", writer, config);
  world_run(&world);
  assert_reason(a, "x", "boom");
  assert_status(a, "y", "stopped");
  assert_reason(a, "y", "boom");
  world_deinit(&world);
}

static void a_parked_agent_stays_so_over_a_restart_until_it_is_resumed(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  struct hgl_agent_config config = policy(1, 10000, 50, 1);
  world_agent_with(a, "x", writer, config);
  world_run(&world);
  for (int i = 0; i < 2; i++) {
    write_text(a, "x", "boom");
    world_advance(&world, 800);
  }
  assert_status(a, "x", "parked");
  write_text(a, "x", "one");
  world_run(&world);
  begin_again(a);
  world_agent_with(a, "x", writer, config);
  write_text(a, "x", "two");
  world_advance(&world, 60000);
  assert_status(a, "x", "parked");
  assert_reason(a, "x", "failed 2 times within 10 s, at last: dead letters within 10 s: 1");
  assert_false(world_logged(&world, "wrote"));
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_run(&world);
  assert_status(a, "x", "running");
  assert_true(world_logged(&world, "x: wrote one\nx: wrote two\n"));
  write_text(a, "x", "boom"); /* what counted before counts no more */
  world_advance(&world, 650);
  assert_status(a, "x", "running");
  begin_again(a);
  world_agent_with(a, "x", writer, config);
  world_run(&world);
  assert_status(a, "x", "running");
  assert_int_equal(written(a, "x"), 2);
  world_deinit(&world);
}

/* ---- groups ---- */

static void assert_restarts(struct node *node, int64_t a, int64_t b, int64_t c)
{
  assert_int_equal(restarts(node, "a"), a);
  assert_int_equal(restarts(node, "b"), b);
  assert_int_equal(restarts(node, "c"), c);
  assert_int_equal(restarts(node, "alone"), 0);
}

static void a_group_restarts_whom_its_strategy_names(void **state)
{
  static const int64_t expected[][3] = {{0, 1, 0}, {1, 1, 1}, {0, 1, 1}};
  for (int strategy = HGL_ONE_FOR_ONE; strategy <= HGL_REST_FOR_ONE; strategy++) {
    struct world world;
    struct node *a;
    begin(&world, &a);
    add_three(a, (enum hgl_strategy)strategy, 0);
    world_run(&world);
    write_text(a, "b", "boom");
    world_advance(&world, 650);
    write_text(a, "c", "waits"); /* also for one whose neighbour failed */
    world_advance(&world, 50);
    assert_restarts(a, expected[strategy][0], expected[strategy][1], expected[strategy][2]);
    assert_int_equal(world_count_logged(&world, "a: stop\n"), expected[strategy][0]);
    assert_int_equal(world_count_logged(&world, "b: stop\n"), 0);
    assert_int_equal(world_count_logged(&world, "c: stop\n"), expected[strategy][2]);
    assert_int_equal(world_count_logged(&world, "c: wrote waits\n"), 1);
    if (strategy == HGL_ONE_FOR_ALL) /* they begin in their order */
      assert_true(world_logged(&world, "a: start restarted\nb: start restarted\n"
                                       "c: start restarted\n"));
    world_deinit(&world);
  }
}

static void a_group_in_which_one_keeps_failing_is_parked_as_its_strategy_says(void **state)
{
  static const char *const expected[][3] = {{"running", "parked", "running"},
                                            {"parked", "parked", "parked"},
                                            {"running", "parked", "parked"}};
  for (int strategy = HGL_ONE_FOR_ONE; strategy <= HGL_REST_FOR_ONE; strategy++) {
    struct world world;
    struct node *a;
    begin(&world, &a);
    add_three(a, (enum hgl_strategy)strategy, 0);
    world_run(&world);
    for (int i = 0; i < 3; i++) {
      write_text(a, "b", "boom");
      world_advance(&world, 1000);
    }
    assert_status(a, "a", expected[strategy][0]);
    assert_status(a, "b", expected[strategy][1]);
    assert_status(a, "c", expected[strategy][2]);
    if (strategy == HGL_REST_FOR_ONE) assert_reason(a, "c", "b failed, of the same group");
    world_deinit(&world);
  }
}

static void a_group_that_fails_too_often_in_all_is_parked_whole(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  add_three(a, HGL_ONE_FOR_ONE, 2);
  world_run(&world);
  write_text(a, "a", "boom");
  write_text(a, "b", "boom");
  world_advance(&world, 1000);
  assert_restarts(a, 1, 1, 0);
  write_text(a, "c", "boom");
  world_advance(&world, 600);
  assert_status(a, "a", "parked");
  assert_status(a, "b", "parked");
  assert_status(a, "c", "parked");
  assert_reason(a, "c", "the group shop failed 3 times within 10 s");
  assert_status(a, "alone", "running");
  world_deinit(&world);
}

/* It was tried again, has begun, and waits: that keeps nobody else. */
static void an_on_start_that_was_tried_again_and_waits_holds_no_mail_back(void **state)
{
  struct world world;
  struct node *a;
  char script[512];
  world_init(&world, 31);
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  snprintf(script, sizeof script,
           "agent.on_start(function()\n"
           "  if haggle.now() < %lld then error('too early') end\n"
           "  log.info('started')\n"
           "  agent.sleep('1h')\n"
           "end)\n"
           "agent.on('count/1.0/up', function(m) m:reply('told', { n = 7 }) end)\n",
           (long long)hgl_wall_ms(&world.clock) + 300);
  char whole[600];
  snprintf(whole, sizeof whole, "local haggle = require 'haggle'\n%s", script);
  world_agent(a, "x", whole, NULL);
  world_advance(&world, 5000);
  assert_true(world_logged(&world, "too early"));
  assert_int_equal(world_count_logged(&world, "started"), 1);
  assert_int_equal(world_number(a, "x", "count/1.0/up", "n"), 7);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_on_start_that_was_tried_again_and_waits_holds_no_mail_back),
      cmocka_unit_test(a_window_holds_what_is_younger_than_its_time),
      cmocka_unit_test(an_agent_that_cannot_start_begins_again_ever_later_and_is_parked),
      cmocka_unit_test(delays_end_at_their_ceiling),
      cmocka_unit_test(failures_count_within_their_time_and_not_beyond),
      cmocka_unit_test(a_dead_letter_too_many_is_a_failure_and_mail_waits_in_order),
      cmocka_unit_test(what_it_failed_with_is_shown_whatever_it_is),
      cmocka_unit_test(memory_is_a_failure_and_too_many_waiting_handlers_are_none),
      cmocka_unit_test(the_first_failure_may_park_or_stop),
      cmocka_unit_test(a_parked_agent_stays_so_over_a_restart_until_it_is_resumed),
      cmocka_unit_test(a_group_restarts_whom_its_strategy_names),
      cmocka_unit_test(a_group_in_which_one_keeps_failing_is_parked_as_its_strategy_says),
      cmocka_unit_test(a_group_that_fails_too_often_in_all_is_parked_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
