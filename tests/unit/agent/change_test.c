#include "supervise_fixture.h"

/* As world_agent_with describes it. */
static struct hgl_agent_config described(const char *name, const char *source)
{
  static char path[HGL_NAME_SIZE_MAX + 8];
  snprintf(path, sizeof path, "%s.lua", name);
  return (struct hgl_agent_config){.name = name, .script_path = path, .source = hgl_text(source)};
}

static void reloaded(void *user, json_t *result, const struct hgl_err *why)
{
  assert_non_null(result);
}

static void assert_changed(struct node *node, const struct hgl_agent_config *config, bool expected)
{
  struct hgl_err err;
  bool changed = !expected;
  assert_ok(hgl_host_change_agent(node->host, config, &changed, &err));
  assert_int_equal(changed, expected);
}

static void the_same_description_changes_nothing(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  struct hgl_agent_config config = described("x", writer);
  assert_changed(a, &config, false);
  world_run(&world);
  assert_int_equal(restarts(a, "x"), 0);
  assert_false(world_logged(&world, "stop"));
  world_deinit(&world);
}

static void another_description_begins_with_what_was_stored(void **state)
{
  static const char *const grants[] = {"read=/proc/loadavg", NULL};
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  write_text(a, "x", "one");
  world_run(&world);
  struct hgl_agent_config config = described("x", writer);
  config.limits.timers = 7;
  assert_changed(a, &config, true);
  assert_changed(a, &config, false); /* it waits already */
  config.grants = grants;
  assert_changed(a, &config, true); /* and is replaced */
  write_text(a, "x", "two");
  world_run(&world);
  assert_int_equal(restarts(a, "x"), 1);
  assert_true(world_logged(&world, "x: stop\nx: start restarted\n"));
  assert_int_equal(written(a, "x"), 2);
  assert_changed(a, &config, false);
  world_deinit(&world);
}

static void another_script_begins_as_reloaded(void **state)
{
  static const char script[] = "agent.on_start(function(why) log.info('new ' .. why) end)\n"
                               "agent.on_upgrade(function() log.info('upgraded') end)\n";
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  struct hgl_agent_config config = described("x", script);
  assert_changed(a, &config, true);
  world_run(&world);
  assert_true(world_logged(&world, "x: stop\n"));
  assert_true(world_logged(&world, "new reloaded"));
  assert_changed(a, &config, false);
  world_deinit(&world);
}

static void what_does_not_load_leaves_the_agent_as_it_is(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  bool changed = false;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  struct hgl_agent_config config = described("x", "error('no')");
  assert_fails(HGL_SCRIPT, hgl_host_change_agent(a->host, &config, &changed, &err));
  config = described("x", writer);
  config.group = "none";
  assert_fails(HGL_NOT_FOUND, hgl_host_change_agent(a->host, &config, &changed, &err));
  config = described("y", writer);
  assert_fails(HGL_NOT_FOUND, hgl_host_change_agent(a->host, &config, &changed, &err));
  config = described("operator", writer);
  assert_fails(HGL_NOT_FOUND, hgl_host_change_agent(a->host, &config, &changed, &err));
  config = described("x", "");
  assert_fails(HGL_INVALID, hgl_host_change_agent(a->host, &config, &changed, &err));
  world_run(&world);
  assert_int_equal(restarts(a, "x"), 0);
  write_text(a, "x", "one");
  world_run(&world);
  assert_int_equal(written(a, "x"), 1);
  world_deinit(&world);
}

static void one_that_does_not_run_stays_so_until_it_is_resumed(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_agent(a, "y", writer, NULL);
  world_run(&world);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  assert_ok(hgl_host_stop_agent(a->host, "y", &err));
  world_run(&world);
  struct hgl_agent_config config = described("x", writer);
  config.limits.timers = 7;
  assert_changed(a, &config, true);
  config = described("y", "agent.on_start(function() log.info('new') end)");
  assert_changed(a, &config, true);
  world_run(&world);
  assert_status(a, "x", "paused");
  assert_status(a, "y", "stopped");
  assert_ok(hgl_host_resume_agent(a->host, "y", &err));
  assert_ok(hgl_host_restart_agent(a->host, "x", hgl_bytes(NULL, 0), &err));
  world_run(&world);
  assert_true(world_logged(&world, "y: new"));
  assert_status(a, "x", "running");
  world_deinit(&world);
}

