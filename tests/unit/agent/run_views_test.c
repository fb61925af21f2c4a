/* What a suspended handler may hold of `state`: so much that a row can always say where it stands,
 * whatever others do to it meanwhile. */
#include "durable_fixture.h"
#include "lua/vm.h"

/* 163 tables below keys of 390 bytes take 400 bytes each, one below a key of 326 bytes the rest of
 * the 64 KB. */
static const char holder[] =
    "local function name(i, size) return string.format('%03d', i) .. ('x'):rep(size - 3) end\n"
    "agent.on_start(function(reason)\n"
    "  if reason ~= 'created' then return end\n"
    "  for i = 1, 163 do state[name(i, 390)] = { n = i } end\n"
    "  state[name(164, 326)], state[name(164, 327)] = { n = 164 }, { n = 164 }\n"
    "end)\n"
    "local function held(last)\n"
    "  local all = {}\n"
    "  for i = 1, 163 do all[i] = state[name(i, 390)] end\n"
    "  all[164] = state[name(164, last)]\n"
    "  return all\n"
    "end\n"
    "local function count(all)\n"
    "  local there, why = 0\n"
    "  for i = 1, #all do\n"
    "    local ok, n = pcall(function() return all[i].n end)\n"
    "    if ok then assert(n == i) there = there + 1 else why = n end\n"
    "  end\n"
    "  log.info('there ' .. there .. ' ' .. tostring(why))\n"
    "end\n"
    "agent.on('hold/1.0/now', function(message)\n"
    "  local all = held(message.body.last)\n"
    "  agent.sleep('5s')\n"
    "  count(all)\n"
    "end)\n"
    "agent.on('try/1.0/now', function()\n"
    "  local all = held(327)\n"
    "  local ok, why = pcall(agent.sleep, '1s')\n"
    "  assert(not ok)\n"
    "  log.info('refused ' .. why)\n"
    "  all[164] = nil\n"
    "  agent.sleep('5s')\n"
    "  count(all)\n"
    "end)\n"
    "agent.on('look/1.0/now', function()\n"
    "  local sum = 0\n"
    "  for round = 1, 3 do for _, t in ipairs(held(327)) do sum = sum + t.n end end\n"
    "  agent.sleep('5s')\n"
    "  log.info('sum ' .. sum)\n"
    "end)\n"
    "agent.on('move/1.0/deeper', function()\n"
    "  state[('y'):rep(400)] = {}\n"
    "  local deep = state[('y'):rep(400)]\n"
    "  for i = 1, 100 do\n"
    "    deep[name(i, 390)] = state[name(i, 390)]\n"
    "    state[name(i, 390)] = nil\n"
    "  end\n"
    "end)\n";
static const struct cast holders[] = {{"holder", holder}, {NULL, NULL}};

static struct node *begin(struct world *world)
{
  world_init(world, 300);
  struct node *a = world_node(world);
  enter(a, holders);
  world_run(world);
  return a;
}

static void tables_up_to_the_limit_are_held_through_a_crash(void **state)
{
  struct world world;
  struct node *a = begin(&world);
  world_say(a, "holder", "hold/1.0/now", "{\"last\":326}");
  world_advance(&world, 1000);
  assert_int_equal(run_count(a), 1);
  crash(a, holders);
  world_advance(&world, 6000);
  assert_true(world_logged(&world, "there 164 nil"));
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_deinit(&world);
}

static void one_byte_more_and_the_suspension_raises_and_the_host_lives(void **state)
{
  struct world world;
  struct node *a = begin(&world);
  world_say(a, "holder", "hold/1.0/now", "{\"last\":327}");
  world_advance(&world, 10000);
  assert_false(a->failed);
  assert_int_equal(run_count(a), 0);
  assert_int_equal(world_dead_count(a, "handler_failed"), 1);
  assert_true(world_logged(&world, "limit: this handler holds 164 tables of state across a "
                                   "suspension, whose places take 65537 bytes; limit 65536"));
  assert_false(world_logged(&world, "there"));
  crash(a, holders);
  world_advance(&world, 1000);
  assert_false(a->failed);
  assert_int_equal(world_dead_count(a, NULL), 1);
  world_deinit(&world);
}

