#include "support/check.h"

#include "base/mem.h"
#include "protocol/noise.h"

static size_t from_hex(const char *hex, uint8_t *out)
{
  size_t size = strlen(hex) / 2;
  for (size_t i = 0; i < size; i++) {
    unsigned high = (unsigned)hex[2 * i], low = (unsigned)hex[2 * i + 1];
    out[i] = (uint8_t)((high >= 'a' ? high - 'a' + 10 : high - '0') << 4 |
                       (low >= 'a' ? low - 'a' + 10 : low - '0'));
  }
  return size;
}

/* Hands out one fixed key: the ephemeral key of a published vector. */
static void fixed_fill(void *user, void *out, size_t size)
{
  assert_int_equal(size, 32);
  memcpy(out, user, size);
}

/* Published by the cacophony project (vectors/cacophony.txt). */
static const char prologue_hex[] = "4a6f686e2047616c74";
static const char initiator_static[] =
    "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
static const char initiator_ephemeral[] =
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
static const char responder_static[] =
    "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
static const char responder_ephemeral[] =
    "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
static const struct {
  const char *payload, *ciphertext;
} messages[] = {
    {"4c756477696720766f6e204d69736573",
     "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d6973"
     "6573"},
    {"4d757272617920526f746862617264",
     "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884381cbad1f276e038c48378ffce2b6"
     "5285e08d6b68aaa3629a5a8639392490e5b9bd5269c2f1e4f488ed8831161f19b7815528f8982ffe09be9b5c412f"
     "8a0db50f8814c7194e83f23dbd8d162c9326ad"},
    {"462e20412e20486179656b",
     "c7195ffacac1307ff99046f219750fc47693e23c3cb08b89c2af808b444850a80ae475b9df0f169ae80a89be0865"
     "b57f58c9fea0d4ec82a286427402f113e4b6ae769a1d95941d49b25030"},
    {"4361726c204d656e676572", "96763ed773f8e47bb3712f0e29b3060ffc956ffc146cee53d5e1df"},
    {"4a65616e2d426170746973746520536179",
     "3e40f15f6f3a46ae446b253bf8b1d9ffb6ed9b174d272328ff91a7e2e5c79c07f5"},
    {"457567656e2042f6686d20766f6e2042617765726b",
     "eb3f3515110702e047a6c9da4478b6ead94873c11c0f2d710ddb3f09fce024b3a58502ae3f"},
};

struct pair {
  struct hgl_noise initiator, responder;
  uint8_t initiator_ephemeral[32], responder_ephemeral[32];
  struct hgl_random initiator_random, responder_random;
};

static void start(struct pair *pair)
{
  uint8_t secret[32], prologue[16];
  struct hgl_bytes said = hgl_bytes(prologue, from_hex(prologue_hex, prologue));
  from_hex(initiator_static, secret);
  hgl_noise_init(&pair->initiator, true, said, secret);
  from_hex(responder_static, secret);
  hgl_noise_init(&pair->responder, false, said, secret);
  from_hex(initiator_ephemeral, pair->initiator_ephemeral);
  from_hex(responder_ephemeral, pair->responder_ephemeral);
  pair->initiator_random = (struct hgl_random){fixed_fill, pair->initiator_ephemeral};
  pair->responder_random = (struct hgl_random){fixed_fill, pair->responder_ephemeral};
}

enum { UNALTERED = -1 };

/* Message `i` of the handshake goes over `wire`, with one byte altered on the way or cut short, and
 * is read into `payload`. */
static int exchange(struct pair *pair, int i, long alter_at, size_t cut, struct hgl_buf *wire,
                    struct hgl_buf *payload, struct hgl_err *err)
{
  struct hgl_noise *writer = i % 2 ? &pair->responder : &pair->initiator;
  struct hgl_noise *reader = i % 2 ? &pair->initiator : &pair->responder;
  uint8_t said[64];
  hgl_buf_clear(wire);
  hgl_buf_clear(payload);
  int status = hgl_noise_write(writer, i % 2 ? &pair->responder_random : &pair->initiator_random,
                               hgl_bytes(said, from_hex(messages[i].payload, said)), wire, err);
  if (status != 0) return status;
  if (alter_at != UNALTERED) wire->data[alter_at] ^= 1;
  return hgl_noise_read(reader, hgl_bytes(wire->data, wire->size - cut), payload, err);
}

