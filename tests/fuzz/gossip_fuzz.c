// uses: hgl_agent
/* A payload from a neighbour, taken twice, at the time for which the corpus was signed. */
#include <stdlib.h>

#include "agent/directory.h"
#include "base/map.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct row {
  size_t size;
  uint8_t bytes[];
};

static int on_store(void *user, struct hgl_bytes key, struct hgl_bytes row, struct hgl_err *err)
{
  struct hgl_map *rows = user;
  struct row *kept;
  hgl_free(hgl_map_remove(rows, key));
  if (!row.size) return 0;
  if (!(kept = hgl_alloc(sizeof *kept + row.size)) || hgl_map_put(rows, key, kept, err)) abort();
  kept->size = row.size;
  memcpy(kept->bytes, row.data, row.size);
  return 0;
}

static int on_read(void *user, struct hgl_bytes key, struct hgl_buf *out, struct hgl_err *err)
{
  const struct row *row = hgl_map_get(user, key);
  if (!row) return -HGL_NOT_FOUND;
  hgl_buf_append(out, row->bytes, row->size);
  return hgl_buf_check(out, err);
}

/* All rows are there. */
static void on_lost(void *user, const struct hgl_key *agent, const struct hgl_err *why)
{
  abort();
}

static void on_address(void *user, const struct hgl_key *host, struct hgl_bytes url,
                       bool from_lease)
{
}

static void receive(struct hgl_directory *directory, struct hgl_bytes payload)
{
  const struct hgl_key neighbour = {{1}};
  struct hgl_err err;
  struct hgl_buf answer, news;
  hgl_buf_init(&answer, HGL_DIRECTORY_PAYLOAD_SIZE_MAX);
  hgl_buf_init(&news, HGL_DIRECTORY_PAYLOAD_SIZE_MAX);
  (void)!hgl_directory_receive(directory, &neighbour, payload, &answer, &news, &err);
  hgl_buf_deinit(&answer);
  hgl_buf_deinit(&news);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const struct hgl_directory_events events = {on_store, on_read, on_lost, on_address};
  struct hgl_clock_virtual time = {INT64_C(1790000000000), 0};
  const struct hgl_clock clock = hgl_clock_from_virtual(&time);
  struct hgl_random_seeded state;
  const struct hgl_random random = hgl_random_from_seed(&state, 1);
  const uint8_t seed[HGL_SEED_SIZE] = {7};
  struct hgl_err err;
  struct hgl_signer *host;
  struct hgl_directory *directory;
  struct hgl_buf digest;
  struct hgl_map rows;
  struct hgl_map_slot *slot;
  hgl_map_init(&rows, 1, 2);
  if (hgl_crypto_init(&err) || hgl_signer_create(seed, &host, &err) ||
      hgl_directory_create(host, &clock, &random, &events, &rows, &directory, &err))
    abort();
  receive(directory, hgl_bytes(data, size));
  receive(directory, hgl_bytes(data, size));
  hgl_buf_init(&digest, HGL_DIRECTORY_PAYLOAD_SIZE_MAX);
  if (hgl_directory_digest(directory, &digest, &err)) abort();
  receive(directory, hgl_buf_bytes(&digest));
  hgl_buf_deinit(&digest);
  hgl_directory_destroy(directory);
  hgl_signer_destroy(host);
  for (size_t at = 0; (slot = hgl_map_next(&rows, &at));) hgl_free(slot->value);
  hgl_map_deinit(&rows);
  return 0;
}
