/* The highest delegation seen of each agent of other hosts, remembered so that a lower one is
 * refused. Those that gave way, ours too, stay under (agent ‖ sequence): what was said under them
 * can still be proved. */
#include "agent/waits.h"

enum {
  DELEGATIONS_MAX = 200000, /* in memory; each has a row of its own */
  /* Of them for one host. Counted as they are met: after a restart a host may show as many new ones
   * again, until the sweep has taken what ended; both bounds are of memory, the sweep's of rows. */
  SHARE_MAX = 4096,
  ARCHIVED_MAX = 16, /* older ones of one agent */
  SWEEP_ROWS = 128,  /* looked at by one upkeep */
  DAY_S = 24 * 3600,
  KEPT_DAYS = 7,      /* after its end: a lower one is refused that long */
  ARCHIVED_DAYS = 14, /* the same of one that gave way */
};

/* How many of the remembered name this host. */
struct share {
  size_t count;
};

static void destroy(struct seen_delegation *seen)
{
  if (!seen) return;
  hgl_buf_deinit(&seen->bytes);
  hgl_free(seen);
}

static struct seen_delegation *create(struct hgl_bytes bytes, const struct hgl_delegation *claims,
                                      struct hgl_err *err)
{
  struct seen_delegation *seen = hgl_zalloc(sizeof *seen);
  if (!seen) {
    hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    return NULL;
  }
  hgl_buf_init(&seen->bytes, HGL_DELEGATION_SIZE_MAX);
  hgl_buf_append_bytes(&seen->bytes, bytes);
  seen->claims = *claims;
  if (hgl_buf_check(&seen->bytes, err)) {
    destroy(seen);
    return NULL;
  }
  return seen;
}

static size_t share_of(const struct hgl_host *host, const struct hgl_key *key)
{
  const struct share *share = hgl_map_get(&host->delegation_shares, hgl_key_bytes(key));
  return share ? share->count : 0;
}

static int take_share(struct hgl_host *host, const struct hgl_key *key, struct hgl_err *err)
{
  struct share *share = hgl_map_get(&host->delegation_shares, hgl_key_bytes(key));
  if (!share) {
    share = hgl_zalloc(sizeof *share);
    if (!share) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    int status = hgl_map_put(&host->delegation_shares, hgl_key_bytes(key), share, err);
    if (status) {
      hgl_free(share);
      return status;
    }
  }
  share->count++;
  return 0;
}

static void give_share(struct hgl_host *host, const struct hgl_key *key)
{
  struct share *share = hgl_map_get(&host->delegation_shares, hgl_key_bytes(key));
  if (--share->count == 0) hgl_free(hgl_map_remove(&host->delegation_shares, hgl_key_bytes(key)));
}

static void forget(struct hgl_host *host, struct seen_delegation *seen)
{
  hgl_map_remove(&host->delegations, hgl_key_bytes(&seen->claims.agent));
  hgl_heap_remove(&host->delegation_ends, &seen->end);
  give_share(host, &seen->claims.host);
  destroy(seen);
}

/* In the place of the one before it, if any. */
static int remember(struct hgl_host *host, struct seen_delegation *seen, struct hgl_err *err)
{
  struct hgl_bytes key = hgl_key_bytes(&seen->claims.agent);
  struct seen_delegation *old = hgl_map_get(&host->delegations, key);
  int status = take_share(host, &seen->claims.host, err);
  if (status) return status;
  if ((status = hgl_heap_push(&host->delegation_ends, &seen->end, seen->claims.expires_s, err)) ||
      (status = hgl_map_put(&host->delegations, key, seen, err))) {
    hgl_heap_remove(&host->delegation_ends, &seen->end);
    give_share(host, &seen->claims.host);
    return status;
  }
  if (!old) return 0;
  hgl_heap_remove(&host->delegation_ends, &old->end);
  give_share(host, &old->claims.host);
  destroy(old);
  return 0;
}

/* The one that ended longest ago, if it has ended. */
static struct seen_delegation *longest_ended(struct hgl_host *host)
{
  struct hgl_heap_entry *first = hgl_heap_first(&host->delegation_ends);
  return first && first->due < host->now_ms / 1000 ? (struct seen_delegation *)first : NULL;
}

static bool has_room(struct hgl_host *host)
{
  return host->delegations.count < DELEGATIONS_MAX || longest_ended(host);
}

static int make_room(struct hgl_host *host, struct hgl_err *err)
{
  if (host->delegations.count < DELEGATIONS_MAX) return 0;
  struct seen_delegation *ended = longest_ended(host);
  int status = hgl_writeset_delete(host_writes(host), HGL_DB_DELEGATIONS,
                                   hgl_key_bytes(&ended->claims.agent), err);
  if (!status) forget(host, ended);
  return status;
}

