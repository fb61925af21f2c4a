/* Phase 5, sign: what a tick said becomes groups, one header, one signature. Phase 7, send: groups
 * leave once their commit is durable, and are sent again until they are acknowledged. */
#include "agent/internal.h"

#include <assert.h>

#include "base/log.h"

enum {
  SEND_WINDOW_BYTES = 8 << 20,   /* handed to the transport at once */
  MEMORY_BYTES = 16 << 20,       /* of unacknowledged frames kept in memory, per peer */
  REWIND_ROWS_MAX = 65536,       /* of the journal, for a peer that was restored */
  DELEGATIONS_BYTES = 128 << 10, /* of those that fit into a batch frame beside the largest group */
};

/* ---- saying ---- */

static int say(struct hgl_host *host, struct peer *peer, struct message *message,
               struct hgl_err *err)
{
  if (peer->spoken_count == peer->spoken_capacity) {
    size_t capacity = peer->spoken_capacity ? peer->spoken_capacity * 2 : 16;
    void *bigger = hgl_realloc(peer->spoken, capacity * sizeof *peer->spoken);
    if (!bigger) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    peer->spoken = bigger;
    peer->spoken_capacity = capacity;
  }
  if (!peer->is_speaking) {
    peer->is_speaking = true;
    peer->next_speaking = host->speaking;
    host->speaking = peer;
  }
  peer->spoken[peer->spoken_count++] = message_hold(message);
  peer->spoken_bytes += message->bytes.size;
  host->changed = true;
  return 0;
}

int outbox_say(struct hgl_host *host, struct peer *peer, struct message *message,
               struct hgl_err *err)
{
  bool held;
  int status = hold_message(host, peer, message, &held, err);
  return status || held ? status : say(host, peer, message, err);
}

/* ---- sealing ---- */

struct sealed {
  struct peer *peer;
  struct message **messages;
  size_t count;
  struct hgl_hash *leaves;
  struct hgl_group_leaf leaf;
  struct hgl_buf leaf_bytes;
};

struct seal {
  struct sealed *groups;
  struct hgl_hash *hashes; /* of the group leaves */
  struct hgl_hash *tree;   /* over them */
  size_t count, capacity;
};

static int seal_group(struct seal *seal, struct peer *peer, struct message **messages, size_t count,
                      struct hgl_err *err)
{
  if (seal->count == seal->capacity) {
    size_t capacity = seal->capacity ? seal->capacity * 2 : 8;
    void *groups = hgl_realloc(seal->groups, capacity * sizeof *seal->groups);
    if (groups) seal->groups = groups;
    void *hashes = groups ? hgl_realloc(seal->hashes, capacity * sizeof *seal->hashes) : NULL;
    if (!hashes) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    seal->hashes = hashes;
    seal->capacity = capacity;
  }
  struct sealed *group = &seal->groups[seal->count];
  *group = (struct sealed){.peer = peer, .messages = messages, .count = count};
  hgl_buf_init(&group->leaf_bytes, HGL_GROUP_LEAF_SIZE_MAX);
  group->leaves = hgl_array(count, sizeof *group->leaves);
  if (!group->leaves) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  seal->count++;
  for (size_t i = 0; i < count; i++) hgl_merkle_leaf(messages[i]->bytes, &group->leaves[i]);
  group->leaf = (struct hgl_group_leaf){.destination = peer->key,
                                        .first_number = peer->out_next,
                                        .count = (uint32_t)count,
                                        .previous = peer->out_leaf};
  hgl_merkle_root(group->leaves, count, &group->leaf.root);
  int status = hgl_group_leaf_encode(&group->leaf, &group->leaf_bytes, err);
  if (status) return status;
  struct hgl_hash *hash = &seal->hashes[seal->count - 1];
  hgl_merkle_leaf(hgl_buf_bytes(&group->leaf_bytes), hash);
  peer->out_leaf = *hash;
  peer->out_next += count;
  return 0;
}

/* One group, or several where one would be too large. */
static int seal_peer(struct seal *seal, struct peer *peer, struct hgl_err *err)
{
  size_t first = 0, size = 0;
  if (!peer->spoken_count) return 0; /* all of it is held back */
  for (size_t i = 0; i < peer->spoken_count; i++) {
    size_t more = peer->spoken[i]->bytes.size;
    if (i > first && (i - first == HGL_GROUP_ENVELOPES_MAX || size + more > HGL_GROUP_SIZE_MAX)) {
      int status = seal_group(seal, peer, peer->spoken + first, i - first, err);
      if (status) return status;
      first = i;
      size = 0;
    }
    size += more;
  }
  return seal_group(seal, peer, peer->spoken + first, peer->spoken_count - first, err);
}

