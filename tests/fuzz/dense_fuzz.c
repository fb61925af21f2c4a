// uses: hgl_infer
/* A network that can be read can be run: each row as it would be alone. */
#include <stdlib.h>
#include <string.h>

#include "infer/dense_cpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 5, NUMBERS_MAX = 1 << 16 };

static void run(const struct hgl_dense_net *net)
{
  static float inputs[NUMBERS_MAX], all[NUMBERS_MAX], alone[NUMBERS_MAX];
  float *outputs[HGL_DENSE_OUTPUTS_MAX], *of_one[HGL_DENSE_OUTPUTS_MAX];
  struct hgl_dense_cpu *cpu;
  size_t at = 0;
  if (ROWS * net->input_width > NUMBERS_MAX || ROWS * net->output_width > NUMBERS_MAX) return;
  for (size_t i = 0; i < ROWS * net->input_width; i++) inputs[i] = (float)(i * i % 17) - 8;
  for (size_t i = 0; i < net->output_count; at += net->outputs[i++].width) {
    outputs[i] = all + ROWS * at;
    of_one[i] = alone + at;
  }
  if (hgl_dense_cpu_create(net, hgl_dense_kernels_best(), 1, &cpu, NULL)) abort();
  hgl_dense_cpu_run(cpu, inputs, ROWS, outputs);
  for (size_t row = 0; row < ROWS; row++) {
    hgl_dense_cpu_run(cpu, inputs + row * net->input_width, 1, of_one);
    for (size_t i = 0; i < net->output_count; i++) {
      size_t bytes = net->outputs[i].width * sizeof(float);
      if (memcmp(of_one[i], outputs[i] + row * net->outputs[i].width, bytes) != 0) __builtin_trap();
    }
  }
  hgl_dense_cpu_destroy(cpu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_safetensors *file;
  struct hgl_dense_net *net;
  struct hgl_err err;
  if (hgl_safetensors_decode(hgl_bytes(data, size), &file, &err) != 0) return 0;
  if (hgl_dense_net_read(file, &net, &err) == 0) {
    run(net);
    hgl_dense_net_destroy(net);
  }
  hgl_safetensors_destroy(file);
  return 0;
}
