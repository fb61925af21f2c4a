#include <stdio.h>

#include "agent/supervise.h"
#include "support/world.h"

static const char script[] =
    "agent.on('count/1.0/up', function() state.count = (state.count or 0) + 1 end)\n"
    "agent.on('after/1.0/set', function(m) agent.after('bell', m.body.ms) end)\n"
    "agent.on_timer('bell', function() log.info('rang') end)\n"
    "agent.on('sleep/1.0/now', function() agent.sleep('7s') log.info('woke') end)\n"
    "agent.on('loop/1.0/on', function(m)\n"
    "  if m.body.n > 0 then agent.send('agent', 'loop/1.0/on', { n = m.body.n - 1 }) end\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m) m:reply('told', { count = state.count or 0 }) end)\n";

static struct node *begin(struct world *world)
{
  world_init(world, 21);
  struct node *node = world_node(world);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "agent", script, NULL);
  world_run(world);
  return node;
}

/* In milliseconds from now. */
static int64_t due_ms(struct node *node)
{
  int64_t deadline_ns = hgl_host_deadline(node->host);
  return deadline_ns == INT64_MAX ? INT64_MAX : (deadline_ns - node->world->time.mono_ns) / 1000000;
}

static void an_idle_host_has_nothing_due_but_gossip(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  assert_true(hgl_host_idle(node->host));
  int64_t due = due_ms(node);
  assert_true(due > 0);
  uint64_t commits = hgl_store_stats(node->store).commits;
  for (int i = 0; i < 20; i++) hgl_host_tick(node->host); /* nothing happens, nothing is written */
  world_run(&world);
  assert_int_equal(hgl_store_stats(node->store).commits, commits);
  world_deinit(&world);
}

static void a_timer_is_due_by_unix_time_looked_at_each_second(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  world_say(node, "agent", "after/1.0/set", "{\"ms\":300}");
  world_run(&world);
  int64_t due = due_ms(node);
  assert_true(due > 0 && due <= 300);
  hgl_clock_advance(&world.time, 299);
  world_run(&world);
  assert_false(world_logged(&world, "rang"));
  hgl_clock_advance(&world.time, 1);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "rang"), 1);
  /* Far off, it is looked at once a second, because the clock may be put forward. */
  world_say(node, "agent", "after/1.0/set", "{\"ms\":86400000}");
  world_run(&world);
  assert_true(due_ms(node) <= 1000);
  world.time.wall_ms += 86400000; /* the monotonic one stands still */
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "rang"), 2);
  world_deinit(&world);
}

static void a_sleep_is_due_by_monotonic_time(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  world_say(node, "agent", "sleep/1.0/now", NULL);
  world_run(&world);
  assert_true(due_ms(node) <= 7000);
  world.time.wall_ms += 86400000; /* Unix time does not matter */
  world_run(&world);
  assert_false(world_logged(&world, "woke"));
  world.time.wall_ms -= 86400000;
  world_advance(&world, 7000);
  assert_int_equal(world_count_logged(&world, "woke"), 1);
  world_deinit(&world);
}

/* While two commits are under way nothing is taken in: the loop waits for the store to wake it. */
static void a_busy_store_holds_the_next_tick(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  hgl_store_hold(node->store, true);
  for (int i = 0; i < 10; i++) {
    world_say(node, "agent", "count/1.0/up", NULL);
    hgl_host_tick(node->host);
  }
  assert_true(hgl_store_busy(node->store));
  assert_int_equal(hgl_host_deadline(node->host), INT64_MAX);
  assert_false(hgl_host_idle(node->host));
  uint64_t ticks = hgl_host_counts(node->host).ticks;
  for (int i = 0; i < 10; i++) hgl_host_tick(node->host);
  assert_int_equal(hgl_host_counts(node->host).ticks, ticks);
  hgl_store_hold(node->store, false);
  world_run(&world);
  assert_true(hgl_host_idle(node->host));
  assert_int_equal(world_number(node, "agent", "report/1.0/ask", "count"), 10);
  world_deinit(&world);
}

static void what_waits_together_is_committed_together(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  uint64_t commits = hgl_store_stats(node->store).commits;
  for (int i = 0; i < 200; i++) world_say(node, "agent", "count/1.0/up", NULL);
  world_run(&world);
  assert_true(hgl_store_stats(node->store).commits - commits <= 5);
  assert_int_equal(world_number(node, "agent", "report/1.0/ask", "count"), 200);
  world_deinit(&world);
}

static void a_full_disk_stops_the_intake_and_nothing_is_lost(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  hgl_store_fault(node->store, HGL_DISK_FULL, 3);
  world_say(node, "agent", "count/1.0/up", NULL);
  hgl_host_tick(node->host);
  hgl_host_tick(node->host);
  assert_int_equal(hgl_host_deadline(node->host), INT64_MAX); /* the store will wake it */
  assert_false(node->failed);
  for (int i = 0; i < 5; i++) hgl_host_tick(node->host); /* each is a try */
  world_run(&world);
  assert_true(hgl_host_deadline(node->host) < INT64_MAX);
  assert_int_equal(world_number(node, "agent", "report/1.0/ask", "count"), 1);
  world_deinit(&world);
}

