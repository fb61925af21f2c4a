/* Reloading agents from their files. Loop thread. */
#ifndef HGL_HOST_RELOAD_H
#define HGL_HOST_RELOAD_H

#include "agent/host.h"

enum {
  HGL_SCRIPT_SIZE_MAX = 4 << 20,
  HGL_RELOAD_SHOWN_MAX = 1000, /* agents that a result tells of; the rest is counted */
};

/* The text of a script, as it is now. HGL_SCRIPT: the file is empty. */
int hgl_reload_read(const char *path, struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

/* Reads the scripts of all that are selected and has them reloaded; `done` is called once, from a
 * tick or the host's end, when the last is durable or was refused, with {"reloaded", "unchanged",
 * "failed", "agents": [of each what hgl_host_reload_agent tells, or {"name", "code", "why"}],
 * "left_out"} (borrowed), or an error. Not called when this fails: HGL_NOT_FOUND, HGL_NO_MEMORY. */
int hgl_reload(struct hgl_host *host, const struct hgl_selection *selection, bool if_changed,
               hgl_reload_done done, void *user, struct hgl_err *err) HGL_NODISCARD;

#endif
