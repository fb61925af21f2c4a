#include "base/table.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

void hgl_table_init(struct hgl_table *table, size_t key_at, size_t key_size, uint64_t seed0,
                    uint64_t seed1)
{
  *table = (struct hgl_table){.key_at = key_at, .key_size = key_size, .seed = {seed0, seed1}};
}

void hgl_table_deinit(struct hgl_table *table)
{
  hgl_free(table->slots);
  hgl_table_init(table, table->key_at, table->key_size, table->seed[0], table->seed[1]);
}

static const void *key_of(const struct hgl_table *table, const void *record)
{
  return (const char *)record + table->key_at;
}

static size_t home_of(const struct hgl_table *table, const void *key)
{
  return hgl_siphash13(table->seed, key, table->key_size) & (table->capacity - 1);
}

/* The place of the key, or the free one where it would go. Linear probing; the table is never more
 * than three quarters full. */
static size_t find(const struct hgl_table *table, const void *key)
{
  size_t i = home_of(table, key);
  while (table->slots[i] && memcmp(key_of(table, table->slots[i]), key, table->key_size) != 0)
    i = (i + 1) & (table->capacity - 1);
  return i;
}

void *hgl_table_get(const struct hgl_table *table, const void *key)
{
  return table->count ? table->slots[find(table, key)] : NULL;
}

static bool has_room(const struct hgl_table *table)
{
  return (table->count + 1) * 4 <= table->capacity * 3;
}

int hgl_table_reserve(struct hgl_table *table, struct hgl_err *err)
{
  if (has_room(table)) return 0;
  struct hgl_table bigger = *table;
  bigger.capacity = table->capacity ? table->capacity * 2 : 8;
  bigger.slots = hgl_array(bigger.capacity, sizeof *bigger.slots);
  if (!bigger.slots) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < table->capacity; i++)
    if (table->slots[i])
      bigger.slots[find(&bigger, key_of(table, table->slots[i]))] = table->slots[i];
  hgl_free(table->slots);
  *table = bigger;
  return 0;
}

void *hgl_table_put(struct hgl_table *table, void *record)
{
  assert(record && table->capacity);
  size_t at = find(table, key_of(table, record));
  void *old = table->slots[at];
  assert(old || has_room(table));
  table->slots[at] = record;
  table->count += !old;
  return old;
}

void *hgl_table_remove(struct hgl_table *table, const void *key)
{
  if (!table->count) return NULL;
  size_t mask = table->capacity - 1, gap = find(table, key);
  void *record = table->slots[gap];
  if (!record) return NULL;
  table->count--;
  table->slots[gap] = NULL;
  /* Close the gap, so that no probe stops short of a record behind it. */
  for (size_t i = (gap + 1) & mask; table->slots[i]; i = (i + 1) & mask) {
    size_t home = home_of(table, key_of(table, table->slots[i]));
    if (((i - home) & mask) < ((i - gap) & mask)) continue;
    table->slots[gap] = table->slots[i];
    table->slots[i] = NULL;
    gap = i;
  }
  return record;
}

void *hgl_table_next(const struct hgl_table *table, size_t *position)
{
  while (*position < table->capacity) {
    void *record = table->slots[(*position)++];
    if (record) return record;
  }
  return NULL;
}
