#include "store/writeset.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/seam.h"
#include "store/rows.h"
#include "store/store.h"

enum {
  ROWS_MIN = 8,
  ROWS_KEPT_MAX = 1 << 16, /* a cleared set gives back what a rare, huge tick needed */
  CHUNK_MIN = 512,         /* small, because a merge hands chunks on instead of copying rows */
  CHUNK_MAX = 64 << 10,
  INSERTED_ONE_BY_ONE = 32, /* more new rows than this are sorted in at once */
};

/* Keys and values lie in chunks that never move and are never written twice, so that a slice stays
 * as it is while the set goes on changing. */
struct chunk {
  struct chunk *next;
  size_t size, used;
  uint8_t data[];
};

/* A slot of another generation is free: clearing the set is one addition. */
struct slot {
  uint32_t generation, row;
};

struct hgl_writeset {
  struct hgl_row *rows; /* in order of first mention */
  uint32_t *order;      /* the first `ordered` rows by database and key */
  struct slot *slots;   /* twice row_capacity, a power of two */
  size_t row_count, row_capacity, ordered;
  uint32_t generation;
  struct chunk *chunks; /* the first one has the free space */
  size_t live_count, live_bytes;
  uint64_t seed[2]; /* keys may be chosen by peers */
};

int hgl_writeset_create(struct hgl_writeset **out, struct hgl_err *err)
{
  struct hgl_writeset *set = hgl_zalloc(sizeof *set);
  if (!set) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  set->generation = 1;
  /* Decides where rows lie in the index, never an order that can be seen: no seam needed. */
  hgl_random_fill(&hgl_random_system, set->seed, sizeof set->seed);
  *out = set;
  return 0;
}

static void free_chunks(struct chunk *chunk)
{
  while (chunk) {
    struct chunk *next = chunk->next;
    hgl_free(chunk);
    chunk = next;
  }
}

static void free_rows(struct hgl_writeset *set)
{
  hgl_free(set->rows);
  hgl_free(set->order);
  hgl_free(set->slots);
  set->rows = NULL;
  set->order = NULL;
  set->slots = NULL;
  set->row_capacity = 0;
}

void hgl_writeset_destroy(struct hgl_writeset *set)
{
  if (!set) return;
  free_chunks(set->chunks);
  free_rows(set);
  hgl_free(set);
}

void hgl_writeset_clear(struct hgl_writeset *set)
{
  if (set->chunks) {
    struct chunk *rest = set->chunks->next;
    set->chunks->next = NULL;
    set->chunks->used = 0;
    free_chunks(rest);
    if (set->chunks->size > CHUNK_MAX) {
      free_chunks(set->chunks);
      set->chunks = NULL;
    }
  }
  set->row_count = set->ordered = 0;
  set->live_count = set->live_bytes = 0;
  if (set->row_capacity > ROWS_KEPT_MAX) free_rows(set);
  if (++set->generation == 0) {
    if (set->slots) memset(set->slots, 0, set->row_capacity * 2 * sizeof *set->slots);
    set->generation = 1;
  }
}

static uint64_t hash_of(const struct hgl_writeset *set, enum hgl_db db, struct hgl_bytes key)
{
  uint64_t seed[2] = {set->seed[0], set->seed[1] ^ (uint64_t)db};
  return hgl_siphash13(seed, key.data, key.size);
}

/* The slot of the key, or the free one where it would go. At most half of the slots are taken. */
static struct slot *find(const struct hgl_writeset *set, enum hgl_db db, struct hgl_bytes key,
                         uint64_t hash)
{
  size_t mask = set->row_capacity * 2 - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    struct slot *slot = &set->slots[i];
    if (slot->generation != set->generation) return slot;
    const struct hgl_row *row = &set->rows[slot->row];
    if (row->hash == hash && row->db == db && hgl_bytes_equal(row->key, key)) return slot;
  }
}

/* Room for `count` rows in all, after which adding them cannot fail. */
static int reserve_rows(struct hgl_writeset *set, size_t count, struct hgl_err *err)
{
  if (count <= set->row_capacity) return 0;
  size_t capacity = set->row_capacity ? set->row_capacity : ROWS_MIN;
  while (capacity < count) capacity *= 2;
  if (capacity > UINT32_MAX) return hgl_fail(err, HGL_NO_MEMORY, "too many rows in one tick");

  struct hgl_row *rows = hgl_realloc(set->rows, capacity * sizeof *rows);
  if (rows) set->rows = rows;
  uint32_t *order = hgl_realloc(set->order, capacity * sizeof *order);
  if (order) set->order = order;
  struct slot *slots = rows && order ? hgl_array(capacity * 2, sizeof *slots) : NULL;
  if (!slots) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");

  hgl_free(set->slots);
  set->slots = slots;
  set->row_capacity = capacity;
  set->generation = 1;
  for (size_t i = 0; i < set->row_count; i++)
    *find(set, rows[i].db, rows[i].key, rows[i].hash) = (struct slot){1, (uint32_t)i};
  return 0;
}

