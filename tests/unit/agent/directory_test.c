#include "directory_fixture.h"

#include <stdlib.h>

#include "protocol/did.h"

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

/* Convergence ---------------------------------------------------------------------------------- */

static void adverts_reach_hosts_that_are_not_linked_by_news(void **state)
{
  struct world *world = *state;
  struct hgl_key agent, host;
  struct hgl_directory_terms terms;
  struct hgl_err err = {0};
  struct hgl_buf bytes;
  struct hgl_signer *author = signer(1);
  renew(world, 0);
  publish_weather(world, 0, 1, 1, 4);
  send_all(world, 0, hgl_directory_news);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 1);
  agent = *hgl_signer_key(author);
  host = *hgl_signer_key(world->nodes[0].signer);
  assert_true(hgl_directory_terms(world->nodes[2].directory, &agent, &terms));
  assert_true(hgl_key_equal(&host, &terms.host));
  struct hgl_delegation delegation;
  hgl_buf_init(&bytes, HGL_DELEGATION_SIZE_MAX);
  assert_ok(hgl_directory_delegation(world->nodes[2].directory, &agent, &bytes, &err));
  assert_ok(hgl_delegation_verify(hgl_buf_bytes(&bytes), &delegation, &err));
  assert_true(hgl_key_equal(&delegation.agent, &agent));
  assert_int_equal(delegation.sequence, terms.sequence);
  assert_int_equal(delegation.expires_s * 1000, terms.expires_ms);
  hgl_buf_deinit(&bytes);
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
  hgl_buf_append_text(&body, "'}]}");
  const char *text = text_of_buf(&body);
  for (uint64_t agent = 1; agent <= 200; agent++) publish(world, 0, agent, text); /* 2.5 MB */
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
  restart(world, c);
  assert_int_equal(count_found(c, "service=weather"), 1);
  assert_int_equal(count_found(c, "price=5"), 1);
  assert_fails(HGL_CORRUPT,
               hgl_directory_load(c->directory, hgl_text("\x03x"), hgl_text("x"), &err));
}

/* Rows ------------------------------------------------------------------------------------------
 */

static void rows_are_read_for_what_is_told_and_not_for_what_is_found(void **state)
{
  struct world *world = *state;
  struct node *a = &world->nodes[0];
  renew(world, 0);
  for (uint64_t agent = 1; agent <= 20; agent++) publish_weather(world, 0, agent, 1, 4);
  assert_int_equal(count_found(a, "service=weather price>3 limit 5"), 5);
  assert_int_equal(count_found(a, "limit 5"), 5);
  assert_int_equal(a->reads, 0);
  send_all(world, 0, hgl_directory_news);
  assert_int_equal(a->reads, 20);
  send_all(world, 0, hgl_directory_digest);
  assert_int_equal(a->reads, 20);
  assert_int_equal(world->nodes[1].reads, 0); /* it passed on what it held in its hands */
}

static struct row *row_of(struct node *node, const struct hgl_signer *agent)
{
  uint8_t key[1 + HGL_KEY_SIZE] = {2};
  memcpy(key + 1, hgl_signer_key(agent)->bytes, HGL_KEY_SIZE);
  return hgl_map_get(&node->rows, hgl_bytes(key, sizeof key));
}

static void row_gone(struct row *row)
{
  row->size = 0;
}

static void row_cut_short(struct row *row)
{
  row->size -= 3;
}

static void row_changed(struct row *row)
{
  memset(row->bytes + row->size / 2, 0xa5, row->size / 4);
}

/* Whole, but of an earlier version. */
static struct row *earlier;

static void row_of_before(struct row *row)
{
  assert_true(earlier->size <= row->size);
  row->size = earlier->size;
  memcpy(row->bytes, earlier->bytes, earlier->size);
}

static void adverts_whose_rows_are_damaged_are_given_up_and_come_back_from_neighbours(void **state)
{
  static void (*const damages[])(struct row *) = {row_gone, row_cut_short, row_changed,
                                                  row_of_before};
  struct world *world = *state;
  struct node *b = &world->nodes[1];
  struct hgl_signer *agent = signer(2);
  struct hgl_err err = {0};
  renew(world, 0);
  for (uint64_t i = 1; i <= 3; i++) publish_weather(world, 0, i, 1, 4);
  send_all(world, 0, hgl_directory_news);
  earlier = hgl_memdup(row_of(b, agent), sizeof(struct row) + row_of(b, agent)->size);
  publish_weather(world, 0, 2, 2, 4);
  send_all(world, 0, hgl_directory_news);
  for (int i = 0; i < 4; i++) {
    struct hgl_buf bytes;
    hgl_buf_init(&bytes, HGL_ADVERT_SIZE_MAX);
    damages[i](row_of(b, agent));
    assert_fails(HGL_NOT_FOUND,
                 hgl_directory_advert(b->directory, hgl_signer_key(agent), &bytes, &err));
    assert_int_equal(b->lost, i + 1);
    assert_null(row_of(b, agent));
    assert_int_equal(hgl_directory_counts(b->directory).adverts, 2);
    assert_int_equal(count_found(b, "service=weather"), 2);
    hgl_clock_advance(&world->time, 60 * 1000);
    send_all(world, 0, hgl_directory_digest);
    assert_int_equal(count_found(b, "service=weather"), 3);
    assert_ok(hgl_directory_advert(b->directory, hgl_signer_key(agent), &bytes, &err));
    hgl_buf_deinit(&bytes);
  }
  hgl_free(earlier);
  hgl_signer_destroy(agent);
}

