#include "agent/directory.h"

#include "agent/directory_table.h"
#include "base/mem.h"

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
  struct hgl_dir_host *host = hgl_map_get(&directory->hosts, hgl_key_bytes(key));
  return host && !host->is_leaving ? host : NULL;
}

struct hgl_dir_advert *hgl_dir_advert_get(const struct hgl_directory *directory,
                                          const struct hgl_key *agent)
{
  return hgl_table_get(&directory->adverts, agent->bytes);
}

bool hgl_dir_advert_is_live(const struct hgl_directory *directory,
                            const struct hgl_dir_advert *advert)
{
  int64_t now = hgl_wall_ms(directory->clock);
  bool host_is_live = advert->host == directory->own || advert->host->until_ms > now;
  return !advert->withdrawn && host_is_live && advert->expiry.due > now;
}

/* Giving way ------------------------------------------------------------------------------------
 */

static size_t host_weight(const struct hgl_dir_introducer *introducer)
{
  return introducer->host_count;
}

static size_t advert_weight(const struct hgl_dir_introducer *introducer)
{
  return introducer->advert_weight;
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
  if (directory->hosts.count - directory->leaving_count < HGL_DIRECTORY_HOSTS_MAX) return 0;
  struct hgl_dir_introducer *heaviest = find_heaviest(directory, host_weight, introducer);
  if (!heaviest) return hgl_fail(err, HGL_LIMIT, "the directory knows too many hosts");
  hgl_dir_host_drop(directory,
                    HGL_DIR_ENTRY(heaviest->hosts.next, struct hgl_dir_host, of_introducer));
  return 0;
}

/* `weight` more of this introducer's. */
static int make_room_for_advert(struct hgl_directory *directory,
                                const struct hgl_dir_introducer *introducer, size_t weight,
                                struct hgl_err *err)
{
  while (introducer && directory->advert_weight + weight > directory->adverts_max) {
    struct hgl_dir_introducer *heaviest = find_heaviest(directory, advert_weight, introducer);
    if (!heaviest) return hgl_fail(err, HGL_LIMIT, "the directory knows too many adverts");
    hgl_dir_advert_drop(directory,
                        HGL_DIR_ENTRY(heaviest->adverts.next, struct hgl_dir_advert, listed));
  }
  return 0;
}

/* Hosts ---------------------------------------------------------------------------------------- */

static void free_host(struct hgl_dir_host *host)
{
  hgl_free(host->adverts);
  hgl_free(host->lease);
  hgl_free(host);
}

static struct hgl_dir_host *make_host(const struct hgl_key *key)
{
  struct hgl_dir_host *host = hgl_zalloc(sizeof *host);
  if (!host) return NULL;
  host->key = *key;
  hgl_dir_link_init(&host->of_introducer);
  return host;
}

/* One that is leaving stays, with what is left of its adverts. */
static int add_host(struct hgl_directory *directory, const struct hgl_key *key,
                    struct hgl_dir_introducer *introducer, struct hgl_dir_host **out,
                    struct hgl_err *err)
{
  int status = make_room_for_host(directory, introducer, err);
  if (status) return status;
  struct hgl_dir_host *host = hgl_map_get(&directory->hosts, hgl_key_bytes(key));
  if (host) {
    hgl_dir_link_remove(&host->of_introducer);
    host->is_leaving = false;
    directory->leaving_count--;
  } else {
    if (!(host = make_host(key))) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a host");
    if ((status = hgl_map_put(&directory->hosts, hgl_key_bytes(key), host, err))) {
      free_host(host);
      return status;
    }
  }
  host->introducer = introducer;
  if (introducer) {
    introducer->host_count++;
    hgl_dir_link_push(&introducer->hosts, &host->of_introducer);
  }
  *out = host;
  return 0;
}

/* `copy` is taken when it succeeds. */
static int put_lease(struct hgl_directory *directory, const struct hgl_lease *lease, uint8_t *copy,
                     size_t size, struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  struct hgl_dir_host *host = hgl_dir_host_get(directory, &lease->host);
  int status = 0;
  if (!host && (status = add_host(directory, &lease->host, introducer, &host, err))) return status;
  hgl_heap_remove(&directory->hosts_expiring, &host->expiry);
  if (host != directory->own &&
      (status = hgl_heap_push(&directory->hosts_expiring, &host->expiry, lease->until_ms, err))) {
    hgl_dir_host_drop(directory, host);
    return status;
  }
  hgl_free(host->lease);
  host->lease = copy;
  host->lease_size = size;
  host->version = lease->version;
  host->until_ms = lease->until_ms;
  return 0;
}

