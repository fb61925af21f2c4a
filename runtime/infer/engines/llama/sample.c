/* sample.c: the usual steps in llama.cpp's usual order: penalty, top-k, top-p, min-p, temperature,
 * draw. Done here since its samplers end the process on scores that are not numbers. */
#include "sample.h"

#include <math.h>
#include <stdlib.h>

void sample_penalize(float *scores, int32_t count, const int32_t *recent, size_t recent_count,
                     float penalty)
{
  if (penalty == 1) return;
  for (size_t i = 0; i < recent_count; i++) {
    int32_t token = recent[i];
    bool seen = token < 0 || token >= count;
    for (size_t j = 0; j < i && !seen; j++) seen = recent[j] == token;
    if (seen) continue;
    /* Keskar et al. 2019, section 4.1, with negative scores made more so. */
    scores[token] = scores[token] > 0 ? scores[token] / penalty : scores[token] * penalty;
  }
}

static bool is_better(const struct candidate *left, const struct candidate *right)
{
  return left->score > right->score || (left->score == right->score && left->token < right->token);
}

static int compare(const void *left, const void *right)
{
  return is_better(left, right) ? -1 : 1;
}

/* The worst is at the root. */
static void sift(struct candidate *heap, int32_t count, int32_t at)
{
  for (;;) {
    int32_t child = 2 * at + 1;
    if (child >= count) return;
    if (child + 1 < count && is_better(&heap[child], &heap[child + 1])) child++;
    if (!is_better(&heap[at], &heap[child])) return;
    struct candidate moved = heap[at];
    heap[at] = heap[child];
    heap[child] = moved;
    at = child;
  }
}

int32_t sample_best(const float *scores, int32_t count, int32_t wanted, struct candidate *best)
{
  int32_t found = 0;
  for (int32_t token = 0; token < count; token++) {
    struct candidate one = {token, scores[token]};
    if (found == wanted && !(one.score > best[0].score)) continue;
    if (!isfinite(one.score)) continue;
    if (found < wanted) {
      best[found++] = one;
      if (found == wanted)
        for (int32_t at = found / 2; at-- > 0;) sift(best, found, at);
    } else {
      best[0] = one;
      sift(best, found, 0);
    }
  }
  if (found > 1) qsort(best, (size_t)found, sizeof *best, compare);
  return found;
}

/* Vigna's splitmix64, to 53 bits: at least 0, below 1. */
static double draw(uint64_t *random)
{
  uint64_t mixed = *random += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return (double)((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53;
}

static int32_t likeliest(const float *scores, int32_t count)
{
  int32_t best = -1;
  for (int32_t token = 0; token < count; token++)
    if (isfinite(scores[token]) && (best < 0 || scores[token] > scores[best])) best = token;
  return best;
}

/* Those that min_p leaves, best first: with a large vocabulary, few of many. */
static int32_t above_least(const float *scores, int32_t count, float min_p, struct candidate *best)
{
  int32_t top = likeliest(scores, count), found = 0;
  if (top < 0) return 0;
  float least = scores[top] + logf(min_p) - 0.01F; /* the weights decide exactly, later */
  for (int32_t token = 0; token < count; token++)
    if (scores[token] >= least && isfinite(scores[token]))
      best[found++] = (struct candidate){token, scores[token]};
  qsort(best, (size_t)found, sizeof *best, compare);
  return found;
}

/* The sum of the weights that top_p is a part of. */
static double weigh(const struct sampling *sampling, const float *scores, int32_t count, float top)
{
  double all = 0;
  for (int32_t token = 0; sampling->top_p < 1 && token < count; token++)
    if (isfinite(scores[token])) all += (double)expf(scores[token] - top);
  return all;
}

int32_t sample_draw(const float *scores, int32_t count, const struct sampling *sampling,
                    uint64_t *random, struct candidate *room)
{
  if (sampling->temperature <= 0) return likeliest(scores, count);
  bool some = sampling->top_k > 0 && sampling->top_k < count;
  int32_t found = !some && sampling->min_p > 0
                      ? above_least(scores, count, sampling->min_p, room)
                      : sample_best(scores, count, some ? sampling->top_k : count, room);
  if (found == 0) return -1;

  float top = room[0].score;
  double all = some ? 0 : weigh(sampling, scores, count, top), sum = 0;
  for (int32_t i = 0; some && i < found; i++) all += exp((double)(room[i].score - top));
  int32_t kept = 0;
  while (kept < found &&
         (kept == 0 || sampling->top_p >= 1 || sum < (double)sampling->top_p * all)) {
    double weight = exp((double)(room[kept].score - top));
    if (kept > 0 && weight < (double)sampling->min_p) break;
    sum += weight;
    kept++;
  }

  double total = 0;
  for (int32_t i = 0; i < kept; i++)
    total += exp((double)((room[i].score - top) / sampling->temperature));
  double at = draw(random) * total;
  for (int32_t i = 0; i < kept; i++) {
    at -= exp((double)((room[i].score - top) / sampling->temperature));
    if (at < 0) return room[i].token;
  }
  return room[kept - 1].token;
}
