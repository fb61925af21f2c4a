/* Which file a module is, and what of a declaration needs more than the script. The host goes by
 * this, and so does `haggle check`, which has no host. Any thread. */
#ifndef HGL_AGENT_DECLARED_H
#define HGL_AGENT_DECLARED_H

#include "base/buf.h"
#include "base/err.h"

/* Where the module `name` lies: "haggle.market" in the stdlib (*is_ours), "x.y" as x/y.lua beside
 * the script. Appends the path, without a NUL. HGL_INVALID: no module's name. HGL_NOT_FOUND: what
 * only the program's own tools require. */
int hgl_module_path(struct hgl_bytes name, const char *script_path, const char *stdlib_folder,
                    bool *is_ours, struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

/* Whether a schedule that a script declares (lua/vm.h, HGL_VM_EVERY) is one: its cron line, and the
 * zone, whose file is read. HGL_INVALID. */
int hgl_schedule_check(struct hgl_bytes value, struct hgl_err *err) HGL_NODISCARD;

#endif
