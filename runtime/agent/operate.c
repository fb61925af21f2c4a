/* What the operator decides about single agents while the host runs. */
#include "agent/supervise.h"

struct settle_waiter {
  struct settle_waiter *next;
  uint64_t tick; /* whose commit it waits for; 0: the agent has not come to rest yet */
  void (*settled)(void *user, json_t *agent, const struct hgl_err *why);
  void *user;
  char name[];
};

static int find(struct hgl_host *host, const char *name, struct child **out, struct hgl_err *err)
{
  struct child *child = child_by_name(host, hgl_text(name));
  if (!child) return hgl_fail(err, HGL_NOT_FOUND, "there is no agent named %.80s here", name);
  if (!child->script)
    return hgl_fail(err, HGL_INVALID, "%s is the agent through which you speak", name);
  if (host->failed || host->stopping) return hgl_fail(err, HGL_CLOSED, "the host stops");
  *out = child;
  return 0;
}

static void calm(struct child *child)
{
  window_deinit(&child->restarts);
  window_deinit(&child->dead_letters);
}

static int fail_busy(const struct child *child, struct hgl_err *err)
{
  return hgl_fail(err, HGL_INVALID, "%s is just being %s", child->name,
                  child->errand == RESTART ? "restarted"
                  : child->errand == STOP  ? "stopped"
                                           : "removed");
}

int hgl_host_pause_agent(struct hgl_host *host, const char *name, struct hgl_err *err)
{
  struct child *child;
  int status = find(host, name, &child, err);
  if (status) return status;
  if (child->errand) return fail_busy(child, err);
  if (child->standing == PAUSED) return 0;
  if (child->standing != RUNNING || !child->agent)
    return hgl_fail(err, HGL_INVALID, "%s is %s: nothing of it runs", name,
                    child->standing == PARKED ? "parked" : "stopped");
  hgl_heap_remove(&host->restarts, &child->due);
  child_hold(child, true);
  return child_stand(child, PAUSED, NULL, err);
}

/* What failed, or is not here, begins from the start at the end of the next tick. */
static int begin_soon(struct child *child, struct hgl_err *err)
{
  struct hgl_host *host = child->host;
  hgl_heap_remove(&host->restarts, &child->due);
  tick_now(host);
  return hgl_heap_push(&host->restarts, &child->due, host->mono_ms, err);
}

int hgl_host_resume_agent(struct hgl_host *host, const char *name, struct hgl_err *err)
{
  struct child *child;
  int status = find(host, name, &child, err);
  if (status) return status;
  if (child->errand) return fail_busy(child, err);
  if (child->standing == RUNNING && !child->due.index) return 0;
  bool anew = child->broken || !child->agent || child->agent->stopped;
  if (anew && (status = child_try(child, err))) return status;
  if ((status = child_stand(child, RUNNING, NULL, err))) return status;
  calm(child);
  if (anew) return begin_soon(child, err);
  child_hold(child, false);
  return 0;
}

/* The reason of an earlier restart is none of what the operator wants now. */
static int send(struct child *child, enum errand errand, struct hgl_err *err)
{
  hgl_free(child->reason);
  child->reason = NULL;
  return child_send(child, errand, err);
}

int hgl_host_stop_agent(struct hgl_host *host, const char *name, struct hgl_err *err)
{
  struct child *child;
  int status = find(host, name, &child, err);
  if (status) return status;
  if (child->errand == REMOVE || child->errand == FORGET) return fail_busy(child, err);
  return child->standing == STOPPED ? 0 : send(child, STOP, err);
}

/* Of what it begins with: a description that waits takes the text, which is that of its file. */
static int replace_script(struct child *child, struct hgl_bytes source, struct hgl_err *err)
{
  struct child *described = child->next ? child->next : child;
  struct hgl_err ignored;
  struct hgl_buf before;
  bool reloads = described->reloads;
  hgl_buf_init(&before, described->script->size);
  hgl_buf_append(&before, described->script->text, described->script->size);
  int status = hgl_buf_check(&before, err);
  if (!status && source.size) status = child_set_script(described, source, err);
  if (!status && (status = child_try(child, err)) && source.size) {
    if (child_set_script(described, hgl_buf_bytes(&before), &ignored))
      host_fatal(child->host, &ignored);
    described->reloads = reloads;
  }
  hgl_buf_deinit(&before);
  return status;
}

int hgl_host_restart_agent(struct hgl_host *host, const char *name, struct hgl_bytes source,
                           struct hgl_err *err)
{
  struct child *child;
  int status = find(host, name, &child, err);
  if (status) return status;
  if (child->errand == REMOVE || child->errand == FORGET) return fail_busy(child, err);
  if ((status = replace_script(child, source, err))) return status;
  calm(child);
  return send(child, RESTART, err);
}

int hgl_host_remove_agent(struct hgl_host *host, const char *name, bool forget, struct hgl_err *err)
{
  struct child *child;
  int status = find(host, name, &child, err);
  if (status) return status;
  return send(child, forget ? FORGET : REMOVE, err);
}

int hgl_host_agent_script(struct hgl_host *host, const char *name, const char **out,
                          struct hgl_err *err)
{
  struct child *child;
  int status = find(host, name, &child, err);
  if (!status) *out = child_described(child)->script_path;
  return status;
}

/* ---- telling ---- */

int hgl_host_when_settled(struct hgl_host *host, const char *name,
                          void (*settled)(void *user, json_t *agent, const struct hgl_err *why),
                          void *user, struct hgl_err *err)
{
  size_t size = strlen(name) + 1;
  struct settle_waiter *waiter = hgl_zalloc(sizeof *waiter + size);
  if (!waiter) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  waiter->settled = settled;
  waiter->user = user;
  memcpy(waiter->name, name, size);
  waiter->next = host->waiters;
  host->waiters = waiter;
  host_request_tick(host);
  return 0;
}

static bool is_at_rest(const struct hgl_host *host, const struct child *child)
{
  return !child || (!child->errand && !(child->due.index && child->due.due <= host->mono_ms));
}

/* What is not committed yet belongs to the tick that begins now. */
static bool is_durable(const struct hgl_host *host, struct settle_waiter *waiter)
{
  if (!waiter->tick) waiter->tick = host->changed ? host->tick : host->tick - 1;
  return host->committed_tick >= waiter->tick;
}

static void tell(struct hgl_host *host, struct settle_waiter *waiter)
{
  const struct child *child = child_by_name(host, hgl_text(waiter->name));
  json_t *agent = child ? describe_child(child) : NULL;
  waiter->settled(waiter->user, agent, NULL);
  json_decref(agent);
  hgl_free(waiter);
}

/* Whoever is told may ask for more at once: that stands in front of the list. */
void operate_tell(struct hgl_host *host)
{
  struct settle_waiter *done = NULL;
  for (struct settle_waiter **at = &host->waiters, *waiter; (waiter = *at);) {
    const struct child *child = child_by_name(host, hgl_text(waiter->name));
    if (!is_at_rest(host, child) || !is_durable(host, waiter)) {
      at = &waiter->next;
      continue;
    }
    *at = waiter->next;
    waiter->next = done;
    done = waiter;
  }
  for (struct settle_waiter *waiter; (waiter = done);) {
    done = waiter->next;
    tell(host, waiter);
  }
}

void operate_deinit(struct hgl_host *host)
{
  struct hgl_err closed;
  hgl_fail(&closed, HGL_CLOSED, "the host stops");
  for (struct settle_waiter *waiter; (waiter = host->waiters);) {
    host->waiters = waiter->next;
    waiter->settled(waiter->user, NULL, &closed);
    hgl_free(waiter);
  }
}
