#include "infer/half.h"

#include <math.h>
#include <string.h>

uint16_t hgl_half_from(double number)
{
  uint16_t sign = signbit(number) ? 0x8000 : 0;
  int exponent;
  if (isnan(number)) return 0x7e00;
  number = fabs(number);
  if (number == 0) return sign;
  if (number >= 65520) return sign | 0x7c00; /* it would round beyond the greatest, 65504 */
  frexp(number, &exponent);                  /* number = m · 2^exponent, ½ ≤ m < 1 */
  if (exponent < -13) exponent = -13;        /* subnormal: as many bits as 2^-24 leaves */
  /* In units of the last place; nearbyint rounds ties to even. A carry moves into the exponent. */
  uint16_t units = (uint16_t)nearbyint(ldexp(number, 11 - exponent));
  return (uint16_t)(sign | (units + ((exponent + 13) << 10)));
}

double hgl_half_to(uint16_t half)
{
  int exponent = half >> 10 & 31, fraction = half & 1023;
  double number = exponent == 31  ? (fraction ? NAN : INFINITY)
                  : exponent == 0 ? ldexp(fraction, -24)
                                  : ldexp(fraction + 1024, exponent - 25);
  return half & 0x8000 ? -number : number;
}

uint16_t hgl_bfloat_from(double number)
{
  float single = (float)number;
  uint32_t bits;
  memcpy(&bits, &single, sizeof bits);
  if (isnan(single)) return 0x7fc0;
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

double hgl_bfloat_to(uint16_t half)
{
  uint32_t bits = (uint32_t)half << 16;
  float single;
  memcpy(&single, &bits, sizeof single);
  return single;
}
