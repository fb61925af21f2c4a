#include "support/fake_peer.h"
#include "support/world.h"

enum { SHARE = 4096 };

struct scene {
  struct world world;
  struct node *node, *stranger;
  struct fake fake;
  struct hgl_buf run;
  size_t count;
};

static void begin(struct scene *scene)
{
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 1);
  scene->node = world_node(&scene->world);
  scene->stranger = world_stranger(&scene->world);
  fake_init(&scene->fake, scene->stranger, scene->node);
  fake_link(&scene->fake);
  world_run(&scene->world);
  hgl_buf_init(&scene->run, HGL_FRAME_SIZE_MAX);
}

static void end(struct scene *scene)
{
  hgl_buf_deinit(&scene->run);
  fake_deinit(&scene->fake);
  world_deinit(&scene->world);
}

/* Puts the delegation of the agent with this number into the next frame. */
static void put(struct scene *scene, unsigned agent, uint64_t sequence, const struct hgl_key *host)
{
  struct hgl_err err;
  uint8_t seed[HGL_SEED_SIZE] = {0xde, (uint8_t)(agent >> 8), (uint8_t)agent};
  hgl_signer_destroy(scene->fake.agent);
  assert_ok(hgl_signer_create(seed, &scene->fake.agent, &err));
  fake_delegate(&scene->fake, scene->world.time.wall_ms / 1000, 3600, sequence, host);
  hgl_run_put_delegation(&scene->run, hgl_buf_bytes(&scene->fake.delegation));
  scene->count++;
}

static void show(struct scene *scene)
{
  struct hgl_frame frame = {.kind = HGL_FRAME_HAVE,
                            .known = true,
                            .have = {.delegations = hgl_run(&scene->run, scene->count)}};
  fake_send(&scene->fake, &frame);
  hgl_buf_clear(&scene->run);
  scene->count = 0;
  world_run(&scene->world);
}

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  size_t *counts = user;
  counts[key.size > HGL_KEY_SIZE]++;
  return 0;
}

/* Rows of the highest ones, and of those that gave way. */
static void assert_rows(struct scene *scene, size_t highest, size_t older)
{
  struct hgl_err err;
  size_t counts[2] = {0};
  assert_ok(hgl_store_scan(scene->node->store, HGL_DB_DELEGATIONS, hgl_bytes(NULL, 0),
                           hgl_bytes(NULL, 0), false, count_row, counts, &err));
  assert_int_equal(counts[0], highest);
  assert_int_equal(counts[1], older);
}

static bool linked(const struct scene *scene)
{
  return scene->world.links[scene->node->index][scene->stranger->index] != 0;
}

static void pass_days(struct scene *scene, int days)
{
  for (int i = 0; i < days * 24; i++) { /* upkeep looks at some rows each time */
    hgl_clock_advance(&scene->world.time, INT64_C(3600) * 1000);
    world_run(&scene->world);
  }
}

static void a_host_shows_delegations_to_itself_only(void **state)
{
  struct scene scene;
  struct hgl_key other = {{0}};
  begin(&scene);
  put(&scene, 1, 1, NULL);
  show(&scene);
  assert_rows(&scene, 1, 0);
  other = *hgl_signer_key(scene.fake.agent); /* any key will do */
  put(&scene, 2, 1, &other);
  show(&scene);
  assert_rows(&scene, 1, 0);
  assert_false(linked(&scene));
  end(&scene);
}

static void a_host_has_only_its_share_and_keeps_its_link(void **state)
{
  struct scene scene;
  begin(&scene);
  for (unsigned i = 0; i < SHARE; i++) put(&scene, i, 1, NULL);
  show(&scene);
  assert_rows(&scene, SHARE, 0);
  uint64_t verified = hgl_host_counts(scene.node->host).verifications;
  put(&scene, SHARE, 1, NULL);
  put(&scene, 7, 2, NULL); /* one that is known is still renewed */
  show(&scene);
  assert_rows(&scene, SHARE, 1);
  assert_int_equal(hgl_host_counts(scene.node->host).verifications, verified + 1);
  assert_true(linked(&scene));
  end(&scene);
}

static void what_ended_long_ago_is_forgotten_and_what_gave_way_later(void **state)
{
  struct scene scene;
  begin(&scene);
  put(&scene, 1, 1, NULL);
  put(&scene, 1, 2, NULL);
  put(&scene, 2, 1, NULL);
  show(&scene);
  assert_rows(&scene, 2, 1);
  pass_days(&scene, 7);
  assert_rows(&scene, 2, 1);
  pass_days(&scene, 1);
  assert_rows(&scene, 0, 1);
  pass_days(&scene, 7);
  assert_rows(&scene, 0, 0);
  end(&scene);
}

static void an_agent_that_renews_all_the_time_leaves_few_older_ones(void **state)
{
  struct scene scene;
  begin(&scene);
  for (unsigned i = 1; i <= 17; i++) put(&scene, 1, i, NULL);
  show(&scene);
  assert_rows(&scene, 1, 16);
  for (unsigned i = 18; i <= 50; i++) put(&scene, 1, i, NULL);
  show(&scene);
  assert_rows(&scene, 1, 16);
  assert_true(linked(&scene));
  end(&scene);
}

static void nothing_breaks_when_memory_runs_out(void **state)
{
  for (long allowed = 0; allowed < 60; allowed++) {
    struct scene scene;
    struct hgl_err err;
    struct hgl_buf frame;
    begin(&scene);
    put(&scene, 1, 1, NULL);
    put(&scene, 1, 2, NULL);
    struct hgl_frame have = {.kind = HGL_FRAME_HAVE,
                             .known = true,
                             .have = {.delegations = hgl_run(&scene.run, scene.count)}};
    hgl_buf_init(&frame, HGL_FRAME_SIZE_MAX);
    assert_ok(hgl_frame_encode(&have, &frame, &err));
    hgl_mem_fail_after(allowed);
    world_inject(scene.stranger, scene.node, hgl_buf_bytes(&frame));
    hgl_mem_fail_after(-1);
    hgl_buf_deinit(&frame);
    end(&scene);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_host_shows_delegations_to_itself_only),
      cmocka_unit_test(a_host_has_only_its_share_and_keeps_its_link),
      cmocka_unit_test(what_ended_long_ago_is_forgotten_and_what_gave_way_later),
      cmocka_unit_test(an_agent_that_renews_all_the_time_leaves_few_older_ones),
      cmocka_unit_test(nothing_breaks_when_memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
