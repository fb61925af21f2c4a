#include <stdio.h>

#include "support/world.h"

enum { JOURNAL_LIMIT = 20000 };

struct scene {
  struct world world;
  struct node *a, *b, *c;
  char script[2048];
};

static const char sink[] = "agent.on('x/1.0/y', function() state.n = (state.n or 0) + 1 end)\n"
                           "agent.on('report/1.0/ask', function(m)\n"
                           "  m:reply('told', { n = state.n or 0 })\n"
                           "end)\n";

static void add_agents(struct scene *scene)
{
  world_agent(scene->a, "operator", "", NULL);
  world_agent(scene->a, "source", scene->script, NULL);
}

static void begin(struct scene *scene)
{
  world_init(&scene->world, 1);
  scene->world.journal_bytes = JOURNAL_LIMIT;
  scene->a = world_node(&scene->world);
  scene->b = world_node(&scene->world);
  scene->c = world_node(&scene->world);
  snprintf(scene->script, sizeof scene->script,
           "agent.on('go/1.0/now', function(message)\n"
           "  local to = message.body.to == 'b' and '%s' or '%s'\n"
           "  agent.send(to, 'x/1.0/y', { filler = string.rep('x', 500) })\n"
           "end)\n",
           world_did(scene->b, "sink"), world_did(scene->c, "sink"));
  add_agents(scene);
  struct node *others[] = {scene->b, scene->c};
  for (int i = 0; i < 2; i++) {
    world_agent(others[i], "operator", "", NULL);
    world_agent(others[i], "sink", sink, NULL);
    world_link(scene->a, others[i]);
  }
  world_run(&scene->world);
}

static int add_size(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  *(size_t *)user += value.size;
  return 0;
}

static size_t journal_bytes(struct node *node)
{
  struct hgl_err err;
  size_t size = 0;
  const struct hgl_bytes none = {0};
  assert_ok(hgl_store_scan(node->store, HGL_DB_JOURNAL, none, none, false, add_size, &size, &err));
  return size;
}

static void say(struct scene *scene, const char *to, int count)
{
  char body[32];
  snprintf(body, sizeof body, "{\"to\":\"%s\"}", to);
  for (int i = 0; i < count; i++) {
    world_say(scene->a, "source", "go/1.0/now", body);
    world_run(&scene->world);
  }
}

static void the_journal_keeps_to_its_size(void **state)
{
  struct scene scene;
  begin(&scene);
  say(&scene, "b", 200);
  assert_in_range(journal_bytes(scene.a), JOURNAL_LIMIT / 2, JOURNAL_LIMIT * 5 / 4);
  assert_in_range(journal_bytes(scene.b), JOURNAL_LIMIT / 2, JOURNAL_LIMIT * 5 / 4);
  world_deinit(&scene.world);
}

static void trimming_never_takes_what_is_not_acknowledged_nor_stops_at_it(void **state)
{
  struct scene scene;
  begin(&scene);
  world_unlink(scene.a, scene.c);
  say(&scene, "c", 10); /* c is away */
  size_t unacknowledged = 10 * 1200;
  say(&scene, "b", 200);
  assert_in_range(journal_bytes(scene.a), unacknowledged / 2,
                  JOURNAL_LIMIT * 5 / 4 + unacknowledged);
  world_crash(scene.a);
  world_restart(scene.a);
  add_agents(&scene);
  world_link(scene.a, scene.c);
  world_link(scene.a, scene.b);
  world_run(&scene.world);
  assert_int_equal(world_number(scene.c, "sink", "report/1.0/ask", "n"), 10);
  assert_int_equal(world_number(scene.b, "sink", "report/1.0/ask", "n"), 200);
  say(&scene, "b", 40);
  assert_in_range(journal_bytes(scene.a), JOURNAL_LIMIT / 2, JOURNAL_LIMIT * 5 / 4);
  world_deinit(&scene.world);
}

enum { AGE_MS = 64000, SPOKEN = 5 };

static void begin_with_age(struct scene *scene)
{
  begin(scene);
  scene->world.journal_bytes = 0; /* the size is in nobody's way */
  scene->world.journal_age_ms = AGE_MS;
  struct node *nodes[] = {scene->a, scene->b, scene->c};
  for (int i = 0; i < 3; i++) {
    world_crash(nodes[i]);
    world_restart(nodes[i]);
    if (i) {
      world_agent(nodes[i], "operator", "", NULL);
      world_agent(nodes[i], "sink", sink, NULL);
    }
  }
  add_agents(scene);
  world_link(scene->a, scene->b);
  world_link(scene->a, scene->c);
  world_run(&scene->world);
}

