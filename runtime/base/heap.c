#include "base/heap.h"

#include <assert.h>
#include <stdbool.h>

#include "base/mem.h"

void hgl_heap_init(struct hgl_heap *heap)
{
  *heap = (struct hgl_heap){0};
}

void hgl_heap_deinit(struct hgl_heap *heap)
{
  for (size_t i = 0; i < heap->count; i++) heap->entries[i]->index = 0;
  hgl_free(heap->entries);
  hgl_heap_init(heap);
}

static bool before(const struct hgl_heap_entry *a, const struct hgl_heap_entry *b)
{
  return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void place(struct hgl_heap *heap, struct hgl_heap_entry *entry, size_t at)
{
  heap->entries[at] = entry;
  entry->index = at + 1;
}

static void sift_up(struct hgl_heap *heap, struct hgl_heap_entry *entry, size_t at)
{
  while (at > 0 && before(entry, heap->entries[(at - 1) / 2])) {
    place(heap, heap->entries[(at - 1) / 2], at);
    at = (at - 1) / 2;
  }
  place(heap, entry, at);
}

static void sift_down(struct hgl_heap *heap, struct hgl_heap_entry *entry, size_t at)
{
  for (size_t child; (child = 2 * at + 1) < heap->count; at = child) {
    if (child + 1 < heap->count && before(heap->entries[child + 1], heap->entries[child])) child++;
    if (!before(heap->entries[child], entry)) break;
    place(heap, heap->entries[child], at);
  }
  place(heap, entry, at);
}

int hgl_heap_push(struct hgl_heap *heap, struct hgl_heap_entry *entry, int64_t due,
                  struct hgl_err *err)
{
  assert(entry->index == 0);
  if (!HGL_GROW(heap->entries, heap->count, heap->capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  entry->due = due;
  entry->order = heap->next_order++;
  sift_up(heap, entry, heap->count++);
  return 0;
}

struct hgl_heap_entry *hgl_heap_first(const struct hgl_heap *heap)
{
  return heap->count ? heap->entries[0] : NULL;
}

void hgl_heap_remove(struct hgl_heap *heap, struct hgl_heap_entry *entry)
{
  if (!entry->index) return;
  size_t at = entry->index - 1;
  assert(heap->entries[at] == entry);
  struct hgl_heap_entry *last = heap->entries[--heap->count];
  entry->index = 0;
  if (last == entry) return;
  if (at > 0 && before(last, heap->entries[(at - 1) / 2]))
    sift_up(heap, last, at);
  else
    sift_down(heap, last, at);
}