int hgl_dir_lease_load(struct hgl_directory *directory, const struct hgl_lease *lease,
                       struct hgl_bytes bytes, struct hgl_dir_introducer *introducer,
                       struct hgl_err *err)
{
  uint8_t *copy = hgl_memdup(bytes.data, bytes.size);
  if (!copy) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a lease");
  int status = put_lease(directory, lease, copy, bytes.size, introducer, err);
  if (status) hgl_free(copy);
  return status;
}

int hgl_dir_lease_put(struct hgl_directory *directory, const struct hgl_lease *lease,
                      struct hgl_bytes bytes, struct hgl_dir_introducer *introducer,
                      struct hgl_err *err)
{
  const struct hgl_dir_terms no_terms = {0};
  bool is_new = !hgl_dir_host_get(directory, &lease->host);
  int status = hgl_dir_lease_load(directory, lease, bytes, introducer, err);
  if (status) return status;
  struct hgl_dir_host *host = hgl_dir_host_get(directory, &lease->host);
  status = hgl_dir_row_store(directory, HGL_DIR_LEASE, &lease->host, host->introducer, bytes,
                             &no_terms, err);
  if (status && is_new) hgl_dir_host_drop(directory, host);
  return status;
}

static void remove_host(struct hgl_directory *directory, struct hgl_dir_host *host)
{
  hgl_dir_link_remove(&host->of_introducer);
  hgl_map_remove(&directory->hosts, hgl_key_bytes(&host->key));
  free_host(host);
}

/* Its lease goes first: after a crash, adverts without one are not loaded. */
void hgl_dir_host_drop(struct hgl_directory *directory, struct hgl_dir_host *host)
{
  hgl_heap_remove(&directory->hosts_expiring, &host->expiry);
  hgl_dir_row_forget(directory, HGL_DIR_LEASE, &host->key);
  if (host->introducer) host->introducer->host_count--;
  if (!host->places) {
    remove_host(directory, host);
    return;
  }
  hgl_free(host->lease);
  host->lease = NULL;
  host->lease_size = 0;
  host->version = 0;
  host->until_ms = INT64_MIN;
  host->introducer = NULL;
  host->is_leaving = true;
  directory->leaving_count++;
  hgl_dir_link_remove(&host->of_introducer);
  hgl_dir_link_push(&directory->leaving, &host->of_introducer);
}

/* Adverts -------------------------------------------------------------------------------------- */

static void free_advert(struct hgl_dir_advert *advert)
{
  hgl_free(advert->offers);
  hgl_free(advert);
}

static struct hgl_bytes put_copy(uint8_t **at, struct hgl_bytes bytes)
{
  if (!bytes.size) return hgl_bytes(NULL, 0);
  uint8_t *copy = memcpy(*at, bytes.data, bytes.size);
  *at += bytes.size;
  return hgl_bytes(copy, bytes.size);
}

static size_t offers_size(const struct hgl_advert *view)
{
  size_t size = view->offer_count ? sizeof(struct hgl_dir_offers) + view->name.size : 0;
  for (size_t i = 0; i < view->offer_count; i++)
    size += sizeof(struct hgl_dir_offer) + view->offers[i].size;
  return size;
}

uint8_t hgl_dir_advert_weight(const struct hgl_advert *advert, size_t evidence_size)
{
  size_t size = evidence_size + offers_size(advert);
  return (uint8_t)((size + HGL_DIRECTORY_ADVERT_SIZE - 1) / HGL_DIRECTORY_ADVERT_SIZE);
}

static int make_offers(struct hgl_dir_advert *advert, const struct hgl_advert *view,
                       struct hgl_err *err)
{
  size_t count = view->offer_count;
  if (!count) return 0;
  struct hgl_dir_offers *offers = hgl_alloc(offers_size(view));
  if (!offers) return hgl_fail(err, HGL_NO_MEMORY, "no memory for an advert");
  uint8_t *at = (uint8_t *)&offers->items[count];
  offers->name = put_copy(&at, view->name);
  offers->count = count;
  for (size_t i = 0; i < count; i++)
    offers->items[i] = (struct hgl_dir_offer){.advert = advert,
                                              .value = put_copy(&at, view->offers[i])};
  advert->offers = offers;
  return 0;
}