static uint8_t *reserve_bytes(struct hgl_writeset *set, size_t size)
{
  struct chunk *first = set->chunks;
  if (!first || first->size - first->used < size) {
    size_t room = first ? first->size * 2 : CHUNK_MIN;
    if (room > CHUNK_MAX) room = CHUNK_MAX;
    if (room < size) room = size;
    struct chunk *chunk = hgl_alloc(sizeof *chunk + room);
    if (!chunk) return NULL;
    *chunk = (struct chunk){.next = first, .size = room};
    set->chunks = first = chunk;
  }
  uint8_t *data = first->data + first->used;
  first->used += size;
  return data;
}

static struct hgl_bytes copy_to(uint8_t *at, struct hgl_bytes bytes)
{
  if (bytes.size) memcpy(at, bytes.data, bytes.size);
  return hgl_bytes(at, bytes.size);
}

/* What a row is once `next` has been said after `before`. */
static enum hgl_row_kind then(enum hgl_row_kind before, enum hgl_row_kind next)
{
  bool absent_in_store = before == HGL_ROW_PUT_NEW || before == HGL_ROW_GONE;
  if (next == HGL_ROW_DELETE) return absent_in_store ? HGL_ROW_GONE : HGL_ROW_DELETE;
  return absent_in_store ? HGL_ROW_PUT_NEW : HGL_ROW_PUT;
}

static void count_row(struct hgl_writeset *set, const struct hgl_row *row)
{
  if (row->kind == HGL_ROW_GONE) return;
  set->live_count++;
  set->live_bytes += row->key.size + row->value.size;
}

static void discount_row(struct hgl_writeset *set, const struct hgl_row *row)
{
  if (row->kind == HGL_ROW_GONE) return;
  set->live_count--;
  set->live_bytes -= row->key.size + row->value.size;
}

/* Puts a row over what the set says of its key; room has been made. */
static void settle(struct hgl_writeset *set, struct slot *slot, const struct hgl_row *row)
{
  if (slot->generation != set->generation) {
    *slot = (struct slot){set->generation, (uint32_t)set->row_count};
    set->rows[set->row_count++] = *row;
    count_row(set, row);
    return;
  }
  struct hgl_row *old = &set->rows[slot->row];
  discount_row(set, old);
  old->value = row->value;
  old->kind = then(old->kind, row->kind);
  count_row(set, old);
}

static int write_row(struct hgl_writeset *set, enum hgl_row_kind kind, enum hgl_db db,
                     struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  assert(db >= 0 && db < HGL_DB_COUNT);
  if (key.size == 0 || key.size > HGL_STORE_KEY_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "a stored key of %zu bytes, must be 1 to %d", key.size,
                    HGL_STORE_KEY_SIZE_MAX);
  if (value.size > HGL_STORE_VALUE_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "a stored value of %zu bytes, limit %d", value.size,
                    HGL_STORE_VALUE_SIZE_MAX);
  int status = reserve_rows(set, set->row_count + 1, err);
  if (status) return status;
  uint8_t *bytes = reserve_bytes(set, key.size + value.size);
  if (!bytes) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  struct hgl_row row = {.db = db, .kind = kind, .hash = hash_of(set, db, key)};
  row.key = copy_to(bytes, key);
  row.value = copy_to(bytes + key.size, value);
  settle(set, find(set, db, row.key, row.hash), &row);
  return 0;
}

int hgl_writeset_put(struct hgl_writeset *set, enum hgl_db db, struct hgl_bytes key,
                     struct hgl_bytes value, struct hgl_err *err)
{
  return write_row(set, HGL_ROW_PUT, db, key, value, err);
}

int hgl_writeset_put_new(struct hgl_writeset *set, enum hgl_db db, struct hgl_bytes key,
                         struct hgl_bytes value, struct hgl_err *err)
{
  return write_row(set, HGL_ROW_PUT_NEW, db, key, value, err);
}

int hgl_writeset_delete(struct hgl_writeset *set, enum hgl_db db, struct hgl_bytes key,
                        struct hgl_err *err)
{
  return write_row(set, HGL_ROW_DELETE, db, key, hgl_bytes(NULL, 0), err);
}

static void swap(struct hgl_writeset *a, struct hgl_writeset *b)
{
  struct hgl_writeset was = *a;
  *a = *b;
  *b = was;
}

