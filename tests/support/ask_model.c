/* ask_model ENGINE FILE OPTIONS REQUEST…: runs requests to a language model all at once. Prints for
 * each a line of JSON, {"status", "answer"}, and then {"seconds", "tokens"} of all. */
#include "support/engine_host.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print(json_t *line)
{
  char *text = json_dumps(line, JSON_COMPACT);
  puts(text ? text : "null");
  free(text);
  json_decref(line);
}

int main(int argc, char **argv)
{
  struct engine_host host;
  struct haggle_error error;
  void *model;
  if (argc < 4 || !engine_host_open(&host, argv[1])) return 2;
  if (engine_model_open(&host, argv[2], argv[3], &model, &error)) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  size_t count = (size_t)argc - 4;
  struct engine_call *calls = calloc(count + 1, sizeof *calls);
  if (!calls) return 1;
  for (size_t i = 0; i < count; i++) calls[i] = engine_call("%s", argv[4 + i]);
  double began = now_s();
  engine_run(&host, model, calls, count, count);
  double seconds = now_s() - began;
  for (size_t i = 0; i < count; i++) {
    print(json_pack("{s:i, s:s}", "status", calls[i].status, "answer", calls[i].answer));
    engine_call_free(&calls[i]);
  }
  struct haggle_model_stats stats;
  host.engine->stats(model, &stats);
  print(json_pack("{s:f, s:I}", "seconds", seconds, "tokens", (json_int_t)stats.tokens_out));
  host.engine->close(model);
  free(calls);
  return 0;
}
