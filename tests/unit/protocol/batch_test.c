#include "support/check.h"

#include "base/mem.h"
#include "protocol/batch.h"
#include "support/evidence_fixture.h"

#define TYPE "application/haggle-header+cbor"

static int setup(void **state)
{
  struct hgl_err err = {0};
  assert_ok(hgl_crypto_init(&err));
  return 0;
}

static struct hgl_group_leaf sample_leaf(void)
{
  struct hgl_group_leaf leaf = {.first_number = 300, .count = 70};
  memset(leaf.destination.bytes, 0x11, HGL_KEY_SIZE);
  memset(leaf.previous.bytes, 0x22, HGL_HASH_SIZE);
  memset(leaf.root.bytes, 0x33, HGL_HASH_SIZE);
  return leaf;
}

static struct hgl_header sample_header(void)
{
  struct hgl_err err = {0};
  struct hgl_header header = {
      .incarnation = {{1, 2, 3, 4, 5, 6, 7, 8}},
      .sequence = 9,
      .group_count = 3,
      .time_ms = FIXTURE_TIME_MS,
  };
  assert_ok(fixture_key(FIXTURE_HOST, &header.host, &err));
  memset(header.previous.bytes, 0x44, HGL_HASH_SIZE);
  memset(header.root.bytes, 0x55, HGL_HASH_SIZE);
  return header;
}

static struct hgl_header sample_first_header(void)
{
  struct hgl_header header = sample_header();
  header.sequence = 1;
  memset(header.previous.bytes, 0, HGL_HASH_SIZE);
  header.continues = true;
  header.continues_incarnation.bytes[0] = 9;
  header.continues_sequence = 77;
  memset(header.continues_hash.bytes, 0x66, HGL_HASH_SIZE);
  return header;
}

static int sign(const struct hgl_header *header, struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_signer *host;
  hgl_buf_init(out, HGL_HEADER_SIZE_MAX);
  int status = fixture_signer(FIXTURE_HOST, &host, err);
  if (status) return status;
  status = hgl_header_sign(host, header, out, err);
  hgl_signer_destroy(host);
  return status;
}

/* A payload put together by hand, in our COSE shape. */
static int decode_payload(struct hgl_bytes payload, struct hgl_err *err)
{
  struct hgl_header header;
  struct hgl_buf out;
  hgl_buf_init(&out, 4096);
  int status = fixture_cose(FIXTURE_HOST, TYPE, payload, &out, err);
  if (!status) status = hgl_header_verify(hgl_buf_bytes(&out), &header, err);
  hgl_buf_deinit(&out);
  return status;
}

static void group_leaf_decodes_to_what_was_encoded(void **state)
{
  struct hgl_err err = {0};
  struct hgl_group_leaf leaf = sample_leaf(), back;
  struct hgl_buf out;
  hgl_buf_init(&out, HGL_GROUP_LEAF_SIZE_MAX);
  assert_ok(hgl_group_leaf_encode(&leaf, &out, &err));
  assert_ok(hgl_group_leaf_decode(hgl_buf_bytes(&out), &back, &err));
  assert_true(hgl_key_equal(&leaf.destination, &back.destination));
  assert_true(hgl_hash_equal(&leaf.previous, &back.previous));
  assert_true(hgl_hash_equal(&leaf.root, &back.root));
  assert_int_equal(back.first_number, 300);
  assert_int_equal(back.count, 70);
  for (size_t size = 0; size < out.size; size++)
    assert_fails(HGL_TRUNCATED, hgl_group_leaf_decode(hgl_bytes(out.data, size), &back, &err));
  hgl_buf_append_byte(&out, 0);
  assert_fails(HGL_TRAILING, hgl_group_leaf_decode(hgl_buf_bytes(&out), &back, &err));
  hgl_buf_deinit(&out);
}

