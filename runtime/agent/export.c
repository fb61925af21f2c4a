/* The evidence of a message, of all messages of a deal, or that somebody contradicted himself. What
 * is not kept for good is looked for in the journal, all of it in one pass. */
#include "agent/lookup.h"
#include "agent/show.h"

enum { MESSAGES_MAX = 64, EVIDENCE_SIZE_MAX = 3 << 20 /* as base64url it still fits a line */ };

/* ---- which deal ---- */

struct deal_search {
  struct hgl_bytes beginning;
  uint64_t number; /* of the agent among whose deals it looks */
  struct agent *agent;
  struct hgl_buf deal;
  struct hgl_buf id;
  bool ambiguous;
};

static bool begins(struct hgl_bytes text, struct hgl_bytes beginning)
{
  return text.size >= beginning.size && memcmp(text.data, beginning.data, beginning.size) == 0;
}

static int take_deal(struct deal_search *search, struct hgl_bytes id, struct hgl_bytes value,
                     struct hgl_err *err)
{
  struct hgl_bytes record;
  int64_t time_ms;
  /* Both sides of one deal may live on this host: they name the same messages. */
  if (search->deal.size && !hgl_bytes_equal(hgl_buf_bytes(&search->id), id)) {
    search->ambiguous = true;
    return 1;
  }
  int status = deal_decode(value, &time_ms, &record, err);
  if (status) return status;
  hgl_buf_clear(&search->deal);
  hgl_buf_clear(&search->id);
  hgl_buf_append_bytes(&search->deal, record);
  hgl_buf_append_bytes(&search->id, id);
  return hgl_buf_check(&search->deal, err);
}

struct visit {
  struct hgl_host *host;
  struct deal_search *search;
};

/* 1: the looking goes on at (number ‖ beginning). */
static int match_deal(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct visit *visit = user;
  struct deal_search *search = visit->search;
  enum { NUMBER_SIZE = 8 };
  struct hgl_bytes id = hgl_bytes(key.data + NUMBER_SIZE, key.size - NUMBER_SIZE);
  uint64_t number = hgl_get_be64(key.data);
  if (!begins(id, search->beginning)) {
    search->number = number > search->number ? number : number + 1;
    return 1;
  }
  search->number = number;
  search->agent = agent_by_number(visit->host, number);
  return take_deal(search, id, value, err);
}

/* Deals stand by agent and id: a look or two for each agent that has any. */
static int search_deals(struct hgl_host *host, struct deal_search *search, struct hgl_err *err)
{
  struct visit visit = {host, search};
  struct hgl_buf from;
  uint8_t number[8];
  hgl_buf_init(&from, HGL_STORE_KEY_SIZE_MAX);
  int status;
  do {
    hgl_buf_clear(&from);
    hgl_buf_append_bytes(&from, row_key(search->number, number));
    hgl_buf_append_bytes(&from, search->beginning);
    status = hgl_buf_check(&from, err);
    if (!status)
      status = hgl_store_scan(host->config.store, HGL_DB_DEALS, hgl_bytes(NULL, 0),
                              hgl_buf_bytes(&from), false, match_deal, &visit, err);
  } while (status > 0 && !search->ambiguous);
  hgl_buf_deinit(&from);
  return status < 0 ? status : 0;
}

/* ---- what is to be exported ---- */

struct wanted {
  struct hgl_id id;
  struct hgl_buf evidence; /* one behind the other, */
  size_t count;            /* so many */
};

struct export
{
  struct hgl_lookup lookup; /* first member */
  struct hgl_host *host;
  bool of_deal;
  struct wanted wanted[MESSAGES_MAX];
  size_t wanted_count;
  struct evidence_thread thread; /* of the deal, */
  struct hgl_key agent;
  bool has_thread;                 /* if it is one: what was said elsewhere does not count */
  struct hgl_id ids[MESSAGES_MAX]; /* those that are not found yet */
  struct journal_search search;
  struct hgl_buf out;
};

/* Whoever knows a message's id can say others of the same id elsewhere. A deal of which the record
 * does not tell with whom it is has no thread. */
