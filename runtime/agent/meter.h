/* What a host measures of itself, always: some nanoseconds a message or tick. Whoever wants to know
 * what happened in a second takes the difference (dashboard/samples.c). Loop thread. */
#ifndef HGL_AGENT_METER_H
#define HGL_AGENT_METER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/histogram.h"

struct hgl_host;

enum {
  /* To read the clock takes about as long as a watcher. A prime, so that no rhythm of messages
   * agrees with it. */
  METER_WATCHING = 61,
  METER_WATCHING_MOST_NS = 1000000, /* in what takes longer, another program had the processor */
};

struct hgl_meter {
  struct hgl_histogram tick_ns;   /* of ticks that had something to commit: the loop's part */
  struct hgl_histogram commit_ns; /* from the end of a tick until what it did is durable */
  /* Of a message: from its arrival (or from when an agent here said it) until the first stretch of
   * its handler is durable. */
  struct hgl_histogram latency_ns;
  uint64_t signed_messages; /* in all signatures */
  uint64_t watched;         /* how often watchers of messages (look.h) were told of one, */
  uint64_t watching_ns;     /* and for how long, as far as one time of METER_WATCHING says */
  uint64_t restarts;        /* of agents */
};
const struct hgl_meter *hgl_host_meter(const struct hgl_host *host);

/* How it is now. */
struct hgl_host_now {
  size_t agents, awake, asleep; /* the operator's is not counted */
  size_t parked, peers, linked_peers;
  size_t mailbox;         /* messages that wait, held ones included */
  int64_t mailbox_age_ns; /* of the one that waits longest; 0: none waits */
  size_t runs;            /* suspended handlers */
  size_t timers;
  uint64_t unacknowledged; /* messages to other hosts */
  uint64_t dead_letters;
  uint64_t known_agents, known_hosts; /* of the directory */
  int64_t lua_bytes, store_bytes, journal_bytes, disk_free, disk_reserve;
  const char *held;        /* as hgl_host_held */
  int64_t commit_waits_ms; /* since the oldest tick was sealed that is not durable; 0: all are */
  size_t stopped;          /* agents, which are not among `agents` */
};
void hgl_host_now(const struct hgl_host *host, struct hgl_host_now *out);

#endif
