/* The threads of a model: each takes a batch, lets the engine run it, and hands what came of it to
 * the loop.
 *
 * The answers of a model of tensors are handed over when the batch ends, so that the loop makes one
 * tick of them; those of a language model as they come, because its batches may go on for ever. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "infer/infer_core.h"

enum { STOP_SECONDS = 5, NAME_SIZE = 16 };

/* The event ------------------------------------------------------------------------------------ */

static void set_event(struct infer_worker *worker, bool wanted)
{
  uint64_t one = 1;
  ssize_t done;
  if (worker->event < 0 || worker->event_set == wanted) return;
  worker->event_set = wanted;
  done = wanted ? write(worker->event, &one, sizeof one) : read(worker->event, &one, sizeof one);
  (void)done; /* it is a counter of 0 or 1 */
}

static void update_event(struct infer_worker *worker)
{
  const struct hgl_infer_model *model = worker->model;
  set_event(worker, worker->live && (model->queued || worker->over || model->stopping));
}

void infer_events_update(struct hgl_infer_model *model)
{
  for (size_t i = 0; i < model->worker_count; i++)
    if (model->workers[i].run_began_ns) update_event(&model->workers[i]);
}

/* What an engine has of us ----------------------------------------------------------------------
 *
 * A pointer that an engine gives is believed only when it is among those that it was given. */

static bool find_running(struct infer_worker *worker, const struct haggle_request *request,
                         size_t *place)
{
  for (size_t i = 0; i < worker->used; i++) {
    size_t at = worker->hint + i;
    if (at >= worker->used) at -= worker->used;
    if (!request || (const void *)worker->running[at] != (const void *)request) continue;
    *place = at;
    worker->hint = at + 1 < worker->used ? at + 1 : 0; /* they mostly end in order */
    return true;
  }
  return false;
}

static bool is_late(const struct hgl_infer_call *call, int64_t now_ns)
{
  return call->request.deadline_ns && call->request.deadline_ns <= now_ns;
}

/* A place for one more; false: no memory. */
static bool find_place(struct infer_worker *worker, size_t *place)
{
  for (size_t i = worker->live < worker->used ? 0 : worker->used; i < worker->used; i++) {
    if (worker->running[i]) continue;
    *place = i;
    return true;
  }
  if (worker->used == worker->capacity &&
      !HGL_GROW(worker->running, worker->used, worker->capacity))
    return false;
  *place = worker->used++;
  worker->running[*place] = NULL; /* who asked may have no use for it */
  return true;
}

static void begin_call(struct infer_worker *worker, struct hgl_infer_call *call, size_t place,
                       int64_t now_ns)
{
  worker->running[place] = call;
  worker->live++;
  worker->model->running++;
  call->worker = worker;
  call->stage = CALL_RUNNING;
  call->started_ns = now_ns;
  hgl_histogram_note(&worker->model->stats.wait, now_ns - call->queued_ns);
}

/* Being over ----------------------------------------------------------------------------------- */

static void count(struct infer_stats *stats, enum hgl_code code)
{
  stats->done += !code;
  stats->timeouts += code == HGL_TIMEOUT;
  stats->invalid += code == HGL_INVALID || code == HGL_TOO_LARGE;
  stats->failed += code && code != HGL_TIMEOUT && code != HGL_INVALID && code != HGL_TOO_LARGE;
}

/* With the lock held. */
static void add_told(struct infer_worker *worker, struct hgl_infer_call *call)
{
  call->next = NULL;
  if (!call->cancelled) count(&worker->model->stats, call->code);
  if (worker->told_last)
    worker->told_last->next = call;
  else
    worker->told_first = call;
  worker->told_last = call;
}

static void hand_over(struct infer_worker *worker)
{
  struct hgl_infer_model *model = worker->model;
  pthread_mutex_lock(&model->lock);
  struct hgl_infer_call *first = worker->told_first, *last = worker->told_last;
  worker->told_first = worker->told_last = NULL;
  pthread_mutex_unlock(&model->lock);
  if (first) infer_hand_over(model->infer, first, last);
}

/* With the lock held: the engine has it no more. */
static void leave(struct infer_worker *worker, struct hgl_infer_call *call, size_t place)
{
  worker->running[place] = NULL;
  worker->live--;
  worker->model->running--;
  if (call->cancelled) worker->over--;
  call->stage = CALL_OVER;
  update_event(worker);
}

