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

/* ---- three hosts ---- */

static void an_advert_travels_over_a_third_host_and_a_link_is_asked_for(void **state)
{
  struct world world;
  world_init(&world, 3);
  struct node *a = world_node(&world), *b = world_node(&world), *c = world_node(&world);
  world_agent(a, "seller",
              "agent.offer { service = 'weather', price = 4 }\n"
              "agent.on('echo/1.0/say', function(message)\n"
              "  message:reply('said', message.body)\n"
              "end)\n",
              NULL);
  world_agent(c, "operator", "", NULL);
  world_agent(
      c, "buyer",
      "agent.on('go/1.0/now', function()\n"
      "  for _, offer in ipairs(agent.find { service = 'weather' }) do\n"
      "    log.info('found ' .. offer.agent .. ' ' .. offer.price)\n"
      "    local reply, why, code = agent.ask(offer.agent, 'echo/1.0/say', { text = 'hi' },\n"
      "      { within = '60s' })\n"
      "    log.info('heard ' .. (reply and reply.body.text or code))\n"
      "  end\n"
      "end)\n",
      NULL);
  world_link(a, b);
  world_run(&world);
  world_link(b, c);
  world_advance(&world, 30000);
  struct hgl_err err;
  json_t *found;
  assert_ok(hgl_host_find(c->host, "service=weather", &found, &err));
  assert_int_equal(json_array_size(found), 1);
  assert_string_equal(json_string_value(json_object_get(json_array_get(found, 0), "agent")),
                      world_did(a, "seller"));
  json_decref(found);
  world_say(c, "buyer", "go/1.0/now", NULL);
  world_run(&world);
  assert_true(world_logged(&world, "buyer: found did:key:"));
  assert_int_equal(c->wants, 1);
  assert_memory_equal(&c->last_wanted, &a->key, sizeof a->key);
  world_link(c, a);
  world_run(&world);
  assert_true(world_logged(&world, "buyer: heard hi"));
  world_deinit(&world);
}

/* ---- memory ---- */

static const char worker_format[] =
    "agent.protocol { name = 'job', version = '1.0', messages = {\n"
    "  ask = { body = { n = 'integer' }, replies = { 'done' } }, done = {} } }\n"
    "agent.on('go/1.0/now', function(message)\n"
    "  state.n = (state.n or 0) + 1\n"
    "  agent.after('ring', '100ms', 'k' .. state.n)\n"
    "  agent.send('%s', 'job/1.0/ask', { n = state.n })\n"
    "  local reply = agent.ask('%s', 'job/1.0/ask', { n = 0 }, { within = '2s' })\n"
    "  if reply then agent.keep(reply) end\n"
    "  agent.deal { id = 'deal-' .. message.thid, status = 'agreed' }\n"
    "end)\n"
    "agent.on('job/1.0/ask', function(message)\n"
    "  if message.body.n == 2 and message.attempt == 1 then error('once') end\n"
    "  message:reply('done', {})\n"
    "end)\n"
    "agent.on('job/1.0/done', function() end)\n"
    "agent.on_timer('ring', function() state.rung = (state.rung or 0) + 1 end)\n"
    "agent.on('report/1.0/ask', function(m) m:reply('told', { n = state.n or 0 }) end)\n";

static void add_workers(struct node *node, struct node *other)
{
  char script[2048];
  snprintf(script, sizeof script, worker_format, world_did(other, "worker"),
           world_did(other, "worker"));
  world_agent(node, "operator", "", NULL);
  world_agent(node, "worker", script, NULL);
}

static void try_say(struct node *node)
{
  static const uint8_t empty[] = {0xa0};
  struct hgl_err err;
  struct hgl_id id;
  int status = hgl_host_send(node->host, "worker", "go/1.0/now", hgl_bytes(empty, 1), 0, NULL, NULL,
                             &id, &err);
  (void)status; /* no memory for it: the operator hears so */
}

/* Memory ends after n requests in the middle of a busy exchange and comes back later. A host either
 * goes on or gives up and is made anew from its store; both then work. */
