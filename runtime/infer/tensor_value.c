/* Nested lists to tensors (hgl_tensors_find, hgl_tensors_fill). The way back is in
 * tensor_result.c. */
#include "infer/tensor_value.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "infer/half.h"
#include "protocol/value.h"

static const struct {
  const char *name;
  size_t size;
} types[] = {
    [HAGGLE_F32] = {"f32", 4},   [HAGGLE_F64] = {"f64", 8},
    [HAGGLE_F16] = {"f16", 2},   [HAGGLE_BF16] = {"bf16", 2},
    [HAGGLE_I8] = {"i8", 1},     [HAGGLE_I16] = {"i16", 2},
    [HAGGLE_I32] = {"i32", 4},   [HAGGLE_I64] = {"i64", 8},
    [HAGGLE_U8] = {"u8", 1},     [HAGGLE_U16] = {"u16", 2},
    [HAGGLE_U32] = {"u32", 4},   [HAGGLE_U64] = {"u64", 8},
    [HAGGLE_BOOL] = {"bool", 1}, [HAGGLE_TEXT] = {"text", sizeof(struct haggle_text)},
};

static bool is_type(int32_t type)
{
  return type > 0 && type < (int32_t)(sizeof types / sizeof *types);
}

const char *hgl_tensor_type_name(int32_t type)
{
  return is_type(type) ? types[type].name : "?";
}

size_t hgl_tensor_type_size(int32_t type)
{
  return is_type(type) ? types[type].size : 0;
}

void hgl_tensor_shape_text(const int64_t *shape, int32_t rank, char *out, size_t room)
{
  size_t size = (size_t)snprintf(out, room, "[");
  for (int32_t i = 0; i < rank && size < room; i++)
    size += (size_t)(shape[i] < 0 ? snprintf(out + size, room - size, "%sany", i ? ", " : "")
                                  : snprintf(out + size, room - size, "%s%" PRId64, i ? ", " : "",
                                             shape[i]));
  if (size < room) snprintf(out + size, room - size, "]");
}

/* What a model says of itself ------------------------------------------------------------------ */

static int read_spec(const struct haggle_tensor_info *info, bool batched,
                     struct infer_tensor_spec *out, struct hgl_err *err)
{
  *out = (struct infer_tensor_spec){.name = info->name, .type = info->type, .rank = info->rank};
  if (!info->name || !*info->name || strlen(info->name) > HGL_BODY_SIZE_MAX ||
      !hgl_utf8_valid(hgl_text(info->name)))
    return hgl_fail(err, HGL_INVALID, "has no name that is UTF-8");
  if (!is_type(info->type))
    return hgl_fail(err, HGL_INVALID, "'%.60s' is of the unknown type %d", info->name, info->type);
  if (info->rank < 0 || info->rank > HAGGLE_RANK_MAX)
    return hgl_fail(err, HGL_INVALID, "'%.60s' has %d axes; at most %d are possible", info->name,
                    info->rank, HAGGLE_RANK_MAX);
  for (int32_t i = 0; i < info->rank; i++) {
    if (info->shape[i] != -1 && (info->shape[i] < 1 || info->shape[i] > INT32_MAX))
      return hgl_fail(err, HGL_INVALID, "'%.60s' has an axis of length %" PRId64, info->name,
                      info->shape[i]);
    out->shape[i] = info->shape[i];
  }
  if (batched && (info->rank < 1 || info->shape[0] != -1))
    return hgl_fail(err, HGL_INVALID, "'%.60s' of a batched model has no first axis of any length",
                    info->name);
  return 0;
}

int hgl_tensor_specs_read(const struct haggle_tensor_info *infos, size_t count, bool batched,
                          const char *what, struct infer_tensor_spec *out, struct hgl_err *err)
{
  if (count < 1 || count > HGL_TENSORS_MAX || !infos)
    return hgl_fail(err, HGL_INVALID, "%zu %ss; a model has 1 to %d", count, what, HGL_TENSORS_MAX);
  size_t stride = infos->size;
  if (stride < sizeof *infos)
    return hgl_fail(err, HGL_INVALID, "its descriptions of %ss have a size of %zu", what, stride);
  for (size_t i = 0; i < count; i++) {
    const void *at = (const char *)infos + i * stride;
    if (read_spec(at, batched, &out[i], err)) return hgl_fail_in(err, "%s %zu", what, i + 1);
    for (size_t before = 0; before < i; before++)
      if (strcmp(out[before].name, out[i].name) == 0)
        return hgl_fail(err, HGL_INVALID, "two %ss are named '%.60s'", what, out[i].name);
  }
  return 0;
}

