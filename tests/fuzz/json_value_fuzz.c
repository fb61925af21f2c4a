// uses: hgl_protocol
/* JSON text that parses prints to text that parses to the same; what becomes a value comes back as
 * the same value. */
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
  json_t *json = NULL, *again = NULL, *shown = NULL;
  if (hgl_json_parse(hgl_bytes(data, size), SIZE_LIMIT, &json, &err) != 0) return 0;
  struct hgl_buf text, value, back;
  hgl_buf_init(&text, 32 * SIZE_LIMIT);
  hgl_buf_init(&value, 32 * SIZE_LIMIT);
  hgl_buf_init(&back, 32 * SIZE_LIMIT);
  require(hgl_json_print(json, &text, &err));
  require(hgl_json_parse(hgl_buf_bytes(&text), SIZE_MAX, &again, &err));
  if (!json_equal(json, again)) __builtin_trap();
  if (hgl_value_from_json(json, &value, &err) == 0) {
    require(hgl_value_check(hgl_buf_bytes(&value), &err));
    require(hgl_value_to_json(hgl_buf_bytes(&value), &shown, &err));
    require(hgl_value_from_json(shown, &back, &err));
    if (!hgl_bytes_equal(hgl_buf_bytes(&value), hgl_buf_bytes(&back))) __builtin_trap();
  }
  json_decref(json);
  json_decref(again);
  json_decref(shown);
  hgl_buf_deinit(&text);
  hgl_buf_deinit(&value);
  hgl_buf_deinit(&back);
  return 0;
}
