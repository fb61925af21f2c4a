/* Folders whose changes are told. */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/folder_watch.h"

static char folder[64];
static struct hgl_loop *loop;
static struct hgl_folder_watch *watch;
static int told;

static void changed(void *user)
{
  told++;
}

static void begin(void)
{
  struct hgl_err err;
  snprintf(folder, sizeof folder, "watch-XXXXXX");
  assert_non_null(mkdtemp(folder));
  told = 0;
  assert_ok(hgl_loop_create(&hgl_clock_system, &loop, &err));
  assert_ok(hgl_folder_watch_create(loop, ".lua", changed, NULL, &watch, &err));
  assert_ok(hgl_folder_watch_add(watch, folder, &err));
  assert_ok(hgl_folder_watch_add(watch, folder, &err));
}

static void end(void)
{
  char command[96];
  hgl_folder_watch_destroy(watch);
  hgl_loop_destroy(loop);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  assert_int_equal(system(command), 0);
}

static void write_to(const char *name)
{
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs("return 1\n", file);
  fclose(file);
}

/* Rounds of the loop until it is told so often; false: it was not. */
static bool tells(int times)
{
  for (int i = 0; i < 400 && told < times; i++) hgl_loop_run_once(loop, 10);
  return told == times;
}

static void several_changes_at_once_are_told_once(void **state)
{
  begin();
  write_to("a.lua");
  write_to("b.lua");
  assert_true(tells(1));
  write_to("a.lua");
  assert_true(tells(2));
  end();
}

static void a_file_that_is_renamed_is_told_and_others_are_not(void **state)
{
  char from[96], to[96];
  begin();
  write_to("a.tmp");
  for (int i = 0; i < 30; i++) hgl_loop_run_once(loop, 10);
  assert_int_equal(told, 0);
  snprintf(from, sizeof from, "%s/a.tmp", folder);
  snprintf(to, sizeof to, "%s/a.lua", folder);
  assert_int_equal(rename(from, to), 0);
  assert_true(tells(1));
  assert_int_equal(unlink(to), 0);
  assert_true(tells(2));
  end();
}

static void a_folder_that_comes_back_is_found_again(void **state)
{
  char away[80];
  begin();
  snprintf(away, sizeof away, "%s-away", folder);
  assert_int_equal(rename(folder, away), 0);
  assert_true(tells(1));
  assert_int_equal(rename(away, folder), 0);
  assert_true(tells(2));
  write_to("a.lua");
  assert_true(tells(3));
  end();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(several_changes_at_once_are_told_once),
      cmocka_unit_test(a_file_that_is_renamed_is_told_and_others_are_not),
      cmocka_unit_test(a_folder_that_comes_back_is_found_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
