#include "support/check.h"

#include "base/mem.h"
#include "protocol/cbor.h"
#include "protocol/handshake.h"

struct fixture {
  struct hgl_signer *signers[3];
  struct hgl_random_seeded seeded;
  struct hgl_random random;
  struct hgl_handshake dialler, listener;
  struct hgl_buf wire, answer;
};

static void fresh(struct fixture *f, const struct hgl_key *expected)
{
  hgl_buf_clear(&f->wire);
  hgl_buf_clear(&f->answer);
  hgl_handshake_init(&f->dialler, true, f->signers[0], expected, &f->random);
  hgl_handshake_init(&f->listener, false, f->signers[1], NULL, &f->random);
}

static int setup(void **state)
{
  static struct fixture fixture;
  struct hgl_err err = {0};
  for (uint8_t i = 0; i < 3; i++) {
    uint8_t seed[HGL_SEED_SIZE] = {i};
    assert_ok(hgl_signer_create(seed, &fixture.signers[i], &err));
  }
  fixture.random = hgl_random_from_seed(&fixture.seeded, 1);
  hgl_buf_init(&fixture.wire, 65535);
  hgl_buf_init(&fixture.answer, 65535);
  fresh(&fixture, NULL);
  *state = &fixture;
  return 0;
}

static int teardown(void **state)
{
  struct fixture *f = *state;
  hgl_handshake_deinit(&f->dialler);
  hgl_handshake_deinit(&f->listener);
  for (int i = 0; i < 3; i++) hgl_signer_destroy(f->signers[i]);
  hgl_buf_deinit(&f->wire);
  hgl_buf_deinit(&f->answer);
  return 0;
}

/* The wire's message goes to `reader`, whose answer becomes the wire's message. */
static int deliver(struct fixture *f, struct hgl_handshake *reader, struct hgl_err *err)
{
  hgl_buf_clear(&f->answer);
  int status = hgl_handshake_receive(reader, hgl_buf_bytes(&f->wire), &f->answer, err);
  hgl_buf_clear(&f->wire);
  hgl_buf_append_bytes(&f->wire, hgl_buf_bytes(&f->answer));
  return status;
}

/* All three messages, with a byte of one of them altered (message 0: none). */
static int run(struct fixture *f, int altered, size_t at, struct hgl_err *err)
{
  int status = hgl_handshake_start(&f->dialler, &f->wire, err);
  for (int i = 1; i <= 3 && status == 0; i++) {
    if (i == altered) f->wire.data[at] ^= 4;
    status = deliver(f, i % 2 ? &f->listener : &f->dialler, err);
  }
  return status;
}

static void handshake_tells_both_sides_who_the_other_is(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  fresh(f, hgl_signer_key(f->signers[1]));
  assert_ok(run(f, 0, 0, &err));
  assert_true(hgl_handshake_is_done(&f->dialler) && hgl_handshake_is_done(&f->listener));
  assert_true(hgl_key_equal(&f->dialler.peer, hgl_signer_key(f->signers[1])));
  assert_true(hgl_key_equal(&f->listener.peer, hgl_signer_key(f->signers[0])));
}

static void handshake_uses_a_new_noise_key_each_time(void **state)
{
  struct fixture *f = *state;
  uint8_t before[32];
  memcpy(before, f->dialler.noise.static_public, 32);
  fresh(f, NULL);
  assert_memory_not_equal(before, f->dialler.noise.static_public, 32);
}

static void handshake_with_another_than_the_expected_peer_fails(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  fresh(f, hgl_signer_key(f->signers[2]));
  assert_fails(HGL_WRONG_PEER, run(f, 0, 0, &err));
  assert_int_equal(f->wire.size, 0); /* and it learned nothing from us */
}

static void handshake_with_oneself_fails(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  hgl_handshake_init(&f->listener, false, f->signers[0], NULL, &f->random);
  assert_fails(HGL_WRONG_PEER, run(f, 0, 0, &err));
}

static void handshake_refuses_every_altered_byte(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  static const size_t sizes[] = {0, 32, 96 + 103, 64 + 103};
  for (int altered = 1; altered <= 3; altered++)
    for (size_t at = 0; at < sizes[altered]; at++) {
      fresh(f, NULL);
      assert_fails(HGL_HANDSHAKE, run(f, altered, at, &err));
    }
}

