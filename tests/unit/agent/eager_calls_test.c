/* Calls that begin with their tick and may be deferred: what of them is durable when. */
#include "agent/internal.h"
#include "calls_fixture.h"

/* Ticks by hand: nothing is committed but by the tick itself. */
static void an_eager_call_begins_with_its_tick_and_not_behind_the_commit(void **state)
{
  struct fixture f;
  set_up(&f, 20);
  f.fake.eager = f.fake.repeatable = true;
  uint64_t before = hgl_host_counts(f.node->host).commits;
  world_say(f.node, "caller", "go/1.0/now", "{\"x\":1}");
  hgl_host_tick(f.node->host);
  assert_int_equal(f.fake.checked, 1); /* its inputs may be large */
  assert_int_equal(f.fake.started, 1);
  assert_int_equal(f.fake.begun, 1);
  assert_int_equal(f.fake.commits, before); /* the message itself is not durable yet */
  answer(&f, f.fake.ticket, "42");          /* even so */
  assert_true(world_logged(&f.world, "outcome 42"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void an_eager_call_that_a_crash_cut_off_is_made_again(void **state)
{
  struct fixture f;
  set_up(&f, 21);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  assert_true(f.fake.repeated);
  answer(&f, f.fake.ticket, "late");
  assert_true(world_logged(&f.world, "outcome late"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "begun"), 1);
  world_deinit(&f.world);
}

static size_t commits(const struct fixture *f)
{
  return hgl_host_counts(f->node->host).commits;
}

/* A model is asked again and again, and nobody has seen what it said: no commit is made for that.
 */
static void what_eager_calls_decide_is_durable_with_the_first_consequence(void **state)
{
  struct fixture f;
  set_up(&f, 24);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "chain/1.0/now", NULL);
  world_run(&f.world);
  struct hgl_id first = f.fake.id;
  size_t before = commits(&f);
  answer(&f, f.fake.ticket, "1");
  answer(&f, f.fake.ticket, "2");
  assert_int_equal(f.fake.started, 3);
  assert_int_equal(commits(&f), before);
  restart(&f); /* what it had decided was without consequence */
  world_run(&f.world);
  assert_int_equal(f.fake.started, 4);
  assert_true(hgl_id_equal(&f.fake.id, &first));
  for (int i = 1; i <= 3; i++) answer(&f, f.fake.ticket, i == 1 ? "10" : i == 2 ? "20" : "30");
  assert_int_equal(f.fake.started, 7);
  restart(&f); /* the write to state made the three answers durable with it */
  world_run(&f.world);
  assert_int_equal(f.fake.started, 8);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 60);
  answer(&f, f.fake.ticket, "40");
  assert_int_equal(f.fake.started, 8);
  restart(&f);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 100);
  world_deinit(&f.world);
}

static void what_a_model_took_a_second_for_is_not_asked_for_again(void **state)
{
  struct fixture f;
  set_up(&f, 25);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "chain/1.0/now", NULL);
  world_run(&f.world);
  world_advance(&f.world, 1000);
  size_t before = commits(&f);
  answer(&f, f.fake.ticket, "1");
  assert_int_equal(commits(&f), before + 1);
  answer(&f, f.fake.ticket, "2");
  assert_int_equal(commits(&f), before + 1);
  assert_int_equal(f.fake.started, 3);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 4);
  assert_true(hgl_id_equal(&f.fake.id, &f.fake.ids[1]));
  world_deinit(&f.world);
}

/* The first decision of a chain is deferred, and the second question asked. */
static void defer_one(struct fixture *f, uint64_t seed)
{
  set_up(f, seed);
  f->fake.eager = f->fake.repeatable = true;
  world_say(f->node, "caller", "chain/1.0/now", NULL);
  world_run(&f->world);
  size_t before = commits(f);
  answer(f, f->fake.ticket, "1");
  assert_int_equal(f->fake.started, 2);
  assert_int_equal(commits(f), before);
}

/* The chain's question (1, …) that is asked after a crash. */
static void assert_asks_again(struct fixture *f, size_t question)
{
  size_t started = f->fake.started;
  restart(f);
  world_run(&f->world);
  assert_int_equal(f->fake.started, started + 1);
  assert_true(hgl_id_equal(&f->fake.id, &f->fake.ids[question - 1]));
  world_deinit(&f->world);
}

static void what_is_deferred_is_durable_after_five_seconds(void **state)
{
  struct fixture f;
  defer_one(&f, 29);
  size_t before = commits(&f);
  world_advance(&f.world, 4900);
  assert_int_equal(commits(&f), before);
  assert_true(hgl_host_deadline(f.node->host) <= hgl_mono_ns(&f.world.clock) + 100000000);
  world_advance(&f.world, 100); /* though the model has not answered the next */
  assert_int_equal(commits(&f), before + 1);
  assert_asks_again(&f, 2);
}

