#include "support/check.h"

#include "base/mem.h"
#include "protocol/conflict.h"
#include "support/evidence_fixture.h"

static struct hgl_err err;

static void header(struct plan plan, uint8_t root, struct hgl_buf *out)
{
  struct hgl_hash hash;
  memset(hash.bytes, root, sizeof hash.bytes);
  hgl_buf_init(out, HGL_HEADER_SIZE_MAX);
  assert_ok(fixture_header(&plan, &hash, out, &err));
}

static void delegation(struct plan plan, struct hgl_buf *out)
{
  hgl_buf_init(out, HGL_DELEGATION_SIZE_MAX);
  assert_ok(fixture_delegation(&plan, out, &err));
}

/* Consumes both. */
static int verify(struct hgl_buf *a, struct hgl_buf *b, struct hgl_conflict *out)
{
  struct hgl_buf bytes;
  hgl_buf_init(&bytes, HGL_CONFLICT_SIZE_MAX);
  assert_ok(hgl_conflict_encode(hgl_buf_bytes(a), hgl_buf_bytes(b), &bytes, &err));
  assert_true(hgl_conflict_marked(hgl_buf_bytes(&bytes)));
  int status = hgl_conflict_verify(hgl_buf_bytes(&bytes), out, &err);
  hgl_buf_deinit(&bytes);
  hgl_buf_deinit(a);
  hgl_buf_deinit(b);
  return status;
}

static struct plan plan_of(uint64_t sequence)
{
  struct plan plan = plan_default();
  plan.header.sequence = sequence;
  if (sequence > 1) memset(plan.header.previous.bytes, 0x99, HGL_HASH_SIZE);
  return plan;
}

static void two_headers_of_one_sequence_are_a_fork(void **state)
{
  struct hgl_conflict conflict;
  struct hgl_buf a, b;
  struct hgl_key host;
  header(plan_of(42), 1, &a);
  header(plan_of(42), 2, &b);
  assert_ok(verify(&a, &b, &conflict));
  assert_ok(fixture_key(FIXTURE_HOST, &host, &err));
  assert_int_equal(conflict.kind, HGL_CONFLICT_FORK);
  assert_int_equal(conflict.sequence, 42);
  assert_true(hgl_key_equal(&conflict.subject, &host));
}

static void a_header_that_does_not_follow_the_one_before_it_is_a_fork_too(void **state)
{
  struct hgl_conflict conflict;
  struct hgl_buf a, b;
  header(plan_of(42), 1, &a);
  header(plan_of(43), 2, &b);
  assert_ok(verify(&a, &b, &conflict));
  assert_int_equal(conflict.kind, HGL_CONFLICT_CHAIN);
  assert_int_equal(conflict.sequence, 42);
  /* One that does follow it is none. */
  struct plan next = plan_of(43);
  header(plan_of(42), 1, &a);
  hgl_header_hash(hgl_buf_bytes(&a), &next.header.previous);
  header(next, 2, &b);
  assert_fails(HGL_INVALID, verify(&a, &b, &conflict));
  /* Of headers between the two nothing can be said; nor the other way round. */
  header(plan_of(42), 1, &a);
  header(plan_of(44), 2, &b);
  assert_fails(HGL_INVALID, verify(&a, &b, &conflict));
  header(plan_of(43), 1, &a);
  header(plan_of(42), 2, &b);
  assert_fails(HGL_INVALID, verify(&a, &b, &conflict));
}

static void headers_that_have_nothing_to_do_with_each_other_prove_nothing(void **state)
{
  struct hgl_conflict conflict;
  struct hgl_buf a, b;
  header(plan_of(42), 1, &a);
  header(plan_of(42), 1, &b);
  assert_fails(HGL_INVALID, verify(&a, &b, &conflict)); /* the same one twice */
  struct plan other = plan_of(42);
  other.host = FIXTURE_OTHER_HOST;
  header(plan_of(42), 1, &a);
  header(other, 2, &b);
  assert_fails(HGL_INVALID, verify(&a, &b, &conflict));
  other = plan_of(42);
  other.header.incarnation.bytes[0] ^= 1;
  header(plan_of(42), 1, &a);
  header(other, 2, &b);
  assert_fails(HGL_INVALID, verify(&a, &b, &conflict));
}

