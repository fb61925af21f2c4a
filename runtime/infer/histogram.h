/* Counts of durations, for percentiles: buckets a sixteenth of a power of two wide, so that what is
 * read is within 6 % of what was noted. One thread at a time. */
#ifndef HGL_INFER_HISTOGRAM_H
#define HGL_INFER_HISTOGRAM_H

#include <stdint.h>

enum { HGL_HISTOGRAM_BUCKETS = 16 * 42 }; /* up to some hours of nanoseconds */

struct hgl_histogram {
  uint64_t count;
  uint32_t buckets[HGL_HISTOGRAM_BUCKETS];
};

void hgl_histogram_note(struct hgl_histogram *histogram, int64_t ns);
/* The least duration that `share` (0…1) of them do not exceed; 0: there are none. */
int64_t hgl_histogram_at(const struct hgl_histogram *histogram, double share);

#endif
