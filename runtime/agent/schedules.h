/* Schedules of agents, and the time zones that they go by. */
#ifndef HGL_AGENT_SCHEDULES_H
#define HGL_AGENT_SCHEDULES_H

#include "agent/internal.h"

/* schedules.c: what agent.every declares, and when it is due. */
int schedule_declare(struct agent *agent, struct hgl_bytes name, struct hgl_bytes value,
                     struct hgl_err *err) HGL_NODISCARD;
/* The timer's value is the text of a cron line; a line or zone that cannot be read is left for the
 * script to declare anew. HGL_NO_MEMORY. */
int schedule_load(struct timer *timer, struct hgl_err *err) HGL_NODISCARD;
/* What a schedule goes by; good as long as the timer is. */
int schedule_line(const struct timer *timer, struct hgl_bytes *line, struct hgl_bytes *zone,
                  struct hgl_err *err) HGL_NODISCARD;
/* When it is due after this run. */
int64_t schedule_next_ms(struct timer *timer);
/* When it is due now that the clock was set back. */
int64_t schedule_set_back_ms(struct timer *timer);

/* zones.c: time zones by name, each read once. HGL_INVALID. */
int zone_find(struct hgl_host *host, struct hgl_bytes name, const struct hgl_zone **out,
              struct hgl_err *err) HGL_NODISCARD;
void zones_deinit(struct hgl_host *host);
/* What scripts ask (lua/vm.h, ops.call); a name that is no zone's is HGL_NOT_FOUND. */
int zone_call_at(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                 struct hgl_err *err) HGL_NODISCARD;
int zone_call_unix(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                   struct hgl_err *err) HGL_NODISCARD;

#endif
