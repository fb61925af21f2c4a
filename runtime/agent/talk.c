/* Dialogues that the operator holds with agents, message by message: `haggle chat`. What is heard
 * waits here until it is asked for. */
#include "agent/operator.h"

enum { TALKS_MAX = 64, HEARD_MAX = 1000 };

struct operator_talk {
  struct operator_talk *next;
  uint64_t id;
  struct hgl_id thid;
  struct hgl_key peer;
  char protocol[2 * HGL_NAME_SIZE_MAX + 4]; /* "weather/1.0/" */
  json_t *heard;
  uint64_t tick; /* in which the last of it was heard */
  void (*answer)(void *user, json_t *messages,
                 const struct hgl_err *why); /* or NULL: nobody waits */
  void *user;
  int64_t deadline_ms; /* monotonic, of the one who waits */
};

static struct agent *operator_of(struct hgl_host *host, struct hgl_err *err)
{
  struct agent *agent = agent_by_name(host, hgl_text("operator"));
  if (!agent) hgl_fail(err, HGL_NOT_FOUND, "this host has no operator");
  return agent;
}

static struct operator_talk *find_thread(const struct agent *agent, const struct hgl_id *thid)
{
  struct operator_talk *talk = agent->operator_talks;
  while (talk && !hgl_id_equal(&talk->thid, thid)) talk = talk->next;
  return talk;
}

static struct operator_talk *find(struct hgl_host *host, uint64_t id, struct hgl_err *err)
{
  const struct agent *agent = operator_of(host, err);
  struct operator_talk *talk = agent ? agent->operator_talks : NULL;
  while (talk && talk->id != id) talk = talk->next;
  if (!talk) hgl_fail(err, HGL_NOT_FOUND, "there is no such dialogue");
  return talk;
}

/* ---- hearing ---- */

bool talk_expects(const struct agent *agent, const struct hgl_envelope *envelope)
{
  const struct operator_talk *talk = find_thread(agent, &envelope->thid);
  return talk && hgl_key_equal(&talk->peer, &envelope->from);
}

/* Told after the commit that holds it. Takes the object; NULL: no memory for it. */
static void hear(struct agent *agent, struct operator_talk *talk, json_t *object)
{
  if (json_array_size(talk->heard) >= HEARD_MAX) json_array_remove(talk->heard, 0);
  if (!object || json_array_append_new(talk->heard, object)) return;
  talk->tick = agent->host->tick;
  host_request_tick(agent->host);
}

bool talk_answer(struct agent *agent, const struct message *message)
{
  struct operator_talk *talk = find_thread(agent, &message->envelope.thid);
  json_t *object = NULL;
  struct hgl_err err;
  if (!talk || !hgl_key_equal(&talk->peer, &message->envelope.from)) return false;
  if (hgl_envelope_to_json(&message->envelope, &object, &err)) object = NULL;
  hear(agent, talk, object);
  return true;
}

bool talk_fail(struct agent *agent, const struct hgl_id *thid, enum hgl_code code, const char *why)
{
  struct operator_talk *talk = find_thread(agent, thid);
  if (!talk) return false;
  hear(agent, talk,
       json_pack("{s:s, s:o}", "undelivered", hgl_code_name(code), "why",
                 json_words(hgl_text(why))));
  return true;
}

static void tell(struct operator_talk *talk, const struct hgl_err *why)
{
  void (*answer)(void *, json_t *, const struct hgl_err *) = talk->answer;
  json_t *messages = talk->heard;
  talk->answer = NULL;
  talk->heard = json_array();
  answer(talk->user, messages, why);
  json_decref(messages);
}

/* A tick in which nothing changed has no commit of its own. */
static bool is_durable(const struct hgl_host *host, uint64_t tick)
{
  return host->committed_tick + 1 >= (tick < host->tick ? tick + 1 : host->tick);
}

/* The next whom there is something to tell; whoever is told may ask for more at once. */
static struct operator_talk *next_due(const struct agent *agent)
{
  const struct hgl_host *host = agent->host;
  for (struct operator_talk *talk = agent->operator_talks; talk; talk = talk->next) {
    if (!talk->answer) continue;
    if (json_array_size(talk->heard) ? is_durable(host, talk->tick)
                                     : talk->deadline_ms <= host->mono_ms)
      return talk;
  }
  return NULL;
}

void talks_due(struct agent *agent)
{
  for (struct operator_talk *talk; (talk = next_due(agent));) tell(talk, NULL);
}

int64_t talks_deadline_ms(const struct agent *agent)
{
  int64_t first = INT64_MAX;
  for (const struct operator_talk *talk = agent->operator_talks; talk; talk = talk->next)
    if (talk->answer && talk->deadline_ms < first) first = talk->deadline_ms;
  return first;
}

