#include "support/dense_network.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chance -------------------------------------------------------------------------------------- */

uint64_t network_chance(uint64_t *state) /* SplitMix64 */
{
  uint64_t z = (*state += 0x9e3779b97f4a7c15U);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
  z = (z ^ z >> 27) * 0x94d049bb133111ebU;
  return z ^ z >> 31;
}

static size_t pick(struct network *network, size_t count)
{
  return network_chance(&network->chance) % count;
}

float network_number(uint64_t *state)
{
  double a = (double)(network_chance(state) >> 11) * 0x1p-52 - 1;
  return (float)(a * a * a * 2);
}

/* Memory and text ----------------------------------------------------------------------------- */

static void *own(struct network *network, void *memory)
{
  if (!memory || network->owned_count == 2 * NETWORK_TENSORS) abort();
  return network->owned[network->owned_count++] = memory;
}

static void say(char **text, size_t *size, const char *format, ...)
{
  char piece[1024];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(piece, sizeof piece, format, args);
  va_end(args);
  if (length >= (int)sizeof piece || !(*text = realloc(*text, *size + (size_t)length + 1))) abort();
  memcpy(*text + *size, piece, (size_t)length + 1);
  *size += (size_t)length;
}
#define DESCRIBE(...) say(&network->description, &network->description_size, __VA_ARGS__)

/* Tensors ------------------------------------------------------------------------------------- */

/* Rounded to a half; those too small for a normal one become 0. */
static uint16_t half_of(float *number)
{
  int exponent;
  double fraction = frexp(fabs((double)*number), &exponent);
  long digits = lround(fraction * 2048);
  if (digits == 2048) {
    digits = 1024;
    exponent++;
  }
  if (digits == 0 || exponent < -13) {
    *number = 0;
    return 0;
  }
  bool negative = *number < 0;
  *number = (float)ldexp((double)(negative ? -digits : digits), exponent - 11);
  return (uint16_t)((negative ? 0x8000 : 0) | (exponent + 14) << 10 | (digits - 1024));
}

/* The number as the file will have it; says so in `number`, too. */
static size_t encode(size_t type, float *number, uint8_t out[8])
{
  double wide = (double)*number;
  uint32_t bits;
  uint16_t half;
  switch (type) {
  case 1:
    memcpy(out, &wide, 8);
    return 8;
  case 2:
    half = half_of(number);
    out[0] = (uint8_t)half;
    out[1] = (uint8_t)(half >> 8);
    return 2;
  case 3:
    memcpy(&bits, number, 4);
    bits &= 0xffff0000U;
    memcpy(number, &bits, 4);
    out[0] = (uint8_t)(bits >> 16);
    out[1] = (uint8_t)(bits >> 24);
    return 2;
  default:
    memcpy(out, number, 4);
    return 4;
  }
}

/* Adds numbers times `scale` plus `offset` as a tensor, and its name to the description. */
static float *add_tensor(struct network *network, const char *member, size_t rows, size_t columns,
                         double scale, double offset)
{
  static const char *const names[] = {"F32", "F64", "F16", "BF16"};
  size_t type = pick(network, 8), count = rows ? rows * columns : columns, size = 0;
  if (type > 3) type = 0;
  float *numbers = own(network, calloc(count, sizeof *numbers));
  network->data = realloc(network->data, network->data_size + 8 * count + 1);
  if (!network->data) abort();
  uint8_t *to = network->data + network->data_size;
  for (size_t i = 0; i < count; i++) {
    numbers[i] = (float)((double)network_number(&network->chance) * scale + offset);
    size += encode(type, &numbers[i], to + size);
  }
  say(&network->header, &network->header_size, "%s\"t%zu\":{\"dtype\":\"%s\",\"shape\":[",
      network->tensors ? "," : "", network->tensors, names[type]);
  if (rows) say(&network->header, &network->header_size, "%zu,", rows);
  say(&network->header, &network->header_size, "%zu],\"data_offsets\":[%zu,%zu]}", columns,
      network->data_size, network->data_size + size);
  network->data_size += size;
  DESCRIBE(",\"%s\":\"t%zu\"", member, network->tensors++);
  return numbers;
}

/* Layers -------------------------------------------------------------------------------------- */

