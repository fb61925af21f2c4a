/* ONNX models through ONNX Runtime. */
#include "onnx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct haggle_host *engine_host;

void onnx_log(int32_t level, const char *format, ...)
{
  if (!engine_host || !engine_host->log) return;
  struct haggle_error line;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line.message, sizeof line.message, format, arguments);
  va_end(arguments);
  engine_host->log(engine_host, level, line.message, strlen(line.message));
}

static int32_t device(uint32_t number, struct haggle_device *out)
{
  if (number == 0) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    snprintf(out->name, sizeof out->name, "cpu");
    snprintf(out->about, sizeof out->about, "%ld cores", sysconf(_SC_NPROCESSORS_ONLN));
    out->memory_total = page * (uint64_t)sysconf(_SC_PHYS_PAGES);
    out->memory_free = page * (uint64_t)sysconf(_SC_AVPHYS_PAGES);
    return HAGGLE_OK;
  }
  struct onnx_gpu gpus[ONNX_GPUS_MAX];
  int count = onnx_gpus(gpus, NULL);
  if (number > (uint32_t)count) return HAGGLE_NOT_FOUND;
  snprintf(out->name, sizeof out->name, "cuda:%u", number - 1);
  snprintf(out->about, sizeof out->about, "%s", gpus[number - 1].name);
  out->memory_total = gpus[number - 1].memory_total;
  out->memory_free = 0;
  return HAGGLE_OK;
}

/* Also what was opened by half. */
static void model_free(struct onnx_model *model)
{
  onnx_watch_stop(&model->watch);
  if (model->runtime) {
    const OrtApi *api = model->runtime->api;
    if (model->session) api->ReleaseSession(model->session);
    if (model->cpu_memory) api->ReleaseMemoryInfo(model->cpu_memory);
  }
  onnx_describe_free(model);
  free(model);
}

static int32_t open_model(const struct haggle_source *source, void **out,
                          struct haggle_error *error)
{
  struct onnx_model *model = calloc(1, sizeof *model);
  if (!model) return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory");
  int32_t status = onnx_model_open(source, model, error);
  if (status == HAGGLE_OK && !onnx_watch_start(&model->watch, model->runtime->api))
    status = hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no thread could be started");
  if (status != HAGGLE_OK) {
    model_free(model);
    return status;
  }
  *out = model;
  return HAGGLE_OK;
}

static void describe(void *handle, struct haggle_model_info *out)
{
  const struct onnx_model *model = handle;
  out->kind = HAGGLE_TENSORS;
  out->device = model->device;
  out->note = model->note[0] ? model->note : NULL;
  out->batch_max = model->batched ? 0 : 1;
  out->parallel = model->parallel;
  out->inputs = model->inputs;
  out->outputs = model->outputs;
  out->input_count = model->input_count;
  out->output_count = model->output_count;
  out->batched = model->batched;
}

static void run(void *handle, const struct haggle_batch *batch)
{
  onnx_run(handle, batch);
}

static void stats(void *handle, struct haggle_model_stats *out)
{
  struct onnx_model *model = handle;
  out->host_memory = model->on_cuda ? 0 : model->file_bytes;
  out->device_memory = model->on_cuda ? model->file_bytes : 0;
  out->busy_ns = atomic_load(&model->busy_ns);
  out->rows = atomic_load(&model->rows);
}

static void close_model(void *handle)
{
  model_free(handle);
}

HGL_ENGINE_EXPORT haggle_engine_function haggle_engine;

const struct haggle_engine *haggle_engine(uint32_t version, const struct haggle_host *host)
{
  static const struct haggle_engine engine = {.size = sizeof engine,
                                              .version = HAGGLE_INFER_VERSION,
                                              .name = "onnx",
                                              .about = "ONNX models, through ONNX Runtime",
                                              .device = device,
                                              .open = open_model,
                                              .describe = describe,
                                              .run = run,
                                              .stats = stats,
                                              .close = close_model};
  if (version < HAGGLE_INFER_VERSION) return NULL;
  engine_host = host;
  return &engine;
}
