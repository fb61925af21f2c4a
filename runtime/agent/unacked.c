/* Which rows of the journal are not acknowledged, so that a start need not look through all of it
 * for a message that has been waiting for long. Groups that wait when the index is brought up to
 * date are named in UNACKED; whatever came later is found from the row on that META names. So what
 * is acknowledged soon, which is nearly everything, costs nothing. */
#include "agent/groups.h"
#include "agent/journal.h"

enum { ROWS_BETWEEN = 8192 };

static const char from_key[] = "unacked-from";

int unacked_add(struct hgl_host *host, struct group *group, struct hgl_err *err)
{
  static const uint8_t present[] = {1};
  uint8_t key[8];
  if (group->indexed || !group->row) return 0;
  int status = hgl_writeset_put(host_writes(host), HGL_DB_UNACKED, row_key(group->row, key),
                                hgl_bytes(present, sizeof present), err);
  group->indexed = status == 0;
  return status;
}

int unacked_remove(struct hgl_host *host, const struct group *group, struct hgl_err *err)
{
  uint8_t key[8];
  if (!group->indexed) return 0;
  return hgl_writeset_delete(host_writes(host), HGL_DB_UNACKED, row_key(group->row, key), err);
}

bool unacked_due(const struct hgl_host *host)
{
  return host->next_row - host->unacked_from >= ROWS_BETWEEN;
}

int unacked_update(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_map_slot *slot;
  uint8_t from[8];
  int status = 0;
  for (size_t i = 0; !status && (slot = hgl_map_next(&host->peers, &i));) {
    const struct peer *peer = slot->value;
    for (struct group *group = peer->groups; group && !status; group = group->next)
      status = unacked_add(host, group, err);
  }
  if (status) return status;
  host->unacked_from = host->next_row;
  return hgl_writeset_put(host_writes(host), HGL_DB_META, hgl_text(from_key),
                          row_key(host->unacked_from, from), err);
}

/* ---- loading ---- */

struct load {
  struct hgl_host *host;
  hgl_store_visit group;
};

/* A row that is no longer of use goes: another program may have taken the acknowledgement. */
static int load_one(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  const struct load *load = user;
  struct hgl_host *host = load->host;
  struct journal_row row;
  struct hgl_buf journal;
  struct peer *peer = NULL;
  hgl_buf_init(&journal, HGL_STORE_VALUE_SIZE_MAX);
  int status = hgl_store_get(host->config.store, HGL_DB_JOURNAL, key, &journal, err);
  bool gone = status == -HGL_NOT_FOUND;
  if (!status) status = journal_decode(hgl_buf_bytes(&journal), &row, err);
  if (!status) {
    peer = hgl_map_get(&host->peers, hgl_key_bytes(&row.peer));
    status = load->group(host, key, hgl_buf_bytes(&journal), err);
  }
  if (!status || gone) {
    uint64_t number = hgl_get_be64(key.data);
    if (peer && peer->groups_last && peer->groups_last->row == number)
      peer->groups_last->indexed = true;
    else
      status = hgl_writeset_delete(host_writes(host), HGL_DB_UNACKED, key, err);
  }
  hgl_buf_deinit(&journal);
  return status;
}

int unacked_load(struct hgl_host *host, hgl_store_visit group, struct hgl_err *err)
{
  struct load load = {host, group};
  struct hgl_buf from;
  hgl_buf_init(&from, 64);
  int status = hgl_store_get(host->config.store, HGL_DB_META, hgl_text(from_key), &from, err);
  if (!status && from.size == 8) host->unacked_from = hgl_get_be64(from.data);
  hgl_buf_deinit(&from);
  if (status == -HGL_NOT_FOUND) return 0; /* everything is found from the first row on */
  if (status) return status;
  return hgl_store_scan(host->config.store, HGL_DB_UNACKED, hgl_bytes(NULL, 0), hgl_bytes(NULL, 0),
                        false, load_one, &load, err);
}
