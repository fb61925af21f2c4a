/* Phase 7, send: groups leave once their commit is durable, and are sent again until they are
 * acknowledged. */
#include "agent/groups.h"
#include "agent/holds.h"
#include "agent/trace.h"

enum {
  SEND_WINDOW_BYTES = 8 << 20,   /* handed to the transport at once */
  DELEGATIONS_BYTES = 128 << 10, /* of those that fit into a batch frame beside the largest group */
};

/* ---- sending ---- */

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
static int unannounced(struct hgl_host *host, struct peer *peer, const struct group *group,
                       struct hgl_buf *delegations, size_t *count, struct hgl_err *err)
{
  struct hgl_buf one;
  int status = 0;
  hgl_buf_init(&one, HGL_DELEGATION_SIZE_MAX);
  for (size_t i = 0; i < group->author_count && !status; i++) {
    const struct agent *author = agent_by_key(host, &group->authors[i].key);
    if (!author || hgl_map_get(&peer->announced, hgl_key_bytes(&author->key))) continue;
    hgl_buf_clear(&one);
    if ((status = agent_put_delegation(author, &one, err))) break;
    hgl_run_put_delegation(delegations, hgl_buf_bytes(&one));
    ++*count;
  }
  hgl_buf_deinit(&one);
  return status;
}

static int announced(struct hgl_host *host, struct peer *peer, const struct group *group,
                     struct hgl_err *err)
{
  int status = 0;
  for (size_t i = 0; !status && i < group->author_count; i++) {
    struct agent *author = agent_by_key(host, &group->authors[i].key);
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

/* Delegations go in the batch frame itself or, where that could become too large, ahead of it. */
static bool go_ahead(const struct hgl_buf *delegations)
{
  return delegations->size > DELEGATIONS_BYTES;
}

static int send_frame(struct hgl_host *host, struct peer *peer, struct hgl_frame *frame,
                      const struct hgl_buf *delegations, size_t count, struct hgl_err *err)
{
  struct hgl_run run = hgl_run(delegations, count);
  int status = hgl_buf_check(delegations, err);
  if (!status && go_ahead(delegations)) {
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
  size_t count = 0;
  bool aged = group->first_expiry_ms < host->now_ms;
  int status = unannounced(host, peer, group, &delegations, &count, err);
  if (status) goto done;
  if (!count && !aged && group->frame.size) {
    status = host->config.transport.send(peer->link, hgl_buf_bytes(&group->frame), err);
  } else {
    if ((status = group_load(host, group, &row, &frame, err))) goto done;
    if (aged && without_expired(host, frame.batch.envelopes, &envelopes) > 0) {
      if ((status = hgl_buf_check(&envelopes, err))) goto done;
      frame.batch.envelopes.items = hgl_buf_bytes(&envelopes);
    }
    status = send_frame(host, peer, &frame, &delegations, count, err);
  }
  if (!status) status = announced(host, peer, group, err);
  if (status) goto done;
  if (group->row) {
    host->frames_bytes -= group->frame.size;
    hgl_buf_deinit(&group->frame);
  }
  group->under_way = group->size + (go_ahead(&delegations) ? 0 : delegations.size);
  peer->under_way += group->under_way;
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

void outbox_rewind(struct peer *peer)
{
  for (struct group *group = peer->groups; group; group = group->next) group->under_way = 0;
  peer->under_way = 0;
  peer->cursor = peer->groups;
}

/* The largest group fits into an empty window. */
static bool may_send(struct hgl_host *host, const struct peer *peer, const struct group *group)
{
  return group->tick <= host->committed_tick &&
         peer->under_way + group->size <= LINK_WINDOW_BYTES &&
         host->config.transport.queued(peer->link) < SEND_WINDOW_BYTES;
}

/* A settle frame that is due goes ahead of batches: the peer may be waiting for it. */
void outbox_pump(struct hgl_host *host, struct peer *peer)
{
  struct hgl_err err;
  if (!peer->link || !peer->ready || host->failed) return;
  if (peer->out_settle_tick && peer->out_settle_tick <= host->committed_tick)
    send_settle(host, peer);
  while (peer->cursor && may_send(host, peer, peer->cursor)) {
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
  if (code == HGL_MAILBOX_FULL && author) trace_held(author, message);
  if (code == HGL_MAILBOX_FULL)
    status = hold_back(host, peer, message, &err);
  else if (author)
    status = mailbox_undelivered(author, message, code, hgl_code_meaning(code), &err);
  host->counts.refused++;
  if (author) author->refused++;
  if (status) host_fatal(host, &err);
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
  int status = group_load(host, group, &row, &frame, err);
  struct hgl_run run = frame.batch.envelopes;
  for (uint64_t number = group->first_number; !status && *more && next->number < end; number++) {
    if (!hgl_run_take_envelope(&run, &item)) break;
    if (number != next->number) continue;
    struct message *message;
    if (!item.expired && !(status = message_copy(item.bytes, &message, err))) {
      enum hgl_code code = hgl_code_from_name((const char *)next->code.data, next->code.size);
      if (!group_told(group, message, host->now_ms))
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
    group_drop(host, peer);
  peer_settle(host, peer);
  outbox_pump(host, peer);
}
