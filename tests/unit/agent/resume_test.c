#include <stdio.h>

#include "support/world.h"

/* Two hosts, of which one loses what it knew: where their link goes on. */
struct scene {
  struct world world;
  struct node *a, *b;
  char source[1024];
};

static const char sink[] =
    "agent.on('x/1.0/y', function(message)\n"
    "  state.heard = (state.heard or '') .. message.body.n .. ' '\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m) log.info('heard: ' .. (state.heard or '')) end)\n";

static void add_source(struct scene *scene)
{
  world_agent(scene->a, "operator", "", NULL);
  world_agent(scene->a, "source", scene->source, NULL);
}

static void add_sink(struct scene *scene)
{
  world_agent(scene->b, "operator", "", NULL);
  world_agent(scene->b, "sink", sink, NULL);
}

static void begin(struct scene *scene)
{
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 31);
  scene->a = world_node(&scene->world);
  scene->b = world_node(&scene->world);
  snprintf(
      scene->source, sizeof scene->source,
      "agent.on('go/1.0/now', function(message)\n"
      "  agent.send('%s', 'x/1.0/y', { n = message.body.n }, { expires = message.body.expires })\n"
      "end)\n"
      "agent.on_undelivered(function(message, why, code) log.info('undelivered ' .. code) end)\n",
      world_did(scene->b, "sink"));
  add_source(scene);
  add_sink(scene);
  world_link(scene->a, scene->b);
  world_run(&scene->world);
}

static void say(struct scene *scene, int n, const char *expires)
{
  char body[64];
  snprintf(body, sizeof body, expires ? "{\"n\":%d,\"expires\":\"%s\"}" : "{\"n\":%d}", n, expires);
  world_say(scene->a, "source", "go/1.0/now", body);
  world_run(&scene->world);
}

static void link_again(struct scene *scene)
{
  world_unlink(scene->a, scene->b);
  world_link(scene->a, scene->b);
  world_run(&scene->world);
}

static void assert_heard(struct scene *scene, const char *expected)
{
  char line[128];
  scene->world.logged_size = 0;
  memset(scene->world.logged, 0, sizeof scene->world.logged);
  world_say(scene->b, "sink", "report/1.0/ask", NULL);
  world_run(&scene->world);
  snprintf(line, sizeof line, "heard: %s\n", expected);
  if (!world_logged(&scene->world, line))
    fail_msg("not \"%s\" but %s", expected, scene->world.logged);
}

static bool shown_as_restored(struct node *node)
{
  struct hgl_err err;
  json_t *peers;
  assert_ok(hgl_host_list_peers(node->host, &peers, &err));
  bool restored = json_is_true(json_object_get(json_array_get(peers, 0), "restored"));
  json_decref(peers);
  return restored;
}

static void a_peer_that_was_restored_hears_again_what_it_lost(void **state)
{
  struct scene scene;
  begin(&scene);
  say(&scene, 1, NULL);
  struct hgl_store *backup = world_copy(scene.b);
  for (int n = 2; n <= 4; n++) say(&scene, n, NULL);
  assert_heard(&scene, "1 2 3 4 ");
  assert_false(shown_as_restored(scene.a));
  world_crash_to(scene.b, backup);
  world_restart(scene.b);
  add_sink(&scene);
  link_again(&scene);
  assert_heard(&scene, "1 2 3 4 ");
  assert_true(shown_as_restored(scene.a));
  say(&scene, 5, NULL); /* and it goes on */
  assert_heard(&scene, "1 2 3 4 5 ");
  world_deinit(&scene.world);
}

static void a_peer_that_lost_everything_begins_with_the_oldest_that_is_kept(void **state)
{
  struct scene scene;
  begin(&scene);
  struct hgl_store *empty = world_copy(scene.b);
  for (int n = 1; n <= 3; n++) say(&scene, n, NULL);
  world_crash_to(scene.b, empty);
  world_restart(scene.b);
  add_sink(&scene);
  link_again(&scene);
  assert_heard(&scene, "1 2 3 ");
  world_deinit(&scene.world);
}

/* Under a new incarnation, with new numbers; what was said after the backup is forgotten here, and
 * what the backup still held as waiting is said once more: no silent loss. */
static void a_restored_host_says_again_what_its_backup_holds_and_goes_on(void **state)
{
  struct scene scene;
  begin(&scene);
  say(&scene, 1, NULL);
  world_unlink(scene.a, scene.b);
  world_run(&scene.world);
  say(&scene, 2, NULL); /* waits */
  say(&scene, 3, NULL);
  struct hgl_store *backup = world_copy(scene.a);
  link_again(&scene);
  say(&scene, 4, NULL);
  assert_heard(&scene, "1 2 3 4 ");
  world_crash_to(scene.a, backup);
  world_restart(scene.a);
  add_source(&scene);
  link_again(&scene);
  say(&scene, 5, NULL);
  assert_heard(&scene, "1 2 3 4 2 3 5 ");
  assert_true(shown_as_restored(scene.b));
  assert_false(scene.a->failed || scene.b->failed);
  world_deinit(&scene.world);
}

static void what_expired_before_a_new_incarnation_is_told_and_not_said(void **state)
{
  struct scene scene;
  begin(&scene);
  world_unlink(scene.a, scene.b);
  world_run(&scene.world);
  say(&scene, 1, "10s");
  say(&scene, 2, NULL);
  struct hgl_store *backup = world_copy(scene.a);
  link_again(&scene);
  say(&scene, 3, NULL);
  assert_heard(&scene, "1 2 3 ");
  world_crash_to(scene.a, backup);
  hgl_clock_advance(&scene.world.time, 20000);
  world_restart(scene.a);
  add_source(&scene);
  world_run(&scene.world);
  link_again(&scene);
  assert_int_equal(world_count_logged(&scene.world, "undelivered unconfirmed"), 1);
  assert_heard(&scene, "1 2 3 2 ");
  world_deinit(&scene.world);
}

static void a_link_that_comes_and_goes_changes_nothing(void **state)
{
  struct scene scene;
  begin(&scene);
  for (int n = 1; n <= 5; n++) {
    say(&scene, n, NULL);
    for (int i = 0; i < 3; i++) link_again(&scene);
    world_crash(scene.b);
    world_restart(scene.b);
    add_sink(&scene);
    link_again(&scene);
  }
  assert_heard(&scene, "1 2 3 4 5 ");
  assert_false(shown_as_restored(scene.a) || shown_as_restored(scene.b));
  world_deinit(&scene.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_peer_that_was_restored_hears_again_what_it_lost),
      cmocka_unit_test(a_peer_that_lost_everything_begins_with_the_oldest_that_is_kept),
      cmocka_unit_test(a_restored_host_says_again_what_its_backup_holds_and_goes_on),
      cmocka_unit_test(what_expired_before_a_new_incarnation_is_told_and_not_said),
      cmocka_unit_test(a_link_that_comes_and_goes_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
