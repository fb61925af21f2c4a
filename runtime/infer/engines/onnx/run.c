/* A batch: groups of requests whose shapes agree but for their rows; each is joined, computed and
 * taken apart again. */
#include "onnx.h"

#include <stdlib.h>
#include <string.h>

/* One computation. */
struct job {
  struct onnx_model *model;
  const struct haggle_batch *batch;
  const struct haggle_request *const *requests;
  size_t count;
  OrtValue **in, **out;
  void **buffers;
  struct onnx_output *outputs;
  struct haggle_tensor *slices;
  int64_t rows;
  bool ended; /* because all of its requests are over */
};

static bool job_begin(struct job *job)
{
  size_t inputs = job->model->input_count + 1, outputs = job->model->output_count + 1;
  job->in = calloc(inputs, sizeof(OrtValue *));
  job->buffers = calloc(inputs, sizeof(void *));
  job->out = calloc(outputs, sizeof(OrtValue *));
  job->outputs = calloc(outputs, sizeof *job->outputs);
  job->slices = calloc(outputs, sizeof *job->slices);
  return job->in && job->buffers && job->out && job->outputs && job->slices;
}

static void job_end(struct job *job)
{
  const OrtApi *api = job->model->runtime->api;
  for (size_t i = 0; job->in && i < job->model->input_count; i++) {
    if (job->in[i]) api->ReleaseValue(job->in[i]);
  }
  for (size_t i = 0; job->buffers && i < job->model->input_count; i++) free(job->buffers[i]);
  for (size_t i = 0; job->outputs && i < job->model->output_count; i++)
    onnx_output_free(&job->outputs[i]);
  for (size_t i = 0; job->out && i < job->model->output_count; i++) {
    if (job->out[i]) api->ReleaseValue(job->out[i]);
  }
  free(job->in);
  free(job->buffers);
  free(job->out);
  free(job->outputs);
  free(job->slices);
}

static int32_t job_compute(struct job *job, struct haggle_error *error)
{
  struct onnx_model *model = job->model;
  const OrtApi *api = model->runtime->api;
  struct onnx_watched watched = {
      .batch = job->batch, .requests = job->requests, .count = job->count};
  OrtStatus *status = api->CreateRunOptions(&watched.options);
  if (status) return onnx_fail(api, status, error, "the model cannot run");
  int64_t start = hgl_engine_now_ns();
  onnx_watch_begin(&model->watch, &watched);
  status = api->Run(model->session, watched.options, model->input_names,
                    (const OrtValue *const *)job->in, model->input_count, model->output_names,
                    model->output_count, job->out);
  onnx_watch_end(&model->watch, &watched);
  atomic_fetch_add(&model->busy_ns, (uint64_t)(hgl_engine_now_ns() - start));
  api->ReleaseRunOptions(watched.options);
  job->ended = watched.ended;
  return status ? onnx_fail(api, status, error, "the model failed") : HAGGLE_OK;
}

static int32_t job_run(struct job *job, struct haggle_error *error)
{
  struct onnx_model *model = job->model;
  int32_t status = HAGGLE_OK;
  if (!job_begin(job)) return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory");
  for (size_t i = 0; status == HAGGLE_OK && i < model->input_count; i++)
    status = onnx_input_make(model, job->requests, job->count, i, &job->in[i], &job->buffers[i],
                             error);
  if (status == HAGGLE_OK) status = job_compute(job, error);
  for (size_t i = 0; status == HAGGLE_OK && i < model->output_count; i++)
    status = onnx_output_read(model, i, job->out[i], &job->outputs[i], error);
  return status;
}

/* Whether each row that went in came out: else the model does not mean by axis 0 what we took it
 * for, and requests are no longer joined. */
static bool rows_agree(const struct job *job)
{
  for (size_t i = 0; i < job->model->output_count; i++) {
    const struct haggle_tensor *tensor = &job->outputs[i].tensor;
    if (tensor->rank < 1 || tensor->shape[0] != job->rows) return false;
  }
  return true;
}

static void answer(struct job *job, const struct haggle_request *request)
{
  struct haggle_result result = {
      .size = sizeof result, .outputs = job->slices, .output_count = job->model->output_count};
  atomic_fetch_add(&job->model->rows, job->model->batched ? (uint64_t)request->rows : 1);
  job->batch->finish(job->batch->host, request, &result);
}

static void answer_all(struct job *job)
{
  int64_t first = 0;
  for (size_t i = 0; i < job->count; i++) {
    const struct haggle_request *request = job->requests[i];
    int64_t rows = job->count > 1 ? request->inputs[0].shape[0] : 0;
    for (size_t k = 0; k < job->model->output_count; k++) {
      if (job->count > 1)
        onnx_output_slice(&job->outputs[k], first, rows, &job->slices[k]);
      else
        job->slices[k] = job->outputs[k].tensor;
    }
    first += rows;
    answer(job, request);
  }
}

