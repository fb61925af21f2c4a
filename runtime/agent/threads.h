/* Dialogues as the trace tells them: its events gathered by thread, and what became of each.
 *
 * A dialogue is a thread between two agents. Where both are of this host it is one all the same:
 * the events of both tell it. It is seen from one of them, its `agent`, which is here; unless one
 * is asked for, from the one whose event came first, as a rule the one that opened it.
 *
 * One pass goes through the whole ring, whose size bounds it; nothing is kept between two. */
#ifndef HGL_AGENT_THREADS_H
#define HGL_AGENT_THREADS_H

#include "agent/trace.h"

/* Of events their orders stand here, 0: there is none. */
struct thread {
  struct hgl_id thid, pthid;
  struct hgl_key agent, peer;
  bool has_pthid;
  bool whole; /* its first message is there; else older events have given way */
  int64_t opened_ms, last_ms;
  uint64_t last;
  uint32_t messages;
  uint64_t typed;                     /* the first that names its protocol */
  uint64_t said_last;                 /* the latest message, whoever said it */
  uint64_t unhandled;                 /* the latest that was heard and no handler has had */
  uint64_t priced, served, explained; /* messages that tell a price, a service, why it ended */
  uint64_t trouble;                   /* what went wrong and has not been made good since */
};

struct threads {
  struct hgl_host *host;
  struct thread *items;
  size_t count, capacity;
  uint32_t *slots; /* a hash table of items, index + 1 */
  size_t slot_count;
};

/* What is looked for; NULL: any. Borrowed. */
struct threads_wanted {
  const struct hgl_key *agent, *peer;
  const struct hgl_id *thid;
};

/* Whether this event is of a thread that is looked for. */
bool threads_want(const struct threads_wanted *wanted, const struct trace_event *event);
/* Gathers them, in the order of their first events. After a failure, too, threads_deinit. */
int threads_gather(struct hgl_host *host, const struct threads_wanted *wanted,
                   struct threads *threads, struct hgl_err *err) HGL_NODISCARD;
void threads_deinit(struct threads *threads);
/* The one that this event is of; NULL: it is not among them. */
const struct thread *threads_find(const struct threads *threads, const struct trace_event *event);
/* They in the order of their latest events, the newest first: *order, of threads->count items, is
 * the caller's to free. */
int threads_by_last(const struct threads *threads, uint32_t **order,
                    struct hgl_err *err) HGL_NODISCARD;

/* ---- thread_outcome.c ---- */

enum thread_state { THREAD_OPEN, THREAD_ENDED, THREAD_FAILED };
extern const char *const thread_states[]; /* "open", … */

struct outcome {
  enum thread_state state;
  const char *cause;  /* "refused", "dead_letter", …; or NULL */
  struct hgl_buf why; /* in words; empty: there is nothing to be said */
};
/* The deal that a thread has come to, as its record says. */
struct deal {
  struct agent *keeper; /* NULL: there is none */
  struct hgl_buf row;
  struct hgl_bytes record; /* in `row` */
};
/* Reads the record of a deal that is named after the thread, from either side. */
int thread_deal(struct hgl_host *host, const struct thread *thread, struct deal *out,
                struct hgl_err *err) HGL_NODISCARD;
void thread_deal_deinit(struct deal *deal);
/* A text of the record; size 0: it has none of this name. */
struct hgl_bytes deal_text(const struct deal *deal, const char *name);

int thread_judge(struct hgl_host *host, const struct thread *thread, const struct deal *deal,
                 struct outcome *out, struct hgl_err *err) HGL_NODISCARD;
void outcome_deinit(struct outcome *outcome);
/* "market/1.0/bid has not been acknowledged by the host …8QrzJUqR, which is not linked".
 * `destination`: that host; NULL: it has not been signed yet. */
void thread_put_under_way(struct hgl_host *host, const char *type,
                          const struct hgl_key *destination, struct hgl_buf *out);

/* ---- thread_show.c ---- */

/* As CONTROL.md has an entry of `dialogues`. NULL: no memory. */
json_t *thread_show(struct hgl_host *host, const struct thread *thread, const struct deal *deal,
                    const struct outcome *outcome);
/* The definition of the dialogue's protocol, from whoever of the two is here and declares it;
 * NULL: nobody. */
const struct hgl_definition *thread_definition(struct hgl_host *host, const struct thread *thread);

#endif
