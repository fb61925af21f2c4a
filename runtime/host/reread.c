#include "host/reread.h"

#include "base/mem.h"

/* Each kind of difference is told of so many agents by name, the others as a number. */
enum { NAMES_TOLD = 20, BEAT_EVERY = 100 };

struct told {
  size_t added, removed, changed, failed;
};

struct reread {
  struct hgl_node *node;
  const struct hgl_config *now, *next;
  const struct hgl_log *log;
  struct hgl_map names; /* of all agents of `next` */
  struct told told;
  size_t seen;
  bool differs; /* apart from agents */
};

static void tell(struct reread *reread, size_t *count, const char *format, const char *name)
{
  char text[HGL_NAME_SIZE_MAX + 80];
  if ((*count)++ >= NAMES_TOLD) return;
  snprintf(text, sizeof text, format, name);
  hgl_log(reread->log, HGL_LOG_INFO, "host", "%s", text);
}

static void tell_failed(struct reread *reread, const char *name, const struct hgl_err *why)
{
  if (reread->told.failed++ < NAMES_TOLD)
    hgl_log(reread->log, HGL_LOG_ERROR, "host", "agent %s stays as it is: %s", name, why->message);
}

/* Many agents take long, and the loop stands meanwhile. */
static void beat(struct reread *reread)
{
  if (++reread->seen % BEAT_EVERY == 0) hgl_node_beat(reread->node);
}

/* Agents -------------------------------------------------------------------------------------- */

static void add(struct reread *reread, const struct hgl_node_agent *agent)
{
  struct hgl_err err;
  if (hgl_node_add_agent(reread->node, agent, &err))
    tell_failed(reread, agent->name, &err);
  else
    tell(reread, &reread->told.added, "agent %s is added", agent->name);
}

static void remove_one(struct reread *reread, const char *name)
{
  struct hgl_err err;
  if (hgl_host_remove_agent(hgl_node_host(reread->node), name, false, &err) == 0)
    tell(reread, &reread->told.removed,
         "agent %s is removed; what is stored of it waits for one of that name", name);
  else if (err.code != HGL_NOT_FOUND) /* an operator may have removed it before */
    tell_failed(reread, name, &err);
}

/* This agent's description and script are to be read again. */
static void change(struct reread *reread, const struct hgl_node_agent *agent, bool *changed)
{
  struct hgl_err err;
  *changed = false;
  if (hgl_node_change_agent(reread->node, agent, changed, &err))
    tell_failed(reread, agent->name, &err);
  else if (*changed)
    tell(reread, &reread->told.changed, "agent %s has changed and begins anew", agent->name);
}

static bool is_there(struct reread *reread, const char *name)
{
  const char *path;
  struct hgl_err err;
  return hgl_host_agent_script(hgl_node_host(reread->node), name, &path, &err) == 0;
}

static bool same_texts(const struct hgl_texts *a, const struct hgl_texts *b)
{
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++)
    if (strcmp(a->items[i], b->items[i]) != 0) return false;
  return true;
}

