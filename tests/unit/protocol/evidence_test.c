#include "support/check.h"

#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "protocol/did.h"
#include "protocol/evidence.h"
#include "support/evidence_fixture.h"
#include "support/json_of.h"

static int setup(void **state)
{
  struct hgl_err err = {0};
  assert_ok(hgl_crypto_init(&err));
  return 0;
}

static void build(const struct plan *plan, struct hgl_buf *out)
{
  struct hgl_err err = {0};
  hgl_buf_init(out, HGL_EVIDENCE_SIZE_MAX);
  assert_ok(fixture_evidence(plan, out, &err));
}

static struct plan plan_with_paths(void)
{
  struct plan plan = plan_default();
  plan.groups = 3;
  plan.group = 2;
  plan.envelopes = 5;
  plan.envelope = 3;
  plan.first_number = 90;
  return plan;
}

static int verify(const struct hgl_buf *bytes, struct hgl_err *err)
{
  struct hgl_proof proof;
  return hgl_evidence_verify(hgl_buf_bytes(bytes), NULL, &proof, err);
}

static void evidence_proves_who_said_what_to_which_host(void **state)
{
  struct hgl_err err = {0};
  struct plan plan = plan_with_paths();
  struct hgl_proof proof;
  struct hgl_key agent, host, destination;
  struct hgl_buf bytes;
  build(&plan, &bytes);
  assert_ok(hgl_evidence_verify(hgl_buf_bytes(&bytes), NULL, &proof, &err));
  assert_ok(fixture_key(FIXTURE_AGENT, &agent, &err));
  assert_ok(fixture_key(FIXTURE_HOST, &host, &err));
  assert_ok(fixture_key(FIXTURE_DESTINATION + 2, &destination, &err));
  assert_true(hgl_key_equal(&proof.envelope.from, &agent));
  assert_true(hgl_key_equal(&proof.delegation.agent, &agent));
  assert_true(hgl_key_equal(&proof.header.host, &host));
  assert_true(hgl_key_equal(&proof.group.destination, &destination));
  assert_int_equal(proof.number, 93);
  assert_true(hgl_bytes_equal(proof.envelope.body, plan.body));
  assert_true(proof.envelope.body.data > bytes.data);
  assert_true(proof.envelope.body.data < bytes.data + bytes.size);
  hgl_buf_deinit(&bytes);
}

static void every_envelope_of_every_group_verifies(void **state)
{
  struct hgl_err err = {0};
  struct plan plan = plan_default();
  for (plan.groups = 1; plan.groups <= 5; plan.groups++)
    for (plan.group = 0; plan.group < plan.groups; plan.group++)
      for (plan.envelopes = 1; plan.envelopes <= 4; plan.envelopes++)
        for (plan.envelope = 0; plan.envelope < plan.envelopes; plan.envelope++) {
          struct hgl_buf bytes;
          build(&plan, &bytes);
          assert_ok(verify(&bytes, &err));
          hgl_buf_deinit(&bytes);
        }
}

static void evidence_with_any_bit_changed_fails(void **state)
{
  struct hgl_err err = {0};
  struct plan plans[] = {plan_default(), plan_with_paths()};
  for (size_t i = 0; i < 2; i++) {
    struct hgl_buf bytes;
    build(&plans[i], &bytes);
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
      bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
      if (verify(&bytes, &err) == 0) fail_msg("bit %zu changed nothing", bit);
      bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_ok(verify(&bytes, &err));
    hgl_buf_deinit(&bytes);
  }
}

static void evidence_with_any_byte_inverted_removed_or_repeated_fails(void **state)
{
  struct hgl_err err = {0};
  struct plan plan = plan_with_paths();
  struct hgl_buf bytes, other;
  build(&plan, &bytes);
  hgl_buf_init(&other, HGL_EVIDENCE_SIZE_MAX);
  for (size_t at = 0; at < bytes.size; at++) {
    bytes.data[at] ^= 0xff;
    assert_int_not_equal(verify(&bytes, &err), 0);
    bytes.data[at] ^= 0xff;
    for (size_t from = at; from <= at + 1; from++) { /* once with byte `at` twice, once without */
      hgl_buf_clear(&other);
      hgl_buf_append(&other, bytes.data, from == at ? at + 1 : at);
      hgl_buf_append(&other, bytes.data + from, bytes.size - from);
      assert_int_not_equal(verify(&other, &err), 0);
    }
  }
  hgl_buf_deinit(&other);
  hgl_buf_deinit(&bytes);
}

