// uses: hgl_protocol
/* An envelope without unknown keys has one encoding: decoding and encoding gives the same bytes.
 * With unknown keys, what is encoded again decodes to the same. */
#include "protocol/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int has_unknown_keys(struct hgl_bytes bytes)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  struct hgl_bytes value;
  size_t count;
  uint64_t key;
  if (hgl_cbor_get_map(&in, "", SIZE_MAX, &count, NULL) != 0) __builtin_trap();
  for (size_t i = 0; i < count; i++) {
    if (hgl_cbor_get_uint(&in, "", INT64_MAX, &key, NULL) != 0) __builtin_trap();
    if (hgl_cbor_get_value(&in, "", &value, NULL) != 0) __builtin_trap();
    if (key < 1 || key > 11) return 1;
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_bytes bytes = hgl_bytes(data, size);
  struct hgl_envelope envelope, again;
  if (hgl_envelope_decode(bytes, &envelope, &err) != 0) return 0;
  struct hgl_buf out;
  hgl_buf_init(&out, HGL_ENVELOPE_SIZE_MAX);
  if (hgl_envelope_encode(&envelope, &out, &err) != 0) __builtin_trap();
  if (hgl_envelope_decode(hgl_buf_bytes(&out), &again, &err) != 0) __builtin_trap();
  int same = hgl_bytes_equal(hgl_buf_bytes(&out), bytes);
  if (same == has_unknown_keys(bytes)) __builtin_trap();
  json_t *json = NULL;
  if (hgl_envelope_to_json(&envelope, &json, &err) != 0) __builtin_trap();
  json_decref(json);
  hgl_buf_deinit(&out);
  return 0;
}
