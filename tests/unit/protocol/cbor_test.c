#include "support/check.h"

#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "protocol/cbor.h"
#include "support/hex.h"

static int next_of(const char *hex, struct hgl_cbor_item *item, struct hgl_err *err)
{
  uint8_t bytes[64];
  size_t size = from_hex(hex, bytes, sizeof bytes);
  assert_true(size != SIZE_MAX);
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_bytes(bytes, size));
  int status = hgl_cbor_next(&in, item, err);
  if (status) assert_ptr_equal(in.at, bytes); /* a refused item is not consumed */
  return status;
}

static void assert_written(struct hgl_buf *out, const char *hex)
{
  struct hgl_err err = {0};
  uint8_t expected[64];
  size_t size = from_hex(hex, expected, sizeof expected);
  assert_ok(hgl_buf_check(out, &err));
  assert_int_equal(out->size, size);
  assert_memory_equal(out->data, expected, size);
  hgl_buf_clear(out);
}

/* RFC 8949, appendix A. */
static void cbor_integers_match_rfc_8949(void **state)
{
  static const struct {
    int64_t value;
    const char *hex;
  } cases[] = {
      {0, "00"},
      {10, "0a"},
      {23, "17"},
      {24, "1818"},
      {100, "1864"},
      {255, "18ff"},
      {256, "190100"},
      {1000, "1903e8"},
      {65535, "19ffff"},
      {65536, "1a00010000"},
      {1000000, "1a000f4240"},
      {4294967295, "1affffffff"},
      {4294967296, "1b0000000100000000"},
      {1000000000000, "1b000000e8d4a51000"},
      {INT64_MAX, "1b7fffffffffffffff"},
      {-1, "20"},
      {-10, "29"},
      {-24, "37"},
      {-25, "3818"},
      {-100, "3863"},
      {-1000, "3903e7"},
      {INT64_MIN, "3b7fffffffffffffff"},
  };
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, 64);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_cbor_item item;
    hgl_cbor_put_int(&out, cases[i].value);
    assert_written(&out, cases[i].hex);
    assert_ok(next_of(cases[i].hex, &item, &err));
    assert_int_equal(item.kind, HGL_CBOR_INT);
    assert_true(item.integer == cases[i].value);
  }
  hgl_cbor_put_uint(&out, UINT64_MAX);
  assert_written(&out, "1bffffffffffffffff");
  struct hgl_cbor_item item;
  assert_ok(next_of("1bffffffffffffffff", &item, &err));
  assert_int_equal(item.kind, HGL_CBOR_BIG_UINT);
  assert_true(item.big == UINT64_MAX);
  assert_fails(HGL_BAD_VALUE, next_of("3bffffffffffffffff", &item, &err));
  assert_fails(HGL_BAD_VALUE, next_of("3b8000000000000000", &item, &err));
  hgl_buf_deinit(&out);
}

static void cbor_floats_match_rfc_8949(void **state)
{
  static const struct {
    double value;
    const char *hex;
  } cases[] = {
      {0.0, "f90000"},
      {-0.0, "f98000"},
      {1.0, "f93c00"},
      {1.1, "fb3ff199999999999a"},
      {1.5, "f93e00"},
      {65504.0, "f97bff"},
      {65536.0, "fa47800000"},
      {100000.0, "fa47c35000"},
      {3.4028234663852886e+38, "fa7f7fffff"},
      {3.402823466385289e+38, "fb47efffffe0000001"},
      {1.0e+300, "fb7e37e43c8800759c"},
      {5.960464477539063e-8, "f90001"},
      {0.00006103515625, "f90400"},
      {2.9802322387695312e-8, "fa33000000"},
      {-4.0, "f9c400"},
      {-4.1, "fbc010666666666666"},
      {1.401298464324817e-45, "fa00000001"},
      {5e-324, "fb0000000000000001"},
      {DBL_MAX, "fb7fefffffffffffff"},
  };
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, 64);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_cbor_item item;
    hgl_cbor_put_double(&out, cases[i].value);
    assert_written(&out, cases[i].hex);
    assert_ok(next_of(cases[i].hex, &item, &err));
    assert_int_equal(item.kind, HGL_CBOR_DOUBLE);
    assert_memory_equal(&item.number, &cases[i].value, sizeof(double));
  }
  hgl_buf_deinit(&out);
}

