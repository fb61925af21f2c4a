#include "infer/dense_read.h"

#include <math.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "protocol/value.h"

enum { VERSION = 1, ALIGNMENT = 64 };

/* Members ------------------------------------------------------------------------------------- */

int hgl_dense_members(const json_t *object, const char *what, const char *const *known,
                      struct hgl_err *err)
{
  json_t *each = (json_t *)object; /* jansson's iterators are not const-correct */
  for (void *it = json_object_iter(each); it; it = json_object_iter_next(each, it)) {
    const char *key = json_object_iter_key(it);
    size_t i = 0;
    while (known[i] && strcmp(known[i], key) != 0) i++;
    if (known[i]) continue;
    const char *nearest = hgl_nearest(hgl_text(key), known);
    return hgl_fail(err, HGL_INVALID, "%s%sunknown member '%.40s'%s%s%s", what ? what : "",
                    what ? ": " : "", key, nearest ? "; did you mean '" : "",
                    nearest ? nearest : "", nearest ? "'?" : "");
  }
  return 0;
}

int hgl_dense_text(const json_t *object, const char *member, const char **out, struct hgl_err *err)
{
  const json_t *text = json_object_get(object, member);
  *out = text ? json_string_value(text) : "";
  if (!*out || (text && strlen(*out) != json_string_length(text)))
    return hgl_fail(err, HGL_INVALID, "%s is no text", member);
  return 0;
}

/* Parameters ---------------------------------------------------------------------------------- */

float *hgl_dense_floats(size_t count, void **at)
{
  if (!(*at = hgl_zalloc(count * sizeof(float) + ALIGNMENT))) return NULL;
  uintptr_t address = (uintptr_t)*at;
  return (float *)*at + ((ALIGNMENT - address % ALIGNMENT) % ALIGNMENT) / sizeof(float);
}

float *hgl_dense_room(struct hgl_dense_reader *reader, size_t count, uint32_t *offset)
{
  struct hgl_dense_net *net = reader->net;
  size_t needed = net->parameter_count + count;
  if (needed > HGL_DENSE_PARAMETERS_MAX) {
    hgl_err_set(reader->err, HGL_TOO_LARGE, "more than %d parameters", HGL_DENSE_PARAMETERS_MAX);
    return NULL;
  }
  if (needed > reader->parameter_capacity) {
    size_t capacity = needed + needed / 2;
    void *at;
    float *moved = hgl_dense_floats(capacity, &at);
    if (!moved) {
      hgl_err_set(reader->err, HGL_NO_MEMORY, "no memory for %zu parameters", needed);
      return NULL;
    }
    if (net->parameter_count) memcpy(moved, net->parameters, net->parameter_count * sizeof(float));
    hgl_free(net->parameters_at);
    net->parameters = moved;
    net->parameters_at = at;
    reader->parameter_capacity = capacity;
  }
  *offset = (uint32_t)net->parameter_count;
  net->parameter_count = needed;
  return net->parameters + *offset;
}

static int read_vector(struct hgl_dense_reader *reader, const char *name, size_t width, float *out)
{
  const struct hgl_safetensor *tensor = hgl_safetensors_find(reader->file, name);
  if (!tensor) return hgl_fail(reader->err, HGL_INVALID, "the file has no tensor '%.100s'", name);
  if (tensor->rank != 1 || tensor->shape[0] != width)
    return hgl_fail(reader->err, HGL_INVALID,
                    "tensor '%.100s' has %zu axes and %zu elements, but "
                    "one axis of %zu is needed",
                    name, (size_t)tensor->rank, tensor->count, width);
  if (!hgl_safetensor_is_real(tensor))
    return hgl_fail(reader->err, HGL_INVALID,
                    "tensor '%.100s' is %s; F32, F64, F16 and BF16 can be read", name,
                    tensor->type);
  hgl_safetensor_floats(tensor, out);
  for (size_t i = 0; i < width; i++)
    if (!isfinite(out[i]))
      return hgl_fail(reader->err, HGL_INVALID, "tensor '%.100s' at [%zu] is %g", name, i,
                      (double)out[i]);
  reader->used[tensor - hgl_safetensors_at(reader->file, 0)] = true;
  return 0;
}

