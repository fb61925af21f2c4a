/* How often something happened within the latest minute, in steps of ten seconds. 16 bytes, zeros
 * to begin with: of a million agents each has one. Times are monotonic. */
#ifndef HGL_AGENT_LATELY_H
#define HGL_AGENT_LATELY_H

#include <stdint.h>

enum { LATELY_STEPS = 6, LATELY_STEP_MS = 10000, LATELY_COUNT_MAX = UINT16_MAX /* in a step */ };

struct lately {
  uint32_t step; /* the latest in which it happened, from 1 on; 0: it never did */
  uint16_t counts[LATELY_STEPS];
};

void lately_add(struct lately *lately, int64_t now_ms);
uint32_t lately_count(const struct lately *lately, int64_t now_ms);

#endif
