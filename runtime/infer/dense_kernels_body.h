/* The body of dense_kernels_*.c, which define
 *   VECTOR   floats in a register
 *   PANELS   how many panels of 16 outputs are computed at once for several rows
 *   DENSE_FMA, KERNELS, KERNELS_TITLE, KERNELS_ARE_FUSED
 *
 * Each lane goes through the same operations in the same order, whatever VECTOR is and however many
 * rows and panels are computed at once: that is why rows do not depend on their batch. */
#include "infer/dense_kernels.h"

#define INLINE __attribute__((always_inline)) static inline
#define UNROLL _Pragma("GCC unroll 16")

typedef float dense_f __attribute__((vector_size(VECTOR * 4), may_alias));
typedef uint32_t dense_u __attribute__((vector_size(VECTOR * 4), may_alias));

#define DENSE_FUNCTION      INLINE
#define DENSE_ALL(x)        ((dense_f){0} + (x))
#define DENSE_BITS(x)       ((dense_u)(x))
#define DENSE_FLOAT(x)      ((dense_f)(x))
#define DENSE_PICK(c, a, b) pick((dense_u)(c), (a), (b))

INLINE dense_f pick(dense_u mask, dense_f a, dense_f b)
{
  return (dense_f)((mask & (dense_u)a) | (~mask & (dense_u)b));
}

#include "infer/dense_math.h"

enum { PARTS = DENSE_LANES / VECTOR, ROWS = 4, WIDE = 4 };

INLINE dense_f load(const float *at)
{
  return *(const dense_f *)at;
}

INLINE void store(float *at, dense_f x)
{
  *(dense_f *)at = x;
}

/* Linear -------------------------------------------------------------------------------------- */

struct linear {
  const float *weights, *bias;
  const float *from;
  float *to;
  size_t inputs, panels, workspace;
};

/* `rows` rows from `row` on, `panels` panels from `panel` on. */
INLINE void tile(const struct linear *l, size_t row, size_t panel, const unsigned rows,
                 const unsigned panels)
{
  const float *x = l->from + row * l->workspace;
  const float *w = l->weights + panel * DENSE_LANES * l->inputs;
  const unsigned vectors = panels * PARTS;
  dense_f sums[ROWS * PANELS * PARTS > WIDE * PARTS ? ROWS * PANELS * PARTS : WIDE * PARTS];
  UNROLL
  for (unsigned r = 0; r < rows; r++) UNROLL
  for (unsigned v = 0; v < vectors; v++)
    sums[r * vectors + v] = load(l->bias + panel * DENSE_LANES + v * VECTOR);
  for (size_t i = 0; i < l->inputs; i++) {
    UNROLL
    for (unsigned p = 0; p < panels; p++) {
      UNROLL
      for (unsigned v = 0; v < PARTS; v++) {
        dense_f weight = load(w + (p * l->inputs + i) * DENSE_LANES + v * VECTOR);
        UNROLL
        for (unsigned r = 0; r < rows; r++) {
          dense_f *sum = &sums[r * vectors + p * PARTS + v];
          *sum = DENSE_FMA(DENSE_ALL(x[r * l->workspace + i]), weight, *sum);
        }
      }
    }
  }
  UNROLL
  for (unsigned r = 0; r < rows; r++) UNROLL
  for (unsigned v = 0; v < vectors; v++)
    store(l->to + (row + r) * l->workspace + panel * DENSE_LANES + v * VECTOR,
          sums[r * vectors + v]);
}

/* One row: many outputs at once, so that each waits for its own sum only. */
static void linear_row(const struct linear *l, size_t row)
{
  size_t panel = 0;
  for (; panel + WIDE <= l->panels; panel += WIDE) tile(l, row, panel, 1, WIDE);
  for (; panel + 2 <= l->panels; panel += 2) tile(l, row, panel, 1, 2);
  if (panel < l->panels) tile(l, row, panel, 1, 1);
}

