/* Rows in an LMDB environment of one file. The only file that includes lmdb.h.
 *
 * The loop reads in one read transaction, kept open and renewed after each commit; the writer
 * writes. They meet only when the map has to grow, for which no transaction may be open: reads
 * hold `reading`, and the writer takes it to end the loop's transaction and change the map. A pin's
 * transaction may stay open then: nobody reads through it, it only keeps its pages from being
 * written again, and they are read from the file. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/backend.h"
#include "store/damage.h"

struct lmdb {
  struct hgl_backend backend;
  MDB_env *env;
  MDB_dbi dbs[HGL_DB_COUNT];
  int fd; /* LMDB's own, of the data file */
  char *probe_path;
  pthread_mutex_t applying; /* held while something is written */
  pthread_mutex_t reading;
  MDB_txn *reader;
  bool reader_open;
  bool unmapped; /* growing failed half-way: nothing may touch the environment any more */
};

static int fail_lmdb(struct hgl_err *err, int rc, const char *what)
{
  enum hgl_code code = HGL_IO;
  switch (rc) {
  case ENOSPC:
  case EDQUOT:
    code = HGL_DISK_FULL;
    break;
  case ENOMEM:
    code = HGL_NO_MEMORY;
    break;
  case MDB_CORRUPTED:
  case MDB_PAGE_NOTFOUND:
  case MDB_INVALID:
  case MDB_VERSION_MISMATCH:
  case MDB_PANIC:
  case MDB_BAD_TXN:
  case MDB_INCOMPATIBLE:
    return hgl_fail(err, HGL_CORRUPT,
                    "%s: %s: the data file is damaged; restore the data folder from a backup", what,
                    mdb_strerror(rc));
  }
  return hgl_fail(err, code, "%s: %s", what, mdb_strerror(rc));
}

static struct lmdb *lmdb_of(struct hgl_backend *backend)
{
  return (struct lmdb *)backend;
}

static MDB_val val(struct hgl_bytes bytes)
{
  return (MDB_val){bytes.size, (void *)bytes.data};
}

static struct hgl_bytes bytes_of(MDB_val value)
{
  return hgl_bytes(value.mv_data, value.mv_size);
}

/* Writing ---------------------------------------------------------------------------------------
 */

static int put(MDB_cursor *cursor, const struct hgl_row *row, unsigned flags)
{
  MDB_val key = val(row->key), value = {row->value.size + HGL_CHECKSUM_SIZE, NULL};
  int rc = mdb_cursor_put(cursor, &key, &value, flags | MDB_RESERVE);
  if (rc) return rc;
  uint8_t *at = value.mv_data;
  if (row->value.size) memcpy(at, row->value.data, row->value.size);
  hgl_row_checksum(row->db, row->key, row->value, at + row->value.size);
  return 0;
}

/* Applies the rows of one database. Once a key lies beyond the last one stored, so do all that
 * follow: they are appended, which fills pages whole instead of splitting them. */
static int put_run(struct lmdb *lmdb, MDB_txn *txn, const struct hgl_row *const *rows, size_t count)
{
  MDB_dbi dbi = lmdb->dbs[rows[0]->db];
  MDB_cursor *cursor;
  int rc = mdb_cursor_open(txn, dbi, &cursor);
  if (rc) return rc;
  MDB_val last, ignored;
  uint8_t last_key[HGL_STORE_KEY_SIZE_MAX];
  rc = mdb_cursor_get(cursor, &last, &ignored, MDB_LAST);
  bool append = rc == MDB_NOTFOUND;
  if (rc == 0) {
    if (last.mv_size > sizeof last_key) {
      rc = MDB_CORRUPTED;
      goto done;
    }
    memcpy(last_key, last.mv_data, last.mv_size); /* its page may be changed below */
    last.mv_data = last_key;
  } else if (rc != MDB_NOTFOUND) {
    goto done;
  }
  rc = 0;
  for (size_t i = 0; i < count && rc == 0; i++) {
    if (rows[i]->kind == HGL_ROW_DELETE) {
      MDB_val key = val(rows[i]->key);
      rc = mdb_del(txn, dbi, &key, NULL);
      if (rc == MDB_NOTFOUND) rc = 0;
      continue;
    }
    append = append || hgl_bytes_compare(rows[i]->key, bytes_of(last)) > 0;
    rc = put(cursor, rows[i], append ? MDB_APPEND : 0);
  }
done:
  mdb_cursor_close(cursor);
  return rc;
}

static int apply_once(struct lmdb *lmdb, const struct hgl_row *const *rows, size_t count)
{
  MDB_txn *txn;
  int rc = mdb_txn_begin(lmdb->env, NULL, 0, &txn);
  if (rc) return rc;
  for (size_t from = 0, to; from < count && rc == 0; from = to) {
    for (to = from + 1; to < count && rows[to]->db == rows[from]->db;) to++;
    rc = put_run(lmdb, txn, rows + from, to - from);
  }
  if (rc) {
    mdb_txn_abort(txn);
    return rc;
  }
  return mdb_txn_commit(txn); /* frees the transaction, whatever comes of it */
}

