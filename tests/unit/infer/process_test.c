/* Engines in processes of their own: support/wild_engine.c, which this program itself runs when it
 * is called with an argument. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/seam.h"
#include "infer/process.h"
#include "infer/process_channel.h"
#include "infer/process_wire.h"
#include "support/check.h"

enum { REQUESTS_MAX = 600, TEXT_SIZE = 600 };

#define ENGINE HGL_BINARY_DIR "/tests/wild_engine.so"
#define MUTE   "mute" /* it, without what an engine may leave out */

/* The host's side ------------------------------------------------------------------------------ */

struct asked {
  struct haggle_request request;
  struct haggle_tensor inputs[2];
  float x[4];
  struct haggle_text words[2];
  int32_t status;
  int finished;
  float sums[2];
  char message[TEXT_SIZE], text[TEXT_SIZE], pieces[TEXT_SIZE];
};

struct fixture {
  void *model;
  struct haggle_error error;
  struct haggle_host host;
  char logged[1024];
  struct asked asked[REQUESTS_MAX];
  const struct haggle_request *requests[REQUESTS_MAX];
  struct haggle_batch batch;
  pthread_mutex_t lock;
  size_t given, limit; /* of those that `take` gives */
  atomic_bool cancelled;
  int event;
};

static struct fixture *of_log;

static void log_line(const struct haggle_host *host, int32_t level, const char *text, size_t size)
{
  size_t used = strlen(of_log->logged);
  snprintf(of_log->logged + used, sizeof of_log->logged - used, "%d %.*s\n", level, (int)size,
           text);
}

static void finish(void *user, const struct haggle_request *request,
                   const struct haggle_result *result)
{
  struct asked *asked = (struct asked *)request;
  asked->finished++;
  asked->status = result->status;
  snprintf(asked->message, TEXT_SIZE, "%.*s", (int)result->message_size, result->message);
  snprintf(asked->text, TEXT_SIZE, "%.*s", (int)result->text_size, result->text);
  if (result->output_count == 2 && result->outputs[0].data_size <= sizeof asked->sums) {
    memcpy(asked->sums, result->outputs[0].data, result->outputs[0].data_size);
    const struct haggle_text *words = result->outputs[1].data;
    snprintf(asked->text, TEXT_SIZE, "%.*s", (int)words[0].size, words[0].data);
  }
}

static void token(void *user, const struct haggle_request *request, const char *text, size_t size)
{
  struct asked *asked = (struct asked *)request;
  size_t used = strlen(asked->pieces);
  snprintf(asked->pieces + used, TEXT_SIZE - used, "%.*s", (int)size, text);
}

static const struct haggle_request *take(void *user)
{
  struct fixture *f = user;
  pthread_mutex_lock(&f->lock);
  const struct haggle_request *next = f->given < f->limit ? f->requests[f->given++] : NULL;
  uint64_t count;
  if (!next && !atomic_load(&f->cancelled)) assert_true(read(f->event, &count, sizeof count) != 0);
  pthread_mutex_unlock(&f->lock);
  return next;
}

static int is_over(void *user, const struct haggle_request *request)
{
  struct fixture *f = user;
  return atomic_load(&f->cancelled);
}

static void fill(struct fixture *f, size_t i, const char *text)
{
  struct asked *asked = &f->asked[i];
  *asked = (struct asked){.x = {(float)i, 1, 2, 3}, .status = -1};
  asked->words[0] = (struct haggle_text){"sell", 4};
  asked->words[1] = (struct haggle_text){"", 0};
  asked->inputs[0] = (struct haggle_tensor){
      sizeof *asked->inputs, "x", HAGGLE_F32, 2, {2, 2}, asked->x, sizeof asked->x};
  asked->inputs[1] = (struct haggle_tensor){
      sizeof *asked->inputs, "words", HAGGLE_TEXT, 1, {2}, asked->words, sizeof asked->words};
  asked->request = (struct haggle_request){.size = sizeof asked->request, .id = i + 1};
  if (text) {
    asked->request.text = text;
    asked->request.text_size = strlen(text);
  } else {
    asked->request.inputs = asked->inputs;
    asked->request.input_count = 2;
    asked->request.rows = 2;
  }
  f->requests[i] = &asked->request;
}