int hgl_dense_vector(struct hgl_dense_reader *reader, const json_t *object, const char *member,
                     size_t width, float otherwise, float *out)
{
  const char *name;
  int status = hgl_dense_text(object, member, &name, reader->err);
  if (status) return status;
  if (*name) {
    status = read_vector(reader, name, width, out);
    return status ? hgl_fail_in(reader->err, "%s", member) : 0;
  }
  if (json_object_get(object, member))
    return hgl_fail(reader->err, HGL_INVALID, "%s names no tensor", member);
  for (size_t i = 0; i < width; i++) out[i] = otherwise;
  return 0;
}

int hgl_dense_add_step(struct hgl_dense_reader *reader, const struct dense_step *step)
{
  struct hgl_dense_net *net = reader->net;
  if (!HGL_GROW(net->steps, net->step_count, reader->step_capacity))
    return hgl_fail(reader->err, HGL_NO_MEMORY, "out of memory");
  net->steps[net->step_count++] = *step;
  return 0;
}

/* Inputs -------------------------------------------------------------------------------------- */

static int read_name(const json_t *object, char out[HGL_DENSE_NAME_SIZE_MAX + 1],
                     struct hgl_err *err)
{
  const char *name;
  int status = hgl_dense_text(object, "name", &name, err);
  if (status) return status;
  if (!*name || strlen(name) > HGL_DENSE_NAME_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "name is missing, or longer than %d bytes",
                    HGL_DENSE_NAME_SIZE_MAX);
  memcpy(out, name, strlen(name) + 1);
  return 0;
}

static int read_input(struct hgl_dense_reader *reader, const json_t *json)
{
  static const char *const members[] = {"name", "width", "mean", "scale", NULL};
  struct hgl_dense_net *net = reader->net;
  struct hgl_dense_input *input = &net->inputs[net->input_count];
  const json_t *width = json_object_get(json, "width");
  if (!json_is_object(json)) return hgl_fail(reader->err, HGL_INVALID, "it is no object");
  int status = hgl_dense_members(json, NULL, members, reader->err);
  if (status || (status = read_name(json, input->name, reader->err))) return status;
  for (size_t i = 0; i < net->input_count; i++)
    if (strcmp(net->inputs[i].name, input->name) == 0)
      return hgl_fail(reader->err, HGL_INVALID, "the name '%s' stands twice", input->name);
  if (!json_is_integer(width) || json_integer_value(width) < 1)
    return hgl_fail(reader->err, HGL_INVALID, "width is missing, or no number of at least 1");
  if (json_integer_value(width) > HGL_DENSE_WIDTH_MAX - (json_int_t)net->input_width)
    return hgl_fail(reader->err, HGL_TOO_LARGE, "all inputs are wider than %d",
                    HGL_DENSE_WIDTH_MAX);
  input->width = (size_t)json_integer_value(width);
  net->input_width += input->width;
  net->input_count++;
  return 0;
}

static int add_normalisation(struct hgl_dense_reader *reader, const json_t *list,
                             struct hgl_dense_value *value)
{
  struct hgl_dense_net *net = reader->net;
  struct dense_step step = {.kind = DENSE_AFFINE,
                            .source = value->place,
                            .target = value->place,
                            .width_in = (int32_t)value->width,
                            .width_out = (int32_t)value->width};
  size_t padded = (size_t)dense_padded((int32_t)value->width), at = 0;
  if (!hgl_dense_room(reader, padded, &step.first) ||
      !hgl_dense_room(reader, padded, &step.second) || !hgl_dense_room(reader, padded, &step.third))
    return hgl_err_status(reader->err->code);
  float *mean = net->parameters + step.first, *factor = net->parameters + step.second;
  for (size_t i = 0; i < net->input_count; at += net->inputs[i++].width) {
    const json_t *input = json_array_get(list, i);
    size_t width = net->inputs[i].width;
    int status = hgl_dense_vector(reader, input, "mean", width, 0, mean + at);
    if (!status) status = hgl_dense_vector(reader, input, "scale", width, 1, factor + at);
    for (size_t j = at; j < at + width && !status; j++) {
      if (fabsf(factor[j]) < 1e-30f)
        status = hgl_fail(reader->err, HGL_INVALID, "scale[%zu] is %g, and divides", j - at,
                          (double)factor[j]);
      else
        factor[j] = (float)(1.0 / (double)factor[j]);
    }
    if (status) return hgl_fail_in(reader->err, "inputs[%zu]", i);
  }
  return hgl_dense_add_step(reader, &step);
}

