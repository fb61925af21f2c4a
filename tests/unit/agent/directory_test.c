#include "support/check.h"

#include <stdio.h>

#include "agent/directory.h"
#include "base/map.h"
#include "base/mem.h"
#include "protocol/did.h"
#include "support/advert_fixture.h"
#include "support/value_text.h"

#define START_MS INT64_C(1790000000000)
#define HOUR_MS  (INT64_C(3600) * 1000)

/* A host with its directory, its store (what the events said) and what addresses it heard of. */
struct node {
  struct hgl_signer *signer;
  struct hgl_directory *directory;
  struct hgl_map rows; /* key → struct row */
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

static void on_store(void *user, struct hgl_bytes key, struct hgl_bytes row)
{
  struct hgl_err err = {0};
  struct node *node = user;
  hgl_free(hgl_map_remove(&node->rows, key));
  if (!row.size) return;
  struct row *kept = hgl_alloc(sizeof *kept + row.size);
  if (!kept) return; /* only while allocations are made to fail */
  kept->size = row.size;
  memcpy(kept->bytes, row.data, row.size);
  if (hgl_map_put(&node->rows, key, kept, &err)) hgl_free(kept);
}

static void on_address(void *user, const struct hgl_key *host, struct hgl_bytes url,
                       bool from_lease)
{
  struct node *node = user;
  node->addresses += !from_lease;
  node->lease_addresses += from_lease;
  snprintf(node->last_url, sizeof node->last_url, "%.*s", HGL_STR(url));
}

static const struct hgl_directory_events events = {on_store, on_address};

static struct hgl_signer *signer(uint64_t number)
{
  struct hgl_err err = {0};
  struct hgl_signer *out = NULL;
  assert_ok(fixture_numbered_signer(number, &out, &err));
  return out;
}

static void start_node(struct world *world, struct node *node)
{
  struct hgl_err err = {0};
  assert_ok(hgl_directory_create(node->signer, &world->clock, &world->random, &events, node,
                                 &node->directory, &err));
}

static int setup(void **state)
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

static int teardown(void **state)
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

static void payload_buf(struct hgl_buf *buf)
{
  hgl_buf_init(buf, HGL_DIRECTORY_PAYLOAD_SIZE_MAX);
}

/* The evidence of an advert by agent number `agent` on this host, with this body. */
static void advert_of(uint64_t agent, const struct hgl_signer *host, int64_t time_ms,
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

static void publish(struct world *world, int at, uint64_t agent, const char *body)
{
  struct hgl_err err = {0};
  struct hgl_buf evidence;
  advert_of(agent, world->nodes[at].signer, world->time.wall_ms, 1, body, &evidence);
  assert_ok(hgl_directory_publish(world->nodes[at].directory, hgl_buf_bytes(&evidence), &err));
  hgl_buf_deinit(&evidence);
}

static void renew(struct world *world, int at)
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
static void deliver(struct world *world, int from, int to, struct hgl_bytes payload)
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

static void send_all(struct world *world, int from,
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

static void digest_round(struct world *world)
{
  for (int from = 0; from < 3; from++) send_all(world, from, hgl_directory_digest);
}

/* The list found, as JSON text. */
static void find(struct node *node, const char *text, char *out, size_t size_max)
{
  struct hgl_err err = {0};
  struct hgl_query *query = NULL;
  struct hgl_buf list, printed;
  json_t *tree = NULL;
  hgl_buf_init(&list, 1024 * 1024);
  hgl_buf_init(&printed, 1024 * 1024);
  assert_ok(hgl_query_parse(hgl_text(text), &query, &err));
  assert_ok(hgl_directory_find(node->directory, query, &list, &err));
  assert_ok(hgl_value_to_json(hgl_buf_bytes(&list), &tree, &err));
  assert_ok(hgl_json_print(tree, &printed, &err));
  snprintf(out, size_max, "%.*s", HGL_STR(printed));
  json_decref(tree);
  hgl_query_destroy(query);
  hgl_buf_deinit(&printed);
  hgl_buf_deinit(&list);
}

static int count_found(struct node *node, const char *text)
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

static void publish_weather(struct world *world, int at, uint64_t agent, int version, int price)
{
  char body[256];
  snprintf(body, sizeof body, WEATHER, version, price);
  publish(world, at, agent, body);
}

/* Convergence ---------------------------------------------------------------------------------- */

static void adverts_reach_hosts_that_are_not_linked_by_news(void **state)
{
  struct world *world = *state;
  struct hgl_key agent, host, found;
  struct hgl_err err = {0};
  struct hgl_signer *author = signer(1);
  renew(world, 0);
  publish_weather(world, 0, 1, 1, 4);
  send_all(world, 0, hgl_directory_news);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 1);
  agent = *hgl_signer_key(author);
  host = *hgl_signer_key(world->nodes[0].signer);
  assert_true(hgl_directory_host_of(world->nodes[2].directory, &agent, &found));
  assert_true(hgl_key_equal(&host, &found));
  struct hgl_delegation delegation;
  assert_ok(hgl_delegation_verify(hgl_directory_delegation(world->nodes[2].directory, &agent),
                                  &delegation, &err));
  assert_true(hgl_key_equal(&delegation.agent, &agent));
  assert_int_equal(world->nodes[2].lease_addresses, 1);
  assert_string_equal(world->nodes[2].last_url, "ws://node0.example:7000");
  hgl_signer_destroy(author);
}

static void adverts_reach_hosts_that_missed_the_news_by_digest(void **state)
{
  struct world *world = *state;
  renew(world, 0);
  for (uint64_t agent = 1; agent <= 20; agent++) publish_weather(world, 0, agent, 1, 4);
  digest_round(world);
  digest_round(world);
  assert_int_equal(count_found(&world->nodes[1], "service=weather"), 20);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 20);
  assert_int_equal(hgl_directory_counts(world->nodes[2].directory).rejected, 0);
}

static void digests_of_the_same_ask_for_nothing(void **state)
{
  struct world *world = *state;
  struct hgl_err err = {0};
  struct hgl_buf digest, answer, news;
  renew(world, 0);
  publish_weather(world, 0, 1, 1, 4);
  send_all(world, 0, hgl_directory_news);
  payload_buf(&digest);
  payload_buf(&answer);
  payload_buf(&news);
  assert_ok(hgl_directory_digest(world->nodes[0].directory, &digest, &err));
  assert_ok(hgl_directory_receive(world->nodes[1].directory, hgl_signer_key(world->nodes[0].signer),
                                  hgl_buf_bytes(&digest), &answer, &news, &err));
  assert_int_equal(answer.size + news.size, 0);
  hgl_buf_deinit(&digest);
  hgl_buf_deinit(&answer);
  hgl_buf_deinit(&news);
}

static void more_than_one_payload_of_adverts_comes_in_parts(void **state)
{
  struct world *world = *state;
  struct hgl_buf body;
  renew(world, 0);
  hgl_buf_init(&body, 16 * 1024);
  hgl_buf_append_text(&body, "{'version':1,'offers':[{'service':'bulk','pad':'");
  for (int i = 0; i < 12000; i++) hgl_buf_append_byte(&body, 'x');
  hgl_buf_append(&body, "'}]}", 5);
  for (uint64_t agent = 1; agent <= 200; agent++)
    publish(world, 0, agent, (const char *)body.data); /* 2.5 MB */
  hgl_buf_deinit(&body);
  digest_round(world);
  assert_int_equal(count_found(&world->nodes[1], "service=bulk limit 1000"), 200);
  /* By news too: call after call until nothing is left. */
  for (int i = 0; i < 4; i++) send_all(world, 0, hgl_directory_news);
  digest_round(world);
  assert_int_equal(count_found(&world->nodes[2], "service=bulk limit 1000"), 200);
}

static void higher_version_replaces_and_withdrawal_stays(void **state)
{
  struct world *world = *state;
  struct hgl_buf old;
  struct hgl_err err = {0};
  char found[1024];
  renew(world, 0);
  advert_of(1, world->nodes[0].signer, START_MS, 1,
            "{'version':2,'offers':[{'service':'weather','price':9}]}", &old);
  publish_weather(world, 0, 1, 1, 4);
  send_all(world, 0, hgl_directory_news);
  publish_weather(world, 0, 1, 2, 3);
  send_all(world, 0, hgl_directory_news);
  find(&world->nodes[2], "service=weather", found, sizeof found);
  assert_non_null(strstr(found, "\"price\":3"));
  publish(world, 0, 1, "{'version':3,'withdrawn':true}");
  send_all(world, 0, hgl_directory_news);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 0);
  assert_int_equal(count_found(&world->nodes[2], ""), 0);
  assert_int_equal(hgl_directory_counts(world->nodes[2].directory).adverts, 1);

