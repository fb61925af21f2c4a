/* Opens a model: on a GPU when that is wanted and works, else on the CPU, and says why. */
#include "onnx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
  const char *device, *library;
  int64_t threads;
  int optimise, join;
  int gpu;           /* its number; -1: the CPU */
  bool gpu_is_asked; /* by name, not by "auto" */
};

static int32_t device_read(struct options *options, struct haggle_error *error)
{
  const char *device = options->device;
  char *end = NULL;
  options->gpu = 0;
  if (strcmp(device, "auto") == 0) return HAGGLE_OK;
  if (strcmp(device, "cpu") == 0) {
    options->gpu = -1;
    return HAGGLE_OK;
  }
  options->gpu_is_asked = true;
  if (strcmp(device, "cuda") == 0) return HAGGLE_OK;
  if (strncmp(device, "cuda:", 5) == 0 && device[5] >= '0' && device[5] <= '9') {
    long number = strtol(device + 5, &end, 10);
    options->gpu = number < ONNX_GPUS_MAX ? (int)number : ONNX_GPUS_MAX;
  }
  if (end && !*end) return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_INVALID,
                         "device=%.64s: expected one of auto, cpu, cuda, cuda:0", device);
}

static int32_t options_read(const struct haggle_source *source, struct options *out,
                            struct haggle_error *error)
{
  enum { ALL = 3 };
  *out = (struct options){.device = "auto", .threads = 1, .optimise = ALL};
  const struct hgl_engine_option known[] = {
      {.name = "device", .text = &out->device},
      {.name = "threads", .number = &out->threads, .least = 1, .most = ONNX_THREADS_MAX},
      {.name = "library", .text = &out->library},
      {.name = "optimise", .choice = &out->optimise, .choices = "none|basic|extended|all"},
      {.name = "join", .choice = &out->join, .choices = "on|off"},
  };
  int32_t status = hgl_engine_options(source, known, sizeof known / sizeof *known, error);
  return status == HAGGLE_OK ? device_read(out, error) : status;
}

/* ONNX Runtime's own words for these are long. */
static int32_t file_check(const char *file, uint64_t *bytes, struct haggle_error *error)
{
  struct stat about;
  if (stat(file, &about) != 0 || access(file, R_OK) != 0)
    return hgl_engine_fail(error, HAGGLE_NOT_FOUND, "%s: %s", file, strerror(errno));
  if (!S_ISREG(about.st_mode))
    return hgl_engine_fail(error, HAGGLE_INVALID, "%s is not a file", file);
  if (about.st_size == 0) return hgl_engine_fail(error, HAGGLE_INVALID, "%s is empty", file);
  if (about.st_size > ONNX_FILE_BYTES_MAX)
    return hgl_engine_fail(error, HAGGLE_TOO_LARGE,
                           "%s is larger than 2 GiB: keep its weights in a file of their own "
                           "(external data)",
                           file);
  *bytes = (uint64_t)about.st_size;
  return HAGGLE_OK;
}

/* Sessions --------------------------------------------------------------------------------------
 */

static OrtStatus *settings_fill(const OrtApi *api, OrtSessionOptions *settings,
                                const struct options *options)
{
  static const GraphOptimizationLevel levels[] = {ORT_DISABLE_ALL, ORT_ENABLE_BASIC,
                                                  ORT_ENABLE_EXTENDED, ORT_ENABLE_ALL};
  OrtStatus *status = api->SetIntraOpNumThreads(settings, (int)options->threads);
  if (!status) status = api->SetInterOpNumThreads(settings, 1);
  if (!status) status = api->SetSessionGraphOptimizationLevel(settings, levels[options->optimise]);
  /* Threads that wait for the next batch leave the cores to the agents. */
  if (!status)
    status = api->AddSessionConfigEntry(settings, "session.intra_op.allow_spinning", "0");
  if (!status) status = api->AddSessionConfigEntry(settings, "session.use_env_allocators", "1");
  return status;
}

static OrtStatus *cuda_append(const OrtApi *api, OrtSessionOptions *settings, int gpu)
{
  char number[16];
  const char *key = "device_id", *value = number;
  OrtCUDAProviderOptionsV2 *cuda = NULL;
  snprintf(number, sizeof number, "%d", gpu);
  OrtStatus *status = api->CreateCUDAProviderOptions(&cuda);
  if (!status) status = api->UpdateCUDAProviderOptions(cuda, &key, &value, 1);
  if (!status) status = api->SessionOptionsAppendExecutionProvider_CUDA_V2(settings, cuda);
  if (cuda) api->ReleaseCUDAProviderOptions(cuda);
  return status;
}

