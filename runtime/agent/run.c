/* Phase 4: handlers, stretch by stretch. A handler starts with a mail; when it suspends or is to be
 * tried again, a struct agent_run remembers it and holds its thread, so that messages of one thread
 * are handled one at a time, in the order they were sent. */
#include "agent/operator.h"
#include "agent/supervise.h"

#include <assert.h>

enum {
  MAILS_PER_TURN = 64, /* then the next agent has its turn, */
  TURN_MS = 2,         /* or after this time */
  STEPS_MAX = 16384,   /* of one tick, however fast they are */
  RETRY_FIRST_MS = 100,
  RETRY_FACTOR = 5,
};

void agent_ready(struct agent *agent)
{
  struct hgl_host *host = agent->host;
  if (agent->is_ready || agent->held) return;
  agent->is_ready = true;
  agent->next_ready = NULL;
  if (host->ready_last)
    host->ready_last->next_ready = agent;
  else
    host->ready_first = agent;
  host->ready_last = agent;
  host_request_tick(host);
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

static int run_create(struct agent *agent, struct mail *mail, struct agent_run **out,
                      struct hgl_err *err)
{
  struct agent_run *run = hgl_zalloc(sizeof *run);
  if (!run) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  run->agent = agent;
  run->mail = mail;
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

static void drop_asks(struct agent_run *run)
{
  for (size_t i = 0; i < run->ask_count; i++) {
    struct ask *ask = &run->asks[i];
    hgl_map_remove(&run->agent->asks, hgl_bytes(ask->thid.bytes, HGL_ID_SIZE));
    message_release(ask->answer);
    hgl_free(ask->why);
  }
  hgl_free(run->asks);
  run->asks = NULL;
  run->ask_count = run->asks_open = 0;
}

void run_destroy(struct agent_run *run)
{
  struct agent *agent = run->agent;
  drop_asks(run);
  if (run->schedule) run->schedule->run = NULL;
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

static struct hgl_bytes run_key(const struct agent_run *run, uint8_t out[16])
{
  hgl_put_be64(out, run->agent->number);
  hgl_put_be64(out + 8, run->row);
  return hgl_bytes(out, 16);
}

static void erase_row(struct agent_run *run)
{
  struct hgl_host *host = run->agent->host;
  uint8_t key[16];
  struct hgl_err err;
  if (run->row && hgl_writeset_delete(host_writes(host), HGL_DB_RUNS, run_key(run, key), &err))
    host_fatal(host, &err);
  run->row = 0;
}

static int wait_until(struct agent_run *run, int64_t mono_ms, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  hgl_heap_remove(&host->mono_heap, &run->due);
  return hgl_heap_push(&host->mono_heap, &run->due, mono_ms, err);
}

static void run_wake(struct agent_run *run)
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

/* The mail is dealt with: the next one of its thread takes its place, or the thread is free. */
static void run_finish(struct agent_run *run)
{
  struct agent *agent = run->agent;
  erase_row(run);
  drop_asks(run);
  mail_destroy(run->mail);
  run->mail = mail_queue_pop(&run->held);
  if (!run->mail) {
    run_destroy(run);
    return;
  }
  run->vm_run = NULL;
  run->sleeping = false;
  if (run->schedule) run->schedule->run = NULL;
  run->schedule = NULL;
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
  static const char *const names[] = {"message",  "on_undelivered", "timer",
                                      "on_start", "on_upgrade",     "on_stop"};
  return mail->kind == MAIL_MESSAGE ? (const char *)mail->message->envelope.type.data
                                    : names[mail->kind];
}

static void log_failure(struct agent *agent, const struct mail *mail,
                        const struct hgl_vm_failure *failure)
{
  const char *subject = mail_subject(mail);
  int size = mail->kind == MAIL_MESSAGE ? (int)mail->message->envelope.type.size
                                        : (int)strlen(subject);
  char thread[2 * HGL_ID_SIZE + 1] = "-";
  if (mail->message) hgl_id_format(&mail->message->envelope.thid, thread);
  host_log(agent->host, HGL_LOG_ERROR, "%s: %s [%.*s, thread %s, attempt %d]", agent->name,
           failure->error.message, size, subject, thread, mail->attempt);
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

/* The first stretch raised: nothing has happened yet, so it can be tried again. */
static void try_again(struct agent *agent, struct mail *mail, struct agent_run *run,
                      const struct hgl_vm_failure *failure)
{
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  log_failure(agent, mail, failure);
  if (mail->attempt >= HGL_ATTEMPTS_DEFAULT || mail->kind == MAIL_STOP) {
    enum mail_kind kind = mail->kind;
    if (kind == MAIL_STOP) agent->stopped = true;
    mailbox_consume(agent, mail);
    give_up(agent, mail, HGL_HANDLER_FAILED, failure->error.message);
    finish(mail, run);
    supervise_failed(agent, kind, failure);
    return;
  }
  int64_t delay = RETRY_FIRST_MS;
  for (int i = 1; i < mail->attempt; i++) delay *= RETRY_FACTOR;
  mail->attempt++;
  if (!run && run_create(agent, mail, &run, &err)) {
    mail_destroy(mail);
    host_fatal(host, &err);
    return;
  }
  if (mail->kind == MAIL_START || mail->kind == MAIL_UPGRADE) agent->starting = run;
  if (wait_until(run, host->mono_ms + delay, &err)) host_fatal(host, &err);
}

/* ---- suspending ---- */

static int open_ask(struct agent_run *run, struct ask *ask, const struct hgl_vm_ask *wanted,
                    const struct hgl_id *parent, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  struct hgl_vm_send send = {.to = wanted->to,
                             .type = wanted->type,
                             .body = wanted->body,
                             .pthid = parent,
                             .expires_ms = wanted->within_ms};
  ask->deadline_ms = host->mono_ms + wanted->within_ms;
  struct hgl_err why;
  int status = stretch_send(host, &send, &ask->thid, &ask->peer, &why);
  if (status) {
    ask->done = true;
    ask->code = why.code;
    ask->why = hgl_strndup(why.message, strlen(why.message));
    return 0;
  }
  host->stretch.spoken[host->stretch.spoken_count - 1].message->asked = true;
  run->asks_open++;
  return hgl_map_put(&run->agent->asks, hgl_bytes(ask->thid.bytes, HGL_ID_SIZE), run, err);
}

/* Sends what the run asks, as part of the stretch that ends here. */
static int begin_wait(struct agent_run *run, const struct hgl_vm_wait *wait, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  drop_asks(run);
  run->sleeping = wait->kind == HGL_VM_WAIT_SLEEP;
  if (run->sleeping) return wait_until(run, host->mono_ms + wait->sleep_ms, err);
  const struct hgl_id *parent = run->mail->message ? &run->mail->message->envelope.thid : NULL;
  run->asks = hgl_array(wait->ask_count, sizeof *run->asks);
  if (!run->asks && wait->ask_count) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  run->ask_count = wait->ask_count;
  int64_t deadline = INT64_MAX;
  for (size_t i = 0; i < wait->ask_count; i++) {
    int status = open_ask(run, &run->asks[i], &wait->asks[i], parent, err);
    if (status) return status;
    if (!run->asks[i].done && run->asks[i].deadline_ms < deadline)
      deadline = run->asks[i].deadline_ms;
  }
  if (run->asks_open) return wait_until(run, deadline, err);
  run_wake(run);
  return 0;
}

static int save_run(struct agent_run *run, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  struct hgl_buf mail;
  uint8_t key[16];
  hgl_buf_init(&mail, HGL_EVIDENCE_SIZE_MAX + 8192);
  run->row = host_row(host);
  int status = mail_encode(host, run->mail, &mail, err);
  if (!status)
    status = hgl_writeset_put_new(host_writes(host), HGL_DB_RUNS, run_key(run, key),
                                  hgl_buf_bytes(&mail), err);
  hgl_buf_deinit(&mail);
  return status;
}

/* ---- stretches ---- */

static void accept_stretch(struct agent *agent)
{
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  hgl_vm_accept(agent->vm);
  if (!agent->dirty && hgl_vm_dirty(agent->vm)) {
    agent->dirty = true;
    agent->next_dirty = host->dirty_agents;
    host->dirty_agents = agent;
  }
  if (stretch_accept(host, &err)) host_fatal(host, &err);
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

static void arguments(const struct mail *mail, struct hgl_vm_message *message,
                      struct hgl_vm_call *call, struct hgl_buf *values)
{
  if (mail->message) {
    *message = (struct hgl_vm_message){mail->message->envelope, mail->attempt};
    call->message = message;
  }
  switch (mail->kind) {
  case MAIL_MESSAGE:
    assert(mail->message);
    call->kind = HGL_VM_HANDLER;
    call->name = mail->message->envelope.type;
    return;
  case MAIL_UNDELIVERED:
    call->kind = HGL_VM_ON_UNDELIVERED;
    hgl_cbor_put_list(values, 2);
    hgl_cbor_put_literal(values, mail->why);
    hgl_cbor_put_literal(values, hgl_code_name(mail->code));
    return;
  case MAIL_TIMER:
    assert(mail->timer);
    call->kind = mail->timer->every_ms ? HGL_VM_EVERY : HGL_VM_ON_TIMER;
    call->name = hgl_bytes(mail->timer->id, mail->timer->name_size);
    if (mail->timer->every_ms || !mail->timer->value.size) return;
    hgl_cbor_put_list(values, 1);
    hgl_buf_append_bytes(values, hgl_buf_bytes(&mail->timer->value));
    return;
  case MAIL_START:
    call->kind = HGL_VM_ON_START;
    hgl_cbor_put_list(values, 1);
    hgl_cbor_put_literal(values, mail->why);
    return;
  case MAIL_UPGRADE:
    call->kind = HGL_VM_ON_UPGRADE;
    hgl_cbor_put_list(values, 2);
    hgl_cbor_put_int(values, mail->from_version);
    hgl_cbor_put_int(values, mail->to_version);
    return;
  case MAIL_STOP:
    call->kind = HGL_VM_ON_STOP;
    return;
  }
}

/* Nobody listens. To a refusal, a start, a timer that is no longer declared, a reply to the
 * operator, nobody has to; but a message that an older version of the script would have handled is
 * not lost in silence. */
static void pass_over(struct agent *agent, struct mail *mail)
{
  agent->host->changed = true;
  if (mail->timer) mail->timer->every_ms = 0;
  consume(agent, mail);
  if (mail->kind == MAIL_MESSAGE && agent->vm &&
      !hgl_bytes_is(mail->message->envelope.protocol, "haggle"))
    give_up(agent, mail, HGL_NO_HANDLER, hgl_code_meaning(HGL_NO_HANDLER));
}

static void suspend(struct agent *agent, struct mail *mail, struct agent_run *run,
                    struct hgl_vm_run *vm_run, const struct hgl_vm_wait *wait)
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
  run->vm_run = vm_run;
  if (mail->timer && mail->timer->every_ms) {
    run->schedule = mail->timer;
    mail->timer->run = run;
  }
  consume(agent, mail);
  if (begin_wait(run, wait, &err) || save_run(run, &err)) host_fatal(host, &err);
  accept_stretch(agent);
}

/* Starts the handler of a mail; takes the mail. `run`: the thread that it is the next of, or NULL.
 */
static void handle(struct agent *agent, struct mail *mail, struct agent_run *run)
{
  struct hgl_host *host = agent->host;
  struct hgl_vm_call call = {.seed = hgl_random_u64(host->config.random)};
  struct hgl_vm_message message;
  struct hgl_vm_run *vm_run = NULL;
  struct hgl_vm_wait wait;
  struct hgl_vm_failure failure;
  struct hgl_buf values;

  if (mail->timer && mail->timer->cancelled) {
    finish(mail, run);
    return;
  }
  hgl_buf_init(&values, HGL_BODY_SIZE_MAX + 1024);
  arguments(mail, &message, &call, &values);
  call.values = hgl_buf_bytes(&values);
  if (!agent->vm || !hgl_vm_has(agent->vm, call.kind, call.name)) {
    pass_over(agent, mail);
    finish(mail, run);
    hgl_buf_deinit(&values);
    return;
  }
  if (mail->kind == MAIL_MESSAGE) watch_message(host, mail->message, "handled");
  stretch_begin(host, agent, mail, NULL);
  switch (hgl_vm_start(agent->vm, &call, &vm_run, &wait, &failure)) {
  case HGL_VM_DONE:
    consume(agent, mail);
    accept_stretch(agent);
    finish(mail, run);
    break;
  case HGL_VM_SUSPENDED:
    suspend(agent, mail, run, vm_run, &wait);
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

static void resume(struct agent_run *run)
{
  struct agent *agent = run->agent;
  struct hgl_host *host = agent->host;
  struct hgl_vm_wait wait;
  struct hgl_vm_failure failure;
  struct hgl_err err;
  struct hgl_vm_answer *answers = hgl_array(run->ask_count + 1, sizeof *answers);
  struct hgl_vm_message *messages = hgl_array(run->ask_count + 1, sizeof *messages);
  if (!answers || !messages) {
    hgl_fail(&err, HGL_NO_MEMORY, "out of memory");
    host_fatal(host, &err);
    goto done;
  }
  for (size_t i = 0; i < run->ask_count; i++) {
    struct ask *ask = &run->asks[i];
    if (ask->answer && !ask->code) {
      messages[i] = (struct hgl_vm_message){ask->answer->envelope, 1};
      answers[i].message = &messages[i];
    } else {
      answers[i].code = ask->code;
      answers[i].why = ask->why ? ask->why : hgl_code_meaning(ask->code);
    }
  }
  stretch_begin(host, agent, run->mail, run);
  switch (hgl_vm_resume(agent->vm, run->vm_run, answers, run->ask_count, &wait, &failure)) {
  case HGL_VM_DONE:
    run->vm_run = NULL;
    accept_stretch(agent);
    run_finish(run);
    break;
  case HGL_VM_SUSPENDED:
    if (begin_wait(run, &wait, &err)) host_fatal(host, &err);
    accept_stretch(agent);
    break;
  case HGL_VM_RAISED: {
    run->vm_run = NULL;
    stretch_drop(host);
    agent->raised++;
    host->counts.raised++;
    log_failure(agent, run->mail, &failure);
    give_up(agent, run->mail, HGL_INTERRUPTED, failure.error.message);
    supervise_failed(agent, run->mail->kind, &failure);
    run_finish(run);
    break;
  }
  }
done:
  hgl_free(answers);
  hgl_free(messages);
}

/* ---- answers ---- */

static struct ask *find_ask(struct agent *agent, const struct hgl_id *thid,
                            struct agent_run **run_out)
{
  struct agent_run *run = hgl_map_get(&agent->asks, hgl_bytes(thid->bytes, HGL_ID_SIZE));
  for (size_t i = 0; run && i < run->ask_count; i++)
    if (!run->asks[i].done && hgl_id_equal(&run->asks[i].thid, thid)) {
      *run_out = run;
      return &run->asks[i];
    }
  return NULL;
}

static void close_ask(struct agent_run *run, struct ask *ask)
{
  ask->done = true;
  if (--run->asks_open == 0) run_wake(run);
}

/* A refusal's own words, as far as they can be believed to be words. */
static void read_refusal(struct ask *ask, const struct hgl_envelope *envelope)
{
  struct hgl_err err;
  struct hgl_bytes field;
  bool found = false;
  ask->code = HGL_REFUSED;
  if (hgl_value_field(envelope->body, "code", &field, &found, &err) == 0 && found) {
    struct hgl_cbor_reader in = hgl_cbor_reader(field);
    struct hgl_bytes text;
    if (hgl_cbor_get_text(&in, "code", 64, &text, &err) == 0 &&
        hgl_bytes_is(text, hgl_code_name(HGL_HANDLER_FAILED)))
      ask->code = HGL_HANDLER_FAILED;
  }
  if (hgl_value_field(envelope->body, "why", &field, &found, &err) == 0 && found) {
    struct hgl_cbor_reader in = hgl_cbor_reader(field);
    struct hgl_bytes text;
    if (hgl_cbor_get_text(&in, "why", 1024, &text, &err) == 0)
      ask->why = hgl_strndup((const char *)text.data, text.size);
  }
}

bool run_expects(struct agent *agent, const struct hgl_envelope *envelope)
{
  if (!agent->vm) return operator_expects(agent, envelope);
  struct agent_run *run;
  const struct ask *ask = find_ask(agent, &envelope->thid, &run);
  return ask && hgl_key_equal(&ask->peer, &envelope->from);
}

bool run_answer(struct agent *agent, struct message *message)
{
  if (!agent->vm) return operator_answer(agent, message);
  struct agent_run *run;
  struct ask *ask = find_ask(agent, &message->envelope.thid, &run);
  if (!ask || !hgl_key_equal(&ask->peer, &message->envelope.from)) return false;
  if (hgl_bytes_is(message->envelope.type, "haggle/1.0/refuse"))
    read_refusal(ask, &message->envelope);
  else
    ask->answer = message_hold(message);
  close_ask(run, ask);
  return true;
}

bool run_fail_ask(struct agent *agent, const struct hgl_id *thid, enum hgl_code code,
                  const char *why)
{
  if (!agent->vm) return operator_fail(agent, thid, code, why);
  struct agent_run *run;
  struct ask *ask = find_ask(agent, thid, &run);
  if (!ask) return false;
  ask->code = code;
  ask->why = hgl_strndup(why, strlen(why));
  close_ask(run, ask);
  return true;
}

/* ---- the phase ---- */

void run_due(struct hgl_host *host)
{
  struct hgl_heap_entry *first;
  while ((first = hgl_heap_first(&host->mono_heap)) && first->due <= host->mono_ms) {
    struct agent_run *run = (struct agent_run *)first;
    hgl_heap_remove(&host->mono_heap, first);
    if (!run->vm_run || run->sleeping) {
      run_wake(run);
      continue;
    }
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < run->ask_count; i++) {
      struct ask *ask = &run->asks[i];
      if (ask->done) continue;
      if (ask->deadline_ms <= host->mono_ms) {
        ask->code = HGL_TIMEOUT;
        close_ask(run, ask);
      } else if (ask->deadline_ms < next) {
        next = ask->deadline_ms;
      }
    }
    struct hgl_err err;
    if (run->asks_open && wait_until(run, next, &err)) host_fatal(host, &err);
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
    if (run->vm_run)
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
    host->ready_first = agent->next_ready;
    if (!host->ready_first) host->ready_last = NULL;
    agent->is_ready = false;
    bool more = true;
    int64_t now = hgl_mono_ns(host->config.clock), turn_until = now + (int64_t)TURN_MS * 1000000;
    for (int i = 0; more && i < MAILS_PER_TURN && now <= turn_until; i++) {
      if (!may_run(agent) || host->failed) break;
      more = step(agent);
      steps++;
      now = hgl_mono_ns(host->config.clock);
    }
    if (more && may_run(agent)) agent_ready(agent);
    if (now > until) break;
  }
}

/* ---- after a crash ---- */

/* Its first stretches are committed, the rest is lost with the process: never again from its start.
 */
static int recover_run(void *user, struct hgl_bytes key, struct hgl_bytes value,
                       struct hgl_err *err)
{
  struct mail_queue *queue = user;
  struct mail *mail;
  int status = mail_decode(value, &mail, err);
  if (status) return status;
  mail->row = hgl_get_be64(key.data + 8);
  mail_queue_push(queue, mail);
  return 0;
}

int run_recover(struct agent *agent, struct hgl_err *err)
{
  struct hgl_host *host = agent->host;
  struct mail_queue queue = {0};
  uint8_t key[16];
  int status = hgl_store_scan(host->config.store, HGL_DB_RUNS, row_key(agent->number, key),
                              hgl_bytes(NULL, 0), false, recover_run, &queue, err);
  for (struct mail *mail; (mail = mail_queue_pop(&queue)); mail_destroy(mail)) {
    struct agent_run run = {.agent = agent, .row = mail->row};
    if (status) continue;
    erase_row(&run);
    give_up(agent, mail, HGL_INTERRUPTED, hgl_code_meaning(HGL_INTERRUPTED));
  }
  return status;
}
