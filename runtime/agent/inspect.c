/* The host described in JSON, for the control API. */
#include <stdlib.h>

#include "agent/page.h"
#include "agent/supervise.h"
#include "protocol/advert.h"

static int give(json_t *json, json_t **out, struct hgl_err *err)
{
  if (!json) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out = json;
  return 0;
}

/* What lacks a part is none. Takes the value. */
static json_t *whole_or_none(json_t *value, bool whole)
{
  if (whole) return value;
  json_decref(value);
  return NULL;
}

struct hgl_host_counts hgl_host_counts(const struct hgl_host *host)
{
  return host->counts;
}

int hgl_host_describe(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  const struct hgl_host_counts *counts = &host->counts;
  struct hgl_store_stats store = hgl_store_stats(host->config.store);
  struct hgl_directory_counts directory = hgl_directory_counts(host->directory);
  json_t *urls = json_array();
  bool whole = true;
  for (char **url = host->urls; url && *url; url++)
    whole &= json_array_append_new(urls, json_string(*url)) == 0;
  urls = whole_or_none(urls, whole);
  json_t *json = json_pack(
      "{s:s, s:o, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, "
      "s:i}",
      "did", host->did, "urls", urls, "agents", (int)host->agent_count, "peers",
      (int)host->peers.count - 1, "ticks", (json_int_t)counts->ticks, "commits",
      (json_int_t)store.commits, "signatures", (json_int_t)counts->signatures, "verifications",
      (json_int_t)counts->verifications, "sent", (json_int_t)counts->sent, "received",
      (json_int_t)counts->received, "handled", (json_int_t)counts->handled, "refused",
      (json_int_t)counts->refused, "raised", (json_int_t)counts->raised, "dead",
      (json_int_t)counts->dead, "deals", (json_int_t)counts->deals, "known_hosts",
      (int)directory.hosts, "known_agents", (int)directory.adverts);
  json_t *more = json_pack(
      "{s:i, s:I, s:I, s:s?, s:I, s:I, s:I, s:I}", "awake", (int)host->awake_count, "woken",
      (json_int_t)counts->woken, "lua_bytes", (json_int_t)host->lua_bytes, "held",
      hgl_host_held(host), "disk_free",
      (json_int_t)(hgl_store_space(host->config.store) & INT64_MAX), "disk_reserve",
      (json_int_t)(host->config.disk_reserve < 0 ? 0 : host->config.disk_reserve), "store_bytes",
      (json_int_t)store.file_bytes, "journal_bytes", (json_int_t)host->journal_bytes);
  if (json && (!more || json_object_update(json, more))) {
    json_decref(json);
    json = NULL;
  }
  json_decref(more);
  return give(json, out, err);
}

const char *child_status(const struct child *child)
{
  static const char *const standings[] = {"running", "paused", "parked", "stopped"};
  const struct agent *agent = child->agent;
  if (child->standing != RUNNING) return standings[child->standing];
  if (child->due.index || !agent) return "starting";
  if (agent->stopped) return "stopped";
  if (hgl_host_held(agent->host)) return "held";
  return agent->created || !agent->script ? "running" : "starting";
}

static json_t *describe_routes(const struct routes *routes)
{
  json_t *names = json_array();
  bool whole = true;
  for (size_t i = 0; i < routes->count; i++)
    whole &= json_array_append_new(names, json_string(routes->items[i].name)) == 0;
  return whole_or_none(names, whole);
}

/* Unix time; 0: not since the host started. */
static int64_t last_active_ms(const struct agent *agent)
{
  const struct hgl_clock *clock = agent->host->config.clock;
  int64_t ago_ms = hgl_mono_ns(clock) / 1000000 - agent->active_ms;
  return agent->active_ms ? hgl_wall_ms(clock) - ago_ms : 0;
}

/* The host may have had no tick for long. */
uint32_t agent_raised_lately(const struct agent *agent)
{
  if (!agent->raised) return 0;
  return lately_count(&agent->raised_lately, hgl_mono_ns(agent->host->config.clock) / 1000000);
}

