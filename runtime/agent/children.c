/* What agents are made of, and how one is made anew, ended or removed while the host runs. That a
 * restart of an agent goes through the same steps as a restart of the host is what makes it safe:
 * what is not in its rows is not carried over. */
#include "agent/look.h"
#include "agent/supervise.h"

#include <assert.h>

enum { STANDING_KEY_SIZE = HGL_NAME_SIZE_MAX + 16 };

struct child *child_by_name(const struct hgl_host *host, struct hgl_bytes name)
{
  return hgl_map_get(&host->children_by_name, name);
}

/* ---- lists ---- */

static void list_add(struct children *list, struct child *child, enum child_list which)
{
  child->in[which].previous = list->last;
  child->in[which].next = NULL;
  *(list->last ? &list->last->in[which].next : &list->first) = child;
  list->last = child;
}

static void list_remove(struct children *list, struct child *child, enum child_list which)
{
  struct child *previous = child->in[which].previous, *next = child->in[which].next;
  *(previous ? &previous->in[which].next : &list->first) = next;
  *(next ? &next->in[which].previous : &list->last) = previous;
}

/* ---- scripts ---- */

int script_text_hold(struct hgl_host *host, struct hgl_bytes source, struct script **out,
                     struct hgl_err *err)
{
  struct hgl_hash hash;
  *out = NULL;
  if (!source.size) return 0;
  hgl_sha256(&source, 1, &hash);
  struct script *script = hgl_map_get(&host->scripts, hgl_bytes(hash.bytes, sizeof hash.bytes));
  if (!script) {
    script = hgl_alloc(sizeof *script + source.size);
    if (!script) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    *script = (struct script){.hash = hash, .size = source.size};
    memcpy(script->text, source.data, source.size);
    int status = hgl_map_put(&host->scripts, hgl_bytes(hash.bytes, sizeof hash.bytes), script, err);
    if (status) {
      hgl_free(script);
      return status;
    }
  }
  script->refs++;
  *out = script;
  return 0;
}

void script_text_release(struct hgl_host *host, struct script *script)
{
  if (!script || --script->refs) return;
  hgl_map_remove(&host->scripts, hgl_bytes(script->hash.bytes, sizeof script->hash.bytes));
  hgl_free(script);
}

void child_take_script(struct child *child, struct script *script)
{
  child->reloads = child->reloads || script != child->script;
  script_text_release(child->host, child->script);
  child->script = script;
}

int child_set_script(struct child *child, struct hgl_bytes source, struct hgl_err *err)
{
  struct script *script;
  int status = script_text_hold(child->host, source, &script, err);
  if (!status) child_take_script(child, script);
  return status;
}

/* ---- limits ---- */

static struct hgl_bytes limits_key(const struct hgl_agent_limits *limits)
{
  return hgl_bytes(limits, sizeof *limits); /* integers of one size: without padding */
}

static int hold_limits(struct hgl_host *host, const struct hgl_agent_limits *wanted,
                       const struct hgl_agent_limits **out, struct hgl_err *err)
{
  struct hgl_agent_limits limits = *wanted;
  hgl_limits_complete(&limits);
  struct shared_limits *shared = hgl_map_get(&host->limits, limits_key(&limits));
  if (!shared) {
    shared = hgl_zalloc(sizeof *shared);
    if (!shared) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    shared->limits = limits;
    int status = hgl_map_put(&host->limits, limits_key(&limits), shared, err);
    if (status) {
      hgl_free(shared);
      return status;
    }
  }
  shared->refs++;
  *out = &shared->limits;
  return 0;
}

static void release_limits(struct hgl_host *host, const struct hgl_agent_limits *limits)
{
  struct shared_limits *shared = (struct shared_limits *)limits;
  if (!shared || --shared->refs) return;
  hgl_map_remove(&host->limits, limits_key(limits));
  hgl_free(shared);
}

/* ---- groups ---- */