static int build_tree(struct seal *seal, struct hgl_err *err)
{
  seal->tree = hgl_array(hgl_merkle_tree_size(seal->count), sizeof *seal->tree);
  if (!seal->tree) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_merkle_tree_build(seal->hashes, seal->count, seal->tree);
  return 0;
}

static int sign(struct hgl_host *host, const struct seal *seal, struct hgl_buf *out,
                struct hgl_err *err)
{
  struct hgl_header header = {
      .host = host->key,
      .incarnation = host->incarnation,
      .sequence = host->sequence + 1,
      .previous = host->header_hash,
      .group_count = (uint32_t)seal->count,
      .time_ms = host->now_ms > host->header_time_ms ? host->now_ms : host->header_time_ms,
      .continues = host->continues,
      .continues_incarnation = host->continues_incarnation,
      .continues_sequence = host->continues_sequence,
      .continues_hash = host->continues_hash,
  };
  header.root = seal->tree[hgl_merkle_tree_size(seal->count) - 1];
  int status = hgl_header_sign(host->config.signer, &header, out, err);
  if (status) return status;
  host->sequence = header.sequence;
  host->header_time_ms = header.time_ms;
  host->continues = false;
  hgl_header_hash(hgl_buf_bytes(out), &host->header_hash);
  host->counts.signatures++;
  return 0;
}

static void expires_at(struct hgl_host *host, struct group *group, int64_t expires_ms)
{
  if (expires_ms < group->expires_ms) group->expires_ms = expires_ms;
  if (expires_ms < host->expiry_due_ms) host->expiry_due_ms = expires_ms;
}

static bool has_author(const struct group *group, const struct hgl_key *key)
{
  for (size_t i = 0; i < group->author_count; i++)
    if (hgl_key_equal(&group->authors[i], key)) return true;
  return false;
}

static int add_authors(struct hgl_host *host, struct group *group, struct message *const *messages,
                       size_t count, struct hgl_err *err)
{
  size_t capacity = group->author_count;
  for (size_t i = 0; i < count; i++) {
    const struct hgl_envelope *envelope = &messages[i]->envelope;
    if (envelope->expires_time_ms && envelope->expires_time_ms < group->first_expiry_ms)
      group->first_expiry_ms = envelope->expires_time_ms;
    if (envelope->expires_time_ms && !messages[i]->asked)
      expires_at(host, group, envelope->expires_time_ms);
    struct agent *author = agent_by_key(host, &envelope->from);
    if (author ? author->author_of == group->row : has_author(group, &envelope->from)) continue;
    if (author) author->author_of = group->row;
    if (group->author_count == capacity) {
      capacity = capacity ? capacity * 2 : 4;
      void *bigger = hgl_realloc(group->authors, capacity * sizeof *group->authors);
      if (!bigger) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
      group->authors = bigger;
    }
    group->authors[group->author_count++] = envelope->from;
  }
  return 0;
}

static void group_destroy(struct group *group)
{
  hgl_buf_deinit(&group->frame);
  hgl_free(group->authors);
  hgl_free(group);
}

static struct group *group_create(uint64_t row, uint64_t first, uint64_t count, size_t size)
{
  struct group *group = hgl_zalloc(sizeof *group);
  if (!group) return NULL;
  group->row = row;
  group->first_number = first;
  group->count = count;
  group->size = size;
  group->expires_ms = group->first_expiry_ms = INT64_MAX;
  hgl_buf_init(&group->frame, HGL_FRAME_SIZE_MAX);
  return group;
}

static void group_append(struct peer *peer, struct group *group)
{
  if (peer->groups_last)
    peer->groups_last->next = group;
  else
    peer->groups = group;
  peer->groups_last = group;
  if (!peer->cursor) peer->cursor = group;
  peer->out_bytes += group->size;
}

