/* What is done about agents that fail. A raise in a handler is no failure of its agent: the stretch
 * is rolled back and tried again, and in the end its message is a dead letter (run.c). The agent as
 * such has failed when
 *
 *   - its on_start or on_upgrade raised in every attempt,
 *   - a stretch ran into the agent's memory or time in every attempt,
 *   - too many of its messages became dead letters within a time, or
 *   - its script does not load when it is to begin again.
 *
 * It then begins again, after a delay that doubles with each restart within a time; when there have
 * been too many it is parked, and the operator decides. Nothing of it is lost meanwhile: messages
 * wait in its mailbox. */
#include "agent/supervise.h"

/* ---- windows ---- */

int window_add(struct window *window, int64_t now_ms, struct hgl_err *err)
{
  if (!window->times) window->times = hgl_array(window->max, sizeof *window->times);
  if (!window->times) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  window->times[(window->first + window->count) % window->max] = now_ms;
  if (window->count < window->max)
    window->count++;
  else
    window->first = (window->first + 1) % window->max;
  return 0;
}

size_t window_count(struct window *window, int64_t now_ms, int64_t within_ms)
{
  while (window->count && now_ms - window->times[window->first] >= within_ms) {
    window->first = (window->first + 1) % window->max;
    window->count--;
  }
  return window->count;
}

void window_deinit(struct window *window)
{
  hgl_free(window->times);
  *window = (struct window){.max = window->max};
}

void restart_complete(struct hgl_restart *restart)
{
  if (!restart->restarts_max) restart->restarts_max = HGL_RESTARTS_DEFAULT;
  if (!restart->within_ms) restart->within_ms = HGL_RESTART_WITHIN_MS_DEFAULT;
  if (!restart->delay_ms) restart->delay_ms = HGL_RESTART_DELAY_MS_DEFAULT;
  if (!restart->delay_max_ms) restart->delay_max_ms = HGL_RESTART_DELAY_MAX_MS_DEFAULT;
  if (restart->delay_max_ms < restart->delay_ms) restart->delay_max_ms = restart->delay_ms;
  if (!restart->dead_letters_max) restart->dead_letters_max = HGL_RESTART_DEAD_LETTERS_DEFAULT;
}

/* ---- deciding ---- */

static void give_reason(struct child *child, const char *why)
{
  char *copy = hgl_strndup(why, strlen(why));
  if (!copy) return;
  hgl_free(child->reason);
  child->reason = copy;
}

static void tell(struct child *child, const char *what, const char *why)
{
  watch_event(child->host, "agent",
              json_pack("{s:s, s:s, s:o}", "name", child->name, "what", what, "why",
                        json_words(hgl_text(why))));
}

static void park(struct child *child, const char *why)
{
  struct hgl_err err;
  if (child->standing != RUNNING || child->errand || !child->agent) return;
  child->broken = true;
  child_hold(child, true);
  host_log(child->host, HGL_LOG_ERROR, "%s is parked: %s", child->name, why);
  if (child_stand(child, PARKED, why, &err)) host_fatal(child->host, &err);
  tell(child, "parked", why);
}

static void begin_later(struct child *child, int64_t delay_ms, const char *why)
{
  struct hgl_host *host = child->host;
  struct hgl_err err;
  child->broken = true;
  give_reason(child, why);
  hgl_heap_remove(&host->restarts, &child->due);
  if (hgl_heap_push(&host->restarts, &child->due, host->mono_ms + delay_ms, &err))
    host_fatal(host, &err);
  host_log(host, HGL_LOG_WARN, "%s begins again in %lld ms: %s", child->name, (long long)delay_ms,
           why);
  tell(child, "restarting", why);
}

/* Another one of its group failed: it has its on_stop, and waits. */
static void begin_later_with(struct child *child, int64_t delay_ms, const char *why)
{
  struct hgl_err err;
  struct agent *agent = child->agent;
  if (child->standing != RUNNING || child->errand || child->due.index || !agent) return;
  if (agent->starting || agent->stopped)
    child_hold(child, true);
  else if (agent_notice(agent, MAIL_STOP, "", &err))
    host_fatal(child->host, &err);
  begin_later(child, delay_ms, why);
}

/* Of the group, those whom the failure of this one concerns: after it, or all. */
static struct child *first_concerned(struct child *failed)
{
  struct agent_group *group = failed->group;
  if (!group || group->strategy == HGL_ONE_FOR_ONE) return NULL;
  return group->strategy == HGL_ONE_FOR_ALL ? group->children.first : failed->in[OF_GROUP].next;
}

static void park_with_group(struct child *failed, struct child *first, const char *why)
{
  char text[HGL_ERR_MESSAGE_SIZE];
  snprintf(text, sizeof text, "%s failed, of the same group: %s", failed->name, why);
  park(failed, why);
  for (struct child *child = first; child; child = child->in[OF_GROUP].next)
    if (child != failed) park(child, text);
}