/* Read from the file after the description was: the newest text counts, also for what waits. */
static void what_is_read_later_goes_into_a_description_that_waits(void **state)
{
  static const char broken[] = "agent.on_start(function() error('boom') end)\n";
  static const char mended[] = "agent.on_start(function(reason) log.info('mended ' .. reason) end)";
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent_with(a, "x", broken, policy(1, 60000, 100, 1));
  world_agent(a, "y", writer, NULL);
  world_advance(&world, 5000);
  assert_status(a, "x", "parked");
  assert_ok(hgl_host_pause_agent(a->host, "y", &err));
  for (const char *name = "x"; *name <= 'y'; name = *name == 'x' ? "y" : "z") {
    struct hgl_agent_config config = described(name, *name == 'x' ? broken : writer);
    config.limits.timers = 7;
    assert_changed(a, &config, true);
  }
  assert_ok(hgl_host_restart_agent(a->host, "x", hgl_text(mended), &err));
  world_run(&world);
  assert_status(a, "x", "running");
  assert_true(world_logged(&world, "x: mended created"));
  assert_int_equal(child_by_name(a->host, hgl_text("x"))->limits->timers, 7);
  assert_ok(hgl_host_reload_agent(a->host, "y", hgl_text(mended), false, reloaded, NULL, &err));
  world_run(&world);
  assert_ok(hgl_host_restart_agent(a->host, "y", hgl_bytes(NULL, 0), &err));
  world_run(&world);
  assert_true(world_logged(&world, "y: mended reloaded"));
  assert_int_equal(child_by_name(a->host, hgl_text("y"))->limits->timers, 7);
  world_deinit(&world);
}

static void its_file_is_that_of_the_description_that_waits(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  const char *path;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  struct hgl_agent_config config = described("x", writer);
  config.script_path = "moved.lua";
  assert_changed(a, &config, true);
  assert_ok(hgl_host_agent_script(a->host, "x", &path, &err));
  assert_string_equal(path, "moved.lua");
  world_deinit(&world);
}

static void an_agent_can_change_its_group(void **state)
{
  const struct hgl_group_config group = {"shop", HGL_ONE_FOR_ALL, 0, 10000};
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  assert_ok(hgl_host_add_group(a->host, &group, &err));
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  struct hgl_agent_config config = described("x", writer);
  config.group = "shop";
  assert_changed(a, &config, true);
  world_run(&world);
  json_t *agent = describe(a, "x");
  assert_non_null(agent);
  assert_string_equal(json_string_value(json_object_get(agent, "group")), "shop");
  json_decref(agent);
  assert_changed(a, &config, false);
  config.group = NULL;
  assert_changed(a, &config, true);
  assert_ok(hgl_host_remove_agent(a->host, "x", false, &err)); /* while it waits */
  bool changed = false;
  assert_fails(HGL_INVALID, hgl_host_change_agent(a->host, &config, &changed, &err));
  world_run(&world);
  assert_null(describe(a, "x"));
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_same_description_changes_nothing),
      cmocka_unit_test(another_description_begins_with_what_was_stored),
      cmocka_unit_test(another_script_begins_as_reloaded),
      cmocka_unit_test(what_does_not_load_leaves_the_agent_as_it_is),
      cmocka_unit_test(one_that_does_not_run_stays_so_until_it_is_resumed),
      cmocka_unit_test(what_is_read_later_goes_into_a_description_that_waits),
      cmocka_unit_test(its_file_is_that_of_the_description_that_waits),
      cmocka_unit_test(an_agent_can_change_its_group),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
