#include "library.h"

#include "common/engine.h"

#include <ctype.h>
#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Process-wide, as is llama.cpp. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct library opened;
static bool is_open;
static const struct haggle_host *log_host;
static _Thread_local char complaint[256];

/* Log -------------------------------------------------------------------------------------------
 */

static void tell(int32_t level, const char *text, size_t size)
{
  const struct haggle_host *host = log_host;
  if (host && host->log) host->log(host, level, text, size);
}

/* Dots of progress are no lines. The first complaint says what is wrong, those that follow only
 * that something was. */
static void on_log(enum ggml_log_level level, const char *text, void *data)
{
  size_t size = strlen(text);
  while (size > 0 && isspace((unsigned char)text[size - 1])) size--;
  if (size < 2) return;
  if (level == GGML_LOG_LEVEL_ERROR && !complaint[0]) {
    /* "llama_model_load: error loading model: …" */
    const char *words = strstr(text, ": ");
    words = words && words < text + size ? words + 2 : text;
    snprintf(complaint, sizeof complaint, "%.*s", (int)(text + size - words), words);
  }
  tell(HAGGLE_LOG_DEBUG, text, size);
}

/* The process ends after this: what llama.cpp found must not go unread. */
static void on_abort(const char *text)
{
  char line[512];
  int size = snprintf(line, sizeof line, "llama.cpp gives up, and the process with it: %s", text);
  if (size > 0)
    tell(HAGGLE_LOG_WARNING, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

const char *library_complaint(void)
{
  static _Thread_local char said[sizeof complaint];
  memcpy(said, complaint, sizeof said);
  complaint[0] = '\0';
  return said[0] ? said : "it does not say why";
}

/* Opening ---------------------------------------------------------------------------------------
 */

static bool is_folder(const char *path)
{
  struct stat about;
  return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* The library within a folder, whatever version is part of its name. */
static bool find_in(const char *folder, char *path, size_t size)
{
  char pattern[PATH_MAX];
  glob_t found;
  snprintf(pattern, sizeof pattern, "%s/libllama{.so,.so.*,.v*.so}", folder);
  bool any = glob(pattern, GLOB_BRACE, NULL, &found) == 0 && found.gl_pathc > 0;
  if (any) snprintf(path, size, "%s", found.gl_pathv[0]);
  globfree(&found);
  return any;
}

/* What a root names, what runtime/engines fetched for this build, beside this engine. */
static size_t places(char (*folders)[PATH_MAX])
{
  char mine[PATH_MAX];
  size_t count = 0;
  if (HGL_ENGINE_ROOT[0]) snprintf(folders[count++], PATH_MAX, "%s/lib", HGL_ENGINE_ROOT);
  if (!hgl_engine_folder((const void *)places, mine, sizeof mine)) return count;
  if (strncmp(mine, HGL_BUILD_FOLDER "/", sizeof HGL_BUILD_FOLDER) == 0)
    snprintf(folders[count++], PATH_MAX, "%s/llama/lib", HGL_ENGINES_FOLDER);
  snprintf(folders[count++], PATH_MAX, "%s", mine);
  snprintf(folders[count++], PATH_MAX, "%s/llama/lib", mine);
  return count;
}

/* There, or where the system has its libraries. */
static int32_t open_anywhere(void **handle, struct haggle_error *error)
{
  char folders[4][PATH_MAX], path[PATH_MAX];
  size_t count = places(folders);
  const char *paths[] = {"libllama.so", "libllama.so.0"};
  for (size_t i = 0; i < count; i++)
    if (find_in(folders[i], path, sizeof path)) {
      const char *found = path;
      return hgl_engine_library(&found, 1, handle, path, error);
    }
  int32_t status = hgl_engine_library(paths, 2, handle, path, error);
  if (status != HAGGLE_NOT_FOUND) return status;
  return hgl_engine_fail(error, HAGGLE_NOT_FOUND,
                         "llama.cpp's library is not here: run runtime/engines llama, install it, "
                         "or name its folder with the option library=");
}

static int32_t open_handle(const char *wish, void **handle, struct haggle_error *error)
{
  char path[PATH_MAX], opened_path[PATH_MAX];
  if (!wish) return open_anywhere(handle, error);
  snprintf(path, sizeof path, "%s%s", strchr(wish, '/') ? "" : "./", wish);
  if (is_folder(path) && !find_in(wish, path, sizeof path))
    return hgl_engine_fail(error, HAGGLE_NOT_FOUND, "library=%.200s: no libllama.so in this folder",
                           wish);
  const char *found = path;
  int32_t status = hgl_engine_library(&found, 1, handle, opened_path, error);
  if (status == HAGGLE_NOT_FOUND)
    return hgl_engine_fail(error, status, "library=%.200s: there is no such file", wish);
  return status;
}

static int32_t bind(void *handle, struct library *library, struct haggle_error *error)
{
  static const char *const names[] = {
#define LIBRARY_NAME(name) #name,
      LIBRARY_FUNCTIONS(LIBRARY_NAME)
#undef LIBRARY_NAME
  };
  void **fields = (void **)library;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    fields[i] = dlsym(handle, names[i]);
    if (!fields[i])
      return hgl_engine_fail(
          error, HAGGLE_UNSUPPORTED,
          "this llama.cpp has no %s: its version is not the one that the engine was built "
          "for (runtime/engines llama)",
          names[i]);
  }
  /* Parameters go by value. Were they laid out otherwise, their defaults would not stand where ours
   * do. */
  struct llama_context_params params = library->llama_context_default_params();
  if (params.n_batch != 2048 || params.n_ubatch != 512 || params.n_seq_max != 1 ||
      params.type_k != GGML_TYPE_F16 || !params.swa_full || params.kv_unified || params.ctx_other)
    return hgl_engine_fail(
        error, HAGGLE_UNSUPPORTED,
        "this llama.cpp (%.60s) is not of the version that the engine was built for "
        "(runtime/engines llama)",
        library->llama_version());
  return HAGGLE_OK;
}

/* Its own folder, and those that runtime/engines fetched for GPUs: …/llama-vulkan/lib beside
 * …/llama/lib. A folder without backends loads none, and nobody says so. */
static void load_backends(void)
{
  static const char *const beside[] = {"cuda", "vulkan"};
  opened.ggml_backend_load_all_from_path(opened.folder);
  for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/../../llama-%s/lib", opened.folder, beside[i]);
    if (is_folder(folder)) opened.ggml_backend_load_all_from_path(folder);
  }
}

static bool has_processor(const struct library *library)
{
  for (size_t i = 0; i < library->ggml_backend_dev_count(); i++)
    if (library->ggml_backend_dev_type(library->ggml_backend_dev_get(i)) ==
        GGML_BACKEND_DEVICE_TYPE_CPU)
      return true;
  return false;
}

/* Once in the life of the process: what was half opened stays, since its threads and its log may.
 */
static int32_t open_first(const struct haggle_host *host, const char *wish,
                          struct haggle_error *error)
{
  void *handle = NULL;
  int32_t status = open_handle(wish, &handle, error);
  if (status) return status;
  status = bind(handle, &opened, error);
  if (status) {
    if (handle) dlclose(handle);
    return status;
  }
  log_host = host;
  opened.llama_log_set(on_log, NULL);
  opened.ggml_set_abort_callback(on_abort);
  if (!hgl_engine_folder(*(void **)&opened.llama_decode, opened.folder, sizeof opened.folder))
    return hgl_engine_fail(error, HAGGLE_FAILED, "llama.cpp's own folder is not known");
  load_backends();
  opened.llama_backend_init();
  if (!has_processor(&opened))
    return hgl_engine_fail(
        error, HAGGLE_NOT_FOUND,
        "llama.cpp has no backend for this processor: no libggml-cpu*.so that fits lies in "
        "%.300s",
        opened.folder);
  is_open = true;
  return HAGGLE_OK;
}

/* Whether a wish is for what is open already. */
static bool is_same(const char *wish)
{
  char resolved[PATH_MAX];
  if (!realpath(wish, resolved)) return false;
  if (!is_folder(resolved)) {
    char *slash = strrchr(resolved, '/');
    if (slash) *slash = '\0';
  }
  return strcmp(resolved, opened.folder) == 0;
}

int32_t library_open(const struct haggle_host *host, const char *wish,
                     const struct library **library, struct haggle_error *error)
{
  pthread_mutex_lock(&lock);
  int32_t status = HAGGLE_OK;
  if (!is_open)
    status = open_first(host, wish, error);
  else if (wish && !is_same(wish))
    status = hgl_engine_fail(
        error, HAGGLE_INVALID,
        "library=%.100s: llama.cpp is open already, from %.200s, and there is one in a "
        "process (process=own gives a model another)",
        wish, opened.folder);
  if (!status) *library = &opened;
  pthread_mutex_unlock(&lock);
  return status;
}

const struct library *library_opened(void)
{
  pthread_mutex_lock(&lock);
  const struct library *library = is_open ? &opened : NULL;
  pthread_mutex_unlock(&lock);
  return library;
}

/* Devices ---------------------------------------------------------------------------------------
 */

void library_device_name(const struct library *library, ggml_backend_dev_t device, char *name,
                         size_t size)
{
  const char *theirs = library->ggml_backend_dev_name(device);
  size_t letters = strcspn(theirs, "0123456789"), at = 0;
  for (; at < letters && at + 1 < size; at++) name[at] = (char)tolower((unsigned char)theirs[at]);
  name[at] = '\0';
  if (theirs[letters] && at + 1 < size) snprintf(name + at, size - at, ":%s", theirs + letters);
}

/* The first device whose name begins with these letters. */
static ggml_backend_dev_t device_like(const struct library *library, const char *wish, char *name,
                                      size_t size)
{
  for (size_t i = 0; i < library->ggml_backend_dev_count(); i++) {
    ggml_backend_dev_t device = library->ggml_backend_dev_get(i);
    enum ggml_backend_dev_type type = library->ggml_backend_dev_type(device);
    if (type != GGML_BACKEND_DEVICE_TYPE_GPU && type != GGML_BACKEND_DEVICE_TYPE_IGPU) continue;
    library_device_name(library, device, name, size);
    size_t length = strlen(wish);
    if (strncmp(name, wish, length) == 0 && (name[length] == ':' || name[length] == '\0'))
      return device;
  }
  return NULL;
}

/* The path of a backend's library, or false when it is not here. */
static bool lies_there(const struct library *library, const char *backend, char *path, size_t size)
{
  struct stat about;
  snprintf(path, size, "%s/libggml-%s.so", library->folder, backend);
  if (stat(path, &about) == 0) return true;
  snprintf(path, size, "%s/../../llama-%s/lib/libggml-%s.so", library->folder, backend, backend);
  return stat(path, &about) == 0;
}

/* Why a backend that lies there has no device: ggml itself does not say. */
static void explain(const char *path, const char *backend, const char *wish, char *note,
                    size_t size)
{
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const char *why = handle ? NULL : dlerror();
  if (handle) dlclose(handle);
  if (why)
    snprintf(note, size, "llama.cpp's %s backend cannot be loaded, so the CPU computes: %s",
             backend, why);
  else
    snprintf(note, size, "llama.cpp's %s backend finds no device %s, so the CPU computes", backend,
             strcmp(wish, "auto") == 0 ? backend : wish);
}

ggml_backend_dev_t library_device(const struct library *library, const char *wish, char *name,
                                  size_t name_size, char *note, size_t note_size)
{
  static const char *const backends[] = {"cuda", "vulkan"};
  note[0] = '\0';
  for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
    const char *backend = backends[i];
    bool any = strcmp(wish, "auto") == 0;
    size_t length = strlen(backend);
    if (!any && strncmp(wish, backend, length) != 0) continue;
    ggml_backend_dev_t device = device_like(library, any ? backend : wish, name, name_size);
    if (device) {
      note[0] = '\0';
      return device;
    }
    char path[2 * PATH_MAX];
    if (lies_there(library, backend, path, sizeof path))
      explain(path, backend, wish, note, note_size);
    else if (!any)
      snprintf(note, note_size,
               "device=%s: llama.cpp's %s backend is not here (runtime/engines llama-%s), so the "
               "CPU computes",
               wish, backend, backend);
  }
  snprintf(name, name_size, "cpu");
  return NULL;
}
