// uses: hgl_protocol
/* What decodes encodes to the same text. */
#include "protocol/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  for (int kind = HGL_BASE64; kind <= HGL_BASE64URL; kind++) {
    struct hgl_err err;
    struct hgl_buf bytes, text;
    hgl_buf_init(&bytes, 1 << 20);
    hgl_buf_init(&text, 1 << 21);
    if (hgl_base64_decode((enum hgl_base64)kind, hgl_bytes(data, size), &bytes, &err) == 0) {
      hgl_base64_encode((enum hgl_base64)kind, hgl_buf_bytes(&bytes), &text);
      if (!hgl_bytes_equal(hgl_buf_bytes(&text), hgl_bytes(data, size))) __builtin_trap();
    }
    hgl_buf_deinit(&bytes);
    hgl_buf_deinit(&text);
  }
  return 0;
}