/* The weights of a panel stay near while all rows pass by. */
static void linear_rows(const struct linear *l, size_t rows)
{
  size_t whole = rows / ROWS * ROWS, panel = 0;
  for (; panel + PANELS <= l->panels; panel += PANELS)
    for (size_t row = 0; row < whole; row += ROWS) tile(l, row, panel, ROWS, PANELS);
  for (; panel < l->panels; panel++)
    for (size_t row = 0; row < whole; row += ROWS) tile(l, row, panel, ROWS, 1);
  for (size_t row = whole; row < rows; row++) linear_row(l, row);
}

static void linear(const struct dense_step *step, const float *parameters, float *work,
                   size_t workspace, size_t rows)
{
  struct linear l = {.weights = parameters + step->first,
                     .bias = parameters + step->second,
                     .from = work + step->source,
                     .to = work + step->target,
                     .inputs = (size_t)step->width_in,
                     .panels = (size_t)dense_padded(step->width_out) / DENSE_LANES,
                     .workspace = workspace};
  linear_rows(&l, rows);
}

/* Sums over a row ----------------------------------------------------------------------------- */

/* Those lanes that lie within the width; the others as `otherwise`. */
INLINE dense_f within(dense_f x, int32_t at, int32_t width, float otherwise)
{
  if (at + VECTOR <= width) return x;
  dense_f out = x;
  for (int32_t i = 0; i < VECTOR; i++)
    if (at + i >= width) out[i] = otherwise;
  return out;
}

