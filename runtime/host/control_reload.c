/* The control API's call "agent.reload". */
#include "host/control_call.h"
#include "host/reload.h"

int hgl_control_reload(struct hgl_host *host, const json_t *request,
                       void (*done)(void *user, json_t *result, const struct hgl_err *why),
                       void *user, struct hgl_err *err)
{
  struct hgl_selection selection = {0};
  const json_t *all = json_object_get(request, "all");
  int status = hgl_request_text_if_any(request, "name", &selection.name, err);
  if (!status) status = hgl_request_text_if_any(request, "group", &selection.group, err);
  if (status) return status;
  if (!!selection.name + !!selection.group + json_is_true(all) != 1)
    return hgl_fail(err, HGL_INVALID, "say which agents: \"name\", \"group\" or \"all\": true");
  return hgl_reload(host, &selection, false, done, user, err);
}
