#include <stdio.h>

#include "support/world.h"

static const char sink[] =
    "agent.on('x/1.0/y', function(message)\n"
    "  if not state.open then error('closed') end\n"
    "  state.count = (state.count or 0) + 1\n"
    "end)\n"
    "agent.on('x/1.0/open', function() state.open = true end)\n"
    "agent.on('report/1.0/ask', function(m) m:reply('told', { count = state.count or 0 }) end)\n";

static const char sender[] =
    "agent.on('go/1.0/now', function(message)\n"
    "  for i = 1, message.body.n do agent.send('sink', 'x/1.0/y', {}) end\n"
    "end)\n"
    "agent.on_undelivered(function(message, why, code)\n"
    "  log.info('undelivered ' .. message.type .. ' ' .. code)\n"
    "end)\n"
    "agent.on('ask/1.0/now', function()\n"
    "  local reply, why, code = agent.ask('sink', 'report/1.0/ask', {}, { within = '1s' })\n"
    "  log.info('answer ' .. (reply and reply.body.count or code))\n"
    "end)\n";

static void add_limited(struct node *node, const char *name, const char *source, size_t count,
                        size_t bytes, size_t per_sender)
{
  struct hgl_agent_config config = {.limits = {.mailbox_count = (int64_t)count,
                                               .mailbox_bytes = (int64_t)bytes,
                                               .mailbox_bytes_per_sender = (int64_t)bytes,
                                               .mailbox_per_sender = (int64_t)per_sender}};
  world_agent_with(node, name, source, config);
}

static struct node *begin(struct world *world, size_t count, size_t bytes, size_t per_sender)
{
  world_init(world, 1);
  struct node *node = world_node(world);
  world_agent(node, "operator", "", NULL);
  add_limited(node, "sink", sink, count, bytes, per_sender);
  world_agent(node, "sender", sender, NULL);
  world_agent(node, "second", sender, NULL);
  world_run(world);
  return node;
}

static void say_go(struct node *node, const char *who, int n)
{
  char body[32];
  snprintf(body, sizeof body, "{\"n\":%d}", n);
  world_say(node, who, "go/1.0/now", body);
  world_run(node->world);
}

static size_t undelivered(struct world *world)
{
  return world_count_logged(world, "undelivered x/1.0/y mailbox_full");
}

static void a_mailbox_takes_as_many_as_its_limit_and_no_more(void **state)
{
  struct world world;
  struct node *a = begin(&world, 5, 0, 5);
  say_go(a, "sender", 5); /* they fail and wait to be tried again: they keep their places */
  assert_int_equal(undelivered(&world), 0);
  say_go(a, "second", 1);
  assert_int_equal(undelivered(&world), 1);
  world_advance(&world, 3000); /* dead letters make room */
  say_go(a, "second", 1);
  assert_int_equal(undelivered(&world), 1);
  world_deinit(&world);
}

static void one_sender_has_only_its_share(void **state)
{
  struct world world;
  struct node *a = begin(&world, 0, 0, 3);
  say_go(a, "sender", 4);
  assert_int_equal(undelivered(&world), 1);
  say_go(a, "second", 3);
  assert_int_equal(undelivered(&world), 1);
  world_deinit(&world);
}

static void a_mailbox_is_bounded_in_bytes(void **state)
{
  struct world world;
  struct node *a = begin(&world, 0, 600, 0);
  say_go(a, "sender", 10);
  assert_in_range(undelivered(&world), 5, 9);
  world_deinit(&world);
}

static void an_answer_finds_its_place_in_a_full_mailbox(void **state)
{
  struct world world;
  world_init(&world, 2);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "sink", sink, NULL);
  add_limited(a, "sender", sender, 1, 0, 0);
  world_agent(a, "filler",
              "agent.on('go/1.0/now', function()\n"
              "  for i = 1, 3 do agent.send('sender', 'ask/1.0/now', {}) end\n"
              "end)\n",
              NULL);
  world_run(&world);
  world_say(a, "filler", "go/1.0/now", NULL);
  world_advance(&world, 3000);
  assert_int_equal(world_count_logged(&world, "answer 0"), 1);
  world_deinit(&world);
}

static void notices_of_what_was_not_delivered_take_places_too(void **state)
{
  static const char script[] =
      "agent.on('go/1.0/now', function(message)\n"
      "  for i = 1, message.body.n do agent.send('deaf', 'x/1.0/y', {}) end\n"
      "end)\n"
      "agent.on_undelivered(function() log.info('told') end)\n";
  struct world world;
  world_init(&world, 3);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "deaf", "", NULL);
  add_limited(a, "sender", script, 10, 0, 4);
  world_run(&world);
  for (int i = 1; i <= 2; i++) {
    say_go(a, "sender", 6); /* all come back at once */
    assert_int_equal(world_count_logged(&world, "sender: told"), 4 * i);
    assert_int_equal(world_count_logged(&world, "sender is not told of all"), 1);
  }
  world_deinit(&world);
}

static void what_waits_keeps_its_places_over_a_restart(void **state)
{
  struct world world;
  struct node *a = begin(&world, 5, 0, 5);
  say_go(a, "sender", 5);
  world_crash(a);
  world_restart(a);
  world_agent(a, "operator", "", NULL);
  add_limited(a, "sink", sink, 5, 0, 5);
  world_agent(a, "sender", sender, NULL);
  world_agent(a, "second", sender, NULL);
  say_go(a, "second", 1);
  assert_int_equal(undelivered(&world), 1);
  world_deinit(&world);
}

