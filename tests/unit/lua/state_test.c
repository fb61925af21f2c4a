#include "state_fixture.h"

/* Tables ------------------------------------------------------------------------------------ */

static void state_orders_integers_before_text(void **arg)
{
  struct fixture *f = *arg;
  assert_ok(put(f->root, "b", int_value(1)));
  assert_ok(put(f->root, "ab", int_value(2)));
  assert_ok(put(f->root, "", int_value(3)));
  assert_ok(put_at(f->root, 5, int_value(4)));
  assert_ok(put_at(f->root, -7, int_value(5)));
  assert_text(f->root, "{-7=5,5=4,=3,ab=2,b=1,}");
  reload(f);
  assert_text(f->root, "{-7=5,5=4,=3,ab=2,b=1,}");
}

static void state_keeps_every_kind_of_value(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *list = NULL;
  assert_ok(hgl_state_table(f->state, &list, &err));
  hgl_state_mark_list(list);
  assert_ok(put(f->root, "list", table_value(list)));
  hgl_state_release(list);
  add(f->root, "map", 0);
  assert_ok(put(at(f->root, "map").node, "n", nil));
  assert_ok(put(f->root, "null", (struct hgl_state_value){.kind = HGL_STATE_NULL}));
  assert_ok(put(f->root, "yes", (struct hgl_state_value){.kind = HGL_STATE_BOOL, .boolean = true}));
  assert_ok(put(f->root, "int", int_value(INT64_MIN)));
  assert_ok(
      put(f->root, "number", (struct hgl_state_value){.kind = HGL_STATE_DOUBLE, .number = 1.0}));
  assert_ok(put(f->root, "text", text_value("")));
  assert_ok(
      put(f->root, "bytes",
          (struct hgl_state_value){.kind = HGL_STATE_BYTES, .bytes = hgl_bytes("\xff\0", 2)}));
  for (int i = 0; i < 2; i++, reload(f)) {
    assert_true(hgl_state_is_list(at(f->root, "list").node));
    assert_false(hgl_state_is_list(at(f->root, "map").node));
    assert_int_equal(at(f->root, "null").kind, HGL_STATE_NULL);
    assert_true(at(f->root, "yes").boolean);
    assert_true(at(f->root, "int").integer == INT64_MIN);
    assert_int_equal(at(f->root, "number").kind, HGL_STATE_DOUBLE);
    assert_true(at(f->root, "number").number == 1.0);
    assert_int_equal(at(f->root, "text").kind, HGL_STATE_TEXT);
    assert_true(hgl_bytes_equal(at(f->root, "bytes").bytes, hgl_bytes("\xff\0", 2)));
    assert_int_equal(at(f->root, "missing").kind, HGL_STATE_NIL);
  }
}

static void state_length_is_the_border_of_the_run_from_one(void **arg)
{
  struct fixture *f = *arg;
  int64_t length = -1;
  int order[] = {3, 1, 2, 6, 4};
  int64_t expected[] = {0, 1, 3, 3, 4};
  for (int i = 0; i < 5; i++) {
    assert_ok(put_at(f->root, order[i], int_value(i)));
    assert_ok(hgl_state_length(f->root, &length, &err));
    assert_int_equal(length, expected[i]);
  }
  assert_ok(put_at(f->root, 2, nil));
  reload(f);
  assert_ok(hgl_state_length(f->root, &length, &err));
  assert_int_equal(length, 1);
  assert_ok(put_at(f->root, 2, int_value(0)));
  assert_ok(hgl_state_length(f->root, &length, &err));
  assert_int_equal(length, 4);
}

