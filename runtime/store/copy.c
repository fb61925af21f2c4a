/* The pages of one state are pinned and read from the file, not through LMDB's map: the map may
 * change under a reader that takes its time, the pages of a pinned state cannot. What is free in
 * that state may be anything; nobody looks at it. */
#include "store/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/seam.h"

enum {
  PIECE_SIZE = 1 << 20,
  SYNC_EVERY = 32 << 20, /* so that the disk is not handed everything at the end */
  MAP_SIZE_FIRST = 1 << 20,
};

struct hgl_bytes hgl_store_copied_key(void)
{
  return hgl_text("copied");
}

struct copy {
  const struct hgl_pin *pin;
  const char *path;
  int fd;
  uint8_t *piece;
  int64_t deadline_ns, limit_ms;
  const atomic_bool *cancel;
};

static int fail_errno(struct hgl_err *err, const char *path)
{
  enum hgl_code code = HGL_IO;
  if (errno == ENOSPC || errno == EDQUOT) code = HGL_DISK_FULL;
  if (errno == EEXIST) code = HGL_EXISTS;
  return hgl_fail(err, code, "%s: %s", path, strerror(errno));
}

static int write_whole(const struct copy *copy, const uint8_t *data, size_t size, uint64_t at,
                       struct hgl_err *err)
{
  for (size_t done = 0; done < size;) {
    ssize_t put = pwrite(copy->fd, data + done, size - done, (off_t)(at + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(err, copy->path);
    done += (size_t)put;
  }
  return 0;
}

/* Bytes beyond the file's end are zeros, as LMDB would see them. */
static int read_whole(const struct copy *copy, size_t size, uint64_t at, struct hgl_err *err)
{
  for (size_t done = 0; done < size;) {
    ssize_t got = pread(copy->pin->fd, copy->piece + done, size - done, (off_t)(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(err, "reading the data file");
    if (got == 0) {
      memset(copy->piece + done, 0, size - done);
      return 0;
    }
    done += (size_t)got;
  }
  return 0;
}

static bool all_zero(const uint8_t *data, size_t size)
{
  return data[0] == 0 && (size == 1 || memcmp(data, data + 1, size - 1) == 0);
}

static int check_time(const struct copy *copy, struct hgl_err *err)
{
  if (atomic_load(copy->cancel)) return hgl_fail(err, HGL_CLOSED, "the copy was given up");
  if (hgl_mono_ns(&hgl_clock_system) < copy->deadline_ns) return 0;
  return hgl_fail(err, HGL_TIMEOUT, "the copy was not done within %lld ms",
                  (long long)copy->limit_ms);
}

static int copy_pages(const struct copy *copy, struct hgl_err *err)
{
  uint64_t at = 2 * copy->pin->page_size, synced = at;
  int status = write_whole(copy, copy->pin->metas, (size_t)at, 0, err);
  while (!status && at < copy->pin->length) {
    uint64_t left = copy->pin->length - at;
    size_t size = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
    if ((status = check_time(copy, err)) || (status = read_whole(copy, size, at, err))) break;
    if (!all_zero(copy->piece, size)) status = write_whole(copy, copy->piece, size, at, err);
    at += size;
    if (!status && at - synced >= SYNC_EVERY) {
      if (fdatasync(copy->fd)) status = fail_errno(err, copy->path);
      synced = at;
    }
  }
  if (!status && ftruncate(copy->fd, (off_t)copy->pin->length))
    status = fail_errno(err, copy->path);
  if (!status && fsync(copy->fd)) status = fail_errno(err, copy->path);
  return status;
}

static void unlink_lock(const char *path)
{
  char name[PATH_MAX];
  if (snprintf(name, sizeof name, "%s-lock", path) < (int)sizeof name) unlink(name);
}

/* Opening it is at once the proof that it can be opened. */
static int mark(const char *path, struct hgl_err *err)
{
  static const uint8_t since[] = {1};
  struct hgl_backend *backend;
  struct hgl_row row = {.db = HGL_DB_META,
                        .kind = HGL_ROW_PUT,
                        .key = hgl_store_copied_key(),
                        .value = hgl_bytes(since, sizeof since)};
  const struct hgl_row *rows[] = {&row};
  int status = hgl_backend_lmdb_open(path, MAP_SIZE_FIRST, &backend, err);
  if (!status) {
    status = backend->calls->apply(backend, rows, 1, err);
    backend->calls->close(backend);
  }
  unlink_lock(path);
  return status;
}

int hgl_copy_run(struct hgl_backend *backend, const char *path, int64_t limit_ms,
                 const atomic_bool *cancel, struct hgl_err *err)
{
  struct hgl_pin pin;
  struct copy copy = {.pin = &pin, .path = path, .limit_ms = limit_ms, .cancel = cancel};
  copy.deadline_ns = hgl_mono_ns(&hgl_clock_system) + limit_ms * 1000000;
  copy.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (copy.fd < 0) return fail_errno(err, path);
  copy.piece = hgl_alloc(PIECE_SIZE);
  int status = copy.piece ? backend->calls->pin(backend, &pin, err)
                          : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) {
    status = copy_pages(&copy, err);
    backend->calls->unpin(backend, &pin);
  }
  hgl_free(copy.piece);
  close(copy.fd);
  if (!status) status = mark(path, err);
  if (status) unlink(path);
  return status;
}