static OrtStatus *session_create(struct onnx_model *model, const char *file,
                                 const struct options *options, bool on_cuda)
{
  const OrtApi *api = model->runtime->api;
  OrtSessionOptions *settings = NULL;
  OrtStatus *status = api->CreateSessionOptions(&settings);
  if (!status) status = settings_fill(api, settings, options);
  if (!status && on_cuda) status = cuda_append(api, settings, options->gpu);
  if (!status) status = api->CreateSession(model->runtime->env, file, settings, &model->session);
  if (settings) api->ReleaseSessionOptions(settings);
  return status;
}

/* GPUs ------------------------------------------------------------------------------------------
 */

/* Whether the model can be tried on a GPU; if not, the reason is noted where somebody would expect
 * another answer: who asked for one, or has one, or has fetched the library for it. */
static bool gpu_there(struct onnx_model *model, const struct options *options)
{
  struct onnx_gpu gpus[ONNX_GPUS_MAX];
  const char *why;
  if (options->gpu < 0) return false;
  int count = onnx_gpus(gpus, &why);
  bool expected = options->gpu_is_asked || count > 0 || model->runtime->has_cuda;
  if (!count && expected) snprintf(model->note, sizeof model->note, "on the CPU: %s", why);
  if (!count) return false;
  if (options->gpu >= count) {
    snprintf(model->note, sizeof model->note, "on the CPU: there is no %s, the last is cuda:%d",
             options->device, count - 1);
    return false;
  }
  if (!model->runtime->has_cuda) {
    snprintf(
        model->note, sizeof model->note,
        "on the CPU: %.200s is built without CUDA; `runtime/engines onnx-cuda` fetches one that "
        "has it",
        model->runtime->path);
    return false;
  }
  snprintf(model->device, sizeof model->device, "cuda:%d %s", options->gpu,
           gpus[options->gpu].name);
  return true;
}

static void note_failure(struct onnx_model *model, OrtStatus *status, const struct options *options)
{
  struct haggle_error error = {.size = sizeof error};
  char device[sizeof model->note / 8];
  snprintf(device, sizeof device, "on the CPU: cuda:%d", options->gpu);
  onnx_fail(model->runtime->api, status, &error, device);
  memcpy(model->note, error.message, sizeof model->note);
}

static int32_t session_open(struct onnx_model *model, const char *file,
                            const struct options *options, struct haggle_error *error)
{
  model->on_cuda = gpu_there(model, options);
  OrtStatus *status = session_create(model, file, options, model->on_cuda);
  if (status && model->on_cuda) {
    note_failure(model, status, options);
    model->on_cuda = false;
    status = session_create(model, file, options, false);
  }
  if (!model->on_cuda) snprintf(model->device, sizeof model->device, "cpu");
  if (!status)
    status = model->runtime->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault,
                                                      &model->cpu_memory);
  if (!status) return HAGGLE_OK;
  char doing[128];
  const char *leaf = strrchr(file, '/');
  snprintf(doing, sizeof doing, "%.100s cannot be opened", leaf ? leaf + 1 : file);
  int32_t code = onnx_fail(model->runtime->api, status, error, doing);
  if (code == HAGGLE_FAILED)
    error->status = code = HAGGLE_INVALID; /* of what a file holds, most errors have no code */
  return code;
}

static uint32_t parallel_of(const struct onnx_model *model, const struct options *options)
{
  if (model->on_cuda) return 1;
  long cores = sysconf(_SC_NPROCESSORS_ONLN) / (long)options->threads;
  return cores < 1 ? 1 : cores > ONNX_PARALLEL_MAX ? ONNX_PARALLEL_MAX : (uint32_t)cores;
}

int32_t onnx_model_open(const struct haggle_source *source, struct onnx_model *model,
                        struct haggle_error *error)
{
  struct options options;
  int32_t status = options_read(source, &options, error);
  if (status == HAGGLE_OK) status = file_check(source->file, &model->file_bytes, error);
  if (status == HAGGLE_OK)
    status = onnx_runtime_open(options.library, options.gpu >= 0, &model->runtime, error);
  if (status == HAGGLE_OK) status = session_open(model, source->file, &options, error);
  if (status == HAGGLE_OK) status = onnx_describe(model, options.join == 0, error);
  if (status == HAGGLE_OK) model->parallel = parallel_of(model, &options);
  return status;
}
