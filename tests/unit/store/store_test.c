/* What holds for both backends; the few tests of the memory backend's own switches at the end. */
#include "store_support.h"

static int set_up_memory(void **state)
{
  struct fixture *f = fixture_new(true);
  open_store(f);
  *state = f;
  return 0;
}

static int set_up_lmdb(void **state)
{
  struct fixture *f = fixture_new(false);
  open_store(f);
  *state = f;
  return 0;
}

static int tear_down(void **state)
{
  fixture_free(*state);
  return 0;
}

/* Three layers: stored, in flight or sealed, open. The sealed set may be durable by the time that
 * the store is read, but it is not collected, so that the layer is there. */
static void reads_see_open_then_sealed_then_stored(void **state)
{
  struct fixture *f = *state;
  put(f, HGL_DB_STATE, "a", "stored");
  put(f, HGL_DB_STATE, "b", "stored");
  put(f, HGL_DB_STATE, "c", "stored");
  put(f, HGL_DB_STATE, "d", "stored");
  commit(f);
  drain(f);
  put(f, HGL_DB_STATE, "b", "sealed");
  put(f, HGL_DB_STATE, "c", "sealed");
  del(f, HGL_DB_STATE, "d");
  commit(f);
  put(f, HGL_DB_STATE, "c", "open");
  put(f, HGL_DB_STATE, "d", "open");
  del(f, HGL_DB_STATE, "a");
  for (int round = 0; round < 2; round++) {
    expect(f, HGL_DB_STATE, "a", NULL);
    expect(f, HGL_DB_STATE, "b", "sealed");
    expect(f, HGL_DB_STATE, "c", "open");
    expect(f, HGL_DB_STATE, "d", "open");
    expect(f, HGL_DB_STATE, "e", NULL);
    expect(f, HGL_DB_OUTBOX, "b", NULL);
    if (round == 0) commit(f);
    drain(f);
  }
  expect_scan(f, HGL_DB_STATE, "", "", false, "b=sealed c=open d=open");
}

static void deleted_rows_are_gone_after_the_commit(void **state)
{
  struct fixture *f = *state;
  put(f, HGL_DB_STATE, "a", "1");
  put(f, HGL_DB_STATE, "b", "");
  commit(f);
  del(f, HGL_DB_STATE, "a");
  del(f, HGL_DB_STATE, "never there");
  commit(f);
  drain(f);
  expect(f, HGL_DB_STATE, "a", NULL);
  expect(f, HGL_DB_STATE, "b", "");
  expect_scan(f, HGL_DB_STATE, "", "", false, "b=");
}

static void scans_merge_layers_both_ways(void **state)
{
  struct fixture *f = *state;
  const char *stored[] = {"p1", "p3", "p5", "p7", "q1", "a"};
  for (int i = 0; i < 6; i++) put(f, HGL_DB_TIMERS, stored[i], "s");
  commit(f);
  drain(f);
  put(f, HGL_DB_TIMERS, "p2", "f");
  put(f, HGL_DB_TIMERS, "p3", "f");
  del(f, HGL_DB_TIMERS, "p5");
  del(f, HGL_DB_TIMERS, "p7");
  commit(f);
  put(f, HGL_DB_TIMERS, "p7", "o");
  put(f, HGL_DB_TIMERS, "p9", "o");
  put(f, HGL_DB_TIMERS, "p", "o");
  del(f, HGL_DB_TIMERS, "p2");
  for (int round = 0; round < 2; round++) {
    expect_scan(f, HGL_DB_TIMERS, "p", "", false, "p=o p1=s p3=f p7=o p9=o");
    expect_scan(f, HGL_DB_TIMERS, "p", "", true, "p9=o p7=o p3=f p1=s p=o");
    expect_scan(f, HGL_DB_TIMERS, "p", "p3", false, "p3=f p7=o p9=o");
    expect_scan(f, HGL_DB_TIMERS, "p", "p3", true, "p1=s p=o");
    expect_scan(f, HGL_DB_TIMERS, "p", "p5", true, "p3=f p1=s p=o");
    expect_scan(f, HGL_DB_TIMERS, "p", "a", false, "p=o p1=s p3=f p7=o p9=o");
    expect_scan(f, HGL_DB_TIMERS, "p", "a", true, "");
    expect_scan(f, HGL_DB_TIMERS, "p", "z", false, "");
    expect_scan(f, HGL_DB_TIMERS, "p", "z", true, "p9=o p7=o p3=f p1=s p=o");
    expect_scan(f, HGL_DB_TIMERS, "", "", false, "a=s p=o p1=s p3=f p7=o p9=o q1=s");
    expect_scan(f, HGL_DB_TIMERS, "", "", true, "q1=s p9=o p7=o p3=f p1=s p=o a=s");
    expect_scan(f, HGL_DB_TIMERS, "x", "", false, "");
    expect_scan(f, HGL_DB_TIMERS, "x", "", true, "");
    expect_scan(f, HGL_DB_DEALS, "", "", true, "");
    if (round == 0) commit(f);
    drain(f);
  }
}

