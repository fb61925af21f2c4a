/* Evidence that is kept for good. The sender chooses a message's id, so two different messages may
 * share one: what was kept first stays under the id alone, which also sorts first; each different
 * one that follows stands under (id ‖ leaf hash of its envelope). */
#include "agent/internal.h"

enum { TWINS_MAX = 8 }; /* exported of one id */

static int same_envelope(struct hgl_bytes row, struct hgl_bytes envelope, bool *same,
                         struct hgl_err *err)
{
  struct hgl_evidence held;
  int status = hgl_evidence_decode(row, &held, err);
  if (!status) *same = hgl_bytes_equal(held.envelope, envelope);
  return status;
}

int evidence_keep(struct hgl_host *host, struct hgl_writeset *set, const struct hgl_id *id,
                  struct hgl_bytes bytes, struct hgl_err *err)
{
  uint8_t key[HGL_ID_SIZE + HGL_HASH_SIZE];
  struct hgl_evidence evidence;
  struct hgl_hash leaf;
  struct hgl_buf row;
  size_t key_size = HGL_ID_SIZE;
  bool same = false;
  int status = hgl_evidence_decode(bytes, &evidence, err);
  if (status) return status;
  hgl_merkle_leaf(evidence.envelope, &leaf);
  memcpy(key, id->bytes, HGL_ID_SIZE);
  memcpy(key + HGL_ID_SIZE, leaf.bytes, HGL_HASH_SIZE);
  hgl_buf_init(&row, HGL_EVIDENCE_SIZE_MAX);
  status = hgl_store_get(host->config.store, HGL_DB_EVIDENCE, hgl_bytes(key, key_size), &row, err);
  if (!status && !(status = same_envelope(hgl_buf_bytes(&row), evidence.envelope, &same, err)))
    key_size = sizeof key;
  if (status == -HGL_NOT_FOUND) status = 0;
  if (!status && !same)
    status = hgl_writeset_put(set, HGL_DB_EVIDENCE, hgl_bytes(key, key_size), bytes, err);
  hgl_buf_deinit(&row);
  return status;
}

bool evidence_is_of(struct hgl_bytes bytes, const struct evidence_thread *thread)
{
  struct hgl_evidence evidence;
  struct hgl_envelope envelope;
  struct hgl_err ignored;
  if (!thread) return true;
  if (hgl_evidence_decode(bytes, &evidence, &ignored) ||
      hgl_envelope_decode(evidence.envelope, &envelope, &ignored) ||
      !hgl_id_equal(&envelope.thid, &thread->thid))
    return false;
  const struct hgl_key *other = hgl_key_equal(&envelope.from, &thread->peer) ? &envelope.to
                                : hgl_key_equal(&envelope.to, &thread->peer) ? &envelope.from
                                                                             : NULL;
  return other && (!thread->agent || hgl_key_equal(other, thread->agent));
}

struct collecting {
  const struct evidence_thread *thread;
  struct hgl_buf *out;
  size_t count, limit;
};

static int collect(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct collecting *collecting = user;
  if (!evidence_is_of(value, collecting->thread)) return 0;
  hgl_buf_append_bytes(collecting->out, value);
  return ++collecting->count == collecting->limit;
}

int evidence_kept(struct hgl_host *host, const struct hgl_id *id, bool twins,
                  const struct evidence_thread *thread, struct hgl_buf *out, size_t *count,
                  struct hgl_err *err)
{
  struct collecting collecting = {.thread = thread, .out = out, .limit = twins ? TWINS_MAX : 1};
  int status = hgl_store_scan(host->config.store, HGL_DB_EVIDENCE,
                              hgl_bytes(id->bytes, HGL_ID_SIZE), hgl_bytes(NULL, 0), false, collect,
                              &collecting, err);
  if (status < 0) return status;
  *count = collecting.count;
  return collecting.count ? hgl_buf_check(out, err) : -HGL_NOT_FOUND;
}
