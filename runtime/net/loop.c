#include "net/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdbool.h>

#include "base/mem.h"
#include "net/uv.h"

/* One round of libuv: timers, idle, poll for I/O, check. The tick runs in the check phase, after
 * the I/O of the round. While one is asked for, the idle handle is active: then the poll does not
 * block, so that a tick asked for within a tick or a timer comes in the next round. */

static const int signal_numbers[] = {SIGINT, SIGTERM, SIGHUP};
enum { SIGNAL_COUNT = sizeof signal_numbers / sizeof signal_numbers[0] };

struct hgl_loop {
  uv_loop_t uv;
  uv_check_t check;
  uv_idle_t idle;
  uv_async_t wake;
  uv_timer_t deadline_timer, patience; /* patience: the end of a run_once */
  uv_signal_t signals[SIGNAL_COUNT];
  int signal_count; /* started so far */
  const struct hgl_clock *clock;
  int64_t deadline; /* mono_ns */
  bool requested;
  void (*tick)(void *user);
  void *tick_user;
  void (*signalled)(void *user, int number);
  void *signal_user;
};

uv_loop_t *hgl_loop_uv(struct hgl_loop *loop)
{
  return &loop->uv;
}

int hgl_uv_fail(struct hgl_err *err, int uv_status, const char *doing)
{
  return hgl_fail(err, uv_status == UV_ENOMEM ? HGL_NO_MEMORY : HGL_IO, "%s: %s", doing,
                  uv_strerror(uv_status));
}

static void idle_came(uv_idle_t *idle) {}

void hgl_loop_request_tick(struct hgl_loop *loop)
{
  if (loop->requested) return;
  loop->requested = true;
  uv_idle_start(&loop->idle, idle_came);
}

static void check_came(uv_check_t *check)
{
  struct hgl_loop *loop = check->data;
  if (!loop->requested) return;
  loop->requested = false;
  uv_idle_stop(&loop->idle);
  if (loop->tick) loop->tick(loop->tick_user);
}

static void wake_came(uv_async_t *wake)
{
  hgl_loop_request_tick(wake->data);
}

static void deadline_came(uv_timer_t *timer)
{
  struct hgl_loop *loop = timer->data;
  /* libuv's time is in milliseconds and read once a round: it may be early by our clock. */
  if (hgl_mono_ns(loop->clock) < loop->deadline) {
    hgl_loop_set_deadline(loop, loop->deadline);
    return;
  }
  loop->deadline = INT64_MAX;
  hgl_loop_request_tick(loop);
}

void hgl_loop_set_deadline(struct hgl_loop *loop, int64_t mono_ns)
{
  loop->deadline = mono_ns;
  if (mono_ns == INT64_MAX) {
    uv_timer_stop(&loop->deadline_timer);
    return;
  }
  int64_t left = mono_ns - hgl_mono_ns(loop->clock);
  uint64_t left_ms = left <= 0 ? 0 : (uint64_t)left / 1000000 + 1;
  uv_timer_start(&loop->deadline_timer, deadline_came, left_ms, 0);
}

void hgl_loop_on_tick(struct hgl_loop *loop, void (*tick)(void *user), void *user)
{
  loop->tick = tick;
  loop->tick_user = user;
}

void hgl_loop_wake(void *loop)
{
  uv_async_send(&((struct hgl_loop *)loop)->wake);
}

static void signal_came(uv_signal_t *signal, int number)
{
  struct hgl_loop *loop = signal->data;
  loop->signalled(loop->signal_user, number);
}

int hgl_loop_on_signal(struct hgl_loop *loop, void (*signalled)(void *user, int number), void *user,
                       struct hgl_err *err)
{
  loop->signalled = signalled;
  loop->signal_user = user;
  while (loop->signal_count < SIGNAL_COUNT) {
    uv_signal_t *signal = &loop->signals[loop->signal_count];
    int status = uv_signal_init(&loop->uv, signal);
    if (status < 0) return hgl_uv_fail(err, status, "watching signals");
    signal->data = loop;
    status = uv_signal_start(signal, signal_came, signal_numbers[loop->signal_count++]);
    if (status < 0) return hgl_uv_fail(err, status, "watching signals");
  }
  return 0;
}

