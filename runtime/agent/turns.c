/* Whose turn it is. Agents that have something to do stand in one of two lists, and each has its
 * turn in it, of so many steps (run.c) or so much time. */
#include "agent/operator.h"
#include "agent/trace.h"

enum {
  MAILS_PER_TURN = 64, /* then the next agent has its turn, */
  TURN_MS = 2,         /* or after this time */
  STEPS_MAX = 16384,   /* of one tick, however fast they are */
  /* What those get of a tick at least that go on with what a model has said; else half of what the
   * others took. So few have a turn in it that what they work on stays in the caches until they
   * have had theirs in a row. */
  DECIDE_US = 125,
  DECISIONS_IN_A_ROW = 16,
};

static void list_ready(struct agent *agent, struct ready_agents *list, bool first)
{
  struct agent *previous = first ? NULL : list->last, *next = first ? list->first : NULL;
  agent->ready_in = list;
  agent->next_ready = next;
  agent->previous_ready = previous;
  *(previous ? &previous->next_ready : &list->first) = agent;
  *(next ? &next->previous_ready : &list->last) = agent;
  host_request_tick(agent->host);
}

void agent_ready(struct agent *agent)
{
  struct ready_agents *list = &agent->host->ready;
  if (agent->ready_in == list || agent->held) return;
  agent_unready(agent);
  list_ready(agent, list, false);
}

/* Those who ask models as fast as they answer are behind all others: as many as there are of them,
 * nobody else notices. Each decides a few times before the next of them does, while what it works
 * on is in the processor's caches; whoever comes anew waits behind all who wait. */
void agent_ready_to_decide(struct agent *agent)
{
  if (!agent->ready_in && !agent->held)
    list_ready(agent, &agent->host->deciding, agent->row_left > 0);
}

/* Its turn in that list has come. */
static void count_row(struct agent *agent, const struct ready_agents *list)
{
  unsigned left = agent->row_left ? agent->row_left : DECISIONS_IN_A_ROW;
  agent->row_left = list == &agent->host->deciding ? left - 1 : 0;
}

void agent_unready(struct agent *agent)
{
  struct ready_agents *list = agent->ready_in;
  struct agent *previous = agent->previous_ready, *next = agent->next_ready;
  if (!list) return;
  *(previous ? &previous->next_ready : &list->first) = next;
  *(next ? &next->previous_ready : &list->last) = previous;
  agent->ready_in = NULL;
}

static bool may_run(const struct agent *agent)
{
  return !agent->stopped && !agent->held;
}

static bool waits_to_decide(const struct agent *agent)
{
  return agent->runs_ready && agent->runs_ready->eager && !agent->mailbox.first;
}

/* The agents of a list, in turn, until then. */
static void run_listed(struct hgl_host *host, struct ready_agents *list, int64_t until, int *steps)
{
  struct agent *agent;
  while (*steps < STEPS_MAX && (agent = list->first) && !host->failed) {
    agent_unready(agent);
    count_row(agent, list);
    int64_t now = hgl_mono_ns(host->config.clock), turn_until = now + (int64_t)TURN_MS * 1000000;
    if (turn_until > until) turn_until = until;
    for (int i = 0; i < MAILS_PER_TURN && now <= turn_until; i++) {
      if (!run_has_step(agent) || !may_run(agent) || host->failed) break;
      run_step(agent);
      ++*steps;
      int64_t before = now;
      now = hgl_mono_ns(host->config.clock);
      agent->cpu_ns += now - before;
      trace_took(host, now - before);
    }
    if (agent->vm) agent_active(agent);
    if (run_has_step(agent) && may_run(agent)) {
      if (waits_to_decide(agent))
        agent_ready_to_decide(agent);
      else
        agent_ready(agent);
    }
    if (now > until) break;
  }
}

void run_agents(struct hgl_host *host)
{
  int64_t start = hgl_mono_ns(host->config.clock), now;
  int steps = 0;
  console_run(host);
  run_listed(host, &host->ready, start + (int64_t)HGL_TICK_RUN_MS * 1000000, &steps);
  if (!host->deciding.first) return;
  now = hgl_mono_ns(host->config.clock);
  int64_t least = (int64_t)DECIDE_US * 1000, part = (now - start) / 2;
  run_listed(host, &host->deciding, now + (part > least ? part : least), &steps);
}
