#include "agent/threads.h"

#include <assert.h>

enum { SLOTS_LEAST = 64 };

/* ---- which ---- */

bool threads_want(const struct threads_wanted *wanted, const struct trace_event *event)
{
  if (!event->has_thread) return false;
  if (wanted->thid && !hgl_id_equal(&event->thid, wanted->thid)) return false;
  if (wanted->agent && !hgl_key_equal(&event->agent, wanted->agent) &&
      !hgl_key_equal(&event->peer, wanted->agent))
    return false;
  return !wanted->peer || hgl_key_equal(&event->agent, wanted->peer) ||
         hgl_key_equal(&event->peer, wanted->peer);
}

static bool is_of(const struct thread *thread, const struct trace_event *event)
{
  return hgl_id_equal(&thread->thid, &event->thid) &&
         ((hgl_key_equal(&thread->agent, &event->agent) &&
           hgl_key_equal(&thread->peer, &event->peer)) ||
          (hgl_key_equal(&thread->agent, &event->peer) &&
           hgl_key_equal(&thread->peer, &event->agent)));
}

/* Thread ids are chosen by peers: keyed, like every map. The two sides are one. */
static uint64_t hash_of(const struct threads *threads, const struct hgl_id *thid,
                        const struct hgl_key *a, const struct hgl_key *b)
{
  uint8_t bytes[HGL_ID_SIZE + 2 * HGL_KEY_SIZE];
  bool in_order = memcmp(a->bytes, b->bytes, HGL_KEY_SIZE) < 0;
  memcpy(bytes, thid->bytes, HGL_ID_SIZE);
  memcpy(bytes + HGL_ID_SIZE, in_order ? a->bytes : b->bytes, HGL_KEY_SIZE);
  memcpy(bytes + HGL_ID_SIZE + HGL_KEY_SIZE, in_order ? b->bytes : a->bytes, HGL_KEY_SIZE);
  return hgl_siphash13(threads->host->peers.seed, bytes, sizeof bytes);
}

static uint32_t *slot_of(const struct threads *threads, uint64_t hash,
                         const struct trace_event *event)
{
  for (size_t at = hash & (threads->slot_count - 1);; at = (at + 1) & (threads->slot_count - 1)) {
    uint32_t index = threads->slots[at];
    if (!index || (event && is_of(&threads->items[index - 1], event))) return &threads->slots[at];
  }
}

