/* The feed's life, its viewers and what they subscribe to. */
#include "dashboard/feed_core.h"

#include <stdio.h>

/* ---- subscriptions ---- */

static void forget(struct hgl_feed_viewer *viewer, struct subscription **at)
{
  struct subscription *subscription = *at;
  *at = subscription->next;
  viewer->count--;
  if (subscription->channel) channel_remove(subscription->channel, subscription);
  hgl_free(subscription);
}

static struct subscription **find(struct hgl_feed_viewer *viewer, const char *as)
{
  struct subscription **at = &viewer->subscriptions;
  while (*at && strcmp((*at)->as, as) != 0) at = &(*at)->next;
  return at;
}

static size_t count_characters(const char *text)
{
  size_t count = 0;
  for (; *text; text++) count += (*text & 0xc0) != 0x80;
  return count;
}

static int get_as(const json_t *request, const char **out, struct hgl_err *err)
{
  const struct hgl_topic_ask ask = {.arguments = request};
  int status = hgl_ask_text(&ask, "as", out, err);
  if (!status && (!**out || count_characters(*out) > HGL_FEED_AS_SIZE_MAX))
    status = hgl_fail(err, HGL_INVALID, "\"as\" must have 1 to %d characters",
                      HGL_FEED_AS_SIZE_MAX);
  return status;
}

static int unknown_topic(const struct hgl_feed *feed, const char *name, struct hgl_err *err)
{
  char known[400] = "";
  for (size_t i = 0; i < feed->topic_count; i++) {
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "",
             feed->topics[i].topic->name);
  }
  return hgl_fail(err, HGL_NOT_FOUND, "there is no topic \"%.40s\"; known: %s", name, known);
}

static const struct known_topic *find_topic(const struct hgl_feed *feed, const char *name)
{
  for (size_t i = 0; i < feed->topic_count; i++)
    if (strcmp(feed->topics[i].topic->name, name) == 0) return &feed->topics[i];
  return NULL;
}

int hgl_feed_subscribe(struct hgl_feed_viewer *viewer, const json_t *request, struct hgl_err *err)
{
  struct hgl_feed *feed = viewer->feed;
  const struct hgl_topic_ask ask = {.arguments = request};
  const char *as, *name;
  struct channel *channel;
  int status = hgl_ask_text(&ask, "topic", &name, err);
  if (!status) status = get_as(request, &as, err);
  if (status) return status;
  const struct known_topic *known = find_topic(feed, name);
  if (!known) return unknown_topic(feed, name, err);
  struct subscription **at = find(viewer, as);
  if (!*at && viewer->count == HGL_FEED_SUBSCRIPTIONS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d subscriptions; end one with unsubscribe",
                    HGL_FEED_SUBSCRIPTIONS_MAX);
  struct subscription *subscription = hgl_zalloc(sizeof *subscription);
  if (!subscription) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if ((status = channel_find(feed, known, request, &channel, err))) {
    hgl_free(subscription);
    return status;
  }
  channel_add(channel, subscription); /* before the other goes: it may be of the same channel */
  if (*at) forget(viewer, at);
  snprintf(subscription->as, sizeof subscription->as, "%s", as);
  subscription->viewer = viewer;
  subscription->next = viewer->subscriptions;
  viewer->subscriptions = subscription;
  viewer->count++;
  if (feed->config.wake) feed->config.wake(feed->config.user);
  return 0;
}

int hgl_feed_unsubscribe(struct hgl_feed_viewer *viewer, const json_t *request, struct hgl_err *err)
{
  const char *as;
  int status = get_as(request, &as, err);
  if (status) return status;
  struct subscription **at = find(viewer, as);
  if (!*at) return hgl_fail(err, HGL_NOT_FOUND, "there is no subscription \"%s\"", as);
  forget(viewer, at);
  return 0;
}

/* ---- viewers ---- */

