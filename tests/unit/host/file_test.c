#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/file.h"

static struct hgl_err err;
static char folder[64], path[96], link_path[96];

static int set_up(void **state)
{
  strcpy(folder, "/tmp/haggle-file-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/file", folder);
  snprintf(link_path, sizeof link_path, "%s/link", folder);
  return 0;
}

static int tear_down(void **state)
{
  unlink(path);
  unlink(link_path);
  return rmdir(folder); /* nothing else is left there */
}

static void assert_holds(const char *name, struct hgl_bytes expected)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 1 << 20);
  assert_ok(hgl_file_read(name, 1 << 20, &out, &err));
  assert_true(hgl_bytes_equal(hgl_buf_bytes(&out), expected));
  hgl_buf_deinit(&out);
}

static int read_of(const char *name, size_t size_max)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 1 << 20);
  int status = hgl_file_read(name, size_max, &out, &err);
  hgl_buf_deinit(&out);
  return status;
}

static int mode_of(const char *name)
{
  struct stat info;
  assert_int_equal(stat(name, &info), 0);
  return info.st_mode & 0777;
}

static void a_file_comes_back_as_it_was_written(void **state)
{
  struct hgl_bytes bytes = hgl_bytes("a\0b\n\xff", 5);
  assert_ok(hgl_file_create(path, bytes, 0600, &err));
  assert_holds(path, bytes);
  assert_int_equal(mode_of(path), 0600);
  assert_ok(hgl_file_replace(path, hgl_bytes(NULL, 0), 0644, &err));
  assert_holds(path, hgl_bytes(NULL, 0));
  assert_int_equal(mode_of(path), 0644);
}

static void a_file_that_is_there_is_not_made_anew(void **state)
{
  assert_ok(hgl_file_create(path, hgl_text("first"), 0600, &err));
  assert_fails(HGL_EXISTS, hgl_file_create(path, hgl_text("second"), 0600, &err));
  assert_holds(path, hgl_text("first"));
}

static void a_file_is_replaced_whole(void **state)
{
  assert_ok(hgl_file_replace(path, hgl_text("first, and long"), 0600, &err));
  int reader = open(path, O_RDONLY); /* who has it open goes on reading the old one */
  assert_ok(hgl_file_replace(path, hgl_text("second"), 0600, &err));
  char text[32] = "";
  assert_int_equal(read(reader, text, sizeof text), 15);
  close(reader);
  assert_string_equal(text, "first, and long");
  assert_holds(path, hgl_text("second"));
}

static void where_no_file_can_be_written_nothing_is_left(void **state)
{
  char deep[128];
  snprintf(deep, sizeof deep, "%s/none/file", folder);
  assert_fails(HGL_NOT_FOUND, hgl_file_create(deep, hgl_text("x"), 0600, &err));
  assert_fails(HGL_NOT_FOUND, hgl_file_replace(deep, hgl_text("x"), 0600, &err));
  assert_true(hgl_file_replace(folder, hgl_text("x"), 0600, &err) < 0); /* a folder */
}

static void the_limit_of_a_read_is_exact(void **state)
{
  char bytes[40000]; /* more than is read in one piece */
  memset(bytes, 'x', sizeof bytes);
  assert_ok(hgl_file_create(path, hgl_bytes(bytes, sizeof bytes), 0600, &err));
  assert_int_equal(read_of(path, sizeof bytes), 0);
  assert_fails(HGL_TOO_LARGE, read_of(path, sizeof bytes - 1));
  assert_fails(HGL_TOO_LARGE, read_of(path, 0));
}

static void what_is_no_ordinary_file_is_told_and_not_waited_for(void **state)
{
  assert_fails(HGL_NOT_FOUND, read_of(path, 10));
  assert_fails(HGL_INVALID, read_of(folder, 10));
  assert_non_null(strstr(err.message, "is a folder"));
  assert_fails(HGL_INVALID, read_of("/dev/zero", 10));
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_fails(HGL_INVALID, read_of(path, 10)); /* nobody writes to it */
}

