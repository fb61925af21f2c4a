/* Finds ONNX Runtime and opens it. What was opened stays until the process ends: it starts threads
 * and registers destructors, so there is no safe moment to unload it. */
#include "onnx.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t opened_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct onnx_runtime *opened;

/* Where it is looked for ------------------------------------------------------------------------
 */

enum { PLACES_MAX = 16 };

struct places {
  char paths[PLACES_MAX][PATH_MAX];
  const char *list[PLACES_MAX];
  size_t count;
};

static void place_add(struct places *places, const char *folder, const char *file)
{
  if (places->count == PLACES_MAX) return;
  char *path = places->paths[places->count];
  int length = snprintf(path, PATH_MAX, "%s%s", folder, file);
  if (length > 0 && length < PATH_MAX) places->list[places->count++] = path;
}

/* As runtime/engines leaves them: with CUDA first, or only as the last choice. */
static void places_add_fetched(struct places *places, const char *folder, bool cuda)
{
  if (cuda) place_add(places, folder, "/onnxruntime-cuda/lib/libonnxruntime.so");
  place_add(places, folder, "/onnxruntime/lib/libonnxruntime.so");
  if (!cuda) place_add(places, folder, "/onnxruntime-cuda/lib/libonnxruntime.so");
}

static void places_fill(struct places *places, bool cuda)
{
  char folder[PATH_MAX];
  if (HGL_ENGINE_ROOT[0]) {
    place_add(places, HGL_ENGINE_ROOT, "/lib/libonnxruntime.so");
    place_add(places, HGL_ENGINE_ROOT, "/lib/libonnxruntime.so.1");
  }
  if (hgl_engine_folder(places_fill, folder, sizeof folder)) {
    place_add(places, folder, "/libonnxruntime.so");
    place_add(places, folder, "/libonnxruntime.so.1");
    places_add_fetched(places, folder, cuda);
    /* An engine that was installed does not look into the folder that it was built in. */
    if (strcmp(folder, HGL_BUILD_FOLDER "/engines") == 0)
      places_add_fetched(places, HGL_ENGINES_FOLDER, cuda);
  }
  place_add(places, "", "libonnxruntime.so.1");
  place_add(places, "", "libonnxruntime.so");
}

static int32_t library_open(const char *chosen, bool cuda, void **out, char *path,
                            struct haggle_error *error)
{
  if (chosen) {
    if (!strchr(chosen, '/'))
      return hgl_engine_fail(error, HAGGLE_INVALID,
                             "library=%.128s: expected a path with a slash, like ./%.128s", chosen,
                             chosen);
    int32_t status = hgl_engine_library(&chosen, 1, out, path, error);
    if (status == HAGGLE_NOT_FOUND)
      hgl_engine_fail(error, status, "there is no library=%s", chosen);
    return status;
  }
  struct places *places = calloc(1, sizeof *places);
  if (!places) return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory");
  places_fill(places, cuda);
  int32_t status = hgl_engine_library(places->list, places->count, out, path, error);
  free(places);
  if (status == HAGGLE_NOT_FOUND)
    hgl_engine_fail(
        error, status,
        "ONNX Runtime is not installed: `runtime/engines onnx` fetches it, or the option "
        "library=PATH names its libonnxruntime.so");
  return status;
}

/* Its environment -------------------------------------------------------------------------------
 */

/* It logs what it also returns, once for every request that fails. */
static void ORT_API_CALL log_line(void *param, OrtLoggingLevel severity, const char *category,
                                  const char *logid, const char *location, const char *message)
{
  onnx_log(severity >= ORT_LOGGING_LEVEL_FATAL ? HAGGLE_LOG_WARNING : HAGGLE_LOG_DEBUG,
           "ONNX Runtime: %s", message);
}

/* The N of "1.N.2", up to that of our header. */
static uint32_t api_highest(const char *version)
{
  if (strncmp(version, "1.", 2) != 0) return ORT_API_VERSION;
  unsigned long minor = strtoul(version + 2, NULL, 10);
  return minor < ORT_API_VERSION ? (uint32_t)minor : ORT_API_VERSION;
}

/* Release 1.N has the versions up to N of its functions; asked for one that it has not, it says so
 * on the standard error output, so what it must have is asked for first. */
static const OrtApi *api_negotiate(const OrtApiBase *base, uint32_t *version)
{
  for (uint32_t i = api_highest(base->GetVersionString()); i >= ONNX_API_LEAST; i--) {
    const OrtApi *api = base->GetApi(i);
    if (api) {
      *version = i;
      return api;
    }
  }
  return NULL;
}

static void find_cuda(struct onnx_runtime *runtime)
{
  char **names;
  int count;
  OrtStatus *status = runtime->api->GetAvailableProviders(&names, &count);
  if (status) {
    runtime->api->ReleaseStatus(status);
    return;
  }
  for (int i = 0; i < count; i++)
    runtime->has_cuda |= strcmp(names[i], "CUDAExecutionProvider") == 0;
  status = runtime->api->ReleaseAvailableProviders(names, count);
  if (status) runtime->api->ReleaseStatus(status);
}

