/* The queue of a model: calls wait with their agent, and agents take turns. */
#include <stdio.h>

#include "base/mem.h"
#include "infer/infer_core.h"
#include "protocol/limits.h"

enum {
  OPEN_BYTES_MAX = 256 << 20, /* of the calls of one model */
  IDLE_CALLERS_MAX = 4096,    /* remembered for what they did */
  ON_LOOP_NS = 100000,        /* about what it takes to wake a thread and to be woken by it */
};

/* Agents --------------------------------------------------------------------------------------- */

static void unlink_idle(struct hgl_infer_model *model, struct infer_caller *caller)
{
  *(caller->older ? &caller->older->younger : &model->idle_oldest) = caller->younger;
  *(caller->younger ? &caller->younger->older : &model->idle_youngest) = caller->older;
  caller->older = caller->younger = NULL;
  model->idle_callers--;
}

static void forget_oldest(struct hgl_infer_model *model)
{
  struct infer_caller *oldest = model->idle_oldest;
  pthread_mutex_lock(&model->lock);
  bool in_turn = oldest->in_turn; /* all that it had in the queue was cancelled */
  pthread_mutex_unlock(&model->lock);
  unlink_idle(model, oldest);
  if (in_turn) return; /* it is found by its name, should it call again */
  hgl_map_remove(&model->callers, hgl_text(oldest->name));
  hgl_free(oldest);
}

static void link_idle(struct hgl_infer_model *model, struct infer_caller *caller)
{
  caller->older = model->idle_youngest;
  *(caller->older ? &caller->older->younger : &model->idle_oldest) = caller;
  model->idle_youngest = caller;
  if (++model->idle_callers > IDLE_CALLERS_MAX) forget_oldest(model);
}

static bool is_idle(const struct hgl_infer_model *model, const struct infer_caller *caller)
{
  return caller->older || caller->younger || model->idle_oldest == caller;
}

static int get_caller(struct hgl_infer_model *model, const char *name, struct infer_caller **out,
                      struct hgl_err *err)
{
  struct infer_caller *caller = hgl_map_get(&model->callers, hgl_text(name));
  size_t size = strlen(name) + 1;
  if (!caller) {
    caller = hgl_zalloc(sizeof *caller + size);
    if (!caller) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    memcpy(caller->name, name, size);
    int status = hgl_map_put(&model->callers, hgl_text(name), caller, err);
    if (status) {
      hgl_free(caller);
      return status;
    }
    link_idle(model, caller);
  }
  *out = caller;
  return 0;
}

/* Taking, in turn ------------------------------------------------------------------------------ */

static void enter_turn(struct hgl_infer_model *model, struct infer_caller *caller)
{
  caller->next = NULL;
  caller->in_turn = true;
  if (model->turn_last)
    model->turn_last->next = caller;
  else
    model->turn_first = caller;
  model->turn_last = caller;
}

static void unlink_call(struct hgl_infer_call *call)
{
  struct infer_caller *caller = call->caller;
  *(call->previous ? &call->previous->next : &caller->first) = call->next;
  *(call->next ? &call->next->previous : &caller->last) = call->previous;
  call->next = call->previous = NULL;
  call->model->queued--;
  call->model->queued_rows -= infer_call_rows(call);
}

struct hgl_infer_call *infer_queue_take(struct hgl_infer_model *model)
{
  struct infer_caller *caller;
  while ((caller = model->turn_first)) {
    model->turn_first = caller->next;
    if (!model->turn_first) model->turn_last = NULL;
    caller->in_turn = false;
    struct hgl_infer_call *call = caller->first;
    if (!call) continue;
    unlink_call(call);
    if (caller->first) enter_turn(model, caller);
    return call;
  }
  return NULL;
}

int64_t infer_queue_oldest_ns(const struct hgl_infer_model *model)
{
  const struct infer_caller *caller = model->turn_first;
  while (caller && !caller->first) caller = caller->next;
  return caller ? caller->first->queued_ns : 0;
}

/* Submitting ----------------------------------------------------------------------------------- */

