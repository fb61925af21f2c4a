/* Schedules by cron lines: through restarts, other lines and clocks that jump. What they do where
 * clocks are changed for summer is in tests/lua/schedules_spec.lua. */
#include <stdlib.h>

#include "base/calendar.h"
#include "support/world.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };

#define CLERK(line)                                                                                \
  "agent.every('tick', { cron = '" line "', zone = 'Europe/Vienna' }, function()\n"                \
  "  state.n = (state.n or 0) + 1\n"                                                               \
  "end)\n"                                                                                         \
  "agent.on('clerk/1.0/ask', function(m) m:reply('told', { n = state.n or 0 }) end)\n"

static void come(struct node *node, const char *script)
{
  world_agent(node, "operator", "", NULL);
  world_agent(node, "x", script, NULL);
}

/* At half past some full hour. */
static void begin(struct world *world, struct node **node, const char *script)
{
  world_init(world, 1);
  *node = world_node(world);
  world_advance(world, HOUR_MS - world->time.wall_ms % HOUR_MS + HOUR_MS / 2);
  come(*node, script);
  world_run(world);
}

static void restart(struct node *node, const char *script)
{
  world_crash(node);
  world_restart(node);
  come(node, script);
}

static int64_t count(struct node *node)
{
  return world_number(node, "x", "clerk/1.0/ask", "n");
}

static void what_was_missed_is_made_up_for_once(void **unused)
{
  struct world world;
  struct node *a;
  begin(&world, &a, CLERK("0 * * * *"));
  world_advance(&world, HOUR_MS);
  assert_int_equal(count(a), 1);
  world_crash(a);
  world.time.wall_ms += 5 * HOUR_MS;
  world_restart(a);
  come(a, CLERK("0 * * * *"));
  world_run(&world);
  assert_int_equal(count(a), 2);
  world_advance(&world, HOUR_MS);
  assert_int_equal(count(a), 3);
  world_deinit(&world);
}

static void a_changed_line_counts_from_now(void **unused)
{
  struct world world;
  struct node *a;
  begin(&world, &a, CLERK("0 * * * *"));
  world_advance(&world, 20 * MINUTE_MS);
  restart(a, CLERK("55 * * * *"));
  world_advance(&world, 6 * MINUTE_MS);
  assert_int_equal(count(a), 1);
  world_advance(&world, 30 * MINUTE_MS); /* the old line's hour was among them */
  assert_int_equal(count(a), 1);
  restart(a, "agent.every('tick', '10m', function() state.n = state.n + 1 end)\n"
             "agent.on('clerk/1.0/ask', function(m) m:reply('told', { n = state.n }) end)\n");
  world_advance(&world, 21 * MINUTE_MS);
  assert_int_equal(count(a), 3);
  restart(a, CLERK("0 * * * *"));
  world_advance(&world, HOUR_MS);
  assert_int_equal(count(a), 4);
  world_deinit(&world);
}

static void a_clock_put_back_a_little_brings_nothing_twice(void **unused)
{
  struct world world;
  struct node *a;
  begin(&world, &a, CLERK("0 * * * *"));
  world_advance(&world, 40 * MINUTE_MS);
  assert_int_equal(count(a), 1);
  world.time.wall_ms -= 20 * MINUTE_MS; /* ten to the hour that has been */
  world_advance(&world, 30 * MINUTE_MS);
  assert_int_equal(count(a), 1);
  restart(a, CLERK("0 * * * *"));
  world_advance(&world, 41 * MINUTE_MS);
  assert_int_equal(count(a), 2);
  world_deinit(&world);
}

static void a_clock_that_was_wrong_by_days_begins_anew(void **unused)
{
  struct world world;
  struct node *a;
  begin(&world, &a, CLERK("0 * * * *"));
  world.time.wall_ms += 48 * (int64_t)HOUR_MS;
  world_advance(&world, MINUTE_MS);
  assert_int_equal(count(a), 1); /* late, once */
  world.time.wall_ms -= 48 * (int64_t)HOUR_MS;
  world_advance(&world, HOUR_MS);
  assert_int_equal(count(a), 2);
  world_crash(a);
  world.time.wall_ms -= 24 * (int64_t)HOUR_MS; /* also when the host is down */
  world_restart(a);
  come(a, CLERK("0 * * * *"));
  world_advance(&world, HOUR_MS);
  assert_int_equal(count(a), 3);
  world_deinit(&world);
}