/* The neighbours further from zero. */
static double next_float(double number)
{
  float single = (float)number;
  uint32_t bits;
  memcpy(&bits, &single, sizeof bits);
  bits++;
  memcpy(&single, &bits, sizeof bits);
  return single;
}

static double next_double(double number)
{
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  bits++;
  memcpy(&number, &bits, sizeof bits);
  return number;
}

/* Every finite half is decoded exactly and written as the same two bytes; its neighbours among the
 * floats and doubles take four and eight. */
static void cbor_halves_round_trip(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, 64);
  for (uint32_t half = 0; half <= 0xffff; half++) {
    uint8_t bytes[] = {0xf9, (uint8_t)(half >> 8), (uint8_t)half};
    struct hgl_cbor_reader in = hgl_cbor_reader(hgl_bytes(bytes, 3));
    struct hgl_cbor_item item;
    unsigned exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31) {
      assert_fails(HGL_BAD_VALUE, hgl_cbor_next(&in, &item, &err));
      continue;
    }
    assert_ok(hgl_cbor_next(&in, &item, &err));
    double expected = exponent ? ldexp(1024 + mantissa, (int)exponent - 25) : ldexp(mantissa, -24);
    if (half & 0x8000) expected = -expected;
    assert_memory_equal(&item.number, &expected, sizeof expected);
    hgl_buf_clear(&out);
    hgl_cbor_put_double(&out, expected);
    assert_int_equal(out.size, 3);
    assert_memory_equal(out.data, bytes, 3);
    hgl_buf_clear(&out);
    hgl_cbor_put_double(&out, next_float(expected));
    assert_int_equal(out.size, 5);
    hgl_buf_clear(&out);
    hgl_cbor_put_double(&out, next_double(expected));
    assert_int_equal(out.size, 9);
  }
  hgl_buf_deinit(&out);
}

static void cbor_text_bytes_and_containers_match_rfc_8949(void **state)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 64);
  hgl_cbor_put_bytes(&out, hgl_bytes(NULL, 0));
  assert_written(&out, "40");
  hgl_cbor_put_bytes(&out, hgl_bytes("\1\2\3\4", 4));
  assert_written(&out, "4401020304");
  hgl_cbor_put_literal(&out, "");
  assert_written(&out, "60");
  hgl_cbor_put_literal(&out, "IETF");
  assert_written(&out, "6449455446");
  hgl_cbor_put_literal(&out, "\u6c34");
  assert_written(&out, "63e6b0b4");
  hgl_cbor_put_list(&out, 25);
  assert_written(&out, "9819");
  hgl_cbor_put_map(&out, 1);
  hgl_cbor_put_literal(&out, "a");
  hgl_cbor_put_null(&out);
  assert_written(&out, "a16161f6");
  hgl_cbor_put_bool(&out, false);
  hgl_cbor_put_bool(&out, true);
  assert_written(&out, "f4f5");
  hgl_buf_deinit(&out);
}

static void cbor_next_refuses_what_is_not_deterministic(void **state)
{
  static const char *const cases[] = {
      "1817",
      "1900ff",
      "1a0000ffff",
      "1b00000000ffffffff",
      "3817",
      "3900ff",
      "5800",
      "590001aa",
      "7800",
      "780161",
      "9800",
      "b800",
      "9b0000000000000000",
      "5f",
      "7f",
      "9f",
      "bf",
      "5f4100ff",
      "fa00000000",
      "fa3f800000",
      "fb3ff0000000000000",
      "fb36a0000000000000",
      "fa33800000",
  };
  struct hgl_err err = {0};
  struct hgl_cbor_item item;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_fails(HGL_NOT_DETERMINISTIC, next_of(cases[i], &item, &err));
}

