/* The version of what the rows mean, and the way forward from older ones. */
#ifndef HGL_STORE_SCHEMA_H
#define HGL_STORE_SCHEMA_H

#include "store/backend.h"

/* Fills `changes` with what turns version `n` into `n + 1`, where n is the step's place in the
 * list; NULL: nothing but the number changes. Each step is applied in one transaction with its new
 * number, so that a migration that is cut short goes on where it stood. */
struct hgl_migration {
  int (*step)(struct hgl_backend *backend, struct hgl_writeset *changes, struct hgl_err *err);
};

extern const struct hgl_migration hgl_migrations[HGL_STORE_SCHEMA];

/* Marks a store that has just been made as of the current version. */
int hgl_schema_init(struct hgl_backend *backend, struct hgl_err *err) HGL_NODISCARD;
/* Brings an existing one forward to version `target`; *was is the version found. HGL_NEWER,
 * HGL_CORRUPT. */
int hgl_schema_migrate(struct hgl_backend *backend, const struct hgl_migration *steps,
                       uint32_t target, uint32_t *was, struct hgl_err *err) HGL_NODISCARD;

#endif
