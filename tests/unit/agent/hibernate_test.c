/* Agents that give up their Lua state while they rest, and are the same when they have it back. */
#include <stdio.h>

#include "support/sweep.h"
#include "support/world.h"

enum { AFTER_MS = 60000 };

static void setup(struct world *world, struct node **node, uint64_t seed)
{
  world_init(world, seed);
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
}

/* Its agents sleep soon, so that a test takes little time. */
static void setup_drowsy(struct world *world, struct node **node, uint64_t seed)
{
  world_init(world, seed);
  world->hibernate_ms = 1000;
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
}

static json_t *look(struct node *node, const char *name)
{
  struct hgl_err err;
  json_t *list, *item, *found = NULL;
  size_t index;
  assert_ok(hgl_host_list_agents(node->host, &list, &err));
  json_array_foreach(list, index,
                     item) if (strcmp(present(json_string_value(json_object_get(item, "name"))),
                                      name) == 0) found = json_incref(item);
  json_decref(list);
  assert_non_null(found);
  return found;
}

static bool asleep(struct node *node, const char *name)
{
  json_t *agent = look(node, name);
  bool is = json_is_true(json_object_get(agent, "asleep"));
  assert_int_equal(is, json_integer_value(json_object_get(agent, "memory_bytes")) == 0);
  assert_string_equal(json_string_value(json_object_get(agent, "status")), "running");
  json_decref(agent);
  return is;
}

/* ---- sleeping and waking ---- */

static const char counter[] = "agent.on('count/1.0/up', function(m)\n"
                              "  state.n = (state.n or 0) + 1\n"
                              "  cache.n = (cache.n or 0) + 1\n"
                              "  m:reply('told', { n = state.n, cached = cache.n })\n"
                              "end)\n";

static void an_agent_at_rest_sleeps_and_a_message_wakes_it(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 1);
  world_agent(a, "counter", counter, NULL);
  world_run(&world);
  assert_int_equal(world_number(a, "counter", "count/1.0/up", "n"), 1);
  world_advance(&world, AFTER_MS - 1000);
  assert_false(asleep(a, "counter"));
  assert_int_equal(world_number(a, "counter", "count/1.0/up", "cached"), 2);
  world_advance(&world, AFTER_MS - 1000); /* it did something meanwhile */
  assert_false(asleep(a, "counter"));
  world_advance(&world, 2000);
  assert_true(asleep(a, "counter"));
  assert_int_equal(world_number(a, "counter", "count/1.0/up", "cached"), 1); /* lost */
  assert_false(asleep(a, "counter"));
  assert_int_equal(world_number(a, "counter", "count/1.0/up", "n"), 4); /* kept */
  assert_int_equal(hgl_host_counts(a->host).woken, 1);
  world_deinit(&world);
}

static void timers_and_schedules_wake(void **state)
{
  struct world world;
  struct node *a;
  setup(&world, &a, 2);
  world_agent(a, "clock",
              "agent.every('often', '10m', function() log.info('often') end)\n"
              "agent.on_timer('once', function(value) log.info('once ' .. value) end)\n"
              "agent.on_start(function() agent.after('once', '5m', 'x') end)\n",
              NULL);
  world_advance(&world, 4 * 60000);
  assert_true(asleep(a, "clock"));
  assert_false(world_logged(&world, "once x"));
  world_advance(&world, 61000);
  assert_true(world_logged(&world, "once x"));
  world_advance(&world, 26 * 60000);
  assert_int_equal(world_count_logged(&world, "often"), 3);
  assert_int_equal(world_count_logged(&world, "once x"), 1);
  assert_true(asleep(a, "clock"));
  world_deinit(&world);
}

/* What an agent listens for is asked of its script, and the answer is the same while it sleeps. */
static void what_a_sleeper_does_not_handle_is_refused_as_ever(void **state)
{
  struct world world;
  struct node *a;
  enum hgl_code code;
  setup(&world, &a, 3);
  world_agent(a, "counter", counter, NULL);
  world_agent(a, "silent", "agent.on_start(function() state.here = true end)", NULL);
  world_advance(&world, 2 * AFTER_MS);
  assert_true(asleep(a, "counter") && asleep(a, "silent"));
  assert_null(world_ask(a, "counter", "count/1.0/down", &code));
  assert_int_equal(code, HGL_NO_HANDLER);
  assert_null(world_ask(a, "silent", "count/1.0/down", &code));
  assert_int_equal(code, HGL_NO_HANDLER);
  assert_true(asleep(a, "silent")); /* it declares no handler at all */
  world_deinit(&world);
}

