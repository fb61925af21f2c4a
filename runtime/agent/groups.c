/* Groups that were said to a peer and are not acknowledged: their frames, their authors, and what
 * becomes of those that expire. Their rows in the journal are the outbox. */
#include "agent/groups.h"

#include "agent/accounts.h"
#include "agent/holds.h"
#include "agent/journal.h"
#include "agent/waits.h"

static void expires_at(struct hgl_host *host, struct group *group, int64_t expires_ms)
{
  if (expires_ms < group->expires_ms) group->expires_ms = expires_ms;
  if (expires_ms < host->expiry_due_ms) host->expiry_due_ms = expires_ms;
}

/* Its place among the authors; their number when it is none. */
static size_t author_at(const struct group *group, const struct agent *author,
                        const struct hgl_key *key)
{
  if (author) return author->author_of == group->row ? author->author_at : group->author_count;
  size_t at = 0;
  while (at < group->author_count && !hgl_key_equal(&group->authors[at].key, key)) at++;
  return at;
}

int group_add_authors(struct hgl_host *host, struct group *group, struct message *const *messages,
                      size_t count, struct hgl_err *err)
{
  size_t capacity = group->author_count;
  for (size_t i = 0; i < count; i++) {
    const struct hgl_envelope *envelope = &messages[i]->envelope;
    if (envelope->expires_time_ms && envelope->expires_time_ms < group->first_expiry_ms)
      group->first_expiry_ms = envelope->expires_time_ms;
    int64_t end_ms = envelope->expires_time_ms ? envelope->expires_time_ms : INT64_MAX;
    if (end_ms > group->last_expiry_ms) group->last_expiry_ms = end_ms;
    if (envelope->expires_time_ms && !messages[i]->asked)
      expires_at(host, group, envelope->expires_time_ms);
    struct agent *author = agent_by_key(host, &envelope->from);
    size_t at = author_at(group, author, &envelope->from);
    if (at == group->author_count) {
      if (!HGL_GROW(group->authors, group->author_count, capacity))
        return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
      group->authors[group->author_count++] = (struct group_author){envelope->from, 0};
      if (author) author->author_of = group->row, author->author_at = at;
    }
    group->authors[at].bytes += messages[i]->bytes.size;
  }
  return 0;
}

int group_charge(struct hgl_host *host, const struct group *group, struct hgl_err *err)
{
  int status = 0;
  for (size_t i = 0; i < group->author_count && !status; i++)
    status = account_charge(host, &group->authors[i].key, group->authors[i].bytes, err);
  return status;
}

static void group_destroy(struct hgl_host *host, struct group *group)
{
  for (size_t i = 0; i < group->author_count; i++)
    account_discharge(host, &group->authors[i].key, group->authors[i].bytes);
  host->metering.unacknowledged -= group->count;
  host->frames_bytes -= group->frame.size;
  hgl_buf_deinit(&group->frame);
  hgl_free(group->authors);
  hgl_free(group);
}

struct group *group_create(uint64_t row, uint64_t first, uint64_t count, size_t size)
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

void group_append(struct hgl_host *host, struct peer *peer, struct group *group)
{
  if (peer->groups_last)
    peer->groups_last->next = group;
  else
    peer->groups = group;
  peer->groups_last = group;
  if (!peer->cursor) peer->cursor = group;
  peer->out_bytes += group->size;
  host->metering.unacknowledged += group->count;
}

