#include "dashboard/network.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "dashboard/best.h"
#include "protocol/value.h"

enum {
  FIGURES_MS = 3000, /* numbers that change all the time are told so often, */
  MEET_PASSES = 3,   /* and after so many it is looked up again who a stranger is that speaks */
  SILENT_MS = 60000, /* a stranger that said nothing for so long gives way to another */
  SERVICES_SHOWN = 8,
};

/* ---- nodes ---- */

static struct hgl_bytes key_of(bool is_host, const struct hgl_key *key,
                               uint8_t out[HGL_KEY_SIZE + 1])
{
  out[0] = is_host;
  memcpy(out + 1, key->bytes, HGL_KEY_SIZE);
  return hgl_bytes(out, HGL_KEY_SIZE + 1);
}

static struct node *find(const struct network *network, bool is_host, const struct hgl_key *key)
{
  uint8_t text[HGL_KEY_SIZE + 1];
  return hgl_map_get(&network->by_key, key_of(is_host, key, text));
}

static struct hgl_bytes number_of(const struct node *node)
{
  return hgl_bytes(&node->number, sizeof node->number);
}

static void forget_key(struct network *network, struct node *node)
{
  uint8_t text[HGL_KEY_SIZE + 1];
  if (node->has_key) hgl_map_remove(&network->by_key, key_of(node->is_host, &node->key, text));
  node->has_key = false;
  *node->did = 0;
}

/* It is found under its key from now on. */
static int set_key(struct network *network, struct node *node, const struct hgl_key *key,
                   struct hgl_err *err)
{
  uint8_t text[HGL_KEY_SIZE + 1];
  if (node->has_key && hgl_key_equal(&node->key, key)) return 0;
  forget_key(network, node);
  int status = hgl_map_put(&network->by_key, key_of(node->is_host, key, text), node, err);
  if (status) return status;
  node->key = *key;
  node->has_key = node->fresh = true;
  hgl_did_format(key, node->did);
  return 0;
}

static void destroy(struct network *network, struct node *node)
{
  forget_key(network, node);
  if (node->number) hgl_map_remove(&network->by_number, number_of(node));
  if (!node->here && !node->is_host) network->stranger_count--;
  *node->link = node->next;
  if (node->next) node->next->link = node->link;
  hgl_free(node);
}

static void lose_home(struct network *network, uint32_t host)
{
  for (struct node *node = network->nodes; node; node = node->next) {
    if (node->host != host || node->id == host) continue;
    node->host = 0;
    node->changed = true;
  }
}

/* That it is gone is told, or, where there is no memory for that, seen with the next whole event.
 */
static void lose(struct network *network, struct node *node)
{
  if (node->is_host) lose_home(network, node->id);
  if (HGL_GROW(network->gone, network->gone_count, network->gone_capacity))
    network->gone[network->gone_count++] = node->id;
  destroy(network, node);
}

static struct node *make(struct network *network, bool is_host, bool here)
{
  struct node *node = hgl_zalloc(sizeof *node);
  if (!node) return NULL;
  *node = (struct node){.id = ++network->last_id,
                        .is_host = is_host,
                        .here = here,
                        .fresh = true,
                        .status = "unknown",
                        .next = network->nodes,
                        .link = &network->nodes};
  if (node->next) node->next->link = &node->next;
  network->nodes = node;
  if (!here && !is_host) network->stranger_count++;
  return node;
}

static int make_keyed(struct network *network, bool is_host, bool here, const struct hgl_key *key,
                      struct node **out, struct hgl_err *err)
{
  struct node *node = make(network, is_host, here);
  int status = node ? set_key(network, node, key, err)
                    : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status && node) destroy(network, node);
  if (!status) *out = node;
  return status;
}

int network_init(struct network *network, struct hgl_host *host, uint64_t seed, struct hgl_err *err)
{
  struct node *self;
  *network = (struct network){.host = host};
  hgl_map_init(&network->by_key, seed, ~seed);
  hgl_map_init(&network->by_number, ~seed, seed);
  int status = make_keyed(network, true, true, hgl_host_key(host), &self, err);
  if (status) return status;
  network->self = self->host = self->id;
  self->status = "running";
  snprintf(self->name, sizeof self->name, "this host");
  return 0;
}

