/* What models take and give, batches, and where they run. */
#include "onnx_fixture.h"

static void a_model_is_described(void **state)
{
  mlp_write("mlp.onnx", "n");
  void *model = opened("mlp.onnx", "device=cpu");
  struct haggle_model_info info = described(model);
  assert_int_equal(info.kind, HAGGLE_TENSORS);
  assert_string_equal(info.device, "cpu");
  assert_null(info.note);
  assert_int_equal(info.batched, 1);
  assert_int_equal(info.batch_max, 0);
  assert_true(info.parallel >= 1);
  assert_int_equal(info.input_count, 1);
  assert_string_equal(info.inputs[0].name, "x");
  assert_int_equal(info.inputs[0].type, HAGGLE_F32);
  assert_int_equal(info.inputs[0].rank, 2);
  assert_int_equal(info.inputs[0].shape[0], -1);
  assert_int_equal(info.inputs[0].shape[1], 3);
  assert_int_equal(info.output_count, 1);
  assert_int_equal(info.outputs[0].shape[1], 2);
  engine->close(model);
}

static void requests_of_a_batch_are_joined_and_taken_apart(void **state)
{
  enum { COUNT = 37 };
  float x[COUNT][9];
  struct engine_call *calls = calloc(COUNT, sizeof *calls);
  assert_non_null(calls);
  mlp_write("mlp.onnx", "n");
  void *model = opened("mlp.onnx", "device=cpu");
  int total = 0;
  for (int i = 0; i < COUNT; i++) {
    int rows = i % 3 + 1;
    char shape[16];
    snprintf(shape, sizeof shape, "%d 3", rows);
    mlp_fill(x[i], rows * 3, i);
    engine_input(&calls[i], HAGGLE_F32, shape, x[i], (size_t)rows * 3 * sizeof(float));
    total += rows;
  }
  engine_run(engine, model, calls, COUNT);
  for (int i = 0; i < COUNT; i++) {
    mlp_check(&calls[i], x[i], i % 3 + 1);
    engine_call_free(&calls[i]);
  }
  struct haggle_model_stats stats = {.size = sizeof stats};
  engine->stats(model, &stats);
  assert_int_equal(stats.rows, total);
  assert_true(stats.busy_ns > 0);
  assert_true(stats.host_memory > 0);
  engine->close(model);
  free(calls);
}

static void *run_many(void *model)
{
  for (int round = 0; round < 50; round++) {
    float x[4][3];
    struct engine_call calls[4] = {0};
    for (int i = 0; i < 4; i++) {
      mlp_fill(x[i], 3, round + i);
      engine_input(&calls[i], HAGGLE_F32, "1 3", x[i], sizeof x[i]);
    }
    engine_run(engine, model, calls, 4);
    for (int i = 0; i < 4; i++) {
      mlp_check(&calls[i], x[i], 1);
      engine_call_free(&calls[i]);
    }
  }
  return NULL;
}

static void several_batches_at_once(void **state)
{
  pthread_t threads[4];
  mlp_write("mlp.onnx", "n");
  void *model = opened("mlp.onnx", "device=cpu threads=2");
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, run_many, model), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  struct haggle_model_stats stats = {.size = sizeof stats};
  engine->stats(model, &stats);
  assert_int_equal(stats.rows, 4 * 50 * 4);
  engine->close(model);
}

static void a_model_of_a_fixed_batch_runs_one_by_one(void **state)
{
  float x[2][6];
  struct engine_call calls[2] = {0};
  mlp_write("fixed.onnx", "2");
  void *model = opened("fixed.onnx", "device=cpu optimise=none");
  assert_int_equal(described(model).batched, 0);
  assert_int_equal(described(model).batch_max, 1);
  for (int i = 0; i < 2; i++) {
    mlp_fill(x[i], 6, i + 5);
    engine_input(&calls[i], HAGGLE_F32, "2 3", x[i], sizeof x[i]);
  }
  engine_run(engine, model, calls, 2);
  for (int i = 0; i < 2; i++) {
    mlp_check(&calls[i], x[i], 2);
    engine_call_free(&calls[i]);
  }
  engine->close(model);
}

