/* Finds specs, runs each in a Lua state of its own, and tells what came of it. */
#include <errno.h>
#include <fts.h>
#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/options.h"
#include "host/paths.h"
#include "host/test_bind.h"
#include "host/test_trace.h"
#include "host/text.h"
#include "host/verb.h"
#include "protocol/crypto.h"

enum { SEED_DEFAULT = 1 };

struct runner {
  char stdlib[PATH_MAX];
  int64_t seed;
  const char *filter; /* NULL: all tests */
  const char *trace_path;
  struct hgl_trace trace;
  struct hgl_world_config worlds;
  bool json;
  char **specs;
  size_t count, capacity;
  uint64_t passed, failed;
};

/* ---- finding ---- */

static int add_spec(struct runner *runner, const char *path, struct hgl_err *err)
{
  char *copy = hgl_strndup(path, strlen(path));
  if (!copy || !HGL_GROW(runner->specs, runner->count, runner->capacity)) {
    hgl_free(copy);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  runner->specs[runner->count++] = copy;
  return 0;
}

static bool is_spec(const char *name, size_t size)
{
  static const char end[] = "_spec.lua";
  return size >= sizeof end - 1 && memcmp(name + size - (sizeof end - 1), end, sizeof end - 1) == 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
  return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* A file is taken as it is, a folder with all that is below it. */
static int find_specs(struct runner *runner, const char *path, struct hgl_err *err)
{
  char *roots[] = {hgl_strndup(path, strlen(path)), NULL};
  if (!roots[0]) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
  int status = tree ? 0 : hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
  FTSENT *entry;
  while (!status && (entry = fts_read(tree))) {
    bool named = entry->fts_level == FTS_ROOTLEVEL;
    if (entry->fts_info == FTS_D && !named &&
        (entry->fts_name[0] == '.' || strcmp(entry->fts_name, "node_modules") == 0))
      fts_set(tree, entry, FTS_SKIP);
    else if (entry->fts_info == FTS_F && (named || is_spec(entry->fts_name, entry->fts_namelen)))
      status = add_spec(runner, entry->fts_path, err);
    else if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
      status = hgl_fail(err, entry->fts_errno == ENOENT ? HGL_NOT_FOUND : HGL_IO, "%s: %s",
                        entry->fts_path, strerror(entry->fts_errno));
  }
  if (tree) fts_close(tree);
  hgl_free(roots[0]);
  return status;
}

/* ---- telling ---- */

static void print_indented(const char *text)
{
  for (const char *end; *text; text = *end ? end + 1 : end) {
    end = strchrnul(text, '\n');
    fputs("      ", stdout);
    hgl_print_escaped(stdout, hgl_bytes(text, (size_t)(end - text)));
    putchar('\n');
  }
}

struct result {
  const char *name, *message, *log; /* message NULL: passed */
  int line;                         /* 0: unknown */
};

static void tell_json(const char *spec, const struct result *result)
{
  struct hgl_err err;
  json_t *line = json_pack("{s:s, s:s, s:b, s:s*}", "file", spec, "name", result->name, "ok",
                           result->message == NULL, "message", result->message);
  if (line && result->line) json_object_set_new(line, "line", json_integer(result->line));
  if (!line)
    fprintf(stderr, "%s: a result cannot be shown as JSON\n", spec);
  else if (hgl_print_json(line, &err))
    fprintf(stderr, "%s: %s\n", spec, err.message);
  json_decref(line);
}

static void tell(struct runner *runner, const char *spec, const struct result *result)
{
  if (result->message)
    runner->failed++;
  else
    runner->passed++;
  if (runner->json) return tell_json(spec, result);
  if (!result->message) return;
  printf("  FAILED  %s\n", result->name);
  printf("    %s", spec);
  if (result->line) printf(":%d", result->line);
  printf("  (--seed %lld)\n", (long long)runner->seed);
  print_indented(result->message);
  if (result->log && *result->log) {
    puts("    logged:");
    print_indented(result->log);
  }
}

static void tell_file(const struct runner *runner, const char *spec, uint64_t passed,
                      uint64_t failed, int64_t ns)
{
  if (runner->json) return;
  printf("%-6s  %s  %llu passed, %llu failed, %.2f s\n", failed ? "FAILED" : "ok", spec,
         (unsigned long long)passed, (unsigned long long)failed, (double)ns / 1e9);
  fflush(stdout);
}

/* ---- running ---- */

struct run {
  struct runner *runner;
  const char *spec;
};

static const char *text_field(lua_State *L, const char *name)
{
  lua_getfield(L, -1, name);
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1); /* the table holds it */
  return text;
}

/* The results that haggle.test has gathered in its table, at the top. */
static void tell_results(lua_State *L, const struct run *run)
{
  lua_getfield(L, -1, "results");
  lua_Integer count = luaL_len(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, -1, i);
    lua_getfield(L, -1, "line");
    int line = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    const struct result result = {.name = text_field(L, "name"),
                                  .message = text_field(L, "message"),
                                  .log = text_field(L, "log"),
                                  .line = line};
    lua_pop(L, 1);
    tell(run->runner, run->spec, &result);
  }
  lua_pop(L, 1);
}

