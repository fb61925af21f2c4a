/* How much work neighbours can cause, and that what is put off happens later. The bounds are made
   small. */
#include "agent/directory_table.h"
#include "directory_fixture.h"

static const struct hgl_key *key_of(struct world *world, int at)
{
  return hgl_signer_key(world->nodes[at].signer);
}

/* How many items a payload has under this key. */
static size_t count_part(const struct hgl_buf *payload, int64_t wanted)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(payload));
  struct hgl_err err = {0};
  int64_t previous = INT64_MIN, key;
  size_t parts = 0, count;
  if (!payload->size) return 0;
  assert_ok(hgl_cbor_get_map(&in, "gossip", 8, &parts, &err));
  for (; parts; parts--) {
    assert_ok(hgl_cbor_get_key(&in, "gossip", &previous, &key, &err));
    assert_ok(hgl_cbor_get_list(&in, "part", 1000000, &count, &err));
    if (key == wanted) return count;
    for (; count; count--) assert_ok(hgl_value_skip(&in, &err));
  }
  return 0;
}

static void receive(struct world *world, int from, int to, const struct hgl_buf *payload,
                    struct hgl_buf *answer)
{
  struct hgl_err err = {0};
  struct hgl_buf news;
  payload_buf(&news);
  hgl_buf_clear(answer);
  assert_ok(hgl_directory_receive(world->nodes[to].directory, key_of(world, from),
                                  hgl_buf_bytes(payload), answer, &news, &err));
  hgl_buf_deinit(&news);
}

/* `from` tells `to` that its adverts of A are these; true: `to` wants them. */
static bool wants_after_digest(struct world *world, int from, int to, uint8_t hash)
{
  struct hgl_buf digest, answer;
  const struct hgl_hash all = {{hash}};
  payload_buf(&digest);
  payload_buf(&answer);
  hgl_cbor_put_map(&digest, 1);
  hgl_cbor_put_int(&digest, 2);
  hgl_cbor_put_list(&digest, 1);
  hgl_cbor_put_list(&digest, 3);
  hgl_cbor_put_bytes(&digest, hgl_key_bytes(key_of(world, 0)));
  hgl_cbor_put_uint(&digest, 0);
  hgl_cbor_put_bytes(&digest, hgl_bytes(all.bytes, HGL_HASH_SIZE));
  receive(world, from, to, &digest, &answer);
  bool wants = count_part(&answer, 3) > 0;
  hgl_buf_deinit(&digest);
  hgl_buf_deinit(&answer);
  return wants;
}

/* B wants A's adverts behind an agent; how many adverts and mores A answers with. */
static void want(struct world *world, struct hgl_bytes after, size_t *adverts, size_t *mores)
{
  struct hgl_buf bytes, answer;
  payload_buf(&bytes);
  payload_buf(&answer);
  hgl_cbor_put_map(&bytes, 1);
  hgl_cbor_put_int(&bytes, 3);
  hgl_cbor_put_list(&bytes, 1);
  hgl_cbor_put_list(&bytes, 2);
  hgl_cbor_put_bytes(&bytes, hgl_key_bytes(key_of(world, 0)));
  hgl_cbor_put_bytes(&bytes, after);
  receive(world, 1, 0, &bytes, &answer);
  *adverts = count_part(&answer, 5);
  *mores = count_part(&answer, 6);
  hgl_buf_deinit(&bytes);
  hgl_buf_deinit(&answer);
}

static void publish_many(struct world *world, int count)
{
  renew(world, 0);
  for (int agent = 1; agent <= count; agent++) publish_weather(world, 0, (uint64_t)agent, 1, 4);
}

static void checks_left(struct world *world, int at, int of, int64_t checks)
{
  struct hgl_dir_introducer *introducer;
  struct hgl_err err = {0};
  assert_ok(
      hgl_dir_introducer_get(world->nodes[at].directory, key_of(world, of), &introducer, &err));
  introducer->checks = checks;
  introducer->refilled_ns = hgl_mono_ns(&world->clock);
}

/* Hashing -------------------------------------------------------------------------------------- */

enum { CHANGES = 20, SET = 5 };

