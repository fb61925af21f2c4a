/* What the directory has stored: leases and adverts, each with who introduced it. They are all read
 * when the host starts; later, an advert when it is to be shown. */
#include "agent/directory_table.h"

enum {
  ROW_KEY_SIZE = 1 + HGL_KEY_SIZE,
  ROW_SIZE_MAX = HGL_ADVERT_SIZE_MAX + 128,
};

static struct hgl_bytes row_key(enum hgl_dir_kind kind, const struct hgl_key *key,
                                uint8_t out[ROW_KEY_SIZE])
{
  out[0] = (uint8_t)kind;
  memcpy(out + 1, key->bytes, HGL_KEY_SIZE);
  return hgl_bytes(out, ROW_KEY_SIZE);
}

/* [introducer (empty: ours), record, delegation's sequence, its end (ms)]; 0 and 0 for a lease. */
int hgl_dir_row_store(struct hgl_directory *directory, enum hgl_dir_kind kind,
                      const struct hgl_key *key, const struct hgl_dir_introducer *introducer,
                      struct hgl_bytes record, const struct hgl_dir_terms *terms,
                      struct hgl_err *err)
{
  uint8_t bytes[ROW_KEY_SIZE];
  struct hgl_buf row;
  hgl_buf_init(&row, ROW_SIZE_MAX);
  hgl_cbor_put_list(&row, 4);
  hgl_cbor_put_bytes(&row, introducer ? hgl_key_bytes(&introducer->key) : hgl_bytes(NULL, 0));
  hgl_cbor_put_bytes(&row, record);
  hgl_cbor_put_uint(&row, terms->sequence);
  hgl_cbor_put_int(&row, terms->expires_ms);
  int status = hgl_buf_check(&row, err);
  if (!status)
    status = directory->events->store(directory->user, row_key(kind, key, bytes),
                                      hgl_buf_bytes(&row), err);
  hgl_buf_deinit(&row);
  return status;
}

void hgl_dir_row_forget(struct hgl_directory *directory, enum hgl_dir_kind kind,
                        const struct hgl_key *key)
{
  uint8_t bytes[ROW_KEY_SIZE];
  struct hgl_err ignored;
  (void)directory->events->store(directory->user, row_key(kind, key, bytes), hgl_bytes(NULL, 0),
                                 &ignored);
}

struct row {
  bool is_ours;
  struct hgl_key introducer;
  struct hgl_bytes record;
  struct hgl_dir_terms terms;
};

static int decode_row(struct hgl_bytes bytes, struct row *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  struct hgl_bytes introducer;
  struct row row = {0};
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "row", 4, &count, err))) return status;
  if (count != 4) return hgl_fail(err, HGL_MALFORMED, "a row has four parts");
  if ((status = hgl_cbor_get_bytes(&in, "introducer", HGL_KEY_SIZE, &introducer, err)) ||
      (status = hgl_cbor_get_bytes(&in, "record", HGL_ADVERT_SIZE_MAX, &row.record, err)) ||
      (status = hgl_cbor_get_uint(&in, "sequence", HGL_COUNTER_MAX, &row.terms.sequence, err)) ||
      (status = hgl_cbor_get_int(&in, "end", &row.terms.expires_ms, err)) ||
      (status = hgl_cbor_end(&in, "row", err)))
    return status;
  row.is_ours = !introducer.size;
  if (!row.is_ours && introducer.size != HGL_KEY_SIZE)
    return hgl_fail(err, HGL_MALFORMED, "an introducer is a key");
  if (introducer.size) memcpy(row.introducer.bytes, introducer.data, HGL_KEY_SIZE);
  *out = row;
  return 0;
}

/* Reading back --------------------------------------------------------------------------------- */

void hgl_dir_stored_init(struct hgl_dir_stored *stored)
{
  stored->evidence = hgl_bytes(NULL, 0);
  hgl_buf_init(&stored->row, ROW_SIZE_MAX);
}

void hgl_dir_stored_deinit(struct hgl_dir_stored *stored)
{
  hgl_buf_deinit(&stored->row);
}

