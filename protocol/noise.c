#include "protocol/noise.h"

#include <assert.h>

/* Exactly HASHLEN bytes, so that it is the first handshake hash as it stands (§5.2). */
static const char protocol_name[] = "Noise_XX_25519_ChaChaPoly_SHA256";
_Static_assert(sizeof protocol_name - 1 == HGL_HASH_SIZE, "else it has to be hashed");

/* The highest counter is reserved (§5.1). */
#define COUNTER_END UINT64_MAX

static void make_nonce(uint64_t counter, uint8_t nonce[12])
{
  memset(nonce, 0, 4);
  for (int i = 0; i < 8; i++, counter >>= 8) nonce[4 + i] = (uint8_t)counter;
}

/* HKDF with two outputs (§4.3). */
static void derive(const uint8_t chaining_key[32], struct hgl_bytes input, uint8_t first[32],
                   uint8_t second[32])
{
  struct hgl_hash temporary, one, two;
  hgl_hmac_sha256(hgl_bytes(chaining_key, 32), &input, 1, &temporary);
  struct hgl_bytes key = hgl_bytes(temporary.bytes, sizeof temporary.bytes);
  hgl_hmac_sha256(key, &(struct hgl_bytes){(const uint8_t *)"\x01", 1}, 1, &one);
  struct hgl_bytes pieces[] = {{one.bytes, sizeof one.bytes}, {(const uint8_t *)"\x02", 1}};
  hgl_hmac_sha256(key, pieces, 2, &two);
  memcpy(first, one.bytes, 32);
  memcpy(second, two.bytes, 32);
  hgl_wipe(&temporary, sizeof temporary);
  hgl_wipe(&one, sizeof one);
  hgl_wipe(&two, sizeof two);
}

static void mix_hash(struct hgl_noise *noise, struct hgl_bytes data)
{
  struct hgl_bytes pieces[] = {{noise->hash.bytes, sizeof noise->hash.bytes}, data};
  struct hgl_hash mixed;
  hgl_sha256(pieces, 2, &mixed);
  noise->hash = mixed;
}

static int mix_shared_key(struct hgl_noise *noise, const uint8_t secret[32],
                          const uint8_t public_key[32], struct hgl_err *err)
{
  uint8_t shared[32];
  if (hgl_x25519(secret, public_key, shared, NULL) != 0)
    return hgl_fail(err, HGL_HANDSHAKE, "the peer's Diffie-Hellman key is of small order");
  derive(noise->chaining_key, hgl_bytes(shared, sizeof shared), noise->chaining_key,
         noise->cipher.key);
  noise->cipher.counter = 0;
  noise->has_key = true;
  hgl_wipe(shared, sizeof shared);
  return 0;
}

static void encrypt_and_hash(struct hgl_noise *noise, struct hgl_bytes plain, struct hgl_buf *out)
{
  size_t size = plain.size + (noise->has_key ? HGL_AEAD_TAG_SIZE : 0);
  uint8_t *end = hgl_buf_reserve(out, size);
  if (!end) return;
  if (noise->has_key) {
    uint8_t nonce[12];
    make_nonce(noise->cipher.counter++, nonce);
    hgl_aead_seal(noise->cipher.key, nonce, hgl_bytes(noise->hash.bytes, HGL_HASH_SIZE), plain,
                  end);
  } else if (size) {
    memcpy(end, plain.data, size);
  }
  hgl_buf_extend(out, size);
  mix_hash(noise, hgl_bytes(end, size));
}

/* Takes `size` bytes off the front of the message, decrypts them when there is a key, appends. */
static int decrypt_and_hash(struct hgl_noise *noise, struct hgl_bytes *message, size_t size,
                            struct hgl_buf *out, struct hgl_err *err)
{
  size_t tag = noise->has_key ? HGL_AEAD_TAG_SIZE : 0;
  if (size < tag || message->size < size)
    return hgl_fail(err, HGL_HANDSHAKE, "handshake message %d is too short", noise->messages + 1);
  struct hgl_bytes sealed = hgl_bytes(message->data, size);
  uint8_t *end = hgl_buf_reserve(out, size - tag);
  if (!end) return hgl_buf_check(out, err);
  if (noise->has_key) {
    uint8_t nonce[12];
    make_nonce(noise->cipher.counter++, nonce);
    if (hgl_aead_open(noise->cipher.key, nonce, hgl_bytes(noise->hash.bytes, HGL_HASH_SIZE), sealed,
                      end, NULL) != 0)
      return hgl_fail(err, HGL_HANDSHAKE, "handshake message %d does not decrypt",
                      noise->messages + 1);
  } else if (size) {
    memcpy(end, sealed.data, size);
  }
  hgl_buf_extend(out, size - tag);
  mix_hash(noise, sealed);
  message->data += size;
  message->size -= size;
  return 0;
}