static struct network_layer *begin_layer(struct network *network, struct network_list *list,
                                         const char *type)
{
  if (list->count == NETWORK_LAYERS) abort();
  struct network_layer *layer = &list->layers[list->count];
  *layer = (struct network_layer){.type = type, .in = list->out, .out = list->out};
  DESCRIBE("%s{\"type\":\"%s\"", list->count++ ? "," : "", type);
  return layer;
}

static void end_layer(struct network *network)
{
  DESCRIBE("}");
}

static void add_linear(struct network *network, struct network_list *list, size_t out)
{
  struct network_layer *layer = begin_layer(network, list, "linear");
  layer->out = out;
  layer->weight = add_tensor(network, "weight", out, layer->in, 1.5 / sqrt((double)layer->in), 0);
  if (pick(network, 4)) layer->bias = add_tensor(network, "bias", 0, out, 0.5, 0);
  list->out = out;
  end_layer(network);
}

static void add_activation(struct network *network, struct network_list *list, const char *type)
{
  struct network_layer *layer = begin_layer(network, list, type);
  bool leaky = strcmp(type, "leaky_relu") == 0, elu = strcmp(type, "elu") == 0;
  layer->number = leaky ? 0.01 : 1;
  if ((leaky || elu) && pick(network, 2)) {
    layer->number = 0.25;
    DESCRIBE(",\"%s\":0.25", leaky ? "slope" : "alpha");
  }
  end_layer(network);
}

static void add_norm(struct network *network, struct network_list *list, const char *type)
{
  struct network_layer *layer = begin_layer(network, list, type);
  layer->number = strcmp(type, "rms_norm") == 0 ? 1e-6 : 1e-5;
  if (pick(network, 2)) {
    layer->number = 0.01;
    DESCRIBE(",\"eps\":0.01");
  }
  if (strcmp(type, "batch_norm") == 0) {
    layer->mean = add_tensor(network, "mean", 0, layer->in, 0.5, 0);
    layer->variance = add_tensor(network, "variance", 0, layer->in, 0.3, 1);
  }
  if (pick(network, 3)) layer->weight = add_tensor(network, "weight", 0, layer->in, 0.5, 1);
  if (pick(network, 3) && strcmp(type, "rms_norm") != 0)
    layer->bias = add_tensor(network, "bias", 0, layer->in, 0.5, 0);
  end_layer(network);
}

static void add_random(struct network *network, struct network_list *list, size_t count,
                       unsigned nested);

static void add_residual(struct network *network, struct network_list *list, unsigned nested)
{
  struct network_layer *layer = begin_layer(network, list, "residual");
  struct network_list *body = own(network, calloc(1, sizeof *body));
  DESCRIBE(",\"layers\":[");
  body->in = body->out = layer->in;
  add_random(network, body, pick(network, 4), nested + 1);
  if (body->out != body->in) add_linear(network, body, body->in);
  layer->body = body;
  DESCRIBE("]");
  end_layer(network);
}

static void add_random(struct network *network, struct network_list *list, size_t count,
                       unsigned nested)
{
  static const char *const activations[] = {"relu", "gelu",    "gelu_tanh", "silu",
                                            "tanh", "sigmoid", "softplus",  "leaky_relu",
                                            "elu",  "identity"};
  static const char *const norms[] = {"layer_norm", "rms_norm", "batch_norm"};
  for (size_t i = 0; i < count; i++) {
    size_t chosen = pick(network, 10);
    if (chosen < 4)
      add_linear(network, list, 1 + pick(network, pick(network, 4) ? 40 : 130));
    else if (chosen < 7)
      add_activation(network, list, activations[pick(network, 10)]);
    else if (chosen < 9)
      add_norm(network, list, norms[pick(network, 3)]);
    else if (nested < 2)
      add_residual(network, list, nested);
  }
}

/* Networks ------------------------------------------------------------------------------------ */

static void begin(struct network *network, uint64_t seed)
{
  *network = (struct network){.chance = seed};
  DESCRIBE("{\"version\":1,\"inputs\":[");
}

static void begin_trunk(struct network *network)
{
  DESCRIBE("],\"layers\":[");
  network->trunk.in = network->trunk.out = network->input_width;
}

static void begin_heads(struct network *network)
{
  DESCRIBE("],\"outputs\":[");
}

