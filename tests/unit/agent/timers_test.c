#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/world.h"

static void begin(struct world *world, struct node **node, const char *script)
{
  world_init(world, 1);
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
  world_agent(*node, "x", script, NULL);
  world_run(world);
}

static void restart(struct node *node, const char *script)
{
  world_crash(node);
  world_restart(node);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "x", script, NULL);
}

static const char alarm_clock[] =
    "agent.on('set/1.0/one', function(message)\n"
    "  agent.after('ring', message.body.delay, message.body.value, { key = message.body.key })\n"
    "end)\n"
    "agent.on('set/1.0/cancel', function(message) agent.cancel('ring', message.body.key) end)\n"
    "agent.on_timer('ring', function(value)\n"
    "  state.rung = (state.rung or 0) + 1\n"
    "  log.info('ring ' .. tostring(value))\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m) m:reply('told', { rung = state.rung or 0 }) end)\n";

static int64_t rung(struct node *node)
{
  return world_number(node, "x", "report/1.0/ask", "rung");
}

static void a_timer_fires_once_when_due_and_not_before(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a, alarm_clock);
  world_say(a, "x", "set/1.0/one", "{\"delay\":\"1s\",\"value\":\"v\"}");
  world_advance(&world, 950);
  assert_int_equal(rung(a), 0);
  world_advance(&world, 100);
  assert_int_equal(rung(a), 1);
  assert_true(world_logged(&world, "ring v"));
  world_advance(&world, 5000);
  assert_int_equal(rung(a), 1);
  world_deinit(&world);
}

static void a_late_timer_fires_once_after_a_restart(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a, alarm_clock);
  world_say(a, "x", "set/1.0/one", "{\"delay\":\"1s\",\"value\":\"v\"}");
  world_run(&world);
  world_crash(a);
  hgl_clock_advance(&world.time, 3600 * 1000);
  world_restart(a);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "x", alarm_clock, NULL);
  world_run(&world);
  assert_int_equal(rung(a), 1);
  restart(a, alarm_clock);
  world_advance(&world, 2000);
  assert_int_equal(rung(a), 1);
  world_deinit(&world);
}

static void the_values_of_timers_are_bounded_in_sum(void **state)
{
  static const char script[] =
      "local function set(key, size)\n"
      "  local ok, why, code = agent.after('ring', '1s', string.rep('a', size), { key = key })\n"
      "  log.info(key .. ' ' .. (ok and 'set' or code))\n"
      "end\n"
      "agent.on_timer('ring', function(value) log.info('ring ' .. #value) end)\n"
      "agent.on('set/1.0/two', function() set('a', 600000) set('b', 600000) end)\n"
      "agent.on('set/1.0/c', function() set('c', 500000) end)\n"
      "agent.on('set/1.0/a', function() set('a', 500000) end)\n"
      "agent.on('set/1.0/d', function() set('d', 500000) end)\n";
  struct world world;
  struct node *a;
  begin(&world, &a, script);
  world_say(a, "x", "set/1.0/two", NULL); /* in one stretch */
  world_run(&world);
  assert_true(world_logged(&world, "a set\nx: b limit\n"));
  world_say(a, "x", "set/1.0/c", NULL);
  world_run(&world);
  assert_true(world_logged(&world, "x: c limit\n"));
  world_say(a, "x", "set/1.0/a", NULL); /* in the place of the one it replaces */
  world_say(a, "x", "set/1.0/d", NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "x: a set\n"), 2);
  assert_true(world_logged(&world, "x: d set\n"));
  restart(a, script);
  world_say(a, "x", "set/1.0/c", NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "x: c limit\n"), 2);
  world_advance(&world, 1500);
  world_say(a, "x", "set/1.0/c", NULL);
  world_run(&world);
  assert_true(world_logged(&world, "x: c set\n"));
  world_deinit(&world);
}

static void the_same_name_and_key_replaces_another_key_does_not(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a, alarm_clock);
  world_say(a, "x", "set/1.0/one", "{\"delay\":\"1s\",\"value\":\"first\",\"key\":\"k\"}");
  world_say(a, "x", "set/1.0/one", "{\"delay\":\"3s\",\"value\":\"second\",\"key\":\"k\"}");
  world_say(a, "x", "set/1.0/one", "{\"delay\":\"1s\",\"value\":\"other\",\"key\":\"l\"}");
  world_say(a, "x", "set/1.0/one", "{\"delay\":\"1s\",\"value\":\"gone\",\"key\":\"m\"}");
  world_say(a, "x", "set/1.0/cancel", "{\"key\":\"m\"}");
  world_advance(&world, 2000);
  assert_false(world_logged(&world, "ring first"));
  assert_false(world_logged(&world, "ring gone"));
  assert_true(world_logged(&world, "ring other"));
  world_advance(&world, 2000);
  assert_true(world_logged(&world, "ring second"));
  assert_int_equal(rung(a), 2);
  world_deinit(&world);
}

