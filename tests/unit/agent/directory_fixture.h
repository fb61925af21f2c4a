/* Three hosts in a row with their directories, and short words to advertise and to carry gossip.
   For tests. */
#ifndef HGL_TESTS_DIRECTORY_FIXTURE_H
#define HGL_TESTS_DIRECTORY_FIXTURE_H

#include <stdio.h>

#include "agent/directory.h"
#include "base/map.h"
#include "base/mem.h"
#include "support/advert_fixture.h"
#include "support/check.h"
#include "support/value_text.h"

#define START_MS INT64_C(1790000000000)
#define HOUR_MS  (INT64_C(3600) * 1000)

/* A host with its directory, its store (what the events said) and what addresses it heard of. */
struct node {
  struct hgl_signer *signer;
  struct hgl_directory *directory;
  struct hgl_map rows; /* key → struct row */
  int reads, lost;     /* rows read back, and adverts given up because theirs could not be */
  int addresses, lease_addresses;
  char last_url[HGL_URL_SIZE_MAX + 1];
};

struct row {
  size_t size;
  uint8_t bytes[];
};

struct world {
  struct hgl_clock_virtual time;
  struct hgl_clock clock;
  struct hgl_random_seeded seed;
  struct hgl_random random;
  struct node nodes[3];
};

static inline int on_store(void *user, struct hgl_bytes key, struct hgl_bytes row,
                           struct hgl_err *err)
{
  struct node *node = user;
  struct row *old = hgl_map_get(&node->rows, key), *kept = NULL;
  if (row.size) {
    kept = hgl_alloc(sizeof *kept + row.size);
    if (!kept) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    kept->size = row.size;
    memcpy(kept->bytes, row.data, row.size);
    int status = hgl_map_put(&node->rows, key, kept, err);
    if (status) {
      hgl_free(kept);
      return status;
    }
  } else {
    hgl_map_remove(&node->rows, key);
  }
  hgl_free(old);
  return 0;
}

static inline int on_read(void *user, struct hgl_bytes key, struct hgl_buf *out,
                          struct hgl_err *err)
{
  struct node *node = user;
  const struct row *row = hgl_map_get(&node->rows, key);
  node->reads++;
  if (!row) return -HGL_NOT_FOUND;
  hgl_buf_append(out, row->bytes, row->size);
  return hgl_buf_check(out, err);
}

static inline void on_lost(void *user, const struct hgl_key *agent, const struct hgl_err *why)
{
  struct node *node = user;
  node->lost++;
}

static inline void on_address(void *user, const struct hgl_key *host, struct hgl_bytes url,
                              bool from_lease)
{
  struct node *node = user;
  node->addresses += !from_lease;
  node->lease_addresses += from_lease;
  snprintf(node->last_url, sizeof node->last_url, "%.*s", HGL_STR(url));
}

static const struct hgl_directory_events events = {on_store, on_read, on_lost, on_address};

static inline struct hgl_signer *signer(uint64_t number)
{
  struct hgl_err err = {0};
  struct hgl_signer *out = NULL;
  assert_ok(fixture_numbered_signer(number, &out, &err));
  return out;
}

static inline void start_node(struct world *world, struct node *node)
{
  struct hgl_err err = {0};
  assert_ok(hgl_directory_create(node->signer, &world->clock, &world->random, &events, node,
                                 &node->directory, &err));
}

static inline int setup(void **state)
{
  static struct world world;
  struct hgl_err err = {0};
  assert_ok(hgl_crypto_init(&err));
  world = (struct world){.time = {START_MS, 0}};
  world.clock = hgl_clock_from_virtual(&world.time);
  world.random = hgl_random_from_seed(&world.seed, 7);
  for (uint64_t i = 0; i < 3; i++) {
    world.nodes[i].signer = signer(1000 + i);
    hgl_map_init(&world.nodes[i].rows, i, i);
    start_node(&world, &world.nodes[i]);
  }
  *state = &world;
  return 0;
}

static inline int teardown(void **state)
{
  struct world *world = *state;
  for (int i = 0; i < 3; i++) {
    struct node *node = &world->nodes[i];
    struct hgl_map_slot *slot;
    for (size_t at = 0; (slot = hgl_map_next(&node->rows, &at));) hgl_free(slot->value);
    hgl_map_deinit(&node->rows);
    hgl_directory_destroy(node->directory);
    hgl_signer_destroy(node->signer);
  }
  return 0;
}

static inline void payload_buf(struct hgl_buf *buf)
{
  hgl_buf_init(buf, HGL_DIRECTORY_PAYLOAD_SIZE_MAX);
}

/* The evidence of an advert by agent number `agent` on this host, with this body. */
static inline void advert_of(uint64_t agent, const struct hgl_signer *host, int64_t time_ms,
                             uint64_t sequence, const char *body, struct hgl_buf *out)
{
  struct hgl_err err = {0};
  struct hgl_buf value;
  struct hgl_signer *author = signer(agent);
  value_of(body, &value);
  const struct advert_plan plan = {.agent = author,
                                   .host = host,
                                   .time_ms = time_ms,
                                   .life_s = 6 * 24 * 3600,
                                   .sequence = sequence,
                                   .body = hgl_buf_bytes(&value)};
  hgl_buf_init(out, HGL_EVIDENCE_SIZE_MAX);
  assert_ok(fixture_advert(&plan, out, &err));
  hgl_buf_deinit(&value);
  hgl_signer_destroy(author);
}

