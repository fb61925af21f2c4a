/* Time zones by name, read from the system's files when first asked for. What the files say is
 * this host's own affair: no other host hears of it. */
#include "agent/schedules.h"

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

static int read_arguments(struct agent *agent, struct hgl_cbor_reader *in,
                          const struct hgl_zone **zone, int64_t *seconds, struct hgl_err *err)
{
  struct hgl_bytes name;
  int status;
  if ((status = hgl_cbor_get_text(in, "zone", 256, &name, err)) ||
      (status = hgl_cbor_get_int(in, "time", seconds, err)))
    return status;
  status = zone_find(agent->host, name, zone, err);
  if (status != -HGL_INVALID) return status;
  err->code = HGL_NOT_FOUND; /* what the world said, not the script */
  return -HGL_NOT_FOUND;
}

int zone_call_at(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                 struct hgl_err *err)
{
  const struct hgl_zone *zone;
  struct hgl_zone_span span;
  int64_t seconds;
  int status = read_arguments(agent, in, &zone, &seconds, err);
  if (status) return status;
  hgl_zone_span(zone, seconds, &span);
  hgl_cbor_put_map(result, 3); /* in the order of deterministic CBOR */
  hgl_cbor_put_literal(result, "name");
  hgl_cbor_put_literal(result, span.name);
  hgl_cbor_put_literal(result, "offset");
  hgl_cbor_put_int(result, span.offset);
  hgl_cbor_put_literal(result, "daylight");
  hgl_cbor_put_bool(result, span.daylight);
  return 0;
}

int zone_call_unix(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                   struct hgl_err *err)
{
  const struct hgl_zone *zone;
  int64_t seconds, first = 0, second = 0;
  int status = read_arguments(agent, in, &zone, &seconds, err);
  if (status) return status;
  enum hgl_zone_times times = hgl_zone_unix(zone, seconds, &first, &second);
  hgl_cbor_put_map(result, times == HGL_ZONE_TWICE ? 3 : 2);
  hgl_cbor_put_literal(result, "gap");
  hgl_cbor_put_bool(result, times == HGL_ZONE_NEVER);
  hgl_cbor_put_literal(result, "first");
  hgl_cbor_put_int(result, first);
  if (times == HGL_ZONE_TWICE) {
    hgl_cbor_put_literal(result, "second");
    hgl_cbor_put_int(result, second);
  }
  return 0;
}

void zones_deinit(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->zones, &i));) hgl_zone_destroy(slot->value);
  hgl_map_deinit(&host->zones);
}
