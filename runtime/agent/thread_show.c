/* The list of dialogues, for the control API and the feed. */
#include "agent/show.h"
#include "agent/threads.h"

#include <strings.h>

enum {
  OPEN_LOOKED_AT_MAX = 4096, /* open dialogues and agents, of which the trace tells nothing more */
};

/* ---- one ---- */

/* Of an open dialogue whose messages the trace has no more: the one that it began under. */
static const struct hgl_definition *definition_of_open(struct hgl_host *host,
                                                       const struct thread *thread)
{
  const struct agent *agent = agent_by_key(host, &thread->agent);
  const struct hgl_dialogue *dialogue = agent ? dialogue_find(agent, &thread->peer, &thread->thid)
                                              : NULL;
  const struct hgl_map_slot *slot;
  for (size_t i = 0;
       dialogue && dialogue->definition && (slot = hgl_map_next(&agent->manifest->protocols, &i));)
    if (hgl_dialogue_began_under(slot->value, dialogue)) return slot->value;
  return NULL;
}

const struct hgl_definition *thread_definition(struct hgl_host *host, const struct thread *thread)
{
  const struct hgl_key *sides[] = {&thread->agent, &thread->peer};
  struct hgl_bytes protocol, version, performative;
  struct hgl_err ignored;
  if (!thread->typed) return definition_of_open(host, thread);
  if (hgl_type_parse(hgl_text(trace_event(host->trace, thread->typed)->name), &protocol, &version,
                     &performative, &ignored))
    return NULL;
  for (size_t i = 0; i < 2; i++) {
    const struct agent *agent = agent_by_key(host, sides[i]);
    const struct hgl_definition *definition =
        agent ? manifest_definition(agent->manifest, protocol, version) : NULL;
    if (definition) return definition;
  }
  return NULL;
}

/* What follows the last slash; `protocol`: what stands before it. */
static json_t *part_of_type(const char *type, bool protocol)
{
  const char *slash = strrchr(type, '/');
  if (!slash) return json_string(type);
  return protocol ? json_stringn(type, (size_t)(slash - type)) : json_string(slash + 1);
}

static json_t *name_of(struct hgl_host *host, const struct hgl_key *key)
{
  const struct agent *agent = agent_by_key(host, key);
  return agent ? json_string(agent->name) : json_did(key);
}

static int set_names(struct hgl_host *host, const struct thread *thread, json_t *out)
{
  const struct agent *peer = agent_by_key(host, &thread->peer);
  struct hgl_bytes alias = {0};
  int status = json_object_set_new(out, "agent", name_of(host, &thread->agent)) |
               json_object_set_new(out, "agent_did", json_did(&thread->agent)) |
               json_object_set_new(out, "peer", json_did(&thread->peer)) |
               json_object_set_new(out, "thid", json_id(&thread->thid));
  if (peer) status |= json_object_set_new(out, "peer_name", json_string(peer->name));
  if (!peer) (void)hgl_directory_services(host->directory, &thread->peer, &alias, NULL, 0);
  if (alias.size) status |= json_object_set_new(out, "peer_alias", json_words(alias));
  if (thread->has_pthid) status |= json_object_set_new(out, "parent", json_id(&thread->pthid));
  return status;
}

static int set_messages(struct hgl_host *host, const struct thread *thread, json_t *out)
{
  const struct trace *trace = host->trace;
  int status = json_object_set_new(out, "messages", json_integer(thread->messages));
  if (thread->typed)
    status |= json_object_set_new(out, "protocol",
                                  part_of_type(trace_event(trace, thread->typed)->name, true));
  if (thread->said_last)
    status |= json_object_set_new(out, "last",
                                  part_of_type(trace_event(trace, thread->said_last)->name, false));
  if (thread->priced)
    status |= json_object_set_new(out, "price",
                                  json_integer(trace_event(trace, thread->priced)->price));
  if (thread->served)
    status |= json_object_set_new(out, "service",
                                  json_words(hgl_text(trace_event(trace, thread->served)->note)));
  return status;
}

/* What both have signed stands above what was haggled over. */
static int set_deal(const struct thread *thread, const struct deal *deal, json_t *out)
{
  struct hgl_bytes service = deal_text(deal, "service"), value;
  struct hgl_cbor_item item;
  bool found = false;
  if (!deal->keeper) return 0;
  int status = json_object_set_new(out, "deal", json_id(&thread->thid)) |
               json_object_set_new(out, "deal_status", json_words(deal_text(deal, "status")));
  if (service.size) status |= json_object_set_new(out, "service", json_words(service));
  if (hgl_value_field(deal->record, "price", &value, &found, NULL) || !found) return status;
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  if (hgl_cbor_next(&in, &item, NULL) == 0 && item.kind == HGL_CBOR_INT)
    status |= json_object_set_new(out, "price", json_integer(item.integer));
  return status;
}

static json_t *list_expected(const struct hgl_definition *definition,
                             const struct hgl_dialogue *dialogue, bool ours)
{
  struct hgl_bytes names[HGL_DEFINITION_MESSAGES_MAX];
  size_t count = hgl_dialogue_expected(definition, dialogue, ours, names);
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++)
    if (json_array_append_new(list, json_stringn((const char *)names[i].data, names[i].size))) {
      json_decref(list);
      return NULL;
    }
  return list;
}

