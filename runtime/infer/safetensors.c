#include "infer/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "infer/half.h"
#include "protocol/value.h"

enum { LENGTH_SIZE = 8, NAME_SHOWN = 100 };

struct hgl_safetensors {
  uint8_t *owned; /* the file, when it was loaded */
  json_t *header; /* which holds the names */
  struct hgl_safetensor *tensors;
  const struct hgl_safetensor **by_name;
  size_t count;
};

static const struct {
  const char *name;
  size_t size;
} types[] = {
    {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8},     {"I64", 8},
    {"I32", 4}, {"I16", 2}, {"I8", 1},   {"U64", 8},     {"U32", 4},
    {"U16", 2}, {"U8", 1},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1},
};

/* Decoding ------------------------------------------------------------------------------------ */

static int fail_at(const char *name, struct hgl_err *err, const char *what)
{
  return hgl_fail(err, HGL_MALFORMED, "tensor '%.*s': %s", NAME_SHOWN, name, what);
}

/* A length or offset: an integer that is not negative. */
static bool read_size(const json_t *json, size_t *out)
{
  if (!json_is_integer(json) || json_integer_value(json) < 0) return false;
  *out = (size_t)json_integer_value(json);
  return true;
}

static int read_shape(const json_t *shape, struct hgl_safetensor *out, struct hgl_err *err)
{
  if (!json_is_array(shape)) return fail_at(out->name, err, "its shape is no list");
  if (json_array_size(shape) > HGL_SAFETENSORS_RANK_MAX)
    return fail_at(out->name, err, "it has more than 8 axes");
  out->rank = (unsigned)json_array_size(shape);
  out->count = 1;
  for (unsigned i = 0; i < out->rank; i++) {
    if (!read_size(json_array_get(shape, i), &out->shape[i]))
      return fail_at(out->name, err, "its shape holds something that is no length");
    if (__builtin_mul_overflow(out->count, out->shape[i], &out->count))
      return fail_at(out->name, err, "its shape has more elements than there can be");
  }
  return 0;
}

static int read_type(const json_t *type, struct hgl_safetensor *out, size_t *size,
                     struct hgl_err *err)
{
  const char *name = json_string_value(type);
  if (!name) return fail_at(out->name, err, "its dtype is no text");
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (strcmp(types[i].name, name) != 0) continue;
    out->type = types[i].name;
    *size = types[i].size;
    return 0;
  }
  return fail_at(out->name, err, "its dtype is unknown");
}

static int read_place(const json_t *offsets, size_t size, struct hgl_bytes data,
                      struct hgl_safetensor *out, struct hgl_err *err)
{
  size_t start, end, expected;
  if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &start) ||
      !read_size(json_array_get(offsets, 1), &end))
    return fail_at(out->name, err, "its data_offsets are not [start, end]");
  if (start > end) return fail_at(out->name, err, "its data ends before it starts");
  if (end > data.size)
    return hgl_fail(err, HGL_TRUNCATED, "tensor '%.*s' ends at byte %zu of %zu: a part is missing",
                    NAME_SHOWN, out->name, end, data.size);
  if (__builtin_mul_overflow(out->count, size, &expected) || expected != end - start)
    return hgl_fail(err, HGL_MALFORMED, "tensor '%.*s' takes %zu bytes, which its shape does not",
                    NAME_SHOWN, out->name, end - start);
  out->data = hgl_bytes(data.data + start, end - start);
  return 0;
}

static int read_tensor(const char *name, const json_t *json, struct hgl_bytes data,
                       struct hgl_safetensor *out, struct hgl_err *err)
{
  size_t size = 0;
  out->name = name;
  if (!json_is_object(json)) return fail_at(name, err, "it is not described by an object");
  if (json_object_size(json) != 3)
    return fail_at(name, err, "it is not described by dtype, shape and data_offsets alone");
  int status = read_type(json_object_get(json, "dtype"), out, &size, err);
  if (!status) status = read_shape(json_object_get(json, "shape"), out, err);
  return status ? status : read_place(json_object_get(json, "data_offsets"), size, data, out, err);
}

static int by_place(const void *a, const void *b)
{
  const struct hgl_safetensor *left = a, *right = b;
  if (left->data.data != right->data.data) return left->data.data < right->data.data ? -1 : 1;
  if (left->data.size != right->data.size) return left->data.size < right->data.size ? -1 : 1;
  return strcmp(left->name, right->name);
}

static int by_name(const void *a, const void *b)
{
  return strcmp((*(const struct hgl_safetensor *const *)a)->name,
                (*(const struct hgl_safetensor *const *)b)->name);
}

