/* The feed: what happens in a host, as it happens, for those who look at it: the page in a browser,
 * `haggle top`, whatever others build. FEED.md documents every topic and event.
 *
 * A *viewer* is one connection, a *subscription* one topic with arguments that it looks at. Equal
 * subscriptions share a *channel*: what they are told is computed and written once. A channel has a
 * beat; at each, its subscribers are told what has changed. A viewer whose connection has not taken
 * all that it was sent is passed over, and told the whole as soon as it has: it is skipped ahead,
 * and nothing piles up for it. Where nobody looks, nothing is computed.
 *
 * Knows no socket and starts no thread: whoever owns the loop calls hgl_feed_turn when
 * hgl_feed_deadline says so. Work is done in slices, with pauses between them, so that looking at a
 * large host costs its agents a few per cent at most. Loop thread. */
#ifndef HGL_DASHBOARD_FEED_H
#define HGL_DASHBOARD_FEED_H

#include <jansson.h>

#include "agent/host.h"

enum {
  HGL_FEED_VIEWERS_MAX = 96,
  HGL_FEED_SUBSCRIPTIONS_MAX = 16, /* of one viewer */
  HGL_FEED_AS_SIZE_MAX = 32,       /* characters of the name that a viewer gives to one */
  HGL_FEED_EVENT_SIZE_MAX = (4 << 20) - 1024,
  HGL_FEED_EVERY_MIN_MS = 100,
  HGL_FEED_EVERY_MAX_MS = 60000,
};

struct hgl_feed;
struct hgl_feed_viewer;
struct hgl_topic; /* topic.h */

/* What the process takes of its machine, so far. */
struct hgl_feed_usage {
  int64_t rss_bytes, cpu_ns;
};

typedef void (*hgl_feed_trouble)(void *to, const char *what, bool error, const char *model,
                                 const char *words);

struct hgl_feed_config {
  struct hgl_host *host; /* outlives the feed */
  const struct hgl_clock *clock;
  const struct hgl_random *random; /* for the seeds of maps */
  /* NULL: it is not known. */
  void (*usage)(void *user, struct hgl_feed_usage *out);
  /* Says what is wrong beyond the host object, once a second, by calling `say` with its `to`: what
   * (a literal), an error or a warning, of which model, and in words. NULL: nothing is. */
  void (*troubles)(void *user, hgl_feed_trouble say, void *to);
  /* A turn is due earlier than hgl_feed_deadline said. NULL: whoever calls looks anyway. */
  void (*wake)(void *user);
  void *user;
};

int hgl_feed_create(const struct hgl_feed_config *config, struct hgl_feed **out,
                    struct hgl_err *err) HGL_NODISCARD;
/* Before the host. Viewers that are still there are forgotten. NULL is allowed. */
void hgl_feed_destroy(struct hgl_feed *feed);
/* One more topic than those of this folder, which stays where it is; `user` is for its open.
 * HGL_EXISTS, HGL_LIMIT. */
int hgl_feed_add_topic(struct hgl_feed *feed, const struct hgl_topic *topic, void *user,
                       struct hgl_err *err) HGL_NODISCARD;

/* Does what is due, for a bounded time. */
void hgl_feed_turn(struct hgl_feed *feed);
int64_t hgl_feed_deadline(const struct hgl_feed *feed); /* monotonic ns */

/* How a viewer is reached. */
struct hgl_feed_way {
  /* One JSON object. What fails is lost; the viewer may leave meanwhile. */
  int (*send)(void *link, struct hgl_bytes text, struct hgl_err *err);
  size_t (*queued)(void *link); /* bytes that it has not taken yet */
};
/* HGL_LIMIT. `way` and `link` are borrowed until it leaves. */
int hgl_feed_join(struct hgl_feed *feed, const struct hgl_feed_way *way, void *link,
                  struct hgl_feed_viewer **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_feed_leave(struct hgl_feed_viewer *viewer); /* NULL is allowed */
/* {"topic", "as", "every_ms"?, and what the topic takes}. In place of the subscription of that
 * name, if there is one. Its first event comes with a turn. HGL_INVALID, HGL_NOT_FOUND,
 * HGL_LIMIT. */
int hgl_feed_subscribe(struct hgl_feed_viewer *viewer, const json_t *request,
                       struct hgl_err *err) HGL_NODISCARD;
/* {"as"}. HGL_NOT_FOUND. */
int hgl_feed_unsubscribe(struct hgl_feed_viewer *viewer, const json_t *request,
                         struct hgl_err *err) HGL_NODISCARD;

#endif
