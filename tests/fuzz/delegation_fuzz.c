// uses: hgl_protocol
#include "protocol/delegation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_delegation delegation;
  if (hgl_delegation_verify(hgl_bytes(data, size), &delegation, &err) == 0 &&
      hgl_delegation_check(&delegation, &delegation.host, delegation.expires_s * 1000 - 1, &err))
    __builtin_trap(); /* what verifies has a life, and that moment lies in it */
  return 0;
}
