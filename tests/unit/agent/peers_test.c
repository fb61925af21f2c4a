#include <stdio.h>

#include "support/fake_peer.h"

struct scene {
  struct world world;
  struct node *node, *stranger;
  struct fake fake;
  char text[256], script[1024];
};

static void begin(struct scene *scene)
{
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 1);
  scene->node = world_node(&scene->world);
  scene->stranger = world_stranger(&scene->world);
  fake_init(&scene->fake, scene->stranger, scene->node);
  fake_delegate(&scene->fake, scene->world.time.wall_ms / 1000, 7 * 24 * 3600, 5, NULL);
  char did[HGL_DID_TEXT_SIZE], host[HGL_DID_TEXT_SIZE];
  hgl_did_format(hgl_signer_key(scene->fake.agent), did);
  hgl_did_format(&scene->stranger->key, host);
  snprintf(scene->script, sizeof scene->script,
           "agent.on('go/1.0/now', function() agent.send('%s@%s', 'x/1.0/y', {}) end)\n"
           "agent.on_undelivered(function(m, why, code) log.info('undelivered ' .. code) end)\n",
           did, host);
  world_agent(scene->node, "operator", "", NULL);
  world_agent(scene->node, "source", scene->script, NULL);
  /* The node is shown who speaks for the agent that it will write to. */
  fake_link(&scene->fake);
  fake_show(&scene->fake);
  world_unlink(scene->node, scene->stranger);
  world_run(&scene->world);
}

static void end(struct scene *scene)
{
  fake_deinit(&scene->fake);
  world_deinit(&scene->world);
}

static const char *refused(struct scene *scene)
{
  world_run(&scene->world);
  if (!fake_heard(&scene->fake, HGL_FRAME_ERROR, NULL, scene->text, sizeof scene->text))
    return "no error";
  return scene->text;
}

static void say(struct scene *scene)
{
  world_say(scene->node, "source", "go/1.0/now", NULL);
  world_run(&scene->world);
}

/* The header of the last batch that the host sent us, and how many came. */
static size_t batches(struct scene *scene, struct hgl_buf *header, struct hgl_buf *leaf)
{
  struct link_frame *got;
  struct hgl_err err;
  size_t count = 0;
  world_run(&scene->world);
  while ((got = world_got(scene->stranger))) {
    struct hgl_frame frame;
    assert_ok(hgl_frame_decode(hgl_bytes(got->data, got->size), &frame, &err));
    if (frame.kind == HGL_FRAME_BATCH) {
      count++;
      hgl_buf_clear(header);
      hgl_buf_append_bytes(header, frame.batch.header);
      hgl_buf_clear(leaf);
      hgl_buf_append_bytes(leaf, frame.batch.group_leaf);
    }
    free(got);
  }
  return count;
}

static void clocks_may_differ_by_two_minutes_and_no_more(void **state)
{
  static const int64_t signs[] = {1, -1};
  for (int i = 0; i < 2; i++) {
    struct scene scene;
    begin(&scene);
    int64_t now = scene.world.time.wall_ms;
    world_link(scene.node, scene.stranger);
    fake_hello_at(&scene.fake, now + signs[i] * HGL_CLOCK_SKEW_MAX_MS);
    assert_string_equal(refused(&scene), "no error");
    world_unlink(scene.node, scene.stranger);
    world_link(scene.node, scene.stranger);
    fake_hello_at(&scene.fake, now + signs[i] * (HGL_CLOCK_SKEW_MAX_MS + 1));
    assert_string_equal(refused(&scene), "clock_skew");
    world_link(scene.node, scene.stranger);
    fake_hello_at(&scene.fake, now + signs[i] * 3600 * 1000);
    assert_string_equal(refused(&scene), "clock_skew");
    world_link(scene.node, scene.stranger);
    fake_hello_at(&scene.fake, signs[i] > 0 ? INT64_MAX : INT64_MIN);
    world_run(&scene.world);
    assert_int_equal(scene.world.links[0][1], 0);
    assert_false(scene.node->failed);
    end(&scene);
  }
}