static void group_leaf_limits_hold_at_the_edge_and_one_past_it(void **state)
{
  const struct {
    uint64_t first_number;
    uint32_t count;
    uint8_t previous;
    enum hgl_code expected;
  } cases[] = {
      {2, 1, 1, HGL_OK},
      {2, 0, 1, HGL_MALFORMED},
      {2, HGL_GROUP_ENVELOPES_MAX, 1, HGL_OK},
      {2, HGL_GROUP_ENVELOPES_MAX + 1, 1, HGL_TOO_LARGE},
      {0, 1, 1, HGL_MALFORMED},
      {1, 1, 0, HGL_OK},
      {1, 1, 1, HGL_MALFORMED},
      {2, 1, 0, HGL_MALFORMED},
      {HGL_COUNTER_MAX, 1, 1, HGL_OK},
      {HGL_COUNTER_MAX, 2, 1, HGL_MALFORMED},
      {HGL_COUNTER_MAX - 1, 2, 1, HGL_OK},
      {HGL_COUNTER_MAX + 1, 1, 1, HGL_MALFORMED},
      {UINT64_MAX, 1, 1, HGL_MALFORMED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hgl_err err = {0};
    struct hgl_group_leaf leaf = sample_leaf(), back;
    struct hgl_buf out;
    hgl_buf_init(&out, HGL_GROUP_LEAF_SIZE_MAX);
    leaf.first_number = cases[i].first_number;
    leaf.count = cases[i].count;
    memset(leaf.previous.bytes, cases[i].previous, HGL_HASH_SIZE);
    assert_fails(cases[i].expected, hgl_group_leaf_encode(&leaf, &out, &err));

    hgl_buf_clear(&out);
    hgl_cbor_put_map(&out, 5);
    hgl_cbor_put_uint(&out, 1);
    hgl_cbor_put_bytes(&out, hgl_key_bytes(&leaf.destination));
    hgl_cbor_put_uint(&out, 2);
    hgl_cbor_put_uint(&out, leaf.first_number);
    hgl_cbor_put_uint(&out, 3);
    hgl_cbor_put_uint(&out, leaf.count);
    hgl_cbor_put_uint(&out, 4);
    hgl_cbor_put_bytes(&out, hgl_bytes(leaf.previous.bytes, HGL_HASH_SIZE));
    hgl_cbor_put_uint(&out, 5);
    hgl_cbor_put_bytes(&out, hgl_bytes(leaf.root.bytes, HGL_HASH_SIZE));
    assert_fails(cases[i].expected, hgl_group_leaf_decode(hgl_buf_bytes(&out), &back, &err));
    hgl_buf_deinit(&out);
  }
}

static void group_leaf_refuses_unknown_missing_and_repeated_keys(void **state)
{
  struct hgl_err err = {0};
  struct hgl_group_leaf leaf = sample_leaf(), back;
  struct hgl_buf out;
  hgl_buf_init(&out, 1024);
  assert_ok(hgl_group_leaf_encode(&leaf, &out, &err));
  const size_t second_key = 1 + 1 + 2 + HGL_KEY_SIZE;
  assert_int_equal(out.data[second_key], 2);
  out.data[second_key] = 1;
  assert_fails(HGL_DUPLICATE_KEY, hgl_group_leaf_decode(hgl_buf_bytes(&out), &back, &err));
  out.data[second_key] = 0;
  assert_fails(HGL_NOT_DETERMINISTIC, hgl_group_leaf_decode(hgl_buf_bytes(&out), &back, &err));
  out.data[second_key] = 6;
  assert_fails(HGL_MALFORMED, hgl_group_leaf_decode(hgl_buf_bytes(&out), &back, &err));
  out.data[second_key] = 2;
  out.data[0]++;
  hgl_buf_append(&out, "\x06\xf6", 2);
  assert_fails(HGL_MALFORMED, hgl_group_leaf_decode(hgl_buf_bytes(&out), &back, &err));
  assert_fails(HGL_MALFORMED, hgl_group_leaf_decode(hgl_bytes("\xa0", 1), &back, &err));
  assert_fails(HGL_MALFORMED, hgl_group_leaf_decode(hgl_bytes("\x80", 1), &back, &err));
  hgl_buf_deinit(&out);
  static uint8_t large[HGL_GROUP_LEAF_SIZE_MAX + 1];
  assert_fails(HGL_TOO_LARGE, hgl_group_leaf_decode(hgl_bytes(large, sizeof large), &back, &err));
}

static void header_verifies_what_was_signed(void **state)
{
  struct hgl_err err = {0};
  struct hgl_header headers[] = {sample_header(), sample_first_header()}, back;
  for (size_t i = 0; i < 2; i++) {
    struct hgl_header *header = &headers[i];
    struct hgl_buf out;
    assert_ok(sign(header, &out, &err));
    assert_ok(hgl_header_verify(hgl_buf_bytes(&out), &back, &err));
    assert_true(hgl_key_equal(&back.host, &header->host));
    assert_true(hgl_incarnation_equal(&back.incarnation, &header->incarnation));
    assert_int_equal(back.sequence, header->sequence);
    assert_true(hgl_hash_equal(&back.previous, &header->previous));
    assert_true(hgl_hash_equal(&back.root, &header->root));
    assert_int_equal(back.group_count, header->group_count);
    assert_int_equal(back.time_ms, header->time_ms);
    assert_int_equal(back.continues, header->continues);
    assert_true(hgl_incarnation_equal(&back.continues_incarnation, &header->continues_incarnation));
    assert_int_equal(back.continues_sequence, header->continues_sequence);
    assert_true(hgl_hash_equal(&back.continues_hash, &header->continues_hash));
    hgl_buf_deinit(&out);
  }
}

static void header_with_any_bit_changed_or_any_end_cut_fails(void **state)
{
  struct hgl_err err = {0};
  struct hgl_header header = sample_first_header(), back;
  struct hgl_buf out;
  assert_ok(sign(&header, &out, &err));
  for (size_t bit = 0; bit < 8 * out.size; bit++) {
    out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_not_equal(hgl_header_verify(hgl_buf_bytes(&out), &back, &err), 0);
    out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  for (size_t size = 0; size < out.size; size++)
    assert_fails(HGL_TRUNCATED, hgl_header_decode(hgl_bytes(out.data, size), &back, &err));
  hgl_buf_append_byte(&out, 0);
  assert_fails(HGL_TRAILING, hgl_header_decode(hgl_buf_bytes(&out), &back, &err));
  hgl_buf_deinit(&out);
}

static void header_decode_leaves_the_signature_to_verify(void **state)
{
  struct hgl_err err = {0};
  struct hgl_header header = sample_header(), back;
  struct hgl_buf out;
  assert_ok(sign(&header, &out, &err));
  out.data[out.size - 1] ^= 1;
  assert_ok(hgl_header_decode(hgl_buf_bytes(&out), &back, &err));
  assert_fails(HGL_BAD_SIGNATURE, hgl_header_verify(hgl_buf_bytes(&out), &back, &err));
  hgl_buf_deinit(&out);
}

/* Signs the changed header, and decodes the same payload as if another's code had signed it. */
static void check_header_case(enum hgl_code expected, const struct hgl_header *header)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  assert_fails(expected, sign(header, &out, &err));
  hgl_buf_clear(&out);
  hgl_cbor_put_map(&out, header->continues ? 8 : 7);
  hgl_cbor_put_uint(&out, 1);
  hgl_cbor_put_bytes(&out, hgl_key_bytes(&header->host));
  hgl_cbor_put_uint(&out, 2);
  hgl_cbor_put_bytes(&out, hgl_bytes(header->incarnation.bytes, HGL_INCARNATION_SIZE));
  hgl_cbor_put_uint(&out, 3);
  hgl_cbor_put_uint(&out, header->sequence);
  hgl_cbor_put_uint(&out, 4);
  hgl_cbor_put_bytes(&out, hgl_bytes(header->previous.bytes, HGL_HASH_SIZE));
  hgl_cbor_put_uint(&out, 5);
  hgl_cbor_put_bytes(&out, hgl_bytes(header->root.bytes, HGL_HASH_SIZE));
  hgl_cbor_put_uint(&out, 6);
  hgl_cbor_put_uint(&out, header->group_count);
  hgl_cbor_put_uint(&out, 7);
  hgl_cbor_put_int(&out, header->time_ms);
  if (header->continues) {
    hgl_cbor_put_uint(&out, 8);
    hgl_cbor_put_list(&out, 3);
    hgl_cbor_put_bytes(&out, hgl_bytes(header->continues_incarnation.bytes, HGL_INCARNATION_SIZE));
    hgl_cbor_put_uint(&out, header->continues_sequence);
    hgl_cbor_put_bytes(&out, hgl_bytes(header->continues_hash.bytes, HGL_HASH_SIZE));
  }
  assert_fails(expected, decode_payload(hgl_buf_bytes(&out), &err));
  hgl_buf_deinit(&out);
}

static void header_limits_hold_at_the_edge_and_one_past_it(void **state)
{
  const int64_t last_ms = (int64_t)HGL_COUNTER_MAX;
  const struct {
    uint64_t sequence;
    int64_t time_ms;
    uint32_t group_count;
    enum hgl_code expected;
  } cases[] = {
      {2, 0, 1, HGL_OK},
      {2, 0, 0, HGL_MALFORMED},
      {2, 0, HGL_GROUP_COUNT_MAX, HGL_OK},
      {2, 0, HGL_GROUP_COUNT_MAX + 1, HGL_TOO_LARGE},
      {0, 0, 1, HGL_MALFORMED},
      {1, 0, 1, HGL_MALFORMED}, /* with a previous header */
      {HGL_COUNTER_MAX, 0, 1, HGL_OK},
      {HGL_COUNTER_MAX + 1, 0, 1, HGL_MALFORMED},
      {2, -1, 1, HGL_MALFORMED},
      {2, last_ms, 1, HGL_OK},
      {2, last_ms + 1, 1, HGL_MALFORMED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hgl_header header = sample_header();
    header.sequence = cases[i].sequence;
    header.group_count = cases[i].group_count;
    header.time_ms = cases[i].time_ms;
    check_header_case(cases[i].expected, &header);
  }
}

static void header_continues_another_incarnation_only_at_its_first(void **state)
{
  struct hgl_header header = sample_first_header();
  check_header_case(HGL_OK, &header);
  header.continues_sequence = 0;
  check_header_case(HGL_MALFORMED, &header);
  header.continues_sequence = HGL_COUNTER_MAX;
  check_header_case(HGL_OK, &header);
  header.continues_sequence = HGL_COUNTER_MAX + 1;
  check_header_case(HGL_MALFORMED, &header);

  header = sample_first_header();
  header.continues_incarnation = header.incarnation;
  check_header_case(HGL_MALFORMED, &header);

  header = sample_first_header();
  header.sequence = 2;
  header.previous.bytes[0] = 1;
  check_header_case(HGL_MALFORMED, &header);
  header.continues = false;
  check_header_case(HGL_OK, &header);
  header.previous.bytes[0] = 0;
  check_header_case(HGL_MALFORMED, &header);
}

static void header_refuses_unknown_and_missing_keys(void **state)
{
  struct hgl_err err = {0};
  struct hgl_header header = sample_header();
  struct hgl_buf out, payload;
  struct hgl_cose cose;
  assert_ok(sign(&header, &out, &err));
  assert_ok(hgl_cose_decode(hgl_buf_bytes(&out), TYPE, &cose, &err));
  hgl_buf_init(&payload, 4096);
  hgl_buf_append_bytes(&payload, cose.payload);
  assert_ok(decode_payload(hgl_buf_bytes(&payload), &err));
  payload.data[0] = 0xa8;
  hgl_buf_append(&payload, "\x09\xf6", 2);
  assert_fails(HGL_MALFORMED, decode_payload(hgl_buf_bytes(&payload), &err));
  payload.data[payload.size - 2] = 8; /* continues, but not a list */
  assert_fails(HGL_MALFORMED, decode_payload(hgl_buf_bytes(&payload), &err));
  payload.data[payload.size - 2] = 7;
  assert_fails(HGL_DUPLICATE_KEY, decode_payload(hgl_buf_bytes(&payload), &err));
  payload.data[0] = 0xa6;
  assert_fails(HGL_MALFORMED, decode_payload(hgl_buf_bytes(&payload), &err));
  hgl_buf_deinit(&payload);
  hgl_buf_deinit(&out);
  static uint8_t large[HGL_HEADER_SIZE_MAX + 1];
  struct hgl_header back;
  assert_fails(HGL_TOO_LARGE, hgl_header_decode(hgl_bytes(large, sizeof large), &back, &err));
}

static void path_decodes_to_what_was_encoded(void **state)
{
  struct hgl_err err = {0};
  struct hgl_path path = {.index = 65535}, back;
  memset(path.hashes, 0x77, sizeof path.hashes);
  for (path.count = 0; path.count <= HGL_PATH_MAX; path.count++) {
    struct hgl_buf out;
    hgl_buf_init(&out, 1024);
    hgl_path_encode(&path, &out);
    struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&out));
    assert_ok(hgl_path_decode(&in, "path", &back, &err));
    assert_ok(hgl_cbor_end(&in, "path", &err));
    assert_int_equal(back.index, path.index);
    assert_int_equal(back.count, path.count);
    assert_memory_equal(back.hashes, path.hashes, path.count * sizeof path.hashes[0]);
    hgl_buf_deinit(&out);
  }
}

