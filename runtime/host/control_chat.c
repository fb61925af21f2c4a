#include "host/control_chat.h"

#include "base/mem.h"
#include "host/control_call.h"
#include "protocol/value.h"

enum { HEAR_DEFAULT_MS = 10000, HEAR_MAX_MS = 3600 * 1000 };

struct hgl_chat {
  struct hgl_chat *next;
  const struct hgl_control_client *client;
  uint64_t talk;
};

/* Absent: an empty map. */
static int get_body(const json_t *request, struct hgl_buf *out, struct hgl_err *err)
{
  const json_t *value = json_object_get(request, "body");
  if (value) return hgl_value_from_json(value, out, err);
  hgl_cbor_put_map(out, 0);
  return hgl_buf_check(out, err);
}

/* A client has its own dialogues only. */
static struct hgl_chat *find(const struct hgl_chats *chats, const struct hgl_control_client *client,
                             const json_t *request, struct hgl_err *err)
{
  const json_t *number = json_object_get(request, "chat");
  struct hgl_chat *chat = json_is_integer(number) ? chats->first : NULL;
  while (chat && (chat->client != client || chat->talk != (uint64_t)json_integer_value(number)))
    chat = chat->next;
  if (!chat) hgl_fail(err, HGL_NOT_FOUND, "this connection has no such \"chat\"");
  return chat;
}

int hgl_chat_open(struct hgl_chats *chats, struct hgl_host *host,
                  const struct hgl_control_client *client, const json_t *request, json_t **result,
                  struct hgl_err *err)
{
  const char *to, *type;
  struct hgl_buf body;
  struct hgl_chat *chat = hgl_zalloc(sizeof *chat);
  if (!chat) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_init(&body, HGL_BODY_SIZE_MAX);
  int status = hgl_request_text(request, "to", &to, err);
  if (!status) status = hgl_request_text(request, "type", &type, err);
  if (!status) status = get_body(request, &body, err);
  if (!status) status = hgl_host_talk(host, to, type, hgl_buf_bytes(&body), &chat->talk, err);
  hgl_buf_deinit(&body);
  if (status) {
    hgl_free(chat);
    return status;
  }
  chat->client = client;
  chat->next = chats->first;
  chats->first = chat;
  *result = json_pack("{s:I}", "chat", (json_int_t)chat->talk);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

int hgl_chat_say(const struct hgl_chats *chats, struct hgl_host *host,
                 const struct hgl_control_client *client, const json_t *request,
                 struct hgl_err *err)
{
  const char *performative;
  struct hgl_buf body;
  const struct hgl_chat *chat = find(chats, client, request, err);
  if (!chat) return -(int)err->code;
  hgl_buf_init(&body, HGL_BODY_SIZE_MAX);
  int status = hgl_request_text(request, "performative", &performative, err);
  if (!status) status = get_body(request, &body, err);
  if (!status)
    status = hgl_host_talk_say(host, chat->talk, performative, hgl_buf_bytes(&body), err);
  hgl_buf_deinit(&body);
  return status;
}

int hgl_chat_hear(const struct hgl_chats *chats, struct hgl_host *host,
                  const struct hgl_control_client *client, const json_t *request,
                  void (*answer)(void *user, json_t *messages, const struct hgl_err *why),
                  void *user, struct hgl_err *err)
{
  const json_t *within = json_object_get(request, "within_ms");
  int64_t within_ms = within ? json_integer_value(within) : HEAR_DEFAULT_MS;
  const struct hgl_chat *chat = find(chats, client, request, err);
  if (!chat) return -(int)err->code;
  if ((within && !json_is_integer(within)) || within_ms < 1 || within_ms > HEAR_MAX_MS)
    return hgl_fail(err, HGL_INVALID, "\"within_ms\" must be an integer from 1 to %d", HEAR_MAX_MS);
  return hgl_host_talk_hear(host, chat->talk, within_ms, answer, user, err);
}

static void leave(struct hgl_chat **at, struct hgl_host *host)
{
  struct hgl_chat *chat = *at;
  *at = chat->next;
  hgl_host_talk_end(host, chat->talk);
  hgl_free(chat);
}

int hgl_chat_end(struct hgl_chats *chats, struct hgl_host *host,
                 const struct hgl_control_client *client, const json_t *request,
                 struct hgl_err *err)
{
  const struct hgl_chat *chat = find(chats, client, request, err);
  if (!chat) return -(int)err->code;
  struct hgl_chat **at = &chats->first;
  while (*at != chat) at = &(*at)->next;
  leave(at, host);
  return 0;
}

void hgl_chats_leave(struct hgl_chats *chats, struct hgl_host *host,
                     const struct hgl_control_client *client)
{
  for (struct hgl_chat **at = &chats->first; *at;) {
    if ((*at)->client != client)
      at = &(*at)->next;
    else
      leave(at, host);
  }
}
