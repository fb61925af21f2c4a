#include "support/check.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/seam.h"
#include "lua/watchdog.h"

struct seen {
  volatile sig_atomic_t count;
};

static void note(void *user)
{
  struct seen *seen = user;
  seen->count++;
}

static void spend_ms(int64_t ms)
{
  int64_t until = hgl_mono_ns(&hgl_clock_system) + ms * 1000000;
  while (hgl_mono_ns(&hgl_clock_system) < until) {
  }
}

static void watchdog_interrupts_an_overrun_again_and_again(void **state)
{
  struct hgl_watchdog *watchdog;
  struct hgl_err err = {0};
  struct seen seen = {0};
  assert_ok(hgl_watchdog_create(&watchdog, &err));
  hgl_watchdog_begin(watchdog, 30, note, &seen);
  spend_ms(300);
  hgl_watchdog_end(watchdog);
  int count = seen.count;
  assert_true(count >= 2);
  spend_ms(50);
  assert_int_equal(seen.count, count);
  hgl_watchdog_destroy(watchdog);
}

static void watchdog_leaves_short_stretches_alone(void **state)
{
  struct hgl_watchdog *watchdog;
  struct hgl_err err = {0};
  struct seen seen = {0};
  assert_ok(hgl_watchdog_create(&watchdog, &err));
  for (int i = 0; i < 200; i++) {
    hgl_watchdog_begin(watchdog, 200, note, &seen);
    spend_ms(2);
    hgl_watchdog_end(watchdog);
  }
  assert_int_equal(seen.count, 0);
  hgl_watchdog_destroy(watchdog);
}

static void watchdog_wakes_up_after_a_quiet_time(void **state)
{
  struct hgl_watchdog *watchdog;
  struct hgl_err err = {0};
  struct seen seen = {0};
  assert_ok(hgl_watchdog_create(&watchdog, &err));
  nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 500000000}, NULL);
  hgl_watchdog_begin(watchdog, 20, note, &seen);
  for (int i = 0; i < 100 && !seen.count; i++) spend_ms(50); /* under valgrind one thread runs */
  hgl_watchdog_end(watchdog);
  assert_true(seen.count >= 1);
  hgl_watchdog_destroy(watchdog);
}

static void watchdog_ignores_signals_that_are_not_its_own(void **state)
{
  struct hgl_watchdog *watchdog;
  struct hgl_err err = {0};
  struct seen seen = {0};
  assert_ok(hgl_watchdog_create(&watchdog, &err));
  hgl_watchdog_begin(watchdog, 10000, note, &seen);
  raise(SIGURG);
  kill(getpid(), SIGURG);
  spend_ms(5);
  hgl_watchdog_end(watchdog);
  assert_int_equal(seen.count, 0);
  hgl_watchdog_destroy(watchdog);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(watchdog_interrupts_an_overrun_again_and_again),
      cmocka_unit_test(watchdog_leaves_short_stretches_alone),
      cmocka_unit_test(watchdog_wakes_up_after_a_quiet_time),
      cmocka_unit_test(watchdog_ignores_signals_that_are_not_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
