/* The operator looks at handlers that are suspended, and decides on those that cannot go on. */
#include "agent/internal.h"

#include <assert.h>

static struct agent_run *find(struct hgl_host *host, uint64_t row)
{
  for (size_t i = 0; i < host->agent_count; i++)
    for (struct agent_run *run = host->agents[i]->runs; run; run = run->next)
      if (run->stretches && run->row == row) return run;
  return NULL;
}

static const char *status_of(const struct agent_run *run)
{
  return run->parked ? "parked" : run->retrying ? "retrying" : "waiting";
}

static json_t *describe_wait(const struct agent_run *run)
{
  static const char *const names[] = {"ask", "ask_all", "sleep", "exclusive"};
  const struct hgl_host *host = run->agent->host;
  assert(run->waits < sizeof names / sizeof *names);
  json_t *wait = json_pack("{s:s}", "for", names[run->waits]);
  json_t *peers = json_array();
  if (run->waits == HGL_VM_WAIT_SLEEP)
    json_object_set_new(wait, "until_ms", json_integer(run->until_ms));
  if (run->waits == HGL_VM_WAIT_LOCK)
    json_object_set_new(wait, "key", json_stringn((const char *)run->lock.data, run->lock.size));
  for (size_t i = 0; i < run->ask_count; i++) {
    const struct ask *ask = &run->asks[i];
    json_array_append_new(peers,
                          json_pack("{s:o, s:b, s:I}", "of", json_did(&ask->peer), "answered",
                                    ask->done, "until_ms",
                                    (json_int_t)(host->now_ms + ask->deadline_ms - host->mono_ms)));
  }
  if (json_array_size(peers)) json_object_set(wait, "asks", peers);
  json_decref(peers);
  return wait;
}

static const char *kind_of(const struct agent_run *run)
{
  static const char *const names[] = {"message",    "undelivered", "timer",   "on_start",
                                      "on_upgrade", "on_stop",     "continue"};
  return names[run->mail->kind];
}

static json_t *describe(const struct agent_run *run)
{
  const struct message *message = run->mail->message;
  json_t *object = json_pack(
      "{s:I, s:s, s:s, s:s%, s:s, s:o, s:I, s:I, s:b, s:s?}", "row", (json_int_t)run->row, "agent",
      run->agent->name, "kind", kind_of(run), "handler",
      run->name.data ? (const char *)run->name.data : "", run->name.size, "status", status_of(run),
      "waits", describe_wait(run), "stretches", (json_int_t)run->stretches, "attempt",
      (json_int_t)run->attempt, "old_script", run->script != run->agent->script, "why", run->why);
  char id[2 * HGL_ID_SIZE + 1];
  if (!message || !object) return object;
  hgl_id_format(&message->envelope.id, id);
  json_object_set_new(object, "message", json_string(id));
  json_object_set_new(object, "from", json_did(&message->envelope.from));
  hgl_id_format(&message->envelope.thid, id);
  json_object_set_new(object, "thread", json_string(id));
  return object;
}

int hgl_host_list_runs(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  json_t *list = json_array();
  for (size_t i = 0; i < host->agent_count; i++)
    for (const struct agent_run *run = host->agents[i]->runs; run; run = run->next)
      if (run->stretches) json_array_insert_new(list, 0, describe(run));
  if (!list) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out = list;
  return 0;
}

static int need(struct hgl_host *host, uint64_t row, struct agent_run **out, struct hgl_err *err)
{
  struct agent_run *run = row ? find(host, row) : NULL;
  if (!run)
    return hgl_fail(err, HGL_NOT_FOUND, "there is no suspended handler %llu",
                    (unsigned long long)row);
  tick_now(host);
  *out = run;
  return 0;
}

int hgl_host_run_retry(struct hgl_host *host, uint64_t row, struct hgl_err *err)
{
  struct agent_run *run;
  int status = need(host, row, &run, err);
  if (status) return status;
  if (!run->parked && !run->retrying)
    return hgl_fail(err, HGL_INVALID, "this handler has not failed: it waits");
  run->parked = false;
  run->attempt = 1;
  run_wake(run);
  return 0;
}

int hgl_host_run_finish(struct hgl_host *host, uint64_t row, struct hgl_err *err)
{
  struct agent_run *run;
  int status = need(host, row, &run, err);
  if (status) return status;
  run_finish(run);
  host_request_tick(host);
  return 0;
}

int hgl_host_run_drop(struct hgl_host *host, uint64_t row, struct hgl_err *err)
{
  struct agent_run *run;
  int status = need(host, row, &run, err);
  if (status) return status;
  char *why = run->why;
  run->why = NULL;
  run_give_up(run, why ? HGL_DIVERGED : HGL_INTERRUPTED, why ? why : "dropped by the operator");
  hgl_free(why);
  host_request_tick(host);
  return 0;
}
