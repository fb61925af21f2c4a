#include "net/http_message.h"

#include "support/check.h"

static struct hgl_err err;

static int try_header(struct hgl_bytes name, struct hgl_bytes value)
{
  struct hgl_http_header header = {name, value, false};
  struct hgl_http_request request = {.method = "GET", .headers = &header, .header_count = 1};
  struct hgl_http_message message;
  int status = hgl_http_message_init(&message, &request, &err);
  if (status == 0) hgl_http_message_deinit(&message);
  return status;
}

static void a_header_cannot_break_out_of_its_line(void **state)
{
  assert_ok(try_header(hgl_text("X-A"), hgl_text("b c\td; \xc3\xbc")));
  assert_ok(try_header(hgl_text("!#$%&'*+-.^_`|~09azAZ"), hgl_text("")));
  static const char *const names[] = {"",          "X A",     "X-A:", "X\r\nB", "X\n",
                                      "X\xc3\xbc", ":method", "X(",   "\"X\"",  "X\t"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_fails(HGL_INVALID, try_header(hgl_text(names[i]), hgl_text("b")));
  assert_fails(HGL_INVALID, try_header(hgl_bytes("X\0Y", 3), hgl_text("b")));
  static const char *const values[] = {"a\r\nX-B: c", "a\n", "a\r", "\x01", "\x7f"};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    assert_fails(HGL_INVALID, try_header(hgl_text("X-A"), hgl_text(values[i])));
  assert_fails(HGL_INVALID, try_header(hgl_text("X-A"), hgl_bytes("a\0b", 3)));
  assert_non_null(strstr(err.message, "header X-A"));
}

static void what_belongs_to_the_connection_is_not_the_requests(void **state)
{
  static const char *const names[] = {"Host",
                                      "content-length",
                                      "Transfer-Encoding",
                                      "Connection",
                                      "Keep-Alive",
                                      "TE",
                                      "Trailer",
                                      "Upgrade",
                                      "Expect",
                                      "HTTP2-Settings",
                                      "Accept-Encoding",
                                      "Proxy-Authorization",
                                      "proxy-connection"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_fails(HGL_INVALID, try_header(hgl_text(names[i]), hgl_text("1")));
    assert_non_null(strstr(err.message, names[i]));
  }
}

static int try_method(const char *method, const char *body)
{
  struct hgl_http_request request = {.method = method, .body = hgl_text(body)};
  struct hgl_http_message message;
  int status = hgl_http_message_init(&message, &request, &err);
  if (status == 0) hgl_http_message_deinit(&message);
  return status;
}

static void a_method_is_a_word(void **state)
{
  assert_ok(try_method("PROPFIND", "body"));
  assert_ok(try_method("ABCDEFGHIJKLMNOP", ""));
  static const char *const methods[] = {"",    "get",     "GET ",  "GET\r\n",
                                        "G-T", "CONNECT", "TRACE", "ABCDEFGHIJKLMNOPQ"};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    assert_fails(HGL_INVALID, try_method(methods[i], ""));
  assert_fails(HGL_INVALID, try_method("GET", "body"));
  assert_fails(HGL_INVALID, try_method("HEAD", "body"));
}

static void headers_have_limits_of_number_and_size(void **state)
{
  static struct hgl_http_header headers[HGL_HTTP_HEADERS_MAX + 1];
  static char value[HGL_HTTP_HEADERS_SIZE_MAX];
  struct hgl_http_request request = {.method = "GET", .headers = headers};
  struct hgl_http_message message;
  memset(value, 'v', sizeof value);
  for (int i = 0; i <= HGL_HTTP_HEADERS_MAX; i++)
    headers[i] = (struct hgl_http_header){hgl_text("X"), hgl_text("y"), false};
  request.header_count = HGL_HTTP_HEADERS_MAX;
  assert_ok(hgl_http_message_init(&message, &request, &err));
  hgl_http_message_deinit(&message);
  request.header_count++;
  assert_fails(HGL_INVALID, hgl_http_message_init(&message, &request, &err));
  request.header_count = 1;
  headers[0].value = hgl_bytes(value, sizeof value - 1);
  assert_ok(hgl_http_message_init(&message, &request, &err));
  hgl_http_message_deinit(&message);
  headers[0].value.size++;
  assert_fails(HGL_INVALID, hgl_http_message_init(&message, &request, &err));
}

static void safe_methods_may_always_be_repeated(void **state)
{
  static const struct {
    const char *method;
    bool said, repeat_safe;
  } cases[] = {{"GET", false, true},  {"HEAD", false, true},    {"OPTIONS", false, true},
               {"PUT", false, false}, {"DELETE", false, false}, {"POST", true, true}};
  struct hgl_http_message message;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_http_request request = {.method = cases[i].method, .repeat_safe = cases[i].said};
    assert_ok(hgl_http_message_init(&message, &request, &err));
    assert_int_equal(message.repeat_safe, cases[i].repeat_safe);
    hgl_http_message_deinit(&message);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_header_cannot_break_out_of_its_line),
      cmocka_unit_test(what_belongs_to_the_connection_is_not_the_requests),
      cmocka_unit_test(a_method_is_a_word),
      cmocka_unit_test(headers_have_limits_of_number_and_size),
      cmocka_unit_test(safe_methods_may_always_be_repeated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
