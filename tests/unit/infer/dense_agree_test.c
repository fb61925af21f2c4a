/* What networks compute: compared with double precision, and bit by bit between batches, threads
 * and kinds of processors. */
#include "support/dense_compare.h"

#include <stdio.h>

/* Of 1 and the exact value. Sums of a hundred products, a few layers of them one after the other.
 */
#define TOLERANCE 1e-4

enum { NETWORKS = 300, ROWS_MAX = 1024 };

struct outputs {
  float *all;
  float *of[HGL_DENSE_OUTPUTS_MAX];
  size_t size; /* bytes */
};

static void outputs_make(struct outputs *outputs, const struct hgl_dense_net *net, size_t rows)
{
  outputs->size = rows * net->output_width * sizeof(float);
  outputs->all = malloc(outputs->size);
  assert_non_null(outputs->all);
  float *at = outputs->all;
  for (size_t i = 0; i < net->output_count; at += rows * net->outputs[i++].width)
    outputs->of[i] = at;
}

static void run(const struct hgl_dense_net *net, const struct hgl_dense_kernels *kernels,
                unsigned threads, const float *inputs, size_t rows, struct outputs *outputs)
{
  struct hgl_err err = {0};
  struct hgl_dense_cpu *cpu = NULL;
  assert_ok(hgl_dense_cpu_create(net, kernels, threads, &cpu, &err));
  hgl_dense_cpu_run(cpu, inputs, rows, outputs->of);
  hgl_dense_cpu_destroy(cpu);
}

static float *random_rows(const struct hgl_dense_net *net, size_t rows, uint64_t seed)
{
  float *inputs = malloc(rows * net->input_width * sizeof *inputs);
  assert_non_null(inputs);
  for (size_t i = 0; i < rows * net->input_width; i++) inputs[i] = 2 * network_number(&seed);
  return inputs;
}

/* The largest difference, of 1 and the exact value. */
static double compare_row(const struct network *network, const float *row,
                          const struct outputs *outputs, size_t number)
{
  double exact[NETWORK_HEADS][256], worst = 0;
  double *of[] = {exact[0], exact[1], exact[2]};
  network_compute(network, row, of);
  for (size_t h = 0; h < network->head_count; h++) {
    size_t width = network->heads[h].list.out;
    for (size_t i = 0; i < width; i++) {
      double got = (double)outputs->of[h][number * width + i];
      double off = fabs(got - exact[h][i]) / (1 + fabs(exact[h][i]));
      if (!(off <= worst)) worst = off;
    }
  }
  return worst;
}

static void networks_of_all_layers_agree_with_double_precision(void **unused)
{
  double worst = 0;
  for (uint64_t seed = 1; seed <= NETWORKS; seed++) {
    struct network network;
    struct outputs outputs;
    network_random(&network, seed);
    size_t rows = seed % 20 == 0 ? ROWS_MAX : 1 + seed * seed % 37;
    struct hgl_dense_net *net = network_read(&network);
    float *inputs = random_rows(net, rows, seed);
    for (unsigned k = 0; hgl_dense_kernels_at(k); k++) {
      outputs_make(&outputs, net, rows);
      run(net, hgl_dense_kernels_at(k), 1, inputs, rows, &outputs);
      for (size_t row = 0; row < rows; row += 1 + rows / 40) {
        double off = compare_row(&network, inputs + row * net->input_width, &outputs, row);
        if (!(off <= TOLERANCE))
          fail_msg("seed %d, row %zu, %s: %g off: %s", (int)seed, row,
                   hgl_dense_kernels_at(k)->name, off, network.description);
        if (off > worst) worst = off;
      }
      free(outputs.all);
    }
    free(inputs);
    hgl_dense_net_destroy(net);
    network_free(&network);
  }
  printf("largest difference: %.3g\n", worst);
}