/* The answer to a want has all others. */
static void damaged_adverts_are_left_out_of_what_is_told(void **state)
{
  struct world *world = *state;
  struct node *b = &world->nodes[1], *c = &world->nodes[2];
  renew(world, 0);
  for (uint64_t i = 1; i <= 9; i++) publish_weather(world, 0, i, 1, 4);
  for (uint64_t i = 1; i <= 9; i += 4) {
    struct hgl_signer *agent = signer(i);
    row_cut_short(row_of(&world->nodes[0], agent));
    hgl_signer_destroy(agent);
  }
  send_all(world, 0, hgl_directory_digest);
  assert_int_equal(world->nodes[0].lost, 3);
  assert_int_equal(count_found(b, "service=weather"), 6);
  assert_int_equal(count_found(c, "service=weather"), 6);
  assert_int_equal(hgl_directory_counts(world->nodes[0].directory).adverts, 6);
  send_all(world, 0, hgl_directory_news);
  assert_int_equal(count_found(c, "service=weather"), 6);
}

static void adverts_are_told_once_they_are_durable(void **state)
{
  struct world *world = *state;
  struct node *a = &world->nodes[0];
  struct hgl_err err = {0};
  struct hgl_buf evidence;
  renew(world, 0);
  publish_weather(world, 0, 1, 1, 4);
  send_all(world, 0, hgl_directory_news);
  advert_of(2, a->signer, START_MS, 1, "{'version':1,'offers':[{'service':'weather'}]}", &evidence);
  assert_ok(hgl_directory_publish(a->directory, hgl_buf_bytes(&evidence), &err));
  send_all(world, 0, hgl_directory_news);
  send_all(world, 0, hgl_directory_digest);
  send_all(world, 1, hgl_directory_digest); /* A is asked by nobody, and would not answer */
  assert_int_equal(count_found(a, "service=weather"), 2);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 1);
  hgl_directory_committed(a->directory);
  send_all(world, 0, hgl_directory_news);
  assert_int_equal(count_found(&world->nodes[2], "service=weather"), 2);
  hgl_buf_deinit(&evidence);
}

/* Order -----------------------------------------------------------------------------------------
 */

struct told {
  uint8_t bytes[HGL_KEY_SIZE + 8];
};

static int compare_told(const void *a, const void *b)
{
  return memcmp(a, b, HGL_KEY_SIZE);
}

/* The digest's hash of its only host. */
static void digest_hash(struct node *node, struct hgl_hash *out)
{
  struct hgl_err err = {0};
  struct hgl_buf digest;
  payload_buf(&digest);
  assert_ok(hgl_directory_digest(node->directory, &digest, &err));
  memcpy(out->bytes, digest.data + digest.size - HGL_HASH_SIZE, HGL_HASH_SIZE);
  hgl_buf_deinit(&digest);
}

enum { TOLD_MAX = 64 };

static void expect_hash(struct node *node, const struct told *told, const bool *present)
{
  struct told sorted[TOLD_MAX];
  struct hgl_hash expected, hash;
  size_t count = 0;
  for (size_t i = 0; i < TOLD_MAX; i++)
    if (present[i]) sorted[count++] = told[i];
  qsort(sorted, count, sizeof *sorted, compare_told);
  const struct hgl_bytes all = hgl_bytes(sorted, count * sizeof *sorted);
  hgl_sha256(&all, 1, &expected);
  digest_hash(node, &hash);
  assert_memory_equal(&hash, &expected, sizeof hash);
}

/* Those that came one by one, were replaced, and went. */
static void hash_of_a_host_is_that_of_its_adverts_whatever_happened_before(void **state)
{
  struct world *world = *state;
  struct node *a = &world->nodes[0];
  struct told told[TOLD_MAX];
  bool present[TOLD_MAX] = {false};
  uint64_t versions[TOLD_MAX] = {0};
  struct hgl_err err = {0};
  renew(world, 0);
  for (int step = 0; step < 400; step++) {
    uint64_t draw = hgl_random_u64(&world->random), at = draw % TOLD_MAX;
    struct hgl_signer *agent = signer(at + 1);
    if (draw >> 32 & 1) {
      publish_weather(world, 0, at + 1, (int)++versions[at], 4);
      memcpy(told[at].bytes, hgl_signer_key(agent)->bytes, HGL_KEY_SIZE);
      hgl_put_be64(told[at].bytes + HGL_KEY_SIZE, versions[at]);
      present[at] = true;
    } else if (present[at]) {
      struct hgl_buf bytes;
      hgl_buf_init(&bytes, HGL_ADVERT_SIZE_MAX);
      row_gone(row_of(a, agent));
      assert_fails(HGL_NOT_FOUND,
                   hgl_directory_advert(a->directory, hgl_signer_key(agent), &bytes, &err));
      hgl_buf_deinit(&bytes);
      present[at] = false;
    }
    hgl_signer_destroy(agent);
    if (draw >> 33 & 1) expect_hash(a, told, present);
  }
  expect_hash(a, told, present);
  send_all(world, 0, hgl_directory_digest);
  expect_hash(&world->nodes[1], told, present);
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
      TEST(rows_are_read_for_what_is_told_and_not_for_what_is_found),
      TEST(adverts_whose_rows_are_damaged_are_given_up_and_come_back_from_neighbours),
      TEST(damaged_adverts_are_left_out_of_what_is_told),
      TEST(adverts_are_told_once_they_are_durable),
      TEST(hash_of_a_host_is_that_of_its_adverts_whatever_happened_before),
      TEST(found_offers_say_who_and_where),
      TEST(best_offers_are_found_among_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