static void a_timer_that_sets_itself_again_goes_on(void **state)
{
  struct world world;
  struct node *a;
  begin(
      &world, &a,
      "agent.on_start(function() agent.after('ring', '100ms') end)\n"
      "agent.on_timer('ring', function()\n"
      "  state.rung = (state.rung or 0) + 1\n"
      "  agent.after('ring', '100ms')\n"
      "end)\n"
      "agent.on('report/1.0/ask', function(m) m:reply('told', { rung = state.rung or 0 }) end)\n");
  world_advance(&world, 1050);
  assert_int_equal(rung(a), 10);
  world_deinit(&world);
}

static void a_timer_cancelled_while_it_waits_for_its_turn_does_not_fire(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a,
        "agent.on_start(function() agent.after('ring', '100ms') agent.after('bell', '101ms') end)\n"
        "agent.on_timer('ring', function()\n"
        "  log.info('cancels')\n"
        "  agent.cancel('bell')\n"
        "end)\n"
        "agent.on_timer('bell', function() log.info('bell') end)\n");
  hgl_clock_advance(&world.time, 200); /* both are due in one tick */
  world_run(&world);
  world_advance(&world, 1000);
  assert_true(world_logged(&world, "cancels"));
  assert_false(world_logged(&world, "x: bell"));
  world_deinit(&world);
}

static void a_timer_cancelled_while_it_is_tried_again_is_not(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a,
        "agent.on_start(function() agent.after('ring', '10ms') end)\n"
        "agent.on_timer('ring', function() log.info('turn') error('no') end)\n"
        "agent.on('x/1.0/cancel', function() agent.cancel('ring') end)\n");
  world_advance(&world, 20);
  assert_int_equal(world_count_logged(&world, "x: turn"), 1);
  world_say(a, "x", "x/1.0/cancel", NULL);
  world_advance(&world, 5000);
  assert_int_equal(world_count_logged(&world, "x: turn"), 1);
  world_deinit(&world);
}

static void a_timer_that_fails_for_good_is_a_dead_letter_with_its_name(void **state)
{
  struct world world;
  struct node *a;
  struct hgl_err err;
  json_t *list;
  begin(&world, &a,
        "agent.on_start(function() agent.after('ring', '10ms') end)\n"
        "agent.on_timer('ring', function() error('no') end)\n");
  world_advance(&world, 5000);
  assert_ok(hgl_host_list_dead(a->host, &list, &err));
  assert_int_equal(json_array_size(list), 1);
  json_t *dead = json_array_get(list, 0);
  assert_string_equal(json_string_value(json_object_get(dead, "kind")), "timer");
  assert_string_equal(json_string_value(json_object_get(dead, "timer")), "ring");
  uint64_t row = (uint64_t)json_integer_value(json_object_get(dead, "row"));
  assert_fails(HGL_INVALID, hgl_host_dead_resend(a->host, row, &err));
  json_decref(list);
  world_deinit(&world);
}

static const char schedule[] =
    "agent.every('tick', '1s', function()\n"
    "  state.rung = (state.rung or 0) + 1\n"
    "  if state.slow then agent.sleep('2500ms') end\n"
    "  state.ended = (state.ended or 0) + 1\n"
    "end)\n"
    "agent.on('x/1.0/slow', function() state.slow = true end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { rung = state.rung or 0, ended = state.ended or 0 })\n"
    "end)\n";

static void a_schedule_goes_on_over_restarts_and_catches_up_once(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a, schedule);
  world_advance(&world, 3100);
  assert_int_equal(rung(a), 3);
  restart(a, schedule);
  world_advance(&world, 950); /* the old due time still stands */
  assert_int_equal(rung(a), 4);
  world_crash(a);
  hgl_clock_advance(&world.time, 60000);
  world_restart(a);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "x", schedule, NULL);
  world_run(&world);
  assert_int_equal(rung(a), 5);
  world_advance(&world, 1000);
  assert_int_equal(rung(a), 6);
  world_deinit(&world);
}