static void want_of_memory_at_any_moment_is_survived(void **state)
{
  int failed = 0, survived = 0;
  for (long n = 0; n < 4000; n += 1 + n / 40) {
    struct world world;
    world_init(&world, 4);
    struct node *nodes[] = {world_node(&world), world_node(&world)};
    for (int i = 0; i < 2; i++) add_workers(nodes[i], nodes[!i]);
    world_link(nodes[0], nodes[1]);
    world_run(&world);
    try_say(nodes[0]);
    hgl_mem_fail_after(n);
    for (int i = 0; i < 4; i++) {
      try_say(nodes[i % 2]);
      for (int k = 0; k < 2; k++)
        if (!nodes[k]->failed) hgl_host_tick(nodes[k]->host);
      world_pass_frames(&world);
    }
    hgl_mem_fail_after(-1);
    for (int i = 0; i < 2; i++) {
      failed += nodes[i]->failed;
      survived += !nodes[i]->failed;
      if (!nodes[i]->failed) continue;
      world_crash(nodes[i]);
      world_restart(nodes[i]);
      add_workers(nodes[i], nodes[!i]);
    }
    world_unlink(nodes[0], nodes[1]);
    world_link(nodes[0], nodes[1]);
    world_advance(&world, 4000);
    for (int i = 0; i < 2; i++) {
      assert_false(nodes[i]->failed);
      assert_true(world_number(nodes[i], "worker", "report/1.0/ask", "n") >= 0);
    }
    world_deinit(&world);
  }
  assert_true(failed > 10);
  assert_true(survived > 10);
}

static void want_of_memory_at_the_start_is_an_error(void **state)
{
  struct world world;
  world_init(&world, 5);
  struct node *a = world_node(&world);
  add_workers(a, a);
  world_say(a, "worker", "go/1.0/now", NULL);
  world_advance(&world, 500);
  world_crash(a);
  bool done = false;
  for (long n = 0; n < 5000 && !done; n++) {
    hgl_mem_fail_after(n);
    done = world_try_restart(a);
    hgl_mem_fail_after(-1);
    if (!done) hgl_writeset_clear(hgl_store_open_set(a->store));
  }
  assert_true(done);
  add_workers(a, a);
  assert_true(world_number(a, "worker", "report/1.0/ask", "n") >= 1);
  world_deinit(&world);
}

/* An agent whose key is elsewhere, by a delegation of this sequence. */
static int add_delegated(struct node *node, const struct hgl_signer *key, uint64_t sequence,
                         struct hgl_err *err)
{
  struct hgl_buf bytes;
  int64_t now_s = node->world->time.wall_ms / 1000;
  struct hgl_delegation delegation = {.agent = *hgl_signer_key(key),
                                      .host = node->key,
                                      .issued_s = now_s,
                                      .expires_s = now_s + 24 * 3600,
                                      .sequence = sequence};
  hgl_buf_init(&bytes, HGL_DELEGATION_SIZE_MAX);
  int status = hgl_delegation_sign(key, &delegation, &bytes, err);
  struct hgl_agent_config config = {.name = "elsewhere",
                                    .script_path = "elsewhere.lua",
                                    .source = hgl_text(echo),
                                    .delegation = hgl_buf_bytes(&bytes)};
  if (!status) status = hgl_host_add_agent(node->host, &config, err);
  hgl_buf_deinit(&bytes);
  return status;
}

static void a_delegation_older_than_the_one_used_is_refused(void **state)
{
  struct world world;
  struct hgl_signer *key;
  struct hgl_err err;
  static const uint8_t seed[HGL_SEED_SIZE] = {7};
  world_init(&world, 77);
  struct node *a = world_node(&world);
  assert_ok(hgl_signer_create(seed, &key, &err));
  assert_ok(add_delegated(a, key, 5, &err));
  world_run(&world);
  assert_true(world_logged(&world, "elsewhere: its delegation ends in 24 hours"));
  world_crash(a);
  world_restart(a);
  assert_fails(HGL_DELEGATION_REVOKED, add_delegated(a, key, 4, &err));
  assert_ok(add_delegated(a, key, 5, &err));
  world_run(&world);
  hgl_signer_destroy(key);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_delegation_older_than_the_one_used_is_refused),
      cmocka_unit_test(local_agents_talk_within_one_tick),
      cmocka_unit_test(two_hosts_exchange_a_signed_message_and_its_answer),
      cmocka_unit_test(an_advert_travels_over_a_third_host_and_a_link_is_asked_for),
      cmocka_unit_test(want_of_memory_at_any_moment_is_survived),
      cmocka_unit_test(want_of_memory_at_the_start_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
