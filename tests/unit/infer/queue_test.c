/* Calls of many agents become batches; what engines do wrong stays with them. */
#include "infer/infer_core.h"
#include "infer_fixture.h"

static json_t *described(struct fixture *f)
{
  struct hgl_err err = {0};
  json_t *list = NULL;
  assert_ok(hgl_infer_describe(f->infer, "m", &list, &err));
  json_t *one = json_incref(json_array_get(list, 0));
  assert_non_null(one);
  json_decref(list);
  return one;
}

static json_int_t number_of(struct fixture *f, const char *table, const char *key)
{
  json_t *model = described(f);
  const json_t *at = table ? json_object_get(model, table) : model;
  const json_t *value = json_object_get(at, key);
  assert_non_null(value);
  json_int_t number = json_integer_value(value);
  json_decref(model);
  return number;
}

static void tell_trouble(void *user, const char *model, const char *words)
{
  snprintf(user, 200, "%s: %s", model, words);
}

static void a_call_is_answered(void **state)
{
  struct fixture f;
  struct asked a;
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "good");
  ask(&f, model, "{'x': [[1, 2, 3], [4, 5, 6.5]]}", &a);
  assert_string_equal(a.text, "{\"sum\":[6.0,15.5]}");
  ask(&f, model, "{'x': [1, 2, 3]}", &a);
  assert_string_equal(a.text, "{\"sum\":6.0}");
  assert_int_equal(number_of(&f, NULL, "done"), 2);
  tear_down(&f);
}

static void calls_that_come_while_one_runs_become_one_batch(void **state)
{
  struct fixture f;
  struct asked first, others[40];
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "gate");
  test_engine_close_gate();
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &first);
  hgl_infer_flush(f.infer);
  until(&f, test_engine_at_gate() == 1);
  for (int i = 0; i < 40; i++) {
    char name[20];
    snprintf(name, sizeof name, "agent-%d", i);
    submit(&f, model, name, "{'x': [1, 2, 3]}", &others[i]);
  }
  hgl_infer_flush(f.infer);
  assert_int_equal(number_of(&f, "queue", "waiting"), 40);
  test_engine_open_gate();
  until(&f, f.told == 41);
  assert_int_equal(number_of(&f, "batches", "count"), 2);
  assert_int_equal(number_of(&f, "queue", "waiting"), 0);
  assert_int_equal(number_of(&f, "queue", "running"), 0);
  tear_down(&f);
}

static void agents_take_turns(void **state)
{
  struct fixture f;
  struct asked first, many[10], one;
  const struct haggle_option two[] = {{"batch", "2"}};
  struct hgl_err err = {0};
  set_up(&f);
  assert_ok(open_with(&f, "m", "gate", two, 1, &err));
  struct hgl_infer_model *model = hgl_infer_find(f.infer, hgl_text("m"));
  test_engine_close_gate();
  submit(&f, model, "greedy", "{'x': [1, 2, 3]}", &first);
  hgl_infer_flush(f.infer);
  until(&f, test_engine_at_gate() == 1);
  for (int i = 0; i < 10; i++) submit(&f, model, "greedy", "{'x': [1, 2, 3]}", &many[i]);
  submit(&f, model, "modest", "{'x': [1, 2, 3]}", &one);
  test_engine_open_gate();
  until(&f, f.told == 12);
  /* In the first batch behind the one that ran. */
  assert_true(one.order <= 3);
  for (int i = 1; i < 10; i++) assert_true(many[i].order > many[i - 1].order);
  tear_down(&f);
}

static void a_full_batch_begins_before_the_flush(void **state)
{
  struct fixture f;
  struct asked a[2];
  const struct haggle_option two[] = {{"batch", "2"}};
  struct hgl_err err = {0};
  set_up(&f);
  assert_ok(open_with(&f, "m", "good", two, 1, &err));
  struct hgl_infer_model *model = hgl_infer_find(f.infer, hgl_text("m"));
  ask(&f, model, "{'x': [1, 2, 3]}", &a[0]);
  for (int i = 0; i < 5; i++) pause_a_moment(); /* its thread waits then, as a rule */
  f.told = 0;
  for (int i = 0; i < 2; i++) submit(&f, model, "anna", "{'x': [1, 2, 3]}", &a[i]);
  until(&f, f.told == 2);
  tear_down(&f);
}

