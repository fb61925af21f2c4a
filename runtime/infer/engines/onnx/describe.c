/* What goes into a model and comes out of it. */
#include "onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  int32_t ours;
  ONNXTensorElementDataType theirs;
  size_t bytes;
} types[] = {
    {HAGGLE_F32, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, 4},
    {HAGGLE_F64, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, 8},
    {HAGGLE_F16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, 2},
    {HAGGLE_BF16, ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, 2},
    {HAGGLE_I8, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, 1},
    {HAGGLE_I16, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, 2},
    {HAGGLE_I32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, 4},
    {HAGGLE_I64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, 8},
    {HAGGLE_U8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, 1},
    {HAGGLE_U16, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, 2},
    {HAGGLE_U32, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, 4},
    {HAGGLE_U64, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, 8},
    {HAGGLE_BOOL, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, 1},
    {HAGGLE_TEXT, ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, sizeof(struct haggle_text)},
};
enum { TYPES = sizeof types / sizeof *types };

int32_t onnx_type_from(ONNXTensorElementDataType type)
{
  for (size_t i = 0; i < TYPES; i++) {
    if (types[i].theirs == type) return types[i].ours;
  }
  return 0;
}

ONNXTensorElementDataType onnx_type_to(int32_t type)
{
  for (size_t i = 0; i < TYPES; i++) {
    if (types[i].ours == type) return types[i].theirs;
  }
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

size_t onnx_type_bytes(int32_t type)
{
  for (size_t i = 0; i < TYPES; i++) {
    if (types[i].ours == type) return types[i].bytes;
  }
  return 0;
}

/* Joining requests ------------------------------------------------------------------------------
 */

/* Requests are joined when axis 0 of every tensor may have any length. The names of axes say more:
 * one that stands there in one input and elsewhere in a tensor means that rows depend on each
 * other, like positions in a text. Names of outputs are not compared, many exporters make them up;
 * an output whose rows turn out to be others than went in is noticed when it comes. */
struct axes {
  char batch[128];
  bool possible;
};

static void input_note(struct axes *axes, const char *name)
{
  if (!axes->batch[0]) snprintf(axes->batch, sizeof axes->batch, "%s", name);
  if (name[0] && strcmp(name, axes->batch) != 0) axes->possible = false;
}

static void axes_note(struct axes *axes, const struct haggle_tensor_info *info,
                      const char *const *names, bool is_input)
{
  if (info->rank < 1 || info->shape[0] != -1) {
    axes->possible = false;
    return;
  }
  if (is_input) input_note(axes, names[0]);
  for (int32_t i = 1; i < info->rank; i++) {
    if (names[i][0] && strcmp(names[i], axes->batch) == 0) axes->possible = false;
  }
}

/* Tensors ---------------------------------------------------------------------------------------
 */

static int32_t shape_read(const OrtApi *api, const OrtTensorTypeAndShapeInfo *shape,
                          struct haggle_tensor_info *out, struct axes *axes, bool is_input,
                          struct haggle_error *error)
{
  const char *names[HAGGLE_RANK_MAX];
  ONNXTensorElementDataType type;
  size_t rank;
  OrtStatus *status = api->GetTensorElementType(shape, &type);
  if (!status) status = api->GetDimensionsCount(shape, &rank);
  if (status) return onnx_fail(api, status, error, "the model cannot be described");
  out->type = onnx_type_from(type);
  if (!out->type)
    return hgl_engine_fail(error, HAGGLE_UNSUPPORTED,
                           "'%s' has a type of values that is not supported (number %d of ONNX)",
                           out->name, type);
  if (rank > HAGGLE_RANK_MAX)
    return hgl_engine_fail(error, HAGGLE_UNSUPPORTED, "'%s' has %zu axes; %d are the most",
                           out->name, rank, HAGGLE_RANK_MAX);
  status = api->GetDimensions(shape, out->shape, rank);
  if (!status) status = api->GetSymbolicDimensions(shape, names, rank);
  if (status) return onnx_fail(api, status, error, "the model cannot be described");
  out->rank = (int32_t)rank;
  for (size_t i = 0; i < rank; i++) {
    if (out->shape[i] < 0) out->shape[i] = -1;
  }
  axes_note(axes, out, names, is_input);
  return HAGGLE_OK;
}

static int32_t info_read(const OrtApi *api, const OrtTypeInfo *type, struct haggle_tensor_info *out,
                         struct axes *axes, bool is_input, struct haggle_error *error)
{
  const OrtTensorTypeAndShapeInfo *shape = NULL;
  enum ONNXType kind;
  OrtStatus *status = api->GetOnnxTypeFromTypeInfo(type, &kind);
  if (!status && kind == ONNX_TYPE_TENSOR) status = api->CastTypeInfoToTensorInfo(type, &shape);
  if (status) return onnx_fail(api, status, error, "the model cannot be described");
  if (!shape)
    return hgl_engine_fail(error, HAGGLE_UNSUPPORTED,
                           "'%s' is not a tensor (a sequence, a map or an optional value)",
                           out->name);
  return shape_read(api, shape, out, axes, is_input, error);
}

typedef OrtStatus *(ORT_API_CALL *name_function)(const OrtSession *, size_t, OrtAllocator *,
                                                 char **);
typedef OrtStatus *(ORT_API_CALL *type_function)(const OrtSession *, size_t, OrtTypeInfo **);

static int32_t name_read(const struct onnx_model *model, name_function get, size_t index,
                         const char **out, struct haggle_error *error)
{
  const OrtApi *api = model->runtime->api;
  OrtAllocator *allocator;
  char *name = NULL;
  OrtStatus *status = api->GetAllocatorWithDefaultOptions(&allocator);
  if (!status) status = get(model->session, index, allocator, &name);
  if (status) return onnx_fail(api, status, error, "the model cannot be described");
  *out = strdup(name);
  status = api->AllocatorFree(allocator, name);
  if (status) api->ReleaseStatus(status);
  return *out ? HAGGLE_OK : hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory");
}

/* One side of the model. */
static int32_t side_read(const struct onnx_model *model, name_function get_name,
                         type_function get_type, struct haggle_tensor_info *infos,
                         const char **names, size_t count, struct axes *axes,
                         struct haggle_error *error)
{
  const OrtApi *api = model->runtime->api;
  for (size_t i = 0; i < count; i++) {
    int32_t result = name_read(model, get_name, i, &names[i], error);
    if (result != HAGGLE_OK) return result;
    infos[i].size = sizeof infos[i];
    infos[i].name = names[i];
    OrtTypeInfo *type = NULL;
    OrtStatus *status = get_type(model->session, i, &type);
    if (status) return onnx_fail(api, status, error, "the model cannot be described");
    result = info_read(api, type, &infos[i], axes, infos == model->inputs, error);
    api->ReleaseTypeInfo(type);
    if (result != HAGGLE_OK) return result;
  }
  return HAGGLE_OK;
}

static int32_t counts_read(struct onnx_model *model, struct haggle_error *error)
{
  const OrtApi *api = model->runtime->api;
  size_t inputs = 0, outputs = 0;
  OrtStatus *status = api->SessionGetInputCount(model->session, &inputs);
  if (!status) status = api->SessionGetOutputCount(model->session, &outputs);
  if (status) return onnx_fail(api, status, error, "the model cannot be described");
  if (inputs > ONNX_TENSORS_MAX || outputs > ONNX_TENSORS_MAX)
    return hgl_engine_fail(error, HAGGLE_UNSUPPORTED,
                           "the model has %zu inputs and %zu outputs; %d of each are the most",
                           inputs, outputs, ONNX_TENSORS_MAX);
  model->inputs = calloc(inputs + 1, sizeof *model->inputs);
  model->outputs = calloc(outputs + 1, sizeof *model->outputs);
  model->input_names = calloc(inputs + 1, sizeof *model->input_names);
  model->output_names = calloc(outputs + 1, sizeof *model->output_names);
  if (!model->inputs || !model->outputs || !model->input_names || !model->output_names)
    return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory");
  model->input_count = inputs;
  model->output_count = outputs;
  return HAGGLE_OK;
}

int32_t onnx_describe(struct onnx_model *model, bool join, struct haggle_error *error)
{
  const OrtApi *api = model->runtime->api;
  struct axes axes = {.possible = true};
  int32_t status = counts_read(model, error);
  if (status == HAGGLE_OK)
    status = side_read(model, api->SessionGetInputName, api->SessionGetInputTypeInfo, model->inputs,
                       model->input_names, model->input_count, &axes, error);
  if (status == HAGGLE_OK)
    status = side_read(model, api->SessionGetOutputName, api->SessionGetOutputTypeInfo,
                       model->outputs, model->output_names, model->output_count, &axes, error);
  model->batched = join && axes.possible && model->input_count > 0 && model->output_count > 0;
  model->joins = model->batched;
  return status;
}

static void names_free(const char **names, size_t count)
{
  for (size_t i = 0; names && i < count; i++) free((char *)names[i]);
  free((void *)names);
}

void onnx_describe_free(struct onnx_model *model)
{
  names_free(model->input_names, model->input_count);
  names_free(model->output_names, model->output_count);
  free(model->inputs);
  free(model->outputs);
}
