#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/secrets.h"
#include "support/check.h"

struct fixture {
  char folder[64];
  struct hgl_secrets *secrets;
};

static void put_file(const char *path, const char *text, int mode)
{
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  assert_int_equal(fchmod(fd, (mode_t)mode), 0);
  close(fd);
}

static int set_up(void **state)
{
  static struct fixture f;
  struct hgl_err err;
  f = (struct fixture){.folder = "secrets-XXXXXX"};
  assert_non_null(mkdtemp(f.folder));
  assert_ok(hgl_secrets_create(&f.secrets, &err));
  *state = &f;
  return 0;
}

static int tear_down(void **state)
{
  struct fixture *f = *state;
  char path[128];
  hgl_secrets_destroy(f->secrets);
  snprintf(path, sizeof path, "%s/key", f->folder);
  unlink(path);
  rmdir(f->folder);
  unsetenv("HGL_TEST_SECRET");
  unsetenv("CREDENTIALS_DIRECTORY");
  return 0;
}

static int add(struct fixture *f, const char *text, struct hgl_err *err)
{
  return hgl_secrets_add(f->secrets, text, err);
}

static void assert_value(struct fixture *f, const char *name, const char *wanted)
{
  struct hgl_buf value;
  struct hgl_err err;
  hgl_buf_init(&value, HGL_SECRET_VALUE_SIZE_MAX);
  assert_ok(hgl_secrets_get(f->secrets, hgl_text(name), &value, &err));
  assert_int_equal(value.size, strlen(wanted));
  assert_memory_equal(value.data, wanted, value.size);
  hgl_secret_wipe(&value);
}

static void assert_refused(struct fixture *f, const char *text, enum hgl_code code,
                           const char *words)
{
  struct hgl_err err = {0};
  assert_int_equal(add(f, text, &err), -(int)code);
  assert_non_null(strstr(err.message, words));
}

static void a_secret_is_read_from_a_file_whenever_it_is_used(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err;
  char path[128], text[160];
  snprintf(path, sizeof path, "%s/key", f->folder);
  snprintf(text, sizeof text, "weather=file:%s", path);
  put_file(path, "abcd\n", 0600);
  assert_ok(add(f, text, &err));
  assert_value(f, "weather", "abcd");
  put_file(path, "changed\r\n", 0400);
  assert_value(f, "weather", "changed");
  assert_true(hgl_secrets_has(f->secrets, hgl_text("weather")));
  assert_false(hgl_secrets_has(f->secrets, hgl_text("other")));
  assert_refused(f, text, HGL_EXISTS, "already");
}

static void a_file_that_others_may_read_is_refused(void **state)
{
  struct fixture *f = *state;
  char path[128], text[160];
  snprintf(path, sizeof path, "%s/key", f->folder);
  snprintf(text, sizeof text, "weather=file:%s", path);
  put_file(path, "abc", 0644);
  assert_refused(f, text, HGL_DENIED, "chmod 600");
  assert_false(hgl_secrets_has(f->secrets, hgl_text("weather")));
}

static void a_secret_is_read_from_the_environment(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err;
  assert_refused(f, "a=env:HGL_TEST_SECRET", HGL_NOT_FOUND, "the environment has no");
  setenv("HGL_TEST_SECRET", "from outside", 1);
  assert_ok(add(f, "a=env:HGL_TEST_SECRET", &err));
  assert_value(f, "a", "from outside");
  setenv("HGL_TEST_SECRET", "", 1);
  assert_refused(f, "b=env:HGL_TEST_SECRET", HGL_INVALID, "empty");
  setenv("HGL_TEST_SECRET", "abc\n", 1);
  assert_refused(f, "b=env:HGL_TEST_SECRET", HGL_INVALID, "fewer than 4 bytes");
}

static void a_secret_is_read_from_the_credentials_of_the_unit(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err;
  char path[128], folder[PATH_MAX];
  snprintf(path, sizeof path, "%s/key", f->folder);
  put_file(path, "credential", 0440); /* as its access list has it look */
  assert_refused(f, "a=credential:key", HGL_NOT_FOUND, "LoadCredential=");
  assert_non_null(realpath(f->folder, folder));
  setenv("CREDENTIALS_DIRECTORY", folder, 1);
  assert_ok(add(f, "a=credential:key", &err));
  assert_value(f, "a", "credential");
  assert_refused(f, "b=credential:../key", HGL_INVALID, "without its path");
  assert_refused(f, "b=credential:none", HGL_NOT_FOUND, "does not exist");
}

static void what_is_no_secret_says_how_one_is_written(void **state)
{
  struct fixture *f = *state;
  assert_refused(f, "weather", HGL_INVALID, "NAME=file:PATH");
  assert_refused(f, "=file:x", HGL_INVALID, "NAME=file:PATH");
  assert_refused(f, "a b=file:x", HGL_INVALID, "letters, digits");
  assert_refused(f, "a=x", HGL_INVALID, "credential:NAME");
  assert_refused(f, "a=file:", HGL_INVALID, "credential:NAME");
}

static void a_secret_that_is_too_long_is_refused(void **state)
{
  struct fixture *f = *state;
  char text[HGL_SECRET_VALUE_SIZE_MAX + 2];
  struct hgl_err err;
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = 0;
  setenv("HGL_TEST_SECRET", text, 1);
  assert_int_equal(add(f, "a=env:HGL_TEST_SECRET", &err), -HGL_TOO_LARGE);
  text[HGL_SECRET_VALUE_SIZE_MAX] = 0;
  setenv("HGL_TEST_SECRET", text, 1);
  assert_ok(add(f, "a=env:HGL_TEST_SECRET", &err));
  assert_value(f, "a", text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_secret_is_read_from_a_file_whenever_it_is_used, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(a_file_that_others_may_read_is_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_secret_is_read_from_the_environment, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_secret_is_read_from_the_credentials_of_the_unit, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(what_is_no_secret_says_how_one_is_written, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_secret_that_is_too_long_is_refused, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
