/* The best of many: of all that is offered, the first `max` in an order are kept, in memory for no
 * more of them. Loop thread. */
#ifndef HGL_DASHBOARD_BEST_H
#define HGL_DASHBOARD_BEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct best {
  /* Below 0: a comes before b. Equal ones are kept in any order. */
  int (*compare)(const void *a, const void *b, const void *user);
  const void *user;
  size_t size, max; /* of an item; items */
  unsigned char *items;
  size_t count, capacity;
};

void best_init(struct best *best, size_t size, size_t max,
               int (*compare)(const void *a, const void *b, const void *user), const void *user);
void best_deinit(struct best *best);
void best_clear(struct best *best); /* keeps the memory */
/* Copies the item if it is among the best so far. HGL_NO_MEMORY. */
int best_offer(struct best *best, const void *item, struct hgl_err *err) HGL_NODISCARD;
/* Puts them in their order; nothing is offered after that until best_clear. */
void best_sort(struct best *best);
void *best_at(const struct best *best, size_t index);

#endif
