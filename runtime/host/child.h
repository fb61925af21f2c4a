/* A host in a process of its own (`haggle run …` of this very program), and a line to its control
 * socket: what `demo` and `bench` are made of. */
#ifndef HGL_HOST_CHILD_H
#define HGL_HOST_CHILD_H

#include <jansson.h>
#include <sys/types.h>

#include "net/control.h"

struct hgl_child {
  pid_t pid; /* 0: not running */
  char *data;
  char *log_path;
  char *join_url; /* NULL until ready */
  struct hgl_control_caller *caller;
};

/* Starts `haggle run --data DATA arguments…` (a NULL-terminated list) with its output in
 * DATA/host.log. The child gets SIGTERM when this process dies. HGL_IN_USE: a host runs there. */
int hgl_child_start(struct hgl_child *child, const char *data, const char *const *arguments,
                    struct hgl_err *err) HGL_NODISCARD;
/* Waits until its control socket answers. HGL_CLOSED with the last lines of its log when it ended.
 */
int hgl_child_wait_ready(struct hgl_child *child, int timeout_ms,
                         struct hgl_err *err) HGL_NODISCARD;
/* One call; *result is a new reference. The error is the host's own. */
int hgl_child_call(struct hgl_child *child, const char *request, int timeout_ms, json_t **result,
                   struct hgl_err *err) HGL_NODISCARD;
/* False once the process has ended. */
bool hgl_child_alive(struct hgl_child *child);
/* SIGTERM, waits; SIGKILL after timeout_ms. Frees everything. */
void hgl_child_stop(struct hgl_child *child, int timeout_ms);

/* mkdir -p with mode 0700, and a folder removed with all that is in it (never above `folder`). */
int hgl_folder_make(const char *folder, struct hgl_err *err) HGL_NODISCARD;
void hgl_folder_remove(const char *folder);

#endif
