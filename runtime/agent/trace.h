/* What agents did lately: a ring of events in memory, for whoever wants to know why something went
 * as it did. Writing one costs some tens of nanoseconds; the oldest give way. What was said and
 * heard stays provable in the journal, also when it is in here no more: an event of a message knows
 * its place there (row and index), so that its body is read without looking for it.
 *
 * Events are of one agent each. Those of one thread (thid) belong together; a thread that serves
 * another (pthid) below that one. What threads come to is in threads.c. */
#ifndef HGL_AGENT_TRACE_H
#define HGL_AGENT_TRACE_H

#include "agent/internal.h"

struct trace;

enum {
  TRACE_NAME_SIZE = 64,
  TRACE_NOTE_SIZE = 192,
  TRACE_TROUBLES = 512, /* kept when they leave the ring: what failed is asked for later */
};

enum trace_what {
  TRACE_HEARD,       /* a message came into the mailbox, or answered a question */
  TRACE_SAID,        /* one was said, and will leave with the commit */
  TRACE_STRETCH,     /* a handler ran, up to its next suspension or its end */
  TRACE_TIMER,       /* a timer was set */
  TRACE_DEAD,        /* a message or timer became a dead letter */
  TRACE_UNDELIVERED, /* what it said did not arrive, which it has been told */
  TRACE_REFUSED,     /* what came for it was not let in */
  TRACE_HELD,        /* what it said found a full mailbox, and is said again */
  TRACE_TIMEOUT,     /* a question of its was not answered in time */
  TRACE_EXPIRED,     /* a dialogue of its was forgotten, after its deadline */
  TRACE_PARKED,      /* a handler cannot go on: the operator decides */
};

enum trace_end { TRACE_DONE, TRACE_WAITS, TRACE_RAISED };

struct trace_event {
  int64_t time_ms;      /* Unix time */
  struct hgl_key agent; /* whose it is */
  uint64_t order;       /* counts the host's events */
  uint8_t what, end;
  uint8_t attempt;       /* STRETCH */
  uint8_t waits;         /* STRETCH that WAITS: enum hgl_vm_wait_kind */
  uint16_t code;         /* DEAD, UNDELIVERED, REFUSED */
  uint16_t said, timers; /* STRETCH: how many */
  uint32_t took_us;      /* STRETCH: of the loop's time, as far as it is known; or 0 */
  uint32_t number;       /* STRETCH: the how manieth of its handler, from 1 */
  int64_t due_ms;        /* TIMER: Unix time */
  bool has_thread, has_pthid;
  uint8_t tells;                 /* HEARD, SAID: enum trace_tells */
  uint32_t size;                 /* of a message's envelope */
  uint32_t index;                /* of a message in its group */
  uint64_t row;                  /* of its group in JOURNAL; of DEAD in DEAD; 0: none yet */
  int64_t price;                 /* if it tells one */
  struct hgl_id id, thid, pthid; /* id: the message's */
  struct hgl_key peer;           /* HEARD: from; SAID: to; else of the message that is handled */
  char name[TRACE_NAME_SIZE];    /* type of the message, or the handler */
  char note[TRACE_NOTE_SIZE];    /* why it raised, is dead, …; of a message: what it tells */
};

/* What a message tells of itself, as far as it is of market/1.0 or a refusal. */
enum trace_tells {
  TRACE_PRICE = 1,
  TRACE_SERVICE = 2, /* in `note` */
  TRACE_WHY = 4,     /* in `note`: it ends the dialogue, and says why */
  TRACE_REFUSES = 8, /* it is a refusal */
};

struct trace {
  struct trace_event *events;
  struct trace_event *troubles; /* a ring of TRACE_TROUBLES that left the other */
  size_t capacity;
  uint64_t trouble_count; /* so far */
  uint64_t count;         /* written so far */
  uint64_t stretch;       /* order of the last STRETCH, until its time is known; 0: none */
};

/* `events`: how many are kept; 0: the default; negative: none, and *out is NULL. */
int trace_create(int64_t events, struct trace **out, struct hgl_err *err) HGL_NODISCARD;
void trace_destroy(struct trace *trace); /* NULL is allowed */

void trace_heard(struct agent *agent, struct message *message);
/* Of the stretch that has ended well, before anything is done with it. NULL: its handler is done.
 */
void trace_stretch(struct hgl_host *host, const struct hgl_vm_wait *wait);
void trace_raised(struct hgl_host *host, const char *why); /* of the stretch that is dropped */
void trace_said(struct agent *agent, struct message *message);
/* It has its place in the journal now. */
void trace_sealed(struct hgl_host *host, const struct message *message, uint64_t row);
void trace_undelivered(struct agent *agent, const struct message *message, enum hgl_code code,
                       const char *why);
void trace_refused(struct agent *agent, struct message *message, enum hgl_code code,
                   const char *why);
void trace_held(struct agent *agent, struct message *message);
/* `parent`: the thread of the handler that asked, or NULL. */
void trace_timeout(struct agent *agent, const struct hgl_id *thid, const struct hgl_key *peer,
                   const struct hgl_id *parent);
void trace_expired(struct agent *agent, const struct hgl_key *peer, const struct hgl_id *thid);
void trace_parked(struct agent *agent, const struct mail *mail, const char *why);
void trace_timer(struct agent *agent, const struct timer_change *change);
/* `row`: of the dead letter. */
void trace_dead(struct agent *agent, const struct mail *mail, enum hgl_code code, const char *why,
                uint64_t row);
/* How long the step took in which the last stretch was. */
void trace_took(struct hgl_host *host, int64_t ns);

/* ---- trace_tells.c ---- */

/* Fills price, note and `tells`. */
void trace_read_body(struct trace_event *event, const struct hgl_envelope *envelope);
/* What does not fit is cut at a character's border. */
void trace_put_text(char *out, size_t size, struct hgl_bytes text);

/* ---- trace_show.c ---- */

/* The event as CONTROL.md has it. NULL: no memory. */
json_t *trace_show(struct hgl_host *host, const struct trace_event *event);
/* The oldest that is still there; 0: none. Orders are those from here up to trace->count. */
uint64_t trace_oldest(const struct trace *trace);
/* One that is there, or that is known to have been kept. */
const struct trace_event *trace_event(const struct trace *trace, uint64_t order);
/* Those that were kept, then all that are there, by index: in the order in which they happened.
 * NULL: a host without a trace. */
size_t trace_known(const struct trace *trace);
const struct trace_event *trace_at(const struct trace *trace, size_t index);

#endif
