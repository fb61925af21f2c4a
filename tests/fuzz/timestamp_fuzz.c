// uses: hgl_base
/* A time that is read is written as one that reads the same. */
#include "base/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_timestamp at, again;
  struct hgl_period period;
  struct hgl_err err;
  char text[HGL_TIMESTAMP_SIZE];
  if (hgl_period_parse(hgl_bytes(data, size), &period, &err) == 0 &&
      (period.months < 0 || period.days < 0 || period.ms < 0))
    __builtin_trap();
  if (hgl_timestamp_parse(hgl_bytes(data, size), &at, &err) != 0) return 0;
  hgl_timestamp_format(&at, text);
  if (hgl_timestamp_parse(hgl_text(text), &again, &err) != 0) __builtin_trap();
  if (again.local_ms != at.local_ms || again.offset_s != at.offset_s) __builtin_trap();
  return 0;
}
