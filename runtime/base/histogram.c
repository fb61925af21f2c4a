#include "base/histogram.h"

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

void hgl_histogram_note_many(struct hgl_histogram *histogram, int64_t ns, uint64_t count)
{
  uint64_t duration = ns < 0 ? 0 : (uint64_t)ns;
  histogram->buckets[bucket_of(duration)] += count;
  histogram->count += count;
  histogram->sum_ns += duration * count;
}

void hgl_histogram_note(struct hgl_histogram *histogram, int64_t ns)
{
  hgl_histogram_note_many(histogram, ns, 1);
}

int64_t hgl_histogram_at_since(const struct hgl_histogram *histogram,
                               const struct hgl_histogram *before, double share)
{
  uint64_t count = histogram->count - before->count, seen = 0;
  double wanted = share * (double)count;
  if (!count) return 0;
  for (unsigned i = 0; i < HGL_HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i] - before->buckets[i];
    if (seen && (double)seen >= wanted) return end_of(i);
  }
  return end_of(HGL_HISTOGRAM_BUCKETS - 1);
}

int64_t hgl_histogram_at(const struct hgl_histogram *histogram, double share)
{
  static const struct hgl_histogram nothing;
  return hgl_histogram_at_since(histogram, &nothing, share);
}

uint64_t hgl_histogram_below(const struct hgl_histogram *histogram, unsigned power)
{
  unsigned end = power < 4 ? 1U << power : bucket_of(UINT64_C(1) << power);
  uint64_t seen = 0;
  for (unsigned i = 0; i < end; i++) seen += histogram->buckets[i];
  return seen;
}
