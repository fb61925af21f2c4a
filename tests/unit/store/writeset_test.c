#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/rows.h"
#include "store/store.h"

static struct hgl_err err;

static struct hgl_writeset *new_set(void)
{
  struct hgl_writeset *set;
  assert_ok(hgl_writeset_create(&set, &err));
  return set;
}

static void put(struct hgl_writeset *set, const char *key, const char *value)
{
  assert_ok(hgl_writeset_put(set, HGL_DB_STATE, hgl_text(key), hgl_text(value), &err));
}

static void put_new(struct hgl_writeset *set, const char *key, const char *value)
{
  assert_ok(hgl_writeset_put_new(set, HGL_DB_STATE, hgl_text(key), hgl_text(value), &err));
}

static void del(struct hgl_writeset *set, const char *key)
{
  assert_ok(hgl_writeset_delete(set, HGL_DB_STATE, hgl_text(key), &err));
}

static void expect(const struct hgl_writeset *set, const char *key, enum hgl_writeset_found found,
                   const char *value)
{
  struct hgl_bytes got = {0};
  assert_int_equal(hgl_writeset_get(set, HGL_DB_STATE, hgl_text(key), &got), found);
  if (value) assert_true(hgl_bytes_is(got, value));
}

/* The rows as they would be applied: "+key=value" or "-key". */
static void expect_rows(const struct hgl_writeset *set, const char *expected)
{
  const struct hgl_row *rows[64];
  char text[1024] = "";
  assert_true(hgl_writeset_count(set) <= 64);
  hgl_writeset_sorted(set, rows);
  for (size_t i = 0; i < hgl_writeset_count(set); i++) {
    size_t used = strlen(text);
    bool deletes = rows[i]->kind == HGL_ROW_DELETE;
    snprintf(text + used, sizeof text - used, "%s%c%.*s%s%.*s", i ? " " : "", deletes ? '-' : '+',
             HGL_STR(rows[i]->key), deletes ? "" : "=", HGL_STR(rows[i]->value));
  }
  assert_string_equal(text, expected);
}

static void writeset_keeps_the_last_word_on_a_key(void **state)
{
  struct hgl_writeset *set = new_set();
  put(set, "a", "1");
  put(set, "b", "2");
  put(set, "a", "three");
  del(set, "b");
  put(set, "c", "");
  expect(set, "a", HGL_WRITESET_PUT, "three");
  expect(set, "b", HGL_WRITESET_DELETED, NULL);
  expect(set, "c", HGL_WRITESET_PUT, "");
  expect(set, "d", HGL_WRITESET_UNKNOWN, NULL);
  assert_int_equal(hgl_writeset_count(set), 3);
  assert_int_equal(hgl_writeset_size(set), 1 + 5 + 1 + 1);
  expect_rows(set, "+a=three -b +c=");
  put(set, "b", "again");
  expect_rows(set, "+a=three +b=again +c=");
  hgl_writeset_destroy(set);
}

static void writeset_tells_databases_apart(void **state)
{
  struct hgl_writeset *set = new_set();
  put(set, "k", "state");
  assert_ok(hgl_writeset_put(set, HGL_DB_META, hgl_text("k"), hgl_text("meta"), &err));
  expect(set, "k", HGL_WRITESET_PUT, "state");
  expect_rows(set, "+k=meta +k=state");
  hgl_writeset_destroy(set);
}

static void writeset_put_new_and_delete_leaves_no_trace(void **state)
{
  struct hgl_writeset *set = new_set();
  put_new(set, "a", "1");
  put(set, "a", "2");
  del(set, "a");
  expect(set, "a", HGL_WRITESET_UNKNOWN, NULL);
  assert_int_equal(hgl_writeset_count(set), 0);
  assert_int_equal(hgl_writeset_size(set), 0);
  expect_rows(set, "");
  put_new(set, "a", "3");
  expect_rows(set, "+a=3");
  /* A key that the store may hold keeps its deletion, whatever is put in between. */
  del(set, "b");
  put_new(set, "b", "4");
  del(set, "b");
  expect_rows(set, "+a=3 -b");
  hgl_writeset_destroy(set);
}

