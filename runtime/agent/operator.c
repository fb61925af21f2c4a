/* The operator: an agent without a script, on every host, through which people and programs speak
 * over the control socket. */
#include "agent/operator.h"

struct operator_ask {
  struct hgl_heap_entry due; /* monotonic, in ms; first member */
  struct operator_ask *next; /* among those that are done */
  struct hgl_id thid;
  struct hgl_key peer;
  uint64_t tick; /* in which it was done */
  json_t *reply; /* or: */
  struct hgl_err why;
  void (*answer)(void *user, json_t *reply, const struct hgl_err *why);
  void *user;
};

/* Open ones stand in agent->asks and among the dues. */
struct operator_asks {
  struct hgl_heap dues;
  struct operator_ask *done_first, *done_last; /* to be told, by tick */
};

static const char name[] = "operator";

static struct operator_ask *find(const struct agent *agent, const struct hgl_id *thid)
{
  return hgl_map_get(&agent->asks, hgl_bytes(thid->bytes, HGL_ID_SIZE));
}

bool operator_expects(struct agent *agent, const struct hgl_envelope *envelope)
{
  const struct operator_ask *ask = find(agent, &envelope->thid);
  if (ask) return hgl_key_equal(&ask->peer, &envelope->from);
  return talk_expects(agent, envelope);
}

static void close_ask(struct agent *agent, struct operator_ask *ask)
{
  hgl_heap_remove(&agent->operator_asks->dues, &ask->due);
  hgl_map_remove(&agent->asks, hgl_bytes(ask->thid.bytes, HGL_ID_SIZE));
}

/* Told later: an answer leaves the host, so it waits for the commit that holds what it speaks of;
 * and whoever asked may ask again from there. */
static void finish(struct agent *agent, struct operator_ask *ask)
{
  struct operator_asks *asks = agent->operator_asks;
  close_ask(agent, ask);
  ask->tick = agent->host->tick;
  *(asks->done_last ? &asks->done_last->next : &asks->done_first) = ask;
  asks->done_last = ask;
  host_request_tick(agent->host);
}

/* A tick in which nothing changed has no commit of its own. */
static bool may_tell(const struct hgl_host *host, const struct operator_ask *ask)
{
  uint64_t needed = ask->tick < host->tick ? ask->tick + 1 : host->tick;
  return host->committed_tick + 1 >= needed;
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

static void fail_late(struct agent *agent)
{
  struct hgl_heap_entry *first;
  while ((first = hgl_heap_first(&agent->operator_asks->dues)) &&
         first->due <= agent->host->mono_ms)
    operator_fail(agent, &((struct operator_ask *)first)->thid, HGL_TIMEOUT,
                  "no answer came in time");
}

/* Those that may be told, off the list: being told, whoever asked may ask again. */
static struct operator_ask *take_told(struct agent *agent)
{
  struct operator_asks *asks = agent->operator_asks;
  struct operator_ask *first = asks->done_first, *last = NULL;
  for (struct operator_ask *ask = first; ask && may_tell(agent->host, ask); ask = ask->next)
    last = ask;
  if (!last) return NULL;
  asks->done_first = last->next;
  if (!last->next) asks->done_last = NULL;
  last->next = NULL;
  return first;
}

void operator_due(struct hgl_host *host)
{
  struct agent *agent = agent_by_name(host, hgl_text(name));
  if (agent && agent->operator_asks) {
    fail_late(agent);
    for (struct operator_ask *ask = take_told(agent), *next; ask; ask = next) {
      next = ask->next;
      tell(ask);
    }
  }
  if (agent) talks_due(agent);
}

int64_t operator_deadline_ms(const struct hgl_host *host)
{
  const struct agent *agent = agent_by_name(host, hgl_text(name));
  int64_t first = agent ? talks_deadline_ms(agent) : INT64_MAX;
  const struct hgl_heap_entry *ask = agent && agent->operator_asks
                                         ? hgl_heap_first(&agent->operator_asks->dues)
                                         : NULL;
  return ask && ask->due < first ? ask->due : first;
}

void operator_deinit(struct agent *agent)
{
  struct operator_asks *asks = agent->operator_asks;
  talks_deinit(agent);
  if (!asks) return;
  for (struct hgl_heap_entry *first; (first = hgl_heap_first(&asks->dues));) {
    struct operator_ask *ask = (struct operator_ask *)first;
    close_ask(agent, ask);
    hgl_fail(&ask->why, HGL_CLOSED, "the host stops");
    tell(ask);
  }
  for (struct operator_ask *ask; (ask = asks->done_first);) {
    asks->done_first = ask->next;
    tell(ask);
  }
  hgl_heap_deinit(&asks->dues);
  hgl_free(asks);
  agent->operator_asks = NULL;
}

static int expect_answer(struct agent *agent, const struct hgl_id *thid, const struct hgl_key *peer,
                         int64_t within_ms,
                         void (*answer)(void *, json_t *, const struct hgl_err *), void *user,
                         struct hgl_err *err)
{
  struct operator_asks *asks = agent->operator_asks;
  if (!asks && !(asks = agent->operator_asks = hgl_zalloc(sizeof *asks)))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  struct operator_ask *ask = hgl_zalloc(sizeof *ask);
  if (!ask) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *ask = (struct operator_ask){.thid = *thid, .peer = *peer, .answer = answer, .user = user};
  int status = hgl_map_put(&agent->asks, hgl_bytes(thid->bytes, HGL_ID_SIZE), ask, err);
  if (!status) {
    status = hgl_heap_push(&asks->dues, &ask->due, agent->host->mono_ms + within_ms, err);
    if (status) hgl_map_remove(&agent->asks, hgl_bytes(thid->bytes, HGL_ID_SIZE));
  }
  if (status) hgl_free(ask);
  return status;
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