/* What was due by the wrong clock waits until the agent goes on, under the right one. */
static void a_clock_set_back_while_a_call_waits_does_not_stop_the_schedule(void **unused)
{
  static const char *const schedules[] = {
      "agent.every('tick', { cron = '0 * * * *' }, function() state.n = (state.n or 0) + 1 end)\n"
      "agent.on('clerk/1.0/ask', function(m) m:reply('told', { n = state.n or 0 }) end)\n",
      "agent.every('tick', '1h', function() state.n = (state.n or 0) + 1 end)\n"
      "agent.on('clerk/1.0/ask', function(m) m:reply('told', { n = state.n or 0 }) end)\n"};
  for (size_t i = 0; i < 2; i++) {
    struct hgl_err err;
    struct world world;
    struct node *a;
    begin(&world, &a, schedules[i]);
    world.time.wall_ms += 48 * (int64_t)HOUR_MS;
    world_advance(&world, MINUTE_MS);
    assert_int_equal(count(a), 1); /* late, once; the next is due by the wrong clock */
    assert_ok(hgl_host_pause_agent(a->host, "x", &err));
    world_advance(&world, HOUR_MS);
    world.time.wall_ms -= 48 * (int64_t)HOUR_MS;
    world_advance(&world, MINUTE_MS);
    assert_ok(hgl_host_resume_agent(a->host, "x", &err));
    world_advance(&world, MINUTE_MS);
    assert_int_equal(count(a), 2);
    world_advance(&world, HOUR_MS);
    assert_int_equal(count(a), 3);
    world_deinit(&world);
  }
}

static void a_schedule_goes_on_while_its_agent_sleeps(void **unused)
{
  struct world world;
  struct node *a;
  begin(&world, &a, CLERK("*/30 * * * *"));
  world_advance(&world, 5 * HOUR_MS);
  assert_int_equal(count(a), 10);
  assert_true(hgl_host_counts(a->host).woken >= 9);
  world_deinit(&world);
}

/* The zones of the system are gone when the host comes back; then they are there again. */
static void a_zone_that_cannot_be_read_stops_the_script_and_loses_nothing(void **unused)
{
  struct world world;
  struct node *a;
  struct hgl_err err;
  begin(&world, &a, CLERK("0 * * * *"));
  world_advance(&world, HOUR_MS);
  world_crash(a);
  setenv("TZDIR", "/nowhere", 1);
  world_restart(a);
  world_agent(a, "operator", "", NULL);
  const struct hgl_agent_config config = {
      .name = "x", .script_path = "x.lua", .source = hgl_text(CLERK("0 * * * *"))};
  int status = hgl_host_add_agent(a->host, &config, &err);
  unsetenv("TZDIR");
  assert_fails(HGL_SCRIPT, status);
  assert_non_null(strstr(err.message, "there is no time zone 'Europe/Vienna' in /nowhere"));
  assert_true(world_logged(&world, "the schedule 'tick'"));
  restart(a, CLERK("0 * * * *"));
  world_advance(&world, HOUR_MS);
  assert_int_equal(count(a), 2);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_missed_is_made_up_for_once),
      cmocka_unit_test(a_changed_line_counts_from_now),
      cmocka_unit_test(a_clock_put_back_a_little_brings_nothing_twice),
      cmocka_unit_test(a_clock_that_was_wrong_by_days_begins_anew),
      cmocka_unit_test(a_clock_set_back_while_a_call_waits_does_not_stop_the_schedule),
      cmocka_unit_test(a_schedule_goes_on_while_its_agent_sleeps),
      cmocka_unit_test(a_zone_that_cannot_be_read_stops_the_script_and_loses_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
