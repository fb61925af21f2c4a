/* network: hosts and agents, and who speaks with whom. Of more agents than are shown those are that
 * fail, and then those that have handled and said the most. */
#include <string.h>

#include "base/mem.h"
#include "dashboard/best.h"
#include "dashboard/network.h"
#include "dashboard/topics.h"
#include "dashboard/traffic.h"
#include "protocol/value.h"

enum {
  LIMIT_DEFAULT = 2000,
  LIMIT_MAX = 5000,
  LOOK_EVERY = 64,        /* agents, between two looks at the clock */
  RECENT_MS = 10 * 60000, /* of what was before whoever looks came */
  LOOKED_MS = 750,        /* agents are not looked at again so soon: at 500, at every other beat */
  CHANNELS_MAX = 7,       /* each holds some megabytes of nodes, and hears every message */
};

struct topic {
  struct hgl_host *host;
  const struct hgl_clock *clock;
  struct network network;
  struct traffic *traffic;
  struct hgl_message_watcher watcher;
  struct hgl_agent_walk walk;
  struct best best; /* struct hgl_agent_figures; their texts are not looked at, but by number */
  enum { RESTS, CHOOSES, NOTES } stage; /* of the work for a beat */
  bool failed;
  int64_t looked_ns; /* at all of them, last; 0: not yet */
  size_t limit, total, noted, shown;
};

/* ---- as they speak ---- */

/* Each message once: where it is said if that is here, else where it comes in. */
static void see(void *user, const struct hgl_seen *seen)
{
  struct topic *topic = user;
  const struct hgl_envelope *envelope = seen->envelope;
  if (*seen->what == 's' || *seen->what == 'r')
    traffic_add(topic->traffic, &envelope->from, &envelope->to, envelope->performative);
}

/* ---- the walk ---- */

struct candidate {
  bool fails;
  uint64_t busy; /* messages */
  uint64_t number;
  char name[HGL_NAME_SIZE_MAX + 1];
};

static int compare(const void *a, const void *b, const void *user)
{
  const struct candidate *left = a, *right = b;
  if (left->fails != right->fails) return left->fails ? -1 : 1;
  if (left->busy != right->busy) return left->busy > right->busy ? -1 : 1;
  return (left->number > right->number) - (left->number < right->number);
}

static void offer(struct topic *topic, const struct hgl_agent_figures *agent)
{
  struct hgl_err ignored;
  struct candidate candidate = {.fails = hgl_agent_is_failing(agent),
                                .busy = agent->handled + agent->sent,
                                .number = agent->number};
  if (agent->operates && !candidate.busy) return; /* whoever has no part in it */
  topic->total++;
  memcpy(candidate.name, agent->name, strlen(agent->name) + 1);
  if (best_offer(&topic->best, &candidate, &ignored)) topic->failed = true;
}

/* Those that were chosen, as they are now. True: all of them; else more with the next turn. */
static bool note_chosen(struct topic *topic, int64_t until_ns)
{
  struct hgl_err ignored;
  int64_t now_ms = hgl_wall_ms(topic->clock);
  while (!topic->failed && topic->noted < topic->best.count) {
    const struct candidate *candidate = best_at(&topic->best, topic->noted++);
    struct hgl_agent_figures agent;
    if (hgl_host_agent_figures(topic->host, candidate->name, &agent)) {
      topic->failed = network_note(&topic->network, &agent, now_ms, &ignored) != 0;
      topic->shown++;
    }
    if (topic->noted % LOOK_EVERY == 0 && hgl_mono_ns(topic->clock) > until_ns) return false;
  }
  if (!topic->failed) network_end(&topic->network);
  return true;
}

/* Every agent is offered; true: that is done. */
static bool choose(struct topic *topic, int64_t until_ns)
{
  struct hgl_agent_figures agent;
  for (size_t i = 1; hgl_agent_walk_next(&topic->walk, &agent); i++) {
    offer(topic, &agent);
    if (i % LOOK_EVERY == 0 && hgl_mono_ns(topic->clock) > until_ns) return false;
  }
  hgl_agent_walk_end(&topic->walk);
  return true;
}

