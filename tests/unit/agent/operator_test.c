#include <stdio.h>

#include "support/world.h"

static const char echo[] =
    "agent.describe { name = 'echo', version = 3, about = 'says it again' }\n"
    "agent.on('echo/1.0/say', function(message) message:reply('said', { n = 5 }) end)\n"
    "agent.on('echo/1.0/no', function(message) message:refuse('never') end)\n"
    "agent.on('echo/1.0/mute', function() end)\n";

static struct node *begin(struct world *world)
{
  world_init(world, 1);
  struct node *node = world_node(world);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "echo", echo, NULL);
  world_run(world);
  return node;
}

static void the_operator_asks_and_is_answered(void **state)
{
  struct world world;
  struct node *a = begin(&world);
  assert_int_equal(world_number(a, "echo", "echo/1.0/say", "n"), 5);
  world_deinit(&world);
}

static void every_way_to_no_answer_has_its_code(void **state)
{
  struct world world;
  enum hgl_code code;
  struct node *a = begin(&world);
  assert_null(world_ask(a, "echo", "echo/1.0/mute", &code));
  assert_int_equal(code, HGL_TIMEOUT);
  assert_null(world_ask(a, "echo", "echo/1.0/what", &code));
  assert_int_equal(code, HGL_NO_HANDLER);
  assert_null(world_ask(a, "nobody", "echo/1.0/say", &code));
  assert_int_equal(code, HGL_UNDELIVERABLE);
  world_deinit(&world);
}

struct chain {
  struct node *node;
  int left, answered;
};

static void ask_next(struct chain *chain);

static void answered(void *user, json_t *reply, const struct hgl_err *why)
{
  struct chain *chain = user;
  chain->answered++;
  if (chain->left) ask_next(chain);
}

static void ask_next(struct chain *chain)
{
  static const uint8_t empty[] = {0xa0};
  struct hgl_err err;
  struct hgl_id id;
  chain->left--;
  assert_ok(hgl_host_send(chain->node->host, "echo", "echo/1.0/say", hgl_bytes(empty, 1), 1000,
                          answered, chain, &id, &err));
}

static void an_answer_may_ask_again(void **state)
{
  struct world world;
  struct chain chain = {begin(&world), 5, 0};
  ask_next(&chain);
  world_run(&world);
  world_run(&world);
  assert_int_equal(chain.answered, 5);
  world_deinit(&world);
}

static void every_question_ends_at_its_own_time(void **state)
{
  static const int64_t within_ms[] = {3000, 1000, 2000};
  struct world world;
  static const uint8_t empty[] = {0xa0};
  struct hgl_err err;
  struct hgl_id id;
  struct node *node = begin(&world);
  struct chain chains[3] = {{node, 0, 0}, {node, 0, 0}, {node, 0, 0}};
  for (size_t i = 0; i < 3; i++)
    assert_ok(hgl_host_send(node->host, "echo", "echo/1.0/mute", hgl_bytes(empty, 1), within_ms[i],
                            answered, &chains[i], &id, &err));
  world_run(&world);
  for (int seconds = 1; seconds <= 3; seconds++) {
    world_advance(&world, 1000);
    for (size_t i = 0; i < 3; i++)
      assert_int_equal(chains[i].answered, within_ms[i] <= seconds * 1000);
  }
  world_deinit(&world);
}

static void who_waits_for_an_answer_hears_that_the_host_stops(void **state)
{
  struct world world;
  static const uint8_t empty[] = {0xa0};
  struct hgl_err err;
  struct hgl_id id;
  struct chain chain = {begin(&world), 0, 0};
  assert_ok(hgl_host_send(chain.node->host, "echo", "echo/1.0/mute", hgl_bytes(empty, 1), 60000,
                          answered, &chain, &id, &err));
  world_run(&world);
  assert_int_equal(chain.answered, 0);
  world_deinit(&world);
  assert_int_equal(chain.answered, 1);
}

static void an_answer_waits_for_the_commit_of_what_it_tells(void **state)
{
  struct world world;
  static const uint8_t empty[] = {0xa0};
  struct hgl_err err;
  struct hgl_id id;
  struct chain chain = {begin(&world), 0, 0};
  hgl_store_hold(chain.node->store, true);
  assert_ok(hgl_host_send(chain.node->host, "echo", "echo/1.0/say", hgl_bytes(empty, 1), 1000,
                          answered, &chain, &id, &err));
  uint64_t handled = hgl_host_counts(chain.node->host).handled;
  for (int i = 0; i < 4; i++) hgl_host_tick(chain.node->host);
  assert_int_equal(hgl_host_counts(chain.node->host).handled, handled + 1);
  assert_int_equal(chain.answered, 0);
  hgl_store_hold(chain.node->store, false);
  world_run(&world);
  assert_int_equal(chain.answered, 1);
  world_deinit(&world);
}

