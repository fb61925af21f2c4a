/* messages: as they pass by. At most so many of them between two beats are shown; of the others it
 * is only said how many they were, so that a busy host does not notice who looks. */
#include <string.h>

#include "agent/look.h"
#include "base/mem.h"
#include "dashboard/topics.h"

enum {
  SHOWN = 50,               /* between two beats, and of the latest in a whole event */
  BODY_SIZE_MAX = 8 * 1024, /* a larger one is left out */
  TYPE_SIZE_MAX = 3 * HGL_NAME_SIZE_MAX + 2,
};

struct messages {
  /* What is looked at for every message lies together: a busy host has mostly forgotten it. */
  struct hgl_message_watcher watcher;
  uint64_t passed;   /* so far */
  uint64_t count;    /* shown of them */
  uint64_t told;     /* of them, by the last beat */
  uint64_t left_out; /* since then */
  const char *what;  /* NULL: any */
  bool chooses;      /* not all of them fit */
  bool has_agent, has_peer, has_thread;
  char type[TYPE_SIZE_MAX + 1]; /* empty: any */
  struct hgl_key agent, peer;
  struct hgl_id thread;
  struct hgl_host *host;
  const struct hgl_clock *clock;
  json_t *latest[SHOWN];  /* a ring */
  uint64_t places[SHOWN]; /* of these among all that passed, from 1 on */
};

/* ---- as they pass ---- */

static bool is_between(const struct messages *messages, const struct hgl_envelope *envelope)
{
  const struct hgl_key *from = &envelope->from, *to = &envelope->to;
  const struct hgl_key *agent = &messages->agent, *peer = &messages->peer;
  bool a_from = !messages->has_agent || hgl_key_equal(agent, from);
  bool a_to = !messages->has_agent || hgl_key_equal(agent, to);
  bool b_from = !messages->has_peer || hgl_key_equal(peer, from);
  bool b_to = !messages->has_peer || hgl_key_equal(peer, to);
  return (a_from && b_to) || (a_to && b_from);
}

static bool fits(const struct messages *messages, const struct hgl_seen *seen)
{
  const struct hgl_envelope *envelope = seen->envelope;
  if (!messages->chooses) return true;
  size_t size = strlen(messages->type);
  if (messages->what && strcmp(messages->what, seen->what) != 0) return false;
  if (size &&
      (envelope->type.size < size || memcmp(envelope->type.data, messages->type, size) != 0))
    return false;
  if (messages->has_thread && !hgl_id_equal(&messages->thread, &envelope->thid)) return false;
  return is_between(messages, envelope);
}

static json_t *show(const struct messages *messages, const struct hgl_seen *seen)
{
  static const uint8_t null[] = {0xf6};
  struct hgl_envelope envelope = *seen->envelope;
  struct hgl_seen lean = {&envelope, seen->what, seen->size};
  struct hgl_err ignored;
  json_t *out;
  bool cut = envelope.body.size > BODY_SIZE_MAX;
  if (cut) envelope.body = hgl_bytes(null, sizeof null);
  if (hgl_host_show_message(messages->host, &lean, &out, &ignored)) return NULL;
  json_t *rest = json_pack("{s:I, s:I}", "time_ms", (json_int_t)hgl_wall_ms(messages->clock),
                           "size", (json_int_t)seen->size);
  bool whole = rest && !json_object_update(out, rest) &&
               (!cut || !json_object_set_new(out, "body_left_out",
                                             json_integer((json_int_t)seen->envelope->body.size)));
  json_decref(rest);
  if (whole) return out;
  json_decref(out);
  return NULL;
}

static void see(void *user, const struct hgl_seen *seen)
{
  struct messages *messages = user;
  if (!fits(messages, seen)) return;
  messages->passed++;
  json_t *shown = messages->count - messages->told < SHOWN ? show(messages, seen) : NULL;
  if (!shown) {
    messages->left_out++;
    return;
  }
  size_t at = messages->count++ % SHOWN;
  json_decref(messages->latest[at]);
  messages->latest[at] = shown;
  messages->places[at] = messages->passed;
}

