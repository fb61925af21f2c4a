#include "agent/supervise.h"
#include "support/world.h"

#include <stdio.h>

/* ---- helpers ---- */

static void begin(struct world *world, struct node **node)
{
  world_init(world, 5);
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
}

static void begin_again(struct node *node)
{
  world_crash(node);
  world_restart(node);
  world_agent(node, "operator", "", NULL);
}

/* A new reference; NULL: there is no such agent. */
static json_t *describe(struct node *node, const char *name)
{
  struct hgl_err err;
  json_t *list, *row, *found = NULL;
  size_t index;
  assert_ok(hgl_host_list_agents(node->host, &list, &err));
  json_array_foreach(list, index, row)
  {
    if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
      found = json_incref(row);
  }
  json_decref(list);
  return found;
}

static void assert_status(struct node *node, const char *name, const char *status)
{
  json_t *agent = describe(node, name);
  assert_non_null(agent);
  assert_string_equal(json_string_value(json_object_get(agent, "status")), status);
  json_decref(agent);
}

static void assert_reason(struct node *node, const char *name, const char *part)
{
  json_t *agent = describe(node, name);
  const char *reason = json_string_value(json_object_get(agent, "reason"));
  assert_non_null(reason);
  if (!strstr(reason, part)) fail_msg("\"%s\" does not say \"%s\"", reason, part);
  json_decref(agent);
}

static int64_t restarts(struct node *node, const char *name)
{
  json_t *agent = describe(node, name);
  int64_t count = json_integer_value(json_object_get(agent, "restarts"));
  json_decref(agent);
  return count;
}

static struct hgl_agent_config policy(int restarts_max, int64_t within_ms, int64_t delay_ms,
                                      int dead_letters)
{
  return (struct hgl_agent_config){.restart = {.restarts_max = restarts_max,
                                               .within_ms = within_ms,
                                               .delay_ms = delay_ms,
                                               .dead_letters_max = dead_letters}};
}

/* Writes down what it handles; "boom" raises in every attempt, which takes 600 ms. */
static const char writer[] =
    "agent.on_start(function(reason) log.info('start ' .. reason) end)\n"
    "agent.on_stop(function() log.info('stop') end)\n"
    "agent.on('x/1.0/write', function(message)\n"
    "  if message.body.text == 'boom' then error('boom') end\n"
    "  if not state.texts then state.texts = {} end\n"
    "  state.texts[#state.texts + 1] = message.body.text\n"
    "  log.info('wrote ' .. message.body.text)\n"
    "end)\n"
    "agent.on('x/1.0/wait', function(message) agent.sleep('1h') end)\n"
    "agent.on('x/1.0/count', function(message)\n"
    "  message:reply('is', { count = state.texts and #state.texts or 0 })\n"
    "end)\n";

static void write_text(struct node *node, const char *to, const char *text)
{
  char body[64];
  snprintf(body, sizeof body, "{\"text\":\"%s\"}", text);
  world_say(node, to, "x/1.0/write", body);
}

static int64_t written(struct node *node, const char *name)
{
  return world_number(node, name, "x/1.0/count", "count");
}

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

/* Handlers that are suspended. */
static size_t waiting(struct node *node)
{
  struct hgl_err err;
  json_t *list;
  assert_ok(hgl_host_list_runs(node->host, &list, &err));
  size_t count = json_array_size(list);
  json_decref(list);
  return count;
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

static void add_three(struct node *node, enum hgl_strategy strategy, int group_restarts)
{
  struct hgl_err err;
  const struct hgl_group_config group = {"shop", strategy, group_restarts, 10000};
  struct hgl_agent_config config = policy(2, 10000, 100, 1);
  assert_ok(hgl_host_add_group(node->host, &group, &err));
  config.group = "shop";
  world_agent_with(node, "a", writer, config);
  world_agent_with(node, "b", writer, config);
  world_agent_with(node, "c", writer, config);
  config.group = NULL;
  world_agent_with(node, "alone", writer, config);
}

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

/* ---- what the operator decides ---- */

static void a_paused_agent_does_nothing_and_goes_on_where_it_was(void **state)
{
  static const char script[] =
      "agent.every('tick', '1s', function() log.info('tick') end)\n"
      "agent.on('x/1.0/write', function(message) log.info('wrote ' .. message.body.text) end)\n"
      "agent.on('x/1.0/nap', function() agent.sleep('2s') log.info('woke') end)\n";
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  world_say(a, "x", "x/1.0/nap", NULL);
  world_advance(&world, 1000);
  assert_int_equal(world_count_logged(&world, "tick"), 1);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  write_text(a, "x", "one");
  world_advance(&world, 10000);
  assert_status(a, "x", "paused");
  assert_int_equal(world_count_logged(&world, "tick"), 1);
  assert_false(world_logged(&world, "woke"));
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "woke"), 1);
  assert_int_equal(world_count_logged(&world, "wrote one"), 1);
  assert_int_equal(world_count_logged(&world, "tick"), 2); /* late ones once */
  assert_int_equal(restarts(a, "x"), 0);
  world_deinit(&world);
}

