/* The agents of a configuration: their names, of which none may occur twice, and what options say
 * of one of them or of all. Instances stand in it as one description, until an option is about one
 * of them. */
#include "host/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "host/keys.h"

/* All that is named NAME, or NAME and a number. A name is only ever the instance of one other. */
struct family {
  const char *script;  /* of the agent NAME; NULL: there is none */
  const char *counted; /* the script of the instances NAME-1 to NAME-count; NULL: none */
  uint32_t count;      /* of these */
  const char *single;  /* the script of NAME-least, the lowest that is no such instance */
  uint32_t least;      /* its number; 0: none */
};

/* Names --------------------------------------------------------------------------------------- */

static int family_of(struct hgl_config *config, struct hgl_bytes name, struct family **out,
                     struct hgl_err *err)
{
  struct family *family = hgl_map_get(&config->families, name);
  if (!family) {
    family = hgl_zalloc(sizeof *family);
    if (!family) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    int status = hgl_map_put(&config->families, name, family, err);
    if (status) {
      hgl_free(family);
      return status;
    }
  }
  *out = family;
  return 0;
}

static int fail_twice(const char *name, const char *script, const char *other, struct hgl_err *err)
{
  return hgl_fail(err, HGL_EXISTS, "two agents are named %s (%s and %s); name them in a host file",
                  name, script, other);
}

static int take_name(struct hgl_config *config, const char *name, const char *script,
                     struct hgl_err *err)
{
  struct family *family, *base;
  size_t size;
  uint32_t number;
  bool numbered = hgl_agent_name_is_instance(hgl_text(name), &size, &number);
  int status = family_of(config, hgl_text(name), &family, err);
  if (status) return status;
  if (family->script) return fail_twice(name, family->script, script, err);
  if (numbered && (status = family_of(config, hgl_bytes(name, size), &base, err))) return status;
  if (numbered && number <= base->count) return fail_twice(name, base->counted, script, err);
  family->script = script;
  if (numbered && (!base->least || number < base->least)) {
    base->least = number;
    base->single = script;
  }
  return 0;
}

static int take_instances(struct hgl_config *config, const char *name, uint32_t count,
                          const char *script, struct hgl_err *err)
{
  struct family *family;
  int status = family_of(config, hgl_text(name), &family, err);
  if (status) return status;
  char twice[HGL_NAME_SIZE_MAX + 16];
  bool by_one = family->least && family->least <= count;
  if (family->counted || by_one) {
    snprintf(twice, sizeof twice, "%s-%u", name, family->counted ? 1U : (unsigned)family->least);
    return fail_twice(twice, family->counted ? family->counted : family->single, script, err);
  }
  family->counted = script;
  family->count = count;
  return 0;
}

/* Adding -------------------------------------------------------------------------------------- */

static int check_name(const char *name, uint32_t count, struct hgl_err *err)
{
  char last[HGL_NAME_SIZE_MAX + 16];
  if (!count && strcmp(name, "operator") == 0)
    return hgl_fail(err, HGL_INVALID,
                    "\"operator\" is the agent through which you speak; "
                    "give yours another name");
  int status = hgl_agent_name_check(hgl_text(name), err);
  if (status || !count) return status;
  snprintf(last, sizeof last, "%s-%u", name, (unsigned)count);
  return hgl_agent_name_check(hgl_text(last), err);
}

