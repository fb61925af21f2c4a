#include "infer/dense_kernels.h"

const struct hgl_dense_kernels *hgl_dense_kernels_at(unsigned number)
{
  const struct hgl_dense_kernels *can[3];
  unsigned count = 0;
#ifdef __x86_64__
  __builtin_cpu_init();
  bool fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (fma && __builtin_cpu_supports("avx512f")) can[count++] = &hgl_dense_kernels_avx512;
  if (fma) can[count++] = &hgl_dense_kernels_avx2;
#endif
  can[count++] = &hgl_dense_kernels_plain;
  return number < count ? can[number] : NULL;
}

const struct hgl_dense_kernels *hgl_dense_kernels_best(void)
{
  return hgl_dense_kernels_at(0);
}
