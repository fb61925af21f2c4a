#include <stdio.h>

#include "agent/meter.h"
#include "support/world.h"

enum { RESERVE = HGL_DISK_RESERVE_DEFAULT };

static const char counter[] = "agent.on('x/1.0/y', function(m) state.n = (state.n or 0) + 1 "
                              "log.info('got ' .. state.n) end)\n"
                              "agent.every('tick', '1s', function() log.info('tick') end)\n"
                              "agent.on_stop(function() log.info('stopped well') end)\n";

struct scene {
  struct world world;
  struct node *a, *b;
  char script[1024];
};

static void begin(struct scene *scene)
{
  world_init(&scene->world, 1);
  scene->a = world_node(&scene->world);
  scene->b = world_node(&scene->world);
  snprintf(scene->script, sizeof scene->script,
           "agent.on('go/1.0/now', function() agent.send('%s', 'x/1.0/y', {}) end)\n"
           "agent.on_undelivered(function() log.info('undelivered') end)\n",
           world_did(scene->b, "counter"));
  world_agent(scene->a, "operator", "", NULL);
  world_agent(scene->a, "source", scene->script, NULL);
  world_agent(scene->b, "operator", "", NULL);
  world_agent(scene->b, "counter", counter, NULL);
  world_link(scene->a, scene->b);
  world_run(&scene->world);
}

static void say(struct scene *scene)
{
  world_say(scene->a, "source", "go/1.0/now", NULL);
  world_run(&scene->world);
}

/* What `describe` and `agents` show. */
static void expect_held(struct node *node, const char *held)
{
  struct hgl_err err;
  json_t *host, *agents;
  assert_ok(hgl_host_describe(node->host, &host, &err));
  const char *shown = json_string_value(json_object_get(host, "held"));
  assert_int_equal(shown != NULL, held != NULL);
  if (held) assert_string_equal(shown, held);
  assert_ok(hgl_host_list_agents(node->host, &agents, &err));
  assert_string_equal(json_string_value(json_object_get(json_array_get(agents, 0), "status")),
                      held ? "held" : "running");
  json_decref(host);
  json_decref(agents);
}

static void below_the_reserve_nothing_is_taken_in_and_above_it_everything_goes_on(void **state)
{
  struct scene scene;
  begin(&scene);
  say(&scene);
  assert_true(world_logged(&scene.world, "got 1"));
  hgl_store_set_space(scene.b->store, RESERVE); /* just enough */
  world_advance(&scene.world, 2000);
  expect_held(scene.b, NULL);
  say(&scene);
  assert_true(world_logged(&scene.world, "got 2"));
  hgl_store_set_space(scene.b->store, RESERVE - 1);
  world_advance(&scene.world, 1000);
  expect_held(scene.b, "disk_low");
  size_t ticks = world_count_logged(&scene.world, "counter: tick");
  for (int i = 0; i < 3; i++) say(&scene);
  world_advance(&scene.world, 30000);
  assert_false(world_logged(&scene.world, "got 3"));
  assert_int_equal(world_count_logged(&scene.world, "counter: tick"), ticks);
  assert_false(world_logged(&scene.world, "undelivered"));
  assert_int_equal(world_count_logged(&scene.world, "less than the reserve"), 1);
  hgl_store_set_space(scene.b->store, RESERVE + 1); /* it does not waver at the edge */
  world_advance(&scene.world, 2000);
  expect_held(scene.b, "disk_low");
  hgl_store_set_space(scene.b->store, RESERVE + RESERVE / 8);
  world_advance(&scene.world, 2000);
  expect_held(scene.b, NULL);
  assert_true(world_logged(&scene.world, "got 5"));
  assert_false(world_logged(&scene.world, "got 6"));
  assert_int_equal(world_count_logged(&scene.world, "taken in again"), 1);
  assert_in_range(world_count_logged(&scene.world, "counter: tick"), ticks + 1, ticks + 4);
  world_deinit(&scene.world);
}

/* The world would wait for the store. */
static void pass_alone(struct scene *scene, struct node *node, int64_t ms)
{
  for (; ms > 0; ms -= 100) {
    hgl_clock_advance(&scene->world.time, 100);
    hgl_host_tick(node->host);
  }
}