static void handshake_refuses_a_replayed_third_message(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  assert_ok(hgl_handshake_start(&f->dialler, &f->wire, &err));
  uint8_t first[32], third[512];
  memcpy(first, f->wire.data, 32);
  assert_ok(deliver(f, &f->listener, &err));
  assert_ok(deliver(f, &f->dialler, &err));
  size_t size = f->wire.size;
  memcpy(third, f->wire.data, size);
  assert_ok(deliver(f, &f->listener, &err));

  hgl_handshake_init(&f->listener, false, f->signers[1], NULL, &f->random);
  hgl_buf_clear(&f->answer);
  assert_ok(hgl_handshake_receive(&f->listener, hgl_bytes(first, 32), &f->answer, &err));
  assert_fails(HGL_HANDSHAKE,
               hgl_handshake_receive(&f->listener, hgl_bytes(third, size), &f->answer, &err));
}

/* Takes the listener's second step by hand, with this payload. */
static int receive_payload(struct fixture *f, struct hgl_bytes payload)
{
  struct hgl_err err = {0};
  struct hgl_buf none;
  hgl_buf_init(&none, 64);
  fresh(f, NULL);
  assert_ok(hgl_handshake_start(&f->dialler, &f->wire, &err));
  assert_ok(hgl_noise_read(&f->listener.noise, hgl_buf_bytes(&f->wire), &none, &err));
  hgl_buf_clear(&f->wire);
  assert_ok(hgl_noise_write(&f->listener.noise, &f->random, payload, &f->wire, &err));
  hgl_buf_deinit(&none);
  return deliver(f, &f->dialler, &err);
}

static void handshake_refuses_payloads_that_prove_nothing(void **state)
{
  struct fixture *f = *state;
  struct hgl_buf payload;
  hgl_buf_init(&payload, 1024);
  assert_fails(HGL_HANDSHAKE, receive_payload(f, hgl_bytes(NULL, 0)));
  assert_fails(HGL_HANDSHAKE, receive_payload(f, hgl_text("\xa0")));
  assert_fails(HGL_HANDSHAKE, receive_payload(f, hgl_text("junk")));

  /* Well-formed, but the signature is over another text. */
  uint8_t signature[HGL_SIGNATURE_SIZE];
  hgl_signer_sign(f->signers[1], hgl_text("something else"), signature);
  hgl_cbor_put_map(&payload, 2);
  hgl_cbor_put_uint(&payload, 1);
  hgl_cbor_put_bytes(&payload, hgl_key_bytes(hgl_signer_key(f->signers[1])));
  hgl_cbor_put_uint(&payload, 2);
  hgl_cbor_put_bytes(&payload, hgl_bytes(signature, sizeof signature));
  assert_fails(HGL_HANDSHAKE, receive_payload(f, hgl_buf_bytes(&payload)));
  hgl_buf_deinit(&payload);
}

static void handshake_message_ends_at_its_limit(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  static uint8_t zeros[HGL_HANDSHAKE_SIZE_MAX + 1] = {9};
  /* The first message may carry anything up to the limit. */
  assert_ok(hgl_handshake_receive(&f->listener, hgl_bytes(zeros, HGL_HANDSHAKE_SIZE_MAX),
                                  &f->answer, &err));
  fresh(f, NULL);
  assert_fails(HGL_HANDSHAKE,
               hgl_handshake_receive(&f->listener, hgl_bytes(zeros, HGL_HANDSHAKE_SIZE_MAX + 1),
                                     &f->answer, &err));
}

static void handshake_survives_failed_allocations(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  bool succeeded = false;
  for (long fail_at = 0; fail_at < 60 && !succeeded; fail_at++) {
    hgl_buf_deinit(&f->wire);
    hgl_buf_deinit(&f->answer);
    fresh(f, NULL);
    hgl_mem_fail_after(fail_at);
    int status = run(f, 0, 0, &err);
    hgl_mem_fail_after(-1);
    succeeded = status == 0 && !f->wire.failed;
    assert_true(status < 0 || succeeded || f->wire.failed);
  }
  assert_true(succeeded);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  struct hgl_err err = {0};
  if (hgl_crypto_init(&err) != 0) return 1;
  const struct CMUnitTest tests[] = {
      TEST(handshake_tells_both_sides_who_the_other_is),
      TEST(handshake_uses_a_new_noise_key_each_time),
      TEST(handshake_with_another_than_the_expected_peer_fails),
      TEST(handshake_with_oneself_fails),
      TEST(handshake_refuses_every_altered_byte),
      TEST(handshake_refuses_a_replayed_third_message),
      TEST(handshake_refuses_payloads_that_prove_nothing),
      TEST(handshake_message_ends_at_its_limit),
      TEST(handshake_survives_failed_allocations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
