/* For any processor: vectors of four. Those of aarch64 fuse, those of the first x86-64 do not. */
#if defined(__aarch64__)
#include <arm_neon.h>
#define DENSE_FMA(a, b, c)                                                                         \
  ((dense_f)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define KERNELS_ARE_FUSED true
#define KERNELS_TITLE     "NEON"
#else
#define DENSE_FMA(a, b, c) ((a) * (b) + (c))
#define KERNELS_ARE_FUSED  false
#define KERNELS_TITLE      "no fused multiplication"
#endif
#define VECTOR  4
#define PANELS  1
#define KERNELS hgl_dense_kernels_plain
#include "infer/dense_kernels_body.h"
