/* Want of memory, place by place: what tests/support/sweep.c makes of a program of unit tests.
 *
 * With HAGGLE_SWEEP=SEED:POINTS:MS in its environment the program does not run its tests once,
 * but each of them many times, in a process of its own, with one request for memory refused: alone,
 * or with all that follow it. First it is seen from where memory is asked for (by the innermost
 * calls); then each such place is refused, at its first request and at one chosen by the seed. With
 * "every" for POINTS each single request is refused instead, alone.
 *
 * POINTS bounds how often a test is run and MS how long the program takes, 0: not at all; what is
 * left out is chosen by the seed, too.
 *
 * A test may pass, without a leak then, or notice by its own assertions; it may not crash, hang,
 * leak or run into an assertion of ours. The last line is "N passed, N failed", by tests. */
#ifndef HGL_TESTS_SWEEP_H
#define HGL_TESTS_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

/* Refuses the request after `skip` more; `forever`: and all that follow. */
void sweep_refuse(uint64_t skip, bool forever);
void sweep_stop(void);
bool sweep_refused(void); /* since sweep_refuse */

#endif
