#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reading ------------------------------------------------------------------------------------- */

static int open_how(int folder, const char *path, uint64_t flags, uint64_t resolve)
{
  struct open_how how = {.flags = flags, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

/* Opens what the path names below the folder that it begins with; `size`: of the path. */
static int open_path_below(const char *path, size_t size, size_t folder_size, uint64_t flags)
{
  char folder_path[PATH_MAX];
  if (folder_size >= sizeof folder_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(folder_path, path, folder_size);
  folder_path[folder_size] = 0;
  int folder = open_how(AT_FDCWD, folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
  if (folder < 0) return -1;
  char rest[PATH_MAX];
  snprintf(rest, sizeof rest, "%.*s", (int)(size - folder_size), path + folder_size);
  int fd = open_how(folder, *rest ? rest : ".", flags, RESOLVE_BENEATH);
  int problem = errno;
  close(folder);
  errno = problem;
  return fd;
}

static int open_below(const char *path, size_t folder_size)
{
  return open_path_below(path, strlen(path), folder_size, HGL_FILE_READ_FLAGS);
}

static int fail_link(struct hgl_err *err, const char *path)
{
  return hgl_fail(err, HGL_DENIED, "%s leads through a link that agents may not follow", path);
}

int hgl_file_read_confined(const char *path, size_t folder_size, size_t size_max,
                           struct hgl_buf *out, struct hgl_err *err)
{
  int fd = folder_size ? open_below(path, folder_size)
                       : open_how(AT_FDCWD, path, HGL_FILE_READ_FLAGS, 0);
  if (fd < 0 && (errno == ELOOP || errno == EXDEV)) return fail_link(err, path);
  return hgl_file_read_open(fd, path, size_max, out, err);
}

/* Writing ------------------------------------------------------------------------------------- */

static int write_all(int fd, struct hgl_bytes bytes, const char *path, struct hgl_err *err)
{
  while (bytes.size) {
    ssize_t put = write(fd, bytes.data, bytes.size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return hgl_file_failed(path, err);
    bytes = hgl_bytes(bytes.data + put, bytes.size - (size_t)put);
  }
  return fsync(fd) ? hgl_file_failed(path, err) : 0;
}

int hgl_file_sync_folder(const char *path, struct hgl_err *err)
{
  char folder[PATH_MAX];
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') length--;
  const char *slash = memrchr(path, '/', length);
  int size = slash ? (int)(slash - path) : 0;
  if (snprintf(folder, sizeof folder, "%.*s%s", size, path,
               !slash ? "."
               : size ? ""
                      : "/") >= (int)sizeof folder)
    return hgl_fail(err, HGL_INVALID, "the path %s is too long", path);
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return hgl_file_failed(folder, err);
  int status = fsync(fd) ? hgl_file_failed(folder, err) : 0;
  close(fd);
  return status;
}

static int write_file(const char *path, struct hgl_bytes bytes, int mode, bool replace,
                      struct hgl_err *err)
{
  char made[PATH_MAX];
  if (snprintf(made, sizeof made, "%s.%ld.new", path, (long)getpid()) >= (int)sizeof made)
    return hgl_fail(err, HGL_INVALID, "the path %s is too long", path);
  int fd = open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0 && errno == ENOENT)
    return hgl_fail(err, HGL_NOT_FOUND, "%s cannot be written: its folder does not exist", path);
  if (fd < 0) return hgl_file_failed(path, err);
  int status = write_all(fd, bytes, made, err);
  close(fd);
  /* A link, unlike a rename, fails when the name is taken. */
  if (status == 0 && (replace ? rename(made, path) : link(made, path)))
    status = hgl_file_failed(path, err);
  if (status || !replace) unlink(made);
  return status ? status : hgl_file_sync_folder(path, err);
}

int hgl_file_create(const char *path, struct hgl_bytes bytes, int mode, struct hgl_err *err)
{
  return write_file(path, bytes, mode, false, err);
}

int hgl_file_replace(const char *path, struct hgl_bytes bytes, int mode, struct hgl_err *err)
{
  return write_file(path, bytes, mode, true, err);
}

/* On behalf of agents -------------------------------------------------------------------------- */

/* The folder that the file is to lie in, and its name there. */
static int open_folder(const char *path, size_t folder_size, const char **name, struct hgl_err *err)
{
  enum { FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC };
  const char *slash = strrchr(path, '/');
  size_t size = slash ? (size_t)(slash - path) + 1 : 0;
  *name = path + size;
  if (!**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
    return hgl_fail(err, HGL_INVALID, "%s names no file", path);
  int fd;
  if (folder_size) {
    fd = open_path_below(path, size, folder_size, FLAGS);
  } else {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", size < PATH_MAX ? (int)size : 0, path);
    fd = open_how(AT_FDCWD, size ? folder : ".", FLAGS, 0);
  }
  if (fd < 0 && (errno == ELOOP || errno == EXDEV)) return fail_link(err, path);
  return fd < 0 ? hgl_file_failed(path, err) : fd;
}

static int replace_in(int folder, const char *name, struct hgl_bytes bytes, const char *made,
                      const char *path, struct hgl_err *err)
{
  enum { FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };
  struct stat before;
  bool replaces = fstatat(folder, name, &before, AT_SYMLINK_NOFOLLOW) == 0 &&
                  S_ISREG(before.st_mode);
  unlinkat(folder, made, 0);
  int fd = openat(folder, made, FLAGS, replaces ? before.st_mode & 0666 : 0644);
  if (fd < 0) return hgl_file_failed(path, err);
  int status = replaces && fchmod(fd, before.st_mode & 0777) ? hgl_file_failed(path, err) : 0;
  if (status == 0) status = write_all(fd, bytes, path, err);
  close(fd);
  if (status == 0 && renameat(folder, made, folder, name)) status = hgl_file_failed(path, err);
  if (status) unlinkat(folder, made, 0);
  return status || fsync(folder) == 0 ? status : hgl_file_failed(path, err);
}

int hgl_file_write_confined(const char *path, size_t folder_size, struct hgl_bytes bytes,
                            const char *mark, struct hgl_err *err)
{
  char made[NAME_MAX + 1];
  const char *name;
  if (snprintf(made, sizeof made, ".haggle-%s.new", mark) > NAME_MAX)
    return hgl_fail(err, HGL_INVALID, "the name of %s is too long", path);
  int folder = open_folder(path, folder_size, &name, err);
  if (folder < 0) return folder;
  int status = replace_in(folder, name, bytes, made, path, err);
  close(folder);
  return status;
}

int hgl_file_remove_confined(const char *path, size_t folder_size, struct hgl_err *err)
{
  const char *name;
  int folder = open_folder(path, folder_size, &name, err);
  if (folder < 0) return folder;
  int status = unlinkat(folder, name, 0) || fsync(folder) ? hgl_file_failed(path, err) : 0;
  close(folder);
  return status;
}
