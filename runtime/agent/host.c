#include "agent/accounts.h"
#include "agent/groups.h"
#include "agent/schedules.h"
#include "agent/supervise.h"
#include "agent/trace.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void host_log(struct hgl_host *host, enum hgl_log_level level, const char *format, ...)
{
  if (level < host->config.log->least && !host->watchers) return;
  char text[2048];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  hgl_log(host->config.log, level, "host", "%s", text);
  if (!host->watchers || level <= HGL_LOG_DEBUG) return;
  struct hgl_buf clean; /* it may hold words of a script */
  hgl_buf_init(&clean, 4 * sizeof text);
  put_clean(&clean, hgl_text(text));
  watch_event(host, "log",
              json_pack("{s:s, s:s, s:s%}", "agent", "host", "level", hgl_log_level_name(level),
                        "text", clean.data ? (const char *)clean.data : "", clean.size));
  hgl_buf_deinit(&clean);
}

/* The host cannot go on. What is not committed is as if it had not happened. */
void host_fatal(struct hgl_host *host, const struct hgl_err *why)
{
  if (host->failed) return;
  host->failed = true;
  hgl_log(host->config.log, HGL_LOG_ERROR, "host", "stopping: %s (%s)", why->message,
          hgl_code_name(why->code));
  if (host->config.fatal) host->config.fatal(host->config.user, why);
}

void host_request_tick(struct hgl_host *host)
{
  if (host->config.request_tick) host->config.request_tick(host->config.user);
}

uint64_t host_row(struct hgl_host *host)
{
  return host->next_row++;
}

struct hgl_bytes row_key(uint64_t row, uint8_t out[8])
{
  hgl_put_be64(out, row);
  return hgl_bytes(out, 8);
}

struct hgl_writeset *host_writes(struct hgl_host *host)
{
  host->changed = true;
  return hgl_store_open_set(host->config.store);
}

/* ---- no network ---- */

static int send_nowhere(void *link, struct hgl_bytes frame, struct hgl_err *err)
{
  return hgl_fail(err, HGL_CLOSED, "this host has no network");
}

static size_t queue_nothing(void *link)
{
  return 0;
}

static void pause_nothing(void *link, bool paused) {}

static void close_nothing(void *link, enum hgl_code code, const char *why) {}

static void want_nobody(void *user, const struct hgl_key *peer, enum hgl_link_want wanted) {}

static void address_nobody(void *user, const struct hgl_key *peer, const char *url,
                           enum hgl_url_source source)
{
}

const struct hgl_transport hgl_transport_none = {
    send_nowhere, queue_nothing, pause_nothing, close_nothing, want_nobody, address_nobody, NULL};

/* ---- loading ---- */

static int directory_store(void *user, struct hgl_bytes key, struct hgl_bytes row,
                           struct hgl_err *err)
{
  struct hgl_host *host = user;
  int status = row.size ? hgl_writeset_put(host_writes(host), HGL_DB_DIRECTORY, key, row, err)
                        : hgl_writeset_delete(host_writes(host), HGL_DB_DIRECTORY, key, err);
  if (status) host_log(host, HGL_LOG_WARN, "a row of the directory: %s", err->message);
  return status;
}

static int directory_read(void *user, struct hgl_bytes key, struct hgl_buf *out,
                          struct hgl_err *err)
{
  struct hgl_host *host = user;
  return hgl_store_get(host->config.store, HGL_DB_DIRECTORY, key, out, err);
}

/* Ours is said again with the next upkeep, another host's told again by neighbours. */
static void directory_lost(void *user, const struct hgl_key *agent, const struct hgl_err *why)
{
  struct hgl_host *host = user;
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(agent, did);
  host_log(host, HGL_LOG_WARN, "the stored advert of %s is lost: %s", did, why->message);
  struct agent *ours = agent_by_key(host, agent);
  if (ours) ours->advert_lost = true;
}

static void directory_address(void *user, const struct hgl_key *key, struct hgl_bytes url,
                              bool from_lease)
{
  struct hgl_host *host = user;
  if (!hgl_key_equal(key, &host->key))
    peer_address(host, key, url, from_lease ? HGL_URL_CLAIMED : HGL_URL_HEARSAY);
}

static int load_advert(void *user, struct hgl_bytes key, struct hgl_bytes value,
                       struct hgl_err *err)
{
  struct hgl_host *host = user;
  struct hgl_err why;
  if (hgl_directory_load(host->directory, key, value, &why))
    host_log(host, HGL_LOG_WARN, "a stored advert is passed over: %s", why.message);
  return 0;
}

static int load_agent_number(void *user, struct hgl_bytes key, struct hgl_bytes value,
                             struct hgl_err *err)
{
  struct hgl_host *host = user;
  uint64_t number;
  int status = hgl_agent_row_number(value, &number, err);
  if (status) return status;
  if (number > host->next_agent_number) host->next_agent_number = number;
  return 0;
}

