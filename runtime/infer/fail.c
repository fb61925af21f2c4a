#include "infer/fail.h"

#include <stdarg.h>
#include <stdio.h>

int32_t hgl_infer_fail(struct haggle_error *error, int32_t status, const char *format, ...)
{
  if (!error) return status;
  va_list args;
  va_start(args, format);
  error->status = status;
  vsnprintf(error->message, sizeof error->message, format, args);
  va_end(args);
  return status;
}

static int32_t status_of(enum hgl_code code)
{
  switch (code) {
  case HGL_NO_MEMORY:
    return HAGGLE_NO_MEMORY;
  case HGL_INVALID:
  case HGL_MALFORMED:
    return HAGGLE_INVALID;
  case HGL_NOT_FOUND:
    return HAGGLE_NOT_FOUND;
  case HGL_DENIED:
    return HAGGLE_DENIED;
  case HGL_TOO_LARGE:
    return HAGGLE_TOO_LARGE;
  case HGL_LIMIT:
    return HAGGLE_LIMIT;
  case HGL_TIMEOUT:
    return HAGGLE_TIMEOUT;
  case HGL_UNREACHABLE:
  case HGL_UNTRUSTED:
    return HAGGLE_UNREACHABLE;
  default:
    return HAGGLE_FAILED;
  }
}

int32_t hgl_infer_fail_err(struct haggle_error *error, const struct hgl_err *err)
{
  return hgl_infer_fail(error, status_of(err->code), "%s", err->message);
}
