/* An open model of the dense engine: dense.c opens and describes it, dense_run.c runs batches. */
#ifndef HGL_INFER_DENSE_MODEL_H
#define HGL_INFER_DENSE_MODEL_H

#include <stdatomic.h>

#include "infer/dense_cpu.h"
#include "infer/dense_cuda.h"
#include "infer/haggle_infer.h"

struct hgl_dense_model {
  const struct haggle_host *host;
  struct hgl_dense_net *net;
  const struct hgl_dense_kernels *kernels;
  struct hgl_dense_cpu *cpu;
  unsigned threads;             /* of it */
  struct hgl_dense_cuda *cuda;  /* NULL: not used */
  size_t cuda_multiplies_least; /* smaller batches are done sooner by the CPU */
  size_t chunk;                 /* rows that are run at once */
  float *inputs, *outputs;      /* of a chunk */
  void *inputs_at, *outputs_at;
  int64_t *indices; /* of a chunk, for each output that is one */
  size_t index_count;
  struct haggle_tensor_info input_infos[HGL_DENSE_INPUTS_MAX];
  struct haggle_tensor_info output_infos[HGL_DENSE_OUTPUTS_MAX];
  char name[64], device[160], note[480];
  atomic_bool cuda_failed;
  atomic_ullong rows, busy_ns;
};

void hgl_dense_run(void *model, const struct haggle_batch *batch);

#endif