static void set_paths(lua_State *L, const struct run *run)
{
  const char *slash = strrchr(run->spec, '/');
  if (slash)
    lua_pushlstring(L, run->spec, (size_t)(slash - run->spec));
  else
    lua_pushliteral(L, ".");
  const char *folder = lua_tostring(L, -1);
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_pushfstring(L, "%s/?.lua;%s/?.lua", run->runner->stdlib, folder);
  lua_setfield(L, -2, "path");
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "cpath");
  lua_pop(L, 1);
}

static int with_traceback(lua_State *L)
{
  const char *message = lua_tostring(L, 1);
  if (!message) message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* The whole of one spec; what it raises is a failure of the file. Results gathered before that
 * count. */
static int run_spec(lua_State *L)
{
  const struct run *run = lua_touserdata(L, 1);
  luaL_openlibs(L);
  hgl_test_bind_open(L, &run->runner->worlds);
  lua_pushcfunction(L, with_traceback);
  set_paths(L, run); /* leaves the folder */
  lua_getglobal(L, "require");
  lua_pushliteral(L, "haggle.test");
  lua_call(L, 1, 1);
  lua_insert(L, -2);
  lua_setfield(L, -2, "folder");
  lua_pushstring(L, run->spec);
  lua_setfield(L, -2, "spec");
  lua_pushstring(L, run->runner->filter);
  lua_setfield(L, -2, "filter");
  int status = luaL_loadfilex(L, run->spec, "t");
  if (status == LUA_OK) status = lua_pcall(L, 0, 0, 2);
  if (status != LUA_OK) lua_insert(L, -2);
  tell_results(L, run);
  lua_pop(L, 1);
  return status == LUA_OK ? 0 : lua_error(L);
}

static void run_file(struct runner *runner, const char *spec)
{
  uint64_t passed = runner->passed, failed = runner->failed;
  int64_t start = hgl_mono_ns(&hgl_clock_system);
  struct run run = {runner, spec};
  lua_State *L = luaL_newstate();
  struct result whole = {.name = "the file"};
  if (L) {
    lua_pushcfunction(L, run_spec);
    lua_pushlightuserdata(L, &run);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
      const char *message = lua_tostring(L, -1);
      whole.message = message ? message : "an error that is no text";
      tell(runner, spec, &whole);
    }
    lua_close(L);
  } else {
    whole.message = "out of memory";
    tell(runner, spec, &whole);
  }
  passed = runner->passed - passed;
  failed = runner->failed - failed;
  tell_file(runner, spec, passed, failed, hgl_mono_ns(&hgl_clock_system) - start);
}