static void noise_matches_the_published_vector(void **state)
{
  struct hgl_err err = {0};
  struct pair pair;
  struct hgl_buf wire, payload;
  hgl_buf_init(&wire, 65535);
  hgl_buf_init(&payload, 65535);
  start(&pair);
  uint8_t expected[256];
  for (int i = 0; i < HGL_NOISE_MESSAGES; i++) {
    assert_ok(exchange(&pair, i, UNALTERED, 0, &wire, &payload, &err));
    size_t size = from_hex(messages[i].ciphertext, expected);
    assert_int_equal(wire.size, size);
    assert_memory_equal(wire.data, expected, size);
    size = from_hex(messages[i].payload, expected);
    assert_int_equal(payload.size, size);
    assert_memory_equal(payload.data, expected, size);
  }
  assert_true(hgl_noise_is_done(&pair.initiator) && hgl_noise_is_done(&pair.responder));

  struct hgl_noise_cipher send[2], receive[2]; /* 0: initiator */
  hgl_noise_split(&pair.initiator, &send[0], &receive[0]);
  hgl_noise_split(&pair.responder, &send[1], &receive[1]);
  for (int i = 3; i < 6; i++) { /* the vector goes on in turns */
    uint8_t plain[64], sealed[80], opened[64];
    size_t size = from_hex(messages[i].payload, plain);
    assert_ok(hgl_noise_seal(&send[i % 2], hgl_bytes(plain, size), sealed, &err));
    assert_int_equal(from_hex(messages[i].ciphertext, expected), size + HGL_AEAD_TAG_SIZE);
    assert_memory_equal(sealed, expected, size + HGL_AEAD_TAG_SIZE);
    assert_ok(hgl_noise_open(&receive[1 - i % 2], hgl_bytes(sealed, size + 16), opened, &err));
    assert_memory_equal(opened, plain, size);
  }
  hgl_buf_deinit(&wire);
  hgl_buf_deinit(&payload);
  hgl_noise_deinit(&pair.initiator);
  hgl_noise_deinit(&pair.responder);
}

/* The first message is not encrypted: what happened to it is found with the second. */
static void noise_refuses_every_altered_handshake_byte(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf wire, payload;
  hgl_buf_init(&wire, 65535);
  hgl_buf_init(&payload, 65535);
  for (int target = 0; target < HGL_NOISE_MESSAGES; target++) {
    long size = (long)strlen(messages[target].ciphertext) / 2;
    for (long at = 0; at < size; at++) {
      struct pair pair;
      start(&pair);
      int status = 0;
      for (int i = 0; i < HGL_NOISE_MESSAGES && status == 0; i++)
        status = exchange(&pair, i, i == target ? at : UNALTERED, 0, &wire, &payload, &err);
      assert_int_equal(status, -HGL_HANDSHAKE);
    }
  }
  hgl_buf_deinit(&wire);
  hgl_buf_deinit(&payload);
}

static void noise_refuses_every_truncated_handshake_message(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf wire, payload;
  hgl_buf_init(&wire, 65535);
  hgl_buf_init(&payload, 65535);
  for (int target = 0; target < HGL_NOISE_MESSAGES; target++) {
    size_t size = strlen(messages[target].ciphertext) / 2;
    for (size_t cut = 1; cut <= size; cut++) {
      struct pair pair;
      start(&pair);
      int status = 0;
      for (int i = 0; i < HGL_NOISE_MESSAGES && status == 0; i++)
        status = exchange(&pair, i, UNALTERED, i == target ? cut : 0, &wire, &payload, &err);
      assert_int_equal(status, -HGL_HANDSHAKE);
    }
  }
  hgl_buf_deinit(&wire);
  hgl_buf_deinit(&payload);
}

static void noise_refuses_a_message_out_of_turn(void **state)
{
  struct hgl_err err = {0};
  struct pair pair;
  start(&pair);
  uint8_t bytes[64] = {9};
  struct hgl_buf payload;
  hgl_buf_init(&payload, 65535);
  assert_true(hgl_noise_is_our_turn(&pair.initiator));
  assert_false(hgl_noise_is_our_turn(&pair.responder));
  assert_fails(HGL_HANDSHAKE,
               hgl_noise_read(&pair.initiator, hgl_bytes(bytes, sizeof bytes), &payload, &err));
  hgl_buf_deinit(&payload);
}

