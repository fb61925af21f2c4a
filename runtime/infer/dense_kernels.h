/* The arithmetic of dense networks on a CPU, compiled once for each kind of vector registers
 * (dense_kernels_*.c, one body in dense_kernels_body.h). Those that fuse multiplication and
 * addition give the same bits, all of them; that for processors without it gives others. */
#ifndef HGL_INFER_DENSE_KERNELS_H
#define HGL_INFER_DENSE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "infer/dense_steps.h"

struct hgl_dense_kernels {
  const char *name; /* "AVX-512" */
  bool is_fused;
  /* Runs the steps over `rows` rows, whose workspaces lie one behind the other at multiples of 64
   * bytes. Outputs go to outputs[n] + row * width. */
  void (*run)(const struct dense_step *steps, size_t count, const float *parameters, float *work,
              size_t workspace, size_t rows, float *const *outputs);
  /* Where the first of them is that is no finite number; `count`: nowhere. */
  size_t (*first_not_finite)(const float *numbers, size_t count);
};

extern const struct hgl_dense_kernels hgl_dense_kernels_plain;
#ifdef __x86_64__
extern const struct hgl_dense_kernels hgl_dense_kernels_avx2, hgl_dense_kernels_avx512;
#endif

/* The fastest that this processor can run. */
const struct hgl_dense_kernels *hgl_dense_kernels_best(void);
/* That of this number, from 0, or NULL when there are no more that this processor can run. */
const struct hgl_dense_kernels *hgl_dense_kernels_at(unsigned number);

#endif
