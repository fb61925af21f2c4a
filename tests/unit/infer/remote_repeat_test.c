/* Remote models: what is repeated, how long and how often is asked, and what it may cost. */
#include "remote_fixture.h"

static void what_is_safe_is_repeated(void **state)
{
  struct fixture *f = *state;
  open_path(f, "busy");
  ask(f, chat);
  assert_says(f->asked[0].text, "at last");
  assert_int_equal(atomic_load(&f->server->requests), 2);
}

static void a_failure_is_repeated_when_it_costs_nothing(void **state)
{
  struct fixture *f = *state;
  struct haggle_model_stats stats = {.size = sizeof stats};
  set(f, "price_in", "100");
  set(f, "price_out", "100");
  open_path(f, "e500");
  ask(f, chat);
  assert_failure(f, HAGGLE_UNREACHABLE, "answers 500");
  assert_int_equal(atomic_load(&f->server->requests), 1);
  f->engine->stats(f->model, &stats);
  assert_true(stats.cost_microcents > 256 * 10000); /* the worst that it can have been */
  atomic_store(&f->server->requests, 0);
  f->option_count = 0;
  open_path(f, "e500");
  ask(f, chat);
  assert_says(f->asked[0].text, "at last");
}

static void a_server_that_wants_to_be_left_alone_is(void **state)
{
  struct fixture *f = *state;
  open_path(f, "wait");
  ask(f, chat);
  assert_failure(f, HAGGLE_LIMIT, "answers 429");
  assert_int_equal(atomic_load(&f->server->requests), 1);
}

static void time_has_an_end(void **state)
{
  struct fixture *f = *state;
  open_path(f, "hang");
  ask_many(f, 1, 0, 30, chat);
  assert_failure(f, HAGGLE_TIMEOUT, "has not answered in time");
  set(f, "timeout", "30ms");
  open_path(f, "hang");
  ask(f, chat);
  assert_failure(f, HAGGLE_TIMEOUT, "option timeout");
  ask_many(f, 1, 0, -5, chat);
  assert_failure(f, HAGGLE_TIMEOUT, "its deadline has passed");
}

static void what_nobody_waits_for_is_given_up(void **state)
{
  struct fixture *f = *state;
  f->streams = true;
  f->pieces_until_cancel = 3;
  open_path(f, "slow");
  ask(f, chat);
  assert_failure(f, HAGGLE_CANCELLED, "nobody waits");
  assert_says(f->asked[0].pieces, "first");
}

static void many_go_on_at_once(void **state)
{
  struct fixture *f = *state;
  set(f, "connections", "16");
  open_path(f, "good");
  ask_many(f, 4, 150, 20000, chat);
  for (size_t i = 0; i < 154; i++) assert_int_equal(f->asked[i].status, HAGGLE_OK);
  assert_int_equal(atomic_load(&f->server->requests), 154);
}

static void a_rate_is_kept(void **state)
{
  struct fixture *f = *state;
  set(f, "rate", "2");
  open_path(f, "good");
  ask_many(f, 3, 0, 5000, chat);
  assert_int_equal(f->asked[1].status, HAGGLE_OK);
  assert_int_equal(f->asked[2].status, HAGGLE_LIMIT);
  assert_says(f->asked[2].message, "the rate of 2 requests a minute");
  assert_int_equal(atomic_load(&f->server->requests), 2);
}

/* 20 tokens at 1, 7 at 3 a million: 41 millionths. */
static void a_budget_is_kept(void **state)
{
  struct fixture *f = *state;
  struct haggle_model_stats stats = {.size = sizeof stats};
  set(f, "price_in", "1");
  set(f, "price_out", "3");
  set(f, "budget", "0.0012");
  open_path(f, "good");
  ask(f, chat);
  f->engine->stats(f->model, &stats);
  assert_int_equal(stats.cost_microcents, 4100);
  ask_many(f, 5, 0, 0, chat); /* any of which may cost almost all of it */
  int good = 0;
  for (int i = 0; i < 5; i++) good += f->asked[i].status == HAGGLE_OK;
  assert_int_equal(good, 1);
  assert_int_equal(f->asked[4].status, HAGGLE_LIMIT);
  assert_says(f->asked[4].message, "the budget of 0.00 since the model was opened has");
  set(f, "budget_day", "0.0001");
  open_path(f, "good");
  ask(f, chat);
  assert_failure(f, HAGGLE_LIMIT, "a day has");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(what_is_safe_is_repeated),
      TEST(a_failure_is_repeated_when_it_costs_nothing),
      TEST(a_server_that_wants_to_be_left_alone_is),
      TEST(time_has_an_end),
      TEST(what_nobody_waits_for_is_given_up),
      TEST(many_go_on_at_once),
      TEST(a_rate_is_kept),
      TEST(a_budget_is_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
