/* HTTP as a server reads it. */
#include "support/check.h"

#include <stdio.h>

#include "base/mem.h"
#include "protocol/web.h"

static struct hgl_web_head head;
static struct hgl_err err;
static uint8_t memory[64 * 1024];

static int parse(const char *text)
{
  size_t size = strlen(text);
  memcpy(memory, text, size);
  return hgl_web_head_parse(memory, size, &head, &err);
}

static int target(const char *text)
{
  memset(&head, 0, sizeof head);
  memcpy(memory, text, strlen(text));
  return hgl_web_target_parse(memory, strlen(text), &head, &err);
}

static bool is(struct hgl_bytes bytes, const char *text)
{
  return hgl_bytes_is(bytes, text);
}

static void a_head_is_read(void **state)
{
  struct hgl_bytes value;
  assert_int_equal(parse("POST /a%20b/c?x=1&y=%C3%A4+b&x=2&flag&=v HTTP/1.1\r\nHost: h\r\n"
                         "X-One:  \t1 \r\nCONTENT-length: 12\r\nExpect: 100-Continue\r\n\r\n"),
                   0);
  assert_true(is(head.request.method, "POST"));
  assert_true(is(head.request.path, "/a b/c"));
  assert_int_equal(head.request.query_count, 5);
  assert_true(is(head.request.query[1].value, "\xc3\xa4 b"));
  assert_true(is(head.request.query[2].name, "x") && is(head.request.query[2].value, "2"));
  assert_true(is(head.request.query[3].name, "flag") && is(head.request.query[3].value, ""));
  assert_true(hgl_web_header(&head.request, "x-one", &value) && is(value, "1"));
  assert_int_equal(head.body_size, 12);
  assert_true(head.keep_alive && head.expects_continue && !head.chunked && !head.upgrades);
}

static void connections_are_kept_as_the_version_and_the_header_say(void **state)
{
  assert_int_equal(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n"), 0);
  assert_false(head.keep_alive);
  assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), 0);
  assert_false(head.keep_alive);
  assert_int_equal(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 0);
  assert_true(head.keep_alive);
  assert_int_equal(parse("GET /x HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n"
                         "Upgrade: WebSocket\r\n\r\n"),
                   0);
  assert_true(head.upgrades);
  assert_int_equal(parse("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"), 0);
  assert_true(head.chunked);
}