static void sleepers_are_stopped_paused_and_restarted_like_others(void **state)
{
  struct world world;
  struct node *a;
  struct hgl_err err;
  setup(&world, &a, 4);
  world_agent(a, "polite",
              "agent.on_start(function(why) log.info('start ' .. why) end)\n"
              "agent.on_stop(function() log.info('goodbye') end)\n"
              "agent.on('count/1.0/up', function(m) m:reply('told', { n = 1 }) end)\n",
              NULL);
  world_agent(a, "plain", counter, NULL);
  world_advance(&world, 2 * AFTER_MS);
  assert_true(asleep(a, "polite"));
  assert_ok(hgl_host_pause_agent(a->host, "polite", &err));
  world_say(a, "polite", "count/1.0/up", NULL);
  world_advance(&world, 2 * AFTER_MS);
  assert_ok(hgl_host_resume_agent(a->host, "polite", &err));
  assert_int_equal(world_number(a, "polite", "count/1.0/up", "n"), 1);
  world_advance(&world, 2 * AFTER_MS);
  assert_true(asleep(a, "polite"));
  assert_ok(hgl_host_restart_agent(a->host, "polite", hgl_bytes(NULL, 0), &err));
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "goodbye"), 1);
  assert_int_equal(world_count_logged(&world, "start restarted"), 1);
  world_advance(&world, 2 * AFTER_MS);
  assert_true(asleep(a, "polite") && asleep(a, "plain"));
  hgl_host_stop_agents(a->host);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "goodbye"), 2);
  assert_int_equal(hgl_host_counts(a->host).woken, 3); /* never plain */
  world_deinit(&world);
}

/* ---- what is not asleep ---- */

static void who_rested_longest_sleeps_first_when_memory_is_short(void **state)
{
  struct world world;
  struct node *a;
  world_init(&world, 5);
  world.hibernate_ms = -1;
  world.lua_bytes = 200000; /* of some 15 KB each */
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  size_t awake = 0;
  for (int i = 0; i < 20; i++) {
    char name[16];
    snprintf(name, sizeof name, "counter%d", i);
    world_agent(a, name, counter, NULL);
  }
  world_run(&world);
  world_number(a, "counter7", "count/1.0/up", "n");
  world_number(a, "counter3", "count/1.0/up", "n");
  world_advance(&world, 10 * AFTER_MS);
  for (int i = 0; i < 20; i++) {
    char name[16];
    snprintf(name, sizeof name, "counter%d", i);
    awake += !asleep(a, name);
  }
  assert_in_range(awake, 5, 15);
  assert_false(asleep(a, "counter7") || asleep(a, "counter3"));
  for (int i = 0; i < 20; i++) {
    char name[16];
    snprintf(name, sizeof name, "counter%d", i);
    assert_int_equal(world_number(a, name, "count/1.0/up", "n"), 1 + (i == 7 || i == 3));
  }
  world_deinit(&world);
}

/* Whoever writes to many that sleep wakes them all; they do not stay awake for it. */
static void a_flood_of_wakes_keeps_the_bound(void **state)
{
  enum { COUNT = 300, LIMIT = 200000 };
  struct world world;
  struct node *a;
  struct hgl_err err;
  json_t *host;
  char name[16];
  world_init(&world, 11);
  world.hibernate_ms = -1;
  world.lua_bytes = LIMIT;
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  for (int i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, "counter%d", i);
    world_agent(a, name, counter, NULL);
  }
  world_run(&world);
  for (int i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, "counter%d", i);
    world_say(a, name, "count/1.0/up", NULL);
  }
  for (int i = 0; i < 4; i++) hgl_host_tick(a->host);
  assert_ok(hgl_host_describe(a->host, &host, &err));
  assert_in_range(json_integer_value(json_object_get(host, "lua_bytes")), 1, LIMIT);
  assert_int_equal(hgl_host_counts(a->host).handled, 2 * COUNT); /* and the operator the answers */
  json_decref(host);
  world_deinit(&world);
}

static void agents_sleep_also_while_the_disk_is_full(void **state)
{
  struct world world;
  struct node *a;
  struct hgl_err err;
  json_t *host;
  world_init(&world, 13);
  world.lua_bytes = 100000;
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_run(&world);
  hgl_store_set_space(a->store, 0);
  for (int i = 0; i < 100; i++) {
    char name[16];
    snprintf(name, sizeof name, "counter%d", i);
    world_agent(a, name, counter, NULL);
  }
  world_advance(&world, 5000);
  assert_string_equal(hgl_host_held(a->host), "disk_low");
  assert_ok(hgl_host_describe(a->host, &host, &err));
  assert_in_range(json_integer_value(json_object_get(host, "lua_bytes")), 1, 100000);
  json_decref(host);
  world_deinit(&world);
}