/* Looking through ------------------------------------------------------------------------------ */

/* One tensor on its way from a value. */
struct walk {
  const struct infer_tensor_spec *spec;
  const int64_t *shape; /* as it was given */
  int32_t rank;
  int64_t at[HAGGLE_RANK_MAX]; /* where we are, from 1 on */
  uint8_t *out;                /* the next element; NULL: only looking */
  uint8_t *text;               /* where the next text goes */
  size_t text_size;
};

static int fail_at(const struct walk *walk, struct hgl_err *err, const char *what)
{
  char place[HAGGLE_RANK_MAX * 22] = "";
  size_t size = 0;
  for (int32_t i = 0; i < walk->rank; i++)
    size += (size_t)snprintf(place + size, sizeof place - size, "[%" PRId64 "]", walk->at[i]);
  return hgl_fail(err, HGL_INVALID, "input '%.60s'%s %s", walk->spec->name, place, what);
}

static void put(struct walk *walk, const void *element, size_t size)
{
  if (!walk->out) return;
  memcpy(walk->out, element, size);
  walk->out += size;
}

static int put_float(struct walk *walk, double number, struct hgl_err *err)
{
  uint16_t half;
  float single = (float)number;
  switch (walk->spec->type) {
  case HAGGLE_F64:
    put(walk, &number, sizeof number);
    return 0;
  case HAGGLE_F32:
    if (!isfinite(single)) return fail_at(walk, err, "does not fit into f32");
    put(walk, &single, sizeof single);
    return 0;
  case HAGGLE_F16:
    half = hgl_half_from(number);
    if (!isfinite(hgl_half_to(half))) return fail_at(walk, err, "does not fit into f16");
    break;
  default:
    half = hgl_bfloat_from(number);
    if (!isfinite(hgl_bfloat_to(half))) return fail_at(walk, err, "does not fit into bf16");
    break;
  }
  put(walk, &half, sizeof half);
  return 0;
}

/* Little-endian machines keep the low bytes first, and this runs on no other. */
static int put_integer(struct walk *walk, int64_t number, struct hgl_err *err)
{
  static const struct {
    int64_t least, most;
  } ranges[] = {
      [HAGGLE_I8] = {INT8_MIN, INT8_MAX},
      [HAGGLE_I16] = {INT16_MIN, INT16_MAX},
      [HAGGLE_I32] = {INT32_MIN, INT32_MAX},
      [HAGGLE_I64] = {INT64_MIN, INT64_MAX},
      [HAGGLE_U8] = {0, UINT8_MAX},
      [HAGGLE_U16] = {0, UINT16_MAX},
      [HAGGLE_U32] = {0, UINT32_MAX},
      [HAGGLE_U64] = {0, INT64_MAX},
      [HAGGLE_BOOL] = {0, 1},
  };
  int32_t type = walk->spec->type;
  if (number < ranges[type].least || number > ranges[type].most) {
    char what[80];
    snprintf(what, sizeof what, "does not fit into %s: %" PRId64, types[type].name, number);
    return fail_at(walk, err, what);
  }
  put(walk, &number, types[type].size);
  return 0;
}

static bool is_float(int32_t type)
{
  return type == HAGGLE_F32 || type == HAGGLE_F64 || type == HAGGLE_F16 || type == HAGGLE_BF16;
}

static int put_number(struct walk *walk, const struct hgl_cbor_item *item, struct hgl_err *err)
{
  bool whole = item->kind == HGL_CBOR_INT;
  if (is_float(walk->spec->type))
    return put_float(walk, whole ? (double)item->integer : item->number, err);
  if (!whole && (item->number != floor(item->number) || fabs(item->number) >= 0x1p63))
    return fail_at(walk, err, "is not an integer");
  return put_integer(walk, whole ? item->integer : (int64_t)item->number, err);
}

