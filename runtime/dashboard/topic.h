/* A topic: something that viewers of the feed can look at. A file each, topic_NAME.c, and a line in
 * topics.c; those of host/ are handed in (hgl_feed_add_topic). Loop thread.
 *
 * Nothing here may take long, nor be as long as the host has agents: lists are bounded, and what
 * has to look at more does that in `work`. When memory is refused an event is left out; the host
 * goes on. Text from the network stands in events as JSON strings, as it is: showing it safely is
 * the viewer's. */
#ifndef HGL_DASHBOARD_TOPIC_H
#define HGL_DASHBOARD_TOPIC_H

#include "dashboard/feed.h"

/* ---- what a subscription asks for (topic.c) ---- */

struct hgl_topic_ask {
  struct hgl_feed *feed;
  struct hgl_host *host;
  const struct hgl_clock *clock;
  const struct hgl_random *random;
  const json_t *arguments; /* the request; borrowed for the call */
  void *user;              /* of hgl_feed_add_topic */
};

/* HGL_INVALID: it is none, or has a NUL in it. Good as long as the request is. */
int hgl_ask_text(const struct hgl_topic_ask *ask, const char *name, const char **out,
                 struct hgl_err *err) HGL_NODISCARD;
/* Absent: NULL. */
int hgl_ask_text_if_any(const struct hgl_topic_ask *ask, const char *name, const char **out,
                        struct hgl_err *err) HGL_NODISCARD;
/* One of the known texts, which end with a NULL. Absent or empty: NULL. */
int hgl_ask_choice(const struct hgl_topic_ask *ask, const char *name, const char *const *known,
                   const char **out, struct hgl_err *err) HGL_NODISCARD;
/* A copy, for hgl_free. Absent or empty: NULL. */
int hgl_ask_copy(const struct hgl_topic_ask *ask, const char *name, size_t size_max, char **out,
                 struct hgl_err *err) HGL_NODISCARD;
/* An agent of this host by its name, or any by its did; *has: it is given. HGL_NOT_FOUND. */
int hgl_ask_agent(const struct hgl_topic_ask *ask, const char *name, struct hgl_key *out, bool *has,
                  struct hgl_err *err) HGL_NODISCARD;
/* Absent: `otherwise`. */
int hgl_ask_integer(const struct hgl_topic_ask *ask, const char *name, int64_t least, int64_t most,
                    int64_t otherwise, int64_t *out, struct hgl_err *err) HGL_NODISCARD;
/* Absent: false. */
int hgl_ask_flag(const struct hgl_topic_ask *ask, const char *name, bool *out,
                 struct hgl_err *err) HGL_NODISCARD;

/* ---- an event, as it is written (topic.c) ---- */

enum { HGL_EVENT_LIST_SIZE_MAX = 3 << 20 };

struct hgl_event {
  struct hgl_buf text; /* ,"name":value … */
  size_t fields;
  bool error; /* it says why there is none */
};

/* Steals the value; NULL stands for want of memory, and the event is left out. */
void hgl_event_put(struct hgl_event *event, const char *name, json_t *value);
/* Steals the fields of an object. */
void hgl_event_put_all(struct hgl_event *event, json_t *object);
/* A list, as far as its first items (`latest`: its last ones) take at most
 * HGL_EVENT_LIST_SIZE_MAX bytes: one item that is long shall not take the event from all others.
 * Returns how many are left out. */
size_t hgl_event_put_some(struct hgl_event *event, const char *name, const json_t *list,
                          bool latest);
/* The value's text is appended to what is returned: for long lists, which would take long as trees.
 */
struct hgl_buf *hgl_event_begin(struct hgl_event *event, const char *name);

/* ---- the topic ---- */

struct hgl_topic {
  const char *name;
  int every_ms;                 /* between its beats, where the viewer asks for no other */
  int least_ms;                 /* never faster than this; 0: HGL_FEED_EVERY_MIN_MS */
  const char *const *arguments; /* names, up to a NULL */
  size_t channels_max; /* besides the one without arguments, at the usual rate; 0: not bounded */

  /* Makes what a channel with these arguments needs. HGL_INVALID, HGL_NOT_FOUND, HGL_NO_MEMORY. */
  int (*open)(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err);
  /* NULL: nothing is to be done before a beat. Else called before each, until it returns true; each
   * time it ends at about `until_ns` (monotonic). */
  bool (*work)(void *state, int64_t until_ns);
  /* An event that stands for itself. What fails for another reason than want of memory is told to
   * the viewers in place of the event: {"error": {"code", "message"}}. */
  int (*whole)(void *state, struct hgl_event *event, struct hgl_err *err);
  /* What is new since the last beat; NULL: it is always whole. An event without fields is not sent.
   * Called at each beat that is not the first, before `whole` if that is needed as well: so that
   * the next change follows on both. */
  int (*change)(void *state, struct hgl_event *event, struct hgl_err *err);
  void (*close)(void *state);
  /* Of a stream; else NULL. How many items there have been in the channel so far, told or left out;
   * `missed`: how many of them, behind the first `since`, the whole that was just made does not
   * have. A viewer that was skipped ahead is told. */
  uint64_t (*passed)(const void *state);
  uint64_t (*missed)(const void *state, uint64_t since);
};

/* topics.c: those of this folder, up to a NULL. */
extern const struct hgl_topic *const hgl_topics[];

#endif
