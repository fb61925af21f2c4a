/* Phases 1 to 3: batches that arrived are verified as a whole, then each envelope goes into a
 * mailbox or is durably refused. Cheap checks come before signatures. The acknowledgement leaves
 * after the commit. */
#include "agent/journal.h"
#include "agent/trace.h"

#include <assert.h>

enum {
  /* Refusals of one peer that are not settled: nothing more is taken in where a batch could lead
   * beyond. As many as one acknowledgement can name. */
  EXCEPTIONS_MAX = HGL_FRAME_EXCEPTIONS_MAX,
  PAIRS_MAX = 1024, /* closed each for itself; of the others many are closed together */
};

/* ---- 1 drain ---- */

/* The peers take turns, so that none delays the others. */
static void enqueue(struct hgl_host *host, struct peer *peer)
{
  if (peer->in_inbound || !peer->inbound_first) return;
  peer->in_inbound = true;
  peer->next_inbound = NULL;
  if (host->inbound_last)
    host->inbound_last->next_inbound = peer;
  else
    host->inbound_first = peer;
  host->inbound_last = peer;
  host_request_tick(host);
}

static struct peer *dequeue(struct hgl_host *host)
{
  struct peer *peer = host->inbound_first;
  host->inbound_first = peer->next_inbound;
  if (!host->inbound_first) host->inbound_last = NULL;
  peer->in_inbound = false;
  return peer;
}

int inbox_take(struct hgl_host *host, struct peer *peer, struct hgl_bytes frame,
               struct hgl_err *err)
{
  if (host->stopping) return 0; /* not acknowledged: it comes again */
  struct inbound *inbound = hgl_alloc(sizeof *inbound + frame.size);
  if (!inbound) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  inbound->next = NULL;
  inbound->arrived_ns = hgl_mono_ns(host->config.clock);
  inbound->size = frame.size;
  memcpy(inbound->frame, frame.data, frame.size);
  if (peer->inbound_last)
    peer->inbound_last->next = inbound;
  else
    peer->inbound_first = inbound;
  peer->inbound_last = inbound;
  peer->inbound_bytes += frame.size;
  if (peer->inbound_bytes > LINK_INBOUND_BYTES && peer->link && !peer->paused) {
    peer->paused = true;
    host->config.transport.pause(peer->link, true);
  }
  enqueue(host, peer);
  return 0;
}

static void pop(struct peer *peer)
{
  struct inbound *inbound = peer->inbound_first;
  peer->inbound_first = inbound->next;
  if (!peer->inbound_first) peer->inbound_last = NULL;
  peer->inbound_bytes -= inbound->size;
  hgl_free(inbound);
}

static void resume_link(struct hgl_host *host, struct peer *peer)
{
  if (!peer->paused || !peer->link || peer->inbound_bytes >= LINK_INBOUND_BYTES / 2) return;
  peer->paused = false;
  host->config.transport.pause(peer->link, false);
}

void inbox_deinit(struct peer *peer)
{
  while (peer->inbound_first) pop(peer);
  hgl_free(peer->exceptions);
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&peer->full_pairs, &i));) hgl_free(slot->value);
  hgl_map_deinit(&peer->full_pairs);
}

/* What a peer sent on a link that is gone comes again on the next one. */
void inbox_drop(struct hgl_host *host, struct peer *peer)
{
  while (peer->inbound_first) pop(peer);
  peer->paused = false;
  if (!peer->in_inbound) return;
  struct peer **at = &host->inbound_first;
  host->inbound_last = NULL;
  while (*at && *at != peer) {
    host->inbound_last = *at;
    at = &(*at)->next_inbound;
  }
  *at = peer->next_inbound;
  if (*at) host->inbound_last = NULL;
  for (struct peer *other = *at; other; other = other->next_inbound) host->inbound_last = other;
  peer->in_inbound = false;
}

/* ---- acknowledging ---- */

void inbox_ack_due(struct hgl_host *host, struct peer *peer)
{
  peer->ack_due = true;
  peer_dirty(host, peer);
}

