/* The control API's calls about what is listed and what is stored: agents, peers, deals, proofs,
 * dead letters and suspended handlers, page by page or one of them. */
#include "host/control_call.h"

#include "protocol/value.h"

enum {
  DEALS_DEFAULT = 50,
  /* Bytes of one page. An item takes at most 0.4 MiB: a deal of 64 KiB as escapes. */
  PAGE_SIZE_MAX = 1 << 20,
  CURSOR_SIZE_MAX = 128,
};

/* Pages --------------------------------------------------------------------------------------- */

/* The page's cursor is kept in `cursor`. */
static int get_page(const struct hgl_control_call *call, int64_t otherwise, struct hgl_buf *cursor,
                    struct hgl_page *page, struct hgl_err *err)
{
  const char *text = "";
  int64_t limit;
  int status = hgl_call_integer(call, "limit", 1, HGL_CONTROL_LIST_MAX, otherwise, &limit, err);
  if (status == 0 && json_object_get(call->request, "cursor"))
    status = hgl_request_text(call->request, "cursor", &text, err);
  if (status == 0 && hgl_base64url_decode(hgl_text(text), cursor, NULL) != 0)
    status = hgl_fail(err, HGL_INVALID, "\"cursor\" is not what \"next\" of an answer was");
  if (status) return status;
  page->after = hgl_buf_bytes(cursor);
  page->limit = (size_t)limit;
  page->size_max = PAGE_SIZE_MAX;
  return 0;
}

static int give_next(const struct hgl_control_call *call, const struct hgl_buf *next,
                     struct hgl_err *err)
{
  struct hgl_buf text;
  if (!next->size) return 0;
  hgl_buf_init(&text, 2 * CURSOR_SIZE_MAX);
  hgl_base64url_encode(hgl_buf_bytes(next), &text);
  int status = hgl_buf_check(&text, err);
  if (status == 0) {
    *call->next = json_stringn((const char *)text.data, text.size);
    if (!*call->next) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  hgl_buf_deinit(&text);
  return status;
}

/* Of the lists that can be asked for one agent's. */
static int get_whose(const struct hgl_control_call *call, enum hgl_list list, struct hgl_page *page,
                     struct hgl_err *err)
{
  const json_t *newest = json_object_get(call->request, "newest");
  if (list != HGL_LIST_DEAD && list != HGL_LIST_RUNS) return 0;
  if (newest && (!json_is_boolean(newest) || list != HGL_LIST_DEAD))
    return hgl_fail(err, HGL_INVALID, "\"newest\" is true or false, of dead letters");
  page->newest = json_is_true(newest);
  return json_object_get(call->request, "agent")
             ? hgl_request_text(call->request, "agent", &page->agent, err)
             : 0;
}

/* With a query: what it finds, else one of the host's lists. */
static int give_page(const struct hgl_control_call *call, enum hgl_list list, const char *query,
                     int64_t otherwise, json_t **result, struct hgl_err *err)
{
  struct hgl_buf cursor, next;
  struct hgl_page page = {.next = &next};
  hgl_buf_init(&cursor, CURSOR_SIZE_MAX);
  hgl_buf_init(&next, CURSOR_SIZE_MAX);
  int status = get_page(call, otherwise, &cursor, &page, err);
  if (status == 0) status = get_whose(call, list, &page, err);
  if (status == 0)
    status = query ? hgl_host_find_page(call->host, query, &page, result, err)
                   : hgl_host_page(call->host, list, &page, result, err);
  if (status == 0) status = give_next(call, &next, err);
  hgl_buf_deinit(&cursor);
  hgl_buf_deinit(&next);
  return status;
}

int hgl_call_agents(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_AGENTS, NULL, HGL_CONTROL_LIST_MAX, result, err);
}

int hgl_call_peers(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_PEERS, NULL, HGL_CONTROL_LIST_MAX, result, err);
}

int hgl_call_find(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *query;
  int status = hgl_request_text(call->request, "query", &query, err);
  return status ? status
                : give_page(call, HGL_LIST_AGENTS, query, HGL_CONTROL_LIST_MAX, result, err);
}

int hgl_call_deals(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_DEALS, NULL, DEALS_DEFAULT, result, err);
}

int hgl_call_proofs(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_PROOFS, NULL, HGL_CONTROL_LIST_MAX, result, err);
}

/* Single ones --------------------------------------------------------------------------------- */

int hgl_call_dead_list(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_DEAD, NULL, HGL_CONTROL_LIST_MAX, result, err);
}

int hgl_call_dead_show(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  int64_t row;
  int status = hgl_call_integer(call, "row", 0, INT64_MAX, -1, &row, err);
  return status ? status : hgl_host_show_dead(call->host, (uint64_t)row, result, err);
}

int hgl_call_runs_list(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_RUNS, NULL, HGL_CONTROL_LIST_MAX, result, err);
}

int hgl_call_runs_show(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  int64_t row;
  int status = hgl_call_integer(call, "row", 0, INT64_MAX, -1, &row, err);
  return status ? status : hgl_host_show_run(call->host, (uint64_t)row, result, err);
}

/* {"row": N} or {"all": true}. */
static int get_rows(const struct hgl_control_call *call, bool *all, int64_t *row,
                    struct hgl_err *err)
{
  const json_t *value = json_object_get(call->request, "all");
  *all = json_is_true(value);
  if (*all && !json_object_get(call->request, "row")) return 0;
  if (value) return hgl_fail(err, HGL_INVALID, "give either \"row\" or \"all\": true");
  return hgl_call_integer(call, "row", 0, INT64_MAX, -1, row, err);
}

int hgl_call_dead_resend(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  int64_t row = -1;
  bool all;
  size_t done, left;
  int status = get_rows(call, &all, &row, err);
  if (status == 0 && !all) return hgl_host_dead_resend(call->host, (uint64_t)row, err);
  if (status == 0) status = hgl_host_dead_resend_all(call->host, &done, &left, err);
  if (status) return status;
  *result = json_pack("{s:I, s:I}", "resent", (json_int_t)done, "left", (json_int_t)left);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

int hgl_call_dead_drop(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  int64_t row = -1;
  bool all;
  size_t done;
  int status = get_rows(call, &all, &row, err);
  if (status == 0 && !all) return hgl_host_dead_drop(call->host, (uint64_t)row, err);
  if (status == 0) status = hgl_host_dead_drop_all(call->host, &done, err);
  if (status) return status;
  *result = json_pack("{s:I}", "dropped", (json_int_t)done);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* runs.retry, runs.finish and runs.drop */
int hgl_call_run(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *name;
  int64_t row;
  int status = hgl_request_text(call->request, "call", &name, err);
  if (status == 0) status = hgl_call_integer(call, "row", 0, INT64_MAX, -1, &row, err);
  if (status) return status;
  struct hgl_host *host = call->host;
  if (strcmp(name, "runs.retry") == 0) return hgl_host_run_retry(host, (uint64_t)row, err);
  if (strcmp(name, "runs.finish") == 0) return hgl_host_run_finish(host, (uint64_t)row, err);
  return hgl_host_run_drop(host, (uint64_t)row, err);
}
