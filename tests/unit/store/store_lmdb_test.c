/* What only a store on a disk can suffer: crashes, damage, another process, a full disk. */
#include "store_support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int set_up(void **state)
{
  *state = fixture_new(false);
  return 0;
}

static int tear_down(void **state)
{
  struct fixture *f = *state;
  close_store(f);
  (void)umount(f->folder); /* of the test that mounts something there */
  fixture_free(f);
  return 0;
}

static const char *data_path(const struct fixture *f)
{
  static char path[100];
  snprintf(path, sizeof path, "%s/data.mdb", f->folder);
  return path;
}

/* A closed store with 2000 rows, of which the last is HGL_DB_STATE "row 1999". */
static void fill(struct fixture *f)
{
  char key[32], value[64];
  open_store(f);
  for (int i = 0; i < 2000; i++) {
    snprintf(key, sizeof key, "row %04d", i);
    snprintf(value, sizeof value, "<value of row %04d>", i);
    put(f, HGL_DB_STATE, key, value);
  }
  commit(f);
  drain(f);
  close_store(f);
}

static void store_keeps_rows_over_a_restart(void **state)
{
  struct fixture *f = *state;
  fill(f);
  struct stat stat_of;
  assert_int_equal(stat(f->folder, &stat_of), 0);
  assert_int_equal(stat_of.st_mode & 0777, 0700);
  open_store(f);
  expect(f, HGL_DB_STATE, "row 0000", "<value of row 0000>");
  expect(f, HGL_DB_STATE, "row 1999", "<value of row 1999>");
  expect(f, HGL_DB_STATE, "row 2000", NULL);
}

static void store_makes_its_folder_private(void **state)
{
  struct fixture *f = *state;
  struct stat stat_of;
  assert_int_equal(rmdir(f->folder), 0);
  open_store(f);
  assert_int_equal(stat(f->folder, &stat_of), 0);
  assert_int_equal(stat_of.st_mode & 0777, 0700);
  assert_int_equal(stat(data_path(f), &stat_of), 0);
  assert_int_equal(stat_of.st_mode & 0777, 0600);
}

static void store_reports_a_folder_that_cannot_be_made(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  f->config.folder = "/proc/none/such";
  assert_fails(HGL_IO, hgl_store_open(&f->config, &f->store, &err));
  assert_non_null(strstr(err.message, "/proc/none/such"));
}

/* Crashes ---------------------------------------------------------------------------------------
 */

struct crash {
  int pipe;
  uint32_t number;
};

static void acknowledge(void *user)
{
  struct crash *crash = user;
  crash->number++;
  if (write(crash->pipe, &crash->number, sizeof crash->number) < 0) _exit(3);
}

/* Two rows a tick, far apart; killed at some point in the middle of things. */
static void run_child(const struct hgl_store_config *config, int pipe, uint32_t kill_at)
{
  struct hgl_store *store;
  struct crash crash = {pipe, 0};
  if (hgl_store_open(config, &store, NULL)) _exit(2);
  for (uint32_t tick = 1;; tick++) {
    char key[32], value[32];
    snprintf(key, sizeof key, "%08u", tick);
    snprintf(value, sizeof value, "%u", tick);
    struct hgl_writeset *set = hgl_store_open_set(store);
    if (hgl_writeset_put(set, HGL_DB_JOURNAL, hgl_text(key), hgl_text(value), NULL)) _exit(2);
    if (hgl_writeset_put(set, HGL_DB_META, hgl_text("last"), hgl_text(value), NULL)) _exit(2);
    if (make_room(store, NULL)) _exit(2);
    if (hgl_store_commit(store, acknowledge, &crash, NULL)) _exit(2);
    if (tick >= kill_at) {
      if (tick % 2) usleep(tick * 37 % 900);
      kill(getpid(), SIGKILL);
    }
  }
}

static int count_rows(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  uint32_t *rows = user;
  char expected[32];
  snprintf(expected, sizeof expected, "%08u", ++*rows);
  return hgl_bytes_is(key, expected) ? 0 : hgl_fail(err, HGL_CORRUPT, "a row is missing");
}