/* The group's row, its place in the outbox, and what makes evidence of its messages. */
static int record_group(struct hgl_host *host, const struct seal *seal, size_t index,
                        struct hgl_bytes header, struct hgl_err *err)
{
  struct sealed *sealed = &seal->groups[index];
  struct peer *peer = sealed->peer;
  struct hgl_buf envelopes, encoded;
  struct batch *batch = NULL;
  uint64_t row;
  hgl_buf_init(&envelopes, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&encoded, HGL_FRAME_SIZE_MAX);
  for (size_t i = 0; i < sealed->count; i++)
    hgl_run_put_envelope(&envelopes, sealed->messages[i]->bytes);
  struct hgl_frame frame = {.kind = HGL_FRAME_BATCH,
                            .known = true,
                            .batch = {.header = header,
                                      .group_leaf = hgl_buf_bytes(&sealed->leaf_bytes),
                                      .envelopes = hgl_run(&envelopes, sealed->count)}};
  hgl_merkle_tree_path(seal->tree, seal->count, index, &frame.batch.group_path);
  int status = hgl_buf_check(&envelopes, err);
  if (!status) status = hgl_frame_encode(&frame, &encoded, err);
  if (!status)
    status = journal_add(host, JOURNAL_SAID, peer, sealed->leaf.first_number, sealed->count,
                         hgl_buf_bytes(&encoded), &row, err);
  if (!status)
    status = batch_create(&frame.batch, host->header_time_ms, sealed->leaves, &batch, err);
  for (size_t i = 0; !status && i < sealed->count; i++)
    message_set_batch(sealed->messages[i], batch, (uint32_t)i);
  if (!status && peer != host->self) {
    struct group *group = group_create(row, sealed->leaf.first_number, sealed->count, encoded.size);
    if (!group) {
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    } else {
      group->tick = host->tick;
      group_append(peer, group);
      status = add_authors(host, group, sealed->messages, sealed->count, err);
      if (peer->out_bytes <= MEMORY_BYTES) {
        group->frame = encoded;
        hgl_buf_init(&encoded, 0);
      }
    }
  }
  batch_release(batch);
  hgl_buf_deinit(&envelopes);
  hgl_buf_deinit(&encoded);
  return status;
}

/* Adverts are addressed to the agent's own host; signed, they go into the directory. */
static int publish(struct hgl_host *host, const struct sealed *group, struct hgl_err *err)
{
  int status = 0;
  for (size_t i = 0; i < group->count && !status; i++) {
    if (!hgl_bytes_is(group->messages[i]->envelope.type, "haggle/1.0/advert")) continue;
    struct hgl_buf evidence;
    hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
    status = message_evidence(host, group->messages[i], &evidence, err);
    if (!status && hgl_directory_publish(host->directory, hgl_buf_bytes(&evidence), err))
      host_log(host, HGL_LOG_WARN, "an advert was not published: %s", err->message);
    hgl_buf_deinit(&evidence);
  }
  return status;
}

static void forget_spoken(struct hgl_host *host)
{
  for (struct peer *peer; (peer = host->speaking);) {
    for (size_t i = 0; i < peer->spoken_count; i++) message_release(peer->spoken[i]);
    peer->spoken_count = peer->spoken_bytes = 0;
    host->speaking = peer->next_speaking;
    peer->next_speaking = NULL;
    peer->is_speaking = false;
  }
}

int outbox_seal(struct hgl_host *host, struct hgl_err *err)
{
  if (!host->speaking) return 0;
  struct seal seal = {0};
  struct hgl_buf header;
  int status = 0;
  hgl_buf_init(&header, HGL_HEADER_SIZE_MAX);
  for (struct peer *peer = host->speaking; peer && !status; peer = peer->next_speaking) {
    status = seal_peer(&seal, peer, err);
    peer_dirty(host, peer);
  }
  if (!status && seal.count) status = build_tree(&seal, err);
  if (!status && seal.count) status = sign(host, &seal, &header, err);
  for (size_t i = 0; i < seal.count && !status; i++)
    status = record_group(host, &seal, i, hgl_buf_bytes(&header), err);
  for (size_t i = 0; i < seal.count && !status; i++)
    if (seal.groups[i].peer == host->self) status = publish(host, &seal.groups[i], err);
  for (size_t i = 0; i < seal.count; i++) {
    hgl_free(seal.groups[i].leaves);
    hgl_buf_deinit(&seal.groups[i].leaf_bytes);
  }
  hgl_free(seal.groups);
  hgl_free(seal.hashes);
  hgl_free(seal.tree);
  hgl_buf_deinit(&header);
  forget_spoken(host);
  return status;
}

/* ---- sending ---- */

/* The group's batch frame, from memory or from its row. */
static int load_group(struct hgl_host *host, const struct group *group, struct hgl_buf *row,
                      struct hgl_frame *frame, struct hgl_err *err)
{
  if (group->frame.size) return hgl_frame_decode(hgl_buf_bytes(&group->frame), frame, err);
  uint8_t key[8];
  struct journal_row journal;
  hgl_buf_clear(row);
  int status = hgl_store_get(host->config.store, HGL_DB_JOURNAL, row_key(group->row, key), row,
                             err);
  if (status == -HGL_NOT_FOUND)
    return hgl_fail(err, HGL_CORRUPT, "an unacknowledged group is not in the journal");
  if (!status) status = journal_decode(hgl_buf_bytes(row), &journal, err);
  return status ? status : hgl_frame_decode(journal.frame, frame, err);
}

