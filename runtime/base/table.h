/* A hash table of records that hold their own keys: one pointer a record, and no copy of the key.
 * In one table all keys are of one size and at one place in their records. The hash is SipHash-1-3
 * keyed per table, so that peers cannot choose colliding keys; it is made anew from the records
 * when the table grows. Records belong to the caller, and their keys stay while they are in the
 * table. Iteration order is unspecified: sort where order can be seen. One thread at a time. */
#ifndef HGL_BASE_TABLE_H
#define HGL_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hgl_table {
  void **slots;    /* NULL: free */
  size_t capacity; /* 0 or a power of two */
  size_t count;
  size_t key_at, key_size;
  uint64_t seed[2];
};

/* The seed comes from the host's random source. */
void hgl_table_init(struct hgl_table *table, size_t key_at, size_t key_size, uint64_t seed0,
                    uint64_t seed1);
void hgl_table_deinit(struct hgl_table *table);
/* NULL when absent. */
void *hgl_table_get(const struct hgl_table *table, const void *key);
/* Room for one more record. HGL_NO_MEMORY leaves the table as it was. */
int hgl_table_reserve(struct hgl_table *table, struct hgl_err *err) HGL_NODISCARD;
/* Adds a record, for which room was reserved, or puts it in the place of the one with the same key,
 * which is returned. */
void *hgl_table_put(struct hgl_table *table, void *record);
/* The removed record, or NULL. */
void *hgl_table_remove(struct hgl_table *table, const void *key);
/* Iterate: for (size_t i = 0; (record = hgl_table_next(table, &i));) — no put or remove meanwhile.
 */
void *hgl_table_next(const struct hgl_table *table, size_t *position);

#endif
