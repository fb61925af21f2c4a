/* The tick: see host.h for its phases. Nothing leaves the host before the commit that holds it. */
#include "agent/groups.h"
#include "agent/journal.h"
#include "agent/operator.h"
#include "agent/supervise.h"

#include <assert.h>

enum { UPKEEP_EVERY_MS = 60000, WALL_CHECK_MS = 1000 };
enum { UPKEEP_RUN_MS = 2, UPKEEP_AGENTS_MAX = 4096 }; /* of one tick */

void tick_now(struct hgl_host *host)
{
  host->now_ms = hgl_wall_ms(host->config.clock);
  host->metering.tick_ns = hgl_mono_ns(host->config.clock);
  host->mono_ms = host->metering.tick_ns / 1000000;
}

/* ---- 7 send ---- */

static void committed(void *user)
{
  struct hgl_host *host = user;
  struct tick_record *record = host->records_first;
  host->records_first = record->next;
  if (!host->records_first) host->records_last = NULL;
  host->committed_tick = record->tick;
  host->counts.commits++;
  meter_committed(host, &record->ended, record->sealed_ns);
  calls_begin(host, record->tick);
  http_committed(host, record->tick);
  if (record->tick >= host->advert_tick) hgl_directory_committed(host->directory);
  for (size_t i = 0; i < record->count; i++) {
    struct tick_peer *touched = &record->peers[i];
    struct peer *peer = touched->peer;
    /* Numbers of an incarnation that another has followed meanwhile say nothing of that one's. */
    bool same = hgl_incarnation_equal(&touched->in_incarnation, &peer->in_incarnation);
    if (same) peer->in_committed = touched->in_last;
    peer->records--;
    if (same && touched->ack_due) inbox_ack(host, peer);
    outbox_pump(host, peer);
  }
  hgl_free(record);
}

/* ---- 6 commit ---- */

static int keep_evidence(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_buf evidence;
  int status = 0;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  for (size_t i = 0; i < host->kept_count; i++) {
    struct message *message = host->kept[i];
    hgl_buf_clear(&evidence);
    if (!status) status = message_evidence(host, message, &evidence, err);
    if (!status)
      status = evidence_keep(host, host_writes(host), &message->envelope.id,
                             hgl_buf_bytes(&evidence), err);
    if (status == -HGL_NOT_FOUND || status == -HGL_NO_DELEGATION) {
      host_log(host, HGL_LOG_WARN, "a message has no evidence to keep: %s", err->message);
      status = 0;
    }
    message_release(message);
  }
  host->kept_count = 0;
  hgl_buf_deinit(&evidence);
  return status;
}

static int flush_state(struct hgl_host *host, struct hgl_err *err)
{
  for (struct agent *agent; (agent = host->dirty_agents);) {
    int status = hgl_vm_flush(agent->vm, err);
    if (!status) status = runs_follow_views(agent, err);
    if (status) return hgl_fail_in(err, "the state of %s", agent->name);
    host->dirty_agents = agent->next_dirty;
    agent->dirty = false;
  }
  return 0;
}

static int seal_and_commit(struct hgl_host *host, struct hgl_err *err)
{
  struct tick_record *record = NULL;
  int status;
  if (unacked_due(host) && (status = unacked_update(host, err))) return status;
  if ((status = flush_state(host, err)) || (status = outbox_seal(host, err)) ||
      (status = keep_evidence(host, err)) || (status = mailbox_persist(host, err)) ||
      (status = runs_persist(host, err)) || (status = journal_trim(host, err)) ||
      (status = peers_persist(host, &record, err)))
    return status;
  if ((status = chain_persist(host, err))) {
    hgl_free(record);
    return status;
  }
  meter_sealed(host, &record->ended, &record->sealed_ns);
  if (host->records_last)
    host->records_last->next = record;
  else
    host->records_first = record;
  host->records_last = record;
  host->tick++;
  host->changed = false;
  host->counts.ticks++;
  return hgl_store_commit(host->config.store, committed, host, err);
}

/* ---- the whole ---- */

static void poll_store(struct hgl_host *host)
{
  struct hgl_err err;
  int status = hgl_store_poll(host->config.store, &err);
  if (status == -HGL_DISK_FULL || status == -HGL_NO_MEMORY) {
    if (!host->intake_stopped)
      host_log(host, HGL_LOG_ERROR, "%s; nothing is taken in until it can be stored", err.message);
    host->intake_stopped = true;
  } else if (status) {
    host_fatal(host, &err);
  } else if (host->intake_stopped) {
    host_log(host, HGL_LOG_INFO, "the store takes commits again");
    host->intake_stopped = false;
  }
}

/* A delegation that ends soon is renewed, and the advert with it. */
static int keep_advertised(struct agent *agent, bool reviews, struct hgl_err *err)
{
  uint64_t before = agent->delegation.sequence;
  int status = agent_renew(agent, err);
  if (status) return status;
  bool says = agent->delegation.sequence != before || agent->advert_lost ||
              (reviews && !agent_is_advertised(agent));
  return says ? agent_advertise(agent, err) : 0;
}

/* What is due about once a minute, for some agents in each tick, from the last to the first: one
 * that fills the gap of another (agent_unlist) had its turn, and so, when it was opened, had one
 * that came since. Old delegations are forgotten, too. */