static void killed_store_holds_all_that_was_acknowledged(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  for (int round = 0; round < 12; round++) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct hgl_store_config config = f->config;
    config.wake = NULL;
    if (round % 4 == 3) config.commit_every_ms = 2;
    pid_t child = fork();
    if (child == 0) run_child(&config, ends[1], 20 + (uint32_t)round * 7);
    close(ends[1]);
    uint32_t acknowledged = 0, number;
    while (read(ends[0], &number, sizeof number) == sizeof number) acknowledged = number;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    /* Every tick is there whole or not at all, none is missing between, none that was told. */
    open_store(f);
    uint32_t rows = 0;
    assert_ok(hgl_store_scan(f->store, HGL_DB_JOURNAL, hgl_text(""), hgl_text(""), false,
                             count_rows, &rows, &err));
    assert_true(rows >= acknowledged && rows <= 20 + (uint32_t)round * 7);
    char last[32];
    snprintf(last, sizeof last, "%u", rows);
    expect(f, HGL_DB_META, "last", rows ? last : NULL);
    close_store(f);
    remove_folder(f->folder);
  }
}

static void a_start_cut_short_leaves_nothing_in_the_way(void **state)
{
  struct fixture *f = *state;
  char path[120];
  snprintf(path, sizeof path, "%s.new", data_path(f));
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  assert_int_equal(write(fd, "half", 4), 4);
  close(fd);
  open_store(f);
  assert_int_equal(access(path, F_OK), -1);
}

/* Damage ----------------------------------------------------------------------------------------
 */

static void truncated_data_is_refused_with_advice(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  fill(f);
  struct stat stat_of;
  assert_int_equal(stat(data_path(f), &stat_of), 0);
  uint64_t used = 0;
  open_store(f);
  used = hgl_store_stats(f->store).file_bytes; /* no more than what is in use lies on the disk */
  close_store(f);
  const off_t lengths[] = {(off_t)used - 4096 - 1, 100 * 1024, 8192, 8191, 5000, 4096, 100, 1, 0};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    assert_int_equal(truncate(data_path(f), lengths[i]), 0);
    assert_fails(HGL_CORRUPT, hgl_store_open(&f->config, &f->store, &err));
    assert_non_null(strstr(err.message, "data.mdb"));
    assert_non_null(strstr(err.message, "backup"));
    assert_null(f->store);
  }
}

static void the_hole_at_the_end_may_be_lost(void **state)
{
  struct fixture *f = *state;
  fill(f);
  struct stat stat_of;
  assert_int_equal(stat(data_path(f), &stat_of), 0);
  assert_int_equal(truncate(data_path(f), stat_of.st_size / 2), 0);
  open_store(f);
  expect(f, HGL_DB_STATE, "row 1999", "<value of row 1999>");
}

static void garbage_is_refused(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  uint8_t garbage[20000];
  for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (uint8_t)(i * 7919 >> 4);
  int fd = open(data_path(f), O_CREAT | O_WRONLY, 0600);
  assert_int_equal(write(fd, garbage, sizeof garbage), sizeof garbage);
  close(fd);
  assert_fails(HGL_CORRUPT, hgl_store_open(&f->config, &f->store, &err));
}

/* Finds the last place of `text` in the data file. */
static off_t find_in_data(struct fixture *f, const char *text)
{
  int fd = open(data_path(f), O_RDONLY);
  size_t size = 4 << 20;
  char *bytes = malloc(size);
  ssize_t got = pread(fd, bytes, size, 0);
  assert_true(got > 0);
  off_t found = -1;
  for (size_t at = 0; at + strlen(text) <= (size_t)got; at++)
    if (memcmp(bytes + at, text, strlen(text)) == 0) found = (off_t)at;
  free(bytes);
  close(fd);
  assert_true(found >= 0);
  return found;
}

