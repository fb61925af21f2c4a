/* What runs on the loop, what does not, and that threads and the loop keep out of each other's way.
 */
#include "infer/infer_core.h"
#include "infer_fixture.h"

static const char row[] = "{'x': [1, 2, 3]}";

static uint64_t batches_on_loop(struct hgl_infer_model *model)
{
  pthread_mutex_lock(&model->lock);
  uint64_t count = model->stats.on_loop;
  pthread_mutex_unlock(&model->lock);
  return count;
}

/* As if that had been measured. */
static void suppose_row_takes(struct hgl_infer_model *model, int64_t ns)
{
  pthread_mutex_lock(&model->lock);
  model->row_ns = ns;
  pthread_mutex_unlock(&model->lock);
}

/* Threads stay away as if the loop ran a batch, until it has run one. */
static void keep_threads_away(struct hgl_infer_model *model)
{
  pthread_mutex_lock(&model->lock);
  model->on_loop.run_began_ns = 1;
  pthread_mutex_unlock(&model->lock);
}

static void let_threads_come(struct hgl_infer_model *model)
{
  pthread_mutex_lock(&model->lock);
  model->on_loop.run_began_ns = 0;
  pthread_cond_broadcast(&model->changed);
  pthread_mutex_unlock(&model->lock);
}

static void what_a_quick_model_is_done_with_at_once_runs_on_the_loop(void **state)
{
  struct fixture f;
  struct asked a[3];
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "quick");
  ask(&f, model, row, &a[0]); /* nothing is known of it yet */
  assert_int_equal(batches_on_loop(model), 0);
  assert_true(model->row_ns > 0);
  suppose_row_takes(model, 1);
  keep_threads_away(model);
  for (int i = 0; i < 3; i++) submit(&f, model, "anna", row, &a[i]);
  hgl_infer_flush(f.infer);
  assert_int_equal(batches_on_loop(model), 1);
  assert_int_equal(model->stats.done, 4);
  assert_false(a[0].done); /* it is told in its turn */
  hgl_infer_poll(f.infer);
  for (int i = 0; i < 3; i++) assert_string_equal(a[i].text, "{\"sum\":6.0}");
  tear_down(&f);
}

static void what_would_keep_the_loop_is_for_a_thread(void **state)
{
  struct fixture f;
  struct asked a[3];
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "quick");
  suppose_row_takes(model, 40000); /* two might run here */
  submit(&f, model, "anna", row, &a[0]);
  submit(&f, model, "bert", "{'x': [[1, 2, 3], [4, 5, 6]]}", &a[1]);
  hgl_infer_flush(f.infer);
  until(&f, a[0].done && a[1].done);
  assert_int_equal(batches_on_loop(model), 0);
  tear_down(&f);
}

static void models_share_the_time_that_they_have_of_the_loop(void **state)
{
  static const char *const names[] = {"one", "two", "three"};
  struct fixture f;
  struct asked a[3];
  struct hgl_infer_model *models[3];
  struct hgl_err err = {0};
  set_up(&f);
  for (int i = 0; i < 3; i++) {
    assert_ok(open_with(&f, names[i], "quick", NULL, 0, &err));
    models[i] = hgl_infer_find(f.infer, hgl_text(names[i]));
    suppose_row_takes(models[i], 40000);
    keep_threads_away(models[i]);
    submit(&f, models[i], "anna", row, &a[i]);
  }
  hgl_infer_flush(f.infer);
  for (int i = 0; i < 3; i++) assert_int_equal(batches_on_loop(models[i]), i < 2);
  let_threads_come(models[2]);
  until(&f, f.told == 3);
  tear_down(&f);
}

static void a_model_may_be_kept_off_the_loop(void **state)
{
  struct fixture f;
  struct asked a;
  struct hgl_err err = {0};
  const struct haggle_option off = {"loop", "off"};
  set_up(&f);
  assert_ok(open_with(&f, "m", "quick", &off, 1, &err));
  struct hgl_infer_model *model = hgl_infer_find(f.infer, hgl_text("m"));
  suppose_row_takes(model, 1);
  ask(&f, model, row, &a);
  assert_int_equal(batches_on_loop(model), 0);
  tear_down(&f);
}