static void state_refuses_what_it_cannot_hold(void **arg)
{
  struct fixture *f = *arg;
  static char long_text[HGL_STATE_VALUE_SIZE_MAX + 1];
  memset(long_text, 'x', sizeof long_text);
  struct hgl_state_key key = {.text = hgl_bytes(long_text, HGL_STATE_KEY_SIZE_MAX + 1)};
  struct hgl_state_value one = int_value(1);
  assert_fails(HGL_TOO_LARGE, hgl_state_set(f->root, &key, &one, &err));
  key.text.size--;
  assert_ok(hgl_state_set(f->root, &key, &one, &err));
  struct hgl_state_value text = {.kind = HGL_STATE_TEXT,
                                 .bytes = hgl_bytes(long_text, sizeof long_text)};
  assert_fails(HGL_TOO_LARGE, put(f->root, "x", text));
  text.bytes.size--;
  assert_ok(put(f->root, "x", text));
  assert_fails(HGL_BAD_VALUE, put(f->root, "y", text_value("\xff")));
  assert_fails(HGL_BAD_VALUE, put(f->root, "\xff", one));
  struct hgl_state_value inf = {.kind = HGL_STATE_DOUBLE, .number = 1.0 / 0.0};
  assert_fails(HGL_BAD_VALUE, put(f->root, "y", inf));
  assert_int_equal(at(f->root, "y").kind, HGL_STATE_NIL);
}

static void state_nests_to_its_limit_and_no_deeper(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *node = f->root;
  for (int i = 0; i < HGL_STATE_DEPTH_MAX; i++) node = add(node, "t", i);
  struct hgl_state_node *extra = NULL;
  assert_ok(hgl_state_table(f->state, &extra, &err));
  assert_fails(HGL_TOO_DEEP, put(node, "t", table_value(extra)));
  hgl_state_release(extra);
  reload(f);
  node = f->root;
  for (int i = 0; i < HGL_STATE_DEPTH_MAX; i++) node = at(node, "t").node;
  assert_int_equal(at(node, "n").integer, HGL_STATE_DEPTH_MAX - 1);
}

static void state_stops_at_its_size_limit(void **arg)
{
  struct hgl_state_rows none = {0};
  struct hgl_state *state = NULL;
  static char text[1000];
  memset(text, 'x', sizeof text);
  assert_ok(hgl_state_create(&none, 10000, &state, &err));
  struct hgl_state_node *root = hgl_state_root(state);
  hgl_state_begin(state);
  struct hgl_state_value value = {.kind = HGL_STATE_TEXT, .bytes = hgl_bytes(text, sizeof text)};
  int stored = 0;
  while (put_at(root, stored + 1, value) == 0) stored++;
  assert_int_equal(err.code, HGL_LIMIT);
  assert_in_range(stored, 8, 10);
  assert_true(hgl_state_size(state) <= 10000);
  assert_ok(put_at(root, stored, int_value(1)));
  assert_ok(put_at(root, stored + 1, int_value(1)));
  hgl_state_roll_back(state);
  assert_true(hgl_state_size(state) < 20);
  hgl_state_destroy(state);
}

/* Views ------------------------------------------------------------------------------------- */

static void state_swap_moves_both_tables(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *a = add(f->root, "a", 1), *b = add(f->root, "b", 2);
  hgl_state_hold(a);
  hgl_state_hold(b);
  /* Lua assigns from right to left: root.a, root.b = b, a */
  assert_ok(put(f->root, "b", table_value(a)));
  assert_ok(put(f->root, "a", table_value(b)));
  assert_ptr_equal(at(f->root, "a").node, b);
  assert_ptr_equal(at(f->root, "b").node, a);
  assert_ok(put(a, "n", int_value(10)));
  hgl_state_accept(f->state);
  hgl_state_begin(f->state);
  assert_int_equal(number_in(f->root, "a"), 2);
  assert_int_equal(number_in(f->root, "b"), 10);
  assert_ok(put(b, "n", int_value(20)));
  assert_int_equal(number_in(f->root, "a"), 20);
  hgl_state_release(a);
  hgl_state_release(b);
}