static json_t *describe_agent(const struct agent *agent)
{
  json_t *protocols = json_array();
  struct hgl_map_slot *slot;
  bool whole = true;
  for (size_t i = 0; (slot = hgl_map_next(&agent->manifest->protocols, &i));)
    whole &= json_array_append_new(protocols,
                                   json_stringn((const char *)slot->key, slot->key_size)) == 0;
  protocols = whole_or_none(protocols, whole);
  return json_pack(
      "{s:o, s:s?, s:I, s:o, s:o, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, "
      "s:s?, s:s?, s:f, s:I}",
      "did", json_did(&agent->key), "about", agent->manifest->about, "version",
      (json_int_t)agent->manifest->version, "protocols", protocols, "routes",
      describe_routes(&agent->manifest->routes), "mailbox", (json_int_t)agent->mailbox.count,
      "runs", (json_int_t)agent->run_count, "timers", (json_int_t)agent->timers.count, "asleep",
      agent->script && !agent->vm, "memory_bytes",
      (json_int_t)(agent->vm ? hgl_vm_memory(agent->vm) : 0), "handled", (json_int_t)agent->handled,
      "sent", (json_int_t)agent->sent, "raised", (json_int_t)agent->raised, "raised_lately",
      (json_int_t)agent_raised_lately(agent), "log_left_out", (json_int_t)agent->log_left_out_total,
      "last_error", agent->last_error, "last_raise", agent->last_raise, "cpu_ms",
      (double)agent->cpu_ns / 1e6, "last_ms", (json_int_t)last_active_ms(agent));
}

/* NULL: its key cannot be read. */
static json_t *did_of_stopped(const struct child *child)
{
  const struct hgl_agent_keys *keys = &child->host->config.keys;
  struct hgl_delegation claims;
  struct hgl_signer *signer;
  struct hgl_err ignored;
  if (child->delegation.size)
    return hgl_delegation_decode(hgl_buf_bytes(&child->delegation), &claims, &ignored)
               ? NULL
               : json_did(&claims.agent);
  if (!child->script || keys->signer(keys->user, child->name, &signer, &ignored)) return NULL;
  json_t *did = json_did(hgl_signer_key(signer));
  hgl_signer_destroy(signer);
  return did;
}

json_t *describe_child(const struct child *child)
{
  bool waits = child->due.index && child->standing == RUNNING;
  int64_t left_ms = child->due.due - hgl_mono_ns(child->host->config.clock) / 1000000;
  bool has_reason = child->reason && (waits || child->standing != RUNNING);
  json_t *object = json_pack(
      "{s:s, s:s, s:o, s:I, s:o*, s:s*}", "name", child->name, "status", child_status(child),
      "script", json_words(hgl_text(child->script_path)), "restarts", (json_int_t)child->restarted,
      "reason", has_reason ? json_words(hgl_text(child->reason)) : NULL, "group",
      child->group ? child->group->name : NULL);
  json_t *rest = child->agent ? describe_agent(child->agent)
                              : json_pack("{s:o*}", "did", did_of_stopped(child));
  bool whole = object && rest && json_object_update(object, rest) == 0;
  if (whole && waits)
    whole = json_object_set_new(object, "starts_in_ms", json_integer(left_ms > 0 ? left_ms : 0)) ==
            0;
  json_decref(rest);
  return whole_or_none(object, whole);
}

/* The first child behind this number. Whoever asks goes on, as a rule, where the last page ended.
 */
static struct child *child_behind(const struct hgl_host *host, uint64_t number)
{
  struct child *child = host->page_end ? host->page_end : host->children.first;
  while (child && child->number > number && child->in[OF_HOST].previous)
    child = child->in[OF_HOST].previous;
  while (child && child->number <= number) child = child->in[OF_HOST].next;
  return child;
}

/* The cursor is the number of the last one told. */
static int page_of_agents(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                          struct hgl_err *err)
{
  struct paging paging;
  uint8_t place[8];
  int status = page_begin(&paging, page, err);
  struct hgl_bytes after = page_after(&paging);
  if (!status && after.size && after.size != sizeof place)
    status = hgl_fail(err, HGL_INVALID, "this is no cursor of a list of agents");
  uint64_t last = !status && after.size ? hgl_get_be64(after.data) : 0;
  struct child *child = last ? child_behind(host, last) : host->children.first;
  for (; child && !status && !page_full(&paging); child = child->in[OF_HOST].next) {
    status = page_add(&paging, describe_child(child), row_key(child->number, place), err);
    if (page) host->page_end = child;
  }
  return page_end(&paging, status, out, err);
}