void inbox_ack(struct hgl_host *host, struct peer *peer)
{
  struct hgl_buf exceptions;
  struct hgl_err err;
  size_t count = 0;
  if (!peer->link || !peer->ready || !peer->in_known) return;
  hgl_buf_init(&exceptions, HGL_FRAME_SIZE_MAX);
  for (size_t i = 0; i < peer->exception_count; i++)
    if (peer->exceptions[i].number <= peer->in_committed) {
      hgl_run_put_exception(&exceptions, peer->exceptions[i].number,
                            hgl_code_name(peer->exceptions[i].code));
      count++;
    }
  struct hgl_frame frame = {
      .kind = HGL_FRAME_ACK,
      .known = true,
      .ack = {peer->in_incarnation, peer->in_committed, hgl_run(&exceptions, count)}};
  /* A full queue or a closed link: the next acknowledgement says the same and more. */
  if (peer_send(peer, host, &frame, &err))
    host_log(host, HGL_LOG_DEBUG, "no acknowledgement to %s: %s", peer->did, err.message);
  hgl_buf_deinit(&exceptions);
}

static int add_exception(struct peer *peer, uint64_t number, enum hgl_code code,
                         struct hgl_err *err)
{
  if (!HGL_GROW(peer->exceptions, peer->exception_count, peer->exception_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  peer->exceptions[peer->exception_count++] = (struct exception){number, code};
  peer->exceptions_dirty = true;
  return 0;
}

/* ---- pairs that found no room ---- */

static struct hgl_bytes pair_key(const struct hgl_envelope *envelope, uint8_t out[2 * HGL_KEY_SIZE])
{
  memcpy(out, envelope->from.bytes, HGL_KEY_SIZE);
  memcpy(out + HGL_KEY_SIZE, envelope->to.bytes, HGL_KEY_SIZE);
  return hgl_bytes(out, 2 * HGL_KEY_SIZE);
}

/* Instead of a pair without an entry of its own: one of 256 that it shares with others. Zeros are
 * no agent's key. */
static struct hgl_bytes shared_key(const struct hgl_envelope *envelope,
                                   uint8_t out[2 * HGL_KEY_SIZE])
{
  memset(out, 0, 2 * HGL_KEY_SIZE);
  out[0] = envelope->from.bytes[1] ^ envelope->to.bytes[1];
  return hgl_bytes(out, 2 * HGL_KEY_SIZE);
}

static struct full_pair *find_pair(struct peer *peer, const struct hgl_envelope *envelope)
{
  uint8_t key[2 * HGL_KEY_SIZE];
  if (!peer->full_pairs.count) return NULL;
  struct full_pair *pair = hgl_map_get(&peer->full_pairs, pair_key(envelope, key));
  return pair ? pair : hgl_map_get(&peer->full_pairs, shared_key(envelope, key));
}

static int put_pair(struct peer *peer, struct hgl_bytes key, const struct full_pair *pair,
                    struct hgl_err *err)
{
  struct full_pair *held = hgl_map_get(&peer->full_pairs, key);
  peer->pairs_dirty = true;
  if (held) {
    *held = *pair;
    return 0;
  }
  held = hgl_memdup(pair, sizeof *pair);
  int status = held ? hgl_map_put(&peer->full_pairs, key, held, err)
                    : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) hgl_free(held);
  return status;
}

/* Nothing of a pair may overtake what was refused for want of room. */
static int check_pair(struct peer *peer, const struct hgl_envelope *envelope, uint64_t number,
                      struct hgl_err *err)
{
  const struct full_pair *pair = find_pair(peer, envelope);
  if (!pair || (pair->until && number >= pair->until)) return 0;
  return hgl_fail(err, HGL_MAILBOX_FULL, "an earlier message of this pair found no room");
}

/* A closed pair opens with the settlement of its last refusal. */
static int close_pair(struct peer *peer, const struct hgl_envelope *envelope, uint64_t number,
                      struct hgl_err *err)
{
  uint8_t key[2 * HGL_KEY_SIZE];
  struct full_pair *pair = find_pair(peer, envelope);
  peer->pairs_dirty = true;
  if (pair) {
    *pair = (struct full_pair){.last = number};
    return 0;
  }
  return put_pair(peer,
                  peer->full_pairs.count < PAIRS_MAX ? pair_key(envelope, key)
                                                     : shared_key(envelope, key),
                  &(struct full_pair){.last = number}, err);
}

/* Those that everything said before their settlement has passed. */
static void open_pairs(struct peer *peer)
{
  uint8_t done[64][2 * HGL_KEY_SIZE];
  struct hgl_map_slot *slot;
  size_t count;
  do {
    count = 0;
    for (size_t i = 0; count < 64 && (slot = hgl_map_next(&peer->full_pairs, &i));) {
      const struct full_pair *pair = slot->value;
      if (pair->until && pair->until <= peer->in_next)
        memcpy(done[count++], slot->key, sizeof *done);
    }
    for (size_t i = 0; i < count; i++)
      hgl_free(hgl_map_remove(&peer->full_pairs, hgl_bytes(done[i], sizeof *done)));
    if (count) peer->pairs_dirty = true;
  } while (count == 64);
}

static void forget_pairs(struct peer *peer)
{
  struct hgl_map_slot *slot;
  uint64_t seed[2] = {peer->full_pairs.seed[0], peer->full_pairs.seed[1]};
  for (size_t i = 0; (slot = hgl_map_next(&peer->full_pairs, &i));) hgl_free(slot->value);
  hgl_map_deinit(&peer->full_pairs);
  hgl_map_init(&peer->full_pairs, seed[0], seed[1]);
  peer->pairs_dirty = true;
}

/* [pair, last, until, …] */
int inbox_save_pairs(const struct peer *peer, struct hgl_buf *row, struct hgl_err *err)
{
  struct hgl_map_slot *slot;
  hgl_cbor_put_list(row, 3 * peer->full_pairs.count);
  for (size_t i = 0; (slot = hgl_map_next(&peer->full_pairs, &i));) {
    const struct full_pair *pair = slot->value;
    hgl_cbor_put_bytes(row, hgl_bytes(slot->key, slot->key_size));
    hgl_cbor_put_uint(row, pair->last);
    hgl_cbor_put_uint(row, pair->until);
  }
  return hgl_buf_check(row, err);
}

int inbox_load_pairs(struct peer *peer, struct hgl_bytes row, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  size_t count;
  int status = hgl_cbor_get_list(&in, "pairs", 1 << 20, &count, err);
  for (size_t i = 0; !status && i < count / 3; i++) {
    uint8_t key[2 * HGL_KEY_SIZE];
    struct full_pair pair;
    if ((status = hgl_cbor_get_fixed(&in, "pair", key, sizeof key, err)) ||
        (status = hgl_cbor_get_uint(&in, "pair.last", INT64_MAX, &pair.last, err)) ||
        (status = hgl_cbor_get_uint(&in, "pair.until", INT64_MAX, &pair.until, err)))
      return status;
    status = put_pair(peer, hgl_bytes(key, sizeof key), &pair, err);
  }
  peer->pairs_dirty = false;
  return status;
}

void inbox_settle(struct hgl_host *host, struct peer *peer, const struct hgl_frame_settle *settle)
{
  struct hgl_map_slot *slot;
  if (!peer->in_known || !hgl_incarnation_equal(&settle->incarnation, &peer->in_incarnation))
    return;
  size_t kept = 0;
  for (size_t i = 0; i < peer->exception_count; i++)
    if (peer->exceptions[i].number > settle->up_to) peer->exceptions[kept++] = peer->exceptions[i];
  if (kept == peer->exception_count) return;
  peer->exception_count = kept;
  peer->exceptions_dirty = true;
  for (size_t i = 0; (slot = hgl_map_next(&peer->full_pairs, &i));) {
    struct full_pair *pair = slot->value;
    if (pair->until || pair->last > settle->up_to) continue;
    pair->until = settle->next ? settle->next : 1;
    peer->pairs_dirty = true;
  }
  peer_dirty(host, peer);
  enqueue(host, peer); /* it may have waited for this */
  host_request_tick(host);
}

/* ---- 2 verify ---- */

static bool superseded(const struct peer *peer, const struct hgl_incarnation *incarnation)
{
  size_t count = peer->in_superseded_count;
  size_t held = sizeof peer->in_superseded / sizeof *peer->in_superseded;
  for (size_t i = 0; i < (count < held ? count : held); i++)
    if (hgl_incarnation_equal(&peer->in_superseded[i], incarnation)) return true;
  return false;
}

static int check_incarnation(const struct peer *peer, const struct hgl_header *header, bool *newer,
                             struct hgl_err *err)
{
  *newer = peer->in_known && !hgl_incarnation_equal(&header->incarnation, &peer->in_incarnation);
  if (!*newer) return 0;
  /* Incarnations are ordered by time; what is behind the newest known is a copy or a restored past.
   */
  if (superseded(peer, &header->incarnation) || header->time_ms < peer->in_time_ms)
    return hgl_fail(err, HGL_OLD_INCARNATION, "a newer incarnation of this host is known");
  return 0;
}

/* Two headers that cannot both belong to one chain, if this one is signed at all. */
static int refuse_fork(struct hgl_host *host, struct peer *peer, struct hgl_bytes bytes,
                       struct hgl_err *err)
{
  struct hgl_header header;
  int status = hgl_header_verify(bytes, &header, err);
  if (status) return status;
  proof_keep(host, PROOF_FORK, &peer->key, hgl_buf_bytes(&peer->in_header), bytes);
  return hgl_fail(err, HGL_FORK, "two headers of sequence %llu",
                  (unsigned long long)peer->in_sequence);
}

/* Against the last header accepted of the same incarnation. */
static int check_chain(struct hgl_host *host, struct peer *peer, const struct hgl_header *header,
                       struct hgl_bytes bytes, struct hgl_err *err)
{
  if (header->sequence == peer->in_sequence) {
    bool same = hgl_bytes_equal(bytes, hgl_buf_bytes(&peer->in_header));
    return same ? 0 : refuse_fork(host, peer, bytes, err);
  }
  if (header->sequence == peer->in_sequence + 1) {
    struct hgl_hash hash;
    hgl_header_hash(hgl_buf_bytes(&peer->in_header), &hash);
    if (!hgl_hash_equal(&header->previous, &hash)) return refuse_fork(host, peer, bytes, err);
  }
  if (header->sequence < peer->in_sequence)
    return hgl_fail(err, HGL_GAP, "sequence %llu after %llu", (unsigned long long)header->sequence,
                    (unsigned long long)peer->in_sequence);
  if (header->time_ms < peer->in_time_ms)
    return hgl_fail(err, HGL_TIME_REGRESSED, "a header is %lld ms older than the one before it",
                    (long long)(peer->in_time_ms - header->time_ms));
  return 0;
}

/* What our store forgot cannot come again. */
static void tell_lost(struct hgl_host *host, const struct peer *peer, uint64_t first, uint64_t next)
{
  host_log(host, HGL_LOG_ERROR, "numbers %llu to %llu of %s are lost with what the store forgot",
           (unsigned long long)first, (unsigned long long)next - 1, peer->did);
}

/* An incarnation begins anew with each peer, also where that peer has not heard of it at once. */
static int check_beginning(struct hgl_host *host, const struct peer *peer,
                           const struct hgl_group_leaf *leaf, struct hgl_err *err)
{
  if (leaf->first_number == 1) return 0;
  if (!peer->in_lost)
    return hgl_fail(err, HGL_GAP, "a new incarnation begins with number %llu",
                    (unsigned long long)leaf->first_number);
  tell_lost(host, peer, 1, leaf->first_number);
  return 0;
}

/* The group is for us, comes next and hangs on the one before. *repeat: it was accepted already. */
static int check_group(struct hgl_host *host, struct peer *peer, const struct hgl_header *header,
                       const struct hgl_frame_batch *batch, const struct hgl_group_leaf *leaf,
                       bool newer, bool *repeat, struct hgl_err *err)
{
  *repeat = false;
  if (!hgl_key_equal(&leaf->destination, &host->key))
    return hgl_fail(err, HGL_WRONG_HOST, "the group is meant for another host");
  if (leaf->count != batch->envelopes.count)
    return hgl_fail(err, HGL_MALFORMED, "%u envelopes announced, %zu came", leaf->count,
                    batch->envelopes.count);
  if (header->time_ms > host->now_ms + HGL_CLOCK_SKEW_MAX_MS)
    return hgl_fail(err, HGL_CLOCK_SKEW, "a header is %lld ms ahead of our clock",
                    (long long)(header->time_ms - host->now_ms));
  if (!peer->in_known) return 0;
  if (newer) return check_beginning(host, peer, leaf, err);
  uint64_t last = leaf->first_number + leaf->count - 1;
  *repeat = last < peer->in_next;
  if (*repeat && header->sequence != peer->in_sequence) return 0;
  int status = check_chain(host, peer, header, batch->header, err);
  if (status || *repeat) return status;
  if (peer->in_lost && leaf->first_number > peer->in_next) {
    tell_lost(host, peer, peer->in_next, leaf->first_number);
    return 0;
  }
  if (leaf->first_number != peer->in_next)
    return hgl_fail(err, HGL_GAP, "number %llu came, %llu is next",
                    (unsigned long long)leaf->first_number, (unsigned long long)peer->in_next);
  if (!hgl_hash_equal(&leaf->previous, &peer->in_leaf))
    return hgl_fail(err, HGL_FORK, "the group does not follow the one before it");
  return 0;
}

static int check_signature(struct hgl_host *host, struct peer *peer, struct hgl_bytes bytes,
                           struct hgl_header *header, struct hgl_err *err)
{
  if (peer->in_known && hgl_bytes_equal(bytes, hgl_buf_bytes(&peer->in_header))) return 0;
  host->counts.verifications++;
  return hgl_header_verify(bytes, header, err);
}

static int check_paths(const struct hgl_frame_batch *batch, const struct hgl_header *header,
                       const struct hgl_group_leaf *leaf, struct hgl_hash *leaves,
                       struct hgl_hash *leaf_hash, struct hgl_err *err)
{
  struct hgl_run run = batch->envelopes;
  struct hgl_frame_envelope item;
  struct hgl_hash root;
  for (size_t i = 0; hgl_run_take_envelope(&run, &item); i++) {
    if (item.expired)
      leaves[i] = item.leaf;
    else
      hgl_merkle_leaf(item.bytes, &leaves[i]);
  }
  hgl_merkle_root(leaves, leaf->count, &root);
  if (!hgl_hash_equal(&root, &leaf->root))
    return hgl_fail(err, HGL_BAD_PATH, "the envelopes do not make the group's root");
  hgl_merkle_leaf(batch->group_leaf, leaf_hash);
  return hgl_merkle_verify(leaf_hash, &batch->group_path, header->group_count, &header->root, err);
}

/* ---- 3 route ---- */

static int check_author(struct hgl_host *host, const struct peer *peer,
                        const struct hgl_envelope *envelope, int64_t time_ms, struct hgl_err *err)
{
  if (agent_by_key(host, &envelope->from))
    return hgl_fail(err, HGL_DELEGATION_REVOKED, "the author speaks through this host");
  const struct seen_delegation *seen = delegation_of(host, &envelope->from);
  if (!seen) return hgl_fail(err, HGL_NO_DELEGATION, "the author's delegation is not known");
  if (!hgl_key_equal(&seen->claims.host, &peer->key))
    return hgl_fail(err, HGL_DELEGATION_REVOKED, "the author speaks through another host now");
  return hgl_delegation_check(&seen->claims, &peer->key, time_ms, err);
}

static int route_envelope(struct hgl_host *host, struct peer *peer, struct message *message,
                          uint64_t number, int64_t time_ms, struct hgl_err *err)
{
  struct agent *agent;
  struct hgl_err memory;
  int status = check_author(host, peer, &message->envelope, time_ms, err);
  if (!status) status = check_pair(peer, &message->envelope, number, err);
  if (!status) status = route_check(host, message, &agent, err);
  if (status == -HGL_MAILBOX_FULL && close_pair(peer, &message->envelope, number, &memory))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) return status;
  host->counts.received++;
  watch_message(host, message, "received");
  if (run_answer(agent, message)) return 0;
  return mailbox_deliver(agent, message, err);
}

