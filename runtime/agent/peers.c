/* The other hosts: what is remembered of each, hello and the other frames of a link, gossip. */
#include "agent/waits.h"

#include <stdio.h>

enum {
  GOSSIP_EVERY_MS = 10000,
  PEERS_GOSSIPED = 32,
  HOSTS_MAX = 20000, /* in memory */
};

static const char software[] = "haggle/0.1";

/* ---- remembering ---- */

void peer_destroy(struct hgl_host *host, struct peer *peer)
{
  outbox_deinit(host, peer);
  inbox_deinit(peer);
  hgl_buf_deinit(&peer->in_header);
  hgl_map_deinit(&peer->announced);
  hgl_free(peer->url);
  hgl_free(peer->software);
  hgl_free(peer);
}

bool peer_is_owed(const struct peer *peer)
{
  return peer->groups || peer->holds || peer->waits_first || peer->spoken_count;
}

void peer_want(struct hgl_host *host, struct peer *peer, bool wanted)
{
  peer->wanted = wanted;
  host->config.transport.want(host->config.transport.user, &peer->key, wanted);
}

/* Identities are free: one that only connected leaves nothing behind. */
static void forget_blank(struct hgl_host *host, struct peer *peer)
{
  bool blank = !peer->link && !peer->in_known && peer->out_next == 1 && !peer->spoken_count &&
               !peer->is_speaking && !peer->holds && !peer->waits_first && !peer->url &&
               !peer->wanted && !peer->is_dirty && !peer->records && !peer->in_inbound;
  if (!blank || peer == host->self) return;
  hgl_map_remove(&host->peers, hgl_key_bytes(&peer->key));
  peer_destroy(host, peer);
}

void peer_dirty(struct hgl_host *host, struct peer *peer)
{
  host->changed = true;
  if (peer->is_dirty) return;
  peer->is_dirty = true;
  host->dirty_peer_count++;
  peer->next_dirty = host->dirty_peers;
  host->dirty_peers = peer;
}

static struct hgl_bytes peer_row_key(const struct peer *peer, char kind,
                                     uint8_t out[HGL_KEY_SIZE + 1])
{
  memcpy(out, peer->key.bytes, HGL_KEY_SIZE);
  out[HGL_KEY_SIZE] = (uint8_t)kind;
  return hgl_bytes(out, HGL_KEY_SIZE + 1);
}

static void put_hash(struct hgl_buf *out, const struct hgl_hash *hash)
{
  hgl_cbor_put_bytes(out, hgl_bytes(hash->bytes, HGL_HASH_SIZE));
}

static int save_numbers(struct hgl_host *host, struct peer *peer, struct hgl_buf *row,
                        struct hgl_err *err)
{
  uint8_t key[HGL_KEY_SIZE + 1];
  hgl_buf_clear(row);
  hgl_cbor_put_list(row, 15);
  hgl_cbor_put_uint(row, peer->out_next);
  put_hash(row, &peer->out_leaf);
  hgl_cbor_put_uint(row, peer->out_acked);
  hgl_cbor_put_uint(row, peer->out_exceptions_done);
  hgl_cbor_put_uint(row, peer->groups ? peer->groups->row : 0);
  hgl_cbor_put_bool(row, peer->in_known);
  hgl_cbor_put_bytes(row, hgl_bytes(peer->in_incarnation.bytes, HGL_INCARNATION_SIZE));
  hgl_cbor_put_uint(row, peer->in_next);
  put_hash(row, &peer->in_leaf);
  hgl_cbor_put_uint(row, peer->in_sequence);
  hgl_cbor_put_int(row, peer->in_time_ms);
  hgl_cbor_put_bytes(row, hgl_buf_bytes(&peer->in_header));
  hgl_cbor_put_bytes(row, hgl_bytes(peer->in_superseded, sizeof peer->in_superseded));
  hgl_cbor_put_bool(row, peer->in_lost);
  hgl_cbor_put_bool(row, peer->restored);
  int status = hgl_buf_check(row, err);
  return status ? status
                : hgl_writeset_put(host_writes(host), HGL_DB_PEERS, peer_row_key(peer, 'n', key),
                                   hgl_buf_bytes(row), err);
}

