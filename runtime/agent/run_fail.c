/* Handlers that raise: what is said of it, whether they are tried again, and what becomes of their
 * mail when they are not. */
#include "agent/http.h"
#include "agent/supervise.h"
#include "agent/trace.h"

#include <assert.h>

enum {
  RETRY_FIRST_MS = 100,
  RETRY_FACTOR = 5,
  MEMORY_RETRY_MS = 1000,
  MEMORY_WAIT_MAX_MS = 60000,
};

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

void mail_subject(const struct mail *mail, char out[MAIL_SUBJECT_SIZE])
{
  static const char *const names[] = {"message",  "on_undelivered", "timer",
                                      "on_start", "on_upgrade",     "on_stop",
                                      "continue", "console",        "http"};
  const struct timer *timer = mail->timer;
  struct hgl_bytes name = timer       ? hgl_bytes(timer->id, timer->name_size)
                          : mail->why ? hgl_text(mail->why)
                                      : hgl_bytes(NULL, 0);
  if (mail->kind == MAIL_MESSAGE)
    snprintf(out, MAIL_SUBJECT_SIZE, "%.*s", HGL_STR(mail->message->envelope.type));
  else if (mail->kind == MAIL_HTTP)
    snprintf(out, MAIL_SUBJECT_SIZE, "%s", mail->why);
  else if ((mail->kind == MAIL_TIMER || mail->kind == MAIL_CONTINUE) && name.size)
    snprintf(out, MAIL_SUBJECT_SIZE, "%s '%.*s'", names[mail->kind], HGL_STR(name));
  else
    snprintf(out, MAIL_SUBJECT_SIZE, "%s", names[mail->kind]);
}

/* "echo/1.0/say, thread 0123…, attempt 2 of 3; rolled back: 1 write to state" */
static void describe(const struct mail *mail, int attempt, const struct raised *raised,
                     char out[RAISE_SIZE])
{
  char subject[MAIL_SUBJECT_SIZE], thread[2 * HGL_ID_SIZE + 1] = "-";
  mail_subject(mail, subject);
  if (mail->message) hgl_id_format(&mail->message->envelope.thid, thread);
  snprintf(out, RAISE_SIZE, "%s, thread %s, attempt %d of %d; %s%s", subject, thread, attempt,
           mail->kind == MAIL_STOP ? 1 : HGL_ATTEMPTS_DEFAULT,
           *raised->undone ? "rolled back: " : "nothing was to be rolled back", raised->undone);
}

static void log_failure(struct agent *agent, const struct mail *mail, int attempt,
                        const struct raised *raised)
{
  const struct hgl_vm_failure *failure = &raised->failure;
  char where[RAISE_SIZE];
  describe(mail, attempt, raised, where);
  host_log(agent->host, HGL_LOG_ERROR, "%s: %s [%s]", agent->name, failure->error.message, where);
  if (failure->traceback && *failure->traceback)
    host_log(agent->host, HGL_LOG_DEBUG, "%s: %s", agent->name, failure->traceback);
  remember(&agent->last_error, failure->error.message);
  remember(&agent->last_raise, where);
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

void mail_finish(struct mail *mail, struct agent_run *run)
{
  if (run)
    run_finish(run);
  else
    mail_destroy(mail);
}

void mail_give_up(struct agent *agent, struct mail *mail, enum hgl_code code, const char *why)
{
  if (mail->timer) {
    mail->why = hgl_strndup(mail->timer->id,
                            mail->timer->name_size); /* as the dead letter names it */
    timer_fired(agent, mail->timer);
    mail->timer = NULL;
  }
  if (mail->kind == MAIL_CONSOLE) return; /* whoever gave it is told */
  http_fail(mail->http, 500, "handler_failed", "the handler failed");
  dead_letter(agent, mail, code, why);
  if (mail->kind == MAIL_MESSAGE) tell_handler_failed(agent, mail->message);
}

void run_give_up(struct agent_run *run, enum hgl_code code, const char *why)
{
  mail_give_up(run->agent, run->mail, code, why);
  run_finish(run);
}

bool run_may_wait_for_memory(struct agent *agent, int status)
{
  int64_t now_ms = agent->host->mono_ms;
  if (status != -HGL_NO_MEMORY) return false;
  if (!agent->unwakeable_ms) {
    host_log(agent->host, HGL_LOG_WARN, "%s cannot be woken now for want of memory", agent->name);
    agent->unwakeable_ms = now_ms;
  }
  return now_ms - agent->unwakeable_ms < MEMORY_WAIT_MAX_MS;
}

void run_wait_for_memory(struct agent_run *run)
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

struct agent_run *run_hold_back(struct agent *agent, struct mail *mail, struct agent_run *run)
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

void run_try_again(struct agent *agent, struct mail *mail, struct agent_run *run,
                   const struct raised *raised)
{
  const struct hgl_vm_failure *failure = &raised->failure;
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  if (mail->kind == MAIL_CONSOLE) {
    console_raised(agent, mail, raised);
    mail_finish(mail, run);
    return;
  }
  log_failure(agent, mail, mail->attempt, raised);
  if (mail->attempt >= HGL_ATTEMPTS_DEFAULT || mail->kind == MAIL_STOP) {
    enum hgl_code code = failure->error.code == HGL_JOURNAL_FULL ? HGL_JOURNAL_FULL
                                                                 : HGL_HANDLER_FAILED;
    enum mail_kind kind = mail->kind;
    if (kind == MAIL_STOP) agent->stopped = true;
    mailbox_consume(agent, mail);
    if (kind == MAIL_HTTP) { /* nothing of it has happened, and whoever asked is told */
      http_fail(mail->http, 500, "handler_failed", "the handler failed");
      mail_finish(mail, run);
      return;
    }
    mail_give_up(agent, mail, code, failure->error.message);
    mail_finish(mail, run);
    supervise_failed(agent, kind, failure);
    return;
  }
  mail->attempt++;
  run = run_hold_back(agent, mail, run);
  if (run && run_wait_until(run, host->mono_ms + delay_before(mail->attempt), &err))
    host_fatal(host, &err);
}

void run_park(struct agent_run *run, const char *why)
{
  remember(&run->why, why);
  remember(&run->raise, NULL);
  run->parked = true;
  trace_parked(run->agent, run->mail, why);
  console_parked(run->mail, why);
  run->retrying = false;
  host_log(run->agent->host, HGL_LOG_ERROR,
           "%s: a handler cannot go on and is parked (haggle runs): %s", run->agent->name, why);
  remember(&run->agent->last_error, why);
}

void run_go_on_again(struct agent_run *run, const struct raised *raised)
{
  const struct hgl_vm_failure *failure = &raised->failure;
  struct agent *agent = run->agent;
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  if (run->mail->kind == MAIL_CONSOLE) {
    console_raised(agent, run->mail, raised);
    run_finish(run);
    return;
  }
  log_failure(agent, run->mail, run->attempt, raised);
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
  remember(&run->raise, agent->last_raise);
  if (run_wait_until(run, host->mono_ms + delay_before(run->attempt), &err)) host_fatal(host, &err);
}

void run_roll_back(struct agent *agent, struct raised *raised)
{
  struct hgl_host *host = agent->host;
  stretch_undone(host, &raised->failure, raised->undone);
  trace_raised(host, raised->failure.error.message);
  stretch_drop(host);
  agent->raised++;
  lately_add(&agent->raised_lately, host->mono_ms);
  host->counts.raised++;
}
