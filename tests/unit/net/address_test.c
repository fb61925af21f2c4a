#include "net/address.h"

#include <arpa/inet.h>

#include "support/check.h"

static struct sockaddr_storage parse(const char *text)
{
  struct sockaddr_storage out = {.ss_family = AF_INET};
  if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&out)->sin_addr) == 1) return out;
  out.ss_family = AF_INET6;
  assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&out)->sin6_addr), 1);
  return out;
}

static bool is_private(const char *text)
{
  struct sockaddr_storage address = parse(text);
  return hgl_address_is_private((const struct sockaddr *)&address);
}

static void address_tells_private_from_public_at_every_edge(void **state)
{
  static const char *const private[] = {"0.0.0.0",
                                        "0.255.255.255",
                                        "10.0.0.0",
                                        "10.255.255.255",
                                        "100.64.0.0",
                                        "100.127.255.255",
                                        "127.0.0.1",
                                        "127.255.0.1",
                                        "169.254.169.254",
                                        "172.16.0.0",
                                        "172.31.255.255",
                                        "192.0.0.1",
                                        "192.0.2.255",
                                        "192.88.99.1",
                                        "192.168.0.0",
                                        "198.18.0.0",
                                        "198.19.255.255",
                                        "198.51.100.0",
                                        "203.0.113.255",
                                        "224.0.0.1",
                                        "239.255.255.255",
                                        "240.0.0.1",
                                        "255.255.255.255",
                                        "::",
                                        "::1",
                                        "fc00::1",
                                        "fdff::1",
                                        "fe80::1",
                                        "febf::1",
                                        "fec0::1",
                                        "::ffff:127.0.0.1",
                                        "::ffff:10.1.2.3",
                                        "::10.1.2.3",
                                        "64:ff9b::a00:1",
                                        "2002:7f00:1::",
                                        "2002:e000:1::",
                                        "::ffff:224.0.0.1",
                                        "64:ff9b:1::808:808",
                                        "100::1",
                                        "::1:0:0:1",
                                        "1fff:ffff::1",
                                        "2001::1",
                                        "2001:1ff:ffff::1",
                                        "2001:db8::1",
                                        "2001:db8:ffff::1",
                                        "3fff::1",
                                        "3fff:fff:ffff::1",
                                        "4000::1",
                                        "5f00::1",
                                        "fbff::1",
                                        "fe00::1",
                                        "ff02::1",
                                        "ff0e::1"};
  static const char *const public[] = {
      "1.0.0.0",      "9.255.255.255",    "11.0.0.0",       "100.63.255.255",
      "100.128.0.0",  "126.255.255.255",  "128.0.0.0",      "169.253.255.255",
      "169.255.0.0",  "172.15.255.255",   "172.32.0.0",     "192.167.255.255",
      "192.169.0.0",  "192.0.1.0",        "192.0.3.0",      "192.88.98.255",
      "192.88.100.0", "198.17.255.255",   "198.20.0.0",     "198.51.99.255",
      "198.51.101.0", "203.0.112.255",    "203.0.114.0",    "223.255.255.255",
      "2000::1",      "2001:200::1",      "2001:db7::1",    "2001:db9::1",
      "2003::1",      "3ffe:ffff::1",     "3fff:1000::1",   "::ffff:8.8.8.8",
      "2606:4700::1", "64:ff9b::808:808", "2002:808:808::1"};
  for (size_t i = 0; i < sizeof private / sizeof *private; i++)
    if (!is_private(private[i])) fail_msg("%s is private", private[i]);
  for (size_t i = 0; i < sizeof public / sizeof *public; i++)
    if (is_private(public[i])) fail_msg("%s is public", public[i]);
}

static void address_of_an_unknown_family_is_private(void **state)
{
  struct sockaddr_storage address = {.ss_family = AF_UNIX};
  assert_true(hgl_address_is_private((const struct sockaddr *)&address));
}

static uint64_t origin(const char *text)
{
  struct sockaddr_storage address = parse(text);
  return hgl_address_origin((const struct sockaddr *)&address);
}

static void address_origin_is_an_ipv4_address_or_the_64_of_an_ipv6_one(void **state)
{
  assert_int_equal(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
  assert_int_not_equal(origin("192.0.2.1"), origin("192.0.2.2"));
  assert_int_not_equal(origin("::ffff:192.0.2.1"), origin("::ffff:192.0.2.2"));
  assert_int_equal(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::9"));
  assert_int_not_equal(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
}

static void address_of_a_name_is_picked_in_turn(void **state)
{
  struct sockaddr_storage at[3];
  struct addrinfo found[3] = {{.ai_next = &found[1], .ai_addr = (struct sockaddr *)&at[0]},
                              {.ai_next = &found[2], .ai_addr = (struct sockaddr *)&at[1]},
                              {.ai_addr = (struct sockaddr *)&at[2]}};
  for (unsigned turn = 0; turn < 7; turn++)
    assert_ptr_equal(hgl_address_pick(found, turn), &at[turn % 3]);
  assert_null(hgl_address_pick(NULL, 1));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(address_tells_private_from_public_at_every_edge),
      cmocka_unit_test(address_of_an_unknown_family_is_private),
      cmocka_unit_test(address_of_a_name_is_picked_in_turn),
      cmocka_unit_test(address_origin_is_an_ipv4_address_or_the_64_of_an_ipv6_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