static void a_secret_is_for_its_owner_only(void **state)
{
  static const int bad[] = {0640, 0604, 0620, 0602, 0660, 0644};
  struct hgl_buf out;
  hgl_buf_init(&out, 100);
  assert_ok(hgl_file_create(path, hgl_text("secret"), 0600, &err));
  assert_ok(hgl_file_read_secret(path, 100, &out, &err));
  assert_true(hgl_bytes_is(hgl_buf_bytes(&out), "secret"));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    hgl_buf_clear(&out);
    assert_int_equal(chmod(path, (mode_t)bad[i]), 0);
    assert_fails(HGL_DENIED, hgl_file_read_secret(path, 100, &out, &err));
    assert_non_null(strstr(err.message, "chmod 600"));
    assert_int_equal(out.size, 0);
  }
  hgl_buf_deinit(&out);
}

static int confined(const char *name)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 1 << 20);
  int status = hgl_file_read_confined(name, 0, 1 << 20, &out, &err);
  hgl_buf_deinit(&out);
  return status;
}

/* `name` is below the folder that was granted. */
static int below(const char *granted, const char *name)
{
  char whole[256];
  struct hgl_buf out;
  hgl_buf_init(&out, 100);
  snprintf(whole, sizeof whole, "%s%s", granted, name);
  int status = hgl_file_read_confined(whole, strlen(granted), 100, &out, &err);
  hgl_buf_deinit(&out);
  return status;
}

static void no_link_leads_out_of_a_folder_that_an_agent_was_granted(void **state)
{
  char granted[] = "/tmp/haggle-folder-XXXXXX/", name[128];
  granted[strlen(granted) - 1] = 0;
  assert_non_null(mkdtemp(granted));
  granted[strlen(granted)] = '/';
  snprintf(name, sizeof name, "%splain", granted);
  assert_ok(hgl_file_create(name, hgl_text("x"), 0600, &err));
  snprintf(name, sizeof name, "%sinside", granted);
  assert_int_equal(symlink("plain", name), 0);
  snprintf(name, sizeof name, "%soutside", granted);
  assert_int_equal(symlink("/etc/passwd", name), 0);
  snprintf(name, sizeof name, "%sup", granted);
  assert_int_equal(symlink("..", name), 0);
  assert_ok(below(granted, "plain"));
  assert_ok(below(granted, "inside"));
  assert_fails(HGL_DENIED, below(granted, "outside"));
  assert_fails(HGL_DENIED, below(granted, "up/etc/passwd"));
  assert_fails(HGL_DENIED, below(granted, "../../etc/passwd"));
  assert_fails(HGL_NOT_FOUND, below(granted, "missing"));
  snprintf(name, sizeof name, "%soutside", granted);
  assert_ok(
      confined(name)); /* granted by its whole name: it leads where the operator had it lead */
  static const char *const names[] = {"plain", "inside", "outside", "up"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(name, sizeof name, "%s%s", granted, names[i]);
    assert_int_equal(unlink(name), 0);
  }
  assert_int_equal(rmdir(granted), 0);
}