static int save_exceptions(struct hgl_host *host, struct peer *peer, struct hgl_buf *row,
                           struct hgl_err *err)
{
  uint8_t key[HGL_KEY_SIZE + 1];
  hgl_buf_clear(row);
  hgl_cbor_put_list(row, 2 * peer->exception_count);
  for (size_t i = 0; i < peer->exception_count; i++) {
    hgl_cbor_put_uint(row, peer->exceptions[i].number);
    hgl_cbor_put_literal(row, hgl_code_name(peer->exceptions[i].code));
  }
  int status = hgl_buf_check(row, err);
  return status ? status
                : hgl_writeset_put(host_writes(host), HGL_DB_PEERS, peer_row_key(peer, 'x', key),
                                   hgl_buf_bytes(row), err);
}

static int save_pairs(struct hgl_host *host, struct peer *peer, struct hgl_buf *row,
                      struct hgl_err *err)
{
  uint8_t key[HGL_KEY_SIZE + 1];
  hgl_buf_clear(row);
  int status = inbox_save_pairs(peer, row, err);
  return status ? status
                : hgl_writeset_put(host_writes(host), HGL_DB_PEERS, peer_row_key(peer, 'f', key),
                                   hgl_buf_bytes(row), err);
}

int peers_persist(struct hgl_host *host, struct tick_record **out, struct hgl_err *err)
{
  struct tick_record *record = hgl_zalloc(sizeof *record +
                                          host->dirty_peer_count * sizeof *record->peers);
  if (!record) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  record->tick = host->tick;
  struct hgl_buf row;
  int status = 0;
  hgl_buf_init(&row, 4 << 20);
  for (struct peer *peer; !status && (peer = host->dirty_peers);) {
    status = save_numbers(host, peer, &row, err);
    if (!status && peer->exceptions_dirty) status = save_exceptions(host, peer, &row, err);
    if (!status && peer->pairs_dirty) status = save_pairs(host, peer, &row, err);
    record->peers[record->count++] = (struct tick_peer){
        .peer = peer,
        .in_incarnation = peer->in_incarnation,
        .in_last = peer->in_next ? peer->in_next - 1 : 0,
        .ack_due = peer->ack_due};
    peer->exceptions_dirty = peer->pairs_dirty = peer->ack_due = peer->is_dirty = false;
    peer->records++;
    host->dirty_peers = peer->next_dirty;
    host->dirty_peer_count--;
  }
  hgl_buf_deinit(&row);
  if (status)
    hgl_free(record);
  else
    *out = record;
  return status;
}

static int load_numbers(struct peer *peer, struct hgl_bytes row, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  struct hgl_bytes header;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "peer", 15, &count, err)) ||
      (status = hgl_cbor_get_uint(&in, "peer", INT64_MAX, &peer->out_next, err)) ||
      (status = hgl_cbor_get_fixed(&in, "peer", peer->out_leaf.bytes, HGL_HASH_SIZE, err)) ||
      (status = hgl_cbor_get_uint(&in, "peer", INT64_MAX, &peer->out_acked, err)) ||
      (status = hgl_cbor_get_uint(&in, "peer", INT64_MAX, &peer->out_exceptions_done, err)) ||
      (status = hgl_cbor_get_uint(&in, "peer", INT64_MAX, &peer->out_first_row, err)) ||
      (status = hgl_cbor_get_bool(&in, "peer", &peer->in_known, err)) ||
      (status = hgl_cbor_get_fixed(&in, "peer", peer->in_incarnation.bytes, HGL_INCARNATION_SIZE,
                                   err)) ||
      (status = hgl_cbor_get_uint(&in, "peer", INT64_MAX, &peer->in_next, err)) ||
      (status = hgl_cbor_get_fixed(&in, "peer", peer->in_leaf.bytes, HGL_HASH_SIZE, err)) ||
      (status = hgl_cbor_get_uint(&in, "peer", INT64_MAX, &peer->in_sequence, err)) ||
      (status = hgl_cbor_get_int(&in, "peer", &peer->in_time_ms, err)) ||
      (status = hgl_cbor_get_bytes(&in, "peer", HGL_HEADER_SIZE_MAX, &header, err)) ||
      (status = hgl_cbor_get_fixed(&in, "peer", peer->in_superseded, sizeof peer->in_superseded,
                                   err)) ||
      (status = hgl_cbor_get_bool(&in, "peer", &peer->in_lost, err)) ||
      (count > 14 && (status = hgl_cbor_get_bool(&in, "peer", &peer->restored, err))))
    return status;
  hgl_buf_append_bytes(&peer->in_header, header);
  peer->in_superseded_count = sizeof peer->in_superseded / sizeof *peer->in_superseded;
  peer->in_committed = peer->in_next ? peer->in_next - 1 : 0;
  return hgl_buf_check(&peer->in_header, err);
}

