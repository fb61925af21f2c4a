#include "agent/directory.h"

#include "agent/directory_table.h"
#include "base/mem.h"

enum {
  ROW_LEASE = 1, /* first bytes of row keys: leases come before the adverts that need them */
  ROW_ADVERT = 2,
  ROW_KEY_SIZE = 1 + HGL_KEY_SIZE,
  ROW_SIZE_MAX = HGL_ADVERT_SIZE_MAX + 128,
  INTRODUCERS_MAX = 4096, /* those with records not counted */
};

/* Lists ---------------------------------------------------------------------------------------- */

void hgl_dir_link_init(struct hgl_dir_link *link)
{
  link->previous = link->next = link;
}

void hgl_dir_link_remove(struct hgl_dir_link *link)
{
  link->previous->next = link->next;
  link->next->previous = link->previous;
  hgl_dir_link_init(link);
}

void hgl_dir_link_push(struct hgl_dir_link *list, struct hgl_dir_link *link)
{
  link->previous = list;
  link->next = list->next;
  link->next->previous = link;
  list->next = link;
}

/* Looking up ----------------------------------------------------------------------------------- */

struct hgl_dir_host *hgl_dir_host_get(const struct hgl_directory *directory,
                                      const struct hgl_key *key)
{
  return hgl_map_get(&directory->hosts, hgl_key_bytes(key));
}

struct hgl_dir_advert *hgl_dir_advert_get(const struct hgl_directory *directory,
                                          const struct hgl_key *agent)
{
  return hgl_map_get(&directory->adverts, hgl_key_bytes(agent));
}

bool hgl_dir_advert_is_live(const struct hgl_directory *directory,
                            const struct hgl_dir_advert *advert)
{
  int64_t now = hgl_wall_ms(directory->clock);
  bool host_is_live = advert->host == directory->own || advert->host->until_ms > now;
  return !advert->withdrawn && host_is_live && advert->expires_ms > now;
}

/* Introducers ---------------------------------------------------------------------------------- */

/* Neighbours that left nothing behind are forgotten once there are many of them. */
static void sweep_introducers(struct hgl_directory *directory)
{
  struct hgl_map_slot *slot;
  struct hgl_dir_introducer *idle[64];
  size_t count;
  do {
    count = 0;
    for (size_t at = 0; count < 64 && (slot = hgl_map_next(&directory->introducers, &at));) {
      struct hgl_dir_introducer *introducer = slot->value;
      if (!introducer->host_count && !introducer->advert_count) idle[count++] = introducer;
    }
    for (size_t i = 0; i < count; i++) {
      hgl_map_remove(&directory->introducers, hgl_key_bytes(&idle[i]->key));
      hgl_free(idle[i]);
    }
  } while (count == 64);
}

int hgl_dir_introducer_get(struct hgl_directory *directory, const struct hgl_key *key,
                           struct hgl_dir_introducer **out, struct hgl_err *err)
{
  struct hgl_dir_introducer *introducer = hgl_map_get(&directory->introducers, hgl_key_bytes(key));
  if (!introducer) {
    if (directory->introducers.count >= INTRODUCERS_MAX) sweep_introducers(directory);
    introducer = hgl_zalloc(sizeof *introducer);
    if (!introducer) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a neighbour");
    introducer->key = *key;
    introducer->checks = HGL_DIRECTORY_CHECKS_BURST;
    introducer->refilled_ns = hgl_mono_ns(directory->clock);
    hgl_dir_link_init(&introducer->hosts);
    hgl_dir_link_init(&introducer->adverts);
    int status = hgl_map_put(&directory->introducers, hgl_key_bytes(key), introducer, err);
    if (status) {
      hgl_free(introducer);
      return status;
    }
  }
  *out = introducer;
  return 0;
}

static size_t host_weight(const struct hgl_dir_introducer *introducer)
{
  return introducer->host_count;
}

static size_t advert_weight(const struct hgl_dir_introducer *introducer)
{
  return introducer->advert_count;
}

/* Who has to give way to a new record of `introducer` (NULL: ours)? NULL: nobody. */
static struct hgl_dir_introducer *find_heaviest(const struct hgl_directory *directory,
                                                size_t (*weight)(const struct hgl_dir_introducer *),
                                                const struct hgl_dir_introducer *introducer)
{
  struct hgl_dir_introducer *heaviest = NULL;
  struct hgl_map_slot *slot;
  for (size_t at = 0; (slot = hgl_map_next(&directory->introducers, &at));) {
    struct hgl_dir_introducer *other = slot->value;
    if (weight(other) && (!heaviest || weight(other) > weight(heaviest))) heaviest = other;
  }
  bool is_lighter = heaviest && introducer && weight(heaviest) <= weight(introducer);
  return is_lighter ? NULL : heaviest;
}

