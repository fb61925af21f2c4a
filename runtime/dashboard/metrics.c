#include "dashboard/metrics.h"

#include <math.h>

#include "dashboard/feed_core.h"
#include "protocol/value.h"

/* ---- the format ---- */

void hgl_metric_head(struct hgl_buf *out, const char *name, const char *type, const char *help)
{
  hgl_buf_printf(out, "# HELP haggle_%s %s\n# TYPE haggle_%s %s\n", name, help, name, type);
}

/* Integers as such, other doubles in as few digits as bring them back. */
static void put_number(struct hgl_buf *out, double number)
{
  if (fabs(number) < 1e15 && number == floor(number))
    hgl_buf_printf(out, "%.0f", number);
  else
    hgl_json_put_double(number, out);
}

static void put_label(struct hgl_buf *out, const char *value)
{
  for (; *value; value++) {
    if (*value == '\\' || *value == '"') hgl_buf_append_byte(out, '\\');
    if (*value == '\n')
      hgl_buf_append_text(out, "\\n");
    else
      hgl_buf_append_byte(out, (uint8_t)*value);
  }
}

void hgl_metric_put(struct hgl_buf *out, const char *name, const char *label, const char *value,
                    double number)
{
  hgl_buf_printf(out, "haggle_%s", name);
  if (label) {
    hgl_buf_printf(out, "{%s=\"", label);
    put_label(out, value);
    hgl_buf_append_text(out, "\"}");
  }
  hgl_buf_append_byte(out, ' ');
  put_number(out, number);
  hgl_buf_append_byte(out, '\n');
}

static void put_one(struct hgl_buf *out, const char *name, const char *type, const char *help,
                    double number)
{
  hgl_metric_head(out, name, type, help);
  hgl_metric_put(out, name, NULL, NULL, number);
}

/* ---- what there is ---- */

struct metric {
  const char *name, *help;
  double value;
};

static void put_all(struct hgl_buf *out, const char *type, const struct metric *metrics,
                    size_t count)
{
  for (size_t i = 0; i < count; i++)
    put_one(out, metrics[i].name, type, metrics[i].help, metrics[i].value);
}

static void put_counters(const struct hgl_feed *feed, struct hgl_buf *out)
{
  const struct hgl_host_counts counts = hgl_host_counts(feed->config.host);
  const struct hgl_meter *meter = hgl_host_meter(feed->config.host);
  const struct metric counters[] = {
      {"ticks_total", "Ticks that had something to commit.", (double)counts.ticks},
      {"commits_total", "Commits that are durable.", (double)counts.commits},
      {"signatures_total", "Signatures made, one a tick at most.", (double)counts.signatures},
      {"signed_messages_total", "Messages that they cover.", (double)meter->signed_messages},
      {"verifications_total", "Signatures of others checked.", (double)counts.verifications},
      {"messages_sent_total", "Messages that agents here said.", (double)counts.sent},
      {"messages_received_total", "Messages of other hosts that were let in.",
       (double)counts.received},
      {"messages_handled_total", "Messages, timers and the like that a handler is done with.",
       (double)counts.handled},
      {"messages_refused_total", "Messages that were refused, here or there.",
       (double)counts.refused},
      {"raises_total", "Stretches of handlers that raised and were rolled back.",
       (double)counts.raised},
      {"dead_letters_total", "Messages and timers that were given up.", (double)counts.dead},
      {"deals_total", "Deals that were delivered to a buyer here.", (double)counts.deals},
      {"agent_restarts_total", "Restarts of agents.", (double)meter->restarts},
      {"agent_wakes_total", "Times that an agent was given its Lua state back.",
       (double)counts.woken},
      {"agent_wake_seconds_total", "Time that this took.", (double)counts.waking_ns / 1e9},
  };
  put_all(out, "counter", counters, sizeof counters / sizeof *counters);
}

