/* Requests, options, files and models that are wrong, and computations that take too long. */
#include <time.h>

#include "base/utf8.h"
#include "onnx_fixture.h"

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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_that_does_not_fit_is_refused),
      cmocka_unit_test(more_memory_than_there_is),
      cmocka_unit_test(options_that_are_wrong),
      cmocka_unit_test(telemetry_is_never_risked),
      cmocka_unit_test(a_deadline_ends_a_computation),
      cmocka_unit_test(what_is_over_is_not_begun),
      cmocka_unit_test(a_request_that_is_cancelled_ends),
      cmocka_unit_test(files_that_cannot_be_opened),
      cmocka_unit_test(models_that_are_not_supported),
      cmocka_unit_test(truncated_and_damaged_files),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
