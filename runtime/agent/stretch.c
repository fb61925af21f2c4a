/* The effects of the stretch that runs now. They become true together, when it is accepted, or not
 * at all. */
#include "agent/accounts.h"
#include "agent/journal.h"
#include "agent/trace.h"
#include "agent/waits.h"

#include <assert.h>

enum {
  STRETCH_MESSAGES_MAX = 65536,
  KEEP_SEARCH_BYTES = 16 << 20, /* of the journal, for a message of an earlier stretch */
};

void stretch_begin(struct hgl_host *host, struct agent *agent, struct mail *mail,
                   struct agent_run *run)
{
  struct stretch *stretch = &host->stretch;
  assert(!stretch->agent && !stretch->spoken_count && !stretch->timer_count);
  stretch->agent = agent;
  stretch->mail = mail;
  stretch->run = run;
}

/* ---- saying ---- */

static int undo_dialogue(struct stretch *stretch, const struct hgl_envelope *envelope,
                         struct hgl_err *err)
{
  if (!HGL_GROW(stretch->undo, stretch->undo_count, stretch->undo_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  struct dialogue_undo *undo = &stretch->undo[stretch->undo_count];
  memcpy(undo->key, envelope->to.bytes, HGL_KEY_SIZE);
  memcpy(undo->key + HGL_KEY_SIZE, envelope->thid.bytes, HGL_ID_SIZE);
  const struct hgl_dialogue *was = hgl_map_get(&stretch->agent->dialogues,
                                               hgl_bytes(undo->key, sizeof undo->key));
  undo->existed = was != NULL;
  if (was) undo->was = *was;
  stretch->undo_count++;
  return 0;
}

/* Refusals that the host says in the agent's name belong to no handler and are not the agent's. */
static int check_rate(struct agent *agent, struct hgl_err *err)
{
  const struct stretch *stretch = &agent->host->stretch;
  if (!agent->script || (!stretch->mail && !stretch->run)) return 0;
  int64_t left = hgl_bucket_left(&agent->said, agent->limits->messages, agent->host->mono_ms);
  if (left > (int64_t)stretch->spoken_count) return 0;
  return hgl_fail(err, HGL_LIMIT, "%s says more than %lld messages a second", agent->name,
                  (long long)agent->limits->messages);
}

int stretch_send(struct hgl_host *host, const struct hgl_vm_send *send, struct hgl_id *id,
                 struct hgl_key *to, struct hgl_err *err)
{
  struct stretch *stretch = &host->stretch;
  struct agent *agent = stretch->agent;
  struct hgl_envelope envelope = {
      .type = send->type,
      .from = agent->key,
      .created_time_ms = host->now_ms,
      .expires_time_ms = send->expires_ms ? host->now_ms + send->expires_ms : 0,
      .body = send->body,
  };
  struct peer *peer;
  int status = check_rate(agent, err);
  if (status) return status;
  stretch->answers = send->to_key != NULL;
  if (send->to_key) envelope.to = *send->to_key;
  status = send->to_key ? route_key(host, send->to_key, &peer, err)
                        : route_address(host, send->to, &envelope.to, &peer, err);
  if (status) return status;
  if ((status = hgl_type_parse(envelope.type, &envelope.protocol, &envelope.version,
                               &envelope.performative, err)))
    return status;
  hgl_random_fill(host->config.random, envelope.id.bytes, HGL_ID_SIZE);
  envelope.thid = send->thid ? *send->thid : envelope.id;
  if (send->pthid) envelope.pthid = *send->pthid, envelope.has_pthid = true;
  const struct hgl_definition *definition = manifest_definition(agent->manifest, envelope.protocol,
                                                                envelope.version);
  if (definition && !send->thid) {
    envelope.definition = *hgl_definition_digest(definition);
    envelope.has_definition = true;
  }
  size_t waiting = peer->out_bytes + peer->spoken_bytes + peer->held_bytes + stretch->spoken_bytes;
  if (stretch->spoken_count >= STRETCH_MESSAGES_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d messages of one stretch", STRETCH_MESSAGES_MAX);
  if (waiting > HGL_OUTBOX_BYTES_MAX)
    return hgl_fail(err, HGL_LIMIT, "%zu bytes towards %s are not acknowledged yet", waiting,
                    peer->did);
  if (peer != host->self && (status = account_admit(agent, stretch->spoken_bytes, err)))
    return status;
  if (!HGL_GROW(stretch->spoken, stretch->spoken_count, stretch->spoken_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");

  struct hgl_buf buf;
  hgl_buf_init(&buf, HGL_ENVELOPE_SIZE_MAX);
  struct message *message = NULL;
  status = hgl_envelope_encode(&envelope, &buf, err);
  if (!status) {
    size_t size;
    uint8_t *memory = hgl_buf_take(&buf, &size);
    status = message_create(memory, size, &message, err);
  }
  hgl_buf_deinit(&buf);
  /* A refusal ends the dialogue of its thread, whichever protocol that speaks. */
  bool steps = definition || hgl_bytes_is(envelope.type, "haggle/1.0/refuse");
  if (!status && steps && agent->manifest->protocols.count) {
    status = undo_dialogue(stretch, &message->envelope, err);
    if (!status && (status = dialogue_step(agent, &message->envelope, true, err)))
      stretch->undo_count--;
  }
  if (status) {
    message_release(message);
    return status;
  }
  stretch->spoken[stretch->spoken_count++] = (struct spoken){message, peer};
  stretch->spoken_bytes += message->bytes.size;
  *id = envelope.id;
  if (to) *to = envelope.to;
  return 0;
}

struct message *stretch_last_said(struct hgl_host *host)
{
  assert(host->stretch.spoken_count);
  return host->stretch.spoken[host->stretch.spoken_count - 1].message;
}

/* ---- the rest ---- */

int stretch_timer(struct hgl_host *host, struct timer_change *change, struct hgl_err *err)
{
  struct stretch *stretch = &host->stretch;
  if (!HGL_GROW(stretch->timers, stretch->timer_count, stretch->timer_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  stretch->timers[stretch->timer_count++] = *change;
  stretch->timer_bytes += change->value.size;
  return 0;
}

static struct message *find_message(struct hgl_host *host, const struct hgl_id *id)
{
  struct stretch *stretch = &host->stretch;
  for (size_t i = 0; i < stretch->spoken_count; i++)
    if (hgl_id_equal(&stretch->spoken[i].message->envelope.id, id))
      return stretch->spoken[i].message;
  if (stretch->mail && stretch->mail->message &&
      hgl_id_equal(&stretch->mail->message->envelope.id, id))
    return stretch->mail->message;
  for (size_t i = 0; stretch->run && i < stretch->run->ask_count; i++) {
    struct message *answer = stretch->run->asks[i].answer;
    if (answer && hgl_id_equal(&answer->envelope.id, id)) return answer;
  }
  return NULL;
}

int stretch_keep(struct hgl_host *host, const struct hgl_id *id, struct hgl_err *err)
{
  struct stretch *stretch = &host->stretch;
  struct message *message = find_message(host, id);
  if (message) {
    if (!HGL_GROW(stretch->keeps, stretch->keep_count, stretch->keep_capacity))
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    stretch->keeps[stretch->keep_count++] = message_hold(message);
    return 0;
  }
  /* Said or heard earlier: while it is among the latest. The others of this host wait meanwhile. */
  struct hgl_buf evidence;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  int status = journal_find(host, id, KEEP_SEARCH_BYTES, &evidence, err);
  if (!status) status = evidence_keep(host, stretch->writes, id, hgl_buf_bytes(&evidence), err);
  hgl_buf_deinit(&evidence);
  return status;
}

static void reset(struct stretch *stretch)
{
  for (size_t i = 0; i < stretch->spoken_count; i++) message_release(stretch->spoken[i].message);
  for (size_t i = 0; i < stretch->keep_count; i++) message_release(stretch->keeps[i]);
  for (size_t i = 0; i < stretch->timer_count; i++) {
    hgl_free(stretch->timers[i].id);
    hgl_buf_deinit(&stretch->timers[i].value);
  }
  stretch->spoken_count = stretch->keep_count = stretch->timer_count = stretch->undo_count = 0;
  stretch->spoken_bytes = stretch->timer_bytes = 0;
  hgl_writeset_clear(stretch->writes);
  held_locks_clear(&stretch->locks);
  mail_destroy(stretch->next);
  stretch->next = NULL;
  hgl_buf_clear(&stretch->http_answer);
  json_decref(stretch->deals);
  stretch->deals = NULL;
  stretch->agent = NULL;
  stretch->mail = NULL;
  stretch->run = NULL;
}

/* ---- what is taken back ---- */

/* "2 messages to ann (echo/1.0/said)"; what does not fit is left out. */
static void add_words(char out[UNDONE_SIZE], size_t count, const char *one, const char *more)
{
  size_t used = strlen(out);
  if (count)
    snprintf(out + used, UNDONE_SIZE - used, "%s%zu %s", used ? ", " : "", count,
             count == 1 ? one : more);
}

static bool same_kind(const struct message *a, const struct message *b)
{
  return hgl_key_equal(&a->envelope.to, &b->envelope.to) &&
         hgl_bytes_equal(a->envelope.type, b->envelope.type);
}

static void add_recipient(struct hgl_host *host, char out[UNDONE_SIZE],
                          const struct message *message)
{
  const struct agent *here = agent_by_key(host, &message->envelope.to);
  char did[HGL_DID_TEXT_SIZE];
  size_t used = strlen(out);
  hgl_did_format(&message->envelope.to, did);
  snprintf(out + used, UNDONE_SIZE - used, " to %s (%.*s)", here ? here->name : did,
           HGL_STR(message->envelope.type));
}

/* By recipient and type; the first few of them. */
static void add_messages(struct hgl_host *host, char out[UNDONE_SIZE])
{
  enum { SHOWN = 3 };
  const struct stretch *stretch = &host->stretch;
  size_t told = 0;
  for (size_t i = 0, shown = 0; i < stretch->spoken_count && shown < SHOWN; i++) {
    const struct message *message = stretch->spoken[i].message;
    size_t first = 0, count = 0;
    while (!same_kind(stretch->spoken[first].message, message)) first++;
    if (first < i) continue;
    for (size_t k = i; k < stretch->spoken_count; k++)
      count += same_kind(stretch->spoken[k].message, message);
    add_words(out, count, "message", "messages");
    add_recipient(host, out, message);
    told += count;
    shown++;
  }
  add_words(out, stretch->spoken_count - told, "other message", "other messages");
}

void stretch_undone(struct hgl_host *host, const struct hgl_vm_failure *failure,
                    char out[UNDONE_SIZE])
{
  const struct stretch *stretch = &host->stretch;
  size_t cancelled = 0;
  *out = 0;
  for (size_t i = 0; i < stretch->timer_count; i++) cancelled += stretch->timers[i].cancel;
  add_words(out, failure->state_writes, "write to state", "writes to state");
  add_words(out, failure->cache_writes, "write to cache", "writes to cache");
  add_messages(host, out);
  add_words(out, stretch->timer_count - cancelled, "timer", "timers");
  add_words(out, cancelled, "timer's end", "timers' ends");
  add_words(out, stretch->keep_count, "kept message", "kept messages");
  add_words(out, json_array_size(stretch->deals), "record of a deal", "records of deals");
  add_words(out, stretch->next != NULL, "agent.continue", "");
}

void stretch_drop(struct hgl_host *host)
{
  struct stretch *stretch = &host->stretch;
  for (size_t i = stretch->undo_count; i-- > 0;)
    dialogue_restore(stretch->agent, &stretch->undo[i]);
  reset(stretch);
}

static int keep_later(struct hgl_host *host, struct message *message, struct hgl_err *err)
{
  if (!HGL_GROW(host->kept, host->kept_count, host->kept_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  host->kept[host->kept_count++] = message_hold(message);
  return 0;
}

bool stretch_does_nothing(const struct hgl_host *host)
{
  const struct stretch *stretch = &host->stretch;
  const struct held_locks *held = stretch->run ? stretch->run->locks : NULL;
  return !stretch->spoken_count && !stretch->timer_count && !stretch->keep_count &&
         !stretch->next && !stretch->http_answer.size && !json_array_size(stretch->deals) &&
         !hgl_writeset_count(stretch->writes) && !stretch->locks.count && !(held && held->count);
}

/* Says, sets and stores what the stretch did. What is local is routed at once, so that its
 * recipient may run in the same tick. */
int stretch_accept(struct hgl_host *host, struct hgl_err *err)
{
  struct stretch *stretch = &host->stretch;
  struct agent *agent = stretch->agent;
  int status = 0;
  host->changed = true;
  for (size_t i = 0; i < stretch->keep_count && !status; i++)
    status = keep_later(host, stretch->keeps[i], err);
  for (size_t i = 0; i < stretch->timer_count && !status; i++)
    if (!(status = timer_apply(agent, &stretch->timers[i], err)))
      trace_timer(agent, &stretch->timers[i]);
  if (!status && hgl_writeset_count(stretch->writes))
    status = hgl_writeset_merge(host_writes(host), stretch->writes, err);
  for (size_t i = 0; i < stretch->spoken_count && !status; i++)
    status = outbox_say(host, stretch->spoken[i].peer, stretch->spoken[i].message, err);
  account_said(agent, stretch->spoken_bytes);
  if (!status && stretch->next) {
    mailbox_push(agent, stretch->next);
    stretch->next = NULL;
  }
  http_accept(host);
  agent->sent += stretch->spoken_count;
  hgl_bucket_take(&agent->said, agent->limits->messages, host->mono_ms,
                  (int64_t)stretch->spoken_count);
  host->counts.sent += stretch->spoken_count;
  /* Routing may start nothing by itself, it only queues; so the stretch is still ours to read. */
  for (size_t i = 0; i < stretch->spoken_count && !status; i++) {
    trace_said(agent, stretch->spoken[i].message);
    watch_message(host, stretch->spoken[i].message, "sent");
    if (stretch->spoken[i].peer == host->self) route_local(host, stretch->spoken[i].message);
  }
  size_t index;
  json_t *deal;
  json_array_foreach(stretch->deals, index, deal)
  {
    const char *state = json_string_value(json_object_get(deal, "status"));
    const char *role = json_string_value(json_object_get(deal, "role"));
    if (state && role && strcmp(state, "delivered") == 0 && strcmp(role, "buyer") == 0)
      host->counts.deals++;
    watch_event(host, "deal", json_incref(deal));
  }
  reset(stretch);
  return status;
}

void stretch_deinit(struct stretch *stretch)
{
  if (stretch->writes) reset(stretch);
  hgl_free(stretch->spoken);
  hgl_free(stretch->timers);
  hgl_free(stretch->undo);
  hgl_free(stretch->keeps);
  hgl_buf_deinit(&stretch->http_answer);
  hgl_writeset_destroy(stretch->writes);
}
