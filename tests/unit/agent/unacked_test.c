#include <stdio.h>

#include "protocol/frame.h"
#include "support/world.h"

enum { MANY = 9000, SPOKEN = 4 };

static const char sink[] = "agent.on('x/1.0/y', function(m)\n"
                           "  state.n = (state.n or 0) + 1\n"
                           "  log.info('heard ' .. m.body.n)\n"
                           "end)\n"
                           "agent.on('report/1.0/ask', function(m)\n"
                           "  m:reply('told', { n = state.n or 0 })\n"
                           "end)\n";

struct scene {
  struct world world;
  struct node *a, *b;
  char script[1024];
};

static void add_agents(struct scene *scene)
{
  world_agent(scene->a, "operator", "", NULL);
  world_agent(scene->a, "source", scene->script, NULL);
}

static void begin(struct scene *scene)
{
  world_init(&scene->world, 1);
  scene->a = world_node(&scene->world);
  scene->b = world_node(&scene->world);
  snprintf(scene->script, sizeof scene->script,
           "agent.on('fill/1.0/row', function() end)\n"
           "agent.on('go/1.0/now', function(message)\n"
           "  state.n = (state.n or 0) + 1\n"
           "  agent.send('%s', 'x/1.0/y', { n = state.n })\n"
           "end)\n",
           world_did(scene->b, "sink"));
  add_agents(scene);
  world_agent(scene->b, "operator", "", NULL);
  world_agent(scene->b, "sink", sink, NULL);
  world_link(scene->a, scene->b);
  world_run(&scene->world);
}

static void say(struct scene *scene)
{
  for (int i = 0; i < SPOKEN; i++) {
    world_say(scene->a, "source", "go/1.0/now", NULL);
    world_run(&scene->world);
  }
}

static void restart(struct scene *scene)
{
  world_crash(scene->a);
  world_restart(scene->a);
  add_agents(scene);
}

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  ++*(size_t *)user;
  return 0;
}

static size_t indexed(struct node *node)
{
  struct hgl_err err;
  size_t rows = 0;
  const struct hgl_bytes none = {0};
  assert_ok(hgl_store_scan(node->store, HGL_DB_UNACKED, none, none, false, count_row, &rows, &err));
  return rows;
}

/* So that the host looks at its index: as if it had written many rows. */
static void write_many(struct scene *scene)
{
  for (int i = 0; i < MANY; i++) {
    if (i % 100 == 0 && indexed(scene->a)) return;
    world_say(scene->a, "source", "fill/1.0/row", NULL);
    world_run(&scene->world);
  }
}

static void what_waits_for_long_is_found_without_looking_through_the_journal(void **state)
{
  struct scene scene;
  struct hgl_err err;
  uint8_t key[8] = {0};
  begin(&scene);
  say(&scene);
  world_unlink(scene.a, scene.b);
  say(&scene);
  write_many(&scene);
  assert_int_equal(indexed(scene.a), SPOKEN);
  say(&scene); /* since then: found by looking */
  /* A row that cannot be read, among those that need not be. */
  world_crash(scene.a);
  hgl_put_be64(key, 100);
  assert_ok(hgl_writeset_put(hgl_store_open_set(scene.a->store), HGL_DB_JOURNAL,
                             hgl_bytes(key, sizeof key), hgl_text("no row"), &err));
  world_restart(scene.a);
  add_agents(&scene);
  world_link(scene.a, scene.b);
  world_run(&scene.world);
  assert_int_equal(world_number(scene.b, "sink", "report/1.0/ask", "n"), 3 * SPOKEN);
  for (int i = 1; i <= 3 * SPOKEN; i++) {
    char line[32];
    snprintf(line, sizeof line, "heard %d\n", i);
    assert_int_equal(world_count_logged(&scene.world, line), 1);
  }
  assert_int_equal(indexed(scene.a), 0);
  world_deinit(&scene.world);
}

static void an_index_that_is_behind_does_no_harm(void **state)
{
  struct scene scene;
  struct hgl_err err;
  uint8_t key[8] = {0};
  begin(&scene);
  say(&scene);
  world_unlink(scene.a, scene.b);
  say(&scene);
  write_many(&scene);
  world_crash(scene.a);
  for (uint8_t row = 1; row < 60; row++) { /* acknowledged, of another kind, or not there */
    key[7] = row;
    assert_ok(hgl_writeset_put(hgl_store_open_set(scene.a->store), HGL_DB_UNACKED,
                               hgl_bytes(key, sizeof key), hgl_text("x"), &err));
  }
  world_restart(scene.a);
  add_agents(&scene);
  world_run(&scene.world);
  assert_int_equal(indexed(scene.a), SPOKEN);
  world_link(scene.a, scene.b);
  world_run(&scene.world);
  assert_int_equal(world_number(scene.b, "sink", "report/1.0/ask", "n"), 2 * SPOKEN);
  world_deinit(&scene.world);
}

static bool drop_batches(void *user, struct link_frame *frame)
{
  struct hgl_frame decoded;
  struct hgl_err err;
  if (frame->from != 0) return true;
  return hgl_frame_decode(hgl_bytes(frame->data, frame->size), &decoded, &err) ||
         decoded.kind != HGL_FRAME_BATCH;
}

/* What a restored peer is to get again stands in rows that the index has long passed. */
static void what_a_restored_peer_is_given_again_survives_our_crash(void **state)
{
  struct scene scene;
  begin(&scene);
  struct hgl_store *before = world_copy(scene.b);
  say(&scene);
  world_unlink(scene.a, scene.b);
  say(&scene);
  write_many(&scene);
  world_link(scene.a, scene.b);
  world_run(&scene.world);
  assert_int_equal(indexed(scene.a), 0);
  world_crash_to(scene.b, before);
  world_restart(scene.b);
  world_agent(scene.b, "operator", "", NULL);
  world_agent(scene.b, "sink", sink, NULL);
  scene.world.on_frame = drop_batches;
  world_link(scene.a, scene.b);
  world_run(&scene.world);
  assert_true(world_logged(&scene.world, "has lost what it acknowledged"));
  restart(&scene);
  scene.world.on_frame = NULL;
  world_link(scene.a, scene.b);
  world_run(&scene.world);
  assert_int_equal(world_number(scene.b, "sink", "report/1.0/ask", "n"), 2 * SPOKEN);
  world_deinit(&scene.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_waits_for_long_is_found_without_looking_through_the_journal),
      cmocka_unit_test(an_index_that_is_behind_does_no_harm),
      cmocka_unit_test(what_a_restored_peer_is_given_again_survives_our_crash),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
