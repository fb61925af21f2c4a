/* Preloaded into a host: writes down, in one order, what it does to the files of a folder and when
 * it sends something, so that tests/support/disk.py can tell what a loss of power may leave.
 *
 *   RECORD_FOLDER   the folder, as realpath(3) gives it; what happens elsewhere is passed over
 *   RECORD_LOG      the file that is written to
 *   RECORD_KILL     KIND:MS:SKIP (optional): ends the process by SIGKILL at an event of this kind,
 *                   MS milliseconds after its start at the earliest, having let SKIP of them pass.
 *                   Kinds: the letters below, "m" for a meta page, "*" for any
 *
 * An event is a struct event and its payload. A write is noted before it happens and a sync when it
 * begins and when it has ended: what was begun earlier than a sync that ended is on the disk,
 * everything else may be there or not. A process that dies by RECORD_KILL has sent what it noted.
 */
#include <fcntl.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum kind {
  WRITE = 'w',    /* of a file: offset, bytes; `flag`: a synchronous one, END follows */
  TRUNCATE = 't', /* offset: the new length */
  SYNC = 's',     /* of a file or folder; END follows */
  END = 'e',      /* other: the number of the WRITE or SYNC that has ended */
  MAKE = 'c',     /* inode: the folder; other: what was made in it; payload: its name; `flag`: a
                     folder */
  RENAME = 'r',   /* inode, other: the folders; payload: both names, a NUL between them */
  LINK = 'l',     /* likewise */
  UNLINK = 'u',   /* inode: the folder; payload: the name */
  SENT = 'p',     /* to a peer; offset: how many bytes */
  TOLD = 'o',     /* to the operator */
  MAPPED = 'x',   /* a file that is written to in memory, which cannot be followed */
};

struct event {
  uint8_t kind, flag;
  uint16_t reserved;
  uint32_t size; /* of the payload */
  uint64_t inode, other, offset;
};

static struct {
  pthread_once_t once;
  pthread_mutex_t lock;
  char folder[PATH_MAX];
  size_t folder_size;
  int log;
  uint64_t number; /* of the next event */
  char kill_kind;
  int64_t kill_from_ns;
  long kill_skip;
} record = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER, .log = -1};

static int64_t now_ns(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void begin(void)
{
  const char *folder = getenv("RECORD_FOLDER"), *log = getenv("RECORD_LOG");
  const char *end = getenv("RECORD_KILL");
  if (!folder || !log || strlen(folder) >= sizeof record.folder) return;
  record.folder_size = strlen(folder);
  memcpy(record.folder, folder, record.folder_size + 1);
  if (end && strlen(end) > 2) {
    char *rest;
    record.kill_kind = end[0];
    record.kill_from_ns = now_ns() + strtol(end + 2, &rest, 10) * 1000000;
    record.kill_skip = *rest == ':' ? strtol(rest + 1, NULL, 10) : 0;
  }
  record.log = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                            0600);
}

static bool recording(void)
{
  pthread_once(&record.once, begin);
  return record.log >= 0;
}

/* Locks and sockets hold nothing that has to last; a probe is gone before anybody reads it. */
static bool matters(const char *path)
{
  static const char *const passed_over[] = {"-lock", "/lock", ".sock", ".probe"};
  size_t size = strlen(path);
  if (strncmp(path, record.folder, record.folder_size) != 0) return false;
  if (path[record.folder_size] && path[record.folder_size] != '/') return false;
  for (size_t i = 0; i < sizeof passed_over / sizeof passed_over[0]; i++) {
    size_t tail = strlen(passed_over[i]);
    if (size >= tail && strcmp(path + size - tail, passed_over[i]) == 0) return false;
  }
  return true;
}

/* The inode of a descriptor that matters, or 0. */
static uint64_t inode_of(int fd)
{
  char link[64], path[PATH_MAX];
  struct stat file;
  if (!recording()) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return matters(path) && fstat(fd, &file) == 0 ? file.st_ino : 0;
}

/* Notes an event; the process ends here if it was told to, unless it is only to end later. */
static uint64_t note_and(struct event event, const struct iovec *payload, int count, bool *die)
{
  struct iovec pieces[1 + 64] = {{&event, sizeof event}};
  size_t total = sizeof event;
  for (int i = 0; i < count && i < 64; i++) {
    pieces[1 + i] = payload[i];
    total += payload[i].iov_len;
  }
  event.size = (uint32_t)(total - sizeof event);
  pthread_mutex_lock(&record.lock);
  uint64_t number = record.number++;
  if (syscall(SYS_writev, record.log, pieces, 1 + count) != (long)total) abort();
  bool meta = event.kind == WRITE && event.flag && event.offset < 8192;
  bool this_one = record.kill_kind == '*' || record.kill_kind == (char)event.kind ||
                  (record.kill_kind == 'm' && meta);
  *die = this_one && now_ns() >= record.kill_from_ns && record.kill_skip-- <= 0;
  /* Whoever is to die holds the lock: nothing is noted after it. */
  if (!*die) pthread_mutex_unlock(&record.lock);
  return number;
}