/* Of messages that expired since they were first sent only the hashes go out: the numbers are
 * consumed, nothing old is handled. */
static size_t without_expired(struct hgl_host *host, struct hgl_run run, struct hgl_buf *out)
{
  struct hgl_frame_envelope item;
  size_t expired = 0;
  while (hgl_run_take_envelope(&run, &item)) {
    struct hgl_envelope envelope;
    struct hgl_hash leaf = item.leaf;
    if (!item.expired && hgl_envelope_decode(item.bytes, &envelope, NULL) == 0 &&
        envelope.expires_time_ms && envelope.expires_time_ms < host->now_ms) {
      hgl_merkle_leaf(item.bytes, &leaf);
      item.expired = true;
    }
    expired += item.expired;
    if (item.expired)
      hgl_run_put_expired(out, &leaf);
    else
      hgl_run_put_envelope(out, item.bytes);
  }
  return expired;
}

/* Delegations of the group's authors that this link has not carried. */
static size_t unannounced(struct hgl_host *host, struct peer *peer, const struct group *group,
                          struct hgl_buf *delegations)
{
  size_t count = 0;
  for (size_t i = 0; i < group->author_count; i++) {
    const struct agent *author = agent_by_key(host, &group->authors[i]);
    if (!author || hgl_map_get(&peer->announced, hgl_key_bytes(&author->key))) continue;
    hgl_run_put_delegation(delegations, hgl_buf_bytes(&author->delegation_bytes));
    count++;
  }
  return count;
}

static int announced(struct hgl_host *host, struct peer *peer, const struct group *group,
                     struct hgl_err *err)
{
  int status = 0;
  for (size_t i = 0; !status && i < group->author_count; i++) {
    struct agent *author = agent_by_key(host, &group->authors[i]);
    if (author) status = hgl_map_put(&peer->announced, hgl_key_bytes(&author->key), author, err);
  }
  return status;
}

void outbox_unannounce(struct hgl_host *host, const struct hgl_key *agent)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    hgl_map_remove(&peer->announced, hgl_key_bytes(agent));
  }
}

/* In the batch frame itself or, where that could become too large, ahead of it. */
static int send_frame(struct hgl_host *host, struct peer *peer, struct hgl_frame *frame,
                      const struct hgl_buf *delegations, size_t count, struct hgl_err *err)
{
  struct hgl_run run = hgl_run(delegations, count);
  int status = hgl_buf_check(delegations, err);
  if (!status && delegations->size > DELEGATIONS_BYTES) {
    struct hgl_frame have = {.kind = HGL_FRAME_HAVE, .known = true, .have = {.delegations = run}};
    status = peer_send(peer, host, &have, err);
  } else {
    frame->batch.delegations = run;
  }
  return status ? status : peer_send(peer, host, frame, err);
}

static int send_group(struct hgl_host *host, struct peer *peer, struct group *group,
                      struct hgl_err *err)
{
  struct hgl_buf row, delegations, envelopes;
  struct hgl_frame frame;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  hgl_buf_init(&delegations, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&envelopes, HGL_FRAME_SIZE_MAX);
  size_t count = unannounced(host, peer, group, &delegations);
  bool aged = group->first_expiry_ms < host->now_ms;
  int status = 0;
  if (!count && !aged && group->frame.size) {
    status = host->config.transport.send(peer->link, hgl_buf_bytes(&group->frame), err);
  } else {
    if ((status = load_group(host, group, &row, &frame, err))) goto done;
    if (aged && without_expired(host, frame.batch.envelopes, &envelopes) > 0) {
      if ((status = hgl_buf_check(&envelopes, err))) goto done;
      frame.batch.envelopes.items = hgl_buf_bytes(&envelopes);
    }
    status = send_frame(host, peer, &frame, &delegations, count, err);
  }
  if (!status) status = announced(host, peer, group, err);
  if (!status) hgl_buf_deinit(&group->frame);
done:
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&delegations);
  hgl_buf_deinit(&envelopes);
  return status;
}

