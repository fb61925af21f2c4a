/* An agent's life: identity and delegation, its script's declarations, its rows. */
#include "agent/declared.h"
#include "agent/operator.h"
#include "agent/supervise.h"

#include <assert.h>

#include "protocol/signed_text.h"

enum {
  DELEGATION_DAYS = 7,
  WARN_EVERY_MS = 24 * 3600 * 1000,
  RENEW_BEFORE_S = 2 * 24 * 3600, /* a new delegation when less is left, */
  RENEW_SPREAD_S = 24 * 3600,     /* or as much as a day later: not all at once */
};

struct agent *agent_by_key(struct hgl_host *host, const struct hgl_key *key)
{
  return hgl_table_get(&host->agents_by_key, key->bytes);
}

struct agent *agent_by_number(const struct hgl_host *host, uint64_t number)
{
  return hgl_table_get(&host->agents_by_number, &number);
}

struct agent *agent_by_name(const struct hgl_host *host, struct hgl_bytes name)
{
  const struct child *child = child_by_name(host, name);
  return child ? child->agent : NULL;
}

bool agent_granted(const struct agent *agent, const char *kind, struct hgl_bytes value,
                   size_t *folder_size)
{
  return hgl_grants_cover((const char *const *)agent->child->grants, kind, value, folder_size);
}

/* ---- rows ---- */

/* [number, version, created, delegation] */
struct row {
  uint64_t number;
  int64_t version;
  bool created;
  struct hgl_bytes delegation; /* into `memory`; or empty */
  struct hgl_buf memory;
};

/* *found: false, and *row empty. It is to be deinitialised in any case. */
static int read_row(const struct agent *agent, struct row *row, bool *found, struct hgl_err *err)
{
  size_t count;
  *row = (struct row){0};
  hgl_buf_init(&row->memory, 4096);
  int status = hgl_store_get(agent->host->config.store, HGL_DB_AGENTS, hgl_text(agent->name),
                             &row->memory, err);
  *found = status == 0;
  if (status) return status == -HGL_NOT_FOUND ? 0 : status;
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&row->memory));
  if ((status = hgl_cbor_get_list(&in, "agent", 4, &count, err)) ||
      (status = hgl_cbor_get_uint(&in, "agent.number", INT64_MAX, &row->number, err)) ||
      (status = hgl_cbor_get_int(&in, "agent.version", &row->version, err)) ||
      (status = hgl_cbor_get_bool(&in, "agent.created", &row->created, err)))
    return status;
  return hgl_cbor_get_bytes(&in, "agent.delegation", HGL_DELEGATION_SIZE_MAX, &row->delegation,
                            err);
}

int hgl_agent_row_number(struct hgl_bytes row, uint64_t *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  size_t count;
  int status = hgl_cbor_get_list(&in, "agent", 4, &count, err);
  return status ? status : hgl_cbor_get_uint(&in, "agent.number", INT64_MAX, out, err);
}

static int write_row(const struct agent *agent, struct hgl_bytes delegation, struct hgl_err *err)
{
  struct hgl_buf row;
  hgl_buf_init(&row, 4096);
  hgl_cbor_put_list(&row, 4);
  hgl_cbor_put_uint(&row, agent->number);
  hgl_cbor_put_int(&row, agent->stored_version);
  hgl_cbor_put_bool(&row, agent->created);
  hgl_cbor_put_bytes(&row, delegation);
  int status = hgl_buf_check(&row, err);
  if (!status)
    status = hgl_writeset_put(host_writes(agent->host), HGL_DB_AGENTS, hgl_text(agent->name),
                              hgl_buf_bytes(&row), err);
  hgl_buf_deinit(&row);
  return status;
}

int agent_store_row(struct agent *agent, struct hgl_err *err)
{
  struct row row;
  bool found;
  int status = read_row(agent, &row, &found, err);
  if (!status) status = write_row(agent, row.delegation, err);
  hgl_buf_deinit(&row.memory);
  return status;
}

