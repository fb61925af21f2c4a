/* Finding in the journal: one message by its place or its id, a header of ours. */
#include "agent/journal.h"

enum {
  /* For a header that a peer holds against us. */
  SEARCH_SAID_MAX = 4096,
  SEARCH_ROWS_MAX = 16384,
  SEARCH_BYTES_MAX = 32 << 20,
};

struct header_search {
  struct hgl_bytes header;
  int64_t time_ms;
  size_t visited, said, bytes;
  bool found;
};

static int match_header(void *user, struct hgl_bytes key, struct hgl_bytes value,
                        struct hgl_err *err)
{
  struct header_search *search = user;
  struct journal_row row;
  struct hgl_frame frame;
  struct hgl_header header;
  search->bytes += value.size;
  if (++search->visited > SEARCH_ROWS_MAX || search->said > SEARCH_SAID_MAX ||
      search->bytes > SEARCH_BYTES_MAX)
    return hgl_fail(err, HGL_LIMIT, "not among the latest %zu rows", search->visited);
  int status = journal_decode(value, &row, err);
  if (status || row.direction != JOURNAL_SAID) return status;
  search->said++;
  if ((status = hgl_frame_decode(row.frame, &frame, err)) ||
      (status = hgl_header_decode(frame.batch.header, &header, err)))
    return status;
  search->found = hgl_bytes_equal(frame.batch.header, search->header);
  return search->found || header.time_ms < search->time_ms;
}

int journal_has_header(struct hgl_host *host, struct hgl_bytes header, int64_t time_ms, bool *found,
                       struct hgl_err *err)
{
  struct header_search search = {.header = header, .time_ms = time_ms};
  int status = hgl_store_scan(host->config.store, HGL_DB_JOURNAL, hgl_bytes(NULL, 0),
                              hgl_bytes(NULL, 0), true, match_header, &search, err);
  if (status < 0) return status;
  *found = search.found;
  return 0;
}

/* ---- messages ---- */

struct step {
  struct journal_search *search;
  size_t until;   /* of search->bytes */
  uint32_t index; /* where it has to be; UINT32_MAX: anywhere */
};

enum { FOUND = 1, PAUSED };
enum { LOOKED_FOR_MAX = 8 }; /* ids, one after the other, in the bytes */

static bool holds(struct hgl_bytes bytes, const struct hgl_id *id)
{
  return memmem(bytes.data, bytes.size, id->bytes, HGL_ID_SIZE);
}

static bool may_have(const struct journal_search *search, struct hgl_bytes bytes)
{
  if (search->within && !holds(bytes, search->within)) return false;
  if (search->id_count > LOOKED_FOR_MAX) return true; /* to decode it takes less time */
  for (size_t i = 0; i < search->id_count; i++)
    if (holds(bytes, &search->ids[i])) return true;
  return false;
}

/* An envelope is decoded where it holds an id's bytes. */
static bool is_wanted(const struct journal_search *search, struct hgl_bytes bytes,
                      struct hgl_envelope *envelope)
{
  struct hgl_err ignored;
  if (!may_have(search, bytes) || hgl_envelope_decode(bytes, envelope, &ignored)) return false;
  if (search->within && !hgl_id_equal(&envelope->thid, search->within)) return false;
  const struct hgl_id *id = search->of_threads ? &envelope->thid : &envelope->id;
  for (size_t i = 0; i < search->id_count; i++)
    if (hgl_id_equal(id, &search->ids[i])) return true;
  return false;
}

static int search_frame(const struct step *step, uint64_t number, const struct journal_row *row,
                        struct hgl_err *err)
{
  struct journal_search *search = step->search;
  struct journal_message message = {.row = row, .number = number};
  struct hgl_frame frame;
  struct hgl_frame_envelope item;
  int status = hgl_frame_decode(row->frame, &frame, err);
  if (status) return status;
  message.batch = &frame.batch;
  struct hgl_run run = frame.batch.envelopes;
  for (uint32_t i = 0; hgl_run_take_envelope(&run, &item); i++) {
    if (item.expired || (step->index != UINT32_MAX && i != step->index) ||
        !is_wanted(search, item.bytes, &message.envelope))
      continue;
    message.bytes = item.bytes;
    message.index = i;
    status = search->visit(search->user, &message, err);
    if (status != JOURNAL_ANOTHER) return status ? status : FOUND;
  }
  return 0;
}