void network_deinit(struct network *network)
{
  while (network->nodes) destroy(network, network->nodes);
  hgl_map_deinit(&network->by_key);
  hgl_map_deinit(&network->by_number);
  hgl_free(network->gone);
}

/* ---- agents of this host ---- */

void network_begin(struct network *network)
{
  network->passes++;
  for (struct node *node = network->nodes; node; node = node->next) node->marked = false;
}

void network_end(struct network *network)
{
  for (struct node *node = network->nodes, *next; node; node = next) {
    next = node->next;
    if (node->here && !node->is_host && !node->marked) lose(network, node);
  }
}

/* What others wrote, or what is cut within a character, becomes text again. */
static void copy_words(struct hgl_bytes words, char *out, size_t size)
{
  struct hgl_buf text;
  if (words.size >= size) words.size = size - 1;
  hgl_buf_init(&text, size);
  hgl_utf8_mend(words, &text);
  if (text.size) memcpy(out, text.data, text.size);
  out[text.size] = 0;
  hgl_buf_deinit(&text);
}

static int find_agent(struct network *network, const struct hgl_agent_figures *agent,
                      struct node **out, struct hgl_err *err)
{
  struct node *node = hgl_map_get(&network->by_number,
                                  hgl_bytes(&agent->number, sizeof agent->number));
  /* It was a stranger so far: it has come from another host, or was not among those shown. */
  struct node *other = agent->has_key ? find(network, false, &agent->key) : NULL;
  if (other && other != node) lose(network, other);
  if (!node) {
    node = make(network, false, true);
    if (!node) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    node->number = agent->number;
    if (hgl_map_put(&network->by_number, number_of(node), node, err)) {
      node->number = 0;
      destroy(network, node);
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    }
    node->host = network->self;
    snprintf(node->name, sizeof node->name, "%s", agent->name);
  }
  *out = node;
  /* One that is stopped has none, and keeps what it had: others may speak to it. */
  return agent->has_key ? set_key(network, node, &agent->key, err) : 0;
}

static uint64_t hash_words(const struct network *network, const struct node *node,
                           const char *about)
{
  struct hgl_bytes name, services[SERVICES_SHOWN];
  size_t count = node->has_key
                     ? hgl_host_services(network->host, &node->key, &name, services, SERVICES_SHOWN)
                     : 0;
  uint64_t mixed[2] = {about ? 1 : 0, count};
  if (about) mixed[0] = hgl_siphash13(mixed, about, strlen(about));
  for (size_t i = 0; i < count; i++)
    mixed[0] = hgl_siphash13(mixed, services[i].data, services[i].size);
  return mixed[0];
}

static const char *stands_as(const struct hgl_agent_figures *agent)
{
  if (hgl_agent_is_failing(agent)) return "failing";
  return agent->asleep && strcmp(agent->status, "running") == 0 ? "asleep" : agent->status;
}

int network_note(struct network *network, const struct hgl_agent_figures *agent, int64_t now_ms,
                 struct hgl_err *err)
{
  struct node *node;
  int status = find_agent(network, agent, &node, err);
  if (status) return status;
  const char *stands = stands_as(agent);
  bool turned = strcmp(node->status, stands) != 0;
  bool counted = node->handled != agent->handled || node->mailbox != agent->mailbox ||
                 node->raised_lately != agent->raised_lately;
  bool due = now_ms - node->told_ms >= FIGURES_MS || now_ms < node->told_ms;
  node->marked = true;
  node->status = stands;
  if (turned || (counted && due)) {
    node->handled = agent->handled;
    node->mailbox = agent->mailbox;
    node->raised_lately = agent->raised_lately;
    node->changed = true;
  }
  uint64_t words = hash_words(network, node, agent->about);
  if (words == node->words && !node->fresh) return 0;
  node->fresh = true; /* all of it is told */
  node->words = words;
  copy_words(hgl_text(agent->about ? agent->about : ""), node->about, sizeof node->about);
  return 0;
}

/* ---- other hosts ---- */

struct hosts {
  struct network *network;
  struct best best;
  struct hgl_err *err;
  int status;
};

