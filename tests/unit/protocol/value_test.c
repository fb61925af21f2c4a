#include "support/check.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "protocol/value.h"
#include "support/hex.h"

static int check_hex(const char *hex, struct hgl_err *err)
{
  uint8_t bytes[128];
  size_t size = from_hex(hex, bytes, sizeof bytes);
  assert_true(size != SIZE_MAX);
  return hgl_value_check(hgl_bytes(bytes, size), err);
}

static int convert(const char *json_text, struct hgl_buf *out, struct hgl_err *err)
{
  json_t *json = NULL;
  int status = hgl_json_parse(hgl_text(json_text), 4096, &json, err);
  if (status == 0) status = hgl_value_from_json(json, out, err);
  json_decref(json);
  return status;
}

static int refuses(const char *json_text, struct hgl_err *err)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 4096);
  int status = convert(json_text, &out, err);
  hgl_buf_deinit(&out);
  return status;
}

/* JSON -> value -> JSON gives the same text. */
static void assert_same_json(const char *text)
{
  struct hgl_err err = {0};
  struct hgl_buf value, printed;
  hgl_buf_init(&value, 4096);
  hgl_buf_init(&printed, 4096);
  assert_ok(convert(text, &value, &err));
  json_t *json = NULL;
  assert_ok(hgl_value_to_json(hgl_buf_bytes(&value), &json, &err));
  assert_ok(hgl_json_print(json, &printed, &err));
  assert_string_equal(text_of_buf(&printed), text);
  json_decref(json);
  hgl_buf_deinit(&value);
  hgl_buf_deinit(&printed);
}

static void value_check_refuses_keys_out_of_order_and_twice(void **state)
{
  struct hgl_err err = {0};
  assert_ok(check_hex("a3616101616202626161f6", &err)); /* a, b, aa: shorter first */
  assert_fails(HGL_NOT_DETERMINISTIC, check_hex("a2616201616102", &err));
  assert_fails(HGL_NOT_DETERMINISTIC, check_hex("a262616101616202", &err));
  assert_fails(HGL_DUPLICATE_KEY, check_hex("a2616101616102", &err));
  assert_fails(HGL_DUPLICATE_KEY, check_hex("81a2616101616102", &err));
  assert_ok(check_hex("82a1616101a1616102", &err));
  assert_fails(HGL_BAD_VALUE, check_hex("a10102", &err));
  assert_fails(HGL_BAD_VALUE, check_hex("a1416102", &err));
  assert_fails(HGL_BAD_VALUE, check_hex("1b8000000000000000", &err));
  assert_fails(HGL_TRAILING, check_hex("0000", &err));
  assert_fails(HGL_TRUNCATED, check_hex("", &err));
}

static void value_depth_ends_at_its_limit(void **state)
{
  struct hgl_err err = {0};
  uint8_t bytes[HGL_VALUE_DEPTH_MAX + 2];
  memset(bytes, 0x81, sizeof bytes);
  bytes[HGL_VALUE_DEPTH_MAX] = 0x00;
  assert_ok(hgl_value_check(hgl_bytes(bytes, HGL_VALUE_DEPTH_MAX + 1), &err));
  bytes[HGL_VALUE_DEPTH_MAX] = 0x81;
  bytes[HGL_VALUE_DEPTH_MAX + 1] = 0x00;
  assert_fails(HGL_TOO_DEEP, hgl_value_check(hgl_bytes(bytes, sizeof bytes), &err));
}

static void value_from_json_depth_ends_at_its_limit(void **state)
{
  struct hgl_err err = {0};
  char text[2 * (HGL_VALUE_DEPTH_MAX + 1) + 1];
  for (int depth = HGL_VALUE_DEPTH_MAX; depth <= HGL_VALUE_DEPTH_MAX + 1; depth++) {
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    text[2 * depth] = 0;
    if (depth == HGL_VALUE_DEPTH_MAX)
      assert_ok(refuses(text, &err));
    else
      assert_fails(HGL_TOO_DEEP, refuses(text, &err));
  }
}

