#include "host/control_api.h"

#include "base/mem.h"
#include "host/backup.h"
#include "host/control_chat.h"
#include "host/paths.h"
#include "protocol/value.h"

enum {
  REQUEST_SIZE_MAX = HGL_CONTROL_LINE_SIZE_MAX,
  EXPORT_SIZE_MAX = 3 << 20, /* as base64url it still fits a line */
  DEALS_DEFAULT = 50,
  TRACE_DEFAULT = 200,
  LIST_MAX = 10000, /* items of one page */
  /* Bytes of one page. An item takes at most 0.4 MiB: a deal of 64 KiB as escapes. */
  PAGE_SIZE_MAX = 1 << 20,
  CURSOR_SIZE_MAX = 128,
  ASK_DEFAULT_MS = 10000,
  ASK_MAX_MS = 3600 * 1000,
  ASKS_MAX = 1024, /* waiting at the same time */
  BACKUP_DEFAULT_MS = 600 * 1000,
  BACKUP_MAX_MS = 24 * 3600 * 1000,
};

/* An ask of a client that waits for its answer. The host has the pointer until it answers. */
struct ask {
  struct ask *next, **link;
  struct hgl_control_api *api;
  struct hgl_control_client *client; /* NULL: it has hung up */
  json_t *tag;
};

/* A client that is told what happens. */
struct tail {
  struct tail *next, **link;
  struct hgl_control_client *client;
  json_t *agent, *kinds; /* what it wants to see; NULL: everything */
};

struct hgl_control_api {
  struct hgl_socket_path path;
  struct hgl_control *control;
  struct hgl_host *host;
  struct hgl_control_actions actions;
  struct hgl_watcher watcher;
  struct ask *asks;
  size_t ask_count;
  struct tail *tails;
  struct hgl_backup_config backups; /* what they have in common; without a store: none are made */
  char *data;                       /* their data folder */
  struct hgl_log_sink *log_sink;    /* or NULL */
  struct hgl_backup *backup;        /* under way, or NULL */
  struct hgl_control_client *backup_client; /* NULL: it has hung up */
  json_t *backup_tag;
  struct hgl_chats chats;
};

struct call {
  struct hgl_control_api *api;
  struct hgl_control_client *client;
  const json_t *request;
  json_t **next; /* a list may set it: the cursor of its next page */
};

/* Answers ------------------------------------------------------------------------------------- */

/* Steals the answer; what cannot be sent is for nobody. */
static void send_json(struct hgl_control_client *client, json_t *answer)
{
  struct hgl_buf line;
  hgl_buf_init(&line, HGL_CONTROL_LINE_SIZE_MAX);
  if (answer && hgl_json_print(answer, &line, NULL) != 0) {
    hgl_buf_clear(&line);
    hgl_buf_append_text(&line, "{\"ok\":false,\"error\":{\"code\":\"too_large\",\"message\":"
                               "\"the answer is longer than a line may be\"}}");
  }
  if (line.size && hgl_control_send(client, hgl_buf_bytes(&line), NULL) != 0)
    hgl_buf_clear(&line); /* it hung up, or does not read: the connection is gone */
  hgl_buf_deinit(&line);
  json_decref(answer);
}

/* A message may quote what is no text, or be cut within a character. */
static json_t *error_json(const struct hgl_err *why)
{
  struct hgl_buf message;
  hgl_buf_init(&message, sizeof why->message);
  hgl_utf8_mend(hgl_text(why->message), &message);
  json_t *error = json_pack("{s:b, s:{s:s, s:s%}}", "ok", 0, "error", "code",
                            hgl_code_name(why->code), "message",
                            message.size ? (const char *)message.data : "", message.size);
  hgl_buf_deinit(&message);
  return error;
}

/* Steals the result; the tag is what the request gave as "id", `next` the cursor of the next page,
 * or NULL. */
static void answer(struct hgl_control_client *client, const json_t *tag, json_t *result,
                   json_t *next, const struct hgl_err *why)
{
  json_t *line = why ? error_json(why) : json_pack("{s:b, s:o?}", "ok", 1, "result", result);
  if (why) json_decref(result);
  if (line && next && !why) json_object_set(line, "next", next);
  if (line && tag) json_object_set(line, "id", (json_t *)tag);
  send_json(client, line);
}

