/* Points in time and durations as ISO 8601 writes them. Any thread. */
#ifndef HGL_BASE_TIMESTAMP_H
#define HGL_BASE_TIMESTAMP_H

#include "base/bytes.h"
#include "base/err.h"

enum { HGL_TIMESTAMP_SIZE = 40 }; /* of the text, with its NUL */

struct hgl_timestamp {
  int64_t local_ms; /* what a clock at that place shows, from 1970 on it */
  bool has_time;    /* false: a date alone, local_ms is its midnight */
  bool has_offset;
  int32_t offset_s; /* east of Greenwich: Unix time is local_ms - 1000 * offset_s */
};

/* "2026-03-29", "2026-03-29T01:00:00.250Z", "…+02:00", without seconds, with a space or t for T,
 * and the same without dashes and colons; years 1 to 9999. 24:00 is the next midnight, a leap
 * second the next second; what is below a millisecond is cut off. HGL_INVALID. */
int hgl_timestamp_parse(struct hgl_bytes text, struct hgl_timestamp *out,
                        struct hgl_err *err) HGL_NODISCARD;
/* RFC 3339: "2026-03-29T03:00:00+02:00", with ".250" if there are milliseconds, and Z for offset 0;
 * an offset's seconds are cut off. local_ms lies within the years 1 to 9999. */
void hgl_timestamp_format(const struct hgl_timestamp *timestamp, char out[HGL_TIMESTAMP_SIZE]);

struct hgl_period {
  int64_t months, days; /* their length depends on when they begin */
  int64_t ms;
  bool negative;
};
/* "P1Y2M3W4DT5H6M7.8S", any part left out, a sign in front. HGL_INVALID. */
int hgl_period_parse(struct hgl_bytes text, struct hgl_period *out,
                     struct hgl_err *err) HGL_NODISCARD;

#endif
