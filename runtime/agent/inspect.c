/* The host described in JSON, for the control API. */
#include "agent/internal.h"
#include "agent/supervise.h"

static int give(json_t *json, json_t **out, struct hgl_err *err)
{
  if (!json) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out = json;
  return 0;
}

/* Something that lacks a part is nothing. Takes it. */
static json_t *whole_or_none(json_t *json, bool whole)
{
  if (whole) return json;
  json_decref(json);
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
  return give(
      json_pack("{s:s, s:o, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, "
                "s:i}",
                "did", host->did, "urls", urls, "agents", (int)host->agent_count, "peers",
                (int)host->peers.count - 1, "ticks", (json_int_t)counts->ticks, "commits",
                (json_int_t)store.commits, "signatures", (json_int_t)counts->signatures,
                "verifications", (json_int_t)counts->verifications, "sent",
                (json_int_t)counts->sent, "received", (json_int_t)counts->received, "handled",
                (json_int_t)counts->handled, "refused", (json_int_t)counts->refused, "raised",
                (json_int_t)counts->raised, "dead", (json_int_t)counts->dead, "deals",
                (json_int_t)counts->deals, "known_hosts", (int)directory.hosts, "known_agents",
                (int)directory.adverts),
      out, err);
}

static const char *status_of(const struct child *child)
{
  static const char *const standings[] = {"running", "paused", "parked", "stopped"};
  const struct agent *agent = child->agent;
  if (child->standing != RUNNING) return standings[child->standing];
  if (child->due.index || !agent) return "starting";
  if (agent->stopped) return "stopped";
  return agent->created || !agent->vm ? "running" : "starting";
}

static json_t *describe_agent(const struct agent *agent)
{
  json_t *protocols = json_array();
  struct hgl_map_slot *slot;
  bool whole = true;
  for (size_t i = 0; (slot = hgl_map_next(&agent->protocols, &i));)
    whole &= json_array_append_new(protocols,
                                   json_stringn((const char *)slot->key, slot->key_size)) == 0;
  protocols = whole_or_none(protocols, whole);
  return json_pack(
      "{s:o, s:s?, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s?}", "did",
      json_did(&agent->key), "about", agent->description, "version", (json_int_t)agent->version,
      "protocols", protocols, "mailbox", (json_int_t)agent->mailbox.count, "runs",
      (json_int_t)agent->run_count, "timers", (json_int_t)agent->timers.count, "memory_bytes",
      (json_int_t)(agent->vm ? hgl_vm_memory(agent->vm) : 0), "handled", (json_int_t)agent->handled,
      "sent", (json_int_t)agent->sent, "raised", (json_int_t)agent->raised, "log_left_out",
      (json_int_t)agent->log_left_out_total, "last_error", agent->last_error);
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
  json_t *object = json_pack("{s:s, s:s, s:s, s:I, s:s*, s:s*}", "name", child->name, "status",
                             status_of(child), "script", child->script_path, "restarts",
                             (json_int_t)child->restarted, "reason",
                             waits || child->standing != RUNNING ? child->reason : NULL, "group",
                             child->group ? child->group->name : NULL);
  json_t *agent = child->agent ? describe_agent(child->agent) : NULL;
  bool whole = object != NULL;
  if (child->agent)
    whole = whole && agent && json_object_update(object, agent) == 0;
  else if (whole)
    json_object_set_new(object, "did", did_of_stopped(child));
  if (whole && waits)
    whole = json_object_set_new(object, "starts_in_ms", json_integer(left_ms > 0 ? left_ms : 0)) ==
            0;
  json_decref(agent);
  return whole_or_none(object, whole);
}

int hgl_host_list_agents(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  json_t *list = json_array();
  bool whole = true;
  for (const struct child *child = host->children; child; child = child->next)
    whole &= json_array_append_new(list, describe_child(child)) == 0;
  return give(whole_or_none(list, whole), out, err);
}

int hgl_host_list_peers(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  json_t *list = json_array();
  struct hgl_map_slot *slot;
  bool whole = true;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    const struct peer *peer = slot->value;
    if (peer == host->self) continue;
    whole &= 0 ==
             json_array_append_new(
                 list,
                 json_pack("{s:s, s:b, s:b, s:b, s:b, s:s?, s:s?, s:I, s:I, s:I, s:I, s:I, s:I}",
                           "did", peer->did, "linked", peer->ready, "dialled", peer->dialled,
                           "restored", peer->restored, "forked",
                           proof_kept(host, PROOF_FORK, &peer->key), "url", peer->url, "software",
                           peer->software, "skew_ms", (json_int_t)peer->skew_ms, "unacknowledged",
                           (json_int_t)(peer->out_next - 1 - peer->out_acked),
                           "unacknowledged_bytes", (json_int_t)peer->out_bytes, "said",
                           (json_int_t)(peer->out_next - 1), "heard",
                           (json_int_t)(peer->in_next ? peer->in_next - 1 : 0), "violations",
                           (json_int_t)peer->in_bad));
  }
  return give(whole_or_none(list, whole), out, err);
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