/* It was never given to the engine. With the lock held. */
static void give_up(struct infer_worker *worker, struct hgl_infer_call *call, enum hgl_code code,
                    const char *why)
{
  call->stage = CALL_OVER;
  infer_answer_failed(call, code, why);
  add_told(worker, call);
}

/* What the engine calls ------------------------------------------------------------------------ */

static void finish(void *host, const struct haggle_request *request,
                   const struct haggle_result *result)
{
  struct infer_worker *worker = host;
  struct hgl_infer_model *model = worker->model;
  struct hgl_infer_call *call = NULL;
  size_t place;
  pthread_mutex_lock(&model->lock);
  if (find_running(worker, request, &place)) {
    call = worker->running[place];
    leave(worker, call, place);
  }
  pthread_mutex_unlock(&model->lock);
  if (!call) {
    infer_complain(model, "an answer to what it was not asked, or a second one");
    return;
  }
  if (is_late(call, infer_now_ns())) /* an engine ends such a request with whatever */
    infer_answer_failed(call, HGL_TIMEOUT, hgl_code_meaning(HGL_TIMEOUT));
  else if (!call->cancelled)
    infer_answer(call, result);
  pthread_mutex_lock(&model->lock);
  add_told(worker, call);
  pthread_mutex_unlock(&model->lock);
  if (model->kind == HAGGLE_LANGUAGE) hand_over(worker);
}

static const struct haggle_request *take(void *host)
{
  struct infer_worker *worker = host;
  struct hgl_infer_model *model = worker->model;
  const struct haggle_request *request = NULL;
  int64_t now_ns = infer_now_ns();
  struct hgl_infer_call *call;
  size_t place;
  bool gave_up = false;
  pthread_mutex_lock(&model->lock);
  while (!request && !model->stopping && model->queued && find_place(worker, &place)) {
    call = infer_queue_take(model);
    if (is_late(call, now_ns)) {
      give_up(worker, call, HGL_TIMEOUT, "its time was over before its turn came");
      gave_up = true;
      continue;
    }
    begin_call(worker, call, place, now_ns);
    model->stats.taken++;
    request = &call->request;
  }
  update_event(worker);
  pthread_mutex_unlock(&model->lock);
  if (gave_up) hand_over(worker);
  return request;
}

static void token(void *host, const struct haggle_request *request, const char *text, size_t size)
{
  struct infer_worker *worker = host;
  struct hgl_infer_model *model = worker->model;
  size_t place;
  pthread_mutex_lock(&model->lock);
  if (find_running(worker, request, &place)) {
    struct hgl_infer_call *call = worker->running[place];
    model->stats.tokens++;
    if (!call->begun)
      hgl_histogram_note(&model->stats.first_token, infer_now_ns() - call->queued_ns);
    call->begun = true;
  }
  pthread_mutex_unlock(&model->lock);
}

static int is_over(void *host, const struct haggle_request *request)
{
  struct infer_worker *worker = host;
  struct hgl_infer_model *model = worker->model;
  size_t place;
  pthread_mutex_lock(&model->lock);
  bool over = model->stopping || !find_running(worker, request, &place) ||
              worker->running[place]->cancelled || is_late(worker->running[place], infer_now_ns());
  pthread_mutex_unlock(&model->lock);
  return over;
}

/* Batches --------------------------------------------------------------------------------------
 */

static bool others_run(const struct infer_worker *worker)
{
  const struct hgl_infer_model *model = worker->model;
  for (size_t i = 0; i < model->worker_count; i++)
    if (&model->workers[i] != worker && model->workers[i].run_began_ns) return true;
  return false;
}

/* What the loop runs now, and what is queued behind that, is the loop's. With the lock held. */
static bool may_take(const struct hgl_infer_model *model)
{
  return model->queued && !model->on_loop.run_began_ns;
}

/* With the lock held. */
static void await_others(struct hgl_infer_model *model)
{
  while (!model->stopping && may_take(model) && model->queued < model->options.batch) {
    int64_t until = infer_queue_oldest_ns(model) + model->options.wait_ns;
    if (until <= infer_now_ns()) break;
    struct timespec at = {until / 1000000000, until % 1000000000};
    pthread_cond_timedwait(&model->changed, &model->lock, &at);
  }
}

/* Until there is something to do; false: to end. With the lock held. Calls that come to an idle
 * device begin at once; behind a batch, or beside one, they wait a little for others. */
