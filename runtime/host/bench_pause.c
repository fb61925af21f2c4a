/* How long an agent waits beside one that does what it can to stop the host: questions to the
 * first, one at a time, from another process, while the second attacks on a schedule. */
#include <stdio.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/bench.h"

enum { SAMPLES_MAX = 1 << 20, TIMEOUT_MS = 20000, ATTACK_EVERY_MS = 40 };

static const char good[] =
    "agent.on('bench/1.0/ask', function(message) message:reply('answer', {}) end)\n";

/* Each as one handler of a schedule: it fails, is tried again, and comes back. */
static const struct attack {
  const char *name, *code;
} attacks[] = {
    {"loop", "while true do end"},
    {"pcall loop", "while true do pcall(function() while true do end end) end"},
    {"coroutines",
     "while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end"},
    {"pattern", "local s = ('a'):rep(3000) while true do pcall(s.find, s, '.-.-.-.-b') end"},
    {"sort", "table.sort({ 3, 2, 1 }, function() while true do end end)"},
    {"strings", "local s = 'x' while true do s = s .. s end"},
    {"tables", "local t = {} while true do t[#t + 1] = { #t } end"},
    {"text calls", "local s = ('x'):rep(7000000) while true do s:upper() s:reverse() end"},
    {"state", "for i = 1, 1e9 do state[i] = ('x'):rep(1000) .. i end"},
    {"log", "for i = 1, 1e9 do log.debug('x', { i = i }) end"},
    {"messages", "for i = 1, 1e9 do agent.send(agent.name, 'bench/1.0/none', { i }) end"},
};
enum { ATTACK_COUNT = sizeof attacks / sizeof *attacks };

static int start_host(const struct hgl_bench *bench, const struct attack *attack, size_t index,
                      struct hgl_child *child, struct hgl_err *err)
{
  char path[PATH_MAX], data[PATH_MAX], text[1024];
  int status = hgl_bench_write(bench, "good.lua", good, path, err);
  snprintf(text, sizeof text, "agent.every('attack', '%dms', function() %s end)\n", ATTACK_EVERY_MS,
           attack ? attack->code : "");
  if (!status) status = hgl_bench_write(bench, "bad.lua", text, path, err);
  if (!status)
    status = hgl_bench_write(bench, "pause.lua",
                             "return { agents = { { name = 'good', script = 'good.lua' }, "
                             "{ name = 'bad', script = 'bad.lua' } } }\n",
                             path, err);
  if (status) return status;
  snprintf(data, sizeof data, "%s/pause-%zu", bench->folder, index);
  const char *arguments[] = {"--config", path, "--listen", "127.0.0.1:0", NULL};
  status = hgl_child_start(child, data, arguments, err);
  return status ? status : hgl_child_wait_ready(child, TIMEOUT_MS, err);
}

/* Round trips until the time is up, in ms. */
static int sample(struct hgl_child *child, int64_t for_ms, double *samples, size_t *count,
                  double *longest, struct hgl_err *err)
{
  static const char request[] = "{\"call\":\"ask\",\"to\":\"good\",\"type\":\"bench/1.0/ask\","
                                "\"body\":{},\"within_ms\":20000}";
  int64_t until = hgl_mono_ns(&hgl_clock_system) + for_ms * 1000000, begin;
  int status = 0;
  while (!status && *count < SAMPLES_MAX && (begin = hgl_mono_ns(&hgl_clock_system)) < until) {
    json_t *result = NULL;
    status = hgl_child_call(child, request, TIMEOUT_MS, &result, err);
    json_decref(result);
    double ms = (double)(hgl_mono_ns(&hgl_clock_system) - begin) / 1e6;
    samples[(*count)++] = ms;
    if (ms > *longest) *longest = ms;
  }
  return status;
}

/* `attack` NULL: beside one that does nothing. Adds to the samples; *longest: of this one. */
static int measure(const struct hgl_bench *bench, const struct attack *attack, size_t index,
                   double *samples, size_t *count, double *longest, struct hgl_err *err)
{
  struct hgl_child child = {0};
  int64_t for_ms = bench->seconds * 1000 / (ATTACK_COUNT + 1);
  if (for_ms < 400) for_ms = 400;
  *longest = 0;
  int status = start_host(bench, attack, index, &child, err);
  if (!status) status = sample(&child, for_ms, samples, count, longest, err);
  if (child.data) hgl_child_stop(&child, TIMEOUT_MS);
  return status ? hgl_fail_in(err, "%s", attack ? attack->name : "nothing") : 0;
}

int hgl_bench_pause(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  double *samples = hgl_array(SAMPLES_MAX, sizeof *samples), alone = 0, longest = 0;
  json_t *by_attack = json_object();
  size_t count = 0;
  int status = samples && by_attack ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = measure(bench, NULL, 0, samples, &count, &alone, err);
  count = 0;
  for (size_t i = 0; i < ATTACK_COUNT && !status; i++) {
    double ms;
    status = measure(bench, &attacks[i], i + 1, samples, &count, &ms, err);
    if (status) break;
    if (ms > longest) longest = ms;
    json_object_set_new(by_attack, attacks[i].name, json_real(ms));
    if (bench->verbose) fprintf(stderr, "%-12s %8.2f ms\n", attacks[i].name, ms);
  }
  if (!status) {
    *out = json_pack("{s:s, s:f, s:s, s:o, s:s, s:i, s:f, s:O, s:s}", "name", "pause", "value",
                     longest, "unit", "ms", "percentiles", hgl_bench_percentiles(samples, count),
                     "percentiles_of", "questions to an agent beside a hostile one, ms", "bytes", 0,
                     "alone_max_ms", alone, "by_attack_ms", by_attack, "note",
                     "the longest wait, the answer's durable commit and its way included");
    if (!*out) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  json_decref(by_attack);
  hgl_free(samples);
  return status;
}