static void end_process(void)
{
  kill(getpid(), SIGKILL);
  pause();
}

static uint64_t note(struct event event, const void *payload, size_t size)
{
  bool die;
  struct iovec piece = {(void *)payload, size};
  uint64_t number = note_and(event, &piece, size ? 1 : 0, &die);
  if (die) end_process();
  return number;
}

#define REAL(name) ((__typeof__(&(name)))real(#name))

static void *real(const char *name)
{
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

/* Contents -------------------------------------------------------------------------------------
 */

static bool is_synchronous(int fd)
{
  return fcntl(fd, F_GETFL) & O_DSYNC;
}

struct noted {
  uint64_t inode, number; /* inode 0: nothing was noted */
  size_t size;
  bool synchronous, die;
};

static struct noted before_write(int fd, const struct iovec *pieces, int count, off_t offset)
{
  struct noted noted = {.inode = inode_of(fd)};
  if (!noted.inode) return noted;
  noted.synchronous = is_synchronous(fd);
  for (int i = 0; i < count; i++) noted.size += pieces[i].iov_len;
  struct event event = {.kind = WRITE, .flag = noted.synchronous, .inode = noted.inode};
  event.offset = (uint64_t)(offset >= 0 ? offset : lseek(fd, 0, SEEK_CUR));
  noted.number = note_and(event, pieces, count, &noted.die);
  return noted;
}

static void note_end(uint64_t inode, uint64_t number)
{
  note((struct event){.kind = END, .inode = inode, .other = number}, NULL, 0);
}

static ssize_t after_write(ssize_t put, const struct noted *noted)
{
  if (!noted->inode) return put;
  if (noted->die) end_process();
  /* One cut short would have to be noted as such. */
  if (put >= 0 && (size_t)put != noted->size) abort();
  if (put >= 0 && noted->synchronous) note_end(noted->inode, noted->number);
  return put;
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
  struct iovec piece = {(void *)data, size};
  struct noted noted = before_write(fd, &piece, 1, offset);
  return after_write(REAL(pwrite)(fd, data, size, offset), &noted);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
  return pwrite(fd, data, size, offset);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
  struct noted noted = before_write(fd, pieces, count, offset);
  return after_write(REAL(pwritev)(fd, pieces, count, offset), &noted);
}

/* What leaves: dying comes after it has left. */
static bool before_send(int fd, size_t size)
{
  int domain = 0;
  bool die = false;
  socklen_t length = sizeof domain;
  if (!recording() || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length)) return false;
  if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX) return false;
  note_and((struct event){.kind = domain == AF_UNIX ? TOLD : SENT, .offset = size}, NULL, 0, &die);
  return die;
}

static ssize_t after_send(ssize_t sent, bool die)
{
  int saved = errno;
  if (die) end_process();
  errno = saved;
  return sent;
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
  struct iovec piece = {(void *)data, size};
  struct noted noted = before_write(fd, &piece, 1, -1);
  bool die = !noted.inode && before_send(fd, size);
  return after_send(after_write(REAL(write)(fd, data, size), &noted), die);
}

EXPORT ssize_t writev(int fd, const struct iovec *pieces, int count)
{
  size_t size = 0;
  for (int i = 0; i < count; i++) size += pieces[i].iov_len;
  struct noted noted = before_write(fd, pieces, count, -1);
  bool die = !noted.inode && before_send(fd, size);
  return after_send(after_write(REAL(writev)(fd, pieces, count), &noted), die);
}

EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
  bool die = before_send(fd, size);
  return after_send(REAL(send)(fd, data, size, flags), die);
}

EXPORT ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
                      socklen_t length)
{
  bool die = before_send(fd, size);
  return after_send(REAL(sendto)(fd, data, size, flags, to, length), die);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
  size_t size = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++) size += message->msg_iov[i].iov_len;
  bool die = before_send(fd, size);
  return after_send(REAL(sendmsg)(fd, message, flags), die);
}

EXPORT int ftruncate(int fd, off_t length)
{
  struct noted noted = {.inode = inode_of(fd)};
  struct event event = {.kind = TRUNCATE, .inode = noted.inode, .offset = (uint64_t)length};
  if (noted.inode) note_and(event, NULL, 0, &noted.die);
  int rc = REAL(ftruncate)(fd, length);
  if (noted.die) end_process();
  return rc;
}

