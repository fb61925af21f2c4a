#include "store/store.h"

#include <assert.h>
#include <sys/statvfs.h>

#include "base/mem.h"
#include "store/backend.h"
#include "store/copy.h"
#include "store/folder.h"
#include "store/scan.h"
#include "store/schema.h"
#include "store/writer.h"

/* To begin with; doubles when full. The data file has this length, most of it a hole. */
static const size_t map_size_first = (size_t)64 << 20;

struct hgl_store {
  struct hgl_store_config config;
  bool in_memory;
  struct hgl_folder folder;
  struct hgl_backend *backend;
  struct hgl_writer *writer;
  struct hgl_writeset *open;
  struct hgl_waiters done; /* durable, still to be told */
  int trouble;             /* what the last poll returned */
  int scans;               /* under way, one within the other */
  uint64_t space;          /* in memory: what the disk is said to have */
  bool polling;
};

/* Opening ---------------------------------------------------------------------------------------
 */

/* A new data file gets its name only once it is whole: what is found later as an empty or partial
 * one is damage, not a start that was cut short. */
static int make_data(struct hgl_store *store, size_t map_size, struct hgl_err *err)
{
  struct hgl_backend *backend;
  hgl_folder_discard_new(&store->folder);
  int status = hgl_backend_lmdb_open(store->folder.new_path, map_size, &backend, err);
  if (status) return status;
  status = hgl_schema_init(backend, err);
  backend->calls->close(backend);
  return status ? status : hgl_folder_adopt_new(&store->folder, err);
}

static int open_folder(struct hgl_store *store, size_t map_size, struct hgl_err *err)
{
  int status = hgl_folder_open(&store->folder, store->config.folder, err);
  if (status) return status;
  status = hgl_folder_check_data(&store->folder, err);
  if (status == -HGL_NOT_FOUND) status = make_data(store, map_size, err);
  if (status) return status;
  return hgl_backend_lmdb_open(store->folder.data_path, map_size, &store->backend, err);
}

static int open_backend(struct hgl_store *store, size_t map_size, struct hgl_err *err)
{
  int status;
  if (store->in_memory) {
    status = hgl_backend_memory_open(&store->backend, err);
    return status ? status : hgl_schema_init(store->backend, err);
  }
  status = open_folder(store, map_size, err);
  if (status) return status;
  uint32_t was;
  status = hgl_schema_migrate(store->backend, hgl_migrations, HGL_STORE_SCHEMA, &was, err);
  if (status == 0 && was != HGL_STORE_SCHEMA)
    hgl_log(store->config.log, HGL_LOG_INFO, "store", "brought from version %u to %u", was,
            (unsigned)HGL_STORE_SCHEMA);
  return status;
}

int hgl_store_open_sized(const struct hgl_store_config *config, size_t map_size,
                         struct hgl_store **out, struct hgl_err *err)
{
  struct hgl_store *store = hgl_zalloc(sizeof *store);
  if (!store) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  store->config = *config;
  store->in_memory = !config->folder;
  store->space = UINT64_MAX;
  store->folder.lock_fd = -1;
  int status = open_backend(store, map_size, err);
  if (status == 0) status = hgl_writeset_create(&store->open, err);
  struct hgl_writer_config writer = {
      .backend = store->backend,
      .threaded = !store->in_memory,
      .commit_every_ms = config->commit_every_ms,
      .wake = config->wake,
      .wake_user = config->wake_user,
  };
  if (status == 0) status = hgl_writer_create(&writer, &store->writer, err);
  store->config.folder = NULL; /* was the caller's */
  if (status)
    hgl_store_close(store);
  else
    *out = store;
  return status;
}

int hgl_store_open(const struct hgl_store_config *config, struct hgl_store **out,
                   struct hgl_err *err)
{
  return hgl_store_open_sized(config, map_size_first, out, err);
}