static void a_pause_lasts_over_a_restart_of_the_host(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  write_text(a, "x", "one");
  world_run(&world);
  begin_again(a);
  world_agent(a, "x", writer, NULL);
  write_text(a, "x", "two");
  world_advance(&world, 5000);
  assert_status(a, "x", "paused");
  assert_false(world_logged(&world, "restarted"));
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_run(&world);
  assert_true(world_logged(&world, "x: start restarted\nx: wrote one\nx: wrote two\n"));
  begin_again(a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  assert_status(a, "x", "running");
  assert_int_equal(written(a, "x"), 2);
  world_deinit(&world);
}

static void one_that_waits_for_its_restart_can_be_paused_resumed_and_stopped(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  add_three(a, HGL_ONE_FOR_ALL, 0);
  world_run(&world);
  write_text(a, "a", "boom");
  world_advance(&world, 600);
  assert_status(a, "a", "starting");
  assert_status(a, "c", "starting");
  assert_ok(hgl_host_pause_agent(a->host, "a", &err));
  assert_ok(hgl_host_stop_agent(a->host, "b", &err)); /* it had its on_stop */
  assert_ok(hgl_host_resume_agent(a->host, "c", &err));
  world_run(&world);
  assert_status(a, "c", "running");
  assert_status(a, "b", "stopped");
  world_advance(&world, 5000);
  assert_status(a, "a", "paused");
  assert_int_equal(world_count_logged(&world, "b: stop\n"), 1);
  assert_int_equal(world_count_logged(&world, "start restarted"), 1);
  assert_ok(hgl_host_resume_agent(a->host, "a", &err));
  assert_ok(hgl_host_resume_agent(a->host, "b", &err));
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "start restarted"), 3);
  world_deinit(&world);
}

static void want_of_memory_when_an_agent_is_added_leaves_nothing_behind(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  const struct hgl_group_config group = {"g", HGL_ONE_FOR_ALL, 3, 1000};
  assert_ok(hgl_host_add_group(a->host, &group, &err));
  world_run(&world);
  static const char *const grants[] = {"read=/proc/loadavg", "read=/proc/stat", NULL};
  for (long k = 0; k < 12; k++) { /* as far as the script is not loaded yet */
    struct hgl_agent_config config = {.name = "x",
                                      .script_path = "x.lua",
                                      .source = hgl_text(writer),
                                      .grants = grants,
                                      .group = "g",
                                      .restart = {.restarts_max = 2}};
    hgl_mem_fail_after(k);
    int status = hgl_host_add_agent(a->host, &config, &err);
    hgl_mem_fail_after(-1);
    assert_true(status < 0);
    assert_false(a->failed);
    assert_null(describe(a, "x"));
  }
  world_agent(a, "x", writer, grants);
  write_text(a, "x", "one");
  world_run(&world);
  assert_int_equal(written(a, "x"), 1);
  world_deinit(&world);
}

static const char sender[] =
    "agent.on('send/1.0/many', function(message)\n"
    "  for i = 1, message.body.count do\n"
    "    agent.send(message.body.to, 'x/1.0/write', { text = tostring(i) })\n"
    "  end\n"
    "end)\n"
    "agent.on_undelivered(function(message, why, code) log.info('undelivered ' .. code) end)\n";

static void send_many(struct node *from, struct node *to, const char *name, int count)
{
  char body[256];
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(&to->key, did);
  snprintf(body, sizeof body, "{\"to\":\"%s@%s\",\"count\":%d}", world_did(to, name), did, count);
  world_say(from, "s", "send/1.0/many", body);
}

