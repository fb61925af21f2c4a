/* Runs batches of requests: their rows are put one behind the other, go through the network
 * together, and are answered as they lie. */
#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "infer/dense_model.h"

enum { GROUP_MAX = 256, MESSAGE_SIZE = 240 };

/* Requests that are run together: of a chunk's rows at most, or a single larger one. */
struct group {
  struct hgl_dense_model *model;
  const struct haggle_batch *batch;
  const struct haggle_request *requests[GROUP_MAX];
  size_t count, rows;
  float *outputs[HGL_DENSE_OUTPUTS_MAX];
  int64_t *indices[HGL_DENSE_OUTPUTS_MAX];
};

static uint64_t now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void refuse(const struct haggle_batch *batch, const struct haggle_request *request,
                   int32_t status, const char *message)
{
  struct haggle_result result = {
      .size = sizeof result, .status = status, .message = message, .message_size = strlen(message)};
  batch->finish(batch->host, request, &result);
}

static void refuse_all(struct group *group, int32_t status, const char *message)
{
  for (size_t i = 0; i < group->count; i++)
    refuse(group->batch, group->requests[i], status, message);
}

/* Checks -------------------------------------------------------------------------------------- */

static bool is_over(const struct haggle_batch *batch, const struct haggle_request *request)
{
  return HAGGLE_HAS(batch, is_over) && batch->is_over && batch->is_over(batch->host, request);
}

static bool has_passed(const struct haggle_request *request)
{
  return request->deadline_ns && (int64_t)now_ns() >= request->deadline_ns;
}

static void refuse_over(const struct haggle_batch *batch, const struct haggle_request *request)
{
  bool late = has_passed(request);
  refuse(batch, request, late ? HAGGLE_TIMEOUT : HAGGLE_CANCELLED,
         late ? "its deadline has passed" : "it was cancelled");
}

/* False: it was refused. */
static bool check_inputs(const struct hgl_dense_model *model, const struct haggle_batch *batch,
                         const struct haggle_request *request)
{
  char message[MESSAGE_SIZE];
  for (size_t i = 0; i < model->net->input_count; i++) {
    size_t width = model->net->inputs[i].width, count = width * (size_t)request->rows;
    const float *data = request->inputs[i].data;
    size_t at = model->kernels->first_not_finite(data, count);
    if (at == count) continue;
    snprintf(message, sizeof message, "input '%s': number %zu of row %zu is %s",
             model->net->inputs[i].name, at % width + 1, at / width + 1,
             data[at] != data[at] ? "not a number" : "infinite");
    refuse(batch, request, HAGGLE_INVALID, message);
    return false;
  }
  return true;
}

/* Running ------------------------------------------------------------------------------------- */

