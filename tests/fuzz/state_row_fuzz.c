// uses: hgl_lua
/* Rows of a state tree as a store might return them: every read gives a value or a failure, and
 * what was read can be changed and written again. The input is a list of rows, each: key size (1),
 * value size (2, big-endian), key, value; keys shorter than a table number are of the root. */
#include <stdlib.h>

#include "lua/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 64, VISITS_MAX = 2000 };

struct row {
  uint8_t key[512];
  size_t key_size;
  struct hgl_bytes value;
};

struct rows {
  struct row rows[ROWS_MAX];
  size_t count;
};

static struct hgl_bytes key_of(const struct row *row)
{
  return hgl_bytes(row->key, row->key_size);
}

static int get(void *user, struct hgl_bytes key, struct hgl_buf *out, struct hgl_err *err)
{
  struct rows *rows = user;
  for (size_t i = 0; i < rows->count; i++) {
    if (!hgl_bytes_equal(key_of(&rows->rows[i]), key)) continue;
    hgl_buf_append_bytes(out, rows->rows[i].value);
    return hgl_buf_check(out, err);
  }
  return hgl_fail(err, HGL_NOT_FOUND, "no such row");
}

static int put(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  return 0;
}

static int remove_row(void *user, struct hgl_bytes key, struct hgl_err *err)
{
  struct rows *rows = user;
  for (size_t i = 0; i < rows->count; i++)
    if (hgl_bytes_equal(key_of(&rows->rows[i]), key)) rows->rows[i].key_size = 0;
  return 0;
}

static int scan(void *user, struct hgl_bytes prefix,
                int (*visit)(void *visit_user, struct hgl_bytes key, struct hgl_bytes value,
                             struct hgl_err *err),
                void *visit_user, struct hgl_err *err)
{
  struct rows *rows = user;
  int status = 0;
  for (size_t i = 0; status == 0 && i < rows->count; i++) {
    struct hgl_bytes key = key_of(&rows->rows[i]);
    if (key.size >= prefix.size && memcmp(key.data, prefix.data, prefix.size) == 0)
      status = visit(visit_user, key, rows->rows[i].value, err);
  }
  return status;
}

static void read_rows(struct rows *rows, const uint8_t *data, size_t size)
{
  while (size >= 3 && rows->count < ROWS_MAX) {
    struct row *row = &rows->rows[rows->count];
    size_t key_size = data[0], value_size = (size_t)data[1] << 8 | data[2];
    data += 3, size -= 3;
    if (key_size > size) key_size = size;
    if (value_size > size - key_size) value_size = size - key_size;
    size_t table_size = key_size < 8 ? 8 : 0;
    memset(row->key, 0, 8);
    memcpy(row->key + table_size, data, key_size);
    row->key_size = table_size + key_size;
    row->value = hgl_bytes(data + key_size, value_size);
    data += key_size + value_size, size -= key_size + value_size;
    rows->count++;
  }
}

/* Reads everything that can be read, and counts. */
static void visit_all(struct hgl_state_node *node, int depth, int *visits)
{
  struct hgl_err err;
  struct hgl_state_key key;
  struct hgl_state_value value;
  bool more = false;
  int64_t length;
  if (depth > HGL_STATE_DEPTH_MAX + 1) return;
  int status = hgl_state_length(node, &length, &err);
  if (status == 0) status = hgl_state_next(node, NULL, &key, &value, &more, &err);
  while (status == 0 && more && ++*visits < VISITS_MAX) {
    if (value.kind == HGL_STATE_TABLE) visit_all(value.node, depth + 1, visits);
    status = hgl_state_next(node, &key, &key, &value, &more, &err);
  }
  if (status && status != -HGL_CORRUPT && status != -HGL_NO_MEMORY) __builtin_trap();
}

static void change(struct hgl_state *state)
{
  struct hgl_err err;
  struct hgl_state_node *root = hgl_state_root(state);
  struct hgl_state_key key, one = {.is_int = true, .integer = 1};
  struct hgl_state_value value, nil = {.kind = HGL_STATE_NIL};
  bool more = false;
  hgl_state_begin(state);
  if (hgl_state_next(root, NULL, &key, &value, &more, &err) == 0 && more) {
    if (hgl_state_set(root, &one, &value, &err) == 0) value = nil;
    if (hgl_state_set(root, &key, &nil, &err) != 0) value = nil;
  }
  hgl_state_accept(state);
  if (hgl_state_flush(state, &err) != 0 && err.code == HGL_INTERNAL) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_state *state;
  struct rows *rows = calloc(1, sizeof *rows);
  struct hgl_state_rows handle = {get, put, remove_row, scan, rows};
  struct hgl_memory memory = {.max = 4 << 20};
  int visits = 0;
  read_rows(rows, data, size);
  int status = hgl_state_create(&handle, 1 << 20, &state, &err);
  if (status && status != -HGL_CORRUPT) __builtin_trap();
  if (status == 0) {
    hgl_state_share_memory(state, &memory);
    visit_all(hgl_state_root(state), 0, &visits);
    change(state);
    visit_all(hgl_state_root(state), 0, &visits);
    hgl_state_destroy(state);
  }
  free(rows);
  return 0;
}
