#include "support/check.h"

#include <stdio.h>

#include "base/mem.h"
#include "protocol/lease.h"
#include "support/advert_fixture.h"

static int setup(void **state)
{
  struct hgl_err err = {0};
  assert_ok(hgl_crypto_init(&err));
  return 0;
}

static struct hgl_signer *signer(uint64_t number)
{
  struct hgl_err err = {0};
  struct hgl_signer *out = NULL;
  assert_ok(fixture_numbered_signer(number, &out, &err));
  return out;
}

static int sign(struct hgl_signer *host, struct hgl_lease lease, struct hgl_buf *out,
                struct hgl_err *err)
{
  lease.host = *hgl_signer_key(host);
  hgl_buf_init(out, HGL_LEASE_SIZE_MAX);
  return hgl_lease_sign(host, &lease, out, err);
}

static void lease_says_what_was_signed(void **state)
{
  struct hgl_err err = {0};
  struct hgl_signer *host = signer(1);
  struct hgl_buf bytes;
  struct hgl_lease lease;
  const struct hgl_lease said = {.version = 7,
                                 .until_ms = 1790000000000,
                                 .url_count = 2,
                                 .urls = {hgl_text("wss://a.example/"), hgl_text("ws://[::1]:7")}};
  assert_ok(sign(host, said, &bytes, &err));
  assert_ok(hgl_lease_verify(hgl_buf_bytes(&bytes), &lease, &err));
  assert_true(hgl_key_equal(&lease.host, hgl_signer_key(host)));
  assert_int_equal(lease.version, 7);
  assert_int_equal(lease.until_ms, 1790000000000);
  assert_int_equal(lease.url_count, 2);
  assert_true(hgl_bytes_is(lease.urls[1], "ws://[::1]:7"));
  hgl_buf_deinit(&bytes);
  hgl_signer_destroy(host);
}

static void lease_with_any_byte_changed_is_refused(void **state)
{
  struct hgl_err err = {0};
  struct hgl_signer *host = signer(1);
  struct hgl_buf bytes;
  struct hgl_lease lease;
  const struct hgl_lease said = {
      .version = 7, .until_ms = 1790000000000, .url_count = 1, .urls = {hgl_text("ws://a")}};
  assert_ok(sign(host, said, &bytes, &err));
  for (size_t i = 0; i < bytes.size; i++) {
    bytes.data[i] ^= 1;
    assert_true(hgl_lease_verify(hgl_buf_bytes(&bytes), &lease, &err) != 0);
    bytes.data[i] ^= 1;
    assert_true(hgl_lease_verify(hgl_bytes(bytes.data, i), &lease, &err) != 0);
  }
  assert_ok(hgl_lease_verify(hgl_buf_bytes(&bytes), &lease, &err));
  hgl_buf_deinit(&bytes);
  hgl_signer_destroy(host);
}

static void lease_of_another_type_is_refused(void **state)
{
  struct hgl_err err = {0};
  struct hgl_signer *host = signer(1);
  struct hgl_buf bytes;
  struct hgl_lease lease;
  hgl_buf_init(&bytes, HGL_LEASE_SIZE_MAX);
  assert_ok(
      hgl_cose_sign(host, "application/haggle-header+cbor", hgl_bytes("\xa0", 1), &bytes, &err));
  assert_fails(HGL_BAD_TYPE, hgl_lease_verify(hgl_buf_bytes(&bytes), &lease, &err));
  hgl_buf_deinit(&bytes);
  hgl_signer_destroy(host);
}

static void lease_limits_hold_at_and_one_past(void **state)
{
  struct hgl_err err = {0};
  struct hgl_signer *host = signer(1);
  struct hgl_buf bytes;
  char url[HGL_URL_SIZE_MAX + 2];
  memset(url, 'a', sizeof url);
  memcpy(url, "ws://", 5);
  struct hgl_lease lease = {.version = HGL_COUNTER_MAX,
                            .until_ms = (int64_t)HGL_COUNTER_MAX,
                            .url_count = HGL_LEASE_URLS_MAX};
  for (size_t i = 0; i < HGL_LEASE_URLS_MAX; i++) lease.urls[i] = hgl_bytes(url, HGL_URL_SIZE_MAX);
  assert_ok(sign(host, lease, &bytes, &err));
  assert_ok(hgl_lease_verify(hgl_buf_bytes(&bytes), &lease, &err));
  hgl_buf_deinit(&bytes);

  lease.urls[0] = hgl_bytes(url, HGL_URL_SIZE_MAX + 1);
  assert_fails(HGL_TOO_LARGE, sign(host, lease, &bytes, &err));
  lease.url_count = 0;
  lease.version++;
  assert_fails(HGL_MALFORMED, sign(host, lease, &bytes, &err));
  lease.version--;
  lease.until_ms++;
  assert_fails(HGL_MALFORMED, sign(host, lease, &bytes, &err));
  hgl_signer_destroy(host);
}

static void url_is_a_websocket_of_printable_ascii(void **state)
{
  struct hgl_err err = {0};
  assert_ok(hgl_url_check(hgl_text("ws://h"), &err));
  assert_ok(hgl_url_check(hgl_text("wss://h:443/x"), &err));
  static const char *const wrong[] = {"",       "ws://",         "http://h", "ws:/h",
                                      "WS://h", "ws://h h",      "ws://h\n", "ws://h\x7f",
                                      "wss://", "ws://h\xc3\xa4"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_fails(HGL_MALFORMED, hgl_url_check(hgl_text(wrong[i]), &err));
  assert_fails(HGL_MALFORMED, hgl_url_check(hgl_bytes("ws://\0", 6), &err));
}

static void lease_survives_every_failed_allocation(void **state)
{
  struct hgl_err err = {0};
  struct hgl_signer *host = signer(1);
  struct hgl_buf bytes;
  const struct hgl_lease said = {.version = 1, .until_ms = 1};
  long failures = 0;
  for (int status = -1; status; failures++) {
    hgl_mem_fail_after(failures);
    status = sign(host, said, &bytes, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    hgl_buf_deinit(&bytes);
  }
  assert_true(failures > 2);
  hgl_signer_destroy(host);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lease_says_what_was_signed),
      cmocka_unit_test(lease_with_any_byte_changed_is_refused),
      cmocka_unit_test(lease_of_another_type_is_refused),
      cmocka_unit_test(lease_limits_hold_at_and_one_past),
      cmocka_unit_test(url_is_a_websocket_of_printable_ascii),
      cmocka_unit_test(lease_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