static void a_full_queue_and_a_full_share_of_it_are_refused(void **state)
{
  struct fixture f;
  struct asked held[8], refused;
  const struct haggle_option bounds[] = {{"queue", "4"}, {"agent_queue", "3"}};
  struct hgl_err err = {0};
  set_up(&f);
  assert_ok(open_with(&f, "m", "gate", bounds, 2, &err));
  struct hgl_infer_model *model = hgl_infer_find(f.infer, hgl_text("m"));
  test_engine_close_gate();
  for (int i = 0; i < 3; i++) submit(&f, model, "anna", "{'x': [1, 2, 3]}", &held[i]);
  assert_int_equal(try_submit(&f, model, "anna", "{'x': [1, 2, 3]}", 0, &refused, &err),
                   -HGL_LIMIT);
  assert_non_null(strstr(err.message, "agent_queue"));
  submit(&f, model, "bert", "{'x': [1, 2, 3]}", &held[3]);
  assert_int_equal(try_submit(&f, model, "bert", "{'x': [1, 2, 3]}", 0, &refused, &err),
                   -HGL_LIMIT);
  assert_non_null(strstr(err.message, "is full"));
  assert_int_equal(number_of(&f, NULL, "refused"), 2);
  hgl_infer_flush(f.infer);
  test_engine_open_gate();
  until(&f, f.told == 4);
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &held[0]);
  hgl_infer_flush(f.infer);
  until(&f, f.told == 5);
  tear_down(&f);
}

static void a_call_whose_time_is_over_does_not_run(void **state)
{
  struct fixture f;
  struct asked first, late;
  struct hgl_err err = {0};
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "gate");
  test_engine_close_gate();
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &first);
  hgl_infer_flush(f.infer);
  until(&f, test_engine_at_gate() == 1);
  assert_ok(try_submit(&f, model, "anna", "{'x': [1, 2, 3]}", 1, &late, &err));
  for (int i = 0; i < 5; i++) pause_a_moment();
  test_engine_open_gate();
  until(&f, f.told == 2);
  assert_int_equal(first.code, HGL_OK);
  assert_int_equal(late.code, HGL_TIMEOUT);
  assert_int_equal(number_of(&f, NULL, "timeouts"), 1);
  char told[200] = "";
  hgl_infer_troubles(f.infer, tell_trouble, told);
  assert_non_null(strstr(told, "0 calls failed and 1 took too long"));
  tear_down(&f);
}

static void a_cancelled_call_is_not_told_wherever_it_is(void **state)
{
  struct fixture f;
  struct asked running, queued, over, kept;
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "slow");
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &running);
  hgl_infer_flush(f.infer);
  until(&f, number_of(&f, "queue", "running") == 1);
  submit(&f, model, "bert", "{'x': [1, 2, 3]}", &queued);
  hgl_infer_cancel(queued.call);
  hgl_infer_cancel(running.call); /* the engine sees it, and ends */
  until(&f, number_of(&f, "queue", "running") == 0);
  tear_down(&f);
  assert_false(running.done || queued.done);

  set_up(&f);
  model = open_model(&f, "good");
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &over);
  hgl_infer_flush(f.infer);
  for (int i = 0; i < WAIT_S * 1000 && !number_of(&f, NULL, "done"); i++) pause_a_moment();
  hgl_infer_cancel(over.call); /* it waits for the loop */
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &kept);
  hgl_infer_flush(f.infer);
  until(&f, kept.done);
  assert_false(over.done);
  tear_down(&f);
}

static void a_host_that_stops_ends_what_runs_and_waits(void **state)
{
  struct fixture f;
  struct asked running, queued;
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "slow");
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &running);
  hgl_infer_flush(f.infer);
  until(&f, number_of(&f, "queue", "running") == 1);
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &queued);
  tear_down(&f);
  assert_false(queued.done);
}

