#include "support/test_engine.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW = 3, TYPES = 14, BATCH = 64, STEPS_MAX = 8 };

struct model {
  char file[120];
  struct haggle_tensor_info inputs[TYPES], outputs[TYPES];
  size_t tensors;
  _Atomic uint64_t rows, runs;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool gate_closed;
static int at_gate, open_models;

void test_engine_close_gate(void)
{
  pthread_mutex_lock(&lock);
  gate_closed = true;
  pthread_mutex_unlock(&lock);
}

void test_engine_open_gate(void)
{
  pthread_mutex_lock(&lock);
  gate_closed = false;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

int test_engine_at_gate(void)
{
  pthread_mutex_lock(&lock);
  int count = at_gate;
  pthread_mutex_unlock(&lock);
  return count;
}

int test_engine_open_models(void)
{
  pthread_mutex_lock(&lock);
  int count = open_models;
  pthread_mutex_unlock(&lock);
  return count;
}

static void pass_gate(void)
{
  pthread_mutex_lock(&lock);
  at_gate++;
  while (gate_closed) pthread_cond_wait(&changed, &lock);
  at_gate--;
  pthread_mutex_unlock(&lock);
}

static bool has(const struct model *model, const char *word)
{
  size_t size = strlen(word);
  for (const char *at = model->file; (at = strstr(at, word)); at += size) {
    bool begins = at == model->file || at[-1] == ',' || at[-1] == '/';
    if (begins && (!at[size] || at[size] == ',' || at[size] == '.')) return true;
  }
  return false;
}

static int32_t device(uint32_t number, struct haggle_device *out)
{
  if (number) return HAGGLE_NOT_FOUND;
  snprintf(out->name, sizeof out->name, "cpu");
  return HAGGLE_OK;
}

static void describe_tensors(struct model *model)
{
  bool plain = has(model, "plain");
  model->tensors = has(model, "types") ? TYPES : 1;
  for (size_t i = 0; i < TYPES; i++) {
    static const char *const names[] = {"",    "f32", "f64", "f16", "bf16", "i8",   "i16", "i32",
                                        "i64", "u8",  "u16", "u32", "u64",  "bool", "text"};
    struct haggle_tensor_info info = {.size = sizeof info, .name = names[i + 1], .rank = 1};
    info.type = (int32_t)i + 1;
    info.shape[0] = -1;
    model->inputs[i] = model->outputs[i] = info;
  }
  if (model->tensors > 1) return;
  model->inputs[0] = (struct haggle_tensor_info){.size = sizeof *model->inputs,
                                                 .name = "x",
                                                 .type = HAGGLE_F32,
                                                 .rank = plain ? 1 : 2,
                                                 .shape = {plain ? ROW : -1, ROW}};
  model->outputs[0] = (struct haggle_tensor_info){.size = sizeof *model->outputs,
                                                  .name = "sum",
                                                  .type = HAGGLE_F32,
                                                  .rank = plain ? 0 : 1,
                                                  .shape = {-1}};
  if (has(model, "badspec")) model->inputs[0].rank = 99;
}

static int32_t open_model(const struct haggle_source *source, void **out,
                          struct haggle_error *error)
{
  struct model *model = calloc(1, sizeof *model);
  if (!model) return HAGGLE_NO_MEMORY;
  const char *slash = strrchr(source->file, '/');
  snprintf(model->file, sizeof model->file, "%s", slash ? slash + 1 : source->file);
  int32_t status = has(model, "nofile")     ? HAGGLE_NOT_FOUND
                   : has(model, "nomemory") ? HAGGLE_NO_MEMORY
                   : has(model, "silent")   ? HAGGLE_FAILED
                                            : HAGGLE_OK;
  if (source->option_count) {
    status = HAGGLE_INVALID;
    snprintf(error->message, sizeof error->message, "unknown option %s; there are none",
             source->options[0].name);
  } else if (status && !has(model, "silent")) {
    snprintf(error->message, sizeof error->message, "%s: it is not to be opened", source->file);
  }
  if (status) {
    free(model);
    return status;
  }
  describe_tensors(model);
  pthread_mutex_lock(&lock);
  open_models++;
  pthread_mutex_unlock(&lock);
  *out = model;
  return HAGGLE_OK;
}

static void describe(void *handle, struct haggle_model_info *out)
{
  struct model *model = handle;
  bool text = has(model, "text") || has(model, "steps");
  out->kind = has(model, "badkind") ? 77 : text ? HAGGLE_LANGUAGE : HAGGLE_TENSORS;
  out->device = "cpu";
  out->note = has(model, "noted") ? "no accelerator here\nso the CPU" : NULL;
  out->batch_max = has(model, "steps") ? 2 : BATCH;
  out->parallel = has(model, "parallel") ? 4 : 1;
  out->inputs = model->inputs;
  out->outputs = model->outputs;
  out->input_count = out->output_count = model->tensors;
  out->batched = !has(model, "plain");
  out->tasks = HAGGLE_COMPLETE;
  out->quick = has(model, "quick");
}

/* ---- answers ---- */

static void answer_text(const struct haggle_batch *batch, const struct haggle_request *request,
                        const struct model *model)
{
  char text[400];
  snprintf(text, sizeof text, "{\"text\": \"%zu bytes\", \"finish\": \"stop\", \"$big\": [1, 2.5]}",
           request->text_size);
  if (has(model, "nojson")) snprintf(text, sizeof text, "certainly! here is");
  if (has(model, "badutf8")) snprintf(text, sizeof text, "{\"text\": \"\xff\xfe\"}");
  struct haggle_result result = {.size = sizeof result, .text = text, .text_size = strlen(text)};
  batch->finish(batch->host, request, &result);
}

static float sum_of(const struct haggle_tensor *x, int64_t row)
{
  float numbers[ROW], sum = 0;
  memcpy(numbers, (const char *)x->data + (size_t)row * sizeof numbers, sizeof numbers);
  for (int i = 0; i < ROW; i++) sum += numbers[i];
  return sum;
}

static void spoil(const struct model *model, struct haggle_tensor *out, float *sums,
                  struct haggle_result *result)
{
  if (has(model, "name")) out->name = "other";
  if (has(model, "type")) out->type = HAGGLE_I64;
  if (has(model, "shape")) out->shape[0]++;
  if (has(model, "size")) out->data_size--;
  if (has(model, "nan")) sums[0] = NAN;
  if (has(model, "count")) result->output_count = 2;
  if (has(model, "null")) out->data = NULL;
  if (has(model, "badsize")) result->size = 8;
  if (has(model, "huge")) out->shape[0] = INT64_MAX;
  if (has(model, "fail")) {
    result->status = HAGGLE_FAILED;
    result->message = "it does not \xff like that";
    result->message_size = strlen(result->message);
  }
}

static void answer_sums(const struct haggle_batch *batch, const struct haggle_request *request,
                        const struct model *model)
{
  bool plain = has(model, "plain");
  int64_t rows = plain ? 1 : request->rows;
  float *sums = calloc((size_t)rows, sizeof *sums);
  if (!sums) return;
  for (int64_t i = 0; i < rows; i++) sums[i] = sum_of(&request->inputs[0], i);
  struct haggle_tensor out = {.size = sizeof out,
                              .name = "sum",
                              .type = HAGGLE_F32,
                              .rank = plain ? 0 : 1,
                              .shape = {rows},
                              .data = sums,
                              .data_size = (size_t)rows * sizeof *sums};
  struct haggle_result result = {.size = sizeof result, .outputs = &out, .output_count = 1};
  spoil(model, &out, sums, &result);
  batch->finish(batch->host, request, &result);
  if (has(model, "twice")) batch->finish(batch->host, request, &result);
  free(sums);
}

/* What came in goes out. */
static void answer_types(const struct haggle_batch *batch, const struct haggle_request *request)
{
  struct haggle_result result = {
      .size = sizeof result, .outputs = request->inputs, .output_count = request->input_count};
  batch->finish(batch->host, request, &result);
}

static void answer(const struct haggle_batch *batch, const struct haggle_request *request,
                   const struct model *model)
{
  static const struct haggle_request stranger = {.size = sizeof stranger};
  if (has(model, "never")) return;
  if (has(model, "stranger")) {
    struct haggle_result result = {.size = sizeof result};
    batch->finish(batch->host, &stranger, &result);
    batch->finish(batch->host, NULL, &result);
  }
  if (has(model, "text"))
    answer_text(batch, request, model);
  else if (model->tensors > 1)
    answer_types(batch, request);
  else
    answer_sums(batch, request, model);
}

/* ---- step by step ---- */

struct sequence {
  const struct haggle_request *request;
  size_t left;
};

static void end_sequence(const struct haggle_batch *batch, struct sequence *sequence, bool over)
{
  static const char text[] = "{\"text\": \"a word a step\"}";
  struct haggle_result result = {.size = sizeof result,
                                 .status = over ? HAGGLE_CANCELLED : HAGGLE_OK,
                                 .text = text,
                                 .text_size = sizeof text - 1};
  batch->finish(batch->host, sequence->request, &result);
  sequence->request = NULL;
}

/* Each sequence takes as many steps as its text has bytes; one that begins with "~" has no end. */
static void decode(const struct haggle_batch *batch, struct model *model)
{
  struct sequence sequences[STEPS_MAX] = {{0}};
  size_t live = 0;
  for (size_t i = 0; i < batch->count; i++, live++)
    sequences[i] = (struct sequence){batch->requests[i], batch->requests[i]->text_size};
  while (live) {
    for (size_t i = 0; i < STEPS_MAX; i++) {
      struct sequence *at = &sequences[i];
      if (!at->request && (at->request = batch->take(batch->host))) {
        at->left = at->request->text_size;
        live++;
      }
      if (!at->request) continue;
      bool endless = strstr(at->request->text, "\"~") != NULL;
      bool over = batch->is_over(batch->host, at->request);
      batch->token(batch->host, at->request, "word ", 5);
      if (!over && (endless || --at->left)) continue;
      end_sequence(batch, at, over);
      live--;
    }
    if (live && has(model, "waits")) {
      struct pollfd event = {.fd = batch->event, .events = POLLIN};
      poll(&event, 1, -1);
    }
  }
}

static void run(void *handle, const struct haggle_batch *batch)
{
  struct model *model = handle;
  if (has(model, "gate")) pass_gate();
  model->runs++;
  if (has(model, "steps")) {
    decode(batch, model);
    return;
  }
  for (size_t i = 0; i < batch->count; i++) {
    model->rows += (uint64_t)batch->requests[i]->rows;
    while (has(model, "slow") && !batch->is_over(batch->host, batch->requests[i])) poll(NULL, 0, 1);
    answer(batch, batch->requests[i], model);
  }
}

static void stats(void *handle, struct haggle_model_stats *out)
{
  out->host_memory = sizeof(struct model);
}

static void close_model(void *handle)
{
  free(handle);
  pthread_mutex_lock(&lock);
  open_models--;
  pthread_mutex_unlock(&lock);
}

const struct haggle_engine *test_engine(uint32_t version, const struct haggle_host *host)
{
  static const struct haggle_engine engine = {.size = sizeof engine,
                                              .version = HAGGLE_INFER_VERSION,
                                              .name = "test",
                                              .about = "An engine of the tests",
                                              .device = device,
                                              .open = open_model,
                                              .describe = describe,
                                              .run = run,
                                              .stats = stats,
                                              .close = close_model};
  return version >= HAGGLE_INFER_VERSION ? &engine : NULL;
}

#ifdef HGL_TEST_ENGINE_LIBRARY
__attribute__((visibility("default"))) const struct haggle_engine *
haggle_engine(uint32_t version, const struct haggle_host *host);

const struct haggle_engine *haggle_engine(uint32_t version, const struct haggle_host *host)
{
  return test_engine(version, host);
}
#endif
