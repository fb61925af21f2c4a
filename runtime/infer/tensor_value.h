/* Tensors as agents have them: encoded values. A tensor is a nested list of numbers, as deep as its
 * rank (a text for texts, true or false for booleans; of rank 0, the thing itself), or a map of
 * `shape` and `data`, the bytes as haggle_infer.h has them. Where a model is batched, the first
 * axis may be left out of all inputs: that is one row, and the outputs have no such axis either.
 *
 * Any thread. */
#ifndef HGL_INFER_TENSOR_VALUE_H
#define HGL_INFER_TENSOR_VALUE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "infer/haggle_infer.h"

enum { HGL_TENSORS_MAX = 64 }; /* inputs or outputs of one model */

struct infer_tensor_spec {
  const char *name; /* the engine's */
  int32_t type, rank;
  int64_t shape[HAGGLE_RANK_MAX]; /* -1: any */
};

struct infer_spec {
  struct infer_tensor_spec inputs[HGL_TENSORS_MAX], outputs[HGL_TENSORS_MAX];
  size_t input_count, output_count;
  uint8_t output_order[HGL_TENSORS_MAX]; /* as an encoded map has them */
  bool batched;
};

/* "f32"; "?" for none of the types. */
const char *hgl_tensor_type_name(int32_t type);
/* Bytes of one element; 0: no such type. */
size_t hgl_tensor_type_size(int32_t type);
/* "[any, 4]". */
void hgl_tensor_shape_text(const int64_t *shape, int32_t rank, char *out, size_t room);

/* What a model says of itself, copied and judged. `what`: "input" or "output". */
int hgl_tensor_specs_read(const struct haggle_tensor_info *infos, size_t count, bool batched,
                          const char *what, struct infer_tensor_spec *out,
                          struct hgl_err *err) HGL_NODISCARD;
void hgl_tensor_outputs_sort(struct infer_spec *spec);

/* Where the inputs are in a value. */
struct hgl_tensors_found {
  struct {
    struct hgl_bytes value;
    int64_t shape[HAGGLE_RANK_MAX];
    size_t count; /* of elements */
    size_t text_size;
    bool raw;
  } inputs[HGL_TENSORS_MAX];
  bool single;  /* the axis of the batch was left out */
  int64_t rows; /* of a batched model, else 1 */
  size_t size;  /* bytes that hgl_tensors_fill needs */
};

/* Looks through a value: everything is checked. HGL_INVALID names input and place. */
int hgl_tensors_find(const struct infer_spec *spec, struct hgl_bytes value,
                     struct hgl_tensors_found *found, struct hgl_err *err) HGL_NODISCARD;
/* The same without a look at each number, which hgl_tensors_fill has, too. */
int hgl_tensors_locate(const struct infer_spec *spec, struct hgl_bytes value,
                       struct hgl_tensors_found *found, struct hgl_err *err) HGL_NODISCARD;
/* Into `memory`, of found->size bytes, aligned as for malloc. HGL_INVALID as hgl_tensors_find, and
 * only where that was not asked. */
int hgl_tensors_fill(const struct infer_spec *spec, const struct hgl_tensors_found *found,
                     uint8_t *memory, struct haggle_tensor *out, struct hgl_err *err) HGL_NODISCARD;

/* What an engine gave, as a map of nested lists. Trusts nothing but that the pointers lead to as
 * many bytes as they say: HGL_MALFORMED names the output and what is wrong with it. HGL_TOO_LARGE.
 */
int hgl_tensors_to_value(const struct infer_spec *spec, const struct haggle_tensor *outputs,
                         size_t count, int64_t rows, bool single, struct hgl_buf *out,
                         struct hgl_err *err) HGL_NODISCARD;

#endif