int hgl_writeset_merge(struct hgl_writeset *into, struct hgl_writeset *from, struct hgl_err *err)
{
  assert(into != from);
  if (into->row_count == 0) {
    swap(into, from);
    hgl_writeset_clear(from);
    return 0;
  }
  int status = reserve_rows(into, into->row_count + from->row_count, err);
  if (status) return status;
  for (size_t i = 0; i < from->row_count; i++) {
    struct hgl_row row = from->rows[i];
    if (row.kind == HGL_ROW_GONE) continue; /* vouched for as absent below: nothing to undo */
    row.hash = hash_of(into, row.db, row.key);
    settle(into, find(into, row.db, row.key, row.hash), &row);
  }
  /* The rows go on pointing into the chunks of `from`, which come along, behind our free space. */
  if (from->chunks) {
    struct chunk *last = from->chunks;
    while (last->next) last = last->next;
    last->next = into->chunks->next;
    into->chunks->next = from->chunks;
  }
  from->chunks = NULL;
  hgl_writeset_clear(from);
  return 0;
}

enum hgl_writeset_found hgl_writeset_get(const struct hgl_writeset *set, enum hgl_db db,
                                         struct hgl_bytes key, struct hgl_bytes *value)
{
  if (!set->row_count) return HGL_WRITESET_UNKNOWN;
  struct slot *slot = find(set, db, key, hash_of(set, db, key));
  if (slot->generation != set->generation) return HGL_WRITESET_UNKNOWN;
  const struct hgl_row *row = &set->rows[slot->row];
  if (row->kind == HGL_ROW_GONE) return HGL_WRITESET_UNKNOWN;
  if (row->kind == HGL_ROW_DELETE) return HGL_WRITESET_DELETED;
  *value = row->value;
  return HGL_WRITESET_PUT;
}

size_t hgl_writeset_count(const struct hgl_writeset *set)
{
  return set->live_count;
}

size_t hgl_writeset_size(const struct hgl_writeset *set)
{
  return set->live_bytes;
}

/* Order -----------------------------------------------------------------------------------------
 */

static int compare(enum hgl_db db, struct hgl_bytes key, const struct hgl_row *row)
{
  if (db != row->db) return db < row->db ? -1 : 1;
  return hgl_bytes_compare(key, row->key);
}

static int compare_pointers(const void *a, const void *b)
{
  const struct hgl_row *const *left = a;
  return compare((*left)->db, (*left)->key, *(const struct hgl_row *const *)b);
}

static int compare_indices(const void *a, const void *b, void *set)
{
  const struct hgl_row *rows = ((struct hgl_writeset *)set)->rows;
  const struct hgl_row *left = &rows[*(const uint32_t *)a];
  return compare(left->db, left->key, &rows[*(const uint32_t *)b]);
}

/* How many ordered rows lie below the key; `through`: or at it. */
static size_t rank(const struct hgl_writeset *set, enum hgl_db db, struct hgl_bytes key,
                   bool through)
{
  size_t low = 0, high = set->ordered;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare(db, key, &set->rows[set->order[middle]]);
    if (order > 0 || (through && order == 0))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void order_new_rows(struct hgl_writeset *set)
{
  if (set->row_count - set->ordered > INSERTED_ONE_BY_ONE) {
    for (; set->ordered < set->row_count; set->ordered++)
      set->order[set->ordered] = (uint32_t)set->ordered;
    qsort_r(set->order, set->ordered, sizeof *set->order, compare_indices, set);
    return;
  }
  for (; set->ordered < set->row_count; set->ordered++) {
    const struct hgl_row *row = &set->rows[set->ordered];
    size_t at = rank(set, row->db, row->key, false);
    memmove(set->order + at + 1, set->order + at, (set->ordered - at) * sizeof *set->order);
    set->order[at] = (uint32_t)set->ordered;
  }
}

const struct hgl_row *hgl_writeset_seek(struct hgl_writeset *set, enum hgl_db db,
                                        struct hgl_bytes bound, enum hgl_seek how)
{
  order_new_rows(set);
  if (how == HGL_SEEK_BEFORE) {
    /* No key is empty, so the end of a database is the start of the next. */
    size_t at = rank(set, bound.size ? db : db + 1, bound, false);
    while (at-- > 0) {
      const struct hgl_row *row = &set->rows[set->order[at]];
      if (row->db != db) return NULL;
      if (row->kind != HGL_ROW_GONE) return row;
    }
    return NULL;
  }
  for (size_t at = rank(set, db, bound, how == HGL_SEEK_AFTER); at < set->ordered; at++) {
    const struct hgl_row *row = &set->rows[set->order[at]];
    if (row->db != db) return NULL;
    if (row->kind != HGL_ROW_GONE) return row;
  }
  return NULL;
}

void hgl_writeset_sorted(const struct hgl_writeset *set, const struct hgl_row **rows)
{
  size_t count = 0;
  for (size_t i = 0; i < set->row_count; i++)
    if (set->rows[i].kind != HGL_ROW_GONE) rows[count++] = &set->rows[i];
  assert(count == set->live_count);
  if (count) qsort(rows, count, sizeof *rows, compare_pointers);
}
