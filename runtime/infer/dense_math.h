/* The functions of activations and norms, once for vectors of the CPU and once for the threads of a
 * GPU. Whoever includes this has defined
 *   DENSE_FUNCTION         what stands before a function
 *   dense_f, dense_u       floats, and unsigned integers of the same size: scalars or vectors
 *   DENSE_ALL(x)           a float as dense_f
 *   DENSE_FMA(a, b, c)     a * b + c, rounded once
 *   DENSE_PICK(c, a, b)    c ? a : b, of the comparison c
 *   DENSE_BITS, DENSE_FLOAT  a dense_f taken for a dense_u, and back
 * and has the compiler contract nothing, so that all get the same bits. Polynomials were fitted for
 * this file (minimax, by weighted least squares). How far from the exact functions they are is
 * measured by tests/unit/infer/dense_math_test.c: 2.4e-7 relatively at most, gelu 1.2e-7
 * absolutely. */

/* e^x - 1 = scale * q + (scale - 1), with scale a power of two; x is taken into [-87, 88]. */
DENSE_FUNCTION dense_f dense_exp_parts(dense_f x, dense_f *scale)
{
  const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
  x = DENSE_PICK(x < -87.0f, DENSE_ALL(-87.0f), x);
  x = DENSE_PICK(x > 88.0f, DENSE_ALL(88.0f), x);
  dense_f shifted = DENSE_FMA(x, DENSE_ALL(1.44269504f), DENSE_ALL(shift));
  dense_f n = shifted - shift;
  dense_f r = DENSE_FMA(n, DENSE_ALL(-0.693145752f), x); /* ln 2 in two parts */
  r = DENSE_FMA(n, DENSE_ALL(-1.42860677e-6f), r);
  dense_f p = DENSE_FMA(r, DENSE_ALL(0.00139517197f), DENSE_ALL(0.00836959854f));
  p = DENSE_FMA(r, p, DENSE_ALL(0.0416661873f));
  p = DENSE_FMA(r, p, DENSE_ALL(0.166665122f));
  p = DENSE_FMA(r, p, DENSE_ALL(0.5f));
  *scale = DENSE_FLOAT((DENSE_BITS(shifted) << 23) + 0x3f800000U);
  return DENSE_FMA(r * r, p, r);
}

DENSE_FUNCTION dense_f dense_exp(dense_f x)
{
  dense_f scale, q = dense_exp_parts(x, &scale);
  return DENSE_FMA(scale, q, scale);
}

DENSE_FUNCTION dense_f dense_expm1(dense_f x)
{
  dense_f scale, q = dense_exp_parts(x, &scale);
  return DENSE_FMA(scale, q, scale - 1.0f);
}

DENSE_FUNCTION dense_f dense_abs(dense_f x)
{
  return DENSE_FLOAT(DENSE_BITS(x) & 0x7fffffffU);
}

/* |x| with the sign of `sign`; x is not negative. */
DENSE_FUNCTION dense_f dense_signed(dense_f x, dense_f sign)
{
  return DENSE_FLOAT(DENSE_BITS(x) | (DENSE_BITS(sign) & 0x80000000U));
}

DENSE_FUNCTION dense_f dense_sigmoid(dense_f x)
{
  return 1.0f / (1.0f + dense_exp(-x));
}

DENSE_FUNCTION dense_f dense_tanh(dense_f x)
{
  dense_f z = x * x, size = dense_abs(x);
  dense_f p = DENSE_FMA(z, DENSE_ALL(-0.00566078909f), DENSE_ALL(0.0206020083f));
  p = DENSE_FMA(z, p, DENSE_ALL(-0.0537292287f));
  p = DENSE_FMA(z, p, DENSE_ALL(0.133313283f));
  p = DENSE_FMA(z, p, DENSE_ALL(-0.333332777f));
  dense_f small = DENSE_FMA(x * z, p, x);
  dense_f large = 1.0f - 2.0f / (dense_exp(size + size) + 1.0f);
  return DENSE_PICK(size < 0.625f, small, dense_signed(large, x));
}

