/* Back-pressure of one mailbox: when the recipient's is full, its host answers mailbox_full for
 * that pair of agents until we settle, and we hold the pair back. What was refused waits here in
 * the order of its numbers, what is said meanwhile behind it; both are said again, unchanged, under
 * new numbers. Messages of other pairs pass.
 *
 * Nothing overtakes: while messages of the pair are still on their way, they can only be refused as
 * well (the settle frame names the number from which on the pair is open), and nothing is said
 * again before all of them have been answered. */
#include "agent/accounts.h"
#include "agent/holds.h"
#include "agent/waits.h"

enum { HOLD_FIRST_MS = 250, HOLD_MAX_MS = 8000 };

struct held {
  struct held *next;
  struct message *message;
  uint64_t row; /* in OUTBOX */
};

struct hold_pair {
  struct hold_pair *next;
  struct hgl_key from, to;
  struct held *first, *last;
  struct held *last_refused;  /* what follows it was never numbered; NULL: all of it */
  uint64_t after;             /* to be tried again once this number is acknowledged */
  int64_t retry_ms, delay_ms; /* monotonic */
  bool saying;                /* being said again right now */
};

static struct hold_pair *find(struct peer *peer, const struct hgl_envelope *envelope)
{
  struct hold_pair *pair = peer->holds;
  while (pair &&
         !(hgl_key_equal(&pair->from, &envelope->from) && hgl_key_equal(&pair->to, &envelope->to)))
    pair = pair->next;
  return pair;
}

static int insert(struct hgl_host *host, struct peer *peer, struct hold_pair *pair,
                  struct message *message, bool refused, uint64_t row, struct hgl_err *err)
{
  struct held *held = hgl_zalloc(sizeof *held);
  if (!held) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  held->message = message_hold(message);
  held->row = row;
  struct held *before = refused ? pair->last_refused : pair->last;
  struct held **at = before ? &before->next : &pair->first;
  held->next = *at;
  *at = held;
  if (!held->next) pair->last = held;
  if (refused) pair->last_refused = held;
  peer->held_bytes += message->bytes.size;
  return account_charge(host, &message->envelope.from, message->bytes.size, err);
}

/* [host key, refused, envelope], and true behind it in one that waits for a delegation. */
int hold_save(struct hgl_host *host, struct peer *peer, const struct message *message,
              enum hold_kind kind, uint64_t *row, struct hgl_err *err)
{
  struct hgl_buf value;
  uint8_t key[8];
  hgl_buf_init(&value, HGL_ENVELOPE_SIZE_MAX + 128);
  hgl_cbor_put_list(&value, kind == HOLD_UNPROVED ? 4 : 3);
  hgl_cbor_put_bytes(&value, hgl_key_bytes(&peer->key));
  hgl_cbor_put_bool(&value, kind == HOLD_REFUSED);
  hgl_cbor_put_bytes(&value, message->bytes);
  if (kind == HOLD_UNPROVED) hgl_cbor_put_bool(&value, true);
  *row = host_row(host);
  int status = hgl_buf_check(&value, err);
  if (!status)
    status = hgl_writeset_put_new(host_writes(host), HGL_DB_OUTBOX, row_key(*row, key),
                                  hgl_buf_bytes(&value), err);
  hgl_buf_deinit(&value);
  return status;
}

static int pair_get(struct hgl_host *host, struct peer *peer, const struct hgl_envelope *envelope,
                    struct hold_pair **out, struct hgl_err *err)
{
  struct hold_pair *pair = find(peer, envelope);
  if (!pair) {
    pair = hgl_zalloc(sizeof *pair);
    if (!pair) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    pair->from = envelope->from;
    pair->to = envelope->to;
    pair->next = peer->holds;
    pair->delay_ms = HOLD_FIRST_MS;
    pair->retry_ms = host->mono_ms + HOLD_FIRST_MS;
    peer->holds = pair;
  }
  *out = pair;
  return 0;
}

