#include "store/writer.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/mem.h"
#include "base/seam.h"
#include "store/damage.h"

enum {
  STRICT_SETS_MAX = 2, /* one in flight, one waiting */
  /* Relaxed: waiting sets are merged, so a third comes up only between a commit and the loop's
   * noticing it. */
  SETS_MAX = 3,
  MERGED_SIZE_MAX = 64 << 20,
  RETRY_MS = 500,
};

struct job {
  enum { WAITING, TAKEN, DURABLE } state;
  struct hgl_writeset *set;
  const struct hgl_row **rows; /* room for the sorted set: the writer need not allocate */
  size_t rows_capacity;
  struct hgl_waiters waiters; /* the loop's */
};

struct hgl_writer {
  struct hgl_writer_config config;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  /* Below: under the lock, but for what the loop alone writes and reads itself. */
  struct job jobs[SETS_MAX]; /* a ring, oldest first */
  size_t first, count;
  int64_t last_start_ns;  /* of the last attempt */
  struct hgl_err trouble; /* HGL_OK: none */
  bool hurry, stopping, broken, held;
  struct hgl_store_stats stats;
};

void hgl_waiters_add(struct hgl_waiters *waiters, struct hgl_waiter *waiter)
{
  waiter->next = NULL;
  if (waiters->last)
    waiters->last->next = waiter;
  else
    waiters->first = waiter;
  waiters->last = waiter;
}

struct hgl_waiter *hgl_waiters_take(struct hgl_waiters *waiters)
{
  struct hgl_waiter *waiter = waiters->first;
  if (!waiter) return NULL;
  waiters->first = waiter->next;
  if (!waiters->first) waiters->last = NULL;
  return waiter;
}

static struct job *job_at(const struct hgl_writer *writer, size_t index)
{
  return (struct job *)&writer->jobs[(writer->first + index) % SETS_MAX];
}

static int64_t now_ns(void)
{
  return hgl_mono_ns(&hgl_clock_system);
}

/* Applying --------------------------------------------------------------------------------------
 */

static struct job *next_job(const struct hgl_writer *writer)
{
  for (size_t i = 0; i < writer->count; i++)
    if (job_at(writer, i)->state != DURABLE) return job_at(writer, i);
  return NULL;
}

/* Called and returns with the lock held; lets go of it meanwhile. */
static void attempt(struct hgl_writer *writer, struct job *job)
{
  struct hgl_backend *backend = writer->config.backend;
  job->state = TAKEN;
  writer->last_start_ns = now_ns();
  pthread_mutex_unlock(&writer->lock);

  struct hgl_err err = {0};
  size_t count = hgl_writeset_count(job->set);
  hgl_writeset_sorted(job->set, job->rows);
  int64_t start = now_ns();
  int status = count ? backend->calls->apply(backend, job->rows, count, &err) : 0;
  int64_t took = now_ns() - start;

  pthread_mutex_lock(&writer->lock);
  writer->trouble = err;
  if (status == 0) {
    job->state = DURABLE;
    writer->trouble.code = HGL_OK;
    writer->stats.commits++;
    writer->stats.rows_written += count;
    writer->stats.bytes_written += hgl_writeset_size(job->set);
    writer->stats.commit_ns += (uint64_t)took;
  } else if (!hgl_store_retries(status)) {
    writer->broken = true;
  }
  pthread_cond_broadcast(&writer->changed);
}

static void wake(struct hgl_writer *writer)
{
  if (writer->config.wake) writer->config.wake(writer->config.wake_user);
}

/* When the next attempt may start. */
static int64_t due_ns(const struct hgl_writer *writer)
{
  int64_t pause_ms = writer->hurry ? 0 : writer->config.commit_every_ms;
  if (writer->trouble.code) pause_ms = RETRY_MS;
  return pause_ms ? writer->last_start_ns + pause_ms * 1000000 : 0;
}

/* False when the time is over. */
static bool wait_until(struct hgl_writer *writer, int64_t due)
{
  struct timespec time = {due / 1000000000, due % 1000000000};
  pthread_cond_timedwait(&writer->changed, &writer->lock, &time);
  return now_ns() < due;
}

