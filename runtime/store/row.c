#include <assert.h>

#include "base/map.h"
#include "store/backend.h"

const char *hgl_db_name(enum hgl_db db)
{
  static const char *const names[HGL_DB_COUNT] = {
      [HGL_DB_META] = "meta",
      [HGL_DB_STATE] = "state",
      [HGL_DB_MAILBOX] = "mailbox",
      [HGL_DB_OUTBOX] = "outbox",
      [HGL_DB_JOURNAL] = "journal",
      [HGL_DB_RUNS] = "runs",
      [HGL_DB_TIMERS] = "timers",
      [HGL_DB_DIALOGUES] = "dialogues",
      [HGL_DB_PEERS] = "peers",
      [HGL_DB_DELEGATIONS] = "delegations",
      [HGL_DB_DIRECTORY] = "directory",
      [HGL_DB_DEALS] = "deals",
      [HGL_DB_EVIDENCE] = "evidence",
      [HGL_DB_DEAD] = "dead",
      [HGL_DB_AGENTS] = "agents",
      [HGL_DB_PROOFS] = "proofs",
      [HGL_DB_DEAL_TIMES] = "deal_times",
      [HGL_DB_UNACKED] = "unacked",
      [HGL_DB_SCRIPTS] = "scripts",
  };
  assert(db >= 0 && db < HGL_DB_COUNT);
  return names[db];
}

/* Against bad disks, not against people: the key is fixed. Key and value are hashed one after the
 * other, so that nothing has to be put together first. */
void hgl_row_checksum(enum hgl_db db, struct hgl_bytes key, struct hgl_bytes value,
                      uint8_t out[HGL_CHECKSUM_SIZE])
{
  uint64_t seed[2] = {0x656c676761682e31u, (uint64_t)db};
  seed[0] = hgl_siphash13(seed, key.data, key.size);
  hgl_put_be64(out, hgl_siphash13(seed, value.data, value.size));
}

int hgl_row_check(enum hgl_db db, struct hgl_bytes key, struct hgl_bytes stored,
                  struct hgl_bytes *value, struct hgl_err *err)
{
  uint8_t expected[HGL_CHECKSUM_SIZE];
  if (stored.size >= HGL_CHECKSUM_SIZE) {
    struct hgl_bytes inner = hgl_bytes(stored.data, stored.size - HGL_CHECKSUM_SIZE);
    hgl_row_checksum(db, key, inner, expected);
    if (memcmp(expected, inner.data + inner.size, HGL_CHECKSUM_SIZE) == 0) {
      *value = inner;
      return 0;
    }
  }
  return hgl_fail(err, HGL_CORRUPT,
                  "a row of '%s' does not match its checksum: the data file is damaged; "
                  "restore the data folder from a backup",
                  hgl_db_name(db));
}