static void noise_refuses_keys_of_small_order(void **state)
{
  struct hgl_err err = {0};
  struct pair pair;
  start(&pair);
  uint8_t zero[32] = {0}; /* a point of small order, and an empty payload */
  struct hgl_buf wire, payload;
  hgl_buf_init(&wire, 65535);
  hgl_buf_init(&payload, 65535);
  assert_ok(hgl_noise_read(&pair.responder, hgl_bytes(zero, 32), &payload, &err));
  assert_fails(HGL_HANDSHAKE, hgl_noise_write(&pair.responder, &pair.responder_random,
                                              hgl_bytes(NULL, 0), &wire, &err));
  hgl_buf_deinit(&wire);
  hgl_buf_deinit(&payload);
}

static void noise_survives_failed_allocations(void **state)
{
  struct hgl_err err = {0};
  for (long fail_at = 0; fail_at < 40; fail_at++) {
    struct pair pair;
    struct hgl_buf wire, payload;
    hgl_buf_init(&wire, 65535);
    hgl_buf_init(&payload, 65535);
    start(&pair);
    int status = 0;
    hgl_mem_fail_after(fail_at);
    for (int i = 0; i < HGL_NOISE_MESSAGES && status == 0; i++)
      status = exchange(&pair, i, UNALTERED, 0, &wire, &payload, &err);
    hgl_mem_fail_after(-1);
    assert_true(status == 0 || status == -HGL_NO_MEMORY);
    assert_true(fail_at > 0 || status == -HGL_NO_MEMORY);
    hgl_buf_deinit(&wire);
    hgl_buf_deinit(&payload);
  }
}

static void noise_transport_refuses_altered_replayed_and_reordered_messages(void **state)
{
  struct hgl_err err = {0};
  struct hgl_noise_cipher send = {.key = {1}}, receive = {.key = {1}};
  uint8_t sealed[3][21], opened[5];
  for (int i = 0; i < 3; i++)
    assert_ok(hgl_noise_seal(&send, hgl_bytes("hello", 5), sealed[i], &err));
  assert_fails(HGL_BAD_RECORD, hgl_noise_open(&receive, hgl_bytes(sealed[1], 21), opened, &err));
  assert_ok(hgl_noise_open(&receive, hgl_bytes(sealed[0], 21), opened, &err));
  assert_fails(HGL_BAD_RECORD, hgl_noise_open(&receive, hgl_bytes(sealed[0], 21), opened, &err));
  for (int at = 0; at < 21; at++) {
    sealed[1][at] ^= 0x80;
    assert_fails(HGL_BAD_RECORD, hgl_noise_open(&receive, hgl_bytes(sealed[1], 21), opened, &err));
    sealed[1][at] ^= 0x80;
  }
  for (size_t size = 0; size < 21; size++)
    assert_fails(HGL_BAD_RECORD,
                 hgl_noise_open(&receive, hgl_bytes(sealed[1], size), opened, &err));
  assert_ok(hgl_noise_open(&receive, hgl_bytes(sealed[1], 21), opened, &err));
}

static void noise_transport_ends_with_its_last_counter(void **state)
{
  struct hgl_err err = {0};
  struct hgl_noise_cipher send = {.key = {1}, .counter = UINT64_MAX - 1};
  struct hgl_noise_cipher receive = send;
  uint8_t sealed[21], opened[5];
  assert_ok(hgl_noise_seal(&send, hgl_bytes("hello", 5), sealed, &err));
  assert_ok(hgl_noise_open(&receive, hgl_bytes(sealed, 21), opened, &err));
  assert_fails(HGL_LIMIT, hgl_noise_seal(&send, hgl_bytes("hello", 5), sealed, &err));
  assert_fails(HGL_BAD_RECORD, hgl_noise_open(&receive, hgl_bytes(sealed, 21), opened, &err));
}

int main(void)
{
  struct hgl_err err = {0};
  if (hgl_crypto_init(&err) != 0) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(noise_matches_the_published_vector),
      cmocka_unit_test(noise_refuses_every_altered_handshake_byte),
      cmocka_unit_test(noise_refuses_every_truncated_handshake_message),
      cmocka_unit_test(noise_refuses_a_message_out_of_turn),
      cmocka_unit_test(noise_refuses_keys_of_small_order),
      cmocka_unit_test(noise_survives_failed_allocations),
      cmocka_unit_test(noise_transport_refuses_altered_replayed_and_reordered_messages),
      cmocka_unit_test(noise_transport_ends_with_its_last_counter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
