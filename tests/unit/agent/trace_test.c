/* What agents did lately. */
#include "support/world.h"

static void set_up(struct world *world, struct node **node, uint64_t seed)
{
  world_init(world, seed);
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
}

static json_t *trace_of(struct node *node, const char *agent, uint64_t after, size_t limit)
{
  struct hgl_err err;
  json_t *list = NULL;
  assert_ok(hgl_host_trace(node->host, agent, after, limit, &list, &err));
  return list;
}

/* The nth event from the oldest on has these texts; "" and NULL: not looked at. */
static const json_t *assert_event(const json_t *list, size_t nth, const char *what,
                                  const char *name, const char *end)
{
  size_t count = json_array_size(list);
  assert_true(nth < count);
  const json_t *event = json_array_get(list, count - 1 - nth);
  assert_string_equal(json_string_value(json_object_get(event, "what")), what);
  assert_string_equal(json_string_value(json_object_get(event, "name")), name);
  if (end) assert_string_equal(json_string_value(json_object_get(event, "end")), end);
  return event;
}

static const char *text(const json_t *event, const char *field)
{
  return present(json_string_value(json_object_get(event, field)));
}

static const char asker[] = "agent.on('go/1.0/now', function(message)\n"
                            "  local reply = agent.ask('other', 'x/1.0/y', {})\n"
                            "  agent.after('later', '1m')\n"
                            "  message:reply('gone', {})\n"
                            "end)\n"
                            "agent.on_timer('later', function() end)\n";
static const char other[] = "agent.on('x/1.0/y', function(m) m:reply('z', {}) end)\n"
                            "agent.on('x/1.0/raise', function() error('no such luck') end)\n";

static void a_handler_is_told_stretch_by_stretch(void **state)
{
  struct world world;
  struct node *a;
  set_up(&world, &a, 1);
  world_agent(a, "asker", asker, NULL);
  world_agent(a, "other", other, NULL);
  world_say(a, "asker", "go/1.0/now", NULL);
  world_run(&world);
  json_t *list = trace_of(a, "asker", 0, 100);
  const json_t *heard = assert_event(list, 0, "heard", "go/1.0/now", NULL);
  const json_t *first = assert_event(list, 1, "stretch", "go/1.0/now", "waits");
  assert_string_equal(text(first, "for"), "ask");
  assert_string_equal(text(first, "thread"), text(heard, "thread"));
  const json_t *said = assert_event(list, 2, "said", "x/1.0/y", NULL);
  assert_string_equal(text(said, "parent"), text(heard, "thread"));
  assert_string_equal(text(said, "peer_name"), "other");
  const json_t *answer = assert_event(list, 3, "heard", "x/1.0/z", NULL);
  assert_string_equal(text(answer, "thread"), text(said, "thread"));
  const json_t *second = assert_event(list, 4, "stretch", "go/1.0/now", "done");
  assert_int_equal(json_integer_value(json_object_get(second, "number")), 2);
  assert_int_equal(json_integer_value(json_object_get(second, "timers")), 1);
  const json_t *timer = assert_event(list, 5, "timer", "later", NULL);
  assert_int_equal(json_integer_value(json_object_get(timer, "due_ms")) -
                       json_integer_value(json_object_get(timer, "time_ms")),
                   60000);
  assert_event(list, 6, "said", "go/1.0/gone", NULL);
  assert_int_equal(json_array_size(list), 7);
  json_decref(list);
  world_advance(&world, 61000);
  list = trace_of(a, "asker", 0, 1);
  assert_event(list, 0, "stretch", "timer 'later'", "done");
  json_decref(list);
  world_deinit(&world);
}

static void a_raise_is_told_with_its_reason_and_its_end(void **state)
{
  struct world world;
  struct node *a;
  set_up(&world, &a, 2);
  world_agent(a, "other", other, NULL);
  world_say(a, "other", "x/1.0/raise", NULL);
  world_advance(&world, 5000);
  json_t *list = trace_of(a, "other", 0, 100);
  const json_t *event = assert_event(list, 1, "stretch", "x/1.0/raise", "raised");
  assert_non_null(strstr(text(event, "why"), "no such luck"));
  event = assert_event(list, 3, "stretch", "x/1.0/raise", "raised");
  assert_int_equal(json_integer_value(json_object_get(event, "attempt")), 3);
  event = assert_event(list, 4, "dead", "x/1.0/raise", NULL);
  assert_string_equal(text(event, "code"), "handler_failed");
  json_decref(list);
  world_deinit(&world);
}

static void the_oldest_give_way(void **state)
{
  struct world world;
  struct node *a;
  world_init(&world, 3);
  world.trace_events = 8;
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "other", other, NULL);
  for (int i = 0; i < 10; i++) {
    world_say(a, "other", "x/1.0/y", NULL);
    world_run(&world);
  }
  json_t *list = trace_of(a, "other", 0, 100);
  assert_int_equal(json_array_size(list), 8);
  int64_t newest = json_integer_value(json_object_get(json_array_get(list, 0), "order"));
  assert_int_equal(newest, 30); /* heard, ran, said: ten times */
  json_decref(list);
  list = trace_of(a, "other", (uint64_t)newest - 2, 100);
  assert_int_equal(json_array_size(list), 2);
  json_decref(list);
  world_deinit(&world);
}

static void nothing_is_kept_where_it_is_not_wanted(void **state)
{
  struct world world;
  struct node *a;
  struct hgl_err err;
  json_t *list;
  world_init(&world, 4);
  world.trace_events = -1;
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "other", other, NULL);
  world_say(a, "other", "x/1.0/y", NULL);
  world_run(&world);
  assert_fails(HGL_NOT_FOUND, hgl_host_trace(a->host, "other", 0, 1, &list, &err));
  assert_fails(HGL_NOT_FOUND, hgl_host_trace(a->host, "nobody", 0, 1, &list, &err));
  world_deinit(&world);
}

static void a_name_is_cut_where_a_character_ends(void **state)
{
  struct world world;
  struct node *a;
  set_up(&world, &a, 5);
  world_agent(a, "long",
              "agent.on_timer(('\xc3\xb6'):rep(40), function() end)\n"
              "agent.on('x/1.0/y', function() agent.after(('\xc3\xb6'):rep(40), '1s') end)\n",
              NULL);
  world_say(a, "long", "x/1.0/y", NULL);
  world_run(&world);
  json_t *list = trace_of(a, "long", 0, 1);
  const char *name = text(json_array_get(list, 0), "name");
  assert_int_equal(strlen(name), 62);
  assert_true(hgl_utf8_valid(hgl_text(name)));
  json_decref(list);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_handler_is_told_stretch_by_stretch),
      cmocka_unit_test(a_raise_is_told_with_its_reason_and_its_end),
      cmocka_unit_test(the_oldest_give_way),
      cmocka_unit_test(nothing_is_kept_where_it_is_not_wanted),
      cmocka_unit_test(a_name_is_cut_where_a_character_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