/* The file is as long as the map, with a hole at its end. LMDB need not write the last pages that
 * it counts as used (they may be free again): without this, such a file could not be told from one
 * whose end was lost. */
static int fill_out(struct lmdb *lmdb, size_t size)
{
  struct stat stat;
  if (fstat(lmdb->fd, &stat)) return errno;
  if ((uint64_t)stat.st_size >= size) return 0;
  return ftruncate(lmdb->fd, (off_t)size) || fsync(lmdb->fd) ? errno : 0;
}

static size_t map_size_of(struct lmdb *lmdb)
{
  MDB_envinfo info;
  mdb_env_info(lmdb->env, &info);
  return info.me_mapsize;
}

static void end_read(struct lmdb *lmdb)
{
  if (lmdb->reader_open) mdb_txn_reset(lmdb->reader);
  lmdb->reader_open = false;
}

static int grow(struct lmdb *lmdb)
{
  size_t size = map_size_of(lmdb) * 2;
  int rc = fill_out(lmdb, size);
  if (rc) return rc;
  pthread_mutex_lock(&lmdb->reading);
  end_read(lmdb);
  rc = mdb_env_set_mapsize(lmdb->env, size);
  /* LMDB has let go of the old map by now. */
  lmdb->unmapped = rc != 0;
  pthread_mutex_unlock(&lmdb->reading);
  return rc ? EIO : 0;
}