/* In the trace of the agent that it came for. A full mailbox is the sender's to tell: it says the
 * same again and again. */
static void tell_refused(struct hgl_host *host, struct message *message, const struct hgl_err *why)
{
  struct agent *agent = agent_by_key(host, &message->envelope.to);
  if (agent && why->code != HGL_MAILBOX_FULL)
    trace_refused(agent, message, why->code, why->message);
}

/* Each envelope is delivered or becomes an exception; only want of memory stops the whole. */
static int route_batch(struct hgl_host *host, struct peer *peer,
                       const struct hgl_frame_batch *frame, const struct hgl_header *header,
                       const struct hgl_group_leaf *leaf, struct batch *batch, struct hgl_err *err)
{
  struct hgl_run run = frame->envelopes;
  struct hgl_frame_envelope item;
  int status = 0;
  for (uint32_t i = 0; !status && hgl_run_take_envelope(&run, &item); i++) {
    uint64_t number = leaf->first_number + i;
    struct message *message = NULL;
    struct hgl_err why;
    if (item.expired) continue;
    int outcome = message_copy(item.bytes, &message, &why);
    if (!outcome) {
      message_set_batch(message, batch, i);
      outcome = route_envelope(host, peer, message, number, header->time_ms, &why);
    }
    if (outcome && message) tell_refused(host, message, &why);
    message_release(message);
    if (outcome == -HGL_NO_MEMORY) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    if (!outcome) continue;
    host->counts.refused++;
    host_log(host, HGL_LOG_DEBUG, "refused %llu of %s: %s (%s)", (unsigned long long)number,
             peer->did, why.message, hgl_code_name(why.code));
    status = add_exception(peer, number, why.code, err);
  }
  return status;
}