static int64_t delay_of(const struct hgl_restart *policy, size_t restarts)
{
  int64_t delay_ms = policy->delay_ms;
  while (restarts-- && delay_ms < policy->delay_max_ms) delay_ms *= 2;
  return delay_ms < policy->delay_max_ms ? delay_ms : policy->delay_max_ms;
}

/* True: the window was full already, the failure is one too many; else it holds it. */
static bool is_too_much(struct child *child, struct window *window, int64_t within_ms)
{
  struct hgl_host *host = child->host;
  struct hgl_err err;
  if (window_count(window, host->mono_ms, within_ms) >= window->max) return true;
  if (window_add(window, host->mono_ms, &err)) host_fatal(host, &err);
  return false;
}

static void restart(struct child *failed, const char *why)
{
  struct hgl_host *host = failed->host;
  const struct hgl_restart *policy = &failed->restart;
  struct agent_group *group = failed->group;
  char text[HGL_ERR_MESSAGE_SIZE];
  size_t before = window_count(&failed->restarts, host->mono_ms, policy->within_ms);
  if (is_too_much(failed, &failed->restarts, policy->within_ms)) {
    snprintf(text, sizeof text, "failed %zu times within %lld s, at last: %s", before + 1,
             (long long)(policy->within_ms + 999) / 1000, why);
    park_with_group(failed, first_concerned(failed), text);
    return;
  }
  if (group && group->restarts.max && is_too_much(failed, &group->restarts, group->within_ms)) {
    snprintf(text, sizeof text, "the group %s failed %zu times within %lld s, at last: %s",
             group->name, group->restarts.max + 1, (long long)(group->within_ms + 999) / 1000, why);
    park_with_group(failed, group->children.first, text);
    return;
  }
  int64_t delay_ms = delay_of(policy, before);
  snprintf(text, sizeof text, "%s failed, of the same group", failed->name);
  child_hold(failed, true);
  /* They begin in the order in which they wait: that of the group. */
  struct child *first = first_concerned(failed);
  if (!group || first != group->children.first) begin_later(failed, delay_ms, why);
  for (struct child *child = first; child; child = child->in[OF_GROUP].next) {
    if (child == failed)
      begin_later(child, delay_ms, why);
    else
      begin_later_with(child, delay_ms, text);
  }
}

static void stop(struct child *child, const char *why)
{
  struct hgl_err err;
  host_log(child->host, HGL_LOG_ERROR, "%s is stopped: %s", child->name, why);
  give_reason(child, why);
  child->broken = true;
  child_hold(child, true);
  if (child_send(child, STOP, &err)) host_fatal(child->host, &err);
  tell(child, "stopped", why);
}

static void failed(struct child *child, const char *why)
{
  switch (child->restart.on_failure) {
  case HGL_ON_FAILURE_RESTART:
    restart(child, why);
    return;
  case HGL_ON_FAILURE_PARK:
    park(child, why);
    return;
  case HGL_ON_FAILURE_STOP:
    stop(child, why);
    return;
  }
}

/* A dead letter; true: it was the last that is permitted within the time. */
static bool too_many_dead_letters(struct child *child)
{
  struct hgl_host *host = child->host;
  struct hgl_err err;
  if (window_add(&child->dead_letters, host->mono_ms, &err)) host_fatal(host, &err);
  return window_count(&child->dead_letters, host->mono_ms, child->restart.within_ms) ==
         child->dead_letters.max;
}

void supervise_failed(struct agent *agent, enum mail_kind kind,
                      const struct hgl_vm_failure *failure)
{
  struct child *child = agent->child;
  struct hgl_host *host = agent->host;
  char why[HGL_ERR_MESSAGE_SIZE];
  if (host->stopping || child->errand || child->standing != RUNNING || kind == MAIL_STOP) return;
  if (kind == MAIL_START || kind == MAIL_UPGRADE) {
    snprintf(why, sizeof why, "%s: %s", kind == MAIL_START ? "on_start" : "on_upgrade",
             failure->error.message);
  } else if (failure->exhausted) {
    snprintf(why, sizeof why, "%s", failure->error.message);
  } else if (too_many_dead_letters(child)) {
    snprintf(why, sizeof why, "dead letters within %lld s: %zu, the last: %s",
             (long long)(child->restart.within_ms + 999) / 1000, child->dead_letters.max,
             failure->error.message);
    window_deinit(&child->dead_letters);
  } else {
    return;
  }
  failed(child, why);
}

void supervise_broken(struct child *child, const char *why)
{
  struct hgl_err err;
  if (child->agent) {
    failed(child, why);
    return;
  }
  host_log(child->host, HGL_LOG_ERROR, "%s stays stopped: %s", child->name, why);
  if (child_stand(child, STOPPED, why, &err)) host_fatal(child->host, &err);
}
