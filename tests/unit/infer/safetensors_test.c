#include "infer/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/check.h"

/* A file of this header and so many bytes 1, 2, 3, …; `length` instead of the header's when
 * positive. */
struct file {
  uint8_t bytes[2000];
  size_t size;
};

static struct file file_of(const char *header, size_t data, long length)
{
  struct file file = {.size = 8 + strlen(header) + data};
  uint64_t size = length < 0 ? strlen(header) : (uint64_t)length;
  assert_true(file.size <= sizeof file.bytes);
  for (int i = 0; i < 8; i++) file.bytes[i] = (uint8_t)(size >> 8 * i);
  memcpy(file.bytes + 8, header, strlen(header));
  for (size_t i = 0; i < data; i++) file.bytes[8 + strlen(header) + i] = (uint8_t)(i + 1);
  return file;
}

static int decode(const struct file *file, struct hgl_safetensors **out, struct hgl_err *err)
{
  return hgl_safetensors_decode(hgl_bytes(file->bytes, file->size), out, err);
}

static void finds_tensors_and_texts(void **unused)
{
  struct file file = file_of(
      "{\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[2,10]},"
      "\"__metadata__\":{\"made by\":\"hand\"},"
      "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
      "\"none\":{\"dtype\":\"F64\",\"shape\":[3,0],\"data_offsets\":[2,2]},"
      "\"one\":{\"shape\":[],\"dtype\":\"BF16\",\"data_offsets\":[10,12]}}  ",
      12, -1);
  struct hgl_err err = {0};
  struct hgl_safetensors *read = NULL;
  assert_ok(decode(&file, &read, &err));
  assert_int_equal(hgl_safetensors_count(read), 4);
  assert_string_equal(hgl_safetensors_at(read, 0)->name, "a");
  assert_null(hgl_safetensors_at(read, 4));
  const struct hgl_safetensor *b = hgl_safetensors_find(read, "b");
  assert_non_null(b);
  assert_int_equal(b->rank, 2);
  assert_int_equal(b->shape[0], 2);
  assert_int_equal(b->count, 2);
  assert_int_equal(b->data.data[0], 3);
  assert_true(hgl_safetensor_is_real(b));
  assert_false(hgl_safetensor_is_real(hgl_safetensors_find(read, "a")));
  assert_int_equal(hgl_safetensors_find(read, "one")->count, 1);
  assert_int_equal(hgl_safetensors_find(read, "none")->count, 0);
  assert_null(hgl_safetensors_find(read, "c"));
  assert_null(hgl_safetensors_find(read, "__metadata__"));
  assert_true(hgl_bytes_is(hgl_safetensors_metadata(read, "made by"), "hand"));
  assert_null(hgl_safetensors_metadata(read, "made").data);
  hgl_safetensors_destroy(read);
}

#define TENSOR(shape, type, start, end)                                                            \
  "{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" #start "," #end "]}"