/* At most half of the slots are taken. */
static int make_room(struct threads *threads, struct hgl_err *err)
{
  if (!HGL_GROW(threads->items, threads->count, threads->capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (2 * (threads->count + 1) <= threads->slot_count) return 0;
  size_t count = threads->slot_count ? 2 * threads->slot_count : SLOTS_LEAST;
  uint32_t *slots = hgl_array(count, sizeof *slots);
  if (!slots) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_free(threads->slots);
  threads->slots = slots;
  threads->slot_count = count;
  for (size_t i = 0; i < threads->count; i++) {
    const struct thread *thread = &threads->items[i];
    uint64_t hash = hash_of(threads, &thread->thid, &thread->agent, &thread->peer);
    *slot_of(threads, hash, NULL) = (uint32_t)i + 1;
  }
  return 0;
}

static int find(struct threads *threads, const struct threads_wanted *wanted,
                const struct trace_event *event, struct thread **out, struct hgl_err *err)
{
  int status = make_room(threads, err);
  if (status) return status;
  uint32_t *slot = slot_of(threads, hash_of(threads, &event->thid, &event->agent, &event->peer),
                           event);
  if (!*slot) {
    bool other = wanted->agent && !hgl_key_equal(&event->agent, wanted->agent);
    threads->items[threads->count] = (struct thread){
        .thid = event->thid,
        .agent = other ? event->peer : event->agent,
        .peer = other ? event->agent : event->peer,
        .opened_ms = event->time_ms,
    };
    *slot = (uint32_t)++threads->count;
  }
  *out = &threads->items[*slot - 1];
  return 0;
}

/* ---- what happened in one ---- */

/* Its name is the type of a message of the dialogue's protocol. */
static bool is_typed(const struct trace_event *event)
{
  struct hgl_bytes protocol, version, performative;
  return event->what != TRACE_TIMER && event->what != TRACE_TIMEOUT &&
         event->what != TRACE_EXPIRED &&
         hgl_type_parse(hgl_text(event->name), &protocol, &version, &performative, NULL) == 0 &&
         !hgl_bytes_is(protocol, "haggle");
}

static bool is_message(const struct trace_event *event)
{
  return event->what == TRACE_SAID || event->what == TRACE_HEARD || event->what == TRACE_REFUSED;
}

static bool is_refusal(const struct trace_event *event)
{
  return (event->what == TRACE_SAID || event->what == TRACE_HEARD) &&
         strcmp(event->name, "haggle/1.0/refuse") == 0;
}

static bool has_raised(const struct trace_event *event)
{
  return event->what == TRACE_STRETCH && event->end == TRACE_RAISED;
}

static bool is_trouble(const struct trace_event *event)
{
  return event->what >= TRACE_DEAD || has_raised(event) || is_refusal(event);
}

/* What failed in a handler is made good by that handler alone; all else, when the dialogue goes on.
 */
static bool makes_good(const struct trace_event *event, const struct trace_event *trouble)
{
  bool handlers = has_raised(trouble) || trouble->what == TRACE_DEAD ||
                  trouble->what == TRACE_PARKED;
  if (handlers)
    return event->what == TRACE_STRETCH && event->end != TRACE_RAISED &&
           hgl_id_equal(&event->id, &trouble->id) && hgl_key_equal(&event->agent, &trouble->agent);
  return (event->what == TRACE_SAID || event->what == TRACE_HEARD) && !is_refusal(event) &&
         !hgl_id_equal(&event->id, &trouble->id);
}

/* The first thing that goes wrong is the reason for the rest: a dead letter for the refusal that
 * follows it, an answer that did not come for one that comes too late. */
static void take_trouble(const struct trace *trace, struct thread *thread,
                         const struct trace_event *event)
{
  const struct trace_event *trouble = thread->trouble ? trace_event(trace, thread->trouble) : NULL;
  if (trouble && makes_good(event, trouble)) {
    thread->trouble = 0;
    trouble = NULL;
  }
  bool gives_way = !trouble || has_raised(trouble) || trouble->what == TRACE_HELD;
  if (is_trouble(event) && gives_way) thread->trouble = event->order;
}

/* Between two agents of this host a message is said and heard. */
static void take_message(const struct trace *trace, struct thread *thread,
                         const struct trace_event *event)
{
  const struct trace_event *last = thread->said_last ? trace_event(trace, thread->said_last) : NULL;
  if (last && hgl_id_equal(&last->id, &event->id)) return;
  if (!thread->messages && hgl_id_equal(&event->id, &event->thid)) thread->whole = true;
  thread->messages++;
  thread->said_last = event->order;
  if (event->tells & TRACE_PRICE) thread->priced = event->order;
  if (event->tells & TRACE_SERVICE && !thread->served) thread->served = event->order;
  if (event->tells & TRACE_WHY) thread->explained = event->order;
}

static void take(const struct trace *trace, struct thread *thread, const struct trace_event *event)
{
  thread->last = event->order;
  thread->last_ms = event->time_ms;
  if (event->has_pthid) {
    thread->has_pthid = true;
    thread->pthid = event->pthid;
  }
  if (!thread->typed && is_typed(event)) thread->typed = event->order;
  take_trouble(trace, thread, event);
  if (is_message(event)) take_message(trace, thread, event);
  if (event->what == TRACE_HEARD) thread->unhandled = event->order;
  if (event->what == TRACE_STRETCH && thread->unhandled &&
      hgl_id_equal(&trace_event(trace, thread->unhandled)->id, &event->id))
    thread->unhandled = 0;
}

/* ---- all ---- */

int threads_gather(struct hgl_host *host, const struct threads_wanted *wanted,
                   struct threads *threads, struct hgl_err *err)
{
  const struct trace *trace = host->trace;
  *threads = (struct threads){.host = host};
  for (size_t i = 0; i < trace_known(trace); i++) {
    const struct trace_event *event = trace_at(trace, i);
    struct thread *thread;
    if (!threads_want(wanted, event)) continue;
    int status = find(threads, wanted, event, &thread, err);
    if (status) return status;
    take(trace, thread, event);
  }
  return 0;
}

const struct thread *threads_find(const struct threads *threads, const struct trace_event *event)
{
  if (!threads->slot_count) return NULL;
  uint32_t index = *slot_of(threads, hash_of(threads, &event->thid, &event->agent, &event->peer),
                            event);
  return index ? &threads->items[index - 1] : NULL;
}

void threads_deinit(struct threads *threads)
{
  hgl_free(threads->items);
  hgl_free(threads->slots);
  *threads = (struct threads){.host = threads->host};
}

/* By the place of each one's latest event: nothing has to be sorted. */
int threads_by_last(const struct threads *threads, uint32_t **out, struct hgl_err *err)
{
  const struct trace *trace = threads->host->trace;
  size_t count = 0;
  uint32_t *order = hgl_array(threads->count + 1, sizeof *order);
  if (!order) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = trace_known(trace); i-- > 0 && count < threads->count;) {
    const struct trace_event *event = trace_at(trace, i);
    const struct thread *thread = event->has_thread ? threads_find(threads, event) : NULL;
    if (thread && thread->last == event->order)
      order[count++] = (uint32_t)(thread - threads->items);
  }
  assert(count == threads->count);
  *out = order;
  return 0;
}
