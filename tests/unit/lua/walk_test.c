#include "support/check.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "lua/convert.h"
#include "lua/walk.h"

static struct hgl_err err;

static int set_up(void **state)
{
  lua_State *L = luaL_newstate();
  hgl_convert_open(L);
  *state = L;
  return 0;
}

static int tear_down(void **state)
{
  lua_close(*state);
  return 0;
}

static struct hgl_walk walk_of(lua_State *L)
{
  return (struct hgl_walk){.L = L, .what = "body", .verb = "sent", .err = &err};
}

static int step(struct hgl_walk *walk, const void *table, const char *key, lua_Integer number)
{
  int status = hgl_walk_enter(walk, table);
  if (status) return status;
  if (key)
    lua_pushstring(walk->L, key);
  else
    lua_pushinteger(walk->L, number);
  return hgl_walk_step_to(walk, -1); /* the key stays on the stack: it is borrowed */
}

static void a_failure_names_the_way_to_the_value(void **state)
{
  struct hgl_walk walk = walk_of(*state);
  int tables[4];
  assert_int_equal(hgl_walk_fail(&walk, HGL_BAD_VALUE, "no"), -HGL_BAD_VALUE);
  assert_string_equal(err.message, "body: no");
  assert_int_equal(step(&walk, &tables[0], "items", 0), 0);
  assert_int_equal(step(&walk, &tables[1], NULL, 3), 0);
  assert_int_equal(step(&walk, &tables[2], "a b", 0), 0);
  assert_int_equal(step(&walk, &tables[3], "x", 0), 0);
  assert_int_equal(hgl_walk_fail(&walk, HGL_BAD_VALUE, "no"), -HGL_BAD_VALUE);
  assert_string_equal(err.message, "body.items[3][\"a b\"].x: no");
  hgl_walk_leave(&walk);
  hgl_walk_leave(&walk);
  hgl_fail(&err, HGL_TOO_LARGE, "more");
  assert_int_equal(hgl_walk_fail_in(&walk), -HGL_TOO_LARGE);
  assert_string_equal(err.message, "body.items[3]: more");
}

static void keys_are_shown_without_harm(void **state)
{
  static const struct {
    const char *key, *shown;
  } cases[] = {
      {"", "body[\"\"]: no"},
      {"1st", "body[\"1st\"]: no"},
      {"_ok9", "body._ok9: no"},
      {"a\x1b[31m", "body[\"a?[31m\"]: no"},
      {"gr\xc3\xbc\xc3\x9f", "body[\"gr????\"]: no"},
      {"0123456789012345678901234567890123456789", "body[\"0123456789012345678901234567890123456789"
                                                   "\"]: no"},
      {"01234567890123456789012345678901234567890", "body[\"01234567890123456789012345678901234567"
                                                    "89…\"]: no"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_walk walk = walk_of(*state);
    assert_int_equal(step(&walk, &walk, cases[i].key, 0), 0);
    hgl_walk_fail(&walk, HGL_BAD_VALUE, "no");
    assert_string_equal(err.message, cases[i].shown);
  }
}

static void a_long_way_is_cut_off_and_not_overrun(void **state)
{
  struct hgl_walk walk = walk_of(*state);
  int tables[HGL_WALK_DEPTH_MAX];
  for (int i = 0; i < HGL_WALK_DEPTH_MAX; i++)
    assert_int_equal(step(&walk, &tables[i], "a_name_of_some_length_here", 0), 0);
  assert_int_equal(hgl_walk_fail(&walk, HGL_BAD_VALUE, "the end"), -HGL_BAD_VALUE);
  assert_memory_equal(err.message, "body.a_name_of_some_length_here.a_name", 38);
  size_t size = strlen(err.message);
  assert_true(size > 200 && size < 300);
  assert_string_equal(err.message + size - 9, ": the end");
}

static void a_circle_is_noticed_and_a_table_met_twice_is_none(void **state)
{
  struct hgl_walk walk = walk_of(*state);
  int outer, inner;
  assert_int_equal(step(&walk, &outer, "x", 0), 0);
  assert_int_equal(step(&walk, &inner, "y", 0), 0);
  assert_int_equal(hgl_walk_enter(&walk, &outer), -HGL_BAD_VALUE);
  assert_string_equal(err.message, "body.x.y: a table that contains itself");
  assert_int_equal(hgl_walk_enter(&walk, &inner), -HGL_BAD_VALUE);
  hgl_walk_leave(&walk);
  assert_int_equal(step(&walk, &inner, "z", 0), 0); /* beside itself, not within */
}

static void the_depth_is_limited(void **state)
{
  struct hgl_walk walk = walk_of(*state);
  int tables[HGL_WALK_DEPTH_MAX + 1];
  for (int i = 0; i < HGL_WALK_DEPTH_MAX; i++)
    assert_int_equal(step(&walk, &tables[i], NULL, i), 0);
  assert_int_equal(hgl_walk_enter(&walk, &tables[HGL_WALK_DEPTH_MAX]), -HGL_TOO_DEEP);
  assert_int_equal(walk.depth, HGL_WALK_DEPTH_MAX);
}

static void only_texts_and_integers_are_keys(void **state)
{
  lua_State *L = *state;
  struct hgl_walk walk = walk_of(L);
  assert_int_equal(hgl_walk_enter(&walk, &walk), 0);
  lua_pushboolean(L, 1);
  assert_int_equal(hgl_walk_step_to(&walk, -1), -HGL_BAD_VALUE);
  lua_pushnumber(L, 1.5);
  assert_int_equal(hgl_walk_step_to(&walk, -1), -HGL_BAD_VALUE);
  assert_string_equal(err.message, "body: a key that is neither text nor an integer");
  lua_newtable(L);
  assert_int_equal(hgl_walk_step_to(&walk, -1), -HGL_BAD_VALUE);
  lua_pushinteger(L, -7);
  assert_int_equal(hgl_walk_step_to(&walk, -1), 0);
  hgl_walk_fail(&walk, HGL_BAD_VALUE, "no");
  assert_string_equal(err.message, "body[-7]: no");
}

static int nothing(lua_State *L)
{
  return 0;
}

static void what_cannot_be_sent_is_named_by_its_kind(void **state)
{
  lua_State *L = *state;
  struct hgl_walk walk = walk_of(L);
  lua_pushcfunction(L, nothing);
  assert_int_equal(hgl_walk_fail_kind(&walk, -1), -HGL_BAD_VALUE);
  assert_string_equal(err.message, "body: a function cannot be sent");
  walk.verb = "stored";
  lua_newthread(L);
  assert_int_equal(hgl_walk_fail_kind(&walk, -1), -HGL_BAD_VALUE);
  assert_string_equal(err.message, "body: a thread cannot be stored");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_failure_names_the_way_to_the_value),
      TEST(keys_are_shown_without_harm),
      TEST(a_long_way_is_cut_off_and_not_overrun),
      TEST(a_circle_is_noticed_and_a_table_met_twice_is_none),
      TEST(the_depth_is_limited),
      TEST(only_texts_and_integers_are_keys),
      TEST(what_cannot_be_sent_is_named_by_its_kind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
