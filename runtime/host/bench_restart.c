/* From starting the process to the first message handled, on the data folder of a host that was
 * killed with a long journal. Twice: all that is in the journal is acknowledged, and one message to
 * a host that is away is older than all of it. */
#include <stdio.h>

#include "base/seam.h"
#include "host/bench.h"
#include "protocol/cbor.h"
#include "protocol/did.h"

enum { RESTARTS = 9, ROWS_A_COMMIT = 20000, DRAIN_MS = 60000 };

static const char quiet[] =
    "agent.on('bench/1.0/hello', function() log.info('first message') end)\n"
    "agent.on_start(function()\n"
    "  agent.send(agent.name, 'bench/1.0/hello', { filler = string.rep('x', 600) })\n"
    "end)\n";

/* The same, and one that nobody will take. */
static int write_speaker(const struct hgl_bench *bench, char path[PATH_MAX], struct hgl_err *err)
{
  char text[2048], did[HGL_DID_TEXT_SIZE];
  uint8_t seed[HGL_SEED_SIZE];
  struct hgl_signer *stranger;
  hgl_random_fill(&hgl_random_system, seed, sizeof seed);
  int status = hgl_signer_create(seed, &stranger, err);
  if (status) return status;
  hgl_did_format(hgl_signer_key(stranger), did);
  hgl_signer_destroy(stranger);
  snprintf(text, sizeof text,
           "agent.on('bench/1.0/hello', function() log.info('first message') end)\n"
           "agent.on_start(function(reason)\n"
           "  if reason == 'created' then agent.send('%s@%s', 'bench/1.0/lost', {}) end\n"
           "  agent.send(agent.name, 'bench/1.0/hello', { filler = string.rep('x', 600) })\n"
           "end)\n",
           did, did);
  return hgl_bench_write(bench, "speaker.lua", text, path, err);
}

static int copy_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  hgl_buf_append_bytes(user, value);
  return 1;
}

static void nothing(void *user) {}

/* The row that comes next stands in the fifth place of the chain's (agent/chain.c). Gives it and
 * moves it on, as if the host had written so many rows. */
static int take_rows(struct hgl_store *store, int64_t entries, uint64_t *first, struct hgl_err *err)
{
  struct hgl_buf row, moved;
  struct hgl_bytes bytes;
  uint64_t sequence, next = 0;
  int64_t time_ms;
  size_t count;
  hgl_buf_init(&row, 1024);
  hgl_buf_init(&moved, 1024);
  int status = hgl_store_get(store, HGL_DB_META, hgl_text("chain"), &row, err);
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&row));
  if (status == -HGL_NOT_FOUND)
    status = hgl_fail(err, HGL_INTERNAL, "the host did not store its chain");
  if (!status) status = hgl_cbor_get_list(&in, "chain", 16, &count, err);
  if (!status) status = hgl_cbor_get_bytes(&in, "chain", 64, &bytes, err);
  if (!status) status = hgl_cbor_get_uint(&in, "chain", INT64_MAX, &sequence, err);
  if (!status) status = hgl_cbor_get_bytes(&in, "chain", 64, &bytes, err);
  if (!status) status = hgl_cbor_get_int(&in, "chain", &time_ms, err);
  size_t before = (size_t)(in.at - row.data);
  if (!status) status = hgl_cbor_get_uint(&in, "chain", INT64_MAX, &next, err);
  if (!status) {
    hgl_buf_append(&moved, row.data, before);
    hgl_cbor_put_uint(&moved, next + (uint64_t)entries);
    hgl_buf_append(&moved, in.at, row.size - (size_t)(in.at - row.data));
    status = hgl_buf_check(&moved, err);
  }
  if (!status)
    status = hgl_writeset_put(hgl_store_open_set(store), HGL_DB_META, hgl_text("chain"),
                              hgl_buf_bytes(&moved), err);
  *first = next;
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&moved);
  return status;
}

/* Rows like the last one that the host wrote itself, behind all of them. */
static int lengthen(struct hgl_store *store, int64_t entries, size_t *bytes, struct hgl_err *err)
{
  struct hgl_buf row;
  const struct hgl_bytes none = {0};
  uint64_t first = 0;
  hgl_buf_init(&row, HGL_STORE_VALUE_SIZE_MAX);
  int status = take_rows(store, entries, &first, err);
  if (!status)
    status = hgl_store_scan(store, HGL_DB_JOURNAL, none, none, true, copy_row, &row, err);
  status = status > 0 ? 0 : status ? status : hgl_fail(err, HGL_INTERNAL, "the journal is empty");
  for (int64_t i = 0; i < entries && !status; i++) {
    uint8_t key[8];
    hgl_put_be64(key, first + (uint64_t)i);
    status = hgl_writeset_put_new(hgl_store_open_set(store), HGL_DB_JOURNAL,
                                  hgl_bytes(key, sizeof key), hgl_buf_bytes(&row), err);
    if (status || ((i + 1) % ROWS_A_COMMIT && i + 1 < entries)) continue;
    status = hgl_store_commit(store, nothing, NULL, err);
    if (!status) status = hgl_store_drain(store, DRAIN_MS, err);
  }
  *bytes = row.size;
  hgl_buf_deinit(&row);
  return status;
}

static int measure(const struct hgl_bench *bench, const char *name, const char *script_path,
                   double samples[RESTARTS], size_t *bytes, struct hgl_err *err)
{
  char data[PATH_MAX];
  double first;
  snprintf(data, sizeof data, "%s/%s", bench->folder, name);
  int status = hgl_bench_first_message(data, script_path, false, &first, err);
  struct hgl_store *store = NULL;
  struct hgl_store_config config = {
      .folder = data, .clock = &hgl_clock_system, .log = &hgl_log_none};
  if (!status) status = hgl_store_open(&config, &store, err);
  if (!status) status = lengthen(store, bench->entries, bytes, err);
  hgl_store_close(store);
  /* The first start finds rows that no host has looked at; the others come after a kill. */
  if (!status) status = hgl_bench_first_message(data, script_path, false, &first, err);
  for (int i = 0; i < RESTARTS && !status; i++)
    status = hgl_bench_first_message(data, script_path, true, &samples[i], err);
  hgl_folder_remove(data); /* room for the next */
  return status;
}

int hgl_bench_restart(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  double acknowledged[RESTARTS], waiting[RESTARTS];
  char quiet_path[PATH_MAX], speaker_path[PATH_MAX];
  size_t bytes = 0;
  int status = hgl_bench_write(bench, "quiet.lua", quiet, quiet_path, err);
  if (!status) status = write_speaker(bench, speaker_path, err);
  if (!status) status = measure(bench, "acknowledged", quiet_path, acknowledged, &bytes, err);
  if (!status) status = measure(bench, "waiting", speaker_path, waiting, &bytes, err);
  if (status) return status;
  json_t *percentiles = hgl_bench_percentiles(acknowledged, RESTARTS);
  json_t *others = hgl_bench_percentiles(waiting, RESTARTS);
  *out = json_pack("{s:s, s:f, s:s, s:o, s:s, s:i, s:I, s:o, s:s}", "name", "restart", "value",
                   acknowledged[RESTARTS / 2], "unit", "ms", "percentiles", percentiles,
                   "percentiles_of", "process start after kill -9 to first message handled, ms",
                   "bytes", (int)bytes, "entries", (json_int_t)bench->entries,
                   "one_waiting_percentiles", others, "note",
                   "waiting is a message to a host that is away, older than all entries");
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}
