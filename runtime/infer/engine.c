/* Finding an engine: built into the program, in the folder of engines, or at a path. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "infer/fail.h"
#include "infer/infer_core.h"
#include "infer/process.h"

static const struct {
  const char *ending, *engine;
} endings[] = {{".safetensors", "dense"}, {".onnx", "onnx"}, {".gguf", "llama"}, {NULL, NULL}};

/* What engines say ---------------------------------------------------------------------------
 *
 * What an engine is given to speak with lives as long as its library, and that may be loaded, or be
 * the program itself, longer than the models of a host are there. So it is never freed; what is not
 * needed any more is given to the next engine. */

struct engine_host {
  struct haggle_host host; /* first: engines give it back to us */
  const struct infer_engine *engine;
  struct engine_host *next;
};

static pthread_mutex_t hosts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct engine_host *hosts;

static void log_line(const struct haggle_host *host, int32_t level, const char *text, size_t size)
{
  enum hgl_log_level levels[] = {HGL_LOG_WARN, HGL_LOG_WARN, HGL_LOG_INFO, HGL_LOG_DEBUG};
  enum hgl_log_level at = levels[level < 0 || level > 3 ? 0 : level];
  pthread_mutex_lock(&hosts_lock);
  const struct infer_engine *engine = ((const struct engine_host *)host)->engine;
  if (engine)
    infer_say(engine->infer, at, "%.80s: %.*s", engine->origin, (int)(size < 500 ? size : 500),
              text);
  pthread_mutex_unlock(&hosts_lock);
}

static struct haggle_host *host_for(const struct infer_engine *engine)
{
  pthread_mutex_lock(&hosts_lock);
  struct engine_host *host = hosts;
  while (host && host->engine) host = host->next;
  if (!host && (host = hgl_alloc(sizeof *host))) {
    *host = (struct engine_host){.host = {sizeof host->host, HAGGLE_INFER_VERSION, log_line},
                                 .next = hosts};
    hosts = host;
  }
  if (host) host->engine = engine;
  pthread_mutex_unlock(&hosts_lock);
  return host ? &host->host : NULL;
}

static void leave_host(struct haggle_host *host)
{
  if (!host) return;
  pthread_mutex_lock(&hosts_lock);
  ((struct engine_host *)host)->engine = NULL;
  pthread_mutex_unlock(&hosts_lock);
}

/* Opening one ---------------------------------------------------------------------------------- */

static int check_engine(const struct haggle_engine *calls, struct hgl_err *err)
{
  if (!calls)
    return hgl_fail(err, HGL_INVALID,
                    "it does not serve version %d of haggle_infer.h, which this host has",
                    HAGGLE_INFER_VERSION);
  if (!HAGGLE_HAS(calls, close))
    return hgl_fail(err, HGL_INVALID, "its struct haggle_engine has a size of %zu bytes only",
                    calls->size);
  if (calls->version < 1 || calls->version > HAGGLE_INFER_VERSION)
    return hgl_fail(err, HGL_INVALID,
                    "it was written for version %u of haggle_infer.h; this host has %d",
                    calls->version, HAGGLE_INFER_VERSION);
  if (!calls->name || !calls->open || !calls->describe || !calls->run || !calls->close)
    return hgl_fail(err, HGL_INVALID, "its struct haggle_engine lacks a name or a function");
  return 0;
}

static void close_engine(struct infer_engine *engine)
{
  if (engine->library) dlclose(engine->library);
  leave_host(engine->host);
  hgl_free(engine->path);
  hgl_free(engine->origin);
  hgl_free(engine);
}

static int open_library(const char *path, void **library, haggle_engine_function **function,
                        struct hgl_err *err)
{
  if (access(path, F_OK)) return hgl_fail(err, HGL_NOT_FOUND, "there is no such file");
  *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!*library) {
    const char *why = dlerror();
    return hgl_fail(err, HGL_INVALID, "%s", why ? why : "it is no shared library");
  }
  *(void **)function = dlsym(*library, HAGGLE_ENGINE_SYMBOL);
  if (!*function)
    return hgl_fail(err, HGL_INVALID, "it is no inference engine: it exports no %s",
                    HAGGLE_ENGINE_SYMBOL);
  return 0;
}

static int load(struct infer_engine *engine, haggle_engine_function *function, struct hgl_err *err)
{
  int status = function ? 0 : open_library(engine->path, &engine->library, &function, err);
  if (status) return status;
  engine->calls = function(HAGGLE_INFER_VERSION, engine->host);
  return check_engine(engine->calls, err);
}

static bool copy(char **out, const char *text)
{
  *out = hgl_strndup(text, strlen(text));
  return *out != NULL;
}

/* `function` or, where that is NULL, the library at `path`; `own`: neither is touched, as another
 * process will do that. */
