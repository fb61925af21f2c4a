#include "support/check.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "base/mem.h"
#include "lua/vm_core.h"

struct scene {
  lua_State *L;
  struct hgl_chunks *chunks;
};

static struct hgl_err err;

static int set_up(void **state)
{
  struct scene *scene = calloc(1, sizeof *scene);
  assert_ok(hgl_chunks_create(&scene->chunks, &err));
  scene->L = luaL_newstate();
  luaL_openlibs(scene->L);
  *state = scene;
  return 0;
}

static int tear_down(void **state)
{
  struct scene *scene = *state;
  lua_close(scene->L);
  hgl_chunks_destroy(scene->chunks);
  free(scene);
  return 0;
}

/* What the chunk returns, as an integer. */
static lua_Integer run(struct scene *scene, const char *source, const char *name)
{
  assert_ok(hgl_chunks_load(scene->chunks, scene->L, hgl_text(source), name, &err));
  assert_int_equal(lua_gettop(scene->L), 1); /* the function, nothing beside it */
  if (lua_pcall(scene->L, 0, 1, 0)) fail_msg("%s", lua_tostring(scene->L, -1));
  lua_Integer result = lua_tointeger(scene->L, -1);
  lua_settop(scene->L, 0);
  return result;
}

static void a_chunk_means_the_same_from_the_cache(void **state)
{
  for (int i = 0; i < 3; i++) assert_int_equal(run(*state, "return 40 + 2", "a.lua"), 42);
}

static void another_text_of_the_same_name_takes_its_place(void **state)
{
  assert_int_equal(run(*state, "return 1", "a.lua"), 1);
  assert_int_equal(run(*state, "return 2", "a.lua"), 2);
  assert_int_equal(run(*state, "return 1", "a.lua"), 1);
  assert_int_equal(run(*state, "return 3", "b.lua"), 3); /* names are told apart */
  assert_int_equal(run(*state, "return 1", "a.lua"), 1);
  assert_int_equal(run(*state, "", "empty.lua"), 0);
  assert_int_equal(run(*state, "", "empty.lua"), 0);
}

static void errors_name_the_line_also_from_the_cache(void **state)
{
  struct scene *scene = *state;
  for (int i = 0; i < 2; i++) {
    assert_ok(hgl_chunks_load(scene->chunks, scene->L, hgl_text("\n\nerror 'here'"), "agents/x.lua",
                              &err));
    assert_int_equal(lua_pcall(scene->L, 0, 0, 0), LUA_ERRRUN);
    assert_string_equal(lua_tostring(scene->L, -1), "agents/x.lua:3: here");
    lua_settop(scene->L, 0);
  }
}

static void what_does_not_compile_is_told_with_its_line_each_time(void **state)
{
  struct scene *scene = *state;
  for (int i = 0; i < 2; i++) {
    assert_fails(HGL_SCRIPT,
                 hgl_chunks_load(scene->chunks, scene->L,
                                 hgl_text("local a = 1\n  local b = = 2  \r\n"), "x.lua", &err));
    assert_string_equal(err.message, "x.lua:2: unexpected symbol near '=' | local b = = 2");
    assert_int_equal(lua_gettop(scene->L), 0);
  }
}

static void bytecode_is_never_taken_from_outside(void **state)
{
  struct scene *scene = *state;
  luaL_loadstring(scene->L, "return string.dump(function() return 7 end)");
  lua_call(scene->L, 0, 1);
  size_t size;
  const char *code = lua_tolstring(scene->L, -1, &size);
  char *copy = malloc(size);
  memcpy(copy, code, size);
  lua_settop(scene->L, 0);
  for (int i = 0; i < 2; i++) {
    assert_fails(HGL_SCRIPT,
                 hgl_chunks_load(scene->chunks, scene->L, hgl_bytes(copy, size), "x.lua", &err));
    assert_non_null(strstr(err.message, "binary chunk"));
  }
  free(copy);
}

