/* The engine's side of process.h. The main thread reads what the host says, opens and closes the
 * model, and answers; runs have threads of their own, as they have in a host. What they write goes
 * through one lock, and waits for room with it: the host reads always. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "infer/fail.h"
#include "infer/process.h"
#include "infer/process_channel.h"
#include "infer/process_wire.h"
#include "base/seam.h"

enum { ROOM_WAIT_MS = 5 };

struct child_request {
  struct haggle_request request; /* first: what the engine has points to it */
  struct child_request *next;
  uint64_t id;
  bool over;
  struct hgl_buf body; /* what it points into */
  struct haggle_tensor *inputs;
};

struct child_run {
  struct child_run *next;
  uint32_t number;
  bool wants_tokens;
  int event;
  bool event_is_set;
  struct child_request *requests, **last; /* the engine's, until they are finished */
  const struct haggle_request **first;
  size_t first_count, first_capacity;
  bool waits; /* a request may wait there */
  bool asked, answered;
  struct child_request *taken;
  bool begun; /* a thread has it, or soon will */
};

struct child {
  struct haggle_host host; /* first: engines give it back to us */
  struct hgl_channel channel;
  pthread_t main_thread;
  const struct haggle_engine *engine;
  void *model;
  struct hgl_process_about about;
  pthread_mutex_t asked; /* while the engine is asked what it must not be asked at once */
  pthread_mutex_t lock;  /* of all below */
  pthread_cond_t heard, room, runs_came;
  struct child_run *runs;
  size_t idle_threads, waiting_runs;
  pthread_mutex_t out_lock; /* of what is written */
};

static struct child child; /* the process is made for this alone */

/* Saying ----------------------------------------------------------------------------------------
 */

/* The main thread, which hears that there is room, may be busy in the engine: no longer than this.
 */
static void wait_for_room(void)
{
  struct pollfd socket = {.fd = child.channel.fd, .events = POLLIN};
  struct timespec until;
  if (hgl_ring_wait_to_write(&child.channel.out)) return;
  if (pthread_equal(pthread_self(), child.main_thread)) {
    if (poll(&socket, 1, -1) > 0 && !hgl_channel_woken(&child.channel)) _exit(0);
    return;
  }
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += ROOM_WAIT_MS * 1000000;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_mutex_lock(&child.lock);
  pthread_cond_timedwait(&child.room, &child.lock, &until);
  pthread_mutex_unlock(&child.lock);
}

/* Under the lock of what is written. */
static void put(const void *data, size_t size)
{
  struct hgl_err err = {0};
  const uint8_t *at = data;
  while (size) {
    ssize_t done = hgl_channel_put(&child.channel, at, size, &err);
    if (done < 0) _exit(3);
    at += done;
    size -= (size_t)done;
    if (size == 0) return;
    wait_for_room();
  }
}

static void say(uint32_t kind, uint32_t run, uint64_t id, struct hgl_bytes body)
{
  struct hgl_process_head head = {kind, run, id, body.size};
  pthread_mutex_lock(&child.out_lock);
  put(&head, sizeof head);
  put(body.data, body.size);
  pthread_mutex_unlock(&child.out_lock);
}

static void log_line(const struct haggle_host *host, int32_t level, const char *text, size_t size)
{
  struct hgl_buf body;
  hgl_buf_init(&body, HGL_PROCESS_MESSAGE_SIZE_MAX);
  hgl_write_bytes(&body, text, size);
  if (!body.failed) say(HGL_PROCESS_LOG, 0, (uint64_t)level, hgl_buf_bytes(&body));
  hgl_buf_deinit(&body);
}

/* Requests --------------------------------------------------------------------------------------
 */

static void free_request(struct child_request *request)
{
  hgl_process_tensors_free(request->inputs, request->request.input_count);
  hgl_buf_deinit(&request->body);
  hgl_free(request);
}

