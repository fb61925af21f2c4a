/* The free space of the disk under the store. Below the reserve nothing is taken in and no handler
 * runs: a disk that others fill is noticed while there is still room for what is under way, and
 * peers, whose messages are not acknowledged, keep them. */
#include "agent/internal.h"

enum { CHECK_MS = 500 };

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

const char *hgl_host_held(const struct hgl_host *host)
{
  if (host->intake_stopped) return "disk_full";
  return host->space_low && !host->stopping ? "disk_low" : NULL;
}
