/* One dialogue, for the control API and the feed: its messages with their bodies, what happened
 * around them, and what it waits for. */
#include "agent/entries.h"
#include "agent/journal.h"
#include "agent/show.h"

enum {
  EVENTS_MAX = 1000,           /* the latest */
  BODIES_SIZE_MAX = 384 << 10, /* encoded, of all together: JSON may be six times as long */
  EVIDENCE_SIZE_MAX = 640 << 10,
  WHY_SIZE_MAX = 512,
};

struct telling {
  struct hgl_host *host;
  struct entries *entries;
  bool with_evidence;
  size_t bodies, evidence; /* bytes so far */
  const struct entry *entry;
  json_t *out; /* the message that is told */
  /* The latest message, if it is one to another host that has not acknowledged it. */
  bool under_way;
  struct hgl_key destination; /* that host; zeros: it has not been signed yet */
};

/* ---- bodies ---- */

static int set_missing(json_t *out, const char *why)
{
  return json_object_set_new(out, "body", json_null()) |
         json_object_set_new(out, "missing", json_string(why));
}

static int set_body(struct telling *telling, const struct hgl_envelope *envelope,
                    struct hgl_err *err)
{
  json_t *body = NULL;
  telling->bodies += envelope->body.size;
  if (telling->bodies > BODIES_SIZE_MAX)
    return set_missing(telling->out, "left out: this answer would be too long, see the message")
               ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
               : 0;
  int status = hgl_value_to_json(envelope->body, &body, err);
  if (status) return status;
  return json_object_set_new(telling->out, "body", body)
             ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
             : 0;
}

static int set_evidence(struct telling *telling, const struct hgl_buf *evidence,
                        struct hgl_err *err)
{
  telling->evidence += evidence->size;
  if (telling->evidence > EVIDENCE_SIZE_MAX) return 0;
  return json_object_set_new(telling->out, "evidence", json_base64(hgl_buf_bytes(evidence)))
             ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
             : 0;
}

static bool is_latest(const struct telling *telling)
{
  return telling->entry == &telling->entries->items[telling->entries->count - 1];
}

static bool is_under_way(const struct entry *entry)
{
  return entry->said && !entry->here && strcmp(entry->state, "said") == 0;
}

/* How far what was said to another host has come. */
static int set_fate(struct telling *telling, const struct journal_message *found)
{
  const struct entry *entry = telling->entry;
  struct hgl_header header;
  struct hgl_group_leaf leaf;
  if (!is_under_way(entry) || hgl_header_decode(found->batch->header, &header, NULL) ||
      hgl_group_leaf_decode(found->batch->group_leaf, &leaf, NULL))
    return 0;
  switch (
      message_fate(telling->host, &header, &leaf.destination, leaf.first_number + found->index)) {
  case MESSAGE_ACKNOWLEDGED:
    return json_object_set_new(telling->out, "state", json_string("acknowledged"));
  case MESSAGE_UNDER_WAY:
    telling->under_way = is_latest(telling);
    telling->destination = leaf.destination;
    break;
  case MESSAGE_FATE_UNKNOWN:
    break;
  }
  return 0;
}

static int tell_found(void *user, const struct journal_message *found, struct hgl_err *err)
{
  struct telling *telling = user;
  struct hgl_buf evidence;
  struct hgl_err why = {0};
  if (set_fate(telling, found)) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = set_body(telling, &found->envelope, err);
  if (status || !telling->with_evidence || telling->evidence > EVIDENCE_SIZE_MAX) return status;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  status = journal_evidence(telling->host, found, &evidence, &why);
  if (!status)
    status = set_evidence(telling, &evidence, err);
  else if (status == -HGL_NO_MEMORY ||
           json_object_set_new(telling->out, "unproved", json_words(hgl_text(why.message))))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  else
    status = 0;
  hgl_buf_deinit(&evidence);
  return status;
}

