/* What the directory has, described for the control API: one advert, and why a query finds what it
 * does. */
#include "agent/show.h"
#include "protocol/advert.h"

enum { FOUND_SIZE_MAX = 1 << 20, CONDITION_SIZE_MAX = 2048, FIELDS_MAX = 8 };

/* An offer holds as long as both do. */
static int64_t end_of(const struct hgl_directory_times *times)
{
  return times->lease_ms < times->delegation_ms ? times->lease_ms : times->delegation_ms;
}

static int set_times(struct hgl_host *host, const struct hgl_key *agent, json_t *offer)
{
  struct hgl_directory_times times;
  if (!hgl_directory_times(host->directory, agent, &times)) return 0;
  return json_object_set_new(offer, "version", json_integer((json_int_t)times.version)) |
         json_object_set_new(offer, "expires_ms", json_integer(end_of(&times)));
}

/* ---- why a query finds what it does ---- */

struct explaining {
  struct hgl_host *host;
  const struct hgl_query *query;
  json_t *near;
};

static json_t *value_at(struct hgl_bytes offer, struct hgl_bytes path)
{
  struct hgl_bytes value;
  struct hgl_err ignored;
  json_t *json = NULL;
  if (!hgl_query_field(offer, path, &value)) return json_null();
  return hgl_value_to_json(value, &json, &ignored) ? NULL : json;
}

/* Of a group: what each of its fields is. */
static json_t *fields_of(const struct explaining *explaining, size_t condition,
                         struct hgl_bytes offer)
{
  struct hgl_bytes fields[FIELDS_MAX];
  size_t count = hgl_query_fields(explaining->query, condition, fields, FIELDS_MAX);
  json_t *out = json_object();
  int status = out ? 0 : -1;
  for (size_t i = 0; i < count && !status; i++)
    status = json_object_setn_new_nocheck(out, (const char *)fields[i].data, fields[i].size,
                                          value_at(offer, fields[i]));
  if (!status) return out;
  json_decref(out);
  return NULL;
}

static json_t *show_miss(const struct explaining *explaining, const struct hgl_query_miss *miss,
                         struct hgl_bytes offer)
{
  struct hgl_buf text;
  struct hgl_err err;
  json_t *found = NULL;
  hgl_buf_init(&text, CONDITION_SIZE_MAX);
  int status = hgl_query_show(explaining->query, miss->condition, &text, &err);
  if (!status && miss->has_found) status = hgl_value_to_json(miss->found, &found, &err);
  json_t *out = status ? NULL
                       : json_pack("{s:o, s:o?, s:b, s:o}", "condition",
                                   json_words(hgl_buf_bytes(&text)), "found", found, "absent",
                                   !miss->has_found, "fields",
                                   fields_of(explaining, miss->condition, offer));
  hgl_buf_deinit(&text);
  if (out && miss->has_km && json_object_set_new(out, "km", json_real(miss->km))) {
    json_decref(out);
    return NULL;
  }
  return out;
}

static int add_near(void *user, struct hgl_bytes found, struct hgl_bytes value,
                    const struct hgl_key *agent, const struct hgl_query_miss *misses, size_t count,
                    struct hgl_err *err)
{
  struct explaining *explaining = user;
  json_t *offer = NULL, *failed = json_array();
  int status = failed ? hgl_value_to_json(found, &offer, err)
                      : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < count && !status; i++)
    if (json_array_append_new(failed, show_miss(explaining, &misses[i], value)))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status && set_times(explaining->host, agent, offer))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  json_t *near = status ? NULL : json_pack("{s:O, s:O}", "offer", offer, "failed", failed);
  json_decref(offer);
  json_decref(failed);
  if (!status && json_array_append_new(explaining->near, near))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return status;
}

