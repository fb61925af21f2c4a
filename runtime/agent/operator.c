/* The operator: an agent without a script, on every host, through which people and programs speak
 * over the control socket. */
#include "agent/operator.h"

struct operator_ask {
  struct operator_ask *next;
  struct hgl_id thid;
  struct hgl_key peer;
  int64_t deadline_ms; /* monotonic */
  bool done;
  uint64_t tick; /* in which it was done */
  json_t *reply; /* or: */
  struct hgl_err why;
  void (*answer)(void *user, json_t *reply, const struct hgl_err *why);
  void *user;
};

static const char name[] = "operator";

static struct operator_ask *find(const struct agent *agent, const struct hgl_id *thid)
{
  struct operator_ask *ask = agent->operator_asks;
  while (ask && (ask->done || !hgl_id_equal(&ask->thid, thid))) ask = ask->next;
  return ask;
}

bool operator_expects(struct agent *agent, const struct hgl_envelope *envelope)
{
  const struct operator_ask *ask = find(agent, &envelope->thid);
  if (ask) return hgl_key_equal(&ask->peer, &envelope->from);
  return talk_expects(agent, envelope);
}

/* Told later: an answer leaves the host, so it waits for the commit that holds what it speaks of;
 * and whoever asked may ask again from there. */
static void finish(struct agent *agent, struct operator_ask *ask)
{
  ask->done = true;
  ask->tick = agent->host->tick;
  host_request_tick(agent->host);
}

/* A tick in which nothing changed has no commit of its own. */
static bool may_tell(const struct hgl_host *host, const struct operator_ask *ask)
{
  uint64_t needed = ask->tick < host->tick ? ask->tick + 1 : host->tick;
  return ask->done && host->committed_tick + 1 >= needed;
}

bool operator_answer(struct agent *agent, struct message *message)
{
  struct operator_ask *ask = find(agent, &message->envelope.thid);
  if (!ask) return talk_answer(agent, message);
  if (!hgl_key_equal(&ask->peer, &message->envelope.from)) return false;
  if (hgl_envelope_to_json(&message->envelope, &ask->reply, &ask->why)) ask->reply = NULL;
  finish(agent, ask);
  return true;
}

bool operator_fail(struct agent *agent, const struct hgl_id *thid, enum hgl_code code,
                   const char *why)
{
  struct operator_ask *ask = find(agent, thid);
  if (!ask) return talk_fail(agent, thid, code, why);
  hgl_fail(&ask->why, code, "%s", why);
  finish(agent, ask);
  return true;
}

static void tell(struct operator_ask *ask)
{
  ask->answer(ask->user, ask->reply, ask->reply ? NULL : &ask->why);
  json_decref(ask->reply);
  hgl_free(ask);
}

void operator_due(struct hgl_host *host)
{
  struct agent *agent = agent_by_name(host, hgl_text(name));
  struct operator_ask *told = NULL;
  for (struct operator_ask **at = agent ? &agent->operator_asks : &told, *ask; (ask = *at);) {
    if (!ask->done && ask->deadline_ms <= host->mono_ms)
      operator_fail(agent, &ask->thid, HGL_TIMEOUT, "no answer came in time");
    if (!may_tell(host, ask)) {
      at = &ask->next;
      continue;
    }
    *at = ask->next;
    ask->next = told;
    told = ask;
  }
  for (struct operator_ask *ask; (ask = told);) {
    told = ask->next;
    tell(ask);
  }
  if (agent) talks_due(agent);
}

int64_t operator_deadline_ms(const struct hgl_host *host)
{
  const struct agent *agent = agent_by_name(host, hgl_text(name));
  int64_t first = agent ? talks_deadline_ms(agent) : INT64_MAX;
  for (const struct operator_ask *ask = agent ? agent->operator_asks : NULL; ask; ask = ask->next)
    if (!ask->done && ask->deadline_ms < first) first = ask->deadline_ms;
  return first;
}

void operator_deinit(struct agent *agent)
{
  talks_deinit(agent);
  for (struct operator_ask *ask; (ask = agent->operator_asks);) {
    agent->operator_asks = ask->next;
    if (!ask->done) hgl_fail(&ask->why, HGL_CLOSED, "the host stops");
    tell(ask);
  }
}

static int expect_answer(struct agent *agent, const struct hgl_id *thid, const struct hgl_key *peer,
                         int64_t within_ms,
                         void (*answer)(void *, json_t *, const struct hgl_err *), void *user,
                         struct hgl_err *err)
{
  struct operator_ask *ask = hgl_zalloc(sizeof *ask);
  if (!ask) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *ask = (struct operator_ask){.next = agent->operator_asks,
                               .thid = *thid,
                               .peer = *peer,
                               .deadline_ms = agent->host->mono_ms + within_ms,
                               .answer = answer,
                               .user = user};
  agent->operator_asks = ask;
  return 0;
}

int hgl_host_send(struct hgl_host *host, const char *to, const char *type, struct hgl_bytes body,
                  int64_t within_ms,
                  void (*answer)(void *user, json_t *reply, const struct hgl_err *why),
                  void *answer_user, struct hgl_id *id, struct hgl_err *err)
{
  struct agent *agent = agent_by_name(host, hgl_text(name));
  if (!agent) return hgl_fail(err, HGL_NOT_FOUND, "this host has no operator");
  if (host->failed) return hgl_fail(err, HGL_CLOSED, "the host has stopped");
  struct hgl_key peer;
  tick_now(host);
  struct hgl_vm_send send = {.to = hgl_text(to),
                             .type = hgl_text(type),
                             .body = body,
                             .expires_ms = answer ? within_ms : 0};
  stretch_begin(host, agent, NULL, NULL);
  int status = stretch_send(host, &send, id, &peer, err);
  /* An opening of ours: the thread has its id. */
  if (!status && answer) {
    host->stretch.spoken[0].message->asked = true;
    status = expect_answer(agent, id, &peer, within_ms, answer, answer_user, err);
  }
  if (status) {
    stretch_drop(host);
    return status;
  }
  if ((status = stretch_accept(host, err))) host_fatal(host, err);
  host_request_tick(host);
  return status;
}