static void garbage_is_an_error_of_the_agent_that_asked(void **state)
{
  static const struct {
    const char *file, *says;
  } cases[] = {
      {"never", "ended without an answer"}, {"name", "'other' where 'sum' belongs"},
      {"type", "i64 instead of f32"},       {"shape", "the shape [2]"},
      {"size", "3 bytes instead of 4"},     {"nan", "element 1 is no finite number"},
      {"count", "2 outputs instead of 1"},  {"null", "0 bytes instead of 4"},
      {"badsize", "a result of 8 bytes"},   {"huge", "the shape [9223372036854775807]"},
      {"fail", "it does not ? like that"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fixture f;
    struct asked a;
    set_up(&f);
    struct hgl_infer_model *model = open_model(&f, cases[i].file);
    ask(&f, model, "{'x': [1, 2, 3]}", &a);
    assert_int_equal(a.code, HGL_ENGINE_FAILED);
    if (!strstr(a.text, cases[i].says)) fail_msg("%s: %s", cases[i].file, a.text);
    assert_int_equal(number_of(&f, NULL, "failed"), 1);
    bool said = strcmp(cases[i].file, "fail") != 0 && strcmp(cases[i].file, "never") != 0;
    assert_int_equal(strstr(f.logged, "the engine test gave") != NULL, said);
    ask(&f, model, "{'x': [1, 2, 3]}", &a);
    assert_int_equal(a.code, HGL_ENGINE_FAILED);
    tear_down(&f);
  }
}

static void an_answer_given_twice_or_to_nobody_does_no_harm(void **state)
{
  struct fixture f;
  struct asked a[3];
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "twice,stranger");
  for (int i = 0; i < 3; i++) submit(&f, model, "anna", "{'x': [1, 2, 3]}", &a[i]);
  hgl_infer_flush(f.infer);
  until(&f, f.told == 3);
  for (int i = 0; i < 3; i++) assert_string_equal(a[i].text, "{\"sum\":6.0}");
  assert_int_equal(number_of(&f, NULL, "garbage"), 9);
  assert_non_null(strstr(f.logged, "an answer to what it was not asked"));
  tear_down(&f);
}

static void language_models_answer_values(void **state)
{
  static const char big[] = "{\"$$big\":[1,2.5],\"text\":\"35 bytes\",\"finish\":\"stop\"}";
  struct fixture f;
  struct asked a;
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "text");
  ask(&f, model, "{'task': 'complete', 'prompt': 'well'}", &a);
  assert_int_equal(a.code, HGL_OK);
  assert_string_equal(a.text, big);
  tear_down(&f);
  static const char *const broken[] = {"text,nojson", "text,badutf8"};
  for (size_t i = 0; i < 2; i++) {
    set_up(&f);
    ask(&f, open_model(&f, broken[i]), "{'task': 'complete', 'prompt': 'well'}", &a);
    assert_int_equal(a.code, HGL_ENGINE_FAILED);
    assert_non_null(strstr(a.text, "no JSON"));
    assert_int_equal(number_of(&f, NULL, "failed"), 1);
    assert_int_equal(number_of(&f, NULL, "done"), 0);
    tear_down(&f);
  }
}

static void an_engine_that_goes_on_takes_what_comes_meanwhile(void **state)
{
  struct fixture f;
  struct asked endless, later[6];
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "steps");
  submit(&f, model, "anna", "{'task': 'complete', 'prompt': '~'}", &endless);
  hgl_infer_flush(f.infer);
  until(&f, number_of(&f, "queue", "running") == 1);
  for (int i = 0; i < 6; i++)
    submit(&f, model, "bert", "{'task': 'complete', 'prompt': 'a'}", &later[i]);
  hgl_infer_flush(f.infer);
  until(&f, f.told == 6);
  assert_false(endless.done);
  assert_int_equal(number_of(&f, "batches", "joined"), 6);
  hgl_infer_cancel(endless.call);
  until(&f, number_of(&f, "queue", "running") == 0);
  tear_down(&f);
}