static void publish_renewed(struct world *world, uint64_t version)
{
  struct hgl_err err = {0};
  struct hgl_buf evidence;
  char body[64];
  snprintf(body, sizeof body, "{'version':%d}", (int)version);
  advert_of(1, world->nodes[0].signer, world->time.wall_ms, version, body, &evidence);
  assert_ok(hgl_directory_publish(world->nodes[0].directory, hgl_buf_bytes(&evidence), &err));
  hgl_directory_committed(world->nodes[0].directory);
  hgl_buf_deinit(&evidence);
}

/* A's advert changes and B hears a digest, again and again: how often B wanted what differs. */
static int change_and_tell(struct world *world, uint64_t version)
{
  int wants = 0;
  for (uint64_t i = 0; i < CHANGES; i++) {
    publish_renewed(world, version + i);
    send_all(world, 0, hgl_directory_news);
    wants += wants_after_digest(world, 2, 1, (uint8_t)(version + i));
  }
  return wants;
}

static void a_large_set_is_not_hashed_for_every_change(void **state)
{
  struct world *world = *state;
  struct hgl_directory *b = world->nodes[1].directory;
  b->settles_at_once = SET - 1;
  publish_many(world, SET);
  assert_int_equal(change_and_tell(world, 2), 1); /* the first at once */
  assert_int_equal(b->hashed, SET);
  hgl_clock_advance(&world->time, 4999);
  assert_int_equal(change_and_tell(world, 100), 0);
  hgl_clock_advance(&world->time, 1);
  assert_int_equal(change_and_tell(world, 200), 1);
  assert_int_equal(b->hashed, 2 * SET);
  assert_int_equal(b->rejected, 0);
}

static void a_small_set_is_compared_with_every_digest(void **state)
{
  struct world *world = *state;
  struct hgl_directory *b = world->nodes[1].directory;
  b->settles_at_once = SET;
  publish_many(world, SET);
  assert_int_equal(change_and_tell(world, 2), CHANGES);
  assert_int_equal(b->hashed, CHANGES * SET);
}

static size_t digested(struct hgl_directory *directory,
                       int (*make)(struct hgl_directory *, struct hgl_buf *, struct hgl_err *))
{
  struct hgl_err err = {0};
  struct hgl_buf digest;
  payload_buf(&digest);
  assert_ok(make(directory, &digest, &err));
  size_t count = count_part(&digest, 2);
  hgl_buf_deinit(&digest);
  return count;
}

static void links_that_come_and_go_have_nothing_hashed_but_the_digest_of_all_has(void **state)
{
  struct world *world = *state;
  struct hgl_directory *a = world->nodes[0].directory;
  a->settles_at_once = SET - 1;
  publish_many(world, SET);
  assert_int_equal(digested(a, hgl_directory_greeting), 1);
  assert_int_equal(a->hashed, SET);
  for (int i = 0; i < CHANGES; i++) {
    publish_weather(world, 0, 1, 2 + i, 4);
    assert_int_equal(digested(a, hgl_directory_greeting), 0);
  }
  assert_int_equal(a->hashed, SET);
  assert_int_equal(digested(a, hgl_directory_digest), 1);
  assert_int_equal(digested(a, hgl_directory_greeting), 1);
  assert_int_equal(a->hashed, 2 * SET);
}

/* In the order of agents, from behind each of them, though there are gaps. */
static void wants_are_answered_with_what_is_in_order(void **state)
{
  enum { ALL = 12, GONE = 4 };
  struct world *world = *state;
  struct hgl_directory *a = world->nodes[0].directory;
  size_t adverts, mores, sum = 0;
  a->settles_at_once = SET;
  publish_many(world, ALL);
  assert_int_equal(digested(a, hgl_directory_digest), 1);
  const struct hgl_dir_host *own = hgl_dir_host_get(a, key_of(world, 0));
  for (int i = 0; i < GONE; i++) hgl_dir_advert_drop(a, own->adverts[3 + i]);
  publish_weather(world, 0, 100, 1, 4); /* in no order yet */
  for (uint64_t agent = 1; agent <= ALL; agent++) {
    struct hgl_signer *after = signer(agent);
    size_t expected = 0;
    for (size_t i = 0; i < own->ordered; i++)
      expected += own->adverts[i] && memcmp(own->adverts[i]->agent.bytes,
                                            hgl_signer_key(after)->bytes, HGL_KEY_SIZE) > 0;
    want(world, hgl_key_bytes(hgl_signer_key(after)), &adverts, &mores);
    assert_int_equal(adverts, expected);
    assert_int_equal(mores, 0);
    sum += expected;
    hgl_signer_destroy(after);
  }
  assert_true(sum > 0);
  want(world, hgl_bytes(NULL, 0), &adverts, &mores);
  assert_true(adverts >= ALL - GONE);
  assert_int_equal(a->hashed, ALL);
  hgl_clock_advance(&world->time, 5000);
  want(world, hgl_bytes(NULL, 0), &adverts, &mores);
  assert_int_equal(adverts, ALL - GONE + 1);
}

