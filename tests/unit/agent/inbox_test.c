#include <stdio.h>
#include <stdlib.h>

#include "support/fake_peer.h"

/* One honest host with an agent that counts what it hears, and one that is played by hand. */
static const char sink[] =
    "agent.protocol { name = 'p', version = '1.0', messages = {\n"
    "  open = { body = { n = 'integer' }, replies = { 'close' } },\n"
    "  close = { body = {} }, picky = { body = { name = 'string' } } } }\n"
    "for _, kind in ipairs { 'open', 'close', 'picky' } do\n"
    "  agent.on('p/1.0/' .. kind, function() state.declared = (state.declared or 0) + 1 end)\n"
    "end\n"
    "agent.on('x/1.0/y', function() state.count = (state.count or 0) + 1 end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { count = state.count or 0, declared = state.declared or 0 })\n"
    "end)\n";

static const struct lie honest;

struct scene {
  struct world world;
  struct node *node, *stranger;
  struct fake fake;
  struct hgl_key sink;
  char text[256];
};

static void key_of(const char *did, struct hgl_key *out)
{
  struct hgl_err err;
  assert_ok(hgl_did_parse(hgl_text(did), out, &err));
}

static void add_agents(struct scene *scene)
{
  world_agent(scene->node, "operator", "", NULL);
  world_agent(scene->node, "sink", sink, NULL);
}

static void init(struct scene *scene, uint64_t seed)
{
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, seed);
  scene->node = world_node(&scene->world);
  scene->stranger = world_stranger(&scene->world);
  add_agents(scene);
  key_of(world_did(scene->node, "sink"), &scene->sink);
  fake_init(&scene->fake, scene->stranger, scene->node);
  fake_delegate(&scene->fake, scene->world.time.wall_ms / 1000, 24 * 3600, 5, NULL);
  fake_link(&scene->fake);
  world_run(&scene->world);
}

static void deinit(struct scene *scene)
{
  assert_false(scene->node->failed);
  fake_deinit(&scene->fake);
  world_deinit(&scene->world);
}

static void assert_count(struct scene *scene, int64_t count)
{
  assert_int_equal(world_number(scene->node, "sink", "report/1.0/ask", "count"), count);
}

/* The exceptions of the last acknowledgement. */
static const char *acked(struct scene *scene)
{
  world_run(&scene->world);
  struct hgl_frame frame;
  if (!fake_heard(&scene->fake, HGL_FRAME_ACK, &frame, scene->text, sizeof scene->text))
    return "no ack";
  return scene->text;
}

/* The code of the error frame that ended the link. */
static const char *refused(struct scene *scene)
{
  world_run(&scene->world);
  if (!fake_heard(&scene->fake, HGL_FRAME_ERROR, NULL, scene->text, sizeof scene->text))
    return "no error";
  return scene->text;
}

static void say(struct scene *scene, const char *type, const struct lie *lie)
{
  fake_say(&scene->fake, &scene->sink, type, lie);
}

/* ---- exceptions ---- */

static void an_honest_message_is_acknowledged_and_handled(void **state)
{
  struct scene scene;
  init(&scene, 1);
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "");
  assert_count(&scene, 1);
  deinit(&scene);
}

static void each_reason_to_refuse_has_its_code_and_consumes_the_number(void **state)
{
  struct scene scene;
  struct hgl_key nobody = {{0}};
  init(&scene, 2);
  key_of(world_did(scene.node, "nobody"), &nobody);
  say(&scene, "x/1.0/unknown", &honest);
  assert_string_equal(acked(&scene), "1 no_handler");
  fake_say(&scene.fake, &nobody, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "1 no_handler, 2 not_here");
  say(&scene, "x/1.0/y", &(struct lie){.expires_shift_ms = -1000});
  assert_string_equal(acked(&scene), "1 no_handler, 2 not_here, 3 expired");
  say(&scene, "p/1.0/picky", &honest); /* its body does not fit */
  assert_string_equal(acked(&scene), "1 no_handler, 2 not_here, 3 expired, 4 protocol_violation");
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "1 no_handler, 2 not_here, 3 expired, 4 protocol_violation");
  assert_count(&scene, 1);
  deinit(&scene);
}