static void make_batch(struct fixture *f, size_t count, const char *text)
{
  for (size_t i = 0; i < REQUESTS_MAX; i++) fill(f, i, text);
  f->given = f->limit = count;
  f->batch = (struct haggle_batch){sizeof f->batch, f->requests, count,   f, finish, take,
                                   token,           is_over,     f->event};
}

static void ask(struct fixture *f, size_t count, const char *text)
{
  make_batch(f, count, text);
  hgl_process_engine.run(f->model, &f->batch);
}

static int set_up(void **state)
{
  struct fixture *f = calloc(1, sizeof *f);
  if (!f) return 1;
  f->host = (struct haggle_host){sizeof f->host, HAGGLE_INFER_VERSION, log_line};
  f->error.size = sizeof f->error;
  f->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  pthread_mutex_init(&f->lock, NULL);
  of_log = f;
  *state = f;
  return f->event < 0;
}

static int tear_down(void **state)
{
  struct fixture *f = *state;
  if (f->model) hgl_process_engine.close(f->model);
  close(f->event);
  pthread_mutex_destroy(&f->lock);
  free(f);
  return 0;
}

static int32_t try_open_file(struct fixture *f, const char *file, const char *does,
                             const char *kind, const char *hang)
{
  static const char *const arguments[] = {"engine-process", NULL};
  const struct hgl_process_config config = {
      .arguments = arguments, .engine = ENGINE, .host = &f->host};
  const struct haggle_option options[] = {{"does", does}, {"hang", hang}, {"kind", kind}};
  const struct haggle_source source = {sizeof source, "wild", file, options, 3};
  return hgl_process_engine_open(&config, &source, &f->model, &f->error);
}

static int32_t try_open(struct fixture *f, const char *does, const char *hang)
{
  return try_open_file(f, "nothing", does, "tensors", hang);
}

