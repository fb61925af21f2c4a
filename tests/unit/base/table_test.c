#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"

struct record {
  int number;
  uint8_t key[6]; /* not at the beginning, not aligned */
};

enum { RECORDS = 1000 };

static struct record records[RECORDS];

static void number_records(void)
{
  for (int i = 0; i < RECORDS; i++) {
    records[i].number = i;
    memcpy(records[i].key, &i, sizeof i);
  }
}

static void init(struct hgl_table *table, uint64_t seed)
{
  hgl_table_init(table, offsetof(struct record, key), sizeof records->key, seed, 2);
}

static void fill(struct hgl_table *table, int count)
{
  struct hgl_err err = {0};
  for (int i = 0; i < count; i++) {
    assert_ok(hgl_table_reserve(table, &err));
    assert_null(hgl_table_put(table, &records[i]));
  }
}

static void table_finds_what_was_put_and_nothing_else(void **state)
{
  struct hgl_table table;
  number_records();
  init(&table, 1);
  assert_null(hgl_table_get(&table, records[0].key));
  fill(&table, RECORDS - 1);
  assert_int_equal(table.count, RECORDS - 1);
  for (int i = 0; i < RECORDS - 1; i++)
    assert_ptr_equal(hgl_table_get(&table, records[i].key), &records[i]);
  assert_null(hgl_table_get(&table, records[RECORDS - 1].key));
  hgl_table_deinit(&table);
}

static void table_removal_keeps_every_other_record_reachable(void **state)
{
  number_records();
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct hgl_table table;
    init(&table, seed);
    assert_null(hgl_table_remove(&table, records[0].key));
    fill(&table, 400);
    for (int i = 0; i < 400; i += 3)
      assert_ptr_equal(hgl_table_remove(&table, records[i].key), &records[i]);
    assert_null(hgl_table_remove(&table, records[0].key));
    size_t seen = 0;
    for (size_t at = 0; hgl_table_next(&table, &at);) seen++;
    assert_int_equal(seen, table.count);
    for (int i = 0; i < 400; i++)
      assert_ptr_equal(hgl_table_get(&table, records[i].key), i % 3 ? &records[i] : NULL);
    hgl_table_deinit(&table);
  }
}

static void table_puts_a_record_in_the_place_of_another_with_its_key(void **state)
{
  struct hgl_table table;
  struct record other;
  number_records();
  init(&table, 1);
  fill(&table, 6); /* all that eight places hold: replacing needs no room */
  other = records[3];
  assert_ptr_equal(hgl_table_put(&table, &other), &records[3]);
  assert_ptr_equal(hgl_table_get(&table, records[3].key), &other);
  assert_int_equal(table.count, 6);
  hgl_table_deinit(&table);
}

static void table_survives_a_failed_allocation_unchanged(void **state)
{
  struct hgl_err err = {0};
  struct hgl_table table;
  number_records();
  init(&table, 1);
  fill(&table, 6);
  hgl_mem_fail_after(0);
  assert_fails(HGL_NO_MEMORY, hgl_table_reserve(&table, &err));
  hgl_mem_fail_after(-1);
  for (int i = 0; i < 6; i++) assert_ptr_equal(hgl_table_get(&table, records[i].key), &records[i]);
  assert_int_equal(table.count, 6);
  hgl_table_deinit(&table);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(table_finds_what_was_put_and_nothing_else),
      cmocka_unit_test(table_removal_keeps_every_other_record_reachable),
      cmocka_unit_test(table_puts_a_record_in_the_place_of_another_with_its_key),
      cmocka_unit_test(table_survives_a_failed_allocation_unchanged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
