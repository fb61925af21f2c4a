/* A binary min-heap of caller-owned entries by due time, equal times in order of insertion. An
 * entry embeds struct hgl_heap_entry and may be removed from anywhere in O(log n).
 * One thread at a time. */
#ifndef HGL_BASE_HEAP_H
#define HGL_BASE_HEAP_H

#include <stdint.h>

#include "base/err.h"

struct hgl_heap_entry {
  int64_t due;
  uint64_t order; /* set by the heap */
  size_t index;   /* 1-based place in the heap; 0: not in one */
};

struct hgl_heap {
  struct hgl_heap_entry **entries;
  size_t count, capacity;
  uint64_t next_order;
};

void hgl_heap_init(struct hgl_heap *heap);
void hgl_heap_deinit(struct hgl_heap *heap); /* entries are the caller's */
/* `entry` must not be in a heap. */
int hgl_heap_push(struct hgl_heap *heap, struct hgl_heap_entry *entry, int64_t due,
                  struct hgl_err *err) HGL_NODISCARD;
/* The entry that is due first, or NULL. It stays in the heap. */
struct hgl_heap_entry *hgl_heap_first(const struct hgl_heap *heap);
void hgl_heap_remove(struct hgl_heap *heap, struct hgl_heap_entry *entry); /* no-op if not in it */

#endif
