/* Certificates for a wss listener. */
#ifndef HGL_NET_TLS_H
#define HGL_NET_TLS_H

#include "base/err.h"

/* Writes a new self-signed certificate (P-256, ten years, for "haggle") and its key, both PEM; the
 * key with mode 0600. Existing files are left alone: HGL_EXISTS. HGL_IO. */
int hgl_tls_self_signed(const char *certificate_path, const char *key_path,
                        struct hgl_err *err) HGL_NODISCARD;

#endif
