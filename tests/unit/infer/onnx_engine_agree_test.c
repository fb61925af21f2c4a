/* The dense engine and ONNX Runtime compute the same from the same network: the policy of the
 * market, and networks of every kind of layer that are written both ways. */
#include "unit/infer/onnx_fixture.h"

#include "infer/dense.h"
#include "support/dense_network.h"

/* Of 1 and the number. Both add in single precision, in different orders, through a dozen layers
 * (seen: 6e-6, and 1.3e-5 of the market's). */
#define TOLERANCE 5e-5

enum { NETWORKS = 250, MARKET_ROWS = 20000 };

static const struct haggle_engine *dense;

/* A network as ONNX ------------------------------------------------------------------------------
 */

/* Values are called v0, v1, … in the order that they are written in. */
struct writer {
  struct onnx_file file;
  int count;
};

static int put(struct writer *writer, const char *operator_name, int left, int right)
{
  char inputs[32], output[16];
  snprintf(inputs, sizeof inputs, right < 0 ? "v%d" : "v%d v%d", left, right);
  snprintf(output, sizeof output, "v%d", writer->count);
  onnx_file_node(&writer->file, operator_name, inputs, output);
  return writer->count++;
}

static int put_numbers(struct writer *writer, const char *axes, size_t count, const float *numbers)
{
  char name[16];
  snprintf(name, sizeof name, "v%d", writer->count);
  onnx_file_floats(&writer->file, name, axes, count, numbers);
  return writer->count++;
}

static int put_vector(struct writer *writer, size_t width, const float *numbers)
{
  char axes[16];
  snprintf(axes, sizeof axes, "%zu", width);
  return put_numbers(writer, axes, width, numbers);
}

static int put_scalar(struct writer *writer, double number)
{
  float single = (float)number;
  return put_numbers(writer, "", 1, &single);
}

static int put_scaled(struct writer *writer, int x, double factor)
{
  return put(writer, "Mul", x, put_scalar(writer, factor));
}

static int put_linear(struct writer *writer, const struct network_layer *layer, int x)
{
  char axes[32];
  float *across = calloc(layer->in * layer->out, sizeof *across);
  assert_non_null(across);
  for (size_t o = 0; o < layer->out; o++)
    for (size_t i = 0; i < layer->in; i++)
      across[i * layer->out + o] = layer->weight[o * layer->in + i];
  snprintf(axes, sizeof axes, "%zu %zu", layer->in, layer->out);
  x = put(writer, "MatMul", x, put_numbers(writer, axes, layer->in * layer->out, across));
  free(across);
  return layer->bias ? put(writer, "Add", x, put_vector(writer, layer->out, layer->bias)) : x;
}

/* Where x is above 0, itself; elsewhere `below` of it, which is 0 for 0. */
static int put_halves(struct writer *writer, int x, int below)
{
  return put(writer, "Add", put(writer, "Relu", x, -1), below);
}

static int put_activation(struct writer *writer, const struct network_layer *layer, int x)
{
  static const struct {
    const char *type, *operator_name;
  } plain[] = {{"relu", "Relu"},
               {"tanh", "Tanh"},
               {"sigmoid", "Sigmoid"},
               {"softplus", "Softplus"},
               {"identity", "Identity"}};
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    if (strcmp(layer->type, plain[i].type) == 0) return put(writer, plain[i].operator_name, x, -1);
  if (strcmp(layer->type, "silu") == 0) return put(writer, "Mul", x, put(writer, "Sigmoid", x, -1));
  if (strcmp(layer->type, "gelu") == 0) {
    int part = put(writer, "Erf", put_scaled(writer, x, M_SQRT1_2), -1);
    part = put(writer, "Add", part, put_scalar(writer, 1));
    return put(writer, "Mul", put_scaled(writer, x, 0.5), part);
  }
  if (strcmp(layer->type, "gelu_tanh") == 0) {
    int cube = put(writer, "Mul", put(writer, "Mul", x, x), x);
    int sum = put(writer, "Add", x, put_scaled(writer, cube, 0.044715));
    int part = put(writer, "Tanh", put_scaled(writer, sum, sqrt(2 / M_PI)), -1);
    part = put(writer, "Add", part, put_scalar(writer, 1));
    return put(writer, "Mul", put_scaled(writer, x, 0.5), part);
  }
  int below = put(writer, "Min", x, put_scalar(writer, 0));
  if (strcmp(layer->type, "elu") == 0)
    below = put(writer, "Sub", put(writer, "Exp", below, -1), put_scalar(writer, 1));
  else
    assert_string_equal(layer->type, "leaky_relu");
  return put_halves(writer, x, put_scaled(writer, below, layer->number));
}

