/* What agents did lately: a ring of events in memory, for whoever wants to know why something went
 * as it did. Writing one costs some tens of nanoseconds; the oldest give way. What was said and
 * heard stays provable in the journal, also when it is in here no more.
 *
 * Events are of one agent each. Those of one thread (thid) belong together; a thread that serves
 * another (pthid) below that one. */
#ifndef HGL_AGENT_TRACE_H
#define HGL_AGENT_TRACE_H

#include "agent/internal.h"

struct trace;

enum { TRACE_NAME_SIZE = 64, TRACE_NOTE_SIZE = 96 };

enum trace_what {
  TRACE_HEARD,   /* a message came into the mailbox, or answered a question */
  TRACE_SAID,    /* one was said, and will leave with the commit */
  TRACE_STRETCH, /* a handler ran, up to its next suspension or its end */
  TRACE_TIMER,   /* a timer was set */
  TRACE_DEAD,    /* a message or timer became a dead letter */
};

enum trace_end { TRACE_DONE, TRACE_WAITS, TRACE_RAISED };

struct trace_event {
  int64_t time_ms; /* Unix time */
  uint64_t agent;  /* its number */
  uint64_t order;  /* counts the host's events */
  uint8_t what, end;
  uint8_t attempt;       /* STRETCH */
  uint8_t waits;         /* STRETCH that WAITS: enum hgl_vm_wait_kind */
  uint16_t code;         /* DEAD */
  uint16_t said, timers; /* STRETCH: how many */
  uint32_t took_us;      /* STRETCH: of the loop's time, as far as it is known; or 0 */
  uint32_t number;       /* STRETCH: the how manieth of its handler, from 1 */
  int64_t due_ms;        /* TIMER: Unix time */
  bool has_thread, has_pthid;
  struct hgl_id id, thid, pthid; /* id: the message's */
  struct hgl_key peer;           /* HEARD: from; SAID: to; else of the message that is handled */
  char name[TRACE_NAME_SIZE];    /* type of the message, or the handler */
  char note[TRACE_NOTE_SIZE];    /* why it raised or is dead */
};

struct trace {
  struct trace_event *events;
  size_t capacity;
  uint64_t count;   /* written so far */
  uint64_t stretch; /* order of the last STRETCH, until its time is known; 0: none */
};

/* `events`: how many are kept; 0: the default; negative: none, and *out is NULL. */
int trace_create(int64_t events, struct trace **out, struct hgl_err *err) HGL_NODISCARD;
void trace_destroy(struct trace *trace); /* NULL is allowed */

void trace_heard(struct agent *agent, const struct message *message);
/* Of the stretch that has ended well, before anything is done with it. NULL: its handler is done.
 */
void trace_stretch(struct hgl_host *host, const struct hgl_vm_wait *wait);
void trace_raised(struct hgl_host *host, const char *why); /* of the stretch that is dropped */
void trace_said(struct agent *agent, const struct message *message);
void trace_timer(struct agent *agent, const struct timer_change *change);
void trace_dead(struct agent *agent, const struct mail *mail, enum hgl_code code, const char *why);
/* How long the step took in which the last stretch was. */
void trace_took(struct hgl_host *host, int64_t ns);

#endif
