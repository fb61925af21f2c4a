/* The other hosts: hello and the other frames of a link, gossip. */
#include "agent/waits.h"

#include <stdio.h>

enum {
  GOSSIP_EVERY_MS = 10000,
  PEERS_GOSSIPED = 32,
  WARN_EVERY_MS = 60000, /* that no more hosts are taken in */
};

static const char software[] = "haggle/0.1";

/* ---- talking ---- */

int peer_send(struct peer *peer, struct hgl_host *host, const struct hgl_frame *frame,
              struct hgl_err *err)
{
  struct hgl_buf bytes;
  hgl_buf_init(&bytes, HGL_FRAME_SIZE_MAX);
  int status = hgl_frame_encode(frame, &bytes, err);
  if (!status) status = host->config.transport.send(peer->link, hgl_buf_bytes(&bytes), err);
  hgl_buf_deinit(&bytes);
  return status;
}

/* One reason is a warning once, not at every attempt. */
static enum hgl_log_level level_of(enum hgl_code *last, enum hgl_code code)
{
  enum hgl_log_level level = *last == code ? HGL_LOG_DEBUG : HGL_LOG_WARN;
  *last = code;
  return level;
}

/* Something that a host of good will does not send: say so, close, count. */
void peer_refuse(struct hgl_host *host, struct peer *peer, const struct hgl_err *why)
{
  struct hgl_err err;
  peer->in_bad++;
  host_log(host, level_of(&peer->refused_for, why->code), "closing the link to %s: %s (%s)",
           peer->did, why->message, hgl_code_name(why->code));
  if (!peer->link) return;
  struct hgl_frame frame = {.kind = HGL_FRAME_ERROR,
                            .known = true,
                            .error = {hgl_text(hgl_code_name(why->code)), hgl_text(why->message)}};
  if (peer_send(peer, host, &frame, &err))
    host_log(host, HGL_LOG_DEBUG, "the reason did not reach %s: %s", peer->did, err.message);
  peer->ready = false;
  peer->refused = true;
  host->config.transport.close(peer->link, why->code, why->message);
}

static void say_hello(struct hgl_host *host, struct peer *peer, struct hgl_err *err)
{
  struct hgl_buf urls;
  size_t count = 0;
  hgl_buf_init(&urls, 16 * HGL_URL_SIZE_MAX);
  for (char **url = host->urls; url && *url; url++, count++) hgl_run_put_url(&urls, hgl_text(*url));
  struct hgl_frame frame = {.kind = HGL_FRAME_HELLO,
                            .known = true,
                            .hello = {.time_ms = hgl_wall_ms(host->config.clock),
                                      .incarnation = host->incarnation,
                                      .has_resume = peer->in_known,
                                      .resume_incarnation = peer->in_incarnation,
                                      .resume_number = peer->in_next ? peer->in_next - 1 : 0,
                                      .resume_leaf = peer->in_leaf,
                                      .resume_header = hgl_buf_bytes(&peer->in_header),
                                      .urls = hgl_run(&urls, count),
                                      .software = hgl_text(software),
                                      .sequence = host->sequence}};
  if (peer_send(peer, host, &frame, err))
    host_log(host, HGL_LOG_WARN, "no hello to %s: %s", peer->did, err->message);
  hgl_buf_deinit(&urls);
}

static void send_gossip(struct hgl_host *host, struct peer *peer, const struct hgl_buf *payload)
{
  struct hgl_err err;
  if (!payload->size || !peer->link || !peer->ready) return;
  struct hgl_frame frame = {
      .kind = HGL_FRAME_GOSSIP, .known = true, .gossip = hgl_buf_bytes(payload)};
  if (peer_send(peer, host, &frame, &err))
    host_log(host, HGL_LOG_DEBUG, "no gossip to %s: %s", peer->did, err.message);
}

static void gossip_to_all(struct hgl_host *host, const struct peer *but,
                          const struct hgl_buf *payload)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; payload->size && (slot = hgl_map_next(&host->peers, &i));)
    if (slot->value != but) send_gossip(host, slot->value, payload);
}

/* Addresses that answered, for those who do not know them. There are more than are told at once:
 * each time another part, from a random place on. */
