/* Calls that look through the journal: slice by slice, each in its turn, and for nobody who has
 * gone. */
#include "host/control_lookup.h"

#include "protocol/value.h"
#include "support/world.h"

enum { ROWS = 12, CLIENTS = 10 };
#define HOUR_NS (INT64_C(3600) * 1000000000)

static struct hgl_err err;

struct heard {
  struct hgl_control_client client;
  json_t *lines; /* a list */
};

struct scene {
  struct world world;
  struct node *node;
  struct hgl_lookups lookups;
  struct heard heard[CLIENTS];
  char id[33]; /* of the oldest message */
};

static int hear(void *link, struct hgl_bytes line, struct hgl_err *why)
{
  json_t *json;
  struct heard *heard = link;
  if (hgl_json_parse(line, 1 << 20, &json, why)) return -HGL_NO_MEMORY;
  assert_int_equal(json_array_append_new(heard->lines, json), 0);
  return 0;
}

static size_t nothing_queued(void *link)
{
  return 0;
}

static void begin(struct scene *scene)
{
  static const struct hgl_control_way way = {hear, nothing_queued};
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 1);
  scene->world.trace_events = -1; /* nothing knows where a message is */
  scene->node = world_node(&scene->world);
  world_agent(scene->node, "operator", "", NULL);
  world_agent(scene->node, "sink", "agent.on('x/1.0/y', function(m) log.info('id ' .. m.id) end)",
              NULL);
  for (int i = 0; i < ROWS; i++) {
    world_say(scene->node, "sink", "x/1.0/y", "{}");
    world_run(&scene->world);
  }
  const char *at = strstr(scene->world.logged, "id ");
  assert_non_null(at);
  memcpy(scene->id, at + 3, 32);
  hgl_lookups_init(&scene->lookups);
  scene->lookups.step_bytes = 1;     /* a row */
  scene->lookups.turn_ns = -HOUR_NS; /* one step, also where the test is ahead of its time */
  for (size_t i = 0; i < CLIENTS; i++) {
    struct heard *heard = &scene->heard[i];
    heard->client = (struct hgl_control_client){.way = &way, .link = heard};
    heard->lines = json_array();
    assert_non_null(heard->lines);
  }
}

static void end(struct scene *scene)
{
  hgl_lookups_leave(&scene->lookups, NULL);
  assert_int_equal(scene->lookups.count, 0);
  for (size_t i = 0; i < CLIENTS; i++) json_decref(scene->heard[i].lines);
  world_deinit(&scene->world);
}

static int ask(struct scene *scene, size_t who, const char *call, const char *of, int tag)
{
  json_t *request = json_pack("{s:s, s:s, s:i}", "call", call, "of", of, "id", tag);
  assert_non_null(request);
  const struct hgl_control_call made = {
      .host = scene->node->host, .client = &scene->heard[who].client, .request = request};
  int status = hgl_lookups_call(&scene->lookups, &made, &err);
  json_decref(request);
  return status;
}

/* How many turns it took until all is answered. */
static int work(struct scene *scene)
{
  int turns = 0;
  for (; hgl_lookups_deadline(&scene->lookups) != INT64_MAX; turns++) {
    assert_true(turns < 1000);
    hgl_lookups_turn(&scene->lookups, scene->node->host, scene->lookups.rest_until_ns);
  }
  return turns;
}

static size_t answers(const struct scene *scene, size_t who)
{
  return json_array_size(scene->heard[who].lines);
}

static const json_t *answer(const struct scene *scene, size_t who, int tag)
{
  size_t i;
  const json_t *line;
  json_array_foreach(scene->heard[who].lines, i, line)
  {
    if (json_integer_value(json_object_get(line, "id")) == tag) return line;
  }
  fail_msg("%d was not answered", tag);
  return NULL;
}

static const char *code_of(const json_t *line)
{
  return json_string_value(json_object_get(json_object_get(line, "error"), "code"));
}

static void what_is_far_back_is_found_a_slice_at_a_time(void **state)
{
  struct scene scene;
  begin(&scene);
  assert_ok(ask(&scene, 0, "message", scene.id, 7));
  assert_int_equal(answers(&scene, 0), 0);
  assert_true(work(&scene) >= ROWS - 2);
  const json_t *envelope = json_object_get(json_object_get(answer(&scene, 0, 7), "result"),
                                           "envelope");
  assert_string_equal(json_string_value(json_object_get(envelope, "id")), scene.id);
  assert_ok(ask(&scene, 0, "export", scene.id, 8));
  assert_true(work(&scene) >= ROWS - 2);
  assert_non_null(json_object_get(json_object_get(answer(&scene, 0, 8), "result"), "evidence"));
  end(&scene);
}

static void between_slices_the_journal_may_change(void **state)
{
  struct scene scene;
  begin(&scene);
  assert_ok(ask(&scene, 0, "message", scene.id, 1));
  for (int i = 0; i < ROWS / 2; i++) {
    hgl_lookups_turn(&scene.lookups, scene.node->host, scene.lookups.rest_until_ns);
    world_say(scene.node, "sink", "x/1.0/y", "{}");
    world_run(&scene.world);
  }
  work(&scene);
  assert_non_null(json_object_get(answer(&scene, 0, 1), "result"));
  end(&scene);
}

