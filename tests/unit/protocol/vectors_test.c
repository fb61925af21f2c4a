/* Every golden vector of the kinds: value, envelope, json, did, signed text. The others have tests
 * of their own, which know what they need beside the bytes. */
#include "support/check.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/mem.h"
#include "protocol/did.h"
#include "protocol/envelope.h"
#include "protocol/signed_text.h"
#include "support/hex.h"

enum { FILE_SIZE_MAX = 1 << 20 };

static json_t *load(const char *folder, const char *name)
{
  struct hgl_err err = {0};
  char path[1024];
  snprintf(path, sizeof path, "%s/protocol/vectors/%s/%s", HGL_SOURCE_DIR, folder, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  char *text = hgl_alloc(FILE_SIZE_MAX);
  assert_non_null(text);
  size_t size = fread(text, 1, FILE_SIZE_MAX, file);
  fclose(file);
  json_t *json = NULL;
  if (hgl_json_parse(hgl_bytes(text, size), FILE_SIZE_MAX - 1, &json, &err) != 0)
    fail_msg("%s: %s", path, err.message);
  hgl_free(text);
  return json;
}

static const char *text_of(const json_t *vector, const char *key)
{
  const char *text = json_string_value(json_object_get(vector, key));
  if (!text) fail_msg("a vector lacks \"%s\"", key);
  return text;
}

static struct hgl_bytes bytes_of(const json_t *vector, const char *key)
{
  const char *hex = text_of(vector, key);
  size_t size = strlen(hex) / 2;
  uint8_t *bytes = hgl_alloc(size ? size : 1);
  assert_non_null(bytes);
  assert_int_equal(from_hex(hex, bytes, size), size);
  return hgl_bytes(bytes, size);
}

/* Runs `check` over each vector of a folder whose file begins with `prefix`; returns how many. */
static int each(const char *folder, const char *prefix, void (*check)(const json_t *vector))
{
  char path[1024];
  snprintf(path, sizeof path, "%s/protocol/vectors/%s", HGL_SOURCE_DIR, folder);
  DIR *entries = opendir(path);
  assert_non_null(entries);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(entries));) {
    size_t size = strlen(entry->d_name);
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
    if (size < 5 || strcmp(entry->d_name + size - 5, ".json") != 0) continue;
    json_t *vector = load(folder, entry->d_name);
    print_message("           %s\n", entry->d_name);
    check(vector);
    json_decref(vector);
    count++;
  }
  closedir(entries);
  return count;
}

static void assert_same_text(const json_t *got, const json_t *expected)
{
  struct hgl_err err = {0};
  struct hgl_buf a, b;
  hgl_buf_init(&a, FILE_SIZE_MAX);
  hgl_buf_init(&b, FILE_SIZE_MAX);
  assert_ok(hgl_json_print(got, &a, &err));
  assert_ok(hgl_json_print(expected, &b, &err));
  assert_string_equal(text_of_buf(&a), text_of_buf(&b));
  hgl_buf_deinit(&a);
  hgl_buf_deinit(&b);
}

static void check_value(const json_t *vector)
{
  struct hgl_err err = {0};
  struct hgl_bytes cbor = bytes_of(vector, "cbor");
  const json_t *expected = json_object_get(vector, "json");
  json_t *json = NULL;
  assert_ok(hgl_value_check(cbor, &err));
  assert_ok(hgl_value_to_json(cbor, &json, &err));
  assert_same_text(json, expected);
  struct hgl_buf back;
  hgl_buf_init(&back, FILE_SIZE_MAX);
  assert_ok(hgl_value_from_json(expected, &back, &err));
  assert_int_equal(back.size, cbor.size);
  assert_memory_equal(back.data, cbor.data, cbor.size);
  hgl_buf_deinit(&back);
  json_decref(json);
  hgl_free((void *)cbor.data);
}

static void check_envelope(const json_t *vector)
{
  struct hgl_err err = {0};
  struct hgl_bytes cbor = bytes_of(vector, "cbor");
  struct hgl_envelope envelope;
  json_t *json = NULL;
  assert_ok(hgl_envelope_decode(cbor, &envelope, &err));
  assert_ok(hgl_envelope_to_json(&envelope, &json, &err));
  assert_same_text(json, json_object_get(vector, "json"));
  json_decref(json);
  hgl_free((void *)cbor.data);
}

