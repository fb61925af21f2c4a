/* Deal records of agents. */
#include "agent/page.h"

enum { DEAL_ID_SIZE_MAX = 64, DEAL_SIZE_MAX = 64 * 1024 };

static int text_field(struct hgl_bytes map, const char *name, size_t size_max,
                      struct hgl_bytes *out, struct hgl_err *err)
{
  struct hgl_bytes field;
  bool found;
  int status = hgl_value_field(map, name, &field, &found, err);
  if (status) return status;
  if (!found) return hgl_fail(err, HGL_INVALID, "a deal needs the field '%s'", name);
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  if (hgl_cbor_get_text(&in, name, size_max, out, err))
    return hgl_fail(err, HGL_INVALID, "a deal's '%s' is a text of at most %zu bytes", name,
                    size_max);
  return 0;
}

/* The row: [time ms, deal]. */
int deal_decode(struct hgl_bytes row, int64_t *time_ms, struct hgl_bytes *deal, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  size_t count;
  int status = hgl_cbor_get_list(&in, "deal", 2, &count, err);
  if (!status) status = hgl_cbor_get_int(&in, "deal.time", time_ms, err);
  return status ? status : hgl_cbor_get_value(&in, "deal.record", deal, err);
}

static int same_field(struct hgl_bytes a, struct hgl_bytes b, const char *name, bool *same,
                      struct hgl_err *err)
{
  struct hgl_bytes one = {0}, other = {0};
  bool found;
  int status = hgl_value_field(a, name, &one, &found, err);
  if (!status) status = hgl_value_field(b, name, &other, &found, err);
  if (!status) *same = hgl_bytes_equal(one, other);
  return status;
}

/* What was agreed stays as it was agreed, and how it ended stays the end: a peer that opens an old
 * thread again must not rewrite the books. */
static int check_change(struct hgl_bytes old, struct hgl_bytes deal, struct hgl_err *err)
{
  static const char *const terms[] = {"service", "price", "role", "counterparty"};
  struct hgl_bytes was;
  bool same;
  int status;
  for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
    if ((status = same_field(old, deal, terms[i], &same, err))) return status;
    if (!same)
      return hgl_fail(err, HGL_EXISTS, "a deal with this id is recorded with another %s", terms[i]);
  }
  if ((status = same_field(old, deal, "status", &same, err)) || same ||
      (status = text_field(old, "status", HGL_NAME_SIZE_MAX, &was, err)))
    return status;
  return hgl_bytes_is(was, "agreed")
             ? 0
             : hgl_fail(err, HGL_EXISTS, "this deal has ended: %.*s", HGL_STR(was));
}

/* The record as the running stretch sees it. HGL_NOT_FOUND fills no message. */
static int get_recorded(struct agent *agent, struct hgl_bytes key, struct hgl_buf *row,
                        struct hgl_err *err)
{
  struct hgl_bytes put;
  if (hgl_writeset_get(agent->host->stretch.writes, HGL_DB_DEALS, key, &put) != HGL_WRITESET_PUT)
    return hgl_store_get(agent->host->config.store, HGL_DB_DEALS, key, row, err);
  hgl_buf_append_bytes(row, put);
  return hgl_buf_check(row, err);
}

/* Where the record stands among all of this host's, by time. */
static void time_key(int64_t time_ms, struct hgl_bytes key, struct hgl_buf *out)
{
  uint8_t time[8];
  hgl_put_be64(time, (uint64_t)time_ms);
  hgl_buf_clear(out);
  hgl_buf_append(out, time, sizeof time);
  hgl_buf_append_bytes(out, key);
}

/* A record that is there already: may this one take its place? If so, it leaves its place in time.
 */
