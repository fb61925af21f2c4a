/* Messages for agents of whom it is not known that their host speaks for them. Anyone can write
 * agent@host; without the agent's own delegation to that host it could be anyone's way to claim its
 * mail. So they wait here, by recipient and in their order, while the host is asked on its link:
 * WANT, again on every new link and after a while. HAVE lets them go, or ends them when it says
 * that the agent is not there, as does a delegation to another host. None of them has a number yet.
 *
 * Order of a pair: what its full mailbox refused (holds.c) was said before, so it is not said again
 * while the recipient waits here, and what leaves here goes behind it. */
#include "agent/accounts.h"
#include "agent/holds.h"
#include "agent/waits.h"

enum {
  WAITS_MAX = HGL_FRAME_KEYS_MAX, /* agents of one host: one WANT names them all */
  MESSAGE_BYTES = 512,            /* what one takes beside its envelope */
  AGAIN_MS = 30000,
};

struct waiting {
  struct waiting *next;
  struct message *message;
  uint64_t row; /* in OUTBOX */
};

struct wait {
  struct wait *next;
  struct hgl_key agent;
  struct waiting *first, *last;
  int64_t due_ms;   /* monotonic: to be looked at */
  int64_t asked_ms; /* monotonic: on this link; 0: not yet */
  bool leaving;     /* what it holds is being said */
};

static size_t cost(const struct message *message)
{
  return message->bytes.size + MESSAGE_BYTES;
}

static struct wait *find(const struct peer *peer, const struct hgl_key *agent)
{
  return peer->waits.count ? hgl_map_get(&peer->waits, hgl_key_bytes(agent)) : NULL;
}

static void due_at(struct hgl_host *host, struct wait *wait, int64_t due_ms)
{
  if (due_ms < wait->due_ms) wait->due_ms = due_ms;
  if (wait->due_ms < host->holds_due_ms) host->holds_due_ms = wait->due_ms;
}

/* ---- waiting ---- */

int wait_expect(struct hgl_host *host, struct peer *peer, const struct hgl_key *agent,
                struct hgl_err *err)
{
  if (find(peer, agent)) return 0;
  if (peer->waits.count >= WAITS_MAX)
    return hgl_fail(err, HGL_LIMIT, "%d agents of %s have not been vouched for", WAITS_MAX,
                    peer->did);
  struct wait *wait = hgl_zalloc(sizeof *wait);
  if (!wait) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_map_put(&peer->waits, hgl_key_bytes(agent), wait, err);
  if (status) {
    hgl_free(wait);
    return status;
  }
  wait->agent = *agent;
  wait->next = peer->waits_first;
  peer->waits_first = wait;
  wait->due_ms = INT64_MAX;
  due_at(host, wait, host->mono_ms);
  host_request_tick(host);
  return 0;
}

static int insert(struct hgl_host *host, struct peer *peer, struct wait *wait,
                  struct message *message, uint64_t row, struct hgl_err *err)
{
  struct waiting *waiting = hgl_zalloc(sizeof *waiting);
  int status = waiting ? account_charge(host, &message->envelope.from, cost(message), err)
                       : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    hgl_free(waiting);
    return status;
  }
  waiting->message = message_hold(message);
  waiting->row = row;
  *(wait->last ? &wait->last->next : &wait->first) = waiting;
  wait->last = waiting;
  peer->held_bytes += message->bytes.size;
  int64_t expires_ms = message->envelope.expires_time_ms;
  if (expires_ms) due_at(host, wait, host->mono_ms + (expires_ms - host->now_ms));
  return 0;
}

int wait_message(struct hgl_host *host, struct peer *peer, struct message *message, bool *held,
                 struct hgl_err *err)
{
  struct wait *wait = find(peer, &message->envelope.to);
  uint64_t row;
  *held = wait && !wait->leaving;
  if (!*held) return 0;
  int status = hold_save(host, peer, message, HOLD_UNPROVED, &row, err);
  return status ? status : insert(host, peer, wait, message, row, err);
}

int wait_load(struct hgl_host *host, struct peer *peer, struct message *message, uint64_t row,
              struct hgl_err *err)
{
  int status = wait_expect(host, peer, &message->envelope.to, err);
  return status ? status : insert(host, peer, find(peer, &message->envelope.to), message, row, err);
}

bool wait_is_for(const struct peer *peer, const struct hgl_key *agent)
{
  return find(peer, agent) != NULL;
}

/* ---- going ---- */

/* It goes, or its author is told that it was not delivered. */
static int let_go(struct hgl_host *host, struct peer *peer, struct message *message,
                  enum hgl_code code, const char *why, struct hgl_err *err)
{
  if (!code) return outbox_say(host, peer, message, err);
  struct agent *author = agent_by_key(host, &message->envelope.from);
  host->counts.refused++;
  if (!author) return 0;
  author->refused++;
  return mailbox_undelivered(author, message, code, why, err);
}

static void drop(struct waiting *waiting)
{
  message_release(waiting->message);
  hgl_free(waiting);
}

static int forget_row(struct hgl_host *host, const struct waiting *waiting, struct hgl_err *err)
{
  uint8_t key[8];
  return hgl_writeset_delete(host_writes(host), HGL_DB_OUTBOX, row_key(waiting->row, key), err);
}

static bool expired(const struct hgl_host *host, const struct message *message)
{
  int64_t expires_ms = message->envelope.expires_time_ms;
  return expires_ms && expires_ms <= host->now_ms;
}

