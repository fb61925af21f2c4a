/* The side of the host of dense networks on GPUs, and the kernel's source, over a driver that is
 * only played (support/played_cuda.h). What a real driver and GPU make of it is not shown here. */
#include "infer/dense_cuda.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "infer/dense.h"
#include "support/dense_compare.h"
#include "support/played_cuda.h"
#include "support/engine_asking.h"

static const size_t small[] = {6, 20, 4, 0}, wide[] = {3, 250, 250, 2, 0};

static void skip_without_kernel(void)
{
  if (!*hgl_dense_ptx) {
    print_message("skipped: built without nvcc\n");
    skip();
  }
}

static struct played_cuda *load_fake(const char *name)
{
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) fail_msg("%s", dlerror());
  struct played_cuda *(*state)(void);
  *(void **)&state = dlsym(library, "played_cuda_state");
  assert_non_null(state);
  struct played_cuda *fake = state();
  fake->fails = NULL;
  fake->devices = fake->threads = 1;
  fake->capability = 75;
  fake->shared = 64 << 10;
  return fake;
}

static struct played_cuda *fake_driver(void)
{
  return load_fake(HGL_BINARY_DIR "/tests/libplayed_cuda.so");
}

/* Asked in another process: a driver might never leave this one again. */
static bool driver_is_here(void)
{
  pid_t child = fork();
  if (child == 0) _exit(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) ? 0 : 1);
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  return status == 0;
}

/* Engine ------------------------------------------------------------------------------------- */

static const struct haggle_host host = {
    .size = sizeof host, .version = HAGGLE_INFER_VERSION, .log = note_log};

struct opened {
  struct asking asking;
  struct haggle_model_info info;
};

static int32_t open_model(struct opened *opened, const size_t *widths, const char *device,
                          struct haggle_error *error)
{
  char path[] = "/tmp/haggle-dense-XXXXXX";
  int fd = mkstemp(path);
  struct network network;
  struct haggle_option options[] = {{"device", device}};
  struct haggle_source source = {.size = sizeof source,
                                 .name = "policy",
                                 .file = path,
                                 .options = options,
                                 .option_count = device ? 1 : 0};
  assert_true(fd >= 0);
  close(fd);
  network_plain(&network, widths, "tanh");
  network_write(&network, path);
  network_free(&network);
  *opened = (struct opened){0};
  opened->asking.engine = hgl_dense_engine(HAGGLE_INFER_VERSION, &host);
  assert_non_null(opened->asking.engine);
  int32_t status = opened->asking.engine->open(&source, &opened->asking.model, error);
  unlink(path);
  if (status == HAGGLE_OK) {
    opened->info.size = sizeof opened->info;
    opened->asking.engine->describe(opened->asking.model, &opened->info);
    asking_of_log = &opened->asking;
  }
  return status;
}

static void close_model(struct opened *opened)
{
  asking_of_log = NULL;
  forget_answers(&opened->asking);
  opened->asking.engine->close(opened->asking.model);
}

/* Opens, and looks where it runs and what is noted. */
static void check_note(const char *device, const char *where, const char *note)
{
  struct opened opened;
  struct haggle_error error = {.size = sizeof error};
  if (open_model(&opened, small, device, &error) != HAGGLE_OK) fail_msg("%s", error.message);
  if (strncmp(opened.info.device, where, strlen(where)) != 0)
    fail_msg("runs on %s: %s", opened.info.device, opened.info.note ? opened.info.note : "-");
  if (!note) {
    assert_null(opened.info.note);
  } else if (!strstr(present(opened.info.note), note)) {
    fail_msg("expected '%s', got '%s'", note, opened.info.note);
  }
  close_model(&opened);
}

static void without_a_driver_the_cpu_does_it_and_only_who_asked_is_told(void **unused)
{
  if (driver_is_here()) skip();
  check_note(NULL, "cpu", NULL);
  check_note("auto", "cpu", NULL);
  check_note("cpu", "cpu", NULL);
  check_note("cuda", "cpu", "no NVIDIA driver (libcuda.so.1) is installed");
  check_note("cuda:1", "cpu", "no NVIDIA driver (libcuda.so.1) is installed");
}