static void a_source_has_its_limit(void **state)
{
  struct scene *scene = *state;
  char *source = malloc(HGL_VM_SOURCE_SIZE_MAX + 1);
  memset(source, ' ', HGL_VM_SOURCE_SIZE_MAX + 1);
  assert_ok(hgl_chunks_load(scene->chunks, scene->L, hgl_bytes(source, HGL_VM_SOURCE_SIZE_MAX), "x",
                            &err));
  assert_fails(HGL_TOO_LARGE,
               hgl_chunks_load(scene->chunks, scene->L,
                               hgl_bytes(source, HGL_VM_SOURCE_SIZE_MAX + 1), "x", &err));
  free(source);
}

/* More than the cache may hold: it forgets and compiles again. */
static void more_than_the_cache_holds_is_compiled_again(void **state)
{
  enum { SCRIPTS = 100 };
  char *source = malloc(HGL_VM_SOURCE_SIZE_MAX);
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < SCRIPTS; i++) {
      char name[16];
      memset(source, ' ', HGL_VM_SOURCE_SIZE_MAX - 1);
      source[HGL_VM_SOURCE_SIZE_MAX - 1] = 0;
      int size = snprintf(source, 32, "return %d", i);
      source[size] = ' ';
      snprintf(name, sizeof name, "%d.lua", i);
      assert_int_equal(run(*state, source, name), i);
    }
  free(source);
}

static void a_cache_without_memory_costs_nothing_but_time(void **state)
{
  struct scene *scene = *state;
  for (int i = 0; i < 12; i++) {
    char name[16];
    snprintf(name, sizeof name, "%d.lua", i);
    for (int again = 0; again < 2; again++) {
      hgl_mem_fail_after(i);
      int status = hgl_chunks_load(scene->chunks, scene->L, hgl_text("return 5"), name, &err);
      hgl_mem_fail_after(-1);
      assert_int_equal(status, 0);
      lua_settop(scene->L, 0);
    }
    assert_int_equal(run(scene, "return 5", name), 5);
  }
  struct hgl_chunks *none;
  hgl_mem_fail_after(0);
  int status = hgl_chunks_create(&none, &err);
  hgl_mem_fail_after(-1);
  assert_int_equal(status, -HGL_NO_MEMORY);
}

static void quote(const char *message, const char *source, const char *expected)
{
  snprintf(err.message, sizeof err.message, "%s", message);
  hgl_chunks_quote_line(&err, hgl_text(source), "x.lua");
  assert_string_equal(err.message, expected);
}

static void the_line_is_quoted_where_the_message_names_one(void **state)
{
  quote("x.lua:2: bad", "one\n\t two \nthree", "x.lua:2: bad | two");
  quote("x.lua:3: bad", "one\ntwo\nthree", "x.lua:3: bad | three");
  quote("x.lua:1: bad", "one", "x.lua:1: bad | one");
  quote("x.lua:4: bad", "one\ntwo\nthree", "x.lua:4: bad"); /* there is none */
  quote("x.lua:2: bad", "one\n\nthree", "x.lua:2: bad");    /* an empty one says nothing */
  quote("x.lua:0: bad", "one", "x.lua:0: bad");
  quote("x.lua:-1: bad", "one", "x.lua:-1: bad");
  quote("y.lua:1: bad", "one", "y.lua:1: bad"); /* of another chunk */
  quote("x.lua bad", "one", "x.lua bad");
  quote("x.lua:1: bad | one", "one", "x.lua:1: bad | one"); /* once is enough */
  quote("x.lua:1: bad", "", "x.lua:1: bad");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_chunk_means_the_same_from_the_cache),
      TEST(another_text_of_the_same_name_takes_its_place),
      TEST(errors_name_the_line_also_from_the_cache),
      TEST(what_does_not_compile_is_told_with_its_line_each_time),
      TEST(bytecode_is_never_taken_from_outside),
      TEST(a_source_has_its_limit),
      TEST(more_than_the_cache_holds_is_compiled_again),
      TEST(a_cache_without_memory_costs_nothing_but_time),
      cmocka_unit_test(the_line_is_quoted_where_the_message_names_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
