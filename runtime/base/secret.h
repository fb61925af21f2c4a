/* Where a secret lies, and reading it: "file:PATH" (mode 0600 or less), "env:VARIABLE",
 * "credential:NAME" (of systemd: a file in $CREDENTIALS_DIRECTORY). Any thread. */
#ifndef HGL_BASE_SECRET_H
#define HGL_BASE_SECRET_H

#include "base/buf.h"

enum {
  HGL_SECRET_VALUE_SIZE_LEAST = 4, /* shorter ones would be found everywhere in answers */
  HGL_SECRET_VALUE_SIZE_MAX = 8 << 10,
};

/* HGL_INVALID: it is none of the three. */
int hgl_secret_check_source(const char *source, struct hgl_err *err) HGL_NODISCARD;
/* Appends the value, without a line break at its end: hgl_secret_wipe it. HGL_NOT_FOUND: what it is
 * read from is not there; HGL_DENIED: others may read its file; HGL_INVALID: it is empty or too
 * short; HGL_TOO_LARGE. */
int hgl_secret_read(const char *source, struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* Ends a buffer that holds one. It must have been made large enough at once: growing leaves copies
 * behind. */
void hgl_secret_wipe(struct hgl_buf *buf);

#endif