static void a_flipped_byte_is_noticed_by_every_read(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  fill(f);
  off_t at = find_in_data(f, "<value of row 0700>");
  int fd = open(data_path(f), O_WRONLY);
  assert_int_equal(pwrite(fd, "!", 1, at + 3), 1);
  close(fd);
  open_store(f);
  struct hgl_buf out;
  hgl_buf_init(&out, 100);
  assert_fails(HGL_CORRUPT,
               hgl_store_get(f->store, HGL_DB_STATE, hgl_text("row 0700"), &out, &err));
  assert_non_null(strstr(err.message, "state"));
  assert_int_equal(out.size, 0);
  hgl_buf_deinit(&out);
  struct listing listing = {{0}};
  assert_fails(HGL_CORRUPT, hgl_store_scan(f->store, HGL_DB_STATE, hgl_text("row 07"), hgl_text(""),
                                           true, list_row, &listing, &err));
  expect(f, HGL_DB_STATE, "row 0699", "<value of row 0699>");
  put(f, HGL_DB_STATE, "row 0700", "whole again");
  expect(f, HGL_DB_STATE, "row 0700", "whole again");
  commit(f);
  drain(f);
  expect(f, HGL_DB_STATE, "row 0700", "whole again");
}

static void newer_schema_is_refused(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  open_store(f);
  uint8_t number[8];
  hgl_put_be64(number, HGL_STORE_SCHEMA + 1);
  assert_ok(hgl_writeset_put(hgl_store_open_set(f->store), HGL_DB_META, hgl_text("schema"),
                             hgl_bytes(number, sizeof number), &err));
  commit(f);
  drain(f);
  close_store(f);
  assert_fails(HGL_NEWER, hgl_store_open(&f->config, &f->store, &err));
  char version[32];
  snprintf(version, sizeof version, "version %d", HGL_STORE_SCHEMA + 1);
  assert_non_null(strstr(err.message, version));
}

static void older_schema_is_brought_forward(void **state)
{
  struct fixture *f = *state;
  fill(f);
  open_store(f);
  del(f, HGL_DB_META, "schema");                                /* version 0 had none */
  put(f, HGL_DB_DEALS, "agent--1deal", "\x82\x19\x03\xe8\xa0"); /* [1000, {}] */
  commit(f);
  drain(f);
  close_store(f);
  open_store(f);
  uint8_t number[8];
  hgl_put_be64(number, HGL_STORE_SCHEMA);
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, 100);
  assert_ok(hgl_store_get(f->store, HGL_DB_META, hgl_text("schema"), &out, &err));
  assert_true(hgl_bytes_equal(hgl_buf_bytes(&out), hgl_bytes(number, sizeof number)));
  hgl_buf_clear(&out);
  uint8_t place[8 + 12];
  hgl_put_be64(place, 1000);
  memcpy(place + 8, "agent--1deal", 12);
  assert_ok(hgl_store_get(f->store, HGL_DB_DEAL_TIMES, hgl_bytes(place, sizeof place), &out, &err));
  hgl_buf_deinit(&out);
  expect(f, HGL_DB_STATE, "row 0001", "<value of row 0001>");
}

/* Whose folder ----------------------------------------------------------------------------------
 */

static void a_second_opener_is_refused_and_told_who_has_it(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  open_store(f);
  struct hgl_store *second = NULL;
  assert_fails(HGL_IN_USE, hgl_store_open(&f->config, &second, &err));
  char pid[32];
  snprintf(pid, sizeof pid, "process %ld", (long)getpid());
  assert_non_null(strstr(err.message, pid));
  assert_null(second);
  put(f, HGL_DB_STATE, "a", "1");
  commit(f);
  drain(f);
  close_store(f);
  open_store(f);
  expect(f, HGL_DB_STATE, "a", "1");
}

static void identity_of(struct fixture *f, struct hgl_buf *out)
{
  struct hgl_err err = {0};
  hgl_buf_init(out, 1000);
  open_store(f);
  assert_ok(hgl_store_identity(f->store, out, &err));
  close_store(f);
}

