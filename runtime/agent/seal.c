/* Phase 5, sign: what a tick said becomes groups, one header, one signature. */
#include "agent/groups.h"
#include "agent/holds.h"
#include "agent/journal.h"
#include "agent/trace.h"
#include "agent/waits.h"

/* Of unacknowledged frames kept in memory; what exceeds it is read back from its row. */
enum { MEMORY_BYTES = 64 << 20, MEMORY_PEER_BYTES = 16 << 20 };

/* ---- saying ---- */

int outbox_say_now(struct hgl_host *host, struct peer *peer, struct message *message,
                   struct hgl_err *err)
{
  if (!HGL_GROW(peer->spoken, peer->spoken_count, peer->spoken_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
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
  if (!status && !held) status = wait_message(host, peer, message, &held, err);
  return status || held ? status : outbox_say_now(host, peer, message, err);
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
  size_t count, groups_capacity, hashes_capacity;
};

static int seal_group(struct seal *seal, struct peer *peer, struct message **messages, size_t count,
                      struct hgl_err *err)
{
  if (!HGL_GROW(seal->groups, seal->count, seal->groups_capacity) ||
      !HGL_GROW(seal->hashes, seal->count, seal->hashes_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
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

/* The group's row, its place in the outbox, and what makes evidence of its messages. */
static int record_group(struct hgl_host *host, const struct seal *seal, size_t index,
                        struct hgl_bytes header, struct hgl_err *err)
{
  struct sealed *sealed = &seal->groups[index];
  struct peer *peer = sealed->peer;
  struct hgl_buf envelopes, encoded;
  struct batch *batch = NULL;
  uint64_t row = host_row(host), previous = peer->out_last_row;
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
                         hgl_buf_bytes(&encoded), row, err);
  if (!status)
    status = batch_create(&frame.batch, host->header_time_ms, sealed->leaves, &batch, err);
  for (size_t i = 0; !status && i < sealed->count; i++) {
    message_set_batch(sealed->messages[i], batch, (uint32_t)i);
    trace_sealed(host, sealed->messages[i], row);
  }
  if (!status && peer != host->self) {
    struct group *group = group_create(row, sealed->leaf.first_number, sealed->count, encoded.size);
    if (!group) {
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    } else {
      group->tick = host->tick;
      group->previous = previous;
      group_append(host, peer, group);
      status = group_add_authors(host, group, sealed->messages, sealed->count, err);
      if (!status) status = group_charge(host, group, err);
      if (peer->out_bytes <= MEMORY_PEER_BYTES && host->frames_bytes <= MEMORY_BYTES) {
        group->frame = encoded;
        host->frames_bytes += encoded.size;
        hgl_buf_init(&encoded, 0);
      }
    }
  }
  batch_release(batch);
  hgl_buf_deinit(&envelopes);
  hgl_buf_deinit(&encoded);
  return status;
}

/* One of an agent that is here and stands in the directory no more (not published, or withdrawn
 * when it had just come back) is said again with the next upkeep. */
static void review_advert(struct hgl_host *host, const struct message *message)
{
  struct hgl_directory_terms terms;
  struct agent *agent = agent_by_key(host, &message->envelope.from);
  if (agent && !hgl_directory_terms(host->directory, &agent->key, &terms))
    agent->advert_lost = true;
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
    host->advert_tick = host->tick;
    if (status == -HGL_NO_DELEGATION ||
        (!status && hgl_directory_publish(host->directory, hgl_buf_bytes(&evidence), err))) {
      host_log(host, HGL_LOG_WARN, "an advert was not published: %s", err->message);
      status = 0;
    }
    if (!status) review_advert(host, group->messages[i]);
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
  for (size_t i = 0; i < seal.count; i++)
    host->metering.meter.signed_messages += seal.groups[i].count;
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
