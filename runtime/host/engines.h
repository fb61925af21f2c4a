/* The inference engines that are part of the program. */
#ifndef HGL_HOST_ENGINES_H
#define HGL_HOST_ENGINES_H

#include "infer/infer.h"

extern const struct hgl_infer_builtin hgl_engines[]; /* ends with a NULL name */

#endif
