#include "dashboard/traffic.h"

#include "base/mem.h"

enum {
  SLOTS = 16384, /* a power of two, more than twice the entries */
  PROBES = 16,
};

struct traffic {
  uint64_t seed;
  uint64_t left_out;
  size_t count;
  uint16_t slots[SLOTS]; /* place in entries, from 1; 0: free */
  struct traffic_entry entries[TRAFFIC_ENTRIES_MAX];
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
 * than PROBES places are looked at. Those of one pair lie side by side. */
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

static struct traffic_entry *make(struct traffic *traffic, uint16_t *slot,
                                  const struct hgl_key *from, const struct hgl_key *to,
                                  struct hgl_bytes word)
{
  struct traffic_entry *entry = &traffic->entries[traffic->count++];
  *slot = (uint16_t)traffic->count;
  *entry = (struct traffic_entry){.from = *from, .to = *to, .word_size = (uint8_t)word.size};
  if (word.size) memcpy(entry->word, word.data, word.size);
  return entry;
}

/* That of the pair and the word; where room runs short, or the pair has too many, another of the
 * pair. NULL: there is none. */
static struct traffic_entry *find(struct traffic *traffic, const struct hgl_key *from,
                                  const struct hgl_key *to, struct hgl_bytes word)
{
  uint64_t hash = hash_of(traffic, from, to);
  struct traffic_entry *other = NULL;
  for (unsigned i = 0, words = 0; i < PROBES; i++) {
    uint16_t *slot = &traffic->slots[(hash + i) % SLOTS];
    if (!*slot) {
      size_t most = other ? TRAFFIC_ENTRIES_MAX / 2 : TRAFFIC_ENTRIES_MAX;
      return traffic->count < most ? make(traffic, slot, from, to, word) : other;
    }
    struct traffic_entry *entry = &traffic->entries[*slot - 1];
    if (!hgl_key_equal(&entry->from, from) || !hgl_key_equal(&entry->to, to)) continue;
    if (hgl_bytes_equal(hgl_bytes(entry->word, entry->word_size), word)) return entry;
    other = entry;
    if (++words == TRAFFIC_WORDS_MAX) return other;
  }
  return other;
}

void traffic_add(struct traffic *traffic, const struct hgl_key *from, const struct hgl_key *to,
                 struct hgl_bytes word)
{
  if (word.size > TRAFFIC_WORD_SIZE) word.size = TRAFFIC_WORD_SIZE;
  struct traffic_entry *entry = find(traffic, from, to, word);
  if (entry)
    entry->count++;
  else
    traffic->left_out++;
}

size_t traffic_count(const struct traffic *traffic)
{
  return traffic->count;
}

const struct traffic_entry *traffic_at(const struct traffic *traffic, size_t index)
{
  return &traffic->entries[index];
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
      uint64_t hash = hash_of(traffic, &traffic->entries[i].from, &traffic->entries[i].to);
      for (unsigned k = 0; k < PROBES; k++) traffic->slots[(hash + k) % SLOTS] = 0;
    }
  }
  traffic->count = 0;
  traffic->left_out = 0;
}
