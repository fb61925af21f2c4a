/* The highest delegation seen of each agent of other hosts, remembered so that a lower one is
 * refused. */
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
  int status = hgl_delegation_verify(bytes, &claims, err);
  host->counts.verifications++;
  if (status) return status;
  if (agent_by_key(host, &claims.agent)) return 0; /* ours: we know better */
  const struct seen_delegation *old = delegation_of(host, &claims.agent);
  if (old && old->claims.sequence > claims.sequence)
    return hgl_fail(err, HGL_DELEGATION_REVOKED, "a delegation with sequence %llu is known",
                    (unsigned long long)old->claims.sequence);
  if (old && old->claims.sequence == claims.sequence) {
    if (hgl_bytes_equal(hgl_buf_bytes(&old->bytes), bytes)) return 0;
    proof_keep(host, "delegation_conflict", hgl_buf_bytes(&old->bytes), bytes);
    return hgl_fail(err, HGL_DELEGATION_CONFLICT, "two delegations share sequence %llu",
                    (unsigned long long)claims.sequence);
  }
  if (!old && host->delegations.count >= DELEGATIONS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d delegations", DELEGATIONS_MAX);
  struct seen_delegation *seen = create(bytes, &claims, err);
  if (!seen) return -HGL_NO_MEMORY;
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

/* Two signed objects that contradict each other: [what, a, b]. */
void proof_keep(struct hgl_host *host, const char *what, struct hgl_bytes a, struct hgl_bytes b)
{
  struct hgl_buf row;
  struct hgl_err err;
  uint8_t key[8];
  hgl_buf_init(&row, 8192);
  hgl_cbor_put_list(&row, 3);
  hgl_cbor_put_literal(&row, what);
  hgl_cbor_put_bytes(&row, a);
  hgl_cbor_put_bytes(&row, b);
  if (hgl_buf_check(&row, &err) ||
      hgl_writeset_put_new(host_writes(host), HGL_DB_PROOFS, row_key(host_row(host), key),
                           hgl_buf_bytes(&row), &err))
    host_log(host, HGL_LOG_ERROR, "a proof of %s could not be kept: %s", what, err.message);
  else
    host_log(host, HGL_LOG_WARN, "%s: the proof is kept", what);
  hgl_buf_deinit(&row);
}