static void writeset_merge_puts_one_over_the_other(void **state)
{
  struct hgl_writeset *tick = new_set(), *stretch = new_set();
  put(tick, "a", "1");
  put_new(tick, "b", "1");
  del(tick, "c");
  put(tick, "d", "1");
  put(stretch, "a", "2");
  del(stretch, "b");
  put_new(stretch, "c", "2");
  put_new(stretch, "e", "2");
  put_new(stretch, "f", "2");
  del(stretch, "f");
  assert_ok(hgl_writeset_merge(tick, stretch, &err));
  expect_rows(tick, "+a=2 +c=2 +d=1 +e=2");
  assert_int_equal(hgl_writeset_count(stretch), 0);
  expect(stretch, "a", HGL_WRITESET_UNKNOWN, NULL);
  del(stretch, "c"); /* the store held it before the tick */
  del(stretch, "e"); /* the store did not */
  assert_ok(hgl_writeset_merge(tick, stretch, &err));
  expect_rows(tick, "+a=2 -c +d=1");
  hgl_writeset_destroy(stretch);
  expect_rows(tick, "+a=2 -c +d=1");
  hgl_writeset_destroy(tick);
}

static void writeset_merge_into_an_empty_set_moves_all(void **state)
{
  struct hgl_writeset *tick = new_set(), *stretch = new_set();
  put(stretch, "a", "1");
  assert_ok(hgl_writeset_merge(tick, stretch, &err));
  expect_rows(tick, "+a=1");
  expect_rows(stretch, "");
  assert_ok(hgl_writeset_merge(tick, stretch, &err));
  expect_rows(tick, "+a=1");
  hgl_writeset_destroy(tick);
  hgl_writeset_destroy(stretch);
}

static void writeset_takes_the_longest_key_and_value_and_not_one_byte_more(void **state)
{
  struct hgl_writeset *set = new_set();
  uint8_t *bytes = calloc(1, HGL_STORE_VALUE_SIZE_MAX + 1);
  struct hgl_bytes key = hgl_bytes(bytes, HGL_STORE_KEY_SIZE_MAX);
  struct hgl_bytes value = hgl_bytes(bytes, HGL_STORE_VALUE_SIZE_MAX), got;
  assert_ok(hgl_writeset_put(set, HGL_DB_STATE, key, value, &err));
  assert_int_equal(hgl_writeset_get(set, HGL_DB_STATE, key, &got), HGL_WRITESET_PUT);
  assert_true(hgl_bytes_equal(got, value));
  key.size++;
  assert_fails(HGL_INVALID, hgl_writeset_put(set, HGL_DB_STATE, key, hgl_text(""), &err));
  assert_fails(HGL_INVALID, hgl_writeset_delete(set, HGL_DB_STATE, key, &err));
  value.size++;
  assert_fails(HGL_INVALID, hgl_writeset_put(set, HGL_DB_STATE, hgl_text("k"), value, &err));
  assert_fails(HGL_INVALID,
               hgl_writeset_put_new(set, HGL_DB_STATE, hgl_text(""), hgl_text(""), &err));
  assert_int_equal(hgl_writeset_count(set), 1);
  free(bytes);
  hgl_writeset_destroy(set);
}

static void writeset_clear_forgets_everything_many_times(void **state)
{
  struct hgl_writeset *set = new_set();
  char key[16];
  for (int round = 0; round < 300; round++) {
    for (int i = 0; i < 50; i++) {
      snprintf(key, sizeof key, "%d", i + round);
      expect(set, key, HGL_WRITESET_UNKNOWN, NULL);
      put(set, key, "value");
    }
    assert_int_equal(hgl_writeset_count(set), 50);
    hgl_writeset_clear(set);
    assert_int_equal(hgl_writeset_count(set), 0);
  }
  hgl_writeset_destroy(set);
}

static void expect_seek(struct hgl_writeset *set, const char *bound, enum hgl_seek how,
                        const char *expected)
{
  const struct hgl_row *row = hgl_writeset_seek(set, HGL_DB_STATE, hgl_text(bound), how);
  if (!expected)
    assert_null(row);
  else if (!row || !hgl_bytes_is(row->key, expected))
    fail_msg("from '%s': expected '%s'", bound, expected);
}

static void writeset_seek_finds_neighbours_while_rows_come(void **state)
{
  struct hgl_writeset *set = new_set();
  expect_seek(set, "", HGL_SEEK_FROM, NULL);
  expect_seek(set, "", HGL_SEEK_BEFORE, NULL);
  assert_ok(hgl_writeset_put(set, HGL_DB_META, hgl_text("z"), hgl_text(""), &err));
  assert_ok(hgl_writeset_put(set, HGL_DB_MAILBOX, hgl_text("a"), hgl_text(""), &err));
  expect_seek(set, "", HGL_SEEK_FROM, NULL);
  expect_seek(set, "", HGL_SEEK_BEFORE, NULL);
  put(set, "m", "");
  put(set, "c", "");
  expect_seek(set, "", HGL_SEEK_FROM, "c");
  expect_seek(set, "c", HGL_SEEK_FROM, "c");
  expect_seek(set, "c", HGL_SEEK_AFTER, "m");
  expect_seek(set, "m", HGL_SEEK_AFTER, NULL);
  expect_seek(set, "", HGL_SEEK_BEFORE, "m");
  expect_seek(set, "m", HGL_SEEK_BEFORE, "c");
  put_new(set, "d", "");
  expect_seek(set, "c", HGL_SEEK_AFTER, "d");
  del(set, "d"); /* never was */
  expect_seek(set, "c", HGL_SEEK_AFTER, "m");
  expect_seek(set, "m", HGL_SEEK_BEFORE, "c");
  del(set, "c"); /* a deletion is a row */
  expect_seek(set, "", HGL_SEEK_FROM, "c");
  hgl_writeset_destroy(set);
}