#define assert_opens(call)                                                                         \
  do {                                                                                             \
    if ((call) != HAGGLE_OK) fail_msg("%s: %s", #call, f->error.message);                          \
  } while (0)

static void assert_says(const char *text, const char *wanted)
{
  if (!text || !strstr(text, wanted)) fail_msg("expected \"%s\" in \"%s\"", wanted, text);
}

static void assert_good(const struct asked *asked)
{
  if (asked->status != HAGGLE_OK) fail_msg("status %d: %s", asked->status, asked->message);
  assert_int_equal(asked->finished, 1);
  assert_true(asked->sums[0] == asked->x[0] + 1);
  assert_true(asked->sums[1] == 5);
  assert_string_equal(asked->text, "sell");
}

/* Tests ---------------------------------------------------------------------------------------- */

static void an_engine_in_its_own_process_computes(void **state)
{
  struct fixture *f = *state;
  struct haggle_model_info info = {.size = sizeof info};
  assert_opens(try_open(f, "note", "30s"));
  assert_true(hgl_process_pid(f->model) > 0);
  assert_int_not_equal(hgl_process_pid(f->model), getpid());
  hgl_process_engine.describe(f->model, &info);
  assert_int_equal(info.kind, HAGGLE_TENSORS);
  assert_string_equal(info.device, "cpu");
  assert_string_equal(info.note, "no device");
  assert_int_equal(info.parallel, 4);
  assert_int_equal(info.input_count, 2);
  assert_string_equal(info.inputs[0].name, "x");
  assert_int_equal(info.inputs[0].shape[0], -1);
  assert_int_equal(info.inputs[0].shape[1], 2);
  for (int times = 0; times < 20; times++) {
    ask(f, 64, NULL);
    for (size_t i = 0; i < 64; i++) assert_good(&f->asked[i]);
  }
}

static void its_devices_and_statistics_are_told(void **state)
{
  struct fixture *f = *state;
  struct haggle_device device = {.size = sizeof device};
  struct haggle_model_stats stats = {.size = sizeof stats};
  assert_opens(try_open(f, "", "30s"));
  assert_int_equal(hgl_process_device(f->model, 1, &device), HAGGLE_OK);
  assert_string_equal(device.name, "wild:1");
  assert_int_equal(device.memory_total, 7);
  assert_int_equal(hgl_process_device(f->model, 2, &device), HAGGLE_NOT_FOUND);
  ask(f, 3, NULL);
  hgl_process_engine.stats(f->model, &stats);
  assert_int_equal(stats.rows, 6);
  assert_int_equal(stats.host_memory, 11);
  /* What was before a new process counts. */
  kill(hgl_process_pid(f->model), SIGKILL);
  /* The first may still meet the process that has been killed. */
  for (int i = 0; i < 100 && (i == 0 || f->asked[0].status != HAGGLE_OK); i++) ask(f, 3, NULL);
  assert_int_equal(f->asked[0].status, HAGGLE_OK);
  hgl_process_engine.stats(f->model, &stats);
  assert_int_equal(stats.rows, 12);
}

static void an_engine_may_have_neither_devices_nor_statistics(void **state)
{
  struct fixture *f = *state;
  static const char *const arguments[] = {"engine-process", NULL};
  const struct hgl_process_config config = {
      .arguments = arguments, .engine = MUTE, .host = &f->host};
  const struct haggle_source source = {sizeof source, "wild", "nothing", NULL, 0};
  struct haggle_model_stats stats = {.size = sizeof stats};
  struct haggle_device device = {.size = sizeof device};
  assert_opens(hgl_process_engine_open(&config, &source, &f->model, &f->error));
  pid_t pid = hgl_process_pid(f->model);
  hgl_process_engine.stats(f->model, &stats);
  assert_int_equal(hgl_process_device(f->model, 0, &device), HAGGLE_NOT_FOUND);
  ask(f, 3, NULL);
  assert_good(&f->asked[0]);
  assert_int_equal(hgl_process_pid(f->model), pid);
}

/* The engine's process is greedy(), below. */
static void who_asks_for_requests_and_does_not_listen_is_ended(void **state)
{
  struct fixture *f = *state;
  static const char *const arguments[] = {"greedy-process", NULL};
  const struct hgl_process_config config = {
      .arguments = arguments, .engine = ENGINE, .host = &f->host};
  const struct haggle_source source = {sizeof source, "greedy", "nothing", NULL, 0};
  assert_opens(hgl_process_engine_open(&config, &source, &f->model, &f->error));
  ask(f, 1, "{}");
  assert_int_equal(f->asked[0].status, HAGGLE_FAILED);
  assert_says(f->asked[0].message, "asks again before it was answered");
}

/* The loop asks. */
static void statistics_that_do_not_come_are_waited_for_once(void **state)
{
  struct fixture *f = *state;
  struct haggle_model_stats stats = {.size = sizeof stats};
  assert_opens(try_open(f, "hang-stats", "100ms"));
  int64_t began = hgl_mono_ns(&hgl_clock_system);
  for (int i = 0; i < 20; i++) hgl_process_engine.stats(f->model, &stats);
  assert_true(hgl_mono_ns(&hgl_clock_system) - began < INT64_C(5000000000));
  ask(f, 3, NULL);
  assert_good(&f->asked[0]);
}

static void what_the_engine_says_of_an_error_is_told(void **state)
{
  struct fixture *f = *state;
  assert_int_equal(try_open_file(f, "/nowhere/at/all", "", "tensors", "1s"), HAGGLE_NOT_FOUND);
  assert_string_equal(f->error.message, "/nowhere/at/all is not there");
  assert_int_equal(try_open(f, "", "soon"), HAGGLE_INVALID);
  assert_says(f->error.message, "hang");
  assert_int_equal(try_open(f, "", "0s"), HAGGLE_INVALID);
  assert_opens(try_open(f, "refuse", "1s"));
  ask(f, 2, NULL);
  assert_int_equal(f->asked[1].status, HAGGLE_TOO_LARGE);
  assert_string_equal(f->asked[1].message, "not this one");
}

static void an_engine_that_is_not_there_says_so(void **state)
{
  struct fixture *f = *state;
  static const char *const arguments[] = {"engine-process", NULL};
  struct hgl_process_config config = {.arguments = arguments, .engine = "/nowhere/engine.so"};
  const struct haggle_source source = {sizeof source, "wild", "file", NULL, 0};
  assert_int_equal(hgl_process_engine_open(&config, &source, &f->model, &f->error),
                   HAGGLE_NOT_FOUND);
  assert_says(f->error.message, "/nowhere/engine.so");
  config.program = "/nowhere/program";
  assert_int_not_equal(hgl_process_engine_open(&config, &source, &f->model, &f->error), HAGGLE_OK);
  const char *said = present(f->error.message);
  if (!strstr(said, "status 127")) /* where vfork is a fork, as under valgrind */
    assert_says(said, "cannot be begun");
}

static void texts_come_and_go(void **state)
{
  struct fixture *f = *state;
  assert_opens(try_open_file(f, "nothing", "", "language", "30s"));
  ask(f, 40, "a text that is said again");
  for (size_t i = 0; i < 40; i++) {
    assert_int_equal(f->asked[i].status, HAGGLE_OK);
    assert_string_equal(f->asked[i].text, "a text that is said again");
    assert_string_equal(f->asked[i].pieces, "a text that is said again");
  }
  make_batch(f, 1, "nobody listens");
  f->batch.token = NULL;
  hgl_process_engine.run(f->model, &f->batch);
  assert_string_equal(f->asked[0].text, "nobody listens");
  assert_string_equal(f->asked[0].pieces, "");
}

/* Larger than what is shared: in both directions at once. */
static void large_texts_go_through_in_parts(void **state)
{
  struct fixture *f = *state;
  size_t size = 9 << 20;
  char *text = malloc(size + 1);
  assert_non_null(text);
  memset(text, 'x', size);
  text[size] = 0;
  assert_opens(try_open_file(f, "nothing", "", "language", "30s"));
  make_batch(f, 3, text);
  f->batch.token = NULL;
  hgl_process_engine.run(f->model, &f->batch);
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(f->asked[i].status, HAGGLE_OK);
    assert_int_equal(strlen(f->asked[i].text), TEXT_SIZE - 1);
  }
  free(text);
}

