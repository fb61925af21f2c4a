#include <math.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "infer/dense_read.h"

/* Registers ----------------------------------------------------------------------------------- */

static int free_register(struct hgl_dense_reader *reader, size_t width)
{
  for (int i = 0; i < HGL_DENSE_REGISTERS_MAX; i++) {
    if (reader->registers[i].readers) continue;
    reader->registers[i].readers = 1;
    if (width > reader->registers[i].width) reader->registers[i].width = width;
    return i;
  }
  __builtin_unreachable(); /* nesting is bounded */
}

int hgl_dense_target(struct hgl_dense_reader *reader, const struct hgl_dense_value *value)
{
  if (reader->registers[value->place].readers == 1) return value->place;
  return free_register(reader, value->width);
}

void hgl_dense_release(struct hgl_dense_reader *reader, const struct hgl_dense_value *value)
{
  reader->registers[value->place].readers--;
}

/* The value becomes what the step makes of it. */
static int add_step(struct hgl_dense_reader *reader, struct dense_step *step,
                    struct hgl_dense_value *value, int target, size_t width)
{
  step->source = value->place;
  step->target = target;
  step->width_in = (int32_t)value->width;
  step->width_out = (int32_t)width;
  if (target != value->place) hgl_dense_release(reader, value);
  value->place = target;
  value->width = width;
  return hgl_dense_add_step(reader, step);
}

int hgl_dense_apply(struct hgl_dense_reader *reader, enum dense_kind kind, float number,
                    struct hgl_dense_value *value)
{
  struct dense_step step = {.kind = (int32_t)kind, .number = number};
  return add_step(reader, &step, value, hgl_dense_target(reader, value), value->width);
}

/* Kinds --------------------------------------------------------------------------------------- */

struct layer_type {
  const char *name;
  int (*add)(struct hgl_dense_reader *reader, const struct layer_type *type, const json_t *layer,
             unsigned nested, struct hgl_dense_value *value);
  enum dense_kind kind;
  const char *number; /* a member that holds one, */
  double otherwise;   /* and what it is when left out */
  const char *members[8];
};

static int read_number(const struct layer_type *type, const json_t *layer, float *out,
                       struct hgl_err *err)
{
  const json_t *number = type->number ? json_object_get(layer, type->number) : NULL;
  if (number && !json_is_number(number))
    return hgl_fail(err, HGL_INVALID, "%s is no number", type->number);
  double value = number ? json_number_value(number) : type->otherwise;
  bool is_eps = type->number && strcmp(type->number, "eps") == 0;
  if (!(fabs(value) <= 1e30) || (is_eps && !(value > 0)))
    return hgl_fail(err, HGL_INVALID, "%s cannot be %g", type->number, value);
  *out = (float)value;
  return 0;
}

static int add_activation(struct hgl_dense_reader *reader, const struct layer_type *type,
                          const json_t *layer, unsigned nested, struct hgl_dense_value *value)
{
  float number;
  int status = read_number(type, layer, &number, reader->err);
  return status ? status : hgl_dense_apply(reader, type->kind, number, value);
}

static int add_identity(struct hgl_dense_reader *reader, const struct layer_type *type,
                        const json_t *layer, unsigned nested, struct hgl_dense_value *value)
{
  return 0;
}

static int find_weight(struct hgl_dense_reader *reader, const json_t *layer, size_t width,
                       const struct hgl_safetensor **out)
{
  const char *name;
  int status = hgl_dense_text(layer, "weight", &name, reader->err);
  if (status) return status;
  if (!*name) return hgl_fail(reader->err, HGL_INVALID, "weight is missing: it names a tensor");
  const struct hgl_safetensor *weight = hgl_safetensors_find(reader->file, name);
  if (!weight) return hgl_fail(reader->err, HGL_INVALID, "the file has no tensor '%.100s'", name);
  if (weight->rank != 2 || !weight->shape[0] || !weight->shape[1])
    return hgl_fail(reader->err, HGL_INVALID, "tensor '%.100s' is no matrix [outputs, inputs]",
                    name);
  if (weight->shape[1] != width)
    return hgl_fail(reader->err, HGL_INVALID,
                    "tensor '%.100s' is [%zu, %zu], but %zu numbers come in%s", name,
                    weight->shape[0], weight->shape[1], width,
                    weight->shape[0] == width ? ": is it transposed?" : "");
  if (weight->shape[0] > HGL_DENSE_WIDTH_MAX)
    return hgl_fail(reader->err, HGL_TOO_LARGE, "%zu outputs, at most %d are possible",
                    weight->shape[0], HGL_DENSE_WIDTH_MAX);
  if (!hgl_safetensor_is_real(weight))
    return hgl_fail(reader->err, HGL_INVALID,
                    "tensor '%.100s' is %s; F32, F64, F16 and BF16 can be read", name,
                    weight->type);
  *out = weight;
  return 0;
}

