/* What the store itself sees of a write set: its rows, and their order. Not for other folders. */
#ifndef HGL_STORE_ROWS_H
#define HGL_STORE_ROWS_H

#include "store/writeset.h"

enum hgl_row_kind {
  HGL_ROW_PUT,
  HGL_ROW_PUT_NEW, /* the store did not hold the key before this set */
  HGL_ROW_DELETE,
  HGL_ROW_GONE, /* put as new and deleted again: nothing to apply */
};

struct hgl_row {
  struct hgl_bytes key, value; /* slices of the set's arena: stay put until the set is cleared */
  uint64_t hash;
  enum hgl_db db;
  enum hgl_row_kind kind;
};

enum hgl_seek {
  HGL_SEEK_FROM,  /* the first key at or after the bound */
  HGL_SEEK_AFTER, /* the first key after the bound */
  HGL_SEEK_BEFORE /* the last key before the bound; an empty bound is past every key */
};

/* The row of `db` next to `bound`, puts and deletes alike, or NULL. Keeps an order of its own in
 * the set that hgl_writeset_sorted does not touch: so one thread may seek while another sorts. */
const struct hgl_row *hgl_writeset_seek(struct hgl_writeset *set, enum hgl_db db,
                                        struct hgl_bytes bound, enum hgl_seek how);
/* Fills `rows`, which has room for hgl_writeset_count, in order of database and key. */
void hgl_writeset_sorted(const struct hgl_writeset *set, const struct hgl_row **rows);

#endif
