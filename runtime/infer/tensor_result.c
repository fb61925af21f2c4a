/* Tensors to nested lists: what an engine gave is looked through before an agent sees it. */
#include <inttypes.h>
#include <math.h>

#include "infer/half.h"
#include "infer/tensor_value.h"
#include "protocol/cbor.h"
#include "protocol/limits.h"

/* Shorter names first, then bytewise: as encoded maps are ordered. */
static int compare_names(const struct infer_tensor_spec *a, const struct infer_tensor_spec *b)
{
  size_t a_size = strlen(a->name), b_size = strlen(b->name);
  if (a_size != b_size) return a_size < b_size ? -1 : 1;
  return memcmp(a->name, b->name, a_size);
}

void hgl_tensor_outputs_sort(struct infer_spec *spec)
{
  for (size_t i = 0; i < spec->output_count; i++) {
    size_t at = i;
    for (; at && compare_names(&spec->outputs[spec->output_order[at - 1]], &spec->outputs[i]) > 0;
         at--)
      spec->output_order[at] = spec->output_order[at - 1];
    spec->output_order[at] = (uint8_t)i;
  }
}

/* Elements ------------------------------------------------------------------------------------- */

#define LOAD(type, at)                                                                             \
  ({                                                                                               \
    type loaded;                                                                                   \
    memcpy(&loaded, (at), sizeof loaded);                                                          \
    loaded;                                                                                        \
  })

static int put_float(double number, struct hgl_buf *out)
{
  if (!isfinite(number)) return -1;
  hgl_cbor_put_double(out, number);
  return 0;
}

static int put_text(struct haggle_text text, struct hgl_buf *out)
{
  struct hgl_bytes bytes = hgl_bytes(text.data, text.size);
  if (text.size && (!text.data || text.size > HGL_BODY_SIZE_MAX || !hgl_utf8_valid(bytes)))
    return -1;
  hgl_cbor_put_text(out, bytes);
  return 0;
}

/* -1: it is nothing that a value can hold. */
static int put_element(int32_t type, const uint8_t *at, struct hgl_buf *out)
{
  switch ((enum haggle_type)type) {
  case HAGGLE_F32:
    return put_float((double)LOAD(float, at), out);
  case HAGGLE_F64:
    return put_float(LOAD(double, at), out);
  case HAGGLE_F16:
    return put_float(hgl_half_to(LOAD(uint16_t, at)), out);
  case HAGGLE_BF16:
    return put_float(hgl_bfloat_to(LOAD(uint16_t, at)), out);
  case HAGGLE_I8:
    hgl_cbor_put_int(out, LOAD(int8_t, at));
    return 0;
  case HAGGLE_I16:
    hgl_cbor_put_int(out, LOAD(int16_t, at));
    return 0;
  case HAGGLE_I32:
    hgl_cbor_put_int(out, LOAD(int32_t, at));
    return 0;
  case HAGGLE_I64:
    hgl_cbor_put_int(out, LOAD(int64_t, at));
    return 0;
  case HAGGLE_U8:
    hgl_cbor_put_int(out, *at);
    return 0;
  case HAGGLE_U16:
    hgl_cbor_put_int(out, LOAD(uint16_t, at));
    return 0;
  case HAGGLE_U32:
    hgl_cbor_put_int(out, LOAD(uint32_t, at));
    return 0;
  case HAGGLE_U64:
    if (LOAD(uint64_t, at) > INT64_MAX) return -1;
    hgl_cbor_put_int(out, LOAD(int64_t, at));
    return 0;
  case HAGGLE_BOOL:
    if (*at > 1) return -1;
    hgl_cbor_put_bool(out, *at);
    return 0;
  case HAGGLE_TEXT:
    return put_text(LOAD(struct haggle_text, at), out);
  }
  return -1;
}

/* Tensors -------------------------------------------------------------------------------------- */

struct way {
  int32_t type, rank;
  int64_t shape[HAGGLE_RANK_MAX];
  size_t element_size;
  const uint8_t *at;
  size_t index; /* of the element, from 1 on */
  struct hgl_buf *out;
};

static int put_axis(struct way *way, int32_t axis)
{
  if (axis == way->rank) {
    way->index++;
    int status = put_element(way->type, way->at, way->out);
    way->at += way->element_size;
    return status;
  }
  hgl_cbor_put_list(way->out, (size_t)way->shape[axis]);
  for (int64_t i = 0; i < way->shape[axis]; i++)
    if (put_axis(way, axis + 1)) return -1;
  return 0;
}

