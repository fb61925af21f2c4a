/* The highest delegation seen of each agent of other hosts, remembered so that a lower one is
 * refused. Those that gave way, ours too, stay under (agent ‖ sequence): what was said under them
 * can still be proved. */
#include "agent/internal.h"

enum { DELEGATIONS_MAX = 200000 };

static void destroy(struct seen_delegation *seen)
{
  if (!seen) return;
  hgl_buf_deinit(&seen->bytes);
  hgl_free(seen);
}

/* Verified when it was stored; the row's checksum vouches for it since. */
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

static int remember(struct hgl_host *host, struct seen_delegation *seen, struct hgl_err *err)
{
  struct hgl_bytes key = hgl_key_bytes(&seen->claims.agent);
  struct seen_delegation *old = hgl_map_get(&host->delegations, key);
  int status = hgl_map_put(&host->delegations, key, seen, err);
  if (!status) destroy(old);
  return status;
}

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
      hgl_delegation_verify(hgl_buf_bytes(&row), &claims, &err) == 0 &&
      host->delegations.count < DELEGATIONS_MAX) {
    seen = create(hgl_buf_bytes(&row), &claims, &err);
    if (seen && remember(host, seen, &err)) {
      destroy(seen);
      seen = NULL;
    }
  }
  hgl_buf_deinit(&row);
  return seen;
}

int delegation_learn(struct hgl_host *host, struct hgl_bytes bytes, struct hgl_err *err)
{
  struct hgl_delegation claims;
  host->counts.verifications++;
  int status = hgl_delegation_verify(bytes, &claims, err);
  if (status) return status;
  if (agent_by_key(host, &claims.agent)) return 0; /* ours: we know better */
  const struct seen_delegation *old = delegation_of(host, &claims.agent);
  if (old && old->claims.sequence > claims.sequence)
    return hgl_fail(err, HGL_DELEGATION_REVOKED, "a delegation with sequence %llu is known",
                    (unsigned long long)old->claims.sequence);
  if (old && old->claims.sequence == claims.sequence) {
    if (hgl_bytes_equal(hgl_buf_bytes(&old->bytes), bytes)) return 0;
    proof_keep(host, "delegation_conflict", &claims.agent, hgl_buf_bytes(&old->bytes), bytes);
    return hgl_fail(err, HGL_DELEGATION_CONFLICT, "two delegations share sequence %llu",
                    (unsigned long long)claims.sequence);
  }
  if (!old && host->delegations.count >= DELEGATIONS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d delegations", DELEGATIONS_MAX);
  struct seen_delegation *seen = create(bytes, &claims, err);
  if (!seen) return -HGL_NO_MEMORY;
  status = old ? delegation_archive(host, &old->claims, hgl_buf_bytes(&old->bytes), err) : 0;
  if (!status)
    status = hgl_writeset_put(host_writes(host), HGL_DB_DELEGATIONS, hgl_key_bytes(&claims.agent),
                              bytes, err);
  if (!status) status = remember(host, seen, err);
  if (status) destroy(seen);
  return status;
}

void delegations_deinit(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->delegations, &i));) destroy(slot->value);
  hgl_map_deinit(&host->delegations);
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
  int status = hgl_delegation_verify(value, &claims, err);
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
    hgl_buf_append_bytes(out, hgl_buf_bytes(&agent->delegation_bytes));
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

/* ---- proofs ---- */

/* [what, a, b] under what ‖ subject. */
void proof_keep(struct hgl_host *host, const char *what, const struct hgl_key *subject,
                struct hgl_bytes a, struct hgl_bytes b)
{
  struct hgl_buf row, key;
  struct hgl_err err;
  hgl_buf_init(&row, 8192);
  hgl_buf_init(&key, HGL_STORE_KEY_SIZE_MAX);
  hgl_buf_append_text(&key, what);
  hgl_buf_append_bytes(&key, hgl_key_bytes(subject));
  hgl_cbor_put_list(&row, 3);
  hgl_cbor_put_literal(&row, what);
  hgl_cbor_put_bytes(&row, a);
  hgl_cbor_put_bytes(&row, b);
  if (hgl_buf_check(&row, &err) || hgl_buf_check(&key, &err) ||
      hgl_writeset_put(host_writes(host), HGL_DB_PROOFS, hgl_buf_bytes(&key), hgl_buf_bytes(&row),
                       &err))
    host_log(host, HGL_LOG_ERROR, "a proof of %s could not be kept: %s", what, err.message);
  else
    host_log(host, HGL_LOG_WARN, "%s: the proof is kept", what);
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&key);
}
