/* dialogues: the threads of all agents, or of some, with what became of them. dialogue: one of
 * them, with its messages and what happened around them. Each event is the whole: they are made
 * anew when something has happened, and told when that shows. */
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "dashboard/topics.h"

enum {
  LOOKS_EVERY_MS = 5000, /* also when nothing has happened: deadlines pass by themselves */
  TEXTS = 5,
};

/* What both have: whether there may be something new, and whether there was. */
struct fresh {
  struct hgl_host *host;
  const struct hgl_clock *clock;
  uint64_t mark;   /* of the host, when it was looked at last */
  int64_t due_ns;  /* the next look, whatever has happened */
  uint64_t hashed; /* what was told last */
};

static bool may_be_new(struct fresh *fresh)
{
  uint64_t mark = hgl_host_mark(fresh->host);
  int64_t now_ns = hgl_mono_ns(fresh->clock);
  if (mark == fresh->mark && now_ns < fresh->due_ns) return false;
  fresh->mark = mark;
  fresh->due_ns = now_ns + (int64_t)LOOKS_EVERY_MS * 1000000;
  return true;
}

/* Steals the fields. What is as it was told before is not told again, but to those who need it. */
static int tell(struct fresh *fresh, json_t *fields, bool whole, struct hgl_event *event,
                struct hgl_err *err)
{
  static const uint64_t seed[2] = {0};
  struct hgl_buf text;
  hgl_buf_init(&text, HGL_FEED_EVENT_SIZE_MAX);
  int status = hgl_json_print(fields, &text, err);
  uint64_t hash = hgl_siphash13(seed, text.data, text.size);
  bool told = status == 0 && !whole && hash == fresh->hashed;
  hgl_buf_deinit(&text);
  if (status || told) {
    json_decref(fields);
    return status;
  }
  fresh->hashed = hash;
  if (!whole) hgl_event_put(event, "whole", json_true());
  hgl_event_put_all(event, fields);
  return 0;
}

static void free_texts(char *const *texts, size_t count)
{
  for (size_t i = 0; i < count; i++) hgl_free(texts[i]);
}

static int copy_text(const struct hgl_topic_ask *ask, const char *name, bool needed, char **out,
                     struct hgl_err *err)
{
  const char *text;
  int status = needed ? hgl_ask_text(ask, name, &text, err)
                      : hgl_ask_text_if_any(ask, name, &text, err);
  if (status || !text) return status;
  *out = hgl_strndup(text, strlen(text));
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* ---- dialogues ---- */

struct dialogues {
  struct fresh fresh; /* first member */
  char *texts[TEXTS]; /* as the arguments; or NULL */
  size_t limit;
};

static const char *const dialogues_arguments[] = {"agent", "peer",  "protocol", "state",
                                                  "text",  "limit", NULL};

static void dialogues_close(void *state)
{
  struct dialogues *dialogues = state;
  free_texts(dialogues->texts, TEXTS);
  hgl_free(dialogues);
}

static int dialogues_open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  int64_t limit;
  struct dialogues *dialogues = hgl_zalloc(sizeof *dialogues);
  if (!dialogues) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  dialogues->fresh = (struct fresh){.host = ask->host, .clock = ask->clock};
  int status = hgl_ask_integer(ask, "limit", 1, HGL_DIALOGUES_LISTED_MAX, HGL_DIALOGUES_LISTED,
                               &limit, err);
  for (size_t i = 0; i < TEXTS && status == 0; i++)
    status = copy_text(ask, dialogues_arguments[i], false, &dialogues->texts[i], err);
  if (status) {
    dialogues_close(dialogues);
    return status;
  }
  dialogues->limit = (size_t)limit;
  *state = dialogues;
  return 0;
}