/* a[n,2] real, b[n,1] whole: a + b, twice b, whether a < b */
static void two_write(const char *name)
{
  struct onnx_file *file = calloc(1, sizeof *file);
  assert_non_null(file);
  onnx_file_input(file, "a", ONNX_FLOAT, "batch 2");
  onnx_file_input(file, "b", ONNX_INT64, "batch 1");
  onnx_file_node_with(file, "Cast", "b", "real", "to", ONNX_FLOAT);
  onnx_file_node(file, "Add", "a real", "sum");
  onnx_file_node(file, "Add", "b b", "twice");
  onnx_file_node(file, "Less", "a real", "less");
  onnx_file_output(file, "sum", ONNX_FLOAT, "batch 2");
  onnx_file_output(file, "twice", ONNX_INT64, "batch 1");
  onnx_file_output(file, "less", ONNX_BOOL, "batch 2");
  onnx_file_write(file, path_of(name));
  free(file);
}

static void several_inputs_and_outputs_of_different_types(void **state)
{
  enum { COUNT = 5 };
  struct engine_call calls[COUNT] = {0};
  float a[COUNT][2];
  int64_t b[COUNT];
  two_write("two.onnx");
  void *model = opened("two.onnx", "device=cpu");
  struct haggle_model_info info = described(model);
  assert_int_equal(info.batched, 1);
  assert_int_equal(info.outputs[2].type, HAGGLE_BOOL);
  for (int i = 0; i < COUNT; i++) {
    a[i][0] = (float)i;
    a[i][1] = 10;
    b[i] = 3 * i - 1;
    engine_input(&calls[i], HAGGLE_F32, "1 2", a[i], sizeof a[i]);
    engine_input(&calls[i], HAGGLE_I64, "1 1", &b[i], sizeof b[i]);
  }
  engine_run(engine, model, calls, COUNT);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(calls[i].status, HAGGLE_OK);
    const float *sum = calls[i].outputs[0].data;
    const uint8_t *less = calls[i].outputs[2].data;
    for (int k = 0; k < 2; k++) {
      assert_true(fabsf(sum[k] - (a[i][k] + (float)b[i])) < 1e-6F);
      assert_int_equal(less[k], a[i][k] < (float)b[i]);
    }
    assert_int_equal(*(const int64_t *)calls[i].outputs[1].data, 2 * b[i]);
    engine_call_free(&calls[i]);
  }
  engine->close(model);
}

static void each_type_of_values_passes_unchanged(void **state)
{
  static const struct {
    int32_t ours;
    enum onnx_file_type theirs;
    size_t bytes;
  } types[] = {
      {HAGGLE_F32, ONNX_FLOAT, 4},     {HAGGLE_F64, ONNX_DOUBLE, 8}, {HAGGLE_F16, ONNX_FLOAT16, 2},
      {HAGGLE_BF16, ONNX_BFLOAT16, 2}, {HAGGLE_I8, ONNX_INT8, 1},    {HAGGLE_I16, ONNX_INT16, 2},
      {HAGGLE_I32, ONNX_INT32, 4},     {HAGGLE_I64, ONNX_INT64, 8},  {HAGGLE_U8, ONNX_UINT8, 1},
      {HAGGLE_U16, ONNX_UINT16, 2},    {HAGGLE_U32, ONNX_UINT32, 4}, {HAGGLE_U64, ONNX_UINT64, 8},
      {HAGGLE_BOOL, ONNX_BOOL, 1},
  };
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    struct onnx_file *file = calloc(1, sizeof *file);
    struct engine_call calls[3] = {0};
    uint8_t bytes[3][32];
    assert_non_null(file);
    onnx_file_input(file, "x", types[t].theirs, "n 2");
    onnx_file_node(file, "Identity", "x", "y");
    onnx_file_output(file, "y", types[t].theirs, "n 2");
    onnx_file_write(file, path_of("identity.onnx"));
    free(file);
    void *model = opened("identity.onnx", "device=cpu");
    assert_int_equal(described(model).inputs[0].type, types[t].ours);
    for (int i = 0; i < 3; i++) {
      for (size_t k = 0; k < sizeof bytes[i]; k++)
        bytes[i][k] = (uint8_t)(types[t].ours == HAGGLE_BOOL ? k % 2 : k * 3 + (size_t)i);
      engine_input(&calls[i], types[t].ours, "2 2", bytes[i], 4 * types[t].bytes);
    }
    engine_run(engine, model, calls, 3);
    for (int i = 0; i < 3; i++) {
      assert_int_equal(calls[i].status, HAGGLE_OK);
      assert_int_equal(calls[i].outputs[0].type, types[t].ours);
      assert_memory_equal(calls[i].outputs[0].data, bytes[i], 4 * types[t].bytes);
      engine_call_free(&calls[i]);
    }
    engine->close(model);
  }
}