/* ---- work that would keep the loop waiting ---- */

struct work {
  uv_work_t request; /* first member */
  void (*work)(void *user);
  void (*done)(void *user);
  void *user;
};

static void do_work(uv_work_t *request)
{
  struct work *work = (struct work *)request;
  work->work(work->user);
}

static void work_done(uv_work_t *request, int status)
{
  struct work *work = (struct work *)request;
  work->done(work->user);
  hgl_free(work);
}

int hgl_loop_work(struct hgl_loop *loop, void (*work)(void *user), void (*done)(void *user),
                  void *user, struct hgl_err *err)
{
  struct work *item = hgl_zalloc(sizeof *item);
  if (!item) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  item->work = work;
  item->done = done;
  item->user = user;
  int status = uv_queue_work(&loop->uv, &item->request, do_work, work_done);
  if (status == 0) return 0;
  hgl_free(item);
  return hgl_uv_fail(err, status, "starting work beside the loop");
}

static void close_handles(struct hgl_loop *loop)
{
  uv_close((uv_handle_t *)&loop->check, NULL);
  uv_close((uv_handle_t *)&loop->idle, NULL);
  uv_close((uv_handle_t *)&loop->wake, NULL);
  uv_close((uv_handle_t *)&loop->deadline_timer, NULL);
  uv_close((uv_handle_t *)&loop->patience, NULL);
  for (int i = 0; i < loop->signal_count; i++) uv_close((uv_handle_t *)&loop->signals[i], NULL);
}

int hgl_loop_create(const struct hgl_clock *clock, struct hgl_loop **out, struct hgl_err *err)
{
  struct hgl_loop *loop = hgl_zalloc(sizeof *loop);
  if (!loop) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  loop->clock = clock;
  loop->deadline = INT64_MAX;
  int status = uv_loop_init(&loop->uv);
  if (status < 0) {
    hgl_free(loop);
    return hgl_uv_fail(err, status, "starting the event loop");
  }
  status = uv_async_init(&loop->uv, &loop->wake, wake_came);
  if (status < 0) {
    uv_loop_close(&loop->uv);
    hgl_free(loop);
    return hgl_uv_fail(err, status, "starting the event loop");
  }
  uv_check_init(&loop->uv, &loop->check);
  uv_idle_init(&loop->uv, &loop->idle);
  uv_timer_init(&loop->uv, &loop->deadline_timer);
  uv_timer_init(&loop->uv, &loop->patience);
  loop->check.data = loop->wake.data = loop->deadline_timer.data = loop;
  uv_check_start(&loop->check, check_came);
  *out = loop;
  return 0;
}

void hgl_loop_destroy(struct hgl_loop *loop)
{
  if (!loop) return;
  close_handles(loop);
  uv_run(&loop->uv, UV_RUN_DEFAULT);
  int status = uv_loop_close(&loop->uv);
  assert(status == 0); /* else somebody's handle is still open */
  (void)status;
  hgl_free(loop);
}

void hgl_loop_run(struct hgl_loop *loop)
{
  uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void hgl_loop_stop(struct hgl_loop *loop)
{
  uv_stop(&loop->uv);
}

/* Also when it ends before the loop begins to wait, which would then be for ever. */
static void patience_ended(uv_timer_t *timer)
{
  uv_stop(timer->loop);
}

void hgl_loop_run_once(struct hgl_loop *loop, int timeout_ms)
{
  if (timeout_ms > 0) {
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->patience, patience_ended, (uint64_t)timeout_ms, 0);
    uv_run(&loop->uv, UV_RUN_ONCE);
    uv_timer_stop(&loop->patience);
  } else {
    uv_run(&loop->uv, UV_RUN_NOWAIT);
  }
}