static void value_items_end_at_their_limit(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf list;
  json_t *array = json_array();
  hgl_buf_init(&list, 1 << 20);
  for (size_t count = HGL_VALUE_ITEMS_MAX - 1; count <= HGL_VALUE_ITEMS_MAX; count++) {
    hgl_buf_clear(&list);
    hgl_cbor_put_list(&list, count);
    for (size_t i = 0; i < count; i++) hgl_cbor_put_null(&list);
    while (json_array_size(array) < count)
      assert_int_equal(json_array_append_new(array, json_null()), 0);
    if (count < HGL_VALUE_ITEMS_MAX) {
      assert_ok(hgl_value_check(hgl_buf_bytes(&list), &err));
      hgl_buf_clear(&list);
      assert_ok(hgl_value_from_json(array, &list, &err));
    } else {
      assert_fails(HGL_TOO_LARGE, hgl_value_check(hgl_buf_bytes(&list), &err));
      hgl_buf_clear(&list);
      assert_fails(HGL_TOO_LARGE, hgl_value_from_json(array, &list, &err));
    }
  }
  json_decref(array);
  hgl_buf_deinit(&list);
}

static void value_field_finds_a_key_or_says_that_it_is_absent(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf map;
  struct hgl_bytes field;
  bool found = false;
  hgl_buf_init(&map, 256);
  assert_ok(convert("{\"a\":1,\"price\":[2,3],\"zz\":null}", &map, &err));
  assert_ok(hgl_value_field(hgl_buf_bytes(&map), "price", &field, &found, &err));
  assert_true(found);
  assert_int_equal(field.size, 3);
  assert_ok(hgl_value_field(hgl_buf_bytes(&map), "pric", &field, &found, &err));
  assert_false(found);
  uint8_t number = 0;
  assert_fails(HGL_MALFORMED, hgl_value_field(hgl_bytes(&number, 1), "a", &field, &found, &err));
  hgl_buf_deinit(&map);
}

static void value_json_round_trips(void **state)
{
  static const char *const cases[] = {
      "null",
      "true",
      "false",
      "0",
      "-1",
      "9007199254740991",
      "-9007199254740991",
      "{\"$int\":\"9007199254740992\"}",
      "{\"$int\":\"-9223372036854775808\"}",
      "{\"$int\":\"9223372036854775807\"}",
      "0.0",
      "-0.0",
      "1.0",
      "0.1",
      "1e+300",
      "5e-324",
      "1.7976931348623157e+308",
      "1234567890123456.8",
      "100000.0",
      "1e+22",
      "\"\"",
      "\"quote \\\" back \\\\ tab \\t nul \\u0000 unit \\u001f slash / \u00e9\"",
      "{\"$bytes\":\"\"}",
      "{\"$bytes\":\"AA\"}",
      "{\"$bytes\":\"-_8\"}",
      "{\"$bytes\":\"AAEC\"}",
      "[]",
      "{}",
      "[[],{}]",
      "{\"a\":1,\"b\":[1,2.0,\"x\"],\"aa\":{\"c\":null}}",
      "{\"$$int\":\"5\"}",
      "{\"$$\":1,\"$$$x\":2}",
      "{\"\":0}",
      "{\"$$bytes\":{\"$bytes\":\"AA\"}}",
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_same_json(cases[i]);
}

static void value_from_json_sorts_keys_as_cbor_does(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf value;
  uint8_t expected[64];
  hgl_buf_init(&value, 64);
  /* The escape is not part of the key: "$$" is "$", which sorts before "a". */
  assert_ok(convert("{\"aa\":1,\"b\":2,\"$$\":4,\"a\":3}", &value, &err));
  size_t size = from_hex("a4612404616103616202626161"
                         "01",
                         expected, 64);
  assert_int_equal(value.size, size);
  assert_memory_equal(value.data, expected, size);
  assert_ok(hgl_value_check(hgl_buf_bytes(&value), &err));
  hgl_buf_deinit(&value);
}

static void value_from_json_names_the_path_of_what_it_refuses(void **state)
{
  static const struct {
    const char *json, *path;
  } cases[] = {
      {"9007199254740992", "value: "},
      {"{\"items\":[1,2,3,-9007199254740992]}", "items[3]: "},
      {"{\"a\":{\"b\":[{\"$int\":\"x\"}]}}", "a.b[0]: "},
      {"[[{\"$what\":1}]]", "[0][0].$what: "},
      {"{\"a\\n\u00e9\":{\"$bytes\":\"=\"}}", "a???: "},
      {"{\"$int\":5}", "value: "},
      {"{\"$int\":\"05\"}", "value: "},
      {"{\"$int\":\"+5\"}", "value: "},
      {"{\"$int\":\"-0\"}", "value: "},
      {"{\"$int\":\"\"}", "value: "},
      {"{\"$int\":\"-\"}", "value: "},
      {"{\"$int\":\"5\\u0000\"}", "value: "},
      {"{\"$int\":\"9223372036854775808\"}", "value: "},
      {"{\"$bytes\":\"A\"}", "value: "},
      {"{\"$bytes\":\"AB\"}", "value: "},
      {"{\"$bytes\":\"AA==\"}", "value: "},
      {"{\"$bytes\":\"+/8\"}", "value: "},
      {"{\"$bytes\":1}", "value: "},
      {"{\"$int\":\"1\",\"x\":2}", "$int: "},
      {"{\"$\":1}", "$: "},
  };
  struct hgl_err err = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_fails(HGL_BAD_VALUE, refuses(cases[i].json, &err));
    if (strncmp(err.message, cases[i].path, strlen(cases[i].path)) != 0)
      fail_msg("%s: \"%s\" does not begin with \"%s\"", cases[i].json, err.message, cases[i].path);
  }
}

