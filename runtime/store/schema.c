#include "store/schema.h"

#include "base/mem.h"
#include "protocol/cbor.h"

/* A deal's row begins with when it was written: [time ms, record]. */
static int put_deal_time(struct hgl_writeset *changes, const struct hgl_entry *deal,
                         struct hgl_err *err)
{
  uint8_t key[HGL_STORE_KEY_SIZE_MAX];
  struct hgl_cbor_reader in = hgl_cbor_reader(deal->value);
  size_t count;
  int64_t time_ms;
  if (hgl_cbor_get_list(&in, "deal", 2, &count, err) ||
      hgl_cbor_get_int(&in, "deal.time", &time_ms, err) || deal->key.size > sizeof key - 8)
    return hgl_fail(err, HGL_CORRUPT, "a deal's row is damaged");
  hgl_put_be64(key, (uint64_t)time_ms);
  memcpy(key + 8, deal->key.data, deal->key.size);
  return hgl_writeset_put(changes, HGL_DB_DEAL_TIMES, hgl_bytes(key, 8 + deal->key.size),
                          hgl_bytes(NULL, 0), err);
}

/* A dialogue's row ends with the time of its last step: not known, 0. */
static int put_dialogue_time(struct hgl_writeset *changes, const struct hgl_entry *dialogue,
                             struct hgl_err *err)
{
  struct hgl_buf value;
  uint8_t unknown[8] = {0};
  hgl_buf_init(&value, HGL_STORE_VALUE_SIZE_MAX);
  hgl_buf_append_bytes(&value, dialogue->value);
  hgl_buf_append(&value, unknown, sizeof unknown);
  int status = hgl_buf_check(&value, err);
  if (!status)
    status = hgl_writeset_put(changes, HGL_DB_DIALOGUES, dialogue->key, hgl_buf_bytes(&value), err);
  hgl_buf_deinit(&value);
  return status;
}

static int each_row(struct hgl_backend *backend, enum hgl_db db, struct hgl_writeset *changes,
                    int (*put)(struct hgl_writeset *changes, const struct hgl_entry *row,
                               struct hgl_err *err),
                    struct hgl_err *err)
{
  struct hgl_cursor cursor = {.backend = backend, .db = db};
  struct hgl_entry row;
  int status = backend->calls->open_cursor(&cursor, err);
  if (status) return status;
  status = backend->calls->first(&cursor, hgl_bytes(NULL, 0), &row, err);
  while (status > 0) {
    status = put(changes, &row, err);
    status = status ? status : backend->calls->next(&cursor, &row, err);
  }
  backend->calls->close_cursor(&cursor);
  return status;
}

/* Version 1 did not have DEAL_TIMES, and did not know when a dialogue was last stepped. */
static int add_times(struct hgl_backend *backend, struct hgl_writeset *changes, struct hgl_err *err)
{
  int status = each_row(backend, HGL_DB_DEALS, changes, put_deal_time, err);
  return status ? status : each_row(backend, HGL_DB_DIALOGUES, changes, put_dialogue_time, err);
}

/* Version 0 had no schema row, and was otherwise like version 1. */
const struct hgl_migration hgl_migrations[HGL_STORE_SCHEMA] = {{NULL}, {add_times}};

static struct hgl_bytes schema_key(void)
{
  return hgl_text("schema");
}

static int read_version(struct hgl_backend *backend, uint32_t *version, struct hgl_err *err)
{
  struct hgl_buf row;
  hgl_buf_init(&row, 64);
  int status = backend->calls->get(backend, HGL_DB_META, schema_key(), &row, err);
  if (status == 0 && row.size == 8 && hgl_get_be64(row.data) <= UINT32_MAX)
    *version = (uint32_t)hgl_get_be64(row.data);
  else if (status == 0 || status == -HGL_TOO_LARGE)
    status = hgl_fail(err, HGL_CORRUPT, "the schema row is damaged");
  else if (status == -HGL_NOT_FOUND)
    *version = 0, status = 0;
  hgl_buf_deinit(&row);
  return status;
}

/* Applies the changes and the new version in one go. */
static int apply_version(struct hgl_backend *backend, struct hgl_writeset *changes,
                         uint32_t version, struct hgl_err *err)
{
  uint8_t number[8];
  hgl_put_be64(number, version);
  int status = hgl_writeset_put(changes, HGL_DB_META, schema_key(),
                                hgl_bytes(number, sizeof number), err);
  if (status) return status;
  size_t count = hgl_writeset_count(changes);
  const struct hgl_row **rows = hgl_array(count, sizeof *rows);
  if (!rows) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_writeset_sorted(changes, rows);
  status = backend->calls->apply(backend, rows, count, err);
  backend->calls->refresh(backend);
  hgl_free(rows);
  return status;
}

int hgl_schema_init(struct hgl_backend *backend, struct hgl_err *err)
{
  struct hgl_writeset *changes;
  int status = hgl_writeset_create(&changes, err);
  if (status) return status;
  status = apply_version(backend, changes, HGL_STORE_SCHEMA, err);
  hgl_writeset_destroy(changes);
  return status;
}

int hgl_schema_migrate(struct hgl_backend *backend, const struct hgl_migration *steps,
                       uint32_t target, uint32_t *was, struct hgl_err *err)
{
  uint32_t version = 0;
  int status = read_version(backend, &version, err);
  if (status) return status;
  if (version > target)
    return hgl_fail(err, HGL_NEWER,
                    "the data folder is of version %u, this program knows up to %u: use the newer "
                    "program, or another folder",
                    version, target);
  uint32_t found = version;
  struct hgl_writeset *changes;
  status = hgl_writeset_create(&changes, err);
  if (status) return status;
  for (; version < target && status == 0; version++) {
    hgl_writeset_clear(changes);
    if (steps[version].step) status = steps[version].step(backend, changes, err);
    if (status == 0) status = apply_version(backend, changes, version + 1, err);
    if (status) hgl_fail_in(err, "bringing the store from version %u to %u", version, version + 1);
  }
  hgl_writeset_destroy(changes);
  if (status == 0) *was = found;
  return status;
}