static void a_handler_that_catches_the_refusal_and_lets_go_can_wait(void **state)
{
  struct world world;
  struct node *a = begin(&world);
  world_say(a, "holder", "try/1.0/now", NULL);
  world_advance(&world, 1000);
  assert_true(world_logged(&world, "refused limit: this handler holds 164 tables"));
  crash(a, holders);
  world_advance(&world, 6000);
  assert_true(world_logged(&world, "there 163 nil"));
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_deinit(&world);
}

static void tables_that_were_only_looked_at_do_not_count(void **state)
{
  struct world world;
  struct node *a = begin(&world);
  world_say(a, "holder", "look/1.0/now", NULL);
  world_advance(&world, 6000);
  assert_true(world_logged(&world, "sum 40590"));
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_deinit(&world);
}

/* ---- others move them ---- */

enum after { AFTER_NOTHING, AFTER_CRASH, AFTER_SLEEP };

/* 64 KB hold 163 places of 400 bytes, but less when 100 of them take 803. */
static void check_moved(enum after after, const char *there)
{
  struct world world;
  struct node *a = begin(&world);
  if (after == AFTER_SLEEP) {
    world.hibernate_ms = 500;
    crash(a, holders);
    world_run(&world);
  }
  world_say(a, "holder", "hold/1.0/now", "{\"last\":326}");
  world_run(&world);
  world_say(a, "holder", "move/1.0/deeper", NULL);
  world_run(&world);
  assert_false(a->failed);
  assert_int_equal(world_count_logged(&world, "holds were moved to places too long"), 1);
  if (after == AFTER_CRASH) crash(a, holders);
  world_advance(&world, 6000);
  assert_false(a->failed);
  if (!world_logged(&world, there)) fail_msg("not %s: %s", there, world.logged);
  assert_int_equal(world_dead_count(a, NULL), 0);
  assert_int_equal(run_count(a), 0);
  world_deinit(&world);
}

static void what_others_move_to_longer_places_stays_with_a_handler_in_memory(void **state)
{
  check_moved(AFTER_NOTHING, "there 164 nil");
}

static void
what_others_move_to_places_beyond_the_limit_is_removed_for_one_brought_back(void **state)
{
  check_moved(AFTER_CRASH, "this table was removed");
  check_moved(AFTER_SLEEP, "this table was removed");
}

/* ---- far beyond ---- */

static const char hoarder[] =
    "local key = ('x'):rep(390)\n"
    "agent.on('make/1.0/them', function()\n"
    "  local at = state\n"
    "  for i = 1, 28 do at[key] = {} at = at[key] end\n"
    "  for i = 1, 1500 do at[i] = { 1 } end\n"
    "end)\n"
    "agent.on('hold/1.0/them', function()\n"
    "  local at, held = state, {}\n"
    "  for i = 1, 28 do at = at[key] end\n"
    "  for i = 1, 1500 do held[i] = at[i] end\n"
    "  log.info('held ' .. #held)\n"
    "  agent.sleep('10s')\n"
    "  log.info('again ' .. #held)\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m) m:reply('told', { well = 1 }) end)\n";

static void tables_at_the_end_of_the_longest_ways_end_no_host(void **state)
{
  static const struct cast cast[] = {{"h", hoarder}, {NULL, NULL}};
  struct world world;
  world_init(&world, 301);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_say(a, "h", "make/1.0/them", NULL);
  world_run(&world);
  world_say(a, "h", "hold/1.0/them", NULL);
  for (int start = 0; start < 3; start++) {
    world_advance(&world, 8000);
    assert_false(a->failed);
    assert_int_equal(world_number(a, "h", "report/1.0/ask", "well"), 1);
    crash(a, cast);
  }
  assert_true(world_logged(&world, "held 1500"));
  assert_false(world_logged(&world, "again"));
  assert_int_equal(world_dead_count(a, "handler_failed"), 1);
  world_deinit(&world);
}