/* Takes the message. */
static struct child_request *read_request(struct hgl_buf *body, uint64_t id)
{
  struct hgl_err err = {0};
  struct child_request *made = hgl_zalloc(sizeof *made);
  if (!made) return NULL;
  made->id = id;
  made->body = *body;
  hgl_buf_init(body, body->size_max);
  struct hgl_reader reader = hgl_reader_of(hgl_buf_bytes(&made->body));
  struct haggle_request *request = &made->request;
  *request = (struct haggle_request){.size = sizeof *request, .id = id};
  request->deadline_ns = (int64_t)hgl_read_u64(&reader);
  request->rows = (int64_t)hgl_read_u64(&reader);
  struct hgl_bytes text = hgl_read_bytes(&reader);
  request->text = (const char *)text.data;
  request->text_size = text.size;
  const struct haggle_model_info *info = &child.about.info;
  if (hgl_read_tensors(&reader, info->inputs, info->input_count, &made->inputs, &err)) {
    free_request(made);
    return NULL;
  }
  request->inputs = made->inputs;
  request->input_count = info->input_count;
  return made;
}

/* Under the lock, as what follows. */
static struct child_run *find_run(uint32_t number)
{
  struct child_run *run = child.runs;
  while (run && run->number != number) run = run->next;
  return run;
}

/* Readable while the engine has a reason to look, whatever it does then. */
static void update_event(struct child_run *run)
{
  bool wanted = run->waits;
  for (const struct child_request *at = run->requests; at && !wanted; at = at->next)
    wanted = at->over;
  if (wanted == run->event_is_set) return;
  uint64_t count = 1;
  ssize_t done = wanted ? write(run->event, &count, sizeof count)
                        : read(run->event, &count, sizeof count);
  (void)done;
  run->event_is_set = wanted;
}

/* What the engine calls -------------------------------------------------------------------------
 */

static void batch_finish(void *host, const struct haggle_request *request,
                         const struct haggle_result *result)
{
  struct child_run *run = host;
  pthread_mutex_lock(&child.lock);
  struct child_request **link = &run->requests, *found;
  while ((found = *link) && &found->request != request) link = &found->next;
  if (found) {
    *link = found->next;
    if (run->last == &found->next) run->last = link;
  }
  update_event(run);
  pthread_mutex_unlock(&child.lock);
  if (!found) return; /* twice: the host would not hear of it either */
  struct hgl_buf body;
  hgl_buf_init(&body, HGL_PROCESS_ANSWER_SIZE_MAX);
  bool good = result->status == HAGGLE_OK;
  hgl_write_u64(&body, (uint64_t)result->status);
  hgl_write_bytes(&body, result->message, good ? 0 : result->message_size);
  hgl_write_bytes(&body, result->text, good ? result->text_size : 0);
  hgl_write_tensors(&body, result->outputs, good ? result->output_count : 0);
  if (body.failed) {
    static const char words[] = "the result is too large for the engine's process";
    hgl_buf_clear(&body);
    hgl_write_u64(&body, HAGGLE_NO_MEMORY);
    hgl_write_bytes(&body, words, sizeof words - 1);
    hgl_write_bytes(&body, NULL, 0);
    hgl_write_tensors(&body, NULL, 0);
  }
  if (body.failed) _exit(4); /* not even that: the host tells those that wait */
  say(HGL_PROCESS_FINISH, run->number, found->id, hgl_buf_bytes(&body));
  hgl_buf_deinit(&body);
  free_request(found);
}

static const struct haggle_request *batch_take(void *host)
{
  struct child_run *run = host;
  struct child_request *taken = NULL;
  pthread_mutex_lock(&child.lock);
  if (run->waits && !run->asked) {
    run->asked = true;
    run->answered = false;
    pthread_mutex_unlock(&child.lock);
    say(HGL_PROCESS_TAKE, run->number, 0, hgl_bytes(NULL, 0));
    pthread_mutex_lock(&child.lock);
    while (!run->answered) pthread_cond_wait(&child.heard, &child.lock);
    run->asked = false;
    taken = run->taken;
    run->taken = NULL;
  }
  pthread_mutex_unlock(&child.lock);
  return taken ? &taken->request : NULL;
}

static void batch_token(void *host, const struct haggle_request *request, const char *text,
                        size_t size)
{
  const struct child_run *run = host;
  const struct child_request *of = (const struct child_request *)request;
  if (size) say(HGL_PROCESS_TOKEN, run->number, of->id, hgl_bytes(text, size));
}

