#include "support/check.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "net/loop.h"

struct fixture {
  struct hgl_loop *loop;
  int ticks, again;
  int signal;
};

static void tick(void *user)
{
  struct fixture *f = user;
  f->ticks++;
  if (f->again > 0) {
    f->again--;
    hgl_loop_request_tick(f->loop);
  }
}

static int setup(void **state)
{
  static struct fixture fixture;
  struct hgl_err err = {0};
  fixture = (struct fixture){0};
  assert_ok(hgl_loop_create(&hgl_clock_system, &fixture.loop, &err));
  hgl_loop_on_tick(fixture.loop, tick, &fixture);
  *state = &fixture;
  return 0;
}

static int teardown(void **state)
{
  hgl_loop_destroy(((struct fixture *)*state)->loop);
  return 0;
}

static int64_t now_ms(void)
{
  return hgl_mono_ns(&hgl_clock_system) / 1000000;
}

static void loop_does_not_tick_unasked(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < 3; i++) hgl_loop_run_once(f->loop, 2);
  assert_int_equal(f->ticks, 0);
}

static void loop_ticks_once_a_round_however_often_asked(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < 5; i++) hgl_loop_request_tick(f->loop);
  hgl_loop_run_once(f->loop, 2);
  hgl_loop_run_once(f->loop, 2);
  assert_int_equal(f->ticks, 1);
}

static void loop_does_not_block_before_a_tick_asked_for_in_a_tick(void **state)
{
  struct fixture *f = *state;
  f->again = 3;
  int64_t start = now_ms();
  hgl_loop_request_tick(f->loop);
  while (f->ticks < 4 && now_ms() - start < 4000) hgl_loop_run_once(f->loop, 2000);
  assert_int_equal(f->ticks, 4);
  assert_true(now_ms() - start < 1000);
}

static void *wake(void *loop)
{
  usleep(20000);
  hgl_loop_wake(loop);
  return NULL;
}

static void loop_is_woken_from_another_thread(void **state)
{
  struct fixture *f = *state;
  pthread_t thread;
  int64_t start = now_ms();
  pthread_create(&thread, NULL, wake, f->loop);
  while (f->ticks == 0 && now_ms() - start < 4000) hgl_loop_run_once(f->loop, 2000);
  pthread_join(thread, NULL);
  assert_int_equal(f->ticks, 1);
  assert_true(now_ms() - start < 1500);
}

static void loop_ticks_at_its_deadline_and_not_before(void **state)
{
  struct fixture *f = *state;
  int64_t start = hgl_mono_ns(&hgl_clock_system);
  hgl_loop_set_deadline(f->loop, start + 500 * 1000000);
  hgl_loop_set_deadline(f->loop, start + 30 * 1000000); /* replaces it */
  while (f->ticks == 0 && now_ms() - start / 1000000 < 4000) hgl_loop_run_once(f->loop, 1000);
  int64_t took = hgl_mono_ns(&hgl_clock_system) - start;
  assert_true(took >= 30 * 1000000 && took < 400 * 1000000);
  hgl_loop_set_deadline(f->loop, hgl_mono_ns(&hgl_clock_system) + 10 * 1000000);
  hgl_loop_set_deadline(f->loop, INT64_MAX);
  for (int i = 0; i < 5; i++) hgl_loop_run_once(f->loop, 10);
  assert_int_equal(f->ticks, 1);
}

static void signalled(void *user, int number)
{
  struct fixture *f = user;
  f->signal = number;
  hgl_loop_stop(f->loop);
}

static void loop_hands_on_signals_and_stops(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  assert_ok(hgl_loop_on_signal(f->loop, signalled, f, &err));
  raise(SIGTERM);
  hgl_loop_run(f->loop);
  assert_int_equal(f->signal, SIGTERM);
}

static void loop_waits_no_longer_than_asked(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < 500; i++) hgl_loop_run_once(f->loop, 1); /* not once for ever */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(loop_does_not_tick_unasked),
      TEST(loop_ticks_once_a_round_however_often_asked),
      TEST(loop_does_not_block_before_a_tick_asked_for_in_a_tick),
      TEST(loop_is_woken_from_another_thread),
      TEST(loop_ticks_at_its_deadline_and_not_before),
      TEST(loop_hands_on_signals_and_stops),
      TEST(loop_waits_no_longer_than_asked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
