/* The watchdog's inner side: a stretch announces itself, and is interrupted on its own thread when
 * it runs too long. A beginning costs one atomic exchange and no system call while the watchdog's
 * thread is awake (it sleeps after a second without stretches and is then woken once). */
#ifndef HGL_LUA_WATCHDOG_H
#define HGL_LUA_WATCHDOG_H

#include "lua/vm.h"

/* `interrupt` is called from a signal handler on the calling thread, some milliseconds after
 * `limit_ms` have passed, and again and again until the end: only async-signal-safe work. Stretches
 * of one watchdog never overlap. */
void hgl_watchdog_begin(struct hgl_watchdog *watchdog, int64_t limit_ms,
                        void (*interrupt)(void *user), void *user);
void hgl_watchdog_end(struct hgl_watchdog *watchdog);

#endif
