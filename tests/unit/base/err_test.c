#include "base/err.h"

#include <string.h>

#include "support/check.h"

static void a_message_may_be_made_of_the_one_that_is_there(void **state)
{
  struct hgl_err err = {0};
  assert_int_equal(hgl_fail(&err, HGL_IO, "disk %d", 7), -HGL_IO);
  assert_int_equal(hgl_fail(&err, HGL_INVALID, "write: %s", err.message), -HGL_INVALID);
  assert_string_equal(err.message, "write: disk 7");
  assert_int_equal(hgl_fail_in(&err, "file %s", "x"), -HGL_INVALID);
  assert_string_equal(err.message, "file x: write: disk 7");
}

static void a_message_is_cut_off_where_its_room_ends(void **state)
{
  struct hgl_err err = {0};
  char longer[2 * HGL_ERR_MESSAGE_SIZE];
  memset(longer, 'a', sizeof longer);
  longer[sizeof longer - 1] = 0;
  hgl_err_set(&err, HGL_IO, "%s", longer);
  assert_int_equal(strlen(err.message), HGL_ERR_MESSAGE_SIZE - 1);
  hgl_err_set(NULL, HGL_IO, "nobody asks");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_message_may_be_made_of_the_one_that_is_there),
      cmocka_unit_test(a_message_is_cut_off_where_its_room_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