static void requests_that_come_meanwhile_are_taken(void **state)
{
  struct fixture *f = *state;
  uint64_t one = 1;
  assert_opens(try_open(f, "take", "30s"));
  make_batch(f, 2, NULL);
  f->limit = 300;
  assert_int_equal(write(f->event, &one, sizeof one), sizeof one);
  hgl_process_engine.run(f->model, &f->batch);
  for (size_t i = 0; i < 300; i++) assert_good(&f->asked[i]);
}

static void *cancel_soon(void *user)
{
  struct fixture *f = user;
  uint64_t one = 1;
  usleep(20000);
  atomic_store(&f->cancelled, true);
  if (write(f->event, &one, sizeof one) != sizeof one) abort();
  return NULL;
}

static void a_cancelled_request_is_given_up(void **state)
{
  struct fixture *f = *state;
  pthread_t thread;
  assert_opens(try_open(f, "wait", "30s"));
  assert_int_equal(pthread_create(&thread, NULL, cancel_soon, f), 0);
  ask(f, 5, NULL);
  pthread_join(thread, NULL);
  for (size_t i = 0; i < 5; i++) assert_int_equal(f->asked[i].status, HAGGLE_CANCELLED);
}

static void a_request_whose_time_is_over_is_given_up(void **state)
{
  struct fixture *f = *state;
  assert_opens(try_open(f, "wait", "30s"));
  make_batch(f, 5, NULL);
  f->batch.event = -1;
  for (size_t i = 0; i < 5; i++)
    f->asked[i].request.deadline_ns = hgl_mono_ns(&hgl_clock_system) + 10000000;
  hgl_process_engine.run(f->model, &f->batch);
  for (size_t i = 0; i < 5; i++) assert_int_equal(f->asked[i].status, HAGGLE_CANCELLED);
}