int hgl_infer_check(const struct hgl_infer_model *model, struct hgl_bytes input,
                    struct hgl_err *err)
{
  struct hgl_tensors_found found;
  if (model->kind == HAGGLE_LANGUAGE) return infer_text_check(model, input, NULL, err);
  return hgl_tensors_find(&model->spec, input, &found, err);
}

static struct hgl_infer_call *new_call(size_t input_count, size_t extra)
{
  size_t head = (sizeof(struct hgl_infer_call) + input_count * sizeof(struct haggle_tensor) + 63) &
                ~(size_t)63;
  struct hgl_infer_call *call = hgl_alloc(head + extra + 64);
  if (!call) return NULL;
  memset(call, 0, head);
  call->size = head + extra;
  return call;
}

/* Where what follows the tensors of a call begins: on a cache line. */
static uint8_t *memory_of(struct hgl_infer_call *call, size_t input_count)
{
  uint8_t *end = (uint8_t *)&call->inputs[input_count];
  return end + (-(uintptr_t)end & 63);
}

static int make_tensors(const struct hgl_infer_model *model, struct hgl_bytes input,
                        struct hgl_infer_call **out, struct hgl_err *err)
{
  struct hgl_tensors_found found;
  size_t count = model->spec.input_count;
  int status = hgl_tensors_locate(&model->spec, input, &found, err);
  if (status) return status;
  struct hgl_infer_call *call = new_call(count, found.size);
  if (!call) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  status = hgl_tensors_fill(&model->spec, &found, memory_of(call, count), call->inputs, err);
  if (status) {
    hgl_free(call);
    return status;
  }
  call->single = found.single;
  call->request = (struct haggle_request){.size = sizeof call->request,
                                          .inputs = call->inputs,
                                          .input_count = count,
                                          .rows = model->spec.batched ? found.rows : 0};
  *out = call;
  return 0;
}

static int make_text(const struct hgl_infer_model *model, struct hgl_bytes input,
                     struct hgl_infer_call **out, struct hgl_err *err)
{
  struct hgl_infer_call *call = NULL;
  struct hgl_buf text;
  hgl_buf_init(&text, 4 * HGL_BODY_SIZE_MAX); /* escaping makes text longer */
  int status = infer_text_check(model, input, &text, err);
  if (!status && !(call = new_call(0, text.size + 1)))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) {
    char *held = (char *)memory_of(call, 0);
    memcpy(held, text.data, text.size);
    held[text.size] = 0;
    call->request = (struct haggle_request){
        .size = sizeof call->request, .text = held, .text_size = text.size};
    *out = call;
  }
  hgl_buf_deinit(&text);
  return status;
}

static int check_room(struct hgl_infer_model *model, const struct infer_caller *caller, size_t size,
                      struct hgl_err *err)
{
  const struct infer_options *options = &model->options;
  if (caller->open >= options->agent_queue)
    return hgl_fail(err, HGL_LIMIT,
                    "%s waits for %zu answers of the model %s already, which is as many as one "
                    "agent may (agent_queue)",
                    caller->name, caller->open, model->name);
  if (model->open >= options->queue)
    return hgl_fail(err, HGL_LIMIT, "the queue of the model %s is full with %zu calls (queue)",
                    model->name, model->open);
  if (size > OPEN_BYTES_MAX - model->open_bytes)
    return hgl_fail(err, HGL_LIMIT, "the queue of the model %s is full with %zu bytes", model->name,
                    model->open_bytes);
  return 0;
}

static void enter_queue(struct hgl_infer_model *model, struct hgl_infer_call *call)
{
  struct infer_caller *caller = call->caller;
  pthread_mutex_lock(&model->lock);
  call->previous = caller->last;
  *(caller->last ? &caller->last->next : &caller->first) = call;
  caller->last = call;
  if (!caller->in_turn) enter_turn(model, caller);
  model->queued++;
  model->queued_rows += infer_call_rows(call);
  model->stats.calls++;
  /* A whole batch need not wait until all others of the tick are queued. */
  if (model->queued == model->options.batch && !model->quick) pthread_cond_signal(&model->changed);
  infer_events_update(model);
  pthread_mutex_unlock(&model->lock);
}

