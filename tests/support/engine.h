/* engine.h: an inference engine through its interface alone, as a host opens it. */
#ifndef HGL_TEST_ENGINE_H
#define HGL_TEST_ENGINE_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/haggle_infer.h"
#include "support/check.h"

enum { ENGINE_TENSORS_MAX = 4, ENGINE_LOG_MAX = 8192 };

/* A request and what it was answered; data of outputs are copies. */
struct engine_call {
  struct haggle_request request;
  struct haggle_tensor inputs[ENGINE_TENSORS_MAX];
  int finished;
  bool over; /* what is_over says */
  int32_t status;
  char message[512];
  size_t output_count;
  struct haggle_tensor outputs[ENGINE_TENSORS_MAX];
};

/* What an engine logged. */
struct engine_log {
  struct haggle_host host;
  pthread_mutex_t mutex;
  char text[ENGINE_LOG_MAX];
};

static inline void engine_log_line(const struct haggle_host *host, int32_t level, const char *text,
                                   size_t size)
{
  struct engine_log *log = (struct engine_log *)host;
  if (level == HAGGLE_LOG_DEBUG) return;
  pthread_mutex_lock(&log->mutex);
  size_t used = strlen(log->text);
  snprintf(log->text + used, sizeof log->text - used, "%.*s\n", (int)size, text);
  pthread_mutex_unlock(&log->mutex);
}

static struct engine_log engine_log = {.host = {.size = sizeof(struct haggle_host),
                                                .version = HAGGLE_INFER_VERSION,
                                                .log = engine_log_line},
                                       .mutex = PTHREAD_MUTEX_INITIALIZER};

/* HGL_BINARY_DIR/engines/haggle-engine-NAME.so; it stays open. */
static inline const struct haggle_engine *engine_load(const char *name)
{
  char path[512];
  haggle_engine_function *get;
  snprintf(path, sizeof path, "%s/engines/haggle-engine-%s.so", HGL_BINARY_DIR, name);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    fail_msg("%s (`runtime/engines %s` fetches what it is built with)", dlerror(), name);
  *(void **)&get = dlsym(library, HAGGLE_ENGINE_SYMBOL);
  assert_non_null(get);
  const struct haggle_engine *engine = get(HAGGLE_INFER_VERSION, &engine_log.host);
  assert_non_null(engine);
  return engine;
}

/* Options are words, "device=cpu threads=1". */
static inline int32_t engine_open(const struct haggle_engine *engine, const char *file,
                                  const char *options, void **model, struct haggle_error *error)
{
  char words[1024], *rest = words, *word;
  struct haggle_option list[8];
  struct haggle_source source = {
      .size = sizeof source, .name = "test", .file = file, .options = list};
  snprintf(words, sizeof words, "%s", options);
  while ((word = strtok_r(NULL, " ", &rest))) {
    char *value = strchr(word, '=');
    assert_non_null(value);
    *value++ = 0;
    list[source.option_count++] = (struct haggle_option){word, value};
  }
  *error = (struct haggle_error){.size = sizeof *error};
  *model = NULL;
  return engine->open(&source, model, error);
}

static inline void engine_finish(void *host, const struct haggle_request *request,
                                 const struct haggle_result *result)
{
  struct engine_call *call = (struct engine_call *)request;
  call->finished++;
  call->status = result->status;
  snprintf(call->message, sizeof call->message, "%.*s", (int)result->message_size,
           result->status ? result->message : "");
  call->output_count = result->status ? 0 : result->output_count;
  assert_true(call->output_count <= ENGINE_TENSORS_MAX);
  for (size_t i = 0; i < call->output_count; i++) {
    call->outputs[i] = result->outputs[i];
    call->outputs[i].data = malloc(result->outputs[i].data_size + 1);
    assert_non_null(call->outputs[i].data);
    if (result->outputs[i].data_size)
      memcpy((void *)call->outputs[i].data, result->outputs[i].data, result->outputs[i].data_size);
    if (result->outputs[i].type != HAGGLE_TEXT) continue;
    /* As many texts, which nobody frees before the test ends. */
    struct haggle_text *texts = (struct haggle_text *)call->outputs[i].data;
    for (size_t k = 0; k < result->outputs[i].data_size / sizeof *texts; k++)
      texts[k].data = memcpy(test_malloc(texts[k].size + 1), texts[k].data, texts[k].size);
  }
}

static inline int engine_is_over(void *host, const struct haggle_request *request)
{
  return __atomic_load_n(&((struct engine_call *)request)->over, __ATOMIC_RELAXED);
}

static inline const struct haggle_request *engine_take(void *host)
{
  return NULL;
}

/* Runs these as one batch; each has been finished once. */
static inline void engine_run(const struct haggle_engine *engine, void *model,
                              struct engine_call *calls, size_t count)
{
  const struct haggle_request *requests[1024];
  assert_true(count <= sizeof requests / sizeof *requests);
  for (size_t i = 0; i < count; i++) {
    calls[i].request.size = sizeof calls[i].request;
    calls[i].request.id = i + 1;
    calls[i].request.inputs = calls[i].inputs;
    requests[i] = &calls[i].request;
  }
  struct haggle_batch batch = {.size = sizeof batch,
                               .requests = requests,
                               .count = count,
                               .finish = engine_finish,
                               .take = engine_take,
                               .is_over = engine_is_over,
                               .event = -1};
  engine->run(model, &batch);
  for (size_t i = 0; i < count; i++) assert_int_equal(calls[i].finished, 1);
}

static inline void engine_call_free(struct engine_call *call)
{
  for (size_t i = 0; i < call->output_count; i++) {
    const struct haggle_text *texts = call->outputs[i].data;
    for (size_t k = 0;
         call->outputs[i].type == HAGGLE_TEXT && k < call->outputs[i].data_size / sizeof *texts;
         k++)
      test_free((void *)texts[k].data);
    free((void *)call->outputs[i].data);
  }
  memset(call, 0, sizeof *call);
}

/* Appends an input; shape in words, "2 3". Its name is of no interest to an engine. */
static inline void engine_input(struct engine_call *call, int32_t type, const char *shape,
                                const void *data, size_t size)
{
  struct haggle_tensor *tensor = &call->inputs[call->request.input_count++];
  *tensor = (struct haggle_tensor){
      .size = sizeof *tensor, .name = "?", .type = type, .data = data, .data_size = size};
  for (char *end; *shape; shape = end) {
    tensor->shape[tensor->rank++] = strtoll(shape, &end, 10);
    assert_true(end > shape);
  }
  call->request.rows = tensor->rank ? tensor->shape[0] : 1;
}

#endif
