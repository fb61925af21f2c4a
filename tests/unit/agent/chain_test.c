#include <stdio.h>

#include "support/fake_peer.h"

/* A host that says one thing at a time to a peer who reads its headers. */
struct scene {
  struct world world;
  struct node *node, *stranger;
  struct fake fake;
  char script[1024];
  struct hgl_header header;   /* the last one heard */
  struct hgl_header follower; /* the last one that continues another incarnation */
  struct hgl_hash hash;
  uint8_t bytes[HGL_HEADER_SIZE_MAX]; /* of the last header */
  size_t size;
  uint64_t number; /* of the last envelope */
  struct hgl_hash leaf;
};

static void add_agents(struct scene *scene)
{
  world_agent(scene->node, "operator", "", NULL);
  world_agent(scene->node, "source", scene->script, NULL);
}

/* The node is shown at once who speaks for the agent that it will write to. */
static void link_up(struct scene *scene)
{
  fake_link(&scene->fake);
  fake_delegate(&scene->fake, scene->world.time.wall_ms / 1000, 24 * 3600,
                (uint64_t)scene->world.time.wall_ms, NULL);
  fake_show(&scene->fake);
  world_run(&scene->world);
}

static void begin(struct scene *scene)
{
  char did[HGL_DID_TEXT_SIZE], host[HGL_DID_TEXT_SIZE];
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 1);
  scene->node = world_node(&scene->world);
  scene->stranger = world_stranger(&scene->world);
  fake_init(&scene->fake, scene->stranger, scene->node);
  hgl_did_format(hgl_signer_key(scene->fake.agent), did);
  hgl_did_format(&scene->stranger->key, host);
  snprintf(scene->script, sizeof scene->script,
           "agent.on('go/1.0/now', function() agent.send('%s@%s', 'x/1.0/y', {}) end)\n", did,
           host);
  add_agents(scene);
  link_up(scene);
}

static void end(struct scene *scene)
{
  fake_deinit(&scene->fake);
  world_deinit(&scene->world);
}

/* Says one message and reads the header that it came under. */
static void hear(struct scene *scene)
{
  struct link_frame *got;
  struct hgl_err err;
  bool heard = false;
  world_say(scene->node, "source", "go/1.0/now", NULL);
  world_run(&scene->world);
  while ((got = world_got(scene->stranger))) {
    struct hgl_frame frame;
    struct hgl_group_leaf leaf;
    assert_ok(hgl_frame_decode(hgl_bytes(got->data, got->size), &frame, &err));
    if (frame.kind == HGL_FRAME_BATCH) {
      assert_ok(hgl_header_verify(frame.batch.header, &scene->header, &err));
      assert_ok(hgl_group_leaf_decode(frame.batch.group_leaf, &leaf, &err));
      hgl_header_hash(frame.batch.header, &scene->hash);
      hgl_merkle_leaf(frame.batch.group_leaf, &scene->leaf);
      memcpy(scene->bytes, frame.batch.header.data, frame.batch.header.size);
      scene->size = frame.batch.header.size;
      scene->number = leaf.first_number + leaf.count - 1;
      if (scene->header.continues) scene->follower = scene->header;
      heard = true;
    }
    free(got);
  }
  assert_true(heard);
}

static void restart(struct scene *scene)
{
  world_crash(scene->node);
  world_restart(scene->node);
  add_agents(scene);
  link_up(scene);
}

static void headers_form_one_chain_over_restarts(void **state)
{
  struct scene scene;
  begin(&scene);
  hear(&scene);
  struct hgl_header first = scene.header;
  hear(&scene);
  assert_true(scene.header.sequence > first.sequence);
  assert_int_equal(scene.number, 2);
  struct hgl_header second = scene.header;
  restart(&scene);
  hear(&scene);
  assert_true(hgl_incarnation_equal(&scene.header.incarnation, &second.incarnation));
  assert_true(scene.header.sequence > second.sequence);
  assert_int_equal(scene.number, 3);
  end(&scene);
}

static void a_header_names_the_one_before_it(void **state)
{
  struct scene scene;
  begin(&scene);
  hear(&scene);
  /* The operator's own words make a header as well, in the tick before or the same one. */
  struct hgl_hash before = scene.hash;
  uint64_t sequence = scene.header.sequence;
  hear(&scene);
  if (scene.header.sequence == sequence + 1)
    assert_true(hgl_hash_equal(&scene.header.previous, &before));
  assert_in_range(scene.header.sequence, sequence + 1, sequence + 3);
  end(&scene);
}

