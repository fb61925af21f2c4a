/* Who speaks with whom: how many messages of each performative. A table of a fixed size, so that
 * counting a message takes some tens of nanoseconds and no memory, whoever speaks: when half of it
 * is taken, or a pair has used many performatives, further ones are counted with one that the pair
 * has used before, and what finds no place at all is counted as left out. Loop thread. */
#ifndef HGL_DASHBOARD_TRAFFIC_H
#define HGL_DASHBOARD_TRAFFIC_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "protocol/crypto.h"

enum {
  TRAFFIC_ENTRIES_MAX = 6000,
  TRAFFIC_WORDS_MAX = 8,  /* of one pair */
  TRAFFIC_WORD_SIZE = 24, /* of a performative; what is longer is cut */
};

struct traffic_entry {
  struct hgl_key from, to;
  uint32_t count;
  uint8_t word_size;
  char word[TRAFFIC_WORD_SIZE];
};

struct traffic;

int traffic_create(uint64_t seed, struct traffic **out, struct hgl_err *err) HGL_NODISCARD;
void traffic_destroy(struct traffic *traffic); /* NULL is allowed */
void traffic_add(struct traffic *traffic, const struct hgl_key *from, const struct hgl_key *to,
                 struct hgl_bytes word);
/* In the order in which they first spoke. */
size_t traffic_count(struct traffic *traffic);
const struct traffic_entry *traffic_at(const struct traffic *traffic, size_t index);
uint64_t traffic_left_out(struct traffic *traffic); /* messages */
void traffic_clear(struct traffic *traffic);

#endif
