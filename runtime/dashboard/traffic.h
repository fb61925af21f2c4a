/* Who speaks with whom: how many messages, and the last one's performative. A table of a fixed
 * size, so that counting a message takes some tens of nanoseconds and no memory, whoever speaks:
 * what finds no place is counted as left out. Loop thread. */
#ifndef HGL_DASHBOARD_TRAFFIC_H
#define HGL_DASHBOARD_TRAFFIC_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "protocol/crypto.h"

enum {
  TRAFFIC_PAIRS_MAX = 6000,
  TRAFFIC_WORD_SIZE = 24, /* of a performative; what is longer is cut */
};

struct traffic_pair {
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
size_t traffic_count(const struct traffic *traffic);
const struct traffic_pair *traffic_at(const struct traffic *traffic, size_t index);
uint64_t traffic_left_out(const struct traffic *traffic); /* messages */
void traffic_clear(struct traffic *traffic);

#endif
