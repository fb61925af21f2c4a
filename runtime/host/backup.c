#include "host/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/file.h"

enum { KEY_FILE_SIZE_MAX = 1 << 20, NAME_ROOM = NAME_MAX + 32 };

struct hgl_backup {
  struct hgl_backup_config config;
  char data[PATH_MAX], to[PATH_MAX], part[PATH_MAX]; /* made as `part`, then renamed */
  pthread_t thread;
  atomic_bool cancelled, done;
  int status;
  struct hgl_err err;
  int64_t bytes, begun_ns, took_ms;
};

static int fail_errno(struct hgl_err *err, const char *path)
{
  enum hgl_code code = HGL_IO;
  if (errno == ENOSPC || errno == EDQUOT) code = HGL_DISK_FULL;
  if (errno == EACCES || errno == EPERM || errno == EROFS) code = HGL_DENIED;
  return hgl_fail(err, code, "%s: %s", path, strerror(errno));
}

/* Copying: the thread -------------------------------------------------------------------------
 */

static int copy_file(struct hgl_backup *backup, const char *name, struct hgl_err *err)
{
  char from[PATH_MAX + NAME_ROOM], to[PATH_MAX + NAME_ROOM];
  struct hgl_buf content;
  snprintf(from, sizeof from, "%s/%s", backup->data, name);
  snprintf(to, sizeof to, "%s/%s", backup->part, name);
  hgl_buf_init(&content, KEY_FILE_SIZE_MAX);
  int status = hgl_file_read(from, KEY_FILE_SIZE_MAX, &content, err);
  if (status == 0) status = hgl_file_create(to, hgl_buf_bytes(&content), 0600, err);
  if (status == 0) backup->bytes += (int64_t)content.size;
  if (content.size) explicit_bzero(content.data, content.size); /* a key */
  hgl_buf_deinit(&content);
  return status == -HGL_NOT_FOUND ? 0 : status; /* a key that was rotated away meanwhile */
}

/* Keys come after the store: an agent that it holds has its key here. */
static int copy_keys(struct hgl_backup *backup, struct hgl_err *err)
{
  char path[PATH_MAX + NAME_ROOM];
  snprintf(path, sizeof path, "%s/keys", backup->part);
  if (mkdir(path, 0700)) return fail_errno(err, path);
  snprintf(path, sizeof path, "%s/keys", backup->data);
  DIR *folder = opendir(path);
  if (!folder) return fail_errno(err, path);
  int status = 0;
  for (struct dirent *entry; status == 0 && (entry = readdir(folder));) {
    size_t size = strlen(entry->d_name);
    if (entry->d_name[0] == '.') continue;
    if (size > 4 && strcmp(entry->d_name + size - 4, ".new") == 0) continue; /* being written */
    snprintf(path, sizeof path, "keys/%s", entry->d_name);
    status = copy_file(backup, path, err);
  }
  closedir(folder);
  return status;
}

static int copy_store(struct hgl_backup *backup, struct hgl_err *err)
{
  char path[PATH_MAX + NAME_ROOM];
  struct stat file;
  snprintf(path, sizeof path, "%s/data.mdb", backup->part);
  int status = hgl_store_copy(backup->config.store, path, backup->config.limit_ms,
                              &backup->cancelled, err);
  if (status == 0 && stat(path, &file) == 0) backup->bytes += (int64_t)file.st_blocks * 512;
  return status;
}

static int publish(struct hgl_backup *backup, struct hgl_err *err)
{
  char within[PATH_MAX + NAME_ROOM];
  snprintf(within, sizeof within, "%s/keys/.", backup->part);
  int status = hgl_file_sync_folder(within, err);
  snprintf(within, sizeof within, "%s/.", backup->part);
  if (status == 0) status = hgl_file_sync_folder(within, err);
  if (status == 0 && rename(backup->part, backup->to)) status = fail_errno(err, backup->to);
  return status ? status : hgl_file_sync_folder(backup->to, err);
}

/* What this program may have made, and nothing else. */
static void remove_part(const struct hgl_backup *backup)
{
  static const char *const files[] = {"data.mdb", "data.mdb-lock", "tls-certificate.pem",
                                      "tls-key.pem"};
  char path[PATH_MAX + 2 * NAME_ROOM];
  snprintf(path, sizeof path, "%s/keys", backup->part);
  DIR *folder = opendir(path);
  for (struct dirent *entry; folder && (entry = readdir(folder));) {
    snprintf(path, sizeof path, "%s/keys/%s", backup->part, entry->d_name);
    if (entry->d_name[0] != '.') unlink(path);
  }
  if (folder) closedir(folder);
  snprintf(path, sizeof path, "%s/keys", backup->part);
  rmdir(path);
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    snprintf(path, sizeof path, "%s/%s", backup->part, files[i]);
    unlink(path);
  }
  rmdir(backup->part);
}

static void *run(void *user)
{
  struct hgl_backup *backup = user;
  struct hgl_err *err = &backup->err;
  int status = copy_store(backup, err);
  if (status == 0) status = copy_keys(backup, err);
  if (status == 0) status = copy_file(backup, "tls-certificate.pem", err);
  if (status == 0) status = copy_file(backup, "tls-key.pem", err);
  if (status == 0) status = publish(backup, err);
  if (status) remove_part(backup);
  backup->status = status;
  backup->took_ms = (hgl_mono_ns(&hgl_clock_system) - backup->begun_ns) / 1000000;
  atomic_store(&backup->done, true);
  if (backup->config.wake) backup->config.wake(backup->config.wake_user);
  return NULL;
}

