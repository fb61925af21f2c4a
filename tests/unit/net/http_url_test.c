#include "net/http_url.h"

#include "net/http_client.h"
#include "support/check.h"

static struct hgl_err err;

static void put(char *at, const char *text)
{
  memcpy(at, text, strlen(text) + 1);
}

static void a_url_is_taken_apart_and_put_into_one_form(void **state)
{
  static const struct {
    const char *text, *whole, *host;
    int port;
    bool secure;
  } cases[] = {
      {"http://example.org", "http://example.org/", "example.org", 80, false},
      {"https://example.org/a?b=c#d", "https://example.org/a?b=c", "example.org", 443, true},
      {"HTTPS://EXAMPLE.org:443/", "https://example.org/", "example.org", 443, true},
      {"http://example.org.:8080/", "http://example.org:8080/", "example.org", 8080, false},
      {"http://127.1/", "http://127.0.0.1/", "127.0.0.1", 80, false},
      {"http://0x7f000001/", "http://127.0.0.1/", "127.0.0.1", 80, false},
      {"http://017700000001/", "http://127.0.0.1/", "127.0.0.1", 80, false},
      {"http://127.0.0.1./", "http://127.0.0.1/", "127.0.0.1", 80, false},
      {"http://[::1]:81/", "http://[::1]:81/", "::1", 81, false},
      {"http://[0:0::1]/", "http://[::1]/", "::1", 80, false},
      {"http://[::FFFF:10.0.0.1]/", "http://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1", 80, false},
      {"http://%31%32%37.0.0.1/", "http://127.0.0.1/", "127.0.0.1", 80, false},
      {"http://a_b.example/%41", "http://a_b.example/%41", "a_b.example", 80, false},
      {"http://example.org/a/../b/./c", "http://example.org/b/c", "example.org", 80, false},
  };
  struct hgl_http_url url;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_ok(hgl_http_url_parse(cases[i].text, NULL, &url, &err));
    assert_string_equal(url.text, cases[i].whole);
    assert_string_equal(url.host, cases[i].host);
    assert_int_equal(url.port, cases[i].port);
    assert_int_equal(url.secure, cases[i].secure);
    hgl_http_url_deinit(&url);
  }
}

static void what_is_no_url_of_ours_is_refused(void **state)
{
  static const char *const texts[] = {"",
                                      "example.org",
                                      "example.org/a",
                                      "//example.org/",
                                      "http://",
                                      "ftp://example.org/",
                                      "file:///etc/passwd",
                                      "gopher://example.org/",
                                      "javascript:alert(1)",
                                      "http://user@example.org/",
                                      "http://user:word@example.org/",
                                      "http://@example.org/",
                                      "http://example.org:0/",
                                      "http://example.org:65536/",
                                      "http://example.org:80x/",
                                      "http://example.org:-1/",
                                      "http://exa mple.org/",
                                      "http://example.org/a b",
                                      "http://example.org/\r\nHost: x",
                                      "http://example.org\t/",
                                      "http://b\xc3\xbc"
                                      "cher.example/",
                                      "http://example.org/\xc3\xbc",
                                      "http://example.org\\@evil.example/",
                                      "http://evil.example%2fexample.org/",
                                      "http://example.org%00.evil.example/",
                                      "http://exam%70le..org/",
                                      "http://.example.org/",
                                      "http://1.2.3.4.5/",
                                      "http://256.256.256.256/",
                                      "http://example.123/",
                                      "http://[::1/",
                                      "http://[fe80::1%25eth0]/",
                                      "http://[example.org]/",
                                      "http://[]/",
                                      "http://a,b/",
                                      "http://*/"};
  struct hgl_http_url url;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (hgl_http_url_parse(texts[i], NULL, &url, &err) != -HGL_INVALID)
      fail_msg("%s is taken for a URL", texts[i]);
}

static void a_url_has_its_limits(void **state)
{
  static char text[HGL_HTTP_URL_SIZE_MAX + 2];
  struct hgl_http_url url;
  memset(text, 'a', sizeof text - 1);
  memcpy(text, "http://h/", 9);
  assert_fails(HGL_INVALID, hgl_http_url_parse(text, NULL, &url, &err));
  text[HGL_HTTP_URL_SIZE_MAX] = '\0';
  assert_ok(hgl_http_url_parse(text, NULL, &url, &err));
  hgl_http_url_deinit(&url);
  put(text, "http://");
  for (int i = 0; i < HGL_HTTP_HOST_SIZE_MAX; i++) text[7 + i] = i % 2 ? '.' : 'a';
  put(text + 7 + HGL_HTTP_HOST_SIZE_MAX, "/");
  assert_ok(hgl_http_url_parse(text, NULL, &url, &err));
  hgl_http_url_deinit(&url);
  put(text + 7 + HGL_HTTP_HOST_SIZE_MAX, "a/");
  assert_fails(HGL_INVALID, hgl_http_url_parse(text, NULL, &url, &err));
}

static void a_location_is_relative_to_where_it_was_said(void **state)
{
  static const char *const cases[][2] = {
      {"c", "https://example.org:444/a/c"},
      {"/c?d=e#f", "https://example.org:444/c?d=e"},
      {"../../c", "https://example.org:444/c"},
      {"?q", "https://example.org:444/a/b?q"},
      {"//other.example/x", "https://other.example/x"},
      {"http://other.example:1/x", "http://other.example:1/x"},
      {"/with blank", "https://example.org:444/with%20blank"},
  };
  struct hgl_http_url base, url;
  assert_ok(hgl_http_url_parse("https://example.org:444/a/b?c=d", NULL, &base, &err));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_ok(hgl_http_url_parse(cases[i][0], &base, &url, &err));
    assert_string_equal(url.text, cases[i][1]);
    hgl_http_url_deinit(&url);
  }
  assert_fails(HGL_INVALID, hgl_http_url_parse("mailto:a@example.org", &base, &url, &err));
  assert_fails(HGL_INVALID, hgl_http_url_parse("//u:p@example.org/", &base, &url, &err));
  assert_fails(HGL_INVALID, hgl_http_url_parse("/a\r\nX: y", &base, &url, &err));
  hgl_http_url_deinit(&base);
}

static void an_origin_is_scheme_host_and_port(void **state)
{
  static const char *const texts[] = {"http://example.org/", "https://example.org/",
                                      "http://example.org:81/", "http://example.net/"};
  struct hgl_http_url first, url;
  assert_ok(hgl_http_url_parse("http://EXAMPLE.org.:80/x", NULL, &first, &err));
  for (size_t i = 0; i < 4; i++) {
    assert_ok(hgl_http_url_parse(texts[i], NULL, &url, &err));
    assert_int_equal(hgl_http_url_same_origin(&first, &url), i == 0);
    hgl_http_url_deinit(&url);
  }
  hgl_http_url_deinit(&first);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_url_is_taken_apart_and_put_into_one_form),
      cmocka_unit_test(what_is_no_url_of_ours_is_refused),
      cmocka_unit_test(a_url_has_its_limits),
      cmocka_unit_test(a_location_is_relative_to_where_it_was_said),
      cmocka_unit_test(an_origin_is_scheme_host_and_port),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
