/* Describing an agent anew while the host runs: another script, other limits, grants or
 * configuration. The description waits beside the one that the agent was made of until the agent
 * has come to rest, and takes its place where a restart would make the agent anew. */
#include "agent/supervise.h"

#define SWAP(a, b)                                                                                 \
  do {                                                                                             \
    __typeof__(a) swapped_ = (a);                                                                  \
    (a) = (b);                                                                                     \
    (b) = swapped_;                                                                                \
  } while (0)

/* The group of a description that waits is only noted: it is in no list. */
void child_swap(struct child *child, struct child *other)
{
  struct agent_group *group = other->group;
  bool reloads = child->script != other->script;
  SWAP(child->script_path, other->script_path);
  SWAP(child->script, other->script);
  SWAP(child->delegation, other->delegation);
  SWAP(child->config, other->config);
  SWAP(child->grants, other->grants);
  SWAP(child->limits, other->limits);
  SWAP(child->restart, other->restart);
  SWAP(child->restarts, other->restarts);
  SWAP(child->dead_letters, other->dead_letters);
  SWAP(child->reloads, other->reloads);
  other->group = child->group;
  child_set_group(child, group);
  child->reloads = child->reloads || reloads;
}

static int find(struct hgl_host *host, const char *name, struct child **out, struct hgl_err *err)
{
  struct child *child = child_by_name(host, hgl_text(name));
  if (!child || !child->script)
    return hgl_fail(err, HGL_NOT_FOUND, "there is no agent named %.80s here", name);
  if (host->failed || host->stopping) return hgl_fail(err, HGL_CLOSED, "the host stops");
  if (child->errand == REMOVE || child->errand == FORGET)
    return hgl_fail(err, HGL_INVALID, "%s is just being removed", child->name);
  *out = child;
  return 0;
}

static bool same_grants(char *const *a, char *const *b)
{
  size_t i = 0;
  for (; a && b && a[i] && b[i]; i++)
    if (strcmp(a[i], b[i]) != 0) return false;
  return !(a && a[i]) && !(b && b[i]);
}

static bool same_restart(const struct hgl_restart *a, const struct hgl_restart *b)
{
  return a->on_failure == b->on_failure && a->restarts_max == b->restarts_max &&
         a->within_ms == b->within_ms && a->delay_ms == b->delay_ms &&
         a->delay_max_ms == b->delay_max_ms && a->dead_letters_max == b->dead_letters_max;
}

/* Scripts and limits stand once for all that have the same. */
static bool same(const struct child *a, const struct child *b)
{
  return a->script == b->script && a->limits == b->limits && a->group == b->group &&
         strcmp(a->script_path, b->script_path) == 0 && same_grants(a->grants, b->grants) &&
         same_restart(&a->restart, &b->restart) &&
         hgl_bytes_equal(hgl_buf_bytes(&a->config), hgl_buf_bytes(&b->config)) &&
         hgl_bytes_equal(hgl_buf_bytes(&a->delegation), hgl_buf_bytes(&b->delegation));
}

/* Makes an agent of the description, beside the one that is there, and drops it: whether that can
 * be done, and whether it loads what the other one runs, its modules included. */
static int try_next(struct child *next, const struct child *child, bool *loads_same,
                    struct hgl_err *err)
{
  struct agent *agent;
  bool found;
  int status = agent_make(next, &agent, &found, err);
  if (status) return status;
  const struct agent *other = agent_by_key(child->host, &agent->key);
  if (other && other != child->agent)
    status = hgl_fail(err, HGL_EXISTS, "%s has the identity of another agent here", child->name);
  *loads_same = !child->agent || agent->script == child->agent->script;
  agent_destroy(agent);
  return status;
}

int hgl_host_change_agent(struct hgl_host *host, const struct hgl_agent_config *config,
                          bool *changed, struct hgl_err *err)
{
  struct child *child, *next = NULL;
  bool loads_same;
  int status = find(host, config->name, &child, err);
  if (!status && !config->source.size)
    status = hgl_fail(err, HGL_INVALID, "%s needs a script", config->name);
  if (!status) status = child_create(host, config, &next, err);
  if (!status) status = group_find(host, config->group, &next->group, err);
  if (!status) status = try_next(next, child, &loads_same, err);
  if (status) {
    child_destroy(next);
    return status;
  }
  *changed = !loads_same || !same(next, child->next ? child->next : child);
  if (!*changed) {
    child_destroy(next);
    return 0;
  }
  child_destroy(child->next);
  child->next = next;
  return child->standing == RUNNING ? child_send(child, RESTART, err) : 0;
}