static void texts_pass_unchanged(void **state)
{
  struct onnx_file *file = calloc(1, sizeof *file);
  struct engine_call calls[3] = {0};
  struct haggle_text texts[3][2] = {{{"Grüße", 7}, {"", 0}}, {{"b!", 1}, {"long enough", 11}}};
  assert_non_null(file);
  onnx_file_input(file, "x", ONNX_STRING, "n 2");
  onnx_file_node(file, "Identity", "x", "y");
  onnx_file_output(file, "y", ONNX_STRING, "n 2");
  onnx_file_write(file, path_of("texts.onnx"));
  free(file);
  void *model = opened("texts.onnx", "device=cpu");
  texts[2][0] = texts[2][1] = (struct haggle_text){"a\0b", 3};
  for (int i = 0; i < 3; i++)
    engine_input(&calls[i], HAGGLE_TEXT, "1 2", texts[i], sizeof texts[i]);
  engine_run(engine, model, calls, 3);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(calls[i].status, HAGGLE_OK);
    const struct haggle_text *out = calls[i].outputs[0].data;
    for (int k = 0; k < 2; k++) {
      assert_int_equal(out[k].size, texts[i][k].size);
      assert_memory_equal(out[k].data, texts[i][k].data, texts[i][k].size);
    }
  }
  assert_int_equal(calls[2].status, HAGGLE_INVALID);
  assert_non_null(strstr(calls[2].message, "NUL"));
  for (int i = 0; i < 3; i++) engine_call_free(&calls[i]);
  engine->close(model);
}

/* Shapes ----------------------------------------------------------------------------------------
 */

static void a_model_without_a_batch_axis(void **state)
{
  struct onnx_file *file = calloc(1, sizeof *file);
  struct engine_call calls[2] = {0};
  float x[2][5] = {{1, 2, 3}, {4, 5, 6, 7, 8}};
  assert_non_null(file);
  onnx_file_input(file, "x", ONNX_FLOAT, "k");
  onnx_file_node_with(file, "ReduceSum", "x", "y", "keepdims", 0);
  onnx_file_output(file, "y", ONNX_FLOAT, "");
  onnx_file_write(file, path_of("sum.onnx"));
  free(file);
  void *model = opened("sum.onnx", "device=cpu");
  assert_int_equal(described(model).batched, 0);
  assert_int_equal(described(model).outputs[0].rank, 0);
  engine_input(&calls[0], HAGGLE_F32, "3", x[0], 3 * sizeof(float));
  engine_input(&calls[1], HAGGLE_F32, "5", x[1], 5 * sizeof(float));
  engine_run(engine, model, calls, 2);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(calls[i].status, HAGGLE_OK);
    assert_int_equal(calls[i].outputs[0].rank, 0);
    assert_true(*(const float *)calls[i].outputs[0].data == (i ? 30.0F : 6.0F));
    engine_call_free(&calls[i]);
  }
  engine->close(model);
}