static int load(struct hgl_host *host, struct hgl_err *err)
{
  static const struct hgl_directory_events events = {directory_store, directory_read,
                                                     directory_lost, directory_address};
  const struct hgl_bytes none = {0};
  struct hgl_store *store = host->config.store;
  int status;
  if ((status = chain_load(host, err)) || (status = peers_load(host, err)) ||
      (status = outbox_load(host, err)) || (status = chain_begin(host, err)) ||
      (status = journal_age_load(host, err)) || (status = dead_load(host, err)) ||
      (status = proofs_load(host, err)) ||
      (status = hgl_directory_create(host->config.signer, host->config.clock, host->config.random,
                                     &events, host, &host->directory, err)) ||
      (status = hgl_store_scan(store, HGL_DB_DIRECTORY, none, none, false, load_advert, host,
                               err)) ||
      (status = hgl_store_scan(store, HGL_DB_AGENTS, none, none, false, load_agent_number, host,
                               err)) ||
      (status = erase_load(host, err)))
    return status;
  return 0;
}

int hgl_host_create(const struct hgl_host_config *config, struct hgl_host **out,
                    struct hgl_err *err)
{
  struct hgl_host *host = hgl_zalloc(sizeof *host);
  if (!host) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  host->config = *config;
  if (!host->config.journal_bytes) host->config.journal_bytes = HGL_JOURNAL_BYTES_DEFAULT;
  if (!host->config.disk_reserve) host->config.disk_reserve = HGL_DISK_RESERVE_DEFAULT;
  if (!host->config.hosts_max) host->config.hosts_max = HGL_HOSTS_DEFAULT;
  if (!host->config.hibernate_ms) host->config.hibernate_ms = HGL_HIBERNATE_MS_DEFAULT;
  if (!host->config.lua_bytes) host->config.lua_bytes = HGL_LUA_BYTES_DEFAULT;
  host->key = *hgl_signer_key(config->signer);
  hgl_did_format(&host->key, host->did);
  struct hgl_map *maps[] = {&host->manifests,
                            &host->limits,
                            &host->peers,
                            &host->delegations,
                            &host->delegation_shares,
                            &host->addresses,
                            &host->accounts,
                            &host->scripts,
                            &host->children_by_name,
                            &host->groups,
                            &host->kept_scripts,
                            &host->zones,
                            &host->calls};
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
    hgl_map_init(maps[i], hgl_random_u64(config->random), hgl_random_u64(config->random));
  hgl_table_init(&host->agents_by_key, offsetof(struct agent, key), HGL_KEY_SIZE,
                 hgl_random_u64(config->random), hgl_random_u64(config->random));
  hgl_table_init(&host->agents_by_number, offsetof(struct agent, number),
                 sizeof((struct agent *)0)->number, hgl_random_u64(config->random),
                 hgl_random_u64(config->random));
  hgl_heap_init(&host->wall_heap);
  hgl_heap_init(&host->mono_heap);
  hgl_heap_init(&host->restarts);
  hgl_heap_init(&host->delegation_ends);
  host->tick = 1;
  host->holds_due_ms = host->expiry_due_ms = INT64_MAX;
  tick_now(host);
  host->upkeep_due_ms = host->mono_ms;
  host->deferred_bytes_max = HGL_DEFERRED_BYTES_MAX;
  hgl_buf_init(&host->stretch.http_answer, RUN_VALUES_SIZE_MAX);
  int status = hgl_writeset_create(&host->stretch.writes, err);
  if (!status) status = trace_create(config->trace_events, &host->trace, err);
  if (!status) status = load(host, err);
  if (status) {
    hgl_host_destroy(host);
    return status;
  }
  *out = host;
  return 0;
}

void hgl_host_destroy(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  if (!host) return;
  operate_deinit(host);
  reloads_deinit(host);
  console_deinit(host);
  http_deinit(host);
  for (size_t i = 0; i < host->agent_count; i++) agent_destroy(host->agents[i]);
  children_deinit(host);
  erase_deinit(host);
  for (size_t i = 0; i < host->kept_count; i++) message_release(host->kept[i]);
  for (struct tick_record *record; (record = host->records_first);) {
    host->records_first = record->next;
    hgl_free(record);
  }
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) peer_destroy(host, slot->value);
  stretch_deinit(&host->stretch);
  trace_destroy(host->trace);
  delegations_deinit(host);
  accounts_deinit(host);
  hgl_directory_destroy(host->directory);
  hgl_heap_deinit(&host->wall_heap);
  hgl_heap_deinit(&host->mono_heap);
  hgl_heap_deinit(&host->restarts);
  route_forget_addresses(host);
  hgl_map_deinit(&host->manifests);
  zones_deinit(host);
  hgl_table_deinit(&host->agents_by_key);
  hgl_table_deinit(&host->agents_by_number);
  hgl_map_deinit(&host->kept_scripts);
  hgl_map_deinit(&host->peers);
  hgl_map_deinit(&host->calls);
  for (char **url = host->urls; url && *url; url++) hgl_free(*url);
  hgl_free(host->urls);
  hgl_free(host->agents);
  hgl_free(host->absent);
  hgl_free(host->kept);
  hgl_free(host);
}

int hgl_host_set_urls(struct hgl_host *host, const char *const *urls, struct hgl_err *err)
{
  size_t count = 0;
  while (urls[count]) count++;
  char **copies = hgl_array(count + 1, sizeof *copies);
  if (!copies) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < count; i++)
    if (!(copies[i] = hgl_strndup(urls[i], strlen(urls[i])))) {
      while (i-- > 0) hgl_free(copies[i]);
      hgl_free(copies);
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    }
  for (char **url = host->urls; url && *url; url++) hgl_free(*url);
  hgl_free(host->urls);
  host->urls = copies;
  return 0;
}