int hgl_host_add_group(struct hgl_host *host, const struct hgl_group_config *config,
                       struct hgl_err *err)
{
  struct hgl_bytes name = hgl_text(config->name);
  if (hgl_map_get(&host->groups, name))
    return hgl_fail(err, HGL_EXISTS, "there is already a group named %s", config->name);
  if (host->groups.count >= HGL_GROUPS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d groups", HGL_GROUPS_MAX);
  struct agent_group *group = hgl_zalloc(sizeof *group + name.size + 1);
  if (!group) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  group->strategy = config->strategy;
  group->within_ms = config->within_ms ? config->within_ms : HGL_RESTART_WITHIN_MS_DEFAULT;
  group->restarts.max = (size_t)config->restarts_max;
  memcpy(group->name, name.data, name.size);
  int status = hgl_map_put(&host->groups, name, group, err);
  if (status) hgl_free(group);
  return status;
}

int group_find(struct hgl_host *host, const char *name, struct agent_group **out,
               struct hgl_err *err)
{
  struct agent_group *group = name ? hgl_map_get(&host->groups, hgl_text(name)) : NULL;
  if (name && !group) return hgl_fail(err, HGL_NOT_FOUND, "there is no group named %s", name);
  *out = group;
  return 0;
}

void child_set_group(struct child *child, struct agent_group *group)
{
  if (child->group == group) return;
  if (child->group) list_remove(&child->group->children, child, OF_GROUP);
  child->group = group;
  if (group) list_add(&group->children, child, OF_GROUP);
}

/* ---- children ---- */

void child_destroy(struct child *child)
{
  if (!child) return;
  child_destroy(child->next);
  hgl_heap_remove(&child->host->restarts, &child->due);
  script_text_release(child->host, child->script);
  release_limits(child->host, child->limits);
  hgl_buf_deinit(&child->delegation);
  hgl_buf_deinit(&child->config);
  for (char **grant = child->grants; grant && *grant; grant++) hgl_free(*grant);
  hgl_free(child->grants);
  window_deinit(&child->restarts);
  window_deinit(&child->dead_letters);
  hgl_free(child->reason);
  hgl_free(child->script_path);
  hgl_free(child->name);
  hgl_free(child);
}

static int copy_grants(struct child *child, const char *const *grants, struct hgl_err *err)
{
  size_t count = 0;
  while (grants && grants[count]) count++;
  if (!count) return 0;
  child->grants = hgl_array(count + 1, sizeof *child->grants);
  if (!child->grants) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < count; i++)
    if (!(child->grants[i] = hgl_strndup(grants[i], strlen(grants[i]))))
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return 0;
}

static int copy_rest(struct child *child, const struct hgl_agent_config *config,
                     struct hgl_err *err)
{
  const char *path = config->script_path ? config->script_path : "";
  int status;
  child->name = hgl_strndup(config->name, strlen(config->name));
  child->script_path = hgl_strndup(path, strlen(path));
  if (!child->name || !child->script_path) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_append_bytes(&child->delegation, config->delegation);
  hgl_buf_append_bytes(&child->config, config->config);
  if ((status = hgl_buf_check(&child->delegation, err)) ||
      (status = hgl_buf_check(&child->config, err)) ||
      (status = script_text_hold(child->host, config->source, &child->script, err)) ||
      (status = hold_limits(child->host, &config->limits, &child->limits, err)))
    return status;
  return copy_grants(child, config->grants, err);
}

int child_create(struct hgl_host *host, const struct hgl_agent_config *config, struct child **out,
                 struct hgl_err *err)
{
  struct child *child = hgl_zalloc(sizeof *child);
  if (!child) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  child->host = host;
  child->restart = config->restart;
  restart_complete(&child->restart);
  child->restarts.max = (size_t)child->restart.restarts_max;
  child->dead_letters.max = (size_t)child->restart.dead_letters_max;
  hgl_buf_init(&child->delegation, HGL_DELEGATION_SIZE_MAX);
  hgl_buf_init(&child->config, HGL_BODY_SIZE_MAX);
  int status = copy_rest(child, config, err);
  if (status) {
    child_destroy(child);
    return status;
  }
  *out = child;
  return 0;
}

static int enlist(struct child *child, const char *group, struct hgl_err *err)
{
  struct hgl_host *host = child->host;
  struct agent_group *found;
  int status = group_find(host, group, &found, err);
  if (!status) status = hgl_map_put(&host->children_by_name, hgl_text(child->name), child, err);
  if (status) return status;
  child_set_group(child, found);
  list_add(&host->children, child, OF_HOST);
  child->number = ++host->children_added;
  return 0;
}

