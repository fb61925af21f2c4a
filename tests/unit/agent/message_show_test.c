/* One message as the control API shows it: found by its place, kept or searched for, and proved. */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/evidence.h"
#include "support/world.h"

static const char asker_format[] = "agent.on('go/1.0/now', function(message)\n"
                                   "  local type = message.body.type or 'x/1.0/y'\n"
                                   "  local id = agent.send('%s', type, { n = 7 })\n"
                                   "  if message.body.keep then assert(agent.keep(id)) end\n"
                                   "  log.info('said ' .. id)\n"
                                   "end)\n"
                                   "agent.on('x/1.0/z', function() end)\n";
static const char answerer[] = "agent.on('x/1.0/y', function(m) m:reply('z', { n = 8 }) end)\n";

struct scene {
  struct world world;
  struct node *a, *b;
  char script[1024], id[33];
};

static void add_agents(struct scene *scene)
{
  world_agent(scene->a, "operator", "", NULL);
  world_agent(scene->a, "asker", scene->script, NULL);
  if (scene->b != scene->a) world_agent(scene->b, "operator", "", NULL);
  world_agent(scene->b, "answerer", answerer, NULL);
}

static void begin(struct scene *scene, bool local, int64_t trace_events)
{
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 1);
  scene->world.trace_events = trace_events;
  scene->a = world_node(&scene->world);
  scene->b = local ? scene->a : world_node(&scene->world);
  snprintf(scene->script, sizeof scene->script, asker_format, world_did(scene->b, "answerer"));
  add_agents(scene);
  if (!local) world_link(scene->a, scene->b);
  world_run(&scene->world);
}

static void go(struct scene *scene, const char *body)
{
  scene->world.logged_size = 0;
  world_say(scene->a, "asker", "go/1.0/now", body);
  world_run(&scene->world);
  const char *at = strstr(scene->world.logged, "said ");
  assert_non_null(at);
  memcpy(scene->id, at + strlen("said "), 32);
}

static json_t *message_of(struct node *node, const char *id)
{
  struct hgl_err err;
  json_t *message = NULL;
  assert_ok(hgl_host_message(node->host, id, NULL, &message, &err));
  return message;
}

static const char *text(const json_t *object, const char *field)
{
  return present(json_string_value(json_object_get(object, field)));
}

static int64_t number(const json_t *object, const char *field)
{
  const json_t *value = json_object_get(object, field);
  if (!json_is_integer(value)) fail_msg("\"%s\" is no integer", field);
  return json_integer_value(value);
}

/* The evidence verifies, and is of this message. */
static void assert_proved(const json_t *message)
{
  struct hgl_buf evidence, raw;
  struct hgl_proof proof;
  struct hgl_err err;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  hgl_buf_init(&raw, HGL_ENVELOPE_SIZE_MAX);
  assert_ok(hgl_base64url_decode(hgl_text(text(message, "evidence")), &evidence, &err));
  assert_ok(hgl_base64url_decode(hgl_text(text(message, "raw")), &raw, &err));
  assert_ok(hgl_evidence_verify(hgl_buf_bytes(&evidence), NULL, &proof, &err));
  struct hgl_evidence parts;
  assert_ok(hgl_evidence_decode(hgl_buf_bytes(&evidence), &parts, &err));
  assert_true(hgl_bytes_equal(parts.envelope, hgl_buf_bytes(&raw)));
  assert_int_equal(number(message, "size"), raw.size);
  assert_int_equal(number(json_object_get(message, "path"), "number"), proof.number);
  hgl_buf_deinit(&evidence);
  hgl_buf_deinit(&raw);
}

static void a_message_is_shown_on_both_sides_with_its_proof(void **state)
{
  struct scene scene;
  begin(&scene, false, 0);
  go(&scene, NULL);
  struct node *nodes[] = {scene.a, scene.b};
  for (int i = 0; i < 2; i++) {
    json_t *message = message_of(nodes[i], scene.id);
    const json_t *envelope = json_object_get(message, "envelope");
    assert_string_equal(text(message, "direction"), i ? "heard" : "said");
    assert_string_equal(text(envelope, "type"), "x/1.0/y");
    assert_int_equal(number(json_object_get(envelope, "body"), "n"), 7);
    assert_string_equal(text(message, i ? "to_name" : "from_name"), i ? "answerer" : "asker");
    assert_true(json_is_true(json_object_get(message, "acknowledged")));
    assert_null(json_object_get(message, "refused"));
    assert_true(number(json_object_get(message, "path"), "groups") >= 1);
    assert_true(number(json_object_get(message, "delegation"), "expires_ms") >
                number(json_object_get(message, "header"), "time_ms"));
    assert_proved(message);
    json_decref(message);
  }
  world_deinit(&scene.world);
}