static bool await_calls(struct infer_worker *worker)
{
  struct hgl_infer_model *model = worker->model;
  bool busy = model->queued > 0;
  while (!model->stopping) {
    while (!model->stopping && !may_take(model)) pthread_cond_wait(&model->changed, &model->lock);
    if (model->kind == HAGGLE_TENSORS && (busy || others_run(worker))) await_others(model);
    if (may_take(model)) break; /* nobody else has meanwhile */
    busy = false;
  }
  return !model->stopping;
}

/* With the lock held. How many requests the batch has. */
static size_t gather(struct infer_worker *worker)
{
  struct hgl_infer_model *model = worker->model;
  int64_t now_ns = infer_now_ns();
  size_t count = 0, place;
  worker->rows = 0;
  while (count < model->options.batch && model->queued) {
    struct hgl_infer_call *call = infer_queue_take(model);
    if (is_late(call, now_ns)) {
      give_up(worker, call, HGL_TIMEOUT, "its time was over before its turn came");
    } else if (!find_place(worker, &place)) {
      give_up(worker, call, HGL_NO_MEMORY, "out of memory");
    } else {
      begin_call(worker, call, place, now_ns);
      worker->rows += infer_call_rows(call);
      worker->requests[count++] = &call->request;
    }
  }
  if (!count) return 0;
  size_t bucket = count == 1 ? 0 : 64 - (size_t)__builtin_clzl(count - 1);
  size_t last = sizeof model->stats.sizes / sizeof *model->stats.sizes - 1;
  model->stats.sizes[bucket < last ? bucket : last]++;
  model->stats.batches++;
  model->stats.batched_calls += count;
  worker->run_began_ns = now_ns;
  update_event(worker);
  return count;
}

/* Of quick models. Threads that are put off by others make a row seem slow, until the next batches
 * of theirs. With the lock held. */
static void note_row(struct hgl_infer_model *model, size_t rows, int64_t took_ns)
{
  int64_t now = took_ns / (int64_t)rows, before = model->row_ns;
  model->row_ns = before ? before + (now - before) / 8 : now;
  if (model->row_ns < 1) model->row_ns = 1;
}

/* What the engine has not answered, it never will. With the lock held. */
static void end_batch(struct infer_worker *worker)
{
  struct hgl_infer_model *model = worker->model;
  for (size_t i = 0; i < worker->used; i++) {
    struct hgl_infer_call *call = worker->running[i];
    if (!call) continue;
    leave(worker, call, i);
    infer_answer_failed(call, model->stopping ? HGL_CLOSED : HGL_ENGINE_FAILED,
                        model->stopping ? "the host stops" : "the engine ended without an answer");
    add_told(worker, call);
  }
  int64_t took_ns = infer_now_ns() - worker->run_began_ns;
  hgl_histogram_note(&model->stats.run, took_ns);
  if (model->quick) note_row(model, worker->rows, took_ns);
  worker->run_began_ns = 0;
  worker->used = worker->hint = 0;
  set_event(worker, false);
}

static void run_batch(struct infer_worker *worker, size_t count)
{
  struct hgl_infer_model *model = worker->model;
  const struct haggle_batch batch = {.size = sizeof batch,
                                     .requests = worker->requests,
                                     .count = count,
                                     .host = worker,
                                     .finish = finish,
                                     .take = take,
                                     .token = token,
                                     .is_over = is_over,
                                     .event = worker->event};
  model->engine->calls->run(model->handle, &batch);
}

/* With the lock held, which is given back meanwhile. */
static void run_one_batch(struct infer_worker *worker)
{
  struct hgl_infer_model *model = worker->model;
  size_t requests = gather(worker);
  if (!requests) return;
  if (worker == &model->on_loop)
    model->stats.on_loop++;
  else if (model->queued) /* what is left is for another thread */
    pthread_cond_signal(&model->changed);
  pthread_mutex_unlock(&model->lock);
  run_batch(worker, requests);
  pthread_mutex_lock(&model->lock);
  end_batch(worker);
}

/* With the lock held. */
static bool runs_on_loop(const struct hgl_infer_model *model, int64_t left_ns)
{
  const struct infer_worker *here = &model->on_loop;
  return model->quick && model->row_ns && !others_run(here) &&
         model->queued_rows <= (size_t)(left_ns / model->row_ns);
}