static int put_text(struct walk *walk, struct hgl_bytes text)
{
  if (walk->out) {
    struct haggle_text held = {(char *)walk->text, text.size};
    if (text.size) memcpy(walk->text, text.data, text.size);
    walk->text[text.size] = 0;
    walk->text += text.size + 1;
    put(walk, &held, sizeof held);
  }
  walk->text_size += text.size + 1;
  return 0;
}

static int put_item(struct walk *walk, const struct hgl_cbor_item *item, struct hgl_err *err)
{
  int32_t type = walk->spec->type;
  bool number = item->kind == HGL_CBOR_INT || item->kind == HGL_CBOR_DOUBLE;
  if (type == HAGGLE_TEXT && item->kind == HGL_CBOR_TEXT) return put_text(walk, item->bytes);
  if (type == HAGGLE_BOOL && item->kind == HGL_CBOR_BOOL)
    return put_integer(walk, item->boolean, err);
  if (type != HAGGLE_TEXT && number) return put_number(walk, item, err);
  if (item->kind == HGL_CBOR_LIST) return fail_at(walk, err, "is a list, others there are not");
  return fail_at(walk, err,
                 type == HAGGLE_TEXT   ? "is no text"
                 : type == HAGGLE_BOOL ? "is neither true nor false"
                                       : "is no number");
}

static int walk_element(struct walk *walk, struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_cbor_item item;
  if (is_float(walk->spec->type) && hgl_cbor_take_double(in, &item.number))
    return put_float(walk, item.number, err);
  int status = hgl_cbor_next(in, &item, err);
  return status ? status : put_item(walk, &item, err);
}

static int walk_axis(struct walk *walk, struct hgl_cbor_reader *in, int32_t axis,
                     struct hgl_err *err)
{
  struct hgl_cbor_item item;
  if (axis == walk->rank) return walk_element(walk, in, err);
  int status = hgl_cbor_next(in, &item, err);
  if (status) return status;
  if (item.kind != HGL_CBOR_LIST || (int64_t)item.count != walk->shape[axis]) {
    walk->rank = axis;
    char what[80];
    if (item.kind == HGL_CBOR_LIST)
      snprintf(what, sizeof what, "has the length %zu, others there %" PRId64, item.count,
               walk->shape[axis]);
    else
      snprintf(what, sizeof what, "is no list, others there are");
    return fail_at(walk, err, what);
  }
  for (int64_t i = 0; i < walk->shape[axis] && !status; i++) {
    walk->at[axis] = i + 1;
    status = axis + 1 == walk->rank ? walk_element(walk, in, err)
                                    : walk_axis(walk, in, axis + 1, err);
  }
  return status;
}

/* How deep the lists are, and how long, along the first elements. */
static int peek_shape(struct hgl_bytes value, const char *name, int64_t *shape, int32_t *rank,
                      struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  for (*rank = 0;; shape[(*rank)++] = (int64_t)item.count) {
    int status = hgl_cbor_next(&in, &item, err);
    if (status) return status;
    if (item.kind == HGL_CBOR_MAP && !item.count)
      return hgl_fail(err, HGL_INVALID, "input '%.60s' is empty, or has an empty list", name);
    if (item.kind != HGL_CBOR_LIST) return 0;
    if (!item.count)
      return hgl_fail(err, HGL_INVALID, "input '%.60s' is empty, or has an empty list", name);
    if (*rank == HAGGLE_RANK_MAX)
      return hgl_fail(err, HGL_INVALID, "input '%.60s' is nested more than %d deep", name,
                      HAGGLE_RANK_MAX);
  }
}

/* Puts the axis of the batch in front where it was left out, and compares with what the model
 * takes. */