static int search_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  const struct step *step = user;
  struct journal_search *search = step->search;
  struct journal_row row;
  if (search->bytes >= step->until) return PAUSED;
  int status = journal_decode(value, &row, err);
  if (status) return status;
  if (search->bytes_max && search->bytes >= search->bytes_max)
    return hgl_fail(err, HGL_LIMIT, "not among the latest %zu MiB of what was said and heard",
                    search->bytes_max >> 20);
  search->bytes += value.size;
  search->below = hgl_get_be64(key.data);
  bool direct = step->index != UINT32_MAX;
  return direct || may_have(search, row.frame) ? search_frame(step, search->below, &row, err) : 0;
}

int journal_visit_at(struct hgl_host *host, uint64_t row, uint32_t index, const struct hgl_id *id,
                     journal_visit visit, void *user, struct hgl_err *err)
{
  struct hgl_id wanted = *id;
  struct journal_search search = {.ids = &wanted, .id_count = 1, .visit = visit, .user = user};
  struct step step = {&search, 1, index}; /* this row and no other */
  uint8_t key[8];
  int status = hgl_store_scan(host->config.store, HGL_DB_JOURNAL, row_key(row, key),
                              hgl_bytes(NULL, 0), false, search_row, &step, err);
  if (status == FOUND) return 0;
  return status < 0 ? status : hgl_fail(err, HGL_NOT_FOUND, "it is in the journal no more");
}

int journal_search_step(struct hgl_host *host, struct journal_search *search, size_t bytes,
                        struct hgl_err *err)
{
  bool ends = bytes > SIZE_MAX - search->bytes;
  struct step step = {search, ends ? SIZE_MAX : search->bytes + bytes, UINT32_MAX};
  uint8_t key[8];
  struct hgl_bytes from = search->below ? row_key(search->below, key) : hgl_bytes(NULL, 0);
  int status = hgl_store_scan(host->config.store, HGL_DB_JOURNAL, hgl_bytes(NULL, 0), from, true,
                              search_row, &step, err);
  if (status < 0) return status;
  if (status == PAUSED) return JOURNAL_MORE;
  if (status == FOUND) return 0;
  return hgl_fail(err, HGL_NOT_FOUND,
                  search->of_threads ? "nothing of this thread is in the journal"
                                     : "no message with this id is in the journal");
}

int journal_visit_thread(struct hgl_host *host, const struct hgl_id *thid, size_t bytes_max,
                         journal_visit visit, void *user, struct hgl_err *err)
{
  struct hgl_id wanted = *thid;
  struct journal_search search = {.ids = &wanted,
                                  .id_count = 1,
                                  .of_threads = true,
                                  .bytes_max = bytes_max,
                                  .visit = visit,
                                  .user = user};
  return journal_search_step(host, &search, SIZE_MAX, err);
}

static void get_leaves(struct hgl_run run, struct hgl_hash *leaves)
{
  struct hgl_frame_envelope item;
  for (size_t i = 0; hgl_run_take_envelope(&run, &item); i++) {
    if (item.expired)
      leaves[i] = item.leaf;
    else
      hgl_merkle_leaf(item.bytes, &leaves[i]);
  }
}

int journal_evidence(struct hgl_host *host, const struct journal_message *found,
                     struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_header header;
  struct message *message = NULL;
  struct batch *batch = NULL;
  int status = hgl_header_decode(found->batch->header, &header, err);
  if (status) return status;
  struct hgl_hash *leaves = hgl_array(found->batch->envelopes.count, sizeof *leaves);
  if (!leaves) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  get_leaves(found->batch->envelopes, leaves);
  status = message_copy(found->bytes, &message, err);
  if (!status) status = batch_create(found->batch, header.time_ms, leaves, &batch, err);
  if (!status) {
    message_set_batch(message, batch, found->index);
    status = message_evidence(host, message, out, err);
  }
  batch_release(batch);
  message_release(message);
  hgl_free(leaves);
  return status;
}

struct finding {
  struct hgl_host *host;
  struct hgl_buf *evidence;
};

static int put_evidence(void *user, const struct journal_message *message, struct hgl_err *err)
{
  struct finding *finding = user;
  return journal_evidence(finding->host, message, finding->evidence, err);
}

int journal_find(struct hgl_host *host, const struct hgl_id *id, size_t bytes_max,
                 struct hgl_buf *evidence, struct hgl_err *err)
{
  struct finding finding = {host, evidence};
  struct hgl_id wanted = *id;
  struct journal_search search = {.ids = &wanted,
                                  .id_count = 1,
                                  .bytes_max = bytes_max,
                                  .visit = put_evidence,
                                  .user = &finding};
  return journal_search_step(host, &search, SIZE_MAX, err);
}