static void run_one(struct onnx_model *model, const struct haggle_batch *batch,
                    const struct haggle_request *request)
{
  if (hgl_engine_is_over(batch, request)) {
    hgl_engine_refuse_over(batch, request);
    return;
  }
  struct haggle_error error = {.size = sizeof error};
  struct job job = {.model = model, .batch = batch, .requests = &request, .count = 1};
  int32_t status = job_run(&job, &error);
  if (status == HAGGLE_OK)
    answer_all(&job);
  else if (job.ended)
    hgl_engine_refuse_over(batch, request);
  else
    hgl_engine_refuse(batch, request, status, "%s", error.message);
  job_end(&job);
}

static void run_each(struct onnx_model *model, const struct haggle_batch *batch,
                     const struct haggle_request *const *requests, size_t count)
{
  for (size_t i = 0; i < count; i++) run_one(model, batch, requests[i]);
}

/* A group that fails is halved, again and again: among a thousand requests, the one that is to
 * blame costs the others some twenty computations. */
static void run_group(struct onnx_model *model, const struct haggle_batch *batch,
                      const struct haggle_request *const *requests, size_t count)
{
  if (count == 1) {
    run_one(model, batch, requests[0]);
    return;
  }
  struct haggle_error error = {.size = sizeof error};
  struct job job = {.model = model, .batch = batch, .requests = requests, .count = count};
  for (size_t i = 0; i < count; i++) job.rows += requests[i]->inputs[0].shape[0];
  bool ran = job_run(&job, &error) == HAGGLE_OK, agree = ran && rows_agree(&job);
  if (agree) answer_all(&job);
  job_end(&job);
  if (agree) return;
  if (!ran && !job.ended) {
    run_group(model, batch, requests, count / 2);
    run_group(model, batch, requests + count / 2, count - count / 2);
    return;
  }
  if (ran && atomic_exchange(&model->joins, false))
    onnx_log(HAGGLE_LOG_WARNING,
             "a model gives other rows than it takes: its requests are no longer joined");
  run_each(model, batch, requests, count);
}

/* Groups ----------------------------------------------------------------------------------------
 */

static bool can_join(const struct onnx_model *model, const struct haggle_request *a,
                     const struct haggle_request *b)
{
  for (size_t i = 0; i < model->input_count; i++) {
    const struct haggle_tensor *x = &a->inputs[i], *y = &b->inputs[i];
    if (memcmp(x->shape + 1, y->shape + 1, (size_t)(x->rank - 1) * sizeof *x->shape) != 0)
      return false;
  }
  return true;
}

static size_t bytes_of(const struct haggle_request *request)
{
  size_t bytes = 0;
  for (size_t i = 0; i < request->input_count; i++) bytes += request->inputs[i].data_size;
  return bytes;
}

/* Moves those that can run with the first beside it; the number of them. */
static size_t group_gather(const struct onnx_model *model, const struct haggle_request **requests,
                           size_t count)
{
  size_t members = 1, bytes = bytes_of(requests[0]);
  for (size_t i = 1; i < count && atomic_load(&model->joins); i++) {
    const struct haggle_request *request = requests[i];
    size_t more = bytes_of(request);
    if (bytes + more > ONNX_JOIN_BYTES_MAX || !can_join(model, requests[0], request)) continue;
    bytes += more;
    requests[i] = requests[members];
    requests[members++] = request;
  }
  return members;
}

void onnx_run(struct onnx_model *model, const struct haggle_batch *batch)
{
  struct haggle_error error = {.size = sizeof error};
  const struct haggle_request **waiting = calloc(batch->count, sizeof *waiting);
  size_t count = 0;
  for (size_t i = 0; i < batch->count; i++) {
    const struct haggle_request *request = batch->requests[i];
    if (!waiting)
      hgl_engine_refuse(batch, request, HAGGLE_NO_MEMORY, "no memory");
    else if (hgl_engine_is_over(batch, request))
      hgl_engine_refuse_over(batch, request);
    else if (onnx_request_check(model, request, &error) != HAGGLE_OK)
      hgl_engine_refuse(batch, request, error.status, "%s", error.message);
    else
      waiting[count++] = request;
  }
  for (size_t at = 0; at < count;) {
    size_t members = group_gather(model, waiting + at, count - at);
    run_group(model, batch, waiting + at, members);
    at += members;
  }
  free((void *)waiting);
}
