#include "dashboard/samples.h"

#include "base/mem.h"

#define EVERY_NS INT64_C(1000000000)

static struct hgl_feed_usage usage_of(const struct samples *samples)
{
  struct hgl_feed_usage usage = {0};
  if (samples->config.usage) samples->config.usage(samples->config.user, &usage);
  return usage;
}

int samples_init(struct samples *samples, const struct hgl_feed_config *config, struct hgl_err *err)
{
  samples->config = *config;
  samples->ring = hgl_array(SAMPLES_KEPT, sizeof *samples->ring);
  if (!samples->ring) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  samples->counts = hgl_host_counts(config->host);
  samples->meter = *hgl_host_meter(config->host);
  samples->usage = usage_of(samples);
  samples->taken_ns = hgl_mono_ns(config->clock);
  samples->due_ns = samples->taken_ns + EVERY_NS;
  return 0;
}

void samples_deinit(struct samples *samples)
{
  hgl_free(samples->ring);
  samples->ring = NULL;
}

int64_t samples_deadline(const struct samples *samples)
{
  return samples->due_ns;
}

const struct sample *samples_at(const struct samples *samples, uint64_t number)
{
  bool kept = number < samples->count && samples->count - number <= SAMPLES_KEPT;
  return kept ? &samples->ring[number % SAMPLES_KEPT] : NULL;
}

static double mean(uint64_t sum, uint64_t count)
{
  return count ? (double)sum / (double)count : 0;
}

static double at_ms(const struct hgl_histogram *now, const struct hgl_histogram *before,
                    double share)
{
  return (double)hgl_histogram_at_since(now, before, share) / 1e6;
}

static void put_meter(struct sample *out, const struct hgl_meter *now,
                      const struct hgl_meter *before)
{
  out->commit_p50_ms = at_ms(&now->commit_ns, &before->commit_ns, 0.5);
  out->commit_p99_ms = at_ms(&now->commit_ns, &before->commit_ns, 0.99);
  out->latency_p50_ms = at_ms(&now->latency_ns, &before->latency_ns, 0.5);
  out->latency_p99_ms = at_ms(&now->latency_ns, &before->latency_ns, 0.99);
  out->tick_p50_ms = at_ms(&now->tick_ns, &before->tick_ns, 0.5);
  out->tick_p99_ms = at_ms(&now->tick_ns, &before->tick_ns, 0.99);
  out->restarts = (uint32_t)(now->restarts - before->restarts);
}

static void put_counts(struct sample *out, const struct hgl_host_counts *now,
                       const struct hgl_host_counts *before, uint64_t signed_messages)
{
#define PUT(field) out->field = (uint32_t)(now->field - before->field)
  PUT(received);
  PUT(sent);
  PUT(handled);
  PUT(refused);
  PUT(raised);
  PUT(dead);
  PUT(deals);
  PUT(commits);
  PUT(signatures);
  PUT(verifications);
#undef PUT
  out->commit_messages = mean(out->received + out->sent, out->commits);
  out->signature_messages = mean(signed_messages, out->signatures);
}

const struct sample *samples_take(struct samples *samples)
{
  const struct hgl_feed_config *config = &samples->config;
  const struct hgl_meter *meter = hgl_host_meter(config->host);
  int64_t now_ns = hgl_mono_ns(config->clock);
  if (now_ns < samples->due_ns) return NULL;
  struct hgl_host_counts counts = hgl_host_counts(config->host);
  struct hgl_feed_usage usage = usage_of(samples);
  struct sample *out = &samples->ring[samples->count % SAMPLES_KEPT];
  *out = (struct sample){.time_ms = hgl_wall_ms(config->clock), .rss_bytes = usage.rss_bytes};
  put_counts(out, &counts, &samples->counts,
             meter->signed_messages - samples->meter.signed_messages);
  put_meter(out, meter, &samples->meter);
  out->cpu = mean((uint64_t)(usage.cpu_ns - samples->usage.cpu_ns),
                  (uint64_t)(now_ns - samples->taken_ns));
  hgl_host_now(config->host, &out->now);
  samples->counts = counts;
  samples->meter = *meter;
  samples->usage = usage;
  samples->taken_ns = now_ns;
  samples->count++;
  samples->due_ns += EVERY_NS;
  if (samples->due_ns <= now_ns) samples->due_ns = now_ns + EVERY_NS;
  return out;
}

/* Numbers that people look at: three digits behind the point are enough, and short. */
static json_t *number(double value)
{
  int64_t thousandths = (int64_t)(value * 1000 + 0.5);
  return json_real((double)thousandths / 1000);
}

json_t *sample_json(const struct sample *sample)
{
  const struct hgl_host_now *now = &sample->now;
  json_t *out = json_pack(
      "{s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o}", "time_ms",
      (json_int_t)sample->time_ms, "received", sample->received, "sent", sample->sent, "handled",
      sample->handled, "refused", sample->refused, "raised", sample->raised, "dead", sample->dead,
      "deals", sample->deals, "commits", sample->commits, "signatures", sample->signatures,
      "verifications", sample->verifications, "restarts", sample->restarts, "commit_messages",
      number(sample->commit_messages), "signature_messages", number(sample->signature_messages));
  json_t *times = json_pack(
      "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "commit_p50_ms", number(sample->commit_p50_ms),
      "commit_p99_ms", number(sample->commit_p99_ms), "latency_p50_ms",
      number(sample->latency_p50_ms), "latency_p99_ms", number(sample->latency_p99_ms),
      "tick_p50_ms", number(sample->tick_p50_ms), "tick_p99_ms", number(sample->tick_p99_ms),
      "mailbox_age_ms", number((double)now->mailbox_age_ns / 1e6), "cpu", number(sample->cpu));
  json_t *sizes = json_pack(
      "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "mailbox",
      (json_int_t)now->mailbox, "runs", (json_int_t)now->runs, "agents", (json_int_t)now->agents,
      "awake", (json_int_t)now->awake, "asleep", (json_int_t)now->asleep, "stopped",
      (json_int_t)now->stopped, "peers", (json_int_t)now->peers, "unacknowledged",
      (json_int_t)now->unacknowledged, "lua_bytes", (json_int_t)now->lua_bytes, "rss_bytes",
      (json_int_t)sample->rss_bytes, "store_bytes", (json_int_t)now->store_bytes, "disk_free",
      (json_int_t)now->disk_free);
  bool whole = out && times && sizes && !json_object_update(out, times) &&
               !json_object_update(out, sizes);
  json_decref(times);
  json_decref(sizes);
  if (whole) return out;
  json_decref(out);
  return NULL;
}
