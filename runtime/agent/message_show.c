/* One message, for the control API: what it says, and all that proves it. */
#include "agent/lookup.h"
#include "agent/show.h"
#include "agent/trace.h"

enum { SEARCH_BYTES_MAX = 64 << 20 };

/* What is asked for, and what is made of it. */
struct showing {
  struct hgl_host *host;
  const struct hgl_id *id;
  const struct hgl_key *from; /* NULL: whoever */
  const char *direction;
  json_t *out;
};

json_t *json_base64(struct hgl_bytes bytes)
{
  struct hgl_buf text;
  hgl_buf_init(&text, 2 * bytes.size + 8);
  hgl_base64url_encode(bytes, &text);
  json_t *json = text.failed ? NULL
                             : json_stringn(text.size ? (const char *)text.data : "", text.size);
  hgl_buf_deinit(&text);
  return json;
}

json_t *json_id(const struct hgl_id *id)
{
  char text[2 * HGL_ID_SIZE + 1];
  hgl_id_format(id, text);
  return json_string(text);
}

int json_set_names(struct hgl_host *host, const struct hgl_envelope *envelope, json_t *out)
{
  const struct agent *from = agent_by_key(host, &envelope->from);
  const struct agent *to = agent_by_key(host, &envelope->to);
  int status = 0;
  if (from) status |= json_object_set_new(out, "from_name", json_string(from->name));
  if (to) status |= json_object_set_new(out, "to_name", json_string(to->name));
  return status;
}

int key_of_text(struct hgl_host *host, const char *text, struct hgl_key *out, struct hgl_err *err)
{
  const struct agent *agent = agent_by_name(host, hgl_text(text));
  if (agent) {
    *out = agent->key;
    return 0;
  }
  if (strncmp(text, "did:", 4) == 0) return hgl_did_parse(hgl_text(text), out, err);
  return hgl_fail(err, HGL_NOT_FOUND, "no agent %.80s runs here", text);
}

/* ---- what has become of it ---- */

/* Of what we have said to another host. */
static enum message_fate fate_of_said(struct hgl_host *host, const struct hgl_header *header,
                                      const struct hgl_key *to, uint64_t number)
{
  if (hgl_key_equal(to, &host->key)) return MESSAGE_ACKNOWLEDGED;
  const struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(to));
  if (!peer || !hgl_incarnation_equal(&header->incarnation, &host->incarnation))
    return MESSAGE_FATE_UNKNOWN;
  return number <= peer->out_acked ? MESSAGE_ACKNOWLEDGED : MESSAGE_UNDER_WAY;
}

enum message_fate message_fate(struct hgl_host *host, const struct hgl_header *header,
                               const struct hgl_key *to, uint64_t number)
{
  if (hgl_key_equal(&header->host, &host->key)) return fate_of_said(host, header, to, number);
  const struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(&header->host));
  bool acknowledges = peer && peer->in_known &&
                      hgl_incarnation_equal(&header->incarnation, &peer->in_incarnation);
  if (!acknowledges) return MESSAGE_ACKNOWLEDGED; /* of an incarnation that is over */
  return number <= peer->in_committed ? MESSAGE_ACKNOWLEDGED : MESSAGE_UNDER_WAY;
}

/* The latest event about this message that says `what`, or one of two. */
static const struct trace_event *find_event(struct hgl_host *host, const struct showing *showing,
                                            uint32_t whats)
{
  const struct trace *trace = host->trace;
  uint64_t oldest = trace ? trace_oldest(trace) : 0;
  for (uint64_t at = trace ? trace->count : 0; at && at >= oldest; at--) {
    const struct trace_event *event = trace_event(trace, at);
    if (!(whats >> event->what & 1) || !hgl_id_equal(&event->id, showing->id)) continue;
    bool heard = event->what == TRACE_HEARD || event->what == TRACE_REFUSED;
    const struct hgl_key *from = heard ? &event->peer : &event->agent;
    if (!showing->from || hgl_key_equal(from, showing->from)) return event;
  }
  return NULL;
}

static int set_fate(struct showing *showing, enum message_fate fate)
{
  enum { BAD = 1 << TRACE_UNDELIVERED | 1 << TRACE_REFUSED | 1 << TRACE_HELD };
  const struct trace_event *bad = find_event(showing->host, showing, BAD);
  json_t *out = showing->out;
  int status = json_object_set_new(
      out, "acknowledged",
      fate == MESSAGE_FATE_UNKNOWN ? json_null() : json_boolean(fate == MESSAGE_ACKNOWLEDGED));
  if (!bad || bad->what == TRACE_HELD) return status;
  return status | json_object_set_new(out, "refused", json_string(hgl_code_name(bad->code))) |
         json_object_set_new(out, "why", json_words(hgl_text(bad->note)));
}

/* ---- what proves it ---- */