static int dialogues_tell(struct dialogues *dialogues, bool whole, struct hgl_event *event,
                          struct hgl_err *err)
{
  char *const *texts = dialogues->texts;
  const struct hgl_dialogues_wanted wanted = {.agent = texts[0],
                                              .peer = texts[1],
                                              .protocol = texts[2],
                                              .state = texts[3],
                                              .text = texts[4],
                                              .limit = dialogues->limit};
  json_t *fields = NULL;
  int status = hgl_host_dialogues(dialogues->fresh.host, &wanted, &fields, err);
  if (status) dialogues->fresh.hashed = 0; /* an error is told: what follows is new again */
  return status ? status : tell(&dialogues->fresh, fields, whole, event, err);
}

static int dialogues_whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  return dialogues_tell(state, true, event, err);
}

static int dialogues_change(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct dialogues *dialogues = state;
  return may_be_new(&dialogues->fresh) ? dialogues_tell(dialogues, false, event, err) : 0;
}

const struct hgl_topic hgl_topic_dialogues = {
    .name = "dialogues",
    .every_ms = 1000,
    .least_ms = 500,
    .arguments = dialogues_arguments,
    .open = dialogues_open,
    .whole = dialogues_whole,
    .change = dialogues_change,
    .close = dialogues_close,
};

/* ---- dialogue ---- */

enum { AGENT, PEER, THID, NAMES };

struct dialogue {
  struct fresh fresh; /* first member */
  char *texts[NAMES];
  uint64_t seen; /* of the trace */
  bool in_trace; /* all of it: else it is looked for in the journal, which takes long */
};

static const char *const dialogue_arguments[] = {"agent", "peer", "thid", NULL};

static void dialogue_close(void *state)
{
  struct dialogue *dialogue = state;
  free_texts(dialogue->texts, NAMES);
  hgl_free(dialogue);
}

static int dialogue_open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  struct dialogue *dialogue = hgl_zalloc(sizeof *dialogue);
  if (!dialogue) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  dialogue->fresh = (struct fresh){.host = ask->host, .clock = ask->clock};
  int status = 0;
  for (size_t i = 0; i < NAMES && status == 0; i++)
    status = copy_text(ask, dialogue_arguments[i], i != PEER, &dialogue->texts[i], err);
  if (status) {
    dialogue_close(dialogue);
    return status;
  }
  *state = dialogue;
  return 0;
}

static int dialogue_tell(struct dialogue *dialogue, bool whole, struct hgl_event *event,
                         struct hgl_err *err)
{
  const struct hgl_dialogue_wanted wanted = {.agent = dialogue->texts[AGENT],
                                             .peer = dialogue->texts[PEER],
                                             .thid = dialogue->texts[THID],
                                             .deep = true};
  json_t *fields = NULL;
  int status = hgl_host_dialogue(dialogue->fresh.host, &wanted, &fields, err);
  if (status) dialogue->fresh.hashed = 0; /* as above */
  if (status) return status;
  dialogue->in_trace = json_is_true(
      json_object_get(json_object_get(fields, "dialogue"), "in_trace"));
  return tell(&dialogue->fresh, fields, whole, event, err);
}

static int dialogue_whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  return dialogue_tell(state, true, event, err);
}

/* Acknowledgements are no events: a dialogue of the trace is looked at whenever there was a tick,
 * one that takes long when something has happened in it. */
static int dialogue_change(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct dialogue *dialogue = state;
  bool touched = hgl_host_thread_touched(dialogue->fresh.host, dialogue->texts[THID],
                                         &dialogue->seen);
  bool look = may_be_new(&dialogue->fresh) && dialogue->in_trace;
  return touched || look ? dialogue_tell(dialogue, false, event, err) : 0;
}

const struct hgl_topic hgl_topic_dialogue = {
    .name = "dialogue",
    .every_ms = 500,
    .least_ms = 250,
    .arguments = dialogue_arguments,
    .open = dialogue_open,
    .whole = dialogue_whole,
    .change = dialogue_change,
    .close = dialogue_close,
};