/* It says itself from which header it goes on: where we have heard a later one, it has forgotten.
 */
static bool goes_on_behind(const struct peer *peer, const struct hgl_header *header)
{
  struct hgl_hash hash;
  if (!header->continues) return false;
  if (!hgl_incarnation_equal(&header->continues_incarnation, &peer->in_incarnation))
    return superseded(peer, &header->continues_incarnation);
  hgl_header_hash(hgl_buf_bytes(&peer->in_header), &hash);
  return header->continues_sequence < peer->in_sequence ||
         (header->continues_sequence == peer->in_sequence &&
          !hgl_hash_equal(&header->continues_hash, &hash));
}

static void begin_incarnation(struct hgl_host *host, struct peer *peer,
                              const struct hgl_header *header)
{
  size_t ring = sizeof peer->in_superseded / sizeof *peer->in_superseded;
  bool behind = goes_on_behind(peer, header);
  if (behind) peer->restored = true;
  host_log(host, HGL_LOG_WARN, "%s begins a new incarnation: it was restored or copied%s",
           peer->did, behind ? ", and goes on from before what it has told us" : "");
  peer->in_superseded[peer->in_superseded_count++ % ring] = peer->in_incarnation;
  peer->in_committed = 0;
  peer->exception_count = 0;
  peer->exceptions_dirty = true;
  forget_pairs(peer);
}