static void *run_thread(void *user)
{
  struct hgl_writer *writer = user;
  pthread_mutex_lock(&writer->lock);
  while (!writer->stopping && !writer->broken) {
    struct job *job = next_job(writer);
    if (!job) {
      pthread_cond_wait(&writer->changed, &writer->lock);
    } else if (now_ns() < due_ns(writer)) {
      wait_until(writer, due_ns(writer));
    } else {
      attempt(writer, job);
      pthread_mutex_unlock(&writer->lock);
      wake(writer);
      pthread_mutex_lock(&writer->lock);
    }
  }
  pthread_mutex_unlock(&writer->lock);
  return NULL;
}

void hgl_writer_run(struct hgl_writer *writer)
{
  assert(!writer->config.threaded);
  bool again = false;
  pthread_mutex_lock(&writer->lock);
  for (struct job *job; !again && !writer->held && !writer->broken && (job = next_job(writer));) {
    attempt(writer, job);
    again = job->state != DURABLE && !writer->broken;
  }
  pthread_mutex_unlock(&writer->lock);
  if (again) wake(writer); /* each poll is a try: nobody else would come back */
}

/* Life ------------------------------------------------------------------------------------------
 */

static bool start_thread(struct hgl_writer *writer)
{
  /* Signals are the loop's business, but for what the thread's own faults raise: damage.h. */
  sigset_t all, before;
  sigfillset(&all);
  hgl_damage_unblock(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&writer->thread, NULL, run_thread, writer);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc == 0;
}

static void free_writer(struct hgl_writer *writer)
{
  for (size_t i = 0; i < SETS_MAX; i++) {
    struct job *job = &writer->jobs[i];
    for (struct hgl_waiter *waiter; (waiter = hgl_waiters_take(&job->waiters));) hgl_free(waiter);
    hgl_writeset_destroy(job->set);
    hgl_free(job->rows);
  }
  pthread_cond_destroy(&writer->changed);
  pthread_mutex_destroy(&writer->lock);
  hgl_free(writer);
}

