#include "dashboard/traffic.h"

#include "base/mem.h"

enum {
  SLOTS = 16384, /* a power of two, more than twice the pairs */
  PROBES = 8,
};

struct traffic {
  uint64_t seed;
  uint64_t left_out;
  size_t count;
  uint16_t slots[SLOTS]; /* place in pairs, from 1; 0: free */
  struct traffic_pair pairs[TRAFFIC_PAIRS_MAX];
};

int traffic_create(uint64_t seed, struct traffic **out, struct hgl_err *err)
{
  struct traffic *traffic = hgl_zalloc(sizeof *traffic);
  if (!traffic) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  traffic->seed = seed;
  *out = traffic;
  return 0;
}

void traffic_destroy(struct traffic *traffic)
{
  hgl_free(traffic);
}

/* Keys are as good as random. Whoever makes some that collide only gets himself left out: no more
 * than PROBES places are looked at. */
static uint64_t hash_of(const struct traffic *traffic, const struct hgl_key *from,
                        const struct hgl_key *to)
{
  uint64_t a, b;
  memcpy(&a, from->bytes, sizeof a);
  memcpy(&b, to->bytes, sizeof b);
  uint64_t mixed = (a ^ traffic->seed) * UINT64_C(0x9e3779b97f4a7c15);
  mixed = (mixed ^ mixed >> 32 ^ b) * UINT64_C(0xd6e8feb86659fd93);
  return mixed ^ mixed >> 32;
}

static struct traffic_pair *find(struct traffic *traffic, const struct hgl_key *from,
                                 const struct hgl_key *to)
{
  uint64_t hash = hash_of(traffic, from, to);
  for (unsigned i = 0; i < PROBES; i++) {
    uint16_t *slot = &traffic->slots[(hash + i) % SLOTS];
    if (!*slot) {
      if (traffic->count == TRAFFIC_PAIRS_MAX) return NULL;
      struct traffic_pair *pair = &traffic->pairs[traffic->count++];
      *slot = (uint16_t)traffic->count;
      *pair = (struct traffic_pair){.from = *from, .to = *to};
      return pair;
    }
    struct traffic_pair *pair = &traffic->pairs[*slot - 1];
    if (hgl_key_equal(&pair->from, from) && hgl_key_equal(&pair->to, to)) return pair;
  }
  return NULL;
}

void traffic_add(struct traffic *traffic, const struct hgl_key *from, const struct hgl_key *to,
                 struct hgl_bytes word)
{
  struct traffic_pair *pair = find(traffic, from, to);
  if (!pair) {
    traffic->left_out++;
    return;
  }
  pair->count++;
  pair->word_size = (uint8_t)(word.size < TRAFFIC_WORD_SIZE ? word.size : TRAFFIC_WORD_SIZE);
  if (word.size) memcpy(pair->word, word.data, pair->word_size);
}

size_t traffic_count(const struct traffic *traffic)
{
  return traffic->count;
}

const struct traffic_pair *traffic_at(const struct traffic *traffic, size_t index)
{
  return &traffic->pairs[index];
}

uint64_t traffic_left_out(const struct traffic *traffic)
{
  return traffic->left_out;
}

/* A few are looked for again: as many places as a moment of many has would be slow to wipe for each
 * of the many moments that have few. */
void traffic_clear(struct traffic *traffic)
{
  if (traffic->count > SLOTS / 32) {
    memset(traffic->slots, 0, sizeof traffic->slots);
  } else {
    for (size_t i = 0; i < traffic->count; i++) {
      uint64_t hash = hash_of(traffic, &traffic->pairs[i].from, &traffic->pairs[i].to);
      for (unsigned k = 0; k < PROBES; k++) traffic->slots[(hash + k) % SLOTS] = 0;
    }
  }
  traffic->count = 0;
  traffic->left_out = 0;
}