/* LMDB reports a write cut short by a full disk as EIO. Ask the disk itself. */
static bool disk_is_full(struct lmdb *lmdb)
{
  int fd = open(lmdb->probe_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return errno == ENOSPC || errno == EDQUOT;
  int rc = posix_fallocate(fd, 0, 1 << 20);
  close(fd);
  unlink(lmdb->probe_path);
  return rc == ENOSPC || rc == EDQUOT;
}

static int lmdb_apply(struct hgl_backend *backend, const struct hgl_row *const *rows, size_t count,
                      struct hgl_err *err)
{
  struct lmdb *lmdb = lmdb_of(backend);
  int rc;
  pthread_mutex_lock(&lmdb->applying);
  while ((rc = apply_once(lmdb, rows, count)) == MDB_MAP_FULL)
    if ((rc = grow(lmdb)) != 0) break;
  pthread_mutex_unlock(&lmdb->applying);
  if (rc == EIO && !lmdb->unmapped && disk_is_full(lmdb)) rc = ENOSPC;
  return rc ? fail_lmdb(err, rc, "writing to the data file") : 0;
}

/* Reading ---------------------------------------------------------------------------------------
 */

static int begin_read(struct lmdb *lmdb, struct hgl_err *err)
{
  pthread_mutex_lock(&lmdb->reading);
  int rc = lmdb->unmapped ? EIO : 0;
  if (!rc && !lmdb->reader_open) rc = mdb_txn_renew(lmdb->reader);
  if (rc) {
    pthread_mutex_unlock(&lmdb->reading);
    return fail_lmdb(err, rc, "reading the data file");
  }
  lmdb->reader_open = true;
  return 0;
}

static int lmdb_get(struct hgl_backend *backend, enum hgl_db db, struct hgl_bytes key,
                    struct hgl_buf *out, struct hgl_err *err)
{
  struct lmdb *lmdb = lmdb_of(backend);
  int status = begin_read(lmdb, err);
  if (status) return status;
  MDB_val wanted = val(key), stored;
  int rc = mdb_get(lmdb->reader, lmdb->dbs[db], &wanted, &stored);
  struct hgl_bytes value = {0};
  if (rc == MDB_NOTFOUND)
    status = -HGL_NOT_FOUND;
  else if (rc)
    status = fail_lmdb(err, rc, "reading the data file");
  else
    status = hgl_row_check(db, key, bytes_of(stored), &value, err);
  if (status == 0) {
    hgl_buf_append_bytes(out, value);
    status = hgl_buf_check(out, err);
  }
  pthread_mutex_unlock(&lmdb->reading);
  return status;
}

/* A cursor holds `reading` for its life: the entries it gives out lie in the map. */
static int lmdb_open_cursor(struct hgl_cursor *cursor, struct hgl_err *err)
{
  struct lmdb *lmdb = lmdb_of(cursor->backend);
  int status = begin_read(lmdb, err);
  if (status) return status;
  MDB_cursor *handle;
  int rc = mdb_cursor_open(lmdb->reader, lmdb->dbs[cursor->db], &handle);
  if (rc) {
    pthread_mutex_unlock(&lmdb->reading);
    return fail_lmdb(err, rc, "reading the data file");
  }
  cursor->handle = handle;
  return 0;
}

static void lmdb_close_cursor(struct hgl_cursor *cursor)
{
  mdb_cursor_close(cursor->handle);
  pthread_mutex_unlock(&lmdb_of(cursor->backend)->reading);
}

static int move_to(struct hgl_cursor *cursor, MDB_val key, MDB_cursor_op op, struct hgl_entry *out,
                   struct hgl_err *err)
{
  MDB_val stored;
  int rc = mdb_cursor_get(cursor->handle, &key, &stored, op);
  if (rc == MDB_NOTFOUND) return 0;
  if (rc) return fail_lmdb(err, rc, "reading the data file");
  struct hgl_bytes value;
  int status = hgl_row_check(cursor->db, bytes_of(key), bytes_of(stored), &value, err);
  if (status) return status;
  *out = (struct hgl_entry){bytes_of(key), value};
  return 1;
}

static int lmdb_next(struct hgl_cursor *cursor, struct hgl_entry *out, struct hgl_err *err)
{
  return move_to(cursor, (MDB_val){0}, cursor->backwards ? MDB_PREV : MDB_NEXT, out, err);
}

static int lmdb_first(struct hgl_cursor *cursor, struct hgl_bytes bound, struct hgl_entry *out,
                      struct hgl_err *err)
{
  MDB_val key = val(bound), stored;
  if (!cursor->backwards)
    return move_to(cursor, key, bound.size ? MDB_SET_RANGE : MDB_FIRST, out, err);
  if (!bound.size) return move_to(cursor, key, MDB_LAST, out, err);
  int rc = mdb_cursor_get(cursor->handle, &key, &stored, MDB_SET_RANGE);
  if (rc == MDB_NOTFOUND) return move_to(cursor, key, MDB_LAST, out, err);
  if (rc) return fail_lmdb(err, rc, "reading the data file");
  return lmdb_next(cursor, out, err);
}

static void lmdb_refresh(struct hgl_backend *backend)
{
  struct lmdb *lmdb = lmdb_of(backend);
  pthread_mutex_lock(&lmdb->reading);
  end_read(lmdb);
  pthread_mutex_unlock(&lmdb->reading);
}

static uint64_t lmdb_file_bytes(struct hgl_backend *backend)
{
  struct stat stat;
  return fstat(lmdb_of(backend)->fd, &stat) ? 0 : (uint64_t)stat.st_blocks * 512;
}

/* Pinning ---------------------------------------------------------------------------------------
 */

/* `applying` is held: the newest state is the one that the transaction has. */
static int pin_newest(struct lmdb *lmdb, struct hgl_pin *pin)
{
  MDB_envinfo info;
  MDB_stat stat;
  MDB_txn *txn;
  int rc = lmdb->unmapped ? EIO : mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);
  if (rc) return rc;
  mdb_env_info(lmdb->env, &info);
  mdb_env_stat(lmdb->env, &stat);
  assert(info.me_last_txnid == mdb_txn_id(txn));
  size_t size = 2 * (size_t)stat.ms_psize;
  uint8_t *metas = hgl_alloc(size);
  if (!metas)
    rc = ENOMEM;
  else if (pread(lmdb->fd, metas, size, 0) != (ssize_t)size)
    rc = EIO;
  if (rc) {
    hgl_free(metas);
    mdb_txn_abort(txn);
    return rc;
  }
  *pin = (struct hgl_pin){lmdb->fd, stat.ms_psize,
                          (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize, metas, txn};
  return 0;
}

static int lmdb_pin(struct hgl_backend *backend, struct hgl_pin *out, struct hgl_err *err)
{
  struct lmdb *lmdb = lmdb_of(backend);
  pthread_mutex_lock(&lmdb->applying);
  int rc = pin_newest(lmdb, out);
  pthread_mutex_unlock(&lmdb->applying);
  return rc ? fail_lmdb(err, rc, "copying the data file") : 0;
}

static void lmdb_unpin(struct hgl_backend *backend, struct hgl_pin *pin)
{
  mdb_txn_abort(pin->handle);
  hgl_free(pin->metas);
}

/* Opening ---------------------------------------------------------------------------------------
 */

static void lmdb_close(struct hgl_backend *backend)
{
  struct lmdb *lmdb = lmdb_of(backend);
  if (lmdb->reader) mdb_txn_abort(lmdb->reader);
  mdb_env_close(lmdb->env);
  pthread_mutex_destroy(&lmdb->reading);
  pthread_mutex_destroy(&lmdb->applying);
  hgl_free(lmdb->probe_path);
  hgl_free(lmdb);
}

/* Under the guard -------------------------------------------------------------------------------
 */

static int guarded_apply(struct hgl_backend *backend, const struct hgl_row *const *rows,
                         size_t count, struct hgl_err *err)
{
  hgl_damage_enter();
  int status = lmdb_apply(backend, rows, count, err);
  hgl_damage_leave();
  return status;
}

static int guarded_get(struct hgl_backend *backend, enum hgl_db db, struct hgl_bytes key,
                       struct hgl_buf *out, struct hgl_err *err)
{
  hgl_damage_enter();
  int status = lmdb_get(backend, db, key, out, err);
  hgl_damage_leave();
  return status;
}

static int guarded_first(struct hgl_cursor *cursor, struct hgl_bytes bound, struct hgl_entry *out,
                         struct hgl_err *err)
{
  hgl_damage_enter();
  int status = lmdb_first(cursor, bound, out, err);
  hgl_damage_leave();
  return status;
}

static int guarded_next(struct hgl_cursor *cursor, struct hgl_entry *out, struct hgl_err *err)
{
  hgl_damage_enter();
  int status = lmdb_next(cursor, out, err);
  hgl_damage_leave();
  return status;
}

static int guarded_open_cursor(struct hgl_cursor *cursor, struct hgl_err *err)
{
  hgl_damage_enter();
  int status = lmdb_open_cursor(cursor, err);
  hgl_damage_leave();
  return status;
}

static void guarded_close_cursor(struct hgl_cursor *cursor)
{
  hgl_damage_enter();
  lmdb_close_cursor(cursor);
  hgl_damage_leave();
}

static void guarded_close(struct hgl_backend *backend)
{
  hgl_damage_enter();
  lmdb_close(backend);
  hgl_damage_leave();
}

static void on_assert(MDB_env *env, const char *text)
{
  hgl_damage_die();
}

static const struct hgl_backend_calls lmdb_calls = {
    .apply = guarded_apply,
    .get = guarded_get,
    .open_cursor = guarded_open_cursor,
    .first = guarded_first,
    .next = guarded_next,
    .close_cursor = guarded_close_cursor,
    .refresh = lmdb_refresh,
    .file_bytes = lmdb_file_bytes,
    .pin = lmdb_pin,
    .unpin = lmdb_unpin,
    .close = guarded_close,
};

static int open_databases(struct lmdb *lmdb)
{
  MDB_txn *txn;
  int rc = mdb_txn_begin(lmdb->env, NULL, 0, &txn);
  if (rc) return rc;
  for (int db = 0; db < HGL_DB_COUNT && rc == 0; db++)
    rc = mdb_dbi_open(txn, hgl_db_name((enum hgl_db)db), MDB_CREATE, &lmdb->dbs[db]);
  if (rc) {
    mdb_txn_abort(txn);
    return rc;
  }
  return mdb_txn_commit(txn);
}

/* Reads may nest (a visitor of a scan gets another row), so the mutex is recursive. */
static void init_mutex(pthread_mutex_t *mutex)
{
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

int hgl_backend_lmdb_open(const char *path, size_t map_size, struct hgl_backend **out,
                          struct hgl_err *err)
{
  static const char probe[] = ".probe";
  size_t size = strlen(path);
  struct lmdb *lmdb = hgl_zalloc(sizeof *lmdb);
  char *probe_path = hgl_alloc(size + sizeof probe);
  if (!lmdb || !probe_path || mdb_env_create(&lmdb->env)) {
    hgl_free(lmdb);
    hgl_free(probe_path);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  memcpy(probe_path, path, size);
  memcpy(probe_path + size, probe, sizeof probe);
  lmdb->probe_path = probe_path;
  lmdb->backend.calls = &lmdb_calls;
  pthread_mutex_init(&lmdb->applying, NULL);
  init_mutex(&lmdb->reading);
  hgl_damage_enter();
  int rc = mdb_env_set_maxdbs(lmdb->env, HGL_DB_COUNT);
  if (!rc) rc = mdb_env_set_assert(lmdb->env, on_assert);
  if (!rc) rc = mdb_env_set_mapsize(lmdb->env, map_size);
  /* NOTLS: the reader belongs to its handle, so that the writer may end it to grow the map. */
  if (!rc) rc = mdb_env_open(lmdb->env, path, MDB_NOSUBDIR | MDB_NOTLS, 0600);
  if (!rc) rc = mdb_env_get_fd(lmdb->env, &lmdb->fd);
  if (!rc) rc = fill_out(lmdb, map_size_of(lmdb));
  while (!rc && (rc = open_databases(lmdb)) == MDB_MAP_FULL) rc = grow(lmdb);
  if (!rc) rc = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &lmdb->reader);
  hgl_damage_leave();
  if (rc) {
    lmdb_close(&lmdb->backend);
    return fail_lmdb(err, rc, path);
  }
  lmdb->reader_open = true;
  *out = &lmdb->backend;
  return 0;
}
