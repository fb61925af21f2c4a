#include <stdio.h>

#include "protocol/evidence.h"
#include "support/fake_peer.h"
#include "support/world.h"

/* Hosts of which the first says something to all others in one tick. */
struct scene {
  struct world world;
  struct node *nodes[3];
  size_t batches, envelopes[64];
  uint64_t sequences[64], first_numbers[64];
  int64_t times[64];
};

static struct hgl_err err;

static const char listener[] =
    "agent.on('x/1.0/y', function(message)\n"
    "  assert(agent.keep(message.id))\n"
    "  state.count = (state.count or 0) + 1\n"
    "  state.last = message.body.n\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { count = state.count or 0, last = state.last })\n"
    "end)\n";

/* Notes each batch of the first host's on its way. */
static bool note_batch(void *user, struct link_frame *frame)
{
  struct scene *scene = user;
  struct hgl_frame decoded;
  struct hgl_header header;
  struct hgl_group_leaf leaf;
  if (frame->from != scene->nodes[0]->index || scene->batches == 64 ||
      hgl_frame_decode(hgl_bytes(frame->data, frame->size), &decoded, &err) ||
      decoded.kind != HGL_FRAME_BATCH)
    return true;
  assert_ok(hgl_header_verify(decoded.batch.header, &header, &err));
  assert_ok(hgl_group_leaf_decode(decoded.batch.group_leaf, &leaf, &err));
  scene->sequences[scene->batches] = header.sequence;
  scene->times[scene->batches] = header.time_ms;
  scene->first_numbers[scene->batches] = leaf.first_number;
  scene->envelopes[scene->batches++] = leaf.count;
  return true;
}

static void begin(struct scene *scene, const char *body)
{
  static char script[2048];
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 3);
  for (int i = 0; i < 3; i++) scene->nodes[i] = world_node(&scene->world);
  for (int i = 1; i < 3; i++) world_agent(scene->nodes[i], "listener", listener, NULL);
  for (int i = 1; i < 3; i++) world_agent(scene->nodes[i], "operator", "", NULL);
  world_agent(scene->nodes[0], "operator", "", NULL);
  snprintf(script, sizeof script,
           "local one, two = '%s', '%s'\n"
           "agent.on('go/1.0/now', function(message)\n%s\nend)\n"
           "agent.on('none/1.0/said', function() end)\n",
           world_did(scene->nodes[1], "listener"), world_did(scene->nodes[2], "listener"), body);
  world_agent(scene->nodes[0], "speaker", script, NULL);
  world_link(scene->nodes[0], scene->nodes[1]);
  world_link(scene->nodes[0], scene->nodes[2]);
  world_run(&scene->world);
  scene->world.on_frame = note_batch;
  scene->world.on_frame_user = scene;
}

static void go(struct scene *scene)
{
  world_say(scene->nodes[0], "speaker", "go/1.0/now", NULL);
  world_run(&scene->world);
}

static int64_t heard(struct scene *scene, int node)
{
  return world_number(scene->nodes[node], "listener", "report/1.0/ask", "count");
}

static uint64_t signatures(struct scene *scene)
{
  return hgl_host_counts(scene->nodes[0]->host).signatures;
}

static void one_signature_covers_all_that_a_tick_says(void **state)
{
  struct scene scene;
  begin(&scene, "for i = 1, 5 do\n"
                "  agent.send(one, 'x/1.0/y', { n = i }) agent.send(two, 'x/1.0/y', { n = -i })\n"
                "end\n"
                "agent.send('speaker', 'none/1.0/said', {})");
  uint64_t before = signatures(&scene);
  go(&scene);
  /* The operator's word and what the handler said to three hosts: two ticks at the most. */
  assert_true(signatures(&scene) - before <= 2);
  assert_int_equal(scene.batches, 2);
  assert_int_equal(scene.sequences[0], scene.sequences[1]); /* one header for both hosts */
  assert_int_equal(scene.envelopes[0], 5);
  assert_int_equal(scene.envelopes[1], 5);
  assert_int_equal(heard(&scene, 1), 5);
  assert_int_equal(heard(&scene, 2), 5);
  world_deinit(&scene.world);
}

static void a_tick_that_says_nothing_signs_nothing(void **state)
{
  struct scene scene;
  begin(&scene, "log.info('nothing')");
  world_advance(&scene.world, 3000);
  uint64_t before = signatures(&scene);
  for (int i = 0; i < 10; i++) {
    hgl_clock_advance(&scene.world.time, 50);
    world_run(&scene.world);
  }
  assert_int_equal(signatures(&scene), before);
  assert_int_equal(scene.batches, 0);
  world_deinit(&scene.world);
}