/* In a process of its own, because a library that was loaded once is the one that is found. */
static void a_driver_without_what_is_needed_is_too_old(void **unused)
{
  if (driver_is_here()) skip();
  pid_t child = fork();
  if (child == 0) {
    void *library = dlopen(HGL_BINARY_DIR "/tests/libplayed_cuda_old.so", RTLD_NOW | RTLD_LOCAL);
    struct hgl_cuda cuda;
    struct hgl_err err = {0};
    int status = hgl_cuda_load(&cuda, &err);
    _exit(library && status == -HGL_INVALID &&
                  strstr(err.message, "has no cuDevicePrimaryCtxRetain: it is too old")
              ? 0
              : 1);
  }
  int status = 1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void a_program_without_nvcc_says_so(void **unused)
{
  if (*hgl_dense_ptx) skip();
  fake_driver();
  check_note("auto", "cpu", "built without nvcc");
}

static void each_failure_at_the_start_falls_back_with_one_line(void **unused)
{
  static const struct {
    const char *fails;
    int result, after;
    const char *note;
  } cases[] = {
      {"cuInit", 100, 0, "an NVIDIA driver is installed, but it sees no GPU"},
      {"cuInit", 803, 0, "the NVIDIA driver does not start: a failure of the fake (803)"},
      {"cuInit", 12345, 0, "the NVIDIA driver does not start: unknown error (12345)"},
      {"cuDriverGetVersion", 999, 0, "cuDriverGetVersion: a failure"},
      {"cuDeviceGetCount", 999, 0, "cuDeviceGetCount: a failure"},
      {"cuDeviceGet", 101, 0, "cuDeviceGet: a failure"},
      {"cuDeviceGetName", 1, 0, "cuDeviceGetName: a failure"},
      {"cuDeviceGetAttribute", 1, 0, "cuDeviceGetAttribute: a failure"},
      {"cuDevicePrimaryCtxRetain", 2, 0, "cuDevicePrimaryCtxRetain: out of memory (2)"},
      {"cuCtxPushCurrent_v2", 201, 0, "cuCtxPushCurrent_v2: a failure"},
      {"cuModuleLoadData", 222, 0,
       "the NVIDIA driver (CUDA 12.4) does not take this program's code: cuModuleLoadData: the "
       "provided PTX was compiled with an unsupported toolchain. (222)"},
      {"cuModuleGetFunction", 500, 0, "cuModuleGetFunction: a failure"},
      {"cuMemAlloc_v2", 2, 0, "KiB of Fake GPU: cuMemAlloc_v2: out of memory (2)"},
      {"cuMemAlloc_v2", 2, 3, "KiB of Fake GPU: cuMemAlloc_v2: out of memory (2)"},
      {"cuMemAllocHost_v2", 2, 1, "cuMemAllocHost_v2: out of memory (2)"},
      {"cuStreamCreate", 2, 0, "cuStreamCreate: out of memory (2)"},
      {"cuMemcpyHtoDAsync_v2", 700, 1, "cuMemcpyHtoDAsync_v2: a failure"},
      {"cuStreamSynchronize", 700, 0, "cuStreamSynchronize: a failure"},
  };
  skip_without_kernel();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int asked = 0; asked < 2; asked++) {
      struct played_cuda *fake = fake_driver();
      fake->fails = cases[i].fails;
      fake->result = cases[i].result;
      fake->after = cases[i].after;
      check_note(asked ? "cuda" : NULL, "cpu", cases[i].note);
      assert_int_equal(fake->allocated, 0);
      assert_int_equal(fake->contexts, 0);
    }
  }
}

static void devices_that_cannot_do_it_are_named(void **unused)
{
  struct haggle_device device = {.size = sizeof device};
  skip_without_kernel();
  struct played_cuda *fake = fake_driver();
  check_note("cuda", "cuda:0 Fake GPU", NULL);
  check_note("cuda:1", "cpu", "there is no cuda:1; the NVIDIA driver sees 1");
  const struct haggle_engine *engine = hgl_dense_engine(HAGGLE_INFER_VERSION, &host);
  assert_int_equal(engine->device(1, &device), HAGGLE_OK);
  assert_string_equal(device.name, "cuda:0");
  assert_string_equal(device.about, "Fake GPU");
  assert_int_equal(engine->device(2, &device), HAGGLE_NOT_FOUND);
  fake->capability = 70;
  check_note("cuda", "cpu", "Fake GPU has compute capability 7.0; 7.5 is needed");
  fake->devices = 0;
  check_note(NULL, "cpu", "sees no GPU");
  assert_int_equal(engine->device(1, &device), HAGGLE_NOT_FOUND);
  assert_int_equal(fake->allocated, 0);
}

/* Running ------------------------------------------------------------------------------------- */

/* Whatever fails, the answers are those of the CPU, and the device is left alone afterwards. */
static void a_device_that_fails_is_given_up_and_nothing_is_lost(void **unused)
{
  static const char *const fails[] = {"cuCtxPushCurrent_v2", "cuMemcpyHtoDAsync_v2",
                                      "cuLaunchKernel", "cuMemcpyDtoHAsync_v2",
                                      "cuStreamSynchronize"};
  static const float row[6] = {1, 2, 3, 4, 5, 6};
  struct haggle_tensor input = floats_tensor("in0", 1, 6, row);
  skip_without_kernel();
  for (size_t i = 0; i < sizeof fails / sizeof *fails; i++) {
    struct opened opened;
    struct haggle_error error = {.size = sizeof error};
    struct haggle_request request = {.inputs = &input, .input_count = 1, .rows = 1};
    float expected[4];
    struct played_cuda *fake = fake_driver();
    size_t launches = fake->launches;
    assert_int_equal(open_model(&opened, small, "cuda", &error), HAGGLE_OK);
    ask_all(&opened.asking, &request, 1);
    assert_int_equal(fake->launches, launches + 1);
    assert_int_equal(opened.asking.answers[0].status, HAGGLE_OK);
    memcpy(expected, opened.asking.answers[0].outputs[0].data, sizeof expected);
    fake->fails = fails[i];
    fake->result = 700;
    fake->after = 0;
    ask_all(&opened.asking, &request, 1);
    assert_int_equal(opened.asking.answers[0].status, HAGGLE_OK);
    assert_memory_equal(opened.asking.answers[0].outputs[0].data, expected, sizeof expected);
    assert_non_null(
        strstr(opened.asking.log, "model 'policy' goes on with the CPU: cuda:0 Fake GPU: cu"));
    fake_driver();
    launches = fake->launches;
    ask_all(&opened.asking, &request, 1);
    assert_int_equal(opened.asking.answers[0].status, HAGGLE_OK);
    assert_int_equal(fake->launches, launches);
    close_model(&opened);
    assert_int_equal(fake->allocated, 0);
    assert_int_equal(fake->contexts, 0);
  }
}

