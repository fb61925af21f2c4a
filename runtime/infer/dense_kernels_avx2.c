/* Compiled with -mavx2 -mfma: nothing in here may run before the processor was asked. */
#ifdef __x86_64__
#include <immintrin.h>
#define DENSE_FMA(a, b, c) ((dense_f)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define KERNELS_ARE_FUSED  true
#define KERNELS_TITLE      "AVX2"
#define VECTOR             8
#define PANELS             1
#define KERNELS            hgl_dense_kernels_avx2
#include "infer/dense_kernels_body.h"
#endif
