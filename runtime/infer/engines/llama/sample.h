/* sample.h: which token comes next, given the scores (logits) of all. */
#ifndef HGL_LLAMA_SAMPLE_H
#define HGL_LLAMA_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sampling {
  float temperature; /* 0: the likeliest */
  float top_p, min_p, repeat_penalty;
  int32_t top_k; /* 0: all */
};

struct candidate {
  int32_t token;
  float score;
};

/* Makes the scores of these tokens less likely, each once. */
void sample_penalize(float *scores, int32_t count, const int32_t *recent, size_t recent_count,
                     float penalty);

/* The `wanted` best, best first; returns how many there are. Those without a finite score are none.
 */
int32_t sample_best(const float *scores, int32_t count, int32_t wanted, struct candidate *best);

/* A token, or -1 when none has a finite score. `room` holds `count` candidates; `random` is the
 * state of the draws. */
int32_t sample_draw(const float *scores, int32_t count, const struct sampling *sampling,
                    uint64_t *random, struct candidate *room);

#endif
