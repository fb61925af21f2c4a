/* Agents whose handlers raise: whoever looks sees that they are not well, for a minute. */
#include "feed_fixture.h"

static const char script[] = "agent.on('echo/1.0/say', function(m) m:reply('said', m.body) end)\n"
                             "agent.on('echo/1.0/raise', function() error 'no' end)\n";

static struct scene *open_scene(void)
{
  static struct scene scene;
  scene_open(&scene);
  world_agent(scene.node, "operator", "", NULL);
  world_agent(scene.node, "ann", script, NULL);
  world_agent(scene.node, "bob", script, NULL);
  pass(&scene, 100);
  return &scene;
}

/* The latest that the viewer was told of the agent. */
static const json_t *told(struct viewer *viewer, const char *list, const char *name)
{
  for (size_t i = events_of(viewer); i-- > 0;) {
    const json_t *found = named(json_array_get(viewer->events, i), list, name);
    if (found) return found;
  }
  fail_msg("nothing was told of %s", name);
  return NULL;
}

static void the_network_shows_who_raises_for_a_minute(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'network','as':'n'}");
  pass(scene, 1100);
  assert_null(json_object_get(told(a, "nodes", "ann"), "raised_lately"));
  world_say(scene->node, "ann", "echo/1.0/raise", NULL);
  pass(scene, 1000);
  assert_string_equal(text(told(a, "nodes", "ann"), "status"), "failing");
  int64_t once = integer(told(a, "nodes", "ann"), "raised_lately");
  assert_true(once >= 1);
  assert_string_equal(text(told(a, "nodes", "bob"), "status"), "running");
  world_say(scene->node, "ann", "echo/1.0/raise", NULL);
  pass(scene, 20000);
  assert_true(integer(told(a, "nodes", "ann"), "raised_lately") > once);
  pass(scene, 80000);
  assert_string_equal(text(told(a, "nodes", "ann"), "status"), "asleep");
  assert_null(json_object_get(told(a, "nodes", "ann"), "raised_lately"));
  scene_close(scene);
}

static void a_restart_does_not_hide_it(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  world_say(scene->node, "ann", "echo/1.0/raise", NULL);
  pass(scene, 10000); /* all attempts are over */
  assert_ok(hgl_host_restart_agent(scene->node->host, "ann", hgl_bytes(NULL, 0), &err));
  subscribe(a, "{'topic':'network','as':'n'}");
  pass(scene, 1100);
  assert_string_equal(text(told(a, "nodes", "ann"), "status"), "failing");
  scene_close(scene);
}

static void who_fails_is_shown_before_who_is_busy(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  for (int i = 0; i < 3; i++) world_say(scene->node, "bob", "echo/1.0/say", NULL);
  world_say(scene->node, "ann", "echo/1.0/raise", NULL);
  pass(scene, 100);
  subscribe(a, "{'topic':'network','as':'n','limit':1}");
  pass(scene, 50);
  assert_non_null(named(latest(a), "nodes", "ann"));
  assert_null(named(latest(a), "nodes", "bob"));
  scene_close(scene);
}

static void they_can_be_asked_for_and_sorted_among_agents(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  world_agent(scene->node, "zoe", script, NULL);
  world_say(scene->node, "zoe", "echo/1.0/raise", NULL);
  pass(scene, 100);
  subscribe(a, "{'topic':'agents','as':'f','status':'failing'}");
  pass(scene, 50);
  assert_int_equal(integer(latest(a), "matched"), 1);
  assert_true(integer(item(latest(a), "agents", 0), "raised_lately") > 0);
  subscribe(a, "{'topic':'agents','as':'s','sort':'status'}");
  pass(scene, 50);
  assert_string_equal(text(item(latest(a), "agents", 0), "name"), "zoe");
  assert_string_equal(text(item(latest(a), "agents", 0), "status"), "running");
  assert_ok(hgl_host_pause_agent(scene->node->host, "zoe", &err));
  pass(scene, 1000);
  subscribe(a, "{'topic':'agents','as':'g','status':'failing'}");
  pass(scene, 50);
  assert_int_equal(integer(latest(a), "matched"), 0); /* it does not run */
  scene_close(scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_network_shows_who_raises_for_a_minute),
      cmocka_unit_test(a_restart_does_not_hide_it),
      cmocka_unit_test(who_fails_is_shown_before_who_is_busy),
      cmocka_unit_test(they_can_be_asked_for_and_sorted_among_agents),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