static int replace_recorded(struct agent *agent, struct hgl_bytes key, struct hgl_bytes deal,
                            struct hgl_err *err)
{
  struct hgl_bytes old;
  struct hgl_buf row, place;
  int64_t time_ms;
  hgl_buf_init(&row, DEAL_SIZE_MAX + 64);
  hgl_buf_init(&place, HGL_STORE_KEY_SIZE_MAX);
  int status = get_recorded(agent, key, &row, err);
  if (!status) status = deal_decode(hgl_buf_bytes(&row), &time_ms, &old, err);
  if (!status) status = check_change(old, deal, err);
  if (!status) {
    time_key(time_ms, key, &place);
    status = hgl_buf_check(&place, err);
  }
  if (!status)
    status = hgl_writeset_delete(agent->host->stretch.writes, HGL_DB_DEAL_TIMES,
                                 hgl_buf_bytes(&place), err);
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&place);
  return status == -HGL_NOT_FOUND ? 0 : status;
}

static int put_row(struct agent *agent, struct hgl_bytes id, struct hgl_bytes deal,
                   struct hgl_err *err)
{
  struct hgl_writeset *writes = agent->host->stretch.writes;
  struct hgl_buf key, row, place;
  uint8_t number[8];
  hgl_buf_init(&key, HGL_STORE_KEY_SIZE_MAX);
  hgl_buf_init(&row, DEAL_SIZE_MAX + 64);
  hgl_buf_init(&place, HGL_STORE_KEY_SIZE_MAX);
  hgl_buf_append_bytes(&key, row_key(agent->number, number));
  hgl_buf_append_bytes(&key, id);
  hgl_cbor_put_list(&row, 2);
  hgl_cbor_put_int(&row, agent->host->now_ms);
  hgl_buf_append_bytes(&row, deal);
  time_key(agent->host->now_ms, hgl_buf_bytes(&key), &place);
  int status = hgl_buf_check(&key, err);
  if (!status) status = hgl_buf_check(&row, err);
  if (!status) status = hgl_buf_check(&place, err);
  if (!status) status = replace_recorded(agent, hgl_buf_bytes(&key), deal, err);
  if (!status)
    status = hgl_writeset_put(writes, HGL_DB_DEALS, hgl_buf_bytes(&key), hgl_buf_bytes(&row), err);
  if (!status)
    status = hgl_writeset_put(writes, HGL_DB_DEAL_TIMES, hgl_buf_bytes(&place), hgl_bytes(NULL, 0),
                              err);
  hgl_buf_deinit(&key);
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&place);
  return status;
}

int deal_get(struct agent *agent, struct hgl_bytes id, struct hgl_buf *row,
             struct hgl_bytes *record, struct hgl_err *err)
{
  uint8_t key[8 + DEAL_ID_SIZE_MAX];
  int64_t time_ms;
  if (id.size > DEAL_ID_SIZE_MAX) return -HGL_NOT_FOUND;
  row_key(agent->number, key);
  memcpy(key + 8, id.data, id.size);
  int status = hgl_store_get(agent->host->config.store, HGL_DB_DEALS, hgl_bytes(key, 8 + id.size),
                             row, err);
  return status ? status : deal_decode(hgl_buf_bytes(row), &time_ms, record, err);
}

/* An agent of this host is told by its name, one of another host also by what its advert calls it:
 * scripts write records, and have no say in either. */
static void tell_with_whom(struct hgl_host *host, json_t *deal)
{
  json_t *counterparty = json_object_get(deal, "counterparty");
  const char *did = json_string_value(counterparty);
  const struct agent *agent = NULL;
  struct hgl_bytes alias = {0};
  struct hgl_key key;
  struct hgl_err ignored;
  json_object_del(deal, "with_alias");
  if (!did) return;
  if (hgl_did_decode(hgl_text(did), &key, &ignored) == 0) {
    agent = agent_by_key(host, &key);
    if (!agent) (void)hgl_directory_services(host->directory, &key, &alias, NULL, 0);
  }
  if (agent)
    json_object_set_new(deal, "with", json_string(agent->name));
  else
    json_object_set(deal, "with", counterparty);
  if (alias.size) json_object_set_new(deal, "with_alias", json_words(alias));
}

