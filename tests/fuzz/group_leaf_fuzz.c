// uses: hgl_protocol
#include "protocol/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same bytes: there is one encoding only. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_group_leaf leaf;
  struct hgl_buf again;
  if (hgl_group_leaf_decode(hgl_bytes(data, size), &leaf, &err)) return 0;
  hgl_buf_init(&again, HGL_GROUP_LEAF_SIZE_MAX);
  if (hgl_group_leaf_encode(&leaf, &again, &err) == 0 &&
      !hgl_bytes_equal(hgl_buf_bytes(&again), hgl_bytes(data, size)))
    __builtin_trap();
  hgl_buf_deinit(&again);
  return 0;
}
