#include "host/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum {
  NUMBER_SIZE = 16, /* ".1000" or ".new" */
  RETRY_PART = 8, /* after so many parts of the size more, a rotation that failed is tried again */
};

struct hgl_log_file {
  int fd;
  bool regular; /* else a device, which has no size */
  int64_t size, size_max;
  int64_t rotate_at; /* size_max, or later after a failure */
  int keep;
  char path[];
};

static int fail_errno(struct hgl_err *err, const char *path)
{
  bool full = errno == ENOSPC || errno == EDQUOT;
  return hgl_fail(err, full ? HGL_DISK_FULL : HGL_IO, "the log %s: %s", path, strerror(errno));
}

/* Not blocking: the path may name a pipe that nobody reads. */
static int open_path(const char *path, int flags, int *fd, struct stat *stat, struct hgl_err *err)
{
  int opened = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags,
                    0640);
  if (opened < 0) return fail_errno(err, path);
  int status = fstat(opened, stat) ? fail_errno(err, path) : 0;
  if (!status && !S_ISREG(stat->st_mode) && !S_ISCHR(stat->st_mode))
    status = hgl_fail(err, HGL_INVALID, "the log %s is no ordinary file", path);
  if (status)
    close(opened);
  else
    *fd = opened;
  return status;
}

static void use(struct hgl_log_file *file, int fd, const struct stat *stat)
{
  if (file->fd >= 0) close(file->fd);
  file->fd = fd;
  file->regular = S_ISREG(stat->st_mode);
  file->size = stat->st_size;
  file->rotate_at = file->size_max;
}

int hgl_log_file_reopen(struct hgl_log_file *file, struct hgl_err *err)
{
  struct stat stat;
  int fd, status = open_path(file->path, 0, &fd, &stat, err);
  if (status) return status;
  use(file, fd, &stat);
  return 0;
}

int hgl_log_file_open(const char *path, int64_t size_max, int keep, struct hgl_log_file **out,
                      struct hgl_err *err)
{
  size_t size = strlen(path) + 1;
  if (size + NUMBER_SIZE > PATH_MAX)
    return hgl_fail(err, HGL_INVALID, "the path of the log is too long");
  struct hgl_log_file *file = hgl_zalloc(sizeof *file + size);
  if (!file) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  memcpy(file->path, path, size);
  file->fd = -1;
  file->size_max = size_max;
  file->keep = keep;
  int status = hgl_log_file_reopen(file, err);
  if (status)
    hgl_free(file);
  else
    *out = file;
  return status;
}

void hgl_log_file_close(struct hgl_log_file *file)
{
  if (!file) return;
  close(file->fd);
  hgl_free(file);
}

/* Rotation ------------------------------------------------------------------------------------ */

static void numbered(const struct hgl_log_file *file, int number, char out[PATH_MAX])
{
  if (number)
    snprintf(out, PATH_MAX, "%s.%d", file->path, number);
  else
    snprintf(out, PATH_MAX, "%s", file->path);
}

/* From the oldest to the newest, each over the one before it: an end in between leaves a gap among
 * the numbers, which the next rotation passes over. */
static int shift(const struct hgl_log_file *file, struct hgl_err *err)
{
  char from[PATH_MAX], to[PATH_MAX];
  for (int number = file->keep; number > 0; number--) {
    numbered(file, number - 1, from);
    numbered(file, number, to);
    if (rename(from, to) && errno != ENOENT) return fail_errno(err, to);
  }
  return 0;
}

/* The new file is there before a name changes: a full disk leaves everything as it is. */
static int rotate(struct hgl_log_file *file, struct hgl_err *err)
{
  char made[PATH_MAX];
  struct stat stat;
  int fd;
  snprintf(made, sizeof made, "%s.new", file->path);
  int status = open_path(made, O_TRUNC, &fd, &stat, err);
  if (status) return status;
  if ((status = shift(file, err)) == 0 && rename(made, file->path))
    status = fail_errno(err, file->path);
  if (status) {
    close(fd);
    unlink(made);
    return status;
  }
  use(file, fd, &stat);
  return 0;
}

/* Writing ------------------------------------------------------------------------------------- */

/* What a full disk took of a line is taken back. */
static int fail_short(struct hgl_log_file *file, struct hgl_err *err)
{
  int status = fail_errno(err, file->path);
  if (file->regular && ftruncate(file->fd, file->size)) { /* then half a line stands there */
    struct stat stat;
    if (fstat(file->fd, &stat) == 0) file->size = stat.st_size;
  }
  return status;
}

int hgl_log_file_write(struct hgl_log_file *file, struct hgl_bytes line, struct hgl_err *err)
{
  struct hgl_err ignored;
  if (file->size_max && file->regular && file->size &&
      file->size + (int64_t)line.size > file->rotate_at && rotate(file, &ignored))
    file->rotate_at = file->size + file->size_max / RETRY_PART;
  for (size_t put = 0; put < line.size;) {
    ssize_t written = write(file->fd, line.data + put, line.size - put);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_short(file, err);
    put += (size_t)written;
  }
  file->size += (int64_t)line.size;
  return 0;
}
