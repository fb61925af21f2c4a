/* For tests of agents that fail, restart and are operated: what the operator sees of them, and one
 * to do it with. */
#ifndef HGL_TESTS_SUPERVISE_FIXTURE_H
#define HGL_TESTS_SUPERVISE_FIXTURE_H

#include "agent/supervise.h"
#include "support/world.h"

#include <stdio.h>

static inline void begin(struct world *world, struct node **node)
{
  world_init(world, 5);
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
}

static inline void begin_again(struct node *node)
{
  world_crash(node);
  world_restart(node);
  world_agent(node, "operator", "", NULL);
}

/* A new reference; NULL: there is no such agent. */
static inline json_t *describe(struct node *node, const char *name)
{
  struct hgl_err err;
  json_t *list, *row, *found = NULL;
  size_t index;
  assert_ok(hgl_host_list_agents(node->host, &list, &err));
  json_array_foreach(list, index, row)
  {
    if (strcmp(present(json_string_value(json_object_get(row, "name"))), name) == 0)
      found = json_incref(row);
  }
  json_decref(list);
  return found;
}

static inline void assert_status(struct node *node, const char *name, const char *status)
{
  json_t *agent = describe(node, name);
  assert_non_null(agent);
  assert_string_equal(json_string_value(json_object_get(agent, "status")), status);
  json_decref(agent);
}

static inline void assert_reason(struct node *node, const char *name, const char *part)
{
  json_t *agent = describe(node, name);
  const char *reason = json_string_value(json_object_get(agent, "reason"));
  assert_non_null(reason);
  if (!strstr(reason, part)) fail_msg("\"%s\" does not say \"%s\"", reason, part);
  json_decref(agent);
}

static inline int64_t restarts(struct node *node, const char *name)
{
  json_t *agent = describe(node, name);
  int64_t count = json_integer_value(json_object_get(agent, "restarts"));
  json_decref(agent);
  return count;
}

static inline struct hgl_agent_config policy(int restarts_max, int64_t within_ms, int64_t delay_ms,
                                             int dead_letters)
{
  return (struct hgl_agent_config){.restart = {.restarts_max = restarts_max,
                                               .within_ms = within_ms,
                                               .delay_ms = delay_ms,
                                               .dead_letters_max = dead_letters}};
}

/* Writes down what it handles; "boom" raises in every attempt, which takes 600 ms. */
static const char writer[] =
    "agent.on_start(function(reason) log.info('start ' .. reason) end)\n"
    "agent.on_stop(function() log.info('stop') end)\n"
    "agent.on('x/1.0/write', function(message)\n"
    "  if message.body.text == 'boom' then error('boom') end\n"
    "  if not state.texts then state.texts = {} end\n"
    "  state.texts[#state.texts + 1] = message.body.text\n"
    "  log.info('wrote ' .. message.body.text)\n"
    "end)\n"
    "agent.on('x/1.0/wait', function(message) agent.sleep('1h') end)\n"
    "agent.on('x/1.0/count', function(message)\n"
    "  message:reply('is', { count = state.texts and #state.texts or 0 })\n"
    "end)\n";

static inline void write_text(struct node *node, const char *to, const char *text)
{
  char body[64];
  snprintf(body, sizeof body, "{\"text\":\"%s\"}", text);
  world_say(node, to, "x/1.0/write", body);
}

static inline int64_t written(struct node *node, const char *name)
{
  return world_number(node, name, "x/1.0/count", "count");
}

/* Handlers that are suspended. */
static inline size_t waiting(struct node *node)
{
  struct hgl_err err;
  json_t *list;
  assert_ok(hgl_host_list_runs(node->host, &list, &err));
  size_t count = json_array_size(list);
  json_decref(list);
  return count;
}

/* A group of a, b and c, and one beside it. */
static inline void add_three(struct node *node, enum hgl_strategy strategy, int group_restarts)
{
  struct hgl_err err;
  const struct hgl_group_config group = {"shop", strategy, group_restarts, 10000};
  struct hgl_agent_config config = policy(2, 10000, 100, 1);
  assert_ok(hgl_host_add_group(node->host, &group, &err));
  config.group = "shop";
  world_agent_with(node, "a", writer, config);
  world_agent_with(node, "b", writer, config);
  world_agent_with(node, "c", writer, config);
  config.group = NULL;
  world_agent_with(node, "alone", writer, config);
}

#endif
