// uses: hgl_protocol
/* Text that parses is the only text of its key; and every 32 bytes have a text that is refused for
 * the key alone. */
#include "protocol/did.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_key key, back;
  char text[HGL_DID_TEXT_SIZE];
  if (hgl_did_parse(hgl_bytes(data, size), &key, &err) == 0) {
    hgl_did_format(&key, text);
    if (!hgl_bytes_is(hgl_bytes(data, size), text)) __builtin_trap();
  }
  if (size < HGL_KEY_SIZE) return 0;
  memcpy(key.bytes, data, HGL_KEY_SIZE);
  hgl_did_format(&key, text);
  int status = hgl_did_parse(hgl_text(text), &back, &err);
  if (status == 0 && !hgl_key_equal(&key, &back)) __builtin_trap();
  if (status != 0 && status != -HGL_BAD_KEY) __builtin_trap();
  return 0;
}