static void send_settle(struct hgl_host *host, struct peer *peer)
{
  struct hgl_err err;
  struct hgl_frame frame = {
      .kind = HGL_FRAME_SETTLE,
      .known = true,
      .settle = {host->incarnation, peer->out_exceptions_done, peer->out_settle_next}};
  if (peer_send(peer, host, &frame, &err) == 0) peer->out_settle_tick = 0;
}

void outbox_pump(struct hgl_host *host, struct peer *peer)
{
  struct hgl_err err;
  if (!peer->link || !peer->ready || host->failed) return;
  if (peer->out_settle_tick && peer->out_settle_tick <= host->committed_tick)
    send_settle(host, peer);
  while (peer->cursor && peer->cursor->tick <= host->committed_tick &&
         host->config.transport.queued(peer->link) < SEND_WINDOW_BYTES) {
    int status = send_group(host, peer, peer->cursor, &err);
    if (status == -HGL_LIMIT || status == -HGL_CLOSED) return;
    if (status) {
      host_fatal(host, &err);
      return;
    }
    peer->cursor = peer->cursor->next;
  }
}

/* ---- acknowledgements ---- */

static void refuse_message(struct hgl_host *host, struct peer *peer, struct message *message,
                           enum hgl_code code)
{
  struct hgl_err err;
  struct agent *author = agent_by_key(host, &message->envelope.from);
  int status = 0;
  if (code == HGL_MAILBOX_FULL)
    status = hold_back(host, peer, message, &err);
  else if (author)
    status = mailbox_undelivered(author, message, code, hgl_code_meaning(code), &err);
  host->counts.refused++;
  if (author) author->refused++;
  if (status) host_fatal(host, &err);
}

/* The author knows already: `unconfirmed`, because it expired unacknowledged. */
static bool told(const struct group *group, const struct message *message, int64_t now_ms)
{
  int64_t expires = message->envelope.expires_time_ms;
  return expires && expires <= now_ms && expires < group->expires_ms;
}

/* Takes the exceptions that fall into this group off the run. */
static int group_refused(struct hgl_host *host, struct peer *peer, const struct group *group,
                         struct hgl_run *exceptions, struct hgl_frame_exception *next, bool *more,
                         struct hgl_err *err)
{
  struct hgl_buf row;
  struct hgl_frame frame;
  struct hgl_frame_envelope item;
  uint64_t end = group->first_number + group->count;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  int status = load_group(host, group, &row, &frame, err);
  struct hgl_run run = frame.batch.envelopes;
  for (uint64_t number = group->first_number; !status && *more && next->number < end; number++) {
    if (!hgl_run_take_envelope(&run, &item)) break;
    if (number != next->number) continue;
    struct message *message;
    if (!item.expired && !(status = message_copy(item.bytes, &message, err))) {
      enum hgl_code code = hgl_code_from_name((const char *)next->code.data, next->code.size);
      if (!told(group, message, host->now_ms))
        refuse_message(host, peer, message, code ? code : HGL_REFUSED);
      message_release(message);
    }
    peer->out_exceptions_done = number;
    *more = hgl_run_take_exception(exceptions, next);
  }
  hgl_buf_deinit(&row);
  return status;
}

/* In the order of their numbers; what was dealt with before is passed over, and settled again. */
static int heard_exceptions(struct hgl_host *host, struct peer *peer,
                            const struct hgl_frame_ack *ack, struct hgl_err *err)
{
  struct hgl_run exceptions = ack->exceptions, check = ack->exceptions;
  struct hgl_frame_exception next;
  for (uint64_t last = 0; hgl_run_take_exception(&check, &next); last = next.number)
    if (next.number <= last || next.number > ack->up_to)
      return hgl_fail(err, HGL_MALFORMED, "exceptions out of order");
  bool more = hgl_run_take_exception(&exceptions, &next);
  if (!more) return 0;
  for (const struct group *group = peer->groups; more && group; group = group->next) {
    while (more && (next.number <= peer->out_exceptions_done || next.number < group->first_number))
      more = hgl_run_take_exception(&exceptions, &next);
    if (!more || next.number >= group->first_number + group->count) continue;
    int status = group_refused(host, peer, group, &exceptions, &next, &more, err);
    if (status) return status;
  }
  peer->out_settle_tick = host->tick;
  peer->out_settle_next = peer->out_next;
  peer_dirty(host, peer);
  host_request_tick(host);
  return 0;
}

static void drop_group(struct hgl_host *host, struct peer *peer)
{
  struct group *group = peer->groups;
  struct hgl_err err;
  if (journal_release(host, group->row, group->size, &err)) host_fatal(host, &err);
  peer->groups = group->next;
  if (!peer->groups) peer->groups_last = NULL;
  if (peer->cursor == group) peer->cursor = group->next;
  peer->out_bytes -= group->size;
  group_destroy(group);
}

