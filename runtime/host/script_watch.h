/* haggle run --watch: agents are reloaded when their scripts, or modules beside them that they have
 * required, change. What came of it is logged, a line a file. Loop thread. */
#ifndef HGL_HOST_SCRIPT_WATCH_H
#define HGL_HOST_SCRIPT_WATCH_H

#include "agent/host.h"
#include "net/loop.h"

struct hgl_script_watch;

/* When all agents of the start are there. */
int hgl_script_watch_create(struct hgl_loop *loop, struct hgl_host *host, const struct hgl_log *log,
                            struct hgl_script_watch **out, struct hgl_err *err) HGL_NODISCARD;
/* An agent was added, or is described anew, with this script. NULL is allowed for both. */
void hgl_script_watch_add(struct hgl_script_watch *watch, const char *name, const char *script);
/* After the host, before the loop. NULL is allowed. */
void hgl_script_watch_destroy(struct hgl_script_watch *watch);

#endif
