#include "infer/process_wire.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"

/* Words -----------------------------------------------------------------------------------------
 */

struct hgl_reader hgl_reader_of(struct hgl_bytes bytes)
{
  const uint8_t *start = bytes.data ? bytes.data : (const uint8_t *)"";
  return (struct hgl_reader){start, start, start + bytes.size, false};
}

static const uint8_t *take(struct hgl_reader *reader, size_t size)
{
  if (reader->failed || size > (size_t)(reader->end - reader->at)) {
    reader->failed = true;
    return NULL;
  }
  const uint8_t *at = reader->at;
  reader->at += size;
  return at;
}

uint64_t hgl_read_u64(struct hgl_reader *reader)
{
  uint64_t number = 0;
  const uint8_t *at = take(reader, sizeof number);
  if (at) memcpy(&number, at, sizeof number);
  return number;
}

struct hgl_bytes hgl_read_bytes(struct hgl_reader *reader)
{
  uint64_t size = hgl_read_u64(reader);
  size_t gap = -(size_t)(reader->at - reader->start) % HGL_PROCESS_ALIGNMENT;
  const uint8_t *at = take(reader, gap) ? take(reader, size) : NULL;
  return at ? hgl_bytes(at, size) : hgl_bytes(NULL, 0);
}

const char *hgl_read_text(struct hgl_reader *reader)
{
  struct hgl_bytes text = hgl_read_bytes(reader);
  if (text.size && text.data[text.size - 1] == 0 &&
      strlen((const char *)text.data) + 1 == text.size)
    return (const char *)text.data;
  reader->failed = true;
  return "";
}

void hgl_read_line(struct hgl_reader *reader, char *out, size_t size)
{
  struct hgl_bytes text = hgl_read_bytes(reader);
  size_t kept = text.size < size - 1 ? text.size : size - 1;
  size_t good = hgl_utf8_size(hgl_bytes(text.data, kept));
  for (size_t i = 0; i < kept; i++) {
    uint8_t c = text.data[i];
    out[i] = (char)(i >= good && c >= 0x80 ? '?' : c < 0x20 || c == 0x7f ? ' ' : c);
  }
  out[kept] = 0;
}

bool hgl_read_all(const struct hgl_reader *reader)
{
  return !reader->failed && reader->at == reader->end;
}

void hgl_write_u64(struct hgl_buf *out, uint64_t number)
{
  hgl_buf_append(out, &number, sizeof number);
}

void hgl_write_bytes(struct hgl_buf *out, const void *data, size_t size)
{
  static const uint8_t gap[HGL_PROCESS_ALIGNMENT];
  hgl_write_u64(out, size);
  hgl_buf_append(out, gap, -out->size % HGL_PROCESS_ALIGNMENT);
  hgl_buf_append(out, data, size);
}

void hgl_write_text(struct hgl_buf *out, const char *text)
{
  hgl_write_bytes(out, text, strlen(text) + 1);
}

/* Tensors ---------------------------------------------------------------------------------------
 */

static size_t size_of_type(int32_t type)
{
  static const uint8_t sizes[] = {
      [HAGGLE_F32] = 4, [HAGGLE_F64] = 8, [HAGGLE_F16] = 2,  [HAGGLE_BF16] = 2, [HAGGLE_I8] = 1,
      [HAGGLE_I16] = 2, [HAGGLE_I32] = 4, [HAGGLE_I64] = 8,  [HAGGLE_U8] = 1,   [HAGGLE_U16] = 2,
      [HAGGLE_U32] = 4, [HAGGLE_U64] = 8, [HAGGLE_BOOL] = 1,
  };
  return type > 0 && type < HAGGLE_TEXT ? sizes[type] : 0;
}

static void write_shape(struct hgl_buf *out, int32_t type, int32_t rank, const int64_t *shape)
{
  hgl_write_u64(out, (uint64_t)type);
  hgl_write_u64(out, (uint64_t)rank);
  for (int i = 0; i < rank && i < HAGGLE_RANK_MAX; i++) hgl_write_u64(out, (uint64_t)shape[i]);
}

void hgl_write_tensors(struct hgl_buf *out, const struct haggle_tensor *tensors, size_t count)
{
  hgl_write_u64(out, count);
  for (size_t i = 0; i < count; i++) {
    const struct haggle_tensor *tensor = HGL_AT(tensors, i);
    write_shape(out, tensor->type, tensor->rank, tensor->shape);
    if (tensor->type != HAGGLE_TEXT) {
      hgl_write_bytes(out, tensor->data, tensor->data_size);
      continue;
    }
    const struct haggle_text *texts = tensor->data;
    size_t number = tensor->data_size / sizeof *texts;
    hgl_write_u64(out, number);
    for (size_t k = 0; k < number; k++) hgl_write_bytes(out, texts[k].data, texts[k].size);
  }
}

static int wrong(struct hgl_err *err, const char *name, const char *what)
{
  return hgl_fail(err, HGL_MALFORMED, "%.100s: %s", name, what);
}

