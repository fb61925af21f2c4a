#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/http_tokens.h"

static struct hgl_err err;
static char folder[64], path[128];
static struct hgl_http_guard guard;

static int set_up(void **state)
{
  strcpy(folder, "/tmp/haggle-tokens-XXXXXX");
  memset(&guard, 0, sizeof guard);
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/tokens/kiosk", folder);
  return 0;
}

static int tear_down(void **state)
{
  char inside[96];
  unlink(path);
  snprintf(inside, sizeof inside, "%s/tokens", folder);
  rmdir(inside);
  return rmdir(folder);
}

static void get(bool renew, char out[HGL_TOKEN_TEXT_SIZE + 1])
{
  struct hgl_buf token;
  hgl_buf_init(&token, HGL_TOKEN_TEXT_SIZE + 2);
  assert_ok(hgl_http_token(folder, "kiosk", renew, &hgl_random_system, &token, &err));
  assert_int_equal(token.size, HGL_TOKEN_TEXT_SIZE);
  memcpy(out, token.data, HGL_TOKEN_TEXT_SIZE);
  out[HGL_TOKEN_TEXT_SIZE] = 0;
  hgl_buf_deinit(&token);
}

static int check(const char *token, uint64_t origin, int64_t now_ms)
{
  return hgl_http_token_check(&guard, folder, "kiosk", hgl_text(token), origin, now_ms,
                              &hgl_random_system, &err);
}

static void a_token_is_made_once_and_renewed_when_asked(void **state)
{
  char first[HGL_TOKEN_TEXT_SIZE + 1], again[sizeof first], renewed[sizeof first];
  struct stat info;
  get(false, first);
  get(false, again);
  assert_string_equal(first, again);
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600);
  assert_ok(check(first, 1, 1));
  get(true, renewed);
  assert_string_not_equal(first, renewed);
  assert_fails(HGL_DENIED, check(first, 1, 1));
  assert_ok(check(renewed, 1, 1));
}

static void wrong_ones_cost_their_origin_a_minute_and_nobody_else(void **state)
{
  char right[HGL_TOKEN_TEXT_SIZE + 1];
  get(false, right);
  for (int i = 0; i < 50; i++) assert_fails(HGL_DENIED, check("", 1, 1000)); /* none is no guess */
  for (int i = 0; i < HGL_TOKEN_WRONG_MAX; i++) assert_fails(HGL_DENIED, check("wrong", 1, 1000));
  assert_fails(HGL_LIMIT, check("wrong", 1, 1001));
  assert_fails(HGL_DENIED, check("", 1, 1001));
  assert_ok(check(right, 1, 1001)); /* of the same proxy's address, perhaps */
  assert_fails(HGL_LIMIT, check("wrong", 1, 1001));
  assert_fails(HGL_DENIED, check("wrong", 2, 1001));
  assert_ok(check(right, 1, 1000 + HGL_TOKEN_WRONG_MS));
  assert_fails(HGL_DENIED, check("wrong", 1, 1000 + HGL_TOKEN_WRONG_MS));
}

static void many_origins_push_out_the_oldest(void **state)
{
  char right[HGL_TOKEN_TEXT_SIZE + 1];
  get(false, right);
  for (int i = 0; i <= HGL_TOKEN_WRONG_MAX; i++) (void)!check("wrong", 5000, 1);
  assert_fails(HGL_LIMIT, check("wrong", 5000, 2));
  for (uint64_t origin = 0; origin < HGL_TOKEN_ORIGINS; origin++)
    assert_fails(HGL_DENIED, check("wrong", origin, (int64_t)origin + 10));
  assert_fails(HGL_DENIED, check("wrong", 5000, 400));
}

static void what_is_no_token_of_an_agent_is_refused(void **state)
{
  char right[HGL_TOKEN_TEXT_SIZE + 1];
  struct hgl_buf token;
  hgl_buf_init(&token, HGL_TOKEN_TEXT_SIZE + 2);
  assert_fails(HGL_INVALID,
               hgl_http_token(folder, "../x", false, &hgl_random_system, &token, &err));
  assert_fails(HGL_NOT_FOUND,
               hgl_http_token("/nowhere", "x", false, &hgl_random_system, &token, &err));
  get(false, right);
  assert_int_equal(chmod(path, 0644), 0);
  assert_fails(HGL_IO, check(right, 1, 1));
  assert_int_equal(chmod(path, 0600), 0);
  assert_int_equal(truncate(path, 10), 0);
  assert_fails(HGL_CORRUPT, check(right, 1, 1));
  assert_int_equal(truncate(path, 100), 0);
  assert_fails(HGL_CORRUPT, check(right, 1, 1));
  hgl_buf_deinit(&token);
}

/* The roles of the dashboard ------------------------------------------------------------------- */

