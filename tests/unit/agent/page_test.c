/* Lists page by page: nothing twice, nothing left out, whatever the size of a page. */
#include "agent/supervise.h"
#include "support/world.h"

static const char *const offering =
    "agent.offer { service = 'a', price = 1 } agent.offer { service = 'b', price = 2 }\n"
    "agent.on('x/1.0/y', function() error 'no' end)\n"
    "agent.on('x/1.0/wait', function() agent.sleep('1h') end)\n"
    "agent.on('x/1.0/deal', function() agent.deal { id = 'one', status = 'agreed' } end)\n";

enum { AGENTS = 5 };

static struct hgl_err err;

struct listed {
  bool by_query;
  enum hgl_list list;
  const char *agent;
  bool newest;
};

static int page_of(struct node *node, struct listed what, const struct hgl_page *page, json_t **out)
{
  return what.by_query ? hgl_host_find_page(node->host, "order price", page, out, &err)
                       : hgl_host_page(node->host, what.list, page, out, &err);
}

/* All pages as one list. */
static json_t *collect(struct node *node, struct listed what, size_t limit, size_t size_max)
{
  json_t *all = json_array(), *part;
  struct hgl_buf cursor, next;
  hgl_buf_init(&cursor, 100);
  hgl_buf_init(&next, 100);
  do {
    struct hgl_page page = {
        hgl_buf_bytes(&cursor), limit, size_max, &next, what.agent, what.newest};
    hgl_buf_clear(&next);
    assert_ok(page_of(node, what, &page, &part));
    assert_true(json_array_size(part) <= limit);
    assert_true(json_array_size(part) > 0 || !next.size);
    json_array_extend(all, part);
    json_decref(part);
    hgl_buf_clear(&cursor);
    hgl_buf_append_bytes(&cursor, hgl_buf_bytes(&next));
  } while (next.size);
  hgl_buf_deinit(&cursor);
  hgl_buf_deinit(&next);
  return all;
}

static struct node *begin(struct world *world)
{
  world_init(world, 1);
  struct node *node = world_node(world);
  world_agent(node, "operator", "", NULL);
  for (int i = 0; i < AGENTS; i++) {
    char name[8];
    snprintf(name, sizeof name, "a%d", i);
    world_agent(node, name, offering, NULL);
    world_say(node, name, "x/1.0/deal", NULL);
    world_say(node, name, "x/1.0/y", NULL);
  }
  for (int i = 0; i < 3; i++) world_link(node, world_node(world));
  world_advance(world, 3000);
  return node;
}

static void pages_of_every_size_make_the_same_list(void **state)
{
  static const struct {
    struct listed what;
    size_t count;
  } lists[] = {
      {{.list = HGL_LIST_AGENTS}, AGENTS + 1}, {{.list = HGL_LIST_PEERS}, 3},
      {{.list = HGL_LIST_DEALS}, AGENTS},      {{.list = HGL_LIST_PROOFS}, 0},
      {{.list = HGL_LIST_DEAD}, AGENTS},       {{.by_query = true}, 2 * AGENTS},
  };
  struct world world;
  struct node *node = begin(&world);
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    json_t *whole = collect(node, lists[i].what, 1000, SIZE_MAX);
    assert_int_equal(json_array_size(whole), lists[i].count);
    for (size_t limit = 1; limit <= lists[i].count + 1; limit++) {
      json_t *paged = collect(node, lists[i].what, limit, SIZE_MAX);
      assert_true(json_equal(paged, whole));
      json_decref(paged);
    }
    for (size_t size = 1; size < 3000; size += 400) {
      json_t *paged = collect(node, lists[i].what, 1000, size);
      assert_true(json_equal(paged, whole));
      json_decref(paged);
    }
    json_decref(whole);
  }
  world_deinit(&world);
}

static void what_goes_between_two_pages_moves_nothing_else(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  struct hgl_buf next, rest;
  json_t *first, *second;
  hgl_buf_init(&next, 100);
  hgl_buf_init(&rest, 100);
  struct hgl_page page = {.limit = 2, .size_max = SIZE_MAX, .next = &next};
  assert_ok(hgl_host_page(node->host, HGL_LIST_DEAD, &page, &first, &err));
  json_int_t row = json_integer_value(json_object_get(json_array_get(first, 1), "row"));
  assert_ok(hgl_host_dead_drop(node->host, (uint64_t)row, &err));
  page = (struct hgl_page){
      .after = hgl_buf_bytes(&next), .limit = 1000, .size_max = SIZE_MAX, .next = &rest};
  assert_ok(hgl_host_page(node->host, HGL_LIST_DEAD, &page, &second, &err));
  assert_int_equal(json_array_size(second), AGENTS - 2);
  assert_int_equal(rest.size, 0);
  json_decref(first);
  json_decref(second);
  hgl_buf_deinit(&next);
  hgl_buf_deinit(&rest);
  world_deinit(&world);
}

