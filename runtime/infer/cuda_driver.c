#include "infer/cuda_driver.h"

#include <dlfcn.h>
#include <string.h>

/* It stays loaded: what the driver started in our process could not be taken out again. */
static int find_functions(struct hgl_cuda *out, struct hgl_err *err)
{
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return hgl_fail(err, HGL_NOT_FOUND, "no NVIDIA driver (libcuda.so.1) is installed");
#define X(name, symbol, parameters)                                                                \
  {                                                                                                \
    void *found = dlsym(library, symbol);                                                          \
    if (!found)                                                                                    \
      return hgl_fail(err, HGL_INVALID, "the NVIDIA driver has no %s: it is too old", symbol);     \
    memcpy(&out->name, &found, sizeof found);                                                      \
  }
  HGL_CUDA_FUNCTIONS(X)
#undef X
  return 0;
}

int hgl_cuda_check(const struct hgl_cuda *cuda, CUresult result, const char *what,
                   struct hgl_err *err)
{
  const char *text = NULL;
  if (result == CUDA_SUCCESS) return 0;
  if (cuda->error_text(result, &text) != CUDA_SUCCESS || !text) text = "unknown error";
  return hgl_fail(err, result == CUDA_ERROR_OUT_OF_MEMORY ? HGL_NO_MEMORY : HGL_IO, "%s: %s (%d)",
                  what, text, result);
}

int hgl_cuda_load(struct hgl_cuda *out, struct hgl_err *err)
{
  struct hgl_cuda cuda = {0};
  int status = find_functions(&cuda, err);
  if (status) return status;
  CUresult result = cuda.init(0);
  if (result == CUDA_ERROR_NO_DEVICE)
    return hgl_fail(err, HGL_INVALID, "an NVIDIA driver is installed, but it sees no GPU");
  if ((status = hgl_cuda_check(&cuda, result, "the NVIDIA driver does not start", err)) ||
      (status = hgl_cuda_check(&cuda, cuda.driver_version(&cuda.version), "cuDriverGetVersion",
                               err)) ||
      (status = hgl_cuda_check(&cuda, cuda.device_count(&cuda.devices), "cuDeviceGetCount", err)))
    return status;
  if (cuda.devices < 1)
    return hgl_fail(err, HGL_INVALID, "an NVIDIA driver is installed, but it sees no GPU");
  *out = cuda;
  return 0;
}
