#include "protocol/did.h"

#include <assert.h>

/* multibase "z" (base58btc) over multicodec 0xed01 (ed25519-pub) and the key. That prefix makes the
 * number large enough to need all 47 digits, so that each key has one text and no other. */
enum { PAYLOAD_SIZE = 2 + HGL_KEY_SIZE, DIGITS = 47 };

static const char scheme[] = "did:key:z";
static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

static_assert(sizeof scheme - 1 + DIGITS + 1 == HGL_DID_TEXT_SIZE, "size of a did:key");

void hgl_did_format(const struct hgl_key *key, char out[HGL_DID_TEXT_SIZE])
{
  uint8_t number[PAYLOAD_SIZE] = {0xed, 0x01};
  memcpy(number + 2, key->bytes, HGL_KEY_SIZE);
  memcpy(out, scheme, sizeof scheme - 1);
  char *digits = out + sizeof scheme - 1;
  for (int i = DIGITS - 1; i >= 0; i--) {
    unsigned rest = 0;
    for (size_t j = 0; j < sizeof number; j++) {
      rest = rest << 8 | number[j];
      number[j] = (uint8_t)(rest / 58);
      rest %= 58;
    }
    digits[i] = alphabet[rest];
  }
  digits[DIGITS] = 0;
}

/* number = number * 58 + digit; false when it no longer fits. */
static bool push_digit(uint8_t number[PAYLOAD_SIZE], unsigned digit)
{
  unsigned carry = digit;
  for (int j = PAYLOAD_SIZE - 1; j >= 0; j--) {
    carry += number[j] * 58u;
    number[j] = (uint8_t)carry;
    carry >>= 8;
  }
  return carry == 0;
}

int hgl_did_decode(struct hgl_bytes text, struct hgl_key *out, struct hgl_err *err)
{
  if (text.size != HGL_DID_TEXT_SIZE - 1 || memcmp(text.data, scheme, sizeof scheme - 1) != 0)
    return hgl_fail(err, HGL_MALFORMED,
                    "\"%.*s\" is no did:key of an Ed25519 key (\"did:key:z6Mk…\")",
                    (int)(text.size < 80 ? text.size : 80), (const char *)text.data);
  uint8_t number[PAYLOAD_SIZE] = {0};
  for (size_t i = sizeof scheme - 1; i < text.size; i++) {
    const char *digit = text.data[i] ? strchr(alphabet, text.data[i]) : NULL;
    if (!digit || !push_digit(number, (unsigned)(digit - alphabet)))
      return hgl_fail(err, HGL_MALFORMED, "the did:key is not valid base58 at character %zu",
                      i + 1);
  }
  if (number[0] != 0xed || number[1] != 0x01)
    return hgl_fail(err, HGL_MALFORMED, "the did:key is not of an Ed25519 key");
  memcpy(out->bytes, number + 2, HGL_KEY_SIZE);
  return 0;
}

int hgl_did_parse(struct hgl_bytes text, struct hgl_key *out, struct hgl_err *err)
{
  struct hgl_key key;
  int status = hgl_did_decode(text, &key, err);
  if (!status) status = hgl_key_check(&key, err);
  if (!status) *out = key;
  return status;
}