void outbox_acked(struct hgl_host *host, struct peer *peer, const struct hgl_frame_ack *ack)
{
  struct hgl_err err;
  if (!hgl_incarnation_equal(&ack->incarnation, &host->incarnation)) return;
  int status = ack->up_to >= peer->out_next
                   ? hgl_fail(&err, HGL_GAP, "acknowledges %llu, %llu is the last",
                              (unsigned long long)ack->up_to,
                              (unsigned long long)peer->out_next - 1)
                   : heard_exceptions(host, peer, ack, &err);
  if (status == -HGL_GAP || status == -HGL_MALFORMED) {
    peer_refuse(host, peer, &err);
    return;
  }
  if (status) {
    host_fatal(host, &err);
    return;
  }
  if (ack->up_to > peer->out_acked) {
    peer->out_acked = ack->up_to;
    peer_dirty(host, peer);
  }
  while (peer->groups && peer->groups->first_number + peer->groups->count - 1 <= ack->up_to)
    drop_group(host, peer);
  if (!peer->groups && !peer->holds && peer->wanted) peer_want(host, peer, false);
  outbox_pump(host, peer);
}

/* ---- expiry: the author is told, what may have been handled stays open ---- */

static int tell_expired(struct hgl_host *host, struct group *group, struct hgl_err *err)
{
  struct hgl_buf row;
  struct hgl_frame frame;
  struct hgl_frame_envelope item;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  int status = load_group(host, group, &row, &frame, err);
  int64_t told = group->expires_ms, next = INT64_MAX;
  struct hgl_run run = frame.batch.envelopes;
  while (!status && hgl_run_take_envelope(&run, &item)) {
    struct message *message;
    if (item.expired || (status = message_copy(item.bytes, &message, err))) continue;
    int64_t expires = message->envelope.expires_time_ms;
    struct agent *author = agent_by_key(host, &message->envelope.from);
    if (expires && expires >= told && expires <= host->now_ms && author)
      status = mailbox_undelivered(author, message, HGL_UNCONFIRMED,
                                   hgl_code_meaning(HGL_UNCONFIRMED), err);
    else if (expires > host->now_ms && expires < next)
      next = expires;
    message_release(message);
  }
  group->expires_ms = next;
  host->changed = true;
  hgl_buf_deinit(&row);
  return status;
}

/* ---- loading ---- */

static int load_authors(struct hgl_host *host, struct group *group, struct hgl_run run,
                        struct hgl_err *err)
{
  struct hgl_frame_envelope item;
  int status = 0;
  while (!status && hgl_run_take_envelope(&run, &item)) {
    struct message *message;
    if (item.expired) continue;
    status = message_copy(item.bytes, &message, err);
    if (status) break;
    status = add_authors(host, group, &message, 1, err);
    message_release(message);
  }
  return status;
}

static int load_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_host *host = user;
  struct journal_row row;
  struct hgl_frame frame;
  int status = journal_decode(value, &row, err);
  if (status) return status;
  struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(&row.peer));
  if (row.direction != JOURNAL_SAID || !peer || peer == host->self) return 0;
  if (!peer->out_first_row || hgl_get_be64(key.data) < peer->out_first_row) return 0;
  if (row.first + row.count - 1 <= peer->out_acked || row.first >= peer->out_next) return 0;
  if (peer->groups_last && row.first != peer->groups_last->first_number + peer->groups_last->count)
    return 0; /* of an older incarnation */
  if ((status = hgl_frame_decode(row.frame, &frame, err))) return status;
  struct group *group = group_create(hgl_get_be64(key.data), row.first, row.count, row.frame.size);
  if (!group) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  group_append(peer, group);
  return load_authors(host, group, frame.batch.envelopes, err);
}

/* ---- a link comes up, a host comes back ---- */

struct rewind {
  struct hgl_host *host;
  struct peer *peer;
  uint64_t from; /* the first number that is missed there */
  size_t visited;
};

