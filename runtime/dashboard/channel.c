/* Channels: what equal subscriptions share. A beat of one: its work, in slices, then the change
 * since the beat before, for those who had that, and the whole, for those who had not. */
#include "dashboard/feed_core.h"

#include <stdio.h>

#include "base/utf8.h"
#include "protocol/value.h"

struct channel {
  struct channel *next;
  struct hgl_feed *feed;
  const struct hgl_topic *topic;
  void *state;
  struct hgl_buf key; /* topic, rate and arguments, as text */
  struct subscription *subscriptions;
  int64_t every_ns, due_ns, beat_ns; /* beat_ns: the latest; 0: none yet */
  bool working;                      /* a slice of its work is done, and more is to come */
  bool usual;                        /* without arguments, at the usual rate */
};

/* ---- which channel ---- */

/* Names that every subscription may have besides those of its topic. */
static bool is_common(const char *name)
{
  static const char *const common[] = {"call", "id", "topic", "as", "every_ms"};
  for (size_t i = 0; i < sizeof common / sizeof *common; i++)
    if (strcmp(common[i], name) == 0) return true;
  return false;
}

static bool takes(const struct hgl_topic *topic, const char *name)
{
  const char *const *argument = topic->arguments;
  while (argument && *argument && strcmp(*argument, name) != 0) argument++;
  return argument && *argument;
}

static int unknown_argument(const struct hgl_topic *topic, const char *name, struct hgl_err *err)
{
  char known[256] = "";
  for (const char *const *argument = topic->arguments; argument && *argument; argument++) {
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", *argument);
  }
  return hgl_fail(err, HGL_INVALID, "the topic %s has no argument \"%.40s\"; it has %s",
                  topic->name, name, *known ? known : "none");
}

/* In the order of the topic's own list: the same arguments make the same key, however they came. */
static int make_key(const struct hgl_topic *topic, const json_t *request, int64_t every_ms,
                    struct hgl_buf *out, struct hgl_err *err)
{
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)request, name, value)
  {
    if (!is_common(name) && !takes(topic, name)) return unknown_argument(topic, name, err);
  }
  hgl_buf_printf(out, "%s %lld", topic->name, (long long)every_ms);
  for (const char *const *argument = topic->arguments; argument && *argument; argument++) {
    value = json_object_get(request, *argument);
    if (!value) continue;
    hgl_buf_printf(out, " %s=", *argument);
    int status = hgl_json_print(value, out, err);
    if (status) return status;
  }
  return hgl_buf_check(out, err);
}

static int get_rate(const struct hgl_topic *topic, const json_t *request, int64_t *out,
                    struct hgl_err *err)
{
  const struct hgl_topic_ask ask = {.arguments = request};
  int status = hgl_ask_integer(&ask, "every_ms", HGL_FEED_EVERY_MIN_MS, HGL_FEED_EVERY_MAX_MS,
                               topic->every_ms, out, err);
  if (!status && *out < topic->least_ms) *out = topic->least_ms;
  return status;
}

static void destroy(struct channel *channel)
{
  if (channel->state && channel->topic->close) channel->topic->close(channel->state);
  hgl_buf_deinit(&channel->key);
  hgl_free(channel);
}

/* What most ask for: no arguments, at the usual rate. */
static bool is_usual(const struct hgl_topic *topic, const json_t *request, int64_t every_ms)
{
  const char *const *argument = topic->arguments;
  while (argument && *argument && !json_object_get(request, *argument)) argument++;
  return every_ms == topic->every_ms && !(argument && *argument);
}

/* Others cannot take the place of those who ask for what most do. */
static int check_room(const struct hgl_feed *feed, const struct hgl_topic *topic,
                      struct hgl_err *err)
{
  size_t count = 0;
  for (const struct channel *channel = feed->channels; channel; channel = channel->next)
    count += channel->topic == topic && !channel->usual;
  if (!topic->channels_max || count < topic->channels_max) return 0;
  return hgl_fail(err, HGL_LIMIT,
                  "the topic %s is looked at in %zu other ways already, and no more are made: "
                  "subscribe without arguments and \"every_ms\", or when others have unsubscribed",
                  topic->name, count);
}