EXPORT int ftruncate64(int fd, off_t length)
{
  return ftruncate(fd, length);
}

static int synced(int (*sync)(int), int fd)
{
  uint64_t inode = inode_of(fd);
  if (!inode) return sync(fd);
  uint64_t number = note((struct event){.kind = SYNC, .inode = inode}, NULL, 0);
  int rc = sync(fd);
  if (rc == 0) note_end(inode, number);
  return rc;
}

EXPORT int fsync(int fd)
{
  return synced(REAL(fsync), fd);
}

EXPORT int fdatasync(int fd)
{
  return synced(REAL(fdatasync), fd);
}

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
  if ((flags & MAP_SHARED) && (protection & PROT_WRITE) && fd >= 0) {
    uint64_t inode = inode_of(fd);
    if (inode) note((struct event){.kind = MAPPED, .inode = inode}, NULL, 0);
  }
  return REAL(mmap)(address, size, protection, flags, fd, offset);
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
  return mmap(address, size, protection, flags, fd, offset);
}

/* Names ----------------------------------------------------------------------------------------
 */

/* The folder that holds the path, if it matters: its inode, and the path's last name. */
static uint64_t folder_of(const char *path, const char **name)
{
  char folder[PATH_MAX], whole[PATH_MAX + NAME_MAX + 2];
  char resolved[PATH_MAX];
  struct stat info;
  if (!recording() || strlen(path) >= sizeof folder) return 0;
  size_t size = strlen(path);
  memcpy(folder, path, size + 1);
  while (size > 1 && folder[size - 1] == '/') folder[--size] = 0;
  char *slash = strrchr(folder, '/');
  *name = slash ? path + (slash - folder) + 1 : path;
  if (slash)
    slash[slash == folder] = 0;
  else
    memcpy(folder, ".", 2);
  if (!realpath(folder, resolved) || stat(resolved, &info)) return 0;
  snprintf(whole, sizeof whole, "%s/%s", resolved, *name);
  return matters(whole) ? info.st_ino : 0;
}

static uint64_t inode_at(const char *path)
{
  struct stat info;
  return lstat(path, &info) ? 0 : info.st_ino;
}

static int open_any(const char *call, const char *path, int flags, mode_t mode)
{
  int (*open_real)(const char *, int, ...) = (int (*)(const char *, int, ...))real(call);
  const char *name;
  uint64_t folder = flags & (O_CREAT | O_TRUNC) ? folder_of(path, &name) : 0;
  uint64_t before = folder ? inode_at(path) : 0;
  int fd = open_real(path, flags, mode);
  if (!folder || fd < 0) return fd;
  uint64_t inode = inode_at(path);
  if (!before)
    note((struct event){.kind = MAKE, .inode = folder, .other = inode}, name, strlen(name));
  else if (flags & O_TRUNC)
    note((struct event){.kind = TRUNCATE, .inode = inode}, NULL, 0);
  return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
  return flags & O_CREAT ? (mode_t)va_arg(arguments, int) : 0;
}

EXPORT int open(const char *path, int flags, ...)
{
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_any("open", path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_any("open64", path, flags, mode);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
  const char *name;
  uint64_t folder = folder_of(path, &name);
  int rc = REAL(mkdir)(path, mode);
  if (folder && rc == 0)
    note((struct event){.kind = MAKE, .flag = 1, .inode = folder, .other = inode_at(path)}, name,
         strcspn(name, "/"));
  return rc;
}

static int two_names(enum kind kind, int (*call)(const char *, const char *), const char *from,
                     const char *to)
{
  const char *first, *second;
  uint64_t from_folder = folder_of(from, &first), to_folder = folder_of(to, &second);
  int rc = call(from, to);
  if (!from_folder || !to_folder || rc) return rc;
  struct iovec names[] = {{(void *)first, strlen(first) + 1}, {(void *)second, strlen(second)}};
  bool die;
  note_and((struct event){.kind = (uint8_t)kind, .inode = from_folder, .other = to_folder}, names,
           2, &die);
  if (die) end_process();
  return rc;
}

EXPORT int rename(const char *from, const char *to)
{
  return two_names(RENAME, REAL(rename), from, to);
}

EXPORT int link(const char *from, const char *to)
{
  return two_names(LINK, REAL(link), from, to);
}

EXPORT int unlink(const char *path)
{
  const char *name;
  uint64_t folder = folder_of(path, &name);
  int rc = REAL(unlink)(path);
  if (folder && rc == 0) note((struct event){.kind = UNLINK, .inode = folder}, name, strlen(name));
  return rc;
}
