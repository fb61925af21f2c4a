/* Back-pressure of one mailbox: when the recipient's is full, its host answers mailbox_full for
 * that pair of agents until we settle, and we hold the pair back: what was refused and what is said
 * meanwhile waits here, in order, and is said again, unchanged, under new numbers. Messages of
 * other pairs pass. */
#include "agent/internal.h"

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

static int append(struct hold_pair *pair, struct message *message, uint64_t row,
                  struct hgl_err *err)
{
  struct held *held = hgl_zalloc(sizeof *held);
  if (!held) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  held->message = message_hold(message);
  held->row = row;
  if (pair->last)
    pair->last->next = held;
  else
    pair->first = held;
  pair->last = held;
  return 0;
}

/* [host key, envelope] */
static int save(struct hgl_host *host, struct peer *peer, const struct message *message,
                uint64_t *row, struct hgl_err *err)
{
  struct hgl_buf value;
  uint8_t key[8];
  hgl_buf_init(&value, HGL_ENVELOPE_SIZE_MAX + 128);
  hgl_cbor_put_list(&value, 2);
  hgl_cbor_put_bytes(&value, hgl_key_bytes(&peer->key));
  hgl_cbor_put_bytes(&value, message->bytes);
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

int hold_back(struct hgl_host *host, struct peer *peer, struct message *message,
              struct hgl_err *err)
{
  struct hold_pair *pair;
  uint64_t row;
  int status = pair_get(host, peer, &message->envelope, &pair, err);
  if (!status) status = save(host, peer, message, &row, err);
  if (!status) status = append(pair, message, row, err);
  if (status) return status;
  if (pair->retry_ms <= host->mono_ms) {
    /* Refused once more: wait longer. */
    pair->delay_ms = pair->delay_ms * 2 < HOLD_MAX_MS ? pair->delay_ms * 2 : HOLD_MAX_MS;
    pair->retry_ms = host->mono_ms + pair->delay_ms;
  }
  return 0;
}

int hold_message(struct hgl_host *host, struct peer *peer, struct message *message, bool *held,
                 struct hgl_err *err)
{
  struct hold_pair *pair = peer->holds ? find(peer, &message->envelope) : NULL;
  *held = pair && pair->first && !pair->saying;
  return *held ? hold_back(host, peer, message, err) : 0;
}

static int say(struct hgl_host *host, struct peer *peer, struct hold_pair *pair,
               struct hgl_err *err)
{
  int status = 0;
  pair->saying = true;
  for (struct held *held; !status && (held = pair->first);) {
    uint8_t key[8];
    status = outbox_say(host, peer, held->message, err);
    if (!status)
      status = hgl_writeset_delete(host_writes(host), HGL_DB_OUTBOX, row_key(held->row, key), err);
    if (status) break;
    pair->first = held->next;
    if (!pair->first) pair->last = NULL;
    message_release(held->message);
    hgl_free(held);
  }
  pair->saying = false;
  return status;
}

/* Says again what has waited long enough. A pair that has passed is forgotten after a while. */
int holds_release(struct hgl_host *host, struct peer *peer, struct hgl_err *err)
{
  for (struct hold_pair **at = &peer->holds, *pair; (pair = *at);) {
    if (pair->first && pair->retry_ms <= host->mono_ms) {
      int status = say(host, peer, pair, err);
      if (status) return status;
    }
    if (!pair->first && pair->retry_ms + HOLD_MAX_MS < host->mono_ms) {
      *at = pair->next;
      hgl_free(pair);
      continue;
    }
    at = &pair->next;
  }
  return 0;
}

int64_t holds_deadline_ms(const struct peer *peer)
{
  int64_t first = INT64_MAX;
  for (const struct hold_pair *pair = peer->holds; pair; pair = pair->next)
    if (pair->first && pair->retry_ms < first) first = pair->retry_ms;
  return first;
}

static int load_hold(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_host *host = user;
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_bytes bytes;
  struct hgl_key host_key;
  struct message *message;
  struct hold_pair *pair;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "hold", 2, &count, err)) ||
      (status = hgl_cbor_get_fixed(&in, "hold.host", host_key.bytes, HGL_KEY_SIZE, err)) ||
      (status = hgl_cbor_get_bytes(&in, "hold.envelope", HGL_ENVELOPE_SIZE_MAX, &bytes, err)) ||
      (status = message_copy(bytes, &message, err)))
    return status;
  struct peer *peer = peer_get(host, &host_key, err);
  status = peer ? pair_get(host, peer, &message->envelope, &pair, err) : -HGL_NO_MEMORY;
  if (!status) status = append(pair, message, hgl_get_be64(key.data), err);
  message_release(message);
  return status;
}

int holds_load(struct hgl_host *host, struct hgl_err *err)
{
  return hgl_store_scan(host->config.store, HGL_DB_OUTBOX, hgl_bytes(NULL, 0), hgl_bytes(NULL, 0),
                        false, load_hold, host, err);
}

void holds_deinit(struct peer *peer)
{
  for (struct hold_pair *pair; (pair = peer->holds);) {
    peer->holds = pair->next;
    for (struct held *held; (held = pair->first);) {
      pair->first = held->next;
      message_release(held->message);
      hgl_free(held);
    }
    hgl_free(pair);
  }
}
