#include "support/engine_host.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The only state: engines know the host by this pointer, and it says nothing of who asks. */
static void on_log(const struct haggle_host *host, int32_t level, const char *text, size_t size)
{
  struct engine_host *self = (struct engine_host *)host;
  if (level == HAGGLE_LOG_WARNING) snprintf(self->log, sizeof self->log, "%.*s", (int)size, text);
  if (getenv("HAGGLE_TEST_VERBOSE")) fprintf(stderr, "# %.*s\n", (int)size, text);
}

void engine_host_use(struct engine_host *host, haggle_engine_function *function)
{
  *host = (struct engine_host){
      .host = {.size = sizeof host->host, .version = HAGGLE_INFER_VERSION, .log = on_log}};
  host->engine = function(HAGGLE_INFER_VERSION, &host->host);
}

bool engine_host_open(struct engine_host *host, const char *path)
{
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return false;
  }
  haggle_engine_function *function = (haggle_engine_function *)dlsym(library, HAGGLE_ENGINE_SYMBOL);
  if (!function) return false;
  engine_host_use(host, function);
  host->library = library;
  return host->engine != NULL;
}

int engine_model_open(struct engine_host *host, const char *file, const char *options, void **model,
                      struct haggle_error *error)
{
  char words[1024] = "";
  struct haggle_option list[16];
  size_t count = 0;
  if (options) snprintf(words, sizeof words, "%s", options);
  for (char *rest = words, *word; (word = strsep(&rest, ",")) && *word;) {
    char *value = strchr(word, '=');
    assert(value && count < 16);
    *value = '\0';
    list[count++] = (struct haggle_option){word, value + 1};
  }
  const char *device = getenv("HAGGLE_TEST_DEVICE");
  if (device && (!options || !strstr(options, "device="))) {
    assert(count < 16);
    list[count++] = (struct haggle_option){"device", device};
  }
  struct haggle_source source = {
      .size = sizeof source, .name = "tiny", .file = file, .options = list, .option_count = count};
  *error = (struct haggle_error){.size = sizeof *error};
  return host->engine->open(&source, model, error);
}

struct engine_call engine_call(const char *format, ...)
{
  struct engine_call call = {.status = -1};
  va_list arguments;
  va_start(arguments, format);
  int size = vasprintf(&call.text, format, arguments);
  va_end(arguments);
  assert(size >= 0);
  return call;
}

void engine_call_free(struct engine_call *call)
{
  free(call->text);
  free(call->answer);
  free(call->pieces);
  *call = (struct engine_call){0};
}

struct running {
  struct engine_call *calls;
  size_t count, taken;
  int finished;
};

static struct engine_call *call_of(struct running *running, const struct haggle_request *request)
{
  return &running->calls[request->id];
}

static void on_finish(void *host, const struct haggle_request *request,
                      const struct haggle_result *result)
{
  struct running *running = host;
  struct engine_call *call = call_of(running, request);
  assert(call->status == -1);
  call->place = ++running->finished;
  call->status = result->status;
  call->answer = result->status ? strndup(result->message, result->message_size)
                                : strndup(result->text, result->text_size);
}

static const struct haggle_request *on_take(void *host)
{
  struct running *running = host;
  if (running->taken == running->count) return NULL;
  return &running->calls[running->taken++].request;
}

static void on_token(void *host, const struct haggle_request *request, const char *text,
                     size_t size)
{
  struct engine_call *call = call_of(host, request);
  size_t before = call->pieces ? strlen(call->pieces) : 0;
  char *pieces = realloc(call->pieces, before + size + 1);
  assert(pieces && size > 0);
  memcpy(pieces + before, text, size);
  pieces[before + size] = '\0';
  call->pieces = pieces;
  call->piece_count++;
  if (call->late_after && call->piece_count >= call->late_after) call->request.deadline_ns = 1;
}

static int on_is_over(void *host, const struct haggle_request *request)
{
  struct engine_call *call = call_of(host, request);
  return call->over_at_once || (call->cancel_after && call->piece_count >= call->cancel_after);
}

void engine_run(struct engine_host *host, void *model, struct engine_call *calls, size_t count,
                size_t at_once)
{
  struct running running = {calls, count, at_once, 0};
  const struct haggle_request **first = calloc(at_once, sizeof *first);
  assert(first);
  for (size_t i = 0; i < count; i++) {
    free(calls[i].answer);
    free(calls[i].pieces);
    calls[i].answer = calls[i].pieces = NULL;
    calls[i].status = -1;
    calls[i].piece_count = 0;
    calls[i].request = (struct haggle_request){.size = sizeof calls[i].request,
                                               .id = i,
                                               .deadline_ns = calls[i].deadline_ns,
                                               .text = calls[i].text,
                                               .text_size = strlen(calls[i].text)};
    if (i < at_once) first[i] = &calls[i].request;
  }
  struct haggle_batch batch = {.size = sizeof batch,
                               .requests = first,
                               .count = at_once,
                               .host = &running,
                               .finish = on_finish,
                               .take = on_take,
                               .token = on_token,
                               .is_over = on_is_over,
                               .event = -1};
  host->engine->run(model, &batch);
  free(first);
}
