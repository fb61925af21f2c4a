/* Where a request of net/http_client.h may go: addresses, redirects, reused connections, TLS. */
#include "http_fixture.h"

#include "net/tls.h"

enum { REDIRECTS_MAX = 24 };

/* Redirects are written when the ports are known. */
static char texts[REDIRECTS_MAX][512];
static struct http_page pages[REDIRECTS_MAX + 3] = {
    {.path = "/", .text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
    {.path = "/echo", .manner = HTTP_ECHO},
};
static int page_count;

static void redirect(int status, const char *path, const char *to, enum http_manner manner)
{
  char *text = texts[page_count - 2];
  assert_true(page_count < REDIRECTS_MAX + 2);
  snprintf(text, sizeof texts[0], "HTTP/1.1 %d Elsewhere\r\nLocation: %s\r\n%s\r\n", status, to,
           manner == HTTP_KEEP ? "Content-Length: 0\r\n" : "");
  pages[page_count++] = (struct http_page){
      .path = path, .manner = manner, .text = text, .more = "0123456789abcdef"};
  pages[page_count] = (struct http_page){.text = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"};
}

static struct fixture *begin(void)
{
  page_count = 2;
  pages[2] = (struct http_page){.text = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"};
  struct fixture *f = set_up(pages);
  set_up_client(f, (struct hgl_http_config){0});
  return f;
}

/* The whole policy ------------------------------------------------------------------------------
 */

static void a_host_without_a_grant_is_not_looked_up(void **state)
{
  struct fixture *f = begin();
  struct hgl_http_call *made;
  struct hgl_http_request request = get(f, "http://one.test:81/");
  grant(f, "one.test:80");
  assert_fails(HGL_DENIED, hgl_http_start(f->client, &request, done, NULL, &made, &err));
  assert_non_null(strstr(err.message, "one.test:81"));
  assert_non_null(strstr(err.message, "grant net=one.test:81"));
  request.url = "http://127.0.0.1:81/";
  assert_fails(HGL_DENIED, hgl_http_start(f->client, &request, done, NULL, &made, &err));
  assert_non_null(strstr(err.message, "grant net=127.0.0.1:81"));
  assert_int_equal(atomic_load(&looked_up), 0);
  tear_down(f);
}

static void a_private_address_behind_a_name_is_not_connected_to(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  grant(f, "*.test:*");
  struct hgl_http_request request = get(f, at(f->server, "one.test", "/"));
  call(f, &request, &o);
  assert_failed(&o, HGL_DENIED, "one.test is at 127.0.0.1, which is a private address");
  assert_failed(&o, HGL_DENIED, "grant net=127.0.0.1:");
  assert_false(o.sent);
  request.url = "http://metadata.test/latest/meta-data";
  call(f, &request, &o);
  assert_failed(&o, HGL_DENIED, "grant net=169.254.169.254:80");
  assert_int_equal(http_connections(f->server), 0);
  grant(f, "127.0.0.0/8:*");
  request.url = at(f->server, "one.test", "/");
  call(f, &request, &o);
  assert_answered(&o, 200);
  forget(&o);
  tear_down(f);
}

static void of_two_addresses_only_the_permitted_one_is_tried(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  f->second = http_server_at("127.0.0.2", f->server->port, pages, NULL, NULL);
  grant(f, "two.test:*");
  grant(f, "127.0.0.1:*");
  struct hgl_http_request request = get(f, at(f->server, "two.test", "/"));
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_int_equal(http_connections(f->server), 1);
  assert_int_equal(http_connections(f->second), 0);
  forget(&o);
  tear_down(f);
}

static void when_the_permitted_one_fails_the_other_is_named(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  f->second = http_server_at("127.0.0.2", 0, pages, NULL, NULL); /* nobody at 127.0.0.1 there */
  grant(f, "two.test:*");
  grant(f, "127.0.0.1:*");
  struct hgl_http_request request = get(f, at(f->second, "two.test", "/"));
  call(f, &request, &o);
  assert_failed(&o, HGL_UNREACHABLE, "Connection refused");
  assert_failed(&o, HGL_UNREACHABLE, "127.0.0.2");
  assert_int_equal(http_connections(f->second), 0);
  forget(&o);
  tear_down(f);
}

static void named_addresses_of_the_config_are_checked_as_others_are(void **state)
{
  char entry[64];
  struct fixture *f = set_up(pages);
  struct outcome o = {0};
  snprintf(entry, sizeof entry, "fixed.test:%d:127.0.0.1", f->server->port);
  set_up_client(f, (struct hgl_http_config){.resolve = (const char *[]){entry, NULL}});
  grant(f, "fixed.test:*");
  struct hgl_http_request request = get(f, at(f->server, "fixed.test", "/"));
  call(f, &request, &o);
  assert_failed(&o, HGL_DENIED, "127.0.0.1");
  grant(f, "127.0.0.1:*");
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_int_equal(atomic_load(&looked_up), 0);
  forget(&o);
  tear_down(f);
}

static void odd_ways_to_write_an_address_are_seen_through(void **state)
{
  static const char *const hosts[] = {"0x7f.1", "2130706433", "127.1", "0177.0.0.1", "127.0.0.1."};
  struct fixture *f = begin();
  struct outcome o = {0};
  grant(f, "127.0.0.1:*");
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    struct hgl_http_request request = get(f, at(f->server, hosts[i], "/"));
    call(f, &request, &o);
    assert_answered(&o, 200);
    assert_string_equal(o.url, at(f->server, "127.0.0.1", "/"));
  }
  f->grant_count = 0;
  grant(f, "*:*");
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    struct hgl_http_request request = get(f, at(f->server, hosts[i], "/"));
    assert_fails(HGL_DENIED, hgl_http_start(f->client, &request, done, NULL, &o.call, &err));
  }
  forget(&o);
  tear_down(f);
}

/* Two agents, one client ------------------------------------------------------------------------
 */

static void a_connection_of_somebody_else_is_no_way_around_the_policy(void **state)
{
  struct fixture *f = begin(), other = {0};
  struct outcome o = {0};
  f->second = http_server_at("127.0.0.2", f->server->port, pages, NULL, NULL);
  grant(f, "two.test:*");
  grant(f, "127.0.0.2:*");
  struct hgl_http_request request = get(f, at(f->server, "two.test", "/"));
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_int_equal(http_connections(f->second), 1);
  /* Denied there, and by a connection of its own elsewhere when it may. */
  grant(&other, "two.test:*");
  request.policy.user = &other;
  call(f, &request, &o);
  assert_failed(&o, HGL_DENIED, "two.test is at 127.0.0.");
  assert_false(o.sent);
  assert_int_equal(atomic_load(&f->second->requests), 1);
  request.policy.user = f;
  call(f, &request, &o);
  assert_int_equal(atomic_load(&f->second->requests), 2);
  request.policy.user = &other;
  grant(&other, "127.0.0.1:*");
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_int_equal(atomic_load(&f->second->requests), 2);
  assert_int_equal(atomic_load(&f->server->requests), 1);
  forget(&o);
  tear_down(f);
}

/* Redirects --------------------------------------------------------------------------------------
 */

static void redirects_are_followed_one_by_one(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  grant(f, "127.0.0.1:*");
  redirect(302, "/a/b", "c?x=1", HTTP_KEEP);
  redirect(301, "/a/c", "//127.0.0.1:1/../", HTTP_KEEP);
  pages[page_count - 1].text = texts[page_count - 3];
  snprintf(
      texts[page_count - 3], sizeof texts[0],
      "HTTP/1.1 301 Moved\r\nLocation: //127.0.0.1:%d/x/../echo#f\r\nContent-Length: 0\r\n\r\n",
      f->server->port);
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/a/b"));
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_string_equal(o.url, at(f->server, "127.0.0.1", "/echo"));
  assert_int_equal(f->hosts_asked, 3);
  request.redirects_max = 1;
  call(f, &request, &o);
  assert_failed(&o, HGL_LIMIT, "more than 1 redirects");
  request.redirects_max = 0;
  call(f, &request, &o);
  assert_answered(&o, 302);
  assert_non_null(strstr(o.headers, "location: c?x=1\n"));
  redirect(302, "/round", "/round", HTTP_KEEP);
  request = get(f, at(f->server, "127.0.0.1", "/round"));
  call(f, &request, &o);
  assert_failed(&o, HGL_LIMIT, "more than 5 redirects");
  forget(&o);
  tear_down(f);
}

static void a_redirect_leads_nowhere_that_a_grant_does_not(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  grant(f, "127.0.0.1:*");
  grant(f, "metadata.test:80");
  redirect(302, "/name", "http://elsewhere.test/", HTTP_KEEP);
  redirect(302, "/private", "http://metadata.test/latest", HTTP_KEEP);
  redirect(302, "/literal", "http://169.254.169.254/latest", HTTP_KEEP);
  redirect(302, "/mapped", "http://[::ffff:10.0.0.1]/", HTTP_KEEP);
  get_page(f, "/name", &o);
  assert_failed(&o, HGL_DENIED, "grant net=elsewhere.test:80");
  assert_true(o.sent);
  get_page(f, "/private", &o);
  assert_failed(&o, HGL_DENIED, "metadata.test is at 169.254.169.254");
  get_page(f, "/literal", &o);
  assert_failed(&o, HGL_DENIED,
                "127.0.0.1 redirects to another host: 169.254.169.254:80: no grant");
  get_page(f, "/mapped", &o);
  assert_failed(&o, HGL_DENIED, "grant net=10.0.0.1:80");
  forget(&o);
  tear_down(f);
}

static void a_redirect_to_no_url_is_an_error(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  grant(f, "127.0.0.1:*");
  redirect(302, "/ftp", "ftp://127.0.0.1/", HTTP_KEEP);
  redirect(302, "/file", "file:///etc/passwd", HTTP_KEEP);
  redirect(302, "/user", "http://a:b@127.0.0.1/", HTTP_KEEP);
  redirect(302, "/port", "http://127.0.0.1:99999/", HTTP_KEEP);
  redirect(302, "/letters",
           "http://b\xc3\xbc"
           "cher.test/",
           HTTP_KEEP);
  static const char *const paths[] = {"/ftp", "/file", "/user", "/port", "/letters"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    get_page(f, paths[i], &o);
    assert_failed(&o, HGL_MALFORMED, "redirects to what cannot be followed");
  }
  forget(&o);
  tear_down(f);
}

static void a_redirect_may_have_a_body_without_end(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  grant(f, "127.0.0.1:*");
  redirect(302, "/endless", "/", HTTP_ENDLESS);
  redirect(302, "/cut", "/", HTTP_RESET);
  get_page(f, "/endless", &o);
  assert_answered(&o, 200);
  assert_memory_equal(o.body.data, "hello", 5);
  get_page(f, "/cut", &o);
  if (o.status) assert_answered(&o, 200); /* the reset may come before the head is read */
  forget(&o);
  tear_down(f);
}

static const struct hgl_http_header some_headers[] = {
    {{(const uint8_t *)"X-Key", 5}, {(const uint8_t *)"secret", 6}, true},
    {{(const uint8_t *)"authorization", 13}, {(const uint8_t *)"Bearer t", 8}, false},
    {{(const uint8_t *)"Cookie", 6}, {(const uint8_t *)"a=1", 3}, false},
    {{(const uint8_t *)"X-Plain", 7}, {(const uint8_t *)"p", 1}, false},
    {{(const uint8_t *)"Content-Type", 12}, {(const uint8_t *)"text/x", 6}, false},
};

static void post(struct fixture *f, const char *path, struct outcome *o)
{
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", path));
  request.method = "POST";
  request.headers = some_headers;
  request.header_count = sizeof some_headers / sizeof *some_headers;
  request.body = hgl_text("the body");
  call(f, &request, o);
}

static void what_is_sensitive_stays_with_its_origin(void **state)
{
  char there[128];
  struct fixture *f = begin();
  struct outcome o = {0};
  grant(f, "127.0.0.1:*");
  grant(f, "one.test:*");
  redirect(307, "/here", "/echo", HTTP_KEEP);
  snprintf(there, sizeof there, "http://one.test:%d/echo", f->server->port);
  redirect(307, "/there", there, HTTP_KEEP);
  snprintf(there, sizeof there, "http://one.test:%d/back2", f->server->port);
  redirect(307, "/back", there, HTTP_KEEP);
  snprintf(there, sizeof there, "http://127.0.0.1:%d/echo", f->server->port);
  redirect(307, "/back2", there, HTTP_KEEP);
  post(f, "/here", &o);
  assert_answered(&o, 200);
  assert_true(body_has(&o, "X-Key: secret") && body_has(&o, "Bearer t") && body_has(&o, "a=1"));
  static const char *const paths[] = {"/there", "/back"};
  for (int i = 0; i < 2; i++) { /* and does not come back with it */
    post(f, paths[i], &o);
    assert_answered(&o, 200);
    assert_false(body_has(&o, "secret") || body_has(&o, "Bearer") || body_has(&o, "a=1"));
    assert_true(body_has(&o, "X-Plain: p") && body_has(&o, "the body"));
  }
  forget(&o);
  tear_down(f);
}

static void the_method_changes_as_the_status_says(void **state)
{
  static const struct {
    const char *path;
    int status;
    bool get;
  } cases[] = {{"/301", 301, true},
               {"/302", 302, true},
               {"/303", 303, true},
               {"/307", 307, false},
               {"/308", 308, false}};
  struct fixture *f = begin();
  struct outcome o = {0};
  grant(f, "127.0.0.1:*");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    redirect(cases[i].status, cases[i].path, "/echo", HTTP_KEEP);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    post(f, cases[i].path, &o);
    assert_answered(&o, 200);
    assert_int_equal(body_has(&o, "GET /echo"), cases[i].get);
    assert_int_equal(body_has(&o, "the body"), !cases[i].get);
    assert_int_equal(body_has(&o, "Content-Type"), !cases[i].get);
    assert_true(body_has(&o, "X-Key: secret"));
  }
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/303"));
  request.method = "HEAD";
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_true(http_last_has(f->server, "HEAD /echo"));
  request.method = "PUT";
  request.url = at(f->server, "127.0.0.1", "/302");
  call(f, &request, &o);
  assert_true(body_has(&o, "PUT /echo"));
  forget(&o);
  tear_down(f);
}

