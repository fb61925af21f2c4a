/* What the thread of an engine's process says to it and hears from it: runs and their requests.
 * Nothing that is heard is believed: numbers of runs and requests are looked up, results are
 * measured by the model's description. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "infer/process_internal.h"

enum { LOG_LINES_A_SECOND = 20, LOG_LINE_SIZE = 512 };

void process_fail(struct process *process, int32_t status, const char *format, ...)
{
  struct haggle_error why = {.size = sizeof why, .status = status};
  va_list args;
  va_start(args, format);
  vsnprintf(why.message, sizeof why.message, format, args);
  va_end(args);
  if (!process->over) process->end = why;
  process->over = true;
}

static void broken(struct process *process, const char *what)
{
  process_fail(process, HAGGLE_FAILED, "said what cannot be (%s)", what);
}

/* Saying ----------------------------------------------------------------------------------------
 */

void process_flush(struct process *process)
{
  struct hgl_err err = {0};
  struct hgl_buf *outbox = &process->outbox;
  while (process->outbox_sent < outbox->size) {
    ssize_t put = hgl_channel_put(&process->channel, outbox->data + process->outbox_sent,
                                  outbox->size - process->outbox_sent, &err);
    if (put < 0) broken(process, err.message);
    if (put <= 0) return;
    process->outbox_sent += (size_t)put;
  }
  process->outbox_sent = 0;
  hgl_buf_clear(outbox);
  if (outbox->capacity > HGL_RING_SIZE) hgl_buf_deinit(outbox);
}

/* Straight into the ring as far as there is room. */
static void put(struct process *process, const void *data, size_t size)
{
  struct hgl_err err = {0};
  ssize_t done = 0;
  process->said += size;
  if (process->outbox.size == 0) done = hgl_channel_put(&process->channel, data, size, &err);
  if (done < 0) broken(process, err.message);
  if (done < 0 || (size_t)done == size) return;
  hgl_buf_append(&process->outbox, (const uint8_t *)data + done, size - (size_t)done);
  if (process->outbox.failed)
    process_fail(process, HAGGLE_NO_MEMORY, "could not be told: out of memory");
}

void process_say(struct process *process, uint32_t kind, uint32_t run, uint64_t id,
                 struct hgl_bytes body)
{
  struct hgl_process_head head = {kind, run, id, body.size};
  put(process, &head, sizeof head);
  put(process, body.data, body.size);
}

/* Requests --------------------------------------------------------------------------------------
 */

/* The slot's index and how often it was used: an answer to an earlier request finds nothing. */
static uint64_t id_of(const struct process *process, const struct process_flight *flight)
{
  return (uint64_t)flight->generation << 32 | (uint64_t)(flight - process->flights);
}

static struct process_flight *find_flight(struct process *process, uint64_t id)
{
  uint32_t index = (uint32_t)id;
  if (index >= process->flight_count) return NULL;
  struct process_flight *flight = &process->flights[index];
  return flight->request && flight->generation == id >> 32 ? flight : NULL;
}

static struct process_flight *add_flight(struct process *process, struct process_run *run,
                                         const struct haggle_request *request)
{
  if (!process->first_free) {
    if (!HGL_GROW(process->flights, process->flight_count, process->flight_capacity)) return NULL;
    process->flights[process->flight_count] = (struct process_flight){0};
    process->first_free = (uint32_t)++process->flight_count;
  }
  struct process_flight *flight = &process->flights[process->first_free - 1];
  process->first_free = flight->next_free;
  *flight = (struct process_flight){
      .request = request, .run = run, .generation = flight->generation + 1};
  process->in_flight++;
  return flight;
}

static void answer(const struct process_run *run, const struct haggle_request *request,
                   const struct haggle_result *result)
{
  run->batch->finish(run->batch->host, request, result);
}

static void answer_error(const struct process_run *run, const struct haggle_request *request,
                         int32_t status, const char *message)
{
  struct haggle_result result = {
      .size = sizeof result, .status = status, .message = message, .message_size = strlen(message)};
  answer(run, request, &result);
}

static void release(struct process *process, struct process_flight *flight)
{
  flight->request = NULL;
  flight->next_free = process->first_free;
  process->first_free = (uint32_t)(flight - process->flights) + 1;
  process->in_flight--;
}

