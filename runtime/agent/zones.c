/* Time zones by name, read from the system's files when first asked for. What the files say is
 * this host's own affair: no other host hears of it. */
#include "agent/internal.h"

int zone_find(struct hgl_host *host, struct hgl_bytes name, const struct hgl_zone **out,
              struct hgl_err *err)
{
  struct hgl_zone *zone = hgl_map_get(&host->zones, name);
  int status = 0;
  if (!zone && !(status = hgl_zone_load(NULL, name, &zone, err)) &&
      (status = hgl_map_put(&host->zones, name, zone, err)))
    hgl_zone_destroy(zone);
  if (status) return status;
  *out = zone;
  return 0;
}

void zones_deinit(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->zones, &i));) hgl_zone_destroy(slot->value);
  hgl_map_deinit(&host->zones);
}