static int put_mean(struct writer *writer, size_t width, int x)
{
  char axes[16];
  float *parts = calloc(width, sizeof *parts);
  assert_non_null(parts);
  for (size_t i = 0; i < width; i++) parts[i] = 1 / (float)width;
  snprintf(axes, sizeof axes, "%zu 1", width);
  int mean = put(writer, "MatMul", x, put_numbers(writer, axes, width, parts));
  free(parts);
  return mean;
}

static int put_norm(struct writer *writer, const struct network_layer *layer, int x)
{
  int variance;
  if (strcmp(layer->type, "batch_norm") == 0) {
    x = put(writer, "Sub", x, put_vector(writer, layer->in, layer->mean));
    variance = put_vector(writer, layer->in, layer->variance);
  } else {
    if (strcmp(layer->type, "layer_norm") == 0)
      x = put(writer, "Sub", x, put_mean(writer, layer->in, x));
    variance = put_mean(writer, layer->in, put(writer, "Mul", x, x));
  }
  variance = put(writer, "Add", variance, put_scalar(writer, layer->number));
  x = put(writer, "Div", x, put(writer, "Sqrt", variance, -1));
  if (layer->weight) x = put(writer, "Mul", x, put_vector(writer, layer->in, layer->weight));
  if (layer->bias) x = put(writer, "Add", x, put_vector(writer, layer->in, layer->bias));
  return x;
}

static int put_list(struct writer *writer, const struct network_list *list, int x)
{
  for (size_t i = 0; i < list->count; i++) {
    const struct network_layer *layer = &list->layers[i];
    if (layer->body)
      x = put(writer, "Add", x, put_list(writer, layer->body, x));
    else if (strcmp(layer->type, "linear") == 0)
      x = put_linear(writer, layer, x);
    else if (strstr(layer->type, "_norm"))
      x = put_norm(writer, layer, x);
    else
      x = put_activation(writer, layer, x);
  }
  return x;
}

static int put_inputs(struct writer *writer, const struct network *network)
{
  char names[64] = "", name[16], axes[32];
  for (size_t i = 0; i < network->input_count; i++) {
    snprintf(name, sizeof name, "in%zu", i);
    snprintf(axes, sizeof axes, "n %zu", network->inputs[i]);
    onnx_file_input(&writer->file, name, ONNX_FLOAT, axes);
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s%s", i ? " " : "", name);
  }
  onnx_file_node_with(&writer->file, "Concat", names, "v0", "axis", 1);
  writer->count = 1;
  int x = 0;
  if (network->mean)
    x = put(writer, "Sub", x, put_vector(writer, network->input_width, network->mean));
  if (network->scale)
    x = put(writer, "Div", x, put_vector(writer, network->input_width, network->scale));
  return x;
}

static void network_write_onnx(const struct network *network, const char *path)
{
  struct writer *writer = calloc(1, sizeof *writer);
  assert_non_null(writer);
  int trunk = put_list(writer, &network->trunk, put_inputs(writer, network));
  for (size_t i = 0; i < network->head_count; i++) {
    const struct network_head *head = &network->heads[i];
    static const char *const ends[][2] = {{"none", "Identity"},   {"softmax", "Softmax"},
                                          {"sigmoid", "Sigmoid"}, {"log_softmax", "LogSoftmax"},
                                          {"tanh", "Tanh"},       {"argmax", "ArgMax"}};
    char from[16], to[16], axes[32];
    size_t end = 0;
    while (strcmp(ends[end][0], head->end) != 0) end++;
    bool index = strcmp(head->end, "argmax") == 0;
    snprintf(from, sizeof from, "v%d", put_list(writer, &head->list, trunk));
    snprintf(to, sizeof to, "out%zu", i);
    onnx_file_node_with(&writer->file, ends[end][1], from, to, index ? "axis" : NULL, 1);
    snprintf(axes, sizeof axes, "n %zu", index ? 1 : head->list.out);
    onnx_file_output(&writer->file, to, index ? ONNX_INT64 : ONNX_FLOAT, axes);
  }
  onnx_file_write(&writer->file, path);
  free(writer);
}

