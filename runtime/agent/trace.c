#include "agent/trace.h"

#include <stdio.h>

enum { EVENTS_DEFAULT = 8192, EVENTS_MAX = 1 << 20 };

int trace_create(int64_t events, struct trace **out, struct hgl_err *err)
{
  struct trace *trace = events < 0 ? NULL : hgl_zalloc(sizeof *trace);
  *out = trace;
  if (events < 0) return 0;
  if (!trace) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  trace->capacity = events == 0           ? EVENTS_DEFAULT
                    : events > EVENTS_MAX ? EVENTS_MAX
                                          : (size_t)events;
  trace->events = hgl_array(trace->capacity, sizeof *trace->events);
  return trace->events ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

void trace_destroy(struct trace *trace)
{
  if (!trace) return;
  hgl_free(trace->events);
  hgl_free(trace);
}

/* ---- writing ---- */

static struct trace_event *add(struct agent *agent, enum trace_what what)
{
  struct trace *trace = agent->host->trace;
  if (!trace || !agent->script) return NULL;
  struct trace_event *event = &trace->events[trace->count % trace->capacity];
  *event = (struct trace_event){.time_ms = agent->host->now_ms,
                                .agent = agent->number,
                                .order = ++trace->count,
                                .what = (uint8_t)what};
  return event;
}

/* A type or a name; what is too long is cut at a character's border. */
static void put_name(char *out, size_t size, struct hgl_bytes text)
{
  size_t length = text.size < size - 1 ? text.size : size - 1;
  if (length) memcpy(out, text.data, length);
  while (length < text.size && length > 0 && (text.data[length] & 0xc0) == 0x80) length--;
  out[length] = 0;
}

static void put_thread(struct trace_event *event, const struct hgl_envelope *envelope,
                       const struct hgl_key *peer)
{
  event->has_thread = true;
  event->id = envelope->id;
  event->thid = envelope->thid;
  event->peer = *peer;
  event->has_pthid = envelope->has_pthid;
  if (envelope->has_pthid) event->pthid = envelope->pthid;
}

void trace_heard(struct agent *agent, const struct message *message)
{
  struct trace_event *event = add(agent, TRACE_HEARD);
  if (!event) return;
  put_thread(event, &message->envelope, &message->envelope.from);
  put_name(event->name, sizeof event->name, message->envelope.type);
}

void trace_said(struct agent *agent, const struct message *message)
{
  struct trace_event *event = add(agent, TRACE_SAID);
  if (!event) return;
  put_thread(event, &message->envelope, &message->envelope.to);
  put_name(event->name, sizeof event->name, message->envelope.type);
}

static void put_subject(struct trace_event *event, const struct mail *mail)
{
  const struct hgl_envelope *envelope = mail->message ? &mail->message->envelope : NULL;
  char subject[MAIL_SUBJECT_SIZE];
  if (mail->kind == MAIL_MESSAGE && envelope) {
    put_name(event->name, sizeof event->name, envelope->type);
    put_thread(event, envelope, &envelope->from);
    return;
  }
  mail_subject(mail, subject);
  put_name(event->name, sizeof event->name, hgl_text(subject));
  if (envelope) put_thread(event, envelope, &envelope->to);
}

static struct trace_event *add_stretch(struct hgl_host *host)
{
  const struct stretch *stretch = &host->stretch;
  const struct mail *mail = stretch->mail;
  struct trace_event *event = mail ? add(stretch->agent, TRACE_STRETCH) : NULL;
  if (!event) return NULL;
  put_subject(event, mail);
  const struct agent_run *run = stretch->run;
  bool first = !run || !run->stretches;
  event->attempt = (uint8_t)(first ? mail->attempt : run->attempt);
  event->number = first ? 1 : (uint32_t)run->stretches + 1;
  event->said = stretch->spoken_count > UINT16_MAX ? UINT16_MAX : (uint16_t)stretch->spoken_count;
  event->timers = stretch->timer_count > UINT16_MAX ? UINT16_MAX : (uint16_t)stretch->timer_count;
  host->trace->stretch = event->order;
  return event;
}

void trace_stretch(struct hgl_host *host, const struct hgl_vm_wait *wait)
{
  struct trace_event *event = add_stretch(host);
  if (!event) return;
  event->end = wait ? TRACE_WAITS : TRACE_DONE;
  if (wait) event->waits = (uint8_t)wait->kind;
}

void trace_raised(struct hgl_host *host, const char *why)
{
  struct trace_event *event = add_stretch(host);
  if (!event) return;
  event->end = TRACE_RAISED;
  put_name(event->note, sizeof event->note, hgl_text(why));
}

void trace_timer(struct agent *agent, const struct timer_change *change)
{
  if (change->cancel) return;
  struct trace_event *event = add(agent, TRACE_TIMER);
  if (!event) return;
  const struct mail *mail = agent->host->stretch.mail;
  if (mail) put_subject(event, mail); /* the thread in which it was set */
  put_name(event->name, sizeof event->name, hgl_bytes(change->id, change->name_size));
  event->due_ms = change->due_ms;
}

void trace_dead(struct agent *agent, const struct mail *mail, enum hgl_code code, const char *why)
{
  struct trace_event *event = add(agent, TRACE_DEAD);
  if (!event) return;
  put_subject(event, mail);
  event->code = (uint16_t)code;
  put_name(event->note, sizeof event->note, hgl_text(why));
}

void trace_took(struct hgl_host *host, int64_t ns)
{
  struct trace *trace = host->trace;
  if (!trace || !trace->stretch) return;
  struct trace_event *event = &trace->events[(trace->stretch - 1) % trace->capacity];
  int64_t us = ns / 1000;
  if (event->order == trace->stretch) event->took_us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
  trace->stretch = 0;
}

/* ---- reading ---- */

static json_t *id_text(const struct hgl_id *id)
{
  char text[2 * HGL_ID_SIZE + 1];
  hgl_id_format(id, text);
  return json_string(text);
}

static int set_thread(struct hgl_host *host, const struct trace_event *event, json_t *out)
{
  const struct agent *here = agent_by_key(host, &event->peer);
  int status = json_object_set_new(out, "thread", id_text(&event->thid)) |
               json_object_set_new(out, "message", id_text(&event->id)) |
               json_object_set_new(out, "peer", json_did(&event->peer));
  if (here) status |= json_object_set_new(out, "peer_name", json_string(here->name));
  if (event->has_pthid) status |= json_object_set_new(out, "parent", id_text(&event->pthid));
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

static json_t *show(struct hgl_host *host, const struct trace_event *event)
{
  static const char *const what[] = {"heard", "said", "stretch", "timer", "dead"};
  json_t *out = json_pack("{s:I, s:I, s:s, s:o}", "order", (json_int_t)event->order, "time_ms",
                          (json_int_t)event->time_ms, "what", what[event->what], "name",
                          json_words(hgl_text(event->name)));
  if (!out) return NULL;
  int status = event->has_thread ? set_thread(host, event, out) : 0;
  if (event->what == TRACE_STRETCH) status |= set_stretch(event, out);
  if (event->what == TRACE_TIMER)
    status |= json_object_set_new(out, "due_ms", json_integer(event->due_ms));
  if (event->what == TRACE_DEAD)
    status |= json_object_set_new(out, "code", json_string(hgl_code_name(event->code))) |
              json_object_set_new(out, "why", json_words(hgl_text(event->note)));
  if (!status) return out;
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
  uint64_t oldest = trace->count > trace->capacity ? trace->count - trace->capacity : 0;
  uint64_t at = trace->count;
  json_t *list = json_array();
  bool whole = list != NULL;
  if (after > oldest) oldest = after;
  for (; whole && at > oldest && json_array_size(list) < limit; at--) {
    const struct trace_event *event = &trace->events[(at - 1) % trace->capacity];
    if (event->agent == agent->number) whole = json_array_append_new(list, show(host, event)) == 0;
  }
  if (!whole) {
    json_decref(list);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  *out = list;
  return 0;
}