static void a_second_hello_and_a_batch_before_the_first_end_the_link(void **state)
{
  struct scene scene;
  struct hgl_key to = {{0}};
  begin(&scene);
  fake_link(&scene.fake);
  world_run(&scene.world);
  fake_hello_at(&scene.fake, scene.world.time.wall_ms);
  assert_string_equal(refused(&scene), "malformed");
  world_link(scene.node, scene.stranger);
  fake_say(&scene.fake, &to, "x/1.0/y", &(struct lie){.fork = true});
  assert_string_equal(refused(&scene), "malformed");
  /* What comes behind a violation is not heard, not even a proper hello. */
  fake_hello_at(&scene.fake, scene.world.time.wall_ms);
  assert_false(scene.node->failed);
  end(&scene);
}

static void strangers_that_only_connect_leave_nothing_behind(void **state)
{
  struct scene scene;
  struct hgl_err err;
  json_t *peers;
  begin(&scene);
  fake_link(&scene.fake);
  world_run(&scene.world);
  assert_ok(hgl_host_list_peers(scene.node->host, &peers, &err));
  assert_int_equal(json_array_size(peers), 1);
  json_decref(peers);
  world_unlink(scene.node, scene.stranger);
  assert_ok(hgl_host_list_peers(scene.node->host, &peers, &err));
  assert_int_equal(json_array_size(peers), 0);
  json_decref(peers);
  assert_fails(HGL_INVALID,
               hgl_host_link_up(scene.node->host, &scene, &scene.node->key, true, &err));
  end(&scene);
}

static void an_acknowledgement_of_what_was_never_said_ends_the_link(void **state)
{
  struct scene scene;
  struct hgl_buf header, leaf, run;
  struct hgl_header decoded;
  struct hgl_err err;
  begin(&scene);
  hgl_buf_init(&header, HGL_HEADER_SIZE_MAX);
  hgl_buf_init(&leaf, HGL_GROUP_LEAF_SIZE_MAX);
  hgl_buf_init(&run, 4096);
  fake_link(&scene.fake);
  say(&scene);
  assert_int_equal(batches(&scene, &header, &leaf), 1);
  assert_ok(hgl_header_verify(hgl_buf_bytes(&header), &decoded, &err));
  struct hgl_frame ack = {.kind = HGL_FRAME_ACK, .known = true, .ack = {decoded.incarnation, 2}};
  fake_send(&scene.fake, &ack);
  assert_string_equal(refused(&scene), "gap");
  fake_link(&scene.fake);
  assert_int_equal(batches(&scene, &header, &leaf), 1); /* again */
  hgl_run_put_exception(&run, 2, "refused");
  hgl_run_put_exception(&run, 1, "refused");
  ack.ack = (struct hgl_frame_ack){decoded.incarnation, 1, hgl_run(&run, 2)};
  fake_send(&scene.fake, &ack);
  assert_string_equal(refused(&scene), "malformed");
  fake_link(&scene.fake);
  hgl_buf_clear(&run);
  hgl_run_put_exception(&run, 1, "a_code_of_the_future");
  ack.ack = (struct hgl_frame_ack){decoded.incarnation, 1, hgl_run(&run, 1)};
  fake_send(&scene.fake, &ack);
  fake_send(&scene.fake, &ack); /* repeated until settled: told once */
  struct hgl_frame settle;
  world_run(&scene.world);
  assert_true(fake_heard(&scene.fake, HGL_FRAME_SETTLE, &settle, scene.text, sizeof scene.text));
  assert_int_equal(settle.settle.up_to, 1);
  assert_int_equal(settle.settle.next, 2);
  assert_int_equal(world_count_logged(&scene.world, "undelivered refused"), 1);
  hgl_buf_deinit(&header);
  hgl_buf_deinit(&leaf);
  hgl_buf_deinit(&run);
  end(&scene);
}

static void hello_with(struct scene *scene, const struct hgl_incarnation *incarnation,
                       uint64_t number, const struct hgl_buf *header)
{
  struct hgl_frame frame = {.kind = HGL_FRAME_HELLO,
                            .known = true,
                            .hello = {.time_ms = scene->world.time.wall_ms,
                                      .incarnation = scene->fake.incarnation,
                                      .has_resume = true,
                                      .resume_incarnation = *incarnation,
                                      .resume_number = number,
                                      .resume_header = hgl_buf_bytes(header),
                                      .software = hgl_text("liar")}};
  world_link(scene->node, scene->stranger);
  fake_send(&scene->fake, &frame);
}

