/* Where a link goes on: what the peer has heard of us, by its hello. If it has lost some, it gets
 * it again; if we have, we begin a new incarnation and say again, under new numbers, what waits. */
#include "agent/groups.h"
#include "agent/holds.h"
#include "agent/journal.h"

/* What costs a peer no more than a hello is bounded. */
enum {
  REWIND_ROWS_MAX = 16384,
  REWIND_BYTES_MAX = HGL_OUTBOX_BYTES_MAX,
  REWINDS_MAX = 3, /* in: */
  REWIND_EVERY_MS = 5 * 60000,
  SEARCHES_MAX = 32, /* of the journal, for what any peer claims, in: */
  SEARCH_EVERY_MS = 60000,
};

/* ---- a peer that was restored ---- */

/* The group of this row goes before those that are not acknowledged, if it is the one that they
 * follow and the peer misses some of it: what is missed begins with number `from`. */
static int rewind_row(struct hgl_host *host, struct peer *peer, uint64_t number,
                      const struct journal_row *row, uint64_t from, bool *more, struct hgl_err *err)
{
  struct hgl_frame frame;
  struct hgl_header header;
  uint64_t next = peer->groups ? peer->groups->first_number : peer->out_next;
  *more = row->direction == JOURNAL_SAID && hgl_key_equal(&row->peer, &peer->key) &&
          row->first + row->count == next && next > from;
  if (!*more) return 0;
  int status = hgl_frame_decode(row->frame, &frame, err);
  if (!status) status = hgl_header_decode(frame.batch.header, &header, err);
  if (status) return status;
  *more = hgl_incarnation_equal(&header.incarnation, &host->incarnation);
  if (!*more) return 0;
  struct group *group = group_create(number, row->first, row->count, row->frame.size);
  if (!group) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  group->previous = row->previous;
  group->next = peer->groups;
  peer->groups = group;
  if (!peer->groups_last) peer->groups_last = group;
  peer->out_bytes += group->size;
  if ((status = unacked_add(host, group, err))) return status;
  return group_load_authors(host, group, frame.batch.envelopes, err);
}

/* Backwards along the chain of what was said to it. */
static int rewind_groups(struct hgl_host *host, struct peer *peer, uint64_t from,
                         struct hgl_err *err)
{
  struct hgl_buf value;
  uint8_t key[8];
  size_t bytes = 0;
  bool more = true;
  int status = 0;
  hgl_buf_init(&value, HGL_FRAME_SIZE_MAX + 256);
  for (size_t i = 0; !status && more && i < REWIND_ROWS_MAX && bytes < REWIND_BYTES_MAX; i++) {
    uint64_t number = peer->groups ? peer->groups->previous : peer->out_last_row;
    struct journal_row row;
    hgl_buf_clear(&value);
    if (!number) break;
    status = hgl_store_get(host->config.store, HGL_DB_JOURNAL, row_key(number, key), &value, err);
    if (!status) status = journal_decode(hgl_buf_bytes(&value), &row, err);
    if (!status) status = rewind_row(host, peer, number, &row, from, &more, err);
    bytes += value.size;
  }
  hgl_buf_deinit(&value);
  return status == -HGL_NOT_FOUND ? 0 : status;
}

/* What it gets again it has to acknowledge again before there is something to be rewound anew. */
static int check_rewinds(struct hgl_host *host, struct peer *peer, struct hgl_err *err)
{
  if (peer->rewound_ms + REWIND_EVERY_MS <= host->mono_ms) peer->rewinds = 0;
  if (!peer->rewinds) peer->rewound_ms = host->mono_ms;
  if (peer->rewinds < REWINDS_MAX) return 0;
  return hgl_fail(err, HGL_FLOOD, "restored more than %d times within %d min", REWINDS_MAX,
                  REWIND_EVERY_MS / 60000);
}

/* The peer forgot what it had acknowledged: it was restored. It gets again what the journal still
 * has. */
static int rewind_to(struct hgl_host *host, struct peer *peer, uint64_t number, struct hgl_err *err)
{
  uint64_t before = peer->out_acked;
  int status = check_rewinds(host, peer, err);
  if (!status) status = rewind_groups(host, peer, number + 1, err);
  if (status) return status;
  host_log(host, HGL_LOG_WARN, "%s has lost what it acknowledged behind %llu: it was restored",
           peer->did, (unsigned long long)number);
  peer->restored = true;
  peer->out_acked = peer->groups ? peer->groups->first_number - 1 : peer->out_next - 1;
  if (peer->out_exceptions_done > peer->out_acked) peer->out_exceptions_done = peer->out_acked;
  if (peer->out_acked < before) peer->rewinds++;
  peer_dirty(host, peer);
  return 0;
}

