/* Opening a model: its options, its engine, and what that says of it. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "infer/infer_core.h"
#include "infer/process.h"

enum {
  BATCH_DEFAULT = 1024, /* of engines that name no number of their own */
  BATCH_MAX = 65536,
  QUEUE_DEFAULT = 16384,
  AGENT_QUEUE_DEFAULT = 256,
  QUEUE_MAX = 1000000,
  WAIT_DEFAULT_NS = 200000,
  WAIT_MAX_NS = 1000000000,
  THREADS_MAX = 64,
};

/* The host's options --------------------------------------------------------------------------- */

static int read_count(const char *value, size_t most, size_t *out, struct hgl_err *err)
{
  char *end;
  unsigned long number = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;
  if (number < 1 || *end || number > most)
    return hgl_fail(err, HGL_INVALID, "expected a number from 1 to %zu, not \"%.40s\"", most,
                    value);
  *out = number;
  return 0;
}

/* "0", "200us", "2ms": durations of a batch are shorter than others. */
static int read_wait(const char *value, int64_t *out, struct hgl_err *err)
{
  char *end;
  unsigned long number = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : ULONG_MAX;
  int64_t unit = number == ULONG_MAX           ? 0
                 : strcmp(end, "us") == 0      ? 1000
                 : strcmp(end, "ms") == 0      ? 1000000
                 : number == 0 && *end == '\0' ? 1
                                               : 0;
  if (!unit || number > WAIT_MAX_NS || (int64_t)number * unit > WAIT_MAX_NS)
    return hgl_fail(err, HGL_INVALID,
                    "expected a time up to 1000ms, as in 200us or 2ms, not "
                    "\"%.40s\"",
                    value);
  *out = (int64_t)number * unit;
  return 0;
}

static int read_process(const char *value, bool *own, struct hgl_err *err)
{
  if (strcmp(value, "own") != 0 && strcmp(value, "host") != 0)
    return hgl_fail(err, HGL_INVALID, "expected own or host, not \"%.40s\"", value);
  *own = strcmp(value, "own") == 0;
  return 0;
}

static int read_loop(const char *value, bool *off_loop, struct hgl_err *err)
{
  if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
    return hgl_fail(err, HGL_INVALID, "expected on or off, not \"%.40s\"", value);
  *off_loop = strcmp(value, "off") == 0;
  return 0;
}

/* *ours: it is one of the host's. */
static int read_option(const struct haggle_option *option, struct infer_options *out,
                       const char **engine, bool *ours, struct hgl_err *err)
{
  const char *name = option->name, *value = option->value;
  *ours = true;
  if (strcmp(name, "engine") == 0) {
    *engine = value;
    return 0;
  }
  if (strcmp(name, "batch") == 0) return read_count(value, BATCH_MAX, &out->batch, err);
  if (strcmp(name, "queue") == 0) return read_count(value, QUEUE_MAX, &out->queue, err);
  if (strcmp(name, "agent_queue") == 0) return read_count(value, QUEUE_MAX, &out->agent_queue, err);
  if (strcmp(name, "threads_run") == 0) return read_count(value, THREADS_MAX, &out->threads, err);
  if (strcmp(name, "wait") == 0) return read_wait(value, &out->wait_ns, err);
  if (strcmp(name, "loop") == 0) return read_loop(value, &out->off_loop, err);
  if (strcmp(name, "process") == 0) return read_process(value, &out->own_process, err);
  if (strcmp(name, "hang") == 0) out->hang_given = true;
  *ours = false;
  return 0;
}

struct opening {
  struct haggle_option options[HGL_MODEL_OPTIONS_MAX + 1]; /* those of the engine */
  size_t count;
  const char *engine;
};