int hgl_host_talk_hear(struct hgl_host *host, uint64_t id, int64_t within_ms,
                       void (*answer)(void *user, json_t *messages, const struct hgl_err *why),
                       void *user, struct hgl_err *err)
{
  struct operator_talk *talk = find(host, id, err);
  if (!talk) return -(int)err->code;
  if (talk->answer) return hgl_fail(err, HGL_EXISTS, "somebody listens to it already");
  tick_now(host);
  talk->answer = answer;
  talk->user = user;
  talk->deadline_ms = host->mono_ms + within_ms;
  host_request_tick(host);
  return 0;
}

/* ---- saying ---- */

/* With 0 it is to be accepted. */
static int begin_to_say(struct agent *agent, const struct hgl_vm_send *send, struct hgl_id *id,
                        struct hgl_key *to, struct hgl_err *err)
{
  struct hgl_host *host = agent->host;
  if (host->failed) return hgl_fail(err, HGL_CLOSED, "the host has stopped");
  tick_now(host);
  stretch_begin(host, agent, NULL, NULL);
  int status = stretch_send(host, send, id, to, err);
  if (status) stretch_drop(host);
  return status;
}

static int accept_said(struct hgl_host *host, struct hgl_err *err)
{
  int status = stretch_accept(host, err);
  if (status) host_fatal(host, err);
  host_request_tick(host);
  return status;
}

static size_t count_talks(const struct agent *agent)
{
  size_t count = 0;
  for (const struct operator_talk *talk = agent->operator_talks; talk; talk = talk->next) count++;
  return count;
}

static void destroy(struct operator_talk *talk)
{
  json_decref(talk->heard);
  hgl_free(talk);
}

/* It is listed before what is said is accepted: that it is not delivered may be known at once. */
int hgl_host_talk(struct hgl_host *host, const char *to, const char *type, struct hgl_bytes body,
                  uint64_t *out, struct hgl_err *err)
{
  struct hgl_bytes protocol, version, performative;
  struct agent *agent = operator_of(host, err);
  if (!agent) return -(int)err->code;
  int status = hgl_type_parse(hgl_text(type), &protocol, &version, &performative, err);
  if (status) return status;
  if (count_talks(agent) >= TALKS_MAX)
    return hgl_fail(err, HGL_LIMIT, "the operator holds %d dialogues already", TALKS_MAX);
  struct operator_talk *talk = hgl_zalloc(sizeof *talk);
  if (!talk || !(talk->heard = json_array())) {
    hgl_free(talk);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  size_t size = strlen(type) - performative.size;
  if (size < sizeof talk->protocol) memcpy(talk->protocol, type, size);
  struct hgl_vm_send send = {.to = hgl_text(to), .type = hgl_text(type), .body = body};
  status = begin_to_say(agent, &send, &talk->thid, &talk->peer, err);
  if (status) {
    destroy(talk);
    return status;
  }
  talk->id = *out = host_row(host);
  talk->next = agent->operator_talks;
  agent->operator_talks = talk;
  return accept_said(host, err);
}

int hgl_host_talk_say(struct hgl_host *host, uint64_t id, const char *performative,
                      struct hgl_bytes body, struct hgl_err *err)
{
  struct operator_talk *talk = find(host, id, err);
  char type[sizeof talk->protocol + HGL_NAME_SIZE_MAX];
  struct hgl_id said;
  if (!talk) return -(int)err->code;
  bool refuses = strcmp(performative, "refuse") == 0;
  int size = snprintf(type, sizeof type, "%s%s", refuses ? "haggle/1.0/" : talk->protocol,
                      performative);
  if (size >= (int)sizeof type)
    return hgl_fail(err, HGL_TOO_LARGE, "a performative of more than %d bytes", HGL_NAME_SIZE_MAX);
  struct hgl_vm_send send = {
      .to_key = &talk->peer, .type = hgl_text(type), .body = body, .thid = &talk->thid};
  int status = begin_to_say(operator_of(host, err), &send, &said, NULL, err);
  return status ? status : accept_said(host, err);
}

/* ---- ending ---- */

void hgl_host_talk_end(struct hgl_host *host, uint64_t id)
{
  struct hgl_err err;
  struct agent *agent = operator_of(host, &err);
  for (struct operator_talk **at = agent ? &agent->operator_talks : NULL, *talk; at && (talk = *at);
       at = &talk->next) {
    if (talk->id != id) continue;
    *at = talk->next;
    hgl_fail(&err, HGL_CLOSED, "the dialogue was left");
    if (talk->answer) tell(talk, &err);
    destroy(talk);
    return;
  }
}

void talks_deinit(struct agent *agent)
{
  struct hgl_err why;
  hgl_fail(&why, HGL_CLOSED, "the host stops");
  for (struct operator_talk *talk; (talk = agent->operator_talks);) {
    agent->operator_talks = talk->next;
    if (talk->answer) tell(talk, &why);
    destroy(talk);
  }
}
