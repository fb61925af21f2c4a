#include "agent/internal.h"
#include "agent/trace.h"

#include <assert.h>

/* What one sender has waiting in one mailbox. */
struct sender {
  size_t count, bytes;
};

/* ---- queues ---- */

void mail_queue_push(struct mail_queue *queue, struct mail *mail)
{
  mail->next = NULL;
  if (queue->last)
    queue->last->next = mail;
  else
    queue->first = mail;
  queue->last = mail;
  queue->count++;
  if (mail->message) queue->bytes += mail->message->bytes.size;
}

void mail_queue_push_front(struct mail_queue *queue, struct mail *mail)
{
  mail->next = queue->first;
  queue->first = mail;
  if (!queue->last) queue->last = mail;
  queue->count++;
  if (mail->message) queue->bytes += mail->message->bytes.size;
}

struct mail *mail_queue_pop(struct mail_queue *queue)
{
  struct mail *mail = queue->first;
  if (!mail) return NULL;
  queue->first = mail->next;
  if (!queue->first) queue->last = NULL;
  queue->count--;
  if (mail->message) queue->bytes -= mail->message->bytes.size;
  mail->next = NULL;
  return mail;
}

/* ---- mails without a row ---- */

/* In the order of arrival: so their rows will be read back. */
static void list_new(struct hgl_host *host, struct mail *mail)
{
  mail->previous_new = host->new_last;
  if (mail->previous_new)
    mail->previous_new->next_new = mail;
  else
    host->new_first = mail;
  host->new_last = mail;
}

static void unlist_new(struct mail *mail)
{
  struct hgl_host *host = mail->agent ? mail->agent->host : NULL;
  if (!host || (host->new_first != mail && !mail->previous_new)) return;
  if (mail->previous_new)
    mail->previous_new->next_new = mail->next_new;
  else
    host->new_first = mail->next_new;
  if (mail->next_new)
    mail->next_new->previous_new = mail->previous_new;
  else
    host->new_last = mail->previous_new;
  mail->next_new = mail->previous_new = NULL;
}

void mail_destroy(struct mail *mail)
{
  if (!mail) return;
  unlist_new(mail);
  meter_left(mail);
  if (mail->timer && mail->timer->cancelled) timer_destroy(mail->timer);
  if (mail->line) console_lost(mail->line);
  message_release(mail->message);
  if (mail->takes_place)
    http_fail(mail->http, 503, "unavailable", "the agent does not run any more");
  else
    http_fail(mail->http, 500, "unknown_outcome", hgl_code_meaning(HGL_UNKNOWN_OUTCOME));
  if (mail->value) hgl_buf_deinit(mail->value);
  hgl_free(mail->value);
  hgl_free(mail->why);
  hgl_free(mail);
}

int mail_set_value(struct mail *mail, struct hgl_bytes value, struct hgl_err *err)
{
  mail->value = hgl_zalloc(sizeof *mail->value);
  if (!mail->value) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_init(mail->value, HGL_BODY_SIZE_MAX);
  hgl_buf_append_bytes(mail->value, value);
  return hgl_buf_check(mail->value, err);
}

/* ---- delivery ---- */

int mailbox_admit(struct agent *agent, const struct hgl_key *from, size_t size, struct hgl_err *err)
{
  const struct sender *sender = hgl_map_get(&agent->senders, hgl_key_bytes(from));
  const struct hgl_agent_limits *limits = agent->limits;
  if (agent->waiting_count >= (size_t)limits->mailbox_count ||
      agent->waiting_bytes + size > (size_t)limits->mailbox_bytes)
    return hgl_fail(err, HGL_MAILBOX_FULL, "the mailbox of %s is full", agent->name);
  /* Of a sender who has nothing waiting, one message of any size is taken: it could never pass. */
  if (sender && (sender->count >= (size_t)limits->mailbox_per_sender ||
                 sender->bytes + size > (size_t)limits->mailbox_bytes_per_sender))
    return hgl_fail(err, HGL_MAILBOX_FULL,
                    "the mailbox of %s holds %zu messages of this sender, of %zu bytes",
                    agent->name, sender->count, sender->bytes);
  return 0;
}

