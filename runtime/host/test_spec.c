#include "host/test_spec.h"

#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/seam.h"
#include "host/test_bind.h"
#include "host/verb.h"

/* Lua instructions between two looks at the clock: some 100 µs. */
enum { CLOCK_EVERY = 10000 };
enum { ALARM_MORE_MS = 3000 };

struct run {
  const struct hgl_spec_config *config;
  const char *path;
};

/* ---- the time of a test ---- */

static const char run_key; /* its address: where the registry has the run */

static struct run *run_of(lua_State *L)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, &run_key);
  struct run *run = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return run;
}

/* Whatever catches the error is interrupted by the next instruction, until the test is over. */
static void look_at_clock(lua_State *L, lua_Debug *where)
{
  const struct hgl_test_limit *limit = run_of(L)->config->limit;
  if (hgl_mono_ns(&hgl_clock_system) < limit->until_ns) return;
  lua_sethook(L, look_at_clock, LUA_MASKCOUNT, 1);
  luaL_error(L, "the test has taken longer than %f s: does it end? (--limit gives it more)",
             (double)limit->limit_ms / 1000);
}

/* What no hook interrupts (a call that blocks, an error handler that loops) ends the process,
 * some time later. */
static void give_up(int signal)
{
  static const char why[] =
      "haggle test: a test does not end and cannot be interrupted: a call that "
      "blocks, or an error handler that loops; the tests behind it are not "
      "run\n";
  if (write(STDERR_FILENO, why, sizeof why - 1) < 0) _exit(HGL_EXIT_FAILED);
  _exit(HGL_EXIT_FAILED);
}

static void set_alarm(int64_t ms)
{
  const struct itimerval time = {.it_value = {ms / 1000, ms % 1000 * 1000}};
  if (ms) signal(SIGALRM, give_up);
  setitimer(ITIMER_REAL, &time, NULL);
}

static void begin_time(lua_State *L, const struct run *run)
{
  struct hgl_test_limit *limit = run->config->limit;
  set_alarm(2 * limit->limit_ms + ALARM_MORE_MS);
  limit->until_ns = hgl_mono_ns(&hgl_clock_system) + limit->limit_ms * 1000000;
  lua_sethook(L, look_at_clock, LUA_MASKCOUNT, CLOCK_EVERY);
}

static void end_time(lua_State *L, const struct run *run)
{
  set_alarm(0);
  lua_sethook(L, NULL, 0, 0);
  run->config->limit->until_ns = INT64_MAX;
}

/* Upvalue: what explains a failure. Its own time is not the test's. */
static int explain(lua_State *L)
{
  end_time(L, run_of(L));
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* ---- what haggle.test is given ---- */

/* runner.try(fn, explain) → whether it ended well, what explain made of the error, the ms */
static int runner_try(lua_State *L)
{
  const struct run *run = run_of(L);
  int64_t start = hgl_mono_ns(&hgl_clock_system);
  lua_settop(L, 2);
  lua_pushcclosure(L, explain, 1);
  lua_insert(L, 1);
  begin_time(L, run);
  int status = lua_pcall(L, 0, 0, 1);
  end_time(L, run);
  begin_time(L, run); /* of what follows outside */
  lua_pushboolean(L, status == LUA_OK);
  if (status == LUA_OK)
    lua_pushnil(L);
  else
    lua_insert(L, -2);
  lua_pushnumber(L, (double)(hgl_mono_ns(&hgl_clock_system) - start) / 1e6);
  return 3;
}

static const char *text_field(lua_State *L, int table, const char *name)
{
  lua_getfield(L, table, name);
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1); /* the table holds it */
  return text;
}

/* runner.tell { name =, pending =, ok =, message =, line =, log =, ms = } */
static int runner_tell(lua_State *L)
{
  const struct run *run = run_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "ok");
  lua_getfield(L, 1, "pending");
  lua_getfield(L, 1, "line");
  lua_getfield(L, 1, "ms");
  const struct hgl_test_result result = {
      .outcome = lua_toboolean(L, 3)   ? HGL_TEST_PENDING
                 : lua_toboolean(L, 2) ? HGL_TEST_PASSED
                                       : HGL_TEST_FAILED,
      .name = text_field(L, 1, "name"),
      .message = text_field(L, 1, "message"),
      .log = text_field(L, 1, "log"),
      .line = (int)lua_tointeger(L, 4),
      .ns = (int64_t)(lua_tonumber(L, 5) * 1e6),
  };
  if (!result.name) return luaL_error(L, "a result without a name");
  hgl_test_report_result(run->config->report, run->path, &result);
  return 0;
}

static int open_runner(lua_State *L)
{
  static const luaL_Reg functions[] = {{"try", runner_try}, {"tell", runner_tell}, {NULL, NULL}};
  const struct run *run = run_of(L);
  luaL_newlib(L, functions);
  const char *slash = strrchr(run->path, '/');
  if (slash)
    lua_pushlstring(L, run->path, (size_t)(slash - run->path));
  else
    lua_pushliteral(L, ".");
  lua_setfield(L, -2, "folder");
  lua_pushstring(L, run->path);
  lua_setfield(L, -2, "spec");
  lua_pushstring(L, run->config->filter);
  lua_setfield(L, -2, "filter");
  return 1;
}

/* ---- running ---- */

static void set_paths(lua_State *L, const struct run *run)
{
  const char *slash = strrchr(run->path, '/');
  if (slash)
    lua_pushlstring(L, run->path, (size_t)(slash - run->path));
  else
    lua_pushliteral(L, ".");
  const char *folder = lua_tostring(L, -1);
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_pushfstring(L, "%s/?.lua;%s/?.lua", run->config->worlds.stdlib_folder, folder);
  lua_setfield(L, -2, "path");
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "cpath");
  lua_pop(L, 2);
}

static int with_traceback(lua_State *L)
{
  const char *message = lua_tostring(L, 1);
  end_time(L, run_of(L));
  if (!message) message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* The whole of one spec; what it raises is a failure of the file. */
static int run_spec(lua_State *L)
{
  struct run *run = lua_touserdata(L, 1);
  luaL_openlibs(L);
  lua_pushlightuserdata(L, run);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &run_key);
  hgl_test_bind_open(L, &run->config->worlds);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_runner);
  lua_setfield(L, -2, "haggle.test.runner");
  lua_pop(L, 1);
  set_paths(L, run);
  lua_pushcfunction(L, with_traceback);
  if (luaL_loadfilex(L, run->path, "t") != LUA_OK) return lua_error(L);
  begin_time(L, run);
  int status = lua_pcall(L, 0, 0, -2);
  end_time(L, run);
  return status == LUA_OK ? 0 : lua_error(L);
}

static void tell_whole(const struct run *run, const char *message)
{
  const struct hgl_test_result result = {
      .outcome = HGL_TEST_FAILED, .name = "the file", .message = message, .whole = true};
  hgl_test_report_result(run->config->report, run->path, &result);
}

void hgl_spec_run(const struct hgl_spec_config *config, const char *path)
{
  struct run run = {config, path};
  int64_t start = hgl_mono_ns(&hgl_clock_system);
  lua_State *L = luaL_newstate();
  if (L) {
    lua_pushcfunction(L, run_spec);
    lua_pushlightuserdata(L, &run);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
      const char *message = lua_tostring(L, -1);
      tell_whole(&run, message ? message : "an error that is no text");
    }
    lua_close(L);
  } else {
    tell_whole(&run, "out of memory");
  }
  hgl_test_report_file(config->report, path, hgl_mono_ns(&hgl_clock_system) - start);
}
