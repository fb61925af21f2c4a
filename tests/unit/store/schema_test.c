#include "store_support.h"

#include <signal.h>
#include <sys/wait.h>

#include "store/schema.h"

static struct hgl_err err;

static struct hgl_backend *backend_with(const char *const (*rows)[2], size_t count)
{
  struct hgl_backend *backend;
  struct hgl_writeset *set;
  const struct hgl_row *sorted[8];
  assert_ok(hgl_backend_memory_open(&backend, &err));
  assert_ok(hgl_writeset_create(&set, &err));
  for (size_t i = 0; i < count; i++)
    assert_ok(
        hgl_writeset_put(set, HGL_DB_DEALS, hgl_text(rows[i][0]), hgl_text(rows[i][1]), &err));
  hgl_writeset_sorted(set, sorted);
  assert_ok(backend->calls->apply(backend, sorted, count, &err));
  hgl_writeset_destroy(set);
  return backend;
}

static void expect_row(struct hgl_backend *backend, enum hgl_db db, const char *key,
                       struct hgl_bytes expected)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 100);
  assert_ok(backend->calls->get(backend, db, hgl_text(key), &out, &err));
  assert_true(hgl_bytes_equal(hgl_buf_bytes(&out), expected));
  hgl_buf_deinit(&out);
}

static void expect_version(struct hgl_backend *backend, uint32_t version)
{
  uint8_t number[8];
  hgl_put_be64(number, version);
  expect_row(backend, HGL_DB_META, "schema", hgl_bytes(number, sizeof number));
}

/* Appends one letter to the deal "a". */
static int append(struct hgl_backend *backend, struct hgl_writeset *changes, const char *letter,
                  struct hgl_err *why)
{
  struct hgl_buf value;
  hgl_buf_init(&value, 100);
  int status = backend->calls->get(backend, HGL_DB_DEALS, hgl_text("a"), &value, why);
  hgl_buf_append_text(&value, letter);
  if (status == 0)
    status = hgl_writeset_put(changes, HGL_DB_DEALS, hgl_text("a"), hgl_buf_bytes(&value), why);
  hgl_buf_deinit(&value);
  return status;
}

static int append_x(struct hgl_backend *backend, struct hgl_writeset *changes, struct hgl_err *why)
{
  return append(backend, changes, "x", why);
}

static int append_y(struct hgl_backend *backend, struct hgl_writeset *changes, struct hgl_err *why)
{
  return append(backend, changes, "y", why);
}

static int fail_step(struct hgl_backend *backend, struct hgl_writeset *changes, struct hgl_err *why)
{
  return hgl_fail(why, HGL_CORRUPT, "cannot read a deal");
}

static const char *const one_deal[][2] = {{"a", "deal"}};

static void migration_runs_each_step_once_and_in_order(void **state)
{
  static const struct hgl_migration steps[] = {{append_x}, {NULL}, {append_y}};
  struct hgl_backend *backend = backend_with(one_deal, 1);
  uint32_t was = 99;
  assert_ok(hgl_schema_migrate(backend, steps, 2, &was, &err));
  assert_int_equal(was, 0);
  expect_row(backend, HGL_DB_DEALS, "a", hgl_text("dealx"));
  expect_version(backend, 2);
  assert_ok(hgl_schema_migrate(backend, steps, 3, &was, &err));
  assert_int_equal(was, 2);
  assert_ok(hgl_schema_migrate(backend, steps, 3, &was, &err));
  assert_int_equal(was, 3);
  expect_row(backend, HGL_DB_DEALS, "a", hgl_text("dealxy"));
  expect_version(backend, 3);
  backend->calls->close(backend);
}

static void migration_goes_on_where_it_was_cut_short(void **state)
{
  static const struct hgl_migration broken[] = {{append_x}, {fail_step}};
  static const struct hgl_migration whole[] = {{append_x}, {append_y}};
  struct hgl_backend *backend = backend_with(one_deal, 1);
  uint32_t was = 99;
  assert_fails(HGL_CORRUPT, hgl_schema_migrate(backend, broken, 2, &was, &err));
  assert_int_equal(was, 99);
  expect_version(backend, 1);
  hgl_backend_memory_fault(backend, HGL_DISK_FULL, 1);
  assert_fails(HGL_DISK_FULL, hgl_schema_migrate(backend, whole, 2, &was, &err));
  expect_row(backend, HGL_DB_DEALS, "a", hgl_text("dealx"));
  assert_ok(hgl_schema_migrate(backend, whole, 2, &was, &err));
  assert_int_equal(was, 1);
  expect_row(backend, HGL_DB_DEALS, "a", hgl_text("dealxy"));
  backend->calls->close(backend);
}

