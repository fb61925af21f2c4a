/* Phase 4: handlers, stretch by stretch. A handler starts with a mail; when it suspends or is to be
 * tried again, a struct agent_run (runs.h) remembers it and holds its thread, so that messages of
 * one thread are handled one at a time, in the order they were sent. */
#include "agent/operator.h"
#include "agent/supervise.h"

#include <assert.h>

enum {
  MAILS_PER_TURN = 64, /* then the next agent has its turn, */
  TURN_MS = 2,         /* or after this time */
  STEPS_MAX = 16384,   /* of one tick, however fast they are */
  RETRY_FIRST_MS = 100,
  RETRY_FACTOR = 5,
  MEMORY_RETRY_MS = 1000,
  MEMORY_WAIT_MAX_MS = 60000,
};

void agent_ready(struct agent *agent)
{
  struct hgl_host *host = agent->host;
  if (agent->is_ready || agent->held) return;
  agent->is_ready = true;
  agent->next_ready = NULL;
  agent->previous_ready = host->ready_last;
  *(host->ready_last ? &host->ready_last->next_ready : &host->ready_first) = agent;
  host->ready_last = agent;
  host_request_tick(host);
}

void agent_unready(struct agent *agent)
{
  struct hgl_host *host = agent->host;
  struct agent *previous = agent->previous_ready, *next = agent->next_ready;
  if (!agent->is_ready) return;
  *(previous ? &previous->next_ready : &host->ready_first) = next;
  *(next ? &next->previous_ready : &host->ready_last) = previous;
  agent->is_ready = false;
}

/* ---- runs ---- */

static bool thread_of(const struct mail *mail, uint8_t out[HGL_KEY_SIZE + HGL_ID_SIZE])
{
  if (!mail->message) return false;
  const struct hgl_envelope *envelope = &mail->message->envelope;
  const struct hgl_key *peer = mail->kind == MAIL_MESSAGE ? &envelope->from : &envelope->to;
  memcpy(out, peer->bytes, HGL_KEY_SIZE);
  memcpy(out + HGL_KEY_SIZE, envelope->thid.bytes, HGL_ID_SIZE);
  return true;
}

int run_create(struct agent *agent, struct mail *mail, struct agent_run **out, struct hgl_err *err)
{
  struct agent_run *run = hgl_zalloc(sizeof *run);
  if (!run) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  run->agent = agent;
  run->mail = mail;
  run->attempt = 1;
  hgl_buf_init(&run->name, HGL_STORE_KEY_SIZE_MAX);
  hgl_buf_init(&run->values, HGL_BODY_SIZE_MAX + 1024);
  hgl_buf_init(&run->places, HGL_STORE_VALUE_SIZE_MAX);
  hgl_buf_init(&run->away, HGL_STORE_VALUE_SIZE_MAX);
  hgl_buf_init(&run->lock, HGL_STORE_KEY_SIZE_MAX);
  if (thread_of(mail, run->thread)) {
    int status = hgl_map_put(&agent->threads, hgl_bytes(run->thread, sizeof run->thread), run, err);
    if (status) {
      hgl_free(run);
      return status;
    }
    run->threaded = true;
  }
  run->next = agent->runs;
  if (run->next) run->next->previous = run;
  agent->runs = run;
  agent->run_count++;
  *out = run;
  return 0;
}

/* All that a handler leaves: not the run's thread, nor what waits there. */
static void clear(struct agent_run *run)
{
  run_leave_vm(run);
  run_forget_asks(run);
  hgl_vm_views_destroy(run->views);
  run->views = NULL;
  for (size_t i = 0; i < run->fresh_count; i++) record_destroy(&run->fresh[i]);
  hgl_free(run->fresh);
  run->fresh = NULL;
  run->fresh_count = run->fresh_capacity = 0;
  if (run->stretches) run->agent->waiting_runs--;
  run->stretches = 0;
  script_release(run->agent->host, run->script);
  run->script = NULL;
  if (run->schedule) run->schedule->run = NULL;
  run->schedule = NULL;
  hgl_free(run->why);
  run->why = NULL;
  hgl_buf_deinit(&run->name);
  hgl_buf_deinit(&run->values);
  hgl_buf_deinit(&run->places);
  hgl_buf_deinit(&run->away);
  hgl_buf_deinit(&run->lock);
  run->retrying = run->parked = run->granted = run->lost_places = false;
  run->attempt = 1;
}

