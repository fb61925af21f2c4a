/* agent.exclusive: a handler's locks last through its suspensions, and through the end of the
 * process: what a run holds, and that it waits, stands in its rows. Who waited first is next. */
#include "agent/internal.h"

#include <stdlib.h>

enum { LOCKS_MAX = 1000 }; /* of one handler: each suspension writes them all */

struct lock {
  struct agent_run *holder;
};

/* ---- lists ---- */

static struct held_lock *find(const struct held_locks *locks, struct hgl_bytes key)
{
  for (size_t i = 0; locks && i < locks->count; i++)
    if (hgl_bytes_equal(hgl_bytes(locks->items[i].key, locks->items[i].key_size), key))
      return &locks->items[i];
  return NULL;
}

int held_locks_add(struct held_locks *locks, struct hgl_bytes key, int depth, struct hgl_err *err)
{
  char *copy = hgl_strndup((const char *)key.data, key.size);
  if (!copy || !HGL_GROW(locks->items, locks->count, locks->capacity)) {
    hgl_free(copy);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  locks->items[locks->count++] = (struct held_lock){copy, key.size, depth};
  return 0;
}

static void drop(struct held_locks *locks, struct held_lock *lock)
{
  hgl_free(lock->key);
  *lock = locks->items[--locks->count];
}

void held_locks_clear(struct held_locks *locks)
{
  for (size_t i = 0; i < locks->count; i++) hgl_free(locks->items[i].key);
  hgl_free(locks->items);
  *locks = (struct held_locks){0};
}

static int add_to_run(struct agent_run *run, struct hgl_bytes key, int depth, struct hgl_err *err)
{
  if (!run->locks) run->locks = hgl_zalloc(sizeof *run->locks);
  if (!run->locks) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return held_locks_add(run->locks, key, depth, err);
}

/* ---- the agent's locks ---- */

static int hold(struct agent_run *run, struct hgl_bytes key, struct hgl_err *err)
{
  struct lock *lock = hgl_map_get(&run->agent->locks, key);
  if (!lock) {
    lock = hgl_zalloc(sizeof *lock);
    if (!lock) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    int status = hgl_map_put(&run->agent->locks, key, lock, err);
    if (status) {
      hgl_free(lock);
      return status;
    }
  }
  lock->holder = run;
  return 0;
}

static bool waits_for(const struct agent_run *run, struct hgl_bytes key)
{
  return run->stretches && run->waits == HGL_VM_WAIT_LOCK && !run->granted &&
         hgl_bytes_equal(hgl_buf_bytes(&run->lock), key);
}

static struct agent_run *first_waiting(const struct agent *agent, struct hgl_bytes key)
{
  struct agent_run *first = NULL;
  for (struct agent_run *run = agent->runs; run; run = run->next)
    if (waits_for(run, key) && (!first || run->ticket < first->ticket)) first = run;
  return first;
}

static int grant(struct agent_run *run, struct hgl_err *err)
{
  struct hgl_bytes key = hgl_buf_bytes(&run->lock);
  int status = hold(run, key, err);
  if (!status) status = add_to_run(run, key, 1, err);
  if (status) return status;
  run->granted = true;
  run_wake(run);
  return 0;
}

/* Nobody holds it any more: the next one does. */
static int pass_on(struct agent *agent, struct hgl_bytes key, struct hgl_err *err)
{
  hgl_free(hgl_map_remove(&agent->locks, key));
  struct agent_run *next = first_waiting(agent, key);
  return next ? grant(next, err) : 0;
}

/* ---- in a stretch ---- */

int locks_begin(struct hgl_host *host, const struct agent_run *run, struct hgl_err *err)
{
  struct held_locks *locks = &host->stretch.locks;
  int status = 0;
  for (size_t i = 0; run && run->locks && i < run->locks->count && !status; i++) {
    const struct held_lock *held = &run->locks->items[i];
    status = held_locks_add(locks, hgl_bytes(held->key, held->key_size), held->depth, err);
  }
  return status;
}

int lock_take(struct agent *agent, struct hgl_bytes key, bool *granted, struct hgl_err *err)
{
  struct stretch *stretch = &agent->host->stretch;
  struct held_lock *held = find(&stretch->locks, key);
  const struct lock *lock = hgl_map_get(&agent->locks, key);
  if (!held && stretch->locks.count >= LOCKS_MAX)
    return hgl_fail(err, HGL_LIMIT, "a handler holds %d locks at most", LOCKS_MAX);
  *granted = held || !lock || (stretch->run && lock->holder == stretch->run);
  if (!*granted) return 0;
  if (!held) return held_locks_add(&stretch->locks, key, 1, err);
  held->depth++;
  return 0;
}

int lock_release(struct agent *agent, struct hgl_bytes key, struct hgl_err *err)
{
  struct stretch *stretch = &agent->host->stretch;
  struct held_lock *held = find(&stretch->locks, key);
  if (!held) return hgl_fail(err, HGL_INTERNAL, "a lock that is not held is released");
  if (--held->depth == 0) drop(&stretch->locks, held);
  return 0;
}

int locks_accept(struct agent *agent, struct agent_run *run, struct hgl_err *err)
{
  struct held_locks *now = &agent->host->stretch.locks;
  int status = 0;
  if (run && run->locks) {
    struct held_locks was = *run->locks;
    *run->locks = (struct held_locks){0};
    for (size_t i = 0; i < was.count && !status; i++) {
      struct hgl_bytes key = hgl_bytes(was.items[i].key, was.items[i].key_size);
      if (!find(now, key)) status = pass_on(agent, key, err);
    }
    held_locks_clear(&was);
  }
  for (size_t i = 0; run && i < now->count && !status; i++) {
    struct hgl_bytes key = hgl_bytes(now->items[i].key, now->items[i].key_size);
    status = hold(run, key, err);
    if (!status) status = add_to_run(run, key, now->items[i].depth, err);
  }
  held_locks_clear(now);
  return status;
}

/* ---- waiting ---- */

/* It may have become free by the end of the stretch that asked for it. */
int lock_wait(struct agent_run *run, struct hgl_err *err)
{
  if (hgl_map_get(&run->agent->locks, hgl_buf_bytes(&run->lock))) return 0;
  return grant(run, err);
}

void locks_forget(struct agent_run *run)
{
  struct hgl_err err;
  struct held_locks *was = run->locks;
  run->locks = NULL;
  run->waits = HGL_VM_WAIT_SLEEP; /* for no lock */
  for (size_t i = 0; was && i < was->count; i++)
    if (pass_on(run->agent, hgl_bytes(was->items[i].key, was->items[i].key_size), &err))
      host_fatal(run->agent->host, &err);
  if (was) held_locks_clear(was);
  hgl_free(was);
}

int locks_load(struct agent *agent, struct hgl_err *err)
{
  int status = 0;
  for (struct agent_run *run = agent->runs; run && !status; run = run->next)
    for (size_t i = 0; run->locks && i < run->locks->count && !status; i++)
      status = hold(run, hgl_bytes(run->locks->items[i].key, run->locks->items[i].key_size), err);
  for (struct agent_run *run = agent->runs; run && !status; run = run->next) {
    if (!run->stretches || run->waits != HGL_VM_WAIT_LOCK || run->granted) continue;
    struct hgl_bytes key = hgl_buf_bytes(&run->lock);
    if (!hgl_map_get(&agent->locks, key)) status = grant(first_waiting(agent, key), err);
  }
  return status;
}
