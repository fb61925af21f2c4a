#include "support/check.h"

#include <stdio.h>

#include "protocol/url.h"
#include "protocol/did.h"

static struct hgl_err err;

static void a_url_is_taken_apart(void **state)
{
  static const struct {
    const char *given, *host, *text;
    int port;
    bool secure;
  } cases[] = {
      {"ws://example.org:7001", "example.org", "ws://example.org:7001", 7001, false},
      {"wss://example.org:1", "example.org", "wss://example.org:1", 1, true},
      {"ws://127.0.0.1:65535/", "127.0.0.1", "ws://127.0.0.1:65535", 65535, false},
      {"ws://a-b_c.d", "a-b_c.d", "ws://a-b_c.d:80", 80, false},
      {"wss://x/", "x", "wss://x:443", 443, true},
      {"ws://[::1]:7001", "::1", "ws://[::1]:7001", 7001, false},
      {"wss://[2001:DB8::a.b]", "2001:DB8::a.b", "wss://[2001:DB8::a.b]:443", 443, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_url url;
    assert_ok(hgl_url_parse(cases[i].given, &url, &err));
    assert_string_equal(url.host, cases[i].host);
    assert_string_equal(url.text, cases[i].text);
    assert_int_equal(url.port, cases[i].port);
    assert_int_equal(url.secure, cases[i].secure);
    assert_false(url.has_key);
    /* What is passed on means the same. */
    struct hgl_url again;
    assert_ok(hgl_url_parse(url.text, &again, &err));
    assert_string_equal(again.text, url.text);
  }
}

static void what_is_no_url_of_a_host_is_refused(void **state)
{
  static const char *const bad[] = {
      "",
      "ws",
      "ws://",
      "ws:///",
      "ws://:7001",
      "http://example.org:7001",
      "WS://example.org",
      " ws://example.org",
      "ws://example.org ",
      "ws://example.org:",
      "ws://example.org:0",
      "ws://example.org:65536",
      "ws://example.org:0000001",
      "ws://example.org:-1",
      "ws://example.org:7001x",
      "ws://example.org:7001/path",
      "ws://example.org:7001//",
      "ws://example.org:7001?query",
      "ws://user@example.org",
      "ws://ex ample.org",
      "ws://ex\nample.org",
      "ws://ex\xc3\xa4mple.org",
      "ws://::1:7001",
      "ws://[::1",
      "ws://[]:7001",
      "ws://[::1]x",
      "ws://[example.org]",
      "ws://example.org#",
      "ws://example.org#did:key:z6Mk",
      "ws://example.org#host",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hgl_url url = {.port = 77};
    if (hgl_url_parse(bad[i], &url, &err) != -HGL_MALFORMED) fail_msg("accepted: \"%s\"", bad[i]);
    assert_int_equal(url.port, 77); /* written only on success */
  }
}

static void the_key_of_the_host_stands_behind_the_hash(void **state)
{
  uint8_t seed[HGL_SEED_SIZE] = {5};
  struct hgl_signer *signer;
  struct hgl_url url;
  char text[160], did[HGL_DID_TEXT_SIZE];
  assert_ok(hgl_signer_create(seed, &signer, &err));
  hgl_did_format(hgl_signer_key(signer), did);
  snprintf(text, sizeof text, "wss://example.org:7001/#%s", did);
  assert_ok(hgl_url_parse(text, &url, &err));
  assert_true(url.has_key);
  assert_true(hgl_key_equal(&url.key, hgl_signer_key(signer)));
  assert_string_equal(url.text, "wss://example.org:7001");
  snprintf(text, sizeof text, "wss://example.org:7001#%s#%s", did, did);
  assert_fails(HGL_MALFORMED, hgl_url_parse(text, &url, &err));
  hgl_signer_destroy(signer);
}

/* "ws://" and as many letters as make a URL of `size` bytes, with a port or without. */
static void long_url(char *out, size_t size, const char *end)
{
  size_t letters = size - 5 - strlen(end);
  memcpy(out, "ws://", 5);
  memset(out + 5, 'a', letters);
  memcpy(out + 5 + letters, end, strlen(end) + 1);
}

static void a_url_has_its_limit_and_so_has_what_it_is_completed_to(void **state)
{
  char text[HGL_URL_SIZE_MAX + 2];
  struct hgl_url url;
  long_url(text, HGL_URL_SIZE_MAX, ":7001");
  assert_ok(hgl_url_parse(text, &url, &err));
  assert_string_equal(url.text, text);
  long_url(text, HGL_URL_SIZE_MAX + 1, ":7001");
  assert_fails(HGL_MALFORMED, hgl_url_parse(text, &url, &err));
  long_url(text, HGL_URL_SIZE_MAX - 3, ""); /* ":80" comes to it */
  assert_ok(hgl_url_parse(text, &url, &err));
  long_url(text, HGL_URL_SIZE_MAX - 2, "");
  assert_fails(HGL_MALFORMED, hgl_url_parse(text, &url, &err));
}

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
                                       "ws://[2606:4700::1]:1",
                                       "ws://[::ffff:8.8.8.8]:1"};
  for (size_t i = 0; i < sizeof private / sizeof *private; i++)
    if (!hgl_url_is_private(private[i])) fail_msg("%s is private", private[i]);
  for (size_t i = 0; i < sizeof public / sizeof *public; i++)
    if (hgl_url_is_private(public[i])) fail_msg("%s is public", public[i]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_url_is_taken_apart),
      cmocka_unit_test(what_is_no_url_of_a_host_is_refused),
      cmocka_unit_test(the_key_of_the_host_stands_behind_the_hash),
      cmocka_unit_test(a_url_has_its_limit_and_so_has_what_it_is_completed_to),
      cmocka_unit_test(url_is_private_wherever_its_host_is),
  };
  if (hgl_crypto_init(&err) != 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
