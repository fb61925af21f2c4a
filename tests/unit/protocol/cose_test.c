#include "support/check.h"

#include <stdlib.h>

#include "base/mem.h"
#include "protocol/cose.h"

static const char type[] = "application/haggle-test+cbor";

struct signed_object {
  struct hgl_signer *signer;
  struct hgl_buf bytes;
};

static int setup(void **state)
{
  struct hgl_err err = {0};
  struct signed_object *object = calloc(1, sizeof *object);
  assert_non_null(object);
  assert_ok(hgl_crypto_init(&err));
  const uint8_t seed[HGL_SEED_SIZE] = {1};
  assert_ok(hgl_signer_create(seed, &object->signer, &err));
  hgl_buf_init(&object->bytes, 4096);
  assert_ok(hgl_cose_sign(object->signer, type, hgl_text("payload"), &object->bytes, &err));
  *state = object;
  return 0;
}

static int teardown(void **state)
{
  struct signed_object *object = *state;
  hgl_buf_deinit(&object->bytes);
  hgl_signer_destroy(object->signer);
  free(object);
  return 0;
}

static void cose_decodes_and_verifies_what_was_signed(void **state)
{
  struct signed_object *object = *state;
  struct hgl_err err = {0};
  struct hgl_cose cose;
  assert_ok(hgl_cose_decode(hgl_buf_bytes(&object->bytes), type, &cose, &err));
  assert_true(hgl_bytes_is(cose.payload, "payload"));
  assert_ok(hgl_cose_verify(&cose, hgl_signer_key(object->signer), &err));
}

static void cose_has_the_one_shape(void **state)
{
  struct signed_object *object = *state;
  const uint8_t head[] = {0x84, 0x58, 0x22, 0xa2, 0x01, 0x27, 0x10, 0x78, 0x1c};
  assert_memory_equal(object->bytes.data, head, sizeof head);
  const uint8_t *after = object->bytes.data + 3 + 0x22;
  assert_int_equal(after[0], 0xa0);
  assert_memory_equal(after + 1, "\x47payload\x58\x40", 10);
  assert_int_equal(object->bytes.size, 3 + 0x22 + 11 + HGL_SIGNATURE_SIZE);
}

static void cose_refuses_another_type(void **state)
{
  struct signed_object *object = *state;
  struct hgl_err err = {0};
  struct hgl_cose cose;
  assert_fails(HGL_BAD_TYPE, hgl_cose_decode(hgl_buf_bytes(&object->bytes),
                                             "application/haggle-tent+cbor", &cose, &err));
  assert_fails(HGL_BAD_TYPE,
               hgl_cose_decode(hgl_buf_bytes(&object->bytes), "application", &cose, &err));
}

static void cose_refuses_another_key(void **state)
{
  struct signed_object *object = *state;
  struct hgl_err err = {0};
  struct hgl_cose cose;
  struct hgl_signer *other;
  const uint8_t seed[HGL_SEED_SIZE] = {2};
  assert_ok(hgl_signer_create(seed, &other, &err));
  assert_ok(hgl_cose_decode(hgl_buf_bytes(&object->bytes), type, &cose, &err));
  assert_fails(HGL_BAD_SIGNATURE, hgl_cose_verify(&cose, hgl_signer_key(other), &err));
  hgl_signer_destroy(other);
}

static int decode_and_verify(struct signed_object *object, struct hgl_bytes bytes,
                             struct hgl_err *err)
{
  struct hgl_cose cose;
  int status = hgl_cose_decode(bytes, type, &cose, err);
  return status ? status : hgl_cose_verify(&cose, hgl_signer_key(object->signer), err);
}