/* ---- no room for them ---- */

static const char settled[] =
    "agent.on_start(function(reason)\n"
    "  if reason ~= 'created' then return end\n"
    "  for i = 1, 500 do state[i] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } end\n"
    "end)\n"
    "agent.on('hold/1.0/them', function()\n"
    "  local all = {}\n"
    "  for i = 1, 500 do all[i] = state[i] end\n"
    "  agent.sleep('60s')\n"
    "  log.info('holds ' .. #all .. ' ' .. all[500][15])\n"
    "end)\n";

static void begin_settled(struct node *node, const char *script)
{
  const struct hgl_agent_limits limits = {.memory_bytes = 4 << 20};
  world_agent(node, "operator", "", NULL);
  world_agent(node, "y", "agent.on('report/1.0/ask', function(m) m:reply('told', { n = 1 }) end)",
              NULL);
  if (script) world_agent_with(node, "x", script, (struct hgl_agent_config){.limits = limits});
}

/* The top level takes all but some KB of the memory, as it may whenever it likes. */
static void begin_grown(struct node *node)
{
  struct hgl_err err;
  int status = -1;
  begin_settled(node, NULL);
  for (int count = 512; status; count--) {
    char script[256];
    snprintf(script, sizeof script,
             "local much = {}\n"
             "for i = 1, %d do much[i] = ('x'):rep(8192) end\n"
             "agent.on('hold/1.0/them', function() log.info(#much) end)\n",
             count);
    struct hgl_agent_config config = {.name = "x",
                                      .script_path = "x.lua",
                                      .source = hgl_text(script),
                                      .limits = {.memory_bytes = 4 << 20}};
    status = hgl_host_add_agent(node->host, &config, &err);
    if (node->failed) fail_msg("%s", err.message);
  }
}

static void a_script_that_leaves_no_room_for_what_its_handlers_hold_ends_no_host(void **state)
{
  struct world world;
  world_init(&world, 302);
  struct node *a = world_node(&world);
  begin_settled(a, settled);
  world_run(&world);
  world_say(a, "x", "hold/1.0/them", NULL);
  world_advance(&world, 1000);
  assert_int_equal(run_count(a), 1);
  world_crash(a);
  world_restart(a);
  begin_grown(a);
  world_advance(&world, 100000);
  assert_false(a->failed);
  assert_int_equal(world_number(a, "y", "report/1.0/ask", "n"), 1);
  assert_false(world_logged(&world, "holds"));
  json_t *list = runs_of(a), *run = json_array_get(list, 0);
  assert_string_equal(json_string_value(json_object_get(run, "status")), "parked");
  json_decref(list);
  world_crash(a);
  world_restart(a);
  begin_settled(a, settled);
  world_advance(&world, 100000);
  assert_true(world_logged(&world, "holds 500 15"));
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tables_up_to_the_limit_are_held_through_a_crash),
      cmocka_unit_test(one_byte_more_and_the_suspension_raises_and_the_host_lives),
      cmocka_unit_test(a_handler_that_catches_the_refusal_and_lets_go_can_wait),
      cmocka_unit_test(tables_that_were_only_looked_at_do_not_count),
      cmocka_unit_test(what_others_move_to_longer_places_stays_with_a_handler_in_memory),
      cmocka_unit_test(what_others_move_to_places_beyond_the_limit_is_removed_for_one_brought_back),
      cmocka_unit_test(tables_at_the_end_of_the_longest_ways_end_no_host),
      cmocka_unit_test(a_script_that_leaves_no_room_for_what_its_handlers_hold_ends_no_host),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