static void an_opening_that_names_no_definition_is_held_to_ours(void **state)
{
  struct scene scene;
  init(&scene, 20);
  say(&scene, "p/1.0/close", &honest); /* opens nothing */
  assert_string_equal(acked(&scene), "1 protocol_violation");
  say(&scene, "p/1.0/picky", &honest); /* its body does not fit */
  assert_string_equal(acked(&scene), "1 protocol_violation, 2 protocol_violation");
  say(&scene, "p/1.0/open", &honest);
  world_run(&scene.world);
  assert_int_equal(world_number(scene.node, "sink", "report/1.0/ask", "declared"), 1);
  deinit(&scene);
}

static void an_author_needs_a_delegation_that_holds_at_the_headers_time(void **state)
{
  struct scene scene;
  struct hgl_key other = {{0}};
  init(&scene, 3);
  int64_t now_s = scene.world.time.wall_ms / 1000;
  say(&scene, "x/1.0/y", &(struct lie){.without_delegation = true});
  assert_string_equal(acked(&scene), "1 no_delegation");
  fake_delegate(&scene.fake, now_s - 7200, 3600, 6, NULL);
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "1 no_delegation, 2 delegation_expired");
  key_of(world_did(scene.node, "sink"), &other);
  fake_delegate(&scene.fake, now_s, 3600, 5, NULL); /* a lower one changes nothing */
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "1 no_delegation, 2 delegation_expired, 3 delegation_expired");
  /* Through another host: not for this one to tell. */
  key_of(world_did(scene.node, "sink"), &other);
  fake_delegate(&scene.fake, now_s, 3600, 7, &other);
  say(&scene, "x/1.0/y", &(struct lie){.fork = true});
  assert_string_equal(refused(&scene), "wrong_host");
  fake_link(&scene.fake);
  fake_delegate(&scene.fake, now_s, 3600, 8, NULL);
  say(&scene, "x/1.0/y", &honest);
  acked(&scene);
  assert_count(&scene, 1);
  deinit(&scene);
}

static void exceptions_are_repeated_until_settled_also_after_a_restart(void **state)
{
  struct scene scene;
  init(&scene, 4);
  say(&scene, "x/1.0/unknown", &honest);
  assert_string_equal(acked(&scene), "1 no_handler");
  world_crash(scene.node);
  world_restart(scene.node);
  add_agents(&scene);
  fake_link(&scene.fake);
  assert_string_equal(acked(&scene), "1 no_handler");
  struct hgl_frame settle = {
      .kind = HGL_FRAME_SETTLE, .known = true, .settle = {scene.fake.incarnation, 1, 2}};
  fake_send(&scene.fake, &settle);
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "");
  deinit(&scene);
}

/* ---- violations end the link ---- */

struct violation {
  struct lie lie;
  const char *code;
};

static void a_violation_ends_the_link_with_its_code_and_the_next_link_goes_on(void **state)
{
  static const struct violation violations[] = {
      {{.bad_signature = true}, "bad_signature"},
      {{.wrong_path = true}, "bad_path"},
      {{.wrong_destination = true}, "wrong_host"},
      {{.number_shift = 1}, "gap"},
      {{.time_shift_ms = -5000}, "time_regressed"},
      {{.time_shift_ms = HGL_CLOCK_SKEW_MAX_MS + 1}, "clock_skew"},
      {{.sequence_shift = -1}, "fork"},
      {{.wrong_previous = true}, "fork"},
  };
  for (size_t i = 0; i < sizeof violations / sizeof *violations; i++) {
    struct scene scene;
    init(&scene, 5);
    say(&scene, "x/1.0/y", &honest);
    say(&scene, "x/1.0/y", &honest);
    acked(&scene);
    struct lie lie = violations[i].lie;
    lie.fork = true; /* our books go on from what was accepted */
    say(&scene, "x/1.0/y", &lie);
    say(&scene, "x/1.0/y", &honest); /* behind it, on a link that has ended */
    assert_string_equal(refused(&scene), violations[i].code);
    scene.fake.number = 2;
    fake_link(&scene.fake);
    world_run(&scene.world);
    struct hgl_frame hello;
    assert_count(&scene, 2);
    assert_true(scene.world.links[0][1] != 0);
    (void)hello;
    deinit(&scene);
  }
}

