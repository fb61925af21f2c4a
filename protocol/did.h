/* did:key identities (W3C did:key): "did:key:z" + base58btc(0xed 0x01 + Ed25519 key). */
#ifndef HGL_PROTOCOL_DID_H
#define HGL_PROTOCOL_DID_H

#include "protocol/crypto.h"

enum { HGL_DID_TEXT_SIZE = 57 }; /* with its NUL; an Ed25519 did:key always has 56 characters */

void hgl_did_format(const struct hgl_key *key, char out[HGL_DID_TEXT_SIZE]);
/* HGL_MALFORMED for other text, other key types and non-canonical base58; HGL_BAD_KEY. */
int hgl_did_parse(struct hgl_bytes text, struct hgl_key *out, struct hgl_err *err) HGL_NODISCARD;
/* The same without the check that the key is a good one, which costs as much as a signature: for a
 * key that was checked before, or will be. */
int hgl_did_decode(struct hgl_bytes text, struct hgl_key *out, struct hgl_err *err) HGL_NODISCARD;

#endif
