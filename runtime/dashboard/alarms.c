#include "dashboard/alarms.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "protocol/did.h"

enum {
  PARKED_MAX = 20, /* agents that are named; and other hosts, of each kind */
  PEERS_MAX = 10,
  SKEW_MS = 30000,
  SILENT_MS = 60000,
  WAITING_MS = 60000,
};

/* ---- the list ---- */

void alarms_say(struct alarms *alarms, const char *what, bool error, const char *kind,
                const char *of, const char *format, ...)
{
  size_t i = 0;
  while (i < alarms->count &&
         (strcmp(alarms->items[i].what, what) != 0 || strcmp(alarms->items[i].of, of) != 0))
    i++;
  struct alarm *alarm = &alarms->items[i];
  if (i == ALARMS_MAX) {
    alarms->left_out++;
    return;
  }
  if (i == alarms->count) {
    *alarm = (struct alarm){.what = what, .kind = kind, .since_ms = alarms->now_ms};
    snprintf(alarm->of, sizeof alarm->of, "%s", of);
    alarms->count++;
  }
  alarm->error = error;
  alarm->now = true;
  va_list args;
  va_start(args, format);
  vsnprintf(alarm->text, sizeof alarm->text, format, args);
  va_end(args);
}

void alarms_begin(struct alarms *alarms, int64_t now_ms)
{
  alarms->now_ms = now_ms;
  alarms->left_out = 0;
  for (size_t i = 0; i < alarms->count; i++) alarms->items[i].now = false;
}

void alarms_end(struct alarms *alarms)
{
  size_t kept = 0;
  for (size_t i = 0; i < alarms->count; i++)
    if (alarms->items[i].now) alarms->items[kept++] = alarms->items[i];
  alarms->count = kept;
}

/* ---- what there is to look for ---- */

static void look_at_disk(struct alarms *alarms, const struct hgl_host_now *now)
{
  long long free_mib = now->disk_free >> 20, reserve_mib = now->disk_reserve >> 20;
  if (now->held && strcmp(now->held, "store_stalled") == 0)
    alarms_say(alarms, now->held, true, NULL, "",
               "nothing has become durable for %lld s: no handler runs and nothing is sent until "
               "the disk of the data folder answers; look at it, and at the system's log",
               (long long)now->commit_waits_ms / 1000);
  else if (now->held)
    alarms_say(alarms, now->held, true, NULL, "",
               "nothing is taken in and no handler runs: %lld MiB are free, %lld MiB are kept in "
               "reserve; make room, and it goes on by itself",
               free_mib, reserve_mib);
  else if (now->disk_free < 2 * now->disk_reserve)
    alarms_say(alarms, "disk_low", false, NULL, "",
               "%lld MiB are free; at %lld MiB the host stops taking anything in", free_mib,
               reserve_mib);
}

static void look_at_agents(struct alarms *alarms, struct hgl_host *host,
                           const struct hgl_host_now *now)
{
  struct hgl_agent_figures parked[PARKED_MAX];
  size_t count = hgl_host_parked(host, parked, PARKED_MAX);
  for (size_t i = 0; i < count; i++)
    alarms_say(alarms, "parked", true, "agent", parked[i].name,
               "%s kept failing and is parked: mend it, then resume it", parked[i].name);
  if (now->parked > count) alarms->left_out += now->parked - count;
  if (now->dead_letters)
    alarms_say(alarms, "dead_letters", false, NULL, "",
               "%llu messages or timers were given up; haggle dead lists them, and why",
               (unsigned long long)now->dead_letters);
  long long waits_s = now->mailbox_age_ns / 1000000000;
  if (waits_s * 1000 >= WAITING_MS)
    alarms_say(alarms, "mailbox_old", false, NULL, "", "a message has waited for %lld s", waits_s);
}

struct peers_seen {
  struct alarms *alarms;
  size_t skewed, silent;
};

static bool look_at_peer(void *user, const struct hgl_peer_figures *peer)
{
  struct peers_seen *seen = user;
  char did[HGL_DID_TEXT_SIZE];
  bool skewed = peer->linked && (peer->skew_ms > SKEW_MS || peer->skew_ms < -SKEW_MS);
  bool silent = !peer->linked && peer->unacknowledged &&
                seen->alarms->now_ms - peer->active_ms > SILENT_MS;
  if (!skewed && !silent) return true;
  hgl_did_format(&peer->key, did);
  if (skewed && seen->skewed++ < PEERS_MAX)
    alarms_say(seen->alarms, "clock_skew", false, "peer", did,
               "its clock and ours are %lld s apart; from 120 s on it is refused",
               (long long)(peer->skew_ms < 0 ? -peer->skew_ms : peer->skew_ms) / 1000);
  if (silent && seen->silent++ < PEERS_MAX)
    alarms_say(seen->alarms, "unreachable", false, "peer", did,
               "no link to it; %llu messages for it wait to be acknowledged",
               (unsigned long long)peer->unacknowledged);
  return true;
}

static void look_at_peers(struct alarms *alarms, struct hgl_host *host)
{
  struct peers_seen seen = {.alarms = alarms};
  size_t hosts, agents;
  hgl_host_visit_peers(host, look_at_peer, &seen);
  if (seen.skewed > PEERS_MAX) alarms->left_out += seen.skewed - PEERS_MAX;
  if (seen.silent > PEERS_MAX) alarms->left_out += seen.silent - PEERS_MAX;
  hgl_host_conflicts(host, &hosts, &agents);
  if (hosts)
    alarms_say(alarms, "forked", true, NULL, "",
               "proofs are kept that %zu hosts signed two histories; haggle proofs lists them",
               hosts);
  if (agents)
    alarms_say(alarms, "delegation_conflict", true, NULL, "",
               "proofs are kept that %zu agents delegated twice under one number", agents);
}

void alarms_look(struct alarms *alarms, struct hgl_host *host, const struct hgl_host_now *now)
{
  look_at_disk(alarms, now);
  look_at_agents(alarms, host, now);
  look_at_peers(alarms, host);
}

json_t *alarms_json(const struct alarms *alarms)
{
  json_t *list = json_array();
  bool whole = list != NULL;
  for (size_t i = 0; whole && i < alarms->count; i++) {
    const struct alarm *alarm = &alarms->items[i];
    json_t *item = json_pack("{s:s, s:s, s:s, s:I}", "what", alarm->what, "level",
                             alarm->error ? "error" : "warn", "text", alarm->text, "since_ms",
                             (json_int_t)alarm->since_ms);
    whole = item &&
            (!alarm->kind || !json_object_set_new(item, alarm->kind, json_string(alarm->of)));
    if (json_array_append_new(list, item)) whole = false;
  }
  if (whole) return list;
  json_decref(list);
  return NULL;
}