static void an_engine_that_waits_is_woken_by_its_event(void **state)
{
  struct fixture f;
  struct asked endless, later, cancelled;
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "steps,waits");
  submit(&f, model, "anna", "{'task': 'complete', 'prompt': '~'}", &endless);
  hgl_infer_flush(f.infer);
  until(&f, number_of(&f, "queue", "running") == 1);
  submit(&f, model, "bert", "{'task': 'complete', 'prompt': '~~'}", &later);
  hgl_infer_flush(f.infer);
  until(&f, number_of(&f, "queue", "running") == 2);
  hgl_infer_cancel(later.call);
  until(&f, number_of(&f, "queue", "running") == 1);
  submit(&f, model, "bert", "{'task': 'complete', 'prompt': '~'}", &cancelled);
  tear_down(&f); /* the engine is woken, too */
  assert_false(later.done || cancelled.done);
}

static void a_call_that_is_late_when_it_is_taken_leaves_no_place(void **state)
{
  struct fixture f;
  struct asked endless, late;
  struct hgl_err err = {0};
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "steps,gate");
  test_engine_close_gate();
  submit(&f, model, "anna", "{'task': 'complete', 'prompt': '~'}", &endless);
  hgl_infer_flush(f.infer);
  until(&f, test_engine_at_gate() == 1);
  assert_ok(try_submit(&f, model, "bert", "{'task': 'complete', 'prompt': 'a'}", 1, &late, &err));
  for (int i = 0; i < 5; i++) pause_a_moment();
  test_engine_open_gate();
  until(&f, late.done);
  assert_int_equal(late.code, HGL_TIMEOUT);
  hgl_infer_cancel(endless.call);
  until(&f, number_of(&f, "queue", "running") == 0);
  tear_down(&f);
}

static size_t count_idle(const struct hgl_infer_model *model)
{
  size_t count = 0;
  for (const struct infer_caller *at = model->idle_oldest; at; at = at->younger) count++;
  return count;
}

/* An engine that hangs, and more agents that give up than are remembered. */
static void an_agent_that_was_forgotten_while_it_had_a_turn_calls_again(void **state)
{
  enum { AGENTS = 4097 };
  struct fixture f;
  struct asked first, asked;
  set_up(&f);
  struct hgl_infer_model *model = open_model(&f, "gate");
  test_engine_close_gate();
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &first);
  hgl_infer_flush(f.infer);
  until(&f, test_engine_at_gate() == 1);
  for (int i = 0; i <= AGENTS; i++) {
    char name[20];
    snprintf(name, sizeof name, "agent-%d", i % AGENTS); /* the first one twice */
    submit(&f, model, name, "{'x': [1, 2, 3]}", &asked);
    hgl_infer_cancel(asked.call);
  }
  assert_int_equal(count_idle(model), AGENTS - 1);
  assert_int_equal(model->idle_callers, AGENTS - 1);
  test_engine_open_gate();
  until(&f, first.done);
  tear_down(&f);
}

static void several_threads_share_a_queue(void **state)
{
  struct fixture f;
  struct asked a[64];
  const struct haggle_option options[] = {{"batch", "3"}, {"wait", "0"}};
  struct hgl_err err = {0};
  set_up(&f);
  assert_ok(open_with(&f, "m", "parallel", options, 2, &err));
  struct hgl_infer_model *model = hgl_infer_find(f.infer, hgl_text("m"));
  for (int round = 0; round < 20; round++) {
    f.told = 0;
    for (int i = 0; i < 64; i++) {
      char name[20];
      snprintf(name, sizeof name, "agent-%d", i % 7);
      submit(&f, model, name, "{'x': [1, 2, 3]}", &a[i]);
      if (i % 5 == 0) hgl_infer_flush(f.infer);
    }
    hgl_infer_flush(f.infer);
    until(&f, f.told == 64);
  }
  for (int i = 0; i < 64; i++) assert_string_equal(a[i].text, "{\"sum\":6.0}");
  tear_down(&f);
}

