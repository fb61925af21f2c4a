/* The same network on the first GPU, whether real or played, and on the CPU. */
#ifndef HGL_TESTS_DENSE_COMPARE_H
#define HGL_TESTS_DENSE_COMPARE_H

#include <math.h>
#include <stdlib.h>

#include "infer/dense_cpu.h"
#include "infer/dense_cuda.h"
#include "support/check.h"
#include "support/dense_network.h"

static inline struct hgl_dense_net *network_read(const struct network *network)
{
  struct hgl_err err = {0};
  struct hgl_safetensors *file = NULL;
  struct hgl_dense_net *net = NULL;
  size_t size;
  uint8_t *bytes = network_file(network, &size);
  assert_ok(hgl_safetensors_decode(hgl_bytes(bytes, size), &file, &err));
  int status = hgl_dense_net_read(file, &net, &err);
  hgl_safetensors_destroy(file);
  free(bytes);
  if (status) fail_msg("%s", err.message);
  return net;
}

static inline bool same_number(float a, float b, bool is_exact)
{
  uint32_t bits[2];
  memcpy(&bits[0], &a, sizeof a);
  memcpy(&bits[1], &b, sizeof b);
  return is_exact ? bits[0] == bits[1] : fabsf(a - b) <= 1e-4f * (1 + fabsf(b));
}

/* Runs some rows both ways. */
static inline void compare_devices(const struct hgl_dense_net *net, size_t rows, uint64_t seed)
{
  struct hgl_err err = {0};
  struct hgl_dense_cuda *cuda = NULL;
  struct hgl_dense_cpu *cpu = NULL;
  size_t count = rows * net->output_width;
  float *inputs = malloc(rows * net->input_width * sizeof *inputs);
  float *both[2] = {calloc(count, sizeof **both), calloc(count, sizeof **both)};
  float *outputs[2][HGL_DENSE_OUTPUTS_MAX];
  assert_true(inputs && both[0] && both[1]);
  for (size_t i = 0; i < rows * net->input_width; i++) inputs[i] = 2 * network_number(&seed);
  for (size_t i = 0, at = 0; i < net->output_count; at += rows * net->outputs[i++].width) {
    outputs[0][i] = both[0] + at;
    outputs[1][i] = both[1] + at;
  }
  assert_ok(hgl_dense_cpu_create(net, hgl_dense_kernels_best(), 1, &cpu, &err));
  assert_ok(hgl_dense_cuda_create(net, 0, rows, &cuda, &err));
  hgl_dense_cpu_run(cpu, inputs, rows, outputs[0]);
  assert_ok(hgl_dense_cuda_run(cuda, inputs, rows, outputs[1], &err));
  for (size_t i = 0; i < count; i++)
    if (!same_number(both[0][i], both[1][i], hgl_dense_kernels_best()->is_fused))
      fail_msg("%zu rows, number %zu: %.9g, %.9g", rows, i, (double)both[0][i], (double)both[1][i]);
  hgl_dense_cuda_destroy(cuda);
  hgl_dense_cpu_destroy(cpu);
  free(inputs);
  free(both[0]);
  free(both[1]);
}

#endif
