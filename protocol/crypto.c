/* The low-level SHA-256 interface is deprecated in OpenSSL 3 in favour of one that allocates and
 * looks up its algorithm on every use; for hashing a leaf of 600 bytes that costs more than the
 * hash itself. */
#define OPENSSL_API_COMPAT 0x10100000L
#define OPENSSL_SUPPRESS_DEPRECATED

#include "protocol/crypto.h"

#include <assert.h>
#include <errno.h>
#include <openssl/sha.h>
#include <sodium.h>

struct hgl_signer {
  uint8_t secret[crypto_sign_SECRETKEYBYTES]; /* seed, then public key, as libsodium keeps it */
  struct hgl_key key;
};

struct hgl_secret {
  uint8_t bytes[crypto_kdf_KEYBYTES];
};

static_assert(HGL_KEY_SIZE == crypto_sign_PUBLICKEYBYTES, "Ed25519 public key");
static_assert(HGL_KEY_SIZE == crypto_scalarmult_BYTES, "X25519 public key");
static_assert(HGL_SEED_SIZE == crypto_sign_SEEDBYTES, "Ed25519 seed");
static_assert(HGL_SEED_SIZE == crypto_kdf_KEYBYTES, "a secret to derive from");
static_assert(HGL_SEED_SIZE <= crypto_kdf_BYTES_MAX, "a seed that is derived");
static_assert(HGL_SIGNATURE_SIZE == crypto_sign_BYTES, "Ed25519 signature");
static_assert(HGL_HASH_SIZE == SHA256_DIGEST_LENGTH, "SHA-256");
static_assert(HGL_AEAD_TAG_SIZE == crypto_aead_chacha20poly1305_ietf_ABYTES, "Poly1305 tag");

int hgl_crypto_init(struct hgl_err *err)
{
  if (sodium_init() < 0) return hgl_fail(err, HGL_INTERNAL, "libsodium cannot be initialised");
  return 0;
}

void hgl_wipe(void *secret, size_t size)
{
  sodium_memzero(secret, size);
}

/* Ed25519 ----------------------------------------------------------------------------------- */

int hgl_signer_create(const uint8_t seed[HGL_SEED_SIZE], struct hgl_signer **out,
                      struct hgl_err *err)
{
  struct hgl_signer *signer = sodium_malloc(sizeof *signer);
  if (!signer) return hgl_fail(err, HGL_NO_MEMORY, "no locked memory for a signing key");
  crypto_sign_seed_keypair(signer->key.bytes, signer->secret, seed);
  sodium_mprotect_readonly(signer);
  *out = signer;
  return 0;
}

void hgl_signer_destroy(struct hgl_signer *signer)
{
  sodium_free(signer); /* wipes */
}

const struct hgl_key *hgl_signer_key(const struct hgl_signer *signer)
{
  return &signer->key;
}

void hgl_signer_seed(const struct hgl_signer *signer, uint8_t out[HGL_SEED_SIZE])
{
  crypto_sign_ed25519_sk_to_seed(out, signer->secret);
}

void hgl_signer_sign(const struct hgl_signer *signer, struct hgl_bytes message,
                     uint8_t out[HGL_SIGNATURE_SIZE])
{
  crypto_sign_detached(out, NULL, message.data, message.size, signer->secret);
}

int hgl_secret_create(const uint8_t bytes[HGL_SEED_SIZE], struct hgl_secret **out,
                      struct hgl_err *err)
{
  struct hgl_secret *secret = sodium_malloc(sizeof *secret);
  if (!secret) return hgl_fail(err, HGL_NO_MEMORY, "no locked memory for a secret");
  memcpy(secret->bytes, bytes, sizeof secret->bytes);
  sodium_mprotect_readonly(secret);
  *out = secret;
  return 0;
}

void hgl_secret_destroy(struct hgl_secret *secret)
{
  sodium_free(secret); /* wipes */
}

void hgl_secret_bytes(const struct hgl_secret *secret, uint8_t out[HGL_SEED_SIZE])
{
  memcpy(out, secret->bytes, sizeof secret->bytes);
}

void hgl_secret_derive(const struct hgl_secret *secret, uint64_t number, const char *context,
                       uint8_t out[HGL_SEED_SIZE])
{
  assert(strlen(context) == crypto_kdf_CONTEXTBYTES);
  crypto_kdf_derive_from_key(out, HGL_SEED_SIZE, number, context, secret->bytes);
}

/* libsodium refuses S >= L, a small-order R or A and a non-canonical A; a non-canonical R fails
 * because it compares encodings. The tests hold it to each of these. */