static void backward_scans_end_at_a_prefix_of_high_bytes(void **state)
{
  struct fixture *f = *state;
  put(f, HGL_DB_STATE, "\xff", "1");
  put(f, HGL_DB_STATE, "\xff\xff", "2");
  put(f, HGL_DB_STATE, "\xff\xff\x01", "3");
  put(f, HGL_DB_STATE, "a\xff\x01", "4");
  put(f, HGL_DB_STATE, "b", "5");
  for (int round = 0; round < 2; round++) {
    expect_scan(f, HGL_DB_STATE, "\xff\xff", "", true, "\xff\xff\x01=3 \xff\xff=2");
    expect_scan(f, HGL_DB_STATE, "a\xff", "", true, "a\xff\x01=4");
    commit(f);
    drain(f);
  }
}

static int stop_at_second(void *user, struct hgl_bytes key, struct hgl_bytes value,
                          struct hgl_err *err)
{
  int *seen = user;
  return ++*seen == 2 ? 7 : 0;
}

static void scan_returns_what_stopped_it(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  int seen = 0;
  put(f, HGL_DB_STATE, "a", "");
  put(f, HGL_DB_STATE, "b", "");
  put(f, HGL_DB_STATE, "c", "");
  assert_int_equal(hgl_store_scan(f->store, HGL_DB_STATE, hgl_text(""), hgl_text(""), false,
                                  stop_at_second, &seen, &err),
                   7);
  assert_int_equal(seen, 2);
  uint8_t key[HGL_STORE_KEY_SIZE_MAX + 1] = {0};
  assert_ok(hgl_store_scan(f->store, HGL_DB_STATE, hgl_bytes(key, sizeof key - 1), hgl_text(""),
                           true, stop_at_second, &seen, &err));
  assert_fails(HGL_INVALID,
               hgl_store_scan(f->store, HGL_DB_STATE, hgl_text(""), hgl_bytes(key, sizeof key),
                              true, stop_at_second, &seen, &err));
}

/* Turns each row into another, looks one up, and walks within the walk. */
static int change_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct fixture *f = user;
  char name[16];
  snprintf(name, sizeof name, "%.*s", HGL_STR(key));
  put(f, HGL_DB_MAILBOX, name, "changed");
  assert_true(hgl_bytes_is(value, "first"));
  del(f, HGL_DB_MAILBOX, name);
  name[0] = 'n';
  put(f, HGL_DB_MAILBOX, name, "moved");
  expect(f, HGL_DB_MAILBOX, name, "moved");
  struct listing listing = {{0}};
  return hgl_store_scan(f->store, HGL_DB_MAILBOX, hgl_text("m9"), hgl_text(""), false, list_row,
                        &listing, err);
}

