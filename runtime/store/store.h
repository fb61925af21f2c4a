/* The durable store of one host: named databases of ordered byte keys, read from the loop thread,
 * written one tick at a time.
 *
 * Everything a tick changed stands in one write set (writeset.h). hgl_store_commit seals it and
 * hands it to the writer thread, which applies it in key order in one transaction; meanwhile the
 * loop may prepare at most one tick more. Reads see the open set, then the one in flight, then the
 * backend. Values read are copies.
 *
 * Two backends behind the same calls: LMDB (a folder) and memory (tests, simulation: commits when
 * polled, and can be told to fail). Every row carries a checksum; a mismatch is HGL_CORRUPT.
 * All calls on the loop thread only, except where said. */
#ifndef HGL_STORE_STORE_H
#define HGL_STORE_STORE_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/seam.h"
#include "store/writeset.h"

enum { HGL_STORE_SCHEMA = 2, HGL_STORE_KEY_SIZE_MAX = 500, HGL_STORE_VALUE_SIZE_MAX = 16 << 20 };

struct hgl_store;

struct hgl_store_config {
  const char *folder;      /* made with mode 0700 when missing; NULL: memory backend */
  int64_t commit_every_ms; /* 0: strict, each commit reaches the disk; else relaxed: ticks are
                              merged into one durable commit this often (their `done` still waits
                              for it); the memory backend commits when polled all the same */
  const struct hgl_clock *clock;
  const struct hgl_log *log;
  void (*wake)(void *user); /* hgl_store_poll has something to do; NULL is allowed. Called on the
                               writer thread, and from calls of the loop's own that complete at once
                               (an empty commit, the memory backend) */
  void *wake_user;
};

/* HGL_IN_USE: another process has the folder open. HGL_CORRUPT: truncated or damaged file.
 * HGL_NEWER: schema of a newer version. HGL_IO, HGL_DISK_FULL. Migrates older schemas forward. */
int hgl_store_open(const struct hgl_store_config *config, struct hgl_store **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* Commits nothing: call hgl_store_drain first. NULL is allowed. */
void hgl_store_close(struct hgl_store *store);

/* The tick's open set: what is put there is seen by reads at once and made durable by the next
 * commit. Owned by the store; the pointer is good until hgl_store_commit. */
struct hgl_writeset *hgl_store_open_set(struct hgl_store *store);

/* True while a commit is in flight and another one waits: hold the next. */
bool hgl_store_busy(const struct hgl_store *store);
/* What it was opened with: so long may a commit wait that nothing delays. */
int64_t hgl_store_commit_every_ms(const struct hgl_store *store);
/* Seals the open set. `done(user)` is called from hgl_store_poll, on the loop thread, in the order
 * of commits, after the set is durable. An empty set with nothing in flight completes at the next
 * poll without touching the disk. Never while hgl_store_busy. */
int hgl_store_commit(struct hgl_store *store, void (*done)(void *user), void *user,
                     struct hgl_err *err) HGL_NODISCARD;
/* Calls the `done` of what has become durable. HGL_DISK_FULL: the set is held and retried (every
 * 500 ms); take in nothing until a later poll returns 0. HGL_NO_MEMORY: likewise. HGL_IO,
 * HGL_CORRUPT: the outcome is unknown: the process must stop and start again from the store. */
int hgl_store_poll(struct hgl_store *store, struct hgl_err *err) HGL_NODISCARD;
/* Waits until everything sealed is durable (or timeout) and polls. */
int hgl_store_drain(struct hgl_store *store, int64_t timeout_ms, struct hgl_err *err) HGL_NODISCARD;

/* Appends the value to `out`. HGL_NOT_FOUND fills no message (it is an ordinary answer). */
int hgl_store_get(struct hgl_store *store, enum hgl_db db, struct hgl_bytes key,
                  struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

/* Visits keys from `from` on (inclusive) that begin with `prefix`, in order, or backwards from the
 * last one below `from` (an empty `from`: the end of the prefix). Stops when `visit` returns a
 * non-zero number, which is returned. Key and value are borrowed for the call; `visit` may put and
 * delete in the open set. */
typedef int (*hgl_store_visit)(void *user, struct hgl_bytes key, struct hgl_bytes value,
                               struct hgl_err *err);
int hgl_store_scan(struct hgl_store *store, enum hgl_db db, struct hgl_bytes prefix,
                   struct hgl_bytes from, bool backwards, hgl_store_visit visit, void *user,
                   struct hgl_err *err) HGL_NODISCARD;

/* What tells a copied folder from the original: machine id, and device, inode and time of birth of
 * the data file. One that was stored before the birth was part of it is a beginning of this one.
 * Memory backend: a constant. Appends bytes. */
int hgl_store_identity(struct hgl_store *store, struct hgl_buf *out,
                       struct hgl_err *err) HGL_NODISCARD;

/* A copy of what is durable now as the new file `path` (mode 0600), synced, while the store goes
 * on. The copy is marked: META holds hgl_store_copied_key until whoever starts on it takes the row
 * away. Any thread; blocks. Between pieces it looks at the time (HGL_TIMEOUT after limit_ms) and at
 * `cancel` (HGL_CLOSED). HGL_EXISTS, HGL_DISK_FULL, HGL_IO; HGL_INVALID: in memory. On failure no
 * file is left. */
int hgl_store_copy(struct hgl_store *store, const char *path, int64_t limit_ms,
                   const atomic_bool *cancel, struct hgl_err *err) HGL_NODISCARD;
struct hgl_bytes hgl_store_copied_key(void);

/* Bytes that are free to this process on the store's disk; UINT64_MAX in memory, unless told
 * otherwise, and where the disk does not say. */
uint64_t hgl_store_space(const struct hgl_store *store);

struct hgl_store_stats {
  uint64_t commits;       /* durable ones */
  uint64_t rows_written;  /* puts and deletes applied */
  uint64_t bytes_written; /* keys and values */
  uint64_t commit_ns;     /* spent in durable commits, on the writer thread */
  uint64_t file_bytes;
};
struct hgl_store_stats hgl_store_stats(struct hgl_store *store);

/* Memory backend only, for tests: the next `count` commits fail with this code (HGL_DISK_FULL is
 * retried, others are fatal); hold=true keeps commits in flight until released. */
void hgl_store_fault(struct hgl_store *store, enum hgl_code code, int count);
void hgl_store_hold(struct hgl_store *store, bool hold);
void hgl_store_set_space(struct hgl_store *store, uint64_t bytes);

#endif
