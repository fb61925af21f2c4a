#include "host/test_state.h"

#include <string.h>

#include "agent/host.h"
#include "base/mem.h"

struct hgl_stored_state {
  struct hgl_store *store;
  uint8_t number[8]; /* what the agent's rows begin with */
  struct hgl_state *state;
};

static struct hgl_bytes full_key(const struct hgl_stored_state *stored, struct hgl_bytes key,
                                 uint8_t out[HGL_STORE_KEY_SIZE_MAX])
{
  size_t size = key.size < HGL_STORE_KEY_SIZE_MAX - 8 ? key.size : HGL_STORE_KEY_SIZE_MAX - 8;
  memcpy(out, stored->number, 8);
  if (size) memcpy(out + 8, key.data, size);
  return hgl_bytes(out, 8 + size);
}

static int get_row(void *user, struct hgl_bytes key, struct hgl_buf *out, struct hgl_err *err)
{
  const struct hgl_stored_state *stored = user;
  uint8_t full[HGL_STORE_KEY_SIZE_MAX];
  return hgl_store_get(stored->store, HGL_DB_STATE, full_key(stored, key, full), out, err);
}

struct scan {
  int (*visit)(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err);
  void *user;
};

static int visit_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  const struct scan *scan = user;
  return scan->visit(scan->user, hgl_bytes(key.data + 8, key.size - 8), value, err);
}

static int scan_rows(void *user, struct hgl_bytes prefix,
                     int (*visit)(void *user, struct hgl_bytes key, struct hgl_bytes value,
                                  struct hgl_err *err),
                     void *visit_user, struct hgl_err *err)
{
  const struct hgl_stored_state *stored = user;
  struct scan scan = {visit, visit_user};
  uint8_t full[HGL_STORE_KEY_SIZE_MAX];
  return hgl_store_scan(stored->store, HGL_DB_STATE, full_key(stored, prefix, full),
                        hgl_bytes(NULL, 0), false, visit_row, &scan, err);
}

int hgl_stored_state_open(struct hgl_store *store, struct hgl_bytes row,
                          struct hgl_stored_state **out, struct hgl_err *err)
{
  uint64_t number;
  int status = hgl_agent_row_number(row, &number, err);
  if (status) return status;
  struct hgl_stored_state *stored = hgl_zalloc(sizeof *stored);
  if (!stored) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  stored->store = store;
  hgl_put_be64(stored->number, number);
  const struct hgl_state_rows rows = {.get = get_row, .scan = scan_rows, .user = stored};
  if ((status = hgl_state_create(&rows, SIZE_MAX, &stored->state, err))) {
    hgl_free(stored);
    return status;
  }
  *out = stored;
  return 0;
}

void hgl_stored_state_close(struct hgl_stored_state *stored)
{
  if (!stored) return;
  hgl_state_destroy(stored->state);
  hgl_free(stored);
}

struct hgl_state_node *hgl_stored_state_root(struct hgl_stored_state *stored)
{
  return hgl_state_root(stored->state);
}