/* Once a device has failed, it is not asked again: the CPU computes the same. */
static void give_up_device(struct hgl_dense_model *model, const struct hgl_err *err)
{
  char text[MESSAGE_SIZE + HGL_ERR_MESSAGE_SIZE];
  int size = snprintf(text, sizeof text, "model '%s' goes on with the CPU: %s: %s", model->name,
                      model->device, err->message);
  atomic_store(&model->cuda_failed, true);
  if (model->host->log)
    model->host->log(model->host, HAGGLE_LOG_WARNING, text,
                     (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void run_rows(struct hgl_dense_model *model, size_t rows, float *const *outputs)
{
  struct hgl_err err = {0};
  bool worth = rows * model->net->multiplies >= model->cuda_multiplies_least;
  if (model->cuda && worth && !atomic_load(&model->cuda_failed)) {
    if (hgl_dense_cuda_run(model->cuda, model->inputs, rows, outputs, &err) == 0) return;
    give_up_device(model, &err);
  }
  hgl_dense_cpu_run(model->cpu, model->inputs, rows, outputs);
}

/* Rows of a request become rows of the network, in which all inputs stand beside each other. */
static void put_rows(const struct hgl_dense_model *model, const struct haggle_request *request,
                     size_t first, size_t rows, float *to)
{
  const struct hgl_dense_net *net = model->net;
  for (size_t i = 0; i < net->input_count; to += net->inputs[i++].width) {
    size_t width = net->inputs[i].width;
    const float *from = (const float *)request->inputs[i].data + first * width;
    for (size_t row = 0; row < rows; row++)
      memcpy(to + row * net->input_width, from + row * width, width * sizeof(float));
  }
}

static int64_t index_of_greatest(const float *x, size_t width)
{
  size_t greatest = 0;
  assert(x);
  for (size_t i = 1; i < width; i++)
    if (x[i] > x[greatest]) greatest = i;
  return (int64_t)greatest;
}

static void find_indices(struct group *group)
{
  const struct hgl_dense_net *net = group->model->net;
  for (size_t i = 0; i < net->output_count; i++) {
    size_t width = net->outputs[i].width;
    for (size_t row = 0; row < group->rows && net->outputs[i].is_index; row++)
      group->indices[i][row] = index_of_greatest(group->outputs[i] + row * width, width);
  }
}

/* Answers ------------------------------------------------------------------------------------- */

static void put_tensor(const struct group *group, size_t i, size_t first, size_t rows,
                       struct haggle_tensor *out)
{
  const struct hgl_dense_output *output = &group->model->net->outputs[i];
  *out = (struct haggle_tensor){.size = sizeof *out,
                                .name = output->name,
                                .type = output->is_index ? HAGGLE_I64 : HAGGLE_F32,
                                .rank = output->is_index ? 1 : 2,
                                .shape = {(int64_t)rows, (int64_t)output->width}};
  if (output->is_index) {
    out->shape[1] = 0;
    out->data = group->indices[i] + first;
    out->data_size = rows * sizeof(int64_t);
  } else {
    out->data = group->outputs[i] + first * output->width;
    out->data_size = rows * output->width * sizeof(float);
  }
}

static void answer(const struct group *group, const struct haggle_request *request, size_t first)
{
  const struct hgl_dense_model *model = group->model;
  struct haggle_tensor tensors[HGL_DENSE_OUTPUTS_MAX];
  char message[MESSAGE_SIZE];
  size_t rows = (size_t)request->rows;
  for (size_t i = 0; i < model->net->output_count; i++) {
    size_t width = model->net->outputs[i].width;
    size_t at = model->kernels->first_not_finite(group->outputs[i] + first * width, rows * width);
    if (at < rows * width) {
      snprintf(message, sizeof message,
               "output '%s' of row %zu is no finite number: its inputs are too large",
               model->net->outputs[i].name, at / width + 1);
      refuse(group->batch, request, HAGGLE_INVALID, message);
      return;
    }
    put_tensor(group, i, first, rows, &tensors[i]);
  }
  struct haggle_result result = {.size = sizeof result,
                                 .status = HAGGLE_OK,
                                 .outputs = tensors,
                                 .output_count = model->net->output_count};
  group->batch->finish(group->batch->host, request, &result);
}

static void place_outputs(struct group *group, float *outputs, int64_t *indices)
{
  const struct hgl_dense_net *net = group->model->net;
  for (size_t i = 0; i < net->output_count; i++) {
    group->outputs[i] = outputs;
    group->indices[i] = indices;
    outputs += group->rows * net->outputs[i].width;
    if (net->outputs[i].is_index) indices += group->rows;
  }
}

static void run_group(struct group *group)
{
  struct hgl_dense_model *model = group->model;
  size_t at = 0;
  if (group->count == 0) return;
  uint64_t started_ns = now_ns();
  place_outputs(group, model->outputs, model->indices);
  for (size_t i = 0; i < group->count; at += (size_t)group->requests[i++]->rows)
    put_rows(model, group->requests[i], 0, (size_t)group->requests[i]->rows,
             model->inputs + at * model->net->input_width);
  run_rows(model, group->rows, group->outputs);
  find_indices(group);
  atomic_fetch_add(&model->busy_ns, now_ns() - started_ns);
  atomic_fetch_add(&model->rows, group->rows);
  at = 0;
  for (size_t i = 0; i < group->count; i++) {
    size_t rows = (size_t)group->requests[i]->rows; /* it is gone once it is answered */
    answer(group, group->requests[i], at);
    at += rows;
  }
  group->count = group->rows = 0;
}

/* A chunk at a time. False: it is over. */
static bool run_chunks(struct group *group)
{
  struct hgl_dense_model *model = group->model;
  const struct hgl_dense_net *net = model->net;
  const struct haggle_request *request = group->requests[0];
  float *outputs[HGL_DENSE_OUTPUTS_MAX];
  for (size_t row = 0; row < group->rows; row += model->chunk) {
    size_t rows = group->rows - row < model->chunk ? group->rows - row : model->chunk;
    if (row && (is_over(group->batch, request) || has_passed(request))) return false;
    uint64_t started_ns = now_ns();
    put_rows(model, request, row, rows, model->inputs);
    for (size_t i = 0; i < net->output_count; i++)
      outputs[i] = group->outputs[i] + row * net->outputs[i].width;
    run_rows(model, rows, outputs);
    atomic_fetch_add(&model->busy_ns, now_ns() - started_ns);
    atomic_fetch_add(&model->rows, rows);
  }
  return true;
}

static void run_large(struct hgl_dense_model *model, const struct haggle_batch *batch,
                      const struct haggle_request *request)
{
  struct group group = {.model = model,
                        .batch = batch,
                        .requests = {request},
                        .count = 1,
                        .rows = (size_t)request->rows};
  void *at = NULL;
  size_t width = model->net->output_width, count;
  bool fits = !__builtin_mul_overflow(group.rows, width, &count) &&
              count <= HGL_MEM_REQUEST_MAX / sizeof(float) - DENSE_LANES;
  float *outputs = fits ? hgl_dense_floats(count, &at) : NULL;
  int64_t *indices = hgl_array(group.rows * model->index_count, sizeof *indices);
  if (!outputs || !indices) {
    refuse_all(&group, HAGGLE_NO_MEMORY, "no memory for so many rows: ask with fewer");
  } else {
    place_outputs(&group, outputs, indices);
    if (run_chunks(&group)) {
      find_indices(&group);
      answer(&group, request, 0);
    } else {
      refuse_over(batch, request);
    }
  }
  hgl_free(indices);
  hgl_free(at);
}

void hgl_dense_run(void *opaque, const struct haggle_batch *batch)
{
  struct hgl_dense_model *model = opaque;
  struct group group = {.model = model, .batch = batch};
  for (size_t i = 0; i < batch->count; i++) {
    const struct haggle_request *request = batch->requests[i];
    size_t rows = request->rows > 0 ? (size_t)request->rows : 0;
    if (!rows) {
      refuse(batch, request, HAGGLE_INVALID, "it has no rows");
    } else if (is_over(batch, request) || has_passed(request)) {
      refuse_over(batch, request);
    } else if (!check_inputs(model, batch, request)) {
      continue;
    } else if (rows > model->chunk) {
      run_large(model, batch, request);
    } else {
      if (group.count == GROUP_MAX || group.rows + rows > model->chunk) run_group(&group);
      group.requests[group.count++] = request;
      group.rows += rows;
    }
  }
  run_group(&group);
}