DENSE_FUNCTION dense_f dense_erf(dense_f x)
{
  dense_f z = x * x, size = dense_abs(x);
  dense_f p = DENSE_FMA(z, DENSE_ALL(7.88912294e-05f), DENSE_ALL(-0.000802084222f));
  p = DENSE_FMA(z, p, DENSE_ALL(0.00518953567f));
  p = DENSE_FMA(z, p, DENSE_ALL(-0.0268544443f));
  p = DENSE_FMA(z, p, DENSE_ALL(0.112836003f));
  p = DENSE_FMA(z, p, DENSE_ALL(-0.37612626f));
  p = DENSE_FMA(z, p, DENSE_ALL(0.128379166f));
  dense_f small = DENSE_FMA(x, p, x);
  dense_f t = DENSE_PICK(size > 4.0f, DENSE_ALL(4.0f), size); /* where it is 1 */
  dense_f q = DENSE_FMA(t, DENSE_ALL(2.1686752e-05f), DENSE_ALL(-0.000441335142f));
  q = DENSE_FMA(t, q, DENSE_ALL(0.00420455541f));
  q = DENSE_FMA(t, q, DENSE_ALL(-0.0252082385f));
  q = DENSE_FMA(t, q, DENSE_ALL(0.108418547f));
  q = DENSE_FMA(t, q, DENSE_ALL(0.633219898f));
  q = DENSE_FMA(t, q, DENSE_ALL(1.12957835f));
  q = DENSE_FMA(t, q, DENSE_ALL(-0.000188036545f));
  return DENSE_PICK(size < 1.0f, small, dense_signed(1.0f - dense_exp(-q), x));
}

DENSE_FUNCTION dense_f dense_gelu(dense_f x)
{
  dense_f half = 0.5f * x;
  return DENSE_FMA(half, dense_erf(x * 0.707106781f), half);
}

DENSE_FUNCTION dense_f dense_gelu_tanh(dense_f x)
{
  dense_f half = 0.5f * x, inner = DENSE_FMA(x * x, DENSE_ALL(0.044715f), DENSE_ALL(1.0f));
  return DENSE_FMA(half, dense_tanh(x * inner * 0.797884561f), half);
}

/* ln((1 + s) / (1 - s)), |s| <= 1/3 */
DENSE_FUNCTION dense_f dense_log_ratio(dense_f s)
{
  dense_f z = s * s, twice = s + s;
  dense_f p = DENSE_FMA(z, DENSE_ALL(0.121541604f), DENSE_ALL(0.107129261f));
  p = DENSE_FMA(z, p, DENSE_ALL(0.143085182f));
  p = DENSE_FMA(z, p, DENSE_ALL(0.19999437f));
  p = DENSE_FMA(z, p, DENSE_ALL(0.333333373f));
  return DENSE_FMA(twice * z, p, twice);
}

/* ln(1 + e^x) */
DENSE_FUNCTION dense_f dense_softplus(dense_f x)
{
  dense_f e = dense_exp(-dense_abs(x));
  return DENSE_PICK(x > 0.0f, x, DENSE_ALL(0.0f)) + dense_log_ratio(e / (2.0f + e));
}

/* ln x, x at least 1 and finite: x = 2^n * m, m in [sqrt(1/2), sqrt(2)) */
DENSE_FUNCTION dense_f dense_log(dense_f x)
{
  dense_u n = (DENSE_BITS(x) - 0x3f3504f3U) >> 23;
  dense_f m = DENSE_FLOAT(DENSE_BITS(x) - (n << 23));
  dense_f exponent = DENSE_FLOAT(n + 0x4b000000U) - 8388608.0f; /* n as a float */
  return DENSE_FMA(exponent, DENSE_ALL(0.693147181f), dense_log_ratio((m - 1.0f) / (m + 1.0f)));
}

/* What is not a number stays so, that it can be noticed at the end. */
DENSE_FUNCTION dense_f dense_activate(int32_t kind, float number, dense_f x)
{
  switch (kind) {
  case DENSE_RELU:
    return DENSE_PICK(x < 0.0f, DENSE_ALL(0.0f), x);
  case DENSE_LEAKY_RELU:
    return DENSE_PICK(x < 0.0f, x * number, x);
  case DENSE_ELU:
    return DENSE_PICK(x < 0.0f, dense_expm1(x) * number, x);
  case DENSE_GELU:
    return dense_gelu(x);
  case DENSE_GELU_TANH:
    return dense_gelu_tanh(x);
  case DENSE_SILU:
    return x * dense_sigmoid(x);
  case DENSE_TANH:
    return dense_tanh(x);
  case DENSE_SIGMOID:
    return dense_sigmoid(x);
  case DENSE_SOFTPLUS:
    return dense_softplus(x);
  default:
    return x;
  }
}