static int create(struct hgl_feed *feed, const struct known_topic *known, const json_t *request,
                  int64_t every_ms, struct channel **out, struct hgl_err *err)
{
  const struct hgl_feed_config *config = &feed->config;
  struct hgl_topic_ask ask = {feed,           config->host, config->clock,
                              config->random, request,      known->user};
  bool usual = is_usual(known->topic, request, every_ms);
  int status = usual ? 0 : check_room(feed, known->topic, err);
  if (status) return status;
  struct channel *channel = hgl_zalloc(sizeof *channel);
  if (!channel) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  channel->feed = feed;
  channel->topic = known->topic;
  channel->usual = usual;
  channel->every_ns = every_ms * 1000000;
  hgl_buf_init(&channel->key, HGL_FEED_EVENT_SIZE_MAX);
  status = known->topic->open(&ask, &channel->state, err);
  if (status)
    destroy(channel);
  else
    *out = channel;
  return status;
}

int channel_find(struct hgl_feed *feed, const struct known_topic *known, const json_t *request,
                 struct channel **out, struct hgl_err *err)
{
  struct hgl_buf key;
  int64_t every_ms;
  int status = get_rate(known->topic, request, &every_ms, err);
  if (status) return status;
  hgl_buf_init(&key, HGL_FEED_EVENT_SIZE_MAX);
  status = make_key(known->topic, request, every_ms, &key, err);
  struct channel *channel = feed->channels;
  while (!status && channel && !hgl_bytes_equal(hgl_buf_bytes(&channel->key), hgl_buf_bytes(&key)))
    channel = channel->next;
  if (!status && !channel && !(status = create(feed, known, request, every_ms, &channel, err))) {
    channel->key = key;
    channel->next = feed->channels;
    feed->channels = channel;
    hgl_buf_init(&key, 0);
  }
  hgl_buf_deinit(&key);
  if (!status) *out = channel;
  return status;
}

/* Whoever is behind does not wait for the next beat. */
static void beat_soon(struct channel *channel)
{
  int64_t soon = channel->beat_ns ? channel->beat_ns + SOON_NS : 0;
  if (channel->due_ns > soon) channel->due_ns = soon;
}

void channel_add(struct channel *channel, struct subscription *subscription)
{
  subscription->channel = channel;
  subscription->behind = true;
  subscription->next_beside = channel->subscriptions;
  channel->subscriptions = subscription;
  beat_soon(channel);
}

void channel_remove(struct channel *channel, struct subscription *subscription)
{
  struct subscription **at = &channel->subscriptions;
  while (*at != subscription) at = &(*at)->next_beside;
  *at = subscription->next_beside;
  if (channel->subscriptions) return;
  struct channel **place = &channel->feed->channels;
  while (*place != channel) place = &(*place)->next;
  *place = channel->next;
  destroy(channel);
}

/* ---- a beat ---- */

static bool can_take(const struct subscription *subscription)
{
  const struct hgl_feed_viewer *viewer = subscription->viewer;
  return !viewer->gone && viewer->keeps_up && viewer->way->queued(viewer->link) < TURN_BYTES_MAX;
}

