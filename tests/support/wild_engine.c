/* An engine of the tests' own that does what its option `does` says, well or badly. Its model has
 * the inputs "x" [-1, 2] of F32 and "words" [-1] of texts, or, with kind=language, speaks JSON. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../runtime/infer/haggle_infer.h"

struct model {
  char does[32];
  bool language;
  unsigned long runs, rows;
};

static const struct haggle_host *host_of;

static const struct haggle_tensor_info inputs[] = {
    {sizeof *inputs, "x", HAGGLE_F32, 2, {-1, 2}},
    {sizeof *inputs, "words", HAGGLE_TEXT, 1, {-1}},
};
static const struct haggle_tensor_info outputs[] = {
    {sizeof *outputs, "sum", HAGGLE_F32, 1, {-1}},
    {sizeof *outputs, "words", HAGGLE_TEXT, 1, {-1}},
};

static bool is(const struct model *model, const char *what)
{
  return strcmp(model->does, what) == 0;
}

static void sleep_ms(long ms)
{
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void crash(int number)
{
  signal(number, SIG_DFL); /* not a sanitizer's */
  raise(number);
}

/* What two processes share is overwritten, as by a pointer gone wild. */
static void write_wild(void)
{
  char line[512];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps && fgets(line, sizeof line, maps)) {
    void *start, *end;
    if (strstr(line, "haggle-engine") &&
        sscanf(line, "%p-%p", &start, &end) == 2) // NOLINT(cert-err34-c): what the kernel wrote
      memset(start, 0xa5, (size_t)((char *)end - (char *)start));
  }
  if (maps) fclose(maps);
}

static int32_t device(uint32_t number, struct haggle_device *out)
{
  if (number > 1) return HAGGLE_NOT_FOUND;
  snprintf(out->name, sizeof out->name, "wild:%u", number);
  snprintf(out->about, sizeof out->about, "nothing real");
  out->memory_total = 7;
  return HAGGLE_OK;
}

static int32_t open_model(const struct haggle_source *source, void **out,
                          struct haggle_error *error)
{
  struct model *model = calloc(1, sizeof *model);
  for (size_t i = 0; i < source->option_count; i++) {
    const struct haggle_option *option = &source->options[i];
    if (strcmp(option->name, "does") == 0)
      snprintf(model->does, sizeof model->does, "%s", option->value);
    else if (strcmp(option->name, "kind") == 0)
      model->language = strcmp(option->value, "language") == 0;
    else {
      error->status = HAGGLE_INVALID;
      snprintf(error->message, sizeof error->message, "option %s: known are does and kind",
               option->name);
      free(model);
      return HAGGLE_INVALID;
    }
  }
  if (is(model, "crash-open")) crash(SIGSEGV);
  if (is(model, "hang-open")) sleep_ms(1000000);
  if (is(model, "log")) host_of->log(host_of, HAGGLE_LOG_WARNING, "hello\nthere", 11);
  /* Once: the file is there no more when it is opened again. */
  if (strncmp(source->file, "/", 1) == 0 && access(source->file, F_OK) != 0) {
    error->status = HAGGLE_NOT_FOUND;
    snprintf(error->message, sizeof error->message, "%.300s is not there", source->file);
    free(model);
    return HAGGLE_NOT_FOUND;
  }
  *out = model;
  return HAGGLE_OK;
}

static void describe(void *user, struct haggle_model_info *out)
{
  const struct model *model = user;
  out->device = "cpu";
  out->note = is(model, "note") ? "no device" : NULL;
  out->batch_max = 64;
  out->parallel = 4;
  if (model->language) {
    out->kind = HAGGLE_LANGUAGE;
    out->tasks = HAGGLE_CHAT;
    out->context = 128;
    return;
  }
  out->kind = HAGGLE_TENSORS;
  out->batched = 1;
  out->inputs = inputs;
  out->input_count = 2;
  out->outputs = outputs;
  out->output_count = 2;
  if (is(model, "describe-badly")) out->output_count = 1000000;
}

static void finish(const struct haggle_batch *batch, const struct haggle_request *request,
                   struct haggle_result *result)
{
  result->size = sizeof *result;
  batch->finish(batch->host, request, result);
}

static void fail(const struct haggle_batch *batch, const struct haggle_request *request,
                 int32_t status, const char *message)
{
  finish(batch, request,
         &(struct haggle_result){
             .status = status, .message = message, .message_size = strlen(message)});
}