/* What came from outside takes its place from here until it is consumed, wherever it waits; notices
 * of what was not delivered stand in the agent's own share. */
static bool takes_place(const struct mail *mail)
{
  return mail->kind == MAIL_MESSAGE || mail->kind == MAIL_UNDELIVERED;
}

static int take_place(struct agent *agent, const struct message *message, struct hgl_err *err)
{
  struct hgl_bytes from = hgl_key_bytes(&message->envelope.from);
  struct sender *sender = hgl_map_get(&agent->senders, from);
  if (!sender) {
    sender = hgl_zalloc(sizeof *sender);
    if (!sender) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    int status = hgl_map_put(&agent->senders, from, sender, err);
    if (status) {
      hgl_free(sender);
      return status;
    }
  }
  sender->count++;
  sender->bytes += message->bytes.size;
  agent->waiting_count++;
  agent->waiting_bytes += message->bytes.size;
  return 0;
}

static void give_place(struct agent *agent, const struct message *message)
{
  struct hgl_bytes from = hgl_key_bytes(&message->envelope.from);
  struct sender *sender = hgl_map_get(&agent->senders, from);
  agent->waiting_count--;
  agent->waiting_bytes -= message->bytes.size;
  assert(sender && sender->count);
  sender->bytes -= message->bytes.size;
  if (--sender->count == 0) hgl_free(hgl_map_remove(&agent->senders, from));
}

int mailbox_deliver(struct agent *agent, struct message *message, struct hgl_err *err)
{
  struct mail *mail = hgl_zalloc(sizeof *mail);
  int status = mail ? take_place(agent, message, err)
                    : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    hgl_free(mail);
    return status;
  }
  *mail = (struct mail){.kind = MAIL_MESSAGE, .message = message_hold(message), .attempt = 1};
  trace_heard(agent, message);
  mailbox_push(agent, mail);
  return 0;
}

static void arrive(struct agent *agent, struct mail *mail)
{
  if ((mail->message || mail->kind == MAIL_CONTINUE) && !mail->row) {
    list_new(agent->host, mail);
    agent->host->changed = true;
  }
  agent_ready(agent);
}

void mailbox_push_first(struct agent *agent, struct mail *mail)
{
  mail->agent = agent;
  meter_waits(agent->host, mail);
  mail_queue_push_front(&agent->mailbox, mail);
  arrive(agent, mail);
}

/* on_stop does not wait for what came before it: that is handled after the next start. */
void mailbox_push(struct agent *agent, struct mail *mail)
{
  if (mail->kind == MAIL_STOP) {
    mailbox_push_first(agent, mail);
    return;
  }
  mail->agent = agent;
  meter_waits(agent->host, mail);
  mail_queue_push(&agent->mailbox, mail);
  arrive(agent, mail);
}

void mailbox_drop_beginnings(struct agent *agent)
{
  struct mail_queue kept = {0};
  for (struct mail *mail; (mail = mail_queue_pop(&agent->mailbox));) {
    if (mail->kind == MAIL_START || mail->kind == MAIL_UPGRADE)
      mail_destroy(mail);
    else
      mail_queue_push(&kept, mail);
  }
  agent->mailbox = kept;
}

int mailbox_undelivered(struct agent *agent, struct message *message, enum hgl_code code,
                        const char *why, struct hgl_err *err)
{
  const struct hgl_envelope *envelope = &message->envelope;
  trace_undelivered(agent, message, code, why);
  if (run_fail_ask(agent, &envelope->thid, code, why)) return 0;
  if (!manifest_has(agent->manifest, HGL_VM_ON_UNDELIVERED, hgl_bytes(NULL, 0))) {
    host_log(agent->host, HGL_LOG_WARN, "%s: %.*s was not delivered: %s (%s)", agent->name,
             HGL_STR(envelope->type), why, hgl_code_name(code));
    return 0;
  }
  struct hgl_err full;
  if (mailbox_admit(agent, &envelope->from, message->bytes.size, &full)) {
    if (agent->notices_dropped++ == 0)
      host_log(agent->host, HGL_LOG_ERROR, "%s is not told of all that was not delivered: %s",
               agent->name, full.message);
    return 0;
  }
  struct mail *mail = hgl_zalloc(sizeof *mail);
  char *copy = hgl_strndup(why, strlen(why));
  int status = mail && copy ? take_place(agent, message, err)
                            : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    hgl_free(mail);
    hgl_free(copy);
    return status;
  }
  *mail = (struct mail){.kind = MAIL_UNDELIVERED,
                        .message = message_hold(message),
                        .code = code,
                        .why = copy,
                        .attempt = 1};
  mailbox_push(agent, mail);
  return 0;
}

