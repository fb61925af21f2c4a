// uses: hgl_protocol
#include "protocol/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_header header;
  struct hgl_hash hash;
  struct hgl_bytes bytes = hgl_bytes(data, size);
  if (hgl_header_decode(bytes, &header, &err) == 0 && hgl_header_verify(bytes, &header, &err) == 0)
    hgl_header_hash(bytes, &hash);
  return 0;
}