void run_destroy(struct agent_run *run)
{
  struct agent *agent = run->agent;
  clear(run);
  if (run->unsaved_link) {
    *run->unsaved_link = run->next_unsaved;
    if (run->next_unsaved) run->next_unsaved->unsaved_link = run->unsaved_link;
  }
  if (run->locks) held_locks_clear(run->locks);
  hgl_free(run->locks);
  if (agent->starting == run) agent->starting = NULL;
  hgl_heap_remove(&agent->host->mono_heap, &run->due);
  if (run->threaded) hgl_map_remove(&agent->threads, hgl_bytes(run->thread, sizeof run->thread));
  if (run->previous)
    run->previous->next = run->next;
  else
    agent->runs = run->next;
  if (run->next) run->next->previous = run->previous;
  agent->run_count--;
  for (struct mail *mail; (mail = mail_queue_pop(&run->held));) mail_destroy(mail);
  mail_destroy(run->mail);
  hgl_free(run);
}

int run_wait_until(struct agent_run *run, int64_t mono_ms, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  hgl_heap_remove(&host->mono_heap, &run->due);
  return hgl_heap_push(&host->mono_heap, &run->due, mono_ms, err);
}

void run_wake(struct agent_run *run)
{
  struct agent *agent = run->agent;
  hgl_heap_remove(&agent->host->mono_heap, &run->due);
  agent_ready(agent);
  if (run->ready) return;
  run->ready = true;
  run->next_ready = NULL;
  if (agent->runs_ready_last)
    agent->runs_ready_last->next_ready = run;
  else
    agent->runs_ready = run;
  agent->runs_ready_last = run;
}

static void unready(struct agent_run *run)
{
  struct agent *agent = run->agent;
  struct agent_run *last = NULL;
  if (!run->ready) return;
  for (struct agent_run **at = &agent->runs_ready; *at;) {
    if (*at == run) {
      *at = run->next_ready;
    } else {
      last = *at;
      at = &last->next_ready;
    }
  }
  agent->runs_ready_last = last;
  run->ready = false;
}

void run_finish(struct agent_run *run)
{
  struct agent *agent = run->agent;
  unready(run);
  run_erase(run);
  locks_forget(run);
  clear(run);
  mail_destroy(run->mail);
  run->mail = mail_queue_pop(&run->held);
  if (!run->mail) {
    run_destroy(run);
    return;
  }
  if (agent->starting == run) agent->starting = NULL;
  run_wake(run);
}

/* ---- failing ---- */

static void remember(char **place, const char *text)
{
  struct hgl_buf clean;
  struct hgl_err err;
  /* Each byte may need three for its replacement. */
  if (text && !*text) text = NULL;
  hgl_buf_init(&clean, text ? 4 * strlen(text) + 4 : 0);
  if (text) put_clean(&clean, hgl_text(text));
  char *copy = text && hgl_buf_check(&clean, &err) == 0
                   ? hgl_strndup((const char *)clean.data, clean.size)
                   : NULL;
  hgl_buf_deinit(&clean);
  if (text && !copy) return;
  hgl_free(*place);
  *place = copy;
}

static const char *mail_subject(const struct mail *mail)
{
  static const char *const names[] = {"message",    "on_undelivered", "timer",   "on_start",
                                      "on_upgrade", "on_stop",        "continue"};
  return mail->kind == MAIL_MESSAGE ? (const char *)mail->message->envelope.type.data
                                    : names[mail->kind];
}