static void a_copied_folder_has_another_identity(void **state)
{
  struct fixture *f = *state, *copy = fixture_new(false);
  struct hgl_buf original, again, copied;
  fill(f);
  identity_of(f, &original);
  identity_of(f, &again);
  char command[300];
  snprintf(command, sizeof command, "cp -a %s/. %s/", f->folder, copy->folder);
  assert_int_equal(system(command), 0);
  identity_of(copy, &copied);
  assert_true(hgl_bytes_equal(hgl_buf_bytes(&original), hgl_buf_bytes(&again)));
  assert_false(hgl_bytes_equal(hgl_buf_bytes(&original), hgl_buf_bytes(&copied)));
  open_store(copy);
  expect(copy, HGL_DB_STATE, "row 0001", "<value of row 0001>");
  hgl_buf_deinit(&original);
  hgl_buf_deinit(&again);
  hgl_buf_deinit(&copied);
  fixture_free(copy);
}

/* Room ------------------------------------------------------------------------------------------
 */

static void the_map_grows_while_the_loop_reads(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  assert_ok(hgl_store_open_sized(&f->config, 128 << 10, &f->store, &err));
  char key[16];
  static char value[3000];
  memset(value, 'v', sizeof value - 1);
  for (int i = 0; i < 2000; i++) {
    snprintf(key, sizeof key, "%05d", i);
    put(f, HGL_DB_OUTBOX, key, value);
    if (i % 50 == 49) {
      expect(f, HGL_DB_OUTBOX, "00000", value);
      assert_ok(make_room(f->store, &err));
      commit(f);
    }
  }
  drain(f);
  struct hgl_store_stats stats = hgl_store_stats(f->store);
  assert_int_equal(stats.rows_written, 2000);
  assert_true(stats.file_bytes > 6000000);
  close_store(f);
  /* Opened with a map smaller than the file. */
  assert_ok(hgl_store_open_sized(&f->config, 128 << 10, &f->store, &err));
  for (int i = 0; i < 2000; i++) {
    snprintf(key, sizeof key, "%05d", i);
    expect(f, HGL_DB_OUTBOX, key, value);
    del(f, HGL_DB_OUTBOX, key);
    put(f, HGL_DB_DEAD, key, value);
  }
  commit(f);
  drain(f);
  expect(f, HGL_DB_DEAD, "01999", value);
  expect(f, HGL_DB_OUTBOX, "01999", NULL);
}

/* Fills what is left of the small disk but for `spare` bytes. */
static void write_ballast(const char *path, off_t spare)
{
  static char block[4096];
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  assert_true(fd >= 0);
  off_t size = 0;
  for (ssize_t got; (got = write(fd, block, sizeof block)) > 0;) size += got;
  assert_int_equal(ftruncate(fd, size - spare), 0);
  close(fd);
}

static void a_full_disk_holds_the_commit_until_there_is_room(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  if (mount("none", f->folder, "tmpfs", 0, "size=4m")) {
    print_message("skipped: mounting a tmpfs is not permitted: %s\n", strerror(errno));
    skip();
  }
  char ballast[100], key[16];
  static char value[2000];
  memset(value, 'v', sizeof value - 1);
  snprintf(ballast, sizeof ballast, "%s/ballast", f->folder);
  for (int round = 0; round < 2; round++) {
    open_store(f);
    put(f, HGL_DB_STATE, "before", "1");
    commit(f);
    drain(f);
    write_ballast(ballast, round * 5 * 4096); /* none at all; a write that is cut short */
    for (int i = 0; i < 200; i++) {
      snprintf(key, sizeof key, "%d/%d", round, i);
      put(f, HGL_DB_STATE, key, value);
    }
    commit(f);
    int status = 0;
    for (int i = 0; i < 2000 && status == 0; i++) {
      usleep(1000);
      status = hgl_store_poll(f->store, &err);
    }
    if (status != -HGL_DISK_FULL) fail_msg("expected a full disk: %s", err.message);
    expect(f, HGL_DB_STATE, "before", "1");
    expect(f, HGL_DB_STATE, key, value);
    assert_fails(HGL_DISK_FULL, hgl_store_drain(f->store, 600, &err));
    if (round == 1) {
      /* Stopped on a full disk: what was acknowledged is there, and it starts again. */
      close_store(f);
      open_store(f);
      expect(f, HGL_DB_STATE, "before", "1");
      expect(f, HGL_DB_STATE, key, NULL);
      unlink(ballast);
    } else {
      unlink(ballast);
      drain(f);
      expect(f, HGL_DB_STATE, key, value);
      assert_ok(hgl_store_poll(f->store, &err));
    }
    close_store(f);
    unlink(data_path(f));
  }
}