static void check_did(const json_t *vector)
{
  struct hgl_err err = {0};
  struct hgl_key key;
  char did[HGL_DID_TEXT_SIZE];
  struct hgl_bytes bytes = bytes_of(vector, "key");
  assert_ok(hgl_did_parse(hgl_text(text_of(vector, "did")), &key, &err));
  assert_true(hgl_bytes_equal(hgl_key_bytes(&key), bytes));
  hgl_did_format(&key, did);
  assert_string_equal(did, text_of(vector, "did"));
  hgl_free((void *)bytes.data);
}

static void check_signed_text(const json_t *vector)
{
  struct hgl_err err = {0};
  struct hgl_key key;
  struct hgl_signer *signer = NULL;
  uint8_t signature[HGL_SIGNATURE_SIZE];
  struct hgl_bytes seed = bytes_of(vector, "seed"), text = bytes_of(vector, "text");
  struct hgl_bytes expected = bytes_of(vector, "signature");
  assert_int_equal(seed.size, HGL_SEED_SIZE);
  assert_int_equal(expected.size, HGL_SIGNATURE_SIZE);
  assert_ok(hgl_signer_create(seed.data, &signer, &err));
  assert_non_null(signer);
  assert_ok(hgl_signed_text_sign(signer, text, signature, &err));
  assert_memory_equal(signature, expected.data, HGL_SIGNATURE_SIZE);
  assert_ok(hgl_did_parse(hgl_text(text_of(vector, "did")), &key, &err));
  assert_ok(hgl_signed_text_verify(&key, text, expected.data, &err));
  /* The domain is part of it. */
  assert_fails(HGL_BAD_SIGNATURE, hgl_verify(&key, text, signature, &err));
  signature[40] ^= 1;
  assert_fails(HGL_BAD_SIGNATURE, hgl_signed_text_verify(&key, text, signature, &err));
  hgl_signer_destroy(signer);
  hgl_free((void *)seed.data);
  hgl_free((void *)text.data);
  hgl_free((void *)expected.data);
}

static int decode_json(struct hgl_bytes text, struct hgl_err *err)
{
  json_t *json = NULL;
  struct hgl_buf out;
  hgl_buf_init(&out, FILE_SIZE_MAX);
  int status = hgl_json_parse(text, FILE_SIZE_MAX, &json, err);
  if (status == 0) status = hgl_value_from_json(json, &out, err);
  json_decref(json);
  hgl_buf_deinit(&out);
  return status;
}

static int decode(const char *decoder, struct hgl_bytes input, struct hgl_err *err)
{
  struct hgl_envelope envelope;
  struct hgl_key key;
  if (strcmp(decoder, "value") == 0) return hgl_value_check(input, err);
  if (strcmp(decoder, "envelope") == 0) return hgl_envelope_decode(input, &envelope, err);
  if (strcmp(decoder, "json") == 0) return decode_json(input, err);
  if (strcmp(decoder, "did") == 0) return hgl_did_parse(input, &key, err);
  fail_msg("no decoder \"%s\"", decoder);
  return 0;
}

static void check_refused(const json_t *vector)
{
  struct hgl_err err = {0};
  struct hgl_bytes input = bytes_of(vector, "input");
  int status = decode(text_of(vector, "decoder"), input, &err);
  assert_string_equal(hgl_code_name((enum hgl_code) - status), text_of(vector, "error"));
  assert_true(err.message[0] != 0);
  hgl_free((void *)input.data);
}

static void valid_vectors_are_accepted_and_come_back_unchanged(void **state)
{
  assert_true(each("valid", "value-", check_value) >= 12);
  assert_true(each("valid", "envelope-", check_envelope) >= 3);
  assert_true(each("valid", "did-", check_did) >= 2);
  assert_true(each("valid", "signed-text-", check_signed_text) >= 3);
}

static void invalid_vectors_are_refused_with_their_code(void **state)
{
  assert_true(each("invalid", "value-", check_refused) >= 20);
  assert_true(each("invalid", "json-", check_refused) >= 10);
  assert_true(each("invalid", "envelope-", check_refused) >= 15);
  assert_true(each("invalid", "did-", check_refused) >= 5);
}

static int setup(void **state)
{
  struct hgl_err err = {0};
  return hgl_crypto_init(&err);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(valid_vectors_are_accepted_and_come_back_unchanged),
      cmocka_unit_test(invalid_vectors_are_refused_with_their_code),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
