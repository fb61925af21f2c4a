/* The rule of a TZif file's footer: a POSIX TZ string (POSIX.1 §8.3, with the wider hours of RFC
 * 9636 §3.3), such as "CET-1CEST,M3.5.0,M10.5.0/3". Any thread. */
#ifndef HGL_BASE_ZONE_RULE_H
#define HGL_BASE_ZONE_RULE_H

#include "base/zone.h"

struct hgl_zone_date {
  char kind; /* 'M': month, week (5: the last), weekday; 'J': day 1 to 365, never 29 February; '0':
                day 0 to 365 */
  int month, week, day;
  int32_t time; /* of the local clock before the change, in s; may lie on another day */
};

struct hgl_zone_rule {
  char names[2][HGL_ZONE_SHORT_SIZE]; /* standard, daylight */
  int32_t offsets[2];
  bool has_daylight;
  struct hgl_zone_date begin, end; /* of daylight saving time */
};

bool hgl_zone_rule_parse(struct hgl_bytes text, struct hgl_zone_rule *out) HGL_NODISCARD;
void hgl_zone_rule_span(const struct hgl_zone_rule *rule, int64_t unix_s,
                        struct hgl_zone_span *out);

#endif
