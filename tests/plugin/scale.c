/* The smallest inference engine that is whole: its model multiplies numbers by its option `by`.
 *
 *   cc -std=c11 -shared -fPIC -o scale.so scale.c
 *   haggle run … --model double=anything,engine=./scale.so,by=2
 *   agent.infer("double", { x = { 1, 2, 3 } })  →  { y = { 2, 4, 6 } }
 *
 * Start from a copy of it: runtime/infer/PLUGINS.md goes through it step by step. */
#include <haggle/haggle_infer.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model {
  float by;
  atomic_ullong rows; /* stats are asked for while run runs */
};

/* x: one or more rows of one number; so is y. */
static const struct haggle_tensor_info input = {sizeof input, "x", HAGGLE_F32, 1, {-1}};
static const struct haggle_tensor_info output = {sizeof output, "y", HAGGLE_F32, 1, {-1}};

static int32_t fail(struct haggle_error *error, int32_t status, const char *what, const char *value)
{
  error->status = status;
  snprintf(error->message, sizeof error->message, "%s: \"%.60s\"; this engine has by=NUMBER", what,
           value);
  return status;
}

static int32_t open_model(const struct haggle_source *source, void **out,
                          struct haggle_error *error)
{
  struct model *model = calloc(1, sizeof *model);
  if (!model) return fail(error, HAGGLE_NO_MEMORY, "out of memory", source->name);
  model->by = 1;
  for (size_t i = 0; i < source->option_count; i++) {
    const struct haggle_option *option = &source->options[i];
    char *end = NULL;
    int32_t status = HAGGLE_OK;
    if (strcmp(option->name, "by") != 0)
      status = fail(error, HAGGLE_INVALID, "an unknown option", option->name);
    else if ((model->by = strtof(option->value, &end)), end == option->value || *end)
      status = fail(error, HAGGLE_INVALID, "no number", option->value);
    if (status == HAGGLE_OK) continue;
    free(model);
    return status;
  }
  *out = model; /* source->file would be read here */
  return HAGGLE_OK;
}

static void describe(void *model, struct haggle_model_info *out)
{
  (void)model;
  out->kind = HAGGLE_TENSORS;
  out->device = "cpu";
  out->batch_max = 256; /* more at once would not be faster */
  out->parallel = 4;    /* run has nothing that threads could disturb */
  out->inputs = &input;
  out->input_count = 1;
  out->outputs = &output;
  out->output_count = 1;
  out->batched = 1;
}

static void answer(const struct haggle_batch *batch, const struct haggle_request *request,
                   const float *y)
{
  struct haggle_tensor tensor = request->inputs[0]; /* the same type and shape */
  tensor.name = output.name;
  tensor.data = y;
  struct haggle_result result = {.size = sizeof result, .status = HAGGLE_OK};
  result.outputs = &tensor;
  result.output_count = 1;
  if (!y) {
    result.status = HAGGLE_NO_MEMORY;
    result.message = "out of memory";
    result.message_size = strlen(result.message);
    result.output_count = 0;
  }
  batch->finish(batch->host, request, &result); /* it has copied the result when it returns */
}

static void run(void *user, const struct haggle_batch *batch)
{
  struct model *model = user;
  for (size_t i = 0; i < batch->count; i++) {
    const struct haggle_request *request = batch->requests[i];
    const float *x = request->inputs[0].data; /* compared with the description already */
    size_t rows = (size_t)request->rows;
    float *y = malloc((rows ? rows : 1) * sizeof *y);
    for (size_t row = 0; y && row < rows; row++) y[row] = model->by * x[row];
    atomic_fetch_add(&model->rows, rows);
    answer(batch, request, y);
    free(y);
  }
}

static void stats(void *user, struct haggle_model_stats *out)
{
  struct model *model = user;
  out->rows = atomic_load(&model->rows);
  out->host_memory = sizeof *model;
}

static int32_t device(uint32_t number, struct haggle_device *out)
{
  if (number > 0) return HAGGLE_NOT_FOUND;
  snprintf(out->name, sizeof out->name, "cpu");
  return HAGGLE_OK;
}

static const struct haggle_engine engine = {
    .size = sizeof engine,
    .version = HAGGLE_INFER_VERSION,
    .name = "scale",
    .about = "numbers times a number",
    .device = device,
    .open = open_model,
    .describe = describe,
    .run = run,
    .stats = stats,
    .close = free,
};

/* What a host asks for; all else is this file's own. */
haggle_engine_function haggle_engine;
const struct haggle_engine *haggle_engine(uint32_t version, const struct haggle_host *host)
{
  (void)host; /* one that logs would keep it */
  return version >= HAGGLE_INFER_VERSION ? &engine : NULL;
}
