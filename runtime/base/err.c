#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name, *meaning;
} codes[HGL_CODE_COUNT] = {
#define X(id, name, meaning) [HGL_##id] = {name, meaning},
    HGL_CODES(X) X(OK, "ok", "success")
#undef X
};

void hgl_err_set(struct hgl_err *err, enum hgl_code code, const char *format, ...)
{
  if (!err) return;
  char text[HGL_ERR_MESSAGE_SIZE]; /* the arguments may hold the message that is there */
  va_list args;
  va_start(args, format);
  int size = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  err->code = code;
  memcpy(err->message, text, size < 0 || size >= (int)sizeof text ? sizeof text : (size_t)size + 1);
}

int hgl_fail_in(struct hgl_err *err, const char *format, ...)
{
  if (!err) return -HGL_INTERNAL;
  char inner[HGL_ERR_MESSAGE_SIZE];
  memcpy(inner, err->message, sizeof inner);
  va_list args;
  va_start(args, format);
  int used = vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  if (used >= 0 && (size_t)used < sizeof err->message)
    snprintf(err->message + used, sizeof err->message - (size_t)used, ": %.*s",
             (int)(sizeof err->message - (size_t)used), inner);
  return -(int)err->code;
}

const char *hgl_code_name(enum hgl_code code)
{
  return code >= 0 && code < HGL_CODE_COUNT ? codes[code].name : "unknown";
}

const char *hgl_code_meaning(enum hgl_code code)
{
  return code >= 0 && code < HGL_CODE_COUNT ? codes[code].meaning : "unknown";
}

enum hgl_code hgl_code_from_name(const char *name, size_t size)
{
  for (int i = 1; i < HGL_CODE_COUNT; i++)
    if (strlen(codes[i].name) == size && memcmp(codes[i].name, name, size) == 0)
      return (enum hgl_code)i;
  return HGL_OK;
}
