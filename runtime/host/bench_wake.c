/* How long it takes to wake an agent: a host of this process whose agents all sleep, and one
 * message at a time for one of them. Beside it the same for an agent that is awake. */
#include <stdio.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/bench.h"

enum { AGENTS = 2000, SAMPLES_MAX = 20000, AT_REST_MS = 1000, TIMEOUT_MS = 60000 };

static const char script[] =
    "agent.on('bench/1.0/count', function() state.n = (state.n or 0) + 1 end)\n";

struct rig {
  struct hgl_signer *signer;
  struct hgl_store *store;
  struct hgl_chunks *chunks;
  struct hgl_watchdog *watchdog;
  struct hgl_random_buffered buffered;
  struct hgl_random random;
  struct hgl_host *host;
  struct hgl_err failure;
  bool failed;
};

static void nothing(void *user) {}

static void fail(void *user, const struct hgl_err *why)
{
  struct rig *rig = user;
  rig->failed = true;
  rig->failure = *why;
}

static int agent_signer(void *user, const char *agent, struct hgl_signer **out, struct hgl_err *err)
{
  struct hgl_bytes name = hgl_text(agent);
  struct hgl_hash seed;
  hgl_sha256(&name, 1, &seed);
  return hgl_signer_create(seed.bytes, out, err);
}

static int open_host(struct rig *rig, struct hgl_err *err)
{
  const struct hgl_host_config config = {
      .signer = rig->signer,
      .store = rig->store,
      .clock = &hgl_clock_system,
      .random = &rig->random,
      .log = &hgl_log_none,
      .transport = hgl_transport_none,
      .keys = {.signer = agent_signer},
      .stdlib_folder = "",
      .watchdog = rig->watchdog,
      .chunks = rig->chunks,
      .hibernate_ms = AT_REST_MS,
      .request_tick = nothing,
      .fatal = fail,
      .user = rig,
  };
  struct hgl_agent_config people = {.name = "operator"};
  int status = hgl_host_create(&config, &rig->host, err);
  if (!status) status = hgl_host_add_agent(rig->host, &people, err);
  for (int i = 0; i < AGENTS && !status; i++) {
    char name[32];
    snprintf(name, sizeof name, "agent-%d", i);
    struct hgl_agent_config agent = {
        .name = name, .script_path = "bench.lua", .source = hgl_text(script)};
    status = hgl_host_add_agent(rig->host, &agent, err);
  }
  return status;
}

static int open_rig(struct rig *rig, const struct hgl_bench *bench, struct hgl_err *err)
{
  char folder[PATH_MAX];
  uint8_t seed[HGL_SEED_SIZE];
  snprintf(folder, sizeof folder, "%s/wake", bench->folder);
  struct hgl_store_config store = {
      .folder = folder, .clock = &hgl_clock_system, .log = &hgl_log_none};
  rig->random = hgl_random_from_source(&rig->buffered, &hgl_random_system);
  hgl_random_fill(&rig->random, seed, sizeof seed);
  int status;
  if ((status = hgl_signer_create(seed, &rig->signer, err)) ||
      (status = hgl_store_open(&store, &rig->store, err)) ||
      (status = hgl_chunks_create(&rig->chunks, err)) ||
      (status = hgl_watchdog_create(&rig->watchdog, err)))
    return status;
  return open_host(rig, err);
}

static void close_rig(struct rig *rig)
{
  hgl_host_destroy(rig->host);
  hgl_watchdog_destroy(rig->watchdog);
  hgl_chunks_destroy(rig->chunks);
  hgl_store_close(rig->store);
  hgl_signer_destroy(rig->signer);
}