static void commits_of_others_pass_over_what_is_deferred(void **state)
{
  struct fixture f;
  defer_one(&f, 30);
  size_t before = commits(&f);
  world_say(f.node, "other", "list/1.0/make", NULL);
  world_run(&f.world);
  assert_true(commits(&f) > before);
  assert_asks_again(&f, 1);
}

/* It need not be durable before its agent has its turn. */
static void an_eager_answer_that_waits_for_its_agent_is_deferred(void **state)
{
  struct fixture f;
  struct hgl_err err;
  set_up(&f, 31);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "chain/1.0/now", NULL);
  world_run(&f.world);
  assert_ok(hgl_host_pause_agent(f.node->host, "caller", &err));
  answer(&f, f.fake.ticket, "1");
  world_say(f.node, "other", "list/1.0/make", NULL);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  assert_ok(hgl_host_resume_agent(f.node->host, "caller", &err));
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  assert_asks_again(&f, 1);
}

static void a_host_that_stops_keeps_what_was_deferred(void **state)
{
  struct fixture f;
  defer_one(&f, 32);
  hgl_host_stop_agents(f.node->host);
  world_run(&f.world);
  assert_asks_again(&f, 2);
}

static void more_than_a_host_defers_is_durable_before_its_time(void **state)
{
  struct fixture f;
  set_up(&f, 33);
  f.fake.eager = f.fake.repeatable = true;
  f.node->host->deferred_bytes_max = 1;
  world_say(f.node, "caller", "chain/1.0/now", NULL);
  world_run(&f.world);
  size_t before = commits(&f);
  answer(&f, f.fake.ticket, "1");
  world_run(&f.world); /* the tick that it has asked for */
  assert_int_equal(commits(&f), before + 1);
  assert_int_equal(f.node->host->deferred_bytes, 0);
  assert_asks_again(&f, 2);
}

/* Records of all that comes due together would hold up the others. */
static void what_was_deferred_comes_into_rows_a_few_at_a_time(void **state)
{
  enum { RUNS = 3, ANSWERS = 130 };
  struct fixture f;
  set_up(&f, 34);
  f.fake.eager = f.fake.repeatable = true;
  for (int i = 0; i < RUNS; i++) {
    world_say(f.node, "caller", "long/1.0/now", NULL);
    world_run(&f.world);
    for (int k = 0; k < ANSWERS; k++) answer(&f, f.fake.ticket, "1");
  }
  size_t before = commits(&f);
  world_advance(&f.world, 5000);
  assert_int_equal(commits(&f), before + 2);
  assert_null(f.node->host->deferred_runs.first);
  restart(&f);
  f.fake.started = 0;
  world_run(&f.world);
  assert_int_equal(f.fake.started, RUNS);
  world_deinit(&f.world);
}

static size_t stretches_in_trace(struct fixture *f, json_int_t *last)
{
  struct hgl_err err;
  json_t *list, *event;
  size_t index, count = 0;
  assert_ok(hgl_host_trace(f->node->host, "caller", 0, 100, &list, &err));
  json_array_foreach(list, index, event)
  {
    if (strcmp(present(json_string_value(json_object_get(event, "what"))), "stretch") != 0)
      continue;
    if (!count++) *last = json_integer_value(json_object_get(event, "number"));
  }
  json_decref(list);
  return count;
}

/* What others did would soon be gone from there. */
static void the_trace_leaves_out_stretches_that_only_ask_again(void **state)
{
  struct fixture f;
  json_int_t last;
  defer_one(&f, 35);
  assert_int_equal(stretches_in_trace(&f, &last), 1);
  assert_int_equal(last, 1);
  world_advance(&f.world, 100); /* this one took its time */
  answer(&f, f.fake.ticket, "2");
  assert_int_equal(stretches_in_trace(&f, &last), 2);
  assert_int_equal(last, 3);
  answer(&f, f.fake.ticket, "3"); /* and this one writes to state */
  assert_int_equal(stretches_in_trace(&f, &last), 3);
  assert_int_equal(last, 4);
  answer(&f, f.fake.ticket, "4");
  assert_int_equal(stretches_in_trace(&f, &last), 4);
  assert_int_equal(last, 5);
  world_deinit(&f.world);
}

/* Whoever has it next may be seen to have it. */
static void a_lock_that_is_given_back_between_eager_calls_is_durably_so(void **state)
{
  struct fixture f;
  set_up(&f, 26);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "lock/1.0/now", NULL);
  world_run(&f.world);
  world_say(f.node, "caller", "lock/1.0/now", NULL);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1); /* the second one waits for the lock */
  answer(&f, f.fake.ticket, "1");
  assert_int_equal(f.fake.started, 3);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 5);
  for (size_t i = 3; i < 5; i++) /* the first one is not within it again */
    assert_false(hgl_id_equal(&f.fake.ids[i], &f.fake.ids[0]));
  world_deinit(&f.world);
}

