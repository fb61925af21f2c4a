/* Which Host and which Origin may ask for the dashboard. */
#include "support/check.h"

#include "host/site.h"

static char *names[] = {(char[]){"east.example.org"}, (char[]){"2001:db8::1"}, NULL};
static const struct hgl_site site = {.names = names};

static int check(const char *host, const char *origin, bool on_loopback, bool *local)
{
  struct hgl_err why = {0};
  struct hgl_web_field headers[2];
  struct hgl_web_request request = {.headers = headers, .on_loopback = on_loopback};
  if (host)
    headers[request.header_count++] = (struct hgl_web_field){hgl_text("host"), hgl_text(host)};
  if (origin)
    headers[request.header_count++] = (struct hgl_web_field){hgl_text("origin"), hgl_text(origin)};
  if (local) *local = hgl_site_is_local(&request);
  int status = hgl_site_check(&site, &request, &why);
  assert_true(!status == (why.code == HGL_OK));
  return status;
}

static void only_names_of_this_host_open_it(void **state)
{
  static const char *const ours[] = {
      "127.0.0.1",     "127.0.0.1:7001",   "10.1.2.3:80",      "[::1]:7001",
      "[2001:db8::1]", "east.example.org", "EAST.example.ORG", "east.example.org:443",
      "localhost",     "localhost:1",      "x.localhost:7001", "192.0.2.7:",
  };
  static const char *const others[] = {
      "",
      ":7001",
      "evil.example",
      "east.example.org.evil.example",
      "xeast.example.org",
      "127.0.0.1.evil.example",
      "127.0.0.1:7001.evil.example",
      "127.0.0.1@evil.example",
      "1.2.3",
      "1.2.3.4.5",
      "[::1",
      "[::1]x",
      "[::1].evil.example",
      "[127.0.0.1]",
      "[]",
      "::1",
      "localhost.evil.example",
      "notlocalhost",
      "east.example.org:7001x",
      "east.example.org ",
      "0x7f.0.0.1",
      "2130706433",
  };
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (check(ours[i], NULL, false, NULL) != 0) fail_msg("%s is ours", ours[i]);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (check(others[i], NULL, true, NULL) != 421) fail_msg("'%s' is none of ours", others[i]);
  assert_int_equal(check(NULL, NULL, true, NULL), 421);
}

static void only_the_page_itself_asks(void **state)
{
  static const struct {
    const char *host, *origin;
    int status;
  } cases[] = {
      {"127.0.0.1:7001", "http://127.0.0.1:7001", 0},
      {"127.0.0.1:7001", "https://127.0.0.1:7001", 0},
      {"127.0.0.1", "http://127.0.0.1", 0},
      {"127.0.0.1:80", "http://127.0.0.1", 0},
      {"127.0.0.1", "http://127.0.0.1:80", 0},
      {"east.example.org", "https://EAST.example.org:443", 0},
      {"[::1]:7001", "http://[::1]:7001", 0},
      {"127.0.0.1:7001", "http://127.0.0.1", 403},
      {"127.0.0.1:7001", "http://127.0.0.1:70010", 403},
      {"127.0.0.1:7001", "http://localhost:7001", 403},
      {"localhost:443", "http://localhost", 403},
      {"127.0.0.1:7001", "http://evil.example", 403},
      {"127.0.0.1:7001", "http://127.0.0.1:7001/", 403},
      {"127.0.0.1:7001", "http://127.0.0.1:7001.evil.example", 403},
      {"127.0.0.1:7001", "http://x@127.0.0.1:7001", 403},
      {"127.0.0.1:7001", "ws://127.0.0.1:7001", 403},
      {"127.0.0.1:7001", "null", 403},
      {"127.0.0.1:7001", "", 403},
      {"127.0.0.1:7001", "http://", 403},
      {"evil.example", "http://evil.example", 421},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int status = check(cases[i].host, cases[i].origin, true, NULL);
    if (status != cases[i].status)
      fail_msg("%s asked by %s: %d", cases[i].host, cases[i].origin, status);
  }
}

static void two_origins_or_hosts_are_none(void **state)
{
  struct hgl_err why = {0};
  const struct hgl_web_field headers[] = {
      {hgl_text("host"), hgl_text("127.0.0.1")},
      {hgl_text("origin"), hgl_text("http://127.0.0.1")},
      {hgl_text("origin"), hgl_text("http://127.0.0.1")},
      {hgl_text("host"), hgl_text("127.0.0.1")},
  };
  struct hgl_web_request request = {.headers = headers, .header_count = 3};
  assert_int_equal(hgl_site_check(&site, &request, &why), 403);
  request.header_count = 4;
  assert_int_equal(hgl_site_check(&site, &request, &why), 421);
}

static void local_is_who_asks_this_machine_by_itself(void **state)
{
  bool local;
  check("127.0.0.1:7001", NULL, true, &local);
  assert_true(local);
  check("localhost", NULL, true, &local);
  assert_true(local);
  check("127.0.0.1:7001", NULL, false, &local); /* such a name can be said from anywhere */
  assert_false(local);
  check("192.0.2.7", NULL, true, &local);
  assert_false(local);
  check("east.example.org", NULL, true, &local);
  assert_false(local);
  check(NULL, NULL, true, &local);
  assert_false(local);
  static const char *const of_proxies[] = {"forwarded", "x-forwarded-for", "x-real-ip", "via"};
  for (size_t i = 0; i < sizeof of_proxies / sizeof *of_proxies; i++) {
    const struct hgl_web_field headers[] = {{hgl_text("host"), hgl_text("127.0.0.1")},
                                            {hgl_text(of_proxies[i]), hgl_text("")}};
    const struct hgl_web_request request = {
        .headers = headers, .header_count = 2, .on_loopback = true};
    assert_false(hgl_site_is_local(&request));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_names_of_this_host_open_it),
      cmocka_unit_test(only_the_page_itself_asks),
      cmocka_unit_test(two_origins_or_hosts_are_none),
      cmocka_unit_test(local_is_who_asks_this_machine_by_itself),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