static void requests_of_different_shapes_run_in_groups(void **state)
{
  enum { COUNT = 12 };
  struct onnx_file *file = calloc(1, sizeof *file);
  struct engine_call *calls = calloc(COUNT, sizeof *calls);
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  assert_non_null(file);
  assert_non_null(calls);
  onnx_file_input(file, "x", ONNX_FLOAT, "n length");
  onnx_file_node(file, "Neg", "x", "y");
  onnx_file_output(file, "y", ONNX_FLOAT, "n length");
  onnx_file_write(file, path_of("lengths.onnx"));
  free(file);
  void *model = opened("lengths.onnx", "device=cpu");
  for (int i = 0; i < COUNT; i++) {
    char shape[16];
    snprintf(shape, sizeof shape, "1 %d", i % 4);
    engine_input(&calls[i], HAGGLE_F32, shape, x + i % 3, (size_t)(i % 4) * sizeof(float));
  }
  engine_run(engine, model, calls, COUNT);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(calls[i].status, HAGGLE_OK);
    assert_int_equal(calls[i].outputs[0].shape[1], i % 4);
    for (int k = 0; k < i % 4; k++)
      assert_true(((const float *)calls[i].outputs[0].data)[k] == -x[i % 3 + k]);
    engine_call_free(&calls[i]);
  }
  engine->close(model);
  free(calls);
}

static void rows_that_depend_on_each_other_are_not_joined(void **state)
{
  struct onnx_file *file = calloc(1, sizeof *file);
  assert_non_null(file);
  onnx_file_input(file, "x", ONNX_FLOAT, "n n");
  onnx_file_node(file, "Neg", "x", "y");
  onnx_file_output(file, "y", ONNX_FLOAT, "n n");
  onnx_file_write(file, path_of("square.onnx"));
  free(file);
  void *model = opened("square.onnx", "device=cpu");
  assert_int_equal(described(model).batched, 0);
  engine->close(model);
  mlp_write("mlp.onnx", "n");
  model = opened("mlp.onnx", "device=cpu join=off");
  assert_int_equal(described(model).batched, 0);
  engine->close(model);
}

static void a_model_that_gives_other_rows_than_it_takes_is_no_longer_joined(void **state)
{
  struct onnx_file *file = calloc(1, sizeof *file);
  assert_non_null(file);
  onnx_file_input(file, "x", ONNX_FLOAT, "n 1");
  onnx_file_node_with(file, "Concat", "x x", "y", "axis", 0);
  onnx_file_output(file, "y", ONNX_FLOAT, "m 1");
  onnx_file_write(file, path_of("twice.onnx"));
  free(file);
  void *model = opened("twice.onnx", "device=cpu");
  for (int round = 0; round < 2; round++) {
    struct engine_call calls[3] = {0};
    float x[3] = {1, 2, 3};
    for (int i = 0; i < 3; i++) engine_input(&calls[i], HAGGLE_F32, "1 1", &x[i], sizeof x[i]);
    engine_run(engine, model, calls, 3);
    for (int i = 0; i < 3; i++) {
      assert_int_equal(calls[i].status, HAGGLE_OK);
      assert_int_equal(calls[i].outputs[0].shape[0], 2);
      assert_true(((const float *)calls[i].outputs[0].data)[1] == x[i]);
      engine_call_free(&calls[i]);
    }
  }
  assert_non_null(strstr(engine_log.text, "no longer joined"));
  engine->close(model);
}

/* What goes wrong -------------------------------------------------------------------------------
 */

static void a_request_that_fails_does_not_fail_the_others(void **state)
{
  enum { COUNT = 20 };
  struct engine_call *calls = calloc(COUNT, sizeof *calls);
  int64_t i[COUNT];
  assert_non_null(calls);
  table_write("table.onnx");
  void *model = opened("table.onnx", "device=cpu");
  assert_int_equal(described(model).batched, 1);
  for (int k = 0; k < COUNT; k++) {
    i[k] = k == 3 || k == 11 ? 99 : k % 4;
    engine_input(&calls[k], HAGGLE_I64, "1", &i[k], sizeof i[k]);
  }
  engine_run(engine, model, calls, COUNT);
  for (int k = 0; k < COUNT; k++) {
    if (i[k] == 99) {
      assert_int_equal(calls[k].status, HAGGLE_INVALID);
      assert_non_null(strstr(calls[k].message, "99"));
    } else {
      assert_int_equal(calls[k].status, HAGGLE_OK);
      assert_true(*(const float *)calls[k].outputs[0].data == 10.0F * (float)(k % 4));
    }
    engine_call_free(&calls[k]);
  }
  engine->close(model);
  free(calls);
}