/* Unlike a crash, it loses nothing. */
static void an_agent_that_begins_again_keeps_what_was_deferred(void **state)
{
  struct fixture f;
  struct hgl_err err;
  set_up(&f, 28);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "chain/1.0/now", NULL);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "1");
  assert_ok(hgl_host_restart_agent(f.node->host, "caller", hgl_bytes(NULL, 0), &err));
  world_run(&f.world);
  assert_int_equal(f.fake.cancelled, 1);
  assert_int_equal(f.fake.started, 3);
  assert_true(hgl_id_equal(&f.fake.ids[2], &f.fake.ids[1]));
  for (int i = 2; i <= 4; i++) answer(&f, f.fake.ticket, i == 2 ? "2" : i == 3 ? "3" : "4");
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 10);
  world_deinit(&f.world);
}

static void tables_that_move_make_decisions_durable(void **state)
{
  struct fixture f;
  set_up(&f, 27);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "list/1.0/make", NULL);
  world_run(&f.world);
  world_say(f.node, "caller", "hold/1.0/now", NULL);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "1");
  world_say(f.node, "caller", "list/1.0/move", NULL);
  world_run(&f.world);
  restart(&f);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "2");
  if (f.fake.started == 4) answer(&f, f.fake.ticket, "2");
  assert_true(world_logged(&f.world, "held 7"));
  world_deinit(&f.world);
}

