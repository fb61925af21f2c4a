#include "support/check.h"

#include "base/mem.h"
#include "protocol/delegation.h"
#include "protocol/did.h"
#include "support/evidence_fixture.h"

#define TYPE "application/haggle-delegation+cwt"

static int setup(void **state)
{
  struct hgl_err err = {0};
  assert_ok(hgl_crypto_init(&err));
  return 0;
}

static int sign_terms(int64_t issued_s, int64_t expires_s, uint64_t sequence, struct hgl_buf *out,
                      struct hgl_err *err)
{
  struct plan plan = plan_default();
  plan.terms.issued_s = issued_s;
  plan.terms.expires_s = expires_s;
  plan.terms.sequence = sequence;
  hgl_buf_init(out, HGL_DELEGATION_SIZE_MAX);
  return fixture_delegation(&plan, out, err);
}

/* Claims put together by hand, signed by the agent. */
static int verify_claims(struct hgl_bytes claims, struct hgl_err *err)
{
  struct hgl_delegation delegation;
  struct hgl_buf out;
  hgl_buf_init(&out, 4096);
  int status = fixture_cose(FIXTURE_AGENT, TYPE, claims, &out, err);
  if (!status) status = hgl_delegation_verify(hgl_buf_bytes(&out), &delegation, err);
  hgl_buf_deinit(&out);
  return status;
}

static void put_claim_did(struct hgl_buf *out, int64_t claim, uint8_t seed)
{
  struct hgl_err err = {0};
  struct hgl_key key;
  char did[HGL_DID_TEXT_SIZE];
  assert_ok(fixture_key(seed, &key, &err));
  hgl_did_format(&key, did);
  hgl_cbor_put_int(out, claim);
  hgl_cbor_put_literal(out, did);
}

static void put_claim(struct hgl_buf *out, int64_t claim, int64_t value)
{
  hgl_cbor_put_int(out, claim);
  hgl_cbor_put_int(out, value);
}

static void delegation_verifies_what_was_signed(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  struct hgl_delegation delegation;
  struct hgl_key agent, host;
  assert_ok(sign_terms(1000, 2000, 7, &out, &err));
  assert_ok(hgl_delegation_verify(hgl_buf_bytes(&out), &delegation, &err));
  assert_ok(fixture_key(FIXTURE_AGENT, &agent, &err));
  assert_ok(fixture_key(FIXTURE_HOST, &host, &err));
  assert_true(hgl_key_equal(&delegation.agent, &agent));
  assert_true(hgl_key_equal(&delegation.host, &host));
  assert_int_equal(delegation.issued_s, 1000);
  assert_int_equal(delegation.expires_s, 2000);
  assert_int_equal(delegation.sequence, 7);
  hgl_buf_deinit(&out);
}