/* [output][input] becomes [panel][input][16]. */
static int pack(struct hgl_dense_reader *reader, const struct hgl_safetensor *weight,
                uint32_t *offset)
{
  size_t outputs = weight->shape[0], inputs = weight->shape[1];
  struct hgl_safetensor row = *weight;
  void *at;
  float *floats = hgl_dense_floats(inputs, &at);
  float *packed = hgl_dense_room(reader, (size_t)dense_padded((int32_t)outputs) * inputs, offset);
  int status = packed && floats ? 0 : hgl_fail(reader->err, HGL_NO_MEMORY, "out of memory");
  row.count = inputs;
  row.data.size = weight->data.size / outputs;
  for (size_t o = 0; o < outputs && !status; o++, row.data.data += row.data.size) {
    float *panel = packed + o / DENSE_LANES * DENSE_LANES * inputs + o % DENSE_LANES;
    hgl_safetensor_floats(&row, floats);
    for (size_t i = 0; i < inputs && !status; i++) {
      panel[i * DENSE_LANES] = floats[i];
      if (!isfinite(floats[i]))
        status = hgl_fail(reader->err, HGL_INVALID, "tensor '%.100s' at [%zu, %zu] is %g",
                          weight->name, o, i, (double)floats[i]);
    }
  }
  reader->used[weight - hgl_safetensors_at(reader->file, 0)] = true;
  hgl_free(at);
  return status;
}

static int add_vector(struct hgl_dense_reader *reader, const json_t *layer, const char *member,
                      size_t width, float otherwise, uint32_t *offset)
{
  float *room = hgl_dense_room(reader, (size_t)dense_padded((int32_t)width), offset);
  if (!room) return hgl_err_status(HGL_NO_MEMORY);
  return hgl_dense_vector(reader, layer, member, width, otherwise, room);
}

static int add_linear(struct hgl_dense_reader *reader, const struct layer_type *type,
                      const json_t *layer, unsigned nested, struct hgl_dense_value *value)
{
  struct dense_step step = {.kind = DENSE_LINEAR};
  const struct hgl_safetensor *weight;
  int status = find_weight(reader, layer, value->width, &weight);
  if (status) return status;
  size_t outputs = weight->shape[0];
  if ((status = pack(reader, weight, &step.first)) ||
      (status = add_vector(reader, layer, "bias", outputs, 0, &step.second)))
    return status;
  reader->net->multiplies += outputs * value->width;
  return add_step(reader, &step, value, free_register(reader, outputs), outputs);
}

static int add_norm(struct hgl_dense_reader *reader, const struct layer_type *type,
                    const json_t *layer, unsigned nested, struct hgl_dense_value *value)
{
  struct dense_step step = {.kind = (int32_t)type->kind};
  int status = read_number(type, layer, &step.number, reader->err);
  if (!status) status = add_vector(reader, layer, "weight", value->width, 1, &step.first);
  if (!status && type->kind == DENSE_LAYER_NORM)
    status = add_vector(reader, layer, "bias", value->width, 0, &step.second);
  if (status) return status;
  return add_step(reader, &step, value, hgl_dense_target(reader, value), value->width);
}

static int add_batch_norm(struct hgl_dense_reader *reader, const struct layer_type *type,
                          const json_t *layer, unsigned nested, struct hgl_dense_value *value)
{
  struct dense_step step = {.kind = DENSE_AFFINE};
  uint32_t variances;
  float eps;
  int status = read_number(type, layer, &eps, reader->err);
  if (!status && (!json_object_get(layer, "mean") || !json_object_get(layer, "variance")))
    status = hgl_fail(reader->err, HGL_INVALID, "it needs mean and variance, which name tensors");
  if (status || (status = add_vector(reader, layer, "mean", value->width, 0, &step.first)) ||
      (status = add_vector(reader, layer, "weight", value->width, 1, &step.second)) ||
      (status = add_vector(reader, layer, "bias", value->width, 0, &step.third)) ||
      (status = add_vector(reader, layer, "variance", value->width, 1, &variances)))
    return status;
  float *factor = reader->net->parameters + step.second;
  const float *variance = reader->net->parameters + variances;
  for (size_t i = 0; i < value->width; i++) {
    double sum = (double)variance[i] + (double)eps;
    if (!(sum > 0)) return hgl_fail(reader->err, HGL_INVALID, "variance[%zu] is negative", i);
    factor[i] = (float)((double)factor[i] / sqrt(sum));
  }
  return add_step(reader, &step, value, hgl_dense_target(reader, value), value->width);
}

