#include "support/check.h"

#include <stdlib.h>

#include "host/redact.h"

static struct hgl_err err;
static struct hgl_secrets *secrets;
static struct hgl_redact redact;
static struct hgl_buf out;

static int set_up(void **state)
{
  setenv("HAGGLE_TEST_KEY", "OpenSesame", 1);
  setenv("HAGGLE_TEST_PIN", "4711", 1);
  hgl_buf_init(&out, SIZE_MAX);
  if (hgl_secrets_create(&secrets, &err) ||
      hgl_secrets_add(secrets, "key=env:HAGGLE_TEST_KEY", &err))
    return -1;
  return hgl_secrets_add(secrets, "pin=env:HAGGLE_TEST_PIN", &err);
}

static int tear_down(void **state)
{
  hgl_redact_deinit(&redact);
  hgl_secrets_destroy(secrets);
  hgl_buf_deinit(&out);
  return 0;
}

static void add(const char *name)
{
  assert_ok(hgl_redact_add(&redact, secrets, hgl_text(name), &out, &err));
}

static void assert_redacted(const char *text, const char *expected)
{
  hgl_buf_clear(&out);
  hgl_redact_put(&redact, hgl_text(text), &out);
  assert_ok(hgl_buf_check(&out, &err));
  assert_true(hgl_bytes_is(hgl_buf_bytes(&out), expected));
}

static void without_secrets_a_text_stays_as_it_is(void **state)
{
  assert_redacted("OpenSesame 4711", "OpenSesame 4711");
  assert_redacted("", "");
  assert_false(hgl_redact_finds(&redact, hgl_text("OpenSesame")));
}

static void each_is_replaced_by_its_name_in_whatever_case_it_is_written(void **state)
{
  add("key");
  add("pin");
  assert_true(hgl_bytes_is(hgl_buf_bytes(&out), "OpenSesame4711"));
  assert_redacted("OpenSesame", "[secret key]");
  assert_redacted("x-opensesame: 4711OPENSESAME, OpenSesam 471",
                  "x-[secret key]: [secret pin][secret key], OpenSesam 471");
  assert_redacted("44711", "4[secret pin]");
  assert_redacted("nothing", "nothing");
  assert_redacted("", "");
  assert_true(hgl_redact_finds(&redact, hgl_text("a opensesame b")));
  assert_false(hgl_redact_finds(&redact, hgl_text("a opensesam")));
}

static void one_that_cannot_be_read_is_not_looked_for(void **state)
{
  unsetenv("HAGGLE_TEST_PIN");
  assert_fails(HGL_NOT_FOUND, hgl_redact_add(&redact, secrets, hgl_text("pin"), &out, &err));
  assert_fails(HGL_NOT_FOUND, hgl_redact_add(&redact, secrets, hgl_text("none"), &out, &err));
  assert_redacted("4711", "4711");
}

static void there_is_a_bound_on_how_many(void **state)
{
  for (int i = 0; i < HGL_REDACT_SECRETS_MAX; i++) add("key");
  assert_fails(HGL_INVALID, hgl_redact_add(&redact, secrets, hgl_text("pin"), &out, &err));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(without_secrets_a_text_stays_as_it_is, set_up, tear_down),
      cmocka_unit_test_setup_teardown(each_is_replaced_by_its_name_in_whatever_case_it_is_written,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_that_cannot_be_read_is_not_looked_for, set_up, tear_down),
      cmocka_unit_test_setup_teardown(there_is_a_bound_on_how_many, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
