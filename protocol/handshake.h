/* The handshake of a link: Noise XX with prologue "haggle.v1", whose second and third message carry
 * CBOR {1: identity (key), 2: signature (64 bytes)}: the Ed25519 signature of the identity over
 * "haggle-noise-static-key:" ‖ the sender's Noise static key. Both ends know each other after it.
 *
 * The static key is made anew for each handshake; it is the identity that lasts. */
#ifndef HGL_PROTOCOL_HANDSHAKE_H
#define HGL_PROTOCOL_HANDSHAKE_H

#include "protocol/noise.h"

enum { HGL_HANDSHAKE_SIZE_MAX = 1024 }; /* bytes of one handshake message */

struct hgl_handshake {
  struct hgl_noise noise;
  const struct hgl_signer *host;
  const struct hgl_random *random;
  bool has_expected;
  struct hgl_key expected;
  struct hgl_key peer; /* known once done */
};

/* `host` and `random` are borrowed until deinit; `expected` may be NULL: any peer. */
void hgl_handshake_init(struct hgl_handshake *handshake, bool initiator,
                        const struct hgl_signer *host, const struct hgl_key *expected,
                        const struct hgl_random *random);
void hgl_handshake_deinit(struct hgl_handshake *handshake); /* wipes */

/* The initiator's first message. Appends. */
int hgl_handshake_start(struct hgl_handshake *handshake, struct hgl_buf *out,
                        struct hgl_err *err) HGL_NODISCARD;
/* Takes the peer's message and appends the answer, if there is one. A peer that is not the expected
 * one is told nothing about us when we are the initiator. HGL_HANDSHAKE; HGL_WRONG_PEER, also when
 * the peer is this host itself; HGL_NO_MEMORY. */
int hgl_handshake_receive(struct hgl_handshake *handshake, struct hgl_bytes message,
                          struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
static inline bool hgl_handshake_is_done(const struct hgl_handshake *handshake)
{
  return hgl_noise_is_done(&handshake->noise);
}

#endif
