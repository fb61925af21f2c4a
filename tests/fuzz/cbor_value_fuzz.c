// uses: hgl_protocol
/* A value that passes the check survives the way through JSON unchanged. */
#include "base/mem.h"
#include "protocol/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_bytes value = hgl_bytes(data, size);
  if (hgl_value_check(value, &err) != 0) return 0;
  json_t *json = NULL;
  struct hgl_buf back;
  hgl_buf_init(&back, HGL_BODY_SIZE_MAX);
  if (hgl_value_to_json(value, &json, &err) != 0) __builtin_trap();
  if (hgl_value_from_json(json, &back, &err) != 0) __builtin_trap();
  if (!hgl_bytes_equal(hgl_buf_bytes(&back), value)) __builtin_trap();
  json_decref(json);
  hgl_buf_deinit(&back);
  return 0;
}