/* ---- hello ---- */

static int check_searches(struct hgl_host *host, struct hgl_err *err)
{
  if (host->searches_since_ms + SEARCH_EVERY_MS <= host->mono_ms) host->searches = 0;
  if (!host->searches) host->searches_since_ms = host->mono_ms;
  if (host->searches >= SEARCHES_MAX)
    return hgl_fail(err, HGL_FLOOD, "more than %d claims to have heard more than we said",
                    SEARCHES_MAX);
  host->searches++;
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
    int status = check_searches(host, err);
    if (!status) status = journal_has_header(host, bytes, header->time_ms, &known, err);
    if (status == -HGL_LIMIT) known = true;
    if (status && !known) return status;
  }
  return known ? hgl_fail(err, HGL_GAP, "claims to have heard more than we said") : 0;
}

static bool is_ancestor(const struct hgl_host *host, const struct hgl_incarnation *incarnation)
{
  for (size_t i = 0; i < sizeof host->ancestors / sizeof *host->ancestors; i++)
    if (hgl_incarnation_equal(&host->ancestors[i], incarnation)) return true;
  return hgl_incarnation_equal(&host->continues_incarnation, incarnation);
}

/* The peer knows another incarnation of ours. */
static int resume_elsewhere(struct hgl_host *host, const struct hgl_header *header,
                            struct hgl_err *err)
{
  /* What our older incarnations said is at most as old as this one's beginning. */
  if (header->time_ms <= host->incarnation_ms) return 0;
  if (!is_ancestor(host, &header->incarnation))
    return hgl_fail(err, HGL_OLD_INCARNATION,
                    "a newer incarnation of this host has spoken: this data folder is an old copy, "
                    "and the newer one has been running since");
  /* It is the one that ours goes on from, so ours is the newer; but it has spoken since. Peers go
   * by time: what we say has to be later. */
  if (header->time_ms > host->header_time_ms) host->header_time_ms = header->time_ms;
  chain_renew(host, "the original of this copy has been running beside it");
  return 0;
}

int outbox_resume(struct hgl_host *host, struct peer *peer, const struct hgl_frame_hello *hello,
                  struct hgl_err *err)
{
  bool same = hgl_incarnation_equal(&hello->resume_incarnation, &host->incarnation);
  struct hgl_header header;
  peer->cursor = peer->groups;
  if (!hello->has_resume) {
    if (!peer->out_acked) return 0;
    int status = rewind_to(host, peer, 0, err);
    peer->cursor = peer->groups;
    return status;
  }
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

/* ---- a new incarnation ---- */

/* A message of a pair that is held back was said before what waits there. */
static int say_again(struct hgl_host *host, struct peer *peer, struct group *group,
                     struct hgl_err *err)
{
  struct hgl_buf row;
  struct hgl_frame frame;
  struct hgl_frame_envelope item;
  hgl_buf_init(&row, HGL_FRAME_SIZE_MAX + 256);
  int status = group->expires_ms <= host->now_ms ? group_tell_expired(host, group, err) : 0;
  if (!status) status = group_load(host, group, &row, &frame, err);
  struct hgl_run run = frame.batch.envelopes;
  while (!status && hgl_run_take_envelope(&run, &item)) {
    struct message *message;
    bool held = false;
    if (item.expired || (status = message_copy(item.bytes, &message, err))) continue;
    int64_t expires_ms = message->envelope.expires_time_ms;
    if (!expires_ms || expires_ms > host->now_ms) {
      status = hold_refused(host, peer, message, &held, err);
      if (!status && !held) status = outbox_say_now(host, peer, message, err);
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
    if (!status) group_drop(host, peer);
  }
  for (size_t i = 0; i < count; i++) {
    peer->spoken_bytes -= later[i]->bytes.size;
    if (!status) status = outbox_say_now(host, peer, later[i], err);
    message_release(later[i]);
  }
  hgl_free(later);
  peer_restart_numbers(peer);
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