static void what_one_thread_leaves_another_takes(void **state)
{
  struct fixture f;
  struct asked a[3];
  const struct haggle_option options[] = {{"batch", "1"}, {"wait", "0"}};
  struct hgl_err err = {0};
  set_up(&f);
  assert_ok(open_with(&f, "m", "parallel,gate", options, 2, &err));
  struct hgl_infer_model *model = hgl_infer_find(f.infer, hgl_text("m"));
  for (int round = 0; round < 3; round++) { /* in the first, threads may only just begin */
    f.told = 0;
    test_engine_close_gate();
    for (int i = 0; i < 3; i++) submit(&f, model, "anna", "{'x': [1, 2, 3]}", &a[i]);
    hgl_infer_flush(f.infer);
    until(&f, test_engine_at_gate() == 3);
    test_engine_open_gate();
    until(&f, f.told == 3 && test_engine_at_gate() == 0);
  }
  tear_down(&f);
}

static _Atomic size_t wakes;

static void count_wake(void *user)
{
  wakes++;
}

/* Whoever was woken is gone. It stays where it is: its thread and its model are left to themselves,
 * so that no test may follow. */
static void an_engine_that_comes_back_after_all_wakes_nobody(void **state)
{
  static struct fixture f;
  struct hgl_err err = {0};
  struct asked a, b;
  set_up(&f);
  hgl_infer_destroy(f.infer);
  static const struct hgl_infer_builtin builtins[] = {{"test", test_engine}, {NULL, NULL}};
  const struct hgl_infer_config config = {
      .random = &f.random, .log = &f.log, .builtins = builtins, .wake = count_wake};
  assert_ok(hgl_infer_create(&config, &f.infer, &err));
  struct hgl_infer_model *model = open_model(&f, "gate");
  assert_ok(open_with(&f, "n", "gate", NULL, 0, &err));
  test_engine_close_gate();
  submit(&f, model, "anna", "{'x': [1, 2, 3]}", &a);
  submit(&f, hgl_infer_find(f.infer, hgl_text("n")), "anna", "{'x': [1, 2, 3]}", &b);
  hgl_infer_flush(f.infer);
  until(&f, test_engine_at_gate() == 2);
  int64_t began = infer_now_ns();
  hgl_infer_destroy(f.infer);
  assert_true(infer_now_ns() - began < INT64_C(9000000000)); /* once, however many hang */
  assert_non_null(strstr(f.logged, "model m: its engine has not come back"));
  assert_non_null(strstr(f.logged, "model n: its engine has not come back"));
  size_t before = wakes;
  test_engine_open_gate();
  for (bool over = false; !over; pause_a_moment()) {
    pthread_mutex_lock(&f.infer->lock);
    over = f.infer->over_first && f.infer->over_first->next;
    pthread_mutex_unlock(&f.infer->lock);
  }
  assert_int_equal(wakes, before);
  assert_false(a.done);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_call_is_answered),
      cmocka_unit_test(calls_that_come_while_one_runs_become_one_batch),
      cmocka_unit_test(agents_take_turns),
      cmocka_unit_test(a_full_batch_begins_before_the_flush),
      cmocka_unit_test(a_full_queue_and_a_full_share_of_it_are_refused),
      cmocka_unit_test(a_call_whose_time_is_over_does_not_run),
      cmocka_unit_test(a_cancelled_call_is_not_told_wherever_it_is),
      cmocka_unit_test(a_host_that_stops_ends_what_runs_and_waits),
      cmocka_unit_test(garbage_is_an_error_of_the_agent_that_asked),
      cmocka_unit_test(an_answer_given_twice_or_to_nobody_does_no_harm),
      cmocka_unit_test(language_models_answer_values),
      cmocka_unit_test(an_engine_that_goes_on_takes_what_comes_meanwhile),
      cmocka_unit_test(an_engine_that_waits_is_woken_by_its_event),
      cmocka_unit_test(a_call_that_is_late_when_it_is_taken_leaves_no_place),
      cmocka_unit_test(an_agent_that_was_forgotten_while_it_had_a_turn_calls_again),
      cmocka_unit_test(several_threads_share_a_queue),
      cmocka_unit_test(what_one_thread_leaves_another_takes),
      cmocka_unit_test(an_engine_that_comes_back_after_all_wakes_nobody),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
