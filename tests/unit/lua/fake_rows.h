/* Rows in memory, for tests of the state tree. */
#ifndef HGL_TESTS_FAKE_ROWS_H
#define HGL_TESTS_FAKE_ROWS_H

#include <stdlib.h>

#include "base/map.h"
#include "lua/state.h"

struct fake_row {
  size_t size;
  uint8_t data[];
};

struct fake_rows {
  struct hgl_map map;
  size_t gets, scans, puts, removes;
};

static inline int fake_get(void *user, struct hgl_bytes key, struct hgl_buf *out,
                           struct hgl_err *err)
{
  struct fake_rows *rows = user;
  rows->gets++;
  struct fake_row *row = hgl_map_get(&rows->map, key);
  if (!row) return -HGL_NOT_FOUND;
  hgl_buf_append(out, row->data, row->size);
  return hgl_buf_check(out, err);
}

static inline int fake_put(void *user, struct hgl_bytes key, struct hgl_bytes value,
                           struct hgl_err *err)
{
  struct fake_rows *rows = user;
  rows->puts++;
  struct fake_row *old = hgl_map_get(&rows->map, key);
  struct fake_row *row = malloc(sizeof *row + value.size);
  row->size = value.size;
  memcpy(row->data, value.data, value.size);
  int status = hgl_map_put(&rows->map, key, row, err);
  free(status ? row : old);
  return status;
}

static inline int fake_remove(void *user, struct hgl_bytes key, struct hgl_err *err)
{
  struct fake_rows *rows = user;
  rows->removes++;
  free(hgl_map_remove(&rows->map, key));
  return 0;
}

static inline int fake_compare(const void *a, const void *b)
{
  const struct hgl_map_slot *const *x = a, *const *y = b;
  return hgl_bytes_compare(hgl_bytes((*x)->key, (*x)->key_size),
                           hgl_bytes((*y)->key, (*y)->key_size));
}

static inline int fake_scan(void *user, struct hgl_bytes prefix,
                            int (*visit)(void *visit_user, struct hgl_bytes key,
                                         struct hgl_bytes value, struct hgl_err *err),
                            void *visit_user, struct hgl_err *err)
{
  struct fake_rows *rows = user;
  rows->scans++;
  struct hgl_map_slot **found = malloc((rows->map.count + 1) * sizeof(void *)), *slot;
  size_t count = 0;
  for (size_t at = 0; (slot = hgl_map_next(&rows->map, &at));)
    if (slot->key_size >= prefix.size && memcmp(slot->key, prefix.data, prefix.size) == 0)
      found[count++] = slot;
  qsort(found, count, sizeof *found, fake_compare);
  int status = 0;
  for (size_t i = 0; status == 0 && i < count; i++) {
    struct fake_row *row = found[i]->value;
    status = visit(visit_user, hgl_bytes(found[i]->key, found[i]->key_size),
                   hgl_bytes(row->data, row->size), err);
  }
  free(found);
  return status;
}

static inline struct hgl_state_rows fake_rows_init(struct fake_rows *rows)
{
  *rows = (struct fake_rows){0};
  hgl_map_init(&rows->map, 3, 4);
  return (struct hgl_state_rows){fake_get, fake_put, fake_remove, fake_scan, rows};
}

static inline void fake_rows_deinit(struct fake_rows *rows)
{
  struct hgl_map_slot *slot;
  for (size_t at = 0; (slot = hgl_map_next(&rows->map, &at));) free(slot->value);
  hgl_map_deinit(&rows->map);
}

#endif
