/* COSE_Sign1 (RFC 9052 §4.2) with EdDSA, in the one shape we use: protected header
 * {1: -8, 16: type} (RFC 9596's "typ"), empty unprotected header, payload attached, no tag, no
 * external data. */
#ifndef HGL_PROTOCOL_COSE_H
#define HGL_PROTOCOL_COSE_H

#include "protocol/cbor.h"
#include "protocol/crypto.h"

/* Appends the signed object. */
int hgl_cose_sign(const struct hgl_signer *signer, const char *type, struct hgl_bytes payload,
                  struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

struct hgl_cose {
  struct hgl_bytes protected_header; /* encoded */
  struct hgl_bytes payload;
  const uint8_t *signature;
};
/* Shape only: the protected header must be exactly ours for `type` (HGL_BAD_TYPE), the unprotected
 * one empty. Slices point into `bytes`. */
int hgl_cose_decode(struct hgl_bytes bytes, const char *type, struct hgl_cose *out,
                    struct hgl_err *err) HGL_NODISCARD;
int hgl_cose_verify(const struct hgl_cose *cose, const struct hgl_key *key,
                    struct hgl_err *err) HGL_NODISCARD;

#endif
