/* Why a query finds no more: the offers that fail fewest of its conditions. */
#include "agent/directory_table.h"
#include "base/mem.h"

enum {
  CONSIDERED_MAX = 4096, /* a large directory is not gone through for this */
  MISSES_MAX = 8,        /* told of one offer */
};

struct near {
  struct hgl_dir_offer *offer;
  size_t failed;
  bool related; /* of the service or the protocol that the query names */
};

struct nearest {
  const struct hgl_directory *directory;
  const struct hgl_query *query;
  struct near *items; /* the nearest first */
  size_t count, limit, considered;
};

/* Neither the service nor the protocol is among what fails. */
static bool is_related(const struct hgl_query *query, const struct hgl_query_miss *misses,
                       size_t count)
{
  for (size_t i = 0; i < count; i++) {
    struct hgl_bytes fields[MISSES_MAX];
    size_t field_count = hgl_query_fields(query, misses[i].condition, fields, MISSES_MAX);
    for (size_t k = 0; k < field_count; k++)
      if (hgl_bytes_is(fields[k], "service") || hgl_bytes_is(fields[k], "protocol")) return false;
  }
  return true;
}

/* Fewer failures first, then what is related, then by agent: the same for whoever asks again. */
static bool is_nearer(const struct near *a, const struct near *b)
{
  if (a->related != b->related) return a->related;
  if (a->failed != b->failed) return a->failed < b->failed;
  int order = memcmp(a->offer->advert->agent.bytes, b->offer->advert->agent.bytes, HGL_KEY_SIZE);
  return order ? order < 0 : a->offer < b->offer;
}

static void consider(struct nearest *nearest, struct hgl_dir_offer *offer)
{
  struct hgl_query_miss misses[MISSES_MAX];
  if (!hgl_dir_advert_is_live(nearest->directory, offer->advert)) return;
  nearest->considered++;
  size_t failed = hgl_query_explain(nearest->query, offer->value, misses, MISSES_MAX);
  if (!failed) return;
  const struct near near = {
      offer, failed, is_related(nearest->query, misses, failed < MISSES_MAX ? failed : MISSES_MAX)};
  size_t at = nearest->count;
  while (at && is_nearer(&near, &nearest->items[at - 1])) at--;
  if (at == nearest->limit) return;
  size_t last = nearest->count < nearest->limit ? nearest->count++ : nearest->limit - 1;
  memmove(nearest->items + at + 1, nearest->items + at, (last - at) * sizeof *nearest->items);
  nearest->items[at] = near;
}

/* Those of the service that is asked for come first, then all others, as far as there is time. */
static void consider_all(struct nearest *nearest)
{
  const struct hgl_directory *directory = nearest->directory;
  struct hgl_bytes name = hgl_query_service(nearest->query);
  const struct hgl_dir_service *service = name.size ? hgl_map_get(&directory->services, name)
                                                    : NULL;
  struct hgl_dir_advert *advert;
  for (size_t i = 0; service && i < service->count && nearest->considered < CONSIDERED_MAX; i++)
    consider(nearest, service->offers[i]);
  size_t visited = 0;
  for (size_t at = 0; nearest->considered < CONSIDERED_MAX && visited < CONSIDERED_MAX &&
                      (advert = hgl_table_next(&directory->adverts, &at));
       visited++)
    for (size_t i = 0; advert->offers && i < advert->offers->count; i++)
      if (!service || advert->offers->items[i].service != service)
        consider(nearest, &advert->offers->items[i]);
}

static int tell(const struct nearest *nearest, hgl_directory_near visit, void *user,
                struct hgl_err *err)
{
  struct hgl_query_miss misses[MISSES_MAX];
  struct hgl_buf found;
  int status = 0;
  hgl_buf_init(&found, 2 * HGL_ADVERT_SIZE_MAX);
  for (size_t i = 0; i < nearest->count && !status; i++) {
    struct hgl_dir_offer *offer = nearest->items[i].offer;
    size_t count = hgl_query_explain(nearest->query, offer->value, misses, MISSES_MAX);
    hgl_buf_clear(&found);
    status = hgl_dir_put_found(offer, &found, err);
    if (!status) status = hgl_buf_check(&found, err);
    if (!status)
      status = visit(user, hgl_buf_bytes(&found), offer->value, &offer->advert->agent, misses,
                     count < MISSES_MAX ? count : MISSES_MAX, err);
  }
  hgl_buf_deinit(&found);
  return status;
}

int hgl_directory_explain(struct hgl_directory *directory, const struct hgl_query *query,
                          size_t limit, hgl_directory_near visit, void *user, size_t *considered,
                          struct hgl_err *err)
{
  struct nearest nearest = {.directory = directory, .query = query, .limit = limit};
  nearest.items = hgl_array(limit, sizeof *nearest.items);
  if (!nearest.items) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a query");
  consider_all(&nearest);
  int status = tell(&nearest, visit, user, err);
  hgl_free(nearest.items);
  *considered = nearest.considered;
  return status;
}

bool hgl_directory_times(const struct hgl_directory *directory, const struct hgl_key *agent,
                         struct hgl_directory_times *out)
{
  const struct hgl_dir_advert *advert = hgl_dir_advert_get(directory, agent);
  if (!advert || !hgl_dir_advert_is_live(directory, advert)) return false;
  *out = (struct hgl_directory_times){.version = advert->version,
                                      .lease_ms = advert->host->until_ms,
                                      .delegation_ms = advert->expiry.due};
  return true;
}