void hgl_store_close(struct hgl_store *store)
{
  if (!store) return;
  assert(!store->scans && !store->polling);
  hgl_writer_destroy(store->writer);
  for (struct hgl_waiter *waiter; (waiter = hgl_waiters_take(&store->done));) hgl_free(waiter);
  hgl_writeset_destroy(store->open);
  if (store->backend) store->backend->calls->close(store->backend);
  hgl_folder_close(&store->folder);
  hgl_free(store);
}

/* Committing ------------------------------------------------------------------------------------
 */

struct hgl_writeset *hgl_store_open_set(struct hgl_store *store)
{
  return store->open;
}

bool hgl_store_busy(const struct hgl_store *store)
{
  return hgl_writer_busy(store->writer);
}

int64_t hgl_store_commit_every_ms(const struct hgl_store *store)
{
  return hgl_writer_commit_every_ms(store->writer);
}

int hgl_store_commit(struct hgl_store *store, void (*done)(void *user), void *user,
                     struct hgl_err *err)
{
  assert(!store->scans && !hgl_store_busy(store));
  struct hgl_waiter *waiter = hgl_alloc(sizeof *waiter);
  if (!waiter) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *waiter = (struct hgl_waiter){NULL, done, user};
  if (hgl_writeset_count(store->open)) {
    int status = hgl_writer_submit(store->writer, &store->open, waiter, err);
    if (status) hgl_free(waiter);
    return status;
  }
  hgl_writeset_clear(store->open);
  if (hgl_writer_sets(store->writer)) {
    hgl_writer_attach(store->writer, waiter);
    return 0;
  }
  hgl_waiters_add(&store->done, waiter);
  if (store->config.wake) store->config.wake(store->config.wake_user);
  return 0;
}

/* A visit to the log where things turn; the writer thread may not write there. */
static void note_trouble(struct hgl_store *store, int status, const struct hgl_err *err)
{
  if (status == store->trouble) return;
  if (status)
    hgl_log(store->config.log, HGL_LOG_ERROR, "store", "%s%s", err->message,
            hgl_store_retries(status) ? "; the commit is held and tried again" : "");
  else
    hgl_log(store->config.log, HGL_LOG_INFO, "store", "commits succeed again");
  store->trouble = status;
}

int hgl_store_poll(struct hgl_store *store, struct hgl_err *err)
{
  assert(!store->scans && !store->polling);
  store->polling = true;
  if (store->in_memory) hgl_writer_run(store->writer);
  /* The sets are let go of here, so from here on reads have to find their rows stored. */
  if (hgl_writer_collect(store->writer, &store->done))
    store->backend->calls->refresh(store->backend);
  struct hgl_waiters done = store->done; /* what `done` commits in turn is for the next poll */
  store->done = (struct hgl_waiters){0};
  for (struct hgl_waiter *waiter; (waiter = hgl_waiters_take(&done));) {
    if (waiter->done) waiter->done(waiter->user);
    hgl_free(waiter);
  }
  store->polling = false;
  struct hgl_err trouble = {0};
  int status = hgl_writer_trouble(store->writer, &trouble);
  note_trouble(store, status, &trouble);
  if (status && err) *err = trouble;
  return status;
}

int hgl_store_drain(struct hgl_store *store, int64_t timeout_ms, struct hgl_err *err)
{
  int64_t deadline = hgl_mono_ns(&hgl_clock_system) + timeout_ms * 1000000;
  for (;;) {
    int status = hgl_store_poll(store, err);
    if (status && !hgl_store_retries(status)) return status;
    if (!hgl_writer_sets(store->writer) && !store->done.first) return 0;
    if (store->done.first || hgl_writer_wait(store->writer, deadline)) continue;
    return status ? status : hgl_fail(err, HGL_TIMEOUT, "commits are still in flight");
  }
}

/* Reading ---------------------------------------------------------------------------------------
 */

