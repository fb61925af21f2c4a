/* Events of the ring, as the control API tells them. */
#include "agent/show.h"
#include "agent/trace.h"

uint64_t trace_oldest(const struct trace *trace)
{
  if (!trace->count) return 0;
  return trace->count > trace->capacity ? trace->count - trace->capacity + 1 : 1;
}

static size_t kept(const struct trace *trace)
{
  return trace->trouble_count < TRACE_TROUBLES ? (size_t)trace->trouble_count : TRACE_TROUBLES;
}

static const struct trace_event *kept_at(const struct trace *trace, size_t index)
{
  return &trace->troubles[(trace->trouble_count - kept(trace) + index) % TRACE_TROUBLES];
}

/* Those that were kept ascend by their orders. */
static const struct trace_event *find_kept(const struct trace *trace, uint64_t order)
{
  size_t first = 0, end = kept(trace);
  while (end - first > 1) {
    size_t middle = first + (end - first) / 2;
    if (kept_at(trace, middle)->order <= order)
      first = middle;
    else
      end = middle;
  }
  return kept_at(trace, first);
}

const struct trace_event *trace_event(const struct trace *trace, uint64_t order)
{
  if (order < trace_oldest(trace)) return find_kept(trace, order);
  return &trace->events[(order - 1) % trace->capacity];
}

size_t trace_known(const struct trace *trace)
{
  if (!trace) return 0;
  return kept(trace) + (size_t)(trace->count ? trace->count - trace_oldest(trace) + 1 : 0);
}

const struct trace_event *trace_at(const struct trace *trace, size_t index)
{
  if (index < kept(trace)) return kept_at(trace, index);
  return trace_event(trace, trace_oldest(trace) + (index - kept(trace)));
}

static int set_thread(struct hgl_host *host, const struct trace_event *event, json_t *out)
{
  const struct agent *here = agent_by_key(host, &event->peer);
  int status = json_object_set_new(out, "thread", json_id(&event->thid)) |
               json_object_set_new(out, "message", json_id(&event->id)) |
               json_object_set_new(out, "peer", json_did(&event->peer));
  if (here) status |= json_object_set_new(out, "peer_name", json_string(here->name));
  if (event->has_pthid) status |= json_object_set_new(out, "parent", json_id(&event->pthid));
  return status;
}

static int set_stretch(const struct trace_event *event, json_t *out)
{
  static const char *const ends[] = {"done", "waits", "raised"};
  static const char *const waits[] = {"ask", "ask_all", "sleep", "exclusive", "call"};
  int status = json_object_set_new(out, "end", json_string(ends[event->end])) |
               json_object_set_new(out, "attempt", json_integer(event->attempt)) |
               json_object_set_new(out, "number", json_integer(event->number)) |
               json_object_set_new(out, "said", json_integer(event->said)) |
               json_object_set_new(out, "timers", json_integer(event->timers)) |
               json_object_set_new(out, "took_us", json_integer(event->took_us));
  if (event->end == TRACE_WAITS && event->waits < sizeof waits / sizeof *waits)
    status |= json_object_set_new(out, "for", json_string(waits[event->waits]));
  if (event->end == TRACE_RAISED)
    status |= json_object_set_new(out, "why", json_words(hgl_text(event->note)));
  return status;
}

static const char *const whats[] = {
    [TRACE_HEARD] = "heard",     [TRACE_SAID] = "said",     [TRACE_STRETCH] = "stretch",
    [TRACE_TIMER] = "timer",     [TRACE_DEAD] = "dead",     [TRACE_UNDELIVERED] = "undelivered",
    [TRACE_REFUSED] = "refused", [TRACE_HELD] = "held",     [TRACE_TIMEOUT] = "timeout",
    [TRACE_EXPIRED] = "expired", [TRACE_PARKED] = "parked",
};

static int set_rest(const struct trace_event *event, json_t *out)
{
  int status = 0;
  bool bad = event->what >= TRACE_DEAD;
  if (event->what == TRACE_STRETCH) status |= set_stretch(event, out);
  if (event->what == TRACE_TIMER)
    status |= json_object_set_new(out, "due_ms", json_integer(event->due_ms));
  if (bad && event->code)
    status |= json_object_set_new(out, "code", json_string(hgl_code_name(event->code)));
  if (bad && event->note[0])
    status |= json_object_set_new(out, "why", json_words(hgl_text(event->note)));
  if (event->what == TRACE_DEAD)
    status |= json_object_set_new(out, "dead", json_integer((json_int_t)event->row));
  return status;
}

json_t *trace_show(struct hgl_host *host, const struct trace_event *event)
{
  json_t *out = json_pack("{s:I, s:I, s:s, s:o}", "order", (json_int_t)event->order, "time_ms",
                          (json_int_t)event->time_ms, "what", whats[event->what], "name",
                          json_words(hgl_text(event->name)));
  if (!out) return NULL;
  int status = event->has_thread ? set_thread(host, event, out) : 0;
  if (!status && !set_rest(event, out)) return out;
  json_decref(out);
  return NULL;
}

int hgl_host_trace(struct hgl_host *host, const char *name, uint64_t after, size_t limit,
                   json_t **out, struct hgl_err *err)
{
  const struct trace *trace = host->trace;
  const struct agent *agent = agent_by_name(host, hgl_text(name));
  if (!agent) return hgl_fail(err, HGL_NOT_FOUND, "there is no agent %.80s here", name);
  if (!trace) return hgl_fail(err, HGL_NOT_FOUND, "this host keeps no trace");
  uint64_t oldest = trace_oldest(trace), at = trace->count;
  json_t *list = json_array();
  bool whole = list != NULL;
  if (after >= oldest) oldest = after + 1;
  for (; whole && at && at >= oldest && json_array_size(list) < limit; at--) {
    const struct trace_event *event = trace_event(trace, at);
    if (hgl_key_equal(&event->agent, &agent->key))
      whole = json_array_append_new(list, trace_show(host, event)) == 0;
  }
  if (!whole) {
    json_decref(list);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  *out = list;
  return 0;
}