/* The sums of rows, and the words as they came. */
static void compute(struct model *model, const struct haggle_batch *batch,
                    const struct haggle_request *request)
{
  size_t rows = (size_t)request->rows;
  const float *x = request->inputs[0].data;
  float *sums = malloc((rows + 1) * sizeof *sums);
  for (size_t i = 0; i < rows; i++) sums[i] = x[2 * i] + x[2 * i + 1];
  struct haggle_tensor made[] = {
      {sizeof *made, "sum", HAGGLE_F32, 1, {request->rows}, sums, rows * sizeof *sums},
      request->inputs[1],
  };
  if (is(model, "shape")) made[0].shape[0]++;
  if (is(model, "type")) made[0].type = HAGGLE_F64;
  if (is(model, "short")) made[0].data_size--;
  if (is(model, "count"))
    finish(batch, request, &(struct haggle_result){.outputs = made, .output_count = 1});
  else
    finish(batch, request, &(struct haggle_result){.outputs = made, .output_count = 2});
  model->rows += rows;
  free(sums);
}

static void misbehave(struct model *model)
{
  if (is(model, "segv")) crash(SIGSEGV);
  if (is(model, "abort")) crash(SIGABRT);
  if (is(model, "exit")) _exit(3);
  if (is(model, "hang")) sleep_ms(1000000);
  if (is(model, "close")) shutdown(3, SHUT_RDWR), sleep_ms(1000000);
  if (is(model, "wild")) write_wild(), sleep_ms(1000000);
}

/* Answers with pieces of the request's own text, and goes on as long as others come. */
static void speak(struct model *model, const struct haggle_batch *batch,
                  const struct haggle_request *request)
{
  for (size_t i = 0; batch->token && i < request->text_size; i += 4)
    batch->token(batch->host, request, request->text + i,
                 request->text_size - i < 4 ? request->text_size - i : 4);
  if (is(model, "bytes"))
    finish(batch, request, &(struct haggle_result){.text = "\xff\xfe", .text_size = 2});
  else
    finish(batch, request,
           &(struct haggle_result){.text = request->text, .text_size = request->text_size});
}

static void wait_until_over(const struct haggle_batch *batch, const struct haggle_request *request)
{
  while (!batch->is_over(batch->host, request))
    poll(&(struct pollfd){.fd = batch->event, .events = POLLIN}, 1, 1000);
  fail(batch, request, HAGGLE_CANCELLED, "it was over");
}

static void run_one(struct model *model, const struct haggle_batch *batch,
                    const struct haggle_request *request)
{
  if (is(model, "wait"))
    wait_until_over(batch, request);
  else if (is(model, "refuse"))
    fail(batch, request, HAGGLE_TOO_LARGE, "not this one");
  else if (model->language)
    speak(model, batch, request);
  else
    compute(model, batch, request);
}

static void run(void *user, const struct haggle_batch *batch)
{
  struct model *model = user;
  model->runs++;
  for (size_t i = 0; i < batch->count; i++) {
    if (i == batch->count / 2) misbehave(model);
    if (is(model, "forget")) continue;
    run_one(model, batch, batch->requests[i]);
    if (is(model, "twice")) fail(batch, batch->requests[i], HAGGLE_FAILED, "again");
  }
  /* As an engine that decodes: what comes meanwhile is taken. */
  for (int i = 0; is(model, "take") && i < 200; i++) {
    poll(&(struct pollfd){.fd = batch->event, .events = POLLIN}, 1, 5);
    for (const struct haggle_request *more; (more = batch->take(batch->host)); i = 0)
      run_one(model, batch, more);
  }
}

static void stats(void *user, struct haggle_model_stats *out)
{
  const struct model *model = user;
  if (is(model, "hang-stats")) sleep_ms(1000000);
  out->host_memory = 11;
  out->rows = model->rows;
}

static void close_model(void *user)
{
  if (is(user, "hang-close")) sleep_ms(1000000);
  free(user);
}

static const struct haggle_engine engine = {
    .size = sizeof engine,
    .version = HAGGLE_INFER_VERSION,
    .name = "wild",
    .about = "of the tests",
    .device = device,
    .open = open_model,
    .describe = describe,
    .run = run,
    .stats = stats,
    .close = close_model,
};

__attribute__((visibility("default"))) haggle_engine_function haggle_engine;
const struct haggle_engine *haggle_engine(uint32_t version, const struct haggle_host *host)
{
  host_of = host;
  return version >= 1 ? &engine : NULL;
}