int agent_stored_number(const struct agent *agent, uint64_t *out, struct hgl_err *err)
{
  struct row row;
  bool found;
  int status = read_row(agent, &row, &found, err);
  if (!status && !found)
    status = hgl_fail(err, HGL_NOT_FOUND, "nothing is stored of %s", agent->name);
  if (!status) *out = row.number;
  hgl_buf_deinit(&row.memory);
  return status;
}

int agent_put_delegation(const struct agent *agent, struct hgl_buf *out, struct hgl_err *err)
{
  struct row row;
  bool found;
  int status = read_row(agent, &row, &found, err);
  if (!status && !row.delegation.size) status = hgl_fail(err, HGL_NOT_FOUND, "it is not stored");
  if (!status) hgl_buf_append_bytes(out, row.delegation);
  hgl_buf_deinit(&row.memory);
  return status ? hgl_fail_in(err, "the delegation of %s", agent->name) : hgl_buf_check(out, err);
}

/* Its delegation was checked when it was made, or given: only its claims are needed again. */
static int load_row(struct agent *agent, bool *found, struct hgl_err *err)
{
  struct row row;
  struct hgl_delegation claims;
  struct hgl_err ignored;
  int status = read_row(agent, &row, found, err);
  if (!status && *found) {
    agent->number = row.number;
    agent->stored_version = row.version;
    agent->created = row.created;
    if (row.delegation.size && hgl_delegation_decode(row.delegation, &claims, &ignored) == 0 &&
        hgl_key_equal(&claims.agent, &agent->key))
      agent->delegation = claims;
  }
  hgl_buf_deinit(&row.memory);
  return status;
}

/* ---- identity ---- */

static bool has_delegation(const struct agent *agent)
{
  return agent->delegation.expires_s != 0;
}

static int signer_of(const struct agent *agent, struct hgl_signer **out, struct hgl_err *err)
{
  const struct hgl_agent_keys *keys = &agent->host->config.keys;
  return keys->signer(keys->user, agent->name, out, err);
}

/* The agent's, if it is still the one that it came with. */
static int signer_now(const struct agent *agent, struct hgl_signer **out, struct hgl_err *err)
{
  struct hgl_signer *signer;
  int status = signer_of(agent, &signer, err);
  if (status) return hgl_fail_in(err, "%s: its key", agent->name);
  if (!hgl_key_equal(hgl_signer_key(signer), &agent->key)) {
    hgl_signer_destroy(signer);
    return hgl_fail(err, HGL_BAD_KEY, "%s has another key now: start the host again to use it",
                    agent->name);
  }
  *out = signer;
  return 0;
}

int agent_sign(const struct agent *agent, struct hgl_bytes text, uint8_t out[HGL_SIGNATURE_SIZE],
               struct hgl_err *err)
{
  struct hgl_signer *signer = NULL;
  if (!agent->has_key)
    return hgl_fail(err, HGL_DENIED,
                    "the key of %s is not on this host: whoever holds it signs elsewhere",
                    agent->name);
  int status = signer_now(agent, &signer, err);
  if (status) return status;
  status = hgl_signed_text_sign(signer, text, out, err);
  hgl_signer_destroy(signer);
  return status;
}

static int sign_delegation(const struct agent *agent, const struct hgl_delegation *delegation,
                           struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_signer *signer = NULL;
  int status = signer_now(agent, &signer, err);
  if (status) return status;
  status = hgl_delegation_sign(signer, delegation, out, err);
  hgl_signer_destroy(signer);
  return status;
}

static int archive_delegation(const struct agent *agent, struct hgl_err *err)
{
  struct hgl_buf old;
  hgl_buf_init(&old, HGL_DELEGATION_SIZE_MAX);
  int status = agent_put_delegation(agent, &old, err);
  if (!status)
    status = delegation_archive(agent->host, &agent->delegation, hgl_buf_bytes(&old), err);
  hgl_buf_deinit(&old);
  return status;
}

