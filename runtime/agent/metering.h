/* How the host measures itself (meter.h), from within. Part of agent/internal.h. */
#ifndef HGL_AGENT_METERING_H
#define HGL_AGENT_METERING_H

#include "agent/meter.h"

struct mail;

/* When the messages came whose first stretch a tick has ended: messages of one batch came together,
 * so that a few entries say it of thousands. What exceeds them is counted with the last. */
enum { METER_ARRIVALS = 24 };
struct arrivals {
  size_t count;
  struct {
    int64_t ns; /* monotonic */
    uint32_t messages;
  } at[METER_ARRIVALS];
};

struct metering {
  struct hgl_meter meter;
  int64_t tick_ns;       /* monotonic: when this tick began */
  int64_t arrived_ns;    /* of the frame that is being routed; 0: what is routed was said here */
  struct arrivals ended; /* in this tick */
  struct mail *waiting_first, *waiting_last; /* messages in mailboxes, as they came */
  size_t waiting, runs;
  uint64_t unacknowledged;
};

/* A message waits in a mailbox, again or for the first time. */
void meter_waits(struct hgl_host *host, struct mail *mail);
/* It waits no more: consumed, or its agent goes. */
void meter_left(struct mail *mail);
/* Its first stretch was accepted. */
void meter_ended(struct hgl_host *host, const struct mail *mail);
/* The tick is over, and on its way to the store: what ended in it, and when that was. */
void meter_sealed(struct hgl_host *host, struct arrivals *ended, int64_t *sealed_ns);
/* What ended in the tick is durable, which was sealed at `sealed_ns`. */
void meter_committed(struct hgl_host *host, const struct arrivals *ended, int64_t sealed_ns);

#endif
