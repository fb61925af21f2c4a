/* Values become tensors and tensors values; what does not fit is named by input and place. */
#include "infer/half.h"
#include "infer/tensor_value.h"

#include <math.h>

#include "base/mem.h"
#include "support/value_text.h"

static void add(struct infer_tensor_spec *specs, size_t *count, const char *name, int32_t type,
                int32_t rank, const int64_t *shape)
{
  struct infer_tensor_spec *spec = &specs[(*count)++];
  *spec = (struct infer_tensor_spec){.name = name, .type = type, .rank = rank};
  for (int32_t i = 0; i < rank; i++) spec->shape[i] = shape[i];
}

/* `x` of this type and shape in, and out again. */
static struct infer_spec spec_of(int32_t type, bool batched, int32_t rank, int64_t a, int64_t b)
{
  struct infer_spec spec = {.batched = batched};
  const int64_t shape[] = {a, b};
  add(spec.inputs, &spec.input_count, "x", type, rank, shape);
  add(spec.outputs, &spec.output_count, "x", type, rank, shape);
  hgl_tensor_outputs_sort(&spec);
  return spec;
}

/* What is refused at a look is not filled without one. */
static void assert_cannot_fill(const struct infer_spec *spec, struct hgl_bytes value)
{
  struct hgl_tensors_found found;
  struct haggle_tensor tensors[HGL_TENSORS_MAX];
  struct hgl_err err;
  int status = hgl_tensors_locate(spec, value, &found, &err);
  uint8_t *memory = status ? NULL : hgl_alloc(found.size + 1);
  if (!status) {
    assert_non_null(memory);
    status = hgl_tensors_fill(spec, &found, memory, tensors, &err);
  }
  assert_int_not_equal(status, 0);
  hgl_free(memory);
}

/* In, and out again as JSON; or the error. */
static int pass(const struct infer_spec *spec, struct hgl_bytes value, char *out, size_t room,
                struct hgl_err *why)
{
  struct hgl_err err = {0};
  struct hgl_tensors_found found;
  struct haggle_tensor tensors[HGL_TENSORS_MAX];
  struct hgl_buf back, text;
  json_t *json = NULL;
  int status = hgl_tensors_find(spec, value, &found, why);
  if (status) {
    assert_cannot_fill(spec, value);
    return status;
  }
  uint8_t *memory = hgl_alloc(found.size);
  assert_non_null(memory);
  assert_ok(hgl_tensors_fill(spec, &found, memory, tensors, why));
  hgl_buf_init(&back, HGL_BODY_SIZE_MAX);
  hgl_buf_init(&text, HGL_BODY_SIZE_MAX);
  status = hgl_tensors_to_value(spec, tensors, spec->output_count, found.rows, found.single, &back,
                                why);
  if (!status) {
    assert_ok(hgl_value_check(hgl_buf_bytes(&back), &err));
    assert_ok(hgl_value_to_json(hgl_buf_bytes(&back), &json, &err));
    assert_ok(hgl_json_print(json, &text, &err));
    assert_true(text.size < room);
    memcpy(out, text.data, text.size);
    out[text.size] = 0;
  }
  json_decref(json);
  hgl_buf_deinit(&text);
  hgl_buf_deinit(&back);
  hgl_free(memory);
  return status;
}

static int pass_json(const struct infer_spec *spec, const char *json, char *out, size_t room,
                     struct hgl_err *err)
{
  struct hgl_buf value;
  value_of(json, &value);
  int status = pass(spec, hgl_buf_bytes(&value), out, room, err);
  hgl_buf_deinit(&value);
  return status;
}

static void expect_out(const struct infer_spec *spec, const char *json, const char *expected)
{
  char out[500];
  struct hgl_err err = {0};
  int status = pass_json(spec, json, out, sizeof out, &err);
  if (status) fail_msg("%s: %s", json, err.message);
  assert_string_equal(out, expected);
}

static void expect_error(const struct infer_spec *spec, const char *json, const char *says)
{
  char out[500];
  struct hgl_err err = {0};
  assert_int_equal(pass_json(spec, json, out, sizeof out, &err), -HGL_INVALID);
  if (!strstr(err.message, says)) fail_msg("%s: %s", json, err.message);
}