static int fit_shape(const struct infer_spec *spec, size_t index, int64_t *shape, int32_t rank,
                     struct hgl_tensors_found *found, struct hgl_err *err)
{
  const struct infer_tensor_spec *wanted = &spec->inputs[index];
  bool single = spec->batched && rank == wanted->rank - 1, fits = single || rank == wanted->rank;
  char given[160], takes[160];
  if (single) {
    memmove(shape + 1, shape, (size_t)rank * sizeof *shape);
    shape[0] = 1;
  }
  for (int32_t i = 0; fits && i < wanted->rank; i++)
    fits = wanted->shape[i] < 0 || wanted->shape[i] == shape[i];
  if (!fits) {
    hgl_tensor_shape_text(shape + single, rank, given, sizeof given);
    hgl_tensor_shape_text(wanted->shape, wanted->rank, takes, sizeof takes);
    return hgl_fail(err, HGL_INVALID, "input '%.60s' has the shape %s; the model takes %s%s",
                    wanted->name, given, takes,
                    spec->batched ? ", or one row without the first axis" : "");
  }
  if (!spec->batched) return 0;
  if (index == 0) {
    found->single = single;
    found->rows = shape[0];
  } else if (single != found->single || shape[0] != found->rows) {
    return hgl_fail(err, HGL_INVALID,
                    "inputs '%.60s' and '%.60s' differ in their first axis: it is the rows of the "
                    "batch, or left out of all",
                    spec->inputs[0].name, wanted->name);
  }
  return 0;
}

/* Raw data ------------------------------------------------------------------------------------- */

static int get_raw_shape(struct hgl_bytes value, int64_t *shape, int32_t *rank, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  size_t count;
  int status = hgl_cbor_next(&in, &item, err);
  if (status) return status;
  bool empty = item.kind == HGL_CBOR_MAP && !item.count; /* {} of Lua */
  if (!empty && (item.kind != HGL_CBOR_LIST || item.count > HAGGLE_RANK_MAX))
    return hgl_fail(err, HGL_INVALID, "its shape is no list of at most %d lengths",
                    HAGGLE_RANK_MAX);
  count = empty ? 0 : item.count;
  for (size_t i = 0; i < count; i++) {
    if ((status = hgl_cbor_get_int(&in, "a length of its shape", &shape[i], err))) return status;
    if (shape[i] < 1 || shape[i] > INT32_MAX)
      return hgl_fail(err, HGL_INVALID, "its shape has an axis of length %" PRId64, shape[i]);
  }
  *rank = (int32_t)count;
  return 0;
}

static int check_raw_element(int32_t type, const uint8_t *at)
{
  double f64;
  float f32;
  uint16_t half;
  memcpy(&half, at, sizeof half * (type == HAGGLE_F16 || type == HAGGLE_BF16));
  memcpy(&f32, at, sizeof f32 * (type == HAGGLE_F32));
  memcpy(&f64, at, sizeof f64 * (type == HAGGLE_F64));
  switch (type) {
  case HAGGLE_F64:
    return isfinite(f64) ? 0 : -1;
  case HAGGLE_F32:
    return isfinite(f32) ? 0 : -1;
  case HAGGLE_F16:
    return isfinite(hgl_half_to(half)) ? 0 : -1;
  case HAGGLE_BF16:
    return isfinite(hgl_bfloat_to(half)) ? 0 : -1;
  case HAGGLE_BOOL:
    return *at <= 1 ? 0 : -1;
  default:
    return 0;
  }
}

static int check_raw(const struct infer_tensor_spec *spec, struct hgl_bytes data, size_t count,
                     struct hgl_err *err)
{
  size_t size = types[spec->type].size;
  if (spec->type == HAGGLE_TEXT)
    return hgl_fail(err, HGL_INVALID, "input '%.60s' takes texts, which have no data", spec->name);
  if (data.size != count * size)
    return hgl_fail(err, HGL_INVALID,
                    "input '%.60s': its data has %zu bytes; %zu of the type %s take %zu",
                    spec->name, data.size, count, types[spec->type].name, count * size);
  for (size_t i = 0; i < count; i++)
    if (check_raw_element(spec->type, data.data + i * size))
      return hgl_fail(err, HGL_INVALID, "input '%.60s': element %zu of its data is %s", spec->name,
                      i + 1, spec->type == HAGGLE_BOOL ? "neither 0 nor 1" : "not a finite number");
  return 0;
}