static void a_header_at_the_limit_of_the_skew_is_accepted(void **state)
{
  struct scene scene;
  init(&scene, 6);
  say(&scene, "x/1.0/y", &(struct lie){.time_shift_ms = HGL_CLOCK_SKEW_MAX_MS});
  assert_string_equal(acked(&scene), "");
  assert_count(&scene, 1);
  deinit(&scene);
}

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  ++*(size_t *)user;
  return 0;
}

static size_t rows(struct scene *scene, enum hgl_db db)
{
  struct hgl_err err;
  size_t count = 0;
  const struct hgl_bytes none = {0};
  assert_ok(hgl_store_scan(scene->node->store, db, none, none, false, count_row, &count, &err));
  return count;
}

static void a_fork_is_kept_as_proof_once(void **state)
{
  struct scene scene;
  init(&scene, 7);
  say(&scene, "x/1.0/y", &honest);
  acked(&scene);
  for (int i = 0; i < 3; i++) {
    say(&scene, "x/1.0/y", &(struct lie){.sequence_shift = -1, .fork = true});
    assert_string_equal(refused(&scene), "fork");
    fake_link(&scene.fake);
    world_run(&scene.world);
  }
  assert_int_equal(rows(&scene, HGL_DB_PROOFS), 1);
  deinit(&scene);
}

static void a_header_that_follows_another_than_ours_is_a_fork_kept_as_proof(void **state)
{
  struct scene scene;
  init(&scene, 16);
  say(&scene, "x/1.0/y", &honest);
  acked(&scene);
  say(&scene, "x/1.0/y",
      &(struct lie){.wrong_previous = true, .bad_signature = true, .fork = true});
  assert_string_equal(refused(&scene), "bad_signature");
  assert_int_equal(rows(&scene, HGL_DB_PROOFS), 0);
  fake_link(&scene.fake);
  say(&scene, "x/1.0/y", &(struct lie){.wrong_previous = true, .fork = true});
  assert_string_equal(refused(&scene), "fork");
  assert_int_equal(rows(&scene, HGL_DB_PROOFS), 1);
  assert_count(&scene, 1);
  fake_link(&scene.fake);
  /* Of headers between the two that went to others nothing can be said. */
  say(&scene, "x/1.0/y", &(struct lie){.wrong_previous = true, .sequence_shift = 1});
  assert_string_equal(acked(&scene), "");
  assert_count(&scene, 2);
  deinit(&scene);
}

static void two_delegations_of_one_sequence_are_kept_as_proof(void **state)
{
  struct scene scene;
  init(&scene, 8);
  say(&scene, "x/1.0/y", &honest);
  fake_delegate(&scene.fake, scene.world.time.wall_ms / 1000, 3600, 5, NULL);
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "");
  assert_int_equal(rows(&scene, HGL_DB_PROOFS), 1);
  deinit(&scene);
}

static void a_repeat_is_acknowledged_again_and_has_no_second_effect(void **state)
{
  struct scene scene;
  struct hgl_buf envelope, frame;
  init(&scene, 9);
  hgl_buf_init(&envelope, HGL_ENVELOPE_SIZE_MAX);
  hgl_buf_init(&frame, HGL_FRAME_SIZE_MAX);
  fake_envelope(&scene.fake, &scene.sink, "x/1.0/y", &honest, &envelope);
  fake_batch_bytes(&scene.fake, hgl_buf_bytes(&envelope), &honest, &frame);
  for (int i = 0; i < 3; i++) {
    world_inject(scene.stranger, scene.node, hgl_buf_bytes(&frame));
    assert_string_equal(acked(&scene), "");
  }
  assert_count(&scene, 1);
  hgl_buf_deinit(&envelope);
  hgl_buf_deinit(&frame);
  deinit(&scene);
}

