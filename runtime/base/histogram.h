/* Counts of durations, for percentiles: buckets a sixteenth of a power of two wide, so that what is
 * read is within 6 % of what was noted. Noting one takes a nanosecond or two. One thread at a time.
 */
#ifndef HGL_BASE_HISTOGRAM_H
#define HGL_BASE_HISTOGRAM_H

#include <stdint.h>

enum { HGL_HISTOGRAM_BUCKETS = 16 * 42 }; /* up to some hours of nanoseconds */

struct hgl_histogram {
  uint64_t count;
  uint64_t sum_ns; /* of all of them */
  uint64_t buckets[HGL_HISTOGRAM_BUCKETS];
};

void hgl_histogram_note(struct hgl_histogram *histogram, int64_t ns);
void hgl_histogram_note_many(struct hgl_histogram *histogram, int64_t ns, uint64_t count);
/* The least duration that `share` (0…1) of them do not exceed; 0: there are none. */
int64_t hgl_histogram_at(const struct hgl_histogram *histogram, double share);
/* The same of those that were noted since `before` was copied from it. */
int64_t hgl_histogram_at_since(const struct hgl_histogram *histogram,
                               const struct hgl_histogram *before, double share);
/* How many of them took less than 2^power ns. */
uint64_t hgl_histogram_below(const struct hgl_histogram *histogram, unsigned power);

#endif
