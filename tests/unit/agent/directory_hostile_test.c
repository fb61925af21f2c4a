/* What a neighbour brings that is forged, malformed or too much. */
#include "agent/directory_table.h"
#include "directory_fixture.h"

/* Forgery -------------------------------------------------------------------------------------- */

static void put_records(int key, const struct hgl_buf *records, size_t count, struct hgl_buf *out)
{
  hgl_cbor_put_map(out, 1);
  hgl_cbor_put_int(out, key);
  hgl_cbor_put_list(out, count);
  for (size_t i = 0; i < count; i++) hgl_cbor_put_bytes(out, hgl_buf_bytes(&records[i]));
}

/* A neighbour brings C one record; true if C took it. */
static bool brings_from(struct world *world, const struct hgl_signer *neighbour, int key,
                        struct hgl_buf *record)
{
  struct hgl_err err = {0};
  struct hgl_buf payload, answer, news;
  payload_buf(&payload);
  payload_buf(&answer);
  payload_buf(&news);
  put_records(key, record, 1, &payload);
  assert_ok(hgl_directory_receive(world->nodes[2].directory, hgl_signer_key(neighbour),
                                  hgl_buf_bytes(&payload), &answer, &news, &err));
  bool taken = news.size > 0;
  assert_int_equal(answer.size, 0);
  hgl_buf_deinit(&payload);
  hgl_buf_deinit(&answer);
  hgl_buf_deinit(&news);
  return taken;
}

