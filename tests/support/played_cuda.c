#include "support/played_cuda.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* The kernel ---------------------------------------------------------------------------------- */

static _Thread_local int thread_number;
static int thread_count, block_number, block_count;
static float *shared_memory;
static pthread_barrier_t barrier;

static inline uint32_t bits_of(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float float_of(uint32_t bits)
{
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static void sync_threads(void)
{
  if (thread_count > 1) pthread_barrier_wait(&barrier);
}

#define DENSE_KERNEL_FUNCTION static void
#define DENSE_FUNCTION        static inline
#define THREAD                thread_number
#define THREADS               thread_count
#define BLOCK                 block_number
#define BLOCKS                block_count
#define SYNC()                sync_threads()
#define DENSE_FMA(a, b, c)    fmaf((a), (b), (c))
#define DENSE_SQRT(x)         sqrtf(x)
#define DENSE_BITS(x)         bits_of(x)
#define DENSE_FLOAT(x)        float_of(x)
#define dense_shared          shared_memory
#include "infer/dense_kernel.cu"

static void *run_thread(void *argument)
{
  const struct dense_launch *const *launch = argument;
  hgl_dense(**launch);
  return NULL;
}

struct started {
  const struct dense_launch *launch;
  int number;
};

static void *start_thread(void *argument)
{
  struct started *started = argument;
  thread_number = started->number;
  return run_thread(&started->launch);
}

static void run_block(const struct dense_launch *launch)
{
  enum { THREADS_MAX = 64 };
  struct started started[THREADS_MAX];
  pthread_t threads[THREADS_MAX] = {0};
  for (int i = 1; i < thread_count; i++) {
    started[i] = (struct started){launch, i};
    if (pthread_create(&threads[i], NULL, start_thread, &started[i])) abort();
  }
  thread_number = 0;
  hgl_dense(*launch);
  for (int i = 1; i < thread_count; i++) pthread_join(threads[i], NULL);
}

/* The driver ---------------------------------------------------------------------------------- */

static struct played_cuda state = {
    .devices = 1, .capability = 75, .threads = 1, .shared = 64 << 10};
static int calls_before_failure;
static const char *counted;

EXPORT struct played_cuda *played_cuda_state(void)
{
  counted = NULL;
  return &state;
}

static int outcome(const char *symbol)
{
  if (!state.fails || strcmp(state.fails, symbol) != 0) return 0;
  if (counted != state.fails) calls_before_failure = state.after;
  counted = state.fails;
  return calls_before_failure-- > 0 ? 0 : state.result;
}

#define CALL(symbol)                                                                               \
  do {                                                                                             \
    int result_ = outcome(symbol);                                                                 \
    if (result_) return result_;                                                                   \
  } while (0)

#ifndef PLAYED_CUDA_IS_OLD
EXPORT int cuDevicePrimaryCtxRetain(void **context, int device);
EXPORT int cuDevicePrimaryCtxRetain(void **context, int device)
{
  CALL("cuDevicePrimaryCtxRetain");
  state.contexts++;
  *context = &state;
  return 0;
}
#endif

/* clang-format off */
#define FUNCTION(name, ...) EXPORT int name(__VA_ARGS__); EXPORT int name(__VA_ARGS__)
/* clang-format on */

FUNCTION(cuInit, unsigned flags)
{
  CALL("cuInit");
  return 0;
}

FUNCTION(cuDriverGetVersion, int *version)
{
  CALL("cuDriverGetVersion");
  *version = 12040;
  return 0;
}

FUNCTION(cuGetErrorString, int result, const char **text)
{
  *text = result == 2     ? "out of memory"
          : result == 222 ? "the provided PTX was compiled with an "
                            "unsupported toolchain."
                          : "a failure of the fake";
  return result == 12345 ? 1 : 0;
}

FUNCTION(cuDeviceGetCount, int *count)
{
  CALL("cuDeviceGetCount");
  *count = state.devices;
  return 0;
}

FUNCTION(cuDeviceGet, int *device, int number)
{
  CALL("cuDeviceGet");
  *device = number;
  return 0;
}

FUNCTION(cuDeviceGetName, char *name, int size, int device)
{
  CALL("cuDeviceGetName");
  snprintf(name, (size_t)size, "Fake GPU");
  return 0;
}

FUNCTION(cuDeviceTotalMem_v2, size_t *bytes, int device)
{
  CALL("cuDeviceTotalMem_v2");
  *bytes = 1 << 30;
  return 0;
}

FUNCTION(cuDeviceGetAttribute, int *value, int attribute, int device)
{
  CALL("cuDeviceGetAttribute");
  *value = attribute == 16   ? 4
           : attribute == 75 ? state.capability / 10
           : attribute == 76 ? state.capability % 10
                             : state.shared;
  return 0;
}

FUNCTION(cuDevicePrimaryCtxRelease_v2, int device)
{
  state.contexts--;
  return 0;
}

FUNCTION(cuCtxPushCurrent_v2, void *context)
{
  CALL("cuCtxPushCurrent_v2");
  return 0;
}

FUNCTION(cuCtxPopCurrent_v2, void **context)
{
  *context = NULL;
  return 0;
}

FUNCTION(cuMemGetInfo_v2, size_t *available, size_t *total)
{
  *available = *total = 1 << 30;
  return 0;
}

FUNCTION(cuModuleLoadData, void **module, const void *image)
{
  CALL("cuModuleLoadData");
  const char *text = image;
  if (!strstr(text, "\n.version 6.4\n.target sm_75") || !strstr(text, ".entry hgl_dense("))
    return 218;
  *module = &state;
  return 0;
}

FUNCTION(cuModuleUnload, void *module)
{
  return 0;
}

FUNCTION(cuModuleGetFunction, void **function, void *module, const char *name)
{
  CALL("cuModuleGetFunction");
  *function = &state;
  return 0;
}

FUNCTION(cuFuncSetAttribute, void *function, int attribute, int value)
{
  CALL("cuFuncSetAttribute");
  return value <= state.shared ? 0 : 1;
}

static int allocate(void **at, size_t size)
{
  if (size == 0) return 1; /* as the real one */
  *at = malloc(size);
  state.allocated++;
  return *at ? 0 : 2;
}

FUNCTION(cuMemAlloc_v2, uint64_t *at, size_t size)
{
  void *memory;
  CALL("cuMemAlloc_v2");
  int result = allocate(&memory, size);
  if (!result) *at = (uint64_t)(uintptr_t)memory;
  return result;
}

FUNCTION(cuMemAllocHost_v2, void **at, size_t size)
{
  CALL("cuMemAllocHost_v2");
  return allocate(at, size);
}

FUNCTION(cuMemFree_v2, uint64_t at)
{
  free((void *)(uintptr_t)at); /* NOLINT(performance-no-int-to-ptr) */
  state.allocated--;
  return 0;
}

FUNCTION(cuMemFreeHost, void *at)
{
  free(at);
  state.allocated--;
  return 0;
}

FUNCTION(cuMemcpyHtoDAsync_v2, uint64_t to, const void *from, size_t size, void *stream)
{
  CALL("cuMemcpyHtoDAsync_v2");
  memcpy((void *)(uintptr_t)to, from, size); /* NOLINT(performance-no-int-to-ptr) */
  return 0;
}

FUNCTION(cuMemcpyDtoHAsync_v2, void *to, uint64_t from, size_t size, void *stream)
{
  CALL("cuMemcpyDtoHAsync_v2");
  memcpy(to, (const void *)(uintptr_t)from, size); /* NOLINT(performance-no-int-to-ptr) */
  return 0;
}

FUNCTION(cuStreamCreate, void **stream, unsigned flags)
{
  CALL("cuStreamCreate");
  *stream = &state;
  return 0;
}

FUNCTION(cuStreamDestroy_v2, void *stream)
{
  return 0;
}

FUNCTION(cuStreamSynchronize, void *stream)
{
  CALL("cuStreamSynchronize");
  return 0;
}

FUNCTION(cuLaunchKernel, void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
         unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared, void *stream,
         void **parameters, void **extra)
{
  CALL("cuLaunchKernel");
  const struct dense_launch *launch = parameters[0];
  if (!grid_x || grid_y * grid_z * block_y * block_z != 1 || block_x > 1024 ||
      shared > (unsigned)state.shared)
    return 1;
  state.launches++;
  thread_count = state.threads;
  block_count = (int)grid_x;
  pthread_barrier_init(&barrier, NULL, (unsigned)thread_count);
  for (block_number = 0; block_number < block_count; block_number++) {
    if (!(shared_memory = malloc(shared))) return 2; /* exactly as much as there would be */
    run_block(launch);
    free(shared_memory);
  }
  pthread_barrier_destroy(&barrier);
  return 0;
}
