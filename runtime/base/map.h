/* A hash map from byte strings to pointers. Keys are copied; values belong to the caller.
 * The hash is SipHash-1-3 keyed per map, so that peers cannot choose colliding keys.
 * Iteration order is unspecified: sort where order can be seen. One thread at a time. */
#ifndef HGL_BASE_MAP_H
#define HGL_BASE_MAP_H

#include "base/bytes.h"
#include "base/err.h"

struct hgl_map_slot {
  uint64_t hash;
  uint8_t *key; /* NULL: free */
  size_t key_size;
  void *value;
};

struct hgl_map {
  struct hgl_map_slot *slots;
  size_t capacity; /* 0 or a power of two */
  size_t count;
  uint64_t seed[2];
};

/* The seed comes from the host's random source. */
void hgl_map_init(struct hgl_map *map, uint64_t seed0, uint64_t seed1);
void hgl_map_deinit(struct hgl_map *map); /* frees keys, not values */
/* Gives back what an empty map holds of memory; one that is not empty stays as it is. */
void hgl_map_trim(struct hgl_map *map);
/* NULL when absent. */
void *hgl_map_get(const struct hgl_map *map, struct hgl_bytes key);
/* Adds or replaces. HGL_NO_MEMORY leaves the map as it was. */
int hgl_map_put(struct hgl_map *map, struct hgl_bytes key, void *value,
                struct hgl_err *err) HGL_NODISCARD;
/* The removed value, or NULL. */
void *hgl_map_remove(struct hgl_map *map, struct hgl_bytes key);
/* Iterate: for (size_t i = 0; (slot = hgl_map_next(map, &i));) — no put or remove meanwhile. */
struct hgl_map_slot *hgl_map_next(const struct hgl_map *map, size_t *position);

uint64_t hgl_siphash13(const uint64_t seed[2], const void *data, size_t size);

#endif
