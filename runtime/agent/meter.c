/* What the host measures of itself. */
#include "agent/supervise.h"

const struct hgl_meter *hgl_host_meter(const struct hgl_host *host)
{
  return &host->metering.meter;
}

void meter_waits(struct hgl_host *host, struct mail *mail)
{
  struct metering *metering = &host->metering;
  if (mail->waits || mail->kind != MAIL_MESSAGE) return;
  mail->waits = true;
  mail->arrived_ns = metering->arrived_ns ? metering->arrived_ns : metering->tick_ns;
  mail->waiting_next = NULL;
  mail->waiting_previous = metering->waiting_last;
  *(metering->waiting_last ? &metering->waiting_last->waiting_next
                           : &metering->waiting_first) = mail;
  metering->waiting_last = mail;
  metering->waiting++;
}

void meter_left(struct mail *mail)
{
  if (!mail->waits) return;
  struct metering *metering = &mail->agent->host->metering;
  struct mail *previous = mail->waiting_previous, *next = mail->waiting_next;
  *(previous ? &previous->waiting_next : &metering->waiting_first) = next;
  *(next ? &next->waiting_previous : &metering->waiting_last) = previous;
  metering->waiting--;
  mail->waits = false;
}

void meter_ended(struct hgl_host *host, const struct mail *mail)
{
  struct arrivals *ended = &host->metering.ended;
  if (mail->kind != MAIL_MESSAGE || !mail->arrived_ns) return;
  size_t last = ended->count ? ended->count - 1 : 0;
  bool same = ended->count && ended->at[last].ns == mail->arrived_ns;
  if (!same && ended->count < METER_ARRIVALS) {
    last = ended->count++;
    ended->at[last].ns = mail->arrived_ns;
    ended->at[last].messages = 0;
  }
  ended->at[last].messages++;
}

void meter_sealed(struct hgl_host *host, struct arrivals *ended, int64_t *sealed_ns)
{
  struct metering *metering = &host->metering;
  *sealed_ns = hgl_mono_ns(host->config.clock);
  *ended = metering->ended;
  metering->ended.count = 0;
  hgl_histogram_note(&metering->meter.tick_ns, *sealed_ns - metering->tick_ns);
}

void meter_committed(struct hgl_host *host, const struct arrivals *ended, int64_t sealed_ns)
{
  struct hgl_meter *meter = &host->metering.meter;
  int64_t now_ns = hgl_mono_ns(host->config.clock);
  hgl_histogram_note(&meter->commit_ns, now_ns - sealed_ns);
  for (size_t i = 0; i < ended->count; i++)
    hgl_histogram_note_many(&meter->latency_ns, now_ns - ended->at[i].ns, ended->at[i].messages);
}

void hgl_host_now(const struct hgl_host *host, struct hgl_host_now *out)
{
  const struct metering *metering = &host->metering;
  struct hgl_directory_counts directory = hgl_directory_counts(host->directory);
  struct hgl_store_stats store = hgl_store_stats(host->config.store);
  const struct mail *oldest = metering->waiting_first;
  bool operator_here = agent_by_name(host, hgl_text("operator")) != NULL;
  size_t agents = host->agent_count - operator_here;
  *out = (struct hgl_host_now){
      .agents = agents,
      .stopped = host->children_by_name.count - host->agent_count,
      .awake = host->awake_count,
      .asleep = agents > host->awake_count ? agents - host->awake_count : 0,
      .parked = host->parked_count,
      .peers = host->peers.count ? host->peers.count - 1 : 0,
      .linked_peers = host->linked_count,
      .mailbox = metering->waiting,
      .mailbox_age_ns = oldest ? hgl_mono_ns(host->config.clock) - oldest->arrived_ns : 0,
      .runs = metering->runs,
      .timers = host->wall_heap.count,
      .unacknowledged = metering->unacknowledged,
      .dead_letters = host->dead_count,
      .known_agents = directory.adverts,
      .known_hosts = directory.hosts,
      .lua_bytes = (int64_t)host->lua_bytes,
      .store_bytes = (int64_t)store.file_bytes,
      .journal_bytes = host->journal_bytes,
      .disk_free = (int64_t)(hgl_store_space(host->config.store) & INT64_MAX),
      .disk_reserve = host->config.disk_reserve < 0 ? 0 : host->config.disk_reserve,
      .held = hgl_host_held(host),
      .commit_waits_ms = store_waits_ms(host),
  };
}