static void log_failure(struct agent *agent, const struct mail *mail, int attempt,
                        const struct hgl_vm_failure *failure)
{
  const char *subject = mail_subject(mail);
  int size = mail->kind == MAIL_MESSAGE ? (int)mail->message->envelope.type.size
                                        : (int)strlen(subject);
  char thread[2 * HGL_ID_SIZE + 1] = "-";
  if (mail->message) hgl_id_format(&mail->message->envelope.thid, thread);
  host_log(agent->host, HGL_LOG_ERROR, "%s: %s [%.*s, thread %s, attempt %d]", agent->name,
           failure->error.message, size, subject, thread, attempt);
  if (failure->traceback && *failure->traceback)
    host_log(agent->host, HGL_LOG_DEBUG, "%s: %s", agent->name, failure->traceback);
  remember(&agent->last_error, failure->error.message);
  remember(&agent->last_traceback, failure->traceback);
}

/* The asker learns that its question died here, in general words. */
static void tell_handler_failed(struct agent *agent, const struct message *message)
{
  struct hgl_host *host = agent->host;
  if (hgl_bytes_is(message->envelope.protocol, "haggle")) return;
  struct hgl_buf body;
  struct hgl_err err;
  struct hgl_id id;
  hgl_buf_init(&body, 1024);
  hgl_cbor_put_map(&body, 2);
  hgl_cbor_put_literal(&body, "why");
  hgl_cbor_put_literal(&body, "the handler failed");
  hgl_cbor_put_literal(&body, "code");
  hgl_cbor_put_literal(&body, hgl_code_name(HGL_HANDLER_FAILED));
  struct hgl_vm_send send = {.to_key = &message->envelope.from,
                             .type = hgl_text("haggle/1.0/refuse"),
                             .body = hgl_buf_bytes(&body),
                             .thid = &message->envelope.thid};
  stretch_begin(host, agent, NULL, NULL);
  if (stretch_send(host, &send, &id, NULL, &err)) {
    stretch_drop(host);
  } else if (stretch_accept(host, &err)) {
    host_fatal(host, &err);
  }
  hgl_buf_deinit(&body);
}

/* Of a mail that stood alone, or at the head of a thread. */
static void finish(struct mail *mail, struct agent_run *run)
{
  if (run)
    run_finish(run);
  else
    mail_destroy(mail);
}

/* Nothing more is tried. The mail stays the caller's. */
static void give_up(struct agent *agent, struct mail *mail, enum hgl_code code, const char *why)
{
  if (mail->timer) {
    mail->why = hgl_strndup(mail->timer->id,
                            mail->timer->name_size); /* as the dead letter names it */
    timer_fired(agent, mail->timer);
    mail->timer = NULL;
  }
  dead_letter(agent, mail, code, why);
  if (mail->kind == MAIL_MESSAGE) tell_handler_failed(agent, mail->message);
}

void run_give_up(struct agent_run *run, enum hgl_code code, const char *why)
{
  give_up(run->agent, run->mail, code, why);
  run_finish(run);
}

/* That there is no memory to wake an agent is no fault of its handlers', and no attempt of theirs;
 * but the same is said of a top level that needs more than the agent may have. */
static bool may_wait_for_memory(struct agent *agent, int status)
{
  int64_t now_ms = agent->host->mono_ms;
  if (status != -HGL_NO_MEMORY) return false;
  if (!agent->unwakeable_ms) {
    host_log(agent->host, HGL_LOG_WARN, "%s cannot be woken now for want of memory", agent->name);
    agent->unwakeable_ms = now_ms;
  }
  return now_ms - agent->unwakeable_ms < MEMORY_WAIT_MAX_MS;
}

static void wait_for_memory(struct agent_run *run)
{
  struct hgl_host *host = run->agent->host;
  struct hgl_err err;
  if (run_wait_until(run, host->mono_ms + MEMORY_RETRY_MS, &err)) host_fatal(host, &err);
}