static bool begin_look(struct topic *topic)
{
  int64_t now_ns = hgl_mono_ns(topic->clock);
  if (!topic->failed && topic->looked_ns && now_ns - topic->looked_ns < LOOKED_MS * 1000000LL)
    return false;
  topic->looked_ns = now_ns;
  hgl_agent_walk_begin(&topic->walk, topic->host);
  best_clear(&topic->best);
  topic->total = 0;
  topic->failed = false;
  topic->stage = CHOOSES;
  return true;
}

static bool work(void *state, int64_t until_ns)
{
  struct topic *topic = state;
  struct hgl_err ignored;
  if (topic->stage == RESTS && !begin_look(topic)) return true;
  if (topic->stage == CHOOSES) {
    if (!choose(topic, until_ns)) return false;
    topic->failed |= network_note_hosts(&topic->network, &ignored) != 0;
    network_begin(&topic->network);
    topic->noted = topic->shown = 0;
    topic->stage = NOTES;
  }
  if (!note_chosen(topic, until_ns)) return false;
  topic->stage = RESTS;
  return true;
}

/* ---- told ---- */

/* Who has come since all were looked at is noted as soon as it speaks. */
static const struct node *speaker(struct topic *topic, const struct hgl_key *key, int64_t now_ms)
{
  struct hgl_err ignored;
  struct hgl_agent_figures agent;
  const struct node *node = network_speaker(&topic->network, key, now_ms);
  bool all = topic->shown == topic->total && topic->shown < topic->limit;
  const char *name = node || !all ? NULL : hgl_host_name_of(topic->host, key);
  if (!name || !hgl_host_agent_figures(topic->host, name, &agent) ||
      network_note(&topic->network, &agent, now_ms, &ignored))
    return node;
  topic->total++;
  topic->shown++;
  return network_speaker(&topic->network, key, now_ms);
}

/* There are thousands in an event: printf would take longer than all else here. */
static void put_number(uint32_t number, struct hgl_buf *out)
{
  char digits[10];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + number % 10);
  while (number /= 10);
  hgl_buf_append(out, digits + at, sizeof digits - at);
  hgl_buf_append_byte(out, ',');
}

/* [[from, to, messages, performative]…] of those of whom both are shown: a pair that used several
 * performatives is there as often. */
static void put_edges(struct topic *topic, struct traffic *traffic, int64_t now_ms,
                      struct hgl_buf *out)
{
  size_t told = 0, count = traffic_count(traffic);
  hgl_buf_append_byte(out, '[');
  for (size_t i = 0; i < count; i++) {
    const struct traffic_entry *entry = traffic_at(traffic, i);
    const struct node *from = speaker(topic, &entry->from, now_ms);
    uint32_t id = from ? from->id : 0; /* the other may take its place */
    const struct node *to = speaker(topic, &entry->to, now_ms);
    if (!id || !to) continue;
    if (told++) hgl_buf_append_byte(out, ',');
    hgl_buf_append_byte(out, '[');
    put_number(id, out);
    put_number(to->id, out);
    put_number(entry->count, out);
    hgl_json_put_text(hgl_bytes(entry->word, entry->word_size), out);
    hgl_buf_append_byte(out, ']');
  }
  hgl_buf_append_byte(out, ']');
}

struct recent {
  struct topic *topic;
  struct traffic *traffic; /* of one second */
  int64_t second, oldest_ms;
  struct hgl_buf text;
};

static void put_second(struct recent *recent)
{
  if (!traffic_count(recent->traffic)) return;
  hgl_buf_printf(&recent->text, "%s{\"time_ms\":%lld,\"edges\":", recent->text.size ? "," : "",
                 (long long)recent->second * 1000);
  put_edges(recent->topic, recent->traffic, recent->second * 1000, &recent->text);
  hgl_buf_append_byte(&recent->text, '}');
  traffic_clear(recent->traffic);
}

static void recall(void *user, int64_t time_ms, const struct hgl_key *from,
                   const struct hgl_key *to, const char *type)
{
  struct recent *recent = user;
  const char *word = strrchr(type, '/');
  if (time_ms < recent->oldest_ms) return;
  if (time_ms / 1000 != recent->second) put_second(recent);
  recent->second = time_ms / 1000;
  traffic_add(recent->traffic, from, to, hgl_text(word ? word + 1 : type));
}

