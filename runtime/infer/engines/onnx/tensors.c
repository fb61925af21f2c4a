/* Tensors of the host's from and to ONNX Runtime's. */
#include "onnx.h"

#include <stdlib.h>
#include <string.h>

int64_t onnx_values(const int64_t *shape, int32_t rank)
{
  /* Zero, times anything. */
  for (int32_t i = 0; i < rank; i++) {
    if (shape[i] == 0) return 0;
  }
  int64_t values = 1;
  for (int32_t i = 0; i < rank; i++) {
    if (shape[i] < 0 || values > (INT64_MAX >> 5) / shape[i]) return -1;
    values *= shape[i];
  }
  return values;
}

static int64_t values_per_row(const struct haggle_tensor *tensor)
{
  return onnx_values(tensor->shape + 1, tensor->rank - 1);
}

/* Requests --------------------------------------------------------------------------------------
 */

static bool shape_fits(const struct haggle_tensor *tensor, const struct haggle_tensor_info *info)
{
  if (tensor->rank != info->rank) return false;
  for (int32_t i = 0; i < info->rank; i++) {
    if (tensor->shape[i] < 0 || (info->shape[i] >= 0 && tensor->shape[i] != info->shape[i]))
      return false;
  }
  return true;
}

/* ONNX Runtime takes texts that end with a NUL. */
static bool texts_fit(const struct haggle_tensor *tensor, int64_t values)
{
  const struct haggle_text *texts = tensor->data;
  for (int64_t i = 0; i < values; i++) {
    if (texts[i].size && memchr(texts[i].data, 0, texts[i].size)) return false;
  }
  return true;
}

int32_t onnx_request_check(const struct onnx_model *model, const struct haggle_request *request,
                           struct haggle_error *error)
{
  if (request->input_count != model->input_count)
    return hgl_engine_fail(error, HAGGLE_INVALID, "%zu inputs, but the model has %zu",
                           request->input_count, model->input_count);
  for (size_t i = 0; i < model->input_count; i++) {
    const struct haggle_tensor *tensor = &request->inputs[i];
    const struct haggle_tensor_info *info = &model->inputs[i];
    if (tensor->type != info->type || !shape_fits(tensor, info))
      return hgl_engine_fail(error, HAGGLE_INVALID,
                             "'%s' has another type or shape than the model's", info->name);
    int64_t values = onnx_values(tensor->shape, tensor->rank);
    if (values < 0 || tensor->data_size != (size_t)values * onnx_type_bytes(tensor->type))
      return hgl_engine_fail(error, HAGGLE_INVALID, "'%s' has another size than its shape",
                             info->name);
    if (model->batched && (tensor->shape[0] < 1 || tensor->shape[0] != request->inputs[0].shape[0]))
      return hgl_engine_fail(error, HAGGLE_INVALID,
                             "'%s' has %lld rows: expected at least 1, and as many as '%s'",
                             info->name, (long long)tensor->shape[0], model->inputs[0].name);
    if (tensor->type == HAGGLE_TEXT && !texts_fit(tensor, values))
      return hgl_engine_fail(error, HAGGLE_INVALID, "'%s' holds a text with a NUL in it",
                             info->name);
  }
  return HAGGLE_OK;
}

/* In --------------------------------------------------------------------------------------------
 */

static OrtStatus *texts_copy(const OrtApi *api, OrtValue *value, const struct haggle_tensor *tensor,
                             size_t *at)
{
  const struct haggle_text *texts = tensor->data;
  int64_t values = onnx_values(tensor->shape, tensor->rank);
  for (int64_t i = 0; i < values; i++) {
    char *text = strndup(texts[i].size ? texts[i].data : "", texts[i].size);
    if (!text) return api->CreateStatus(ORT_FAIL, "Failed to allocate memory");
    OrtStatus *status = api->FillStringTensorElement(value, text, (*at)++);
    free(text);
    if (status) return status;
  }
  return NULL;
}

static OrtStatus *texts_make(const OrtApi *api, const struct haggle_request *const *requests,
                             size_t count, size_t index, const int64_t *shape, OrtValue **out)
{
  OrtAllocator *allocator;
  size_t at = 0;
  OrtStatus *status = api->GetAllocatorWithDefaultOptions(&allocator);
  if (!status)
    status = api->CreateTensorAsOrtValue(allocator, shape, (size_t)requests[0]->inputs[index].rank,
                                         ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, out);
  for (size_t i = 0; !status && i < count; i++)
    status = texts_copy(api, *out, &requests[i]->inputs[index], &at);
  return status;
}

/* One request's tensor is lent; those of several are copied. */
static void *bytes_join(const struct haggle_request *const *requests, size_t count, size_t index,
                        size_t size)
{
  char *joined = malloc(size ? size : 1), *at = joined;
  for (size_t i = 0; joined && i < count; i++) {
    const struct haggle_tensor *tensor = &requests[i]->inputs[index];
    if (tensor->data_size) memcpy(at, tensor->data, tensor->data_size);
    at += tensor->data_size;
  }
  return joined;
}

