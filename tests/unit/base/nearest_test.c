#include "base/nearest.h"

#include "support/check.h"

static void nearest_finds_typing_errors_and_nothing_far_off(void **state)
{
  static const char *const words[] = {"listen", "data", "join", "agents", NULL};
  assert_string_equal(hgl_nearest(hgl_text("lisen"), words), "listen");
  assert_string_equal(hgl_nearest(hgl_text("lsiten"), words), "listen");
  assert_string_equal(hgl_nearest(hgl_text("agent"), words), "agents");
  assert_string_equal(hgl_nearest(hgl_text("dta"), words), "data");
  assert_null(hgl_nearest(hgl_text("wonderful"), words));
  assert_null(hgl_nearest(hgl_text(""), words));
  char huge[200];
  memset(huge, 'x', sizeof huge);
  assert_null(hgl_nearest(hgl_bytes(huge, sizeof huge), words));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nearest_finds_typing_errors_and_nothing_far_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
