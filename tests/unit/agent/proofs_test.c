#include "protocol/conflict.h"
#include "support/fake_peer.h"
#include "support/world.h"

/* A host of ours with one agent, and a stranger that signs what it likes. */
struct scene {
  struct world world;
  struct fake fake;
  struct node *node;
  struct hgl_key to;
};

static struct hgl_err err;

static void begin(struct scene *scene)
{
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 77);
  scene->node = world_node(&scene->world);
  struct node *stranger = world_stranger(&scene->world);
  world_agent(scene->node, "listener", "agent.on('x/1.0/y', function() end)", NULL);
  fake_init(&scene->fake, stranger, scene->node);
  fake_delegate(&scene->fake, scene->world.time.wall_ms / 1000 - 10, 3600, 5, NULL);
  assert_ok(hgl_did_parse(hgl_text(world_did(scene->node, "listener")), &scene->to, &err));
  fake_link(&scene->fake);
}

static void end(struct scene *scene)
{
  fake_deinit(&scene->fake);
  world_deinit(&scene->world);
}

static void say(struct scene *scene, const struct lie *lie)
{
  fake_say(&scene->fake, &scene->to, "x/1.0/y", lie);
  world_run(&scene->world);
}

static void fork_once(struct scene *scene)
{
  say(scene, &(struct lie){0});
  say(scene, &(struct lie){.sequence_shift = -1, .fork = true});
  fake_link(&scene->fake);
  world_run(&scene->world);
}

static void contradict_a_delegation(struct scene *scene)
{
  say(scene, &(struct lie){0});
  fake_delegate(&scene->fake, scene->world.time.wall_ms / 1000, 3600, 5, NULL);
  say(scene, &(struct lie){0});
}

static json_t *listed(struct scene *scene)
{
  json_t *list;
  assert_ok(hgl_host_list_proofs(scene->node->host, &list, &err));
  return list;
}

static const char *field(const json_t *list, size_t index, const char *name)
{
  const char *text = json_string_value(json_object_get(json_array_get(list, index), name));
  return text ? text : "";
}

static bool shown_as_forked(struct scene *scene)
{
  json_t *peers, *peer;
  size_t index;
  bool forked = false;
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(&scene->fake.node->key, did);
  assert_ok(hgl_host_list_peers(scene->node->host, &peers, &err));
  json_array_foreach(peers, index, peer)
  {
    if (strcmp(present(json_string_value(json_object_get(peer, "did"))), did) == 0)
      forked = json_is_true(json_object_get(peer, "forked"));
  }
  json_decref(peers);
  return forked;
}

static void export_conflict(struct scene *scene, const struct hgl_key *subject,
                            struct hgl_conflict *conflict)
{
  struct hgl_buf out;
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(subject, did);
  hgl_buf_init(&out, HGL_CONFLICT_SIZE_MAX);
  assert_ok(hgl_host_export(scene->node->host, did, &out, &err));
  assert_ok(hgl_conflict_verify(hgl_buf_bytes(&out), conflict, &err));
  assert_true(hgl_key_equal(&conflict->subject, subject));
  hgl_buf_deinit(&out);
}

static void a_fork_is_listed_shown_at_its_peer_and_exported(void **state)
{
  struct scene scene;
  struct hgl_conflict conflict;
  char did[HGL_DID_TEXT_SIZE];
  begin(&scene);
  json_t *list = listed(&scene);
  assert_int_equal(json_array_size(list), 0);
  json_decref(list);
  assert_false(shown_as_forked(&scene));
  for (int i = 0; i < 2; i++) { /* kept over a restart, too */
    if (i == 0) fork_once(&scene);
    hgl_did_format(&scene.fake.node->key, did);
    list = listed(&scene);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(field(list, 0, "kind"), "fork");
    assert_string_equal(field(list, 0, "by"), "host");
    assert_string_equal(field(list, 0, "subject"), did);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "sequence")), 1);
    json_decref(list);
    export_conflict(&scene, &scene.fake.node->key, &conflict);
    assert_int_equal(conflict.kind, HGL_CONFLICT_FORK);
    assert_int_equal(conflict.sequence, 1);
    assert_true(shown_as_forked(&scene));
    world_crash(scene.node);
    world_restart(scene.node);
  }
  end(&scene);
}

static void a_delegation_conflict_is_listed_and_exported(void **state)
{
  struct scene scene;
  struct hgl_conflict conflict;
  begin(&scene);
  contradict_a_delegation(&scene);
  json_t *list = listed(&scene);
  assert_int_equal(json_array_size(list), 1);
  assert_string_equal(field(list, 0, "kind"), "delegation_conflict");
  assert_string_equal(field(list, 0, "by"), "agent");
  json_decref(list);
  export_conflict(&scene, hgl_signer_key(scene.fake.agent), &conflict);
  assert_int_equal(conflict.kind, HGL_CONFLICT_DELEGATIONS);
  assert_int_equal(conflict.sequence, 5);
  assert_false(shown_as_forked(&scene)); /* the agent did it */
  end(&scene);
}

static void nobody_is_accused_without_proof(void **state)
{
  struct scene scene;
  struct hgl_buf out;
  char did[HGL_DID_TEXT_SIZE];
  begin(&scene);
  say(&scene, &(struct lie){0});
  hgl_did_format(&scene.fake.node->key, did);
  hgl_buf_init(&out, HGL_CONFLICT_SIZE_MAX);
  assert_fails(HGL_NOT_FOUND, hgl_host_export(scene.node->host, did, &out, &err));
  assert_int_equal(out.size, 0);
  hgl_buf_deinit(&out);
  end(&scene);
}

static void the_first_proof_is_the_one_that_stays(void **state)
{
  struct scene scene;
  struct hgl_conflict first, later;
  begin(&scene);
  fork_once(&scene);
  export_conflict(&scene, &scene.fake.node->key, &first);
  fork_once(&scene);
  export_conflict(&scene, &scene.fake.node->key, &later);
  assert_int_equal(first.sequence, later.sequence);
  end(&scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_fork_is_listed_shown_at_its_peer_and_exported),
      cmocka_unit_test(a_delegation_conflict_is_listed_and_exported),
      cmocka_unit_test(nobody_is_accused_without_proof),
      cmocka_unit_test(the_first_proof_is_the_one_that_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