static void every_type_goes_in_and_out(void **state)
{
  static const struct {
    int32_t type;
    const char *in, *out, *wrong, *says;
  } cases[] = {
      {HAGGLE_F32, "[1, 2.5, -0.1]", "[1.0,2.5,-0.10000000149011612]", "[1e300]",
       "[1] does not fit into f32"},
      {HAGGLE_F64, "[0.1]", "[0.1]", "['a']", "is no number"},
      {HAGGLE_F16, "[65504, 0.1]", "[65504.0,0.0999755859375]", "[1, 65520]",
       "[2] does not fit into f16"},
      {HAGGLE_BF16, "[1, 3.14159]", "[1.0,3.140625]", "[1e39]", "does not fit into bf16"},
      {HAGGLE_I8, "[-128, 127, 3.0]", "[-128,127,3]", "[128]", "does not fit into i8: 128"},
      {HAGGLE_I16, "[-32768, 32767]", "[-32768,32767]", "[-32769]", "does not fit into i16"},
      {HAGGLE_I32, "[-2147483648]", "[-2147483648]", "[2147483648]", "does not fit into i32"},
      {HAGGLE_I64, "[-5]", "[-5]", "[1.5]", "[1] is not an integer"},
      {HAGGLE_U8, "[255, 0]", "[255,0]", "[-1]", "does not fit into u8: -1"},
      {HAGGLE_U16, "[65535]", "[65535]", "[65536]", "does not fit into u16"},
      {HAGGLE_U32, "[4294967295]", "[4294967295]", "[4294967296]", "does not fit into u32"},
      {HAGGLE_U64, "[7]", "[7]", "[-7]", "does not fit into u64"},
      {HAGGLE_BOOL, "[true, false, 1, 0]", "[true,false,true,false]", "[2]",
       "does not fit into bool"},
      {HAGGLE_TEXT, "['a', '', 'öl']", "[\"a\",\"\",\"öl\"]", "[1]", "[1] is no text"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct infer_spec spec = spec_of(cases[i].type, false, 1, -1, 0);
    char in[200], out[200];
    snprintf(in, sizeof in, "{'x': %s}", cases[i].in);
    snprintf(out, sizeof out, "{\"x\":%s}", cases[i].out);
    expect_out(&spec, in, out);
    snprintf(in, sizeof in, "{'x': %s}", cases[i].wrong);
    expect_error(&spec, in, cases[i].says);
  }
}

static void the_axis_of_the_batch_may_be_left_out(void **state)
{
  struct infer_spec spec = spec_of(HAGGLE_F32, true, 2, -1, 3);
  expect_out(&spec, "{'x': [[1, 2, 3], [4, 5, 6]]}", "{\"x\":[[1.0,2.0,3.0],[4.0,5.0,6.0]]}");
  expect_out(&spec, "{'x': [[1, 2, 3]]}", "{\"x\":[[1.0,2.0,3.0]]}");
  expect_out(&spec, "{'x': [1, 2, 3]}", "{\"x\":[1.0,2.0,3.0]}");
  spec = spec_of(HAGGLE_F32, true, 1, -1, 0);
  expect_out(&spec, "{'x': 4}", "{\"x\":4.0}");
  expect_out(&spec, "{'x': [4]}", "{\"x\":[4.0]}");
  spec = spec_of(HAGGLE_F32, false, 0, 0, 0);
  expect_out(&spec, "{'x': 4}", "{\"x\":4.0}");
  expect_error(&spec, "{'x': [4]}", "has the shape [1]; the model takes []");
}

static void inputs_of_a_batch_have_as_many_rows(void **state)
{
  struct infer_spec spec = spec_of(HAGGLE_F32, true, 2, -1, 1);
  const int64_t any = -1;
  add(spec.inputs, &spec.input_count, "longer", HAGGLE_I32, 1, &any);
  add(spec.outputs, &spec.output_count, "longer", HAGGLE_I32, 1, &any);
  hgl_tensor_outputs_sort(&spec);
  expect_out(&spec, "{'x': [[1], [2]], 'longer': [3, 4]}",
             "{\"x\":[[1.0],[2.0]],\"longer\":[3,4]}");
  expect_out(&spec, "{'x': [1], 'longer': 3}", "{\"x\":[1.0],\"longer\":3}");
  expect_error(&spec, "{'x': [[1], [2]], 'longer': [3]}", "differ in their first axis");
  expect_error(&spec, "{'x': [[1]], 'longer': 3}", "differ in their first axis");
}

static void what_does_not_fit_is_named(void **state)
{
  struct infer_spec spec = spec_of(HAGGLE_F32, true, 2, -1, 3);
  expect_error(&spec, "{}", "input 'x' is missing; the model takes x");
  expect_error(&spec, "{'y': 1}", "there is no input 'y'; the model takes x");
  expect_error(&spec, "{'task': 'chat'}", "the model takes x, and is no language model");
  expect_error(&spec, "[1]", "no table of named inputs");
  expect_error(&spec, "{'x': [1, 2]}", "has the shape [2]; the model takes [any, 3], or one row");
  expect_error(&spec, "{'x': 1}", "has the shape []");
  expect_error(&spec, "{'x': [[[1, 2, 3]]]}", "has the shape [1, 1, 3]");
  expect_error(&spec, "{'x': []}", "is empty");
  expect_error(&spec, "{'x': [[]]}", "is empty, or has an empty list");
  expect_error(&spec, "{'x': [[1, 2, 3], [1, 2]]}", "'x'[2] has the length 2, others there 3");
  expect_error(&spec, "{'x': [[1, 2, 3], 4]}", "'x'[2] is no list");
  expect_error(&spec, "{'x': [[1, 2, 'c']]}", "'x'[1][3] is no number");
  expect_error(&spec, "{'x': [[1, 2, null]]}", "'x'[1][3] is no number");
  expect_error(&spec, "{'x': [[1, 2, [3]]]}", "'x'[1][3] is a list");
  expect_error(&spec, "{'x': [[[[[[[[[[1]]]]]]]]]]}", "more than 8 deep");
  expect_error(&spec, "{'x': {'a': 1}}", "neither a list nor");
}

/* ---- bytes ---- */

static int pass_raw(const struct infer_spec *spec, const char *shape, const void *data, size_t size,
                    char *out, size_t room, struct hgl_err *err)
{
  struct hgl_buf value, shape_value;
  value_of(shape, &shape_value);
  hgl_buf_init(&value, HGL_BODY_SIZE_MAX);
  hgl_cbor_put_map(&value, 1);
  hgl_cbor_put_literal(&value, "x");
  hgl_cbor_put_map(&value, 2);
  hgl_cbor_put_literal(&value, "data");
  hgl_cbor_put_bytes(&value, hgl_bytes(data, size));
  hgl_cbor_put_literal(&value, "shape");
  hgl_buf_append_bytes(&value, hgl_buf_bytes(&shape_value));
  int status = pass(spec, hgl_buf_bytes(&value), out, room, err);
  hgl_buf_deinit(&value);
  hgl_buf_deinit(&shape_value);
  return status;
}

static void bytes_are_taken_as_they_are(void **state)
{
  struct infer_spec spec = spec_of(HAGGLE_F32, true, 2, -1, 2);
  float numbers[] = {1, 2, 3, 4};
  char out[200];
  struct hgl_err err = {0};
  assert_ok(pass_raw(&spec, "[2, 2]", numbers, sizeof numbers, out, sizeof out, &err));
  assert_string_equal(out, "{\"x\":[[1.0,2.0],[3.0,4.0]]}");
  assert_ok(pass_raw(&spec, "[2]", numbers, 8, out, sizeof out, &err));
  assert_string_equal(out, "{\"x\":[1.0,2.0]}");
  static const struct {
    const char *shape, *says;
    size_t size;
  } wrong[] = {
      {"[2, 2]", "has 15 bytes; 4 of the type f32 take 16", 15},
      {"[2, 3]", "has the shape [2, 3]", 16},
      {"[-1, 2]", "an axis of length -1", 16},
      {"[1000000, 2]", "more elements than", 16},
      {"['a']", "shape", 16},
      {"7", "its shape is no list", 16},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(
        pass_raw(&spec, wrong[i].shape, numbers, wrong[i].size, out, sizeof out, &err) != 0, 1);
    if (!strstr(err.message, wrong[i].says)) fail_msg("%s: %s", wrong[i].shape, err.message);
  }
  numbers[3] = NAN;
  assert_int_equal(pass_raw(&spec, "[2, 2]", numbers, sizeof numbers, out, sizeof out, &err),
                   -HGL_INVALID);
  assert_non_null(strstr(err.message, "element 4 of its data is not a finite number"));
  spec = spec_of(HAGGLE_BOOL, false, 1, -1, 0);
  assert_int_equal(pass_raw(&spec, "[2]", "\1\2", 2, out, sizeof out, &err), -HGL_INVALID);
  spec = spec_of(HAGGLE_TEXT, false, 1, -1, 0);
  assert_int_equal(pass_raw(&spec, "[2]", "\1\2", 2, out, sizeof out, &err), -HGL_INVALID);
}

/* ---- out ---- */

static void outputs_that_no_value_holds_are_refused(void **state)
{
  struct infer_spec spec = spec_of(HAGGLE_F32, true, 1, -1, 0);
  struct hgl_buf out;
  struct hgl_err err = {0};
  size_t count = HGL_VALUE_ITEMS_MAX + 1;
  float *numbers = hgl_array(count, sizeof *numbers);
  assert_non_null(numbers);
  struct haggle_tensor tensor = {.size = sizeof tensor,
                                 .type = HAGGLE_F32,
                                 .rank = 1,
                                 .shape = {(int64_t)count},
                                 .data = numbers,
                                 .data_size = count * sizeof *numbers};
  hgl_buf_init(&out, HGL_BODY_SIZE_MAX);
  assert_int_equal(hgl_tensors_to_value(&spec, &tensor, 1, (int64_t)count, false, &out, &err),
                   -HGL_TOO_LARGE);
  spec = spec_of(HAGGLE_U64, true, 1, -1, 0);
  uint64_t much = UINT64_MAX;
  tensor = (struct haggle_tensor){.size = sizeof tensor,
                                  .type = HAGGLE_U64,
                                  .rank = 1,
                                  .shape = {1},
                                  .data = &much,
                                  .data_size = sizeof much};
  hgl_buf_clear(&out);
  assert_int_equal(hgl_tensors_to_value(&spec, &tensor, 1, 1, false, &out, &err), -HGL_MALFORMED);
  spec = spec_of(HAGGLE_TEXT, true, 1, -1, 0);
  struct haggle_text text = {"\xff", 1};
  tensor.type = HAGGLE_TEXT;
  tensor.data = &text;
  tensor.data_size = sizeof text;
  hgl_buf_clear(&out);
  assert_int_equal(hgl_tensors_to_value(&spec, &tensor, 1, 1, false, &out, &err), -HGL_MALFORMED);
  hgl_buf_deinit(&out);
  hgl_free(numbers);
}

static void descriptions_are_judged(void **state)
{
  struct infer_tensor_spec specs[HGL_TENSORS_MAX];
  struct haggle_tensor_info good = {
      .size = sizeof good, .name = "x", .type = HAGGLE_F32, .rank = 1, .shape = {-1}};
  struct hgl_err err = {0};
  assert_ok(hgl_tensor_specs_read(&good, 1, true, "input", specs, &err));
  struct haggle_tensor_info bad[] = {good, good, good, good, good, good};
  bad[0].name = NULL;
  bad[1].name = "\xff";
  bad[2].type = 15;
  bad[3].rank = 9;
  bad[4].shape[0] = 0;
  bad[5].shape[0] = 5; /* of a batch */
  for (size_t i = 0; i < 6; i++)
    assert_int_equal(hgl_tensor_specs_read(&bad[i], 1, true, "input", specs, &err), -HGL_INVALID);
  struct haggle_tensor_info twice[] = {good, good};
  assert_int_equal(hgl_tensor_specs_read(twice, 2, true, "input", specs, &err), -HGL_INVALID);
  assert_int_equal(hgl_tensor_specs_read(&good, 0, true, "input", specs, &err), -HGL_INVALID);
  assert_int_equal(hgl_tensor_specs_read(NULL, 1, true, "input", specs, &err), -HGL_INVALID);
  good.size = 8;
  assert_int_equal(hgl_tensor_specs_read(&good, 1, true, "input", specs, &err), -HGL_INVALID);
}

static void halves_round_to_the_nearest(void **state)
{
  for (uint32_t bits = 0; bits < 65536; bits++) {
    double half = hgl_half_to((uint16_t)bits), bfloat = hgl_bfloat_to((uint16_t)bits);
    if (!isnan(half)) assert_int_equal(hgl_half_from(half), bits);
    if (!isnan(bfloat)) assert_int_equal(hgl_bfloat_from(bfloat), bits);
  }
  assert_int_equal(hgl_half_from(1 + 0x1p-11), 0x3c00); /* a tie: to even */
  assert_int_equal(hgl_half_from(1 + 0x1p-11 + 0x1p-20), 0x3c01);
  assert_int_equal(hgl_half_from(1 + 3 * 0x1p-11), 0x3c02);
  assert_int_equal(hgl_half_from(0x1p-25), 0);
  assert_int_equal(hgl_half_from(0x1.8p-25), 1);
  assert_int_equal(hgl_half_from(65519.9), 0x7bff);
  assert_int_equal(hgl_half_from(65520), 0x7c00);
  assert_int_equal(hgl_bfloat_from(1 + 0x1p-8), 0x3f80);
  assert_true(isnan(hgl_half_to(hgl_half_from(NAN))));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_goes_in_and_out),
      cmocka_unit_test(the_axis_of_the_batch_may_be_left_out),
      cmocka_unit_test(inputs_of_a_batch_have_as_many_rows),
      cmocka_unit_test(what_does_not_fit_is_named),
      cmocka_unit_test(bytes_are_taken_as_they_are),
      cmocka_unit_test(outputs_that_no_value_holds_are_refused),
      cmocka_unit_test(descriptions_are_judged),
      cmocka_unit_test(halves_round_to_the_nearest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