/* Arguments ----------------------------------------------------------------------------------- */

static int get_text(const struct call *call, const char *name, const char **out,
                    struct hgl_err *err)
{
  const json_t *value = json_object_get(call->request, name);
  const char *text = json_string_value(value);
  if (!text || strlen(text) != json_string_length(value))
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be a text", name);
  *out = text;
  return 0;
}

/* Absent: `otherwise`. */
static int get_integer(const struct call *call, const char *name, int64_t least, int64_t most,
                       int64_t otherwise, int64_t *out, struct hgl_err *err)
{
  const json_t *value = json_object_get(call->request, name);
  int64_t number = value ? json_integer_value(value) : otherwise;
  if ((value && !json_is_integer(value)) || number < least || number > most)
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be an integer from %lld to %lld", name,
                    (long long)least, (long long)most);
  *out = number;
  return 0;
}

/* Looking ------------------------------------------------------------------------------------- */

static int call_describe(const struct call *call, json_t **result, struct hgl_err *err)
{
  return hgl_host_describe(call->api->host, result, err);
}

/* The page's cursor is kept in `cursor`. */
static int get_page(const struct call *call, int64_t otherwise, struct hgl_buf *cursor,
                    struct hgl_page *page, struct hgl_err *err)
{
  const char *text = "";
  int64_t limit;
  int status = get_integer(call, "limit", 1, LIST_MAX, otherwise, &limit, err);
  if (status == 0 && json_object_get(call->request, "cursor"))
    status = get_text(call, "cursor", &text, err);
  if (status == 0 && hgl_base64url_decode(hgl_text(text), cursor, NULL) != 0)
    status = hgl_fail(err, HGL_INVALID, "\"cursor\" is not what \"next\" of an answer was");
  if (status) return status;
  page->after = hgl_buf_bytes(cursor);
  page->limit = (size_t)limit;
  page->size_max = PAGE_SIZE_MAX;
  return 0;
}

static int give_next(const struct call *call, const struct hgl_buf *next, struct hgl_err *err)
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

/* With a query: what it finds, else one of the host's lists. */
static int give_page(const struct call *call, enum hgl_list list, const char *query,
                     int64_t otherwise, json_t **result, struct hgl_err *err)
{
  struct hgl_buf cursor, next;
  struct hgl_page page = {.next = &next};
  hgl_buf_init(&cursor, CURSOR_SIZE_MAX);
  hgl_buf_init(&next, CURSOR_SIZE_MAX);
  int status = get_page(call, otherwise, &cursor, &page, err);
  if (status == 0)
    status = query ? hgl_host_find_page(call->api->host, query, &page, result, err)
                   : hgl_host_page(call->api->host, list, &page, result, err);
  if (status == 0) status = give_next(call, &next, err);
  hgl_buf_deinit(&cursor);
  hgl_buf_deinit(&next);
  return status;
}

static int call_agents(const struct call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_AGENTS, NULL, LIST_MAX, result, err);
}

static int call_peers(const struct call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_PEERS, NULL, LIST_MAX, result, err);
}

static int call_find(const struct call *call, json_t **result, struct hgl_err *err)
{
  const char *query;
  int status = get_text(call, "query", &query, err);
  return status ? status : give_page(call, HGL_LIST_AGENTS, query, LIST_MAX, result, err);
}

static int call_deals(const struct call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_DEALS, NULL, DEALS_DEFAULT, result, err);
}

static int call_proofs(const struct call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_PROOFS, NULL, LIST_MAX, result, err);
}

static int call_protocols(const struct call *call, json_t **result, struct hgl_err *err)
{
  const char *name;
  int status = get_text(call, "name", &name, err);
  return status ? status : hgl_host_protocols(call->api->host, name, result, err);
}

static int call_chat_open(const struct call *call, json_t **result, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  return hgl_chat_open(&api->chats, api->host, call->client, call->request, result, err);
}

static int call_chat_say(const struct call *call, json_t **result, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  return hgl_chat_say(&api->chats, api->host, call->client, call->request, err);
}

static int call_chat_end(const struct call *call, json_t **result, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  return hgl_chat_end(&api->chats, api->host, call->client, call->request, err);
}