static void two_delegations_of_one_sequence_are_a_conflict(void **state)
{
  struct hgl_conflict conflict;
  struct hgl_buf a, b;
  struct hgl_key agent;
  struct plan other = plan_default();
  other.delegated_host = FIXTURE_OTHER_HOST;
  delegation(plan_default(), &a);
  delegation(other, &b);
  assert_ok(verify(&a, &b, &conflict));
  assert_ok(fixture_key(FIXTURE_AGENT, &agent, &err));
  assert_int_equal(conflict.kind, HGL_CONFLICT_DELEGATIONS);
  assert_int_equal(conflict.sequence, plan_default().terms.sequence);
  assert_true(hgl_key_equal(&conflict.subject, &agent));
  assert_false(hgl_key_equal(&conflict.delegation_a.host, &conflict.delegation_b.host));
  /* The same one, one of another agent, one of another sequence, and a header */
  delegation(plan_default(), &a);
  delegation(plan_default(), &b);
  assert_fails(HGL_INVALID, verify(&a, &b, &conflict));
  other.agent = FIXTURE_OTHER_AGENT;
  delegation(plan_default(), &a);
  delegation(other, &b);
  assert_fails(HGL_INVALID, verify(&a, &b, &conflict));
  other.agent = FIXTURE_AGENT;
  other.terms.sequence++;
  delegation(plan_default(), &a);
  delegation(other, &b);
  assert_fails(HGL_INVALID, verify(&a, &b, &conflict));
  delegation(plan_default(), &a);
  header(plan_of(42), 1, &b);
  assert_fails(HGL_BAD_TYPE, verify(&a, &b, &conflict));
  header(plan_of(42), 1, &a);
  delegation(plan_default(), &b);
  assert_fails(HGL_BAD_TYPE, verify(&a, &b, &conflict));
}

/* Of both kinds: no byte can be changed, none is missing, none too many. */
static void every_altered_conflict_is_refused(void **state)
{
  for (int kind = 0; kind < 2; kind++) {
    struct hgl_conflict conflict;
    struct hgl_buf a, b, bytes;
    struct plan other = plan_default();
    other.delegated_host = FIXTURE_OTHER_HOST;
    if (kind) {
      delegation(plan_default(), &a);
      delegation(other, &b);
    } else {
      header(plan_of(42), 1, &a);
      header(plan_of(42), 2, &b);
    }
    hgl_buf_init(&bytes, HGL_CONFLICT_SIZE_MAX);
    assert_ok(hgl_conflict_encode(hgl_buf_bytes(&a), hgl_buf_bytes(&b), &bytes, &err));
    for (size_t i = 0; i < bytes.size; i++) {
      bytes.data[i] ^= 1;
      if (hgl_conflict_verify(hgl_buf_bytes(&bytes), &conflict, &err) == 0)
        fail_msg("accepted with byte %zu changed", i);
      bytes.data[i] ^= 1;
    }
    for (size_t size = 0; size < bytes.size; size++)
      assert_true(hgl_conflict_verify(hgl_bytes(bytes.data, size), &conflict, &err) < 0);
    assert_ok(hgl_conflict_verify(hgl_buf_bytes(&bytes), &conflict, &err));
    hgl_buf_append_byte(&bytes, 0);
    assert_fails(HGL_TRAILING, hgl_conflict_verify(hgl_buf_bytes(&bytes), &conflict, &err));
    hgl_buf_deinit(&a);
    hgl_buf_deinit(&b);
    hgl_buf_deinit(&bytes);
  }
}

static void evidence_is_not_marked_as_a_conflict(void **state)
{
  struct plan plan = plan_default();
  struct hgl_buf evidence;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  assert_ok(fixture_evidence(&plan, &evidence, &err));
  assert_false(hgl_conflict_marked(hgl_buf_bytes(&evidence)));
  assert_false(hgl_conflict_marked(hgl_bytes(NULL, 0)));
  hgl_buf_deinit(&evidence);
}

static void want_of_memory_is_an_error(void **state)
{
  struct plan other = plan_default();
  other.delegated_host = FIXTURE_OTHER_HOST;
  for (int kind = 0; kind < 2; kind++) {
    struct hgl_conflict conflict;
    struct hgl_buf a, b, bytes;
    int status = -1, tries = 0;
    if (kind) {
      delegation(plan_default(), &a);
      delegation(other, &b);
    } else {
      header(plan_of(42), 1, &a);
      header(plan_of(42), 2, &b);
    }
    hgl_buf_init(&bytes, HGL_CONFLICT_SIZE_MAX);
    assert_ok(hgl_conflict_encode(hgl_buf_bytes(&a), hgl_buf_bytes(&b), &bytes, &err));
    for (; status != 0 && tries < 100; tries++) {
      hgl_mem_fail_after(tries);
      status = hgl_conflict_verify(hgl_buf_bytes(&bytes), &conflict, &err);
      hgl_mem_fail_after(-1);
      if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    }
    assert_int_equal(status, 0);
    assert_true(tries > 1);
    hgl_buf_deinit(&a);
    hgl_buf_deinit(&b);
    hgl_buf_deinit(&bytes);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_headers_of_one_sequence_are_a_fork),
      cmocka_unit_test(a_header_that_does_not_follow_the_one_before_it_is_a_fork_too),
      cmocka_unit_test(headers_that_have_nothing_to_do_with_each_other_prove_nothing),
      cmocka_unit_test(two_delegations_of_one_sequence_are_a_conflict),
      cmocka_unit_test(every_altered_conflict_is_refused),
      cmocka_unit_test(evidence_is_not_marked_as_a_conflict),
      cmocka_unit_test(want_of_memory_is_an_error),
  };
  if (hgl_crypto_init(&err) != 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