static int make_room_for_host(struct hgl_directory *directory,
                              const struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  if (directory->hosts.count < HGL_DIRECTORY_HOSTS_MAX) return 0;
  struct hgl_dir_introducer *heaviest = find_heaviest(directory, host_weight, introducer);
  if (!heaviest) return hgl_fail(err, HGL_LIMIT, "the directory knows too many hosts");
  hgl_dir_host_drop(directory,
                    HGL_DIR_ENTRY(heaviest->hosts.next, struct hgl_dir_host, of_introducer));
  return 0;
}

static int make_room_for_advert(struct hgl_directory *directory,
                                const struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  if (directory->adverts.count < HGL_DIRECTORY_ADVERTS_MAX) return 0;
  struct hgl_dir_introducer *heaviest = find_heaviest(directory, advert_weight, introducer);
  if (!heaviest) return hgl_fail(err, HGL_LIMIT, "the directory knows too many adverts");
  hgl_dir_advert_drop(directory,
                      HGL_DIR_ENTRY(heaviest->adverts.next, struct hgl_dir_advert, of_introducer));
  return 0;
}

/* Rows ----------------------------------------------------------------------------------------- */

static void store_row(struct hgl_directory *directory, int kind, const struct hgl_key *key,
                      struct hgl_bytes row)
{
  uint8_t bytes[ROW_KEY_SIZE] = {(uint8_t)kind};
  memcpy(bytes + 1, key->bytes, HGL_KEY_SIZE);
  directory->events->store(directory->user, hgl_bytes(bytes, sizeof bytes), row);
}