static void count_refused(struct hgl_infer_model *model)
{
  pthread_mutex_lock(&model->lock);
  model->stats.refused++;
  pthread_mutex_unlock(&model->lock);
}

int hgl_infer_submit(struct hgl_infer_model *model, const struct hgl_infer_asked *asked,
                     struct hgl_infer_call **out, struct hgl_err *err)
{
  struct infer_caller *caller;
  struct hgl_infer_call *call = NULL;
  int status = model->kind == HAGGLE_LANGUAGE ? make_text(model, asked->input, &call, err)
                                              : make_tensors(model, asked->input, &call, err);
  if (!status) status = get_caller(model, asked->agent, &caller, err);
  if (!status) status = check_room(model, caller, call->size, err);
  if (status) {
    if (status == -HGL_LIMIT) count_refused(model);
    hgl_free(call);
    return status;
  }
  if (!caller->open++ && is_idle(model, caller)) unlink_idle(model, caller);
  caller->calls++;
  model->open++;
  model->open_bytes += call->size;
  call->model = model;
  call->caller = caller;
  call->done = asked->done;
  call->user = asked->user;
  call->ticket = asked->ticket;
  call->queued_ns = infer_now_ns();
  call->request.id = ++model->last_id;
  if (asked->within_ms > 0)
    call->request.deadline_ns = call->queued_ns + asked->within_ms * 1000000;
  hgl_buf_init(&call->result, HGL_BODY_SIZE_MAX);
  enter_queue(model, call);
  model->submitted = true;
  *out = call;
  return 0;
}

void hgl_infer_flush(struct hgl_infer *infer)
{
  int64_t left_ns = ON_LOOP_NS; /* for all models together */
  for (struct hgl_infer_model *model = infer->models; model; model = model->next) {
    if (!model->submitted) continue;
    model->submitted = false;
    if (infer_run_on_loop(model, &left_ns)) continue;
    pthread_mutex_lock(&model->lock);
    pthread_cond_signal(&model->changed);
    pthread_mutex_unlock(&model->lock);
  }
}

/* Being over ----------------------------------------------------------------------------------- */

static void forget(struct hgl_infer_call *call)
{
  struct hgl_infer_model *model = call->model;
  struct infer_caller *caller = call->caller;
  model->open--;
  model->open_bytes -= call->size;
  if (!--caller->open && !is_idle(model, caller)) link_idle(model, caller);
  hgl_buf_deinit(&call->result);
  hgl_free(call->why);
  hgl_free(call);
}

void hgl_infer_cancel(struct hgl_infer_call *call)
{
  struct hgl_infer_model *model = call->model;
  pthread_mutex_lock(&model->lock);
  bool queued = call->stage == CALL_QUEUED, first = !call->cancelled;
  call->cancelled = true;
  if (queued) unlink_call(call);
  if (first && call->stage == CALL_RUNNING) call->worker->over++;
  if (first) model->stats.cancelled++;
  infer_events_update(model);
  pthread_mutex_unlock(&model->lock);
  if (queued) forget(call);
}

void infer_call_tell(struct hgl_infer_call *call)
{
  if (!call->cancelled) {
    struct hgl_err err = {0};
    if (call->code)
      hgl_fail(&err, call->code, "%s", call->why ? call->why : hgl_code_meaning(call->code));
    hgl_histogram_note(&call->model->told, infer_now_ns() - call->queued_ns);
    call->done(call->user, call->ticket, hgl_buf_bytes(&call->result), call->code ? &err : NULL);
  }
  forget(call);
}

void infer_queue_drop(struct hgl_infer_model *model)
{
  for (;;) {
    pthread_mutex_lock(&model->lock);
    struct hgl_infer_call *call = infer_queue_take(model);
    pthread_mutex_unlock(&model->lock);
    if (!call) return;
    forget(call);
  }
}
