/* A whole dense network for a tile of rows in one kernel: each block takes a tile through all steps,
 * its activations in shared memory (or, where a row is too wide for that, in memory of its own), and
 * the next tile after that. Threads of a block share out the elements of each step.
 *
 * The arithmetic is that of dense_steps.h, operation by operation: compiled with -fmad=false, and
 * fused only where it says so. The file is plain C as well, so that tests/support/played_cuda.c can run
 * it on a CPU: whoever compiles it so defines the words of the first group below. */
#include "infer/dense_launch.h"

#ifdef __CUDACC__
#define DENSE_KERNEL_FUNCTION extern "C" __global__ void
#define DENSE_FUNCTION        static __device__ __forceinline__
#define THREAD                ((int32_t)threadIdx.x)
#define THREADS               ((int32_t)blockDim.x)
#define BLOCK                 ((int32_t)blockIdx.x)
#define BLOCKS                ((int32_t)gridDim.x)
#define SYNC()                __syncthreads()
#define DENSE_FMA(a, b, c)    __fmaf_rn((a), (b), (c))
#define DENSE_SQRT(x)         __fsqrt_rn(x)
#define DENSE_BITS(x)         __float_as_uint(x)
#define DENSE_FLOAT(x)        __uint_as_float(x)
extern __shared__ float dense_shared[];
#endif

typedef float dense_f;
typedef uint32_t dense_u;
#define DENSE_ALL(x)        (x)
#define DENSE_PICK(c, a, b) ((c) ? (a) : (b))
#include "infer/dense_math.h"

enum { ROWS_AT_ONCE = 4 };

/* What a block works on. */
struct tile {
  const struct dense_launch *launch;
  float *work;    /* [rows][workspace] */
  float *lanes;   /* [rows][16] */
  float *numbers; /* [rows][2] */
  int32_t row, rows;
};

#define EACH(i, count) for (int32_t i = THREAD; i < (count); i += THREADS)

/* Linear -------------------------------------------------------------------------------------- */

/* One output for a few rows. Weights of neighbouring threads lie beside each other; their rows are the
 * same, so that reading an activation serves them all. */
DENSE_FUNCTION void dense_dot(const struct dense_step *step, const struct tile *tile,
                              int32_t output, int32_t row)
{
  const struct dense_launch *launch = tile->launch;
  const float *w = launch->parameters + step->first +
                   (int64_t)(output / DENSE_LANES) * DENSE_LANES * step->width_in +
                   output % DENSE_LANES;
  const float *x = tile->work + (int64_t)row * launch->workspace + step->source;
  float bias = launch->parameters[step->second + output];
  float sums[ROWS_AT_ONCE];
  int32_t rows = tile->rows - row;
  for (int32_t r = 0; r < ROWS_AT_ONCE; r++) sums[r] = bias;
  if (rows >= ROWS_AT_ONCE) {
    for (int32_t i = 0; i < step->width_in; i++) {
      float weight = w[(int64_t)i * DENSE_LANES];
      for (int32_t r = 0; r < ROWS_AT_ONCE; r++)
        sums[r] = DENSE_FMA(x[(int64_t)r * launch->workspace + i], weight, sums[r]);
    }
    rows = ROWS_AT_ONCE;
  } else {
    for (int32_t i = 0; i < step->width_in; i++) {
      float weight = w[(int64_t)i * DENSE_LANES];
      for (int32_t r = 0; r < ROWS_AT_ONCE; r++)
        if (r < rows) sums[r] = DENSE_FMA(x[(int64_t)r * launch->workspace + i], weight, sums[r]);
    }
  }
  for (int32_t r = 0; r < ROWS_AT_ONCE; r++)
    if (r < rows)
      tile->work[(int64_t)(row + r) * launch->workspace + step->target + output] = sums[r];
}