static int peers_payload(struct hgl_host *host, const struct peer *to, struct hgl_buf *out,
                         struct hgl_err *err)
{
  struct hgl_directory_peer chosen[PEERS_GOSSIPED];
  size_t capacity = host->peers.capacity, count = 0;
  size_t first = capacity ? hgl_random_u64(host->config.random) % capacity : 0;
  for (size_t i = 0; count < PEERS_GOSSIPED && i < capacity; i++) {
    const struct hgl_map_slot *slot = &host->peers.slots[(first + i) % capacity];
    const struct peer *peer = slot->key ? slot->value : NULL;
    if (!peer || peer == to || peer == host->self || !peer->url) continue;
    if (!host->config.allow_private && hgl_url_is_private(peer->url)) continue;
    chosen[count++] = (struct hgl_directory_peer){peer->key, hgl_text(peer->url)};
  }
  return count ? hgl_directory_peers(chosen, count, out, err) : 0;
}

static void greet(struct hgl_host *host, struct peer *peer,
                  int (*digest)(struct hgl_directory *, struct hgl_buf *, struct hgl_err *))
{
  struct hgl_buf payload;
  struct hgl_err err;
  hgl_buf_init(&payload, HGL_FRAME_SIZE_MAX);
  if (digest(host->directory, &payload, &err) == 0) send_gossip(host, peer, &payload);
  hgl_buf_clear(&payload);
  if (peers_payload(host, peer, &payload, &err) == 0) send_gossip(host, peer, &payload);
  hgl_buf_deinit(&payload);
}

void peers_gossip(struct hgl_host *host)
{
  struct hgl_buf news;
  struct hgl_bytes urls[HGL_FRAME_URLS_MAX];
  size_t count = 0;
  struct hgl_err err;
  for (char **url = host->urls; url && *url && count < HGL_FRAME_URLS_MAX; url++)
    urls[count++] = hgl_text(*url);
  hgl_directory_renew(host->directory, urls, count, &err);
  hgl_directory_expire(host->directory);
  if (hgl_directory_is_dropping(host->directory)) host_request_tick(host);
  hgl_buf_init(&news, HGL_FRAME_SIZE_MAX);
  if (hgl_directory_news(host->directory, &news, &err) == 0) gossip_to_all(host, NULL, &news);
  hgl_buf_deinit(&news);
  if (host->gossip_due_ms > host->mono_ms) return;
  /* Not always at the same distance from others' digests. */
  host->gossip_due_ms = host->mono_ms + GOSSIP_EVERY_MS -
                        (int64_t)(hgl_random_u64(host->config.random) % (GOSSIP_EVERY_MS / 5));
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    if (peer->link && peer->ready) greet(host, peer, hgl_directory_digest);
  }
}

/* ---- hearing ---- */

/* Strangers come and go; hosts that this one looks for are worth a line each time. */
static enum hgl_log_level level_of_link(const struct peer *peer)
{
  return peer->dialled || peer->wanted ? HGL_LOG_INFO : HGL_LOG_DEBUG;
}

static int check_hello(struct hgl_host *host, struct peer *peer,
                       const struct hgl_frame_hello *hello, struct hgl_err *err)
{
  if (peer->ready) return hgl_fail(err, HGL_MALFORMED, "a second hello");
  if (__builtin_sub_overflow(hello->time_ms, host->now_ms, &peer->skew_ms))
    return hgl_fail(err, HGL_MALFORMED, "a time beyond all limits");
  if (peer->skew_ms > HGL_CLOCK_SKEW_MAX_MS || peer->skew_ms < -HGL_CLOCK_SKEW_MAX_MS)
    return hgl_fail(err, HGL_CLOCK_SKEW, "the clocks differ by %lld s",
                    (long long)(peer->skew_ms / 1000));
  return outbox_resume(host, peer, hello, err);
}

static void heard_hello(struct hgl_host *host, struct peer *peer,
                        const struct hgl_frame_hello *hello)
{
  struct hgl_err err;
  struct hgl_bytes url;
  struct hgl_run urls = hello->urls;
  int status = check_hello(host, peer, hello, &err);
  if (status == -HGL_OLD_INCARNATION || status == -HGL_NO_MEMORY) {
    host_fatal(host, &err);
    return;
  }
  if (status) {
    peer_refuse(host, peer, &err);
    return;
  }
  char *copy = hgl_strndup((const char *)hello->software.data, hello->software.size);
  if (copy) {
    hgl_free(peer->software);
    peer->software = copy;
  }
  while (hgl_run_take_url(&urls, &url)) peer_address(host, &peer->key, url, HGL_URL_CLAIMED);
  peer->ready = true;
  peer->refused_for = peer->refuses_for = HGL_OK;
  inbox_ack(host, peer);
  waits_rewind(host, peer);
  greet(host, peer, hgl_directory_greeting);
  outbox_pump(host, peer);
  host_log(host, level_of_link(peer), "linked with %s (%s)", peer->did,
           peer->software ? peer->software : "unknown");
  watch_event(host, "peer", json_pack("{s:s, s:s}", "did", peer->did, "what", "up"));
  host_request_tick(host);
}

