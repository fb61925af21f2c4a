/* What waits for an agent: its mails, and their rows in MAILBOX. Part of agent/internal.h. */
#ifndef HGL_AGENT_MAILS_H
#define HGL_AGENT_MAILS_H

#include "base/buf.h"
#include "protocol/crypto.h"

struct hgl_host;
struct agent;
struct line;
struct message;
struct timer;
struct hgl_http_wait;

enum mail_kind {
  MAIL_MESSAGE,
  MAIL_UNDELIVERED,
  MAIL_TIMER,
  MAIL_START,
  MAIL_UPGRADE,
  MAIL_STOP,
  MAIL_CONTINUE, /* a handler ended with agent.continue */
  MAIL_CONSOLE,  /* a line of the operator's (console.c) */
  MAIL_HTTP,     /* a request (agent/http.h): in no row until its handler has begun */
};

struct mail {
  struct mail *next;
  struct mail *next_new, *previous_new; /* in the host's new mails: to be given a row */
  struct agent *agent;                  /* whose it is; NULL: only looked at */
  enum mail_kind kind;
  struct message *message; /* MESSAGE, UNDELIVERED */
  struct timer *timer;     /* TIMER; borrowed */
  enum hgl_code code;      /* UNDELIVERED */
  char *why; /* UNDELIVERED; START: the reason; TIMER, when it has fired, CONTINUE, HTTP: name */
  struct hgl_buf *value;      /* CONTINUE: encoded, or empty; CONSOLE: the line, encoded; HTTP: what
                                 came,      until it begins */
  struct line *line;          /* CONSOLE: whoever waits for it, or NULL */
  struct hgl_http_wait *http; /* HTTP: who waits for the answer; NULL: nobody */
  bool takes_place;           /* HTTP, until it is consumed: of so many bytes */
  size_t place_size;
  int64_t from_version, to_version;             /* UPGRADE */
  int attempt;                                  /* 1 for the first */
  uint64_t row;                                 /* in MAILBOX; 0: only in memory so far */
  int64_t arrived_ns;                           /* MESSAGE: monotonic; see metering.h */
  struct mail *waiting_next, *waiting_previous; /* MESSAGE, while it waits: of the host's */
  bool waits;
};

struct mail_queue {
  struct mail *first, *last;
  size_t count, bytes;
};

void mail_queue_push(struct mail_queue *queue, struct mail *mail);
void mail_queue_push_front(struct mail_queue *queue, struct mail *mail);
struct mail *mail_queue_pop(struct mail_queue *queue);
void mail_destroy(struct mail *mail); /* its row, if any, stays */
int mail_set_value(struct mail *mail, struct hgl_bytes value, struct hgl_err *err) HGL_NODISCARD;

/* ---- mailbox.c ---- */

/* Whether one more message from `from` of `size` bytes fits. */
int mailbox_admit(struct agent *agent, const struct hgl_key *from, size_t size,
                  struct hgl_err *err) HGL_NODISCARD;
/* Queues a message (held) for the agent. */
int mailbox_deliver(struct agent *agent, struct message *message,
                    struct hgl_err *err) HGL_NODISCARD;
/* Tells the sending agent that its message was not delivered; if its mailbox has room. */
int mailbox_undelivered(struct agent *agent, struct message *message, enum hgl_code code,
                        const char *why, struct hgl_err *err) HGL_NODISCARD;
/* Queues the mail, which is the agent's from here on. */
void mailbox_push(struct agent *agent, struct mail *mail);
void mailbox_push_first(struct agent *agent, struct mail *mail);
/* Takes what waits of on_start and on_upgrade out of the queue. */
void mailbox_drop_beginnings(struct agent *agent);
/* The mail has been dealt with: its row goes, its place is free. The mail itself stays the
 * caller's. */
void mailbox_consume(struct agent *agent, struct mail *mail);
/* At the end of the tick: rows for what waits and has none. */
int mailbox_persist(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
int mailbox_load(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
int mail_encode(struct hgl_host *host, const struct mail *mail, struct hgl_buf *out,
                struct hgl_err *err) HGL_NODISCARD;
int mail_decode(struct hgl_bytes bytes, struct mail **out, struct hgl_err *err) HGL_NODISCARD;

#endif