static int call_trace(const struct call *call, json_t **result, struct hgl_err *err)
{
  const char *agent;
  int64_t after, limit;
  int status = get_text(call, "agent", &agent, err);
  if (!status) status = get_integer(call, "after", 0, INT64_MAX, 0, &after, err);
  if (!status) status = get_integer(call, "limit", 1, LIST_MAX, TRACE_DEFAULT, &limit, err);
  return status
             ? status
             : hgl_host_trace(call->api->host, agent, (uint64_t)after, (size_t)limit, result, err);
}

static int call_dead_list(const struct call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_DEAD, NULL, LIST_MAX, result, err);
}

static int call_dead_show(const struct call *call, json_t **result, struct hgl_err *err)
{
  int64_t row;
  int status = get_integer(call, "row", 0, INT64_MAX, -1, &row, err);
  return status ? status : hgl_host_show_dead(call->api->host, (uint64_t)row, result, err);
}

static int call_runs_list(const struct call *call, json_t **result, struct hgl_err *err)
{
  return give_page(call, HGL_LIST_RUNS, NULL, LIST_MAX, result, err);
}

static int call_runs_show(const struct call *call, json_t **result, struct hgl_err *err)
{
  int64_t row;
  int status = get_integer(call, "row", 0, INT64_MAX, -1, &row, err);
  return status ? status : hgl_host_show_run(call->api->host, (uint64_t)row, result, err);
}