static void what_could_be_understood_in_two_ways_is_refused(void **state)
{
  static const struct {
    int status;
    const char *text;
  } cases[] = {
      {400, "GET / HTTP/1.1\nHost: h\n\n"},
      {400, "GET / HTTP/1.1\r\nHost: h\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n"},
      {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET /\r\nHost: a\r\n\r\n"},
      {400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
      {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
      {501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {501, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {413, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"},
      {417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int status = parse(cases[i].text);
    if (status != cases[i].status) fail_msg("%d: %s", status, cases[i].text);
  }
  assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"), 0);
  memcpy(memory, "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29);
  assert_int_equal(hgl_web_head_parse(memory, 29, &head, &err), 400);
}

static void a_path_is_decoded_once_and_leads_nowhere_else(void **state)
{
  static const char *const wrong[] = {
      "",      "x",        "/%",   "/%4",       "/%zz",   "/%00",    "/a%2fb",  "/a%5Cb",
      "/..",   "/a/../b",  "/./a", "/%2e%2e/a", "/a/%2E", "/a b",    "/a#b",    "/a\\b",
      "/%ff",  "/%c0%af",  "/%0a", "/%7f",      "/?a=%",  "/?a=%zz", "/?a=%00", "/?%ff=1",
      "http:", "http://h", "*",    "/\xc3\xa4", "/\x01",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    if (target(wrong[i]) != 400) fail_msg("%s", wrong[i]);
  assert_int_equal(target("/%252e%252e/x"), 0);
  assert_true(is(head.request.path, "/%2e%2e/x"));
  assert_int_equal(target("/...%20.a/"), 0);
  assert_int_equal(target("http://host:1/path?q=a/../b"), 0);
  assert_true(is(head.request.path, "/path"));
  assert_true(is(head.request.query[0].value, "a/../b"));
}

static void heads_are_bounded(void **state)
{
  static char text[HGL_WEB_HEAD_SIZE_MAX];
  char *at = text + sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\n");
  for (int i = 1; i < HGL_WEB_HEADERS_MAX; i++) at += sprintf(at, "X: %d\r\n", i);
  sprintf(at, "\r\n");
  assert_int_equal(parse(text), 0);
  sprintf(at, "Y: 1\r\n\r\n");
  assert_int_equal(parse(text), 431);
  at = text + sprintf(text, "/?a");
  for (int i = 1; i < HGL_WEB_PARAMETERS_MAX; i++) at += sprintf(at, "&a");
  assert_int_equal(target(text), 0);
  sprintf(at, "&a");
  assert_int_equal(target(text), 400);
  memset(text, 'a', HGL_WEB_TARGET_SIZE_MAX + 1);
  text[0] = '/';
  text[HGL_WEB_TARGET_SIZE_MAX] = 0;
  assert_int_equal(target(text), 0);
  text[HGL_WEB_TARGET_SIZE_MAX] = 'a';
  text[HGL_WEB_TARGET_SIZE_MAX + 1] = 0;
  assert_int_equal(target(text), 414);
}

static void a_host_names_the_machine_itself_or_another(void **state)
{
  static const char *const own[] = {"localhost",      "LocalHost:80",   "127.0.0.1",
                                    "127.0.0.1:7001", "127.8.9.10:1",   "[::1]",
                                    "[::1]:7001",     "kiosk.localhost"};
  static const char *const others[] = {"",
                                       ":80",
                                       "localhost.example.org",
                                       "127.0.0.1.example.org:80",
                                       "example.org",
                                       "128.0.0.1",
                                       "1270.0.0.1",
                                       "[::2]",
                                       "notlocalhost",
                                       ".localhost",
                                       "localhost:80:80",
                                       "10.0.0.1:7001"};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (!hgl_web_host_is_loopback(hgl_text(own[i]))) fail_msg("%s", own[i]);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (hgl_web_host_is_loopback(hgl_text(others[i]))) fail_msg("%s", others[i]);
}

static void the_end_of_a_head_is_found_in_pieces(void **state)
{
  static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\nrest";
  size_t end = strlen(text) - 4;
  for (size_t size = 0; size < end; size++)
    assert_int_equal(hgl_web_head_end(hgl_bytes(text, size), size ? size - 1 : 0), 0);
  for (size_t from = 0; from < end; from++)
    assert_int_equal(hgl_web_head_end(hgl_bytes(text, strlen(text)), from), end);
}

static int read_chunks(const char *text, size_t step, struct hgl_buf *out, bool *done)
{
  struct hgl_web_chunks chunks = {0};
  size_t size = strlen(text), at = 0;
  int status = 0;
  hgl_buf_clear(out);
  while (at < size && !status && chunks.stage != HGL_CHUNKS_DONE) {
    struct hgl_bytes in = hgl_bytes(text + at, at + step < size ? step : size - at);
    size_t before = in.size;
    status = hgl_web_chunks_read(&chunks, &in, out, &err);
    at += before - in.size;
  }
  *done = chunks.stage == HGL_CHUNKS_DONE && at == size;
  return status;
}

static void chunks_make_one_body_however_they_come(void **state)
{
  struct hgl_buf out;
  bool done;
  hgl_buf_init(&out, HGL_WEB_BODY_SIZE_MAX);
  assert_non_null(hgl_buf_reserve(&out, 64));
  for (size_t step = 1; step < 60; step++) {
    assert_int_equal(read_chunks("5;x=\"y\"\r\nhello\r\nA\r\n, everyone\r\n0\r\nX: y\r\n\r\n", step,
                                 &out, &done),
                     0);
    assert_true(done);
    assert_true(is(hgl_buf_bytes(&out), "hello, everyone"));
  }
  static const char *const wrong[] = {"x\r\n",           "\r\n",      "5\nhello\r\n",
                                      "5\r\nhelloX\r\n", "-1\r\n",    "123456789\r\n",
                                      "5\r\r\n",         "1\r\na\rb", "1\r\na\n"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    if (read_chunks(wrong[i], 100, &out, &done) != 400) fail_msg("%s", wrong[i]);
  assert_int_equal(read_chunks("100001\r\n", 100, &out, &done), 0);
  hgl_buf_deinit(&out);
}

static void chunks_are_bounded(void **state)
{
  struct hgl_web_chunks chunks = {0};
  struct hgl_buf out;
  static uint8_t big[HGL_WEB_BODY_SIZE_MAX + 1];
  hgl_buf_init(&out, HGL_WEB_BODY_SIZE_MAX);
  assert_non_null(hgl_buf_reserve(&out, HGL_WEB_BODY_SIZE_MAX));
  struct hgl_bytes in = hgl_text("100001\r\n");
  assert_int_equal(hgl_web_chunks_read(&chunks, &in, &out, &err), 0);
  in = hgl_bytes(big, sizeof big);
  assert_int_equal(hgl_web_chunks_read(&chunks, &in, &out, &err), 413);
  int status = 0;
  chunks = (struct hgl_web_chunks){0};
  hgl_buf_clear(&out);
  for (int i = 0; i < HGL_WEB_OVERHEAD_MAX && !status; i++) {
    in = hgl_text("1;extension-of-no-use\r\na\r\n");
    status = hgl_web_chunks_read(&chunks, &in, &out, &err);
  }
  assert_int_equal(status, 400);
  hgl_buf_deinit(&out);
}

static void headers_of_answers_are_checked(void **state)
{
  assert_ok(hgl_web_header_check(hgl_text("Location"), hgl_text("/a"), &err));
  assert_fails(HGL_INVALID,
               hgl_web_header_check(hgl_text("X"), hgl_text("a\r\nSet-Cookie: x"), &err));
  assert_fails(HGL_INVALID, hgl_web_header_check(hgl_text("X Y"), hgl_text("a"), &err));
  assert_fails(HGL_INVALID, hgl_web_header_check(hgl_text(""), hgl_text("a"), &err));
  assert_fails(HGL_INVALID, hgl_web_header_check(hgl_text("content-LENGTH"), hgl_text("1"), &err));
  static const char *const of_all[] = {
      "Set-Cookie", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc",
      "NEL",        "Report-To",       "Reporting-Endpoints"};
  for (size_t i = 0; i < sizeof of_all / sizeof *of_all; i++)
    assert_fails(HGL_INVALID, hgl_web_header_check(hgl_text(of_all[i]), hgl_text("a=b"), &err));
  assert_true(hgl_web_is_json(hgl_text("Application/JSON; charset=utf-8")));
  assert_true(hgl_web_is_json(hgl_text("application/problem+json")));
  assert_false(hgl_web_is_json(hgl_text("text/json")));
  assert_false(hgl_web_is_json(hgl_text("application/+jso")));
  assert_false(hgl_web_is_json(hgl_text("")));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_head_is_read),
      cmocka_unit_test(connections_are_kept_as_the_version_and_the_header_say),
      cmocka_unit_test(what_could_be_understood_in_two_ways_is_refused),
      cmocka_unit_test(a_path_is_decoded_once_and_leads_nowhere_else),
      cmocka_unit_test(heads_are_bounded),
      cmocka_unit_test(a_host_names_the_machine_itself_or_another),
      cmocka_unit_test(the_end_of_a_head_is_found_in_pieces),
      cmocka_unit_test(chunks_make_one_body_however_they_come),
      cmocka_unit_test(chunks_are_bounded),
      cmocka_unit_test(headers_of_answers_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