static int load_exceptions(struct peer *peer, struct hgl_bytes row, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  size_t count;
  int status = hgl_cbor_get_list(&in, "exceptions", 1 << 20, &count, err);
  if (status) return status;
  peer->exceptions = hgl_array(count / 2 + 1, sizeof *peer->exceptions);
  if (!peer->exceptions) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  peer->exception_capacity = count / 2 + 1;
  for (size_t i = 0; i < count / 2; i++) {
    struct exception *exception = &peer->exceptions[i];
    struct hgl_bytes code;
    if ((status = hgl_cbor_get_uint(&in, "number", INT64_MAX, &exception->number, err)) ||
        (status = hgl_cbor_get_text(&in, "code", 64, &code, err)))
      return status;
    exception->code = hgl_code_from_name((const char *)code.data, code.size);
    peer->exception_count++;
  }
  return 0;
}

static int load_peer(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_host *host = user;
  struct hgl_key host_key;
  if (key.size != HGL_KEY_SIZE + 1) return hgl_fail(err, HGL_CORRUPT, "a peer's row has a bad key");
  memcpy(host_key.bytes, key.data, HGL_KEY_SIZE);
  struct peer *peer = peer_get(host, &host_key, err);
  if (!peer) return -(int)err->code;
  switch (key.data[HGL_KEY_SIZE]) {
  case 'n':
    return load_numbers(peer, value, err);
  case 'x':
    return load_exceptions(peer, value, err);
  case 'f':
    return inbox_load_pairs(peer, value, err);
  case 'a': {
    hgl_free(peer->url);
    peer->url = hgl_strndup((const char *)value.data, value.size);
    if (!peer->url) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    host->config.transport.address(host->config.transport.user, &peer->key, peer->url);
    return 0;
  }
  default:
    return hgl_fail(err, HGL_CORRUPT, "a peer's row has a bad key");
  }
}

int peers_load(struct hgl_host *host, struct hgl_err *err)
{
  int status = hgl_store_scan(host->config.store, HGL_DB_PEERS, hgl_bytes(NULL, 0),
                              hgl_bytes(NULL, 0), false, load_peer, host, err);
  if (status) return status;
  host->self = peer_get(host, &host->key, err);
  return host->self ? 0 : -(int)err->code;
}

/* ---- in and out of memory ---- */

static struct peer *create(struct hgl_host *host, const struct hgl_key *key, struct hgl_err *err)
{
  struct peer *peer = hgl_zalloc(sizeof *peer);
  if (!peer) {
    hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    return NULL;
  }
  peer->key = *key;
  peer->out_next = 1;
  hgl_did_format(key, peer->did);
  hgl_buf_init(&peer->in_header, HGL_HEADER_SIZE_MAX);
  const struct hgl_random *random = host->config.random;
  hgl_map_init(&peer->announced, hgl_random_u64(random), hgl_random_u64(random));
  hgl_map_init(&peer->full_pairs, hgl_random_u64(random), hgl_random_u64(random));
  hgl_map_init(&peer->waits, hgl_random_u64(random), hgl_random_u64(random));
  if (hgl_map_put(&host->peers, hgl_key_bytes(key), peer, err)) {
    peer_destroy(host, peer);
    return NULL;
  }
  return peer;
}

