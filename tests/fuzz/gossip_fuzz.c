// uses: hgl_agent
/* A payload from a neighbour, taken twice, at the time for which the corpus was signed. */
#include <stdlib.h>

#include "agent/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_store(void *user, struct hgl_bytes key, struct hgl_bytes row) {}

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
  static const struct hgl_directory_events events = {on_store, on_address};
  struct hgl_clock_virtual time = {INT64_C(1790000000000), 0};
  const struct hgl_clock clock = hgl_clock_from_virtual(&time);
  struct hgl_random_seeded state;
  const struct hgl_random random = hgl_random_from_seed(&state, 1);
  const uint8_t seed[HGL_SEED_SIZE] = {7};
  struct hgl_err err;
  struct hgl_signer *host;
  struct hgl_directory *directory;
  struct hgl_buf digest;
  if (hgl_crypto_init(&err) || hgl_signer_create(seed, &host, &err) ||
      hgl_directory_create(host, &clock, &random, &events, NULL, &directory, &err))
    abort();
  receive(directory, hgl_bytes(data, size));
  receive(directory, hgl_bytes(data, size));
  hgl_buf_init(&digest, HGL_DIRECTORY_PAYLOAD_SIZE_MAX);
  if (hgl_directory_digest(directory, &digest, &err)) abort();
  receive(directory, hgl_buf_bytes(&digest));
  hgl_buf_deinit(&digest);
  hgl_directory_destroy(directory);
  hgl_signer_destroy(host);
  return 0;
}