static int64_t delay_before(int attempt)
{
  int64_t delay = RETRY_FIRST_MS;
  for (int i = 2; i < attempt; i++) delay *= RETRY_FACTOR;
  return delay;
}

/* The run that keeps a mail until its handler is tried again; NULL: the host has failed. */
static struct agent_run *hold_back(struct agent *agent, struct mail *mail, struct agent_run *run)
{
  struct hgl_err err;
  if (!run && run_create(agent, mail, &run, &err)) {
    mail_destroy(mail);
    host_fatal(agent->host, &err);
    return NULL;
  }
  if (mail->kind == MAIL_START || mail->kind == MAIL_UPGRADE) agent->starting = run;
  return run;
}

/* The first stretch raised: nothing has happened yet, so it can be tried again. */
static void try_again(struct agent *agent, struct mail *mail, struct agent_run *run,
                      const struct hgl_vm_failure *failure)
{
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  log_failure(agent, mail, mail->attempt, failure);
  if (mail->attempt >= HGL_ATTEMPTS_DEFAULT || mail->kind == MAIL_STOP) {
    enum hgl_code code = failure->error.code == HGL_JOURNAL_FULL ? HGL_JOURNAL_FULL
                                                                 : HGL_HANDLER_FAILED;
    enum mail_kind kind = mail->kind;
    if (kind == MAIL_STOP) agent->stopped = true;
    mailbox_consume(agent, mail);
    give_up(agent, mail, code, failure->error.message);
    finish(mail, run);
    supervise_failed(agent, kind, failure);
    return;
  }
  mail->attempt++;
  run = hold_back(agent, mail, run);
  if (run && run_wait_until(run, host->mono_ms + delay_before(mail->attempt), &err))
    host_fatal(host, &err);
}

void run_park(struct agent_run *run, const char *why)
{
  remember(&run->why, why);
  run->parked = true;
  run->retrying = false;
  host_log(run->agent->host, HGL_LOG_ERROR,
           "%s: a handler cannot go on and is parked (haggle runs): %s", run->agent->name, why);
  remember(&run->agent->last_error, why);
}

/* A later stretch raised: what was committed stays, and it goes on from where it waited. */
static void go_on_again(struct agent_run *run, const struct hgl_vm_failure *failure)
{
  struct agent *agent = run->agent;
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  log_failure(agent, run->mail, run->attempt, failure);
  if (run->attempt >= HGL_ATTEMPTS_DEFAULT) {
    enum hgl_code code = failure->error.code == HGL_JOURNAL_FULL ? HGL_JOURNAL_FULL
                                                                 : HGL_HANDLER_FAILED;
    enum mail_kind kind = run->mail->kind;
    run_give_up(run, code, failure->error.message);
    supervise_failed(agent, kind, failure);
    return;
  }
  run->attempt++;
  run->retrying = true;
  remember(&run->why, failure->error.message);
  if (run_wait_until(run, host->mono_ms + delay_before(run->attempt), &err)) host_fatal(host, &err);
}

/* ---- suspending ---- */

static int begin_wait(struct agent_run *run, const struct hgl_vm_wait *wait, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  run->waits = wait->kind;
  run->granted = false;
  switch (wait->kind) {
  case HGL_VM_WAIT_SLEEP:
    run->until_ms = host->now_ms + wait->sleep_ms;
    return run_wait_until(run, host->mono_ms + wait->sleep_ms, err);
  case HGL_VM_WAIT_LOCK:
    hgl_buf_clear(&run->lock);
    hgl_buf_append_bytes(&run->lock, wait->lock);
    run->ticket = host_row(host);
    return hgl_buf_check(&run->lock, err);
  default:
    return run_open_asks(run, wait, err);
  }
}