static struct hgl_bytes mail_key(const struct agent *agent, uint64_t row, uint8_t out[16])
{
  hgl_put_be64(out, agent->number);
  hgl_put_be64(out + 8, row);
  return hgl_bytes(out, 16);
}

void mailbox_consume(struct agent *agent, struct mail *mail)
{
  struct hgl_host *host = agent->host;
  if (takes_place(mail)) give_place(agent, mail->message);
  if (mail->takes_place) {
    agent->waiting_count--;
    agent->waiting_bytes -= mail->place_size;
    mail->takes_place = false;
  }
  unlist_new(mail);
  meter_left(mail);
  if (mail->row) {
    uint8_t key[16];
    struct hgl_err err;
    if (hgl_writeset_delete(host_writes(host), HGL_DB_MAILBOX, mail_key(agent, mail->row, key),
                            &err))
      host_fatal(host, &err);
    mail->row = 0;
  }
}

/* ---- rows ---- */

/* [kind, attempt, code, why, proved, message]: the message as evidence when it is proved, or as a
 * bare envelope (one of ours that was not delivered, or one that was resent by hand). In its place,
 * of agent.continue, the value; of the console, the line. */
int mail_encode(struct hgl_host *host, const struct mail *mail, struct hgl_buf *out,
                struct hgl_err *err)
{
  struct hgl_buf evidence;
  struct hgl_err none;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  bool proved = mail->kind == MAIL_MESSAGE &&
                message_evidence(host, mail->message, &evidence, &none) == 0;
  hgl_cbor_put_list(out, 6);
  hgl_cbor_put_uint(out, mail->kind);
  hgl_cbor_put_uint(out, (uint64_t)mail->attempt);
  hgl_cbor_put_literal(out, hgl_code_name(mail->code));
  put_words(out, mail->why ? mail->why : "");
  hgl_cbor_put_bool(out, proved);
  if (proved)
    hgl_cbor_put_bytes(out, hgl_buf_bytes(&evidence));
  else if (mail->message)
    hgl_cbor_put_bytes(out, mail->message->bytes);
  else if (mail->kind == MAIL_CONTINUE || mail->kind == MAIL_CONSOLE)
    hgl_cbor_put_bytes(out, hgl_buf_bytes(mail->value));
  else
    hgl_cbor_put_null(out);
  hgl_buf_deinit(&evidence);
  return hgl_buf_check(out, err);
}

int mail_decode(struct hgl_bytes bytes, struct mail **out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  struct hgl_bytes code, why, content = {0};
  uint64_t kind, attempt;
  bool proved;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "mail", 6, &count, err)) ||
      (status = hgl_cbor_get_uint(&in, "mail.kind", MAIL_HTTP, &kind, err)) ||
      (status = hgl_cbor_get_uint(&in, "mail.attempt", INT32_MAX, &attempt, err)) ||
      (status = hgl_cbor_get_text(&in, "mail.code", 64, &code, err)) ||
      (status = hgl_cbor_get_text(&in, "mail.why", 4096, &why, err)) ||
      (status = hgl_cbor_get_bool(&in, "mail.proved", &proved, err)))
    return status;
  bool valued = kind == MAIL_CONTINUE || kind == MAIL_CONSOLE;
  if ((kind == MAIL_MESSAGE || kind == MAIL_UNDELIVERED || valued) &&
      (status = hgl_cbor_get_bytes(&in, "mail.message", HGL_EVIDENCE_SIZE_MAX, &content, err)))
    return status;
  struct mail *mail = hgl_zalloc(sizeof *mail);
  if (!mail) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  mail->kind = (enum mail_kind)kind;
  mail->attempt = (int)attempt;
  mail->code = hgl_code_from_name((const char *)code.data, code.size);
  mail->why = hgl_strndup((const char *)why.data, why.size);
  if (!mail->why) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status && valued) status = mail_set_value(mail, content, err);
  if (!status && content.size && !valued)
    status = proved ? message_from_evidence(content, &mail->message, err)
                    : message_copy(content, &mail->message, err);
  if (status) {
    mail_destroy(mail);
    return status;
  }
  *out = mail;
  return 0;
}

