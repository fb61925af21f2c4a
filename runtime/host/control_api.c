#include "host/control_api.h"

#include <stdio.h>

#include "agent/meter.h"
#include "base/mem.h"
#include "host/backup.h"
#include "host/control_call.h"
#include "host/control_chat.h"
#include "host/control_lookup.h"
#include "host/control_tail.h"
#include "host/paths.h"
#include "host/usage.h"
#include "net/control.h"
#include "protocol/value.h"

enum {
  REQUEST_SIZE_MAX = HGL_CONTROL_LINE_SIZE_MAX,
  TRACE_DEFAULT = 200,
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

struct hgl_control_api {
  struct hgl_socket_path path;
  struct hgl_control *control;
  struct hgl_loop *loop;
  struct hgl_host *host;
  int64_t opened_ns; /* monotonic */
  int64_t ticks_ns;  /* in them, so far */
  struct hgl_control_actions actions;
  struct ask *asks;
  size_t ask_count;
  struct hgl_tails tails;
  struct hgl_backup_config backups; /* what they have in common; without a store: none are made */
  char *data;                       /* their data folder */
  struct hgl_control_gate gate;     /* zeroed: nobody comes but over the control socket */
  struct hgl_log_sink *log_sink;    /* or NULL */
  struct hgl_infer *infer;          /* or NULL */
  struct hgl_feed *feed;            /* or NULL */
  struct hgl_backup *backup;        /* under way, or NULL */
  struct hgl_control_client *backup_client; /* NULL: it has hung up */
  json_t *backup_tag;
  struct hgl_chats chats;
  struct hgl_lookups lookups;
};

/* Looking ------------------------------------------------------------------------------------- */

static int call_describe(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  int status = hgl_host_describe(call->host, result, err);
  if (status) return status;
  int64_t up_ns = hgl_mono_ns(&hgl_clock_system) - call->api->opened_ns;
  json_t *loop = json_pack("{s:f, s:f, s:f, s:f}", "up_ms", (double)up_ns / 1e6, "loop_ms",
                           (double)hgl_usage_of_thread() / 1e6, "tick_ms",
                           (double)call->api->ticks_ns / 1e6, "watching_ms",
                           (double)hgl_host_meter(call->host)->watching_ns / 1e6);
  if (loop && !json_object_update_new(*result, loop)) return 0;
  json_decref(*result);
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static int call_protocols(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *name;
  int status = hgl_request_text(call->request, "name", &name, err);
  return status ? status : hgl_host_protocols(call->host, name, result, err);
}

static int call_chat_open(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  return hgl_chat_open(&api->chats, api->host, call->client, call->request, result, err);
}

static int call_chat_say(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  return hgl_chat_say(&api->chats, api->host, call->client, call->request, err);
}

static int call_chat_end(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  return hgl_chat_end(&api->chats, api->host, call->client, call->request, err);
}

static int call_trace(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *agent;
  int64_t after, limit;
  int status = hgl_request_text(call->request, "agent", &agent, err);
  if (!status) status = hgl_call_integer(call, "after", 0, INT64_MAX, 0, &after, err);
  if (!status)
    status = hgl_call_integer(call, "limit", 1, HGL_CONTROL_LIST_MAX, TRACE_DEFAULT, &limit, err);
  return status ? status
                : hgl_host_trace(call->host, agent, (uint64_t)after, (size_t)limit, result, err);
}

/* Commanding ---------------------------------------------------------------------------------- */

static int call_stop(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
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
  if (ask->client) hgl_control_answer(ask->client, ask->tag, json_incref(reply), NULL, why);
  forget_ask(ask);
}

/* The envelope's fields, encoded: to, type, body (absent: null). */
static int get_message(const struct hgl_control_call *call, const char **to, const char **type,
                       struct hgl_buf *body, struct hgl_err *err)
{
  const json_t *value = json_object_get(call->request, "body");
  int status = hgl_request_text(call->request, "to", to, err);
  if (status == 0) status = hgl_request_text(call->request, "type", type, err);
  if (status) return status;
  if (value) return hgl_value_from_json(value, body, err);
  hgl_cbor_put_null(body);
  return hgl_buf_check(body, err);
}

static int call_send(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *to, *type;
  struct hgl_buf body;
  struct hgl_id id;
  char id_text[2 * HGL_ID_SIZE + 1];
  hgl_buf_init(&body, HGL_BODY_SIZE_MAX);
  int status = get_message(call, &to, &type, &body, err);
  if (status == 0)
    status = hgl_host_send(call->host, to, type, hgl_buf_bytes(&body), 0, NULL, NULL, &id, err);
  hgl_buf_deinit(&body);
  if (status) return status;
  hgl_id_format(&id, id_text);
  *result = json_pack("{s:s}", "message", id_text);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static struct ask *remember_ask(const struct hgl_control_call *call, struct hgl_err *err)
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
static int call_ask(const struct hgl_control_call *call, struct hgl_err *err)
{
  const char *to, *type;
  int64_t within_ms;
  struct hgl_buf body;
  struct hgl_id id;
  struct ask *ask;
  hgl_buf_init(&body, HGL_BODY_SIZE_MAX);
  int status = get_message(call, &to, &type, &body, err);
  if (status == 0)
    status = hgl_call_integer(call, "within_ms", 1, ASK_MAX_MS, ASK_DEFAULT_MS, &within_ms, err);
  if (status == 0 && !(ask = remember_ask(call, err))) status = -(int)err->code;
  if (status == 0) {
    status = hgl_host_send(call->host, to, type, hgl_buf_bytes(&body), within_ms, answer_came, ask,
                           &id, err);
    if (status) forget_ask(ask);
  }
  hgl_buf_deinit(&body);
  return status;
}

/* Answers when the agent has come to rest and the change is durable. */
static int call_agent(const struct hgl_control_call *call, struct hgl_err *err)
{
  struct hgl_host *host = call->host;
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
static int call_reload(const struct hgl_control_call *call, struct hgl_err *err)
{
  struct ask *ask = remember_ask(call, err);
  if (!ask) return -(int)err->code;
  int status = hgl_control_reload(call->host, call->request, answer_came, ask, err);
  if (status) forget_ask(ask);
  return status;
}

static int call_chat_hear(const struct hgl_control_call *call, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  struct ask *ask = remember_ask(call, err);
  if (!ask) return -(int)err->code;
  int status = hgl_chat_hear(&api->chats, api->host, call->client, call->request, answer_came, ask,
                             err);
  if (status) forget_ask(ask);
  return status;
}

static int call_console(const struct hgl_control_call *call, struct hgl_err *err)
{
  struct ask *ask = remember_ask(call, err);
  if (!ask) return -(int)err->code;
  int status = hgl_control_console(call->host, call->request, call->client->who, answer_came, ask,
                                   err);
  if (status) forget_ask(ask);
  return status;
}

/* Of the line that this client gave under the id. */
static int call_console_stop(const struct hgl_control_call *call, json_t **result,
                             struct hgl_err *err)
{
  const json_t *of = json_object_get(call->request, "of");
  const struct ask *ask = call->api->asks;
  while (ask && (ask->client != call->client || !of || !json_equal(ask->tag, of))) ask = ask->next;
  if (!ask) return hgl_fail(err, HGL_NOT_FOUND, "no line of this id is running");
  return hgl_host_console_stop(call->host, ask, err);
}

static int call_complete(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return hgl_control_complete(call->host, call->request, result, err);
}

static int call_state(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return hgl_control_state(call->host, call->request, result, err);
}

static int call_tail(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return hgl_tail_begin(&call->api->tails, call, err);
}

/* Backups ------------------------------------------------------------------------------------- */

/* Answers when it is done. One at a time: it holds the pages of its state. */
static int call_backup(const struct hgl_control_call *call, struct hgl_err *err)
{
  struct hgl_control_api *api = call->api;
  struct hgl_backup_config config = api->backups;
  int status = hgl_request_text(call->request, "to", &config.to, err);
  if (status == 0)
    status = hgl_call_integer(call, "within_ms", 1, BACKUP_MAX_MS, BACKUP_DEFAULT_MS,
                              &config.limit_ms, err);
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
    hgl_control_answer(api->backup_client, api->backup_tag, report, NULL, status ? &err : NULL);
  else
    json_decref(report);
  json_decref(api->backup_tag);
  api->backup_tag = NULL;
  api->backup_client = NULL;
}

void hgl_control_api_poll(struct hgl_control_api *api)
{
  if (!api) return;
  if (api->backup && hgl_backup_done(api->backup)) end_backup(api);
  hgl_lookups_turn(&api->lookups, api->host, hgl_mono_ns(&hgl_clock_system));
}

int64_t hgl_control_api_deadline(const struct hgl_control_api *api)
{
  return api ? hgl_lookups_deadline(&api->lookups) : INT64_MAX;
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

static int is_there(void *user, const char *name, const char *script, struct hgl_err *err)
{
  return 0;
}

/* A level is for an agent, or all instances of one, that is here; taking it back needs none. */
static int call_log(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const struct hgl_selection of = {
      .name = json_string_value(json_object_get(call->request, "agent"))};
  if (of.name && json_object_get(call->request, "level")) {
    int status = hgl_host_select(call->api->host, &of, is_there, NULL, err);
    if (status) return status;
  }
  return hgl_control_log(call->api->log_sink, call->request, result, err);
}

void hgl_control_api_allow_log(struct hgl_control_api *api, struct hgl_log_sink *sink)
{
  api->log_sink = sink;
}

static int call_models(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return hgl_control_models(call->api->infer, call->request, result, err);
}

void hgl_control_api_allow_models(struct hgl_control_api *api, struct hgl_infer *infer)
{
  api->infer = infer;
}

static int call_lookup(const struct hgl_control_call *call, struct hgl_err *err)
{
  int status = hgl_lookups_call(&call->api->lookups, call, err);
  hgl_loop_request_tick(call->api->loop); /* from there on it is worked at */
  return status;
}

static int call_subscribe(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return hgl_control_subscribe(call->api->feed, call->client, call->request, err);
}

static int call_unsubscribe(const struct hgl_control_call *call, json_t **result,
                            struct hgl_err *err)
{
  return hgl_control_unsubscribe(call->client, call->request, err);
}

void hgl_control_api_allow_feed(struct hgl_control_api *api, struct hgl_feed *feed)
{
  api->feed = feed;
}

static int call_hello(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return hgl_control_hello(&call->api->gate, call->client, call->request, result, err);
}

static int call_dashboard(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  return hgl_control_dashboard(&call->api->gate, call->request, result, err);
}

void hgl_control_api_set_gate(struct hgl_control_api *api, const struct hgl_control_gate *gate)
{
  api->gate = *gate;
}

/* Calls --------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  int (*now)(const struct hgl_control_call *call, json_t **result, struct hgl_err *err);
  int (*later)(const struct hgl_control_call *call, struct hgl_err *err); /* answers by itself */
  enum hgl_role role; /* the least that may call it; what an operator does is logged */
} calls[] = {
    {"hello", call_hello, NULL, HGL_ROLE_NONE},
    {"dashboard", call_dashboard, NULL, HGL_ROLE_OWNER},
    {"describe", call_describe, NULL, HGL_ROLE_VIEWER},
    {"agents", hgl_call_agents, NULL, HGL_ROLE_VIEWER},
    {"peers", hgl_call_peers, NULL, HGL_ROLE_VIEWER},
    {"find", hgl_call_find, NULL, HGL_ROLE_VIEWER},
    {"send", call_send, NULL, HGL_ROLE_OPERATOR},
    {"ask", NULL, call_ask, HGL_ROLE_OPERATOR},
    {"tail", call_tail, NULL, HGL_ROLE_OWNER},
    {"subscribe", call_subscribe, NULL, HGL_ROLE_VIEWER},
    {"unsubscribe", call_unsubscribe, NULL, HGL_ROLE_VIEWER},
    {"deals", hgl_call_deals, NULL, HGL_ROLE_VIEWER},
    {"proofs", hgl_call_proofs, NULL, HGL_ROLE_VIEWER},
    {"dead.list", hgl_call_dead_list, NULL, HGL_ROLE_VIEWER},
    {"dead.show", hgl_call_dead_show, NULL, HGL_ROLE_VIEWER},
    {"dead.resend", hgl_call_dead_resend, NULL, HGL_ROLE_OPERATOR},
    {"dead.drop", hgl_call_dead_drop, NULL, HGL_ROLE_OPERATOR},
    {"export", NULL, call_lookup, HGL_ROLE_VIEWER},
    {"message", NULL, call_lookup, HGL_ROLE_VIEWER},
    {"agent.timers", hgl_call_timers, NULL, HGL_ROLE_VIEWER},
    {"agent.source", hgl_call_source, NULL, HGL_ROLE_VIEWER},
    {"find.explain", hgl_call_explain, NULL, HGL_ROLE_VIEWER},
    {"advert", hgl_call_advert, NULL, HGL_ROLE_VIEWER},
    {"dialogues", hgl_call_dialogues, NULL, HGL_ROLE_VIEWER},
    {"dialogue", hgl_call_dialogue, NULL, HGL_ROLE_VIEWER},
    {"agent.pause", NULL, call_agent, HGL_ROLE_OPERATOR},
    {"agent.resume", NULL, call_agent, HGL_ROLE_OPERATOR},
    {"agent.stop", NULL, call_agent, HGL_ROLE_OPERATOR},
    {"agent.restart", NULL, call_agent, HGL_ROLE_OPERATOR},
    {"agent.remove", NULL, call_agent, HGL_ROLE_OPERATOR},
    {"agent.add", NULL, call_agent, HGL_ROLE_OWNER},
    {"agent.reload", NULL, call_reload, HGL_ROLE_OPERATOR},
    {"agent.state", call_state, NULL, HGL_ROLE_VIEWER},
    {"trace", call_trace, NULL, HGL_ROLE_VIEWER},
    {"agent.protocols", call_protocols, NULL, HGL_ROLE_VIEWER},
    {"chat.open", call_chat_open, NULL, HGL_ROLE_OPERATOR},
    {"chat.say", call_chat_say, NULL, HGL_ROLE_OPERATOR},
    {"chat.hear", NULL, call_chat_hear, HGL_ROLE_OPERATOR},
    {"chat.end", call_chat_end, NULL, HGL_ROLE_OPERATOR},
    {"console", NULL, call_console, HGL_ROLE_OPERATOR},
    {"console.stop", call_console_stop, NULL, HGL_ROLE_OPERATOR},
    {"complete", call_complete, NULL, HGL_ROLE_VIEWER},
    {"log", call_log, NULL, HGL_ROLE_OPERATOR},
    {"models", call_models, NULL, HGL_ROLE_VIEWER},
    {"backup", NULL, call_backup, HGL_ROLE_OWNER},
    {"stop", call_stop, NULL, HGL_ROLE_OWNER},
    {"runs.list", hgl_call_runs_list, NULL, HGL_ROLE_VIEWER},
    {"runs.show", hgl_call_runs_show, NULL, HGL_ROLE_VIEWER},
    {"runs.retry", hgl_call_run, NULL, HGL_ROLE_OPERATOR},
    {"runs.finish", hgl_call_run, NULL, HGL_ROLE_OPERATOR},
    {"runs.drop", hgl_call_run, NULL, HGL_ROLE_OPERATOR},
};
enum { CALL_COUNT = sizeof calls / sizeof *calls };

const char *hgl_control_api_call(size_t index, enum hgl_role *least)
{
  if (index >= CALL_COUNT) return NULL;
  *least = calls[index].role;
  return calls[index].name;
}

static int dispatch(const struct hgl_control_call *call, struct hgl_err *err)
{
  const char *name;
  json_t *result = NULL;
  int status = hgl_request_text(call->request, "call", &name, err);
  if (status) return status;
  for (size_t i = 0; i < CALL_COUNT; i++) {
    if (strcmp(calls[i].name, name) != 0) continue;
    bool greets = calls[i].now == call_hello;
    if (!greets && (status = hgl_control_may(call->client, name, calls[i].role, err)) != 0)
      return status;
    if (calls[i].role == HGL_ROLE_OPERATOR)
      hgl_control_note(&call->api->gate, call->client, call->request);
    if (calls[i].later) return calls[i].later(call, err);
    status = calls[i].now(call, &result, err);
    if (status == 0)
      hgl_control_answer(call->client, json_object_get(call->request, "id"),
                         result ? result : json_null(), *call->next, NULL);
    else
      json_decref(result);
    return status;
  }
  return hgl_fail(err, HGL_INVALID, "there is no call \"%.40s\"", name);
}

void hgl_control_api_asked(struct hgl_control_api *api, struct hgl_control_client *client,
                           struct hgl_bytes line)
{
  struct hgl_err err = {0};
  json_t *request = NULL, *next = NULL;
  int status = hgl_json_parse(line, REQUEST_SIZE_MAX, &request, &err);
  if (status == 0 && !json_is_object(request))
    status = hgl_fail(&err, HGL_INVALID, "a request is one JSON object");
  struct hgl_control_call call = {api, api->host, client, request, &next};
  if (status == 0) status = dispatch(&call, &err);
  if (status) hgl_control_answer(client, json_object_get(request, "id"), NULL, NULL, &err);
  json_decref(next);
  json_decref(request);
}

void hgl_control_api_left(struct hgl_control_api *api, const struct hgl_control_client *client)
{
  for (struct ask *ask = api->asks; ask; ask = ask->next)
    if (ask->client == client) ask->client = NULL;
  hgl_chats_leave(&api->chats, api->host, client);
  if (api->backup_client == client) api->backup_client = NULL;
  hgl_lookups_leave(&api->lookups, client);
  hgl_tails_leave(&api->tails, client);
  hgl_feed_leave(client->viewer);
}

/* The control socket -------------------------------------------------------------------------- */

static int conn_send(void *link, struct hgl_bytes text, struct hgl_err *err)
{
  return hgl_control_send(link, text, err);
}

static size_t conn_queued(void *link)
{
  return hgl_control_queued(link);
}

/* The socket is the operator's own: its file is open to nobody else. */
static struct hgl_control_client *client_of(struct hgl_control_conn *conn)
{
  static const struct hgl_control_way way = {conn_send, conn_queued};
  struct hgl_control_client *client = hgl_control_user(conn);
  if (client || !(client = hgl_zalloc(sizeof *client))) return client;
  client->way = &way;
  client->link = conn;
  client->role = HGL_ROLE_OWNER;
  snprintf(client->who, sizeof client->who, "uid %ld", hgl_control_conn_uid(conn));
  hgl_control_set_user(conn, client);
  return client;
}

static void line_came(void *user, struct hgl_control_conn *conn, struct hgl_bytes line)
{
  struct hgl_control_client *client = client_of(conn);
  if (client)
    hgl_control_api_asked(user, client, line);
  else
    hgl_control_finish(conn); /* no memory for it: it may come again */
}

static void conn_closed(void *user, struct hgl_control_conn *conn)
{
  struct hgl_control_client *client = hgl_control_user(conn);
  if (client) hgl_control_api_left(user, client);
  hgl_free(client);
}

/* Life ---------------------------------------------------------------------------------------- */

int hgl_control_api_open(struct hgl_loop *loop, struct hgl_host *host, const char *data,
                         const struct hgl_control_actions *actions, struct hgl_control_api **out,
                         struct hgl_err *err)
{
  static const struct hgl_control_events events = {line_came, conn_closed};
  struct hgl_control_api *api = hgl_zalloc(sizeof *api);
  if (!api) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  api->loop = loop;
  api->host = host;
  api->actions = *actions;
  api->opened_ns = hgl_mono_ns(&hgl_clock_system);
  hgl_tails_init(&api->tails, host);
  hgl_lookups_init(&api->lookups);
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

void hgl_control_api_ticked(struct hgl_control_api *api, int64_t took_ns)
{
  if (api) api->ticks_ns += took_ns;
}

void hgl_control_api_close(struct hgl_control_api *api)
{
  if (!api) return;
  end_backup(api); /* given up, if it is not done */
  hgl_lookups_leave(&api->lookups, NULL);
  hgl_control_destroy(api->control); /* each client is gone: conn_closed */
  hgl_socket_path_close(&api->path);
}

void hgl_control_api_destroy(struct hgl_control_api *api)
{
  if (!api) return;
  while (api->asks) forget_ask(api->asks);
  hgl_free(api->data);
  hgl_free(api);
}
