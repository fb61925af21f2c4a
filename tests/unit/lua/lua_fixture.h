/* A bare Lua state with the bindings of state, tables and values, and a state tree, for tests. */
#ifndef HGL_TESTS_LUA_FIXTURE_H
#define HGL_TESTS_LUA_FIXTURE_H

#include <lualib.h>

#include "fake_rows.h"
#include "lua/vm_core.h"
#include "lua/walk.h"

struct lua_fixture {
  struct fake_rows rows;
  struct hgl_state_rows handle;
  struct hgl_state *state, *cache;
  struct hgl_vm vm; /* only what a failure looks at */
  lua_State *L;
};

/* What may raise for want of memory. */
static inline int lua_fixture_bind(lua_State *L)
{
  struct lua_fixture *f = lua_touserdata(L, 1);
  hgl_convert_open(L);
  hgl_bind_state_open(L);
  hgl_bind_tables_open(L);
  hgl_bind_table_push(L);
  lua_setglobal(L, "table");
  hgl_bind_state_push(L, hgl_state_root(f->state));
  lua_setglobal(L, "state");
  hgl_bind_state_push(L, hgl_state_root(f->cache));
  lua_setglobal(L, "cache");
  lua_pushcfunction(L, hgl_lua_array);
  lua_setglobal(L, "array");
  hgl_lua_push_null(L);
  lua_setglobal(L, "null");
  hgl_lua_push_bytes(L, hgl_bytes("\x00\xff", 2));
  lua_setglobal(L, "bytes");
  return 0;
}

static inline void lua_fixture_open(struct lua_fixture *f)
{
  struct hgl_err err;
  struct hgl_state_rows none = {0};
  assert_ok(hgl_state_create(&f->handle, 1 << 20, &f->state, &err));
  assert_ok(hgl_state_create(&none, 1 << 20, &f->cache, &err));
  lua_State *L = f->L = luaL_newstate();
  *(struct hgl_vm **)lua_getextraspace(L) = &f->vm;
  luaL_openlibs(L);
  /* Lua's own keep their state in an upvalue; the sandbox has others. */
  assert_int_equal(luaL_dostring(L, "math.random, math.randomseed = nil, nil"), 0);
  lua_pushcfunction(L, lua_fixture_bind);
  lua_pushlightuserdata(L, f);
  assert_int_equal(lua_pcall(L, 1, 0, 0), LUA_OK);
  hgl_state_begin(f->state);
  hgl_state_begin(f->cache);
}

static inline void lua_fixture_close(struct lua_fixture *f)
{
  lua_close(f->L);
  hgl_bind_state_release_views(&f->vm);
  hgl_state_destroy(f->state);
  hgl_state_destroy(f->cache);
}

/* Another Lua state; the rows stay. */
static inline void lua_fixture_reopen(struct lua_fixture *f)
{
  lua_fixture_close(f);
  lua_fixture_open(f);
}

static inline int lua_fixture_setup(void **out)
{
  struct lua_fixture *f = calloc(1, sizeof *f);
  f->handle = fake_rows_init(&f->rows);
  lua_fixture_open(f);
  *out = f;
  return 0;
}

static inline int lua_fixture_teardown(void **out)
{
  struct lua_fixture *f = *out;
  lua_fixture_close(f);
  fake_rows_deinit(&f->rows);
  free(f);
  return 0;
}

static inline void lua_fixture_next_stretch(struct lua_fixture *f)
{
  hgl_state_accept(f->state);
  hgl_state_begin(f->state);
}

/* Runs a chunk; fails the test when it raises. */
static inline void run_lua(struct lua_fixture *f, const char *chunk)
{
  if (luaL_dostring(f->L, chunk)) fail_msg("%s", lua_tostring(f->L, -1));
  lua_settop(f->L, 0);
}

/* Runs a chunk that must raise a message containing `part`. */
static inline void run_lua_fails(struct lua_fixture *f, const char *chunk, const char *part)
{
  if (!luaL_dostring(f->L, chunk)) fail_msg("no error: %s", chunk);
  const char *message = lua_tostring(f->L, -1);
  if (!message || !strstr(message, part)) fail_msg("'%s' lacks '%s'", message, part);
  lua_settop(f->L, 0);
}

#define LUA_TEST(name)                                                                             \
  cmocka_unit_test_setup_teardown(name, lua_fixture_setup, lua_fixture_teardown)

#endif