static int issue_delegation(struct agent *agent, struct hgl_err *err)
{
  struct hgl_host *host = agent->host;
  int64_t now_ms = hgl_wall_ms(host->config.clock);
  /* Never a sequence twice, also not by a host that was restored. */
  uint64_t sequence = (uint64_t)now_ms;
  if (sequence <= agent->delegation.sequence) sequence = agent->delegation.sequence + 1;
  struct hgl_delegation delegation = {.agent = agent->key,
                                      .host = host->key,
                                      .issued_s = now_ms / 1000,
                                      .expires_s = now_ms / 1000 + DELEGATION_DAYS * 24 * 3600,
                                      .sequence = sequence};
  struct hgl_buf bytes;
  int status = has_delegation(agent) ? archive_delegation(agent, err) : 0;
  if (status) return status;
  hgl_buf_init(&bytes, HGL_DELEGATION_SIZE_MAX);
  status = sign_delegation(agent, &delegation, &bytes, err);
  if (!status) status = write_row(agent, hgl_buf_bytes(&bytes), err);
  if (!status) agent->delegation = delegation;
  hgl_buf_deinit(&bytes);
  outbox_unannounce(host, &agent->key);
  return status;
}

static int use_delegation(struct agent *agent, struct hgl_bytes bytes, struct hgl_err *err)
{
  struct hgl_delegation claims;
  if (hgl_delegation_verify(bytes, &claims, err) ||
      hgl_delegation_check(&claims, &agent->host->key, hgl_wall_ms(agent->host->config.clock), err))
    return hgl_fail_in(err, "%s: its delegation", agent->name);
  if (hgl_key_equal(&agent->delegation.agent, &claims.agent) &&
      claims.sequence < agent->delegation.sequence)
    return hgl_fail(err, HGL_DELEGATION_REVOKED,
                    "%s: its delegation was replaced by a newer one, which this host has used",
                    agent->name);
  agent->delegation = claims;
  agent->key = claims.agent;
  return 0;
}

/* Only whoever has the key can renew it: said in time, once a day. */
static void warn_of_end(struct agent *agent, int64_t left_s)
{
  int64_t now_ms = agent->host->mono_ms;
  if (left_s > RENEW_BEFORE_S || agent->warned_ms > now_ms) return;
  agent->warned_ms = now_ms + WARN_EVERY_MS;
  host_log(agent->host, HGL_LOG_WARN,
           "%s: its delegation ends in %lld hours; make a new one with `haggle keys delegate`",
           agent->name, (long long)(left_s > 0 ? left_s / 3600 : 0));
}

/* Delegations that were issued at one start end together. Which of them is renewed when within a
 * day follows from the agent's key, which is as good as random, so that it lasts over restarts. */
static int64_t renew_before_s(const struct agent *agent)
{
  return RENEW_BEFORE_S - (int64_t)(hgl_get_be64(agent->key.bytes) % RENEW_SPREAD_S);
}

int agent_renew(struct agent *agent, struct hgl_err *err)
{
  int64_t left_s = agent->delegation.expires_s - hgl_wall_ms(agent->host->config.clock) / 1000;
  bool ours = has_delegation(agent) && hgl_key_equal(&agent->delegation.host, &agent->host->key);
  if (ours && left_s > (agent->has_key ? renew_before_s(agent) : RENEW_BEFORE_S)) return 0;
  if (!agent->has_key) {
    warn_of_end(agent, left_s);
    return 0;
  }
  return issue_delegation(agent, err);
}

/* ---- coming and going ---- */

void agent_destroy(struct agent *agent)
{
  struct hgl_map_slot *slot;
  if (!agent) return;
  while (agent->runs) run_destroy(agent->runs);
  for (struct mail *mail; (mail = mail_queue_pop(&agent->mailbox));) mail_destroy(mail);
  for (size_t i = 0; (slot = hgl_map_next(&agent->timers, &i));) timer_destroy(slot->value);
  for (size_t i = 0; (slot = hgl_map_next(&agent->senders, &i));) hgl_free(slot->value);
  for (size_t i = 0; (slot = hgl_map_next(&agent->locks, &i));) hgl_free(slot->value);
  operator_deinit(agent);
  dialogues_deinit(agent);
  hgl_map_deinit(&agent->timers);
  hgl_map_deinit(&agent->senders);
  hgl_map_deinit(&agent->unreached);
  hgl_map_deinit(&agent->threads);
  hgl_map_deinit(&agent->asks);
  hgl_map_deinit(&agent->locks);
  agent_unlist_awake(agent);
  script_drop_vms(agent);
  script_release(agent->host, agent->script);
  hgl_free(agent->last_error);
  hgl_free(agent->last_raise);
  hgl_free(agent->last_traceback);
  manifest_release(agent->host, agent->manifest);
  hgl_free(agent);
}

