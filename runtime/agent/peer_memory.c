/* The other hosts as they are remembered: their rows, and which of them stand in memory.
 *
 * Identities are free, so the number of those in memory is bounded, and any that is not linked can
 * leave it again: its rows say all that is needed when it comes back. That holds also for one that
 * spoke, got an answer and never acknowledged it: to make room the authors are told `unconfirmed`,
 * and of what they said remain hashes in a row, because the numbers have to be consumed one day.
 * Only hosts that an agent here speaks to of its own accord stay until they are reached or what
 * waits for them has expired. */
#include "agent/groups.h"
#include "agent/holds.h"
#include "agent/journal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  SHELF_KEY_SIZE = HGL_KEY_SIZE + 1 + 8,
  LEAVE_PART = 256, /* one in so many leaves at once: looking for them costs a walk over all */
};

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

/* What has expired and was told is owed to nobody any more. */
bool peer_is_owed(const struct hgl_host *host, const struct peer *peer)
{
  if (peer->holds || peer->waits_first || peer->spoken_count) return true;
  for (const struct group *group = peer->groups; group; group = group->next)
    if (!group_is_spent(group, host->now_ms)) return true;
  return false;
}

static void tell_want(struct hgl_host *host, const struct peer *peer)
{
  enum hgl_link_want want = peer->sought ? HGL_LINK_SOUGHT : HGL_LINK_OWED;
  host->config.transport.want(host->config.transport.user, &peer->key,
                              peer->wanted ? want : HGL_LINK_UNWANTED);
}

void peer_want(struct hgl_host *host, struct peer *peer, bool wanted)
{
  peer->wanted = wanted;
  if (!wanted) peer->sought = false;
  tell_want(host, peer);
}

void peer_settle(struct hgl_host *host, struct peer *peer)
{
  if (peer_is_owed(host, peer)) return;
  peer->sought = false;
  if (peer->wanted) peer_want(host, peer, false);
}

void peer_address(struct hgl_host *host, const struct hgl_key *key, struct hgl_bytes url,
                  enum hgl_url_source source)
{
  char text[HGL_URL_SIZE_MAX + 1];
  if (url.size >= sizeof text) return;
  memcpy(text, url.data, url.size);
  text[url.size] = 0;
  if (source != HGL_URL_ANSWERED && !host->config.allow_private && hgl_url_is_private(text)) return;
  host->config.transport.address(host->config.transport.user, key, text, source);
  const struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(key));
  if (peer && peer->wanted) tell_want(host, peer);
}

/* Identities are free: one that only connected leaves nothing behind. */
void peer_forget_blank(struct hgl_host *host, struct peer *peer)
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
  hgl_cbor_put_list(row, 18);
  hgl_cbor_put_uint(row, peer->out_next);
  put_hash(row, &peer->out_leaf);
  hgl_cbor_put_uint(row, peer->out_acked);
  hgl_cbor_put_uint(row, peer->out_exceptions_done);
  hgl_cbor_put_uint(row, group_first_row(peer));
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
  hgl_cbor_put_bytes(row, hgl_bytes(host->incarnation.bytes, HGL_INCARNATION_SIZE));
  hgl_cbor_put_uint(row, peer->out_last_row);
  hgl_cbor_put_bool(row, peer->sought);
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
    record->peers[record->count++] = (struct tick_peer){.peer = peer,
                                                        .in_incarnation = peer->in_incarnation,
                                                        .in_last = peer->in_next ? peer->in_next - 1
                                                                                 : 0,
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

static int load_numbers(struct hgl_host *host, struct peer *peer, struct hgl_bytes row,
                        struct hgl_err *err)
{
  struct hgl_incarnation incarnation = host->incarnation;
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  struct hgl_bytes header;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "peer", 18, &count, err)) ||
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
      (count > 14 && (status = hgl_cbor_get_bool(&in, "peer", &peer->restored, err))) ||
      (count > 17 &&
       ((status = hgl_cbor_get_fixed(&in, "peer", incarnation.bytes, HGL_INCARNATION_SIZE, err)) ||
        (status = hgl_cbor_get_uint(&in, "peer", INT64_MAX, &peer->out_last_row, err)) ||
        (status = hgl_cbor_get_bool(&in, "peer", &peer->sought, err)))))
    return status;
  peer->out_outdated = !hgl_incarnation_equal(&incarnation, &host->incarnation);
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

/* ---- the shelf: what was given up ---- */

static struct hgl_bytes shelf_key(const struct peer *peer, uint64_t first_number,
                                  uint8_t out[SHELF_KEY_SIZE])
{
  peer_row_key(peer, 's', out);
  hgl_put_be64(out + HGL_KEY_SIZE + 1, first_number);
  return hgl_bytes(out, SHELF_KEY_SIZE);
}

