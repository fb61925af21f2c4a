/* Runs a network from a script: dense_run FILE [OPTION=VALUE…]. Reads rows of numbers, one a line,
 * the inputs beside each other, and prints for each row a line "NAME NUMBER…" for each output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/dense.h"

enum { INPUTS_MAX = 64 };

struct running {
  struct haggle_model_info info;
  size_t width; /* of all inputs */
};

static int failed(const char *what, const char *why)
{
  fprintf(stderr, "dense_run: %s%s\n", what, why);
  return 1;
}

static void print_result(void *host, const struct haggle_request *request,
                         const struct haggle_result *result)
{
  if (result->status != HAGGLE_OK) {
    printf("error %.*s\n", (int)result->message_size, result->message);
    return;
  }
  for (size_t i = 0; i < result->output_count; i++) {
    const struct haggle_tensor *tensor = &result->outputs[i];
    const float *numbers = tensor->data;
    printf("%s", tensor->name);
    if (tensor->type == HAGGLE_I64) printf(" %lld", (long long)*(const int64_t *)tensor->data);
    for (size_t j = 0; tensor->type == HAGGLE_F32 && j < tensor->data_size / sizeof *numbers; j++)
      printf(" %.9g", (double)numbers[j]);
    printf("\n");
  }
}

static void run_row(const struct haggle_engine *engine, void *model, const struct running *running,
                    const float *row)
{
  struct haggle_tensor inputs[INPUTS_MAX];
  struct haggle_request request = {.size = sizeof request,
                                   .id = 1,
                                   .inputs = inputs,
                                   .input_count = running->info.input_count,
                                   .rows = 1};
  const struct haggle_request *list = &request;
  struct haggle_batch batch = {
      .size = sizeof batch, .requests = &list, .count = 1, .finish = print_result, .event = -1};
  for (size_t i = 0; i < running->info.input_count; i++) {
    int64_t width = running->info.inputs[i].shape[1];
    inputs[i] = (struct haggle_tensor){.size = sizeof *inputs,
                                       .type = HAGGLE_F32,
                                       .rank = 2,
                                       .shape = {1, width},
                                       .data = row,
                                       .data_size = (size_t)width * sizeof *row};
    row += width;
  }
  engine->run(model, &batch);
}

static int run_rows(const struct haggle_engine *engine, void *model, const struct running *running)
{
  float *row = calloc(running->width, sizeof *row);
  char word[64];
  size_t count = 0;
  if (!row) return failed("out of memory", "");
  while (scanf("%63s", word) == 1) {
    row[count] = strtof(word, NULL);
    if (++count < running->width) continue;
    run_row(engine, model, running, row);
    count = 0;
  }
  free(row);
  return count ? failed("the last row is not complete", "") : 0;
}

int main(int argc, char **argv)
{
  static const struct haggle_host host = {.size = sizeof host, .version = HAGGLE_INFER_VERSION};
  const struct haggle_engine *engine = hgl_dense_engine(HAGGLE_INFER_VERSION, &host);
  struct haggle_option options[8];
  struct haggle_error error = {.size = sizeof error};
  struct running running = {.info.size = sizeof running.info};
  void *model;
  if (argc < 2 || argc > 10) return failed("usage: dense_run FILE [OPTION=VALUE…]", "");
  for (int i = 2; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (!value) return failed("no option: ", argv[i]);
    *value = 0;
    options[i - 2] = (struct haggle_option){argv[i], value + 1};
  }
  struct haggle_source source = {.size = sizeof source,
                                 .name = "model",
                                 .file = argv[1],
                                 .options = options,
                                 .option_count = (size_t)argc - 2};
  if (engine->open(&source, &model, &error) != HAGGLE_OK) return failed(error.message, "");
  engine->describe(model, &running.info);
  if (running.info.note) fprintf(stderr, "%s\n", running.info.note);
  for (size_t i = 0; i < running.info.input_count; i++)
    running.width += (size_t)running.info.inputs[i].shape[1];
  int status = run_rows(engine, model, &running);
  engine->close(model);
  return status;
}
