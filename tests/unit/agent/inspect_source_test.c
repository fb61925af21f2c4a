/* What an agent is made of, and the timers that it has set, as the control API shows them. */
#include "support/world.h"

static const char script[] = "agent.on('x/1.0/y', function(m)\n"
                             "  agent.after('once', '2m', { n = 1 })\n"
                             "  agent.after('once', '1m', { n = 2 }, { key = 'key' })\n"
                             "end)\n"
                             "agent.on_timer('once', function() end)\n"
                             "agent.every('tick', '1h', function() end)\n"
                             "agent.every('daily', { cron = '0 6 * * *' }, function() end)\n";

static void begin(struct world *world, struct node **node)
{
  world_init(world, 1);
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
  world_agent(*node, "clock", script, NULL);
  world_run(world);
}

static json_t *source(struct node *node, const char *name, const char *file)
{
  struct hgl_err err;
  json_t *out = NULL;
  assert_ok(hgl_host_source(node->host, name, file, &out, &err));
  return out;
}

static const char *text(const json_t *object, const char *field)
{
  return present(json_string_value(json_object_get(object, field)));
}

static void the_source_is_what_the_host_runs(void **state)
{
  struct world world;
  struct node *node;
  struct hgl_err err;
  json_t *out;
  begin(&world, &node);
  out = source(node, "clock", NULL);
  assert_string_equal(text(out, "source"), script);
  assert_int_equal(json_array_size(json_object_get(out, "files")), 1);
  const json_t *file = json_array_get(json_object_get(out, "files"), 0);
  assert_int_equal(json_integer_value(json_object_get(file, "size")), sizeof script - 1);
  assert_int_equal(strlen(text(file, "digest")), 64);
  assert_true(json_is_true(json_object_get(out, "runs")));
  json_t *again = source(node, "clock", text(out, "file"));
  assert_true(json_equal(out, again));
  json_decref(again);
  json_decref(out);
  assert_fails(HGL_NOT_FOUND, hgl_host_source(node->host, "clock", "/etc/passwd", &out, &err));
  assert_fails(HGL_NOT_FOUND, hgl_host_source(node->host, "nobody", NULL, &out, &err));
  assert_fails(HGL_INVALID, hgl_host_source(node->host, "operator", NULL, &out, &err));
  world_deinit(&world);
}

static void that_of_a_sleeper_and_of_a_stopped_one_is_there(void **state)
{
  struct world world;
  struct node *node;
  struct hgl_err err;
  begin(&world, &node);
  world_advance(&world, 120000);
  json_t *out = source(node, "clock", NULL);
  assert_string_equal(text(out, "source"), script);
  json_decref(out);
  assert_ok(hgl_host_stop_agent(node->host, "clock", &err));
  world_run(&world);
  out = source(node, "clock", NULL);
  assert_string_equal(text(out, "source"), script);
  assert_true(json_is_false(json_object_get(out, "runs")));
  json_decref(out);
  world_deinit(&world);
}

static void a_long_source_is_cut_and_what_is_no_text_is_mended(void **state)
{
  struct world world;
  struct node *node;
  struct hgl_buf long_script;
  begin(&world, &node);
  hgl_buf_init(&long_script, 1 << 20);
  hgl_buf_append_text(&long_script, "-- \xff\x01\n");
  for (int i = 0; i < 120000; i++) hgl_buf_append_text(&long_script, "-- \xc3\xa4\n");
  world_agent(node, "long", text_of_buf(&long_script), NULL);
  json_t *out = source(node, "long", NULL);
  assert_int_equal(strncmp(text(out, "source"), "-- ?\x01\n", 6), 0);
  int64_t left_out = json_integer_value(json_object_get(out, "left_out"));
  assert_in_range(left_out, 1000, 400000);
  json_decref(out);
  hgl_buf_deinit(&long_script);
  world_deinit(&world);
}

static void timers_come_the_next_one_first_apart_from_schedules(void **state)
{
  struct world world;
  struct node *node;
  struct hgl_err err;
  json_t *out = NULL;
  begin(&world, &node);
  world_say(node, "clock", "x/1.0/y", NULL);
  world_run(&world);
  assert_ok(hgl_host_timers(node->host, "clock", &out, &err));
  const json_t *timers = json_object_get(out, "timers");
  const json_t *schedules = json_object_get(out, "schedules");
  assert_int_equal(json_array_size(timers), 2);
  assert_string_equal(text(json_array_get(timers, 0), "key"), "key");
  const json_t *value = json_object_get(json_array_get(timers, 1), "value");
  assert_int_equal(json_integer_value(json_object_get(value, "n")), 1);
  assert_int_equal(json_array_size(schedules), 2);
  const json_t *first = json_array_get(schedules, 0), *second = json_array_get(schedules, 1);
  const json_t *cron = json_object_get(first, "cron") ? first : second;
  assert_string_equal(text(cron, "cron"), "0 6 * * *");
  assert_int_equal(json_integer_value(json_object_get(cron == first ? second : first, "every_ms")),
                   3600000);
  json_decref(out);
  assert_fails(HGL_NOT_FOUND, hgl_host_timers(node->host, "nobody", &out, &err));
  world_deinit(&world);
}

static void many_large_timers_are_bounded(void **state)
{
  struct world world;
  struct node *node;
  struct hgl_err err;
  json_t *out = NULL;
  begin(&world, &node);
  static const char many[] = "agent.on('x/1.0/y', function(m)\n"
                             "  for i = 1, 1100 do\n"
                             "    agent.after('t', '1m', ('x'):rep(600), { key = tostring(i) })\n"
                             "  end\n"
                             "end)\n"
                             "agent.on_timer('t', function() end)\n";
  world_agent_with(node, "many", many,
                   (struct hgl_agent_config){.limits = {.timers = 2000, .timer_bytes = 4 << 20}});
  world_run(&world);
  world_say(node, "many", "x/1.0/y", NULL);
  world_run(&world);
  assert_ok(hgl_host_timers(node->host, "many", &out, &err));
  const json_t *timers = json_object_get(out, "timers");
  assert_int_equal(json_array_size(timers), 1000);
  assert_int_equal(json_integer_value(json_object_get(out, "left_out")), 100);
  assert_non_null(json_object_get(json_array_get(timers, 0), "value"));
  const json_t *last = json_array_get(timers, 999);
  assert_null(json_object_get(last, "value"));
  assert_true(json_integer_value(json_object_get(last, "left_out")) > 600);
  json_decref(out);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_source_is_what_the_host_runs),
      cmocka_unit_test(that_of_a_sleeper_and_of_a_stopped_one_is_there),
      cmocka_unit_test(a_long_source_is_cut_and_what_is_no_text_is_mended),
      cmocka_unit_test(timers_come_the_next_one_first_apart_from_schedules),
      cmocka_unit_test(many_large_timers_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
