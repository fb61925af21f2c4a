/* What happened in each of the latest seconds, in numbers: taken always, so that whoever begins to
 * look has a history. */
#ifndef HGL_DASHBOARD_SAMPLES_H
#define HGL_DASHBOARD_SAMPLES_H

#include "agent/meter.h"
#include "dashboard/feed.h"

enum { SAMPLES_KEPT = 600 };

struct sample {
  int64_t time_ms; /* Unix time, at its end */
  /* within the second (or what it took longer, when the loop was busy) */
  uint32_t received, sent, handled, refused, raised, dead, deals, commits, signatures,
      verifications, restarts;
  double commit_messages, signature_messages; /* mean size */
  double commit_p50_ms, commit_p99_ms, latency_p50_ms, latency_p99_ms, tick_p50_ms, tick_p99_ms;
  double cpu; /* of one core */
  /* at its end */
  struct hgl_host_now now;
  int64_t rss_bytes;
};

struct samples {
  struct hgl_feed_config config;
  struct sample *ring;
  uint64_t count;                /* taken so far */
  int64_t due_ns, taken_ns;      /* monotonic */
  struct hgl_host_counts counts; /* as of the latest */
  uint64_t commits;
  struct hgl_feed_usage usage;
  struct hgl_meter meter;
};

int samples_init(struct samples *samples, const struct hgl_feed_config *config,
                 struct hgl_err *err) HGL_NODISCARD;
void samples_deinit(struct samples *samples);
/* If one is due: it, else NULL. */
const struct sample *samples_take(struct samples *samples);
int64_t samples_deadline(const struct samples *samples); /* monotonic ns */
/* The one of this number, from 0 on; NULL: it is not kept any more, or not taken yet. */
const struct sample *samples_at(const struct samples *samples, uint64_t number);
/* A new reference; NULL: no memory. */
json_t *sample_json(const struct sample *sample);

#endif