static struct network_list *begin_head(struct network *network)
{
  size_t number = network->head_count;
  struct network_list *list = &network->heads[number].list;
  DESCRIBE("%s{\"name\":\"out%zu\",\"layers\":[", number ? "," : "", number);
  list->in = list->out = network->trunk.out;
  return list;
}

static void end_head(struct network *network, const char *end)
{
  network->heads[network->head_count++].end = end;
  if (strcmp(end, "none") != 0) {
    DESCRIBE("],\"end\":\"%s\"}", end);
  } else {
    DESCRIBE("]}");
  }
}

static void random_inputs(struct network *network)
{
  network->input_count = 1 + pick(network, NETWORK_INPUTS);
  for (size_t i = 0; i < network->input_count; i++) {
    network->inputs[i] = 1 + pick(network, 30);
    network->input_width += network->inputs[i];
  }
  network->mean = own(network, calloc(network->input_width, sizeof(float)));
  network->scale = own(network, calloc(network->input_width, sizeof(float)));
  for (size_t i = 0; i < network->input_width; i++) network->scale[i] = 1;
  for (size_t i = 0, at = 0; i < network->input_count; at += network->inputs[i++]) {
    size_t width = network->inputs[i];
    DESCRIBE("%s{\"name\":\"in%zu\",\"width\":%zu", i ? "," : "", i, width);
    if (pick(network, 2))
      memcpy(network->mean + at, add_tensor(network, "mean", 0, width, 0.5, 0),
             width * sizeof(float));
    if (pick(network, 2))
      memcpy(network->scale + at, add_tensor(network, "scale", 0, width, 0.3, 1),
             width * sizeof(float));
    DESCRIBE("}");
  }
}

void network_random(struct network *network, uint64_t seed)
{
  static const char *const ends[] = {"none", "softmax", "log_softmax", "argmax", "sigmoid", "tanh"};
  begin(network, seed);
  random_inputs(network);
  begin_trunk(network);
  add_random(network, &network->trunk, pick(network, 8), 0);
  begin_heads(network);
  for (size_t i = 1 + pick(network, NETWORK_HEADS); i; i--) {
    struct network_list *list = begin_head(network);
    add_random(network, list, pick(network, 4), 0);
    end_head(network, ends[pick(network, 6)]);
  }
  DESCRIBE("]}");
}

void network_plain(struct network *network, const size_t *widths, const char *activation)
{
  size_t last = 1;
  begin(network, 1);
  network->input_count = 1;
  network->inputs[0] = network->input_width = widths[0];
  DESCRIBE("{\"name\":\"in0\",\"width\":%zu}", widths[0]);
  begin_trunk(network);
  for (; widths[last + 1]; last++) {
    add_linear(network, &network->trunk, widths[last]);
    add_activation(network, &network->trunk, activation);
  }
  begin_heads(network);
  add_linear(network, begin_head(network), widths[last]);
  end_head(network, "softmax");
  add_linear(network, begin_head(network), 1);
  end_head(network, "none");
  DESCRIBE("]}");
}

void network_free(struct network *network)
{
  for (size_t i = 0; i < network->owned_count; i++) free(network->owned[i]);
  free(network->description);
  free(network->header);
  free(network->data);
}

/* Files --------------------------------------------------------------------------------------- */

uint8_t *network_file(const struct network *network, size_t *size)
{
  char *header = NULL;
  size_t header_size = 0;
  say(&header, &header_size, "{\"__metadata__\":{\"haggle.dense\":\"");
  for (const char *c = network->description; *c; c++)
    say(&header, &header_size, *c == '"' ? "\\\"" : "%c", *c);
  say(&header, &header_size, "\"}%s", network->tensors ? "," : "");
  uint8_t *file = malloc(8 + header_size + network->header_size + 1 + network->data_size);
  if (!file) abort();
  uint64_t length = header_size + network->header_size + 1;
  for (int i = 0; i < 8; i++) file[i] = (uint8_t)(length >> 8 * i);
  memcpy(file + 8, header, header_size);
  if (network->header_size) memcpy(file + 8 + header_size, network->header, network->header_size);
  file[7 + length] = '}';
  if (network->data_size) memcpy(file + 8 + length, network->data, network->data_size);
  free(header);
  *size = 8 + length + network->data_size;
  return file;
}

void network_write(const struct network *network, const char *path)
{
  size_t size;
  uint8_t *bytes = network_file(network, &size);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) abort();
  free(bytes);
}

