/* Reads .safetensors files: eight bytes with the length of a header (little-endian), the header (a
 * JSON object: each tensor's name with its type, shape and place, and texts under __metadata__),
 * and the tensors' bytes, one behind the other.
 *
 * Everything is checked before anything is believed: the header lies within the file and its limit,
 * no name stands twice, the size of each tensor follows from its shape and type, and the tensors
 * cover the rest of the file without gap or overlap. Data is copied out bytewise, so that where it
 * lies in the file does not matter. Any thread, one at a time for each object. */
#ifndef HGL_INFER_SAFETENSORS_H
#define HGL_INFER_SAFETENSORS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
  HGL_SAFETENSORS_HEADER_MAX = 4 << 20, /* bytes */
  HGL_SAFETENSORS_TENSORS_MAX = 1 << 14,
  HGL_SAFETENSORS_RANK_MAX = 8,
};
#define HGL_SAFETENSORS_FILE_MAX ((size_t)2 << 30)

struct hgl_safetensor {
  const char *name; /* ends with a NUL, and holds none */
  const char *type; /* "F32" */
  unsigned rank;    /* 0: a single value */
  size_t shape[HGL_SAFETENSORS_RANK_MAX];
  size_t count; /* of elements */
  struct hgl_bytes data;
};

struct hgl_safetensors;

/* Reads the whole file. HGL_NOT_FOUND, HGL_IO, HGL_TOO_LARGE, HGL_TRUNCATED, HGL_MALFORMED. */
int hgl_safetensors_load(const char *path, struct hgl_safetensors **out,
                         struct hgl_err *err) HGL_NODISCARD;
/* The bytes are borrowed until hgl_safetensors_destroy. */
int hgl_safetensors_decode(struct hgl_bytes file, struct hgl_safetensors **out,
                           struct hgl_err *err) HGL_NODISCARD;
void hgl_safetensors_destroy(struct hgl_safetensors *file); /* NULL is allowed */

/* In the order in which they lie in the file. */
size_t hgl_safetensors_count(const struct hgl_safetensors *file);
const struct hgl_safetensor *hgl_safetensors_at(const struct hgl_safetensors *file, size_t index);
/* NULL: there is none. */
const struct hgl_safetensor *hgl_safetensors_find(const struct hgl_safetensors *file,
                                                  const char *name);
/* A text of __metadata__; its data is NULL when there is none. */
struct hgl_bytes hgl_safetensors_metadata(const struct hgl_safetensors *file, const char *key);

/* Whether its elements can become floats: F64, F32, F16, BF16. */
bool hgl_safetensor_is_real(const struct hgl_safetensor *tensor);
/* All elements, in order; F64 is rounded to the nearest. */
void hgl_safetensor_floats(const struct hgl_safetensor *tensor, float *out);

#endif