/* A row was verified when it was stored; its checksum vouches for it since. */
const struct seen_delegation *delegation_of(struct hgl_host *host, const struct hgl_key *agent)
{
  struct seen_delegation *seen = hgl_map_get(&host->delegations, hgl_key_bytes(agent));
  if (seen) return seen;
  struct hgl_buf row;
  struct hgl_err err;
  struct hgl_delegation claims;
  hgl_buf_init(&row, HGL_DELEGATION_SIZE_MAX);
  if (hgl_store_get(host->config.store, HGL_DB_DELEGATIONS, hgl_key_bytes(agent), &row, &err) ==
          0 &&
      hgl_delegation_decode(hgl_buf_bytes(&row), &claims, &err) == 0 && has_room(host) &&
      make_room(host, &err) == 0) {
    seen = create(hgl_buf_bytes(&row), &claims, &err);
    if (seen && remember(host, seen, &err)) {
      destroy(seen);
      seen = NULL;
    }
  }
  hgl_buf_deinit(&row);
  return seen;
}

/* All that can be said against it without looking at its signature. */
static int check_claims(struct hgl_host *host, const struct hgl_delegation *claims,
                        const struct seen_delegation *old, struct hgl_err *err)
{
  if (old && old->claims.sequence > claims->sequence)
    return hgl_fail(err, HGL_DELEGATION_REVOKED, "a delegation with sequence %llu is known",
                    (unsigned long long)old->claims.sequence);
  bool moves = !old || !hgl_key_equal(&old->claims.host, &claims->host);
  if (moves && share_of(host, &claims->host) >= SHARE_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d agents of one host", SHARE_MAX);
  if (!old && !has_room(host))
    return hgl_fail(err, HGL_LIMIT, "more than %d delegations", DELEGATIONS_MAX);
  return 0;
}

/* The older ones of one agent are few: the oldest goes first. */
static int drop_oldest(void *user, struct hgl_bytes key, struct hgl_bytes value,
                       struct hgl_err *err)
{
  if (key.size == HGL_KEY_SIZE) return 0;
  int status = hgl_writeset_delete(host_writes(user), HGL_DB_DELEGATIONS, key, err);
  return status ? status : 1;
}

static int replace(struct hgl_host *host, const struct seen_delegation *old,
                   struct seen_delegation *seen, struct hgl_err *err)
{
  int status;
  if (!old) return make_room(host, err);
  if ((status = delegation_archive(host, &old->claims, hgl_buf_bytes(&old->bytes), err)))
    return status;
  seen->archived = old->archived + 1;
  if (seen->archived <= ARCHIVED_MAX) return 0;
  seen->archived = ARCHIVED_MAX;
  status = hgl_store_scan(host->config.store, HGL_DB_DELEGATIONS, hgl_key_bytes(&old->claims.agent),
                          hgl_bytes(NULL, 0), false, drop_oldest, host, err);
  return status < 0 ? status : 0;
}

static int learn(struct hgl_host *host, const struct hgl_key *from, struct hgl_bytes bytes,
                 struct hgl_err *err)
{
  struct hgl_delegation claims;
  int status = hgl_delegation_decode(bytes, &claims, err);
  if (status) return status;
  if (from && !hgl_key_equal(&claims.host, from))
    return hgl_fail(err, HGL_WRONG_HOST, "a delegation to another host");
  if (agent_by_key(host, &claims.agent)) return 0; /* ours: we know better */
  const struct seen_delegation *old = delegation_of(host, &claims.agent);
  if (old && hgl_bytes_equal(hgl_buf_bytes(&old->bytes), bytes)) return 0;
  if ((status = check_claims(host, &claims, old, err))) return status;
  host->counts.verifications++;
  if ((status = hgl_delegation_verify(bytes, &claims, err))) return status;
  if (old && old->claims.sequence == claims.sequence) {
    proof_keep(host, PROOF_DELEGATION_CONFLICT, &claims.agent, hgl_buf_bytes(&old->bytes), bytes);
    return hgl_fail(err, HGL_DELEGATION_CONFLICT, "two delegations share sequence %llu",
                    (unsigned long long)claims.sequence);
  }
  struct seen_delegation *seen = create(bytes, &claims, err);
  if (!seen) return -HGL_NO_MEMORY;
  status = replace(host, old, seen, err);
  if (!status)
    status = hgl_writeset_put(host_writes(host), HGL_DB_DELEGATIONS, hgl_key_bytes(&claims.agent),
                              bytes, err);
  if (!status) status = remember(host, seen, err);
  if (status)
    destroy(seen);
  else
    wait_learned(host, &claims);
  return status;
}

int delegation_learn(struct hgl_host *host, struct hgl_bytes bytes, struct hgl_err *err)
{
  return learn(host, NULL, bytes, err);
}

int delegation_heard(struct hgl_host *host, const struct peer *peer, struct hgl_bytes bytes,
                     struct hgl_err *err)
{
  return learn(host, &peer->key, bytes, err);
}

/* ---- forgetting ---- */

struct sweep {
  struct hgl_host *host;
  size_t visited;
};

static int sweep_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct sweep *sweep = user;
  struct hgl_host *host = sweep->host;
  struct hgl_delegation claims;
  if (key.size > sizeof host->delegation_cursor)
    return hgl_fail(err, HGL_CORRUPT, "a stored delegation has a bad key");
  memcpy(host->delegation_cursor, key.data, key.size);
  host->delegation_cursor_size = key.size;
  int status = hgl_delegation_decode(value, &claims, err);
  if (status) return status;
  bool archived = key.size > HGL_KEY_SIZE;
  int64_t kept_s = (int64_t)(archived ? ARCHIVED_DAYS : KEPT_DAYS) * DAY_S;
  if (claims.expires_s + kept_s < host->now_ms / 1000) {
    struct seen_delegation *seen = hgl_map_get(&host->delegations, hgl_key_bytes(&claims.agent));
    if (!archived && seen) forget(host, seen);
    if ((status = hgl_writeset_delete(host_writes(host), HGL_DB_DELEGATIONS, key, err)))
      return status;
  }
  return ++sweep->visited == SWEEP_ROWS;
}