/* The group's batch frame, from memory or from its row. */
int group_load(struct hgl_host *host, const struct group *group, struct hgl_buf *row,
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

void group_drop(struct hgl_host *host, struct peer *peer)
{
  struct group *group = peer->groups;
  struct hgl_err err;
  if (unacked_remove(host, group, &err) || journal_release(host, group->row, group->size, &err))
    host_fatal(host, &err);
  peer->groups = group->next;
  if (!group->row && peer_unshelve(host, peer, group, &err)) host_fatal(host, &err);
  if (!peer->groups) peer->groups_last = NULL;
  if (peer->cursor == group) peer->cursor = group->next;
  peer->out_bytes -= group->size;
  peer->under_way -= group->under_way;
  group_destroy(host, group);
}

/* ---- loading ---- */

int group_load_authors(struct hgl_host *host, struct group *group, struct hgl_run run,
                       struct hgl_err *err)
{
  struct hgl_frame_envelope item;
  int status = 0;
  while (!status && hgl_run_take_envelope(&run, &item)) {
    struct message *message;
    if (item.expired) continue;
    status = message_copy(item.bytes, &message, err);
    if (status) break;
    status = group_add_authors(host, group, &message, 1, err);
    message_release(message);
  }
  return status ? status : group_charge(host, group, err);
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
  group->previous = row.previous;
  group_append(host, peer, group);
  return group_load_authors(host, group, frame.batch.envelopes, err);
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
  int status = unacked_load(host, load_row, err);
  if (first < host->unacked_from) first = host->unacked_from;
  if (!status && first != UINT64_MAX)
    status = hgl_store_scan(host->config.store, HGL_DB_JOURNAL, hgl_bytes(NULL, 0),
                            row_key(first, from), false, load_row, host, err);
  if (!status) status = holds_load(host, err);
  for (size_t i = 0; !status && (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    if (peer_is_owed(host, peer)) peer_want(host, peer, true);
  }
  if (!status) host->holds_due_ms = host->mono_ms;
  return status;
}

void outbox_deinit(struct hgl_host *host, struct peer *peer)
{
  for (struct group *group; (group = peer->groups);) {
    peer->groups = group->next;
    group_destroy(host, group);
  }
  for (size_t i = 0; i < peer->spoken_count; i++) message_release(peer->spoken[i]);
  hgl_free(peer->spoken);
  holds_deinit(host, peer);
  waits_deinit(host, peer);
}

/* ---- expiry: the author is told, what may have been handled stays open ---- */

int group_tell_expired(struct hgl_host *host, struct group *group, struct hgl_err *err)
{
  struct hgl_buf row;
  struct hgl_frame frame;
  struct hgl_frame_envelope item;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  int status = group_load(host, group, &row, &frame, err);
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

/* ---- giving up ---- */

bool group_told(const struct group *group, const struct message *message, int64_t now_ms)
{
  int64_t expires = message->envelope.expires_time_ms;
  return expires && expires <= now_ms && expires < group->expires_ms;
}

bool group_is_spent(const struct group *group, int64_t now_ms)
{
  return group->last_expiry_ms <= now_ms && group->expires_ms == INT64_MAX;
}

uint64_t group_first_row(const struct peer *peer)
{
  const struct group *group = peer->groups;
  while (group && !group->row) group = group->next;
  return group ? group->row : 0;
}

static int tell_given_up(struct hgl_host *host, const struct group *group, struct hgl_bytes bytes,
                         struct hgl_err *err)
{
  struct message *message;
  int status = message_copy(bytes, &message, err);
  if (status) return status;
  struct agent *author = agent_by_key(host, &message->envelope.from);
  if (author && !group_told(group, message, host->now_ms))
    status = mailbox_undelivered(author, message, HGL_UNCONFIRMED,
                                 "given up unacknowledged, to make room for other hosts: it may "
                                 "have been handled",
                                 err);
  message_release(message);
  return status;
}

int group_give_up(struct hgl_host *host, const struct group *group, struct hgl_buf *out,
                  struct hgl_err *err)
{
  struct hgl_buf row, hashes;
  struct hgl_frame frame;
  struct hgl_frame_envelope item;
  size_t count = 0;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  hgl_buf_init(&hashes, HGL_FRAME_SIZE_MAX);
  int status = group_load(host, group, &row, &frame, err);
  struct hgl_run run = frame.batch.envelopes;
  for (; !status && hgl_run_take_envelope(&run, &item); count++) {
    struct hgl_hash leaf = item.leaf;
    if (!item.expired) {
      hgl_merkle_leaf(item.bytes, &leaf);
      status = tell_given_up(host, group, item.bytes, err);
    }
    hgl_run_put_expired(&hashes, &leaf);
  }
  if (!status) status = hgl_buf_check(&hashes, err);
  if (!status) {
    frame.batch.envelopes = hgl_run(&hashes, count);
    status = hgl_frame_encode(&frame, out, err);
  }
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&hashes);
  return status;
}

/* ---- what falls due ---- */

static int expire(struct hgl_host *host, struct peer *peer, struct hgl_err *err)
{
  for (struct group *group = peer->groups; group; group = group->next) {
    int status = group->expires_ms <= host->now_ms ? group_tell_expired(host, group, err) : 0;
    if (status) return status;
    if (group->expires_ms < host->expiry_due_ms) host->expiry_due_ms = group->expires_ms;
  }
  peer_settle(host, peer);
  return 0;
}

static int release(struct hgl_host *host, struct peer *peer, struct hgl_err *err)
{
  int64_t pairs_ms, agents_ms;
  int status = holds_release(host, peer, &pairs_ms, err);
  if (!status) status = waits_release(host, peer, &agents_ms, err);
  if (status) return status;
  if (pairs_ms < host->holds_due_ms) host->holds_due_ms = pairs_ms;
  if (agents_ms < host->holds_due_ms) host->holds_due_ms = agents_ms;
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
    if (holds && release(host, peer, &err)) host_fatal(host, &err);
    if (expiry && expire(host, peer, &err)) host_fatal(host, &err);
  }
}