static void visitors_may_change_the_open_set(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  put(f, HGL_DB_MAILBOX, "m1", "first");
  put(f, HGL_DB_MAILBOX, "m2", "first");
  commit(f);
  drain(f);
  put(f, HGL_DB_MAILBOX, "m3", "first");
  assert_ok(hgl_store_scan(f->store, HGL_DB_MAILBOX, hgl_text("m"), hgl_text(""), false, change_row,
                           f, &err));
  expect_scan(f, HGL_DB_MAILBOX, "", "", false, "n1=moved n2=moved n3=moved");
  commit(f);
  drain(f);
  expect_scan(f, HGL_DB_MAILBOX, "", "", false, "n1=moved n2=moved n3=moved");
}

struct order {
  int next;
};

struct numbered {
  struct order *order;
  int number;
};

static void note_done(void *user)
{
  struct numbered *numbered = user;
  assert_int_equal(numbered->order->next++, numbered->number);
}

static void done_is_called_in_order_and_after_each_commit(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct order order = {0};
  struct numbered numbered[60];
  char key[16];
  for (int i = 0; i < 60; i++) {
    numbered[i] = (struct numbered){&order, i};
    if (i % 3) {
      snprintf(key, sizeof key, "%02d", i);
      put(f, HGL_DB_JOURNAL, key, "x");
    }
    assert_ok(make_room(f->store, &err));
    assert_ok(hgl_store_commit(f->store, note_done, &numbered[i], &err));
  }
  drain(f);
  assert_int_equal(order.next, 60);
  assert_int_equal(hgl_store_stats(f->store).commits, 40);
  assert_int_equal(hgl_store_stats(f->store).rows_written, 40);
  assert_int_equal(hgl_store_stats(f->store).bytes_written, 40 * 3);
  assert_true(hgl_store_stats(f->store).file_bytes > 0);
}

static void an_empty_commit_completes_at_the_next_poll(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct order order = {0};
  struct numbered first = {&order, 0};
  assert_ok(hgl_writeset_put_new(hgl_store_open_set(f->store), HGL_DB_RUNS, hgl_text("r"),
                                 hgl_text(""), &err));
  del(f, HGL_DB_RUNS, "r");
  int wakes = f->wakes;
  assert_ok(hgl_store_commit(f->store, note_done, &first, &err));
  assert_int_equal(f->wakes, wakes + 1);
  assert_int_equal(order.next, 0);
  assert_ok(hgl_store_poll(f->store, &err));
  assert_int_equal(order.next, 1);
  assert_int_equal(hgl_store_stats(f->store).commits, 0);
}

struct chain {
  struct fixture *f;
  int left;
};

static void commit_again(void *user)
{
  struct chain *chain = user;
  struct hgl_err err = {0};
  if (chain->left-- == 0) return;
  char key[16];
  snprintf(key, sizeof key, "%d", chain->left);
  put(chain->f, HGL_DB_DEALS, key, "");
  assert_ok(hgl_store_commit(chain->f->store, commit_again, chain, &err));
}

static void done_may_commit_again(void **state)
{
  struct fixture *f = *state;
  struct chain chain = {f, 3};
  commit_again(&chain);
  drain(f);
  assert_int_equal(chain.left, -1);
  expect_scan(f, HGL_DB_DEALS, "", "", false, "0= 1= 2=");
}

static void values_of_every_size_come_back(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  static const size_t sizes[] = {0, 1, 7, 8, 2000, 4096, 70000, HGL_STORE_VALUE_SIZE_MAX};
  uint8_t *bytes = malloc(HGL_STORE_VALUE_SIZE_MAX);
  for (size_t i = 0; i < HGL_STORE_VALUE_SIZE_MAX; i++) bytes[i] = (uint8_t)(i * 31 >> 3);
  uint8_t key[HGL_STORE_KEY_SIZE_MAX];
  memset(key, 'k', sizeof key);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    assert_ok(hgl_writeset_put(hgl_store_open_set(f->store), HGL_DB_EVIDENCE,
                               hgl_bytes(key, HGL_STORE_KEY_SIZE_MAX - i),
                               hgl_bytes(bytes, sizes[i]), &err));
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      struct hgl_buf out;
      hgl_buf_init(&out, HGL_STORE_VALUE_SIZE_MAX);
      assert_ok(hgl_store_get(f->store, HGL_DB_EVIDENCE, hgl_bytes(key, HGL_STORE_KEY_SIZE_MAX - i),
                              &out, &err));
      assert_true(hgl_bytes_equal(hgl_buf_bytes(&out), hgl_bytes(bytes, sizes[i])));
      hgl_buf_deinit(&out);
    }
    commit(f);
    drain(f);
  }
  struct hgl_buf small;
  hgl_buf_init(&small, 6);
  assert_fails(HGL_TOO_LARGE,
               hgl_store_get(f->store, HGL_DB_EVIDENCE, hgl_bytes(key, HGL_STORE_KEY_SIZE_MAX - 2),
                             &small, &err));
  hgl_buf_deinit(&small);
  free(bytes);
}