/* Each row alone, and all batches of the first rows. */
static void a_row_does_not_depend_on_its_batch(void **unused)
{
  static const size_t batches[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 63, 64, 65, 200};
  for (uint64_t seed = 1; seed <= 60; seed++) {
    struct network network;
    struct outputs whole, part;
    network_random(&network, seed);
    struct hgl_dense_net *net = network_read(&network);
    float *inputs = random_rows(net, 200, seed);
    for (unsigned k = 0; hgl_dense_kernels_at(k); k++) {
      outputs_make(&whole, net, 200);
      run(net, hgl_dense_kernels_at(k), 1, inputs, 200, &whole);
      for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        size_t first = (seed + b) % (201 - batches[b]);
        outputs_make(&part, net, batches[b]);
        run(net, hgl_dense_kernels_at(k), 1, inputs + first * net->input_width, batches[b], &part);
        for (size_t i = 0; i < net->output_count; i++) {
          size_t width = net->outputs[i].width;
          assert_memory_equal(part.of[i], whole.of[i] + first * width,
                              batches[b] * width * sizeof(float));
        }
        free(part.all);
      }
      free(whole.all);
    }
    free(inputs);
    hgl_dense_net_destroy(net);
    network_free(&network);
  }
}

/* Compares those that fuse: the first of them is the best that this machine has. */
static void processors_and_threads_give_the_same_bits(void **unused)
{
  for (uint64_t seed = 1; seed <= 60; seed++) {
    struct network network;
    struct outputs expected, got;
    network_random(&network, seed);
    struct hgl_dense_net *net = network_read(&network);
    float *inputs = random_rows(net, ROWS_MAX, seed);
    outputs_make(&expected, net, ROWS_MAX);
    outputs_make(&got, net, ROWS_MAX);
    run(net, hgl_dense_kernels_best(), 1, inputs, ROWS_MAX, &expected);
    for (unsigned k = 0; hgl_dense_kernels_at(k); k++) {
      if (hgl_dense_kernels_at(k)->is_fused != hgl_dense_kernels_best()->is_fused) continue;
      run(net, hgl_dense_kernels_at(k), 1 + (unsigned)seed % 4, inputs, ROWS_MAX, &got);
      assert_memory_equal(got.all, expected.all, got.size);
    }
    free(expected.all);
    free(got.all);
    free(inputs);
    hgl_dense_net_destroy(net);
    network_free(&network);
  }
}

/* 20,000 rows through a network that is worth it: helpers take part, and each row is done once. */
static void threads_share_large_batches(void **unused)
{
  static const size_t widths[] = {24, 64, 5, 0}, rows = 20000;
  struct network network;
  struct outputs expected, got;
  network_plain(&network, widths, "tanh");
  struct hgl_dense_net *net = network_read(&network);
  float *inputs = random_rows(net, rows, 7);
  outputs_make(&expected, net, rows);
  outputs_make(&got, net, rows);
  run(net, hgl_dense_kernels_best(), 1, inputs, rows, &expected);
  for (unsigned threads = 2; threads <= 5; threads++) {
    struct hgl_err err = {0};
    struct hgl_dense_cpu *cpu = NULL;
    assert_ok(hgl_dense_cpu_create(net, hgl_dense_kernels_best(), threads, &cpu, &err));
    for (int i = 0; i < 20; i++) {
      memset(got.all, 0, got.size);
      hgl_dense_cpu_run(cpu, inputs, rows, got.of);
      assert_memory_equal(got.all, expected.all, got.size);
    }
    hgl_dense_cpu_destroy(cpu);
  }
  free(expected.all);
  free(got.all);
  free(inputs);
  hgl_dense_net_destroy(net);
  network_free(&network);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(networks_of_all_layers_agree_with_double_precision),
      cmocka_unit_test(a_row_does_not_depend_on_its_batch),
      cmocka_unit_test(processors_and_threads_give_the_same_bits),
      cmocka_unit_test(threads_share_large_batches),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
