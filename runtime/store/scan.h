/* One walk over a database: the stored rows with the sets that are not stored yet laid over them,
 * newest on top. */
#ifndef HGL_STORE_SCAN_H
#define HGL_STORE_SCAN_H

#include "store/backend.h"

enum { HGL_SCAN_SETS_MAX = 4 };

struct hgl_scan {
  struct hgl_backend *backend;
  struct hgl_writeset *sets[HGL_SCAN_SETS_MAX]; /* newest first; may change between steps */
  size_t set_count;
  enum hgl_db db;
  struct hgl_bytes prefix, from; /* as of hgl_store_scan */
  bool backwards;
};

int hgl_scan_run(const struct hgl_scan *scan, hgl_store_visit visit, void *user,
                 struct hgl_err *err) HGL_NODISCARD;

#endif
