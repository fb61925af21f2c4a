#include "protocol/url.h"

#include "support/check.h"

static void url_is_private_wherever_its_host_is(void **state)
{
  static const char *const private[] = {"ws://0.0.0.0:1",
                                        "ws://[::ffff:127.0.0.1]:1",
                                        "ws://100.64.0.1:1",
                                        "wss://10.0.0.1",
                                        "ws://172.16.0.1:1",
                                        "ws://[fe80::1]:1",
                                        "ws://[febf::1]:1",
                                        "ws://[::]:1",
                                        "ws://localhost:1",
                                        "ws://LOCALHOST.:1",
                                        "ws://a.localhost:1",
                                        "ws://printer.local:1",
                                        "ws://printer:1",
                                        "ws://127.1:1",
                                        "ws://0x7f.0.0.1:1",
                                        "ws://017700000001:1",
                                        "ws://1.2.3.4.:1",
                                        "ws://.:1",
                                        "ws://[example.org]:1x",
                                        "http://example.org",
                                        ""};
  static const char *const public[] = {"ws://8.8.8.8:1",
                                       "wss://example.org",
                                       "ws://example.org.:1",
                                       "ws://10.example.org:1",
                                       "ws://127.0.0.1.example.org:1",
                                       "ws://100.128.0.1:1",
                                       "ws://172.32.0.1:1",
                                       "ws://[2001:db8::1]:1",
                                       "ws://[::ffff:8.8.8.8]:1"};
  for (size_t i = 0; i < sizeof private / sizeof *private; i++)
    if (!hgl_url_is_private(private[i])) fail_msg("%s is private", private[i]);
  for (size_t i = 0; i < sizeof public / sizeof *public; i++)
    if (hgl_url_is_private(public[i])) fail_msg("%s is public", public[i]);
}

static void url_of_a_host_is_written_in_one_way(void **state)
{
  static const char *const urls[][2] = {{"ws://a", "ws://a:80"},
                                        {"wss://a/", "wss://a:443"},
                                        {"ws://[::1]:7", "ws://[::1]:7"},
                                        {"ws://a:7/", "ws://a:7"}};
  struct hgl_url url;
  struct hgl_err err;
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    assert_ok(hgl_url_parse(urls[i][0], &url, &err));
    assert_string_equal(url.text, urls[i][1]);
    assert_false(url.has_key);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(url_is_private_wherever_its_host_is),
      cmocka_unit_test(url_of_a_host_is_written_in_one_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
