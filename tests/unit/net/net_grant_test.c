#include "net/net_grant.h"

#include "support/check.h"

#include <stdio.h>

static struct hgl_err err;

static void put(char *at, const char *text)
{
  memcpy(at, text, strlen(text) + 1);
}

static struct hgl_net_grant parse(const char *text)
{
  struct hgl_net_grant grant;
  assert_ok(hgl_net_grant_parse(hgl_text(text), &grant, &err));
  return grant;
}

static void a_grant_has_one_form_however_it_was_written(void **state)
{
  static const char *const pairs[][2] = {
      {"example.org:443", "example.org:443"},
      {"Example.ORG.:0443", "example.org:443"},
      {"*.Example.org:443", "*.example.org:443"},
      {"*:443", "*:443"},
      {"*:*", "*:*"},
      {"localhost:8080", "localhost:8080"},
      {"xn--bcher-kva.example:1", "xn--bcher-kva.example:1"},
      {"a_b-c.d:65535", "a_b-c.d:65535"},
      {"192.0.2.7:80", "192.0.2.7:80"},
      {"192.0.2.7/32:80", "192.0.2.7:80"},
      {"10.1.0.0/16:*", "10.1.0.0/16:*"},
      {"0.0.0.0/0:80", "0.0.0.0/0:80"},
      {"[2001:DB8:0::7]:80", "[2001:db8::7]:80"},
      {"[fd00::/8]:443", "[fd00::/8]:443"},
      {"[::/0]:443", "[::/0]:443"},
      {"[::ffff:10.1.2.3]:80", "10.1.2.3:80"},
      {"[::ffff:10.0.0.0/104]:80", "10.0.0.0/8:80"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    struct hgl_net_grant grant = parse(pairs[i][0]);
    struct hgl_buf text;
    hgl_buf_init(&text, 1024);
    hgl_net_grant_write(&grant, &text);
    assert_string_equal(text_of_buf(&text), pairs[i][1]);
    hgl_buf_deinit(&text);
  }
}

static void what_is_no_grant_is_refused_with_the_remedy(void **state)
{
  static const char *const pairs[][2] = {
      {"", "names no port"},
      {"example.org", "names no port"},
      {"[fd00::1]", "names no port"},
      {":443", "names no host"},
      {"example.org:", "the port is"},
      {"example.org:0", "the port is"},
      {"example.org:65536", "the port is"},
      {"example.org:99999999999999999999", "the port is"},
      {"example.org:+80", "the port is"},
      {"example.org:80x", "the port is"},
      {"example.org:https", "the port is"},
      {"fd00::1:443", "stands in brackets"},
      {"http://example.org:443", "stands in brackets"},
      {"[fd00::1:443", "ends with"},
      {"[example.org]:443", "not an address"},
      {"[]:443", "not an address"},
      {"[fd00::1%eth0]:443", "not an address"},
      {"10.1.2.3/16:80", "begins at 10.1.0.0; write that with /16"},
      {"[fd00::1/8]:80", "begins at fd00::"},
      {"10.0.0.0/33:80", "how many bits"},
      {"[fd00::/129]:80", "how many bits"},
      {"10.0.0.0/:80", "how many bits"},
      {"10.0.0.0/8/8:80", "how many bits"},
      {"example.org/8:80", "not an address"},
      {"10.0.0/8:80", "not an address"},
      {"127.1:80", "not a host"},
      {"0x7f.0.0.1:80", "not a host"},
      {"2130706433:80", "not a host"},
      {"010.0.0.1:80", "not a host"},
      {"1.2.3.4.5:80", "not a host"},
      {"example..org:80", "not a host"},
      {".example.org:80", "not a host"},
      {"exa mple.org:80", "not a host"},
      {"*example.org:80", "not a host"},
      {"a.*.org:80", "not a host"},
      {"*.:80", "not a host"},
      {"*.10.0.0.1:80", "not a host"},
      {"user@example.org:80", "not a host"},
      {"b\xc3\xbc"
       "cher.example:80",
       "xn--"},
  };
  struct hgl_net_grant grant;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    if (hgl_net_grant_parse(hgl_text(pairs[i][0]), &grant, &err) != -HGL_INVALID)
      fail_msg("%s is taken for a grant", pairs[i][0]);
    if (!strstr(err.message, pairs[i][1])) fail_msg("%s", err.message);
  }
  assert_fails(HGL_INVALID, hgl_net_grant_parse(hgl_bytes("a\0b:80", 6), &grant, &err));
  assert_fails(HGL_INVALID, hgl_net_grant_parse(hgl_bytes("10.0.0.1\0:80", 12), &grant, &err));
}