INLINE float sum_of(const dense_f parts[PARTS])
{
  float lanes[DENSE_LANES] __attribute__((aligned(64)));
  UNROLL
  for (int v = 0; v < PARTS; v++) store(lanes + v * VECTOR, parts[v]);
  for (int half = DENSE_LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

INLINE float greatest_of(const float *x, int32_t width)
{
  float greatest = x[0];
  for (int32_t i = 1; i < width; i++)
    if (x[i] > greatest) greatest = x[i];
  return greatest;
}

/* Over the vectors of a row; `v` is the number of the part of the 16 lanes. */
#define EACH_VECTOR(i, v, width)                                                                   \
  for (int32_t i = 0, v = 0; i < dense_padded(width); i += VECTOR, v = (v + 1) % PARTS)

INLINE float mean_of(const float *x, int32_t width)
{
  dense_f sums[PARTS] = {{0}};
  EACH_VECTOR(i, v, width) sums[v] += within(load(x + i), i, width, 0);
  return sum_of(sums) / (float)width;
}

/* The mean of squares of x - center. */
INLINE float spread_of(const float *x, int32_t width, float center)
{
  dense_f sums[PARTS] = {{0}};
  EACH_VECTOR(i, v, width)
  {
    dense_f d = within(load(x + i) - center, i, width, 0);
    sums[v] = DENSE_FMA(d, d, sums[v]);
  }
  return sum_of(sums) / (float)width;
}

INLINE void layer_norm(const struct dense_step *step, const float *parameters, const float *x,
                       float *y)
{
  int32_t width = step->width_in;
  float mean = mean_of(x, width);
  float factor = 1.0f / __builtin_sqrtf(spread_of(x, width, mean) + step->number);
  const float *weight = parameters + step->first, *bias = parameters + step->second;
  EACH_VECTOR(i, v, width)
  store(y + i, DENSE_FMA((load(x + i) - mean) * factor, load(weight + i), load(bias + i)));
}

INLINE void rms_norm(const struct dense_step *step, const float *parameters, const float *x,
                     float *y)
{
  int32_t width = step->width_in;
  float factor = 1.0f / __builtin_sqrtf(spread_of(x, width, 0) + step->number);
  const float *weight = parameters + step->first;
  EACH_VECTOR(i, v, width) store(y + i, load(x + i) * factor * load(weight + i));
}

INLINE void softmax(const struct dense_step *step, const float *x, float *y)
{
  int32_t width = step->width_in;
  float greatest = greatest_of(x, width);
  dense_f sums[PARTS] = {{0}};
  bool is_log = step->kind == DENSE_LOG_SOFTMAX;
  EACH_VECTOR(i, v, width)
  {
    dense_f less = load(x + i) - greatest, e = dense_exp(less);
    sums[v] += within(e, i, width, 0);
    store(y + i, is_log ? less : e);
  }
  float sum = sum_of(sums);
  if (is_log) {
    dense_f log = dense_log(DENSE_ALL(sum));
    EACH_VECTOR(i, v, width) store(y + i, load(y + i) - log);
  } else {
    EACH_VECTOR(i, v, width) store(y + i, load(y + i) / sum);
  }
}

/* Steps --------------------------------------------------------------------------------------- */

/* Constant kinds, so that each gets a loop of its own. */
#define ACTIVATE(kind_)                                                                            \
  case kind_:                                                                                      \
    for (int32_t i = 0; i < padded; i += VECTOR)                                                   \
      store(y + i, dense_activate(kind_, step->number, load(x + i)));                              \
    return

static void run_row(const struct dense_step *step, const float *parameters, float *work)
{
  const float *x = work + step->source;
  float *y = work + step->target;
  int32_t padded = dense_padded(step->width_in);
  switch (step->kind) {
  case DENSE_AFFINE:
    for (int32_t i = 0; i < padded; i += VECTOR)
      store(y + i,
            DENSE_FMA(load(x + i) - load(parameters + step->first + i),
                      load(parameters + step->second + i), load(parameters + step->third + i)));
    return;
  case DENSE_ADD:
    for (int32_t i = 0; i < padded; i += VECTOR)
      store(y + i, load(x + i) + load(work + step->other + i));
    return;
  case DENSE_LAYER_NORM:
    layer_norm(step, parameters, x, y);
    return;
  case DENSE_RMS_NORM:
    rms_norm(step, parameters, x, y);
    return;
  case DENSE_SOFTMAX:
  case DENSE_LOG_SOFTMAX:
    softmax(step, x, y);
    return;
    ACTIVATE(DENSE_RELU);
    ACTIVATE(DENSE_LEAKY_RELU);
    ACTIVATE(DENSE_ELU);
    ACTIVATE(DENSE_GELU);
    ACTIVATE(DENSE_GELU_TANH);
    ACTIVATE(DENSE_SILU);
    ACTIVATE(DENSE_TANH);
    ACTIVATE(DENSE_SIGMOID);
    ACTIVATE(DENSE_SOFTPLUS);
  default:
    return;
  }
}

static void run(const struct dense_step *steps, size_t count, const float *parameters, float *work,
                size_t workspace, size_t rows, float *const *outputs)
{
  for (const struct dense_step *step = steps; step < steps + count; step++) {
    size_t width = (size_t)step->width_in;
    if (step->kind == DENSE_LINEAR) {
      linear(step, parameters, work, workspace, rows);
    } else if (step->kind == DENSE_OUTPUT) {
      for (size_t row = 0; row < rows; row++)
        __builtin_memcpy(outputs[step->other] + row * width, work + row * workspace + step->source,
                         width * sizeof(float));
    } else {
      for (size_t row = 0; row < rows; row++) run_row(step, parameters, work + row * workspace);
    }
  }
}

static size_t first_not_finite(const float *numbers, size_t count)
{
  enum { AT_ONCE = 64 };
  size_t at = 0;
  for (; at + AT_ONCE <= count; at += AT_ONCE) {
    uint32_t found = 0;
    for (size_t i = at; i < at + AT_ONCE; i++) {
      uint32_t bits;
      __builtin_memcpy(&bits, numbers + i, sizeof bits);
      found |= (bits & 0x7f800000U) == 0x7f800000U;
    }
    if (found) break;
  }
  for (; at < count; at++)
    if (!__builtin_isfinite(numbers[at])) return at;
  return count;
}

const struct hgl_dense_kernels KERNELS = {
    .name = KERNELS_TITLE,
    .is_fused = KERNELS_ARE_FUSED,
    .run = run,
    .first_not_finite = first_not_finite,
};