static int read_key(struct hgl_noise *noise, struct hgl_bytes *message, uint8_t out[32],
                    struct hgl_err *err)
{
  struct hgl_buf key;
  hgl_buf_init(&key, 32);
  int status = decrypt_and_hash(noise, message, 32 + (noise->has_key ? HGL_AEAD_TAG_SIZE : 0), &key,
                                err);
  if (status == 0) memcpy(out, key.data, 32);
  hgl_buf_deinit(&key);
  return status;
}

/* The Diffie-Hellman tokens seen from both sides: "es" is between the initiator's ephemeral and the
 * responder's static key, "se" the other way round. */
static int mix_ee(struct hgl_noise *noise, struct hgl_err *err)
{
  return mix_shared_key(noise, noise->ephemeral_secret, noise->remote_ephemeral, err);
}

static int mix_es(struct hgl_noise *noise, struct hgl_err *err)
{
  return noise->initiator
             ? mix_shared_key(noise, noise->ephemeral_secret, noise->remote_static, err)
             : mix_shared_key(noise, noise->static_secret, noise->remote_ephemeral, err);
}

static int mix_se(struct hgl_noise *noise, struct hgl_err *err)
{
  return noise->initiator
             ? mix_shared_key(noise, noise->static_secret, noise->remote_ephemeral, err)
             : mix_shared_key(noise, noise->ephemeral_secret, noise->remote_static, err);
}

static void write_ephemeral(struct hgl_noise *noise, const struct hgl_random *random,
                            struct hgl_buf *out)
{
  hgl_random_fill(random, noise->ephemeral_secret, sizeof noise->ephemeral_secret);
  hgl_x25519_public(noise->ephemeral_secret, noise->ephemeral_public);
  struct hgl_bytes key = hgl_bytes(noise->ephemeral_public, 32);
  hgl_buf_append_bytes(out, key);
  mix_hash(noise, key);
}

static int read_ephemeral(struct hgl_noise *noise, struct hgl_bytes *message, struct hgl_err *err)
{
  if (message->size < 32)
    return hgl_fail(err, HGL_HANDSHAKE, "handshake message %d is too short", noise->messages + 1);
  memcpy(noise->remote_ephemeral, message->data, 32);
  mix_hash(noise, hgl_bytes(message->data, 32));
  message->data += 32;
  message->size -= 32;
  return 0;
}

static void write_static(struct hgl_noise *noise, struct hgl_buf *out)
{
  encrypt_and_hash(noise, hgl_bytes(noise->static_public, 32), out);
}

void hgl_noise_init(struct hgl_noise *noise, bool initiator, struct hgl_bytes prologue,
                    const uint8_t static_secret[32])
{
  memset(noise, 0, sizeof *noise);
  noise->initiator = initiator;
  memcpy(noise->hash.bytes, protocol_name, HGL_HASH_SIZE);
  memcpy(noise->chaining_key, protocol_name, HGL_HASH_SIZE);
  memcpy(noise->static_secret, static_secret, 32);
  hgl_x25519_public(static_secret, noise->static_public);
  mix_hash(noise, prologue);
}

void hgl_noise_deinit(struct hgl_noise *noise)
{
  hgl_wipe(noise, sizeof *noise);
}

bool hgl_noise_is_done(const struct hgl_noise *noise)
{
  return noise->messages == HGL_NOISE_MESSAGES;
}

bool hgl_noise_is_our_turn(const struct hgl_noise *noise)
{
  return !hgl_noise_is_done(noise) && (noise->messages % 2 == 0) == noise->initiator;
}