/* One behind the other, from the first byte to the last. */
static int check_cover(const struct hgl_safetensors *file, struct hgl_bytes data,
                       struct hgl_err *err)
{
  const uint8_t *end = data.data;
  for (size_t i = 0; i < file->count; i++) {
    const struct hgl_safetensor *tensor = &file->tensors[i];
    if (tensor->data.data < end) return fail_at(tensor->name, err, "it overlaps the one before it");
    if (tensor->data.data > end) return fail_at(tensor->name, err, "a gap lies before it");
    end += tensor->data.size;
  }
  size_t rest = (size_t)(data.data + data.size - end);
  return rest ? hgl_fail(err, HGL_TRAILING, "%zu bytes at the end belong to no tensor", rest) : 0;
}

static int check_metadata(const json_t *metadata, struct hgl_err *err)
{
  json_t *object = (json_t *)metadata; /* jansson's iterators are not const-correct */
  if (metadata && !json_is_object(metadata))
    return hgl_fail(err, HGL_MALFORMED, "__metadata__ is no object");
  for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it))
    if (!json_is_string(json_object_iter_value(it)))
      return hgl_fail(err, HGL_MALFORMED, "__metadata__ holds something that is no text");
  return 0;
}

static int read_header(struct hgl_safetensors *file, struct hgl_bytes data, struct hgl_err *err)
{
  int status = check_metadata(json_object_get(file->header, "__metadata__"), err);
  size_t entries = json_object_size(file->header);
  if (status) return status;
  if (entries > HGL_SAFETENSORS_TENSORS_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "%zu tensors, at most %d are read", entries,
                    HGL_SAFETENSORS_TENSORS_MAX);
  file->tensors = hgl_array(entries, sizeof *file->tensors);
  file->by_name = hgl_array(entries, sizeof(void *));
  if (!file->tensors || !file->by_name) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (void *it = json_object_iter(file->header); it;
       it = json_object_iter_next(file->header, it)) {
    const char *name = json_object_iter_key(it);
    if (strcmp(name, "__metadata__") == 0) continue;
    status = read_tensor(name, json_object_iter_value(it), data, &file->tensors[file->count], err);
    if (status) return status;
    file->count++;
  }
  qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
  for (size_t i = 0; i < file->count; i++) file->by_name[i] = &file->tensors[i];
  qsort(file->by_name, file->count, sizeof(void *), by_name);
  return check_cover(file, data, err);
}

static int parse_header(struct hgl_bytes text, json_t **out, struct hgl_err *err)
{
  if (text.size < 2 || text.data[0] != '{')
    return hgl_fail(err, HGL_MALFORMED, "no header: this is not a .safetensors file");
  int status = hgl_json_parse(text, HGL_SAFETENSORS_HEADER_MAX, out, err);
  return status ? hgl_fail_in(err, "header") : 0;
}

int hgl_safetensors_decode(struct hgl_bytes bytes, struct hgl_safetensors **out,
                           struct hgl_err *err)
{
  uint64_t length = 0;
  if (bytes.size < LENGTH_SIZE)
    return hgl_fail(err, HGL_TRUNCATED, "%zu bytes: this is not a .safetensors file", bytes.size);
  for (int i = LENGTH_SIZE - 1; i >= 0; i--) length = length << 8 | bytes.data[i];
  if (length > HGL_SAFETENSORS_HEADER_MAX)
    return hgl_fail(err, HGL_TOO_LARGE,
                    "a header of %llu bytes, at most %d are read: is this a .safetensors file?",
                    (unsigned long long)length, HGL_SAFETENSORS_HEADER_MAX);
  if (length > bytes.size - LENGTH_SIZE)
    return hgl_fail(err, HGL_TRUNCATED, "the file ends within its header");
  struct hgl_safetensors *file = hgl_zalloc(sizeof *file);
  if (!file) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  struct hgl_bytes text = hgl_bytes(bytes.data + LENGTH_SIZE, (size_t)length);
  struct hgl_bytes data = hgl_bytes(text.data + text.size,
                                    bytes.size - LENGTH_SIZE - (size_t)length);
  int status = parse_header(text, &file->header, err);
  if (!status) status = read_header(file, data, err);
  if (status) {
    hgl_safetensors_destroy(file);
    return status;
  }
  *out = file;
  return 0;
}

/* Files --------------------------------------------------------------------------------------- */