enum { DAY_MS = 24 * 3600 * 1000 };

static void a_clock_that_jumps_a_day_forward_fires_what_is_due_then_once(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a, schedule);
  world_agent(a, "clock", alarm_clock, NULL);
  world_say(a, "clock", "set/1.0/one", "{\"delay\":\"1h\",\"value\":\"v\"}");
  world_advance(&world, 2100);
  assert_int_equal(rung(a), 2);
  world.time.wall_ms += DAY_MS;
  world_advance(&world, 1000); /* the clock is looked at once a second */
  assert_in_range(rung(a), 3, 4);
  assert_int_equal(world_count_logged(&world, "ring v"), 1);
  int64_t before = rung(a);
  world_advance(&world, 3000); /* on the same grid */
  assert_int_equal(rung(a), before + 3);
  assert_int_equal(world_count_logged(&world, "ring v"), 1);
  world_deinit(&world);
}

/* Durable timers mean Unix time: what is due at noon is due at noon, also when it is morning again.
 * A schedule means an interval: it does not wait for a day. */
static void a_clock_that_jumps_a_day_back_neither_fires_early_nor_stops_schedules(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a, schedule);
  world_agent(a, "clock", alarm_clock, NULL);
  world_say(a, "clock", "set/1.0/one", "{\"delay\":\"10s\",\"value\":\"v\"}");
  world_advance(&world, 2100);
  assert_int_equal(rung(a), 2);
  world.time.wall_ms -= DAY_MS;
  world_advance(&world, 20000);
  assert_false(world_logged(&world, "ring v"));
  assert_in_range(rung(a), 20, 23);
  restart(a, schedule);
  world_agent(a, "clock", alarm_clock, NULL);
  world_advance(&world, 3000);
  assert_in_range(rung(a), 22, 27);
  world.time.wall_ms += DAY_MS;
  world_advance(&world, 1000);
  assert_int_equal(world_count_logged(&world, "ring v"), 1);
  world_deinit(&world);
}

/* The deadline of an ask is a span: a clock that is set changes nothing. */
static void a_deadline_is_a_span_of_time_whatever_the_clock_says(void **state)
{
  static const char asker[] =
      "agent.on('go/1.0/now', function()\n"
      "  local answer, why, code = agent.ask('y', 'q/1.0/q', {}, { within = '5s' })\n"
      "  log.info('asked ' .. tostring(code))\n"
      "end)\n";
  struct world world;
  struct node *a;
  begin(&world, &a, asker);
  world_agent(a, "y", "agent.on('q/1.0/q', function(m) agent.sleep('4s') m:reply('a', {}) end)",
              NULL);
  world_say(a, "x", "go/1.0/now", NULL);
  world_run(&world);
  world.time.wall_ms += DAY_MS;
  world_advance(&world, 3000);
  assert_false(world_logged(&world, "asked"));
  world.time.wall_ms -= 2 * (int64_t)DAY_MS;
  world_advance(&world, 1500);
  assert_true(world_logged(&world, "asked nil"));
  world_deinit(&world);
}

static void a_run_that_still_goes_on_skips_the_next_ones(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a, schedule);
  world_say(a, "x", "x/1.0/slow", NULL);
  world_advance(&world, 3300); /* due at 1, 2, 3 s; the first runs until 3.5 s */
  assert_int_equal(rung(a), 1);
  assert_int_equal(world_number(a, "x", "report/1.0/ask", "ended"), 0);
  assert_true(world_count_logged(&world, "is skipped") >= 2);
  world_advance(&world, 1000);
  assert_int_equal(rung(a), 2);
  assert_int_equal(world_number(a, "x", "report/1.0/ask", "ended"), 1);
  world_deinit(&world);
}

static void an_agent_has_only_so_many_timers(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a,
        "agent.on('x/1.0/many', function(message)\n"
        "  for i = 1, message.body.n do\n"
        "    local ok, why, code = agent.after('ring', '1h', 'k' .. i)\n"
        "    if code then log.info('refused ' .. i .. ' ' .. code) return end\n"
        "  end\n"
        "  log.info('all')\n"
        "end)\n"
        "agent.on_timer('ring', function() end)\n");
  world_say(a, "x", "x/1.0/many", "{\"n\":1000}");
  world_run(&world);
  assert_true(world_logged(&world, "x: all"));
  world_say(a, "x", "x/1.0/many", "{\"n\":1001}");
  world_run(&world);
  assert_true(world_logged(&world, "refused 1001 limit"));
  world_deinit(&world);
}