static void tell_total(const struct runner *runner)
{
  if (runner->json)
    printf("{\"passed\":%llu,\"failed\":%llu}\n", (unsigned long long)runner->passed,
           (unsigned long long)runner->failed);
  else
    printf("%llu passed, %llu failed\n", (unsigned long long)runner->passed,
           (unsigned long long)runner->failed);
}

static int set_up_worlds(struct runner *runner, struct hgl_err *err)
{
  runner->worlds.seed = (uint64_t)runner->seed;
  runner->worlds.stdlib_folder = runner->stdlib;
  if (!runner->trace_path) return 0;
  runner->trace.file = fopen(runner->trace_path, "w");
  if (!runner->trace.file) return hgl_fail(err, HGL_IO, "cannot write %.200s", runner->trace_path);
  runner->worlds.trace = &runner->trace;
  return 0;
}

static int test_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct runner runner = {.seed = SEED_DEFAULT};
  struct hgl_texts paths = {0};
  struct hgl_err err = {0};
  int status = HGL_EXIT_OK;
  const struct hgl_option options[] = {
      {"seed", "N", HGL_OPTION_COUNT, &runner.seed, "what all chance in the worlds comes from"},
      {"filter", "TEXT", HGL_OPTION_TEXT, &runner.filter, "only tests whose name contains it"},
      {"forget", NULL, HGL_OPTION_FLAG, &runner.worlds.forget_lua,
       "give up an agent's Lua state whenever a handler waits"},
      {"trace", "FILE", HGL_OPTION_TEXT, &runner.trace_path,
       "write what happens in the worlds to a file"},
      {"json", NULL, HGL_OPTION_FLAG, &runner.json,
       "one object a line for each test, then the sum"},
  };
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &paths,
                         &status))
    goto done;
  int found = hgl_stdlib_folder(runner.stdlib, &err);
  if (!found) found = hgl_crypto_init(&err);
  for (size_t i = 0; i < paths.count && !found; i++)
    found = find_specs(&runner, paths.items[i], &err);
  if (!found && !paths.count) found = find_specs(&runner, ".", &err);
  if (!found && !runner.count)
    found = hgl_fail(&err, HGL_NOT_FOUND, "no spec here: a spec's name ends in _spec.lua");
  if (!found) found = set_up_worlds(&runner, &err);
  if (found) {
    status = hgl_verb_fail(verb, &err);
    goto done;
  }
  for (size_t i = 0; i < runner.count; i++) run_file(&runner, runner.specs[i]);
  tell_total(&runner);
  status = runner.failed ? HGL_EXIT_FAILED : HGL_EXIT_OK;
done:
  if (runner.trace.file && fclose(runner.trace.file)) {
    hgl_fail(&err, HGL_IO, "cannot write %.200s", runner.trace_path);
    status = hgl_verb_fail(verb, &err);
  }
  for (size_t i = 0; i < runner.count; i++) hgl_free(runner.specs[i]);
  hgl_free(runner.specs);
  hgl_texts_deinit(&paths);
  return status;
}

const struct hgl_verb hgl_verb_test = {
    .name = "test",
    .usage = "[OPTION…] [PATH…]",
    .summary = "run Lua specs on a virtual clock",
    .help =
        "Runs every *_spec.lua below the paths (the current folder without any), each in a Lua\n"
        "state of its own. Agents in specs live in worlds: a host in memory, with a clock that\n"
        "only the spec moves, files that only the spec makes, and no network. See haggle.test in\n"
        "stdlib/README.md for what a spec can say.\n"
        "\n"
        "  haggle test                      all specs below the current folder\n"
        "  haggle test agents/kiosk         those of one agent\n"
        "  haggle test --filter 'sold out'  those with such a name\n"
        "  haggle test --forget             handlers are run again at every suspension: what\n"
        "                                   happens must be the same\n"
        "\n"
        "The last line is \"N passed, N failed\"; the exit status is 1 when a test failed.\n",
    .main = test_main,
};