/* False: it was answered at once, with why it cannot be sent. */
static bool send_request(struct process *process, struct process_run *run,
                         const struct haggle_request *request)
{
  struct hgl_buf *body = &process->body;
  struct hgl_err err = {0};
  hgl_buf_clear(body);
  hgl_write_u64(body, (uint64_t)request->deadline_ns);
  hgl_write_u64(body, (uint64_t)request->rows);
  hgl_write_bytes(body, request->text, request->text_size);
  hgl_write_tensors(body, request->inputs, request->input_count);
  struct process_flight *flight = NULL;
  int status = hgl_buf_check(body, &err);
  if (status == 0 && !(flight = add_flight(process, run, request)))
    status = hgl_fail(&err, HGL_NO_MEMORY, "out of memory");
  if (status == 0)
    process_say(process, HGL_PROCESS_REQUEST, run->number, id_of(process, flight),
                hgl_buf_bytes(body));
  else
    answer_error(run, request, status == -HGL_NO_MEMORY ? HAGGLE_NO_MEMORY : HAGGLE_TOO_LARGE,
                 err.message);
  if (body->capacity > HGL_RING_SIZE) hgl_buf_deinit(body);
  return status == 0;
}

/* Runs ------------------------------------------------------------------------------------------
 */

static bool has_token(const struct haggle_batch *batch)
{
  return HAGGLE_HAS(batch, token) && batch->token;
}

static int event_of(const struct haggle_batch *batch)
{
  return HAGGLE_HAS(batch, event) ? batch->event : -1;
}

static struct process_run *find_run(struct process *process, uint32_t number)
{
  struct process_run *run = process->runs;
  while (run && run->number != number) run = run->next;
  return run;
}

static void end_run(struct process *process, struct process_run *run)
{
  for (size_t i = 0; i < process->flight_count; i++)
    if (process->flights[i].request && process->flights[i].run == run)
      release(process, &process->flights[i]); /* the host says what became of them */
  struct process_run **link = &process->runs;
  while (*link != run) link = &(*link)->next;
  *link = run->next;
  pthread_mutex_lock(&process->lock);
  run->done = true;
  pthread_cond_broadcast(&process->changed);
  pthread_mutex_unlock(&process->lock);
}

void process_begin_run(struct process *process, struct process_run *run)
{
  const struct haggle_batch *batch = run->batch;
  size_t sent = 0;
  run->number = ++process->next_run;
  run->armed = event_of(batch) >= 0;
  run->next = process->runs;
  process->runs = run;
  for (size_t i = 0; i < batch->count; i++) sent += send_request(process, run, batch->requests[i]);
  if (sent == 0) {
    end_run(process, run);
    return;
  }
  process_say(process, HGL_PROCESS_RUN, run->number, has_token(batch), hgl_bytes(NULL, 0));
  if (!run->armed) process_say(process, HGL_PROCESS_WAITS, run->number, 0, hgl_bytes(NULL, 0));
}

void process_fail_all(struct process *process, int32_t status, const char *message)
{
  for (size_t i = 0; i < process->flight_count; i++) {
    struct process_flight *flight = &process->flights[i];
    if (!flight->request) continue;
    answer_error(flight->run, flight->request, status, message);
    release(process, flight);
  }
  while (process->runs) end_run(process, process->runs);
}

void process_look_for_over(struct process *process, struct process_run *run, int64_t now_ns)
{
  const struct haggle_batch *batch = run->batch;
  if (!HAGGLE_HAS(batch, is_over) || !batch->is_over) return;
  for (size_t i = 0; i < process->flight_count; i++) {
    struct process_flight *flight = &process->flights[i];
    if (!flight->request || flight->run != run || flight->told) continue;
    if (!batch->is_over(batch->host, flight->request)) continue;
    flight->told = true;
    flight->over_ns = now_ns;
    process_say(process, HGL_PROCESS_OVER, run->number, id_of(process, flight), hgl_bytes(NULL, 0));
  }
}

/* Hearing ---------------------------------------------------------------------------------------
 */

