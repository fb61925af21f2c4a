/* Durations as people write them: "250ms", "5s", "1.5m", "2h", "1d". Any thread. */
#ifndef HGL_BASE_DURATION_H
#define HGL_BASE_DURATION_H

#include "base/bytes.h"
#include "base/err.h"

#define HGL_DURATION_MAX_MS (INT64_C(100) * 366 * 24 * 3600 * 1000) /* a hundred years */

/* One decimal number (no sign, no exponent) and one unit. A fraction below a millisecond is cut
 * off. HGL_INVALID for other text and above HGL_DURATION_MAX_MS. */
int hgl_duration_parse(struct hgl_bytes text, int64_t *out_ms, struct hgl_err *err) HGL_NODISCARD;

#endif
