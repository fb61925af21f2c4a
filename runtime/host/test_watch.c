#include "host/test_watch.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/verb.h"

enum { QUIET_MS = 100 };

struct folder {
  int id; /* the kernel's */
  char *path;
};

struct hgl_watch {
  int fd;
  struct folder *folders;
  size_t count, capacity;
};

/* There is nothing to put in order. */
static void end(int signal)
{
  if (write(STDOUT_FILENO, "\n", 1) < 0) _exit(HGL_EXIT_FAILED);
  _exit(HGL_EXIT_OK);
}

int hgl_watch_create(struct hgl_watch **out, struct hgl_err *err)
{
  struct hgl_watch *watch = hgl_zalloc(sizeof *watch);
  if (!watch) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (watch->fd < 0) {
    hgl_fail(err, HGL_LIMIT, "files cannot be watched: %s", strerror(errno));
    hgl_watch_destroy(watch);
    return -HGL_LIMIT;
  }
  signal(SIGINT, end);
  signal(SIGTERM, end);
  *out = watch;
  return 0;
}

void hgl_watch_destroy(struct hgl_watch *watch)
{
  if (!watch) return;
  if (watch->fd >= 0) close(watch->fd);
  for (size_t i = 0; i < watch->count; i++) hgl_free(watch->folders[i].path);
  hgl_free(watch->folders);
  hgl_free(watch);
}

size_t hgl_watch_folders(const struct hgl_watch *watch)
{
  return watch->count;
}

/* ---- folders ---- */

static int add_folder(struct hgl_watch *watch, const char *path, struct hgl_err *err)
{
  int id = inotify_add_watch(watch->fd, path,
                             IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                                 IN_ONLYDIR);
  if (id < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0; /* gone meanwhile */
  if (id < 0) return hgl_fail(err, HGL_LIMIT, "%s cannot be watched: %s", path, strerror(errno));
  for (size_t i = 0; i < watch->count; i++)
    if (watch->folders[i].id == id) return 0; /* on two ways, or again */
  char *copy = hgl_strndup(path, strlen(path));
  if (!copy || !HGL_GROW(watch->folders, watch->count, watch->capacity)) {
    hgl_free(copy);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  watch->folders[watch->count++] = (struct folder){id, copy};
  return 0;
}

static int add_tree(struct hgl_watch *watch, const char *path, struct hgl_err *err)
{
  char *roots[] = {hgl_strndup(path, strlen(path)), NULL};
  if (!roots[0]) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
  int status = tree ? 0 : hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
  FTSENT *entry;
  while (!status && (entry = fts_read(tree))) {
    if (entry->fts_info != FTS_D) continue;
    if (entry->fts_level != FTS_ROOTLEVEL &&
        (entry->fts_name[0] == '.' || strcmp(entry->fts_name, "node_modules") == 0))
      fts_set(tree, entry, FTS_SKIP);
    else
      status = add_folder(watch, entry->fts_path, err);
  }
  if (tree) fts_close(tree);
  hgl_free(roots[0]);
  return status;
}

static bool ends_with(const char *text, const char *end)
{
  size_t size = strlen(text), end_size = strlen(end);
  return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

int hgl_watch_add(struct hgl_watch *watch, const char *path, struct hgl_err *err)
{
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  if (!ends_with(path, ".lua")) return add_tree(watch, path, err);
  if (!slash) return add_folder(watch, ".", err);
  if (snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path) >= (int)sizeof folder)
    return hgl_fail(err, HGL_INVALID, "the path is too long");
  return add_folder(watch, folder, err);
}

/* ---- events ---- */

static void forget_folder(struct hgl_watch *watch, int id)
{
  for (size_t i = 0; i < watch->count; i++) {
    if (watch->folders[i].id != id) continue;
    hgl_free(watch->folders[i].path);
    watch->folders[i] = watch->folders[--watch->count];
    return;
  }
}

static void add_below(struct hgl_watch *watch, int id, const char *name)
{
  char path[PATH_MAX];
  struct hgl_err err;
  for (size_t i = 0; i < watch->count; i++) {
    if (watch->folders[i].id != id) continue;
    const char *folder = watch->folders[i].path;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
        add_tree(watch, path, &err))
      fprintf(stderr, "haggle test: %s\n", err.message);
    return;
  }
}

/* Whether it is a change of a Lua file, or of folders that may hold some. */
static bool take_event(struct hgl_watch *watch, const struct inotify_event *event, char *name)
{
  if (event->mask & IN_IGNORED) forget_folder(watch, event->wd);
  if (event->mask & IN_Q_OVERFLOW) {
    snprintf(name, NAME_MAX + 1, "much");
    return true;
  }
  if (!event->len || event->name[0] == '.') return false;
  bool is_folder = event->mask & IN_ISDIR;
  if (is_folder && (event->mask & (IN_CREATE | IN_MOVED_TO)))
    add_below(watch, event->wd, event->name);
  if (!is_folder && ((event->mask & IN_CREATE) || !ends_with(event->name, ".lua"))) return false;
  snprintf(name, NAME_MAX + 1, "%s", event->name);
  return true;
}

static bool take_events(struct hgl_watch *watch, char *name)
{
  _Alignas(struct inotify_event) char bytes[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
  bool changed = false;
  for (ssize_t got; (got = read(watch->fd, bytes, sizeof bytes)) > 0;)
    for (ssize_t at = 0; at < got;) {
      const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
      changed |= take_event(watch, event, name);
      at += (ssize_t)(sizeof *event + event->len);
    }
  return changed;
}

int hgl_watch_wait(struct hgl_watch *watch, char name[NAME_MAX + 1], struct hgl_err *err)
{
  struct pollfd fd = {.fd = watch->fd, .events = POLLIN};
  bool changed = false;
  for (;;) {
    int ready = poll(&fd, 1, changed ? QUIET_MS : -1);
    if (ready < 0 && errno != EINTR)
      return hgl_fail(err, HGL_IO, "files cannot be watched any more: %s", strerror(errno));
    if (ready == 0) return 0;
    if (ready > 0) changed |= take_events(watch, name);
  }
}
