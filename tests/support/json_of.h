/* JSON texts of tests, read so that memory may be refused meanwhile. */
#ifndef HGL_TESTS_JSON_OF_H
#define HGL_TESTS_JSON_OF_H

#include "base/json_load.h"
#include "support/check.h"

/* A new reference; the test fails where the text is no JSON. Flags as of json_loadb. */
static inline json_t *json_of(const char *text, size_t size, size_t flags)
{
  bool refused;
  json_error_t why;
  json_t *json = hgl_json_load(text, size, flags, &refused, &why);
  if (!json) fail_msg("%.*s: %s", (int)size, text, why.text);
  return json;
}

#endif
