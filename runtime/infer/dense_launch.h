/* What the host hands to dense_kernel.cu; read by both, so it is plain C. Pointers are the
 * device's. */
#ifndef HGL_INFER_DENSE_LAUNCH_H
#define HGL_INFER_DENSE_LAUNCH_H

#include "infer/dense_steps.h"

#define DENSE_KERNEL "hgl_dense"

enum { DENSE_OUTPUTS = 64 };

struct dense_launch {
  const float *inputs; /* [rows][input_width] */
  float *outputs;      /* one after the other: that of number n begins at output_at[n] * rows */
  const float *parameters;
  const struct dense_step *steps;
  float *work; /* of each block, one behind the other; NULL: workspaces lie in shared memory */
  int32_t step_count, rows, input_width;
  int32_t tile;      /* rows of a block */
  int32_t workspace; /* floats of a row */
  int32_t output_at[DENSE_OUTPUTS];
};

/* Floats of shared memory beside the workspaces, for each row of a tile: sums of 16 lanes, two that
 * are complete. */
enum { DENSE_SCRATCH = DENSE_LANES + 2 };

#endif
