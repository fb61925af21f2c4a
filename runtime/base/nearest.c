#include "base/nearest.h"

enum { WORD_SIZE_MAX = 40 };

/* Levenshtein's distance; a neighbouring pair that changed places counts as one. */
static size_t distance(struct hgl_bytes a, struct hgl_bytes b)
{
  size_t rows[3][WORD_SIZE_MAX + 1];
  size_t *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= b.size; j++) last[j] = j;
  for (size_t i = 1; i <= a.size; i++) {
    now[0] = i;
    for (size_t j = 1; j <= b.size; j++) {
      size_t least = last[j - 1] + (a.data[i - 1] != b.data[j - 1]);
      if (last[j] + 1 < least) least = last[j] + 1;
      if (now[j - 1] + 1 < least) least = now[j - 1] + 1;
      bool swapped = i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
                     a.data[i - 2] == b.data[j - 1];
      if (swapped && before[j - 2] + 1 < least) least = before[j - 2] + 1;
      now[j] = least;
    }
    size_t *oldest = before;
    before = last;
    last = now;
    now = oldest;
  }
  return last[b.size];
}

const char *hgl_nearest(struct hgl_bytes word, const char *const *candidates)
{
  const char *best = NULL;
  size_t best_distance = word.size / 3 + 2;
  if (word.size > WORD_SIZE_MAX) return NULL;
  for (; *candidates; candidates++) {
    struct hgl_bytes candidate = hgl_text(*candidates);
    if (candidate.size > WORD_SIZE_MAX) continue;
    size_t d = distance(word, candidate);
    if (d < best_distance && d < candidate.size) {
      best = *candidates;
      best_distance = d;
    }
  }
  return best;
}
