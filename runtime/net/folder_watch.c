#include "net/folder_watch.h"

#include <string.h>

#include "base/mem.h"
#include "net/uv.h"

enum { SETTLE_MS = 100, SETTLE_MAX_MS = 1000, LOOK_AGAIN_MS = 1000, FOLDERS_MAX = 1000 };

struct folder {
  uv_fs_event_t event; /* first member */
  struct folder *next;
  struct hgl_folder_watch *watch;
  bool armed;
  char path[];
};

struct hgl_folder_watch {
  uv_timer_t settle, again;
  struct hgl_loop *loop;
  struct folder *folders;
  size_t folder_count;
  int open_handles;
  uint64_t since_ms; /* of the first change that was not told; 0: none */
  void (*changed)(void *user);
  void *user;
  char suffix[];
};

static void arm(struct folder *folder);

static void settled(uv_timer_t *timer)
{
  struct hgl_folder_watch *watch = timer->data;
  watch->since_ms = 0;
  watch->changed(watch->user);
}

static void note(struct hgl_folder_watch *watch)
{
  uint64_t now = uv_now(hgl_loop_uv(watch->loop));
  if (!watch->since_ms) watch->since_ms = now ? now : 1;
  uint64_t late = watch->since_ms + SETTLE_MAX_MS;
  uint64_t wait = late > now ? late - now : 0;
  uv_timer_start(&watch->settle, settled, wait < SETTLE_MS ? wait : SETTLE_MS, 0);
}

static bool is_ours(const struct hgl_folder_watch *watch, const char *name)
{
  size_t size = name ? strlen(name) : 0, suffix = strlen(watch->suffix);
  return !name || (size >= suffix && strcmp(name + size - suffix, watch->suffix) == 0);
}

/* A folder that was removed or moved tells so of itself, under its own name. */
static void event_came(uv_fs_event_t *event, const char *name, int events, int status)
{
  struct folder *folder = (struct folder *)event;
  const char *leaf = strrchr(folder->path, '/');
  bool itself = name && strcmp(name, leaf ? leaf + 1 : folder->path) == 0;
  if (status < 0 || itself) {
    uv_fs_event_stop(event);
    folder->armed = false;
    arm(folder);
  }
  if (status < 0 || itself || is_ours(folder->watch, name)) note(folder->watch);
}

static void look_again(uv_timer_t *timer)
{
  struct hgl_folder_watch *watch = timer->data;
  for (struct folder *folder = watch->folders; folder; folder = folder->next) {
    if (folder->armed) continue;
    arm(folder);
    if (folder->armed) note(watch);
  }
}

static void arm(struct folder *folder)
{
  struct hgl_folder_watch *watch = folder->watch;
  folder->armed = uv_fs_event_start(&folder->event, event_came, folder->path, 0) == 0;
  if (!folder->armed) uv_timer_start(&watch->again, look_again, LOOK_AGAIN_MS, 0);
}

int hgl_folder_watch_create(struct hgl_loop *loop, const char *suffix, void (*changed)(void *user),
                            void *user, struct hgl_folder_watch **out, struct hgl_err *err)
{
  size_t size = strlen(suffix) + 1;
  struct hgl_folder_watch *watch = hgl_zalloc(sizeof *watch + size);
  if (!watch) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  watch->loop = loop;
  watch->changed = changed;
  watch->user = user;
  memcpy(watch->suffix, suffix, size);
  uv_timer_init(hgl_loop_uv(loop), &watch->settle);
  uv_timer_init(hgl_loop_uv(loop), &watch->again);
  watch->settle.data = watch->again.data = watch;
  watch->open_handles = 2;
  *out = watch;
  return 0;
}

int hgl_folder_watch_add(struct hgl_folder_watch *watch, const char *path, struct hgl_err *err)
{
  size_t size = strlen(path) + 1;
  for (struct folder *folder = watch->folders; folder; folder = folder->next)
    if (strcmp(folder->path, path) == 0) return 0;
  if (watch->folder_count >= FOLDERS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d folders to watch", FOLDERS_MAX);
  struct folder *folder = hgl_zalloc(sizeof *folder + size);
  if (!folder) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  folder->watch = watch;
  memcpy(folder->path, path, size);
  int status = uv_fs_event_init(hgl_loop_uv(watch->loop), &folder->event);
  if (status < 0) {
    hgl_free(folder);
    return hgl_uv_fail(err, status, "watching a folder");
  }
  watch->open_handles++;
  watch->folder_count++;
  folder->next = watch->folders;
  watch->folders = folder;
  arm(folder);
  return 0;
}

/* ---- the end ---- */

static void free_watch(struct hgl_folder_watch *watch)
{
  if (--watch->open_handles) return;
  for (struct folder *folder; (folder = watch->folders);) {
    watch->folders = folder->next;
    hgl_free(folder);
  }
  hgl_free(watch);
}

static void timer_closed(uv_handle_t *timer)
{
  free_watch(timer->data);
}

static void folder_closed(uv_handle_t *event)
{
  free_watch(((struct folder *)event)->watch);
}

void hgl_folder_watch_destroy(struct hgl_folder_watch *watch)
{
  if (!watch) return;
  uv_close((uv_handle_t *)&watch->settle, timer_closed);
  uv_close((uv_handle_t *)&watch->again, timer_closed);
  for (struct folder *folder = watch->folders; folder; folder = folder->next)
    uv_close((uv_handle_t *)&folder->event, folder_closed);
}
