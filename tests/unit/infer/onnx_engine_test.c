/* The engine over ONNX Runtime, opened as a host opens it, with models made here. */
#include "base/utf8.h"
#include "support/engine.h"
#include "support/onnx_file.h"

#include <ftw.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

static const struct haggle_engine *engine;
static char folder[] = "/tmp/onnx_engine_test_XXXXXX";
static struct haggle_error error;

static const char *path_of(const char *name)
{
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void *opened(const char *name, const char *options)
{
  void *model;
  if (engine_open(engine, path_of(name), options, &model, &error) != HAGGLE_OK)
    fail_msg("%s: %d %s", name, error.status, error.message);
  return model;
}

static void refused(const char *name, const char *options, int32_t status, const char *words)
{
  void *model;
  int32_t told = engine_open(engine, path_of(name), options, &model, &error);
  if (told != status || error.status != status || !strstr(error.message, words))
    fail_msg("%s %s: expected %d %s, got %d %s", name, options, status, words, told, error.message);
}

static struct haggle_model_info described(void *model)
{
  struct haggle_model_info info = {.size = sizeof info};
  engine->describe(model, &info);
  return info;
}

/* x[n,3] times w, and b, and no less than 0: y[n,2] */
static const float weights[6] = {1, -2, 0.5F, 4, -1, 0.25F}, bias[2] = {0.5F, -1};

static void mlp_value(const float x[3], float y[2])
{
  for (int k = 0; k < 2; k++) {
    float sum = bias[k];
    for (int i = 0; i < 3; i++) sum += x[i] * weights[2 * i + k];
    y[k] = sum > 0 ? sum : 0;
  }
}

static void mlp_make(struct onnx_file *file, const char *rows)
{
  char axes[32];
  snprintf(axes, sizeof axes, "%s 3", rows);
  onnx_file_input(file, "x", ONNX_FLOAT, axes);
  onnx_file_floats(file, "w", "3 2", 6, weights);
  onnx_file_floats(file, "b", "2", 2, bias);
  onnx_file_node(file, "Gemm", "x w b", "h");
  onnx_file_node(file, "Relu", "h", "y");
  snprintf(axes, sizeof axes, "%s 2", rows);
  onnx_file_output(file, "y", ONNX_FLOAT, axes);
}

static void mlp_write(const char *name, const char *rows)
{
  struct onnx_file *file = calloc(1, sizeof *file);
  assert_non_null(file);
  mlp_make(file, rows);
  onnx_file_write(file, path_of(name));
  free(file);
}

static void mlp_fill(float *x, int values, int seed)
{
  for (int i = 0; i < values; i++) x[i] = (float)((seed * 7 + i * 13) % 17) / 4 - 2;
}

static void mlp_check(const struct engine_call *call, const float *x, int rows)
{
  if (call->status != HAGGLE_OK) fail_msg("%d %s", call->status, call->message);
  assert_int_equal(call->output_count, 1);
  const struct haggle_tensor *y = &call->outputs[0];
  assert_string_equal(y->name, "y");
  assert_int_equal(y->rank, 2);
  assert_int_equal(y->shape[0], rows);
  assert_int_equal(y->shape[1], 2);
  assert_int_equal(y->data_size, rows * 2 * sizeof(float));
  for (int i = 0; i < rows; i++) {
    float expected[2];
    mlp_value(x + 3 * i, expected);
    for (int k = 0; k < 2; k++)
      assert_true(fabsf(((const float *)y->data)[2 * i + k] - expected[k]) < 1e-5F);
  }
}

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
  model = opened("mlp.onnx", "device=cpu join=no");
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

/* i[n] whole: rows of a table of four, else the computation fails. */
static void table_write(const char *name)
{
  static const float table[8] = {0, 1, 10, 11, 20, 21, 30, 31};
  struct onnx_file *file = calloc(1, sizeof *file);
  assert_non_null(file);
  onnx_file_floats(file, "table", "4 2", 8, table);
  onnx_file_input(file, "i", ONNX_INT64, "n");
  onnx_file_node(file, "Gather", "table i", "y");
  onnx_file_output(file, "y", ONNX_FLOAT, "n 2");
  onnx_file_write(file, path_of(name));
  free(file);
}

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

static void a_request_that_does_not_fit_is_refused(void **state)
{
  struct engine_call calls[7] = {0};
  float x[6] = {1, 2, 3};
  mlp_write("mlp.onnx", "n");
  void *model = opened("mlp.onnx", "device=cpu");
  engine_input(&calls[0], HAGGLE_F32, "1 4", x, 4 * sizeof *x);
  engine_input(&calls[1], HAGGLE_F64, "1 3", x, sizeof x);
  engine_input(&calls[2], HAGGLE_F32, "1 3", x, 4 * sizeof *x);
  engine_input(&calls[3], HAGGLE_F32, "0 3", x, 0);
  engine_input(&calls[4], HAGGLE_F32, "4611686018427387904 3", x, 0);
  engine_input(&calls[5], HAGGLE_F32, "3", x, 3 * sizeof *x);
  engine_input(&calls[6], HAGGLE_F32, "1 3", x, 3 * sizeof *x);
  engine_input(&calls[6], HAGGLE_F32, "1 3", x, 3 * sizeof *x);
  engine_run(engine, model, calls, 7);
  for (int i = 0; i < 7; i++) {
    assert_int_equal(calls[i].status, HAGGLE_INVALID);
    assert_true(strlen(calls[i].message) > 10);
  }
  assert_non_null(strstr(calls[3].message, "0 rows"));
  engine->close(model);
}

static void more_memory_than_there_is(void **state)
{
  static const float one = 1;
  struct onnx_file *file = calloc(1, sizeof *file);
  struct engine_call call = {0};
  int64_t wanted = INT64_C(1) << 46;
  assert_non_null(file);
  onnx_file_floats(file, "one", "1", 1, &one);
  onnx_file_input(file, "shape", ONNX_INT64, "1");
  onnx_file_node(file, "Expand", "one shape", "y");
  onnx_file_output(file, "y", ONNX_FLOAT, "any");
  onnx_file_write(file, path_of("expand.onnx"));
  free(file);
  void *model = opened("expand.onnx", "device=cpu");
  engine_input(&call, HAGGLE_I64, "1", &wanted, sizeof wanted);
  engine_run(engine, model, &call, 1);
  if (call.status != HAGGLE_NO_MEMORY) fail_msg("%d %s", call.status, call.message);
  engine->close(model);
}

static void options_that_are_wrong(void **state)
{
  mlp_write("mlp.onnx", "n");
  refused("mlp.onnx", "colour=red", HAGGLE_INVALID, "device, threads, library, optimise, join");
  refused("mlp.onnx", "threads=0", HAGGLE_INVALID, "from 1 to 256");
  refused("mlp.onnx", "threads=4x", HAGGLE_INVALID, "from 1 to 256");
  refused("mlp.onnx", "optimise=alle", HAGGLE_INVALID, "none|basic|extended|all");
  refused("mlp.onnx", "device=cuda:x", HAGGLE_INVALID, "auto, cpu, cuda");
  refused("mlp.onnx", "device=gpu", HAGGLE_INVALID, "auto, cpu, cuda");
  refused("mlp.onnx", "library=nothing.so", HAGGLE_INVALID, "slash");
  refused("mlp.onnx", "library=/nowhere/libonnxruntime.so", HAGGLE_NOT_FOUND, "/nowhere/");
  FILE *file = fopen(path_of("false.so"), "w");
  assert_non_null(file);
  fclose(file);
  char library[256];
  snprintf(library, sizeof library, "library=%s/false.so", folder);
  refused("mlp.onnx", library, HAGGLE_FAILED, "cannot be loaded");
  refused("mlp.onnx", "library=" HGL_BINARY_DIR "/engines/haggle-engine-onnx.so", HAGGLE_INVALID,
          "OrtGetApiBase");
}

static void telemetry_is_never_risked(void **state)
{
  mlp_write("mlp.onnx", "n");
  assert_int_equal(unsetenv("ORT_DISABLE_TELEMETRY"), 0);
  refused("mlp.onnx", "device=cpu", HAGGLE_FAILED, "ORT_DISABLE_TELEMETRY=1");
  assert_int_equal(setenv("ORT_DISABLE_TELEMETRY", "1", 1), 0);
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

/* Time ------------------------------------------------------------------------------------------
 */

/* Minutes of multiplications. */
static void *slow_opened(void)
{
  static const int64_t shape[2] = {1024, 1024};
  struct onnx_file *file = calloc(1, sizeof *file);
  char from[16] = "x", to[16];
  assert_non_null(file);
  onnx_file_input(file, "x", ONNX_FLOAT, "n 1024");
  onnx_file_integers(file, "shape", "2", 2, shape);
  onnx_file_node(file, "ConstantOfShape", "shape", "w");
  for (int i = 0; i < 300; i++) {
    char inputs[32];
    snprintf(inputs, sizeof inputs, "%s w", from);
    snprintf(to, sizeof to, "h%d", i);
    onnx_file_node(file, "MatMul", inputs, to);
    memcpy(from, to, sizeof from);
  }
  onnx_file_output(file, from, ONNX_FLOAT, "n 1024");
  onnx_file_write(file, path_of("slow.onnx"));
  free(file);
  return opened("slow.onnx", "device=cpu optimise=none");
}

static int64_t now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void a_deadline_ends_a_computation(void **state)
{
  enum { ROWS = 4096 };
  float *x = calloc(ROWS * 1024, sizeof *x);
  struct engine_call calls[2] = {0};
  assert_non_null(x);
  void *model = slow_opened();
  for (int i = 0; i < 2; i++) {
    engine_input(&calls[i], HAGGLE_F32, "2048 1024", x, ROWS * 512 * sizeof *x);
    calls[i].request.deadline_ns = now_ns() + 50 * 1000000;
  }
  engine_run(engine, model, calls, 2);
  for (int i = 0; i < 2; i++) assert_int_equal(calls[i].status, HAGGLE_TIMEOUT);
  engine->close(model);
  free(x);
}

static void what_is_over_is_not_begun(void **state)
{
  float x[1024] = {0};
  struct engine_call calls[2] = {0};
  void *model = slow_opened();
  engine_input(&calls[0], HAGGLE_F32, "1 1024", x, sizeof x);
  engine_input(&calls[1], HAGGLE_F32, "1 1024", x, sizeof x);
  calls[0].request.deadline_ns = 1;
  calls[1].over = true;
  engine_run(engine, model, calls, 2);
  assert_int_equal(calls[0].status, HAGGLE_TIMEOUT);
  assert_int_equal(calls[1].status, HAGGLE_CANCELLED);
  struct haggle_model_stats stats = {.size = sizeof stats};
  engine->stats(model, &stats);
  assert_int_equal(stats.busy_ns, 0);
  engine->close(model);
}

static void *run_slowly(void *argument)
{
  void **all = argument;
  engine_run(engine, all[0], all[1], 1);
  return NULL;
}

static void a_request_that_is_cancelled_ends(void **state)
{
  enum { ROWS = 4096 };
  float *x = calloc(ROWS * 1024, sizeof *x);
  struct engine_call call = {0};
  pthread_t thread;
  assert_non_null(x);
  void *model = slow_opened();
  engine_input(&call, HAGGLE_F32, "4096 1024", x, ROWS * 1024 * sizeof *x);
  assert_int_equal(pthread_create(&thread, NULL, run_slowly, (void *[]){model, &call}), 0);
  usleep(20000);
  __atomic_store_n(&call.over, true, __ATOMIC_RELAXED);
  pthread_join(thread, NULL);
  assert_int_equal(call.status, HAGGLE_CANCELLED);
  engine->close(model);
  free(x);
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

/* Files -----------------------------------------------------------------------------------------
 */

static void bytes_write(const char *name, const void *bytes, size_t size)
{
  FILE *out = fopen(path_of(name), "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(bytes, 1, size, out), size);
  assert_int_equal(fclose(out), 0);
}

static void files_that_cannot_be_opened(void **state)
{
  refused("missing.onnx", "device=cpu", HAGGLE_NOT_FOUND, "No such file");
  refused(".", "device=cpu", HAGGLE_INVALID, "not a file");
  bytes_write("empty.onnx", "", 0);
  refused("empty.onnx", "device=cpu", HAGGLE_INVALID, "is empty");
  bytes_write("text.onnx", "GGUF is not an ONNX model\n", 26);
  refused("text.onnx", "device=cpu", HAGGLE_INVALID, "text.onnx cannot be opened");
}

/* What a whole model may be and this engine still cannot run. */
static void models_that_are_not_supported(void **state)
{
  struct onnx_file *file = calloc(1, sizeof *file);
  assert_non_null(file);
  mlp_make(file, "n");
  file->opset = 99;
  onnx_file_write(file, path_of("model.onnx"));
  refused("model.onnx", "device=cpu", HAGGLE_UNSUPPORTED,
          "failed:ONNX Runtime only *guarantees* support for models stamped with official");
  file->opset = 0;
  file->ir = 99;
  onnx_file_write(file, path_of("model.onnx"));
  refused("model.onnx", "device=cpu", HAGGLE_UNSUPPORTED, "99");

  memset(file, 0, sizeof *file);
  onnx_file_input(file, "x", ONNX_FLOAT, "n");
  onnx_file_node(file, "Nonsense", "x", "y");
  onnx_file_output(file, "y", ONNX_FLOAT, "n");
  onnx_file_write(file, path_of("model.onnx"));
  refused("model.onnx", "device=cpu", HAGGLE_INVALID, "Nonsense");

  memset(file, 0, sizeof *file);
  onnx_file_input(file, "x", ONNX_FLOAT, "1 1 1 1 1 1 1 1 1");
  onnx_file_node(file, "Neg", "x", "y");
  onnx_file_output(file, "y", ONNX_FLOAT, "1 1 1 1 1 1 1 1 1");
  onnx_file_write(file, path_of("model.onnx"));
  refused("model.onnx", "device=cpu", HAGGLE_UNSUPPORTED, "9 axes");

  memset(file, 0, sizeof *file);
  onnx_file_sequence_input(file, "x");
  onnx_file_node(file, "SequenceLength", "x", "y");
  onnx_file_output(file, "y", ONNX_INT64, "");
  onnx_file_write(file, path_of("model.onnx"));
  refused("model.onnx", "device=cpu", HAGGLE_UNSUPPORTED, "'x' is not a tensor");

  memset(file, 0, sizeof *file);
  onnx_file_input(file, "x", ONNX_FLOAT, "n");
  onnx_file_input(file, "z", ONNX_COMPLEX64, "n");
  onnx_file_node(file, "Neg", "x", "y");
  onnx_file_output(file, "y", ONNX_FLOAT, "n");
  onnx_file_write(file, path_of("model.onnx"));
  refused("model.onnx", "device=cpu", HAGGLE_INVALID, "complex64");
  free(file);
}

/* One line of UTF-8, without places in sources. */
static void is_for_people(const char *message)
{
  assert_true(strlen(message) > 0);
  assert_null(strstr(message, ".cc:"));
  assert_null(strstr(message, "onnxruntime::"));
  assert_null(strchr(message, '\n'));
  assert_true(hgl_utf8_valid((struct hgl_bytes){(const uint8_t *)message, strlen(message)}));
}

/* Opens it, and if that works, runs it. */
static void survived(const struct onnx_bytes *bytes)
{
  void *model;
  bytes_write("hostile.onnx", bytes->bytes, bytes->size);
  int32_t status = engine_open(engine, path_of("hostile.onnx"), "device=cpu", &model, &error);
  assert_int_equal(status, error.status);
  if (status != HAGGLE_OK) {
    is_for_people(error.message);
    return;
  }
  float x[3] = {1, 2, 3};
  struct engine_call call = {0};
  engine_input(&call, HAGGLE_F32, "1 3", x, sizeof x);
  engine_run(engine, model, &call, 1);
  engine_call_free(&call);
  engine->close(model);
}

static void truncated_and_damaged_files(void **state)
{
  struct onnx_file *file = calloc(1, sizeof *file);
  assert_non_null(file);
  mlp_make(file, "n");
  struct onnx_bytes *whole = onnx_file_encode(file), *damaged = calloc(1, sizeof *damaged);
  assert_non_null(damaged);
  size_t size = whole->size;
  for (whole->size = 1; whole->size < size; whole->size++) survived(whole);
  unsigned int seed = (unsigned int)time(NULL);
  printf("seed %u\n", seed);
  for (int round = 0; round < 300; round++) {
    *damaged = *whole;
    for (int i = 0; i < 1 + round % 4; i++)
      damaged->bytes[(size_t)rand_r(&seed) % size] = (uint8_t)rand_r(&seed);
    survived(damaged);
  }
  for (int round = 0; round < 50; round++) {
    damaged->size = (size_t)rand_r(&seed) % 512 + 1;
    for (size_t i = 0; i < damaged->size; i++) damaged->bytes[i] = (uint8_t)rand_r(&seed);
    survived(damaged);
  }
  free(whole);
  free(damaged);
  free(file);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
  return remove(path);
}

static int set_up(void **state)
{
  assert_int_equal(setenv("ORT_DISABLE_TELEMETRY", "1", 1), 0);
  engine = engine_load("onnx");
  return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
  return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
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
      cmocka_unit_test(a_request_that_does_not_fit_is_refused),
      cmocka_unit_test(more_memory_than_there_is),
      cmocka_unit_test(options_that_are_wrong),
      cmocka_unit_test(telemetry_is_never_risked),
      cmocka_unit_test(a_gpu_that_cannot_be_used_falls_back),
      cmocka_unit_test(devices_are_listed),
      cmocka_unit_test(a_deadline_ends_a_computation),
      cmocka_unit_test(what_is_over_is_not_begun),
      cmocka_unit_test(a_request_that_is_cancelled_ends),
      cmocka_unit_test(an_engine_that_was_closed_opens_again),
      cmocka_unit_test(files_that_cannot_be_opened),
      cmocka_unit_test(models_that_are_not_supported),
      cmocka_unit_test(truncated_and_damaged_files),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
