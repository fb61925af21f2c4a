/* The control API's call that shows and changes what is logged. */
#include "host/control_api.h"

/* Absent: NULL. */
static int get_text(const json_t *request, const char *name, const char **out, struct hgl_err *err)
{
  const json_t *value = json_object_get(request, name);
  *out = json_string_value(value);
  if (value && (!*out || strlen(*out) != json_string_length(value)))
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be a text", name);
  return 0;
}

/* With an agent and no level it has the one of all again; with neither, nothing changes. */
int hgl_control_log(struct hgl_log_sink *sink, const json_t *request, json_t **result,
                    struct hgl_err *err)
{
  const char *agent, *level;
  if (!sink) return hgl_fail(err, HGL_INVALID, "this host keeps no log whose levels could change");
  int status = get_text(request, "agent", &agent, err);
  if (!status) status = get_text(request, "level", &level, err);
  if (!status && (agent || level)) status = hgl_log_sink_set(sink, agent, level, err);
  if (status) return status;
  *result = hgl_log_sink_levels(sink);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}