static int read_advert(const struct hgl_directory *directory, const struct hgl_dir_advert *advert,
                       struct hgl_dir_stored *stored, struct hgl_err *err)
{
  uint8_t bytes[ROW_KEY_SIZE];
  struct row row;
  hgl_buf_clear(&stored->row);
  int status = directory->events->read(
      directory->user, row_key(HGL_DIR_ADVERT, &advert->agent, bytes), &stored->row, err);
  if (status == -HGL_NOT_FOUND) return hgl_fail(err, HGL_NOT_FOUND, "its row is gone");
  if (status || (status = decode_row(hgl_buf_bytes(&stored->row), &row, err)) ||
      (status = hgl_advert_decode(row.record, &stored->advert, err)))
    return status;
  if (stored->advert.version != advert->version ||
      !hgl_key_equal(&stored->advert.agent, &advert->agent) ||
      !hgl_key_equal(&stored->advert.host, &advert->host->key))
    return hgl_fail(err, HGL_CORRUPT, "its row is that of another advert");
  stored->evidence = row.record;
  return 0;
}

int hgl_dir_stored_read(struct hgl_directory *directory, struct hgl_dir_advert *advert,
                        struct hgl_dir_stored *stored, struct hgl_err *err)
{
  int status = read_advert(directory, advert, stored, err);
  if (!status || status == -HGL_NO_MEMORY) return status;
  const struct hgl_key agent = advert->agent;
  hgl_dir_advert_drop(directory, advert);
  directory->events->lost(directory->user, &agent, err);
  return status;
}

/* Starting ------------------------------------------------------------------------------------- */

static int load_lease(struct hgl_directory *directory, struct hgl_bytes key, const struct row *row,
                      struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  struct hgl_lease lease;
  int status = hgl_lease_decode(row->record, &lease, err);
  if (status) return status;
  bool is_own = hgl_key_equal(&lease.host, &directory->own->key);
  if (is_own != row->is_ours || !hgl_bytes_equal(key, hgl_key_bytes(&lease.host)))
    return hgl_fail(err, HGL_CORRUPT, "a lease stored as another's");
  if (!is_own && lease.until_ms <= hgl_wall_ms(directory->clock)) {
    hgl_dir_row_forget(directory, HGL_DIR_LEASE, &lease.host);
    return 0;
  }
  if ((status = hgl_dir_lease_load(directory, &lease, row->record, introducer, err))) return status;
  for (size_t i = 0; !is_own && i < lease.url_count; i++)
    directory->events->address(directory->user, &lease.host, lease.urls[i], true);
  return 0;
}

static int load_advert(struct hgl_directory *directory, struct hgl_bytes key, const struct row *row,
                       struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  struct hgl_advert advert;
  int status = hgl_advert_decode(row->record, &advert, err);
  if (status) return status;
  bool is_own = hgl_key_equal(&advert.host, &directory->own->key);
  if (is_own != row->is_ours || !hgl_bytes_equal(key, hgl_key_bytes(&advert.agent)))
    return hgl_fail(err, HGL_CORRUPT, "an advert stored as another's");
  if (row->terms.expires_ms <= hgl_wall_ms(directory->clock) ||
      !hgl_dir_host_get(directory, &advert.host)) {
    hgl_dir_row_forget(directory, HGL_DIR_ADVERT, &advert.agent);
    return 0;
  }
  return hgl_dir_advert_load(directory, &advert, &row->terms, row->record, introducer, err);
}

int hgl_directory_load(struct hgl_directory *directory, struct hgl_bytes key, struct hgl_bytes row,
                       struct hgl_err *err)
{
  struct row parts;
  struct hgl_dir_introducer *introducer = NULL;
  int status;
  if (key.size != ROW_KEY_SIZE || (key.data[0] != HGL_DIR_LEASE && key.data[0] != HGL_DIR_ADVERT))
    return hgl_fail(err, HGL_CORRUPT, "directory: no row has such a key");
  const struct hgl_bytes of = hgl_bytes(key.data + 1, HGL_KEY_SIZE);
  if (!(status = decode_row(row, &parts, err)) && !parts.is_ours)
    status = hgl_dir_introducer_get(directory, &parts.introducer, &introducer, err);
  if (!status)
    status = key.data[0] == HGL_DIR_LEASE ? load_lease(directory, of, &parts, introducer, err)
                                          : load_advert(directory, of, &parts, introducer, err);
  if (status && status != -HGL_NO_MEMORY && status != -HGL_CORRUPT)
    return hgl_fail(err, HGL_CORRUPT, "directory: a stored row does not pass its checks");
  return status;
}