static void write_file(const char *path, const char *text)
{
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  assert_int_equal(fclose(file), 0);
}

/* The library is changed while the agent sleeps, and put right again. */
static void a_schedule_whose_handler_is_missing_goes_on(void **state)
{
  static const char rings[] = "return true\n";
  struct world world;
  char library[] = "/tmp/haggle-timers-XXXXXX", folder[64], module[80];
  assert_non_null(mkdtemp(library));
  snprintf(folder, sizeof folder, "%s/haggle", library);
  snprintf(module, sizeof module, "%s/bells.lua", folder);
  assert_int_equal(mkdir(folder, 0700), 0);
  write_file(module, rings);
  world_init(&world, 4);
  world.stdlib = library;
  world.hibernate_ms = 1000;
  struct node *a = world_node(&world);
  world_agent(a, "x",
              "if require 'haggle.bells' then\n"
              "  agent.every('bell', '10s', function() log.info('rang') end)\n"
              "end\n",
              NULL);
  world_advance(&world, 11000);
  assert_int_equal(world_count_logged(&world, "rang"), 1);
  world_advance(&world, 3000);
  write_file(module, "return false\n");
  world_advance(&world, 10000);
  assert_int_equal(world_count_logged(&world, "rang"), 1);
  assert_int_equal(
      world_count_logged(&world, "x: its script has no handler for timer 'bell' any more"), 1);
  write_file(module, rings);
  world_advance(&world, 10000);
  assert_int_equal(world_count_logged(&world, "rang"), 2);
  world_deinit(&world);
  assert_int_equal(unlink(module), 0);
  assert_int_equal(rmdir(folder), 0);
  assert_int_equal(rmdir(library), 0);
}

static void the_timers_of_an_agent_are_listed_and_of_none_that_is_not_here(void **state)
{
  struct world world;
  struct node *a;
  struct hgl_err err;
  json_t *list = NULL;
  begin(&world, &a, alarm_clock);
  world_say(a, "x", "set/1.0/one", "{\"delay\":\"1s\",\"value\":[7],\"key\":\"k\"}");
  world_run(&world);
  assert_ok(hgl_host_list_timers(a->host, "x", &list, &err));
  assert_int_equal(json_array_size(list), 1);
  const json_t *timer = json_array_get(list, 0);
  const json_t *value = json_object_get(timer, "value");
  assert_string_equal(json_string_value(json_object_get(timer, "name")), "ring");
  assert_string_equal(json_string_value(json_object_get(timer, "key")), "k");
  assert_int_equal(json_integer_value(json_object_get(timer, "due_ms")), world.time.wall_ms + 1000);
  assert_int_equal(json_integer_value(json_object_get(timer, "every_ms")), 0);
  assert_int_equal(json_integer_value(json_array_get(value, 0)), 7);
  json_decref(list);
  assert_int_equal(hgl_host_list_timers(a->host, "y", &list, &err), -HGL_NOT_FOUND);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_timers_of_an_agent_are_listed_and_of_none_that_is_not_here),
      cmocka_unit_test(a_timer_fires_once_when_due_and_not_before),
      cmocka_unit_test(a_late_timer_fires_once_after_a_restart),
      cmocka_unit_test(the_values_of_timers_are_bounded_in_sum),
      cmocka_unit_test(the_same_name_and_key_replaces_another_key_does_not),
      cmocka_unit_test(a_timer_that_sets_itself_again_goes_on),
      cmocka_unit_test(a_timer_cancelled_while_it_waits_for_its_turn_does_not_fire),
      cmocka_unit_test(a_timer_cancelled_while_it_is_tried_again_is_not),
      cmocka_unit_test(a_timer_that_fails_for_good_is_a_dead_letter_with_its_name),
      cmocka_unit_test(a_schedule_goes_on_over_restarts_and_catches_up_once),
      cmocka_unit_test(a_clock_that_jumps_a_day_forward_fires_what_is_due_then_once),
      cmocka_unit_test(a_clock_that_jumps_a_day_back_neither_fires_early_nor_stops_schedules),
      cmocka_unit_test(a_deadline_is_a_span_of_time_whatever_the_clock_says),
      cmocka_unit_test(a_run_that_still_goes_on_skips_the_next_ones),
      cmocka_unit_test(an_agent_has_only_so_many_timers),
      cmocka_unit_test(a_schedule_whose_handler_is_missing_goes_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
