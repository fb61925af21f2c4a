/* The operator: an agent without a script, on every host, through which people and programs speak
 * over the control socket. */
#include "agent/internal.h"

struct operator_ask {
  struct operator_ask *next;
  struct hgl_id thid;
  int64_t deadline_ms; /* monotonic */
  void (*answer)(void *user, json_t *reply, const struct hgl_err *why);
  void *user;
};

static const char name[] = "operator";

static struct operator_ask *take(struct agent *agent, const struct hgl_id *thid)
{
  for (struct operator_ask **at = &agent->operator_asks, *ask; (ask = *at); at = &ask->next)
    if (hgl_id_equal(&ask->thid, thid)) {
      *at = ask->next;
      return ask;
    }
  return NULL;
}

static void finish(struct agent *agent, struct operator_ask *ask, json_t *reply,
                   const struct hgl_err *why)
{
  hgl_map_remove(&agent->asks, hgl_bytes(ask->thid.bytes, HGL_ID_SIZE));
  ask->answer(ask->user, reply, why);
  hgl_free(ask);
}

bool operator_answer(struct agent *agent, struct message *message)
{
  struct operator_ask *ask = take(agent, &message->envelope.thid);
  struct hgl_err err;
  json_t *reply = NULL;
  if (!ask) return false;
  int status = hgl_envelope_to_json(&message->envelope, &reply, &err);
  finish(agent, ask, reply, status ? &err : NULL);
  json_decref(reply);
  return true;
}

bool operator_fail(struct agent *agent, const struct hgl_id *thid, enum hgl_code code,
                   const char *why)
{
  struct operator_ask *ask = take(agent, thid);
  struct hgl_err err;
  if (!ask) return false;
  hgl_fail(&err, code, "%s", why);
  finish(agent, ask, NULL, &err);
  return true;
}

void operator_due(struct hgl_host *host)
{
  struct agent *agent = agent_by_name(host, hgl_text(name));
  for (struct operator_ask *ask = agent ? agent->operator_asks : NULL, *next; ask; ask = next) {
    next = ask->next;
    if (ask->deadline_ms > host->mono_ms) continue;
    operator_fail(agent, &ask->thid, HGL_TIMEOUT, "no answer came in time");
  }
}

int64_t operator_deadline_ms(const struct hgl_host *host)
{
  const struct agent *agent = hgl_map_get(&host->agents_by_name, hgl_text(name));
  int64_t first = INT64_MAX;
  for (const struct operator_ask *ask = agent ? agent->operator_asks : NULL; ask; ask = ask->next)
    if (ask->deadline_ms < first) first = ask->deadline_ms;
  return first;
}

void operator_deinit(struct agent *agent)
{
  while (agent->operator_asks)
    operator_fail(agent, &agent->operator_asks->thid, HGL_CLOSED, "the host stops");
}

static int expect_answer(struct agent *agent, const struct hgl_id *thid, int64_t within_ms,
                         void (*answer)(void *, json_t *, const struct hgl_err *), void *user,
                         struct hgl_err *err)
{
  struct operator_ask *ask = hgl_zalloc(sizeof *ask);
  if (!ask) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_map_put(&agent->asks, hgl_bytes(thid->bytes, HGL_ID_SIZE), ask, err);
  if (status) {
    hgl_free(ask);
    return status;
  }
  *ask = (struct operator_ask){.next = agent->operator_asks,
                               .thid = *thid,
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
  tick_now(host);
  struct hgl_vm_send send = {.to = hgl_text(to),
                             .type = hgl_text(type),
                             .body = body,
                             .expires_ms = answer ? within_ms : 0};
  stretch_begin(host, agent, NULL, NULL);
  int status = stretch_send(host, &send, id, NULL, err);
  /* An opening of ours: the thread has its id. */
  if (!status && answer) status = expect_answer(agent, id, within_ms, answer, answer_user, err);
  if (status) {
    stretch_drop(host);
    return status;
  }
  if ((status = stretch_accept(host, err))) host_fatal(host, err);
  host_request_tick(host);
  return status;
}