/* The stretch that ends here becomes a record of the run. */
static void suspend(struct agent_run *run, struct hgl_vm_run *vm_run,
                    const struct hgl_vm_wait *wait)
{
  struct agent *agent = run->agent;
  struct hgl_host *host = agent->host;
  struct hgl_vm_views *views = NULL;
  struct hgl_err err;
  run->vm_run = vm_run;
  run->retrying = false;
  run->attempt = 1;
  if (hgl_vm_views_copy(vm_run, &views, &err) ||
      run_add_record(run, hgl_vm_events(run->vm), &err) || begin_wait(run, wait, &err))
    host_fatal(host, &err);
  hgl_vm_views_destroy(run->views);
  run->views = views;
}

/* ---- stretches ---- */

/* `run`: it goes on; NULL: its handler has ended. */
static void accept_stretch(struct agent *agent, struct agent_run *run)
{
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  hgl_vm_accept(agent->vm);
  if (locks_accept(agent, run, &err)) host_fatal(host, &err);
  if (!agent->dirty && hgl_vm_dirty(agent->vm)) {
    agent->dirty = true;
    agent->next_dirty = host->dirty_agents;
    host->dirty_agents = agent;
  }
  if (stretch_accept(host, &err)) host_fatal(host, &err);
  if (run && run->waits == HGL_VM_WAIT_LOCK && !run->granted && lock_wait(run, &err))
    host_fatal(host, &err);
  if (host->config.forget_lua && agent_forget_lua(agent, &err)) host_fatal(host, &err);
}

/* The first stretch of a mail is over well: the mail is consumed with it. */
static void consume(struct agent *agent, struct mail *mail)
{
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  mailbox_consume(agent, mail);
  agent->handled++;
  host->counts.handled++;
  if (mail->timer) timer_fired(agent, mail->timer);
  mail->timer = NULL;
  if (mail->kind == MAIL_START || mail->kind == MAIL_UPGRADE) {
    if (mail->kind == MAIL_START) agent->created = true;
    if (mail->kind == MAIL_UPGRADE) agent->stored_version = mail->to_version;
    if (agent_store_row(agent, &err)) host_fatal(host, &err);
  }
  if (mail->kind == MAIL_STOP) agent->stopped = true;
}

/* Its manifest says that it listens; its script, loaded anew when it woke, declares no such
 * handler: a module has changed on disk. */
static void log_missing(struct agent *agent, const struct mail *mail)
{
  struct hgl_bytes name = mail->timer ? hgl_bytes(mail->timer->id, mail->timer->name_size)
                          : mail->kind == MAIL_MESSAGE ? mail->message->envelope.type
                                                       : hgl_text(mail_subject(mail));
  host_log(agent->host, HGL_LOG_ERROR,
           "%s: its script has no handler for '%.*s' any more, since it was loaded anew: a module "
           "has changed",
           agent->name, (int)name.size, (const char *)name.data);
}

/* Nobody listens. To a refusal, a start, a timer that is no longer declared, a reply to the
 * operator, nobody has to; but a message that an older version of the script would have handled is
 * not lost in silence. `declared`: a handler that is missing; its schedule stays. */
static void pass_over(struct agent *agent, struct mail *mail, bool declared)
{
  agent->host->changed = true;
  if (declared)
    log_missing(agent, mail);
  else if (mail->timer)
    mail->timer->every_ms = 0;
  consume(agent, mail);
  if (mail->kind == MAIL_MESSAGE && agent->script &&
      !hgl_bytes_is(mail->message->envelope.protocol, "haggle"))
    give_up(agent, mail, HGL_NO_HANDLER, hgl_code_meaning(HGL_NO_HANDLER));
}