static void init_maps(struct agent *agent)
{
  const struct hgl_random *random = agent->host->config.random;
  struct hgl_map *maps[] = {&agent->dialogue_peers, &agent->unreached, &agent->senders,
                            &agent->threads,        &agent->asks,      &agent->timers,
                            &agent->dialogues,      &agent->locks};
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
    hgl_map_init(maps[i], hgl_random_u64(random), hgl_random_u64(random));
}

static int create(struct child *child, struct agent **out, struct hgl_err *err)
{
  struct agent *agent = hgl_zalloc(sizeof *agent);
  if (!agent) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  agent->host = child->host;
  agent->child = child;
  agent->name = child->name;
  agent->limits = child->limits;
  agent->stored_version = 1;
  init_maps(agent);
  int status = manifest_create(agent->host, &agent->manifest, err);
  if (status) {
    agent_destroy(agent);
    return status;
  }
  *out = agent;
  return 0;
}

static int learn_key(struct agent *agent, struct hgl_err *err)
{
  struct hgl_signer *signer;
  int status = signer_of(agent, &signer, err);
  if (status) return status;
  agent->key = *hgl_signer_key(signer);
  hgl_signer_destroy(signer);
  return 0;
}

static int load_stored(struct agent *agent, bool *found, struct hgl_err *err)
{
  struct hgl_host *host = agent->host;
  struct hgl_bytes delegation = hgl_buf_bytes(&agent->child->delegation);
  int status;
  agent->has_key = !delegation.size;
  status = agent->has_key ? learn_key(agent, err) : use_delegation(agent, delegation, err);
  if (status || (status = load_row(agent, found, err))) return status;
  if (!*found) agent->number = ++host->next_agent_number;
  if (!agent->has_key && (status = use_delegation(agent, delegation, err))) return status;
  return timers_load(agent, err);
}

static int create_vm(struct agent *agent, struct hgl_err *err)
{
  const struct child *child = agent->child;
  int status = 0;
  if (child->script)
    status = script_load(agent, hgl_bytes(child->script->text, child->script->size),
                         hgl_buf_bytes(&child->config), &agent->vm, &agent->script, err);
  return status ? status : manifest_share(agent->host, &agent->manifest, err);
}