/* Those that expired, or all of them; an ask tells by its own timeout that it has expired. */
static int release(struct hgl_host *host, struct peer *peer, struct wait *wait, bool all,
                   enum hgl_code code, const char *why, struct hgl_err *err)
{
  static const char late[] = "it expired before its host showed that it speaks for the agent";
  int status = 0;
  wait->leaving = true;
  for (struct waiting **at = &wait->first, *waiting; !status && (waiting = *at);) {
    bool ends = expired(host, waiting->message);
    if (!ends && !all) {
      at = &waiting->next;
      continue;
    }
    if (!ends)
      status = let_go(host, peer, waiting->message, code, why, err);
    else if (!waiting->message->asked)
      status = let_go(host, peer, waiting->message, HGL_UNDELIVERABLE, late, err);
    if (!status) status = forget_row(host, waiting, err);
    if (status) break;
    *at = waiting->next;
    peer->held_bytes -= waiting->message->bytes.size;
    account_discharge(host, &waiting->message->envelope.from, cost(waiting->message));
    drop(waiting);
  }
  wait->leaving = false;
  wait->last = wait->first;
  while (wait->last && wait->last->next) wait->last = wait->last->next;
  return status;
}

static int64_t next_due(const struct hgl_host *host, const struct wait *wait)
{
  int64_t due_ms = host->mono_ms + AGAIN_MS;
  for (const struct waiting *waiting = wait->first; waiting; waiting = waiting->next) {
    int64_t expires_ms = waiting->message->envelope.expires_time_ms;
    int64_t left_ms = expires_ms ? expires_ms - host->now_ms : AGAIN_MS;
    if (host->mono_ms + left_ms < due_ms) due_ms = host->mono_ms + left_ms;
  }
  return due_ms;
}

static int look(struct hgl_host *host, struct peer *peer, struct wait *wait, struct hgl_err *err)
{
  switch (route_proof(host, &peer->key, &wait->agent)) {
  case ROUTE_PROVED:
    return release(host, peer, wait, true, HGL_OK, NULL, err);
  case ROUTE_ELSEWHERE:
    return release(host, peer, wait, true, HGL_NOT_HERE, "the agent speaks through another host",
                   err);
  case ROUTE_UNKNOWN:
    break;
  }
  int status = release(host, peer, wait, false, HGL_OK, NULL, err);
  wait->due_ms = next_due(host, wait);
  return status;
}

static void forget(struct peer *peer, struct wait **at)
{
  struct wait *wait = *at;
  *at = wait->next;
  hgl_map_remove(&peer->waits, hgl_key_bytes(&wait->agent));
  hgl_free(wait);
}

/* One frame asks for all that this link was not asked for lately. */
static void ask(struct hgl_host *host, struct peer *peer)
{
  struct hgl_buf keys;
  struct hgl_err err;
  size_t count = 0;
  if (!peer->link || !peer->ready) return;
  hgl_buf_init(&keys, HGL_FRAME_SIZE_MAX);
  for (struct wait *wait = peer->waits_first; wait; wait = wait->next) {
    if (wait->asked_ms && wait->asked_ms + AGAIN_MS > host->mono_ms) continue;
    hgl_run_put_key(&keys, &wait->agent);
    wait->asked_ms = host->mono_ms;
    count++;
  }
  struct hgl_frame frame = {.kind = HGL_FRAME_WANT, .known = true, .want = hgl_run(&keys, count)};
  /* A full queue or a closed link: it is asked again. */
  if (count && peer_send(peer, host, &frame, &err))
    host_log(host, HGL_LOG_DEBUG, "%s was not asked for delegations: %s", peer->did, err.message);
  hgl_buf_deinit(&keys);
}

int waits_release(struct hgl_host *host, struct peer *peer, int64_t *due_ms, struct hgl_err *err)
{
  *due_ms = INT64_MAX;
  if (!peer->waits_first) return 0;
  for (struct wait **at = &peer->waits_first, *wait; (wait = *at);) {
    int status = wait->due_ms <= host->mono_ms ? look(host, peer, wait, err) : 0;
    if (status) return status;
    if (!wait->first) {
      forget(peer, at);
      continue;
    }
    if (wait->due_ms < *due_ms) *due_ms = wait->due_ms;
    at = &wait->next;
  }
  ask(host, peer);
  peer_settle(host, peer);
  return 0;
}

/* ---- what the peer says ---- */

void waits_rewind(struct hgl_host *host, struct peer *peer)
{
  for (struct wait *wait = peer->waits_first; wait; wait = wait->next) {
    wait->asked_ms = 0;
    due_at(host, wait, host->mono_ms);
  }
}

void wait_learned(struct hgl_host *host, const struct hgl_delegation *claims)
{
  struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(&claims->host));
  struct wait *wait = peer ? find(peer, &claims->agent) : NULL;
  if (!wait) return;
  due_at(host, wait, host->mono_ms);
  host_request_tick(host);
}

int wait_refused(struct hgl_host *host, struct peer *peer, const struct hgl_key *agent,
                 enum hgl_code code, const char *why, struct hgl_err *err)
{
  struct wait *wait = find(peer, agent);
  if (!wait || !wait->asked_ms || route_proof(host, &peer->key, agent) == ROUTE_PROVED) return 0;
  int status = release(host, peer, wait, true, code, why, err);
  wait->asked_ms = 0; /* what is said from now on is asked for anew */
  due_at(host, wait, host->mono_ms);
  host_request_tick(host);
  return status;
}

void waits_deinit(struct hgl_host *host, struct peer *peer)
{
  while (peer->waits_first) {
    for (struct waiting *waiting; (waiting = peer->waits_first->first);) {
      peer->waits_first->first = waiting->next;
      account_discharge(host, &waiting->message->envelope.from, cost(waiting->message));
      drop(waiting);
    }
    forget(peer, &peer->waits_first);
  }
  hgl_map_deinit(&peer->waits);
}
