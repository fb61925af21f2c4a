#include "host/client.h"

#include "base/mem.h"
#include "net/control.h"
#include "protocol/value.h"

struct hgl_client {
  struct hgl_socket_path path;
  struct hgl_control_caller *caller;
};

int hgl_client_open(const char *data, struct hgl_client **out, struct hgl_err *err)
{
  struct hgl_client *client = hgl_zalloc(sizeof *client);
  if (!client) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_socket_path_open(&client->path, data, err);
  if (status == 0) status = hgl_control_connect(client->path.text, &client->caller, err);
  if (status) {
    hgl_client_close(client);
    if (status == -HGL_NOT_FOUND)
      return hgl_fail(err, HGL_NOT_FOUND,
                      "no host runs on the data folder %s; start one with `haggle run`, or name "
                      "another folder with --data",
                      data);
    return status;
  }
  *out = client;
  return 0;
}

void hgl_client_close(struct hgl_client *client)
{
  if (!client) return;
  hgl_control_hang_up(client->caller);
  hgl_socket_path_close(&client->path);
  hgl_free(client);
}

static int next_object(struct hgl_client *client, int timeout_ms, json_t **out, struct hgl_err *err)
{
  struct hgl_bytes line;
  int status = hgl_control_next(client->caller, timeout_ms, &line, err);
  return status ? status : hgl_json_parse(line, HGL_CONTROL_QUEUE_SIZE_MAX, out, err);
}

/* Steals the answer. A cursor is given where the answer has one, if asked for. */
static int unpack(json_t *answer, json_t **result, json_t **next, struct hgl_err *err)
{
  int status = 0;
  const json_t *error = json_object_get(answer, "error");
  if (json_is_true(json_object_get(answer, "ok"))) {
    *result = json_incref(json_object_get(answer, "result"));
    if (next) *next = json_incref(json_object_get(answer, "next"));
  } else {
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    enum hgl_code number = code ? hgl_code_from_name(code, strlen(code)) : HGL_OK;
    status = hgl_fail(err, number == HGL_OK ? HGL_INTERNAL : number, "%s",
                      message ? message : "the host gave no sensible answer");
  }
  json_decref(answer);
  return status;
}

static int send_request(struct hgl_client *client, const json_t *request, struct hgl_err *err)
{
  struct hgl_buf line;
  hgl_buf_init(&line, HGL_CONTROL_LINE_SIZE_MAX);
  int status = request ? hgl_json_print(request, &line, err)
                       : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status == 0) status = hgl_control_call(client->caller, hgl_buf_bytes(&line), err);
  hgl_buf_deinit(&line);
  return status;
}

static int call(struct hgl_client *client, const json_t *request, int timeout_ms, json_t **result,
                json_t **next, struct hgl_err *err)
{
  json_t *answer = NULL;
  int status = send_request(client, request, err);
  if (status == 0) status = next_object(client, timeout_ms, &answer, err);
  return status ? status : unpack(answer, result, next, err);
}

/* What went wrong may be that an agent is named that is not there: the message then ends with the
 * name that was probably meant. Few hosts have more agents than are looked at. */
static void suggest_name(struct hgl_client *client, const char *name, struct hgl_err *why)
{
  struct hgl_texts names = {0};
  struct hgl_err err;
  json_t *agents = NULL, *agent;
  size_t index;
  bool whole = true;
  json_t *request = json_pack("{s:s, s:i}", "call", "agents", "limit", HGL_CLIENT_PAGE_MAX);
  if (call(client, request, HGL_CLIENT_TIMEOUT_MS, &agents, NULL, &err)) goto done;
  json_array_foreach(agents, index, agent)
  {
    const char *there = json_string_value(json_object_get(agent, "name"));
    if (!there || !whole) continue;
    if (strcmp(there, name) == 0) goto done;
    whole = hgl_texts_add(&names, there, &err) == 0;
  }
  const char *nearest = whole && names.count ? hgl_nearest(hgl_text(name), names.items) : NULL;
  if (nearest) {
    struct hgl_err said = *why;
    hgl_fail(why, said.code, "%s; did you mean %s?", said.message, nearest);
  }
done:
  hgl_texts_deinit(&names);
  json_decref(agents);
  json_decref(request);
}

/* The agent of this host that a request is about; NULL: none. */
static const char *agent_named(const json_t *request)
{
  static const char *const fields[] = {"name", "agent", "to"};
  const char *name = NULL;
  for (size_t i = 0; i < sizeof fields / sizeof *fields && !name; i++)
    name = json_string_value(json_object_get(request, fields[i]));
  return name && strncmp(name, "did:", strlen("did:")) != 0 ? name : NULL;
}

int hgl_client_send(struct hgl_client *client, json_t *request, struct hgl_err *err)
{
  int status = send_request(client, request, err);
  json_decref(request);
  return status;
}

int hgl_client_answer(struct hgl_client *client, int timeout_ms, json_t **answer,
                      struct hgl_err *err)
{
  return next_object(client, timeout_ms, answer, err);
}

int hgl_client_unpack(json_t *answer, json_t **result, struct hgl_err *err)
{
  return unpack(answer, result, NULL, err);
}

int hgl_client_call(struct hgl_client *client, json_t *request, int timeout_ms, json_t **result,
                    struct hgl_err *err)
{
  int status = call(client, request, timeout_ms, result, NULL, err);
  const char *name = agent_named(request);
  if (name && (status == -HGL_NOT_FOUND || status == -HGL_UNDELIVERABLE))
    suggest_name(client, name, err);
  json_decref(request);
  return status;
}

int hgl_client_next(struct hgl_client *client, json_t **event, struct hgl_err *err)
{
  return next_object(client, -1, event, err);
}

int hgl_client_once(const char *data, json_t *request, int timeout_ms, json_t **result,
                    struct hgl_err *err)
{
  struct hgl_client *client = NULL;
  int status = hgl_client_open(data, &client, err);
  if (status) {
    json_decref(request);
    return status;
  }
  status = hgl_client_call(client, request, timeout_ms, result, err);
  hgl_client_close(client);
  return status;
}

/* Asks for one page and adds it to the rows. *next: the cursor of the page after it, or NULL. */
static int add_page(struct hgl_client *client, json_t *request, json_t *rows, json_t **next,
                    struct hgl_err *err)
{
  json_t *page = NULL;
  if (*next) json_object_set_new(request, "cursor", *next); /* steals it */
  *next = NULL;
  int status = call(client, request, HGL_CLIENT_TIMEOUT_MS, &page, next, err);
  if (status == 0 && json_array_extend(rows, page) != 0)
    status = hgl_fail(err, HGL_INTERNAL, "the host gave no list");
  json_decref(page);
  return status;
}

int hgl_client_list(const char *data, json_t *request, size_t limit, json_t **rows,
                    struct hgl_err *err)
{
  struct hgl_client *client = NULL;
  json_t *next = NULL, *list = json_array();
  int status = request && list ? hgl_client_open(data, &client, err)
                               : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  while (status == 0 && json_array_size(list) < limit) {
    size_t left = limit - json_array_size(list);
    json_object_set_new(
        request, "limit",
        json_integer(left < HGL_CLIENT_PAGE_MAX ? (json_int_t)left : HGL_CLIENT_PAGE_MAX));
    status = add_page(client, request, list, &next, err);
    if (!next) break;
  }
  hgl_client_close(client);
  json_decref(next);
  json_decref(request);
  if (status)
    json_decref(list);
  else
    *rows = list;
  return status;
}