static int call_export(const struct call *call, json_t **result, struct hgl_err *err)
{
  const char *id;
  struct hgl_buf evidence, text;
  hgl_buf_init(&evidence, EXPORT_SIZE_MAX);
  hgl_buf_init(&text, HGL_CONTROL_LINE_SIZE_MAX);
  int status = get_text(call, "of", &id, err);
  if (status == 0) status = hgl_host_export(call->api->host, id, &evidence, err);
  if (status == 0) {
    hgl_base64url_encode(hgl_buf_bytes(&evidence), &text);
    status = hgl_buf_check(&text, err);
  }
  if (status == 0) {
    *result = json_pack("{s:s%}", "evidence", (const char *)text.data, text.size);
    if (!*result) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  hgl_buf_deinit(&evidence);
  hgl_buf_deinit(&text);
  return status;
}

/* Commanding ---------------------------------------------------------------------------------- */

/* {"row": N} or {"all": true}. */
static int get_rows(const struct call *call, bool *all, int64_t *row, struct hgl_err *err)
{
  const json_t *value = json_object_get(call->request, "all");
  *all = json_is_true(value);
  if (*all && !json_object_get(call->request, "row")) return 0;
  if (value) return hgl_fail(err, HGL_INVALID, "give either \"row\" or \"all\": true");
  return get_integer(call, "row", 0, INT64_MAX, -1, row, err);
}

static int call_dead_resend(const struct call *call, json_t **result, struct hgl_err *err)
{
  int64_t row = -1;
  bool all;
  size_t done, left;
  int status = get_rows(call, &all, &row, err);
  if (status == 0 && !all) return hgl_host_dead_resend(call->api->host, (uint64_t)row, err);
  if (status == 0) status = hgl_host_dead_resend_all(call->api->host, &done, &left, err);
  if (status) return status;
  *result = json_pack("{s:I, s:I}", "resent", (json_int_t)done, "left", (json_int_t)left);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static int call_dead_drop(const struct call *call, json_t **result, struct hgl_err *err)
{
  int64_t row = -1;
  bool all;
  size_t done;
  int status = get_rows(call, &all, &row, err);
  if (status == 0 && !all) return hgl_host_dead_drop(call->api->host, (uint64_t)row, err);
  if (status == 0) status = hgl_host_dead_drop_all(call->api->host, &done, err);
  if (status) return status;
  *result = json_pack("{s:I}", "dropped", (json_int_t)done);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* runs.retry, runs.finish and runs.drop */
static int call_run(const struct call *call, json_t **result, struct hgl_err *err)
{
  const char *name;
  int64_t row;
  int status = get_text(call, "call", &name, err);
  if (status == 0) status = get_integer(call, "row", 0, INT64_MAX, -1, &row, err);
  if (status) return status;
  struct hgl_host *host = call->api->host;
  if (strcmp(name, "runs.retry") == 0) return hgl_host_run_retry(host, (uint64_t)row, err);
  if (strcmp(name, "runs.finish") == 0) return hgl_host_run_finish(host, (uint64_t)row, err);
  return hgl_host_run_drop(host, (uint64_t)row, err);
}

static int call_stop(const struct call *call, json_t **result, struct hgl_err *err)
{
  call->api->actions.stop(call->api->actions.user);
  return 0;
}

static void forget_ask(struct ask *ask)
{
  *ask->link = ask->next;
  if (ask->next) ask->next->link = ask->link;
  ask->api->ask_count--;
  json_decref(ask->tag);
  hgl_free(ask);
}

static void answer_came(void *user, json_t *reply, const struct hgl_err *why)
{
  struct ask *ask = user;
  if (ask->client) answer(ask->client, ask->tag, json_incref(reply), NULL, why);
  forget_ask(ask);
}

/* The envelope's fields, encoded: to, type, body (absent: null). */
static int get_message(const struct call *call, const char **to, const char **type,
                       struct hgl_buf *body, struct hgl_err *err)
{
  const json_t *value = json_object_get(call->request, "body");
  int status = get_text(call, "to", to, err);
  if (status == 0) status = get_text(call, "type", type, err);
  if (status) return status;
  if (value) return hgl_value_from_json(value, body, err);
  hgl_cbor_put_null(body);
  return hgl_buf_check(body, err);
}

static int call_send(const struct call *call, json_t **result, struct hgl_err *err)
{
  const char *to, *type;
  struct hgl_buf body;
  struct hgl_id id;
  char id_text[2 * HGL_ID_SIZE + 1];
  hgl_buf_init(&body, HGL_BODY_SIZE_MAX);
  int status = get_message(call, &to, &type, &body, err);
  if (status == 0)
    status = hgl_host_send(call->api->host, to, type, hgl_buf_bytes(&body), 0, NULL, NULL, &id,
                           err);
  hgl_buf_deinit(&body);
  if (status) return status;
  hgl_id_format(&id, id_text);
  *result = json_pack("{s:s}", "message", id_text);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static struct ask *remember_ask(const struct call *call, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  struct ask *ask = api->ask_count < ASKS_MAX ? hgl_zalloc(sizeof *ask) : NULL;
  if (!ask) {
    hgl_fail(err, HGL_LIMIT, "%d asks are waiting already", ASKS_MAX);
    return NULL;
  }
  ask->api = api;
  ask->client = call->client;
  ask->tag = json_incref(json_object_get(call->request, "id"));
  ask->next = api->asks;
  ask->link = &api->asks;
  if (ask->next) ask->next->link = &ask->next;
  api->asks = ask;
  api->ask_count++;
  return ask;
}

/* Answers later, unless it fails at once. */
static int call_ask(const struct call *call, struct hgl_err *err)
{
  const char *to, *type;
  int64_t within_ms;
  struct hgl_buf body;
  struct hgl_id id;
  struct ask *ask;
  hgl_buf_init(&body, HGL_BODY_SIZE_MAX);
  int status = get_message(call, &to, &type, &body, err);
  if (status == 0)
    status = get_integer(call, "within_ms", 1, ASK_MAX_MS, ASK_DEFAULT_MS, &within_ms, err);
  if (status == 0 && !(ask = remember_ask(call, err))) status = -(int)err->code;
  if (status == 0) {
    status = hgl_host_send(call->api->host, to, type, hgl_buf_bytes(&body), within_ms, answer_came,
                           ask, &id, err);
    if (status) forget_ask(ask);
  }
  hgl_buf_deinit(&body);
  return status;
}

/* Answers when the agent has come to rest and the change is durable. */
static int call_agent(const struct call *call, struct hgl_err *err)
{
  struct hgl_host *host = call->api->host;
  struct hgl_buf name;
  struct ask *ask = remember_ask(call, err);
  if (!ask) return -(int)err->code;
  hgl_buf_init(&name, HGL_NAME_SIZE_MAX + 1);
  int status = hgl_control_change_agent(host, &call->api->actions, call->request, &name, err);
  hgl_buf_append_byte(&name, 0);
  if (status == 0) status = hgl_buf_check(&name, err);
  if (status == 0)
    status = hgl_host_when_settled(host, (const char *)name.data, answer_came, ask, err);
  if (status) forget_ask(ask);
  hgl_buf_deinit(&name);
  return status;
}

/* Answers when the last one is durable, or was refused. */
static int call_reload(const struct call *call, struct hgl_err *err)
{
  struct ask *ask = remember_ask(call, err);
  if (!ask) return -(int)err->code;
  int status = hgl_control_reload(call->api->host, call->request, answer_came, ask, err);
  if (status) forget_ask(ask);
  return status;
}

static int call_chat_hear(const struct call *call, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  struct ask *ask = remember_ask(call, err);
  if (!ask) return -(int)err->code;
  int status = hgl_chat_hear(&api->chats, api->host, call->client, call->request, answer_came, ask,
                             err);
  if (status) forget_ask(ask);
  return status;
}

static int call_console(const struct call *call, struct hgl_err *err)
{
  long uid = hgl_control_client_uid(call->client);
  struct ask *ask = remember_ask(call, err);
  if (!ask) return -(int)err->code;
  int status = hgl_control_console(call->api->host, call->request, uid, answer_came, ask, err);
  if (status) forget_ask(ask);
  return status;
}

/* Of the line that this client gave under the id. */
static int call_console_stop(const struct call *call, json_t **result, struct hgl_err *err)
{
  const json_t *of = json_object_get(call->request, "of");
  const struct ask *ask = call->api->asks;
  while (ask && (ask->client != call->client || !of || !json_equal(ask->tag, of))) ask = ask->next;
  if (!ask) return hgl_fail(err, HGL_NOT_FOUND, "no line of this id is running");
  return hgl_host_console_stop(call->api->host, ask, err);
}

static int call_complete(const struct call *call, json_t **result, struct hgl_err *err)
{
  return hgl_control_complete(call->api->host, call->request, result, err);
}

static int call_state(const struct call *call, json_t **result, struct hgl_err *err)
{
  return hgl_control_state(call->api->host, call->request, result, err);
}

/* Tails --------------------------------------------------------------------------------------- */

static bool wants_kind(const struct tail *tail, const char *kind)
{
  size_t index;
  json_t *value;
  json_array_foreach(tail->kinds, index, value)
  {
    if (strcmp(json_string_value(value), kind) == 0) return true;
  }
  return !tail->kinds;
}

/* Messages are turned into JSON only while somebody looks at them. */
static void watch_for_tails(struct hgl_control_api *api)
{
  api->watcher.messages = false;
  for (const struct tail *tail = api->tails; tail; tail = tail->next)
    api->watcher.messages |= wants_kind(tail, "message");
  hgl_host_watch(api->host, api->tails ? &api->watcher : NULL);
}

static void forget_tail(struct hgl_control_api *api, struct tail *tail)
{
  *tail->link = tail->next;
  if (tail->next) tail->next->link = tail->link;
  json_decref(tail->agent);
  json_decref(tail->kinds);
  hgl_free(tail);
  watch_for_tails(api);
}

static bool names_agent(const json_t *object, const char *agent)
{
  static const char *const fields[] = {"agent",   "from", "to", "from_name",
                                       "to_name", "name", "did"};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    const char *value = json_string_value(json_object_get(object, fields[i]));
    if (value && strcmp(value, agent) == 0) return true;
  }
  return false;
}

static bool wants(const struct tail *tail, const char *kind, const json_t *object)
{
  return wants_kind(tail, kind) &&
         (!tail->agent || names_agent(object, json_string_value(tail->agent)));
}

static void event(void *user, const char *kind, json_t *object)
{
  struct hgl_control_api *api = user;
  for (struct tail *tail = api->tails, *next; tail; tail = next) {
    next = tail->next; /* a client that does not read is dropped while it is sent to */
    if (!wants(tail, kind, object)) continue;
    json_t *line = json_pack("{s:s}", "event", kind);
    if (line) json_object_update_missing(line, object);
    send_json(tail->client, line);
  }
}

static int check_kinds(const json_t *kinds, struct hgl_err *err)
{
  static const char *const known[] = {"log", "message", "deal", "agent", "peer", "dead", NULL};
  size_t index;
  json_t *value;
  if (kinds && !json_is_array(kinds)) return hgl_fail(err, HGL_INVALID, "\"kinds\" must be a list");
  json_array_foreach(kinds, index, value)
  {
    const char *const *kind = known;
    const char *text = json_string_value(value);
    while (text && *kind && strcmp(*kind, text) != 0) kind++;
    if (!text || !*kind)
      return hgl_fail(err, HGL_INVALID,
                      "there is no kind %.40s; known: log, message, deal, agent, peer, dead",
                      text ? text : "of that type");
  }
  return 0;
}

static int call_tail(const struct call *call, json_t **result, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  const char *agent;
  json_t *kinds = json_object_get(call->request, "kinds");
  json_t *agent_value = json_object_get(call->request, "agent");
  int status = check_kinds(kinds, err);
  if (status == 0 && agent_value) status = get_text(call, "agent", &agent, err);
  if (status) return status;
  for (struct tail *other = api->tails; other; other = other->next)
    if (other->client == call->client)
      return hgl_fail(err, HGL_EXISTS, "this connection has a tail already");
  struct tail *tail = hgl_zalloc(sizeof *tail);
  if (!tail) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  tail->client = call->client;
  tail->agent = json_incref(agent_value);
  tail->kinds = json_incref(kinds);
  tail->next = api->tails;
  tail->link = &api->tails;
  if (tail->next) tail->next->link = &tail->next;
  api->tails = tail;
  watch_for_tails(api);
  return 0;
}

/* Backups ------------------------------------------------------------------------------------- */

/* Answers when it is done. One at a time: it holds the pages of its state. */
static int call_backup(const struct call *call, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  struct hgl_backup_config config = api->backups;
  int status = get_text(call, "to", &config.to, err);
  if (status == 0)
    status = get_integer(call, "within_ms", 1, BACKUP_MAX_MS, BACKUP_DEFAULT_MS, &config.limit_ms,
                         err);
  if (status) return status;
  if (!config.store) return hgl_fail(err, HGL_INVALID, "this host makes no backups");
  if (api->backup) return hgl_fail(err, HGL_IN_USE, "a backup is under way already");
  if ((status = hgl_backup_start(&config, &api->backup, err)) != 0) return status;
  api->backup_client = call->client;
  api->backup_tag = json_incref(json_object_get(call->request, "id"));
  return 0;
}

static void end_backup(struct hgl_control_api *api)
{
  struct hgl_err err = {0};
  json_t *report = NULL;
  if (!api->backup) return;
  int status = hgl_backup_finish(api->backup, &report, &err);
  api->backup = NULL;
  if (api->backup_client)
    answer(api->backup_client, api->backup_tag, report, NULL, status ? &err : NULL);
  else
    json_decref(report);
  json_decref(api->backup_tag);
  api->backup_tag = NULL;
  api->backup_client = NULL;
}

void hgl_control_api_poll(struct hgl_control_api *api)
{
  if (api && api->backup && hgl_backup_done(api->backup)) end_backup(api);
}

int hgl_control_api_allow_backup(struct hgl_control_api *api, struct hgl_store *store,
                                 const char *data, void (*wake)(void *user), void *wake_user,
                                 struct hgl_err *err)
{
  api->data = hgl_strndup(data, strlen(data));
  if (!api->data) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  api->backups = (struct hgl_backup_config){
      .store = store, .data = api->data, .wake = wake, .wake_user = wake_user};
  return 0;
}

static int call_log(const struct call *call, json_t **result, struct hgl_err *err)
{
  return hgl_control_log(call->api->log_sink, call->request, result, err);
}

void hgl_control_api_allow_log(struct hgl_control_api *api, struct hgl_log_sink *sink)
{
  api->log_sink = sink;
}

/* Calls --------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  int (*now)(const struct call *call, json_t **result, struct hgl_err *err);
  int (*later)(const struct call *call, struct hgl_err *err); /* answers by itself */
} calls[] = {
    {"describe", call_describe, NULL},   {"agents", call_agents, NULL},
    {"peers", call_peers, NULL},         {"find", call_find, NULL},
    {"send", call_send, NULL},           {"ask", NULL, call_ask},
    {"tail", call_tail, NULL},           {"deals", call_deals, NULL},
    {"proofs", call_proofs, NULL},       {"dead.list", call_dead_list, NULL},
    {"dead.show", call_dead_show, NULL}, {"dead.resend", call_dead_resend, NULL},
    {"dead.drop", call_dead_drop, NULL}, {"export", call_export, NULL},
    {"agent.pause", NULL, call_agent},   {"agent.resume", NULL, call_agent},
    {"agent.stop", NULL, call_agent},    {"agent.restart", NULL, call_agent},
    {"agent.remove", NULL, call_agent},  {"agent.add", NULL, call_agent},
    {"agent.reload", NULL, call_reload}, {"agent.state", call_state, NULL},
    {"trace", call_trace, NULL},         {"agent.protocols", call_protocols, NULL},
    {"chat.open", call_chat_open, NULL}, {"chat.say", call_chat_say, NULL},
    {"chat.hear", NULL, call_chat_hear}, {"chat.end", call_chat_end, NULL},
    {"console", NULL, call_console},     {"console.stop", call_console_stop, NULL},
    {"complete", call_complete, NULL},   {"log", call_log, NULL},
    {"backup", NULL, call_backup},       {"stop", call_stop, NULL},
    {"runs.list", call_runs_list, NULL}, {"runs.show", call_runs_show, NULL},
    {"runs.retry", call_run, NULL},      {"runs.finish", call_run, NULL},
    {"runs.drop", call_run, NULL},
};
enum { CALL_COUNT = sizeof calls / sizeof *calls };

static int dispatch(const struct call *call, struct hgl_err *err)
{
  const char *name;
  json_t *result = NULL;
  int status = get_text(call, "call", &name, err);
  if (status) return status;
  for (size_t i = 0; i < CALL_COUNT; i++) {
    if (strcmp(calls[i].name, name) != 0) continue;
    if (calls[i].later) return calls[i].later(call, err);
    status = calls[i].now(call, &result, err);
    if (status == 0)
      answer(call->client, json_object_get(call->request, "id"), result ? result : json_null(),
             *call->next, NULL);
    else
      json_decref(result);
    return status;
  }
  return hgl_fail(err, HGL_INVALID, "there is no call \"%.40s\"", name);
}

static void line_came(void *user, struct hgl_control_client *client, struct hgl_bytes line)
{
  struct hgl_control_api *api = user;
  struct hgl_err err = {0};
  json_t *request = NULL, *next = NULL;
  int status = hgl_json_parse(line, REQUEST_SIZE_MAX, &request, &err);
  if (status == 0 && !json_is_object(request))
    status = hgl_fail(&err, HGL_INVALID, "a request is one JSON object");
  struct call call = {api, client, request, &next};
  if (status == 0) status = dispatch(&call, &err);
  if (status) answer(client, json_object_get(request, "id"), NULL, NULL, &err);
  json_decref(next);
  json_decref(request);
}

static void client_gone(void *user, struct hgl_control_client *client)
{
  struct hgl_control_api *api = user;
  for (struct ask *ask = api->asks; ask; ask = ask->next)
    if (ask->client == client) ask->client = NULL;
  hgl_chats_leave(&api->chats, api->host, client);
  if (api->backup_client == client) api->backup_client = NULL;
  for (struct tail *tail = api->tails, *next; tail; tail = next) {
    next = tail->next;
    if (tail->client == client) forget_tail(api, tail);
  }
}

/* Life ---------------------------------------------------------------------------------------- */

int hgl_control_api_open(struct hgl_loop *loop, struct hgl_host *host, const char *data,
                         const struct hgl_control_actions *actions, struct hgl_control_api **out,
                         struct hgl_err *err)
{
  static const struct hgl_control_events events = {line_came, client_gone};
  struct hgl_control_api *api = hgl_zalloc(sizeof *api);
  if (!api) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  api->host = host;
  api->actions = *actions;
  api->watcher = (struct hgl_watcher){.event = event, .user = api};
  api->path.folder_fd = -1;
  int status = hgl_socket_path_open(&api->path, data, err);
  if (status == 0)
    status = hgl_control_create(loop, api->path.text, &events, api, &api->control, err);
  if (status) {
    hgl_socket_path_close(&api->path);
    hgl_free(api);
    return status;
  }
  *out = api;
  return 0;
}

void hgl_control_api_close(struct hgl_control_api *api)
{
  if (!api) return;
  end_backup(api);                   /* given up, if it is not done */
  hgl_control_destroy(api->control); /* each client is gone: client_gone */
  hgl_socket_path_close(&api->path);
}

void hgl_control_api_destroy(struct hgl_control_api *api)
{
  if (!api) return;
  while (api->asks) forget_ask(api->asks);
  hgl_free(api->data);
  hgl_free(api);
}