static int rewind_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct rewind *rewind = user;
  struct peer *peer = rewind->peer;
  struct journal_row row;
  struct hgl_frame frame;
  struct hgl_header header;
  int status = journal_decode(value, &row, err);
  if (status || ++rewind->visited > REWIND_ROWS_MAX) return status ? status : 1;
  if (row.direction != JOURNAL_SAID || !hgl_key_equal(&row.peer, &peer->key)) return 0;
  uint64_t next = peer->groups ? peer->groups->first_number : peer->out_next;
  if (row.first >= next) return 0;
  if (row.first + row.count != next || row.first + row.count <= rewind->from) return 1;
  if ((status = hgl_frame_decode(row.frame, &frame, err)) ||
      (status = hgl_header_decode(frame.batch.header, &header, err)))
    return status;
  if (!hgl_incarnation_equal(&header.incarnation, &rewind->host->incarnation)) return 1;
  struct group *group = group_create(hgl_get_be64(key.data), row.first, row.count, row.frame.size);
  if (!group) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  group->next = peer->groups;
  peer->groups = group;
  if (!peer->groups_last) peer->groups_last = group;
  peer->out_bytes += group->size;
  return load_authors(rewind->host, group, frame.batch.envelopes, err);
}

/* The peer forgot what it had acknowledged: it was restored. It gets again what the journal still
 * has. */
static int rewind_to(struct hgl_host *host, struct peer *peer, uint64_t number, struct hgl_err *err)
{
  struct rewind rewind = {host, peer, number + 1, 0};
  host_log(host, HGL_LOG_WARN, "%s has lost what it acknowledged behind %llu: it was restored",
           peer->did, (unsigned long long)number);
  int status = hgl_store_scan(host->config.store, HGL_DB_JOURNAL, hgl_bytes(NULL, 0),
                              hgl_bytes(NULL, 0), true, rewind_row, &rewind, err);
  if (status < 0) return status;
  peer->out_acked = peer->groups ? peer->groups->first_number - 1 : peer->out_next - 1;
  if (peer->out_exceptions_done > peer->out_acked) peer->out_exceptions_done = peer->out_acked;
  peer_dirty(host, peer);
  return 0;
}

/* The peer has heard more of this incarnation than we remember, or something else: only a header
 * of ours that we do not know proves it, everything else is a claim that would cost us dearly. */
static int check_restored(struct hgl_host *host, const struct hgl_header *header,
                          struct hgl_bytes bytes, struct hgl_err *err)
{
  struct hgl_hash hash;
  bool known = false;
  hgl_header_hash(bytes, &hash);
  if (header->sequence > host->sequence) return 0;
  if (header->sequence == host->sequence) {
    known = hgl_hash_equal(&hash, &host->header_hash);
  } else {
    int status = journal_has_header(host, bytes, header->time_ms, &known, err);
    if (status == -HGL_LIMIT) known = true;
    if (status && !known) return status;
  }
  return known ? hgl_fail(err, HGL_GAP, "claims to have heard more than we said") : 0;
}

static int resume_elsewhere(struct hgl_host *host, const struct hgl_header *header,
                            struct hgl_err *err)
{
  /* What our older incarnations said is at most as old as this one's beginning. */
  if (header->time_ms <= host->incarnation_ms) return 0;
  return hgl_fail(err, HGL_OLD_INCARNATION,
                  "a newer incarnation of this host has spoken: this data folder is an old copy, "
                  "and the newer one has been running since");
}

int outbox_resume(struct hgl_host *host, struct peer *peer, const struct hgl_frame_hello *hello,
                  struct hgl_err *err)
{
  bool same = hgl_incarnation_equal(&hello->resume_incarnation, &host->incarnation);
  struct hgl_header header;
  peer->cursor = peer->groups;
  if (!hello->has_resume) return 0;
  bool ahead = hello->resume_number >= peer->out_next;
  bool other = hello->resume_number == peer->out_next - 1 &&
               !hgl_hash_equal(&hello->resume_leaf, &peer->out_leaf);
  if (!same || ahead || other) {
    int status = hgl_header_verify(hello->resume_header, &header, err);
    if (!status && (!hgl_key_equal(&header.host, &host->key) ||
                    !hgl_incarnation_equal(&header.incarnation, &hello->resume_incarnation)))
      status = hgl_fail(err, HGL_WRONG_HOST, "the header to go on from is not ours");
    if (!status)
      status = same ? check_restored(host, &header, hello->resume_header, err)
                    : resume_elsewhere(host, &header, err);
    if (status || !same) return status;
    if (header.time_ms > host->header_time_ms) host->header_time_ms = header.time_ms;
    chain_renew(host, "a peer has seen more of us than we remember: the store was restored");
    return 0;
  }
  if (hello->resume_number < peer->out_acked) {
    int status = rewind_to(host, peer, hello->resume_number, err);
    if (status) return status;
    peer->cursor = peer->groups;
  }
  while (peer->cursor &&
         peer->cursor->first_number + peer->cursor->count - 1 <= hello->resume_number)
    peer->cursor = peer->cursor->next;
  return 0;
}