  /* The advert of before does not come back. */
  struct hgl_buf payload;
  payload_buf(&payload);
  hgl_cbor_put_map(&payload, 1);
  hgl_cbor_put_int(&payload, 5);
  hgl_cbor_put_list(&payload, 1);
  hgl_cbor_put_bytes(&payload, hgl_buf_bytes(&old));
  deliver(world, 1, 2, hgl_buf_bytes(&payload));
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 0);
  assert_fails(HGL_INVALID,
               hgl_directory_publish(world->nodes[0].directory, hgl_buf_bytes(&old), &err));
  hgl_buf_deinit(&payload);
  hgl_buf_deinit(&old);
}

static void lease_that_ends_takes_its_adverts_along_and_a_renewed_one_keeps_them(void **state)
{
  struct world *world = *state;
  renew(world, 0);
  publish_weather(world, 0, 1, 1, 4);
  send_all(world, 0, hgl_directory_news);
  hgl_clock_advance(&world->time, 20 * 60 * 1000);
  renew(world, 0);
  send_all(world, 0, hgl_directory_news);
  hgl_clock_advance(&world->time, 50 * 60 * 1000);
  assert_int_equal(hgl_directory_expire(world->nodes[2].directory),
                   hgl_directory_expire(world->nodes[1].directory));
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 1);
  hgl_clock_advance(&world->time, 10 * 60 * 1000);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 0);
  (void)hgl_directory_expire(world->nodes[2].directory);
  assert_int_equal(hgl_directory_counts(world->nodes[2].directory).adverts, 0);
  assert_int_equal(hgl_directory_counts(world->nodes[2].directory).hosts, 1);
  assert_int_equal(world->nodes[2].rows.count, 0);
  /* Our own stays. */
  assert_int_equal(count_found(&world->nodes[0], "service=weather"), 1);
}