static void unlist(struct child *child)
{
  struct hgl_host *host = child->host;
  if (host->page_end == child) host->page_end = child->in[OF_HOST].previous;
  for (struct hgl_agent_walk *walk = host->walks; walk; walk = walk->next)
    if (walk->at == child) walk->at = child->in[OF_HOST].next;
  list_remove(&host->children, child, OF_HOST);
  child_set_group(child, NULL);
  if (child->errand) list_remove(&host->errands, child, WITH_ERRAND);
  if (child->standing == PARKED) {
    list_remove(&host->parked, child, AS_PARKED);
    host->parked_count--;
  }
  hgl_map_remove(&host->children_by_name, hgl_text(child->name));
}

void children_deinit(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  for (struct child *child; (child = host->children.first);) {
    host->children.first = child->in[OF_HOST].next;
    child_destroy(child);
  }
  for (size_t i = 0; (slot = hgl_map_next(&host->groups, &i));) {
    struct agent_group *group = slot->value;
    window_deinit(&group->restarts);
    hgl_free(group);
  }
  hgl_map_deinit(&host->groups);
  hgl_map_deinit(&host->scripts);
  hgl_map_deinit(&host->limits);
  hgl_map_deinit(&host->children_by_name);
}

/* ---- how a child stands, durably ---- */

static const char *const standings[] = {"running", "paused", "parked", "stopped"};

static struct hgl_bytes standing_key(const struct child *child, char out[STANDING_KEY_SIZE])
{
  int size = snprintf(out, STANDING_KEY_SIZE, "agent/%s", child->name);
  return hgl_bytes(out, (size_t)size);
}

static void set_standing(struct child *child, enum standing standing)
{
  struct hgl_host *host = child->host;
  if ((child->standing == PARKED) != (standing == PARKED)) {
    if (standing == PARKED) {
      list_add(&host->parked, child, AS_PARKED);
      host->parked_count++;
    } else {
      list_remove(&host->parked, child, AS_PARKED);
      host->parked_count--;
    }
  }
  child->standing = standing;
}

/* [standing, reason] */
int child_stand(struct child *child, enum standing standing, const char *reason,
                struct hgl_err *err)
{
  char key[STANDING_KEY_SIZE];
  char *copy = reason ? hgl_strndup(reason, strlen(reason)) : NULL;
  struct hgl_writeset *writes = host_writes(child->host);
  if (reason && !copy) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_free(child->reason);
  child->reason = copy;
  set_standing(child, standing);
  host_request_tick(child->host);
  if (standing == RUNNING)
    return hgl_writeset_delete(writes, HGL_DB_META, standing_key(child, key), err);
  struct hgl_buf row;
  hgl_buf_init(&row, 4096);
  hgl_cbor_put_list(&row, 2);
  hgl_cbor_put_literal(&row, standings[standing]);
  put_words(&row, copy ? copy : "");
  int status = hgl_buf_check(&row, err);
  if (!status)
    status = hgl_writeset_put(writes, HGL_DB_META, standing_key(child, key), hgl_buf_bytes(&row),
                              err);
  hgl_buf_deinit(&row);
  return status;
}

static int load_standing(struct child *child, struct hgl_err *err)
{
  char key[STANDING_KEY_SIZE];
  struct hgl_buf row;
  struct hgl_bytes standing, reason;
  size_t count;
  hgl_buf_init(&row, 4096);
  int status = hgl_store_get(child->host->config.store, HGL_DB_META, standing_key(child, key), &row,
                             err);
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&row));
  if (status == -HGL_NOT_FOUND) {
    status = 0;
  } else if (!status && !(status = hgl_cbor_get_list(&in, "standing", 2, &count, err)) &&
             !(status = hgl_cbor_get_text(&in, "standing", 16, &standing, err)) &&
             !(status = hgl_cbor_get_text(&in, "reason", 4096, &reason, err))) {
    for (int i = PAUSED; i <= STOPPED; i++)
      if (hgl_bytes_is(standing, standings[i])) set_standing(child, (enum standing)i);
    if (reason.size) child->reason = hgl_strndup((const char *)reason.data, reason.size);
  }
  hgl_buf_deinit(&row);
  return status;
}

/* ---- its agent ---- */

void child_hold(struct child *child, bool held)
{
  child->agent->held = held;
  if (!held) agent_ready(child->agent);
}

bool child_begins_anew(const struct child *child)
{
  return child->broken || child->standing == PARKED;
}

const struct child *child_described(const struct child *child)
{
  return child->next ? child->next : child;
}