static void an_older_incarnation_is_refused_after_a_newer(void **state)
{
  struct scene scene;
  init(&scene, 10);
  struct fake older = scene.fake;
  say(&scene, "x/1.0/y", &honest);
  older.sequence = scene.fake.sequence;
  older.number = scene.fake.number;
  older.leaf = scene.fake.leaf;
  older.header_hash = scene.fake.header_hash;
  acked(&scene);
  hgl_clock_advance(&scene.world.time, 1000);
  scene.fake.incarnation.bytes[0] = 9;
  scene.fake.sequence = scene.fake.number = 0;
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "");
  assert_count(&scene, 2);
  hgl_clock_advance(&scene.world.time, 1000);
  fake_say(&older, &scene.sink, "x/1.0/y", &honest);
  assert_string_equal(refused(&scene), "old_incarnation");
  assert_count(&scene, 2);
  deinit(&scene);
}

static void renew(struct scene *scene)
{
  hgl_clock_advance(&scene->world.time, 1000);
  scene->fake.incarnation.bytes[0]++;
  scene->fake.sequence = scene->fake.number = 0;
}

static void a_new_incarnation_begins_with_number_one(void **state)
{
  struct scene scene;
  init(&scene, 17);
  say(&scene, "x/1.0/y", &honest);
  acked(&scene);
  renew(&scene);
  say(&scene, "x/1.0/y", &(struct lie){.number_shift = 1, .fork = true});
  assert_string_equal(refused(&scene), "gap");
  fake_link(&scene.fake);
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "");
  assert_count(&scene, 2);
  deinit(&scene);
}

static void a_commit_of_an_older_incarnation_acknowledges_nothing_of_the_new_one(void **state)
{
  struct scene scene;
  struct link_frame *got;
  struct hgl_err err;
  uint64_t acked_up_to = 0;
  init(&scene, 99);
  for (int i = 0; i < 5; i++) {
    say(&scene, "x/1.0/y", &honest);
    acked(&scene);
  }
  hgl_store_hold(scene.node->store, true);
  say(&scene, "x/1.0/y", &honest);
  hgl_host_tick(scene.node->host);
  renew(&scene);
  say(&scene, "x/1.0/y", &honest);
  hgl_host_tick(scene.node->host);
  hgl_store_hold(scene.node->store, false);
  world_run(&scene.world);
  while ((got = world_got(scene.stranger))) {
    struct hgl_frame frame;
    assert_ok(hgl_frame_decode(hgl_bytes(got->data, got->size), &frame, &err));
    if (frame.kind == HGL_FRAME_ACK &&
        hgl_incarnation_equal(&frame.ack.incarnation, &scene.fake.incarnation)) {
      assert_true(frame.ack.up_to <= 1);
      acked_up_to = frame.ack.up_to;
    }
    free(got);
  }
  assert_int_equal(acked_up_to, 1);
  deinit(&scene);
}

static bool shown_restored(struct scene *scene)
{
  struct hgl_err err;
  json_t *list;
  assert_ok(hgl_host_list_peers(scene->node->host, &list, &err));
  assert_int_equal(json_array_size(list), 1);
  bool restored = json_is_true(json_object_get(json_array_get(list, 0), "restored"));
  json_decref(list);
  return restored;
}

