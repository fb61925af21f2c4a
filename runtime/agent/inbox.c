/* Phases 1 to 3: batches that arrived are verified as a whole, then each envelope goes into a
 * mailbox or is durably refused. Cheap checks come before signatures. The acknowledgement leaves
 * after the commit. */
#include "agent/internal.h"

#include <assert.h>

enum {
  INBOUND_PEER_BYTES_MAX = 8 << 20, /* of one peer, waiting to be verified; then it is paused */
  EXCEPTIONS_MAX = 2048,            /* unsettled ones of one peer; then nothing more is taken in */
};

/* ---- 1 drain ---- */

int inbox_take(struct hgl_host *host, struct peer *peer, struct hgl_bytes frame,
               struct hgl_err *err)
{
  struct inbound *inbound = hgl_zalloc(sizeof *inbound);
  uint8_t *copy = hgl_memdup(frame.data, frame.size);
  if (!inbound || !copy) {
    hgl_free(inbound);
    hgl_free(copy);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  *inbound = (struct inbound){.peer = peer, .frame = copy, .size = frame.size};
  if (host->inbound_last)
    host->inbound_last->next = inbound;
  else
    host->inbound_first = inbound;
  host->inbound_last = inbound;
  host->inbound_bytes += frame.size;
  peer->inbound_bytes += frame.size;
  if (peer->inbound_bytes > INBOUND_PEER_BYTES_MAX && peer->link && !peer->paused) {
    peer->paused = true;
    host->config.transport.pause(peer->link, true);
  }
  host_request_tick(host);
  return 0;
}

static void pop(struct hgl_host *host)
{
  struct inbound *inbound = host->inbound_first;
  struct peer *peer = inbound->peer;
  host->inbound_first = inbound->next;
  if (!host->inbound_first) host->inbound_last = NULL;
  host->inbound_bytes -= inbound->size;
  peer->inbound_bytes -= inbound->size;
  if (peer->paused && peer->link && peer->inbound_bytes < INBOUND_PEER_BYTES_MAX / 2) {
    peer->paused = false;
    host->config.transport.pause(peer->link, false);
  }
  hgl_free(inbound->frame);
  hgl_free(inbound);
}

/* What a peer sent on a link that is gone comes again on the next one. */
void inbox_drop(struct hgl_host *host, struct peer *peer)
{
  struct inbound **at = &host->inbound_first, *inbound;
  host->inbound_last = NULL;
  while ((inbound = *at)) {
    if (inbound->peer != peer) {
      host->inbound_last = inbound;
      at = &inbound->next;
      continue;
    }
    *at = inbound->next;
    host->inbound_bytes -= inbound->size;
    hgl_free(inbound->frame);
    hgl_free(inbound);
  }
  peer->inbound_bytes = 0;
  peer->paused = false;
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
  if (peer->exception_count == peer->exception_capacity) {
    size_t capacity = peer->exception_capacity ? peer->exception_capacity * 2 : 16;
    void *bigger = hgl_realloc(peer->exceptions, capacity * sizeof *peer->exceptions);
    if (!bigger) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    peer->exceptions = bigger;
    peer->exception_capacity = capacity;
  }
  peer->exceptions[peer->exception_count++] = (struct exception){number, code};
  peer->exceptions_dirty = true;
  return 0;
}

void inbox_settle(struct hgl_host *host, struct peer *peer, const struct hgl_frame_settle *settle)
{
  if (!peer->in_known || !hgl_incarnation_equal(&settle->incarnation, &peer->in_incarnation))
    return;
  size_t kept = 0;
  bool full = false;
  for (size_t i = 0; i < peer->exception_count; i++) {
    if (peer->exceptions[i].number <= settle->up_to) continue;
    full = full || peer->exceptions[i].code == HGL_MAILBOX_FULL;
    peer->exceptions[kept++] = peer->exceptions[i];
  }
  if (kept == peer->exception_count) return;
  peer->exception_count = kept;
  peer->exceptions_dirty = true;
  if (!full) {
    uint64_t seed[2] = {peer->full_pairs.seed[0], peer->full_pairs.seed[1]};
    hgl_map_deinit(&peer->full_pairs);
    hgl_map_init(&peer->full_pairs, seed[0], seed[1]);
  }
  peer_dirty(host, peer);
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

/* Against the last header accepted of the same incarnation. */
static int check_chain(struct hgl_host *host, struct peer *peer, const struct hgl_header *header,
                       struct hgl_bytes bytes, struct hgl_err *err)
{
  if (header->sequence == peer->in_sequence) {
    if (hgl_bytes_equal(bytes, hgl_buf_bytes(&peer->in_header))) return 0;
    struct hgl_header other;
    int status = hgl_header_verify(bytes, &other, err);
    if (status) return status;
    proof_keep(host, "fork", hgl_buf_bytes(&peer->in_header), bytes);
    return hgl_fail(err, HGL_FORK, "two headers of sequence %llu",
                    (unsigned long long)header->sequence);
  }
  if (header->sequence < peer->in_sequence)
    return hgl_fail(err, HGL_GAP, "sequence %llu after %llu", (unsigned long long)header->sequence,
                    (unsigned long long)peer->in_sequence);
  if (header->time_ms < peer->in_time_ms)
    return hgl_fail(err, HGL_TIME_REGRESSED, "a header is %lld ms older than the one before it",
                    (long long)(peer->in_time_ms - header->time_ms));
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
  if (!peer->in_known || newer) return 0;
  uint64_t last = leaf->first_number + leaf->count - 1;
  *repeat = last < peer->in_next;
  if (*repeat && header->sequence != peer->in_sequence) return 0;
  int status = check_chain(host, peer, header, batch->header, err);
  if (status || *repeat) return status;
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
  const struct seen_delegation *seen = delegation_of(host, &envelope->from);
  if (!seen) return hgl_fail(err, HGL_NO_DELEGATION, "the author's delegation is not known");
  if (!hgl_key_equal(&seen->claims.host, &peer->key))
    return hgl_fail(err, HGL_DELEGATION_REVOKED, "the author speaks through another host now");
  return hgl_delegation_check(&seen->claims, &peer->key, time_ms, err);
}

static void pair_key(const struct hgl_envelope *envelope, uint8_t out[2 * HGL_KEY_SIZE])
{
  memcpy(out, envelope->from.bytes, HGL_KEY_SIZE);
  memcpy(out + HGL_KEY_SIZE, envelope->to.bytes, HGL_KEY_SIZE);
}

/* Nothing of a pair may overtake what was refused for want of room. */
static int check_pair(struct peer *peer, const struct hgl_envelope *envelope, struct hgl_err *err)
{
  uint8_t key[2 * HGL_KEY_SIZE];
  if (!peer->full_pairs.count) return 0;
  pair_key(envelope, key);
  return hgl_map_get(&peer->full_pairs, hgl_bytes(key, sizeof key))
             ? hgl_fail(err, HGL_MAILBOX_FULL, "an earlier message of this pair found no room")
             : 0;
}

static int route_envelope(struct hgl_host *host, struct peer *peer, struct message *message,
                          int64_t time_ms, struct hgl_err *err)
{
  struct agent *agent;
  int status = check_author(host, peer, &message->envelope, time_ms, err);
  if (!status) status = check_pair(peer, &message->envelope, err);
  if (!status) status = route_check(host, message, &agent, err);
  if (status == -HGL_MAILBOX_FULL) {
    uint8_t key[2 * HGL_KEY_SIZE];
    struct hgl_err memory;
    pair_key(&message->envelope, key);
    if (hgl_map_put(&peer->full_pairs, hgl_bytes(key, sizeof key), peer, &memory))
      host_fatal(host, &memory);
  }
  if (status) return status;
  host->counts.received++;
  if (host->watcher) watch_message(host, message, "received");
  if (run_answer(agent, message)) return 0;
  return mailbox_deliver(agent, message, err);
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
    struct message *message = NULL;
    struct hgl_err why;
    if (item.expired) continue;
    int outcome = message_copy(item.bytes, &message, &why);
    if (!outcome) {
      message_set_batch(message, batch, i);
      outcome = route_envelope(host, peer, message, header->time_ms, &why);
    }
    message_release(message);
    if (outcome == -HGL_NO_MEMORY) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    if (!outcome) continue;
    host->counts.refused++;
    host_log(host, HGL_LOG_DEBUG, "refused %llu of %s: %s (%s)",
             (unsigned long long)(leaf->first_number + i), peer->did, why.message,
             hgl_code_name(why.code));
    status = add_exception(peer, leaf->first_number + i, why.code, err);
  }
  return status;
}

static int accept_batch(struct hgl_host *host, struct peer *peer, struct hgl_bytes bytes,
                        const struct hgl_frame_batch *frame, const struct hgl_header *header,
                        const struct hgl_group_leaf *leaf, const struct hgl_hash *leaf_hash,
                        bool newer, struct hgl_err *err)
{
  uint64_t row;
  int status = journal_add(host, JOURNAL_HEARD, peer, leaf->first_number, leaf->count, bytes, &row,
                           err);
  if (status) return status;
  if (newer) {
    size_t ring = sizeof peer->in_superseded / sizeof *peer->in_superseded;
    peer->in_superseded[peer->in_superseded_count++ % ring] = peer->in_incarnation;
    peer->exception_count = 0;
    peer->exceptions_dirty = true;
    host_log(host, HGL_LOG_WARN, "%s begins a new incarnation: it was restored or copied",
             peer->did);
  }
  peer->in_known = true;
  peer->in_incarnation = header->incarnation;
  peer->in_sequence = header->sequence;
  peer->in_time_ms = header->time_ms;
  peer->in_next = leaf->first_number + leaf->count;
  peer->in_leaf = *leaf_hash;
  hgl_buf_clear(&peer->in_header);
  hgl_buf_append_bytes(&peer->in_header, frame->header);
  peer_dirty(host, peer);
  inbox_ack_due(host, peer);
  return hgl_buf_check(&peer->in_header, err);
}

static void learn_delegations(struct hgl_host *host, struct peer *peer, struct hgl_run run)
{
  struct hgl_bytes bytes;
  struct hgl_err err;
  while (hgl_run_take_delegation(&run, &bytes))
    if (delegation_learn(host, bytes, &err)) {
      peer->in_bad++;
      host_log(host, HGL_LOG_DEBUG, "a delegation from %s: %s", peer->did, err.message);
    }
}

static int receive(struct hgl_host *host, struct peer *peer, struct hgl_bytes bytes, size_t *taken,
                   struct hgl_err *err)
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
  if ((status = check_incarnation(peer, &header, &newer, err)) ||
      (status = check_group(host, peer, &header, content, &leaf, newer, &repeat, err)))
    return status;
  if (repeat) {
    inbox_ack_due(host, peer);
    return 0;
  }
  if ((status = check_signature(host, peer, content->header, &header, err))) return status;
  leaves = hgl_array(leaf.count, sizeof *leaves);
  if (!leaves) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  status = check_paths(content, &header, &leaf, leaves, &leaf_hash, err);
  if (!status) learn_delegations(host, peer, content->delegations);
  if (!status) status = batch_create(content, &leaf, leaves, &batch, err);
  if (!status) status = route_batch(host, peer, content, &header, &leaf, batch, err);
  if (!status)
    status = accept_batch(host, peer, bytes, content, &header, &leaf, &leaf_hash, newer, err);
  if (status == -HGL_NO_MEMORY) host_fatal(host, err); /* half routed: begin again from the store */
  batch_release(batch);
  hgl_free(leaves);
  return status;
}

void inbox_process(struct hgl_host *host)
{
  size_t taken = 0;
  while (host->inbound_first && taken < HGL_TICK_ENVELOPES_MAX && !host->intake_stopped &&
         !host->failed) {
    struct inbound *inbound = host->inbound_first;
    struct peer *peer = inbound->peer;
    struct hgl_err err;
    size_t count = 0;
    if (peer->exception_count >= EXCEPTIONS_MAX) {
      hgl_fail(&err, HGL_FLOOD, "more than %d refusals are not settled", EXCEPTIONS_MAX);
      peer_refuse(host, peer, &err);
      inbox_drop(host, peer);
      continue;
    }
    int status = receive(host, peer, hgl_bytes(inbound->frame, inbound->size), &count, &err);
    taken += count;
    pop(host);
    if (status) {
      peer_refuse(host, peer, &err);
      inbox_drop(host, peer);
    }
  }
  if (host->inbound_first) host_request_tick(host);
}
