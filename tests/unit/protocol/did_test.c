#include "support/check.h"

#include "protocol/did.h"
#include "support/hex.h"

/* From the did:key specification's Ed25519 test vectors. */
static const char known_did[] = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
static const char known_key[] = "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";

static void did_formats_and_parses_the_known_key(void **state)
{
  struct hgl_err err = {0};
  struct hgl_key key, parsed;
  char text[HGL_DID_TEXT_SIZE];
  from_hex(known_key, key.bytes, 32);
  hgl_did_format(&key, text);
  assert_string_equal(text, known_did);
  assert_ok(hgl_did_parse(hgl_text(known_did), &parsed, &err));
  assert_true(hgl_key_equal(&key, &parsed));
}

static void did_round_trips_every_key(void **state)
{
  struct hgl_err err = {0};
  for (int i = 0; i < 200; i++) {
    uint8_t seed[HGL_SEED_SIZE] = {(uint8_t)i};
    struct hgl_signer *signer = NULL;
    assert_ok(hgl_signer_create(seed, &signer, &err));
    char text[HGL_DID_TEXT_SIZE];
    hgl_did_format(hgl_signer_key(signer), text);
    assert_int_equal(strlen(text), HGL_DID_TEXT_SIZE - 1);
    assert_memory_equal(text, "did:key:z6Mk", 12);
    struct hgl_key parsed;
    assert_ok(hgl_did_parse(hgl_text(text), &parsed, &err));
    assert_true(hgl_key_equal(&parsed, hgl_signer_key(signer)));
    hgl_signer_destroy(signer);
  }
}

static void did_parse_refuses_other_text(void **state)
{
  struct hgl_err err = {0};
  struct hgl_key key;
  static const char *const wrong[] = {
      "",
      "did:key:z",
      "did:web:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
      "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooW",
      "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWpp",
      "did:key:z16MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
      "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooW0", /* 0 is no base58 digit */
      "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWl",
      "did:key:z16MkTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
      "did:key:zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", /* more than 34 bytes */
      "did:key:z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc", /* X25519 */
      "did:key:Z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_fails(HGL_MALFORMED, hgl_did_parse(hgl_text(wrong[i]), &key, &err));
  char nul[HGL_DID_TEXT_SIZE];
  memcpy(nul, known_did, sizeof nul);
  nul[20] = 0;
  assert_fails(HGL_MALFORMED, hgl_did_parse(hgl_bytes(nul, sizeof nul - 1), &key, &err));
}

static void did_parse_refuses_a_key_of_small_order(void **state)
{
  struct hgl_err err = {0};
  struct hgl_key small = {{1}}, key;
  char text[HGL_DID_TEXT_SIZE];
  hgl_did_format(&small, text);
  assert_fails(HGL_BAD_KEY, hgl_did_parse(hgl_text(text), &key, &err));
}

static int setup(void **state)
{
  struct hgl_err err = {0};
  return hgl_crypto_init(&err);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(did_formats_and_parses_the_known_key),
      cmocka_unit_test(did_round_trips_every_key),
      cmocka_unit_test(did_parse_refuses_other_text),
      cmocka_unit_test(did_parse_refuses_a_key_of_small_order),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
