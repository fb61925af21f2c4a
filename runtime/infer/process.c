#include "infer/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "infer/process_internal.h"

enum { HANG_MS = 30000, STATS_WAIT_MS = 1000 };

static int32_t out_of_memory(struct haggle_error *error)
{
  return hgl_infer_fail(error, HAGGLE_NO_MEMORY, "out of memory");
}

/* Beginning -------------------------------------------------------------------------------------
 */

static void wake(struct process *process)
{
  uint64_t one = 1;
  ssize_t written = write(process->wake, &one, sizeof one);
  (void)written;
}

/* Under the lock. The thread that has said that it ended does nothing more. */
static void join(struct process *process)
{
  if (!process->has_thread) return;
  process->has_thread = false;
  pthread_join(process->thread, NULL);
}

static int32_t check_wait(const struct process *process, struct haggle_error *error)
{
  long long left_ns = process->again_ns - process_now();
  if (process->failures < 2 || left_ns <= 0) return HAGGLE_OK;
  return hgl_infer_fail(error, HAGGLE_UNREACHABLE, "%.400s; it begins again in %lld s",
                        process->why.message, left_ns / 1000000000 + 1);
}

/* Under the lock, which is given up meanwhile. HAGGLE_OK: it runs. */
static int32_t ensure_runs(struct process *process, struct haggle_error *error)
{
  while (process->state == PROCESS_ENDS) pthread_cond_wait(&process->changed, &process->lock);
  if (process->state == PROCESS_ENDED) {
    int32_t status = check_wait(process, error);
    if (status) return status;
    join(process);
    process->state = PROCESS_BEGINS;
    if (pthread_create(&process->thread, NULL, process_serve, process) != 0) {
      process->state = PROCESS_ENDED;
      return hgl_infer_fail(error, HAGGLE_NO_MEMORY, "no thread for the engine's process");
    }
    process->has_thread = true;
  }
  while (process->state == PROCESS_BEGINS || process->state == PROCESS_ENDS)
    pthread_cond_wait(&process->changed, &process->lock);
  if (process->state == PROCESS_RUNS) return HAGGLE_OK;
  return hgl_infer_fail(error, process->why.status, "%s", process->why.message);
}

/* Opening and closing ---------------------------------------------------------------------------
 */

static int32_t read_hang(const char *value, struct process *process, struct haggle_error *error)
{
  struct hgl_err err = {0};
  int64_t ms;
  if (hgl_duration_parse(hgl_text(value), &ms, &err) != 0)
    return hgl_infer_fail(error, HAGGLE_INVALID, "option hang: %s", err.message);
  if (ms < 1 || ms > 24 * 3600 * 1000)
    return hgl_infer_fail(error, HAGGLE_INVALID,
                          "option hang: from 1ms to 24h, as in hang=30s, not %.40s", value);
  process->hang_ns = ms * 1000000;
  return HAGGLE_OK;
}

static int32_t write_opening(struct process *process, const char *engine,
                             const struct haggle_source *source, struct haggle_error *error)
{
  struct hgl_buf *out = &process->opening;
  size_t options = 0;
  for (size_t i = 0; i < source->option_count; i++) {
    const struct haggle_option *option = &source->options[i];
    int32_t status = HAGGLE_OK;
    if (strcmp(option->name, "hang") == 0)
      status = read_hang(option->value, process, error);
    else
      options++;
    if (status) return status;
  }
  if (options > HGL_PROCESS_OPTIONS_MAX)
    return hgl_infer_fail(error, HAGGLE_INVALID, "more than %d options", HGL_PROCESS_OPTIONS_MAX);
  hgl_write_text(out, engine);
  hgl_write_text(out, source->name);
  hgl_write_text(out, source->file);
  hgl_write_u64(out, options);
  for (size_t i = 0; i < source->option_count; i++) {
    if (strcmp(source->options[i].name, "hang") == 0) continue;
    hgl_write_text(out, source->options[i].name);
    hgl_write_text(out, source->options[i].value);
  }
  return out->failed ? out_of_memory(error) : HAGGLE_OK;
}

static void init_lock(struct process *process)
{
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&process->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&process->lock, NULL);
}

static void close_process(void *model)
{
  struct process *process = model;
  pthread_mutex_lock(&process->lock);
  process->closing = true;
  wake(process);
  while (process->state != PROCESS_ENDED) pthread_cond_wait(&process->changed, &process->lock);
  join(process);
  pthread_mutex_unlock(&process->lock);
  if (process->wake >= 0) close(process->wake);
  pthread_cond_destroy(&process->changed);
  pthread_mutex_destroy(&process->lock);
  hgl_process_about_deinit(&process->about);
  hgl_buf_deinit(&process->opening);
  hgl_buf_deinit(&process->outbox);
  hgl_buf_deinit(&process->body);
  hgl_free(process->flights);
  hgl_free(process->program);
  hgl_free(process->name);
  hgl_free(process);
}