static void what_is_under_way_is_not_acknowledged(void **state)
{
  struct scene scene;
  begin(&scene, false, 0);
  go(&scene, NULL);
  world_unlink(scene.a, scene.b);
  go(&scene, NULL);
  json_t *message = message_of(scene.a, scene.id);
  assert_true(json_is_false(json_object_get(message, "acknowledged")));
  assert_proved(message);
  json_decref(message);
  world_deinit(&scene.world);
}

static void what_was_refused_says_so(void **state)
{
  struct scene scene;
  begin(&scene, false, 0);
  go(&scene, "{\"type\":\"x/1.0/unknown\"}");
  struct node *nodes[] = {scene.a, scene.b};
  for (int i = 0; i < 2; i++) {
    json_t *message = message_of(nodes[i], scene.id);
    assert_string_equal(text(message, "refused"), "no_handler");
    assert_true(json_is_true(json_object_get(message, "acknowledged")));
    json_decref(message);
  }
  world_deinit(&scene.world);
}

static void a_message_between_two_agents_of_a_host_is_there_too(void **state)
{
  struct scene scene;
  begin(&scene, true, 0);
  go(&scene, NULL);
  json_t *message = message_of(scene.a, scene.id);
  assert_string_equal(text(message, "to_name"), "answerer");
  assert_string_equal(text(message, "host"), text(message, "destination"));
  assert_proved(message);
  json_decref(message);
  world_deinit(&scene.world);
}

/* Without its place it is looked for, and what is kept for good outlives the journal's row. */
static void a_message_is_found_without_the_trace(void **state)
{
  struct scene scene;
  begin(&scene, false, -1);
  go(&scene, NULL);
  json_t *message = message_of(scene.a, scene.id);
  assert_proved(message);
  json_decref(message);
  go(&scene, "{\"keep\":true}");
  world_crash(scene.a);
  world_restart(scene.a);
  world_agent(scene.a, "operator", "", NULL);
  world_agent(scene.a, "asker", scene.script, NULL);
  message = message_of(scene.a, scene.id);
  assert_proved(message);
  json_decref(message);
  world_deinit(&scene.world);
}

static void a_message_trimmed_from_the_journal_is_not_found_unless_it_is_kept(void **state)
{
  struct scene scene;
  struct hgl_err err;
  json_t *message = NULL;
  char kept[33];
  begin(&scene, false, 0);
  scene.world.journal_bytes = 4000;
  world_crash(scene.a);
  world_restart(scene.a);
  world_agent(scene.a, "operator", "", NULL);
  world_agent(scene.a, "asker", scene.script, NULL);
  world_link(scene.a, scene.b);
  go(&scene, "{\"keep\":true}");
  memcpy(kept, scene.id, sizeof kept);
  go(&scene, NULL);
  char gone[33];
  memcpy(gone, scene.id, sizeof gone);
  for (int i = 0; i < 20; i++) go(&scene, NULL);
  assert_fails(HGL_NOT_FOUND, hgl_host_message(scene.a->host, gone, NULL, &message, &err));
  message = message_of(scene.a, kept);
  assert_proved(message);
  json_decref(message);
  world_deinit(&scene.world);
}

static void of_two_with_one_id_the_sender_chooses(void **state)
{
  struct scene scene;
  struct hgl_err err;
  json_t *message = NULL;
  begin(&scene, false, 0);
  go(&scene, NULL);
  assert_ok(hgl_host_message(scene.b->host, scene.id, world_did(scene.a, "asker"), &message, &err));
  json_decref(message);
  assert_fails(HGL_NOT_FOUND,
               hgl_host_message(scene.b->host, scene.id, "answerer", &message, &err));
  assert_fails(HGL_NOT_FOUND, hgl_host_message(scene.b->host, scene.id, "nobody", &message, &err));
  assert_fails(HGL_INVALID, hgl_host_message(scene.b->host, "no id", NULL, &message, &err));
  world_deinit(&scene.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_message_is_shown_on_both_sides_with_its_proof),
      cmocka_unit_test(what_is_under_way_is_not_acknowledged),
      cmocka_unit_test(what_was_refused_says_so),
      cmocka_unit_test(a_message_between_two_agents_of_a_host_is_there_too),
      cmocka_unit_test(a_message_is_found_without_the_trace),
      cmocka_unit_test(a_message_trimmed_from_the_journal_is_not_found_unless_it_is_kept),
      cmocka_unit_test(of_two_with_one_id_the_sender_chooses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
