/* What the dashboard sees of a host. */
#include "agent/look.h"

#include "agent/supervise.h"
#include "agent/trace.h"

/* ---- agents ---- */

/* By the times of the last tick: asking the clock for each of a million agents would take longer
 * than the rest. */
static int64_t wall_of(const struct hgl_host *host, int64_t mono_ms)
{
  return mono_ms ? host->now_ms - (host->mono_ms - mono_ms) : 0;
}

static void put_figures(const struct child *child, struct hgl_agent_figures *out)
{
  const struct agent *agent = child->agent;
  *out = (struct hgl_agent_figures){.number = child->number,
                                    .name = child->name,
                                    .status = child_status(child),
                                    .group = child->group ? child->group->name : NULL,
                                    .operates = !child->script,
                                    .restarts = child->restarted};
  if (!agent) return;
  out->about = agent->manifest->about;
  out->protocols = &agent->manifest->protocols;
  out->key = agent->key;
  out->has_key = true;
  out->asleep = agent->script && !agent->vm;
  out->mailbox = agent->mailbox.count;
  out->runs = agent->run_count;
  out->memory_bytes = agent->vm ? (int64_t)hgl_vm_memory(agent->vm) : 0;
  out->cpu_ns = agent->cpu_ns;
  out->active_ms = wall_of(child->host, agent->active_ms);
  out->handled = agent->handled;
  out->sent = agent->sent;
  out->raised = agent->raised;
  out->raised_lately = agent_raised_lately(agent);
}

bool hgl_agent_is_failing(const struct hgl_agent_figures *agent)
{
  return agent->raised_lately && strcmp(agent->status, "running") == 0;
}

void hgl_agent_walk_begin(struct hgl_agent_walk *walk, struct hgl_host *host)
{
  *walk = (struct hgl_agent_walk){
      .host = host, .at = host->children.first, .next = host->walks, .link = &host->walks};
  if (walk->next) walk->next->link = &walk->next;
  host->walks = walk;
}

bool hgl_agent_walk_next(struct hgl_agent_walk *walk, struct hgl_agent_figures *out)
{
  const struct child *child = walk->at;
  if (!child) return false;
  walk->at = child->in[OF_HOST].next;
  put_figures(child, out);
  return true;
}

void hgl_agent_walk_end(struct hgl_agent_walk *walk)
{
  if (!walk->link) return;
  *walk->link = walk->next;
  if (walk->next) walk->next->link = walk->link;
  *walk = (struct hgl_agent_walk){0};
}

size_t hgl_host_parked(const struct hgl_host *host, struct hgl_agent_figures *out, size_t max)
{
  size_t count = 0;
  const struct child *child = host->parked.first;
  for (; child && count < max; child = child->in[AS_PARKED].next) put_figures(child, &out[count++]);
  return count;
}

static const struct child *find(const struct hgl_host *host, const char *name, struct hgl_err *err)
{
  const struct child *child = child_by_name(host, hgl_text(name));
  if (!child) hgl_fail(err, HGL_NOT_FOUND, "there is no agent %.80s here", name);
  return child;
}

bool hgl_host_agent_figures(struct hgl_host *host, const char *name, struct hgl_agent_figures *out)
{
  struct hgl_err ignored;
  const struct child *child = find(host, name, &ignored);
  if (child) put_figures(child, out);
  return child;
}

static int give(json_t *json, json_t **out, struct hgl_err *err)
{
  if (!json) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out = json;
  return 0;
}

int hgl_host_show_agent(struct hgl_host *host, const char *name, json_t **out, struct hgl_err *err)
{
  const struct child *child = find(host, name, err);
  return child ? give(describe_child(child), out, err) : -HGL_NOT_FOUND;
}

static json_t *show_limits(const struct hgl_agent_limits *limits)
{
  json_t *out = json_object();
  struct hgl_agent_limits copy = *limits;
  bool whole = out != NULL;
  for (size_t i = 0; whole && i < hgl_limit_count; i++)
    whole = json_object_set_new(out, hgl_limit_list[i].name,
                                json_integer(*hgl_limit_field(&copy, &hgl_limit_list[i]))) == 0;
  if (whole) return out;
  json_decref(out);
  return NULL;
}

static json_t *show_grants(char *const *grants)
{
  json_t *out = json_array();
  bool whole = out != NULL;
  for (; whole && grants && *grants; grants++)
    whole = json_array_append_new(out, json_words(hgl_text(*grants))) == 0;
  if (whole) return out;
  json_decref(out);
  return NULL;
}

