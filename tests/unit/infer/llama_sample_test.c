/* Draws of the llama engine. */
#include "support/check.h"

#include "infer/engines/llama/sample.h"

#include <math.h>
#include <stdlib.h>

enum { TOKENS = 500 };

static float score(unsigned *chance)
{
  *chance = *chance * 1664525 + 1013904223;
  return (float)(*chance >> 8) / (1 << 20) - 8;
}

/* What min_p leaves is looked for without sorting all; one less than all are sorted. */
static void a_draw_of_all_is_as_one_of_all_but_the_worst(void **state)
{
  static const struct sampling kinds[] = {
      {.temperature = 1, .top_p = 1, .min_p = 0.05F},
      {.temperature = 1.5F, .top_p = 0.8F, .min_p = 0.2F},
      {.temperature = 0.3F, .top_p = 0.95F, .min_p = 0.001F},
      {.temperature = 2, .top_p = 0.5F, .min_p = 1},
      {.temperature = 2, .top_p = 0.9F},
  };
  struct candidate room[TOKENS];
  float scores[TOKENS];
  unsigned chance = 7, others = 0;
  for (int round = 0; round < 2000; round++) {
    struct sampling all = kinds[round % 5], most = all;
    for (int i = 0; i < TOKENS; i++) scores[i] = i % 50 == round % 50 ? -INFINITY : score(&chance);
    scores[round % TOKENS] = NAN;
    most.top_k = TOKENS - 1;
    uint64_t first = (uint64_t)round, second = first;
    int32_t one = sample_draw(scores, TOKENS, &all, &first, room);
    assert_int_equal(one, sample_draw(scores, TOKENS, &most, &second, room));
    assert_int_equal(first, second);
    assert_true(isfinite(scores[one]));
    for (int i = 0; i < TOKENS; i++)
      if (isfinite(scores[i]) && scores[i] > scores[one]) {
        others++;
        break;
      }
  }
  assert_in_range(others, 400, 1900); /* not always the likeliest */
}

static void where_there_are_no_numbers_nothing_is_drawn(void **state)
{
  struct candidate room[4];
  float scores[4] = {NAN, -INFINITY, INFINITY, NAN};
  uint64_t random = 1;
  for (int i = 0; i < 4; i++) {
    struct sampling sampling = {.temperature = i == 0 ? 0 : 1,
                                .top_p = 0.9F,
                                .min_p = i == 1 ? 0 : 0.05F,
                                .top_k = i == 2 ? 2 : 0};
    assert_int_equal(sample_draw(scores, 4, &sampling, &random, room), -1);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_draw_of_all_is_as_one_of_all_but_the_worst),
      cmocka_unit_test(where_there_are_no_numbers_nothing_is_drawn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
