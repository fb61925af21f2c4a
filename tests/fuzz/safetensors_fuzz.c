// uses: hgl_infer
/* Tensors of a file that decodes lie within it, one behind the other, and are found by their names.
 */
#include <stdlib.h>

#include "infer/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct hgl_safetensor *tensor)
{
  size_t count = 1;
  for (unsigned i = 0; i < tensor->rank; i++) count *= tensor->shape[i];
  if (count != tensor->count) __builtin_trap();
  if (!hgl_safetensor_is_real(tensor)) return;
  float *floats = malloc(count * sizeof *floats + 1);
  if (!floats) abort();
  hgl_safetensor_floats(tensor, floats);
  free(floats);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_safetensors *file;
  struct hgl_err err;
  if (hgl_safetensors_decode(hgl_bytes(data, size), &file, &err) != 0) return 0;
  const uint8_t *end = NULL;
  for (size_t i = 0; i < hgl_safetensors_count(file); i++) {
    const struct hgl_safetensor *tensor = hgl_safetensors_at(file, i);
    if (end && tensor->data.data != end) __builtin_trap();
    end = tensor->data.data + tensor->data.size;
    if (hgl_safetensors_find(file, tensor->name) != tensor) __builtin_trap();
    look_at(tensor);
  }
  if (end && end != data + size) __builtin_trap();
  (void)hgl_safetensors_metadata(file, "haggle.dense");
  hgl_safetensors_destroy(file);
  return 0;
}