static void value_from_json_survives_a_path_longer_than_a_message(void **state)
{
  struct hgl_err err = {0};
  char key[600], text[700];
  memset(key, 'k', sizeof key - 1);
  key[sizeof key - 1] = 0;
  snprintf(text, sizeof text, "{\"%s\":[{\"$x\":1}]}", key);
  assert_fails(HGL_BAD_VALUE, refuses(text, &err));
  assert_true(strlen(err.message) < 300);
}

static void json_parse_names_a_number_that_is_too_large(void **state)
{
  static const struct {
    const char *text, *why;
  } cases[] = {
      {"{\"n\":1e309}", " n: a number beyond what a double holds"},
      {"{\"a\":[1,{\"b\\\"}\":2,\"c\":[[],\"]\",-1e999]}]}", " a[1].c[2]: a number beyond what a "
                                                             "double holds"},
      {"[{\"a\":1},99999999999999999999 ]", " [1]: a number beyond what a 64-bit integer holds"},
      {"1e309", " a number beyond what a double holds"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_err err = {0};
    json_t *json;
    assert_fails(HGL_BAD_VALUE, hgl_json_parse(hgl_text(cases[i].text), 4096, &json, &err));
    size_t size = strlen(err.message), end = strlen(cases[i].why);
    assert_true(size > end);
    assert_string_equal(err.message + size - end, cases[i].why);
  }
}

static void json_parse_refuses_what_the_header_says(void **state)
{
  static const struct {
    const char *text;
    enum hgl_code code;
  } cases[] = {
      {"{\"a\":1,\"a\":2}", HGL_DUPLICATE_KEY},
      {"[{\"a\":1,\"\\u0061\":2}]", HGL_DUPLICATE_KEY},
      {"1 2", HGL_TRAILING},
      {"", HGL_TRUNCATED},
      {"[1,", HGL_TRUNCATED},
      {"\"\\ud800\"", HGL_MALFORMED},
      {"\"\xed\xa0\x80\"", HGL_MALFORMED},
      {"\"\xff\"", HGL_MALFORMED},
      {"[1,]", HGL_MALFORMED},
      {"NaN", HGL_MALFORMED},
      {"01", HGL_MALFORMED},
      {"1e999", HGL_BAD_VALUE},
      {"9223372036854775808", HGL_BAD_VALUE},
      {"{\"a\\u0000b\":1}", HGL_BAD_VALUE},
      {"12345678901", HGL_TOO_LARGE},
  };
  struct hgl_err err = {0};
  json_t *json = NULL;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size_max = cases[i].code == HGL_TOO_LARGE ? 10 : 100;
    int status = hgl_json_parse(hgl_text(cases[i].text), size_max, &json, &err);
    if (status != -(int)cases[i].code)
      fail_msg("%s: got %s", cases[i].text, hgl_code_name(-status));
  }
}

static void json_depth_ends_at_its_limit(void **state)
{
  enum { LIMIT = HGL_VALUE_DEPTH_MAX + 8 };
  struct hgl_err err = {0};
  static const int depths[] = {LIMIT, LIMIT + 1, 2000, 3000};
  static char text[6001];
  for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
    json_t *json = NULL;
    size_t depth = (size_t)depths[i];
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    if (depth == LIMIT)
      assert_ok(hgl_json_parse(hgl_bytes(text, 2 * depth), sizeof text, &json, &err));
    else
      assert_fails(HGL_TOO_DEEP,
                   hgl_json_parse(hgl_bytes(text, 2 * depth), sizeof text, &json, &err));
    if (!json) continue;
    struct hgl_buf out;
    hgl_buf_init(&out, 4096);
    assert_ok(hgl_json_print(json, &out, &err));
    json_t *outer = json_array();
    assert_int_equal(json_array_append_new(outer, json), 0);
    assert_fails(HGL_TOO_DEEP, hgl_json_print(outer, &out, &err));
    json_decref(outer);
    hgl_buf_deinit(&out);
  }
}

