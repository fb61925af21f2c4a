/* The control API's calls that change one agent of a running host: agent.pause, agent.add, … */
#include "host/config.h"
#include "host/control_api.h"

struct change {
  struct hgl_host *host;
  const struct hgl_control_actions *actions;
  const json_t *request;
  const char *name;
};

static int pause_agent(struct change *change, struct hgl_err *err)
{
  return hgl_host_pause_agent(change->host, change->name, err);
}

static int resume_agent(struct change *change, struct hgl_err *err)
{
  return hgl_host_resume_agent(change->host, change->name, err);
}

static int stop_agent(struct change *change, struct hgl_err *err)
{
  return hgl_host_stop_agent(change->host, change->name, err);
}

static int restart_agent(struct change *change, struct hgl_err *err)
{
  return change->actions->restart(change->actions->user, change->name, err);
}

static int remove_agent(struct change *change, struct hgl_err *err)
{
  const json_t *forget = json_object_get(change->request, "forget");
  if (forget && !json_is_boolean(forget))
    return hgl_fail(err, HGL_INVALID, "\"forget\" must be true or false");
  return hgl_host_remove_agent(change->host, change->name, json_is_true(forget), err);
}

/* The agent is described as in a host file. */
static int add_agent(struct change *change, struct hgl_err *err)
{
  json_t *tree = json_pack("{s:[O]}", "agents", json_object_get(change->request, "agent"));
  struct hgl_config config;
  hgl_config_init(&config);
  int status = tree ? hgl_config_apply(&config, tree, "", err)
                    : hgl_fail(err, HGL_INVALID, "\"agent\" must describe an agent");
  if (status == 0 && (config.node.agent_count != 1 ||
                      json_object_get(json_object_get(change->request, "agent"), "count")))
    status = hgl_fail(err, HGL_INVALID, "agents are added one by one");
  if (status == 0) {
    config.agents[0].resume = true;
    status = change->actions->add(change->actions->user, &config.agents[0], err);
  }
  hgl_config_deinit(&config);
  json_decref(tree);
  return status;
}

/* Of the agent that is there, or of the one that is described. */
static int get_name(struct change *change, struct hgl_err *err)
{
  const json_t *value = json_object_get(change->request, "name");
  if (!value) value = json_object_get(json_object_get(change->request, "agent"), "name");
  change->name = json_string_value(value);
  if (!change->name || strlen(change->name) != json_string_length(value))
    return hgl_fail(err, HGL_INVALID, "\"name\" must be a text");
  return 0;
}

int hgl_control_change_agent(struct hgl_host *host, const struct hgl_control_actions *actions,
                             const json_t *request, struct hgl_buf *name, struct hgl_err *err)
{
  static const struct {
    const char *call;
    int (*make)(struct change *change, struct hgl_err *err);
  } changes[] = {{"agent.pause", pause_agent},   {"agent.resume", resume_agent},
                 {"agent.stop", stop_agent},     {"agent.restart", restart_agent},
                 {"agent.remove", remove_agent}, {"agent.add", add_agent}};
  const char *call = json_string_value(json_object_get(request, "call"));
  struct change change = {.host = host, .actions = actions, .request = request};
  int status = get_name(&change, err);
  if (status) return status;
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    if (strcmp(changes[i].call, call) != 0) continue;
    status = changes[i].make(&change, err);
    if (status == 0) hgl_buf_append_text(name, change.name);
    return status;
  }
  return hgl_fail(err, HGL_INVALID, "there is no call \"%.40s\"", call);
}