static void cose_with_any_bit_changed_fails(void **state)
{
  struct signed_object *object = *state;
  struct hgl_err err = {0};
  for (size_t bit = 0; bit < 8 * object->bytes.size; bit++) {
    object->bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_not_equal(decode_and_verify(object, hgl_buf_bytes(&object->bytes), &err), 0);
    object->bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  assert_ok(decode_and_verify(object, hgl_buf_bytes(&object->bytes), &err));
}

static void cose_truncated_or_followed_by_more_fails(void **state)
{
  struct signed_object *object = *state;
  struct hgl_err err = {0};
  for (size_t size = 0; size < object->bytes.size; size++)
    assert_fails(HGL_TRUNCATED,
                 decode_and_verify(object, hgl_bytes(object->bytes.data, size), &err));
  hgl_buf_append_byte(&object->bytes, 0);
  assert_fails(HGL_TRAILING, decode_and_verify(object, hgl_buf_bytes(&object->bytes), &err));
}

/* Replaces the byte at `at` by `with`, keeping the rest. */
static int decode_with(struct signed_object *object, size_t at, struct hgl_bytes with,
                       struct hgl_err *err)
{
  struct hgl_buf changed;
  hgl_buf_init(&changed, 4096);
  hgl_buf_append(&changed, object->bytes.data, at);
  hgl_buf_append_bytes(&changed, with);
  hgl_buf_append(&changed, object->bytes.data + at + 1, object->bytes.size - at - 1);
  int status = decode_and_verify(object, hgl_buf_bytes(&changed), err);
  hgl_buf_deinit(&changed);
  return status;
}

static void cose_refuses_other_shapes(void **state)
{
  struct signed_object *object = *state;
  struct hgl_err err = {0};
  const size_t unprotected = 3 + 0x22;
  assert_fails(HGL_MALFORMED,
               decode_with(object, unprotected, hgl_bytes("\xa1\x04\x41\x00", 4), &err));
  assert_fails(HGL_MALFORMED, decode_with(object, unprotected, hgl_bytes("\x80", 1), &err));
  assert_fails(HGL_MALFORMED, decode_with(object, unprotected, hgl_bytes("\xf6", 1), &err));
  assert_fails(HGL_NOT_DETERMINISTIC,
               decode_with(object, unprotected, hgl_bytes("\xb8\x00", 2), &err));
  assert_fails(HGL_MALFORMED, decode_with(object, 0, hgl_bytes("\x83", 1), &err));
  assert_fails(HGL_TOO_LARGE, decode_with(object, 0, hgl_bytes("\x85", 1), &err));
  const struct hgl_bytes tagged = hgl_bytes("\xd2\x84", 2); /* tag 18: COSE_Sign1 */
  assert_int_not_equal(decode_with(object, 0, tagged, &err), 0);
  /* Without its payload ("detached"), or with a signature of 63 bytes. */
  object->bytes.data[unprotected + 1] = 0xf6;
  assert_fails(HGL_MALFORMED, decode_and_verify(object, hgl_buf_bytes(&object->bytes), &err));
  object->bytes.data[unprotected + 1] = 0x47;
  object->bytes.data[unprotected + 10] = 0x3f;
  assert_fails(
      HGL_MALFORMED,
      decode_and_verify(object, hgl_bytes(object->bytes.data, object->bytes.size - 1), &err));
}

static void cose_reports_each_failed_allocation(void **state)
{
  struct signed_object *object = *state;
  struct hgl_err err = {0};
  int status = -1;
  for (long count = 0; status; count++) {
    struct hgl_buf out;
    hgl_buf_init(&out, 4096);
    hgl_mem_fail_after(count);
    status = hgl_cose_sign(object->signer, type, hgl_text("payload"), &out, &err);
    if (!status) status = decode_and_verify(object, hgl_buf_bytes(&out), &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    hgl_buf_deinit(&out);
    assert_true(count < 100);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(cose_decodes_and_verifies_what_was_signed),
      TEST(cose_has_the_one_shape),
      TEST(cose_refuses_another_type),
      TEST(cose_refuses_another_key),
      TEST(cose_with_any_bit_changed_fails),
      TEST(cose_truncated_or_followed_by_more_fails),
      TEST(cose_refuses_other_shapes),
      TEST(cose_reports_each_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