static void json_doubles_survive_printing(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  uint64_t bits = 0x9e3779b97f4a7c15;
  hgl_buf_init(&out, 64);
  for (int i = 0; i < 20000; i++) {
    bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
    uint64_t pattern = i % 4 == 0 ? bits & 0x800fffffffffffff : bits; /* a quarter subnormal */
    double number, back;
    memcpy(&number, &pattern, sizeof number);
    if (!isfinite(number)) continue;
    json_t *json = json_real(number);
    assert_non_null(json);
    hgl_buf_clear(&out);
    assert_ok(hgl_json_print(json, &out, &err));
    const char *text = text_of_buf(&out);
    back = strtod(text, NULL);
    assert_memory_equal(&back, &number, sizeof number);
    assert_non_null(strpbrk(text, ".e"));
    json_decref(json);
  }
  hgl_buf_deinit(&out);
}

static void value_conversions_survive_a_failed_allocation(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf value;
  static const char text[] = "{\"a\":[1,2.5,{\"$bytes\":\"AAEC\"},{\"$int\":\"9007199254740992\"}],"
                             "\"$$b\":{\"c\":\"text\"}}";
  hgl_buf_init(&value, 4096);
  assert_ok(convert(text, &value, &err));
  json_set_alloc_funcs(hgl_alloc, hgl_free);
  long failures = 0;
  for (long fail_at = 0;; fail_at++) {
    struct hgl_buf out;
    json_t *parsed = NULL, *shown = NULL;
    hgl_buf_init(&out, 4096);
    hgl_mem_fail_after(fail_at);
    int status = hgl_json_parse(hgl_text(text), 4096, &parsed, &err);
    if (status == 0) status = hgl_value_from_json(parsed, &out, &err);
    if (status == 0) status = hgl_value_to_json(hgl_buf_bytes(&value), &shown, &err);
    if (status == 0) status = hgl_json_print(shown, &out, &err);
    hgl_mem_fail_after(-1);
    json_decref(parsed);
    json_decref(shown);
    hgl_buf_deinit(&out);
    if (status == 0) break;
    if (status != -HGL_NO_MEMORY)
      fail_msg("allocation %ld: %s: %s", fail_at, hgl_code_name(-status), err.message);
    failures++;
  }
  json_set_alloc_funcs(malloc, free);
  assert_true(failures > 20);
  hgl_buf_deinit(&value);
}

enum { TEXTS_READ = 10000 };

/* As engines do on their threads, with jansson as it is. */
static void *read_beside(void *stop)
{
  while (!*(atomic_bool *)stop) json_decref(json_loads("{\"a\":[1,2,3],\"b\":\"text\"}", 0, NULL));
  return NULL;
}

static void json_is_read_while_other_threads_read_some(void **state)
{
  atomic_bool stop = false;
  pthread_t thread;
  struct hgl_err err = {0};
  int status = 0;
  assert_int_equal(pthread_create(&thread, NULL, read_beside, &stop), 0);
  for (int i = 0; i < TEXTS_READ && !status; i++) {
    json_t *json = NULL;
    status = hgl_json_parse(hgl_text("[1,{\"a\":\"b\"},2.5]"), 100, &json, &err);
    json_decref(json);
  }
  stop = true;
  pthread_join(thread, NULL);
  assert_int_equal(status, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_is_read_while_other_threads_read_some),
      cmocka_unit_test(value_check_refuses_keys_out_of_order_and_twice),
      cmocka_unit_test(value_depth_ends_at_its_limit),
      cmocka_unit_test(value_from_json_depth_ends_at_its_limit),
      cmocka_unit_test(value_items_end_at_their_limit),
      cmocka_unit_test(value_field_finds_a_key_or_says_that_it_is_absent),
      cmocka_unit_test(value_json_round_trips),
      cmocka_unit_test(value_from_json_sorts_keys_as_cbor_does),
      cmocka_unit_test(value_from_json_names_the_path_of_what_it_refuses),
      cmocka_unit_test(value_from_json_survives_a_path_longer_than_a_message),
      cmocka_unit_test(json_parse_names_a_number_that_is_too_large),
      cmocka_unit_test(json_parse_refuses_what_the_header_says),
      cmocka_unit_test(json_depth_ends_at_its_limit),
      cmocka_unit_test(json_doubles_survive_printing),
      cmocka_unit_test(value_conversions_survive_a_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
