/* The sealed sets of a store on their way to the backend, in order, and the thread that applies
 * them (none with the memory backend: there hgl_writer_run applies on the caller's).
 *
 * Who owns what: the loop thread adds and removes jobs and alone changes a sealed set, and that
 * only before the writer takes it; the writer moves a job from waiting to taken to durable. */
#ifndef HGL_STORE_WRITER_H
#define HGL_STORE_WRITER_H

#include "store/backend.h"

struct hgl_writer;

/* Someone to be told when a commit is durable. */
struct hgl_waiter {
  struct hgl_waiter *next;
  void (*done)(void *user);
  void *user;
};

struct hgl_waiters {
  struct hgl_waiter *first, *last;
};

void hgl_waiters_add(struct hgl_waiters *waiters, struct hgl_waiter *waiter);
/* The first one, taken off, or NULL. */
struct hgl_waiter *hgl_waiters_take(struct hgl_waiters *waiters);

struct hgl_writer_config {
  struct hgl_backend *backend;
  bool threaded;
  int64_t commit_every_ms;
  void (*wake)(void *user); /* NULL is allowed */
  void *wake_user;
};

int hgl_writer_create(const struct hgl_writer_config *config, struct hgl_writer **out,
                      struct hgl_err *err) HGL_NODISCARD;
/* Finishes what is being applied, drops the rest. NULL is allowed. */
void hgl_writer_destroy(struct hgl_writer *writer);

/* All below: loop thread. */
bool hgl_writer_busy(const struct hgl_writer *writer);
int64_t hgl_writer_commit_every_ms(const struct hgl_writer *writer);
/* Sets sealed and not yet collected; index 0 is the newest. */
size_t hgl_writer_sets(const struct hgl_writer *writer);
struct hgl_writeset *hgl_writer_set(const struct hgl_writer *writer, size_t index);

/* Takes over the rows of *set, leaves an empty set there, and takes the waiter. Never while busy.
 */
int hgl_writer_submit(struct hgl_writer *writer, struct hgl_writeset **set,
                      struct hgl_waiter *waiter, struct hgl_err *err) HGL_NODISCARD;
/* The waiter goes with the newest set, of which there is one. */
void hgl_writer_attach(struct hgl_writer *writer, struct hgl_waiter *waiter);
/* Removes durable sets and moves their waiters to the end of `done`; true if there were any. */
bool hgl_writer_collect(struct hgl_writer *writer, struct hgl_waiters *done);
/* 0, or why the first set is not durable yet. HGL_DISK_FULL, HGL_NO_MEMORY: it is tried again. */
int hgl_writer_trouble(struct hgl_writer *writer, struct hgl_err *err) HGL_NODISCARD;
/* Waits until there is something to collect or the writer has given up, without waiting for the
 * interval of relaxed commits; false when the time is over. Times as of hgl_clock_system. */
bool hgl_writer_wait(struct hgl_writer *writer, int64_t deadline_ns);
/* Not threaded: tries to apply what waits. */
void hgl_writer_run(struct hgl_writer *writer);
void hgl_writer_hold(struct hgl_writer *writer, bool hold);
/* All but file_bytes. */
struct hgl_store_stats hgl_writer_stats(struct hgl_writer *writer);

static inline bool hgl_store_retries(int status)
{
  return status == -HGL_DISK_FULL || status == -HGL_NO_MEMORY;
}

#endif
