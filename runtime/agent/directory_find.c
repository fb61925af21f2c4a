/* Queries over the directory, and the index by service that serves them. */
#include <stdlib.h>

#include "agent/directory_table.h"
#include "base/mem.h"
#include "protocol/did.h"

/* Index ---------------------------------------------------------------------------------------- */

static bool offer_service(const struct hgl_dir_offer *offer, struct hgl_bytes *out)
{
  struct hgl_bytes value;
  bool found;
  if (hgl_value_field(offer->value, "service", &value, &found, NULL) || !found) return false;
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  return hgl_cbor_get_text(&in, "service", HGL_NAME_SIZE_MAX, out, NULL) == 0;
}

static int get_service(struct hgl_directory *directory, struct hgl_bytes name,
                       struct hgl_dir_service **out, struct hgl_err *err)
{
  struct hgl_dir_service *service = hgl_map_get(&directory->services, name);
  if (!service) {
    if (!(service = hgl_zalloc(sizeof *service)))
      return hgl_fail(err, HGL_NO_MEMORY, "no memory for the directory");
    int status = hgl_map_put(&directory->services, name, service, err);
    if (status) {
      hgl_free(service);
      return status;
    }
  }
  *out = service;
  return 0;
}

static void drop_if_empty(struct hgl_directory *directory, struct hgl_bytes name,
                          struct hgl_dir_service *service)
{
  if (service->count) return;
  hgl_map_remove(&directory->services, name);
  hgl_free(service->offers);
  hgl_free(service);
}

static int add_offer(struct hgl_directory *directory, struct hgl_dir_offer *offer,
                     struct hgl_err *err)
{
  struct hgl_bytes name;
  struct hgl_dir_service *service = NULL;
  if (!offer_service(offer, &name)) return 0;
  int status = get_service(directory, name, &service, err);
  if (status) return status;
  if (!HGL_GROW(service->offers, service->count, service->capacity)) {
    drop_if_empty(directory, name, service);
    return hgl_fail(err, HGL_NO_MEMORY, "no memory for the directory");
  }
  offer->service = service;
  offer->place = service->count;
  service->offers[service->count++] = offer;
  return 0;
}

static size_t offer_count(const struct hgl_dir_advert *advert)
{
  return advert->offers ? advert->offers->count : 0;
}

int hgl_dir_index_add(struct hgl_directory *directory, struct hgl_dir_advert *advert,
                      struct hgl_err *err)
{
  for (size_t i = 0; i < offer_count(advert); i++) {
    int status = add_offer(directory, &advert->offers->items[i], err);
    if (status) {
      hgl_dir_index_remove(directory, advert);
      return status;
    }
  }
  return 0;
}

void hgl_dir_index_remove(struct hgl_directory *directory, struct hgl_dir_advert *advert)
{
  for (size_t i = 0; i < offer_count(advert); i++) {
    struct hgl_dir_offer *offer = &advert->offers->items[i];
    struct hgl_dir_service *service = offer->service;
    struct hgl_bytes name;
    if (!service || !offer_service(offer, &name)) continue;
    struct hgl_dir_offer *last = service->offers[--service->count];
    service->offers[offer->place] = last;
    last->place = offer->place;
    offer->service = NULL;
    drop_if_empty(directory, name, service);
  }
}

/* Finding -------------------------------------------------------------------------------------- */

/* The best `limit` so far: twice as many are gathered, then sorted and cut. */
struct best {
  const struct hgl_directory *directory;
  const struct hgl_query *query;
  struct hgl_dir_offer **offers;
  size_t count, limit;
  bool is_cut; /* offers[limit - 1] is the worst that is still good enough */
};

static int compare_offers(const void *a, const void *b, void *query)
{
  const struct hgl_dir_offer *left = *(struct hgl_dir_offer *const *)a,
                             *right = *(struct hgl_dir_offer *const *)b;
  int order = hgl_query_compare(query, left->value, right->value);
  if (order) return order;
  order = memcmp(left->advert->agent.bytes, right->advert->agent.bytes, HGL_KEY_SIZE);
  /* Of one agent: as it lists them. */
  return order ? order : left < right ? -1 : left > right;
}

static void best_settle(struct best *best)
{
  qsort_r(best->offers, best->count, sizeof *best->offers, compare_offers, (void *)best->query);
  if (best->count <= best->limit) return;
  best->count = best->limit;
  best->is_cut = true;
}

static void best_consider(struct best *best, struct hgl_dir_offer *offer)
{
  if (!hgl_dir_advert_is_live(best->directory, offer->advert) ||
      !hgl_query_match(best->query, offer->value))
    return;
  if (best->is_cut &&
      compare_offers(&offer, &best->offers[best->limit - 1], (void *)best->query) > 0)
    return;
  best->offers[best->count++] = offer;
  if (best->count == 2 * best->limit) best_settle(best);
}