/* One pool for all models, so that an agent whose input asks for a tensor larger than the machine
 * gets an error: without a ceiling Linux promises the memory, and ends the process when it is used.
 */
static OrtStatus *arena_create(const OrtApi *api, OrtEnv *env)
{
  size_t bytes = (size_t)sysconf(_SC_PHYS_PAGES) / 4 * 3 * (size_t)sysconf(_SC_PAGESIZE);
  OrtMemoryInfo *memory = NULL;
  OrtArenaCfg *settings = NULL;
  enum { AS_REQUESTED = 1, DEFAULT = -1 };
  OrtStatus *status = api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory);
  if (!status) status = api->CreateArenaCfg(bytes, AS_REQUESTED, DEFAULT, DEFAULT, &settings);
  if (!status) status = api->CreateAndRegisterAllocator(env, memory, settings);
  if (settings) api->ReleaseArenaCfg(settings);
  if (memory) api->ReleaseMemoryInfo(memory);
  return status;
}

static int32_t runtime_start(struct onnx_runtime *runtime, void *library,
                             struct haggle_error *error)
{
  const OrtApiBase *(ORT_API_CALL * get_base)(void);
  *(void **)&get_base = dlsym(library, "OrtGetApiBase");
  const OrtApiBase *base = get_base ? get_base() : NULL;
  if (!base)
    return hgl_engine_fail(error, HAGGLE_INVALID,
                           "%s is not ONNX Runtime: it has no function OrtGetApiBase",
                           runtime->path);
  snprintf(runtime->version, sizeof runtime->version, "%s", base->GetVersionString());
  const OrtApi *api = api_negotiate(base, &runtime->api_version);
  if (!api)
    return hgl_engine_fail(error, HAGGLE_UNSUPPORTED,
                           "%s is ONNX Runtime %s, which is too old: 1.%d is the least",
                           runtime->path, runtime->version, ONNX_API_LEAST);
  runtime->api = api;
  OrtStatus *status = api->CreateEnvWithCustomLogger(log_line, NULL, ORT_LOGGING_LEVEL_WARNING,
                                                     "haggle", &runtime->env);
  if (!status) status = arena_create(api, runtime->env);
  /* Of the builds that heed it; those for Linux need the variable as well, see below. */
  if (!status) status = api->DisableTelemetryEvents(runtime->env);
  if (status) {
    if (runtime->env) api->ReleaseEnv(runtime->env);
    return onnx_fail(api, status, error, "ONNX Runtime cannot start");
  }
  find_cuda(runtime);
  onnx_log(HAGGLE_LOG_INFO, "ONNX Runtime %s (API %u%s) from %s", runtime->version,
           runtime->api_version, runtime->has_cuda ? ", with CUDA" : "", runtime->path);
  return HAGGLE_OK;
}

/* Microsoft's builds for Linux write an identity of the machine below ~/.cache and speak to a
 * collector from the moment an environment is made, whatever is switched off in it afterwards. Only
 * this variable prevents that. An engine may not set it, threads may be reading the environment;
 * the host does at its start. */
static int32_t telemetry_check(struct haggle_error *error)
{
  const char *value = getenv("ORT_DISABLE_TELEMETRY");
  if (value && strcmp(value, "1") == 0) return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_FAILED,
                         "ONNX Runtime may send telemetry: start the host with "
                         "ORT_DISABLE_TELEMETRY=1 in its environment");
}

static int32_t runtime_get(const char *library, bool cuda, const struct onnx_runtime **out,
                           struct haggle_error *error)
{
  void *handle = NULL;
  struct onnx_runtime *runtime = calloc(1, sizeof *runtime);
  if (!runtime) return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory");
  int32_t status = library_open(library, cuda, &handle, runtime->path, error);
  if (status != HAGGLE_OK) goto done;
  for (const struct onnx_runtime *at = opened; at; at = at->next) {
    if (at->library == handle) {
      *out = at;
      goto done;
    }
  }
  runtime->library = handle;
  status = runtime_start(runtime, handle, error);
  if (status != HAGGLE_OK) goto done;
  runtime->next = opened;
  *out = opened = runtime;
  runtime = NULL;
done:
  /* What is no ONNX Runtime, or is open already. */
  if (runtime && !runtime->api && handle) dlclose(handle);
  free(runtime);
  return status;
}

int32_t onnx_runtime_open(const char *library, bool cuda, const struct onnx_runtime **out,
                          struct haggle_error *error)
{
  int32_t status = telemetry_check(error);
  if (status != HAGGLE_OK) return status;
  pthread_mutex_lock(&opened_mutex);
  status = runtime_get(library, cuda, out, error);
  pthread_mutex_unlock(&opened_mutex);
  return status;
}
