/* Which runs have something that is in no row yet, and when it comes into one: with the tick that
 * made it, or, where it was deferred (runs.h), some time later. Deferred runs stand in the order in
 * which they are due; a commit that others make passes them over. */
#include "agent/internal.h"

enum {
  LONG_MS = 1000,      /* what a model took so long for is not asked for again, */
  DEFERRED_MS = 5000,  /* nor is what it said in so long a time; */
  SAVED_RECORDS = 256, /* but of a tick that saves some, no more than about these */
};

static void unlink_run(struct agent_run *run)
{
  struct run_list *list = run->listed_in;
  struct agent_run *previous = run->previous_listed, *next = run->next_listed;
  if (!list) return;
  *(previous ? &previous->next_listed : &list->first) = next;
  *(next ? &next->previous_listed : &list->last) = previous;
  run->next_listed = run->previous_listed = NULL;
  run->listed_in = NULL;
}

static void link_run(struct agent_run *run, struct run_list *list)
{
  run->next_listed = NULL;
  run->previous_listed = list->last;
  *(list->last ? &list->last->next_listed : &list->first) = run;
  list->last = run;
  run->listed_in = list;
}

static bool is_deferred(const struct agent_run *run)
{
  return run->listed_in == &run->agent->host->deferred_runs;
}

void run_unlist(struct agent_run *run)
{
  unlink_run(run);
  run->agent->host->deferred_bytes -= run->deferred_bytes;
  run->deferred_bytes = 0;
}

void run_unsaved(struct agent_run *run)
{
  struct run_list *list = &run->agent->host->unsaved_runs;
  if (run->listed_in == list) return;
  run_unlist(run);
  link_run(run, list);
}

void run_defer(struct agent_run *run)
{
  struct hgl_host *host = run->agent->host;
  if (run->listed_in == &host->unsaved_runs) return;
  if (!run->listed_in) {
    run->save_ms = host->mono_ms + DEFERRED_MS;
    link_run(run, &host->deferred_runs);
  }
  host->deferred_bytes += run->fresh_bytes - run->deferred_bytes;
  run->deferred_bytes = run->fresh_bytes;
  if (host->deferred_bytes > host->deferred_bytes_max) host_request_tick(host);
}

/* An eager call has brought about the stretch that ends, and of those since the last row none did
 * anything. */
bool run_may_defer(const struct agent_run *run)
{
  const struct hgl_host *host = run->agent->host;
  return run->eager && run->row && run->listed_in != &host->unsaved_runs && !run->asks[0].saved &&
         !host->stopping && host->mono_ms - run->waits_since_ms < LONG_MS;
}

void agent_undefer(struct agent *agent)
{
  for (struct agent_run *run = agent->runs; run; run = run->next)
    if (is_deferred(run)) run_unsaved(run);
}

/* A host that stops has no reason to wait. */
static bool is_due(const struct hgl_host *host, const struct agent_run *run)
{
  return run->save_ms <= host->mono_ms || host->deferred_bytes > host->deferred_bytes_max ||
         host->stopping;
}

void runs_save_due(struct hgl_host *host)
{
  size_t records = 0;
  for (struct agent_run *run; (run = host->deferred_runs.first) && is_due(host, run);) {
    if (records >= SAVED_RECORDS) {
      host_request_tick(host);
      return;
    }
    records += run->fresh_count + 1;
    run_unsaved(run);
    host->changed = true;
  }
}

int64_t runs_save_deadline_ms(const struct hgl_host *host)
{
  const struct agent_run *first = host->deferred_runs.first;
  return first ? first->save_ms : INT64_MAX;
}