static void a_store_that_takes_no_commit_holds_the_host_and_says_so_once(void **state)
{
  struct scene scene;
  struct hgl_host_now now;
  begin(&scene);
  hgl_store_hold(scene.b->store, true);
  pass_alone(&scene, scene.b, 4000);
  expect_held(scene.b, NULL); /* it may only be slow */
  pass_alone(&scene, scene.b, 4000);
  expect_held(scene.b, "store_stalled");
  pass_alone(&scene, scene.b, 60000);
  expect_held(scene.b, "store_stalled");
  assert_int_equal(world_count_logged(&scene.world, "the store has taken no commit"), 1);
  hgl_host_now(scene.b->host, &now);
  assert_true(now.commit_waits_ms >= 60000);
  hgl_store_hold(scene.b->store, false);
  world_advance(&scene.world, 2000);
  expect_held(scene.b, NULL);
  assert_int_equal(world_count_logged(&scene.world, "the store takes commits again"), 1);
  say(&scene);
  assert_true(world_logged(&scene.world, "got 1"));
  hgl_host_now(scene.b->host, &now);
  assert_true(now.commit_waits_ms < 1000);
  world_deinit(&scene.world);
}

/* A quiet host: somebody waits for an answer, and there is nothing else to commit. */
static void one_commit_that_does_not_end_is_enough(void **state)
{
  struct world world;
  world_init(&world, 2);
  struct node *node = world_node(&world);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "quiet", "agent.on('x/1.0/y', function() end)", NULL);
  world_run(&world);
  hgl_store_hold(node->store, true);
  world_say(node, "quiet", "x/1.0/y", "{}");
  for (int ms = 0; ms < 8000; ms += 100) {
    hgl_clock_advance(&world.time, 100);
    hgl_host_tick(node->host);
  }
  assert_false(hgl_store_busy(node->store));
  expect_held(node, "store_stalled");
  hgl_store_hold(node->store, false);
  world_advance(&world, 1000);
  expect_held(node, NULL);
  assert_int_equal(world_count_logged(&world, "the store has taken no commit"), 1);
  assert_int_equal(world_count_logged(&world, "the store takes commits again"), 1);
  world_deinit(&world);
}

static void what_waits_survives_a_crash_of_either_side(void **state)
{
  struct scene scene;
  begin(&scene);
  hgl_store_set_space(scene.b->store, 0);
  world_advance(&scene.world, 1000);
  say(&scene);
  world_crash(scene.b);
  world_restart(scene.b);
  world_agent(scene.b, "operator", "", NULL);
  world_agent(scene.b, "counter", counter, NULL);
  world_link(scene.a, scene.b);
  world_advance(&scene.world, 1000);
  expect_held(scene.b, "disk_low"); /* from its start */
  world_crash(scene.a);
  world_restart(scene.a);
  world_agent(scene.a, "operator", "", NULL);
  world_agent(scene.a, "source", scene.script, NULL);
  world_link(scene.a, scene.b);
  world_advance(&scene.world, 1000);
  assert_false(world_logged(&scene.world, "got"));
  hgl_store_set_space(scene.b->store, UINT64_MAX);
  world_advance(&scene.world, 2000);
  assert_int_equal(world_count_logged(&scene.world, "got 1"), 1);
  assert_false(world_logged(&scene.world, "got 2"));
  world_deinit(&scene.world);
}

/* The reserve is there for that. */
static void a_host_that_is_held_still_stops_well(void **state)
{
  struct scene scene;
  begin(&scene);
  hgl_store_set_space(scene.b->store, 0);
  world_advance(&scene.world, 1000);
  hgl_host_stop_agents(scene.b->host);
  world_advance(&scene.world, 100);
  assert_true(world_logged(&scene.world, "stopped well"));
  assert_true(hgl_host_idle(scene.b->host));
  world_deinit(&scene.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(below_the_reserve_nothing_is_taken_in_and_above_it_everything_goes_on),
      cmocka_unit_test(a_store_that_takes_no_commit_holds_the_host_and_says_so_once),
      cmocka_unit_test(one_commit_that_does_not_end_is_enough),
      cmocka_unit_test(what_waits_survives_a_crash_of_either_side),
      cmocka_unit_test(a_host_that_is_held_still_stops_well),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
