/* Changes in folders, told once they have settled: files are written in several steps, and editors
 * write another file and rename it. What has changed is for the caller to find out. Loop thread. */
#ifndef HGL_NET_FOLDER_WATCH_H
#define HGL_NET_FOLDER_WATCH_H

#include <stdbool.h>

#include "net/loop.h"

struct hgl_folder_watch;

/* `changed` is called on the loop when something of these folders has changed whose name ends with
 * `suffix`, and then nothing for a while (a second at the latest). */
int hgl_folder_watch_create(struct hgl_loop *loop, const char *suffix, void (*changed)(void *user),
                            void *user, struct hgl_folder_watch **out,
                            struct hgl_err *err) HGL_NODISCARD;
/* One that is watched already is left alone. A folder that is not there (any more) is looked for
 * from time to time. HGL_LIMIT: too many folders; HGL_IO: it cannot be watched. */
int hgl_folder_watch_add(struct hgl_folder_watch *watch, const char *folder,
                         struct hgl_err *err) HGL_NODISCARD;
/* Before the loop. NULL is allowed. */
void hgl_folder_watch_destroy(struct hgl_folder_watch *watch);

#endif
