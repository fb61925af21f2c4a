/* A node's agents: describing them to its host, with what their files say. */
#include <limits.h>
#include <stdio.h>

#include "host/file.h"
#include "host/node_internal.h"
#include "host/reload.h"

enum { COMMIT_EVERY_AGENTS = 1000 }; /* of those that are added at the start */

size_t hgl_node_agent_count(const struct hgl_node_agent *agent)
{
  return agent->count ? agent->count : 1;
}

void hgl_node_agent_name(const struct hgl_node_agent *agent, size_t index,
                         char out[HGL_NAME_SIZE_MAX + 1])
{
  if (agent->count)
    snprintf(out, HGL_NAME_SIZE_MAX + 1, "%s-%zu", agent->name, agent->first + index);
  else
    snprintf(out, HGL_NAME_SIZE_MAX + 1, "%s", agent->name);
}

/* Delegations --------------------------------------------------------------------------------- */

static int read_delegation(struct hgl_node *node, const char *path, struct hgl_buf *out,
                           struct hgl_err *err)
{
  struct hgl_delegation claims;
  int status = hgl_file_read(path, HGL_DELEGATION_SIZE_MAX, out, err);
  if (status) return status;
  status = hgl_delegation_verify(hgl_buf_bytes(out), &claims, err);
  if (status == 0)
    status = hgl_delegation_check(&claims, hgl_signer_key(node->signer),
                                  hgl_wall_ms(&hgl_clock_system), err);
  if (status == 0) return 0;
  if (status == -HGL_DELEGATION_EXPIRED || status == -HGL_WRONG_HOST)
    return hgl_fail(err, (enum hgl_code) - status,
                    "%s is no valid delegation for this host (%s); issue one: haggle keys delegate "
                    "--key FILE --host %s",
                    path, hgl_code_meaning((enum hgl_code) - status), node->did);
  return hgl_fail_in(err, "%s", path);
}

/* The one that was given, which is kept for later starts, or the one that was kept: an agent's
 * identity follows its name. Empty when the agent's key is here. */
static int find_delegation(struct hgl_node *node, const char *name, const char *given,
                           struct hgl_buf *out, struct hgl_err *err)
{
  char kept[PATH_MAX];
  hgl_keys_delegation_path(&node->keys, name, kept);
  if (!given) {
    int status = read_delegation(node, kept, out, err);
    return status == -HGL_NOT_FOUND ? 0 : status;
  }
  int status = read_delegation(node, given, out, err);
  return status ? status : hgl_file_replace(kept, hgl_buf_bytes(out), 0600, err);
}

int hgl_node_restart_agent(struct hgl_node *node, const char *name, struct hgl_err *err)
{
  const char *path;
  struct hgl_buf source;
  int status = hgl_host_agent_script(node->host, name, &path, err);
  if (status) return status;
  hgl_buf_init(&source, HGL_SCRIPT_SIZE_MAX);
  status = hgl_reload_read(path, &source, err);
  if (!status) status = hgl_host_restart_agent(node->host, name, hgl_buf_bytes(&source), err);
  hgl_buf_deinit(&source);
  return status;
}

/* Describing ---------------------------------------------------------------------------------- */

/* Adds or changes it. */
typedef int describe_fn(struct hgl_host *host, const struct hgl_agent_config *config, bool *changed,
                        struct hgl_err *err);

static int add_agent(struct hgl_host *host, const struct hgl_agent_config *config, bool *changed,
                     struct hgl_err *err)
{
  *changed = true;
  return hgl_host_add_agent(host, config, err);
}