static json_t *show_header(const struct hgl_header *header)
{
  char incarnation[2 * HGL_INCARNATION_SIZE + 1];
  for (size_t i = 0; i < HGL_INCARNATION_SIZE; i++)
    for (size_t half = 0; half < 2; half++)
      incarnation[2 * i + half] =
          "0123456789abcdef"[header->incarnation.bytes[i] >> (half ? 0 : 4) & 15];
  incarnation[2 * HGL_INCARNATION_SIZE] = 0;
  return json_pack("{s:s, s:I, s:I}", "incarnation", incarnation, "sequence",
                   (json_int_t)header->sequence, "time_ms", (json_int_t)header->time_ms);
}

static json_t *show_path(const struct hgl_header *header, const struct hgl_group_leaf *leaf,
                         const struct hgl_path *group_path, uint32_t index)
{
  return json_pack("{s:I, s:I, s:I, s:I, s:I}", "index", (json_int_t)index, "count",
                   (json_int_t)leaf->count, "number", (json_int_t)leaf->first_number + index,
                   "group", (json_int_t)group_path->index, "groups",
                   (json_int_t)header->group_count);
}

static json_t *show_delegation(struct hgl_bytes bytes)
{
  struct hgl_delegation delegation;
  struct hgl_err ignored;
  if (hgl_delegation_decode(bytes, &delegation, &ignored)) return json_null();
  return json_pack("{s:o, s:o, s:I, s:I, s:I}", "agent", json_did(&delegation.agent), "host",
                   json_did(&delegation.host), "sequence", (json_int_t)delegation.sequence,
                   "issued_ms", (json_int_t)delegation.issued_s * 1000, "expires_ms",
                   (json_int_t)delegation.expires_s * 1000);
}

/* The signed parts around an envelope. */
struct proved {
  struct hgl_bytes header, group_leaf, envelope;
  const struct hgl_path *group_path;
  uint32_t index;
  struct hgl_bytes evidence; /* size 0: `why` */
  const char *why;
};

static int set_proof(struct showing *showing, const struct proved *proved,
                     const struct hgl_header *header, const struct hgl_group_leaf *leaf)
{
  struct hgl_evidence evidence;
  struct hgl_err ignored;
  json_t *out = showing->out;
  int status = json_object_set_new(out, "host", json_did(&header->host)) |
               json_object_set_new(out, "destination", json_did(&leaf->destination)) |
               json_object_set_new(out, "header", show_header(header)) |
               json_object_set_new(out, "path",
                                   show_path(header, leaf, proved->group_path, proved->index));
  if (!proved->evidence.size)
    return status | json_object_set_new(out, "evidence", json_null()) |
           json_object_set_new(out, "unproved", json_words(hgl_text(proved->why)));
  status |= json_object_set_new(out, "evidence", json_base64(proved->evidence));
  if (hgl_evidence_decode(proved->evidence, &evidence, &ignored) == 0)
    status |= json_object_set_new(out, "delegation", show_delegation(evidence.delegation));
  return status;
}

