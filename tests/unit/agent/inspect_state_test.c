/* The state of an agent as the operator sees it. */
#include "supervise_fixture.h"

static void assert_state(struct node *node, const char *place, size_t depth, size_t entries,
                         const char *expected)
{
  struct hgl_err err;
  json_t *result;
  assert_ok(hgl_host_state(node->host, "x", hgl_text(place), depth, entries, &result, &err));
  char *text = json_dumps(json_object_get(result, "value"),
                          JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
  assert_string_equal(present(text), expected);
  free(text);
  json_decref(result);
}

static const char filler[] =
    "local haggle = require 'haggle'\n"
    "agent.on_start(function(reason)\n"
    "  if reason ~= 'created' then return end\n"
    "  state.lots = { { price = 3 }, { price = 4 } }\n"
    "  state.users = { ['a b'] = { age = 7 }, ['$x'] = 1, [5] = 'five' }\n"
    "  state.big, state.bytes = 9007199254740993, haggle.bytes('\\0\\1')\n"
    "  state.none, state.list, state.half = haggle.null, haggle.array(), 0.5\n"
    "  local many = {} for i = 1, 500 do many[i] = { n = i, text = string.rep('x', 20) } end\n"
    "  state.many = many\n"
    "end)\n";

static void parts_are_shown_in_the_projection(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", filler, NULL);
  world_run(&world);
  assert_state(a, "lots", 6, 100, "[{\"price\":3},{\"price\":4}]");
  assert_state(a, "lots[2].price", 6, 100, "4");
  assert_state(a, "users", 6, 100, "{\"$$x\":1,\"$5\":\"five\",\"a b\":{\"age\":7}}");
  assert_state(a, "users[\"a b\"].age", 6, 100, "7");
  assert_state(a, "users['$x']", 6, 100, "1");
  assert_state(a, "users[5]", 6, 100, "\"five\"");
  assert_state(a, "big", 6, 100, "{\"$int\":\"9007199254740993\"}");
  assert_state(a, "bytes", 6, 100, "{\"$bytes\":\"AAE\"}");
  assert_state(a, "none", 6, 100, "null");
  assert_state(a, "list", 6, 100, "[]");
  assert_state(a, "half", 6, 100, "0.5");
  assert_state(a, "many[499].n", 6, 100, "499");
  world_deinit(&world);
}

/* Long keys, and texts that JSON writes longer than they are, count for what they take. */
static void what_is_shown_fits_an_answer(void **state)
{
  static const char script[] =
      "agent.on('x/1.0/fill', function(m)\n"
      "  state.parts = (state.parts or 0) + 1\n"
      "  local part = {}\n"
      "  for i = 1, 500 do part[('k'):rep(390) .. i] = ('\\1'):rep(800) end\n"
      "  state['part' .. state.parts] = part\n"
      "  m:reply('filled', {})\n"
      "end)";
  struct hgl_err err;
  enum hgl_code code;
  struct world world;
  struct node *a;
  json_t *result;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  for (int i = 0; i < 8; i++) {
    json_t *reply = world_ask(a, "x", "x/1.0/fill", &code);
    assert_non_null(reply);
    json_decref(reply);
  }
  assert_ok(hgl_host_state(a->host, "x", hgl_text(""), 6, 100000, &result, &err));
  char *text = json_dumps(result, JSON_COMPACT);
  assert_in_range(strlen(present(text)), 1 << 20, 3 << 20);
  assert_true(json_integer_value(json_object_get(result, "left_out")) > 0);
  free(text);
  json_decref(result);
  world_deinit(&world);
}

static void what_is_left_out_is_said(void **state)
{
  struct hgl_err err;
  json_t *result;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", filler, NULL);
  world_run(&world);
  assert_state(a, "lots", 1, 100, "[{\"$more\":1},{\"$more\":1}]");
  assert_state(a, "lots", 6, 1, "[{\"price\":3},{\"$more\":1}]");
  assert_state(a, "users", 6, 1, "{\"$5\":\"five\",\"$more\":2}");
  assert_ok(hgl_host_state(a->host, "x", hgl_text("many"), 6, 10, &result, &err));
  assert_int_equal(json_integer_value(json_object_get(result, "left_out")), 490);
  json_decref(result);
  world_deinit(&world);
}

static void nothing_is_woken_and_bad_places_are_errors(void **state)
{
  static const char *const bad[] = {"a..b",
                                    ".a",
                                    "a.",
                                    "[",
                                    "[]",
                                    "[\"a",
                                    "[1",
                                    "[1]b",
                                    "a b",
                                    "a]",
                                    "[9223372036854775808]",
                                    "[-]",
                                    "['\xff']"};
  struct hgl_err err;
  json_t *result = NULL;
  struct world world;
  struct node *a;
  world_init(&world, 5);
  world.hibernate_ms = 500;
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "x", filler, NULL);
  world_advance(&world, 3000);
  uint64_t woken = hgl_host_counts(a->host).woken;
  assert_state(a, "lots[1]", 6, 100, "{\"price\":3}");
  assert_int_equal(hgl_host_counts(a->host).woken, woken);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_fails(HGL_INVALID,
                 hgl_host_state(a->host, "x", hgl_text(bad[i]), 6, 100, &result, &err));
  assert_fails(HGL_NOT_FOUND, hgl_host_state(a->host, "x", hgl_text("nil"), 6, 100, &result, &err));
  assert_fails(HGL_NOT_FOUND,
               hgl_host_state(a->host, "x", hgl_text("half.x"), 6, 100, &result, &err));
  assert_fails(HGL_NOT_FOUND, hgl_host_state(a->host, "y", hgl_text(""), 6, 100, &result, &err));
  assert_ok(hgl_host_stop_agent(a->host, "x", &err));
  world_run(&world);
  assert_state(a, "lots[1]", 6, 100, "{\"price\":3}");
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_are_shown_in_the_projection),
      cmocka_unit_test(what_is_left_out_is_said),
      cmocka_unit_test(what_is_shown_fits_an_answer),
      cmocka_unit_test(nothing_is_woken_and_bad_places_are_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
