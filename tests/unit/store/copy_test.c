#include "store_support.h"

#include <pthread.h>
#include <sys/stat.h>

enum { ROUNDS = 300, ROWS = 40, COPIES = 5, LONG_MS = 60000 };

static const atomic_bool never;

static int set_up(void **state)
{
  *state = fixture_new(false);
  return 0;
}

static int tear_down(void **state)
{
  fixture_free(*state);
  return 0;
}

static const char *path_in(const struct fixture *f, const char *name)
{
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", f->folder, name);
  return path;
}

/* As a host would find it: under the name of a data file in a folder of its own. */
static void open_copy(const struct fixture *f, const char *copy, struct fixture *out)
{
  char data[128];
  memset(out, 0, sizeof *out);
  snprintf(out->folder, sizeof out->folder, "%s/%s-data", f->folder, copy);
  assert_int_equal(mkdir(out->folder, 0700), 0);
  snprintf(data, sizeof data, "%s/data.mdb", out->folder);
  assert_int_equal(rename(path_in(f, copy), data), 0);
  out->config = f->config;
  out->config.folder = out->folder;
  open_store(out);
}

static void a_copy_holds_what_is_durable_and_a_mark(void **state)
{
  struct fixture *f = *state, copy;
  struct hgl_err err = {0};
  struct stat file;
  open_store(f);
  put(f, HGL_DB_STATE, "a", "1");
  commit(f);
  drain(f);
  put(f, HGL_DB_STATE, "a", "2"); /* is not */
  assert_ok(hgl_store_copy(f->store, path_in(f, "copy"), LONG_MS, &never, &err));
  assert_int_equal(stat(path_in(f, "copy"), &file), 0);
  assert_int_equal(file.st_mode & 0777, 0600);
  assert_int_equal(access(path_in(f, "copy-lock"), F_OK), -1);
  expect(f, HGL_DB_META, "copied", NULL);
  commit(f);
  drain(f);
  expect(f, HGL_DB_STATE, "a", "2");
  open_copy(f, "copy", &copy);
  expect(&copy, HGL_DB_STATE, "a", "1");
  expect(&copy, HGL_DB_META, "copied", "\1");
  put(&copy, HGL_DB_STATE, "a", "3");
  commit(&copy);
  drain(&copy);
  close_store(&copy);
}

struct copying {
  const struct fixture *f;
  atomic_int made;
};

static void *copy_again_and_again(void *user)
{
  struct copying *copying = user;
  for (int i = 0; i < COPIES; i++) {
    struct hgl_err err = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/copy-%d", copying->f->folder, i);
    assert_ok(hgl_store_copy(copying->f->store, path, LONG_MS, &never, &err));
    atomic_fetch_add(&copying->made, 1);
  }
  return NULL;
}

struct sums {
  size_t rows;
  unsigned long least, most;
};

static int add_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct sums *sums = user;
  unsigned long round = strtoul((const char *)value.data, NULL, 10);
  if (!sums->rows++ || round < sums->least) sums->least = round;
  if (round > sums->most) sums->most = round;
  return 0;
}

/* Every row of two databases is rewritten in each commit, while the map grows: a copy that mixed
 * two states would hold rows of two rounds. */
static void copies_made_while_the_store_is_written_hold_one_state_each(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct copying copying = {.f = f};
  pthread_t thread;
  char key[32], *value = malloc(20000);
  assert_non_null(value);
  assert_ok(hgl_store_open_sized(&f->config, 1 << 20, &f->store, &err));
  for (int round = 0; round < ROUNDS || atomic_load(&copying.made) < COPIES; round++) {
    memset(value, 'x', 19999);
    value[19999] = 0;
    value[snprintf(value, 32, "%d", round)] = ' ';
    for (int i = 0; i < ROWS; i++) {
      snprintf(key, sizeof key, "row %03d", i);
      put(f, i % 2 ? HGL_DB_STATE : HGL_DB_TIMERS, key, value);
    }
    commit(f);
    drain(f);
    if (round == 0)
      assert_int_equal(pthread_create(&thread, NULL, copy_again_and_again, &copying), 0);
  }
  pthread_join(thread, NULL);
  free(value);
  for (int i = 0; i < COPIES; i++) {
    struct fixture copy;
    struct sums sums = {0};
    const struct hgl_bytes none = {0};
    snprintf(key, sizeof key, "copy-%d", i);
    open_copy(f, key, &copy);
    assert_ok(hgl_store_scan(copy.store, HGL_DB_STATE, none, none, false, add_row, &sums, &err));
    assert_ok(hgl_store_scan(copy.store, HGL_DB_TIMERS, none, none, false, add_row, &sums, &err));
    assert_int_equal(sums.rows, ROWS);
    assert_int_equal(sums.least, sums.most);
    close_store(&copy);
  }
}