static int read_inputs(struct hgl_dense_reader *reader, const json_t *list,
                       struct hgl_dense_value *value)
{
  bool normalised = false;
  size_t count = json_array_size(list);
  if (count < 1 || count > HGL_DENSE_INPUTS_MAX)
    return hgl_fail(reader->err, HGL_INVALID, "inputs is no list of 1 to %d", HGL_DENSE_INPUTS_MAX);
  for (size_t i = 0; i < count; i++) {
    const json_t *input = json_array_get(list, i);
    if (read_input(reader, input)) return hgl_fail_in(reader->err, "inputs[%zu]", i);
    normalised |= json_object_get(input, "mean") || json_object_get(input, "scale");
  }
  *value = (struct hgl_dense_value){0, reader->net->input_width};
  reader->registers[0].readers = 1;
  reader->registers[0].width = value->width;
  return normalised ? add_normalisation(reader, list, value) : 0;
}

/* Outputs ------------------------------------------------------------------------------------- */

static int add_end(struct hgl_dense_reader *reader, const char *name, struct hgl_dense_value *value,
                   struct hgl_dense_output *output)
{
  static const char *const names[] = {"none",    "softmax", "log_softmax", "argmax",
                                      "sigmoid", "tanh",    NULL};
  static const enum dense_kind kinds[] = {DENSE_OUTPUT, DENSE_SOFTMAX, DENSE_LOG_SOFTMAX,
                                          DENSE_OUTPUT, DENSE_SIGMOID, DENSE_TANH};
  for (size_t i = 0; names[i]; i++) {
    if (strcmp(names[i], name) != 0) continue;
    output->is_index = strcmp(name, "argmax") == 0;
    return kinds[i] == DENSE_OUTPUT ? 0 : hgl_dense_apply(reader, kinds[i], 0, value);
  }
  const char *nearest = hgl_nearest(hgl_text(name), names);
  return hgl_fail(reader->err, HGL_INVALID, "unknown end '%.40s'; did you mean '%s'?", name,
                  nearest ? nearest : "none");
}

static int read_output(struct hgl_dense_reader *reader, const json_t *json,
                       struct hgl_dense_value value)
{
  static const char *const members[] = {"name", "layers", "end", NULL};
  struct hgl_dense_net *net = reader->net;
  size_t number = net->output_count;
  struct hgl_dense_output *output = &net->outputs[number];
  const json_t *layers = json_object_get(json, "layers");
  const char *end;
  if (!json_is_object(json)) return hgl_fail(reader->err, HGL_INVALID, "it is no object");
  int status = hgl_dense_members(json, NULL, members, reader->err);
  if (!status) status = read_name(json, output->name, reader->err);
  for (size_t i = 0; i < number && !status; i++)
    if (strcmp(net->outputs[i].name, output->name) == 0)
      status = hgl_fail(reader->err, HGL_INVALID, "the name '%s' stands twice", output->name);
  if (!status && layers) status = hgl_dense_layers(reader, layers, 0, &value);
  if (!status) status = hgl_dense_text(json, "end", &end, reader->err);
  if (!status) status = add_end(reader, *end ? end : "none", &value, output);
  if (status) return status;
  output->width = value.width;
  net->output_width += value.width;
  net->output_count++;
  hgl_dense_release(reader, &value);
  return hgl_dense_add_step(reader, &(struct dense_step){.kind = DENSE_OUTPUT,
                                                         .source = value.place,
                                                         .other = (int32_t)number,
                                                         .width_in = (int32_t)value.width,
                                                         .width_out = (int32_t)value.width});
}

static int read_outputs(struct hgl_dense_reader *reader, const json_t *list,
                        const struct hgl_dense_value *value)
{
  size_t count = json_array_size(list);
  if (count < 1 || count > HGL_DENSE_OUTPUTS_MAX)
    return hgl_fail(reader->err, HGL_INVALID, "outputs is no list of 1 to %d",
                    HGL_DENSE_OUTPUTS_MAX);
  reader->registers[value->place].readers = (unsigned)count;
  for (size_t i = 0; i < count; i++)
    if (read_output(reader, json_array_get(list, i), *value))
      return hgl_fail_in(reader->err, "outputs[%zu]", i);
  return 0;
}