/* Relaxed ---------------------------------------------------------------------------------------
 */

static void count_done(void *user)
{
  ++*(int *)user;
}

static void relaxed_merges_ticks_and_still_waits_for_the_disk(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  f->config.commit_every_ms = 60000;
  open_store(f);
  int done = 0;
  put(f, HGL_DB_STATE, "first", "1");
  assert_ok(hgl_store_commit(f->store, count_done, &done, &err));
  while (!done) assert_ok(hgl_store_poll(f->store, &err)); /* nothing before it to wait for */
  char key[16];
  for (int i = 0; i < 500; i++) {
    assert_false(hgl_store_busy(f->store));
    snprintf(key, sizeof key, "%03d", i);
    put(f, HGL_DB_STATE, key, "new");
    put(f, HGL_DB_STATE, "first", key);
    if (i) {
      snprintf(key, sizeof key, "%03d", i - 1);
      del(f, HGL_DB_STATE, key);
    }
    assert_ok(hgl_store_commit(f->store, count_done, &done, &err));
    assert_ok(hgl_store_poll(f->store, &err));
  }
  assert_int_equal(done, 1);
  expect_scan(f, HGL_DB_STATE, "", "", false, "499=new first=499");
  drain(f);
  assert_int_equal(done, 501);
  assert_int_equal(hgl_store_stats(f->store).commits, 2);
  expect_scan(f, HGL_DB_STATE, "", "", true, "first=499 499=new");
}

static void relaxed_commits_at_its_interval(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  f->config.commit_every_ms = 20;
  open_store(f);
  int done = 0, sent = 0;
  int64_t start = hgl_mono_ns(&hgl_clock_system);
  while (hgl_mono_ns(&hgl_clock_system) - start < 300 * 1000000) {
    if (!hgl_store_busy(f->store)) {
      put(f, HGL_DB_STATE, "a", "1");
      assert_ok(hgl_store_commit(f->store, count_done, &done, &err));
      sent++;
    }
    assert_ok(hgl_store_poll(f->store, &err));
    usleep(500);
  }
  assert_true(done > 0);
  drain(f);
  assert_int_equal(done, sent);
  assert_in_range(hgl_store_stats(f->store).commits, 2, 300 / 20 + 2);
}

static void closing_commits_nothing_more(void **state)
{
  struct fixture *f = *state;
  f->config.commit_every_ms = 60000;
  open_store(f);
  put(f, HGL_DB_STATE, "a", "1");
  commit(f);
  drain(f);
  put(f, HGL_DB_STATE, "a", "2");
  commit(f);
  close_store(f);
  open_store(f);
  expect(f, HGL_DB_STATE, "a", "1");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      IN_FOLDER(store_keeps_rows_over_a_restart),
      IN_FOLDER(store_makes_its_folder_private),
      IN_FOLDER(store_reports_a_folder_that_cannot_be_made),
      IN_FOLDER(killed_store_holds_all_that_was_acknowledged),
      IN_FOLDER(a_start_cut_short_leaves_nothing_in_the_way),
      IN_FOLDER(truncated_data_is_refused_with_advice),
      IN_FOLDER(the_hole_at_the_end_may_be_lost),
      IN_FOLDER(garbage_is_refused),
      IN_FOLDER(a_flipped_byte_is_noticed_by_every_read),
      IN_FOLDER(newer_schema_is_refused),
      IN_FOLDER(older_schema_is_brought_forward),
      IN_FOLDER(a_second_opener_is_refused_and_told_who_has_it),
      IN_FOLDER(a_copied_folder_has_another_identity),
      IN_FOLDER(the_map_grows_while_the_loop_reads),
      IN_FOLDER(a_full_disk_holds_the_commit_until_there_is_room),
      IN_FOLDER(relaxed_merges_ticks_and_still_waits_for_the_disk),
      IN_FOLDER(relaxed_commits_at_its_interval),
      IN_FOLDER(closing_commits_nothing_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
