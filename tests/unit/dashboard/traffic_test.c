/* Who speaks with whom, counted in a table of a fixed size. */
#include "support/check.h"

#include <stdio.h>

#include "base/mem.h"
#include "dashboard/traffic.h"

static struct traffic *traffic;

static struct hgl_key key(unsigned number)
{
  struct hgl_key key = {0};
  memcpy(key.bytes, &number, sizeof number);
  return key;
}

static void say(unsigned from, unsigned to, const char *word)
{
  struct hgl_key a = key(from), b = key(to);
  traffic_add(traffic, &a, &b, hgl_text(word));
}

static uint64_t counted(void)
{
  uint64_t sum = 0;
  for (size_t i = 0; i < traffic_count(traffic); i++) sum += traffic_at(traffic, i)->count;
  return sum;
}

static int begin(void **state)
{
  struct hgl_err err;
  (void)state;
  return traffic_create(7, &traffic, &err);
}

static int end(void **state)
{
  (void)state;
  traffic_destroy(traffic);
  return 0;
}

static void traffic_counts_each_direction_and_performative(void **state)
{
  (void)state;
  say(1, 2, "bid");
  say(2, 1, "counter");
  say(1, 2, "bid");
  say(1, 2, "accept");
  assert_int_equal(traffic_count(traffic), 3);
  const struct traffic_entry *bid = traffic_at(traffic, 0);
  assert_int_equal(bid->count, 2);
  assert_int_equal(bid->word_size, 3);
  assert_memory_equal(bid->word, "bid", 3);
  assert_int_equal(traffic_at(traffic, 1)->count, 1);
  assert_memory_equal(traffic_at(traffic, 2)->word, "accept", 6);
}

static void traffic_begins_anew_when_cleared(void **state)
{
  (void)state;
  for (unsigned round = 0; round < 3; round++) {
    unsigned pairs = round == 1 ? 5000 : 10; /* many are wiped in another way than a few */
    for (unsigned i = 0; i < pairs; i++) say(i, i + 1, "bid");
    assert_int_equal(counted() + traffic_left_out(traffic), pairs);
    traffic_clear(traffic);
    assert_int_equal(traffic_count(traffic), 0);
    assert_int_equal(traffic_left_out(traffic), 0);
  }
  say(1, 2, "bid");
  assert_int_equal(traffic_at(traffic, 0)->count, 1);
}

static void traffic_of_a_pair_with_many_performatives_is_bounded(void **state)
{
  char word[16];
  (void)state;
  for (unsigned i = 0; i < 100; i++) {
    snprintf(word, sizeof word, "word-%u", i);
    say(1, 2, word);
  }
  assert_int_equal(traffic_count(traffic), TRAFFIC_WORDS_MAX);
  assert_int_equal(counted(), 100);
  assert_int_equal(traffic_left_out(traffic), 0);
}

static void traffic_cuts_long_performatives(void **state)
{
  (void)state;
  say(1, 2, "a-performative-of-thirty-letters");
  say(1, 2, "a-performative-of-thirty-lines");
  assert_int_equal(traffic_count(traffic), 1);
  assert_int_equal(traffic_at(traffic, 0)->word_size, TRAFFIC_WORD_SIZE);
  assert_int_equal(traffic_at(traffic, 0)->count, 2);
}

static void traffic_prefers_pairs_to_performatives_when_room_runs_short(void **state)
{
  (void)state;
  unsigned pairs = TRAFFIC_ENTRIES_MAX / 2;
  for (unsigned i = 0; i < pairs; i++) say(i, i + 1, "bid");
  size_t before = traffic_count(traffic);
  for (unsigned i = 0; i < pairs; i++) say(i, i + 1, "accept");
  assert_in_range(traffic_count(traffic), before, TRAFFIC_ENTRIES_MAX / 2);
  for (unsigned i = 0; i < 3 * pairs; i++) say(10000 + i, i, "bid");
  assert_int_equal(traffic_count(traffic), TRAFFIC_ENTRIES_MAX);
  assert_true(traffic_left_out(traffic) > 0);
  assert_int_equal(counted() + traffic_left_out(traffic), 5 * pairs);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(traffic_counts_each_direction_and_performative, begin, end),
      cmocka_unit_test_setup_teardown(traffic_begins_anew_when_cleared, begin, end),
      cmocka_unit_test_setup_teardown(traffic_of_a_pair_with_many_performatives_is_bounded, begin,
                                      end),
      cmocka_unit_test_setup_teardown(traffic_cuts_long_performatives, begin, end),
      cmocka_unit_test_setup_teardown(traffic_prefers_pairs_to_performatives_when_room_runs_short,
                                      begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
