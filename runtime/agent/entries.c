#include "agent/entries.h"

#include <stdlib.h>

#include "agent/journal.h"

enum { SEARCH_BYTES_MAX = 32 << 20, DEAL_MESSAGES_MAX = 64 };

void entries_init(struct entries *entries, struct hgl_host *host, const struct thread *thread)
{
  *entries = (struct entries){.host = host, .thread = thread};
}

void entries_deinit(struct entries *entries)
{
  hgl_free(entries->items);
}

/* Whoever chooses an id may choose that of a message of the other side. */
static struct entry *find(struct entries *entries, const struct hgl_id *id, bool said)
{
  for (size_t i = entries->count; i-- > 0;)
    if (entries->items[i].said == said && hgl_id_equal(&entries->items[i].id, id))
      return &entries->items[i];
  return NULL;
}

static int by_place(const void *a, const void *b)
{
  const struct entry *x = a, *y = b;
  if (x->kept != y->kept) return x->kept ? -1 : 1;
  if (!x->row != !y->row) return x->row ? -1 : 1;
  if (x->row != y->row) return x->row < y->row ? -1 : 1;
  if (x->index != y->index) return x->index < y->index ? -1 : 1;
  return x->order < y->order ? -1 : x->order > y->order;
}

void entries_settle(struct entries *entries)
{
  if (entries->count) qsort(entries->items, entries->count, sizeof *entries->items, by_place);
  if (entries->count <= ENTRIES_MAX) return;
  size_t more = entries->count - ENTRIES_MAX;
  memmove(entries->items, entries->items + more, ENTRIES_MAX * sizeof *entries->items);
  entries->count = ENTRIES_MAX;
  entries->left_out += more;
}