static void a_peer_that_goes_on_behind_what_it_told_us_is_shown_as_restored(void **state)
{
  /* Where the new incarnation goes on, seen from the last header, the second. */
  static const struct {
    bool continues, other_incarnation, other_hash;
    int shift;
    bool restored;
  } cases[] = {
      {.continues = false},
      {.continues = true},
      {.continues = true, .shift = 1},
      {.continues = true, .other_incarnation = true, .shift = -1},
      {.continues = true, .shift = -1, .restored = true},
      {.continues = true, .other_hash = true, .restored = true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct scene scene;
    init(&scene, 18);
    say(&scene, "x/1.0/y", &honest);
    say(&scene, "x/1.0/y", &honest);
    acked(&scene);
    scene.fake.continues = cases[i].continues;
    scene.fake.continues_incarnation = scene.fake.incarnation;
    if (cases[i].other_incarnation) scene.fake.continues_incarnation.bytes[0] = 77;
    scene.fake.continues_sequence = scene.fake.sequence + (uint64_t)cases[i].shift;
    scene.fake.continues_hash = scene.fake.header_hash;
    if (cases[i].other_hash) scene.fake.continues_hash.bytes[0] ^= 1;
    renew(&scene);
    assert_false(shown_restored(&scene));
    say(&scene, "x/1.0/y", &honest);
    assert_string_equal(acked(&scene), "");
    assert_int_equal(shown_restored(&scene), cases[i].restored);
    assert_int_equal(world_logged(&scene.world, "goes on from before"), cases[i].restored);
    world_crash(scene.node);
    world_restart(scene.node);
    assert_int_equal(shown_restored(&scene), cases[i].restored);
    add_agents(&scene);
    world_run(&scene.world);
    deinit(&scene);
  }
}

static void a_link_that_was_down_for_days_delivers_old_headers(void **state)
{
  struct scene scene;
  struct hgl_buf envelope, frame;
  init(&scene, 11);
  hgl_buf_init(&envelope, HGL_ENVELOPE_SIZE_MAX);
  hgl_buf_init(&frame, HGL_FRAME_SIZE_MAX);
  fake_envelope(&scene.fake, &scene.sink, "x/1.0/y", &honest, &envelope);
  fake_batch_bytes(&scene.fake, hgl_buf_bytes(&envelope), &honest, &frame);
  world_unlink(scene.node, scene.stranger);
  hgl_clock_advance(&scene.world.time, INT64_C(3) * 24 * 3600 * 1000);
  fake_link(&scene.fake);
  world_run(&scene.world);
  world_inject(scene.stranger, scene.node, hgl_buf_bytes(&frame));
  assert_string_equal(acked(&scene), "");
  assert_count(&scene, 1); /* the delegation held when it was said */
  hgl_buf_deinit(&envelope);
  hgl_buf_deinit(&frame);
  deinit(&scene);
}

/* ---- garbage and floods ---- */

static void no_mutation_of_a_frame_does_harm(void **state)
{
  uint64_t dice = 12345;
  struct scene scene;
  init(&scene, 12);
  struct hgl_buf envelope, good, bad;
  hgl_buf_init(&envelope, HGL_ENVELOPE_SIZE_MAX);
  hgl_buf_init(&good, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&bad, HGL_FRAME_SIZE_MAX);
  for (int i = 0; i < 3000; i++) {
    if (!scene.world.links[0][1]) fake_link(&scene.fake);
    hgl_buf_clear(&good);
    switch (i % 5) {
    case 0: {
      struct fake copy = scene.fake;
      hgl_buf_clear(&envelope);
      fake_envelope(&copy, &scene.sink, "x/1.0/unknown", &honest, &envelope);
      fake_batch_bytes(&copy, hgl_buf_bytes(&envelope), &honest, &good);
      break;
    }
    default: {
      struct hgl_buf run;
      struct hgl_err err;
      hgl_buf_init(&run, 4096);
      struct hgl_frame frame = {.known = true};
      if (i % 5 == 1) {
        hgl_run_put_exception(&run, 1, "mailbox_full");
        frame.kind = HGL_FRAME_ACK;
        frame.ack = (struct hgl_frame_ack){scene.fake.incarnation, 3, hgl_run(&run, 1)};
      } else if (i % 5 == 2) {
        frame.kind = HGL_FRAME_SETTLE;
        frame.settle = (struct hgl_frame_settle){scene.fake.incarnation, 3, 4};
      } else if (i % 5 == 3) {
        hgl_run_put_delegation(&run, hgl_buf_bytes(&scene.fake.delegation));
        frame.kind = HGL_FRAME_HAVE;
        frame.have.delegations = hgl_run(&run, 1);
      } else {
        hgl_run_put_key(&run, &scene.sink);
        frame.kind = HGL_FRAME_WANT;
        frame.want = hgl_run(&run, 1);
      }
      assert_ok(hgl_frame_encode(&frame, &good, &err));
      hgl_buf_deinit(&run);
    }
    }
    hgl_buf_clear(&bad);
    hgl_buf_append_bytes(&bad, hgl_buf_bytes(&good));
    for (int k = 0; k < 1 + i % 3; k++) {
      dice = dice * 6364136223846793005u + 1;
      size_t at = (dice >> 33) % bad.size;
      if (dice >> 62 == 0 && bad.size > 2) bad.size = at + 1;
      if (at < bad.size) bad.data[at] ^= (uint8_t)(1u << (dice >> 58 & 7));
    }
    world_inject(scene.stranger, scene.node, hgl_buf_bytes(&bad));
    world_run(&scene.world);
    fake_heard(&scene.fake, HGL_FRAME_PONG, NULL, scene.text, sizeof scene.text);
  }
  hgl_buf_deinit(&envelope);
  hgl_buf_deinit(&good);
  hgl_buf_deinit(&bad);
  assert_count(&scene, 0);
  deinit(&scene);
}

static void a_peer_that_floods_is_paused_and_heard_out(void **state)
{
  struct scene scene;
  init(&scene, 13);
  struct hgl_buf junk;
  hgl_buf_init(&junk, HGL_FRAME_SIZE_MAX);
  uint8_t *data = hgl_buf_reserve(&junk, 1 << 20);
  assert_non_null(data);
  memset(data, 0x41, 1 << 20);
  data[0] = 0x82;
  data[1] = HGL_FRAME_BATCH;
  hgl_buf_extend(&junk, 1 << 20);
  const bool *paused = &scene.world.paused[scene.node->index][scene.stranger->index];
  for (int i = 0; i < 17; i++) {
    assert_false(*paused);
    world_inject(scene.stranger, scene.node, hgl_buf_bytes(&junk));
  }
  assert_true(*paused);
  assert_string_equal(refused(&scene), "malformed");
  hgl_buf_deinit(&junk);
  fake_link(&scene.fake);
  say(&scene, "x/1.0/y", &honest);
  acked(&scene);
  assert_count(&scene, 1);
  deinit(&scene);
}

static void refusals_that_are_never_settled_stop_the_intake_of_their_sender_only(void **state)
{
  struct scene scene;
  init(&scene, 14);
  for (int i = 0; i < HGL_FRAME_EXCEPTIONS_MAX + 10; i++) {
    say(&scene, "x/1.0/unknown", &honest);
    if (i % 64 == 0) world_run(&scene.world);
  }
  world_run(&scene.world);
  struct hgl_frame ack;
  assert_true(fake_heard(&scene.fake, HGL_FRAME_ACK, &ack, scene.text, sizeof scene.text));
  assert_int_equal(hgl_host_counts(scene.node->host).refused, HGL_FRAME_EXCEPTIONS_MAX);
  assert_true(scene.world.links[0][1] != 0);
  struct hgl_frame settle = {
      .kind = HGL_FRAME_SETTLE,
      .known = true,
      .settle = {scene.fake.incarnation, HGL_FRAME_EXCEPTIONS_MAX, scene.fake.number + 1}};
  fake_send(&scene.fake, &settle);
  world_run(&scene.world);
  assert_int_equal(hgl_host_counts(scene.node->host).refused, HGL_FRAME_EXCEPTIONS_MAX + 10);
  deinit(&scene);
}

/* A batch of one that the host does not read further than its header before it has room for it. */
static void a_peer_that_sends_too_much_before_a_settlement_loses_its_link(void **state)
{
  struct scene scene;
  struct hgl_buf envelope, frame;
  init(&scene, 19);
  for (int i = 0; i < HGL_FRAME_EXCEPTIONS_MAX; i++) {
    say(&scene, "x/1.0/unknown", &honest);
    if (i % 64 == 0) world_run(&scene.world);
  }
  world_run(&scene.world);
  hgl_buf_init(&envelope, HGL_ENVELOPE_SIZE_MAX);
  hgl_buf_init(&frame, HGL_FRAME_SIZE_MAX);
  fake_envelope(&scene.fake, &scene.sink, "x/1.0/unknown", &honest, &envelope);
  fake_batch_bytes(&scene.fake, hgl_buf_bytes(&envelope), &honest, &frame);
  const bool *paused = &scene.world.paused[scene.node->index][scene.stranger->index];
  for (size_t size = 0; size <= 16 << 20; size += frame.size) {
    assert_false(*paused);
    world_inject(scene.stranger, scene.node, hgl_buf_bytes(&frame));
  }
  assert_string_equal(refused(&scene), "limit");
  hgl_buf_deinit(&envelope);
  hgl_buf_deinit(&frame);
  /* On the next link everything can go on. */
  scene.fake.number = HGL_FRAME_EXCEPTIONS_MAX;
  fake_link(&scene.fake);
  struct hgl_frame settle = {
      .kind = HGL_FRAME_SETTLE,
      .known = true,
      .settle = {scene.fake.incarnation, HGL_FRAME_EXCEPTIONS_MAX, scene.fake.number + 1}};
  fake_send(&scene.fake, &settle);
  world_run(&scene.world);
  assert_true(scene.world.links[0][1] != 0);
  deinit(&scene);
}

static void an_unsettled_past_does_not_stop_a_new_incarnation(void **state)
{
  struct scene scene;
  init(&scene, 21);
  for (int i = 0; i < HGL_FRAME_EXCEPTIONS_MAX; i++) {
    say(&scene, "x/1.0/unknown", &honest);
    if (i % 64 == 0) world_run(&scene.world);
  }
  world_run(&scene.world);
  renew(&scene);
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "");
  assert_count(&scene, 1);
  deinit(&scene);
}