int deal_put(struct agent *agent, struct hgl_bytes deal, struct hgl_err *err)
{
  struct stretch *stretch = &agent->host->stretch;
  struct hgl_bytes id, state;
  json_t *json = NULL;
  int status;
  if (deal.size > DEAL_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "a deal record of more than %d bytes", DEAL_SIZE_MAX);
  if ((status = text_field(deal, "id", DEAL_ID_SIZE_MAX, &id, err)) ||
      (status = text_field(deal, "status", HGL_NAME_SIZE_MAX, &state, err)) ||
      (status = put_row(agent, id, deal, err)) || (status = hgl_value_to_json(deal, &json, err)))
    return status;
  json_object_set_new(json, "agent", json_string(agent->name));
  json_object_set_new(json, "time_ms", json_integer(agent->host->now_ms)); /* as in its row */
  if (agent->host->watchers) tell_with_whom(agent->host, json);
  if (!stretch->deals) stretch->deals = json_array();
  return json_array_append_new(stretch->deals, json) ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
                                                     : 0;
}

/* ---- listing ---- */

static int describe_deal(struct hgl_host *host, struct hgl_bytes key, struct hgl_bytes row,
                         json_t **out, struct hgl_err *err)
{
  const struct agent *agent = agent_by_number(host, hgl_get_be64(key.data));
  struct hgl_bytes record;
  int64_t time_ms;
  int status = deal_decode(row, &time_ms, &record, err);
  if (!status) status = hgl_value_to_json(record, out, err);
  if (status) return status;
  json_object_set_new(*out, "agent", json_string(agent ? agent->name : "(not running)"));
  tell_with_whom(host, *out);
  json_object_set_new(*out, "time_ms", json_integer(time_ms));
  return 0;
}

struct deal_paging {
  struct paging paging;
  struct hgl_host *host;
};

static int list_place(void *user, struct hgl_bytes place, struct hgl_bytes value,
                      struct hgl_err *err)
{
  struct deal_paging *deals = user;
  struct hgl_buf row;
  json_t *deal = NULL;
  enum { TIME_SIZE = 8, NUMBER_SIZE = 8 };
  if (page_full(&deals->paging)) return 1;
  if (place.size < TIME_SIZE + NUMBER_SIZE)
    return hgl_fail(err, HGL_CORRUPT, "a deal's place in time has a bad key");
  struct hgl_bytes key = hgl_bytes(place.data + TIME_SIZE, place.size - TIME_SIZE);
  hgl_buf_init(&row, DEAL_SIZE_MAX + 64);
  int status = hgl_store_get(deals->host->config.store, HGL_DB_DEALS, key, &row, err);
  if (status == -HGL_NOT_FOUND) status = hgl_fail(err, HGL_CORRUPT, "a deal's record is missing");
  if (!status) status = describe_deal(deals->host, key, hgl_buf_bytes(&row), &deal, err);
  hgl_buf_deinit(&row);
  return status ? status : page_add(&deals->paging, deal, place, err);
}

/* Newest first: the cursor is the place in time of the last one told. */
int page_of_deals(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                  struct hgl_err *err)
{
  struct deal_paging deals = {.host = host};
  int status = page_begin(&deals.paging, page, err);
  if (!status)
    status = hgl_store_scan(host->config.store, HGL_DB_DEAL_TIMES, hgl_bytes(NULL, 0),
                            page_after(&deals.paging), true, list_place, &deals, err);
  return page_end(&deals.paging, status, out, err);
}

int hgl_host_list_deals(struct hgl_host *host, size_t limit, json_t **out, struct hgl_err *err)
{
  const struct hgl_page page = {.limit = limit ? limit : SIZE_MAX, .size_max = SIZE_MAX};
  return page_of_deals(host, &page, out, err);
}