/* Where the trace has no message any more, the dialogue still knows its protocol and its last. */
static int set_type(const struct hgl_definition *definition, const struct hgl_dialogue *dialogue,
                    json_t *out)
{
  struct hgl_bytes last = hgl_dialogue_last(definition, dialogue);
  struct hgl_bytes name = hgl_definition_name(definition);
  struct hgl_bytes version = hgl_definition_version(definition);
  int status = 0;
  if (!json_object_get(out, "protocol"))
    status = json_object_set_new(out, "protocol",
                                 json_sprintf("%.*s/%.*s", HGL_STR(name), HGL_STR(version)));
  if (!json_object_get(out, "last") && last.size)
    status |= json_object_set_new(out, "last", json_stringn((const char *)last.data, last.size));
  return status;
}

/* Who may say what next, and until when: seen from `agent`. */
static int set_waits(struct hgl_host *host, const struct thread *thread, json_t *out)
{
  const struct hgl_definition *definition = thread_definition(host, thread);
  const struct agent *agent = agent_by_key(host, &thread->agent);
  const struct hgl_dialogue *dialogue = agent && definition
                                            ? dialogue_find(agent, &thread->peer, &thread->thid)
                                            : NULL;
  if (!dialogue) return 0;
  json_t *waits = json_pack("{s:o, s:o}", "agent", list_expected(definition, dialogue, true),
                            "peer", list_expected(definition, dialogue, false));
  int status = set_type(definition, dialogue, out);
  if (dialogue->deadline_ms)
    status |= json_object_set_new(waits, "until_ms", json_integer(dialogue->deadline_ms));
  return status | json_object_set_new(out, "waits", waits);
}

json_t *thread_show(struct hgl_host *host, const struct thread *thread, const struct deal *deal,
                    const struct outcome *outcome)
{
  json_t *out = json_pack("{s:I, s:I, s:b, s:s, s:s*}", "opened_ms", (json_int_t)thread->opened_ms,
                          "last_ms", (json_int_t)thread->last_ms, "whole", thread->whole, "state",
                          thread_states[outcome->state], "cause", outcome->cause);
  if (!out) return NULL;
  int status = set_names(host, thread, out) | set_messages(host, thread, out) |
               set_deal(thread, deal, out);
  if (outcome->state == THREAD_OPEN) status |= set_waits(host, thread, out);
  if (outcome->why.size)
    status |= json_object_set_new(out, "why", json_words(hgl_buf_bytes(&outcome->why)));
  if (!status) return out;
  json_decref(out);
  return NULL;
}

/* ---- which ---- */

struct listing {
  struct hgl_host *host;
  const struct hgl_dialogues_wanted *wanted;
  json_t *list;
};

static bool has_text(const json_t *dialogue, const char *text)
{
  static const char *const fields[] = {"agent",      "agent_did", "peer",     "peer_name",
                                       "peer_alias", "thid",      "protocol", "last",
                                       "service",    "why",       "cause",    "deal_status"};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    const char *value = json_string_value(json_object_get(dialogue, fields[i]));
    if (value && strcasestr(value, text)) return true;
  }
  return false;
}

/* "market" is of every version. */
static bool is_of_protocol(const json_t *dialogue, const char *wanted)
{
  const char *protocol = json_string_value(json_object_get(dialogue, "protocol"));
  size_t size = strlen(wanted);
  return protocol && strncmp(protocol, wanted, size) == 0 &&
         (!protocol[size] || protocol[size] == '/');
}

static bool is_wanted(const struct hgl_dialogues_wanted *wanted, const json_t *dialogue)
{
  const char *state = json_string_value(json_object_get(dialogue, "state"));
  return (!wanted->state || strcmp(state, wanted->state) == 0) &&
         (!wanted->protocol || is_of_protocol(dialogue, wanted->protocol)) &&
         (!wanted->text || has_text(dialogue, wanted->text));
}

/* What can be said without reading or writing anything: most are not asked for. */
static bool may_be_wanted(const struct listing *listing, const struct thread *thread,
                          const struct outcome *outcome)
{
  const struct hgl_dialogues_wanted *wanted = listing->wanted;
  const char *type = thread->typed ? trace_event(listing->host->trace, thread->typed)->name : NULL;
  if (wanted->protocol && type && strncmp(type, wanted->protocol, strlen(wanted->protocol)) != 0)
    return false;
  /* The record of its deal may say of one that ended that it was breached. */
  return !wanted->state || strcmp(wanted->state, thread_states[outcome->state]) == 0 ||
         (outcome->state == THREAD_ENDED &&
          strcmp(wanted->state, thread_states[THREAD_FAILED]) == 0);
}

