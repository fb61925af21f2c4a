/* Several who watch one host. */
#include "agent/look.h"
#include "agent/meter.h"
#include "support/world.h"

struct seen {
  struct hgl_watcher watcher;
  struct hgl_host *host;
  int messages, logs;
  bool leaves; /* with the first log line */
};

static void see(void *user, const char *kind, json_t *object)
{
  struct seen *seen = user;
  seen->messages += strcmp(kind, "message") == 0;
  seen->logs += strcmp(kind, "log") == 0;
  if (seen->leaves && seen->logs) hgl_host_unwatch(seen->host, &seen->watcher);
}

static void watch(struct seen *seen, struct node *node, bool messages)
{
  *seen = (struct seen){.host = node->host};
  seen->watcher = (struct hgl_watcher){.event = see, .user = seen, .messages = messages};
  hgl_host_watch(node->host, &seen->watcher);
  hgl_host_watch(node->host, &seen->watcher); /* once is enough */
}

static void say(struct node *node)
{
  world_say(node, "x", "go/1.0/now", "{}");
  world_run(node->world);
}

static void each_who_watches_is_told_what_it_wants_until_it_leaves(void **state)
{
  struct world world;
  struct seen all, quiet, brief;
  world_init(&world, 1);
  struct node *node = world_node(&world);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "x", "agent.on('go/1.0/now', function() log.info('went') end)", NULL);
  world_run(&world);
  watch(&brief, node, true);
  watch(&quiet, node, false);
  watch(&all, node, true);
  brief.leaves = true;
  say(node);
  int messages = all.messages;
  assert_true(messages > 0);
  assert_int_equal(all.logs, 1);
  assert_int_equal(quiet.logs, 1);
  assert_int_equal(brief.logs, 1);
  say(node);
  assert_int_equal(all.messages, 2 * messages);
  assert_int_equal(all.logs, 2);
  assert_int_equal(quiet.messages, 0);
  assert_int_equal(quiet.logs, 2);
  assert_int_equal(brief.logs, 1);
  assert_true(brief.messages < all.messages);
  hgl_host_unwatch(node->host, &all.watcher);
  hgl_host_unwatch(node->host, &all.watcher);
  hgl_host_unwatch(node->host, &quiet.watcher);
  say(node);
  assert_int_equal(all.logs, 2);
  assert_int_equal(quiet.logs, 2);
  world_deinit(&world);
}

static void takes_a_millisecond(void *user, const struct hgl_seen *seen)
{
  struct world *world = user;
  world->time.mono_ns += METER_WATCHING_MOST_NS;
}

static void is_interrupted(void *user, const struct hgl_seen *seen)
{
  struct world *world = user;
  world->time.mono_ns += METER_WATCHING_MOST_NS + 1;
}

/* As long as it takes, by a sample of them. */
static void what_telling_those_who_watch_messages_takes_is_metered(void **state)
{
  struct world world;
  world_init(&world, 1);
  struct node *node = world_node(&world);
  const struct hgl_meter *meter = hgl_host_meter(node->host);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "x", "agent.on('go/1.0/now', function() end)", NULL);
  world_run(&world);
  say(node);
  assert_int_equal(meter->watched, 0);
  struct hgl_message_watcher watcher = {.seen = takes_a_millisecond, .user = &world};
  hgl_host_watch_messages(node->host, &watcher);
  for (int i = 0; i < METER_WATCHING; i++) say(node);
  assert_true(meter->watched >= METER_WATCHING);
  assert_int_equal(meter->watching_ns,
                   meter->watched / METER_WATCHING * METER_WATCHING * METER_WATCHING_MOST_NS);
  hgl_host_unwatch_messages(&watcher);
  uint64_t watched = meter->watched, watching_ns = meter->watching_ns;
  say(node);
  assert_int_equal(meter->watched, watched);
  watcher.seen = is_interrupted;
  hgl_host_watch_messages(node->host, &watcher);
  for (int i = 0; i < METER_WATCHING; i++) say(node);
  assert_int_equal(meter->watching_ns, watching_ns);
  hgl_host_unwatch_messages(&watcher);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_who_watches_is_told_what_it_wants_until_it_leaves),
      cmocka_unit_test(what_telling_those_who_watch_messages_takes_is_metered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