static void evidence_cut_anywhere_is_truncated(void **state)
{
  struct hgl_err err = {0};
  struct plan plan = plan_with_paths();
  struct hgl_proof proof;
  struct hgl_buf bytes;
  build(&plan, &bytes);
  for (size_t size = 0; size < bytes.size; size++) {
    /* Memory of its own, so that a read past the end is seen. */
    uint8_t *cut = malloc(size ? size : 1);
    assert_non_null(cut);
    memcpy(cut, bytes.data, size);
    assert_fails(HGL_TRUNCATED, hgl_evidence_verify(hgl_bytes(cut, size), NULL, &proof, &err));
    free(cut);
  }
  hgl_buf_deinit(&bytes);
}

static void options_name_the_destination_and_the_author(void **state)
{
  struct hgl_err err = {0};
  struct plan plan = plan_with_paths();
  struct hgl_proof proof;
  struct hgl_key agent, destination, other;
  struct hgl_buf bytes;
  build(&plan, &bytes);
  assert_ok(fixture_key(FIXTURE_AGENT, &agent, &err));
  assert_ok(fixture_key(FIXTURE_DESTINATION + 2, &destination, &err));
  assert_ok(fixture_key(FIXTURE_OTHER_HOST, &other, &err));
  struct hgl_verify_options options = {.destination = &destination, .agent = &agent};
  assert_ok(hgl_evidence_verify(hgl_buf_bytes(&bytes), &options, &proof, &err));
  options.destination = &other;
  assert_fails(HGL_WRONG_HOST, hgl_evidence_verify(hgl_buf_bytes(&bytes), &options, &proof, &err));
  options.destination = NULL;
  options.agent = &other;
  assert_fails(HGL_NO_DELEGATION,
               hgl_evidence_verify(hgl_buf_bytes(&bytes), &options, &proof, &err));
  hgl_buf_deinit(&bytes);
}

/* Verifies against another delegation of the agent, with these terms. */
static int verify_with_revocation(uint8_t agent, uint64_t sequence, int64_t issued_s,
                                  struct hgl_err *err)
{
  struct plan plan = plan_default(), later = plan_default();
  struct hgl_buf bytes, revocation;
  struct hgl_proof proof;
  plan.terms.sequence = 100;
  build(&plan, &bytes);
  hgl_buf_init(&revocation, HGL_DELEGATION_SIZE_MAX);
  later.agent = agent;
  later.delegated_host = FIXTURE_OTHER_HOST;
  later.terms = (struct hgl_delegation){
      .issued_s = issued_s, .expires_s = issued_s + 3600, .sequence = sequence};
  int status = fixture_delegation(&later, &revocation, err);
  struct hgl_verify_options options = {.revocation = hgl_buf_bytes(&revocation)};
  if (!status) status = hgl_evidence_verify(hgl_buf_bytes(&bytes), &options, &proof, err);
  hgl_buf_deinit(&revocation);
  hgl_buf_deinit(&bytes);
  return status;
}

static void higher_sequence_issued_before_the_header_revokes(void **state)
{
  struct hgl_err err = {0};
  const int64_t header_s = FIXTURE_TIME_MS / 1000;
  assert_fails(HGL_DELEGATION_REVOKED,
               verify_with_revocation(FIXTURE_AGENT, 101, header_s - 1, &err));
  assert_ok(verify_with_revocation(FIXTURE_AGENT, 101, header_s, &err));
  assert_ok(verify_with_revocation(FIXTURE_AGENT, 99, header_s - 1, &err));
  assert_fails(HGL_DELEGATION_CONFLICT,
               verify_with_revocation(FIXTURE_AGENT, 100, header_s - 1, &err));
  assert_fails(HGL_INVALID, verify_with_revocation(FIXTURE_OTHER_AGENT, 101, header_s - 1, &err));
}

static void revocation_must_itself_verify(void **state)
{
  struct hgl_err err = {0};
  struct plan plan = plan_default();
  struct hgl_buf bytes, own;
  struct hgl_proof proof;
  build(&plan, &bytes);
  hgl_buf_init(&own, HGL_DELEGATION_SIZE_MAX);
  assert_ok(fixture_delegation(&plan, &own, &err));
  struct hgl_verify_options options = {.revocation = hgl_buf_bytes(&own)};
  assert_ok(hgl_evidence_verify(hgl_buf_bytes(&bytes), &options, &proof, &err));
  own.data[own.size - 1] ^= 1;
  assert_fails(HGL_BAD_SIGNATURE,
               hgl_evidence_verify(hgl_buf_bytes(&bytes), &options, &proof, &err));
  hgl_buf_deinit(&own);
  hgl_buf_deinit(&bytes);
}

