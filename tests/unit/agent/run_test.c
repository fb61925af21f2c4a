#include <stdio.h>

#include "support/world.h"

static void setup(struct world *world, struct node **node, uint64_t seed)
{
  world_init(world, seed);
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
}

static void restart(struct node *node)
{
  world_crash(node);
  world_restart(node);
  world_agent(node, "operator", "", NULL);
}

/* ---- stretches ---- */

static void a_raise_takes_back_all_that_the_stretch_did(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 1);
  world_agent(a, "sink", "agent.on('a/1.0/b', function() log.info('heard') end)", NULL);
  world_agent(a, "worker",
              "agent.on('x/1.0/y', function(message)\n"
              "  state.n = (state.n or 0) + 1\n"
              "  agent.send('sink', 'a/1.0/b', {})\n"
              "  agent.after('later', '1ms')\n"
              "  agent.deal { id = 'deal-one', status = 'agreed' }\n"
              "  log.info('turn ' .. message.attempt)\n"
              "  error('no')\n"
              "end)\n"
              "agent.on_timer('later', function() log.info('fired') end)\n"
              "agent.on('report/1.0/ask', function(m) m:reply('told', { n = state.n or 0 }) end)\n",
              NULL);
  world_run(&world);
  world_say(a, "worker", "x/1.0/y", NULL);
  world_advance(&world, 2000);
  assert_int_equal(world_count_logged(&world, "turn "), 3);
  assert_true(world_logged(&world, "turn 3"));
  assert_false(world_logged(&world, "heard"));
  assert_false(world_logged(&world, "fired"));
  assert_int_equal(world_number(a, "worker", "report/1.0/ask", "n"), 0);
  struct hgl_err err;
  json_t *deals;
  assert_ok(hgl_host_list_deals(a->host, 10, &deals, &err));
  assert_int_equal(json_array_size(deals), 0);
  json_decref(deals);
  assert_int_equal(world_dead_count(a, "handler_failed"), 1);
  world_deinit(&world);
}

static void a_handler_that_succeeds_the_second_time_is_not_dead(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 2);
  world_agent(a, "worker",
              "agent.on('x/1.0/y', function(message)\n"
              "  if message.attempt == 1 then error('again') end\n"
              "  state.n = (state.n or 0) + 1\n"
              "end)\n"
              "agent.on('report/1.0/ask', function(m) m:reply('told', { n = state.n or 0 }) end)\n",
              NULL);
  world_say(a, "worker", "x/1.0/y", NULL);
  world_run(&world);
  assert_int_equal(world_number(a, "worker", "report/1.0/ask", "n"), 0);
  world_advance(&world, 99);
  assert_int_equal(world_number(a, "worker", "report/1.0/ask", "n"), 0);
  world_advance(&world, 50);
  assert_int_equal(world_number(a, "worker", "report/1.0/ask", "n"), 1);
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_deinit(&world);
}

static void a_retry_survives_a_crash_and_takes_effect_once(void **state)
{
  struct world world;
  struct node *a;
  static const char script[] =
      "agent.on('x/1.0/y', function(message)\n"
      "  log.info('try')\n"
      "  if message.attempt == 1 then error('again') end\n"
      "  state.n = (state.n or 0) + 1\n"
      "end)\n"
      "agent.on('report/1.0/ask', function(m) m:reply('told', { n = state.n or 0 }) end)\n";
  setup(&world, &a, 3);
  world_agent(a, "worker", script, NULL);
  world_say(a, "worker", "x/1.0/y", NULL);
  world_run(&world);
  restart(a);
  world_agent(a, "worker", script, NULL);
  world_advance(&world, 3000);
  assert_int_equal(world_number(a, "worker", "report/1.0/ask", "n"), 1);
  world_deinit(&world);
}

/* ---- suspended handlers ---- */

static const char sleeper[] =
    "agent.on('x/1.0/y', function(message)\n"
    "  state.begun = (state.begun or 0) + 1\n"
    "  agent.sleep('1s')\n"
    "  if message.body.fail then error('after the suspension') end\n"
    "  state.ended = (state.ended or 0) + 1\n"
    "  message:reply('done', {})\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { begun = state.begun or 0, ended = state.ended or 0 })\n"
    "end)\n";