static int batch_is_over(void *host, const struct haggle_request *request)
{
  const struct child_request *of = (const struct child_request *)request;
  pthread_mutex_lock(&child.lock);
  bool over = of->over;
  pthread_mutex_unlock(&child.lock);
  return over || (request->deadline_ns && hgl_mono_ns(&hgl_clock_system) > request->deadline_ns);
}

/* Runs ------------------------------------------------------------------------------------------
 */

static void free_run(struct child_run *run)
{
  for (struct child_request *next, *at = run->requests; at; at = next) {
    next = at->next;
    free_request(at);
  }
  close(run->event);
  hgl_free(run->first);
  hgl_free(run);
}

static void carry_out(struct child_run *run)
{
  const struct haggle_batch batch = {
      .size = sizeof batch,
      .requests = run->first,
      .count = run->first_count,
      .host = run,
      .finish = batch_finish,
      .take = batch_take,
      .token = run->wants_tokens ? batch_token : NULL,
      .is_over = batch_is_over,
      .event = run->event,
  };
  child.engine->run(child.model, &batch);
  pthread_mutex_lock(&child.lock);
  struct child_run **link = &child.runs;
  while (*link != run) link = &(*link)->next;
  *link = run->next;
  pthread_mutex_unlock(&child.lock);
  say(HGL_PROCESS_DONE, run->number, 0, hgl_bytes(NULL, 0));
  free_run(run);
}

static void *work(void *user)
{
  while (true) {
    pthread_mutex_lock(&child.lock);
    child.idle_threads++;
    while (child.waiting_runs == 0) pthread_cond_wait(&child.runs_came, &child.lock);
    child.idle_threads--;
    child.waiting_runs--;
    struct child_run *run = child.runs;
    while (run->begun) run = run->next;
    run->begun = true;
    pthread_mutex_unlock(&child.lock);
    carry_out(run);
  }
  return NULL;
}

static void out_of_memory(void)
{
  static const char words[] = "out of memory in the engine's process";
  log_line(NULL, HAGGLE_LOG_WARNING, words, sizeof words - 1);
  _exit(5);
}

