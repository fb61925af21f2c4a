/* Finds specs, runs them, and with --watch again whenever something changes. */
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/options.h"
#include "host/paths.h"
#include "host/test_spec.h"
#include "host/test_trace.h"
#include "host/test_watch.h"
#include "host/text.h"
#include "host/verb.h"
#include "protocol/crypto.h"

enum { SEED_DEFAULT = 1, LIMIT_MS_DEFAULT = 60000 };

struct runner {
  char stdlib[PATH_MAX];
  struct hgl_texts paths; /* where specs are looked for */
  const char *seed_text, *trace_path;
  struct hgl_trace trace;
  struct hgl_test_limit limit;
  struct hgl_spec_config config;
  struct hgl_test_report_config report;
  bool tap, json, watch;
  char **specs;
  size_t count, capacity;
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

static void forget_specs(struct runner *runner)
{
  for (size_t i = 0; i < runner->count; i++) hgl_free(runner->specs[i]);
  runner->count = 0;
}

static int find_all(struct runner *runner, struct hgl_err *err)
{
  int status = 0;
  forget_specs(runner);
  for (size_t i = 0; i < runner->paths.count && !status; i++)
    status = find_specs(runner, runner->paths.items[i], err);
  if (status || runner->count) return status;
  return hgl_fail(err, HGL_NOT_FOUND, "no spec here: a spec's name ends in _spec.lua");
}

/* ---- running ---- */

/* A filter that is misspelt, or a spec that returns too early, must not pass. */
static int check_any(const struct runner *runner, const struct hgl_test_counts *counts,
                     struct hgl_err *err)
{
  const char *filter = runner->config.filter;
  if (counts->passed || counts->failed || counts->pending) return 0;
  return filter ? hgl_fail(err, HGL_NOT_FOUND, "no test here has a name with '%s'", filter)
                : hgl_fail(err, HGL_NOT_FOUND, "there is no test in these specs");
}

static int run_all(struct runner *runner, struct hgl_test_counts *counts, struct hgl_err *err)
{
  struct hgl_test_report *report;
  int status = find_all(runner, err);
  if (!status) status = hgl_chunks_create(&runner->config.worlds.chunks, err);
  if (status) return status;
  status = hgl_test_report_begin(&runner->report, &report, err);
  if (!status) {
    runner->config.report = report;
    for (size_t i = 0; i < runner->count; i++) hgl_spec_run(&runner->config, runner->specs[i]);
    status = hgl_test_report_end(report, counts, err);
    hgl_test_report_destroy(report);
    if (!status) status = check_any(runner, counts, err);
  }
  hgl_chunks_destroy(runner->config.worlds.chunks);
  return status;
}

/* Until Ctrl-C. What cannot be run now may be there again after the next change. */
static int run_again_and_again(struct runner *runner, struct hgl_err *err)
{
  char name[NAME_MAX + 1] = "";
  struct hgl_test_counts counts;
  struct hgl_watch *watch;
  int status = hgl_watch_create(&watch, err);
  if (status) return status;
  for (size_t i = 0; !status && i < runner->paths.count; i++)
    status = hgl_watch_add(watch, runner->paths.items[i], err);
  if (!status && !hgl_watch_folders(watch))
    status = hgl_fail(err, HGL_NOT_FOUND, "no folder there to watch");
  while (!status) {
    if (isatty(STDOUT_FILENO)) printf("\x1b[H\x1b[2J");
    if (*name) {
      hgl_print_escaped(stdout, hgl_text(name));
      puts(" has changed");
    }
    if (run_all(runner, &counts, err)) printf("%s\n", err->message);
    printf("watching %zu folder%s for changes; Ctrl-C ends\n", hgl_watch_folders(watch),
           hgl_watch_folders(watch) == 1 ? "" : "s");
    fflush(stdout);
    status = hgl_watch_wait(watch, name, err);
  }
  hgl_watch_destroy(watch);
  return status;
}

/* ---- options ---- */

static int set_seed(struct runner *runner, struct hgl_err *err)
{
  const char *text = runner->seed_text;
  char *end;
  runner->report.seed = SEED_DEFAULT;
  if (text && strcmp(text, "random") == 0) {
    runner->report.seed = (int64_t)(hgl_random_u64(&hgl_random_system) >> 33);
  } else if (text) {
    errno = 0;
    runner->report.seed = strtoll(text, &end, 10);
    if (errno || end == text || *end || runner->report.seed < 0)
      return hgl_fail(err, HGL_INVALID, "--seed takes a whole number, 0 or more, or 'random'");
  }
  runner->config.worlds.seed = (uint64_t)runner->report.seed;
  return 0;
}

static int set_up(struct runner *runner, struct hgl_err *err)
{
  int status = set_seed(runner, err);
  if (!status && runner->tap && runner->json)
    status = hgl_fail(err, HGL_INVALID, "one of --tap and --json");
  if (!status && runner->watch && runner->trace_path)
    status = hgl_fail(err, HGL_INVALID, "one of --watch and --trace");
  if (!status && !runner->paths.count) status = hgl_texts_add(&runner->paths, ".", err);
  if (!status) status = hgl_stdlib_folder(runner->stdlib, err);
  if (!status) status = hgl_crypto_init(err);
  if (status) return status;
  runner->report.format = runner->tap    ? HGL_TEST_TAP
                          : runner->json ? HGL_TEST_JSON
                                         : HGL_TEST_HUMAN;
  runner->report.options = runner->config.worlds.keep_lua ? " --keep-lua" : "";
  runner->limit.until_ns = INT64_MAX;
  runner->config.limit = &runner->limit;
  runner->config.worlds.limit = &runner->limit;
  runner->config.worlds.latency_ms = HGL_WORLD_LATENCY_MS;
  runner->config.worlds.stdlib_folder = runner->stdlib;
  if (!runner->trace_path) return 0;
  runner->trace.file = fopen(runner->trace_path, "w");
  if (!runner->trace.file) return hgl_fail(err, HGL_IO, "cannot write %.200s", runner->trace_path);
  runner->config.worlds.trace = &runner->trace;
  return 0;
}

static int test_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct runner runner = {.limit.limit_ms = LIMIT_MS_DEFAULT};
  struct hgl_test_counts counts = {0};
  struct hgl_err err = {0};
  int status = HGL_EXIT_OK, failed;
  const struct hgl_option options[] = {
      {"seed", "N", HGL_OPTION_TEXT, &runner.seed_text,
       "what all chance in the worlds comes from (1); or 'random'"},
      {"filter", "TEXT", HGL_OPTION_TEXT, &runner.config.filter,
       "only tests whose name contains it"},
      {"limit", "TIME", HGL_OPTION_DURATION, &runner.limit.limit_ms,
       "how long one test may take (1m)"},
      {"keep-lua", NULL, HGL_OPTION_FLAG, &runner.config.worlds.keep_lua,
       "keep the agents' Lua states between handlers: faster, and proves less"},
      {"watch", NULL, HGL_OPTION_FLAG, &runner.watch, "run again when a Lua file changes"},
      {"tap", NULL, HGL_OPTION_FLAG, &runner.tap, "print TAP 14"},
      {"json", NULL, HGL_OPTION_FLAG, &runner.json,
       "one object a line for each test, then the sum"},
      {"junit", "FILE", HGL_OPTION_TEXT, &runner.report.junit_path, "write JUnit XML as well"},
      {"trace", "FILE", HGL_OPTION_TEXT, &runner.trace_path,
       "write what happens in the worlds to a file"},
  };
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &runner.paths,
                         &status))
    goto done;
  failed = set_up(&runner, &err);
  if (!failed)
    failed = runner.watch ? run_again_and_again(&runner, &err) : run_all(&runner, &counts, &err);
  status = failed ? hgl_verb_fail(verb, &err) : counts.failed ? HGL_EXIT_FAILED : HGL_EXIT_OK;
