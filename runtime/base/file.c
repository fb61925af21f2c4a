#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 16 * 1024 };

int hgl_file_failed(const char *path, struct hgl_err *err)
{
  switch (errno) {
  case ENOENT:
  case ENOTDIR:
    return hgl_fail(err, HGL_NOT_FOUND, "%s does not exist", path);
  case EACCES:
  case EPERM:
    return hgl_fail(err, HGL_DENIED, "%s: permission denied", path);
  case EEXIST:
    return hgl_fail(err, HGL_EXISTS, "%s exists already", path);
  case ENOSPC:
  case EDQUOT:
    return hgl_fail(err, HGL_DISK_FULL, "%s: no space left on the disk", path);
  default:
    return hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
  }
}

static int read_all(int fd, const char *path, size_t size_max, struct hgl_buf *out,
                    struct hgl_err *err)
{
  uint8_t piece[READ_SIZE];
  for (size_t total = 0;;) {
    ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return hgl_file_failed(path, err);
    if (got == 0) return hgl_buf_check(out, err);
    total += (size_t)got;
    if (total > size_max)
      return hgl_fail(err, HGL_TOO_LARGE, "%s has more than %zu bytes", path, size_max);
    hgl_buf_append(out, piece, (size_t)got);
  }
}

static int check_secret(const struct stat *file, const char *path, struct hgl_err *err)
{
  if ((file->st_mode & 077) == 0) return 0;
  return hgl_fail(err, HGL_DENIED,
                  "%s holds a secret key, but others may access it (mode %04o); run: chmod 600 %s",
                  path, (unsigned)file->st_mode & 07777, path);
}

static int read_file(int fd, const char *path, bool secret, size_t size_max, struct hgl_buf *out,
                     struct hgl_err *err)
{
  if (fd < 0) return hgl_file_failed(path, err);
  struct stat file;
  int status = 0;
  if (fstat(fd, &file))
    status = hgl_file_failed(path, err);
  else if (S_ISDIR(file.st_mode))
    status = hgl_fail(err, HGL_INVALID, "%s is a folder; name a file in it", path);
  else if (!S_ISREG(file.st_mode))
    status = hgl_fail(err, HGL_INVALID, "%s is no ordinary file", path);
  else if (secret)
    status = check_secret(&file, path, err);
  if (status == 0) status = read_all(fd, path, size_max, out, err);
  close(fd);
  return status;
}

int hgl_file_read_open(int fd, const char *path, size_t size_max, struct hgl_buf *out,
                       struct hgl_err *err)
{
  return read_file(fd, path, false, size_max, out, err);
}

int hgl_file_read(const char *path, size_t size_max, struct hgl_buf *out, struct hgl_err *err)
{
  return read_file(open(path, HGL_FILE_READ_FLAGS), path, false, size_max, out, err);
}

/* systemd's credentials lie where it alone decides who may read them, and show the mode of their
 * access lists. */
static bool is_credential(const char *path)
{
  const char *folder = getenv("CREDENTIALS_DIRECTORY");
  size_t size = folder && *folder == '/' ? strlen(folder) : 0;
  return size && strncmp(path, folder, size) == 0 && path[size] == '/' && !strstr(path, "/../");
}

int hgl_file_read_secret(const char *path, size_t size_max, struct hgl_buf *out,
                         struct hgl_err *err)
{
  return read_file(open(path, HGL_FILE_READ_FLAGS), path, !is_credential(path), size_max, out, err);
}
