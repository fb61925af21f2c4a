/* Waits for changes of Lua files below some folders (inotify). Folders whose names begin with a
 * dot, and node_modules, are passed over, as the search for specs does. Loop thread only. */
#ifndef HGL_HOST_TEST_WATCH_H
#define HGL_HOST_TEST_WATCH_H

#include <limits.h>
#include <stddef.h>

#include "base/err.h"

struct hgl_watch;

/* From now on SIGINT and SIGTERM end the process at once, with status 0: that is how watching ends.
 * HGL_LIMIT: the kernel watches no more folders for this user. */
int hgl_watch_create(struct hgl_watch **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_watch_destroy(struct hgl_watch *watch); /* NULL is allowed */
/* A folder with all below it; of a file, only the folder that it is in. */
int hgl_watch_add(struct hgl_watch *watch, const char *path, struct hgl_err *err) HGL_NODISCARD;
size_t hgl_watch_folders(const struct hgl_watch *watch);
/* Returns when a file has changed since the last call and nothing more has for a moment, so that an
 * editor that writes, renames and removes is answered once. `name`: one that changed, without its
 * folder. */
int hgl_watch_wait(struct hgl_watch *watch, char name[NAME_MAX + 1],
                   struct hgl_err *err) HGL_NODISCARD;

#endif