static void advert_ends_with_its_delegation(void **state)
{
  struct world *world = *state;
  renew(world, 0);
  publish_weather(world, 0, 1, 1, 4);
  hgl_clock_advance(&world->time, 6 * 24 * HOUR_MS - 1);
  (void)hgl_directory_expire(world->nodes[0].directory);
  assert_int_equal(count_found(&world->nodes[0], "service=weather"), 1);
  hgl_clock_advance(&world->time, 1);
  (void)hgl_directory_expire(world->nodes[0].directory);
  assert_int_equal(hgl_directory_counts(world->nodes[0].directory).adverts, 0);
}

static void lease_is_renewed_when_due_or_when_urls_change(void **state)
{
  struct world *world = *state;
  struct hgl_directory *directory = world->nodes[0].directory;
  struct hgl_err err = {0};
  const struct hgl_bytes urls[] = {hgl_text("ws://a"), hgl_text("ws://b")};
  assert_int_equal(hgl_directory_expire(directory), START_MS);
  assert_true(hgl_directory_renew(directory, urls, 1, &err));
  assert_false(hgl_directory_renew(directory, urls, 1, &err));
  assert_int_equal(hgl_directory_expire(directory), START_MS + HGL_LEASE_RENEW_MS);
  assert_true(hgl_directory_renew(directory, urls, 2, &err));
  hgl_clock_advance(&world->time, HGL_LEASE_RENEW_MS - 1);
  assert_false(hgl_directory_renew(directory, urls, 2, &err));
  hgl_clock_advance(&world->time, 1);
  assert_true(hgl_directory_renew(directory, urls, 2, &err));
  const struct hgl_bytes wrong[] = {hgl_text("http://a")};
  assert_false(hgl_directory_renew(directory, wrong, 1, &err));
  assert_int_equal(err.code, HGL_MALFORMED);
}

static void restart_loads_what_was_stored_and_passes_over_what_has_ended(void **state)
{
  struct world *world = *state;
  struct hgl_err err = {0};
  struct node *c = &world->nodes[2];
  renew(world, 0);
  renew(world, 1);
  publish_weather(world, 0, 1, 1, 4);
  send_all(world, 0, hgl_directory_news);
  hgl_clock_advance(&world->time, 30 * 60 * 1000);
  publish_weather(world, 1, 2, 1, 5);
  (void)hgl_directory_expire(world->nodes[1].directory);
  renew(world, 1);
  send_all(world, 1, hgl_directory_news);
  assert_int_equal(count_found(c, "service=weather"), 2);
  assert_int_equal(c->rows.count, 4);

  hgl_clock_advance(&world->time, 40 * 60 * 1000); /* A's lease has ended, B's has not */
  hgl_directory_destroy(c->directory);
  start_node(world, c);
  struct hgl_map rows = c->rows;
  hgl_map_init(&c->rows, 1, 1);
  for (uint8_t kind = 1; kind <= 2; kind++) {
    struct hgl_map_slot *slot;
    for (size_t at = 0; (slot = hgl_map_next(&rows, &at));) {
      const struct row *row = slot->value;
      if (slot->key[0] != kind) continue;
      assert_ok(hgl_directory_load(c->directory, hgl_bytes(slot->key, slot->key_size),
                                   hgl_bytes(row->bytes, row->size), &err));
      assert_true(hgl_directory_load(c->directory, hgl_bytes(slot->key, slot->key_size),
                                     hgl_bytes(row->bytes, row->size - 1), &err) != 0);
    }
  }
  struct hgl_map_slot *slot;
  for (size_t at = 0; (slot = hgl_map_next(&rows, &at));) hgl_free(slot->value);
  hgl_map_deinit(&rows);
  assert_int_equal(count_found(c, "service=weather"), 1);
  assert_int_equal(count_found(c, "price=5"), 1);
  assert_fails(HGL_CORRUPT,
               hgl_directory_load(c->directory, hgl_text("\x03x"), hgl_text("x"), &err));
}

/* Forgery -------------------------------------------------------------------------------------- */