static int show(struct showing *showing, const struct proved *proved, struct hgl_err *err)
{
  struct hgl_host *host = showing->host;
  struct hgl_envelope envelope;
  struct hgl_header header;
  struct hgl_group_leaf leaf;
  json_t *json = NULL;
  int status;
  if ((status = hgl_header_decode(proved->header, &header, err)) ||
      (status = hgl_group_leaf_decode(proved->group_leaf, &leaf, err)) ||
      (status = hgl_envelope_decode(proved->envelope, &envelope, err)) ||
      (status = hgl_envelope_to_json(&envelope, &json, err)))
    return status;
  bool said = hgl_key_equal(&header.host, &host->key);
  showing->out = json_pack("{s:o, s:o, s:I, s:s}", "envelope", json, "raw",
                           json_base64(proved->envelope), "size", (json_int_t)proved->envelope.size,
                           "direction", said ? "said" : "heard");
  if (showing->out && json_set_names(host, &envelope, showing->out) == 0 &&
      set_proof(showing, proved, &header, &leaf) == 0 &&
      set_fate(showing, message_fate(host, &header, &leaf.destination,
                                     leaf.first_number + proved->index)) == 0)
    return 0;
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static int show_found(void *user, const struct journal_message *message, struct hgl_err *err)
{
  struct showing *showing = user;
  struct hgl_buf evidence;
  struct hgl_err why = {0};
  if (showing->from && !hgl_key_equal(showing->from, &message->envelope.from))
    return JOURNAL_ANOTHER;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  int status = journal_evidence(showing->host, message, &evidence, &why);
  const struct proved proved = {
      .header = message->batch->header,
      .group_leaf = message->batch->group_leaf,
      .envelope = message->bytes,
      .group_path = &message->batch->group_path,
      .index = message->index,
      .evidence = status ? hgl_bytes(NULL, 0) : hgl_buf_bytes(&evidence),
      .why = why.message,
  };
  status = status == -HGL_NO_MEMORY ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
                                    : show(showing, &proved, err);
  hgl_buf_deinit(&evidence);
  return status;
}

static int show_evidence(struct showing *showing, struct hgl_bytes bytes, struct hgl_err *err)
{
  struct hgl_evidence evidence;
  int status = hgl_evidence_decode(bytes, &evidence, err);
  const struct proved proved = {
      .header = evidence.header,
      .group_leaf = evidence.group_leaf,
      .envelope = evidence.envelope,
      .group_path = &evidence.group_path,
      .index = evidence.envelope_path.index,
      .evidence = bytes,
  };
  return status ? status : show(showing, &proved, err);
}

/* ---- where it is ---- */

static bool is_from(struct hgl_bytes bytes, const struct hgl_key *from)
{
  struct hgl_evidence evidence;
  struct hgl_envelope envelope;
  struct hgl_err ignored;
  return hgl_evidence_decode(bytes, &evidence, &ignored) == 0 &&
         hgl_envelope_decode(evidence.envelope, &envelope, &ignored) == 0 &&
         hgl_key_equal(&envelope.from, from);
}

static int show_kept(struct showing *showing, struct hgl_err *err)
{
  struct hgl_buf evidence;
  size_t count;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  int status = evidence_kept(showing->host, showing->id, false, NULL, &evidence, &count, err);
  if (!status && showing->from && !is_from(hgl_buf_bytes(&evidence), showing->from))
    status = -HGL_NOT_FOUND;
  if (!status) status = show_evidence(showing, hgl_buf_bytes(&evidence), err);
  hgl_buf_deinit(&evidence);
  return status;
}

/* By its place, as long as the trace has it; else what is kept for good. *early: it has no place
 * yet. */
static int find(struct showing *showing, bool *early, struct hgl_err *err)
{
  enum { PLACED = 1 << TRACE_HEARD | 1 << TRACE_SAID | 1 << TRACE_REFUSED | 1 << TRACE_HELD };
  struct hgl_host *host = showing->host;
  const struct trace_event *event = find_event(host, showing, PLACED);
  int status = -HGL_NOT_FOUND;
  if (event && event->row)
    status = journal_visit_at(host, event->row, event->index, showing->id, show_found, showing,
                              err);
  if (status == -HGL_NOT_FOUND) status = show_kept(showing, err);
  *early = event && !event->row;
  return status;
}

/* ---- looking for it ---- */

struct message_lookup {
  struct hgl_lookup lookup; /* first member */
  struct showing showing;
  struct hgl_id id, wanted;
  struct hgl_key from;
  struct journal_search search;
  bool searches; /* it is neither in the trace nor kept */
};

static int message_step(struct hgl_lookup *lookup, size_t bytes, json_t **out, struct hgl_err *err)
{
  struct message_lookup *message = (struct message_lookup *)lookup;
  struct showing *showing = &message->showing;
  bool early = false;
  int status = message->searches ? -HGL_NOT_FOUND : find(showing, &early, err);
  if (status == -HGL_NOT_FOUND && early)
    return hgl_fail(err, HGL_NOT_FOUND, "this message has not been signed yet: ask again");
  message->searches |= status == -HGL_NOT_FOUND;
  if (status == -HGL_NOT_FOUND)
    status = journal_search_step(showing->host, &message->search, bytes, err);
  if (status) return status;
  *out = showing->out;
  showing->out = NULL;
  return 0;
}

static void message_destroy(struct hgl_lookup *lookup)
{
  struct message_lookup *message = (struct message_lookup *)lookup;
  json_decref(message->showing.out);
  hgl_free(message);
}

int hgl_lookup_message(struct hgl_host *host, const char *id, const char *from,
                       struct hgl_lookup **out, struct hgl_err *err)
{
  struct message_lookup *message = hgl_zalloc(sizeof *message);
  if (!message) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = 0;
  if (hgl_id_parse(hgl_text(id), &message->id, err))
    status = hgl_fail(err, HGL_INVALID, "a message's id is 32 hexadecimal digits");
  if (!status && from) status = key_of_text(host, from, &message->from, err);
  if (status) {
    hgl_free(message);
    return status;
  }
  message->lookup = (struct hgl_lookup){message_step, message_destroy};
  message->showing = (struct showing){
      .host = host, .id = &message->id, .from = from ? &message->from : NULL};
  message->wanted = message->id;
  message->search = (struct journal_search){.ids = &message->wanted,
                                            .id_count = 1,
                                            .bytes_max = SEARCH_BYTES_MAX,
                                            .visit = show_found,
                                            .user = &message->showing};
  *out = &message->lookup;
  return 0;
}

int hgl_lookup_step(struct hgl_lookup *lookup, size_t bytes, json_t **out, struct hgl_err *err)
{
  return lookup->step(lookup, bytes, out, err);
}

void hgl_lookup_destroy(struct hgl_lookup *lookup)
{
  if (lookup) lookup->destroy(lookup);
}

int hgl_host_message(struct hgl_host *host, const char *id, const char *from, json_t **out,
                     struct hgl_err *err)
{
  struct hgl_lookup *lookup;
  int status = hgl_lookup_message(host, id, from, &lookup, err);
  if (status) return status;
  status = hgl_lookup_step(lookup, SIZE_MAX, out, err);
  hgl_lookup_destroy(lookup);
  return status;
}
