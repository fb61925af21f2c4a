/* engine_host.h: a host for one engine, in a test: opens models, runs requests, keeps what it is
 * told. */
#ifndef HGL_TESTS_ENGINE_HOST_H
#define HGL_TESTS_ENGINE_HOST_H

#include "infer/haggle_infer.h"

#include <stdbool.h>

/* A request to a language model, and what became of it. */
struct engine_call {
  char *text; /* from malloc */
  int64_t deadline_ns;
  int cancel_after; /* pieces of the answer; 0: never */
  int late_after;   /* the same, of its deadline */
  bool over_at_once;
  int status;   /* -1: none */
  char *answer; /* or the message */
  char *pieces; /* what was streamed */
  int piece_count;
  int place; /* among those that were finished: 1 is the first */
  struct haggle_request request;
};

struct engine_host {
  struct haggle_host host;
  void *library;
  const struct haggle_engine *engine;
  char log[4096]; /* the last warnings */
};

/* The path of an engine's library; NULL when it is not there. */
bool engine_host_open(struct engine_host *host, const char *path);

/* The same of an engine that is part of the program. */
void engine_host_use(struct engine_host *host, haggle_engine_function *function);

/* `options`: "context=64,parallel=4", or NULL. Without a device among them it is the one that the
 * environment's HAGGLE_TEST_DEVICE names. */
int engine_model_open(struct engine_host *host, const char *file, const char *options, void **model,
                      struct haggle_error *error);

/* A call of this text, put together as by printf. */
struct engine_call engine_call(const char *format, ...) __attribute__((format(printf, 1, 2)));
void engine_call_free(struct engine_call *call);

/* Runs them: the first `at_once` are given, the others taken. */
void engine_run(struct engine_host *host, void *model, struct engine_call *calls, size_t count,
                size_t at_once);

#endif