static const char asker[] =
    "agent.on('go/1.0/now', function(message)\n"
    "  local reply, why, code = agent.ask('sleeper', 'x/1.0/y', message.body, { within = '60s' })\n"
    "  log.info('outcome ' .. (reply and 'reply' or code))\n"
    "end)\n";

static void
a_raise_after_a_suspension_is_tried_again_from_there_and_then_told_to_the_asker(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 4);
  world_agent(a, "sleeper", sleeper, NULL);
  world_agent(a, "asker", asker, NULL);
  world_say(a, "asker", "go/1.0/now", "{\"fail\":true}");
  world_advance(&world, 10000);
  assert_int_equal(world_number(a, "sleeper", "report/1.0/ask", "begun"), 1);
  assert_int_equal(world_number(a, "sleeper", "report/1.0/ask", "ended"), 0);
  assert_int_equal(world_count_logged(&world, "after the suspension [x/1.0/y"), 3);
  assert_true(world_logged(&world, "attempt 3"));
  assert_true(world_logged(&world, "outcome handler_failed"));
  assert_int_equal(world_dead_count(a, "handler_failed"), 1);
  world_deinit(&world);
}

static void a_handler_that_is_suspended_in_a_crash_goes_on_and_never_begins_again(void **state)
{
  struct world world;
  world_init(&world, 5);
  struct node *a = world_node(&world), *b = world_node(&world);
  char script[1024];
  snprintf(script, sizeof script,
           "agent.on('go/1.0/now', function(message)\n"
           "  local reply, why, code = agent.ask('%s', 'x/1.0/y', {}, { within = '60s' })\n"
           "  log.info('outcome ' .. (reply and 'reply' or code))\n"
           "end)\n",
           world_did(b, "sleeper"));
  world_agent(a, "operator", "", NULL);
  world_agent(a, "asker", script, NULL);
  world_agent(b, "operator", "", NULL);
  world_agent(b, "sleeper", sleeper, NULL);
  world_link(a, b);
  world_run(&world);
  world_say(a, "asker", "go/1.0/now", NULL);
  world_advance(&world, 500);
  restart(b);
  world_agent(b, "sleeper", sleeper, NULL);
  world_link(a, b);
  world_advance(&world, 5000);
  assert_int_equal(world_number(b, "sleeper", "report/1.0/ask", "begun"), 1);
  assert_int_equal(world_number(b, "sleeper", "report/1.0/ask", "ended"), 1);
  assert_int_equal(world_dead_count(b, NULL), 0);
  assert_true(world_logged(&world, "outcome reply"));
  /* Once: another restart finds nothing to go on with. */
  restart(b);
  world_agent(b, "sleeper", sleeper, NULL);
  world_advance(&world, 5000);
  assert_int_equal(world_number(b, "sleeper", "report/1.0/ask", "ended"), 1);
  world_deinit(&world);
}

/* ---- threads ---- */

static const char threads[] = "agent.on('t/1.0/open', function(message)\n"
                              "  for i = 1, 5 do message:reply('item', { n = i }) end\n"
                              "end)\n";

static const char listener[] =
    "agent.on('go/1.0/now', function() agent.send('talker', 't/1.0/open', {}) end)\n"
    "agent.on('t/1.0/item', function(message)\n"
    "  local n = message.body.n\n"
    "  log.info('begin ' .. n .. '.' .. message.attempt)\n"
    "  if n == 2 and message.attempt == 1 then error('once') end\n"
    "  if n == 1 or n == 3 then agent.sleep('200ms') end\n"
    "  state.order = (state.order or '') .. n\n"
    "end)\n"
    "agent.on('other/1.0/x', function() state.order = (state.order or '') .. 'x' end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  log.info('order ' .. (state.order or ''))\n"
    "  m:reply('told', {})\n"
    "end)\n";

static void messages_of_a_thread_wait_for_suspended_and_failed_ones_and_others_do_not(void **state)
{
  struct world world;
  struct node *a;
  enum hgl_code code;
  setup(&world, &a, 6);
  world_agent(a, "talker", threads, NULL);
  world_agent(a, "listener", listener, NULL);
  world_say(a, "listener", "go/1.0/now", NULL);
  world_run(&world);
  world_say(a, "listener", "other/1.0/x", NULL);
  world_advance(&world, 5000);
  json_decref(world_ask(a, "listener", "report/1.0/ask", &code));
  assert_true(world_logged(&world, "order x12345"));
  world_deinit(&world);
}

