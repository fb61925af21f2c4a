/* Which GPUs there are, asked of the driver's own library; ONNX Runtime itself only says that
 * something went wrong. */
#include "onnx.h"

#include <dlfcn.h>
#include <string.h>

struct driver {
  int (*init)(unsigned int);
  int (*count)(int *);
  int (*get)(int *, int);
  int (*name)(char *, int, int);
  int (*memory)(size_t *, int);
};

static bool driver_open(struct driver *driver)
{
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return false;
  /* ISO C has no conversion from an object to a function; POSIX has. */
  *(void **)&driver->init = dlsym(library, "cuInit");
  *(void **)&driver->count = dlsym(library, "cuDeviceGetCount");
  *(void **)&driver->get = dlsym(library, "cuDeviceGet");
  *(void **)&driver->name = dlsym(library, "cuDeviceGetName");
  *(void **)&driver->memory = dlsym(library, "cuDeviceTotalMem_v2");
  return driver->init && driver->count && driver->get && driver->name && driver->memory;
}

int onnx_gpus(struct onnx_gpu *out, const char **why)
{
  struct driver driver;
  const char *missing = NULL;
  int count = 0;
  if (!driver_open(&driver))
    missing = "there is no NVIDIA driver here (libcuda.so.1)";
  else if (driver.init(0) != 0 || driver.count(&count) != 0 || count < 1)
    missing = "the NVIDIA driver finds no device";
  if (why) *why = missing;
  if (missing) return 0;
  if (count > ONNX_GPUS_MAX) count = ONNX_GPUS_MAX;
  for (int i = 0; i < count; i++) {
    int handle = 0;
    size_t bytes = 0;
    memset(&out[i], 0, sizeof out[i]);
    if (driver.get(&handle, i) == 0) {
      driver.name(out[i].name, sizeof out[i].name - 1, handle);
      if (driver.memory(&bytes, handle) == 0) out[i].memory_total = bytes;
    }
  }
  return count;
}