int hgl_host_list_agents(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  return page_of_agents(host, NULL, out, err);
}

json_t *describe_peer(struct hgl_host *host, const struct peer *peer)
{
  return json_pack(
      "{s:s, s:b, s:b, s:b, s:b, s:s?, s:s?, s:I, s:I, s:I, s:I, s:I, s:I}", "did", peer->did,
      "linked", peer->ready, "dialled", peer->dialled, "restored", peer->restored, "forked",
      proof_kept(host, PROOF_FORK, &peer->key), "url", peer->url, "software", peer->software,
      "skew_ms", (json_int_t)peer->skew_ms, "unacknowledged",
      (json_int_t)(peer->out_next - 1 - peer->out_acked), "unacknowledged_bytes",
      (json_int_t)peer->out_bytes, "said", (json_int_t)(peer->out_next - 1), "heard",
      (json_int_t)(peer->in_next ? peer->in_next - 1 : 0), "violations", (json_int_t)peer->in_bad);
}

static int compare_peers(const void *a, const void *b)
{
  const struct peer *left = *(struct peer *const *)a, *right = *(struct peer *const *)b;
  return memcmp(left->key.bytes, right->key.bytes, HGL_KEY_SIZE);
}

/* The cursor is a key, and peers come in the order of theirs: a map's own order changes. */
static int page_of_peers(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                         struct hgl_err *err)
{
  struct paging paging;
  struct hgl_map_slot *slot;
  size_t count = 0;
  struct peer **peers = hgl_array(host->peers.count + 1, sizeof(struct peer *));
  int status = page_begin(&paging, page, err);
  struct hgl_bytes after = page_after(&paging);
  if (!peers) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; peers && (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    if (peer != host->self && hgl_bytes_compare(hgl_key_bytes(&peer->key), after) > 0)
      peers[count++] = peer;
  }
  if (count) qsort(peers, count, sizeof *peers, compare_peers);
  for (size_t i = 0; !status && i < count && !page_full(&paging); i++)
    status = page_add(&paging, describe_peer(host, peers[i]), hgl_key_bytes(&peers[i]->key), err);
  hgl_free(peers);
  return page_end(&paging, status, out, err);
}

int hgl_host_list_peers(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  return page_of_peers(host, NULL, out, err);
}

int hgl_host_page(struct hgl_host *host, enum hgl_list list, const struct hgl_page *page,
                  json_t **out, struct hgl_err *err)
{
  switch (list) {
  case HGL_LIST_AGENTS:
    return page_of_agents(host, page, out, err);
  case HGL_LIST_PEERS:
    return page_of_peers(host, page, out, err);
  case HGL_LIST_DEALS:
    return page_of_deals(host, page, out, err);
  case HGL_LIST_PROOFS:
    return page_of_proofs(host, page, out, err);
  case HGL_LIST_DEAD:
    return page_of_dead(host, page, out, err);
  case HGL_LIST_RUNS:
    return page_of_runs(host, page, out, err);
  }
  return hgl_fail(err, HGL_INTERNAL, "there is no such list");
}

enum { FOUND_SIZE_MAX = 1 << 20 };

/* Fills the page with what was found behind the first `skip`. *more: not all of it. */
static int add_found(struct paging *paging, struct hgl_bytes found, uint64_t skip, bool *more,
                     struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(found);
  struct hgl_bytes value;
  uint8_t place[8];
  size_t count;
  int status = hgl_cbor_get_list(&in, "found", HGL_QUERY_LIMIT_MAX, &count, err);
  for (size_t i = 0; i < count && !status; i++) {
    json_t *offer = NULL;
    if (page_full(paging)) {
      *more = false; /* the page has told where it goes on */
      return 0;
    }
    status = hgl_cbor_get_value(&in, "offer", &value, err);
    if (!status) status = hgl_value_to_json(value, &offer, err);
    if (!status) status = page_add(paging, offer, row_key(skip + i + 1, place), err);
  }
  return status;
}