static void a_claim_to_have_heard_more_moves_nobody_without_a_header_that_proves_it(void **state)
{
  struct scene scene;
  struct hgl_buf header, leaf, other;
  struct hgl_header decoded;
  struct hgl_err err;
  begin(&scene);
  hgl_buf_init(&header, HGL_HEADER_SIZE_MAX);
  hgl_buf_init(&other, HGL_HEADER_SIZE_MAX);
  hgl_buf_init(&leaf, HGL_GROUP_LEAF_SIZE_MAX);
  fake_link(&scene.fake);
  say(&scene);
  assert_int_equal(batches(&scene, &header, &leaf), 1);
  assert_ok(hgl_header_verify(hgl_buf_bytes(&header), &decoded, &err));
  for (int i = 0; i < 3; i++) {
    /* Its last header, then an older one of its, shown for more than they hold. */
    world_unlink(scene.node, scene.stranger);
    hello_with(&scene, &decoded.incarnation, 1000, &header);
    assert_string_equal(refused(&scene), "gap");
    say(&scene);
  }
  /* One that another signed. */
  struct hgl_header forged = decoded;
  forged.host = scene.stranger->key;
  forged.sequence += 1000;
  memset(&forged.previous, 3, sizeof forged.previous);
  assert_ok(hgl_header_sign(scene.stranger->signer, &forged, &other, &err));
  hello_with(&scene, &decoded.incarnation, 1000, &other);
  assert_string_equal(refused(&scene), "wrong_host");
  /* An incarnation that never was. */
  hello_with(&scene, &scene.fake.incarnation, 5, &header);
  assert_string_equal(refused(&scene), "wrong_host");
  assert_false(world_logged(&scene.world, "a new incarnation begins"));
  assert_false(scene.node->failed);
  hgl_buf_deinit(&header);
  hgl_buf_deinit(&other);
  hgl_buf_deinit(&leaf);
  end(&scene);
}

static void an_error_frame_alone_stops_nobody(void **state)
{
  struct scene scene;
  begin(&scene);
  fake_link(&scene.fake);
  struct hgl_frame frame = {
      .kind = HGL_FRAME_ERROR,
      .known = true,
      .error = {hgl_text("old_incarnation"), hgl_text("you are an old copy, believe me")}};
  fake_send(&scene.fake, &frame);
  world_run(&scene.world);
  assert_false(scene.node->failed);
  end(&scene);
}

static void a_renewed_delegation_is_said_on_the_same_link(void **state)
{
  struct scene scene;
  struct link_frame *got;
  struct hgl_err err;
  size_t delegations = 0;
  begin(&scene);
  fake_link(&scene.fake);
  say(&scene);
  say(&scene);
  hgl_clock_advance(&scene.world.time, INT64_C(6) * 24 * 3600 * 1000);
  world_run(&scene.world);
  say(&scene);
  while ((got = world_got(scene.stranger))) {
    struct hgl_frame frame;
    assert_ok(hgl_frame_decode(hgl_bytes(got->data, got->size), &frame, &err));
    if (frame.kind == HGL_FRAME_BATCH) delegations += frame.batch.delegations.count;
    free(got);
  }
  assert_int_equal(delegations, 2);
  end(&scene);
}