static int tell_kept(struct telling *telling, struct hgl_err *err)
{
  const struct thread *thread = telling->entries->thread;
  const struct evidence_thread of = {thread->thid, thread->peer, &thread->agent};
  struct hgl_evidence parts;
  struct hgl_envelope envelope;
  struct hgl_buf evidence;
  size_t count;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  int status = evidence_kept(telling->host, &telling->entry->id, false, &of, &evidence, &count,
                             err);
  if (!status && !(status = hgl_evidence_decode(hgl_buf_bytes(&evidence), &parts, err)) &&
      !(status = hgl_envelope_decode(parts.envelope, &envelope, err)))
    status = set_body(telling, &envelope, err);
  if (!status && telling->with_evidence) status = set_evidence(telling, &evidence, err);
  hgl_buf_deinit(&evidence);
  return status;
}

static int tell_content(struct telling *telling, struct hgl_err *err)
{
  const struct entry *entry = telling->entry;
  const char *missing = "it has not been signed yet";
  int status = -HGL_NOT_FOUND;
  if (entry->kept) {
    status = tell_kept(telling, err);
  } else if (entry->row) {
    missing = "trimmed: it is in the journal no more";
    status = journal_visit_at(telling->host, entry->row, entry->index, &entry->id, tell_found,
                              telling, err);
    if (status == -HGL_NOT_FOUND) status = tell_kept(telling, err);
  }
  if (status != -HGL_NOT_FOUND) return status;
  if (!entry->row && is_under_way(entry)) telling->under_way = is_latest(telling);
  return set_missing(telling->out, missing) ? hgl_fail(err, HGL_NO_MEMORY, "out of memory") : 0;
}

/* ---- messages ---- */

static json_t *show_entry(struct hgl_host *host, const struct thread *thread,
                          const struct entry *entry)
{
  const struct hgl_envelope sides = {.from = entry->said ? thread->agent : thread->peer,
                                     .to = entry->said ? thread->peer : thread->agent};
  const char *slash = strrchr(entry->type, '/');
  json_t *out = json_pack("{s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:I, s:s}", "id",
                          json_id(&entry->id), "time_ms", (json_int_t)entry->time_ms, "direction",
                          entry->said ? "said" : "heard", "from", json_did(&sides.from), "to",
                          json_did(&sides.to), "type", json_words(hgl_text(entry->type)),
                          "performative", json_words(hgl_text(slash ? slash + 1 : entry->type)),
                          "size", (json_int_t)entry->size, "state", entry->state);
  if (!out) return NULL;
  int status = json_set_names(host, &sides, out);
  if (entry->code)
    status |= json_object_set_new(out, "code", json_string(hgl_code_name(entry->code)));
  if (entry->note) status |= json_object_set_new(out, "why", json_words(hgl_text(entry->note)));
  if (!status) return out;
  json_decref(out);
  return NULL;
}

static json_t *list_messages(struct telling *telling, struct hgl_err *err)
{
  struct entries *entries = telling->entries;
  json_t *list = json_array();
  int status = list ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < entries->count && !status; i++) {
    telling->entry = &entries->items[i];
    telling->out = show_entry(telling->host, entries->thread, telling->entry);
    status = telling->out ? tell_content(telling, err)
                          : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    if (status)
      json_decref(telling->out);
    else if (json_array_append_new(list, telling->out))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  if (!status) return list;
  json_decref(list);
  return NULL;
}

/* ---- events ---- */

static int add_event(json_t *list, const struct agent *agent, json_t *event)
{
  if (event && agent && json_object_set_new(event, "agent", json_string(agent->name))) {
    json_decref(event);
    return -1;
  }
  return json_array_append_new(list, event);
}

static bool is_of(const struct thread *thread, const struct agent_run *run)
{
  const struct message *message = run->mail->message;
  if (!message || !hgl_id_equal(&message->envelope.thid, &thread->thid)) return false;
  const struct hgl_key *from = &message->envelope.from, *to = &message->envelope.to;
  return (hgl_key_equal(from, &thread->agent) && hgl_key_equal(to, &thread->peer)) ||
         (hgl_key_equal(from, &thread->peer) && hgl_key_equal(to, &thread->agent));
}

