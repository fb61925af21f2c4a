/* What a script asks of its host while it is loaded, without a host: which file a module is, and
 * what the operator's grants cover. The host itself goes by the same functions, and so does `haggle
 * check`. Pure; any thread. */
#ifndef HGL_AGENT_DECLARED_H
#define HGL_AGENT_DECLARED_H

#include "base/buf.h"
#include "base/err.h"

/* Where the module `name` lies: "haggle.market" in the stdlib (*is_ours), "x.y" as x/y.lua beside
 * the script. Appends the path, without a NUL. HGL_INVALID: no module's name. HGL_NOT_FOUND: what
 * only the program's own tools require. */
int hgl_module_path(struct hgl_bytes name, const char *script_path, const char *stdlib_folder,
                    bool *is_ours, struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

/* Whether one of these grants, "kind=value", covers the value. A grant that ends in a star covers
 * everything that begins so; else it must be equal. *folder_size: the bytes of the grant's folder,
 * which links must not lead out of; 0: they may. `grants` ends with NULL, or is NULL. */
bool hgl_grants_cover(const char *const *grants, const char *kind, struct hgl_bytes value,
                      size_t *folder_size);

#endif