static void who_is_held_sleeps_also_when_mail_waits(void **state)
{
  struct world world;
  struct node *a;
  struct hgl_err err;
  setup_drowsy(&world, &a, 12);
  world_agent(a, "counter", counter, NULL);
  world_run(&world);
  assert_ok(hgl_host_pause_agent(a->host, "counter", &err));
  world_say(a, "counter", "count/1.0/up", NULL);
  world_advance(&world, 3000);
  json_t *agent = look(a, "counter");
  assert_true(json_is_true(json_object_get(agent, "asleep")));
  assert_int_equal(json_integer_value(json_object_get(agent, "mailbox")), 1);
  json_decref(agent);
  assert_ok(hgl_host_resume_agent(a->host, "counter", &err));
  assert_int_equal(world_number(a, "counter", "count/1.0/up", "n"), 2);
  world_deinit(&world);
}

static void never_is_never(void **state)
{
  struct world world;
  struct node *a;
  world_init(&world, 6);
  world.hibernate_ms = world.lua_bytes = -1;
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "counter", counter, NULL);
  world_advance(&world, 100 * AFTER_MS);
  assert_false(asleep(a, "counter"));
  world_deinit(&world);
}

/* ---- suspended handlers ---- */

/* Asks a slow agent, sleeps, and holds a table of state across both. */
static const char waiting[] =
    "agent.on('work/1.0/go', function(m)\n"
    "  state.jobs = state.jobs or {}\n"
    "  state.jobs[#state.jobs + 1] = { steps = 0 }\n"
    "  local job <const> = state.jobs[#state.jobs]\n"
    "  job.steps = job.steps + 1\n"
    "  agent.sleep('1m')\n"
    "  job.steps = job.steps + 1\n"
    "  local reply = assert(agent.ask('slow', 'slow/1.0/ask', {}, { within = '10m' }))\n"
    "  job.steps = job.steps + reply.body.n\n"
    "  agent.exclusive('key', function() agent.sleep('1m') end)\n"
    "  job.steps = job.steps + 1\n"
    "  log.info('done ' .. job.steps)\n"
    "end)\n"
    "agent.on('work/1.0/report', function(m) m:reply('told', { n = #state.jobs }) end)\n"
    "agent.on('work/1.0/shift', function(m)\n"
    "  table.insert(state.jobs, 1, { steps = -100 })\n"
    "  m:reply('told', { n = #state.jobs })\n"
    "end)\n";
static const char slow[] =
    "agent.on('slow/1.0/ask', function(m) agent.sleep('2m') m:reply('told', { n = 10 }) end)\n";

static void suspended_handlers_sleep_with_their_agent_and_go_on(void **state)
{
  struct world world;
  struct node *a;
  setup_drowsy(&world, &a, 7);
  world_agent(a, "worker", waiting, NULL);
  world_agent(a, "slow", slow, NULL);
  world_say(a, "worker", "work/1.0/go", NULL);
  world_advance(&world, 5000);
  world_say(a, "worker", "work/1.0/go", NULL);
  world_advance(&world, 5000);
  assert_true(asleep(a, "worker"));
  assert_int_equal(world_number(a, "worker", "work/1.0/shift", "n"), 3); /* moves both jobs */
  world_advance(&world, 5000);
  assert_true(asleep(a, "worker"));
  world_advance(&world, 120000);
  assert_true(asleep(a, "worker") && asleep(a, "slow"));
  world_advance(&world, 180000);
  assert_int_equal(world_count_logged(&world, "done 13"), 2);
  assert_int_equal(world_number(a, "worker", "work/1.0/report", "n"), 3);
  assert_in_range(hgl_host_counts(a->host).woken, 6, 20);
  world_deinit(&world);
}

static void a_crash_while_all_sleep_loses_nothing(void **state)
{
  for (int moment = 0; moment < 12; moment++) { /* every half minute of the work */
    struct world world;
    struct node *a;
    setup_drowsy(&world, &a, 8);
    world_agent(a, "worker", waiting, NULL);
    world_agent(a, "slow", slow, NULL);
    world_say(a, "worker", "work/1.0/go", NULL);
    world_advance(&world, 2000 + moment * 30000);
    world_crash(a);
    world_restart(a);
    world_agent(a, "operator", "", NULL);
    world_agent(a, "worker", waiting, NULL);
    world_agent(a, "slow", slow, NULL);
    world_advance(&world, 480000);
    assert_int_equal(world_count_logged(&world, "done 13"), 1);
    assert_true(asleep(a, "worker"));
    world_deinit(&world);
  }
}