static int read_options(struct hgl_infer_model *model, const struct haggle_source *source,
                        struct opening *opening, struct hgl_err *err)
{
  model->options = (struct infer_options){
      .queue = QUEUE_DEFAULT, .agent_queue = AGENT_QUEUE_DEFAULT, .wait_ns = WAIT_DEFAULT_NS};
  if (source->option_count > HGL_MODEL_OPTIONS_MAX)
    return hgl_fail(err, HGL_INVALID, "more than %d options", HGL_MODEL_OPTIONS_MAX);
  for (size_t i = 0; i < source->option_count; i++) {
    const struct haggle_option *option = &source->options[i];
    bool ours;
    for (size_t before = 0; before < i; before++)
      if (strcmp(source->options[before].name, option->name) == 0)
        return hgl_fail(err, HGL_INVALID, "the option %.60s is given twice", option->name);
    if (read_option(option, &model->options, &opening->engine, &ours, err))
      return hgl_fail_in(err, "%s", option->name);
    if (!ours) opening->options[opening->count++] = *option;
  }
  if (model->options.hang_given && !model->options.own_process)
    return hgl_fail(err, HGL_INVALID,
                    "hang: it is of engines in a process of their own, process=own");
  return 0;
}

/* What the engine says of it --------------------------------------------------------------------
 */

static int read_tensors(struct infer_spec *spec, const struct haggle_model_info *info,
                        struct hgl_err *err)
{
  int status;
  spec->batched = info->batched != 0;
  spec->input_count = info->input_count;
  spec->output_count = info->output_count;
  if ((status = hgl_tensor_specs_read(info->inputs, info->input_count, spec->batched, "input",
                                      spec->inputs, err)) ||
      (status = hgl_tensor_specs_read(info->outputs, info->output_count, spec->batched, "output",
                                      spec->outputs, err)))
    return status;
  hgl_tensor_outputs_sort(spec);
  return 0;
}

static void settle_batches(struct hgl_infer_model *model, const struct haggle_model_info *info)
{
  struct infer_options *options = &model->options;
  size_t most = info->batch_max ? info->batch_max : BATCH_DEFAULT;
  size_t parallel = info->parallel ? info->parallel : 1;
  if (most > BATCH_MAX) most = BATCH_MAX;
  if (!options->batch || (info->batch_max && options->batch > most)) options->batch = most;
  if (parallel > THREADS_MAX) parallel = THREADS_MAX;
  if (!options->threads || options->threads > parallel) options->threads = parallel;
}

/* A text of the engine's: shortened and on one line. */
static void copy_text(const char *text, char *out, size_t room)
{
  struct hgl_buf mended;
  hgl_buf_init(&mended, room);
  if (text) hgl_utf8_mend(hgl_bytes(text, strnlen(text, room - 1)), &mended);
  if (mended.size) memcpy(out, mended.data, mended.size < room ? mended.size : room - 1);
  out[mended.size < room ? mended.size : room - 1] = 0;
  hgl_buf_deinit(&mended);
}

static int describe(struct hgl_infer_model *model, struct hgl_err *err)
{
  struct haggle_model_info info = {.size = sizeof info};
  model->engine->calls->describe(model->handle, &info);
  if (!HAGGLE_HAS(&info, parallel))
    return hgl_fail(err, HGL_MALFORMED, "its engine describes it with %zu bytes only", info.size);
  model->kind = info.kind;
  copy_text(info.device, model->device, sizeof model->device);
  copy_text(info.note, model->note, sizeof model->note);
  settle_batches(model, &info);
  if (info.kind == HAGGLE_TENSORS) {
    model->quick = HAGGLE_HAS(&info, quick) && info.quick && !model->options.off_loop;
    if (read_tensors(&model->spec, &info, err))
      return hgl_fail_in(err, "what its engine says of it does not hold");
    return 0;
  }
  if (info.kind != HAGGLE_LANGUAGE)
    return hgl_fail(err, HGL_MALFORMED, "its engine says that it is of the unknown kind %d",
                    info.kind);
  model->tasks = info.tasks & (HAGGLE_CHAT | HAGGLE_COMPLETE | HAGGLE_EMBED);
  model->context = info.context;
  return model->tasks ? 0 : hgl_fail(err, HGL_MALFORMED, "its engine names no task for it");
}

/* Opening --------------------------------------------------------------------------------------
 */

/* Of this program, for the process of an engine. */
static const char *const process_arguments[] = {"infer-process", NULL};

