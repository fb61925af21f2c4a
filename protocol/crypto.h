/* The primitives, and the only place that knows libsodium and OpenSSL's libcrypto.
 * Any thread; hgl_crypto_init first, once, from the main thread. Keys and hashes are arrays. */
#ifndef HGL_PROTOCOL_CRYPTO_H
#define HGL_PROTOCOL_CRYPTO_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
  HGL_KEY_SIZE = 32,  /* Ed25519 and X25519 public keys */
  HGL_SEED_SIZE = 32, /* Ed25519 private seed (RFC 8032) */
  HGL_SIGNATURE_SIZE = 64,
  HGL_HASH_SIZE = 32, /* SHA-256 */
  HGL_AEAD_TAG_SIZE = 16,
};

struct hgl_key {
  uint8_t bytes[HGL_KEY_SIZE];
};
struct hgl_hash {
  uint8_t bytes[HGL_HASH_SIZE];
};

int hgl_crypto_init(struct hgl_err *err) HGL_NODISCARD;

/* A signing key in locked, guarded memory; wiped when destroyed. */
struct hgl_signer;
int hgl_signer_create(const uint8_t seed[HGL_SEED_SIZE], struct hgl_signer **out,
                      struct hgl_err *err) HGL_NODISCARD;
void hgl_signer_destroy(struct hgl_signer *signer); /* NULL is allowed */
const struct hgl_key *hgl_signer_key(const struct hgl_signer *signer);
void hgl_signer_seed(const struct hgl_signer *signer, uint8_t out[HGL_SEED_SIZE]);
void hgl_signer_sign(const struct hgl_signer *signer, struct hgl_bytes message,
                     uint8_t out[HGL_SIGNATURE_SIZE]);

/* A secret that others are derived from by number (libsodium's crypto_kdf: BLAKE2b keyed with it,
 * the number as salt, the context as personalisation). None of them tells of it or of another. In
 * locked, guarded memory; wiped when destroyed. */
struct hgl_secret;
int hgl_secret_create(const uint8_t bytes[HGL_SEED_SIZE], struct hgl_secret **out,
                      struct hgl_err *err) HGL_NODISCARD;
void hgl_secret_destroy(struct hgl_secret *secret); /* NULL is allowed */
void hgl_secret_bytes(const struct hgl_secret *secret, uint8_t out[HGL_SEED_SIZE]);
/* `context` has 8 characters. */
void hgl_secret_derive(const struct hgl_secret *secret, uint64_t number, const char *context,
                       uint8_t out[HGL_SEED_SIZE]);

/* Strict (RFC 8032 §5.1.7 with S < L; small-order and non-canonical keys and R are refused).
 * HGL_BAD_SIGNATURE. */
int hgl_verify(const struct hgl_key *key, struct hgl_bytes message,
               const uint8_t signature[HGL_SIGNATURE_SIZE], struct hgl_err *err) HGL_NODISCARD;
/* HGL_BAD_KEY unless the key is canonical and of full order. */
int hgl_key_check(const struct hgl_key *key, struct hgl_err *err) HGL_NODISCARD;
static inline bool hgl_key_equal(const struct hgl_key *a, const struct hgl_key *b)
{
  return memcmp(a->bytes, b->bytes, HGL_KEY_SIZE) == 0;
}
static inline bool hgl_hash_equal(const struct hgl_hash *a, const struct hgl_hash *b)
{
  return memcmp(a->bytes, b->bytes, HGL_HASH_SIZE) == 0;
}
static inline struct hgl_bytes hgl_key_bytes(const struct hgl_key *key)
{
  return hgl_bytes(key->bytes, HGL_KEY_SIZE);
}

/* SHA-256 over the pieces as if they were one (SHA-NI where the processor has it). */
void hgl_sha256(const struct hgl_bytes *pieces, size_t count, struct hgl_hash *out);
void hgl_hmac_sha256(struct hgl_bytes key, const struct hgl_bytes *pieces, size_t count,
                     struct hgl_hash *out);

/* The longer ones (FIPS 180-4, RFC 2104), of one piece. */
enum { HGL_SHA512_SIZE = 64 };
void hgl_sha512(struct hgl_bytes bytes, uint8_t out[HGL_SHA512_SIZE]);
void hgl_hmac_sha512(struct hgl_bytes key, struct hgl_bytes bytes, uint8_t out[HGL_SHA512_SIZE]);
/* In a time that depends on the sizes only. */
bool hgl_equal_secretly(struct hgl_bytes a, struct hgl_bytes b);

/* X25519 (RFC 7748). HGL_BAD_KEY when the shared secret is all zero. */
void hgl_x25519_public(const uint8_t secret[32], uint8_t out[32]);
int hgl_x25519(const uint8_t secret[32], const uint8_t public_key[32], uint8_t out[32],
               struct hgl_err *err) HGL_NODISCARD;

/* ChaCha20-Poly1305 (RFC 8439), tag appended. `out` holds size + 16 (seal) or size - 16 (open)
 * bytes and may be the input itself. HGL_BAD_RECORD. */
void hgl_aead_seal(const uint8_t key[32], const uint8_t nonce[12], struct hgl_bytes data,
                   struct hgl_bytes plain, uint8_t *out);
int hgl_aead_open(const uint8_t key[32], const uint8_t nonce[12], struct hgl_bytes data,
                  struct hgl_bytes sealed, uint8_t *out, struct hgl_err *err) HGL_NODISCARD;

/* Argon2id (RFC 9106) from a passphrase, "moderate" cost: seconds and 256 MiB are the caller's to
 * choose. `salt` is 16 bytes. HGL_NO_MEMORY. */
int hgl_passphrase_key(struct hgl_bytes passphrase, const uint8_t salt[16], uint64_t operations,
                       size_t memory_bytes, uint8_t out[32], struct hgl_err *err) HGL_NODISCARD;

void hgl_wipe(void *secret, size_t size);

#endif