static int judge(struct listing *listing, const struct thread *thread, struct deal *deal,
                 struct outcome *outcome, bool *wanted, struct hgl_err *err)
{
  static const struct deal none;
  int status = thread_judge(listing->host, thread, &none, outcome, err);
  if (status) return status;
  *wanted = may_be_wanted(listing, thread, outcome);
  if (!*wanted) return 0;
  status = thread_deal(listing->host, thread, deal, err);
  bool again = !status && deal->keeper && outcome->state == THREAD_ENDED;
  if (status || again) outcome_deinit(outcome);
  return again ? thread_judge(listing->host, thread, deal, outcome, err) : status;
}

static int add(struct listing *listing, const struct thread *thread, struct hgl_err *err)
{
  struct deal deal = {0};
  struct outcome outcome;
  bool wanted = false;
  int status = judge(listing, thread, &deal, &outcome, &wanted, err);
  bool judged = !status;
  if (judged && wanted) {
    json_t *dialogue = thread_show(listing->host, thread, &deal, &outcome);
    if (dialogue && !is_wanted(listing->wanted, dialogue))
      json_decref(dialogue);
    else if (json_array_append_new(listing->list, dialogue))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  if (judged) outcome_deinit(&outcome);
  thread_deal_deinit(&deal);
  return status;
}

static bool is_full(const struct listing *listing)
{
  return json_array_size(listing->list) >= listing->wanted->limit;
}

/* ---- those that are open and of which the trace tells nothing more ---- */

static bool is_known(const struct threads *threads, const struct agent *agent,
                     const struct hgl_key *peer, const struct hgl_id *thid)
{
  const struct trace_event event = {.agent = agent->key, .peer = *peer, .thid = *thid};
  return threads_find(threads, &event) != NULL;
}

static int add_open(struct listing *listing, const struct threads *threads,
                    const struct threads_wanted *wanted, const struct agent *agent, int *looked_at,
                    struct hgl_err *err)
{
  struct thread thread = {.agent = agent->key};
  int status = 0;
  for (size_t at = 0; !status && !is_full(listing) && *looked_at < OPEN_LOOKED_AT_MAX &&
                      dialogue_next(agent, &at, &thread.peer, &thread.thid, &thread.last_ms);
       ++*looked_at) {
    bool other = wanted->peer && !hgl_key_equal(&thread.peer, wanted->peer);
    thread.opened_ms = thread.last_ms;
    if (!other && !is_known(threads, agent, &thread.peer, &thread.thid))
      status = add(listing, &thread, err);
  }
  return status;
}

/* A bounded look, in no order: they are behind all that the trace knows. */
static int add_older(struct listing *listing, const struct threads *threads,
                     const struct threads_wanted *wanted, struct hgl_err *err)
{
  struct hgl_host *host = listing->host;
  int looked_at = 0, status = 0;
  if (wanted->agent) {
    const struct agent *agent = agent_by_key(host, wanted->agent);
    return agent ? add_open(listing, threads, wanted, agent, &looked_at, err) : 0;
  }
  for (size_t i = 0;
       i < host->agent_count && !status && !is_full(listing) && looked_at < OPEN_LOOKED_AT_MAX;
       i++, looked_at++)
    status = add_open(listing, threads, wanted, host->agents[i], &looked_at, err);
  return status;
}

/* ---- the list ---- */

static int64_t oldest_ms(const struct hgl_host *host)
{
  const struct trace *trace = host->trace;
  uint64_t oldest = trace ? trace_oldest(trace) : 0;
  return oldest ? trace_event(trace, oldest)->time_ms : host->now_ms;
}

static int list(struct listing *listing, const struct threads_wanted *wanted, struct hgl_err *err)
{
  struct threads threads;
  uint32_t *order = NULL;
  int status = threads_gather(listing->host, wanted, &threads, err);
  if (!status) status = threads_by_last(&threads, &order, err);
  for (size_t i = 0; i < threads.count && !status && !is_full(listing); i++)
    status = add(listing, &threads.items[order[i]], err);
  if (!status && !is_full(listing)) status = add_older(listing, &threads, wanted, err);
  hgl_free(order);
  threads_deinit(&threads);
  return status;
}

static int check_state(const char *state, struct hgl_err *err)
{
  for (size_t i = 0; state && i <= THREAD_FAILED; i++)
    if (strcmp(thread_states[i], state) == 0) return 0;
  return state ? hgl_fail(err, HGL_INVALID, "a dialogue's state is open, ended or failed") : 0;
}

int hgl_host_dialogues(struct hgl_host *host, const struct hgl_dialogues_wanted *wanted,
                       json_t **out, struct hgl_err *err)
{
  struct listing listing = {host, wanted, NULL};
  struct threads_wanted keys = {0};
  struct hgl_key agent, peer;
  int status = check_state(wanted->state, err);
  if (!status && wanted->agent) status = key_of_text(host, wanted->agent, &agent, err);
  if (!status && wanted->peer) status = key_of_text(host, wanted->peer, &peer, err);
  if (status) return status;
  if (wanted->agent) keys.agent = &agent;
  if (wanted->peer) keys.peer = &peer;
  if (!(listing.list = json_array())) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if ((status = list(&listing, &keys, err))) {
    json_decref(listing.list);
    return status;
  }
  *out = json_pack("{s:o, s:I}", "dialogues", listing.list, "oldest_ms",
                   (json_int_t)oldest_ms(host));
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}