static void put_records(int key, const struct hgl_buf *records, size_t count, struct hgl_buf *out)
{
  hgl_cbor_put_map(out, 1);
  hgl_cbor_put_int(out, key);
  hgl_cbor_put_list(out, count);
  for (size_t i = 0; i < count; i++) hgl_cbor_put_bytes(out, hgl_buf_bytes(&records[i]));
}

/* Neighbour B brings C one record; true if C took it. */
static bool brings(struct world *world, int key, struct hgl_buf *record)
{
  struct hgl_err err = {0};
  struct hgl_buf payload, answer, news;
  payload_buf(&payload);
  payload_buf(&answer);
  payload_buf(&news);
  put_records(key, record, 1, &payload);
  assert_ok(hgl_directory_receive(world->nodes[2].directory, hgl_signer_key(world->nodes[1].signer),
                                  hgl_buf_bytes(&payload), &answer, &news, &err));
  bool taken = news.size > 0;
  assert_int_equal(answer.size, 0);
  hgl_buf_deinit(&payload);
  hgl_buf_deinit(&answer);
  hgl_buf_deinit(&news);
  return taken;
}

static void lease_of(const struct hgl_signer *host, uint64_t version, int64_t until_ms,
                     struct hgl_buf *out)
{
  struct hgl_err err = {0};
  const struct hgl_lease lease = {
      .host = *hgl_signer_key(host), .version = version, .until_ms = until_ms};
  hgl_buf_init(out, HGL_LEASE_SIZE_MAX);
  assert_ok(hgl_lease_sign(host, &lease, out, &err));
}

static bool brings_lease(struct world *world, const struct hgl_signer *host, uint64_t version,
                         int64_t until_ms)
{
  struct hgl_buf lease;
  lease_of(host, version, until_ms, &lease);
  bool taken = brings(world, 4, &lease);
  hgl_buf_deinit(&lease);
  return taken;
}

static void forged_leases_are_refused(void **state)
{
  struct world *world = *state;
  struct hgl_directory *c = world->nodes[2].directory;
  struct hgl_signer *host = signer(50);
  struct hgl_buf lease;
  lease_of(host, 5, START_MS + HOUR_MS, &lease);
  for (size_t i = 0; i < lease.size; i += 7) {
    lease.data[i] ^= 1;
    assert_false(brings(world, 4, &lease));
    lease.data[i] ^= 1;
  }
  assert_int_equal(hgl_directory_counts(c).hosts, 1);
  assert_true(hgl_directory_counts(c).rejected > 0);
  uint64_t rejected = hgl_directory_counts(c).rejected;
  assert_true(brings(world, 4, &lease));
  assert_false(brings(world, 4, &lease)); /* known: nothing new, nothing wrong */
  assert_false(brings_lease(world, host, 4, START_MS + HOUR_MS)); /* older */
  assert_int_equal(hgl_directory_counts(c).rejected, rejected);
  assert_false(brings_lease(world, host, 5, START_MS + 1)); /* another one of that version */
  assert_false(brings_lease(world, host, 6, START_MS + HOUR_MS + HGL_CLOCK_SKEW_MAX_MS + 1));
  assert_int_equal(hgl_directory_counts(c).rejected, rejected + 2);
  assert_true(brings_lease(world, host, 6, START_MS + HOUR_MS + HGL_CLOCK_SKEW_MAX_MS));
  hgl_buf_deinit(&lease);
  hgl_signer_destroy(host);
}

static void forged_adverts_are_refused(void **state)
{
  struct world *world = *state;
  struct hgl_directory *c = world->nodes[2].directory;
  struct hgl_signer *host = signer(50);
  struct hgl_buf advert;
  advert_of(60, host, START_MS, 1, "{'version':1,'offers':[{'service':'weather'}]}", &advert);
  assert_false(brings(world, 5, &advert)); /* no lease */
  assert_int_equal(hgl_directory_counts(c).rejected, 1);
  assert_true(brings_lease(world, host, 1, START_MS + HOUR_MS));
  for (size_t i = 0; i < advert.size; i += 5) {
    advert.data[i] ^= 1;
    assert_false(brings(world, 5, &advert));
    advert.data[i] ^= 1;
  }
  assert_int_equal(hgl_directory_counts(c).adverts, 0);
  assert_true(brings(world, 5, &advert));
  hgl_buf_deinit(&advert);
  hgl_signer_destroy(host);
}