static void suspend_first(struct agent *agent, struct mail *mail, struct agent_run *run,
                          const struct hgl_vm_call *call, struct hgl_vm_run *vm_run,
                          const struct hgl_vm_wait *wait)
{
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  if (!run && run_create(agent, mail, &run, &err)) {
    host_fatal(host, &err);
    hgl_vm_abandon(agent->vm, vm_run);
    stretch_drop(host);
    mail_destroy(mail);
    return;
  }
  if (run_remember_call(run, call, &err)) host_fatal(host, &err);
  consume(agent, mail);
  if (agent->starting == run) { /* it has begun: others may, too */
    agent->starting = NULL;
    agent_ready(agent);
  }
  suspend(run, vm_run, wait);
  accept_stretch(agent, run);
}

/* Starts the handler of a mail; takes the mail. `run`: the thread that it is the next of, or NULL.
 */
static void handle(struct agent *agent, struct mail *mail, struct agent_run *run)
{
  struct hgl_host *host = agent->host;
  struct hgl_vm_call call = {.seed = hgl_random_u64(host->config.random),
                             .waiting = agent->waiting_runs};
  struct hgl_vm_message message;
  struct hgl_vm_run *vm_run = NULL;
  struct hgl_vm_wait wait;
  struct hgl_vm_failure failure = {.traceback = ""};
  struct hgl_buf values;

  if (mail->timer && mail->timer->cancelled) {
    finish(mail, run);
    return;
  }
  hgl_buf_init(&values, HGL_BODY_SIZE_MAX + 1024);
  run_call_of(mail, &message, &call, &values);
  call.values = hgl_buf_bytes(&values);
  bool listens = manifest_has(agent->manifest, call.kind, call.name);
  int status = listens ? agent_wake(agent, &failure.error) : 0;
  if (status) {
    if (mail->kind == MAIL_STOP || !may_wait_for_memory(agent, status))
      try_again(agent, mail, run, &failure);
    else if ((run = hold_back(agent, mail, run)))
      wait_for_memory(run);
    hgl_buf_deinit(&values);
    return;
  }
  if (!listens || !hgl_vm_has(agent->vm, call.kind, call.name)) {
    pass_over(agent, mail, listens);
    finish(mail, run);
    hgl_buf_deinit(&values);
    return;
  }
  if (mail->kind == MAIL_MESSAGE) watch_message(host, mail->message, "handled");
  stretch_begin(host, agent, mail, run);
  switch (hgl_vm_start(agent->vm, &call, &vm_run, &wait, &failure)) {
  case HGL_VM_DONE:
    consume(agent, mail);
    accept_stretch(agent, NULL);
    finish(mail, run);
    break;
  case HGL_VM_SUSPENDED:
    suspend_first(agent, mail, run, &call, vm_run, &wait);
    break;
  case HGL_VM_RAISED:
    stretch_drop(host);
    agent->raised++;
    host->counts.raised++;
    try_again(agent, mail, run, &failure);
    break;
  }
  hgl_buf_deinit(&values);
}

/* Into a Lua state again, if it is in none. False: it cannot go on now. */
static bool bring_back(struct agent_run *run)
{
  struct hgl_vm_failure failure = {.traceback = ""};
  if (run->vm_run) return true;
  int status = agent_wake(run->agent, &failure.error);
  if (may_wait_for_memory(run->agent, status)) {
    run->retrying = true;
    wait_for_memory(run);
    return false;
  }
  if (!status && run_replay(run, &failure.error) == 0) return true;
  bool may_pass = failure.error.code == HGL_NO_MEMORY || failure.error.code == HGL_LIMIT;
  if (may_pass && run->attempt < HGL_ATTEMPTS_DEFAULT)
    go_on_again(run, &failure);
  else
    run_park(run, failure.error.message);
  return false;
}

