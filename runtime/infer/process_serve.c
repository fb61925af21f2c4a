/* The thread of an engine's process: begins it (a process ends with the thread that began it, not
 * only with the host), carries messages as long as it lives, and says what became of it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "infer/process_internal.h"

enum {
  TICK_MS = 20,
  MESSAGES_A_TURN = 256,
  OPENING_TIMES = 20,       /* of hang */
  PARALLEL_POLLED_MAX = 61, /* events of runs; those beyond are looked after at each tick */
  LIVED_S = 60,             /* then an end is one of its own, and not one in a row */
  WAIT_S_MAX = 30,
};

static const int64_t SECOND_NS = 1000000000;

/* Turns -----------------------------------------------------------------------------------------
 */

static void take_orders(struct process *process)
{
  uint64_t count;
  ssize_t got = read(process->wake, &count, sizeof count);
  (void)got;
  pthread_mutex_lock(&process->lock);
  struct process_run *arrived = process->arrived;
  bool stats = process->wants_stats, device = process->wants_device, closing = process->closing;
  uint32_t number = process->device_number;
  process->arrived = NULL;
  process->wants_stats = process->wants_device = false;
  pthread_mutex_unlock(&process->lock);
  for (struct process_run *next; arrived; arrived = next) {
    next = arrived->next;
    process_begin_run(process, arrived);
  }
  if (stats) process_say(process, HGL_PROCESS_STATS, 0, 0, hgl_bytes(NULL, 0));
  if (device) process_say(process, HGL_PROCESS_DEVICE, 0, number, hgl_bytes(NULL, 0));
  if (closing && !process->said_close) {
    process->said_close = true;
    process->close_ns = process_now();
    process_say(process, HGL_PROCESS_CLOSE, 0, 0, hgl_bytes(NULL, 0));
  }
}

/* False: nothing more is there. */
static bool hear(struct process *process)
{
  struct hgl_err err = {0};
  for (int i = 0; i < MESSAGES_A_TURN && !process->over; i++) {
    int status = hgl_channel_next(&process->channel, &err);
    if (status == 0) return false;
    if (status < 0)
      process_fail(process, HAGGLE_FAILED, "said what cannot be (%s)", err.message);
    else
      process_heard(process);
  }
  return true;
}

static void look_at_times(struct process *process)
{
  int64_t now = process_now();
  if (now - process->looked_ns < TICK_MS * 1000000) return;
  process->looked_ns = now;
  if (process->state == PROCESS_BEGINS &&
      now - process->began_ns > OPENING_TIMES * process->hang_ns)
    process_fail(process, HAGGLE_TIMEOUT,
                 "did not open the model within %lld s (option hang: a twentieth of that)",
                 (long long)(OPENING_TIMES * process->hang_ns / SECOND_NS));
  if (process->said_close && now - process->close_ns > process->hang_ns)
    process_fail(process, HAGGLE_TIMEOUT, "did not close the model");
  for (struct process_run *run = process->runs; run; run = run->next)
    if (!run->armed) process_look_for_over(process, run, now);
  for (size_t i = 0; i < process->flight_count; i++) {
    const struct process_flight *flight = &process->flights[i];
    if (!flight->request) continue;
    int64_t over = flight->over_ns, deadline = flight->request->deadline_ns;
    if (deadline && (!over || deadline < over)) over = deadline;
    if (over && now - over > process->hang_ns)
      process_fail(process, HAGGLE_TIMEOUT,
                   "had not finished a call %lld ms after the end of its time (option hang)",
                   (long long)(process->hang_ns / 1000000));
  }
}

static void events_came(struct process *process, struct process_run *const *runs,
                        const struct pollfd *polls, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (!polls[i].revents) continue;
    runs[i]->armed = false; /* until the engine has asked for what waits */
    process_look_for_over(process, runs[i], process_now());
    process_say(process, HGL_PROCESS_WAITS, runs[i]->number, 0, hgl_bytes(NULL, 0));
  }
}

static void sleep_until_something(struct process *process, bool more)
{
  struct pollfd polls[3 + PARALLEL_POLLED_MAX];
  struct process_run *runs[PARALLEL_POLLED_MAX];
  struct hgl_channel *channel = &process->channel;
  size_t count = 0;
  polls[0] = (struct pollfd){.fd = channel->fd, .events = POLLIN};
  polls[1] = (struct pollfd){.fd = process->wake, .events = POLLIN};
  polls[2] = (struct pollfd){.fd = process->pid_fd, .events = POLLIN};
  for (struct process_run *run = process->runs; run && count < PARALLEL_POLLED_MAX; run = run->next)
    if (run->armed) {
      runs[count] = run;
      polls[3 + count++] = (struct pollfd){.fd = run->batch->event, .events = POLLIN};
    }
  bool timed = process->in_flight || process->state == PROCESS_BEGINS || process->said_close;
  int timeout_ms = more ? 0 : timed ? TICK_MS : -1;
  if (hgl_ring_wait_to_read(&channel->in)) timeout_ms = 0;
  if (process->outbox.size && hgl_ring_wait_to_write(&channel->out)) timeout_ms = 0;
  if (poll(polls, 3 + count, timeout_ms) <= 0) return;
  if (polls[0].revents && !hgl_channel_woken(channel)) process->exited = true;
  if (polls[2].revents) process->exited = true;
  events_came(process, runs, polls + 3, count);
}