static void cbor_next_refuses_what_is_no_value(void **state)
{
  static const char *const bad[] = {
      "f7",
      "e0",
      "f0",
      "f3",
      "f820",
      "f8ff",
      "c000",
      "c11a514b67b0",
      "d9d9f700", /* simple, tags */
      "f97c00",
      "f9fc00",
      "f97e00",
      "fa7f800000",
      "fa7fc00000",
      "fb7ff0000000000000",
      "fb7ff8000000000000",
      "fbfff0000000000000", /* not finite */
      "61ff",
      "62c080",
      "63eda080",
      "64f4908080",
      "64f0808080", /* not UTF-8 */
      "63e08080",
      "61c3",
  };
  static const char *const malformed[] = {"1c", "3d", "5e", "7c", "9d", "be", "fc", "fe", "ff"};
  struct hgl_err err = {0};
  struct hgl_cbor_item item;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_fails(HGL_BAD_VALUE, next_of(bad[i], &item, &err));
  for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
    assert_fails(HGL_MALFORMED, next_of(malformed[i], &item, &err));
}

static void cbor_next_refuses_every_truncation(void **state)
{
  static const char *const whole[] = {
      "1b0000000100000000", "fb3ff199999999999a", "fa47c35000", "f93c00",
      "4401020304",         "6449455446",         "8100",       "a10000"};
  struct hgl_err err = {0};
  struct hgl_cbor_item item;
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
    char part[32];
    assert_ok(next_of(whole[i], &item, &err));
    for (size_t digits = 0; digits < strlen(whole[i]); digits += 2) {
      snprintf(part, sizeof part, "%.*s", (int)digits, whole[i]);
      assert_fails(HGL_TRUNCATED, next_of(part, &item, &err));
    }
  }
}

static void cbor_counts_never_exceed_the_rest(void **state)
{
  struct hgl_err err = {0};
  struct hgl_cbor_item item;
  static const char *const cases[] = {"9bffffffffffffffff00",
                                      "bbffffffffffffffff00",
                                      "5bffffffffffffffff00",
                                      "7b7fffffffffffffff00",
                                      "820000",
                                      "a20000000000"};
  for (size_t i = 0; i < 4; i++) assert_fails(HGL_TRUNCATED, next_of(cases[i], &item, &err));
  assert_ok(next_of(cases[4], &item, &err));
  assert_int_equal(item.count, 2);
  assert_ok(next_of(cases[5], &item, &err));
  assert_fails(HGL_TRUNCATED, next_of("8200", &item, &err));
  assert_fails(HGL_TRUNCATED, next_of("a2000000", &item, &err));
}

static struct hgl_cbor_reader reader_of(const char *hex, uint8_t storage[64])
{
  return hgl_cbor_reader(hgl_bytes(storage, from_hex(hex, storage, 64)));
}

static void cbor_get_names_what_it_expected(void **state)
{
  struct hgl_err err = {0};
  uint8_t storage[64], fixed[4] = {9, 9, 9, 9};
  struct hgl_cbor_reader in = reader_of("6161", storage);
  int64_t number = 7;
  assert_fails(HGL_MALFORMED, hgl_cbor_get_int(&in, "price", &number, &err));
  assert_string_equal(err.message, "price: expected an integer, found text");
  assert_int_equal(number, 7);
  in = reader_of("1818", storage);
  uint64_t small = 7;
  assert_fails(HGL_MALFORMED, hgl_cbor_get_uint(&in, "count", 23, &small, &err));
  in = reader_of("1818", storage);
  assert_ok(hgl_cbor_get_uint(&in, "count", 24, &small, &err));
  assert_int_equal(small, 24);
  in = reader_of("20", storage);
  assert_fails(HGL_MALFORMED, hgl_cbor_get_uint(&in, "count", 23, &small, &err));
  in = reader_of("4401020304", storage);
  struct hgl_bytes bytes;
  assert_fails(HGL_TOO_LARGE, hgl_cbor_get_bytes(&in, "b", 3, &bytes, &err));
  in = reader_of("4401020304", storage);
  assert_ok(hgl_cbor_get_bytes(&in, "b", 4, &bytes, &err));
  assert_int_equal(bytes.size, 4);
  in = reader_of("4401020304", storage);
  assert_fails(HGL_MALFORMED, hgl_cbor_get_fixed(&in, "b", fixed, 3, &err));
  assert_int_equal(fixed[0], 9);
  in = reader_of("4401020304", storage);
  assert_ok(hgl_cbor_get_fixed(&in, "b", fixed, 4, &err));
  assert_memory_equal(fixed, "\1\2\3\4", 4);
  in = reader_of("83010203", storage);
  size_t count;
  assert_fails(HGL_TOO_LARGE, hgl_cbor_get_list(&in, "l", 2, &count, &err));
  in = reader_of("83010203", storage);
  assert_ok(hgl_cbor_get_list(&in, "l", 3, &count, &err));
  assert_fails(HGL_TRAILING, hgl_cbor_end(&in, "l", &err));
  for (int i = 0; i < 3; i++) assert_ok(hgl_cbor_get_int(&in, "item", &number, &err));
  assert_ok(hgl_cbor_end(&in, "l", &err));
}