/* With `auto` a few rows are not worth a launch. */
static void small_batches_stay_with_the_cpu(void **unused)
{
  static float rows[4000 * 6];
  struct haggle_tensor input = floats_tensor("in0", 1, 6, rows);
  struct opened opened;
  struct haggle_error error = {.size = sizeof error};
  struct haggle_request request = {.inputs = &input, .input_count = 1, .rows = 1};
  struct haggle_model_stats stats = {.size = sizeof stats};
  skip_without_kernel();
  struct played_cuda *fake = fake_driver();
  assert_int_equal(open_model(&opened, wide, "auto", &error), HAGGLE_OK);
  size_t launches = fake->launches;
  input = floats_tensor("in0", 1, 3, rows);
  ask_all(&opened.asking, &request, 1);
  assert_int_equal(fake->launches, launches);
  input = floats_tensor("in0", 40, 3, rows);
  request.rows = 40;
  ask_all(&opened.asking, &request, 1);
  assert_int_equal(fake->launches, launches + hgl_dense_kernels_best()->is_fused);
  opened.asking.engine->stats(opened.asking.model, &stats);
  assert_int_equal(stats.rows, 41);
  assert_true(stats.device_memory > 250 * 250 * sizeof(float));
  close_model(&opened);
}

/* The kernel's source ------------------------------------------------------------------------- */

static void the_kernels_source_computes_the_bits_of_the_cpu(void **unused)
{
  skip_without_kernel();
  struct played_cuda *fake = fake_driver();
  for (uint64_t seed = 1; seed <= 150; seed++) {
    struct network network;
    network_random(&network, seed);
    struct hgl_dense_net *net = network_read(&network);
    fake->shared = seed % 3 ? 64 << 10 : 100 << 10;
    compare_devices(net, seed % 10 == 0 ? 300 : 1 + seed % 19, seed);
    hgl_dense_net_destroy(net);
    network_free(&network);
  }
  assert_int_equal(fake->allocated, 0);
}

/* A wrong or missing barrier shows itself when threads are many and their order is nobody's. */
static void its_threads_wait_for_each_other(void **unused)
{
  skip_without_kernel();
  struct played_cuda *fake = fake_driver();
  for (uint64_t seed = 1; seed <= 30; seed++) {
    struct network network;
    network_random(&network, seed);
    struct hgl_dense_net *net = network_read(&network);
    fake->threads = 2 + (int)seed % 6;
    compare_devices(net, 1 + seed % 9, seed);
    hgl_dense_net_destroy(net);
    network_free(&network);
  }
}

/* Rows too wide for shared memory have their workspaces in memory of the blocks. */
static void wide_networks_take_memory_of_the_device(void **unused)
{
  static const size_t widths[] = {20, 13000, 30, 3, 0};
  struct network network;
  skip_without_kernel();
  struct played_cuda *fake = fake_driver();
  fake->shared = 48 << 10;
  network_plain(&network, widths, "gelu");
  struct hgl_dense_net *net = network_read(&network);
  assert_true(net->workspace * sizeof(float) > 48 << 10);
  compare_devices(net, 70, 5);
  compare_devices(net, 1, 6);
  hgl_dense_net_destroy(net);
  network_free(&network);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_a_driver_the_cpu_does_it_and_only_who_asked_is_told),
      cmocka_unit_test(a_driver_without_what_is_needed_is_too_old),
      cmocka_unit_test(a_program_without_nvcc_says_so),
      cmocka_unit_test(each_failure_at_the_start_falls_back_with_one_line),
      cmocka_unit_test(devices_that_cannot_do_it_are_named),
      cmocka_unit_test(a_device_that_fails_is_given_up_and_nothing_is_lost),
      cmocka_unit_test(small_batches_stay_with_the_cpu),
      cmocka_unit_test(the_kernels_source_computes_the_bits_of_the_cpu),
      cmocka_unit_test(its_threads_wait_for_each_other),
      cmocka_unit_test(wide_networks_take_memory_of_the_device),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
