/* Certificates: of a wss listener, and of those who are believed. */
#ifndef HGL_NET_TLS_H
#define HGL_NET_TLS_H

#include "base/err.h"

/* Writes a new self-signed certificate (P-256, ten years, for "haggle") and its key, both PEM; the
 * key with mode 0600. Existing files are left alone: HGL_EXISTS. HGL_IO. */
int hgl_tls_self_signed(const char *certificate_path, const char *key_path,
                        struct hgl_err *err) HGL_NODISCARD;

struct x509_store_st; /* OpenSSL's X509_STORE */
/* The authorities of the system (SSL_CERT_FILE and SSL_CERT_DIR tell others) and those of the PEM
 * file `trust`, if not NULL. HGL_INVALID: it cannot be read or holds none. The owner frees with
 * X509_STORE_free. */
int hgl_tls_authorities(const char *trust, struct x509_store_st **out,
                        struct hgl_err *err) HGL_NODISCARD;

#endif
