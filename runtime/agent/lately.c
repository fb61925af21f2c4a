#include "agent/lately.h"

#include <string.h>

static uint32_t step_of(int64_t now_ms)
{
  return (uint32_t)(now_ms / LATELY_STEP_MS) + 1;
}

void lately_add(struct lately *lately, int64_t now_ms)
{
  uint32_t now = step_of(now_ms);
  if (now - lately->step >= LATELY_STEPS)
    memset(lately->counts, 0, sizeof lately->counts);
  else
    for (uint32_t step = lately->step; step != now;) lately->counts[++step % LATELY_STEPS] = 0;
  lately->step = now;
  uint16_t *count = &lately->counts[now % LATELY_STEPS];
  if (*count < LATELY_COUNT_MAX) ++*count;
}

uint32_t lately_count(const struct lately *lately, int64_t now_ms)
{
  uint32_t now = step_of(now_ms), sum = 0;
  uint32_t first = now < LATELY_STEPS ? 1 : now - LATELY_STEPS + 1;
  if (!lately->step || now - lately->step >= LATELY_STEPS) return 0;
  /* Those behind the latest one hold what is older than a minute. */
  for (uint32_t step = first; step <= lately->step; step++)
    sum += lately->counts[step % LATELY_STEPS];
  return sum;
}
