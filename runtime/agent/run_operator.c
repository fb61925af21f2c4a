/* The operator looks at handlers that are suspended, and decides on those that cannot go on. */
#include <assert.h>
#include <stdlib.h>

#include "agent/page.h"
#include "agent/show.h"

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

/* What is called and until when: not the request, which may hold what is nobody's business. */
static void describe_call(const struct agent_run *run, json_t *wait)
{
  const struct hgl_host *host = run->agent->host;
  struct hgl_bytes service = call_service(run);
  json_object_set_new(wait, "service", json_stringn((const char *)service.data, service.size));
  if (run->ask_count)
    json_object_set_new(wait, "until_ms",
                        json_integer(host->now_ms + run->asks[0].deadline_ms - host->mono_ms));
}

static json_t *describe_wait(const struct agent_run *run)
{
  static const char *const names[] = {"ask", "ask_all", "sleep", "exclusive", "call"};
  const struct hgl_host *host = run->agent->host;
  assert(run->waits < sizeof names / sizeof *names);
  json_t *wait = json_pack("{s:s}", "for", names[run->waits]);
  json_t *peers = json_array();
  if (run->waits_since_ms) /* else since before the host started */
    json_object_set_new(wait, "since_ms",
                        json_integer(host->now_ms + run->waits_since_ms - host->mono_ms));
  if (run->waits == HGL_VM_WAIT_SLEEP)
    json_object_set_new(wait, "until_ms", json_integer(run->until_ms));
  if (run->waits == HGL_VM_WAIT_LOCK)
    json_object_set_new(wait, "key", json_stringn((const char *)run->lock.data, run->lock.size));
  if (run->waits == HGL_VM_WAIT_CALL) describe_call(run, wait);
  for (size_t i = 0; i < run->ask_count && run->waits != HGL_VM_WAIT_CALL; i++) {
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
  static const char *const names[] = {"message", "undelivered", "timer",   "on_start", "on_upgrade",
                                      "on_stop", "continue",    "console", "http"};
  return names[run->mail->kind];
}

json_t *run_show(const struct agent_run *run)
{
  const struct message *message = run->mail->message;
  json_t *object = json_pack(
      "{s:I, s:s, s:s, s:o, s:s, s:o, s:I, s:I, s:b, s:s?, s:s?}", "row", (json_int_t)run->row,
      "agent", run->agent->name, "kind", kind_of(run), "handler",
      json_words(hgl_buf_bytes(&run->name)), "status", status_of(run), "waits", describe_wait(run),
      "stretches", (json_int_t)run->stretches, "attempt", (json_int_t)run->attempt, "old_script",
      run->script != run->agent->script, "why", run->why, "raise", run->raise);
  char id[2 * HGL_ID_SIZE + 1];
  if (!message || !object) return object;
  hgl_id_format(&message->envelope.id, id);
  json_object_set_new(object, "message", json_string(id));
  json_object_set_new(object, "from", json_did(&message->envelope.from));
  hgl_id_format(&message->envelope.thid, id);
  json_object_set_new(object, "thread", json_string(id));
  return object;
}

static int by_row(const void *a, const void *b)
{
  const struct agent_run *const *x = a, *const *y = b;
  return (*x)->row < (*y)->row ? -1 : (*x)->row > (*y)->row;
}

static bool is_wanted(const struct paging *paging, const struct agent *agent)
{
  return agent->run_count && page_wants(paging, hgl_text(agent->name));
}

/* Those with a row behind `last`, the oldest first. */
static int collect(struct hgl_host *host, const struct paging *paging, uint64_t last,
                   struct agent_run ***out, size_t *count, struct hgl_err *err)
{
  size_t all = 0, found = 0;
  for (size_t i = 0; i < host->agent_count; i++)
    if (is_wanted(paging, host->agents[i])) all += host->agents[i]->run_count;
  struct agent_run **runs = hgl_array(all + 1, sizeof(struct agent_run *));
  if (!runs) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < host->agent_count; i++)
    for (struct agent_run *run = is_wanted(paging, host->agents[i]) ? host->agents[i]->runs : NULL;
         run; run = run->next)
      if (run->stretches && run->row > last) runs[found++] = run;
  qsort((void *)runs, found, sizeof *runs, by_row);
  *out = runs;
  *count = found;
  return 0;
}

/* The cursor is the row of the last one told. */
int page_of_runs(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                 struct hgl_err *err)
{
  struct paging paging;
  struct agent_run **runs = NULL;
  size_t count = 0;
  uint8_t place[8];
  int status = page_begin(&paging, page, err);
  struct hgl_bytes after = page_after(&paging);
  if (!status && after.size && after.size != sizeof place)
    status = hgl_fail(err, HGL_INVALID, "this is no cursor of a list of suspended handlers");
  if (!status)
    status = collect(host, &paging, after.size ? hgl_get_be64(after.data) : 0, &runs, &count, err);
  for (size_t i = 0; i < count && !status && !page_full(&paging); i++)
    status = page_add(&paging, run_show(runs[i]), row_key(runs[i]->row, place), err);
  hgl_free((void *)runs);
  return page_end(&paging, status, out, err);
}

int hgl_host_list_runs(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  return page_of_runs(host, NULL, out, err);
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

int hgl_host_show_run(struct hgl_host *host, uint64_t row, json_t **out, struct hgl_err *err)
{
  struct agent_run *run;
  int status = need(host, row, &run, err);
  if (status) return status;
  *out = run_show(run);
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
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