/* One that has done nothing yet is to be tried again, or waits for its turn in the thread. */
static json_t *show_beginning(const struct agent_run *run)
{
  const struct hgl_host *host = run->agent->host;
  json_t *out = json_pack("{s:s, s:o, s:o, s:i}", "what", run->mail->attempt > 1 ? "retry" : "turn",
                          "name", json_words(run->mail->message->envelope.type), "message",
                          json_id(&run->mail->message->envelope.id), "attempt", run->mail->attempt);
  if (out && run->due.index &&
      json_object_set_new(out, "due_ms",
                          json_integer(host->now_ms + run->due.due - host->mono_ms))) {
    json_decref(out);
    return NULL;
  }
  return out;
}

static json_t *show_run(const struct agent_run *run)
{
  json_t *out = run->stretches ? run_show(run) : show_beginning(run);
  json_t *rest = json_pack("{s:I}", "time_ms", (json_int_t)run->agent->host->now_ms);
  int status = out && rest ? json_object_update(out, rest) : -1;
  if (!status && run->stretches)
    status = json_object_set_new(out, "what", json_string("suspended")) |
             json_object_set_new(out, "name", json_words(hgl_buf_bytes(&run->name)));
  json_decref(rest);
  if (!status) return out;
  json_decref(out);
  return NULL;
}

static int add_runs(struct hgl_host *host, const struct thread *thread, json_t *list)
{
  const struct hgl_key *sides[] = {&thread->agent, &thread->peer};
  size_t count = hgl_key_equal(sides[0], sides[1]) ? 1 : 2;
  int status = 0;
  for (size_t i = 0; i < count; i++) {
    const struct agent *agent = agent_by_key(host, sides[i]);
    for (struct agent_run *run = agent ? agent->runs : NULL; run && !status; run = run->next)
      if (is_of(thread, run)) status = add_event(list, agent, show_run(run));
  }
  return status;
}

/* Where those that are told begin. */
static size_t first_event(const struct trace *trace, const struct threads_wanted *wanted)
{
  size_t first = trace_known(trace);
  for (size_t i = first, count = 0; i-- > 0 && count < EVENTS_MAX;)
    if (threads_want(wanted, trace_at(trace, i))) {
      first = i;
      count++;
    }
  return first;
}

static json_t *list_events(struct hgl_host *host, const struct thread *thread)
{
  const struct trace *trace = host->trace;
  const struct threads_wanted wanted = {&thread->agent, &thread->peer, &thread->thid};
  json_t *list = json_array();
  int status = list ? 0 : -1;
  for (size_t i = first_event(trace, &wanted); i < trace_known(trace) && !status; i++) {
    const struct trace_event *event = trace_at(trace, i);
    if (threads_want(&wanted, event))
      status = add_event(list, agent_by_key(host, &event->agent), trace_show(host, event));
  }
  if (!status) status = add_runs(host, thread, list);
  if (!status) return list;
  json_decref(list);
  return NULL;
}

/* ---- what the trace does not say any more ---- */

static int set_if_absent(json_t *out, const char *name, json_t *value)
{
  if (!json_object_get(out, name)) return json_object_set_new(out, name, value);
  json_decref(value);
  return 0;
}

static int set_why(const struct entries *entries, json_t *out)
{
  const struct trace_event *told = &entries->told;
  const char *last = entries->items[entries->count - 1].type;
  bool ended = strcmp(json_string_value(json_object_get(out, "state")), "ended") == 0;
  bool refused = strcmp(last, "haggle/1.0/refuse") == 0;
  if (!ended || (!refused && !(told->tells & TRACE_WHY))) return 0;
  int status = set_if_absent(out, "cause", json_string(refused ? "refused" : "declined"));
  if (told->tells & TRACE_WHY)
    status |= set_if_absent(out, "why", json_words(hgl_text(told->note)));
  return refused ? status | json_object_set_new(out, "state", json_string("failed")) : status;
}