static void adverts_of_a_wrong_shape_are_refused(void **state)
{
  struct world *world = *state;
  struct hgl_signer *host = signer(50);
  static const char *const wrong[] = {
      "null",
      "{'version':'1'}",
      "{'version':-1}",
      "{'version':{'$int':'9007199254740992'}}",
      "{'offers':[]}",
      "{'version':1,'offers':[1]}",
      "{'version':1,'offers':[{'service':1}]}",
      "{'version':1,'offers':{}}",
      "{'version':1,'name':1}",
      "{'version':1,'protocols':[1]}",
      "{'version':1,'withdrawn':1}",
      "{'version':1,'withdrawn':true,'offers':[{}]}",
  };
  assert_true(brings_lease(world, host, 1, START_MS + HOUR_MS));
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct hgl_buf advert;
    advert_of(60, host, START_MS, 1, wrong[i], &advert);
    if (brings(world, 5, &advert)) fail_msg("%s was taken", wrong[i]);
    hgl_buf_deinit(&advert);
  }
  for (size_t extra = 0; extra < 2; extra++) {
    struct hgl_buf body, advert;
    hgl_buf_init(&body, 4096);
    hgl_buf_append_text(&body, "{'version':1,'offers':[{}");
    for (size_t i = 1; i < HGL_ADVERT_OFFERS_MAX + extra; i++) hgl_buf_append_text(&body, ",{}");
    hgl_buf_append(&body, "]}", 3);
    advert_of(60, host, START_MS, 1, (const char *)body.data, &advert);
    assert_int_equal(brings(world, 5, &advert), !extra);
    hgl_buf_deinit(&advert);
    hgl_buf_deinit(&body);
  }
  hgl_signer_destroy(host);
}

static void advert_of_another_type_or_time_is_refused(void **state)
{
  struct world *world = *state;
  struct hgl_err err = {0};
  struct hgl_signer *host = signer(50), *agent = signer(60);
  struct hgl_buf value, advert;
  value_of("{'version':1}", &value);
  hgl_buf_init(&advert, HGL_EVIDENCE_SIZE_MAX);
  assert_true(brings_lease(world, host, 1, START_MS + HOUR_MS));
  struct advert_plan plan = {.agent = agent,
                             .host = host,
                             .time_ms = START_MS,
                             .life_s = 60,
                             .sequence = 1,
                             .type = "haggle/1.0/refuse",
                             .body = hgl_buf_bytes(&value)};
  assert_ok(fixture_advert(&plan, &advert, &err));
  assert_false(brings(world, 5, &advert));
  plan.type = NULL;
  plan.time_ms = START_MS + HGL_CLOCK_SKEW_MAX_MS + 1000; /* from the future */
  hgl_buf_clear(&advert);
  assert_ok(fixture_advert(&plan, &advert, &err));
  assert_false(brings(world, 5, &advert));
  plan.time_ms = START_MS - 60000; /* its delegation has just ended */
  hgl_buf_clear(&advert);
  assert_ok(fixture_advert(&plan, &advert, &err));
  assert_false(brings(world, 5, &advert));
  plan.life_s = 61;
  hgl_buf_clear(&advert);
  assert_ok(fixture_advert(&plan, &advert, &err));
  assert_true(brings(world, 5, &advert));
  hgl_buf_deinit(&advert);
  hgl_buf_deinit(&value);
  hgl_signer_destroy(agent);
  hgl_signer_destroy(host);
}

static bool brings_advert(struct world *world, const struct hgl_signer *host, uint64_t sequence,
                          const char *body)
{
  struct hgl_buf advert;
  advert_of(60, host, START_MS, sequence, body, &advert);
  bool taken = brings(world, 5, &advert);
  hgl_buf_deinit(&advert);
  return taken;
}

static void agent_that_moved_is_not_claimed_back_by_its_old_host(void **state)
{
  struct world *world = *state;
  struct hgl_signer *old = signer(50), *new = signer(51), *agent = signer(60);
  struct hgl_key host;
  assert_true(brings_lease(world, old, 1, START_MS + HOUR_MS));
  assert_true(brings_lease(world, new, 1, START_MS + HOUR_MS));
  assert_true(brings_advert(world, old, 1, "{'version':1}"));
  assert_false(brings_advert(world, new, 1, "{'version':2}")); /* two of one sequence */
  assert_true(brings_advert(world, new, 2, "{'version':2}"));
  assert_false(brings_advert(world, old, 1, "{'version':3}"));
  assert_true(hgl_directory_host_of(world->nodes[2].directory, hgl_signer_key(agent), &host));
  assert_true(hgl_key_equal(&host, hgl_signer_key(new)));
  hgl_signer_destroy(agent);
  hgl_signer_destroy(new);
  hgl_signer_destroy(old);
}

static void publish_takes_only_adverts_of_our_own_host(void **state)
{
  struct world *world = *state;
  struct hgl_err err = {0};
  struct hgl_buf advert;
  advert_of(1, world->nodes[1].signer, START_MS, 1, "{'version':1}", &advert);
  assert_fails(HGL_WRONG_HOST,
               hgl_directory_publish(world->nodes[0].directory, hgl_buf_bytes(&advert), &err));
  hgl_buf_deinit(&advert);
}