/* HGL_VALUE_ITEMS_MAX bounds lists; shapes of raw data are only numbers. */
static int count_of(const int64_t *shape, int32_t rank, size_t *out, struct hgl_err *err)
{
  size_t count = 1;
  for (int32_t i = 0; i < rank; i++)
    if (__builtin_mul_overflow(count, (size_t)shape[i], &count) || count > HGL_BODY_SIZE_MAX)
      return hgl_fail(err, HGL_INVALID, "its shape has more elements than any value can hold");
  *out = count;
  return 0;
}

static int find_raw(const struct infer_spec *spec, size_t index, struct hgl_bytes map,
                    struct hgl_tensors_found *found, struct hgl_err *err)
{
  const struct infer_tensor_spec *wanted = &spec->inputs[index];
  int64_t *shape = found->inputs[index].shape;
  struct hgl_bytes shape_value, data_value, data;
  struct hgl_cbor_reader in = hgl_cbor_reader(map);
  bool has_shape, has_data;
  size_t fields;
  int32_t rank;
  int status;
  if ((status = hgl_cbor_get_map(&in, "input", SIZE_MAX, &fields, err)) ||
      (status = hgl_value_field(map, "shape", &shape_value, &has_shape, err)) ||
      (status = hgl_value_field(map, "data", &data_value, &has_data, err)))
    return status;
  if (!has_shape || !has_data || fields != 2)
    return hgl_fail(err, HGL_INVALID,
                    "input '%.60s' is neither a list nor { shape = {…}, data = haggle.bytes(…) }",
                    wanted->name);
  if (get_raw_shape(shape_value, shape, &rank, err))
    return hgl_fail(err, HGL_INVALID, "input '%.60s': %.200s", wanted->name, err->message);
  in = hgl_cbor_reader(data_value);
  if (hgl_cbor_get_bytes(&in, "data", SIZE_MAX, &data, err))
    return hgl_fail(err, HGL_INVALID, "input '%.60s': its data is not haggle.bytes", wanted->name);
  if ((status = fit_shape(spec, index, shape, rank, found, err))) return status;
  if (count_of(shape, wanted->rank, &found->inputs[index].count, err))
    return hgl_fail_in(err, "input '%.60s'", wanted->name);
  found->inputs[index].value = data;
  found->inputs[index].raw = true;
  return check_raw(wanted, data, found->inputs[index].count, err);
}

/* All of them ---------------------------------------------------------------------------------- */

/* `looks`: at each number. How much room texts need is not known without. */
static int find_one(const struct infer_spec *spec, size_t index, struct hgl_bytes value, bool looks,
                    struct hgl_tensors_found *found, struct hgl_err *err)
{
  const struct infer_tensor_spec *wanted = &spec->inputs[index];
  int64_t *shape = found->inputs[index].shape, given[HAGGLE_RANK_MAX + 1];
  bool is_map = value.size > 0 && value.data[0] >> 5 == 5;
  int32_t rank;
  if (is_map && value.data[0] != 0xa0) return find_raw(spec, index, value, found, err);
  int status = peek_shape(value, wanted->name, given, &rank, err);
  if (status) return status;
  memcpy(shape, given, (size_t)rank * sizeof *shape);
  struct walk walk = {.spec = wanted, .shape = given, .rank = rank};
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  if (looks || wanted->type == HAGGLE_TEXT) status = walk_axis(&walk, &in, 0, err);
  if (status || (status = fit_shape(spec, index, shape, rank, found, err)) ||
      (status = count_of(shape, wanted->rank, &found->inputs[index].count, err)))
    return status;
  found->inputs[index].value = value;
  found->inputs[index].raw = false;
  found->inputs[index].text_size = walk.text_size;
  return 0;
}

