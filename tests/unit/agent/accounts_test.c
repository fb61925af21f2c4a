/* What one agent may have said to other hosts without an acknowledgement. */
#include "support/world.h"

enum { LIMIT = 200000 };

/* Says 1000 bytes as often as it is told, and counts what was taken. */
static const char talker[] = "local sinks = agent.config.sinks\n"
                             "agent.on('go/1.0/now', function(message)\n"
                             "  state.code, state.said = nil, 0\n"
                             "  for i = 1, 500 do\n"
                             "    local id, why, code = agent.send(sinks[i % #sinks + 1],\n"
                             "      'x/1.0/y', { text = string.rep('x', 1000) })\n"
                             "    if not id then state.code = code break end\n"
                             "    state.said = state.said + 1\n"
                             "  end\n"
                             "end)\n"
                             "agent.on('report/1.0/ask', function(message)\n"
                             "  message:reply('is', { said = state.said,\n"
                             "    limited = state.code == 'limit' and 1 or 0 })\n"
                             "end)\n";
static const char sink[] = "agent.on('x/1.0/y', function() state.n = (state.n or 0) + 1 end)\n"
                           "agent.on('report/1.0/ask', function(message)\n"
                           "  message:reply('is', { n = state.n or 0 })\n"
                           "end)\n";

struct scene {
  struct world world;
  struct node *a, *b, *c;
  struct hgl_buf config;
};

static void add_talkers(struct scene *scene)
{
  struct hgl_agent_config config = {.config = hgl_buf_bytes(&scene->config),
                                    .limits = {.outbox_bytes = LIMIT}};
  world_agent(scene->a, "operator", "", NULL);
  world_agent_with(scene->a, "first", talker, config);
  world_agent_with(scene->a, "second", talker, config);
}

static void begin(struct scene *scene)
{
  world_init(&scene->world, 3);
  scene->a = world_node(&scene->world);
  scene->b = world_node(&scene->world);
  scene->c = world_node(&scene->world);
  hgl_buf_init(&scene->config, HGL_BODY_SIZE_MAX);
  hgl_cbor_put_map(&scene->config, 1);
  hgl_cbor_put_literal(&scene->config, "sinks");
  hgl_cbor_put_list(&scene->config, 2);
  hgl_cbor_put_literal(&scene->config, world_did(scene->b, "sink"));
  hgl_cbor_put_literal(&scene->config, world_did(scene->c, "sink"));
  add_talkers(scene);
  struct node *others[] = {scene->b, scene->c};
  for (int i = 0; i < 2; i++) {
    world_agent(others[i], "operator", "", NULL);
    world_agent(others[i], "sink", sink, NULL);
    world_link(scene->a, others[i]);
  }
  world_advance(&scene->world, 1000);
}

static void end(struct scene *scene)
{
  assert_false(scene->a->failed || scene->b->failed || scene->c->failed);
  hgl_buf_deinit(&scene->config);
  world_deinit(&scene->world);
}

static int64_t say(struct scene *scene, const char *name, bool limited)
{
  world_say(scene->a, name, "go/1.0/now", NULL);
  world_run(&scene->world);
  assert_int_equal(world_number(scene->a, name, "report/1.0/ask", "limited"), limited);
  return world_number(scene->a, name, "report/1.0/ask", "said");
}

static void unlink_all(struct scene *scene)
{
  world_unlink(scene->a, scene->b);
  world_unlink(scene->a, scene->c);
}

/* 1000 bytes and what surrounds them: some 150 of them fit. */
static void some_fit(int64_t said)
{
  assert_in_range(said, 100, LIMIT / 1000);
}

static void an_agent_may_owe_a_bounded_amount_to_all_hosts_together(void **state)
{
  struct scene scene;
  begin(&scene);
  some_fit(say(&scene, "first", true));
  some_fit(say(&scene, "first", true)); /* the earlier ones are acknowledged */
  unlink_all(&scene);
  some_fit(say(&scene, "first", true));
  assert_int_equal(say(&scene, "first", true), 0);
  some_fit(say(&scene, "second", true)); /* each has its own */
  end(&scene);
}

static void what_is_owed_counts_after_a_restart_too(void **state)
{
  struct scene scene;
  begin(&scene);
  unlink_all(&scene);
  int64_t said = say(&scene, "first", true);
  world_crash(scene.a);
  world_restart(scene.a);
  add_talkers(&scene);
  assert_int_equal(say(&scene, "first", true), 0);
  world_link(scene.a, scene.b);
  world_link(scene.a, scene.c);
  world_advance(&scene.world, 1000);
  assert_int_equal(world_number(scene.b, "sink", "report/1.0/ask", "n") +
                       world_number(scene.c, "sink", "report/1.0/ask", "n"),
                   said);
  some_fit(say(&scene, "first", true));
  end(&scene);
}

static void what_a_full_mailbox_holds_back_is_still_owed(void **state)
{
  struct scene scene;
  begin(&scene);
  static const char slow[] = "agent.on('x/1.0/y', function() agent.sleep('1h') end)\n";
  const struct hgl_agent_config config = {.limits = {.runs_max = 2, .mailbox_count = 4}};
  world_crash(scene.b);
  world_restart(scene.b);
  world_agent_with(scene.b, "sink", slow, config);
  world_link(scene.a, scene.b);
  some_fit(say(&scene, "first", true));
  world_advance(&scene.world, 5000);
  int64_t said = say(&scene, "first", true); /* what went to the other host is acknowledged */
  assert_in_range(said, 40, LIMIT / 1000 - 50);
  end(&scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_agent_may_owe_a_bounded_amount_to_all_hosts_together),
      cmocka_unit_test(what_is_owed_counts_after_a_restart_too),
      cmocka_unit_test(what_a_full_mailbox_holds_back_is_still_owed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
