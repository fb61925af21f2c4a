/* Noise_XX_25519_ChaChaPoly_SHA256 (The Noise Protocol Framework, revision 34): pure functions on
 * buffers. A handshake is three messages; hgl_noise_split then gives one cipher per direction.
 *
 *   -> e
 *   <- e, ee, s, es
 *   -> s, se */
#ifndef HGL_PROTOCOL_NOISE_H
#define HGL_PROTOCOL_NOISE_H

#include "base/buf.h"
#include "base/seam.h"
#include "protocol/crypto.h"

enum {
  HGL_NOISE_MESSAGE_SIZE_MAX = 65535,
  HGL_NOISE_MESSAGES = 3, /* of one handshake */
};

/* One direction of a transport; also the cipher inside a handshake. */
struct hgl_noise_cipher {
  uint8_t key[32];
  uint64_t counter; /* of the next message */
};

struct hgl_noise {
  uint8_t chaining_key[HGL_HASH_SIZE];
  struct hgl_hash hash;
  struct hgl_noise_cipher cipher;
  bool has_key;
  bool initiator;
  int messages; /* written and read so far */
  uint8_t static_secret[32], static_public[32];
  uint8_t ephemeral_secret[32], ephemeral_public[32];
  uint8_t remote_static[32], remote_ephemeral[32];
};

void hgl_noise_init(struct hgl_noise *noise, bool initiator, struct hgl_bytes prologue,
                    const uint8_t static_secret[32]);
void hgl_noise_deinit(struct hgl_noise *noise); /* wipes */

/* Whether the next message is ours to write; false once all are through. */
bool hgl_noise_is_our_turn(const struct hgl_noise *noise);
bool hgl_noise_is_done(const struct hgl_noise *noise);

/* The next handshake message with this payload is appended to `out`; the ephemeral key comes from
 * `random`. After any failure the handshake is lost. HGL_HANDSHAKE, HGL_TOO_LARGE, HGL_NO_MEMORY.
 */
int hgl_noise_write(struct hgl_noise *noise, const struct hgl_random *random,
                    struct hgl_bytes payload, struct hgl_buf *out,
                    struct hgl_err *err) HGL_NODISCARD;
/* Reads the peer's next message; appends its payload. HGL_HANDSHAKE, HGL_NO_MEMORY. */
int hgl_noise_read(struct hgl_noise *noise, struct hgl_bytes message, struct hgl_buf *payload,
                   struct hgl_err *err) HGL_NODISCARD;
/* Only when done. */
void hgl_noise_split(const struct hgl_noise *noise, struct hgl_noise_cipher *send,
                     struct hgl_noise_cipher *receive);

/* `out` holds plain.size + HGL_AEAD_TAG_SIZE bytes and may be the input. HGL_LIMIT when the counter
 * is spent. */
int hgl_noise_seal(struct hgl_noise_cipher *cipher, struct hgl_bytes plain, uint8_t *out,
                   struct hgl_err *err) HGL_NODISCARD;
/* `out` holds sealed.size - HGL_AEAD_TAG_SIZE bytes and may be the input. HGL_BAD_RECORD. */
int hgl_noise_open(struct hgl_noise_cipher *cipher, struct hgl_bytes sealed, uint8_t *out,
                   struct hgl_err *err) HGL_NODISCARD;

#endif