static void state_rotation_of_three_moves_all(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *node[3] = {add(f->root, "a", 1), add(f->root, "b", 2),
                                    add(f->root, "c", 3)};
  for (int i = 0; i < 3; i++) hgl_state_hold(node[i]);
  assert_ok(put(f->root, "c", table_value(node[0])));
  assert_ok(put(f->root, "b", table_value(node[2])));
  assert_ok(put(f->root, "a", table_value(node[1])));
  assert_ptr_equal(at(f->root, "c").node, node[0]);
  assert_ptr_equal(at(f->root, "b").node, node[2]);
  assert_ptr_equal(at(f->root, "a").node, node[1]);
  for (int i = 0; i < 3; i++) hgl_state_release(node[i]);
}

static void state_assignment_of_a_standing_table_copies(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *b = add(f->root, "b", 2);
  assert_ok(put(f->root, "a", table_value(b)));
  assert_ok(put(b, "n", int_value(3)));
  assert_int_equal(number_in(f->root, "a"), 2);
  assert_ok(put(f->root, "b", table_value(b))); /* its own place */
  assert_ptr_equal(at(f->root, "b").node, b);
}

static void state_copy_that_was_read_stays_where_it_is(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *b = add(f->root, "b", 2);
  assert_ok(put(f->root, "a", table_value(b)));
  struct hgl_state_node *copy = at(f->root, "a").node;
  assert_ok(put(f->root, "b", nil));
  assert_ok(put(copy, "n", int_value(7)));
  assert_int_equal(number_in(f->root, "a"), 7);
}

static void state_original_that_was_changed_does_not_replace_its_copy(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *b = add(f->root, "b", 2);
  struct hgl_state_node *inner = add(b, "inner", 5);
  assert_ok(put(f->root, "a", table_value(b)));
  assert_ok(put(inner, "n", int_value(6)));
  assert_ok(put(f->root, "b", nil));
  assert_text(f->root, "{a={inner={n=5,},n=2,},}");
}

static void state_table_can_hold_a_copy_of_what_contains_it(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *a = add(f->root, "a", 1);
  assert_ok(put(a, "self", table_value(a)));
  assert_ok(put(a, "all", table_value(f->root)));
  assert_text(f->root, "{a={all={a={n=1,self={n=1,},},},n=1,self={n=1,},},}");
}

static void state_removed_table_is_readable_until_the_stretch_ends(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *a = add(f->root, "a", 1), *inner = add(a, "inner", 2);
  hgl_state_accept(f->state);
  hgl_state_begin(f->state);
  hgl_state_hold(a);
  hgl_state_hold(inner);
  assert_ok(put(f->root, "a", nil));
  assert_int_equal(at(a, "n").integer, 1);
  assert_int_equal(number_in(a, "inner"), 2);
  hgl_state_accept(f->state);
  hgl_state_begin(f->state);
  struct hgl_state_key key = text_key("n");
  struct hgl_state_value value;
  assert_fails(HGL_CLOSED, hgl_state_get(a, &key, &value, &err));
  assert_fails(HGL_CLOSED, hgl_state_get(inner, &key, &value, &err));
  assert_fails(HGL_CLOSED, put(inner, "n", int_value(1)));
  assert_fails(HGL_CLOSED, put(f->root, "a", table_value(a)));
  hgl_state_release(inner);
  hgl_state_release(a);
}

static void state_removed_table_can_be_put_elsewhere_within_its_stretch(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *a = add(f->root, "a", 1), *inner = add(a, "inner", 2);
  assert_ok(put(a, "inner", nil));
  assert_ok(put(inner, "n", int_value(3)));
  assert_ok(put(f->root, "b", table_value(inner)));
  assert_ok(put(inner, "n", int_value(4)));
  reload(f);
  assert_text(f->root, "{a={n=1,},b={n=4,},}");
}

static void state_view_outlives_the_tree(void **arg)
{
  struct fixture *f = *arg;
  struct hgl_state_node *a = add(f->root, "a", 1);
  hgl_state_hold(a);
  hgl_state_roll_back(f->state);
  assert_null(hgl_state_of(a));
  hgl_state_begin(f->state);
  struct hgl_state_node *b = add(f->root, "b", 1);
  hgl_state_hold(b);
  hgl_state_destroy(f->state);
  assert_null(hgl_state_of(b));
  struct hgl_state_key key = text_key("n");
  struct hgl_state_value value;
  assert_fails(HGL_CLOSED, hgl_state_get(b, &key, &value, &err));
  hgl_state_release(a);
  hgl_state_release(b);
  f->state = NULL;
}