DENSE_FUNCTION void dense_linear(const struct dense_step *step, const struct tile *tile)
{
  int32_t outputs = dense_padded(step->width_out);
  int32_t groups = (tile->rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
  EACH(i, outputs * groups)
  dense_dot(step, tile, i % outputs, i / outputs * ROWS_AT_ONCE);
}

/* Sums over a row ----------------------------------------------------------------------------- */

enum dense_sum { DENSE_SUM_PLAIN, DENSE_SUM_SQUARES, DENSE_SUM_EXP };

/* The sum of x, (x - center)^2 or e^(x - center), of each row, becomes numbers[row][to]; the center is
 * numbers[row][from], or 0 when `from` is negative. */
DENSE_FUNCTION void dense_sums(const struct dense_step *step, const struct tile *tile, int32_t what,
                               int32_t from, int32_t to)
{
  EACH(item, tile->rows * DENSE_LANES)
  {
    int32_t row = item / DENSE_LANES;
    const float *x = tile->work + (int64_t)row * tile->launch->workspace + step->source;
    float center = from < 0 ? 0.0f : tile->numbers[2 * row + from], sum = 0.0f;
    for (int32_t i = item % DENSE_LANES; i < step->width_in; i += DENSE_LANES) {
      if (what == DENSE_SUM_PLAIN) {
        sum += x[i];
      } else if (what == DENSE_SUM_SQUARES) {
        float d = x[i] - center;
        sum = DENSE_FMA(d, d, sum);
      } else {
        sum += dense_exp(x[i] - center);
      }
    }
    tile->lanes[item] = sum;
  }
  SYNC();
  EACH(row, tile->rows)
  {
    float *lanes = tile->lanes + row * DENSE_LANES;
    for (int32_t half = DENSE_LANES / 2; half; half /= 2)
      for (int32_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
    tile->numbers[2 * row + to] = lanes[0];
  }
  SYNC();
}

DENSE_FUNCTION void dense_greatest(const struct dense_step *step, const struct tile *tile)
{
  EACH(row, tile->rows)
  {
    const float *x = tile->work + (int64_t)row * tile->launch->workspace + step->source;
    float greatest = x[0];
    for (int32_t i = 1; i < step->width_in; i++)
      if (x[i] > greatest) greatest = x[i];
    tile->numbers[2 * row] = greatest;
  }
  SYNC();
}

/* What is needed of each row before its elements can be computed. */
DENSE_FUNCTION void dense_prepare(const struct dense_step *step, const struct tile *tile)
{
  float width = (float)step->width_in;
  switch (step->kind) {
  case DENSE_LAYER_NORM:
    dense_sums(step, tile, DENSE_SUM_PLAIN, -1, 0);
    EACH(row, tile->rows) tile->numbers[2 * row] = tile->numbers[2 * row] / width;
    SYNC();
    dense_sums(step, tile, DENSE_SUM_SQUARES, 0, 1);
    break;
  case DENSE_RMS_NORM:
    dense_sums(step, tile, DENSE_SUM_SQUARES, -1, 1);
    break;
  case DENSE_SOFTMAX:
  case DENSE_LOG_SOFTMAX:
    dense_greatest(step, tile);
    dense_sums(step, tile, DENSE_SUM_EXP, 0, 1);
    break;
  default:
    break;
  }
}

/* Elements ------------------------------------------------------------------------------------ */

DENSE_FUNCTION float dense_factor(const struct dense_step *step, float squares)
{
  return 1.0f / DENSE_SQRT(squares / (float)step->width_in + step->number);
}

DENSE_FUNCTION float dense_element(const struct dense_step *step, const struct tile *tile,
                                   int32_t row, int32_t i)
{
  const float *parameters = tile->launch->parameters;
  const float *work = tile->work + (int64_t)row * tile->launch->workspace;
  const float *numbers = tile->numbers + 2 * row;
  float x = work[step->source + i];
  switch (step->kind) {
  case DENSE_AFFINE:
    return DENSE_FMA(x - parameters[step->first + i], parameters[step->second + i],
                     parameters[step->third + i]);
  case DENSE_ADD:
    return x + work[step->other + i];
  case DENSE_LAYER_NORM:
    return DENSE_FMA((x - numbers[0]) * dense_factor(step, numbers[1]), parameters[step->first + i],
                     parameters[step->second + i]);
  case DENSE_RMS_NORM:
    return x * dense_factor(step, numbers[1]) * parameters[step->first + i];
  case DENSE_SOFTMAX:
    return dense_exp(x - numbers[0]) / numbers[1];
  case DENSE_LOG_SOFTMAX:
    return x - numbers[0] - dense_log(numbers[1]);
  default:
    return dense_activate(step->kind, step->number, x);
  }
}

DENSE_FUNCTION void dense_elements(const struct dense_step *step, const struct tile *tile)
{
  int32_t width = step->width_in;
  dense_prepare(step, tile);
  EACH(item, tile->rows * width)
  {
    int32_t row = item / width, i = item % width;
    tile->work[(int64_t)row * tile->launch->workspace + step->target + i] =
        dense_element(step, tile, row, i);
  }
}

/* Steps --------------------------------------------------------------------------------------- */

DENSE_FUNCTION void dense_output(const struct dense_step *step, const struct tile *tile)
{
  const struct dense_launch *launch = tile->launch;
  int32_t width = step->width_in;
  float *to = launch->outputs + (int64_t)launch->output_at[step->other] * launch->rows +
              (int64_t)tile->row * width;
  EACH(item, tile->rows * width)
  to[item] = tile->work[(int64_t)(item / width) * launch->workspace + step->source + item % width];
}

DENSE_FUNCTION void dense_tile(const struct tile *tile)
{
  const struct dense_launch *launch = tile->launch;
  int32_t width = launch->input_width;
  EACH(item, tile->rows * width)
  tile->work[(int64_t)(item / width) * launch->workspace + item % width] =
      launch->inputs[(int64_t)tile->row * width + item];
  SYNC();
  for (int32_t i = 0; i < launch->step_count; i++) {
    const struct dense_step *step = launch->steps + i;
    if (step->kind == DENSE_LINEAR)
      dense_linear(step, tile);
    else if (step->kind == DENSE_OUTPUT)
      dense_output(step, tile);
    else
      dense_elements(step, tile);
    SYNC();
  }
}

DENSE_KERNEL_FUNCTION hgl_dense(const struct dense_launch launch)
{
  struct tile tile;
  int64_t size = (int64_t)launch.tile * launch.workspace;
  tile.launch = &launch;
  tile.work = launch.work ? launch.work + BLOCK * size : dense_shared;
  tile.lanes = launch.work ? dense_shared : dense_shared + size;
  tile.numbers = tile.lanes + launch.tile * DENSE_LANES;
  for (int32_t row = BLOCK * launch.tile; row < launch.rows; row += BLOCKS * launch.tile) {
    tile.row = row;
    tile.rows = launch.rows - row < launch.tile ? launch.rows - row : launch.tile;
    dense_tile(&tile);
  }
}
