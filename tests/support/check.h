/* What every unit test includes: cmocka and a few words of our own. */
#ifndef HGL_TESTS_CHECK_H
#define HGL_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"

/* The call succeeds; shows the error when it does not. */
#define assert_ok(call)                                                                            \
  do {                                                                                             \
    int status_ = (call);                                                                          \
    if (status_ != 0) fail_msg("%s: %s: %s", #call, hgl_code_name(-status_), err.message);         \
  } while (0)

/* The call fails with exactly this code. A `struct hgl_err err` is in scope for both. */
#define assert_fails(expected, call)                                                               \
  do {                                                                                             \
    int status_ = (call);                                                                          \
    if (status_ != -(int)(expected))                                                               \
      fail_msg("%s: expected %s, got %s", #call, hgl_code_name(expected),                          \
               hgl_code_name(-status_));                                                           \
  } while (0)

/* As cmocka's, but a text that is not there is a failure and no crash. */
#undef assert_string_equal
#define assert_string_equal(a, b)                                                                  \
  do {                                                                                             \
    const char *a_ = (a), *b_ = (b);                                                               \
    if (!a_ || !b_) fail_msg("%s, %s: one is NULL", #a, #b);                                       \
    _assert_string_equal(a_, b_, __FILE__, __LINE__);                                              \
  } while (0)

/* A text that has to be there. */
static inline const char *present(const char *text)
{
  if (!text) fail_msg("a text is not there");
  return text;
}

/* What the buffer holds, ended by a NUL; the buffer's own memory. */
static inline const char *text_of_buf(struct hgl_buf *buf)
{
  struct hgl_err err = {0};
  hgl_buf_append_byte(buf, 0);
  assert_ok(hgl_buf_check(buf, &err));
  return (const char *)buf->data;
}

#endif