static void restart(struct scene *scene)
{
  world_crash(scene->a);
  world_restart(scene->a);
  add_agents(scene);
  world_link(scene->a, scene->b);
  world_link(scene->a, scene->c);
  world_run(&scene->world);
}

static void rows_older_than_the_age_go_also_when_nothing_happens(void **state)
{
  struct scene scene;
  begin_with_age(&scene);
  say(&scene, "b", SPOKEN);
  world_advance(&scene.world, AGE_MS / 2);
  size_t first = journal_bytes(scene.a);
  say(&scene, "b", SPOKEN);
  size_t both = journal_bytes(scene.a);
  assert_true(both > first && first > 0);
  world_advance(&scene.world, AGE_MS / 2 - 3000);
  assert_true(journal_bytes(scene.a) >= both);
  world_advance(&scene.world, 16000); /* the first half is past it */
  assert_in_range(journal_bytes(scene.a), 1, both - first / 2);
  world_advance(&scene.world, AGE_MS);
  assert_int_equal(journal_bytes(scene.a), 0);
  assert_int_equal(journal_bytes(scene.b), 0);
  say(&scene, "b", SPOKEN);
  assert_int_equal(world_number(scene.b, "sink", "report/1.0/ask", "n"), 3 * SPOKEN);
  world_deinit(&scene.world);
}

static void age_goes_on_over_restarts_and_while_the_host_is_down(void **state)
{
  struct scene scene;
  begin_with_age(&scene);
  say(&scene, "b", SPOKEN);
  size_t size = journal_bytes(scene.a);
  for (int i = 0; i < 3; i++) {
    world_advance(&scene.world, AGE_MS / 4);
    restart(&scene);
  }
  assert_true(journal_bytes(scene.a) >= size);
  world_crash(scene.a);
  hgl_clock_advance(&scene.world.time, AGE_MS / 2);
  world_restart(scene.a);
  add_agents(&scene);
  world_advance(&scene.world, 12000);
  assert_true(journal_bytes(scene.a) < size);
  world_deinit(&scene.world);
}

static void a_clock_that_jumps_makes_no_row_older(void **state)
{
  static const int64_t year_ms = INT64_C(365) * 24 * 3600 * 1000;
  struct scene scene;
  begin_with_age(&scene);
  say(&scene, "b", SPOKEN);
  size_t size = journal_bytes(scene.a);
  scene.world.time.wall_ms += year_ms;
  world_advance(&scene.world, 20000);
  assert_true(journal_bytes(scene.a) >= size);
  scene.world.time.wall_ms -= 2 * year_ms;
  world_advance(&scene.world, 20000);
  assert_true(journal_bytes(scene.a) >= size);
  restart(&scene); /* before what was stored: no time is counted */
  world_advance(&scene.world, 5000);
  assert_true(journal_bytes(scene.a) >= size);
  world_advance(&scene.world, AGE_MS); /* and it still grows old */
  assert_int_equal(journal_bytes(scene.a), 0);
  world_deinit(&scene.world);
}

static void age_never_takes_what_is_not_acknowledged(void **state)
{
  struct scene scene;
  begin_with_age(&scene);
  world_unlink(scene.a, scene.c);
  say(&scene, "c", SPOKEN);
  size_t size = journal_bytes(scene.a);
  for (int i = 0; i < 4; i++) {
    world_advance(&scene.world, AGE_MS);
    say(&scene, "b", 1);
  }
  assert_true(journal_bytes(scene.a) >= size / 2);
  restart(&scene);
  assert_int_equal(world_number(scene.c, "sink", "report/1.0/ask", "n"), SPOKEN);
  world_advance(&scene.world, 3 * AGE_MS);
  assert_int_equal(journal_bytes(scene.a), 0);
  world_deinit(&scene.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_journal_keeps_to_its_size),
      cmocka_unit_test(trimming_never_takes_what_is_not_acknowledged_nor_stops_at_it),
      cmocka_unit_test(rows_older_than_the_age_go_also_when_nothing_happens),
      cmocka_unit_test(age_goes_on_over_restarts_and_while_the_host_is_down),
      cmocka_unit_test(a_clock_that_jumps_makes_no_row_older),
      cmocka_unit_test(age_never_takes_what_is_not_acknowledged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
