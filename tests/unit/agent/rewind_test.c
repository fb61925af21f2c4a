/* A peer that was restored gets again what it had acknowledged. */
#include "support/fake_peer.h"
#include "support/world.h"

enum { ROWS = 20000 };

static const char echo[] =
    "agent.on('x/1.0/y', function(m) log.info('heard') m:reply('z', {}) end)\n";

struct scene {
  struct world world;
  struct node *node;
  struct fake fake;
  struct hgl_key echo;
};

static void init(struct scene *scene, uint64_t seed)
{
  struct hgl_err err;
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, seed);
  scene->node = world_node(&scene->world);
  world_agent(scene->node, "echo", echo, NULL);
  assert_ok(hgl_did_parse(hgl_text(world_did(scene->node, "echo")), &scene->echo, &err));
  fake_init(&scene->fake, world_stranger(&scene->world), scene->node);
  fake_delegate(&scene->fake, scene->world.time.wall_ms / 1000, 24 * 3600, 1, NULL);
}

static void deinit(struct scene *scene)
{
  assert_false(scene->node->failed);
  fake_deinit(&scene->fake);
  world_deinit(&scene->world);
}

/* The numbers that were sent to the peer; it acknowledges them. */
static uint64_t acknowledge(struct scene *scene)
{
  struct link_frame *got;
  struct hgl_frame ack = {.kind = HGL_FRAME_ACK, .known = true};
  struct hgl_err err;
  uint64_t count = 0;
  while ((got = world_got(scene->fake.node))) {
    struct hgl_frame frame;
    struct hgl_group_leaf group;
    struct hgl_header header;
    assert_ok(hgl_frame_decode(hgl_bytes(got->data, got->size), &frame, &err));
    if (frame.kind == HGL_FRAME_BATCH) {
      assert_ok(hgl_header_decode(frame.batch.header, &header, &err));
      assert_ok(hgl_group_leaf_decode(frame.batch.group_leaf, &group, &err));
      ack.ack.incarnation = header.incarnation;
      ack.ack.up_to = group.first_number + group.count - 1;
      count += group.count;
    }
    free(got);
  }
  if (count) fake_send(&scene->fake, &ack);
  world_run(&scene->world);
  return count;
}

/* A hello that shows nothing to go on from: the peer has forgotten all. */
static void come_restored(struct scene *scene)
{
  world_unlink(scene->node, scene->fake.node);
  fake_link(&scene->fake);
  world_run(&scene->world);
}

static void say(struct scene *scene)
{
  fake_say(&scene->fake, &scene->echo, "x/1.0/y", &(struct lie){0});
  world_run(&scene->world);
}

static void a_restored_peer_gets_again_what_lies_far_back_in_the_journal(void **state)
{
  struct scene scene;
  struct hgl_err err;
  init(&scene, 1);
  fake_link(&scene.fake);
  for (int i = 0; i < 3; i++) say(&scene);
  assert_int_equal(acknowledge(&scene), 3);
  /* Nothing of what lies between is for this peer, or has to be looked at. */
  for (unsigned i = 0; i < ROWS; i++) {
    uint8_t key[8], row[49] = {2, 9};
    hgl_put_be64(key, 1000000 + i);
    assert_ok(hgl_writeset_put(hgl_store_open_set(scene.node->store), HGL_DB_JOURNAL,
                               hgl_bytes(key, sizeof key), hgl_bytes(row, sizeof row), &err));
  }
  come_restored(&scene);
  assert_int_equal(acknowledge(&scene), 3);
  say(&scene);
  assert_int_equal(acknowledge(&scene), 1);
  deinit(&scene);
}

static void a_peer_is_restored_a_few_times_and_then_has_to_wait(void **state)
{
  struct scene scene;
  char code[64] = "";
  init(&scene, 2);
  fake_link(&scene.fake);
  say(&scene);
  assert_int_equal(acknowledge(&scene), 1);
  for (int i = 0; i < 3; i++) {
    come_restored(&scene);
    assert_int_equal(acknowledge(&scene), 1);
  }
  come_restored(&scene);
  assert_true(fake_heard(&scene.fake, HGL_FRAME_ERROR, NULL, code, sizeof code));
  assert_string_equal(code, "flood");
  world_advance(&scene.world, 5 * 60000);
  come_restored(&scene);
  assert_int_equal(acknowledge(&scene), 1);
  deinit(&scene);
}

/* Without an acknowledgement in between there is nothing to go back to. */
static void a_peer_that_never_acknowledges_may_come_as_often_as_it_likes(void **state)
{
  struct scene scene;
  init(&scene, 3);
  fake_link(&scene.fake);
  say(&scene);
  for (int i = 0; i < 10; i++) come_restored(&scene);
  assert_true(acknowledge(&scene) > 1);
  deinit(&scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_restored_peer_gets_again_what_lies_far_back_in_the_journal),
      cmocka_unit_test(a_peer_is_restored_a_few_times_and_then_has_to_wait),
      cmocka_unit_test(a_peer_that_never_acknowledges_may_come_as_often_as_it_likes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