/* Whether it is what the model describes. *count: of its elements. */
static int check_tensor(const struct infer_spec *spec, const struct infer_tensor_spec *wanted,
                        const struct haggle_tensor *tensor, int64_t rows, size_t *count,
                        struct hgl_err *err)
{
  char given[160], described[160];
  size_t size = hgl_tensor_type_size(wanted->type);
  if (tensor->name && strcmp(tensor->name, wanted->name) != 0)
    return hgl_fail(err, HGL_MALFORMED, "output '%.60s' where '%.60s' belongs", tensor->name,
                    wanted->name);
  if (tensor->type != wanted->type)
    return hgl_fail(err, HGL_MALFORMED, "output '%.60s' of type %s instead of %s", wanted->name,
                    hgl_tensor_type_name(tensor->type), hgl_tensor_type_name(wanted->type));
  bool fits = tensor->rank == wanted->rank;
  *count = 1;
  for (int32_t i = 0; fits && i < wanted->rank; i++) {
    int64_t length = tensor->shape[i], expected = i || !spec->batched ? wanted->shape[i] : rows;
    fits = length >= 1 && (expected < 0 || length == expected) &&
           !__builtin_mul_overflow(*count, (size_t)length, count) && *count <= HGL_BODY_SIZE_MAX;
  }
  if (!fits) {
    int32_t rank = tensor->rank < 0 || tensor->rank > HAGGLE_RANK_MAX ? 0 : tensor->rank;
    hgl_tensor_shape_text(tensor->shape, rank, given, sizeof given);
    hgl_tensor_shape_text(wanted->shape, wanted->rank, described, sizeof described);
    return hgl_fail(err, HGL_MALFORMED,
                    "output '%.60s' with %d axes and the shape %s; described as %s, for %" PRId64
                    " rows",
                    wanted->name, tensor->rank, given, described, rows);
  }
  if (!tensor->data || tensor->data_size != *count * size)
    return hgl_fail(err, HGL_MALFORMED, "output '%.60s' with %zu bytes instead of %zu",
                    wanted->name, tensor->data ? tensor->data_size : 0, *count * size);
  return 0;
}

static int put_tensor(const struct infer_spec *spec, const struct infer_tensor_spec *wanted,
                      const struct haggle_tensor *tensor, int64_t rows, bool single,
                      size_t *elements, struct hgl_buf *out, struct hgl_err *err)
{
  size_t count;
  int status = check_tensor(spec, wanted, tensor, rows, &count, err);
  if (status) return status;
  if ((*elements += count) > HGL_VALUE_ITEMS_MAX)
    return hgl_fail(err, HGL_TOO_LARGE,
                    "its outputs have more than %d elements, which no value holds",
                    HGL_VALUE_ITEMS_MAX);
  bool bare = spec->batched && single;
  struct way way = {.type = wanted->type,
                    .rank = wanted->rank - bare,
                    .element_size = hgl_tensor_type_size(wanted->type),
                    .at = tensor->data,
                    .out = out};
  memcpy(way.shape, tensor->shape + bare, (size_t)way.rank * sizeof *way.shape);
  if (put_axis(&way, 0))
    return hgl_fail(err, HGL_MALFORMED, "output '%.60s' whose element %zu is no %s", wanted->name,
                    way.index,
                    wanted->type == HAGGLE_TEXT   ? "text in UTF-8"
                    : wanted->type == HAGGLE_BOOL ? "boolean"
                                                  : "finite number that a value holds");
  return 0;
}

int hgl_tensors_to_value(const struct infer_spec *spec, const struct haggle_tensor *outputs,
                         size_t count, int64_t rows, bool single, struct hgl_buf *out,
                         struct hgl_err *err)
{
  size_t elements = 0;
  if (!outputs || count != spec->output_count)
    return hgl_fail(err, HGL_MALFORMED, "%zu outputs instead of %zu", outputs ? count : 0,
                    spec->output_count);
  size_t stride = outputs->size;
  if (stride < sizeof *outputs)
    return hgl_fail(err, HGL_MALFORMED, "outputs of a size of %zu bytes", stride);
  hgl_cbor_put_map(out, count);
  for (size_t i = 0; i < count; i++) {
    size_t index = spec->output_order[i];
    const struct infer_tensor_spec *wanted = &spec->outputs[index];
    const void *tensor = (const char *)outputs + index * stride;
    hgl_cbor_put_literal(out, wanted->name);
    int status = put_tensor(spec, wanted, tensor, rows, single, &elements, out, err);
    if (status) return status;
  }
  return hgl_buf_check(out, err);
}