static void consider_all(struct best *best)
{
  struct hgl_bytes name = hgl_query_service(best->query);
  struct hgl_dir_advert *advert;
  if (name.size) {
    const struct hgl_dir_service *service = hgl_map_get(&best->directory->services, name);
    for (size_t i = 0; service && i < service->count; i++) best_consider(best, service->offers[i]);
    return;
  }
  for (size_t at = 0; (advert = hgl_table_next(&best->directory->adverts, &at));)
    for (size_t i = 0; i < offer_count(advert); i++) best_consider(best, &advert->offers->items[i]);
}

/* What we say of an offer, under keys in their order. */
enum { SAID_HOST, SAID_NAME, SAID_AGENT, SAID_COUNT };
static const char *const said_keys[SAID_COUNT] = {"host", "name", "agent"};

/* The order of map keys. */
static int compare_keys(struct hgl_bytes a, struct hgl_bytes b)
{
  if (a.size != b.size) return a.size < b.size ? -1 : 1;
  return hgl_bytes_compare(a, b);
}

static void put_pair(struct hgl_buf *out, struct hgl_bytes key, struct hgl_bytes value)
{
  hgl_cbor_put_text(out, key);
  hgl_buf_append_bytes(out, value);
}

/* Two sorted maps into one: ours (entries of size 0 are absent) wins. */
static int put_merged(const struct hgl_bytes said[SAID_COUNT], struct hgl_bytes offer,
                      struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_buf pairs;
  struct hgl_cbor_reader in = hgl_cbor_reader(offer);
  size_t left, count = 0, at = 0;
  hgl_buf_init(&pairs, 2 * HGL_ADVERT_SIZE_MAX);
  int status = hgl_cbor_get_map(&in, "offer", HGL_VALUE_ITEMS_MAX, &left, err);
  while (!status) {
    struct hgl_bytes key = {NULL, 0}, value;
    if (left && ((status = hgl_cbor_get_text(&in, "key", HGL_ADVERT_SIZE_MAX, &key, err)) ||
                 (status = hgl_cbor_get_value(&in, "attribute", &value, err))))
      break;
    bool is_said = false;
    for (; at < SAID_COUNT; at++) {
      int order = left ? compare_keys(hgl_text(said_keys[at]), key) : -1;
      if (order > 0) break;
      if (!said[at].size) continue;
      put_pair(&pairs, hgl_text(said_keys[at]), said[at]);
      count++;
      is_said = is_said || order == 0;
    }
    if (!left) break;
    if (!is_said) {
      put_pair(&pairs, key, value);
      count++;
    }
    left--;
  }
  if (!status) status = hgl_buf_check(&pairs, err);
  if (!status) {
    hgl_cbor_put_map(out, count);
    hgl_buf_append_bytes(out, hgl_buf_bytes(&pairs));
  }
  hgl_buf_deinit(&pairs);
  return status;
}

static void put_did(struct hgl_buf *out, const struct hgl_key *key)
{
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(key, did);
  hgl_cbor_put_literal(out, did);
}

int hgl_dir_put_found(const struct hgl_dir_offer *offer, struct hgl_buf *out, struct hgl_err *err)
{
  const struct hgl_dir_advert *advert = offer->advert;
  struct hgl_buf agent, host, name;
  struct hgl_bytes own_name;
  bool has_name;
  hgl_buf_init(&agent, HGL_DID_TEXT_SIZE + 8);
  hgl_buf_init(&host, HGL_DID_TEXT_SIZE + 8);
  hgl_buf_init(&name, HGL_NAME_SIZE_MAX + 8);
  put_did(&agent, &advert->agent);
  put_did(&host, &advert->host->key);
  int status = hgl_value_field(offer->value, "name", &own_name, &has_name, err);
  if (!status && !has_name && advert->offers->name.size)
    hgl_cbor_put_text(&name, advert->offers->name);
  if (!status) status = hgl_buf_check(&agent, err);
  if (!status) status = hgl_buf_check(&host, err);
  if (!status) status = hgl_buf_check(&name, err);
  if (!status) {
    const struct hgl_bytes said[SAID_COUNT] = {[SAID_HOST] = hgl_buf_bytes(&host),
                                               [SAID_NAME] = hgl_buf_bytes(&name),
                                               [SAID_AGENT] = hgl_buf_bytes(&agent)};
    status = put_merged(said, offer->value, out, err);
  }
  hgl_buf_deinit(&name);
  hgl_buf_deinit(&host);
  hgl_buf_deinit(&agent);
  return status;
}