static void an_unknown_outcome_is_fatal_once_and_nothing_runs_after_it(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  hgl_store_fault(node->store, HGL_IO, 1);
  world_say(node, "agent", "count/1.0/up", NULL);
  for (int i = 0; i < 5 && !node->failed; i++) hgl_host_tick(node->host);
  assert_true(node->failed);
  assert_int_equal(node->failure.code, HGL_IO);
  node->failed = false;
  uint64_t ticks = hgl_host_counts(node->host).ticks;
  for (int i = 0; i < 5; i++) hgl_host_tick(node->host);
  assert_false(node->failed); /* it is told once */
  assert_int_equal(hgl_host_counts(node->host).ticks, ticks);
  node->failed = true;
  world_deinit(&world);
}

static void agents_that_never_cease_to_talk_let_the_tick_end(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  uint64_t before = hgl_host_counts(node->host).handled;
  world_say(node, "agent", "loop/1.0/on", "{\"n\":17000}");
  hgl_host_tick(node->host);
  assert_true(hgl_host_counts(node->host).handled - before < 17000); /* not all in one tick */
  assert_false(hgl_host_idle(node->host));
  world_run(&world);
  assert_int_equal(hgl_host_counts(node->host).handled - before, 17001);
  world_deinit(&world);
}

static void want_of_memory_while_committing_is_fatal_or_survived(void **state)
{
  for (int i = 0; i < 60; i++) {
    struct world world;
    struct node *node = begin(&world);
    struct hgl_store_stats before = hgl_store_stats(node->store);
    world_say(node, "agent", "count/1.0/up", NULL);
    hgl_mem_fail_after(i);
    hgl_host_tick(node->host);
    hgl_mem_fail_after(-1);
    if (node->failed) { /* the store is the truth: either it is in there whole or not at all */
      assert_int_equal(node->failure.code, HGL_NO_MEMORY);
      assert_true(hgl_store_stats(node->store).commits <= before.commits + 1);
    } else {
      world_run(&world);
      assert_false(node->failed);
    }
    world_deinit(&world);
  }
}

static size_t offers_of(struct node *node, const char *query)
{
  struct hgl_err err;
  json_t *found;
  assert_ok(hgl_host_find(node->host, query, &found, &err));
  size_t count = json_array_size(found);
  json_decref(found);
  return count;
}

static void commit_added(struct node *node)
{
  struct hgl_err err;
  hgl_host_commit_added(node->host);
  assert_ok(hgl_store_drain(node->store, 1000, &err));
}

static void agents_of_a_start_are_committed_in_parts_and_begin_together(void **state)
{
  static const char first[] =
      "agent.offer { service = 'first' }\n"
      "agent.on_start(function() agent.send('last', 'hello/1.0/say', {}) end)\n"
      "agent.on_undelivered(function(m, why, code) log.info('undelivered ' .. code) end)\n";
  static const char last[] = "agent.offer { service = 'last' }\n"
                             "agent.on('hello/1.0/say', function() log.info('heard') end)\n";
  struct world world;
  world_init(&world, 22);
  struct node *node = world_node(&world);
  for (int round = 0; round < 2; round++) {
    uint64_t commits = hgl_store_stats(node->store).commits;
    world_agent(node, "operator", "", NULL);
    world_agent(node, "first", first, NULL);
    commit_added(node);
    assert_true(hgl_store_stats(node->store).commits > commits);
    assert_int_equal(offers_of(node, "service=first"), 1);
    /* Of the start before: it may still come, and is not withdrawn meanwhile. */
    assert_int_equal(offers_of(node, "service=last"), round);
    assert_int_equal(world_count_logged(&world, "heard"), round);
    world_agent(node, "last", last, NULL);
    world_run(&world);
    assert_int_equal(world_count_logged(&world, "heard"), round + 1);
    assert_false(world_logged(&world, "undelivered"));
    if (round == 0) {
      world_crash(node);
      world_restart(node);
    }
  }
  /* Without it, the first tick withdraws what it offered. */
  world_crash(node);
  hgl_clock_advance(&world.time, 1000);
  world_restart(node);
  world_agent(node, "operator", "", NULL);
  commit_added(node);
  assert_int_equal(offers_of(node, "service=last"), 1);
  world_run(&world);
  assert_int_equal(offers_of(node, "service=last"), 0);
  world_deinit(&world);
}

static size_t awake(struct node *node)
{
  struct hgl_err err;
  json_t *agents, *agent;
  size_t index, count = 0;
  assert_ok(hgl_host_list_agents(node->host, &agents, &err));
  json_array_foreach(agents, index, agent)
      count += json_integer_value(json_object_get(agent, "memory_bytes")) > 0;
  json_decref(agents);
  return count;
}