static void own_lease_that_comes_back_from_before_a_restore_is_outbid(void **state)
{
  struct world *world = *state;
  struct node *c = &world->nodes[2];
  struct hgl_err err = {0};
  struct hgl_buf news;
  struct hgl_lease lease;
  renew(world, 2);
  assert_false(brings_lease(world, c->signer, (uint64_t)START_MS + 5000, START_MS + HOUR_MS));
  const struct hgl_bytes urls[] = {hgl_text("ws://new")};
  assert_true(hgl_directory_renew(c->directory, urls, 1, &err));
  payload_buf(&news);
  assert_ok(hgl_directory_news(c->directory, &news, &err));
  /* {4: [lease]} */
  assert_ok(hgl_lease_verify(hgl_bytes(news.data + 5, news.size - 5), &lease, &err));
  assert_int_equal(lease.version, START_MS + 5001);
  hgl_buf_deinit(&news);
}

/* Payloads ------------------------------------------------------------------------------------- */

static int receive(struct world *world, struct hgl_bytes payload, struct hgl_err *err)
{
  struct hgl_buf answer, news;
  payload_buf(&answer);
  payload_buf(&news);
  int status = hgl_directory_receive(world->nodes[2].directory,
                                     hgl_signer_key(world->nodes[1].signer), payload, &answer,
                                     &news, err);
  hgl_buf_deinit(&answer);
  hgl_buf_deinit(&news);
  return status;
}

static void malformed_payloads_are_refused(void **state)
{
  struct world *world = *state;
  struct hgl_err err = {0};
  static const struct {
    enum hgl_code code;
    const char *bytes;
    size_t size;
  } cases[] = {
      {HGL_TRUNCATED, "", 0},
      {HGL_MALFORMED, "\x80", 1},
      {HGL_TRAILING, "\xa0\x00", 2},
      {HGL_MALFORMED, "\xa1\x02\x01", 3},
      {HGL_MALFORMED, "\xa1\x02\x81\x01", 4},
      {HGL_MALFORMED, "\xa1\x02\x81\x82\x01\x02", 6},
      {HGL_MALFORMED, "\xa1\x03\x81\x82\x41\x00\x40", 7},
      {HGL_MALFORMED, "\xa1\x04\x81\x01", 4},
      {HGL_DUPLICATE_KEY, "\xa2\x04\x80\x04\x80", 5},
      {HGL_NOT_DETERMINISTIC, "\xa2\x05\x80\x04\x80", 5},
      {HGL_MALFORMED, "\xa1\x20\x80", 3},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int status = receive(world, hgl_bytes(cases[i].bytes, cases[i].size), &err);
    if (status != -(int)cases[i].code)
      fail_msg("case %zu: %s: %s", i, hgl_code_name(-status), err.message);
  }
  assert_ok(receive(world, hgl_bytes("\xa0", 1), &err));
  assert_ok(receive(world, hgl_bytes("\xa1\x18\x63\x81\x01", 5), &err)); /* a key to come */
}

static void peers_are_reported_as_hearsay(void **state)
{
  struct world *world = *state;
  struct node *c = &world->nodes[2];
  struct hgl_err err = {0};
  struct hgl_directory_peer peers[HGL_DIRECTORY_PEERS_MAX + 1];
  for (size_t i = 0; i < HGL_DIRECTORY_PEERS_MAX + 1; i++)
    peers[i] = (struct hgl_directory_peer){*hgl_signer_key(world->nodes[0].signer),
                                           hgl_text("ws://a.example")};
  peers[1].url = hgl_text("http://a.example"); /* wrong */
  peers[2].host = *hgl_signer_key(c->signer);  /* C itself */
  struct hgl_buf payload;
  payload_buf(&payload);
  assert_ok(hgl_directory_peers(peers, HGL_DIRECTORY_PEERS_MAX, &payload, &err));
  assert_ok(receive(world, hgl_buf_bytes(&payload), &err));
  assert_int_equal(c->addresses, HGL_DIRECTORY_PEERS_MAX - 2);
  assert_int_equal(c->lease_addresses, 0);
  assert_int_equal(hgl_directory_counts(c->directory).rejected, 1);
  hgl_buf_deinit(&payload);
  assert_fails(HGL_LIMIT, hgl_directory_peers(peers, HGL_DIRECTORY_PEERS_MAX + 1, &payload, &err));
}

/* Floods --------------------------------------------------------------------------------------- */

enum { FLOOD_BATCH = 100 };