static int fail_names(const struct infer_spec *spec, struct hgl_bytes unknown, const char *missing,
                      struct hgl_err *err)
{
  char names[240] = "";
  for (size_t i = 0; i < spec->input_count; i++) {
    strncat(names, i ? ", " : "", sizeof names - strlen(names) - 1);
    strncat(names, spec->inputs[i].name, sizeof names - strlen(names) - 1);
  }
  if (missing)
    return hgl_fail(err, HGL_INVALID, "input '%.60s' is missing; the model takes %s", missing,
                    names);
  return hgl_fail(err, HGL_INVALID, "there is no input '%.*s'; the model takes %s%s",
                  (int)(unknown.size < 60 ? unknown.size : 60), (const char *)unknown.data, names,
                  hgl_bytes_is(unknown, "task") ? ", and is no language model" : "");
}

static size_t aligned(size_t size)
{
  return (size + 63) & ~(size_t)63; /* of a cache line, for vectors */
}

static int find(const struct infer_spec *spec, struct hgl_bytes value, bool looks,
                struct hgl_tensors_found *found, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_bytes values[HGL_TENSORS_MAX] = {0};
  struct hgl_cbor_item head;
  int status = hgl_cbor_next(&in, &head, err);
  if (status) return status;
  if (head.kind != HGL_CBOR_MAP)
    return hgl_fail(err, HGL_INVALID, "the inputs are no table of named inputs");
  for (size_t i = 0; i < head.count; i++) {
    struct hgl_bytes name, one;
    if ((status = hgl_cbor_get_text(&in, "name", SIZE_MAX, &name, err))) return status;
    if (i + 1 == head.count)
      one = hgl_cbor_rest(&in); /* saves a look through what is most of it */
    else if ((status = hgl_cbor_get_value(&in, "input", &one, err)))
      return status;
    size_t index = 0;
    while (index < spec->input_count && !hgl_bytes_is(name, spec->inputs[index].name)) index++;
    if (index == spec->input_count) return fail_names(spec, name, NULL, err);
    values[index] = one;
  }
  found->single = false;
  found->rows = 1;
  found->size = 0;
  for (size_t i = 0; i < spec->input_count; i++) {
    if (!values[i].size) return fail_names(spec, hgl_text(""), spec->inputs[i].name, err);
    found->inputs[i].text_size = 0;
    if ((status = find_one(spec, i, values[i], looks, found, err))) return status;
    found->size += aligned(found->inputs[i].count * types[spec->inputs[i].type].size) +
                   aligned(found->inputs[i].text_size);
  }
  return 0;
}

int hgl_tensors_find(const struct infer_spec *spec, struct hgl_bytes value,
                     struct hgl_tensors_found *found, struct hgl_err *err)
{
  return find(spec, value, true, found, err);
}

int hgl_tensors_locate(const struct infer_spec *spec, struct hgl_bytes value,
                       struct hgl_tensors_found *found, struct hgl_err *err)
{
  return find(spec, value, false, found, err);
}

int hgl_tensors_fill(const struct infer_spec *spec, const struct hgl_tensors_found *found,
                     uint8_t *memory, struct haggle_tensor *out, struct hgl_err *err)
{
  int status = 0;
  for (size_t i = 0; i < spec->input_count && !status; i++) {
    const struct infer_tensor_spec *wanted = &spec->inputs[i];
    size_t size = found->inputs[i].count * types[wanted->type].size;
    out[i] = (struct haggle_tensor){.size = sizeof out[i],
                                    .name = wanted->name,
                                    .type = wanted->type,
                                    .rank = wanted->rank,
                                    .data = memory,
                                    .data_size = size};
    memcpy(out[i].shape, found->inputs[i].shape, sizeof out[i].shape);
    if (found->inputs[i].raw) {
      assert(memory);
      memcpy(memory, found->inputs[i].value.data, size);
    } else {
      bool bare = found->single;
      struct walk walk = {.spec = wanted,
                          .shape = out[i].shape + bare,
                          .rank = wanted->rank - bare,
                          .out = memory,
                          .text = memory + aligned(size)};
      struct hgl_cbor_reader in = hgl_cbor_reader(found->inputs[i].value);
      status = walk_axis(&walk, &in, 0, err);
    }
    memory += aligned(size) + aligned(found->inputs[i].text_size);
  }
  return status;
}