/* Appends offers from number `from` on until `offers` has size_max bytes; gives the number of the
 * first one left out. */
static int put_some(const struct best *best, size_t from, size_t size_max, struct hgl_buf *offers,
                    size_t *end, struct hgl_err *err)
{
  int status = 0;
  size_t i = from;
  for (; !status && i < best->count && offers->size < size_max; i++)
    status = hgl_dir_put_found(best->offers[i], offers, err);
  *end = i;
  return status ? status : hgl_buf_check(offers, err);
}

int hgl_directory_find_from(struct hgl_directory *directory, const struct hgl_query *query,
                            uint64_t skip, size_t size_max, struct hgl_buf *out, bool *more,
                            struct hgl_err *err)
{
  struct best best = {.directory = directory, .query = query, .limit = hgl_query_limit(query)};
  struct hgl_buf offers;
  best.offers = hgl_array(2 * best.limit, sizeof *best.offers);
  if (!best.offers) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a query");
  hgl_buf_init(&offers, out->size_max);
  consider_all(&best);
  best_settle(&best);
  size_t from = skip < best.count ? (size_t)skip : best.count, end;
  int status = put_some(&best, from, size_max, &offers, &end, err);
  hgl_free(best.offers);
  hgl_cbor_put_list(out, end - from);
  hgl_buf_append_bytes(out, hgl_buf_bytes(&offers));
  hgl_buf_deinit(&offers);
  if (!status) status = hgl_buf_check(out, err);
  if (!status) *more = end < best.count;
  return status;
}

int hgl_directory_find(struct hgl_directory *directory, const struct hgl_query *query,
                       struct hgl_buf *out, struct hgl_err *err)
{
  bool more;
  return hgl_directory_find_from(directory, query, 0, SIZE_MAX, out, &more, err);
}

/* By agent ------------------------------------------------------------------------------------- */

bool hgl_directory_terms(const struct hgl_directory *directory, const struct hgl_key *agent,
                         struct hgl_directory_terms *out)
{
  const struct hgl_dir_advert *advert = hgl_dir_advert_get(directory, agent);
  if (!advert || !hgl_dir_advert_is_live(directory, advert)) return false;
  *out = (struct hgl_directory_terms){
      .host = advert->host->key, .sequence = advert->sequence, .expires_ms = advert->expiry.due};
  return true;
}

uint64_t hgl_directory_version(const struct hgl_directory *directory, const struct hgl_key *agent)
{
  const struct hgl_dir_advert *advert = hgl_dir_advert_get(directory, agent);
  return advert ? advert->version : 0;
}

static int read_live(struct hgl_directory *directory, const struct hgl_key *agent,
                     struct hgl_dir_stored *stored, struct hgl_err *err)
{
  struct hgl_dir_advert *advert = hgl_dir_advert_get(directory, agent);
  if (!advert || !hgl_dir_advert_is_live(directory, advert))
    return hgl_fail(err, HGL_NOT_FOUND, "no advert of this agent holds");
  int status = hgl_dir_stored_read(directory, advert, stored, err);
  return status && status != -HGL_NO_MEMORY ? -HGL_NOT_FOUND : status;
}

int hgl_directory_advert(struct hgl_directory *directory, const struct hgl_key *agent,
                         struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_dir_stored stored;
  hgl_dir_stored_init(&stored);
  int status = read_live(directory, agent, &stored, err);
  if (!status) hgl_buf_append_bytes(out, stored.evidence);
  if (!status) status = hgl_buf_check(out, err);
  hgl_dir_stored_deinit(&stored);
  return status;
}

int hgl_directory_delegation(struct hgl_directory *directory, const struct hgl_key *agent,
                             struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_dir_stored stored;
  hgl_dir_stored_init(&stored);
  int status = read_live(directory, agent, &stored, err);
  if (!status) hgl_buf_append_bytes(out, stored.advert.delegation);
  if (!status) status = hgl_buf_check(out, err);
  hgl_dir_stored_deinit(&stored);
  return status;
}

size_t hgl_directory_services(const struct hgl_directory *directory, const struct hgl_key *agent,
                              struct hgl_bytes *name, struct hgl_bytes *services, size_t max)
{
  const struct hgl_dir_advert *advert = hgl_dir_advert_get(directory, agent);
  size_t count = 0;
  *name = hgl_bytes(NULL, 0);
  if (!advert || !advert->offers || !hgl_dir_advert_is_live(directory, advert)) return 0;
  *name = advert->offers->name;
  for (size_t i = 0; i < advert->offers->count && count < max; i++)
    count += offer_service(&advert->offers->items[i], &services[count]);
  return count;
}