/* `as`: what it is described as. */
static int make(struct child *child, struct child *as, struct agent **out, bool *found,
                struct hgl_err *err)
{
  struct agent *agent;
  int status = agent_make(as, &agent, found, err);
  if (status) return status;
  const struct agent *other = agent_by_key(child->host, &agent->key);
  if (other && other != child->agent) {
    agent_destroy(agent);
    return hgl_fail(err, HGL_EXISTS, "%s has the identity of another agent here", child->name);
  }
  *out = agent;
  return 0;
}

int child_try(struct child *child, struct hgl_err *err)
{
  struct agent *agent;
  bool found;
  int status = make(child, child->next ? child->next : child, &agent, &found, err);
  if (!status) agent_destroy(agent);
  return status;
}

/* All that waits for the agent has its row, so that it can be read back. */
static int drop_agent(struct child *child, struct hgl_err *err)
{
  struct hgl_host *host = child->host;
  struct agent *agent = child->agent;
  int status = host->new_first ? mailbox_persist(host, err) : 0;
  agent_undefer(agent);
  if (!status) status = runs_persist(host, err);
  if (status) return status;
  assert(!agent->dirty); /* its state was flushed by the tick that changed it */
  agent_unlist(agent);
  agent_destroy(agent);
  child->agent = NULL;
  return 0;
}

/* What is counted goes on over restarts. */
static void carry_over(struct agent *from, struct agent *to)
{
  to->handled = from->handled;
  to->sent = from->sent;
  to->raised = from->raised;
  to->raised_lately = from->raised_lately;
  to->refused = from->refused;
  to->last_error = from->last_error;
  to->last_raise = from->last_raise;
  from->last_error = from->last_raise = NULL;
}

static int begin(struct child *child, struct hgl_err *err)
{
  struct hgl_host *host = child->host;
  struct agent *agent;
  bool found, again = child->agent != NULL;
  int status = make(child, child, &agent, &found, err);
  if (status) return status;
  struct hgl_key before = again ? child->agent->key : agent->key;
  hgl_heap_remove(&host->restarts, &child->due);
  if (again) {
    carry_over(child->agent, agent);
    child->restarted++;
    host->metering.meter.restarts++;
    status = drop_agent(child, err);
  }
  if (!status) status = agent_enlist(agent, err);
  if (status) {
    agent_destroy(agent);
    if (again) host_fatal(host, err); /* the one before is gone */
    return status;
  }
  child->agent = agent;
  agent->held = child->standing != RUNNING;
  const char *reason = child->reloads ? "reloaded" : NULL;
  child->broken = child->reloads = false;
  host->changed = true;
  host_request_tick(host);
  tick_now(host);
  status = agent_open(agent, found, reason, err);
  if (!status && !hgl_key_equal(&before, &agent->key)) status = agent_withdraw(host, &before, err);
  if (status) host_fatal(host, err); /* half stands */
  if (again && !status)
    watch_event(host, "agent", json_pack("{s:s, s:s}", "name", child->name, "what", "restarted"));
  return status;
}

/* The agent before has the description before until it is dropped. */
int child_begin(struct child *child, struct hgl_err *err)
{
  struct child *next = child->next;
  child->next = NULL;
  if (next) child_swap(child, next);
  int status = begin(child, err);
  if (next && status && !child->host->failed) {
    child_swap(child, next);
    child->next = next;
  } else {
    child_destroy(next);
  }
  return status;
}

int child_end(struct child *child, struct hgl_err *err)
{
  struct hgl_host *host = child->host;
  hgl_heap_remove(&host->restarts, &child->due);
  if (!child->agent) return 0;
  struct hgl_key key = child->agent->key;
  int status = drop_agent(child, err);
  return status ? status : agent_withdraw(host, &key, err);
}

/* ---- errands ---- */

int child_send(struct child *child, enum errand errand, struct hgl_err *err)
{
  struct hgl_host *host = child->host;
  struct agent *agent = child->agent;
  bool began = child->errand != NO_ERRAND;
  if (!began) list_add(&host->errands, child, WITH_ERRAND);
  child->errand = errand;
  host_request_tick(host);
  hgl_heap_remove(&host->restarts, &child->due);
  if (began || !agent || agent->stopped) return 0;
  if (agent->script && !agent->held && !agent->starting)
    return agent_notice(agent, MAIL_STOP, "", err);
  agent->stopped = true;
  return 0;
}