static void a_message_without_recipient_or_handler_comes_back_with_its_code(void **state)
{
  struct world world;
  world_init(&world, 3);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "sink", sink, NULL);
  world_agent(a, "sender",
              "agent.on('go/1.0/now', function()\n"
              "  agent.send('sink', 'no/1.0/such', {})\n"
              "  local ok, why, code = agent.send('nobody', 'no/1.0/such', {})\n"
              "  log.info('at once ' .. code)\n"
              "end)\n"
              "agent.on_undelivered(function(message, why, code)\n"
              "  log.info('undelivered ' .. message.type .. ' ' .. code)\n"
              "end)\n",
              NULL);
  world_say(a, "sender", "go/1.0/now", NULL);
  world_run(&world);
  assert_true(world_logged(&world, "undelivered no/1.0/such no_handler"));
  assert_true(world_logged(&world, "at once undeliverable"));
  world_deinit(&world);
}

static void state_survives_a_crash_and_a_store_that_is_full_for_a_while(void **state)
{
  struct world world;
  struct node *a = begin(&world, 0, 0, 0);
  world_say(a, "sink", "x/1.0/open", NULL);
  world_run(&world);
  hgl_store_fault(a->store, HGL_DISK_FULL, 3);
  world_say(a, "sender", "go/1.0/now", "{\"n\":2}");
  for (int i = 0; i < 4; i++) hgl_host_tick(a->host);
  assert_true(world_logged(&world, "nothing is taken in until it can be stored"));
  world_say(a, "sender", "go/1.0/now", "{\"n\":2}");
  for (int i = 0; i < 20; i++) {
    hgl_clock_advance(&world.time, 500);
    hgl_host_tick(a->host);
  }
  world_run(&world);
  assert_true(world_logged(&world, "the store takes commits again"));
  world_crash(a);
  world_restart(a);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "sink", sink, NULL);
  assert_int_equal(world_number(a, "sink", "report/1.0/ask", "count"), 4);
  assert_false(a->failed);
  world_deinit(&world);
}

static void a_store_of_unknown_outcome_ends_the_host(void **state)
{
  struct world world;
  struct node *a = begin(&world, 0, 0, 0);
  hgl_store_fault(a->store, HGL_IO, 1);
  world_say(a, "sink", "x/1.0/open", NULL);
  world_run(&world);
  assert_true(a->failed);
  assert_int_equal(a->failure.code, HGL_IO);
  struct hgl_err err;
  struct hgl_id id;
  static const uint8_t empty[] = {0xa0};
  assert_fails(HGL_CLOSED, hgl_host_send(a->host, "sink", "x/1.0/y", hgl_bytes(empty, 1), 0, NULL,
                                         NULL, &id, &err));
  world_deinit(&world);
}

static void what_goes_on_anew_waits_through_a_crash_when_its_tick_has_no_time_left(void **state)
{
  static const char loop[] = "agent.on('go/1.0/now', function()\n"
                             "  state.n = 1\n"
                             "  agent.continue('step', { n = 2, text = 'kept' })\n"
                             "  log.info('takes 30 ms')\n"
                             "end)\n"
                             "agent.on_timer('step', function(value)\n"
                             "  assert(state.n == 1)\n"
                             "  state.n = value.n\n"
                             "  log.info('step with ' .. value.text)\n"
                             "end)\n"
                             "agent.on('report/1.0/ask', function(m)\n"
                             "  m:reply('told', { n = state.n or 0 }) end)\n";
  struct world world;
  world_init(&world, 2);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "loop", loop, NULL);
  world_run(&world);
  world_say(a, "loop", "go/1.0/now", NULL);
  hgl_host_tick(a->host);
  assert_true(world_logged(&world, "takes 30 ms"));
  assert_false(world_logged(&world, "step"));
  for (int i = 0; i < 2; i++) { /* its row goes with what it does */
    world_crash(a);
    world_restart(a);
    world_agent(a, "operator", "", NULL);
    world_agent(a, "loop", loop, NULL);
    assert_int_equal(world_number(a, "loop", "report/1.0/ask", "n"), 2);
    assert_int_equal(world_count_logged(&world, "step with kept"), 1);
  }
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_mailbox_takes_as_many_as_its_limit_and_no_more),
      cmocka_unit_test(one_sender_has_only_its_share),
      cmocka_unit_test(a_mailbox_is_bounded_in_bytes),
      cmocka_unit_test(an_answer_finds_its_place_in_a_full_mailbox),
      cmocka_unit_test(notices_of_what_was_not_delivered_take_places_too),
      cmocka_unit_test(what_waits_keeps_its_places_over_a_restart),
      cmocka_unit_test(a_message_without_recipient_or_handler_comes_back_with_its_code),
      cmocka_unit_test(state_survives_a_crash_and_a_store_that_is_full_for_a_while),
      cmocka_unit_test(a_store_of_unknown_outcome_ends_the_host),
      cmocka_unit_test(what_goes_on_anew_waits_through_a_crash_when_its_tick_has_no_time_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
