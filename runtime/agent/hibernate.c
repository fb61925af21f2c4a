/* Hibernation: an agent that has nothing to do gives up its Lua state and its state tree, and gets
 * both back when something is to run. Nothing is written for it: what is in no row cannot be given
 * up. To the rest of the host an agent that sleeps is an agent like any other; what needs its Lua
 * state asks for it with agent_wake. */
#include "agent/internal.h"

enum { TRIM_BYTES = 16 << 20 };    /* so much of Lua states is given up before pages go back */
enum { HIBERNATE_PER_TICK = 128 }; /* whose time has come, each some 20 µs */

/* ---- the agents that are awake, the one that has rested longest first ---- */

void agent_unlist_awake(struct agent *agent)
{
  struct hgl_host *host = agent->host;
  if (!agent->is_awake) return;
  *(agent->awake_previous ? &agent->awake_previous->awake_next
                          : &host->awake_first) = agent->awake_next;
  *(agent->awake_next ? &agent->awake_next->awake_previous
                      : &host->awake_last) = agent->awake_previous;
  agent->awake_next = agent->awake_previous = NULL;
  agent->is_awake = false;
  host->awake_count--;
  host->lua_bytes -= agent->lua_bytes;
  agent->lua_bytes = 0;
}

static void list_last(struct agent *agent)
{
  struct hgl_host *host = agent->host;
  agent->is_awake = true;
  agent->awake_previous = host->awake_last;
  *(host->awake_last ? &host->awake_last->awake_next : &host->awake_first) = agent;
  host->awake_last = agent;
  host->awake_count++;
  agent->lua_bytes = script_vms_memory(agent);
  host->lua_bytes += agent->lua_bytes;
}

void agent_active(struct agent *agent)
{
  agent_unlist_awake(agent);
  agent->active_ms = agent->host->mono_ms;
  if (agent->vm) list_last(agent);
}

/* ---- giving up and getting back ---- */

/* The places of what runs hold are known to come back to: by these they find it in the new tree. On
 * failure nothing has changed. */
static int note_places(struct agent *agent, struct hgl_err *err)
{
  int status = 0;
  for (struct agent_run *run = agent->runs; run && !status; run = run->next)
    if (run->views) status = hgl_vm_views_places(agent->vm, run->views, &run->away, err);
  for (struct agent_run *run = agent->runs; run && status; run = run->next)
    hgl_buf_deinit(&run->away);
  return status;
}

static void leave_all(struct agent *agent)
{
  for (struct agent_run *run = agent->runs; run; run = run->next) {
    run_leave_vm(run);
    hgl_vm_views_destroy(run->views);
    run->views = NULL;
  }
}

/* On failure all of them are away as they were. */
static int return_all(struct agent *agent, struct hgl_err *err)
{
  int status = 0;
  for (struct agent_run *run = agent->runs; run && !status; run = run->next)
    if (run->away.size)
      status = hgl_vm_views_load(agent->vm, hgl_buf_bytes(&run->away), &run->views, err);
  for (struct agent_run *run = agent->runs; run; run = run->next) {
    if (!run->away.size) continue;
    if (status) {
      hgl_vm_views_destroy(run->views);
      run->views = NULL;
      continue;
    }
    if (!hgl_bytes_equal(hgl_buf_bytes(&run->away), hgl_buf_bytes(&run->places))) run_unsaved(run);
    hgl_buf_deinit(&run->away);
  }
  agent->moves = 0;
  return status;
}

static void trim_maps(struct agent *agent)
{
  struct hgl_map *maps[] = {&agent->unreached, &agent->senders,       &agent->threads,
                            &agent->asks,      &agent->locks,         &agent->timers,
                            &agent->dialogues, &agent->dialogue_peers};
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) hgl_map_trim(maps[i]);
}

static int give_up_lua(struct agent *agent, struct hgl_err *err)
{
  int status = note_places(agent, err);
  if (status) return status;
  leave_all(agent);
  agent->host->freed_bytes += agent->lua_bytes;
  agent_unlist_awake(agent);
  script_drop_vms(agent);
  return 0;
}

int agent_wake(struct agent *agent, struct hgl_err *err)
{
  if (agent->vm || !agent->script) return 0;
  int64_t start = hgl_mono_ns(agent->host->config.clock);
  int status = script_restart(agent, err);
  if (!status) status = return_all(agent, err);
  if (status) {
    script_drop_vms(agent);
    return status;
  }
  agent_active(agent);
  agent->unwakeable_ms = 0;
  agent->host->counts.woken++;
  agent->host->counts.waking_ns += (uint64_t)(hgl_mono_ns(agent->host->config.clock) - start);
  return 0;
}

int agent_forget_lua(struct agent *agent, struct hgl_err *err)
{
  int status = hgl_vm_flush(agent->vm, err);
  if (!status) status = give_up_lua(agent, err);
  return status ? status : agent_wake(agent, err);
}

/* ---- who sleeps when ---- */

/* All that it has done is in rows, and nothing of it is to run now. Before the first tick nothing
 * runs, nor while it is held: what waits then waits for one that sleeps as well. */
static bool rests(const struct agent *agent)
{
  bool may_run = agent->host->complete && !agent->held && !agent->stopped;
  bool waits = agent->ready_in || agent->mailbox.first || agent->runs_ready || agent->starting;
  if (agent->dirty || (waits && may_run)) return false;
  for (const struct agent_run *run = agent->runs; run; run = run->next)
    if (run->listed_in) return false;
  return true;
}

static bool is_crowded(const struct hgl_host *host)
{
  return host->config.lua_bytes > 0 && host->lua_bytes > (size_t)host->config.lua_bytes;
}

static bool is_due(const struct hgl_host *host, const struct agent *agent)
{
  return host->config.hibernate_ms > 0 &&
         agent->active_ms + host->config.hibernate_ms <= host->mono_ms;
}

/* One that does not go to sleep is looked at again when its turn comes. */
static bool put_to_sleep(struct agent *agent)
{
  struct hgl_err err;
  if (rests(agent)) {
    if (give_up_lua(agent, &err) == 0) {
      trim_maps(agent);
      return true;
    }
    host_log(agent->host, HGL_LOG_WARN, "%s stays awake: %s", agent->name, err.message);
  }
  agent_active(agent);
  return false;
}

/* However many woke in one tick: where memory is short as many go to sleep behind it. */
void hibernate_some(struct hgl_host *host)
{
  struct agent *agent;
  size_t looked = 0, asleep = 0, awake = host->awake_count;
  while ((agent = host->awake_first) && looked < awake &&
         (is_crowded(host) || (is_due(host, agent) && looked < HIBERNATE_PER_TICK))) {
    asleep += put_to_sleep(agent);
    looked++;
  }
  host->more_sleep = looked == HIBERNATE_PER_TICK && asleep;
  if (!host->more_sleep && host->freed_bytes >= TRIM_BYTES) {
    hgl_mem_trim();
    host->freed_bytes = 0;
  }
}

int64_t hibernate_deadline_ms(const struct hgl_host *host)
{
  if (host->more_sleep) return host->mono_ms;
  return host->awake_first && host->config.hibernate_ms > 0
             ? host->awake_first->active_ms + host->config.hibernate_ms
             : INT64_MAX;
}