int hgl_writer_create(const struct hgl_writer_config *config, struct hgl_writer **out,
                      struct hgl_err *err)
{
  struct hgl_writer *writer = hgl_zalloc(sizeof *writer);
  if (!writer) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  writer->config = *config;
  writer->last_start_ns = INT64_MIN / 2;
  pthread_mutex_init(&writer->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&writer->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  int status = 0;
  for (size_t i = 0; i < SETS_MAX && status == 0; i++)
    status = hgl_writeset_create(&writer->jobs[i].set, err);
  if (status == 0 && config->threaded && !start_thread(writer))
    status = hgl_fail(err, HGL_IO, "the writer thread cannot be started");
  if (status)
    free_writer(writer);
  else
    *out = writer;
  return status;
}

void hgl_writer_destroy(struct hgl_writer *writer)
{
  if (!writer) return;
  if (writer->config.threaded) {
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
  }
  free_writer(writer);
}

/* The loop's side -------------------------------------------------------------------------------
 */

bool hgl_writer_busy(const struct hgl_writer *writer)
{
  if (!writer->config.commit_every_ms) return writer->count >= STRICT_SETS_MAX;
  return writer->count >= SETS_MAX ||
         (writer->count && hgl_writeset_size(hgl_writer_set(writer, 0)) >= MERGED_SIZE_MAX);
}

int64_t hgl_writer_commit_every_ms(const struct hgl_writer *writer)
{
  return writer->config.commit_every_ms;
}

size_t hgl_writer_sets(const struct hgl_writer *writer)
{
  return writer->count;
}

struct hgl_writeset *hgl_writer_set(const struct hgl_writer *writer, size_t index)
{
  assert(index < writer->count);
  return job_at(writer, writer->count - 1 - index)->set;
}

static int reserve_rows(struct job *job, size_t count, struct hgl_err *err)
{
  if (count <= job->rows_capacity) return 0;
  size_t capacity = job->rows_capacity ? job->rows_capacity : 64;
  while (capacity < count) capacity *= 2;
  const struct hgl_row **rows = hgl_array(capacity, sizeof *rows);
  if (!rows) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_free(job->rows);
  job->rows = rows;
  job->rows_capacity = capacity;
  return 0;
}

/* Over the newest set if that only waits for its interval. */
static int merge(struct job *job, struct hgl_writeset *set, struct hgl_err *err)
{
  int status = reserve_rows(job, hgl_writeset_count(job->set) + hgl_writeset_count(set), err);
  return status ? status : hgl_writeset_merge(job->set, set, err);
}

static int push(struct hgl_writer *writer, struct hgl_writeset **set, struct hgl_err *err)
{
  assert(writer->count < SETS_MAX);
  struct job *job = job_at(writer, writer->count);
  int status = reserve_rows(job, hgl_writeset_count(*set), err);
  if (status) return status;
  struct hgl_writeset *empty = job->set;
  job->set = *set;
  *set = empty;
  job->state = WAITING;
  writer->count++;
  return 0;
}

int hgl_writer_submit(struct hgl_writer *writer, struct hgl_writeset **set,
                      struct hgl_waiter *waiter, struct hgl_err *err)
{
  assert(!hgl_writer_busy(writer));
  pthread_mutex_lock(&writer->lock);
  struct job *newest = writer->count ? job_at(writer, writer->count - 1) : NULL;
  bool merges = writer->config.commit_every_ms && newest && newest->state == WAITING;
  int status = merges ? merge(newest, *set, err) : push(writer, set, err);
  if (status == 0) {
    hgl_waiters_add(&job_at(writer, writer->count - 1)->waiters, waiter);
    if (hgl_writeset_size(hgl_writer_set(writer, 0)) >= MERGED_SIZE_MAX) writer->hurry = true;
    pthread_cond_broadcast(&writer->changed);
  }
  pthread_mutex_unlock(&writer->lock);
  if (status == 0 && !writer->config.threaded) wake(writer);
  return status;
}

void hgl_writer_attach(struct hgl_writer *writer, struct hgl_waiter *waiter)
{
  assert(writer->count > 0);
  hgl_waiters_add(&job_at(writer, writer->count - 1)->waiters, waiter);
}

bool hgl_writer_collect(struct hgl_writer *writer, struct hgl_waiters *done)
{
  bool any = false;
  pthread_mutex_lock(&writer->lock);
  while (writer->count && job_at(writer, 0)->state == DURABLE) {
    struct job *job = job_at(writer, 0);
    for (struct hgl_waiter *waiter; (waiter = hgl_waiters_take(&job->waiters));)
      hgl_waiters_add(done, waiter);
    hgl_writeset_clear(job->set);
    writer->first = (writer->first + 1) % SETS_MAX;
    writer->count--;
    any = true;
  }
  if (!writer->count) writer->hurry = false;
  pthread_mutex_unlock(&writer->lock);
  return any;
}

int hgl_writer_trouble(struct hgl_writer *writer, struct hgl_err *err)
{
  pthread_mutex_lock(&writer->lock);
  enum hgl_code code = writer->trouble.code;
  if (code && err) *err = writer->trouble;
  pthread_mutex_unlock(&writer->lock);
  return -(int)code;
}

bool hgl_writer_wait(struct hgl_writer *writer, int64_t deadline_ns)
{
  /* Without a thread, the caller's next hgl_writer_run is the next try. */
  if (!writer->config.threaded) return !writer->held && now_ns() < deadline_ns;
  bool ready = false, in_time = true;
  pthread_mutex_lock(&writer->lock);
  writer->hurry = true;
  pthread_cond_broadcast(&writer->changed);
  while (!ready && in_time) {
    ready = writer->broken || (writer->count && job_at(writer, 0)->state == DURABLE);
    if (!ready) in_time = wait_until(writer, deadline_ns);
  }
  pthread_mutex_unlock(&writer->lock);
  return ready;
}

void hgl_writer_hold(struct hgl_writer *writer, bool hold)
{
  assert(!writer->config.threaded);
  writer->held = hold;
  if (!hold && writer->count) wake(writer);
}

struct hgl_store_stats hgl_writer_stats(struct hgl_writer *writer)
{
  pthread_mutex_lock(&writer->lock);
  struct hgl_store_stats stats = writer->stats;
  pthread_mutex_unlock(&writer->lock);
  return stats;
}
