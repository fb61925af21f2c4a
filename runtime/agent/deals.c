/* Deal records of agents, and the evidence they rest on. */
#include "agent/internal.h"

#include <stdlib.h>

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
static int decode(struct hgl_bytes row, int64_t *time_ms, struct hgl_bytes *deal,
                  struct hgl_err *err)
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

/* As the running stretch sees it. */
static int check_recorded(struct agent *agent, struct hgl_bytes key, struct hgl_bytes deal,
                          struct hgl_err *err)
{
  struct hgl_bytes row, old;
  struct hgl_buf stored;
  int64_t time_ms;
  hgl_buf_init(&stored, DEAL_SIZE_MAX + 64);
  int status = 0;
  if (hgl_writeset_get(agent->host->stretch.writes, HGL_DB_DEALS, key, &row) != HGL_WRITESET_PUT) {
    status = hgl_store_get(agent->host->config.store, HGL_DB_DEALS, key, &stored, err);
    row = hgl_buf_bytes(&stored);
  }
  if (!status) status = decode(row, &time_ms, &old, err);
  if (!status) status = check_change(old, deal, err);
  hgl_buf_deinit(&stored);
  return status == -HGL_NOT_FOUND ? 0 : status;
}

static int put_row(struct agent *agent, struct hgl_bytes id, struct hgl_bytes deal,
                   struct hgl_err *err)
{
  struct hgl_buf key, row;
  uint8_t number[8];
  hgl_buf_init(&key, HGL_STORE_KEY_SIZE_MAX);
  hgl_buf_init(&row, DEAL_SIZE_MAX + 64);
  hgl_buf_append_bytes(&key, row_key(agent->number, number));
  hgl_buf_append_bytes(&key, id);
  hgl_cbor_put_list(&row, 2);
  hgl_cbor_put_int(&row, agent->host->now_ms);
  hgl_buf_append_bytes(&row, deal);
  int status = hgl_buf_check(&key, err);
  if (!status) status = hgl_buf_check(&row, err);
  if (!status) status = check_recorded(agent, hgl_buf_bytes(&key), deal, err);
  if (!status)
    status = hgl_writeset_put(agent->host->stretch.writes, HGL_DB_DEALS, hgl_buf_bytes(&key),
                              hgl_buf_bytes(&row), err);
  hgl_buf_deinit(&key);
  hgl_buf_deinit(&row);
  return status;
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
  if (!stretch->deals) stretch->deals = json_array();
  return json_array_append_new(stretch->deals, json) ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
                                                     : 0;
}

/* ---- listing and exporting ---- */

struct listing {
  struct hgl_host *host;
  json_t *list;
};

static const char *name_of(struct hgl_host *host, struct hgl_bytes key)
{
  uint64_t number = hgl_get_be64(key.data);
  for (size_t i = 0; i < host->agent_count; i++)
    if (host->agents[i]->number == number) return host->agents[i]->name;
  return "(not running)";
}

static int list_deal(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct listing *listing = user;
  struct hgl_bytes record;
  int64_t time_ms;
  json_t *deal;
  int status = decode(value, &time_ms, &record, err);
  if (!status) status = hgl_value_to_json(record, &deal, err);
  if (status) return status;
  json_object_set_new(deal, "agent", json_string(name_of(listing->host, key)));
  json_object_set_new(deal, "time_ms", json_integer(time_ms));
  return json_array_append_new(listing->list, deal) ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
                                                    : 0;
}

static int newest_first(const void *a, const void *b)
{
  json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "time_ms"));
  json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "time_ms"));
  return x > y ? -1 : x < y;
}