static int describe_one(struct hgl_node *node, const struct hgl_node_agent *agent, const char *name,
                        struct hgl_bytes source, describe_fn *describe, bool *changed,
                        struct hgl_err *err)
{
  struct hgl_buf delegation;
  hgl_buf_init(&delegation, HGL_DELEGATION_SIZE_MAX);
  int status = find_delegation(node, name, agent->delegation, &delegation, err);
  if (status == 0) {
    struct hgl_agent_config config = {.name = name,
                                      .script_path = agent->script,
                                      .source = source,
                                      .delegation = hgl_buf_bytes(&delegation),
                                      .config = agent->config,
                                      .grants = agent->grants.items,
                                      .limits = agent->limits,
                                      .restart = agent->restart,
                                      .group = agent->group,
                                      .resume = agent->resume};
    status = describe(node->host, &config, changed, err);
  }
  hgl_buf_deinit(&delegation);
  return status;
}

static int read_and_describe(struct hgl_node *node, const struct hgl_node_agent *agent,
                             describe_fn *describe, bool *changed, struct hgl_err *err)
{
  struct hgl_buf source;
  hgl_buf_init(&source, HGL_SCRIPT_SIZE_MAX);
  int status = agent->script ? hgl_reload_read(agent->script, &source, err) : 0;
  if (status == 0)
    status = describe_one(node, agent, agent->name, hgl_buf_bytes(&source), describe, changed, err);
  if (status == 0) hgl_script_watch_add(node->watch, agent->name, agent->script);
  hgl_buf_deinit(&source);
  return status;
}

int hgl_node_add_agent(struct hgl_node *node, const struct hgl_node_agent *agent,
                       struct hgl_err *err)
{
  bool changed;
  return read_and_describe(node, agent, add_agent, &changed, err);
}

int hgl_node_change_agent(struct hgl_node *node, const struct hgl_node_agent *agent, bool *changed,
                          struct hgl_err *err)
{
  return read_and_describe(node, agent, hgl_host_change_agent, changed, err);
}

/* At the start: what was added does not pile up until the first tick. Where the disk is slower than
 * we are, we wait for it; where it is full, the first tick will say so. */
static int commit_added(struct hgl_node *node, struct hgl_err *err)
{
  int status = 0;
  while (hgl_store_busy(node->store) && (!status || status == -HGL_TIMEOUT))
    status = hgl_store_drain(node->store, HGL_NODE_LOOK_MS, err);
  hgl_host_commit_added(node->host);
  hgl_notify_patience(node->notify);
  if (!node->failed) return 0;
  *err = node->failure;
  return -(int)err->code;
}

/* `added` counts over all descriptions. */
static int add_described(struct hgl_node *node, const struct hgl_node_agent *agent, size_t *added,
                         struct hgl_err *err)
{
  char name[HGL_NAME_SIZE_MAX + 1];
  bool changed;
  struct hgl_buf source;
  hgl_buf_init(&source, HGL_SCRIPT_SIZE_MAX);
  int status = agent->count ? hgl_keys_count(&node->keys, agent->name, err) : 0;
  if (status == 0 && agent->script) status = hgl_reload_read(agent->script, &source, err);
  for (size_t i = 0; status == 0 && i < hgl_node_agent_count(agent); i++) {
    hgl_node_agent_name(agent, i, name);
    status = describe_one(node, agent, name, hgl_buf_bytes(&source), add_agent, &changed, err);
    if (status == 0 && ++*added % COMMIT_EVERY_AGENTS == 0) status = commit_added(node, err);
    if (status) hgl_fail_in(err, "agent %s", name);
  }
  hgl_buf_deinit(&source);
  return status;
}

int hgl_node_add_agents(struct hgl_node *node, const struct hgl_node_config *config,
                        struct hgl_err *err)
{
  static const struct hgl_node_agent people = {.name = "operator"};
  size_t added = 0;
  int status = hgl_node_add_agent(node, &people, err);
  for (size_t i = 0; status == 0 && i < config->group_count; i++)
    status = hgl_host_add_group(node->host, &config->groups[i], err);
  for (size_t i = 0; status == 0 && i < config->agent_count; i++)
    status = add_described(node, &config->agents[i], &added, err);
  return status;
}
