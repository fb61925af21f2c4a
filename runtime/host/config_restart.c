/* The part of a host file that is about agents that fail: restart and groups. */
#include "host/config_restart.h"

#include "base/duration.h"
#include "base/mem.h"

enum { KEYS_MAX = 8 };
#define WITHIN_MAX_MS (INT64_C(7) * 24 * 3600 * 1000)

static int check_keys(const json_t *table, const char *const *known, struct hgl_err *err)
{
  const char *key;
  json_t *value;
  if (!json_is_object(table)) return hgl_fail(err, HGL_INVALID, "expected a table with named keys");
  json_object_foreach((json_t *)table, key, value)
  {
    const char *const *at = known;
    while (*at && strcmp(*at, key) != 0) at++;
    if (*at) continue;
    return hgl_config_unknown_key(key, known, err);
  }
  return 0;
}

/* Left alone when it is not given, like what follows. */
static int get_count(const json_t *table, const char *key, int most, int *out, struct hgl_err *err)
{
  const json_t *value = json_object_get(table, key);
  if (!value) return 0;
  if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > most)
    return hgl_fail(err, HGL_INVALID, "%s: expected an integer from 1 to %d", key, most);
  *out = (int)json_integer_value(value);
  return 0;
}

static int get_duration(const json_t *table, const char *key, int64_t *out, struct hgl_err *err)
{
  const json_t *value = json_object_get(table, key);
  const char *text = json_string_value(value);
  int64_t ms = json_is_integer(value) ? json_integer_value(value) : 0;
  if (!value) return 0;
  if (text && hgl_duration_parse(hgl_text(text), &ms, err)) return hgl_fail_in(err, "%s", key);
  if (ms < 1 || ms > WITHIN_MAX_MS)
    return hgl_fail(err, HGL_INVALID, "%s: expected a duration from 1ms to 7d, as in \"10s\"", key);
  *out = ms;
  return 0;
}

/* One of the words, which end with a NULL. */
static int get_word(const json_t *table, const char *key, const char *const *words, int *out,
                    struct hgl_err *err)
{
  const json_t *value = json_object_get(table, key);
  const char *text = json_string_value(value);
  if (!value) return 0;
  for (int i = 0; words[i]; i++) {
    if (!text || strcmp(words[i], text) != 0) continue;
    *out = i;
    return 0;
  }
  return hgl_fail(err, HGL_INVALID, "%s: expected \"%s\", \"%s\" or \"%s\"", key, words[0],
                  words[1], words[2]);
}

int hgl_config_restart(const json_t *table, struct hgl_restart *out, struct hgl_err *err)
{
  static const char *const known[] = {"on_failure", "restarts",     "within", "delay",
                                      "delay_max",  "dead_letters", NULL};
  static const char *const words[] = {"restart", "park", "stop", NULL};
  int on_failure = HGL_ON_FAILURE_RESTART, status;
  if ((status = check_keys(table, known, err)) ||
      (status = get_word(table, "on_failure", words, &on_failure, err)) ||
      (status = get_count(table, "restarts", HGL_RESTARTS_MAX, &out->restarts_max, err)) ||
      (status = get_duration(table, "within", &out->within_ms, err)) ||
      (status = get_duration(table, "delay", &out->delay_ms, err)) ||
      (status = get_duration(table, "delay_max", &out->delay_max_ms, err)) ||
      (status = get_count(table, "dead_letters", HGL_RESTART_DEAD_LETTERS_MAX,
                          &out->dead_letters_max, err)))
    return status;
  out->on_failure = (enum hgl_on_failure)on_failure;
  return 0;
}

static int read_group(struct hgl_config *config, const char *name, const json_t *table,
                      struct hgl_err *err)
{
  static const char *const known[] = {"strategy", "restarts", "within", NULL};
  static const char *const words[] = {"one_for_one", "one_for_all", "rest_for_one", NULL};
  size_t count = config->node.group_count;
  struct hgl_group_config group = {.name = name};
  int strategy = HGL_ONE_FOR_ONE, status;
  if ((status = hgl_agent_name_check(hgl_text(name), err)) ||
      (status = check_keys(table, known, err)) ||
      (status = get_word(table, "strategy", words, &strategy, err)) ||
      (status = get_count(table, "restarts", HGL_RESTARTS_MAX, &group.restarts_max, err)) ||
      (status = get_duration(table, "within", &group.within_ms, err)))
    return status;
  group.strategy = (enum hgl_strategy)strategy;
  struct hgl_group_config *groups = hgl_realloc(config->groups, (count + 1) * sizeof *groups);
  if (!groups) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  groups[count] = group;
  config->groups = groups;
  config->node.groups = groups;
  config->node.group_count = count + 1;
  return 0;
}

int hgl_config_groups(struct hgl_config *config, const json_t *table, struct hgl_err *err)
{
  const char *name;
  json_t *value;
  if (!json_is_object(table)) return hgl_fail(err, HGL_INVALID, "expected a table with named keys");
  json_object_foreach((json_t *)table, name, value)
  {
    if (read_group(config, name, value, err)) return hgl_fail_in(err, "%s", name);
  }
  return 0;
}

int hgl_config_check_groups(const struct hgl_config *config, struct hgl_err *err)
{
  for (size_t i = 0; i < config->node.agent_count; i++) {
    const struct hgl_node_agent *agent = &config->agents[i];
    bool found = !agent->group;
    for (size_t j = 0; j < config->node.group_count && !found; j++)
      found = strcmp(agent->group, config->groups[j].name) == 0;
    if (found) continue;
    char name[HGL_NAME_SIZE_MAX + 1];
    hgl_node_agent_name(agent, 0, name);
    return hgl_fail(err, HGL_NOT_FOUND, "agent %s: there is no group named %s; name it in groups",
                    name, agent->group);
  }
  return 0;
}