static void an_eager_call_that_cannot_begin_comes_back(void **state)
{
  struct fixture f;
  set_up(&f, 22);
  f.fake.eager = f.fake.fails = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_true(world_logged(&f.world, "outcome refused not today"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void eager_calls_are_not_counted_by_the_second(void **state)
{
  struct fixture f;
  set_up(&f, 23);
  f.fake.eager = f.fake.fails = true; /* over at once */
  world_agent(f.node, "busy",
              "agent.on('x/1.0/y', function()\n"
              "  local codes = {}\n"
              "  for i = 1, 350 do\n"
              "    local request = { counted = i > 100 and i <= 250 or nil }\n"
              "    local _, _, code = host.call('fake', request)\n"
              "    codes[code] = (codes[code] or 0) + 1\n"
              "  end\n"
              "  log.info('refused ' .. codes.refused .. ' limit ' .. codes.limit)\n"
              "end)\n",
              use_it);
  world_say(f.node, "busy", "x/1.0/y", NULL);
  world_run(&f.world);
  assert_true(world_logged(&f.world, "refused 300 limit 50"));
  world_deinit(&f.world);
}

/* However many ask models as fast as these answer, others do not wait for them. */
static void who_goes_on_with_an_eager_answer_is_behind_all_others(void **state)
{
  struct fixture f;
  set_up(&f, 27);
  f.fake.eager = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  hgl_host_call_done(f.node->host, f.fake.ticket,
                     hgl_bytes("\xa1\x66"
                               "answer\x63now",
                               12),
                     NULL);
  world_say(f.node, "other", "raw/1.0/now", "{\"service\":\"none\",\"request\":1}");
  world_run(&f.world);
  const char *decided = strstr(f.world.logged, "outcome now");
  const char *handled = strstr(f.world.logged, "raw false");
  assert_non_null(decided);
  assert_non_null(handled);
  assert_true(handled < decided);
  world_deinit(&f.world);
}

/* Whom the next decision in the log is of. */
static const char *next_decision(const char **at)
{
  *at = strstr(*at, "takes 1 ms of ");
  return *at ? (*at += strlen("takes 1 ms of ")) : NULL;
}

static void who_decides_does_so_a_few_times_before_the_next_does(void **state)
{
  enum { DECISIONS = 96, IN_A_ROW = 16 };
  struct fixture f;
  int row = 0, longest = 0, rows = 0;
  set_up(&f, 30);
  f.fake.eager = f.fake.repeatable = true;
  world_agent(f.node, "second", caller, use_it);
  world_say(f.node, "caller", "busy/1.0/now", NULL);
  world_run(&f.world);
  uint64_t of_caller = f.fake.ticket;
  world_say(f.node, "second", "busy/1.0/now", NULL);
  world_run(&f.world);
  give_answer(&f, of_caller, "x");
  give_answer(&f, f.fake.ticket, "x");
  for (int i = 0; i < DECISIONS; i++) {
    hgl_host_tick(f.node->host);
    assert_int_equal(f.fake.started, i + 3);
    give_answer(&f, f.fake.ticket, "x");
  }
  const char *at = f.world.logged, *of, *before = NULL;
  for (; (of = next_decision(&at)); before = of) {
    bool same = before && *of == *before;
    row = same ? row + 1 : 1;
    rows += !same;
    if (row > longest) longest = row;
  }
  assert_int_equal(longest, IN_A_ROW);
  assert_in_range(rows, DECISIONS / IN_A_ROW, DECISIONS / IN_A_ROW + 2);
  world_deinit(&f.world);
}

static int count_decisions(const struct fixture *f)
{
  int count = 0;
  for (const char *at = f->world.logged; next_decision(&at);) count++;
  return count;
}

static void many_handlers_that_decide_have_no_more_of_a_tick_than_one(void **state)
{
  enum { HANDLERS = 3 };
  struct fixture f;
  uint64_t tickets[HANDLERS];
  set_up(&f, 32);
  f.fake.eager = f.fake.repeatable = true;
  for (int i = 0; i < HANDLERS; i++) {
    world_say(f.node, "caller", "once/1.0/now", NULL);
    world_run(&f.world);
    tickets[i] = f.fake.ticket;
  }
  for (int i = 0; i < HANDLERS; i++) give_answer(&f, tickets[i], "x");
  for (int i = 1; i <= HANDLERS; i++) {
    hgl_host_tick(f.node->host);
    assert_int_equal(count_decisions(&f), i);
  }
  world_deinit(&f.world);
}

/* Or those who wait would do so for ever beside many that decide once for each message. */
static void who_begins_to_decide_is_behind_those_who_wait_to(void **state)
{
  struct fixture f;
  set_up(&f, 31);
  f.fake.eager = f.fake.repeatable = true;
  world_agent(f.node, "second", caller, use_it);
  for (int round = 0; round < 3; round++) {
    world_say(f.node, "caller", "once/1.0/now", NULL);
    world_run(&f.world);
    uint64_t of_caller = f.fake.ticket;
    world_say(f.node, "second", "once/1.0/now", NULL);
    world_run(&f.world);
    give_answer(&f, of_caller, "x");
    answer(&f, f.fake.ticket, "x");
  }
  const char *at = f.world.logged, *of;
  for (int i = 0; i < 6; i++) {
    of = next_decision(&at);
    assert_non_null(of);
    assert_int_equal(*of, i % 2 ? 's' : 'c');
  }
  world_deinit(&f.world);
}

static void the_eager_call_of_an_agent_that_goes_is_cancelled(void **state)
{
  struct fixture f;
  struct hgl_err err;
  set_up(&f, 24);
  f.fake.eager = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  assert_ok(hgl_host_stop_agent(f.node->host, "caller", &err));
  world_run(&f.world);
  assert_int_equal(f.fake.cancelled, 1);
  assert_int_equal(hgl_host_calls(f.node->host), 0);
  world_deinit(&f.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_eager_call_begins_with_its_tick_and_not_behind_the_commit),
      cmocka_unit_test(an_eager_call_that_a_crash_cut_off_is_made_again),
      cmocka_unit_test(what_eager_calls_decide_is_durable_with_the_first_consequence),
      cmocka_unit_test(what_a_model_took_a_second_for_is_not_asked_for_again),
      cmocka_unit_test(what_is_deferred_is_durable_after_five_seconds),
      cmocka_unit_test(commits_of_others_pass_over_what_is_deferred),
      cmocka_unit_test(an_eager_answer_that_waits_for_its_agent_is_deferred),
      cmocka_unit_test(a_host_that_stops_keeps_what_was_deferred),
      cmocka_unit_test(more_than_a_host_defers_is_durable_before_its_time),
      cmocka_unit_test(what_was_deferred_comes_into_rows_a_few_at_a_time),
      cmocka_unit_test(the_trace_leaves_out_stretches_that_only_ask_again),
      cmocka_unit_test(a_lock_that_is_given_back_between_eager_calls_is_durably_so),
      cmocka_unit_test(an_agent_that_begins_again_keeps_what_was_deferred),
      cmocka_unit_test(tables_that_move_make_decisions_durable),
      cmocka_unit_test(an_eager_call_that_cannot_begin_comes_back),
      cmocka_unit_test(eager_calls_are_not_counted_by_the_second),
      cmocka_unit_test(who_goes_on_with_an_eager_answer_is_behind_all_others),
      cmocka_unit_test(who_decides_does_so_a_few_times_before_the_next_does),
      cmocka_unit_test(many_handlers_that_decide_have_no_more_of_a_tick_than_one),
      cmocka_unit_test(who_begins_to_decide_is_behind_those_who_wait_to),
      cmocka_unit_test(the_eager_call_of_an_agent_that_goes_is_cancelled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