static void heard_take(struct process *process, struct process_run *run)
{
  const struct haggle_batch *batch = run->batch;
  const struct haggle_request *request = NULL;
  /* Or what it does not read would fill our memory. */
  if (run->answered_at > process->said - (process->outbox.size - process->outbox_sent)) {
    broken(process, "of a run that it asks again before it was answered");
    return;
  }
  if (HAGGLE_HAS(batch, take) && batch->take) request = batch->take(batch->host);
  if (!request || !send_request(process, run, request)) {
    run->armed = !request && event_of(batch) >= 0;
    process_say(process, HGL_PROCESS_NONE, run->number, !run->armed, hgl_bytes(NULL, 0));
  }
  run->answered_at = process->said;
}

static bool is_status(uint64_t status)
{
  return status <= HAGGLE_FAILED;
}

static int read_result(struct process *process, struct hgl_reader *reader,
                       struct haggle_result *result, struct hgl_err *err)
{
  const struct haggle_model_info *info = &process->about.info;
  uint64_t status = hgl_read_u64(reader);
  struct hgl_bytes message = hgl_read_bytes(reader), text = hgl_read_bytes(reader);
  struct haggle_tensor *outputs = NULL;
  if (reader->failed || !is_status(status))
    return hgl_fail(err, HGL_MALFORMED, "a result that cannot be read");
  if (!hgl_utf8_valid(message) || !hgl_utf8_valid(text))
    return hgl_fail(err, HGL_MALFORMED, "a text that is not UTF-8");
  size_t count = status == HAGGLE_OK ? info->output_count : 0;
  int failed = hgl_read_tensors(reader, info->outputs, count, &outputs, err);
  if (failed) return failed;
  *result = (struct haggle_result){
      .size = sizeof *result,
      .status = (int32_t)status,
      .message = (const char *)message.data,
      .message_size = message.size,
      .outputs = outputs,
      .output_count = count,
      .text = (const char *)text.data,
      .text_size = text.size,
  };
  return 0;
}

static void heard_finish(struct process *process, struct process_flight *flight)
{
  struct hgl_reader reader = hgl_reader_of(hgl_buf_bytes(&process->channel.body));
  struct haggle_result result;
  struct hgl_err err = {0};
  int status = read_result(process, &reader, &result, &err);
  if (status == 0) {
    answer(flight->run, flight->request, &result);
    hgl_process_tensors_free((struct haggle_tensor *)result.outputs, result.output_count);
  } else {
    struct haggle_error error = {.size = sizeof error};
    hgl_infer_fail(&error, HAGGLE_FAILED, "the engine answered what cannot be: %s", err.message);
    answer_error(flight->run, flight->request,
                 status == -HGL_NO_MEMORY ? HAGGLE_NO_MEMORY : HAGGLE_FAILED, error.message);
  }
  release(process, flight);
}

static void heard_token(struct process *process, const struct process_flight *flight)
{
  const struct haggle_batch *batch = flight->run->batch;
  struct hgl_bytes text = hgl_buf_bytes(&process->channel.body);
  if (!hgl_utf8_valid(text))
    broken(process, "a piece of a text that is not UTF-8");
  else if (has_token(batch))
    batch->token(batch->host, flight->request, (const char *)text.data, text.size);
}

static void heard_opened(struct process *process)
{
  struct hgl_buf *body = &process->channel.body;
  struct hgl_reader reader = hgl_reader_of(hgl_buf_bytes(body));
  struct hgl_process_about about = {0};
  struct hgl_err err = {0};
  uint64_t status = hgl_read_u64(&reader);
  if (process->state != PROCESS_BEGINS || !is_status(status)) {
    broken(process, "a model was opened that nobody asked for");
    return;
  }
  if (status != HAGGLE_OK) {
    char message[sizeof process->end.message];
    hgl_read_line(&reader, message, sizeof message);
    process_fail(process, (int32_t)status, "%s", message);
    process->said_close = true; /* it ends by itself */
    return;
  }
  if (hgl_read_about(body, sizeof(uint64_t), &about, &err) != 0) {
    broken(process, err.message);
    return;
  }
  bool same = !process->described || hgl_process_about_same(&about, &process->about);
  if (!process->described)
    process->about = about;
  else
    hgl_process_about_deinit(&about);
  process->described = true;
  if (!same) {
    process_fail(process, HAGGLE_INVALID,
                 "its file holds another model than when the host opened it: start the host again");
    return;
  }
  pthread_mutex_lock(&process->lock);
  process->state = PROCESS_RUNS;
  pthread_cond_broadcast(&process->changed);
  pthread_mutex_unlock(&process->lock);
}