static void newer_schema_is_refused(void **state)
{
  static const struct hgl_migration steps[] = {{NULL}, {NULL}};
  struct hgl_backend *backend = backend_with(one_deal, 1);
  uint32_t was;
  assert_ok(hgl_schema_migrate(backend, steps, 2, &was, &err));
  assert_fails(HGL_NEWER, hgl_schema_migrate(backend, steps, 1, &was, &err));
  expect_version(backend, 2);
  backend->calls->close(backend);
}

/* Deals as they stood in version 1: agent number ‖ id → [time ms, record]. */
static const char *const old_deals[][2] = {
    {"agent--1early", "\x82\x19\x03\xe8\xa0"}, /* 1000, {} */
    {"agent--1late", "\x82\x19\x0b\xb8\xa0"},  /* 3000 */
    {"agent--2one", "\x82\x19\x07\xd0\xa0"},   /* 2000 */
};

static void expect_place(struct hgl_backend *backend, uint64_t time_ms, const char *deal)
{
  uint8_t key[64];
  struct hgl_buf out;
  hgl_put_be64(key, time_ms);
  memcpy(key + 8, deal, strlen(deal));
  hgl_buf_init(&out, 100);
  assert_ok(backend->calls->get(backend, HGL_DB_DEAL_TIMES, hgl_bytes(key, 8 + strlen(deal)), &out,
                                &err));
  assert_int_equal(out.size, 0);
  hgl_buf_deinit(&out);
}

static size_t count_places(struct hgl_backend *backend)
{
  struct hgl_cursor cursor = {.backend = backend, .db = HGL_DB_DEAL_TIMES};
  struct hgl_entry entry;
  size_t count = 0;
  assert_ok(backend->calls->open_cursor(&cursor, &err));
  for (int found = backend->calls->first(&cursor, hgl_bytes(NULL, 0), &entry, &err); found;
       found = backend->calls->next(&cursor, &entry, &err)) {
    assert_int_equal(found, 1);
    count++;
  }
  backend->calls->close_cursor(&cursor);
  return count;
}

static void put_old_dialogue(struct hgl_backend *backend)
{
  struct hgl_writeset *set;
  const struct hgl_row *sorted[1];
  assert_ok(hgl_writeset_create(&set, &err));
  assert_ok(hgl_writeset_put(set, HGL_DB_DIALOGUES, hgl_text("thread"), hgl_text("state"), &err));
  hgl_writeset_sorted(set, sorted);
  assert_ok(backend->calls->apply(backend, sorted, 1, &err));
  hgl_writeset_destroy(set);
}

static void migration_from_versions_0_and_1_keeps_rows_and_adds_their_times(void **state)
{
  for (uint32_t from = 0; from < 2; from++) {
    struct hgl_backend *backend = backend_with(old_deals, 3);
    uint32_t was = 99;
    put_old_dialogue(backend);
    assert_ok(hgl_schema_migrate(backend, hgl_migrations, from, &was, &err));
    assert_ok(hgl_schema_migrate(backend, hgl_migrations, HGL_STORE_SCHEMA, &was, &err));
    assert_int_equal(was, from);
    expect_version(backend, HGL_STORE_SCHEMA);
    for (size_t i = 0; i < 3; i++)
      expect_row(backend, HGL_DB_DEALS, old_deals[i][0], hgl_text(old_deals[i][1]));
    expect_place(backend, 1000, "agent--1early");
    expect_place(backend, 2000, "agent--2one");
    expect_place(backend, 3000, "agent--1late");
    assert_int_equal(count_places(backend), 3);
    expect_row(backend, HGL_DB_DIALOGUES, "thread", hgl_bytes("state\0\0\0\0\0\0\0\0", 13));
    backend->calls->close(backend);
  }
}

