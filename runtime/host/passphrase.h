/* The passphrase of the keys: the first line of a file that only its owner can read, else the
 * environment's HAGGLE_PASSPHRASE, else none. */
#ifndef HGL_HOST_PASSPHRASE_H
#define HGL_HOST_PASSPHRASE_H

#include "base/buf.h"

struct hgl_passphrase {
  struct hgl_bytes text; /* size 0: none */
  struct hgl_buf memory;
};

/* `file` may be NULL. The environment's is taken out of it. */
int hgl_passphrase_get(struct hgl_passphrase *passphrase, const char *file,
                       struct hgl_err *err) HGL_NODISCARD;
void hgl_passphrase_forget(struct hgl_passphrase *passphrase); /* a zeroed one is allowed */

#endif
