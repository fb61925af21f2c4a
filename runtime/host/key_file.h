/* An identity in a file of mode 0600, JSON:
 *   {"did", "seed"}                                     the Ed25519 seed, base64url
 *   {"did", "salt", "operations", "memory", "sealed"}   with a passphrase: Argon2id (RFC 9106)
 * makes a key of it, and `sealed` is a nonce of 12 bytes, then the seed by ChaCha20-Poly1305 under
 *     that key, with the did as associated data
 * Or the secret that the keys of many agents are derived from: the same with "instances" in place
 * of "did", 32 hex digits that are derived from the secret as well. What a file says is checked
 * against its seed. Any thread. */
#ifndef HGL_HOST_KEY_FILE_H
#define HGL_HOST_KEY_FILE_H

#include "base/seam.h"
#include "protocol/did.h"

/* A passphrase and the key that was last made of it: making one costs most of a second, so files
 * that are written together share their salt. */
struct hgl_seal {
  struct hgl_bytes passphrase; /* size 0: none; borrowed */
  const struct hgl_random *random;
  bool has_key;
  uint8_t salt[16];
  uint64_t operations, memory;
  uint8_t key[32];
};
void hgl_seal_init(struct hgl_seal *seal, struct hgl_bytes passphrase,
                   const struct hgl_random *random);
void hgl_seal_deinit(struct hgl_seal *seal); /* wipes */

/* A new identity in a new file. HGL_EXISTS. */
int hgl_key_file_create(const char *path, struct hgl_seal *seal, struct hgl_signer **out,
                        struct hgl_err *err) HGL_NODISCARD;
/* HGL_NOT_FOUND, HGL_DENIED (others can read it; a passphrase is missing or wrong), HGL_CORRUPT. */
int hgl_key_file_load(const char *path, struct hgl_seal *seal, struct hgl_signer **out,
                      struct hgl_err *err) HGL_NODISCARD;
/* What it says without its secret being opened. */
int hgl_key_file_peek(const char *path, struct hgl_key *key, bool *sealed,
                      struct hgl_err *err) HGL_NODISCARD;

/* Likewise, a secret to derive from. */
int hgl_secret_file_create(const char *path, struct hgl_seal *seal, struct hgl_secret **out,
                           struct hgl_err *err) HGL_NODISCARD;
int hgl_secret_file_load(const char *path, struct hgl_seal *seal, struct hgl_secret **out,
                         struct hgl_err *err) HGL_NODISCARD;
int hgl_secret_file_peek(const char *path, bool *sealed, struct hgl_err *err) HGL_NODISCARD;

#endif