static int set_times_of_hits(struct hgl_host *host, json_t *hits, struct hgl_err *err)
{
  size_t index;
  json_t *hit;
  json_array_foreach(hits, index, hit)
  {
    const char *did = json_string_value(json_object_get(hit, "agent"));
    struct hgl_key agent;
    if (!did || hgl_did_parse(hgl_text(did), &agent, NULL)) continue;
    if (set_times(host, &agent, hit)) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  return 0;
}

static int find_hits(struct hgl_host *host, const struct hgl_query *query, size_t limit,
                     json_t **out, bool *more, struct hgl_err *err)
{
  struct hgl_buf result;
  hgl_buf_init(&result, FOUND_SIZE_MAX + 2 * HGL_ADVERT_SIZE_MAX);
  int status = hgl_directory_find_from(host->directory, query, 0, FOUND_SIZE_MAX, &result, more,
                                       err);
  if (!status) status = hgl_value_to_json(hgl_buf_bytes(&result), out, err);
  hgl_buf_deinit(&result);
  if (status) return status;
  while (json_array_size(*out) > limit) {
    json_array_remove(*out, json_array_size(*out) - 1);
    *more = true;
  }
  return set_times_of_hits(host, *out, err);
}

int hgl_host_explain(struct hgl_host *host, const char *text, size_t limit, json_t **out,
                     struct hgl_err *err)
{
  struct hgl_query *query;
  json_t *hits = NULL;
  size_t considered = 0;
  bool more = false;
  int status = hgl_query_parse(hgl_text(text), &query, err);
  if (status) return status;
  struct explaining explaining = {host, query, json_array()};
  status = explaining.near ? find_hits(host, query, limit, &hits, &more, err)
                           : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status)
    status = hgl_directory_explain(host->directory, query, limit, add_near, &explaining,
                                   &considered, err);
  if (!status) {
    *out = json_pack("{s:O, s:b, s:O, s:I}", "hits", hits, "more", more, "near", explaining.near,
                     "considered", (json_int_t)considered);
    if (!*out) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  json_decref(hits);
  json_decref(explaining.near);
  hgl_query_destroy(query);
  return status;
}

/* ---- one advert ---- */

static json_t *list_offers(const struct hgl_advert *advert, struct hgl_err *err)
{
  json_t *list = json_array();
  int status = list ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < advert->offer_count && !status; i++) {
    json_t *offer = NULL;
    status = hgl_value_to_json(advert->offers[i], &offer, err);
    if (!status && json_array_append_new(list, offer))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  if (!status) return list;
  json_decref(list);
  return NULL;
}

static int set_texts(struct hgl_host *host, const struct hgl_advert *advert, json_t *out)
{
  const struct agent *here = agent_by_key(host, &advert->agent);
  int status = 0;
  if (advert->name.size) status |= json_object_set_new(out, "name", json_words(advert->name));
  if (advert->about.size) status |= json_object_set_new(out, "about", json_words(advert->about));
  return here ? status | json_object_set_new(out, "agent_name", json_string(here->name)) : status;
}

static int show_advert(struct hgl_host *host, const struct hgl_advert *advert,
                       struct hgl_bytes evidence, json_t **out, struct hgl_err *err)
{
  struct hgl_directory_times times = {0};
  json_t *offers = list_offers(advert, err);
  if (!offers) return -(int)err->code;
  (void)hgl_directory_times(host->directory, &advert->agent, &times);
  *out = json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "agent", json_did(&advert->agent),
                   "host", json_did(&advert->host), "offers", offers, "version",
                   (json_int_t)advert->version, "expires_ms", (json_int_t)end_of(&times),
                   "lease_ms", (json_int_t)times.lease_ms, "delegation_ms",
                   (json_int_t)times.delegation_ms, "evidence", json_base64(evidence));
  if (*out && set_texts(host, advert, *out) == 0) return 0;
  json_decref(*out);
  *out = NULL;
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

int hgl_host_advert(struct hgl_host *host, const char *agent, json_t **out, struct hgl_err *err)
{
  struct hgl_advert advert;
  struct hgl_buf evidence;
  struct hgl_key key;
  int status = key_of_text(host, agent, &key, err);
  if (status) return status;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  status = hgl_directory_advert(host->directory, &key, &evidence, err);
  if (status == -HGL_NOT_FOUND)
    status = hgl_fail(err, HGL_NOT_FOUND,
                      "no advert of %.80s is known here, or it holds no more: an agent is "
                      "advertised when it offers something (agent.offer)",
                      agent);
  if (!status) status = hgl_advert_decode(hgl_buf_bytes(&evidence), &advert, err);
  if (!status) status = show_advert(host, &advert, hgl_buf_bytes(&evidence), out, err);
  hgl_buf_deinit(&evidence);
  return status;
}