/* Of the values of a tensor; false: more than can be. */
static bool count_values(const struct haggle_tensor *tensor, size_t *out)
{
  *out = 1;
  for (int i = 0; i < tensor->rank; i++)
    if (__builtin_mul_overflow(*out, (size_t)tensor->shape[i], out)) return false;
  return true;
}

static int read_shape(struct hgl_reader *reader, const struct haggle_tensor_info *info,
                      struct haggle_tensor *out, struct hgl_err *err)
{
  uint64_t type = hgl_read_u64(reader), rank = hgl_read_u64(reader);
  if (type != (uint64_t)info->type) return wrong(err, info->name, "another type than described");
  if (rank != (uint64_t)info->rank) return wrong(err, info->name, "another rank than described");
  *out = (struct haggle_tensor){sizeof *out, info->name, info->type, info->rank, {0}, NULL, 0};
  for (int i = 0; i < info->rank; i++) {
    int64_t length = (int64_t)hgl_read_u64(reader);
    if (length < 0 || (info->shape[i] >= 0 && length != info->shape[i]))
      return wrong(err, info->name, "another shape than described");
    out->shape[i] = length;
  }
  return 0;
}

static int read_texts(struct hgl_reader *reader, size_t count, struct haggle_tensor *tensor,
                      struct hgl_err *err)
{
  if (hgl_read_u64(reader) != count)
    return wrong(err, tensor->name, "as many texts as its shape says are not there");
  /* Each takes some bytes, so that a number that lies asks for little memory. */
  if (count > (size_t)(reader->end - reader->at) / sizeof(uint64_t))
    return wrong(err, tensor->name, "it is cut off");
  struct haggle_text *texts = hgl_array(count, sizeof *texts);
  if (!texts) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  tensor->data = texts;
  tensor->data_size = count * sizeof *texts;
  for (size_t i = 0; i < count; i++) {
    struct hgl_bytes text = hgl_read_bytes(reader);
    texts[i] = (struct haggle_text){(const char *)text.data, text.size};
    if (!hgl_utf8_valid(text)) return wrong(err, tensor->name, "a text that is not UTF-8");
  }
  return 0;
}

static int read_tensor(struct hgl_reader *reader, const struct haggle_tensor_info *info,
                       struct haggle_tensor *out, struct hgl_err *err)
{
  size_t count, size;
  int status = read_shape(reader, info, out, err);
  if (status) return status;
  if (!count_values(out, &count)) return wrong(err, info->name, "too large");
  if (info->type == HAGGLE_TEXT) return read_texts(reader, count, out, err);
  if (__builtin_mul_overflow(count, size_of_type(info->type), &size))
    return wrong(err, info->name, "too large");
  struct hgl_bytes data = hgl_read_bytes(reader);
  if (data.size != size) return wrong(err, info->name, "not as many bytes as its shape says");
  for (size_t i = 0; info->type == HAGGLE_BOOL && i < size; i++)
    if (data.data[i] > 1) return wrong(err, info->name, "a truth value that is neither 0 nor 1");
  out->data = data.data;
  out->data_size = data.size;
  return 0;
}

void hgl_process_tensors_free(struct haggle_tensor *tensors, size_t count)
{
  for (size_t i = 0; tensors && i < count; i++)
    if (tensors[i].type == HAGGLE_TEXT) hgl_free((void *)tensors[i].data);
  hgl_free(tensors);
}

int hgl_read_tensors(struct hgl_reader *reader, const struct haggle_tensor_info *infos,
                     size_t count, struct haggle_tensor **out, struct hgl_err *err)
{
  if (hgl_read_u64(reader) != count)
    return hgl_fail(err, HGL_MALFORMED, "not as many tensors as described");
  struct haggle_tensor *tensors = hgl_array(count, sizeof *tensors);
  if (!tensors) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = 0;
  for (size_t i = 0; i < count && status == 0; i++)
    status = read_tensor(reader, &infos[i], &tensors[i], err);
  if (status == 0 && reader->failed) status = hgl_fail(err, HGL_MALFORMED, "tensors are cut off");
  if (status == 0)
    *out = tensors;
  else
    hgl_process_tensors_free(tensors, count);
  return status;
}

/* A model's description -------------------------------------------------------------------------
 */

static void write_infos(struct hgl_buf *out, const struct haggle_tensor_info *infos, size_t count)
{
  hgl_write_u64(out, count);
  for (size_t i = 0; i < count && count <= HGL_PROCESS_TENSORS_MAX; i++) {
    const struct haggle_tensor_info *info = HGL_AT(infos, i);
    hgl_write_text(out, info->name);
    write_shape(out, info->type, info->rank, info->shape);
  }
}

void hgl_write_about(struct hgl_buf *out, const struct haggle_model_info *info)
{
  hgl_write_u64(out, (uint64_t)info->kind);
  hgl_write_text(out, info->device ? info->device : "");
  hgl_write_text(out, info->note ? info->note : "");
  hgl_write_u64(out, info->batch_max);
  hgl_write_u64(out, info->parallel);
  hgl_write_u64(out, (uint64_t)info->batched);
  hgl_write_u64(out, info->tasks);
  hgl_write_u64(out, info->context);
  write_infos(out, info->inputs, info->input_count);
  write_infos(out, info->outputs, info->output_count);
}

