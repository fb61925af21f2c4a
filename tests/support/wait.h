/* For tests with a real loop and clock. */
#ifndef HGL_TESTS_WAIT_H
#define HGL_TESTS_WAIT_H

#include "net/loop.h"
#include "support/check.h"

enum { WAIT_MS = 8000 };

/* Runs the fixture's loop until this holds; fails the test when it takes longer than WAIT_MS. */
#define run_until(f, condition)                                                                    \
  do {                                                                                             \
    int64_t until_ = hgl_wall_ms(&hgl_clock_system) + WAIT_MS;                                     \
    while (!(condition)) {                                                                         \
      if (hgl_wall_ms(&hgl_clock_system) > until_) fail_msg("never came: %s", #condition);         \
      hgl_loop_run_once((f)->loop, 20);                                                            \
    }                                                                                              \
  } while (0)

#endif