/* What is the same for all comes after what is each viewer's own. */
static void send_to(struct channel *channel, struct subscription *subscription,
                    const struct hgl_event *event, struct hgl_buf *line)
{
  struct hgl_err ignored;
  const struct hgl_topic *topic = channel->topic;
  struct hgl_feed_viewer *viewer = subscription->viewer;
  hgl_buf_clear(line);
  hgl_buf_printf(line, "{\"event\":\"%s\",\"as\":", topic->name);
  hgl_json_put_text(hgl_text(subscription->as), line);
  if (topic->missed && subscription->told && subscription->behind)
    hgl_buf_printf(line, ",\"missed\":%llu",
                   (unsigned long long)topic->missed(channel->state, subscription->passed));
  hgl_buf_append_bytes(line, hgl_buf_bytes(&event->text));
  hgl_buf_append_byte(line, '}');
  subscription->erred = event->error;
  subscription->behind = line->failed ||
                         viewer->way->send(viewer->link, hgl_buf_bytes(line), &ignored) != 0;
  if (subscription->behind) return;
  subscription->told = true;
  if (topic->passed) subscription->passed = topic->passed(channel->state);
}

static void begin_event(struct channel *channel, bool whole, struct hgl_event *event)
{
  *event = (struct hgl_event){0};
  hgl_buf_init(&event->text, HGL_FEED_EVENT_SIZE_MAX);
  hgl_buf_printf(&event->text, ",\"time_ms\":%lld%s",
                 (long long)hgl_wall_ms(channel->feed->config.clock),
                 whole ? ",\"whole\":true" : "");
}

static void put_error(struct channel *channel, struct hgl_event *event, const struct hgl_err *why)
{
  struct hgl_buf words;
  hgl_buf_init(&words, 8 * HGL_ERR_MESSAGE_SIZE);
  hgl_utf8_mend(hgl_text(why->message), &words);
  hgl_buf_deinit(&event->text);
  begin_event(channel, true, event);
  event->error = true;
  hgl_event_put(event, "error",
                json_pack("{s:s, s:s%}", "code", hgl_code_name(why->code), "message",
                          words.size ? (const char *)words.data : "", words.size));
  hgl_buf_deinit(&words);
}

/* Written by the topic; without fields: there is nothing to be told. False: it is left out. */
static bool make_event(struct channel *channel, bool whole, struct hgl_event *event)
{
  struct hgl_err err = {0};
  const struct hgl_topic *topic = channel->topic;
  begin_event(channel, whole, event);
  int status = (whole ? topic->whole : topic->change)(channel->state, event, &err);
  if (!status) status = hgl_buf_check(&event->text, &err);
  if (status && err.code != HGL_NO_MEMORY) {
    put_error(channel, event, &err);
    status = hgl_buf_check(&event->text, &err);
  }
  return !status;
}

/* To those that are, or are not, behind; whoever cannot take it will be, and a change is not for
 * whoever was told an error in place of what it follows on. */
static void tell(struct channel *channel, bool behind, const struct hgl_event *event, bool made)
{
  struct hgl_buf line;
  hgl_buf_init(&line, HGL_FEED_EVENT_SIZE_MAX + 1024);
  for (struct subscription *at = channel->subscriptions; at; at = at->next_beside) {
    if (at->behind != behind) continue;
    bool astray = at->erred && !behind && !event->error && event->fields;
    if (!made || !can_take(at) || astray)
      at->behind = true;
    else if (event->fields)
      send_to(channel, at, event, &line);
  }
  hgl_buf_deinit(&line);
}

static bool has(const struct channel *channel, bool behind)
{
  const struct subscription *at = channel->subscriptions;
  while (at && (at->behind != behind || (behind && !can_take(at)))) at = at->next_beside;
  return at != NULL;
}

static void beat(struct channel *channel, int64_t now_ns)
{
  struct hgl_event event;
  bool changes = channel->topic->change && channel->beat_ns;
  if (!channel->topic->change) /* it is always whole */
    for (struct subscription *at = channel->subscriptions; at; at = at->next_beside)
      at->behind = true;
  if (changes) {
    bool made = make_event(channel, false, &event);
    tell(channel, false, &event, made);
    hgl_buf_deinit(&event.text);
  }
  if (has(channel, true)) {
    bool made = make_event(channel, true, &event);
    tell(channel, true, &event, made);
    hgl_buf_deinit(&event.text);
  }
  channel->beat_ns = now_ns;
}