static void state_writes_need_a_stretch(void **arg)
{
  struct fixture *f = *arg;
  hgl_state_accept(f->state);
  struct hgl_state_node *node = NULL;
  assert_fails(HGL_INVALID, put(f->root, "a", int_value(1)));
  assert_fails(HGL_INVALID, hgl_state_table(f->state, &node, &err));
}

static void state_reorder_moves_tables_and_is_undone(void **arg)
{
  struct fixture *f = *arg;
  for (int i = 1; i <= 4; i++) {
    struct hgl_state_node *node = NULL;
    assert_ok(hgl_state_table(f->state, &node, &err));
    assert_ok(put(node, "n", int_value(i)));
    assert_ok(put_at(f->root, i, i == 3 ? text_value("three") : table_value(node)));
    hgl_state_release(node);
  }
  reload(f);
  struct hgl_state_node *one = at_index(f->root, 1).node;
  size_t order[] = {2, 1, 3, 0};
  assert_ok(hgl_state_reorder(f->root, 1, order, 4, &err));
  assert_text(f->root, "{1='three',2={n=2,},3={n=4,},4={n=1,},}");
  assert_ptr_equal(at_index(f->root, 4).node, one);
  assert_ok(put(one, "n", int_value(9)));
  assert_ok(hgl_state_reorder(f->root, 1, order, 4, &err));
  assert_text(f->root, "{1={n=4,},2={n=2,},3={n=9,},4='three',}");
  size_t beyond[] = {1, 0};
  assert_fails(HGL_INVALID, hgl_state_reorder(f->root, 4, beyond, 2, &err));
  hgl_state_roll_back(f->state);
  hgl_state_begin(f->state);
  assert_text(f->root, "{1={n=1,},2={n=2,},3='three',4={n=4,},}");
  assert_ok(hgl_state_reorder(f->root, 1, order, 4, &err));
  reload(f);
  assert_text(f->root, "{1='three',2={n=2,},3={n=4,},4={n=1,},}");
}

/* Rows -------------------------------------------------------------------------------------- */

enum { MANY = 20000 };

static void add_many(struct fixture *f)
{
  char key[16];
  struct hgl_state_node *big = add(f->root, "big", 0);
  for (int i = 0; i < MANY; i++) {
    snprintf(key, sizeof key, "k%d", i);
    add(big, key, i);
  }
}

static void state_touches_one_row_of_a_big_table(void **arg)
{
  struct fixture *f = *arg;
  add_many(f);
  reload(f);
  f->rows.gets = f->rows.puts = 0;
  struct hgl_state_node *big = at(f->root, "big").node;
  assert_int_equal(number_in(big, "k777"), 777);
  assert_true(f->rows.gets <= 3);
  assert_int_equal(f->rows.scans, 0);
  assert_ok(put(at(big, "k777").node, "n", int_value(778)));
  hgl_state_accept(f->state);
  assert_ok(hgl_state_flush(f->state, &err));
  assert_int_equal(f->rows.puts, 1);
  assert_false(hgl_state_dirty(f->state));
  hgl_state_begin(f->state);
}

static void state_scans_a_big_table_once_and_forgets_it_again(void **arg)
{
  struct fixture *f = *arg;
  add_many(f);
  reload(f);
  size_t before = hgl_state_memory(f->state);
  struct hgl_state_node *big = at(f->root, "big").node;
  char *text = text_of(big);
  assert_int_equal(f->rows.scans, 1);
  hgl_free(text);
  assert_true(hgl_state_memory(f->state) > HGL_STATE_KEEP_MAX);
  hgl_state_hold(big);
  struct hgl_state_node *held = at(big, "k5").node;
  hgl_state_hold(held);
  hgl_state_accept(f->state);
  assert_ok(hgl_state_flush(f->state, &err));
  assert_true(hgl_state_memory(f->state) < before + 4096);
  hgl_state_begin(f->state);
  assert_ptr_equal(at(f->root, "big").node, big);
  assert_ptr_equal(at(big, "k5").node, held);
  assert_int_equal(number_in(big, "k6"), 6);
  hgl_state_release(held);
  hgl_state_release(big);
}

