/* What became of a dialogue, and why: from what the trace tells, where it stands by its protocol,
 * the handlers that are not done with it, and the record of its deal. */
#include "agent/threads.h"

#include "agent/groups.h"
#include "agent/look.h"

#include <stdio.h>

enum { WHY_SIZE_MAX = 1024, SHOWN = 8 /* of a did */ };

const char *const thread_states[] = {
    [THREAD_OPEN] = "open", [THREAD_ENDED] = "ended", [THREAD_FAILED] = "failed"};

/* ---- the deal ---- */

int thread_deal(struct hgl_host *host, const struct thread *thread, struct deal *out,
                struct hgl_err *err)
{
  char id[2 * HGL_ID_SIZE + 1];
  const struct hgl_key *sides[] = {&thread->agent, &thread->peer};
  int status = -HGL_NOT_FOUND;
  *out = (struct deal){0};
  hgl_buf_init(&out->row, HGL_STORE_VALUE_SIZE_MAX);
  hgl_id_format(&thread->thid, id);
  for (size_t i = 0; i < 2 && status == -HGL_NOT_FOUND; i++) {
    struct agent *agent = agent_by_key(host, sides[i]);
    if (!agent) continue;
    status = deal_get(agent, hgl_text(id), &out->row, &out->record, err);
    if (!status) out->keeper = agent;
  }
  if (status != -HGL_NO_MEMORY) return 0; /* a record that cannot be read is as none */
  thread_deal_deinit(out);
  return status;
}

void thread_deal_deinit(struct deal *deal)
{
  hgl_buf_deinit(&deal->row);
}

struct hgl_bytes deal_text(const struct deal *deal, const char *name)
{
  struct hgl_bytes value, text;
  bool found = false;
  if (!deal->keeper || hgl_value_field(deal->record, name, &value, &found, NULL) || !found)
    return hgl_bytes(NULL, 0);
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  return hgl_cbor_get_text(&in, name, SIZE_MAX, &text, NULL) ? hgl_bytes(NULL, 0) : text;
}

/* ---- words ---- */

static void put_who(struct hgl_host *host, const struct hgl_key *key, struct hgl_buf *out)
{
  const struct agent *agent = agent_by_key(host, key);
  char did[HGL_DID_TEXT_SIZE];
  if (agent) {
    hgl_buf_append_text(out, agent->name);
    return;
  }
  hgl_did_format(key, did);
  hgl_buf_printf(out, "…%s", did + strlen(did) - SHOWN);
}

static void put_note(const struct trace_event *event, struct hgl_buf *out)
{
  if (!event->note[0]) return;
  hgl_buf_append_text(out, ": ");
  hgl_buf_append_text(out, event->note);
}

static void put_code(const struct trace_event *event, struct hgl_buf *out)
{
  hgl_buf_printf(out, " (%s)", hgl_code_name(event->code));
}

/* "ann's handler of echo/1.0/say" */
static void put_handler(struct hgl_host *host, const struct trace_event *event, struct hgl_buf *out)
{
  put_who(host, &event->agent, out);
  hgl_buf_printf(out, "'s handler of %s", event->name);
}

static void put_raise(struct hgl_host *host, const struct trace_event *event, struct hgl_buf *out)
{
  put_handler(host, event, out);
  hgl_buf_printf(out, " raised, attempt %d of %d", event->attempt, HGL_ATTEMPTS_DEFAULT);
  put_note(event, out);
}

static void put_refusal(struct hgl_host *host, const struct trace_event *event, struct hgl_buf *out)
{
  hgl_buf_append_text(out, "refused by ");
  put_who(host, event->what == TRACE_SAID ? &event->agent : &event->peer, out);
  if (event->tells & TRACE_WHY) put_note(event, out);
}

/* "market/1.0/bid to bob was not delivered: no such agent on that host (not_here)" */
static void put_passage(struct hgl_host *host, const struct trace_event *event,
                        const char *direction, const char *what, struct hgl_buf *out)
{
  hgl_buf_printf(out, "%s %s ", event->name, direction);
  put_who(host, &event->peer, out);
  hgl_buf_append_text(out, what);
  put_note(event, out);
  put_code(event, out);
}

/* ---- what went wrong ---- */

static bool is_violation(const struct trace_event *event)
{
  return event->code == HGL_PROTOCOL_VIOLATION || event->code == HGL_DIFFERENT_DEFINITION;
}