static int accept_batch(struct hgl_host *host, struct peer *peer, struct hgl_bytes bytes,
                        const struct hgl_frame_batch *frame, const struct hgl_header *header,
                        const struct hgl_group_leaf *leaf, const struct hgl_hash *leaf_hash,
                        uint64_t row, bool newer, struct hgl_err *err)
{
  int status = journal_add(host, JOURNAL_HEARD, peer, leaf->first_number, leaf->count, bytes, row,
                           err);
  if (status) return status;
  if (newer) begin_incarnation(host, peer, header);
  peer->in_known = true;
  peer->in_incarnation = header->incarnation;
  peer->in_sequence = header->sequence;
  peer->in_time_ms = header->time_ms;
  peer->in_next = leaf->first_number + leaf->count;
  peer->in_leaf = *leaf_hash;
  peer->in_lost = false;
  open_pairs(peer);
  hgl_buf_clear(&peer->in_header);
  hgl_buf_append_bytes(&peer->in_header, frame->header);
  peer_dirty(host, peer);
  inbox_ack_due(host, peer);
  return hgl_buf_check(&peer->in_header, err);
}

/* The first one that is not what it claims to be ends the link: checking costs us more than making
 * them up costs the peer. */
static int learn_delegations(struct hgl_host *host, struct peer *peer, struct hgl_run run,
                             struct hgl_err *err)
{
  struct hgl_bytes bytes;
  while (hgl_run_take_delegation(&run, &bytes)) {
    int status = delegation_heard(host, peer, bytes, err);
    if (!status) continue;
    peer->in_bad++;
    host_log(host, HGL_LOG_DEBUG, "a delegation from %s: %s", peer->did, err->message);
    if (status != -HGL_DELEGATION_REVOKED && status != -HGL_DELEGATION_CONFLICT &&
        status != -HGL_LIMIT)
      return status;
  }
  return 0;
}

