/* Copies a store's file while it is in use. */
#ifndef HGL_STORE_COPY_H
#define HGL_STORE_COPY_H

#include <stdatomic.h>

#include "store/backend.h"

/* As hgl_store_copy. */
int hgl_copy_run(struct hgl_backend *backend, const char *path, int64_t limit_ms,
                 const atomic_bool *cancel, struct hgl_err *err) HGL_NODISCARD;

#endif