static int make_notice(struct agent *agent, enum mail_kind kind, const char *why, struct mail **out,
                       struct hgl_err *err)
{
  struct mail *mail = hgl_zalloc(sizeof *mail);
  char *copy = hgl_strndup(why, strlen(why));
  if (!mail || !copy) {
    hgl_free(mail);
    hgl_free(copy);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  *mail = (struct mail){.kind = kind,
                        .why = copy,
                        .from_version = agent->stored_version,
                        .to_version = agent->manifest->version,
                        .attempt = 1};
  *out = mail;
  return 0;
}

int agent_notice(struct agent *agent, enum mail_kind kind, const char *why, struct hgl_err *err)
{
  struct mail *mail;
  int status = make_notice(agent, kind, why, &mail, err);
  if (!status) mailbox_push(agent, mail);
  return status;
}

int agent_notice_first(struct agent *agent, enum mail_kind kind, const char *why,
                       struct hgl_err *err)
{
  struct mail *mail;
  int status = make_notice(agent, kind, why, &mail, err);
  if (!status) mailbox_push_first(agent, mail);
  return status;
}

static bool listens(const struct agent *agent, enum hgl_vm_declaration kind)
{
  return manifest_has(agent->manifest, kind, hgl_bytes(NULL, 0));
}

int agent_enlist(struct agent *agent, struct hgl_err *err)
{
  struct hgl_host *host = agent->host;
  if (!HGL_GROW(host->agents, host->agent_count, host->agent_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_table_reserve(&host->agents_by_key, err);
  if (!status) status = hgl_table_reserve(&host->agents_by_number, err);
  if (status) return status;
  hgl_table_put(&host->agents_by_key, agent);
  hgl_table_put(&host->agents_by_number, agent);
  agent->place = host->agent_count;
  host->agents[host->agent_count++] = agent;
  return 0;
}

/* The last one fills the gap. */
void agent_unlist(struct agent *agent)
{
  struct hgl_host *host = agent->host;
  agent_unready(agent);
  hgl_table_remove(&host->agents_by_key, agent->key.bytes);
  hgl_table_remove(&host->agents_by_number, &agent->number);
  struct agent *last = host->agents[--host->agent_count];
  host->agents[agent->place] = last;
  last->place = agent->place;
}

/* A script that goes back to an older version has nothing to upgrade from. */
static int change_version(struct agent *agent, struct hgl_err *err)
{
  if (agent->manifest->version > agent->stored_version)
    return agent_notice(agent, MAIL_UPGRADE, "", err);
  return agent_lower_version(agent, err);
}

int agent_lower_version(struct agent *agent, struct hgl_err *err)
{
  int64_t from = agent->stored_version, to = agent->manifest->version;
  if (to >= from) return 0;
  host_log(agent->host, HGL_LOG_WARN,
           "%s: its script goes back from version %lld to %lld: on_upgrade is not called",
           agent->name, (long long)from, (long long)to);
  agent->stored_version = to;
  return agent_store_row(agent, err);
}

int agent_open(struct agent *agent, bool found, const char *reason, struct hgl_err *err)
{
  bool starts = agent->script && listens(agent, HGL_VM_ON_START), was_created = agent->created;
  int status;
  if (!found) agent->stored_version = agent->manifest->version;
  /* One that does nothing at its start has nothing to wait for. */
  if (agent->script && !starts) agent->created = true;
  if (!agent->has_key && (status = write_row(agent, hgl_buf_bytes(&agent->child->delegation), err)))
    return status;
  if ((status = agent_renew(agent, err)) || (status = dialogues_load(agent, err))) return status;
  if (found && agent->created != was_created && (status = agent_store_row(agent, err)))
    return status;
  if (found && was_created && (status = change_version(agent, err))) return status;
  if (!agent->created) reason = "created";
  if (starts && (status = agent_notice(agent, MAIL_START, reason ? reason : "restarted", err)))
    return status;
  if ((status = runs_load(agent, err)) || (status = mailbox_load(agent, err))) return status;
  agent_active(agent);
  return agent_is_advertised(agent) ? 0 : agent_advertise(agent, err);
}

/* The order matters: the stored row gives the number under which rows are found, and stored timers
 * come before the schedules that the VM's top level declares. */
int agent_make(struct child *child, struct agent **out, bool *found, struct hgl_err *err)
{
  struct agent *agent;
  int status = create(child, &agent, err);
  if (status) return status;
  *found = false;
  status = load_stored(agent, found, err);
  if (!status) status = create_vm(agent, err);
  if (status) {
    agent_destroy(agent);
    return status;
  }
  *out = agent;
  return 0;
}

void hgl_host_stop_agents(struct hgl_host *host)
{
  struct hgl_err err;
  if (host->stopping) return;
  host->stopping = true;
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) inbox_drop(host, slot->value);
  for (size_t i = 0; i < host->agent_count; i++) {
    struct agent *agent = host->agents[i];
    if (!agent->script || agent->held || agent->stopped) continue;
    if (!listens(agent, HGL_VM_ON_STOP))
      agent->stopped = true;
    else if (agent_notice(agent, MAIL_STOP, "", &err))
      host_fatal(host, &err);
  }
  http_stop(host);
  host_request_tick(host);
}