/* Those that their tick did not finish. */
int mailbox_persist(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_buf row;
  int status = 0;
  hgl_buf_init(&row, HGL_EVIDENCE_SIZE_MAX + 8192);
  for (struct mail *mail; !status && (mail = host->new_first);) {
    uint8_t key[16];
    hgl_buf_clear(&row);
    mail->row = host_row(host);
    status = mail_encode(host, mail, &row, err);
    if (!status)
      status = hgl_writeset_put_new(host_writes(host), HGL_DB_MAILBOX,
                                    mail_key(mail->agent, mail->row, key), hgl_buf_bytes(&row),
                                    err);
    unlist_new(mail);
  }
  hgl_buf_deinit(&row);
  return status;
}

static int load_mail(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct agent *agent = user;
  struct mail *mail;
  int status = mail_decode(value, &mail, err);
  if (status) return status;
  if (key.size == 16) mail->row = hgl_get_be64(key.data + 8);
  if (takes_place(mail) && (status = take_place(agent, mail->message, err))) {
    mail_destroy(mail);
    return status;
  }
  mailbox_push(agent, mail);
  return 0;
}

int mailbox_load(struct agent *agent, struct hgl_err *err)
{
  uint8_t prefix[8];
  return hgl_store_scan(agent->host->config.store, HGL_DB_MAILBOX, row_key(agent->number, prefix),
                        hgl_bytes(NULL, 0), false, load_mail, agent, err);
}

/* ---- routing ---- */

int route_check(struct hgl_host *host, const struct message *message, struct agent **out,
                struct hgl_err *err)
{
  const struct hgl_envelope *envelope = &message->envelope;
  struct agent *agent = agent_by_key(host, &envelope->to);
  if (!agent) return hgl_fail(err, HGL_NOT_HERE, "the recipient is not on this host");
  if (envelope->expires_time_ms && envelope->expires_time_ms < host->now_ms)
    return hgl_fail(err, HGL_EXPIRED, "the message expired %lld ms ago",
                    (long long)(host->now_ms - envelope->expires_time_ms));
  bool answer = run_expects(agent, envelope);
  bool refusal = hgl_bytes_is(envelope->protocol, "haggle");
  /* A reply to what the operator said without waiting for one: seen by who watches. */
  bool overheard = !agent->script && !hgl_id_equal(&envelope->thid, &envelope->id);
  if (!answer && !refusal && !overheard &&
      !manifest_has(agent->manifest, HGL_VM_HANDLER, envelope->type))
    return hgl_fail(err, HGL_NO_HANDLER, "%s has no handler for %.*s", agent->name,
                    HGL_STR(envelope->type));
  int status;
  if (!answer && (status = mailbox_admit(agent, &envelope->from, message->bytes.size, err)))
    return status;
  if ((status = dialogue_step(agent, envelope, false, err))) return status;
  *out = agent;
  return 0;
}

void route_local(struct hgl_host *host, struct message *message)
{
  struct hgl_err err;
  struct agent *to;
  int status = route_check(host, message, &to, &err);
  if (!status && run_answer(to, message)) return;
  if (!status) status = mailbox_deliver(to, message, &err);
  if (!status) return;
  to = agent_by_key(host, &message->envelope.to);
  if (to && err.code != HGL_MAILBOX_FULL) trace_refused(to, message, err.code, err.message);
  struct agent *from = agent_by_key(host, &message->envelope.from);
  if (from && mailbox_undelivered(from, message, err.code, err.message, &err))
    host_fatal(host, &err);
}