static void drop(struct hgl_host *host, struct peer *peer)
{
  hgl_map_remove(&host->peers, hgl_key_bytes(&peer->key));
  peer_destroy(host, peer);
}

/* Nothing points to it, nothing waits for it, and its rows say all that is known of it. One that we
 * have spoken to stays: a new incarnation numbers anew towards each of those. */
static bool can_leave(const struct hgl_host *host, const struct peer *peer)
{
  return peer != host->self && !peer->link && !peer->wanted && peer->out_next == 1 &&
         !peer_is_owed(peer) && !peer->is_speaking && !peer->is_dirty && !peer->records &&
         !peer->in_inbound && !peer->exception_count;
}

/* The least recently active peer that can leave memory does. One that has sent nothing is not worth
 * its row either. */
static int make_room(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_map_slot *slot;
  struct peer *oldest = NULL;
  uint8_t row[HGL_KEY_SIZE + 1];
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    if (can_leave(host, peer) && (!oldest || peer->active_ms < oldest->active_ms)) oldest = peer;
  }
  if (!oldest) return hgl_fail(err, HGL_LIMIT, "more than %d hosts", HOSTS_MAX);
  int status = oldest->in_known || !oldest->url
                   ? 0
                   : hgl_writeset_delete(host_writes(host), HGL_DB_PEERS,
                                         peer_row_key(oldest, 'a', row), err);
  if (!status) drop(host, oldest);
  return status;
}

struct peer *peer_get(struct hgl_host *host, const struct hgl_key *key, struct hgl_err *err)
{
  struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(key));
  if (peer) return peer;
  /* While it loads, a host takes in all that its store holds: a new incarnation concerns all. */
  if (host->complete && host->peers.count >= HOSTS_MAX && make_room(host, err)) return NULL;
  peer = create(host, key, err);
  if (!peer || !host->complete) return peer;
  peer->active_ms = host->mono_ms;
  if (hgl_store_scan(host->config.store, HGL_DB_PEERS, hgl_key_bytes(key), hgl_bytes(NULL, 0),
                     false, load_peer, host, err)) {
    drop(host, peer);
    return NULL;
  }
  peer->in_lost = peer->in_lost || (host->renewed && peer->in_known);
  return peer;
}

void hgl_host_address_verified(struct hgl_host *host, const struct hgl_key *key, const char *url)
{
  struct hgl_err err;
  uint8_t row[HGL_KEY_SIZE + 1];
  struct peer *peer = peer_get(host, key, &err);
  if (peer) peer->active_ms = host->mono_ms;
  if (!peer || (peer->url && strcmp(peer->url, url) == 0)) return;
  char *copy = hgl_strndup(url, strlen(url));
  if (!copy) return;
  hgl_free(peer->url);
  peer->url = copy;
  if (hgl_writeset_put(host_writes(host), HGL_DB_PEERS, peer_row_key(peer, 'a', row), hgl_text(url),
                       &err))
    host_log(host, HGL_LOG_WARN, "an address was not stored: %s", err.message);
  host_request_tick(host);
}

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

/* Addresses that answered, for those who do not know them. */
static int peers_payload(struct hgl_host *host, const struct peer *to, struct hgl_buf *out,
                         struct hgl_err *err)
{
  struct hgl_directory_peer chosen[PEERS_GOSSIPED];
  struct hgl_map_slot *slot;
  size_t count = 0;
  for (size_t i = 0; count < PEERS_GOSSIPED && (slot = hgl_map_next(&host->peers, &i));) {
    const struct peer *peer = slot->value;
    if (peer == to || peer == host->self || !peer->url) continue;
    if (!host->config.allow_private && address_is_private(peer->url)) continue;
    chosen[count++] = (struct hgl_directory_peer){peer->key, hgl_text(peer->url)};
  }
  return count ? hgl_directory_peers(chosen, count, out, err) : 0;
}

