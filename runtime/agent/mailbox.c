#include "agent/internal.h"

#include <assert.h>

/* What one sender has waiting in one mailbox. */
struct sender {
  size_t count;
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

void mail_destroy(struct mail *mail)
{
  if (!mail) return;
  message_release(mail->message);
  hgl_free(mail->why);
  hgl_free(mail);
}

/* ---- delivery ---- */

int mailbox_admit(struct agent *agent, const struct hgl_key *from, size_t size, struct hgl_err *err)
{
  const struct sender *sender = hgl_map_get(&agent->senders, hgl_key_bytes(from));
  if (agent->mailbox.count >= agent->mailbox_count_max ||
      agent->mailbox.bytes + size > agent->mailbox_bytes_max)
    return hgl_fail(err, HGL_MAILBOX_FULL, "the mailbox of %s is full", agent->name);
  if (sender && sender->count >= agent->mailbox_sender_max)
    return hgl_fail(err, HGL_MAILBOX_FULL, "the mailbox of %s holds %zu messages of this sender",
                    agent->name, sender->count);
  return 0;
}

static int count_sender(struct agent *agent, const struct hgl_key *from, struct hgl_err *err)
{
  struct sender *sender = hgl_map_get(&agent->senders, hgl_key_bytes(from));
  if (!sender) {
    sender = hgl_zalloc(sizeof *sender);
    if (!sender) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    int status = hgl_map_put(&agent->senders, hgl_key_bytes(from), sender, err);
    if (status) {
      hgl_free(sender);
      return status;
    }
  }
  sender->count++;
  return 0;
}

static void uncount_sender(struct agent *agent, const struct hgl_key *from)
{
  struct sender *sender = hgl_map_get(&agent->senders, hgl_key_bytes(from));
  if (!sender || --sender->count) return;
  hgl_free(hgl_map_remove(&agent->senders, hgl_key_bytes(from)));
}

int mailbox_deliver(struct agent *agent, struct message *message, struct hgl_err *err)
{
  struct mail *mail = hgl_zalloc(sizeof *mail);
  int status = mail ? count_sender(agent, &message->envelope.from, err)
                    : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    hgl_free(mail);
    return status;
  }
  *mail = (struct mail){.kind = MAIL_MESSAGE, .message = message_hold(message), .attempt = 1};
  return mailbox_notice(agent, mail, err);
}

int mailbox_notice(struct agent *agent, struct mail *mail, struct hgl_err *err)
{
  mail_queue_push(&agent->mailbox, mail);
  mailbox_unsaved(agent);
  agent_ready(agent);
  return 0;
}

void mailbox_unsaved(struct agent *agent)
{
  if (agent->has_unsaved_mail) return;
  agent->has_unsaved_mail = true;
  agent->next_unsaved = agent->host->unsaved_agents;
  agent->host->unsaved_agents = agent;
}

int mailbox_undelivered(struct agent *agent, struct message *message, enum hgl_code code,
                        const char *why, struct hgl_err *err)
{
  const struct hgl_envelope *envelope = &message->envelope;
  if (run_fail_ask(agent, &envelope->thid, code, why)) return 0;
  if (!agent->vm || !hgl_vm_has(agent->vm, HGL_VM_ON_UNDELIVERED, hgl_bytes(NULL, 0))) {
    host_log(agent->host, HGL_LOG_WARN, "%s: %.*s was not delivered: %s (%s)", agent->name,
             HGL_STR(envelope->type), why, hgl_code_name(code));
    return 0;
  }
  struct mail *mail = hgl_zalloc(sizeof *mail);
  char *copy = hgl_strndup(why, strlen(why));
  if (!mail || !copy) {
    hgl_free(mail);
    hgl_free(copy);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  *mail = (struct mail){.kind = MAIL_UNDELIVERED,
                        .message = message_hold(message),
                        .code = code,
                        .why = copy,
                        .attempt = 1};
  return mailbox_notice(agent, mail, err);
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
  if (mail->kind == MAIL_MESSAGE) uncount_sender(agent, &mail->message->envelope.from);
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
 * bare envelope (one of ours that was not delivered, or one that was resent by hand). */
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
  hgl_cbor_put_literal(out, mail->why ? mail->why : "");
  hgl_cbor_put_bool(out, proved);
  if (proved)
    hgl_cbor_put_bytes(out, hgl_buf_bytes(&evidence));
  else if (mail->message)
    hgl_cbor_put_bytes(out, mail->message->bytes);
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
      (status = hgl_cbor_get_uint(&in, "mail.kind", MAIL_STOP, &kind, err)) ||
      (status = hgl_cbor_get_uint(&in, "mail.attempt", INT32_MAX, &attempt, err)) ||
      (status = hgl_cbor_get_text(&in, "mail.code", 64, &code, err)) ||
      (status = hgl_cbor_get_text(&in, "mail.why", 4096, &why, err)) ||
      (status = hgl_cbor_get_bool(&in, "mail.proved", &proved, err)))
    return status;
  if ((kind == MAIL_MESSAGE || kind == MAIL_UNDELIVERED) &&
      (status = hgl_cbor_get_bytes(&in, "mail.message", HGL_EVIDENCE_SIZE_MAX, &content, err)))
    return status;
  struct mail *mail = hgl_zalloc(sizeof *mail);
  if (!mail) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  mail->kind = (enum mail_kind)kind;
  mail->attempt = (int)attempt;
  mail->code = hgl_code_from_name((const char *)code.data, code.size);
  mail->why = hgl_strndup((const char *)why.data, why.size);
  if (!mail->why) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status && content.size)
    status = proved ? message_from_evidence(content, &mail->message, err)
                    : message_copy(content, &mail->message, err);
  if (status) {
    mail_destroy(mail);
    return status;
  }
  *out = mail;
  return 0;
}

