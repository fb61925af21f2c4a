/* The header chain of this host: incarnation, sequence, the hash and time of the last header, and
 * the next growing key. One META row, written with every tick that says something. */
#include "agent/internal.h"

static const char chain_key[] = "chain", identity_key[] = "identity";

int chain_persist(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_buf row;
  hgl_buf_init(&row, 512);
  hgl_cbor_put_list(&row, 11);
  hgl_cbor_put_bytes(&row, hgl_bytes(host->incarnation.bytes, HGL_INCARNATION_SIZE));
  hgl_cbor_put_uint(&row, host->sequence);
  hgl_cbor_put_bytes(&row, hgl_bytes(host->header_hash.bytes, HGL_HASH_SIZE));
  hgl_cbor_put_int(&row, host->header_time_ms);
  hgl_cbor_put_uint(&row, host->next_row);
  hgl_cbor_put_bool(&row, host->continues);
  hgl_cbor_put_uint(&row, host->continues_sequence);
  uint8_t follows[HGL_INCARNATION_SIZE + HGL_HASH_SIZE];
  memcpy(follows, host->continues_incarnation.bytes, HGL_INCARNATION_SIZE);
  memcpy(follows + HGL_INCARNATION_SIZE, host->continues_hash.bytes, HGL_HASH_SIZE);
  hgl_cbor_put_bytes(&row, hgl_bytes(follows, sizeof follows));
  hgl_cbor_put_uint(&row, host->journal_first_row);
  hgl_cbor_put_int(&row, host->journal_bytes);
  hgl_cbor_put_int(&row, host->incarnation_ms);
  int status = hgl_buf_check(&row, err);
  if (!status)
    status = hgl_writeset_put(host_writes(host), HGL_DB_META, hgl_text(chain_key),
                              hgl_buf_bytes(&row), err);
  hgl_buf_deinit(&row);
  return status;
}

static int decode(struct hgl_host *host, struct hgl_bytes row, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  uint8_t follows[HGL_INCARNATION_SIZE + HGL_HASH_SIZE];
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "chain", 11, &count, err)) ||
      (status = hgl_cbor_get_fixed(&in, "chain.incarnation", host->incarnation.bytes,
                                   HGL_INCARNATION_SIZE, err)) ||
      (status = hgl_cbor_get_uint(&in, "chain.sequence", INT64_MAX, &host->sequence, err)) ||
      (status = hgl_cbor_get_fixed(&in, "chain.hash", host->header_hash.bytes, HGL_HASH_SIZE,
                                   err)) ||
      (status = hgl_cbor_get_int(&in, "chain.time", &host->header_time_ms, err)) ||
      (status = hgl_cbor_get_uint(&in, "chain.row", INT64_MAX, &host->next_row, err)) ||
      (status = hgl_cbor_get_bool(&in, "chain.continues", &host->continues, err)) ||
      (status = hgl_cbor_get_uint(&in, "chain.follows", INT64_MAX, &host->continues_sequence,
                                  err)) ||
      (status = hgl_cbor_get_fixed(&in, "chain.follows", follows, sizeof follows, err)) ||
      (status = hgl_cbor_get_uint(&in, "chain.journal", INT64_MAX, &host->journal_first_row,
                                  err)) ||
      (status = hgl_cbor_get_int(&in, "chain.journal", &host->journal_bytes, err)) ||
      (status = hgl_cbor_get_int(&in, "chain.began", &host->incarnation_ms, err)))
    return status;
  memcpy(host->continues_incarnation.bytes, follows, HGL_INCARNATION_SIZE);
  memcpy(host->continues_hash.bytes, follows + HGL_INCARNATION_SIZE, HGL_HASH_SIZE);
  return 0;
}

/* Later than all that we know to have been said before. */
static void mint(struct hgl_host *host)
{
  int64_t now_ms = hgl_wall_ms(host->config.clock);
  hgl_random_fill(host->config.random, host->incarnation.bytes, HGL_INCARNATION_SIZE);
  host->incarnation_ms = now_ms > host->header_time_ms ? now_ms : host->header_time_ms;
}