/* A model in plain arrays against the store, through random puts, deletes, commits and polls. */
static void store_agrees_with_a_model(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  char model[64][8] = {{0}}; /* "": absent */
  struct hgl_random_seeded seeded;
  struct hgl_random random = hgl_random_from_seed(&seeded, 42);
  for (int i = 0; i < 3000; i++) {
    uint64_t dice = hgl_random_u64(&random);
    int k = (int)((dice >> 8) % 64);
    char key[8];
    snprintf(key, sizeof key, "%c%02d", k % 2 ? 'x' : 'y', k);
    switch (dice & 7) {
    case 0:
      if (!hgl_store_busy(f->store)) commit(f);
      break;
    case 1:
      assert_ok(hgl_store_poll(f->store, &err));
      break;
    case 2:
    case 3:
      del(f, HGL_DB_STATE, key);
      model[k][0] = 0;
      break;
    default:
      if (!model[k][0])
        assert_ok(hgl_writeset_put_new(hgl_store_open_set(f->store), HGL_DB_STATE, hgl_text(key),
                                       hgl_text(""), &err));
      snprintf(model[k], sizeof model[k], "%d", i);
      put(f, HGL_DB_STATE, key, model[k]);
    }
    if (i % 10) continue;
    struct listing expected = {{0}};
    for (int n = 1; n < 64; n += 2) {
      snprintf(key, sizeof key, "x%02d", n);
      if (model[n][0]) (void)list_row(&expected, hgl_text(key), hgl_text(model[n]), NULL);
    }
    expect_scan(f, HGL_DB_STATE, "x", "", false, expected.text);
  }
}

/* Memory backend only ---------------------------------------------------------------------------
 */

static void memory_holds_commits_until_released(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct order order = {0};
  struct numbered first = {&order, 0}, second = {&order, 1};
  hgl_store_hold(f->store, true);
  put(f, HGL_DB_STATE, "a", "1");
  assert_ok(hgl_store_commit(f->store, note_done, &first, &err));
  assert_false(hgl_store_busy(f->store));
  put(f, HGL_DB_STATE, "a", "2");
  assert_ok(hgl_store_commit(f->store, note_done, &second, &err));
  assert_true(hgl_store_busy(f->store));
  put(f, HGL_DB_STATE, "b", "3");
  assert_ok(hgl_store_poll(f->store, &err));
  assert_int_equal(order.next, 0);
  expect(f, HGL_DB_STATE, "a", "2");
  expect_scan(f, HGL_DB_STATE, "", "", false, "a=2 b=3");
  assert_fails(HGL_TIMEOUT, hgl_store_drain(f->store, 5, &err));
  int wakes = f->wakes;
  hgl_store_hold(f->store, false);
  assert_int_equal(f->wakes, wakes + 1);
  assert_ok(hgl_store_poll(f->store, &err));
  assert_int_equal(order.next, 2);
  assert_false(hgl_store_busy(f->store));
}

static void memory_full_disk_is_retried_until_it_succeeds(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct order order = {0};
  struct numbered first = {&order, 0};
  hgl_store_fault(f->store, HGL_DISK_FULL, 2);
  put(f, HGL_DB_STATE, "a", "1");
  assert_ok(hgl_store_commit(f->store, note_done, &first, &err));
  assert_fails(HGL_DISK_FULL, hgl_store_poll(f->store, &err));
  assert_fails(HGL_DISK_FULL, hgl_store_poll(f->store, &err));
  expect(f, HGL_DB_STATE, "a", "1");
  assert_int_equal(order.next, 0);
  assert_ok(hgl_store_poll(f->store, &err));
  assert_int_equal(order.next, 1);
  expect(f, HGL_DB_STATE, "a", "1");
}

