/* What an engine answers: believed as far as the model describes it. On the engine's threads. */
#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "infer/infer_core.h"
#include "protocol/limits.h"

enum { WHY_SIZE_MAX = 400, COMPLAIN_EVERY_S = 60 };

enum hgl_code infer_code_of(int32_t status)
{
  static const enum hgl_code codes[] = {
      [HAGGLE_INVALID] = HGL_INVALID,      [HAGGLE_TOO_LARGE] = HGL_TOO_LARGE,
      [HAGGLE_TIMEOUT] = HGL_TIMEOUT,      [HAGGLE_CANCELLED] = HGL_CLOSED,
      [HAGGLE_NO_MEMORY] = HGL_NO_MEMORY,  [HAGGLE_UNSUPPORTED] = HGL_INVALID,
      [HAGGLE_NOT_FOUND] = HGL_NOT_FOUND,  [HAGGLE_UNREACHABLE] = HGL_UNREACHABLE,
      [HAGGLE_DENIED] = HGL_DENIED,        [HAGGLE_LIMIT] = HGL_LIMIT,
      [HAGGLE_FAILED] = HGL_ENGINE_FAILED,
  };
  bool known = status > HAGGLE_OK && status <= HAGGLE_FAILED;
  return known ? codes[status] : HGL_ENGINE_FAILED;
}

void infer_complain(struct hgl_infer_model *model, const char *what)
{
  int64_t now = infer_now_ns();
  pthread_mutex_lock(&model->lock);
  uint64_t times = ++model->stats.garbage;
  bool says = !model->complained_ns ||
              now - model->complained_ns > COMPLAIN_EVERY_S * INT64_C(1000000000);
  if (says) model->complained_ns = now;
  pthread_mutex_unlock(&model->lock);
  if (says)
    infer_say(model->infer, HGL_LOG_WARN,
              "model %s: the engine %s gave %s (%llu times so far that something was wrong)",
              model->name, model->engine->name, what, (unsigned long long)times);
}

/* `why` need not be UTF-8. */
static void set_failure(struct hgl_infer_call *call, enum hgl_code code, struct hgl_bytes why)
{
  struct hgl_buf text;
  call->code = code;
  hgl_buf_deinit(&call->result);
  hgl_buf_init(&text, WHY_SIZE_MAX);
  hgl_utf8_mend(hgl_bytes(why.data, why.size < WHY_SIZE_MAX ? why.size : WHY_SIZE_MAX), &text);
  /* Without memory the agent is told what the code means. */
  if (text.size) call->why = hgl_strndup((const char *)text.data, text.size);
  hgl_buf_deinit(&text);
}

void infer_answer_failed(struct hgl_infer_call *call, enum hgl_code code, const char *why)
{
  set_failure(call, code, hgl_text(why));
}

static void fail_garbage(struct hgl_infer_call *call, const struct hgl_err *why)
{
  char text[HGL_ERR_MESSAGE_SIZE + HGL_MODEL_NAME_SIZE_MAX + 40];
  snprintf(text, sizeof text, "the engine of the model %s gave %.300s", call->model->name,
           why->message);
  infer_complain(call->model, why->message);
  infer_answer_failed(call, HGL_ENGINE_FAILED, text);
}

static void take_tensors(struct hgl_infer_call *call, const struct haggle_result *result)
{
  struct hgl_err err;
  int status = hgl_tensors_to_value(&call->model->spec, result->outputs, result->output_count,
                                    call->request.rows, call->single, &call->result, &err);
  if (status == -HGL_MALFORMED)
    fail_garbage(call, &err);
  else if (status)
    infer_answer_failed(call, err.code, err.message);
}

static void take_text(struct hgl_infer_call *call, const struct haggle_result *result)
{
  struct hgl_err err;
  int status = result->text && result->text_size
                   ? infer_text_answer(hgl_bytes(result->text, result->text_size), &call->result,
                                       &err)
                   : hgl_fail(&err, HGL_MALFORMED, "no answer");
  if (status == -HGL_MALFORMED)
    fail_garbage(call, &err);
  else if (status)
    infer_answer_failed(call, err.code, err.message);
}

void infer_answer(struct hgl_infer_call *call, const struct haggle_result *result)
{
  struct hgl_err err;
  if (!result || !HAGGLE_HAS(result, text_size)) {
    hgl_fail(&err, HGL_MALFORMED, "a result of %zu bytes", result ? result->size : 0);
    fail_garbage(call, &err);
  } else if (result->status) {
    enum hgl_code code = infer_code_of(result->status);
    struct hgl_bytes why = hgl_text(hgl_code_meaning(code));
    if (result->message && result->message_size)
      why = hgl_bytes(result->message, result->message_size);
    set_failure(call, code, why);
  } else if (call->model->kind == HAGGLE_LANGUAGE) {
    take_text(call, result);
  } else {
    take_tensors(call, result);
  }
}
