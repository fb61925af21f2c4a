/* Deal records of agents, and the evidence they rest on. */
#include "agent/internal.h"

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
  if ((status = hgl_cbor_get_text(&in, name, size_max, out, err)))
    return hgl_fail(err, HGL_INVALID, "a deal's '%s' is a text of at most %zu bytes", name,
                    size_max);
  return 0;
}

int deal_put(struct agent *agent, struct hgl_bytes deal, struct hgl_err *err)
{
  struct stretch *stretch = &agent->host->stretch;
  struct hgl_bytes id, state;
  struct hgl_buf key;
  uint8_t number[8];
  int status;
  if (deal.size > DEAL_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "a deal record of more than %d bytes", DEAL_SIZE_MAX);
  if ((status = text_field(deal, "id", DEAL_ID_SIZE_MAX, &id, err)) ||
      (status = text_field(deal, "status", HGL_NAME_SIZE_MAX, &state, err)))
    return status;
  hgl_buf_init(&key, HGL_STORE_KEY_SIZE_MAX);
  hgl_buf_append_bytes(&key, row_key(agent->number, number));
  hgl_buf_append_bytes(&key, id);
  status = hgl_buf_check(&key, err);
  if (!status)
    status = hgl_writeset_put(stretch->writes, HGL_DB_DEALS, hgl_buf_bytes(&key), deal, err);
  hgl_buf_deinit(&key);
  json_t *json = NULL;
  if (!status) status = hgl_value_to_json(deal, &json, err);
  if (status) return status;
  json_object_set_new(json, "agent", json_string(agent->name));
  if (!stretch->deals) stretch->deals = json_array();
  return json_array_append_new(stretch->deals, json) ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
                                                     : 0;
}

/* ---- listing and exporting ---- */

struct listing {
  struct hgl_host *host;
  json_t *list;
  size_t limit;
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
  json_t *deal;
  int status = hgl_value_to_json(value, &deal, err);
  if (status) return status;
  json_object_set_new(deal, "agent", json_string(name_of(listing->host, key)));
  if (json_array_append_new(listing->list, deal))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return listing->limit && json_array_size(listing->list) >= listing->limit;
}

int hgl_host_list_deals(struct hgl_host *host, size_t limit, json_t **out, struct hgl_err *err)
{
  struct listing listing = {host, json_array(), limit};
  int status = hgl_store_scan(host->config.store, HGL_DB_DEALS, hgl_bytes(NULL, 0),
                              hgl_bytes(NULL, 0), true, list_deal, &listing, err);
  if (status < 0)
    json_decref(listing.list);
  else
    *out = listing.list;
  return status < 0 ? status : 0;
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
  struct hgl_bytes id = hgl_bytes(key.data + 8, key.size - 8);
  if (id.size < search->beginning.size ||
      memcmp(id.data, search->beginning.data, search->beginning.size) != 0)
    return 0;
  /* Both sides of one deal may live on this host: they name the same messages. */
  if (search->deal.size && !hgl_bytes_equal(hgl_buf_bytes(&search->id), id)) {
    search->ambiguous = true;
    return 1;
  }
  hgl_buf_clear(&search->deal);
  hgl_buf_clear(&search->id);
  hgl_buf_append_bytes(&search->deal, value);
  hgl_buf_append_bytes(&search->id, id);
  return hgl_buf_check(&search->deal, err);
}

static int export_message(struct hgl_host *host, const struct hgl_id *id, struct hgl_buf *out,
                          struct hgl_err *err)
{
  int status = hgl_store_get(host->config.store, HGL_DB_EVIDENCE, hgl_bytes(id->bytes, HGL_ID_SIZE),
                             out, err);
  return status == -HGL_NOT_FOUND ? journal_find(host, id, out, err) : status;
}

/* A list of the evidence of every message that the deal names and this host still has. */
static int export_deal(struct hgl_host *host, struct hgl_bytes deal, struct hgl_buf *out,
                       struct hgl_err *err)
{
  struct hgl_bytes field, text;
  struct hgl_buf one, all;
  struct hgl_id id;
  bool found;
  size_t count = 0, held = 0;
  hgl_buf_init(&one, HGL_EVIDENCE_SIZE_MAX);
  hgl_buf_init(&all, HGL_STORE_VALUE_SIZE_MAX);
  int status = hgl_value_field(deal, "messages", &field, &found, err);
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  if (!status && found) status = hgl_cbor_get_list(&in, "messages", 64, &count, err);
  for (size_t i = 0; i < count && !status; i++) {
    if ((status = hgl_cbor_get_text(&in, "message id", 2 * HGL_ID_SIZE, &text, err)) ||
        (status = hgl_id_parse(text, &id, err)))
      break;
    hgl_buf_clear(&one);
    status = export_message(host, &id, &one, err);
    if (status == -HGL_NOT_FOUND) {
      status = 0;
      continue;
    }
    hgl_buf_append_bytes(&all, hgl_buf_bytes(&one));
    held++;
  }
  if (!status && !held)
    status = hgl_fail(err, HGL_NOT_FOUND, "no evidence of this deal is kept here");
  if (!status) {
    hgl_cbor_put_list(out, held);
    hgl_buf_append_bytes(out, hgl_buf_bytes(&all));
    status = hgl_buf_check(&all, err);
  }
  if (!status) status = hgl_buf_check(out, err);
  hgl_buf_deinit(&one);
  hgl_buf_deinit(&all);
  return status;
}

int hgl_host_export(struct hgl_host *host, const char *text, struct hgl_buf *out,
                    struct hgl_err *err)
{
  struct search search = {.beginning = hgl_text(text)};
  struct hgl_id id;
  struct hgl_err ignored;
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
    status = export_message(host, &id, out, err);
  else if (!status)
    status = hgl_fail(err, HGL_NOT_FOUND, "no deal or message %s", text);
  hgl_buf_deinit(&search.deal);
  hgl_buf_deinit(&search.id);
  return status;
}