static void memory_io_error_is_final(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct order order = {0};
  struct numbered first = {&order, 0};
  hgl_store_fault(f->store, HGL_IO, 1);
  put(f, HGL_DB_STATE, "a", "1");
  assert_ok(hgl_store_commit(f->store, note_done, &first, &err));
  for (int i = 0; i < 3; i++) assert_fails(HGL_IO, hgl_store_poll(f->store, &err));
  assert_fails(HGL_IO, hgl_store_drain(f->store, 1000, &err));
  assert_int_equal(order.next, 0);
}

/* Every allocation of a tick fails once: nothing is lost, nothing leaks, and the next try works. */
static void memory_tick_survives_failed_allocations(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  bool clean = false;
  for (long fail_at = 0; !clean; fail_at++) {
    assert_true(fail_at < 500);
    struct order order = {0};
    struct numbered first = {&order, 0};
    char key[32];
    bool failed = false;
    hgl_mem_fail_after(fail_at);
    for (int i = 0; i < 20 && !failed; i++) {
      snprintf(key, sizeof key, "%ld-%d", fail_at, i);
      failed = hgl_writeset_put(hgl_store_open_set(f->store), (enum hgl_db)(i % 3 + 1),
                                hgl_text(key), hgl_text("value"), &err) != 0;
    }
    failed = failed || hgl_store_commit(f->store, note_done, &first, &err) != 0;
    bool sealed = !failed;
    failed = failed || hgl_store_poll(f->store, &err) != 0;
    hgl_mem_fail_after(-1);
    clean = !failed;
    if (failed) assert_int_equal(err.code, HGL_NO_MEMORY);
    if (!sealed) assert_ok(hgl_store_commit(f->store, note_done, &first, &err));
    drain(f);
    assert_int_equal(order.next, 1);
    if (sealed) expect(f, (enum hgl_db)(19 % 3 + 1), key, "value");
  }
}

static void opening_survives_failed_allocations(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  close_store(f);
  int status = -1;
  for (long fail_at = 0; status; fail_at++) {
    assert_true(fail_at < 200);
    hgl_mem_fail_after(fail_at);
    status = hgl_store_open(&f->config, &f->store, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
  }
  put(f, HGL_DB_STATE, "a", "1");
  commit(f);
  drain(f);
  expect(f, HGL_DB_STATE, "a", "1");
}

#define ON(backend, test)                                                                          \
  {                                                                                                \
#test "@" #backend, test, set_up_##backend, tear_down, NULL                                    \
  }
#define ON_BOTH(test) ON(memory, test), ON(lmdb, test)

int main(void)
{
  const struct CMUnitTest tests[] = {
      ON_BOTH(reads_see_open_then_sealed_then_stored),
      ON_BOTH(deleted_rows_are_gone_after_the_commit),
      ON_BOTH(scans_merge_layers_both_ways),
      ON_BOTH(backward_scans_end_at_a_prefix_of_high_bytes),
      ON_BOTH(scan_returns_what_stopped_it),
      ON_BOTH(visitors_may_change_the_open_set),
      ON_BOTH(done_is_called_in_order_and_after_each_commit),
      ON_BOTH(an_empty_commit_completes_at_the_next_poll),
      ON_BOTH(done_may_commit_again),
      ON_BOTH(values_of_every_size_come_back),
      ON_BOTH(store_agrees_with_a_model),
      ON_BOTH(opening_survives_failed_allocations),
      ON(memory, memory_holds_commits_until_released),
      ON(memory, memory_full_disk_is_retried_until_it_succeeds),
      ON(memory, memory_io_error_is_final),
      ON(memory, memory_tick_survives_failed_allocations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
