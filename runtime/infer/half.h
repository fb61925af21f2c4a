/* Numbers of 16 bits: IEEE 754 binary16, and bfloat16, the upper half of a float. Rounded to the
 * nearest, ties to even; what is too large becomes infinite. */
#ifndef HGL_INFER_HALF_H
#define HGL_INFER_HALF_H

#include <stdint.h>

uint16_t hgl_half_from(double number);
double hgl_half_to(uint16_t half);
uint16_t hgl_bfloat_from(double number);
double hgl_bfloat_to(uint16_t half);

#endif