static void greet(struct hgl_host *host, struct peer *peer)
{
  struct hgl_buf payload;
  struct hgl_err err;
  hgl_buf_init(&payload, HGL_FRAME_SIZE_MAX);
  if (hgl_directory_digest(host->directory, &payload, &err) == 0) send_gossip(host, peer, &payload);
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
  hgl_buf_init(&news, HGL_FRAME_SIZE_MAX);
  if (hgl_directory_news(host->directory, &news, &err) == 0) gossip_to_all(host, NULL, &news);
  hgl_buf_deinit(&news);
  if (host->gossip_due_ms > host->mono_ms) return;
  host->gossip_due_ms = host->mono_ms + GOSSIP_EVERY_MS;
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    if (peer->link && peer->ready) greet(host, peer);
  }
}

/* ---- hearing ---- */

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
  while (hgl_run_take_url(&urls, &url)) {
    char text[HGL_URL_SIZE_MAX + 1];
    snprintf(text, sizeof text, "%.*s", HGL_STR(url));
    if (host->config.allow_private || !address_is_private(text))
      host->config.transport.address(host->config.transport.user, &peer->key, text);
  }
  peer->ready = true;
  peer->refused_for = peer->refuses_for = HGL_OK;
  inbox_ack(host, peer);
  waits_rewind(host, peer);
  greet(host, peer);
  outbox_pump(host, peer);
  host_log(host, HGL_LOG_INFO, "linked with %s (%s)", peer->did,
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

/* The delegations of agents that the peer asks about. */
static void heard_want(struct hgl_host *host, struct peer *peer, struct hgl_run want)
{
  struct hgl_buf delegations, absent;
  struct hgl_key key;
  struct hgl_err err;
  size_t here = 0, gone = 0;
  hgl_buf_init(&delegations, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&absent, HGL_FRAME_SIZE_MAX);
  while (hgl_run_take_key(&want, &key)) {
    const struct agent *agent = agent_by_key(host, &key);
    if (agent) {
      hgl_run_put_delegation(&delegations, hgl_buf_bytes(&agent->delegation_bytes));
      here++;
    } else {
      hgl_run_put_key(&absent, &key);
      gone++;
    }
  }
  struct hgl_frame frame = {.kind = HGL_FRAME_HAVE,
                            .known = true,
                            .have = {hgl_run(&delegations, here), hgl_run(&absent, gone)}};
  if (peer_send(peer, host, &frame, &err))
    host_log(host, HGL_LOG_DEBUG, "no delegations to %s: %s", peer->did, err.message);
  hgl_buf_deinit(&delegations);
  hgl_buf_deinit(&absent);
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

int hgl_host_link_up(struct hgl_host *host, void *link, const struct hgl_key *key, bool dialled,
                     struct hgl_err *err)
{
  if (hgl_key_equal(key, &host->key))
    return hgl_fail(err, HGL_INVALID, "a link of this host with itself");
  struct peer *peer = peer_get(host, key, err);
  if (!peer) return -(int)err->code;
  uint64_t seed[2] = {peer->announced.seed[0], peer->announced.seed[1]};
  hgl_map_deinit(&peer->announced);
  hgl_map_init(&peer->announced, seed[0], seed[1]);
  inbox_drop(host, peer);
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
  peer->ready = false;
  peer->active_ms = host->mono_ms;
  inbox_drop(host, peer);
  bool wanted = peer_is_owed(peer);
  if (wanted || peer->wanted) peer_want(host, peer, wanted);
  host_log(host, HGL_LOG_INFO, "link to %s lost", peer->did);
  watch_event(host, "peer", json_pack("{s:s, s:s}", "did", peer->did, "what", "down"));
  forget_blank(host, peer);
}