/* A handler that raised is tried again as long as it is a run. */
static bool is_tried_again(struct hgl_host *host, const struct trace_event *event)
{
  const struct agent *agent = agent_by_key(host, &event->agent);
  const struct agent_run *run = agent ? agent->runs : NULL;
  while (run && !(run->mail->message && hgl_id_equal(&run->mail->message->envelope.id, &event->id)))
    run = run->next;
  return run && !run->parked;
}

static void set(struct outcome *out, enum thread_state state, const char *cause)
{
  out->state = state;
  out->cause = cause;
}

static void judge_trouble(struct hgl_host *host, const struct trace_event *event,
                          struct outcome *out)
{
  struct hgl_buf *why = &out->why;
  switch (event->what) {
  case TRACE_STRETCH:
    set(out, is_tried_again(host, event) ? THREAD_OPEN : THREAD_FAILED, "raised");
    put_raise(host, event, why);
    break;
  case TRACE_DEAD:
    set(out, THREAD_FAILED, "dead_letter");
    put_handler(host, event, why);
    hgl_buf_printf(why, " gave up, dead letter %llu", (unsigned long long)event->row);
    put_note(event, why);
    put_code(event, why);
    break;
  case TRACE_UNDELIVERED:
    set(out, THREAD_FAILED, is_violation(event) ? "violation" : "undelivered");
    put_passage(host, event, "to", " was not delivered", why);
    break;
  case TRACE_REFUSED:
    set(out, THREAD_FAILED, is_violation(event) ? "violation" : "refused");
    put_passage(host, event, "from", " was not let in", why);
    break;
  case TRACE_TIMEOUT:
    set(out, THREAD_FAILED, "timed_out");
    put_who(host, &event->peer, why);
    hgl_buf_append_text(why, " did not answer in time");
    break;
  case TRACE_EXPIRED:
    set(out, THREAD_FAILED, "timed_out");
    hgl_buf_append_text(why, "its deadline passed before the next message came");
    break;
  case TRACE_PARKED:
    set(out, THREAD_FAILED, "parked");
    put_handler(host, event, why);
    hgl_buf_append_text(why, " cannot go on");
    put_note(event, why);
    break;
  default:
    set(out, THREAD_FAILED, "refused");
    put_refusal(host, event, why);
  }
}

/* What found a full mailbox and has been said again since is on its way. */
static bool is_held(const struct trace_event *event)
{
  return event->what == TRACE_HELD && !event->row;
}

static void judge_held(struct hgl_host *host, const struct trace_event *event, struct outcome *out)
{
  set(out, THREAD_OPEN, "held");
  put_passage(host, event, "to", " waits for room in its mailbox", &out->why);
}

/* ---- where it stands ---- */

static const struct hgl_dialogue *dialogue_of(struct hgl_host *host, const struct thread *thread,
                                              const struct hgl_key **late)
{
  const struct agent *agent = agent_by_key(host, &thread->agent);
  const struct agent *peer = agent_by_key(host, &thread->peer);
  const struct hgl_dialogue *dialogue = agent ? dialogue_find(agent, &thread->peer, &thread->thid)
                                              : NULL;
  bool is_peers = !dialogue && peer;
  if (is_peers) dialogue = dialogue_find(peer, &thread->agent, &thread->thid);
  if (dialogue) *late = dialogue->last_was_ours != is_peers ? &thread->peer : &thread->agent;
  return dialogue;
}

/* A handler of this side is not done with the thread, or it waits for an answer in it. */
static bool pends(struct hgl_host *host, const struct thread *thread, const struct hgl_key *side,
                  const struct hgl_key *other)
{
  const struct agent *agent = agent_by_key(host, side);
  uint8_t key[HGL_KEY_SIZE + HGL_ID_SIZE];
  if (!agent) return false;
  memcpy(key, other->bytes, HGL_KEY_SIZE);
  memcpy(key + HGL_KEY_SIZE, thread->thid.bytes, HGL_ID_SIZE);
  const struct trace_event *heard = thread->unhandled ? trace_event(host->trace, thread->unhandled)
                                                      : NULL;
  return hgl_map_get(&agent->asks, hgl_bytes(thread->thid.bytes, HGL_ID_SIZE)) ||
         hgl_map_get(&agent->threads, hgl_bytes(key, sizeof key)) ||
         (heard && agent->mailbox.count && hgl_key_equal(&heard->agent, side));
}

