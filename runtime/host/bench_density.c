/* How many agents fit into a GiB: a host with many instances of one script, and its memory. Live
 * ones have their Lua state, registered ones sleep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/bench.h"

enum { AGENTS = 5000, READY_MS = 3600000 };

static const char minimal[] =
    "agent.on('echo/1.0/say', function(message) message:reply('said', message.body) end)\n";

static const struct kind {
  const char *name, *script, *hibernate;
} kinds[] = {
    {"minimal", minimal, "after = 'never', above = 'never'"},
    {"registered", minimal, "after = '1s', above = '64MB'"},
    {"market",
     "local market = require 'haggle.market'\n"
     "market.sell { service = 'bench', asking = 5, floor = 3,\n"
     "  deliver = function() return { reading = 1 } end }\n",
     "after = 'never', above = 'never'"},
};
enum { LIVE, REGISTERED, MARKET, KIND_COUNT = sizeof kinds / sizeof *kinds };

/* Its own memory, resident; the pages of the data file that are mapped are the kernel's. */
static int read_memory(pid_t pid, double *bytes, struct hgl_err *err)
{
  static const char field[] = "RssAnon:";
  char path[64], line[256];
  unsigned long long kib = 0;
  snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
  FILE *file = fopen(path, "r");
  if (!file) return hgl_fail(err, HGL_IO, "cannot read %s", path);
  while (!kib && fgets(line, sizeof line, file))
    if (strncmp(line, field, sizeof field - 1) == 0)
      kib = strtoull(line + sizeof field - 1, NULL, 10);
  fclose(file);
  *bytes = (double)kib * 1024;
  return kib ? 0 : hgl_fail(err, HGL_IO, "%s names no RssAnon", path);
}

/* Until it answers and, if they are to sleep, all of them do. */
static int wait_for_rest(struct hgl_child *child, bool asleep, struct hgl_err *err)
{
  const struct timespec pause = {0, 100000000};
  for (;;) {
    json_t *answer = NULL;
    int status = hgl_child_call(child, "{\"call\":\"describe\"}", 600000, &answer, err);
    if (status) return status;
    json_int_t awake = json_integer_value(json_object_get(answer, "awake"));
    json_decref(answer);
    if (!asleep || !awake) return 0;
    nanosleep(&pause, NULL);
  }
}

static int measure(const struct hgl_bench *bench, const struct kind *kind, int64_t agents,
                   double *bytes, struct hgl_err *err)
{
  char script[PATH_MAX], config[PATH_MAX], data[PATH_MAX], text[PATH_MAX + 256];
  struct hgl_child child = {0};
  snprintf(text, sizeof text, "%s.lua", kind->name);
  int status = hgl_bench_write(bench, text, kind->script, script, err);
  if (status) return status;
  snprintf(
      text, sizeof text,
      "return { hibernate = { %s }, agents = { { name = '%s', script = '%s', count = %lld } } }\n",
      kind->hibernate, kind->name, script, (long long)agents);
  if ((status = hgl_bench_write(bench, "host.lua", text, config, err))) return status;
  const char *arguments[] = {"--config", config, "--listen", "127.0.0.1:0", NULL};
  snprintf(data, sizeof data, "%s/%s", bench->folder, kind->name);
  status = hgl_child_start(&child, data, arguments, err);
  if (!status) status = hgl_child_wait_ready(&child, READY_MS, err);
  if (!status) status = wait_for_rest(&child, kind == &kinds[REGISTERED], err);
  if (!status) status = read_memory(child.pid, bytes, err);
  if (child.data) hgl_child_stop(&child, 20000);
  return status;
}

int hgl_bench_density(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  const double gib = 1024.0 * 1024 * 1024;
  double bytes[KIND_COUNT];
  for (int i = 0; i < KIND_COUNT; i++) {
    int status = measure(bench, &kinds[i], i == REGISTERED ? bench->agents : AGENTS, &bytes[i],
                         err);
    if (status) return status;
  }
  *out = json_pack("{s:s, s:f, s:s, s:i, s:f, s:f, s:I, s:f, s:f, s:i, s:s}", "name", "density",
                   "value", AGENTS * gib / bytes[LIVE], "unit", "agents/GiB", "agents", AGENTS,
                   "bytes_per_agent", bytes[LIVE] / AGENTS, "market_agents_per_gib",
                   AGENTS * gib / bytes[MARKET], "registered_agents", (json_int_t)bench->agents,
                   "registered_agents_per_gib", (double)bench->agents * gib / bytes[REGISTERED],
                   "bytes_per_registered_agent", bytes[REGISTERED] / (double)bench->agents, "bytes",
                   0, "note",
                   "live isolated agents with a minimal script; registered ones sleep; the host's "
                   "own memory included");
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}
