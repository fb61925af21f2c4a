#include "store_support.h"

#include <time.h>

#include "store/writer.h"

/* A writer over the memory backend, with a thread or without. */
struct scene {
  struct hgl_backend *backend;
  struct hgl_writer *writer;
  struct hgl_writeset *set;
  atomic_int wakes;
};

static struct hgl_err err;

static void begin(struct scene *scene, bool threaded, int64_t commit_every_ms)
{
  memset(scene, 0, sizeof *scene);
  assert_ok(hgl_backend_memory_open(&scene->backend, &err));
  struct hgl_writer_config config = {.backend = scene->backend,
                                     .threaded = threaded,
                                     .commit_every_ms = commit_every_ms,
                                     .wake = count_wake,
                                     .wake_user = &scene->wakes};
  assert_ok(hgl_writer_create(&config, &scene->writer, &err));
  assert_ok(hgl_writeset_create(&scene->set, &err));
}

static void end(struct scene *scene)
{
  hgl_writer_destroy(scene->writer);
  hgl_writeset_destroy(scene->set);
  scene->backend->calls->close(scene->backend);
}

static struct hgl_waiter *new_waiter(void)
{
  struct hgl_waiter *waiter = hgl_zalloc(sizeof *waiter);
  assert_non_null(waiter);
  return waiter;
}

static void submit(struct scene *scene, const char *key)
{
  struct hgl_waiter *waiter = new_waiter();
  assert_ok(hgl_writeset_put(scene->set, HGL_DB_STATE, hgl_text(key), hgl_text("v"), &err));
  assert_ok(hgl_writer_submit(scene->writer, &scene->set, waiter, &err));
  assert_int_equal(hgl_writeset_count(scene->set), 0); /* an empty one in its place */
}

/* How many waiters are told. */
static size_t collect(struct scene *scene)
{
  struct hgl_waiters done = {0};
  struct hgl_waiter *waiter;
  size_t count = 0;
  bool any = hgl_writer_collect(scene->writer, &done);
  for (; (waiter = hgl_waiters_take(&done)); count++) hgl_free(waiter);
  assert_int_equal(any, count > 0);
  return count;
}

static bool stored(struct scene *scene, const char *key)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 16);
  scene->backend->calls->refresh(scene->backend);
  int status = scene->backend->calls->get(scene->backend, HGL_DB_STATE, hgl_text(key), &out, &err);
  hgl_buf_deinit(&out);
  return status == 0;
}

static int64_t in_ms(int64_t ms)
{
  return hgl_mono_ns(&hgl_clock_system) + ms * 1000000;
}

static void waiters_come_back_in_their_order(void **state)
{
  struct hgl_waiters waiters = {0};
  struct hgl_waiter three[3];
  assert_null(hgl_waiters_take(&waiters));
  for (int round = 0; round < 2; round++) { /* usable again once empty */
    for (int i = 0; i < 3; i++) hgl_waiters_add(&waiters, &three[i]);
    for (int i = 0; i < 3; i++) assert_ptr_equal(hgl_waiters_take(&waiters), &three[i]);
    assert_null(hgl_waiters_take(&waiters));
  }
}

static void strict_takes_one_in_flight_and_one_that_waits(void **state)
{
  struct scene scene;
  begin(&scene, false, 0);
  assert_false(hgl_writer_busy(scene.writer));
  submit(&scene, "a");
  assert_false(hgl_writer_busy(scene.writer));
  submit(&scene, "b");
  assert_true(hgl_writer_busy(scene.writer));
  assert_int_equal(hgl_writer_sets(scene.writer), 2);
  struct hgl_bytes value; /* index 0 is the newest */
  assert_int_equal(
      hgl_writeset_get(hgl_writer_set(scene.writer, 0), HGL_DB_STATE, hgl_text("b"), &value),
      HGL_WRITESET_PUT);
  assert_int_equal(collect(&scene), 0); /* nothing is durable yet */
  hgl_writer_run(scene.writer);
  assert_true(stored(&scene, "a") && stored(&scene, "b"));
  assert_int_equal(collect(&scene), 2);
  assert_int_equal(hgl_writer_sets(scene.writer), 0);
  assert_int_equal(hgl_writer_stats(scene.writer).commits, 2);
  assert_int_equal(hgl_writer_stats(scene.writer).rows_written, 2);
  end(&scene);
}

static void a_full_disk_is_tried_again_and_keeps_the_order(void **state)
{
  struct scene scene;
  begin(&scene, false, 0);
  submit(&scene, "a");
  submit(&scene, "b");
  hgl_backend_memory_fault(scene.backend, HGL_DISK_FULL, 2);
  for (int i = 0; i < 2; i++) {
    hgl_writer_run(scene.writer);
    assert_fails(HGL_DISK_FULL, hgl_writer_trouble(scene.writer, &err));
    assert_int_equal(collect(&scene), 0);
    assert_false(stored(&scene, "a") || stored(&scene, "b"));
  }
  hgl_writer_run(scene.writer);
  assert_ok(hgl_writer_trouble(scene.writer, &err));
  assert_int_equal(collect(&scene), 2);
  end(&scene);
}