static void a_stranger_who_knows_the_thread_does_not_answer_an_ask(void **state)
{
  /* The asked agent tells the thread's id to another, who speaks in it. */
  struct world world;
  world_init(&world, 2);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "mute",
              "agent.on('q/1.0/ask', function(message)\n"
              "  agent.send('stranger', 'q/1.0/tell', { ref = message:ref() })\n"
              "end)\n",
              NULL);
  world_agent(a, "stranger",
              "agent.on('q/1.0/tell', function(message)\n"
              "  local ok, why = pcall(agent.reply, message.body.ref, 'answer', { n = 1 })\n"
              "  log.info('tried ' .. tostring(ok) .. ' ' .. tostring(why))\n"
              "end)\n",
              NULL);
  world_agent(a, "asker",
              "agent.on('go/1.0/now', function()\n"
              "  local reply, why, code = agent.ask('mute', 'q/1.0/ask', {}, { within = '1s' })\n"
              "  log.info('outcome ' .. (reply and 'answered' or code))\n"
              "end)\n",
              NULL);
  world_say(a, "asker", "go/1.0/now", NULL);
  world_advance(&world, 3000);
  assert_true(world_logged(&world, "tried "));
  assert_true(world_logged(&world, "outcome timeout"));
  enum hgl_code code;
  world_agent(a, "relay",
              "agent.on('r/1.0/ask', function(message)\n"
              "  agent.send('stranger', 'q/1.0/tell', { ref = message:ref() })\n"
              "end)\n",
              NULL);
  assert_null(world_ask(a, "relay", "r/1.0/ask", &code));
  assert_int_equal(code, HGL_TIMEOUT);
  world_deinit(&world);
}

static void the_host_and_its_agents_describe_themselves(void **state)
{
  struct world world;
  struct hgl_err err;
  json_t *json;
  struct node *a = begin(&world);
  world_number(a, "echo", "echo/1.0/say", "n");
  assert_ok(hgl_host_describe(a->host, &json, &err));
  assert_int_equal(json_integer_value(json_object_get(json, "agents")), 2);
  assert_true(json_integer_value(json_object_get(json, "commits")) > 0);
  json_decref(json);
  assert_ok(hgl_host_list_agents(a->host, &json, &err));
  json_t *agent = json_array_get(json, 1);
  assert_string_equal(json_string_value(json_object_get(agent, "name")), "echo");
  assert_string_equal(json_string_value(json_object_get(agent, "status")), "running");
  assert_string_equal(json_string_value(json_object_get(agent, "about")), "says it again");
  assert_int_equal(json_integer_value(json_object_get(agent, "version")), 3);
  assert_true(json_integer_value(json_object_get(agent, "handled")) >= 1);
  json_decref(json);
  assert_ok(hgl_host_list_peers(a->host, &json, &err));
  assert_int_equal(json_array_size(json), 0);
  json_decref(json);
  world_deinit(&world);
}

static void a_reply_to_what_was_only_sent_is_no_failure(void **state)
{
  struct world world;
  struct hgl_err err;
  struct hgl_id id;
  static const uint8_t body[] = {0xa0};
  world_init(&world, 41);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "talker",
              "agent.on('talk/1.0/say', function(m) m:reply('said', {}) log.info('replied') end)\n"
              "agent.on_undelivered(function(m, why, code) log.info('undelivered ' .. code) end)\n",
              NULL);
  world_run(&world);
  assert_ok(hgl_host_send(a->host, "talker", "talk/1.0/say", hgl_bytes(body, sizeof body), 0, NULL,
                          NULL, &id, &err));
  world_run(&world);
  assert_true(world_logged(&world, "talker: replied"));
  assert_false(world_logged(&world, "undelivered"));
  assert_int_equal(hgl_host_counts(a->host).dead, 0);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_operator_asks_and_is_answered),
      cmocka_unit_test(every_way_to_no_answer_has_its_code),
      cmocka_unit_test(an_answer_may_ask_again),
      cmocka_unit_test(an_answer_waits_for_the_commit_of_what_it_tells),
      cmocka_unit_test(every_question_ends_at_its_own_time),
      cmocka_unit_test(who_waits_for_an_answer_hears_that_the_host_stops),
      cmocka_unit_test(a_stranger_who_knows_the_thread_does_not_answer_an_ask),
      cmocka_unit_test(the_host_and_its_agents_describe_themselves),
      cmocka_unit_test(a_reply_to_what_was_only_sent_is_no_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
