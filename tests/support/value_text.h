/* Values written as JSON with ' for ", so that they read well in C. */
#ifndef HGL_TESTS_VALUE_TEXT_H
#define HGL_TESTS_VALUE_TEXT_H

#include "protocol/value.h"
#include "support/check.h"

static inline void value_of(const char *json, struct hgl_buf *out)
{
  struct hgl_err err = {0};
  struct hgl_buf text;
  json_t *tree = NULL;
  hgl_buf_init(&text, 1024 * 1024);
  hgl_buf_init(out, 1024 * 1024);
  for (; *json; json++) hgl_buf_append_byte(&text, *json == '\'' ? '"' : (uint8_t)*json);
  assert_ok(hgl_json_parse(hgl_buf_bytes(&text), 1024 * 1024, &tree, &err));
  assert_ok(hgl_value_from_json(tree, out, &err));
  json_decref(tree);
  hgl_buf_deinit(&text);
}

#endif