static void the_time_of_headers_never_runs_back(void **state)
{
  struct scene scene;
  begin(&scene);
  hear(&scene);
  int64_t time_ms = scene.header.time_ms;
  scene.world.time.wall_ms -= 3600 * 1000;
  hear(&scene);
  assert_true(scene.header.time_ms >= time_ms);
  scene.world.time.wall_ms += 2 * 3600 * 1000;
  hear(&scene);
  assert_int_equal(scene.header.time_ms, scene.world.time.wall_ms);
  end(&scene);
}

static void a_copied_folder_begins_an_incarnation_that_says_what_it_follows(void **state)
{
  struct scene scene;
  struct hgl_err err;
  begin(&scene);
  hear(&scene);
  struct hgl_header last = scene.header;
  struct hgl_hash last_hash = scene.hash;
  world_crash(scene.node);
  assert_ok(hgl_writeset_put(hgl_store_open_set(scene.node->store), HGL_DB_META,
                             hgl_text("identity"), hgl_text("another machine"), &err));
  hgl_clock_advance(&scene.world.time, 1000);
  world_restart(scene.node);
  add_agents(&scene);
  link_up(&scene);
  hear(&scene);
  assert_false(hgl_incarnation_equal(&scene.header.incarnation, &last.incarnation));
  assert_int_equal(scene.number, 2); /* what was not acknowledged came first, anew */
  assert_true(scene.header.time_ms >= last.time_ms);
  assert_int_equal(scene.follower.sequence, 1);
  assert_true(hgl_incarnation_equal(&scene.follower.continues_incarnation, &last.incarnation));
  assert_true(scene.follower.continues_sequence >= last.sequence);
  assert_true(scene.follower.continues_sequence > last.sequence ||
              hgl_hash_equal(&scene.follower.continues_hash, &last_hash));
  assert_true(world_logged(&scene.world, "a new incarnation begins: the data folder was copied"));
  /* Once: the next start goes on. */
  struct hgl_incarnation incarnation = scene.header.incarnation;
  restart(&scene);
  hear(&scene);
  assert_true(hgl_incarnation_equal(&scene.header.incarnation, &incarnation));
  end(&scene);
}

/* What a peer has before it of the old incarnation could wait for a settle frame on such a link. */
static void a_new_incarnation_ends_the_links_that_carried_the_old_one(void **state)
{
  struct scene scene;
  struct fake other;
  begin(&scene);
  hear(&scene);
  struct hgl_store *older = world_copy(scene.node);
  hear(&scene);
  world_crash_to(scene.node, older);
  hgl_clock_advance(&scene.world.time, 1000);
  world_restart(scene.node);
  add_agents(&scene);
  fake_init(&other, world_stranger(&scene.world), scene.node);
  fake_link(&other);
  world_run(&scene.world);
  int node = scene.node->index;
  assert_true(scene.world.links[node][other.node->index] != 0);
  world_link(scene.node, scene.stranger);
  fake_send(&scene.fake,
            &(struct hgl_frame){.kind = HGL_FRAME_HELLO,
                                .known = true,
                                .hello = {.time_ms = scene.world.time.wall_ms,
                                          .has_resume = true,
                                          .resume_incarnation = scene.header.incarnation,
                                          .resume_number = scene.number,
                                          .resume_leaf = scene.leaf,
                                          .resume_header = hgl_bytes(scene.bytes, scene.size),
                                          .software = hgl_text("fake")}});
  world_run(&scene.world);
  assert_true(world_logged(&scene.world, "a new incarnation begins: a peer has seen more of us"));
  assert_true(scene.world.links[node][other.node->index] == 0);
  assert_true(scene.world.links[node][scene.stranger->index] != 0);
  fake_deinit(&other);
  end(&scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(headers_form_one_chain_over_restarts),
      cmocka_unit_test(a_header_names_the_one_before_it),
      cmocka_unit_test(the_time_of_headers_never_runs_back),
      cmocka_unit_test(a_copied_folder_begins_an_incarnation_that_says_what_it_follows),
      cmocka_unit_test(a_new_incarnation_ends_the_links_that_carried_the_old_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
