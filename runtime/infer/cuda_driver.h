/* The few functions of NVIDIA's driver that we use, found in libcuda.so.1 at run time: no toolkit
 * is needed to build or to run, and without a driver there is just no device. Names and numbers are
 * those of the driver API, which keeps them. Any thread. */
#ifndef HGL_INFER_CUDA_DRIVER_H
#define HGL_INFER_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef int CUresult;
typedef int CUdevice;
typedef uint64_t CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;

enum {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CU_STREAM_NON_BLOCKING = 1,
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
};

/* Name here, name in the library, parameters. */
#define HGL_CUDA_FUNCTIONS(X)                                                                      \
  X(init, "cuInit", (unsigned flags))                                                              \
  X(driver_version, "cuDriverGetVersion", (int *version))                                          \
  X(error_text, "cuGetErrorString", (CUresult result, const char **text))                          \
  X(device_count, "cuDeviceGetCount", (int *count))                                                \
  X(device, "cuDeviceGet", (CUdevice * device, int number))                                        \
  X(device_name, "cuDeviceGetName", (char *name, int size, CUdevice device))                       \
  X(device_memory, "cuDeviceTotalMem_v2", (size_t * bytes, CUdevice device))                       \
  X(device_attribute, "cuDeviceGetAttribute", (int *value, int attribute, CUdevice device))        \
  X(retain, "cuDevicePrimaryCtxRetain", (CUcontext * context, CUdevice device))                    \
  X(release, "cuDevicePrimaryCtxRelease_v2", (CUdevice device))                                    \
  X(push, "cuCtxPushCurrent_v2", (CUcontext context))                                              \
  X(pop, "cuCtxPopCurrent_v2", (CUcontext * context))                                              \
  X(memory_info, "cuMemGetInfo_v2", (size_t * available, size_t * total))                          \
  X(module_load, "cuModuleLoadData", (CUmodule * module, const void *image))                       \
  X(module_unload, "cuModuleUnload", (CUmodule module))                                            \
  X(module_function, "cuModuleGetFunction",                                                        \
    (CUfunction * function, CUmodule module, const char *name))                                    \
  X(function_set, "cuFuncSetAttribute", (CUfunction function, int attribute, int value))           \
  X(alloc, "cuMemAlloc_v2", (CUdeviceptr * at, size_t size))                                       \
  X(free, "cuMemFree_v2", (CUdeviceptr at))                                                        \
  X(alloc_pinned, "cuMemAllocHost_v2", (void **at, size_t size))                                   \
  X(free_pinned, "cuMemFreeHost", (void *at))                                                      \
  X(to_device, "cuMemcpyHtoDAsync_v2",                                                             \
    (CUdeviceptr to, const void *from, size_t size, CUstream stream))                              \
  X(from_device, "cuMemcpyDtoHAsync_v2",                                                           \
    (void *to, CUdeviceptr from, size_t size, CUstream stream))                                    \
  X(stream_create, "cuStreamCreate", (CUstream * stream, unsigned flags))                          \
  X(stream_destroy, "cuStreamDestroy_v2", (CUstream stream))                                       \
  X(stream_wait, "cuStreamSynchronize", (CUstream stream))                                         \
  X(launch, "cuLaunchKernel",                                                                      \
    (CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,     \
     unsigned block_y, unsigned block_z, unsigned shared, CUstream stream, void **parameters,      \
     void **extra))

struct hgl_cuda {
#define X(name, symbol, parameters) CUresult(*name) parameters;
  HGL_CUDA_FUNCTIONS(X)
#undef X
  int version; /* of the driver: 12040 is 12.4 */
  int devices; /* at least 1 */
};

/* HGL_NOT_FOUND: there is no driver. Anything else: there is one, and why it cannot be used. */
int hgl_cuda_load(struct hgl_cuda *out, struct hgl_err *err) HGL_NODISCARD;
/* 0, or HGL_NO_MEMORY or HGL_IO with what the driver says: "cuMemAlloc_v2: out of memory". */
int hgl_cuda_check(const struct hgl_cuda *cuda, CUresult result, const char *what,
                   struct hgl_err *err) HGL_NODISCARD;

#endif
