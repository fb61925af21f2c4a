/* What systemd says of a unit, in plain words. */
#ifndef HGL_HOST_SERVICE_STATUS_H
#define HGL_HOST_SERVICE_STATUS_H

#include <stdbool.h>

#include "base/buf.h"

enum hgl_service_state { HGL_SERVICE_ABSENT, HGL_SERVICE_IDLE, HGL_SERVICE_RUNS };

/* Asks systemctl and appends lines that say how the unit is. HGL_NOT_FOUND: there is no systemd
 * here; HGL_IO. */
int hgl_service_status(const char *unit, bool user, struct hgl_buf *out,
                       enum hgl_service_state *state, struct hgl_err *err) HGL_NODISCARD;
/* The same from what `systemctl show` printed. */
enum hgl_service_state hgl_service_explain(const char *unit, const char *shown,
                                           struct hgl_buf *out);

#endif
