/* The messages of one dialogue, from wherever they are known: the trace, the evidence that its deal
 * keeps, the journal. */
#ifndef HGL_AGENT_ENTRIES_H
#define HGL_AGENT_ENTRIES_H

#include "agent/threads.h"

enum { ENTRIES_MAX = 500 }; /* the latest; a message takes some 200 bytes in here */

struct entry {
  struct hgl_id id;
  bool said; /* by the dialogue's agent */
  bool here; /* the recipient is of this host: `state` is what became of it there */
  int64_t time_ms;
  uint64_t row; /* in JOURNAL; 0: not signed yet, or `kept` */
  uint64_t order;
  uint32_t index;
  uint32_t size;
  const char *state; /* "said", "heard", "handled", …; of `said` ones, when the journal is asked */
  enum hgl_code code; /* HGL_OK: none */
  const char *note;   /* why, in the trace; or NULL */
  bool kept;          /* its evidence is in EVIDENCE */
  char type[TRACE_NAME_SIZE];
};

struct entries {
  struct hgl_host *host;
  const struct thread *thread;
  struct entry *items; /* in the order in which they were said */
  size_t count, capacity;
  size_t left_out;         /* older ones */
  struct trace_event told; /* what those say that the trace has no more: price, service, why */
};

void entries_init(struct entries *entries, struct hgl_host *host, const struct thread *thread);
void entries_deinit(struct entries *entries);
/* Of the trace. */
int entries_of_trace(struct entries *entries, struct hgl_err *err) HGL_NODISCARD;
/* Those that the record of the deal names, and of which the evidence is kept. */
int entries_of_deal(struct entries *entries, const struct deal *deal,
                    struct hgl_err *err) HGL_NODISCARD;
/* Those in the latest part of the journal: reads up to 32 MiB. */
int entries_of_journal(struct entries *entries, struct hgl_err *err) HGL_NODISCARD;
/* In their order, the latest ENTRIES_MAX. After the last that adds. */
void entries_settle(struct entries *entries);

#endif
