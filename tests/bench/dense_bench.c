/* Measures the dense engine on the CPU: microseconds a row for some networks and batch sizes, of
 *   naive     the same network as plain loops over rows of weights, compiled with -O2
 *   AVX…      the network alone, with each kind of registers that this processor has
 *   cuda      the network on the first GPU, when there is one, copies and all
 *   engine    all that a host pays: requests of one row each, packed, run, checked, answered
 * in turns, so that all have the same machine; the best of many turns each.
 *
 *   runtime/build build/release -- dense_bench && build/release/tests/dense_bench */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "infer/dense.h"
#include "infer/dense_cpu.h"
#include "infer/dense_cuda.h"
#include "support/dense_network.h"

enum { ROWS_MAX = 1024, TURNS = 40, WAYS_MAX = 6 };

static double now_us(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

/* Naive --------------------------------------------------------------------------------------- */

static void naive_list(const struct network_list *list, float *x)
{
  for (size_t l = 0; l < list->count; l++) {
    const struct network_layer *layer = &list->layers[l];
    if (!layer->weight) {
      for (size_t i = 0; i < layer->in; i++) x[i] = tanhf(x[i]);
      continue;
    }
    float before[512];
    memcpy(before, x, layer->in * sizeof *x);
    for (size_t o = 0; o < layer->out; o++) {
      float sum = layer->bias ? layer->bias[o] : 0;
      for (size_t i = 0; i < layer->in; i++) sum += layer->weight[o * layer->in + i] * before[i];
      x[o] = sum;
    }
  }
}

static void naive(const struct network *network, const float *rows, size_t count, float *out)
{
  for (size_t row = 0; row < count; row++) {
    float trunk[512], x[512];
    memcpy(trunk, rows + row * network->input_width, network->input_width * sizeof *trunk);
    naive_list(&network->trunk, trunk);
    for (size_t h = 0; h < network->head_count; h++) {
      size_t width = network->heads[h].list.out;
      float greatest = -INFINITY, sum = 0;
      memcpy(x, trunk, network->trunk.out * sizeof *x);
      naive_list(&network->heads[h].list, x);
      for (size_t i = 0; i < width; i++) greatest = fmaxf(greatest, x[i]);
      for (size_t i = 0; i < width && h == 0; i++) sum += x[i] = expf(x[i] - greatest);
      for (size_t i = 0; i < width; i++) *out++ = h == 0 ? x[i] / sum : x[i];
    }
  }
}

/* Engine -------------------------------------------------------------------------------------- */

struct engine {
  const struct haggle_engine *engine;
  void *model;
  struct haggle_tensor tensors[ROWS_MAX];
  struct haggle_request requests[ROWS_MAX];
  const struct haggle_request *list[ROWS_MAX];
};

static void finish(void *host, const struct haggle_request *request,
                   const struct haggle_result *result)
{
  if (result->status != HAGGLE_OK) abort();
}

static void open_engine(struct engine *engine, const struct network *network, const float *rows)
{
  static const struct haggle_host host = {.size = sizeof host, .version = HAGGLE_INFER_VERSION};
  static const struct haggle_option options[] = {{"device", "cpu"}};
  char path[] = "/tmp/haggle-bench-XXXXXX";
  int fd = mkstemp(path);
  if (fd < 0) abort();
  close(fd);
  network_write(network, path);
  struct haggle_source source = {
      .size = sizeof source, .name = "bench", .file = path, .options = options, .option_count = 1};
  struct haggle_error error;
  engine->engine = hgl_dense_engine(HAGGLE_INFER_VERSION, &host);
  if (engine->engine->open(&source, &engine->model, &error) != HAGGLE_OK) abort();
  unlink(path);
  for (size_t i = 0; i < ROWS_MAX; i++) {
    engine->tensors[i] = (struct haggle_tensor){.size = sizeof *engine->tensors,
                                                .type = HAGGLE_F32,
                                                .rank = 2,
                                                .shape = {1, (int64_t)network->input_width},
                                                .data = rows + i * network->input_width};
    engine->requests[i] = (struct haggle_request){.size = sizeof *engine->requests,
                                                  .id = i + 1,
                                                  .inputs = &engine->tensors[i],
                                                  .input_count = 1,
                                                  .rows = 1};
    engine->list[i] = &engine->requests[i];
  }
}

/* Measuring ----------------------------------------------------------------------------------- */

struct bench {
  struct network network;
  struct hgl_dense_net *net;
  struct engine engine;
  float *rows, *out;
  struct hgl_dense_cpu *cpus[WAYS_MAX];
  struct hgl_dense_cuda *cuda;
  const char *names[WAYS_MAX];
  size_t ways;
};

static void run_way(struct bench *bench, size_t way, size_t rows)
{
  float *outputs[] = {bench->out, bench->out + rows * bench->net->outputs[0].width};
  struct haggle_batch batch = {
      .size = sizeof batch, .requests = bench->engine.list, .count = rows, .finish = finish};
  if (way == 0) {
    naive(&bench->network, bench->rows, rows, bench->out);
  } else if (bench->cpus[way]) {
    hgl_dense_cpu_run(bench->cpus[way], bench->rows, rows, outputs);
  } else if (strcmp(bench->names[way], "cuda") == 0) {
    if (hgl_dense_cuda_run(bench->cuda, bench->rows, rows, outputs, NULL)) abort();
  } else {
    bench->engine.engine->run(bench->engine.model, &batch);
  }
}

static void measure(struct bench *bench, size_t rows)
{
  double best[WAYS_MAX];
  size_t repeat = 1 + 4096 / rows;
  for (size_t way = 0; way < bench->ways; way++) best[way] = 1e30;
  for (int turn = 0; turn < TURNS; turn++) {
    for (size_t way = 0; way < bench->ways; way++) {
      double started = now_us();
      for (size_t i = 0; i < repeat; i++) run_way(bench, way, rows);
      double took = (now_us() - started) / (double)(repeat * rows);
      if (took < best[way]) best[way] = took;
    }
  }
  printf("%6zu", rows);
  for (size_t way = 0; way < bench->ways; way++) printf(" %12.3f", best[way]);
  printf("   %.1f times as fast as naive\n", best[0] / best[1]);
}

static struct hgl_dense_net *read_network(const struct network *network)
{
  size_t size;
  struct hgl_safetensors *file;
  struct hgl_dense_net *net;
  uint8_t *bytes = network_file(network, &size);
  if (hgl_safetensors_decode(hgl_bytes(bytes, size), &file, NULL) ||
      hgl_dense_net_read(file, &net, NULL))
    abort();
  hgl_safetensors_destroy(file);
  free(bytes);
  return net;
}

static void bench_network(const char *name, const size_t *widths)
{
  static struct bench bench;
  uint64_t chance = 1;
  bench = (struct bench){.ways = 1, .names = {"naive"}};
  network_plain(&bench.network, widths, "tanh");
  bench.net = read_network(&bench.network);
  bench.rows = malloc(ROWS_MAX * widths[0] * sizeof(float));
  bench.out = malloc(ROWS_MAX * bench.net->output_width * sizeof(float));
  if (!bench.rows || !bench.out) abort();
  for (size_t i = 0; i < ROWS_MAX * widths[0]; i++) bench.rows[i] = network_number(&chance);
  for (unsigned k = 0; hgl_dense_kernels_at(k); k++) {
    bench.names[bench.ways] = hgl_dense_kernels_at(k)->name;
    if (hgl_dense_cpu_create(bench.net, hgl_dense_kernels_at(k), 1, &bench.cpus[bench.ways++],
                             NULL))
      abort();
  }
  if (hgl_dense_cuda_create(bench.net, 0, ROWS_MAX, &bench.cuda, NULL) == 0)
    bench.names[bench.ways++] = "cuda";
  open_engine(&bench.engine, &bench.network, bench.rows);
  bench.names[bench.ways++] = "engine";
  printf("%s, tanh: microseconds a row\n  rows", name);
  for (size_t way = 0; way < bench.ways; way++) printf(" %12.12s", bench.names[way]);
  printf("\n");
  for (size_t rows = 1; rows <= ROWS_MAX; rows *= rows == 64 ? 16 : 8) measure(&bench, rows);
  bench.engine.engine->close(bench.engine.model);
  for (size_t way = 0; way < bench.ways; way++) hgl_dense_cpu_destroy(bench.cpus[way]);
  hgl_dense_cuda_destroy(bench.cuda);
  hgl_dense_net_destroy(bench.net);
  network_free(&bench.network);
  free(bench.rows);
  free(bench.out);
}

int main(void)
{
  bench_network("24 > 64 > 64 > 5 + 1", (size_t[]){24, 64, 64, 5, 0});
  bench_network("64 > 256 > 256 > 16 + 1", (size_t[]){64, 256, 256, 16, 0});
  return 0;
}
