/* How far the activations are from the exact functions, over all that floats can be. */
#include <math.h>
#include <stdio.h>

#include "infer/dense_steps.h"
#include "support/check.h"

typedef float dense_f;
typedef uint32_t dense_u;

static uint32_t bits_of(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float float_of(uint32_t bits)
{
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

#define DENSE_FUNCTION      static inline
#define DENSE_ALL(x)        (x)
#define DENSE_FMA(a, b, c)  fmaf((a), (b), (c))
#define DENSE_PICK(c, a, b) ((c) ? (a) : (b))
#define DENSE_BITS(x)       bits_of(x)
#define DENSE_FLOAT(x)      float_of(x)
#include "infer/dense_math.h"

static double exact_sigmoid(double x)
{
  return 1 / (1 + exp(-x));
}
static double exact_silu(double x)
{
  return x * exact_sigmoid(x);
}
static double exact_softplus(double x)
{
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}
static double exact_gelu(double x)
{
  return 0.5 * x * erfc(-x / sqrt(2));
}
static double exact_gelu_tanh(double x)
{
  return x * exact_sigmoid(2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
}

static float silu(float x)
{
  return dense_activate(DENSE_SILU, 0, x);
}

struct bound {
  const char *name;
  float (*ours)(float);
  double (*exact)(double);
  double least, most; /* where */
  double relative, absolute;
};

static const struct bound bounds[] = {
    {"exp", dense_exp, exp, -87, 88, 1.2e-7, 0},
    {"expm1", dense_expm1, expm1, -87, 88, 1.4e-7, 0},
    {"sigmoid", dense_sigmoid, exact_sigmoid, -87, 100, 1.8e-7, 0},
    {"silu", silu, exact_silu, -87, 1e30, 2.4e-7, 0},
    {"tanh", dense_tanh, tanh, -1e30, 1e30, 1.8e-7, 0},
    {"erf", dense_erf, erf, -1e30, 1e30, 1e-7, 1e-7},
    {"gelu", dense_gelu, exact_gelu, -1e30, 1e30, 1.2e-7, 1.2e-7},
    {"gelu_tanh", dense_gelu_tanh, exact_gelu_tanh, -1e10, 1e10, 1.2e-7, 1.2e-7},
    {"softplus", dense_softplus, exact_softplus, -87, 1e30, 2.4e-7, 0},
    {"log", dense_log, log, 1, 1e30, 1.8e-7, 0},
};

/* Every 4001st float: some of every size. */
static void activations_are_as_exact_as_they_say(void **unused)
{
  for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
    const struct bound *bound = &bounds[b];
    double worst = 0;
    float at = 0;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 4001) {
      float x = float_of((uint32_t)bits);
      if (!((double)x >= bound->least && (double)x <= bound->most) || (x != 0 && fabsf(x) < 1e-37f))
        continue;
      double exact = bound->exact((double)x), off = fabs((double)bound->ours(x) - exact);
      off /= bound->relative * fabs(exact) + bound->absolute + 1e-37;
      if (!(off <= worst)) {
        worst = off;
        at = x;
      }
    }
    printf("%-10s %.2f of its bound, at %g\n", bound->name, worst, (double)at);
    if (!(worst <= 1)) fail_msg("%s at %g", bound->name, (double)at);
  }
}

static void what_is_no_number_stays_so(void **unused)
{
  for (int kind = DENSE_RELU; kind <= DENSE_SOFTPLUS; kind++)
    assert_true(isnan(dense_activate(kind, 0.5f, NAN)));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(activations_are_as_exact_as_they_say),
      cmocka_unit_test(what_is_no_number_stays_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