static bool brings(struct world *world, int key, struct hgl_buf *record)
{
  return brings_from(world, world->nodes[1].signer, key, record);
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
    hgl_buf_append_text(&body, "]}");
    advert_of(60, host, START_MS, 1, text_of_buf(&body), &advert);
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
  struct hgl_directory_terms terms;
  assert_true(brings_lease(world, old, 1, START_MS + HOUR_MS));
  assert_true(brings_lease(world, new, 1, START_MS + HOUR_MS));
  assert_true(brings_advert(world, old, 1, "{'version':1}"));
  assert_false(brings_advert(world, new, 1, "{'version':2}")); /* two of one sequence */
  assert_true(brings_advert(world, new, 2, "{'version':2}"));
  assert_false(brings_advert(world, old, 1, "{'version':3}"));
  assert_true(hgl_directory_terms(world->nodes[2].directory, hgl_signer_key(agent), &terms));
  assert_true(hgl_key_equal(&terms.host, hgl_signer_key(new)));
  assert_int_equal(terms.sequence, 2);
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

static void addresses_of_one_neighbour_are_bounded(void **state)
{
  struct world *world = *state;
  struct node *c = &world->nodes[2];
  struct hgl_err err = {0};
  struct hgl_directory_peer peers[HGL_DIRECTORY_PEERS_MAX];
  for (size_t i = 0; i < HGL_DIRECTORY_PEERS_MAX; i++)
    peers[i] = (struct hgl_directory_peer){*hgl_signer_key(world->nodes[0].signer),
                                           hgl_text("ws://a.example")};
  struct hgl_buf payload;
  payload_buf(&payload);
  assert_ok(hgl_directory_peers(peers, HGL_DIRECTORY_PEERS_MAX, &payload, &err));
  for (int told = 0; told < 2 * HGL_DIRECTORY_CHECKS_BURST; told += HGL_DIRECTORY_PEERS_MAX)
    assert_ok(receive(world, hgl_buf_bytes(&payload), &err));
  assert_int_equal(c->addresses, HGL_DIRECTORY_CHECKS_BURST);
  hgl_buf_deinit(&payload);
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

/* No memory to read a row with is no damage to it. */
static void answering_survives_every_failed_allocation(void **state)
{
  struct world *world = *state;
  struct node *c = &world->nodes[2];
  struct hgl_err err = {0};
  struct hgl_buf want;
  renew(world, 2);
  publish_weather(world, 2, 1, 1, 4);
  publish_weather(world, 2, 2, 1, 4);
  payload_buf(&want);
  hgl_cbor_put_map(&want, 1);
  hgl_cbor_put_int(&want, 3);
  hgl_cbor_put_list(&want, 1);
  hgl_cbor_put_list(&want, 2);
  hgl_cbor_put_bytes(&want, hgl_key_bytes(hgl_signer_key(c->signer)));
  hgl_cbor_put_bytes(&want, hgl_bytes(NULL, 0));
  long failures = 0;
  for (int status = -1; status; failures++) {
    hgl_mem_fail_after(failures);
    status = receive(world, hgl_buf_bytes(&want), &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
  }
  assert_true(failures > 5);
  assert_int_equal(c->lost, 0);
  assert_int_equal(count_found(c, "service=weather"), 2);
  hgl_buf_deinit(&want);
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

static bool brings_agent(struct world *world, uint64_t neighbour, const struct hgl_signer *host,
                         uint64_t agent)
{
  struct hgl_signer *from = signer(neighbour);
  struct hgl_buf advert;
  advert_of(agent, host, START_MS, 1, "{'version':1,'offers':[{'service':'fake'}]}", &advert);
  bool taken = brings_from(world, from, 5, &advert);
  hgl_buf_deinit(&advert);
  hgl_signer_destroy(from);
  return taken;
}

static void adverts_of_others_are_bounded_and_our_own_are_not(void **state)
{
  struct world *world = *state;
  struct hgl_directory *c = world->nodes[2].directory;
  struct hgl_signer *host = signer(50);
  c->adverts_max = 2 * (size_t)HGL_DIRECTORY_SHARE;
  assert_true(brings_lease(world, host, 1, START_MS + HOUR_MS));
  for (uint64_t neighbour = 0; neighbour < HGL_DIRECTORY_SHARE; neighbour++) {
    assert_true(brings_agent(world, 900 + neighbour, host, 100 + 10 * neighbour));
    assert_true(brings_agent(world, 900 + neighbour, host, 101 + 10 * neighbour));
    assert_false(brings_agent(world, 900 + neighbour, host, 102 + 10 * neighbour));
  }
  for (uint64_t agent = 1; agent <= 20; agent++) publish_weather(world, 2, agent, 1, 4);
  assert_int_equal(hgl_directory_counts(c).adverts, c->adverts_max + 20);
  assert_int_equal(count_found(&world->nodes[2], "service=fake"), c->adverts_max);
  /* One that brought nothing yet is lighter than all: the newest of another goes. */
  assert_true(brings_agent(world, 990, host, 200));
  assert_int_equal(hgl_directory_counts(c).adverts, c->adverts_max + 20);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 20);
  struct hgl_directory_terms terms;
  int missing = 0;
  for (uint64_t i = 0; i < c->adverts_max; i++) {
    struct hgl_signer *agent = signer(100 + 10 * (i / 2) + i % 2);
    bool known = hgl_directory_terms(c, hgl_signer_key(agent), &terms);
    assert_true(known || i % 2 == 1);
    missing += !known;
    hgl_signer_destroy(agent);
  }
  assert_int_equal(missing, 1);
  hgl_signer_destroy(host);
}

/* An advert with so many bytes of attributes that nobody looks at. */
static bool brings_padded(struct world *world, uint64_t agent, const struct hgl_signer *host,
                          int version, int bytes)
{
  static char pad[12001], body[12100];
  struct hgl_buf advert;
  memset(pad, 'x', sizeof pad - 1);
  snprintf(body, sizeof body, "{'version':%d,'pad':'%.*s'}", version, bytes, pad);
  advert_of(agent, host, START_MS, 1, body, &advert);
  bool taken = brings(world, 5, &advert);
  hgl_buf_deinit(&advert);
  return taken;
}

static void large_adverts_count_as_several(void **state)
{
  struct world *world = *state;
  struct hgl_directory *c = world->nodes[2].directory;
  struct hgl_signer *host = signer(50);
  c->adverts_max = 10 * (size_t)HGL_DIRECTORY_SHARE;
  assert_true(brings_lease(world, host, 1, START_MS + HOUR_MS));
  assert_true(brings_padded(world, 60, host, 1, 12000)); /* seven times 2 KiB */
  assert_false(brings_padded(world, 61, host, 1, 12000));
  assert_true(brings_padded(world, 61, host, 1, 10));
  assert_true(brings_padded(world, 62, host, 1, 10));
  /* Nor can a small one grow into what has no room. */
  assert_false(brings_padded(world, 61, host, 2, 12000));
  assert_true(brings_padded(world, 61, host, 2, 2000));
  assert_false(brings_padded(world, 62, host, 2, 2000));
  assert_true(brings_padded(world, 62, host, 2, 20));
  /* One that shrinks makes room. */
  assert_true(brings_padded(world, 60, host, 2, 10));
  assert_true(brings_padded(world, 63, host, 1, 10000));
  assert_int_equal(hgl_directory_counts(c).adverts, 4);
  hgl_signer_destroy(host);
}

static void a_large_advert_takes_the_room_of_several(void **state)
{
  struct world *world = *state;
  struct hgl_directory *c = world->nodes[2].directory;
  struct hgl_signer *host = signer(50);
  c->adverts_max = 8 * (size_t)HGL_DIRECTORY_SHARE;
  assert_true(brings_lease(world, host, 1, START_MS + HOUR_MS));
  for (uint64_t i = 0; i < c->adverts_max; i++)
    assert_true(brings_agent(world, 900 + i % HGL_DIRECTORY_SHARE, host, 100 + i));
  assert_int_equal(hgl_directory_counts(c).adverts, c->adverts_max);
  assert_true(brings_padded(world, 60, host, 1, 10));
  assert_int_equal(hgl_directory_counts(c).adverts, c->adverts_max);
  assert_true(brings_padded(world, 60, host, 2, 12000)); /* it grows from one to seven */
  assert_int_equal(hgl_directory_counts(c).adverts, c->adverts_max - 7 + 1);
  hgl_signer_destroy(host);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(forged_leases_are_refused),
      TEST(forged_adverts_are_refused),
      TEST(adverts_of_a_wrong_shape_are_refused),
      TEST(advert_of_another_type_or_time_is_refused),
      TEST(agent_that_moved_is_not_claimed_back_by_its_old_host),
      TEST(publish_takes_only_adverts_of_our_own_host),
      TEST(own_lease_that_comes_back_from_before_a_restore_is_outbid),
      TEST(malformed_payloads_are_refused),
      TEST(peers_are_reported_as_hearsay),
      TEST(addresses_of_one_neighbour_are_bounded),
      TEST(receiving_survives_every_failed_allocation),
      TEST(answering_survives_every_failed_allocation),
      TEST(signature_checks_of_one_neighbour_are_limited),
      TEST(flood_of_identities_stays_within_its_share_and_others_stay),
      TEST(adverts_of_others_are_bounded_and_our_own_are_not),
      TEST(large_adverts_count_as_several),
      TEST(a_large_advert_takes_the_room_of_several),
      TEST(full_table_evicts_the_newest_of_the_heaviest_introducer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