static void refuses_what_does_not_add_up(void **unused)
{
  static const struct {
    const char *header;
    size_t data;
    long length;
    enum hgl_code code;
    const char *says;
  } cases[] = {
      {"", 0, -1, HGL_MALFORMED, "no header"},
      {"[]", 0, -1, HGL_MALFORMED, "no header"},
      {"{", 0, -1, HGL_MALFORMED, "no header"},
      {"{ ", 0, -1, HGL_TRUNCATED, "header"},
      {"{}", 0, 3, HGL_TRUNCATED, "the file ends within its header"},
      {"{}", 0, HGL_SAFETENSORS_HEADER_MAX, HGL_TRUNCATED, "the file ends within its header"},
      {"{}", 0, HGL_SAFETENSORS_HEADER_MAX + 1, HGL_TOO_LARGE, "a header of 4194305 bytes"},
      {"{} x", 0, -1, HGL_TRAILING, "header"},
      {"{}", 3, -1, HGL_TRAILING, "3 bytes at the end belong to no tensor"},
      {"{\"a\":1}", 0, -1, HGL_MALFORMED, "'a': it is not described by an object"},
      {"{\"a\":{}}", 0, -1, HGL_MALFORMED, "dtype, shape and data_offsets alone"},
      {"{\"a\":" TENSOR("[1]", "U8", 0, 1) ",\"a\":" TENSOR("[1]", "U8", 0, 1) "}", 1, -1,
       HGL_DUPLICATE_KEY, "header"},
      {"{\"a\":" TENSOR("[1]", "U9", 0, 1) "}", 1, -1, HGL_MALFORMED, "its dtype is unknown"},
      {"{\"a\":" TENSOR("1", "U8", 0, 1) "}", 1, -1, HGL_MALFORMED, "its shape is no list"},
      {"{\"a\":" TENSOR("[-1]", "U8", 0, 1) "}", 1, -1, HGL_MALFORMED, "that is no length"},
      {"{\"a\":" TENSOR("[1.0]", "U8", 0, 1) "}", 1, -1, HGL_MALFORMED, "that is no length"},
      {"{\"a\":" TENSOR("[1,1,1,1,1,1,1,1,1]", "U8", 0, 1) "}", 1, -1, HGL_MALFORMED, "8 axes"},
      {"{\"a\":" TENSOR("[4294967296,4294967296]", "U8", 0, 0) "}", 0, -1, HGL_MALFORMED,
       "more elements than there can be"},
      {"{\"a\":" TENSOR("[4611686018427387904]", "F32", 0, 0) "}", 0, -1, HGL_MALFORMED,
       "which its shape does not"},
      {"{\"a\":" TENSOR("[2]", "F32", 0, 7) "}", 7, -1, HGL_MALFORMED, "takes 7 bytes"},
      {"{\"a\":" TENSOR("[2]", "U8", 0, 2) "}", 1, -1, HGL_TRUNCATED, "a part is missing"},
      {"{\"a\":" TENSOR("[0]", "U8", 2, 1) "}", 2, -1, HGL_MALFORMED, "ends before it starts"},
      {"{\"a\":" TENSOR("[0]", "U8", 0, -1) "}", 2, -1, HGL_MALFORMED, "not [start, end]"},
      {"{\"a\":" TENSOR("[0]", "U8", 0, "0") "}", 2, -1, HGL_MALFORMED, "not [start, end]"},
      {"{\"a\":" TENSOR("[2]", "U8", 0, 2) ",\"b\":" TENSOR("[2]", "U8", 1, 3) "}", 3, -1,
       HGL_MALFORMED, "'b': it overlaps the one before it"},
      {"{\"a\":" TENSOR("[2]", "U8", 0, 2) ",\"b\":" TENSOR("[2]", "U8", 0, 2) "}", 2, -1,
       HGL_MALFORMED, "'b': it overlaps the one before it"},
      {"{\"a\":" TENSOR("[2]", "U8", 0, 2) ",\"b\":" TENSOR("[2]", "U8", 3, 5) "}", 5, -1,
       HGL_MALFORMED, "'b': a gap lies before it"},
      {"{\"a\":" TENSOR("[2]", "U8", 1, 3) "}", 3, -1, HGL_MALFORMED, "'a': a gap lies before it"},
      {"{\"__metadata__\":[]}", 0, -1, HGL_MALFORMED, "__metadata__ is no object"},
      {"{\"__metadata__\":{\"a\":1}}", 0, -1, HGL_MALFORMED, "something that is no text"},
      {"{\"a\\u0000b\":1}", 0, -1, HGL_BAD_VALUE, "header"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_err err = {0};
    struct hgl_safetensors *read = NULL;
    struct file file = file_of(cases[i].header, cases[i].data, cases[i].length);
    int status = decode(&file, &read, &err);
    if (status == 0) fail_msg("accepted: %s", cases[i].header);
    if (status != -(int)cases[i].code || !strstr(err.message, cases[i].says))
      fail_msg("%s: %s: %s", cases[i].header, hgl_code_name(-status), err.message);
  }
}

static void refuses_every_truncation(void **unused)
{
  struct file file = file_of("{\"a\":" TENSOR("[3]", "F32", 0, 12) "}", 12, -1);
  for (size_t size = 0; size < file.size; size++) {
    struct hgl_err err = {0};
    struct hgl_safetensors *read = NULL;
    assert_int_not_equal(hgl_safetensors_decode(hgl_bytes(file.bytes, size), &read, &err), 0);
  }
}

static float first_float(const char *type, uint64_t bits)
{
  uint8_t data[8];
  for (int i = 0; i < 8; i++) data[i] = (uint8_t)(bits >> 8 * i);
  struct hgl_safetensor tensor = {.type = type,
                                  .count = 1,
                                  .data = {data, strcmp(type, "F64") == 0   ? 8
                                                 : strcmp(type, "F32") == 0 ? 4
                                                                            : 2}};
  float out;
  hgl_safetensor_floats(&tensor, &out);
  return out;
}

static double exact_half(unsigned bits)
{
  int exponent = (int)(bits >> 10 & 0x1f);
  double fraction = bits & 0x3ff, sign = bits >> 15 ? -1 : 1;
  if (exponent == 0x1f) return fraction == 0 ? sign * INFINITY : NAN;
  return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static void converts_all_kinds_of_floats(void **unused)
{
  for (unsigned bits = 0; bits <= UINT16_MAX; bits++) {
    double expected = exact_half(bits), got = (double)first_float("F16", bits);
    assert_true(isnan(expected) ? isnan(got)
                                : got == expected && signbit(got) == signbit(expected));
  }
  assert_true(first_float("BF16", 0x3f80) == 1.0f);
  assert_true(first_float("BF16", 0xc0a0) == -5.0f);
  assert_true(first_float("F32", 0x3fc00000) == 1.5f);
  assert_true(first_float("F64", 0x3ff8000000000000) == 1.5f);
  assert_true(isinf(first_float("F64", 0x7e37e43c8800759c))); /* 1e300 */
}

static void loads_files_and_names_them_in_errors(void **unused)
{
  char path[] = "/tmp/haggle-safetensors-XXXXXX";
  struct file bytes = file_of("{\"a\":" TENSOR("[3]", "F32", 0, 12) "}", 12, -1);
  struct hgl_err err = {0};
  struct hgl_safetensors *read = NULL;
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes.bytes, bytes.size), bytes.size);
  int loaded = hgl_safetensors_load(path, &read, &err);
  size_t count = loaded ? 0 : hgl_safetensors_count(read);
  hgl_safetensors_destroy(loaded ? NULL : read);
  assert_int_equal(ftruncate(fd, (off_t)bytes.size - 1), 0);
  close(fd);
  struct hgl_err short_err = {0};
  int status = hgl_safetensors_load(path, &read, &short_err);
  unlink(path);
  assert_ok(loaded);
  assert_int_equal(count, 1);
  assert_int_equal(status, -HGL_TRUNCATED);
  assert_non_null(strstr(short_err.message, path));
  assert_fails(HGL_NOT_FOUND, hgl_safetensors_load("/nowhere/x.safetensors", &read, &err));
  assert_non_null(strstr(err.message, "/nowhere/x.safetensors: No such file"));
  assert_fails(HGL_INVALID, hgl_safetensors_load("/tmp", &read, &err));
  assert_fails(HGL_INVALID, hgl_safetensors_load("/dev/zero", &read, &err));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_tensors_and_texts),
      cmocka_unit_test(refuses_what_does_not_add_up),
      cmocka_unit_test(refuses_every_truncation),
      cmocka_unit_test(converts_all_kinds_of_floats),
      cmocka_unit_test(loads_files_and_names_them_in_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