/* Of hundreds of calls, half of which were answered before. */
static void assert_dies(struct fixture *f, const char *does, const char *how)
{
  assert_opens(try_open(f, does, "100ms"));
  pid_t first = hgl_process_pid(f->model);
  make_batch(f, REQUESTS_MAX, NULL);
  if (strcmp(does, "hang") == 0)
    for (size_t i = 0; i < REQUESTS_MAX; i++)
      f->asked[i].request.deadline_ns = hgl_mono_ns(&hgl_clock_system);
  hgl_process_engine.run(f->model, &f->batch);
  size_t good = 0;
  for (size_t i = 0; i < REQUESTS_MAX; i++) {
    assert_int_equal(f->asked[i].finished, 1);
    good += f->asked[i].status == HAGGLE_OK;
    if (f->asked[i].status == HAGGLE_OK) continue;
    assert_says(f->asked[i].message, how);
  }
  if (strcmp(does, "wild") != 0) assert_int_equal(good, REQUESTS_MAX / 2);
  assert_says(f->logged, how);
  assert_says(f->logged, "model wild");
  assert_true(kill(first, 0) < 0); /* and is no zombie either */
  /* The next call has a new one, the next but one has to wait. */
  ask(f, 1, NULL);
  assert_int_equal(f->asked[0].finished, 1);
  assert_says(f->asked[0].message, how);
  ask(f, 1, NULL);
  assert_int_equal(f->asked[0].status, HAGGLE_UNREACHABLE);
  assert_says(f->asked[0].message, "it begins again in");
}

static void an_engine_that_crashes_costs_the_calls_in_flight(void **state)
{
  assert_dies(*state, "segv", "was ended by signal 11 (Segmentation fault)");
}

static void an_engine_that_aborts_costs_the_calls_in_flight(void **state)
{
  assert_dies(*state, "abort", "was ended by signal 6 (Aborted)");
}

static void an_engine_that_exits_costs_the_calls_in_flight(void **state)
{
  assert_dies(*state, "exit", "ended with status 3");
}

static void an_engine_that_overwrites_what_is_shared_is_ended(void **state)
{
  /* Whoever of the two notices it first. */
  assert_dies(*state, "wild", "the process of its engine");
}

static void an_engine_that_hangs_is_ended(void **state)
{
  struct fixture *f = *state;
  assert_opens(try_open(f, "hang", "50ms"));
  make_batch(f, 100, NULL);
  for (size_t i = 0; i < 100; i++) f->asked[i].request.deadline_ns = hgl_mono_ns(&hgl_clock_system);
  hgl_process_engine.run(f->model, &f->batch);
  assert_int_equal(f->asked[10].status, HAGGLE_OK);
  assert_int_equal(f->asked[90].status, HAGGLE_TIMEOUT);
  assert_says(f->asked[90].message, "after the end of its time");
}

static void an_engine_that_closes_its_line_is_ended(void **state)
{
  struct fixture *f = *state;
  assert_opens(try_open(f, "close", "50ms"));
  ask(f, 10, NULL);
  assert_int_equal(f->asked[9].status, HAGGLE_FAILED);
}

static void a_crash_or_a_hang_while_opening_is_an_error(void **state)
{
  struct fixture *f = *state;
  assert_int_equal(try_open(f, "crash-open", "1s"), HAGGLE_FAILED);
  assert_says(f->error.message, "was ended by signal 11 (Segmentation fault) while it opened");
  assert_int_equal(try_open(f, "hang-open", "10ms"), HAGGLE_TIMEOUT);
  assert_says(f->error.message, "did not open the model");
  assert_int_equal(try_open(f, "describe-badly", "1s"), HAGGLE_FAILED);
  assert_says(f->error.message, "more than 1024 tensors");
}

static void an_engine_that_does_not_close_is_ended(void **state)
{
  struct fixture *f = *state;
  assert_opens(try_open(f, "hang-close", "50ms"));
  hgl_process_engine.close(f->model);
  f->model = NULL;
}

static void assert_garbage(struct fixture *f, const char *does, const char *why)
{
  assert_opens(try_open(f, does, "30s"));
  ask(f, 3, NULL);
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(f->asked[i].status, HAGGLE_FAILED);
    assert_says(f->asked[i].message, why);
  }
  hgl_process_engine.close(f->model);
  f->model = NULL;
}