static int compare_peers(const void *a, const void *b, const void *user)
{
  const struct hgl_peer_figures *left = a, *right = b;
  if (left->linked != right->linked) return left->linked ? -1 : 1;
  return memcmp(left->key.bytes, right->key.bytes, HGL_KEY_SIZE);
}

static bool offer_peer(void *user, const struct hgl_peer_figures *peer)
{
  struct hosts *hosts = user;
  if (!hosts->status) hosts->status = best_offer(&hosts->best, peer, hosts->err);
  return !hosts->status;
}

static int note_host(struct network *network, const struct hgl_peer_figures *peer,
                     struct hgl_err *err)
{
  struct node *node = find(network, true, &peer->key);
  int status = node ? 0 : make_keyed(network, true, false, &peer->key, &node, err);
  if (status) return status;
  const char *stands = peer->linked ? "linked" : "away";
  node->changed |= strcmp(node->status, stands) != 0;
  node->status = stands;
  node->marked = true;
  node->host = node->id;
  struct link *link = &network->links[network->link_count++];
  network->links_changed |= link->peer != node->id || link->up != peer->linked ||
                            link->skew_ms != peer->skew_ms ||
                            link->unacknowledged != peer->unacknowledged;
  *link = (struct link){node->id, peer->linked, peer->skew_ms, peer->unacknowledged};
  return 0;
}

static void lose_hosts(struct network *network)
{
  for (struct node *node = network->nodes, *next; node; node = next) {
    next = node->next;
    if (node->is_host && !node->here && !node->marked) lose(network, node);
  }
}

int network_note_hosts(struct network *network, struct hgl_err *err)
{
  struct hosts hosts = {.network = network, .err = err};
  size_t before = network->link_count;
  for (struct node *node = network->nodes; node; node = node->next)
    if (node->is_host) node->marked = false;
  best_init(&hosts.best, sizeof(struct hgl_peer_figures), NETWORK_HOSTS_MAX, compare_peers, NULL);
  hgl_host_visit_peers(network->host, offer_peer, &hosts);
  best_sort(&hosts.best);
  network->link_count = 0;
  for (size_t i = 0; !hosts.status && i < hosts.best.count; i++)
    hosts.status = note_host(network, best_at(&hosts.best, i), err);
  network->links_changed |= network->link_count != before;
  best_deinit(&hosts.best);
  if (!hosts.status) lose_hosts(network);
  return hosts.status;
}

/* ---- agents of other hosts ---- */

static bool is_stranger(const struct node *node)
{
  return !node->here && !node->is_host;
}

static bool make_room(struct network *network, int64_t now_ms)
{
  if (network->stranger_count < NETWORK_STRANGERS_MAX) return true;
  for (struct node *node = network->nodes, *next; node; node = next) {
    next = node->next;
    if (is_stranger(node) && now_ms - node->seen_ms > SILENT_MS) lose(network, node);
  }
  return network->stranger_count < NETWORK_STRANGERS_MAX;
}

/* Adverts come after the first words, and agents move. */
static void meet(struct network *network, struct node *node)
{
  struct hgl_key host;
  struct hgl_bytes name, services[1];
  char before[sizeof node->name];
  const struct node *its = NULL;
  uint64_t words = hash_words(network, node, NULL);
  uint32_t home = node->host;
  memcpy(before, node->name, sizeof before);
  hgl_host_services(network->host, &node->key, &name, services, 0);
  copy_words(name, node->name, sizeof node->name);
  if (hgl_host_of_agent(network->host, &node->key, &host)) its = find(network, true, &host);
  node->host = its ? its->id : 0;
  node->fresh |= words != node->words || node->host != home || strcmp(before, node->name) != 0;
  node->words = words;
  node->met = network->passes;
}

struct node *network_speaker(struct network *network, const struct hgl_key *key, int64_t now_ms)
{
  struct hgl_err ignored;
  struct node *node = find(network, false, key);
  bool meets = node && is_stranger(node) && network->passes - node->met >= MEET_PASSES;
  if (!node && !hgl_host_name_of(network->host, key) && make_room(network, now_ms))
    meets = make_keyed(network, false, false, key, &node, &ignored) == 0;
  if (meets) meet(network, node);
  if (node) node->seen_ms = now_ms;
  return node;
}

/* ---- as text ---- */