int hgl_host_show_terms(struct hgl_host *host, const char *name, json_t **out, struct hgl_err *err)
{
  const struct child *child = find(host, name, err);
  if (!child) return -HGL_NOT_FOUND;
  return give(json_pack("{s:o, s:o, s:s}", "limits", show_limits(child->limits), "grants",
                        show_grants(child->grants), "host", host->did),
              out, err);
}

/* ---- who is who ---- */

const struct hgl_key *hgl_host_key(const struct hgl_host *host)
{
  return &host->key;
}

const char *hgl_host_name_of(struct hgl_host *host, const struct hgl_key *key)
{
  const struct agent *agent = agent_by_key(host, key);
  return agent ? agent->name : NULL;
}

bool hgl_host_of_agent(struct hgl_host *host, const struct hgl_key *key, struct hgl_key *out)
{
  struct hgl_directory_terms terms;
  const struct seen_delegation *seen = delegation_of(host, key);
  if (agent_by_key(host, key))
    *out = host->key;
  else if (seen)
    *out = seen->claims.host;
  else if (hgl_directory_terms(host->directory, key, &terms))
    *out = terms.host;
  else
    return false;
  return true;
}

size_t hgl_host_services(const struct hgl_host *host, const struct hgl_key *agent,
                         struct hgl_bytes *name, struct hgl_bytes *services, size_t max)
{
  return hgl_directory_services(host->directory, agent, name, services, max);
}

/* ---- other hosts ---- */

void hgl_host_visit_peers(const struct hgl_host *host,
                          bool (*visit)(void *user, const struct hgl_peer_figures *figures),
                          void *user)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    const struct peer *peer = slot->value;
    if (peer == host->self) continue;
    struct hgl_peer_figures figures = {.key = peer->key,
                                       .linked = peer->ready,
                                       .skew_ms = peer->skew_ms,
                                       .unacknowledged = peer->out_next - 1 - peer->out_acked,
                                       .active_ms = wall_of(host, peer->active_ms),
                                       .url = peer->url,
                                       .wanted = peer->wanted};
    if (!visit(user, &figures)) return;
  }
}

int hgl_host_show_peer(struct hgl_host *host, const struct hgl_key *key, json_t **out,
                       struct hgl_err *err)
{
  const struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(key));
  if (!peer) return hgl_fail(err, HGL_NOT_FOUND, "this host is not known");
  return give(describe_peer(host, peer), out, err);
}

void hgl_host_conflicts(const struct hgl_host *host, size_t *hosts, size_t *agents)
{
  *hosts = host->proof_counts[PROOF_FORK];
  *agents = host->proof_counts[PROOF_DELEGATION_CONFLICT];
}

/* ---- messages ---- */

int hgl_host_show_message(struct hgl_host *host, const struct hgl_seen *seen, json_t **out,
                          struct hgl_err *err)
{
  const struct hgl_envelope *envelope = seen->envelope;
  const char *from = hgl_host_name_of(host, &envelope->from);
  const char *to = hgl_host_name_of(host, &envelope->to);
  json_t *json;
  int status = hgl_envelope_to_json(envelope, &json, err);
  if (status) return status;
  json_t *rest = json_pack("{s:s, s:s*, s:s*}", "what", seen->what, "from_name", from, "to_name",
                           to);
  bool whole = rest && json_object_update(json, rest) == 0;
  json_decref(rest);
  if (!whole) {
    json_decref(json);
    json = NULL;
  }
  return give(json, out, err);
}

/* What was said to an agent of this host is there twice, unless the operator said it, and told
 * once.
 */
void hgl_host_recent_messages(struct hgl_host *host,
                              void (*passed)(void *user, int64_t time_ms,
                                             const struct hgl_key *from, const struct hgl_key *to,
                                             const char *type),
                              void *user)
{
  const struct trace *trace = host->trace;
  if (!trace) return;
  uint64_t at = trace->count > trace->capacity ? trace->count - trace->capacity : 0;
  for (; at < trace->count; at++) {
    const struct trace_event *event = &trace->events[at % trace->capacity];
    const struct agent *peer;
    if (event->what == TRACE_SAID)
      passed(user, event->time_ms, &event->agent, &event->peer, event->name);
    else if (event->what == TRACE_HEARD &&
             (!(peer = agent_by_key(host, &event->peer)) || !peer->script))
      passed(user, event->time_ms, &event->peer, &event->agent, event->name);
  }
}