static int make_room(struct hgl_config *config, struct hgl_err *err)
{
  if (!HGL_GROW(config->agents, config->node.agent_count, config->agents_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  config->node.agents = config->agents;
  return 0;
}

int hgl_config_add_agent(struct hgl_config *config, const char *name, uint32_t count,
                         const char *script, struct hgl_node_agent **out, struct hgl_err *err)
{
  int status = check_name(name, count, err);
  if (status) return status;
  status = count ? take_instances(config, name, count, script, err)
                 : take_name(config, name, script, err);
  if (status) return status;
  config->instances += count ? count : 1;
  if (config->instances > HGL_AGENTS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d agents", HGL_AGENTS_MAX);
  if ((status = make_room(config, err))) return status;
  *out = &config->agents[config->node.agent_count++];
  **out = (struct hgl_node_agent){.name = name, .first = 1, .count = count, .script = script};
  return 0;
}

/* "…/kiosk/agent.lua" is kiosk, "…/kiosk.lua" too. A bare "agent.lua" stands in the current folder.
 */
static const char *name_of_script(struct hgl_config *config, const char *path)
{
  char real[PATH_MAX];
  const char *shown = realpath(path, real) ? real : path;
  const char *slash = strrchr(shown, '/');
  const char *file = slash ? slash + 1 : shown;
  if (strcmp(file, "agent.lua") == 0 && slash && slash > shown) {
    const char *start = slash;
    while (start > shown && start[-1] != '/') start--;
    return hgl_config_keep(config, "%.*s", (int)(slash - start), start);
  }
  const char *dot = strrchr(file, '.');
  return hgl_config_keep(config, "%.*s", (int)(dot > file ? dot - file : (long)strlen(file)), file);
}

/* A folder stands for its agent.lua, as it does for the other verbs. NULL: no memory. */
static const char *script_at(struct hgl_config *config, const char *path)
{
  struct stat found;
  size_t size = strlen(path);
  if (stat(path, &found) || !S_ISDIR(found.st_mode)) return path;
  return hgl_config_keep(config, "%s%sagent.lua", path, size && path[size - 1] == '/' ? "" : "/");
}

int hgl_config_add_script(struct hgl_config *config, const char *path, struct hgl_err *err)
{
  struct hgl_node_agent *agent;
  const char *script = script_at(config, path);
  const char *name = script ? name_of_script(config, script) : NULL;
  if (!name) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_config_add_agent(config, name, 0, script, &agent, err);
  return status ? hgl_fail_in(err, "%s", path) : 0;
}

/* One of many --------------------------------------------------------------------------------- */

/* The instances from `number` on become a description of their own, behind that of the others. */
static int cut(struct hgl_config *config, size_t index, uint32_t number, struct hgl_err *err)
{
  int status = make_room(config, err);
  if (status) return status;
  struct hgl_node_agent *agent = &config->agents[index], rest = *agent;
  rest.grants = (struct hgl_texts){0};
  for (size_t i = 0; i < agent->grants.count && !status; i++)
    status = hgl_texts_add(&rest.grants, agent->grants.items[i], err);
  if (!status && rest.config.size) {
    rest.config.data = hgl_memdup(agent->config.data, agent->config.size);
    if (!rest.config.data) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  if (status) {
    hgl_texts_deinit(&rest.grants);
    return status;
  }
  rest.first = number;
  rest.count = agent->first + agent->count - number;
  agent->count = number - agent->first;
  memmove(agent + 2, agent + 1, (config->node.agent_count - index - 1) * sizeof *agent);
  agent[1] = rest;
  config->node.agent_count++;
  return 0;
}

static bool has_instance(const struct hgl_node_agent *agent, struct hgl_bytes name,
                         uint32_t *number)
{
  size_t size;
  return agent->count && hgl_agent_name_is_instance(name, &size, number) &&
         hgl_bytes_is(hgl_bytes(name.data, size), agent->name) && *number >= agent->first &&
         *number - agent->first < agent->count;
}

/* The description of the one agent of this name, cut out of that of others where it stands among
 * them. HGL_NOT_FOUND fills no message. */
static int single_out(struct hgl_config *config, struct hgl_bytes name, struct hgl_node_agent **out,
                      struct hgl_err *err)
{
  for (size_t i = 0; i < config->node.agent_count; i++) {
    const struct hgl_node_agent *agent = &config->agents[i];
    uint32_t number;
    int status = 0;
    if (has_instance(agent, name, &number)) {
      if (number > agent->first) status = cut(config, i++, number, err);
      if (!status && config->agents[i].count > 1) status = cut(config, i, number + 1, err);
    } else if (agent->count || !hgl_bytes_is(name, agent->name)) {
      continue;
    }
    if (!status) *out = &config->agents[i];
    return status;
  }
  return -HGL_NOT_FOUND;
}

/* Of instances the first and the last are told. */
static int fail_unnamed(struct hgl_config *config, struct hgl_bytes name, struct hgl_err *err)
{
  struct hgl_texts names = {0};
  const char *nearest = NULL;
  bool whole = true;
  for (size_t i = 0; whole && i < config->node.agent_count; i++) {
    const struct hgl_node_agent *agent = &config->agents[i];
    size_t last = hgl_node_agent_count(agent) - 1;
    for (size_t at = 0; whole && at <= last; at += last ? last : 1) {
      char text[HGL_NAME_SIZE_MAX + 1];
      hgl_node_agent_name(agent, at, text);
      const char *kept = hgl_config_keep(config, "%s", text);
      whole = kept && hgl_texts_add(&names, kept, NULL) == 0;
    }
  }
  if (whole && names.count) nearest = hgl_nearest(name, names.items);
  int status = hgl_fail(err, HGL_NOT_FOUND, "no agent is named %.*s%s%s%s", HGL_STR(name),
                        nearest ? "; did you mean " : "", nearest ? nearest : "",
                        nearest ? "?" : "");
  hgl_texts_deinit(&names);
  return status;
}

/* Grants and delegations ---------------------------------------------------------------------- */

/* Instances of "name" are "name-1", "name-2", …, also where each is described by itself. */
static bool is_meant(const struct hgl_node_agent *agent, struct hgl_bytes name)
{
  size_t size;
  uint32_t number;
  if (hgl_bytes_is(name, agent->name)) return true;
  if (agent->count) return agent->count == 1 && has_instance(agent, name, &number);
  return hgl_agent_name_is_instance(hgl_text(agent->name), &size, &number) &&
         hgl_bytes_equal(hgl_bytes(agent->name, size), name);
}

int hgl_config_allow(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  size_t name_size = strcspn(text, ":=");
  bool for_all = text[name_size] != ':', found = for_all;
  struct hgl_bytes name = hgl_bytes(text, for_all ? 0 : name_size);
  const char *grant = for_all ? text : text + name_size + 1;
  struct hgl_node_agent *one;
  int status = for_all ? 0 : single_out(config, name, &one, err);
  if (status && status != -HGL_NOT_FOUND) return status;
  for (size_t i = 0; i < config->node.agent_count; i++) {
    if (!for_all && !is_meant(&config->agents[i], name)) continue;
    found = true;
    status = hgl_config_grant(&config->agents[i], grant, err);
    if (status) return status;
  }
  return found ? 0 : fail_unnamed(config, name, err);
}

int hgl_config_delegate(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  const char *equals = strchr(text, '=');
  struct hgl_node_agent *agent;
  if (!equals || !equals[1])
    return hgl_fail(err, HGL_INVALID, "a delegation is given as NAME=FILE, not \"%s\"", text);
  struct hgl_bytes name = hgl_bytes(text, (size_t)(equals - text));
  int status = single_out(config, name, &agent, err);
  if (status == -HGL_NOT_FOUND) return fail_unnamed(config, name, err);
  if (status == 0) agent->delegation = equals + 1;
  return status;
}
