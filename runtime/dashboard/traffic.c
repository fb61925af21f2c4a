#include "dashboard/traffic.h"

#include "base/mem.h"

enum {
  SLOTS = 16384, /* a power of two, more than twice the entries */
  PROBES = 16,
  BATCH = 32,
};

/* The tag, of the pair and the word, is what mostly spares a look at entries of others. */
struct slot {
  uint16_t entry; /* its place, from 1; 0: free */
  uint16_t tag;
};

struct spoken {
  uint64_t hash; /* of the pair */
  uint16_t tag;
  struct traffic_entry entry; /* as it would be made */
};

/* What was spoken is counted in batches. Between two messages a busy host goes through more memory
 * than caches hold, so that each would wait for its slot and its entry; those of a batch are
 * fetched all at once. */
struct traffic {
  uint64_t seed;
  uint64_t left_out;
  size_t count, waiting;
  struct spoken batch[BATCH];
  struct slot slots[SLOTS];
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

static uint16_t tag_of(uint64_t hash, struct hgl_bytes word)
{
  uint64_t start = 0;
  if (word.size) memcpy(&start, word.data, word.size < sizeof start ? word.size : sizeof start);
  return (uint16_t)(((hash ^ start) * UINT64_C(0x9e3779b97f4a7c15)) >> 48);
}

static bool is_of_pair(const struct traffic_entry *entry, const struct spoken *spoken)
{
  return hgl_key_equal(&entry->from, &spoken->entry.from) &&
         hgl_key_equal(&entry->to, &spoken->entry.to);
}

/* NULL: there is no entry of the pair and the word, or none that is looked at. */
static struct traffic_entry *find(struct traffic *traffic, const struct spoken *spoken)
{
  const struct traffic_entry *sought = &spoken->entry;
  for (unsigned i = 0; i < PROBES; i++) {
    const struct slot *slot = &traffic->slots[(spoken->hash + i) % SLOTS];
    if (!slot->entry) return NULL;
    struct traffic_entry *entry = &traffic->entries[slot->entry - 1];
    if (slot->tag == spoken->tag && entry->word_size == sought->word_size &&
        memcmp(entry->word, sought->word, sought->word_size) == 0 && is_of_pair(entry, spoken))
      return entry;
  }
  return NULL;
}

/* A new one; where room runs short, or the pair has too many, another of the pair. NULL: there is
 * none. */
static struct traffic_entry *make(struct traffic *traffic, const struct spoken *spoken)
{
  struct traffic_entry *other = NULL;
  for (unsigned i = 0, words = 0; i < PROBES && words < TRAFFIC_WORDS_MAX; i++) {
    struct slot *slot = &traffic->slots[(spoken->hash + i) % SLOTS];
    if (!slot->entry) {
      size_t most = other ? TRAFFIC_ENTRIES_MAX / 2 : TRAFFIC_ENTRIES_MAX;
      if (traffic->count >= most) return other;
      traffic->entries[traffic->count++] = spoken->entry;
      *slot = (struct slot){(uint16_t)traffic->count, spoken->tag};
      return &traffic->entries[traffic->count - 1];
    }
    if (!is_of_pair(&traffic->entries[slot->entry - 1], spoken)) continue;
    other = &traffic->entries[slot->entry - 1];
    words++;
  }
  return other;
}

static void fetch(const struct traffic *traffic, const struct spoken *spoken)
{
  for (unsigned i = 0; i < PROBES; i++) {
    const struct slot *slot = &traffic->slots[(spoken->hash + i) % SLOTS];
    if (!slot->entry) return;
    if (slot->tag != spoken->tag) continue;
    const struct traffic_entry *entry = &traffic->entries[slot->entry - 1];
    __builtin_prefetch(entry, 1);
    __builtin_prefetch((const char *)(entry + 1) - 1, 1);
    return;
  }
}

static void settle(struct traffic *traffic)
{
  for (size_t i = 0; i < traffic->waiting; i++)
    __builtin_prefetch(&traffic->slots[traffic->batch[i].hash % SLOTS]);
  for (size_t i = 0; i < traffic->waiting; i++) fetch(traffic, &traffic->batch[i]);
  for (size_t i = 0; i < traffic->waiting; i++) {
    struct traffic_entry *entry = find(traffic, &traffic->batch[i]);
    if (!entry) entry = make(traffic, &traffic->batch[i]);
    if (entry)
      entry->count++;
    else
      traffic->left_out++;
  }
  traffic->waiting = 0;
}

void traffic_add(struct traffic *traffic, const struct hgl_key *from, const struct hgl_key *to,
                 struct hgl_bytes word)
{
  struct spoken *spoken = &traffic->batch[traffic->waiting++];
  if (word.size > TRAFFIC_WORD_SIZE) word.size = TRAFFIC_WORD_SIZE;
  spoken->hash = hash_of(traffic, from, to);
  spoken->tag = tag_of(spoken->hash, word);
  spoken->entry.from = *from;
  spoken->entry.to = *to;
  spoken->entry.count = 0;
  spoken->entry.word_size = (uint8_t)word.size;
  if (word.size) memcpy(spoken->entry.word, word.data, word.size);
  if (traffic->waiting == BATCH) settle(traffic);
}

size_t traffic_count(struct traffic *traffic)
{
  settle(traffic);
  return traffic->count;
}

const struct traffic_entry *traffic_at(const struct traffic *traffic, size_t index)
{
  return &traffic->entries[index];
}

uint64_t traffic_left_out(struct traffic *traffic)
{
  settle(traffic);
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
      for (unsigned k = 0; k < PROBES; k++)
        traffic->slots[(hash + k) % SLOTS] = (struct slot){0, 0};
    }
  }
  traffic->count = traffic->waiting = 0;
  traffic->left_out = 0;
}