static void what_a_thread_held_is_there_after_a_crash_in_order(void **state)
{
  struct world world;
  struct node *a;
  enum hgl_code code;
  setup(&world, &a, 7);
  world_agent(a, "talker", threads, NULL);
  world_agent(a, "listener", listener, NULL);
  world_say(a, "listener", "go/1.0/now", NULL);
  world_advance(&world, 100); /* the first is suspended, the others wait */
  restart(a);
  world_agent(a, "talker", threads, NULL);
  world_agent(a, "listener", listener, NULL);
  world_advance(&world, 5000);
  json_decref(world_ask(a, "listener", "report/1.0/ask", &code));
  assert_true(world_logged(&world, "order 12345"));
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_deinit(&world);
}

static void a_long_thread_of_suspending_handlers_is_handled_in_linear_time(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 8);
  world_agent(a, "talker",
              "agent.on('t/1.0/open', function(message)\n"
              "  for i = 1, 3000 do message:reply('item', { n = i }) end\n"
              "end)\n",
              NULL);
  world_agent(a, "listener",
              "agent.on('go/1.0/now', function() agent.send('talker', 't/1.0/open', {}) end)\n"
              "agent.on('t/1.0/item', function(message)\n"
              "  agent.ask_all({})\n"
              "  if message.body.n == (state.n or 0) + 1 then state.n = message.body.n end\n"
              "end)\n"
              "agent.on('report/1.0/ask', function(m) m:reply('told', { n = state.n or 0 }) end)\n",
              NULL);
  world_say(a, "listener", "go/1.0/now", NULL);
  world_run(&world);
  assert_int_equal(world_number(a, "listener", "report/1.0/ask", "n"), 3000);
  world_deinit(&world);
}

/* ---- asks ---- */

static void an_ask_times_out_and_the_late_answer_changes_nothing(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 9);
  world_agent(a, "sleeper", sleeper, NULL);
  world_agent(
      a, "asker",
      "agent.on('go/1.0/now', function()\n"
      "  local reply, why, code = agent.ask('sleeper', 'x/1.0/y', {}, { within = '500ms' })\n"
      "  log.info('outcome ' .. (reply and 'reply' or code))\n"
      "  agent.sleep('2s')\n"
      "  log.info('still well')\n"
      "end)\n",
      NULL);
  world_say(a, "asker", "go/1.0/now", NULL);
  world_advance(&world, 5000);
  assert_true(world_logged(&world, "outcome timeout"));
  assert_true(world_logged(&world, "still well"));
  assert_int_equal(world_count_logged(&world, "outcome"), 1);
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_deinit(&world);
}

static void ask_all_gives_every_outcome_in_its_place(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 10);
  world_agent(a, "sleeper", sleeper, NULL);
  world_agent(a, "quick",
              "agent.on('q/1.0/yes', function(m) m:reply('ok', {}) end)\n"
              "agent.on('q/1.0/no', function(m) m:refuse('not today') end)\n"
              "agent.on('q/1.0/bad', function() error('boom') end)\n",
              NULL);
  world_agent(a, "asker",
              "agent.on('go/1.0/now', function()\n"
              "  local results = agent.ask_all({\n"
              "    { 'quick', 'q/1.0/yes', {} }, { 'quick', 'q/1.0/no', {} },\n"
              "    { 'quick', 'q/1.0/bad', {} }, { 'sleeper', 'x/1.0/y', {} },\n"
              "    { 'quick', 'q/1.0/what', {} }, { 'nobody', 'q/1.0/yes', {} } },\n"
              "    { within = '900ms' })\n"
              "  for i, result in ipairs(results) do\n"
              "    log.info(i .. ' ' .. (result.ok and 'ok' or result.code))\n"
              "  end\n"
              "end)\n",
              NULL);
  world_say(a, "asker", "go/1.0/now", NULL);
  world_advance(&world, 5000);
  assert_true(world_logged(&world, "1 ok"));
  assert_true(world_logged(&world, "2 refused"));
  assert_true(world_logged(&world, "3 handler_failed"));
  assert_true(world_logged(&world, "4 timeout"));
  assert_true(world_logged(&world, "5 no_handler"));
  assert_true(world_logged(&world, "6 undeliverable"));
  world_deinit(&world);
}