static int find_thread(struct export *export, const struct deal_search *deal, struct hgl_err *err)
{
  struct hgl_err ignored;
  struct hgl_bytes field, text;
  bool found;
  if (hgl_id_parse(hgl_buf_bytes(&deal->id), &export->thread.thid, &ignored)) return 0;
  int status = hgl_value_field(hgl_buf_bytes(&deal->deal), "counterparty", &field, &found, err);
  if (status || !found) return status;
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  if (hgl_cbor_get_text(&in, "counterparty", HGL_DID_TEXT_SIZE, &text, &ignored) ||
      hgl_did_parse(text, &export->thread.peer, &ignored))
    return 0;
  if (deal->agent) export->agent = deal->agent->key;
  export->thread.agent = deal->agent ? &export->agent : NULL;
  export->has_thread = true;
  return 0;
}

static const struct evidence_thread *thread_of(const struct export *export)
{
  return export->has_thread ? &export->thread : NULL;
}

/* While it waits for the rest, it holds no more than can be told. */
static int check_size(const struct export *export, struct hgl_err *err)
{
  size_t size = 0;
  for (size_t i = 0; i < export->wanted_count; i++) size += export->wanted[i].evidence.size;
  if (size <= EVIDENCE_SIZE_MAX) return 0;
  return hgl_fail(
      err, HGL_TOO_LARGE,
      "the evidence of this deal takes more than %d MiB: export its messages one by one",
      EVIDENCE_SIZE_MAX >> 20);
}

/* What is kept of it is taken at once. */
static int want(struct export *export, const struct hgl_id *id, struct hgl_err *err)
{
  struct wanted *wanted = &export->wanted[export->wanted_count++];
  wanted->id = *id;
  hgl_buf_init(&wanted->evidence, EVIDENCE_SIZE_MAX);
  int status = evidence_kept(export->host, id, export->of_deal, thread_of(export),
                             &wanted->evidence, &wanted->count, err);
  if (status == -HGL_NOT_FOUND) {
    export->ids[export->search.id_count++] = *id;
    status = 0;
  }
  return status ? status : check_size(export, err);
}

static int want_deal(struct export *export, const struct deal_search *deal, struct hgl_err *err)
{
  struct hgl_bytes field = {0}, text;
  struct hgl_id id;
  bool found = false;
  size_t count = 0;
  export->of_deal = true;
  int status = find_thread(export, deal, err);
  if (!status)
    status = hgl_value_field(hgl_buf_bytes(&deal->deal), "messages", &field, &found, err);
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  if (!status && found) status = hgl_cbor_get_list(&in, "messages", MESSAGES_MAX, &count, err);
  for (; count && !status; count--)
    if (!(status = hgl_cbor_get_text(&in, "message id", 2 * HGL_ID_SIZE, &text, err)) &&
        !(status = hgl_id_parse(text, &id, err)))
      status = want(export, &id, err);
  return status;
}

static int want_text(struct export *export, const char *text, struct hgl_err *err)
{
  struct deal_search search = {.beginning = hgl_text(text)};
  struct hgl_id id;
  struct hgl_err ignored;
  if (search.beginning.size < 4)
    return hgl_fail(err, HGL_INVALID, "an id, or at least 4 characters of a deal's");
  hgl_buf_init(&search.deal, HGL_STORE_VALUE_SIZE_MAX);
  hgl_buf_init(&search.id, HGL_STORE_KEY_SIZE_MAX);
  int status = search_deals(export->host, &search, err);
  if (search.ambiguous)
    status = hgl_fail(err, HGL_INVALID, "several deals begin with %s: give more of the id", text);
  else if (!status && search.deal.size)
    status = want_deal(export, &search, err);
  else if (!status && hgl_id_parse(hgl_text(text), &id, &ignored) == 0)
    status = want(export, &id, err);
  else if (!status)
    status = hgl_fail(err, HGL_NOT_FOUND, "no deal or message %s", text);
  hgl_buf_deinit(&search.deal);
  hgl_buf_deinit(&search.id);
  return status;
}

/* ---- looking for it ---- */

