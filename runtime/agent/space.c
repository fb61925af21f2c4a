/* The free space of the disk under the store. Below the reserve nothing is taken in and no handler
 * runs: a disk that others fill is noticed while there is still room for what is under way, and
 * peers, whose messages are not acknowledged, keep them. And whether the disk answers: where a
 * commit takes long, the same is so by itself. */
#include "agent/internal.h"

enum { CHECK_MS = 500, STALLED_MS = 5000 };

static void tell(struct hgl_host *host, uint64_t reserve)
{
  unsigned long long room = host->space >> 20, wanted = reserve >> 20;
  if (host->space_low)
    host_log(host, HGL_LOG_ERROR,
             "the disk has %llu MB left, less than the reserve of %llu MB: nothing is taken in "
             "until there is room (or start with a smaller --disk-reserve)",
             room, wanted);
  else
    host_log(host, HGL_LOG_INFO, "the disk has %llu MB left: messages are taken in again", room);
}

bool space_is_low(struct hgl_host *host)
{
  if (host->config.disk_reserve < 0) return false;
  uint64_t reserve = (uint64_t)host->config.disk_reserve;
  if (host->mono_ms < host->space_due_ms) return host->space_low;
  host->space_due_ms = host->mono_ms + CHECK_MS;
  host->space = hgl_store_space(host->config.store);
  /* Some more before it goes on, so that it does not waver. */
  bool low = host->space < (host->space_low ? reserve + reserve / 8 : reserve);
  if (low != host->space_low) {
    host->space_low = low;
    tell(host, reserve);
  }
  return low;
}

int64_t store_waits_ms(const struct hgl_host *host)
{
  const struct tick_record *oldest = host->records_first;
  return oldest ? host->mono_ms - oldest->sealed_ns / 1000000 : 0;
}

/* Whoever waits for the only commit there is would learn nothing, if it had to be busy as well. */
bool store_is_busy(struct hgl_host *host)
{
  struct hgl_store *store = host->config.store;
  int64_t waits_ms = store_waits_ms(host);
  bool busy = hgl_store_busy(store), stalled = host->store_stalled;
  bool late = waits_ms >= STALLED_MS + hgl_store_commit_every_ms(store);
  if (late && !stalled)
    host_log(host, HGL_LOG_ERROR,
             "the store has taken no commit for %lld s: no handler runs and nothing is sent until "
             "its disk answers",
             (long long)waits_ms / 1000);
  else if (stalled && !late && !busy)
    host_log(host, HGL_LOG_INFO, "the store takes commits again");
  host->store_stalled = late || (stalled && busy);
  return busy;
}

const char *hgl_host_held(const struct hgl_host *host)
{
  if (host->intake_stopped) return "disk_full";
  if (host->store_stalled) return "store_stalled";
  return host->space_low && !host->stopping ? "disk_low" : NULL;
}