static void a_name_and_its_labels_have_limits(void **state)
{
  char text[HGL_NET_GRANT_NAME_MAX + 16];
  struct hgl_net_grant grant;
  memset(text, 'a', 63);
  put(text + 63, ".org:1");
  assert_ok(hgl_net_grant_parse(hgl_text(text), &grant, &err));
  memset(text, 'a', 64);
  put(text + 64, ".org:1");
  assert_fails(HGL_INVALID, hgl_net_grant_parse(hgl_text(text), &grant, &err));
  for (int i = 0; i < HGL_NET_GRANT_NAME_MAX; i++) text[i] = i % 2 ? '.' : 'a';
  put(text + HGL_NET_GRANT_NAME_MAX, ":1");
  assert_ok(hgl_net_grant_parse(hgl_text(text), &grant, &err));
  text[HGL_NET_GRANT_NAME_MAX] = 'a';
  put(text + HGL_NET_GRANT_NAME_MAX + 1, ":1");
  assert_fails(HGL_INVALID, hgl_net_grant_parse(hgl_text(text), &grant, &err));
}

static bool host_passes(const char *text, const char *host, int port)
{
  struct hgl_net_grant grant = parse(text);
  int status = hgl_net_grants_allow_host(&grant, 1, host, port, &err);
  assert_true(status == 0 || status == -HGL_DENIED);
  return status == 0;
}

static void a_host_is_named_by_its_grant_alone(void **state)
{
  assert_true(host_passes("example.org:443", "example.org", 443));
  assert_true(host_passes("example.org:443", "EXAMPLE.org.", 443));
  assert_false(host_passes("example.org:443", "example.org", 80));
  assert_true(host_passes("example.org:*", "example.org", 80));
  assert_false(host_passes("example.org:443", "a.example.org", 443));
  assert_false(host_passes("example.org:443", "example.org.evil.net", 443));
  assert_true(host_passes("*.example.org:443", "a.b.example.org", 443));
  assert_false(host_passes("*.example.org:443", "example.org", 443));
  assert_false(host_passes("*.example.org:443", ".example.org", 443));
  assert_false(host_passes("*.example.org:443", "evilexample.org", 443));
  assert_true(host_passes("10.1.0.0/16:80", "10.1.255.255", 80));
  assert_false(host_passes("10.1.0.0/16:80", "10.2.0.0", 80));
  assert_true(host_passes("10.1.0.0/16:80", "::ffff:10.1.0.1", 80));
  assert_false(host_passes("10.1.0.0/16:80", "example.org", 80)); /* a range is no name */
  assert_true(host_passes("[fd00::/8]:80", "fdff::1", 80));
  assert_false(host_passes("[fd00::/8]:80", "fe80::1", 80));
  assert_false(host_passes("[::/0]:80", "10.0.0.1", 80)); /* no range of IPv6 holds IPv4 */
  assert_true(host_passes("*:80", "example.org", 80));
  assert_true(host_passes("*:80", "8.8.8.8", 80));
  assert_false(host_passes("*:80", "10.0.0.1", 80));
  assert_false(host_passes("*:80", "::1", 80));
  assert_false(host_passes("*:80", "::ffff:10.0.0.1", 80));
  assert_false(host_passes("localhost:80", "127.0.0.1", 80));
  /* As resolvers would read them. */
  static const char *const odd[] = {"0x7f.1", "127.1", "2130706433",  "a b",
                                    "",       ".",     "fe80::1%eth0"};
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
    assert_false(host_passes("*:*", odd[i], 80));
}

static bool address_passes(const char *text, const char *host, const char *address, int port)
{
  struct hgl_net_grant grant = parse(text);
  int status = hgl_net_grants_allow_address(&grant, 1, host, address, port, &err);
  assert_true(status == 0 || status == -HGL_DENIED);
  return status == 0;
}