static void agents_of_a_start_can_sleep_until_they_begin(void **state)
{
  enum { AGENTS = 300 };
  struct world world;
  char name[32];
  world_init(&world, 24);
  world.lua_bytes = 1;
  struct node *node = world_node(&world);
  for (int i = 0; i < AGENTS; i++) {
    snprintf(name, sizeof name, "a%d", i);
    world_agent(node, name, i % 2 ? "agent.on_start(function() log.info('begins') end)" : "x = nil",
                NULL);
  }
  assert_int_equal(awake(node), AGENTS);
  commit_added(node);
  assert_int_equal(awake(node), 0);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "begins"), AGENTS / 2);
  world_deinit(&world);
}

static void an_agent_that_does_nothing_at_its_start_is_at_rest(void **state)
{
  struct hgl_err err;
  json_t *agents;
  struct world world;
  world_init(&world, 23);
  struct node *node = world_node(&world);
  world_agent(node, "quiet", "agent.on('x/1.0/y', function() end)", NULL);
  commit_added(node);
  commit_added(node);
  assert_true(hgl_host_idle(node->host));
  assert_ok(hgl_host_list_agents(node->host, &agents, &err));
  const char *status = json_string_value(json_object_get(json_array_get(agents, 0), "status"));
  assert_string_equal(status, "running");
  json_decref(agents);
  /* It has been created: an on_start that comes later is told of a restart. */
  world_run(&world);
  world_crash(node);
  world_restart(node);
  world_agent(node, "quiet", "agent.on_start(function(why) log.info('begins ' .. why) end)", NULL);
  world_run(&world);
  assert_true(world_logged(&world, "begins restarted"));
  world_deinit(&world);
}

static int64_t slow_mono_ns(void *user)
{
  hgl_clock_advance(user, 1);
  return ((struct hgl_clock_virtual *)user)->mono_ns;
}

/* Upkeep that goes on over several ticks, because each look at the clock takes a millisecond. */
static void upkeep_leaves_nobody_out_when_agents_go_meanwhile(void **state)
{
  enum { AGENTS = 12 };
  struct hgl_err err;
  for (int gone = 0; gone < AGENTS; gone++) {
    struct world world;
    world_init(&world, 22);
    struct node *node = world_node(&world);
    char names[AGENTS][8];
    for (int i = 0; i < AGENTS; i++) {
      snprintf(names[i], sizeof names[i], "n%d", i);
      world_agent(node, names[i], "agent.offer { service = 'weather' }", NULL);
    }
    world_run(&world);
    world.clock.mono_ns = slow_mono_ns;
    chain_renew(node->host, "for the test"); /* all adverts are to be said anew */
    for (int tick = 0; node->host->upkeep_left != AGENTS / 2; tick++) {
      assert_true(tick < 100);
      size_t left = node->host->upkeep_left;
      hgl_host_tick(node->host);
      assert_true(!left || left - node->host->upkeep_left <= 3);
      if (node->host->upkeep_left && node->host->upkeep_left < AGENTS / 2) break;
    }
    assert_in_range(node->host->upkeep_left, 1, AGENTS - 1);
    assert_ok(hgl_host_remove_agent(node->host, names[gone], false, &err));
    for (int i = 0; i < 30; i++) hgl_host_tick(node->host);
    assert_int_equal(node->host->upkeep_left, 0);
    assert_int_equal(node->host->agent_count, AGENTS - 1);
    for (size_t i = 0; i < AGENTS - 1; i++)
      if (!agent_is_advertised(node->host->agents[i]))
        fail_msg("without %s, %s was left out", names[gone], node->host->agents[i]->name);
    world_deinit(&world);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_idle_host_has_nothing_due_but_gossip),
      cmocka_unit_test(a_timer_is_due_by_unix_time_looked_at_each_second),
      cmocka_unit_test(a_sleep_is_due_by_monotonic_time),
      cmocka_unit_test(a_busy_store_holds_the_next_tick),
      cmocka_unit_test(what_waits_together_is_committed_together),
      cmocka_unit_test(a_full_disk_stops_the_intake_and_nothing_is_lost),
      cmocka_unit_test(an_unknown_outcome_is_fatal_once_and_nothing_runs_after_it),
      cmocka_unit_test(agents_that_never_cease_to_talk_let_the_tick_end),
      cmocka_unit_test(agents_of_a_start_are_committed_in_parts_and_begin_together),
      cmocka_unit_test(agents_of_a_start_can_sleep_until_they_begin),
      cmocka_unit_test(an_agent_that_does_nothing_at_its_start_is_at_rest),
      cmocka_unit_test(want_of_memory_while_committing_is_fatal_or_survived),
      cmocka_unit_test(upkeep_leaves_nobody_out_when_agents_go_meanwhile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