/* Wants ---------------------------------------------------------------------------------------- */

static void rows_read_for_a_neighbour_are_bounded(void **state)
{
  struct world *world = *state;
  struct node *a = &world->nodes[0];
  size_t adverts, mores;
  publish_many(world, 10);
  checks_left(world, 0, 1, 25); /* a want takes one, and one for each row */
  want(world, hgl_bytes(NULL, 0), &adverts, &mores);
  assert_int_equal(adverts, 10);
  assert_int_equal(mores, 0);
  want(world, hgl_bytes(NULL, 0), &adverts, &mores);
  assert_int_equal(adverts, 10);
  want(world, hgl_bytes(NULL, 0), &adverts, &mores);
  assert_int_equal(adverts, 2);
  assert_int_equal(mores, 1);
  for (int i = 0; i < 100; i++) {
    want(world, hgl_bytes(NULL, 0), &adverts, &mores);
    assert_int_equal(adverts, 0);
    assert_int_equal(mores, 1);
  }
  assert_int_equal(a->reads, 22);
}

/* `which` has 20 checks for the other in each round: what B knows after each. */
static void expect_progress(struct world *world, int which, int a_round)
{
  enum { ALL = 60 };
  struct node *a = &world->nodes[0], *b = &world->nodes[1];
  int rounds = 0, known = 0, reads = 0;
  publish_many(world, ALL);
  checks_left(world, which, 1 - which, 20);
  while (known < ALL) {
    send_all(world, 0, hgl_directory_digest);
    int now_known = count_found(b, "service=weather");
    assert_true(now_known >= known + a_round - 1 || now_known == ALL);
    if (which == 0) assert_true(a->reads - reads <= 20);
    known = now_known;
    reads = a->reads;
    rounds++;
    hgl_clock_advance(&world->time, 100);
  }
  assert_in_range(rounds, ALL / a_round, ALL / a_round + 1);
}

/* Half a minute's worth of wants by the same hash: each goes on where the last one ended. */
static void a_newcomer_gets_everything_as_fast_as_it_may_check_it(void **state)
{
  expect_progress(*state, 1, 10);
}

static void a_newcomer_gets_everything_as_fast_as_rows_are_read_for_it(void **state)
{
  expect_progress(*state, 0, 19);
}

static void places_of_hosts_that_are_gone_give_way(void **state)
{
  struct world *world = *state;
  struct hgl_directory *b = world->nodes[1].directory;
  struct hgl_dir_introducer *a;
  struct hgl_key gone = {{1}}, after = {{5}}, earlier = {{4}}, got;
  struct hgl_err err = {0};
  assert_ok(hgl_dir_introducer_get(b, key_of(world, 0), &a, &err));
  for (; gone.bytes[0] <= HGL_DIR_PLACES_MAX; gone.bytes[0]++)
    hgl_dir_place_keep(b, a, &gone, &after);
  hgl_dir_place_keep(b, a, key_of(world, 1), &after);
  hgl_dir_place_keep(b, a, key_of(world, 1), &earlier);
  hgl_dir_place_keep(b, a, key_of(world, 1), &after);
  assert_true(hgl_dir_place_take(a, key_of(world, 1), &got));
  assert_true(hgl_key_equal(&got, &earlier));
  assert_false(hgl_dir_place_take(a, key_of(world, 1), &got));
}

/* Dropping ------------------------------------------------------------------------------------- */

enum { DROPS = 3, KNOWN = 10 };

/* B knows adverts of A, whose lease has just ended. */
static struct node *begin_to_drop(struct world *world)
{
  struct node *b = &world->nodes[1];
  b->directory->drops_max = DROPS;
  publish_many(world, KNOWN);
  send_all(world, 0, hgl_directory_news);
  assert_int_equal(count_found(b, "service=weather"), KNOWN);
  assert_false(hgl_directory_is_dropping(b->directory));
  hgl_clock_advance(&world->time, HGL_LEASE_LIFE_MAX_MS);
  assert_true(hgl_directory_is_dropping(b->directory));
  (void)hgl_directory_expire(b->directory);
  return b;
}