static void heard_gossip(struct hgl_host *host, struct peer *peer, struct hgl_bytes payload)
{
  struct hgl_buf answer, news;
  struct hgl_err err;
  hgl_buf_init(&answer, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&news, HGL_FRAME_SIZE_MAX);
  if (hgl_directory_receive(host->directory, &peer->key, payload, &answer, &news, &err)) {
    peer_refuse(host, peer, &err);
  } else {
    send_gossip(host, peer, &answer);
    gossip_to_all(host, peer, &news);
  }
  hgl_buf_deinit(&answer);
  hgl_buf_deinit(&news);
}

/* The delegations of agents that the peer asks about; about those left out it asks again. */
static void heard_want(struct hgl_host *host, struct peer *peer, struct hgl_run want)
{
  struct hgl_buf delegations, absent, one;
  struct hgl_key key;
  struct hgl_err err;
  size_t here = 0, gone = 0;
  hgl_buf_init(&delegations, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&absent, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&one, HGL_DELEGATION_SIZE_MAX);
  while (hgl_run_take_key(&want, &key)) {
    const struct agent *agent = agent_by_key(host, &key);
    if (agent && !hgl_directory_charge(host->directory, &peer->key)) continue;
    hgl_buf_clear(&one);
    if (agent && agent_put_delegation(agent, &one, &err) == 0) {
      hgl_run_put_delegation(&delegations, hgl_buf_bytes(&one));
      here++;
    } else if (agent) {
      host_log(host, HGL_LOG_ERROR, "%s", err.message);
    } else {
      hgl_run_put_key(&absent, &key);
      gone++;
    }
  }
  struct hgl_frame frame = {.kind = HGL_FRAME_HAVE,
                            .known = true,
                            .have = {hgl_run(&delegations, here), hgl_run(&absent, gone)}};
  if (here + gone && peer_send(peer, host, &frame, &err))
    host_log(host, HGL_LOG_DEBUG, "no delegations to %s: %s", peer->did, err.message);
  hgl_buf_deinit(&delegations);
  hgl_buf_deinit(&absent);
  hgl_buf_deinit(&one);
}

/* One delegation too many: what waits for that agent would wait in vain. */
static int end_wait(struct hgl_host *host, struct peer *peer, struct hgl_bytes bytes,
                    struct hgl_err *err)
{
  struct hgl_delegation claims;
  char why[sizeof err->message];
  snprintf(why, sizeof why, "%s", err->message);
  int status = hgl_delegation_decode(bytes, &claims, err);
  return status ? status : wait_refused(host, peer, &claims.agent, HGL_LIMIT, why, err);
}

static void heard_have(struct hgl_host *host, struct peer *peer, struct hgl_frame_have have)
{
  struct hgl_bytes bytes;
  struct hgl_key agent;
  struct hgl_err err;
  int status = 0;
  while (hgl_run_take_delegation(&have.delegations, &bytes)) {
    status = delegation_heard(host, peer, bytes, &err);
    if (status == -HGL_LIMIT) status = end_wait(host, peer, bytes, &err);
    if (!status) continue;
    if (status == -HGL_NO_MEMORY) break;
    peer->in_bad++;
    if (status == -HGL_DELEGATION_REVOKED || status == -HGL_DELEGATION_CONFLICT) continue;
    peer_refuse(host, peer, &err);
    return;
  }
  while (status != -HGL_NO_MEMORY && hgl_run_take_key(&have.absent, &agent))
    status = wait_refused(host, peer, &agent, HGL_NOT_HERE, "its host says that it is not there",
                          &err);
  if (status == -HGL_NO_MEMORY) host_fatal(host, &err);
}

/* Nothing is done because of its words: anyone can send them. That a newer incarnation of ours is
 * known is shown in a hello, by our own signature. */
static void heard_error(struct hgl_host *host, struct peer *peer,
                        const struct hgl_frame_error *error)
{
  enum hgl_code code = hgl_code_from_name((const char *)error->code.data, error->code.size);
  host_log(host, level_of(&peer->refuses_for, code ? code : HGL_REFUSED),
           "%s closes the link: %.*s (%.*s)", peer->did, HGL_STR(error->message),
           HGL_STR(error->code));
}

