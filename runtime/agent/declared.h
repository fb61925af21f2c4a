/* Which file a module is. The host goes by this, and so does `haggle check`, which has no host.
 * Pure; any thread. */
#ifndef HGL_AGENT_DECLARED_H
#define HGL_AGENT_DECLARED_H

#include "base/buf.h"
#include "base/err.h"

/* Where the module `name` lies: "haggle.market" in the stdlib (*is_ours), "x.y" as x/y.lua beside
 * the script. Appends the path, without a NUL. HGL_INVALID: no module's name. HGL_NOT_FOUND: what
 * only the program's own tools require. */
int hgl_module_path(struct hgl_bytes name, const char *script_path, const char *stdlib_folder,
                    bool *is_ours, struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

#endif
