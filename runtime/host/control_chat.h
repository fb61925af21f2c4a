/* The control API's calls "chat.…": dialogues that a client holds as the operator. They end with
 * the connection that began them. Loop thread. */
#ifndef HGL_HOST_CONTROL_CHAT_H
#define HGL_HOST_CONTROL_CHAT_H

#include <jansson.h>

#include "agent/host.h"
#include "host/control_client.h"

struct hgl_chat;

struct hgl_chats { /* zeroed: none */
  struct hgl_chat *first;
};

int hgl_chat_open(struct hgl_chats *chats, struct hgl_host *host,
                  const struct hgl_control_client *client, const json_t *request, json_t **result,
                  struct hgl_err *err) HGL_NODISCARD;
int hgl_chat_say(const struct hgl_chats *chats, struct hgl_host *host,
                 const struct hgl_control_client *client, const json_t *request,
                 struct hgl_err *err) HGL_NODISCARD;
/* `answer` is called once, later. */
int hgl_chat_hear(const struct hgl_chats *chats, struct hgl_host *host,
                  const struct hgl_control_client *client, const json_t *request,
                  void (*answer)(void *user, json_t *messages, const struct hgl_err *why),
                  void *user, struct hgl_err *err) HGL_NODISCARD;
int hgl_chat_end(struct hgl_chats *chats, struct hgl_host *host,
                 const struct hgl_control_client *client, const json_t *request,
                 struct hgl_err *err) HGL_NODISCARD;
/* The client has hung up: its dialogues are left. */
void hgl_chats_leave(struct hgl_chats *chats, struct hgl_host *host,
                     const struct hgl_control_client *client);

#endif