/* The newest `limit` of a list, which is consumed. */
static int newest(json_t *all, size_t limit, json_t **out, struct hgl_err *err)
{
  size_t count = json_array_size(all), index;
  json_t **deals = hgl_array(count + 1, sizeof(json_t *)), *deal;
  json_t *list = json_array();
  if (!deals || !list) {
    hgl_free(deals);
    json_decref(list);
    json_decref(all);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  json_array_foreach(all, index, deal) deals[index] = deal;
  qsort(deals, count, sizeof *deals, newest_first);
  for (size_t i = 0; i < count && (!limit || i < limit); i++) json_array_append(list, deals[i]);
  hgl_free(deals);
  json_decref(all);
  *out = list;
  return 0;
}

int hgl_host_list_deals(struct hgl_host *host, size_t limit, json_t **out, struct hgl_err *err)
{
  struct listing listing = {host, json_array()};
  int status = hgl_store_scan(host->config.store, HGL_DB_DEALS, hgl_bytes(NULL, 0),
                              hgl_bytes(NULL, 0), false, list_deal, &listing, err);
  if (!status) return newest(listing.list, limit, out, err);
  json_decref(listing.list);
  return status;
}

struct search {
  struct hgl_bytes beginning;
  struct hgl_buf deal;
  struct hgl_buf id;
  bool ambiguous;
};

static int match_deal(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct search *search = user;
  struct hgl_bytes id = hgl_bytes(key.data + 8, key.size - 8), record;
  int64_t time_ms;
  if (id.size < search->beginning.size ||
      memcmp(id.data, search->beginning.data, search->beginning.size) != 0)
    return 0;
  /* Both sides of one deal may live on this host: they name the same messages. */
  if (search->deal.size && !hgl_bytes_equal(hgl_buf_bytes(&search->id), id)) {
    search->ambiguous = true;
    return 1;
  }
  int status = decode(value, &time_ms, &record, err);
  if (status) return status;
  hgl_buf_clear(&search->deal);
  hgl_buf_clear(&search->id);
  hgl_buf_append_bytes(&search->deal, record);
  hgl_buf_append_bytes(&search->id, id);
  return hgl_buf_check(&search->deal, err);
}

static int export_message(struct hgl_host *host, const struct hgl_id *id, bool twins,
                          struct hgl_buf *out, size_t *count, struct hgl_err *err)
{
  int status = evidence_kept(host, id, twins, out, count, err);
  if (status != -HGL_NOT_FOUND) return status;
  *count = 1;
  return journal_find(host, id, out, err);
}

/* A list of the evidence of every message that the deal names and this host still has. */
static int export_deal(struct hgl_host *host, struct hgl_bytes deal, struct hgl_buf *out,
                       struct hgl_err *err)
{
  struct hgl_bytes field, text;
  struct hgl_buf all;
  struct hgl_id id;
  bool found;
  size_t count = 0, held = 0, rows;
  hgl_buf_init(&all, HGL_STORE_VALUE_SIZE_MAX);
  int status = hgl_value_field(deal, "messages", &field, &found, err);
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  if (!status && found) status = hgl_cbor_get_list(&in, "messages", 64, &count, err);
  for (size_t i = 0; i < count && !status; i++) {
    if ((status = hgl_cbor_get_text(&in, "message id", 2 * HGL_ID_SIZE, &text, err)) ||
        (status = hgl_id_parse(text, &id, err)))
      break;
    status = export_message(host, &id, true, &all, &rows, err);
    if (!status) held += rows;
    if (status == -HGL_NOT_FOUND) status = 0;
  }
  if (!status && !held)
    status = hgl_fail(err, HGL_NOT_FOUND, "no evidence of this deal is kept here");
  if (!status) {
    hgl_cbor_put_list(out, held);
    hgl_buf_append_bytes(out, hgl_buf_bytes(&all));
    status = hgl_buf_check(&all, err);
  }
  if (!status) status = hgl_buf_check(out, err);
  hgl_buf_deinit(&all);
  return status;
}

int hgl_host_export(struct hgl_host *host, const char *text, struct hgl_buf *out,
                    struct hgl_err *err)
{
  struct search search = {.beginning = hgl_text(text)};
  struct hgl_id id;
  struct hgl_err ignored;
  size_t count;
  hgl_buf_init(&search.deal, HGL_STORE_VALUE_SIZE_MAX);
  hgl_buf_init(&search.id, HGL_STORE_KEY_SIZE_MAX);
  int status = search.beginning.size < 4
                   ? hgl_fail(err, HGL_INVALID, "an id, or at least 4 characters of a deal's")
                   : hgl_store_scan(host->config.store, HGL_DB_DEALS, hgl_bytes(NULL, 0),
                                    hgl_bytes(NULL, 0), false, match_deal, &search, err);
  if (search.ambiguous)
    status = hgl_fail(err, HGL_INVALID, "several deals begin with %s: give more of the id", text);
  if (!status && search.deal.size)
    status = export_deal(host, hgl_buf_bytes(&search.deal), out, err);
  else if (!status && hgl_id_parse(hgl_text(text), &id, &ignored) == 0)
    status = export_message(host, &id, false, out, &count, err);
  else if (!status)
    status = hgl_fail(err, HGL_NOT_FOUND, "no deal or message %s", text);
  hgl_buf_deinit(&search.deal);
  hgl_buf_deinit(&search.id);
  return status;
}
