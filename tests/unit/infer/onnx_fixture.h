/* The engine over ONNX Runtime, opened as a host opens it, and models made for it. */
#ifndef HGL_TEST_ONNX_FIXTURE_H
#define HGL_TEST_ONNX_FIXTURE_H

#include <ftw.h>
#include <math.h>
#include <unistd.h>

#include "support/engine.h"
#include "support/onnx_file.h"

static const struct haggle_engine *engine;
static char folder[] = "/tmp/onnx_engine_test_XXXXXX";
static struct haggle_error error;

static inline const char *path_of(const char *name)
{
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static inline void *opened(const char *name, const char *options)
{
  void *model;
  if (engine_open(engine, path_of(name), options, &model, &error) != HAGGLE_OK)
    fail_msg("%s: %d %s", name, error.status, error.message);
  return model;
}

static inline void refused(const char *name, const char *options, int32_t status, const char *words)
{
  void *model;
  int32_t told = engine_open(engine, path_of(name), options, &model, &error);
  if (told != status || error.status != status || !strstr(error.message, words))
    fail_msg("%s %s: expected %d %s, got %d %s", name, options, status, words, told, error.message);
}

static inline struct haggle_model_info described(void *model)
{
  struct haggle_model_info info = {.size = sizeof info};
  engine->describe(model, &info);
  return info;
}

/* x[n,3] times w, and b, and no less than 0: y[n,2] */
static const float weights[6] = {1, -2, 0.5F, 4, -1, 0.25F}, bias[2] = {0.5F, -1};

static inline void mlp_value(const float x[3], float y[2])
{
  for (int k = 0; k < 2; k++) {
    float sum = bias[k];
    for (int i = 0; i < 3; i++) sum += x[i] * weights[2 * i + k];
    y[k] = sum > 0 ? sum : 0;
  }
}

static inline void mlp_make(struct onnx_file *file, const char *rows)
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

static inline void mlp_write(const char *name, const char *rows)
{
  struct onnx_file *file = calloc(1, sizeof *file);
  assert_non_null(file);
  mlp_make(file, rows);
  onnx_file_write(file, path_of(name));
  free(file);
}

static inline void mlp_fill(float *x, int values, int seed)
{
  for (int i = 0; i < values; i++) x[i] = (float)((seed * 7 + i * 13) % 17) / 4 - 2;
}

static inline void mlp_check(const struct engine_call *call, const float *x, int rows)
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

/* i[n] whole: rows of a table of four, else the computation fails. */
static inline void table_write(const char *name)
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

static inline int remove_one(const char *path, const struct stat *about, int type,
                             struct FTW *where)
{
  return remove(path);
}

static inline int set_up(void **state)
{
  assert_int_equal(setenv("ORT_DISABLE_TELEMETRY", "1", 1), 0);
  engine = engine_load("onnx");
  return mkdtemp(folder) ? 0 : -1;
}

static inline int tear_down(void **state)
{
  return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