static void evidence_encode_refuses_parts_beyond_their_limits(void **state)
{
  static uint8_t zeros[HGL_ENVELOPE_SIZE_MAX + 1];
  const struct {
    size_t delegation, header, leaf, envelope;
    enum hgl_code expected;
  } cases[] = {
      {HGL_DELEGATION_SIZE_MAX, HGL_HEADER_SIZE_MAX, HGL_GROUP_LEAF_SIZE_MAX, HGL_ENVELOPE_SIZE_MAX,
       HGL_OK},
      {HGL_DELEGATION_SIZE_MAX + 1, 0, 0, 0, HGL_TOO_LARGE},
      {0, HGL_HEADER_SIZE_MAX + 1, 0, 0, HGL_TOO_LARGE},
      {0, 0, HGL_GROUP_LEAF_SIZE_MAX + 1, 0, HGL_TOO_LARGE},
      {0, 0, 0, HGL_ENVELOPE_SIZE_MAX + 1, HGL_TOO_LARGE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hgl_err err = {0};
    struct hgl_buf out;
    struct hgl_evidence evidence = {
        .delegation = hgl_bytes(zeros, cases[i].delegation),
        .header = hgl_bytes(zeros, cases[i].header),
        .group_leaf = hgl_bytes(zeros, cases[i].leaf),
        .envelope = hgl_bytes(zeros, cases[i].envelope),
        .group_path = {.count = HGL_PATH_MAX},
        .envelope_path = {.count = HGL_PATH_MAX},
    };
    struct hgl_evidence back;
    hgl_buf_init(&out, HGL_EVIDENCE_SIZE_MAX);
    assert_fails(cases[i].expected, hgl_evidence_encode(&evidence, &out, &err));
    if (cases[i].expected == HGL_OK)
      assert_ok(hgl_evidence_decode(hgl_buf_bytes(&out), &back, &err));
    hgl_buf_deinit(&out);
  }
  struct hgl_err err = {0};
  struct hgl_evidence back;
  uint8_t *large = calloc(1, HGL_EVIDENCE_SIZE_MAX + 1);
  assert_non_null(large);
  assert_fails(HGL_TOO_LARGE,
               hgl_evidence_decode(hgl_bytes(large, HGL_EVIDENCE_SIZE_MAX + 1), &back, &err));
  free(large);
}

/* Golden vectors */

static uint8_t *read_whole(const char *path, size_t *size)
{
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("%s cannot be read", path);
  fseek(file, 0, SEEK_END);
  long length = ftell(file);
  rewind(file);
  uint8_t *data = malloc((size_t)length + 1);
  assert_non_null(data);
  assert_int_equal(fread(data, 1, (size_t)length, file), length);
  fclose(file);
  *size = (size_t)length;
  return data;
}

static json_t *read_json(const char *path)
{
  size_t size;
  uint8_t *text = read_whole(path, &size);
  json_t *json = json_of((const char *)text, size, 0);
  free(text);
  return json;
}

static json_t *read_json_beside(const char *path)
{
  char beside[4096];
  snprintf(beside, sizeof beside, "%.*s.json", (int)(strlen(path) - strlen(".cbor")), path);
  return read_json(beside);
}

static void expect_did(const json_t *json, const char *field, const struct hgl_key *key)
{
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(key, did);
  assert_string_equal(json_string_value(json_object_get(json, field)), did);
}

static void check_valid_vector(const char *path)
{
  struct hgl_err err = {0};
  struct hgl_proof proof;
  size_t size;
  uint8_t *data = read_whole(path, &size);
  json_t *json = read_json_beside(path);
  assert_ok(hgl_evidence_verify(hgl_bytes(data, size), NULL, &proof, &err));
  expect_did(json, "agent", &proof.envelope.from);
  expect_did(json, "host", &proof.header.host);
  expect_did(json, "destination", &proof.group.destination);
  expect_did(json, "to", &proof.envelope.to);
  assert_int_equal(json_integer_value(json_object_get(json, "number")), proof.number);
  assert_int_equal(json_integer_value(json_object_get(json, "time")), proof.header.time_ms);
  for (size_t i = 0; i < size; i++) {
    data[i] ^= 1;
    if (hgl_evidence_verify(hgl_bytes(data, size), NULL, &proof, &err) == 0)
      fail_msg("%s: byte %zu changed nothing", path, i);
    data[i] ^= 1;
  }
  json_decref(json);
  free(data);
}

static void check_invalid_vector(const char *path)
{
  struct hgl_err err = {0};
  struct hgl_proof proof;
  size_t size;
  uint8_t *data = read_whole(path, &size);
  json_t *json = read_json_beside(path);
  int status = hgl_evidence_verify(hgl_bytes(data, size), NULL, &proof, &err);
  const char *expected = present(json_string_value(json_object_get(json, "code")));
  if (strcmp(hgl_code_name(-status), expected) != 0)
    fail_msg("%s: expected %s, got %s: %s", path, expected, hgl_code_name(-status), err.message);
  json_decref(json);
  free(data);
}

static void for_each_vector(const char *pattern, size_t least, void (*check)(const char *path))
{
  glob_t found;
  assert_int_equal(glob(pattern, 0, NULL, &found), 0);
  assert_true(found.gl_pathc >= least);
  for (size_t i = 0; i < found.gl_pathc; i++) check(found.gl_pathv[i]);
  globfree(&found);
}

static void valid_vectors_verify_and_not_with_any_byte_changed(void **state)
{
  for_each_vector(HGL_SOURCE_DIR "/protocol/vectors/valid/evidence-*.cbor", 5, check_valid_vector);
}

static void invalid_vectors_fail_with_the_code_they_name(void **state)
{
  for_each_vector(HGL_SOURCE_DIR "/protocol/vectors/invalid/evidence-*.cbor", 30,
                  check_invalid_vector);
}

/* The hexadecimal "cose" of a header or delegation vector. */
static size_t read_cose(const json_t *json, uint8_t *out, size_t size_max)
{
  const char *hex = present(json_string_value(json_object_get(json, "cose")));
  size_t size = strlen(hex) / 2;
  assert_true(size <= size_max);
  for (size_t i = 0; i < size; i++) {
    char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
    out[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  return size;
}

static void check_header_vector(const char *path)
{
  struct hgl_err err = {0};
  struct hgl_header header;
  uint8_t bytes[HGL_HEADER_SIZE_MAX];
  json_t *json = read_json(path);
  size_t size = read_cose(json, bytes, sizeof bytes);
  assert_ok(hgl_header_verify(hgl_bytes(bytes, size), &header, &err));
  expect_did(json, "host", &header.host);
  assert_int_equal(json_integer_value(json_object_get(json, "sequence")), header.sequence);
  assert_int_equal(json_integer_value(json_object_get(json, "group_count")), header.group_count);
  assert_int_equal(json_integer_value(json_object_get(json, "time")), header.time_ms);
  assert_int_equal(json_object_get(json, "continues") != NULL, header.continues);
  json_decref(json);
}

static void check_delegation_vector(const char *path)
{
  struct hgl_err err = {0};
  struct hgl_delegation delegation;
  uint8_t bytes[HGL_DELEGATION_SIZE_MAX];
  json_t *json = read_json(path);
  size_t size = read_cose(json, bytes, sizeof bytes);
  assert_ok(hgl_delegation_verify(hgl_bytes(bytes, size), &delegation, &err));
  expect_did(json, "iss", &delegation.agent);
  expect_did(json, "sub", &delegation.host);
  assert_int_equal(json_integer_value(json_object_get(json, "exp")), delegation.expires_s);
  assert_int_equal(json_integer_value(json_object_get(json, "iat")), delegation.issued_s);
  assert_int_equal(json_integer_value(json_object_get(json, "sequence")), delegation.sequence);
  json_decref(json);
}

static void header_and_delegation_vectors_hold_what_they_say(void **state)
{
  for_each_vector(HGL_SOURCE_DIR "/protocol/vectors/valid/header-*.json", 3, check_header_vector);
  for_each_vector(HGL_SOURCE_DIR "/protocol/vectors/valid/delegation-*.json", 2,
                  check_delegation_vector);
}

static void evidence_reports_each_failed_allocation(void **state)
{
  struct hgl_err err = {0};
  struct plan plan = plan_with_paths();
  struct hgl_buf bytes;
  build(&plan, &bytes);
  int status = -1;
  for (long count = 0; status; count++) {
    hgl_mem_fail_after(count);
    status = verify(&bytes, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    assert_true(count < 100);
  }
  hgl_buf_deinit(&bytes);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(evidence_proves_who_said_what_to_which_host),
      cmocka_unit_test(every_envelope_of_every_group_verifies),
      cmocka_unit_test(evidence_with_any_bit_changed_fails),
      cmocka_unit_test(evidence_with_any_byte_inverted_removed_or_repeated_fails),
      cmocka_unit_test(evidence_cut_anywhere_is_truncated),
      cmocka_unit_test(options_name_the_destination_and_the_author),
      cmocka_unit_test(higher_sequence_issued_before_the_header_revokes),
      cmocka_unit_test(revocation_must_itself_verify),
      cmocka_unit_test(evidence_encode_refuses_parts_beyond_their_limits),
      cmocka_unit_test(valid_vectors_verify_and_not_with_any_byte_changed),
      cmocka_unit_test(invalid_vectors_fail_with_the_code_they_name),
      cmocka_unit_test(header_and_delegation_vectors_hold_what_they_say),
      cmocka_unit_test(evidence_reports_each_failed_allocation),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