static void role_token(enum hgl_role role, bool renew, char out[HGL_TOKEN_TEXT_SIZE + 1])
{
  struct hgl_buf token;
  hgl_buf_init(&token, HGL_TOKEN_TEXT_SIZE + 2);
  assert_ok(hgl_role_token(folder, role, renew, &hgl_random_system, &token, &err));
  assert_int_equal(token.size, HGL_TOKEN_TEXT_SIZE);
  memcpy(out, token.data, HGL_TOKEN_TEXT_SIZE);
  out[HGL_TOKEN_TEXT_SIZE] = 0;
  hgl_buf_deinit(&token);
}

static int check_role(const char *token, uint64_t origin, enum hgl_role *role)
{
  return hgl_role_token_check(&guard, folder, hgl_text(token), origin, 1, &hgl_random_system, role,
                              &err);
}

static int forget_roles(void **state)
{
  char viewer[128], operator[128];
  snprintf(viewer, sizeof viewer, "%s/tokens/@viewer", folder);
  snprintf(operator, sizeof operator, "%s/tokens/@operator", folder);
  unlink(viewer);
  unlink(operator);
  return tear_down(state);
}

static void each_role_has_a_token_of_its_own(void **state)
{
  char viewer[HGL_TOKEN_TEXT_SIZE + 1], operator[sizeof viewer], renewed[sizeof viewer];
  enum hgl_role role = HGL_ROLE_NONE;
  role_token(HGL_ROLE_VIEWER, false, viewer);
  role_token(HGL_ROLE_OPERATOR, false, operator);
  assert_string_not_equal(viewer, operator);
  assert_ok(check_role(viewer, 1, &role));
  assert_int_equal(role, HGL_ROLE_VIEWER);
  assert_ok(check_role(operator, 1, &role));
  assert_int_equal(role, HGL_ROLE_OPERATOR);
  role_token(HGL_ROLE_VIEWER, true, renewed);
  role = HGL_ROLE_NONE;
  assert_fails(HGL_DENIED, check_role(viewer, 1, &role));
  assert_int_equal(role, HGL_ROLE_NONE);
  assert_ok(check_role(renewed, 1, &role));
  assert_ok(check_role(operator, 1, &role));
  struct hgl_buf token; /* no agent has such a name */
  hgl_buf_init(&token, HGL_TOKEN_TEXT_SIZE + 2);
  assert_fails(HGL_INVALID,
               hgl_http_token(folder, "@viewer", false, &hgl_random_system, &token, &err));
  hgl_buf_deinit(&token);
}

static void who_guesses_a_role_is_put_off_and_who_knows_is_not(void **state)
{
  char viewer[HGL_TOKEN_TEXT_SIZE + 1];
  enum hgl_role role = HGL_ROLE_NONE;
  role_token(HGL_ROLE_VIEWER, false, viewer);
  for (int i = 0; i < HGL_TOKEN_WRONG_MAX; i++)
    assert_fails(HGL_DENIED, check_role("guess", 1, &role));
  assert_fails(HGL_LIMIT, check_role("guess", 1, &role));
  assert_fails(HGL_DENIED, check_role("guess", 2, &role));
  assert_fails(HGL_DENIED, check_role("", 1, &role));
  assert_ok(check_role(viewer, 1, &role));
}

static void a_file_that_proves_nothing_is_no_fault_of_who_shows_a_token(void **state)
{
  char viewer[HGL_TOKEN_TEXT_SIZE + 1], of_viewer[128];
  enum hgl_role role = HGL_ROLE_NONE;
  role_token(HGL_ROLE_VIEWER, false, viewer);
  snprintf(of_viewer, sizeof of_viewer, "%s/tokens/@viewer", folder);
  assert_int_equal(chmod(of_viewer, 0644), 0);
  assert_fails(HGL_IO, check_role(viewer, 1, &role));
  assert_int_equal(chmod(of_viewer, 0600), 0);
  assert_int_equal(truncate(of_viewer, 10), 0);
  assert_fails(HGL_CORRUPT, check_role(viewer, 1, &role));
  assert_non_null(strstr(err.message, "haggle dashboard --renew viewer"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_token_is_made_once_and_renewed_when_asked, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(wrong_ones_cost_their_origin_a_minute_and_nobody_else, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(many_origins_push_out_the_oldest, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_no_token_of_an_agent_is_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(each_role_has_a_token_of_its_own, set_up, forget_roles),
      cmocka_unit_test_setup_teardown(who_guesses_a_role_is_put_off_and_who_knows_is_not, set_up,
                                      forget_roles),
      cmocka_unit_test_setup_teardown(a_file_that_proves_nothing_is_no_fault_of_who_shows_a_token,
                                      set_up, forget_roles),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
