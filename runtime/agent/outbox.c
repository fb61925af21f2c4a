/* Phase 5, sign: what a tick said becomes groups, one header, one signature. Phase 7, send: groups
 * leave once their commit is durable, and are sent again until they are acknowledged. */
#include "agent/internal.h"

#include <assert.h>

#include "base/log.h"

enum {
  SEND_WINDOW_BYTES = 8 << 20, /* handed to the transport at once */
  MEMORY_BYTES = 16 << 20,     /* of unacknowledged frames kept in memory, per peer */
};

/* ---- saying ---- */

int outbox_say(struct hgl_host *host, struct peer *peer, struct message *message,
               struct hgl_err *err)
{
  bool held;
  int status = hold_message(host, peer, message, &held, err);
  if (status || held) return status;
  if (peer->spoken_count == peer->spoken_capacity) {
    size_t capacity = peer->spoken_capacity ? peer->spoken_capacity * 2 : 16;
    void *bigger = hgl_realloc(peer->spoken, capacity * sizeof *peer->spoken);
    if (!bigger) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    peer->spoken = bigger;
    peer->spoken_capacity = capacity;
  }
  if (!peer->spoken_count) {
    peer->next_speaking = host->speaking;
    host->speaking = peer;
  }
  peer->spoken[peer->spoken_count++] = message_hold(message);
  peer->spoken_bytes += message->bytes.size;
  host->changed = true;
  return 0;
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
  hgl_merkle_root(seal->hashes, seal->count, &header.root);
  int status = hgl_header_sign(host->config.signer, &header, out, err);
  if (status) return status;
  host->sequence = header.sequence;
  host->header_time_ms = header.time_ms;
  host->continues = false;
  hgl_header_hash(hgl_buf_bytes(out), &host->header_hash);
  host->counts.signatures++;
  return 0;
}