static void the_links_of_proc_lead_nowhere_for_agents(void **state)
{
  char name[128];
  assert_ok(hgl_file_create(path, hgl_text("x"), 0600, &err));
  int fd = open(path, O_RDONLY);
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  assert_int_equal(read_of(name, 100), 0);
  assert_fails(HGL_DENIED, confined(name));
  close(fd);
  snprintf(name, sizeof name, "/proc/self/root%s", path);
  assert_fails(HGL_DENIED, confined(name));
  assert_ok(confined("/proc/self/status"));
  assert_ok(confined(path));
  assert_int_equal(symlink(path, link_path), 0); /* an ordinary link is the operator's business */
  assert_ok(confined(link_path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- on behalf of agents ---- */

static int write_below(const char *name, const char *granted, const char *text)
{
  char whole[200];
  snprintf(whole, sizeof whole, "%s/%s", folder, name);
  return hgl_file_write_confined(whole, granted ? strlen(folder) + 1 + strlen(granted) : 0,
                                 hgl_text(text), "mark", &err);
}

static void make(const char *name, char out[200])
{
  snprintf(out, 200, "%s/%s", folder, name);
  assert_int_equal(mkdir(out, 0700), 0);
}

static void a_file_is_written_for_an_agent_whole_and_again(void **state)
{
  char inner[200], left[256];
  make("inner", inner);
  snprintf(left, sizeof left, "%s/.haggle-mark.new", folder);
  assert_ok(hgl_file_create(left, hgl_text("left by a crash"), 0600, &err));
  assert_ok(write_below("file", "", "one"));
  assert_holds(path, hgl_text("one"));
  assert_int_equal(chmod(path, 0640), 0);
  assert_ok(write_below("file", NULL, "two"));
  assert_holds(path, hgl_text("two"));
  assert_int_equal(mode_of(path), 0640); /* whoever may read it is the operator's affair */
  assert_int_equal(access(left, F_OK), -1);
  snprintf(left, sizeof left, "%s/file", inner);
  assert_ok(write_below("inner/file", "", "three"));
  assert_holds(left, hgl_text("three"));
  assert_ok(hgl_file_remove_confined(left, strlen(folder) + 1, &err));
  assert_fails(HGL_NOT_FOUND, hgl_file_remove_confined(left, strlen(folder) + 1, &err));
  assert_int_equal(rmdir(inner), 0);
}

static void a_file_is_written_for_an_agent_only_below_its_folder(void **state)
{
  char inner[200], outer[200], out[256], target[256];
  make("inner", inner);
  make("outer", outer);
  snprintf(out, sizeof out, "%s/out", inner);
  snprintf(target, sizeof target, "%s/target", outer);
  assert_int_equal(symlink("../outer", out), 0);
  assert_fails(HGL_DENIED, write_below("inner/out/file", "inner/", "x"));
  assert_fails(HGL_DENIED, write_below("inner/../outer/file", "inner/", "x"));
  assert_ok(hgl_file_create(target, hgl_text("mine"), 0600, &err));
  char beside[300];
  snprintf(beside, sizeof beside, "%s/target", out);
  assert_fails(HGL_DENIED, hgl_file_remove_confined(beside, strlen(inner) + 1, &err));
  assert_holds(target, hgl_text("mine"));
  unlink(out);
  /* A link in the place of the file itself is replaced, not followed. */
  assert_int_equal(symlink("../outer/target", out), 0);
  assert_ok(write_below("inner/out", "inner/", "theirs"));
  assert_holds(target, hgl_text("mine"));
  assert_holds(out, hgl_text("theirs"));
  unlink(out);
  unlink(target);
  assert_int_equal(rmdir(inner), 0);
  assert_int_equal(rmdir(outer), 0);
}

static void what_cannot_be_written_for_an_agent_says_why(void **state)
{
  char inner[200];
  make("inner", inner);
  assert_fails(HGL_NOT_FOUND, write_below("none/file", "", "x"));
  assert_fails(HGL_INVALID, write_below("inner/", "", "x"));
  assert_fails(HGL_INVALID, write_below("inner/..", "", "x"));
  assert_fails(HGL_IO, write_below("inner", "", "x")); /* a folder stands there */
  assert_int_equal(rmdir(inner), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_file_comes_back_as_it_was_written),
      TEST(a_file_that_is_there_is_not_made_anew),
      TEST(a_file_is_replaced_whole),
      TEST(where_no_file_can_be_written_nothing_is_left),
      TEST(the_limit_of_a_read_is_exact),
      TEST(what_is_no_ordinary_file_is_told_and_not_waited_for),
      TEST(a_secret_is_for_its_owner_only),
      TEST(the_links_of_proc_lead_nowhere_for_agents),
      TEST(no_link_leads_out_of_a_folder_that_an_agent_was_granted),
      TEST(a_file_is_written_for_an_agent_whole_and_again),
      TEST(a_file_is_written_for_an_agent_only_below_its_folder),
      TEST(what_cannot_be_written_for_an_agent_says_why),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
