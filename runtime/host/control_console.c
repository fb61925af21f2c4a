/* The control API's calls about what is inside of an agent: console, console.stop, complete,
 * agent.state. */
#include "host/control_call.h"

#include <stdio.h>

enum {
  PLACE_SIZE_MAX = 8192,
  DEPTH_MAX = 32,
  DEPTH_DEFAULT = 6,
  ENTRIES_MAX = 100000,
  ENTRIES_DEFAULT = 100,
};

static int get_bytes(const json_t *request, const char *field, size_t size_max,
                     struct hgl_bytes *out, struct hgl_err *err)
{
  const json_t *value = json_object_get(request, field);
  *out = hgl_bytes(json_string_value(value), json_string_length(value));
  if (!json_is_string(value)) return hgl_fail(err, HGL_INVALID, "\"%s\" must be a text", field);
  if (out->size > size_max)
    return hgl_fail(err, HGL_TOO_LARGE, "\"%s\" is longer than %zu bytes", field, size_max);
  return 0;
}

static int get_count(const json_t *request, const char *field, int64_t most, int64_t otherwise,
                     size_t *out, struct hgl_err *err)
{
  const json_t *value = json_object_get(request, field);
  int64_t number = value ? json_integer_value(value) : otherwise;
  if ((value && !json_is_integer(value)) || number < 1 || number > most)
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be an integer from 1 to %lld", field,
                    (long long)most);
  *out = (size_t)number;
  return 0;
}

int hgl_control_console(struct hgl_host *host, const json_t *request, const char *who,
                        hgl_console_done done, void *user, struct hgl_err *err)
{
  struct hgl_bytes line;
  const char *name;
  int status = hgl_request_text(request, "name", &name, err);
  if (!status) status = get_bytes(request, "line", HGL_CONSOLE_LINE_SIZE_MAX, &line, err);
  if (status) return status;
  return hgl_host_console(host, name, who, line, done, user, err);
}

int hgl_control_complete(struct hgl_host *host, const json_t *request, json_t **result,
                         struct hgl_err *err)
{
  struct hgl_bytes text;
  const char *name;
  int status = hgl_request_text(request, "name", &name, err);
  if (!status) status = get_bytes(request, "text", HGL_CONSOLE_LINE_SIZE_MAX, &text, err);
  return status ? status : hgl_host_complete(host, name, text, result, err);
}

int hgl_control_state(struct hgl_host *host, const json_t *request, json_t **result,
                      struct hgl_err *err)
{
  struct hgl_bytes place = {0};
  const char *name;
  size_t depth, entries;
  int status;
  if ((status = hgl_request_text(request, "name", &name, err)) ||
      (json_object_get(request, "path") &&
       (status = get_bytes(request, "path", PLACE_SIZE_MAX, &place, err))) ||
      (status = get_count(request, "depth", DEPTH_MAX, DEPTH_DEFAULT, &depth, err)) ||
      (status = get_count(request, "limit", ENTRIES_MAX, ENTRIES_DEFAULT, &entries, err)))
    return status;
  return hgl_host_state(host, name, place, depth, entries, result, err);
}