static void resume_with(struct agent_run *run, const struct hgl_vm_answer *answers)
{
  struct agent *agent = run->agent;
  struct hgl_host *host = agent->host;
  struct hgl_vm_wait wait;
  struct hgl_vm_failure failure;
  struct hgl_err err;
  stretch_begin(host, agent, run->mail, run);
  if (locks_begin(host, run, &err)) host_fatal(host, &err);
  switch (hgl_vm_resume(run->vm, run->vm_run, answers, run->ask_count, &wait, &failure)) {
  case HGL_VM_DONE:
    run->vm_run = NULL;
    accept_stretch(agent, NULL);
    run_finish(run);
    break;
  case HGL_VM_SUSPENDED:
    suspend(run, run->vm_run, &wait);
    accept_stretch(agent, run);
    break;
  case HGL_VM_RAISED:
    run->vm_run = NULL;
    stretch_drop(host);
    agent->raised++;
    host->counts.raised++;
    go_on_again(run, &failure);
    break;
  }
}

static void resume(struct agent_run *run)
{
  struct agent *agent = run->agent;
  struct hgl_vm_answer *answers = hgl_array(run->ask_count + 1, sizeof *answers);
  struct hgl_vm_message *messages = hgl_array(run->ask_count + 1, sizeof *messages);
  struct hgl_err err;
  if (!answers || !messages) {
    hgl_fail(&err, HGL_NO_MEMORY, "out of memory");
    host_fatal(agent->host, &err);
  } else if (!run->parked && bring_back(run)) {
    asks_tell(run->asks, run->ask_count, answers, messages);
    resume_with(run, answers);
    script_drop_idle_vms(agent);
  }
  hgl_free(answers);
  hgl_free(messages);
}

/* ---- the phase ---- */

void run_due(struct hgl_host *host)
{
  struct hgl_heap_entry *first;
  while ((first = hgl_heap_first(&host->mono_heap)) && first->due <= host->mono_ms) {
    struct agent_run *run = (struct agent_run *)first;
    hgl_heap_remove(&host->mono_heap, first);
    bool asks = run->waits == HGL_VM_WAIT_ASK || run->waits == HGL_VM_WAIT_ASK_ALL;
    if (!run->stretches || run->retrying || !asks)
      run_wake(run);
    else
      run_asks_due(run);
  }
}

static struct agent_run *take_ready_run(struct agent *agent)
{
  struct agent_run *run = agent->runs_ready;
  if (!run) return NULL;
  agent->runs_ready = run->next_ready;
  if (!agent->runs_ready) agent->runs_ready_last = NULL;
  run->ready = false;
  return run;
}

/* One step of the agent's; false: it has nothing to do now. */
static bool step(struct agent *agent)
{
  struct agent_run *run = take_ready_run(agent);
  if (run) {
    if (run->stretches)
      resume(run);
    else
      handle(agent, run->mail, run);
    return true;
  }
  struct mail *mail = agent->starting ? NULL : mail_queue_pop(&agent->mailbox);
  uint8_t thread[HGL_KEY_SIZE + HGL_ID_SIZE];
  if (!mail) return false;
  if (agent->threads.count && thread_of(mail, thread) &&
      (run = hgl_map_get(&agent->threads, hgl_bytes(thread, sizeof thread))))
    mail_queue_push(&run->held, mail);
  else
    handle(agent, mail, NULL);
  return true;
}

static bool may_run(const struct agent *agent)
{
  return !agent->stopped && !agent->held;
}

void run_agents(struct hgl_host *host)
{
  int64_t until = hgl_mono_ns(host->config.clock) + (int64_t)HGL_TICK_RUN_MS * 1000000;
  struct agent *agent;
  for (int steps = 0; steps < STEPS_MAX && (agent = host->ready_first) && !host->failed;) {
    agent_unready(agent);
    bool more = true;
    int64_t now = hgl_mono_ns(host->config.clock), turn_until = now + (int64_t)TURN_MS * 1000000;
    for (int i = 0; more && i < MAILS_PER_TURN && now <= turn_until; i++) {
      if (!may_run(agent) || host->failed) break;
      more = step(agent);
      steps++;
      now = hgl_mono_ns(host->config.clock);
    }
    if (agent->vm) agent_active(agent);
    if (more && may_run(agent)) agent_ready(agent);
    if (now > until) break;
  }
}