/* Makes room by leaving out the older half of what is too much. */
static int add(struct entries *entries, struct entry **out, struct hgl_err *err)
{
  if (entries->count == 2 * ENTRIES_MAX) entries_settle(entries);
  if (!HGL_GROW(entries->items, entries->count, entries->capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out = &entries->items[entries->count++];
  **out = (struct entry){0};
  return 0;
}

/* ---- the trace ---- */

static const struct hgl_key *author_of(const struct trace_event *event)
{
  bool theirs = event->what == TRACE_HEARD || event->what == TRACE_REFUSED;
  return theirs ? &event->peer : &event->agent;
}

static bool is_ours(const struct entries *entries, const struct trace_event *event)
{
  return hgl_key_equal(author_of(event), &entries->thread->agent);
}

static int take_message(struct entries *entries, const struct trace_event *event,
                        struct hgl_err *err)
{
  bool said = is_ours(entries, event), heard = event->what != TRACE_SAID;
  struct entry *entry = find(entries, &event->id, said);
  int status = entry ? 0 : add(entries, &entry, err);
  if (status) return status;
  if (!entry->size) {
    entry->id = event->id;
    entry->said = said;
    entry->time_ms = event->time_ms;
    entry->size = event->size;
    memcpy(entry->type, event->name, sizeof entry->type);
  }
  entry->row = event->row;
  entry->index = event->index;
  entry->order = event->order;
  if (heard) entry->here = true;
  entry->state = event->what == TRACE_REFUSED ? "refused" : heard ? "heard" : "said";
  return 0;
}

static void take_code(struct entry *entry, const struct trace_event *event, const char *state)
{
  entry->state = state;
  entry->code = (enum hgl_code)event->code;
  entry->note = event->note[0] ? event->note : NULL;
}

static const char *end_of(const struct trace_event *event)
{
  static const char *const states[] = {"handled", "waits", "raised"};
  return states[event->end];
}

/* What happened to a message that is there. */
static void take_fate(struct entries *entries, const struct trace_event *event)
{
  bool of_author = event->what == TRACE_UNDELIVERED || event->what == TRACE_HELD;
  bool said = hgl_key_equal(of_author ? &event->agent : &event->peer, &entries->thread->agent);
  struct entry *entry = find(entries, &event->id, said);
  if (!entry) return;
  if (event->what == TRACE_STRETCH && entry->here) {
    entry->state = end_of(event);
    entry->note = event->end == TRACE_RAISED ? event->note : NULL;
  }
  if (event->what == TRACE_DEAD && entry->here) take_code(entry, event, "dead");
  if (event->what == TRACE_PARKED && entry->here) take_code(entry, event, "parked");
  if (event->what == TRACE_UNDELIVERED)
    take_code(entry, event, entry->here ? "refused" : "undelivered");
  if (event->what != TRACE_HELD) return;
  take_code(entry, event, event->row ? "said" : "held");
  if (!event->row) return;
  entry->row = event->row;
  entry->index = event->index;
}

int entries_of_trace(struct entries *entries, struct hgl_err *err)
{
  const struct trace *trace = entries->host->trace;
  const struct thread *thread = entries->thread;
  const struct threads_wanted wanted = {&thread->agent, &thread->peer, &thread->thid};
  int status = 0;
  for (size_t i = 0; i < trace_known(trace) && !status; i++) {
    const struct trace_event *event = trace_at(trace, i);
    if (!threads_want(&wanted, event)) continue;
    if (event->what == TRACE_SAID || event->what == TRACE_HEARD || event->what == TRACE_REFUSED)
      status = take_message(entries, event, err);
    if (event->what == TRACE_REFUSED) {
      struct entry *entry = find(entries, &event->id, is_ours(entries, event));
      if (entry) take_code(entry, event, "refused");
    }
    take_fate(entries, event);
  }
  return status;
}

/* ---- what the trace has no more ---- */

static void note_what_it_tells(struct entries *entries, const struct hgl_envelope *envelope)
{
  struct trace_event *told = &entries->told, event = {0};
  trace_read_body(&event, envelope);
  if (event.tells & TRACE_PRICE) told->price = event.price;
  if (event.tells & TRACE_WHY || (event.tells & TRACE_SERVICE && !(told->tells & TRACE_WHY)))
    memcpy(told->note, event.note, sizeof told->note);
  told->tells |= event.tells;
  if (event.tells & TRACE_WHY) {
    told->tells &= ~TRACE_SERVICE;
    told->agent = envelope->from;
  }
}

static int take_envelope(struct entries *entries, const struct hgl_envelope *envelope, size_t size,
                         struct entry **out, struct hgl_err *err)
{
  bool said = hgl_key_equal(&envelope->from, &entries->thread->agent);
  *out = NULL;
  if (find(entries, &envelope->id, said)) return 0;
  int status = add(entries, out, err);
  if (status) return status;
  struct entry *entry = *out;
  entry->id = envelope->id;
  entry->said = said;
  entry->size = (uint32_t)size;
  entry->time_ms = envelope->created_time_ms;
  entry->state = said ? "said" : "heard";
  trace_put_text(entry->type, sizeof entry->type, envelope->type);
  note_what_it_tells(entries, envelope);
  return 0;
}

static int take_kept(struct entries *entries, const struct hgl_id *id, struct hgl_err *err)
{
  const struct thread *thread = entries->thread;
  const struct evidence_thread of = {thread->thid, thread->peer, &thread->agent};
  struct hgl_buf bytes;
  struct hgl_evidence evidence;
  struct hgl_envelope envelope;
  struct entry *entry;
  size_t count;
  hgl_buf_init(&bytes, HGL_EVIDENCE_SIZE_MAX);
  int status = evidence_kept(entries->host, id, false, &of, &bytes, &count, err);
  if (!status && !(status = hgl_evidence_decode(hgl_buf_bytes(&bytes), &evidence, err)) &&
      !(status = hgl_envelope_decode(evidence.envelope, &envelope, err)))
    status = take_envelope(entries, &envelope, evidence.envelope.size, &entry, err);
  if (!status && entry) {
    entry->kept = true;
    entry->index = (uint32_t)entries->count; /* as the deal lists them */
  }
  hgl_buf_deinit(&bytes);
  return status == -HGL_NOT_FOUND ? 0 : status;
}

int entries_of_deal(struct entries *entries, const struct deal *deal, struct hgl_err *err)
{
  struct hgl_bytes list, text;
  struct hgl_id id;
  bool found = false;
  size_t count = 0;
  if (!deal->keeper || hgl_value_field(deal->record, "messages", &list, &found, NULL) || !found)
    return 0;
  struct hgl_cbor_reader in = hgl_cbor_reader(list);
  if (hgl_cbor_get_list(&in, "messages", DEAL_MESSAGES_MAX, &count, NULL)) return 0;
  for (; count; count--) {
    if (hgl_cbor_get_text(&in, "id", 2 * HGL_ID_SIZE, &text, NULL) || hgl_id_parse(text, &id, NULL))
      return 0; /* a record is the script's: it may say anything */
    int status = take_kept(entries, &id, err);
    if (status) return status;
  }
  return 0;
}

static bool is_of(const struct thread *thread, const struct hgl_envelope *envelope)
{
  return (hgl_key_equal(&envelope->from, &thread->agent) &&
          hgl_key_equal(&envelope->to, &thread->peer)) ||
         (hgl_key_equal(&envelope->from, &thread->peer) &&
          hgl_key_equal(&envelope->to, &thread->agent));
}

static int take_found(void *user, const struct journal_message *found, struct hgl_err *err)
{
  struct entries *entries = user;
  struct entry *entry;
  struct hgl_header header;
  if (!is_of(entries->thread, &found->envelope)) return JOURNAL_ANOTHER;
  int status = take_envelope(entries, &found->envelope, found->bytes.size, &entry, err);
  if (status) return status;
  if (!entry) return JOURNAL_ANOTHER;
  entry->row = found->number;
  entry->index = found->index;
  if (hgl_header_decode(found->batch->header, &header, NULL) == 0) entry->time_ms = header.time_ms;
  return JOURNAL_ANOTHER;
}

int entries_of_journal(struct entries *entries, struct hgl_err *err)
{
  int status = journal_visit_thread(entries->host, &entries->thread->thid, SEARCH_BYTES_MAX,
                                    take_found, entries, err);
  return status == -HGL_NOT_FOUND || status == -HGL_LIMIT ? 0 : status;
}