static void a_want_is_answered_with_what_is_here_and_what_is_not(void **state)
{
  struct scene scene;
  struct hgl_buf keys;
  struct hgl_key here;
  struct hgl_err err;
  begin(&scene);
  hgl_buf_init(&keys, 4096);
  fake_link(&scene.fake);
  world_run(&scene.world);
  assert_ok(hgl_did_parse(hgl_text(world_did(scene.node, "source")), &here, &err));
  hgl_run_put_key(&keys, &here);
  hgl_run_put_key(&keys, &scene.stranger->key);
  struct hgl_frame want = {.kind = HGL_FRAME_WANT, .known = true, .want = hgl_run(&keys, 2)};
  fake_send(&scene.fake, &want);
  world_run(&scene.world);
  struct hgl_frame have = {0};
  assert_true(fake_heard(&scene.fake, HGL_FRAME_HAVE, &have, scene.text, sizeof scene.text));
  assert_int_equal(have.have.delegations.count, 1);
  assert_int_equal(have.have.absent.count, 1);
  /* A made-up delegation ends the link. */
  hgl_buf_clear(&keys);
  hgl_run_put_delegation(&keys, hgl_text("not a delegation"));
  struct hgl_frame lie = {
      .kind = HGL_FRAME_HAVE, .known = true, .have = {.delegations = hgl_run(&keys, 1)}};
  fake_send(&scene.fake, &lie);
  assert_string_not_equal(refused(&scene), "no error");
  hgl_buf_deinit(&keys);
  end(&scene);
}

/* Reading them back is work: as much as checks of signatures. */
static void a_want_is_answered_as_far_as_the_peers_share_of_work_goes(void **state)
{
  enum { SECOND = HGL_DIRECTORY_CHECKS_PER_S };
  struct scene scene;
  struct hgl_buf keys;
  struct hgl_key here;
  struct hgl_err err;
  begin(&scene);
  hgl_buf_init(&keys, HGL_FRAME_SIZE_MAX);
  fake_link(&scene.fake);
  world_run(&scene.world);
  assert_ok(hgl_did_parse(hgl_text(world_did(scene.node, "source")), &here, &err));
  for (int i = 0; i < HGL_FRAME_KEYS_MAX; i++) hgl_run_put_key(&keys, &here);
  struct hgl_frame have = {0}, want = {.kind = HGL_FRAME_WANT,
                                       .known = true,
                                       .want = hgl_run(&keys, HGL_FRAME_KEYS_MAX)};
  fake_send(&scene.fake, &want);
  world_run(&scene.world);
  assert_true(fake_heard(&scene.fake, HGL_FRAME_HAVE, &have, scene.text, sizeof scene.text));
  assert_int_equal(have.have.delegations.count, HGL_DIRECTORY_CHECKS_BURST);
  fake_send(&scene.fake, &want);
  world_run(&scene.world);
  assert_false(fake_heard(&scene.fake, HGL_FRAME_HAVE, &have, scene.text, sizeof scene.text));
  hgl_clock_advance(&scene.world.time, 1000);
  fake_send(&scene.fake, &want);
  world_run(&scene.world);
  assert_true(fake_heard(&scene.fake, HGL_FRAME_HAVE, &have, scene.text, sizeof scene.text));
  assert_int_equal(have.have.delegations.count, SECOND);
  assert_int_equal(have.have.absent.count, 0);
  hgl_buf_deinit(&keys);
  end(&scene);
}

/* ---- logging ---- */

static void one_reason_met_at_every_attempt_is_a_warning_once(void **state)
{
  struct scene scene;
  begin(&scene);
  say(&scene); /* a host that we have to do with: others are forgotten with their link */
  for (int i = 0; i < 3; i++) {
    world_link(scene.node, scene.stranger);
    fake_hello_at(&scene.fake, scene.world.time.wall_ms + HGL_CLOCK_SKEW_MAX_MS + 1000);
    assert_string_equal(refused(&scene), "clock_skew");
  }
  assert_int_equal(world_count_logged(&scene.world, "closing the link"), 3);
  assert_int_equal(scene.world.warnings, 1);
  const char *const codes[] = {"not_here", "not_here", "no_such_code", "neither_this"};
  for (int i = 0; i < 4; i++) {
    world_link(scene.node, scene.stranger);
    struct hgl_frame error = {.kind = HGL_FRAME_ERROR,
                              .known = true,
                              .error = {hgl_text(codes[i]), hgl_text("as it is")}};
    fake_send(&scene.fake, &error);
    world_unlink(scene.node, scene.stranger);
  }
  assert_int_equal(world_count_logged(&scene.world, "closes the link: as it is"), 4);
  assert_int_equal(scene.world.warnings, 3); /* clock_skew, not_here, no_such_code */
  fake_link(&scene.fake);                    /* what was wrong is over */
  world_run(&scene.world);
  world_link(scene.node, scene.stranger);
  fake_hello_at(&scene.fake, scene.world.time.wall_ms + HGL_CLOCK_SKEW_MAX_MS + 1000);
  assert_string_equal(refused(&scene), "clock_skew");
  assert_int_equal(scene.world.warnings, 4);
  end(&scene);
}

