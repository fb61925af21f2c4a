#include "support/world.h"

#include <stdio.h>
#include <stdlib.h>

static const char echo[] = "agent.on('echo/1.0/say', function(message)\n"
                           "  message:reply('said', message.body)\n"
                           "end)\n";

static void local_agents_talk_within_one_tick(void **state)
{
  struct world world;
  world_init(&world, 1);
  struct node *a = world_node(&world);
  world_agent(a, "echo", echo, NULL);
  world_agent(a, "caller",
              "agent.on_start(function()\n"
              "  local reply, why, code = agent.ask('echo', 'echo/1.0/say', { text = 'hi' }, "
              "{ within = '5s' })\n"
              "  log.info('got ' .. (reply and reply.body.text or code))\n"
              "end)\n",
              NULL);
  world_run(&world);
  assert_true(world_logged(&world, "caller: got hi"));
  world_deinit(&world);
}

static void two_hosts_exchange_a_signed_message_and_its_answer(void **state)
{
  struct world world;
  world_init(&world, 2);
  struct node *a = world_node(&world), *b = world_node(&world);
  world_agent(b, "echo", echo, NULL);
  world_link(a, b);
  world_run(&world);
  char script[1024];
  snprintf(script, sizeof script,
           "agent.on_start(function()\n"
           "  local reply, why, code = agent.ask('%s', 'echo/1.0/say', { text = 'over' }, "
           "{ within = '5s' })\n"
           "  log.info('got ' .. (reply and reply.body.text or (code .. ' ' .. why)))\n"
           "end)\n",
           world_did(b, "echo"));
  world_agent(a, "caller", script, NULL);
  world_run(&world);
  assert_true(world_logged(&world, "caller: got over"));
  struct hgl_host_counts counts = hgl_host_counts(b->host);
  assert_int_equal(counts.received, 1);
  assert_true(counts.signatures >= 1);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(local_agents_talk_within_one_tick),
      cmocka_unit_test(two_hosts_exchange_a_signed_message_and_its_answer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