int hgl_verify(const struct hgl_key *key, struct hgl_bytes message,
               const uint8_t signature[HGL_SIGNATURE_SIZE], struct hgl_err *err)
{
  if (crypto_sign_verify_detached(signature, message.data, message.size, key->bytes) != 0)
    return hgl_fail(err, HGL_BAD_SIGNATURE, "the signature does not verify");
  return 0;
}

int hgl_key_check(const struct hgl_key *key, struct hgl_err *err)
{
  if (!crypto_core_ed25519_is_valid_point(key->bytes))
    return hgl_fail(err, HGL_BAD_KEY, "not a canonical Ed25519 public key of full order");
  return 0;
}

/* Hashes ------------------------------------------------------------------------------------ */

void hgl_sha256(const struct hgl_bytes *pieces, size_t count, struct hgl_hash *out)
{
  SHA256_CTX hash;
  SHA256_Init(&hash);
  for (size_t i = 0; i < count; i++) SHA256_Update(&hash, pieces[i].data, pieces[i].size);
  SHA256_Final(out->bytes, &hash);
}

void hgl_hmac_sha256(struct hgl_bytes key, const struct hgl_bytes *pieces, size_t count,
                     struct hgl_hash *out)
{
  crypto_auth_hmacsha256_state hmac;
  crypto_auth_hmacsha256_init(&hmac, key.data, key.size);
  for (size_t i = 0; i < count; i++)
    crypto_auth_hmacsha256_update(&hmac, pieces[i].data, pieces[i].size);
  crypto_auth_hmacsha256_final(&hmac, out->bytes);
  sodium_memzero(&hmac, sizeof hmac);
}

void hgl_sha512(struct hgl_bytes bytes, uint8_t out[HGL_SHA512_SIZE])
{
  crypto_hash_sha512(out, bytes.data, bytes.size);
}

void hgl_hmac_sha512(struct hgl_bytes key, struct hgl_bytes bytes, uint8_t out[HGL_SHA512_SIZE])
{
  crypto_auth_hmacsha512_state hmac;
  crypto_auth_hmacsha512_init(&hmac, key.data, key.size);
  crypto_auth_hmacsha512_update(&hmac, bytes.data, bytes.size);
  crypto_auth_hmacsha512_final(&hmac, out);
  sodium_memzero(&hmac, sizeof hmac);
}

bool hgl_equal_secretly(struct hgl_bytes a, struct hgl_bytes b)
{
  return a.size == b.size && (a.size == 0 || sodium_memcmp(a.data, b.data, a.size) == 0);
}

int hgl_passphrase_key(struct hgl_bytes passphrase, const uint8_t salt[16], uint64_t operations,
                       size_t memory_bytes, uint8_t out[32], struct hgl_err *err)
{
  if (crypto_pwhash(out, 32, (const char *)passphrase.data, passphrase.size, salt, operations,
                    memory_bytes, crypto_pwhash_ALG_ARGON2ID13) == 0)
    return 0;
  if (errno == ENOMEM)
    return hgl_fail(err, HGL_NO_MEMORY, "no %zu bytes for deriving a key from a passphrase",
                    memory_bytes);
  return hgl_fail(err, HGL_INVALID, "the cost of the passphrase is out of range");
}

/* Secret channel ---------------------------------------------------------------------------- */

void hgl_x25519_public(const uint8_t secret[32], uint8_t out[32])
{
  crypto_scalarmult_base(out, secret);
}

int hgl_x25519(const uint8_t secret[32], const uint8_t public_key[32], uint8_t out[32],
               struct hgl_err *err)
{
  uint8_t shared[32];
  int failed = crypto_scalarmult(shared, secret, public_key);
  if (!failed) memcpy(out, shared, sizeof shared);
  sodium_memzero(shared, sizeof shared);
  if (failed) return hgl_fail(err, HGL_BAD_KEY, "an X25519 key of small order");
  return 0;
}

void hgl_aead_seal(const uint8_t key[32], const uint8_t nonce[12], struct hgl_bytes data,
                   struct hgl_bytes plain, uint8_t *out)
{
  crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain.data, plain.size, data.data, data.size,
                                            NULL, nonce, key);
}

int hgl_aead_open(const uint8_t key[32], const uint8_t nonce[12], struct hgl_bytes data,
                  struct hgl_bytes sealed, uint8_t *out, struct hgl_err *err)
{
  if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.size,
                                                data.data, data.size, nonce, key) != 0)
    return hgl_fail(err, HGL_BAD_RECORD, "the record does not decrypt");
  return 0;
}
