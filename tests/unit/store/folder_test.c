#include "store_support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/folder.h"

/* A folder of the test's own, and the data folder within it. */
struct place {
  char outer[64], path[96];
  struct hgl_folder folder;
};

static struct hgl_err err;

static int set_up(void **state)
{
  struct place *place = calloc(1, sizeof *place);
  strcpy(place->outer, "/tmp/haggle-folder-XXXXXX");
  assert_non_null(mkdtemp(place->outer));
  snprintf(place->path, sizeof place->path, "%s/data", place->outer);
  place->folder.lock_fd = -1;
  *state = place;
  return 0;
}

static int tear_down(void **state)
{
  struct place *place = *state;
  hgl_folder_close(&place->folder);
  remove_folder(place->outer);
  free(place);
  return 0;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static void a_new_folder_is_for_its_owner_only(void **state)
{
  struct place *place = *state;
  struct stat info;
  assert_ok(hgl_folder_open(&place->folder, place->path, &err));
  assert_int_equal(stat(place->path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0700);
  assert_fails(HGL_NOT_FOUND, hgl_folder_check_data(&place->folder, &err));
}

static void a_folder_is_one_processs_until_it_is_closed(void **state)
{
  struct place *place = *state;
  struct hgl_folder second;
  char pid[24];
  assert_ok(hgl_folder_open(&place->folder, place->path, &err));
  assert_fails(HGL_IN_USE, hgl_folder_open(&second, place->path, &err));
  assert_int_equal(second.lock_fd, -1);
  snprintf(pid, sizeof pid, "process %ld", (long)getpid());
  assert_non_null(strstr(err.message, pid));
  hgl_folder_close(&second); /* of one that was not opened: nothing */
  hgl_folder_close(&place->folder);
  assert_ok(hgl_folder_open(&second, place->path, &err));
  hgl_folder_close(&second);
}

static void a_process_that_was_killed_leaves_no_lock(void **state)
{
  struct place *place = *state;
  struct hgl_folder folder;
  pid_t child = fork();
  if (child == 0) {
    struct hgl_err ignored;
    if (hgl_folder_open(&folder, place->path, &ignored)) _exit(1);
    raise(SIGKILL);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status));
  assert_ok(hgl_folder_open(&place->folder, place->path, &err));
}

static void what_cannot_be_a_folder_is_an_error(void **state)
{
  struct place *place = *state;
  char path[PATH_MAX + 8];
  write_file(place->path, "x", 1);
  assert_fails(HGL_IO, hgl_folder_open(&place->folder, place->path, &err));
  assert_fails(HGL_IO, hgl_folder_open(&place->folder, "/nonexistent/deep/data", &err));
  memset(path, 'a', sizeof path);
  path[PATH_MAX - 10] = 0; /* "/data.mdb" does not fit behind it */
  assert_fails(HGL_INVALID, hgl_folder_open(&place->folder, path, &err));
}

/* A store's data file, made by the store itself. */
static void make_data(struct place *place)
{
  struct hgl_store *store;
  struct hgl_store_config config = {
      .folder = place->path, .clock = &hgl_clock_system, .log = &hgl_log_none};
  assert_ok(hgl_store_open(&config, &store, &err));
  hgl_store_close(store);
  assert_ok(hgl_folder_open(&place->folder, place->path, &err));
}

static void a_data_file_must_be_as_long_as_it_says(void **state)
{
  struct place *place = *state;
  struct stat info;
  make_data(place);
  assert_ok(hgl_folder_check_data(&place->folder, &err));
  assert_int_equal(stat(place->folder.data_path, &info), 0);
  assert_int_equal(truncate(place->folder.data_path, 2 * 4096), 0);
  assert_fails(HGL_CORRUPT, hgl_folder_check_data(&place->folder, &err));
  assert_non_null(strstr(err.message, "8192 bytes long"));
  assert_int_equal(truncate(place->folder.data_path, 4096), 0); /* one meta page alone */
  assert_fails(HGL_CORRUPT, hgl_folder_check_data(&place->folder, &err));
}

static void what_does_not_begin_like_a_data_file_is_none(void **state)
{
  struct place *place = *state;
  make_data(place);
  static const struct {
    off_t at;
    uint8_t byte;
  } changes[] = {{16, 0}, {20, 9}, {40, 0xff}, {41, 1}, {4096 + 16, 0}, {4096 + 20, 9}};
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    uint8_t was;
    int fd = open(place->folder.data_path, O_RDWR);
    assert_int_equal(pread(fd, &was, 1, changes[i].at), 1);
    assert_int_not_equal(was, changes[i].byte);
    assert_int_equal(pwrite(fd, &changes[i].byte, 1, changes[i].at), 1);
    if (hgl_folder_check_data(&place->folder, &err) != -HGL_CORRUPT)
      fail_msg("taken with byte %lld changed", (long long)changes[i].at);
    assert_int_equal(pwrite(fd, &was, 1, changes[i].at), 1);
    close(fd);
    assert_ok(hgl_folder_check_data(&place->folder, &err));
  }
  write_file(place->folder.data_path, "", 0);
  assert_fails(HGL_CORRUPT, hgl_folder_check_data(&place->folder, &err));
}

