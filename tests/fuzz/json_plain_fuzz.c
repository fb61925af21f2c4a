// uses: hgl_protocol
/* Foreign JSON that is read is written as text that reads as the same value. */
#include "protocol/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int status)
{
  if (status != 0) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  enum { SIZE_LIMIT = 1 << 16 };
  struct hgl_err err;
  struct hgl_buf value, text, again;
  hgl_buf_init(&value, 32 * SIZE_LIMIT);
  hgl_buf_init(&text, 32 * SIZE_LIMIT);
  hgl_buf_init(&again, 32 * SIZE_LIMIT);
  if (hgl_json_plain_read(hgl_bytes(data, size), SIZE_LIMIT, HGL_VALUE_ITEMS_MAX, &value, &err) ==
      0) {
    require(hgl_json_plain_write(hgl_buf_bytes(&value), 0, &text, &err));
    require(hgl_json_plain_read(hgl_buf_bytes(&text), SIZE_MAX, HGL_VALUE_ITEMS_MAX, &again, &err));
    if (!hgl_bytes_equal(hgl_buf_bytes(&value), hgl_buf_bytes(&again))) __builtin_trap();
  }
  hgl_buf_deinit(&value);
  hgl_buf_deinit(&text);
  hgl_buf_deinit(&again);
  return 0;
}