static int forget_standing(struct child *child, struct hgl_err *err)
{
  char key[STANDING_KEY_SIZE];
  return hgl_writeset_delete(host_writes(child->host), HGL_DB_META, standing_key(child, key), err);
}

/* The child is gone afterwards. */
static int remove_child(struct child *child, bool forget, struct hgl_err *err)
{
  int status;
  if ((status = child_end(child, err)) || (status = forget_standing(child, err)) ||
      (forget && (status = erase_agent(child->host, child->name, err))))
    return status;
  watch_event(child->host, "agent",
              json_pack("{s:s, s:s}", "name", child->name, "what", "removed"));
  unlist(child);
  child_destroy(child);
  return 0;
}

static int begin_anew(struct child *child, struct hgl_err *err)
{
  struct hgl_err why;
  int status = child_stand(child, RUNNING, NULL, err);
  if (!status && child_begin(child, &why) && !child->host->failed)
    supervise_broken(child, why.message);
  return status;
}

static int run_errand(struct child *child, struct hgl_err *err)
{
  enum errand errand = child->errand;
  int status;
  child->errand = NO_ERRAND;
  list_remove(&child->host->errands, child, WITH_ERRAND);
  switch (errand) {
  case NO_ERRAND:
    return 0;
  case RESTART:
    return begin_anew(child, err);
  case STOP:
    status = child_end(child, err);
    return status ? status : child_stand(child, STOPPED, child->reason, err);
  case REMOVE:
  case FORGET:
    return remove_child(child, errand == FORGET, err);
  }
  return 0;
}

static int run_errands(struct hgl_host *host, struct hgl_err *err)
{
  int status = 0;
  for (struct child *child = host->errands.first, *next; child && !status; child = next) {
    next = child->in[WITH_ERRAND].next;
    if (!child->agent || child->agent->stopped) status = run_errand(child, err);
  }
  return status;
}

static void begin_due(struct hgl_host *host)
{
  struct hgl_heap_entry *first;
  while (!host->failed && (first = hgl_heap_first(&host->restarts)) &&
         first->due <= host->mono_ms) {
    struct child *child = (struct child *)first;
    struct hgl_err why;
    hgl_heap_remove(&host->restarts, first);
    if (child_begin(child, &why) && !host->failed) supervise_broken(child, why.message);
  }
}

void children_settle(struct hgl_host *host)
{
  struct hgl_err err;
  if (!host->stopping) begin_due(host);
  reloads_run(host);
  if (host->errands.first && !host->failed && run_errands(host, &err)) host_fatal(host, &err);
  if (host->erasing_count && !host->failed && erase_some(host, &err)) host_fatal(host, &err);
  if (host->changed) host_request_tick(host);
}

int64_t children_deadline_ms(const struct hgl_host *host)
{
  const struct hgl_heap_entry *first = hgl_heap_first(&host->restarts);
  return first && !host->stopping ? first->due : INT64_MAX;
}

/* ---- adding ---- */

static int check_name(struct hgl_host *host, const char *name, struct hgl_err *err)
{
  size_t size = strlen(name);
  if (!size || size > HGL_NAME_SIZE_MAX ||
      strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != size)
    return hgl_fail(err, HGL_INVALID,
                    "'%.80s' is no agent's name: 1 to %d letters, digits, '.', '_' and '-'", name,
                    HGL_NAME_SIZE_MAX);
  if (child_by_name(host, hgl_text(name)))
    return hgl_fail(err, HGL_EXISTS, "there is already an agent named %s", name);
  if (host->children_by_name.count >= HGL_AGENTS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d agents", HGL_AGENTS_MAX);
  return 0;
}

static int begin_first(struct child *child, bool resume, struct hgl_err *err)
{
  int status = load_standing(child, err);
  if (!status && resume && child->standing != RUNNING)
    status = child_stand(child, RUNNING, NULL, err);
  if (status || child->standing == STOPPED) return status;
  return child_begin(child, err);
}

int hgl_host_add_agent(struct hgl_host *host, const struct hgl_agent_config *config,
                       struct hgl_err *err)
{
  struct child *child = NULL;
  int status = check_name(host, config->name, err);
  if (!status) status = child_create(host, config, &child, err);
  if (status) return status;
  if ((status = enlist(child, config->group, err))) {
    child_destroy(child);
    return status;
  }
  if ((status = begin_first(child, config->resume, err)) && !host->failed) {
    unlist(child);
    child_destroy(child);
  }
  return status;
}