/* Its engine has one place to compute in. */
static void the_loop_does_not_run_what_a_thread_runs(void **state)
{
  struct fixture f;
  struct asked first, second;
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "quick,gate");
  test_engine_close_gate();
  submit(&f, model, "anna", row, &first);
  hgl_infer_flush(f.infer);
  until(&f, test_engine_at_gate() == 1);
  suppose_row_takes(model, 1);
  submit(&f, model, "bert", row, &second);
  hgl_infer_flush(f.infer);
  assert_int_equal(model->queued, 1); /* the thread is at the gate */
  test_engine_open_gate();
  until(&f, first.done && second.done);
  tear_down(&f);
}

static void pause_for_a_while(void)
{
  for (int i = 0; i < 20; i++) pause_a_moment();
}

static _Atomic bool flushed;

static void *open_gate_later(void *user)
{
  struct hgl_infer_model *model = user;
  while (test_engine_at_gate() < 1 && !flushed) pause_a_moment();
  pthread_cond_broadcast(&model->changed); /* as threads wake for nothing, too */
  pause_for_a_while();
  bool alone = test_engine_at_gate() == 1;
  test_engine_open_gate();
  return alone ? model : NULL;
}

/* Whether nothing ran beside what the loop ran meanwhile. */
static bool flush_alone(struct fixture *f, struct hgl_infer_model *model)
{
  pthread_t thread;
  void *alone;
  flushed = false;
  assert_int_equal(pthread_create(&thread, NULL, open_gate_later, model), 0);
  hgl_infer_flush(f->infer);
  flushed = true;
  pthread_join(thread, &alone);
  return alone;
}

static void a_thread_does_not_run_what_the_loop_runs(void **state)
{
  struct fixture f;
  struct asked a[2];
  struct hgl_err err = {0};
  const struct haggle_option one = {"batch", "1"};
  set_up(&f);
  assert_ok(open_with(&f, "m", "quick,gate", &one, 1, &err));
  struct hgl_infer_model *model = hgl_infer_find(f.infer, hgl_text("m"));
  ask(&f, model, row, &a[0]);
  suppose_row_takes(model, 1);
  keep_threads_away(model);
  test_engine_close_gate();
  submit(&f, model, "anna", row, &a[0]);
  submit(&f, model, "bert", row, &a[1]);
  assert_true(flush_alone(&f, model));
  assert_int_equal(batches_on_loop(model), 2);
  hgl_infer_poll(f.infer);
  assert_true(a[0].done && a[1].done);
  tear_down(&f);
}

/* Behind a batch a thread waits for others to come: what comes may be the loop's. */
static void a_thread_that_waits_for_more_leaves_it_to_the_loop_that_has_begun(void **state)
{
  struct fixture f;
  struct asked a[5];
  struct hgl_err err = {0};
  const struct haggle_option options[] = {{"batch", "2"}, {"wait", "1000ms"}};
  set_up(&f);
  assert_ok(open_with(&f, "m", "quick,gate", options, 2, &err));
  struct hgl_infer_model *model = hgl_infer_find(f.infer, hgl_text("m"));
  test_engine_close_gate();
  submit(&f, model, "anna", row, &a[0]);
  hgl_infer_flush(f.infer);
  until(&f, test_engine_at_gate() == 1);
  submit(&f, model, "anna", row, &a[1]);
  hgl_infer_flush(f.infer);
  test_engine_open_gate();
  until(&f, a[0].done);
  pause_for_a_while(); /* it waits beside the second now */
  suppose_row_takes(model, 1);
  test_engine_close_gate();
  for (int i = 2; i < 5; i++) submit(&f, model, "bert", row, &a[i]);
  assert_true(flush_alone(&f, model));
  until(&f, f.told == 5);
  tear_down(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_a_quick_model_is_done_with_at_once_runs_on_the_loop),
      cmocka_unit_test(what_would_keep_the_loop_is_for_a_thread),
      cmocka_unit_test(models_share_the_time_that_they_have_of_the_loop),
      cmocka_unit_test(a_model_may_be_kept_off_the_loop),
      cmocka_unit_test(the_loop_does_not_run_what_a_thread_runs),
      cmocka_unit_test(a_thread_does_not_run_what_the_loop_runs),
      cmocka_unit_test(a_thread_that_waits_for_more_leaves_it_to_the_loop_that_has_begun),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
