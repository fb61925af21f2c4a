/* From starting the process to the first message handled by an agent, on a fresh data folder. */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/seam.h"
#include "host/bench.h"

enum { STARTS = 15, TIMEOUT_MS = 20000 };

static const char script[] =
    "agent.on('bench/1.0/hello', function() log.info('first message') end)\n"
    "agent.on_start(function()\n"
    "  agent.send(agent.name, 'bench/1.0/hello', {})\n"
    "end)\n";

static bool log_says(const char *path, const char *text)
{
  char content[4096];
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  size_t size = fread(content, 1, sizeof content, file);
  fclose(file);
  return memmem(content, size, text, strlen(text)) != NULL;
}

int hgl_bench_first_message(const char *data, const char *script_path, bool killed, double *ms,
                            struct hgl_err *err)
{
  const struct timespec pause = {0, 200000};
  const char *arguments[] = {script_path, "--listen", "127.0.0.1:0", NULL};
  struct hgl_child child = {0};
  char log_path[PATH_MAX];
  snprintf(log_path, sizeof log_path, "%s/host.log", data);
  unlink(log_path); /* of the start before */
  int64_t begin = hgl_mono_ns(&hgl_clock_system);
  int status = hgl_child_start(&child, data, arguments, err);
  while (!status && !log_says(child.log_path, "first message")) {
    nanosleep(&pause, NULL);
    if (!hgl_child_alive(&child))
      status = hgl_fail(err, HGL_CLOSED, "the host ended before its first message");
    else if (hgl_mono_ns(&hgl_clock_system) - begin > TIMEOUT_MS * 1000000LL)
      status = hgl_fail(err, HGL_TIMEOUT, "no message after %d ms", TIMEOUT_MS);
  }
  *ms = (double)(hgl_mono_ns(&hgl_clock_system) - begin) / 1e6;
  if (killed && child.pid > 0) kill(child.pid, SIGKILL);
  if (child.data) hgl_child_stop(&child, 10000);
  return status;
}

static int start_once(const struct hgl_bench *bench, int index, const char *script_path, double *ms,
                      struct hgl_err *err)
{
  char data[PATH_MAX];
  snprintf(data, sizeof data, "%s/start-%d", bench->folder, index);
  return hgl_bench_first_message(data, script_path, false, ms, err);
}

int hgl_bench_start(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  double samples[STARTS];
  char path[PATH_MAX];
  int status = hgl_bench_write(bench, "first.lua", script, path, err);
  for (int i = 0; i < STARTS && !status; i++) status = start_once(bench, i, path, &samples[i], err);
  if (status) return status;
  json_t *percentiles = hgl_bench_percentiles(samples, STARTS);
  *out = json_pack("{s:s, s:f, s:s, s:o, s:s, s:i, s:s}", "name", "start", "value",
                   samples[STARTS / 2], "unit", "ms", "percentiles", percentiles, "percentiles_of",
                   "process start to first message handled, ms", "bytes", 0, "note",
                   "with a fresh data folder: keys, store and listener are made on the way");
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}