/* The whole ----------------------------------------------------------------------------------- */

/* Numbers of registers become places in the workspace. A row's workspace is an odd number of cache
 * lines, or rows would compete for the same ones. */
static void place_registers(struct hgl_dense_reader *reader)
{
  struct hgl_dense_net *net = reader->net;
  int32_t places[HGL_DENSE_REGISTERS_MAX], end = 0;
  for (int i = 0; i < HGL_DENSE_REGISTERS_MAX; i++) {
    places[i] = end;
    end += dense_padded((int32_t)reader->registers[i].width);
  }
  net->workspace = (size_t)end | DENSE_LANES;
  for (size_t i = 0; i < net->step_count; i++) {
    struct dense_step *step = &net->steps[i];
    step->source = places[step->source];
    step->target = places[step->target];
    if (step->kind == DENSE_ADD) step->other = places[step->other];
  }
}

static int check_used(const struct hgl_dense_reader *reader)
{
  for (size_t i = 0; i < hgl_safetensors_count(reader->file); i++)
    if (!reader->used[i])
      return hgl_fail(reader->err, HGL_INVALID,
                      "no layer uses tensor '%.100s': name it in one, or leave it out of the file",
                      hgl_safetensors_at(reader->file, i)->name);
  return 0;
}

static int read_description(struct hgl_dense_reader *reader, const json_t *json)
{
  static const char *const members[] = {"version", "inputs", "layers", "outputs", "about", NULL};
  const json_t *version = json_object_get(json, "version"),
               *layers = json_object_get(json, "layers");
  struct hgl_dense_value value = {0};
  if (!json_is_object(json)) return hgl_fail(reader->err, HGL_INVALID, "it is no object");
  if (!json_is_integer(version) || json_integer_value(version) < 1)
    return hgl_fail(reader->err, HGL_INVALID, "version is missing; it is 1");
  if (json_integer_value(version) > VERSION)
    return hgl_fail(reader->err, HGL_NEWER, "version is %lld; this host reads %d",
                    (long long)json_integer_value(version), VERSION);
  int status = hgl_dense_members(json, NULL, members, reader->err);
  if (!status) status = read_inputs(reader, json_object_get(json, "inputs"), &value);
  if (!status && layers) status = hgl_dense_layers(reader, layers, 0, &value);
  if (!status) status = read_outputs(reader, json_object_get(json, "outputs"), &value);
  if (!status) status = check_used(reader);
  if (!status) place_registers(reader);
  return status;
}

int hgl_dense_net_read(const struct hgl_safetensors *file, struct hgl_dense_net **out,
                       struct hgl_err *err)
{
  struct hgl_err unwanted = {0};
  struct hgl_dense_reader reader = {.file = file, .err = err ? err : &unwanted};
  struct hgl_bytes text = hgl_safetensors_metadata(file, "haggle.dense");
  json_t *json = NULL;
  if (!text.data)
    return hgl_fail(err, HGL_INVALID,
                    "__metadata__ has no 'haggle.dense', which describes the network (DENSE.md)");
  int status = hgl_json_parse(text, HGL_SAFETENSORS_HEADER_MAX, &json, reader.err);
  reader.net = hgl_zalloc(sizeof *reader.net);
  reader.used = hgl_array(hgl_safetensors_count(file), sizeof *reader.used);
  if (!status && (!reader.net || !reader.used))
    status = hgl_fail(reader.err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = read_description(&reader, json);
  json_decref(json);
  hgl_free(reader.used);
  if (status) {
    hgl_dense_net_destroy(reader.net);
    return status == -HGL_NO_MEMORY ? status : hgl_fail_in(reader.err, "haggle.dense");
  }
  *out = reader.net;
  return 0;
}

void hgl_dense_net_destroy(struct hgl_dense_net *net)
{
  if (!net) return;
  hgl_free(net->steps);
  hgl_free(net->parameters_at);
  hgl_free(net);
}