static void a_private_address_has_to_be_named(void **state)
{
  assert_true(address_passes("example.org:80", "example.org", "8.8.8.8", 80));
  assert_true(address_passes("example.org:80", "example.org", "2606:4700::1", 80));
  static const char *const private[] = {
      "127.0.0.1",        "10.1.2.3",       "100.64.0.1",   "169.254.169.254",
      "192.168.1.1",      "172.16.0.1",     "0.0.0.0",      "224.0.0.1",
      "255.255.255.255",  "192.0.2.1",      "::1",          "::",
      "fe80::1",          "fd00::1",        "ff02::1",      "2001:db8::1",
      "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"};
  for (size_t i = 0; i < sizeof private / sizeof *private; i++) {
    char text[80];
    if (address_passes("example.org:80", "example.org", private[i], 80) ||
        address_passes("*:*", "example.org", private[i], 80))
      fail_msg("%s passes", private[i]);
    snprintf(text, sizeof text, strchr(private[i], ':') ? "[%s]:80" : "%s:80", private[i]);
    assert_true(address_passes(text, "example.org", private[i], 80));
    assert_false(address_passes(text, "example.org", private[i], 81));
  }
  assert_true(address_passes("10.0.0.0/8:*", "example.org", "10.255.0.1", 80));
  assert_true(address_passes("10.0.0.0/8:*", "example.org", "::ffff:10.255.0.1", 80));
  assert_false(address_passes("10.0.0.0/8:*", "example.org", "64:ff9b::a00:1", 80));
  assert_false(address_passes("10.0.0.0/8:*", "example.org", "no address", 80));
  assert_false(address_passes("[fe80::/10]:*", "example.org", "fe80::1%eth0", 80));
}

static void localhost_names_loopback_and_nothing_else(void **state)
{
  assert_true(address_passes("localhost:80", "localhost", "127.0.0.1", 80));
  assert_true(address_passes("localhost:80", "localhost", "::1", 80));
  assert_false(address_passes("localhost:80", "localhost", "127.0.0.1", 81));
  assert_false(address_passes("localhost:80", "localhost", "10.0.0.1", 80));
  assert_false(address_passes("localhost:80", "evil.example", "127.0.0.1", 80));
  assert_false(address_passes("evil.example:80", "localhost", "127.0.0.1", 80));
}

/* What the error names, granted, is enough. */
static void a_denial_names_the_grant_that_would_do(void **state)
{
  static const struct {
    const char *host, *address, *grant;
  } cases[] = {
      {"example.org", NULL, "example.org:8080"},
      {"8.8.8.8", NULL, "8.8.8.8:8080"},
      {"fd00::1", NULL, "[fd00::1]:8080"},
      {"::ffff:10.0.0.1", NULL, "10.0.0.1:8080"},
      {"example.org", "10.1.2.3", "10.1.2.3:8080"},
      {"example.org", "fe80::1", "[fe80::1]:8080"},
      {"example.org", "127.0.0.1", "127.0.0.1:8080"},
      {"localhost", "127.0.0.1", "localhost:8080"},
      {"localhost", "10.0.0.1", "10.0.0.1:8080"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *host = cases[i].host, *address = cases[i].address;
    int status = address ? hgl_net_grants_allow_address(NULL, 0, host, address, 8080, &err)
                         : hgl_net_grants_allow_host(NULL, 0, host, 8080, &err);
    assert_int_equal(status, -HGL_DENIED);
    const char *named = present(strstr(err.message, "net=")) + 4;
    assert_string_equal(named, cases[i].grant);
    assert_true(address ? address_passes(named, host, address, 8080)
                        : host_passes(named, host, 8080));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_grant_has_one_form_however_it_was_written),
      cmocka_unit_test(what_is_no_grant_is_refused_with_the_remedy),
      cmocka_unit_test(a_name_and_its_labels_have_limits),
      cmocka_unit_test(a_host_is_named_by_its_grant_alone),
      cmocka_unit_test(a_private_address_has_to_be_named),
      cmocka_unit_test(localhost_names_loopback_and_nothing_else),
      cmocka_unit_test(a_denial_names_the_grant_that_would_do),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
