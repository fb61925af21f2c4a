#include "host/control_tail.h"

#include "base/mem.h"

/* A client that is told what happens. */
struct hgl_tail {
  struct hgl_tail *next, **link;
  struct hgl_control_client *client;
  json_t *agent, *kinds; /* what it wants to see; NULL: everything */
};

static bool wants_kind(const struct hgl_tail *tail, const char *kind)
{
  size_t index;
  json_t *value;
  json_array_foreach(tail->kinds, index, value)
  {
    if (strcmp(json_string_value(value), kind) == 0) return true;
  }
  return !tail->kinds;
}

/* Messages are turned into JSON only while somebody looks at them. */
static void watch(struct hgl_tails *tails)
{
  bool messages = false;
  for (const struct hgl_tail *tail = tails->first; tail; tail = tail->next)
    messages |= wants_kind(tail, "message");
  tails->watcher.messages = messages;
  if (tails->first)
    hgl_host_watch(tails->host, &tails->watcher);
  else
    hgl_host_unwatch(tails->host, &tails->watcher);
}

static void forget(struct hgl_tails *tails, struct hgl_tail *tail)
{
  *tail->link = tail->next;
  if (tail->next) tail->next->link = tail->link;
  json_decref(tail->agent);
  json_decref(tail->kinds);
  hgl_free(tail);
  watch(tails);
}

static bool names_agent(const json_t *object, const char *agent)
{
  static const char *const fields[] = {"agent",   "from", "to", "from_name",
                                       "to_name", "name", "did"};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    const char *value = json_string_value(json_object_get(object, fields[i]));
    if (value && strcmp(value, agent) == 0) return true;
  }
  return false;
}

static bool wants(const struct hgl_tail *tail, const char *kind, const json_t *object)
{
  return wants_kind(tail, kind) &&
         (!tail->agent || names_agent(object, json_string_value(tail->agent)));
}

static void event(void *user, const char *kind, json_t *object)
{
  struct hgl_tails *tails = user;
  for (struct hgl_tail *tail = tails->first, *next; tail; tail = next) {
    next = tail->next; /* a client that does not read is dropped while it is sent to */
    if (!wants(tail, kind, object)) continue;
    json_t *line = json_pack("{s:s}", "event", kind);
    if (line) json_object_update_missing(line, object);
    hgl_control_tell(tail->client, line);
  }
}

static int check_kinds(const json_t *kinds, struct hgl_err *err)
{
  static const char *const known[] = {"log", "message", "deal", "agent", "peer", "dead", NULL};
  size_t index;
  json_t *value;
  if (kinds && !json_is_array(kinds)) return hgl_fail(err, HGL_INVALID, "\"kinds\" must be a list");
  json_array_foreach(kinds, index, value)
  {
    const char *const *kind = known;
    const char *text = json_string_value(value);
    while (text && *kind && strcmp(*kind, text) != 0) kind++;
    if (!text || !*kind)
      return hgl_fail(err, HGL_INVALID,
                      "there is no kind %.40s; known: log, message, deal, agent, peer, dead",
                      text ? text : "of that type");
  }
  return 0;
}

int hgl_tail_begin(struct hgl_tails *tails, const struct hgl_control_call *call,
                   struct hgl_err *err)
{
  const char *agent;
  json_t *kinds = json_object_get(call->request, "kinds");
  json_t *agent_value = json_object_get(call->request, "agent");
  int status = check_kinds(kinds, err);
  if (status == 0 && agent_value) status = hgl_request_text(call->request, "agent", &agent, err);
  if (status) return status;
  for (struct hgl_tail *other = tails->first; other; other = other->next)
    if (other->client == call->client)
      return hgl_fail(err, HGL_EXISTS, "this connection has a tail already");
  struct hgl_tail *tail = hgl_zalloc(sizeof *tail);
  if (!tail) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  tail->client = call->client;
  tail->agent = json_incref(agent_value);
  tail->kinds = json_incref(kinds);
  tail->next = tails->first;
  tail->link = &tails->first;
  if (tail->next) tail->next->link = &tail->next;
  tails->first = tail;
  watch(tails);
  return 0;
}

void hgl_tails_init(struct hgl_tails *tails, struct hgl_host *host)
{
  *tails = (struct hgl_tails){.host = host, .watcher = {.event = event, .user = tails}};
}

void hgl_tails_leave(struct hgl_tails *tails, const struct hgl_control_client *client)
{
  for (struct hgl_tail *tail = tails->first, *next; tail; tail = next) {
    next = tail->next;
    if (tail->client == client) forget(tails, tail);
  }
}