/* A peer may have batches of the old incarnation before it that wait for a settle frame, which does
 * not come any more; on a new link it forgets them. The link whose hello is being read has carried
 * no batch of ours. */
static void close_links(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    if (!peer->link || !peer->ready) continue;
    peer->ready = false;
    peer->refused = true; /* nothing is heard on it any more */
    host->config.transport.close(peer->link, HGL_CLOSED, "a new incarnation begins");
  }
}

void chain_renew(struct hgl_host *host, const char *why)
{
  host_log(host, HGL_LOG_WARN, "a new incarnation begins: %s", why);
  if (host->sequence) {
    size_t held = sizeof host->ancestors / sizeof *host->ancestors;
    host->ancestors[host->ancestor_count++ % held] = host->continues_incarnation;
    host->continues = true;
    host->continues_incarnation = host->incarnation;
    host->continues_sequence = host->sequence;
    host->continues_hash = host->header_hash;
  }
  mint(host);
  host->sequence = 0;
  memset(&host->header_hash, 0, sizeof host->header_hash);
  /* What we acknowledged since the store was copied is not here; its senders say it again as far as
   * they still can. */
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->peers, &i));) {
    struct peer *peer = slot->value;
    peer->in_lost = peer->in_known;
  }
  outbox_renumber(host); /* and with it every peer's row is written */
  if (host->agent_count) agents_review_adverts(host);
  close_links(host);
}

static bool begins_with(struct hgl_bytes bytes, struct hgl_bytes beginning)
{
  return beginning.size && bytes.size >= beginning.size &&
         memcmp(bytes.data, beginning.data, beginning.size) == 0;
}

/* The mark goes in the commit that holds the new incarnation. */
static int take_copied_mark(struct hgl_host *host, bool *copied, struct hgl_err *err)
{
  struct hgl_buf mark;
  hgl_buf_init(&mark, 64);
  int status = hgl_store_get(host->config.store, HGL_DB_META, hgl_store_copied_key(), &mark, err);
  hgl_buf_deinit(&mark);
  if (status == -HGL_NOT_FOUND) return 0;
  if (status) return status;
  *copied = true;
  return hgl_writeset_delete(host_writes(host), HGL_DB_META, hgl_store_copied_key(), err);
}

int chain_load(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_buf row;
  hgl_buf_init(&row, 512);
  int status = hgl_store_get(host->config.store, HGL_DB_META, hgl_text(chain_key), &row, err);
  if (status == -HGL_NOT_FOUND) {
    mint(host);
    host->next_row = 1;
    host->fresh = true;
    status = 0;
  } else if (!status) {
    status = decode(host, hgl_buf_bytes(&row), err);
  }
  hgl_buf_deinit(&row);
  return status;
}

int chain_begin(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_buf identity, seen;
  bool copied = false;
  hgl_buf_init(&identity, 1024);
  hgl_buf_init(&seen, 1024);
  int status = hgl_store_identity(host->config.store, &identity, err);
  if (status) goto done;
  status = hgl_store_get(host->config.store, HGL_DB_META, hgl_text(identity_key), &seen, err);
  if (status && status != -HGL_NOT_FOUND) goto done;
  bool moved = status == 0 && !begins_with(hgl_buf_bytes(&identity), hgl_buf_bytes(&seen));
  if ((status = take_copied_mark(host, &copied, err))) goto done;
  status = hgl_writeset_put(host_writes(host), HGL_DB_META, hgl_text(identity_key),
                            hgl_buf_bytes(&identity), err);
  if (!status && !host->fresh && (moved || copied))
    chain_renew(host, copied ? "the data folder is a backup that was put in use"
                             : "the data folder was copied, moved or restored");
  if (!status) status = chain_persist(host, err);
done:
  hgl_buf_deinit(&identity);
  hgl_buf_deinit(&seen);
  return status;
}