static int add_residual(struct hgl_dense_reader *reader, const struct layer_type *type,
                        const json_t *layer, unsigned nested, struct hgl_dense_value *value)
{
  struct hgl_dense_value kept = *value;
  struct dense_step step = {.kind = DENSE_ADD, .other = kept.place};
  if (nested == HGL_DENSE_NESTED_MAX)
    return hgl_fail(reader->err, HGL_TOO_LARGE, "more than %d residuals within each other",
                    HGL_DENSE_NESTED_MAX);
  reader->registers[kept.place].readers++;
  int status = hgl_dense_layers(reader, json_object_get(layer, "layers"), nested + 1, value);
  if (status) return status;
  if (value->width != kept.width)
    return hgl_fail(reader->err, HGL_INVALID,
                    "%zu numbers cannot be added to %zu: its layers "
                    "have to end as wide as they begin",
                    value->width, kept.width);
  status = add_step(reader, &step, value, hgl_dense_target(reader, value), value->width);
  hgl_dense_release(reader, &kept);
  return status;
}

#define ACTIVATION(name, kind)                                                                     \
  {                                                                                                \
    name, add_activation, kind, NULL, 0,                                                           \
    {                                                                                              \
      "type"                                                                                       \
    }                                                                                              \
  }
static const struct layer_type types[] = {
    {"linear", add_linear, DENSE_LINEAR, NULL, 0, {"type", "weight", "bias"}},
    ACTIVATION("relu", DENSE_RELU),
    ACTIVATION("gelu", DENSE_GELU),
    ACTIVATION("gelu_tanh", DENSE_GELU_TANH),
    ACTIVATION("silu", DENSE_SILU),
    ACTIVATION("tanh", DENSE_TANH),
    ACTIVATION("sigmoid", DENSE_SIGMOID),
    ACTIVATION("softplus", DENSE_SOFTPLUS),
    {"leaky_relu", add_activation, DENSE_LEAKY_RELU, "slope", 0.01, {"type", "slope"}},
    {"elu", add_activation, DENSE_ELU, "alpha", 1, {"type", "alpha"}},
    {"identity", add_identity, DENSE_ADD, NULL, 0, {"type"}},
    {"layer_norm", add_norm, DENSE_LAYER_NORM, "eps", 1e-5, {"type", "weight", "bias", "eps"}},
    {"rms_norm", add_norm, DENSE_RMS_NORM, "eps", 1e-6, {"type", "weight", "eps"}},
    {"batch_norm",
     add_batch_norm,
     DENSE_AFFINE,
     "eps",
     1e-5,
     {"type", "mean", "variance", "weight", "bias", "eps"}},
    {"residual", add_residual, DENSE_ADD, NULL, 0, {"type", "layers"}},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

/* Lists --------------------------------------------------------------------------------------- */

static const struct layer_type *find_type(const char *name, struct hgl_err *err)
{
  const char *names[TYPE_COUNT + 1] = {0};
  for (size_t i = 0; i < TYPE_COUNT; i++) {
    if (strcmp(types[i].name, name) == 0) return &types[i];
    names[i] = types[i].name;
  }
  const char *nearest = hgl_nearest(hgl_text(name), names);
  hgl_err_set(err, HGL_INVALID, "unknown type '%.40s'%s%s%s", name,
              nearest ? "; did you mean '" : ": DENSE.md lists them", nearest ? nearest : "",
              nearest ? "'?" : "");
  return NULL;
}

static int add_layer(struct hgl_dense_reader *reader, const json_t *layer, unsigned nested,
                     struct hgl_dense_value *value)
{
  const char *name;
  if (!json_is_object(layer)) return hgl_fail(reader->err, HGL_INVALID, "it is no object");
  int status = hgl_dense_text(layer, "type", &name, reader->err);
  if (status) return status;
  if (++reader->layers > HGL_DENSE_LAYERS_MAX)
    return hgl_fail(reader->err, HGL_TOO_LARGE, "more than %d layers", HGL_DENSE_LAYERS_MAX);
  const struct layer_type *type = find_type(name, reader->err);
  if (!type) return hgl_err_status(HGL_INVALID);
  if (!(status = hgl_dense_members(layer, NULL, type->members, reader->err)))
    status = type->add(reader, type, layer, nested, value);
  return status ? hgl_fail_in(reader->err, "%s", type->name) : 0;
}

int hgl_dense_layers(struct hgl_dense_reader *reader, const json_t *list, unsigned nested,
                     struct hgl_dense_value *value)
{
  if (!json_is_array(list)) return hgl_fail(reader->err, HGL_INVALID, "layers is no list");
  for (size_t i = 0; i < json_array_size(list); i++)
    if (add_layer(reader, json_array_get(list, i), nested, value))
      return hgl_fail_in(reader->err, "layers[%zu]", i);
  return 0;
}
