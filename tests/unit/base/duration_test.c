#include "support/check.h"

#include "base/duration.h"

static int64_t parsed(const char *text)
{
  struct hgl_err err = {0};
  int64_t ms = -1;
  assert_ok(hgl_duration_parse(hgl_text(text), &ms, &err));
  return ms;
}

static void duration_knows_every_unit_and_fractions(void **state)
{
  assert_int_equal(parsed("250ms"), 250);
  assert_int_equal(parsed("5s"), 5000);
  assert_int_equal(parsed("1.5m"), 90000);
  assert_int_equal(parsed("2h"), 7200000);
  assert_int_equal(parsed("1d"), 86400000);
  assert_int_equal(parsed("0s"), 0);
  assert_int_equal(parsed("0.0015s"), 1);
  assert_int_equal(parsed("36600d"), HGL_DURATION_MAX_MS);
}

static void duration_refuses_other_text(void **state)
{
  static const char *bad[] = {"",     "5",      "s",   "-5s",   "5 s", "5S",
                              "5sec", "1.s",    ".5s", "+5s",   "5s ", "1e3s",
                              "5w",   "36601d", "nan", "0x10s", "1.5", "99999999999999999999d"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hgl_err err = {0};
    int64_t ms = -7;
    assert_fails(HGL_INVALID, hgl_duration_parse(hgl_text(bad[i]), &ms, &err));
    assert_int_equal(ms, -7);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(duration_knows_every_unit_and_fractions),
      cmocka_unit_test(duration_refuses_other_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
