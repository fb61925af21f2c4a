/* The control API's call that shows the models of a host. */
#include "host/control_call.h"

int hgl_control_models(struct hgl_infer *infer, const json_t *request, json_t **result,
                       struct hgl_err *err)
{
  const char *name;
  int status = hgl_request_text_if_any(request, "name", &name, err);
  if (status) return status;
  if (!infer) return hgl_fail(err, HGL_INVALID, "this host runs no models");
  return hgl_infer_describe(infer, name, result, err);
}