/* A neighbour brings hosts `first` to `first + count` (one lease and one advert each). */
static void flood(struct world *world, const struct hgl_signer *neighbour, uint64_t first,
                  uint64_t count)
{
  struct hgl_err err = {0};
  for (uint64_t at = 0; at < count; at += FLOOD_BATCH) {
    struct hgl_buf leases[FLOOD_BATCH], adverts[FLOOD_BATCH], payload, answer, news;
    for (uint64_t i = 0; i < FLOOD_BATCH; i++) {
      struct hgl_signer *host = signer(first + at + i);
      lease_of(host, 1, world->time.wall_ms + HOUR_MS, &leases[i]);
      advert_of(first + at + i, host, world->time.wall_ms, 1,
                "{'version':1,'offers':[{'service':'fake'}]}", &adverts[i]);
      hgl_signer_destroy(host);
    }
    payload_buf(&payload);
    payload_buf(&answer);
    payload_buf(&news);
    put_records(4, leases, FLOOD_BATCH, &payload);
    payload.data[0]++; /* two parts */
    hgl_cbor_put_int(&payload, 5);
    hgl_cbor_put_list(&payload, FLOOD_BATCH);
    for (int i = 0; i < FLOOD_BATCH; i++) {
      hgl_cbor_put_bytes(&payload, hgl_buf_bytes(&adverts[i]));
      hgl_buf_deinit(&leases[i]);
      hgl_buf_deinit(&adverts[i]);
    }
    assert_ok(hgl_directory_receive(world->nodes[2].directory, hgl_signer_key(neighbour),
                                    hgl_buf_bytes(&payload), &answer, &news, &err));
    hgl_buf_deinit(&payload);
    hgl_buf_deinit(&answer);
    hgl_buf_deinit(&news);
  }
}

static void signature_checks_of_one_neighbour_are_limited(void **state)
{
  struct world *world = *state;
  struct hgl_directory *c = world->nodes[2].directory;
  struct hgl_signer *bad = signer(900);
  flood(world, bad, 100000, 800);
  /* A batch takes 300 checks: six whole ones, and 200 for the seventh (leases first). */
  assert_int_equal(hgl_directory_counts(c).hosts, 1 + 700);
  assert_int_equal(hgl_directory_counts(c).adverts, 650);
  hgl_clock_advance(&world->time, 1500); /* 300 more */
  flood(world, bad, 200000, 200);
  assert_int_equal(hgl_directory_counts(c).hosts, 1 + 800);
  assert_int_equal(hgl_directory_counts(c).adverts, 750);
  hgl_signer_destroy(bad);
}

static void flood_of_identities_stays_within_its_share_and_others_stay(void **state)
{
  struct world *world = *state;
  struct hgl_directory *c = world->nodes[2].directory;
  struct hgl_signer *bad = signer(900);
  renew(world, 0);
  publish_weather(world, 0, 1, 1, 4);
  send_all(world, 0, hgl_directory_news); /* C has it from B */
  for (uint64_t i = 0; i < 10; i++) {
    flood(world, bad, 100000 + i * 1000, 1000);
    hgl_clock_advance(&world->time, 10000);
  }
  size_t share = HGL_DIRECTORY_HOSTS_MAX / HGL_DIRECTORY_SHARE;
  assert_int_equal(hgl_directory_counts(c).hosts, 2 + share);
  assert_true(hgl_directory_counts(c).adverts <= 1 + share);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 1);
  assert_true(count_found(&world->nodes[2], "service=fake limit 1000") == 1000);
  renew(world, 1);
  publish_weather(world, 1, 2, 1, 4);
  send_all(world, 1, hgl_directory_news);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 2);
  hgl_signer_destroy(bad);
}

static void full_table_evicts_the_newest_of_the_heaviest_introducer(void **state)
{
  struct world *world = *state;
  struct hgl_directory *c = world->nodes[2].directory;
  const uint64_t share = HGL_DIRECTORY_HOSTS_MAX / HGL_DIRECTORY_SHARE;
  struct hgl_err err = {0};
  struct hgl_signer *bad[HGL_DIRECTORY_SHARE];
  for (uint64_t who = 0; who < HGL_DIRECTORY_SHARE; who++) {
    bad[who] = signer(900 + who);
    /* Leases alone, signed once each; the last one brings a little less than its share. */
    uint64_t count = who < HGL_DIRECTORY_SHARE - 1 ? share : share - 1;
    for (uint64_t i = 0; i < count; i++) {
      struct hgl_signer *host = signer(who * 10000 + 100000 + i);
      struct hgl_buf lease, payload, answer, news;
      lease_of(host, 1, world->time.wall_ms + HOUR_MS, &lease);
      payload_buf(&payload);
      payload_buf(&answer);
      payload_buf(&news);
      put_records(4, &lease, 1, &payload);
      hgl_clock_advance(&world->time, 5);
      assert_ok(hgl_directory_receive(c, hgl_signer_key(bad[who]), hgl_buf_bytes(&payload), &answer,
                                      &news, &err));
      hgl_buf_deinit(&lease);
      hgl_buf_deinit(&payload);
      hgl_buf_deinit(&answer);
      hgl_buf_deinit(&news);
      hgl_signer_destroy(host);
    }
  }
  assert_int_equal(hgl_directory_counts(c).hosts, HGL_DIRECTORY_HOSTS_MAX);
  renew(world, 0);
  publish_weather(world, 0, 1, 1, 4);
  send_all(world, 0, hgl_directory_news);
  assert_int_equal(hgl_directory_counts(c).hosts, HGL_DIRECTORY_HOSTS_MAX);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 1);
  for (uint64_t who = 0; who < HGL_DIRECTORY_SHARE; who++) hgl_signer_destroy(bad[who]);
}

/* Queries -------------------------------------------------------------------------------------- */

