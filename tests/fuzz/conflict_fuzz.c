// uses: hgl_protocol
#include "protocol/conflict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is marked, and says of whom and what. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_conflict conflict;
  struct hgl_bytes bytes = hgl_bytes(data, size);
  if (hgl_conflict_verify(bytes, &conflict, &err)) return 0;
  if (!hgl_conflict_marked(bytes)) __builtin_trap();
  if (conflict.kind == HGL_CONFLICT_FORK && conflict.a.sequence != conflict.b.sequence)
    __builtin_trap();
  return 0;
}
