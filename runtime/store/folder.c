#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/pages.h"

static int fail_errno(struct hgl_err *err, const char *path)
{
  enum hgl_code code = errno == ENOSPC || errno == EDQUOT ? HGL_DISK_FULL : HGL_IO;
  return hgl_fail(err, code, "%s: %s", path, strerror(errno));
}

/* Reads up to `size` bytes from `at`; less only at the end of the file, negative on failure. */
static ssize_t read_at(int fd, void *out, size_t size, off_t at)
{
  size_t done = 0;
  while (done < size) {
    ssize_t got = pread(fd, (uint8_t *)out + done, size - done, at + (off_t)done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += (size_t)got;
  }
  return (ssize_t)done;
}

/* Lock ------------------------------------------------------------------------------------------
 */

static int join_path(char out[PATH_MAX], const char *folder, const char *name, struct hgl_err *err)
{
  int size = snprintf(out, PATH_MAX, "%s/%s", folder, name);
  if (size < 0 || size >= PATH_MAX)
    return hgl_fail(err, HGL_INVALID, "the path of the data folder is too long");
  return 0;
}

static int fail_in_use(struct hgl_err *err, const char *path, int fd)
{
  char text[24];
  ssize_t size = read_at(fd, text, sizeof text - 1, 0);
  text[size > 0 ? size : 0] = 0;
  long pid = strtol(text, NULL, 10);
  if (pid > 0)
    return hgl_fail(err, HGL_IN_USE, "data folder %s is in use by process %ld", path, pid);
  return hgl_fail(err, HGL_IN_USE, "data folder %s is in use by another process", path);
}

static int lock(struct hgl_folder *folder, const char *path, struct hgl_err *err)
{
  char lock_path[PATH_MAX];
  int status = join_path(lock_path, path, "lock", err);
  if (status) return status;
  int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(err, lock_path);
  if (flock(fd, LOCK_EX | LOCK_NB)) {
    status = errno == EWOULDBLOCK ? fail_in_use(err, path, fd) : fail_errno(err, lock_path);
    close(fd);
    return status;
  }
  /* The number is a courtesy to whoever is refused: a full disk may swallow it. */
  char text[24];
  int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)size, 0) != size) errno = 0;
  folder->lock_fd = fd;
  return 0;
}

static int sync_path(const char *path, struct hgl_err *err)
{
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail_errno(err, path);
  int status = fsync(fd) ? fail_errno(err, path) : 0;
  close(fd);
  return status;
}

/* A new folder outlasts a loss of power once the one that holds it was synced; also if it was made
 * by a start that did not come so far. A folder that was made for us may lie in one that we may not
 * open. */
static int make_folder(const char *path, struct hgl_err *err)
{
  char parent[PATH_MAX];
  bool made = mkdir(path, 0700) == 0;
  if (!made && errno != EEXIST) return fail_errno(err, path);
  int size = snprintf(parent, sizeof parent, "%s", path);
  while (size > 1 && parent[size - 1] == '/') parent[--size] = 0;
  char *slash = strrchr(parent, '/');
  if (slash)
    slash[slash == parent] = 0;
  else
    strcpy(parent, ".");
  return made || access(parent, R_OK) == 0 ? sync_path(parent, err) : 0;
}

int hgl_folder_open(struct hgl_folder *folder, const char *path, struct hgl_err *err)
{
  folder->lock_fd = -1;
  int status = join_path(folder->data_path, path, "data.mdb", err);
  if (status == 0) status = join_path(folder->new_path, path, "data.mdb.new", err);
  if (status == 0) status = make_folder(path, err);
  return status ? status : lock(folder, path, err);
}

void hgl_folder_close(struct hgl_folder *folder)
{
  if (folder->lock_fd >= 0) close(folder->lock_fd);
  folder->lock_fd = -1;
}

/* Data file -------------------------------------------------------------------------------------
 */

int hgl_folder_check_data(const struct hgl_folder *folder, struct hgl_err *err)
{
  const char *path = folder->data_path;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return hgl_fail(err, HGL_NOT_FOUND, "no %s", path);
    return fail_errno(err, path);
  }
  int status = hgl_pages_check(fd, path, err);
  close(fd);
  return status;
}

static void unlink_with(const char *path, const char *suffix)
{
  char name[PATH_MAX];
  int size = snprintf(name, sizeof name, "%s%s", path, suffix);
  if (size > 0 && size < (int)sizeof name) unlink(name);
}

void hgl_folder_discard_new(const struct hgl_folder *folder)
{
  unlink_with(folder->new_path, "");
  unlink_with(folder->new_path, "-lock"); /* LMDB's */
}

int hgl_folder_adopt_new(const struct hgl_folder *folder, struct hgl_err *err)
{
  if (rename(folder->new_path, folder->data_path)) return fail_errno(err, folder->data_path);
  hgl_folder_discard_new(folder);
  char parent[PATH_MAX];
  size_t size = (size_t)(strrchr(folder->data_path, '/') - folder->data_path);
  memcpy(parent, folder->data_path, size);
  parent[size] = 0;
  return sync_path(size ? parent : "/", err);
}

/* A file that is removed soon gives its inode to another: what tells the two apart is when they
 * were made, on file systems that know it. */
static void append_birth(const char *path, struct hgl_buf *out)
{
  struct statx file;
  uint8_t birth[12];
  if (statx(AT_FDCWD, path, 0, STATX_BTIME, &file) || !(file.stx_mask & STATX_BTIME)) return;
  hgl_put_be64(birth, (uint64_t)file.stx_btime.tv_sec);
  for (int i = 0; i < 4; i++) birth[8 + i] = (uint8_t)(file.stx_btime.tv_nsec >> (24 - 8 * i));
  hgl_buf_append(out, birth, sizeof birth);
}

int hgl_folder_identity(const struct hgl_folder *folder, struct hgl_buf *out, struct hgl_err *err)
{
  struct stat file;
  if (stat(folder->data_path, &file)) return fail_errno(err, folder->data_path);
  char machine[64];
  ssize_t size = 0;
  int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    size = read_at(fd, machine, sizeof machine, 0);
    close(fd);
  }
  while (size > 0 && machine[size - 1] == '\n') size--;
  if (size > 0) hgl_buf_append(out, machine, (size_t)size);
  uint8_t place[16];
  hgl_put_be64(place, (uint64_t)file.st_dev);
  hgl_put_be64(place + 8, (uint64_t)file.st_ino);
  hgl_buf_append(out, place, sizeof place);
  append_birth(folder->data_path, out);
  return hgl_buf_check(out, err);
}
