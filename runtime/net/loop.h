/* The event loop of a host: libuv, with libwebsockets running on it. The loop calls `tick` after
 * every round of I/O in which somebody asked for it, was woken, or a deadline came due. */
#ifndef HGL_NET_LOOP_H
#define HGL_NET_LOOP_H

#include "base/err.h"
#include "base/seam.h"

struct hgl_loop;

int hgl_loop_create(const struct hgl_clock *clock, struct hgl_loop **out,
                    struct hgl_err *err) HGL_NODISCARD;
/* Everything on the loop must have been closed before. NULL is allowed. */
void hgl_loop_destroy(struct hgl_loop *loop);
/* Several parties (agent layer, store) may want the tick: one callback, set once. */
void hgl_loop_on_tick(struct hgl_loop *loop, void (*tick)(void *user), void *user);
/* A tick at the end of this round of I/O. Loop thread. */
void hgl_loop_request_tick(struct hgl_loop *loop);
/* A tick no later than this monotonic time (hgl_mono_ns); replaces the earlier deadline;
 * INT64_MAX: none. Loop thread. */
void hgl_loop_set_deadline(struct hgl_loop *loop, int64_t mono_ns);
/* A tick soon. Any thread, async-signal-safe. */
void hgl_loop_wake(void *loop);
/* Calls `signalled(user, number)` on the loop for SIGINT, SIGTERM, SIGHUP. */
int hgl_loop_on_signal(struct hgl_loop *loop, void (*signalled)(void *user, int number), void *user,
                       struct hgl_err *err) HGL_NODISCARD;
/* Runs `work` on a thread of the pool and then `done` on the loop, before the loop is destroyed. */
int hgl_loop_work(struct hgl_loop *loop, void (*work)(void *user), void (*done)(void *user),
                  void *user, struct hgl_err *err) HGL_NODISCARD;
/* Runs until hgl_loop_stop. */
void hgl_loop_run(struct hgl_loop *loop);
void hgl_loop_stop(struct hgl_loop *loop);
/* One round of I/O; waits at most timeout_ms (0: does not wait). For tests. */
void hgl_loop_run_once(struct hgl_loop *loop, int timeout_ms);

#endif