/* ---- life cycle ---- */

static void on_start_knows_why_and_on_upgrade_from_where(void **state)
{
  struct world world;
  struct node *a;
  static const char one[] = "agent.describe { version = 1 }\n"
                            "agent.on_start(function(reason) log.info('start ' .. reason) end)\n";
  static const char two[] = "agent.describe { version = 2 }\n"
                            "agent.on_start(function(reason) log.info('start ' .. reason) end)\n"
                            "agent.on_upgrade(function(from, to)\n"
                            "  log.info('upgrade ' .. from .. ' ' .. to)\n"
                            "end)\n";
  setup(&world, &a, 11);
  world_agent(a, "x", one, NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "start created"), 1);
  for (int i = 0; i < 2; i++) {
    restart(a);
    world_agent(a, "x", two, NULL);
    world_run(&world);
  }
  assert_int_equal(world_count_logged(&world, "start created"), 1);
  assert_int_equal(world_count_logged(&world, "start restarted"), 2);
  assert_int_equal(world_count_logged(&world, "upgrade 1 2"), 1);
  world_deinit(&world);
}

static void nothing_runs_before_a_start_that_is_tried_again(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 12);
  world_agent(a, "x",
              "agent.on_start(function()\n"
              "  cache.tries = (cache.tries or 0) + 1\n"
              "  log.info('start')\n"
              "  if not state.go then state.go = true error('not yet') end\n"
              "end)\n"
              "agent.on('x/1.0/y', function() log.info('handled') end)\n",
              NULL);
  world_say(a, "x", "x/1.0/y", NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "x: start"), 1);
  assert_false(world_logged(&world, "handled"));
  world_advance(&world, 1000); /* its retries are over: the agent is to begin again */
  assert_int_equal(world_count_logged(&world, "x: start"), 3);
  world_advance(&world, 2000);
  assert_int_equal(world_count_logged(&world, "x: start"), 6);
  assert_false(world_logged(&world, "handled"));
  world_deinit(&world);
}

static void a_stop_is_handled_at_once_and_what_waits_is_there_at_the_next_start(void **state)
{
  struct world world;
  struct node *a;
  static const char script[] = "agent.on('x/1.0/y', function() log.info('handled') end)\n"
                               "agent.on_stop(function() log.info('stopping') end)\n";
  setup(&world, &a, 13);
  world_agent(a, "x", script, NULL);
  world_run(&world);
  world_say(a, "x", "x/1.0/y", NULL);
  hgl_host_stop_agents(a->host);
  world_run(&world);
  assert_true(world_logged(&world, "stopping"));
  assert_false(world_logged(&world, "handled"));
  world_say(a, "x", "x/1.0/y", NULL);
  world_run(&world);
  assert_false(world_logged(&world, "handled"));
  restart(a);
  world_agent(a, "x", script, NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "handled"), 2);
  world_deinit(&world);
}

static void a_stopping_host_refuses_nothing(void **state)
{
  struct world world;
  char script[1024];
  world_init(&world, 14);
  struct node *a = world_node(&world), *b = world_node(&world);
  static const char sink[] = "agent.on('x/1.0/y', function() log.info('handled') end)\n";
  snprintf(script, sizeof script,
           "agent.on('go/1.0/now', function() agent.send('%s', 'x/1.0/y', {}) end)\n"
           "agent.on_undelivered(function(m, why, code) log.info('undelivered ' .. code) end)\n",
           world_did(b, "x"));
  world_agent(a, "operator", "", NULL);
  world_agent(a, "source", script, NULL);
  world_agent(b, "x", sink, NULL);
  world_link(a, b);
  world_run(&world);
  hgl_host_stop_agents(b->host);
  world_say(a, "source", "go/1.0/now", NULL);
  world_run(&world);
  world_crash(b);
  world_restart(b);
  world_agent(b, "x", sink, NULL);
  world_link(a, b);
  world_run(&world);
  assert_false(world_logged(&world, "undelivered"));
  assert_int_equal(world_count_logged(&world, "handled"), 1);
  world_deinit(&world);
}