/* The model is on the CPU, computes, and says why it is there. */
static void fell_back(const char *options, const char *why)
{
  float x[3] = {1, 2, 3};
  struct engine_call call = {0};
  mlp_write("mlp.onnx", "n");
  void *model = opened("mlp.onnx", options);
  struct haggle_model_info info = described(model);
  assert_string_equal(info.device, "cpu");
  if (!strstr(present(info.note), why)) fail_msg("%s: %s", options, info.note);
  assert_true(strncmp(info.note, "on the CPU: ", 12) == 0);
  engine_input(&call, HAGGLE_F32, "1 3", x, sizeof x);
  engine_run(engine, model, &call, 1);
  mlp_check(&call, x, 1);
  engine_call_free(&call);
  engine->close(model);
}

/* Each of a GPU, a driver and a provider can be missing. */
static void a_gpu_that_cannot_be_used_falls_back(void **state)
{
  struct haggle_device device = {.size = sizeof device};
  /* A machine that has a driver has it from here on. */
  if (engine->device(1, &device) == HAGGLE_NOT_FOUND) {
    fell_back("device=cuda", "no NVIDIA driver");
    if (!dlopen(HGL_BINARY_DIR "/tests/libfake_cuda.so", RTLD_NOW | RTLD_LOCAL))
      fail_msg("%s", dlerror());
    assert_int_equal(engine->device(1, &device), HAGGLE_OK);
    assert_string_equal(device.about, "Fake GPU");
  }
  assert_string_equal(device.name, "cuda:0");
  assert_true(device.memory_total > 0);
  fell_back("device=cuda:15", "there is no cuda:15");
  if (!strstr(engine_log.text, "with CUDA")) {
    fell_back("device=cuda", "built without CUDA");
    fell_back("device=auto", "built without CUDA");
  } else {
    fell_back("device=auto", "cuda:0");
  }
  void *model = opened("mlp.onnx", "device=cpu");
  assert_null(described(model).note);
  engine->close(model);
}

static void devices_are_listed(void **state)
{
  struct haggle_device device = {.size = sizeof device};
  assert_int_equal(engine->device(0, &device), HAGGLE_OK);
  assert_string_equal(device.name, "cpu");
  assert_true(device.memory_total > 0);
  assert_int_equal(engine->device(17, &device), HAGGLE_NOT_FOUND);
}

/* ONNX Runtime stays, and with it what it knows of the engine. */
static void an_engine_that_was_closed_opens_again(void **state)
{
  a_request_that_fails_does_not_fail_the_others(state);
  void *library = dlopen(HGL_BINARY_DIR "/engines/haggle-engine-onnx.so", RTLD_NOW | RTLD_NOLOAD);
  assert_non_null(library);
  assert_int_equal(dlclose(library), 0);
  assert_int_equal(dlclose(library), 0);
  engine = engine_load("onnx");
  a_request_that_fails_does_not_fail_the_others(state);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_model_is_described),
      cmocka_unit_test(requests_of_a_batch_are_joined_and_taken_apart),
      cmocka_unit_test(several_batches_at_once),
      cmocka_unit_test(a_model_of_a_fixed_batch_runs_one_by_one),
      cmocka_unit_test(several_inputs_and_outputs_of_different_types),
      cmocka_unit_test(each_type_of_values_passes_unchanged),
      cmocka_unit_test(texts_pass_unchanged),
      cmocka_unit_test(a_model_without_a_batch_axis),
      cmocka_unit_test(requests_of_different_shapes_run_in_groups),
      cmocka_unit_test(rows_that_depend_on_each_other_are_not_joined),
      cmocka_unit_test(a_model_that_gives_other_rows_than_it_takes_is_no_longer_joined),
      cmocka_unit_test(a_request_that_fails_does_not_fail_the_others),
      cmocka_unit_test(a_gpu_that_cannot_be_used_falls_back),
      cmocka_unit_test(devices_are_listed),
      cmocka_unit_test(an_engine_that_was_closed_opens_again),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
