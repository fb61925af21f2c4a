#include "store_support.h"

#include "store/scan.h"

/* A backend of memory with stored rows, and two sets over it: the newer hides the older. */
struct layers {
  struct hgl_backend *backend;
  struct hgl_writeset *newer, *older;
  struct hgl_scan scan;
};

static struct hgl_err err;

static void set_rows(struct hgl_writeset *set, const char *rows)
{
  for (; *rows; rows += rows[1] == '-' ? 2 : 3) { /* "a=1b-": puts a, deletes b */
    struct hgl_bytes key = hgl_bytes(rows, 1);
    if (rows[1] == '-')
      assert_ok(hgl_writeset_delete(set, HGL_DB_STATE, key, &err));
    else
      assert_ok(hgl_writeset_put(set, HGL_DB_STATE, key, hgl_bytes(rows + 2, 1), &err));
  }
}

static void begin(struct layers *layers, const char *stored, const char *older, const char *newer)
{
  struct hgl_writeset *set;
  const struct hgl_row *sorted[32];
  assert_ok(hgl_backend_memory_open(&layers->backend, &err));
  assert_ok(hgl_writeset_create(&set, &err));
  set_rows(set, stored);
  hgl_writeset_sorted(set, sorted);
  assert_ok(layers->backend->calls->apply(layers->backend, sorted, hgl_writeset_count(set), &err));
  hgl_writeset_destroy(set);
  assert_ok(hgl_writeset_create(&layers->older, &err));
  assert_ok(hgl_writeset_create(&layers->newer, &err));
  set_rows(layers->older, older);
  set_rows(layers->newer, newer);
  layers->scan = (struct hgl_scan){.backend = layers->backend,
                                   .sets = {layers->newer, layers->older},
                                   .set_count = 2,
                                   .db = HGL_DB_STATE};
}

static void end(struct layers *layers)
{
  hgl_writeset_destroy(layers->newer);
  hgl_writeset_destroy(layers->older);
  layers->backend->calls->close(layers->backend);
}

struct seen {
  char text[128];
  struct hgl_writeset *set; /* changed by the visitor at 'c', or NULL */
  const char *change;
  char stop_at;
};

static int see(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *why)
{
  struct seen *seen = user;
  size_t size = strlen(seen->text);
  snprintf(seen->text + size, sizeof seen->text - size, "%.*s=%.*s ", HGL_STR(key), HGL_STR(value));
  if (seen->set && key.data[0] == 'c') set_rows(seen->set, seen->change);
  if (seen->stop_at && key.data[0] == (uint8_t)seen->stop_at) return 7;
  return 0;
}

static void expect_walk(struct layers *layers, bool backwards, const char *from,
                        const char *expected)
{
  struct seen seen = {.stop_at = 0};
  layers->scan.backwards = backwards;
  layers->scan.from = hgl_text(from);
  assert_ok(hgl_scan_run(&layers->scan, see, &seen, &err));
  assert_string_equal(seen.text, expected);
}

static void the_newest_word_on_a_key_counts(void **state)
{
  struct layers layers;
  begin(&layers, "a=1b=1c=1d=1e=1", "b=2c-d-f=2", "c=3d=3f-g=3");
  expect_walk(&layers, false, "", "a=1 b=2 c=3 d=3 e=1 g=3 ");
  expect_walk(&layers, true, "", "g=3 e=1 d=3 c=3 b=2 a=1 ");
  expect_walk(&layers, false, "c", "c=3 d=3 e=1 g=3 ");
  expect_walk(&layers, true, "d", "c=3 b=2 a=1 "); /* below it */
  expect_walk(&layers, false, "f", "g=3 ");        /* of a deleted row: behind it */
  expect_walk(&layers, true, "a", "");
  expect_walk(&layers, false, "h", "");
  end(&layers);
}

static void rows_only_stored_or_only_in_sets_are_seen(void **state)
{
  struct layers layers;
  begin(&layers, "", "", "");
  expect_walk(&layers, false, "", "");
  expect_walk(&layers, true, "", "");
  end(&layers);
  begin(&layers, "", "b=2", "a=3");
  expect_walk(&layers, false, "", "a=3 b=2 ");
  end(&layers);
  begin(&layers, "a=1b=1", "a-b-", "");
  expect_walk(&layers, false, "", "");
  expect_walk(&layers, true, "", "");
  end(&layers);
}

