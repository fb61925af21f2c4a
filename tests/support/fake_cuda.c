/* The driver of a machine with one GPU that can do nothing. Loaded under the true one's name. */
#include <stddef.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int cuInit(unsigned int flags);
EXPORT int cuDeviceGetCount(int *count);
EXPORT int cuDeviceGet(int *device, int number);
EXPORT int cuDeviceGetName(char *name, int size, int device);
EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device);

int cuInit(unsigned int flags)
{
  return 0;
}

int cuDeviceGetCount(int *count)
{
  *count = 1;
  return 0;
}

int cuDeviceGet(int *device, int number)
{
  *device = number;
  return 0;
}

int cuDeviceGetName(char *name, int size, int device)
{
  snprintf(name, (size_t)size, "Fake GPU");
  return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
  *bytes = (size_t)8 << 30;
  return 0;
}