bool infer_run_on_loop(struct hgl_infer_model *model, int64_t *left_ns)
{
  pthread_mutex_lock(&model->lock);
  bool here = runs_on_loop(model, *left_ns);
  if (here) *left_ns -= (int64_t)model->queued_rows * model->row_ns;
  while (here && model->queued && !model->stopping) run_one_batch(&model->on_loop);
  pthread_mutex_unlock(&model->lock);
  if (here) hand_over(&model->on_loop);
  return here;
}

static void *serve(void *argument)
{
  struct infer_worker *worker = argument;
  struct hgl_infer_model *model = worker->model;
  char name[NAME_SIZE];
  snprintf(name, sizeof name, "infer %.9s", model->name);
  pthread_setname_np(pthread_self(), name);
  pthread_mutex_lock(&model->lock);
  while (await_calls(worker)) {
    run_one_batch(worker);
    pthread_mutex_unlock(&model->lock);
    hand_over(worker);
    pthread_mutex_lock(&model->lock);
  }
  worker->ended = true;
  pthread_cond_broadcast(&model->changed);
  pthread_mutex_unlock(&model->lock);
  return NULL;
}

/* Starting and stopping ------------------------------------------------------------------------ */

static int prepare_worker(struct hgl_infer_model *model, struct infer_worker *worker,
                          struct hgl_err *err)
{
  *worker = (struct infer_worker){.model = model, .event = -1};
  worker->requests = hgl_array(model->options.batch, sizeof *worker->requests);
  return worker->requests ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static int start_worker(struct hgl_infer_model *model, struct infer_worker *worker,
                        struct hgl_err *err)
{
  sigset_t all, before;
  int status = prepare_worker(model, worker, err);
  if (status) return status;
  if (!model->quick) worker->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!model->quick && worker->event < 0)
    return hgl_fail(err, HGL_IO, "eventfd: %s", strerror(errno));
  /* Signals are the loop's, but for those that tell of faults. */
  sigfillset(&all);
  sigdelset(&all, SIGSEGV);
  sigdelset(&all, SIGBUS);
  sigdelset(&all, SIGFPE);
  sigdelset(&all, SIGILL);
  sigdelset(&all, SIGABRT);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&worker->thread, NULL, serve, worker);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (rc) return hgl_fail(err, HGL_IO, "starting a thread: %s", strerror(rc));
  worker->started = true;
  return 0;
}

int infer_workers_start(struct hgl_infer_model *model, struct hgl_err *err)
{
  model->workers = hgl_array(model->options.threads, sizeof *model->workers);
  if (!model->workers) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  model->worker_count = model->options.threads;
  for (size_t i = 0; i < model->worker_count; i++) model->workers[i].event = -1;
  int status = prepare_worker(model, &model->on_loop, err);
  for (size_t i = 0; i < model->worker_count && !status; i++)
    status = start_worker(model, &model->workers[i], err);
  return status;
}

/* With the lock held. */
static bool all_ended(const struct hgl_infer_model *model)
{
  for (size_t i = 0; i < model->worker_count; i++)
    if (model->workers[i].started && !model->workers[i].ended) return false;
  return true;
}

static void free_worker(struct infer_worker *worker)
{
  if (worker->started) pthread_join(worker->thread, NULL);
  if (worker->event >= 0) close(worker->event);
  hgl_free(worker->requests);
  hgl_free(worker->running);
}

int64_t infer_workers_end(struct hgl_infer_model *model)
{
  pthread_mutex_lock(&model->lock);
  model->stopping = true;
  pthread_cond_broadcast(&model->changed);
  infer_events_update(model);
  pthread_mutex_unlock(&model->lock);
  return infer_now_ns() + STOP_SECONDS * INT64_C(1000000000);
}

bool infer_workers_ended(struct hgl_infer_model *model, int64_t until)
{
  struct timespec at = {until / 1000000000, until % 1000000000};
  pthread_mutex_lock(&model->lock);
  while (!all_ended(model) && infer_now_ns() < until)
    pthread_cond_timedwait(&model->changed, &model->lock, &at);
  bool ended = all_ended(model);
  pthread_mutex_unlock(&model->lock);
  if (!ended) {
    infer_say(model->infer, HGL_LOG_WARN, "model %s: its engine has not come back within %d s",
              model->name, STOP_SECONDS);
    return false;
  }
  for (size_t i = 0; i < model->worker_count; i++) free_worker(&model->workers[i]);
  hgl_free(model->workers);
  model->workers = NULL;
  model->worker_count = 0;
  return true;
}