static void what_is_not_there_is_said_with_its_code(void **state)
{
  struct scene scene;
  begin(&scene);
  assert_ok(ask(&scene, 0, "message", "00112233445566778899aabbccddeeff", 1));
  assert_ok(ask(&scene, 0, "export", "00112233445566778899aabbccddeeff", 2));
  work(&scene);
  assert_string_equal(code_of(answer(&scene, 0, 1)), "not_found");
  assert_string_equal(code_of(answer(&scene, 0, 2)), "not_found");
  assert_fails(HGL_INVALID, ask(&scene, 0, "message", "no id", 3));
  assert_fails(HGL_INVALID, ask(&scene, 0, "export", "abc", 4));
  assert_int_equal(scene.lookups.count, 0);
  end(&scene);
}

static void each_has_its_turn(void **state)
{
  struct scene scene;
  begin(&scene);
  assert_ok(ask(&scene, 0, "message", "00112233445566778899aabbccddeeff", 1));
  assert_ok(ask(&scene, 1, "message", "00112233445566778899aabbccddeeff", 1));
  while (!answers(&scene, 0) && !answers(&scene, 1)) {
    assert_int_equal(scene.lookups.count, 2);
    hgl_lookups_turn(&scene.lookups, scene.node->host, scene.lookups.rest_until_ns);
  }
  for (int i = 0; i < 2; i++)
    hgl_lookups_turn(&scene.lookups, scene.node->host, scene.lookups.rest_until_ns);
  assert_int_equal(answers(&scene, 0) + answers(&scene, 1), 2);
  end(&scene);
}

static void nothing_is_done_before_the_pause_is_over(void **state)
{
  struct scene scene;
  begin(&scene);
  assert_ok(ask(&scene, 0, "message", scene.id, 1));
  hgl_lookups_turn(&scene.lookups, scene.node->host, hgl_mono_ns(&hgl_clock_system));
  int64_t rest_ns = scene.lookups.rest_until_ns;
  for (int i = 0; i < 2 * ROWS; i++)
    hgl_lookups_turn(&scene.lookups, scene.node->host, rest_ns - 1);
  assert_int_equal(answers(&scene, 0), 0);
  assert_int_equal(scene.lookups.rest_until_ns, rest_ns);
  end(&scene);
}

static void a_call_does_no_work_of_the_turns(void **state)
{
  struct scene scene;
  begin(&scene);
  scene.lookups.step_bytes = SIZE_MAX;
  scene.lookups.turn_ns = HOUR_NS;
  for (int i = 0; i < HGL_LOOKUPS_OF_CLIENT_MAX; i++)
    assert_ok(ask(&scene, 0, "message", scene.id, i));
  assert_int_equal(answers(&scene, 0), 0);
  assert_int_equal(work(&scene), HGL_LOOKUPS_OF_CLIENT_MAX);
  assert_int_equal(answers(&scene, 0), HGL_LOOKUPS_OF_CLIENT_MAX);
  end(&scene);
}

static void so_many_may_wait_and_whoever_goes_waits_no_more(void **state)
{
  struct scene scene;
  begin(&scene);
  for (size_t who = 0; who < HGL_LOOKUPS_MAX / HGL_LOOKUPS_OF_CLIENT_MAX; who++)
    for (int i = 0; i < HGL_LOOKUPS_OF_CLIENT_MAX; i++)
      assert_ok(ask(&scene, who, "message", scene.id, i));
  assert_fails(HGL_LIMIT, ask(&scene, 0, "message", scene.id, 99));
  assert_fails(HGL_LIMIT, ask(&scene, CLIENTS - 1, "message", scene.id, 99));
  hgl_lookups_leave(&scene.lookups, &scene.heard[3].client);
  for (int i = 0; i < HGL_LOOKUPS_OF_CLIENT_MAX; i++)
    assert_ok(ask(&scene, CLIENTS - 1, "message", scene.id, i));
  work(&scene);
  assert_int_equal(answers(&scene, 3), 0);
  assert_int_equal(answers(&scene, 0), HGL_LOOKUPS_OF_CLIENT_MAX);
  assert_int_equal(answers(&scene, CLIENTS - 1), HGL_LOOKUPS_OF_CLIENT_MAX);
  end(&scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_far_back_is_found_a_slice_at_a_time),
      cmocka_unit_test(between_slices_the_journal_may_change),
      cmocka_unit_test(what_is_not_there_is_said_with_its_code),
      cmocka_unit_test(each_has_its_turn),
      cmocka_unit_test(nothing_is_done_before_the_pause_is_over),
      cmocka_unit_test(a_call_does_no_work_of_the_turns),
      cmocka_unit_test(so_many_may_wait_and_whoever_goes_waits_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