static int decode_path(struct hgl_bytes bytes, struct hgl_err *err)
{
  struct hgl_path path;
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  return hgl_path_decode(&in, "path", &path, err);
}

static void path_of_other_shapes_is_refused(void **state)
{
  struct hgl_err err = {0};
  assert_ok(decode_path(hgl_bytes("\x82\x00\x80", 3), &err));
  assert_fails(HGL_MALFORMED, decode_path(hgl_bytes("\x81\x00", 2), &err));
  assert_fails(HGL_MALFORMED, decode_path(hgl_bytes("\x82\x20\x80", 3), &err));
  assert_fails(HGL_MALFORMED, decode_path(hgl_bytes("\x82\x00\xa0", 3), &err));
  assert_fails(HGL_MALFORMED, decode_path(hgl_bytes("\x82\x00\x81\x41\x00", 5), &err));
  assert_fails(HGL_MALFORMED,
               decode_path(hgl_bytes("\x82\x1b\x00\x00\x00\x01\x00\x00\x00\x00\x80", 11), &err));
  assert_fails(HGL_TRUNCATED, decode_path(hgl_bytes("\x82\x00\x82\x41", 4), &err));
  assert_fails(HGL_TOO_LARGE, decode_path(hgl_bytes("\x82\x00\x91xxxxxxxxxxxxxxxxx", 20), &err));
}