/* [count, the row said before it, frame], of hashes alone. */
static int shelve(struct hgl_host *host, struct peer *peer, struct group *group,
                  struct hgl_err *err)
{
  struct hgl_buf row, frame;
  uint8_t key[SHELF_KEY_SIZE];
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 64);
  hgl_buf_init(&frame, HGL_FRAME_SIZE_MAX);
  int status = group_give_up(host, group, &frame, err);
  hgl_cbor_put_list(&row, 3);
  hgl_cbor_put_uint(&row, group->count);
  hgl_cbor_put_uint(&row, group->previous);
  hgl_cbor_put_bytes(&row, hgl_buf_bytes(&frame));
  if (!status) status = hgl_buf_check(&row, err);
  if (!status)
    status = hgl_writeset_put(host_writes(host), HGL_DB_PEERS,
                              shelf_key(peer, group->first_number, key), hgl_buf_bytes(&row), err);
  if (!status) status = unacked_remove(host, group, err);
  if (!status) status = journal_release(host, group->row, group->size, err);
  group->row = 0;
  group->indexed = false;
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&frame);
  return status;
}

static int load_shelf(struct hgl_host *host, struct peer *peer, uint64_t first,
                      struct hgl_bytes row, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  struct hgl_bytes frame;
  uint64_t numbers, previous;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "shelf", 3, &count, err)) ||
      (status = hgl_cbor_get_uint(&in, "shelf", INT64_MAX, &numbers, err)) ||
      (status = hgl_cbor_get_uint(&in, "shelf", INT64_MAX, &previous, err)) ||
      (status = hgl_cbor_get_bytes(&in, "shelf", HGL_FRAME_SIZE_MAX, &frame, err)))
    return status;
  struct group *group = group_create(0, first, numbers, frame.size);
  if (!group) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  group->previous = previous;
  hgl_buf_append_bytes(&group->frame, frame);
  host->frames_bytes += group->frame.size;
  group_append(host, peer, group);
  return hgl_buf_check(&group->frame, err);
}

int peer_unshelve(struct hgl_host *host, const struct peer *peer, const struct group *group,
                  struct hgl_err *err)
{
  uint8_t key[SHELF_KEY_SIZE];
  return hgl_writeset_delete(host_writes(host), HGL_DB_PEERS,
                             shelf_key(peer, group->first_number, key), err);
}

/* ---- loading ---- */

void peer_restart_numbers(struct peer *peer)
{
  peer->out_next = 1;
  peer->out_acked = peer->out_exceptions_done = 0;
  peer->out_settle_tick = peer->out_first_row = peer->out_last_row = 0;
  memset(&peer->out_leaf, 0, sizeof peer->out_leaf);
}

/* A new incarnation began while it was out of memory. What waited for it had been given up. */
static void catch_up(struct hgl_host *host, struct peer *peer)
{
  if (!peer->out_outdated) return;
  peer->out_outdated = false;
  while (peer->groups) group_drop(host, peer);
  peer->in_lost = peer->in_known;
  peer_restart_numbers(peer);
}

static int load_row(struct hgl_host *host, struct peer *peer, struct hgl_bytes key,
                    struct hgl_bytes value, struct hgl_err *err)
{
  char kind = (char)key.data[HGL_KEY_SIZE];
  if (kind == 's' && key.size == SHELF_KEY_SIZE)
    return load_shelf(host, peer, hgl_get_be64(key.data + HGL_KEY_SIZE + 1), value, err);
  if (key.size != HGL_KEY_SIZE + 1) return hgl_fail(err, HGL_CORRUPT, "a peer's row has a bad key");
  switch (kind) {
  case 'n':
    return load_numbers(host, peer, value, err);
  case 'x':
    return load_exceptions(peer, value, err);
  case 'f':
    return inbox_load_pairs(peer, value, err);
  case 'a':
    hgl_free(peer->url);
    peer->url = hgl_strndup((const char *)value.data, value.size);
    return peer->url ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  default:
    return hgl_fail(err, HGL_CORRUPT, "a peer's row has a bad key");
  }
}

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

struct loading {
  struct hgl_host *host;
  struct peer *peer; /* the one whose rows are being read */
};

/* All its rows are there. At a start those that nothing waits for stay outside once there are
 * enough; what is held back for one takes it in again. */
static void loaded(struct hgl_host *host, struct peer *peer)
{
  catch_up(host, peer);
  if (!host->peers_loaded && host->peers.count > host->config.hosts_max && !peer->out_first_row) {
    drop(host, peer);
    return;
  }
  if (peer->url) peer_address(host, &peer->key, hgl_text(peer->url), HGL_URL_ANSWERED);
}

static int load_next(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct loading *loading = user;
  struct hgl_host *host = loading->host;
  struct hgl_key host_key;
  if (key.size <= HGL_KEY_SIZE) return hgl_fail(err, HGL_CORRUPT, "a peer's row has a bad key");
  memcpy(host_key.bytes, key.data, HGL_KEY_SIZE);
  if (!loading->peer || !hgl_key_equal(&loading->peer->key, &host_key)) {
    if (loading->peer) loaded(host, loading->peer);
    loading->peer = create(host, &host_key, err);
    if (!loading->peer) return -(int)err->code;
  }
  return load_row(host, loading->peer, key, value, err);
}

