#include "http_fixture.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

/* "hello" four times. */
static const char gzip_page[] = OK_HEAD
    "Content-Encoding: gzip\r\n\r\n"
    "\037\213\010\000\000\000\000\000\002\003\313\110\315\311\311\317\100\045\000\360\171\232\253"
    "\024\000\000\000";
static const char deflate_page[] = OK_HEAD
    "Content-Encoding: deflate\r\n\r\n"
    "\170\234\313\110\315\311\311\317\100\045\000\127\010\010\121";

static const struct http_page pages[] = {
    {.path = "/gzip", .manner = HTTP_CLOSE, .text = gzip_page, .text_size = sizeof gzip_page - 1},
    {.path = "/deflate",
     .manner = HTTP_CLOSE,
     .text = deflate_page,
     .text_size = sizeof deflate_page - 1},
    {.path = "/",
     .manner = HTTP_KEEP,
     .text = OK_HEAD "Content-Length: 5\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a=1, b\r\n"
                     "Set-Cookie: c=2\r\nX-Empty:\r\n\r\nhello"},
    {.path = "/echo", .manner = HTTP_ECHO},
    {.path = "/chunked",
     .manner = HTTP_KEEP,
     .text = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n"
                     "X-Trailer: 1\r\n\r\n"},
    {.path = "/until-close", .manner = HTTP_CLOSE, .text = OK_HEAD "\r\nall of it"},
    {.path = "/interim",
     .manner = HTTP_KEEP,
     .text = "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" OK_HEAD
             "Content-Length: 0\r\nX-Late: 1\r\n\r\n"},
    {.path = "/folded",
     .manner = HTTP_KEEP,
     .text = OK_HEAD "X-Long: one\r\n  two\r\nContent-Length: 0\r\n\r\n"},
    {.path = "/no-content", .manner = HTTP_KEEP, .text = "HTTP/1.1 204 No Content\r\n\r\n"},
    {.path = "/missing",
     .manner = HTTP_KEEP,
     .text = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"},
    {.path = "/endless",
     .manner = HTTP_ENDLESS,
     .text = OK_HEAD "\r\n",
     .more = "0123456789abcdef"},
    {.path = "/endless-chunked",
     .manner = HTTP_ENDLESS,
     .text = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n",
     .more = "8\r\n01234567\r\n"},
    {.path = "/endless-header",
     .manner = HTTP_ENDLESS,
     .text = OK_HEAD "X-A: ",
     .more = "0123456789abcdef"},
    {.path = "/endless-headers",
     .manner = HTTP_ENDLESS,
     .text = OK_HEAD,
     .more = "X-A: 0123456789abcdef\r\n"},
    {.path = "/many-headers",
     .manner = HTTP_ENDLESS,
     .text = OK_HEAD "X-1: a\r\nX-2: a\r\n",
     .more = "Set-Cookie: a\r\n"},
    {.path = "/endless-trailer",
     .manner = HTTP_ENDLESS,
     .text = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: ",
     .more = "0123456789abcdef"},
    {.path = "/endless-interim",
     .manner = HTTP_ENDLESS,
     .text = "",
     .more = "HTTP/1.1 100 Continue\r\n\r\n"},
    {.path = "/endless-trailers",
     .manner = HTTP_ENDLESS,
     .text = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n",
     .more = "X-A: 0123456789abcdef\r\n"},
    {.path = "/slow", .manner = HTTP_SLOW, .text = OK_HEAD "\r\n", .more = "a"},
    {.path = "/slow-head", .manner = HTTP_SLOW, .text = OK_HEAD "X-A: ", .more = "a"},
    {.path = "/silent", .manner = HTTP_HANG, .text = ""},
    {.path = "/hangs", .manner = HTTP_HANG, .text = OK_HEAD "Content-Length: 9\r\n\r\nabc"},
    {.path = "/empty", .manner = HTTP_CLOSE, .text = ""},
    {.path = "/short", .manner = HTTP_CLOSE, .text = OK_HEAD "Content-Length: 9\r\n\r\nabc"},
    {.path = "/cut-chunk",
     .manner = HTTP_CLOSE,
     .text = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n9\r\nabc"},
    {.path = "/cut-head", .manner = HTTP_CLOSE, .text = "HTTP/1.1 200 O"},
    {.path = "/reset", .manner = HTTP_RESET, .text = OK_HEAD "Content-Length: 9\r\n\r\nabc"},
    {.path = "/not-http", .manner = HTTP_CLOSE, .text = "SSH-2.0-OpenSSH\r\n"},
    {.path = "/large",
     .manner = HTTP_HANG,
     .text = OK_HEAD "Content-Length: 99999999999\r\n\r\nabc"},
    {.path = "/zstd", .manner = HTTP_CLOSE, .text = OK_HEAD "Content-Encoding: zstd\r\n\r\nabc"},
    {.path = "/twice-gzip",
     .manner = HTTP_CLOSE,
     .text = OK_HEAD "Content-Encoding: gzip, gzip\r\n\r\nabc"},
    {.path = "/bad-gzip",
     .manner = HTTP_CLOSE,
     .text = OK_HEAD "Content-Encoding: gzip\r\n\r\nnot gzip at all"},
    {.path = NULL,
     .manner = HTTP_KEEP,
     .text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
};

static struct fixture *begin(void)
{
  struct fixture *f = set_up(pages);
  grant(f, "127.0.0.1:*");
  grant(f, "*.test:*");
  set_up_client(f, (struct hgl_http_config){0});
  return f;
}

/* Answers ----------------------------------------------------------------------------------------
 */

static void an_answer_has_status_headers_and_body(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  get_page(f, "/?q=1#part", &o);
  assert_answered(&o, 200);
  assert_int_equal(o.body.size, 5);
  assert_memory_equal(o.body.data, "hello", 5);
  assert_string_equal(o.headers, "content-length: 5\nx-a: 1, 2\nset-cookie: a=1, b\n"
                                 "set-cookie: c=2\nx-empty: \n");
  assert_string_equal(o.url, at(f->server, "127.0.0.1", "/?q=1"));
  assert_true(http_last_has(f->server, "GET /?q=1 HTTP/1.1\r\n"));
  assert_true(http_last_has(f->server, "User-Agent: haggle/test\r\n"));
  get_page(f, "/missing", &o);
  assert_answered(&o, 404);
  assert_memory_equal(o.body.data, "gone", 4);
  get_page(f, "/no-content", &o);
  assert_answered(&o, 204);
  assert_int_equal(o.body.size, 0);
  forget(&o);
  tear_down(f);
}

static void each_way_to_frame_a_body_is_read(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  get_page(f, "/chunked", &o);
  assert_answered(&o, 200);
  assert_memory_equal(o.body.data, "abcde", 5);
  assert_null(strstr(o.headers, "trailer"));
  get_page(f, "/until-close", &o);
  assert_answered(&o, 200);
  assert_true(body_has(&o, "all of it"));
  get_page(f, "/interim", &o);
  assert_answered(&o, 200);
  assert_string_equal(o.headers, "content-length: 0\nx-late: 1\n");
  get_page(f, "/folded", &o);
  assert_string_equal(o.headers, "x-long: one two\ncontent-length: 0\n");
  forget(&o);
  tear_down(f);
}

/* Requests ---------------------------------------------------------------------------------------
 */

static void a_request_says_what_it_was_told_and_no_more(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  struct hgl_http_header headers[] = {
      {hgl_text("X-Key"), hgl_text("k: v"), true},
      {hgl_text("X-Empty"), hgl_text(""), false},
      {hgl_text("Content-Type"), hgl_text("application/json"), false},
  };
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/echo"));
  request.method = "POST";
  request.headers = headers;
  request.header_count = 3;
  request.body = hgl_text("{\"a\":1}");
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_true(body_has(&o, "POST /echo HTTP/1.1\r\n"));
  assert_true(body_has(&o, "\r\nX-Key: k: v\r\n"));
  assert_true(body_has(&o, "\r\nX-Empty:\r\n") || body_has(&o, "\r\nX-Empty: \r\n"));
  assert_true(body_has(&o, "\r\nContent-Type: application/json\r\n"));
  assert_true(body_has(&o, "\r\nContent-Length: 7\r\n"));
  assert_true(body_has(&o, "\r\n\r\n{\"a\":1}"));
  assert_false(body_has(&o, "Expect"));
  /* Without a body or a type of it none is made up. */
  request.header_count = 0;
  request.body = (struct hgl_bytes){0};
  call(f, &request, &o);
  assert_true(body_has(&o, "\r\nContent-Length: 0\r\n"));
  assert_false(body_has(&o, "Content-Type"));
  request.method = "DELETE";
  call(f, &request, &o);
  assert_true(body_has(&o, "DELETE /echo"));
  request.method = "HEAD";
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_int_equal(o.body.size, 0);
  forget(&o);
  tear_down(f);
}

static void a_large_body_arrives_whole(void **state)
{
  enum { SIZE = 3 << 20 };
  struct fixture *f = begin();
  struct outcome o = {0};
  uint8_t *body = malloc(SIZE);
  assert_non_null(body);
  for (size_t i = 0; i < SIZE; i++) body[i] = (uint8_t)(i * 31 + 1);
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/echo"));
  request.method = "PUT";
  request.body = hgl_bytes(body, SIZE);
  request.size_max = SIZE + 4096;
  forget(&o);
  start(f, &request, &o);
  memset(body, 0, SIZE); /* it was copied */
  run_until(f, o.count);
  assert_answered(&o, 200);
  for (size_t i = 0; i < SIZE; i++) body[i] = (uint8_t)(i * 31 + 1);
  assert_true(o.body.size > SIZE);
  assert_false(body_has(&o, "Expect")); /* the server would not say "go on" */
  assert_memory_equal(o.body.data + o.body.size - SIZE, body, SIZE);
  free(body);
  forget(&o);
  tear_down(f);
}

static void nothing_of_the_environment_has_a_say(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  setenv("http_proxy", "http://127.0.0.1:9", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
  get_page(f, "/", &o);
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  assert_answered(&o, 200);
  forget(&o);
  tear_down(f);
}

/* Limits -----------------------------------------------------------------------------------------
 */

static void an_answer_without_end_ends_at_its_limit(void **state)
{
  static const char *const paths[] = {"/endless",         "/endless-chunked", "/large",
                                      "/endless-header",  "/endless-headers", "/many-headers",
                                      "/endless-interim", "/endless-trailers"};
  struct fixture *f = begin();
  struct outcome o = {0};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    get_page(f, paths[i], &o);
    if (o.err.code != HGL_TOO_LARGE)
      fail_msg("%s: %s: %s", paths[i], hgl_code_name(o.err.code), o.err.message);
    assert_true(o.sent);
  }
  forget(&o);
  tear_down(f);
}

static void an_answer_may_be_as_large_as_its_limit(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/"));
  request.size_max = 5;
  call(f, &request, &o);
  assert_answered(&o, 200);
  request.size_max = 4;
  call(f, &request, &o);
  assert_failed(&o, HGL_TOO_LARGE, "more than the 4 bytes");
  request.url = at(f->server, "127.0.0.1", "/no-content");
  request.size_max = 0;
  call(f, &request, &o);
  assert_answered(&o, 204);
  forget(&o);
  tear_down(f);
}

/* Bits from the least significant on, Huffman codes from their first: RFC 1951 §3.1.1. */
static void put_bits(uint8_t *out, size_t *at_bit, unsigned bits, int count, bool code)
{
  for (int i = 0; i < count; i++, ++*at_bit) {
    unsigned bit = bits >> (code ? count - 1 - i : i) & 1;
    out[*at_bit / 8] |= (uint8_t)(bit << (*at_bit % 8));
  }
}

/* gzip whose one block is a zero byte, then copies of 258 bytes without end: 13 bits each. */
static void make_bomb(char *begin_text, size_t *begin_size, char more[13])
{
  static const uint8_t head[10] = {0x1f, 0x8b, 8, [9] = 255};
  uint8_t bits[64] = {0};
  size_t bit = 0;
  put_bits(bits, &bit, 0, 1, false);   /* not the last block */
  put_bits(bits, &bit, 1, 2, false);   /* fixed codes */
  put_bits(bits, &bit, 0x30, 8, true); /* a literal 0 */
  while (bit < 8 * 32) {
    put_bits(bits, &bit, 0xc5, 8, true); /* 258 bytes */
    put_bits(bits, &bit, 0, 5, true);    /* from 1 byte back */
  }
  /* From the first whole code on, the pattern repeats every 8 codes, which are 13 bytes. */
  memcpy(begin_text, head, sizeof head);
  memcpy(begin_text + sizeof head, bits, 2);
  *begin_size = sizeof head + 2;
  memcpy(more, bits + 2, 13);
}

static void what_is_compressed_is_bounded_as_it_comes_out(void **state)
{
  static char text[256], more[13 * 1024];
  struct http_page bomb[] = {{.path = "/bomb",
                              .manner = HTTP_ENDLESS,
                              .text = text,
                              .more = more,
                              .more_size = sizeof more},
                             {.path = NULL}};
  size_t head = strlen(strcpy(text, OK_HEAD "Content-Encoding: gzip\r\n\r\n")), size;
  make_bomb(text + head, &size, more);
  for (size_t i = 13; i < sizeof more; i += 13) memcpy(more + i, more, 13);
  bomb[0].text_size = head + size;
  struct fixture *f = set_up(bomb);
  grant(f, "127.0.0.1:*");
  set_up_client(f, (struct hgl_http_config){0});
  struct outcome o = {0};
  get_page(f, "/bomb", &o);
  assert_failed(&o, HGL_TOO_LARGE, "1048576 bytes");
  forget(&o);
  tear_down(f);
}

static void what_is_compressed_is_read_as_it_was_asked_for(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  get_page(f, "/echo", &o);
  assert_true(body_has(&o, "Accept-Encoding: gzip, deflate\r\n") ||
              body_has(&o, "Accept-Encoding: deflate, gzip\r\n"));
  static const char *const paths[] = {"/gzip", "/deflate"};
  for (int i = 0; i < 2; i++) {
    get_page(f, paths[i], &o);
    assert_answered(&o, 200);
    assert_int_equal(o.body.size, 20);
    assert_memory_equal(o.body.data, "hellohellohellohello", 20);
  }
  get_page(f, "/zstd", &o);
  assert_failed(&o, HGL_MALFORMED, "zstd");
  get_page(f, "/twice-gzip", &o);
  assert_failed(&o, HGL_MALFORMED, "gzip, gzip");
  get_page(f, "/bad-gzip", &o);
  assert_failed(&o, HGL_MALFORMED, "");
  /* Nor could a part of something compressed be read. */
  struct hgl_http_header range = {hgl_text("Range"), hgl_text("bytes=0-1"), false};
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/echo"));
  request.headers = &range;
  request.header_count = 1;
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_false(body_has(&o, "Accept-Encoding"));
  forget(&o);
  tear_down(f);
}

static void a_slow_server_has_no_longer_than_was_said(void **state)
{
  static const char *const paths[] = {"/slow", "/slow-head", "/silent", "/hangs"};
  struct fixture *f = begin();
  struct outcome o = {0};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", paths[i]));
    request.within_ms = 150;
    call(f, &request, &o);
    assert_failed(&o, HGL_TIMEOUT, "within 150 ms");
    assert_true(o.sent);
  }
  forget(&o);
  tear_down(f);
}

static void what_cannot_be_a_request_is_refused_at_once(void **state)
{
  struct fixture *f = begin();
  struct hgl_http_call *made;
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/"));
  request.within_ms = 0;
  assert_fails(HGL_INVALID, hgl_http_start(f->client, &request, done, NULL, &made, &err));
  request = get(f, at(f->server, "127.0.0.1", "/"));
  request.redirects_max = HGL_HTTP_REDIRECTS_MAX + 1;
  assert_fails(HGL_INVALID, hgl_http_start(f->client, &request, done, NULL, &made, &err));
  request = get(f, "ftp://127.0.0.1/");
  assert_fails(HGL_INVALID, hgl_http_start(f->client, &request, done, NULL, &made, &err));
  request = get(f, "http://127.0.0.1/\r\nX-A: 1");
  assert_fails(HGL_INVALID, hgl_http_start(f->client, &request, done, NULL, &made, &err));
  request = get(f, "http://127.0.0.1/");
  request.method = "GET /x HTTP/1.1\r\n";
  assert_fails(HGL_INVALID, hgl_http_start(f->client, &request, done, NULL, &made, &err));
  assert_int_equal(http_connections(f->server), 0);
  tear_down(f);
}

static void requests_under_way_are_bounded_in_number_and_memory(void **state)
{
  struct fixture *f = set_up(pages);
  grant(f, "127.0.0.1:*");
  set_up_client(f, (struct hgl_http_config){.limits = {.calls_max = 2, .memory_max = 100}});
  struct outcome first = {0}, second = {0}, third = {0};
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/silent"));
  request.method = "POST";
  request.body = hgl_text("0123456789012345678901234567890123456789");
  start(f, &request, &first);
  request.url = at(f->server, "127.0.0.1", "/endless");
  call(f, &request, &second);
  assert_failed(&second, HGL_LIMIT, "try later");
  forget(&second);
  start(f, &request, &second);
  assert_fails(HGL_LIMIT, hgl_http_start(f->client, &request, done, &third, &third.call, &err));
  hgl_http_cancel(second.call);
  request.body = hgl_text("0123456789012345678901234567890123456789012345678901234567890");
  assert_fails(HGL_LIMIT, hgl_http_start(f->client, &request, done, &third, &third.call, &err));
  hgl_http_cancel(first.call);
  request.url = at(f->server, "127.0.0.1", "/");
  call(f, &request, &third); /* all was given back */
  assert_answered(&third, 200);
  forget(&third);
  tear_down(f);
}

/* Failures ---------------------------------------------------------------------------------------
 */

static void a_connection_that_ends_too_early_is_no_answer(void **state)
{
  static const char *const paths[] = {"/empty",    "/short", "/cut-chunk",
                                      "/cut-head", "/reset", "/endless-trailer"};
  struct fixture *f = begin();
  struct outcome o = {0};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    get_page(f, paths[i], &o);
    if (o.err.code != HGL_CLOSED && o.err.code != HGL_MALFORMED)
      fail_msg("%s: %d, %s: %s", paths[i], o.status, hgl_code_name(o.err.code), o.err.message);
    assert_true(o.sent);
  }
  get_page(f, "/not-http", &o);
  assert_failed(&o, HGL_MALFORMED, "not HTTP");
  forget(&o);
  tear_down(f);
}

static void nobody_there_is_told_apart_from_no_answer(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  int port;
  close(http_listen("127.0.0.1", 0, &port));
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
  struct hgl_http_request request = get(f, url);
  call(f, &request, &o);
  assert_failed(&o, HGL_UNREACHABLE, "Connection refused");
  assert_false(o.sent);
  request.url = "http://nowhere.test/";
  call(f, &request, &o);
  assert_failed(&o, HGL_UNREACHABLE, "nowhere.test: the name does not resolve");
  assert_false(o.sent);
  forget(&o);
  tear_down(f);
}

static void a_server_that_dies_ends_what_is_under_way(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/silent"));
  start(f, &request, &o);
  run_until(f, atomic_load(&f->server->requests) == 1);
  http_server_drop(f->server);
  run_until(f, o.count);
  assert_failed(&o, HGL_CLOSED, "");
  assert_true(o.sent);
  get_page(f, "/", &o);
  assert_answered(&o, 200);
  forget(&o);
  tear_down(f);
}

/* Refuses the first request for memory, then the second, until all goes well. */
static void without_memory_a_call_ends_and_the_client_goes_on(void **state)
{
  struct fixture *f = begin();
  bool good = false;
  for (long first = 0; !good; first++) {
    struct outcome o = {0};
    struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/"));
    hgl_mem_fail_after(first);
    int status = hgl_http_start(f->client, &request, done, &o, &o.call, &err);
    if (status == 0) run_until(f, o.count);
    hgl_mem_fail_after(-1);
    good = o.status == 200;
    if (!good) assert_int_equal(status ? (int)err.code : (int)o.err.code, HGL_NO_MEMORY);
    forget(&o);
    assert_true(first < 100);
  }
  struct outcome o = {0};
  get_page(f, "/", &o);
  assert_answered(&o, 200);
  forget(&o);
  tear_down(f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_answer_has_status_headers_and_body),
      cmocka_unit_test(each_way_to_frame_a_body_is_read),
      cmocka_unit_test(a_request_says_what_it_was_told_and_no_more),
      cmocka_unit_test(a_large_body_arrives_whole),
      cmocka_unit_test(nothing_of_the_environment_has_a_say),
      cmocka_unit_test(an_answer_without_end_ends_at_its_limit),
      cmocka_unit_test(an_answer_may_be_as_large_as_its_limit),
      cmocka_unit_test(what_is_compressed_is_bounded_as_it_comes_out),
      cmocka_unit_test(what_is_compressed_is_read_as_it_was_asked_for),
      cmocka_unit_test(a_slow_server_has_no_longer_than_was_said),
      cmocka_unit_test(what_cannot_be_a_request_is_refused_at_once),
      cmocka_unit_test(requests_under_way_are_bounded_in_number_and_memory),
      cmocka_unit_test(a_connection_that_ends_too_early_is_no_answer),
      cmocka_unit_test(nobody_there_is_told_apart_from_no_answer),
      cmocka_unit_test(a_server_that_dies_ends_what_is_under_way),
      cmocka_unit_test(without_memory_a_call_ends_and_the_client_goes_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