static void state_removing_a_big_table_removes_its_rows(void **arg)
{
  struct fixture *f = *arg;
  add_many(f);
  struct hgl_state_node *big = at(f->root, "big").node;
  struct hgl_state_node *deep = add(at(big, "k3").node, "deep", 1);
  char key[16];
  for (int i = 0; i < 300; i++) snprintf(key, sizeof key, "d%d", i), add(deep, key, i);
  reload(f);
  assert_true(f->rows.map.count > MANY);
  struct hgl_state_node *moved = at(at(at(f->root, "big").node, "k3").node, "deep").node;
  assert_ok(put(at(at(f->root, "big").node, "k3").node, "deep", nil));
  assert_ok(put(f->root, "moved", table_value(moved)));
  assert_ok(put(f->root, "big", nil));
  reload(f);
  assert_in_range(f->rows.map.count, 302, 306);
  assert_int_equal(number_in(at(f->root, "moved").node, "d299"), 299);
  assert_ok(put(f->root, "moved", nil));
  reload(f);
  assert_int_equal(f->rows.map.count, 1);
  assert_text(f->root, "{}");
}

static void state_table_that_shrank_can_stand_in_a_small_one(void **arg)
{
  struct fixture *f = *arg;
  char key[16];
  struct hgl_state_node *big = add(f->root, "big", 0);
  for (int i = 0; i < 300; i++) snprintf(key, sizeof key, "k%d", i), add(big, key, i);
  reload(f);
  big = at(f->root, "big").node;
  for (int i = 1; i < 300; i++) {
    snprintf(key, sizeof key, "k%d", i);
    assert_ok(put(big, key, nil));
  }
  reload(f);
  struct hgl_state_node *outer = add(f->root, "outer", 1), *inner = add(outer, "inner", 2);
  big = at(f->root, "big").node;
  hgl_state_hold(big);
  assert_ok(put(f->root, "big", nil));
  assert_ok(put(inner, "big", table_value(big)));
  hgl_state_release(big);
  size_t size = hgl_state_size(f->state);
  reload(f);
  assert_int_equal(hgl_state_size(f->state), size);
  assert_text(f->root, "{outer={inner={big={k0={n=0,},n=0,},n=2,},n=1,},}");
  assert_ok(put(f->root, "outer", nil));
  reload(f);
  assert_int_equal(f->rows.map.count, 1);
}

static void state_short_lived_entries_never_reach_rows(void **arg)
{
  struct fixture *f = *arg;
  add(f->root, "a", 1);
  hgl_state_accept(f->state);
  hgl_state_begin(f->state);
  assert_ok(put(f->root, "a", nil));
  hgl_state_accept(f->state);
  assert_ok(hgl_state_flush(f->state, &err));
  assert_int_equal(f->rows.removes, 0);
  assert_true(f->rows.puts <= 1);
  hgl_state_begin(f->state);
}

static void state_refuses_damaged_rows(void **arg)
{
  struct fixture *f = *arg;
  add(f->root, "a", 1);
  reload(f);
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&f->rows.map, &i));) {
    struct fake_row *row = slot->value;
    if (slot->key_size > 8) row->size--;
  }
  struct hgl_state_key key = text_key("a");
  struct hgl_state_value value;
  assert_fails(HGL_CORRUPT, hgl_state_get(f->root, &key, &value, &err));
  assert_fails(HGL_CORRUPT, put(f->root, "a", nil));
}

static void put_row(struct fixture *f, const char *key, size_t key_size, const char *value,
                    size_t value_size)
{
  assert_ok(fake_put(&f->rows, hgl_bytes(key, key_size), hgl_bytes(value, value_size), &err));
}