int peers_load(struct hgl_host *host, struct hgl_err *err)
{
  struct loading loading = {host, NULL};
  int status = hgl_store_scan(host->config.store, HGL_DB_PEERS, hgl_bytes(NULL, 0),
                              hgl_bytes(NULL, 0), false, load_next, &loading, err);
  if (status) return status;
  if (loading.peer) loaded(host, loading.peer);
  host->peers_loaded = true;
  host->self = peer_get(host, &host->key, err);
  return host->self ? 0 : -(int)err->code;
}

/* ---- in and out of memory ---- */

enum leave { LEAVE_NOT, LEAVE_COSTS, LEAVE_FREE };

/* Nothing points to it. What is owed to it can be given up, unless an agent seeks it. */
static enum leave may_leave(const struct hgl_host *host, const struct peer *peer)
{
  if (peer == host->self || peer->link || peer->spoken_count || peer->is_speaking ||
      peer->is_dirty || peer->records || peer->in_inbound || peer->waits_first)
    return LEAVE_NOT;
  if (peer->wanted && host->stretch.agent) return LEAVE_NOT; /* it may have been spoken to */
  if (!peer_is_owed(host, peer)) return LEAVE_FREE;
  return peer->sought ? LEAVE_NOT : LEAVE_COSTS;
}

/* One that has sent nothing and was told nothing is not worth its row. */
static int leave(struct hgl_host *host, struct peer *peer, struct hgl_err *err)
{
  struct hgl_buf row;
  uint8_t key[HGL_KEY_SIZE + 1];
  bool known = peer->in_known || peer->out_next > 1;
  int status = holds_give_up(host, peer, err);
  for (struct group *group = peer->groups; !status && group; group = group->next)
    if (group->row) status = shelve(host, peer, group, err);
  hgl_buf_init(&row, 1 << 16);
  if (!status && known)
    status = save_numbers(host, peer, &row, err);
  else if (!status && peer->url)
    status = hgl_writeset_delete(host_writes(host), HGL_DB_PEERS, peer_row_key(peer, 'a', key),
                                 err);
  hgl_buf_deinit(&row);
  if (status) { /* half given up: begin again from the store */
    host_fatal(host, err);
    return status;
  }
  if (peer->wanted) peer_want(host, peer, false);
  drop(host, peer);
  return 0;
}

struct candidate {
  struct peer *peer;
  enum leave how;
};

/* Those first that cost nothing, of them those that were not heard of for long. */
static int compare_candidates(const void *a, const void *b)
{
  const struct candidate *one = a, *other = b;
  if (one->how != other->how) return one->how > other->how ? -1 : 1;
  if (one->peer->active_ms == other->peer->active_ms) return 0;
  return one->peer->active_ms < other->peer->active_ms ? -1 : 1;
}

static int make_room(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_map_slot *slot;
  size_t count = 0, most = 1 + host->config.hosts_max / LEAVE_PART;
  struct candidate *candidates = hgl_array(host->peers.count, sizeof *candidates);
  int status = 0;
  if (!candidates) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    enum leave how = may_leave(host, slot->value);
    if (how) candidates[count++] = (struct candidate){slot->value, how};
  }
  qsort(candidates, count, sizeof *candidates, compare_candidates);
  if (!count)
    status = hgl_fail(err, HGL_LIMIT, "this host deals with %zu others and takes in no more",
                      host->peers.count);
  for (size_t i = 0; !status && i < count && i < most; i++)
    status = leave(host, candidates[i].peer, err);
  hgl_free(candidates);
  host_request_tick(host);
  return status;
}

struct peer *peer_get(struct hgl_host *host, const struct hgl_key *key, struct hgl_err *err)
{
  struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(key));
  if (peer) return peer;
  /* While it loads, a host takes in all that something waits for. */
  if (host->complete && host->peers.count >= host->config.hosts_max && make_room(host, err))
    return NULL;
  struct loading loading = {host, create(host, key, err)};
  peer = loading.peer;
  if (!peer) return NULL;
  peer->active_ms = host->mono_ms;
  if (hgl_store_scan(host->config.store, HGL_DB_PEERS, hgl_key_bytes(key), hgl_bytes(NULL, 0),
                     false, load_next, &loading, err)) {
    drop(host, peer);
    return NULL;
  }
  loaded(host, peer);
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
  peer_address(host, key, hgl_text(url), HGL_URL_ANSWERED);
  if (hgl_writeset_put(host_writes(host), HGL_DB_PEERS, peer_row_key(peer, 'a', row), hgl_text(url),
                       &err))
    host_log(host, HGL_LOG_WARN, "an address was not stored: %s", err.message);
  host_request_tick(host);
}