static void results_that_do_not_fit_the_description_are_failures(void **state)
{
  struct fixture *f = *state;
  assert_garbage(f, "shape", "not as many bytes as its shape says");
  assert_garbage(f, "type", "another type than described");
  assert_garbage(f, "short", "not as many bytes as its shape says");
  assert_garbage(f, "count", "not as many tensors as described");
  assert_opens(try_open_file(f, "nothing", "bytes", "language", "30s"));
  ask(f, 1, "text");
  assert_says(f->asked[0].message, "not UTF-8");
}

static void a_request_is_answered_once(void **state)
{
  struct fixture *f = *state;
  assert_opens(try_open(f, "twice", "30s"));
  ask(f, 5, NULL);
  for (size_t i = 0; i < 5; i++) assert_good(&f->asked[i]);
  hgl_process_engine.close(f->model);
  f->model = NULL;
  assert_opens(try_open(f, "forget", "30s"));
  ask(f, 5, NULL); /* the host says what became of them */
  assert_int_equal(f->asked[0].finished, 0);
}

static void what_the_engine_logs_is_one_line(void **state)
{
  struct fixture *f = *state;
  assert_opens(try_open(f, "log", "30s"));
  assert_string_equal(f->logged, "1 hello there\n");
}

/* The file is gone when the engine begins again; then it is there. */
static void a_new_process_that_cannot_open_the_model_says_why(void **state)
{
  struct fixture *f = *state;
  char path[64], file[] = "wild-XXXXXX";
  int fd = mkstemp(file);
  assert_true(fd >= 0);
  close(fd);
  snprintf(path, sizeof path, "/proc/%d/cwd/%s", (int)getpid(), file);
  assert_opens(try_open_file(f, path, "exit", "tensors", "30s"));
  unlink(file);
  ask(f, 1, NULL);
  assert_says(f->asked[0].message, "ended with status 3");
  ask(f, 1, NULL);
  assert_int_equal(f->asked[0].status, HAGGLE_NOT_FOUND);
  assert_says(f->asked[0].message, "is not there");
}

static void *ask_many(void *user)
{
  struct fixture *f = user;
  for (int i = 0; i < 30; i++) hgl_process_engine.run(f->model, &f->batch);
  return NULL;
}

/* As the workers of a host do; meanwhile it dies now and then. */
static void runs_go_side_by_side(void **state)
{
  struct fixture *f = *state, *others[4] = {0};
  pthread_t threads[4];
  assert_opens(try_open(f, "", "30s"));
  for (int i = 0; i < 4; i++) {
    others[i] = calloc(1, sizeof *others[i]);
    assert_non_null(others[i]);
    others[i]->model = f->model;
    others[i]->event = -1;
    pthread_mutex_init(&others[i]->lock, NULL);
    make_batch(others[i], 50, NULL);
    others[i]->batch.take = NULL;
    assert_int_equal(pthread_create(&threads[i], NULL, ask_many, others[i]), 0);
  }
  usleep(3000);
  pid_t pid = hgl_process_pid(f->model);
  if (pid) kill(pid, SIGKILL);
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    for (size_t k = 0; k < 50; k++) assert_int_equal(others[i]->asked[k].finished, 30);
    pthread_mutex_destroy(&others[i]->lock);
    free(others[i]);
  }
}

/* The other side ------------------------------------------------------------------------------- */

static const struct haggle_engine *find(const char *engine, const struct haggle_host *host,
                                        struct haggle_error *error)
{
  static struct haggle_engine mute;
  bool is_mute = strcmp(engine, MUTE) == 0;
  void *library = dlopen(is_mute ? ENGINE : engine, RTLD_NOW | RTLD_LOCAL);
  haggle_engine_function *function = NULL;
  if (library) *(void **)&function = dlsym(library, HAGGLE_ENGINE_SYMBOL);
  if (function && is_mute) {
    mute = *function(HAGGLE_INFER_VERSION, host);
    mute.device = NULL;
    mute.stats = NULL;
    return &mute;
  }
  if (function) return function(HAGGLE_INFER_VERSION, host);
  error->status = HAGGLE_NOT_FOUND;
  snprintf(error->message, sizeof error->message, "%.400s cannot be loaded", engine);
  return NULL;
}