static int make_advert(const struct hgl_advert *view, const struct hgl_dir_terms *terms,
                       struct hgl_dir_advert **out, struct hgl_err *err)
{
  struct hgl_dir_advert *advert = hgl_zalloc(sizeof *advert);
  if (!advert) return hgl_fail(err, HGL_NO_MEMORY, "no memory for an advert");
  advert->agent = view->agent;
  advert->version = view->version;
  advert->withdrawn = view->withdrawn;
  advert->sequence = terms->sequence;
  hgl_dir_link_init(&advert->listed);
  int status = make_offers(advert, view, err);
  if (status) {
    free_advert(advert);
    return status;
  }
  *out = advert;
  return 0;
}

/* All but its places in the table and with its host. */
static void unlink_advert(struct hgl_directory *directory, struct hgl_dir_advert *advert)
{
  hgl_dir_index_remove(directory, advert);
  hgl_heap_remove(&directory->adverts_expiring, &advert->expiry);
  hgl_dir_link_remove(&advert->listed);
  if (!advert->introducer) return;
  advert->introducer->advert_weight -= advert->weight;
  directory->advert_weight -= advert->weight;
}

/* All that can fail of a record's taking its place. */
static int prepare_advert(struct hgl_directory *directory, struct hgl_dir_advert *record,
                          int64_t expires_ms, struct hgl_err *err)
{
  int status;
  if ((status = hgl_table_reserve(&directory->adverts, err)) ||
      (status = hgl_dir_order_reserve(record->host, err)) ||
      (status = hgl_dir_index_add(directory, record, err)))
    return status;
  status = hgl_heap_push(&directory->adverts_expiring, &record->expiry, expires_ms, err);
  if (status) hgl_dir_index_remove(directory, record);
  return status;
}

/* In the place of the agent's advert before it, if any. */
static void place_advert(struct hgl_directory *directory, struct hgl_dir_advert *record)
{
  struct hgl_dir_introducer *introducer = record->introducer;
  struct hgl_dir_advert *old = hgl_table_put(&directory->adverts, record);
  if (old && old->host == record->host) {
    hgl_dir_order_replace(old, record);
  } else {
    if (old) hgl_dir_order_remove(old);
    hgl_dir_order_add(record->host, record);
  }
  if (old) {
    unlink_advert(directory, old);
    free_advert(old);
  }
  if (!introducer) return;
  introducer->advert_weight += record->weight;
  directory->advert_weight += record->weight;
  hgl_dir_link_push(&introducer->adverts, &record->listed);
}

static int put_advert(struct hgl_directory *directory, const struct hgl_advert *advert,
                      const struct hgl_dir_terms *terms, struct hgl_bytes evidence, bool is_stored,
                      struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  const struct hgl_dir_advert *old = hgl_dir_advert_get(directory, &advert->agent);
  const uint8_t weight = hgl_dir_advert_weight(advert, evidence.size);
  struct hgl_dir_advert *record;
  int status;
  if (hgl_key_equal(&advert->host, &directory->own->key))
    introducer = NULL;
  else if (old && old->introducer)
    introducer = old->introducer;
  size_t was = old && old->introducer ? old->weight : 0;
  if (weight > was && (status = make_room_for_advert(directory, introducer, weight - was, err)))
    return status;
  struct hgl_dir_host *host = hgl_dir_host_get(directory, &advert->host);
  if (!host) return hgl_fail(err, HGL_NOT_FOUND, "the advert's host has no lease");
  if ((status = make_advert(advert, terms, &record, err))) return status;
  record->host = host;
  record->introducer = introducer;
  record->weight = weight;
  status = prepare_advert(directory, record, terms->expires_ms, err);
  if (!status && !is_stored &&
      (status = hgl_dir_row_store(directory, HGL_DIR_ADVERT, &advert->agent, introducer, evidence,
                                  terms, err))) {
    hgl_heap_remove(&directory->adverts_expiring, &record->expiry);
    hgl_dir_index_remove(directory, record);
  }
  if (status)
    free_advert(record);
  else
    place_advert(directory, record);
  return status;
}

int hgl_dir_advert_put(struct hgl_directory *directory, const struct hgl_advert *advert,
                       const struct hgl_dir_terms *terms, struct hgl_bytes evidence,
                       struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  return put_advert(directory, advert, terms, evidence, false, introducer, err);
}

int hgl_dir_advert_load(struct hgl_directory *directory, const struct hgl_advert *advert,
                        const struct hgl_dir_terms *terms, struct hgl_bytes evidence,
                        struct hgl_dir_introducer *introducer, struct hgl_err *err)
{
  return put_advert(directory, advert, terms, evidence, true, introducer, err);
}