static void header_reports_each_failed_allocation(void **state)
{
  struct hgl_header header = sample_header(), back;
  int status = -1;
  for (long count = 0; status; count++) {
    struct hgl_err err = {0};
    struct hgl_buf out;
    hgl_mem_fail_after(count);
    status = sign(&header, &out, &err);
    if (!status) status = hgl_header_verify(hgl_buf_bytes(&out), &back, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    hgl_buf_deinit(&out);
    assert_true(count < 100);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(group_leaf_decodes_to_what_was_encoded),
      cmocka_unit_test(group_leaf_limits_hold_at_the_edge_and_one_past_it),
      cmocka_unit_test(group_leaf_refuses_unknown_missing_and_repeated_keys),
      cmocka_unit_test(header_verifies_what_was_signed),
      cmocka_unit_test(header_with_any_bit_changed_or_any_end_cut_fails),
      cmocka_unit_test(header_decode_leaves_the_signature_to_verify),
      cmocka_unit_test(header_limits_hold_at_the_edge_and_one_past_it),
      cmocka_unit_test(header_continues_another_incarnation_only_at_its_first),
      cmocka_unit_test(header_refuses_unknown_and_missing_keys),
      cmocka_unit_test(path_decodes_to_what_was_encoded),
      cmocka_unit_test(path_of_other_shapes_is_refused),
      cmocka_unit_test(header_reports_each_failed_allocation),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