/* Two agents from this cursor on, which then is behind them. */
static void two_agents(struct node *node, struct hgl_buf *cursor, const char *a, const char *b)
{
  struct hgl_buf next;
  json_t *list;
  hgl_buf_init(&next, 100);
  struct hgl_page page = {
      .after = hgl_buf_bytes(cursor), .limit = 2, .size_max = SIZE_MAX, .next = &next};
  assert_ok(hgl_host_page(node->host, HGL_LIST_AGENTS, &page, &list, &err));
  const char *const names[] = {a, b};
  assert_int_equal(json_array_size(list), 2);
  for (size_t i = 0; i < 2; i++)
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, i), "name")),
                        names[i]);
  json_decref(list);
  hgl_buf_deinit(cursor);
  *cursor = next;
}

static void agents_are_listed_from_where_the_last_page_ended(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  struct hgl_buf cursor, before;
  hgl_buf_init(&cursor, 100);
  hgl_buf_init(&before, 100);
  two_agents(node, &cursor, "operator", "a0");
  hgl_buf_append_bytes(&before, hgl_buf_bytes(&cursor));
  /* The one where the page ended goes. */
  assert_ok(hgl_host_remove_agent(node->host, "a0", false, &err));
  world_run(&world);
  two_agents(node, &cursor, "a1", "a2");
  /* Whoever began at the first one would not get further than it. */
  struct child *first = node->host->children.first, *second = first->in[OF_HOST].next;
  first->in[OF_HOST].next = NULL;
  two_agents(node, &cursor, "a3", "a4");
  first->in[OF_HOST].next = second;
  two_agents(node, &before, "a1", "a2"); /* and back */
  /* The first one, and all. */
  static const char *const names[] = {"a1", "a2", "a3", "a4"};
  hgl_buf_clear(&cursor);
  for (size_t i = 0; i < 4; i++) {
    assert_ok(hgl_host_remove_agent(node->host, names[i], false, &err));
    world_run(&world);
  }
  json_t *whole = collect(node, (struct listed){.list = HGL_LIST_AGENTS}, 1, SIZE_MAX);
  assert_int_equal(json_array_size(whole), 1);
  json_decref(whole);
  hgl_buf_deinit(&cursor);
  hgl_buf_deinit(&before);
  world_deinit(&world);
}

static void dead_letters_and_runs_are_listed_of_one_agent(void **state)
{
  struct world world;
  struct node *node = begin(&world);
  for (int i = 0; i < 3; i++) {
    world_say(node, "a1", "x/1.0/y", NULL);
    world_say(node, "a1", "x/1.0/wait", NULL);
    world_say(node, "a2", "x/1.0/wait", NULL);
  }
  world_advance(&world, 3000);
  for (size_t limit = 1; limit < 6; limit++) {
    json_int_t last = INT64_MAX;
    struct listed what = {.list = HGL_LIST_DEAD, .agent = "a1", .newest = true};
    json_t *dead = collect(node, what, limit, SIZE_MAX);
    assert_int_equal(json_array_size(dead), 4);
    for (size_t i = 0; i < 4; i++) {
      const json_t *one = json_array_get(dead, i);
      assert_string_equal(json_string_value(json_object_get(one, "agent")), "a1");
      json_int_t row = json_integer_value(json_object_get(one, "row"));
      assert_true(row < last);
      last = row;
    }
    json_decref(dead);
    what = (struct listed){.list = HGL_LIST_RUNS, .agent = "a2"};
    json_t *runs = collect(node, what, limit, SIZE_MAX);
    assert_int_equal(json_array_size(runs), 3);
    const json_t *waits = json_object_get(json_array_get(runs, 0), "waits");
    json_int_t since_ms = json_integer_value(json_object_get(waits, "since_ms"));
    json_int_t until_ms = json_integer_value(json_object_get(waits, "until_ms"));
    assert_int_equal(until_ms - since_ms, 3600 * 1000);
    json_decref(runs);
    what.agent = "nobody";
    json_t *none = collect(node, what, limit, SIZE_MAX);
    assert_int_equal(json_array_size(none), 0);
    json_decref(none);
  }
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pages_of_every_size_make_the_same_list),
      cmocka_unit_test(what_goes_between_two_pages_moves_nothing_else),
      cmocka_unit_test(dead_letters_and_runs_are_listed_of_one_agent),
      cmocka_unit_test(agents_are_listed_from_where_the_last_page_ended),
  };
  if (hgl_crypto_init(&err) != 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