static void writeset_order_is_the_same_however_it_is_asked(void **state)
{
  /* New rows come one by one and in lots; every key is found in place. */
  struct hgl_writeset *set = new_set();
  uint32_t random = 1;
  for (int i = 0; i < 2000; i++) {
    random = random * 1664525 + 1013904223;
    uint8_t key[4] = {(uint8_t)(random >> 24), (uint8_t)(random >> 16), 0, 0};
    assert_ok(hgl_writeset_put(set, HGL_DB_STATE, hgl_bytes(key, 2), hgl_text("v"), &err));
    if (i < 200 || i % 300 == 0) hgl_writeset_seek(set, HGL_DB_STATE, hgl_text(""), HGL_SEEK_FROM);
  }
  size_t count = hgl_writeset_count(set);
  const struct hgl_row **rows = calloc(count, sizeof *rows);
  hgl_writeset_sorted(set, rows);
  const struct hgl_row *row = hgl_writeset_seek(set, HGL_DB_STATE, hgl_text(""), HGL_SEEK_FROM);
  for (size_t i = 0; i < count; i++) {
    assert_ptr_equal(row, rows[i]);
    if (i) assert_true(hgl_bytes_compare(rows[i - 1]->key, rows[i]->key) < 0);
    if (i) {
      const struct hgl_row *back = hgl_writeset_seek(set, HGL_DB_STATE, row->key, HGL_SEEK_BEFORE);
      assert_ptr_equal(back, rows[i - 1]);
    }
    row = hgl_writeset_seek(set, HGL_DB_STATE, row->key, HGL_SEEK_AFTER);
  }
  assert_null(row);
  free(rows);
  hgl_writeset_destroy(set);
}

static void writeset_survives_a_failed_allocation_unchanged(void **state)
{
  for (long fail_at = 0; fail_at < 40; fail_at++) {
    struct hgl_writeset *into = new_set(), *from = new_set();
    char key[16];
    put(into, "a", "kept");
    for (int i = 0; i < 20; i++) {
      snprintf(key, sizeof key, "k%d", i);
      put(from, key, "value");
    }
    hgl_mem_fail_after(fail_at);
    int merged = hgl_writeset_merge(into, from, &err);
    hgl_mem_fail_after(-1);
    assert_int_equal(merged, fail_at < 3 ? -HGL_NO_MEMORY : 0);
    assert_int_equal(hgl_writeset_count(into), merged ? 1 : 21);
    assert_int_equal(hgl_writeset_count(from), merged ? 20 : 0);
    expect(merged ? from : into, "k19", HGL_WRITESET_PUT, "value");

    hgl_mem_fail_after(fail_at);
    int stored = 0;
    for (; stored < 1000; stored++) {
      snprintf(key, sizeof key, "n%d", stored);
      if (hgl_writeset_put(from, HGL_DB_STATE, hgl_text(key), hgl_text("some value"), &err)) break;
    }
    hgl_mem_fail_after(-1);
    assert_int_equal(hgl_writeset_count(from), stored + (merged ? 20 : 0));
    for (int i = 0; i < stored; i++) {
      snprintf(key, sizeof key, "n%d", i);
      expect(from, key, HGL_WRITESET_PUT, "some value");
    }
    hgl_writeset_destroy(into);
    hgl_writeset_destroy(from);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writeset_keeps_the_last_word_on_a_key),
      cmocka_unit_test(writeset_tells_databases_apart),
      cmocka_unit_test(writeset_put_new_and_delete_leaves_no_trace),
      cmocka_unit_test(writeset_merge_puts_one_over_the_other),
      cmocka_unit_test(writeset_merge_into_an_empty_set_moves_all),
      cmocka_unit_test(writeset_takes_the_longest_key_and_value_and_not_one_byte_more),
      cmocka_unit_test(writeset_clear_forgets_everything_many_times),
      cmocka_unit_test(writeset_seek_finds_neighbours_while_rows_come),
      cmocka_unit_test(writeset_order_is_the_same_however_it_is_asked),
      cmocka_unit_test(writeset_survives_a_failed_allocation_unchanged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
