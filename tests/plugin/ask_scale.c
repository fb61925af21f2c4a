/* What a host does with an engine, in little: loads it, opens a model, asks it, closes it. Given
 * the library; prints "ok". */
#include <haggle/haggle_infer.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define CHECK(what)                                                                                \
  do {                                                                                             \
    if (!(what)) {                                                                                 \
      fprintf(stderr, "line %d: %s\n", __LINE__, #what);                                           \
      return 1;                                                                                    \
    }                                                                                              \
  } while (0)

struct asked {
  struct haggle_request request; /* first: one is the other */
  struct haggle_tensor x;
  float y[3];
  int finished;
};

static void finish(void *host, const struct haggle_request *request,
                   const struct haggle_result *result)
{
  struct asked *asked = (struct asked *)request;
  (void)host;
  asked->finished++;
  if (result->status == HAGGLE_OK && result->output_count == 1 &&
      result->outputs[0].data_size == sizeof asked->y)
    memcpy(asked->y, result->outputs[0].data, sizeof asked->y);
}

static void log_line(const struct haggle_host *host, int32_t level, const char *text, size_t size)
{
  (void)host;
  fprintf(stderr, "%d %.*s\n", (int)level, (int)size, text);
}

static int ask(const struct haggle_engine *engine, void *model)
{
  static const float numbers[] = {1, 2, -3};
  struct asked asked[2];
  const struct haggle_request *requests[2];
  struct haggle_model_info info;
  struct haggle_model_stats stats;
  memset(asked, 0, sizeof asked);
  memset(&info, 0, sizeof info);
  memset(&stats, 0, sizeof stats);
  info.size = sizeof info;
  stats.size = sizeof stats;
  engine->describe(model, &info);
  CHECK(info.kind == HAGGLE_TENSORS && info.batched && info.input_count == 1);
  CHECK(strcmp(info.inputs[0].name, "x") == 0 && HAGGLE_HAS(&info, context));
  for (int i = 0; i < 2; i++) {
    struct haggle_tensor x = {sizeof x, "x", HAGGLE_F32, 1, {3}, numbers, sizeof numbers};
    asked[i].x = x;
    asked[i].request.size = sizeof asked[i].request;
    asked[i].request.id = (uint64_t)i;
    asked[i].request.inputs = &asked[i].x;
    asked[i].request.input_count = 1;
    asked[i].request.rows = 3;
    requests[i] = &asked[i].request;
  }
  struct haggle_batch batch = {sizeof batch, requests, 2, NULL, finish, NULL, NULL, NULL, -1};
  engine->run(model, &batch);
  for (int i = 0; i < 2; i++) {
    CHECK(asked[i].finished == 1);
    CHECK(asked[i].y[0] == 2.5f && asked[i].y[2] == -7.5f);
  }
  engine->stats(model, &stats);
  CHECK(stats.rows == 6);
  return 0;
}

int main(int argc, char **argv)
{
  struct haggle_host host = {sizeof host, HAGGLE_INFER_VERSION, log_line};
  struct haggle_option by = {"by", "2.5"}, wrong = {"times", "2"};
  struct haggle_source source = {sizeof source, "scaled", "anything", &by, 1};
  struct haggle_error error;
  void *model = NULL, *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  haggle_engine_function *function = NULL;
  CHECK(library);
  *(void **)&function = dlsym(library, HAGGLE_ENGINE_SYMBOL);
  CHECK(function && !function(0, &host));
  const struct haggle_engine *engine = function(HAGGLE_INFER_VERSION, &host);
  CHECK(engine && engine->version == HAGGLE_INFER_VERSION && HAGGLE_HAS(engine, close));
  memset(&error, 0, sizeof error);
  error.size = sizeof error;
  source.options = &wrong;
  CHECK(engine->open(&source, &model, &error) == HAGGLE_INVALID && strstr(error.message, "times"));
  source.options = &by;
  CHECK(engine->open(&source, &model, &error) == HAGGLE_OK);
  if (ask(engine, model) != 0) return 1;
  engine->close(model);
  dlclose(library);
  printf("ok\n");
  return 0;
}
