#include "support/check.h"

#include "base/heap.h"
#include "base/seam.h"

enum { COUNT = 500 };

static void heap_gives_entries_by_due_time_then_by_order_of_insertion(void **state)
{
  struct hgl_err err = {0};
  struct hgl_random_seeded seeded;
  struct hgl_random random = hgl_random_from_seed(&seeded, 11);
  struct hgl_heap heap;
  struct hgl_heap_entry entries[COUNT] = {{0}};
  hgl_heap_init(&heap);
  for (int i = 0; i < COUNT; i++)
    assert_ok(hgl_heap_push(&heap, &entries[i], (int64_t)(hgl_random_u64(&random) % 50), &err));
  const struct hgl_heap_entry *last = NULL;
  for (struct hgl_heap_entry *entry; (entry = hgl_heap_first(&heap));) {
    assert_true(!last || last->due < entry->due ||
                (last->due == entry->due && last->order < entry->order));
    last = entry;
    hgl_heap_remove(&heap, entry);
    assert_int_equal(entry->index, 0);
  }
  hgl_heap_deinit(&heap);
}

static void heap_removes_from_anywhere(void **state)
{
  struct hgl_err err = {0};
  struct hgl_random_seeded seeded;
  struct hgl_random random = hgl_random_from_seed(&seeded, 12);
  struct hgl_heap heap;
  struct hgl_heap_entry entries[COUNT] = {{0}};
  hgl_heap_init(&heap);
  for (int i = 0; i < COUNT; i++)
    assert_ok(hgl_heap_push(&heap, &entries[i], (int64_t)(hgl_random_u64(&random) % 1000), &err));
  for (int i = 0; i < COUNT; i += 2) hgl_heap_remove(&heap, &entries[i]);
  hgl_heap_remove(&heap, &entries[0]); /* not in it: nothing happens */
  assert_int_equal(heap.count, COUNT / 2);
  int64_t last = -1;
  for (struct hgl_heap_entry *entry; (entry = hgl_heap_first(&heap));) {
    assert_int_equal((entry - entries) % 2, 1);
    assert_true(entry->due >= last);
    last = entry->due;
    hgl_heap_remove(&heap, entry);
  }
  hgl_heap_deinit(&heap);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(heap_gives_entries_by_due_time_then_by_order_of_insertion),
      cmocka_unit_test(heap_removes_from_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