int hgl_noise_write(struct hgl_noise *noise, const struct hgl_random *random,
                    struct hgl_bytes payload, struct hgl_buf *out, struct hgl_err *err)
{
  assert(hgl_noise_is_our_turn(noise));
  size_t before = out->size;
  int status = 0;
  switch (noise->messages) {
  case 0:
    write_ephemeral(noise, random, out);
    break;
  case 1:
    write_ephemeral(noise, random, out);
    if ((status = mix_ee(noise, err)) != 0) return status;
    write_static(noise, out);
    if ((status = mix_es(noise, err)) != 0) return status;
    break;
  default:
    write_static(noise, out);
    if ((status = mix_se(noise, err)) != 0) return status;
  }
  encrypt_and_hash(noise, payload, out);
  if ((status = hgl_buf_check(out, err)) != 0) return status;
  if (out->size - before > HGL_NOISE_MESSAGE_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "handshake message of %zu bytes", out->size - before);
  noise->messages++;
  return 0;
}

int hgl_noise_read(struct hgl_noise *noise, struct hgl_bytes message, struct hgl_buf *payload,
                   struct hgl_err *err)
{
  if (hgl_noise_is_done(noise) || hgl_noise_is_our_turn(noise))
    return hgl_fail(err, HGL_HANDSHAKE, "a handshake message out of turn");
  if (message.size > HGL_NOISE_MESSAGE_SIZE_MAX)
    return hgl_fail(err, HGL_HANDSHAKE, "handshake message of %zu bytes", message.size);
  int status = 0;
  switch (noise->messages) {
  case 0:
    if ((status = read_ephemeral(noise, &message, err)) != 0) return status;
    break;
  case 1:
    if ((status = read_ephemeral(noise, &message, err)) != 0) return status;
    if ((status = mix_ee(noise, err)) != 0) return status;
    if ((status = read_key(noise, &message, noise->remote_static, err)) != 0) return status;
    if ((status = mix_es(noise, err)) != 0) return status;
    break;
  default:
    if ((status = read_key(noise, &message, noise->remote_static, err)) != 0) return status;
    if ((status = mix_se(noise, err)) != 0) return status;
  }
  status = decrypt_and_hash(noise, &message, message.size, payload, err);
  if (status != 0) return status;
  noise->messages++;
  return 0;
}

void hgl_noise_split(const struct hgl_noise *noise, struct hgl_noise_cipher *send,
                     struct hgl_noise_cipher *receive)
{
  assert(hgl_noise_is_done(noise));
  struct hgl_noise_cipher *forth = noise->initiator ? send : receive;
  struct hgl_noise_cipher *back = noise->initiator ? receive : send;
  derive(noise->chaining_key, hgl_bytes(NULL, 0), forth->key, back->key);
  forth->counter = back->counter = 0;
}

int hgl_noise_seal(struct hgl_noise_cipher *cipher, struct hgl_bytes plain, uint8_t *out,
                   struct hgl_err *err)
{
  assert(plain.size <= HGL_NOISE_MESSAGE_SIZE_MAX - HGL_AEAD_TAG_SIZE);
  if (cipher->counter == COUNTER_END)
    return hgl_fail(err, HGL_LIMIT, "every message number of this session is spent");
  uint8_t nonce[12];
  make_nonce(cipher->counter++, nonce);
  hgl_aead_seal(cipher->key, nonce, hgl_bytes(NULL, 0), plain, out);
  return 0;
}

int hgl_noise_open(struct hgl_noise_cipher *cipher, struct hgl_bytes sealed, uint8_t *out,
                   struct hgl_err *err)
{
  if (sealed.size < HGL_AEAD_TAG_SIZE || sealed.size > HGL_NOISE_MESSAGE_SIZE_MAX)
    return hgl_fail(err, HGL_BAD_RECORD, "a record of %zu bytes", sealed.size);
  if (cipher->counter == COUNTER_END)
    return hgl_fail(err, HGL_BAD_RECORD, "every message number of this session is spent");
  uint8_t nonce[12];
  make_nonce(cipher->counter, nonce);
  int status = hgl_aead_open(cipher->key, nonce, hgl_bytes(NULL, 0), sealed, out, err);
  if (status == 0) cipher->counter++;
  return status;
}
