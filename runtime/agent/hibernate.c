/* Hibernation: an agent that has nothing to do gives up its Lua state and its state tree, and gets
 * both back when something is to run. Nothing is written for it: what is in no row cannot be given
 * up. To the rest of the host an agent that sleeps is an agent like any other; what needs its Lua
 * state asks for it with agent_wake. */
#include "agent/internal.h"

enum { TRIM_BYTES = 16 << 20 };    /* so much of Lua states is given up before pages go back */
enum { HIBERNATE_PER_TICK = 128 }; /* agents looked at by one tick, each some 20 µs */

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
  agent->lua_bytes = hgl_vm_memory(agent->vm);
  host->lua_bytes += agent->lua_bytes;
}

void agent_active(struct agent *agent)
{
  agent_unlist_awake(agent);
  agent->active_ms = agent->host->mono_ms;
  if (agent->vm) list_last(agent);
}

/* ---- giving up and getting back ---- */

/* The places of what runs hold are known to come back to: by these they find it in the new tree. */
static int leave_all(struct agent *agent, struct hgl_err *err)
{
  int status = 0;
  for (struct agent_run *run = agent->runs; run && !status; run = run->next) {
    struct hgl_buf places;
    if (!run->stretches) continue;
    run_leave_vm(run);
    if (!run->views) continue;
    hgl_buf_init(&places, HGL_STORE_VALUE_SIZE_MAX);
    status = hgl_vm_views_places(agent->vm, run->views, &places, err);
    hgl_vm_views_destroy(run->views);
    run->views = NULL;
    hgl_buf_deinit(&run->away);
    run->away = places;
  }
  return status;
}

static int return_all(struct agent *agent, struct hgl_err *err)
{
  int status = 0;
  for (struct agent_run *run = agent->runs; run && !status; run = run->next) {
    if (!run->away.size) continue;
    status = hgl_vm_views_load(agent->vm, hgl_buf_bytes(&run->away), &run->views, err);
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
  int status = leave_all(agent, err);
  if (status) return status;
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

/* All that it has done is in rows, and nothing of it is to run now; before the first tick nothing
 * runs, and what waits there waits for one that sleeps as well. */
static bool rests(const struct agent *agent)
{
  bool waits = agent->is_ready || agent->mailbox.first;
  if (agent->dirty || agent->runs_ready || agent->starting || (waits && agent->host->complete))
    return false;
  for (const struct agent_run *run = agent->runs; run; run = run->next)
    if (run->unsaved_link) return false;
  return true;
}

static bool is_due(const struct hgl_host *host, const struct agent *agent)
{
  const struct hgl_host_config *config = &host->config;
  return (config->lua_bytes > 0 && host->lua_bytes > (size_t)config->lua_bytes) ||
         (config->hibernate_ms > 0 && agent->active_ms + config->hibernate_ms <= host->mono_ms);
}

void hibernate_some(struct hgl_host *host)
{
  struct hgl_err err;
  struct agent *agent;
  int left = HIBERNATE_PER_TICK, asleep = 0;
  for (; left && (agent = host->awake_first) && is_due(host, agent) && !host->failed; left--) {
    if (!rests(agent)) {
      agent_active(agent); /* to be looked at again when its turn comes */
    } else if (give_up_lua(agent, &err)) {
      host_fatal(host, &err);
    } else {
      trim_maps(agent);
      asleep++;
    }
  }
  host->more_sleep = !left && asleep;
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
