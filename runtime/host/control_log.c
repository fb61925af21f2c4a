/* The control API's call that shows and changes what is logged. */
#include "host/control_call.h"

/* With an agent and no level it has the one of all again; with neither, nothing changes. */
int hgl_control_log(struct hgl_log_sink *sink, const json_t *request, json_t **result,
                    struct hgl_err *err)
{
  const char *agent, *level;
  if (!sink) return hgl_fail(err, HGL_INVALID, "this host keeps no log whose levels could change");
  int status = hgl_request_text_if_any(request, "agent", &agent, err);
  if (!status) status = hgl_request_text_if_any(request, "level", &level, err);
  if (!status && (agent || level)) status = hgl_log_sink_set(sink, agent, level, err);
  if (status) return status;
  *result = hgl_log_sink_levels(sink);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}
