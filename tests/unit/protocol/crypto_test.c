#include "support/check.h"

#include "protocol/crypto.h"
#include "support/hex.h"

/* RFC 8032 §7.1, test 3. */
static const char seed_hex[] = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
static const char public_hex[] = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
static const char signature_hex[] =
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
static const uint8_t message[] = {0xaf, 0x82};

static struct hgl_signer *signer_of(const char *hex)
{
  struct hgl_err err = {0};
  uint8_t seed[HGL_SEED_SIZE];
  from_hex(hex, seed, sizeof seed);
  struct hgl_signer *signer = NULL;
  assert_ok(hgl_signer_create(seed, &signer, &err));
  return signer;
}

static void signer_signs_as_rfc_8032_says(void **state)
{
  struct hgl_err err = {0};
  uint8_t expected[64], got[64], seed[32];
  struct hgl_signer *signer = signer_of(seed_hex);
  from_hex(public_hex, expected, 32);
  assert_memory_equal(hgl_signer_key(signer)->bytes, expected, 32);
  hgl_signer_sign(signer, hgl_bytes(message, sizeof message), got);
  from_hex(signature_hex, expected, 64);
  assert_memory_equal(got, expected, 64);
  assert_ok(hgl_verify(hgl_signer_key(signer), hgl_bytes(message, sizeof message), got, &err));
  hgl_signer_seed(signer, seed);
  from_hex(seed_hex, expected, 32);
  assert_memory_equal(seed, expected, 32);
  hgl_signer_destroy(signer);
  hgl_signer_destroy(NULL);
}

