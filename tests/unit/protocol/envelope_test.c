#include "support/check.h"

#include <stdlib.h>

#include "base/mem.h"
#include "protocol/did.h"
#include "protocol/envelope.h"
#include "support/hex.h"

static struct hgl_envelope sample(void)
{
  static const uint8_t body[] = {0xa1, 0x64, 'c', 'i', 't', 'y', 0x64, 'O', 's', 'l', 'o'};
  struct hgl_envelope envelope = {
      .id = {{1, 2, 3}},
      .type = hgl_text("weather/1.0/request"),
      .created_time_ms = 1700000000000,
      .body = hgl_bytes(body, sizeof body),
  };
  envelope.thid = envelope.id;
  memset(envelope.from.bytes, 0xaa, HGL_KEY_SIZE);
  memset(envelope.to.bytes, 0xbb, HGL_KEY_SIZE);
  return envelope;
}

static struct hgl_envelope full_sample(void)
{
  struct hgl_envelope envelope = sample();
  envelope.thid.bytes[0] = 9;
  envelope.has_pthid = true;
  envelope.pthid.bytes[5] = 7;
  envelope.expires_time_ms = 1700000060000;
  envelope.has_definition = true;
  memset(envelope.definition.bytes, 0xcc, HGL_HASH_SIZE);
  envelope.traceparent = hgl_text("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  return envelope;
}

/* A map of `count` pairs begun with the fields that sample() has, up to but excluding `end`. */
static void begin(struct hgl_buf *out, size_t count, int end)
{
  struct hgl_envelope envelope = sample();
  hgl_buf_clear(out);
  hgl_cbor_put_map(out, count);
  for (int key = 1; key < end; key++) {
    if (key == 5 || key == 6 || key == 8 || key > 9) continue;
    hgl_cbor_put_uint(out, (uint64_t)key);
    switch (key) {
    case 1:
      hgl_cbor_put_bytes(out, hgl_bytes(envelope.id.bytes, HGL_ID_SIZE));
      break;
    case 2:
      hgl_cbor_put_text(out, envelope.type);
      break;
    case 3:
    case 4:
      hgl_cbor_put_bytes(out, hgl_key_bytes(&envelope.from));
      break;
    case 7:
      hgl_cbor_put_int(out, envelope.created_time_ms);
      break;
    case 9:
      hgl_buf_append_bytes(out, envelope.body);
      break;
    }
  }
}

static void assert_same(const struct hgl_envelope *a, const struct hgl_envelope *b)
{
  assert_true(hgl_id_equal(&a->id, &b->id) && hgl_id_equal(&a->thid, &b->thid));
  assert_true(a->has_pthid == b->has_pthid && hgl_id_equal(&a->pthid, &b->pthid));
  assert_true(hgl_key_equal(&a->from, &b->from) && hgl_key_equal(&a->to, &b->to));
  assert_true(a->created_time_ms == b->created_time_ms);
  assert_true(a->expires_time_ms == b->expires_time_ms);
  assert_true(hgl_bytes_equal(a->type, b->type) && hgl_bytes_equal(a->body, b->body));
  assert_true(a->has_definition == b->has_definition);
  assert_true(hgl_hash_equal(&a->definition, &b->definition));
  assert_true(hgl_bytes_equal(a->traceparent, b->traceparent));
}

static void envelope_round_trips(void **state)
{
  struct hgl_err err = {0};
  struct hgl_envelope cases[] = {sample(), full_sample()};
  for (size_t i = 0; i < 2; i++) {
    struct hgl_buf once, twice;
    struct hgl_envelope decoded;
    hgl_buf_init(&once, 1024);
    hgl_buf_init(&twice, 1024);
    assert_ok(hgl_envelope_encode(&cases[i], &once, &err));
    assert_ok(hgl_envelope_decode(hgl_buf_bytes(&once), &decoded, &err));
    assert_same(&cases[i], &decoded);
    assert_true(hgl_bytes_is(decoded.protocol, "weather"));
    assert_true(hgl_bytes_is(decoded.version, "1.0"));
    assert_true(hgl_bytes_is(decoded.performative, "request"));
    assert_ok(hgl_envelope_encode(&decoded, &twice, &err));
    assert_true(hgl_bytes_equal(hgl_buf_bytes(&once), hgl_buf_bytes(&twice)));
    hgl_buf_deinit(&once);
    hgl_buf_deinit(&twice);
  }
}

static void envelope_decode_refuses_every_truncation_and_any_extra_byte(void **state)
{
  struct hgl_err err = {0};
  struct hgl_envelope envelope = full_sample(), decoded;
  struct hgl_buf out;
  hgl_buf_init(&out, 1024);
  assert_ok(hgl_envelope_encode(&envelope, &out, &err));
  for (size_t size = 0; size < out.size; size++)
    assert_fails(HGL_TRUNCATED, hgl_envelope_decode(hgl_bytes(out.data, size), &decoded, &err));
  hgl_buf_append_byte(&out, 0);
  assert_fails(HGL_TRAILING, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  hgl_buf_deinit(&out);
}

static void envelope_decode_needs_every_required_field(void **state)
{
  static const int required[] = {1, 2, 3, 4, 7, 9};
  static const char *const names[] = {"id", "type", "from", "to", "created_time", "body"};
  struct hgl_err err = {0};
  struct hgl_buf full, out;
  struct hgl_envelope envelope = sample(), decoded;
  hgl_buf_init(&full, 1024);
  hgl_buf_init(&out, 1024);
  assert_ok(hgl_envelope_encode(&envelope, &full, &err));
  for (size_t i = 0; i < 6; i++) {
    struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&full));
    size_t count;
    assert_ok(hgl_cbor_get_map(&in, "", 64, &count, &err));
    hgl_buf_clear(&out);
    hgl_cbor_put_map(&out, count - 1);
    for (size_t pair = 0; pair < count; pair++) {
      const uint8_t *start = in.at;
      int64_t key;
      struct hgl_bytes value;
      assert_ok(hgl_cbor_get_int(&in, "", &key, &err));
      assert_ok(hgl_cbor_get_value(&in, "", &value, &err));
      if (key != required[i]) hgl_buf_append(&out, start, (size_t)(in.at - start));
    }
    assert_fails(HGL_MALFORMED, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
    char expected[64];
    snprintf(expected, sizeof expected, "envelope: %s is missing", names[i]);
    assert_string_equal(err.message, expected);
  }
  hgl_buf_deinit(&full);
  hgl_buf_deinit(&out);
}

static void envelope_decode_rejects_duplicate_and_unordered_keys(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  struct hgl_envelope decoded;
  hgl_buf_init(&out, 1024);
  begin(&out, 7, 10);
  hgl_cbor_put_uint(&out, 9);
  hgl_cbor_put_null(&out);
  assert_fails(HGL_DUPLICATE_KEY, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  begin(&out, 7, 10);
  hgl_cbor_put_uint(&out, 8);
  hgl_cbor_put_uint(&out, 1);
  assert_fails(HGL_NOT_DETERMINISTIC, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  hgl_buf_deinit(&out);
}

static int decode_with_extra(struct hgl_buf *out, uint64_t key, const char *value_hex,
                             struct hgl_err *err)
{
  struct hgl_envelope decoded;
  uint8_t value[128];
  begin(out, 7, 10);
  hgl_cbor_put_uint(out, key);
  hgl_buf_append(out, value, from_hex(value_hex, value, sizeof value));
  return hgl_envelope_decode(hgl_buf_bytes(out), &decoded, err);
}

static void envelope_decode_ignores_unknown_keys_outside_the_critical_range(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, 1024);
  static const uint64_t ignored[] = {12, 63, 128, INT64_MAX};
  for (size_t i = 0; i < 4; i++) {
    assert_ok(decode_with_extra(&out, ignored[i], "a1616101", &err));
    assert_fails(HGL_DUPLICATE_KEY, decode_with_extra(&out, ignored[i], "a2616101616101", &err));
  }
  assert_fails(HGL_CRITICAL, decode_with_extra(&out, 64, "f6", &err));
  assert_fails(HGL_CRITICAL, decode_with_extra(&out, 100, "f6", &err));
  assert_fails(HGL_CRITICAL, decode_with_extra(&out, 127, "f6", &err));
  assert_fails(HGL_MALFORMED, decode_with_extra(&out, UINT64_MAX, "f6", &err));
  hgl_buf_deinit(&out);
}

static void envelope_decode_permits_one_encoding_of_absent_fields(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  struct hgl_envelope envelope = sample(), decoded;
  hgl_buf_init(&out, 1024);
  begin(&out, 7, 5);
  hgl_cbor_put_uint(&out, 5);
  hgl_cbor_put_bytes(&out, hgl_bytes(envelope.id.bytes, HGL_ID_SIZE));
  assert_fails(HGL_NOT_DETERMINISTIC, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  begin(&out, 7, 8);
  hgl_cbor_put_uint(&out, 8);
  hgl_cbor_put_uint(&out, 0);
  hgl_cbor_put_uint(&out, 9);
  hgl_cbor_put_null(&out);
  assert_fails(HGL_MALFORMED, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  assert_fails(HGL_MALFORMED, decode_with_extra(&out, 11, "60", &err));     /* empty trace */
  assert_fails(HGL_MALFORMED, decode_with_extra(&out, 11, "62610a", &err)); /* not visible */
  hgl_buf_deinit(&out);
}

static void envelope_body_ends_at_its_limit(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf body, out;
  struct hgl_envelope envelope = sample(), decoded;
  hgl_buf_init(&body, HGL_BODY_SIZE_MAX + 1);
  hgl_buf_init(&out, HGL_ENVELOPE_SIZE_MAX + 100);
  uint8_t *zeros = hgl_zalloc(HGL_BODY_SIZE_MAX);
  assert_non_null(zeros);
  hgl_cbor_put_bytes(&body, hgl_bytes(zeros, HGL_BODY_SIZE_MAX - 5));
  assert_int_equal(body.size, HGL_BODY_SIZE_MAX);
  envelope.body = hgl_buf_bytes(&body);
  assert_ok(hgl_envelope_encode(&envelope, &out, &err));
  assert_ok(hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  hgl_buf_clear(&body);
  hgl_cbor_put_bytes(&body, hgl_bytes(zeros, HGL_BODY_SIZE_MAX - 4));
  envelope.body = hgl_buf_bytes(&body);
  hgl_buf_clear(&out);
  assert_fails(HGL_TOO_LARGE, hgl_envelope_encode(&envelope, &out, &err));
  assert_int_equal(out.size, 0);
  begin(&out, 6, 9);
  hgl_cbor_put_uint(&out, 9);
  hgl_buf_append_bytes(&out, envelope.body);
  assert_fails(HGL_TOO_LARGE, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  hgl_free(zeros);
  hgl_buf_deinit(&body);
  hgl_buf_deinit(&out);
}

static void envelope_size_ends_at_its_limit(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  struct hgl_envelope decoded;
  uint8_t *zeros = hgl_zalloc(HGL_ENVELOPE_SIZE_MAX);
  assert_non_null(zeros);
  hgl_buf_init(&out, HGL_ENVELOPE_SIZE_MAX + 1);
  for (size_t size = HGL_ENVELOPE_SIZE_MAX; size <= HGL_ENVELOPE_SIZE_MAX + 1; size++) {
    begin(&out, 7, 10);
    hgl_cbor_put_uint(&out, 12);
    hgl_cbor_put_bytes(&out, hgl_bytes(zeros, size - out.size - 5));
    assert_int_equal(out.size, size);
    if (size == HGL_ENVELOPE_SIZE_MAX)
      assert_ok(hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
    else
      assert_fails(HGL_TOO_LARGE, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  }
  hgl_free(zeros);
  hgl_buf_deinit(&out);
}

static void envelope_field_count_ends_at_its_limit(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  struct hgl_envelope decoded;
  hgl_buf_init(&out, 4096);
  for (size_t count = HGL_ENVELOPE_FIELDS_MAX; count <= HGL_ENVELOPE_FIELDS_MAX + 1; count++) {
    begin(&out, count, 10);
    for (size_t i = 6; i < count; i++) {
      hgl_cbor_put_uint(&out, 200 + i);
      hgl_cbor_put_null(&out);
    }
    if (count == HGL_ENVELOPE_FIELDS_MAX)
      assert_ok(hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
    else
      assert_fails(HGL_TOO_LARGE, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  }
  hgl_buf_deinit(&out);
}

static void envelope_times_end_at_their_limit(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  struct hgl_envelope envelope = sample(), decoded;
  hgl_buf_init(&out, 1024);
  envelope.created_time_ms = (int64_t)HGL_COUNTER_MAX;
  assert_ok(hgl_envelope_encode(&envelope, &out, &err));
  assert_ok(hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  envelope.created_time_ms++;
  assert_fails(HGL_INVALID, hgl_envelope_encode(&envelope, &out, &err));
  envelope.created_time_ms = -1;
  assert_fails(HGL_INVALID, hgl_envelope_encode(&envelope, &out, &err));
  begin(&out, 6, 7);
  hgl_cbor_put_uint(&out, 7);
  hgl_cbor_put_uint(&out, HGL_COUNTER_MAX + 1);
  hgl_cbor_put_uint(&out, 9);
  hgl_cbor_put_null(&out);
  assert_fails(HGL_MALFORMED, hgl_envelope_decode(hgl_buf_bytes(&out), &decoded, &err));
  hgl_buf_deinit(&out);
}

static void type_parse_accepts_three_lower_case_parts_only(void **state)
{
  struct hgl_err err = {0};
  struct hgl_bytes a, b, c;
  static const char *const good[] = {"a/1/b", "haggle/1.0/refuse", "x-y_z.0/10.2.3/q"};
  static const char *const bad[] = {"",        "/",       "//",         "a/1",       "a/1/",
                                    "a//b",    "/1/b",    "a/1/b/c",    "A/1/b",     "a/v1/b",
                                    "a/1/b c", "a/1/b\n", "a/1/\u00e9", "a/1.0-2/b", "a /1/b"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    assert_ok(hgl_type_parse(hgl_text(good[i]), &a, &b, &c, &err));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_fails(HGL_MALFORMED, hgl_type_parse(hgl_text(bad[i]), &a, &b, &c, &err));
  assert_fails(HGL_MALFORMED, hgl_type_parse(hgl_bytes(NULL, 0), &a, &b, &c, &err));
  char text[3 * 80];
  for (int size = HGL_NAME_SIZE_MAX; size <= HGL_NAME_SIZE_MAX + 1; size++) {
    snprintf(text, sizeof text, "%.*s/1/b", size,
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    if (size == HGL_NAME_SIZE_MAX)
      assert_ok(hgl_type_parse(hgl_text(text), &a, &b, &c, &err));
    else
      assert_fails(HGL_MALFORMED, hgl_type_parse(hgl_text(text), &a, &b, &c, &err));
  }
  for (int size = HGL_TYPE_SIZE_MAX; size <= HGL_TYPE_SIZE_MAX + 1; size++) {
    memset(text, '1', (size_t)size);
    text[size] = 0;
    text[60] = text[64] = '/'; /* 60 + 3 + the rest */
    if (size == HGL_TYPE_SIZE_MAX)
      assert_ok(hgl_type_parse(hgl_text(text), &a, &b, &c, &err));
    else
      assert_fails(HGL_MALFORMED, hgl_type_parse(hgl_text(text), &a, &b, &c, &err));
  }
}

static void envelope_encode_refuses_a_body_that_is_no_value(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  struct hgl_envelope envelope = sample();
  hgl_buf_init(&out, 1024);
  envelope.body = hgl_bytes("\xf7", 1);
  assert_fails(HGL_BAD_VALUE, hgl_envelope_encode(&envelope, &out, &err));
  envelope.body = hgl_bytes("\x00\x00", 2);
  assert_fails(HGL_TRAILING, hgl_envelope_encode(&envelope, &out, &err));
  envelope.body = hgl_bytes(NULL, 0);
  assert_fails(HGL_TRUNCATED, hgl_envelope_encode(&envelope, &out, &err));
  envelope = sample();
  envelope.type = hgl_text("Weather");
  assert_fails(HGL_MALFORMED, hgl_envelope_encode(&envelope, &out, &err));
  assert_int_equal(out.size, 0);
  hgl_buf_deinit(&out);
}

static void envelope_json_uses_didcomm_names(void **state)
{
  struct hgl_err err = {0};
  struct hgl_envelope envelope = full_sample();
  struct hgl_buf text;
  json_t *json = NULL;
  char did[HGL_DID_TEXT_SIZE];
  hgl_buf_init(&text, 4096);
  assert_ok(hgl_envelope_to_json(&envelope, &json, &err));
  assert_ok(hgl_json_print(json, &text, &err));
  hgl_did_format(&envelope.from, did);
  assert_string_equal(json_string_value(json_object_get(json, "from")), did);
  json_object_del(json, "from");
  json_object_del(json, "to");
  hgl_buf_clear(&text);
  assert_ok(hgl_json_print(json, &text, &err));
  assert_string_equal(
      text_of_buf(&text),
      "{\"id\":\"01020300000000000000000000000000\",\"type\":\"weather/1.0/request\","
      "\"thid\":\"09020300000000000000000000000000\",\"pthid\":"
      "\"00000000000700000000000000000000\","
      "\"created_time\":1700000000000,\"expires_time\":1700000060000,\"body\":{\"city\":\"Oslo\"},"
      "\"definition\":\"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\","
      "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}");
  json_decref(json);
  hgl_buf_deinit(&text);
}

static void envelope_json_survives_a_failed_allocation(void **state)
{
  struct hgl_err err = {0};
  struct hgl_envelope envelope = full_sample();
  json_set_alloc_funcs(hgl_alloc, hgl_free);
  int status = -1;
  for (long fail_at = 0; status != 0; fail_at++) {
    json_t *json = NULL;
    hgl_mem_fail_after(fail_at);
    status = hgl_envelope_to_json(&envelope, &json, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    if (status) assert_null(json);
    json_decref(json);
  }
  json_set_alloc_funcs(malloc, free);
}

static void id_text_is_32_lower_case_digits(void **state)
{
  struct hgl_err err = {0};
  struct hgl_id id = {{0x00, 0x9f, 0xff}}, parsed;
  char text[2 * HGL_ID_SIZE + 1];
  hgl_id_format(&id, text);
  assert_string_equal(text, "009fff00000000000000000000000000");
  assert_ok(hgl_id_parse(hgl_text(text), &parsed, &err));
  assert_true(hgl_id_equal(&id, &parsed));
  text[2] = 'F';
  assert_fails(HGL_MALFORMED, hgl_id_parse(hgl_text(text), &parsed, &err));
  assert_fails(HGL_MALFORMED, hgl_id_parse(hgl_bytes(text, 31), &parsed, &err));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(envelope_round_trips),
      cmocka_unit_test(envelope_decode_refuses_every_truncation_and_any_extra_byte),
      cmocka_unit_test(envelope_decode_needs_every_required_field),
      cmocka_unit_test(envelope_decode_rejects_duplicate_and_unordered_keys),
      cmocka_unit_test(envelope_decode_ignores_unknown_keys_outside_the_critical_range),
      cmocka_unit_test(envelope_decode_permits_one_encoding_of_absent_fields),
      cmocka_unit_test(envelope_body_ends_at_its_limit),
      cmocka_unit_test(envelope_size_ends_at_its_limit),
      cmocka_unit_test(envelope_field_count_ends_at_its_limit),
      cmocka_unit_test(envelope_times_end_at_their_limit),
      cmocka_unit_test(type_parse_accepts_three_lower_case_parts_only),
      cmocka_unit_test(envelope_encode_refuses_a_body_that_is_no_value),
      cmocka_unit_test(envelope_json_uses_didcomm_names),
      cmocka_unit_test(envelope_json_survives_a_failed_allocation),
      cmocka_unit_test(id_text_is_32_lower_case_digits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