/* The sets that are not stored yet, newest first. */
static size_t unstored(struct hgl_store *store, struct hgl_writeset *sets[HGL_SCAN_SETS_MAX])
{
  size_t sealed = hgl_writer_sets(store->writer);
  assert(sealed < HGL_SCAN_SETS_MAX);
  sets[0] = store->open;
  for (size_t i = 0; i < sealed; i++) sets[i + 1] = hgl_writer_set(store->writer, i);
  return sealed + 1;
}

int hgl_store_get(struct hgl_store *store, enum hgl_db db, struct hgl_bytes key,
                  struct hgl_buf *out, struct hgl_err *err)
{
  assert(db >= 0 && db < HGL_DB_COUNT);
  if (key.size == 0 || key.size > HGL_STORE_KEY_SIZE_MAX) return -HGL_NOT_FOUND;
  struct hgl_writeset *sets[HGL_SCAN_SETS_MAX];
  size_t count = unstored(store, sets);
  for (size_t i = 0; i < count; i++) {
    struct hgl_bytes value;
    enum hgl_writeset_found found = hgl_writeset_get(sets[i], db, key, &value);
    if (found == HGL_WRITESET_DELETED) return -HGL_NOT_FOUND;
    if (found == HGL_WRITESET_UNKNOWN) continue;
    hgl_buf_append_bytes(out, value);
    return hgl_buf_check(out, err);
  }
  return store->backend->calls->get(store->backend, db, key, out, err);
}

int hgl_store_scan(struct hgl_store *store, enum hgl_db db, struct hgl_bytes prefix,
                   struct hgl_bytes from, bool backwards, hgl_store_visit visit, void *user,
                   struct hgl_err *err)
{
  assert(db >= 0 && db < HGL_DB_COUNT);
  if (prefix.size > HGL_STORE_KEY_SIZE_MAX || from.size > HGL_STORE_KEY_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "no stored key is longer than %d bytes",
                    HGL_STORE_KEY_SIZE_MAX);
  struct hgl_scan scan = {.backend = store->backend, .db = db, .prefix = prefix, .from = from};
  scan.set_count = unstored(store, scan.sets);
  scan.backwards = backwards;
  store->scans++;
  int status = hgl_scan_run(&scan, visit, user, err);
  store->scans--;
  return status;
}

/* The rest --------------------------------------------------------------------------------------
 */

int hgl_store_identity(struct hgl_store *store, struct hgl_buf *out, struct hgl_err *err)
{
  if (!store->in_memory) return hgl_folder_identity(&store->folder, out, err);
  hgl_buf_append_text(out, "memory");
  return hgl_buf_check(out, err);
}

int hgl_store_copy(struct hgl_store *store, const char *path, int64_t limit_ms,
                   const atomic_bool *cancel, struct hgl_err *err)
{
  if (!store->backend->calls->pin)
    return hgl_fail(err, HGL_INVALID, "a store in memory cannot be copied");
  return hgl_copy_run(store->backend, path, limit_ms, cancel, err);
}

uint64_t hgl_store_space(const struct hgl_store *store)
{
  struct statvfs disk;
  if (store->in_memory) return store->space;
  if (fstatvfs(store->folder.lock_fd, &disk)) return UINT64_MAX;
  return (uint64_t)disk.f_bavail * disk.f_frsize;
}

void hgl_store_set_space(struct hgl_store *store, uint64_t bytes)
{
  assert(store->in_memory);
  store->space = bytes;
}

struct hgl_store_stats hgl_store_stats(struct hgl_store *store)
{
  struct hgl_store_stats stats = hgl_writer_stats(store->writer);
  stats.file_bytes = store->backend->calls->file_bytes(store->backend);
  return stats;
}

void hgl_store_fault(struct hgl_store *store, enum hgl_code code, int count)
{
  assert(store->in_memory);
  hgl_backend_memory_fault(store->backend, code, count);
}

void hgl_store_hold(struct hgl_store *store, bool hold)
{
  assert(store->in_memory);
  hgl_writer_hold(store->writer, hold);
}
