/* The control API's calls about what happened and why: single messages, dialogues, adverts. */
#include "host/control_call.h"

int hgl_call_message(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *id, *from;
  int status = hgl_request_text(call->request, "id", &id, err);
  if (status == 0) status = hgl_request_text_if_any(call->request, "from", &from, err);
  return status ? status : hgl_host_message(call->host, id, from, result, err);
}
