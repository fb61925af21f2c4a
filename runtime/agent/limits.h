/* What one agent may take of its host: each limit, its name in a host file and its default. The
 * table in stdlib/README.md says the same in words; a test compares the two. */
#ifndef HGL_AGENT_LIMITS_H
#define HGL_AGENT_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A handler takes several times as long in a build with sanitizers. */
#if defined(__SANITIZE_ADDRESS__)
enum { HGL_SLOWNESS = 10 };
#else
enum { HGL_SLOWNESS = 1 };
#endif

enum {
  HGL_MEMORY_DEFAULT = 16 << 20,
  HGL_STATE_DEFAULT = 64 << 20,
  HGL_STRETCH_MS_DEFAULT = 10,
  HGL_TOP_LEVEL_MS_LEAST = 500, /* the top level, which runs once, is given at least this */
  HGL_HANDLERS_DEFAULT = 1000,
  HGL_MAILBOX_COUNT_DEFAULT = 16384,
  HGL_MAILBOX_BYTES_DEFAULT = 64 << 20,
  HGL_TIMERS_DEFAULT = 1000,
  HGL_TIMER_BYTES_DEFAULT = 1 << 20,
  HGL_DIALOGUES_DEFAULT = 100000,
  HGL_DIALOGUES_PER_PEER_DEFAULT = 1000,
  HGL_MESSAGES_DEFAULT = 20000,
  HGL_OUTBOX_BYTES_DEFAULT = 32 << 20,
  HGL_CALLS_DEFAULT = 32,
  HGL_CALLS_PER_SECOND_DEFAULT = 100,
  HGL_REQUESTS_DEFAULT = 64,
  HGL_LOG_LINES_DEFAULT = 1000,
  HGL_LOG_BYTES_DEFAULT = 256 << 10,
};

/* Zero: the default. */
struct hgl_agent_limits {
  int64_t memory_bytes;  /* of the Lua state and what of `state` and `cache` is in memory */
  int64_t state_bytes;   /* stored */
  int64_t stretch_ms;    /* processor time of one stretch, measured where there is a watchdog */
  int64_t instructions;  /* of one stretch; 0: not counted */
  int64_t runs_max;      /* handlers that wait */
  int64_t mailbox_count; /* messages waiting */
  int64_t mailbox_bytes; /* of them */
  int64_t mailbox_per_sender;       /* messages of one sender; 0: half of all */
  int64_t mailbox_bytes_per_sender; /* of them; 0: half of all */
  int64_t timers;                   /* set, schedules among them */
  int64_t timer_bytes;              /* of their values */
  int64_t dialogues;                /* open */
  int64_t dialogues_per_peer;       /* of them with one peer */
  int64_t messages;                 /* said in a second */
  int64_t outbox_bytes;             /* said to other hosts and not acknowledged */
  int64_t calls;                    /* to the outside that go on */
  int64_t calls_per_second;         /* of them */
  int64_t requests;                 /* by HTTP that wait for an answer */
  int64_t log_lines;                /* written in a second */
  int64_t log_bytes;                /* of them */
};

enum hgl_limit_kind {
  HGL_LIMIT_COUNT,
  HGL_LIMIT_SIZE,     /* bytes */
  HGL_LIMIT_DURATION, /* ms */
};

struct hgl_limit {
  const char *name; /* in the host file */
  enum hgl_limit_kind kind;
  size_t offset;  /* in struct hgl_agent_limits */
  int64_t usual;  /* the default; 0: none, or half of: */
  const char *of; /* another limit's name, or NULL */
};

extern const struct hgl_limit hgl_limit_list[];
extern const size_t hgl_limit_count;

/* The field of `limits` that `limit` is about. */
int64_t *hgl_limit_field(struct hgl_agent_limits *limits, const struct hgl_limit *limit);
/* Puts the default in the place of every zero. */
void hgl_limits_complete(struct hgl_agent_limits *limits);

/* So many a second, and no more than a second's worth at once. Zero-initialised: full. */
struct hgl_bucket {
  int64_t taken; /* thousandths */
  int64_t at_ms; /* when that was so, monotonic */
};

/* How many may be taken now. `rate`: a second. */
int64_t hgl_bucket_left(struct hgl_bucket *bucket, int64_t rate, int64_t now_ms);
/* Takes them, even where fewer are left: then it is empty. */
void hgl_bucket_take(struct hgl_bucket *bucket, int64_t rate, int64_t now_ms, int64_t count);

#endif
