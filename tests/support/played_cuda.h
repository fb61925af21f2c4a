/* A libcuda.so.1 for tests, on machines without a GPU: memory of the "device" is plain memory, and
 * a launch runs dense_kernel.cu, compiled as C, thread by thread. It shows that the host's side of
 * the dense engine does what it should, that the kernel's source computes what the CPU's does and
 * stays within its memory, and what becomes of every failure. It does not show what nvcc, a driver
 * or a GPU make of that source.
 *
 * Found by dlopen once it was loaded by its path, since its name inside is libcuda.so.1. */
#ifndef HGL_TESTS_PLAYED_CUDA_H
#define HGL_TESTS_PLAYED_CUDA_H

#include <stddef.h>

struct played_cuda {
  const char *fails;       /* a symbol whose call fails, or NULL */
  int result;              /* with this, */
  int after;               /* after so many calls of it that do not */
  int devices, capability; /* 1 and 75 */
  int threads;             /* of a block, instead of those asked for */
  int shared;              /* bytes of shared memory that a block can have */
  size_t allocated;        /* of the device and pinned, pieces that were not given back */
  size_t contexts, launches;
};

struct played_cuda *played_cuda_state(void);

#endif
