/* Compiled with -mavx512f: nothing in here may run before the processor was asked. */
#ifdef __x86_64__
#include <immintrin.h>
#define DENSE_FMA(a, b, c) ((dense_f)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define KERNELS_ARE_FUSED  true
#define KERNELS_TITLE      "AVX-512"
#define VECTOR             16
#define PANELS             2
#define KERNELS            hgl_dense_kernels_avx512
#include "infer/dense_kernels_body.h"
#endif