/* A message of a pair that is held back was said before what waits there. */
static int say_again(struct hgl_host *host, struct peer *peer, struct group *group,
                     struct hgl_err *err)
{
  struct hgl_buf row;
  struct hgl_frame frame;
  struct hgl_frame_envelope item;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  int status = group->expires_ms <= host->now_ms ? tell_expired(host, group, err) : 0;
  if (!status) status = load_group(host, group, &row, &frame, err);
  struct hgl_run run = frame.batch.envelopes;
  while (!status && hgl_run_take_envelope(&run, &item)) {
    struct message *message;
    bool held = false;
    if (item.expired || (status = message_copy(item.bytes, &message, err))) continue;
    int64_t expires_ms = message->envelope.expires_time_ms;
    if (!expires_ms || expires_ms > host->now_ms) {
      status = hold_refused(host, peer, message, &held, err);
      if (!status && !held) status = say(host, peer, message, err);
    }
    message_release(message);
  }
  hgl_buf_deinit(&row);
  return status;
}

/* What was said already but is not signed yet comes after what waits for its acknowledgement. */
static int renumber(struct hgl_host *host, struct peer *peer, struct hgl_err *err)
{
  struct message **later = peer->spoken;
  size_t count = peer->spoken_count;
  int status = 0;
  peer->spoken = NULL;
  peer->spoken_count = peer->spoken_capacity = 0;
  holds_renumber(peer);
  while (!status && peer->groups) {
    status = say_again(host, peer, peer->groups, err);
    if (!status) drop_group(host, peer);
  }
  for (size_t i = 0; i < count; i++) {
    peer->spoken_bytes -= later[i]->bytes.size;
    if (!status) status = say(host, peer, later[i], err);
    message_release(later[i]);
  }
  hgl_free(later);
  peer->out_next = 1;
  peer->out_acked = peer->out_exceptions_done = 0;
  peer->out_settle_tick = 0;
  memset(&peer->out_leaf, 0, sizeof peer->out_leaf);
  peer_dirty(host, peer);
  return status;
}

void outbox_renumber(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  struct hgl_err err;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));)
    if (renumber(host, slot->value, &err)) {
      host_fatal(host, &err);
      return;
    }
}

int outbox_load(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_map_slot *slot;
  uint64_t first = UINT64_MAX;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    const struct peer *peer = slot->value;
    if (peer->out_first_row && peer->out_first_row < first) first = peer->out_first_row;
  }
  uint8_t from[8];
  int status = 0;
  if (first != UINT64_MAX)
    status = hgl_store_scan(host->config.store, HGL_DB_JOURNAL, hgl_bytes(NULL, 0),
                            row_key(first, from), false, load_row, host, err);
  if (!status) status = holds_load(host, err);
  for (size_t i = 0; !status && (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    if (peer->groups || peer->holds) peer_want(host, peer, true);
  }
  if (!status) host->holds_due_ms = host->mono_ms;
  return status;
}

void outbox_deinit(struct peer *peer)
{
  for (struct group *group; (group = peer->groups);) {
    peer->groups = group->next;
    group_destroy(group);
  }
  for (size_t i = 0; i < peer->spoken_count; i++) message_release(peer->spoken[i]);
  hgl_free(peer->spoken);
  holds_deinit(peer);
}

/* ---- what falls due ---- */

static int expire(struct hgl_host *host, struct peer *peer, struct hgl_err *err)
{
  for (struct group *group = peer->groups; group; group = group->next) {
    int status = group->expires_ms <= host->now_ms ? tell_expired(host, group, err) : 0;
    if (status) return status;
    if (group->expires_ms < host->expiry_due_ms) host->expiry_due_ms = group->expires_ms;
  }
  return 0;
}

void outbox_due(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  struct hgl_err err;
  bool holds = host->holds_due_ms <= host->mono_ms, expiry = host->expiry_due_ms <= host->now_ms;
  if (holds) host->holds_due_ms = INT64_MAX;
  if (expiry) host->expiry_due_ms = INT64_MAX;
  if (!holds && !expiry) return;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    int64_t due;
    if (holds && holds_release(host, peer, &due, &err))
      host_fatal(host, &err);
    else if (holds && due < host->holds_due_ms)
      host->holds_due_ms = due;
    if (expiry && expire(host, peer, &err)) host_fatal(host, &err);
  }
}