static void carry(struct process *process)
{
  while (!process->over && !process->exited) {
    take_orders(process);
    process_flush(process);
    bool more = hear(process);
    look_at_times(process);
    process_flush(process);
    if (!process->over) sleep_until_something(process, more);
  }
  /* What it had said before it ended counts. */
  while (process->exited && !process->over && hear(process)) continue;
}

/* The end ---------------------------------------------------------------------------------------
 */

static void say_end(struct process *process, const char *how, bool opening, size_t lost)
{
  struct haggle_error *end = &process->end;
  char words[sizeof end->message];
  if (process->said_close && (opening || !process->over))
    return; /* in order; the engine's own words */
  if (process->over)
    snprintf(words, sizeof words, "the process of its engine %.380s, and was ended", end->message);
  else
    snprintf(words, sizeof words, "the process of its engine %.380s%s", how,
             opening ? " while it opened the model" : "");
  hgl_infer_fail(end, process->over ? end->status : HAGGLE_FAILED, "%s", words);
  if (!process->host) return;
  char line[sizeof end->message + 96];
  int size = snprintf(line, sizeof line, "model %.64s: %s; %zu calls were lost", process->name,
                      words, lost);
  process->host->log(process->host, HAGGLE_LOG_WARNING, line, (size_t)size);
}

static void wait_longer(struct process *process, bool orderly)
{
  int64_t now = process_now();
  if (orderly || now - process->began_ns > LIVED_S * SECOND_NS) process->failures = 0;
  if (orderly) return;
  int64_t wait_s = process->failures == 0   ? 0
                   : process->failures <= 5 ? 1 << (process->failures - 1)
                                            : WAIT_S_MAX;
  process->failures++;
  process->again_ns = now + wait_s * SECOND_NS;
}

static void add_up(struct process *process)
{
  pthread_mutex_lock(&process->lock);
  process->wants_stats = process->awaits_stats = false;
  process->stats.host_memory = process->stats.device_memory = 0;
  process->stats_before = process->stats;
  pthread_mutex_unlock(&process->lock);
}

/* Runs that came in the last moment are failed as those in flight are. */
static void end_all(struct process *process)
{
  bool opening = process->state == PROCESS_BEGINS;
  bool orderly = process->said_close && !process->over && !opening;
  char how[128];
  process_reap(process, process->over && !(opening && process->said_close), how, sizeof how);
  pthread_mutex_lock(&process->lock);
  struct process_run *arrived = process->arrived;
  process->arrived = NULL;
  process->state = PROCESS_ENDS;
  pthread_mutex_unlock(&process->lock);
  size_t lost = process->in_flight;
  for (const struct process_run *run = arrived; run; run = run->next) lost += run->batch->count;
  say_end(process, how, opening, lost);
  for (struct process_run *next; arrived; arrived = next) {
    next = arrived->next;
    arrived->next = process->runs;
    process->runs = arrived;
    for (size_t i = 0; i < arrived->batch->count; i++) {
      struct haggle_result result = {.size = sizeof result,
                                     .status = process->end.status,
                                     .message = process->end.message,
                                     .message_size = strlen(process->end.message)};
      arrived->batch->finish(arrived->batch->host, arrived->batch->requests[i], &result);
    }
  }
  process_fail_all(process, process->end.status, process->end.message);
  wait_longer(process, orderly);
  add_up(process);
}

static void begin(struct process *process)
{
  process->over = process->exited = process->said_close = false;
  process->end = (struct haggle_error){.size = sizeof process->end};
  process->began_ns = process_now();
  process->outbox_sent = 0;
  process->said = 0;
  hgl_buf_clear(&process->outbox);
}

void *process_serve(void *user)
{
  struct process *process = user;
  struct hgl_err err = {0};
  begin(process);
  if (process_spawn(process, &err) == 0) {
    process_say(process, HGL_PROCESS_OPEN, 0, 0, hgl_buf_bytes(&process->opening));
    carry(process);
    end_all(process);
  } else {
    hgl_infer_fail_err(&process->end, &err);
    wait_longer(process, false);
  }
  pthread_mutex_lock(&process->lock);
  process->why = process->end;
  process->state = PROCESS_ENDED;
  pthread_cond_broadcast(&process->changed);
  pthread_mutex_unlock(&process->lock);
  return NULL;
}
