/* A script's top level, run once in the sandbox of agents under its own limits, with operations
 * that note what is declared and asked for, and do nothing else. No host, no store, no network. */
#ifndef HGL_HOST_CHECK_LOAD_H
#define HGL_HOST_CHECK_LOAD_H

#include "agent/limits.h"
#include "lua/vm.h"

struct hgl_check_script {
  const char *name, *path;
  struct hgl_bytes source;
  struct hgl_bytes config;   /* encoded map, or empty */
  const char *const *grants; /* NULL: whatever is asked for is granted */
  struct hgl_agent_limits limits;
  const char *stdlib_folder;
  bool start; /* calls on_start too, if there is one */
};

/* What the loads of one program share. */
struct hgl_check_loader {
  struct hgl_chunks *chunks;
  struct hgl_watchdog *watchdog;
};
int hgl_check_loader_init(struct hgl_check_loader *loader, struct hgl_err *err) HGL_NODISCARD;
void hgl_check_loader_deinit(struct hgl_check_loader *loader);

/* Appends one encoded map (the text of errors and of the log need not be UTF-8):
 *   declared [[kind, name, value]…]   kind: "describe" "protocol" (value: its canonical form)
 * "offer" "handler" "on_start" … "on_timer" "every"; value: or null modules  [[name, path,
 * is_ours]…] that were required, the script's own with the chunk names #2, #3 … in errors; the
 * script is #1 asked    [[kind, value]…]         by agent.granted logged   [[text, fields]…] error,
 * code                       if it raised: "#1:12: …", and the name of the code A script that
 * raises is no failure of this function. HGL_NO_MEMORY, HGL_TOO_LARGE. */
int hgl_check_load(const struct hgl_check_loader *loader, const struct hgl_check_script *script,
                   struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

#endif