static void put_gauges(const struct hgl_feed *feed, struct hgl_buf *out)
{
  struct hgl_host_now now;
  hgl_host_now(feed->config.host, &now);
  const struct metric gauges[] = {
      {"agents_parked", "Agents that kept failing and wait for the operator.", (double)now.parked},
      {"peers", "Other hosts in memory.", (double)now.peers},
      {"peers_linked", "Other hosts with a link.", (double)now.linked_peers},
      {"mailbox_messages", "Messages that wait for their handler.", (double)now.mailbox},
      {"mailbox_oldest_seconds", "Age of the one that waits longest.",
       (double)now.mailbox_age_ns / 1e9},
      {"suspended_handlers", "Handlers that wait for something.", (double)now.runs},
      {"timers", "Timers that are set.", (double)now.timers},
      {"unacknowledged_messages", "Messages to other hosts that are not acknowledged.",
       (double)now.unacknowledged},
      {"dead_letters_kept", "Dead letters that are stored.", (double)now.dead_letters},
      {"directory_agents", "Agents whose adverts are known.", (double)now.known_agents},
      {"directory_hosts", "Hosts whose leases are known.", (double)now.known_hosts},
      {"lua_bytes", "Memory of all Lua states.", (double)now.lua_bytes},
      {"store_bytes", "Size of the store's file.", (double)now.store_bytes},
      {"journal_bytes", "Size of the journal within it.", (double)now.journal_bytes},
      {"disk_free_bytes", "Room where the data folder lies.", (double)now.disk_free},
      {"disk_reserve_bytes", "Room below which nothing is taken in.", (double)now.disk_reserve},
      {"held", "1 while nothing is taken in and no handler runs.", now.held != NULL},
      {"feed_viewers", "Connections that have looked at something.", (double)feed->viewer_count},
  };
  hgl_metric_head(out, "agents", "gauge", "Agents, by whether they have a Lua state.");
  hgl_metric_put(out, "agents", "state", "awake", (double)now.awake);
  hgl_metric_put(out, "agents", "state", "asleep", (double)now.asleep);
  put_all(out, "gauge", gauges, sizeof gauges / sizeof *gauges);
}

static void put_alarms(const struct hgl_feed *feed, struct hgl_buf *out)
{
  const struct alarms *alarms = &feed->alarms;
  size_t errors = 0;
  for (size_t i = 0; i < alarms->count; i++) errors += alarms->items[i].error;
  hgl_metric_head(out, "alarms", "gauge", "What is wrong now, by how bad it is.");
  hgl_metric_put(out, "alarms", "level", "error", (double)errors);
  hgl_metric_put(out, "alarms", "level", "warn",
                 (double)(alarms->count - errors + alarms->left_out));
}

/* Bounds are powers of two nanoseconds, because those divide the counts exactly. */
static void put_histogram(struct hgl_buf *out, const char *name, const char *help,
                          const struct hgl_histogram *histogram)
{
  enum { LEAST = 14, MOST = 35 }; /* 16 µs to 34 s */
  hgl_metric_head(out, name, "histogram", help);
  for (unsigned power = LEAST; power <= MOST; power++) {
    hgl_buf_printf(out, "haggle_%s_bucket{le=\"", name);
    hgl_json_put_double((double)(UINT64_C(1) << power) / 1e9, out);
    hgl_buf_printf(out, "\"} %llu\n", (unsigned long long)hgl_histogram_below(histogram, power));
  }
  hgl_buf_printf(out,
                 "haggle_%s_bucket{le=\"+Inf\"} %llu\nhaggle_%s_sum %.9f\nhaggle_%s_count %llu\n",
                 name, (unsigned long long)histogram->count, name, (double)histogram->sum_ns / 1e9,
                 name, (unsigned long long)histogram->count);
}

static void put_process(const struct hgl_feed *feed, struct hgl_buf *out)
{
  struct hgl_feed_usage usage = {0};
  if (!feed->config.usage) return;
  feed->config.usage(feed->config.user, &usage);
  hgl_buf_printf(out,
                 "# HELP process_cpu_seconds_total Processor time of this process.\n"
                 "# TYPE process_cpu_seconds_total counter\n"
                 "process_cpu_seconds_total %.6f\n"
                 "# HELP process_resident_memory_bytes Memory of this process.\n"
                 "# TYPE process_resident_memory_bytes gauge\n"
                 "process_resident_memory_bytes %lld\n"
                 "# HELP process_start_time_seconds When the host began, as Unix time.\n"
                 "# TYPE process_start_time_seconds gauge\n"
                 "process_start_time_seconds %.3f\n",
                 (double)usage.cpu_ns / 1e9, (long long)usage.rss_bytes,
                 (double)feed->started_ms / 1e3);
}

void hgl_feed_metrics(const struct hgl_feed *feed, struct hgl_buf *out)
{
  const struct hgl_meter *meter = hgl_host_meter(feed->config.host);
  put_counters(feed, out);
  put_gauges(feed, out);
  put_alarms(feed, out);
  put_histogram(out, "tick_seconds", "Time of the loop for a tick that had something to commit.",
                &meter->tick_ns);
  put_histogram(out, "commit_seconds", "Time from the end of a tick until it is durable.",
                &meter->commit_ns);
  put_histogram(out, "message_latency_seconds",
                "Time from a message's arrival until the first stretch of its handler is durable.",
                &meter->latency_ns);
  put_process(feed, out);
}
