#include "protocol/handshake.h"

#include "protocol/cbor.h"
#include "protocol/did.h"

static const char prologue[] = "haggle.v1";
static const char domain[] = "haggle-noise-static-key:";

enum {
  DOMAIN_SIZE = sizeof domain - 1,
  SIGNED_SIZE = DOMAIN_SIZE + 32,
  FIELD_IDENTITY = 1,
  FIELD_SIGNATURE = 2,
  PAIRS_MAX = 8, /* of a payload, unknown keys included */
};

static void signed_text(const uint8_t static_key[32], uint8_t out[SIGNED_SIZE])
{
  memcpy(out, domain, DOMAIN_SIZE);
  memcpy(out + DOMAIN_SIZE, static_key, 32);
}

void hgl_handshake_init(struct hgl_handshake *handshake, bool initiator,
                        const struct hgl_signer *host, const struct hgl_key *expected,
                        const struct hgl_random *random)
{
  memset(handshake, 0, sizeof *handshake);
  handshake->host = host;
  handshake->random = random;
  handshake->has_expected = expected != NULL;
  if (expected) handshake->expected = *expected;
  uint8_t secret[32];
  hgl_random_fill(random, secret, sizeof secret);
  hgl_noise_init(&handshake->noise, initiator, hgl_text(prologue), secret);
  hgl_wipe(secret, sizeof secret);
}

void hgl_handshake_deinit(struct hgl_handshake *handshake)
{
  hgl_noise_deinit(&handshake->noise);
}

int hgl_handshake_start(struct hgl_handshake *handshake, struct hgl_buf *out, struct hgl_err *err)
{
  return hgl_noise_write(&handshake->noise, handshake->random, hgl_bytes(NULL, 0), out, err);
}

/* The second or third message: with our identity. */
static int write_identity(struct hgl_handshake *handshake, struct hgl_buf *out, struct hgl_err *err)
{
  uint8_t text[SIGNED_SIZE], signature[HGL_SIGNATURE_SIZE];
  signed_text(handshake->noise.static_public, text);
  hgl_signer_sign(handshake->host, hgl_bytes(text, sizeof text), signature);
  struct hgl_buf payload;
  hgl_buf_init(&payload, HGL_HANDSHAKE_SIZE_MAX);
  hgl_cbor_put_map(&payload, 2);
  hgl_cbor_put_uint(&payload, FIELD_IDENTITY);
  hgl_cbor_put_bytes(&payload, hgl_key_bytes(hgl_signer_key(handshake->host)));
  hgl_cbor_put_uint(&payload, FIELD_SIGNATURE);
  hgl_cbor_put_bytes(&payload, hgl_bytes(signature, sizeof signature));
  int status = hgl_buf_check(&payload, err);
  if (status == 0)
    status = hgl_noise_write(&handshake->noise, handshake->random, hgl_buf_bytes(&payload), out,
                             err);
  hgl_buf_deinit(&payload);
  return status;
}

struct identity {
  struct hgl_key key;
  uint8_t signature[HGL_SIGNATURE_SIZE];
};

static int decode_identity(struct hgl_bytes payload, struct identity *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(payload);
  size_t pairs = 0;
  int64_t previous = INT64_MIN, key;
  bool has_key = false, has_signature = false;
  int status = hgl_cbor_get_map(&in, "handshake payload", PAIRS_MAX, &pairs, err);
  for (size_t i = 0; i < pairs && status == 0; i++) {
    status = hgl_cbor_get_key(&in, "handshake payload", &previous, &key, err);
    if (status != 0) break;
    if (key == FIELD_IDENTITY) {
      status = hgl_cbor_get_fixed(&in, "identity", out->key.bytes, HGL_KEY_SIZE, err);
      has_key = true;
    } else if (key == FIELD_SIGNATURE) {
      status = hgl_cbor_get_fixed(&in, "signature", out->signature, HGL_SIGNATURE_SIZE, err);
      has_signature = true;
    } else {
      struct hgl_bytes unknown;
      status = hgl_cbor_get_value(&in, "unknown field", &unknown, err);
    }
  }
  if (status == 0) status = hgl_cbor_end(&in, "handshake payload", err);
  if (status == 0 && !(has_key && has_signature))
    status = hgl_fail(err, HGL_MALFORMED, "handshake payload without identity or signature");
  return status;
}

static int check_peer(const struct hgl_handshake *handshake, const struct hgl_key *peer,
                      struct hgl_err *err)
{
  if (hgl_key_equal(peer, hgl_signer_key(handshake->host)))
    return hgl_fail(err, HGL_WRONG_PEER, "the peer is this host itself");
  if (handshake->has_expected && !hgl_key_equal(peer, &handshake->expected)) {
    char found[HGL_DID_TEXT_SIZE], expected[HGL_DID_TEXT_SIZE];
    hgl_did_format(peer, found);
    hgl_did_format(&handshake->expected, expected);
    return hgl_fail(err, HGL_WRONG_PEER, "%s answered where %s was expected", found, expected);
  }
  return 0;
}

static int read_identity(struct hgl_handshake *handshake, struct hgl_bytes payload,
                         struct hgl_err *err)
{
  struct identity identity;
  if (decode_identity(payload, &identity, err) != 0)
    return hgl_fail(err, HGL_HANDSHAKE, "the peer's payload is not an identity");
  int status = check_peer(handshake, &identity.key, err);
  if (status != 0) return status;
  uint8_t text[SIGNED_SIZE];
  signed_text(handshake->noise.remote_static, text);
  if (hgl_verify(&identity.key, hgl_bytes(text, sizeof text), identity.signature, NULL) != 0)
    return hgl_fail(err, HGL_HANDSHAKE, "the peer's identity did not sign its Noise key");
  handshake->peer = identity.key;
  return 0;
}

int hgl_handshake_receive(struct hgl_handshake *handshake, struct hgl_bytes message,
                          struct hgl_buf *out, struct hgl_err *err)
{
  if (message.size > HGL_HANDSHAKE_SIZE_MAX)
    return hgl_fail(err, HGL_HANDSHAKE, "a handshake message of %zu bytes, limit %d", message.size,
                    HGL_HANDSHAKE_SIZE_MAX);
  bool has_identity = handshake->noise.messages > 0;
  struct hgl_buf payload;
  hgl_buf_init(&payload, HGL_HANDSHAKE_SIZE_MAX);
  int status = hgl_noise_read(&handshake->noise, message, &payload, err);
  if (status == 0 && has_identity) status = read_identity(handshake, hgl_buf_bytes(&payload), err);
  if (status == 0 && !hgl_handshake_is_done(handshake))
    status = write_identity(handshake, out, err);
  hgl_buf_deinit(&payload);
  return status;
}