static void a_full_mailbox_of_a_paused_agent_holds_the_sender_back_in_order(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a, *b;
  begin(&world, &a);
  b = world_node(&world);
  world_agent(b, "operator", "", NULL);
  world_agent(b, "s", sender, NULL);
  world_agent_with(a, "x", writer, (struct hgl_agent_config){.limits = {.mailbox_count = 4}});
  world_link(a, b);
  world_run(&world);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  send_many(b, a, "x", 9);
  world_advance(&world, 5000);
  json_t *agent = describe(a, "x");
  assert_int_equal(json_integer_value(json_object_get(agent, "mailbox")), 2); /* of one sender */
  json_decref(agent);
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_advance(&world, 60000);
  assert_true(world_logged(&world, "x: wrote 1\nx: wrote 2\n"));
  for (int i = 1; i <= 9; i++) {
    char text[32];
    snprintf(text, sizeof text, "x: wrote %d\n", i);
    assert_int_equal(world_count_logged(&world, text), 1);
  }
  assert_int_equal(written(a, "x"), 9);
  assert_false(world_logged(&world, "undelivered"));
  world_deinit(&world);
}

static size_t count_found(struct node *node, const char *query)
{
  struct hgl_err err;
  json_t *found;
  assert_ok(hgl_host_find(node->host, query, &found, &err));
  size_t count = json_array_size(found);
  json_decref(found);
  return count;
}

static void a_stopped_agent_is_not_here_until_it_is_resumed(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a, *b;
  char script[2048];
  snprintf(script, sizeof script, "agent.offer { service = 'writing' }\n%s", writer);
  begin(&world, &a);
  b = world_node(&world);
  world_agent(b, "operator", "", NULL);
  world_agent(b, "s", sender, NULL);
  world_agent(a, "x", script, NULL);
  world_link(a, b);
  world_advance(&world, 5000);
  assert_int_equal(count_found(a, "service=writing"), 1);
  assert_int_equal(count_found(b, "service=writing"), 1);
  write_text(a, "x", "one");
  assert_ok(hgl_host_stop_agent(a->host, "x", &err));
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "x: stop\n"), 1);
  assert_status(a, "x", "stopped");
  world_advance(&world, 5000);
  assert_int_equal(count_found(a, "service=writing"), 0);
  assert_int_equal(count_found(b, "service=writing"), 0);
  send_many(b, a, "x", 2);
  world_advance(&world, 2000);
  assert_int_equal(world_count_logged(&world, "undelivered not_here"), 2);
  assert_int_equal(-HGL_INVALID, hgl_host_pause_agent(a->host, "x", &err));
  struct hgl_id id;
  assert_int_equal(-HGL_NOT_HERE, hgl_host_send(a->host, "x", "x/1.0/write", hgl_bytes("\xa0", 1),
                                                0, NULL, NULL, &id, &err));
  begin_again(a);
  world_agent(a, "x", script, NULL);
  world_advance(&world, 1000);
  assert_status(a, "x", "stopped");
  assert_int_equal(count_found(a, "service=writing"), 0);
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_run(&world);
  assert_status(a, "x", "running");
  assert_int_equal(count_found(a, "service=writing"), 1);
  assert_int_equal(world_count_logged(&world, "start restarted"), 1);
  assert_int_equal(written(a, "x"), 1); /* what waited when it was stopped */
  world_deinit(&world);
}

static void a_restart_reads_the_script_anew_and_keeps_what_is_durable(void **state)
{
  static const char newer[] =
      "agent.on_start(function(reason) log.info('newer ' .. reason) end)\n"
      "agent.on('x/1.0/write', function(message)\n"
      "  log.info('newer wrote ' .. message.body.text .. ' after ' .. #state.texts)\n"
      "end)\n";
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  write_text(a, "x", "one");
  world_say(a, "x", "x/1.0/wait", NULL);
  world_run(&world);
  assert_ok(hgl_host_restart_agent(a->host, "x", hgl_text(writer), &err));
  write_text(a, "x", "two");
  world_run(&world);
  assert_true(world_logged(&world, "x: stop\n"));
  assert_true(world_logged(&world, "x: start restarted\nx: wrote two\n"));
  assert_int_equal(hgl_host_counts(a->host).dead, 0);
  assert_int_equal(waiting(a), 1); /* what was suspended goes on */
  /* A script that does not load changes nothing. */
  assert_int_equal(-HGL_SCRIPT,
                   hgl_host_restart_agent(a->host, "x", hgl_text("this is no Lua"), &err));
  write_text(a, "x", "three");
  world_run(&world);
  assert_true(world_logged(&world, "x: wrote three\n"));
  assert_int_equal(restarts(a, "x"), 1);
  assert_ok(hgl_host_restart_agent(a->host, "x", hgl_text(newer), &err));
  write_text(a, "x", "four");
  world_run(&world);
  assert_true(world_logged(&world, "x: newer reloaded\nx: newer wrote four after 3\n"));
  assert_ok(hgl_host_restart_agent(a->host, "x", hgl_bytes(NULL, 0), &err));
  world_run(&world);
  assert_true(world_logged(&world, "x: newer restarted\n"));
  world_deinit(&world);
}

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  (*(size_t *)user)++;
  return 0;
}

