// uses: hgl_base
/* A cron line that is taken fires, later than the time it was asked for, at a full minute. */
#include "base/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_cron cron;
  struct hgl_err err;
  if (hgl_cron_parse(hgl_bytes(data, size), &cron, &err) != 0) return 0;
  int64_t at = 1700000000;
  for (int i = 0; i < 50; i++) {
    int64_t next = hgl_cron_next(&cron, NULL, at);
    if (next == INT64_MAX || next <= at || next % 60 != 0) __builtin_trap();
    at = next;
  }
  return 0;
}
