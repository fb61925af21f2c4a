#include "lua/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/seam.h"

/* SIGURG is ignored by default and unused by libuv: a stray one from outside does no harm. */
#define INTERRUPT_SIGNAL SIGURG

enum { POLL_MS = 2, QUIET_POLLS_MAX = 500 };

/* `turn` is odd while a stretch runs. The thread measures a stretch from where it first saw its
 * turn, so that a stretch needs no clock; by the processor time of the runner, so that a busy
 * machine does not end handlers that have hardly run. A signal carries the watchdog's address and
 * is meant for one turn: one that arrives late finds another turn and does nothing. */
struct hgl_watchdog {
  atomic_uint_fast64_t turn;
  atomic_uint_fast64_t overrun_turn;
  atomic_bool asleep, stopping;
  int64_t limit_ms; /* these four: written before `turn` becomes odd */
  void (*interrupt)(void *user);
  void *user;
  pthread_t runner;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake;
};

static void on_signal(int number, siginfo_t *info, void *context)
{
  if (info->si_code != SI_QUEUE || info->si_pid != getpid()) return;
  struct hgl_watchdog *watchdog = info->si_value.sival_ptr;
  uint64_t turn = atomic_load(&watchdog->turn);
  if (turn % 2 == 0 || turn != atomic_load(&watchdog->overrun_turn)) return;
  watchdog->interrupt(watchdog->user);
}

static int64_t runner_ns(const struct hgl_watchdog *watchdog)
{
  clockid_t clock;
  struct timespec used;
  pthread_t runner = __atomic_load_n(&watchdog->runner, __ATOMIC_RELAXED);
  if (pthread_getcpuclockid(runner, &clock) != 0 || clock_gettime(clock, &used) != 0)
    return hgl_mono_ns(&hgl_clock_system);
  return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* Waits for the next look; without stretches for a while, until one begins. */
static void rest(struct hgl_watchdog *watchdog, int quiet_polls)
{
  if (quiet_polls < QUIET_POLLS_MAX) {
    nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    return;
  }
  pthread_mutex_lock(&watchdog->lock);
  atomic_store(&watchdog->asleep, true);
  while (atomic_load(&watchdog->asleep) && atomic_load(&watchdog->turn) % 2 == 0 &&
         !atomic_load(&watchdog->stopping))
    pthread_cond_wait(&watchdog->wake, &watchdog->lock);
  atomic_store(&watchdog->asleep, false);
  pthread_mutex_unlock(&watchdog->lock);
}

static void *watch(void *argument)
{
  struct hgl_watchdog *watchdog = argument;
  uint64_t seen = 0;
  int64_t seen_since_ns = 0;
  int quiet_polls = 0;
  while (!atomic_load(&watchdog->stopping)) {
    uint64_t turn = atomic_load(&watchdog->turn);
    int64_t now_ns = turn % 2 == 1 ? runner_ns(watchdog) : 0;
    quiet_polls = turn == seen && turn % 2 == 0 ? quiet_polls + 1 : 0;
    if (turn != seen) {
      seen = turn;
      seen_since_ns = now_ns;
    } else if (turn % 2 == 1) {
      int64_t limit_ms = __atomic_load_n(&watchdog->limit_ms, __ATOMIC_RELAXED);
      if (now_ns - seen_since_ns >= limit_ms * 1000000) {
        atomic_store(&watchdog->overrun_turn, turn);
        pthread_t runner = __atomic_load_n(&watchdog->runner, __ATOMIC_RELAXED);
        pthread_sigqueue(runner, INTERRUPT_SIGNAL, (union sigval){.sival_ptr = watchdog});
      }
    }
    rest(watchdog, quiet_polls);
  }
  return NULL;
}

void hgl_watchdog_begin(struct hgl_watchdog *watchdog, int64_t limit_ms,
                        void (*interrupt)(void *user), void *user)
{
  __atomic_store_n(&watchdog->limit_ms, limit_ms, __ATOMIC_RELAXED);
  __atomic_store_n(&watchdog->runner, pthread_self(), __ATOMIC_RELAXED);
  watchdog->interrupt = interrupt;
  watchdog->user = user;
  atomic_fetch_add(&watchdog->turn, 1);
  if (atomic_load(&watchdog->asleep)) {
    pthread_mutex_lock(&watchdog->lock);
    atomic_store(&watchdog->asleep, false);
    pthread_cond_signal(&watchdog->wake);
    pthread_mutex_unlock(&watchdog->lock);
  }
}

void hgl_watchdog_end(struct hgl_watchdog *watchdog)
{
  uint64_t turn = atomic_load_explicit(&watchdog->turn, memory_order_relaxed);
  atomic_store_explicit(&watchdog->turn, turn + 1, memory_order_release);
}

/* The thread takes no signals: they are for the others. */
static int start_thread(struct hgl_watchdog *watchdog)
{
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&watchdog->thread, NULL, watch, watchdog);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed;
}

int hgl_watchdog_create(struct hgl_watchdog **out, struct hgl_err *err)
{
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  if (sigaction(INTERRUPT_SIGNAL, &action, NULL) != 0)
    return hgl_fail(err, HGL_IO, "cannot install the watchdog's signal handler");
  struct hgl_watchdog *watchdog = hgl_zalloc(sizeof *watchdog);
  if (!watchdog) return hgl_fail(err, HGL_NO_MEMORY, "no memory for the watchdog");
  pthread_mutex_init(&watchdog->lock, NULL);
  pthread_cond_init(&watchdog->wake, NULL);
  watchdog->runner = pthread_self();
  if (start_thread(watchdog) != 0) {
    hgl_free(watchdog);
    return hgl_fail(err, HGL_IO, "cannot start the watchdog's thread");
  }
  *out = watchdog;
  return 0;
}

/* On the thread that ran the stretches: a signal still on its way arrives before the join returns.
 */
void hgl_watchdog_destroy(struct hgl_watchdog *watchdog)
{
  if (!watchdog) return;
  pthread_mutex_lock(&watchdog->lock);
  atomic_store(&watchdog->stopping, true);
  pthread_cond_signal(&watchdog->wake);
  pthread_mutex_unlock(&watchdog->lock);
  pthread_join(watchdog->thread, NULL);
  pthread_cond_destroy(&watchdog->wake);
  pthread_mutex_destroy(&watchdog->lock);
  hgl_free(watchdog);
}
