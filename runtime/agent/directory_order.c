/* A host's adverts in the order of their agents, and the hash over them that digests carry. Order
 * is made when it is asked for: what came since is sorted for itself and merged, so that one more
 * advert of a million costs no sorting of them all. But hashing is over them all: a large set is
 * settled only so often, whatever changes in it. */
#include <assert.h>
#include <stdlib.h>

#include "agent/directory_table.h"
#include "base/mem.h"

enum { SETTLE_EVERY_S = 5 };

static int compare_agents(const void *a, const void *b)
{
  return memcmp((*(struct hgl_dir_advert *const *)a)->agent.bytes,
                (*(struct hgl_dir_advert *const *)b)->agent.bytes, HGL_KEY_SIZE);
}

static void set_place(struct hgl_dir_host *host, struct hgl_dir_advert *advert, size_t place)
{
  host->adverts[place] = advert;
  advert->place = (uint32_t)place;
}

static void close_gaps(struct hgl_dir_host *host)
{
  size_t places = 0, ordered = 0;
  if (host->places == host->advert_count) return;
  for (size_t i = 0; i < host->places; i++) {
    if (host->adverts[i]) set_place(host, host->adverts[i], places++);
    if (i + 1 == host->ordered) ordered = places;
  }
  host->places = places;
  host->ordered = ordered;
}

int hgl_dir_order_reserve(struct hgl_dir_host *host, struct hgl_err *err)
{
  if (host->places < host->capacity) return 0;
  if (host->places > 2 * host->advert_count) {
    close_gaps(host);
    return 0;
  }
  if (host->places >= UINT32_MAX) return hgl_fail(err, HGL_LIMIT, "too many adverts of one host");
  if (!HGL_GROW(host->adverts, host->places, host->capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "no memory for an advert");
  return 0;
}

void hgl_dir_order_add(struct hgl_dir_host *host, struct hgl_dir_advert *advert)
{
  const size_t last = host->places;
  set_place(host, advert, host->places++);
  host->advert_count++;
  host->is_settled = false;
  /* They are loaded in order. The last place is never a gap. */
  if (host->ordered == last &&
      (!last || compare_agents(&host->adverts[last - 1], &host->adverts[last]) < 0))
    host->ordered++;
}

void hgl_dir_order_remove(struct hgl_dir_advert *advert)
{
  struct hgl_dir_host *host = advert->host;
  host->adverts[advert->place] = NULL;
  host->advert_count--;
  host->is_settled = false;
  while (host->places && !host->adverts[host->places - 1]) host->places--;
  if (host->ordered > host->places) host->ordered = host->places;
  if (host->places) return;
  hgl_free(host->adverts);
  host->adverts = NULL;
  host->capacity = 0;
}

void hgl_dir_order_replace(struct hgl_dir_advert *old, struct hgl_dir_advert *advert)
{
  set_place(old->host, advert, old->place);
  old->host->is_settled = false;
}

static int hash_adverts(struct hgl_dir_host *host, struct hgl_err *err)
{
  enum { ENTRY_SIZE = HGL_KEY_SIZE + 8 };
  uint8_t *entries = hgl_array(host->advert_count + 1, ENTRY_SIZE);
  if (!entries) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a digest");
  for (size_t i = 0; i < host->advert_count; i++) {
    const struct hgl_dir_advert *advert = host->adverts[i];
    assert(advert);
    memcpy(entries + i * ENTRY_SIZE, advert->agent.bytes, HGL_KEY_SIZE);
    hgl_put_be64(entries + i * ENTRY_SIZE + HGL_KEY_SIZE, advert->version);
  }
  const struct hgl_bytes all = hgl_bytes(entries, host->advert_count * ENTRY_SIZE);
  hgl_sha256(&all, 1, &host->hash);
  hgl_free(entries);
  return 0;
}

/* The rest behind the ordered ones, from the greatest down. */
static int merge_rest(struct hgl_dir_host *host, struct hgl_err *err)
{
  size_t left = host->ordered, rest_count = host->places - host->ordered, at = host->places;
  if (!rest_count) return 0;
  struct hgl_dir_advert **rest = hgl_array(rest_count, sizeof(struct hgl_dir_advert *));
  if (!rest) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a digest");
  memcpy(rest, host->adverts + left, rest_count * sizeof(struct hgl_dir_advert *));
  qsort(rest, rest_count, sizeof(struct hgl_dir_advert *), compare_agents);
  while (rest_count) {
    bool from_rest = !left || compare_agents(&rest[rest_count - 1], &host->adverts[left - 1]) > 0;
    set_place(host, from_rest ? rest[--rest_count] : host->adverts[--left], --at);
  }
  hgl_free(rest);
  host->ordered = host->places;
  return 0;
}

int hgl_dir_order_settle(struct hgl_directory *directory, struct hgl_dir_host *host, bool now,
                         struct hgl_err *err)
{
  if (host->is_settled) return 0;
  const int64_t now_ns = hgl_mono_ns(directory->clock);
  bool is_large = host->advert_count > directory->settles_at_once;
  if (is_large && !now && now_ns < host->settle_due_ns) return 0;
  close_gaps(host);
  int status = merge_rest(host, err);
  if (!status) status = hash_adverts(host, err);
  if (status) return status;
  directory->hashed += host->advert_count;
  host->settle_due_ns = now_ns + INT64_C(1000000000) * SETTLE_EVERY_S;
  host->is_settled = true;
  return 0;
}