static int persist_queue(struct agent *agent, struct mail_queue *queue, struct hgl_err *err)
{
  struct hgl_host *host = agent->host;
  struct hgl_buf row;
  int status = 0;
  hgl_buf_init(&row, HGL_EVIDENCE_SIZE_MAX + 8192);
  for (struct mail *mail = queue->first; mail && !status; mail = mail->next) {
    if (mail->row || (mail->kind != MAIL_MESSAGE && mail->kind != MAIL_UNDELIVERED)) continue;
    uint8_t key[16];
    hgl_buf_clear(&row);
    mail->row = host_row(host);
    status = mail_encode(host, mail, &row, err);
    if (!status)
      status = hgl_writeset_put_new(host_writes(host), HGL_DB_MAILBOX,
                                    mail_key(agent, mail->row, key), hgl_buf_bytes(&row), err);
  }
  hgl_buf_deinit(&row);
  return status;
}

/* Mails that their tick did not finish get rows, also those held behind a run. A suspended run
 * itself is remembered by its RUNS row, a retry by its mail. */
int mailbox_persist(struct hgl_host *host, struct hgl_err *err)
{
  for (struct agent *agent; (agent = host->unsaved_agents);) {
    int status = persist_queue(agent, &agent->mailbox, err);
    for (struct agent_run *run = agent->runs; run && !status; run = run->next) {
      struct mail_queue own = {run->mail, run->mail, 1, 0};
      if (!run->vm_run && run->mail) status = persist_queue(agent, &own, err);
      if (!status) status = persist_queue(agent, &run->held, err);
    }
    if (status) return status;
    host->unsaved_agents = agent->next_unsaved;
    agent->has_unsaved_mail = false;
  }
  return 0;
}

static int load_mail(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct agent *agent = user;
  struct mail *mail;
  int status = mail_decode(value, &mail, err);
  if (status) return status;
  if (key.size == 16) mail->row = hgl_get_be64(key.data + 8);
  if (mail->kind == MAIL_MESSAGE &&
      (status = count_sender(agent, &mail->message->envelope.from, err))) {
    mail_destroy(mail);
    return status;
  }
  return mailbox_notice(agent, mail, err);
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
  if (!agent || agent->stopped)
    return hgl_fail(err, HGL_NOT_HERE, "the recipient is not on this host");
  if (envelope->expires_time_ms && envelope->expires_time_ms < host->now_ms)
    return hgl_fail(err, HGL_EXPIRED, "the message expired %lld ms ago",
                    (long long)(host->now_ms - envelope->expires_time_ms));
  bool answer = hgl_map_get(&agent->asks, hgl_bytes(envelope->thid.bytes, HGL_ID_SIZE)) != NULL;
  bool refusal = hgl_bytes_is(envelope->protocol, "haggle");
  if (!answer && !refusal && !(agent->vm && hgl_vm_has(agent->vm, HGL_VM_HANDLER, envelope->type)))
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
  struct agent *from = agent_by_key(host, &message->envelope.from);
  if (from && mailbox_undelivered(from, message, err.code, err.message, &err))
    host_fatal(host, &err);
}