/* Computing ----------------------------------------------------------------------------------- */

static double activate(const char *type, double number, double x)
{
  if (strcmp(type, "relu") == 0) return x > 0 ? x : 0;
  if (strcmp(type, "leaky_relu") == 0) return x > 0 ? x : number * x;
  if (strcmp(type, "elu") == 0) return x > 0 ? x : number * expm1(x);
  if (strcmp(type, "gelu") == 0) return 0.5 * x * (1 + erf(x / sqrt(2)));
  if (strcmp(type, "gelu_tanh") == 0)
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  if (strcmp(type, "silu") == 0) return x / (1 + exp(-x));
  if (strcmp(type, "tanh") == 0) return tanh(x);
  if (strcmp(type, "sigmoid") == 0) return 1 / (1 + exp(-x));
  if (strcmp(type, "softplus") == 0) return x > 30 ? x : log1p(exp(x));
  return x;
}

static double parameter(const float *numbers, size_t i, double otherwise)
{
  return numbers ? (double)numbers[i] : otherwise;
}

static void normalise(const struct network_layer *layer, double *x)
{
  bool is_batch = strcmp(layer->type, "batch_norm") == 0;
  bool is_rms = strcmp(layer->type, "rms_norm") == 0;
  double mean = 0, variance = 0, width = (double)layer->in;
  for (size_t i = 0; i < layer->in && !is_rms; i++) mean += x[i] / width;
  for (size_t i = 0; i < layer->in; i++) variance += (x[i] - mean) * (x[i] - mean) / width;
  for (size_t i = 0; i < layer->in; i++) {
    if (is_batch) {
      mean = (double)layer->mean[i];
      variance = (double)layer->variance[i];
    }
    x[i] = (x[i] - mean) / sqrt(variance + layer->number) * parameter(layer->weight, i, 1) +
           parameter(layer->bias, i, 0);
  }
}

static void compute_list(const struct network_list *list, double *x);

static void compute_layer(const struct network_layer *layer, double *x)
{
  double before[256] = {0};
  memcpy(before, x, layer->in * sizeof *x);
  if (layer->body) {
    compute_list(layer->body, x);
    for (size_t i = 0; i < layer->in; i++) x[i] += before[i];
  } else if (strcmp(layer->type, "linear") == 0) {
    for (size_t o = 0; o < layer->out; o++) {
      x[o] = parameter(layer->bias, o, 0);
      for (size_t i = 0; i < layer->in; i++)
        x[o] += (double)layer->weight[o * layer->in + i] * before[i];
    }
  } else if (strstr(layer->type, "_norm")) {
    normalise(layer, x);
  } else {
    for (size_t i = 0; i < layer->in; i++) x[i] = activate(layer->type, layer->number, x[i]);
  }
}

static void compute_list(const struct network_list *list, double *x)
{
  for (size_t i = 0; i < list->count; i++) compute_layer(&list->layers[i], x);
}

static void compute_end(const char *end, double *x, size_t width)
{
  double greatest = x[0], sum = 0;
  for (size_t i = 0; i < width; i++) greatest = fmax(greatest, x[i]);
  for (size_t i = 0; i < width; i++) sum += exp(x[i] - greatest);
  for (size_t i = 0; i < width; i++) {
    if (strcmp(end, "softmax") == 0)
      x[i] = exp(x[i] - greatest) / sum;
    else if (strcmp(end, "log_softmax") == 0)
      x[i] = x[i] - greatest - log(sum);
    else
      x[i] = activate(end, 0, x[i]);
  }
}

void network_compute(const struct network *network, const float *row, double *const *outputs)
{
  double trunk[256] = {0};
  for (size_t i = 0; i < network->input_width; i++)
    trunk[i] = ((double)row[i] - parameter(network->mean, i, 0)) / parameter(network->scale, i, 1);
  compute_list(&network->trunk, trunk);
  for (size_t i = 0; i < network->head_count; i++) {
    double x[256] = {0};
    const struct network_head *head = &network->heads[i];
    memcpy(x, trunk, network->trunk.out * sizeof *x);
    compute_list(&head->list, x);
    compute_end(head->end, x, head->list.out);
    memcpy(outputs[i], x, head->list.out * sizeof *x);
  }
}