static void upkeep(struct hgl_host *host)
{
  struct hgl_err err;
  int64_t until = hgl_mono_ns(host->config.clock) + (int64_t)UPKEEP_RUN_MS * 1000000;
  if (!host->upkeep_left) {
    if (host->upkeep_due_ms > host->mono_ms) return;
    host->upkeep_due_ms = host->mono_ms + UPKEEP_EVERY_MS;
    host->reviewing = host->reviews_adverts;
    host->reviews_adverts = false;
    host->upkeep_left = host->agent_count;
    if (delegations_sweep(host, &err)) host_log(host, HGL_LOG_ERROR, "%s", err.message);
  }
  if (host->upkeep_left > host->agent_count) host->upkeep_left = host->agent_count;
  if (host->reviewing && host->advert_tick > host->committed_tick) return; /* as absent_withdraw */
  for (int i = 0; i < UPKEEP_AGENTS_MAX && host->upkeep_left; i++) {
    struct agent *agent = host->agents[--host->upkeep_left];
    if (dialogues_expire(agent, &err) || keep_advertised(agent, host->reviewing, &err))
      host_log(host, HGL_LOG_ERROR, "%s", err.message);
    if (hgl_mono_ns(host->config.clock) > until) break;
  }
  if (host->upkeep_left || host->reviews_adverts) host_request_tick(host);
}

/* False: the store takes nothing now. */
static bool begin_tick(struct hgl_host *host)
{
  if (host->failed) return false;
  poll_store(host);
  if (host->failed) return false;
  tick_now(host);
  operator_due(host);
  http_due(host);
  if (host->failed || host->intake_stopped || store_is_busy(host)) return false;
  return !space_is_low(host) || host->stopping;
}

void hgl_host_commit_added(struct hgl_host *host)
{
  struct hgl_err err;
  assert(!host->complete);
  if (begin_tick(host) && host->changed && seal_and_commit(host, &err)) host_fatal(host, &err);
  if (!host->failed) hibernate_some(host);
}

void hgl_host_tick(struct hgl_host *host)
{
  struct hgl_err err;
  if (!begin_tick(host)) {
    if (!host->failed) hibernate_some(host);
    return;
  }
  if ((!host->complete && (absent_find(host, &err) || scripts_sweep(host, &err))) ||
      absent_withdraw(host, &err)) {
    host_fatal(host, &err);
    return;
  }
  host->complete = true;
  calls_begin(host, 0);
  timers_due(host);
  run_due(host);
  runs_save_due(host);
  outbox_due(host);
  upkeep(host);
  inbox_process(host);
  run_agents(host);
  calls_begin_eager(host);
  peers_gossip(host);
  if (journal_overdue(host)) host->changed = true;
  if (host->changed && !host->failed && seal_and_commit(host, &err)) host_fatal(host, &err);
  if (!host->failed) children_settle(host);
  if (!host->failed) hibernate_some(host);
  operate_tell(host);
  reloads_tell(host);
  console_tell(host);
  operator_due(host);
  if (host->ready.first || host->deciding.first) host_request_tick(host);
}

int64_t hgl_host_deadline(const struct hgl_host *host)
{
  /* Ticks wait for the store, which wakes the loop after every commit and every attempt at one. */
  if (host->intake_stopped || hgl_store_busy(host->config.store)) return INT64_MAX;
  if (host->space_low && !host->stopping) return host->space_due_ms * 1000000;
  int64_t now_ms = hgl_mono_ns(host->config.clock) / 1000000;
  int64_t due = host->gossip_due_ms;
  const struct hgl_heap_entry *run = hgl_heap_first(&host->mono_heap);
  const struct hgl_heap_entry *timer = hgl_heap_first(&host->wall_heap);
  if (run && run->due < due) due = run->due;
  if (timer) {
    /* By Unix time, which may jump: looked at once a second. */
    int64_t wait = timer->due - hgl_wall_ms(host->config.clock);
    if (wait > WALL_CHECK_MS) wait = WALL_CHECK_MS;
    if (now_ms + wait < due) due = now_ms + wait;
  }
  if (host->expiry_due_ms != INT64_MAX && now_ms + WALL_CHECK_MS < due)
    due = now_ms + WALL_CHECK_MS;
  if (host->holds_due_ms < due) due = host->holds_due_ms;
  int64_t save_due_ms = runs_save_deadline_ms(host);
  if (save_due_ms < due) due = save_due_ms;
  int64_t hibernate_due_ms = hibernate_deadline_ms(host);
  if (hibernate_due_ms < due) due = hibernate_due_ms;
  int64_t restart_due_ms = children_deadline_ms(host);
  if (restart_due_ms < due) due = restart_due_ms;
  int64_t http_due_ms = http_deadline_ms(host);
  if (http_due_ms < due) due = http_due_ms;
  int64_t operator_due_ms = operator_deadline_ms(host);
  if (operator_due_ms < due) due = operator_due_ms;
  return due * 1000000;
}

bool hgl_host_idle(const struct hgl_host *host)
{
  return !host->ready.first && !host->deciding.first && !host->inbound_first && !host->changed &&
         !(host->stopping && host->deferred_runs.first) && host->committed_tick + 1 == host->tick;
}