/* ---- told ---- */

static int put(struct messages *messages, uint64_t first, struct hgl_event *event,
               struct hgl_err *err)
{
  json_t *list = json_array();
  if (!list) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (uint64_t at = first; at < messages->count; at++)
    if (json_array_append(list, messages->latest[at % SHOWN])) {
      json_decref(list);
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    }
  hgl_event_put(event, "messages", list);
  hgl_event_put(event, "skipped", json_integer((json_int_t)messages->left_out));
  return 0;
}

static int whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct messages *messages = state;
  return put(messages, messages->count > SHOWN ? messages->count - SHOWN : 0, event, err);
}

static int change(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct messages *messages = state;
  bool news = messages->count > messages->told || messages->left_out;
  int status = news ? put(messages, messages->told, event, err) : 0;
  messages->told = messages->count;
  messages->left_out = 0;
  return status;
}

static uint64_t passed(const void *state)
{
  return ((const struct messages *)state)->passed;
}

static uint64_t missed(const void *state, uint64_t since)
{
  const struct messages *messages = state;
  uint64_t missed = messages->passed - since;
  for (size_t i = 0; i < SHOWN; i++) missed -= messages->places[i] > since;
  return missed;
}

/* ---- its arguments ---- */

static int get_thread(const struct hgl_topic_ask *ask, struct messages *messages,
                      struct hgl_err *err)
{
  const char *text;
  int status = hgl_ask_text_if_any(ask, "thread", &text, err);
  if (status || !text) return status;
  messages->has_thread = true;
  return hgl_id_parse(hgl_text(text), &messages->thread, err);
}

static int get_short(const struct hgl_topic_ask *ask, const char *name, char *out, size_t size,
                     struct hgl_err *err)
{
  const char *text;
  int status = hgl_ask_text_if_any(ask, name, &text, err);
  if (status || !text) return status;
  if (strlen(text) >= size) return hgl_fail(err, HGL_INVALID, "\"%s\" is longer than any is", name);
  memcpy(out, text, strlen(text) + 1);
  return 0;
}

static void close(void *state)
{
  struct messages *messages = state;
  hgl_host_unwatch_messages(&messages->watcher);
  for (size_t i = 0; i < SHOWN; i++) json_decref(messages->latest[i]);
  hgl_free(messages);
}

static const char *const whats[] = {"sent", "received", "handled", NULL};

static int open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  struct messages *messages = hgl_zalloc(sizeof *messages);
  if (!messages) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  messages->host = ask->host;
  messages->clock = ask->clock;
  messages->watcher = (struct hgl_message_watcher){.seen = see, .user = messages};
  int status = hgl_ask_agent(ask, "agent", &messages->agent, &messages->has_agent, err);
  if (!status) status = hgl_ask_agent(ask, "peer", &messages->peer, &messages->has_peer, err);
  if (!status) status = get_thread(ask, messages, err);
  if (!status) status = get_short(ask, "type", messages->type, sizeof messages->type, err);
  if (!status) status = hgl_ask_choice(ask, "what", whats, &messages->what, err);
  if (status) {
    close(messages);
    return status;
  }
  messages->chooses = messages->has_agent || messages->has_peer || messages->has_thread ||
                      *messages->type || messages->what;
  hgl_host_watch_messages(ask->host, &messages->watcher);
  *state = messages;
  return 0;
}

static const char *const arguments[] = {"agent", "peer", "type", "thread", "what", NULL};

const struct hgl_topic hgl_topic_messages = {.name = "messages",
                                             .every_ms = 250,
                                             .least_ms = 250,
                                             .arguments = arguments,
                                             .open = open,
                                             .whole = whole,
                                             .change = change,
                                             .passed = passed,
                                             .missed = missed,
                                             .close = close};
