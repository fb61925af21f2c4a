/* What the two halves of reading a network share: dense_read.c goes over its description,
 * dense_layers.c makes steps of layers. */
#ifndef HGL_INFER_DENSE_READ_H
#define HGL_INFER_DENSE_READ_H

#include <jansson.h>

#include "infer/dense_net.h"

/* What holds the activations of the layer before: read by whatever comes next, and perhaps later by
 * the end of a residual or by other outputs. */
struct hgl_dense_value {
  int place; /* a register */
  size_t width;
};

enum { HGL_DENSE_REGISTERS_MAX = HGL_DENSE_NESTED_MAX + 4 };

struct hgl_dense_reader {
  const struct hgl_safetensors *file;
  struct hgl_dense_net *net;
  struct hgl_err *err;
  size_t step_capacity, parameter_capacity, layers;
  bool *used; /* tensors, in the file's order */
  struct {
    size_t width; /* the largest that was in it */
    unsigned readers;
  } registers[HGL_DENSE_REGISTERS_MAX];
};

/* The members of an object are among these (ending with NULL); `what` names it in the error. */
int hgl_dense_members(const json_t *object, const char *what, const char *const *known,
                      struct hgl_err *err) HGL_NODISCARD;
/* A text member; "" and 0 when it is left out. */
int hgl_dense_text(const json_t *object, const char *member, const char **out,
                   struct hgl_err *err) HGL_NODISCARD;

/* A vector parameter named by a member, into `out`, with `width` floats. Left out: `otherwise`. */
int hgl_dense_vector(struct hgl_dense_reader *reader, const json_t *object, const char *member,
                     size_t width, float otherwise, float *out) HGL_NODISCARD;
/* Room for `count` more parameters, zeroed; NULL: an error was set. Moves those before. */
float *hgl_dense_room(struct hgl_dense_reader *reader, size_t count,
                      uint32_t *offset) HGL_NODISCARD;
/* Registers are numbers until the steps are complete. */
int hgl_dense_add_step(struct hgl_dense_reader *reader,
                       const struct dense_step *step) HGL_NODISCARD;

/* Applies a list of layers to *value. */
int hgl_dense_layers(struct hgl_dense_reader *reader, const json_t *list, unsigned nested,
                     struct hgl_dense_value *value) HGL_NODISCARD;
/* Where a step that reads `value` may write: over it, unless others read it too. */
int hgl_dense_target(struct hgl_dense_reader *reader, const struct hgl_dense_value *value);
/* One step that keeps the width; for the ends of outputs. */
int hgl_dense_apply(struct hgl_dense_reader *reader, enum dense_kind kind, float number,
                    struct hgl_dense_value *value) HGL_NODISCARD;
void hgl_dense_release(struct hgl_dense_reader *reader, const struct hgl_dense_value *value);

#endif
