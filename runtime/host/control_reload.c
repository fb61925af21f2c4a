/* The control API's call "agent.reload". */
#include "host/control_api.h"
#include "host/reload.h"

static int get_text(const json_t *request, const char *field, const char **out, struct hgl_err *err)
{
  const json_t *value = json_object_get(request, field);
  *out = json_string_value(value);
  if (value && (!*out || strlen(*out) != json_string_length(value)))
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be a text", field);
  return 0;
}

int hgl_control_reload(struct hgl_host *host, const json_t *request,
                       void (*done)(void *user, json_t *result, const struct hgl_err *why),
                       void *user, struct hgl_err *err)
{
  struct hgl_selection selection = {0};
  const json_t *all = json_object_get(request, "all");
  int status = get_text(request, "name", &selection.name, err);
  if (!status) status = get_text(request, "group", &selection.group, err);
  if (status) return status;
  if (!!selection.name + !!selection.group + json_is_true(all) != 1)
    return hgl_fail(err, HGL_INVALID, "say which agents: \"name\", \"group\" or \"all\": true");
  return hgl_reload(host, &selection, false, done, user, err);
}