static void put_services(const struct network *network, const struct node *node, bool empty,
                         struct hgl_buf *out)
{
  struct hgl_bytes name, services[SERVICES_SHOWN];
  size_t count = node->has_key && !node->is_host
                     ? hgl_host_services(network->host, &node->key, &name, services, SERVICES_SHOWN)
                     : 0;
  for (size_t i = 0; i < count; i++) {
    hgl_buf_append_text(out, i ? "," : ",\"services\":[");
    hgl_json_put_text(services[i], out);
  }
  if (count) hgl_buf_append_byte(out, ']');
  if (!count && empty) hgl_buf_append_text(out, ",\"services\":[]");
}

static void put_name(const struct node *node, struct hgl_buf *out)
{
  hgl_buf_append_text(out, ",\"name\":");
  hgl_json_put_text(hgl_text(node->name), out);
}

/* `empty`: also that nothing is known of it, where something may have been told before. `left`: the
 * room for what agents say of themselves. Without any, an agent of another host has not
 * even the name that it gives itself: an event that is too long would tell nothing of anybody. */
static void put_node(const struct network *network, const struct node *node, bool fully, bool empty,
                     size_t *left, struct hgl_buf *out)
{
  bool ours = node->here || node->is_host;
  hgl_buf_printf(out, "{\"id\":%u,\"kind\":\"%s\"", node->id, node->is_host ? "host" : "agent");
  if (ours) put_name(node, out);
  size_t before = out->size;
  if (!ours && *left) put_name(node, out);
  if (!ours && !*left) hgl_buf_append_text(out, ",\"name\":\"\"");
  if (fully && *left && (*node->about || empty)) {
    hgl_buf_append_text(out, ",\"about\":");
    hgl_json_put_text(hgl_text(node->about), out);
  }
  if (fully && *left) put_services(network, node, empty, out);
  size_t used = out->size - before;
  *left = used < *left ? *left - used : 0;
  hgl_buf_printf(out,
                 ",\"did\":\"%s\",\"host\":%u,\"status\":\"%s\",\"here\":%s,\"handled\":%llu,"
                 "\"mailbox\":%zu",
                 node->did, node->host, node->status, node->here ? "true" : "false",
                 (unsigned long long)node->handled, node->mailbox);
  if (node->raised_lately) hgl_buf_printf(out, ",\"raised_lately\":%u", node->raised_lately);
  hgl_buf_append_byte(out, '}');
}

void network_put_nodes(struct network *network, bool all, int64_t now_ms, struct hgl_buf *out)
{
  size_t told = 0, left_here = NETWORK_WORDS_SIZE_MAX, left = NETWORK_STRANGERS_WORDS_SIZE_MAX;
  hgl_buf_append_byte(out, '[');
  for (struct node *node = network->nodes; node; node = node->next) {
    if (!all && !node->fresh && !node->changed) continue;
    if (told++) hgl_buf_append_byte(out, ',');
    put_node(network, node, all || node->fresh, !all && !node->is_host,
             node->here ? &left_here : &left, out);
    /* Whom the past alone has brought up, the other viewers have yet to be told of. */
    if (!all || node->here || node->is_host) node->fresh = node->changed = false;
    node->told_ms = now_ms;
  }
  hgl_buf_append_byte(out, ']');
}

void network_put_gone(struct network *network, struct hgl_buf *out)
{
  hgl_buf_append_byte(out, '[');
  for (size_t i = 0; i < network->gone_count; i++)
    hgl_buf_printf(out, "%s%u", i ? "," : "", network->gone[i]);
  hgl_buf_append_byte(out, ']');
  network->gone_count = 0;
}

void network_put_links(const struct network *network, struct hgl_buf *out)
{
  hgl_buf_append_byte(out, '[');
  for (size_t i = 0; i < network->link_count; i++) {
    const struct link *link = &network->links[i];
    hgl_buf_printf(out, "%s{\"a\":%u,\"b\":%u,\"up\":%s,\"skew_ms\":%lld,\"unacknowledged\":%llu}",
                   i ? "," : "", network->self, link->peer, link->up ? "true" : "false",
                   (long long)link->skew_ms, (unsigned long long)link->unacknowledged);
  }
  hgl_buf_append_byte(out, ']');
}