/* ---- gossip and the log ---- */

static struct hgl_key made_up(unsigned number)
{
  struct hgl_key key = {{0}};
  hgl_put_be64(key.bytes, number);
  return key;
}

/* Marks which of the made-up peers this payload tells of. */
static void note_peers(struct hgl_bytes payload, bool *told, size_t count)
{
  for (unsigned i = 0; i < count; i++) {
    struct hgl_key key = made_up(i + 1);
    told[i] = told[i] || memmem(payload.data, payload.size, key.bytes, HGL_KEY_SIZE);
  }
}

static void every_peer_that_answered_is_told_of_in_time(void **state)
{
  enum { KNOWN = 200 };
  struct world world;
  struct fake fake;
  struct link_frame *got;
  struct hgl_err err;
  bool told[KNOWN] = {false};
  size_t count = 0;
  world_init(&world, 21);
  struct node *node = world_node(&world), *stranger = world_stranger(&world);
  for (unsigned i = 0; i < KNOWN; i++) {
    struct hgl_key key = made_up(i + 1);
    hgl_host_address_verified(node->host, &key, "wss://example.org:1");
  }
  fake_init(&fake, stranger, node);
  fake_link(&fake);
  world_advance(&world, 10 * 60000);
  while ((got = world_got(stranger))) {
    struct hgl_frame frame;
    assert_ok(hgl_frame_decode(hgl_bytes(got->data, got->size), &frame, &err));
    if (frame.kind == HGL_FRAME_GOSSIP) note_peers(frame.gossip, told, KNOWN);
    free(got);
  }
  for (size_t i = 0; i < KNOWN; i++) count += told[i];
  assert_int_equal(count, KNOWN);
  fake_deinit(&fake);
  world_deinit(&world);
}

static void strangers_that_come_and_go_are_no_news_for_the_operator(void **state)
{
  struct world world;
  struct fake fake;
  struct hgl_err err;
  world_init(&world, 22);
  struct node *node = world_node(&world), *stranger = world_stranger(&world);
  world_run(&world);
  fake_init(&fake, stranger, node);
  size_t infos = world.infos;
  assert_ok(world_dial(stranger, node, &err));
  fake_hello_at(&fake, world.time.wall_ms);
  world_run(&world);
  world_unlink(node, stranger);
  assert_true(world_logged(&world, "linked with"));
  assert_int_equal(world.infos, infos);
  fake_link(&fake); /* the node dials */
  world_run(&world);
  world_unlink(node, stranger);
  assert_int_equal(world.infos, infos + 2);
  fake_deinit(&fake);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(clocks_may_differ_by_two_minutes_and_no_more),
      cmocka_unit_test(a_second_hello_and_a_batch_before_the_first_end_the_link),
      cmocka_unit_test(strangers_that_only_connect_leave_nothing_behind),
      cmocka_unit_test(an_acknowledgement_of_what_was_never_said_ends_the_link),
      cmocka_unit_test(a_claim_to_have_heard_more_moves_nobody_without_a_header_that_proves_it),
      cmocka_unit_test(an_error_frame_alone_stops_nobody),
      cmocka_unit_test(a_renewed_delegation_is_said_on_the_same_link),
      cmocka_unit_test(a_want_is_answered_with_what_is_here_and_what_is_not),
      cmocka_unit_test(a_want_is_answered_as_far_as_the_peers_share_of_work_goes),
      cmocka_unit_test(one_reason_met_at_every_attempt_is_a_warning_once),
      cmocka_unit_test(every_peer_that_answered_is_told_of_in_time),
      cmocka_unit_test(strangers_that_come_and_go_are_no_news_for_the_operator),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
