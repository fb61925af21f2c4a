/* Erasing what is stored of agents that are to be forgotten: a bounded number of rows in each tick,
 * so that a large state holds up nobody. A note in META says what is not finished; it also keeps
 * the agent's number from being given to another one after a restart. */
#include "agent/supervise.h"

enum { ROWS_PER_TICK = 2048, NOTE_KEY_SIZE = 64 };

static const enum hgl_db databases[] = {HGL_DB_STATE,  HGL_DB_MAILBOX,   HGL_DB_RUNS,
                                        HGL_DB_TIMERS, HGL_DB_DIALOGUES, HGL_DB_DEALS};
static const char note_prefix[] = "erase/";

static struct hgl_bytes note_key(uint64_t number, uint8_t out[NOTE_KEY_SIZE])
{
  memcpy(out, note_prefix, sizeof note_prefix - 1);
  hgl_put_be64(out + sizeof note_prefix - 1, number);
  return hgl_bytes(out, sizeof note_prefix - 1 + 8);
}

static int remember(struct hgl_host *host, uint64_t number, struct hgl_err *err)
{
  if (!HGL_GROW(host->erasing, host->erasing_count, host->erasing_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  host->erasing[host->erasing_count++] = number;
  if (number > host->next_agent_number) host->next_agent_number = number;
  return 0;
}

static int load_note(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  if (key.size != sizeof note_prefix - 1 + 8)
    return hgl_fail(err, HGL_CORRUPT, "a stored note of what is to be erased has a bad key");
  return remember(user, hgl_get_be64(key.data + sizeof note_prefix - 1), err);
}

int erase_load(struct hgl_host *host, struct hgl_err *err)
{
  return hgl_store_scan(host->config.store, HGL_DB_META,
                        hgl_bytes(note_prefix, sizeof note_prefix - 1), hgl_bytes(NULL, 0), false,
                        load_note, host, err);
}

static int load_number(struct hgl_host *host, const char *name, uint64_t *out, struct hgl_err *err)
{
  struct hgl_buf row;
  hgl_buf_init(&row, 4096);
  int status = hgl_store_get(host->config.store, HGL_DB_AGENTS, hgl_text(name), &row, err);
  if (!status) status = hgl_agent_row_number(hgl_buf_bytes(&row), out, err);
  hgl_buf_deinit(&row);
  return status;
}

int erase_agent(struct hgl_host *host, const char *name, struct hgl_err *err)
{
  uint8_t key[NOTE_KEY_SIZE];
  uint64_t number;
  struct hgl_writeset *writes = host_writes(host);
  int status = load_number(host, name, &number, err);
  if (status == -HGL_NOT_FOUND) return 0; /* it never ran */
  if (status || (status = hgl_writeset_delete(writes, HGL_DB_AGENTS, hgl_text(name), err)) ||
      (status = hgl_writeset_put(writes, HGL_DB_META, note_key(number, key), hgl_text("1"), err)))
    return status;
  return remember(host, number, err);
}

struct erasing {
  struct hgl_host *host;
  enum hgl_db db;
  int left; /* rows that may go in this tick */
};

static int erase_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct erasing *erasing = user;
  int status = hgl_writeset_delete(host_writes(erasing->host), erasing->db, key, err);
  return status ? status : --erasing->left == 0;
}

int erase_some(struct hgl_host *host, struct hgl_err *err)
{
  uint64_t number = host->erasing[host->erasing_count - 1];
  struct erasing erasing = {.host = host, .left = ROWS_PER_TICK};
  uint8_t prefix[8], key[NOTE_KEY_SIZE];
  int status = 0;
  for (size_t i = 0; i < sizeof databases / sizeof *databases && !status; i++) {
    erasing.db = databases[i];
    status = hgl_store_scan(host->config.store, erasing.db, row_key(number, prefix),
                            hgl_bytes(NULL, 0), false, erase_row, &erasing, err);
  }
  host_request_tick(host);
  if (status) return status < 0 ? status : 0; /* more in the next tick */
  host->erasing_count--;
  return hgl_writeset_delete(host_writes(host), HGL_DB_META, note_key(number, key), err);
}

void erase_deinit(struct hgl_host *host)
{
  hgl_free(host->erasing);
}
