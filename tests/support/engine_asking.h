/* Opening a model of an engine and asking it, for tests. */
#ifndef HGL_TESTS_ENGINE_ASKING_H
#define HGL_TESTS_ENGINE_ASKING_H

#include <stdio.h>
#include <stdlib.h>

#include "infer/haggle_infer.h"
#include "support/check.h"

enum { ANSWERS_MAX = 600, ANSWER_OUTPUTS_MAX = 4, ANSWER_TEXT_MAX = 300 };

/* What became of a request. */
struct answer {
  int times; /* that it was answered: once, one hopes */
  int32_t status;
  char message[ANSWER_TEXT_MAX];
  size_t output_count;
  struct haggle_tensor outputs[ANSWER_OUTPUTS_MAX]; /* whose data was copied */
};

struct asking {
  const struct haggle_engine *engine;
  void *model;
  struct answer answers[ANSWERS_MAX];
  uint64_t over;  /* the id of a request that is over; 0: none */
  int over_after; /* once this was asked so often */
  char log[512];
};

static struct asking *asking_of_log;

static inline void note_log(const struct haggle_host *host, int32_t level, const char *text,
                            size_t size)
{
  if (asking_of_log)
    snprintf(asking_of_log->log, sizeof asking_of_log->log, "%.*s", (int)size, text);
}

static inline void note_answer(void *host, const struct haggle_request *request,
                               const struct haggle_result *result)
{
  struct asking *asking = host;
  struct answer *answer = &asking->answers[request->id - 1];
  free((void *)request); /* an engine has no request that it has answered */
  answer->times++;
  answer->status = result->status;
  if (result->status != HAGGLE_OK) {
    snprintf(answer->message, sizeof answer->message, "%.*s", (int)result->message_size,
             result->message);
    return;
  }
  answer->output_count = result->output_count;
  for (size_t i = 0; i < result->output_count && i < ANSWER_OUTPUTS_MAX; i++) {
    void *copy = malloc(result->outputs[i].data_size + 1);
    if (!copy) abort();
    memcpy(copy, result->outputs[i].data, result->outputs[i].data_size);
    answer->outputs[i] = result->outputs[i];
    answer->outputs[i].data = copy;
  }
}

static inline const struct haggle_request *take_none(void *host)
{
  return NULL;
}

static inline int is_over_now(void *host, const struct haggle_request *request)
{
  struct asking *asking = host;
  return request->id == asking->over && asking->over_after-- <= 0;
}

static inline void forget_answers(struct asking *asking)
{
  for (size_t i = 0; i < ANSWERS_MAX; i++)
    for (size_t o = 0; o < asking->answers[i].output_count && o < ANSWER_OUTPUTS_MAX; o++)
      free((void *)asking->answers[i].outputs[o].data);
  memset(asking->answers, 0, sizeof asking->answers);
}

/* Requests get the ids 1, 2, … */
static inline void ask_all(struct asking *asking, struct haggle_request *requests, size_t count)
{
  const struct haggle_request *list[ANSWERS_MAX];
  struct haggle_batch batch = {.size = sizeof batch,
                               .requests = list,
                               .count = count,
                               .host = asking,
                               .finish = note_answer,
                               .take = take_none,
                               .is_over = is_over_now,
                               .event = -1};
  assert_true(count <= ANSWERS_MAX);
  forget_answers(asking);
  for (size_t i = 0; i < count; i++) {
    requests[i].size = sizeof *requests;
    requests[i].id = i + 1;
    struct haggle_request *given = malloc(sizeof *given);
    if (!given) abort();
    *given = requests[i];
    list[i] = given;
  }
  asking->engine->run(asking->model, &batch);
  for (size_t i = 0; i < count; i++) assert_int_equal(asking->answers[i].times, 1);
}

static inline struct haggle_tensor floats_tensor(const char *name, size_t rows, size_t width,
                                                 const float *data)
{
  return (struct haggle_tensor){.size = sizeof(struct haggle_tensor),
                                .name = name,
                                .type = HAGGLE_F32,
                                .rank = 2,
                                .shape = {(int64_t)rows, (int64_t)width},
                                .data = data,
                                .data_size = rows * width * sizeof *data};
}

#endif