static void heard_stats(struct process *process)
{
  const struct haggle_model_stats *before = &process->stats_before;
  struct hgl_reader reader = hgl_reader_of(hgl_buf_bytes(&process->channel.body));
  struct haggle_model_stats now = {0};
  hgl_read_stats(&reader, &now);
  now.busy_ns += before->busy_ns;
  now.rows += before->rows;
  now.tokens_in += before->tokens_in;
  now.tokens_reused += before->tokens_reused;
  now.tokens_out += before->tokens_out;
  now.cost_microcents += before->cost_microcents;
  pthread_mutex_lock(&process->lock);
  if (!reader.failed) process->stats = now;
  process->awaits_stats = false;
  pthread_cond_broadcast(&process->changed);
  pthread_mutex_unlock(&process->lock);
}

static void heard_device(struct process *process)
{
  struct hgl_reader reader = hgl_reader_of(hgl_buf_bytes(&process->channel.body));
  struct haggle_device device = {.size = sizeof device};
  uint64_t status = hgl_read_u64(&reader);
  hgl_read_line(&reader, device.name, sizeof device.name);
  hgl_read_line(&reader, device.about, sizeof device.about);
  device.memory_total = hgl_read_u64(&reader);
  device.memory_free = hgl_read_u64(&reader);
  pthread_mutex_lock(&process->lock);
  process->device = device;
  process->device_status = is_status(status) ? (int32_t)status : HAGGLE_FAILED;
  process->has_device = true;
  pthread_cond_broadcast(&process->changed);
  pthread_mutex_unlock(&process->lock);
}

static void heard_log(struct process *process)
{
  char line[LOG_LINE_SIZE];
  struct hgl_reader reader = hgl_reader_of(hgl_buf_bytes(&process->channel.body));
  uint64_t level = process->channel.head.id;
  int64_t now = process_now();
  if (now - process->log_ns > 1000000000) {
    process->log_ns = now;
    process->log_lines = 0;
  }
  if (process->log_lines++ >= LOG_LINES_A_SECOND || !process->host) return;
  hgl_read_line(&reader, line, sizeof line);
  if (level < HAGGLE_LOG_WARNING || level > HAGGLE_LOG_DEBUG) level = HAGGLE_LOG_INFO;
  process->host->log(process->host, (int32_t)level, line, strlen(line));
}

static void heard_of_run(struct process *process, const struct hgl_process_head *head)
{
  struct process_run *run = find_run(process, head->run);
  struct process_flight *flight = find_flight(process, head->id);
  if (!run)
    broken(process, "of a run that is not there");
  else if (head->kind == HGL_PROCESS_TAKE)
    heard_take(process, run);
  else if (head->kind == HGL_PROCESS_DONE)
    end_run(process, run);
  else if (!flight || flight->run != run)
    broken(process, "of a request that is not there");
  else if (head->kind == HGL_PROCESS_TOKEN)
    heard_token(process, flight);
  else
    heard_finish(process, flight);
}

void process_heard(struct process *process)
{
  const struct hgl_process_head *head = &process->channel.head;
  switch (head->kind) {
  case HGL_PROCESS_OPENED:
    heard_opened(process);
    break;
  case HGL_PROCESS_FINISH:
  case HGL_PROCESS_TOKEN:
  case HGL_PROCESS_TAKE:
  case HGL_PROCESS_DONE:
    heard_of_run(process, head);
    break;
  case HGL_PROCESS_STATS_ARE:
    heard_stats(process);
    break;
  case HGL_PROCESS_DEVICE_IS:
    heard_device(process);
    break;
  case HGL_PROCESS_LOG:
    heard_log(process);
    break;
  default:
    broken(process, "a message of no kind");
  }
}