static bool same_text(const char *a, const char *b)
{
  return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_description(const struct hgl_node_agent *a, const struct hgl_node_agent *b)
{
  const struct hgl_restart *x = &a->restart, *y = &b->restart;
  return strcmp(a->name, b->name) == 0 && a->first == b->first && same_text(a->script, b->script) &&
         same_texts(&a->grants, &b->grants) && hgl_bytes_equal(a->config, b->config) &&
         same_text(a->delegation, b->delegation) &&
         memcmp(&a->limits, &b->limits, sizeof a->limits) == 0 && same_text(a->group, b->group) &&
         x->on_failure == y->on_failure && x->restarts_max == y->restarts_max &&
         x->within_ms == y->within_ms && x->delay_ms == y->delay_ms &&
         x->delay_max_ms == y->delay_max_ms && x->dead_letters_max == y->dead_letters_max;
}

/* The instances of a description that was there as it is now load the same: where the first has not
 * changed, the others have not. How many of them it says that of. */
static size_t described_before(const struct reread *reread, const struct hgl_node_agent *agent)
{
  const struct hgl_node_config *now = &reread->now->node;
  for (size_t i = 0; i < now->agent_count; i++)
    if (same_description(&now->agents[i], agent)) return hgl_node_agent_count(&now->agents[i]);
  return 0;
}

static void take_over(struct reread *reread, const struct hgl_node_agent *agent)
{
  size_t count = hgl_node_agent_count(agent), before = described_before(reread, agent);
  bool changed = false;
  for (size_t i = 0; i < count; i++) {
    char name[HGL_NAME_SIZE_MAX + 1];
    struct hgl_node_agent one = *agent;
    hgl_node_agent_name(agent, i, name);
    one.name = name;
    one.count = 0;
    if (!is_there(reread, name))
      add(reread, &one);
    else if (i == 0 || changed || i >= before)
      change(reread, &one, &changed);
    beat(reread);
  }
}

static int note_names(struct reread *reread, struct hgl_err *err)
{
  const struct hgl_node_config *next = &reread->next->node;
  int status = 0;
  for (size_t i = 0; !status && i < next->agent_count; i++) {
    for (size_t at = 0; !status && at < hgl_node_agent_count(&next->agents[i]); at++) {
      char name[HGL_NAME_SIZE_MAX + 1];
      hgl_node_agent_name(&next->agents[i], at, name);
      status = hgl_map_put(&reread->names, hgl_text(name), reread, err);
    }
  }
  return status;
}

static void remove_gone(struct reread *reread)
{
  const struct hgl_node_config *now = &reread->now->node;
  for (size_t i = 0; i < now->agent_count; i++) {
    for (size_t at = 0; at < hgl_node_agent_count(&now->agents[i]); at++) {
      char name[HGL_NAME_SIZE_MAX + 1];
      hgl_node_agent_name(&now->agents[i], at, name);
      if (!hgl_map_get(&reread->names, hgl_text(name))) remove_one(reread, name);
      beat(reread);
    }
  }
}

/* The host ---------------------------------------------------------------------------------- */

static const struct hgl_group_config *find_group(const struct hgl_config *config, const char *name)
{
  for (size_t i = 0; i < config->node.group_count; i++)
    if (strcmp(config->groups[i].name, name) == 0) return &config->groups[i];
  return NULL;
}

/* Before the agents that name it. */
static void add_groups(struct reread *reread)
{
  struct hgl_err err;
  for (size_t i = 0; i < reread->next->node.group_count; i++) {
    const struct hgl_group_config *group = &reread->next->groups[i];
    const struct hgl_group_config *before = find_group(reread->now, group->name);
    bool same = before && before->strategy == group->strategy &&
                before->restarts_max == group->restarts_max &&
                before->within_ms == group->within_ms;
    if (same) continue;
    reread->differs = true;
    if (before)
      hgl_log(reread->log, HGL_LOG_WARN, "host",
              "group %s has changed: that counts from the next start on", group->name);
    else if (hgl_host_add_group(hgl_node_host(reread->node), group, &err))
      hgl_log(reread->log, HGL_LOG_ERROR, "host", "group %s: %s", group->name, err.message);
    else
      hgl_log(reread->log, HGL_LOG_INFO, "host", "group %s is added", group->name);
  }
}

static bool has_text(const struct hgl_texts *texts, const char *text)
{
  for (size_t i = 0; i < texts->count; i++)
    if (strcmp(texts->items[i], text) == 0) return true;
  return false;
}

static void add_joins(struct reread *reread)
{
  const struct hgl_texts *now = &reread->now->node.joins, *next = &reread->next->node.joins;
  struct hgl_err err;
  for (size_t i = 0; i < next->count; i++) {
    if (has_text(now, next->items[i])) continue;
    reread->differs = true;
    if (hgl_node_join(reread->node, next->items[i], &err))
      hgl_log(reread->log, HGL_LOG_ERROR, "host", "join %s: %s", next->items[i], err.message);
    else
      hgl_log(reread->log, HGL_LOG_INFO, "host", "joins %s", next->items[i]);
  }
  for (size_t i = 0; i < now->count; i++) {
    if (has_text(next, now->items[i])) continue;
    reread->differs = true;
    hgl_log(reread->log, HGL_LOG_WARN, "host",
            "%s is joined no more: that counts from the next start on", now->items[i]);
  }
}

static void set_log(struct reread *reread, struct hgl_log_sink *sink)
{
  static const char *const at_start[] = {"format", "file", "size", "keep"};
  const json_t *now = json_object_get(reread->now->tree, "log");
  const json_t *next = json_object_get(reread->next->tree, "log");
  struct hgl_err err;
  if (json_equal(now, next) || (!now && !next)) return;
  reread->differs = true;
  if (sink && hgl_log_sink_set_all(sink, reread->next->log.level, reread->next->log.agents, &err))
    hgl_log(reread->log, HGL_LOG_ERROR, "host", "log: %s", err.message);
  else
    hgl_log(reread->log, HGL_LOG_INFO, "host", "the levels of the log are taken over");
  for (size_t i = 0; i < sizeof at_start / sizeof *at_start; i++) {
    const json_t *a = json_object_get(now, at_start[i]), *b = json_object_get(next, at_start[i]);
    if ((a || b) && !json_equal(a, b))
      hgl_log(reread->log, HGL_LOG_WARN, "host",
              "log.%s has changed: that counts from the next start on", at_start[i]);
  }
}

static void set_grace(struct reread *reread)
{
  if (reread->now->node.grace_ms == reread->next->node.grace_ms) return;
  reread->differs = true;
  hgl_node_set_grace(reread->node, reread->next->node.grace_ms);
  hgl_log(reread->log, HGL_LOG_INFO, "host", "the grace time is taken over");
}

static bool is_taken_over(const char *key)
{
  static const char *const keys[] = {"agents", "groups", "join", "log", "grace", NULL};
  const char *const *at = keys;
  while (*at && strcmp(*at, key) != 0) at++;
  return *at != NULL;
}

static void name_one(struct reread *reread, const char *key)
{
  const json_t *now = json_object_get(reread->now->tree, key);
  const json_t *next = json_object_get(reread->next->tree, key);
  if (is_taken_over(key) || json_equal(now, next)) return;
  reread->differs = true;
  hgl_log(reread->log, HGL_LOG_WARN, "host", "%s has changed: that counts from the next start on",
          key);
}

/* All other keys only count at a start. */
static void name_others(struct reread *reread)
{
  const char *key;
  json_t *value;
  json_object_foreach(reread->next->tree, key, value) name_one(reread, key);
  json_object_foreach(reread->now->tree, key, value)
  {
    if (!json_object_get(reread->next->tree, key)) name_one(reread, key);
  }
}

static void sum_up(const struct reread *reread)
{
  const struct told *told = &reread->told;
  if (!told->added && !told->removed && !told->changed && !told->failed && !reread->differs) {
    hgl_log(reread->log, HGL_LOG_INFO, "host", "the host file was read again: nothing differs");
    return;
  }
  hgl_log(reread->log, HGL_LOG_INFO, "host",
          "the host file was read again: %zu agents added, %zu changed, %zu removed, %zu failed",
          told->added, told->changed, told->removed, told->failed);
}

void hgl_reread(struct hgl_node *node, const struct hgl_config *now, const struct hgl_config *next,
                const struct hgl_log *log)
{
  struct reread reread = {.node = node, .now = now, .next = next, .log = log};
  struct hgl_err err;
  hgl_map_init(&reread.names, hgl_random_u64(&hgl_random_system),
               hgl_random_u64(&hgl_random_system));
  if (note_names(&reread, &err)) {
    hgl_log(log, HGL_LOG_ERROR, "host", "the host file is not taken over: %s", err.message);
  } else {
    add_groups(&reread);
    remove_gone(&reread);
    for (size_t i = 0; i < next->node.agent_count; i++) take_over(&reread, &next->node.agents[i]);
    add_joins(&reread);
    set_grace(&reread);
    set_log(&reread, now->node.log_sink);
    name_others(&reread);
    sum_up(&reread);
  }
  hgl_map_deinit(&reread.names);
}