static size_t count_rows(struct node *node, enum hgl_db db)
{
  struct hgl_err err;
  const struct hgl_bytes none = {0};
  size_t rows = 0;
  assert_ok(hgl_store_scan(node->store, db, none, none, false, count_row, &rows, &err));
  return rows;
}

static void what_is_stored_of_a_removed_agent_waits_for_one_of_its_name(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  write_text(a, "x", "one");
  world_run(&world);
  assert_ok(hgl_host_remove_agent(a->host, "x", false, &err));
  world_run(&world);
  assert_null(describe(a, "x"));
  assert_int_equal(world_count_logged(&world, "x: stop\n"), 1);
  assert_int_equal(-HGL_NOT_FOUND, hgl_host_pause_agent(a->host, "x", &err));
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "start restarted"), 1);
  assert_int_equal(written(a, "x"), 1);
  world_deinit(&world);
}

static void a_forgotten_agent_is_erased_over_crashes_and_its_number_is_not_given_away(void **state)
{
  static const char large[] =
      "agent.on_start(function(reason) log.info(agent.name .. ' ' .. reason) end)\n"
      "agent.on('x/1.0/fill', function(message)\n"
      "  state.all = {}\n"
      "  for i = 1, 5000 do state.all[i] = { text = string.rep('x', 1500) } end\n"
      "end)\n"
      "agent.on('x/1.0/count', function(message)\n"
      "  message:reply('is', { count = state.all and #state.all or 0 })\n"
      "end)\n";
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", large, NULL);
  world_say(a, "x", "x/1.0/fill", NULL);
  world_run(&world);
  assert_int_equal(written(a, "x"), 5000);
  size_t before = count_rows(a, HGL_DB_STATE);
  assert_true(before >= 5000);
  assert_ok(hgl_host_remove_agent(a->host, "x", true, &err));
  for (int i = 0; i < 3; i++) hgl_host_tick(a->host);
  size_t left = count_rows(a, HGL_DB_STATE);
  assert_true(left > 0 && left < before); /* it takes some ticks */
  begin_again(a);
  world_agent(a, "y", large, NULL);
  world_say(a, "y", "x/1.0/fill", NULL);
  world_run(&world);
  assert_int_equal(count_rows(a, HGL_DB_STATE), before); /* those of y, and no others */
  assert_int_equal(written(a, "y"), 5000);
  world_agent(a, "x", large, NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "x: x created"), 2);
  assert_int_equal(written(a, "x"), 0);
  begin_again(a);
  world_agent(a, "y", large, NULL);
  world_run(&world);
  assert_int_equal(written(a, "y"), 5000);
  world_deinit(&world);
}

static void the_operator_cannot_be_stopped_and_unknown_names_are_errors(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  assert_int_equal(-HGL_INVALID, hgl_host_stop_agent(a->host, "operator", &err));
  assert_int_equal(-HGL_INVALID, hgl_host_remove_agent(a->host, "operator", true, &err));
  assert_int_equal(-HGL_NOT_FOUND, hgl_host_resume_agent(a->host, "nobody", &err));
  world_deinit(&world);
}

/* ---- told when it is durable ---- */

static void settled(void *user, json_t *agent, const struct hgl_err *why)
{
  char *text = user;
  snprintf(text, 32, "%s",
           why     ? hgl_code_name(why->code)
           : agent ? json_string_value(json_object_get(agent, "status"))
                   : "gone");
}

static void whoever_waits_is_told_when_it_is_durable(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  char text[32] = "";
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  hgl_store_hold(a->store, true);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  assert_ok(hgl_host_when_settled(a->host, "x", settled, text, &err));
  for (int i = 0; i < 5; i++) hgl_host_tick(a->host);
  assert_string_equal(text, ""); /* the commit is on its way */
  hgl_store_hold(a->store, false);
  world_run(&world);
  assert_string_equal(text, "paused");
  assert_ok(hgl_host_remove_agent(a->host, "x", false, &err));
  assert_ok(hgl_host_when_settled(a->host, "x", settled, text, &err));
  world_run(&world);
  assert_string_equal(text, "gone");
  assert_ok(hgl_host_when_settled(a->host, "x", settled, text, &err));
  begin_again(a);
  assert_string_equal(text, "closed");
  world_deinit(&world);
}

/* ---- all of it at once ---- */

static uint64_t draw(uint64_t *seed)
{
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return *seed >> 33;
}