int32_t onnx_input_make(const struct onnx_model *model,
                        const struct haggle_request *const *requests, size_t count, size_t index,
                        OrtValue **out, void **buffer, struct haggle_error *error)
{
  static char nothing[16]; /* of a tensor without values */
  const OrtApi *api = model->runtime->api;
  const struct haggle_tensor *first = &requests[0]->inputs[index];
  int64_t shape[HAGGLE_RANK_MAX];
  size_t size = 0;
  memcpy(shape, first->shape, sizeof shape);
  if (count > 1) shape[0] = 0;
  for (size_t i = 0; i < count; i++) {
    size += requests[i]->inputs[index].data_size;
    if (count > 1) shape[0] += requests[i]->inputs[index].shape[0];
  }
  OrtStatus *status;
  if (first->type == HAGGLE_TEXT) {
    status = texts_make(api, requests, count, index, shape, out);
  } else {
    void *data = (void *)first->data;
    if (count > 1 && !(data = *buffer = bytes_join(requests, count, index, size)))
      return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory");
    status = api->CreateTensorWithDataAsOrtValue(model->cpu_memory, size ? data : nothing, size,
                                                 shape, (size_t)first->rank,
                                                 onnx_type_to(first->type), out);
  }
  return status ? onnx_fail(api, status, error, model->inputs[index].name) : HAGGLE_OK;
}

/* Out -------------------------------------------------------------------------------------------
 */

/* Characters of all texts in one piece, and where each begins. */
static int32_t texts_read(const OrtApi *api, OrtValue *value, size_t count, struct onnx_output *out,
                          struct haggle_error *error)
{
  size_t length = 0, *offsets = calloc(count + 1, sizeof *offsets);
  OrtStatus *status = api->GetStringTensorDataLength(value, &length);
  if (!status) {
    out->texts = calloc(count + 1, sizeof *out->texts);
    out->characters = malloc(length + 1);
  }
  if (!status && offsets && out->texts && out->characters && count > 0)
    status = api->GetStringTensorContent(value, out->characters, length, offsets, count);
  int32_t result = HAGGLE_OK;
  if (status) {
    result = onnx_fail(api, status, error, out->tensor.name);
  } else if (!offsets || !out->texts || !out->characters) {
    result = hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory");
  } else {
    for (size_t i = 0; i < count; i++) {
      size_t end = i + 1 < count ? offsets[i + 1] : length;
      out->texts[i] = (struct haggle_text){out->characters + offsets[i], end - offsets[i]};
    }
    out->tensor.data = out->texts;
  }
  free(offsets);
  return result;
}

static OrtStatus *shape_of(const OrtApi *api, OrtValue *value, struct haggle_tensor *out,
                           size_t *rank)
{
  OrtTensorTypeAndShapeInfo *info = NULL;
  ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  OrtStatus *status = api->GetTensorTypeAndShape(value, &info);
  if (!status) status = api->GetTensorElementType(info, &type);
  if (!status) status = api->GetDimensionsCount(info, rank);
  if (!status && *rank <= HAGGLE_RANK_MAX) status = api->GetDimensions(info, out->shape, *rank);
  if (info) api->ReleaseTensorTypeAndShapeInfo(info);
  out->type = onnx_type_from(type);
  out->rank = (int32_t)*rank;
  return status;
}

int32_t onnx_output_read(const struct onnx_model *model, size_t index, OrtValue *value,
                         struct onnx_output *out, struct haggle_error *error)
{
  const OrtApi *api = model->runtime->api;
  const char *name = model->outputs[index].name;
  size_t rank = 0;
  *out = (struct onnx_output){.tensor = {.size = sizeof out->tensor, .name = name}};
  OrtStatus *status = shape_of(api, value, &out->tensor, &rank);
  if (status) return onnx_fail(api, status, error, name);
  int64_t values = rank <= HAGGLE_RANK_MAX ? onnx_values(out->tensor.shape, out->tensor.rank) : -1;
  if (!out->tensor.type || values < 0)
    return hgl_engine_fail(error, HAGGLE_UNSUPPORTED, "'%s' came with %zu axes or an unknown type",
                           name, rank);
  out->value_bytes = onnx_type_bytes(out->tensor.type);
  out->tensor.data_size = (size_t)values * out->value_bytes;
  if (out->tensor.type == HAGGLE_TEXT) return texts_read(api, value, (size_t)values, out, error);
  void *data = NULL;
  status = api->GetTensorMutableData(value, &data);
  out->tensor.data = data;
  return status ? onnx_fail(api, status, error, name) : HAGGLE_OK;
}

void onnx_output_free(struct onnx_output *output)
{
  free(output->texts);
  free(output->characters);
}

void onnx_output_slice(const struct onnx_output *output, int64_t first, int64_t rows,
                       struct haggle_tensor *out)
{
  *out = output->tensor;
  size_t row = (size_t)values_per_row(out) * output->value_bytes;
  if (out->data) out->data = (const char *)out->data + (size_t)first * row;
  out->data_size = (size_t)rows * row;
  out->shape[0] = rows;
}