void hgl_dir_advert_drop(struct hgl_directory *directory, struct hgl_dir_advert *advert)
{
  unlink_advert(directory, advert);
  hgl_dir_order_remove(advert);
  hgl_table_remove(&directory->adverts, advert->agent.bytes);
  hgl_dir_row_forget(directory, HGL_DIR_ADVERT, &advert->agent);
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
  directory->adverts_max = HGL_DIRECTORY_ADVERTS_MAX;
  directory->settles_at_once = HGL_DIR_SETTLES_AT_ONCE;
  directory->drops_max = HGL_DIR_DROPS_MAX;
  directory->clock = clock;
  directory->events = events;
  directory->user = user;
  struct hgl_map *const maps[] = {&directory->hosts, &directory->services, &directory->introducers};
  for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
    hgl_map_init(maps[i], hgl_random_u64(random), hgl_random_u64(random));
  hgl_table_init(&directory->adverts, offsetof(struct hgl_dir_advert, agent), HGL_KEY_SIZE,
                 hgl_random_u64(random), hgl_random_u64(random));
  hgl_heap_init(&directory->hosts_expiring);
  hgl_heap_init(&directory->adverts_expiring);
  hgl_dir_link_init(&directory->news);
  hgl_dir_link_init(&directory->leaving);
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
  struct hgl_dir_advert *advert;
  if (!directory) return;
  /* First, because they write to the entries. */
  hgl_heap_deinit(&directory->hosts_expiring);
  hgl_heap_deinit(&directory->adverts_expiring);
  for (size_t at = 0; (advert = hgl_table_next(&directory->adverts, &at));) {
    hgl_dir_index_remove(directory, advert);
    free_advert(advert);
  }
  for (size_t at = 0; (slot = hgl_map_next(&directory->hosts, &at));) free_host(slot->value);
  for (size_t at = 0; (slot = hgl_map_next(&directory->introducers, &at));) hgl_free(slot->value);
  hgl_map_deinit(&directory->introducers);
  hgl_map_deinit(&directory->services);
  hgl_table_deinit(&directory->adverts);
  hgl_map_deinit(&directory->hosts);
  hgl_free(directory);
}

static struct hgl_heap_entry *first_due(const struct hgl_heap *heap, int64_t now)
{
  struct hgl_heap_entry *entry = hgl_heap_first(heap);
  return entry && entry->due <= now ? entry : NULL;
}

/* Adverts of hosts that are leaving; as many as are left of `drops`. */
static void drop_leaving(struct hgl_directory *directory, int *drops)
{
  struct hgl_dir_link *const leaving = &directory->leaving;
  while (*drops > 0 && leaving->previous != leaving) {
    struct hgl_dir_host *host = HGL_DIR_ENTRY(leaving->previous, struct hgl_dir_host,
                                              of_introducer);
    for (; host->places && *drops > 0; --*drops)
      hgl_dir_advert_drop(directory, host->adverts[host->places - 1]);
    if (host->places) return;
    directory->leaving_count--;
    remove_host(directory, host);
  }
}

bool hgl_directory_is_dropping(const struct hgl_directory *directory)
{
  int64_t now = hgl_wall_ms(directory->clock);
  return directory->leaving_count || first_due(&directory->hosts_expiring, now) ||
         first_due(&directory->adverts_expiring, now);
}

int64_t hgl_directory_expire(struct hgl_directory *directory)
{
  int64_t now = hgl_wall_ms(directory->clock);
  int64_t next = directory->own->lease
                     ? directory->own->until_ms - HGL_LEASE_LIFE_MAX_MS + HGL_LEASE_RENEW_MS
                     : now;
  int drops = directory->drops_max;
  struct hgl_heap_entry *entry;
  for (; drops > 0 && (entry = first_due(&directory->hosts_expiring, now)); drops--)
    hgl_dir_host_drop(directory, HGL_DIR_ENTRY(entry, struct hgl_dir_host, expiry));
  for (; drops > 0 && (entry = first_due(&directory->adverts_expiring, now)); drops--)
    hgl_dir_advert_drop(directory, HGL_DIR_ENTRY(entry, struct hgl_dir_advert, expiry));
  drop_leaving(directory, &drops);
  if ((entry = hgl_heap_first(&directory->hosts_expiring)) && entry->due < next) next = entry->due;
  if ((entry = hgl_heap_first(&directory->adverts_expiring)) && entry->due < next)
    next = entry->due;
  return next;
}

struct hgl_directory_counts hgl_directory_counts(const struct hgl_directory *directory)
{
  return (struct hgl_directory_counts){
      .hosts = directory->hosts.count - directory->leaving_count,
      .adverts = directory->adverts.count,
      .rejected = directory->rejected,
  };
}
