/* What was said and heard, group by group, kept for a while so that any of it can still be proved.
 * The rows of what was said serve as the outbox too: one write for both. Trimmed from the oldest
 * by size and by age; what is not acknowledged is passed over and goes with its acknowledgement.
 * What was said to one peer is a chain through the rows: each names the one before it. */
#include "agent/journal.h"

#include "agent/groups.h"

enum {
  PREFIX_SIZE = 1 + HGL_KEY_SIZE + 8 + 8,
  SAID_PREFIX_SIZE = PREFIX_SIZE + 8,
  SAID_CHAINED = 3,     /* as JOURNAL_SAID, which older rows have, with `previous` in the prefix */
  TRIM_ROWS_MAX = 1024, /* by one tick */
};

enum { DONE = 1, MORE }; /* why trimming stops */

int journal_add(struct hgl_host *host, uint8_t direction, struct peer *peer, uint64_t first,
                uint64_t count, struct hgl_bytes frame, uint64_t row, struct hgl_err *err)
{
  struct hgl_buf value;
  uint8_t key[8], numbers[24];
  bool said = direction == JOURNAL_SAID;
  hgl_buf_init(&value, SAID_PREFIX_SIZE + HGL_FRAME_SIZE_MAX);
  hgl_buf_append_byte(&value, said ? SAID_CHAINED : direction);
  hgl_buf_append_bytes(&value, hgl_key_bytes(&peer->key));
  hgl_put_be64(numbers, first);
  hgl_put_be64(numbers + 8, count);
  hgl_put_be64(numbers + 16, peer->out_last_row);
  hgl_buf_append(&value, numbers, said ? 24 : 16);
  hgl_buf_append_bytes(&value, frame);
  int status = hgl_buf_check(&value, err);
  if (!status)
    status = hgl_writeset_put_new(host_writes(host), HGL_DB_JOURNAL, row_key(row, key),
                                  hgl_buf_bytes(&value), err);
  if (!status) {
    host->journal_bytes += (int64_t)value.size;
    if (said) peer->out_last_row = row;
  }
  hgl_buf_deinit(&value);
  return status;
}

int journal_decode(struct hgl_bytes value, struct journal_row *out, struct hgl_err *err)
{
  if (value.size < PREFIX_SIZE) return hgl_fail(err, HGL_CORRUPT, "a journal row is too short");
  const uint8_t *at = value.data;
  out->direction = *at++;
  memcpy(out->peer.bytes, at, HGL_KEY_SIZE);
  at += HGL_KEY_SIZE;
  out->first = hgl_get_be64(at);
  out->count = hgl_get_be64(at + 8);
  out->previous = 0;
  size_t prefix_size = PREFIX_SIZE;
  if (out->direction == SAID_CHAINED) {
    if (value.size < SAID_PREFIX_SIZE)
      return hgl_fail(err, HGL_CORRUPT, "a journal row is too short");
    prefix_size = SAID_PREFIX_SIZE;
    out->direction = JOURNAL_SAID;
    out->previous = hgl_get_be64(at + 16);
  }
  out->frame = hgl_bytes(value.data + prefix_size, value.size - prefix_size);
  return 0;
}

/* ---- trimming ---- */

struct trim {
  struct hgl_host *host;
  int64_t limit; /* of bytes */
  uint64_t cut;  /* rows below it are too old */
  int visited;
};

static int trim_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct trim *trim = user;
  struct hgl_host *host = trim->host;
  struct journal_row row;
  uint64_t number = hgl_get_be64(key.data);
  if (host->journal_bytes <= trim->limit && number >= trim->cut) return DONE;
  if (trim->visited++ >= TRIM_ROWS_MAX) return MORE;
  int status = journal_decode(value, &row, err);
  if (status) return status;
  const struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(&row.peer));
  host->journal_first_row = number + 1;
  uint64_t first = peer ? group_first_row(peer) : 0;
  if (row.direction == JOURNAL_SAID && first && first <= number) return 0;
  host->journal_bytes -= (int64_t)value.size;
  return hgl_writeset_delete(host_writes(host), HGL_DB_JOURNAL, key, err);
}

int journal_trim(struct hgl_host *host, struct hgl_err *err)
{
  struct trim trim = {host, host->config.journal_bytes, journal_age_cut(host), 0};
  uint8_t from[8];
  int status = journal_age_mark(host, err);
  if (status) return status;
  /* A good deal at a time. */
  if (host->journal_bytes <= trim.limit + trim.limit / 8) trim.limit = INT64_MAX;
  if (trim.limit == INT64_MAX && trim.cut <= host->journal_first_row) return 0;
  status = hgl_store_scan(host->config.store, HGL_DB_JOURNAL, hgl_bytes(NULL, 0),
                          row_key(host->journal_first_row, from), false, trim_row, &trim, err);
  if (status < 0) return status;
  if (status == MORE)
    host_request_tick(host);
  else if (trim.cut > host->journal_first_row)
    host->journal_first_row = trim.cut;
  return 0;
}

bool journal_overdue(const struct hgl_host *host)
{
  return journal_age_due(host) || journal_age_cut(host) > host->journal_first_row;
}

int journal_release(struct hgl_host *host, uint64_t row, size_t frame_size, struct hgl_err *err)
{
  uint8_t key[8];
  if (!row || row >= host->journal_first_row) return 0;
  host->journal_bytes -= (int64_t)(SAID_PREFIX_SIZE + frame_size);
  return hgl_writeset_delete(host_writes(host), HGL_DB_JOURNAL, row_key(row, key), err);
}