static inline void publish(struct world *world, int at, uint64_t agent, const char *body)
{
  struct hgl_err err = {0};
  struct hgl_buf evidence;
  advert_of(agent, world->nodes[at].signer, world->time.wall_ms, 1, body, &evidence);
  assert_ok(hgl_directory_publish(world->nodes[at].directory, hgl_buf_bytes(&evidence), &err));
  hgl_directory_committed(world->nodes[at].directory);
  hgl_buf_deinit(&evidence);
}

static inline void renew(struct world *world, int at)
{
  struct hgl_err err = {0};
  char url[64];
  snprintf(url, sizeof url, "ws://node%d.example:7000", at);
  const struct hgl_bytes urls[] = {hgl_text(url)};
  (void)hgl_directory_renew(world->nodes[at].directory, urls, 1, &err);
  assert_int_equal(err.code, HGL_OK);
}

static const int linked[3][3] = {{0, 1, 0}, {1, 0, 1}, {0, 1, 0}}; /* A – B – C */

/* Hands a payload over, and on whatever it makes the receiver say. */
static inline void deliver(struct world *world, int from, int to, struct hgl_bytes payload)
{
  struct hgl_err err = {0};
  struct hgl_buf answer, news;
  payload_buf(&answer);
  payload_buf(&news);
  assert_ok(hgl_directory_receive(world->nodes[to].directory,
                                  hgl_signer_key(world->nodes[from].signer), payload, &answer,
                                  &news, &err));
  if (answer.size) deliver(world, to, from, hgl_buf_bytes(&answer));
  for (int other = 0; news.size && other < 3; other++)
    if (linked[to][other] && other != from) deliver(world, to, other, hgl_buf_bytes(&news));
  hgl_buf_deinit(&answer);
  hgl_buf_deinit(&news);
}

static inline void send_all(struct world *world, int from,
                            int (*make)(struct hgl_directory *, struct hgl_buf *, struct hgl_err *))
{
  struct hgl_err err = {0};
  struct hgl_buf payload;
  payload_buf(&payload);
  assert_ok(make(world->nodes[from].directory, &payload, &err));
  for (int to = 0; payload.size && to < 3; to++)
    if (linked[from][to]) deliver(world, from, to, hgl_buf_bytes(&payload));
  hgl_buf_deinit(&payload);
}

static inline int count_found(struct node *node, const char *text)
{
  struct hgl_err err = {0};
  struct hgl_query *query = NULL;
  struct hgl_buf list;
  size_t count = 0;
  hgl_buf_init(&list, 4 * 1024 * 1024);
  assert_ok(hgl_query_parse(hgl_text(text), &query, &err));
  assert_ok(hgl_directory_find(node->directory, query, &list, &err));
  assert_ok(hgl_value_check(hgl_buf_bytes(&list), &err));
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&list));
  assert_ok(hgl_cbor_get_list(&in, "found", 1000, &count, &err));
  hgl_query_destroy(query);
  hgl_buf_deinit(&list);
  return (int)count;
}

#define WEATHER "{'version':%d,'name':'kiosk','offers':[{'service':'weather','price':%d}]}"

static inline void publish_weather(struct world *world, int at, uint64_t agent, int version,
                                   int price)
{
  char body[256];
  snprintf(body, sizeof body, WEATHER, version, price);
  publish(world, at, agent, body);
}

/* What the host does: leases first, and nothing is stored again. */
static inline void restart(struct world *world, struct node *node)
{
  struct hgl_err err = {0};
  struct hgl_map_slot *slot;
  struct {
    struct hgl_bytes key;
    const struct row *row;
  } rows[16];
  size_t count = 0;
  hgl_directory_destroy(node->directory);
  start_node(world, node);
  for (uint8_t kind = 1; kind <= 2; kind++)
    for (size_t at = 0; (slot = hgl_map_next(&node->rows, &at));)
      if (slot->key[0] == kind) {
        rows[count].key = hgl_bytes(slot->key, slot->key_size);
        rows[count++].row = slot->value;
      }
  for (size_t i = 0; i < count; i++) {
    uint8_t bytes[64];
    const struct hgl_bytes key = hgl_bytes(bytes, rows[i].key.size);
    struct hgl_buf row;
    memcpy(bytes, rows[i].key.data, key.size);
    hgl_buf_init(&row, 64 * 1024);
    hgl_buf_append(&row, rows[i].row->bytes, rows[i].row->size);
    assert_ok(hgl_directory_load(node->directory, key, hgl_buf_bytes(&row), &err));
    assert_true(hgl_directory_load(node->directory, key, hgl_bytes(row.data, row.size - 1), &err) !=
                0);
    bytes[1] ^= 1; /* another's */
    assert_fails(HGL_CORRUPT, hgl_directory_load(node->directory, key, hgl_buf_bytes(&row), &err));
    hgl_buf_deinit(&row);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