/* The cursor is how many were told already. */
int hgl_host_find_page(struct hgl_host *host, const char *text, const struct hgl_page *page,
                       json_t **out, struct hgl_err *err)
{
  struct paging paging;
  struct hgl_query *query = NULL;
  struct hgl_buf result;
  bool more = false;
  hgl_buf_init(&result, FOUND_SIZE_MAX + 2 * HGL_ADVERT_SIZE_MAX);
  int status = page_begin(&paging, page, err);
  struct hgl_bytes after = page_after(&paging);
  if (!status && after.size && after.size != 8)
    status = hgl_fail(err, HGL_INVALID, "this is no cursor of what was found");
  uint64_t skip = !status && after.size ? hgl_get_be64(after.data) : 0;
  if (!status) status = hgl_query_parse(hgl_text(text), &query, err);
  if (!status)
    status = hgl_directory_find_from(host->directory, query, skip, FOUND_SIZE_MAX, &result, &more,
                                     err);
  if (!status) status = add_found(&paging, hgl_buf_bytes(&result), skip, &more, err);
  if (!status && more) hgl_buf_append_bytes(page->next, hgl_buf_bytes(&paging.last));
  hgl_buf_deinit(&result);
  hgl_query_destroy(query);
  return page_end(&paging, status, out, err);
}

int hgl_host_find(struct hgl_host *host, const char *text, json_t **out, struct hgl_err *err)
{
  struct hgl_query *query;
  struct hgl_buf result;
  int status = hgl_query_parse(hgl_text(text), &query, err);
  if (status) return status;
  hgl_buf_init(&result, HGL_FRAME_SIZE_MAX);
  status = hgl_directory_find(host->directory, query, &result, err);
  if (!status) status = hgl_value_to_json(hgl_buf_bytes(&result), out, err);
  hgl_buf_deinit(&result);
  hgl_query_destroy(query);
  return status;
}

/* ---- what an agent declares ---- */

static json_t *list_definitions(const struct manifest *manifest, struct hgl_err *err)
{
  json_t *list = json_array();
  struct hgl_map_slot *slot;
  if (!list) hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; list && (slot = hgl_map_next(&manifest->protocols, &i));) {
    json_t *definition = NULL;
    int status = hgl_value_to_json(hgl_definition_canonical(slot->value), &definition, err);
    if (!status && json_array_append_new(list, definition))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    if (!status) continue;
    json_decref(list);
    list = NULL;
  }
  return list;
}

/* Types of messages whose protocol is not declared. */
static json_t *list_handlers(const struct manifest *manifest)
{
  json_t *list = json_array();
  struct hgl_map_slot *slot;
  struct hgl_bytes protocol, version, performative;
  struct hgl_err err;
  bool whole = list != NULL;
  for (size_t i = 0; whole && (slot = hgl_map_next(&manifest->names, &i));) {
    struct hgl_bytes name = hgl_bytes((const uint8_t *)slot->key + 1, slot->key_size - 1);
    if (*(const uint8_t *)slot->key != HGL_VM_HANDLER ||
        hgl_type_parse(name, &protocol, &version, &performative, &err) ||
        manifest_definition(manifest, protocol, version))
      continue;
    whole = json_array_append_new(list, json_stringn((const char *)name.data, name.size)) == 0;
  }
  return whole_or_none(list, whole);
}

int hgl_host_protocols(struct hgl_host *host, const char *name, json_t **out, struct hgl_err *err)
{
  const struct agent *agent = agent_by_name(host, hgl_text(name));
  if (!agent || !agent->manifest)
    return hgl_fail(err, HGL_NOT_FOUND, "there is no agent %.80s here that runs", name);
  json_t *definitions = list_definitions(agent->manifest, err);
  if (!definitions) return -(int)err->code;
  json_t *handlers = list_handlers(agent->manifest);
  return give(json_pack("{s:o, s:o}", "protocols", definitions, "handlers", handlers), out, err);
}
