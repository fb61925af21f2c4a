/* Phase 4: handlers, stretch by stretch. A handler starts with a mail; when it suspends or is to be
 * tried again, a struct agent_run (runs.h) remembers it and holds its thread, so that messages of
 * one thread are handled one at a time, in the order they were sent. */
#include "agent/operator.h"
#include "agent/supervise.h"
#include "agent/trace.h"

#include <assert.h>

enum { FEW_ASKS = 4 };

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
  hgl_buf_init(&run->values, RUN_VALUES_SIZE_MAX);
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
  run->fresh_count = run->fresh_capacity = run->fresh_bytes = 0;
  if (run->stretches) {
    run->agent->waiting_runs--;
    run->agent->host->metering.runs--;
  }
  run->stretches = 0;
  script_release(run->agent->host, run->script);
  run->script = NULL;
  if (run->schedule) run->schedule->run = NULL;
  run->schedule = NULL;
  hgl_free(run->why);
  hgl_free(run->raise);
  run->why = run->raise = NULL;
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
  run_unlist(run);
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
  if (run->eager)
    agent_ready_to_decide(agent);
  else
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

/* ---- suspending ---- */

static int begin_wait(struct agent_run *run, const struct hgl_vm_wait *wait, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  run->waits = wait->kind;
  run->granted = run->eager = false;
  run->waits_since_ms = host->mono_ms;
  switch (wait->kind) {
  case HGL_VM_WAIT_SLEEP:
    run->until_ms = host->now_ms + wait->sleep_ms;
    return run_wait_until(run, host->mono_ms + wait->sleep_ms, err);
  case HGL_VM_WAIT_LOCK:
    hgl_buf_clear(&run->lock);
    hgl_buf_append_bytes(&run->lock, wait->lock);
    run->ticket = host_row(host);
    return hgl_buf_check(&run->lock, err);
  case HGL_VM_WAIT_CALL:
    return call_open(run, &wait->outside, err);
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
  bool defers = run_may_defer(run);
  run->vm_run = vm_run;
  run->retrying = false;
  run->attempt = 1;
  if (hgl_vm_views_copy(vm_run, &views, &err) ||
      run_add_record(run, hgl_vm_events(run->vm), &err) || begin_wait(run, wait, &err))
    host_fatal(host, &err);
  run->defers = defers && run->eager;
  hgl_vm_views_destroy(run->views);
  run->views = views;
}

/* ---- stretches ---- */

void run_accept_stretch(struct agent *agent, struct agent_run *run)
{
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  hgl_vm_accept(agent->vm);
  bool defers = run && run->defers && stretch_does_nothing(host); /* with its locks still there */
  if (locks_accept(agent, run, &err)) host_fatal(host, &err);
  if (!agent->dirty && hgl_vm_dirty(agent->vm)) {
    agent->dirty = true;
    agent->next_dirty = host->dirty_agents;
    host->dirty_agents = agent;
  }
  defers = defers && !agent->dirty;
  bool changed = host->changed;
  if (stretch_accept(host, &err)) host_fatal(host, &err);
  if (defers) {
    run_defer(run);
    host->changed = changed;
  } else if (run) {
    run_unsaved(run);
  }
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
  meter_ended(host, mail);
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
  char subject[MAIL_SUBJECT_SIZE];
  mail_subject(mail, subject);
  host_log(agent->host, HGL_LOG_ERROR,
           "%s: its script has no handler for %s any more, since it was loaded anew: a module has "
           "changed",
           agent->name, subject);
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
  http_fail(mail->http, 404, "not_found", "the agent has no such path");
  if (mail->kind == MAIL_MESSAGE && agent->script &&
      !hgl_bytes_is(mail->message->envelope.protocol, "haggle"))
    mail_give_up(agent, mail, HGL_NO_HANDLER, hgl_code_meaning(HGL_NO_HANDLER));
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
  console_waits(mail, run);
  if (mail->kind == MAIL_HTTP) hgl_buf_deinit(mail->value); /* the run has it */
  consume(agent, mail);
  if (agent->starting == run) { /* it has begun: others may, too */
    agent->starting = NULL;
    agent_ready(agent);
  }
  suspend(run, vm_run, wait);
  run_accept_stretch(agent, run);
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
  struct raised raised = {.failure.traceback = ""};
  struct hgl_buf values;

  if (mail->timer && mail->timer->cancelled) {
    mail_finish(mail, run);
    return;
  }
  if (mail->kind == MAIL_HTTP && !mail->http) { /* nobody waits for it any more */
    mailbox_consume(agent, mail);
    mail_finish(mail, run);
    return;
  }
  hgl_buf_init(&values, RUN_VALUES_SIZE_MAX);
  run_call_of(mail, &message, &call, &values);
  call.values = hgl_buf_bytes(&values);
  bool console = mail->kind == MAIL_CONSOLE;
  bool listens = console || manifest_has(agent->manifest, call.kind, call.name);
  int status = listens ? agent_wake(agent, &raised.failure.error) : 0;
  if (status) {
    if (mail->kind == MAIL_STOP || console || !run_may_wait_for_memory(agent, status))
      run_try_again(agent, mail, run, &raised);
    else if ((run = run_hold_back(agent, mail, run)))
      run_wait_for_memory(run);
    hgl_buf_deinit(&values);
    return;
  }
  if (!listens || (!console && !hgl_vm_has(agent->vm, call.kind, call.name))) {
    pass_over(agent, mail, listens);
    mail_finish(mail, run);
    hgl_buf_deinit(&values);
    return;
  }
  if (mail->kind == MAIL_MESSAGE) watch_message(host, mail->message, "handled");
  stretch_begin(host, agent, mail, run);
  switch (hgl_vm_start(agent->vm, &call, &vm_run, &wait, &raised.failure)) {
  case HGL_VM_DONE:
    trace_stretch(host, NULL);
    consume(agent, mail);
    run_accept_stretch(agent, NULL);
    if (console) console_done(agent, mail);
    mail_finish(mail, run);
    break;
  case HGL_VM_SUSPENDED:
    trace_stretch(host, &wait);
    suspend_first(agent, mail, run, &call, vm_run, &wait);
    break;
  case HGL_VM_RAISED:
    run_roll_back(agent, &raised);
    run_try_again(agent, mail, run, &raised);
    break;
  }
  hgl_buf_deinit(&values);
}

/* Into a Lua state again, if it is in none. False: it cannot go on now. */
static bool bring_back(struct agent_run *run)
{
  struct raised raised = {.failure.traceback = ""};
  struct hgl_err *why = &raised.failure.error;
  if (run->vm_run) return true;
  int status = agent_wake(run->agent, why);
  if (run_may_wait_for_memory(run->agent, status)) {
    run->retrying = true;
    run_wait_for_memory(run);
    return false;
  }
  if (!status && run_replay(run, why) == 0) return true;
  bool may_pass = why->code == HGL_NO_MEMORY || why->code == HGL_LIMIT;
  if (may_pass && run->attempt < HGL_ATTEMPTS_DEFAULT)
    run_go_on_again(run, &raised);
  else
    run_park(run, why->message);
  return false;
}

static void resume_with(struct agent_run *run, const struct hgl_vm_answer *answers)
{
  struct agent *agent = run->agent;
  struct hgl_host *host = agent->host;
  struct hgl_vm_wait wait;
  struct raised raised;
  struct hgl_err err;
  stretch_begin(host, agent, run->mail, run);
  if (locks_begin(host, run, &err)) host_fatal(host, &err);
  switch (hgl_vm_resume(run->vm, run->vm_run, answers, run->ask_count, &wait, &raised.failure)) {
  case HGL_VM_DONE:
    trace_stretch(host, NULL);
    run->vm_run = NULL;
    run_accept_stretch(agent, NULL);
    if (run->mail->kind == MAIL_CONSOLE) console_done(agent, run->mail);
    run_finish(run);
    break;
  case HGL_VM_SUSPENDED:
    trace_stretch(host, &wait);
    suspend(run, run->vm_run, &wait);
    run_accept_stretch(agent, run);
    break;
  case HGL_VM_RAISED:
    run->vm_run = NULL;
    run_roll_back(agent, &raised);
    run_go_on_again(run, &raised);
    break;
  }
}

static void resume(struct agent_run *run)
{
  struct agent *agent = run->agent;
  struct hgl_vm_answer few_answers[FEW_ASKS], *answers = few_answers;
  struct hgl_vm_message few_messages[FEW_ASKS], *messages = few_messages;
  struct hgl_err err;
  bool many = run->ask_count > FEW_ASKS;
  if (many) {
    answers = hgl_array(run->ask_count, sizeof *answers);
    messages = hgl_array(run->ask_count, sizeof *messages);
  }
  if (!answers || !messages) {
    hgl_fail(&err, HGL_NO_MEMORY, "out of memory");
    host_fatal(agent->host, &err);
  } else if (!run->parked && bring_back(run)) {
    asks_tell(run->asks, run->ask_count, answers, messages);
    resume_with(run, answers);
    script_drop_idle_vms(agent);
  }
  if (!many) return;
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
    if (!run->stretches || run->retrying || !run->asks_open)
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

bool run_has_step(const struct agent *agent)
{
  return agent->runs_ready || (!agent->starting && agent->mailbox.first);
}

void run_step(struct agent *agent)
{
  struct agent_run *run = take_ready_run(agent);
  if (run) {
    if (run->stretches)
      resume(run);
    else
      handle(agent, run->mail, run);
    return;
  }
  struct mail *mail = mail_queue_pop(&agent->mailbox);
  uint8_t thread[HGL_KEY_SIZE + HGL_ID_SIZE];
  if (agent->threads.count && thread_of(mail, thread) &&
      (run = hgl_map_get(&agent->threads, hgl_bytes(thread, sizeof thread))))
    mail_queue_push(&run->held, mail);
  else
    handle(agent, mail, NULL);
}

void run_mail(struct agent *agent, struct mail *mail)
{
  handle(agent, mail, NULL);
  if (agent->vm) agent_active(agent);
}