int hgl_feed_join(struct hgl_feed *feed, const struct hgl_feed_way *way, void *link,
                  struct hgl_feed_viewer **out, struct hgl_err *err)
{
  if (feed->viewer_count >= HGL_FEED_VIEWERS_MAX)
    return hgl_fail(err, HGL_LIMIT, "%d viewers look at this host already", HGL_FEED_VIEWERS_MAX);
  struct hgl_feed_viewer *viewer = hgl_zalloc(sizeof *viewer);
  if (!viewer) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  viewer->feed = feed;
  viewer->way = way;
  viewer->link = link;
  viewer->next = feed->viewers;
  feed->viewers = viewer;
  feed->viewer_count++;
  *out = viewer;
  return 0;
}

static void remove_viewer(struct hgl_feed *feed, struct hgl_feed_viewer **at)
{
  struct hgl_feed_viewer *viewer = *at;
  *at = viewer->next;
  feed->viewer_count--;
  while (viewer->subscriptions) forget(viewer, &viewer->subscriptions);
  hgl_free(viewer);
}

/* Within a turn it may be the one that is just sent to. */
void hgl_feed_leave(struct hgl_feed_viewer *viewer)
{
  if (!viewer) return;
  struct hgl_feed *feed = viewer->feed;
  viewer->gone = true;
  if (feed->turning) return;
  struct hgl_feed_viewer **at = &feed->viewers;
  while (*at != viewer) at = &(*at)->next;
  remove_viewer(feed, at);
}

static void remove_gone(struct hgl_feed *feed)
{
  for (struct hgl_feed_viewer **at = &feed->viewers; *at;) {
    if ((*at)->gone)
      remove_viewer(feed, at);
    else
      at = &(*at)->next;
  }
}

/* ---- life ---- */

int hgl_feed_add_topic(struct hgl_feed *feed, const struct hgl_topic *topic, void *user,
                       struct hgl_err *err)
{
  if (find_topic(feed, topic->name))
    return hgl_fail(err, HGL_EXISTS, "there is a topic %s already", topic->name);
  if (feed->topic_count == TOPICS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d topics", TOPICS_MAX);
  feed->topics[feed->topic_count++] = (struct known_topic){topic, user};
  return 0;
}

int hgl_feed_create(const struct hgl_feed_config *config, struct hgl_feed **out,
                    struct hgl_err *err)
{
  struct hgl_feed *feed = hgl_zalloc(sizeof *feed);
  if (!feed) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  feed->config = *config;
  feed->started_ms = hgl_wall_ms(config->clock);
  int status = samples_init(&feed->samples, config, err);
  for (const struct hgl_topic *const *topic = hgl_topics; !status && *topic; topic++)
    status = hgl_feed_add_topic(feed, *topic, NULL, err);
  if (status)
    hgl_feed_destroy(feed);
  else
    *out = feed;
  return status;
}

void hgl_feed_destroy(struct hgl_feed *feed)
{
  if (!feed) return;
  while (feed->viewers) remove_viewer(feed, &feed->viewers);
  samples_deinit(&feed->samples);
  hgl_free(feed);
}

static void say_trouble(void *to, const char *what, bool error, const char *model,
                        const char *words)
{
  alarms_say(to, what, error, "model", model, "%s", words);
}

/* Once a second, whether anybody looks or not. */
static void look(struct hgl_feed *feed)
{
  const struct sample *sample = samples_take(&feed->samples);
  if (!sample) return;
  alarms_begin(&feed->alarms, sample->time_ms);
  alarms_look(&feed->alarms, feed->config.host, &sample->now);
  if (feed->config.troubles) feed->config.troubles(feed->config.user, say_trouble, &feed->alarms);
  alarms_end(&feed->alarms);
}

void hgl_feed_turn(struct hgl_feed *feed)
{
  feed->turning = true;
  look(feed);
  channels_turn(feed);
  feed->turning = false;
  remove_gone(feed);
}

int64_t hgl_feed_deadline(const struct hgl_feed *feed)
{
  int64_t sample_ns = samples_deadline(&feed->samples), channel_ns = channels_deadline(feed);
  return sample_ns < channel_ns ? sample_ns : channel_ns;
}