/* Starting ------------------------------------------------------------------------------------
 */

static int check_empty(const char *path, struct hgl_err *err)
{
  struct stat file;
  if (lstat(path, &file)) return errno == ENOENT ? 0 : fail_errno(err, path);
  if (!S_ISDIR(file.st_mode))
    return hgl_fail(err, HGL_EXISTS, "%s is there and is no folder; name another", path);
  DIR *folder = opendir(path);
  if (!folder) return fail_errno(err, path);
  bool empty = true;
  for (struct dirent *entry; (entry = readdir(folder));)
    empty &= strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
  closedir(folder);
  return empty ? 0
               : hgl_fail(err, HGL_EXISTS, "%s is not empty; a backup wants a folder of its own",
                          path);
}

/* The folder that is to hold the backup, without links. */
static int find_places(struct hgl_backup *backup, const char *to, struct hgl_err *err)
{
  char parent[PATH_MAX], real[PATH_MAX];
  size_t size = strlen(to);
  while (size > 1 && to[size - 1] == '/') size--;
  if (to[0] != '/' || size < 2)
    return hgl_fail(err, HGL_INVALID, "a backup is made in a folder with an absolute path");
  if (size >= sizeof parent - sizeof ".part")
    return hgl_fail(err, HGL_INVALID, "the path is too long");
  memcpy(parent, to, size);
  parent[size] = 0;
  char *slash = strrchr(parent, '/');
  char name[NAME_MAX + 1];
  if (snprintf(name, sizeof name - sizeof ".part", "%s", slash + 1) >=
          (int)(sizeof name - sizeof ".part") ||
      strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return hgl_fail(err, HGL_INVALID, "\"%.100s\" cannot name a new folder", slash + 1);
  slash[slash == parent ? 1 : 0] = 0;
  if (!realpath(parent, real)) {
    if (errno == ENOENT || errno == ENOTDIR)
      return hgl_fail(err, HGL_NOT_FOUND, "there is no folder %s to make it in", parent);
    return fail_errno(err, parent);
  }
  if (!realpath(backup->config.data, backup->data)) return fail_errno(err, backup->config.data);
  const char *base = strcmp(real, "/") == 0 ? "" : real;
  if (snprintf(backup->to, PATH_MAX, "%s/%s", base, name) >= PATH_MAX ||
      snprintf(backup->part, PATH_MAX, "%s/%s.part", base, name) >= PATH_MAX)
    return hgl_fail(err, HGL_INVALID, "the path is too long");
  size = strlen(backup->data);
  if (strncmp(backup->to, backup->data, size) == 0 &&
      (backup->to[size] == '/' || backup->to[size] == 0))
    return hgl_fail(err, HGL_INVALID,
                    "%s is the data folder or lies in it; a backup belongs elsewhere", backup->to);
  return 0;
}

static int check_room(const struct hgl_backup *backup, struct hgl_err *err)
{
  struct statvfs disk;
  uint64_t needed = hgl_store_stats(backup->config.store).file_bytes;
  if (statvfs(backup->part, &disk)) return fail_errno(err, backup->part);
  uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
  if (room >= needed) return 0;
  return hgl_fail(err, HGL_DISK_FULL, "%s has room for %llu MB, the backup needs %llu MB",
                  backup->to, (unsigned long long)(room >> 20),
                  (unsigned long long)((needed >> 20) + 1));
}

static int make_part(const struct hgl_backup *backup, struct hgl_err *err)
{
  if (mkdir(backup->part, 0700) == 0) return 0;
  if (errno != EEXIST) return fail_errno(err, backup->part);
  return hgl_fail(err, HGL_EXISTS,
                  "%s is there: another backup is under way, or one was cut short; then remove it",
                  backup->part);
}

static int start_thread(struct hgl_backup *backup, struct hgl_err *err)
{
  /* Signals are the loop's business. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&backup->thread, NULL, run, backup);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc ? hgl_fail(err, HGL_IO, "a thread cannot be started: %s", strerror(rc)) : 0;
}

int hgl_backup_start(const struct hgl_backup_config *config, struct hgl_backup **out,
                     struct hgl_err *err)
{
  struct hgl_backup *backup = hgl_zalloc(sizeof *backup);
  if (!backup) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  backup->config = *config;
  backup->begun_ns = hgl_mono_ns(&hgl_clock_system);
  int status = find_places(backup, config->to, err);
  if (status == 0) status = check_empty(backup->to, err);
  bool made = status == 0 && (status = make_part(backup, err)) == 0;
  if (status == 0) status = check_room(backup, err);
  backup->config.data = backup->config.to = NULL; /* were the caller's */
  if (status == 0) status = start_thread(backup, err);
  if (status == 0) {
    *out = backup;
    return 0;
  }
  if (made) rmdir(backup->part);
  hgl_free(backup);
  return status;
}

bool hgl_backup_done(struct hgl_backup *backup)
{
  return atomic_load(&backup->done);
}

int hgl_backup_finish(struct hgl_backup *backup, json_t **report, struct hgl_err *err)
{
  atomic_store(&backup->cancelled, true);
  pthread_join(backup->thread, NULL);
  int status = backup->status;
  if (status) {
    *err = backup->err;
  } else {
    json_t *made = json_pack("{s:s, s:I, s:I}", "folder", backup->to, "bytes",
                             (json_int_t)backup->bytes, "ms", (json_int_t)backup->took_ms);
    if (made)
      *report = made;
    else
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  hgl_free(backup);
  return status;
}
