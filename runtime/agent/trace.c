#include "agent/trace.h"

enum { EVENTS_DEFAULT = 8192, EVENTS_MAX = 1 << 20, BARE_MS = 100 };

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
  trace->troubles = hgl_array(TRACE_TROUBLES, sizeof *trace->troubles);
  return trace->events && trace->troubles ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

void trace_destroy(struct trace *trace)
{
  if (!trace) return;
  hgl_free(trace->events);
  hgl_free(trace->troubles);
  hgl_free(trace);
}

/* ---- writing ---- */

/* What is written over goes, unless it tells of something that went wrong. */
static void give_way(struct trace *trace, const struct trace_event *event)
{
  if (!event->order || !event->has_thread) return;
  if (event->what < TRACE_DEAD && !(event->tells & TRACE_REFUSES)) return;
  trace->troubles[trace->trouble_count++ % TRACE_TROUBLES] = *event;
}

static struct trace_event *add(struct agent *agent, enum trace_what what)
{
  struct trace *trace = agent->host->trace;
  if (!trace || !agent->script) return NULL;
  struct trace_event *event = &trace->events[trace->count % trace->capacity];
  give_way(trace, event);
  *event = (struct trace_event){.time_ms = agent->host->now_ms,
                                .agent = agent->key,
                                .order = ++trace->count,
                                .what = (uint8_t)what};
  return event;
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

static struct trace_event *add_message(struct agent *agent, enum trace_what what,
                                       const struct message *message, const struct hgl_key *peer)
{
  struct trace_event *event = add(agent, what);
  if (!event) return NULL;
  put_thread(event, &message->envelope, peer);
  trace_put_text(event->name, sizeof event->name, message->envelope.type);
  event->size = (uint32_t)message->bytes.size;
  return event;
}

/* Of what another host said the place is known at once; of what is said here, when it is sealed. */
static void put_place(struct trace_event *event, const struct message *message, uint64_t *later)
{
  if (!message->batch) {
    *later = event->order;
    return;
  }
  event->row = message->batch->row;
  event->index = message->index;
}

void trace_heard(struct agent *agent, struct message *message)
{
  struct trace_event *event = add_message(agent, TRACE_HEARD, message, &message->envelope.from);
  if (!event) return;
  put_place(event, message, &message->heard);
  trace_read_body(event, &message->envelope);
}

void trace_said(struct agent *agent, struct message *message)
{
  struct trace_event *event = add_message(agent, TRACE_SAID, message, &message->envelope.to);
  if (!event) return;
  put_place(event, message, &message->said);
  trace_read_body(event, &message->envelope);
}

static void seal(struct trace *trace, uint64_t order, const struct message *message, uint64_t row)
{
  struct trace_event *event = order ? &trace->events[(order - 1) % trace->capacity] : NULL;
  if (!event || event->order != order) return;
  event->row = row;
  event->index = message->index;
}

void trace_sealed(struct hgl_host *host, const struct message *message, uint64_t row)
{
  if (!host->trace) return;
  seal(host->trace, message->said, message, row);
  seal(host->trace, message->heard, message, row);
}

void trace_undelivered(struct agent *agent, const struct message *message, enum hgl_code code,
                       const char *why)
{
  struct trace_event *event = add_message(agent, TRACE_UNDELIVERED, message, &message->envelope.to);
  if (!event) return;
  event->code = (uint16_t)code;
  trace_put_text(event->note, sizeof event->note, hgl_text(why));
}

void trace_refused(struct agent *agent, struct message *message, enum hgl_code code,
                   const char *why)
{
  struct trace_event *event = add_message(agent, TRACE_REFUSED, message, &message->envelope.from);
  if (!event) return;
  put_place(event, message, &message->heard);
  event->code = (uint16_t)code;
  trace_put_text(event->note, sizeof event->note, hgl_text(why));
}

/* It gets another place when it is said again. */
void trace_held(struct agent *agent, struct message *message)
{
  struct trace_event *event = add_message(agent, TRACE_HELD, message, &message->envelope.to);
  if (!event) return;
  event->code = HGL_MAILBOX_FULL;
  message->said = event->order;
}

static void put_bare_thread(struct trace_event *event, const struct hgl_id *thid,
                            const struct hgl_key *peer, const struct hgl_id *parent)
{
  event->has_thread = true;
  event->id = event->thid = *thid;
  event->peer = *peer;
  event->has_pthid = parent != NULL;
  if (parent) event->pthid = *parent;
}

void trace_timeout(struct agent *agent, const struct hgl_id *thid, const struct hgl_key *peer,
                   const struct hgl_id *parent)
{
  struct trace_event *event = add(agent, TRACE_TIMEOUT);
  if (event) put_bare_thread(event, thid, peer, parent);
}

void trace_expired(struct agent *agent, const struct hgl_key *peer, const struct hgl_id *thid)
{
  struct trace_event *event = add(agent, TRACE_EXPIRED);
  if (event) put_bare_thread(event, thid, peer, NULL);
}

static void put_subject(struct trace_event *event, const struct mail *mail)
{
  const struct hgl_envelope *envelope = mail->message ? &mail->message->envelope : NULL;
  char subject[MAIL_SUBJECT_SIZE];
  if (mail->kind == MAIL_MESSAGE && envelope) {
    trace_put_text(event->name, sizeof event->name, envelope->type);
    put_thread(event, envelope, &envelope->from);
    return;
  }
  mail_subject(mail, subject);
  trace_put_text(event->name, sizeof event->name, hgl_text(subject));
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

/* It went on with what a model soon said and asks one again, nothing else. Of such there are tens
 * of thousands a second: they would leave no room for anything. The numbers of the others tell how
 * many they were. */
static bool is_bare(const struct hgl_host *host, const struct hgl_vm_wait *wait)
{
  const struct agent_run *run = host->stretch.run;
  return wait && wait->kind == HGL_VM_WAIT_CALL && run && run->eager &&
         run->agent->call_nature.eager && host->mono_ms - run->waits_since_ms < BARE_MS &&
         stretch_does_nothing(host) && !hgl_vm_wrote(run->vm);
}

void trace_stretch(struct hgl_host *host, const struct hgl_vm_wait *wait)
{
  if (is_bare(host, wait)) return;
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
  trace_put_text(event->note, sizeof event->note, hgl_text(why));
}

void trace_timer(struct agent *agent, const struct timer_change *change)
{
  if (change->cancel) return;
  struct trace_event *event = add(agent, TRACE_TIMER);
  if (!event) return;
  const struct mail *mail = agent->host->stretch.mail;
  if (mail) put_subject(event, mail); /* the thread in which it was set */
  trace_put_text(event->name, sizeof event->name, hgl_bytes(change->id, change->name_size));
  event->due_ms = change->due_ms;
}

void trace_dead(struct agent *agent, const struct mail *mail, enum hgl_code code, const char *why,
                uint64_t row)
{
  struct trace_event *event = add(agent, TRACE_DEAD);
  if (!event) return;
  put_subject(event, mail);
  event->code = (uint16_t)code;
  event->row = row;
  trace_put_text(event->note, sizeof event->note, hgl_text(why));
}

void trace_parked(struct agent *agent, const struct mail *mail, const char *why)
{
  struct trace_event *event = add(agent, TRACE_PARKED);
  if (!event) return;
  put_subject(event, mail);
  trace_put_text(event->note, sizeof event->note, hgl_text(why));
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