static struct child_run *make_run(uint32_t number)
{
  struct child_run *run = hgl_zalloc(sizeof *run);
  if (!run || (run->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) out_of_memory();
  run->number = number;
  run->last = &run->requests;
  run->begun = true; /* not yet to be */
  run->next = child.runs;
  child.runs = run;
  return run;
}

/* What the host says ----------------------------------------------------------------------------
 */

static void heard_request(const struct hgl_process_head *head)
{
  struct child_request *request = read_request(&child.channel.body, head->id);
  if (!request) out_of_memory();
  pthread_mutex_lock(&child.lock);
  struct child_run *run = find_run(head->run);
  if (!run) run = make_run(head->run);
  *run->last = request;
  run->last = &request->next;
  if (run->asked && !run->answered) {
    run->taken = request;
    run->answered = true;
    pthread_cond_broadcast(&child.heard);
  } else {
    if (!HGL_GROW(run->first, run->first_count, run->first_capacity)) out_of_memory();
    run->first[run->first_count++] = &request->request;
  }
  pthread_mutex_unlock(&child.lock);
}

static void heard_run(const struct hgl_process_head *head)
{
  pthread_t thread;
  pthread_mutex_lock(&child.lock);
  struct child_run *run = find_run(head->run);
  if (run) {
    run->wants_tokens = head->id != 0;
    run->begun = false;
    child.waiting_runs++;
  }
  bool needs_thread = child.idle_threads < child.waiting_runs;
  pthread_cond_signal(&child.runs_came);
  pthread_mutex_unlock(&child.lock);
  if (!needs_thread) return;
  if (pthread_create(&thread, NULL, work, NULL) != 0) out_of_memory();
  pthread_detach(thread);
}

static void heard_of_run(const struct hgl_process_head *head)
{
  pthread_mutex_lock(&child.lock);
  struct child_run *run = find_run(head->run);
  if (run && head->kind == HGL_PROCESS_WAITS) run->waits = true;
  if (run && head->kind == HGL_PROCESS_NONE) {
    run->waits = head->id != 0;
    run->answered = true;
    pthread_cond_broadcast(&child.heard);
  }
  for (struct child_request *at = run ? run->requests : NULL; at; at = at->next)
    if (head->kind == HGL_PROCESS_OVER && at->id == head->id) at->over = true;
  if (run) update_event(run);
  pthread_mutex_unlock(&child.lock);
}

static void answer_stats(void)
{
  struct haggle_model_stats stats = {.size = sizeof stats};
  struct hgl_buf body;
  if (child.engine->stats) child.engine->stats(child.model, &stats);
  hgl_buf_init(&body, HGL_PROCESS_MESSAGE_SIZE_MAX);
  hgl_write_stats(&body, &stats);
  if (body.failed) out_of_memory();
  say(HGL_PROCESS_STATS_ARE, 0, 0, hgl_buf_bytes(&body));
  hgl_buf_deinit(&body);
}

static void answer_device(uint32_t number)
{
  struct haggle_device device = {.size = sizeof device};
  int32_t status = HAGGLE_NOT_FOUND;
  struct hgl_buf body;
  if (child.engine->device) status = child.engine->device(number, &device);
  hgl_buf_init(&body, HGL_PROCESS_MESSAGE_SIZE_MAX);
  hgl_write_u64(&body, (uint64_t)status);
  hgl_write_bytes(&body, device.name, strnlen(device.name, sizeof device.name));
  hgl_write_bytes(&body, device.about, strnlen(device.about, sizeof device.about));
  hgl_write_u64(&body, device.memory_total);
  hgl_write_u64(&body, device.memory_free);
  if (body.failed) out_of_memory();
  say(HGL_PROCESS_DEVICE_IS, 0, 0, hgl_buf_bytes(&body));
  hgl_buf_deinit(&body);
}

/* The engine may take its time, or wait for a run of its that waits for us. */
static void *answer(void *user)
{
  struct hgl_process_head *head = user;
  pthread_mutex_lock(&child.asked);
  if (head->kind == HGL_PROCESS_STATS)
    answer_stats();
  else
    answer_device((uint32_t)head->id);
  pthread_mutex_unlock(&child.asked);
  hgl_free(head);
  return NULL;
}

static void answer_aside(const struct hgl_process_head *head)
{
  struct hgl_process_head *copy = hgl_memdup(head, sizeof *head);
  pthread_t thread;
  if (!copy || pthread_create(&thread, NULL, answer, copy) != 0) out_of_memory();
  pthread_detach(thread);
}

static void close_model(void)
{
  pthread_mutex_lock(&child.asked);
  child.engine->close(child.model);
  hgl_process_about_deinit(&child.about);
}

/* Opening ---------------------------------------------------------------------------------------
 */

static int32_t open_model(hgl_process_find *find, struct haggle_error *error)
{
  struct hgl_reader reader = hgl_reader_of(hgl_buf_bytes(&child.channel.body));
  struct haggle_source source = {.size = sizeof source};
  const char *engine = hgl_read_text(&reader);
  source.name = hgl_read_text(&reader);
  source.file = hgl_read_text(&reader);
  source.option_count = hgl_read_u64(&reader);
  struct haggle_option options[HGL_PROCESS_OPTIONS_MAX];
  for (size_t i = 0; i < source.option_count && i < HGL_PROCESS_OPTIONS_MAX; i++) {
    options[i].name = hgl_read_text(&reader);
    options[i].value = hgl_read_text(&reader);
  }
  if (reader.failed) return hgl_infer_fail(error, HAGGLE_FAILED, "the process was told nothing");
  source.options = options;
  child.engine = find(engine, &child.host, error);
  if (!child.engine) return error->status ? error->status : HAGGLE_NOT_FOUND;
  return child.engine->open(&source, &child.model, error);
}

/* As the host will read it: our own copy is of our own sizes, too. */
static bool describe(struct hgl_buf *body)
{
  struct haggle_model_info info = {.size = sizeof info};
  struct hgl_buf copy;
  struct hgl_err err = {0};
  child.engine->describe(child.model, &info);
  hgl_buf_init(&copy, HGL_PROCESS_MESSAGE_SIZE_MAX);
  hgl_write_u64(body, HAGGLE_OK);
  hgl_write_about(body, &info);
  hgl_buf_append_bytes(&copy, hgl_buf_bytes(body));
  if (body->failed || copy.failed) out_of_memory();
  if (hgl_read_about(&copy, sizeof(uint64_t), &child.about, &err) == 0) return true;
  hgl_buf_clear(body);
  hgl_write_u64(body, HAGGLE_FAILED);
  hgl_buf_clear(&copy);
  hgl_buf_printf(&copy, "the engine describes its model as what cannot be: %s", err.message);
  hgl_write_bytes(body, copy.data, copy.size);
  hgl_buf_deinit(&copy);
  return false;
}

/* False: it could not be, and the process ends. */
static bool heard_open(hgl_process_find *find)
{
  struct haggle_error error = {.size = sizeof error};
  struct hgl_buf body;
  int32_t status = open_model(find, &error);
  hgl_buf_init(&body, HGL_PROCESS_MESSAGE_SIZE_MAX);
  bool good = status == HAGGLE_OK && describe(&body);
  if (status != HAGGLE_OK) {
    hgl_write_u64(&body, (uint64_t)status);
    hgl_write_bytes(&body, error.message, strnlen(error.message, sizeof error.message));
  }
  if (body.failed) out_of_memory();
  say(HGL_PROCESS_OPENED, 0, 0, hgl_buf_bytes(&body));
  hgl_buf_deinit(&body);
  return good;
}

/* The process -----------------------------------------------------------------------------------
 */

/* False: it is to end. */
static bool heard(hgl_process_find *find)
{
  const struct hgl_process_head *head = &child.channel.head;
  switch (head->kind) {
  case HGL_PROCESS_OPEN:
    return heard_open(find);
  case HGL_PROCESS_REQUEST:
    heard_request(head);
    return true;
  case HGL_PROCESS_RUN:
    heard_run(head);
    return true;
  case HGL_PROCESS_NONE:
  case HGL_PROCESS_WAITS:
  case HGL_PROCESS_OVER:
    heard_of_run(head);
    return true;
  case HGL_PROCESS_STATS:
  case HGL_PROCESS_DEVICE:
    answer_aside(head);
    return true;
  default: /* HGL_PROCESS_CLOSE */
    close_model();
    return false;
  }
}

static void wait_for_host(void)
{
  struct pollfd socket = {.fd = child.channel.fd, .events = POLLIN};
  if (!hgl_ring_wait_to_read(&child.channel.in)) {
    if (poll(&socket, 1, -1) < 0 && errno != EINTR) _exit(6);
    if (socket.revents && !hgl_channel_woken(&child.channel)) _exit(0); /* the host is gone */
  }
  pthread_mutex_lock(&child.lock);
  pthread_cond_broadcast(&child.room);
  pthread_mutex_unlock(&child.lock);
}

/* Ends with the host whatever the engine does, and cannot come to more rights than it has. Signals
 * for the whole of a service are for the host, which ends us in order. */
static void settle(void)
{
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
}

int hgl_process_child_main(hgl_process_find *find)
{
  struct hgl_err err = {0};
  child = (struct child){.host = {sizeof child.host, HAGGLE_INFER_VERSION, log_line}};
  pthread_mutex_init(&child.lock, NULL);
  pthread_mutex_init(&child.out_lock, NULL);
  pthread_mutex_init(&child.asked, NULL);
  child.main_thread = pthread_self();
  pthread_cond_init(&child.heard, NULL);
  pthread_cond_init(&child.room, NULL);
  pthread_cond_init(&child.runs_came, NULL);
  settle();
  if (hgl_channel_adopt(&child.channel, HGL_PROCESS_SOCKET, HGL_PROCESS_MEMORY, &err) != 0) {
    fprintf(stderr, "haggle: %s\n", err.message);
    return 2;
  }
  for (;;) {
    int status = hgl_channel_next(&child.channel, &err);
    if (status < 0) {
      fprintf(stderr, "haggle: %s\n", err.message);
      return 1;
    }
    if (status == 0)
      wait_for_host();
    else if (!heard(find))
      break;
  }
  hgl_channel_deinit(&child.channel);
  return 0;
}