void hgl_host_link_frame(struct hgl_host *host, void *link, const struct hgl_key *key,
                         struct hgl_bytes bytes)
{
  struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(key));
  if (!peer || peer->link != link || peer->refused || host->failed) return;
  struct hgl_frame frame;
  struct hgl_err err;
  tick_now(host);
  /* A batch is decoded in its tick; here its kind is enough: a list of two that begins with 2. */
  if (bytes.size > 2 && bytes.data[0] == 0x82 && bytes.data[1] == HGL_FRAME_BATCH) {
    int status = peer->ready ? inbox_take(host, peer, bytes, &err)
                             : hgl_fail(&err, HGL_MALFORMED, "a batch before hello");
    if (status) peer_refuse(host, peer, &err);
    return;
  }
  if (hgl_frame_decode(bytes, &frame, &err)) {
    peer_refuse(host, peer, &err);
    return;
  }
  if (!frame.known) return;
  if (!peer->ready && frame.kind != HGL_FRAME_HELLO && frame.kind != HGL_FRAME_ERROR) return;
  switch ((enum hgl_frame_kind)frame.kind) {
  case HGL_FRAME_HELLO:
    heard_hello(host, peer, &frame.hello);
    break;
  case HGL_FRAME_ACK:
    outbox_acked(host, peer, &frame.ack);
    break;
  case HGL_FRAME_SETTLE:
    inbox_settle(host, peer, &frame.settle);
    break;
  case HGL_FRAME_GOSSIP:
    heard_gossip(host, peer, frame.gossip);
    break;
  case HGL_FRAME_PING: {
    struct hgl_frame pong = {.kind = HGL_FRAME_PONG, .known = true, .time_ms = frame.time_ms};
    if (peer_send(peer, host, &pong, &err))
      host_log(host, HGL_LOG_DEBUG, "no pong to %s: %s", peer->did, err.message);
    break;
  }
  case HGL_FRAME_WANT:
    heard_want(host, peer, frame.want);
    break;
  case HGL_FRAME_HAVE:
    heard_have(host, peer, frame.have);
    break;
  case HGL_FRAME_ERROR:
    heard_error(host, peer, &frame.error);
    break;
  case HGL_FRAME_PONG:
  case HGL_FRAME_BATCH:
    break;
  }
}

/* The newcomer hears why; the operator once in a while. */
static void turn_away(struct hgl_host *host, void *link, const struct hgl_key *key,
                      const struct hgl_err *why)
{
  char did[HGL_DID_TEXT_SIZE];
  struct hgl_err err;
  struct peer nobody = {.link = link};
  struct hgl_frame frame = {.kind = HGL_FRAME_ERROR,
                            .known = true,
                            .error = {hgl_text(hgl_code_name(why->code)), hgl_text(why->message)}};
  bool warn = host->mono_ms >= host->turned_away_ms;
  if (warn) host->turned_away_ms = host->mono_ms + WARN_EVERY_MS;
  hgl_did_format(key, did);
  host_log(host, warn ? HGL_LOG_WARN : HGL_LOG_DEBUG, "%s is turned away: %s (%s)", did,
           why->message, hgl_code_name(why->code));
  if (peer_send(&nobody, host, &frame, &err))
    host_log(host, HGL_LOG_DEBUG, "the reason did not reach %s: %s", did, err.message);
}

int hgl_host_link_up(struct hgl_host *host, void *link, const struct hgl_key *key, bool dialled,
                     struct hgl_err *err)
{
  if (hgl_key_equal(key, &host->key))
    return hgl_fail(err, HGL_INVALID, "a link of this host with itself");
  tick_now(host);
  struct peer *peer = peer_get(host, key, err);
  if (!peer) {
    turn_away(host, link, key, err);
    return -(int)err->code;
  }
  uint64_t seed[2] = {peer->announced.seed[0], peer->announced.seed[1]};
  hgl_map_deinit(&peer->announced);
  hgl_map_init(&peer->announced, seed[0], seed[1]);
  inbox_drop(host, peer);
  if (!peer->link) host->linked_count++;
  peer->link = link;
  peer->dialled = dialled;
  peer->active_ms = host->mono_ms;
  peer->ready = peer->refused = false;
  outbox_rewind(peer);
  say_hello(host, peer, err);
  return 0;
}

void hgl_host_link_down(struct hgl_host *host, void *link, const struct hgl_key *key)
{
  struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(key));
  if (!peer || peer->link != link) return;
  peer->link = NULL;
  host->linked_count--;
  peer->ready = false;
  peer->active_ms = host->mono_ms;
  inbox_drop(host, peer);
  host_log(host, level_of_link(peer), "link to %s lost", peer->did);
  if (peer_is_owed(host, peer)) peer_want(host, peer, true);
  peer_settle(host, peer);
  watch_event(host, "peer", json_pack("{s:s, s:s}", "did", peer->did, "what", "down"));
  peer_forget_blank(host, peer);
}
