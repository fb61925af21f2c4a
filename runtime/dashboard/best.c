/* A heap whose first item is the worst that is kept. */
#include "dashboard/best.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ITEM_SIZE_MAX = 256 };

void best_init(struct best *best, size_t size, size_t max,
               int (*compare)(const void *a, const void *b, const void *user), const void *user)
{
  *best = (struct best){.compare = compare, .user = user, .size = size, .max = max};
}

void best_deinit(struct best *best)
{
  hgl_free(best->items);
  best->items = NULL;
  best->count = best->capacity = 0;
}

void best_clear(struct best *best)
{
  best->count = 0;
}

void *best_at(const struct best *best, size_t index)
{
  return best->items + index * best->size;
}

static void swap(struct best *best, size_t a, size_t b)
{
  unsigned char item[ITEM_SIZE_MAX];
  memcpy(item, best_at(best, a), best->size);
  memcpy(best_at(best, a), best_at(best, b), best->size);
  memcpy(best_at(best, b), item, best->size);
}

static bool is_worse(const struct best *best, size_t a, size_t b)
{
  return best->compare(best_at(best, a), best_at(best, b), best->user) > 0;
}

static void rise(struct best *best, size_t at)
{
  for (; at && is_worse(best, at, (at - 1) / 2); at = (at - 1) / 2) swap(best, at, (at - 1) / 2);
}

static void sink(struct best *best, size_t at)
{
  for (size_t child; (child = 2 * at + 1) < best->count; at = child) {
    if (child + 1 < best->count && is_worse(best, child + 1, child)) child++;
    if (!is_worse(best, child, at)) return;
    swap(best, at, child);
  }
}

static bool grow(struct best *best)
{
  if (best->count < best->capacity) return true;
  size_t capacity = best->capacity ? 2 * best->capacity : 64;
  if (capacity > best->max) capacity = best->max;
  unsigned char *items = hgl_realloc(best->items, capacity * best->size);
  if (!items) return false;
  best->items = items;
  best->capacity = capacity;
  return true;
}

int best_offer(struct best *best, const void *item, struct hgl_err *err)
{
  if (!best->max) return 0;
  if (best->count == best->max) {
    if (best->compare(item, best->items, best->user) >= 0) return 0;
    memcpy(best->items, item, best->size);
    sink(best, 0);
    return 0;
  }
  if (!grow(best)) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  memcpy(best_at(best, best->count), item, best->size);
  rise(best, best->count++);
  return 0;
}

/* The worst goes behind all others, again and again. */
void best_sort(struct best *best)
{
  size_t count = best->count;
  for (; best->count > 1; sink(best, 0)) {
    best->count--;
    swap(best, 0, best->count);
  }
  best->count = count;
}