static int open_handle(struct hgl_infer_model *model, const struct opening *opening,
                       struct hgl_err *err)
{
  struct haggle_source source = {.size = sizeof source,
                                 .name = model->name,
                                 .file = model->file,
                                 .options = opening->options,
                                 .option_count = opening->count};
  struct haggle_error why = {.size = sizeof why};
  char text[sizeof why.message];
  const struct infer_engine *engine = model->engine;
  const struct hgl_process_config process = {.arguments = process_arguments,
                                             .engine = engine->path ? engine->path : engine->origin,
                                             .host = engine->host};
  int32_t status = engine->own ? hgl_process_engine_open(&process, &source, &model->handle, &why)
                               : engine->calls->open(&source, &model->handle, &why);
  if (!status && model->handle) return 0;
  model->handle = NULL;
  why.message[sizeof why.message - 1] = 0;
  copy_text(why.message, text, sizeof text);
  return hgl_fail(err, infer_code_of(status), "%.400s",
                  *text ? text : "its engine does not open it, and does not say why");
}

static int open_model(struct hgl_infer_model *model, const struct haggle_source *source,
                      struct hgl_err *err)
{
  struct hgl_infer *infer = model->infer;
  struct opening opening = {0};
  int status;
  if (!(model->name = hgl_strndup(source->name, strlen(source->name))) ||
      !(model->file = hgl_strndup(source->file, strlen(source->file))))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if ((status = read_options(model, source, &opening, err)) ||
      (status = infer_engine_find(infer, opening.engine, source->file, model->options.own_process,
                                  &model->engine, err)))
    return status;
  model->remote = strcmp(model->engine->name, "remote") == 0;
  if ((status = open_handle(model, &opening, err)) || (status = describe(model, err)) ||
      (status = infer_workers_start(model, err)))
    return status;
  hgl_log(infer->config.log, HGL_LOG_INFO, "infer", "model %s: %s on %s", model->name,
          model->engine->about, model->device);
  if (*model->note)
    hgl_log(infer->config.log, HGL_LOG_WARN, "infer", "model %s: %s", model->name, model->note);
  return 0;
}

int hgl_infer_open(struct hgl_infer *infer, const struct haggle_source *source, struct hgl_err *err)
{
  if (!hgl_infer_name_valid(hgl_text(source->name)))
    return hgl_fail(err, HGL_INVALID,
                    "a model's name is of letters, digits, \"-\", \"_\" and \".\", at most %d; not "
                    "\"%.80s\"",
                    HGL_MODEL_NAME_SIZE_MAX, source->name);
  if (hgl_infer_find(infer, hgl_text(source->name)))
    return hgl_fail(err, HGL_EXISTS, "model %s is named twice", source->name);
  if (infer->model_count == HGL_MODELS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d models", HGL_MODELS_MAX);
  struct hgl_infer_model *model = hgl_zalloc(sizeof *model);
  if (!model) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  pthread_condattr_t attributes;
  model->infer = infer;
  pthread_mutex_init(&model->lock, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&model->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  hgl_map_init(&model->callers, hgl_random_u64(infer->config.random),
               hgl_random_u64(infer->config.random));
  int status = open_model(model, source, err);
  if (status) {
    if (!infer_workers_ended(model, infer_workers_end(model)))
      return hgl_fail(err, HGL_INTERNAL, "a thread does not end");
    infer_model_destroy(model);
    hgl_infer_poll(infer); /* what the engine said on the way */
    return hgl_fail_in(err, "model %s", source->name);
  }
  if (infer->last_model)
    infer->last_model->next = model;
  else
    infer->models = model;
  infer->last_model = model;
  infer->model_count++;
  hgl_infer_poll(infer);
  return 0;
}

void infer_model_destroy(struct hgl_infer_model *model)
{
  struct hgl_map_slot *slot;
  if (model->handle) model->engine->calls->close(model->handle);
  for (size_t i = 0; (slot = hgl_map_next(&model->callers, &i));) hgl_free(slot->value);
  hgl_map_deinit(&model->callers);
  pthread_cond_destroy(&model->changed);
  pthread_mutex_destroy(&model->lock);
  hgl_free(model->on_loop.requests);
  hgl_free(model->on_loop.running);
  hgl_free(model->name);
  hgl_free(model->file);
  hgl_free(model);
}