/* From the messages, as far as they came from elsewhere. */
static int fill_in(const struct entries *entries, json_t *out)
{
  const struct trace_event *told = &entries->told;
  size_t known = entries->count + entries->left_out;
  if (!entries->count) return 0;
  const struct entry *first = &entries->items[0], *last = &entries->items[entries->count - 1];
  const char *slash = strrchr(first->type, '/');
  int status = 0;
  if (json_integer_value(json_object_get(out, "messages")) < (json_int_t)known)
    status |= json_object_set_new(out, "messages", json_integer((json_int_t)known)) |
              json_object_set_new(out, "opened_ms", json_integer(first->time_ms)) |
              json_object_set_new(out, "whole",
                                  json_boolean(hgl_id_equal(&first->id, &entries->thread->thid)));
  if (!json_integer_value(json_object_get(out, "last_ms")))
    status |= json_object_set_new(out, "last_ms", json_integer(last->time_ms));
  if (slash)
    status |= set_if_absent(out, "protocol",
                            json_stringn(first->type, (size_t)(slash - first->type)));
  slash = strrchr(last->type, '/');
  status |= set_if_absent(out, "last", json_words(hgl_text(slash ? slash + 1 : last->type)));
  if (told->tells & TRACE_PRICE) status |= set_if_absent(out, "price", json_integer(told->price));
  if (told->tells & TRACE_SERVICE)
    status |= set_if_absent(out, "service", json_words(hgl_text(told->note)));
  return status | set_why(entries, out);
}

/* ---- what an open one waits for ---- */

/* The trace may not know any more that the latest message is under way: the journal does. */
static int set_under_way(const struct telling *telling, json_t *dialogue)
{
  static const struct hgl_key none;
  const struct entries *entries = telling->entries;
  const struct hgl_key *key = &telling->destination;
  if (!telling->under_way || json_object_get(dialogue, "cause") ||
      strcmp(json_string_value(json_object_get(dialogue, "state")), "failed") == 0)
    return 0;
  struct hgl_buf why;
  hgl_buf_init(&why, WHY_SIZE_MAX);
  thread_put_under_way(telling->host, entries->items[entries->count - 1].type,
                       hgl_key_equal(key, &none) ? NULL : key, &why);
  int status = json_object_set_new(dialogue, "state", json_string(thread_states[THREAD_OPEN])) |
               json_object_set_new(dialogue, "cause", json_string("under_way")) |
               json_object_set_new(dialogue, "why", json_words(hgl_buf_bytes(&why)));
  hgl_buf_deinit(&why);
  return status;
}

/* ---- the dialogue ---- */

static json_t *show_definition(struct hgl_host *host, const struct thread *thread)
{
  const struct hgl_definition *definition = thread_definition(host, thread);
  json_t *out = NULL;
  struct hgl_err ignored;
  if (!definition || hgl_value_to_json(hgl_definition_canonical(definition), &out, &ignored))
    return NULL;
  return out;
}