static void delegation_limits_hold_at_the_edge_and_one_past_it(void **state)
{
  const int64_t life = HGL_DELEGATION_LIFE_MAX_S, last = (int64_t)(HGL_COUNTER_MAX / 1000);
  const struct {
    int64_t issued_s, expires_s;
    uint64_t sequence;
    enum hgl_code expected;
  } cases[] = {
      {0, 1, 0, HGL_OK},
      {-1, 1, 0, HGL_MALFORMED},
      {5, 5, 0, HGL_MALFORMED},
      {6, 5, 0, HGL_MALFORMED},
      {INT64_MAX, 5, 0, HGL_MALFORMED},
      {0, INT64_MIN, 0, HGL_MALFORMED},
      {100, 100 + life, 0, HGL_OK},
      {100, 101 + life, 0, HGL_TOO_LARGE},
      {0, INT64_MAX, 0, HGL_MALFORMED},
      {last - 1, last, 0, HGL_OK},
      {last, last + 1, 0, HGL_MALFORMED},
      {1, 2, HGL_COUNTER_MAX, HGL_OK},
      {1, 2, HGL_COUNTER_MAX + 1, HGL_MALFORMED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hgl_err err = {0};
    struct hgl_buf out, claims;
    assert_fails(cases[i].expected,
                 sign_terms(cases[i].issued_s, cases[i].expires_s, cases[i].sequence, &out, &err));
    hgl_buf_deinit(&out);
    /* The same, when somebody else's code has signed it. */
    hgl_buf_init(&claims, 1024);
    hgl_cbor_put_map(&claims, 5);
    put_claim_did(&claims, 1, FIXTURE_AGENT);
    put_claim_did(&claims, 2, FIXTURE_HOST);
    put_claim(&claims, 4, cases[i].expires_s);
    put_claim(&claims, 6, cases[i].issued_s);
    put_claim(&claims, -65537, (int64_t)cases[i].sequence);
    assert_fails(cases[i].expected, verify_claims(hgl_buf_bytes(&claims), &err));
    hgl_buf_deinit(&claims);
  }
}

static void delegation_refuses_other_claims(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf claims;
  hgl_buf_init(&claims, 1024);

  hgl_cbor_put_map(&claims, 6); /* an audience */
  put_claim_did(&claims, 1, FIXTURE_AGENT);
  put_claim_did(&claims, 2, FIXTURE_HOST);
  put_claim_did(&claims, 3, FIXTURE_HOST);
  put_claim(&claims, 4, 2000);
  put_claim(&claims, 6, 1000);
  put_claim(&claims, -65537, 1);
  assert_fails(HGL_MALFORMED, verify_claims(hgl_buf_bytes(&claims), &err));

  hgl_buf_clear(&claims);
  hgl_cbor_put_map(&claims, 4); /* no sequence */
  put_claim_did(&claims, 1, FIXTURE_AGENT);
  put_claim_did(&claims, 2, FIXTURE_HOST);
  put_claim(&claims, 4, 2000);
  put_claim(&claims, 6, 1000);
  assert_fails(HGL_MALFORMED, verify_claims(hgl_buf_bytes(&claims), &err));

  hgl_buf_clear(&claims);
  hgl_cbor_put_map(&claims, 5); /* "nbf" in the place of "iat" */
  put_claim_did(&claims, 1, FIXTURE_AGENT);
  put_claim_did(&claims, 2, FIXTURE_HOST);
  put_claim(&claims, 4, 2000);
  put_claim(&claims, 5, 1000);
  put_claim(&claims, -65537, 1);
  assert_fails(HGL_MALFORMED, verify_claims(hgl_buf_bytes(&claims), &err));

  hgl_buf_clear(&claims);
  hgl_cbor_put_map(&claims, 5); /* out of order */
  put_claim_did(&claims, 1, FIXTURE_AGENT);
  put_claim_did(&claims, 2, FIXTURE_HOST);
  put_claim(&claims, 6, 1000);
  put_claim(&claims, 4, 2000);
  put_claim(&claims, -65537, 1);
  assert_fails(HGL_MALFORMED, verify_claims(hgl_buf_bytes(&claims), &err));
  hgl_buf_deinit(&claims);
}

static void delegation_signed_by_another_agent_fails(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf claims;
  hgl_buf_init(&claims, 1024);
  hgl_cbor_put_map(&claims, 5);
  put_claim_did(&claims, 1, FIXTURE_OTHER_AGENT);
  put_claim_did(&claims, 2, FIXTURE_HOST);
  put_claim(&claims, 4, 2000);
  put_claim(&claims, 6, 1000);
  put_claim(&claims, -65537, 1);
  assert_fails(HGL_BAD_SIGNATURE, verify_claims(hgl_buf_bytes(&claims), &err));
  hgl_buf_deinit(&claims);
}

static void delegation_with_any_bit_changed_or_any_end_cut_fails(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  struct hgl_delegation delegation;
  assert_ok(sign_terms(1000, 2000, 7, &out, &err));
  for (size_t bit = 0; bit < 8 * out.size; bit++) {
    out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_not_equal(hgl_delegation_verify(hgl_buf_bytes(&out), &delegation, &err), 0);
    out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  for (size_t size = 0; size < out.size; size++)
    assert_fails(HGL_TRUNCATED,
                 hgl_delegation_verify(hgl_bytes(out.data, size), &delegation, &err));
  hgl_buf_append_byte(&out, 0);
  assert_fails(HGL_TRAILING, hgl_delegation_verify(hgl_buf_bytes(&out), &delegation, &err));
  hgl_buf_deinit(&out);
}

static void delegation_above_the_size_limit_is_refused_unread(void **state)
{
  struct hgl_err err = {0};
  struct hgl_delegation delegation;
  static uint8_t bytes[HGL_DELEGATION_SIZE_MAX + 1];
  assert_fails(HGL_MALFORMED,
               hgl_delegation_verify(hgl_bytes(bytes, HGL_DELEGATION_SIZE_MAX), &delegation, &err));
  assert_fails(HGL_TOO_LARGE,
               hgl_delegation_verify(hgl_bytes(bytes, sizeof bytes), &delegation, &err));
}

static void delegation_is_valid_from_the_skew_before_its_issue_until_its_end(void **state)
{
  struct hgl_err err = {0};
  struct hgl_delegation delegation = {.issued_s = 1000, .expires_s = 2000};
  struct hgl_key other;
  assert_ok(fixture_key(FIXTURE_HOST, &delegation.host, &err));
  assert_ok(fixture_key(FIXTURE_OTHER_HOST, &other, &err));
  const int64_t first_ms = 1000 * 1000 - HGL_CLOCK_SKEW_MAX_MS, end_ms = 2000 * 1000;
  assert_ok(hgl_delegation_check(&delegation, &delegation.host, first_ms, &err));
  assert_fails(HGL_DELEGATION_EXPIRED,
               hgl_delegation_check(&delegation, &delegation.host, first_ms - 1, &err));
  assert_ok(hgl_delegation_check(&delegation, &delegation.host, end_ms - 1, &err));
  assert_fails(HGL_DELEGATION_EXPIRED,
               hgl_delegation_check(&delegation, &delegation.host, end_ms, &err));
  assert_fails(HGL_WRONG_HOST, hgl_delegation_check(&delegation, &other, first_ms, &err));
}

static void delegation_reports_each_failed_allocation(void **state)
{
  int status = -1;
  for (long count = 0; status; count++) {
    struct hgl_err err = {0};
    struct hgl_buf out;
    struct hgl_delegation delegation;
    hgl_mem_fail_after(count);
    status = sign_terms(1000, 2000, 7, &out, &err);
    if (!status) status = hgl_delegation_verify(hgl_buf_bytes(&out), &delegation, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    hgl_buf_deinit(&out);
    assert_true(count < 100);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(delegation_verifies_what_was_signed),
      cmocka_unit_test(delegation_limits_hold_at_the_edge_and_one_past_it),
      cmocka_unit_test(delegation_refuses_other_claims),
      cmocka_unit_test(delegation_signed_by_another_agent_fails),
      cmocka_unit_test(delegation_with_any_bit_changed_or_any_end_cut_fails),
      cmocka_unit_test(delegation_above_the_size_limit_is_refused_unread),
      cmocka_unit_test(delegation_is_valid_from_the_skew_before_its_issue_until_its_end),
      cmocka_unit_test(delegation_reports_each_failed_allocation),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