/* [introducer (empty: ours), record, delegation's sequence, its end (ms)]; 0 and 0 for a lease. */
static int encode_row(const struct hgl_dir_introducer *introducer, struct hgl_bytes record,
                      const struct hgl_dir_terms *terms, struct hgl_buf *out, struct hgl_err *err)
{
  hgl_cbor_put_list(out, 4);
  hgl_cbor_put_bytes(out, introducer ? hgl_key_bytes(&introducer->key) : hgl_bytes(NULL, 0));
  hgl_cbor_put_bytes(out, record);
  hgl_cbor_put_uint(out, terms->sequence);
  hgl_cbor_put_int(out, terms->expires_ms);
  return hgl_buf_check(out, err);
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

/* Hosts ---------------------------------------------------------------------------------------- */

static void forget_order(struct hgl_dir_host *host)
{
  hgl_free(host->sorted);
  host->sorted = NULL;
}

static void free_host(struct hgl_dir_host *host)
{
  hgl_free(host->sorted);
  hgl_free(host->lease);
  hgl_free(host);
}

static struct hgl_dir_host *make_host(const struct hgl_key *key)
{
  struct hgl_dir_host *host = hgl_zalloc(sizeof *host);
  if (!host) return NULL;
  host->key = *key;
  hgl_dir_link_init(&host->of_introducer);
  hgl_dir_link_init(&host->adverts);
  return host;
}

static int add_host(struct hgl_directory *directory, const struct hgl_key *key,
                    struct hgl_dir_introducer *introducer, struct hgl_dir_host **out,
                    struct hgl_err *err)
{
  int status = make_room_for_host(directory, introducer, err);
  if (status) return status;
  struct hgl_dir_host *host = make_host(key);
  if (!host) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a host");
  if ((status = hgl_map_put(&directory->hosts, hgl_key_bytes(key), host, err))) {
    free_host(host);
    return status;
  }
  host->introducer = introducer;
  if (introducer) {
    introducer->host_count++;
    hgl_dir_link_push(&introducer->hosts, &host->of_introducer);
  }
  *out = host;
  return 0;
}

int hgl_dir_lease_put(struct hgl_directory *directory, const struct hgl_lease *lease,
                      struct hgl_bytes bytes, struct hgl_dir_introducer *introducer,
                      struct hgl_err *err)
{
  struct hgl_dir_host *host = hgl_dir_host_get(directory, &lease->host);
  const struct hgl_dir_terms no_terms = {0};
  struct hgl_buf row;
  hgl_buf_init(&row, ROW_SIZE_MAX);
  uint8_t *copy = hgl_memdup(bytes.data, bytes.size);
  int status = copy ? 0 : hgl_fail(err, HGL_NO_MEMORY, "no memory for a lease");
  if (!status)
    status = encode_row(host ? host->introducer : introducer, bytes, &no_terms, &row, err);
  if (!status && !host) status = add_host(directory, &lease->host, introducer, &host, err);
  if (status) goto done;

  hgl_heap_remove(&directory->hosts_expiring, &host->expiry);
  if (host != directory->own &&
      (status = hgl_heap_push(&directory->hosts_expiring, &host->expiry, lease->until_ms, err))) {
    hgl_dir_host_drop(directory, host);
    goto done;
  }
  hgl_free(host->lease);
  host->lease = copy;
  copy = NULL;
  host->lease_size = bytes.size;
  host->version = lease->version;
  host->until_ms = lease->until_ms;
  store_row(directory, ROW_LEASE, &host->key, hgl_buf_bytes(&row));
done:
  hgl_buf_deinit(&row);
  hgl_free(copy);
  return status;
}

void hgl_dir_host_drop(struct hgl_directory *directory, struct hgl_dir_host *host)
{
  while (host->adverts.next != &host->adverts)
    hgl_dir_advert_drop(directory,
                        HGL_DIR_ENTRY(host->adverts.next, struct hgl_dir_advert, of_host));
  hgl_heap_remove(&directory->hosts_expiring, &host->expiry);
  hgl_map_remove(&directory->hosts, hgl_key_bytes(&host->key));
  if (host->introducer) host->introducer->host_count--;
  hgl_dir_link_remove(&host->of_introducer);
  store_row(directory, ROW_LEASE, &host->key, hgl_bytes(NULL, 0));
  free_host(host);
}

/* Adverts -------------------------------------------------------------------------------------- */

static void free_advert(struct hgl_dir_advert *advert)
{
  hgl_free(advert->offers);
  hgl_free(advert->evidence);
  hgl_free(advert);
}

static int make_advert(const struct hgl_dir_terms *terms, struct hgl_bytes evidence,
                       struct hgl_dir_advert **out, struct hgl_err *err)
{
  struct hgl_advert view;
  struct hgl_dir_advert *advert = hgl_zalloc(sizeof *advert);
  if (!advert) return hgl_fail(err, HGL_NO_MEMORY, "no memory for an advert");
  int status;
  if (!(advert->evidence = hgl_memdup(evidence.data, evidence.size)))
    status = hgl_fail(err, HGL_NO_MEMORY, "no memory for an advert");
  else
    status = hgl_advert_decode(hgl_bytes(advert->evidence, evidence.size), &view, err);
  if (!status && !(advert->offers = hgl_array(view.offer_count + 1, sizeof *advert->offers)))
    status = hgl_fail(err, HGL_NO_MEMORY, "no memory for an advert");
  if (status) {
    free_advert(advert);
    return status;
  }
  advert->evidence_size = evidence.size;
  advert->agent = view.agent;
  advert->version = view.version;
  advert->withdrawn = view.withdrawn;
  advert->name = view.name;
  advert->delegation = view.delegation;
  advert->sequence = terms->sequence;
  advert->expires_ms = terms->expires_ms;
  advert->offer_count = view.offer_count;
  for (size_t i = 0; i < view.offer_count; i++)
    advert->offers[i] = (struct hgl_dir_offer){.advert = advert, .value = view.offers[i]};
  hgl_dir_link_init(&advert->of_introducer);
  hgl_dir_link_init(&advert->of_host);
  hgl_dir_link_init(&advert->of_news);
  *out = advert;
  return 0;
}

static void link_advert(struct hgl_dir_advert *advert, struct hgl_dir_host *host,
                        struct hgl_dir_introducer *introducer)
{
  advert->host = host;
  host->advert_count++;
  hgl_dir_link_push(&host->adverts, &advert->of_host);
  forget_order(host);
  advert->introducer = introducer;
  if (!introducer) return;
  introducer->advert_count++;
  hgl_dir_link_push(&introducer->adverts, &advert->of_introducer);
}

/* All but its place in the map. */
static void unlink_advert(struct hgl_directory *directory, struct hgl_dir_advert *advert)
{
  hgl_dir_index_remove(directory, advert);
  hgl_heap_remove(&directory->adverts_expiring, &advert->expiry);
  if (advert->introducer) advert->introducer->advert_count--;
  hgl_dir_link_remove(&advert->of_introducer);
  hgl_dir_link_remove(&advert->of_news);
  hgl_dir_link_remove(&advert->of_host);
  advert->host->advert_count--;
  forget_order(advert->host);
}

int hgl_dir_advert_put(struct hgl_directory *directory, const struct hgl_advert *advert,
                       const struct hgl_dir_terms *terms, struct hgl_bytes evidence,
                       struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  struct hgl_dir_advert *old = hgl_dir_advert_get(directory, &advert->agent), *record = NULL;
  struct hgl_buf row;
  hgl_buf_init(&row, ROW_SIZE_MAX);
  if (hgl_key_equal(&advert->host, &directory->own->key))
    introducer = NULL;
  else if (old && old->introducer)
    introducer = old->introducer;
  int status = encode_row(introducer, evidence, terms, &row, err);
  if (!status && !old) status = make_room_for_advert(directory, introducer, err);
  if (!status) status = make_advert(terms, evidence, &record, err);
  if (status) goto done;

  struct hgl_dir_host *host = hgl_dir_host_get(directory, &advert->host);
  if (!host) {
    status = hgl_fail(err, HGL_NOT_FOUND, "the advert's host has no lease");
  } else if (!(status = hgl_dir_index_add(directory, record, err))) {
    status = hgl_heap_push(&directory->adverts_expiring, &record->expiry, terms->expires_ms, err);
    if (!status)
      status = hgl_map_put(&directory->adverts, hgl_key_bytes(&advert->agent), record, err);
    if (status) {
      hgl_heap_remove(&directory->adverts_expiring, &record->expiry);
      hgl_dir_index_remove(directory, record);
    }
  }
  if (status) {
    free_advert(record);
    goto done;
  }
  if (old) {
    unlink_advert(directory, old);
    free_advert(old);
  }
  link_advert(record, host, introducer);
  store_row(directory, ROW_ADVERT, &record->agent, hgl_buf_bytes(&row));
done:
  hgl_buf_deinit(&row);
  return status;
}

void hgl_dir_advert_drop(struct hgl_directory *directory, struct hgl_dir_advert *advert)
{
  unlink_advert(directory, advert);
  hgl_map_remove(&directory->adverts, hgl_key_bytes(&advert->agent));
  store_row(directory, ROW_ADVERT, &advert->agent, hgl_bytes(NULL, 0));
  free_advert(advert);
}

/* Life ----------------------------------------------------------------------------------------- */

int hgl_directory_create(const struct hgl_signer *host, const struct hgl_clock *clock,
                         const struct hgl_random *random, const struct hgl_directory_events *events,
                         void *user, struct hgl_directory **out, struct hgl_err *err)
{
  struct hgl_directory *directory = hgl_zalloc(sizeof *directory);
  if (!directory) return hgl_fail(err, HGL_NO_MEMORY, "no memory for the directory");
  directory->signer = host;
  directory->clock = clock;
  directory->events = events;
  directory->user = user;
  struct hgl_map *const maps[] = {&directory->hosts, &directory->adverts, &directory->services,
                                  &directory->introducers};
  for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
    hgl_map_init(maps[i], hgl_random_u64(random), hgl_random_u64(random));
  hgl_heap_init(&directory->hosts_expiring);
  hgl_heap_init(&directory->adverts_expiring);
  hgl_dir_link_init(&directory->news);
  int status = add_host(directory, hgl_signer_key(host), NULL, &directory->own, err);
  if (status)
    hgl_directory_destroy(directory);
  else
    *out = directory;
  return status;
}

void hgl_directory_destroy(struct hgl_directory *directory)
{
  struct hgl_map_slot *slot;
  if (!directory) return;
  /* First, because they write to the entries. */
  hgl_heap_deinit(&directory->hosts_expiring);
  hgl_heap_deinit(&directory->adverts_expiring);
  for (size_t at = 0; (slot = hgl_map_next(&directory->adverts, &at));) {
    hgl_dir_index_remove(directory, slot->value);
    free_advert(slot->value);
  }
  for (size_t at = 0; (slot = hgl_map_next(&directory->hosts, &at));) free_host(slot->value);
  for (size_t at = 0; (slot = hgl_map_next(&directory->introducers, &at));) hgl_free(slot->value);
  hgl_map_deinit(&directory->introducers);
  hgl_map_deinit(&directory->services);
  hgl_map_deinit(&directory->adverts);
  hgl_map_deinit(&directory->hosts);
  hgl_free(directory);
}

static int load_lease(struct hgl_directory *directory, const struct row *row,
                      struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  struct hgl_lease lease;
  int status = hgl_lease_decode(row->record, &lease, err);
  if (status) return status;
  bool is_own = hgl_key_equal(&lease.host, &directory->own->key);
  if (is_own != row->is_ours) return hgl_fail(err, HGL_CORRUPT, "a lease stored as another's");
  if (!is_own && lease.until_ms <= hgl_wall_ms(directory->clock)) {
    store_row(directory, ROW_LEASE, &lease.host, hgl_bytes(NULL, 0));
    return 0;
  }
  if ((status = hgl_dir_lease_put(directory, &lease, row->record, introducer, err))) return status;
  for (size_t i = 0; !is_own && i < lease.url_count; i++)
    directory->events->address(directory->user, &lease.host, lease.urls[i], true);
  return 0;
}

static int load_advert(struct hgl_directory *directory, const struct row *row,
                       struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  struct hgl_advert advert;
  int status = hgl_advert_decode(row->record, &advert, err);
  if (status) return status;
  if (row->terms.expires_ms <= hgl_wall_ms(directory->clock) ||
      !hgl_dir_host_get(directory, &advert.host)) {
    store_row(directory, ROW_ADVERT, &advert.agent, hgl_bytes(NULL, 0));
    return 0;
  }
  return hgl_dir_advert_put(directory, &advert, &row->terms, row->record, introducer, err);
}

int hgl_directory_load(struct hgl_directory *directory, struct hgl_bytes key, struct hgl_bytes row,
                       struct hgl_err *err)
{
  struct row parts;
  struct hgl_dir_introducer *introducer = NULL;
  int status;
  if (key.size != ROW_KEY_SIZE || (key.data[0] != ROW_LEASE && key.data[0] != ROW_ADVERT))
    return hgl_fail(err, HGL_CORRUPT, "directory: no row has such a key");
  if (!(status = decode_row(row, &parts, err)) && !parts.is_ours)
    status = hgl_dir_introducer_get(directory, &parts.introducer, &introducer, err);
  if (!status)
    status = key.data[0] == ROW_LEASE ? load_lease(directory, &parts, introducer, err)
                                      : load_advert(directory, &parts, introducer, err);
  if (status && status != -HGL_NO_MEMORY && status != -HGL_CORRUPT)
    return hgl_fail(err, HGL_CORRUPT, "directory: a stored row does not pass its checks");
  return status;
}

int64_t hgl_directory_expire(struct hgl_directory *directory)
{
  int64_t now = hgl_wall_ms(directory->clock);
  int64_t next = directory->own->lease
                     ? directory->own->until_ms - HGL_LEASE_LIFE_MAX_MS + HGL_LEASE_RENEW_MS
                     : now;
  struct hgl_heap_entry *entry;
  while ((entry = hgl_heap_first(&directory->hosts_expiring)) && entry->due <= now)
    hgl_dir_host_drop(directory, HGL_DIR_ENTRY(entry, struct hgl_dir_host, expiry));
  if (entry && entry->due < next) next = entry->due;
  while ((entry = hgl_heap_first(&directory->adverts_expiring)) && entry->due <= now)
    hgl_dir_advert_drop(directory, HGL_DIR_ENTRY(entry, struct hgl_dir_advert, expiry));
  if (entry && entry->due < next) next = entry->due;
  return next;
}

int hgl_directory_own(const struct hgl_directory *directory,
                      int (*visit)(void *user, const struct hgl_key *agent, struct hgl_err *err),
                      void *user, struct hgl_err *err)
{
  const struct hgl_dir_link *first = &directory->own->adverts;
  int status = 0;
  for (const struct hgl_dir_link *at = first->next; at != first && !status; at = at->next) {
    const struct hgl_dir_advert *advert = HGL_DIR_ENTRY(at, struct hgl_dir_advert, of_host);
    if (!advert->withdrawn) status = visit(user, &advert->agent, err);
  }
  return status;
}

struct hgl_directory_counts hgl_directory_counts(const struct hgl_directory *directory)
{
  return (struct hgl_directory_counts){
      .hosts = directory->hosts.count,
      .adverts = directory->adverts.count,
      .rejected = directory->rejected,
  };
}