static void a_message_signed_by_a_stranger_for_an_agent_of_ours_is_refused(void **state)
{
  struct scene scene;
  struct hgl_signer *own;
  struct hgl_err err;
  uint8_t seed[HGL_SEED_SIZE] = {1};
  init(&scene, 15);
  memcpy(seed + 1, "sink", 4);
  assert_ok(hgl_signer_create(seed, &own, &err)); /* stolen, say */
  hgl_signer_destroy(scene.fake.agent);
  scene.fake.agent = own;
  fake_delegate(&scene.fake, scene.world.time.wall_ms / 1000, 3600, 99, NULL);
  say(&scene, "x/1.0/y", &honest);
  assert_string_equal(acked(&scene), "1 delegation_revoked");
  deinit(&scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_honest_message_is_acknowledged_and_handled),
      cmocka_unit_test(each_reason_to_refuse_has_its_code_and_consumes_the_number),
      cmocka_unit_test(an_opening_that_names_no_definition_is_held_to_ours),
      cmocka_unit_test(an_author_needs_a_delegation_that_holds_at_the_headers_time),
      cmocka_unit_test(exceptions_are_repeated_until_settled_also_after_a_restart),
      cmocka_unit_test(a_violation_ends_the_link_with_its_code_and_the_next_link_goes_on),
      cmocka_unit_test(a_header_at_the_limit_of_the_skew_is_accepted),
      cmocka_unit_test(a_fork_is_kept_as_proof_once),
      cmocka_unit_test(a_header_that_follows_another_than_ours_is_a_fork_kept_as_proof),
      cmocka_unit_test(two_delegations_of_one_sequence_are_kept_as_proof),
      cmocka_unit_test(a_repeat_is_acknowledged_again_and_has_no_second_effect),
      cmocka_unit_test(an_older_incarnation_is_refused_after_a_newer),
      cmocka_unit_test(a_new_incarnation_begins_with_number_one),
      cmocka_unit_test(a_commit_of_an_older_incarnation_acknowledges_nothing_of_the_new_one),
      cmocka_unit_test(a_peer_that_goes_on_behind_what_it_told_us_is_shown_as_restored),
      cmocka_unit_test(a_link_that_was_down_for_days_delivers_old_headers),
      cmocka_unit_test(no_mutation_of_a_frame_does_harm),
      cmocka_unit_test(a_peer_that_floods_is_paused_and_heard_out),
      cmocka_unit_test(refusals_that_are_never_settled_stop_the_intake_of_their_sender_only),
      cmocka_unit_test(a_peer_that_sends_too_much_before_a_settlement_loses_its_link),
      cmocka_unit_test(an_unsettled_past_does_not_stop_a_new_incarnation),
      cmocka_unit_test(a_message_signed_by_a_stranger_for_an_agent_of_ours_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