done:
  if (runner.trace.file && fclose(runner.trace.file)) {
    hgl_fail(&err, HGL_IO, "cannot write %.200s", runner.trace_path);
    status = hgl_verb_fail(verb, &err);
  }
  forget_specs(&runner);
  hgl_free(runner.specs);
  hgl_texts_deinit(&runner.paths);
  return status;
}

const struct hgl_verb hgl_verb_test = {
    .name = "test",
    .usage = "[OPTION…] [PATH…]",
    .summary = "run Lua specs on a virtual clock",
    .help =
        "Runs every *_spec.lua below the paths (the current folder without any), each in a Lua\n"
        "state of its own. Agents in specs live in worlds: hosts in memory, with a clock that "
        "only\n"
        "the spec moves, files that only the spec makes, and no network. Between two handlers an\n"
        "agent's Lua state is given up, so that what should be in `state` and is not is missing\n"
        "here already. See haggle.test in stdlib/README.md for what a spec can say.\n"
        "\n"
        "  haggle test                      all specs below the current folder\n"
        "  haggle test agents/kiosk         those of one agent\n"
        "  haggle test --filter 'sold out'  those with such a name\n"
        "  haggle test --watch kiosk        again whenever something there changes\n"
        "  haggle test --tap | tappy        for what reads TAP; --junit FILE for build servers\n"
        "\n"
        "The last line is \"N passed, N failed\"; the exit status is 1 when a test failed,\n"
        "or when there was none.",
    .main = test_main,
};
