/* Text that an agent signs on its script's behalf (SPEC.md §11). A domain in front of it keeps such
 * a signature from being one of anything else: a delegation, a header, a Noise key. Any thread. */
#ifndef HGL_PROTOCOL_SIGNED_TEXT_H
#define HGL_PROTOCOL_SIGNED_TEXT_H

#include "base/buf.h"
#include "protocol/crypto.h"

enum { HGL_SIGNED_TEXT_SIZE_MAX = 1024 * 1024 };

/* HGL_TOO_LARGE, HGL_NO_MEMORY. */
int hgl_signed_text_sign(const struct hgl_signer *signer, struct hgl_bytes text,
                         uint8_t out[HGL_SIGNATURE_SIZE], struct hgl_err *err) HGL_NODISCARD;
/* HGL_BAD_SIGNATURE, HGL_TOO_LARGE, HGL_NO_MEMORY. */
int hgl_signed_text_verify(const struct hgl_key *key, struct hgl_bytes text,
                           const uint8_t signature[HGL_SIGNATURE_SIZE],
                           struct hgl_err *err) HGL_NODISCARD;

#endif