/* Before the nodes, because it may show some that nobody knew. */
static int put_recent(struct topic *topic, int64_t now_ms, struct hgl_buf *out, struct hgl_err *err)
{
  struct recent recent = {.topic = topic, .oldest_ms = now_ms - RECENT_MS};
  hgl_buf_init(&recent.text, HGL_FEED_EVENT_SIZE_MAX);
  int status = traffic_create((uint64_t)now_ms, &recent.traffic, err);
  if (status) return status;
  hgl_host_recent_messages(topic->host, recall, &recent);
  put_second(&recent);
  traffic_destroy(recent.traffic);
  hgl_buf_append_byte(out, '[');
  hgl_buf_append_bytes(out, hgl_buf_bytes(&recent.text));
  hgl_buf_append_byte(out, ']');
  status = hgl_buf_check(&recent.text, err);
  hgl_buf_deinit(&recent.text);
  return status;
}

static void put_rest(struct topic *topic, bool whole, int64_t now_ms, struct hgl_event *event)
{
  struct network *network = &topic->network;
  network_put_nodes(network, whole, now_ms, hgl_event_begin(event, "nodes"));
  if (!whole) network_put_gone(network, hgl_event_begin(event, "gone"));
  if (whole || network->links_changed) network_put_links(network, hgl_event_begin(event, "links"));
  network->links_changed = false;
  hgl_event_put(event, "more", json_integer((json_int_t)(topic->total - topic->shown)));
}

static int fail_if_failed(const struct topic *topic, struct hgl_err *err)
{
  return topic->failed ? hgl_fail(err, HGL_NO_MEMORY, "out of memory") : 0;
}

static int whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct topic *topic = state;
  int64_t now_ms = hgl_wall_ms(topic->clock);
  int status = fail_if_failed(topic, err);
  if (!status) status = put_recent(topic, now_ms, hgl_event_begin(event, "recent"), err);
  if (status) return status;
  hgl_event_put(event, "edges", json_array());
  put_rest(topic, true, now_ms, event);
  traffic_clear(topic->traffic);
  return 0;
}

static int change(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct topic *topic = state;
  int64_t now_ms = hgl_wall_ms(topic->clock);
  int status = fail_if_failed(topic, err);
  if (status) return status;
  put_edges(topic, topic->traffic, now_ms, hgl_event_begin(event, "edges"));
  hgl_event_put(event, "left_out", json_integer((json_int_t)traffic_left_out(topic->traffic)));
  traffic_clear(topic->traffic);
  put_rest(topic, false, now_ms, event);
  return 0;
}

/* ---- life ---- */

static void close(void *state)
{
  struct topic *topic = state;
  hgl_host_unwatch_messages(&topic->watcher);
  hgl_agent_walk_end(&topic->walk);
  network_deinit(&topic->network);
  traffic_destroy(topic->traffic);
  best_deinit(&topic->best);
  hgl_free(topic);
}

static int open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  int64_t limit;
  int status = hgl_ask_integer(ask, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, err);
  if (status) return status;
  struct topic *topic = hgl_zalloc(sizeof *topic);
  if (!topic) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  uint64_t seed = hgl_random_u64(ask->random);
  topic->host = ask->host;
  topic->clock = ask->clock;
  topic->limit = (size_t)limit;
  topic->watcher = (struct hgl_message_watcher){.seen = see, .user = topic};
  best_init(&topic->best, sizeof(struct candidate), topic->limit, compare, NULL);
  status = network_init(&topic->network, ask->host, seed, err);
  if (!status) status = traffic_create(seed, &topic->traffic, err);
  if (status) {
    close(topic);
    return status;
  }
  hgl_host_watch_messages(ask->host, &topic->watcher);
  *state = topic;
  return 0;
}

static const char *const arguments[] = {"limit", NULL};

const struct hgl_topic hgl_topic_network = {.name = "network",
                                            .every_ms = 500,
                                            .least_ms = 500,
                                            .arguments = arguments,
                                            .channels_max = CHANNELS_MAX,
                                            .open = open,
                                            .work = work,
                                            .whole = whole,
                                            .change = change,
                                            .close = close};