static int open_engine(struct hgl_infer *infer, const char *origin, const char *path,
                       haggle_engine_function *function, bool own, struct infer_engine **out,
                       struct hgl_err *err)
{
  struct infer_engine *engine = hgl_zalloc(sizeof *engine);
  if (!engine) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  engine->infer = infer;
  engine->own = own;
  engine->calls = &hgl_process_engine;
  int status = copy(&engine->origin, origin) && (!path || copy(&engine->path, path)) &&
                       (engine->host = host_for(engine))
                   ? 0
                   : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status && !own) status = load(engine, function, err);
  if (status) {
    close_engine(engine);
    return hgl_fail_in(err, "engine %s", path ? path : origin);
  }
  engine->name = own ? engine->origin : engine->calls->name;
  engine->about = engine->calls->about ? engine->calls->about : engine->name;
  engine->next = infer->engines;
  infer->engines = engine;
  *out = engine;
  return 0;
}

void infer_engines_close(struct hgl_infer *infer)
{
  while (infer->engines) {
    struct infer_engine *engine = infer->engines;
    infer->engines = engine->next;
    close_engine(engine);
  }
}

/* Finding it ----------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *ending)
{
  size_t size = strlen(text), ending_size = strlen(ending);
  return size > ending_size && strcmp(text + size - ending_size, ending) == 0;
}

static int engine_of_file(const char *file, const char **out, struct hgl_err *err)
{
  if (strncmp(file, "http://", 7) == 0 || strncmp(file, "https://", 8) == 0) {
    *out = "remote";
    return 0;
  }
  for (size_t i = 0; endings[i].ending; i++) {
    if (!ends_with(file, endings[i].ending)) continue;
    *out = endings[i].engine;
    return 0;
  }
  return hgl_fail(
      err, HGL_INVALID,
      "which engine runs \"%.200s\" does not follow from its name (.safetensors, .onnx, "
      ".gguf, http://, https://): say engine=NAME",
      file);
}

static const struct hgl_infer_builtin *find_builtin(const struct hgl_infer_builtin *builtin,
                                                    const char *name)
{
  while (builtin && builtin->name && strcmp(builtin->name, name) != 0) builtin++;
  return builtin && builtin->name ? builtin : NULL;
}

static int fail_unknown(const struct hgl_infer *infer, const char *name, struct hgl_err *err)
{
  char built_in[160] = "none";
  const struct hgl_infer_builtin *builtin = infer->config.builtins;
  for (size_t size = 0; builtin && builtin->name && size < sizeof built_in; builtin++)
    size += (size_t)snprintf(built_in + size, sizeof built_in - size, "%s%s", size ? ", " : "",
                             builtin->name);
  const char *folder = infer->config.engines_folder;
  bool fetched = false; /* what runs files of a kind is either built in or built on request */
  for (size_t i = 0; endings[i].ending; i++)
    fetched = fetched || strcmp(endings[i].engine, name) == 0;
  return hgl_fail(err, HGL_NOT_FOUND,
                  "there is no engine \"%.60s\": built in are %s, and %.200s holds no "
                  "haggle-engine-%.60s.so%s%s%s",
                  name, built_in, folder ? folder : "no folder of engines", name,
                  fetched ? " (runtime/engines " : "", fetched ? name : "",
                  fetched ? ", then runtime/up --no-run, make it)" : "");
}

int infer_engine_find(struct hgl_infer *infer, const char *engine, const char *file, bool own,
                      struct infer_engine **out, struct hgl_err *err)
{
  char path[PATH_MAX];
  int status = engine ? 0 : engine_of_file(file, &engine, err);
  if (status) return status;
  for (struct infer_engine *open = infer->engines; open; open = open->next) {
    if (strcmp(open->origin, engine) != 0 || open->own != own) continue;
    *out = open;
    return 0;
  }
  if (strchr(engine, '/')) return open_engine(infer, engine, engine, NULL, own, out, err);
  const struct hgl_infer_builtin *builtin = find_builtin(infer->config.builtins, engine);
  if (builtin) return open_engine(infer, engine, NULL, builtin->engine, own, out, err);
  if (!hgl_infer_name_valid(hgl_text(engine)) || !infer->config.engines_folder ||
      snprintf(path, sizeof path, "%s/haggle-engine-%s.so", infer->config.engines_folder, engine) >=
          (int)sizeof path ||
      access(path, F_OK))
    return fail_unknown(infer, engine, err);
  return open_engine(infer, engine, path, NULL, own, out, err);
}

const struct haggle_engine *hgl_infer_engine_load(const struct hgl_infer_builtin *builtins,
                                                  const char *engine,
                                                  const struct haggle_host *host,
                                                  struct haggle_error *error)
{
  struct hgl_err err = {0};
  void *library;
  const struct hgl_infer_builtin *builtin = find_builtin(builtins, engine);
  haggle_engine_function *function = builtin ? builtin->engine : NULL;
  int status = function ? 0 : open_library(engine, &library, &function, &err);
  const struct haggle_engine *found = status ? NULL : function(HAGGLE_INFER_VERSION, host);
  if (status == 0 && check_engine(found, &err) == 0) return found;
  hgl_fail_in(&err, "engine %s", engine);
  hgl_infer_fail_err(error, &err);
  return NULL;
}