static void after_an_unknown_outcome_nothing_more_is_written(void **state)
{
  struct scene scene;
  begin(&scene, false, 0);
  submit(&scene, "a");
  hgl_backend_memory_fault(scene.backend, HGL_IO, 1);
  for (int i = 0; i < 3; i++) hgl_writer_run(scene.writer);
  assert_fails(HGL_IO, hgl_writer_trouble(scene.writer, &err));
  assert_false(stored(&scene, "a"));
  assert_int_equal(collect(&scene), 0);
  assert_int_equal(hgl_writer_stats(scene.writer).commits, 0);
  end(&scene);
}

static void relaxed_merges_what_waits_and_tells_everyone(void **state)
{
  struct scene scene;
  begin(&scene, true, 60000);
  submit(&scene, "first"); /* nothing was committed before: it goes at once, or soon */
  assert_true(hgl_writer_wait(scene.writer, in_ms(10000)));
  assert_int_equal(collect(&scene), 1);
  for (int i = 0; i < 10; i++) {
    char key[8];
    snprintf(key, sizeof key, "k%d", i);
    assert_false(hgl_writer_busy(scene.writer));
    submit(&scene, key);
  }
  assert_int_equal(hgl_writer_sets(scene.writer), 1); /* one commit will hold them all */
  struct hgl_waiter *more = new_waiter();
  hgl_writer_attach(scene.writer, more);
  assert_int_equal(collect(&scene), 0);
  assert_true(hgl_writer_wait(scene.writer, in_ms(10000))); /* who waits does not wait that long */
  assert_int_equal(collect(&scene), 11);
  assert_true(stored(&scene, "k0") && stored(&scene, "k9"));
  assert_int_equal(hgl_writer_stats(scene.writer).commits, 2);
  end(&scene);
}

static void the_thread_applies_and_wakes(void **state)
{
  struct scene scene;
  begin(&scene, true, 0);
  assert_false(hgl_writer_wait(scene.writer, in_ms(20))); /* nothing to wait for */
  size_t told = 0;
  for (int i = 0; i < 50; i++) {
    while (hgl_writer_busy(scene.writer)) {
      assert_true(hgl_writer_wait(scene.writer, in_ms(10000)));
      told += collect(&scene);
    }
    submit(&scene, "a");
  }
  while (told < 50) {
    assert_true(hgl_writer_wait(scene.writer, in_ms(10000)));
    told += collect(&scene);
  }
  assert_int_equal(told, 50);
  for (int i = 0; atomic_load(&scene.wakes) < 50 && i < 1000; i++)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  assert_int_equal(atomic_load(&scene.wakes), 50);
  end(&scene);
}

static void what_is_held_waits_and_what_waits_is_dropped_at_the_end(void **state)
{
  struct scene scene;
  begin(&scene, false, 0);
  hgl_writer_hold(scene.writer, true);
  submit(&scene, "a");
  hgl_writer_run(scene.writer);
  assert_false(stored(&scene, "a"));
  assert_false(hgl_writer_wait(scene.writer, in_ms(1000)));
  int wakes = atomic_load(&scene.wakes);
  hgl_writer_hold(scene.writer, false);
  assert_int_equal(atomic_load(&scene.wakes), wakes + 1);
  end(&scene); /* its waiter goes with it */
}

static void want_of_memory_leaves_the_set_with_its_owner(void **state)
{
  struct scene scene;
  begin(&scene, false, 0);
  struct hgl_waiter *waiter = new_waiter();
  assert_ok(hgl_writeset_put(scene.set, HGL_DB_STATE, hgl_text("a"), hgl_text("v"), &err));
  hgl_mem_fail_after(0);
  int status = hgl_writer_submit(scene.writer, &scene.set, waiter, &err);
  hgl_mem_fail_after(-1);
  assert_int_equal(status, -HGL_NO_MEMORY);
  assert_int_equal(hgl_writeset_count(scene.set), 1);
  assert_int_equal(hgl_writer_sets(scene.writer), 0);
  assert_ok(hgl_writer_submit(scene.writer, &scene.set, waiter, &err));
  hgl_writer_run(scene.writer);
  assert_int_equal(collect(&scene), 1);
  end(&scene);
  for (int i = 0; i < 8; i++) { /* nor is anything left of a writer that could not be made */
    struct hgl_writer_config config = {.backend = NULL, .threaded = false};
    hgl_mem_fail_after(i);
    status = hgl_writer_create(&config, &scene.writer, &err);
    hgl_mem_fail_after(-1);
    if (status == 0) {
      hgl_writer_destroy(scene.writer);
      break;
    }
    assert_int_equal(status, -HGL_NO_MEMORY);
  }
  assert_int_equal(status, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(waiters_come_back_in_their_order),
      cmocka_unit_test(strict_takes_one_in_flight_and_one_that_waits),
      cmocka_unit_test(a_full_disk_is_tried_again_and_keeps_the_order),
      cmocka_unit_test(after_an_unknown_outcome_nothing_more_is_written),
      cmocka_unit_test(relaxed_merges_what_waits_and_tells_everyone),
      cmocka_unit_test(the_thread_applies_and_wakes),
      cmocka_unit_test(what_is_held_waits_and_what_waits_is_dropped_at_the_end),
      cmocka_unit_test(want_of_memory_leaves_the_set_with_its_owner),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