/* Comparing --------------------------------------------------------------------------------------
 */

struct pair {
  void *models[2]; /* of dense and of onnx */
};

static struct pair pair_open(const char *safetensors, const char *onnx)
{
  struct pair pair;
  if (engine_open(dense, safetensors, "device=cpu", &pair.models[0], &error) ||
      engine_open(engine, onnx, "device=cpu", &pair.models[1], &error))
    fail_msg("%s", error.message);
  return pair;
}

static void pair_close(struct pair *pair)
{
  dense->close(pair->models[0]);
  engine->close(pair->models[1]);
}

/* Runs `rows` of each input both ways. */
static void pair_run(struct pair *pair, const size_t *inputs, size_t input_count,
                     const float *const *numbers, size_t rows, struct engine_call calls[2])
{
  for (int k = 0; k < 2; k++) {
    calls[k] = (struct engine_call){0};
    for (size_t i = 0; i < input_count; i++) {
      char shape[48];
      snprintf(shape, sizeof shape, "%zu %zu", rows, inputs[i]);
      engine_input(&calls[k], HAGGLE_F32, shape, numbers[i], rows * inputs[i] * sizeof(float));
    }
    engine_run(k ? engine : dense, pair->models[k], &calls[k], 1);
    if (calls[k].status) fail_msg("%d: %s", k, calls[k].message);
  }
  assert_int_equal(calls[0].output_count, calls[1].output_count);
}

/* The largest difference, of 1 and the number. */
static double apart(const struct haggle_tensor *one, const struct haggle_tensor *other)
{
  const float *left = one->data, *right = other->data;
  double worst = 0;
  assert_int_equal(one->type, HAGGLE_F32);
  assert_int_equal(other->type, HAGGLE_F32);
  assert_int_equal(one->data_size, other->data_size);
  for (size_t i = 0; i < one->data_size / sizeof(float); i++) {
    double off = fabs((double)left[i] - (double)right[i]) / (1 + fabs((double)right[i]));
    if (!(off <= worst)) worst = off;
  }
  return worst;
}

/* What an index points to is the greatest; which of two that are as good as equal may differ. */
static void compare_indices(const struct network *network, size_t head, const float *const *numbers,
                            size_t rows, const struct engine_call calls[2])
{
  const int64_t *left = calls[0].outputs[head].data, *right = calls[1].outputs[head].data;
  assert_int_equal(calls[0].outputs[head].type, HAGGLE_I64);
  assert_int_equal(calls[1].outputs[head].data_size, rows * sizeof *right);
  for (size_t row = 0; row < rows; row++) {
    double scores[NETWORK_HEADS][256], *of[] = {scores[0], scores[1], scores[2]};
    float together[256];
    if (left[row] == right[row]) continue;
    for (size_t i = 0, at = 0; i < network->input_count; at += network->inputs[i++])
      memcpy(together + at, numbers[i] + row * network->inputs[i],
             network->inputs[i] * sizeof(float));
    network_compute(network, together, of);
    double off = fabs(scores[head][left[row]] - scores[head][right[row]]);
    assert_true(off <= 2 * TOLERANCE * (1 + fabs(scores[head][left[row]])));
  }
}