static void two_agents_that_never_cease_to_talk_do_not_hold_a_tick(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 15);
  world_agent(a, "ping", "agent.on('p/1.0/p', function() agent.send('pong', 'p/1.0/p', {}) end)\n",
              NULL);
  world_agent(a, "pong", "agent.on('p/1.0/p', function() agent.send('ping', 'p/1.0/p', {}) end)\n",
              NULL);
  world_run(&world);
  world_say(a, "ping", "p/1.0/p", NULL);
  hgl_host_tick(a->host);
  hgl_host_tick(a->host);
  assert_true(hgl_host_counts(a->host).handled > 100);
  world_deinit(&world);
}

static void a_message_that_a_newer_script_no_longer_handles_is_a_dead_letter(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 16);
  world_agent(a, "x", "agent.on('x/1.0/y', function() error('later') end)\n", NULL);
  world_run(&world);
  world_say(a, "x", "x/1.0/y", NULL);
  world_run(&world);
  restart(a);
  world_agent(a, "x", "agent.on('z/1.0/y', function() end)\n", NULL);
  world_run(&world);
  assert_int_equal(world_dead_count(a, "no_handler"), 1);
  world_deinit(&world);
}

/* Timers are named as a script likes, also by what is no text. */
static void whatever_a_timer_is_named_it_is_shown(void **state)
{
  static const char script[] = "agent.on_start(function(why)\n"
                               "  if why ~= 'created' then return end\n"
                               "  agent.after('t\\xff', '10ms')\n"
                               "  agent.after('t\\xff', '1h', nil, { key = 'k\\xff' })\n"
                               "end)\n"
                               "agent.on_timer('t\\xff', function() agent.sleep('1h') end)\n";
  struct hgl_err err;
  struct world world;
  struct node *a;
  json_t *list;
  setup(&world, &a, 3);
  world_agent(a, "x", script, NULL);
  world_advance(&world, 1000);
  for (int life = 0; life < 2; life++) {
    assert_ok(hgl_host_list_runs(a->host, &list, &err));
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "handler")),
                        "t\xef\xbf\xbd");
    json_decref(list);
    assert_ok(hgl_host_list_timers(a->host, "x", &list, &err));
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "key")),
                        "k\xef\xbf\xbd");
    json_decref(list);
    assert_ok(hgl_host_complete(a->host, "x", hgl_text("agent.after('t"), &list, &err));
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
    if (life) break;
    restart(a);
    world_agent(a, "x", script, NULL);
    world_run(&world);
  }
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_raise_takes_back_all_that_the_stretch_did),
      cmocka_unit_test(a_handler_that_succeeds_the_second_time_is_not_dead),
      cmocka_unit_test(a_retry_survives_a_crash_and_takes_effect_once),
      cmocka_unit_test(
          a_raise_after_a_suspension_is_tried_again_from_there_and_then_told_to_the_asker),
      cmocka_unit_test(a_handler_that_is_suspended_in_a_crash_goes_on_and_never_begins_again),
      cmocka_unit_test(messages_of_a_thread_wait_for_suspended_and_failed_ones_and_others_do_not),
      cmocka_unit_test(what_a_thread_held_is_there_after_a_crash_in_order),
      cmocka_unit_test(a_long_thread_of_suspending_handlers_is_handled_in_linear_time),
      cmocka_unit_test(an_ask_times_out_and_the_late_answer_changes_nothing),
      cmocka_unit_test(ask_all_gives_every_outcome_in_its_place),
      cmocka_unit_test(on_start_knows_why_and_on_upgrade_from_where),
      cmocka_unit_test(nothing_runs_before_a_start_that_is_tried_again),
      cmocka_unit_test(a_stop_is_handled_at_once_and_what_waits_is_there_at_the_next_start),
      cmocka_unit_test(a_stopping_host_refuses_nothing),
      cmocka_unit_test(two_agents_that_never_cease_to_talk_do_not_hold_a_tick),
      cmocka_unit_test(a_message_that_a_newer_script_no_longer_handles_is_a_dead_letter),
      cmocka_unit_test(whatever_a_timer_is_named_it_is_shown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
