/* Which known word was probably meant by one that is not known. Any thread. */
#ifndef HGL_BASE_NEAREST_H
#define HGL_BASE_NEAREST_H

#include "base/bytes.h"

/* The candidate that `word` was probably meant to be, or NULL. The list ends with NULL. */
const char *hgl_nearest(struct hgl_bytes word, const char *const *candidates);

#endif
