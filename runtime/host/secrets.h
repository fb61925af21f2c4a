/* What agents may use and never see: where each secret lies. Values are read when they are used, so
 * that one that was changed counts at once, and are wiped by whoever asked for them. Loop thread.
 */
#ifndef HGL_HOST_SECRETS_H
#define HGL_HOST_SECRETS_H

#include "base/secret.h"

struct hgl_secrets;

enum { HGL_SECRET_NAME_SIZE_MAX = 64 };

int hgl_secrets_create(struct hgl_secrets **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_secrets_destroy(struct hgl_secrets *secrets); /* NULL is allowed */

/* "NAME=file:PATH" (mode 0600 or less), "NAME=env:VARIABLE", "NAME=credential:NAME" (of systemd:
 * a file in $CREDENTIALS_DIRECTORY). Reads it once, to find out now that it is not there.
 * HGL_INVALID, HGL_EXISTS, and as hgl_secrets_get. */
int hgl_secrets_add(struct hgl_secrets *secrets, const char *text,
                    struct hgl_err *err) HGL_NODISCARD;
bool hgl_secrets_has(const struct hgl_secrets *secrets, struct hgl_bytes name);
/* Appends the value, without a line break at its end: hgl_secret_wipe it. HGL_NOT_FOUND: there is
 * no such secret, or what it is read from is gone; HGL_DENIED: others may read its file;
 * HGL_INVALID: it is empty or too short; HGL_TOO_LARGE. */
int hgl_secrets_get(const struct hgl_secrets *secrets, struct hgl_bytes name, struct hgl_buf *out,
                    struct hgl_err *err) HGL_NODISCARD;
#endif