static void state_refuses_references_in_circles(void **arg)
{
  struct fixture *f = *arg;
  /* The root's next table is 2; root.t is table 1, and table 1's t is table 1 again. */
  put_row(f, "\0\0\0\0\0\0\0\0", 8, "\x85\x14\0\2\xf4\2", 6);
  put_row(f, "\0\0\0\0\0\0\0\0\2t", 10, "\x82\2\1", 3);
  put_row(f, "\0\0\0\0\0\0\0\0\2r", 10, "\x82\2\0", 3);
  put_row(f, "\0\0\0\0\0\0\0\0\2n", 10, "\x82\2\2", 3);
  put_row(f, "\0\0\0\0\0\0\0\1", 8, "\x85\x14\0\2\xf4\0", 6);
  put_row(f, "\0\0\0\0\0\0\0\1\2t", 10, "\x82\2\1", 3);
  hgl_state_destroy(f->state);
  open_state(f);
  hgl_state_begin(f->state);
  struct hgl_state_key root = text_key("r"), next = text_key("n");
  struct hgl_state_value value = at(f->root, "t");
  assert_fails(HGL_CORRUPT, hgl_state_get(f->root, &root, &value, &err));
  assert_fails(HGL_CORRUPT, hgl_state_get(f->root, &next, &value, &err));
  assert_fails(HGL_CORRUPT, put(f->root, "copy", value));
  assert_ok(put(f->root, "t", nil));
  hgl_state_accept(f->state);
  assert_ok(hgl_state_flush(f->state, &err));
  hgl_state_begin(f->state);
}

static void state_handles_every_failed_allocation(void **arg)
{
  struct fixture *f = *arg;
  add(f->root, "a", 1);
  add(f->root, "b", 2);
  reload(f);
  char *before = text_of(f->root);
  bool finished = false;
  for (long n = 0; !finished; n++) {
    hgl_mem_fail_after(n);
    struct hgl_state_key a = text_key("a"), b = text_key("b");
    struct hgl_state_value x = nil, y = nil;
    int status = hgl_state_get(f->root, &a, &x, &err);
    if (status == 0) status = hgl_state_get(f->root, &b, &y, &err);
    if (status == 0) status = put(f->root, "b", x);
    if (status == 0) status = put(f->root, "c", y);
    if (status == 0) status = put(f->root, "text", text_value("some text"));
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    finished = status == 0;
    hgl_state_roll_back(f->state);
    hgl_state_begin(f->state);
    assert_text(f->root, before);
  }
  hgl_free(before);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(state_orders_integers_before_text),
      TEST(state_keeps_every_kind_of_value),
      TEST(state_length_is_the_border_of_the_run_from_one),
      TEST(state_refuses_what_it_cannot_hold),
      TEST(state_nests_to_its_limit_and_no_deeper),
      TEST(state_stops_at_its_size_limit),
      TEST(state_swap_moves_both_tables),
      TEST(state_rotation_of_three_moves_all),
      TEST(state_assignment_of_a_standing_table_copies),
      TEST(state_copy_that_was_read_stays_where_it_is),
      TEST(state_original_that_was_changed_does_not_replace_its_copy),
      TEST(state_table_can_hold_a_copy_of_what_contains_it),
      TEST(state_removed_table_is_readable_until_the_stretch_ends),
      TEST(state_removed_table_can_be_put_elsewhere_within_its_stretch),
      TEST(state_view_outlives_the_tree),
      TEST(state_writes_need_a_stretch),
      TEST(state_reorder_moves_tables_and_is_undone),
      TEST(state_touches_one_row_of_a_big_table),
      TEST(state_scans_a_big_table_once_and_forgets_it_again),
      TEST(state_removing_a_big_table_removes_its_rows),
      TEST(state_table_that_shrank_can_stand_in_a_small_one),
      TEST(state_short_lived_entries_never_reach_rows),
      TEST(state_refuses_damaged_rows),
      TEST(state_refuses_references_in_circles),
      TEST(state_handles_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