/* Ticks until all that was begun is done and durable. */
static int settle(struct rig *rig, struct hgl_err *err)
{
  int64_t until = hgl_mono_ns(&hgl_clock_system) + TIMEOUT_MS * 1000000LL;
  do {
    int status = hgl_store_drain(rig->store, TIMEOUT_MS, err);
    if (status) return status;
    hgl_host_tick(rig->host);
    if (rig->failed) return hgl_fail(err, rig->failure.code, "%s", rig->failure.message);
    if (hgl_mono_ns(&hgl_clock_system) > until)
      return hgl_fail(err, HGL_TIMEOUT, "the host does not come to rest");
  } while (!hgl_host_idle(rig->host));
  return 0;
}

static int sleep_all(struct rig *rig, struct hgl_err *err)
{
  for (int64_t awake = 1; awake;) {
    json_t *host;
    int status = settle(rig, err);
    if (!status) status = hgl_host_describe(rig->host, &host, err);
    if (status) return status;
    awake = json_integer_value(json_object_get(host, "awake"));
    json_decref(host);
  }
  return 0;
}

struct samples {
  double *waking, *handling; /* us: until it has its Lua state; of the ticks in which it handles the
                                message, commits left out */
  size_t count;
};

static int sample(struct rig *rig, int agent, struct samples *samples, struct hgl_err *err)
{
  char name[32];
  struct hgl_id id;
  struct hgl_host_counts before = hgl_host_counts(rig->host);
  snprintf(name, sizeof name, "agent-%d", agent);
  int status = hgl_host_send(rig->host, name, "bench/1.0/count", hgl_bytes("\xa0", 1), 0, NULL,
                             NULL, &id, err);
  if (status) return status;
  int64_t start = hgl_mono_ns(&hgl_clock_system);
  hgl_host_tick(rig->host);
  hgl_host_tick(rig->host); /* what is said in one tick is handled in the next */
  double us = (double)(hgl_mono_ns(&hgl_clock_system) - start) / 1e3;
  struct hgl_host_counts counts = hgl_host_counts(rig->host);
  if (counts.handled == before.handled + 1 && counts.woken == before.woken + 1) {
    samples->waking[samples->count] = (double)(counts.waking_ns - before.waking_ns) / 1e3;
    samples->handling[samples->count++] = us;
  }
  return settle(rig, err);
}

/* Each agent in its turn, until the time is over. */
static int measure(struct rig *rig, const struct hgl_bench *bench, struct samples *samples,
                   struct hgl_err *err)
{
  int64_t until = hgl_mono_ns(&hgl_clock_system) + bench->seconds * 1000000000LL;
  int status = 0;
  while (!status && hgl_mono_ns(&hgl_clock_system) < until) {
    status = sleep_all(rig, err);
    for (int i = 0; i < AGENTS && !status && samples->count < SAMPLES_MAX; i++)
      status = sample(rig, i, samples, err);
  }
  if (!status && !samples->count) status = hgl_fail(err, HGL_TIMEOUT, "no agent was woken");
  return status;
}

int hgl_bench_wake(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  struct rig *rig = hgl_zalloc(sizeof *rig);
  struct samples samples = {.waking = hgl_array(SAMPLES_MAX, sizeof *samples.waking),
                            .handling = hgl_array(SAMPLES_MAX, sizeof *samples.handling)};
  int status = rig && samples.waking && samples.handling
                   ? open_rig(rig, bench, err)
                   : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = measure(rig, bench, &samples, err);
  if (!status) {
    json_t *percentiles = hgl_bench_percentiles(samples.waking, samples.count);
    json_t *handling = hgl_bench_percentiles(samples.handling, samples.count);
    *out = json_pack("{s:s, s:f, s:s, s:o, s:s, s:o, s:i, s:i, s:s}", "name", "wake", "value",
                     samples.waking[samples.count / 2], "unit", "us", "percentiles", percentiles,
                     "percentiles_of", "until a sleeping agent has its Lua state again, us",
                     "message_percentiles", handling, "agents", AGENTS, "bytes", 0, "note",
                     "message_percentiles: from the message to the end of its handler, commit left "
                     "out");
    if (!*out) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  if (rig) close_rig(rig);
  hgl_free(rig);
  hgl_free(samples.waking);
  hgl_free(samples.handling);
  return status;
}
