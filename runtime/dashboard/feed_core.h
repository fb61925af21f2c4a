/* What the files of this folder share of the feed. */
#ifndef HGL_DASHBOARD_FEED_CORE_H
#define HGL_DASHBOARD_FEED_CORE_H

#include "base/mem.h"
#include "dashboard/alarms.h"
#include "dashboard/samples.h"
#include "dashboard/topic.h"

enum {
  TOPICS_MAX = 32,
  TURN_NS = 2000000,        /* of one turn's work; then a pause, */
  TURN_BYTES_MAX = 1 << 20, /* to one viewer; the event that exceeds them is the last */
  SOON_NS = HGL_FEED_EVERY_MIN_MS * 1000000,
  LONG_NS = 2000000000,     /* between two beats: longer than whoever has caught up should wait */
  PAUSE_MAX_NS = 300000000, /* also where the machine is busy and all takes longer */
  PAUSE_TIMES = 32,         /* so many times as long as the work was: it takes 3 % of the loop, */
  PAUSE_TIMES_IDLE = 3,     /* or, where nobody is to be slowed down, a quarter */
};

struct channel;

struct subscription {
  struct subscription *next;        /* of the viewer */
  struct subscription *next_beside; /* of the channel */
  struct hgl_feed_viewer *viewer;
  struct channel *channel;
  bool behind;     /* to be told the whole */
  bool told;       /* something, so far */
  bool erred;      /* was told an error: changes have nothing to follow on */
  uint64_t passed; /* of a stream, when it was told last */
  char as[HGL_FEED_AS_SIZE_MAX * 4 + 1];
};

struct hgl_feed_viewer {
  struct hgl_feed_viewer *next;
  struct hgl_feed *feed;
  const struct hgl_feed_way *way;
  void *link;
  struct subscription *subscriptions;
  size_t count;
  bool keeps_up; /* had taken everything when this turn began */
  bool gone;     /* in the midst of a turn: it goes with that */
};

struct known_topic {
  const struct hgl_topic *topic;
  void *user;
};

struct hgl_feed {
  struct hgl_feed_config config;
  struct hgl_feed_viewer *viewers;
  size_t viewer_count;
  struct channel *channels; /* the one whose turn is next comes first */
  struct known_topic topics[TOPICS_MAX];
  size_t topic_count;
  int64_t started_ms; /* Unix time */
  struct samples samples;
  struct alarms alarms;
  int64_t rest_until_ns; /* no turn of the channels before this */
  int64_t looked_ns;     /* at which viewers have taken what they were sent */
  bool turning;          /* viewers that leave meanwhile go when it is over */
};

/* ---- channel.c ---- */

/* The channel of a topic with these arguments, as it is or made now. */
int channel_find(struct hgl_feed *feed, const struct known_topic *known, const json_t *request,
                 struct channel **out, struct hgl_err *err) HGL_NODISCARD;
/* It is in no list of a viewer yet. */
void channel_add(struct channel *channel, struct subscription *subscription);
/* The last one to leave closes the channel. */
void channel_remove(struct channel *channel, struct subscription *subscription);
void channels_turn(struct hgl_feed *feed);
int64_t channels_deadline(const struct hgl_feed *feed); /* monotonic ns; INT64_MAX: none */

#endif