static void a_new_data_file_gets_its_name_whole_or_goes(void **state)
{
  struct place *place = *state;
  char lock[PATH_MAX + 8];
  assert_ok(hgl_folder_open(&place->folder, place->path, &err));
  snprintf(lock, sizeof lock, "%s-lock", place->folder.new_path);
  write_file(place->folder.new_path, "half", 4);
  write_file(lock, "x", 1);
  hgl_folder_discard_new(&place->folder);
  assert_int_not_equal(access(place->folder.new_path, F_OK), 0);
  assert_int_not_equal(access(lock, F_OK), 0);
  hgl_folder_discard_new(&place->folder); /* nothing there: nothing to do */
  assert_fails(HGL_IO, hgl_folder_adopt_new(&place->folder, &err));
  write_file(place->folder.new_path, "whole", 5);
  assert_ok(hgl_folder_adopt_new(&place->folder, &err));
  assert_int_equal(access(place->folder.data_path, F_OK), 0);
  assert_int_not_equal(access(place->folder.new_path, F_OK), 0);
}

static void a_copy_has_another_identity(void **state)
{
  struct place *place = *state;
  struct hgl_buf before, same, after;
  char copy[PATH_MAX + 8];
  hgl_buf_init(&before, 256);
  hgl_buf_init(&same, 256);
  hgl_buf_init(&after, 256);
  assert_ok(hgl_folder_open(&place->folder, place->path, &err));
  assert_fails(HGL_IO, hgl_folder_identity(&place->folder, &before, &err));
  write_file(place->folder.data_path, "x", 1);
  assert_ok(hgl_folder_identity(&place->folder, &before, &err));
  assert_ok(hgl_folder_identity(&place->folder, &same, &err));
  assert_true(hgl_bytes_equal(hgl_buf_bytes(&before), hgl_buf_bytes(&same)));
  snprintf(copy, sizeof copy, "%s.copy", place->folder.data_path);
  write_file(copy, "x", 1); /* another file takes its place */
  assert_int_equal(rename(copy, place->folder.data_path), 0);
  assert_ok(hgl_folder_identity(&place->folder, &after, &err));
  assert_false(hgl_bytes_equal(hgl_buf_bytes(&before), hgl_buf_bytes(&after)));
  hgl_buf_deinit(&before);
  hgl_buf_deinit(&same);
  hgl_buf_deinit(&after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_new_folder_is_for_its_owner_only),
      TEST(a_folder_is_one_processs_until_it_is_closed),
      TEST(a_process_that_was_killed_leaves_no_lock),
      TEST(what_cannot_be_a_folder_is_an_error),
      TEST(a_data_file_must_be_as_long_as_it_says),
      TEST(what_does_not_begin_like_a_data_file_is_none),
      TEST(a_new_data_file_gets_its_name_whole_or_goes),
      TEST(a_copy_has_another_identity),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