static double compare_network(const struct network *network, uint64_t seed)
{
  static const size_t sizes[] = {1, 7, 64};
  char path[256];
  float *numbers[NETWORK_INPUTS] = {NULL};
  double worst = 0;
  snprintf(path, sizeof path, "%s", path_of("both.safetensors"));
  network_write(network, path);
  network_write_onnx(network, path_of("both.onnx"));
  struct pair pair = pair_open(path, path_of("both.onnx"));
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    struct engine_call calls[2];
    for (size_t i = 0; i < network->input_count; i++) {
      size_t count = sizes[k] * network->inputs[i];
      numbers[i] = realloc(numbers[i], count * sizeof(float));
      assert_non_null(numbers[i]);
      for (size_t n = 0; n < count; n++) numbers[i][n] = 2 * network_number(&seed);
    }
    pair_run(&pair, network->inputs, network->input_count, (const float *const *)numbers, sizes[k],
             calls);
    assert_int_equal(calls[0].output_count, network->head_count);
    for (size_t head = 0; head < network->head_count; head++) {
      if (strcmp(network->heads[head].end, "argmax") == 0)
        compare_indices(network, head, (const float *const *)numbers, sizes[k], calls);
      else
        worst = fmax(worst, apart(&calls[0].outputs[head], &calls[1].outputs[head]));
    }
    engine_call_free(&calls[0]);
    engine_call_free(&calls[1]);
  }
  for (size_t i = 0; i < NETWORK_INPUTS; i++) free(numbers[i]);
  pair_close(&pair);
  return worst;
}

/* -----------------------------------------------------------------------------------------------
 */

static void networks_of_any_layers_agree(void **state)
{
  double worst = 0;
  for (uint64_t seed = 1; seed <= NETWORKS; seed++) {
    struct network network;
    network_random(&network, seed);
    double off = compare_network(&network, seed);
    if (!(off <= TOLERANCE)) fail_msg("seed %d: %g: %s", (int)seed, off, network.description);
    worst = fmax(worst, off);
    network_free(&network);
  }
  print_message("           %d networks, at most %.2g apart\n", NETWORKS, worst);
}

static void the_policy_of_the_market_agrees(void **state)
{
  static const size_t sizes[] = {1, 2, 3, 5, 8, 17, 64, 100, 257, 1024};
  enum { FEATURES = 18 };
  const size_t width = FEATURES;
  struct pair pair = pair_open(HGL_SOURCE_DIR "/stdlib/models/market.safetensors",
                               HGL_SOURCE_DIR "/stdlib/models/market.onnx");
  uint64_t chance = 2026;
  double worst = 0;
  float *numbers = calloc(1024 * width, sizeof *numbers);
  assert_non_null(numbers);
  size_t rows = 0;
  for (size_t k = 0; rows < MARKET_ROWS; k = (k + 1) % (sizeof sizes / sizeof *sizes)) {
    struct engine_call calls[2];
    const float *of[] = {numbers};
    /* Features lie between -1 and 1 or so; beyond that, too. */
    for (size_t i = 0; i < sizes[k] * width; i++) numbers[i] = 2 * network_number(&chance);
    pair_run(&pair, &width, 1, of, sizes[k], calls);
    assert_int_equal(calls[0].output_count, 1);
    assert_int_equal(calls[0].outputs[0].data_size, sizes[k] * 12 * sizeof(float));
    worst = fmax(worst, apart(&calls[0].outputs[0], &calls[1].outputs[0]));
    engine_call_free(&calls[0]);
    engine_call_free(&calls[1]);
    rows += sizes[k];
  }
  print_message("           %zu rows, at most %.2g apart\n", rows, worst);
  assert_true(worst > 0 && worst <= TOLERANCE);
  free(numbers);
  pair_close(&pair);
}

static int set_up_both(void **state)
{
  dense = hgl_dense_engine(HAGGLE_INFER_VERSION, &engine_log.host);
  return dense ? set_up(state) : -1;
}

int main(void)
{
  if (access(HGL_BINARY_DIR "/engines/haggle-engine-onnx.so", F_OK) != 0) {
    /* Built without ONNX Runtime's headers. */
    print_message("[==========] 0 test(s) run.\n");
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(networks_of_any_layers_agree),
      cmocka_unit_test(the_policy_of_the_market_agrees),
  };
  return cmocka_run_group_tests(tests, set_up_both, tear_down);
}