static int tell(struct telling *telling, const struct thread *thread, const struct deal *deal,
                json_t **out, struct hgl_err *err)
{
  struct outcome outcome;
  int status = thread_judge(telling->host, thread, deal, &outcome, err);
  if (status) return status;
  json_t *dialogue = thread_show(telling->host, thread, deal, &outcome);
  outcome_deinit(&outcome);
  if (!dialogue || json_object_set_new(dialogue, "in_trace", json_boolean(thread->whole)) ||
      fill_in(telling->entries, dialogue)) {
    json_decref(dialogue);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  json_t *messages = list_messages(telling, err);
  if (!messages) {
    json_decref(dialogue);
    return -(int)err->code;
  }
  if (set_under_way(telling, dialogue)) {
    json_decref(dialogue);
    json_decref(messages);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  *out = json_pack("{s:o, s:o, s:o, s:I, s:o*}", "dialogue", dialogue, "messages", messages,
                   "events", list_events(telling->host, thread), "more",
                   (json_int_t)telling->entries->left_out, "definition",
                   show_definition(telling->host, thread));
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static int gather(struct entries *entries, const struct thread *thread, const struct deal *deal,
                  bool deep, struct hgl_err *err)
{
  int status = entries_of_trace(entries, err);
  if (!status && deep && !thread->whole) status = entries_of_journal(entries, err);
  if (!status && !thread->whole) status = entries_of_deal(entries, deal, err);
  entries_settle(entries);
  return status;
}

static int show(struct hgl_host *host, const struct thread *thread,
                const struct hgl_dialogue_wanted *wanted, json_t **out, struct hgl_err *err)
{
  struct entries entries;
  struct deal deal;
  struct telling telling = {.host = host, .entries = &entries, .with_evidence = wanted->evidence};
  int status = thread_deal(host, thread, &deal, err);
  if (status) return status;
  const struct agent *agent = agent_by_key(host, &thread->agent);
  bool open = agent && dialogue_find(agent, &thread->peer, &thread->thid);
  entries_init(&entries, host, thread);
  status = gather(&entries, thread, &deal, wanted->deep, err);
  if (!status && !entries.count && !thread->last && !deal.keeper && !open)
    status = hgl_fail(err, HGL_NOT_FOUND,
                      "nothing is known of this thread here: neither the trace nor %s has it",
                      wanted->deep ? "the latest of the journal" : "a deal");
  if (!status) status = tell(&telling, thread, &deal, out, err);
  entries_deinit(&entries);
  thread_deal_deinit(&deal);
  return status;
}

/* Of whom nothing is said and the trace does not tell: whom the agent has it open with. */
static int guess_peer(struct hgl_host *host, struct thread *thread, struct hgl_err *err)
{
  const struct agent *agent = agent_by_key(host, &thread->agent);
  struct hgl_key peer;
  struct hgl_id thid;
  int64_t active_ms;
  for (size_t at = 0; agent && dialogue_next(agent, &at, &peer, &thid, &active_ms);) {
    if (!hgl_id_equal(&thid, &thread->thid)) continue;
    thread->peer = peer;
    return 0;
  }
  return hgl_fail(err, HGL_NOT_FOUND,
                  "the trace knows nothing of this thread: say with whom (\"peer\")");
}

int hgl_host_dialogue(struct hgl_host *host, const struct hgl_dialogue_wanted *wanted, json_t **out,
                      struct hgl_err *err)
{
  struct thread thread = {0};
  struct threads threads = {.host = host};
  const struct threads_wanted keys = {&thread.agent, wanted->peer ? &thread.peer : NULL,
                                      &thread.thid};
  if (hgl_id_parse(hgl_text(wanted->thid), &thread.thid, err))
    return hgl_fail(err, HGL_INVALID, "a thread's id is 32 hexadecimal digits");
  int status = key_of_text(host, wanted->agent, &thread.agent, err);
  if (!status && wanted->peer) status = key_of_text(host, wanted->peer, &thread.peer, err);
  if (!status) status = threads_gather(host, &keys, &threads, err);
  if (!status && threads.count)
    status = show(host, &threads.items[threads.count - 1], wanted, out, err);
  else if (!status && (wanted->peer || !(status = guess_peer(host, &thread, err))))
    status = show(host, &thread, wanted, out, err);
  threads_deinit(&threads);
  return status;
}

/* ---- following ---- */

uint64_t hgl_host_mark(const struct hgl_host *host)
{
  return host->tick + (host->trace ? host->trace->count : 0);
}

bool hgl_host_thread_touched(const struct hgl_host *host, const char *thid, uint64_t *seen)
{
  const struct trace *trace = host->trace;
  struct hgl_id id;
  bool touched = false;
  if (!trace || hgl_id_parse(hgl_text(thid), &id, NULL)) return false;
  uint64_t from = trace_oldest(trace);
  if (*seen >= from) from = *seen + 1;
  for (uint64_t at = from; at && at <= trace->count && !touched; at++) {
    const struct trace_event *event = trace_event(trace, at);
    touched = event->has_thread && hgl_id_equal(&event->thid, &id);
  }
  *seen = trace->count;
  return touched;
}
