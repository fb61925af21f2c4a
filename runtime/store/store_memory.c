/* Rows in memory, for tests and simulations: a sorted array for each database. */
#include <assert.h>

#include "base/mem.h"
#include "store/backend.h"

struct stored {
  uint8_t *bytes; /* key, value, checksum */
  size_t key_size, value_size;
};

struct table {
  struct stored *rows;
  size_t count, capacity;
};

struct memory {
  struct hgl_backend backend;
  struct table tables[HGL_DB_COUNT];
  uint64_t bytes;
  enum hgl_code fault;
  int faults_left;
};

static struct memory *memory_of(struct hgl_backend *backend)
{
  return (struct memory *)backend;
}

static struct hgl_bytes key_of(const struct stored *row)
{
  return hgl_bytes(row->bytes, row->key_size);
}

static size_t size_of(const struct stored *row)
{
  return row->key_size + row->value_size;
}

static int value_of(enum hgl_db db, const struct stored *row, struct hgl_bytes *value,
                    struct hgl_err *err)
{
  struct hgl_bytes stored = {row->bytes + row->key_size, row->value_size + HGL_CHECKSUM_SIZE};
  return hgl_row_check(db, key_of(row), stored, value, err);
}

/* The index of the first row at or after the key. */
static size_t rank(const struct table *table, struct hgl_bytes key)
{
  size_t low = 0, high = table->count;
  if (high && hgl_bytes_compare(key_of(&table->rows[high - 1]), key) < 0) return high;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (hgl_bytes_compare(key_of(&table->rows[middle]), key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static bool holds(const struct table *table, size_t at, struct hgl_bytes key)
{
  return at < table->count && hgl_bytes_equal(key_of(&table->rows[at]), key);
}

/* Applying --------------------------------------------------------------------------------------
 */

static bool make_row(const struct hgl_row *from, struct stored *out)
{
  uint8_t *bytes = hgl_alloc(from->key.size + from->value.size + HGL_CHECKSUM_SIZE);
  if (!bytes) return false;
  memcpy(bytes, from->key.data, from->key.size);
  uint8_t *value = bytes + from->key.size;
  if (from->value.size) memcpy(value, from->value.data, from->value.size);
  hgl_row_checksum(from->db, from->key, from->value, value + from->value.size);
  *out = (struct stored){bytes, from->key.size, from->value.size};
  return true;
}

static bool reserve(struct table *table, size_t more)
{
  size_t needed = table->count + more, capacity = table->capacity ? table->capacity : 8;
  if (needed <= table->capacity) return true;
  while (capacity < needed) capacity *= 2;
  struct stored *rows = hgl_realloc(table->rows, capacity * sizeof *rows);
  if (!rows) return false;
  table->rows = rows;
  table->capacity = capacity;
  return true;
}

/* Everything that can fail, so that a set is applied whole or not at all. */
static bool prepare(struct memory *memory, const struct hgl_row *const *rows, size_t count,
                    struct stored *made)
{
  size_t puts[HGL_DB_COUNT] = {0};
  for (size_t i = 0; i < count; i++) {
    if (rows[i]->kind == HGL_ROW_DELETE) continue;
    if (!make_row(rows[i], &made[i])) return false;
    puts[rows[i]->db]++;
  }
  for (int db = 0; db < HGL_DB_COUNT; db++)
    if (!reserve(&memory->tables[db], puts[db])) return false;
  return true;
}

static void apply_row(struct memory *memory, const struct hgl_row *row, struct stored made)
{
  struct table *table = &memory->tables[row->db];
  size_t at = rank(table, row->key);
  bool there = holds(table, at, row->key);
  struct stored *place = table->rows + at;
  if (there) {
    memory->bytes -= size_of(place);
    hgl_free(place->bytes);
  }
  size_t after = table->count - at;
  if (row->kind == HGL_ROW_DELETE) {
    if (!there) return;
    memmove(place, place + 1, (after - 1) * sizeof *place);
    table->count--;
    return;
  }
  if (!there) {
    memmove(place + 1, place, after * sizeof *place);
    table->count++;
  }
  *place = made;
  memory->bytes += size_of(place);
}

static int memory_apply(struct hgl_backend *backend, const struct hgl_row *const *rows,
                        size_t count, struct hgl_err *err)
{
  struct memory *memory = memory_of(backend);
  if (memory->faults_left > 0) {
    memory->faults_left--;
    return hgl_fail(err, memory->fault, "as a test asked for");
  }
  struct stored *made = hgl_array(count, sizeof *made);
  bool ready = made && prepare(memory, rows, count, made);
  if (ready)
    for (size_t i = 0; i < count; i++) apply_row(memory, rows[i], made[i]);
  else if (made)
    for (size_t i = 0; i < count; i++) hgl_free(made[i].bytes);
  hgl_free(made);
  return ready ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* Reading ---------------------------------------------------------------------------------------
 */

static int memory_get(struct hgl_backend *backend, enum hgl_db db, struct hgl_bytes key,
                      struct hgl_buf *out, struct hgl_err *err)
{
  const struct table *table = &memory_of(backend)->tables[db];
  size_t at = rank(table, key);
  if (!holds(table, at, key)) return -HGL_NOT_FOUND;
  struct hgl_bytes value;
  int status = value_of(db, &table->rows[at], &value, err);
  if (status) return status;
  hgl_buf_append_bytes(out, value);
  return hgl_buf_check(out, err);
}

static int memory_open_cursor(struct hgl_cursor *cursor, struct hgl_err *err)
{
  return 0;
}

/* `index` counts the rows up to and with the current one. */
static int entry_at(struct hgl_cursor *cursor, struct hgl_entry *out, struct hgl_err *err)
{
  const struct table *table = &memory_of(cursor->backend)->tables[cursor->db];
  if (cursor->index == 0 || cursor->index > table->count) return 0;
  const struct stored *row = &table->rows[cursor->index - 1];
  struct hgl_bytes value;
  int status = value_of(cursor->db, row, &value, err);
  if (status) return status;
  *out = (struct hgl_entry){key_of(row), value};
  return 1;
}

static int memory_first(struct hgl_cursor *cursor, struct hgl_bytes bound, struct hgl_entry *out,
                        struct hgl_err *err)
{
  const struct table *table = &memory_of(cursor->backend)->tables[cursor->db];
  if (cursor->backwards)
    cursor->index = bound.size ? rank(table, bound) : table->count;
  else
    cursor->index = rank(table, bound) + 1;
  return entry_at(cursor, out, err);
}

static int memory_next(struct hgl_cursor *cursor, struct hgl_entry *out, struct hgl_err *err)
{
  cursor->index += cursor->backwards ? (size_t)-1 : 1;
  return entry_at(cursor, out, err);
}

static void memory_close_cursor(struct hgl_cursor *cursor) {}

static void memory_refresh(struct hgl_backend *backend) {}

static uint64_t memory_file_bytes(struct hgl_backend *backend)
{
  return memory_of(backend)->bytes;
}

static void memory_close(struct hgl_backend *backend)
{
  struct memory *memory = memory_of(backend);
  for (int db = 0; db < HGL_DB_COUNT; db++) {
    struct table *table = &memory->tables[db];
    for (size_t i = 0; i < table->count; i++) hgl_free(table->rows[i].bytes);
    hgl_free(table->rows);
  }
  hgl_free(memory);
}

static const struct hgl_backend_calls memory_calls = {
    .apply = memory_apply,
    .get = memory_get,
    .open_cursor = memory_open_cursor,
    .first = memory_first,
    .next = memory_next,
    .close_cursor = memory_close_cursor,
    .refresh = memory_refresh,
    .file_bytes = memory_file_bytes,
    .close = memory_close,
};

int hgl_backend_memory_open(struct hgl_backend **out, struct hgl_err *err)
{
  struct memory *memory = hgl_zalloc(sizeof *memory);
  if (!memory) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  memory->backend.calls = &memory_calls;
  *out = &memory->backend;
  return 0;
}

void hgl_backend_memory_fault(struct hgl_backend *backend, enum hgl_code code, int count)
{
  struct memory *memory = memory_of(backend);
  assert(backend->calls == &memory_calls);
  memory->fault = code;
  memory->faults_left = count;
}
