/* A network of dense layers, read from a .safetensors file whose __metadata__ describes it
 * (runtime/infer/DENSE.md) and laid out for its back ends (dense_steps.h). It does not change once
 * it was read, so any number of threads may use it. */
#ifndef HGL_INFER_DENSE_NET_H
#define HGL_INFER_DENSE_NET_H

#include "base/err.h"
#include "infer/dense_steps.h"
#include "infer/safetensors.h"

enum {
  HGL_DENSE_INPUTS_MAX = 64,
  HGL_DENSE_OUTPUTS_MAX = 64,
  HGL_DENSE_LAYERS_MAX = 1024,  /* of all lists */
  HGL_DENSE_WIDTH_MAX = 16384,  /* of a layer, and of all inputs together */
  HGL_DENSE_NESTED_MAX = 8,     /* residuals in residuals */
  HGL_DENSE_NAME_SIZE_MAX = 64, /* of inputs and outputs */
  HGL_DENSE_PARAMETERS_MAX = 1 << 28,
};

struct hgl_dense_input {
  char name[HGL_DENSE_NAME_SIZE_MAX + 1];
  size_t width;
};

struct hgl_dense_output {
  char name[HGL_DENSE_NAME_SIZE_MAX + 1];
  size_t width;
  bool is_index; /* argmax: of its `width` numbers the index of the greatest, the first of equals */
};

struct hgl_dense_net {
  struct hgl_dense_input inputs[HGL_DENSE_INPUTS_MAX];
  struct hgl_dense_output outputs[HGL_DENSE_OUTPUTS_MAX];
  size_t input_count, output_count;
  size_t input_width;  /* of all */
  size_t output_width; /* of all, those that become an index too */
  struct dense_step *steps;
  size_t step_count;
  float *parameters; /* at a multiple of 64 bytes */
  size_t parameter_count;
  void *parameters_at; /* what to free */
  size_t workspace;    /* floats of a row */
  size_t multiplies;   /* of a row */
};

/* Errors name the layer and what to change. */
int hgl_dense_net_read(const struct hgl_safetensors *file, struct hgl_dense_net **out,
                       struct hgl_err *err) HGL_NODISCARD;
void hgl_dense_net_destroy(struct hgl_dense_net *net); /* NULL is allowed */

/* Memory at a multiple of 64 bytes, zeroed; *at is what hgl_free gets. NULL: there is none. */
float *hgl_dense_floats(size_t count, void **at) HGL_NODISCARD;

#endif