static void what_is_too_much_for_one_group_becomes_several_of_one_header(void **state)
{
  struct scene scene;
  begin(&scene, "for i = 1, 4097 do agent.send(one, 'x/1.0/y', { n = i }) end");
  go(&scene);
  assert_int_equal(scene.batches, 2);
  assert_int_equal(scene.envelopes[0], HGL_GROUP_ENVELOPES_MAX);
  assert_int_equal(scene.envelopes[1], 1);
  assert_int_equal(scene.sequences[0], scene.sequences[1]);
  assert_int_equal(scene.first_numbers[1], scene.first_numbers[0] + HGL_GROUP_ENVELOPES_MAX);
  assert_int_equal(heard(&scene, 1), 4097);
  assert_int_equal(world_number(scene.nodes[1], "listener", "report/1.0/ask", "last"), 4097);
  world_deinit(&scene.world);
}

static void large_messages_divide_a_group_by_their_bytes(void **state)
{
  struct scene scene;
  begin(&scene, "local large = ('x'):rep(1000000)\n"
                "for i = 1, 9 do agent.send(one, 'x/1.0/y', { n = i, text = large }) end");
  go(&scene);
  size_t all = 0;
  assert_true(scene.batches >= 3);
  for (size_t i = 0; i < scene.batches; i++) {
    assert_true(scene.envelopes[i] <= 4); /* of a million bytes each */
    assert_int_equal(scene.first_numbers[i], scene.first_numbers[0] + all);
    all += scene.envelopes[i];
  }
  assert_int_equal(all, 9);
  assert_int_equal(heard(&scene, 1), 9);
  assert_int_equal(world_number(scene.nodes[1], "listener", "report/1.0/ask", "last"), 9);
  world_deinit(&scene.world);
}

/* The sender can prove every single one, whichever group and place it got. */
static void each_message_of_a_tick_can_be_proved(void **state)
{
  struct scene scene;
  begin(&scene, "for i = 1, 20 do\n"
                "  local id = agent.send(i % 3 == 0 and one or two, 'x/1.0/y', { n = i })\n"
                "  log.info('said ' .. id)\n"
                "end");
  go(&scene);
  const char *at = scene.world.logged;
  size_t proved = 0;
  for (; (at = strstr(at, "speaker: said ")); proved++) {
    struct hgl_buf out;
    struct hgl_proof proof;
    char id[33];
    at += strlen("speaker: said ");
    snprintf(id, sizeof id, "%.32s", at);
    hgl_buf_init(&out, HGL_EVIDENCE_SIZE_MAX);
    assert_ok(hgl_host_export(scene.nodes[0]->host, id, &out, &err));
    assert_ok(hgl_evidence_verify(hgl_buf_bytes(&out), NULL, &proof, &err));
    bool to_one = (proved + 1) % 3 == 0;
    assert_true(hgl_key_equal(&proof.group.destination, &scene.nodes[to_one ? 1 : 2]->key));
    hgl_buf_deinit(&out);
  }
  assert_int_equal(proved, 20);
  world_deinit(&scene.world);
}

static void headers_follow_one_another_and_time_never_runs_back(void **state)
{
  struct scene scene;
  begin(&scene, "agent.send(one, 'x/1.0/y', { n = 1 })");
  for (int i = 0; i < 4; i++) {
    if (i == 2) scene.world.time.wall_ms -= 60 * 1000; /* the clock is set back */
    go(&scene);
  }
  assert_int_equal(scene.batches, 4);
  for (size_t i = 1; i < 4; i++) {
    assert_true(scene.sequences[i] > scene.sequences[i - 1]);
    assert_true(scene.times[i] >= scene.times[i - 1]);
    assert_int_equal(scene.first_numbers[i], scene.first_numbers[i - 1] + 1);
  }
  assert_int_equal(heard(&scene, 1), 4);
  world_deinit(&scene.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_signature_covers_all_that_a_tick_says),
      cmocka_unit_test(a_tick_that_says_nothing_signs_nothing),
      cmocka_unit_test(what_is_too_much_for_one_group_becomes_several_of_one_header),
      cmocka_unit_test(large_messages_divide_a_group_by_their_bytes),
      cmocka_unit_test(each_message_of_a_tick_can_be_proved),
      cmocka_unit_test(headers_follow_one_another_and_time_never_runs_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