static bool read_info(struct hgl_reader *reader, struct haggle_tensor_info *out)
{
  *out = (struct haggle_tensor_info){.size = sizeof *out, .name = hgl_read_text(reader)};
  uint64_t type = hgl_read_u64(reader), rank = hgl_read_u64(reader);
  if (type < HAGGLE_F32 || type > HAGGLE_TEXT || rank > HAGGLE_RANK_MAX) return false;
  out->type = (int32_t)type;
  out->rank = (int32_t)rank;
  for (int i = 0; i < out->rank; i++) {
    out->shape[i] = (int64_t)hgl_read_u64(reader);
    if (out->shape[i] < -1) return false;
  }
  return !reader->failed && *out->name && hgl_utf8_valid(hgl_text(out->name));
}

static int read_infos(struct hgl_reader *reader, struct haggle_tensor_info **out, size_t *out_count,
                      struct hgl_err *err)
{
  uint64_t count = hgl_read_u64(reader);
  if (count > HGL_PROCESS_TENSORS_MAX)
    return hgl_fail(err, HGL_MALFORMED, "more than %d tensors", HGL_PROCESS_TENSORS_MAX);
  *out = hgl_array(count, sizeof **out);
  if (!*out) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out_count = count;
  for (size_t i = 0; i < count; i++)
    if (!read_info(reader, &(*out)[i]))
      return hgl_fail(err, HGL_MALFORMED, "a tensor is described that cannot be");
  return 0;
}

static int read_model(struct hgl_reader *reader, struct hgl_process_about *about,
                      struct hgl_err *err)
{
  struct haggle_model_info *info = &about->info;
  *info = (struct haggle_model_info){.size = sizeof *info};
  info->kind = (int32_t)hgl_read_u64(reader);
  info->device = hgl_read_text(reader);
  info->note = hgl_read_text(reader);
  if (!*info->note) info->note = NULL;
  info->batch_max = (uint32_t)hgl_read_u64(reader);
  info->parallel = (uint32_t)hgl_read_u64(reader);
  info->batched = (int32_t)hgl_read_u64(reader);
  info->tasks = (uint32_t)hgl_read_u64(reader);
  info->context = (uint32_t)hgl_read_u64(reader);
  if (info->kind != HAGGLE_TENSORS && info->kind != HAGGLE_LANGUAGE)
    return hgl_fail(err, HGL_MALFORMED, "a model of no kind");
  int status = read_infos(reader, &about->inputs, &info->input_count, err);
  if (status == 0) status = read_infos(reader, &about->outputs, &info->output_count, err);
  if (status) return status;
  info->inputs = about->inputs;
  info->outputs = about->outputs;
  if (!hgl_read_all(reader) || !hgl_utf8_valid(hgl_text(info->device)) ||
      (info->note && !hgl_utf8_valid(hgl_text(info->note))))
    return hgl_fail(err, HGL_MALFORMED, "a description that cannot be read");
  return 0;
}

int hgl_read_about(struct hgl_buf *text, size_t skip, struct hgl_process_about *out,
                   struct hgl_err *err)
{
  struct hgl_process_about about = {.text = *text};
  hgl_buf_init(text, text->size_max);
  struct hgl_reader reader = hgl_reader_of(hgl_buf_bytes(&about.text));
  take(&reader, skip);
  int status = read_model(&reader, &about, err);
  if (status == 0)
    *out = about;
  else
    hgl_process_about_deinit(&about);
  return status;
}

void hgl_process_about_deinit(struct hgl_process_about *about)
{
  hgl_free(about->inputs);
  hgl_free(about->outputs);
  hgl_buf_deinit(&about->text);
  *about = (struct hgl_process_about){0};
}

static bool same_infos(const struct haggle_tensor_info *a, size_t a_count,
                       const struct haggle_tensor_info *b, size_t b_count)
{
  bool same = a_count == b_count;
  for (size_t i = 0; same && i < a_count; i++)
    same = strcmp(a[i].name, b[i].name) == 0 && a[i].type == b[i].type && a[i].rank == b[i].rank &&
           memcmp(a[i].shape, b[i].shape, sizeof a[i].shape) == 0;
  return same;
}

bool hgl_process_about_same(const struct hgl_process_about *a, const struct hgl_process_about *b)
{
  const struct haggle_model_info *x = &a->info, *y = &b->info;
  return x->kind == y->kind && x->batched == y->batched && x->tasks == y->tasks &&
         same_infos(x->inputs, x->input_count, y->inputs, y->input_count) &&
         same_infos(x->outputs, x->output_count, y->outputs, y->output_count);
}

/* Statistics ------------------------------------------------------------------------------------
 */

void hgl_write_stats(struct hgl_buf *out, const struct haggle_model_stats *stats)
{
  hgl_buf_append(out, stats, sizeof *stats);
}

void hgl_read_stats(struct hgl_reader *reader, struct haggle_model_stats *out)
{
  const uint8_t *at = take(reader, sizeof *out);
  if (at) memcpy(out, at, sizeof *out);
  out->size = sizeof *out;
}
