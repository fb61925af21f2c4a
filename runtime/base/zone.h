/* Time zones as the tz database has them: files in the TZif format (RFC 9636, versions 1 to 4) with
 * the rule in their footer for the years behind their table. glibc's localtime knows one zone for
 * the process; this knows any number. A zone does not change once it is made. Any thread.
 *
 * A zone's time is a row of *spans*, in each of which local time is Unix time plus one offset. At
 * the border of two spans local time jumps: forwards, so that some local times never are (a gap),
 * or backwards, so that some are twice (an overlap). */
#ifndef HGL_BASE_ZONE_H
#define HGL_BASE_ZONE_H

#include "base/bytes.h"
#include "base/err.h"

enum {
  HGL_ZONE_NAME_SIZE_MAX = 64,
  HGL_ZONE_FILE_SIZE_MAX = 64 << 10,
  HGL_ZONE_SHORT_SIZE = 16, /* of "CEST", with its NUL */
};

struct hgl_zone;

/* The zone of this name ("Europe/Vienna"): its file below `folder`, or, for NULL, below $TZDIR or
 * /usr/share/zoneinfo. "UTC" needs no file. HGL_INVALID: no zone's name, or none that is there
 * (the message says what to do); HGL_CORRUPT: the file is damaged; HGL_IO, HGL_NO_MEMORY. */
int hgl_zone_load(const char *folder, struct hgl_bytes name, struct hgl_zone **out,
                  struct hgl_err *err) HGL_NODISCARD;
/* From the content of a file. HGL_CORRUPT. */
int hgl_zone_decode(struct hgl_bytes file, struct hgl_zone **out,
                    struct hgl_err *err) HGL_NODISCARD;
void hgl_zone_destroy(struct hgl_zone *zone); /* NULL is allowed */

struct hgl_zone_span {
  int64_t start, end; /* Unix time in s, the end not included; INT64_MIN, INT64_MAX: always */
  int32_t offset;     /* seconds east of Greenwich */
  bool daylight;      /* daylight saving time */
  char name[HGL_ZONE_SHORT_SIZE]; /* "CEST" */
};

/* The span that holds this time. `zone` NULL: UTC. */
void hgl_zone_span(const struct hgl_zone *zone, int64_t unix_s, struct hgl_zone_span *out);

enum hgl_zone_times { HGL_ZONE_NEVER, HGL_ZONE_ONCE, HGL_ZONE_TWICE };
/* When it is this local time (seconds of a clock that shows local time, from 1970 on it). ONCE:
 * *first; TWICE: also *second, later than the first; NEVER: *first is the end of the gap, the
 * moment in which local time jumps over it. */
enum hgl_zone_times hgl_zone_unix(const struct hgl_zone *zone, int64_t local_s, int64_t *first,
                                  int64_t *second);

#endif
