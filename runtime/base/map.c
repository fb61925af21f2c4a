#include "base/map.h"

#include <assert.h>

#include "base/mem.h"

static uint64_t rotate(uint64_t x, int bits)
{
  return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
  v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
  v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
  v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
  v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

/* Aumasson, Bernstein: SipHash, with one compression and three finalisation rounds. */
uint64_t hgl_siphash13(const uint64_t seed[2], const void *data, size_t size)
{
  const uint8_t *in = data;
  uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du,
                   seed[0] ^ 0x6c7967656e657261u, seed[1] ^ 0x7465646279746573u};
  uint64_t last = (uint64_t)size << 56;
  for (; size >= 8; size -= 8, in += 8) {
    uint64_t word;
    memcpy(&word, in, 8);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
  }
  for (size_t i = 0; i < size; i++) last |= (uint64_t)in[i] << (8 * i);
  v[3] ^= last;
  sip_round(v);
  v[0] ^= last;
  v[2] ^= 0xff;
  for (int i = 0; i < 3; i++) sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void hgl_map_init(struct hgl_map *map, uint64_t seed0, uint64_t seed1)
{
  *map = (struct hgl_map){.seed = {seed0, seed1}};
}

void hgl_map_deinit(struct hgl_map *map)
{
  for (size_t i = 0; i < map->capacity; i++) hgl_free(map->slots[i].key);
  hgl_free(map->slots);
  hgl_map_init(map, map->seed[0], map->seed[1]);
}

void hgl_map_trim(struct hgl_map *map)
{
  if (!map->count) hgl_map_deinit(map);
}

/* The slot that holds the key, or the free one where it would go. Linear probing; the map is
 * never more than three quarters full. */
static struct hgl_map_slot *find(const struct hgl_map *map, uint64_t hash, struct hgl_bytes key)
{
  for (size_t i = hash & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
    struct hgl_map_slot *slot = &map->slots[i];
    if (!slot->key) return slot;
    if (slot->hash == hash && hgl_bytes_equal(hgl_bytes(slot->key, slot->key_size), key))
      return slot;
  }
}

void *hgl_map_get(const struct hgl_map *map, struct hgl_bytes key)
{
  if (!map->count) return NULL;
  struct hgl_map_slot *slot = find(map, hgl_siphash13(map->seed, key.data, key.size), key);
  return slot->key ? slot->value : NULL;
}

static bool grow(struct hgl_map *map)
{
  struct hgl_map bigger = *map;
  bigger.capacity = map->capacity ? map->capacity * 2 : 8;
  bigger.slots = hgl_array(bigger.capacity, sizeof *bigger.slots);
  if (!bigger.slots) return false;
  for (size_t i = 0; i < map->capacity; i++) {
    struct hgl_map_slot *slot = &map->slots[i];
    if (slot->key) *find(&bigger, slot->hash, hgl_bytes(slot->key, slot->key_size)) = *slot;
  }
  hgl_free(map->slots);
  *map = bigger;
  return true;
}

int hgl_map_put(struct hgl_map *map, struct hgl_bytes key, void *value, struct hgl_err *err)
{
  assert(value);
  uint64_t hash = hgl_siphash13(map->seed, key.data, key.size);
  struct hgl_map_slot *slot = map->capacity ? find(map, hash, key) : NULL;
  if (slot && slot->key) {
    slot->value = value;
    return 0;
  }
  if (!slot || (map->count + 1) * 4 > map->capacity * 3) {
    if (!grow(map)) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    slot = find(map, hash, key);
  }
  uint8_t *copy = hgl_memdup(key.data, key.size);
  if (!copy) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *slot = (struct hgl_map_slot){hash, copy, key.size, value};
  map->count++;
  return 0;
}

void *hgl_map_remove(struct hgl_map *map, struct hgl_bytes key)
{
  if (!map->count) return NULL;
  struct hgl_map_slot *slot = find(map, hgl_siphash13(map->seed, key.data, key.size), key);
  if (!slot->key) return NULL;
  void *value = slot->value;
  hgl_free(slot->key);
  map->count--;
  /* Close the gap, so that no probe stops short of an entry behind it. */
  size_t mask = map->capacity - 1, gap = (size_t)(slot - map->slots);
  map->slots[gap].key = NULL;
  for (size_t i = (gap + 1) & mask; map->slots[i].key; i = (i + 1) & mask) {
    size_t home = map->slots[i].hash & mask;
    if (((i - home) & mask) < ((i - gap) & mask)) continue;
    map->slots[gap] = map->slots[i];
    map->slots[i].key = NULL;
    gap = i;
  }
  return value;
}

struct hgl_map_slot *hgl_map_next(const struct hgl_map *map, size_t *position)
{
  while (*position < map->capacity) {
    struct hgl_map_slot *slot = &map->slots[(*position)++];
    if (slot->key) return slot;
  }
  return NULL;
}