static void say(struct hgl_channel *channel, uint32_t kind, uint32_t run, struct hgl_bytes body)
{
  const struct hgl_process_head head = {kind, run, 0, body.size};
  struct hgl_err err = {0};
  const struct hgl_bytes parts[] = {hgl_bytes(&head, sizeof head), body};
  for (int i = 0; i < 2; i++)
    for (size_t done = 0; done < parts[i].size;) {
      ssize_t put = hgl_channel_put(channel, parts[i].data + done, parts[i].size - done, &err);
      if (put < 0) _exit(1);
      done += (size_t)put;
    }
}

/* Opens a model, and from its first run on asks for more and hears nothing. */
static int greedy(void)
{
  const struct haggle_model_info info = {
      .size = sizeof info, .kind = HAGGLE_LANGUAGE, .parallel = 1, .tasks = HAGGLE_CHAT};
  struct hgl_channel channel;
  struct hgl_err err = {0};
  struct hgl_buf body;
  hgl_buf_init(&body, 4096);
  hgl_write_u64(&body, HAGGLE_OK);
  hgl_write_about(&body, &info);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (hgl_channel_adopt(&channel, HGL_PROCESS_SOCKET, HGL_PROCESS_MEMORY, &err)) return 1;
  say(&channel, HGL_PROCESS_OPENED, 0, hgl_buf_bytes(&body));
  while (channel.head.kind != HGL_PROCESS_RUN)
    if (hgl_channel_next(&channel, &err) < 0) return 1;
  for (uint32_t run = channel.head.run;;) say(&channel, HGL_PROCESS_TAKE, run, hgl_text(""));
}

/* Nothing of this program's is there but what is needed: descriptors and environment. */
static int check_clean(void)
{
  if (getenv("HGL_TEST_SECRET")) return 91;
  for (int fd = 5; fd < 200; fd++)
    if (fcntl(fd, F_GETFD) >= 0) return 92;
  return 0;
}

int main(int argc, char **argv)
{
  if (argc > 1 && strcmp(argv[1], "engine-process") == 0) {
    int dirty = check_clean();
    return dirty ? dirty : hgl_process_child_main(find);
  }
  if (argc > 1 && strcmp(argv[1], "greedy-process") == 0) return greedy();
  setenv("HGL_TEST_SECRET", "not for engines", 1);
  if (dup2(1, 150) < 0) return 1; /* one that is inherited unless it is closed */
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
      TEST(an_engine_in_its_own_process_computes),
      TEST(its_devices_and_statistics_are_told),
      TEST(an_engine_may_have_neither_devices_nor_statistics),
      TEST(who_asks_for_requests_and_does_not_listen_is_ended),
      TEST(statistics_that_do_not_come_are_waited_for_once),
      TEST(what_the_engine_says_of_an_error_is_told),
      TEST(an_engine_that_is_not_there_says_so),
      TEST(texts_come_and_go),
      TEST(large_texts_go_through_in_parts),
      TEST(requests_that_come_meanwhile_are_taken),
      TEST(a_cancelled_request_is_given_up),
      TEST(a_request_whose_time_is_over_is_given_up),
      TEST(an_engine_that_crashes_costs_the_calls_in_flight),
      TEST(an_engine_that_aborts_costs_the_calls_in_flight),
      TEST(an_engine_that_exits_costs_the_calls_in_flight),
      TEST(an_engine_that_overwrites_what_is_shared_is_ended),
      TEST(an_engine_that_hangs_is_ended),
      TEST(an_engine_that_closes_its_line_is_ended),
      TEST(a_crash_or_a_hang_while_opening_is_an_error),
      TEST(an_engine_that_does_not_close_is_ended),
      TEST(results_that_do_not_fit_the_description_are_failures),
      TEST(a_request_is_answered_once),
      TEST(what_the_engine_logs_is_one_line),
      TEST(a_new_process_that_cannot_open_the_model_says_why),
      TEST(runs_go_side_by_side),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