static int hold(struct hgl_host *host, struct peer *peer, struct hold_pair *pair,
                struct message *message, bool refused, struct hgl_err *err)
{
  uint64_t row;
  int status = hold_save(host, peer, message, refused ? HOLD_REFUSED : HOLD_BEHIND, &row, err);
  if (!status) status = insert(host, peer, pair, message, refused, row, err);
  if (pair->retry_ms < host->holds_due_ms) host->holds_due_ms = pair->retry_ms;
  return status;
}

int hold_back(struct hgl_host *host, struct peer *peer, struct message *message,
              struct hgl_err *err)
{
  struct hold_pair *pair;
  int status = pair_get(host, peer, &message->envelope, &pair, err);
  if (status) return status;
  pair->after = peer->out_next - 1;
  if (pair->retry_ms <= host->mono_ms) {
    /* Refused once more: wait longer. */
    pair->delay_ms = pair->delay_ms * 2 < HOLD_MAX_MS ? pair->delay_ms * 2 : HOLD_MAX_MS;
    pair->retry_ms = host->mono_ms + pair->delay_ms;
  }
  return hold(host, peer, pair, message, true, err);
}

int hold_message(struct hgl_host *host, struct peer *peer, struct message *message, bool *held,
                 struct hgl_err *err)
{
  struct hold_pair *pair = peer->holds ? find(peer, &message->envelope) : NULL;
  *held = pair && pair->first && !pair->saying;
  return *held ? hold(host, peer, pair, message, false, err) : 0;
}

int hold_refused(struct hgl_host *host, struct peer *peer, struct message *message, bool *held,
                 struct hgl_err *err)
{
  struct hold_pair *pair = peer->holds ? find(peer, &message->envelope) : NULL;
  *held = pair && pair->first;
  return *held ? hold(host, peer, pair, message, true, err) : 0;
}

/* The mailbox never took it, so its author can be sure that it was not handled. */
static int say_or_expire(struct hgl_host *host, struct peer *peer, struct message *message,
                         struct hgl_err *err)
{
  const struct hgl_envelope *envelope = &message->envelope;
  if (!envelope->expires_time_ms || envelope->expires_time_ms > host->now_ms)
    return outbox_say(host, peer, message, err);
  struct agent *author = agent_by_key(host, &envelope->from);
  return author ? mailbox_undelivered(author, message, HGL_MAILBOX_FULL,
                                      "it expired before the recipient's mailbox had room", err)
                : 0;
}

static int say(struct hgl_host *host, struct peer *peer, struct hold_pair *pair,
               struct hgl_err *err)
{
  int status = 0;
  pair->saying = true;
  for (struct held *held; !status && (held = pair->first);) {
    uint8_t key[8];
    status = say_or_expire(host, peer, held->message, err);
    if (!status)
      status = hgl_writeset_delete(host_writes(host), HGL_DB_OUTBOX, row_key(held->row, key), err);
    if (status) break;
    pair->first = held->next;
    peer->held_bytes -= held->message->bytes.size;
    account_discharge(host, &held->message->envelope.from, held->message->bytes.size);
    message_release(held->message);
    hgl_free(held);
  }
  if (!pair->first) pair->last = pair->last_refused = NULL;
  pair->saying = false;
  return status;
}

/* The recipient's delegation may have ended meanwhile: then they wait for it in their order. */
static bool may_say(struct hgl_host *host, struct peer *peer, const struct hold_pair *pair)
{
  struct hgl_err ignored;
  if (wait_is_for(peer, &pair->to)) return false;
  return route_proof(host, &peer->key, &pair->to) == ROUTE_PROVED ||
         wait_expect(host, peer, &pair->to, &ignored) == 0;
}

