/* engine.c: llama.cpp as an engine: GGUF files, on the CPU or a GPU. ENGINES.md says what it does.
 */
#include "model.h"

#include <stdio.h>
#include <string.h>

/* The host lives as long as this library. */
static const struct haggle_host *the_host;

static int32_t engine_device(uint32_t number, struct haggle_device *out)
{
  const struct library *library;
  struct haggle_error error = {.size = sizeof error};
  if (library_open(the_host, NULL, &library, &error) != HAGGLE_OK) {
    library = library_opened();
    if (!library) return HAGGLE_NOT_FOUND;
  }
  if (number >= library->ggml_backend_dev_count()) return HAGGLE_NOT_FOUND;
  ggml_backend_dev_t device = library->ggml_backend_dev_get(number);
  size_t left, total;
  library->ggml_backend_dev_memory(device, &left, &total);
  *out = (struct haggle_device){.size = sizeof *out, .memory_total = total, .memory_free = left};
  library_device_name(library, device, out->name, sizeof out->name);
  snprintf(out->about, sizeof out->about, "%s", library->ggml_backend_dev_description(device));
  return HAGGLE_OK;
}

static int32_t engine_open(const struct haggle_source *source, void **model,
                           struct haggle_error *error)
{
  struct model *opened;
  int32_t status = model_open(the_host, source, &opened, error);
  if (!status) *model = opened;
  return status;
}

static void engine_describe(void *opaque, struct haggle_model_info *out)
{
  const struct model *model = opaque;
  *out = (struct haggle_model_info){
      .size = sizeof *out,
      .kind = HAGGLE_LANGUAGE,
      .device = model->device,
      .note = model->note[0] ? model->note : NULL,
      .batch_max = model->parallel,
      .parallel = 1,
      .tasks = model->tasks,
      .context = model->length,
  };
}

static void engine_run(void *model, const struct haggle_batch *batch)
{
  model_run(model, batch);
}

static void engine_stats(void *opaque, struct haggle_model_stats *out)
{
  struct model *model = opaque;
  *out = (struct haggle_model_stats){
      .size = sizeof *out,
      .host_memory = model->memory,
      .device_memory = model->device_memory,
      .busy_ns = model->busy_ns,
      .tokens_in = model->tokens_in,
      .tokens_reused = model->tokens_reused,
      .tokens_out = model->tokens_out,
  };
}

static void engine_close(void *model)
{
  model_close(model);
}

HGL_ENGINE_EXPORT haggle_engine_function haggle_engine;

const struct haggle_engine *haggle_engine(uint32_t version, const struct haggle_host *host)
{
  static const struct haggle_engine engine = {
      .size = sizeof engine,
      .version = HAGGLE_INFER_VERSION,
      .name = "llama",
      .about = "llama.cpp: language models in GGUF files",
      .device = engine_device,
      .open = engine_open,
      .describe = engine_describe,
      .run = engine_run,
      .stats = engine_stats,
      .close = engine_close,
  };
  if (version < 1) return NULL;
  the_host = host;
  return &engine;
}
