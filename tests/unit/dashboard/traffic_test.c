#include "dashboard/traffic.h"

#include "support/check.h"

static struct hgl_err err;

static struct hgl_key key(uint32_t number)
{
  struct hgl_key out = {{0}};
  uint64_t mixed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
  memcpy(out.bytes, &mixed, sizeof mixed);
  memcpy(out.bytes + 8, &number, sizeof number);
  return out;
}

static void add(struct traffic *traffic, uint32_t from, uint32_t to, const char *word)
{
  struct hgl_key a = key(from), b = key(to);
  traffic_add(traffic, &a, &b, hgl_text(word));
}

static void each_performative_of_a_pair_is_counted(void **state)
{
  struct traffic *traffic;
  assert_ok(traffic_create(3, &traffic, &err));
  for (int round = 0; round < 3; round++) {
    for (uint32_t i = 0; i < 1000; i++) add(traffic, i % 100, i % 100 + 1, "bid");
    add(traffic, 5, 6, "a-performative-that-is-much-longer-than-others");
    add(traffic, 5, 6, "a-performative-that-is-much-longer-than-these");
    assert_int_equal(traffic_count(traffic), 101);
    const struct traffic_entry *entry = traffic_at(traffic, 5);
    struct hgl_key five = key(5);
    assert_true(hgl_key_equal(&entry->from, &five));
    assert_int_equal(entry->count, 10);
    assert_memory_equal(entry->word, "bid", 3);
    assert_int_equal(traffic_at(traffic, 100)->count, 2);
    assert_memory_equal(traffic_at(traffic, 100)->word, "a-performative-that-is-m",
                        TRAFFIC_WORD_SIZE);
    assert_int_equal(traffic_left_out(traffic), 0);
    traffic_clear(traffic);
    assert_int_equal(traffic_count(traffic), 0);
  }
  traffic_destroy(traffic);
}

/* They are counted in batches, of which nobody sees anything. */
static void what_was_said_last_counts_at_once_and_goes_with_the_rest(void **state)
{
  struct traffic *traffic;
  assert_ok(traffic_create(3, &traffic, &err));
  for (uint32_t said = 1; said <= 100; said++) {
    add(traffic, 1, 2, "bid");
    add(traffic, 1, 2, "bid-more");
    assert_int_equal(traffic_count(traffic), 2);
    assert_int_equal(traffic_at(traffic, 0)->count, said);
    assert_int_equal(traffic_at(traffic, 1)->count, said);
  }
  traffic_clear(traffic);
  add(traffic, 1, 2, "bid");
  traffic_clear(traffic);
  assert_int_equal(traffic_count(traffic), 0);
  traffic_destroy(traffic);
}

static void performatives_that_begin_alike_are_not_the_same(void **state)
{
  static const char *const words[] = {"performative-a", "performative-b", "performative"};
  struct traffic *traffic;
  assert_ok(traffic_create(3, &traffic, &err));
  for (int i = 0; i < 30; i++) add(traffic, 1, 2, words[i % 3]);
  assert_int_equal(traffic_count(traffic), 3);
  for (size_t i = 0; i < 3; i++) assert_int_equal(traffic_at(traffic, i)->count, 10);
  traffic_destroy(traffic);
}

/* Whoever makes up performatives has no more places than TRAFFIC_WORDS_MAX. */
static void of_many_performatives_the_surplus_goes_to_one(void **state)
{
  struct traffic *traffic;
  uint32_t all = 0;
  assert_ok(traffic_create(3, &traffic, &err));
  for (char word[2] = "a"; *word <= 'z'; ++*word) add(traffic, 1, 2, word);
  assert_int_equal(traffic_count(traffic), TRAFFIC_WORDS_MAX);
  for (size_t i = 0; i < traffic_count(traffic); i++) all += traffic_at(traffic, i)->count;
  assert_int_equal(all, 26);
  traffic_destroy(traffic);
}

static void what_finds_no_place_is_counted(void **state)
{
  struct traffic *traffic;
  assert_ok(traffic_create(3, &traffic, &err));
  for (uint32_t i = 0; i < 20000; i++) add(traffic, i, i + 1, "bid");
  assert_int_equal(traffic_count(traffic), TRAFFIC_ENTRIES_MAX);
  assert_int_equal(traffic_left_out(traffic), 20000 - TRAFFIC_ENTRIES_MAX);
  for (uint32_t i = 0; i < 100; i++) add(traffic, i, i + 1, "bid"); /* those are known */
  assert_int_equal(traffic_left_out(traffic), 20000 - TRAFFIC_ENTRIES_MAX);
  traffic_clear(traffic);
  add(traffic, 19999, 20000, "bid");
  assert_int_equal(traffic_count(traffic), 1);
  traffic_destroy(traffic);
}

/* Keys that differ only where the table does not look: it gives up on them, and on nobody else. */
static void keys_made_to_collide_are_left_out(void **state)
{
  struct traffic *traffic;
  assert_ok(traffic_create(3, &traffic, &err));
  for (uint32_t i = 0; i < 1000; i++) {
    struct hgl_key from = key(1), to = key(2);
    memcpy(from.bytes + 20, &i, sizeof i);
    traffic_add(traffic, &from, &to, hgl_text("bid"));
  }
  assert_true(traffic_count(traffic) < 40);
  add(traffic, 7, 8, "bid");
  assert_int_equal(traffic_at(traffic, traffic_count(traffic) - 1)->count, 1);
  traffic_destroy(traffic);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_performative_of_a_pair_is_counted),
      cmocka_unit_test(what_was_said_last_counts_at_once_and_goes_with_the_rest),
      cmocka_unit_test(performatives_that_begin_alike_are_not_the_same),
      cmocka_unit_test(of_many_performatives_the_surplus_goes_to_one),
      cmocka_unit_test(what_finds_no_place_is_counted),
      cmocka_unit_test(keys_made_to_collide_are_left_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
