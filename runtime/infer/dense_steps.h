/* A dense network as its back ends run it: a list of steps over a row's workspace. Read by the C
 * code and by dense_kernel.cu, so it is plain C and includes nothing of ours.
 *
 * The workspace of a row holds a few registers, vectors that begin at multiples of 16 floats; a
 * step reads its source and writes its target, which may be the same. Beyond the width of a
 * register, up to the next multiple of 16, lie lanes that mean nothing and are never part of a sum.
 *
 * Parameters of all steps lie in one array, by offsets. Those of a vector are filled up with zeros
 * to a multiple of 16. Weights of a linear step are in panels of 16 outputs: [panel][input][16].
 *
 * The order of every operation on floats is part of this description, because the back ends have to
 * agree bit by bit, and a row has to come out the same in whatever batch it is:
 *   - an output of a linear step is fma(x[i], weight[i], sum) for i = 0, 1, …, begun with the bias;
 *   - a sum over a row is 16 sums, each over every 16th element, then added as a tree: lane i and
 *     i + 8, i + 4, i + 2, i + 1. */
#ifndef HGL_INFER_DENSE_STEPS_H
#define HGL_INFER_DENSE_STEPS_H

#include <stdint.h>

#ifdef __CUDACC__
#define DENSE_STEPS_FUNCTION static inline __device__
#else
#define DENSE_STEPS_FUNCTION static inline
#endif

enum { DENSE_LANES = 16 };

enum dense_kind {
  DENSE_LINEAR,     /* first: weights, second: bias */
  DENSE_AFFINE,     /* (x - first) * second + third */
  DENSE_LAYER_NORM, /* first: weight, second: bias; number: eps */
  DENSE_RMS_NORM,   /* first: weight; number: eps */
  DENSE_ADD,        /* source + other */
  DENSE_RELU,
  DENSE_LEAKY_RELU, /* number: the slope below 0 */
  DENSE_ELU,        /* number: alpha */
  DENSE_GELU,
  DENSE_GELU_TANH,
  DENSE_SILU,
  DENSE_TANH,
  DENSE_SIGMOID,
  DENSE_SOFTPLUS,
  DENSE_SOFTMAX,
  DENSE_LOG_SOFTMAX,
  DENSE_OUTPUT, /* the source becomes the output of the number `other` */
};

struct dense_step {
  int32_t kind;
  int32_t source, other, target; /* offsets in a row's workspace */
  int32_t width_in, width_out;   /* without what fills them up */
  float number;
  uint32_t first, second, third; /* offsets of parameters */
};

DENSE_STEPS_FUNCTION int32_t dense_padded(int32_t width)
{
  return (width + DENSE_LANES - 1) / DENSE_LANES * DENSE_LANES;
}

#endif