/* A record may name a message twice. */
static int take_found(struct export *export, const struct hgl_id *id, struct hgl_bytes evidence,
                      struct hgl_err *err)
{
  struct journal_search *search = &export->search;
  for (size_t i = search->id_count; i-- > 0;)
    if (hgl_id_equal(&search->ids[i], id)) search->ids[i] = search->ids[--search->id_count];
  int status = 0;
  for (size_t i = 0; i < export->wanted_count && !status; i++) {
    struct wanted *wanted = &export->wanted[i];
    if (!hgl_id_equal(&wanted->id, id)) continue;
    hgl_buf_append_bytes(&wanted->evidence, evidence);
    wanted->count = 1;
    status = hgl_buf_check(&wanted->evidence, err);
  }
  return status ? status : check_size(export, err);
}

static int visit_found(void *user, const struct journal_message *message, struct hgl_err *err)
{
  struct export *export = user;
  struct hgl_buf evidence;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  int status = journal_evidence(export->host, message, &evidence, err);
  if (!status && evidence_is_of(hgl_buf_bytes(&evidence), thread_of(export)))
    status = take_found(export, &message->envelope.id, hgl_buf_bytes(&evidence), err);
  hgl_buf_deinit(&evidence);
  return status || !export->search.id_count ? status : JOURNAL_ANOTHER;
}

/* A deal's is a list of all that there is. */
static int put_found(struct export *export, struct hgl_err *err)
{
  size_t count = 0;
  for (size_t i = 0; i < export->wanted_count; i++) count += export->wanted[i].count;
  if (export->of_deal && !count)
    return hgl_fail(err, HGL_NOT_FOUND, "no evidence of this deal is kept here");
  if (export->of_deal) hgl_cbor_put_list(&export->out, count);
  for (size_t i = 0; i < export->wanted_count; i++)
    hgl_buf_append_bytes(&export->out, hgl_buf_bytes(&export->wanted[i].evidence));
  return hgl_buf_check(&export->out, err);
}

static int step(struct export *export, size_t bytes, struct hgl_err *err)
{
  int status = export->search.id_count
                   ? journal_search_step(export->host, &export->search, bytes, err)
                   : 0;
  if (status == -HGL_NOT_FOUND && export->of_deal) status = 0;
  if (!status && !export->out.size) status = put_found(export, err);
  return status;
}

/* ---- its life ---- */

static int step_to_json(struct hgl_lookup *lookup, size_t bytes, json_t **out, struct hgl_err *err)
{
  struct export *export = (struct export *)lookup;
  int status = step(export, bytes, err);
  if (status) return status;
  *out = json_pack("{s:o}", "evidence", json_base64(hgl_buf_bytes(&export->out)));
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static void destroy(struct hgl_lookup *lookup)
{
  struct export *export = (struct export *)lookup;
  for (size_t i = 0; i < export->wanted_count; i++) hgl_buf_deinit(&export->wanted[i].evidence);
  hgl_buf_deinit(&export->out);
  hgl_free(export);
}

int hgl_lookup_evidence(struct hgl_host *host, const char *text, struct hgl_lookup **out,
                        struct hgl_err *err)
{
  struct hgl_key subject;
  struct hgl_err ignored;
  struct export *export = hgl_zalloc(sizeof *export);
  if (!export) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  export->lookup = (struct hgl_lookup){step_to_json, destroy};
  export->host = host;
  export->search = (struct journal_search){
      .ids = export->ids, .visit = visit_found, .user = export};
  hgl_buf_init(&export->out, EVIDENCE_SIZE_MAX);
  int status = hgl_did_parse(hgl_text(text), &subject, &ignored) == 0
                   ? proofs_export(host, &subject, &export->out, err)
                   : want_text(export, text, err);
  if (export->has_thread) export->search.within = &export->thread.thid;
  if (status)
    destroy(&export->lookup);
  else
    *out = &export->lookup;
  return status;
}

int hgl_host_export(struct hgl_host *host, const char *text, struct hgl_buf *out,
                    struct hgl_err *err)
{
  struct hgl_lookup *lookup;
  int status = hgl_lookup_evidence(host, text, &lookup, err);
  if (status) return status;
  struct export *export = (struct export *)lookup;
  status = step(export, SIZE_MAX, err);
  if (!status) {
    hgl_buf_append_bytes(out, hgl_buf_bytes(&export->out));
    status = hgl_buf_check(out, err);
  }
  hgl_lookup_destroy(lookup);
  return status;
}