/* ---- turns ---- */

static int64_t now_of(const struct hgl_feed *feed)
{
  return hgl_mono_ns(feed->config.clock);
}

static void step(struct channel *channel, int64_t until_ns)
{
  struct hgl_feed *feed = channel->feed;
  const struct hgl_topic *topic = channel->topic;
  channel->working = topic->work && !topic->work(channel->state, until_ns);
  if (channel->working) return; /* more with the next turn */
  int64_t now_ns = now_of(feed);
  beat(channel, now_ns);
  /* In step with the times before, unless it has fallen behind. */
  channel->due_ns += channel->every_ns;
  if (channel->due_ns <= now_ns) channel->due_ns = now_ns + channel->every_ns;
}

/* Its turn is over: behind all others. */
static void move_last(struct hgl_feed *feed, struct channel *channel)
{
  struct channel **at = &feed->channels;
  while (*at != channel) at = &(*at)->next;
  *at = channel->next;
  while (*at) at = &(*at)->next;
  channel->next = NULL;
  *at = channel;
}

/* The first in the list that is due, among the `left` first ones. */
static struct channel *next_due(const struct hgl_feed *feed, int64_t now_ns)
{
  struct channel *channel = feed->channels;
  while (channel && !channel->working && channel->due_ns > now_ns) channel = channel->next;
  return channel;
}

/* Whom its next beat would tell too late. Whole events take the most work: where beats are
 * frequent, whoever is slow now and then waits for the next one. */
static bool is_urgent(const struct subscription *subscription)
{
  bool seldom = subscription->channel->every_ns > LONG_NS;
  return subscription->behind && (seldom || !subscription->told);
}

/* Who had not taken the latest event at a beat, and has by now, is told what it missed. */
static void recall(struct hgl_feed *feed)
{
  for (struct channel *channel = feed->channels; channel; channel = channel->next)
    for (struct subscription *at = channel->subscriptions; at; at = at->next_beside)
      if (is_urgent(at) && at->viewer->keeps_up) beat_soon(channel);
}

static bool has_urgent(const struct channel *channel)
{
  const struct subscription *at = channel->subscriptions;
  while (at && !is_urgent(at)) at = at->next_beside;
  return at != NULL;
}

void channels_turn(struct hgl_feed *feed)
{
  int64_t start_ns = now_of(feed), now_ns = start_ns;
  struct channel *channel;
  if (start_ns < feed->rest_until_ns) return;
  for (struct hgl_feed_viewer *viewer = feed->viewers; viewer; viewer = viewer->next)
    viewer->keeps_up = !viewer->gone && viewer->way->queued(viewer->link) == 0;
  feed->looked_ns = start_ns;
  recall(feed);
  while (now_ns < start_ns + TURN_NS && (channel = next_due(feed, now_ns))) {
    move_last(feed, channel);
    step(channel, start_ns + TURN_NS);
    now_ns = now_of(feed);
    if (channel->working) break;
  }
  int times = hgl_host_idle(feed->config.host) ? PAUSE_TIMES_IDLE : PAUSE_TIMES;
  int64_t pause_ns = (now_ns - start_ns) * times;
  feed->rest_until_ns = now_ns + (pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS);
}

int64_t channels_deadline(const struct hgl_feed *feed)
{
  int64_t due_ns = INT64_MAX;
  for (const struct channel *channel = feed->channels; channel; channel = channel->next) {
    int64_t its_ns = channel->working ? 0 : channel->due_ns;
    /* Nothing tells that a viewer has taken what it was sent. */
    if (its_ns > feed->looked_ns + SOON_NS && has_urgent(channel))
      its_ns = feed->looked_ns + SOON_NS;
    if (its_ns < due_ns) due_ns = its_ns;
  }
  return due_ns < feed->rest_until_ns ? feed->rest_until_ns : due_ns;
}
