/* What the parts of `haggle bench` share. A benchmark runs in a scratch folder of its own and gives
 * one JSON object: name, value, unit, percentiles, bytes; the verb adds the ceilings of the same
 * run. */
#ifndef HGL_HOST_BENCH_H
#define HGL_HOST_BENCH_H

#include <jansson.h>
#include <limits.h>

#include "host/child.h"
#include "host/node.h"

struct hgl_bench {
  const char *folder; /* scratch, removed afterwards */
  int64_t seconds;    /* how long to measure */
  int64_t entries;    /* in the journal of the host that is restarted */
  int64_t agents;     /* registered on the host whose memory is measured */
  const char *gguf;   /* a language model, for infer; or NULL */
  const char *device; /* that its models are opened on; or NULL */
  bool verbose;       /* hosts of this process log to standard error */
};

int hgl_bench_remote(const struct hgl_bench *bench, json_t **out,
                     struct hgl_err *err) HGL_NODISCARD;
int hgl_bench_local(const struct hgl_bench *bench, json_t **out, struct hgl_err *err) HGL_NODISCARD;
int hgl_bench_latency(const struct hgl_bench *bench, json_t **out,
                      struct hgl_err *err) HGL_NODISCARD;
int hgl_bench_pause(const struct hgl_bench *bench, json_t **out, struct hgl_err *err) HGL_NODISCARD;
int hgl_bench_start(const struct hgl_bench *bench, json_t **out, struct hgl_err *err) HGL_NODISCARD;
int hgl_bench_density(const struct hgl_bench *bench, json_t **out,
                      struct hgl_err *err) HGL_NODISCARD;
int hgl_bench_wake(const struct hgl_bench *bench, json_t **out, struct hgl_err *err) HGL_NODISCARD;
int hgl_bench_replay(const struct hgl_bench *bench, json_t **out,
                     struct hgl_err *err) HGL_NODISCARD;

int hgl_bench_viewers(const struct hgl_bench *bench, json_t **out,
                      struct hgl_err *err) HGL_NODISCARD;
int hgl_bench_infer(const struct hgl_bench *bench, json_t **out, struct hgl_err *err) HGL_NODISCARD;

int hgl_bench_restart(const struct hgl_bench *bench, json_t **out,
                      struct hgl_err *err) HGL_NODISCARD;
/* Starts a host on the data folder with this script, which logs "first message" from a handler, and
 * ends it: well, or with SIGKILL. *ms: from the start of the process to that line. */
int hgl_bench_first_message(const char *data, const char *script_path, bool killed, double *ms,
                            struct hgl_err *err) HGL_NODISCARD;

/* Per second, one after the other, on one core: what the machine could do at best. */
struct hgl_ceilings {
  double signatures, verifications, commits;
};
int hgl_bench_ceilings(const struct hgl_bench *bench, struct hgl_ceilings *out,
                       struct hgl_err *err) HGL_NODISCARD;

/* {p50, p90, p99, max} of the samples, which are sorted in place; NULL without memory. */
json_t *hgl_bench_percentiles(double *samples, size_t count);
/* {estimate, low, high}: what the samples say together, and an interval that holds, in 95 of 100
 * runs, what they are samples of. NULL: there are none, or no memory. */
json_t *hgl_bench_estimate(const double *samples, size_t count);
/* A file in the scratch folder. */
int hgl_bench_write(const struct hgl_bench *bench, const char *name, const char *text,
                    char path[PATH_MAX], struct hgl_err *err) HGL_NODISCARD;

#endif