int delegations_sweep(struct hgl_host *host, struct hgl_err *err)
{
  struct sweep sweep = {.host = host};
  uint8_t from[sizeof host->delegation_cursor];
  memcpy(from, host->delegation_cursor, sizeof from);
  int status = hgl_store_scan(host->config.store, HGL_DB_DELEGATIONS, hgl_bytes(NULL, 0),
                              hgl_bytes(from, host->delegation_cursor_size), false, sweep_row,
                              &sweep, err);
  if (status == 0) host->delegation_cursor_size = 0; /* the end: from the beginning next time */
  return status < 0 ? status : 0;
}

void delegations_deinit(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  hgl_heap_deinit(&host->delegation_ends);
  for (size_t i = 0; (slot = hgl_map_next(&host->delegations, &i));) destroy(slot->value);
  for (size_t i = 0; (slot = hgl_map_next(&host->delegation_shares, &i));) hgl_free(slot->value);
  hgl_map_deinit(&host->delegations);
  hgl_map_deinit(&host->delegation_shares);
}

/* ---- older ones ---- */

int delegation_archive(struct hgl_host *host, const struct hgl_delegation *claims,
                       struct hgl_bytes bytes, struct hgl_err *err)
{
  uint8_t key[HGL_KEY_SIZE + 8];
  memcpy(key, claims->agent.bytes, HGL_KEY_SIZE);
  hgl_put_be64(key + HGL_KEY_SIZE, claims->sequence);
  return hgl_writeset_put(host_writes(host), HGL_DB_DELEGATIONS, hgl_bytes(key, sizeof key), bytes,
                          err);
}

static bool in_force(const struct hgl_delegation *claims, int64_t time_ms)
{
  struct hgl_err ignored;
  return hgl_delegation_check(claims, &claims->host, time_ms, &ignored) == 0;
}

struct search {
  int64_t time_ms;
  struct hgl_buf *out;
};

static int match(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct search *search = user;
  struct hgl_delegation claims;
  int status = hgl_delegation_decode(value, &claims, err);
  if (status) return status;
  if (!in_force(&claims, search->time_ms)) return 0;
  hgl_buf_append_bytes(search->out, value);
  return 1;
}

int delegation_at(struct hgl_host *host, const struct hgl_key *key, int64_t time_ms,
                  struct hgl_buf *out, struct hgl_err *err)
{
  const struct agent *agent = agent_by_key(host, key);
  const struct seen_delegation *seen = agent ? NULL : delegation_of(host, key);
  if (agent && in_force(&agent->delegation, time_ms)) {
    return agent_put_delegation(agent, out, err);
  } else if (seen && in_force(&seen->claims, time_ms)) {
    hgl_buf_append_bytes(out, hgl_buf_bytes(&seen->bytes));
  } else {
    struct search search = {time_ms, out};
    int status = hgl_store_scan(host->config.store, HGL_DB_DELEGATIONS, hgl_key_bytes(key),
                                hgl_bytes(NULL, 0), true, match, &search, err);
    if (status < 0) return status;
    if (!status) return hgl_fail(err, HGL_NO_DELEGATION, "the author's delegation is gone");
  }
  return hgl_buf_check(out, err);
}