static void disturb(struct world *world, struct node *a, struct node *b, uint64_t what,
                    struct hgl_agent_config config)
{
  struct hgl_err ignored;
  switch (what % 6) {
  case 0:
    (void)!hgl_host_pause_agent(a->host, "x", &ignored);
    break;
  case 1:
  case 2:
    (void)!hgl_host_resume_agent(a->host, "x", &ignored);
    break;
  case 3:
    (void)!hgl_host_restart_agent(a->host, "x", hgl_bytes(NULL, 0), &ignored);
    break;
  case 4:
    begin_again(a);
    world_agent_with(a, "x", writer, config);
    world_link(a, b);
    break;
  default:
    break;
  }
}

static void every_message_takes_effect_once_and_in_order_whatever_is_done(void **state)
{
  for (uint64_t first = 1; first <= 20; first++) {
    struct hgl_err ignored;
    struct world world;
    struct node *a, *b;
    uint64_t seed = first;
    struct hgl_agent_config config = policy(1000, 10000, 100, 1);
    config.limits.mailbox_count = 8;
    begin(&world, &a);
    b = world_node(&world);
    world_agent(b, "operator", "", NULL);
    world_agent(b, "s", sender, NULL);
    world_agent_with(a, "x", writer, config);
    world_link(a, b);
    world_run(&world);
    send_many(b, a, "x", 40);
    for (int i = 0; i < 30; i++) {
      if (draw(&seed) % 4 == 0) write_text(a, "x", "boom"); /* lost if it is stopped: no matter */
      for (uint64_t ticks = draw(&seed) % 4; ticks > 0; ticks--) {
        hgl_host_tick(a->host);
        hgl_host_tick(b->host);
        world_pass_frames(&world);
      }
      disturb(&world, a, b, draw(&seed), config);
      if (draw(&seed) % 3 == 0) world_advance(&world, (int64_t)(draw(&seed) % 1000));
    }
    (void)!hgl_host_resume_agent(a->host, "x", &ignored);
    world_advance(&world, 120000);
    if (written(a, "x") != 40) fail_msg("seed %d: %d of 40", (int)first, (int)written(a, "x"));
    const char *at = world.logged;
    for (int i = 1; i <= 40; i++) { /* what was rolled back and tried again is logged twice */
      char text[32];
      snprintf(text, sizeof text, "x: wrote %d\n", i);
      at = strstr(at, text);
      if (!at) fail_msg("seed %d: %d is out of order", (int)first, i);
    }
    world_deinit(&world);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_window_holds_what_is_younger_than_its_time),
      cmocka_unit_test(an_agent_that_cannot_start_begins_again_ever_later_and_is_parked),
      cmocka_unit_test(delays_end_at_their_ceiling),
      cmocka_unit_test(failures_count_within_their_time_and_not_beyond),
      cmocka_unit_test(a_dead_letter_too_many_is_a_failure_and_mail_waits_in_order),
      cmocka_unit_test(memory_is_a_failure_and_too_many_waiting_handlers_are_none),
      cmocka_unit_test(the_first_failure_may_park_or_stop),
      cmocka_unit_test(a_parked_agent_stays_so_over_a_restart_until_it_is_resumed),
      cmocka_unit_test(a_group_restarts_whom_its_strategy_names),
      cmocka_unit_test(a_group_in_which_one_keeps_failing_is_parked_as_its_strategy_says),
      cmocka_unit_test(a_group_that_fails_too_often_in_all_is_parked_whole),
      cmocka_unit_test(a_paused_agent_does_nothing_and_goes_on_where_it_was),
      cmocka_unit_test(a_pause_lasts_over_a_restart_of_the_host),
      cmocka_unit_test(one_that_waits_for_its_restart_can_be_paused_resumed_and_stopped),
      cmocka_unit_test(want_of_memory_when_an_agent_is_added_leaves_nothing_behind),
      cmocka_unit_test(a_full_mailbox_of_a_paused_agent_holds_the_sender_back_in_order),
      cmocka_unit_test(a_stopped_agent_is_not_here_until_it_is_resumed),
      cmocka_unit_test(a_restart_reads_the_script_anew_and_keeps_what_is_durable),
      cmocka_unit_test(what_is_stored_of_a_removed_agent_waits_for_one_of_its_name),
      cmocka_unit_test(a_forgotten_agent_is_erased_over_crashes_and_its_number_is_not_given_away),
      cmocka_unit_test(the_operator_cannot_be_stopped_and_unknown_names_are_errors),
      cmocka_unit_test(whoever_waits_is_told_when_it_is_durable),
      cmocka_unit_test(every_message_takes_effect_once_and_in_order_whatever_is_done),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