static int add_authors(struct group *group, struct message *const *messages, size_t count,
                       struct hgl_err *err)
{
  size_t capacity = 0;
  for (size_t i = 0; i < count; i++) {
    const struct hgl_envelope *envelope = &messages[i]->envelope;
    if (envelope->expires_time_ms && !messages[i]->asked &&
        envelope->expires_time_ms < group->expires_ms)
      group->expires_ms = envelope->expires_time_ms;
    size_t known = 0;
    while (known < group->author_count && !hgl_key_equal(&group->authors[known], &envelope->from))
      known++;
    if (known < group->author_count) continue;
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

static struct group *group_append(struct peer *peer, uint64_t row, uint64_t tick, uint64_t first,
                                  uint64_t count, size_t size)
{
  struct group *group = hgl_zalloc(sizeof *group);
  if (!group) return NULL;
  group->row = row;
  group->tick = tick;
  group->first_number = first;
  group->count = count;
  group->size = size;
  group->expires_ms = INT64_MAX;
  hgl_buf_init(&group->frame, HGL_FRAME_SIZE_MAX);
  if (peer->groups_last)
    peer->groups_last->next = group;
  else
    peer->groups = group;
  peer->groups_last = group;
  if (!peer->cursor) peer->cursor = group;
  peer->out_bytes += size;
  return group;
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
  hgl_merkle_path(seal->hashes, seal->count, index, &frame.batch.group_path);
  int status = hgl_buf_check(&envelopes, err);
  if (!status) status = hgl_frame_encode(&frame, &encoded, err);
  if (!status)
    status = journal_add(host, JOURNAL_SAID, peer, sealed->leaf.first_number, sealed->count,
                         hgl_buf_bytes(&encoded), &row, err);
  if (!status) status = batch_create(&frame.batch, &sealed->leaf, sealed->leaves, &batch, err);
  for (size_t i = 0; !status && i < sealed->count; i++)
    message_set_batch(sealed->messages[i], batch, (uint32_t)i);
  if (!status && peer != host->self) {
    struct group *group = group_append(peer, row, host->tick, sealed->leaf.first_number,
                                       sealed->count, encoded.size);
    if (!group) {
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    } else {
      status = add_authors(group, sealed->messages, sealed->count, err);
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
  if (!status) status = sign(host, &seal, &header, err);
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

static int announce(struct hgl_host *host, struct peer *peer, const struct group *group,
                    struct hgl_buf *delegations, size_t *count, struct hgl_err *err)
{
  for (size_t i = 0; i < group->author_count; i++) {
    struct hgl_bytes key = hgl_key_bytes(&group->authors[i]);
    if (hgl_map_get(&peer->announced, key)) continue;
    struct agent *author = agent_by_key(host, &group->authors[i]);
    if (!author) continue;
    hgl_run_put_delegation(delegations, hgl_buf_bytes(&author->delegation_bytes));
    (*count)++;
    int status = hgl_map_put(&peer->announced, key, author, err);
    if (status) return status;
  }
  return 0;
}

static int send_group(struct hgl_host *host, struct peer *peer, struct group *group,
                      struct hgl_err *err)
{
  struct hgl_buf row, delegations, envelopes;
  struct hgl_frame frame;
  size_t delegation_count = 0;
  bool again = !group->frame.size;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  hgl_buf_init(&delegations, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&envelopes, HGL_FRAME_SIZE_MAX);
  int status = load_group(host, group, &row, &frame, err);
  if (status) goto done;
  if ((status = announce(host, peer, group, &delegations, &delegation_count, err))) goto done;
  bool expired = again && group->expires_ms <= host->now_ms &&
                 without_expired(host, frame.batch.envelopes, &envelopes) > 0;
  if (!expired && !delegation_count && group->frame.size) {
    status = host->config.transport.send(peer->link, hgl_buf_bytes(&group->frame), err);
  } else {
    frame.batch.delegations = hgl_run(&delegations, delegation_count);
    if (expired) frame.batch.envelopes.items = hgl_buf_bytes(&envelopes);
    status = peer_send(peer, host, &frame, err);
  }
  if (!status) hgl_buf_deinit(&group->frame);
done:
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&delegations);
  hgl_buf_deinit(&envelopes);
  return status;
}

void outbox_pump(struct hgl_host *host, struct peer *peer)
{
  struct hgl_err err;
  if (!peer->link || !peer->ready) return;
  if (peer->out_settle_tick && peer->out_settle_tick <= host->committed_tick) {
    struct hgl_frame frame = {.kind = HGL_FRAME_SETTLE,
                              .known = true,
                              .settle = {host->incarnation, peer->out_exceptions_done}};
    if (peer_send(peer, host, &frame, &err) == 0) peer->out_settle_tick = 0;
  }
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

static int group_message(struct hgl_host *host, struct peer *peer, uint64_t number,
                         struct message **out, struct hgl_err *err)
{
  const struct group *group = peer->groups;
  while (group && number >= group->first_number + group->count) group = group->next;
  if (!group || number < group->first_number)
    return hgl_fail(err, HGL_NOT_FOUND, "no unacknowledged message %llu",
                    (unsigned long long)number);
  struct hgl_buf row;
  struct hgl_frame frame;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  int status = load_group(host, group, &row, &frame, err);
  if (!status) {
    struct hgl_run run = frame.batch.envelopes;
    struct hgl_frame_envelope item = {0};
    for (uint64_t at = group->first_number; at <= number; at++)
      if (!hgl_run_take_envelope(&run, &item)) break;
    status = item.bytes.size ? message_copy(item.bytes, out, err)
                             : hgl_fail(err, HGL_NOT_FOUND, "only its hash is left");
  }
  hgl_buf_deinit(&row);
  return status;
}

void outbox_acked(struct hgl_host *host, struct peer *peer, const struct hgl_frame_ack *ack)
{
  struct hgl_frame_exception exception;
  struct hgl_run exceptions = ack->exceptions;
  struct hgl_err err;
  if (!hgl_incarnation_equal(&ack->incarnation, &host->incarnation)) return;
  if (ack->up_to >= peer->out_next) {
    hgl_fail(&err, HGL_GAP, "acknowledges %llu, %llu is the last", (unsigned long long)ack->up_to,
             (unsigned long long)peer->out_next - 1);
    peer_refuse(host, peer, &err);
    return;
  }
  bool any = false;
  while (hgl_run_take_exception(&exceptions, &exception)) {
    any = true;
    if (exception.number <= peer->out_exceptions_done || exception.number > ack->up_to) continue;
    enum hgl_code code = hgl_code_from_name((const char *)exception.code.data, exception.code.size);
    struct message *message;
    int status = group_message(host, peer, exception.number, &message, &err);
    if (status == 0) {
      refuse_message(host, peer, message, code ? code : HGL_REFUSED);
      message_release(message);
    } else if (status != -HGL_NOT_FOUND) {
      host_fatal(host, &err);
      return;
    }
    peer->out_exceptions_done = exception.number;
  }
  if (any) {
    peer->out_settle_tick = host->tick;
    peer_dirty(host, peer);
    host_request_tick(host);
  }
  if (ack->up_to > peer->out_acked) {
    peer->out_acked = ack->up_to;
    peer_dirty(host, peer);
  }
  for (struct group *group;
       (group = peer->groups) && group->first_number + group->count - 1 <= ack->up_to;) {
    peer->groups = group->next;
    if (!peer->groups) peer->groups_last = NULL;
    if (peer->cursor == group) peer->cursor = group->next;
    peer->out_bytes -= group->size;
    group_destroy(group);
  }
  outbox_pump(host, peer);
}

/* ---- a link comes up, a host comes back ---- */

void outbox_resume(struct hgl_host *host, struct peer *peer, const struct hgl_frame_hello *hello)
{
  peer->cursor = peer->groups;
  if (!hello->has_resume) return;
  if (!hgl_incarnation_equal(&hello->resume_incarnation, &host->incarnation)) return;
  bool ahead = hello->resume_number >= peer->out_next;
  bool other = hello->resume_number == peer->out_next - 1 &&
               !hgl_hash_equal(&hello->resume_leaf, &peer->out_leaf);
  if (ahead || other) {
    struct hgl_header header;
    struct hgl_err err;
    /* Only our own signature proves that we said more than we remember. */
    if (hgl_header_verify(hello->resume_header, &header, &err) == 0 &&
        hgl_key_equal(&header.host, &host->key)) {
      if (header.time_ms > host->header_time_ms) host->header_time_ms = header.time_ms;
      chain_renew(host, "a peer has seen more of us than we remember: the store was restored");
    }
    return;
  }
  while (peer->cursor &&
         peer->cursor->first_number + peer->cursor->count - 1 <= hello->resume_number)
    peer->cursor = peer->cursor->next;
}

static int say_again(struct hgl_host *host, struct peer *peer, struct hgl_run run,
                     struct hgl_err *err)
{
  struct hgl_frame_envelope item;
  while (hgl_run_take_envelope(&run, &item)) {
    struct message *message;
    if (item.expired) continue;
    int status = message_copy(item.bytes, &message, err);
    if (status) return status;
    if (!message->envelope.expires_time_ms || message->envelope.expires_time_ms > host->now_ms)
      status = outbox_say(host, peer, message, err);
    message_release(message);
    if (status) return status;
  }
  return 0;
}

void outbox_renumber(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  struct hgl_err err;
  struct hgl_buf row;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    for (struct group *group; (group = peer->groups);) {
      struct hgl_frame frame;
      if (load_group(host, group, &row, &frame, &err) ||
          say_again(host, peer, frame.batch.envelopes, &err)) {
        host_fatal(host, &err);
        hgl_buf_deinit(&row);
        return;
      }
      peer->groups = group->next;
      peer->out_bytes -= group->size;
      group_destroy(group);
    }
    peer->groups_last = peer->cursor = NULL;
    peer->out_next = 1;
    peer->out_acked = peer->out_exceptions_done = 0;
    peer->out_settle_tick = 0;
    memset(&peer->out_leaf, 0, sizeof peer->out_leaf);
    peer_dirty(host, peer);
  }
  hgl_buf_deinit(&row);
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
    status = add_authors(group, &message, 1, err);
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
  if (row.first + row.count - 1 <= peer->out_acked || row.first >= peer->out_next) return 0;
  if (peer->groups_last && row.first != peer->groups_last->first_number + peer->groups_last->count)
    return 0; /* of an older incarnation */
  if ((status = hgl_frame_decode(row.frame, &frame, err))) return status;
  struct group *group = group_append(peer, hgl_get_be64(key.data), 0, row.first, row.count,
                                     row.frame.size);
  if (!group) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return load_authors(host, group, frame.batch.envelopes, err);
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
  return status ? status : holds_load(host, err);
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

void outbox_due(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  struct hgl_err err;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    if (holds_release(host, peer, &err)) host_fatal(host, &err);
    for (struct group *group = peer->groups; group; group = group->next)
      if (group->expires_ms <= host->now_ms && tell_expired(host, group, &err))
        host_fatal(host, &err);
  }
}