/* *wait: it has to wait until the peer has settled earlier refusals; so the link must be read. */
static int receive(struct hgl_host *host, struct peer *peer, struct hgl_bytes bytes, size_t *taken,
                   bool *wait, struct hgl_err *err)
{
  struct hgl_frame frame;
  struct hgl_header header;
  struct hgl_group_leaf leaf;
  struct hgl_hash leaf_hash, *leaves = NULL;
  struct batch *batch = NULL;
  bool newer, repeat;
  int status;
  if ((status = hgl_frame_decode(bytes, &frame, err))) return status;
  const struct hgl_frame_batch *content = &frame.batch;
  *taken = content->envelopes.count;
  if ((status = hgl_header_decode(content->header, &header, err)) ||
      (status = hgl_group_leaf_decode(content->group_leaf, &leaf, err)))
    return status;
  if (!hgl_key_equal(&header.host, &peer->key))
    return hgl_fail(err, HGL_WRONG_HOST, "a header of another host");
  if ((status = check_incarnation(peer, &header, &newer, err))) return status;
  *wait = !newer && peer->exception_count && peer->exception_count + *taken > EXCEPTIONS_MAX;
  if (*wait && peer->paused)
    return hgl_fail(err, HGL_LIMIT, "more than %d bytes before a settlement", LINK_INBOUND_BYTES);
  if (*wait) return 0;
  status = check_group(host, peer, &header, content, &leaf, newer, &repeat, err);
  if (status) return status;
  if (repeat) {
    inbox_ack_due(host, peer);
    return 0;
  }
  if ((status = check_signature(host, peer, content->header, &header, err))) return status;
  leaves = hgl_array(leaf.count, sizeof *leaves);
  if (!leaves) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  status = check_paths(content, &header, &leaf, leaves, &leaf_hash, err);
  if (!status) status = learn_delegations(host, peer, content->delegations, err);
  if (!status) status = batch_create(content, header.time_ms, leaves, &batch, err);
  if (!status) batch->row = host_row(host);
  if (!status) status = route_batch(host, peer, content, &header, &leaf, batch, err);
  if (!status)
    status = accept_batch(host, peer, bytes, content, &header, &leaf, &leaf_hash, batch->row, newer,
                          err);
  if (status == -HGL_NO_MEMORY) host_fatal(host, err); /* half routed: begin again from the store */
  batch_release(batch);
  hgl_free(leaves);
  return status;
}

void inbox_process(struct hgl_host *host)
{
  size_t taken = 0;
  while (host->inbound_first && taken < HGL_TICK_ENVELOPES_MAX && !host->failed) {
    struct peer *peer = dequeue(host);
    struct inbound *inbound = peer->inbound_first;
    struct hgl_err err;
    size_t count = 0;
    bool wait = false;
    host->metering.arrived_ns = inbound->arrived_ns;
    int status = receive(host, peer, hgl_bytes(inbound->frame, inbound->size), &count, &wait, &err);
    host->metering.arrived_ns = 0;
    if (wait && !status) continue;
    taken += count;
    pop(peer);
    if (status) {
      peer_refuse(host, peer, &err);
      inbox_drop(host, peer);
    }
    enqueue(host, peer);
    resume_link(host, peer);
  }
  if (host->inbound_first) host_request_tick(host);
}