static void verify_refuses_every_changed_bit(void **state)
{
  struct hgl_err err = {0};
  struct hgl_signer *signer = signer_of(seed_hex);
  struct hgl_key key = *hgl_signer_key(signer);
  uint8_t signature[64], text[2] = {0xaf, 0x82};
  hgl_signer_sign(signer, hgl_bytes(text, 2), signature);
  for (int bit = 0; bit < 512; bit++) {
    signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_fails(HGL_BAD_SIGNATURE, hgl_verify(&key, hgl_bytes(text, 2), signature, &err));
    signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  for (int bit = 0; bit < 256; bit++) {
    key.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_fails(HGL_BAD_SIGNATURE, hgl_verify(&key, hgl_bytes(text, 2), signature, &err));
    key.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  text[0] ^= 1;
  assert_fails(HGL_BAD_SIGNATURE, hgl_verify(&key, hgl_bytes(text, 2), signature, &err));
  hgl_signer_destroy(signer);
}

/* L = 2^252 + 27742317777372353535851937790883648493, little-endian. */
static const char order_hex[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

static void verify_refuses_s_above_the_order(void **state)
{
  struct hgl_err err = {0};
  struct hgl_signer *signer = signer_of(seed_hex);
  uint8_t signature[64], order[32];
  hgl_signer_sign(signer, hgl_bytes(message, 2), signature);
  from_hex(order_hex, order, 32);
  unsigned carry = 0;
  for (int i = 0; i < 32; i++) {
    carry += signature[32 + i] + order[i];
    signature[32 + i] = (uint8_t)carry;
    carry >>= 8;
  }
  assert_int_equal(carry, 0);
  assert_fails(HGL_BAD_SIGNATURE,
               hgl_verify(hgl_signer_key(signer), hgl_bytes(message, 2), signature, &err));
  hgl_signer_destroy(signer);
}

/* Points of small order, then encodings of y >= p: all are refused as keys and as R. */
static const char *const bad_points[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void verify_refuses_small_order_and_non_canonical_points(void **state)
{
  struct hgl_err err = {0};
  struct hgl_signer *signer = signer_of(seed_hex);
  for (size_t i = 0; i < sizeof bad_points / sizeof *bad_points; i++) {
    struct hgl_key bad;
    from_hex(bad_points[i], bad.bytes, 32);
    assert_fails(HGL_BAD_KEY, hgl_key_check(&bad, &err));
    /* With A of small order and S = 0, R = A-multiples would verify in a lax implementation. */
    uint8_t signature[64] = {0};
    for (size_t j = 0; j < sizeof bad_points / sizeof *bad_points; j++) {
      from_hex(bad_points[j], signature, 32);
      assert_fails(HGL_BAD_SIGNATURE, hgl_verify(&bad, hgl_bytes(message, 2), signature, &err));
    }
    memcpy(signature, bad.bytes, 32);
    assert_fails(HGL_BAD_SIGNATURE,
                 hgl_verify(hgl_signer_key(signer), hgl_bytes(message, 2), signature, &err));
  }
  assert_ok(hgl_key_check(hgl_signer_key(signer), &err));
  hgl_signer_destroy(signer);
}

static void sha256_takes_pieces_as_one(void **state)
{
  struct hgl_hash hash;
  uint8_t expected[32];
  struct hgl_bytes pieces[] = {hgl_text("a"), {0}, hgl_text("bc")};
  hgl_sha256(pieces, 3, &hash);
  from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", expected, 32);
  assert_memory_equal(hash.bytes, expected, 32);
  hgl_sha256(NULL, 0, &hash);
  from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", expected, 32);
  assert_memory_equal(hash.bytes, expected, 32);
}

static void hmac_matches_rfc_4231(void **state)
{
  struct hgl_hash hash;
  uint8_t expected[32], long_key[131];
  struct hgl_bytes pieces[] = {hgl_text("what do ya want "), hgl_text("for nothing?")};
  hgl_hmac_sha256(hgl_text("Jefe"), pieces, 2, &hash);
  from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", expected, 32);
  assert_memory_equal(hash.bytes, expected, 32);
  memset(long_key, 0xaa, sizeof long_key);
  struct hgl_bytes text = hgl_text("Test Using Larger Than Block-Size Key - Hash Key First");
  hgl_hmac_sha256(hgl_bytes(long_key, sizeof long_key), &text, 1, &hash);
  from_hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", expected, 32);
  assert_memory_equal(hash.bytes, expected, 32);
}

/* FIPS 180-4's example, RFC 4231 case 2. */
static void longer_hashes_match_their_examples(void **state)
{
  uint8_t hash[HGL_SHA512_SIZE], expected[HGL_SHA512_SIZE];
  hgl_sha512(hgl_text("abc"), hash);
  from_hex("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
           "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
           expected, sizeof expected);
  assert_memory_equal(hash, expected, sizeof hash);
  hgl_hmac_sha512(hgl_text("Jefe"), hgl_text("what do ya want for nothing?"), hash);
  from_hex("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
           "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
           expected, sizeof expected);
  assert_memory_equal(hash, expected, sizeof hash);
  assert_true(hgl_equal_secretly(hgl_text("ab"), hgl_text("ab")));
  assert_true(hgl_equal_secretly(hgl_bytes(NULL, 0), hgl_bytes(NULL, 0)));
  assert_false(hgl_equal_secretly(hgl_text("ab"), hgl_text("ac")));
  assert_false(hgl_equal_secretly(hgl_text("ab"), hgl_text("a")));
}

static void x25519_matches_rfc_7748(void **state)
{
  struct hgl_err err = {0};
  uint8_t alice[32], bob[32], expected[32], got[32], bob_public[32];
  from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", alice, 32);
  from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", bob, 32);
  hgl_x25519_public(alice, got);
  from_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", expected, 32);
  assert_memory_equal(got, expected, 32);
  hgl_x25519_public(bob, bob_public);
  assert_ok(hgl_x25519(alice, bob_public, got, &err));
  from_hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", expected, 32);
  assert_memory_equal(got, expected, 32);
}

static void x25519_refuses_an_all_zero_secret_and_leaves_the_output(void **state)
{
  struct hgl_err err = {0};
  uint8_t secret[32] = {1}, zero[32] = {0}, got[32], untouched[32];
  memset(got, 7, sizeof got);
  memset(untouched, 7, sizeof untouched);
  assert_fails(HGL_BAD_KEY, hgl_x25519(secret, zero, got, &err));
  assert_memory_equal(got, untouched, 32);
}

static void aead_matches_rfc_8439(void **state)
{
  struct hgl_err err = {0};
  static const char plain[] = "Ladies and Gentlemen of the class of '99: If I could offer you only "
                              "one tip for the future, sunscreen would be it.";
  uint8_t key[32], nonce[12], data[12], tag[16], sealed[sizeof plain - 1 + 16];
  from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key, 32);
  from_hex("070000004041424344454647", nonce, 12);
  from_hex("50515253c0c1c2c3c4c5c6c7", data, 12);
  from_hex("1ae10b594f09e26a7e902ecbd0600691", tag, 16);
  hgl_aead_seal(key, nonce, hgl_bytes(data, 12), hgl_text(plain), sealed);
  assert_memory_equal(sealed + sizeof plain - 1, tag, 16);
  assert_memory_equal(sealed, ((uint8_t[]){0xd3, 0x1a, 0x8d, 0x34}), 4);
  for (size_t i = 0; i < sizeof sealed; i += 5) { /* every altered byte is found */
    uint8_t copy[sizeof sealed];
    memcpy(copy, sealed, sizeof copy);
    copy[i] ^= 0x40;
    assert_fails(HGL_BAD_RECORD, hgl_aead_open(key, nonce, hgl_bytes(data, 12),
                                               hgl_bytes(copy, sizeof copy), copy, &err));
  }
  assert_fails(HGL_BAD_RECORD,
               hgl_aead_open(key, nonce, hgl_bytes(data, 12), hgl_bytes(sealed, 15), sealed, &err));
  assert_ok(hgl_aead_open(key, nonce, hgl_bytes(data, 12), hgl_bytes(sealed, sizeof sealed), sealed,
                          &err));
  assert_memory_equal(sealed, plain, sizeof plain - 1);
}

static void passphrase_key_depends_on_passphrase_and_salt(void **state)
{
  struct hgl_err err = {0};
  uint8_t salt[16] = {1}, a[32], b[32];
  size_t memory = 64 * 1024;
  assert_ok(hgl_passphrase_key(hgl_text("open"), salt, 1, memory, a, &err));
  assert_ok(hgl_passphrase_key(hgl_text("open"), salt, 1, memory, b, &err));
  assert_memory_equal(a, b, 32);
  assert_ok(hgl_passphrase_key(hgl_text("opem"), salt, 1, memory, b, &err));
  assert_memory_not_equal(a, b, 32);
  salt[0] = 2;
  assert_ok(hgl_passphrase_key(hgl_text("open"), salt, 1, memory, b, &err));
  assert_memory_not_equal(a, b, 32);
  assert_fails(HGL_INVALID, hgl_passphrase_key(hgl_text("open"), salt, 0, memory, b, &err));
}

static int setup(void **state)
{
  struct hgl_err err = {0};
  return hgl_crypto_init(&err);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(signer_signs_as_rfc_8032_says),
      cmocka_unit_test(verify_refuses_every_changed_bit),
      cmocka_unit_test(verify_refuses_s_above_the_order),
      cmocka_unit_test(verify_refuses_small_order_and_non_canonical_points),
      cmocka_unit_test(sha256_takes_pieces_as_one),
      cmocka_unit_test(hmac_matches_rfc_4231),
      cmocka_unit_test(longer_hashes_match_their_examples),
      cmocka_unit_test(x25519_matches_rfc_7748),
      cmocka_unit_test(x25519_refuses_an_all_zero_secret_and_leaves_the_output),
      cmocka_unit_test(aead_matches_rfc_8439),
      cmocka_unit_test(passphrase_key_depends_on_passphrase_and_salt),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
