#include "infer/histogram.h"

/* Below 16 each value has a bucket of its own; above, the four bits behind the highest choose. */
static unsigned bucket_of(uint64_t ns)
{
  if (ns < 16) return (unsigned)ns;
  unsigned power = 63 - (unsigned)__builtin_clzll(ns);
  unsigned bucket = (power - 3) * 16 + (unsigned)(ns >> (power - 4) & 15);
  return bucket < HGL_HISTOGRAM_BUCKETS ? bucket : HGL_HISTOGRAM_BUCKETS - 1;
}

/* The greatest value of a bucket. */
static int64_t end_of(unsigned bucket)
{
  if (bucket < 16) return bucket;
  unsigned power = bucket / 16 + 3;
  return (int64_t)(((uint64_t)(bucket % 16 + 17) << (power - 4)) - 1);
}

void hgl_histogram_note(struct hgl_histogram *histogram, int64_t ns)
{
  uint32_t *bucket = &histogram->buckets[bucket_of(ns < 0 ? 0 : (uint64_t)ns)];
  histogram->count++;
  if (*bucket < UINT32_MAX) ++*bucket;
}

int64_t hgl_histogram_at(const struct hgl_histogram *histogram, double share)
{
  double wanted = share * (double)histogram->count;
  uint64_t seen = 0;
  if (!histogram->count) return 0;
  for (unsigned i = 0; i < HGL_HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen && (double)seen >= wanted) return end_of(i);
  }
  return end_of(HGL_HISTOGRAM_BUCKETS - 1);
}
