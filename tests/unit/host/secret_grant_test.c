#include "support/check.h"

#include "agent/calls.h"
#include "host/secret_grant.h"

static struct hgl_err err;

static void a_grant_names_one_secret_and_perhaps_a_place(void **state)
{
  static const char *const bad[] = {"",
                                    "*",
                                    "ke*",
                                    "@api.example.org:443",
                                    "key@",
                                    "key@api.example.org",
                                    "key@a@b:443",
                                    "key@api.example.org:0"};
  assert_ok(hgl_secret_grant_check("key", &err));
  assert_ok(hgl_secret_grant_check("key@*.example.org:*", &err));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_fails(HGL_INVALID, hgl_secret_grant_check(bad[i], &err));
}

static void a_secret_goes_where_one_of_its_grants_says(void **state)
{
  static const char *const grants[] = {"net=*:443", "secret=key@api.example.org:443",
                                       "secret=key@10.1.0.0/16:*", "secret=pin", NULL};
  struct hgl_bytes key = hgl_text("key");
  assert_true(hgl_grants_name_secret(grants, key));
  assert_false(hgl_grants_name_secret(grants, hgl_text("ke")));
  assert_false(hgl_grants_name_secret(grants, hgl_text("key@api.example.org:443")));
  assert_false(hgl_grants_name_secret(NULL, key));
  assert_true(hgl_secret_grants_send(grants, key, "api.example.org", 443));
  assert_false(hgl_secret_grants_send(grants, key, "api.example.org", 80));
  assert_false(hgl_secret_grants_send(grants, key, "example.org", 443));
  assert_true(hgl_secret_grants_send(grants, key, "10.1.2.3", 8080));
  assert_false(hgl_secret_grants_send(grants, key, "10.2.2.3", 8080));
  assert_true(hgl_secret_grants_send(grants, hgl_text("pin"), "anywhere.example", 80));
  assert_false(hgl_secret_grants_send(NULL, key, "api.example.org", 443));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_grant_names_one_secret_and_perhaps_a_place),
      cmocka_unit_test(a_secret_goes_where_one_of_its_grants_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