static void a_host_with_many_adverts_is_dropped_in_parts(void **state)
{
  struct world *world = *state;
  struct node *b = begin_to_drop(world);
  struct hgl_directory_terms terms;
  size_t left = KNOWN - (DROPS - 1); /* its lease is the first row */
  assert_null(hgl_dir_host_get(b->directory, key_of(world, 0)));
  assert_int_equal(hgl_directory_counts(b->directory).hosts, 1);
  for (;; left -= left < DROPS ? left : DROPS) {
    assert_int_equal(b->rows.count, left);
    assert_int_equal(hgl_directory_counts(b->directory).adverts, left);
    if (!left) break;
    assert_int_equal(count_found(b, ""), 0);
    for (uint64_t i = 1; i <= KNOWN; i++) {
      struct hgl_signer *agent = signer(i);
      assert_false(hgl_directory_terms(b->directory, hgl_signer_key(agent), &terms));
      hgl_signer_destroy(agent);
    }
    assert_true(hgl_directory_is_dropping(b->directory));
    (void)hgl_directory_expire(b->directory);
  }
  assert_false(hgl_directory_is_dropping(b->directory));
}

static void a_host_that_was_half_dropped_at_a_crash_is_gone_afterwards(void **state)
{
  struct world *world = *state;
  struct node *b = begin_to_drop(world);
  assert_true(b->rows.count > 0);
  restart(world, b);
  assert_int_equal(hgl_directory_counts(b->directory).adverts, 0);
  assert_int_equal(b->rows.count, 0);
  assert_false(hgl_directory_is_dropping(b->directory));
}

static void a_host_that_comes_back_half_dropped_is_whole_again(void **state)
{
  struct world *world = *state;
  struct node *b = begin_to_drop(world);
  renew(world, 0);
  send_all(world, 0, hgl_directory_news);
  assert_int_equal(hgl_directory_counts(b->directory).hosts, 2);
  assert_int_equal(count_found(b, "service=weather"), KNOWN - (DROPS - 1));
  assert_false(hgl_directory_is_dropping(b->directory));
  send_all(world, 0, hgl_directory_digest);
  assert_int_equal(count_found(b, "service=weather"), KNOWN);
  assert_int_equal(b->rows.count, KNOWN + 1);
  hgl_clock_advance(&world->time, HGL_LEASE_LIFE_MAX_MS);
  while (hgl_directory_is_dropping(b->directory)) (void)hgl_directory_expire(b->directory);
  assert_int_equal(b->rows.count, 0);
}

static void adverts_that_end_together_are_dropped_in_parts(void **state)
{
  struct world *world = *state;
  struct hgl_directory *a = world->nodes[0].directory;
  a->drops_max = DROPS;
  publish_many(world, KNOWN);
  hgl_clock_advance(&world->time, 6 * 24 * HOUR_MS);
  assert_int_equal(count_found(&world->nodes[0], ""), 0);
  (void)hgl_directory_expire(a);
  assert_int_equal(hgl_directory_counts(a).adverts, KNOWN - DROPS);
  while (hgl_directory_is_dropping(a)) (void)hgl_directory_expire(a);
  assert_int_equal(hgl_directory_counts(a).adverts, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_large_set_is_not_hashed_for_every_change),
      TEST(a_small_set_is_compared_with_every_digest),
      TEST(links_that_come_and_go_have_nothing_hashed_but_the_digest_of_all_has),
      TEST(wants_are_answered_with_what_is_in_order),
      TEST(rows_read_for_a_neighbour_are_bounded),
      TEST(a_newcomer_gets_everything_as_fast_as_it_may_check_it),
      TEST(a_newcomer_gets_everything_as_fast_as_rows_are_read_for_it),
      TEST(places_of_hosts_that_are_gone_give_way),
      TEST(a_host_with_many_adverts_is_dropped_in_parts),
      TEST(a_host_that_was_half_dropped_at_a_crash_is_gone_afterwards),
      TEST(a_host_that_comes_back_half_dropped_is_whole_again),
      TEST(adverts_that_end_together_are_dropped_in_parts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