static int32_t fill(struct process *process, const struct hgl_process_config *config,
                    const struct haggle_source *source, struct haggle_error *error)
{
  const char *program = config->program;
  process->host = config->host;
  process->arguments = config->arguments;
  if (program && !(process->program = hgl_strndup(program, strlen(program))))
    return out_of_memory(error);
  if (!(process->name = hgl_strndup(source->name, strlen(source->name))))
    return out_of_memory(error);
  process->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (process->wake < 0)
    return hgl_infer_fail(error, HAGGLE_FAILED, "no descriptor for the engine's process is left");
  return write_opening(process, config->engine, source, error);
}

int32_t hgl_process_engine_open(const struct hgl_process_config *config,
                                const struct haggle_source *source, void **model,
                                struct haggle_error *error)
{
  struct process *process = hgl_zalloc(sizeof *process);
  if (!process) return out_of_memory(error);
  process->wake = process->pid_fd = -1;
  process->channel.fd = -1;
  process->hang_ns = (int64_t)HANG_MS * 1000000;
  process->stats.size = process->stats_before.size = sizeof process->stats;
  hgl_buf_init(&process->opening, HGL_PROCESS_MESSAGE_SIZE_MAX);
  hgl_buf_init(&process->outbox, (size_t)2 * HGL_PROCESS_MESSAGE_SIZE_MAX);
  hgl_buf_init(&process->body, HGL_PROCESS_MESSAGE_SIZE_MAX);
  init_lock(process);
  int32_t status = fill(process, config, source, error);
  if (status == HAGGLE_OK) {
    pthread_mutex_lock(&process->lock);
    status = ensure_runs(process, error);
    pthread_mutex_unlock(&process->lock);
  }
  if (status == HAGGLE_OK)
    *model = process;
  else
    close_process(process);
  return status;
}

static void describe(void *model, struct haggle_model_info *out)
{
  const struct process *process = model;
  size_t size = out->size;
  struct haggle_model_info info = process->about.info;
  memcpy(out, &info, size < sizeof info ? size : sizeof info);
  out->size = size;
}

/* Calls -----------------------------------------------------------------------------------------
 */

static void run(void *model, const struct haggle_batch *batch)
{
  struct process *process = model;
  struct process_run run = {.batch = batch};
  struct haggle_error error = {.size = sizeof error};
  pthread_mutex_lock(&process->lock);
  int32_t status = ensure_runs(process, &error);
  if (status == HAGGLE_OK) {
    run.next = process->arrived;
    process->arrived = &run;
    wake(process);
    while (!run.done) pthread_cond_wait(&process->changed, &process->lock);
  }
  pthread_mutex_unlock(&process->lock);
  if (status == HAGGLE_OK) return;
  struct haggle_result result = {.size = sizeof result,
                                 .status = status,
                                 .message = error.message,
                                 .message_size = strlen(error.message)};
  for (size_t i = 0; i < batch->count; i++) batch->finish(batch->host, batch->requests[i], &result);
}

/* Under the lock; false: it took too long, or the process has ended. */
static bool wait_for(struct process *process, const bool *flag, bool wanted)
{
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += STATS_WAIT_MS / 1000;
  while (process->state == PROCESS_RUNS && *flag != wanted)
    if (pthread_cond_timedwait(&process->changed, &process->lock, &until) != 0) break;
  return *flag == wanted;
}

/* What is not answered in time is the last that was told; who did not answer is not waited for
 * again, because the loop waits here. */
static void stats(void *model, struct haggle_model_stats *out)
{
  struct process *process = model;
  size_t size = out->size;
  pthread_mutex_lock(&process->lock);
  if (process->state == PROCESS_RUNS && !process->awaits_stats) {
    process->wants_stats = process->awaits_stats = true;
    wake(process);
    wait_for(process, &process->awaits_stats, false);
  }
  struct haggle_model_stats last = process->stats;
  pthread_mutex_unlock(&process->lock);
  memcpy(out, &last, size < sizeof last ? size : sizeof last);
  out->size = size;
}

int32_t hgl_process_device(void *model, uint32_t number, struct haggle_device *out)
{
  struct process *process = model;
  size_t size = out->size;
  int32_t status = HAGGLE_UNREACHABLE;
  pthread_mutex_lock(&process->lock);
  if (ensure_runs(process, NULL) == HAGGLE_OK) {
    process->device_number = number;
    process->wants_device = true;
    process->has_device = false;
    wake(process);
    if (wait_for(process, &process->has_device, true)) {
      status = process->device_status;
      if (status == HAGGLE_OK)
        memcpy(out, &process->device, size < sizeof *out ? size : sizeof *out);
      out->size = size;
    }
  }
  pthread_mutex_unlock(&process->lock);
  return status;
}

pid_t hgl_process_pid(void *model)
{
  struct process *process = model;
  pthread_mutex_lock(&process->lock);
  pid_t pid = process->pid;
  pthread_mutex_unlock(&process->lock);
  return pid;
}

const struct haggle_engine hgl_process_engine = {
    .size = sizeof hgl_process_engine,
    .version = HAGGLE_INFER_VERSION,
    .name = "process",
    .about = "an engine in a process of its own",
    .describe = describe,
    .run = run,
    .stats = stats,
    .close = close_process,
};
