/* Bytes from hexadecimal text, for vectors. */
#ifndef HGL_TESTS_HEX_H
#define HGL_TESTS_HEX_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Reads up to `size` bytes; returns how many, or SIZE_MAX when the text is not hexadecimal. */
static inline size_t from_hex(const char *hex, uint8_t *out, size_t size)
{
  size_t count = strlen(hex) / 2;
  if (strlen(hex) % 2 || strspn(hex, "0123456789abcdef") != strlen(hex) || count > size)
    return SIZE_MAX;
  for (size_t i = 0; i < count; i++) {
    unsigned byte = 0;
    sscanf(hex + 2 * i, "%2x", &byte);
    out[i] = (uint8_t)byte;
  }
  return count;
}

#endif
