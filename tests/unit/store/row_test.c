#include "store_support.h"

#include "store/backend.h"

/* The value as it is stored: with its checksum behind it. */
static size_t seal(enum hgl_db db, const char *key, struct hgl_bytes value, uint8_t *out)
{
  if (value.size) memcpy(out, value.data, value.size);
  hgl_row_checksum(db, hgl_text(key), value, out + value.size);
  return value.size + HGL_CHECKSUM_SIZE;
}

static void a_sealed_row_gives_its_value_back(void **state)
{
  struct hgl_err err = {0};
  uint8_t stored[64];
  struct hgl_bytes value;
  const struct hgl_bytes values[] = {{0}, hgl_text("x"), hgl_text("a value of some length")};
  for (size_t i = 0; i < 3; i++) {
    size_t size = seal(HGL_DB_STATE, "key", values[i], stored);
    assert_ok(hgl_row_check(HGL_DB_STATE, hgl_text("key"), hgl_bytes(stored, size), &value, &err));
    assert_true(hgl_bytes_equal(value, values[i]));
  }
}

static void every_flipped_bit_is_noticed(void **state)
{
  struct hgl_err err = {0};
  uint8_t stored[64];
  struct hgl_bytes value;
  size_t size = seal(HGL_DB_STATE, "key", hgl_text("value"), stored);
  for (size_t bit = 0; bit < size * 8; bit++) {
    stored[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_fails(HGL_CORRUPT, hgl_row_check(HGL_DB_STATE, hgl_text("key"), hgl_bytes(stored, size),
                                            &value, &err));
    stored[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  assert_ok(hgl_row_check(HGL_DB_STATE, hgl_text("key"), hgl_bytes(stored, size), &value, &err));
}

/* A row that got under another key or into another database is not that row. */
static void a_row_belongs_to_its_key_and_database(void **state)
{
  struct hgl_err err = {0};
  uint8_t stored[64];
  struct hgl_bytes value;
  size_t size = seal(HGL_DB_STATE, "key", hgl_text("value"), stored);
  assert_fails(HGL_CORRUPT,
               hgl_row_check(HGL_DB_STATE, hgl_text("kez"), hgl_bytes(stored, size), &value, &err));
  assert_fails(HGL_CORRUPT,
               hgl_row_check(HGL_DB_DEALS, hgl_text("key"), hgl_bytes(stored, size), &value, &err));
  /* Nor may bytes move from the key into the value. */
  size = seal(HGL_DB_STATE, "ke", hgl_text("yvalue"), stored);
  assert_fails(HGL_CORRUPT, hgl_row_check(HGL_DB_STATE, hgl_text("key"),
                                          hgl_bytes(stored + 1, size - 1), &value, &err));
}

static void what_is_too_short_for_a_checksum_is_damaged(void **state)
{
  struct hgl_err err = {0};
  uint8_t stored[HGL_CHECKSUM_SIZE] = {0};
  for (size_t size = 0; size < sizeof stored; size++) {
    struct hgl_bytes value = hgl_text("untouched");
    assert_fails(HGL_CORRUPT, hgl_row_check(HGL_DB_STATE, hgl_text("key"), hgl_bytes(stored, size),
                                            &value, &err));
    assert_true(hgl_bytes_is(value, "untouched"));
  }
  assert_non_null(strstr(err.message, "state"));
}

/* The names stand in every file on disk: each database has one of its own. */
static void every_database_has_a_name_of_its_own(void **state)
{
  for (int db = 0; db < HGL_DB_COUNT; db++) {
    assert_non_null(hgl_db_name((enum hgl_db)db));
    for (int other = 0; other < db; other++)
      assert_string_not_equal(hgl_db_name((enum hgl_db)db), hgl_db_name((enum hgl_db)other));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_sealed_row_gives_its_value_back),
      cmocka_unit_test(every_flipped_bit_is_noticed),
      cmocka_unit_test(a_row_belongs_to_its_key_and_database),
      cmocka_unit_test(what_is_too_short_for_a_checksum_is_damaged),
      cmocka_unit_test(every_database_has_a_name_of_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