/* A pair that has passed is forgotten after a while, and with it how long it had to wait. */
int holds_release(struct hgl_host *host, struct peer *peer, int64_t *due_ms, struct hgl_err *err)
{
  *due_ms = INT64_MAX;
  for (struct hold_pair **at = &peer->holds, *pair; (pair = *at);) {
    if (pair->first && pair->retry_ms <= host->mono_ms && pair->after <= peer->out_acked &&
        may_say(host, peer, pair)) {
      int status = say(host, peer, pair, err);
      if (status) return status;
    }
    int64_t due = pair->first ? pair->retry_ms : pair->retry_ms + HOLD_MAX_MS;
    if (due <= host->mono_ms && !pair->first) {
      *at = pair->next;
      hgl_free(pair);
      continue;
    }
    /* What waits for an acknowledgement is looked at again soon. */
    if (due <= host->mono_ms) due = host->mono_ms + HOLD_FIRST_MS;
    if (due < *due_ms) *due_ms = due;
    at = &pair->next;
  }
  return 0;
}

int holds_give_up(struct hgl_host *host, struct peer *peer, struct hgl_err *err)
{
  int status = 0;
  for (struct hold_pair *pair = peer->holds; !status && pair; pair = pair->next)
    for (const struct held *held = pair->first; !status && held; held = held->next) {
      uint8_t key[8];
      struct agent *author = agent_by_key(host, &held->message->envelope.from);
      if (author)
        status = mailbox_undelivered(author, held->message, HGL_MAILBOX_FULL,
                                     "the recipient's mailbox was full, and its host went away",
                                     err);
      if (!status)
        status = hgl_writeset_delete(host_writes(host), HGL_DB_OUTBOX, row_key(held->row, key),
                                     err);
    }
  if (!status) holds_deinit(host, peer);
  return status;
}

static int load_hold(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_host *host = user;
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_bytes bytes;
  struct hgl_key host_key;
  struct message *message;
  struct hold_pair *pair;
  bool refused, unproved = false;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "hold", 4, &count, err)) ||
      (status = hgl_cbor_get_fixed(&in, "hold.host", host_key.bytes, HGL_KEY_SIZE, err)) ||
      (status = hgl_cbor_get_bool(&in, "hold.refused", &refused, err)) ||
      (status = hgl_cbor_get_bytes(&in, "hold.envelope", HGL_ENVELOPE_SIZE_MAX, &bytes, err)) ||
      (count > 3 && (status = hgl_cbor_get_bool(&in, "hold.unproved", &unproved, err))) ||
      (status = message_copy(bytes, &message, err)))
    return status;
  struct peer *peer = peer_get(host, &host_key, err);
  uint64_t row = hgl_get_be64(key.data);
  if (!peer) {
    status = -(int)err->code;
  } else if (unproved) {
    status = wait_load(host, peer, message, row, err);
  } else if (!(status = pair_get(host, peer, &message->envelope, &pair, err))) {
    pair->after = peer->out_next - 1;
    status = insert(host, peer, pair, message, refused, row, err);
  }
  message_release(message);
  return status;
}

int holds_load(struct hgl_host *host, struct hgl_err *err)
{
  return hgl_store_scan(host->config.store, HGL_DB_OUTBOX, hgl_bytes(NULL, 0), hgl_bytes(NULL, 0),
                        false, load_hold, host, err);
}

/* A new incarnation: nothing that we have to wait for is on its way any more. */
void holds_renumber(struct peer *peer)
{
  for (struct hold_pair *pair = peer->holds; pair; pair = pair->next) pair->after = 0;
}

void holds_deinit(struct hgl_host *host, struct peer *peer)
{
  for (struct hold_pair *pair; (pair = peer->holds);) {
    peer->holds = pair->next;
    for (struct held *held; (held = pair->first);) {
      pair->first = held->next;
      account_discharge(host, &held->message->envelope.from, held->message->bytes.size);
      message_release(held->message);
      hgl_free(held);
    }
    hgl_free(pair);
  }
}
