/* What systemd says of a unit, in plain words. */
#ifndef HGL_HOST_SERVICE_STATUS_H
#define HGL_HOST_SERVICE_STATUS_H

#include <stdbool.h>

#include "base/buf.h"

/* Asks systemctl and appends lines that say how the unit is. *runs: it does. HGL_NOT_FOUND: there
 * is no systemd here; HGL_IO. */
int hgl_service_status(const char *unit, bool user, struct hgl_buf *out, bool *runs,
                       struct hgl_err *err) HGL_NODISCARD;
/* The same from what `systemctl show` printed. */
void hgl_service_explain(const char *unit, const char *shown, struct hgl_buf *out, bool *runs);

#endif