static void cbor_keys_must_ascend(void **state)
{
  struct hgl_err err = {0};
  uint8_t storage[64];
  int64_t previous = INT64_MIN, key;
  struct hgl_cbor_reader in = reader_of("0001181800", storage);
  assert_ok(hgl_cbor_get_key(&in, "map", &previous, &key, &err));
  assert_ok(hgl_cbor_get_key(&in, "map", &previous, &key, &err));
  assert_ok(hgl_cbor_get_key(&in, "map", &previous, &key, &err));
  assert_int_equal(key, 24);
  assert_fails(HGL_NOT_DETERMINISTIC, hgl_cbor_get_key(&in, "map", &previous, &key, &err));
  in = reader_of("1818", storage);
  assert_fails(HGL_DUPLICATE_KEY, hgl_cbor_get_key(&in, "map", &previous, &key, &err));
  in = reader_of("20", storage);
  assert_fails(HGL_MALFORMED, hgl_cbor_get_key(&in, "map", &previous, &key, &err));
}

static void utf8_is_judged_as_rfc_3629_says(void **state)
{
  static const char *const good[] = {"",       "plain text that is longer than a word",
                                     "\u00e9", "1234567\u00e9",
                                     "\u20ac", "\U0010ffff",
                                     "\ud7ff", "\ue000"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    assert_true(hgl_utf8_valid(hgl_text(good[i])));
  assert_true(hgl_utf8_valid(hgl_bytes("a\0b", 3)));
  static const char *const bad[] = {
      "\x80", "\xc1\xbf",    "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
      "\xf5", "1234567\xc3", "12345678\xff", "\xe2\x82",     "\xc3\x28",         "\xe2\x28\xa1"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(hgl_utf8_valid(hgl_text(bad[i])));
}

static void cbor_writer_reports_its_ceiling_once_at_the_end(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, 4);
  hgl_cbor_put_literal(&out, "abc");
  assert_ok(hgl_buf_check(&out, &err));
  hgl_cbor_put_null(&out);
  assert_fails(HGL_TOO_LARGE, hgl_buf_check(&out, &err));
  hgl_buf_deinit(&out);
  hgl_buf_init(&out, 4);
  hgl_mem_fail_after(0);
  hgl_cbor_put_literal(&out, "abc");
  hgl_mem_fail_after(-1);
  assert_fails(HGL_NO_MEMORY, hgl_buf_check(&out, &err));
  hgl_buf_deinit(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cbor_integers_match_rfc_8949),
      cmocka_unit_test(cbor_floats_match_rfc_8949),
      cmocka_unit_test(cbor_halves_round_trip),
      cmocka_unit_test(cbor_text_bytes_and_containers_match_rfc_8949),
      cmocka_unit_test(cbor_next_refuses_what_is_not_deterministic),
      cmocka_unit_test(cbor_next_refuses_what_is_no_value),
      cmocka_unit_test(cbor_next_refuses_every_truncation),
      cmocka_unit_test(cbor_counts_never_exceed_the_rest),
      cmocka_unit_test(cbor_get_names_what_it_expected),
      cmocka_unit_test(cbor_keys_must_ascend),
      cmocka_unit_test(utf8_is_judged_as_rfc_3629_says),
      cmocka_unit_test(cbor_writer_reports_its_ceiling_once_at_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
