/* What happened in the worlds of a run of specs, as text: every message, log line, deal and dead
 * letter when it happened, and what each agent has in its state and which timers are set in the
 * end. Each line begins with the number of its world, for worlds end when their garbage is
 * collected: put in this order, two traces of the same specs are the same. */
#ifndef HGL_HOST_TEST_TRACE_H
#define HGL_HOST_TEST_TRACE_H

#include <stdio.h>

#include "agent/host.h"

struct hgl_trace {
  FILE *file;
  int worlds; /* so far */
};

/* Of one world; part of it. */
struct hgl_traced {
  struct hgl_trace *trace; /* NULL: nothing is written */
  int number;
  const struct hgl_clock *clock;
};

void hgl_trace_begin(struct hgl_traced *traced, struct hgl_trace *trace,
                     const struct hgl_clock *clock);
/* What a watcher of one of its hosts was told. */
void hgl_trace_event(const struct hgl_traced *traced, const char *kind, const json_t *object);
/* Of each of its hosts' stores, at the world's end. */
void hgl_trace_end(const struct hgl_traced *traced, struct hgl_store *store);

#endif