static void a_copy_that_fails_leaves_no_file(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  atomic_bool cancelled = true;
  open_store(f);
  for (int i = 0; i < 2000; i++) {
    char key[32];
    snprintf(key, sizeof key, "row %d", i);
    put(f, HGL_DB_STATE, key, "something to copy");
  }
  commit(f);
  drain(f);
  assert_fails(HGL_TIMEOUT, hgl_store_copy(f->store, path_in(f, "copy"), 0, &never, &err));
  assert_int_equal(access(path_in(f, "copy"), F_OK), -1);
  assert_fails(HGL_CLOSED, hgl_store_copy(f->store, path_in(f, "copy"), LONG_MS, &cancelled, &err));
  assert_int_equal(access(path_in(f, "copy"), F_OK), -1);
  assert_fails(HGL_IO, hgl_store_copy(f->store, path_in(f, "no/such"), LONG_MS, &never, &err));
  FILE *file = fopen(path_in(f, "taken"), "w");
  assert_non_null(file);
  fclose(file);
  assert_fails(HGL_EXISTS, hgl_store_copy(f->store, path_in(f, "taken"), LONG_MS, &never, &err));
  assert_int_equal(access(path_in(f, "taken"), F_OK), 0); /* not ours to remove */
}

/* The inode of a file that is gone is often given to the next one. */
static void a_file_that_is_put_back_in_its_place_is_told_from_the_one_before(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_buf before, after;
  static uint8_t content[1 << 20];
  hgl_buf_init(&before, 1024);
  hgl_buf_init(&after, 1024);
  open_store(f);
  put(f, HGL_DB_STATE, "a", "1");
  commit(f);
  drain(f);
  assert_ok(hgl_store_identity(f->store, &before, &err));
  close_store(f);
  open_store(f);
  assert_ok(hgl_store_identity(f->store, &after, &err));
  assert_true(hgl_bytes_equal(hgl_buf_bytes(&before), hgl_buf_bytes(&after)));
  close_store(f);
  FILE *file = fopen(path_in(f, "data.mdb"), "rb");
  assert_non_null(file);
  size_t size = fread(content, 1, sizeof content, file);
  fclose(file);
  for (int i = 0; i < 8; i++) {
    assert_int_equal(unlink(path_in(f, "data.mdb")), 0);
    file = fopen(path_in(f, "data.mdb"), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    assert_int_equal(ftruncate(fileno(file), 64 << 20), 0);
    fclose(file);
    hgl_buf_clear(&after);
    open_store(f);
    expect(f, HGL_DB_STATE, "a", "1");
    assert_ok(hgl_store_identity(f->store, &after, &err));
    assert_false(hgl_bytes_equal(hgl_buf_bytes(&before), hgl_buf_bytes(&after)));
    close_store(f);
  }
  hgl_buf_deinit(&before);
  hgl_buf_deinit(&after);
}

static void a_store_in_memory_is_not_copied(void **state)
{
  struct fixture *f = fixture_new(true);
  struct hgl_err err = {0};
  open_store(f);
  assert_fails(HGL_INVALID, hgl_store_copy(f->store, "/tmp/none", LONG_MS, &never, &err));
  fixture_free(f);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      IN_FOLDER(a_copy_holds_what_is_durable_and_a_mark),
      IN_FOLDER(copies_made_while_the_store_is_written_hold_one_state_each),
      IN_FOLDER(a_copy_that_fails_leaves_no_file),
      IN_FOLDER(a_file_that_is_put_back_in_its_place_is_told_from_the_one_before),
      cmocka_unit_test(a_store_in_memory_is_not_copied),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