/* ---- want of memory ---- */

/* Two handlers wait, each with a table of state in its hands, while a schedule wakes the agent. */
static const char ticking[] =
    "agent.every('often', '30s', function() state.n = (state.n or 0) + 1 end)\n"
    "agent.on('work/1.0/go', function(m)\n"
    "  state.jobs = state.jobs or {}\n"
    "  state.jobs[#state.jobs + 1] = { steps = 1 }\n"
    "  local job <const> = state.jobs[#state.jobs]\n"
    "  agent.sleep('40s')\n"
    "  job.steps = job.steps + 1\n"
    "  log.info('done ' .. job.steps)\n"
    "end)\n"
    "agent.on('count/1.0/up', function(m) m:reply('told', { n = state.n }) end)\n";

/* False: no request was refused any more. */
static bool wake_without(uint64_t request, size_t *waited)
{
  struct world world;
  struct node *a;
  setup_drowsy(&world, &a, 9);
  world_agent(a, "clock", ticking, NULL);
  world_say(a, "clock", "work/1.0/go", NULL);
  world_say(a, "clock", "work/1.0/go", NULL);
  world_advance(&world, 29000);
  assert_true(asleep(a, "clock"));
  sweep_refuse(request, false);
  world_advance(&world, 1001);
  sweep_stop();
  bool refused = sweep_refused();
  if (a->failed) { /* where nothing else helps the host ends, and begins again */
    world_crash(a);
    world_restart(a);
    world_agent(a, "operator", "", NULL);
    world_agent(a, "clock", ticking, NULL);
  }
  world_advance(&world, 15000);
  *waited += world_logged(&world, "cannot be woken now");
  assert_int_equal(world_count_logged(&world, "done 2"), 2);
  assert_int_equal(world_number(a, "clock", "count/1.0/up", "n"), 1);
  world_deinit(&world);
  return refused;
}

static void an_agent_that_cannot_be_woken_now_is_woken_later(void **state)
{
  size_t waited = 0;
  uint64_t request = 0;
  while (wake_without(request, &waited)) request++;
  assert_in_range(request, 100, 3000);
  assert_in_range(waited, 50, request);
}

/* One whose places cannot be noted stays awake. */
static void an_agent_that_cannot_fall_asleep_now_does_so_later(void **state)
{
  size_t stayed = 0;
  bool refused = true;
  for (uint64_t request = 0; refused; request++) {
    struct world world;
    struct node *a;
    setup_drowsy(&world, &a, 10);
    world_agent(a, "clock", ticking, NULL);
    world_say(a, "clock", "work/1.0/go", NULL);
    world_run(&world);
    world_advance(&world, 900);
    assert_false(asleep(a, "clock"));
    sweep_refuse(request, false);
    world_advance(&world, 150);
    sweep_stop();
    refused = sweep_refused();
    assert_false(a->failed);
    stayed += world_logged(&world, "clock stays awake");
    world_advance(&world, 2000);
    assert_true(asleep(a, "clock"));
    world_advance(&world, 45000);
    assert_int_equal(world_count_logged(&world, "done 2"), 1);
    world_deinit(&world);
  }
  assert_true(stayed > 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_agent_at_rest_sleeps_and_a_message_wakes_it),
      cmocka_unit_test(timers_and_schedules_wake),
      cmocka_unit_test(what_a_sleeper_does_not_handle_is_refused_as_ever),
      cmocka_unit_test(sleepers_are_stopped_paused_and_restarted_like_others),
      cmocka_unit_test(who_rested_longest_sleeps_first_when_memory_is_short),
      cmocka_unit_test(a_flood_of_wakes_keeps_the_bound),
      cmocka_unit_test(agents_sleep_also_while_the_disk_is_full),
      cmocka_unit_test(who_is_held_sleeps_also_when_mail_waits),
      cmocka_unit_test(never_is_never),
      cmocka_unit_test(suspended_handlers_sleep_with_their_agent_and_go_on),
      cmocka_unit_test(a_crash_while_all_sleep_loses_nothing),
      cmocka_unit_test(an_agent_that_cannot_be_woken_now_is_woken_later),
      cmocka_unit_test(an_agent_that_cannot_fall_asleep_now_does_so_later),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