static int read_all(int fd, const char *path, uint8_t *data, size_t size, struct hgl_err *err)
{
  for (size_t done = 0; done < size;) {
    ssize_t got = read(fd, data + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
    if (got == 0) return hgl_fail(err, HGL_TRUNCATED, "%s became shorter while it was read", path);
    done += (size_t)got;
  }
  return 0;
}

/* Read rather than mapped: a file that is cut off while it is mapped ends the process. */
static int read_file(int fd, const char *path, struct hgl_bytes *out, struct hgl_err *err)
{
  struct stat about;
  if (fstat(fd, &about)) return hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
  if (!S_ISREG(about.st_mode)) return hgl_fail(err, HGL_INVALID, "%s is not a file", path);
  size_t size = (size_t)about.st_size;
  if (size > HGL_SAFETENSORS_FILE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "%s has %zu MiB, at most %zu are read", path, size >> 20,
                    HGL_SAFETENSORS_FILE_MAX >> 20);
  uint8_t *data = hgl_alloc(size);
  if (!data) return hgl_fail(err, HGL_NO_MEMORY, "no memory for %s, %zu MiB", path, size >> 20);
  int status = read_all(fd, path, data, size, err);
  if (status) {
    hgl_free(data);
    return status;
  }
  *out = hgl_bytes(data, size);
  return 0;
}

int hgl_safetensors_load(const char *path, struct hgl_safetensors **out, struct hgl_err *err)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return hgl_fail(err, errno == ENOENT ? HGL_NOT_FOUND : HGL_IO, "%s: %s", path, strerror(errno));
  struct hgl_bytes bytes = {0};
  int status = read_file(fd, path, &bytes, err);
  close(fd);
  if (status) return status;
  if (hgl_safetensors_decode(bytes, out, err)) {
    hgl_free((uint8_t *)bytes.data);
    return hgl_fail_in(err, "%s", path);
  }
  (*out)->owned = (uint8_t *)bytes.data;
  return 0;
}

void hgl_safetensors_destroy(struct hgl_safetensors *file)
{
  if (!file) return;
  json_decref(file->header);
  hgl_free(file->tensors);
  hgl_free(file->by_name);
  hgl_free(file->owned);
  hgl_free(file);
}

/* Looking ------------------------------------------------------------------------------------- */

size_t hgl_safetensors_count(const struct hgl_safetensors *file)
{
  return file->count;
}

const struct hgl_safetensor *hgl_safetensors_at(const struct hgl_safetensors *file, size_t index)
{
  return index < file->count ? &file->tensors[index] : NULL;
}

const struct hgl_safetensor *hgl_safetensors_find(const struct hgl_safetensors *file,
                                                  const char *name)
{
  const struct hgl_safetensor wanted = {.name = name}, *key = &wanted;
  const struct hgl_safetensor *const *found = bsearch(&key, file->by_name, file->count,
                                                      sizeof(void *), by_name);
  return found ? *found : NULL;
}

struct hgl_bytes hgl_safetensors_metadata(const struct hgl_safetensors *file, const char *key)
{
  const json_t *text = json_object_get(json_object_get(file->header, "__metadata__"), key);
  return text ? hgl_bytes(json_string_value(text), json_string_length(text)) : hgl_bytes(NULL, 0);
}

bool hgl_safetensor_is_real(const struct hgl_safetensor *tensor)
{
  static const char *const real[] = {"F32", "F64", "F16", "BF16"};
  for (size_t i = 0; i < sizeof real / sizeof *real; i++)
    if (strcmp(real[i], tensor->type) == 0) return true;
  return false;
}

/* Elements: little-endian --------------------------------------------------------------------- */

static uint64_t little_endian(const uint8_t *data, size_t size)
{
  uint64_t value = 0;
  while (size--) value = value << 8 | data[size];
  return value;
}

static float float_of_bits(uint32_t bits)
{
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

void hgl_safetensor_floats(const struct hgl_safetensor *tensor, float *out)
{
  const uint8_t *data = tensor->data.data;
  bool is_brain = tensor->type[0] == 'B';
  size_t size = tensor->count ? tensor->data.size / tensor->count : 0;
  for (size_t i = 0; i < tensor->count; i++, data += size) {
    uint64_t bits = little_endian(data, size);
    double wide;
    switch (size) {
    case 8:
      memcpy(&wide, &bits, sizeof wide);
      out[i] = (float)wide;
      break;
    case 4:
      out[i] = float_of_bits((uint32_t)bits);
      break;
    default:
      out[i] = is_brain ? (float)hgl_bfloat_to((uint16_t)bits) : (float)hgl_half_to((uint16_t)bits);
    }
  }
}
