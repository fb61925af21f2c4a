/* Errors of engines, as haggle_infer.h has them. */
#ifndef HGL_INFER_FAIL_H
#define HGL_INFER_FAIL_H

#include "base/err.h"
#include "infer/haggle_infer.h"

/* Fills *error (NULL is allowed) and returns the status. */
int32_t hgl_infer_fail(struct haggle_error *error, int32_t status, const char *format, ...)
    HGL_PRINTF(3, 4);
/* The same from an error of ours. */
int32_t hgl_infer_fail_err(struct haggle_error *error, const struct hgl_err *err);

#endif