static void a_visitor_may_change_what_lies_ahead_and_behind(void **state)
{
  for (int backwards = 0; backwards < 2; backwards++) {
    struct layers layers;
    begin(&layers, "a=1b=1c=1d=1e=1", "", "");
    struct seen seen = {"", layers.newer, "b-d-a=9e=9f=9c=9", 0};
    layers.scan.backwards = backwards;
    assert_ok(hgl_scan_run(&layers.scan, see, &seen, &err));
    assert_string_equal(seen.text, backwards ? "e=1 d=1 c=1 a=9 " : "a=1 b=1 c=1 e=9 f=9 ");
    end(&layers);
  }
}

static void what_the_visitor_returns_ends_the_walk(void **state)
{
  struct layers layers;
  begin(&layers, "a=1b=1c=1", "", "");
  struct seen seen = {.stop_at = 'b'};
  assert_int_equal(hgl_scan_run(&layers.scan, see, &seen, &err), 7);
  assert_string_equal(seen.text, "a=1 b=1 ");
  end(&layers);
}

static void a_prefix_bounds_both_directions(void **state)
{
  struct layers layers;
  static const char *const keys[] = {"a\xff", "b", "b1", "b\xff", "b\xff\xff", "c"};
  begin(&layers, "", "", "");
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    assert_ok(hgl_writeset_put(i % 2 ? layers.newer : layers.older, HGL_DB_STATE, hgl_text(keys[i]),
                               hgl_text("v"), &err));
  layers.scan.prefix = hgl_text("b");
  expect_walk(&layers, false, "", "b=v b1=v b\xff=v b\xff\xff=v ");
  expect_walk(&layers, true, "", "b\xff\xff=v b\xff=v b1=v b=v ");
  expect_walk(&layers, false, "a", "b=v b1=v b\xff=v b\xff\xff=v "); /* from before the prefix */
  expect_walk(&layers, true, "z", "b\xff\xff=v b\xff=v b1=v b=v ");
  expect_walk(&layers, false, "c", "");
  expect_walk(&layers, true, "b", "");
  layers.scan.prefix = hgl_text("b\xff");
  expect_walk(&layers, true, "", "b\xff\xff=v b\xff=v ");
  end(&layers);
}

/* Against a plain model: every subset of five keys in each layer would be too many, so at random.
 */
static void a_walk_agrees_with_a_model(void **state)
{
  uint32_t seed = 12345;
  for (int round = 0; round < 300; round++) {
    char layer[3][64] = {"", "", ""}, model[128] = "", reverse[128] = "";
    struct layers layers;
    for (int key = 'a'; key <= 'h'; key++) {
      char value = 0;
      for (int i = 0; i < 3; i++) {
        seed = seed * 1664525 + 1013904223;
        unsigned choice = (seed >> 16) % 3; /* nothing, put, delete */
        size_t size = strlen(layer[i]);
        if (choice == 1) snprintf(layer[i] + size, 8, "%c=%d", key, i);
        if (choice == 2 && i > 0) snprintf(layer[i] + size, 8, "%c-", key);
        if (choice == 1) value = (char)('0' + i);
        if (choice == 2 && i > 0) value = 0;
      }
      char entry[8] = "", before[128], after[128];
      if (value) snprintf(entry, sizeof entry, "%c=%c ", key, value);
      snprintf(before, sizeof before, "%s%s", model, entry);
      snprintf(after, sizeof after, "%s%s", entry, reverse);
      memcpy(model, before, sizeof model);
      memcpy(reverse, after, sizeof reverse);
    }
    begin(&layers, layer[0], layer[1], layer[2]);
    expect_walk(&layers, false, "", model);
    expect_walk(&layers, true, "", reverse);
    end(&layers);
  }
}

static void want_of_memory_is_an_error(void **state)
{
  struct layers layers;
  int status = -1;
  begin(&layers, "a=1b=1", "c=2", "d=3");
  for (int i = 0; status != 0 && i < 50; i++) {
    struct seen seen = {.stop_at = 0};
    hgl_mem_fail_after(i);
    status = hgl_scan_run(&layers.scan, see, &seen, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    if (!status) assert_string_equal(seen.text, "a=1 b=1 c=2 d=3 ");
  }
  assert_int_equal(status, 0);
  end(&layers);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_newest_word_on_a_key_counts),
      cmocka_unit_test(rows_only_stored_or_only_in_sets_are_seen),
      cmocka_unit_test(a_visitor_may_change_what_lies_ahead_and_behind),
      cmocka_unit_test(what_the_visitor_returns_ends_the_walk),
      cmocka_unit_test(a_prefix_bounds_both_directions),
      cmocka_unit_test(a_walk_agrees_with_a_model),
      cmocka_unit_test(want_of_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