static void found_offers_say_who_and_where(void **state)
{
  struct world *world = *state;
  char found[2048], agent_did[HGL_DID_TEXT_SIZE], host_did[HGL_DID_TEXT_SIZE], expected[2048];
  struct hgl_signer *agent = signer(1);
  hgl_did_format(hgl_signer_key(agent), agent_did);
  hgl_did_format(hgl_signer_key(world->nodes[0].signer), host_did);
  publish(world, 0, 1,
          "{'version':1,'name':'kiosk','offers':[{'service':'a','agent':'me','p':1},"
          "{'service':'b','name':'own','zone':2},{'p':3}]}");
  find(&world->nodes[0], "service=a", found, sizeof found);
  snprintf(expected, sizeof expected,
           "[{\"p\":1,\"host\":\"%s\",\"name\":\"kiosk\",\"agent\":\"%s\",\"service\":\"a\"}]",
           host_did, agent_did);
  assert_string_equal(found, expected);
  find(&world->nodes[0], "service=b", found, sizeof found);
  snprintf(expected, sizeof expected,
           "[{\"host\":\"%s\",\"name\":\"own\",\"zone\":2,\"agent\":\"%s\",\"service\":\"b\"}]",
           host_did, agent_did);
  assert_string_equal(found, expected);
  find(&world->nodes[0], "p=3", found, sizeof found);
  snprintf(expected, sizeof expected,
           "[{\"p\":3,\"host\":\"%s\",\"name\":\"kiosk\",\"agent\":\"%s\"}]", host_did, agent_did);
  assert_string_equal(found, expected);
  find(&world->nodes[0], "service=c", found, sizeof found);
  assert_string_equal(found, "[]");
  hgl_signer_destroy(agent);
}

static void best_offers_are_found_among_many(void **state)
{
  struct world *world = *state;
  char found[4096];
  for (uint64_t agent = 1; agent <= 60; agent++)
    publish_weather(world, 0, agent, 1, (int)(agent * 37 % 61));
  find(&world->nodes[0], "service=weather order price limit 2", found, sizeof found);
  assert_non_null(strstr(found, "\"price\":1,"));
  assert_non_null(strstr(found, "\"price\":2,"));
  assert_null(strstr(found, "\"price\":3,"));
  find(&world->nodes[0], "order -price limit 1", found, sizeof found);
  assert_non_null(strstr(found, "\"price\":60,"));
  assert_int_equal(count_found(&world->nodes[0], "service=weather price<=10"), 10);
  assert_int_equal(count_found(&world->nodes[0], "limit 59"), 59);
  char again[4096];
  find(&world->nodes[0], "service=weather limit 5", found, sizeof found);
  find(&world->nodes[0], "has price limit 5", again, sizeof again);
  assert_string_equal(found, again);
}

static void receiving_survives_every_failed_allocation(void **state)
{
  struct world *world = *state;
  struct hgl_err err = {0};
  struct hgl_buf payload;
  renew(world, 0);
  publish_weather(world, 0, 1, 1, 4);
  payload_buf(&payload);
  assert_ok(hgl_directory_news(world->nodes[0].directory, &payload, &err));
  long failures = 0;
  for (int status = -1; status; failures++) {
    hgl_mem_fail_after(failures);
    status = receive(world, hgl_buf_bytes(&payload), &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
  }
  assert_true(failures > 10);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 1);
  hgl_buf_deinit(&payload);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(adverts_reach_hosts_that_are_not_linked_by_news),
      TEST(adverts_reach_hosts_that_missed_the_news_by_digest),
      TEST(digests_of_the_same_ask_for_nothing),
      TEST(more_than_one_payload_of_adverts_comes_in_parts),
      TEST(higher_version_replaces_and_withdrawal_stays),
      TEST(lease_that_ends_takes_its_adverts_along_and_a_renewed_one_keeps_them),
      TEST(advert_ends_with_its_delegation),
      TEST(lease_is_renewed_when_due_or_when_urls_change),
      TEST(restart_loads_what_was_stored_and_passes_over_what_has_ended),
      TEST(forged_leases_are_refused),
      TEST(forged_adverts_are_refused),
      TEST(adverts_of_a_wrong_shape_are_refused),
      TEST(advert_of_another_type_or_time_is_refused),
      TEST(agent_that_moved_is_not_claimed_back_by_its_old_host),
      TEST(publish_takes_only_adverts_of_our_own_host),
      TEST(own_lease_that_comes_back_from_before_a_restore_is_outbid),
      TEST(malformed_payloads_are_refused),
      TEST(peers_are_reported_as_hearsay),
      TEST(signature_checks_of_one_neighbour_are_limited),
      TEST(flood_of_identities_stays_within_its_share_and_others_stay),
      TEST(full_table_evicts_the_newest_of_the_heaviest_introducer),
      TEST(found_offers_say_who_and_where),
      TEST(best_offers_are_found_among_many),
      TEST(receiving_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