static void judge_end(struct hgl_host *host, const struct thread *thread, const struct deal *deal,
                      struct outcome *out)
{
  struct hgl_bytes status = deal_text(deal, "status"), why = deal_text(deal, "why");
  set(out, THREAD_ENDED, NULL);
  if (hgl_bytes_is(status, "breached")) {
    set(out, THREAD_FAILED, "breached");
    hgl_buf_append_text(&out->why, "the deal was breached");
    if (why.size) hgl_buf_append_text(&out->why, ": ");
    hgl_buf_append_bytes(&out->why, hgl_bytes(why.data, why.size < 512 ? why.size : 512));
    return;
  }
  if (!thread->explained) return;
  const struct trace_event *event = trace_event(host->trace, thread->explained);
  out->cause = "declined";
  hgl_buf_append_text(&out->why, "declined by ");
  put_who(host, event->what == TRACE_SAID ? &event->agent : &event->peer, &out->why);
  put_note(event, &out->why);
}

static void judge_standing(struct hgl_host *host, const struct thread *thread,
                           const struct deal *deal, struct outcome *out)
{
  const struct hgl_key *late = NULL;
  const struct hgl_dialogue *dialogue = dialogue_of(host, thread, &late);
  if (dialogue && dialogue->deadline_ms &&
      dialogue->deadline_ms < hgl_wall_ms(host->config.clock)) {
    set(out, THREAD_FAILED, "timed_out");
    put_who(host, late, &out->why);
    hgl_buf_append_text(&out->why, " did not answer before the deadline of the protocol");
  } else if (dialogue || pends(host, thread, &thread->agent, &thread->peer) ||
             pends(host, thread, &thread->peer, &thread->agent)) {
    set(out, THREAD_OPEN, NULL);
  } else {
    judge_end(host, thread, deal, out);
  }
}

/* ---- what is on its way to another host ---- */

void thread_put_under_way(struct hgl_host *host, const char *type,
                          const struct hgl_key *destination, struct hgl_buf *out)
{
  char did[HGL_DID_TEXT_SIZE];
  if (!destination) {
    hgl_buf_printf(out,
                   "%s has not left: the recipient's host has not shown yet that it speaks for "
                   "the recipient, or an earlier message waits",
                   type);
    return;
  }
  const struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(destination));
  hgl_did_format(destination, did);
  hgl_buf_printf(out, "%s has not been acknowledged by the host …%s%s", type,
                 did + strlen(did) - SHOWN, peer && peer->ready ? "" : ", which is not linked");
}

/* The latest message, where it is one to another host. */
static const struct trace_event *latest_abroad(struct hgl_host *host, const struct thread *thread)
{
  const struct trace_event *event = thread->said_last ? trace_event(host->trace, thread->said_last)
                                                      : NULL;
  if (!event || event->what != TRACE_SAID || agent_by_key(host, &event->peer)) return NULL;
  /* What found a full mailbox and was said again has its place there. */
  const struct trace_event *again = thread->trouble ? trace_event(host->trace, thread->trouble)
                                                    : NULL;
  return again && again->what == TRACE_HELD && hgl_id_equal(&again->id, &event->id) ? again : event;
}

/* Groups are acknowledged in the order of their rows: nothing has to be read, nor looked for. */
static void judge_under_way(struct hgl_host *host, const struct thread *thread, struct outcome *out)
{
  const struct trace_event *event = latest_abroad(host, thread);
  struct hgl_key key;
  if (!event) return;
  if (event->row) {
    const struct peer *peer = hgl_host_of_agent(host, &event->peer, &key)
                                  ? hgl_map_get(&host->peers, hgl_key_bytes(&key))
                                  : NULL;
    uint64_t first = peer ? group_first_row(peer) : 0;
    if (!first || event->row < first) return;
  }
  set(out, THREAD_OPEN, "under_way");
  thread_put_under_way(host, event->name, event->row ? &key : NULL, &out->why);
}

int thread_judge(struct hgl_host *host, const struct thread *thread, const struct deal *deal,
                 struct outcome *out, struct hgl_err *err)
{
  const struct trace_event *trouble = thread->trouble ? trace_event(host->trace, thread->trouble)
                                                      : NULL;
  *out = (struct outcome){0};
  hgl_buf_init(&out->why, WHY_SIZE_MAX);
  if (trouble && is_held(trouble))
    judge_held(host, trouble, out);
  else if (trouble && trouble->what != TRACE_HELD)
    judge_trouble(host, trouble, out);
  else
    judge_standing(host, thread, deal, out);
  if (!out->cause) judge_under_way(host, thread, out);
  if (out->why.failed != HGL_NO_MEMORY) return 0; /* what is too long is cut */
  outcome_deinit(out);
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

void outcome_deinit(struct outcome *outcome)
{
  hgl_buf_deinit(&outcome->why);
}