/* TLS --------------------------------------------------------------------------------------------
 */

static char folder[64], certificate[96], key[96];

static int make_certificate(void **state)
{
  strcpy(folder, "/tmp/haggle-http-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(certificate, sizeof certificate, "%s/c.pem", folder);
  snprintf(key, sizeof key, "%s/k.pem", folder);
  return hgl_tls_self_signed(certificate, key, &err);
}

static int remove_certificate(void **state)
{
  unlink(certificate);
  unlink(key);
  return rmdir(folder);
}

static struct fixture *begin_tls(const char *trust)
{
  page_count = 2;
  pages[2] = (struct http_page){.text = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"};
  struct fixture *f = set_up(pages);
  f->second = http_server_at("127.0.0.1", 0, pages, certificate, key);
  set_up_client(f, (struct hgl_http_config){.trust = trust});
  grant(f, "127.0.0.1:*");
  grant(f, "one.test:*");
  return f;
}

static void a_certificate_is_checked(void **state)
{
  struct fixture *f = begin_tls(NULL);
  struct outcome o = {0};
  struct hgl_http_request request = get(f, at(f->second, "127.0.0.1", "/"));
  call(f, &request, &o);
  assert_failed(&o, HGL_UNTRUSTED, "certificate");
  assert_false(o.sent);
  forget(&o);
  tear_down(f);
  f = begin_tls(certificate);
  request = get(f, at(f->second, "127.0.0.1", "/"));
  for (int i = 0; i < 2; i++) {
    call(f, &request, &o);
    assert_answered(&o, 200);
  }
  assert_int_equal(http_connections(f->second), 1);
  /* By its name, too. */
  request.url = at(f->second, "one.test", "/");
  call(f, &request, &o);
  assert_failed(&o, HGL_UNTRUSTED, "one.test");
  forget(&o);
  tear_down(f);
}

static void no_redirect_leads_from_https_to_http(void **state)
{
  struct fixture *f = begin_tls(certificate);
  struct outcome o = {0};
  char url[128];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", f->server->port);
  redirect(302, "/down", url, HTTP_KEEP);
  snprintf(url, sizeof url, "https://127.0.0.1:%d/echo", f->second->port);
  redirect(307, "/up", url, HTTP_KEEP);
  struct hgl_http_request request = get(f, at(f->second, "127.0.0.1", "/down"));
  call(f, &request, &o);
  assert_failed(&o, HGL_DENIED, "from https to http");
  assert_int_equal(http_connections(f->server), 0);
  post(f, "/up", &o);
  assert_answered(&o, 200);
  assert_false(body_has(&o, "secret")); /* another scheme is another origin */
  forget(&o);
  tear_down(f);
}

static void authorities_that_are_none_are_refused(void **state)
{
  struct hgl_loop *loop;
  struct hgl_http_client *client;
  assert_ok(hgl_loop_create(&hgl_clock_system, &loop, &err));
  struct hgl_http_config config = {
      .loop = loop, .clock = &hgl_clock_system, .log = &hgl_log_none, .trust = key};
  assert_fails(HGL_INVALID, hgl_http_create(&config, &client, &err));
  assert_non_null(strstr(err.message, key));
  config.trust = "/nowhere/trust.pem";
  assert_fails(HGL_INVALID, hgl_http_create(&config, &client, &err));
  hgl_loop_destroy(loop);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_host_without_a_grant_is_not_looked_up),
      cmocka_unit_test(a_private_address_behind_a_name_is_not_connected_to),
      cmocka_unit_test(of_two_addresses_only_the_permitted_one_is_tried),
      cmocka_unit_test(when_the_permitted_one_fails_the_other_is_named),
      cmocka_unit_test(named_addresses_of_the_config_are_checked_as_others_are),
      cmocka_unit_test(odd_ways_to_write_an_address_are_seen_through),
      cmocka_unit_test(a_connection_of_somebody_else_is_no_way_around_the_policy),
      cmocka_unit_test(redirects_are_followed_one_by_one),
      cmocka_unit_test(a_redirect_leads_nowhere_that_a_grant_does_not),
      cmocka_unit_test(a_redirect_to_no_url_is_an_error),
      cmocka_unit_test(a_redirect_may_have_a_body_without_end),
      cmocka_unit_test(what_is_sensitive_stays_with_its_origin),
      cmocka_unit_test(the_method_changes_as_the_status_says),
      cmocka_unit_test_setup_teardown(a_certificate_is_checked, make_certificate,
                                      remove_certificate),
      cmocka_unit_test_setup_teardown(no_redirect_leads_from_https_to_http, make_certificate,
                                      remove_certificate),
      cmocka_unit_test_setup_teardown(authorities_that_are_none_are_refused, make_certificate,
                                      remove_certificate),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
