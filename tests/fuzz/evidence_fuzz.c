// uses: hgl_protocol
#include "protocol/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same bytes: there is one encoding only. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_evidence evidence;
  struct hgl_proof proof;
  struct hgl_bytes bytes = hgl_bytes(data, size);
  if (hgl_evidence_decode(bytes, &evidence, &err)) return 0;
  struct hgl_buf again;
  hgl_buf_init(&again, HGL_EVIDENCE_SIZE_MAX);
  if (hgl_evidence_encode(&evidence, &again, &err) == 0 &&
      !hgl_bytes_equal(hgl_buf_bytes(&again), bytes))
    __builtin_trap();
  hgl_buf_deinit(&again);
  if (hgl_evidence_verify(bytes, NULL, &proof, &err) == 0 && proof.number == 0) __builtin_trap();
  return 0;
}
