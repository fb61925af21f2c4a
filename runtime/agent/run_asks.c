/* What a run waits for from others: its questions, and the answers to them. */
#include "agent/operator.h"
#include "agent/trace.h"

void asks_destroy(struct ask *asks, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    message_release(asks[i].answer);
    hgl_buf_deinit(&asks[i].value);
    hgl_free(asks[i].why);
  }
  hgl_free(asks);
}

static bool was_sent(const struct ask *ask)
{
  static const struct hgl_id none = {0};
  return !hgl_id_equal(&ask->thid, &none);
}

static void unlist(struct agent_run *run)
{
  for (size_t i = 0; i < run->ask_count; i++)
    if (was_sent(&run->asks[i]))
      hgl_map_remove(&run->agent->asks, hgl_bytes(run->asks[i].thid.bytes, HGL_ID_SIZE));
}

void run_forget_asks(struct agent_run *run)
{
  call_forget(run);
  unlist(run);
  asks_destroy(run->asks, run->ask_count);
  run->asks = NULL;
  run->ask_count = run->asks_open = 0;
}

/* ---- asking ---- */

static int open_ask(struct agent_run *run, struct ask *ask, const struct hgl_vm_ask *wanted,
                    const struct hgl_id *parent, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  struct hgl_vm_send send = {.to = wanted->to,
                             .type = wanted->type,
                             .body = wanted->body,
                             .pthid = parent,
                             .expires_ms = wanted->within_ms};
  struct hgl_err why;
  ask->deadline_ms = host->mono_ms + wanted->within_ms;
  if (stretch_send(host, &send, &ask->thid, &ask->peer, &why) == 0) {
    stretch_last_said(host)->asked = true;
    return 0;
  }
  memset(&ask->thid, 0, sizeof ask->thid);
  ask->done = true;
  ask->code = why.code;
  ask->why = hgl_strndup(why.message, strlen(why.message));
  return ask->why ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

int run_open_asks(struct agent_run *run, const struct hgl_vm_wait *wait, struct hgl_err *err)
{
  const struct hgl_id *parent = run->mail->message ? &run->mail->message->envelope.thid : NULL;
  run->asks = hgl_array(wait->ask_count + 1, sizeof *run->asks);
  if (!run->asks) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  run->ask_count = wait->ask_count;
  for (size_t i = 0; i < wait->ask_count; i++) {
    int status = open_ask(run, &run->asks[i], &wait->asks[i], parent, err);
    if (status) return status;
  }
  return run_await_asks(run, err);
}

int run_await_asks(struct agent_run *run, struct hgl_err *err)
{
  int64_t deadline = INT64_MAX;
  run->asks_open = 0;
  for (size_t i = 0; i < run->ask_count; i++) {
    struct ask *ask = &run->asks[i];
    if (ask->done) continue;
    int status = hgl_map_put(&run->agent->asks, hgl_bytes(ask->thid.bytes, HGL_ID_SIZE), run, err);
    if (status) return status;
    run->asks_open++;
    if (ask->deadline_ms < deadline) deadline = ask->deadline_ms;
  }
  if (run->asks_open) return run_wait_until(run, deadline, err);
  run_wake(run);
  return 0;
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

/* Who answered was told that we have it: it is durable with this tick, unless it has been used.
 * What came of an eager call can be asked for again. */
void run_close_ask(struct agent_run *run, struct ask *ask)
{
  ask->done = true;
  if (run->eager) {
    run_defer(run);
  } else {
    run->agent->host->changed = true;
    run_unsaved(run);
  }
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

/* Of an agent that asks itself, its question comes from the one who is asked. */
static bool is_question(const struct hgl_envelope *envelope)
{
  return hgl_id_equal(&envelope->id, &envelope->thid);
}

bool run_expects(struct agent *agent, const struct hgl_envelope *envelope)
{
  if (!agent->script) return operator_expects(agent, envelope);
  struct agent_run *run;
  const struct ask *ask = find_ask(agent, &envelope->thid, &run);
  return ask && hgl_key_equal(&ask->peer, &envelope->from) && !is_question(envelope);
}

bool run_answer(struct agent *agent, struct message *message)
{
  if (!agent->script) return operator_answer(agent, message);
  struct agent_run *run;
  struct ask *ask = find_ask(agent, &message->envelope.thid, &run);
  if (!ask || !hgl_key_equal(&ask->peer, &message->envelope.from) ||
      is_question(&message->envelope))
    return false;
  if (hgl_bytes_is(message->envelope.type, "haggle/1.0/refuse"))
    read_refusal(ask, &message->envelope);
  else
    ask->answer = message_hold(message);
  trace_heard(agent, message);
  run_close_ask(run, ask);
  return true;
}

bool run_fail_ask(struct agent *agent, const struct hgl_id *thid, enum hgl_code code,
                  const char *why)
{
  if (!agent->script) return operator_fail(agent, thid, code, why);
  struct agent_run *run;
  struct ask *ask = find_ask(agent, thid, &run);
  if (!ask) return false;
  ask->code = code;
  ask->why = hgl_strndup(why, strlen(why));
  run_close_ask(run, ask);
  return true;
}

void run_asks_due(struct agent_run *run)
{
  struct hgl_host *host = run->agent->host;
  int64_t next = INT64_MAX;
  for (size_t i = 0; i < run->ask_count; i++) {
    struct ask *ask = &run->asks[i];
    if (ask->done) continue;
    if (ask->deadline_ms <= host->mono_ms) {
      ask->code = HGL_TIMEOUT;
      if (run->waits != HGL_VM_WAIT_CALL)
        trace_timeout(run->agent, &ask->thid, &ask->peer,
                      run->mail->message ? &run->mail->message->envelope.thid : NULL);
      call_forget(run);
      run_close_ask(run, ask);
    } else if (ask->deadline_ms < next) {
      next = ask->deadline_ms;
    }
  }
  struct hgl_err err;
  if (run->asks_open && run_wait_until(run, next, &err)) host_fatal(host, &err);
}

void asks_tell(const struct ask *asks, size_t count, struct hgl_vm_answer *answers,
               struct hgl_vm_message *messages)
{
  for (size_t i = 0; i < count; i++) {
    const struct ask *ask = &asks[i];
    answers[i] = (struct hgl_vm_answer){0};
    if (ask->answer && !ask->code) {
      messages[i] = (struct hgl_vm_message){ask->answer->envelope, 1};
      answers[i].message = &messages[i];
    } else if (ask->value.size) {
      answers[i].value = hgl_buf_bytes(&ask->value);
    } else {
      answers[i].code = ask->code;
      answers[i].why = ask->why ? ask->why : hgl_code_meaning(ask->code);
    }
  }
}
