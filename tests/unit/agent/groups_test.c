#include <stdio.h>

#include "support/world.h"

/* What is said and not acknowledged: kept over restarts, in memory only up to a bound, and told to
 * its author when it expires. */

struct scene {
  struct world world;
  struct node *a, *b;
  char source[1024];
};

static const char sink[] =
    "agent.on('x/1.0/y', function(message)\n"
    "  state.wrong = (state.wrong or 0) + (message.body.n == (state.count or 0) + 1 and 0 or 1)\n"
    "  state.count = message.body.n\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { count = state.count or 0, wrong = state.wrong or 0 })\n"
    "end)\n";

static void add_source(struct scene *scene)
{
  world_agent(scene->a, "operator", "", NULL);
  world_agent(scene->a, "source", scene->source, NULL);
}

static void begin(struct scene *scene)
{
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 11);
  scene->a = world_node(&scene->world);
  scene->b = world_node(&scene->world);
  snprintf(
      scene->source, sizeof scene->source,
      "agent.on('go/1.0/now', function(message)\n"
      "  local body = message.body\n"
      "  for i = 1, body.count do\n"
      "    state.n = (state.n or 0) + 1\n"
      "    local id, why, code = agent.send('%s', 'x/1.0/y',\n"
      "      { n = state.n, text = ('x'):rep(body.size) }, { expires = body.expires })\n"
      "    if not id then state.n = state.n - 1 log.info('refused ' .. code) break end\n"
      "  end\n"
      "end)\n"
      "agent.on_undelivered(function(message, why, code) log.info('undelivered ' .. code) end)\n",
      world_did(scene->b, "sink"));
  add_source(scene);
  world_agent(scene->b, "operator", "", NULL);
  world_agent(scene->b, "sink", sink, NULL);
  world_link(scene->a, scene->b);
  world_run(&scene->world);
  world_unlink(scene->a, scene->b); /* B is known, and away */
  world_run(&scene->world);
}

static void say(struct scene *scene, int count, int size, const char *expires)
{
  char body[100];
  snprintf(body, sizeof body,
           expires ? "{\"count\":%d,\"size\":%d,\"expires\":\"%s\"}" : "{\"count\":%d,\"size\":%d}",
           count, size, expires);
  world_say(scene->a, "source", "go/1.0/now", body);
  world_run(&scene->world);
}

static void restart(struct scene *scene)
{
  world_crash(scene->a);
  world_restart(scene->a);
  add_source(scene);
  world_run(&scene->world);
}

static void assert_heard(struct scene *scene, int64_t count)
{
  world_link(scene->a, scene->b);
  world_run(&scene->world);
  assert_int_equal(world_number(scene->b, "sink", "report/1.0/ask", "count"), count);
  assert_int_equal(world_number(scene->b, "sink", "report/1.0/ask", "wrong"), 0);
}

static int64_t peer_field(struct scene *scene, const char *field)
{
  struct hgl_err err;
  json_t *peers;
  assert_ok(hgl_host_list_peers(scene->a->host, &peers, &err));
  assert_int_equal(json_array_size(peers), 1);
  int64_t value = json_integer_value(json_object_get(json_array_get(peers, 0), field));
  json_decref(peers);
  return value;
}

static void more_than_memory_keeps_comes_back_from_its_rows(void **state)
{
  struct scene scene;
  begin(&scene);
  for (int i = 0; i < 7; i++) say(&scene, 3, 1000000, NULL); /* of which 16 MiB stay in memory */
  assert_int_equal(peer_field(&scene, "unacknowledged"), 21);
  assert_true(peer_field(&scene, "unacknowledged_bytes") > 20 << 20);
  assert_heard(&scene, 21);
  assert_int_equal(peer_field(&scene, "unacknowledged"), 0);
  assert_int_equal(peer_field(&scene, "unacknowledged_bytes"), 0);
  world_deinit(&scene.world);
}

static void what_waits_is_bounded_and_the_sender_is_told(void **state)
{
  struct scene scene;
  begin(&scene);
  for (int i = 0; i < 10; i++) say(&scene, 7, 1000000, NULL);
  assert_true(world_logged(&scene.world, "refused limit"));
  assert_true(peer_field(&scene, "unacknowledged_bytes") < (65 << 20));
  int64_t said = peer_field(&scene, "unacknowledged");
  assert_heard(&scene, said);
  say(&scene, 1, 10, NULL); /* there is room again */
  assert_int_equal(world_number(scene.b, "sink", "report/1.0/ask", "count"), said + 1);
  world_deinit(&scene.world);
}

static void what_waits_is_there_after_a_restart_in_its_order(void **state)
{
  struct scene scene;
  begin(&scene);
  say(&scene, 3, 10, NULL);
  restart(&scene);
  say(&scene, 2, 10, NULL);
  restart(&scene);
  assert_int_equal(peer_field(&scene, "unacknowledged"), 5);
  assert_heard(&scene, 5);
  restart(&scene); /* what was acknowledged does not come back */
  assert_int_equal(peer_field(&scene, "unacknowledged"), 0);
  assert_heard(&scene, 5);
  world_deinit(&scene.world);
}

static void only_what_has_expired_is_told_and_once(void **state)
{
  for (int restarted = 0; restarted < 2; restarted++) {
    struct scene scene;
    begin(&scene);
    say(&scene, 1, 10, "10s");
    say(&scene, 1, 10, "30s");
    say(&scene, 1, 10, NULL);
    if (restarted) restart(&scene);
    world_advance(&scene.world, 8000);
    assert_int_equal(world_count_logged(&scene.world, "undelivered unconfirmed"), 0);
    world_advance(&scene.world, 5000);
    assert_int_equal(world_count_logged(&scene.world, "undelivered unconfirmed"), 1);
    world_advance(&scene.world, 30000);
    assert_int_equal(world_count_logged(&scene.world, "undelivered unconfirmed"), 2);
    world_link(scene.a, scene.b); /* the numbers go on; what expired is not handled */
    world_run(&scene.world);
    assert_int_equal(world_number(scene.b, "sink", "report/1.0/ask", "count"), 3);
    assert_int_equal(world_number(scene.b, "sink", "report/1.0/ask", "wrong"), 1);
    assert_int_equal(peer_field(&scene, "unacknowledged"), 0);
    assert_int_equal(world_count_logged(&scene.world, "undelivered"), 2);
    world_deinit(&scene.world);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(more_than_memory_keeps_comes_back_from_its_rows),
      cmocka_unit_test(what_waits_is_bounded_and_the_sender_is_told),
      cmocka_unit_test(what_waits_is_there_after_a_restart_in_its_order),
      cmocka_unit_test(only_what_has_expired_is_told_and_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