static void migration_refuses_a_damaged_deal_and_changes_nothing(void **state)
{
  struct hgl_backend *backend = backend_with(one_deal, 1); /* no record at all */
  uint32_t was = 99;
  assert_fails(HGL_CORRUPT,
               hgl_schema_migrate(backend, hgl_migrations, HGL_STORE_SCHEMA, &was, &err));
  assert_int_equal(was, 99);
  expect_version(backend, 1);
  expect_row(backend, HGL_DB_DEALS, "a", hgl_text("deal"));
  assert_int_equal(count_places(backend), 0);
  backend->calls->close(backend);
}

/* A store on disk as programs before the current version left it: no row of the schema, and none of
 * the databases that came later. */
static void write_old_store(struct fixture *f, const char *const deal[2])
{
  char path[100];
  struct hgl_backend *backend;
  open_store(f);
  put(f, HGL_DB_DEALS, deal[0], deal[1]);
  put(f, HGL_DB_STATE, "b", "state");
  commit(f);
  drain(f);
  close_store(f);
  snprintf(path, sizeof path, "%s/data.mdb", f->folder);
  assert_ok(hgl_backend_lmdb_open(path, 1 << 20, &backend, &err));
  struct hgl_row row = {.db = HGL_DB_META, .kind = HGL_ROW_DELETE, .key = hgl_text("schema")};
  const struct hgl_row *rows[] = {&row};
  assert_ok(backend->calls->apply(backend, rows, 1, &err));
  backend->calls->close(backend);
}

static void a_store_on_disk_of_an_older_version_is_brought_forward(void **state)
{
  struct fixture *f = fixture_new(false);
  write_old_store(f, old_deals[0]);
  open_store(f);
  expect(f, HGL_DB_DEALS, old_deals[0][0], old_deals[0][1]);
  expect(f, HGL_DB_STATE, "b", "state");
  close_store(f);
  struct hgl_backend *backend;
  char path[100];
  snprintf(path, sizeof path, "%s/data.mdb", f->folder);
  assert_ok(hgl_backend_lmdb_open(path, 1 << 20, &backend, &err));
  expect_version(backend, HGL_STORE_SCHEMA);
  expect_place(backend, 1000, old_deals[0][0]);
  backend->calls->close(backend);
  fixture_free(f);
}

/* Ends the process in the middle: the changes of the step are there, its commit is not. */
static int die_in_step(struct hgl_backend *backend, struct hgl_writeset *changes,
                       struct hgl_err *why)
{
  if (append_y(backend, changes, why)) _exit(1);
  raise(SIGKILL);
  return 0;
}

static void a_migration_that_is_killed_goes_on_where_it_stood(void **state)
{
  static const struct hgl_migration deadly[] = {{append_x}, {die_in_step}, {append_x}};
  static const struct hgl_migration whole[] = {{append_x}, {append_y}, {append_x}};
  struct fixture *f = fixture_new(false);
  struct hgl_backend *backend;
  char path[100];
  uint32_t was = 99;
  int status;
  write_old_store(f, one_deal[0]);
  snprintf(path, sizeof path, "%s/data.mdb", f->folder);
  pid_t child = fork();
  if (child == 0) {
    struct hgl_err why;
    if (hgl_backend_lmdb_open(path, 1 << 20, &backend, &why)) _exit(2);
    _exit(hgl_schema_migrate(backend, deadly, 3, &was, &why) ? 3 : 4);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  assert_ok(hgl_backend_lmdb_open(path, 1 << 20, &backend, &err));
  expect_version(backend, 1);
  expect_row(backend, HGL_DB_DEALS, "a", hgl_text("dealx"));
  assert_ok(hgl_schema_migrate(backend, whole, 3, &was, &err));
  assert_int_equal(was, 1);
  expect_row(backend, HGL_DB_DEALS, "a", hgl_text("dealxyx"));
  backend->calls->close(backend);
  fixture_free(f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(migration_runs_each_step_once_and_in_order),
      cmocka_unit_test(migration_goes_on_where_it_was_cut_short),
      cmocka_unit_test(newer_schema_is_refused),
      cmocka_unit_test(migration_from_versions_0_and_1_keeps_rows_and_adds_their_times),
      cmocka_unit_test(migration_refuses_a_damaged_deal_and_changes_nothing),
      cmocka_unit_test(a_store_on_disk_of_an_older_version_is_brought_forward),
      cmocka_unit_test(a_migration_that_is_killed_goes_on_where_it_stood),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
