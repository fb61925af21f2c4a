/* The data file before LMDB sees it. LMDB trusts what its pages say of themselves and has no
 * checksums: a damaged one can make it copy beyond a page, into memory of others, or write where
 * rows still are. So the trees are walked once with nothing believed, at every start.
 *
 * Reads only. Native numbers, as LMDB's. No other process has the file open. */
#ifndef HGL_STORE_PAGES_H
#define HGL_STORE_PAGES_H

#include "base/err.h"

enum {
  /* Leaves of rows that are looked into at a start; of a larger file the rest is trusted, so that a
   * start takes no longer. Branches, free lists and names are always checked. */
  HGL_PAGES_LEAVES_MAX = 4096,
};

/* HGL_CORRUPT: not a data file, its end is missing, or its pages do not hang together. */
int hgl_pages_check(int fd, const char *path, struct hgl_err *err) HGL_NODISCARD;

#endif
