#include "durable_fixture.h"

static const char locker[] =
    "agent.on('go/1.0/now', function(m)\n"
    "  local n = m.body.n\n"
    "  local text = agent.exclusive('till', function()\n"
    "    assert(not state.inside, 'two at once')\n"
    "    state.inside = n\n"
    "    agent.sleep('100ms')\n"
    "    agent.exclusive('till', function() agent.sleep('30ms') end)\n"
    "    assert(state.inside == n, 'another one came in')\n"
    "    state.inside = nil\n"
    "    state.order = (state.order or '') .. n\n"
    "    if m.body.raise then pcall(agent.exclusive, 'other', error) error('raised') end\n"
    "    return 'result ' .. n\n"
    "  end)\n"
    "  assert(text == 'result ' .. n)\n"
    "  state.done = (state.done or 0) + 1\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m) log.info('order ' .. state.order)\n"
    "  m:reply('told', { done = state.done or 0 }) end)\n";

static void a_lock_is_held_through_suspensions_and_crashes_and_given_in_turn(void **state)
{
  static const struct cast cast[] = {{"locker", locker}, {NULL, NULL}};
  for (int at = 0; at < 40; at += 2) {
    struct world world;
    world_init(&world, 100);
    struct node *a = world_node(&world);
    enter(a, cast);
    world_run(&world);
    for (int n = 1; n <= 4; n++) {
      char body[32];
      snprintf(body, sizeof body, "{\"n\":%d}", n);
      world_say(a, "locker", "go/1.0/now", body);
    }
    world_run(&world);
    live(&world, a, cast, at, at % 4 ? 0 : 5);
    if (world_dead_count(a, NULL)) fail_msg("tick %d: %s", at, world.logged);
    assert_int_equal(world_number(a, "locker", "report/1.0/ask", "done"), 4);
    assert_true(world_logged(&world, "order 1234"));
    world_deinit(&world);
  }
}

static void a_lock_is_free_when_its_handler_has_failed_for_good(void **state)
{
  static const struct cast cast[] = {{"locker", locker}, {NULL, NULL}};
  struct world world;
  world_init(&world, 101);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "locker", "go/1.0/now", "{\"n\":1,\"raise\":true}");
  world_run(&world);
  world_say(a, "locker", "go/1.0/now", "{\"n\":2}");
  world_advance(&world, 5000);
  /* The second got the lock, and found what the first had committed before it failed. */
  assert_true(world_logged(&world, "two at once"));
  assert_int_equal(world_dead_count(a, "handler_failed"), 2);
  assert_int_equal(run_count(a), 0);
  world_deinit(&world);
}

/* The one that waits asks for the lock and is given it between two commits: its row is written when
 * it has it already, and the host dies before it goes on. */
static const char relay[] =
    "local function inside(n)\n"
    "  assert(not state.inside, 'two at once')\n"
    "  state.inside = n\n"
    "  state.order = (state.order or '') .. n\n"
    "end\n"
    "agent.on('first/1.0/go', function()\n"
    "  agent.exclusive('till', function() inside(1) agent.sleep('100ms') state.inside = nil end)\n"
    "  log.info('first is through')\n"
    "  log.info('takes 30 ms')\n"
    "end)\n"
    "agent.on('next/1.0/go', function(m)\n"
    "  agent.sleep(m.body.after)\n"
    "  log.info('asks ' .. m.body.n)\n"
    "  agent.exclusive('till', function()\n"
    "    inside(m.body.n)\n"
    "    agent.exclusive('till', function() agent.sleep('100ms') end)\n"
    "    state.inside = nil\n"
    "  end)\n"
    "  state.done = (state.done or 0) + 1\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m) log.info('order ' .. state.order)\n"
    "  m:reply('told', { done = state.done or 0 }) end)\n";

static void a_lock_given_in_the_tick_that_asks_for_it_is_held_once_after_a_crash(void **state)
{
  static const struct cast cast[] = {{"relay", relay}, {NULL, NULL}};
  struct world world;
  world_init(&world, 102);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "relay", "next/1.0/go", "{\"n\":2,\"after\":99}");
  world_say(a, "relay", "first/1.0/go", NULL);
  world_say(a, "relay", "next/1.0/go", "{\"n\":3,\"after\":150}");
  world_run(&world);
  hgl_clock_advance(&world.time, 100);
  hgl_host_tick(a->host);
  assert_true(world_logged(&world, "relay: asks 2\nrelay: first is through\nrelay: takes 30 ms\n"));
  crash(a, cast);
  world_advance(&world, 1000);
  assert_int_equal(world_dead_count(a, NULL), 0);
  assert_int_equal(run_count(a), 0);
  assert_int_equal(world_count_logged(&world, "asks 2"), 1);
  assert_int_equal(world_number(a, "relay", "report/1.0/ask", "done"), 2);
  assert_true(world_logged(&world, "order 123\n"));
  world_deinit(&world);
}

/* Locks within locks; a suspension now and then, because C functions nest only so deep. */
static void a_handler_holds_so_many_locks_and_no_more(void **state)
{
  static const struct cast cast[] = {
      {"deep", "local function take(i, last)\n"
               "  if i > last then agent.sleep('1s') return log.info('holds ' .. last) end\n"
               "  if i % 100 == 0 then agent.sleep(1) end\n"
               "  agent.exclusive('key ' .. i, take, i + 1, last)\n"
               "end\n"
               "agent.on('go/1.0/now', function(m) take(1, m.body.n) end)\n"},
      {NULL, NULL}};
  struct world world;
  world_init(&world, 103);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "deep", "go/1.0/now", "{\"n\":1000}");
  world_advance(&world, 900);
  crash(a, cast);
  world_advance(&world, 3000);
  assert_true(world_logged(&world, "holds 1000"));
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_say(a, "deep", "go/1.0/now", "{\"n\":1001}");
  world_advance(&world, 5000);
  assert_false(world_logged(&world, "holds 1001"));
  assert_true(world_logged(&world, "a handler holds 1000 locks at most"));
  assert_int_equal(world_dead_count(a, "handler_failed"), 1);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_lock_is_held_through_suspensions_and_crashes_and_given_in_turn),
      cmocka_unit_test(a_lock_is_free_when_its_handler_has_failed_for_good),
      cmocka_unit_test(a_lock_given_in_the_tick_that_asks_for_it_is_held_once_after_a_crash),
      cmocka_unit_test(a_handler_holds_so_many_locks_and_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
